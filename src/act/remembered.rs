//! Saves the requested states of outputs with `remember` in a small file, and restores them after a restart.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::act::command::{Action, Output};
use crate::act::gpio::Duty;
use crate::act::states::States;

/// Name of the file. It holds a JSON object with the state of each output by its name, in thousandths of on.
const FILE: &str = "outputs.json";
/// Pause after a failed write. A full disk may have space again later.
const AGAIN: Duration = Duration::from_secs(10);
/// Largest file that is read, in bytes: enough for all outputs of any board, with long names.
const MAX_BYTES: u64 = 64 << 10;

/// The file and its content.
#[derive(Debug)]
pub struct Remembered {
    path: PathBuf,
    outputs: Vec<Entry>,
    written: Vec<Option<Duty>>,
    /// When the last write failed, if it did.
    failed: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    output: usize,
    name: String,
    dims: bool,
}

impl Remembered {
    /// Opens the file in `dir` for those `outputs` that have `remember`; `None` if there are none. An invalid file is
    /// ignored, with a warning.
    pub fn open(dir: &Path, outputs: &[Output]) -> Option<Remembered> {
        let remembered = outputs.iter().enumerate().filter(|(_, output)| output.remember);
        let known = |(output, o): (usize, &Output)| Entry { output, name: o.name.clone(), dims: o.dimmer.is_some() };
        let outputs: Vec<Entry> = remembered.map(known).collect();
        if outputs.is_empty() {
            return None;
        }
        let path = dir.join(FILE);
        let known = match read(&path) {
            Ok(known) => known,
            Err(e) if e.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(e) => {
                tracing::warn!("{}: {e}; all outputs begin at rest", path.display());
                BTreeMap::new()
            }
        };
        let written = outputs.iter().map(|o| known.get(&o.name).map(|n| Duty::thousandths(*n))).collect();
        Some(Remembered { path, outputs, written, failed: None })
    }

    /// The actions that restore the saved states.
    pub fn recall(&self) -> Vec<Action> {
        let set = |(o, duty): (&Entry, &Option<Duty>)| {
            // If the output could be dimmed when it was saved and cannot be now, any share of on becomes on.
            let duty = duty.map(|duty| if o.dims { duty } else { (duty > Duty::NONE).into() });
            duty.map(|duty| Action::Set(o.output, duty))
        };
        self.outputs.iter().zip(&self.written).filter_map(set).collect()
    }

    /// Saves the lasting states if they have changed. After a failure it waits before it tries again.
    pub fn note(&mut self, states: &States) {
        if self.failed.is_none_or(|failed| failed.elapsed() >= AGAIN) {
            self.note_at_last(states);
        }
    }

    /// As [`note`](Remembered::note), but also directly after a failure. For the end of the daemon.
    pub fn note_at_last(&mut self, states: &States) {
        let now: Vec<Option<Duty>> = self.outputs.iter().map(|o| Some(states.lasting(o.output))).collect();
        if now == self.written {
            return;
        }
        let object: BTreeMap<&str, u16> =
            self.outputs.iter().map(|o| (o.name.as_str(), states.lasting(o.output).get())).collect();
        match write(&self.path, &serde_json::json!(object).to_string()) {
            Ok(()) => (self.written, self.failed) = (now, None),
            Err(error) => {
                if self.failed.replace(Instant::now()).is_none() {
                    tracing::warn!("outputs are not remembered: {}: {error}", self.path.display());
                }
            }
        }
    }
}

fn read(path: &Path) -> io::Result<BTreeMap<String, u16>> {
    if std::fs::metadata(path)?.len() > MAX_BYTES {
        return Err(io::Error::other("larger than this file can be"));
    }
    Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
}

/// Replaces the whole file, so that after a power cut there is either the old one or the new one.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

/// The default directory of the file: the service's directory, else the user's; `None` if neither is known.
pub fn default_dir() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("STATE_DIRECTORY")
        .or_else(|| set("XDG_STATE_HOME").map(|dir| dir.join("hearken")))
        .or_else(|| set("HOME").map(|dir| dir.join(".local/state/hearken")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::command::{Dimmer, Limits};
    use crate::act::gpio::{Line, Pwm};

    fn outputs() -> Vec<Output> {
        let output = |name: &str, remember| Output {
            name: name.into(),
            line: Line::Number(17),
            active_low: false,
            rest: false,
            dimmer: Some(Dimmer { pwm: Pwm { hertz: 200, hardware: None }, fade: Duration::ZERO }),
            remember,
            limits: Limits::default(),
        };
        vec![output("bell", false), output("lamp", true), output("fan", true)]
    }

    #[test]
    fn what_is_remembered_comes_back_and_the_rest_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, outputs) = (dir.path().join("new"), outputs());
        let states = States::at_rest(&outputs);
        let mut remembered = Remembered::open(&dir, &outputs).unwrap();
        assert_eq!(remembered.recall(), []);
        states.show(0, Duty::FULL, Duty::FULL);
        states.show(1, Duty::NONE, Duty::thousandths(400));
        remembered.note(&states);
        let again = Remembered::open(&dir, &outputs).unwrap();
        assert_eq!(again.recall(), [Action::Set(1, Duty::thousandths(400)), Action::Set(2, Duty::NONE)]);
        let plain = [Output { dimmer: None, ..outputs[1].clone() }];
        assert_eq!(
            Remembered::open(&dir, &plain).unwrap().recall(),
            [Action::Set(0, Duty::FULL)],
            "no dimmer any more"
        );
        assert!(Remembered::open(&dir, &outputs[..1]).is_none());
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "one file, whatever happens");
    }

    #[test]
    fn what_cannot_be_written_is_written_when_it_can_be() {
        let dir = tempfile::tempdir().unwrap();
        let (place, outputs) = (dir.path().join("state"), outputs());
        std::fs::write(&place, "in the way").unwrap();
        let states = States::at_rest(&outputs);
        let mut remembered = Remembered { failed: None, ..Remembered::open(&place, &outputs).unwrap() };
        remembered.note(&states);
        std::fs::remove_file(&place).unwrap();
        remembered.note_at_last(&states);
        assert_eq!(std::fs::read_to_string(place.join(FILE)).unwrap(), "{\"fan\":0,\"lamp\":0}");
    }

    #[test]
    fn nothing_is_written_while_nothing_changes() {
        let dir = tempfile::tempdir().unwrap();
        let outputs = outputs();
        let states = States::at_rest(&outputs);
        let mut remembered = Remembered::open(dir.path(), &outputs).unwrap();
        remembered.note(&states);
        std::fs::remove_file(dir.path().join(FILE)).unwrap();
        remembered.note(&states);
        assert!(!dir.path().join(FILE).exists());
    }

    #[test]
    fn a_file_that_makes_no_sense_is_as_none() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{\"lamp\": \"on\"}", "{\"lamp\": 99999}", "[]", "{\"lamp\":"] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            assert_eq!(Remembered::open(dir.path(), &outputs()).unwrap().recall(), [], "{text}");
        }
        std::fs::write(dir.path().join(FILE), "{\"gone\": 1000, \"lamp\": 1001}").unwrap();
        assert_eq!(Remembered::open(dir.path(), &outputs()).unwrap().recall(), [Action::Set(1, Duty::FULL)]);
    }
}
