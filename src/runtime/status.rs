//! What the running daemon tells whoever asks: one JSON object for each question, over a Unix socket in its scratch directory.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, fchmod};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde_json::Value;

/// Askers that may wait for their turn.
const BACKLOG: i32 = 16;

/// What can be asked. Each question has a socket of its own: different threads answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// How it is.
    Status,
    /// Why the last utterance was decided as it was.
    Why,
}

impl Question {
    /// Name of the socket.
    pub fn socket(self) -> &'static str {
        match self {
            Question::Status => "hearken.sock",
            Question::Why => "hearken-why.sock",
        }
    }

    /// Longest wait for the answer: the second comes after the decision under way, and may take as long as one.
    fn patience(self) -> Duration {
        Duration::from_secs(match self {
            Question::Status => 2,
            Question::Why => 180,
        })
    }
}

/// The daemon's end. The socket goes when it is dropped.
pub struct StatusSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl StatusSocket {
    /// Begins to answer `question` in `dir`, to this user and root only: its socket has mode 0600. A socket that nobody
    /// answers, left over from a crash, is replaced.
    ///
    /// # Errors
    /// The kernel's; `AddrInUse` when another daemon answers there.
    pub fn open(dir: &Path, question: Question) -> io::Result<StatusSocket> {
        let path = dir.join(question.socket());
        let is_socket = std::fs::symlink_metadata(&path).is_ok_and(|m| m.file_type().is_socket());
        if is_socket && UnixStream::connect(&path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
            std::fs::remove_file(&path)?;
        }
        let listener = UnixListener::from(private(&path)?);
        Ok(StatusSocket { listener, path })
    }

    /// Answers everybody who waits, all with one `answer`. Does not wait itself.
    pub fn answer(&self, answer: impl FnOnce() -> Value) {
        let Ok((first, _)) = self.listener.accept() else { return };
        // A fresh connection takes an answer of this size at once if it comes in one piece; who does not read it gets none.
        let answer = format!("{}\n", answer());
        let tell = |mut asker: UnixStream| {
            let _ = asker.set_nonblocking(true).and_then(|()| asker.write_all(answer.as_bytes()));
        };
        tell(first);
        (0..BACKLOG).map_while(|_| self.listener.accept().ok()).for_each(|(asker, _)| tell(asker));
    }
}

impl Drop for StatusSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A listening socket that does not block. Linux makes its file with the mode that the socket has before it is bound, so there
/// is no moment at which others may connect (net/unix/af_unix.c, `unix_bind_bsd`).
fn private(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Whether a daemon records into `dir`, or did when it was killed; also where we may not look.
pub fn is_there(dir: &Path) -> bool {
    let socket = dir.join(Question::Status.socket());
    std::fs::symlink_metadata(socket).map_or_else(|e| e.kind() == io::ErrorKind::PermissionDenied, |_| true)
}

/// Asks the daemon that records into `dir`. Blocks until it has answered, for at most 2 s between two parts of its status, and
/// 180 s for why.
///
/// # Errors
/// The kernel's: `NotFound` or `ConnectionRefused` when no daemon runs there, `WouldBlock` when it does not answer in time;
/// `UnexpectedEof` when it ended first, `InvalidData` when it makes no sense.
pub fn ask(dir: &Path, question: Question) -> io::Result<Value> {
    let mut daemon = UnixStream::connect(dir.join(question.socket()))?;
    daemon.set_read_timeout(Some(question.patience()))?;
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
