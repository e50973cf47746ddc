//! The features of an utterance, by which the decision estimates whether a person said the best sentence. No input or
//! output.
//!
//! Texts are compared by their canonical words ([`canonical`]): spellings that the search accepts for the same word
//! count as the same here. Lengths are counted in words, letters and seconds, not in tokens, which depend on the model.

use crate::language::pace::usual_seconds;
use crate::language::pronunciation::Pronunciation;
use crate::language::spelling::canonical;
use crate::recognize::{Candidate, Heard};

/// The description of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// Its name, as in the table of weights.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Why it helps to distinguish a sentence that was said from one that was not.
    pub why: &'static str,
}

/// How many features there are.
pub const COUNT: usize = 9;

/// The features, in the order of [`Features::values`].
pub const FEATURES: [Feature; COUNT] = [
    Feature {
        name: "ratio",
        unit: "times",
        why: "nats a word that it is less likely than the free text, by Whisper's doubt of that",
    },
    Feature {
        name: "support",
        unit: "nats a word",
        why: "the sentence's rank in the search: what the sound says within the grammar",
    },
    Feature { name: "likeness", unit: "0 to 1", why: "how alike the sentence and the free text sound" },
    Feature { name: "surplus", unit: "log of times", why: "letters of the free text beyond those of the sentence" },
    Feature {
        name: "words",
        unit: "log of words",
        why: "the figures a word say less of many words than of one: chance and noise level out",
    },
    Feature {
        name: "length",
        unit: "words",
        why: "in noise each word costs something, and no long sentence fits by chance",
    },
    Feature { name: "lead", unit: "nats", why: "how far every sentence that would do something else lies behind" },
    Feature { name: "slowness", unit: "log of times", why: "how many times longer than people take the speech lasts" },
    Feature {
        name: "belief",
        unit: "nats a word",
        why: "log-probability of the free text: whether Whisper believes it",
    },
];

/// Least doubt of Whisper about its free text, in nats a word. The less it doubts, the more a less likely sentence is
/// another one: "trap" is not "timer", unless there is noise. Recordings of people do not decide the value (`make fit`
/// tries others and reports the loss); synthetic talk outside the fit decides for the division:
/// docs/reports/deciding.md, "Whisper's doubt".
pub const LEAST_DOUBT: f32 = 0.2;

/// Upper bound of [`Candidate::lead`], in nats. The search does not look for rivals that are further behind.
const MOST_LEAD: f32 = 3.0;

/// Lower bound of the length of speech, in seconds. Silero finds a little more than 0 in silence.
const LEAST_SECONDS: f32 = 0.01;

/// The features of one utterance, each a finite number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Features([f32; COUNT]);

impl Features {
    /// The features for the best sentence of `heard`, if there is one.
    pub fn of(heard: &Heard) -> Option<Features> {
        heard.best.as_ref().map(|best| Features::for_candidate(heard, best))
    }

    /// The features for one candidate of `heard`.
    pub fn for_candidate(heard: &Heard, candidate: &Candidate) -> Features {
        let sentence = canonical(&candidate.sentence.words);
        let text = without_repetition(canonical(&heard.text), &sentence);
        let written = text.iter().map(|word| word.chars().count()).sum::<usize>() as f32;
        let (letters, words) = (sentence.concat().chars().count().max(1) as f32, sentence.len().max(1) as f32);
        // If Whisper's own text is less likely than the sentence, a higher ratio means nothing, so the ratio is at most
        // 0.
        let ratio = at_most(candidate.joint - heard.free, 0.0) / words;
        let belief = heard.free / text.len().max(1) as f32;
        let usual = usual_seconds(letters);
        let seconds = (heard.speech_ms as f32 / 1000.0).max(LEAST_SECONDS);
        Features::from_values([
            ratio / (LEAST_DOUBT - at_most(belief, 0.0)),
            candidate.rank / words,
            likeness(&text, &sentence),
            (written / letters).max(1.0).ln(),
            words.ln(),
            words,
            at_most(candidate.lead, MOST_LEAD),
            (seconds / usual).max(1.0).ln(),
            belief,
        ])
    }

    /// Features with these values, in the order of [`FEATURES`]. A value that is not finite becomes the lowest possible
    /// one, because the model gave no number and there is no evidence for the sentence.
    pub fn from_values(values: [f32; COUNT]) -> Features {
        Features(values.map(|value| if value.is_finite() { value } else { f32::from(i16::MIN) }))
    }

    /// The same features as if there were no rival sentence.
    pub fn unrivalled(&self) -> Features {
        let mut values = self.0;
        values.iter_mut().zip(FEATURES).filter(|(_, f)| f.name == "lead").for_each(|(value, _)| *value = MOST_LEAD);
        Features(values)
    }

    /// The values, in the order of [`FEATURES`].
    pub fn values(&self) -> &[f32; COUNT] {
        &self.0
    }

    /// The value of the feature called `name`; `None` if there is no such feature.
    pub fn get(&self, name: &str) -> Option<f32> {
        FEATURES.iter().position(|feature| feature.name == name).map(|at| self.0[at])
    }
}

/// The smaller of two numbers. NaN stays NaN, unlike with `f32::min`.
fn at_most(number: f32, most: f32) -> f32 {
    if number > most { most } else { number }
}

/// How similar two texts sound, 0 to 1: the normalized Levenshtein similarity of the sounds of their words.
pub fn likeness(one: &[String], other: &[String]) -> f32 {
    let [one, other] =
        [one, other].map(|words| words.iter().map(|word| Pronunciation::of(word).whole).collect::<String>());
    strsim::normalized_levenshtein(&one, &other) as f32
}

/// The words of `text` without repetitions of words of `sentence`. With a short context Whisper may repeat itself, as
/// in "Yes, yes".
fn without_repetition(text: Vec<String>, sentence: &[String]) -> Vec<String> {
    let mut unsaid: Vec<&String> = sentence.iter().collect();
    let counts = |word: &String| match unsaid.iter().position(|unsaid| *unsaid == word) {
        Some(at) => {
            unsaid.swap_remove(at);
            true
        }
        None => !sentence.contains(word),
    };
    text.into_iter().filter(counts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognize::example::heard;

    fn feature(heard: &Heard, name: &str) -> f32 {
        Features::of(heard).unwrap().get(name).unwrap()
    }

    #[test]
    fn what_is_written_otherwise_is_the_same_sentence() {
        let same = [
            ("Never mind.", "nevermind"),
            ("Okay.", "ok"),
            ("T.V. at 50%!", "tv at fifty percent"),
            ("Left", "left"),
            ("5 km", "five kilometres"),
        ];
        for (text, sentence) in same {
            let heard = heard(text, sentence);
            assert_eq!((feature(&heard, "likeness"), feature(&heard, "surplus")), (1.0, 0.0), "{text}");
        }
        assert!(feature(&heard("Turn off the lamp", "turn on the lamp"), "likeness") < 0.95);
    }

    #[test]
    fn what_is_repeated_is_not_said_besides() {
        let kept = |text: &str, sentence: &str| without_repetition(canonical(text), &canonical(sentence)).join(" ");
        let cases = [
            ("Turn on the lamp.", "turn on the lamp", "turn on the lamp"),
            ("Turn on the lamp, turn on the", "turn on the lamp", "turn on the lamp"),
            ("Turn on the lamps of the ship.", "turn on the lamp", "turn on the lamps of ship"),
            ("Yes, yes.", "yes", "yes"),
            ("Turn on the office light off", "turn on the office light", "turn on the office light off"),
            ("", "yes", ""),
        ];
        for (text, sentence, words) in cases {
            assert_eq!(kept(text, sentence), words, "{text}");
        }
    }

    #[test]
    fn each_feature_is_what_its_name_says() {
        let plain = heard("Turn on the lamp.", "turn on the lamp");
        let expected = [-0.25 / 0.7, -0.25, 1.0, 0.0, 4f32.ln(), 4.0, 3.0, 0.0, -0.5];
        for (feature, (value, expected)) in
            FEATURES.iter().zip(Features::of(&plain).unwrap().values().iter().zip(expected))
        {
            assert!((value - expected).abs() < 1e-5, "{}: {value}, not {expected}", feature.name);
        }
        let slow = Heard { speech_ms: 4000, ..plain.clone() };
        assert!((feature(&slow, "slowness") - (4.0f32 / (0.15 + 13.0 / 14.0)).ln()).abs() < 1e-5);
        let unsure = Heard { free: -8.0, ..plain.clone() };
        assert_eq!(feature(&unsure, "ratio"), 0.0);
        assert_eq!(Features::of(&Heard { best: None, ..plain }), None);
    }

    #[test]
    fn what_is_no_number_speaks_against_the_sentence() {
        for number in [f32::NAN, f32::NEG_INFINITY] {
            let mut heard = heard("Turn on the lamp.", "turn on the lamp");
            heard.best.as_mut().unwrap().joint = number;
            assert!(feature(&heard, "ratio") < -1000.0, "{number}");
        }
    }
}
