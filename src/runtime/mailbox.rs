//! A bounded queue between two threads that drops its oldest item rather than block the sender.
//!
//! std's bounded channel can only refuse the newest item. For spoken commands the newest one matters most.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

struct Inside<T> {
    items: VecDeque<T>,
    capacity: usize,
    sender_gone: bool,
    receiver_gone: bool,
    /// Whether the receiver is to look at something else than this queue.
    woken: bool,
}

struct Shared<T> {
    inside: Mutex<Inside<T>>,
    changed: Condvar,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Inside<T>> {
        // The queue is intact even if a thread panicked while it held the lock: no other code runs under the lock.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sending end; the queue is closed when it is dropped.
pub struct Sender<T>(Arc<Shared<T>>);

/// The receiving end.
pub struct Receiver<T>(Arc<Shared<T>>);

/// The result of [`Receiver::take`].
#[derive(Debug, PartialEq, Eq)]
pub enum Received<T> {
    /// The oldest item.
    Item(T),
    /// The queue stayed empty for as long as the receiver waited.
    Nothing,
    /// The queue is empty and the sender was dropped.
    Closed,
}

/// Makes a queue for at most `capacity` items.
pub fn mailbox<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let inside = Inside {
        items: VecDeque::with_capacity(capacity),
        capacity,
        sender_gone: false,
        receiver_gone: false,
        woken: false,
    };
    let shared = Arc::new(Shared { inside: Mutex::new(inside), changed: Condvar::new() });
    (Sender(shared.clone()), Receiver(shared))
}

impl<T> Sender<T> {
    /// Puts `item` into the queue. If the queue was full, removes the oldest item and returns it. Never waits.
    ///
    /// # Errors
    /// The item itself, when the receiver was dropped.
    pub fn put(&self, item: T) -> Result<Option<T>, T> {
        let mut inside = self.0.lock();
        if inside.receiver_gone {
            return Err(item);
        }
        let displaced = if inside.items.len() == inside.capacity { inside.items.pop_front() } else { None };
        inside.items.push_back(item);
        drop(inside);
        self.0.changed.notify_one();
        Ok(displaced)
    }

    /// Puts `item` into the queue if there is room. Never waits.
    ///
    /// # Errors
    /// The item itself, when the queue is full or the receiver was dropped.
    pub fn offer(&self, item: T) -> Result<(), T> {
        let mut inside = self.0.lock();
        if inside.receiver_gone || inside.items.len() == inside.capacity {
            return Err(item);
        }
        inside.items.push_back(item);
        drop(inside);
        self.0.changed.notify_one();
        Ok(())
    }

    /// Removes the waiting items that are not to be kept.
    pub fn retain(&self, keep: impl FnMut(&T) -> bool) {
        self.0.lock().items.retain(keep);
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.lock().sender_gone = true;
        self.0.changed.notify_all();
    }
}

impl<T> Receiver<T> {
    /// Takes the oldest item. Waits at most `timeout` for one.
    pub fn take(&self, timeout: Duration) -> Received<T> {
        let empty = |inside: &mut Inside<T>| inside.items.is_empty() && !inside.sender_gone && !inside.woken;
        let waited = self.0.changed.wait_timeout_while(self.0.lock(), timeout, empty);
        let (mut inside, _) = waited.unwrap_or_else(PoisonError::into_inner);
        inside.woken = false;
        match inside.items.pop_front() {
            Some(item) => Received::Item(item),
            None if inside.sender_gone => Received::Closed,
            None => Received::Nothing,
        }
    }
}

impl<T: Send + 'static> Receiver<T> {
    /// A function that ends the wait of [`Receiver::take`], or the next one: something came in elsewhere.
    pub fn waker(&self) -> impl Fn() + Send + Sync + use<T> {
        let shared = self.0.clone();
        move || {
            shared.lock().woken = true;
            shared.changed.notify_one();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut inside = self.0.lock();
        inside.receiver_gone = true;
        inside.items.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_to_the_newest() {
        let (sender, receiver) = mailbox(2);
        assert_eq!((sender.put(1), sender.put(2), sender.put(3)), (Ok(None), Ok(None), Ok(Some(1))));
        assert_eq!(receiver.take(Duration::ZERO), Received::Item(2));
        assert_eq!(receiver.take(Duration::ZERO), Received::Item(3));
        assert_eq!(receiver.take(Duration::ZERO), Received::Nothing);
    }

    #[test]
    fn an_offer_is_taken_only_where_there_is_room_and_what_is_not_kept_makes_room() {
        let (sender, receiver) = mailbox(2);
        assert_eq!((sender.offer(1), sender.offer(2), sender.offer(3)), (Ok(()), Ok(()), Err(3)));
        sender.retain(|item| *item > 1);
        assert_eq!((sender.offer(4), receiver.take(Duration::ZERO)), (Ok(()), Received::Item(2)));
        assert_eq!(receiver.take(Duration::ZERO), Received::Item(4));
        drop(receiver);
        assert_eq!(sender.offer(5), Err(5));
    }

    #[test]
    fn what_was_sent_before_the_sender_went_is_still_received() {
        let (sender, receiver) = mailbox(2);
        sender.put(7).unwrap();
        drop(sender);
        assert_eq!(receiver.take(Duration::ZERO), Received::Item(7));
        assert_eq!(receiver.take(Duration::from_secs(60)), Received::Closed);
    }

    #[test]
    fn without_a_receiver_the_item_comes_back() {
        let (sender, receiver) = mailbox(1);
        drop(receiver);
        assert_eq!(sender.put("a"), Err("a"));
    }

    #[test]
    fn a_waiting_receiver_is_woken_by_an_item_from_another_thread() {
        let (sender, receiver) = mailbox(1);
        let other = std::thread::spawn(move || sender.put(1));
        assert_eq!(receiver.take(Duration::from_secs(60)), Received::Item(1));
        assert_eq!(other.join().unwrap(), Ok(None));
    }
}
