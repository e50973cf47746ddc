//! The explanation of a decision: of a file, and of the daemon's last utterance.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

use hearken::runtime::status::{Question, ask};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::daemon::{Daemon, Manager};
use crate::deciding::alone;
use crate::program::hearken;
use crate::support::{VirtualMicrophone, data, in_a_row, quiet};

fn run(arguments: &[&str]) -> Output {
    hearken().args(arguments).output().unwrap()
}

/// The configuration of the clips, with one thread: a machine that has other work is slow enough.
fn config(dir: &TempDir) -> String {
    let path = dir.path().join("home.toml");
    let home = fs::read_to_string(data("home.toml")).unwrap();
    fs::write(&path, home.replace("[recognizer]", "[recognizer]\nthreads = 1")).unwrap();
    path.display().to_string()
}

fn said(output: Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn object(output: Output) -> Value {
    serde_json::from_str(&said(output)).unwrap()
}

fn nats(token: &Value) -> f64 {
    token["nats"].as_f64().unwrap()
}

/// Whether an explanation is whole: five sentences that do different things, each as probable as its tokens together; the first is
/// the decision's own; and the rule named is the first that refuses.
fn is_whole(explanation: &Value) {
    let sentences = explanation["sentences"].as_array().unwrap();
    assert_eq!(sentences.len(), 5, "{explanation}");
    assert_eq!(sentences[0]["sentence"], explanation["nearest"]);
    assert_eq!(
        (&sentences[0]["log_odds"], &explanation["looked"]["gave_up"]),
        (&explanation["log_odds"], &Value::Null)
    );
    for (i, sentence) in sentences.iter().enumerate() {
        let meaning = |s: &Value| (s["command"].clone(), s["slots"].clone());
        assert!(sentences[..i].iter().all(|other| meaning(other) != meaning(sentence)), "{i}: {explanation}");
        let tokens = sentence["tokens"].as_array().unwrap();
        let sum: f64 = tokens.iter().map(nats).sum();
        // Each is rounded to two decimals.
        let rounding = 0.005 * (tokens.len() + 1) as f64 + 1e-3;
        assert!(tokens.len() > 1 && (sum - sentence["joint"].as_f64().unwrap()).abs() < rounding, "{sum}: {sentence}");
        assert_eq!(tokens.last().unwrap()["text"], "", "the end is a token too");
        let text: String = tokens.iter().map(|t| t["text"].as_str().unwrap()).collect();
        assert_eq!(text.trim().replace(',', "").to_lowercase(), sentence["sentence"].as_str().unwrap().to_lowercase());
        for token in tokens.iter().filter(|token| !token["rather"].is_null()) {
            assert!(nats(&token["rather"]) >= nats(token) || token["text"] == "", "{token}");
        }
    }
    let refused = explanation["rules"].as_array().unwrap().iter().find(|rule| rule["result"] == "refused");
    assert_eq!(refused.map_or(&Value::Null, |rule| &rule["rule"]), &explanation["rule"]);
}

#[test]
fn the_explanation_of_a_file_is_whole_and_its_verdict_that_of_decide() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir);
    let cases = [("home/turn on the TV.wav", true), ("other/I locked myself out of the front door.wav", false)];
    for (clip, accepted) in cases {
        let clip = data(clip).display().to_string();
        let explanation = object(run(&["why", "--json", "--config", &config, &clip]));
        is_whole(&explanation);
        let rule = explanation["rule"].as_str();
        assert_eq!(rule.is_none(), accepted, "{explanation}");
        let decision = object(run(&["decide", "--json", "--config", &config, &clip]));
        for key in [
            "file", "verdict", "reason", "rule", "command", "slots", "log_odds", "needed", "features", "nearest",
            "text", "calls",
        ] {
            assert_eq!(explanation[key], decision[key], "{key}");
        }
        let sound = &explanation["sound"];
        assert_eq!(sound["duration_ms"], decision["duration_ms"]);
        let at = |key: &str| sound[key].as_u64().unwrap();
        assert_eq!(sound["speech_ms"], decision["speech_ms"]);
        assert!(at("speech_begins_ms") < at("speech_ends_ms"), "{sound}");
        assert!(at("speech_ends_ms") <= at("duration_ms") && sound["ratio_db"].as_f64().unwrap() > 6.0, "{sound}");

        let mut why = hearken();
        why.args(["why", "--config", &config, "-"]).stdin(Stdio::from(fs::File::open(&clip).unwrap()));
        let words = said(why.output().unwrap());
        let nearest = format!("{:?}", explanation["nearest"].as_str().unwrap());
        let first = rule.map_or("-: accepted".into(), |rule| format!("-: refused by the rule {rule}"));
        assert_eq!(words.lines().next(), Some(&first[..]), "{words}");
        assert!(words.contains(&nearest) && words.contains(explanation["text"].as_str().unwrap()), "{words}");
        assert_eq!(words.matches("REFUSED").count(), usize::from(!accepted), "{words}");
    }
}

#[test]
fn a_file_without_a_sample_whose_name_is_no_text_is_told_of_all_the_same() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(OsStr::from_bytes(b"\xff.wav"));
    let header = fs::read(data("home/turn on the TV.wav")).unwrap()[..44].to_vec();
    assert_eq!(&header[36..40], b"data");
    fs::write(&file, [&header[..40], &[0; 4]].concat()).unwrap();
    let told = |arguments: &[&str]| {
        let config = data("home.toml");
        said(hearken().args(arguments).arg("--config").arg(config).arg(&file).output().unwrap())
    };
    for arguments in [["why", "--json"], ["decide", "--json"]] {
        let object: Value = serde_json::from_str(&told(&arguments)).unwrap();
        assert_eq!(object["file"], file.to_string_lossy().into_owned());
        assert_eq!((&object["rule"], &object["duration_ms"]), (&"no-speech".into(), &0.into()));
    }
    let words = told(&["why"]);
    assert!(words.contains("\nsound     0.00 s, no speech in it\nfree text "), "{words}");
}

#[test]
fn the_decisions_own_sentence_is_told_first_whatever_lies_near() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    for clip in ["other/set a trap for five minutes.wav", "other/unlock the frozen door.wav"] {
        let clip = data(clip).display().to_string();
        let explanation = object(run(&["why", "--json", "--config", &config(&dir), &clip]));
        let sentences = explanation["sentences"].as_array().unwrap();
        assert_eq!(sentences[0]["sentence"], explanation["nearest"], "{explanation}");
        assert_eq!(sentences[0]["log_odds"], explanation["log_odds"], "{explanation}");
    }
}

#[test]
fn what_cannot_be_told_is_said_in_words() {
    let empty = tempfile::tempdir().unwrap();
    let config = data("home.toml").display().to_string();
    let nobody = run(&["why", "--scratch", &empty.path().display().to_string()]);
    let words = String::from_utf8(nobody.stderr).unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    assert!(words.starts_with("no daemon answers in ") && words.contains("is it running?"), "{words}");
    for arguments in [&["why", "--config", &config][..], &["why", "--scratch", "x", "--config", "y", "z"]] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_file_that_is_no_sound_is_named() {
    let _alone = alone();
    let config = data("home.toml").display().to_string();
    let output = run(&["why", "--config", &config, "/nowhere.wav"]);
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(words.contains("/nowhere.wav") && words.contains("No such file"), "{words}");
}

#[test]
fn the_daemon_tells_of_its_last_utterance_to_its_user_only_and_forgets_it_at_a_reload() {
    let _alone = alone();
    let manager = Manager::new();
    let microphone = VirtualMicrophone::playing(&quiet(100));
    let mut daemon = Daemon::wrapped(&["env", &manager.address()], microphone);
    manager.told_before("READY=1");
    let place = daemon.scratch.path().to_path_buf();
    let why = |more: &[&str]| said(run(&[&["why", "--scratch", &place.display().to_string()], more].concat()));
    assert_eq!(why(&[]), "no utterance yet: say something, then ask again\n");
    for question in [Question::Status, Question::Why] {
        let mode = fs::metadata(place.join(question.socket())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{question:?}");
    }
    let clips =
        [("home/turn on the lights.wav", "accepted"), ("other/I locked myself out of the front door.wav", "refused")];
    for (number, (clip, verdict)) in (1..).zip(clips) {
        daemon.microphone.goes_on_with(&in_a_row(&[data(clip)]));
        let event = daemon.event();
        let explanation: Value = serde_json::from_str(&why(&["--json"])).unwrap();
        for key in ["verdict", "rule", "nearest", "text", "log_odds", "features", "ms", "calls"] {
            assert_eq!(explanation[key], event[key], "{key}");
        }
        assert_eq!(
            (&explanation["utterance"], &explanation["sound"]["duration_ms"]),
            (&number.into(), &event["duration_ms"])
        );
        assert_eq!(explanation["rules"].as_array().unwrap().last().unwrap()["rule"], "state");
        assert!(!explanation["sentences"].as_array().unwrap().is_empty(), "{explanation}");
        let words = why(&[]);
        assert!(words.starts_with(&format!("#{number}, ")) && words.contains(&format!(" ago: {verdict}")), "{words}");
    }
    daemon.running.signal(Signal::HUP);
    manager.told_before("READY=1");
    assert_eq!(ask(&place, Question::Why).unwrap()["story"], serde_json::json!({"utterance": null}));
    assert_eq!(daemon.files_in_scratch(), 0);
    daemon.running.signal(Signal::TERM);
    let (code, log) = daemon.ended();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("turn on") && !log.contains("front door"), "no words in the log: {log}");
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "the sockets are gone");
}
