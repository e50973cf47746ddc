//! What became of each utterance, told to people and programs.
//!
//! The threads that work hand over and go on: a reporter thread writes. When its queue is full, a report is dropped and
//! counted; a slow disk or a hung reader never delays a pin.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::command::Command;
use crate::decide::features::{FEATURES, Features};
use crate::decide::rules::{Assessment, Reason, Verdict};
use crate::decide::weights::probability;
use crate::gpio::Duty;
use crate::grammar::{SlotValue, Slots};
use crate::mailbox::Sender;
use crate::recognize::Heard;
use crate::scratch::{Recording, Usage};

pub mod events;
pub mod watch;
pub mod why;

/// Reports that may wait for the reporter: 4 s of levels, or as many utterances as anybody says in minutes.
const QUEUE: usize = 256;

/// An output that was switched.
#[derive(Debug, Clone, PartialEq)]
pub struct Switched {
    /// The output's name.
    pub output: String,
    /// Its line.
    pub line: String,
    /// What it is now; or why it could not be switched.
    pub duty: Result<Duty, String>,
    /// Whether it can be anything between off and on.
    pub dims: bool,
    /// Whether it is so only later, when its limits allow.
    pub later: bool,
}

/// What became of an utterance.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The utterance's number since the start, from 1; 0 if it never had one.
    pub utterance: u64,
    /// What was heard, if it came so far.
    pub heard: Option<Heard>,
    /// What speaks for its best sentence.
    pub assessment: Option<Assessment>,
    /// The decision.
    pub verdict: Verdict,
    /// What was switched.
    pub switched: Vec<Switched>,
    /// Milliseconds from the end of the speech until all was switched, or decided.
    pub latency_ms: Option<f64>,
    /// How full scratch was, the recording still in it.
    pub scratch: Usage,
}

impl Outcome {
    /// Of an utterance that nothing was heard of, for this reason.
    pub fn undecided(utterance: u64, reason: Reason, scratch: Usage) -> Outcome {
        let (heard, assessment, verdict) = (None, None, Verdict::Rejected(reason));
        Outcome { utterance, heard, assessment, verdict, switched: Vec::new(), latency_ms: None, scratch }
    }
}

/// A button was pressed.
#[derive(Debug, Clone, PartialEq)]
pub struct Press {
    /// Its name.
    pub button: String,
    /// The command's name.
    pub command: String,
    /// What was switched.
    pub switched: Vec<Switched>,
}

/// One thing to tell.
#[derive(Debug)]
pub enum Report {
    /// A frame's level.
    Level {
        /// In dBFS.
        dbfs: f32,
        /// Whether an utterance is being recorded.
        recording: bool,
        /// Bytes of recordings.
        scratch: u64,
    },
    /// An utterance is over.
    Outcome(Box<Outcome>),
    /// A button was pressed.
    Press(Press),
    /// The microphone came or went.
    Microphone(MicrophoneNews),
}

/// What happened to the microphone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MicrophoneNews {
    /// Samples begin to flow.
    Open {
        /// Samples per second.
        rate: u32,
    },
    /// They cease.
    Lost {
        /// Why, in words.
        reason: String,
    },
    /// They are all zero.
    Zeros {
        /// For so many seconds.
        seconds: u64,
    },
}

impl fmt::Display for MicrophoneNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MicrophoneNews::Open { rate } => write!(f, "microphone open, {rate} Hz"),
            MicrophoneNews::Lost { reason } => f.write_str(reason),
            MicrophoneNews::Zeros { seconds } => write!(f, "microphone: nothing but zeros for {seconds} s"),
        }
    }
}

/// Where the threads hand reports in. Clones share it.
#[derive(Clone)]
pub struct Reporter {
    queue: SyncSender<Report>,
    dropped: Arc<AtomicU64>,
    levels: bool,
    keeper: Option<Arc<Sender<ToKeep>>>,
    tally: Arc<Tally>,
}

/// How often what happened, since the start.
#[derive(Debug, Default)]
pub struct Tally {
    accepted: AtomicU64,
    rejected: AtomicU64,
    lost: AtomicU64,
    pressed: AtomicU64,
}

impl Tally {
    fn count(&self, report: &Report) {
        let kind = match report {
            Report::Outcome(outcome) => match outcome.verdict {
                Verdict::Accepted => &self.accepted,
                Verdict::Rejected(Reason::Lost(_)) => &self.lost,
                Verdict::Rejected(_) => &self.rejected,
            },
            Report::Press(_) => &self.pressed,
            Report::Level { .. } | Report::Microphone(_) => return,
        };
        kind.fetch_add(1, Ordering::Relaxed);
    }

    /// As one JSON object.
    pub fn json(&self) -> Value {
        let Tally { accepted, rejected, lost, pressed } = self;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({"accepted": read(accepted), "rejected": read(rejected), "lost": read(lost), "pressed": read(pressed)})
    }
}

/// A recording to keep, and what became of it.
pub struct ToKeep {
    /// The recording.
    pub recording: Recording,
    /// What became of it.
    pub outcome: Outcome,
}

/// A reporter and the queue that its thread empties. `levels`: whether anybody looks at the levels.
pub fn reporter(levels: bool) -> (Reporter, Receiver<Report>) {
    let (queue, reports) = sync_channel(QUEUE);
    (Reporter { queue, dropped: Arc::default(), levels, keeper: None, tally: Arc::default() }, reports)
}

impl Reporter {
    /// Hands a report in. Never waits.
    pub fn tell(&self, report: Report) {
        self.tally.count(&report);
        if let Err(TrySendError::Full(_)) = self.queue.try_send(report) {
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            if dropped.is_power_of_two() {
                tracing::warn!(dropped, "reports are dropped: whoever reads them is too slow");
            }
        }
    }

    /// What is counted.
    pub fn tally(&self) -> Arc<Tally> {
        self.tally.clone()
    }

    /// Hands the recordings of outcomes to `keeper` too.
    pub fn keeping(self, keeper: Sender<ToKeep>) -> Reporter {
        Reporter { keeper: Some(Arc::new(keeper)), ..self }
    }

    /// Hands an outcome in, and its recording if it is to be kept.
    pub fn outcome(&self, outcome: Outcome, recording: Option<Recording>) {
        if let (Some(keeper), Some(recording)) = (&self.keeper, recording) {
            // The oldest gives way where the keeper is too slow: a recording kept in a queue would fill scratch.
            if let Ok(Some(displaced)) = keeper.put(ToKeep { recording, outcome: outcome.clone() }) {
                tracing::warn!(utterance = displaced.recording.number(), "recording not kept: the keeper is too slow");
            }
        }
        self.tell(Report::Outcome(Box::new(outcome)));
    }

    /// Hands news of the microphone in.
    pub fn microphone(&self, news: MicrophoneNews) {
        self.tell(Report::Microphone(news));
    }

    /// Hands a frame's level in, if anybody looks.
    pub fn level(&self, dbfs: f32, recording: bool, scratch: u64) {
        if self.levels {
            self.tell(Report::Level { dbfs, recording, scratch });
        }
    }
}

/// A decision as one JSON object: what `hearken decide --json` prints and an event holds.
pub fn decision(
    heard: Option<&Heard>,
    assessment: Option<&Assessment>,
    verdict: &Verdict,
    commands: &[Command],
) -> Map<String, Value> {
    let best = heard.and_then(|h| h.best.as_ref());
    let accepted = *verdict == Verdict::Accepted;
    let reason = match verdict {
        Verdict::Accepted => None,
        Verdict::Rejected(reason) => Some(reason),
    };
    let sentence = best.filter(|_| accepted).map(|b| &b.sentence);
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| map.insert(key.into(), value);
    put("verdict", json!(if accepted { "accepted" } else { "rejected" }));
    put("reason", json!(reason.map(Reason::to_string)));
    put("rule", json!(reason.map(Reason::code)));
    put("command", json!(sentence.map(|s| &commands[s.command].name)));
    put("sentence", json!(sentence.map(|s| &s.words)));
    put("slots", sentence.map_or(json!({}), |s| slots(&s.slots)));
    put("log_odds", json!(assessment.map(|a| round(a.log_odds))));
    put("confidence", json!(assessment.map(|a| three_decimals(probability(a.log_odds)))));
    put("needed", json!(assessment.map(|a| round(a.needed))));
    put("features", json!(assessment.map(|a| features(&a.features))));
    put("nearest", json!(best.map(|b| &b.sentence.words)));
    put("runner_up", json!(heard.and_then(|h| h.runner_up.as_ref()).map(|r| &r.sentence.words)));
    if let Some(heard) = heard {
        let ms = |d: std::time::Duration| round(d.as_secs_f32() * 1000.0);
        let took = &heard.took;
        put("text", json!(heard.text));
        put("no_speech", json!(round(heard.no_speech)));
        put("duration_ms", json!(heard.duration_ms));
        put("speech_ms", json!(heard.speech_ms));
        put("dbfs", json!(round(heard.dbfs)));
        put("calls", json!(heard.calls));
        put(
            "ms",
            json!({"mel": ms(took.mel), "encode": ms(took.encode), "search": ms(took.search), "total": ms(took.total)}),
        );
    }
    map
}

/// Each feature by its name.
fn features(features: &Features) -> Value {
    let named = FEATURES.iter().zip(features.values());
    named.map(|(feature, value)| (feature.name.into(), json!(three_decimals(*value)))).collect::<Map<_, _>>().into()
}

fn slots(slots: &Slots) -> Value {
    let value = |value: &SlotValue| match value {
        SlotValue::Text(text) => json!(text),
        SlotValue::Integer(number) => json!(number),
    };
    slots.iter().map(|(name, v)| (name.clone(), value(v))).collect::<Map<_, _>>().into()
}

/// Two decimals are what a score is worth.
fn round(number: f32) -> f64 {
    (number as f64 * 100.0).round() / 100.0
}

fn three_decimals(number: f32) -> f64 {
    (f64::from(number) * 1000.0).round() / 1000.0
}

/// Seconds since 1970, to the millisecond.
fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_secs_f64() * 1000.0).round() / 1000.0
}

/// News of the microphone as one JSON object.
pub fn microphone_event(news: &MicrophoneNews) -> Map<String, Value> {
    let (state, rate) = match news {
        MicrophoneNews::Open { rate } => ("open", Some(rate)),
        MicrophoneNews::Lost { .. } => ("lost", None),
        MicrophoneNews::Zeros { .. } => ("zeros", None),
    };
    let mut map = Map::new();
    map.insert("microphone".into(), json!(state));
    map.insert("time".into(), json!(now()));
    map.insert("rate".into(), json!(rate));
    map.insert("reason".into(), json!(news.to_string()));
    map
}

/// An outcome as one JSON object.
pub fn event(outcome: &Outcome, commands: &[Command]) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("utterance".into(), json!(outcome.utterance));
    map.insert("time".into(), json!(now()));
    map.append(&mut decision(outcome.heard.as_ref(), outcome.assessment.as_ref(), &outcome.verdict, commands));
    map.insert("outputs".into(), outcome.switched.iter().map(switched).collect());
    map.insert("latency_ms".into(), json!(outcome.latency_ms.map(|ms| ms.round())));
    map.insert("scratch".into(), gauges(outcome.scratch));
    map
}

fn switched(switched: &Switched) -> Value {
    let Switched { output, line, duty, dims, later } = switched;
    match duty {
        Ok(duty) => {
            let mut object = state(output, line, *duty, *dims);
            if *later {
                object.insert("later".into(), json!(true));
            }
            object.into()
        }
        Err(error) => json!({"output": output, "pin": line, "error": error}),
    }
}

/// What an output is, as one JSON object; `level`, in percent, for one that `dims`.
pub fn state(output: &str, line: &str, duty: Duty, dims: bool) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("output".into(), json!(output));
    map.insert("pin".into(), json!(line));
    map.insert("state".into(), json!(if duty == Duty::NONE { "off" } else { "on" }));
    if dims {
        map.insert("level".into(), json!(f64::from(duty.get()) / 10.0));
    }
    map
}

/// A press as one JSON object.
pub fn press_event(press: &Press) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("button".into(), json!(press.button));
    map.insert("time".into(), json!(now()));
    map.insert("command".into(), json!(press.command));
    map.insert("outputs".into(), press.switched.iter().map(switched).collect());
    map
}

/// A state in a word.
fn in_words(duty: Duty) -> String {
    match duty {
        Duty::NONE => "off".into(),
        Duty::FULL => "on".into(),
        share => format!("at {} %", f32::from(share.get()) / 10.0),
    }
}

/// How full scratch is, as one JSON object.
pub fn gauges(usage: Usage) -> Value {
    let Usage { used, high_water, capacity, made, written, deletions_failed } = usage;
    json!({
        "used": used, "high_water": high_water, "capacity": capacity, "recordings": made, "written": written,
        "deletions_failed": deletions_failed,
    })
}
