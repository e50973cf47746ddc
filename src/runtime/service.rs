//! Notifications to the service manager: the daemon is ready, alive, reloading its configuration, or stopping.
//!
//! *Ready* means that the model is loaded and samples arrive, so that a command would be decided. *Alive* means that
//! the loops of the listener and the decider have both run since the last notification; if inference or the audio
//! library hangs, the watchdog restarts the daemon. Without a service manager (no `$NOTIFY_SOCKET`) nothing is sent.
//! The protocol is described in sd_notify(3).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// Counts the rounds of the two loops that must not hang. Clones share the counters.
#[derive(Debug, Clone, Default)]
pub struct Rounds(Arc<[AtomicU64; 2]>);

/// A loop whose rounds are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loop {
    /// The loop of the listener.
    Listener,
    /// The loop of the decider.
    Decider,
}

impl Rounds {
    /// Counts one round of the loop `of`.
    pub fn count(&self, of: Loop) {
        self.0[of as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn counted(&self) -> [u64; 2] {
        [0, 1].map(|of: usize| self.0[of].load(Ordering::Relaxed))
    }
}

/// Decides when to send which notification. The time and the round counts are arguments, so that it can be tested.
#[derive(Debug)]
struct Schedule {
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

impl Schedule {
    fn look(&mut self, now: Instant, rounds: [u64; 2], listening: bool) -> Option<Word> {
        if listening && !self.ready {
            self.ready = true;
            return Some(Word::Ready);
        }
        let every = self.every?;
        let both = rounds.iter().zip(&self.seen).all(|(now, before)| now > before);
        if !both || now.duration_since(self.told) < every {
            return None;
        }
        (self.told, self.seen) = (now, rounds);
        Some(Word::Alive)
    }
}

/// The connection to the service manager.
pub struct Service {
    rounds: Rounds,
    schedule: Schedule,
    reloading: bool,
}

/// Whether a service manager started this process.
pub fn managed() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

impl Service {
    /// The connection to the manager that started this process, if one did. `rounds` counts the rounds of the listener
    /// and the decider.
    pub fn new(rounds: Rounds) -> Service {
        // Half of the watchdog's time, as sd_watchdog_enabled(3) advises.
        let every = sd_notify::watchdog_enabled().map(|given| given / 2);
        let schedule = Schedule { every, ready: false, told: Instant::now(), seen: rounds.counted() };
        if every.is_some() {
            alive();
        }
        Service { rounds, schedule, reloading: false }
    }

    /// Notifies the manager that the configuration is being read again. The next [`Service`] reports when it is ready.
    pub fn reload(&mut self) {
        self.reloading = true;
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            tell(&[NotifyState::Reloading, now]);
            alive();
        }
    }

    /// Sends the notification that is due now, if any. `listening` says whether samples arrive.
    pub fn look(&mut self, listening: bool) {
        match self.schedule.look(Instant::now(), self.rounds.counted(), listening) {
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

/// Tells the watchdog that the daemon is alive, during a wait that has a time limit of its own.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("cannot notify the service manager: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_said_once_and_alive_only_while_both_go_round() {
        let begun = Instant::now();
        let at = |s| begun + Duration::from_secs(s);
        let mut schedule = Schedule { every: Some(Duration::from_secs(10)), ready: false, told: begun, seen: [0, 0] };
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
        for (second, rounds, listening, word, what) in cases {
            assert_eq!(schedule.look(at(second), rounds, listening), word, "{what}");
        }
        schedule.every = None;
        assert_eq!(schedule.look(at(99), [999, 999], true), None, "without a watchdog");
    }
}
