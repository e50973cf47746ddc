//! The keeper: a thread for what can wait. It writes the recordings that the user asked to keep, sweeps old ones, and tells
//! whoever asks how the daemon is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::audio::supervisor::Counters;
use crate::buttons::{Button, Contacts};
use crate::command::{Command, Output};
use crate::keep::{Keep, sweep};
use crate::mailbox::{Received, Receiver};
use crate::memory::Memory;
use crate::panel::Panel;
use crate::report::{Tally, ToKeep, event, gauges, state};
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
    /// What the outputs are.
    pub panel: Panel,
    /// What they were asked to be, if that is remembered.
    pub memory: &'a Mutex<Option<Memory>>,
    /// What is counted.
    pub tally: Arc<Tally>,
    /// What else the status says.
    pub about: &'a About,
    /// The outputs, for the status.
    pub outputs: &'a [Output],
    /// The buttons, for the status.
    pub buttons: &'a [Button],
    /// What they are.
    pub contacts: Contacts,
    /// Whether the configuration could be read again; why not.
    pub reread: &'a (dyn Fn() -> Result<(), String> + Sync),
}

/// What the status says and nobody else asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The board's name in a configuration.
    pub board: String,
    /// The model.
    pub model: String,
}

impl Keeper<'_> {
    /// Works until `stop` is raised or nobody hands in recordings any more.
    pub fn work(mut self, inbox: &Receiver<ToKeep>, stop: &Stop) {
        let age = self.settings.sweep_after;
        sweep(&self.scratch, age);
        let begun = Instant::now();
        let mut swept = begun;
        let mut keep = self.settings.keep.clone().map(|settings| Keep::new(self.scratch.clone(), settings));
        while !stop.raised() {
            match inbox.take(GLANCE) {
                Received::Item(item) => self.keep(keep.as_mut(), item),
                Received::Nothing => {}
                Received::Closed => break,
            }
            self.service.look(self.ready());
            if let Some(desk) = &self.desk {
                desk.answer(|| self.status(begun.elapsed()));
            }
            self.remember();
            if stop.take_reload() {
                self.reload(stop);
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

    fn remember(&self) {
        if let Some(memory) = self.memory.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            memory.note(&self.panel);
        }
    }

    /// Lets all begin again, if the configuration is good.
    fn reload(&mut self, stop: &Stop) {
        match (self.reread)() {
            Ok(()) => {
                self.service.reload();
                stop.begin_again();
            }
            Err(why) => tracing::error!("the new configuration is refused, the old one stays: {why}"),
        }
    }

    /// Whether a command would be decided: samples flow.
    fn ready(&self) -> bool {
        self.microphone.as_ref().is_none_or(|microphone| microphone.read().open)
    }

    /// What the daemon tells about itself.
    fn status(&self, up: Duration) -> Value {
        let microphone = self.microphone.as_ref().map(|microphone| {
            let m = microphone.read();
            json!({
                "open": m.open, "opened": m.opened, "faults": m.faults, "attempts": m.attempts, "lost": m.lost,
                "overruns": m.overruns, "abandoned": m.abandoned, "mute": m.mute,
            })
        });
        let outputs = self.outputs.iter().enumerate();
        let output = |(i, o): (usize, &Output)| {
            Value::from(state(&o.name, &o.line.to_string(), self.panel.duty(i), o.dimmer.is_some()))
        };
        let buttons = self.buttons.iter().enumerate();
        let button = |(i, b): (usize, &Button)| json!({"button": b.name, "pin": b.line.to_string(), "pressed": self.contacts.pressed(i)});
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "ready": self.ready(),
            "up_s": up.as_secs(),
            "board": self.about.board,
            "model": self.about.model,
            "commands": self.commands.len(),
            "decisions": self.tally.json(),
            "outputs": outputs.map(output).collect::<Value>(),
            "buttons": buttons.map(button).collect::<Value>(),
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
