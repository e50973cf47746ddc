//! One flag that says: stop. Raised by SIGTERM, by SIGINT, or by a part of the daemon that cannot go on. And its milder
//! brother: stop, and begin again with the configuration as it is now.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM};

/// Longest wait of any loop before it looks at the flag again. A person who presses Ctrl-C does not notice it.
pub const GLANCE: Duration = Duration::from_millis(100);

/// Makes a write to a pipe or socket without a reader an error, as at the start of every Rust program, and not the end of
/// this one. An `exec` that failed leaves it otherwise.
///
/// # Errors
/// When the kernel refuses the handler.
pub fn survive_broken_pipes() -> io::Result<()> {
    signal_hook::flag::register(SIGPIPE, Arc::default()).map(drop)
}

/// The flag. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    raised: Arc<AtomicBool>,
    reload_asked: Arc<AtomicBool>,
    again: Arc<AtomicBool>,
}

impl Stop {
    /// A flag that SIGTERM, SIGINT and SIGQUIT raise. SIGHUP asks to read the configuration again where a service manager
    /// (`managed`) may send it; elsewhere it says that the terminal is gone, which must not leave a relay on.
    ///
    /// # Errors
    /// When the kernel refuses the handlers.
    pub fn on_signals(managed: bool) -> io::Result<Stop> {
        let stop = Stop::default();
        for signal in [SIGTERM, SIGINT, SIGQUIT] {
            signal_hook::flag::register(signal, stop.asked.clone())?;
        }
        let hang_up = if managed { &stop.reload_asked } else { &stop.asked };
        signal_hook::flag::register(SIGHUP, hang_up.clone())?;
        Ok(stop)
    }

    /// Whether somebody asked since the last time that the configuration be read again.
    pub fn take_reload(&self) -> bool {
        self.reload_asked.swap(false, Ordering::SeqCst)
    }

    /// Raises the flag, for all to begin again.
    pub fn begin_again(&self) {
        self.again.store(true, Ordering::SeqCst);
        self.raise();
    }

    /// The flag for the next time, if this time was to begin again.
    pub fn next(&self) -> Option<Stop> {
        let again = self.again.load(Ordering::SeqCst) && !self.asked();
        again.then(|| Stop { raised: Arc::default(), again: Arc::default(), ..self.clone() })
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
