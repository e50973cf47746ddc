//! The states of the outputs, for other threads to read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::act::command::Output;
use crate::act::gpio::Duty;

/// The present state and the lasting state of each output. The actuator writes them. Clones share them.
#[derive(Debug, Clone)]
pub struct States(Arc<[[AtomicU16; 2]]>);

impl States {
    /// Makes states that are all at rest.
    pub fn at_rest(outputs: &[Output]) -> States {
        let rest = |output: &Output| [(); 2].map(|()| AtomicU16::new(Duty::from(output.rest).get()));
        States(outputs.iter().map(rest).collect())
    }

    /// Stores the present and the lasting state of an output.
    pub fn show(&self, output: usize, duty: Duty, lasting: Duty) {
        self.0[output][0].store(duty.get(), Ordering::Relaxed);
        self.0[output][1].store(lasting.get(), Ordering::Relaxed);
    }

    /// The present state of an output.
    pub fn duty(&self, output: usize) -> Duty {
        Duty::thousandths(self.0[output][0].load(Ordering::Relaxed))
    }

    /// The lasting state of an output: the one it keeps after a pulse, blinking or a fade.
    pub fn lasting(&self, output: usize) -> Duty {
        Duty::thousandths(self.0[output][1].load(Ordering::Relaxed))
    }

    /// The present and the lasting state of an output.
    pub fn both(&self, output: usize) -> [Duty; 2] {
        [self.duty(output), self.lasting(output)]
    }
}
