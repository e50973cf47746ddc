//! Measures how well a configuration works on recorded sound.

/// Chooses offsets of the log-odds by recordings.
pub mod calibrate;
/// Decides recordings and counts the results.
pub mod eval;
/// Records the user's own sentences, for `eval`.
pub mod record;
