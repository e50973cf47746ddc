//! What the service manager is told: that the daemon is ready, that it is alive, that it is stopping.
//!
//! Ready means that a command would be decided: the model is loaded and samples flow. Alive means that the listener and the decider
//! both went round since the last word: a hung inference, or a hung audio library, is restarted by the watchdog.
//! Without a service manager (no `$NOTIFY_SOCKET`) nothing is told. Protocol: sd_notify(3).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// Rounds of the two loops that must not hang. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Beats(Arc<[AtomicU64; 2]>);

/// Whose round it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heart {
    /// The listener's.
    Listener,
    /// The decider's.
    Decider,
}

impl Beats {
    /// A round is over.
    pub fn beat(&self, heart: Heart) {
        self.0[heart as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> [u64; 2] {
        [0, 1].map(|heart: usize| self.0[heart].load(Ordering::Relaxed))
    }
}

/// What is to be told when. Pure: the clock and the beats come in.
#[derive(Debug)]
struct Vigil {
    every: Option<Duration>,
    ready: bool,
    told: Instant,
    seen: [u64; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Ready,
    Alive,
}

impl Vigil {
    fn look(&mut self, now: Instant, beats: [u64; 2], listening: bool) -> Option<Word> {
        if listening && !self.ready {
            self.ready = true;
            return Some(Word::Ready);
        }
        let every = self.every?;
        let both = beats.iter().zip(&self.seen).all(|(now, before)| now > before);
        if !both || now.duration_since(self.told) < every {
            return None;
        }
        (self.told, self.seen) = (now, beats);
        Some(Word::Alive)
    }
}

/// The daemon's side of the service manager.
pub struct Service {
    beats: Beats,
    vigil: Vigil,
    reloading: bool,
}

/// Whether a service manager started this process.
pub fn managed() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

impl Service {
    /// The manager that started this process, if one did; `beats` are those of the listener and the decider.
    pub fn new(beats: Beats) -> Service {
        // Half of the time that the watchdog gives, as sd_watchdog_enabled(3) advises.
        let every = sd_notify::watchdog_enabled().map(|given| given / 2);
        let vigil = Vigil { every, ready: false, told: Instant::now(), seen: beats.count() };
        if every.is_some() {
            alive();
        }
        Service { beats, vigil, reloading: false }
    }

    /// Tells that the configuration is read again: the next service will say when it is ready.
    pub fn reload(&mut self) {
        self.reloading = true;
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            tell(&[NotifyState::Reloading, now]);
            alive();
        }
    }

    /// Tells what is to be told now. `listening`: whether samples flow.
    pub fn look(&mut self, listening: bool) {
        match self.vigil.look(Instant::now(), self.beats.count(), listening) {
            Some(Word::Ready) => tell(&[NotifyState::Ready]),
            Some(Word::Alive) => tell(&[NotifyState::Watchdog]),
            None => {}
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if !self.reloading {
            tell(&[NotifyState::Stopping]);
        }
    }
}

/// Feeds the watchdog while something with a limit of its own is waited for.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("the service manager cannot be told: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_said_once_and_alive_only_while_both_go_round() {
        let begun = Instant::now();
        let at = |s| begun + Duration::from_secs(s);
        let mut vigil = Vigil { every: Some(Duration::from_secs(10)), ready: false, told: begun, seen: [0, 0] };
        let cases = [
            (1, [9, 9], false, None, "no microphone yet"),
            (2, [19, 19], true, Some(Word::Ready), "the first samples"),
            (9, [90, 90], true, None, "too early"),
            (10, [100, 100], true, Some(Word::Alive), "half of the watchdog's time"),
            (20, [200, 100], true, None, "the decider hangs"),
            (40, [400, 100], true, None, "and goes on to hang"),
            (41, [410, 101], false, Some(Word::Alive), "a microphone that is gone is no reason to die"),
            (60, [410, 300], false, None, "the listener hangs"),
            (61, [411, 310], true, Some(Word::Alive), "ready is not said again"),
        ];
        for (second, beats, listening, word, what) in cases {
            assert_eq!(vigil.look(at(second), beats, listening), word, "{what}");
        }
        vigil.every = None;
        assert_eq!(vigil.look(at(99), [999, 999], true), None, "without a watchdog");
    }
}
