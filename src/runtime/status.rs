//! Questions to the running daemon: each is answered with one JSON object, over a Unix socket in its scratch directory.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, fchmod};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde_json::Value;

/// Most connections that may wait for an answer.
const BACKLOG: i32 = 16;

/// The questions. Each has its own socket, because different threads answer them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// The state of the daemon: microphone, outputs, counters.
    Status,
    /// Why the last utterance was decided as it was.
    Why,
}

impl Question {
    /// The file name of the question's socket.
    pub fn socket(self) -> &'static str {
        match self {
            Question::Status => "hearken.sock",
            Question::Why => "hearken-why.sock",
        }
    }

    /// Longest wait for the answer. The answer to [`Question::Why`] comes after the decision that is in progress, and
    /// may take as long as a decision itself.
    fn timeout(self) -> Duration {
        Duration::from_secs(match self {
            Question::Status => 2,
            Question::Why => 180,
        })
    }
}

/// The daemon's end of a socket.
pub struct StatusSocket {
    listener: UnixListener,
    _file: SocketFile,
}

/// The file of a socket. Dropping it removes the file.
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Opens a listening Unix socket that does not block. Its mode is 0600, so only this user and root can connect. A
/// socket file left over from a crash is replaced.
///
/// # Errors
/// Errors of the kernel; `AddrInUse` when another program uses the socket.
pub fn listen(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::from(private(path)?);
    Ok((listener, SocketFile(path.into())))
}

impl StatusSocket {
    /// Opens the socket for `question` in `dir`.
    ///
    /// # Errors
    /// As [`listen`].
    pub fn open(dir: &Path, question: Question) -> io::Result<StatusSocket> {
        let (listener, file) = listen(&dir.join(question.socket()))?;
        Ok(StatusSocket { listener, _file: file })
    }

    /// Sends the same `answer` to every connection that waits. Never blocks. `answer` is not called if nobody waits.
    pub fn answer(&self, answer: impl FnOnce() -> Value) {
        let Ok((first, _)) = self.listener.accept() else { return };
        // A new connection accepts an answer of this size in one write, so the daemon never waits for a reader.
        let answer = format!("{}\n", answer());
        let tell = |mut asker: UnixStream| {
            let _ = asker.set_nonblocking(true).and_then(|()| asker.write_all(answer.as_bytes()));
        };
        tell(first);
        (0..BACKLOG).map_while(|_| self.listener.accept().ok()).for_each(|(asker, _)| tell(asker));
    }
}

/// A listening socket that does not block. Linux creates its file with the mode that the socket has before it is bound,
/// so other users can connect at no time (net/unix/af_unix.c, `unix_bind_bsd`).
fn private(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Whether the socket of a daemon exists in `dir`, even one left by a killed daemon. Also true where this user may not
/// look.
pub fn is_there(dir: &Path) -> bool {
    let socket = dir.join(Question::Status.socket());
    std::fs::symlink_metadata(socket).map_or_else(|e| e.kind() == io::ErrorKind::PermissionDenied, |_| true)
}

/// Whether a daemon that records into `dir` runs now, even if it hangs.
pub fn is_served(dir: &Path) -> bool {
    UnixStream::connect(dir.join(Question::Status.socket())).is_ok()
}

/// Asks the daemon that records into `dir`. Blocks until it has answered: at most 2 s for each read of the status, and
/// 180 s for [`Question::Why`].
///
/// # Errors
/// `NotFound` or `ConnectionRefused` when no daemon runs there, `WouldBlock` when it does not answer in time,
/// `UnexpectedEof` when it ended first, `InvalidData` when the answer is not valid JSON; or another error of the
/// kernel.
pub fn ask(dir: &Path, question: Question) -> io::Result<Value> {
    let mut daemon = UnixStream::connect(dir.join(question.socket()))?;
    daemon.set_read_timeout(Some(question.timeout()))?;
    let mut said = String::new();
    daemon.read_to_string(&mut said)?;
    if said.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended before it answered"));
    }
    Ok(serde_json::from_str(&said)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_its_user_may_ask_and_all_who_wait_get_one_answer() {
        let dir = tempfile::tempdir().unwrap();
        for question in [Question::Status, Question::Why] {
            let socket = StatusSocket::open(dir.path(), question).unwrap();
            let path = dir.path().join(question.socket());
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{question:?}");
            socket.answer(|| panic!("nobody asks"));
            let mut askers = [(); 2].map(|()| UnixStream::connect(&path).unwrap());
            let mut answers = 0;
            socket.answer(|| {
                answers += 1;
                Value::from(answers)
            });
            for asker in &mut askers {
                let mut said = String::new();
                asker.read_to_string(&mut said).unwrap();
                assert_eq!(said, "1\n");
            }
            assert_eq!(
                StatusSocket::open(dir.path(), question).err().map(|e| e.kind()),
                Some(io::ErrorKind::AddrInUse)
            );
            drop(socket);
            assert_eq!(ask(dir.path(), question).unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }
}
