//! Model files that are not what they should be: refused in words, before or without harm to the process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::deciding::alone;
use crate::program::hearken;
use crate::support::{clips, data};

const MODEL: &str = "ggml-tiny.en-q8_0.bin";

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name)
}

/// What a program says on standard error; it must end by itself, with 1.
fn refusal(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

/// The weights with some bytes from `at` on replaced.
fn with(weights: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut changed = weights.to_vec();
    changed[at..at + bytes.len()].copy_from_slice(bytes);
    changed
}

#[test]
fn every_way_to_damage_the_model_is_refused_before_the_loader_sees_it() {
    let dir = tempfile::tempdir().unwrap();
    let (weights, model) = (fs::read(shipped(MODEL)).unwrap(), dir.path().join(MODEL));
    let config = data("home.toml");
    let refused = || {
        let decide = ["decide", "x.wav", "--config"];
        refusal(hearken().args(decide).arg(&config).env("HEARKEN_MODELS", dir.path()))
    };
    let middle = weights.len() / 2;
    let cases = [
        ("cut by a byte", weights[..weights.len() - 1].to_vec(), "it has 43550794 bytes, not 43550795"),
        ("cut after the header", weights[..48].to_vec(), "it has 48 bytes"),
        ("empty", Vec::new(), "it has 0 bytes"),
        ("grown", [&weights[..], &[0; 100]].concat(), "bytes, not 43550795; copy it again"),
        ("another magic", with(&weights, 0, b"GGUF"), "its SHA-256 is "),
        ("one bit flipped", with(&weights, middle, &[weights[middle] ^ 1]), "its SHA-256 is "),
        ("0 heads", with(&weights, 16, &0i32.to_le_bytes()), "its SHA-256 is "),
        ("2 billion words", with(&weights, 4, &i32::MAX.to_le_bytes()), "its SHA-256 is "),
    ];
    for (what, bytes, words) in cases {
        fs::write(&model, bytes).unwrap();
        let said = refused();
        assert!(said.contains(words), "{what}: {said}");
        assert!(!said.contains("whisper_"), "{what}: the loader was not asked: {said}");
    }
    fs::remove_file(&model).unwrap();
    fs::create_dir(&model).unwrap();
    assert!(refused().contains("it is not a regular file"));
    fs::remove_dir(&model).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &model, fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    assert!(refused().contains("it is not a regular file"));
    fs::remove_file(&model).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &model).unwrap();
    assert!(refused().contains("it is not a regular file"));
}

/// A model of the user's own, with its hash.
fn own(dir: &TempDir, bytes: &[u8]) -> (String, String) {
    let path = dir.path().join("own.bin").display().to_string();
    fs::write(&path, bytes).unwrap();
    (path, Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect())
}

fn transcribe(path: &str, sha256: &str) -> Command {
    let mut command = hearken();
    command.args(["transcribe", "--model", path, "--sha256", sha256]).arg(&clips("home")[0]);
    command
}

#[test]
fn a_model_that_only_the_user_vouches_for_is_tried_in_a_process_of_its_own() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let weights = fs::read(shipped(MODEL)).unwrap();
    // Its vocabulary is the same, a byte of a weight is not: another file, and a good one.
    let middle = weights.len() / 2;
    let (path, sha256) = own(&dir, &with(&weights, middle, &[weights[middle] ^ 1]));
    let output = transcribe(&path, &sha256).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{complained}");
    assert!(said.contains("lose the kitchen window"), "{said}");
    let said = refusal(&mut transcribe(&path, &"0".repeat(64)));
    assert!(said.contains("its SHA-256 is ") && said.contains("not 0000"), "{said}");

    let header = with(&weights, 16, &0i32.to_le_bytes());
    let unknown_tensor = [&weights[..], &[0xff; 64]].concat();
    let cases = [
        (header, "its header says heads 0"),
        (b"<html>not found</html>".repeat(9), "it does not begin as a Whisper model"),
        (weights[..20_000_000].to_vec(), "a process that tried to load it failed: "),
        (unknown_tensor, "a process that tried to load it "),
    ];
    for (bytes, words) in cases {
        let (path, sha256) = own(&dir, &bytes);
        let said = refusal(&mut transcribe(&path, &sha256));
        assert!(said.contains(words), "{said} should say {words:?}");
    }
}
