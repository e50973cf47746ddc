//! Evidence: how much speaks for the best sentence. Pure.
//!
//! Witnesses who know nothing of each other are asked, and what they say is added up, as the log-likelihoods of independent
//! ones are: how well the model supports the sentence next to what it would rather write; whether what it would rather
//! write reads like the sentence, and is no longer; whether the speech is as long as the sentence. The weights, but for that
//! of `surplus`, are those of a logistic regression on sentences of 1 to 19 words by synthetic voices, clear and in noise,
//! against hours of other speech: docs/deciding.md. They are in nats of the first witness, and shifted so that 0 divides.

use std::fmt;

use crate::grammar::number;
use crate::recognize::{Candidate, Heard};

/// Nats that each token of a sentence may lie below the free text: in noise every word costs something, while the short
/// sentence that other speech is nearest to has no excuse.
const NATS_A_TOKEN: f32 = 2.6;
/// Nats between a free text that reads exactly like the sentence and one of quite other letters.
const RESEMBLANCE: f32 = 18.0;
/// Nats for speech that lasts e times as long as usual, or as short; and up to where it costs nothing, as people differ.
const PACE: f32 = 12.0;
const USUAL_PACE: f32 = 0.2;
/// Nats for a free text of e times as many letters as the sentence, and up to where it costs nothing: noise takes letters away
/// from what Whisper writes, and seldom adds any.
const SURPLUS: f32 = 18.0;
const USUAL_SURPLUS: f32 = 0.2;
/// What all together must bring.
const NEEDED: f32 = 20.0;

/// Log-probability a token below which Whisper takes its own text for failed: `logprob_threshold` in its transcribe.py. Such
/// a text is no yardstick: next to it any short sentence would look well.
const LEAST_BELIEF: f32 = -1.0;

/// The time that a sentence takes: so much before and after, and letters a second. Fitted to Silero's figures for the same
/// sentences; English is spoken at 10 to 20.
const AROUND_MS: f32 = 300.0;
const LETTERS_A_SECOND: f32 = 13.0;
/// Letters that it takes to say a digit, about.
const LETTERS_A_DIGIT: u64 = 4;

/// What speaks for the best sentence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// Log-likelihood ratio of the sentence against the yardstick, in nats: the free text, but at least a text of the
    /// sentence's length that Whisper just believes.
    pub llr: f32,
    /// Its tokens, the end included.
    pub tokens: usize,
    /// How much of the letters the free text and the sentence share in order, 0 to 1 (normalized Levenshtein).
    pub resemblance: f32,
    /// How many times as many letters the free text has as the sentence, but for words of the sentence that it repeats.
    pub surplus: f32,
    /// How many times as long as usual the speech is.
    pub pace: f32,
}

impl Evidence {
    /// For the best sentence of `heard`, if there is one.
    pub fn of(heard: &Heard) -> Option<Evidence> {
        heard.best.as_ref().map(|best| Evidence::for_candidate(heard, best))
    }

    /// For one of the sentences that `heard` might be.
    pub fn for_candidate(heard: &Heard, candidate: &Candidate) -> Evidence {
        let Candidate { sentence, joint, tokens, .. } = candidate;
        Evidence {
            llr: joint - heard.free.max(LEAST_BELIEF * *tokens as f32),
            tokens: *tokens,
            resemblance: resemblance(&heard.text, &sentence.words),
            surplus: surplus(&heard.text, &sentence.words),
            pace: heard.speech_ms as f32 / (AROUND_MS + 1000.0 * letters(&sentence.words) as f32 / LETTERS_A_SECOND),
        }
    }

    /// All of it, in nats: positive speaks for the sentence.
    pub fn total(&self) -> f32 {
        let off = (self.pace.max(f32::MIN_POSITIVE).ln().abs() - USUAL_PACE).max(0.0);
        let more = (self.surplus.max(f32::MIN_POSITIVE).ln() - USUAL_SURPLUS).max(0.0);
        let for_it = self.llr + NATS_A_TOKEN * self.tokens as f32 + RESEMBLANCE * self.resemblance;
        for_it - PACE * off - SURPLUS * more - NEEDED
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Evidence { llr, tokens, resemblance, surplus, pace } = self;
        let alike = resemblance * 100.0;
        write!(
            f,
            "ratio {llr:.1}, {tokens} tokens, {alike:.0} % alike, {surplus:.1} x its letters, {pace:.1} x its time"
        )
    }
}

/// How much of their letters two texts share in order, 0 to 1: normalized Levenshtein, numbers as they are said.
pub fn resemblance(one: &str, other: &str) -> f32 {
    strsim::normalized_levenshtein(&spelled(one), &spelled(other)) as f32
}

/// See [`Evidence::surplus`]. At a short context Whisper may repeat itself: that is nothing more.
fn surplus(text: &str, sentence: &str) -> f32 {
    let words: Vec<String> = sentence.split_whitespace().map(spelled).collect();
    let mut unsaid = words.clone();
    let mut letters = 0;
    for word in text.split_whitespace().map(spelled) {
        if let Some(at) = unsaid.iter().position(|unsaid| *unsaid == word) {
            unsaid.swap_remove(at);
        } else if words.iter().any(|said| said.starts_with(&word)) {
            continue;
        }
        letters += word.len();
    }
    letters as f32 / spelled(sentence).len().max(1) as f32
}

/// The letters of a text, numbers as they are said.
pub fn spelled(text: &str) -> String {
    let mut letters = String::new();
    let mut digits = String::new();
    let text = text.replace('%', " percent").replace('°', " degrees ").to_lowercase();
    let mut rest = text.chars().chain([' ']).peekable();
    while let Some(c) = rest.next() {
        if c.is_ascii_digit() {
            digits.push(c);
        }
        let within = c == ',' && !digits.is_empty() && rest.peek().is_some_and(char::is_ascii_digit);
        if c.is_ascii_digit() || within {
            continue;
        }
        let said = number::of(&digits).map(number::words).unwrap_or_default();
        let said = said.iter().find(|words| !words.contains(|c: char| c.is_ascii_digit())).unwrap_or(&digits);
        letters.extend(said.chars().filter(|c| c.is_alphanumeric()));
        digits.clear();
        letters.extend(Some(c).filter(|c| c.is_alphabetic()));
    }
    letters
}

/// Letters of a sentence, those of its numbers guessed.
pub fn letters(sentence: &str) -> u64 {
    let count = |c: char| if c.is_ascii_digit() { LETTERS_A_DIGIT } else { u64::from(c.is_alphabetic()) };
    sentence.chars().map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_they_are_said() {
        let cases = [
            ("Set the light to 40%.", "setthelighttofortypercent"),
            ("an 8-ounce mocha", "aneightouncemocha"),
            ("T.V. at 1005", "tvatonethousandfive"),
            ("20°C, 1,500 or 3, 4", "twentydegreesconethousandfivehundredorthreefour"),
            ("call 99999999999", "call99999999999"),
            ("", ""),
        ];
        for (text, letters) in cases {
            assert_eq!(spelled(text), letters, "{text}");
        }
    }

    #[test]
    fn what_is_repeated_is_no_surplus() {
        let cases = [
            ("Turn on the lamp.", 13),
            ("Turn on the lamp, turn on the la", 13),
            ("Turn on the lamps of the ship.", 13 - 4 + 5 + 2 + 4),
            ("Turn.", 4),
            ("", 0),
        ];
        for (text, letters) in cases {
            assert_eq!(surplus(text, "turn on the lamp"), letters as f32 / 13.0, "{text}");
        }
        assert_eq!(surplus("Dim to 12%", "dim to 12 percent"), 1.0);
    }

    #[test]
    fn each_witness_counts_and_only_within_reason() {
        let clear = Evidence { llr: 0.0, tokens: 5, resemblance: 1.0, surplus: 1.0, pace: 1.0 };
        let cases: [(&str, Evidence, bool); 9] = [
            ("all speak for it", clear, true),
            ("half of the text is missing", Evidence { resemblance: 0.5, surplus: 0.5, ..clear }, true),
            ("twice as much text", Evidence { resemblance: 0.5, surplus: 2.0, ..clear }, false),
            ("somewhat slow", Evidence { pace: 1.2, ..clear }, true),
            ("half the letters, in noise", Evidence { llr: -4.0, resemblance: 0.5, tokens: 8, ..clear }, true),
            ("other words", Evidence { llr: -12.0, resemblance: 0.4, ..clear }, false),
            (
                "nothing alike, though the model doubts its own text",
                Evidence { resemblance: 0.1, tokens: 2, ..clear },
                false,
            ),
            ("five times as long", Evidence { pace: 5.0, ..clear }, false),
            ("no time at all", Evidence { pace: 0.0, ..clear }, false),
        ];
        for (what, evidence, enough) in cases {
            assert_eq!(evidence.total() >= 0.0, enough, "{what}: {}", evidence.total());
        }
    }
}
