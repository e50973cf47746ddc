//! Pulse-width modulation by a thread, for lines that no hardware dims.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::{Duty, Level, Pwm};

/// Fastest that a thread can switch a pin by turns without eating a core: a turn takes two wake-ups of some 50 us.
pub const FASTEST_HERTZ: u32 = 1000;

/// A thread that switches one line by turns. It ends when this is dropped, and leaves the line at its last level, if that
/// was not between the two.
pub struct SoftPwm {
    duties: Option<SyncSender<Duty>>,
    thread: Option<JoinHandle<()>>,
}

impl SoftPwm {
    /// Switches a line by `drive`, at `level` from the first moment, which is set already.
    ///
    /// # Errors
    /// The kernel's: no thread.
    pub fn start(pwm: Pwm, level: Level, drive: impl FnMut(Level) + Send + 'static) -> std::io::Result<SoftPwm> {
        let (duties, inbox) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("hearken-pwm".into())
            .spawn(move || modulate(pwm, level.duty(), drive, &inbox))?;
        Ok(SoftPwm { duties: Some(duties), thread: Some(thread) })
    }

    /// Changes the share of the time that the line is high. Returns within two turns.
    pub fn set(&self, level: Level) {
        // Only a panic ends the thread before us.
        let _ = self.duties.as_ref().map(|duties| duties.send(level.duty()));
    }
}

impl Drop for SoftPwm {
    fn drop(&mut self) {
        self.duties.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn modulate(pwm: Pwm, mut duty: Duty, mut drive: impl FnMut(Level), inbox: &Receiver<Duty>) {
    loop {
        let next = match duty {
            Duty::NONE | Duty::FULL => {
                drive(if duty == Duty::FULL { Level::High } else { Level::Low });
                inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
            }
            part => {
                drive(Level::High);
                let high = inbox.recv_timeout(pwm.high(part));
                high.or_else(|e| match e {
                    RecvTimeoutError::Disconnected => Err(e),
                    RecvTimeoutError::Timeout => {
                        drive(Level::Low);
                        inbox.recv_timeout(pwm.high(part.complement()))
                    }
                })
            }
        };
        match next {
            Ok(changed) => duty = changed,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
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
        let soft = SoftPwm::start(pwm, Level::Low, move |level| levels.send(level).unwrap()).unwrap();
        assert_eq!(seen.recv(), Ok(Level::Low));
        soft.set(Level::Pwm(Duty::thousandths(300)));
        for _ in 0..20 {
            assert_eq!([seen.recv(), seen.recv()], [Ok(Level::High), Ok(Level::Low)]);
        }
        soft.set(Level::High);
        drop(soft);
        assert_eq!(seen.iter().last(), Some(Level::High), "the last level stays");
    }

    #[test]
    fn a_turn_is_high_for_its_share() {
        let pwm = Pwm { hertz: 200, hardware: None };
        assert_eq!(pwm.high(Duty::thousandths(250)).as_micros(), 1250);
        assert_eq!(pwm.high(Duty::FULL), pwm.period());
    }
}
