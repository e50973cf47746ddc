//! Loads a model that the manifest does not list in a process of its own first.
//!
//! On many damaged files whisper.cpp's loader kills the process, and a program cannot catch that. So this program
//! starts itself again, with limited memory and without core files. The new process loads the model and decides once.
//! If it is killed, the model is refused with an error message.

use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Signal, set_parent_process_death_signal};

use super::RecognizeError;
use super::models::{self, ModelError};
use super::settings::RecognizerSettings;
use super::whisper::WhisperRecognizer;
use crate::grammar::Grammar;
use crate::runtime::process::{limit, no_core_file};
use crate::runtime::service;
use crate::runtime::stop::{POLL_INTERVAL, Stop};

/// The hidden subcommand that the other process runs.
pub const SUBCOMMAND: &str = "try-model";
/// Longest time that the process may take: enough for the large model on a small Pi.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Memory, in bytes, that the process may use on top of four times the size of the file.
const MEMORY: u64 = 3 << 30;

/// Tries the model of `settings` if the manifest does not list it. Blocks for as long as loading takes, or until `stop`
/// is raised.
///
/// # Errors
/// [`ModelError`] with the end of the process, or [`RecognizeError::Stopped`].
pub(super) fn in_child(settings: &RecognizerSettings, stop: &Stop) -> Result<(), RecognizeError> {
    let Some(sha256) = settings.sha256.as_deref().filter(|s| models::is_foreign(&settings.model, Some(s))) else {
        return Ok(());
    };
    let path = models::verified(&settings.model, Some(sha256))?.path;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(SUBCOMMAND).arg(&path).arg(sha256);
    command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let stderr = child.stderr.take();
    let words = std::thread::spawn(move || stderr.map(last_words).unwrap_or_default());
    let begun = Instant::now();
    let mut ended = child.try_wait()?;
    while ended.is_none() && begun.elapsed() < TIMEOUT && !stop.raised() {
        std::thread::sleep(POLL_INTERVAL);
        service::alive();
        ended = child.try_wait()?;
    }
    if ended.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let fault = match ended {
        // A signal to the whole process group also ends the trial; that does not mean that the model is bad.
        _ if stop.raised() => return Err(RecognizeError::Stopped),
        Some(status) if status.success() => return Ok(()),
        Some(status) => death(status, &words.join().unwrap_or_default()),
        None => format!("did not end within {} s", TIMEOUT.as_secs()),
    };
    let fault = format!("a process that tried to load it {fault}");
    Err(ModelError::Unusable { path, fault }.into())
}

/// The last line of the first 64 KiB. The rest is read too, because the writer would block otherwise.
fn last_words(mut stderr: ChildStderr) -> String {
    let mut said = Vec::new();
    let _ = (&mut stderr).take(1 << 16).read_to_end(&mut said);
    let _ = io::copy(&mut stderr, &mut io::sink());
    String::from_utf8_lossy(&said).lines().last().unwrap_or_default().to_string()
}

fn death(status: ExitStatus, last: &str) -> String {
    match status.signal() {
        Some(signal) => format!("was killed by signal {signal}; the file is damaged or of another kind"),
        None => format!("failed: {last}"),
    }
}

/// Runs in the other process: loads the model at `path` and decides once on silence.
///
/// # Errors
/// [`RecognizeError`], which the process prints to standard error before it ends.
pub fn child(path: &str, sha256: &str) -> Result<(), RecognizeError> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from)?;
    let size = std::fs::metadata(path)?.len();
    no_core_file()?;
    limit(Resource::As, MEMORY + 4 * size)?;
    let (model, sha256) = (path.to_string(), Some(sha256.to_string()));
    let settings = RecognizerSettings { model, sha256, threads: 1, ..RecognizerSettings::default() };
    let grammar = Grammar::of("turn on the light").map_err(|e| io::Error::other(e.what))?;
    WhisperRecognizer::load(&settings, Arc::new(grammar))?;
    Ok(())
}
