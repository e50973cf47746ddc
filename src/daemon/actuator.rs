//! The actuator: the thread that owns the pins of the outputs. No other thread sets them.
//!
//! It has a thread of its own so that a pulse ends on time and a stop puts the pins at rest at once, even during
//! inference. Outputs are at rest when the actuator is made and when it is dropped: at a stop, after a panic, or when
//! the decider ends. After SIGKILL nothing here runs: then the service runs `hearken pins --rest` (ExecStopPost).

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::act::command::{Action, Origin, Output};
use crate::act::gpio::{Claim, Duty, GpioError, OutputPins};
use crate::act::outputs::{Change, Outputs};
use crate::act::states::States;
use crate::act::task::Asked;
use crate::daemon::decider::Decided;
use crate::daemon::tasks::Tasks;
use crate::decide::rules::Reason;
use crate::report::{Outcome, Press, Report, Reporter, Switched};
use crate::runtime::stop::{POLL_INTERVAL, Stop};

/// Time after which a pin that could not be put at rest is tried again. Each attempt that fails writes one line to the
/// log.
const AGAIN: Duration = Duration::from_secs(1);

/// The requests for the pins of the outputs, each at its level of rest.
pub fn claims(outputs: &[Output]) -> Vec<Claim> {
    let claim = |o: &Output| Claim { line: o.line.clone(), level: o.level(o.rest), pwm: o.dimmer.map(|d| d.pwm) };
    outputs.iter().map(claim).collect()
}

/// An order to the actuator.
#[derive(Debug)]
pub enum Order {
    /// The decision on an utterance.
    Decided(Box<Decided>),
    /// A button was pressed, or a program asked.
    Pressed {
        /// Who asked.
        origin: Origin,
        /// The command's name; `None` if an output itself was asked for.
        command: Option<String>,
        /// The actions to carry out.
        actions: Vec<Action>,
        /// The command whose tasks are to be begun, if it has any.
        asked: Option<Box<Asked>>,
        /// The reason why the command is refused; `None` if it is not.
        refusal: Option<Reason>,
    },
}

/// Carries out orders.
pub struct Actuator<'a> {
    outputs: &'a [Output],
    logic: Outputs<'a>,
    pins: Box<dyn OutputPins>,
    states: States,
    begun: Instant,
    tasks: Option<Tasks>,
}

impl<'a> Actuator<'a> {
    /// Makes an actuator of `pins`, which were claimed with [`claims`] of `outputs`.
    pub fn new(outputs: &'a [Output], pins: Box<dyn OutputPins>) -> Actuator<'a> {
        let (logic, states) = (Outputs::at_rest(outputs), States::at_rest(outputs));
        Actuator { outputs, logic, pins, states, begun: Instant::now(), tasks: None }
    }

    /// The states of the outputs, for other threads.
    pub fn states(&self) -> States {
        self.states.clone()
    }

    /// Hands over what commands do besides to `tasks`.
    pub fn handing_over(mut self, tasks: Option<Tasks>) -> Actuator<'a> {
        self.tasks = tasks;
        self
    }

    /// Adds actions that are carried out first.
    pub fn beginning_with(mut self, actions: Vec<Action>) -> Actuator<'a> {
        actions.into_iter().for_each(|action| self.logic.apply(action, Duration::ZERO));
        self.show();
        self
    }

    /// Carries out orders from `inbox` and reports each, until all senders were dropped or `stop` is raised.
    pub fn work(mut self, inbox: &Receiver<Order>, reporter: &Reporter, stop: &Stop) {
        while !stop.raised() {
            let now = self.begun.elapsed();
            self.settle(now);
            let wait = self.logic.next_due().map_or(POLL_INTERVAL, |due| POLL_INTERVAL.min(due.saturating_sub(now)));
            match inbox.recv_timeout(wait) {
                Ok(Order::Decided(mut decided)) => {
                    let (recording, asked) = (decided.recording.take(), decided.asked.take());
                    reporter.outcome(self.carry_out(*decided), recording);
                    self.begin(asked);
                }
                Ok(Order::Pressed { origin, command, actions, asked, refusal }) => {
                    tracing::info!(?origin, command, rule = refusal.as_ref().map(Reason::code), "pressed");
                    let switched = actions.into_iter().flat_map(|action| self.act(action)).collect();
                    reporter.tell(Report::Press(Press { origin, command, refusal, switched }));
                    self.begin(asked);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn begin(&self, asked: Option<Box<Asked>>) {
        self.tasks.iter().zip(&asked).for_each(|(tasks, asked)| tasks.begin(asked));
    }

    fn carry_out(&mut self, decided: Decided) -> Outcome {
        let Decided { utterance, heard, assessment, verdict, confirmed, actions, fell_silent, scratch, .. } = decided;
        let switched = actions.into_iter().flat_map(|action| self.act(action)).collect();
        let latency_ms = Some(milliseconds(fell_silent.elapsed()));
        Outcome { utterance, heard, assessment, verdict, confirmed, switched, latency_ms, scratch }
    }

    /// Carries out an action. Returns the outputs that it switches at once, including interlocked ones. The output of
    /// the action is always among them, even if it changes later or keeps its state.
    fn act(&mut self, action: Action) -> Vec<Switched> {
        let now = self.begun.elapsed();
        self.settle(now);
        self.logic.apply(action, now);
        let mut switched = self.settle(now);
        let (output, duty) = (action.output(), self.logic.goal(action.output()));
        match switched.iter_mut().find(|s| s.output == self.outputs[output].name) {
            // Only the first step of a fade was made, but the goal is reported.
            Some(own) => own.duty = own.duty.as_ref().map(|_| duty).map_err(String::clone),
            None => {
                let later = self.logic.duty(output) != duty;
                switched.push(Switched { later, ..self.switched(Change { output, duty }, Ok(())) });
            }
        }
        switched
    }

    /// Carries out all changes that are due.
    fn settle(&mut self, now: Duration) -> Vec<Switched> {
        let mut switched = Vec::new();
        while let Some(change) = self.logic.due(now) {
            let result = self.switch(change);
            let before = self.logic.duty(change.output);
            match &result {
                Ok(()) => {
                    if (before == Duty::NONE) != (change.duty == Duty::NONE) {
                        self.states.count_change(change.output);
                    }
                    self.logic.switched(change, now);
                }
                Err(_) => self.logic.not_switched(change, now + AGAIN),
            }
            switched.push(self.switched(change, result));
        }
        self.show();
        switched
    }

    fn show(&self) {
        for output in 0..self.outputs.len() {
            self.states.show(output, self.logic.duty(output), self.logic.lasting(output));
        }
    }

    fn switched(&self, change: Change, result: Result<(), GpioError>) -> Switched {
        let output = &self.outputs[change.output];
        let duty = result.map(|()| change.duty).map_err(|e| e.to_string());
        let dims = output.dimmer.is_some();
        Switched { output: output.name.clone(), line: output.line.to_string(), duty, dims, later: false }
    }

    fn switch(&mut self, change: Change) -> Result<(), GpioError> {
        let output = &self.outputs[change.output];
        let result = self.pins.set(change.output, output.level(change.duty));
        let thousandths = change.duty.get();
        match &result {
            Ok(()) => tracing::debug!(output = output.name, thousandths, "switched"),
            Err(error) => tracing::error!(output = output.name, thousandths, "not switched: {error}"),
        }
        result
    }
}

impl Drop for Actuator<'_> {
    fn drop(&mut self) {
        for (index, output) in self.outputs.iter().enumerate() {
            let _logged = self.switch(Change { output: index, duty: output.rest.into() });
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
