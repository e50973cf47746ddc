//! What a command does: actions as values, and the rules by which they move outputs. Pure: time comes in as a value.

use std::time::Duration;

use crate::gpio::{Level, Line};
use crate::grammar::{SlotValue, Slots};

/// Shortest and longest pulse.
pub const PULSES: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);

/// Something that commands switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Its pin.
    pub line: Line,
    /// Whether on is a low level.
    pub active_low: bool,
    /// Whether it is on at start, at stop and after a crash.
    pub rest: bool,
}

impl Output {
    /// The electrical level for on or off.
    pub fn level(&self, on: bool) -> Level {
        if on != self.active_low { Level::High } else { Level::Low }
    }
}

/// What an output is set to: fixed, or by a slot of the sentence that says "on" or "off".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// On or off.
    Fixed(bool),
    /// What the slot of this name says.
    Slot(String),
}

/// What a configured command does to one output, by the output's index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Switch it on or off.
    Set(usize, Setting),
    /// Switch it over.
    Toggle(usize),
    /// Leave rest for a while.
    Pulse(usize, Duration),
}

/// A configured command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its name.
    pub name: String,
    /// What it does, in order; may be nothing but an event.
    pub deeds: Vec<Deed>,
}

/// One thing to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Switch an output on or off.
    Set(usize, bool),
    /// Switch an output over.
    Toggle(usize),
    /// Take an output out of rest for a while.
    Pulse(usize, Duration),
}

impl Action {
    /// The index of the output that it moves.
    pub fn output(&self) -> usize {
        match self {
            Action::Set(output, _) | Action::Toggle(output) | Action::Pulse(output, _) => *output,
        }
    }
}

/// Whether a slot's value means on or off.
pub fn on_or_off(value: &SlotValue) -> Option<bool> {
    match value {
        SlotValue::Text(text) if text == "on" => Some(true),
        SlotValue::Text(text) if text == "off" => Some(false),
        _ => None,
    }
}

impl Command {
    /// The actions of this command for a sentence with `slots`. A configuration that was checked leaves none out.
    pub fn actions(&self, slots: &Slots) -> Vec<Action> {
        let act = |deed: &Deed| match deed {
            Deed::Set(output, Setting::Fixed(on)) => Some(Action::Set(*output, *on)),
            Deed::Set(output, Setting::Slot(slot)) => {
                slots.get(slot).and_then(on_or_off).map(|on| Action::Set(*output, on))
            }
            Deed::Toggle(output) => Some(Action::Toggle(*output)),
            Deed::Pulse(output, length) => Some(Action::Pulse(*output, *length)),
        };
        self.deeds.iter().filter_map(act).collect()
    }
}

/// An output that is to be driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The output's index.
    pub output: usize,
    /// On or off.
    pub on: bool,
}

/// What every output is, and when its pulse ends. Times count from any fixed moment.
#[derive(Debug)]
pub struct Outputs {
    rest: Vec<bool>,
    on: Vec<bool>,
    pulse_ends: Vec<Option<Duration>>,
}

impl Outputs {
    /// All at rest.
    pub fn at_rest(outputs: &[Output]) -> Outputs {
        let rest: Vec<bool> = outputs.iter().map(|o| o.rest).collect();
        Outputs { on: rest.clone(), pulse_ends: vec![None; rest.len()], rest }
    }

    /// What `action` changes at the time `now`. An action on an output ends its pulse; a pulse inside a pulse begins anew.
    pub fn apply(&mut self, action: Action, now: Duration) -> Change {
        let (output, on, until) = match action {
            Action::Set(output, on) => (output, on, None),
            Action::Toggle(output) => (output, !self.on[output], None),
            Action::Pulse(output, length) => (output, !self.rest[output], Some(now + length)),
        };
        (self.on[output], self.pulse_ends[output]) = (on, until);
        Change { output, on }
    }

    /// Whether an output is on.
    pub fn is_on(&self, output: usize) -> bool {
        self.on[output]
    }

    /// Takes note that an output could not be switched: it is as it `was`.
    pub fn not_switched(&mut self, output: usize, was: bool) {
        self.on[output] = was;
    }

    /// Takes note that an output could not be put to rest: to be tried again at `again`.
    pub fn not_rested(&mut self, output: usize, again: Duration) {
        (self.on[output], self.pulse_ends[output]) = (!self.rest[output], Some(again));
    }

    /// The next output whose pulse is over at the time `now`.
    pub fn due(&mut self, now: Duration) -> Option<Change> {
        let output = self.pulse_ends.iter().position(|end| end.is_some_and(|end| end <= now))?;
        (self.on[output], self.pulse_ends[output]) = (self.rest[output], None);
        Some(Change { output, on: self.on[output] })
    }

    /// When the next pulse ends.
    pub fn next_due(&self) -> Option<Duration> {
        self.pulse_ends.iter().flatten().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(name: &str, active_low: bool, rest: bool) -> Output {
        Output { name: name.into(), line: Line::Number(17), active_low, rest }
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
    fn actions_move_outputs_by_the_clock() {
        let ms = Duration::from_millis;
        let mut outputs = Outputs::at_rest(&[output("lamp", false, false), output("valve", false, true)]);
        let changed = |output, on| Change { output, on };
        assert_eq!(outputs.apply(Action::Toggle(0), ms(0)), changed(0, true));
        assert_eq!(outputs.apply(Action::Toggle(0), ms(1)), changed(0, false));
        assert_eq!(outputs.apply(Action::Pulse(0, ms(200)), ms(100)), changed(0, true));
        assert_eq!(outputs.apply(Action::Pulse(1, ms(500)), ms(100)), changed(1, false));
        assert_eq!((outputs.next_due(), outputs.due(ms(299))), (Some(ms(300)), None));
        assert_eq!(outputs.apply(Action::Pulse(0, ms(200)), ms(250)), changed(0, true));
        assert_eq!(outputs.due(ms(300)), None);
        assert_eq!(outputs.due(ms(700)), Some(changed(0, false)));
        assert_eq!(outputs.due(ms(700)), Some(changed(1, true)));
        assert_eq!((outputs.due(ms(9000)), outputs.next_due()), (None, None));
    }

    #[test]
    fn an_action_on_a_pulsing_output_ends_the_pulse() {
        let ms = Duration::from_millis;
        let mut outputs = Outputs::at_rest(&[output("bell", false, false)]);
        outputs.apply(Action::Pulse(0, ms(200)), ms(0));
        outputs.apply(Action::Set(0, true), ms(100));
        assert_eq!(outputs.due(ms(1000)), None);
    }

    #[test]
    fn a_command_takes_on_and_off_from_its_slot() {
        let command =
            Command { name: "lamp".into(), deeds: vec![Deed::Set(0, Setting::Slot("state".into())), Deed::Toggle(1)] };
        let slots = |value: &str| Slots::from([("state".into(), SlotValue::Text(value.into()))]);
        assert_eq!(command.actions(&slots("on")), [Action::Set(0, true), Action::Toggle(1)]);
        assert_eq!(command.actions(&slots("off")), [Action::Set(0, false), Action::Toggle(1)]);
    }
}
