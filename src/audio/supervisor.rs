//! A microphone that is opened again whenever it is lost, for as long as the daemon runs.
//!
//! Everything that may hang in ALSA or in a sound server, opening and closing, happens on threads that nobody waits for.
//! What cannot be cured inside one process (an open that never returns, streams that never close) ends the source with an
//! error: a fresh process is the cure, and systemd makes one. The recipe and its measurements: research/audio.md, 2.4.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::microphone::{MicrophoneSettings, Stream};
use super::ring::{Ring, Signals, Tap};
use super::{AudioError, AudioSource, Sound};

/// A stream that delivers nothing for this long is dead, whatever the audio library says. Twenty-five periods.
const STALL: Duration = Duration::from_millis(500);
/// What a stream is given to deliver its first samples. PulseAudio takes up to a second to wake a sink.
const FIRST_SAMPLES: Duration = Duration::from_millis(1500);
/// Pause before the second attempt to open; it doubles up to the last.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];
/// What a closing stream is given to hand back its queue.
const CLOSING: Duration = Duration::from_secs(1);
/// What opening is given before the process is past help.
const OPENING: Duration = Duration::from_secs(30);
/// Streams that may fail to close: each keeps a thread and half a megabyte.
const MOST_ABANDONED: usize = 8;
/// Sound that is nothing but zeros, in seconds, before it is mentioned: a muted or wrong input.
const ZEROS: u64 = 60;
/// Seconds of sound after which a stream is no flapping one: a bad cable must not cost more than a missing one.
const STEADY: u64 = 10;
/// Losses of flapping streams in a row that are mentioned each.
const MOST_FLAPS: u32 = 10;
/// How often a missing microphone is mentioned again.
const REMINDER: Duration = Duration::from_secs(60);

/// What happened to the microphone so far. All of it may be read while it is in use.
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

/// [`Counters`] at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MicrophoneUsage {
    /// Whether samples flow.
    pub open: bool,
    /// Times that samples began to flow.
    pub opened: u64,
    /// Times that they ceased: unplugged, failed, stalled.
    pub faults: u64,
    /// Attempts to open it.
    pub attempts: u64,
    /// Samples that found the queue full.
    pub lost: u64,
    /// Overruns that the driver reported.
    pub overruns: u64,
    /// Streams that would not close.
    pub abandoned: u64,
    /// Whether it has delivered nothing but zeros for the last minute.
    pub mute: bool,
}

impl Counters {
    /// How things stand.
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

/// The microphone as an [`AudioSource`] that survives its device.
pub struct Supervisor {
    settings: MicrophoneSettings,
    counters: Arc<Counters>,
    ring: Ring,
    /// Queues of streams that did not close in time.
    strays: Vec<Ring>,
    state: State,
    pause: Duration,
    flowing: bool,
    /// Losses in a row without a steady stream in between.
    flaps: u32,
    /// When trouble is mentioned again.
    remind: Instant,
    /// Samples lost and overruns when they were last mentioned.
    mentioned: u64,
    /// Samples in a row that were exactly 0.
    zeros: u64,
}

enum State {
    /// Samples flow, or should.
    Open { stream: Stream, since: Instant, heard: Option<Instant>, samples: u64 },
    /// A thread is opening it.
    Opening { outcome: Receiver<Result<Stream, AudioError>>, since: Instant },
    /// The next attempt is to come. `closed`: when the last stream was given up.
    Waiting { until: Instant, closed: Instant },
}

impl Supervisor {
    /// The microphone that `settings` name. Opens nothing yet: the first reads do.
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
        }
    }

    /// Its counters, for whoever wants to know.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Samples begin to flow.
    fn announce(&mut self, id: &str, rate: u32) -> Sound {
        self.counters.open.store(true, Ordering::Relaxed);
        (self.flowing, self.zeros) = (true, 0);
        let opened = count(&self.counters.opened);
        if self.flaps <= MOST_FLAPS {
            tracing::info!(microphone = id, rate, opened, "microphone open");
        }
        Sound::Opened { rate }
    }

    /// The stream is dead, or could not be opened.
    fn lose(&mut self, error: AudioError) -> Sound {
        self.take_stock();
        self.close();
        self.pause = PAUSES[1].min(self.pause * 2);
        let due = Instant::now() >= self.remind;
        if !self.flowing {
            self.mention(due, &error);
            return Sound::Samples(0);
        }
        self.flowing = false;
        self.counters.open.store(false, Ordering::Relaxed);
        self.counters.mute.store(false, Ordering::Relaxed);
        count(&self.counters.faults);
        self.flaps += 1;
        self.mention(due || self.flaps <= MOST_FLAPS, &error);
        Sound::Lost(error)
    }

    fn mention(&mut self, loud: bool, error: &AudioError) {
        if loud {
            tracing::warn!(faults = self.counters.read().faults, "{error}; waiting for it");
            self.remind = Instant::now() + REMINDER;
        } else {
            tracing::debug!("{error}");
        }
    }

    /// Closes the stream where nobody waits for it.
    fn close(&mut self) {
        let now = Instant::now();
        let dead = std::mem::replace(&mut self.state, State::Waiting { until: now + self.pause, closed: now });
        if let State::Open { stream, .. } = dead {
            // Where no thread can be had it is closed here.
            drop(thread::Builder::new().name("hearken-close".into()).spawn(move || drop(stream)));
        }
    }

    /// The queue of a stream that is closed by now: this one's, or that of one that took its time. Else a new one, while
    /// there are not too many that never came back.
    fn tap(&mut self, closed: Instant, signals: &Arc<Signals>) -> Result<Option<Tap>, AudioError> {
        if let Some(tap) = self.ring.tap(signals.clone()) {
            return Ok(Some(tap));
        }
        if closed.elapsed() < CLOSING {
            return Ok(None);
        }
        let abandoned = count(&self.counters.abandoned);
        tracing::warn!(abandoned, "a stream does not close; left alone");
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
        let (done, outcome) = sync_channel(1);
        let settings = self.settings.clone();
        let opening = move || drop(done.send(Stream::open(&settings, tap, signals)));
        thread::Builder::new()
            .name("hearken-open".into())
            .spawn(opening)
            .map_err(|e| self.past_help("cannot be opened", e.to_string()))?;
        self.state = State::Opening { outcome, since: Instant::now() };
        Ok(())
    }

    fn opened(&mut self, outcome: Result<Stream, AudioError>) -> Sound {
        match outcome {
            Ok(stream) => {
                self.state = State::Open { stream, since: Instant::now(), heard: None, samples: 0 };
                Sound::Samples(0)
            }
            Err(error) => self.lose(error),
        }
    }

    fn past_help(&self, doing: &'static str, cause: String) -> AudioError {
        AudioError::Device { id: self.settings.device.clone(), doing, cause }
    }

    fn hear(&mut self, block: &mut [f32], patience: Duration) -> Sound {
        if !self.ring.ready() {
            thread::park_timeout(patience);
        }
        let State::Open { stream, since, heard, samples } = &mut self.state else { return Sound::Samples(0) };
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
            return self.zeros(&block[..filled], rate).unwrap_or(Sound::Samples(filled));
        }
        let (quiet, patience) = heard.map_or((*since, FIRST_SAMPLES), |heard| (heard, STALL));
        let id = stream.id.clone();
        if let Some(cause) = stream.signals.death() {
            let cause = cause.into();
            return self.lose(AudioError::Device { id, doing: "failed", cause });
        }
        let silent_ms = quiet.elapsed().as_millis() as u64;
        if quiet.elapsed() > patience { self.lose(AudioError::Stalled { id, silent_ms }) } else { Sound::Samples(0) }
    }

    /// A minute of zeros is mentioned once, and so is its end. The samples of that read are lost: zeros.
    fn zeros(&mut self, samples: &[f32], rate: u64) -> Option<Sound> {
        let mute = self.zeros >= ZEROS * rate;
        self.zeros = if samples.iter().all(|s| *s == 0.0) { self.zeros + samples.len() as u64 } else { 0 };
        let now_mute = self.zeros >= ZEROS * rate;
        self.counters.mute.store(now_mute, Ordering::Relaxed);
        match (mute, now_mute) {
            (false, true) => {
                tracing::warn!(
                    "the microphone has delivered nothing but zeros for {ZEROS} s: muted, or the wrong input"
                );
                Some(Sound::Zeros { seconds: ZEROS })
            }
            (true, false) => {
                tracing::info!("the microphone delivers sound again");
                None
            }
            _ => None,
        }
    }

    /// Moves the stream's counts to the daemon's. Mentions them each time they have doubled: a machine that is too slow for
    /// good would fill the log.
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
    fn read(&mut self, block: &mut [f32], patience: Duration) -> Result<Sound, AudioError> {
        self.take_stock();
        match &self.state {
            State::Open { .. } => return Ok(self.hear(block, patience)),
            State::Waiting { until, closed } => {
                let (left, closed) = (until.saturating_duration_since(Instant::now()), *closed);
                thread::park_timeout(left.min(patience));
                if left <= patience {
                    self.open(closed)?;
                }
            }
            State::Opening { outcome, since } => match outcome.recv_timeout(patience) {
                Ok(outcome) => return Ok(self.opened(outcome)),
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
        Ok(Sound::Samples(0))
    }
}
