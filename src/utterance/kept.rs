//! Recordings that the user asked to keep as named files, and the sweep that deletes old ones.
//!
//! A kept recording is a file `hearken-<seconds>-<utterance>-<random>.wav`, with its decision in a `.json` file of the
//! same name. Both have mode 0600 and are locked (`flock`) as long as a daemon counts them among its last recordings; a
//! crash unlocks them. The sweep deletes only old, unlocked regular files of this user with such names, in one
//! directory.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};

use crate::audio::wav;
use crate::utterance::scratch::{KeepSettings, Recording, Scratch};

/// The start of the name of every kept file.
const PREFIX: &str = "hearken-";

/// The last recordings, as named files. The files stay when it is dropped, so that the user can hear them; a later
/// sweep deletes them when they are old.
pub struct Keep {
    scratch: Scratch,
    settings: KeepSettings,
    kept: VecDeque<Kept>,
    bytes: u64,
}

/// A recording and its decision. The files stay open so that they stay locked.
struct Kept {
    wav: PathBuf,
    bytes: u64,
    _locked: Vec<File>,
}

impl Keep {
    /// Keeps recordings in the directory of `scratch`. Recordings that an earlier daemon left there are included.
    pub fn new(scratch: Scratch, settings: KeepSettings) -> Keep {
        let mut keep = Keep { scratch, settings, kept: VecDeque::new(), bytes: 0 };
        keep.take_over();
        keep
    }

    /// Keeps `recording` and `decision`, and deletes the oldest to make room. Blocks while it writes.
    ///
    /// # Errors
    /// When they cannot be read or written; no file of them is left then.
    pub fn put(&mut self, recording: &mut Recording, decision: &str) -> io::Result<()> {
        let sound = recording.bytes().map_err(io::Error::other)?;
        let header = wav::header(sound.len() as u32);
        let bytes = (header.len() + sound.len() + decision.len()) as u64;
        if bytes > self.settings.capacity {
            let capacity = self.settings.capacity;
            return Err(io::Error::other(format!("it takes {bytes} bytes, more than the {capacity} of keep")));
        }
        self.make_room(self.settings.last.saturating_sub(1), self.settings.capacity - bytes);
        let prefix = format!("{PREFIX}{}-{}-", seconds(SystemTime::now()), recording.number());
        let (mut file, wav) = self.scratch.named(&prefix, ".wav").map_err(io::Error::other)?;
        let written = locked(&file).and_then(|()| file.write_all(&header)).and_then(|()| file.write_all(&sound));
        match written.and_then(|()| write_new(&wav.with_extension("json"), decision)) {
            Ok(json) => {
                tracing::debug!(utterance = recording.number(), bytes, file = %wav.display(), "kept");
                self.kept.push_back(Kept { wav, bytes, _locked: vec![file, json] });
                self.bytes += bytes;
                Ok(())
            }
            Err(error) => {
                self.delete(&wav);
                Err(error)
            }
        }
    }

    /// Deletes the oldest recordings until at most `last` are left, with at most `bytes` together.
    fn make_room(&mut self, last: usize, bytes: u64) {
        while self.kept.len() > last || self.bytes > bytes {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.bytes -= oldest.bytes;
            self.delete(&oldest.wav);
            self.delete(&oldest.wav.with_extension("json"));
        }
    }

    fn delete(&self, path: &Path) {
        match std::fs::remove_file(path) {
            Ok(()) => tracing::debug!(file = %path.display(), "deleted"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => complain(&self.scratch, path, &error),
        }
    }

    /// Includes the recordings that an earlier daemon left, unless another daemon has them locked.
    fn take_over(&mut self) {
        let mut left = ours(self.scratch.dir()).unwrap_or_default();
        left.retain(|name| name.ends_with(".wav"));
        left.sort();
        for name in left {
            let wav = self.scratch.dir().join(name);
            let files: Vec<File> =
                [wav.clone(), wav.with_extension("json")].iter().filter_map(|f| lock(f).ok()).collect();
            if files.len() == 2 {
                let bytes = files.iter().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum();
                self.bytes += bytes;
                self.kept.push_back(Kept { wav, bytes, _locked: files });
                self.make_room(self.settings.last, self.settings.capacity);
            }
        }
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn complain(scratch: &Scratch, path: &Path, error: &io::Error) {
    scratch.deletion_failed();
    tracing::warn!("{} cannot be deleted: {error}", path.display());
}

fn locked(file: &File) -> io::Result<()> {
    Ok(rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)?)
}

/// Opens and locks a regular file of this user. Refuses a symbolic link and a file that is already locked.
fn lock(path: &Path) -> io::Result<File> {
    let file = File::from(rustix::fs::open(path, OPENING, Mode::empty())?);
    if !is_this_users(&file)? {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    locked(&file)?;
    Ok(file)
}

/// Whether it is a regular file that belongs to this user.
fn is_this_users(file: &File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    Ok(metadata.is_file() && metadata.uid() == rustix::process::geteuid().as_raw())
}

fn write_new(path: &Path, text: &str) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    match locked(&file).and_then(|()| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(file),
        Err(error) => {
            let _ = std::fs::remove_file(path);
            Err(error)
        }
    }
}

/// How files are opened: not through a symbolic link, and without waiting, for example for the writer of a FIFO.
const OPENING: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Whether a name has the form that [`Keep`] gives.
fn is_ours(name: &str) -> bool {
    let stem = name.strip_prefix(PREFIX).and_then(|n| n.strip_suffix(".wav").or(n.strip_suffix(".json")));
    let Some(parts) = stem.map(|stem| stem.split('-').collect::<Vec<_>>()) else { return false };
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let random = |part: &str| part.len() == 6 && part.bytes().all(|b| b.is_ascii_alphanumeric());
    matches!(parts[..], [seconds, utterance, tail] if number(seconds) && number(utterance) && random(tail))
}

fn ours(dir: &Path) -> io::Result<Vec<String>> {
    let names = std::fs::read_dir(dir)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| is_ours(name)).collect())
}

/// Deletes the kept files of this user in the directory of `scratch` that are unlocked and older than `age`. Returns
/// their number. Files that cannot be deleted are logged and counted.
pub fn sweep(scratch: &Scratch, age: Duration) -> usize {
    let swept = names_and_directory(scratch.dir()).map(|(names, dir)| {
        let old = |name: &String| match sweep_one(&dir, name, age) {
            Ok(deleted) => deleted,
            Err(error) => {
                complain(scratch, &scratch.dir().join(name), &error);
                false
            }
        };
        names.iter().filter(|name| old(name)).count()
    });
    let deleted = swept.unwrap_or(0);
    if deleted > 0 {
        tracing::info!(deleted, "old recordings deleted");
    }
    deleted
}

fn names_and_directory(dir: &Path) -> io::Result<(Vec<String>, OwnedFd)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok((ours(dir)?, rustix::fs::open(dir, flags, Mode::empty())?))
}

/// Deletes `name` in `dir` if it is a regular file of this user, unlocked and older than `age`. All checks are made on
/// the open file, and it is deleted only if the name still belongs to that file.
fn sweep_one(dir: &OwnedFd, name: &str, age: Duration) -> io::Result<bool> {
    let file = match rustix::fs::openat(dir, OsStr::new(name), OPENING, Mode::empty()) {
        Ok(file) => File::from(file),
        // A link, a socket, a file of another user, or deleted in the meantime.
        Err(_) => return Ok(false),
    };
    let stat = rustix::fs::fstat(&file)?;
    let modified = file.metadata()?.modified()?;
    let old = modified.elapsed().is_ok_and(|passed| passed >= age);
    if !(is_this_users(&file)? && old) || locked(&file).is_err() {
        return Ok(false);
    }
    match rustix::fs::statat(dir, OsStr::new(name), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) if (named.st_dev, named.st_ino) == (stat.st_dev, stat.st_ino) => {}
        // Another daemon has locked it in the meantime.
        _ => return Ok(false),
    }
    rustix::fs::unlinkat(dir, OsStr::new(name), AtFlags::empty())?;
    tracing::debug!(file = name, bytes = stat.st_size, "swept");
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_our_own_form_are_ours() {
        for name in ["hearken-1763898861-12-Ab3dE9.wav", "hearken-0-0-000000.json"] {
            assert!(is_ours(name), "{name}");
        }
        let others = [
            "hearken.sock",
            "hearken-1763898861-12-Ab3dE9.txt",
            "hearken-1763898861-12-Ab3dE.wav",
            "hearken-x-12-Ab3dE9.wav",
            "hearken-1-12-Ab3d/9.wav",
            "hearken-1--Ab3dE9.wav",
            "hearken-1-2-Ab3dE9-3.wav",
            "other-1763898861-12-Ab3dE9.wav",
            "hearken-.wav",
        ];
        for name in others {
            assert!(!is_ours(name), "{name}");
        }
    }
}
