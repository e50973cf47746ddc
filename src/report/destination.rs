//! Events: one line of JSON for each utterance, written to a file, to standard output, or to the readers of a Unix
//! socket. The fields of an event are in `fields.rs`. Another destination implements [`Sink`] in a file of its own and
//! is listed in `reporting` in `daemon/mod.rs`; docs/development/adding.md says how.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::{Map, Value};

use super::{Report, Sink, fields};
use crate::act::command::Command;

/// Size in bytes at which a file of events is renamed to FILE.1 and a new one is begun. At most twice this is kept.
const FULL_FILE: u64 = 8 << 20;
/// Most readers of a socket at a time.
const READERS: usize = 8;

/// The destination of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A file, to which events are appended.
    File(PathBuf),
    /// Standard output.
    Stdout,
    /// A Unix socket that this program makes. Each reader gets the events after it has connected.
    Socket(PathBuf),
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Destination, String> {
        match (text, text.strip_prefix("unix:")) {
            ("-", _) => Ok(Destination::Stdout),
            ("", _) | (_, Some("")) => Err("a file, - or unix:PATH is needed".into()),
            (_, Some(path)) => Ok(Destination::Socket(path.into())),
            (path, None) => Ok(Destination::File(path.into())),
        }
    }
}

/// An open destination, and the number of events that could not be written since the last one that could.
pub struct Events {
    to: Opened,
    dropped: u64,
}

enum Opened {
    /// A file and its path.
    File(File, PathBuf),
    /// Standard output.
    Stdout,
    /// A listening socket, its path, and its readers.
    Socket(UnixListener, PathBuf, Vec<UnixStream>),
}

impl Events {
    /// Opens a destination.
    ///
    /// # Errors
    /// The error of the kernel, with the path.
    pub fn open(destination: &Destination) -> io::Result<Events> {
        Ok(Events { to: Opened::open(destination)?, dropped: 0 })
    }

    /// Writes one event, completely or not at all. If events before it could not be written, writes their number first.
    /// Does not wait for the readers of a socket; one that is too slow is disconnected.
    ///
    /// # Errors
    /// The error of the kernel, for a file or standard output.
    pub fn write(&mut self, event: Map<String, Value>) -> io::Result<()> {
        let dropped = if self.dropped > 0 { line(fields::dropped_event(self.dropped)) } else { String::new() };
        match self.to.write(&(dropped + &line(event))) {
            Ok(()) if self.dropped > 0 => tracing::warn!(events = self.dropped, "events were dropped"),
            Ok(()) => {}
            Err(error) => {
                self.dropped += 1;
                return Err(error);
            }
        }
        self.dropped = 0;
        Ok(())
    }
}

impl Sink for Events {
    fn take(&mut self, report: &Report, commands: &[Command]) -> io::Result<()> {
        fields::event(report, commands).map_or(Ok(()), |event| self.write(event))
    }
}

/// The options to open a file for appending. A new file has mode 0600, because it will contain the words that were
/// heard.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600);
    options
}

fn line(event: Map<String, Value>) -> String {
    format!("{}\n", Value::Object(event))
}

impl Opened {
    fn open(destination: &Destination) -> io::Result<Opened> {
        let named = |path: &Path| {
            let path = path.display().to_string();
            move |e: io::Error| io::Error::new(e.kind(), format!("events to {path}: {e}"))
        };
        match destination {
            Destination::Stdout => Ok(Opened::Stdout),
            Destination::File(path) => {
                // Opening a FIFO would wait for its reader.
                if fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.file_type().is_char_device()) {
                    return Err(named(path)(io::Error::other("not a regular file; unix:PATH serves other programs")));
                }
                let file = private().open(path).map_err(named(path))?;
                Ok(Opened::File(file, path.clone()))
            }
            Destination::Socket(path) => {
                // A socket that nobody answers is left over from a crash.
                if UnixStream::connect(path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
                    fs::remove_file(path)?;
                }
                let listener = UnixListener::bind(path).map_err(named(path))?;
                listener.set_nonblocking(true)?;
                Ok(Opened::Socket(listener, path.clone(), Vec::new()))
            }
        }
    }

    fn write(&mut self, lines: &str) -> io::Result<()> {
        match self {
            Opened::Stdout => io::stdout().lock().write_all(lines.as_bytes()),
            Opened::File(file, path) => append(file, path, lines),
            Opened::Socket(listener, _, readers) => {
                accept(listener, readers);
                readers.retain_mut(|reader| reader.write_all(lines.as_bytes()).is_ok());
                Ok(())
            }
        }
    }
}

/// Appends lines to the file, completely or not at all. Begins a new file first if it is full.
fn append(file: &mut File, path: &Path, lines: &str) -> io::Result<()> {
    let about = file.metadata()?;
    let mut before = about.len();
    if about.is_file() && before > 0 && before + lines.len() as u64 > FULL_FILE {
        let mut full = path.as_os_str().to_os_string();
        full.push(".1");
        match fs::rename(path, full) {
            Ok(()) => *file = private().open(path)?,
            // The file cannot be renamed, so the old events are deleted.
            Err(_) => file.set_len(0)?,
        }
        before = 0;
    }
    // On a full disk a part may have been written. It is removed, so that the next event does not continue that line.
    file.write_all(lines.as_bytes()).inspect_err(|_| drop(file.set_len(before)))
}

fn accept(listener: &UnixListener, readers: &mut Vec<UnixStream>) {
    while let Ok((reader, _)) = listener.accept() {
        if readers.len() < READERS && reader.set_nonblocking(true).is_ok() {
            readers.push(reader);
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Opened::Socket(_, path, _) = self {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};

    fn event(text: &str) -> Map<String, Value> {
        Map::from_iter([("text".to_string(), Value::from(text))])
    }

    #[test]
    fn a_destination_is_a_file_a_dash_or_a_socket() {
        let cases = [
            ("-", Ok(Destination::Stdout)),
            ("unix:/run/x", Ok(Destination::Socket("/run/x".into()))),
            ("log.jsonl", Ok(Destination::File("log.jsonl".into()))),
            ("unix:", Err("a file, - or unix:PATH is needed".to_string())),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse(), expected);
        }
    }

    #[test]
    fn a_file_of_events_never_holds_more_than_twice_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let mut events = Events::open(&Destination::File(path.clone())).unwrap();
        let long = "x".repeat(1 << 20);
        for _ in 0..30 {
            events.write(event(&long)).unwrap();
        }
        let total: u64 = fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert!(total <= 2 * FULL_FILE, "{total}");
        assert!(path.exists());
    }

    #[test]
    fn a_socket_serves_each_reader_and_drops_the_one_that_does_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let mut events = Events::open(&Destination::Socket(path.clone())).unwrap();
        let (good, _deaf) = (UnixStream::connect(&path).unwrap(), UnixStream::connect(&path).unwrap());
        let mut lines = BufReader::new(good).lines();
        for i in 0..40 {
            events.write(event(&format!("{i} {}", "x".repeat(1 << 16)))).unwrap();
            let line = lines.next().unwrap().unwrap();
            assert!(line.starts_with(&format!("{{\"text\":\"{i} ")), "{}", &line[..40]);
        }
        let Opened::Socket(_, _, readers) = &events.to else { unreachable!() };
        assert_eq!(readers.len(), 1);
        drop(events);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_left_over_from_a_crash_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        assert!(Events::open(&Destination::Socket(path)).is_ok());
    }

    /// Run by the next test, in a process whose files may have 1 kB at most.
    #[test]
    #[ignore = "needs a limit for files, which the next test sets"]
    fn written_on_a_full_disk() {
        use rustix::process::{Resource, Rlimit, setrlimit};

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let mut events = Events::open(&Destination::File(path.clone())).unwrap();
        let text = "x".repeat(300);
        let written = (0..5).filter(|_| events.write(event(&text)).is_ok()).count();
        let lines = fs::read_to_string(&path).unwrap();
        assert!(written < 5 && lines.ends_with("}\n") && lines.lines().count() == written, "{lines}");
        setrlimit(Resource::Fsize, Rlimit { current: None, maximum: None }).unwrap();
        events.write(event("again")).unwrap();
        let lines = fs::read_to_string(&path).unwrap();
        let objects: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects[written]["events_dropped"], 5 - written);
        assert_eq!(objects[written + 1]["text"], "again");
    }

    #[test]
    fn a_full_disk_tears_no_line_and_what_was_dropped_is_counted() {
        let limited = "trap '' XFSZ; ulimit -S -f 1; exec \"$0\" --ignored --exact report::destination::tests::written_on_a_full_disk";
        let output =
            std::process::Command::new("sh").args(["-c", limited]).arg(std::env::current_exe().unwrap()).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }
}
