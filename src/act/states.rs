//! What the outputs are, for whoever asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::act::command::Output;
use crate::act::gpio::Duty;

/// What each output is, and what it is to stay. The actuator write it. Clones share it.
#[derive(Debug, Clone)]
pub struct States(Arc<[[AtomicU16; 2]]>);

impl States {
    /// All at rest.
    pub fn at_rest(outputs: &[Output]) -> States {
        let rest = |output: &Output| [(); 2].map(|()| AtomicU16::new(Duty::from(output.rest).get()));
        States(outputs.iter().map(rest).collect())
    }

    /// Takes note of what an output is, and is to stay.
    pub fn show(&self, output: usize, duty: Duty, lasting: Duty) {
        self.0[output][0].store(duty.get(), Ordering::Relaxed);
        self.0[output][1].store(lasting.get(), Ordering::Relaxed);
    }

    /// What an output is.
    pub fn duty(&self, output: usize) -> Duty {
        Duty::thousandths(self.0[output][0].load(Ordering::Relaxed))
    }

    /// What an output is to stay when it is done with what it does now.
    pub fn lasting(&self, output: usize) -> Duty {
        Duty::thousandths(self.0[output][1].load(Ordering::Relaxed))
    }

    /// What an output is, and what it is to stay.
    pub fn both(&self, output: usize) -> [Duty; 2] {
        [self.duty(output), self.lasting(output)]
    }
}
