//! What a command does: actions as values, and the rules by which they move outputs. Pure: time comes in as a value.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::gpio::{Level, Line};
use crate::grammar::{SlotValue, Slots};

/// Shortest and longest time that a pulse or a phase of blinking may take.
pub const PULSES: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);

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
    /// What it must keep to, whatever is asked of it.
    pub limits: Limits,
}

/// What an output must keep to while the daemon runs. A stop goes before: it rests every output at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Longest time on.
    pub max_on: Option<Duration>,
    /// Shortest time on: a request to go off waits for it.
    pub min_on: Duration,
    /// Shortest time off, from the start too: a request to go on waits for it.
    pub min_off: Duration,
    /// The group of outputs that it belongs to of which one at most is on.
    pub interlock: Option<Interlock>,
}

/// A group of outputs that are never on together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interlock {
    /// Its number.
    pub group: usize,
    /// How long the others must have been off before one goes on.
    pub dead_time: Duration,
}

impl Output {
    /// Whether it is never on together with `other`.
    pub fn excludes(&self, other: &Output) -> bool {
        let group = |output: &Output| output.limits.interlock.map(|interlock| interlock.group);
        self.name != other.name && group(self).is_some() && group(self) == group(other)
    }

    /// The times that a pulse or a phase of blinking may leave it on or off.
    pub fn times(&self, on: bool) -> RangeInclusive<Duration> {
        let Limits { max_on, min_on, min_off, .. } = self.limits;
        let (least, most) = if on { (min_on, max_on) } else { (min_off, None) };
        least.max(*PULSES.start())..=most.map_or(*PULSES.end(), |most| most.min(*PULSES.end()))
    }

    /// The electrical level for on or off.
    pub fn level(&self, on: bool) -> Level {
        if on != self.active_low { Level::High } else { Level::Low }
    }
}

/// On and off by turns, then at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blink {
    /// How long it is on.
    pub on: Duration,
    /// How long it is off in between.
    pub off: Duration,
    /// How often it goes on, from 1.
    pub times: u32,
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
    /// Go on and off by turns.
    Blink(usize, Blink),
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
    /// Switch an output on and off by turns.
    Blink(usize, Blink),
}

impl Action {
    /// The index of the output that it moves.
    pub fn output(&self) -> usize {
        match self {
            Action::Set(output, _) | Action::Toggle(output) | Action::Pulse(output, _) | Action::Blink(output, _) => {
                *output
            }
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
            Deed::Blink(output, blink) => Some(Action::Blink(*output, *blink)),
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

/// What an output is to do: be on or off, then flip so many times.
#[derive(Debug, Clone, Copy)]
struct Plan {
    on: bool,
    flips: u32,
    on_for: Duration,
    off_for: Duration,
}

impl Plan {
    fn stay(on: bool) -> Plan {
        Plan { on, flips: 0, on_for: Duration::ZERO, off_for: Duration::ZERO }
    }
}

/// An output's state, and what is to become of it.
#[derive(Debug)]
struct State {
    on: bool,
    since: Duration,
    plan: Plan,
    /// When the plan's next flip is due; none before the output is as the plan says.
    flip: Option<Duration>,
    /// A change that failed is not tried again before.
    again: Duration,
}

impl State {
    fn follow(&mut self, plan: Plan, now: Duration) {
        (self.plan, self.flip, self.again) = (plan, None, now);
        if self.on == plan.on {
            self.time_flip(now);
        }
    }

    fn time_flip(&mut self, now: Duration) {
        let Plan { on, flips, on_for, off_for } = self.plan;
        self.flip = (flips > 0).then_some(now + if on { on_for } else { off_for });
    }
}

/// What every output is and what it is to become, with all rules. Times count from the moment the outputs were at rest.
///
/// Requests change plans; [`due`](Outputs::due) is the one way from a plan to a pin.
#[derive(Debug)]
pub struct Outputs<'a> {
    outputs: &'a [Output],
    states: Vec<State>,
}

impl<'a> Outputs<'a> {
    /// All at rest, since the time zero.
    pub fn at_rest(outputs: &'a [Output]) -> Outputs<'a> {
        let zero = Duration::ZERO;
        let state = |o: &Output| State { on: o.rest, since: zero, plan: Plan::stay(o.rest), flip: None, again: zero };
        Outputs { outputs, states: outputs.iter().map(state).collect() }
    }

    /// Takes an action as the new plan of its output, in place of any that was not carried out yet. What is interlocked with
    /// it is to go off, and stay so.
    pub fn apply(&mut self, action: Action, now: Duration) {
        self.advance(now);
        let output = action.output();
        let rest = self.outputs[output].rest;
        let plan = match action {
            Action::Set(_, on) => Plan::stay(on),
            Action::Toggle(_) => Plan::stay(!self.states[output].plan.on),
            Action::Pulse(_, length) => Plan { on: !rest, flips: 1, on_for: length, off_for: length },
            Action::Blink(_, Blink { on, off, times }) => {
                Plan { on: true, flips: 2 * times - u32::from(!rest), on_for: on, off_for: off }
            }
        };
        if plan.on {
            for other in self.others(output) {
                self.states[other].follow(Plan::stay(false), now);
            }
        }
        self.states[output].follow(plan, now);
    }

    /// The next change that the plans ask for and the limits allow at the time `now`. It must be carried out, and then
    /// [`switched`](Outputs::switched) or [`not_switched`](Outputs::not_switched) be called.
    pub fn due(&mut self, now: Duration) -> Option<Change> {
        self.advance(now);
        let output = (0..self.states.len()).find(|output| self.allowed(*output).is_some_and(|at| at <= now))?;
        Some(Change { output, on: self.states[output].plan.on })
    }

    /// Takes note that a change that was due was carried out.
    pub fn switched(&mut self, change: Change, now: Duration) {
        let state = &mut self.states[change.output];
        (state.on, state.since) = (change.on, now);
        state.time_flip(now);
    }

    /// Takes note that a change that was due failed. A way to rest is tried again at `again`; a way out of rest is given up.
    pub fn not_switched(&mut self, change: Change, again: Duration) {
        let state = &mut self.states[change.output];
        if change.on == self.outputs[change.output].rest {
            state.again = again;
        } else {
            state.follow(Plan::stay(state.on), again);
        }
    }

    /// Whether an output is on.
    pub fn is_on(&self, output: usize) -> bool {
        self.states[output].on
    }

    /// Whether an output is to be on, at once or as soon as its limits allow.
    pub fn will_be_on(&self, output: usize) -> bool {
        self.states[output].plan.on
    }

    /// When something may be due next.
    pub fn next_due(&self) -> Option<Duration> {
        let times = |output| [self.allowed(output), self.states[output].flip, self.longest(output)];
        (0..self.states.len()).flat_map(times).flatten().min()
    }

    /// Brings the plans up to the time `now`.
    fn advance(&mut self, now: Duration) {
        for output in 0..self.states.len() {
            let over = |time: Option<Duration>| time.is_some_and(|time| time <= now);
            let state = &mut self.states[output];
            if over(state.flip) {
                (state.plan.on, state.plan.flips, state.flip) = (!state.plan.on, state.plan.flips - 1, None);
            }
            if over(self.longest(output)) {
                self.states[output].follow(Plan::stay(false), now);
            }
        }
    }

    /// When an output that is on and to stay so has been on for the longest time that it may.
    fn longest(&self, output: usize) -> Option<Duration> {
        let state = &self.states[output];
        let max_on = self.outputs[output].limits.max_on.filter(|_| state.on && state.plan.on)?;
        Some(state.since + max_on)
    }

    /// From when an output may become what its plan says; nothing if it is that, or must wait for another to go off.
    fn allowed(&self, output: usize) -> Option<Duration> {
        let state = &self.states[output];
        if state.on == state.plan.on {
            return None;
        }
        let Limits { min_on, min_off, interlock, .. } = self.outputs[output].limits;
        let own = state.again.max(state.since + if state.on { min_on } else { min_off });
        let Some(Interlock { dead_time, .. }) = interlock.filter(|_| state.plan.on) else { return Some(own) };
        let mut others = self.others(output).map(|other| &self.states[other]);
        others.try_fold(own, |allowed, other| (!other.on).then(|| allowed.max(other.since + dead_time)))
    }

    /// The outputs that are interlocked with this one.
    fn others(&self, output: usize) -> impl Iterator<Item = usize> + use<'a> {
        let outputs = self.outputs;
        (0..outputs.len()).filter(move |other| outputs[output].excludes(&outputs[*other]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(name: &str, active_low: bool, rest: bool) -> Output {
        Output { name: name.into(), line: Line::Number(17), active_low, rest, limits: Limits::default() }
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
    fn a_command_takes_on_and_off_from_its_slot() {
        let command =
            Command { name: "lamp".into(), deeds: vec![Deed::Set(0, Setting::Slot("state".into())), Deed::Toggle(1)] };
        let slots = |value: &str| Slots::from([("state".into(), SlotValue::Text(value.into()))]);
        assert_eq!(command.actions(&slots("on")), [Action::Set(0, true), Action::Toggle(1)]);
        assert_eq!(command.actions(&slots("off")), [Action::Set(0, false), Action::Toggle(1)]);
    }
}
