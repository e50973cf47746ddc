//! The thread of the buttons: it reads their pins and passes on the commands of pressed buttons.
//!
//! It reads the pins 200 times a second instead of waiting for events, which could be lost. A press by a person lasts
//! at least 30 ms, and a read takes a microsecond.

use std::thread;
use std::time::{Duration, Instant};

use crate::act::buttons::{Button, Contact, Contacts};
use crate::act::gpio::InputPins;
use crate::runtime::stop::Stop;

/// Time between two reads of the pins.
const LOOK: Duration = Duration::from_millis(5);

/// Reads the `pins` of `buttons` and calls `press` with the index of each button that is pressed, until `press` returns
/// false or `stop` is raised. Stores the states in `shown`.
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
                    // The state is unknown until the next read succeeds.
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
    use crate::act::gpio::{GpioError, Line, Pull};

    /// A pin that is held low, and that fails at every second look.
    struct Loose(usize, Stop);

    impl InputPins for Loose {
        fn is_high(&mut self, _: usize) -> Result<bool, GpioError> {
            self.0 += 1;
            if self.0 == 30 {
                self.1.raise();
            }
            let broken = GpioError::NoChip("the wire is off".into());
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
}
