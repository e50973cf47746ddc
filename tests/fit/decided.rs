//! Recordings decided, each to a row of features.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearken::audio::wav;
use hearken::config::{self, Settings};
use hearken::eval::expected::{Case, Expected, listed_cases};
use hearken::eval::mix::Noise;
use hearken::eval::{Evaluator, Utterance};
use hearken::models;
use hearken::recognize::whisper::{RecognizerSettings, WhisperRecognizer};
use hearken::scratch::{self, Scratch};

use crate::room::in_room;
use crate::table::{Row, Said};

/// Signal-to-noise ratios in which sentences are decided too, in dB; the lower one only where a grammar has long sentences.
const SNR_DB: f32 = 12.0;
const LOW_SNR_DB: f32 = 6.0;
/// Words of a sentence that is long.
const LONG: usize = 4;
/// Rooms are small enough for a device to be in them: an impulse response of at most 0.7 s until it is 60 dB down.
const LONGEST_ROOM_SECONDS: f64 = 0.7;
/// Longest time for a decision: how long one takes is the machine's doing.
const DEADLINE: Duration = Duration::from_secs(60);

/// Which recordings of a folder to take, and how.
pub struct Plan {
    /// The model's file name.
    pub model: String,
    pub threads: usize,
    /// Of the recordings, those with this number modulo the other.
    pub shard: (usize, usize),
    /// Of the other speech, one in so many.
    pub one_in: usize,
}

/// Sounds that recordings are mixed with.
pub struct Surroundings {
    noises: Vec<(String, Noise)>,
    rooms: Vec<Vec<f32>>,
    /// The noises as they are.
    alone: Vec<(String, Vec<f32>)>,
}

impl Surroundings {
    /// Reads the folders `noise` and `rooms` of `dir`, if there are any.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(dir: &Path) -> Result<Surroundings, String> {
        let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let alone: Vec<(String, Vec<f32>)> =
            wav_files(&dir.join("noise"))?.into_iter().map(|(path, samples)| (stem(&path), samples)).collect();
        let noises = alone.iter().filter_map(|(name, samples)| Some((name.clone(), Noise::new(samples.clone())?)));
        let noises = noises.collect();
        let longest = (LONGEST_ROOM_SECONDS * 16_000.0) as usize;
        let rooms = wav_files(&dir.join("rooms"))?.into_iter().map(|(_, samples)| samples);
        Ok(Surroundings { noises, rooms: rooms.filter(|samples| samples.len() <= 2 * longest).collect(), alone })
    }

    /// The noises as recordings that are to be refused, in pieces of at least `least` and at most `most` samples.
    pub fn cases(&self, least: usize, most: usize) -> impl Iterator<Item = (Case, Vec<f32>)> {
        let pieces = self.alone.iter().flat_map(move |(name, samples)| {
            let pieces = samples.chunks(most).filter(move |piece| piece.len() >= least);
            pieces.enumerate().map(move |(number, piece)| (format!("{name} {number}"), piece.to_vec()))
        });
        pieces.map(|(name, samples)| (noise_case(name), samples))
    }

    fn noise(&self, name: &str) -> Option<&Noise> {
        (!self.noises.is_empty()).then(|| &self.noises[hash(name) as usize % self.noises.len()].1)
    }

    fn room(&self, name: &str) -> Option<&[f32]> {
        (!self.rooms.is_empty()).then(|| &self.rooms[(hash(name) >> 8) as usize % self.rooms.len()][..])
    }
}

/// A recording of noise, which is to be refused.
fn noise_case(name: String) -> Case {
    Case {
        path_in_folder: name.clone(),
        path: PathBuf::new(),
        place: name.clone(),
        set: Some("noise".into()),
        speaker: None,
        expected: Expected::Rejected,
        name,
    }
}

/// The WAV files of a folder in the order of their names; none where there is no folder.
fn wav_files(dir: &Path) -> Result<Vec<(PathBuf, Vec<f32>)>, String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wav"));
    paths.sort();
    let read = |path: PathBuf| match wav::read(&path) {
        Ok(samples) => Ok((path, samples)),
        Err(what) => Err(format!("{}: {what}", path.display())),
    };
    paths.into_iter().map(read).collect()
}

/// FNV-1a.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

/// What decides by the configuration in a folder, and its recordings.
pub fn open(dir: &Path, plan: &Plan) -> Result<(Evaluator, Vec<Case>), String> {
    let (settings, cases, recognizer) = open_alone(dir, plan)?;
    let evaluator = Evaluator {
        recognizer: Box::new(recognizer),
        thresholds: settings.thresholds,
        commands: settings.commands,
        grammar: settings.grammar,
        endpoint: settings.endpoint,
        scratch: Scratch::new(scratch::default_dir(), &settings.scratch),
        cut: false,
        keep: 0,
    };
    Ok((evaluator, cases))
}

/// The configuration in a folder with the plan's model, its recordings, and a recognizer.
pub fn open_alone(dir: &Path, plan: &Plan) -> Result<(Settings, Vec<Case>, WhisperRecognizer), String> {
    let path = dir.join("config.toml");
    let text = config::read_text(&path).map_err(|e| e.to_string())?;
    let text = with_model(&text, &plan.model);
    let settings: Settings = config::parse(&path.display().to_string(), &text).map_err(|e| e.to_string())?;
    let (cases, _) = listed_cases(dir, &settings.commands, None).map_err(|e| e.to_string())?;
    let recognizer = RecognizerSettings { threads: plan.threads, deadline: DEADLINE, ..settings.recognizer.clone() };
    let recognizer = WhisperRecognizer::load(&recognizer, settings.grammar.clone()).map_err(|e| e.to_string())?;
    Ok((settings, cases, recognizer))
}

/// A configuration with this model, whatever it says of models itself.
fn with_model(text: &str, model: &str) -> String {
    let line = format!("model = {model:?}");
    match text.split_once("[recognizer]\n") {
        Some((before, after)) => format!("{before}[recognizer]\n{line}\n{after}"),
        None => format!("{text}\n[recognizer]\n{line}\n"),
    }
}

/// The recordings of a folder, each in the conditions that it is decided in.
pub fn recordings<'a>(
    cases: &'a [Case],
    surroundings: &'a Surroundings,
    plan: &'a Plan,
) -> impl Iterator<Item = Result<(&'a Case, String, Vec<f32>), String>> + 'a {
    let other = |case: &Case| case.expected == Expected::Rejected;
    let mine = move |(number, case): &(usize, &Case)| {
        number % plan.shard.1 == plan.shard.0
            && (!other(case) || ((hash(&case.name) >> 16) as usize).is_multiple_of(plan.one_in))
    };
    cases.iter().enumerate().filter(mine).flat_map(move |(_, case)| {
        let sound = match wav::read(&case.path) {
            Ok(sound) => sound,
            Err(what) => return vec![Err(format!("{}: {what}", case.path.display()))],
        };
        let mut heard = vec![Ok((case, "clean".into(), sound.clone()))];
        if other(case) {
            return heard;
        }
        if let Some(noise) = surroundings.noise(&case.name) {
            heard.push(Ok((case, format!("{SNR_DB} dB"), noise.mixed(&sound, &case.name, SNR_DB))));
            if is_long(&case.expected) {
                heard.push(Ok((case, format!("{LOW_SNR_DB} dB"), noise.mixed(&sound, &case.name, LOW_SNR_DB))));
            }
        }
        if let Some(room) = surroundings.room(&case.name) {
            heard.push(Ok((case, "room".into(), in_room(&sound, room))));
        }
        heard
    })
}

fn is_long(expected: &Expected) -> bool {
    match expected {
        Expected::Sentence(words) => words.split_whitespace().count() >= LONG,
        Expected::Command { slots, .. } => slots.len() > 1,
        Expected::Rejected => false,
    }
}

/// The row of an utterance.
pub fn row(grammar: &str, case: &Case, condition: &str, utterance: Option<&Utterance>) -> Row {
    let said = if case.expected == Expected::Rejected { Said::Other } else { Said::Sentence };
    let speaker = case.speaker.as_deref().unwrap_or(&case.name);
    Row {
        grammar: grammar.into(),
        set: case.set.clone().unwrap_or_else(|| grammar.into()),
        speaker: hash(speaker) & 0xffff_ffff,
        condition: condition.into(),
        said,
        found: utterance.is_some_and(|u| u.is_expected),
        refused: utterance.is_none_or(|u| !u.passes_otherwise),
        features: utterance.and_then(|u| Some(u.assessment?.features)),
    }
}

/// The SHA-256 of a model of the manifest.
pub fn sha256(model: &str) -> Result<String, String> {
    models::known(model).map(|model| model.sha256).map_err(|e| e.to_string())
}

/// How many rows there are of each kind, for a line of progress.
pub fn counts(rows: &[Row]) -> String {
    let mut counts: BTreeMap<(Said, bool), usize> = BTreeMap::new();
    rows.iter().for_each(|row| *counts.entry((row.said, row.found)).or_default() += 1);
    let of = |said, found| counts.get(&(said, found)).copied().unwrap_or(0);
    let (found, missed) = (of(Said::Sentence, true), of(Said::Sentence, false));
    format!("{found} sentences found, {missed} not, {} of other speech", of(Said::Other, false))
}
