//! `hearken scratch audit`: shows that a usual temporary file stays after a crash, and verifies that Hearken's
//! recordings do not.
//!
//! For each combination of way to record, state and end the program starts itself as a child process, the victim, in a
//! directory of its own. It waits until the victim reports that it has reached the state, sends the signal if the end
//! is one, and counts what is left when the victim has ended.

use std::fs::{self, DirBuilder};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::findings::{ENDS, Ending, Findings, Kills, Left, STATES, WAYS, name};
use super::victim::{End, HERE, Orders, State, Way};
use crate::daemon::error::Error;
use crate::recognize::RecognizeError;
use crate::recognize::models;
use crate::recognize::settings::RecognizerSettings;
use crate::runtime::stop::Stop;
use crate::utterance::scratch::{self, Scratch, ScratchSettings};

/// Longest wait for a victim to reach its state, and for its end. It may have to load and use a model on the smallest
/// Pi.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Latest moment to kill a looping victim, which has made some rounds by then.
const LATEST: Duration = Duration::from_millis(3);

/// Ends victims in all states and ways, and `rounds` more of each kind at random moments. Prints what they left.
pub fn audit(rounds: u32, dir: Option<PathBuf>, as_json: bool) -> Result<(), Error> {
    let stop = Stop::on_signals(false)?;
    for model in [&RecognizerSettings::default().model, models::SILERO] {
        models::verified(model, None).map_err(RecognizeError::from)?;
    }
    let dir = dir.unwrap_or_else(scratch::default_dir);
    if let Some(complaint) = Scratch::new(dir.clone(), &ScratchSettings::default()).complaint() {
        tracing::warn!("{complaint}");
    }
    let place = Place::new(&dir)?;
    let mut findings = Findings { endings: Vec::new(), rounds: Vec::new() };
    for (way, _) in WAYS {
        for (state, _) in STATES {
            for end in ENDS {
                findings.endings.push(Ending { way, state, end, left: ending(&place, way, state, end) });
                asked_to(&stop)?;
            }
        }
        if rounds > 0 {
            findings.rounds.push(kill(&place, way, rounds, &stop)?);
        }
    }
    drop(place);
    let faults = findings.faults();
    let printed =
        if as_json { writeln!(io::stdout(), "{}", findings.json(&faults)) } else { write!(io::stdout(), "{findings}") };
    if !faults.is_empty() {
        return Err(io::Error::other(format!("the audit failed:\n  {}", faults.join("\n  "))).into());
    }
    Ok(printed?)
}

fn asked_to(stop: &Stop) -> io::Result<()> {
    if stop.raised() { Err(io::Error::other("stopped before the audit was over")) } else { Ok(()) }
}

/// A directory that only this user may enter. It is removed with all its content when it is dropped.
struct Place(PathBuf);

impl Place {
    fn new(parent: &Path) -> io::Result<Place> {
        let unusable = |e: io::Error| io::Error::new(e.kind(), format!("cannot record in {}: {e}", parent.display()));
        let parent_path = parent.canonicalize().map_err(unusable)?;
        let dir = parent_path.join(format!("hearken-audit-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&dir).map_err(unusable)?;
        Ok(Place(dir))
    }

    fn room(&self, name: &str) -> io::Result<PathBuf> {
        let room = self.0.join(name);
        fs::create_dir(&room)?;
        Ok(room)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_dir_all(&self.0) {
            tracing::warn!("{}: {e}", self.0.display());
        }
    }
}

fn ending(place: &Place, way: Way, state: State, end: End) -> Result<Left, String> {
    let dir = place.room(&[name(way), name(state), name(end)].join("-")).map_err(|e| e.to_string())?;
    meet(&Orders { way, state, end, dir: dir.clone() }, Duration::ZERO)?;
    left_in(&dir).and_then(|left| Ok(Left { open: open_in(&dir)?, ..left })).map_err(|e| e.to_string())
}

fn kill(place: &Place, way: Way, rounds: u32, stop: &Stop) -> io::Result<Kills> {
    let dir = place.room(&format!("{}-rounds", name(way)))?;
    let mut sum = Kills { way, killed: 0, leaving: 0, left: Ok(Left::default()) };
    for round in 0..rounds {
        let room = dir.join(round.to_string());
        fs::create_dir(&room)?;
        let moment = LATEST.mul_f64(RandomState::new().hash_one(round) as f64 / u64::MAX as f64);
        let orders = Orders { way, state: State::Looping, end: End::Sigkill, dir: room.clone() };
        let met = meet(&orders, moment);
        asked_to(stop)?;
        if let Err(fault) = met {
            sum.left = Err(fault);
            break;
        }
        let left = left_in(&room)?;
        fs::remove_dir_all(&room)?;
        sum.killed += 1;
        sum.leaving += u32::from(left.files > 0);
        sum.left = sum.left.map(|so_far| so_far + left);
    }
    let open = open_in(&dir)?;
    sum.left = sum.left.map(|left| Left { open, ..left });
    Ok(sum)
}

/// Starts a victim and waits for its end, which comes when it has reached its state, or `moment` later.
fn meet(orders: &Orders, moment: Duration) -> Result<(), String> {
    let mut victim = start(orders).map_err(|e| format!("cannot be started: {e}"))?;
    let words = words(&mut victim);
    let reached = words.recv_timeout(TIMEOUT).is_ok_and(|word| word == HERE);
    let signal = match orders.end {
        End::Sigterm => Some(Signal::TERM),
        End::Sigkill => Some(Signal::KILL),
        End::Error | End::Panic | End::Abort => None,
    };
    let mut recorded = true;
    if let (true, Some(signal)) = (reached, signal) {
        recorded = !should_hold(orders) || is_held(&orders.dir).map_err(|e| e.to_string())?;
        thread::sleep(moment);
        kill_process(Pid::from_child(&victim), signal).map_err(|e| format!("cannot be signalled: {e}"))?;
    }
    let over = words.recv_timeout(TIMEOUT) == Err(mpsc::RecvTimeoutError::Disconnected);
    if !over {
        let _ = victim.kill();
    }
    let ended = victim.wait_with_output().map_err(|e| e.to_string())?;
    let how = format!("{}, {}", ended.status, String::from_utf8_lossy(&ended.stderr).trim());
    if !reached {
        Err(format!("did not reach its state: {how}"))
    } else if !recorded {
        Err("held no recording in its state".into())
    } else if !over {
        Err(format!("did not end: {how}"))
    } else if !as_ordered(orders, &ended) {
        Err(format!("did not end as ordered: {how}"))
    } else {
        Ok(())
    }
}

fn start(orders: &Orders) -> io::Result<Child> {
    // A write beyond the limit on the size of a file returns an error only if SIGXFSZ is ignored. An ignored signal
    // stays ignored across `exec`, so the shell sets it; this needs no unsafe code.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(std::env::current_exe()?);
    command.args(["scratch", "victim", "--way", &name(orders.way), "--state", &name(orders.state)]);
    command.args(["--end", &name(orders.end), "--dir"]).arg(&orders.dir);
    if orders.state == State::NoModel {
        command.env("HEARKEN_MODELS", &orders.dir);
    }
    command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// The lines that `victim` prints, to the end of its output.
fn words(victim: &mut Child) -> Receiver<String> {
    let (says, words) = mpsc::channel();
    if let Some(stdout) = victim.stdout.take() {
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| says.send(line))
        });
    }
    words
}

fn as_ordered(orders: &Orders, ended: &Output) -> bool {
    let panicked = String::from_utf8_lossy(&ended.stderr).contains("panicked at");
    let (code, signal) = (ended.status.code(), ended.status.signal());
    match (orders.end, orders.way) {
        (End::Error, _) => code == Some(1) && !panicked,
        (End::Panic, _) => code == Some(1) && panicked,
        (End::Sigterm, Way::Hearken) => code == Some(0),
        (End::Sigterm, Way::Leaky) => signal == Some(Signal::TERM.as_raw()),
        (End::Sigkill, _) => signal == Some(Signal::KILL.as_raw()),
        (End::Abort, _) => signal == Some(Signal::ABORT.as_raw()),
    }
}

/// Whether there must be a recording in the victim's state. A looping victim has one only at times.
fn should_hold(orders: &Orders) -> bool {
    match orders.state {
        State::Done | State::Looping => false,
        State::NoModel => orders.way == Way::Leaky,
        _ => true,
    }
}

fn is_held(dir: &Path) -> io::Result<bool> {
    Ok(left_in(dir)?.files > 0 || open_in(dir)? > 0)
}

/// The files in `dir`.
fn left_in(dir: &Path) -> io::Result<Left> {
    let mut left = Left::default();
    for file in fs::read_dir(dir)? {
        left.files += 1;
        left.bytes += file?.metadata()?.len();
    }
    Ok(left)
}

/// Number of open descriptors of files below `dir`, in all processes that this user may inspect.
fn open_in(dir: &Path) -> io::Result<u64> {
    let descriptors = fs::read_dir("/proc")?
        .filter_map(|process| process.ok().filter(|p| p.file_name().to_string_lossy().parse::<u32>().is_ok()))
        .filter_map(|process| fs::read_dir(process.path().join("fd")).ok())
        .flatten()
        .filter_map(|descriptor| fs::read_link(descriptor.ok()?.path()).ok());
    Ok(descriptors.filter(|file| file.starts_with(dir)).count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_bytes_and_descriptors_are_counted_and_go_with_the_place() {
        let place = Place::new(&scratch::default_dir()).unwrap();
        let room = place.room("here").unwrap();
        assert_eq!((left_in(&room).unwrap(), open_in(&room).unwrap()), (Left::default(), 0));
        fs::write(room.join("forgotten.raw"), [0; 7]).unwrap();
        assert_eq!(left_in(&room).unwrap(), Left { files: 1, bytes: 7, open: 0 });
        let unnamed = Scratch::new(room.clone(), &ScratchSettings::default()).open().unwrap();
        assert_eq!((left_in(&room).unwrap().files, open_in(&room).unwrap()), (1, 1));
        drop(unnamed);
        assert_eq!(open_in(&room).unwrap(), 0);
        let dir = place.0.clone();
        drop(place);
        assert!(!dir.exists());
    }
}
