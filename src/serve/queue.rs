//! The queue from the servers to the decider, which owns the recognizer: recordings of the microphone come first, then
//! uploads in their order.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Instant;

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
    /// When the recording had come in.
    pub received: Instant,
    sender: Weak<()>,
}

/// The one who waits for an answer. When it is dropped, the request is not wanted any more.
#[derive(Default)]
pub struct Waiting(Arc<()>);

impl Request {
    /// A request that came in now, from `waiting`.
    pub fn new(recording: Recording, act: bool, answer: Answer, waiting: &Waiting) -> Request {
        Request { recording, act, answer, received: Instant::now(), sender: Arc::downgrade(&waiting.0) }
    }

    /// Whether somebody still waits for the answer. What nobody waits for is neither decided nor carried out: its
    /// sender may have asked somebody else, or have given up.
    pub fn is_wanted(&self) -> bool {
        self.sender.strong_count() > 0
    }
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
    /// Puts `request` into the queue, after those that nobody waits for were removed. Never waits. False if there is no
    /// room or the decider has ended; the request is dropped then.
    pub fn offer(&self, request: Request) -> bool {
        self.queue.retain(Request::is_wanted);
        let taken = self.queue.offer(request).is_ok();
        (self.wake)();
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::runtime::mailbox::Received;
    use crate::utterance::scratch::{Scratch, ScratchSettings};

    #[test]
    fn what_nobody_waits_for_makes_room_for_the_next() {
        let scratch = Scratch::new("/dev/shm".into(), &ScratchSettings::default());
        let request = |waiting: &Waiting| {
            let recording = scratch.open().unwrap().seal(0).unwrap();
            Request::new(recording, false, Box::new(drop), waiting)
        };
        let (requests, queue) = requests(1, || {});
        let (first, second) = (Waiting::default(), Waiting::default());
        assert!(requests.offer(request(&first)));
        assert!(!requests.offer(request(&second)));
        drop(first);
        assert!(requests.offer(request(&second)));
        let Received::Item(taken) = queue.take(Duration::ZERO) else { panic!("the second should wait") };
        assert!(taken.is_wanted());
        drop(second);
        assert!(!taken.is_wanted());
    }
}
