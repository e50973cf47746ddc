//! Opens the microphone again whenever it is lost, for as long as the daemon runs.
//!
//! Opening and closing may hang in ALSA or in a sound server, so they happen on threads that nothing waits for. Some
//! faults cannot be repaired inside the process: an open that never returns, or streams that never close. They end the
//! source with an error; the daemon exits and systemd starts a new process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::microphone::{MicrophoneSettings, Stream};
use super::ring::{Ring, Signals, Tap};
use super::{AudioError, AudioSource, BATCH, SourceEvent};

/// A stream that delivers nothing for this long has failed, even if the audio library reports no error. It is 25
/// periods.
const STALL: Duration = Duration::from_millis(500);
/// Longest wait for the first samples of a stream. PulseAudio takes up to a second to start a suspended device.
const FIRST_SAMPLES: Duration = Duration::from_millis(1500);
/// The first and the longest pause between two attempts to open. The pause doubles after each attempt.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];
/// Longest wait for a closing stream to return its queue.
const CLOSING: Duration = Duration::from_secs(1);
/// Longest wait for an open to return. After that the source ends with an error.
const OPENING: Duration = Duration::from_secs(30);
/// Most streams that may fail to close. Each of them keeps a thread and half a megabyte.
const MOST_ABANDONED: usize = 8;
/// Length of a run of zeros, in seconds, that is logged: the input is muted or the wrong one.
const ZEROS: u64 = 60;
/// Seconds of sound after which a stream counts as steady. A microphone that is lost sooner, again and again, is
/// flapping: a bad cable, for example.
const STEADY: u64 = 10;
/// Losses of flapping streams in a row that are logged one by one.
const MOST_FLAPS: u32 = 10;
/// Time after which a missing microphone is logged again.
const REMINDER: Duration = Duration::from_secs(60);

/// Counts of what happened to the microphone. Other threads may read them at any time.
#[derive(Debug, Default)]
pub struct Counters {
    open: AtomicBool,
    opened: AtomicU64,
    faults: AtomicU64,
    attempts: AtomicU64,
    lost: AtomicU64,
    overruns: AtomicU64,
    abandoned: AtomicU64,
    mute: AtomicBool,
}

/// The values of [`Counters`] at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MicrophoneUsage {
    /// Whether samples flow.
    pub open: bool,
    /// Number of times that a stream began.
    pub opened: u64,
    /// Number of times that a stream was lost: unplugged, failed or stalled.
    pub faults: u64,
    /// Number of attempts to open the microphone.
    pub attempts: u64,
    /// Samples that were dropped because the queue was full.
    pub lost: u64,
    /// Overruns that the driver reported.
    pub overruns: u64,
    /// Streams that did not close.
    pub abandoned: u64,
    /// Whether all samples of the last minute were zero.
    pub mute: bool,
}

impl Counters {
    /// Reads all counters.
    pub fn read(&self) -> MicrophoneUsage {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        MicrophoneUsage {
            open: self.open.load(Ordering::Relaxed),
            opened: read(&self.opened),
            faults: read(&self.faults),
            attempts: read(&self.attempts),
            lost: read(&self.lost),
            overruns: read(&self.overruns),
            abandoned: read(&self.abandoned),
            mute: self.mute.load(Ordering::Relaxed),
        }
    }
}

fn count(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed) + 1
}

/// The microphone as an [`AudioSource`] that continues after its device was lost and came back.
pub struct Supervisor {
    settings: MicrophoneSettings,
    counters: Arc<Counters>,
    ring: Ring,
    /// The queues of streams that did not close in time.
    strays: Vec<Ring>,
    state: State,
    pause: Duration,
    flowing: bool,
    /// Losses in a row without a steady stream between them.
    flaps: u32,
    /// When a fault is logged again.
    remind: Instant,
    /// Lost samples plus overruns, when they were last logged.
    mentioned: u64,
    /// Samples in a row that were exactly 0.
    zeros: u64,
    /// Whether samples are wanted as soon as they come.
    hurry: bool,
}

enum State {
    /// A stream is open. `heard` is the time of its last samples, `samples` their number so far.
    Open { stream: Stream, since: Instant, heard: Option<Instant>, samples: u64 },
    /// A thread is opening the microphone.
    Opening { result: Receiver<Result<Stream, AudioError>>, since: Instant },
    /// The next attempt is at the time `until`. The last stream was given up at the time `closed`.
    Waiting { until: Instant, closed: Instant },
}

impl Supervisor {
    /// Makes a source for the microphone that `settings` name. The first reads open it.
    pub fn new(settings: MicrophoneSettings) -> Supervisor {
        let now = Instant::now();
        Supervisor {
            settings,
            counters: Arc::default(),
            ring: Ring::new(),
            strays: Vec::new(),
            state: State::Waiting { until: now, closed: now },
            pause: PAUSES[0],
            flowing: false,
            flaps: 0,
            remind: now,
            mentioned: 0,
            zeros: 0,
            hurry: false,
        }
    }

    /// The counters, which other threads may read.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Says to the open stream how many samples must wait before it wakes this thread.
    fn tell_enough(&self) {
        if let State::Open { stream, .. } = &self.state {
            let enough = if self.hurry { 1 } else { (stream.rate as u64 * BATCH.as_millis() as u64 / 1000) as usize };
            stream.signals.enough.store(enough, Ordering::Relaxed);
        }
    }

    /// Records and logs that samples begin to come.
    fn announce(&mut self, id: &str, rate: u32) -> SourceEvent {
        self.counters.open.store(true, Ordering::Relaxed);
        (self.flowing, self.zeros) = (true, 0);
        self.tell_enough();
        let opened = count(&self.counters.opened);
        if self.flaps <= MOST_FLAPS {
            tracing::info!(microphone = id, rate, opened, "microphone open");
        }
        SourceEvent::Opened { rate }
    }

    /// Handles a stream that failed or could not be opened: closes it, counts it, and plans the next attempt.
    fn lose(&mut self, error: AudioError) -> SourceEvent {
        self.take_stock();
        self.close();
        self.pause = PAUSES[1].min(self.pause * 2);
        let due = Instant::now() >= self.remind;
        if !self.flowing {
            self.mention(due, &error);
            return SourceEvent::Samples(0);
        }
        self.flowing = false;
        self.counters.open.store(false, Ordering::Relaxed);
        self.counters.mute.store(false, Ordering::Relaxed);
        count(&self.counters.faults);
        self.flaps += 1;
        self.mention(due || self.flaps <= MOST_FLAPS, &error);
        SourceEvent::Lost(error)
    }

    fn mention(&mut self, loud: bool, error: &AudioError) {
        if loud {
            tracing::warn!(faults = self.counters.read().faults, "{error}; waiting for it");
            self.remind = Instant::now() + REMINDER;
        } else {
            tracing::debug!("{error}");
        }
    }

    /// Closes the stream on a thread that nothing waits for.
    fn close(&mut self) {
        let now = Instant::now();
        let dead = std::mem::replace(&mut self.state, State::Waiting { until: now + self.pause, closed: now });
        if let State::Open { stream, .. } = dead {
            // If no thread can be started, the stream is closed here.
            drop(thread::Builder::new().name("hearken-close".into()).spawn(move || drop(stream)));
        }
    }

    /// The producing end for the next stream. It comes from the queue of the last stream, or of an earlier one that
    /// closed late, or from a new queue. An error if too many streams did not close.
    fn tap(&mut self, closed: Instant, signals: &Arc<Signals>) -> Result<Option<Tap>, AudioError> {
        if let Some(tap) = self.ring.tap(signals.clone()) {
            return Ok(Some(tap));
        }
        if closed.elapsed() < CLOSING {
            return Ok(None);
        }
        let abandoned = count(&self.counters.abandoned);
        tracing::warn!(abandoned, "a stream does not close; the next one gets a new queue");
        for stray in &mut self.strays {
            if let Some(tap) = stray.tap(signals.clone()) {
                std::mem::swap(stray, &mut self.ring);
                return Ok(Some(tap));
            }
        }
        if self.strays.len() == MOST_ABANDONED {
            return Err(self.past_help("does not close", "the audio library hangs".into()));
        }
        self.strays.push(std::mem::replace(&mut self.ring, Ring::new()));
        Ok(self.ring.tap(signals.clone()))
    }

    fn open(&mut self, closed: Instant) -> Result<(), AudioError> {
        let signals = Signals::for_this_thread();
        let Some(tap) = self.tap(closed, &signals)? else {
            self.state = State::Waiting { until: Instant::now() + PAUSES[0], closed };
            return Ok(());
        };
        count(&self.counters.attempts);
        let (done, result) = sync_channel(1);
        let settings = self.settings.clone();
        let opening = move || drop(done.send(Stream::open(&settings, tap, signals)));
        thread::Builder::new()
            .name("hearken-open".into())
            .spawn(opening)
            .map_err(|e| self.past_help("cannot be opened", e.to_string()))?;
        self.state = State::Opening { result, since: Instant::now() };
        Ok(())
    }

    fn opened(&mut self, result: Result<Stream, AudioError>) -> SourceEvent {
        match result {
            Ok(stream) => {
                self.state = State::Open { stream, since: Instant::now(), heard: None, samples: 0 };
                SourceEvent::Samples(0)
            }
            Err(error) => self.lose(error),
        }
    }

    fn past_help(&self, doing: &'static str, cause: String) -> AudioError {
        AudioError::Device { id: self.settings.device.clone(), doing, cause }
    }

    fn hear(&mut self, block: &mut [f32], timeout: Duration) -> SourceEvent {
        if !self.ring.ready() {
            thread::park_timeout(timeout);
        }
        let State::Open { stream, since, heard, samples } = &mut self.state else { return SourceEvent::Samples(0) };
        if self.ring.ready() {
            if heard.replace(Instant::now()).is_none() {
                let (id, rate) = (stream.id.clone(), stream.rate);
                return self.announce(&id, rate);
            }
            let (rate, filled) = (stream.rate as u64, self.ring.drain(block));
            *samples += filled as u64;
            if *samples >= STEADY * rate {
                if self.flaps > MOST_FLAPS {
                    tracing::info!("the microphone is steady again");
                }
                (self.pause, self.flaps) = (PAUSES[0], 0);
            }
            return self.zeros(&block[..filled], rate).unwrap_or(SourceEvent::Samples(filled));
        }
        let (quiet, longest) = heard.map_or((*since, FIRST_SAMPLES), |heard| (heard, STALL));
        let id = stream.id.clone();
        if let Some(cause) = stream.signals.death() {
            let cause = cause.into();
            return self.lose(AudioError::Device { id, doing: "failed", cause });
        }
        let silent_ms = quiet.elapsed().as_millis() as u64;
        if quiet.elapsed() > longest {
            self.lose(AudioError::Stalled { id, silent_ms })
        } else {
            SourceEvent::Samples(0)
        }
    }

    /// Logs a minute of zeros once, and its end once. The samples of the read that completes the minute are dropped;
    /// they are zeros.
    fn zeros(&mut self, samples: &[f32], rate: u64) -> Option<SourceEvent> {
        let mute = self.zeros >= ZEROS * rate;
        self.zeros = if samples.iter().all(|s| *s == 0.0) { self.zeros + samples.len() as u64 } else { 0 };
        let now_mute = self.zeros >= ZEROS * rate;
        self.counters.mute.store(now_mute, Ordering::Relaxed);
        match (mute, now_mute) {
            (false, true) => {
                tracing::warn!(
                    "the microphone has delivered nothing but zeros for {ZEROS} s: muted, or the wrong input"
                );
                Some(SourceEvent::Zeros { seconds: ZEROS })
            }
            (true, false) => {
                tracing::info!("the microphone delivers sound again");
                None
            }
            _ => None,
        }
    }

    /// Adds the counts of the stream to those of the daemon. Logs them each time they have doubled, so that a machine
    /// that is too slow does not fill the log.
    fn take_stock(&mut self) {
        let State::Open { stream, .. } = &self.state else { return };
        let moved = |from: &AtomicU64, to: &AtomicU64| {
            let more = from.swap(0, Ordering::Relaxed);
            to.fetch_add(more, Ordering::Relaxed) + more
        };
        let lost = moved(&stream.signals.lost, &self.counters.lost);
        let overruns = moved(&stream.signals.overruns, &self.counters.overruns);
        if lost + overruns > 2 * self.mentioned {
            self.mentioned = lost + overruns;
            tracing::warn!(lost, overruns, "samples lost or overruns: the machine was too slow");
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.close();
    }
}

impl AudioSource for Supervisor {
    fn read(&mut self, block: &mut [f32], timeout: Duration) -> Result<SourceEvent, AudioError> {
        self.take_stock();
        match &self.state {
            State::Open { .. } => return Ok(self.hear(block, timeout)),
            State::Waiting { until, closed } => {
                let (left, closed) = (until.saturating_duration_since(Instant::now()), *closed);
                thread::park_timeout(left.min(timeout));
                if left <= timeout {
                    self.open(closed)?;
                }
            }
            State::Opening { result, since } => match result.recv_timeout(timeout) {
                Ok(opened) => return Ok(self.opened(opened)),
                Err(RecvTimeoutError::Timeout) if since.elapsed() < OPENING => {}
                Err(RecvTimeoutError::Timeout) => {
                    let cause = format!("it has not answered for {} s", OPENING.as_secs());
                    return Err(self.past_help("cannot be opened", cause));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let error = self.past_help("cannot be opened", "the audio library panicked".into());
                    return Ok(self.lose(error));
                }
            },
        }
        Ok(SourceEvent::Samples(0))
    }

    fn hurry(&mut self, hurry: bool) {
        if self.hurry != hurry {
            self.hurry = hurry;
            self.tell_enough();
        }
    }
}
