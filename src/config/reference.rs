//! What is made of the table of keys: the reference page, a JSON Schema for editors, and every value in force. Pure.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Settings;
use super::keys::{Key, Keys, Kind, SECTIONS, Usual};
use crate::act::buttons::Button;
use crate::act::command::Output;
use crate::act::gpio::{Backend, Duty, Line, Pull};
use crate::document;

/// The reference page, in Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# Configuration\n\nA configuration is a TOML file. This page is made from the table of keys in the program\n\
         (`hearken config reference`), so it says what this version reads. An unknown key is refused, with what was probably meant.\n\
         `hearken config show FILE` prints every value that is in force, and where it comes from. `hearken config schema` prints a\n\
         JSON Schema, with which editors complete and check the keys.\n\n\
         Times are written as \"200 ms\", \"2 s\", \"5 min\" or \"1 h\", sizes as \"8 MiB\" or \"64 kB\", frequencies as \"200 Hz\" or \"1 kHz\".\n",
    );
    for Keys { section, about, keys } in SECTIONS {
        let heading = match section {
            "" => "Before all sections".into(),
            "commands" => "`[[commands]]`".into(),
            section => format!("`[{section}]`"),
        };
        let _ = write!(page, "\n## {heading}\n\n{}\n", cell(about));
        if !keys.is_empty() {
            page += "\n| key | takes | without it | meaning |\n|---|---|---|---|\n";
        }
        for key in keys {
            let _ = writeln!(page, "| `{}` | {} | {} | {} |", key.name, takes(key), without(key), cell(key.about));
        }
    }
    page
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<")
}

fn takes(key: &Key) -> String {
    match key.kind {
        Kind::Text => "a string".into(),
        Kind::OneOf(names) => names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", "),
        Kind::Boolean => "true or false".into(),
        Kind::Number(from, to) => format!("a number from {from} to {to}"),
        Kind::Whole(from, to) => format!("a whole number from {from} to {to}"),
        Kind::Time(from, to) => format!("a time from {} to {}", time(millis(from)), time(millis(to))),
        Kind::Bytes(from, to) => format!("a size from {} to {}", size(from), size(to)),
        Kind::Hertz(from, to) => format!("a frequency from {from} to {to} Hz"),
        Kind::Texts => "a string, or several: [\"…\", \"…\"]".into(),
        Kind::Pin => "a whole number, or with gpiocdev a line's name".into(),
        Kind::Named(entry) => cell(&format!("{{ {entry} }}")),
        Kind::Table => "a table".into(),
    }
}

fn without(key: &Key) -> String {
    match key.usual {
        Usual::Value(value) => value.into(),
        Usual::Told(words) => words.into(),
        Usual::None => "nothing".into(),
        Usual::Needed(_) => "must be there".into(),
    }
}

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// As a person writes it: in the largest unit that leaves a whole number.
fn time(time: Duration) -> String {
    let ms = time.as_millis();
    let (unit, name) = [(3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")]
        .into_iter()
        .find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit))
        .unwrap_or((1, "ms"));
    format!("{} {name}", ms / unit)
}

fn size(bytes: u64) -> String {
    let (unit, name) = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")]
        .into_iter()
        .find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit))
        .unwrap_or((1, "B"));
    format!("{} {name}", bytes / unit)
}

/// A JSON Schema of a configuration (draft 2020-12, which editors for TOML understand).
pub fn schema() -> Value {
    let mut root = object(SECTIONS[0].keys);
    for keys in &SECTIONS[1..] {
        place(&mut root, keys);
    }
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("Hearken's configuration");
    root
}

/// Puts the schema of a section where its name says: `NAME` is any name, and commands are a list.
fn place(root: &mut Value, keys: &Keys) {
    let mut at = root;
    let path: Vec<&str> = keys.section.split('.').collect();
    for (depth, name) in path.iter().enumerate() {
        let last = depth + 1 == path.len();
        let slot = match *name {
            "NAME" => &mut at["additionalProperties"],
            name => &mut at["properties"][name],
        };
        if last || !slot.is_object() {
            let leaf = if last { section(keys) } else { json!({"type": "object"}) };
            *slot = leaf;
        }
        at = if *name == "commands" { &mut slot["items"] } else { slot };
    }
}

fn section(keys: &Keys) -> Value {
    let mut schema = match keys.section {
        "lists" | "rules" | "scenes.NAME" => json!({"type": "object"}),
        _ => object(keys.keys),
    };
    if keys.section == "commands" {
        schema = json!({"type": "array", "minItems": 1, "items": schema});
    }
    schema["description"] = json!(keys.about);
    schema
}

fn object(keys: &[Key]) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| (key.name.into(), property(key))).collect();
    let required: Vec<&str> = keys.iter().filter(|k| matches!(k.usual, Usual::Needed(_))).map(|k| k.name).collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required})
}

fn property(key: &Key) -> Value {
    let quantity = |units: &str| json!({"type": "string", "pattern": format!("^[0-9.]+ *({units})$")});
    let mut schema = match key.kind {
        Kind::Text => json!({"type": "string"}),
        Kind::OneOf(names) => json!({"enum": names}),
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Number(from, to) => json!({"type": "number", "minimum": from, "maximum": to}),
        Kind::Whole(from, to) => json!({"type": "integer", "minimum": from, "maximum": to}),
        Kind::Time(..) => quantity("ms|s|min|h"),
        Kind::Bytes(..) => quantity("B|kB|KiB|MB|MiB|GB|GiB"),
        Kind::Hertz(..) => quantity("Hz|kHz"),
        Kind::Texts => json!({"type": ["string", "array"], "items": {"type": "string"}}),
        Kind::Pin => json!({"type": ["integer", "string"]}),
        Kind::Named(_) | Kind::Table => json!({"type": "object"}),
    };
    schema["description"] = json!(key.about);
    if let Usual::Value(usual) = key.usual {
        schema["default"] = serde_json::from_str(usual).unwrap_or_else(|_| json!(usual));
    }
    schema
}

/// A value that is in force.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    /// Its section; empty before all sections.
    pub section: String,
    /// Its key.
    pub key: String,
    /// As it would be written; none if nothing holds.
    pub value: Option<String>,
    /// The line of the file that says so; none where the file says nothing.
    pub line: Option<usize>,
    /// What it is where the file says nothing: "as usual", or words such as "the board's".
    pub usual: &'static str,
}

/// Every value that is in force with `settings`, which were read from `text`: of the fixed sections, then of each output, each
/// button, and each command's threshold.
pub fn in_force(settings: &Settings, text: &str) -> Vec<InForce> {
    let lines = document::lines(text);
    let mut all = Vec::new();
    let mut add = |section: &str, key: &Key, value: Option<String>, path: String| {
        let usual = if let Usual::Told(words) = key.usual { words } else { "as usual" };
        all.push(InForce {
            section: section.into(),
            key: key.name.into(),
            value,
            line: lines.get(&path).copied(),
            usual,
        });
    };
    for Keys { section, keys, .. } in SECTIONS {
        for key in keys {
            let path = |entry: &str| if entry.is_empty() { key.name.into() } else { format!("{entry}.{}", key.name) };
            let mut each = |entry: String, value| add(&entry, key, value, path(&entry));
            match section {
                "outputs.NAME" => {
                    let of = |o: &Output| (format!("outputs.{}", o.name), of_output(o, key.name));
                    settings.outputs.iter().map(of).for_each(|(entry, value)| each(entry, value));
                }
                "buttons.NAME" => {
                    let of = |b: &Button| (format!("buttons.{}", b.name), of_button(settings, b, key.name));
                    settings.buttons.iter().map(of).for_each(|(entry, value)| each(entry, value));
                }
                "commands" if key.name == "wrong_costs" => {
                    for (number, command) in settings.commands.iter().enumerate() {
                        let costs = settings.thresholds.needed(number).exp();
                        let entry = format!("commands[{number}] {}", command.name);
                        add(
                            &entry,
                            key,
                            Some(format!("{:.4}", costs).trim_end_matches('0').trim_end_matches('.').into()),
                            format!("commands[{number}].wrong_costs"),
                        );
                    }
                }
                fixed => {
                    if let Some(value) = of_section(settings, fixed, key.name) {
                        each(fixed.into(), value);
                    }
                }
            }
        }
    }
    all.sort_by_key(|value| order(&value.section));
    all
}

/// Where a section stands among all: an output's keys stand together.
fn order(section: &str) -> (usize, String) {
    let first = section.split(['.', '[']).next().unwrap_or_default();
    let place = SECTIONS.iter().position(|s| s.section.split('.').next() == Some(first)).unwrap_or(SECTIONS.len());
    (place, if first == section || first == "scratch" { String::new() } else { section.into() })
}

fn quoted(text: impl std::fmt::Display) -> Option<String> {
    Some(format!("\"{text}\""))
}

fn on_off(on: bool) -> Option<String> {
    quoted(if on { "on" } else { "off" })
}

/// The value of a key of a section that every configuration has; the outer none for a key of another section.
fn of_section(settings: &Settings, section: &str, key: &str) -> Option<Option<String>> {
    let Settings { board, microphone, endpoint, scratch, recognizer, thresholds, gpio, .. } = settings;
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().and_then(|p| quoted(p.display()));
    Some(match (section, key) {
        ("", "board") => quoted(&board.id),
        ("microphone", "device") => quoted(&microphone.device),
        ("microphone", "gain_db") => Some(format!("{:?}", microphone.gain_db)),
        ("endpoint", "on") => Some(endpoint.on.to_string()),
        ("endpoint", "off") => Some(endpoint.off.to_string()),
        ("endpoint", "pre_roll") => quoted(time(endpoint.pre_roll)),
        ("endpoint", "post_roll") => quoted(time(endpoint.post_roll)),
        ("endpoint", "hangover") => quoted(time(endpoint.hangover)),
        ("endpoint", "min_speech") => quoted(time(endpoint.min_speech)),
        ("endpoint", "max_length") => quoted(time(endpoint.max_length)),
        ("thresholds", "wrong_costs") => Some(thresholds.wrong_costs.to_string()),
        ("thresholds", "offset") => Some(format!("{:?}", thresholds.offset)),
        ("thresholds", "offsets") => {
            let own = thresholds.offsets.iter().map(|(c, nats)| format!("{} = {nats:?}", settings.commands[*c].name));
            let own: Vec<String> = own.collect();
            (!own.is_empty()).then(|| format!("{{ {} }}", own.join(", ")))
        }
        ("recognizer", "model") => quoted(&recognizer.model),
        ("recognizer", "sha256") => recognizer.sha256.as_ref().and_then(quoted),
        ("recognizer", "language") => quoted(recognizer.language.code()),
        ("recognizer", "threads") => Some(recognizer.threads.to_string()),
        ("recognizer", "deadline") => quoted(time(recognizer.deadline)),
        ("recognizer", "max_calls") => Some(recognizer.search.max_calls.to_string()),
        ("scratch", "capacity") => quoted(size(scratch.capacity)),
        ("scratch", "require_tmpfs") => Some(scratch.require_tmpfs.to_string()),
        ("scratch", "sweep_after") => quoted(time(scratch.sweep_after)),
        ("scratch.keep", "last") => scratch.keep.as_ref().map(|keep| keep.last.to_string()),
        ("scratch.keep", "capacity") => scratch.keep.as_ref().and_then(|keep| quoted(size(keep.capacity))),
        ("gpio", "backend") => {
            quoted(Backend::NAMES.iter().find(|(_, b)| *b == gpio.backend).map_or("", |(name, _)| *name))
        }
        ("gpio", "chip") => Some(gpio.chip.as_str()).filter(|chip| !chip.is_empty()).and_then(quoted),
        ("gpio", "state") => path(&gpio.state),
        ("gpio", "inputs") => path(&gpio.inputs),
        _ => return None,
    })
}

fn pin(line: &Line) -> Option<String> {
    match line {
        Line::Number(number) => Some(number.to_string()),
        Line::Name(name) => quoted(name),
    }
}

fn of_output(output: &Output, key: &str) -> Option<String> {
    let Output { line, active_low, rest, dimmer, remember, limits, .. } = output;
    match key {
        "pin" => pin(line),
        "active_low" => Some(active_low.to_string()),
        "rest" => on_off(Duty::from(*rest) != Duty::NONE),
        "pwm" => dimmer.and_then(|d| quoted(format!("{} Hz", d.pwm.hertz))),
        "fade" => dimmer.and_then(|d| quoted(time(d.fade))),
        "remember" => Some(remember.to_string()),
        "max_on" => limits.max_on.and_then(|limit| quoted(time(limit))),
        "min_on" => quoted(time(limits.min_on)),
        "min_off" => quoted(time(limits.min_off)),
        _ => None,
    }
}

fn of_button(settings: &Settings, button: &Button, key: &str) -> Option<String> {
    match key {
        "pin" => pin(&button.line),
        "command" => quoted(&settings.commands[button.command].name),
        "active_low" => Some(button.active_low.to_string()),
        "pull" => quoted(match button.pull {
            Pull::Up => "up",
            Pull::Down => "down",
            Pull::None => "none",
        }),
        "debounce" => quoted(time(button.debounce)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    const SMALL: &str = "board = \"host\"\n[endpoint]\nhangover = \"0.7 s\"\n[outputs.lamp]\npin = 5\n[[commands]]\n\
                         name = \"a\"\nsay = \"on\"\nset = { lamp = \"on\" }\n[[commands]]\nname = \"b\"\nsay = \"off\"\nwrong_costs = 20\n";

    #[test]
    fn what_is_written_as_usual_changes_nothing() {
        let plain = parse("plain", SMALL).unwrap();
        for Keys { section, keys, .. } in
            SECTIONS.iter().filter(|s| !s.section.contains("NAME") && s.section != "commands")
        {
            for key in *keys {
                let Usual::Value(usual) = key.usual else { continue };
                let written = if *section == "endpoint" {
                    SMALL.replace("hangover = \"0.7 s\"", &format!("{} = {usual}", key.name))
                } else {
                    format!("{SMALL}[{section}]\n{} = {usual}\n", key.name)
                };
                let other = parse("written", &written).unwrap_or_else(|e| panic!("{e}"));
                let value = |settings: &Settings| of_section(settings, section, key.name);
                let default = parse("default", &SMALL.replace("hangover = \"0.7 s\"", "")).unwrap();
                assert_eq!(value(&other), value(&default), "{section}.{}", key.name);
            }
        }
        assert!(plain.endpoint.hangover == millis(700));
    }

    #[test]
    fn every_value_in_force_has_its_line_or_none() {
        let values = in_force(&parse("small", SMALL).unwrap(), SMALL);
        let find = |section: &str, key: &str| {
            let found = values.iter().find(|v| v.section == section && v.key == key).unwrap();
            (found.value.as_deref().unwrap_or_default().to_string(), found.line)
        };
        let cases: [(&str, &str, &str, Option<usize>); 7] = [
            ("", "board", "\"host\"", Some(1)),
            ("endpoint", "hangover", "\"700 ms\"", Some(3)),
            ("endpoint", "pre_roll", "\"500 ms\"", None),
            ("outputs.lamp", "pin", "5", Some(5)),
            ("outputs.lamp", "max_on", "", None),
            ("commands[0] a", "wrong_costs", "2", None),
            ("commands[1] b", "wrong_costs", "20", Some(13)),
        ];
        for (section, key, value, line) in cases {
            assert_eq!(find(section, key), (value.into(), line), "{section}.{key}");
        }
    }

    #[test]
    fn the_schema_has_every_key_where_it_is_read() {
        let schema = schema();
        let at = |path: &str| schema.pointer(path).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(at("/properties/endpoint/properties/hangover/default"), &json!("600 ms"));
        assert_eq!(at("/properties/scratch/properties/keep/properties/last/maximum"), &json!(200));
        assert_eq!(at("/properties/outputs/additionalProperties/properties/pin/type"), &json!(["integer", "string"]));
        assert_eq!(at("/properties/commands/items/required"), &json!(["name", "say"]));
        assert_eq!(at("/required"), &json!(["board"]));
    }
}
