//! What became of each utterance, told to people and programs.
//!
//! The threads that work hand over and go on: a reporter thread writes. When its queue is full, a report is dropped and
//! counted; a slow disk or a hung reader never delays a pin.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use crate::act::command::Command;
use crate::act::gpio::Duty;
use crate::decide::rules::{Assessment, Reason, Verdict};
use crate::recognize::Heard;
use crate::runtime::mailbox::Sender;
use crate::utterance::scratch::{Recording, Usage};

pub mod events;
pub mod explanation;
pub mod json;
pub mod watch;

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
    /// Why the command was refused, if it was.
    pub refusal: Option<Reason>,
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

/// Somebody who is told what happens: a file, a socket, a terminal.
pub trait Sink: Send {
    /// Takes note of a report. May block for as long as what it writes to does.
    ///
    /// # Errors
    /// When it cannot be written.
    fn take(&mut self, report: &Report, commands: &[Command]) -> io::Result<()>;
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
    housekeeper: Option<Arc<Sender<ToKeep>>>,
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

    /// How often each happened, by its name in the status.
    pub fn counts(&self) -> [(&'static str, u64); 4] {
        let Tally { accepted, rejected, lost, pressed } = self;
        let named = [("accepted", accepted), ("rejected", rejected), ("lost", lost), ("pressed", pressed)];
        named.map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
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
    (Reporter { queue, dropped: Arc::default(), levels, housekeeper: None, tally: Arc::default() }, reports)
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

    /// Hands the recordings of outcomes to `housekeeper` too.
    pub fn keeping(self, housekeeper: Sender<ToKeep>) -> Reporter {
        Reporter { housekeeper: Some(Arc::new(housekeeper)), ..self }
    }

    /// Hands an outcome in, and its recording if it is to be kept.
    pub fn outcome(&self, outcome: Outcome, recording: Option<Recording>) {
        if let (Some(housekeeper), Some(recording)) = (&self.housekeeper, recording) {
            // The oldest gives way where the housekeeper is too slow: a recording kept in a queue would fill scratch.
            if let Ok(Some(displaced)) = housekeeper.put(ToKeep { recording, outcome: outcome.clone() }) {
                tracing::warn!(
                    utterance = displaced.recording.number(),
                    "recording not kept: the housekeeper is too slow"
                );
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

/// A state in a word.
fn in_words(duty: Duty) -> String {
    match duty {
        Duty::NONE => "off".into(),
        Duty::FULL => "on".into(),
        share => format!("at {} %", f32::from(share.get()) / 10.0),
    }
}
