//! `hearken eval`: what is counted as what, and the built program on a few clips.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use hearken::act::command::Command as Commanded;
use hearken::audio::SAMPLE_RATE;
use hearken::config;
use hearken::decide::features::{COUNT, FEATURES};
use hearken::decide::thresholds::Thresholds;
use hearken::decide::weights::{Part, Weights};
use hearken::grammar::{Grammar, Sentence, SlotValue};
use hearken::measure::eval::expected::{Case, Expected, cases, listed_cases, warnings};
use hearken::measure::eval::folders;
use hearken::measure::eval::page;
use hearken::measure::eval::summary::Summary;
use hearken::measure::eval::{Clip, Evaluator, Grade};
use hearken::recognize::{Candidate, Heard, RecognizeError, Recognizer, Timings};
use hearken::utterance::endpoint::EndpointSettings;
use serde_json::{Value, json};

use crate::deciding::alone;
use crate::listening::scratch;
use crate::parts::heard;
use crate::program::hearken;
use crate::support::{clips, data, in_a_row, quiet, samples};

const HOUSE: &str = r#"board = "host"
[lists]
state = ["on", "off"]
percent = { from = 0, to = 100 }
cups = ["two", { say = "(a|one)", value = "1" }, { say = "none", value = "false" }, { say = "cold", value = "-5" }]
[[commands]]
name = "lamp"
say = ["turn {state} [the] TV", "turn it {state}", "set [my] colour to {percent} percent"]
[[commands]]
name = "level"
say = "[make] {cups} (cup|cups)"
[[commands]]
name = "stop"
say = "stop"
"#;

fn house() -> (Vec<Commanded>, Arc<Grammar>) {
    let settings = config::parse("house.toml", HOUSE).unwrap_or_else(|e| panic!("{e}"));
    (settings.commands, settings.grammar)
}

fn commands() -> Vec<Commanded> {
    house().0
}

fn sentence(words: &str) -> Sentence {
    let slots = [("state", SlotValue::Text("on".into())), ("percent", SlotValue::Integer(8))];
    Sentence { command: 0, words: words.into(), slots: slots.map(|(name, value)| (name.to_string(), value)).into() }
}

fn command(slots: &[(&str, &str)]) -> Expected {
    let slots = slots.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Expected::Command { command: "lamp".into(), slots }
}

#[test]
fn a_decision_is_compared_with_what_was_expected() {
    let words = |words: &str| Expected::Sentence(words.into());
    let level = Expected::Command { command: "level".into(), slots: BTreeMap::new() };
    let cases: [(Expected, bool, &[&str]); 11] = [
        (words("turn on the TV"), true, &[]),
        (words(" Turn  on the tv "), true, &[]),
        (words("turn on the TVs"), false, &[]),
        (command(&[]), true, &["percent", "state"]),
        (command(&[("state", "ON"), ("percent", "8")]), true, &[]),
        (command(&[("percent", "08")]), true, &["state"]),
        (command(&[("percent", "80")]), false, &["state"]),
        (command(&[("state", "off")]), false, &["percent"]),
        (command(&[("colour", "red")]), false, &["percent", "state"]),
        (level, false, &["percent", "state"]),
        (Expected::Rejected, false, &[]),
    ];
    for (expected, is, extra) in cases {
        let sentence = sentence("turn on the TV");
        assert_eq!(expected.is(&sentence, &commands(), &Grammar::default()), is, "{expected}");
        assert_eq!(expected.extra(&sentence), extra, "{expected}");
    }
}

#[test]
fn a_decision_is_right_if_it_says_the_same_or_does_the_same() {
    let (commands, grammar) = house();
    let text = |text: &str| SlotValue::Text(text.into());
    let slot = |name: &str, value: &SlotValue| BTreeMap::from([(name.to_string(), value.clone())]);
    let sentences = [
        ("turn on the TV", "turn on TV", "state", text("on"), true),
        ("Turn it on!", "turn on TV", "state", text("on"), true),
        ("turn off the TV", "turn on TV", "state", text("on"), false),
        ("turn on teh TV", "turn on TV", "state", text("on"), false),
        ("turn on the TV", "turn on TV", "mode", text("on"), false),
        ("set my color to forty percent.", "set my colour to 40 percent", "percent", SlotValue::Integer(40), true),
        ("set colour to 40%", "set my colour to 40 percent", "percent", SlotValue::Integer(40), true),
        ("set colour to 41%", "set my colour to 40 percent", "percent", SlotValue::Integer(40), false),
    ];
    for (expected, words, name, value, is) in sentences {
        let sentence = Sentence { command: 0, words: words.into(), slots: slot(name, &value) };
        let said = Expected::Sentence(expected.into());
        assert_eq!(said.is(&sentence, &commands, &grammar), is, "{expected} / {words}");
    }
    let values = [
        ("40.0", SlotValue::Integer(40), true),
        ("4e1", SlotValue::Integer(40), true),
        ("forty", SlotValue::Integer(40), true),
        ("40.5", SlotValue::Integer(40), false),
        ("2", text("two"), true),
        ("2.0", text("two"), true),
        ("Living Room", text("living room"), true),
        ("grey", text("gray"), true),
        ("false", text("false"), true),
        ("5", text("-5"), false),
        ("inf", text("nan"), false),
    ];
    for (expected, value, is) in values {
        let sentence = Sentence { command: 1, words: String::new(), slots: slot("cups", &value) };
        let slots = BTreeMap::from([("cups".to_string(), expected.to_string())]);
        let said = Expected::Command { command: "level".into(), slots };
        assert_eq!(said.is(&sentence, &commands, &grammar), is, "{expected} / {value:?}");
    }
}

/// A folder with empty files of these names, and with a list if there is one.
fn folder(files: &[&str], list: Option<&str>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
        fs::write(dir.path().join(file), "").unwrap();
    }
    if let Some(list) = list {
        fs::write(dir.path().join("expected.jsonl"), list).unwrap();
    }
    dir
}

#[test]
fn without_a_list_a_files_name_is_its_sentence_and_what_is_under_other_is_to_be_refused() {
    let dir = folder(&["turn on.wav", "kitchen/off.WAV", "notes.txt", "kitchen/other/tv/on.wav"], None);
    let found = |dir: &Path| -> Vec<(String, Expected)> {
        cases(dir, &commands()).unwrap().into_iter().map(|c| (c.name, c.expected)).collect()
    };
    let (off, on) = (Expected::Sentence("off".into()), Expected::Sentence("turn on".into()));
    let expected = [
        ("kitchen/off.WAV".to_string(), off),
        ("kitchen/other/tv/on.wav".into(), Expected::Rejected),
        ("turn on.wav".into(), on),
    ];
    assert_eq!(found(dir.path()), expected);
    let within = found(&dir.path().join("kitchen/other"));
    assert_eq!(within, [("tv/on.wav".to_string(), Expected::Rejected)]);
}

#[test]
fn every_fault_of_a_list_is_named_with_its_line_and_what_would_be_right() {
    let good = r#"{"file": "a.wav", "sentence": "on"}"#;
    let cases_of = [
        ("{\"file\": \"a.wav\"", ":1: not a JSON object (column 16: EOF while parsing an object); as in {"),
        ("\n[1]", ":2: not a JSON object"),
        (r#"{"sentence": "on"}"#, ":1: file: missing; as in {\"file\": \"a.wav\""),
        (r#"{"file": 7, "sentence": "on"}"#, ":1: file: 7 is not a string"),
        (r#"{"file": "a.wav", "sentense": "on"}"#, ":1: unknown key \"sentense\"; did you mean \"sentence\"?"),
        (r#"{"file": "a.wav", "sentence": "on", "slot": {}}"#, ":1: unknown key \"slot\"; did you mean \"slots\"?"),
        (r#"{"file": "a.wav", "rejected": false, "sentence": null}"#, ":1: one of \"sentence\", \"command\""),
        (r#"{"file": "a.wav"}"#, ":1: one of \"sentence\", \"command\", \"rejected\" is needed"),
        (r#"{"file": "a.wav", "sentence": "on", "rejected": true}"#, ":1: one of \"sentence\", \"command\""),
        (r#"{"file": "a.wav", "rejected": "yes"}"#, ":1: rejected: \"yes\"; only true is possible"),
        (r#"{"file": "a.wav", "sentence": "on", "slots": {"a": 1}}"#, ":1: slots: only together with \"command\""),
        (r#"{"file": "a.wav", "sentence": "on", "speaker": 7}"#, ":1: speaker: 7 is not a string"),
        (
            r#"{"file": "a.wav", "sentence": "on", "speakr": "ann"}"#,
            ":1: unknown key \"speakr\"; did you mean \"speaker\"?",
        ),
        (r#"{"file": "a.wav", "sentence": "on", "set": ["far"]}"#, ":1: set: [\"far\"] is not a string"),
        (r#"{"file": "a.wav", "sentence": "on", "Sets": "far"}"#, ":1: unknown key \"Sets\"; did you mean \"set\"?"),
        (
            r#"{"file": "a.wav", "rejected": true, "set": " "}"#,
            ":1: set: \" \" is no name; without the key there is none",
        ),
        (r#"{"file": "a.wav", "command": "lmap"}"#, "no command \"lmap\"; did you mean \"lamp\"?"),
        (
            r#"{"file": "a.wav", "command": "lamp", "slots": 1}"#,
            ":1: slots: 1 is not an object; as in {\"state\": \"on\"}",
        ),
        (r#"{"file": "a.wav", "command": "lamp", "slots": {"a": []}}"#, ":1: slots.a: [] is neither a string nor a"),
        (r#"{"file": "c.wav", "rejected": true}"#, ":1: file: there is no WAV file \"c.wav\" under "),
        (&format!("{good}\n{good}"), ":2: file: \"a.wav\" is in the list twice; keep one of the lines"),
        (good, r#": "b.wav" is not in the list; add a line such as {"file":"b.wav","rejected":true}"#),
    ];
    for (list, words) in cases_of {
        let dir = folder(&["a.wav", "b.wav"], Some(list));
        let faults = cases(dir.path(), &commands()).unwrap_err().to_string();
        assert!(faults.contains(words) && faults.contains("expected.jsonl"), "{list}\ngave {faults:?}, not {words:?}");
    }
    let nothing = cases(folder(&["a.mp3"], None).path(), &commands()).unwrap_err().to_string();
    assert!(nothing.contains("no WAV file in it or below; their names must end in .wav"), "{nothing}");
    let dir = folder(&["a.wav"], None);
    for no_folder in [Path::new("/nowhere"), &dir.path().join("a.wav")] {
        let said = cases(no_folder, &commands()).unwrap_err().to_string();
        let words = format!("{}: no such folder; give a folder with WAV files", no_folder.display());
        assert_eq!(said, words);
    }
}

#[test]
fn a_list_may_say_the_same_in_the_ways_of_other_programs() {
    let on = || Expected::Sentence("on".into());
    let lines = [
        ("\u{feff}{\"file\": \"a.wav\", \"sentence\": \"on\"}\r\n", on()),
        (r#"{"file": "./a.wav", "sentence": "on"}"#, on()),
        (r#"{"file": "a.wav", "sentence": "on", "command": null, "slots": null, "rejected": null}"#, on()),
        (r#"{"file": "a.wav", "sentence": "on", "rejected": false}"#, on()),
        (r#"{"file": "a.wav", "sentence": "on", "slots": {}}"#, on()),
        (r#"{"file": "a.wav", "sentence": "on", "time": 3, "speaker": "ann", "colour": "red"}"#, on()),
        (r#"{"file": "a.wav", "sentence": "on", "text": "On.", "user": 3, "test": true, "sex": "f"}"#, on()),
        (r#"{"file": "a.wav", "sentence": "on", "speaker": null, "set": null}"#, on()),
        (r#"{"file": "a.wav", "rejected": true, "slots": {}}"#, Expected::Rejected),
        (r#"{"file": "a.wav", "command": "lamp", "slots": {"a": true, "b": null}}"#, command(&[("a", "true")])),
        (r#"{"file": "a.wav", "command": "lamp", "slots": {"a": 40.0}}"#, command(&[("a", "40.0")])),
    ];
    for (line, expected) in lines.clone() {
        let dir = folder(&["a.wav", "._a.wav", ".trash/b.wav", "noise.wav"], Some(line));
        let noise = dir.path().join("../").join(dir.path().file_name().unwrap()).join("noise.wav");
        let (found, left_out) =
            listed_cases(dir.path(), &commands(), Some(&noise)).unwrap_or_else(|e| panic!("{line}: {e}"));
        let found: Vec<(String, Expected)> = found.into_iter().map(|c| (c.name, c.expected)).collect();
        assert_eq!((found, left_out.len()), (vec![("a.wav".to_string(), expected)], 0), "{line}");
    }
    let dir = folder(&["a.wav", "b.wav"], Some(lines[1].0));
    let (found, left_out) = listed_cases(dir.path(), &commands(), None).unwrap();
    assert_eq!((found.len(), left_out.len()), (1, 1), "one line, two files");
    assert!(listed_cases(folder(&["a.wav"], Some("")).path(), &commands(), None).is_err(), "an empty list");
    let dir = folder(&["a.wav", "noise.wav"], None);
    let names = |noise: Option<&Path>| listed_cases(dir.path(), &commands(), noise).unwrap().0.len();
    assert_eq!([names(None), names(Some(&dir.path().join("noise.wav")))], [2, 1]);
}

#[test]
fn what_no_command_says_and_a_slot_that_it_does_not_have_are_warned_of() {
    let (commands, grammar) = house();
    let warned = |files: &[&str], list: Option<&str>| {
        let dir = folder(files, list);
        let said = warnings(&cases(dir.path(), &commands).unwrap(), &commands, &grammar);
        said.join("\n").replace(&format!("{}/", dir.path().display()), "")
    };
    let never = "no command says it; no decision on it can be right";
    let lists = [
        (r#""sentence": "Turn the TV on""#, format!("expected.jsonl:1: \"Turn the TV on\": {never}")),
        (r#""sentence": "Set colour to forty percent.""#, String::new()),
        (r#""rejected": true"#, String::new()),
        (r#""command": "lamp", "slots": {"state": 1, "percent": 2}"#, String::new()),
        (
            r#""command": "lamp", "slots": {"stat": 1}"#,
            "expected.jsonl:1: slots.stat: the command \"lamp\" has no slot \"stat\"; did you mean \"state\"?; no decision on it can be right".into(),
        ),
        (
            r#""command": "lamp", "slots": {"cups": 1}"#,
            "expected.jsonl:1: slots.cups: the command \"lamp\" has no slot \"cups\"; it has percent, state; no decision on it can be right".into(),
        ),
        (
            r#""command": "stop", "slots": {"cups": 1}"#,
            "expected.jsonl:1: slots.cups: the command \"stop\" has no slot \"cups\"; it has none; no decision on it can be right".into(),
        ),
    ];
    for (what, said) in lists {
        assert_eq!(warned(&["a.wav"], Some(&format!("{{\"file\": \"a.wav\", {what}}}"))), said, "{what}");
    }
    let by_name = warned(&["turn it on.wav", "x/turn it up.wav", "other/hello.wav"], None);
    assert_eq!(by_name, format!("x/turn it up.wav: \"turn it up\": {never}"));
}

#[test]
fn several_folders_have_names_of_their_own_and_each_file_has_a_set() {
    let near = r#"{"file": "a.wav", "sentence": "on", "set": "near", "speaker": "ann"}"#;
    let listed = folder(&["a.wav", "b.wav"], Some(&format!("{near}\n{{\"file\": \"b.wav\", \"rejected\": true}}")));
    let unlisted = folder(&["a.wav", "x/turn on.wav"], None);
    let [one, two] = [&listed, &unlisted].map(|dir| dir.path().to_path_buf());
    let read = |dirs: &[PathBuf]| -> Vec<[String; 4]> {
        let (cases, left_out) = folders::cases(dirs, &commands(), None).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(left_out.len(), 0);
        let shown = |name: Option<String>| name.unwrap_or_default();
        cases.into_iter().map(|c| [c.name, c.path_in_folder, shown(c.set), shown(c.speaker)]).collect()
    };
    let last = |dir: &Path| dir.file_name().unwrap().to_str().unwrap().to_string();
    let lines = |lines: &[[&str; 4]]| -> Vec<[String; 4]> { lines.iter().map(|line| line.map(String::from)).collect() };
    let alone = lines(&[["a.wav", "a.wav", "near", "ann"], ["b.wav", "b.wav", &last(&one), ""]]);
    assert_eq!(read(std::slice::from_ref(&one)), alone, "one folder, in which a set is named");
    let plain = lines(&[["a.wav", "a.wav", "", ""], ["x/turn on.wav", "x/turn on.wav", "", ""]]);
    assert_eq!(read(std::slice::from_ref(&two)), plain, "one folder, in which none is");
    let below = |dir: &Path, name: &str| dir.join(name).display().to_string();
    let both = lines(&[
        [&below(&one, "a.wav"), "a.wav", "near", "ann"],
        [&below(&one, "b.wav"), "b.wav", &last(&one), ""],
        [&below(&two, "a.wav"), "a.wav", &last(&two), ""],
        [&below(&two, "x/turn on.wav"), "x/turn on.wav", &last(&two), ""],
    ]);
    assert_eq!(read(&[one.clone(), two.clone()]), both);
    let faults = |dirs: &[PathBuf]| folders::cases(dirs, &commands(), None).unwrap_err().to_string();
    let twice = faults(&[two.clone(), two.join("x/.."), one.join("nowhere")]);
    let lines: Vec<&str> = twice.lines().collect();
    let [shared, missing] = lines[..] else { panic!("two faults: {twice}") };
    let expected = format!("{}: its files are in {} too", two.join("x/..").display(), two.display());
    assert!(shared.starts_with(&expected), "{shared}");
    assert!(missing.contains("nowhere: no such folder"), "{missing}");
}

/// Thresholds by which the log-odds of a sentence are its rank by the word, and nothing is needed: no table is asked.
fn by_rank() -> Thresholds {
    let mut parts = [Part { weight: 0.0, mean: 0.0, spread: 1.0 }; COUNT];
    parts[FEATURES.iter().position(|feature| feature.name == "support").unwrap()].weight = 1.0;
    let weights = Weights { intercept: 0.0, parts, ..Weights::default() };
    Thresholds { weights: weights.into(), wrong_costs: 1.0, ..Thresholds::default() }
}

/// Hears what its script says, utterance after utterance: the sentence and its log-odds by [`by_rank`]; then the last one for
/// ever.
struct Script(Vec<(&'static str, f32)>);

impl Recognizer for Script {
    fn hear(&mut self, samples: &[f32]) -> Result<Heard, RecognizeError> {
        let (words, wanted) = if self.0.len() > 1 { self.0.remove(0) } else { self.0[0] };
        let rank = wanted * words.split(' ').count() as f32;
        let candidate = || Candidate { sentence: sentence(words), rank, joint: -1.0, tokens: 1, lead: 9.0 };
        let text = if words == "on" { "On and on it goes." } else { words };
        let took = Timings { total: Duration::from_millis(100), ..Timings::default() };
        let duration_ms = samples.len() as u64 / 16;
        Ok(Heard { duration_ms, took, ..heard(text, (!words.is_empty()).then(candidate)) })
    }
}

/// What an evaluator with this script makes of these sounds.
fn evaluated(script: &[(&'static str, f32)], cut: bool, sounds: Vec<(Expected, Vec<f32>)>) -> Vec<Clip> {
    evaluated_by(&by_rank(), script, cut, sounds)
}

fn evaluated_by(
    thresholds: &Thresholds,
    script: &[(&'static str, f32)],
    cut: bool,
    sounds: Vec<(Expected, Vec<f32>)>,
) -> Vec<Clip> {
    let mut evaluator = Evaluator {
        recognizer: Box::new(Script(script.to_vec())),
        thresholds: thresholds.clone(),
        commands: commands(),
        grammar: Arc::new(Grammar::default()),
        endpoint: EndpointSettings::default(),
        scratch: scratch(8 << 20),
        cut,
        keep: 3,
    };
    let case = |(i, expected)| {
        let name = format!("{i}.wav");
        Case {
            path_in_folder: name.clone(),
            name,
            path: PathBuf::new(),
            place: String::new(),
            set: None,
            speaker: None,
            expected,
        }
    };
    let decided = sounds
        .into_iter()
        .enumerate()
        .map(|(i, (expected, sound))| evaluator.decide(&case((i, expected)), sound).unwrap_or_else(|e| panic!("{e}")));
    decided.collect()
}

fn five_clips() -> Vec<Clip> {
    five_clips_by(&by_rank())
}

fn five_clips_by(thresholds: &Thresholds) -> Vec<Clip> {
    let second = || vec![0.1; SAMPLE_RATE as usize];
    let script = [("turn it on", 2.0), ("turn it off", 1.0), ("turn it on", -6.0), ("turn it on", 0.5), ("", 0.0)];
    let turn_on = || (Expected::Sentence("turn it on".into()), second());
    let sounds = vec![turn_on(), turn_on(), turn_on(), (Expected::Rejected, second()), (Expected::Rejected, second())];
    evaluated_by(thresholds, &script, false, sounds)
}

#[test]
fn each_clip_is_right_wrong_refused_or_a_false_accept() {
    let clips = five_clips();
    let grades: Vec<Grade> = clips.iter().map(|c| c.grade).collect();
    let expected = [Grade::Right, Grade::Wrong, Grade::Refused, Grade::FalseAccept, Grade::Right];
    assert_eq!(grades, expected);
    let found: Vec<Value> = clips.iter().map(|c| c.json(None)["found"].clone()).collect();
    assert_eq!(json!(found), json!([true, false, true, null, null]), "the best sentence, whatever was decided");
    let kept: Vec<bool> = clips.iter().map(|c| c.utterances[0].sound.is_some()).collect();
    assert_eq!(kept, [false, true, true, true, false], "the sound of what is not right");
}

#[test]
fn the_summary_counts_them_and_says_what_they_may_really_be() {
    let summary = Summary::of(&five_clips(), Some(12.0)).json();
    let counts = [
        ("snr_db", json!(12.0)),
        ("clips", json!(5)),
        ("found", json!(2)),
        ("right", json!(2)),
        ("wrong", json!(1)),
        ("refused", json!(1)),
        ("false_accepts", json!(1)),
        ("negatives", json!(2)),
        ("negatives_accepted", json!(1)),
        ("utterances", json!(5)),
        ("hours", json!(2.0 / 3600.0)),
        ("audio_hours", json!(5.0 / 3600.0)),
        ("ms", json!({"p50": 100.0, "p95": 100.0})),
    ];
    for (key, value) in counts {
        assert_eq!(summary[key], value, "{key}");
    }
    assert_eq!(Summary::of(&[], None).json()["hours"].to_string(), "0.0", "and not -0.0");
    assert_eq!(summary["share"]["right"]["is"], 0.4);
    let upper = summary["false_accepts_per_hour"]["high"].as_f64().unwrap();
    assert!((upper - 5.5716 * 1800.0).abs() < 1.0, "{upper}");
    let confusion =
        |expected, decided, file| json!({"expected": expected, "decided": decided, "count": 1, "file": file});
    let expected = [
        confusion("no command", "turn it on", "3.wav"),
        confusion("turn it on", "refused: unlike", "2.wav"),
        confusion("turn it on", "turn it off", "1.wav"),
    ];
    assert_eq!(summary["confusions"], json!(expected));
    let excess = &summary["scores"]["excess"];
    let bins = |group: &str| -> Vec<usize> {
        let counts = excess[group].as_array().unwrap().iter().enumerate();
        counts.filter(|(_, count)| **count == 1).map(|(bin, _)| bin).collect()
    };
    let groups = ["right", "found_refused", "wrong", "negatives"];
    assert_eq!(groups.map(bins), [[24], [8], [22], [21]], "a bin for half a nat, from -10");
}

#[test]
fn the_curve_holds_the_rates_that_would_come_of_more_or_less_being_needed() {
    let clips = five_clips();
    let det = Summary::of(&clips, None).det;
    let found: Vec<(f32, f64, f64)> = det
        .iter()
        .map(|p| (p.more, p.false_accepts, p.false_rejects))
        .map(|(more, a, r)| ((more * 100.0).round() / 100.0, a, r))
        .collect();
    let (third, half) = (1.0 / 3.0, 0.5);
    let end = (2.0, 0.0, 1.0);
    assert_eq!(found, [(-6.0, half, third), (0.5, half, 2.0 * third), (1.0, 0.0, 2.0 * third), end]);
}

#[test]
fn each_point_of_the_curve_is_what_is_counted_when_so_much_more_is_needed() {
    let script =
        [("a b", 3.0), ("turn it on", 7.0), ("a b", -2.0), ("turn it on", 7.0), ("on", 9.0), ("turn it on", 1.5)];
    let talk = in_a_row(&clips("other")[..3]);
    let sounds = || {
        let sentence = || (Expected::Sentence("turn it on".into()), talk.clone());
        vec![sentence(), (Expected::Rejected, talk.clone()), sentence(), sentence(), sentence()]
    };
    for own in [None, Some(-2.0), Some(-8.0)] {
        let decided = |more: f32| {
            let offsets = own.map(|own: f32| (0, own - more)).into_iter().collect();
            let thresholds = Thresholds { offset: -more, offsets, ..by_rank() };
            Summary::of(&evaluated_by(&thresholds, &script, true, sounds()), None)
        };
        let det = decided(0.0).det;
        assert!(!det.is_empty());
        for point in det {
            let counted = decided(point.more);
            let rates = [counted.negatives_accepted as f64, 4.0 * point.false_rejects];
            assert_eq!(rates, [point.false_accepts, (counted.wrong + counted.refused) as f64], "{own:?}: {point:?}");
        }
    }
}

#[test]
fn what_a_command_costs_and_its_offset_move_what_it_has_to_spare() {
    // All are sentences of command 0: the clips have log-odds of 2, 1, -6 and 0.5.
    let with = |wrong_costs, own_costs: Option<f32>, offset, own_offset: Option<f32>| {
        let command_costs = own_costs.map(|costs| (0, costs)).into_iter().collect();
        let offsets = own_offset.map(|offset| (0, offset)).into_iter().collect();
        Thresholds { wrong_costs, command_costs, offset, offsets, ..by_rank() }
    };
    let cases = [
        ("as they are", by_rank(), 0.0),
        ("each with an offset", with(1.0, None, 1.5, None), 1.5),
        ("with an offset of its own", with(1.0, None, -9.0, Some(7.0)), 7.0),
        ("dear", with(4.0, None, 0.0, None), -(4f32.ln())),
        ("dear by itself", with(0.5, Some(4.0), 0.0, None), -(4f32.ln())),
        ("cheap by itself", with(4.0, Some(0.5), 0.0, Some(-1.0)), 2f32.ln() - 1.0),
    ];
    for (what, thresholds, moved) in cases {
        let clips = five_clips_by(&thresholds);
        let spare: Vec<Option<f32>> = clips.iter().map(|clip| clip.utterances[0].spare()).collect();
        for (spare, log_odds) in spare.iter().zip([2.0, 1.0, -6.0, 0.5]) {
            assert!((spare.unwrap() - log_odds - moved).abs() < 1e-5, "{what}: {spare:?}, not {}", log_odds + moved);
        }
        assert_eq!(spare[4], None, "{what}: without a sentence");
        for utterance in clips.iter().flat_map(|clip| &clip.utterances) {
            assert_eq!(utterance.accepted(), utterance.spare().is_some_and(|spare| spare >= 0.0), "{what}");
        }
    }
}

#[test]
fn a_clip_that_another_rule_refuses_has_nothing_to_spare_whatever_is_needed() {
    // "on", and the speech goes on.
    let clips = evaluated(&[("on", 5.0)], false, vec![(Expected::Sentence("on".into()), vec![0.1; 16_000])]);
    let utterance = &clips[0].utterances[0];
    assert_eq!((clips[0].grade, &utterance.decision["rule"]), (Grade::Refused, &json!("goes-on")));
    assert_eq!((utterance.excess(), utterance.spare()), (Some(5.0), None));
}

#[test]
fn the_brier_score_and_the_bins_of_reliability_compare_the_probabilities_with_what_was_said() {
    type Bins<'a> = &'a [(usize, f64, f64)];
    // Probabilities in hundredths that the nearest sentence was said, and whether it was.
    type Case<'a> = (&'a str, &'a [(u8, bool)], Option<f64>, Bins<'a>);
    let cases: [Case<'_>; 6] = [
        ("nothing heard", &[], None, &[]),
        ("right and nearly sure", &[(99, true)], Some(0.0001), &[(1, 0.99, 1.0)]),
        ("wrong and nearly sure", &[(99, false)], Some(0.9801), &[(1, 0.99, 0.0)]),
        ("even odds", &[(50, true), (50, false)], Some(0.25), &[(2, 0.5, 0.5)]),
        ("one bin", &[(82, true), (84, true), (86, false), (88, true)], Some(0.203), &[(4, 0.85, 0.75)]),
        ("two bins", &[(5, false), (15, true), (5, false)], Some(0.2425), &[(2, 0.05, 0.0), (1, 0.15, 1.0)]),
    ];
    for (what, given, brier, bins) in cases {
        let log_odds = |hundredths: u8| (f32::from(hundredths) / f32::from(100 - hundredths)).ln();
        let script: Vec<_> = given.iter().map(|(p, _)| ("turn it on", log_odds(*p))).collect();
        let expected = |said| Expected::Sentence(if said { "turn it on" } else { "turn it off" }.into());
        let sounds: Vec<_> = given.iter().map(|(_, said)| (expected(*said), vec![0.1; 16_000])).collect();
        let summary = Summary::of(&evaluated(&script, false, sounds), None);
        let same = |one: f64, other: f64| (one - other).abs() < 1e-4;
        let (score, json) = (summary.reliability.as_ref().map(|r| r.brier), summary.json());
        assert_eq!(score.is_some(), brier.is_some(), "{what}");
        assert!(score.zip(brier).is_none_or(|(is, expected)| same(is, expected)), "{what}: {score:?}");
        assert_eq!(json["brier"].is_null(), brier.is_none(), "{what}");
        assert_eq!(json["reliability"].as_array().map(Vec::len), Some(bins.len()), "{what}: {json}");
        let filled = summary.reliability.iter().flat_map(|r| r.filled());
        for ((_, bin), (count, given, said)) in filled.zip(bins) {
            assert!(bin.count == *count && same(bin.given, *given) && same(bin.said, *said), "{what}: {bin:?}");
        }
    }
    let rejected = vec![(Expected::Rejected, vec![0.1; 16_000])];
    let other = Summary::of(&evaluated(&[("turn it on", 0.0)], false, rejected), None);
    let other = other.reliability.unwrap();
    assert_eq!((other.brier, other.bins[5].said), (0.25, 0.0), "of other speech no sentence was said");
}

#[test]
fn what_is_long_is_cut_by_the_ear_and_each_accepted_utterance_is_a_false_accept() {
    let talk = in_a_row(&clips("other")[..16]);
    let minutes = talk.len() as f64 / 960_000.0;
    assert!(minutes > 0.5, "longer than Whisper takes: {minutes} min");
    let script = [("turn it on", 1.0), ("turn it on", -9.0)];
    let decided = evaluated(&script, false, vec![(Expected::Rejected, talk.clone()), (Expected::Rejected, talk)]);
    let lengths: Vec<usize> = decided.iter().map(|c| c.utterances.len()).collect();
    assert_eq!(lengths, [16, 16]);
    let summary = Summary::of(&decided, None);
    let counts = (summary.clips, summary.right, summary.false_accepts, summary.negatives_accepted, summary.utterances);
    assert_eq!(counts, (2, 1, 1, 1, 32));
    assert!((summary.hours * 30.0 - minutes).abs() < 1e-9, "{} h", summary.hours);
    assert_eq!(decided[0].json(None)["utterances"].as_array().map(Vec::len), Some(16));
    let kept = decided[0].utterances.iter().filter(|u| u.sound.is_some()).count();
    assert_eq!(kept, 1, "the sound of what was accepted");
}

#[test]
fn a_sentence_that_is_cut_out_is_right_only_alone_and_its_end_is_not_lost_with_the_files() {
    let mut clip = samples(&data("home/turn on the TV.wav"));
    let last_loud = clip.iter().rposition(|sample| sample.abs() > 0.05).unwrap();
    clip.truncate(last_loud | 1);
    let once = [quiet(1000), clip.clone()].concat();
    let twice = [quiet(1000), clip.clone(), quiet(1500), clip].concat();
    let expected = || Expected::Sentence("turn it on".into());
    let sounds = vec![(expected(), once), (expected(), twice), (expected(), quiet(1000))];
    let decided = evaluated(&[("turn it on", 1.0)], true, sounds);
    let found: Vec<(usize, Grade)> = decided.iter().map(|c| (c.utterances.len(), c.grade)).collect();
    assert_eq!(found, [(1, Grade::Right), (2, Grade::Wrong), (0, Grade::Refused)]);
    let found: Vec<Option<bool>> = decided.iter().map(Clip::found).collect();
    assert_eq!(found, [Some(true), Some(true), Some(false)], "among the utterances of the clip");
    let confusions = Summary::of(&decided, None).confusions;
    let decided: Vec<&str> = confusions.iter().map(|c| c.decided.as_str()).collect();
    assert_eq!(decided, ["not heard", "turn it on + turn it on"]);
}

#[test]
fn what_is_to_be_refused_is_cut_if_it_is_longer_than_an_utterance_can_be() {
    let talk = in_a_row(&clips("other"));
    let seconds = |seconds: usize| talk[..16_000 * seconds].to_vec();
    let sentence = || Expected::Sentence("turn it on".into());
    let sounds = vec![
        (Expected::Rejected, seconds(10)),
        (Expected::Rejected, talk[..160_001].to_vec()),
        (sentence(), seconds(30)),
        (sentence(), talk[..480_001].to_vec()),
    ];
    let decided = evaluated(&[("turn it on", 1.0)], false, sounds);
    assert_eq!(decided.iter().map(|c| c.cut).collect::<Vec<_>>(), [false, true, false, true]);
    let utterances: Vec<usize> = decided.iter().map(|c| c.utterances.len()).collect();
    assert!(utterances[0] == 1 && utterances[1] > 1 && utterances[2] == 1, "{utterances:?}");
    let summary = Summary::of(&decided[..2], None);
    assert_eq!((summary.false_accepts, summary.negatives_accepted), (1 + utterances[1], 2));
    assert!((summary.hours * 3600.0 - 20.0).abs() < 0.001, "{} h", summary.hours);
}

#[test]
fn a_clip_in_which_nothing_is_heard_is_on_the_page_with_its_sound() {
    let sentence = || Expected::Sentence("turn it on".into());
    let sounds = vec![(sentence(), quiet(1500)), (sentence(), quiet(31_000)), (Expected::Rejected, quiet(1500))];
    let clips = evaluated(&[("turn it on", 1.0)], true, sounds);
    let kept: Vec<Option<usize>> = clips.iter().map(|c| c.sound.as_ref().map(Vec::len)).collect();
    assert_eq!(kept, [Some(24_000), Some(480_000), None]);
    let mut page = Vec::new();
    let conditions = [(Summary::of(&clips, None), clips)];
    page::write(&mut page, "clips", "by a test", &conditions, &Thresholds::default()).unwrap();
    let page = words(&page);
    assert_eq!(page.matches("<dd>not heard: no utterance was found<").count(), 2, "{page}");
    assert_eq!(page.matches("data:audio/wav;base64,").count(), 2);
    assert!(!page.contains("without their sound"));
}

/// A folder of clips with a list, a configuration that takes one thread, and noise.
fn corpus() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("clips")).unwrap();
    let copied = [
        ("home/turn on the TV.wav", r#""sentence": "Turn on the tv""#),
        (
            "home/set Bed Light brightness to 75 percent.wav",
            r#""command": "brightness", "slots": {"brightness": "75"}"#,
        ),
        ("home/next track.wav", r#""sentence": "skip this song""#),
        ("other/tell me a joke.wav", r#""rejected": true"#),
    ];
    let mut list = String::new();
    for (i, (clip, expected)) in copied.iter().enumerate() {
        fs::copy(data(clip), at(&format!("clips/{i}.wav"))).unwrap();
        list += &format!("{{\"file\": \"{i}.wav\", {expected}}}\n");
    }
    fs::write(at("clips/expected.jsonl"), list).unwrap();
    let home = fs::read_to_string(data("home.toml")).unwrap();
    let text = home.replace("[recognizer]\n", "[recognizer]\nthreads = 1\n");
    assert_eq!(config::parse("home.toml", &text).unwrap_or_else(|e| panic!("{e}")).recognizer.threads, 1);
    fs::write(at("home.toml"), text).unwrap();
    fs::copy(data("other/it is time to go home.wav"), at("noise.wav")).unwrap();
    dir
}

fn eval(corpus: &Path, arguments: &[&str]) -> Output {
    let mut command = hearken();
    command.current_dir(corpus).args(["eval", "--config", "home.toml"]).args(arguments).arg("clips");
    command.output().expect("the program should start")
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn eval_prints_one_object_a_clip_and_one_for_all_clean_and_with_noise() {
    let _alone = alone();
    let corpus = corpus();
    let output = eval(corpus.path(), &["--json", "--each", "--snr", "30", "--noise", "noise.wav"]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output.stderr));
    let lines: Vec<Value> = words(&output.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let [each @ .., all] = &lines[..] else { panic!("lines: {lines:?}") };
    let found: Vec<(&Value, &Value)> = each.iter().take(4).map(|line| (&line["file"], &line["outcome"])).collect();
    let expected = ["right", "right", "wrong", "right"];
    let expected: Vec<(Value, Value)> =
        expected.iter().enumerate().map(|(i, what)| (json!(format!("{i}.wav")), json!(what))).collect();
    assert!(found.iter().zip(&expected).all(|(f, e)| (f.0, f.1) == (&e.0, &e.1)), "{found:?}");
    assert_eq!(each.iter().filter(|line| line["snr_db"] == 30.0).count(), 4, "{each:?}");
    assert_eq!((&each[1]["slots"]["brightness"], &each[1]["extra"]), (&json!(75), &json!(["light"])));
    let counts = ["clips", "found", "right", "wrong", "refused", "false_accepts", "negatives", "extra", "unreadable"];
    assert_eq!(counts.map(|key| all[key].as_u64().unwrap()), [4, 2, 3, 1, 0, 0, 1, 1, 0]);
    assert_eq!(all["confusions"][0]["expected"], "skip this song");
    assert_eq!(all["confusions"][0]["decided"], "next track");
    assert_eq!((&all["snr"][0]["snr_db"], &all["snr"][0]["clips"]), (&json!(30.0), &json!(4)));
    assert_eq!(all["noise"], json!({"file": "noise.wav", "seed": 1}));
    assert!(all["ms"]["p95"].as_f64() >= all["ms"]["p50"].as_f64() && all["hours"].as_f64() > Some(0.0), "{all}");
}

/// Two folders: one with a list that names sets and speakers, and one without a list.
fn two_folders() -> tempfile::TempDir {
    let corpus = corpus();
    let at = |name: &str| corpus.path().join(name);
    ["1.wav", "3.wav"].iter().for_each(|name| fs::remove_file(at("clips").join(name)).unwrap());
    let list = r#"{"file": "0.wav", "sentence": "turn on the TV", "set": "near", "speaker": "ann"}
        {"file": "2.wav", "sentence": "skip this song", "speaker": "bob"}"#;
    fs::write(at("clips/expected.jsonl"), list).unwrap();
    fs::create_dir_all(at("more/other")).unwrap();
    for (clip, name) in [("home/turn on the TV.wav", "turn on the TV.wav"), ("other/tell me a joke.wav", "other/0.wav")]
    {
        fs::copy(data(clip), at("more").join(name)).unwrap();
    }
    corpus
}

#[test]
fn eval_counts_two_folders_by_set_and_by_speaker() {
    let _alone = alone();
    let corpus = two_folders();
    let output = eval(corpus.path(), &["--html", "page.html", "more"]);
    let said = words(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output.stderr));
    assert!(said.starts_with("more, clips: 4 WAV files"), "{said}");
    let rows = |table: &str| -> Vec<String> {
        let lines = said.split(table).nth(1).unwrap_or_else(|| panic!("{table}: {said}")).lines().skip(2);
        let row = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        lines.take_while(|line| !line.is_empty()).map(row).collect()
    };
    let sets = rows("clean, by set:");
    assert_eq!((&sets[0][..], &sets[2][..]), ("clips 1 0 0 0.0 1 0 0 -", "near 1 1 1 100.0 0 0 0 -"), "{said}");
    assert!(sets.len() == 3 && sets[1].starts_with("more 2 1 2 100.0 0 0 0 0.000"), "{said}");
    let speakers = rows("clean, 2 speakers, the lowest share right first:");
    assert_eq!(speakers, ["bob 1 0 0 0.0 1 0 0 -", "ann 1 1 1 100.0 0 0 0 -"]);
    let page = fs::read_to_string(corpus.path().join("page.html")).unwrap();
    for part in ["<h3>By set</h3>", "<td>near</td>", "<td>bob</td>", "found, refused"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn each_object_of_two_folders_has_its_set_and_its_speaker() {
    let _alone = alone();
    let corpus = two_folders();
    let output = eval(corpus.path(), &["--each", "more"]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output.stderr));
    let lines: Vec<Value> = words(&output.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let [each @ .., all] = &lines[..] else { panic!("lines: {lines:?}") };
    let found: Vec<[&Value; 4]> =
        each.iter().map(|line| ["file", "set", "speaker", "found"].map(|key| &line[key])).collect();
    let expected = json!([
        ["more/other/0.wav", "more", null, null],
        ["more/turn on the TV.wav", "more", null, true],
        ["clips/0.wav", "near", "ann", true],
        ["clips/2.wav", "clips", "bob", false],
    ]);
    assert_eq!(json!(found), expected);
    let one = |found: usize, wrong: usize| json!({"clips": 1, "negatives": 0, "found": found, "right": found, "wrong": wrong, "refused": 0, "false_accepts": 0, "hours": 0.0});
    assert_eq!(all["speakers"], json!({"ann": one(1, 0), "bob": one(0, 1)}));
    assert_eq!((&all["sets"]["near"], &all["sets"]["clips"]), (&one(1, 0), &one(0, 1)));
    assert_eq!((&all["sets"]["more"]["negatives"], &all["sets"]["more"]["hours"]), (&json!(1), &all["hours"]));
}

#[test]
fn eval_in_words_reports_what_cannot_be_read_and_what_is_not_good_enough() {
    let _alone = alone();
    let corpus = corpus();
    let output = eval(corpus.path(), &["--at-least", "90"]);
    let (said, complained) = (words(&output.stdout), words(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{complained}");
    assert!(complained.ends_with("75.0 % of 4 clips are right; 90 % are needed\n"), "{complained}");
    for row in ["75.0 % (30.1 to 95.4), 3 of 4", "33.3 % (6.1 to 79.2), 1 of 3", "0.0 % (0.0 to 79.3), 0 of 1"] {
        assert!(said.contains(row), "{row}: {said}");
    }
    assert!(said.contains("   1 x skip this song -> next track (2.wav)\n"), "{said}");

    fs::write(corpus.path().join("clips/0.wav"), "no sound").unwrap();
    let output = eval(corpus.path(), &["--json"]);
    let complained = words(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complained}");
    assert!(complained.starts_with("clips/0.wav: not a WAV file that can be read"), "{complained}");
    assert!(complained.ends_with("1 of 4 files failed\n"), "{complained}");
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&all["clips"], &all["right"], &all["unreadable"]), (&json!(3), &json!(2), &json!(1)));
}

#[test]
fn each_file_has_its_line_and_the_page_is_for_its_owner_only() {
    let _alone = alone();
    let corpus = corpus();
    let file = |name: &str| corpus.path().join(name);
    (1..4).for_each(|i| fs::remove_file(file(&format!("clips/{i}.wav"))).unwrap());
    fs::write(file("clips/0.wav"), "no sound").unwrap();
    fs::write(file("clips/expected.jsonl"), r#"{"file": "0.wav", "sentence": "turn on teh TV"}"#).unwrap();
    fs::write(file("page.html"), "x".repeat(100_000)).unwrap();
    fs::set_permissions(file("page.html"), Permissions::from_mode(0o644)).unwrap();
    let output = eval(corpus.path(), &["--each", "--html", "page.html"]);
    let (said, complained) = (words(&output.stdout), words(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{complained}");
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let what = lines[0]["error"].as_str().unwrap();
    assert_eq!(lines[0], json!({"file": "0.wav", "error": what}));
    assert_eq!((lines.len(), &lines[1]["clips"], &lines[1]["unreadable"]), (2, &json!(0), &json!(1)));
    let never = "no command says it; no decision on it can be right";
    let expected =
        format!("clips/expected.jsonl:1: \"turn on teh TV\": {never}\nclips/0.wav: {what}\n1 of 1 files failed\n");
    assert_eq!(complained, expected);
    assert_eq!(fs::metadata(file("page.html")).unwrap().permissions().mode() & 0o777, 0o600);
    let page = fs::read_to_string(file("page.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"), "{page}");
}

#[test]
fn eval_refuses_what_it_cannot_use_before_it_decides_anything() {
    let corpus = corpus();
    let file = |name: &str| corpus.path().join(name);
    fs::write(file("silence.wav"), [&hearken::audio::wav::header(3200)[..], &[0; 3200]].concat()).unwrap();
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--snr", "6"], 2, "--noise <WAV>"),
        (&["--noise", "noise.wav"], 2, "--snr <DB>"),
        (&["--snr", "600", "--noise", "noise.wav"], 2, "a number of dB from -30 to 60 is needed"),
        (&["--at-least", "101"], 2, "a number from 0 to 100 is needed"),
        (&["--snr", "6", "--noise", "silence.wav"], 1, "silence.wav: silent from end to end; use a file with noise"),
        (&["--html", "nowhere/page.html"], 1, "nowhere/page.html: No such file or directory"),
    ];
    for (arguments, code, said) in cases {
        let output = eval(corpus.path(), arguments);
        let complained = words(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {complained}");
        assert!(complained.contains(said), "{arguments:?}: {complained}");
    }
    fs::write(file("clips/expected.jsonl"), "{}\n").unwrap();
    let output = eval(corpus.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    let complained = words(&output.stderr);
    assert!(complained.starts_with("clips/expected.jsonl:1: file: missing; as in {\"file\""), "{complained}");
}

/// What a browser makes of a page: a picture of it, and the facts that this script finds.
const FACTS: &str = "<script>addEventListener('load', () => { const page = document.documentElement; \
    page.dataset.facts = JSON.stringify({wide: page.scrollWidth > innerWidth, \
    pictures: [...document.images].map(i => i.naturalWidth), \
    charts: [...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect().height > 100)}) })</script>";

fn browsed(page: &Path, width: u32, picture: &Path) -> Option<Value> {
    let mut browser = Command::new("chromium");
    browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]);
    browser.arg(format!("--user-data-dir={}", page.with_extension("profile").display()));
    browser.arg(format!("--window-size={width},2600")).arg(format!("--screenshot={}", picture.display()));
    let page = format!("file://{}", page.display());
    match browser.args(["--dump-dom", &page]).output() {
        Err(_) => None,
        Ok(output) => {
            let dom = words(&output.stdout);
            let facts = dom.split("data-facts=\"").nth(1).and_then(|rest| rest.split('"').next());
            let facts = facts.unwrap_or_else(|| panic!("{dom} {}", words(&output.stderr)));
            Some(serde_json::from_str(&facts.replace("&quot;", "\"")).unwrap())
        }
    }
}

#[test]
fn the_page_stands_alone_and_a_browser_shows_all_of_it() {
    let _alone = alone();
    let corpus = corpus();
    let output = eval(corpus.path(), &["--html", "page.html"]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output.stderr));
    let page = corpus.path().join("page.html");
    let html = fs::read_to_string(&page).unwrap();
    for outside in ["<script", "http:", "https:", "url(", "@import", "<link"] {
        assert!(!html.contains(outside), "{outside} in the page");
    }
    let parts =
        ["skip this song", "next track", "data:audio/wav;base64,", "75.0 % (30.1 to 95.4), 3 of 4", "class=\"det\""];
    assert!(parts.iter().all(|part| html.contains(part)), "{}", &html[..2000]);
    fs::write(&page, html + FACTS).unwrap();
    for width in [1200, 500] {
        let picture = corpus.path().join(format!("{width}.png"));
        let Some(facts) = browsed(&page, width, &picture) else {
            assert!(std::env::var_os("NEEDS_BROWSER").is_none(), "make test-page needs the program chromium");
            eprintln!("not looked at in a browser: there is no program chromium (Debian's package chromium)");
            return;
        };
        assert_eq!(facts["wide"], false, "at {width} no sideways scrolling: {facts}");
        assert_eq!(facts["charts"], json!([true, true, true, true]), "{facts}");
        let pictures = facts["pictures"].as_array().unwrap();
        assert!(pictures.len() == 1 && pictures[0].as_u64() > Some(50), "a spectrogram: {facts}");
        let bytes = fs::read(&picture).unwrap();
        assert_eq!(u32::from_be_bytes(bytes[16..20].try_into().unwrap()), width, "the picture's width");
        assert!(bytes.len() > 40_000, "more than an empty page: {} bytes", bytes.len());
    }
}
