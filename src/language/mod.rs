//! What depends on the language that is spoken.

/// Numbers in words and digits.
pub mod number;
/// How words sound, near enough to compare them.
pub mod sound;
/// How the same words are written.
pub mod spelling;
