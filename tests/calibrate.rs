//! `hearken calibrate`: the built program on some clips, and what it writes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use hearken::config;
use serde_json::Value;

use crate::deciding::alone;
use crate::program::hearken;
use crate::support::{clips, data};

/// Offsets as nobody should have them, and a comment.
const BEFORE: &str =
    "\n[thresholds]\noffset = -40.0  # far too strict\n\n[thresholds.offsets]\n# as of old\nnever-mind = -9.0\n";
const AFTER: &str = "  # far too strict\n\n[thresholds.offsets]\n# as of old\nnever-mind = -9.0\n";

/// A folder with some clips of sentences and five of other speech, and a configuration that takes one thread.
fn corpus(sentences: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let copy = |folder: &str, count: usize| {
        let into = dir.path().join("clips").join(folder);
        fs::create_dir_all(&into).unwrap();
        // It is heard well below the others.
        let all = clips(folder).into_iter().filter(|clip| !clip.to_string_lossy().contains("temp of the EcoBee"));
        for clip in all.take(count) {
            fs::copy(&clip, into.join(clip.file_name().unwrap())).unwrap();
        }
    };
    copy("home", sentences);
    copy("other", 5);
    let home = fs::read_to_string(data("home.toml")).unwrap();
    fs::write(dir.path().join("home.toml"), home.replace("[recognizer]\n", "[recognizer]\nthreads = 1\n") + BEFORE)
        .unwrap();
    dir
}

fn calibrate(corpus: &Path, arguments: &[&str]) -> Output {
    let mut command = hearken();
    command.current_dir(corpus).args(["calibrate", "--config", "home.toml"]).args(arguments).arg("clips");
    command.output().expect("the program should start")
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The rule that refuses a clip; `null` if none does.
fn rule(corpus: &Path, clip: &str) -> Value {
    let mut command = hearken();
    command.current_dir(corpus).args(["decide", "--config", "home.toml", "--json"]).arg(data(clip));
    let output = command.output().unwrap();
    let decision: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", words(&output.stderr)));
    decision["rule"].clone()
}

#[test]
fn too_few_data_are_refused_with_how_many_more_and_nothing_is_written() {
    let corpus = corpus(12);
    let before = fs::read_to_string(corpus.path().join("home.toml")).unwrap();
    let refused = |arguments: &[&str], code| {
        let output = calibrate(corpus.path(), arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        words(&output.stderr)
    };
    let said = refused(&[], 1);
    assert!(
        said.starts_with("clips: too few data: 12 of at least 50 recordings of sentences (38 more), 0.00"),
        "{said}"
    );
    assert!(said.contains(" of 30.0 hours of other sound (30.0 more; or --false-accepts-per-hour "), "{said}");
    let said = refused(&["--false-accepts-per-hour", "5000"], 1);
    assert_eq!(said, "clips: too few data: 12 of at least 50 recordings of sentences (38 more)\n");
    for rate in ["0", "-1", "some", "inf"] {
        let said = refused(&[&format!("--false-accepts-per-hour={rate}")], 2);
        assert!(said.contains("a number from 0.001 to 10000 is needed"), "{said}");
    }
    fs::write(corpus.path().join("clips/other/noise.wav"), "no sound").unwrap();
    let said = refused(&[], 1);
    assert!(said.starts_with("clips/other/noise.wav: not a WAV file that can be read"), "{said}");
    assert!(said.ends_with("1 of 18 files failed\n"), "{said}");
    assert_eq!(fs::read_to_string(corpus.path().join("home.toml")).unwrap(), before);
}

#[test]
fn the_offsets_are_written_where_decisions_follow_them_and_once_is_enough() {
    let _alone = alone();
    let corpus = corpus(50);
    let file = corpus.path().join("home.toml");
    let text = || fs::read_to_string(&file).unwrap();
    let before = text();
    assert_eq!(rule(corpus.path(), "home/turn on the TV.wav"), "unlike");

    fs::set_permissions(&file, PermissionsExt::from_mode(0o444)).unwrap();
    let output = calibrate(corpus.path(), &["--false-accepts-per-hour", "2000"]);
    let (said, complained) = (words(&output.stdout), words(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{complained}");
    let by_hand = "home.toml: marked read-only; nothing is written. By hand it would be:\n[thresholds]\noffset = ";
    assert!(complained.starts_with(by_hand), "{complained}");
    assert!(said.starts_with("clips: 50 recordings of sentences, 0.00"), "{said}");
    assert!(["  <- chosen\n", "  <- now\n"].iter().all(|mark| said.matches(mark).count() == 1), "{said}");
    assert_eq!(text(), before);

    fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let output = calibrate(corpus.path(), &["--false-accepts-per-hour", "2000"]);
    let said = words(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output.stderr));
    let settings = config::load(&file).unwrap_or_else(|e| panic!("{e}"));
    let offset = settings.thresholds.offset;
    assert!((-12.0..=12.0).contains(&offset), "{said}");
    let own: Vec<f32> = settings.thresholds.offsets.into_values().collect();
    assert_eq!(own, [-9.0], "too few recordings of it to choose another");
    assert!(said.contains(&format!("home.toml: thresholds.offset is {offset:?}; it was -40.0\n")), "{said}");
    assert!(!said.contains("never-mind"), "{said}");
    assert!(said.ends_with("systemctl reload hearken, or start hearken run again\n"), "{said}");
    let whole = before.strip_suffix(BEFORE).unwrap();
    assert_eq!(text(), format!("{whole}\n[thresholds]\noffset = {offset:?}{AFTER}"), "all else is as it was");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(rule(corpus.path(), "home/turn on the TV.wav"), Value::Null);

    let after = text();
    let output = calibrate(corpus.path(), &["--false-accepts-per-hour", "2000", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output.stderr));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&object["changed"], &object["positives"], &object["before"]),
        (&false.into(), &50.into(), &object["after"])
    );
    let rows = object["trade_off"].as_array().unwrap();
    let chosen = rows.iter().find(|row| row["is"] == "chosen").unwrap_or_else(|| panic!("{object}"));
    assert!(chosen["at_most"].as_f64().unwrap() <= 2000.0, "{chosen}");
    assert_eq!(
        (&chosen["refused"], &chosen["wrong"], &object["after"]["offset"]),
        (&0.into(), &0.into(), &chosen["offset"])
    );
    assert_eq!(text(), after);
}
