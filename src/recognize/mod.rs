//! Recognition: finds the user's sentence that fits a sound best, and scores it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::grammar::{Grammar, Sentence};
use crate::runtime::service;
use crate::runtime::stop::Stop;
use crate::utterance::draft::Drafts;

pub mod mel;
pub mod models;
pub mod search;
pub mod settings;
pub mod token_graph;
pub mod tokenizer;
pub mod trace;
pub mod trial;
pub mod whisper;

/// Longest sound that is decided in one piece, in samples: 30 s at 16 kHz, the most that Whisper's encoder takes.
pub const MAX_SAMPLES: usize = 30 * crate::audio::SAMPLE_RATE as usize;

/// A sentence of the grammar that the sound may be, and its scores in nats.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The sentence.
    pub sentence: Sentence,
    /// Score by which candidates are ordered: the log-probability, corrected at each step for the share of the model's
    /// probability that the grammar allows, plus a bonus for each token. See [`search`].
    pub rank: f32,
    /// Joint log-probability under the unmasked model.
    pub joint: f32,
    /// The number of its tokens, including the end.
    pub tokens: usize,
    /// Log-odds, in nats, against all other candidates with another meaning, computed from their ranks. Infinite if
    /// there are none.
    pub lead: f32,
}

/// The times that recognition took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Timings {
    /// Computing the log-mel spectrogram.
    pub mel: Duration,
    /// The encoder.
    pub encode: Duration,
    /// Free decoding and search.
    pub search: Duration,
    /// All of it, including the check for speech.
    pub total: Duration,
}

/// A limit of the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The number of calls of the decoder.
    Calls,
    /// The time for a decision.
    Deadline,
}

/// The result of recognition for one utterance. Only a [`Recognizer`] makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The free greedy text: what Whisper writes when it may write anything.
    pub text: String,
    /// Log-probability of that text up to its first full stop, in nats. Candidates are compared with it.
    pub free: f32,
    /// Probability of no speech at the first token, 0 to 1.
    pub no_speech: f32,
    /// The best sentence, if the search found one: the one with the highest rank, or the second if its joint
    /// log-probability is clearly higher.
    pub best: Option<Candidate>,
    /// The best sentence with another meaning.
    pub runner_up: Option<Candidate>,
    /// The limit that ended the search before it found a sentence. [`Limit::Deadline`] whenever the deadline passed.
    pub gave_up: Option<Limit>,
    /// Calls of the decoder.
    pub calls: usize,
    /// Length of the sound, in milliseconds.
    pub duration_ms: u64,
    /// Length of speech in it, in milliseconds: the lengths of Silero's windows, weighted by their speech
    /// probabilities.
    pub speech_ms: u64,
    /// The highest speech probability that Silero gives to any window, 0 to 1.
    pub voiced: f32,
    /// Level of the sound in dBFS.
    pub dbfs: f32,
    /// The times that recognition took.
    pub took: Timings,
}

/// Why a sound cannot be recognized.
#[derive(Debug, thiserror::Error)]
pub enum RecognizeError {
    /// A model file is missing or wrong.
    #[error(transparent)]
    Model(#[from] models::ModelError),
    /// The library failed.
    #[error("the recognizer cannot {doing}: {cause}")]
    Engine {
        /// What failed, as part of a sentence: "decode".
        doing: &'static str,
        /// The error message of the library.
        cause: String,
    },
    /// The sound cannot be given to the library.
    #[error("{0}")]
    Sound(String),
    /// The kernel refused something.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The stop flag was raised while a model was loaded.
    #[error("stopped while a model was loaded")]
    Stopped,
}

/// Loads the recognizer that `settings` name, for the sentences of `grammar`. A model that the manifest does not list
/// is first loaded in a process of its own. Blocks for as long as that takes, or until `stop` is raised.
///
/// # Errors
/// [`RecognizeError`]: a model file that is missing or wrong, the library's, or [`RecognizeError::Stopped`].
pub fn load(
    settings: &settings::RecognizerSettings,
    grammar: Arc<Grammar>,
    stop: &Stop,
) -> Result<Box<dyn Recognizer>, RecognizeError> {
    prepare(settings, stop)?;
    Ok(Box::new(whisper::WhisperRecognizer::load(settings, grammar)?))
}

/// Loads Whisper for transcribing free text, with the checks of [`load`].
///
/// # Errors
/// As [`load`].
pub fn load_transcriber(
    settings: &settings::RecognizerSettings,
    stop: &Stop,
) -> Result<whisper::Whisper, RecognizeError> {
    prepare(settings, stop)?;
    whisper::Whisper::load(settings)
}

fn prepare(settings: &settings::RecognizerSettings, stop: &Stop) -> Result<(), RecognizeError> {
    trial::in_child(settings, stop)?;
    service::alive();
    if stop.raised() { Err(RecognizeError::Stopped) } else { Ok(()) }
}

/// Decides among the sentences of a grammar.
pub trait Recognizer {
    /// Recognizes `samples`: mono, 16 kHz, in [-1, 1], at most [`MAX_SAMPLES`]. Blocks for as long as inference takes:
    /// a tenth of a second on a desktop, seconds on the smallest Pi.
    ///
    /// # Errors
    /// [`RecognizeError`]; only this utterance is lost.
    fn hear(&mut self, samples: &[f32]) -> Result<Heard, RecognizeError>;

    /// As [`Recognizer::hear`], for the draft `number`. `None` if it is not wanted any more; a recognizer that decides
    /// in many steps gives up between them.
    ///
    /// # Errors
    /// As [`Recognizer::hear`].
    fn hear_draft(&mut self, samples: &[f32], drafts: &Drafts, number: u64) -> Result<Option<Heard>, RecognizeError> {
        if drafts.wanted(number) { self.hear(samples).map(Some) } else { Ok(None) }
    }

    /// Details of the last sound, for a person: its levels, and its nearest sentences token by token, at most `most`,
    /// the best sentence of the decision first. `None` before the first sound, or if the last one was lost. Blocks for
    /// at most the deadline of a decision plus one call of the decoder.
    ///
    /// # Errors
    /// [`RecognizeError`].
    fn explain(&mut self, most: usize) -> Result<Option<trace::Trace>, RecognizeError> {
        let _ = most;
        Ok(None)
    }
}

/// Recognition results for unit tests.
#[cfg(test)]
pub(crate) mod example {
    use super::*;
    use crate::grammar::Slots;

    /// A sentence of the first command that is one nat less likely than the free text, without a rival.
    pub(crate) fn heard(text: &str, sentence: &str) -> Heard {
        let sentence = Sentence { command: 0, words: sentence.into(), slots: Slots::new() };
        Heard {
            text: text.into(),
            free: -2.0,
            no_speech: 0.1,
            best: Some(Candidate { sentence, rank: -1.0, joint: -3.0, tokens: 6, lead: 9.0 }),
            runner_up: None,
            gave_up: None,
            calls: 9,
            duration_ms: 1800,
            speech_ms: 1000,
            voiced: 1.0,
            dbfs: -26.0,
            took: Timings::default(),
        }
    }
}
