//! The decider: on the main thread, turns recordings into decisions, and tells why the last one came out as it did.
//!
//! The story is told when no recording waits, by the recognizer that decides them: while it is looked for, a second on a
//! desktop and at most the deadline of a decision, an utterance waits in the mailbox. Of the last one the scores, the words
//! and what the recognizer made of its sound stay in memory until the next; no samples do.

use std::time::Instant;

use serde_json::Value;

use crate::act::command::Action;
use crate::act::states::States;
use crate::config::Settings;
use crate::daemon::listener::Spoken;
use crate::decide::requires;
use crate::decide::rules::{Assessment, Check, Reason, Verdict, checks, judge};
use crate::recognize::{Heard, Recognizer};
use crate::report::explanation::{Rules, Why, nothing_yet};
use crate::runtime::mailbox::{Received, Receiver};
use crate::runtime::service::{Beats, Heart};
use crate::runtime::status::StatusSocket;
use crate::runtime::stop::{GLANCE, Stop};
use crate::utterance::scratch::{Recording, Scratch, Usage};

/// Sentences that the story of a decision tells of.
pub const SENTENCES: usize = 5;

/// A decision on its way to the actuator.
#[derive(Debug)]
pub struct Decided {
    /// The utterance's number.
    pub utterance: u64,
    /// What was heard, if it came so far.
    pub heard: Option<Heard>,
    /// What speaks for its best sentence.
    pub assessment: Option<Assessment>,
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

/// What the decider works with.
pub struct Decider<'a> {
    /// Sound to sentences.
    pub recognizer: &'a mut dyn Recognizer,
    /// What a command must reach, does and requires.
    pub settings: &'a Settings,
    /// What the outputs are.
    pub states: States,
    /// For its gauges.
    pub scratch: &'a Scratch,
    /// Where its rounds are counted.
    pub beats: Beats,
    /// Where it is asked why.
    pub socket: Option<StatusSocket>,
}

/// The last decision, until the next.
struct Last {
    utterance: u64,
    decided: Instant,
    heard: Option<Heard>,
    verdict: Verdict,
    state: Option<Check>,
}

/// Decides each recording from `inbox` and hands it to `hand_over`, until the listener or the actuator are gone or `stop` is raised.
pub fn decide(
    mut decider: Decider<'_>,
    inbox: &Receiver<Spoken>,
    mut hand_over: impl FnMut(Decided) -> bool,
    stop: &Stop,
) {
    let socket = decider.socket.take();
    let mut last = None;
    while !stop.raised() {
        decider.beats.beat(Heart::Decider);
        match inbox.take(GLANCE) {
            Received::Item(spoken) => {
                let (decided, state) = decider.consider(spoken);
                let Decided { utterance, heard, verdict, .. } = &decided;
                let (heard, verdict) = (heard.clone(), verdict.clone());
                last = Some(Last { utterance: *utterance, decided: Instant::now(), heard, verdict, state });
                if !hand_over(decided) {
                    return;
                }
            }
            Received::Nothing => {
                if let Some(socket) = &socket {
                    socket.answer(|| last.as_ref().map_or_else(nothing_yet, |last| decider.tell(last)));
                }
            }
            Received::Closed => return,
        }
    }
}

impl Decider<'_> {
    /// The decision on a recording, and what the rule of the outputs' states says.
    fn consider(&mut self, spoken: Spoken) -> (Decided, Option<Check>) {
        let Spoken { mut recording, fell_silent } = spoken;
        let (utterance, settings) = (recording.number(), self.settings);
        let scratch = self.scratch.usage();
        let samples = recording.samples().map_err(|e| e.to_string());
        // The sound is in memory now: scratch has it no longer than it must.
        let recording = Some(recording).filter(|_| settings.scratch.keep.is_some());
        let heard = samples.and_then(|samples| self.recognizer.hear(&samples).map_err(|e| e.to_string()));
        let (heard, assessment, verdict, state) = match heard {
            Ok(heard) => {
                let state = self.permitted(&heard);
                let refusal = state.as_ref().and_then(|check| check.refusal.clone());
                let (assessment, verdict) = match judge(&heard, &settings.thresholds) {
                    (assessment, Verdict::Accepted) => {
                        (assessment, refusal.map_or(Verdict::Accepted, Verdict::Rejected))
                    }
                    rejected => rejected,
                };
                (Some(heard), assessment, verdict, state)
            }
            Err(why) => {
                tracing::warn!(utterance, "utterance lost: {why}");
                (None, None, Verdict::Rejected(Reason::Lost(why)), None)
            }
        };
        let mut actions = Vec::new();
        let best = heard.as_ref().and_then(|h| h.best.as_ref());
        match (&verdict, best) {
            (Verdict::Accepted, Some(best)) => {
                let command = &settings.commands[best.sentence.command];
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
        (Decided { utterance, heard, assessment, verdict, actions, fell_silent, scratch, recording }, state)
    }

    /// The story of the last decision.
    fn tell(&mut self, last: &Last) -> Value {
        let Last { utterance, decided, heard, verdict, state } = last;
        let settings = self.settings;
        // Without words the recognizer may not have come to this sound, and would tell of the one before.
        let story = heard.as_ref().map_or(Ok(None), |_| self.recognizer.explain(SENTENCES));
        let story = story.inspect_err(|e| tracing::warn!(utterance, "no story: {e}")).unwrap_or_default();
        let mut rules: Rules = heard.as_ref().map(|heard| checks(heard, &settings.thresholds)).unwrap_or_default();
        rules.push(("state", state.clone()));
        let (heard, story, commands) = (heard.as_ref(), story.as_ref(), &settings.commands);
        let why = Why { heard, verdict, rules: &rules, story, commands, thresholds: &settings.thresholds };
        why.of_utterance(*utterance, decided.elapsed())
    }

    /// Whether the outputs are as the best sentence's command requires them.
    fn permitted(&self, heard: &Heard) -> Option<Check> {
        let command = &self.settings.commands[heard.best.as_ref()?.sentence.command];
        requires::check(command, &self.settings.outputs, |output| self.states.both(output))
    }
}
