//! Buttons that carry out commands or are held to talk, and the debouncing of their contacts. A press has the same
//! effect as a sentence.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use super::gpio::{InputClaim, Line, Pull};

/// A button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// Its name.
    pub name: String,
    /// Its pin.
    pub line: Line,
    /// The resistor that gives the pin its level while the button is open.
    pub pull: Pull,
    /// Whether the pin is low while the button is pressed (active-low).
    pub active_low: bool,
    /// How long a contact must keep its new state to count, because it bounces when it closes and opens.
    pub debounce: Duration,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a button is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A press carries out the command with this index.
    Command(usize),
    /// While it is held, an utterance is open.
    Talk,
}

/// The pins to read for these buttons.
pub fn input_claims(buttons: &[Button]) -> Vec<InputClaim> {
    buttons.iter().map(|b| InputClaim { line: b.line.clone(), pull: b.pull }).collect()
}

/// Whether each button is pressed, for other threads. Clones share the values.
#[derive(Debug, Clone)]
pub struct Contacts(Arc<[AtomicU8]>);

impl Contacts {
    /// Makes unknown contacts for these `buttons`.
    pub fn unknown(buttons: &[Button]) -> Contacts {
        Contacts(buttons.iter().map(|_| AtomicU8::new(0)).collect())
    }

    /// Stores whether a button is pressed; `None` if that is not known. Who reads it also sees what was stored before
    /// it, such as [`Talk`].
    pub fn show(&self, button: usize, closed: Option<bool>) {
        self.0[button].store(closed.map_or(0, |closed| 1 + u8::from(closed)), Ordering::Release);
    }

    /// Whether a button is pressed; `None` before it was first read.
    pub fn pressed(&self, button: usize) -> Option<bool> {
        let known = self.0[button].load(Ordering::Acquire);
        (known > 0).then_some(known > 1)
    }
}

/// Whether a talk button is held, for the listener. Clones share the value.
#[derive(Debug, Clone, Default)]
pub struct Talk(Arc<AtomicBool>);

impl Talk {
    /// Stores whether any talk button is held.
    pub fn show(&self, held: bool) {
        self.0.store(held, Ordering::Release);
    }

    /// Whether any talk button is held.
    pub fn held(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Whether voice is ignored, for the listener and the decider. Clones share the value.
#[derive(Debug, Clone, Default)]
pub struct Muted(Arc<AtomicBool>);

impl Muted {
    /// Stores whether voice is ignored.
    pub fn show(&self, muted: bool) {
        self.0.store(muted, Ordering::Release);
    }

    /// Whether voice is ignored, with a talk button too.
    pub fn is_muted(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A debounced contact.
#[derive(Debug, Default)]
pub struct Contact {
    /// Whether it is closed; `None` before it was first read. A contact that is closed when it is first read, for
    /// example by a short circuit, does not count as pressed.
    pub closed: Option<bool>,
    /// Whether it was pressed and is still closed.
    pub held: bool,
    /// Since when it was read with the other state.
    doubt: Option<Duration>,
}

impl Contact {
    /// Takes the state that was read at the time `now`. Returns whether the contact was pressed.
    pub fn look(&mut self, closed: bool, now: Duration, debounce: Duration) -> bool {
        if *self.closed.get_or_insert(closed) == closed {
            self.doubt = None;
            return false;
        }
        let since = *self.doubt.get_or_insert(now);
        if now - since < debounce {
            return false;
        }
        (self.closed, self.held, self.doubt) = (Some(closed), closed, None);
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
    fn a_contact_is_held_from_its_press_until_it_opens_and_not_if_it_was_closed_from_the_start() {
        let held = |drawn: &str| -> String {
            let mut contact = Contact::default();
            let at = |i: usize| Duration::from_millis(5 * i as u64);
            let looks = drawn.chars().enumerate().map(|(i, c)| {
                contact.look(c == '#', at(i), Duration::from_millis(20));
                if contact.held { 'h' } else { '.' }
            });
            looks.collect()
        };
        let table = [
            (".....########.#.......", ".........hhhhhhhhhh..."),
            (".....#.##.............", "......................"),
            ("#######......########.", ".................hhhhh"),
        ];
        for (drawn, expected) in table {
            assert_eq!(held(drawn), expected, "{drawn}");
        }
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
