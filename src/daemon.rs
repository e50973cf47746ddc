//! The daemon: the one file that knows every concrete part. Builds them, starts the threads, takes them down.
//!
//! | thread | does | ends when |
//! |---|---|---|
//! | cpal's | samples into the queue | its stream is dropped |
//! | `hearken-open`, `-close` | open a microphone, close a dead one | they are done, or never: nobody waits |
//! | `hearken-ear` | sound to recordings | stop, or the microphone is past help |
//! | main | recordings to decisions | stop, or the ear is gone |
//! | `hearken-hands` | decisions to pins | stop, or main is gone |
//! | `hearken-keeper` | kept files, the sweep, the status | stop |
//! | `hearken-report` | what happened, to whoever asked | all of them are gone |

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::Resource;

use crate::audio::AudioSource;
use crate::audio::supervisor::{Counters, Supervisor};
use crate::board::Backend;
use crate::command::{Command, Output};
use crate::config::{GpioSettings, Settings};
use crate::ear::{self, Ear};
use crate::endpoint::EndpointSettings;
use crate::error::Error;
use crate::gpio::chardev::ChardevPins;
use crate::gpio::rpi::RpiPins;
use crate::gpio::simulated::SimulatedPins;
use crate::gpio::{Claim, GpioError, OutputPins};
use crate::hands::{self, Hands};
use crate::keeper::Keeper;
use crate::mailbox::mailbox;
use crate::mind::{self, Mind};
use crate::recognize::Recognizer;
use crate::recognize::whisper::WhisperRecognizer;
use crate::report::events::{Destination, Events};
use crate::report::watch::Watch;
use crate::report::{self, Report};
use crate::scratch::{self, Scratch, ScratchSettings};
use crate::service::{Beats, Service};
use crate::status::Desk;
use crate::stop::Stop;
use crate::trial;
use crate::verdict::Thresholds;

/// Recordings that may wait for the mind. More would be answered long after anybody waits for it.
const WAITING_RECORDINGS: usize = 2;
/// Decisions that may wait for the hands, which take microseconds each.
const WAITING_DECISIONS: usize = 8;
/// Recordings that may wait to be kept.
const WAITING_KEPT: usize = 4;

/// Time for the last reports to be written after a stop.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the command line adds to the configuration.
#[derive(Debug, Default)]
pub struct Options {
    /// Where events go.
    pub events: Option<Destination>,
    /// Whether to show on standard output what happens.
    pub watch: bool,
    /// Where recordings go, instead of [`scratch::default_dir`].
    pub scratch: Option<PathBuf>,
}

/// The parts that touch the world. A test, or a board without a microphone, brings its own.
pub struct Parts {
    /// Where sound comes from.
    pub source: Box<dyn AudioSource>,
    /// The microphone's counters, for the status.
    pub microphone: Option<Arc<Counters>>,
    /// Sound to sentences.
    pub recognizer: Box<dyn Recognizer>,
    /// The pins of the outputs, in their order.
    pub pins: Box<dyn OutputPins>,
}

/// What the threads go by.
pub struct Rules {
    /// Fixed input gain in dB.
    pub gain_db: f32,
    /// When an utterance begins and ends.
    pub endpoint: EndpointSettings,
    /// What a command must reach.
    pub thresholds: Thresholds,
    /// How much recordings may take.
    pub scratch: ScratchSettings,
    /// What is switched.
    pub outputs: Vec<Output>,
    /// What is done.
    pub commands: Vec<Command>,
}

/// Listens and obeys until SIGTERM, SIGINT, SIGHUP or SIGQUIT.
///
/// # Errors
/// What ends the daemon: no pins, no model, no event file, a scratch directory that must not be used.
pub fn run(settings: Settings, options: Options) -> Result<(), Error> {
    // A core file would hold the sound of the last utterance.
    trial::limit(Resource::Core, 0)?;
    let stop = Stop::on_signals()?;
    let Settings { microphone, endpoint, scratch, recognizer, thresholds, gpio, outputs, commands, grammar, .. } =
        settings;
    let place = options.scratch.clone().unwrap_or_else(scratch::default_dir);
    permit(&place, &scratch)?;
    // Pins first, so that they are at rest while the model loads; the microphone last, when all can answer.
    let pins = claim(&gpio, &hands::claims(&outputs))?;
    trial::first(&recognizer, &stop)?;
    if stop.raised() {
        return Ok(());
    }
    let recognizer = Box::new(WhisperRecognizer::load(&recognizer, grammar)?);
    let gain_db = microphone.gain_db;
    let source = Supervisor::new(microphone);
    let parts = Parts { microphone: Some(source.counters()), source: Box::new(source), recognizer, pins };
    let rules = Rules { gain_db, endpoint, thresholds, scratch, outputs, commands };
    serve(parts, &rules, &Options { scratch: Some(place), ..options }, &stop)
}

/// Listens and obeys with these `parts`, until `stop` is raised or the source is over. Blocks until all threads are gone
/// and the pins are at rest.
///
/// # Errors
/// No event file; the end of the source; a thread that panicked.
///
/// # Panics
/// When the recognizer does, after the pins came to rest.
pub fn serve(parts: Parts, rules: &Rules, options: &Options, stop: &Stop) -> Result<(), Error> {
    let Parts { mut source, microphone, mut recognizer, pins } = parts;
    let hands = Hands::new(&rules.outputs, pins);
    let events = options.events.as_ref().map(Events::open).transpose()?;
    let scratch = Scratch::new(options.scratch.clone().unwrap_or_else(scratch::default_dir), &rules.scratch);
    let watch = options.watch.then(Watch::on_stdout);
    let (reporter, reports) = report::reporter(watch.is_some());
    let (to_keeper, kept) = mailbox(WAITING_KEPT);
    let reporter = if rules.scratch.keep.is_some() { reporter.keeping(to_keeper) } else { reporter };
    let (outbox, inbox) = mailbox(WAITING_RECORDINGS);
    let (to_hands, from_mind) = mpsc::sync_channel(WAITING_DECISIONS);
    let beats = Beats::default();
    let ear = Ear {
        gain_db: rules.gain_db,
        endpoint: rules.endpoint.clone(),
        scratch: scratch.clone(),
        outbox,
        reporter: reporter.clone(),
        beats: beats.clone(),
    };
    let keeper = Keeper {
        scratch: scratch.clone(),
        settings: &rules.scratch,
        commands: &rules.commands,
        microphone,
        desk: desk(&scratch),
        service: Service::new(beats.clone()),
    };
    let teller = tell_all(reports, events, watch, &rules.commands, stop)?;
    let ended = thread::scope(|scope| {
        // If this thread panics the scope waits for the others, and they must know.
        let _hang_up = stop.raise_on_drop();
        let hands = named("hearken-hands").spawn_scoped(scope, move || {
            let _hang_up = stop.raise_on_drop();
            hands.work(&from_mind, &reporter, stop);
        })?;
        let keeper = named("hearken-keeper").spawn_scoped(scope, || {
            let _hang_up = stop.raise_on_drop();
            keeper.work(&kept, stop);
        })?;
        let ear = named("hearken-ear").spawn_scoped(scope, || ear::listen(source.as_mut(), ear, stop))?;
        tracing::info!(commands = rules.commands.len(), outputs = rules.outputs.len(), "ready");
        let mind = Mind {
            recognizer: recognizer.as_mut(),
            thresholds: &rules.thresholds,
            commands: &rules.commands,
            scratch: &scratch,
            keep: rules.scratch.keep.is_some(),
            beats,
        };
        mind::decide(mind, &inbox, |decided| to_hands.send(decided).is_ok(), stop);
        stop.raise();
        drop((inbox, to_hands));
        let heard = ear.join().map_err(died("hearken-ear"))?;
        hands.join().map_err(died("hearken-hands"))?;
        keeper.join().map_err(died("hearken-keeper"))?;
        if stop.asked() {
            tracing::info!("stopping, as asked");
            return Ok(());
        }
        heard.map_err(Error::from)
    });
    let told = teller.last_words();
    ended.and(told)
}

fn died<E>(name: &'static str) -> impl Fn(E) -> Error {
    move |_| Error::Panicked(name)
}

/// Puts all outputs at rest and lets go of them: for after a daemon that could not do it.
///
/// # Errors
/// No pins, or pins that another process holds.
pub fn rest(settings: &Settings) -> Result<(), Error> {
    claim(&settings.gpio, &hands::claims(&settings.outputs))?;
    Ok(())
}

fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.into())
}

/// Warns of a scratch directory that is not what it should be, or refuses it.
fn permit(place: &Path, settings: &ScratchSettings) -> Result<(), Error> {
    let scratch = Scratch::new(place.into(), settings);
    if settings.require_tmpfs && !scratch.in_memory()? {
        return Err(Error::NotInMemory(place.into()));
    }
    if let Some(complaint) = scratch.complaint() {
        tracing::warn!("{complaint}");
    }
    Ok(())
}

fn desk(scratch: &Scratch) -> Option<Desk> {
    let complain = |e: &io::Error| tracing::warn!("no status is given in {}: {e}", scratch.dir().display());
    Desk::open(scratch.dir()).inspect_err(complain).ok()
}

fn claim(gpio: &GpioSettings, claims: &[Claim]) -> Result<Box<dyn OutputPins>, GpioError> {
    Ok(match gpio.backend {
        _ if claims.is_empty() => Box::new(SimulatedPins::claim(None, claims)?),
        Backend::Rppal => Box::new(RpiPins::claim(claims)?),
        Backend::Gpiocdev => Box::new(ChardevPins::claim(&gpio.chip, claims)?),
        Backend::Simulated => Box::new(SimulatedPins::claim(gpio.state.as_deref(), claims)?),
    })
}

/// The thread that tells what happens.
struct Teller {
    thread: thread::JoinHandle<()>,
    told: mpsc::Receiver<()>,
}

impl Teller {
    /// Waits until all is told, but not for long: it is the one thread that others can hold up, and a full pipe that nobody
    /// reads must not keep us from ending.
    fn last_words(self) -> Result<(), Error> {
        match self.told.recv_timeout(LAST_WORDS) {
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(()),
            _ => self.thread.join().map_err(died("hearken-report")),
        }
    }
}

fn tell_all(
    reports: mpsc::Receiver<Report>,
    events: Option<Events>,
    watch: Option<Watch>,
    commands: &[Command],
    stop: &Stop,
) -> io::Result<Teller> {
    let (telling, told) = mpsc::channel::<()>();
    let (commands, hang_up) = (commands.to_vec(), stop.raise_on_drop());
    let thread = named("hearken-report").spawn(move || {
        let _both = (telling, hang_up);
        tell(reports, events, watch, &commands);
    })?;
    Ok(Teller { thread, told })
}

fn tell(reports: mpsc::Receiver<Report>, mut events: Option<Events>, mut watch: Option<Watch>, commands: &[Command]) {
    let mut complained = false;
    let mut complain = |error: io::Error| {
        if !complained {
            tracing::warn!("what happens cannot be told: {error}");
            complained = true;
        }
    };
    for report in reports {
        if let Some(watch) = &mut watch {
            watch.show(&report, commands).unwrap_or_else(&mut complain);
        }
        let event = match &report {
            Report::Outcome(outcome) => report::event(outcome, commands),
            Report::Microphone(news) => report::microphone_event(news),
            Report::Level { .. } => continue,
        };
        if let Some(events) = &mut events {
            events.write(event).unwrap_or_else(&mut complain);
        }
    }
}
