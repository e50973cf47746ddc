//! whisper.cpp as a [`Recognizer`]. Only this file uses it, and only this file has unsafe code.
//!
//! The library does not check its arguments. It reads past the end of short sounds, aborts on a token or a number of
//! threads that is out of range, and runs for a minute on a sample that is not a number. So every precondition is
//! checked here: 1 to 16 threads, 0.5 to 30 s of finite samples in [-1, 1], 1 to 16 tokens a call, each in the
//! vocabulary, at most 448 in all. Flash attention stays off, because with a short context it reads data of the
//! utterance before.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperState, WhisperVadContext,
    WhisperVadContextParams,
};

use super::mel::Mel;
use super::search::{Ends, Found, LanguageModel, search};
use super::settings::{RecognizerSettings, SearchSettings};
use super::token_graph::TokenGraph;
use super::tokenizer::{Token, Tokenizer};
use super::trace::{self, SoundStats, Trace};
use super::{Heard, MAX_SAMPLES, RecognizeError, Recognizer, Timings};
use crate::audio::{SAMPLE_RATE, duration_ms, level_dbfs};
use crate::grammar::Grammar;
use crate::recognize::models::{self, Verified};
use crate::utterance::draft::Drafts;

/// Shortest sound that is given to the library, in samples: 0.5 s. Silence is added to a shorter one.
const MIN_SAMPLES: usize = SAMPLE_RATE as usize / 2;
/// Longest sound for a transcript, in samples: an hour.
pub const MAX_TRANSCRIPT: usize = 3600 * SAMPLE_RATE as usize;
/// Encoder positions for a second of sound, and the number of positions that are added to that. Long contexts take more
/// time, but with too short ones the model repeats itself.
const POSITIONS_A_SECOND: usize = 50;
const SLACK: usize = 49;
/// Frames of the spectrogram for each position of the encoder.
const FRAMES_A_POSITION: usize = 2;
/// Silence that is put before the sound, in samples: 300 ms. Without it Whisper takes the first word for a part of a
/// word (see docs/reports/deciding.md, "Silence around the words").
const SILENCE_BEFORE: usize = 3 * SAMPLE_RATE as usize / 10;
/// Encoder positions for 30 s, the most that the model has.
const MAX_POSITIONS: usize = 1500;
/// Most tokens in one call of the decoder, and most tokens in its key-value cache.
const MAX_BATCH: usize = 16;
const MAX_CONTEXT: usize = 448;
/// Most tokens of free text for each second of sound, and the number that is added to that. Fast English has five a
/// second.
const TEXT_TOKENS_A_SECOND: usize = 8;
const TEXT_TOKENS: usize = 12;
/// Samples in one window of Silero.
const SILERO_WINDOW: usize = 512;

/// A loaded Whisper model.
pub struct Whisper {
    state: WhisperState,
    context: WhisperContext,
    tokenizer: Tokenizer,
    mel: Mel,
    /// The length of the encoder's context in the state, in positions; `None` if it is not known.
    positions: Option<usize>,
    threads: usize,
    prompt: Vec<Token>,
    ends: Ends,
    no_speech: Token,
    /// The tokens in the decoder's key-value cache, including the prompt.
    decoded: Vec<Token>,
    /// The deadline of the current decision.
    deadline: Option<Instant>,
    /// The draft that is being decided, if it is one.
    draft: Option<(Drafts, u64)>,
}

fn failed(doing: &'static str) -> impl Fn(whisper_rs::WhisperError) -> RecognizeError {
    move |e| RecognizeError::Engine { doing, cause: e.to_string() }
}

impl Whisper {
    /// Loads the model that `settings` names. Blocks for some 200 ms, seconds on a Pi.
    ///
    /// # Errors
    /// [`RecognizeError::Model`] when the file is not what it should be, [`RecognizeError::Engine`].
    pub fn load(settings: &RecognizerSettings) -> Result<Whisper, RecognizeError> {
        whisper_rs::install_logging_hooks();
        let Verified { bytes, path, .. } = models::verified(&settings.model, settings.sha256.as_deref())?;
        let mut parameters = WhisperContextParameters::default();
        parameters.use_gpu(false).flash_attn(false);
        let context =
            WhisperContext::new_from_buffer_with_params(&bytes, parameters).map_err(failed("load the model"))?;
        let state = context.create_state().map_err(failed("make room for the model"))?;
        let end = context.token_eot();
        let vocabulary = (0..end).map(|t| context.token_to_bytes(t).map(<[u8]>::to_vec).unwrap_or_default());
        let tokenizer = Tokenizer::new(vocabulary.collect());
        let mel = Mel::of_model(&bytes).ok_or_else(|| RecognizeError::Engine {
            doing: "read the mel filters",
            cause: "the model has others than 80 filters of 201 bins".into(),
        })?;
        let punctuation = [".", "!", "?"].iter().filter_map(|p| tokenizer.encode(p)?.first().copied()).collect();
        let prompt = if context.is_multilingual() {
            let language = whisper_rs::get_lang_id(settings.language.code()).unwrap_or_default();
            vec![context.token_sot(), context.token_lang(language), context.token_transcribe(), context.token_not()]
        } else {
            vec![context.token_sot(), context.token_not()]
        };
        tracing::info!(model = %path.display(), threads = settings.threads, "model loaded");
        Ok(Whisper {
            ends: Ends { text: end, punctuation },
            // whisper-rs gives whisper.cpp's token_nosp, which is the one before <|notimestamps|>.
            no_speech: context.token_nosp(),
            tokenizer,
            threads: settings.threads.clamp(1, 16),
            prompt,
            decoded: Vec::new(),
            deadline: None,
            draft: None,
            positions: None,
            mel,
            state,
            context,
        })
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Computes the spectrogram of `samples` and encodes it, over no more than they need. Returns what each took.
    fn listen(&mut self, samples: &[f32]) -> Result<(Duration, Duration), RecognizeError> {
        let sound = checked(samples, MAX_SAMPLES)?;
        let begun = Instant::now();
        // A sound of nearly 30 s gets less silence before it, so that no part of it is cut off.
        let mut padded = vec![0.0; SILENCE_BEFORE.min(MAX_SAMPLES - sound.len())];
        padded.extend_from_slice(&sound);
        let needed = padded.len() * POSITIONS_A_SECOND / SAMPLE_RATE as usize + 1 + SLACK;
        let positions = needed.next_multiple_of(64).min(MAX_POSITIONS);
        self.set_context(positions)?;
        let spectrogram = self.mel.of(&padded, FRAMES_A_POSITION * positions);
        self.state.set_mel(&spectrogram).map_err(failed("take the spectrogram"))?;
        let mel = begun.elapsed();
        self.state.encode(0, self.threads).map_err(failed("encode"))?;
        self.decoded.clear();
        Ok((mel, begun.elapsed() - mel))
    }

    /// Sets the length of the encoder's context. whisper.cpp has no setter for it, but `whisper_full` sets it; with a
    /// duration of 100 ms it returns before it encodes.
    fn set_context(&mut self, positions: usize) -> Result<(), RecognizeError> {
        if self.positions == Some(positions) {
            return Ok(());
        }
        let mut parameters = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        parameters.set_duration_ms(100);
        parameters.set_audio_ctx(positions as i32);
        parameters.set_n_threads(self.threads as i32);
        parameters.set_print_progress(false);
        self.positions = None;
        self.state.full(parameters, &[0.0; MIN_SAMPLES]).map_err(failed("set the length of the context"))?;
        self.positions = Some(positions);
        Ok(())
    }

    /// Logits after `tokens`, which include the prompt. Decodes only the tokens that are not in the key-value cache.
    fn logits(&mut self, tokens: &[Token]) -> Result<&[f32], RecognizeError> {
        let vocabulary = self.state.n_vocab();
        let refused = |cause: String| RecognizeError::Engine { doing: "decode", cause };
        if tokens.is_empty() || tokens.len() > MAX_CONTEXT {
            return Err(refused(format!("{} tokens; 1 to {MAX_CONTEXT} fit", tokens.len())));
        }
        if let Some(alien) = tokens.iter().find(|t| !(0..vocabulary).contains(*t)) {
            return Err(refused(format!("token {alien} is not in the vocabulary")));
        }
        let common = self.decoded.iter().zip(tokens).take_while(|(a, b)| a == b).count();
        let mut done = common.min(tokens.len() - 1);
        self.decoded.truncate(done);
        let mut last = 1;
        while done < tokens.len() {
            let batch = &tokens[done..tokens.len().min(done + MAX_BATCH)];
            self.state.decode(batch, done, self.threads).map_err(failed("decode"))?;
            self.decoded.extend_from_slice(batch);
            (done, last) = (done + batch.len(), batch.len());
        }
        let first_row = self.state.get_logits().map_err(failed("read the logits"))?;
        Ok(last_row(first_row, last))
    }

    /// Whether the sound that is being decided is no draft, or one that is still wanted.
    fn wanted(&self) -> bool {
        self.draft.as_ref().is_none_or(|(drafts, number)| drafts.wanted(*number))
    }

    /// Probability of no speech, from the model's prediction of the first token.
    fn no_speech(&mut self) -> Result<f32, RecognizeError> {
        let (first, token) = (self.prompt[..1].to_vec(), self.no_speech as usize);
        let logits = self.logits(&first)?;
        Ok((logits[token] - log_sum_exp(logits)).exp())
    }

    /// Transcribes `samples`, at most [`MAX_TRANSCRIPT`], as free text. Also returns the language as a code such as
    /// "en".
    ///
    /// # Errors
    /// [`RecognizeError`].
    pub fn transcribe(&mut self, samples: &[f32]) -> Result<(String, &'static str), RecognizeError> {
        let padded = checked(samples, MAX_TRANSCRIPT)?;
        let mut parameters = FullParams::new(SamplingStrategy::BeamSearch { beam_size: 5, patience: -1.0 });
        parameters.set_n_threads(self.threads as i32);
        parameters.set_print_progress(false);
        let multilingual = self.context.is_multilingual();
        parameters.set_language(if multilingual { None } else { Some("en") });
        self.positions = None;
        self.state.full(parameters, &padded).map_err(failed("transcribe"))?;
        self.decoded.clear();
        let mut text = String::new();
        for segment in self.state.as_iter() {
            text.push_str(&segment.to_str_lossy().map_err(failed("read the text"))?);
        }
        let language = whisper_rs::get_lang_str(self.state.full_lang_id_from_state()).unwrap_or("en");
        Ok((text.trim().to_string(), if multilingual { language } else { "en" }))
    }
}

impl LanguageModel for Whisper {
    type Error = RecognizeError;

    fn next(&mut self, prefix: &[Token]) -> Result<(&[f32], f32), RecognizeError> {
        let tokens = [&self.prompt, prefix].concat();
        let logits = self.logits(&tokens)?;
        Ok((logits, log_sum_exp(logits)))
    }

    fn in_time(&self) -> bool {
        self.deadline.is_none_or(|deadline| Instant::now() < deadline) && self.wanted()
    }
}

/// The last of the `rows` rows of logits that a call of the decoder leaves, given the first.
///
/// whisper.cpp 1.8.3 writes the logits of a batch's last token into the last row of a matrix with a row for each token
/// of the batch; whisper-rs 0.16 always returns the first row.
#[expect(unsafe_code, reason = "whisper-rs gives no access to any row but the first")]
fn last_row(first: &[f32], rows: usize) -> &[f32] {
    // SAFETY: the decode that `rows` comes from resized the library's buffer to `rows` rows of `first.len()` floats
    // (whisper_decode_internal: `logits_out.resize(n_tokens*n_vocab)`), `first` is its first row, and the borrow keeps
    // the state from decoding again while the slice lives.
    unsafe { std::slice::from_raw_parts(first.as_ptr().add((rows - 1) * first.len()), first.len()) }
}

/// Returns `samples` with silence added up to the shortest length. Refuses sounds that the library does not handle.
fn checked(samples: &[f32], most: usize) -> Result<Vec<f32>, RecognizeError> {
    if samples.len() > most {
        let (found, most) = (duration_ms(samples.len()) as f64 / 1000.0, most / SAMPLE_RATE as usize);
        return Err(RecognizeError::Sound(format!("{found} s of sound; at most {most} s can be taken at once")));
    }
    if let Some(i) = samples.iter().position(|s| !s.is_finite()) {
        return Err(RecognizeError::Sound(format!("sample {i} is not a finite number")));
    }
    let mut padded: Vec<f32> = samples.iter().map(|s| s.clamp(-1.0, 1.0)).collect();
    padded.resize(padded.len().max(MIN_SAMPLES), 0.0);
    Ok(padded)
}

/// Log of the sum of the exponentials. Sixteen lanes, so that the compiler vectorizes it: 0.2 ms for 51,864 logits, a
/// tenth of the scalar loop.
fn log_sum_exp(logits: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (chunks, rest) = (logits.chunks_exact(LANES), logits.chunks_exact(LANES).remainder());
    let mut most = [f32::NEG_INFINITY; LANES];
    for chunk in chunks.clone() {
        for (m, x) in most.iter_mut().zip(chunk) {
            *m = m.max(*x);
        }
    }
    let max = rest.iter().chain(&most).copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sums = [0f32; LANES];
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += exp_of_negative(x - max);
        }
    }
    let total = sums.iter().sum::<f32>() + rest.iter().map(|x| (x - max).exp()).sum::<f32>();
    max + total.ln()
}

/// Coefficients of 2^f, the highest power first.
const MANTISSA: [f32; 6] = [0.001_333_4, 0.009_618_1, 0.055_504_1, 0.240_226_5, std::f32::consts::LN_2, 1.0];

/// e^x for x <= 0, to within 2e-6: 2^(x log2 e) by a polynomial for the fraction and the exponent's bits for the rest.
fn exp_of_negative(x: f32) -> f32 {
    let power = x.max(-80.0) * std::f32::consts::LOG2_E;
    let whole = power.floor();
    let fraction = power - whole;
    // 2^f on [0, 1): the series of e^(f ln 2), its last two coefficients fitted.
    let mantissa = MANTISSA.iter().fold(0.0, |sum, coefficient| sum * fraction + coefficient);
    f32::from_bits(((whole as i32 + 127) << 23) as u32) * mantissa
}

/// Silero's speech detector, which checks a finished utterance.
struct SpeechCheck(WhisperVadContext);

impl SpeechCheck {
    fn load() -> Result<SpeechCheck, RecognizeError> {
        let Verified { file, .. } = models::verified(models::SILERO, None)?;
        // The file that was verified, even if another one has its name by now.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let mut parameters = WhisperVadContextParams::new();
        parameters.set_n_threads(1);
        parameters.set_use_gpu(false);
        WhisperVadContext::new(&path, parameters).map(SpeechCheck).map_err(failed("load the speech detector"))
    }

    /// The probability, 0 to 1, that each window of `samples` is speech.
    fn windows(&mut self, samples: &[f32]) -> Result<Vec<f32>, RecognizeError> {
        let padded = checked(samples, MAX_SAMPLES)?;
        self.0.detect_speech(&padded).map_err(failed("look for speech"))?;
        Ok(self.0.probabilities().to_vec())
    }
}

/// A recognizer that searches the sentences of a grammar with Whisper.
pub struct WhisperRecognizer {
    whisper: Whisper,
    speech: SpeechCheck,
    graph: TokenGraph,
    search: SearchSettings,
    deadline: Duration,
    /// The levels of the last encoded sound, and the result of its search.
    last: Option<(SoundStats, Found)>,
}

impl WhisperRecognizer {
    /// Loads the models and decides once on silence, because the first decision is slower than the others. Blocks for
    /// half a second, or some seconds on a Pi.
    ///
    /// # Errors
    /// [`RecognizeError`].
    pub fn load(settings: &RecognizerSettings, grammar: Arc<Grammar>) -> Result<WhisperRecognizer, RecognizeError> {
        let whisper = Whisper::load(settings)?;
        let graph = TokenGraph::new(grammar, whisper.tokenizer());
        let speech = SpeechCheck::load()?;
        let RecognizerSettings { search, deadline, .. } = settings.clone();
        let mut recognizer = WhisperRecognizer { whisper, speech, graph, search, deadline, last: None };
        recognizer.hear(&[0.0; SAMPLE_RATE as usize])?;
        recognizer.last = None;
        Ok(recognizer)
    }

    /// Transcribes `samples` as free text with the same model; see [`Whisper::transcribe`].
    ///
    /// # Errors
    /// [`RecognizeError`].
    pub fn transcribe(&mut self, samples: &[f32]) -> Result<(String, &'static str), RecognizeError> {
        self.last = None;
        self.whisper.transcribe(samples)
    }
}

impl WhisperRecognizer {
    /// Recognizes `samples` with each of these search settings, to compare them. The sound is encoded only once.
    ///
    /// # Errors
    /// [`RecognizeError`].
    pub fn hear_by(&mut self, samples: &[f32], ways: &[SearchSettings]) -> Result<Vec<Heard>, RecognizeError> {
        let sound = self.listen(samples)?;
        let mut heard = Vec::new();
        for way in ways {
            // Clears the cache, so that a search does not run faster because of the one before it.
            self.whisper.decoded.clear();
            heard.push(self.decide(&sound, way)?.0);
        }
        Ok(heard)
    }

    /// Measures the speech in `samples` and encodes them.
    fn listen(&mut self, samples: &[f32]) -> Result<Listened, RecognizeError> {
        let begun = Instant::now();
        self.whisper.deadline = Some(begun + self.deadline);
        self.last = None;
        let sound = &checked(samples, MAX_SAMPLES)?[..];
        let speech = self.speech.windows(sound)?;
        let voiced = speech.iter().copied().fold(0.0, f32::max);
        let own = &sound[..samples.len()];
        let stats = SoundStats::of(own, &speech, SILERO_WINDOW);
        let dbfs = level_dbfs(own);
        let (mel, encode) = self.whisper.listen(sound)?;
        Ok(Listened { begun, voiced, stats, dbfs, samples: samples.len(), mel, encode })
    }

    /// Searches the grammar for the encoded sound.
    fn decide(&mut self, sound: &Listened, way: &SearchSettings) -> Result<(Heard, Found), RecognizeError> {
        let searching = Instant::now();
        let no_speech = self.whisper.no_speech()?;
        let ends = self.whisper.ends.clone();
        let max_text = TEXT_TOKENS + TEXT_TOKENS_A_SECOND * sound.samples / SAMPLE_RATE as usize;
        let found = search(&mut self.whisper, &self.graph, &ends, way, max_text)?;
        let Listened { mel, encode, .. } = *sound;
        let heard = Heard {
            text: self.whisper.tokenizer.decode(&found.text).trim().to_string(),
            free: found.free,
            no_speech,
            best: found.best().cloned(),
            runner_up: found.runner_up().cloned(),
            gave_up: found.gave_up,
            calls: found.calls + 1,
            duration_ms: duration_ms(sound.samples),
            speech_ms: sound.stats.speech_ms,
            voiced: sound.voiced,
            dbfs: sound.dbfs,
            took: Timings { mel, encode, search: searching.elapsed(), total: sound.begun.elapsed() },
        };
        Ok((heard, found))
    }
}

/// A sound that was encoded.
struct Listened {
    begun: Instant,
    /// The highest speech probability of any of its windows.
    voiced: f32,
    stats: SoundStats,
    dbfs: f32,
    samples: usize,
    mel: Duration,
    encode: Duration,
}

impl Recognizer for WhisperRecognizer {
    fn hear(&mut self, samples: &[f32]) -> Result<Heard, RecognizeError> {
        let sound = self.listen(samples)?;
        let (heard, found) = self.decide(&sound, &self.search.clone())?;
        self.last = Some((sound.stats, found));
        Ok(heard)
    }

    fn hear_draft(&mut self, samples: &[f32], drafts: &Drafts, number: u64) -> Result<Option<Heard>, RecognizeError> {
        self.whisper.draft = Some((drafts.clone(), number));
        let heard = if self.whisper.wanted() { self.hear(samples).map(Some) } else { Ok(None) };
        self.whisper.draft = None;
        heard.map(|heard| heard.filter(|_| drafts.wanted(number)))
    }

    fn explain(&mut self, most: usize) -> Result<Option<Trace>, RecognizeError> {
        let Some((sound, found)) = self.last.clone() else { return Ok(None) };
        let begun = Instant::now();
        self.whisper.deadline = Some(begun + self.deadline);
        let settings = SearchSettings { max_calls: trace::SEARCH_CALLS, ..self.search.clone() };
        let ends = self.whisper.ends.clone();
        let n_best = trace::n_best(&mut self.whisper, &self.graph, &ends, &settings, &found, most)?;
        let n_best = n_best.spelled(&self.whisper.tokenizer);
        Ok(Some(Trace { sound, n_best, took: begun.elapsed() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_sum_exp_agrees_with_the_textbook() {
        let logits: Vec<f32> = (0..51_864).map(|i| ((i * 7919) % 1000) as f32 / 37.0 - 20.0).collect();
        let max = logits.iter().copied().fold(f32::MIN, f32::max) as f64;
        let exact = max + logits.iter().map(|x| (*x as f64 - max).exp()).sum::<f64>().ln();
        assert!((log_sum_exp(&logits) as f64 - exact).abs() < 1e-4);
    }

    #[test]
    fn sounds_the_library_must_not_see_are_refused_or_mended() {
        let words = |samples: &[f32]| checked(samples, MAX_SAMPLES).map_err(|e| e.to_string());
        assert_eq!(words(&[]).unwrap().len(), MIN_SAMPLES);
        assert_eq!(words(&[2.0, -7.0]).unwrap()[..2], [1.0, -1.0]);
        assert_eq!(words(&[0.0, f32::NAN]).unwrap_err(), "sample 1 is not a finite number");
        assert_eq!(words(&[0.0, 0.0, f32::INFINITY]).unwrap_err(), "sample 2 is not a finite number");
        assert!(words(&vec![0.0; MAX_SAMPLES + 1]).unwrap_err().contains("at most 30 s"));
    }
}
