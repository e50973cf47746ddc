//! Messages of commands on their way to the broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Most messages that may wait for the client, which takes them ten times a second.
const WAITING: usize = 32;
/// Longest topic in bytes: the protocol has two bytes for its length.
const LONGEST_TOPIC: usize = 65_535;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: String,
    /// Whether the broker keeps it for those who subscribe later.
    pub retain: bool,
}

/// The sending end. Clones share the queue.
#[derive(Debug, Clone)]
pub struct Outbox {
    queue: SyncSender<Message>,
    online: Arc<AtomicBool>,
}

/// The receiving end, for the client.
#[derive(Debug)]
pub struct Outbound {
    queue: Receiver<Message>,
    online: Arc<AtomicBool>,
}

/// Makes a queue of messages for the client.
pub fn outbox() -> (Outbox, Outbound) {
    let (sender, queue) = sync_channel(WAITING);
    let online = Arc::new(AtomicBool::new(false));
    (Outbox { queue: sender, online: online.clone() }, Outbound { queue, online })
}

impl Outbox {
    /// Hands `message` to the client. Never waits.
    ///
    /// # Errors
    /// Why it is not published: its topic is not valid, no broker is connected, or too many messages wait. A message is not
    /// kept for a broker that comes back, because it would be carried out too late.
    pub fn put(&self, message: Message) -> Result<(), &'static str> {
        if !is_topic(&message.topic) {
            return Err("a value makes a topic that cannot be published to");
        }
        if !self.online.load(Ordering::Acquire) {
            return Err("the broker is not connected");
        }
        self.queue.try_send(message).map_err(|_| "too many messages wait for the broker")
    }
}

impl Outbound {
    /// Says whether the broker is connected.
    pub fn connected(&self, online: bool) {
        self.online.store(online, Ordering::Release);
    }

    /// The next message, if one waits.
    pub fn next(&self) -> Option<Message> {
        self.queue.try_recv().ok()
    }
}

/// Whether messages can be published to `topic`: not to a pattern, and not to the broker's own topics.
pub fn is_topic(topic: &str) -> bool {
    !topic.is_empty() && topic.len() <= LONGEST_TOPIC && !topic.starts_with('$') && !topic.contains(['+', '#', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_while_the_broker_is_connected_and_there_is_room() {
        let (outbox, outgoing) = outbox();
        let message = |topic: &str| Message { topic: topic.into(), payload: "on".into(), retain: false };
        assert_eq!(outbox.put(message("a/b")), Err("the broker is not connected"));
        outgoing.connected(true);
        assert!((0..WAITING).all(|_| outbox.put(message("a/b")).is_ok()));
        assert_eq!(outbox.put(message("a/b")), Err("too many messages wait for the broker"));
        assert_eq!(outgoing.next(), Some(message("a/b")));
        for bad in ["", "a/+", "#", "$SYS/x", "a\0"] {
            assert!(outbox.put(message(bad)).is_err(), "{bad:?}");
        }
    }
}
