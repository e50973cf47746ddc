//! The mind: on the main thread, turns recordings into decisions.

use std::time::Instant;

use crate::command::{Action, Command};
use crate::ear::Spoken;
use crate::mailbox::{Received, Receiver};
use crate::recognize::{Heard, Recognizer};
use crate::scratch::{Recording, Scratch, Usage};
use crate::service::{Beats, Heart};
use crate::stop::{GLANCE, Stop};
use crate::verdict::{Reason, Thresholds, Verdict, judge};

/// A decision on its way to the hands.
#[derive(Debug)]
pub struct Decided {
    /// The utterance's number.
    pub utterance: u64,
    /// What was heard, if it came so far.
    pub heard: Option<Heard>,
    /// The decision.
    pub verdict: Verdict,
    /// What to do.
    pub actions: Vec<Action>,
    /// When its speaker fell silent.
    pub fell_silent: Instant,
    /// How full scratch was, the recording still in it.
    pub scratch: Usage,
    /// The recording, if it is to be kept.
    pub recording: Option<Recording>,
}

/// What the mind works with.
pub struct Mind<'a> {
    /// Sound to sentences.
    pub recognizer: &'a mut dyn Recognizer,
    /// What a command must reach.
    pub thresholds: &'a Thresholds,
    /// What commands do.
    pub commands: &'a [Command],
    /// For its gauges.
    pub scratch: &'a Scratch,
    /// Whether recordings are kept.
    pub keep: bool,
    /// Where its rounds are counted.
    pub beats: Beats,
}

/// Decides each recording from `inbox` and hands it to `hands`, until the ear or the hands are gone or `stop` is raised.
pub fn decide(mut mind: Mind<'_>, inbox: &Receiver<Spoken>, mut hands: impl FnMut(Decided) -> bool, stop: &Stop) {
    while !stop.raised() {
        mind.beats.beat(Heart::Mind);
        match inbox.take(GLANCE) {
            Received::Item(spoken) => {
                if !hands(mind.consider(spoken)) {
                    return;
                }
            }
            Received::Nothing => {}
            Received::Closed => return,
        }
    }
}

impl Mind<'_> {
    fn consider(&mut self, spoken: Spoken) -> Decided {
        let Spoken { mut recording, fell_silent } = spoken;
        let utterance = recording.number();
        let scratch = self.scratch.usage();
        let samples = recording.samples().map_err(|e| e.to_string());
        // The sound is in memory now: scratch has it no longer than it must.
        let recording = Some(recording).filter(|_| self.keep);
        let heard = samples.and_then(|samples| self.recognizer.hear(&samples).map_err(|e| e.to_string()));
        let (heard, verdict) = match heard {
            Ok(heard) => {
                let verdict = judge(&heard, self.thresholds);
                (Some(heard), verdict)
            }
            Err(why) => {
                tracing::warn!(utterance, "utterance lost: {why}");
                (None, Verdict::Rejected(Reason::Lost(why)))
            }
        };
        let mut actions = Vec::new();
        let best = heard.as_ref().and_then(|h| h.best.as_ref());
        match (&verdict, best) {
            (Verdict::Accepted, Some(best)) => {
                let command = &self.commands[best.sentence.command];
                actions = command.actions(&best.sentence.slots);
                tracing::info!(utterance, command = command.name, "accepted");
            }
            (Verdict::Rejected(reason), _) => tracing::info!(utterance, rule = reason.code(), "rejected"),
            (Verdict::Accepted, None) => {}
        }
        if let Some(heard) = &heard {
            let sentence = best.map(|b| b.sentence.words.as_str()).unwrap_or_default();
            tracing::debug!(utterance, text = heard.text, sentence, ?verdict, "heard");
        }
        Decided { utterance, heard, verdict, actions, fell_silent, scratch, recording }
    }
}
