//! The keeper: a thread for what can wait. It writes the recordings that the user asked to keep, sweeps old ones, and tells
//! whoever asks how the daemon is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::audio::supervisor::Counters;
use crate::command::Command;
use crate::keep::{Keep, sweep};
use crate::mailbox::{Received, Receiver};
use crate::report::{ToKeep, event, gauges};
use crate::scratch::{Scratch, ScratchSettings};
use crate::service::Service;
use crate::status::Desk;
use crate::stop::{GLANCE, Stop};

/// How often old files are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Keeps house until `stop` is raised.
pub struct Keeper<'a> {
    /// Whose directory it is.
    pub scratch: Scratch,
    /// What is kept there, and for how long.
    pub settings: &'a ScratchSettings,
    /// The commands, for the decisions beside the recordings.
    pub commands: &'a [Command],
    /// The microphone's counters; none for another source, which is always there.
    pub microphone: Option<Arc<Counters>>,
    /// Where questions come.
    pub desk: Option<Desk>,
    /// Who started us.
    pub service: Service,
}

impl Keeper<'_> {
    /// Works until `stop` is raised or nobody hands in recordings any more.
    pub fn work(mut self, inbox: &Receiver<ToKeep>, stop: &Stop) {
        let age = self.settings.sweep_after;
        sweep(&self.scratch, age);
        let mut swept = Instant::now();
        let mut keep = self.settings.keep.clone().map(|settings| Keep::new(self.scratch.clone(), settings));
        while !stop.raised() {
            match inbox.take(GLANCE) {
                Received::Item(item) => self.keep(keep.as_mut(), item),
                Received::Nothing => {}
                Received::Closed => break,
            }
            self.service.look(self.ready());
            if let Some(desk) = &self.desk {
                desk.answer(|| self.status());
            }
            if swept.elapsed() >= SWEEP_EVERY.min(age) {
                sweep(&self.scratch, age);
                swept = Instant::now();
            }
        }
        while let Received::Item(item) = inbox.take(Duration::ZERO) {
            self.keep(keep.as_mut(), item);
        }
        drop(keep);
        sweep(&self.scratch, age);
    }

    /// Whether a command would be decided: samples flow.
    fn ready(&self) -> bool {
        self.microphone.as_ref().is_none_or(|microphone| microphone.read().open)
    }

    /// What the daemon tells about itself.
    fn status(&self) -> Value {
        let microphone = self.microphone.as_ref().map(|microphone| {
            let m = microphone.read();
            json!({
                "open": m.open, "opened": m.opened, "faults": m.faults, "attempts": m.attempts, "lost": m.lost,
                "overruns": m.overruns, "abandoned": m.abandoned, "mute": m.mute,
            })
        });
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "ready": self.ready(),
            "scratch": gauges(self.scratch.usage()),
            "microphone": microphone,
        })
    }

    fn keep(&self, keep: Option<&mut Keep>, item: ToKeep) {
        let ToKeep { mut recording, outcome } = item;
        let decision = Value::Object(event(&outcome, self.commands)).to_string();
        if let Some(Err(error)) = keep.map(|keep| keep.put(&mut recording, &decision)) {
            tracing::warn!(utterance = recording.number(), "recording not kept: {error}");
        }
    }
}
