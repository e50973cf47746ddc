//! Recordings decided, each to a row of features.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use hearken::audio::{SAMPLE_RATE, file};
use hearken::config::{self, Settings};
use hearken::measure::eval::expected::{Case, Expected, listed_cases};
use hearken::measure::eval::mix::Noise;
use hearken::measure::eval::{Evaluator, Segment};
use hearken::recognize::MAX_SAMPLES;
use hearken::recognize::models;
use hearken::recognize::settings::RecognizerSettings;
use hearken::recognize::whisper::WhisperRecognizer;
use hearken::utterance::scratch::{self, Scratch};

use crate::recordings::{Named, hash, in_room, sounds};
use crate::table::{Row, Said};

/// Signal-to-noise ratios in which sentences are decided too, in dB; the lower one only where they are long.
const SNR_DB: f32 = 12.0;
const LOW_SNR_DB: f32 = 6.0;
/// Words of a sentence that is long.
const LONG: usize = 4;
/// Longest impulse response of a room that a device may stand in, in samples: 1.4 s. Those of halls are left out.
const LONGEST_ROOM: usize = SAMPLE_RATE as usize * 14 / 10;
/// Shortest noise that is decided alone, in samples: 3 s.
const LEAST_NOISE: usize = 3 * SAMPLE_RATE as usize;
/// Longest time for a decision: how long one takes is the machine's doing.
const DEADLINE: Duration = Duration::from_secs(60);

/// What is decided, and how.
pub struct Plan {
    /// The model's file name.
    pub model: String,
    /// Recognizers that work at the same time, each with one thread.
    pub jobs: usize,
    /// Of the recordings, one in so many.
    pub every: usize,
}

/// Sounds that recordings are mixed with.
pub struct Surroundings {
    noises: Vec<Noise>,
    rooms: Vec<Vec<f32>>,
    /// The noises in pieces, each as a recording that is to be refused.
    alone: Vec<(Case, Vec<f32>)>,
}

impl Surroundings {
    /// Reads the folders `noise` and `rooms` of `dir`, if there are any.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(dir: &Path) -> Result<Surroundings, String> {
        let named = |folder: &str| sounds(&dir.join(folder)).map_err(|e| e.to_string());
        let noises = named("noise")?;
        let rooms = named("rooms")?.into_iter().map(|room| room.samples).filter(|room| room.len() <= LONGEST_ROOM);
        let alone = noises.iter().flat_map(pieces).collect();
        let noises = noises.into_iter().filter_map(|noise| Noise::new(noise.samples)).collect();
        Ok(Surroundings { noises, rooms: rooms.collect(), alone })
    }

    /// The conditions in which a recording is decided, with its sound in each: clean, and for a sentence also in noise and in a
    /// room, drawn by the recording's name.
    fn conditions(&self, case: &Case) -> Result<Vec<(String, Vec<f32>)>, String> {
        let sound = file::read(&case.path).map_err(|what| format!("{}: {what}", case.path.display()))?;
        let mut heard = Vec::new();
        if case.expected != Expected::Rejected {
            let ratios = [SNR_DB, LOW_SNR_DB].into_iter().take(if is_long(&case.expected) { 2 } else { 1 });
            let noise = drawn(&self.noises, &case.name).into_iter();
            let noisy = noise.flat_map(|noise| ratios.clone().map(move |db| (noise, db)));
            heard.extend(noisy.map(|(noise, db)| (format!("{db} dB"), noise.mixed(&sound, &case.name, db))));
            heard.extend(drawn(&self.rooms, &case.name).map(|room| ("room".into(), in_room(&sound, room))));
        }
        heard.insert(0, ("clean".into(), sound));
        Ok(heard)
    }
}

/// The one of `all` that belongs to `name`.
fn drawn<'a, T>(all: &'a [T], name: &str) -> Option<&'a T> {
    (!all.is_empty()).then(|| &all[hash(name) as usize % all.len()])
}

/// A noise in pieces that Whisper takes.
fn pieces(noise: &Named) -> Vec<(Case, Vec<f32>)> {
    let pieces = noise.samples.chunks(MAX_SAMPLES).enumerate().filter(|(_, piece)| piece.len() >= LEAST_NOISE);
    let case = |(number, piece): (usize, &[f32])| {
        let name = format!("{} {number}", noise.name);
        let case = Case {
            path_in_folder: name.clone(),
            path: PathBuf::new(),
            place: name.clone(),
            set: Some("noise".into()),
            speaker: None,
            expected: Expected::Rejected,
            name,
        };
        (case, piece.to_vec())
    };
    pieces.map(case).collect()
}

fn is_long(expected: &Expected) -> bool {
    match expected {
        Expected::Sentence(words) => words.split_whitespace().count() >= LONG,
        Expected::Command { slots, .. } => slots.len() > 1,
        Expected::Rejected => false,
    }
}

/// A grammar and its recordings.
pub struct Folder {
    pub name: String,
    pub settings: Settings,
    pub cases: Vec<Case>,
}

impl Folder {
    /// Reads the configuration of `dir`, with the plan's model in it, and the list of its recordings.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn read(name: String, dir: &Path, plan: &Plan) -> Result<Folder, String> {
        let path = dir.join("config.toml");
        let text = config::read_text(&path).map_err(|e| e.to_string())?;
        let text = with_model(&text, &plan.model);
        let settings = config::parse(&path.display().to_string(), &text).map_err(|e| e.to_string())?;
        let (cases, _) = listed_cases(dir, &settings.commands, None).map_err(|e| e.to_string())?;
        let cases = cases.into_iter().step_by(plan.every).collect();
        Ok(Folder { name, settings, cases })
    }

    /// A recognizer with one thread.
    ///
    /// # Errors
    /// The model's.
    pub fn recognizer(&self) -> Result<WhisperRecognizer, String> {
        let recognizer = RecognizerSettings { threads: 1, deadline: DEADLINE, ..self.settings.recognizer.clone() };
        WhisperRecognizer::load(&recognizer, self.settings.grammar.clone()).map_err(|e| e.to_string())
    }

    fn evaluator(&self) -> Result<Evaluator, String> {
        let Settings { thresholds, commands, grammar, endpoint, scratch, .. } = &self.settings;
        Ok(Evaluator {
            recognizer: Box::new(self.recognizer()?),
            thresholds: thresholds.clone(),
            commands: commands.clone(),
            grammar: grammar.clone(),
            endpoint: endpoint.clone(),
            scratch: Scratch::new(scratch::default_dir(), scratch),
            cut: false,
            keep: 0,
        })
    }

    /// Decides all recordings, in all conditions, and noise alone.
    ///
    /// # Errors
    /// A recording that cannot be read or decided.
    pub fn decided(&self, surroundings: &Surroundings, plan: &Plan) -> Result<Vec<Row>, String> {
        let decide = |job: usize| -> Result<Vec<Row>, String> {
            let mut evaluator = self.evaluator()?;
            let mut rows = Vec::new();
            for case in self.cases.iter().skip(job).step_by(plan.jobs) {
                for (condition, sound) in surroundings.conditions(case)? {
                    rows.extend(self.rows(case, &condition, &evaluator.decide(case, sound)?.utterances));
                }
            }
            for (case, sound) in surroundings.alone.iter().step_by(plan.every).skip(job).step_by(plan.jobs) {
                rows.extend(self.rows(case, "noise alone", &evaluator.decide(case, sound.clone())?.utterances));
            }
            Ok(rows)
        };
        thread::scope(|scope| {
            let jobs: Vec<_> = (0..plan.jobs).map(|job| scope.spawn(move || decide(job))).collect();
            let rows: Result<Vec<Vec<Row>>, String> =
                jobs.into_iter().map(|job| job.join().unwrap_or_else(|_| Err("a job panicked".into()))).collect();
            Ok(rows?.concat())
        })
    }

    /// A row for each utterance of a recording. A sentence in which none was found has one too: it was missed.
    fn rows(&self, case: &Case, condition: &str, utterances: &[Segment]) -> Vec<Row> {
        let said = if case.expected == Expected::Rejected { Said::Other } else { Said::Sentence };
        let row = |utterance: Option<&Segment>| Row {
            grammar: self.name.clone(),
            set: case.set.clone().unwrap_or_else(|| self.name.clone()),
            speaker: hash(case.speaker.as_deref().unwrap_or(&case.name)) >> 32,
            condition: condition.into(),
            said,
            found: utterance.is_some_and(|u| u.is_expected),
            refused: utterance.is_none_or(|u| !u.passes_otherwise),
            features: utterance.and_then(|u| Some(u.assessment?.features)),
        };
        let missed = (utterances.is_empty() && said == Said::Sentence).then(|| row(None));
        utterances.iter().map(|utterance| row(Some(utterance))).chain(missed).collect()
    }

    /// All recordings that Whisper takes at once, each in all its conditions.
    ///
    /// # Errors
    /// A recording that cannot be read.
    pub fn sounds(&self, surroundings: &Surroundings) -> Result<Vec<(&Case, Vec<f32>)>, String> {
        let mut all = Vec::new();
        for case in &self.cases {
            let sounds = surroundings.conditions(case)?.into_iter().map(|(_, sound)| sound);
            all.extend(sounds.filter(|sound| sound.len() <= MAX_SAMPLES).map(|sound| (case, sound)));
        }
        Ok(all)
    }
}

/// A configuration with this model, whatever it says of models itself.
fn with_model(text: &str, model: &str) -> String {
    let line = format!("model = {model:?}");
    match text.split_once("[recognizer]\n") {
        Some((before, after)) => format!("{before}[recognizer]\n{line}\n{after}"),
        None => format!("{text}\n[recognizer]\n{line}\n"),
    }
}

/// The SHA-256 of a model of the manifest.
///
/// # Errors
/// That there is no such model.
pub fn sha256(model: &str) -> Result<String, String> {
    models::known(model).map(|model| model.sha256).map_err(|e| e.to_string())
}
