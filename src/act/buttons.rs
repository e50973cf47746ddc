//! Buttons that carry out commands, and their contacts. A press is as good as a sentence.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::gpio::{Line, Pull, Sense};

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

    /// Takes note of whether a button is pressed; nothing where that is not known.
    pub fn show(&self, button: usize, closed: Option<bool>) {
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
pub struct Contact {
    /// Whether it is closed; nothing before the first look. One that is closed then, as by a short circuit, was not pressed.
    pub closed: Option<bool>,
    /// Since when it seems to be otherwise.
    doubt: Option<Duration>,
}

impl Contact {
    /// Takes a look at the time `now`; whether it was pressed.
    pub fn look(&mut self, closed: bool, now: Duration, debounce: Duration) -> bool {
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
