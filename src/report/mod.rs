//! Reports of what happened to each utterance, for people and programs.
//!
//! Other threads put reports into a queue and go on; a reporter thread writes them. If the queue is full, a report is
//! dropped and counted, so a slow disk or a hung reader never delays a pin.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

pub use self::ending::{Fate, TaskEnd};
use self::metrics::Metrics;
use crate::act::command::{Command, Origin};
use crate::act::gpio::Duty;
use crate::decide::confirm::Step;
use crate::decide::rules::{Reason, Verdict};
use crate::decide::thresholds::Assessment;
use crate::grammar::Sentence;
use crate::recognize::Heard;
use crate::runtime::mailbox::Sender;
use crate::utterance::scratch::{Recording, Usage};

pub mod destination;
mod ending;
pub mod explanation;
pub mod fields;
mod levels;
pub mod metrics;
pub mod reference;
pub mod textfile;
pub mod watch;

/// Most reports that may wait for the reporter thread: 4 s of levels, or the utterances of several minutes.
const QUEUE: usize = 256;

/// The result of switching an output.
#[derive(Debug, Clone, PartialEq)]
pub struct Switched {
    /// The output's name.
    pub output: String,
    /// Its line.
    pub line: String,
    /// Its new state, or why it could not be switched.
    pub duty: Result<Duty, String>,
    /// Whether it can be dimmed.
    pub dims: bool,
    /// Whether the change happens later, when the limits of the output allow it.
    pub later: bool,
}

/// The outcome of an utterance.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The utterance's number since the start, from 1; 0 if it never had one.
    pub utterance: u64,
    /// The result of recognition; `None` if the utterance was lost before it.
    pub heard: Option<Heard>,
    /// The assessment of its best sentence.
    pub assessment: Option<Assessment>,
    /// The decision.
    pub verdict: Verdict,
    /// The sentence that was confirmed, if that is what was carried out and not the best sentence, which was a yes.
    pub confirmed: Option<Sentence>,
    /// The outputs that were switched.
    pub switched: Vec<Switched>,
    /// Milliseconds from the end of the speech until all outputs were switched, or until the refusal.
    pub latency_ms: Option<f64>,
    /// The counters of scratch while it still held the recording.
    pub scratch: Usage,
}

impl Outcome {
    /// The outcome of an utterance that was lost before recognition, for this reason.
    pub fn undecided(utterance: u64, reason: Reason, scratch: Usage) -> Outcome {
        let (heard, assessment, confirmed, latency_ms) = (None, None, None, None);
        let (verdict, switched) = (Verdict::Rejected(reason), Vec::new());
        Outcome { utterance, heard, assessment, verdict, confirmed, switched, latency_ms, scratch }
    }

    /// The sentence that was carried out, if one was.
    pub fn carried_out(&self) -> Option<&Sentence> {
        let best = self.heard.as_ref().and_then(|heard| heard.best.as_ref()).map(|best| &best.sentence);
        self.confirmed.as_ref().or(best).filter(|_| self.verdict == Verdict::Accepted)
    }
}

/// A command or an output was asked for without a sentence: a button was pressed, or a program asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Press {
    /// Who asked.
    pub origin: Origin,
    /// The command's name; `None` if an output itself was asked for.
    pub command: Option<String>,
    /// Why the command was refused, if it was.
    pub refusal: Option<Reason>,
    /// The outputs that were switched.
    pub switched: Vec<Switched>,
}

/// Why an utterance is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// Somebody speaks.
    Voice,
    /// A talk button is held.
    Button,
}

/// One event to report.
#[derive(Debug)]
pub enum Report {
    /// A frame's level.
    Level {
        /// Level in dBFS.
        dbfs: f32,
        /// Why an utterance is being recorded; `None` if none is.
        recording: Option<Opened>,
        /// Bytes that recordings take in scratch.
        scratch: u64,
    },
    /// An utterance is over.
    Outcome(Box<Outcome>),
    /// A button was pressed, or a program asked.
    Press(Press),
    /// The microphone was opened or lost, or delivers only zeros.
    Microphone(MicrophoneNews),
    /// A task has ended, or was not begun.
    Task(TaskEnd),
    /// Something happened to a command that waits to be confirmed.
    Confirmation {
        /// The command's name.
        command: String,
        /// What happened.
        step: Step,
        /// The number of the utterance that did it; `None` for time.
        utterance: Option<u64>,
    },
}

/// A destination of reports: a file, a socket or a terminal. `reporting` in `daemon/mod.rs` makes the list of those in
/// use.
pub trait Sink: Send {
    /// Writes a report. May block as long as its destination blocks.
    ///
    /// # Errors
    /// When the report cannot be written.
    fn take(&mut self, report: &Report, commands: &[Command]) -> io::Result<()>;
}

/// News of the microphone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MicrophoneNews {
    /// Samples begin to come.
    Open {
        /// Samples per second.
        rate: u32,
    },
    /// No more samples come.
    Lost {
        /// Why, in words.
        reason: String,
    },
    /// All samples are zero.
    Zeros {
        /// Length of the zeros in seconds.
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

/// The sending end of the queue of reports. Clones share the queue.
#[derive(Clone)]
pub struct Reporter {
    queue: SyncSender<Report>,
    dropped: Arc<AtomicU64>,
    levels: bool,
    housekeeper: Option<Arc<Sender<ToKeep>>>,
    tally: Arc<Tally>,
    metrics: Option<Metrics>,
    loudness: Loudness,
}

/// The level of the sound, for other threads to read. Clones share it.
#[derive(Debug, Clone)]
pub struct Loudness(Arc<AtomicI32>);

impl Default for Loudness {
    fn default() -> Self {
        Loudness(Arc::new(AtomicI32::new(i32::MIN)))
    }
}

impl Loudness {
    /// Takes the level of a frame, in dBFS.
    pub fn show(&self, dbfs: f32) {
        self.0.fetch_max((dbfs * 10.0).round() as i32, Ordering::Relaxed);
    }

    /// The loudest frame since the last question, in dBFS to a tenth; `None` if there was none.
    pub fn loudest(&self) -> Option<f64> {
        let tenths = self.0.swap(i32::MIN, Ordering::Relaxed);
        (tenths != i32::MIN).then(|| f64::from(tenths) / 10.0)
    }
}

/// Counts of events since the start.
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
            Report::Level { .. } | Report::Microphone(_) | Report::Task(_) | Report::Confirmation { .. } => return,
        };
        kind.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts, each with its name in the status.
    pub fn counts(&self) -> [(&'static str, u64); 4] {
        let Tally { accepted, rejected, lost, pressed } = self;
        let named = [("accepted", accepted), ("rejected", rejected), ("lost", lost), ("pressed", pressed)];
        named.map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
    }
}

/// A recording to keep, and the outcome of its utterance.
pub struct ToKeep {
    /// The recording.
    pub recording: Recording,
    /// The outcome of its utterance.
    pub outcome: Outcome,
}

/// Makes a reporter and the receiving end of its queue. `levels` says whether levels are reported.
pub fn reporter(levels: bool) -> (Reporter, Receiver<Report>) {
    let (queue, reports) = sync_channel(QUEUE);
    let (dropped, tally, loudness) = Default::default();
    (Reporter { queue, dropped, levels, housekeeper: None, tally, metrics: None, loudness }, reports)
}

impl Reporter {
    /// Puts a report into the queue. Never waits.
    pub fn tell(&self, report: Report) {
        self.tally.count(&report);
        self.metrics.iter().for_each(|metrics| metrics.count(&report));
        if let Err(TrySendError::Full(_)) = self.queue.try_send(report) {
            self.metrics.iter().for_each(Metrics::dropped);
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            if dropped.is_power_of_two() {
                tracing::warn!(dropped, "reports are dropped: whoever reads them is too slow");
            }
        }
    }

    /// The counts of events.
    pub fn tally(&self) -> Arc<Tally> {
        self.tally.clone()
    }

    /// The level of the sound.
    pub fn loudness(&self) -> Loudness {
        self.loudness.clone()
    }

    /// Sends the recordings of outcomes to `housekeeper` too.
    pub fn keeping(self, housekeeper: Sender<ToKeep>) -> Reporter {
        Reporter { housekeeper: Some(Arc::new(housekeeper)), ..self }
    }

    /// Counts all reports and levels in `metrics` too. They are counted here and not by a [`Sink`]: a sink that hangs
    /// would stop them, and 62 levels a second would fill the queue when a disk is slow.
    pub fn counting(self, metrics: Option<Metrics>) -> Reporter {
        Reporter { metrics, ..self }
    }

    /// Reports an outcome, and passes its recording on if it is to be kept.
    pub fn outcome(&self, outcome: Outcome, recording: Option<Recording>) {
        if let (Some(housekeeper), Some(recording)) = (&self.housekeeper, recording) {
            // If the housekeeper is too slow, the oldest recording is dropped: a longer queue would fill scratch.
            if let Ok(Some(displaced)) = housekeeper.put(ToKeep { recording, outcome: outcome.clone() }) {
                tracing::warn!(
                    utterance = displaced.recording.number(),
                    "recording not kept: the housekeeper is too slow"
                );
            }
        }
        self.tell(Report::Outcome(Box::new(outcome)));
    }

    /// Reports news of the microphone.
    pub fn microphone(&self, news: MicrophoneNews) {
        self.tell(Report::Microphone(news));
    }

    /// Reports the level of a frame, if levels are reported.
    pub fn level(&self, dbfs: f32, recording: Option<Opened>, scratch: u64) {
        self.metrics.iter().for_each(|metrics| metrics.level(dbfs));
        self.loudness.show(dbfs);
        if self.levels {
            self.tell(Report::Level { dbfs, recording, scratch });
        }
    }
}

/// A state of an output in words.
fn in_words(duty: Duty) -> String {
    match duty {
        Duty::NONE => "off".into(),
        Duty::FULL => "on".into(),
        share => format!("at {} %", f32::from(share.get()) / 10.0),
    }
}
