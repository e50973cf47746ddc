//! The audit of scratch, by the built program: the leaky way leaks, Hearken's does not.

use std::process::Output;

use rustix::process::Signal;
use serde_json::Value;

use crate::deciding::alone;
use crate::program::hearken;
use crate::support::Running;

const STATES: [&str; 9] =
    ["opened", "uploading", "writing", "write-failed", "at-cap", "sealed", "no-model", "recognizing", "done"];
const ENDS: [&str; 5] = ["error", "panic", "sigterm", "sigkill", "abort"];

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An audit in a directory of its own, which must be empty afterwards.
fn audit(arguments: &[&str], models: Option<&str>) -> Output {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut command = hearken();
    command.args(["scratch", "audit"]).args(arguments).arg("--scratch").arg(dir.path());
    let output = command.envs(models.map(|dir| ("HEARKEN_MODELS", dir))).output().unwrap();
    assert_eq!(dir.path().read_dir().unwrap().count(), 0, "the audit itself leaves something behind");
    output
}

#[test]
fn in_every_state_and_by_every_end_the_leaky_way_leaves_a_file_and_hearken_nothing() {
    let _alone = alone();
    let output = audit(&["--rounds", "50", "--json"], None);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let left = |way: &str, state: &str, end: &str| {
        let is_it = |e: &&Value| e["way"] == way && e["state"] == state && e["end"] == end;
        let ending = found["endings"].as_array().unwrap().iter().find(is_it);
        let left = &ending.unwrap_or_else(|| panic!("{way} {state} {end} is missing"))["left"];
        ["files", "bytes", "open"]
            .map(|what| left[what].as_u64().unwrap_or_else(|| panic!("{way} {state} {end}: {left}")))
    };
    for (state, end) in STATES.iter().flat_map(|state| ENDS.map(|end| (state, end))) {
        assert_eq!(left("hearken", state, end), [0, 0, 0], "{state} {end}");
        let [files, bytes, open] = left("leaky", state, end);
        assert_eq!((files, open), (u64::from(*state != "done"), 0), "{state} {end}");
        assert_eq!(bytes > 0, !["opened", "done"].contains(state), "{state} {end}");
    }
    let [leaky, hearken] = &found["rounds"].as_array().unwrap()[..] else { panic!("two ways: {found}") };
    assert_eq!((&leaky["killed"], &hearken["killed"]), (&50.into(), &50.into()));
    assert!(leaky["leaving"].as_u64() > Some(0), "{leaky}");
    assert_eq!(hearken["left"], serde_json::json!({"files": 0, "bytes": 0, "open": 0}));
    assert_eq!(found["faults"], serde_json::json!([]));
}

#[test]
fn without_a_model_the_audit_says_so_and_ends_with_1() {
    let empty = tempfile::tempdir().unwrap();
    let output = audit(&[], empty.path().to_str());
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output.stderr).contains("model \"ggml-tiny.en-q8_0.bin\" is not here"), "{}", words(&output.stderr));
}

#[test]
fn an_audit_that_is_stopped_leaves_nothing_and_ends_with_1() {
    let _alone = alone();
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut command = hearken();
    command.args(["scratch", "audit", "--scratch"]).arg(dir.path());
    let mut running = Running(command.stderr(std::process::Stdio::null()).spawn().unwrap());
    while dir.path().read_dir().unwrap().count() == 0 {
        assert!(running.0.try_wait().unwrap().is_none(), "it should still be at work");
        std::thread::yield_now();
    }
    running.signal(Signal::TERM);
    assert_eq!(running.0.wait().unwrap().code(), Some(1));
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}
