//! The threads that carry out tasks: what commands do besides switching outputs. They are started only if a command has
//! a task. Nobody waits for them: a task that finds no room is dropped, and the report says so.

use std::collections::BTreeSet;
use std::io;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::threads::named;
use crate::act::command::Command;
use crate::act::task::Asked;
use crate::publish::outbox::Outbox;
use crate::report::{Fate, Report, Reporter, TaskEnd};
use crate::runtime::stop::Stop;
use crate::tasks;

/// Tasks that are carried out at once. More would compete with the next decision for the processor.
const WORKERS: usize = 4;
/// Most tasks that may wait for a worker. One that waits behind more would come long after it was said.
const WAITING_TASKS: usize = 8;
/// Longest wait for the last tasks after a stop. A program is ended within 600 ms; an HTTP server that does not answer
/// is not waited for.
const LAST_TASKS: Duration = Duration::from_secs(1);

/// A task that is to be carried out: the place of the command, and of the task in it.
struct Job {
    place: (usize, usize),
    asked: Asked,
}

/// The way to the threads, for the actuator. They end when it is dropped.
pub struct Tasks {
    queue: SyncSender<Job>,
    shared: Shared,
}

/// The running threads.
pub struct TaskThreads(Receiver<()>);

#[derive(Clone)]
struct Shared {
    commands: Arc<[Command]>,
    /// The places of the tasks that wait or are carried out, each once: at most [`WORKERS`] and [`WAITING_TASKS`].
    under_way: Arc<Mutex<BTreeSet<(usize, usize)>>>,
    reporter: Reporter,
    /// The queue of messages to the broker, if there is one.
    outbox: Option<Outbox>,
    stop: Stop,
}

impl Tasks {
    /// Starts the threads if one of `commands` has a task.
    ///
    /// # Errors
    /// When the kernel refuses a thread.
    pub fn start(
        commands: &[Command],
        reporter: &Reporter,
        outbox: Option<Outbox>,
        stop: &Stop,
    ) -> io::Result<Option<(Tasks, TaskThreads)>> {
        if commands.iter().all(|command| command.tasks.is_empty()) {
            return Ok(None);
        }
        for task in commands.iter().flat_map(|command| &command.tasks) {
            tasks::complaint(task).iter().for_each(|what| tracing::warn!("{} cannot be done: {what}", task.kind()));
        }
        let (queue, waiting) = mpsc::sync_channel(WAITING_TASKS);
        let (working, done) = mpsc::channel();
        let (reporter, stop, under_way) = (reporter.clone(), stop.clone(), Arc::default());
        let shared = Shared { commands: commands.into(), under_way, reporter, outbox, stop };
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..WORKERS {
            let (shared, waiting, working) = (shared.clone(), waiting.clone(), working.clone());
            named("task").spawn(move || {
                let _both = (working, shared.stop.raise_on_drop());
                while let Some(job) = next(&waiting) {
                    shared.carry_out(&job);
                }
            })?;
        }
        Ok(Some((Tasks { queue, shared }, TaskThreads(done))))
    }

    /// Begins the tasks of the command that was asked for. Never waits.
    pub fn begin(&self, asked: &Asked) {
        for task in 0..self.shared.commands[asked.command].tasks.len() {
            let place = (asked.command, task);
            let job = Job { place, asked: asked.clone() };
            if !self.shared.under_way().insert(place) {
                self.shared.not_begun(&job, Fate::Busy);
                continue;
            }
            let refused = match self.queue.try_send(job) {
                Ok(()) => continue,
                Err(TrySendError::Full(job)) => (job, Fate::Dropped),
                Err(TrySendError::Disconnected(job)) => (job, Fate::Stopped),
            };
            self.shared.under_way().remove(&place);
            self.shared.not_begun(&refused.0, refused.1);
        }
    }
}

impl TaskThreads {
    /// Waits until all tasks have ended, for a limited time.
    pub fn end(self) {
        let _ended_or_too_late = self.0.recv_timeout(LAST_TASKS);
    }
}

fn next(waiting: &Mutex<Receiver<Job>>) -> Option<Job> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

impl Shared {
    fn under_way(&self) -> MutexGuard<'_, BTreeSet<(usize, usize)>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry_out(&self, job: &Job) {
        if self.stop.raised() {
            return self.not_begun(job, Fate::Stopped);
        }
        let Job { place: (command, task), asked } = job;
        let command = &self.commands[*command];
        let end = tasks::carry_out(&command.tasks[*task], (&command.name, asked), self.outbox.as_ref(), &self.stop);
        // First, so that whoever reads of the end may ask again.
        self.under_way().remove(&job.place);
        self.tell(end);
    }

    fn not_begun(&self, Job { place: (command, task), asked }: &Job, fate: Fate) {
        let command = &self.commands[*command];
        self.tell(tasks::ended(&command.tasks[*task], &command.name, asked, fate, (Duration::ZERO, 0)));
    }

    fn tell(&self, end: TaskEnd) {
        let TaskEnd { task, command, fate, took, .. } = &end;
        let (took_ms, outcome) = (took.as_millis() as u64, fate.code());
        match fate.reason() {
            None => tracing::info!(command, task, took_ms, outcome, "task"),
            Some(why) => tracing::warn!(command, task, took_ms, outcome, "task: {why}"),
        }
        self.reporter.tell(Report::Task(end));
    }
}
