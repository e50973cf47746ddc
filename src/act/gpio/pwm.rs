//! Pulse-width modulation by a thread, for lines without a hardware generator.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::{Duty, Level, Pwm};

/// Highest PWM frequency of a thread, in Hz. Each period takes two wake-ups of about 50 us, so more would take too much
/// of a core.
pub const FASTEST_HERTZ: u32 = 1000;

/// A new duty, and the channel for the answer whether the line could be set.
type Order = (Duty, SyncSender<Result<(), String>>);

/// A thread that switches one line high and low in turn. It ends when this is dropped, and leaves the line at its last
/// level.
pub struct SoftPwm {
    orders: Option<SyncSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl SoftPwm {
    /// Starts the thread for a line that has `level` already. `drive` sets the line high or low.
    ///
    /// # Errors
    /// When the kernel refuses a thread.
    pub fn start(
        pwm: Pwm,
        level: Level,
        drive: impl FnMut(Level) -> Result<(), String> + Send + 'static,
    ) -> std::io::Result<SoftPwm> {
        let (orders, inbox) = sync_channel(1);
        let mut modulator = Modulator { pwm, duty: level.duty(), drive, inbox, fault: None };
        let thread =
            thread::Builder::new().name("hearken-pwm".into()).spawn(move || while modulator.turn().is_some() {})?;
        Ok(SoftPwm { orders: Some(orders), thread: Some(thread) })
    }

    /// Changes the duty. Always low or always high takes effect at once, any other duty after the current period.
    ///
    /// # Errors
    /// The error of the line. For a duty between always low and always high it is the error of the last period.
    pub fn set(&self, level: Level) -> Result<(), String> {
        let (answer, answered) = sync_channel(1);
        let sent = self.orders.as_ref().and_then(|orders| orders.send((level.duty(), answer)).ok());
        sent.and_then(|()| answered.recv().ok()).unwrap_or_else(|| Err("the thread that dims it is gone".into()))
    }
}

impl Drop for SoftPwm {
    fn drop(&mut self) {
        self.orders.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Modulator<D> {
    pwm: Pwm,
    duty: Duty,
    drive: D,
    inbox: Receiver<Order>,
    fault: Option<String>,
}

impl<D: FnMut(Level) -> Result<(), String>> Modulator<D> {
    /// Runs one period. `None` when the [`SoftPwm`] was dropped.
    fn turn(&mut self) -> Option<()> {
        let (Duty::NONE | Duty::FULL) = self.duty else {
            let (begun, duty) = (Instant::now(), self.duty);
            self.switch(Level::High);
            if self.wait_until(begun + self.pwm.high(duty))? {
                self.switch(Level::Low);
                self.wait_until(begun + self.pwm.period())?;
            }
            return Some(());
        };
        let order = self.inbox.recv().ok()?;
        self.take(order);
        Some(())
    }

    fn switch(&mut self, level: Level) {
        self.fault = (self.drive)(level).err();
    }

    /// Takes orders until the time `end`. Returns whether `end` was reached, or an order cut the period short.
    fn wait_until(&mut self, end: Instant) -> Option<bool> {
        loop {
            match self.inbox.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(order) => {
                    if self.take(order) {
                        return Some(false);
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Some(true),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Takes an order. Returns whether it was carried out at once.
    fn take(&mut self, (duty, answer): Order) -> bool {
        self.duty = duty;
        let at_once = matches!(duty, Duty::NONE | Duty::FULL);
        if at_once {
            self.switch(if duty == Duty::FULL { Level::High } else { Level::Low });
        }
        let _ = answer.send(self.fault.clone().map_or(Ok(()), Err));
        at_once
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_line_is_high_and_low_by_turns_until_it_is_to_be_one_of_them() {
        let (levels, seen) = channel();
        let pwm = Pwm { hertz: 1000, hardware: None };
        let drive = move |level| levels.send(level).map_err(|e| e.to_string());
        let soft = SoftPwm::start(pwm, Level::Low, drive).unwrap();
        soft.set(Level::Pwm(Duty::thousandths(300))).unwrap();
        for _ in 0..20 {
            assert_eq!([seen.recv(), seen.recv()], [Ok(Level::High), Ok(Level::Low)]);
        }
        soft.set(Level::High).unwrap();
        drop(soft);
        assert_eq!(seen.iter().last(), Some(Level::High), "the last level stays");
    }

    #[test]
    fn a_line_that_fails_says_so_to_whoever_sets_it() {
        let pwm = Pwm { hertz: 1000, hardware: None };
        let mut works = [true, false, true].into_iter();
        let drive = move |_| if works.next().unwrap_or(true) { Ok(()) } else { Err("the wire is off".to_string()) };
        let soft = SoftPwm::start(pwm, Level::Low, drive).unwrap();
        assert_eq!(soft.set(Level::High), Ok(()));
        assert_eq!(soft.set(Level::Low), Err("the wire is off".into()));
        assert_eq!(soft.set(Level::Low), Ok(()), "tried again");
    }

    #[test]
    fn a_new_share_waits_for_the_end_of_the_turn() {
        let (levels, seen) = channel();
        let pwm = Pwm { hertz: 10, hardware: None };
        let drive = move |level| levels.send(level).map_err(|e| e.to_string());
        let soft = SoftPwm::start(pwm, Level::Low, drive).unwrap();
        for share in 1..10 {
            soft.set(Level::Pwm(Duty::thousandths(share))).unwrap();
        }
        assert_eq!([seen.recv(), seen.recv(), seen.recv()], [Ok(Level::High), Ok(Level::Low), Ok(Level::High)]);
    }

    #[test]
    fn a_turn_is_high_for_its_share() {
        let pwm = Pwm { hertz: 200, hardware: None };
        assert_eq!(pwm.high(Duty::thousandths(250)).as_micros(), 1250);
        assert_eq!(pwm.high(Duty::FULL), pwm.period());
    }
}
