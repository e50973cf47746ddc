//! The states of the outputs, and how often each went on or off, for other threads to read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use crate::act::command::Output;
use crate::act::gpio::Duty;

/// The present state and the lasting state of each output. The actuator writes them. Clones share them.
#[derive(Debug, Clone)]
pub struct States(Arc<[State]>);

#[derive(Debug)]
struct State {
    duty: AtomicU16,
    lasting: AtomicU16,
    changes: AtomicU64,
}

impl States {
    /// Makes states that are all at rest.
    pub fn at_rest(outputs: &[Output]) -> States {
        let rest = |output: &Output| {
            let [duty, lasting] = [(); 2].map(|()| AtomicU16::new(Duty::from(output.rest).get()));
            State { duty, lasting, changes: AtomicU64::new(0) }
        };
        States(outputs.iter().map(rest).collect())
    }

    /// Stores the present and the lasting state of an output.
    pub fn show(&self, output: usize, duty: Duty, lasting: Duty) {
        self.0[output].duty.store(duty.get(), Ordering::Relaxed);
        self.0[output].lasting.store(lasting.get(), Ordering::Relaxed);
    }

    /// The present state of an output.
    pub fn duty(&self, output: usize) -> Duty {
        Duty::thousandths(self.0[output].duty.load(Ordering::Relaxed))
    }

    /// The lasting state of an output: the one it keeps after a pulse, blinking or a fade.
    pub fn lasting(&self, output: usize) -> Duty {
        Duty::thousandths(self.0[output].lasting.load(Ordering::Relaxed))
    }

    /// The present and the lasting state of an output.
    pub fn both(&self, output: usize) -> [Duty; 2] {
        [self.duty(output), self.lasting(output)]
    }

    /// Counts that an output went on or off.
    pub fn count_change(&self, output: usize) {
        self.0[output].changes.fetch_add(1, Ordering::Relaxed);
    }

    /// How often an output went on or off since the start.
    pub fn changes(&self, output: usize) -> u64 {
        self.0[output].changes.load(Ordering::Relaxed)
    }
}
