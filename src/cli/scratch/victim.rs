//! `hearken scratch victim`, a hidden subcommand: records in one of two ways, and ends in the state and the way that
//! the audit orders.
//!
//! Both ways of recording pass through the same states. In the ordered state the victim prints [`HERE`] and ends, while
//! all its files are still open.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{panic, process, thread};

use clap::ValueEnum;
use rustix::process::{Resource, Signal, set_parent_process_death_signal};

use crate::audio::{FRAME_LEN, Frame, SAMPLE_RATE};
use crate::daemon::error::Error;
use crate::grammar::Grammar;
use crate::recognize::settings::RecognizerSettings;
use crate::recognize::{self, RecognizeError, Recognizer};
use crate::runtime::process::limit;
use crate::runtime::stop::{POLL_INTERVAL, Stop};
use crate::utterance::scratch::{Scratch, ScratchError, ScratchSettings};

/// The line that a victim prints when it has reached its state.
pub const HERE: &str = "here";

/// Bytes of a frame in both kinds of file.
const FRAME_BYTES: u64 = FRAME_LEN as u64 * 2;
/// Length of an utterance in frames: two seconds.
const UTTERANCE: usize = 125;
/// Capacity of Hearken's way in bytes: four seconds.
const CAPACITY: u64 = 250 * FRAME_BYTES;
/// Bytes of an upload that has not come in whole. The kernel does not refuse them.
const UPLOADED: u64 = 50 * FRAME_BYTES;
/// Length in frames at which the leaky way stops: eight seconds. It has no limit of its own.
const TOO_MUCH: usize = 500;
/// Size in bytes at which the kernel refuses a write. It is in the middle of a frame.
const FILE_LIMIT: u64 = 60 * FRAME_BYTES + 100;
/// Processor time, in ticks, after which inference is surely running: 50 ms if a tick is 10 ms.
const BUSY_TICKS: u64 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// A named temporary file, deleted when all went well
    Leaky,
    /// `Scratch`, as the daemon uses it
    Hearken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum State {
    Opened,
    Uploading,
    Writing,
    WriteFailed,
    AtCap,
    Sealed,
    NoModel,
    Recognizing,
    Done,
    /// Repeats all states except those with a model
    Looping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum End {
    Error,
    Panic,
    Sigterm,
    Sigkill,
    Abort,
}

#[derive(Debug, Clone, clap::Args)]
pub struct Orders {
    #[arg(long)]
    pub way: Way,
    #[arg(long)]
    pub state: State,
    #[arg(long)]
    pub end: End,
    #[arg(long)]
    pub dir: PathBuf,
}

/// Records as ordered and ends in the ordered way.
pub fn victim(orders: &Orders) -> Result<(), Error> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from)?;
    // A core file would contain the sound, in either way.
    limit(Resource::Core, 0)?;
    if orders.state == State::WriteFailed {
        limit(Resource::Fsize, FILE_LIMIT)?;
    }
    let (record, stop): (fn(&Victim) -> _, _) = match orders.way {
        Way::Leaky => (leaky, Stop::default()),
        Way::Hearken => (hearken, Stop::on_signals(false)?),
    };
    let sound = voice(if orders.state == State::AtCap { TOO_MUCH } else { UTTERANCE });
    let victim = Victim { orders: orders.clone(), sound, stop };
    let recorded = if orders.state == State::Looping { victim.repeat(record) } else { record(&victim) };
    match recorded {
        Err(Error::Io(e)) if e.kind() == io::ErrorKind::Interrupted => Ok(()),
        ended => ended,
    }
}

/// Records as a typical voice service does. Every error that `?` returns skips the deletion at the end.
fn leaky(victim: &Victim) -> Result<(), Error> {
    // A service for uploads stores the body as it comes, and converts it into another file.
    let upload = victim.orders.dir.join("upload.wav");
    fs::write(&upload, vec![0; UPLOADED as usize])?;
    victim.at(State::Uploading)?;
    fs::remove_file(&upload)?;
    let path = victim.orders.dir.join("utterance.raw");
    let mut file = File::create(&path)?;
    victim.at(State::Opened)?;
    for frame in &victim.sound {
        if let Err(error) = file.write_all(&pcm(frame)) {
            victim.at(State::WriteFailed)?;
            return Err(error.into());
        }
    }
    victim.at(State::Writing)?;
    victim.at(State::AtCap)?;
    drop(file);
    victim.at(State::Sealed)?;
    let recognizer = victim.model()?;
    let samples = samples(&fs::read(&path)?);
    victim.recognize(recognizer, &samples)?;
    fs::remove_file(&path)?;
    victim.at(State::Done)
}

/// Records as the daemon does. One difference: the daemon drops a recording before it recognizes it. Here it is kept,
/// to have a recording during inference, as there is when the next utterance is being recorded.
fn hearken(victim: &Victim) -> Result<(), Error> {
    let recognizer = victim.model()?;
    let settings = ScratchSettings { capacity: CAPACITY, ..ScratchSettings::default() };
    let scratch = Scratch::new(victim.orders.dir.clone(), &settings);
    let mut utterance = scratch.open().map_err(io::Error::other)?;
    victim.at(State::Opened)?;
    utterance.append(&vec![0; UPLOADED as usize]).map_err(io::Error::other)?;
    victim.at(State::Uploading)?;
    utterance.clear().map_err(io::Error::other)?;
    for frame in &victim.sound {
        match utterance.write(frame) {
            Ok(()) => {}
            Err(ScratchError::Full { .. }) => {
                victim.at(State::AtCap)?;
                break;
            }
            Err(error) => {
                victim.at(State::WriteFailed)?;
                return Err(io::Error::other(error).into());
            }
        }
    }
    victim.at(State::Writing)?;
    let mut recording = utterance.seal(0).map_err(io::Error::other)?;
    victim.at(State::Sealed)?;
    let samples = recording.samples().map_err(io::Error::other)?;
    victim.recognize(recognizer, &samples)?;
    drop(recording);
    victim.at(State::Done)
}

#[derive(Clone)]
struct Victim {
    orders: Orders,
    sound: Vec<Frame>,
    stop: Stop,
}

impl Victim {
    fn at(&self, state: State) -> Result<(), Error> {
        if state == self.orders.state { self.end() } else { Ok(()) }
    }

    fn end(&self) -> Result<(), Error> {
        writeln!(io::stdout(), "{HERE}")?;
        match self.orders.end {
            End::Error => Err(io::Error::other("the error that was asked for").into()),
            End::Panic => panic!("the panic that was asked for"),
            End::Abort => process::abort(),
            End::Sigterm | End::Sigkill => {
                while !self.stop.raised() {
                    thread::sleep(POLL_INTERVAL);
                }
                Err(io::Error::from(io::ErrorKind::Interrupted).into())
            }
        }
    }

    fn repeat(&self, record: fn(&Victim) -> Result<(), Error>) -> Result<(), Error> {
        record(self)?;
        writeln!(io::stdout(), "{HERE}")?;
        while !self.stop.raised() {
            record(self)?;
        }
        Ok(())
    }

    /// The daemon's recognizer, where the state needs it.
    fn model(&self) -> Result<Option<Box<dyn Recognizer>>, Error> {
        if !matches!(self.orders.state, State::NoModel | State::Recognizing) {
            return Ok(None);
        }
        // Two threads would spin while they wait for each other, which takes ten seconds instead of one on a busy
        // machine.
        let settings = RecognizerSettings { threads: 1, ..RecognizerSettings::default() };
        let grammar = Grammar::of("turn on the light").map_err(|e| io::Error::other(e.what))?;
        match recognize::load(&settings, Arc::new(grammar), &Stop::default()) {
            Ok(recognizer) => Ok(Some(recognizer)),
            Err(error @ RecognizeError::Model(_)) => {
                self.at(State::NoModel)?;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Recognizes `samples` until the end comes, from another thread.
    fn recognize(&self, recognizer: Option<Box<dyn Recognizer>>, samples: &[f32]) -> Result<(), Error> {
        let Some(mut recognizer) = recognizer else { return Ok(()) };
        let (victim, before) = (self.clone(), ticks()?);
        let end = thread::spawn(move || {
            while ticks()? < before + BUSY_TICKS {
                thread::sleep(Duration::from_millis(1));
            }
            victim.at(State::Recognizing)
        });
        while !end.is_finished() {
            recognizer.hear(samples)?;
        }
        end.join().unwrap_or_else(|cause| panic::resume_unwind(cause))
    }
}

/// Frames of a synthetic voice without words: harmonics of 120 Hz, loudest at 720 Hz, with four syllables a second.
fn voice(frames: usize) -> Vec<Frame> {
    let sample = |i: usize| {
        let turn = |hertz: f32| (i as f32 / SAMPLE_RATE as f32 * hertz).fract() * std::f32::consts::TAU;
        let harmonic = |h: u8| turn(120.0 * h as f32).sin() / (1.0 + (h as f32 - 6.0).powi(2));
        0.2 * turn(2.0).sin().abs() * (3..=9).map(harmonic).sum::<f32>()
    };
    (0..frames).map(|frame| std::array::from_fn(|i| sample(frame * FRAME_LEN + i))).collect()
}

fn pcm(frame: &Frame) -> Vec<u8> {
    frame.iter().flat_map(|sample| ((sample * 32_767.0) as i16).to_le_bytes()).collect()
}

fn samples(pcm: &[u8]) -> Vec<f32> {
    pcm.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]]) as f32 / 32_767.0).collect()
}

/// Processor time of this process, in the kernel's ticks: the 14th and 15th field of proc_pid_stat(5).
fn ticks() -> io::Result<u64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    Ok(after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum())
}
