//! A key of a configuration: what it takes, what holds without it, and how it is read. No input or output.

use std::time::Duration;

use Kind::{Bytes, Hertz, Number, Time, Whole};
use Usual::{Needed, Value as Is};

use super::units;
use crate::document::{Placed, Section, Value};

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A string.
    Text,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// true or false.
    Boolean,
    /// A number within these bounds.
    Number(f64, f64),
    /// A whole number within these bounds.
    Whole(i64, i64),
    /// A time within these bounds, in milliseconds: "200 ms".
    Time(u64, u64),
    /// A size within these bounds, in bytes: "8 MiB".
    Bytes(u64, u64),
    /// A frequency within these bounds, in hertz: "200 Hz".
    Hertz(u32, u32),
    /// A string, or several in an array.
    Texts,
    /// A number of a pin, or with `backend = "gpiocdev"` the name of its line.
    Pin,
    /// A table of names that the user gives, each with what is told here.
    Named(&'static str),
    /// A table with the keys of a section of its own.
    Table,
}

/// What holds where a key is missing. The settings of a room that has defaults of its own are compared with it by a
/// test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Usual {
    /// This, as it would be written.
    Value(&'static str),
    /// What these words say.
    Told(&'static str),
    /// Nothing.
    None,
    /// It must not be missing; this is an example.
    Needed(&'static str),
}

/// A key of a configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What holds without it.
    pub usual: Usual,
    /// What it is for, in a sentence.
    pub about: &'static str,
}

/// A section, and its keys.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Keys {
    /// Its name; `NAME` stands for one that the user gives. Empty for what stands before all sections.
    pub section: &'static str,
    /// What it is for, in a sentence.
    pub about: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

pub(super) const fn key(name: &'static str, kind: Kind, usual: Usual, about: &'static str) -> Key {
    Key { name, kind, usual, about }
}

impl Key {
    /// Its value in `section`, if it is there; notes a problem if it is needed and missing.
    pub fn get<'d>(&self, section: &Section<'d>) -> Option<Value<'d>> {
        match self.usual {
            Needed(example) => section.need(self.name, example),
            _ => section.get(self.name),
        }
    }

    /// As a string.
    pub fn text(&self, section: &Section<'_>) -> Option<Placed<String>> {
        self.get(section)?.string()
    }

    /// As what one of its strings stands for: `meaning` has them all.
    pub fn one_of<T: Copy>(&self, section: &Section<'_>, meaning: &[(&str, T)]) -> Option<T> {
        let value = self.get(section)?;
        let text = value.string()?.value;
        let found = meaning.iter().find(|(name, _)| *name == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let names: Vec<String> = meaning.iter().map(|(name, _)| format!("{name:?}")).collect();
            let listed = names.split_last().map(|(last, others)| match others {
                [] => last.clone(),
                others => format!("{} or {last}", others.join(", ")),
            });
            value.problem(format!("{} is needed", listed.unwrap_or_default()));
        }
        found
    }

    /// As true or false.
    pub fn boolean(&self, section: &Section<'_>) -> Option<bool> {
        self.get(section)?.boolean()
    }

    /// As a number within its bounds.
    pub fn number(&self, section: &Section<'_>) -> Option<f64> {
        self.number_of(&self.get(section)?)
    }

    /// The same of a `value` that was got before.
    pub fn number_of(&self, value: &Value<'_>) -> Option<f64> {
        let Number(from, to) = self.kind else { return None };
        value.number(from..=to)
    }

    /// As a whole number within its bounds.
    pub fn whole(&self, section: &Section<'_>) -> Option<i64> {
        let Whole(from, to) = self.kind else { return None };
        self.get(section)?.integer(from..=to)
    }

    /// As a time within its bounds.
    pub fn time(&self, section: &Section<'_>) -> Option<Duration> {
        self.time_of(&self.get(section)?)
    }

    /// The same of its `value`, which was got before.
    pub fn time_of(&self, value: &Value<'_>) -> Option<Duration> {
        let Time(from, _) = self.kind else { return None };
        self.time_from(value, Duration::from_millis(from))
    }

    /// The same with another lower bound than the table's.
    pub fn time_from(&self, value: &Value<'_>, least: Duration) -> Option<Duration> {
        let Time(_, to) = self.kind else { return None };
        units::duration(value, least..=Duration::from_millis(to))
    }

    /// As a time within its bounds; its default where it is missing or has a fault.
    pub fn time_or_usual(&self, section: &Section<'_>) -> Duration {
        self.time(section).unwrap_or_else(|| self.usual_time())
    }

    /// Its default as a time.
    pub fn usual_time(&self) -> Duration {
        let Is(usual) = self.usual else { return Duration::ZERO };
        units::seconds(usual.trim_matches('"')).map(Duration::from_secs_f64).unwrap_or_default()
    }

    /// As a size within its bounds, in bytes.
    pub fn bytes(&self, section: &Section<'_>) -> Option<u64> {
        let Bytes(from, to) = self.kind else { return None };
        units::bytes(&self.get(section)?, from..=to)
    }

    /// Its `value`, which was got before, as a frequency within its bounds, in hertz.
    pub fn hertz_of(&self, value: &Value<'_>) -> Option<u32> {
        let Hertz(from, to) = self.kind else { return None };
        units::hertz(value, from..=to)
    }
}
