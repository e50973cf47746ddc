//! The lock-free queue between cpal's callback and the listener, and the signals beside it.
//!
//! The callback owns the producing end, a [`Tap`]. When the stream is dropped, the tap is returned to the [`Ring`], so
//! that the next stream fills the same queue.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};

use heapless::spsc::{Consumer, Producer, Queue};
use static_cell::ConstStaticCell;

/// Samples that may wait for the reader: 2.7 s at 48 kHz, half a megabyte. The listener reads them within microseconds;
/// the size covers a stall of the whole machine, such as a write to a slow SD card.
const QUEUE: usize = 131_072;

type Waiting = Queue<f32, QUEUE>;
static FIRST: ConstStaticCell<Waiting> = ConstStaticCell::new(Queue::new());

/// The faults and counts that a stream reports to its reader, without a lock.
pub struct Signals {
    reader: Thread,
    fault: OnceLock<String>,
    ended: AtomicBool,
    /// The number of waiting samples at which the reader is unparked.
    pub enough: AtomicUsize,
    /// Samples that found the queue full.
    pub lost: AtomicU64,
    /// Overruns that the driver reported.
    pub overruns: AtomicU64,
}

impl Signals {
    /// Makes signals for the calling thread. Each signal unparks that thread, and so does each block of samples, unless
    /// `enough` is set to more than 1.
    pub fn for_this_thread() -> Arc<Signals> {
        let (lost, overruns) = (AtomicU64::new(0), AtomicU64::new(0));
        let (fault, ended, enough) = (OnceLock::new(), AtomicBool::new(false), AtomicUsize::new(1));
        Arc::new(Signals { reader: thread::current(), fault, ended, enough, lost, overruns })
    }

    /// Records that the stream failed, with the audio library's message. Only the first failure is kept.
    pub fn fail(&self, words: String) {
        let _ = self.fault.set(words);
        self.reader.unpark();
    }

    /// The reason why the stream ended or failed; `None` while it runs.
    pub fn death(&self) -> Option<&str> {
        let ended = self.ended.load(Ordering::Acquire).then_some("its stream ended without an error");
        self.fault.get().map(String::as_str).or(ended)
    }
}

/// The queue and its consuming end.
pub struct Ring {
    samples: Consumer<'static, f32>,
    home: Sender<Producer<'static, f32>>,
    returned: Receiver<Producer<'static, f32>>,
}

impl Ring {
    /// Makes a queue. The first one is static; while that is in use, another one is allocated and never freed.
    #[expect(clippy::new_without_default, reason = "a queue that is never freed is not made by default")]
    pub fn new() -> Ring {
        let queue = FIRST.try_take().unwrap_or_else(|| Box::leak(Box::default()));
        let (producer, samples) = queue.split();
        let (home, returned) = channel();
        let _ = home.send(producer);
        Ring { samples, home, returned }
    }

    /// The producing end, for a new stream; `None` while the last stream still has it. Samples that the last stream
    /// left in the queue are dropped.
    pub fn tap(&mut self, signals: Arc<Signals>) -> Option<Tap> {
        let queue = self.returned.try_recv().ok()?;
        while self.samples.dequeue().is_some() {}
        Some(Tap { queue: Some(queue), home: self.home.clone(), signals })
    }

    /// Whether samples wait in the queue.
    pub fn ready(&self) -> bool {
        self.samples.ready()
    }

    /// Moves waiting samples to the front of `block` and returns their number.
    pub fn drain(&mut self, block: &mut [f32]) -> usize {
        let mut filled = 0;
        while filled < block.len() {
            let Some(sample) = self.samples.dequeue() else { break };
            block[filled] = sample;
            filled += 1;
        }
        filled
    }
}

/// The producing end of the queue.
pub struct Tap {
    queue: Option<Producer<'static, f32>>,
    home: Sender<Producer<'static, f32>>,
    signals: Arc<Signals>,
}

impl Tap {
    /// Puts `samples` into the queue and unparks the reader when enough of them wait. Samples that do not fit are
    /// dropped and counted.
    pub fn put(&mut self, samples: impl Iterator<Item = f32>) {
        let Some(queue) = &mut self.queue else { return };
        let refused = samples.map(|sample| queue.enqueue(sample)).filter(Result::is_err).count();
        if refused > 0 {
            self.signals.lost.fetch_add(refused as u64, Ordering::Relaxed);
        }
        if queue.len() >= self.signals.enough.load(Ordering::Relaxed) {
            self.signals.reader.unpark();
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            let _ = self.home.send(queue);
        }
        self.signals.ended.store(true, Ordering::Release);
        self.signals.reader.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_outlives_its_streams_and_counts_what_does_not_fit() {
        let mut ring = Ring::new();
        for stream in 1..=3 {
            let signals = Signals::for_this_thread();
            let mut tap = ring.tap(signals.clone()).expect("the producing end should be home");
            assert!(ring.tap(signals.clone()).is_none(), "one stream at a time");
            tap.put(std::iter::repeat_n(stream as f32, QUEUE + 2));
            assert_eq!(signals.death(), None);
            drop(tap);
            assert_eq!(signals.death(), Some("its stream ended without an error"));
            let mut heard = vec![0.0; QUEUE + 2];
            let kept = ring.drain(&mut heard);
            assert!(heard[..kept].iter().all(|s| *s == stream as f32) && !ring.ready());
            assert_eq!(kept as u64 + signals.lost.load(Ordering::Relaxed), QUEUE as u64 + 2);
            let mut late = ring.tap(signals.clone()).expect("the producing end should be home");
            late.put([7.0].into_iter());
            drop(late);
            assert!(ring.ready(), "what a dying stream leaves waits, but not for the next stream");
        }
    }

    #[test]
    fn the_first_failure_counts() {
        let signals = Signals::for_this_thread();
        signals.fail("unplugged".into());
        signals.fail("and then this".into());
        assert_eq!(signals.death(), Some("unplugged"));
    }
}
