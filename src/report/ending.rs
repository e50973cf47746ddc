//! How a task has ended.

use std::time::Duration;

/// The end of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskEnd {
    /// Its kind: one of `Task::KINDS`.
    pub task: &'static str,
    /// The command's name.
    pub command: String,
    /// The number of the utterance; `None` if a button was pressed.
    pub utterance: Option<u64>,
    /// What became of it.
    pub fate: Fate,
    /// How long it took, with all attempts.
    pub took: Duration,
    /// How often it was tried; 0 if it was not begun.
    pub attempts: u32,
}

/// What became of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It was carried out.
    Done,
    /// It failed, for this reason.
    Failed(String),
    /// It took longer than its limit, and was ended.
    TimedOut,
    /// It was not begun, because the same task of an earlier utterance is still under way.
    Busy,
    /// It was not begun, because too many tasks wait.
    Dropped,
    /// The daemon has stopped before its end.
    Stopped,
}

impl Fate {
    /// All codes.
    pub const CODES: [&'static str; 6] = ["done", "failed", "timed-out", "busy", "dropped", "stopped"];

    /// The code, for programs: one of [`Fate::CODES`].
    pub fn code(&self) -> &'static str {
        match self {
            Fate::Done => "done",
            Fate::Failed(_) => "failed",
            Fate::TimedOut => "timed-out",
            Fate::Busy => "busy",
            Fate::Dropped => "dropped",
            Fate::Stopped => "stopped",
        }
    }

    /// Why it was not carried out, in words; `None` if it was.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Fate::Done => None,
            Fate::Failed(why) => Some(why),
            Fate::TimedOut => Some("it took longer than its limit"),
            Fate::Busy => Some("the one before is still under way"),
            Fate::Dropped => Some("too many tasks wait"),
            Fate::Stopped => Some("the daemon has stopped"),
        }
    }
}
