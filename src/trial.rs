//! A model that nobody vouches for but the user is first loaded in a process of its own.
//!
//! whisper.cpp's loader kills the process on many damaged files, and no language can catch that. So this program starts
//! itself, with little memory and without core files, loads the model there and decides once. What dies there is reported.

use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::error::Error;
use crate::grammar::Grammar;
use crate::models::{self, ModelError};
use crate::recognize::RecognizeError;
use crate::recognize::whisper::{RecognizerSettings, WhisperRecognizer};
use crate::stop::GLANCE;

/// The hidden subcommand that is the other process.
pub const SUBCOMMAND: &str = "try-model";
/// Longest time that it is given: the large model on a small Pi.
const PATIENCE: Duration = Duration::from_secs(120);
/// Memory that it may have beyond four times the file.
const MEMORY: u64 = 3 << 30;

/// Tries the model of `settings` if it is foreign. Blocks for as long as loading takes.
///
/// # Errors
/// [`ModelError`], with what became of the process.
pub fn first(settings: &RecognizerSettings) -> Result<(), Error> {
    let Some(sha256) = settings.sha256.as_deref().filter(|s| models::is_foreign(&settings.model, Some(s))) else {
        return Ok(());
    };
    let path = models::verified(&settings.model, Some(sha256)).map_err(RecognizeError::from)?.path;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(SUBCOMMAND).arg(&path).arg(sha256);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let begun = Instant::now();
    let ended = loop {
        match child.try_wait()? {
            Some(status) => break Some(status),
            None if begun.elapsed() > PATIENCE => break None,
            None => std::thread::sleep(GLANCE),
        }
    };
    let fault = match ended {
        Some(status) if status.success() => return Ok(()),
        Some(status) => {
            let mut said = String::new();
            let stderr = child.stderr.take().map(|stderr| stderr.take(1 << 16));
            let _ = stderr.map(|mut stderr| stderr.read_to_string(&mut said));
            format!("a process that tried to load it {}", death(status, said.lines().last().unwrap_or_default()))
        }
        None => {
            let _ = child.kill();
            let _ = child.wait();
            format!("a process that tried to load it did not end within {} s", PATIENCE.as_secs())
        }
    };
    Err(RecognizeError::from(ModelError::Unusable { path, fault }).into())
}

fn death(status: ExitStatus, last: &str) -> String {
    match status.signal() {
        Some(signal) => format!("was killed by signal {signal}; the file is damaged or of another kind"),
        None => format!("failed: {last}"),
    }
}

/// What the other process does: loads the model at `path` and decides once on silence.
///
/// # Errors
/// Whatever comes up.
pub fn second(path: &str, sha256: &str) -> Result<(), Error> {
    let size = std::fs::metadata(path)?.len();
    limit(Resource::Core, 0)?;
    limit(Resource::As, MEMORY + 4 * size)?;
    let (model, sha256) = (path.to_string(), Some(sha256.to_string()));
    let settings = RecognizerSettings { model, sha256, threads: 1, ..RecognizerSettings::default() };
    let grammar = Grammar::of("turn on the light").map_err(|e| io::Error::other(e.what))?;
    WhisperRecognizer::load(&settings, grammar)?;
    Ok(())
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).map_err(io::Error::from)
}
