//! The built program: what it prints and with which code it ends.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::deciding::alone;
use crate::support::{VirtualMicrophone, clips, data, quiet};

pub fn hearken() -> Command {
    Command::new(env!("CARGO_BIN_EXE_hearken"))
}

fn run(arguments: &[&str]) -> Output {
    hearken().args(arguments).output().expect("the program should start")
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path(name: &str) -> String {
    data(name).display().to_string()
}

#[test]
fn check_prints_what_is_good_and_ends_with_0() {
    let output = run(&["check", &path("home.toml")]);
    let said = words(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output.stderr));
    assert!(said.contains("home.toml: good: 30 commands, 81318 sentences, 6 outputs on Host"), "{said}");
}

#[test]
fn check_names_every_fault_and_ends_with_78() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.toml");
    fs::write(&file, "board = \"pi-5\"\n[outputs.lamp]\npni = 17\n[[commands]]\nname = \"a\"\nsay = \"(on\"\n")
        .unwrap();
    let file = file.display().to_string();
    for arguments in [&["check", &file][..], &["run", "--config", &file], &["decide", "--config", &file, "x.wav"]] {
        let output = run(arguments);
        let said = words(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{said}");
        let expected = [
            ":2:1: outputs.lamp.pin: missing; as in: pin = 17",
            ":3:1: outputs.lamp.pni: unknown key; did you mean \"pin\"?",
            ":6:8: commands[0].say: in \"(on\"",
        ];
        assert!(expected.iter().all(|e| said.contains(e)), "{said}");
    }
}

#[test]
fn the_version_names_the_machine_and_the_processor() {
    let expected = format!("hearken {} ({}-linux, native)\n", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    assert_eq!(words(&run(&["--version"]).stdout), expected);
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &[][..],
        &["fly"],
        &["decide"],
        &["check", "--config", "x", "y"],
        &["run", "--config", "x", "--events", "unix:"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", words(&output.stderr));
    }
}

#[test]
fn devices_lists_the_virtual_microphone_with_its_id_format_and_rate() {
    let microphone = VirtualMicrophone::playing(&quiet(100));
    let output = microphone.plug_into(hearken().arg("devices")).output().unwrap();
    let said = words(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output.stderr));
    assert!(said.contains("\"alsa:mic0\""), "{said}");
    assert!(said.contains("i16 48000 Hz 1 ch"), "{said}");
    assert!(said.contains("GPIO chips"), "{said}");
}

#[test]
fn transcribe_writes_down_text_and_language_and_goes_on_after_a_bad_file() {
    let _alone = alone();
    let output = run(&["transcribe", &path("home.toml"), &path("jfk.wav")]);
    let (said, complained) = (words(&output.stdout), words(&output.stderr));
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("jfk.wav: [en] And so, my fellow Americans"), "{said}");
    assert!(said.contains("ask not what your country can do for you"), "{said}");
    assert!(complained.contains("home.toml: not a WAV file that can be read"), "{complained}");
    assert!(complained.contains("1 of 2 files failed"), "{complained}");
}

#[test]
fn decide_gives_one_object_a_file_with_all_its_keys() {
    let _alone = alone();
    let good = path("home/set Bed Light brightness to 75 percent.wav");
    let other = path("other/tell me a joke.wav");
    let output = run(&["decide", "--config", &path("home.toml"), "--json", &good, &other]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output.stderr));
    let lines: Vec<Value> = words(&output.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let [accepted, rejected] = &lines[..] else { panic!("two lines: {lines:?}") };
    for line in &lines {
        for key in [
            "file",
            "verdict",
            "reason",
            "command",
            "sentence",
            "slots",
            "log_odds",
            "confidence",
            "needed",
            "features",
            "runner_up",
            "text",
            "ms",
        ] {
            assert!(line.get(key).is_some(), "{key} in {line}");
        }
        assert!(["mel", "encode", "search", "total"].iter().all(|stage| line["ms"][stage].is_number()), "{line}");
    }
    assert_eq!(accepted["file"], good);
    assert_eq!(accepted["verdict"], "accepted");
    assert_eq!(accepted["command"], "brightness");
    assert_eq!(accepted["sentence"], "set bed light brightness to 75 percent");
    assert_eq!(accepted["slots"], serde_json::json!({"light": "bed light", "brightness": 75}));
    assert_eq!((&rejected["verdict"], &rejected["command"]), (&Value::from("rejected"), &Value::Null));
    assert!(rejected["reason"].as_str().is_some_and(|r| !r.is_empty()), "{rejected}");
}

#[test]
fn decide_takes_a_file_from_standard_input() {
    let _alone = alone();
    let clip = fs::read(&clips("home")[0]).unwrap();
    let mut child = hearken()
        .args(["decide", "--config", &path("home.toml"), "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&clip).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        words(&output.stdout).starts_with("-: \"close the kitchen windows\" = close {\"area\":\"kitchen\"}"),
        "{}",
        words(&output.stdout)
    );
}

#[test]
fn a_model_that_is_missing_or_damaged_is_refused_before_it_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let refused = || {
        let output = hearken()
            .args(["decide", "--config", &path("home.toml"), "x.wav"])
            .env("HEARKEN_MODELS", dir.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        words(&output.stderr)
    };
    assert!(refused().contains("model \"ggml-tiny.en-q8_0.bin\" is not here; looked in "));
    let model = dir.path().join("ggml-tiny.en-q8_0.bin");
    fs::write(&model, b"lmgg and not much more").unwrap();
    assert!(refused().contains("it has 22 bytes, not 43550795; copy it again"));
    fs::write(&model, vec![0; 43_550_795]).unwrap();
    assert!(refused().contains("its SHA-256 is "));
    fs::remove_file(&model).unwrap();
    fs::create_dir(&model).unwrap();
    assert!(refused().contains("it is not a regular file"));
}

#[test]
fn transcribe_leaves_nothing_behind_whether_it_ends_well_with_an_error_or_by_sigkill() {
    let _alone = alone();
    let (dir, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
    let bad = dir.path().join("bad.wav");
    fs::write(&bad, b"RIFF....WAVE").unwrap();
    let long = dir.path().join("long.wav");
    fs::copy(data("jfk.wav"), &long).unwrap();
    let places = || {
        let all = [dir.path(), scratch.path()].into_iter().flat_map(|place| fs::read_dir(place).unwrap());
        all.map(|f| f.unwrap().file_name()).filter(|name| name != "bad.wav" && name != "long.wav").collect::<Vec<_>>()
    };
    let transcribe = |file: &std::path::Path| {
        let mut command = hearken();
        command.arg("transcribe").arg(file).current_dir(dir.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
            .env("TMPDIR", dir.path())
            .env("RUNTIME_DIRECTORY", scratch.path())
            .env("XDG_RUNTIME_DIR", scratch.path());
        command
    };
    assert_eq!(transcribe(&bad).output().unwrap().status.code(), Some(1));
    assert_eq!(transcribe(&long).output().unwrap().status.code(), Some(0));
    let nothing = dir.path().join("no model here");
    fs::create_dir(&nothing).unwrap();
    assert_eq!(transcribe(&long).env("HEARKEN_MODELS", &nothing).output().unwrap().status.code(), Some(1));
    fs::remove_dir(&nothing).unwrap();
    let mut killed = transcribe(&long).env("RUST_LOG", "info").spawn().unwrap();
    // Killed when the model is there and the sound is being read or recognized.
    let log = std::io::BufReader::new(killed.stderr.take().unwrap());
    assert!(std::io::BufRead::lines(log).any(|line| line.is_ok_and(|l| l.contains("model loaded"))));
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(places(), Vec::<std::ffi::OsString>::new());
}

#[test]
fn the_room_that_scratch_needs_is_its_capacity_what_is_kept_and_a_little() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("hearken.toml");
    let room = |scratch: &str| {
        fs::write(&config, fs::read_to_string(path("house.toml")).unwrap() + scratch).unwrap();
        let output = run(&["scratch", "room", "--config", config.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", words(&output.stderr));
        words(&output.stdout).trim().parse::<u64>().unwrap()
    };
    let kept = "[scratch]\ncapacity = \"2 MiB\"\nkeep = { last = 10, capacity = \"1 MiB\" }\n";
    assert_eq!([room(""), room(kept)], [9 << 20, (4 << 20) + 10 * 8192]);
}

#[test]
fn status_without_a_daemon_says_where_it_looked() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(&["scratch", "status", "--scratch", &dir.path().display().to_string()]);
    let said = words(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(&format!("no daemon answers in {}", dir.path().display())), "{said}");
}

#[test]
fn a_directory_or_a_model_that_is_not_there_is_named_with_what_would_do() {
    let audit = run(&["scratch", "audit", "--scratch", "/nowhere"]);
    assert_eq!(audit.status.code(), Some(1));
    assert!(words(&audit.stderr).contains("cannot record in /nowhere: No such file"), "{}", words(&audit.stderr));
    let transcribe = run(&["transcribe", "--model", "huge.bin", &path("jfk.wav")]);
    let said = words(&transcribe.stderr);
    assert_eq!(transcribe.status.code(), Some(1));
    assert!(said.contains("\"huge.bin\" is not in the manifest and has no sha256; there are: ggml-tiny.en"), "{said}");
}

#[test]
fn every_command_finds_the_configuration_that_is_here() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(path("home.toml"), dir.path().join("hearken.toml")).unwrap();
    for arguments in [&["check"][..], &["sentences", "--count"], &["config", "show"], &["pins"], &["scratch", "room"]] {
        let output = hearken().args(arguments).current_dir(&dir).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", words(&output.stderr));
    }
    let nowhere = tempfile::tempdir().unwrap();
    let output = hearken().arg("check").current_dir(&nowhere).output().unwrap();
    assert!(words(&output.stderr).contains("--config FILE names another"), "{}", words(&output.stderr));
}

#[test]
fn pins_are_not_put_at_rest_beside_a_running_daemon() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let _socket = hearken::runtime::status::StatusSocket::open(dir.path(), hearken::runtime::status::Question::Status);
    let mut pins = hearken();
    pins.args(["pins", "--rest", "--config", &path("home.toml")]).env("XDG_RUNTIME_DIR", dir.path());
    let output = pins.env_remove("RUNTIME_DIRECTORY").output().unwrap();
    // Nobody answers on that socket: a daemon that hangs holds its pins too.
    assert!(words(&output.stderr).contains("a daemon runs"), "{}", words(&output.stderr));
    assert_eq!(output.status.code(), Some(1));
}
