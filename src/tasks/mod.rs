//! Tasks: what commands do besides switching outputs. Each kind of task is carried out in a file of its own, and blocks
//! the thread that does it; `daemon/tasks.rs` has the threads.

use std::time::Duration;

use crate::act::task::{Asked, Publish, Task};
use crate::publish::outbox::{Message, Outbox};
use crate::report::{Fate, TaskEnd, fields};
use crate::runtime::stop::Stop;

pub mod program;
pub mod webhook;

/// Carries out a `task` of the command `name`, for whoever `asked`; `outbox` takes messages to the broker. Blocks for the
/// limits of the task at most, and a second more; less once `stop` is raised.
pub fn carry_out(task: &Task, (name, asked): (&str, &Asked), outbox: Option<&Outbox>, stop: &Stop) -> TaskEnd {
    let begun = std::time::Instant::now();
    let (fate, attempts) = match task {
        Task::Run(run) => (program::run(&program::Start::of(run, name, &asked.slots), run.limit, stop), 1),
        Task::Post(post) => webhook::send(post, &fields::posted(name, asked, post.words), stop),
        Task::Publish(publish) => (published(publish, asked, outbox), 1),
    };
    ended(task, name, asked, fate, (begun.elapsed(), attempts))
}

/// What will make `task` fail whenever it is carried out, as far as that can be seen without doing it. Reads files.
pub fn complaint(task: &Task) -> Option<String> {
    match task {
        Task::Post(post) => webhook::agent(post).err().map(|error| error.to_string()),
        Task::Run(_) | Task::Publish(_) => None,
    }
}

/// The end of a task, for the report.
pub fn ended(task: &Task, name: &str, asked: &Asked, fate: Fate, (took, attempts): (Duration, u32)) -> TaskEnd {
    TaskEnd { task: task.kind(), command: name.into(), utterance: asked.utterance, fate, took, attempts }
}

/// Hands a message to the client of the broker.
fn published(publish: &Publish, asked: &Asked, outbox: Option<&Outbox>) -> Fate {
    let [topic, payload] = [&publish.topic, &publish.payload].map(|argument| argument.with(&asked.slots));
    let message = Message { topic, payload, retain: publish.retain };
    let put = outbox.ok_or("there is no broker").and_then(|outbox| outbox.put(message));
    put.map_or_else(|why| Fate::Failed(why.into()), |()| Fate::Done)
}
