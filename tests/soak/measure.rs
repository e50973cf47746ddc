//! What the soak reads off the daemon: its events, its status, and what the kernel says about it.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::ChildStdout;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// What the events told so far.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    /// Times that the microphone came.
    pub opened: u64,
    /// Utterances that were commands.
    pub accepted: u64,
    /// Utterances that were none.
    pub refused: u64,
    /// Utterances dropped because later ones came before they were decided.
    pub late: u64,
    /// Utterances cut off by a fault of the microphone.
    pub interrupted: u64,
    /// Utterances lost for any other reason, and lines that are no events.
    pub failed: u64,
}

impl Tally {
    /// Counts the events of `stdout` on a thread of its own, until it is closed.
    pub fn of(stdout: ChildStdout) -> Arc<Mutex<Tally>> {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let counted = tally.clone();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_default();
                counted.lock().unwrap_or_else(PoisonError::into_inner).count(&event);
            }
        });
        tally
    }

    fn count(&mut self, event: &Value) {
        let word = |key: &str| event[key].as_str().unwrap_or_default();
        let counter = match (word("microphone"), word("verdict"), word("rule"), word("reason")) {
            ("open", ..) => &mut self.opened,
            ("lost" | "zeros", ..) => return,
            (_, "accepted", ..) => &mut self.accepted,
            (_, "rejected", "lost", why) if why.starts_with("a later utterance came") => &mut self.late,
            (_, "rejected", "lost", why) if why.starts_with("the microphone was lost") => &mut self.interrupted,
            (_, "rejected", rule, _) if rule != "lost" => &mut self.refused,
            _ => &mut self.failed,
        };
        *counter += 1;
    }

    /// Utterances that the recognizer had.
    pub fn decided(&self) -> u64 {
        self.accepted + self.refused
    }

    /// All utterances.
    pub fn utterances(&self) -> u64 {
        self.decided() + self.late + self.interrupted + self.failed
    }
}

/// The daemon at one moment. Shown as a line under [`HEADING`].
#[derive(Debug, Clone)]
pub struct Sample {
    /// Since the soak began.
    pub at: Duration,
    /// Hours of sound delivered.
    pub hours: f64,
    /// Resident memory in KiB.
    pub rss: u64,
    /// Open descriptors, those of unnamed recordings not counted.
    pub descriptors: usize,
    /// Open descriptors of unnamed recordings.
    pub recordings: usize,
    /// Threads.
    pub threads: usize,
    /// What the events told.
    pub tally: Tally,
    status: Value,
}

/// What stands above the samples.
pub const HEADING: &str = "   min  audio h      x  RSS MiB  fds  threads | scratch KiB   most  made   MiB  undeleted | \
                           faults opened  lost overruns abandoned | decided   late";

impl Sample {
    /// The process `pid`, which records into `scratch` and told `tally`.
    ///
    /// # Errors
    /// When it is gone, or does not answer.
    pub fn take(pid: u32, scratch: &Path, at: Duration, hours: f64, tally: Tally) -> io::Result<Sample> {
        let kernel = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let number = |name: &str| {
            let line = kernel.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        let unnamed = |fd: &fs::DirEntry| fs::read_link(fd.path()).is_ok_and(|to| is_unnamed_in(scratch, &to));
        let (recordings, others): (Vec<_>, Vec<_>) =
            fs::read_dir(format!("/proc/{pid}/fd"))?.flatten().partition(unnamed);
        let (descriptors, recordings) = (others.len(), recordings.len());
        let (rss, threads) = (number("VmRSS"), number("Threads") as usize);
        let status = hearken::runtime::status::ask(scratch, hearken::runtime::status::Question::Status)?;
        Ok(Sample { at, hours, rss, descriptors, recordings, threads, tally, status })
    }

    /// A number of the status, such as `/scratch/used`.
    pub fn gauge(&self, pointer: &str) -> u64 {
        self.status.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} in {}", self.status))
    }

    /// Whether samples flow.
    pub fn microphone_open(&self) -> bool {
        self.status["microphone"]["open"] == true
    }

    /// Minutes since the soak began.
    pub fn minutes(&self) -> f64 {
        self.at.as_secs_f64() / 60.0
    }

    /// How many times faster than real time it was, on the whole.
    pub fn multiple(&self) -> f64 {
        self.hours * 3600.0 / self.at.as_secs_f64().max(1.0)
    }
}

fn is_unnamed_in(scratch: &Path, to: &Path) -> bool {
    to.starts_with(scratch) && to.to_string_lossy().ends_with(" (deleted)")
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scratch = |name: &str| self.gauge(&format!("/scratch/{name}"));
        let microphone = |name: &str| self.gauge(&format!("/microphone/{name}"));
        write!(
            f,
            "{:6.1} {:8.2} {:6.1} {:8.1} {:4} {:8} | {:11} {:6} {:5} {:5} {:10} | {:6} {:6} {:5} {:8} {:9} | {:7} {:6}",
            self.minutes(),
            self.hours,
            self.multiple(),
            self.rss as f64 / 1024.0,
            self.descriptors,
            self.threads,
            scratch("used") >> 10,
            scratch("high_water") >> 10,
            scratch("recordings"),
            scratch("written") >> 20,
            scratch("deletions_failed"),
            microphone("faults"),
            microphone("opened"),
            microphone("lost"),
            microphone("overruns"),
            microphone("abandoned"),
            self.tally.decided(),
            self.tally.late,
        )
    }
}
