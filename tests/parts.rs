//! Stand-ins that several tests use: pins that note their levels, and what a recognizer heard.

#![allow(dead_code, reason = "each of them uses a part of it")]

use std::sync::{Arc, Mutex};

use hearken::act::gpio::{GpioError, Level, OutputPins};
use hearken::recognize::{Candidate, Heard, Timings};

/// Pins that note each level that one of them is set to. Clones share the notes.
#[derive(Clone, Default)]
pub struct PinLog(pub Arc<Mutex<Vec<(usize, Level)>>>);

impl PinLog {
    /// The last level of each of the first two pins.
    pub fn last(&self) -> [Option<Level>; 2] {
        let log = self.0.lock().unwrap_or_else(|e| e.into_inner());
        [0, 1].map(|pin| log.iter().rev().find(|(p, _)| *p == pin).map(|(_, level)| *level))
    }
}

impl OutputPins for PinLog {
    fn set(&mut self, index: usize, level: Level) -> Result<(), GpioError> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).push((index, level));
        Ok(())
    }
}

/// A second of plain speech that says `text`, with this best sentence.
pub fn heard(text: &str, best: Option<Candidate>) -> Heard {
    Heard {
        text: text.into(),
        free: 0.0,
        no_speech: 0.0,
        best,
        runner_up: None,
        gave_up: None,
        calls: 1,
        duration_ms: 1000,
        speech_ms: 1000,
        voiced: 1.0,
        dbfs: -26.0,
        took: Timings::default(),
    }
}
