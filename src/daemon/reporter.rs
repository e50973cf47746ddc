//! The thread that tells what happens: every report to every sink.

use std::io;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Duration;

use super::error::Error;
use super::{died, named};
use crate::act::command::Command;
use crate::report::{Report, Sink};
use crate::runtime::stop::Stop;

/// Time for the last reports to be written after a stop.
const LAST_REPORTS: Duration = Duration::from_secs(1);

/// The running thread.
pub struct Telling {
    thread: JoinHandle<()>,
    done: Receiver<()>,
}

impl Telling {
    /// Starts it. It ends when nobody can hand in `reports` any more.
    ///
    /// # Errors
    /// When the kernel refuses a thread.
    pub fn start(
        reports: Receiver<Report>,
        sinks: Vec<Box<dyn Sink>>,
        commands: &[Command],
        stop: &Stop,
    ) -> io::Result<Telling> {
        let (telling, done) = mpsc::channel::<()>();
        let (commands, stop_on_drop) = (commands.to_vec(), stop.raise_on_drop());
        let thread = named("report").spawn(move || {
            let _both = (telling, stop_on_drop);
            tell(reports, sinks, &commands);
        })?;
        Ok(Telling { thread, done })
    }

    /// Waits until all is told, but not for long: this is the one thread that others can hold up, and a full pipe that nobody
    /// reads must not keep the daemon from ending.
    ///
    /// # Errors
    /// That the thread panicked.
    pub fn end(self) -> Result<(), Error> {
        match self.done.recv_timeout(LAST_REPORTS) {
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(()),
            _ => self.thread.join().map_err(died("report")),
        }
    }
}

fn tell(reports: Receiver<Report>, mut sinks: Vec<Box<dyn Sink>>, commands: &[Command]) {
    let mut complained = false;
    for report in reports {
        for sink in &mut sinks {
            if let Err(error) = sink.take(&report, commands)
                && !std::mem::replace(&mut complained, true)
            {
                tracing::warn!("what happens cannot be told: {error}");
            }
        }
    }
}
