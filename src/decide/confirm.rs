//! Confirmation: a command with `confirm` is carried out only if somebody says yes within its time. No clock: times are
//! given, and begin anywhere.

use std::time::Duration;

use super::rules::{Check, Reason};
use crate::act::command::Command;
use crate::grammar::Sentence;

/// The commands of the grammar that stand for yes and no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answers {
    /// The index of the command that confirms.
    pub yes: usize,
    /// The index of the command that cancels.
    pub no: usize,
}

/// What happens to a command that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It was said, and waits.
    Waiting,
    /// Somebody said yes in time.
    Confirmed,
    /// Somebody said no, or another command.
    Cancelled,
    /// Nobody said yes in time.
    Expired,
}

impl Step {
    /// All codes.
    pub const CODES: [&'static str; 4] = ["waiting", "confirmed", "cancelled", "expired"];

    /// The code, for programs: one of [`Step::CODES`].
    pub fn code(self) -> &'static str {
        Step::CODES[self as usize]
    }
}

/// What becomes of a sentence that was accepted otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The sentence to carry out; `None` if none is.
    pub carry_out: Option<Sentence>,
    /// The rule's result, if it had something to measure.
    pub check: Option<Check>,
    /// The indices of commands, and what happens to each.
    pub steps: Vec<(usize, Step)>,
}

/// The command that waits, if one does.
#[derive(Debug)]
pub struct Confirmation {
    answers: Option<Answers>,
    /// Longest time from the end of a speech until its sentence can be there, apart from the decision.
    late: Duration,
    waiting: Option<(Sentence, Duration)>,
}

impl Confirmation {
    /// Begins with no command that waits. `late` is the longest silence that ends an utterance.
    pub fn new(answers: Option<Answers>, late: Duration) -> Confirmation {
        Confirmation { answers, late, waiting: None }
    }

    /// Whether a command waits.
    pub fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// The refusal of a sentence of this command, if it is an answer that nobody waits for.
    pub fn unasked(&self, command: usize) -> Option<Check> {
        let answers = self.answers.is_some_and(|Answers { yes, no }| command == yes || command == no);
        (answers && !self.waits()).then(|| Check {
            measured: "no command waits".into(),
            needed: "one that waits to be confirmed".into(),
            refusal: Some(Reason::Unasked),
        })
    }

    /// Takes a `sentence` of one of the `commands` that no other rule refuses. Its speech ended at the time `ended`; it
    /// is `now`.
    pub fn take(&mut self, sentence: &Sentence, commands: &[Command], ended: Duration, now: Duration) -> Said {
        let mut steps = self.expire_before(ended);
        if let Some(check) = self.unasked(sentence.command) {
            return Said { carry_out: None, check: Some(check), steps };
        }
        let before = self.waiting.take();
        if let (Some(Answers { yes, .. }), Some((waiting, _))) = (self.answers, &before)
            && sentence.command == yes
        {
            steps.push((waiting.command, Step::Confirmed));
            return Said { carry_out: Some(waiting.clone()), check: None, steps };
        }
        steps.extend(before.map(|(waiting, _)| (waiting.command, Step::Cancelled)));
        let Some(within) = commands[sentence.command].confirm else {
            return Said { carry_out: Some(sentence.clone()), check: None, steps };
        };
        self.waiting = Some((sentence.clone(), now + within));
        steps.push((sentence.command, Step::Waiting));
        let check = Check {
            measured: "not confirmed yet".into(),
            needed: format!("a yes within {} s", within.as_secs_f32()),
            refusal: Some(Reason::Unconfirmed { within }),
        };
        Said { carry_out: None, check: Some(check), steps }
    }

    /// The command whose time is over, if nothing that was said in time can still come. It is `now`, and no recording
    /// waits.
    pub fn expire(&mut self, now: Duration) -> Option<usize> {
        let over = self.expire_before(now.saturating_sub(self.late));
        over.first().map(|(command, _)| *command)
    }

    fn expire_before(&mut self, time: Duration) -> Vec<(usize, Step)> {
        let over = self.waiting.take_if(|(_, until)| time > *until);
        over.map(|(sentence, _)| (sentence.command, Step::Expired)).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::Slots;

    const YES: usize = 3;
    const NO: usize = 4;

    fn commands() -> Vec<Command> {
        let named = |name: &str, confirm: Option<u64>| Command {
            name: name.into(),
            confirm: confirm.map(Duration::from_secs),
            ..Command::default()
        };
        vec![
            named("lamp", None),
            named("garage", Some(5)),
            named("safe", Some(10)),
            named("confirm.yes", None),
            named("confirm.no", None),
        ]
    }

    fn sentence(command: usize) -> Sentence {
        Sentence { command, words: String::new(), slots: Slots::new() }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// What is said, or that nothing is, and when: each is decided 300 ms after its end.
    enum Event {
        Said(usize),
        Idle,
    }
    use Event::{Idle, Said as Speaks};

    /// Each event, with its time in milliseconds.
    type Told = &'static [(u64, Event)];

    /// What happens, in a line for each event: what is carried out, the code of a refusal, and the steps.
    fn told(events: Told) -> Vec<String> {
        let commands = commands();
        let mut confirmation = Confirmation::new(Some(Answers { yes: YES, no: NO }), ms(600));
        let names = |steps: Vec<(usize, Step)>| {
            steps.into_iter().map(|(c, step)| format!(" {} {}", commands[c].name, step.code())).collect::<String>()
        };
        let tell = |(at, event): &(u64, Event)| match event {
            Speaks(command) => {
                let said = confirmation.take(&sentence(*command), &commands, ms(*at), ms(at + 300));
                let done = said.carry_out.map(|s| commands[s.command].name.clone());
                let refused = said.check.and_then(|check| check.refusal).map(|reason| reason.code().to_string());
                format!("{}{}", done.or(refused).unwrap_or_default(), names(said.steps))
            }
            Idle => confirmation.expire(ms(*at)).map(|c| format!("{} expired", commands[c].name)).unwrap_or_default(),
        };
        events.iter().map(tell).collect()
    }

    #[test]
    fn a_command_waits_for_its_yes_and_for_nothing_else() {
        let table: [(Told, &[&str]); 9] = [
            (&[(0, Speaks(0))], &["lamp"]),
            (&[(0, Speaks(YES)), (9, Speaks(NO))], &["unasked", "unasked"]),
            (
                &[(0, Speaks(1)), (2000, Speaks(YES)), (3000, Speaks(YES))],
                &["unconfirmed garage waiting", "garage garage confirmed", "unasked"],
            ),
            // The time begins with the decision, and the end of the yes counts, not its decision.
            (&[(0, Speaks(1)), (5300, Speaks(YES))], &["unconfirmed garage waiting", "garage garage confirmed"]),
            (&[(0, Speaks(1)), (5301, Speaks(YES))], &["unconfirmed garage waiting", "unasked garage expired"]),
            (
                &[(0, Speaks(1)), (1000, Speaks(NO)), (2000, Speaks(YES))],
                &["unconfirmed garage waiting", "confirm.no garage cancelled", "unasked"],
            ),
            (
                &[(0, Speaks(1)), (1000, Speaks(0)), (2000, Speaks(YES))],
                &["unconfirmed garage waiting", "lamp garage cancelled", "unasked"],
            ),
            (
                &[(0, Speaks(1)), (1000, Speaks(2)), (9000, Speaks(YES))],
                &["unconfirmed garage waiting", "unconfirmed garage cancelled safe waiting", "safe safe confirmed"],
            ),
            (
                &[(0, Speaks(1)), (5900, Idle), (5901, Idle), (5902, Idle)],
                &["unconfirmed garage waiting", "", "garage expired", ""],
            ),
        ];
        for (events, expected) in table {
            assert_eq!(told(events), expected);
        }
    }
}
