//! The hands: the thread that owns the pins. Nothing else touches one.
//!
//! It has a thread of its own so that a pulse ends on time and a stop rests the pins at once, whatever inference is under
//! way. Outputs are at rest when it is made, and again when it is dropped: at a stop, after a panic, when the mind is gone.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::command::{Action, Change, Output, Outputs};
use crate::gpio::{Claim, GpioError, OutputPins};
use crate::mind::Decided;
use crate::report::{Outcome, Reporter, Switched};
use crate::stop::{GLANCE, Stop};

/// Time after which a pin that could not be put to rest is tried again. A broken one costs one line in the log each time.
const AGAIN: Duration = Duration::from_secs(1);

/// The pins that the outputs of a configuration need, each at rest.
pub fn claims(outputs: &[Output]) -> Vec<Claim> {
    outputs.iter().map(|o| Claim { line: o.line.clone(), level: o.level(o.rest) }).collect()
}

/// Carries out what was decided.
pub struct Hands<'a> {
    outputs: &'a [Output],
    states: Outputs<'a>,
    pins: Box<dyn OutputPins>,
    begun: Instant,
}

impl<'a> Hands<'a> {
    /// Hands that hold `pins`, claimed with [`claims`] of `outputs`.
    pub fn new(outputs: &'a [Output], pins: Box<dyn OutputPins>) -> Hands<'a> {
        Hands { outputs, states: Outputs::at_rest(outputs), pins, begun: Instant::now() }
    }

    /// Carries out decisions from `inbox` and reports each, until the mind is gone or `stop` is raised.
    pub fn work(mut self, inbox: &Receiver<Decided>, reporter: &Reporter, stop: &Stop) {
        while !stop.raised() {
            let now = self.begun.elapsed();
            self.settle(now);
            let patience = self.states.next_due().map_or(GLANCE, |due| GLANCE.min(due.saturating_sub(now)));
            match inbox.recv_timeout(patience) {
                Ok(mut decided) => {
                    let recording = decided.recording.take();
                    reporter.outcome(self.carry_out(decided), recording);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn carry_out(&mut self, decided: Decided) -> Outcome {
        let Decided { utterance, heard, verdict, actions, fell_silent, scratch, .. } = decided;
        let switched = actions.into_iter().flat_map(|action| self.act(action)).collect();
        let latency_ms = Some(milliseconds(fell_silent.elapsed()));
        Outcome { utterance, heard, verdict, switched, latency_ms, scratch }
    }

    /// What an action switches at once, interlocked outputs included, and what it leaves for later or as it was.
    fn act(&mut self, action: Action) -> Vec<Switched> {
        let now = self.begun.elapsed();
        self.settle(now);
        self.states.apply(action, now);
        let mut switched = self.settle(now);
        let (output, on) = (action.output(), self.states.will_be_on(action.output()));
        if switched.iter().all(|s| s.output != self.outputs[output].name) {
            let later = self.states.is_on(output) != on;
            switched.push(Switched { later, ..self.switched(Change { output, on }, Ok(())) });
        }
        switched
    }

    /// Carries out what is due, until nothing is.
    fn settle(&mut self, now: Duration) -> Vec<Switched> {
        let mut switched = Vec::new();
        while let Some(change) = self.states.due(now) {
            let result = self.switch(change);
            match &result {
                Ok(()) => self.states.switched(change, now),
                Err(_) => self.states.not_switched(change, now + AGAIN),
            }
            switched.push(self.switched(change, result));
        }
        switched
    }

    fn switched(&self, change: Change, result: Result<(), GpioError>) -> Switched {
        let output = &self.outputs[change.output];
        let on = result.map(|()| change.on).map_err(|e| e.to_string());
        Switched { output: output.name.clone(), line: output.line.to_string(), on, later: false }
    }

    fn switch(&mut self, change: Change) -> Result<(), GpioError> {
        let output = &self.outputs[change.output];
        let result = self.pins.set(change.output, output.level(change.on));
        match &result {
            Ok(()) => tracing::debug!(output = output.name, on = change.on, "switched"),
            Err(error) => tracing::error!(output = output.name, on = change.on, "not switched: {error}"),
        }
        result
    }
}

impl Drop for Hands<'_> {
    fn drop(&mut self) {
        for (index, output) in self.outputs.iter().enumerate() {
            let _logged = self.switch(Change { output: index, on: output.rest });
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
