//! Tasks: what commands do besides switching outputs. Each kind of task is carried out in a file of its own, and blocks
//! the thread that does it; `daemon/tasks.rs` has the threads.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::act::task::{Asked, Task};
use crate::report::{Fate, TaskEnd, fields};
use crate::runtime::stop::Stop;

pub mod program;
pub mod webhook;

/// Carries out a `task` of the command `name`, for whoever `asked`. Blocks for the limits of the task at most, and
/// a second more; less once `stop` is raised.
pub fn carry_out(task: &Task, name: &str, asked: &Asked, stop: &Stop) -> TaskEnd {
    let begun = std::time::Instant::now();
    let (fate, attempts) = match task {
        Task::Run(run) => (program::run(&program::Start::of(run, name, &asked.slots), run.limit, stop), 1),
        Task::Post(post) => webhook::send(post, &body(post.words, name, asked), stop),
    };
    ended(task, name, asked, fate, (begun.elapsed(), attempts))
}

/// The end of a task, for the report.
pub fn ended(task: &Task, name: &str, asked: &Asked, fate: Fate, (took, attempts): (Duration, u32)) -> TaskEnd {
    TaskEnd { task: task.kind(), command: name.into(), utterance: asked.utterance, fate, took, attempts }
}

fn body(words: bool, name: &str, asked: &Asked) -> Map<String, Value> {
    fields::posted(name, asked, words)
}
