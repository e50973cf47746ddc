//! One flag that says: stop. Raised by SIGTERM, by SIGINT, or by a part of the daemon that cannot go on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

/// Longest wait of any loop before it looks at the flag again. A person who presses Ctrl-C does not notice it.
pub const GLANCE: Duration = Duration::from_millis(100);

/// The flag. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    raised: Arc<AtomicBool>,
}

impl Stop {
    /// A flag that SIGTERM and SIGINT raise, and SIGHUP and SIGQUIT: a lost terminal must not leave a relay on.
    ///
    /// # Errors
    /// When the kernel refuses the handlers.
    pub fn on_signals() -> io::Result<Stop> {
        let stop = Stop::default();
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT] {
            signal_hook::flag::register(signal, stop.asked.clone())?;
        }
        Ok(stop)
    }

    /// Raises the flag: a part cannot go on.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::SeqCst);
    }

    /// Asks, as a signal does.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
    }

    /// Whether it is raised, by whomever.
    pub fn raised(&self) -> bool {
        self.asked() || self.raised.load(Ordering::SeqCst)
    }

    /// Whether somebody outside asked.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Raises the flag when the guard is dropped, so that a panic stops the other threads too.
    pub fn raise_on_drop(&self) -> RaiseOnDrop {
        RaiseOnDrop(self.clone())
    }
}

/// See [`Stop::raise_on_drop`].
pub struct RaiseOnDrop(Stop);

impl Drop for RaiseOnDrop {
    fn drop(&mut self) {
        self.0.raise();
    }
}
