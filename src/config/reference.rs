//! What is made of the table of keys: the reference page, a JSON Schema for editors, and every value in force. No input or output.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Settings;
use super::key::{Key, Keys, Kind, Usual};
use super::sections::{SECTIONS, cell};
use super::units::time;
use crate::act::buttons::{Button, Purpose};
use crate::act::command::Output;
use crate::act::gpio::{Backend, Duty, Line, Pull};
use crate::decide::thresholds::Thresholds;
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

/// Every value that is in force with `settings`, which were read from `text`: of the sections with fixed keys, of each output,
/// interlock and button, and the threshold of each command.
pub fn in_force(settings: &Settings, text: &str) -> Vec<InForce> {
    let lines = document::lines(text);
    let mut all = Vec::new();
    for Keys { section, keys, .. } in SECTIONS {
        for (path, part) in parts(settings, section, &lines) {
            for key in keys.iter().filter(|key| is_shown(section, key)) {
                let line = lines.get(&if path.is_empty() { key.name.into() } else { format!("{path}.{}", key.name) });
                all.push(InForce {
                    section: heading(settings, &path, part),
                    key: key.name.into(),
                    value: value(settings, part, key.name),
                    line: line.copied(),
                    usual: if let Usual::Told(words) = key.usual { words } else { "as usual" },
                });
            }
        }
    }
    all
}

/// Whether the value of a key is shown: of a command only what its sentences must reach, and of a table its own keys.
fn is_shown(section: &str, key: &Key) -> bool {
    key.kind != Kind::Table && (section != "commands" || key.name == "wrong_costs")
}

/// A part of the settings that a section of the file describes.
#[derive(Clone, Copy)]
enum Part<'s> {
    Fixed(&'static str),
    Output(&'s Output),
    /// By its number.
    Interlock(usize),
    Button(&'s Button),
    /// By its number.
    Command(usize),
}

/// The parts that sections of the kind `section` describe, each with its path in the file.
fn parts<'s>(
    settings: &'s Settings,
    section: &'static str,
    lines: &BTreeMap<String, usize>,
) -> Vec<(String, Part<'s>)> {
    let (outputs, buttons) = (settings.outputs.iter(), settings.buttons.iter());
    match section {
        "outputs.NAME" => outputs.map(|o| (format!("outputs.{}", o.name), Part::Output(o))).collect(),
        "buttons.NAME" => buttons.map(|b| (format!("buttons.{}", b.name), Part::Button(b))).collect(),
        "interlocks.NAME" => {
            let groups = interlocks(lines).into_iter().enumerate();
            groups.map(|(group, name)| (format!("interlocks.{name}"), Part::Interlock(group))).collect()
        }
        "commands" => (0..settings.configured().len()).map(|n| (format!("commands[{n}]"), Part::Command(n))).collect(),
        "commands.blink.NAME" | "commands.publish" => Vec::new(),
        fixed => vec![(fixed.into(), Part::Fixed(fixed))],
    }
}

/// The path of a part, and of a command its name too.
fn heading(settings: &Settings, path: &str, part: Part<'_>) -> String {
    match part {
        Part::Command(number) => format!("{path} {}", settings.commands[number].name),
        _ => path.into(),
    }
}

/// The value of a key of a part, as it would be written; none if nothing holds.
fn value(settings: &Settings, part: Part<'_>, key: &str) -> Option<String> {
    match part {
        Part::Fixed(section) => of_section(settings, section, key),
        Part::Output(output) => of_output(output, key),
        Part::Interlock(group) => of_interlock(settings, group, key),
        Part::Button(button) => of_button(settings, button, key),
        Part::Command(number) => {
            let Thresholds { command_costs, wrong_costs, .. } = &settings.thresholds;
            Some(command_costs.get(&number).unwrap_or(wrong_costs).to_string())
        }
    }
}

/// The names of the interlocks in the order of the file, which is that of their numbers.
fn interlocks(lines: &BTreeMap<String, usize>) -> Vec<&str> {
    let names = lines.iter().filter_map(|(path, line)| Some((line, path.strip_prefix("interlocks.")?)));
    let mut names: Vec<_> = names.filter(|(_, name)| !name.contains('.')).collect();
    names.sort();
    names.into_iter().map(|(_, name)| name).collect()
}

fn of_interlock(settings: &Settings, group: usize, key: &str) -> Option<String> {
    let interlock = |o: &Output| o.limits.interlock.filter(|interlock| interlock.group == group);
    let members = || settings.outputs.iter().filter(|o| interlock(o).is_some());
    match key {
        "outputs" => Some(format!("{:?}", members().map(|o| &o.name).collect::<Vec<_>>())),
        "dead_time" => members().next().and_then(interlock).and_then(|i| quoted(time(i.dead_time))),
        _ => None,
    }
}

fn quoted(text: impl std::fmt::Display) -> Option<String> {
    Some(format!("\"{text}\""))
}

fn on_off(on: bool) -> Option<String> {
    quoted(if on { "on" } else { "off" })
}

/// The value of a key of a section that every configuration has.
fn of_section(settings: &Settings, section: &str, key: &str) -> Option<String> {
    let Settings { board, microphone, endpoint, scratch, recognizer, thresholds, gpio, .. } = settings;
    match (section, key) {
        ("", "board") => quoted(&board.id),
        ("microphone", "device") => quoted(&microphone.device),
        ("microphone", "gain_db") => Some(format!("{:?}", microphone.gain_db)),
        ("endpoint", "on") => Some(endpoint.on.to_string()),
        ("endpoint", "off") => Some(endpoint.off.to_string()),
        ("endpoint", "pre_roll") => quoted(time(endpoint.pre_roll)),
        ("endpoint", "post_roll") => quoted(time(endpoint.post_roll)),
        ("endpoint", "hangover") => quoted(time(endpoint.hangover)),
        ("endpoint", "early") => Some(endpoint.early.to_string()),
        ("endpoint", "settle") => quoted(time(endpoint.settle)),
        ("endpoint", "unfinished") => quoted(time(endpoint.unfinished)),
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
        ("confirm", "yes") => Some(format!("{:?}", settings.answer_words.yes)),
        ("confirm", "no") => Some(format!("{:?}", settings.answer_words.no)),
        ("gpio", "backend") => {
            quoted(Backend::NAMES.iter().find(|(_, b)| *b == gpio.backend).map_or("", |(name, _)| *name))
        }
        ("gpio", "chip") => Some(gpio.chip.as_str()).filter(|chip| !chip.is_empty()).and_then(quoted),
        ("gpio", "state") => file(&gpio.state),
        ("gpio", "inputs") => file(&gpio.inputs),
        _ => of_integration(settings, section, key),
    }
}

/// A value of a section for other programs.
fn of_integration(settings: &Settings, section: &str, key: &str) -> Option<String> {
    let Settings { metrics, posting, serve, wyoming, mqtt, .. } = settings;
    let (metrics, serve) = (metrics.clone().unwrap_or_default(), serve.clone().unwrap_or_default());
    let (wyoming, mqtt) = (wyoming.clone().unwrap_or_default(), mqtt.clone().unwrap_or_default());
    match (section, key) {
        ("metrics", "file") => file(&metrics.file),
        ("metrics", "every") => quoted(time(metrics.every)),
        ("serve", "listen") => quoted(&serve.listen),
        ("serve", "token_file") => file(&serve.token_file),
        ("serve", "act") => Some(serve.act.to_string()),
        ("serve", "max_bytes") => quoted(size(serve.max_bytes)),
        ("serve", "uploads") => Some(serve.uploads.to_string()),
        ("serve", "timeout") => quoted(time(serve.timeout)),
        ("wyoming", "listen") => quoted(wyoming.listen),
        ("wyoming", "from") => (!wyoming.from.is_empty())
            .then(|| format!("{:?}", wyoming.from.iter().map(ToString::to_string).collect::<Vec<_>>())),
        ("wyoming", "act") => Some(wyoming.act.to_string()),
        ("wyoming", "handle") => Some(wyoming.handle.to_string()),
        ("wyoming", "announce") => Some(wyoming.announce.to_string()),
        ("mqtt", "address") => settings.mqtt.as_ref().and_then(|m| quoted(format!("{}:{}", m.broker.0, m.broker.1))),
        ("mqtt", "tls") => Some(mqtt.tls.to_string()),
        ("mqtt", "ca_file") => file(&mqtt.ca_file),
        ("mqtt", "user") => mqtt.login.as_ref().and_then(|(user, _)| quoted(user)),
        ("mqtt", "password_file") => mqtt.login.as_ref().and_then(|(_, file)| quoted(file.display())),
        ("mqtt", "words") => Some(mqtt.words.to_string()),
        ("mqtt", "prefix") => quoted(&mqtt.prefix),
        ("mqtt", "id") => quoted(&mqtt.id),
        ("post", "limit") => quoted(time(posting.limit)),
        ("post", "retries") => Some(posting.retries.to_string()),
        ("post", "words") => Some(posting.words.to_string()),
        ("post", "ca_file") => file(&posting.ca_file),
        _ => None,
    }
}

fn file(path: &Option<PathBuf>) -> Option<String> {
    path.as_ref().and_then(|path| quoted(path.display()))
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
        "command" => match button.purpose {
            Purpose::Command(command) => quoted(&settings.commands[command].name),
            Purpose::Talk => None,
        },
        "talk" => Some((button.purpose == Purpose::Talk).to_string()),
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
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::{board, parse};
    use crate::language::Language;

    const SMALL: &str = "board = \"host\"\n[endpoint]\nhangover = \"0.7 s\"\n[outputs.lamp]\npin = 5\n[[commands]]\n\
                         name = \"a\"\nsay = \"on\"\nset = { lamp = \"on\" }\n[[commands]]\nname = \"b\"\nsay = \"off\"\nwrong_costs = 20\n";

    #[test]
    fn what_is_written_as_usual_changes_nothing() {
        let plain = parse("plain", SMALL).unwrap();
        for Keys { section, keys, .. } in
            SECTIONS.iter().filter(|s| !s.section.contains("NAME") && !s.section.starts_with("commands"))
        {
            for key in *keys {
                let Usual::Value(usual) = key.usual else { continue };
                let written = if *section == "endpoint" {
                    SMALL.replace("hangover = \"0.7 s\"", &format!("{} = {usual}", key.name))
                } else {
                    let needed = keys.iter().filter_map(|key| match key.usual {
                        Usual::Needed(example) => Some(format!("{example}\n")),
                        _ => None,
                    });
                    let needed: String = needed.collect();
                    format!("{SMALL}[{section}]\n{needed}{} = {usual}\n", key.name)
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
    fn the_strings_of_a_key_are_those_that_are_read() {
        let of = |section: &str, name: &str| {
            let keys = SECTIONS.iter().find(|s| s.section == section).unwrap();
            match keys.keys.iter().find(|key| key.name == name).unwrap().kind {
                Kind::OneOf(names) => names.iter().copied().collect::<BTreeSet<_>>(),
                _ => BTreeSet::new(),
            }
        };
        assert_eq!(of("", "board"), board::names().collect());
        assert_eq!(of("gpio", "backend"), Backend::NAMES.iter().map(|(name, _)| *name).collect());
        assert_eq!(of("recognizer", "language"), Language::NAMES.iter().map(|(name, _)| *name).collect());
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
    fn an_interlock_is_in_force_with_its_pause() {
        let text = SMALL.replace(
            "[[commands]]\nname = \"a\"",
            "[outputs.up]\npin = 6\n[outputs.down]\npin = 7\n[interlocks.blinds]\noutputs = [\"up\", \"down\"]\n[[commands]]\nname = \"a\"",
        );
        let values = in_force(&parse("small", &text).unwrap(), &text);
        let of = |key: &str| values.iter().find(|v| v.section == "interlocks.blinds" && v.key == key).unwrap();
        assert_eq!(of("outputs").value.as_deref(), Some("[\"up\", \"down\"]"));
        assert_eq!((of("dead_time").value.as_deref(), of("dead_time").line), (Some("\"500 ms\""), None));
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
