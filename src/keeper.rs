//! The keeper: a thread for what can wait. It writes the recordings that the user asked to keep, sweeps old ones, and tells
//! whoever asks how the daemon is.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::audio::supervisor::MicrophoneUsage;
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
    /// Where questions come.
    pub desk: Option<Desk>,
    /// Who started us.
    pub service: Service,
}

impl Keeper<'_> {
    /// Works until `stop` is raised or nobody hands in recordings any more. `status`: how the daemon is.
    pub fn work(mut self, inbox: &Receiver<ToKeep>, status: impl Fn() -> Value, stop: &Stop) {
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
            self.service.look(status()["ready"] == true);
            if let Some(desk) = &self.desk {
                desk.answer(&status);
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

    fn keep(&self, keep: Option<&mut Keep>, item: ToKeep) {
        let ToKeep { mut recording, outcome } = item;
        let decision = Value::Object(event(&outcome, self.commands)).to_string();
        if let Some(Err(error)) = keep.map(|keep| keep.put(&mut recording, &decision)) {
            tracing::warn!(utterance = recording.number(), "recording not kept: {error}");
        }
    }
}

/// What the daemon tells about itself.
pub fn status(scratch: &Scratch, microphone: Option<MicrophoneUsage>) -> Value {
    let microphone = microphone.map(|m| {
        json!({
            "open": m.open, "opened": m.opened, "faults": m.faults, "attempts": m.attempts, "lost": m.lost,
            "overruns": m.overruns, "abandoned": m.abandoned, "mute": m.mute,
        })
    });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": microphone.as_ref().is_none_or(|m| m["open"] == true),
        "scratch": gauges(scratch.usage()),
        "microphone": microphone,
    })
}
