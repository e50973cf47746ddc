//! Evaluation of a configuration: decides each WAV file of a folder as the daemon would, and counts the results.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::act::command::Command;
use crate::audio::{SAMPLE_RATE, file};
use crate::decide::outlook::outlook;
use crate::decide::rules::{Verdict, judge, passes_otherwise};
use crate::decide::thresholds::Assessment;
use crate::decide::thresholds::Thresholds;
use crate::grammar::Grammar;
use crate::recognize::{Heard, MAX_SAMPLES, Recognizer};
use crate::report;
use crate::utterance::endpoint::EndpointSettings;
use crate::utterance::scratch::Scratch;

pub mod charts;
pub mod cut;
pub mod expected;
pub mod folders;
pub mod groups;
pub mod mix;
pub mod page;
pub mod reliability;
pub mod spectrogram;
pub mod statistics;
pub mod summary;

use expected::{Case, Expected};
use mix::Noise;

/// A condition in which clips are decided: without or with added noise.
#[derive(Debug, Clone, Copy)]
pub struct Condition<'a> {
    /// The noise, and the signal-to-noise ratio in dB; `None` without added noise.
    pub noise: Option<(&'a Noise, f32)>,
}

impl Condition<'_> {
    /// The signal-to-noise ratio in dB, if noise is added.
    pub fn snr_db(&self) -> Option<f32> {
        self.noise.map(|(_, snr_db)| snr_db)
    }

    /// Reads the sound of the file `path` and adds the noise, from a place that depends on `name`.
    ///
    /// # Errors
    /// A message about the fault of the file.
    pub fn sound(&self, path: &Path, name: &str) -> Result<Vec<f32>, String> {
        let sound = file::read(path).map_err(|e| e.to_string())?;
        Ok(match self.noise {
            Some((noise, snr_db)) => noise.mixed(&sound, name, snr_db),
            None => sound,
        })
    }
}

/// A segment of a clip that was taken for an utterance, and the decision on it.
#[derive(Debug, Clone)]
pub struct Segment {
    /// The result of recognition.
    pub heard: Heard,
    /// The decision.
    pub verdict: Verdict,
    /// Whether the nearest sentence is the expected one, accepted or not.
    pub is_expected: bool,
    /// The assessment of the nearest sentence; `None` without a sentence.
    pub assessment: Option<Assessment>,
    /// Slots of the accepted sentence that were not expected.
    pub extra: Vec<String>,
    /// The decision as `hearken decide --json` prints it.
    pub decision: Map<String, Value>,
    /// Whether no rule but that of the log-odds refuses it.
    pub passes_otherwise: bool,
    /// The offset, in nats, of the command of the nearest sentence, or the general one.
    pub offset: f32,
    /// Its samples, if they are kept.
    pub sound: Option<Vec<f32>>,
}

impl Segment {
    /// Whether it is accepted.
    pub fn accepted(&self) -> bool {
        self.verdict == Verdict::Accepted
    }

    /// Its log-odds less what is needed, in nats; `None` without a sentence.
    pub fn excess(&self) -> Option<f32> {
        self.assessment.map(|assessment| assessment.log_odds - assessment.needed)
    }

    /// How much the needed log-odds could be raised before it would be refused, in nats. Negative if it is refused for
    /// its log-odds; `None` if another rule refuses it.
    pub fn spare(&self) -> Option<f32> {
        self.excess().filter(|_| self.passes_otherwise)
    }
}

/// Whether a clip was decided right, and what is wrong if not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// Decided as expected.
    Right,
    /// Accepted as something else than what was said.
    Wrong,
    /// Refused, and should have been accepted.
    Refused,
    /// Accepted, and should have been refused.
    FalseAccept,
}

impl Grade {
    /// The grade in one word, for programs.
    pub fn code(self) -> &'static str {
        match self {
            Grade::Right => "right",
            Grade::Wrong => "wrong",
            Grade::Refused => "refused",
            Grade::FalseAccept => "false-accept",
        }
    }
}

/// A clip that was decided.
#[derive(Debug, Clone)]
pub struct Clip {
    /// Its name.
    pub name: String,
    /// The set that it is counted in.
    pub set: Option<String>,
    /// Who speaks.
    pub speaker: Option<String>,
    /// The expected decision.
    pub expected: Expected,
    /// Its length in seconds.
    pub seconds: f64,
    /// Whether the listener cut it.
    pub cut: bool,
    /// The utterances in it.
    pub utterances: Vec<Segment>,
    /// Its first 30 s of samples, if no utterance was found, the result is not right, and they are kept.
    pub sound: Option<Vec<f32>>,
    /// Whether that was right.
    pub grade: Grade,
}

impl Clip {
    /// Whether the best sentence of any of its utterances is the expected one, accepted or not. `None` for a clip that
    /// should be refused.
    pub fn found(&self) -> Option<bool> {
        (self.expected != Expected::Rejected).then(|| self.utterances.iter().any(|u| u.is_expected))
    }

    /// As one JSON object: with the keys of `hearken decide --json` for a clip in one piece, with `utterances` for one
    /// that was cut.
    pub fn json(&self, snr_db: Option<f32>) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("file".into(), json!(self.name));
        map.insert("set".into(), json!(self.set));
        map.insert("speaker".into(), json!(self.speaker));
        map.insert("snr_db".into(), json!(snr_db));
        map.insert("expected".into(), self.expected.json());
        map.insert("outcome".into(), json!(self.grade.code()));
        map.insert("found".into(), json!(self.found()));
        map.insert("seconds".into(), json!((self.seconds * 1000.0).round() / 1000.0));
        let decisions = self.utterances.iter().map(|utterance| {
            let mut decision = utterance.decision.clone();
            decision.insert("extra".into(), json!(utterance.extra));
            decision
        });
        if self.cut {
            map.insert("utterances".into(), decisions.map(Value::Object).collect());
        } else {
            decisions.for_each(|mut decision| map.append(&mut decision));
        }
        map
    }
}

/// The grade of a clip. If a sentence is expected, exactly one utterance must be accepted, and as that sentence.
fn grade(expected: &Expected, utterances: &[Segment]) -> Grade {
    let mut accepted = utterances.iter().filter(|u| u.accepted());
    match (expected, accepted.next(), accepted.next()) {
        (Expected::Rejected, None, _) => Grade::Right,
        (Expected::Rejected, Some(_), _) => Grade::FalseAccept,
        (_, None, _) => Grade::Refused,
        (_, Some(only), None) if only.is_expected => Grade::Right,
        _ => Grade::Wrong,
    }
}

/// The parts that decide clips.
pub struct Evaluator {
    /// The recognizer.
    pub recognizer: Box<dyn Recognizer>,
    /// The thresholds of the decision.
    pub thresholds: Thresholds,
    /// The commands.
    pub commands: Vec<Command>,
    /// Their sentences.
    pub grammar: Arc<Grammar>,
    /// The endpoint settings by which clips are cut.
    pub endpoint: EndpointSettings,
    /// The scratch for the recordings of the listener.
    pub scratch: Scratch,
    /// Whether short clips, which Whisper can take in one piece, are cut too.
    pub cut: bool,
    /// How many more sounds of utterances with a wrong result, or of such clips without an utterance, are kept.
    pub keep: usize,
}

impl Evaluator {
    /// Decides one clip.
    ///
    /// # Errors
    /// A message why its sound cannot be decided.
    pub fn decide(&mut self, case: &Case, sound: Vec<f32>) -> Result<Clip, String> {
        let Case { name, set, speaker, expected, .. } = case.clone();
        let seconds = sound.len() as f64 / f64::from(SAMPLE_RATE);
        let cut = self.cuts(&expected, sound.len());
        let (pieces, whole) = if cut {
            (self.cut(&sound)?, Some(sound))
        } else {
            let heard = self.recognizer.hear(&sound).map_err(|e| e.to_string())?;
            (vec![(sound, heard)], None)
        };
        let mut utterances: Vec<_> =
            pieces.into_iter().map(|(sound, heard)| self.judge(sound, heard, &expected)).collect();
        let grade = grade(&expected, &utterances);
        for utterance in &mut utterances {
            let telling = grade != Grade::FalseAccept || utterance.accepted();
            utterance.sound = utterance.sound.take().filter(|_| grade != Grade::Right && telling && self.keeps());
        }
        let unheard = grade != Grade::Right && utterances.is_empty();
        let sound = whole.filter(|_| unheard && self.keeps());
        let sound = sound.map(|sound| sound[..sound.len().min(MAX_SAMPLES)].to_vec());
        Ok(Clip { name, set, speaker, expected, seconds, cut, utterances, sound, grade })
    }

    /// Whether the listener cuts a clip of so many samples. Other sound that is longer than an utterance can be is
    /// always cut, because the daemon would hear several utterances in it; as one piece it would be refused for its
    /// length.
    fn cuts(&self, expected: &Expected, samples: usize) -> bool {
        let longest = (self.endpoint.max_length.as_secs_f64() * f64::from(SAMPLE_RATE)) as usize;
        self.cut || samples > MAX_SAMPLES || (*expected == Expected::Rejected && samples > longest)
    }

    /// Whether one more sound may be kept. If so, counts it.
    fn keeps(&mut self) -> bool {
        let room = self.keep > 0;
        self.keep -= usize::from(room);
        room
    }

    fn cut(&mut self, sound: &[f32]) -> Result<Vec<(Vec<f32>, Heard)>, String> {
        let Evaluator { recognizer, thresholds, grammar, endpoint, scratch, .. } = self;
        let mut recognize = |samples: &[f32]| {
            let heard = recognizer.hear(samples).map_err(|e| e.to_string())?;
            let outlook = outlook(&heard, &judge(&heard, thresholds).1, grammar);
            Ok((heard, outlook))
        };
        cut::utterances(sound, endpoint, scratch, &mut recognize)
    }

    fn judge(&self, sound: Vec<f32>, heard: Heard, expected: &Expected) -> Segment {
        let (assessment, verdict) = judge(&heard, &self.thresholds);
        let nearest = heard.best.as_ref().map(|best| &best.sentence);
        let accepted = nearest.filter(|_| verdict == Verdict::Accepted);
        Segment {
            is_expected: nearest.is_some_and(|sentence| expected.is(sentence, &self.commands, &self.grammar)),
            extra: accepted.map(|sentence| expected.extra(sentence)).unwrap_or_default(),
            decision: report::fields::decision(Some(&heard), assessment.as_ref(), &verdict, &self.commands),
            passes_otherwise: passes_otherwise(&heard),
            offset: nearest.map_or(0.0, |sentence| self.thresholds.offset_of(sentence.command)),
            assessment,
            heard,
            verdict,
            sound: Some(sound),
        }
    }
}
