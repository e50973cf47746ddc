//! The mind: on the main thread, turns recordings into decisions, and tells why the last one came out as it did.
//!
//! The story is told when no recording waits, by the recognizer that decides them: while it is looked for, a second on a
//! desktop and at most the deadline of a decision, an utterance waits in the mailbox. Of the last one the scores, the words
//! and what the recognizer made of its sound stay in memory until the next; no samples do.

use std::time::Instant;

use serde_json::Value;

use crate::command::{Action, Command, Output, Requirement};
use crate::decide::rules::{Assessment, Check, Reason, Thresholds, Verdict, checks, judge};
use crate::ear::Spoken;
use crate::gpio::Duty;
use crate::mailbox::{Received, Receiver};
use crate::panel::Panel;
use crate::recognize::{Heard, Recognizer};
use crate::report::why::{Rules, Why, nothing_yet};
use crate::scratch::{Recording, Scratch, Usage};
use crate::service::{Beats, Heart};
use crate::status::Desk;
use crate::stop::{GLANCE, Stop};

/// Sentences that the story of a decision tells of.
pub const SENTENCES: usize = 5;

/// A decision on its way to the hands.
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

/// What the mind works with.
pub struct Mind<'a> {
    /// Sound to sentences.
    pub recognizer: &'a mut dyn Recognizer,
    /// What a command must reach.
    pub thresholds: &'a Thresholds,
    /// What commands do.
    pub commands: &'a [Command],
    /// What commands require of them.
    pub outputs: &'a [Output],
    /// What they are.
    pub panel: Panel,
    /// For its gauges.
    pub scratch: &'a Scratch,
    /// Whether recordings are kept.
    pub keep: bool,
    /// Where its rounds are counted.
    pub beats: Beats,
    /// Where it is asked why.
    pub desk: Option<Desk>,
}

/// The last decision, until the next.
struct Last {
    utterance: u64,
    decided: Instant,
    heard: Option<Heard>,
    verdict: Verdict,
    state: Option<Check>,
}

/// Decides each recording from `inbox` and hands it to `hands`, until the ear or the hands are gone or `stop` is raised.
pub fn decide(mut mind: Mind<'_>, inbox: &Receiver<Spoken>, mut hands: impl FnMut(Decided) -> bool, stop: &Stop) {
    let desk = mind.desk.take();
    let mut last = None;
    while !stop.raised() {
        mind.beats.beat(Heart::Mind);
        match inbox.take(GLANCE) {
            Received::Item(spoken) => {
                let (decided, state) = mind.consider(spoken);
                let Decided { utterance, heard, verdict, .. } = &decided;
                let (heard, verdict) = (heard.clone(), verdict.clone());
                last = Some(Last { utterance: *utterance, decided: Instant::now(), heard, verdict, state });
                if !hands(decided) {
                    return;
                }
            }
            Received::Nothing => {
                if let Some(desk) = &desk {
                    desk.answer(|| last.as_ref().map_or_else(nothing_yet, |last| mind.tell(last)));
                }
            }
            Received::Closed => return,
        }
    }
}

impl Mind<'_> {
    /// The decision on a recording, and what the rule of the outputs' states says.
    fn consider(&mut self, spoken: Spoken) -> (Decided, Option<Check>) {
        let Spoken { mut recording, fell_silent } = spoken;
        let utterance = recording.number();
        let scratch = self.scratch.usage();
        let samples = recording.samples().map_err(|e| e.to_string());
        // The sound is in memory now: scratch has it no longer than it must.
        let recording = Some(recording).filter(|_| self.keep);
        let heard = samples.and_then(|samples| self.recognizer.hear(&samples).map_err(|e| e.to_string()));
        let (heard, assessment, verdict, state) = match heard {
            Ok(heard) => {
                let state = permitted(&heard, self.commands, self.outputs, &self.panel);
                let refusal = state.as_ref().and_then(|check| check.refusal.clone());
                let (assessment, verdict) = match judge(&heard, self.thresholds) {
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
        (Decided { utterance, heard, assessment, verdict, actions, fell_silent, scratch, recording }, state)
    }

    /// The story of the last decision.
    fn tell(&mut self, last: &Last) -> Value {
        let Last { utterance, decided, heard, verdict, state } = last;
        // Without words the recognizer may not have come to this sound, and would tell of the one before.
        let story = heard.as_ref().map_or(Ok(None), |_| self.recognizer.explain(SENTENCES));
        let story = story.inspect_err(|e| tracing::warn!(utterance, "no story: {e}")).unwrap_or_default();
        let mut rules: Rules = heard.as_ref().map(|heard| checks(heard, self.thresholds)).unwrap_or_default();
        rules.push(("state", state.clone()));
        let (heard, story, commands) = (heard.as_ref(), story.as_ref(), self.commands);
        let why = Why { heard, verdict, rules: &rules, story, commands, thresholds: self.thresholds };
        why.of_utterance(*utterance, decided.elapsed())
    }
}

/// Whether the outputs are as the best sentence's command requires them. Nothing where it requires nothing.
fn permitted(heard: &Heard, commands: &[Command], outputs: &[Output], panel: &Panel) -> Option<Check> {
    let command = &commands[heard.best.as_ref()?.sentence.command];
    let states = |on: &dyn Fn(&Requirement) -> bool| {
        let state = |r: &Requirement| format!("{} {}", outputs[r.output].name, if on(r) { "on" } else { "off" });
        command.requires.iter().map(state).collect::<Vec<_>>().join(", ")
    };
    let unmet = command.unmet(|output| panel.both(output));
    let refusal = unmet.map(|r| Reason::State { output: outputs[r.output].name.clone(), on: !r.on });
    let measured = states(&|r| panel.duty(r.output) != Duty::NONE);
    let check = Check { measured, needed: states(&|r| r.on), refusal };
    (!command.requires.is_empty()).then_some(check)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognize::example;

    #[test]
    fn a_command_that_requires_a_state_is_refused_in_another_one_and_accepted_on_the_way_to_it() {
        let text = "board = \"host\"\n[outputs.lamp]\npin = 5\n[[commands]]\nname = \"dim\"\nsay = \"less light\"\n\
                    requires = { lamp = \"on\" }\n";
        let settings = crate::config::parse("x.toml", text).unwrap();
        let heard = example::heard("Less light.", "less light");
        let panel = Panel::at_rest(&settings.outputs);
        let permitted = |heard: &Heard| permitted(heard, &settings.commands, &settings.outputs, &panel);
        let Check { measured, needed, refusal } = permitted(&heard).unwrap();
        assert_eq!((measured.as_str(), needed.as_str()), ("lamp off", "lamp on"));
        let reason = refusal.unwrap();
        assert_eq!(
            (reason.code(), reason.to_string().as_str()),
            ("state", "the lamp is off, and this command needs it on")
        );
        assert_eq!(permitted(&Heard { best: None, ..heard.clone() }), None, "nothing to permit");
        for duties in [[Duty::NONE, Duty::FULL], [Duty::FULL, Duty::NONE], [Duty::thousandths(1); 2]] {
            panel.show(0, duties[0], duties[1]);
            assert_eq!(permitted(&heard).unwrap().refusal, None, "{duties:?}");
        }
    }
}
