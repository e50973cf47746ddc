//! How well a configuration does on recorded sound.

/// Offsets of the log-odds from recordings.
pub mod calibrate;
/// Recordings decided and counted.
pub mod eval;
/// Recordings of the user's own sentences, for `eval`.
pub mod record;
