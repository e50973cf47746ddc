//! Laws 2 and 3 of the design, read off the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Crates of the trade, and the one file that may name each. tokio is not among them: it runs the HTTP server and the client of MQTT.
const DOORS: [(&str, &str); 23] = [
    ("cpal", "audio/microphone.rs"),
    ("alsa", "audio/microphone.rs"),
    ("heapless", "audio/ring.rs"),
    ("static_cell", "audio/ring.rs"),
    ("rubato", "audio/resample.rs"),
    ("audioadapter_buffers", "audio/resample.rs"),
    ("hound", "audio/wav.rs"),
    ("earshot", "utterance/vad.rs"),
    ("tempfile", "utterance/scratch.rs"),
    ("signal_hook", "runtime/stop.rs"),
    ("sd_notify", "runtime/service.rs"),
    ("whisper_rs", "recognize/whisper.rs"),
    ("rppal", "act/gpio/rpi.rs"),
    ("gpiocdev", "act/gpio/chardev.rs"),
    ("hyper_util", "serve/http.rs"),
    ("multer", "serve/upload.rs"),
    ("subtle", "serve/access.rs"),
    ("close_fds", "tasks/program.rs"),
    ("ureq", "tasks/webhook.rs"),
    ("rumqttc", "publish/client.rs"),
    ("realfft", "audio/spectrum.rs"),
    ("toml", "document.rs"),
    ("toml_edit", "config/edit.rs"),
];

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Each source, by its path below `src`, without its unit tests, comments and strings of prose.
fn code() -> BTreeMap<String, String> {
    let mut paths = Vec::new();
    sources(&src(), &mut paths);
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            let kept = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let name = path.strip_prefix(src()).unwrap().display().to_string();
            (name, kept.collect::<Vec<_>>().join("\n"))
        })
        .collect()
}

/// Whether `text` names the crate or module `name` in a path: `name::`, not as the end of another word or path.
fn names(text: &str, name: &str) -> bool {
    text.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

/// The rooms that `text` names after `crate::`: `crate::x`, or each name in `crate::{x, y::z}`.
fn rooms(text: &str) -> Vec<String> {
    let after = text.split("crate::").skip(1);
    let listed = |rest: &str| match rest.strip_prefix('{') {
        Some(list) => top_level(list),
        None => vec![rest.to_string()],
    };
    let first_word = |path: String| path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    after.flat_map(listed).map(first_word).filter(|room: &String| !room.is_empty()).collect()
}

/// What stands between the commas of a list in braces, whose first brace is gone; inner lists are left out.
fn top_level(list: &str) -> Vec<String> {
    let (mut depth, mut parts) = (1, vec![String::new()]);
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => parts.push(String::new()),
            c if depth == 1 => parts.last_mut().unwrap().push(c),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    parts
}

#[test]
fn every_way_to_name_a_room_is_seen() {
    let cases: [(&str, &[&str]); 6] = [
        ("use crate::audio;", &["audio"]),
        ("use crate::audio::file::read;", &["audio"]),
        ("use crate::{audio, config::{self, edit}, report as told};", &["audio", "config", "report"]),
        ("use crate::{\n    cli::status,\n    daemon,\n};", &["cli", "daemon"]),
        ("crate::grammar::Grammar::of(x)", &["grammar"]),
        ("nothing", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(rooms(text), expected, "{text}");
    }
}

#[test]
fn a_room_uses_only_those_above_it_in_lib_rs() {
    let map = fs::read_to_string(src().join("lib.rs")).unwrap();
    let order: Vec<&str> = map.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(order.len() > 10, "lib.rs should list the rooms: {order:?}");
    for (file, text) in code() {
        let room = file.split(['/', '.']).next().unwrap_or_default();
        let Some(place) = order.iter().position(|m| *m == room) else { continue };
        for used in rooms(&text) {
            let below = order[place + 1..].contains(&used.as_str());
            assert!(!below, "{file} uses {used}, which stands below {room} in lib.rs");
        }
    }
}

#[test]
fn every_module_of_src_stands_in_lib_rs() {
    let map = fs::read_to_string(src().join("lib.rs")).unwrap();
    for file in code().keys().filter(|f| !f.contains('/') || f.ends_with("/mod.rs")) {
        let module = file.trim_end_matches("/mod.rs").trim_end_matches(".rs");
        if !matches!(module, "lib" | "main") && !module.contains('/') {
            assert!(map.contains(&format!("\npub mod {module};")), "{file} is not in lib.rs");
        }
    }
}

#[test]
fn a_crate_of_the_trade_is_named_in_one_file() {
    for (name, door) in DOORS {
        let named: Vec<String> =
            code().into_iter().filter(|(_, text)| names(text, name)).map(|(file, _)| file).collect();
        assert_eq!(named, [door], "{name}");
    }
}

#[test]
fn unsafe_code_stands_in_one_file() {
    let allowed = |text: &str| text.contains("unsafe {") || text.contains("unsafe fn") || text.contains("unsafe impl");
    let found: Vec<String> = code().into_iter().filter(|(_, text)| allowed(text)).map(|(file, _)| file).collect();
    assert_eq!(found, ["recognize/whisper.rs"]);
}

#[test]
fn no_file_is_longer_than_a_person_reads_at_night() {
    for (file, text) in code() {
        assert!(text.lines().count() <= 420, "{file} has {} lines of code", text.lines().count());
    }
}
