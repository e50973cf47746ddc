//! How the running daemon is, for whoever asks: one JSON object over a Unix socket in its scratch directory.

use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

/// Name of the socket.
const SOCKET: &str = "hearken.sock";
/// Longest wait for the other side.
const PATIENCE: Duration = Duration::from_secs(2);

/// The daemon's end. The socket goes when it is dropped.
pub struct Desk {
    listener: UnixListener,
    path: PathBuf,
}

impl Desk {
    /// Begins to answer in `dir`. A socket that nobody answers, left over from a crash, is replaced.
    ///
    /// # Errors
    /// The kernel's; `AddrInUse` when another daemon answers there.
    pub fn open(dir: &Path) -> io::Result<Desk> {
        let path = dir.join(SOCKET);
        let is_socket = std::fs::symlink_metadata(&path).is_ok_and(|m| m.file_type().is_socket());
        if is_socket && UnixStream::connect(&path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
            std::fs::remove_file(&path)?;
        }
        let listener = UnixListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        Ok(Desk { listener, path })
    }

    /// Answers everybody who waits. Does not wait itself.
    pub fn answer(&self, status: impl Fn() -> Value) {
        while let Ok((mut asker, _)) = self.listener.accept() {
            // A fresh connection takes an answer of this size at once if it comes in one piece; who does not read it gets none.
            let answer = format!("{}\n", status());
            let _ = asker.set_nonblocking(true).and_then(|()| asker.write_all(answer.as_bytes()));
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether a daemon records into `dir`, or did when it was killed; also where we may not look.
pub fn is_there(dir: &Path) -> bool {
    std::fs::symlink_metadata(dir.join(SOCKET)).map_or_else(|e| e.kind() == io::ErrorKind::PermissionDenied, |_| true)
}

/// Asks the daemon that records into `dir`. Blocks until it has answered, for at most 2 s between two parts of the answer.
///
/// # Errors
/// The kernel's: `NotFound` or `ConnectionRefused` when no daemon runs there; `InvalidData` when it makes no sense.
pub fn ask(dir: &Path) -> io::Result<Value> {
    let mut daemon = UnixStream::connect(dir.join(SOCKET))?;
    daemon.set_read_timeout(Some(PATIENCE))?;
    let mut said = String::new();
    daemon.read_to_string(&mut said)?;
    Ok(serde_json::from_str(&said)?)
}
