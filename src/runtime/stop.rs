//! The flag that stops all threads. SIGTERM, SIGINT and SIGQUIT raise it, and so does a part of the daemon that cannot
//! go on. It can also ask for a restart: all parts stop and begin again with the configuration as it is now.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM};

/// Longest time that any loop waits before it checks the flag again. It is too short to be noticed after Ctrl-C.
pub const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Makes a write to a pipe or socket without a reader return an error instead of killing the process. Rust does this at
/// the start of every program, but a failed `exec` undoes it.
///
/// # Errors
/// When the kernel refuses the handler.
pub fn survive_broken_pipes() -> io::Result<()> {
    signal_hook::flag::register(SIGPIPE, Arc::default()).map(drop)
}

/// The stop flag. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    raised: Arc<AtomicBool>,
    reload_asked: Arc<AtomicBool>,
    again: Arc<AtomicBool>,
}

impl Stop {
    /// Makes a flag that SIGTERM, SIGINT and SIGQUIT raise. Under a service manager (`managed`) SIGHUP asks to read the
    /// configuration again. Elsewhere SIGHUP means that the terminal was closed, and raises the flag too, so that no
    /// relay stays on.
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

    /// Whether a signal has asked to read the configuration again since the last call.
    pub fn take_reload(&self) -> bool {
        self.reload_asked.swap(false, Ordering::SeqCst)
    }

    /// Raises the flag so that all parts stop and begin again.
    pub fn begin_again(&self) {
        self.again.store(true, Ordering::SeqCst);
        self.raise();
    }

    /// A new flag, if [`Stop::begin_again`] raised this one; `None` if the program is to end.
    pub fn next(&self) -> Option<Stop> {
        let again = self.again.load(Ordering::SeqCst) && !self.asked();
        again.then(|| Stop { raised: Arc::default(), again: Arc::default(), ..self.clone() })
    }

    /// Raises the flag from inside the program, when a part cannot go on.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::SeqCst);
    }

    /// Raises the flag as a signal does.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
    }

    /// Whether the flag is raised, by a signal or from inside the program.
    pub fn raised(&self) -> bool {
        self.asked() || self.raised.load(Ordering::SeqCst)
    }

    /// Whether a signal has raised the flag.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// A guard that raises the flag when it is dropped, so that a panic stops the other threads too.
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
