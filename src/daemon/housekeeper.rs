//! The housekeeper: a thread for work that is not urgent. It writes the recordings that the user asked to keep, deletes
//! old ones, saves the states of outputs, answers status requests, writes the file of metrics, and reloads the
//! configuration.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::act::buttons::Contacts;
use crate::act::remembered::Remembered;
use crate::act::states::States;
use crate::audio::supervisor::Counters;
use crate::config::Settings;
use crate::report::fields::{Status, outcome_event};
use crate::report::textfile::TextFile;
use crate::report::{Tally, ToKeep};
use crate::runtime::mailbox::{Received, Receiver};
use crate::runtime::service::Service;
use crate::runtime::status::StatusSocket;
use crate::runtime::stop::{POLL_INTERVAL, Stop};
use crate::utterance::kept::{Keep, sweep};
use crate::utterance::scratch::Scratch;

/// Longest time between two searches for old files.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// The parts that the housekeeper uses.
pub struct Housekeeper<'a> {
    /// The scratch, whose directory has the kept recordings.
    pub scratch: Scratch,
    /// The configuration.
    pub settings: &'a Settings,
    /// The counters of the microphone; `None` for another source, which is always ready.
    pub microphone: Option<Arc<Counters>>,
    /// The socket for status requests.
    pub socket: Option<StatusSocket>,
    /// The connection to the service manager.
    pub service: Service,
    /// The states of the outputs.
    pub states: States,
    /// The saved states of outputs, if any output has `remember`.
    pub remembered: &'a Mutex<Option<Remembered>>,
    /// The counts of events.
    pub tally: Arc<Tally>,
    /// The file of metrics, if there is one.
    pub textfile: Option<TextFile>,
    /// The states of the buttons.
    pub contacts: Contacts,
    /// Checks the configuration file again. The error says why it cannot be used.
    pub reread: &'a (dyn Fn() -> Result<(), String> + Sync),
}

impl Housekeeper<'_> {
    /// Works until `stop` is raised or all senders of recordings were dropped.
    pub fn work(mut self, inbox: &Receiver<ToKeep>, stop: &Stop) {
        let age = self.settings.scratch.sweep_after;
        sweep(&self.scratch, age);
        let begun = Instant::now();
        let mut swept = begun;
        let mut keep = self.settings.scratch.keep.clone().map(|settings| Keep::new(self.scratch.clone(), settings));
        while !stop.raised() {
            match inbox.take(POLL_INTERVAL) {
                Received::Item(item) => self.keep(keep.as_mut(), item),
                Received::Nothing => {}
                Received::Closed => break,
            }
            self.service.look(self.ready());
            if let Some(socket) = &self.socket {
                socket.answer(|| self.status(begun.elapsed()));
            }
            self.remember();
            self.textfile.iter_mut().for_each(|file| file.look(begun.elapsed()));
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

    /// Restarts all parts if the new configuration is valid.
    fn reload(&mut self, stop: &Stop) {
        match (self.reread)() {
            Ok(()) => {
                self.service.reload();
                stop.begin_again();
            }
            Err(why) => tracing::error!("the new configuration is refused, the old one stays: {why}"),
        }
    }

    /// Whether samples come, so that a command would be decided.
    fn ready(&self) -> bool {
        self.microphone.as_ref().is_none_or(|microphone| microphone.read().open)
    }

    /// The answer to a status request.
    fn status(&self, up: Duration) -> Value {
        let Settings { board, recognizer, outputs, buttons, .. } = self.settings;
        let status = Status {
            ready: self.ready(),
            up,
            board: &board.id,
            model: &recognizer.model,
            commands: self.settings.configured(),
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
