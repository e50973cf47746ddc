//! The reporter thread, which writes every report to every sink.

use std::io;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Duration;

use super::error::Error;
use super::threads::{died, named};
use crate::act::command::Command;
use crate::report::{Report, Sink};
use crate::runtime::stop::Stop;

/// Longest time for writing the last reports after a stop.
const LAST_REPORTS: Duration = Duration::from_secs(1);

/// The running reporter thread.
pub struct ReportThread {
    thread: JoinHandle<()>,
    done: Receiver<()>,
}

impl ReportThread {
    /// Starts the thread. It ends when all senders of `reports` were dropped.
    ///
    /// # Errors
    /// When the kernel refuses a thread.
    pub fn start(
        reports: Receiver<Report>,
        sinks: Vec<Box<dyn Sink>>,
        commands: &[Command],
        stop: &Stop,
    ) -> io::Result<ReportThread> {
        let (telling, done) = mpsc::channel::<()>();
        let (commands, stop_on_drop) = (commands.to_vec(), stop.raise_on_drop());
        let thread = named("report").spawn(move || {
            let _both = (telling, stop_on_drop);
            tell(reports, sinks, &commands);
        })?;
        Ok(ReportThread { thread, done })
    }

    /// Waits until all reports are written, for a limited time. A sink may block, for example a full pipe that nobody
    /// reads, and must not keep the daemon from ending.
    ///
    /// # Errors
    /// When the thread panicked.
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
