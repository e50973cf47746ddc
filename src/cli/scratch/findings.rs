//! The findings of an audit: the table and the faults. No input or output.

use std::fmt::{self, Display, Formatter};

use clap::ValueEnum;
use serde_json::{Value, json};

use super::victim::{End, State, Way};
use crate::cli::counted;

/// Each state, with a description for people.
pub const STATES: [(State, &str); 9] = [
    (State::Opened, "before the first byte"),
    (State::Uploading, "while an upload comes"),
    (State::Writing, "while writing"),
    (State::WriteFailed, "when a write failed"),
    (State::AtCap, "at the cap"),
    (State::Sealed, "when sealed"),
    (State::NoModel, "when no model loads"),
    (State::Recognizing, "while recognizing"),
    (State::Done, "when all went well"),
];
/// Each end.
pub const ENDS: [End; 5] = [End::Error, End::Panic, End::Sigterm, End::Sigkill, End::Abort];
/// Each way, with a description for people.
pub const WAYS: [(Way, &str); 2] = [
    (Way::Leaky, "The leaky way: a named temporary file, deleted after its use"),
    (Way::Hearken, "Hearken's way: a file without a name"),
];

/// The files and descriptors that are left of a recording.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    pub files: u64,
    pub bytes: u64,
    /// Open descriptors of such a file in any process, even if the file has no name.
    pub open: u64,
}

/// One victim and what it left, or why it did not end as ordered.
pub struct Ending {
    pub way: Way,
    pub state: State,
    pub end: End,
    pub left: Result<Left, String>,
}

/// Victims that were killed at random moments and what all of them left, or why one was not killed.
pub struct Kills {
    pub way: Way,
    pub killed: u32,
    pub leaving: u32,
    pub left: Result<Left, String>,
}

/// The findings of an audit.
pub struct Findings {
    pub endings: Vec<Ending>,
    pub rounds: Vec<Kills>,
}

impl std::ops::Add for Left {
    type Output = Left;

    fn add(self, other: Left) -> Left {
        Left { files: self.files + other.files, bytes: self.bytes + other.bytes, open: self.open + other.open }
    }
}

impl Findings {
    /// The faults of Hearken or of the audit itself; empty if there are none.
    pub fn faults(&self) -> Vec<String> {
        let endings = self.endings.iter().map(|e| (e.way, format!("{} {}", name(e.state), name(e.end)), &e.left));
        let rounds = self.rounds.iter().map(|r| (r.way, "looping sigkill".into(), &r.left));
        let fault = |(way, what, left): (Way, String, &Result<Left, String>)| match left {
            Err(why) => Some(format!("{} {what}: the victim {why}", name(way))),
            Ok(left) if way == Way::Hearken && *left != Left::default() => Some(format!("hearken {what}: left {left}")),
            Ok(_) => None,
        };
        let mut faults: Vec<String> = endings.chain(rounds).filter_map(fault).collect();
        if self.total(Way::Leaky).files == 0 {
            faults.push("the leaky way left nothing: the audit does not see what is left".into());
        }
        faults
    }

    /// The sum of what all victims of one way left.
    fn total(&self, way: Way) -> Left {
        let lefts = self.endings.iter().filter(|e| e.way == way).flat_map(|e| &e.left);
        lefts.fold(Left::default(), |sum, left| sum + *left)
    }

    fn row(&self, way: Way, state: State) -> impl Iterator<Item = &Ending> {
        self.endings.iter().filter(move |e| e.way == way && e.state == state)
    }

    /// The findings and the faults as JSON.
    pub fn json(&self, faults: &[String]) -> Value {
        let left = |left: &Result<Left, String>| match left {
            Ok(Left { files, bytes, open }) => json!({"files": files, "bytes": bytes, "open": open}),
            Err(why) => json!({"failed": why}),
        };
        let ending =
            |e: &Ending| json!({"way": name(e.way), "state": name(e.state), "end": name(e.end), "left": left(&e.left)});
        let rounds =
            |r: &Kills| json!({"way": name(r.way), "killed": r.killed, "leaving": r.leaving, "left": left(&r.left)});
        json!({
            "endings": self.endings.iter().map(ending).collect::<Vec<_>>(),
            "rounds": self.rounds.iter().map(rounds).collect::<Vec<_>>(),
            "faults": faults,
        })
    }
}

impl Display for Findings {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (way, title) in WAYS {
            write!(f, "{title}\n{:24}", "")?;
            ENDS.iter().try_for_each(|end| write!(f, "{:>15}", name(*end)))?;
            writeln!(f)?;
            for (state, title) in STATES {
                write!(f, "  {title:22}")?;
                for ending in self.row(way, state) {
                    write!(f, "{:>15}", shown(&ending.left))?;
                }
                writeln!(f)?;
            }
            writeln!(f)?;
        }
        for (way, _) in WAYS {
            write!(f, "{}: {} after {} endings", name(way), self.total(way), STATES.len() * ENDS.len())?;
            for rounds in self.rounds.iter().filter(|r| r.way == way) {
                write!(f, ", {} after {} SIGKILLs at random moments", shown(&rounds.left), rounds.killed)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Display for Left {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if *self == Left::default() {
            return f.write_str("nothing");
        }
        let bytes = match self.bytes {
            0..1000 => format!("{} B", self.bytes),
            1000..1_000_000 => format!("{} kB", self.bytes / 1000),
            _ => format!("{:.1} MB", self.bytes as f64 / 1e6),
        };
        write!(f, "{} {bytes}", counted(self.files, "file"))?;
        if self.open > 0 { write!(f, " {} open", self.open) } else { Ok(()) }
    }
}

/// The name of a way, a state or an end on the command line.
pub fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_string()).unwrap_or_default()
}

fn shown(left: &Result<Left, String>) -> String {
    left.as_ref().map_or("failed".into(), Left::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Left = Left { files: 0, bytes: 0, open: 0 };
    const A_FILE: Left = Left { files: 1, bytes: 0, open: 0 };

    /// The faults of an audit of two endings and no rounds.
    fn faults(leaky: Result<Left, String>, hearken: Result<Left, String>) -> Vec<String> {
        let ending = |way, left| Ending { way, state: State::Sealed, end: End::Sigkill, left };
        let endings = vec![ending(Way::Leaky, leaky), ending(Way::Hearken, hearken)];
        Findings { endings, rounds: Vec::new() }.faults()
    }

    #[test]
    fn an_audit_is_good_when_the_leaky_way_leaks_and_hearken_does_not() {
        assert!(faults(Ok(A_FILE), Ok(NOTHING)).is_empty());
    }

    #[test]
    fn whatever_hearken_leaves_is_a_fault() {
        for left in [A_FILE, Left { bytes: 1, ..NOTHING }, Left { open: 1, ..NOTHING }] {
            assert_eq!(faults(Ok(A_FILE), Ok(left)), [format!("hearken sealed sigkill: left {left}")]);
        }
        let killed = |left| Kills { way: Way::Hearken, killed: 7, leaving: 1, left };
        let ending = Ending { way: Way::Leaky, state: State::Sealed, end: End::Sigkill, left: Ok(A_FILE) };
        let findings = Findings { endings: vec![ending], rounds: vec![killed(Ok(A_FILE))] };
        assert_eq!(findings.faults(), ["hearken looping sigkill: left 1 file 0 B"]);
    }

    #[test]
    fn a_victim_that_went_astray_is_a_fault_in_either_way() {
        let astray = || Err("did not reach its state: exit status: 0".to_string());
        let said = ": the victim did not reach its state: exit status: 0";
        assert_eq!(faults(Ok(A_FILE), astray()), [format!("hearken sealed sigkill{said}")]);
        let [first, second] = &faults(astray(), Ok(NOTHING))[..] else { panic!("two faults") };
        assert_eq!(first, &format!("leaky sealed sigkill{said}"));
        assert_eq!(second, "the leaky way left nothing: the audit does not see what is left");
    }

    #[test]
    fn an_audit_that_sees_no_leak_at_all_is_not_believed() {
        assert_eq!(faults(Ok(NOTHING), Ok(NOTHING)).len(), 1);
    }
}
