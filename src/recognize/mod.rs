//! From sound to what was heard: the user's sentence that the sound supports best, and how well.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::grammar::{Grammar, Sentence};
use crate::runtime::service;
use crate::runtime::stop::Stop;

pub mod models;
pub mod search;
pub mod settings;
pub mod story;
pub mod token_graph;
pub mod tokenizer;
pub mod trial;
pub mod whisper;

/// Longest sound that is decided in one piece: what Whisper's encoder takes, 30 s at 16 kHz.
pub const MAX_SAMPLES: usize = 30 * crate::audio::SAMPLE_RATE as usize;

/// One way to read the sound: a sentence of the grammar, and its scores in nats.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The sentence.
    pub sentence: Sentence,
    /// Ranking score: log-probability less a share of what the grammar leaves out at each step, and a bonus for each token.
    pub rank: f32,
    /// Joint log-probability under the unmasked model.
    pub joint: f32,
    /// Its tokens, the end included.
    pub tokens: usize,
    /// Log-odds against all that came up and would do something else, by their ranks, in nats; infinite without any.
    pub lead: f32,
}

/// What it cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Timings {
    /// Waveform to log-mel spectrogram.
    pub mel: Duration,
    /// The encoder's pass.
    pub encode: Duration,
    /// Free decoding and search.
    pub search: Duration,
    /// All of it, the check for speech included.
    pub total: Duration,
}

/// What a search may not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Calls of the decoder.
    Calls,
    /// Time.
    Deadline,
}

/// What was heard in one utterance. Only a [`Recognizer`] makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The free greedy text: what Whisper writes when it may write anything.
    pub text: String,
    /// Log-probability of that text up to its first full stop, in nats: the yardstick for a candidate.
    pub free: f32,
    /// Probability of no speech at the first token, 0 to 1.
    pub no_speech: f32,
    /// The best sentence, if any came up within reach: by rank, but where the sound itself says clearly otherwise.
    pub best: Option<Candidate>,
    /// The best one that would do something else.
    pub runner_up: Option<Candidate>,
    /// What ended the search before a sentence came up, or the deadline, if that passed at all.
    pub gave_up: Option<Limit>,
    /// Calls of the decoder.
    pub calls: usize,
    /// Length of the sound, in milliseconds.
    pub duration_ms: u64,
    /// How much of it is speech, in milliseconds, by Silero: the sum of its windows, each by its probability.
    pub speech_ms: u64,
    /// The highest probability of speech that Silero gives any of its windows, 0 to 1.
    pub voiced: f32,
    /// Level in dBFS.
    pub dbfs: f32,
    /// What it cost.
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
        /// What it was doing.
        doing: &'static str,
        /// What the library said.
        cause: String,
    },
    /// The sound cannot be given to the library.
    #[error("{0}")]
    Sound(String),
    /// The kernel refused something.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A stop was asked for while a model was loaded.
    #[error("stopped while a model was loaded")]
    Stopped,
}

/// Loads the recognizer that `settings` name, for the sentences of `grammar`: the only way to one. A model that the manifest does
/// not list is first loaded in a process of its own. Blocks for as long as that takes, or until `stop` is raised.
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

/// Loads what writes down free text, as [`load`] loads a recognizer.
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
    trial::first(settings, stop)?;
    service::alive();
    if stop.raised() { Err(RecognizeError::Stopped) } else { Ok(()) }
}

/// Decides among the sentences of a grammar.
pub trait Recognizer {
    /// What was heard in `samples`: mono, 16 kHz, in [-1, 1], at most [`MAX_SAMPLES`]. Blocks for as long as inference
    /// takes: a tenth of a second on a desktop, seconds on the smallest Pi.
    ///
    /// # Errors
    /// [`RecognizeError`]; it costs this utterance only.
    fn hear(&mut self, samples: &[f32]) -> Result<Heard, RecognizeError>;

    /// More of the sound that was heard last, for a person: how it was, and its nearest sentences token by token, at most
    /// `most`, the decision's own first. Nothing where no sound was heard since the start, or the last one was lost. Blocks
    /// for as long as a decision may take at most, and a call of the decoder.
    ///
    /// # Errors
    /// [`RecognizeError`].
    fn explain(&mut self, most: usize) -> Result<Option<story::Story>, RecognizeError> {
        let _ = most;
        Ok(None)
    }
}

/// What unit tests hear.
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
