//! The expected decisions on the WAV files of a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::act::command::Command;
use crate::document::nearest;
use crate::grammar::read::words;
use crate::grammar::{Grammar, Sentence, SlotValue};

/// Name of the file that lists the expected decisions.
pub const LIST: &str = "expected.jsonl";
/// Name of the folder whose WAV files are to be refused, if there is no list.
const REFUSED: &str = "other";
/// Longest list that is read, in bytes: a hundred thousand lines.
const MAX_BYTES: u64 = 16 << 20;
/// Deepest nesting of folders.
const MAX_DEPTH: usize = 16;

const KEYS: [&str; 7] = ["file", "sentence", "command", "slots", "rejected", "speaker", "set"];
const AS_IN: &str = r#"as in {"file": "a.wav", "sentence": "turn on the lamp"}"#;

/// The expected decision on a clip.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// This sentence, or one with the same meaning. The spelling of its words does not matter.
    Sentence(String),
    /// This command, with at least these slots.
    Command {
        /// The command's name.
        command: String,
        /// The slots that must have these values.
        slots: BTreeMap<String, String>,
    },
    /// The clip is to be refused.
    Rejected,
}

/// Whether a slot's value is the one that was expected: the same number, or the same words.
fn same(value: &SlotValue, expected: &str) -> bool {
    let value = value.to_string();
    match (number(&value), number(expected)) {
        (Some(value), Some(expected)) => value == expected,
        _ => words(&value) == words(expected),
    }
}

/// The number that `text` is, in digits or in words.
fn number(text: &str) -> Option<f64> {
    let digits = text.trim().parse().or_else(|_| words(text).join(" ").parse());
    digits.ok().filter(|number: &f64| number.is_finite())
}

impl Expected {
    /// Whether `sentence`, which is one of `grammar` for one of `commands`, is as expected. Always false if the clip is
    /// to be refused.
    pub fn is(&self, sentence: &Sentence, commands: &[Command], grammar: &Grammar) -> bool {
        match self {
            Expected::Sentence(text) => words(text) == words(&sentence.words) || grammar.says_as(text, sentence),
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

    /// The keys that it has in the list.
    pub fn json(&self) -> Value {
        match self {
            Expected::Sentence(text) => json!({"sentence": text}),
            Expected::Command { command, slots } => json!({"command": command, "slots": slots}),
            Expected::Rejected => json!({"rejected": true}),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Sentence(text) => f.write_str(text),
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
    /// Its name in reports: its path below the folder, preceded by the folder if there are several.
    pub name: String,
    /// Its path below the folder.
    pub path_in_folder: String,
    /// Its path.
    pub path: PathBuf,
    /// The place of the expectation: file and line of the list, or the path of the file if there is no list.
    pub place: String,
    /// The set that it is counted in.
    pub set: Option<String>,
    /// Who speaks.
    pub speaker: Option<String>,
    /// The expected decision.
    pub expected: Expected,
}

/// The faults for which a folder cannot be evaluated, one line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Faults(pub(super) Vec<String>);

/// The WAV files under `dir` and the expected decisions, in the order of their names. Names that begin with a dot are
/// ignored.
///
/// # Errors
/// [`Faults`] of the folder and its list, which must name them all.
pub fn cases(dir: &Path, commands: &[Command]) -> Result<Vec<Case>, Faults> {
    let (cases, left_out) = listed_cases(dir, commands, None)?;
    if left_out.is_empty() { Ok(cases) } else { Err(Faults(left_out)) }
}

/// [`cases`], and a line for each file that the list leaves out. The file `noise` may lie in the folder: it is a case
/// only if the list says so.
///
/// # Errors
/// [`Faults`] of the folder and its list.
pub fn listed_cases(
    dir: &Path,
    commands: &[Command],
    noise: Option<&Path>,
) -> Result<(Vec<Case>, Vec<String>), Faults> {
    let fault = |path: &Path, what: &dyn fmt::Display| Faults(vec![format!("{}: {what}", path.display())]);
    if !dir.is_dir() {
        return Err(fault(dir, &"no such folder; give a folder with WAV files"));
    }
    let mut found = Vec::new();
    wavs(dir, dir, MAX_DEPTH, &mut found).map_err(|(path, e)| fault(&path, &e))?;
    found.sort();
    let noise = noise.and_then(|noise| noise.canonicalize().ok());
    let counts = |name: &&String| noise.is_none() || dir.join(name).canonicalize().ok() != noise;
    if !found.iter().any(|name| counts(&name)) {
        return Err(fault(dir, &"no WAV file in it or below; their names must end in .wav"));
    }
    let list = dir.join(LIST);
    let cases = match read(&list) {
        Ok(text) => listed(dir, &list, &text, &found, commands)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Ok((found.iter().filter(counts).map(|name| by_name(dir, name)).collect(), Vec::new()));
        }
        Err(e) => return Err(fault(&list, &e)),
    };
    let left_out = found.iter().filter(|name| !cases.contains_key(*name)).filter(counts).map(|name| {
        let example = json!({"file": name, "rejected": true});
        format!("{}: {name:?} is not in the list; add a line such as {example}", list.display())
    });
    let left_out: Vec<String> = left_out.collect();
    if cases.is_empty() { Err(Faults(left_out)) } else { Ok((cases.into_values().collect(), left_out)) }
}

/// A warning for each of `cases` that no decision can meet: its sentence is not in `grammar`, or its command has no
/// such slot.
pub fn warnings(cases: &[Case], commands: &[Command], grammar: &Grammar) -> Vec<String> {
    let mut slots_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let slots = |name: &str| {
        let command = commands.iter().position(|command| command.name == name);
        command.into_iter().flat_map(|command| grammar.slots(command)).collect()
    };
    let mut warnings = Vec::new();
    for Case { place, expected, .. } in cases {
        let mut never = |what| warnings.push(format!("{place}: {what}; no decision on it can be right"));
        match expected {
            Expected::Sentence(text) if !grammar.says(text) => never(format!("{text:?}: no command says it")),
            Expected::Command { command, slots: expected } => {
                let known = slots_of.entry(command).or_insert_with(|| slots(command));
                let unknown = expected.keys().filter(|slot| !known.contains(slot.as_str()));
                unknown.for_each(|slot| never(format!("slots.{slot}: {}", no_slot(command, slot, known))));
            }
            Expected::Sentence(_) | Expected::Rejected => {}
        }
    }
    warnings
}

fn no_slot(command: &str, slot: &str, known: &BTreeSet<&str>) -> String {
    let known: Vec<&str> = known.iter().copied().collect();
    let hint = match (nearest(slot, &known), known.as_slice()) {
        (Some(near), _) => format!("did you mean {near:?}?"),
        (None, []) => "it has none".into(),
        (None, known) => format!("it has {}", known.join(", ")),
    };
    format!("the command {command:?} has no slot {slot:?}; {hint}")
}

fn read(list: &Path) -> io::Result<String> {
    let about = std::fs::metadata(list)?;
    if !about.is_file() || about.len() > MAX_BYTES {
        return Err(io::Error::other(format!("not a regular file of at most {} MiB", MAX_BYTES >> 20)));
    }
    std::fs::read_to_string(list)
}

/// Adds the paths, relative to `top`, of the WAV files under `dir` to `found`. Links to folders are not followed, and
/// names that begin with a dot are ignored, because macOS writes "._a.wav" beside "a.wav".
fn wavs(top: &Path, dir: &Path, depth: usize, found: &mut Vec<String>) -> Result<(), (PathBuf, io::Error)> {
    let at = |e| (dir.to_path_buf(), e);
    if depth == 0 {
        return Err(at(io::Error::other(format!("more than {MAX_DEPTH} folders in each other"))));
    }
    for entry in std::fs::read_dir(dir).map_err(at)? {
        let entry = entry.map_err(at)?;
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
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
    let path = dir.join(name);
    let place = path.display().to_string();
    Case { name: name.into(), path_in_folder: name.into(), path, place, set: None, speaker: None, expected }
}

/// The cases that `text`, the list, gives to the `found` files, by their names.
fn listed(
    dir: &Path,
    list: &Path,
    text: &str,
    found: &[String],
    commands: &[Command],
) -> Result<BTreeMap<String, Case>, Faults> {
    let known: BTreeSet<&String> = found.iter().collect();
    let (mut cases, mut faults) = (BTreeMap::new(), Vec::new());
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = format!("{}:{}", list.display(), number + 1);
        let mut fault = |what: String| faults.push(format!("{place}: {what}"));
        match entry(line, commands) {
            Err(what) => fault(what),
            Ok(Entry { name, .. }) if !known.contains(&name) => {
                fault(format!("file: there is no WAV file {name:?} under {}", dir.display()));
            }
            Ok(Entry { name, .. }) if cases.contains_key(&name) => {
                fault(format!("file: {name:?} is in the list twice; keep one of the lines"));
            }
            Ok(Entry { name, set, speaker, expected }) => {
                let (path, path_in_folder) = (dir.join(&name), name.clone());
                cases.insert(name.clone(), Case { name, path_in_folder, path, place, set, speaker, expected });
            }
        }
    }
    if faults.is_empty() { Ok(cases) } else { Err(Faults(faults)) }
}

/// The content of one line of the list.
struct Entry {
    name: String,
    set: Option<String>,
    speaker: Option<String>,
    expected: Expected,
}

fn entry(line: &str, commands: &[Command]) -> Result<Entry, String> {
    let object = object(line)?;
    let name = text(&object, "file")?.ok_or_else(|| format!("file: missing; {AS_IN}"))?;
    let name = name.trim_start_matches("./").to_string();
    let [set, speaker] = [group(&object, "set")?, group(&object, "speaker")?];
    Ok(Entry { name, set, speaker, expected: expected(&object, commands)? })
}

fn expected(object: &Map<String, Value>, commands: &[Command]) -> Result<Expected, String> {
    let slots = slots(object)?;
    let expected = match (text(object, "sentence")?, text(object, "command")?, object.get("rejected")) {
        (None, Some(command), None) => return Ok(Expected::Command { command: known(command, commands)?, slots }),
        (Some(words), None, None) => Expected::Sentence(words),
        (None, None, Some(Value::Bool(true))) => Expected::Rejected,
        (None, None, Some(other)) => return Err(format!("rejected: {other}; only true is possible")),
        _ => return Err(format!("one of \"sentence\", \"command\", \"rejected\" is needed; {AS_IN}")),
    };
    if slots.is_empty() { Ok(expected) } else { Err("slots: only together with \"command\"".into()) }
}

/// Parses a line and keeps the keys that have a value: `null` counts as absent, and so does "rejected" that is false.
/// Unknown keys are allowed, unless they look like a misspelled key that is missing.
fn object(line: &str) -> Result<Map<String, Value>, String> {
    let mut object: Map<String, Value> = serde_json::from_str(line).map_err(|e| {
        let what = e.to_string();
        let what = what.split(" at line").next().unwrap_or_default();
        format!("not a JSON object (column {}: {what}); {AS_IN}", e.column())
    })?;
    let says_nothing =
        |key: &str, value: &Value| value.is_null() || (key == "rejected" && *value == Value::Bool(false));
    object.retain(|key, value| !says_nothing(key, value));
    let missing = |key: &str| -> Vec<&str> {
        KEYS.into_iter().filter(|known| !object.contains_key(*known) && may_be_meant(known, key)).collect()
    };
    let unknown = object.keys().filter(|key| !KEYS.contains(&key.as_str()));
    let typo = unknown.into_iter().find_map(|key| Some((key, nearest(key, &missing(key))?)));
    typo.map_or(Ok(()), |(key, meant)| Err(format!("unknown key {key:?}; did you mean {meant:?}?")))?;
    Ok(object)
}

/// Whether the unknown `key` may be a misspelling of the `known` one. "set" is so short that other keys, such as "text"
/// and "user", look similar, so only a key that begins in the same way may be meant.
fn may_be_meant(known: &str, key: &str) -> bool {
    known != "set" || key.to_lowercase().starts_with("set")
}

/// The name of a group that the clip is counted in.
fn group(object: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match text(object, key)? {
        Some(name) if name.trim().is_empty() => {
            Err(format!("{key}: {name:?} is no name; without the key there is none"))
        }
        name => Ok(name),
    }
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
        Value::Number(_) | Value::Bool(_) => Ok((name.clone(), value.to_string())),
        other => Err(format!("slots.{name}: {other} is neither a string nor a number")),
    };
    slots.iter().filter(|(_, value)| !value.is_null()).map(value).collect()
}
