//! `make soak`: a day of sound through the real daemon in an hour, and a fault of the microphone every half minute.
//!
//! The virtual microphone runs faster than real time and waits for a reader that is late, so that nothing is lost on
//! the way in. Capture, voice detection, endpointing and scratch do all of their work. The recognizer does what it
//! can: an utterance that is still undecided when two later ones wait is dropped, and counted. Ends with 1 if anything
//! leaks, is lost or does not recover.
//!
//! Run nothing else meanwhile: it would cost most of the decisions.

mod measure;
mod summary;
#[path = "../support/mod.rs"]
mod support;

use std::fs::{self, DirEntry, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Parser;
use rustix::process::Signal;
use tempfile::TempDir;

use measure::{HEADING, Sample, Tally};
use support::{Fault, MICROPHONE_RATE, Running, VirtualMicrophone, clips, data, in_a_row, program, quiet, samples};

/// Noise after the clips, in minutes.
const QUIET_MINUTES: usize = 3;
/// What goes wrong, in turn.
const FAULTS: [Fault; 4] = [Fault::Unplugged, Fault::Broken, Fault::Stalled, Fault::Overrun];
/// How long it is wrong.
const FAULT: Duration = Duration::from_secs(1);
/// How often, at most; ten times in a short run.
const FAULT_EVERY: Duration = Duration::from_secs(30);
/// From what point on nothing may grow; a tenth of a short run.
const WARM_UP: Duration = Duration::from_secs(120);
/// How often a line is printed.
const LINE_EVERY: Duration = Duration::from_secs(60);

/// What the microphone is given to come back.
const RECOVERY: Duration = Duration::from_secs(5);
/// What the daemon is given to load its model, to decide what is left, and to end.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How much the resident memory may grow after the warm-up, in KiB: more than the C library's heaps come and go by.
const GROWTH: u64 = 8 << 10;
/// One sample in so many may be lost: at 30 times real time the queue to the listener, 2.7 s long, holds 90 ms, and a machine that
/// does something else may well take that long.
const TOLERATED: u64 = 10_000;
/// How often the soak looks at what it waits for.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Recordings kept, and their bytes.
const KEPT: (usize, u64) = (20, 4 << 20);

/// Puts a day of sound through the daemon in an hour.
#[derive(Parser)]
struct Arguments {
    /// How long it takes
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// The least sound that must go through, in hours [default: 24 in 60 minutes]
    #[arg(long)]
    hours: Option<f64>,
    /// How many times faster than real time the microphone is
    #[arg(long, default_value_t = 30)]
    speed: u32,
}

/// The daemon under test.
struct Soak {
    daemon: Running,
    microphone: VirtualMicrophone,
    scratch: TempDir,
    dir: TempDir,
    tally: Arc<Mutex<Tally>>,
    begun: Instant,
    /// Faults made, and problems met, so far.
    faults: usize,
    problems: usize,
}

fn main() -> ExitCode {
    match soak(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well.
fn soak(arguments: &Arguments) -> io::Result<bool> {
    let mut soak = Soak::start(arguments.speed)?;
    if let Err(error) = soak.run(arguments) {
        soak.check(false, || error.to_string());
    }
    let good = soak.problems == 0;
    if !good {
        soak.show_log()?;
    }
    Ok(good)
}

/// Every clip, a second apart, then minutes of noise. Says what it is.
fn sound() -> Vec<f32> {
    let clips: Vec<PathBuf> = ["home", "other"].into_iter().flat_map(clips).collect();
    let speech: usize = clips.iter().map(|clip| samples(clip).len()).sum();
    let mut sound = in_a_row(&clips);
    sound.extend(quiet(QUIET_MINUTES * 60_000));
    let share = 100 - 100 * speech / sound.len();
    println!(
        "{} clips in {} s of sound, {share} % of it quiet noise; over and over",
        clips.len(),
        sound.len() / 16_000
    );
    sound
}

/// `home.toml` with the virtual microphone, simulated pins, and recordings that are kept.
fn configuration(dir: &Path) -> io::Result<PathBuf> {
    let home = fs::read_to_string(data("home.toml"))?;
    let (state, (last, capacity)) = (dir.join("pins"), KEPT);
    let more = format!(
        "\n[microphone]\ndevice = \"alsa:mic0\"\n\n[gpio]\nbackend = \"simulated\"\nstate = {state:?}\n\n\
         [scratch]\nkeep = {{ last = {last}, capacity = \"{} MiB\" }}\n",
        capacity >> 20
    );
    // With two threads nothing else would run on a machine of two cores: they wait for each other by spinning.
    let home = home.replace("[recognizer]\n", "[recognizer]\nthreads = 1\n");
    let path = dir.join("hearken.toml");
    fs::write(&path, home + &more)?;
    Ok(path)
}

impl Soak {
    /// A daemon that listens.
    fn start(speed: u32) -> io::Result<Soak> {
        let (dir, scratch) = (tempfile::tempdir()?, tempfile::tempdir_in("/dev/shm")?);
        let microphone = VirtualMicrophone::with(&sound(), &format!("speed {speed} loop 1"));
        let mut command = Command::new(program());
        command.args(["run", "--events", "-", "--config"]).arg(configuration(dir.path())?);
        command
            .arg("--scratch")
            .arg(scratch.path())
            .stdout(Stdio::piped())
            .stderr(File::create(dir.path().join("log"))?);
        let mut daemon = Running(microphone.plug_into(&mut command).spawn()?);
        let tally = Tally::of(daemon.0.stdout.take().expect("its output should be piped"));
        let mut soak = Soak { daemon, microphone, scratch, dir, tally, begun: Instant::now(), faults: 0, problems: 0 };
        soak.wait(TIMEOUT, "listen", |soak| Ok(soak.tally().opened > 0))?;
        soak.begun = Instant::now();
        Ok(soak)
    }

    fn run(&mut self, arguments: &Arguments) -> io::Result<()> {
        let length = Duration::from_secs_f64(arguments.minutes * 60.0);
        let pause = FAULT_EVERY.min(length / 10);
        println!("{HEADING}");
        let start = self.sample("start")?;
        self.disturb(WARM_UP.min(length / 10), pause)?;
        let enough = 2 * KEPT.0 as u64;
        self.wait(TIMEOUT, "decide enough to keep", |soak| Ok(soak.tally().decided() >= enough))?;
        let warm = self.sample("warm")?;
        self.disturb(length, pause)?;
        let played = self.sample("played")?;
        self.drain()?;
        let end = self.sample("drained")?;
        let kept = self.end()?;
        self.judge(&warm, &end);
        let wanted = arguments.hours.unwrap_or(arguments.minutes * 24.0 / 60.0);
        self.check(played.hours >= wanted, || format!("{:.2} h of sound went through, not {wanted:.2}", played.hours));
        summary::print([&start, &warm, &played, &end], self.faults, kept);
        Ok(())
    }

    /// Plays until `end`, with a fault after every `pause`.
    fn disturb(&mut self, end: Duration, pause: Duration) -> io::Result<()> {
        let mut printed = self.begun.elapsed();
        loop {
            let next = self.begun.elapsed() + pause;
            self.until(next.min(end))?;
            if next >= end {
                return Ok(());
            }
            if next >= printed + LINE_EVERY {
                printed = next;
                self.sample("")?;
            }
            self.suffer(FAULTS[self.faults % FAULTS.len()])?;
        }
    }

    /// Lets a fault happen, and waits until samples flow again.
    fn suffer(&mut self, fault: Fault) -> io::Result<()> {
        let repaired = |soak: &Soak| match fault {
            Fault::Overrun => soak.look().map(|now| now.gauge("/microphone/overruns")),
            _ => Ok(soak.tally().opened),
        };
        let before = repaired(self)?;
        self.microphone.fault(fault);
        if fault != Fault::Overrun {
            sleep(FAULT);
            self.microphone.fault(Fault::None);
        }
        self.faults += 1;
        self.wait(RECOVERY, &format!("recover from {fault:?}"), |soak| Ok(repaired(soak)? > before))
    }

    /// Lets the microphone hear noise only, and waits until no recording is left.
    fn drain(&mut self) -> io::Result<()> {
        self.microphone.becomes(MICROPHONE_RATE, &quiet(10_000));
        self.wait(TIMEOUT, "empty scratch", |soak| {
            let now = soak.look()?;
            Ok(now.gauge("/scratch/used") == 0 && now.recordings == 0 && now.microphone_open())
        })
    }

    /// Asks the daemon to end. The recordings it kept, and their bytes.
    fn end(&mut self) -> io::Result<(usize, u64)> {
        self.daemon.signal(Signal::TERM);
        let asked = Instant::now();
        let mut code = self.daemon.0.try_wait()?;
        while code.is_none() && asked.elapsed() < TIMEOUT {
            sleep(POLL_INTERVAL);
            code = self.daemon.0.try_wait()?;
        }
        self.check(code.is_some_and(|c| c.success()), || format!("asked to end, it ended with {code:?}"));
        let files: Vec<_> = fs::read_dir(self.scratch.path())?.collect::<io::Result<_>>()?;
        let name = |file: &DirEntry| file.file_name().to_string_lossy().into_owned();
        let ending =
            |end: &str| files.iter().filter(|f| name(f).starts_with("hearken-") && name(f).ends_with(end)).count();
        let (sounds, decisions) = (ending(".wav"), ending(".json"));
        let bytes = files.iter().map(|f| Ok(f.metadata()?.len())).sum::<io::Result<u64>>()?;
        let whole = sounds == decisions && sounds + decisions == files.len();
        self.check(whole && sounds <= KEPT.0 && bytes <= KEPT.1, || {
            format!("left in scratch: {bytes} bytes, {:?}", files.iter().map(name).collect::<Vec<_>>())
        });
        Ok((sounds, bytes))
    }

    fn judge(&mut self, warm: &Sample, end: &Sample) {
        self.check(end.rss <= warm.rss + GROWTH, || format!("memory grew from {} to {} KiB", warm.rss, end.rss));
        for (what, before, after) in
            [("descriptors", warm.descriptors, end.descriptors), ("threads", warm.threads, end.threads)]
        {
            self.check(after <= before, || format!("{what} grew from {before} to {after}"));
        }
        let (lost, all) = (end.gauge("/microphone/lost"), self.microphone.frames_delivered());
        self.check(lost * TOLERATED <= all, || format!("{lost} of {all} samples were lost"));
        for gauge in ["/microphone/abandoned", "/scratch/used", "/scratch/deletions_failed"] {
            self.check(end.gauge(gauge) == 0, || format!("{gauge} is {}, not 0", end.gauge(gauge)));
        }
        let (most, capacity) = (end.gauge("/scratch/high_water"), end.gauge("/scratch/capacity"));
        self.check(most <= capacity, || format!("scratch held {most} bytes, more than {capacity}"));
        self.check(end.tally.failed == 0, || format!("{} utterances failed: {:?}", end.tally.failed, end.tally));
    }

    fn tally(&self) -> Tally {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it is now.
    fn look(&self) -> io::Result<Sample> {
        let hours = self.microphone.frames_delivered() as f64 / f64::from(MICROPHONE_RATE) / 3600.0;
        let take = || Sample::take(self.daemon.0.id(), self.scratch.path(), self.begun.elapsed(), hours, self.tally());
        // On a machine this busy an answer may be late once.
        take().or_else(|_| take())
    }

    /// How it is now, as a line too.
    fn sample(&self, remark: &str) -> io::Result<Sample> {
        let sample = self.look()?;
        println!("{sample}  {remark}");
        Ok(sample)
    }

    fn check(&mut self, good: bool, words: impl FnOnce() -> String) {
        if !good {
            self.problems += 1;
            let now = self.begun.elapsed().as_secs_f64() / 60.0;
            println!("{now:6.1}  PROBLEM: {}", words());
        }
    }

    fn alive(&mut self) -> io::Result<()> {
        let died = |code: ExitStatus| Err(io::Error::other(format!("the daemon died: {code}")));
        self.daemon.0.try_wait()?.map_or(Ok(()), died)
    }

    /// Sleeps until `at`, as long as the daemon lives.
    fn until(&mut self, at: Duration) -> io::Result<()> {
        while self.begun.elapsed() < at {
            self.alive()?;
            sleep(POLL_INTERVAL.min(at.saturating_sub(self.begun.elapsed())));
        }
        Ok(())
    }

    /// Waits until `done`; that it took too long is a problem, not the end.
    fn wait(&mut self, timeout: Duration, what: &str, done: impl Fn(&Soak) -> io::Result<bool>) -> io::Result<()> {
        let begun = Instant::now();
        while !done(self)? {
            self.alive()?;
            let in_time = begun.elapsed() < timeout;
            self.check(in_time, || format!("it did not {what} within {} s", timeout.as_secs()));
            if !in_time {
                break;
            }
            sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// Prints the end of the daemon's log, and leaves the whole of it in its place.
    fn show_log(mut self) -> io::Result<()> {
        self.dir.disable_cleanup(true);
        let path = self.dir.path().join("log");
        let log = fs::read_to_string(&path)?;
        let lines: Vec<&str> = log.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(20)).for_each(|line| eprintln!("{line}"));
        eprintln!("soak: all of the log is in {}", path.display());
        Ok(())
    }
}
