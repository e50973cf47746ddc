//! A file of metrics for node_exporter's textfile collector. A reader sees the old text or the new one, never a part.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::metrics::{Metrics, MetricsSettings};

/// node_exporter runs as another user, so everybody may read the file: it holds no words.
const READABLE: u32 = 0o644;

/// The file. It is removed when this is dropped: numbers of a program that has ended would look like present ones.
#[derive(Debug)]
pub struct TextFile {
    path: PathBuf,
    every: Duration,
    metrics: Metrics,
    due: Duration,
    /// Whether the log tells that it cannot be written.
    complained: bool,
}

impl TextFile {
    /// The file that `settings` name, if they name one.
    pub fn new(settings: &MetricsSettings, metrics: Metrics) -> Option<TextFile> {
        let (path, every) = (settings.file.clone()?, settings.every);
        Some(TextFile { path, every, metrics, due: Duration::ZERO, complained: false })
    }

    /// Writes the file if that is due at the time `now`, which begins at zero. A fault is logged once, until a write
    /// succeeds.
    pub fn look(&mut self, now: Duration) {
        if now < self.due {
            return;
        }
        self.due = now + self.every;
        let path = self.path.display();
        match replace(&self.path, &self.metrics.render()) {
            Ok(()) if std::mem::take(&mut self.complained) => tracing::info!("metrics are written to {path} again"),
            Ok(()) => {}
            Err(error) if !std::mem::replace(&mut self.complained, true) => {
                tracing::warn!("metrics are not written to {path}: {error}");
            }
            Err(_) => {}
        }
    }
}

impl Drop for TextFile {
    fn drop(&mut self) {
        // It may never have been written.
        let _ = fs::remove_file(&self.path);
    }
}

/// Writes a new file beside `path` and renames it. The collector reads only names that end in `.prom`.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("prom.new");
    // One is left after a crash. A new file is made, so that a link of this name is not followed.
    let _ = fs::remove_file(&beside);
    let mut file = File::options().write(true).create_new(true).open(&beside)?;
    file.set_permissions(Permissions::from_mode(READABLE))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| fs::rename(&beside, path));
    written.inspect_err(|_| drop(fs::remove_file(&beside)))
}
