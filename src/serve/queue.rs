//! The queue from the doors to the decider, which owns the recognizer: recordings of the microphone come first, then
//! uploads in their order.

use std::fmt;
use std::sync::Arc;

use crate::decide::rules::Verdict;
use crate::decide::thresholds::Assessment;
use crate::recognize::Heard;
use crate::runtime::mailbox::{Receiver, Sender, mailbox};
use crate::utterance::scratch::Recording;

/// A decision on an upload, for the one who sent it.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The result of recognition; `None` if it failed.
    pub heard: Option<Heard>,
    /// The assessment of its best sentence.
    pub assessment: Option<Assessment>,
    /// The decision.
    pub verdict: Verdict,
}

/// A function that takes the decision to the one who asked. If the daemon ends first, it is dropped instead.
pub type Answer = Box<dyn FnOnce(Decision) + Send>;

/// An upload that is to be decided.
pub struct Request {
    /// The recording.
    pub recording: Recording,
    /// Whether an accepted command is carried out.
    pub act: bool,
    /// Takes the decision.
    pub answer: Answer,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("recording", &self.recording).field("act", &self.act).finish()
    }
}

/// The sending end.
#[derive(Clone)]
pub struct Requests {
    queue: Arc<Sender<Request>>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

/// Makes a queue for at most `uploads` requests. `wake` is called after each one that is put into it.
pub fn requests(uploads: usize, wake: impl Fn() + Send + Sync + 'static) -> (Requests, Receiver<Request>) {
    let (sender, receiver) = mailbox(uploads);
    (Requests { queue: Arc::new(sender), wake: Arc::new(wake) }, receiver)
}

impl Requests {
    /// Puts `request` into the queue if there is room. Never waits.
    ///
    /// # Errors
    /// The request itself, when the queue is full or the decider has ended.
    pub fn offer(&self, request: Request) -> Result<(), Request> {
        self.queue.offer(request)?;
        (self.wake)();
        Ok(())
    }
}
