//! The housekeeper: a thread for what can wait. It writes the recordings that the user asked to keep, sweeps old ones, and tells
//! whoever asks how the daemon is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::act::buttons::Contacts;
use crate::act::remembered::Remembered;
use crate::act::states::States;
use crate::audio::supervisor::Counters;
use crate::config::Settings;
use crate::report::json::{Status, outcome_event};
use crate::report::{Tally, ToKeep};
use crate::runtime::mailbox::{Received, Receiver};
use crate::runtime::service::Service;
use crate::runtime::status::StatusSocket;
use crate::runtime::stop::{GLANCE, Stop};
use crate::utterance::kept::{Keep, sweep};
use crate::utterance::scratch::Scratch;

/// How often old files are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Keeps house until `stop` is raised.
pub struct Housekeeper<'a> {
    /// Whose directory it is.
    pub scratch: Scratch,
    /// What is kept there, for how long; and what the status tells.
    pub settings: &'a Settings,
    /// The microphone's counters; none for another source, which is always there.
    pub microphone: Option<Arc<Counters>>,
    /// Where questions come.
    pub socket: Option<StatusSocket>,
    /// Who started us.
    pub service: Service,
    /// What the outputs are.
    pub states: States,
    /// What they were asked to be, if that is remembered.
    pub remembered: &'a Mutex<Option<Remembered>>,
    /// What is counted.
    pub tally: Arc<Tally>,
    /// What the buttons are.
    pub contacts: Contacts,
    /// Whether the configuration could be read again; why not.
    pub reread: &'a (dyn Fn() -> Result<(), String> + Sync),
}

impl Housekeeper<'_> {
    /// Works until `stop` is raised or nobody hands in recordings any more.
    pub fn work(mut self, inbox: &Receiver<ToKeep>, stop: &Stop) {
        let age = self.settings.scratch.sweep_after;
        sweep(&self.scratch, age);
        let begun = Instant::now();
        let mut swept = begun;
        let mut keep = self.settings.scratch.keep.clone().map(|settings| Keep::new(self.scratch.clone(), settings));
        while !stop.raised() {
            match inbox.take(GLANCE) {
                Received::Item(item) => self.keep(keep.as_mut(), item),
                Received::Nothing => {}
                Received::Closed => break,
            }
            self.service.look(self.ready());
            if let Some(socket) = &self.socket {
                socket.answer(|| self.status(begun.elapsed()));
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
        if let Some(remembered) = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            remembered.note(&self.states);
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
        let Settings { board, recognizer, commands, outputs, buttons, .. } = self.settings;
        let status = Status {
            ready: self.ready(),
            up,
            board: &board.id,
            model: &recognizer.model,
            commands,
            outputs: (outputs, &self.states),
            buttons: (buttons, &self.contacts),
            tally: &self.tally,
            scratch: self.scratch.usage(),
            microphone: self.microphone.as_deref(),
        };
        status.json()
    }

    fn keep(&self, keep: Option<&mut Keep>, item: ToKeep) {
        let ToKeep { mut recording, outcome } = item;
        let decision = Value::Object(outcome_event(&outcome, &self.settings.commands)).to_string();
        if let Some(Err(error)) = keep.map(|keep| keep.put(&mut recording, &decision)) {
            tracing::warn!(utterance = recording.number(), "recording not kept: {error}");
        }
    }
}
