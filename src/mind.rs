//! The mind: on the main thread, turns recordings into decisions.

use std::time::Instant;

use crate::command::{Action, Command, Output};
use crate::ear::Spoken;
use crate::mailbox::{Received, Receiver};
use crate::panel::Panel;
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
                let verdict = permitted(&heard, verdict, self.commands, self.outputs, &self.panel);
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

/// The verdict, unless the command that it accepts requires another state of an output.
fn permitted(heard: &Heard, verdict: Verdict, commands: &[Command], outputs: &[Output], panel: &Panel) -> Verdict {
    let Some(best) = heard.best.as_ref().filter(|_| verdict == Verdict::Accepted) else { return verdict };
    match commands[best.sentence.command].unmet(|output| panel.both(output)) {
        Some(required) => {
            let output = outputs[required.output].name.clone();
            Verdict::Rejected(Reason::State { output, on: !required.on })
        }
        None => verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpio::Duty;
    use crate::grammar::{Sentence, Slots};
    use crate::recognize::{Candidate, Timings};

    #[test]
    fn a_command_that_requires_a_state_is_refused_in_another_one_and_accepted_on_the_way_to_it() {
        let text = "board = \"host\"\n[outputs.lamp]\npin = 5\n[[commands]]\nname = \"dim\"\nsay = \"less light\"\n\
                    requires = { lamp = \"on\" }\n";
        let settings = crate::config::parse("x.toml", text).unwrap();
        let sentence = Sentence { command: 0, words: "less light".into(), slots: Slots::new() };
        let heard = Heard {
            text: "Less light.".into(),
            free: -1.0,
            no_speech: 0.0,
            best: Some(Candidate { sentence, rank: -1.0, joint: -1.0, tokens: 3 }),
            runner_up: None,
            gave_up: None,
            calls: 1,
            duration_ms: 900,
            speech_ms: 700,
            dbfs: -20.0,
            took: Timings::default(),
        };
        let panel = Panel::at_rest(&settings.outputs);
        let judged = |verdict| permitted(&heard, verdict, &settings.commands, &settings.outputs, &panel);
        let Verdict::Rejected(reason) = judged(Verdict::Accepted) else { panic!("the lamp is off") };
        assert_eq!(
            (reason.code(), reason.to_string().as_str()),
            ("state", "the lamp is off, and this command needs it on")
        );
        assert_eq!(judged(Verdict::Rejected(Reason::NoSentence)), Verdict::Rejected(Reason::NoSentence));
        for duties in [[Duty::NONE, Duty::FULL], [Duty::FULL, Duty::NONE], [Duty::thousandths(1); 2]] {
            panel.show(0, duties[0], duties[1]);
            assert_eq!(judged(Verdict::Accepted), Verdict::Accepted, "{duties:?}");
        }
    }
}
