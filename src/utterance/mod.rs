//! Turns frames of sound into recordings of utterances, without leaving anything on a disk.

/// What was recorded up to a pause, and what a decision on it says about the rest.
pub mod draft;
/// The endpoint detector, which finds where an utterance begins and ends.
pub mod endpoint;
/// Recordings that the user asked to keep as named files, and the sweep that deletes old ones.
pub mod kept;
/// Recording as the cues of the endpoint detector say.
pub mod recorder;
/// Recordings without a name on tmpfs, with a limit on their size.
pub mod scratch;
/// The speech detector, which judges each frame.
pub mod vad;
