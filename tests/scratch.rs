//! Scratch on a real tmpfs.

use std::fs;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::thread;

use hearken::audio::{FRAME_LEN, Frame};
use hearken::utterance::scratch::{Scratch, ScratchError, ScratchSettings};
use tempfile::TempDir;

const FRAME: Frame = [0.25; FRAME_LEN];
const FRAME_BYTES: u64 = FRAME_LEN as u64 * 2;

fn on_tmpfs(capacity: u64) -> (TempDir, Scratch) {
    let dir = tempfile::tempdir_in("/dev/shm").expect("/dev/shm should be there");
    let scratch = Scratch::new(dir.path().into(), &ScratchSettings { capacity, ..ScratchSettings::default() });
    (dir, scratch)
}

fn files(dir: &TempDir) -> usize {
    fs::read_dir(dir.path()).unwrap().count()
}

#[test]
fn a_recording_has_no_name_at_any_time() {
    let (dir, scratch) = on_tmpfs(1 << 20);
    let mut utterance = scratch.open().unwrap();
    utterance.write(&FRAME).unwrap();
    assert_eq!(files(&dir), 0);
    let recording = utterance.seal(0).unwrap();
    assert_eq!(files(&dir), 0);
    drop(recording);
    assert_eq!(files(&dir), 0);
}

#[test]
fn what_was_written_is_read_back_without_the_dropped_end() {
    let (_dir, scratch) = on_tmpfs(1 << 20);
    let mut utterance = scratch.open().unwrap();
    for i in 0..10 {
        utterance.write(&[i as f32 / 10.0; FRAME_LEN]).unwrap();
    }
    let mut recording = utterance.seal(3).unwrap();
    let samples = recording.samples().unwrap();
    assert_eq!(samples.len(), 7 * FRAME_LEN);
    assert_eq!(recording.duration_ms(), 7 * 16);
    for (i, frame) in samples.chunks(FRAME_LEN).enumerate() {
        assert!(frame.iter().all(|s| (s - i as f32 / 10.0).abs() < 1e-4), "frame {i}");
    }
}

#[test]
fn the_capacity_counts_all_recordings_and_is_never_exceeded() {
    let (_dir, scratch) = on_tmpfs(10 * FRAME_BYTES);
    let mut first = scratch.open().unwrap();
    (0..6).for_each(|_| first.write(&FRAME).unwrap());
    let kept = first.seal(0).unwrap();
    let mut second = scratch.open().unwrap();
    (0..4).for_each(|_| second.write(&FRAME).unwrap());
    let error = second.write(&FRAME).unwrap_err();
    assert!(matches!(error, ScratchError::Full { used: 5120, capacity: 5120 }), "{error}");
    assert_eq!(error.to_string(), "scratch is full: 5120 of 5120 bytes are in use");
    drop(kept);
    assert!(second.write(&FRAME).is_ok(), "the first one's bytes are back");
    drop(second);
    let usage = scratch.usage();
    assert_eq!((usage.used, usage.high_water, usage.made), (0, 10 * FRAME_BYTES, 2));
}

#[test]
fn bytes_come_back_when_the_end_is_cut_off() {
    let (_dir, scratch) = on_tmpfs(10 * FRAME_BYTES);
    let mut utterance = scratch.open().unwrap();
    (0..10).for_each(|_| utterance.write(&FRAME).unwrap());
    let recording = utterance.seal(4).unwrap();
    assert_eq!(scratch.usage().used, 6 * FRAME_BYTES);
    drop(recording);
    assert_eq!(scratch.usage().used, 0);
}

#[test]
fn a_panic_leaves_neither_file_nor_bytes() {
    let (dir, scratch) = on_tmpfs(1 << 20);
    let theirs = scratch.clone();
    let panicked = thread::spawn(move || {
        let mut utterance = theirs.open().unwrap();
        utterance.write(&FRAME).unwrap();
        panic!("as if something went wrong");
    })
    .join();
    assert!(panicked.is_err());
    assert_eq!((files(&dir), scratch.usage().used), (0, 0));
}

#[test]
fn a_hundred_at_once_from_ten_threads_neither_collide_nor_stay() {
    let (dir, scratch) = on_tmpfs(8 << 20);
    thread::scope(|scope| {
        for thread in 0..10 {
            let (scratch, dir) = (&scratch, &dir);
            scope.spawn(move || {
                let mut open: Vec<_> = (0..10).map(|_| scratch.open().unwrap()).collect();
                for (i, utterance) in open.iter_mut().enumerate() {
                    (0..5).for_each(|_| utterance.write(&[(thread * 10 + i) as f32 / 100.0; FRAME_LEN]).unwrap());
                }
                assert_eq!(files(dir), 0);
                for (i, utterance) in open.into_iter().enumerate() {
                    let samples = utterance.seal(0).unwrap().samples().unwrap();
                    assert!(samples.iter().all(|s| (s - (thread * 10 + i) as f32 / 100.0).abs() < 1e-4));
                }
            });
        }
    });
    let usage = scratch.usage();
    assert_eq!((files(&dir), usage.used, usage.made), (0, 0, 100));
}

#[test]
fn a_sealed_recording_cannot_be_written_even_through_proc() {
    let (_dir, scratch) = on_tmpfs(1 << 20);
    let mut utterance = scratch.open().unwrap();
    utterance.write(&FRAME).unwrap();
    let _recording = utterance.seal(0).unwrap();
    let here = fs::File::open("/proc/self/fd").unwrap().as_raw_fd();
    let ours = |path: &PathBuf| {
        fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with(&format!("{}/#", scratch.dir().display())))
    };
    let open: Vec<PathBuf> = fs::read_dir("/proc/self/fd").unwrap().map(|f| f.unwrap().path()).filter(ours).collect();
    assert_eq!(open.len(), 1, "one descriptor, not {open:?} (the directory itself is {here})");
    let info = fs::read_to_string(open[0].display().to_string().replace("/fd/", "/fdinfo/")).unwrap();
    let flags = info.lines().find_map(|l| l.strip_prefix("flags:")).unwrap().trim().to_string();
    assert_eq!(i64::from_str_radix(&flags, 8).unwrap() & 3, 0, "read-only, not {flags}");
}

#[test]
fn a_directory_that_is_missing_costs_the_utterance_and_says_so() {
    let scratch = Scratch::new("/nowhere/at/all".into(), &ScratchSettings::default());
    let error = scratch.open().unwrap_err().to_string();
    assert!(error.starts_with("scratch in /nowhere/at/all: No such file or directory"), "{error}");
    assert!(scratch.complaint().unwrap().contains("no utterance can be recorded"));
}

#[test]
fn a_disk_is_complained_about_and_a_tmpfs_is_not() {
    let (_dir, scratch) = on_tmpfs(1 << 20);
    assert_eq!(scratch.complaint(), None);
    let on_proc = Scratch::new("/proc".into(), &ScratchSettings::default());
    let complaint = on_proc.complaint().unwrap();
    assert!(complaint.contains("is not on tmpfs: recordings of speech may touch the disk"), "{complaint}");
    let (_dir, small) = on_tmpfs(1 << 60);
    assert!(small.complaint().unwrap().contains("less than the capacity of"));
}

#[test]
fn a_share_leaves_the_rest_of_the_room_to_others_and_what_is_cleared_is_free_again() {
    let (_dir, scratch) = on_tmpfs(10 * FRAME_BYTES);
    let uploads = scratch.sharing(6 * FRAME_BYTES);
    let mut upload = uploads.open().unwrap();
    upload.append(&vec![1; 6 * FRAME_BYTES as usize]).unwrap();
    assert!(matches!(uploads.open().unwrap().write(&FRAME), Err(ScratchError::Full { .. })));
    let mut spoken = scratch.open().unwrap();
    (0..4).for_each(|_| spoken.write(&FRAME).unwrap());
    assert!(matches!(spoken.write(&FRAME), Err(ScratchError::Full { .. })));
    // What has no room in the whole scratch does not count in the share either.
    upload.clear().unwrap();
    assert_eq!(scratch.usage().used, 4 * FRAME_BYTES);
    (0..6).for_each(|_| upload.write(&FRAME).unwrap());
    assert_eq!(upload.seal(1).unwrap().bytes().unwrap().len() as u64, 5 * FRAME_BYTES);
    drop(spoken);
    assert_eq!(scratch.usage().used, 0);
    uploads.open().unwrap().append(&vec![1; 6 * FRAME_BYTES as usize]).unwrap();
}
