//! The types for commands, outputs and actions. No input or output.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::act::gpio::{Duty, Level, Line, Pwm};
use crate::act::task::Task;
use crate::grammar::{SlotValue, Slots};

/// Shortest and longest time that a pulse or a phase of blinking may take.
pub const PULSES: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);

/// An output: a pin that commands switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Its pin.
    pub line: Line,
    /// Whether the pin is low while the output is on (active-low).
    pub active_low: bool,
    /// Its state of rest: whether it is on at start, at stop and after a crash.
    pub rest: bool,
    /// How it is dimmed; `None` if it is only on or off.
    pub dimmer: Option<Dimmer>,
    /// Whether its state is restored after a restart.
    pub remember: bool,
    /// Its limits, which hold for all commands.
    pub limits: Limits,
}

/// How an output is dimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dimmer {
    /// Its PWM signal.
    pub pwm: Pwm,
    /// Duration of a fade from off to full. A smaller change takes proportionally less.
    pub fade: Duration,
}

/// The limits of an output while the daemon runs. They do not delay a stop, which puts every output at rest at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Longest time on.
    pub max_on: Option<Duration>,
    /// Shortest time on: a request to go off waits for it.
    pub min_on: Duration,
    /// Shortest time off, from the start too: a request to go on waits for it.
    pub min_off: Duration,
    /// The group of outputs that it belongs to, of which at most one is on.
    pub interlock: Option<Interlock>,
}

/// A group of outputs that are never on together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interlock {
    /// Its number.
    pub group: usize,
    /// How long the other outputs must have been off before one goes on.
    pub dead_time: Duration,
}

impl Output {
    /// Whether it is never on together with `other`.
    pub fn excludes(&self, other: &Output) -> bool {
        let group = |output: &Output| output.limits.interlock.map(|interlock| interlock.group);
        self.name != other.name && group(self).is_some() && group(self) == group(other)
    }

    /// The allowed durations of a pulse or a phase of blinking: on if `on`, else off.
    pub fn times(&self, on: bool) -> RangeInclusive<Duration> {
        let Limits { max_on, min_on, min_off, .. } = self.limits;
        let (least, most) = if on { (min_on, max_on) } else { (min_off, None) };
        least.max(*PULSES.start())..=most.map_or(*PULSES.end(), |most| most.min(*PULSES.end()))
    }

    /// The electrical level of the pin for on, off or a share of on.
    pub fn level(&self, duty: impl Into<Duty>) -> Level {
        let duty = duty.into();
        match if self.active_low { duty.complement() } else { duty } {
            Duty::NONE => Level::Low,
            Duty::FULL => Level::High,
            share => Level::Pwm(share),
        }
    }
}

/// Blinking: on and off in turn, then at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blink {
    /// How long it is on.
    pub on: Duration,
    /// How long it is off in between.
    pub off: Duration,
    /// Number of times that it is switched on, at least 1.
    pub times: u32,
}

/// The state that an output is set to: a fixed one, or one from a slot of the sentence, "on", "off" or a percentage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// On, off or dimmed.
    Fixed(Duty),
    /// The state in the slot of this name.
    Slot(String),
}

/// What is done to one output, by the output's index. A configured command has `Action<Setting>`, because a state may
/// be in a slot; an `Action` without a parameter can be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<S = Duty> {
    /// Switch an output on or off, or dim it.
    Set(usize, S),
    /// Switch an output from on to off or from off to on.
    Toggle(usize),
    /// Take an output out of its state of rest for this time.
    Pulse(usize, Duration),
    /// Switch an output on and off in turn.
    Blink(usize, Blink),
}

impl<S> Action<S> {
    /// The index of the output that it changes.
    pub fn output(&self) -> usize {
        match self {
            Action::Set(output, _) | Action::Toggle(output) | Action::Pulse(output, _) | Action::Blink(output, _) => {
                *output
            }
        }
    }
}

/// Who asked for something without a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The button of this name was pressed.
    Button(String),
    /// A program asked, over MQTT.
    Mqtt,
    /// A text was to be handled, over Wyoming.
    Wyoming,
}

/// A state that an output must be in for a command to be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement {
    /// The output's index.
    pub output: usize,
    /// Whether it must be on (dimmed counts as on) or off.
    pub on: bool,
}

/// A configured command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// Its name.
    pub name: String,
    /// The requirements without which it is refused.
    pub requires: Vec<Requirement>,
    /// What it does to outputs, in order. May be empty: such a command only causes an event.
    pub actions: Vec<Action<Setting>>,
    /// What it does besides.
    pub tasks: Vec<Task>,
    /// The time within which it must be confirmed by voice; `None` if it is carried out at once.
    pub confirm: Option<Duration>,
}

/// The state of an output for the value of a slot: "on", "off", or 0 to 100 percent. `None` for any other value.
pub fn setting(value: &SlotValue) -> Option<Duty> {
    match value {
        SlotValue::Text(text) if text == "on" => Some(Duty::FULL),
        SlotValue::Text(text) if text == "off" => Some(Duty::NONE),
        SlotValue::Integer(percent @ 0..=100) => Some(Duty::thousandths(*percent as u16 * 10)),
        _ => None,
    }
}

impl Command {
    /// Whether it stands for a yes or a no, and is no command of the user: only its name has a full stop.
    pub fn is_answer(&self) -> bool {
        self.name.contains('.')
    }

    /// Whether it can be carried out without a sentence: nothing that it does takes a value from a slot.
    pub fn is_without_slots(&self) -> bool {
        let from_slot = |action: &Action<Setting>| matches!(action, Action::Set(_, Setting::Slot(_)));
        let told = |task: &Task| task.arguments().iter().any(|argument| argument.slots().next().is_some());
        !self.actions.iter().any(from_slot) && !self.tasks.iter().any(told)
    }

    /// The first requirement that is not met, if any. `duties` returns the present state of an output and the one that
    /// it is going to have; either may meet the requirement.
    pub fn unmet(&self, duties: impl Fn(usize) -> [Duty; 2]) -> Option<Requirement> {
        let met = |required: &Requirement| duties(required.output).iter().any(|d| (*d != Duty::NONE) == required.on);
        self.requires.iter().copied().find(|required| !met(required))
    }

    /// The actions to carry out for a sentence with `slots`. With a checked configuration no action is left out.
    pub fn actions_with(&self, slots: &Slots) -> Vec<Action> {
        let filled = |action: &Action<Setting>| match action {
            Action::Set(output, Setting::Fixed(duty)) => Some(Action::Set(*output, *duty)),
            Action::Set(output, Setting::Slot(slot)) => {
                slots.get(slot).and_then(setting).map(|duty| Action::Set(*output, duty))
            }
            Action::Toggle(output) => Some(Action::Toggle(*output)),
            Action::Pulse(output, length) => Some(Action::Pulse(*output, *length)),
            Action::Blink(output, blink) => Some(Action::Blink(*output, *blink)),
        };
        self.actions.iter().filter_map(filled).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(name: &str, active_low: bool, rest: bool) -> Output {
        Output {
            name: name.into(),
            line: Line::Number(17),
            active_low,
            rest,
            dimmer: None,
            remember: false,
            limits: Limits::default(),
        }
    }

    #[test]
    fn active_low_means_that_on_is_a_low_level() {
        let table = [
            (false, true, Level::High),
            (false, false, Level::Low),
            (true, true, Level::Low),
            (true, false, Level::High),
        ];
        for (active_low, on, level) in table {
            assert_eq!(output("x", active_low, false).level(on), level, "active_low {active_low}, on {on}");
        }
    }

    #[test]
    fn a_share_of_on_is_the_rest_of_the_time_for_an_active_low_pin() {
        let share = Duty::thousandths(250);
        assert_eq!(output("x", false, false).level(share), Level::Pwm(share));
        assert_eq!(output("x", true, false).level(share), Level::Pwm(Duty::thousandths(750)));
    }

    #[test]
    fn a_command_takes_on_off_and_percent_from_its_slot() {
        let actions = vec![Action::Set(0, Setting::Slot("state".into())), Action::Toggle(1)];
        let command = Command { name: "lamp".into(), actions, ..Command::default() };
        let table = [
            (SlotValue::Text("on".into()), Duty::FULL),
            (SlotValue::Text("off".into()), Duty::NONE),
            (SlotValue::Integer(40), Duty::thousandths(400)),
        ];
        for (value, duty) in table {
            let slots = Slots::from([("state".into(), value)]);
            assert_eq!(command.actions_with(&slots), [Action::Set(0, duty), Action::Toggle(1)]);
        }
    }
    #[test]
    fn a_command_names_the_first_requirement_that_is_not_met() {
        let requires = vec![Requirement { output: 0, on: true }, Requirement { output: 1, on: false }];
        let command = Command { name: "dim".into(), requires: requires.clone(), ..Command::default() };
        let (off, dim, on) = ([Duty::NONE; 2], [Duty::thousandths(10); 2], [Duty::FULL; 2]);
        let going_on = [Duty::NONE, Duty::FULL];
        let table = [
            ([on, off], None),
            ([dim, off], None),
            ([off, off], Some(requires[0])),
            ([on, dim], Some(requires[1])),
            ([off, on], Some(requires[0])),
            ([going_on, going_on], None),
        ];
        for (duties, unmet) in table {
            assert_eq!(command.unmet(|output| duties[output]), unmet, "{duties:?}");
        }
    }
}
