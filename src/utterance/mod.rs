//! Frames of sound to a recording that leaves nothing behind.

/// Voices to cues: where an utterance begins and ends.
pub mod endpoint;
/// Named files: recordings that the user asked to keep, and the sweep that deletes what is too old or too much.
pub mod kept;
/// Unnamed, size-capped recordings on tmpfs.
pub mod scratch;
/// Frame to voice: is this speech?
pub mod vad;
