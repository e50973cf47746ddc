//! What each WAV file of a folder should be decided as.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::command::Command;
use crate::document::nearest;
use crate::grammar::{Sentence, SlotValue};

/// The file that says it.
pub const LIST: &str = "expected.jsonl";
/// Without it, WAV files below a folder of this name are to be refused.
const REFUSED: &str = "other";
/// Longest list that is read, in bytes: a hundred thousand lines.
const MAX_BYTES: u64 = 16 << 20;
/// Most folders in each other.
const MAX_DEPTH: usize = 16;

const KEYS: [&str; 5] = ["file", "sentence", "command", "slots", "rejected"];
const AS_IN: &str = r#"as in {"file": "a.wav", "sentence": "turn on the lamp"}"#;

/// What a clip should be decided as.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// This sentence: the words of the configuration, numbers in digits. Case does not count.
    Sentence(String),
    /// This command, with at least these slots.
    Command {
        /// The command's name.
        command: String,
        /// The slots that must have these values.
        slots: BTreeMap<String, String>,
    },
    /// No command.
    Rejected,
}

/// Lower case, one space between words.
fn plain(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a slot's value is the one that was expected: as text, or as an integer.
fn same(value: &SlotValue, expected: &str) -> bool {
    let value = value.to_string();
    let integers = (value.trim().parse::<i64>(), expected.trim().parse::<i64>());
    plain(&value) == plain(expected) || matches!(integers, (Ok(a), Ok(b)) if a == b)
}

impl Expected {
    /// Whether this is what `sentence`, one of `commands`, says. Nothing is, where nothing was expected.
    pub fn is(&self, sentence: &Sentence, commands: &[Command]) -> bool {
        match self {
            Expected::Sentence(words) => plain(words) == plain(&sentence.words),
            Expected::Command { command, slots } => {
                let held = |(name, value): (&String, &String)| sentence.slots.get(name).is_some_and(|v| same(v, value));
                commands[sentence.command].name == *command && slots.iter().all(held)
            }
            Expected::Rejected => false,
        }
    }

    /// The slots of `sentence` that were not expected. A sentence that is expected word by word has none.
    pub fn extra(&self, sentence: &Sentence) -> Vec<String> {
        match self {
            Expected::Command { slots, .. } => {
                sentence.slots.keys().filter(|name| !slots.contains_key(*name)).cloned().collect()
            }
            Expected::Sentence(_) | Expected::Rejected => Vec::new(),
        }
    }

    /// As it stands in the list.
    pub fn json(&self) -> Value {
        match self {
            Expected::Sentence(words) => json!({"sentence": words}),
            Expected::Command { command, slots } => json!({"command": command, "slots": slots}),
            Expected::Rejected => json!({"rejected": true}),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Sentence(words) => f.write_str(words),
            Expected::Command { command, slots } => {
                let slots: Vec<String> = slots.iter().map(|(name, value)| format!(" {name}={value}")).collect();
                write!(f, "{command}{}", slots.concat())
            }
            Expected::Rejected => f.write_str("no command"),
        }
    }
}

/// A WAV file and what it should be decided as.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its path below the folder.
    pub name: String,
    /// Its path.
    pub path: PathBuf,
    /// What it should be.
    pub expected: Expected,
}

/// Why a folder cannot be evaluated: every fault, a line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Faults(Vec<String>);

/// The WAV files under `dir` and what each should be, in the order of their names.
///
/// # Errors
/// [`Faults`] of the folder and its list.
pub fn cases(dir: &Path, commands: &[Command]) -> Result<Vec<Case>, Faults> {
    let fault = |path: &Path, what: &dyn fmt::Display| Faults(vec![format!("{}: {what}", path.display())]);
    let mut found = Vec::new();
    wavs(dir, dir, MAX_DEPTH, &mut found).map_err(|(path, e)| fault(&path, &e))?;
    if found.is_empty() {
        return Err(fault(dir, &"no WAV file in it or below; files that end in .wav would do"));
    }
    found.sort();
    let list = dir.join(LIST);
    match read(&list) {
        Ok(text) => listed(dir, &list, &text, &found, commands),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(found.iter().map(|name| by_name(dir, name)).collect()),
        Err(e) => Err(fault(&list, &e)),
    }
}

fn read(list: &Path) -> io::Result<String> {
    let about = std::fs::metadata(list)?;
    if !about.is_file() || about.len() > MAX_BYTES {
        return Err(io::Error::other(format!("not a regular file of at most {} MiB", MAX_BYTES >> 20)));
    }
    std::fs::read_to_string(list)
}

/// Puts the paths below `top` of the WAV files under `dir` into `found`. Links to folders are not followed.
fn wavs(top: &Path, dir: &Path, depth: usize, found: &mut Vec<String>) -> Result<(), (PathBuf, io::Error)> {
    let at = |e| (dir.to_path_buf(), e);
    if depth == 0 {
        return Err(at(io::Error::other(format!("more than {MAX_DEPTH} folders in each other"))));
    }
    for entry in std::fs::read_dir(dir).map_err(at)? {
        let entry = entry.map_err(at)?;
        let path = entry.path();
        if entry.file_type().map_err(at)?.is_dir() {
            wavs(top, &path, depth - 1, found)?;
        } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("wav")) {
            found.push(path.strip_prefix(top).unwrap_or(&path).to_string_lossy().into_owned());
        }
    }
    Ok(())
}

fn by_name(dir: &Path, name: &str) -> Case {
    let within = dir.canonicalize().unwrap_or_else(|_| dir.into());
    let folders = Path::new(name).parent().into_iter().flat_map(Path::iter);
    let refused = within.file_name().into_iter().chain(folders).any(|folder| folder == REFUSED);
    let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let expected = if refused { Expected::Rejected } else { Expected::Sentence(stem) };
    Case { name: name.into(), path: dir.join(name), expected }
}

/// The cases that `text`, the list, gives to the `found` files.
fn listed(dir: &Path, list: &Path, text: &str, found: &[String], commands: &[Command]) -> Result<Vec<Case>, Faults> {
    let known: BTreeSet<&String> = found.iter().collect();
    let (mut cases, mut faults) = (BTreeMap::new(), Vec::new());
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let mut fault = |what: String| faults.push(format!("{}:{}: {what}", list.display(), number + 1));
        match entry(line, commands) {
            Err(what) => fault(what),
            Ok((name, _)) if !known.contains(&name) => {
                fault(format!("file: there is no WAV file {name:?} under {}", dir.display()));
            }
            Ok((name, expected)) => {
                let case = Case { path: dir.join(&name), name: name.clone(), expected };
                if cases.insert(name.clone(), case).is_some() {
                    fault(format!("file: {name:?} stands in the list twice; once would be right"));
                }
            }
        }
    }
    // What a faulty line was about is not known: only a good list can leave a file out.
    if faults.is_empty() {
        let left_out = known.iter().filter(|name| !cases.contains_key(**name));
        let wanted = |name: &&&String| {
            let example = json!({"file": name, "rejected": true});
            format!("{}: {name:?} is not in the list; a line such as {example} would do", list.display())
        };
        faults.extend(left_out.map(|name| wanted(&name)));
    }
    if faults.is_empty() { Ok(cases.into_values().collect()) } else { Err(Faults(faults)) }
}

/// What one line of the list says.
fn entry(line: &str, commands: &[Command]) -> Result<(String, Expected), String> {
    let object: Map<String, Value> = serde_json::from_str(line).map_err(|e| {
        let what = e.to_string();
        let what = what.split(" at line").next().unwrap_or_default();
        format!("not a JSON object (column {}: {what}); {AS_IN}", e.column())
    })?;
    if let Some(key) = object.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let hint =
            nearest(key, &KEYS).map_or(format!("there are {}", KEYS.join(", ")), |k| format!("did you mean {k:?}?"));
        return Err(format!("unknown key {key:?}; {hint}"));
    }
    let name = text(&object, "file")?.ok_or_else(|| format!("file: missing; {AS_IN}"))?;
    let expected = match (text(&object, "sentence")?, text(&object, "command")?, object.get("rejected")) {
        (Some(words), None, None) => Expected::Sentence(words),
        (None, Some(command), None) => Expected::Command { command: known(command, commands)?, slots: slots(&object)? },
        (None, None, Some(Value::Bool(true))) => Expected::Rejected,
        (None, None, Some(other)) => return Err(format!("rejected: {other}; true would be right")),
        _ => return Err(format!("one of \"sentence\", \"command\", \"rejected\" would be right; {AS_IN}")),
    };
    if object.contains_key("slots") && !matches!(expected, Expected::Command { .. }) {
        return Err("slots: only together with \"command\"".into());
    }
    Ok((name, expected))
}

fn text(object: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match object.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("{key}: {other} is not a string; {AS_IN}")),
    }
}

fn known(command: String, commands: &[Command]) -> Result<String, String> {
    let names: Vec<&str> = commands.iter().map(|c| c.name.as_str()).collect();
    if names.contains(&command.as_str()) {
        return Ok(command);
    }
    let hint = nearest(&command, &names).map_or(String::new(), |name| format!("; did you mean {name:?}?"));
    Err(format!("command: the configuration has no command {command:?}{hint}"))
}

fn slots(object: &Map<String, Value>) -> Result<BTreeMap<String, String>, String> {
    let slots = match object.get("slots") {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(slots)) => slots,
        Some(other) => return Err(format!("slots: {other} is not an object; as in {{\"state\": \"on\"}}")),
    };
    let value = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Ok((name.clone(), text.clone())),
        Value::Number(number) => Ok((name.clone(), number.to_string())),
        other => Err(format!("slots.{name}: {other} is neither a string nor a number")),
    };
    slots.iter().map(value).collect()
}
