//! The buttons: a thread that reads pins and hands commands to the hands. A press is as good as a sentence.
//!
//! It looks 200 times a second: a person's press lasts for 30 ms at least, a look takes a microsecond, and there is no event
//! that could be lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::gpio::{InputPins, Line, Pull, Sense};
use crate::stop::Stop;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// A button that carries out a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// Its name.
    pub name: String,
    /// Its pin.
    pub line: Line,
    /// What pulls the pin while the button is open.
    pub pull: Pull,
    /// Whether pressed is a low level.
    pub active_low: bool,
    /// How long a contact must be still to count: it bounces when it closes and opens.
    pub debounce: Duration,
    /// The command's index.
    pub command: usize,
}

/// The pins that the buttons of a configuration need.
pub fn senses(buttons: &[Button]) -> Vec<Sense> {
    buttons.iter().map(|b| Sense { line: b.line.clone(), pull: b.pull }).collect()
}

/// Whether each button is pressed, for whoever asks. Clones share it.
#[derive(Debug, Clone)]
pub struct Contacts(Arc<[AtomicU8]>);

impl Contacts {
    /// Nothing is known yet of these `buttons`.
    pub fn unknown(buttons: &[Button]) -> Contacts {
        Contacts(buttons.iter().map(|_| AtomicU8::new(0)).collect())
    }

    fn show(&self, button: usize, closed: Option<bool>) {
        self.0[button].store(closed.map_or(0, |closed| 1 + u8::from(closed)), Ordering::Relaxed);
    }

    /// Whether a button is pressed; nothing before the first look.
    pub fn pressed(&self, button: usize) -> Option<bool> {
        let known = self.0[button].load(Ordering::Relaxed);
        (known > 0).then_some(known > 1)
    }
}

/// A contact, without its bouncing.
#[derive(Debug, Default)]
struct Contact {
    /// What it is; the first look says it. One that is closed then, as by a short circuit, was not pressed.
    closed: Option<bool>,
    /// Since when it seems to be otherwise.
    doubt: Option<Duration>,
}

impl Contact {
    /// Takes a look at the time `now`; whether it was pressed.
    fn look(&mut self, closed: bool, now: Duration, debounce: Duration) -> bool {
        if *self.closed.get_or_insert(closed) == closed {
            self.doubt = None;
            return false;
        }
        let since = *self.doubt.get_or_insert(now);
        if now - since < debounce {
            return false;
        }
        (self.closed, self.doubt) = (Some(closed), None);
        closed
    }
}

/// Watches `buttons`, whose pins are `pins`, and calls `press` with the index of each that is pressed, until that says no
/// or `stop` is raised. Shows them in `shown`.
pub fn watch(
    buttons: &[Button],
    mut pins: Box<dyn InputPins>,
    shown: &Contacts,
    mut press: impl FnMut(usize) -> bool,
    stop: &Stop,
) {
    let begun = Instant::now();
    let mut contacts: Vec<Contact> = buttons.iter().map(|_| Contact::default()).collect();
    let mut complained = vec![false; buttons.len()];
    while !stop.raised() {
        for (index, (button, contact)) in buttons.iter().zip(&mut contacts).enumerate() {
            let pressed = match pins.is_high(index) {
                Ok(high) => {
                    complained[index] = false;
                    contact.look(high != button.active_low, begun.elapsed(), button.debounce)
                }
                Err(error) => {
                    if !std::mem::replace(&mut complained[index], true) {
                        tracing::error!(button = button.name, "not read: {error}");
                    }
                    // What it is is known again from the next look.
                    *contact = Contact::default();
                    false
                }
            };
            shown.show(index, contact.closed);
            if pressed && !press(index) {
                return;
            }
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every 5 ms at a contact drawn as `#` for closed and `.` for open; at which of them it was pressed.
    fn presses(drawn: &str) -> Vec<usize> {
        let mut contact = Contact::default();
        let at = |i: usize| Duration::from_millis(5 * i as u64);
        let looks = drawn.chars().enumerate();
        looks.filter(|(i, c)| contact.look(*c == '#', at(*i), Duration::from_millis(20))).map(|(i, _)| i).collect()
    }

    /// A pin that is held low, and that fails at every second look.
    struct Loose(usize, Stop);

    impl InputPins for Loose {
        fn is_high(&mut self, _: usize) -> Result<bool, crate::gpio::GpioError> {
            self.0 += 1;
            if self.0 == 30 {
                self.1.raise();
            }
            let broken = crate::gpio::GpioError::NoChip("the wire is off".into());
            if (self.0 / 10).is_multiple_of(2) { Err(broken) } else { Ok(false) }
        }
    }

    #[test]
    fn a_pin_that_cannot_be_read_for_a_while_was_not_pressed() {
        let button = Button {
            name: "wall".into(),
            line: Line::Number(5),
            pull: Pull::Up,
            active_low: true,
            debounce: Duration::from_millis(5),
            command: 0,
        };
        let (buttons, stop) = ([button], Stop::default());
        let (shown, mut presses) = (Contacts::unknown(&buttons), 0);
        watch(&buttons, Box::new(Loose(0, stop.clone())), &shown, |_| std::mem::replace(&mut presses, 1) == 0, &stop);
        assert_eq!((presses, shown.pressed(0)), (0, Some(true)));
    }

    #[test]
    fn a_contact_counts_when_it_is_still() {
        let table: [(&str, &[usize]); 7] = [
            (".....#####...", &[9]),
            (".....#.##.#####....", &[14]),
            (".....####....", &[]),
            (".....#####.#.##.####.....", &[9]),
            (".....##########.....##########", &[9, 24]),
            ("################", &[]),
            ("######.....#####", &[15]),
        ];
        for (drawn, expected) in table {
            assert_eq!(presses(drawn), expected, "{drawn}");
        }
    }
}
