//! Recordings: unnamed files on tmpfs. Their size is checked before each write, and they vanish when they are dropped.
//!
//! An [`Utterance`] is a file that was opened with `O_TMPFILE`: it has no name, so no other program finds it and the
//! kernel frees it when this program ends, even by SIGKILL. (Where a file system knows no `O_TMPFILE`, tempfile
//! makes a name and removes it at once; tmpfs knows it.) [`Utterance::seal`] turns it into a [`Recording`], which can
//! only be read. All of them together never hold more than the capacity of their [`Scratch`].
//!
//! Samples are kept as 16-bit integers, little-endian, mono, 16 kHz: 32,000 bytes a second.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::audio::{Frame, duration_ms};

/// Bytes of one sample in scratch.
const SAMPLE_BYTES: u64 = 2;

/// `f_type` of tmpfs and ramfs, from linux/magic.h.
const MEMORY_FILE_SYSTEMS: [i64; 2] = [0x0102_1994, 0x8584_58f6];

/// Bytes for what the kernel adds by rounding: for the few recordings at a time, the socket and copies of the
/// configuration.
const OVERHEAD: u64 = 1 << 20;
/// Bytes that rounding adds for one kept recording and its decision.
const KEPT_OVERHEAD: u64 = 8 << 10;

/// The limits for recordings.
#[derive(Debug, Clone, PartialEq)]
pub struct ScratchSettings {
    /// Most bytes that all recordings may take together.
    pub capacity: u64,
    /// Whether a directory that is not in memory is refused. Otherwise there is only a warning.
    pub require_tmpfs: bool,
    /// Which recordings to keep as named files, if any.
    pub keep: Option<KeepSettings>,
    /// Age at which an unused named file is deleted.
    pub sweep_after: Duration,
}

/// The limits for kept recordings, which are named files for debugging. Their bytes are not part of the capacity of
/// scratch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepSettings {
    /// Most recordings kept.
    pub last: usize,
    /// Most bytes that they may take together, with their decisions.
    pub capacity: u64,
}

impl ScratchSettings {
    /// Bytes that the file system must have: for recordings, for kept ones, and for the kernel's rounding.
    pub fn room(&self) -> u64 {
        let keep = self.keep.as_ref();
        let kept = keep.map_or(0, |keep| keep.capacity + keep.last as u64 * KEPT_OVERHEAD);
        self.capacity + kept + OVERHEAD
    }
}

impl Default for ScratchSettings {
    fn default() -> Self {
        let sweep_after = Duration::from_secs(3600);
        ScratchSettings { capacity: 8 << 20, require_tmpfs: false, keep: None, sweep_after }
    }
}

/// A recording cannot be made or read. The utterance is lost; the daemon goes on.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// The write would exceed the capacity.
    #[error("scratch is full: {used} of {capacity} bytes are in use")]
    Full {
        /// Bytes in use by all recordings.
        used: u64,
        /// Bytes that may be in use.
        capacity: u64,
    },
    /// The file system refuses.
    #[error("scratch in {}: {cause}", dir.display())]
    Io {
        /// The scratch directory.
        dir: PathBuf,
        /// The error message of the kernel.
        #[source]
        cause: io::Error,
    },
}

/// The counters of all recordings.
#[derive(Debug, Default)]
struct Ledger {
    capacity: u64,
    used: AtomicU64,
    high_water: AtomicU64,
    made: AtomicU64,
    written: AtomicU64,
    deletions_failed: AtomicU64,
}

impl Ledger {
    fn reserve(&self, bytes: u64) -> Result<(), ScratchError> {
        let take = |used: u64| used.checked_add(bytes).filter(|total| *total <= self.capacity);
        let before = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .map_err(|used| ScratchError::Full { used, capacity: self.capacity })?;
        self.high_water.fetch_max(before + bytes, Ordering::Relaxed);
        Ok(())
    }

    fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The counters of scratch at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes held now.
    pub used: u64,
    /// Most bytes ever held at once.
    pub high_water: u64,
    /// Bytes that may be held.
    pub capacity: u64,
    /// Recordings begun so far.
    pub made: u64,
    /// Bytes written so far.
    pub written: u64,
    /// Named files that could not be deleted, so far.
    pub deletions_failed: u64,
}

/// The directory for recordings, with its limits and counters. Clones share the counters.
#[derive(Debug, Clone)]
pub struct Scratch {
    dir: PathBuf,
    ledger: Arc<Ledger>,
    /// What the recordings of this scratch may take of it, if that is less than all.
    share: Option<Arc<Ledger>>,
    /// The number of the last utterance.
    last: Arc<AtomicU64>,
    /// Most bytes that recordings and kept files may take together.
    room: u64,
}

impl Scratch {
    /// Makes a scratch in `dir` with the limits of `settings`.
    pub fn new(dir: PathBuf, settings: &ScratchSettings) -> Scratch {
        let ledger = Ledger { capacity: settings.capacity, ..Ledger::default() };
        let room = settings.capacity + settings.keep.as_ref().map_or(0, |keep| keep.capacity);
        Scratch { dir, ledger: Arc::new(ledger), share: None, last: Arc::default(), room }
    }

    /// The same scratch for recordings that together may take no more than `most` bytes of it, so that there is room
    /// for others.
    pub fn sharing(&self, most: u64) -> Scratch {
        let share = Ledger { capacity: most, ..Ledger::default() };
        Scratch { share: Some(Arc::new(share)), ..self.clone() }
    }

    /// The directory in which the recordings are made.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the directory is in memory.
    ///
    /// # Errors
    /// [`ScratchError::Io`] when there is no such directory.
    pub fn in_memory(&self) -> Result<bool, ScratchError> {
        let stat = rustix::fs::statfs(&self.dir).map_err(|e| self.io(e.into()))?;
        Ok(MEMORY_FILE_SYSTEMS.contains(&stat.f_type))
    }

    /// A warning if the directory is missing, is not in memory, or has too little room; `None` if it is good.
    pub fn complaint(&self) -> Option<String> {
        let dir = self.dir.display();
        let stat = match rustix::fs::statfs(&self.dir) {
            Ok(stat) => stat,
            Err(e) => return Some(format!("scratch directory {dir}: {e}; no utterance can be recorded")),
        };
        if !MEMORY_FILE_SYSTEMS.contains(&stat.f_type) {
            return Some(format!("scratch directory {dir} is not on tmpfs: recordings of speech may touch the disk"));
        }
        let free = stat.f_bavail * stat.f_bsize as u64;
        let room = self.room;
        (stat.f_blocks > 0 && free < room)
            .then(|| format!("scratch directory {dir} has {free} bytes free, less than the capacity of {room}"))
    }

    /// Makes a new named file of mode 0600. Its name is `prefix`, six random characters and `suffix`.
    ///
    /// # Errors
    /// [`ScratchError::Io`].
    pub fn named(&self, prefix: &str, suffix: &str) -> Result<(File, PathBuf), ScratchError> {
        let made = tempfile::Builder::new().prefix(prefix).suffix(suffix).tempfile_in(&self.dir);
        made.and_then(|file| file.keep().map_err(|e| e.error)).map_err(|e| self.io(e))
    }

    /// Counts a named file that could not be deleted.
    pub fn deletion_failed(&self) {
        self.ledger.deletions_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// The same, with numbers for its recordings that follow `last`, which counts on with them.
    pub fn numbered_after(self, last: &Arc<AtomicU64>) -> Scratch {
        Scratch { last: last.clone(), ..self }
    }

    /// The counters at this moment.
    pub fn usage(&self) -> Usage {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Usage {
            used: read(&self.ledger.used),
            high_water: read(&self.ledger.high_water),
            capacity: self.ledger.capacity,
            made: read(&self.ledger.made),
            written: read(&self.ledger.written),
            deletions_failed: read(&self.ledger.deletions_failed),
        }
    }

    /// Begins a recording.
    ///
    /// # Errors
    /// [`ScratchError::Io`]: no such directory, no permission, no space, too many open files.
    pub fn open(&self) -> Result<Utterance, ScratchError> {
        let file = tempfile::tempfile_in(&self.dir).map_err(|e| self.io(e))?;
        self.ledger.made.fetch_add(1, Ordering::Relaxed);
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::debug!(utterance = number, "recording");
        let held = Arc::new(Held { number, bytes: AtomicU64::new(0), ledgers: self.ledgers() });
        Ok(Utterance { file, scratch: self.clone(), held })
    }

    fn ledgers(&self) -> Ledgers {
        Ledgers { all: self.ledger.clone(), share: self.share.clone() }
    }

    fn io(&self, cause: io::Error) -> ScratchError {
        ScratchError::Io { dir: self.dir.clone(), cause }
    }
}

/// Where the bytes of a recording are counted: among all, and in the share that its scratch may take.
#[derive(Debug)]
struct Ledgers {
    all: Arc<Ledger>,
    share: Option<Arc<Ledger>>,
}

impl Ledgers {
    fn reserve(&self, bytes: u64) -> Result<(), ScratchError> {
        self.share.as_ref().map_or(Ok(()), |share| share.reserve(bytes))?;
        self.all.reserve(bytes).inspect_err(|_| self.share.iter().for_each(|share| share.release(bytes)))
    }

    fn release(&self, bytes: u64) {
        self.all.release(bytes);
        self.share.iter().for_each(|share| share.release(bytes));
    }
}

/// The bytes that the recording `number` takes. When its file and all drafts of it were dropped, they are subtracted
/// from the counter.
#[derive(Debug)]
struct Held {
    number: u64,
    bytes: AtomicU64,
    ledgers: Ledgers,
}

impl Held {
    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let bytes = self.bytes();
        self.ledgers.release(bytes);
        tracing::debug!(utterance = self.number, bytes, "deleted");
    }
}

/// A recording that is being written.
#[derive(Debug)]
pub struct Utterance {
    file: File,
    scratch: Scratch,
    held: Arc<Held>,
}

impl Utterance {
    /// Its number since the start, from 1.
    pub fn number(&self) -> u64 {
        self.held.number
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// [`ScratchError::Full`] before anything is written, when it would exceed the capacity; [`ScratchError::Io`].
    pub fn write(&mut self, frame: &Frame) -> Result<(), ScratchError> {
        let mut bytes = [0; size_of::<i16>() * crate::audio::FRAME_LEN];
        for (pair, sample) in bytes.chunks_exact_mut(2).zip(frame) {
            pair.copy_from_slice(&((sample * 32_767.0).round() as i16).to_le_bytes());
        }
        self.append(&bytes)
    }

    /// Appends bytes as they are: those of an upload, whose samples are not known yet.
    ///
    /// # Errors
    /// As [`Utterance::write`].
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), ScratchError> {
        let more = bytes.len() as u64;
        self.held.ledgers.reserve(more)?;
        self.held.bytes.fetch_add(more, Ordering::Relaxed);
        self.file.write_all(bytes).map_err(|e| self.scratch.io(e))?;
        self.held.ledgers.all.written.fetch_add(more, Ordering::Relaxed);
        Ok(())
    }

    /// Removes all that was written, and gives the room back.
    ///
    /// # Errors
    /// [`ScratchError::Io`] when the file cannot be cut.
    pub fn clear(&mut self) -> Result<(), ScratchError> {
        self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(|e| self.scratch.io(e))?;
        self.held.ledgers.release(self.held.bytes.swap(0, Ordering::Relaxed));
        Ok(())
    }

    /// Ends the recording and removes its last `drop` frames.
    ///
    /// # Errors
    /// [`ScratchError::Io`] when the file cannot be cut or opened for reading; the recording is gone then.
    pub fn seal(self, drop: usize) -> Result<Recording, ScratchError> {
        let excess = (drop * crate::audio::FRAME_LEN) as u64 * SAMPLE_BYTES;
        let held = self.held.bytes();
        let keep = held.saturating_sub(excess);
        self.file.set_len(keep).map_err(|e| self.scratch.io(e))?;
        self.held.ledgers.release(held - keep);
        self.held.bytes.store(keep, Ordering::Relaxed);
        tracing::debug!(utterance = self.held.number, bytes = keep, "sealed");
        // The descriptor for writing closes with `self`.
        self.draft()
    }

    /// What was recorded so far. It takes no more room: both read the same unnamed file.
    ///
    /// # Errors
    /// [`ScratchError::Io`] when the file cannot be opened for reading.
    pub fn draft(&self) -> Result<Recording, ScratchError> {
        let link = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let file = File::open(link).map_err(|e| self.scratch.io(e))?;
        Ok(Recording { file, bytes: self.held.bytes(), scratch: self.scratch.clone(), held: self.held.clone() })
    }
}

/// A recording, or a draft of one, which can only be read.
#[derive(Debug)]
pub struct Recording {
    file: File,
    /// Its bytes: the file may have more by now.
    bytes: u64,
    scratch: Scratch,
    held: Arc<Held>,
}

impl Recording {
    /// The utterance's number since the start, from 1.
    pub fn number(&self) -> u64 {
        self.held.number
    }

    /// Its length in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        duration_ms((self.bytes / SAMPLE_BYTES) as usize)
    }

    /// Reads its bytes: 16-bit samples, little-endian.
    ///
    /// # Errors
    /// [`ScratchError::Io`].
    pub fn bytes(&mut self) -> Result<Vec<u8>, ScratchError> {
        let mut bytes = vec![0; self.bytes as usize];
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|e| self.scratch.io(e))?;
        Ok(bytes)
    }

    /// Reads its samples: mono, 16 kHz, in [-1, 1].
    ///
    /// # Errors
    /// [`ScratchError::Io`].
    pub fn samples(&mut self) -> Result<Vec<f32>, ScratchError> {
        let sample = |b: &[u8]| i16::from_le_bytes([b[0], b[1]]) as f32 / 32_767.0;
        Ok(self.bytes()?.chunks_exact(2).map(sample).collect())
    }
}

/// The default directory for recordings: the service's directory, else the user's, else /dev/shm.
pub fn default_dir() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    // systemd separates several directories with colons; the first one is used.
    let unit = set("RUNTIME_DIRECTORY")
        .map(|dirs| PathBuf::from(dirs.to_string_lossy().split(':').next().unwrap_or_default().to_string()));
    unit.or_else(|| set("XDG_RUNTIME_DIR"))
        .or_else(|| Some(PathBuf::from("/dev/shm")).filter(|d| d.is_dir()))
        .unwrap_or_else(std::env::temp_dir)
}
