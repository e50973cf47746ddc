//! The thread of the buttons: it reads their pins, passes on the commands of pressed buttons, and shows the listener
//! whether a talk button is held.
//!
//! It reads the pins 200 times a second instead of waiting for events, which could be lost. A press by a person lasts
//! at least 30 ms, and a read takes a microsecond.

use std::thread;
use std::time::{Duration, Instant};

use crate::act::buttons::{Button, Contact, Contacts, Purpose, Talk};
use crate::act::gpio::{GpioError, InputPins};
use crate::runtime::stop::Stop;

/// Time between two reads of the pins.
const LOOK: Duration = Duration::from_millis(5);

/// Reads the `pins` of `buttons` until `press` returns false or `stop` is raised. Calls `press` with the name and the
/// command's index of each button that is pressed. Shows in `talk` whether a talk button is held, and in `contacts` the
/// state of every button.
pub fn watch(
    buttons: &[Button],
    mut pins: Box<dyn InputPins>,
    (contacts, talk): (&Contacts, &Talk),
    mut press: impl FnMut(&str, usize) -> bool,
    stop: &Stop,
) {
    let begun = Instant::now();
    let mut watched: Vec<Watched<'_>> = buttons.iter().map(Watched::new).collect();
    while !stop.raised() {
        for (index, watched) in watched.iter_mut().enumerate() {
            if !watched.look(pins.is_high(index), begun.elapsed()) {
                continue;
            }
            match watched.button.purpose {
                Purpose::Talk => tracing::info!(button = watched.button.name, "held to talk"),
                Purpose::Command(command) => {
                    if !press(&watched.button.name, command) {
                        return;
                    }
                }
            }
        }
        talk.show(watched.iter().any(|w| w.button.purpose == Purpose::Talk && w.contact.held));
        watched.iter().enumerate().for_each(|(index, w)| contacts.show(index, w.contact.closed));
        thread::sleep(LOOK);
    }
}

/// A button and the state of its contact.
struct Watched<'b> {
    button: &'b Button,
    contact: Contact,
    /// Whether the log tells that its pin cannot be read.
    complained: bool,
}

impl Watched<'_> {
    fn new(button: &Button) -> Watched<'_> {
        Watched { button, contact: Contact::default(), complained: false }
    }

    /// Takes what was read from its pin at the time `now`. Returns whether the button was pressed.
    fn look(&mut self, high: Result<bool, GpioError>, now: Duration) -> bool {
        match high {
            Ok(high) => {
                self.complained = false;
                self.contact.look(high != self.button.active_low, now, self.button.debounce)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.complained, true) {
                    tracing::error!(button = self.button.name, "not read: {error}");
                }
                // The state is unknown until the next read succeeds.
                self.contact = Contact::default();
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;
    use crate::act::gpio::{Line, Pull};

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

    fn button(pin: u32, purpose: Purpose) -> Button {
        Button {
            name: format!("GPIO{pin}"),
            line: Line::Number(pin),
            pull: Pull::Up,
            active_low: true,
            debounce: Duration::ZERO,
            purpose,
        }
    }

    #[test]
    fn a_pin_that_cannot_be_read_for_a_while_was_not_pressed() {
        let (buttons, stop) = ([button(5, Purpose::Command(0))], Stop::default());
        let (shown, mut presses) = ((Contacts::unknown(&buttons), Talk::default()), 0);
        let press = |_: &str, _| std::mem::replace(&mut presses, 1) == 0;
        watch(&buttons, Box::new(Loose(0, stop.clone())), (&shown.0, &shown.1), press, &stop);
        assert_eq!((presses, shown.0.pressed(0)), (0, Some(true)));
    }

    /// Pins that are read in turn: `#` low, `.` high, `x` not readable. Notes what was shown after each round.
    struct Drawn {
        pins: [&'static str; 3],
        round: usize,
        talk: Talk,
        held: Sender<bool>,
        stop: Stop,
    }

    impl InputPins for Drawn {
        fn is_high(&mut self, index: usize) -> Result<bool, GpioError> {
            if index == 0 && self.round > 0 {
                self.held.send(self.talk.held()).unwrap();
            }
            let drawn = self.pins[index].as_bytes().get(self.round).copied();
            self.round += usize::from(index + 1 == self.pins.len());
            match drawn {
                Some(b'x') => Err(GpioError::NoChip("the wire is off".into())),
                Some(level) => Ok(level == b'.'),
                None => {
                    self.stop.raise();
                    Ok(true)
                }
            }
        }
    }

    #[test]
    fn talk_is_held_while_any_talk_button_is_held_and_a_pin_that_cannot_be_read_counts_as_released() {
        let pins = ["##..###x##..###..............", ".............####............", "....................####....."];
        let expected = "....###.....#####............";
        let buttons = [button(5, Purpose::Talk), button(6, Purpose::Talk), button(7, Purpose::Command(3))];
        let (contacts, talk, stop) = (Contacts::unknown(&buttons), Talk::default(), Stop::default());
        let (held, shown) = channel();
        let drawn = Drawn { pins, round: 0, talk: talk.clone(), held, stop: stop.clone() };
        let mut pressed = Vec::new();
        let press = |name: &str, command| {
            pressed.push((name.to_string(), command));
            true
        };
        watch(&buttons, Box::new(drawn), (&contacts, &talk), press, &stop);
        let shown: String = shown.iter().map(|held| if held { '#' } else { '.' }).collect();
        assert_eq!((shown.as_str(), pressed), (expected, vec![("GPIO7".to_string(), 3)]));
    }
}
