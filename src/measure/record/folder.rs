//! The folder of recordings: WAV files, and the list `expected.jsonl`, which says what each of them is. The list is the
//! only record of what was done.
//!
//! A file is complete and on the disk before its line is written. If the program is killed, at most the last utterance
//! is lost: a file without a line is set aside when the folder is opened again. The empty list is made before the first
//! file, so WAV files without a list belong to somebody else and are not changed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, RenameFlags, flock, renameat_with};
use serde_json::{Value, json};

use crate::act::command::Command;
use crate::audio::wav;
use crate::measure::eval::expected::{Expected, LIST, cases};

/// Name of a file while it is written. It does not end in `.wav`, so that it is not taken for a recording.
const PART: &str = ".recording.part";
/// The end of the name of a file that was set aside.
const ASIDE: &str = "unlisted";
/// Longest list that is read, in bytes, as in [`cases`].
const MAX_BYTES: u64 = 16 << 20;
/// Most characters of a sentence in a file's name.
const SLUG: usize = 48;

/// A message why the program cannot record into a folder.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FolderError(String);

fn failed(path: &Path) -> impl Fn(io::Error) -> FolderError {
    move |e| FolderError(format!("{}: {e}", path.display()))
}

/// A recording in the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its file, below the folder.
    pub file: String,
    /// Its sentence, or that it is to be refused.
    pub expected: Expected,
}

/// The folder, locked: one session at a time writes into it.
pub struct Folder {
    path: PathBuf,
    list: PathBuf,
    /// The folder itself, which holds the lock.
    dir: File,
    entries: Vec<Entry>,
    /// Number of entries of this session, which are the last of `entries`.
    fresh: usize,
    /// The file that was set aside.
    pub set_aside: Option<PathBuf>,
}

impl Folder {
    /// The folder `path`, made if it is missing (mode 0700), with what was recorded for `commands` so far.
    ///
    /// # Errors
    /// [`FolderError`]: another session writes into it, its list has faults, or it has WAV files and no list.
    pub fn open(path: &Path, commands: &[Command]) -> Result<Folder, FolderError> {
        let failed = failed(path);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => FolderError(format!("{}: not a folder; give a folder", path.display())),
            _ => failed(e),
        })?;
        let dir = File::open(path).map_err(&failed)?;
        flock(&dir, FlockOperation::NonBlockingLockExclusive).map_err(|e| match e {
            rustix::io::Errno::WOULDBLOCK => {
                FolderError(format!("{}: another `hearken record` writes into it; end it first", path.display()))
            }
            e => failed(e.into()),
        })?;
        let list = path.join(LIST);
        let mut folder = Folder { path: path.into(), list, dir, entries: Vec::new(), fresh: 0, set_aside: None };
        let is_new = match folder.listed().map_err(&failed)? {
            Some(listed) => folder.tidy(&listed).map_err(&failed)?,
            None => true,
        };
        folder.entries = folder.read(is_new, commands)?;
        Ok(folder)
    }

    /// The files that the readable part of the list names; `None` if there is no list.
    fn listed(&self) -> io::Result<Option<Listed>> {
        let about = match fs::metadata(&self.list) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            about => about?,
        };
        if !about.is_file() || about.len() > MAX_BYTES {
            // `cases` reports the fault of such a file.
            return Ok(Some(Listed { files: Vec::new(), whole: false, empty: false }));
        }
        let mut bytes = Vec::new();
        File::open(&self.list)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
        let file = |line: &[u8]| Some(serde_json::from_slice::<Value>(line).ok()?.get("file")?.as_str()?.to_string());
        let files = bytes.split(|b| *b == b'\n').filter_map(file).collect();
        Ok(Some(Listed { files, whole: bytes.is_empty() || bytes.ends_with(b"\n"), empty: bytes.is_empty() }))
    }

    /// Removes what a killed session left, except its recordings. Returns whether there are no recordings.
    fn tidy(&mut self, listed: &Listed) -> io::Result<bool> {
        if listed.whole {
            self.set_aside(&listed.files)?;
        }
        if listed.empty {
            fs::remove_file(&self.list)?;
        }
        Ok(listed.empty)
    }

    /// Sets aside a file with the next number. Its line was not written or was already deleted when the session was
    /// killed. Files with other numbers were not made here.
    fn set_aside(&mut self, files: &[String]) -> io::Result<()> {
        let next = next(files.iter().map(String::as_str));
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let unlisted = parts(&name).is_some_and(|(_, number)| number == next) && !files.contains(&name);
            if unlisted && name.ends_with(".wav") {
                self.set_aside = Some(self.path.join(self.rename_aside(&name)?));
            }
        }
        Ok(())
    }

    /// Renames a file to the first free name for files that were set aside.
    fn rename_aside(&self, name: &str) -> io::Result<String> {
        let mut aside = format!("{name}.{ASIDE}");
        let mut times = 1;
        while let Err(e) = renameat_with(&self.dir, name, &self.dir, &aside, RenameFlags::NOREPLACE) {
            if e != rustix::io::Errno::EXIST {
                return Err(e.into());
            }
            times += 1;
            aside = format!("{name}.{ASIDE}-{times}");
        }
        Ok(aside)
    }

    fn read(&self, is_new: bool, commands: &[Command]) -> Result<Vec<Entry>, FolderError> {
        match cases(&self.path, commands) {
            // Without a list, `cases` succeeds only if there are WAV files.
            Ok(_) if is_new => Err(FolderError(format!(
                "{}: has WAV files and no {LIST}, so they are not from here; a folder that is empty or was recorded into \
                 would do",
                self.path.display()
            ))),
            Ok(cases) => Ok(cases.into_iter().map(|c| Entry { file: c.name, expected: c.expected }).collect()),
            Err(_) if is_new => Ok(Vec::new()),
            Err(faults) => Err(FolderError(faults.to_string())),
        }
    }

    /// The entries of the list.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Number of recordings of a speaker: those to be refused if `refused`, else those of sentences.
    pub fn count(&self, speaker: Option<&str>, refused: bool) -> usize {
        let theirs = |entry: &&Entry| {
            let named = parts(&entry.file).is_some_and(|(name, _)| name == speaker);
            named && (entry.expected == Expected::Rejected) == refused
        };
        self.entries.iter().filter(theirs).count()
    }

    /// Writes `sound`, 16-bit samples at 16 kHz, little-endian, to a file, and then its line. Returns the name of the
    /// file. Blocks until both are on the disk.
    ///
    /// # Errors
    /// The error of the kernel; then neither the file nor the line exists.
    pub fn add(&mut self, speaker: Option<&str>, expected: Expected, sound: &[u8]) -> Result<String, FolderError> {
        let number = next(self.entries.iter().map(|e| e.file.as_str()));
        let speaker = speaker.map(|name| format!("{name}-")).unwrap_or_default();
        let file = format!("{speaker}{number:04}-{}.wav", slug(&expected));
        let list = self.open_list().map_err(failed(&self.list))?;
        self.write(&file, sound).map_err(failed(&self.path.join(&file)))?;
        let entry = Entry { file, expected };
        if let Err(error) = append(&list, &line(&entry)) {
            // Removes the file, because it has no line.
            let _ = fs::remove_file(self.path.join(&entry.file));
            return Err(failed(&self.list)(error));
        }
        self.entries.push(entry.clone());
        self.fresh += 1;
        Ok(entry.file)
    }

    /// Opens the list. Makes it if it is missing.
    fn open_list(&self) -> io::Result<File> {
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.list)
    }

    /// Writes the file and its name to the disk, and the name of the list if that is new.
    fn write(&self, file: &str, sound: &[u8]) -> io::Result<()> {
        let part = self.path.join(PART);
        let _ = fs::remove_file(&part);
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
            file.write_all(&wav::header(sound.len() as u32))?;
            file.write_all(sound)?;
            file.sync_all()
        })();
        let named = written
            .and_then(|()| Ok(renameat_with(&self.dir, PART, &self.dir, file, RenameFlags::NOREPLACE)?))
            .inspect_err(|_| drop(fs::remove_file(&part)));
        named.and_then(|()| self.dir.sync_all())
    }

    /// Deletes the last recording of this session, its line first, and returns it; `None` if there is none.
    ///
    /// # Errors
    /// The error of the kernel, or that the list does not end with that line because somebody else has changed it.
    pub fn take_back(&mut self) -> Result<Option<Entry>, FolderError> {
        let Some(entry) = self.entries.last().filter(|_| self.fresh > 0).cloned() else { return Ok(None) };
        self.cut_off(&line(&entry)).map_err(failed(&self.list))?;
        let file = self.path.join(&entry.file);
        fs::remove_file(&file).map_err(failed(&file))?;
        self.entries.pop();
        self.fresh -= 1;
        Ok(Some(entry))
    }

    fn cut_off(&self, line: &str) -> io::Result<()> {
        let list = OpenOptions::new().read(true).write(true).open(&self.list)?;
        let mut end = vec![0; line.len()];
        let before = list.metadata()?.len().checked_sub(line.len() as u64);
        let is_last = before.map(|at| list.read_exact_at(&mut end, at)).transpose()?.is_some();
        match before {
            Some(before) if is_last && end == line.as_bytes() => {
                list.set_len(before)?;
                list.sync_all()
            }
            _ => Err(io::Error::other("somebody else has changed it: its last line is not that of the last recording")),
        }
    }
}

struct Listed {
    files: Vec<String>,
    /// Whether the last line is complete.
    whole: bool,
    /// Whether the list is empty.
    empty: bool,
}

/// Appends a line completely or not at all.
fn append(mut list: &File, line: &str) -> io::Result<()> {
    let before = list.metadata()?.len();
    let mut last = [b'\n'];
    if before > 0 {
        list.read_exact_at(&mut last, before - 1)?;
    }
    let line = if last == [b'\n'] { line.to_string() } else { format!("\n{line}") };
    let written = list.write_all(line.as_bytes()).and_then(|()| list.sync_all());
    written.inspect_err(|_| drop(list.set_len(before)))
}

fn line(entry: &Entry) -> String {
    let mut object = entry.expected.json();
    object["file"] = json!(entry.file);
    if let Some((Some(speaker), _)) = parts(&entry.file) {
        object["speaker"] = json!(speaker);
    }
    format!("{object}\n")
}

/// The number of the next recording, from 1.
fn next<'n>(files: impl Iterator<Item = &'n str>) -> u32 {
    files.filter_map(|file| Some(parts(file)?.1)).max().map_or(1, |number| number.saturating_add(1))
}

/// Speaker and number of a file's name, if it has the form that [`Folder::add`] gives.
fn parts(file: &str) -> Option<(Option<&str>, u32)> {
    let number = |part: &str| {
        let digits = part.len() >= 4 && part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|_| digits)
    };
    let (first, rest) = file.split_once('-').filter(|_| !file.contains('/'))?;
    match number(first) {
        Some(found) => Some((None, found)),
        None => Some((Some(first), number(rest.split_once('-')?.0)?)),
    }
}

/// The sentence of a recording in a form for its file name: "turn-on-the-lamp".
fn slug(expected: &Expected) -> String {
    let Expected::Sentence(words) = expected else { return "other".into() };
    let words = words.to_lowercase();
    let words = words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").chars().take(SLUG).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_speaker_and_number_and_others_tell_nothing() {
        let cases = [
            ("0003-turn-on.wav", Some((None, 3))),
            ("12345-x.wav", Some((None, 12_345))),
            ("ann-0003-turn-on.wav", Some((Some("ann"), 3))),
            ("003-turn-on.wav", None),
            ("turn-on-the-lamp.wav", None),
            ("sub/0003-turn-on.wav", None),
            ("0003.wav", None),
            ("99999999999-x.wav", None),
        ];
        for (name, told) in cases {
            assert_eq!(parts(name), told, "{name}");
        }
    }

    #[test]
    fn a_sentence_is_a_file_name_without_what_a_file_system_may_not_like() {
        let cases = [
            ("turn on the TV", "turn-on-the-tv"),
            ("what's / the time?", "what-s-the-time"),
            ("Küche an", "küche-an"),
            ("  ", ""),
        ];
        for (words, name) in cases {
            assert_eq!(slug(&Expected::Sentence(words.into())), name, "{words}");
        }
        assert_eq!(slug(&Expected::Rejected), "other");
        assert_eq!(slug(&Expected::Sentence("long ".repeat(99))).chars().count(), SLUG);
    }

    #[test]
    fn what_is_added_stands_in_the_list_and_what_is_taken_back_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let file = Folder::open(&dir.path().join("file"), &[]).err().unwrap().to_string();
        assert!(file.ends_with("/file: not a folder; give a folder"), "{file}");
        let path = dir.path().join("new/er");
        let mut folder = Folder::open(&path, &[]).unwrap();
        assert!(Folder::open(&path, &[]).is_err_and(|e| e.to_string().contains("another `hearken record`")));
        let said = Expected::Sentence("turn it \"on\"".into());
        assert_eq!(folder.add(Some("ann"), said.clone(), &[1, 0]).unwrap(), "ann-0001-turn-it-on.wav");
        assert_eq!(folder.add(None, Expected::Rejected, &[1, 0]).unwrap(), "0002-other.wav");
        assert_eq!((folder.count(Some("ann"), false), folder.count(Some("ann"), true)), (1, 0));
        assert_eq!((folder.count(None, false), folder.count(None, true)), (0, 1));
        assert_eq!(folder.take_back().unwrap().unwrap().expected, Expected::Rejected);
        drop(folder);
        let mut again = Folder::open(&path, &[]).unwrap();
        assert_eq!(again.entries(), [Entry { file: "ann-0001-turn-it-on.wav".into(), expected: said }]);
        assert_eq!(again.take_back().unwrap(), None, "of an earlier session");
        assert_eq!(names(&path), ["ann-0001-turn-it-on.wav", LIST]);
    }

    /// What is in the folder, in order.
    fn names(path: &Path) -> Vec<String> {
        let entries = fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = entries.collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_killed_session_left_is_set_aside_and_what_a_stranger_left_is_not() {
        let first = "{\"file\":\"0001-a.wav\",\"sentence\":\"a\"}\n";
        type Case<'a> = (&'a str, &'a [&'a str], Option<&'a str>, Result<&'a [&'a str], &'a str>);
        let cases: [Case<'_>; 12] = [
            ("nothing", &[], None, Ok(&[])),
            ("before the first file", &[], Some(""), Ok(&[])),
            ("before the first line", &["0001-a.wav"], Some(""), Ok(&["0001-a.wav.unlisted"])),
            ("the same of a speaker", &["ann-0001-a.wav"], Some(""), Ok(&["ann-0001-a.wav.unlisted"])),
            ("in the middle of a file", &[PART, "0001-a.wav"], Some(first), Ok(&[PART, "0001-a.wav", LIST])),
            (
                "before a line",
                &["0001-a.wav", "0002-b.wav"],
                Some(first),
                Ok(&["0001-a.wav", "0002-b.wav.unlisted", LIST]),
            ),
            (
                "twice at the same sentence",
                &["0001-a.wav", "0001-a.wav.unlisted"],
                Some(""),
                Ok(&["0001-a.wav.unlisted", "0001-a.wav.unlisted-2"]),
            ),
            (
                "three times",
                &["0001-a.wav", "0001-a.wav.unlisted", "0001-a.wav.unlisted-2"],
                Some(""),
                Ok(&["0001-a.wav.unlisted", "0001-a.wav.unlisted-2", "0001-a.wav.unlisted-3"]),
            ),
            ("a stranger's", &["foo.wav"], None, Err("has WAV files and no expected.jsonl, so they are not from here")),
            (
                "a stranger's that is named as ours are",
                &["0001-foo.wav"],
                None,
                Err("has WAV files and no expected.jsonl"),
            ),
            ("both", &["0001-foo.wav", "b.wav"], None, Err("has WAV files and no expected.jsonl")),
            ("beside ours", &["0001-a.wav", "b.wav"], Some(first), Err("\"b.wav\" is not in the list")),
        ];
        for (what, files, list, expected) in cases {
            let dir = tempfile::tempdir().unwrap();
            files.iter().for_each(|file| fs::write(dir.path().join(file), "sound").unwrap());
            list.iter().for_each(|list| fs::write(dir.path().join(LIST), list).unwrap());
            let before = names(dir.path());
            match (Folder::open(dir.path(), &[]), expected) {
                (Ok(folder), Ok(left)) => {
                    assert_eq!(names(dir.path()), left, "{what}");
                    let set_aside = folder.set_aside.is_some_and(|aside| aside.exists());
                    assert_eq!(set_aside, left.iter().any(|name| name.contains(ASIDE)), "{what}");
                }
                (Err(said), Err(words)) => {
                    assert!(said.to_string().contains(words), "{what}: {said}");
                    assert_eq!(names(dir.path()), before, "{what}");
                }
                (opened, _) => panic!("{what}: {:?}", opened.err()),
            }
        }
    }

    #[test]
    fn the_list_is_there_before_the_first_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::open(dir.path(), &[]).unwrap();
        assert_eq!(names(dir.path()), [""; 0]);
        // A folder in the way of the file.
        fs::create_dir(dir.path().join(PART)).unwrap();
        assert!(folder.add(None, Expected::Rejected, &[]).is_err());
        assert_eq!(names(dir.path()), [PART, LIST]);
        fs::remove_dir(dir.path().join(PART)).unwrap();
        assert_eq!(folder.add(None, Expected::Rejected, &[]).unwrap(), "0001-other.wav");
        assert_eq!(names(dir.path()), ["0001-other.wav", LIST]);
    }

    #[test]
    fn a_list_that_somebody_changed_is_appended_to_and_not_cut() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::open(dir.path(), &[]).unwrap();
        folder.add(None, Expected::Rejected, &[]).unwrap();
        let list = dir.path().join(LIST);
        let theirs = fs::read_to_string(&list).unwrap() + "{}";
        fs::write(&list, &theirs).unwrap();
        assert!(folder.take_back().is_err_and(|e| e.to_string().contains("somebody else has changed it")));
        folder.add(None, Expected::Rejected, &[]).unwrap();
        let ours = "{\"file\":\"0002-other.wav\",\"rejected\":true}\n";
        assert_eq!(fs::read_to_string(&list).unwrap(), format!("{theirs}\n{ours}"));
    }
}
