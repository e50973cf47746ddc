//! How long people take to say something.

/// How long people take for a sentence, in seconds: so much for the first onset and the last release, and the letters
/// that they say in a second. Of 1,288 commands by people half took more than 1.01 times as long, by Silero, and one in
/// twenty more than 1.57 times (docs/reports/deciding.md).
const AROUND_SECONDS: f32 = 0.15;
const LETTERS_A_SECOND: f32 = 14.0;

/// How long people take for a sentence of so many letters, in seconds.
pub fn usual_seconds(letters: f32) -> f32 {
    AROUND_SECONDS + letters / LETTERS_A_SECOND
}
