//! What outputs are and are to become: the rules by which actions move them. Pure: time comes in as a value.

use std::time::Duration;

use crate::act::command::{Action, Blink, Interlock, Limits, Output};
use crate::act::gpio::Duty;

/// Least time between two steps of a fade: 50 a second look smooth.
const FADE_STEP: Duration = Duration::from_millis(20);

/// The steps of a fade that takes so long from off to full: thousandths, and the time for each.
fn steps(fade: Duration) -> (u16, Duration) {
    let step = (FADE_STEP.as_micros() * 1000).div_ceil(fade.as_micros().max(1)).clamp(1, 1000) as u16;
    (step, fade * u32::from(step) / 1000)
}

/// An output that is to be driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The output's index.
    pub output: usize,
    /// Off, on or a share of on.
    pub duty: Duty,
}

/// What an output is to do: be on, off or dimmed, then flip so many times.
#[derive(Debug, Clone, Copy)]
struct Plan {
    duty: Duty,
    /// Whether it goes there step by step, if it has a dimmer with a fade.
    fade: bool,
    flips: u32,
    on_for: Duration,
    off_for: Duration,
}

impl Plan {
    /// To be so at once, and to stay so.
    fn stay(duty: impl Into<Duty>) -> Plan {
        Plan { duty: duty.into(), fade: false, flips: 0, on_for: Duration::ZERO, off_for: Duration::ZERO }
    }

    fn fade_to(duty: impl Into<Duty>) -> Plan {
        Plan { fade: true, ..Plan::stay(duty) }
    }

    fn is_on(&self) -> bool {
        is_on(self.duty)
    }
}

fn is_on(duty: Duty) -> bool {
    duty > Duty::NONE
}

/// An output's state, and what is to become of it.
#[derive(Debug)]
struct State {
    duty: Duty,
    /// Since when it has been on, or off.
    since: Duration,
    plan: Plan,
    /// When the plan's next flip is due; none before the output is as the plan says.
    flip: Option<Duration>,
    /// What it was last asked to stay, and nothing has forbidden since.
    lasting: Duty,
    /// Nothing is changed before: the time of a fade's next step, or until a change that failed is tried again.
    again: Duration,
}

impl State {
    fn follow(&mut self, plan: Plan, now: Duration) {
        (self.plan, self.flip, self.again) = (plan, None, now);
        if self.duty == plan.duty {
            self.time_flip(now);
        }
    }

    fn is_on(&self) -> bool {
        is_on(self.duty)
    }

    fn time_flip(&mut self, now: Duration) {
        let Plan { flips, on_for, off_for, .. } = self.plan;
        self.flip = (flips > 0).then_some(now + if self.is_on() { on_for } else { off_for });
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
        let state = |o: &Output| State {
            duty: o.rest.into(),
            since: zero,
            plan: Plan::stay(o.rest),
            flip: None,
            lasting: o.rest.into(),
            again: zero,
        };
        Outputs { outputs, states: outputs.iter().map(state).collect() }
    }

    /// Takes an action as the new plan of its output, in place of any that was not carried out yet. What is interlocked with
    /// it is to go off, and stay so.
    pub fn apply(&mut self, action: Action, now: Duration) {
        self.advance(now);
        let output = action.output();
        let rest = self.outputs[output].rest;
        let plan = match action {
            Action::Set(_, duty) => Plan::fade_to(duty),
            Action::Toggle(_) => Plan::fade_to(!self.states[output].plan.is_on()),
            Action::Pulse(_, length) => Plan { flips: 1, on_for: length, off_for: length, ..Plan::stay(!rest) },
            Action::Blink(_, Blink { on, off, times }) => {
                Plan { flips: 2 * times - u32::from(!rest), on_for: on, off_for: off, ..Plan::stay(true) }
            }
        };
        if plan.is_on() {
            for other in self.others(output) {
                self.states[other].follow(Plan::stay(false), now);
                self.states[other].lasting = Duty::NONE;
            }
        }
        self.states[output].lasting = if plan.flips > 0 { rest.into() } else { plan.duty };
        self.states[output].follow(plan, now);
    }

    /// The next change that the plans ask for and the limits allow at the time `now`. It must be carried out, and then
    /// [`switched`](Outputs::switched) or [`not_switched`](Outputs::not_switched) be called.
    pub fn due(&mut self, now: Duration) -> Option<Change> {
        self.advance(now);
        let output = (0..self.states.len()).find(|output| self.allowed(*output).is_some_and(|at| at <= now))?;
        Some(Change { output, duty: self.next(output) })
    }

    /// Takes note that a change that was due was carried out.
    pub fn switched(&mut self, change: Change, now: Duration) {
        let pause = self.fade(change.output).map_or(Duration::ZERO, |(_, pause)| pause);
        let state = &mut self.states[change.output];
        if state.is_on() != is_on(change.duty) {
            state.since = now;
        }
        state.duty = change.duty;
        if state.duty == state.plan.duty {
            state.time_flip(now);
        } else {
            state.again = now + pause;
        }
    }

    /// Takes note that a change that was due failed. A way to rest is tried again at `again`; a way out of rest is given up.
    pub fn not_switched(&mut self, change: Change, again: Duration) {
        let state = &mut self.states[change.output];
        if state.plan.is_on() == self.outputs[change.output].rest {
            state.again = again;
        } else {
            state.follow(Plan::stay(state.duty), again);
        }
    }

    /// What an output is.
    pub fn duty(&self, output: usize) -> Duty {
        self.states[output].duty
    }

    /// What an output is to be, at once or as soon as its limits allow.
    pub fn goal(&self, output: usize) -> Duty {
        self.states[output].plan.duty
    }

    /// What an output was asked to stay: after blinking its rest. What fails, or has been on for too long, does not change it.
    pub fn lasting(&self, output: usize) -> Duty {
        self.states[output].lasting
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
                (state.plan.duty, state.flip) = ((!state.plan.is_on()).into(), None);
                state.plan.flips -= 1;
            }
            if over(self.longest(output)) {
                self.states[output].follow(Plan::stay(false), now);
            }
        }
    }

    /// When an output that is on and to stay so has been on for the longest time that it may.
    fn longest(&self, output: usize) -> Option<Duration> {
        let state = &self.states[output];
        let stays = state.plan.is_on() || state.plan.fade;
        let max_on = self.outputs[output].limits.max_on.filter(|_| state.is_on() && stays)?;
        Some(state.since + max_on)
    }

    /// From when an output may become what its plan says; nothing if it is that, or must wait for another to go off.
    fn allowed(&self, output: usize) -> Option<Duration> {
        let state = &self.states[output];
        if state.duty == state.plan.duty {
            return None;
        }
        let Limits { min_on, min_off, interlock, .. } = self.outputs[output].limits;
        let own = match (state.is_on(), state.plan.is_on()) {
            (true, true) => return Some(state.again),
            (true, false) => state.again.max(state.since + min_on),
            (false, _) => state.again.max(state.since + min_off),
        };
        let Some(Interlock { dead_time, .. }) = interlock.filter(|_| state.plan.is_on()) else { return Some(own) };
        let mut others = self.others(output).map(|other| &self.states[other]);
        others.try_fold(own, |allowed, other| (!other.is_on()).then(|| allowed.max(other.since + dead_time)))
    }

    /// What an output is to become next: its goal, or a step of its fade.
    fn next(&self, output: usize) -> Duty {
        let State { duty, plan, .. } = &self.states[output];
        self.fade(output).map_or(plan.duty, |(step, _)| duty.towards(plan.duty, step))
    }

    /// The steps in which an output goes where it is to go, if it does not go at once.
    fn fade(&self, output: usize) -> Option<(u16, Duration)> {
        let fade = self.outputs[output].dimmer?.fade;
        (self.states[output].plan.fade && !fade.is_zero()).then(|| steps(fade))
    }

    /// The outputs that are interlocked with this one.
    fn others(&self, output: usize) -> impl Iterator<Item = usize> + use<'a> {
        let outputs = self.outputs;
        (0..outputs.len()).filter(move |other| outputs[output].excludes(&outputs[*other]))
    }
}
