//! The states of outputs and the rules by which actions change them. No input or output; the time is an argument.

use std::time::Duration;

use crate::act::command::{Action, Blink, Interlock, Limits, Output};
use crate::act::gpio::Duty;

/// Least time between two steps of a fade. 50 steps a second look smooth.
const FADE_STEP: Duration = Duration::from_millis(20);

/// The size of one step, in thousandths, and the time for it, in a fade that takes `fade` from off to full.
fn steps(fade: Duration) -> (u16, Duration) {
    let step = (FADE_STEP.as_micros() * 1000).div_ceil(fade.as_micros().max(1)).clamp(1, 1000) as u16;
    (step, fade * u32::from(step) / 1000)
}

/// A change of an output that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The output's index.
    pub output: usize,
    /// Its new state: off, on or a share of on.
    pub duty: Duty,
}

/// The plan of an output: a state to go to, and then a number of flips between on and off.
#[derive(Debug, Clone, Copy)]
struct Plan {
    duty: Duty,
    /// Whether it goes there in steps, if it has a dimmer with a fade.
    fade: bool,
    flips: u32,
    on_for: Duration,
    off_for: Duration,
}

impl Plan {
    /// A plan to go to `duty` at once and to stay there.
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

/// The state of an output, and its plan.
#[derive(Debug)]
struct State {
    duty: Duty,
    /// Since when it has been on, or off.
    since: Duration,
    plan: Plan,
    /// When the next flip of the plan is due; `None` until the output has reached the planned state.
    flip: Option<Duration>,
    /// The last lasting state that was requested and not forbidden since.
    lasting: Duty,
    /// Earliest time of the next change: the next step of a fade, or the next attempt after a failed change.
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

/// The states and plans of all outputs, with all rules. Times count from the moment at which all outputs were at rest.
///
/// Requests change only plans; a pin changes only by way of [`due`](Outputs::due).
#[derive(Debug)]
pub struct Outputs<'a> {
    outputs: &'a [Output],
    states: Vec<State>,
}

impl<'a> Outputs<'a> {
    /// Makes outputs that are all at rest since the time zero.
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

    /// Takes an action as the new plan of its output. It replaces a plan that is not finished. Interlocked outputs get
    /// the plan to go off and stay off.
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

    /// The next change that a plan needs and the limits allow at the time `now`. The caller must carry it out and then
    /// call [`switched`](Outputs::switched) or [`not_switched`](Outputs::not_switched).
    pub fn due(&mut self, now: Duration) -> Option<Change> {
        self.advance(now);
        let output = (0..self.states.len()).find(|output| self.allowed(*output).is_some_and(|at| at <= now))?;
        Some(Change { output, duty: self.next(output) })
    }

    /// Records that a due change was carried out.
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

    /// Records that a due change failed. A change towards rest is tried again at the time `again`; any other is given
    /// up.
    pub fn not_switched(&mut self, change: Change, again: Duration) {
        let state = &mut self.states[change.output];
        if state.plan.is_on() == self.outputs[change.output].rest {
            state.again = again;
        } else {
            state.follow(Plan::stay(state.duty), again);
        }
    }

    /// The present state of an output.
    pub fn duty(&self, output: usize) -> Duty {
        self.states[output].duty
    }

    /// The planned state of an output, which it gets as soon as its limits allow.
    pub fn goal(&self, output: usize) -> Duty {
        self.states[output].plan.duty
    }

    /// The state that an output was requested to keep; after blinking that is its rest. It does not change when
    /// switching fails or when the output was on for too long.
    pub fn lasting(&self, output: usize) -> Duty {
        self.states[output].lasting
    }

    /// The earliest time at which a change may be due.
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

    /// When an output that is on, with a plan to stay on, reaches its longest time on.
    fn longest(&self, output: usize) -> Option<Duration> {
        let state = &self.states[output];
        let stays = state.plan.is_on() || state.plan.fade;
        let max_on = self.outputs[output].limits.max_on.filter(|_| state.is_on() && stays)?;
        Some(state.since + max_on)
    }

    /// The time from which an output may follow its plan. `None` if it has done so, or must wait for another to go off.
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

    /// The next state of an output: its goal, or the next step of its fade.
    fn next(&self, output: usize) -> Duty {
        let State { duty, plan, .. } = &self.states[output];
        self.fade(output).map_or(plan.duty, |(step, _)| duty.towards(plan.duty, step))
    }

    /// The steps of the fade of an output, if its plan has one.
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
