//! Named files: the ring of kept recordings, and the sweep, on a real tmpfs.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hearken::audio::{FRAME_LEN, file};
use hearken::utterance::kept::{Keep, sweep};
use hearken::utterance::scratch::{KeepSettings, Recording, Scratch, ScratchSettings};
use tempfile::TempDir;

const HOUR: Duration = Duration::from_secs(3600);

fn on_tmpfs() -> (TempDir, Scratch) {
    let dir = tempfile::tempdir_in("/dev/shm").expect("/dev/shm should be there");
    let scratch = Scratch::new(dir.path().into(), &ScratchSettings::default());
    (dir, scratch)
}

fn recording(scratch: &Scratch, frames: usize) -> Recording {
    let mut utterance = scratch.open().unwrap();
    (0..frames).for_each(|_| utterance.write(&[0.25; FRAME_LEN]).unwrap());
    utterance.seal(0).unwrap()
}

fn names(dir: &TempDir, ending: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().path());
    let mut found: Vec<PathBuf> = paths.filter(|p| p.display().to_string().ends_with(ending)).collect();
    found.sort();
    found
}

fn bytes(dir: &TempDir) -> u64 {
    fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum()
}

fn make_old(path: &Path, age: Duration) {
    File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

#[test]
fn the_last_recordings_are_kept_as_wav_files_with_their_decisions_and_no_more() {
    let (dir, scratch) = on_tmpfs();
    let mut keep = Keep::new(scratch.clone(), KeepSettings { last: 3, capacity: 1 << 20 });
    for number in 1..=5 {
        keep.put(&mut recording(&scratch, 10), &format!("{{\"utterance\":{number}}}")).unwrap();
    }
    let (sounds, decisions) = (names(&dir, ".wav"), names(&dir, ".json"));
    let told: Vec<String> = decisions.iter().map(|d| fs::read_to_string(d).unwrap()).collect();
    assert_eq!(told, ["{\"utterance\":3}", "{\"utterance\":4}", "{\"utterance\":5}"]);
    for (sound, decision) in sounds.iter().zip(&decisions) {
        assert_eq!(sound.with_extension("json"), *decision);
        assert_eq!(file::read(sound).unwrap(), vec![0.25; 10 * FRAME_LEN]);
        for file in [sound, decision] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
    assert_eq!(scratch.usage().used, 0, "they are not scratch's");
}

#[test]
fn kept_files_never_take_more_than_their_capacity_and_what_is_too_long_for_it_is_not_kept() {
    let (dir, scratch) = on_tmpfs();
    let one = 44 + 10 * FRAME_LEN as u64 * 2 + 2;
    let mut keep = Keep::new(scratch.clone(), KeepSettings { last: 100, capacity: 3 * one });
    for _ in 0..7 {
        keep.put(&mut recording(&scratch, 10), "{}").unwrap();
        assert!(bytes(&dir) <= 3 * one);
    }
    assert_eq!((names(&dir, ".wav").len(), bytes(&dir)), (3, 3 * one));
    let error = keep.put(&mut recording(&scratch, 40), "{}").unwrap_err().to_string();
    assert_eq!(error, format!("it takes {} bytes, more than the {} of keep", 44 + 40 * FRAME_LEN * 2 + 2, 3 * one));
    assert_eq!(names(&dir, ".wav").len(), 3, "and nothing gave way to it");
}

#[test]
fn what_a_ring_left_the_next_one_takes_over_unless_another_has_it() {
    let (dir, scratch) = on_tmpfs();
    let settings = KeepSettings { last: 2, capacity: 1 << 20 };
    let mut first = Keep::new(scratch.clone(), settings.clone());
    (0..2).for_each(|_| first.put(&mut recording(&scratch, 5), "{}").unwrap());
    let before = names(&dir, ".wav");
    let mut rival = Keep::new(scratch.clone(), settings.clone());
    rival.put(&mut recording(&scratch, 5), "{}").unwrap();
    assert_eq!(names(&dir, ".wav").len(), 3, "a ring in use is not another's to count");
    drop((first, rival));
    let _next = Keep::new(scratch.clone(), settings);
    let after = names(&dir, ".wav");
    assert_eq!(after.len(), 2, "now all three are its own, and one was too many");
    assert!(!after.contains(&before[0]) || !after.contains(&before[1]), "an old one went");
}

#[test]
fn the_sweep_takes_only_files_of_ours_that_are_old_and_unlocked() {
    let (dir, scratch) = on_tmpfs();
    let at = |name: &str| dir.path().join(name);
    let mut keep = Keep::new(scratch.clone(), KeepSettings { last: 5, capacity: 1 << 20 });
    keep.put(&mut recording(&scratch, 5), "{}").unwrap();
    let in_use = [names(&dir, ".wav"), names(&dir, ".json")].concat();
    let orphans = ["hearken-1-1-orphan.wav", "hearken-1-1-orphan.json"].map(at);
    let young = at("hearken-1-2-youngs.wav");
    let theirs = ["notes.wav", "hearken-backup.wav", "hearken-1-1-orphan.wav.bak", "other-1-1-orphan.wav"].map(at);
    for file in orphans.iter().chain(&theirs).chain([&young]) {
        fs::write(file, "x").unwrap();
    }
    let far = tempfile::tempdir().unwrap();
    let beyond = far.path().join("beyond");
    fs::write(&beyond, "x").unwrap();
    for file in orphans.iter().chain(&theirs).chain(&in_use).chain([&beyond]) {
        make_old(file, 2 * HOUR);
    }
    symlink(&beyond, at("hearken-1-3-linked.wav")).unwrap();
    fs::create_dir(at("hearken-1-4-folder.wav")).unwrap();
    assert_eq!(sweep(&scratch, HOUR), 2);
    assert!(orphans.iter().all(|file| !file.exists()));
    let stay = theirs.iter().chain(&in_use).chain([&young, &beyond]);
    assert!(stay.clone().all(|file| file.exists()), "{:?}", stay.filter(|f| !f.exists()).collect::<Vec<_>>());
    assert!(at("hearken-1-3-linked.wav").is_symlink() && at("hearken-1-4-folder.wav").is_dir());
    drop(keep);
    assert_eq!(sweep(&scratch, HOUR), 2, "once the ring is gone its files are nobody's");
    assert_eq!(scratch.usage().deletions_failed, 0);
}

#[test]
fn a_deletion_that_fails_is_counted_and_the_ring_goes_on() {
    let (dir, scratch) = on_tmpfs();
    let mut keep = Keep::new(scratch.clone(), KeepSettings { last: 1, capacity: 1 << 20 });
    keep.put(&mut recording(&scratch, 5), "{}").unwrap();
    let wav = names(&dir, ".wav").remove(0);
    fs::remove_file(&wav).unwrap();
    fs::create_dir(&wav).unwrap();
    keep.put(&mut recording(&scratch, 5), "{}").unwrap();
    assert_eq!(scratch.usage().deletions_failed, 1);
    assert_eq!(names(&dir, ".json").len(), 1);
}

#[test]
fn a_file_that_vanished_is_no_failure() {
    let (dir, scratch) = on_tmpfs();
    let mut keep = Keep::new(scratch.clone(), KeepSettings { last: 1, capacity: 1 << 20 });
    keep.put(&mut recording(&scratch, 5), "{}").unwrap();
    names(&dir, "").iter().for_each(|file| fs::remove_file(file).unwrap());
    keep.put(&mut recording(&scratch, 5), "{}").unwrap();
    assert_eq!((scratch.usage().deletions_failed, names(&dir, ".wav").len()), (0, 1));
}

#[test]
fn the_largest_ring_and_its_successor_stay_within_the_descriptors_of_a_process() {
    let (dir, scratch) = on_tmpfs();
    let settings = KeepSettings { last: 200, capacity: 64 << 20 };
    let ours = |fd: PathBuf| fs::read_link(fd).is_ok_and(|to| to.starts_with(dir.path()));
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().filter(|fd| ours(fd.as_ref().unwrap().path())).count();
    let mut keep = Keep::new(scratch.clone(), settings.clone());
    (0..210).for_each(|_| keep.put(&mut recording(&scratch, 1), "{}").unwrap());
    assert_eq!(names(&dir, ".wav").len(), 200);
    assert_eq!(descriptors(), 400, "of the 1024 that a process usually has");
    drop(keep);
    let _next = Keep::new(scratch.clone(), KeepSettings { last: 3, ..settings });
    assert_eq!((names(&dir, ".wav").len(), names(&dir, ".json").len()), (3, 3));
}
