//! The daemon: builds the parts that a configuration names, starts the threads, takes them down.
//!
//! | thread | does | ends when |
//! |---|---|---|
//! | cpal's | samples into the queue | its stream is dropped |
//! | `hearken-open`, `-close` | open a microphone, close a dead one | they are done, or never: nobody waits |
//! | `listener` | sound to recordings | stop, or the microphone is past help |
//! | main | recordings to decisions, and why | stop, or the listener is gone |
//! | `buttons` | presses to commands | stop |
//! | `actuator` | decisions and presses to pins | stop, or main is gone |
//! | `hearken-pwm` | dims a pin that no hardware dims | its pin is let go |
//! | `housekeeper` | kept files, the sweep, the status, remembered outputs, the reload | stop |
//! | `report` | what happened, to every sink | all of them are gone |

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};

use self::actuator::{Actuator, Order};
use self::decider::Decider;
use self::error::Error;
use self::housekeeper::Housekeeper;
use self::listener::{Listener, Spoken};
use self::reporter::Telling;
use crate::act::buttons::{Button, Contacts, senses};
use crate::act::command::Output;
use crate::act::gpio::{self, InputPins, OutputPins};
use crate::act::remembered::{self, Remembered};
use crate::act::states::States;
use crate::audio::AudioSource;
use crate::audio::supervisor::{Counters, Supervisor};
use crate::config::{self, ConfigError, Settings};
use crate::decide::requires;
use crate::grammar::{Grammar, Slots};
use crate::recognize::settings::RecognizerSettings;
use crate::recognize::{self, RecognizeError, Recognizer};
use crate::report::events::{Destination, Events};
use crate::report::watch::Watch;
use crate::report::{self, Reporter, Sink, ToKeep};
use crate::runtime::mailbox::{Receiver, mailbox};
use crate::runtime::process;
use crate::runtime::service::{self, Beats, Service};
use crate::runtime::status::{Question, StatusSocket};
use crate::runtime::stop::Stop;
use crate::utterance::scratch::{self, Scratch, ScratchSettings};

pub mod actuator;
pub mod buttons;
pub mod decider;
pub mod error;
pub mod housekeeper;
pub mod listener;
pub mod reporter;

/// Recordings that may wait for the decider. More would be answered long after anybody waits for it.
const WAITING_RECORDINGS: usize = 2;
/// Orders that may wait for the actuator, which takes microseconds for each.
const WAITING_ORDERS: usize = 8;
/// Recordings that may wait to be kept.
const WAITING_KEPT: usize = 4;

/// What the command line adds to the configuration.
#[derive(Debug, Default)]
pub struct Options {
    /// Where events go.
    pub events: Option<Destination>,
    /// Whether to show on standard output what happens.
    pub watch: bool,
    /// Where recordings go, instead of [`scratch::default_dir`].
    pub scratch: Option<PathBuf>,
    /// Where outputs are remembered, instead of [`remembered::default_dir`].
    pub state: Option<PathBuf>,
    /// The configuration, if it can be read again.
    pub config: Option<PathBuf>,
}

impl Options {
    fn scratch_dir(&self) -> PathBuf {
        self.scratch.clone().unwrap_or_else(scratch::default_dir)
    }
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
    /// The pins of the buttons, in their order.
    pub inputs: Box<dyn InputPins>,
}

/// What makes a recognizer: [`recognize::load`], or a test's own.
type Load<'a> = &'a dyn Fn(&RecognizerSettings, Arc<Grammar>, &Stop) -> Result<Box<dyn Recognizer>, RecognizeError>;

/// Listens and obeys by the configuration `path` until SIGTERM, SIGINT or SIGQUIT, or a SIGHUP that no service manager sent.
///
/// Under a service manager SIGHUP reads the configuration again. One with faults is refused, and one that is good but does
/// not work here, as without its model, is left for the one before.
///
/// # Errors
/// What ends the daemon: no pins, no model, no event file, a scratch directory that must not be used.
pub fn run(path: &Path, options: Options) -> Result<(), Error> {
    run_with(path, options, &recognize::load)
}

/// As [`run`], with the recognizer that `load` makes: for where Whisper cannot run, as in an emulator.
///
/// # Errors
/// As [`run`].
pub fn run_with(path: &Path, options: Options, load: Load<'_>) -> Result<(), Error> {
    process::no_core_file()?;
    let options = Options { config: Some(path.into()), ..options };
    let mut stop = Stop::on_signals(service::managed())?;
    let (mut text, mut before) = (config::read_text(path)?, None);
    loop {
        match (assembled(path, &text, &options, &stop, load), before.take()) {
            (Ok((parts, settings)), _) => serve(parts, &settings, &options, &stop)?,
            (Err(Error::Recognize(RecognizeError::Stopped)), _) => return Ok(()),
            (Err(error), None) => return Err(error),
            (Err(error), Some(good)) => {
                tracing::error!("the new configuration does not work, the old one stays: {error}");
                text = good;
                continue;
            }
        }
        let Some(next) = stop.next() else { return Ok(()) };
        stop = next;
        tracing::info!("beginning again with the configuration as it is now");
        match config::read_text(path) {
            Ok(new) => before = Some(std::mem::replace(&mut text, new)),
            Err(gone) => tracing::error!("the old configuration stays: {gone}"),
        }
    }
}

/// The settings in `text`, which was read from `path`, and the parts that they name.
fn assembled(
    path: &Path,
    text: &str,
    options: &Options,
    stop: &Stop,
    load: Load<'_>,
) -> Result<(Parts, Settings), Error> {
    let settings = config::parse(&path.display().to_string(), text).map_err(ConfigError::from)?;
    if let Some(warning) = settings.unfitted() {
        tracing::warn!("{warning}");
    }
    permit(options.scratch_dir(), &settings.scratch)?;
    // Pins first, so that they are at rest while the model loads; the microphone last, when all can answer.
    let pins = gpio::open(&settings.gpio, &actuator::claims(&settings.outputs))?;
    let inputs = gpio::open_inputs(&settings.gpio, &senses(&settings.buttons))?;
    let recognizer = load(&settings.recognizer, settings.grammar.clone(), stop)?;
    let source = Supervisor::new(settings.microphone.clone());
    let microphone = Some(source.counters());
    Ok((Parts { source: Box::new(source), microphone, recognizer, pins, inputs }, settings))
}

/// Warns of a scratch directory that is not what it should be, or refuses it.
fn permit(place: PathBuf, settings: &ScratchSettings) -> Result<(), Error> {
    let scratch = Scratch::new(place.clone(), settings);
    if settings.require_tmpfs && !scratch.in_memory()? {
        return Err(Error::NotInMemory(place));
    }
    if let Some(complaint) = scratch.complaint() {
        tracing::warn!("{complaint}");
    }
    Ok(())
}

/// Listens and obeys with these `parts`, until `stop` is raised or the source is over. Blocks until all threads are gone
/// and the pins are at rest.
///
/// # Errors
/// No event file; the end of the source; a thread that panicked.
///
/// # Panics
/// When the recognizer does, after the pins came to rest.
pub fn serve(parts: Parts, settings: &Settings, options: &Options, stop: &Stop) -> Result<(), Error> {
    let Parts { source, microphone, mut recognizer, pins, inputs } = parts;
    let scratch = Scratch::new(options.scratch_dir(), &settings.scratch);
    let (reporter, telling, to_keep) = reporting(settings, options, stop)?;
    let remembered = remembered(options, &settings.outputs);
    let before = remembered.as_ref().map(Remembered::recall).unwrap_or_default();
    let remembered = Mutex::new(remembered);
    let actuator = Actuator::new(&settings.outputs, pins).beginning_with(before);
    let (states, contacts, beats) = (actuator.states(), Contacts::unknown(&settings.buttons), Beats::default());
    let (outbox, inbox) = mailbox(WAITING_RECORDINGS);
    let threads = Threads {
        listener: Listener {
            gain_db: settings.microphone.gain_db,
            endpoint: settings.endpoint.clone(),
            scratch: scratch.clone(),
            outbox,
            reporter: reporter.clone(),
            beats: beats.clone(),
        },
        source,
        inbox,
        decider: Decider {
            recognizer: recognizer.as_mut(),
            settings,
            states: states.clone(),
            scratch: &scratch,
            beats: beats.clone(),
            socket: socket(&scratch, Question::Why),
        },
        buttons: Presses { buttons: &settings.buttons, inputs, contacts: contacts.clone(), states: states.clone() },
        actuator,
        housekeeper: Housekeeper {
            settings,
            contacts,
            socket: socket(&scratch, Question::Status),
            service: Service::new(beats),
            states: states.clone(),
            tally: reporter.tally(),
            scratch: scratch.clone(),
            reread: &|| reread(options.config.as_deref()),
            remembered: &remembered,
            microphone,
        },
        to_keep,
        reporter,
    };
    let ended = threads.run(settings, stop);
    if let Some(remembered) = remembered.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        remembered.note_at_last(&states);
    }
    let told = telling.end();
    ended.and(told)
}

/// Everybody who is told, the thread that tells them, and the recordings that are to be kept.
fn reporting(
    settings: &Settings,
    options: &Options,
    stop: &Stop,
) -> Result<(Reporter, Telling, Receiver<ToKeep>), Error> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if options.watch {
        sinks.push(Box::new(Watch::on_stdout()));
    }
    if let Some(destination) = &options.events {
        sinks.push(Box::new(Events::open(destination)?));
    }
    let (reporter, reports) = report::reporter(options.watch);
    let (to_housekeeper, to_keep) = mailbox(WAITING_KEPT);
    let reporter = reporter.keeping(to_housekeeper);
    Ok((reporter, Telling::start(reports, sinks, &settings.commands, stop)?, to_keep))
}

fn remembered(options: &Options, outputs: &[Output]) -> Option<Remembered> {
    let dir = options.state.clone().or_else(remembered::default_dir);
    if dir.is_none() && outputs.iter().any(|o| o.remember) {
        tracing::warn!("no directory to remember outputs in; --state names one");
    }
    Remembered::open(&dir?, outputs)
}

fn socket(scratch: &Scratch, question: Question) -> Option<StatusSocket> {
    let complain =
        |e: &io::Error| tracing::warn!("{} is not answered in {}: {e}", question.socket(), scratch.dir().display());
    StatusSocket::open(scratch.dir(), question).inspect_err(complain).ok()
}

/// Whether the configuration could be read again; why not.
fn reread(path: Option<&Path>) -> Result<(), String> {
    let path = path.ok_or("there is no file to read")?;
    config::load(path).map(drop).map_err(|e| e.to_string())
}

/// What each thread works with.
struct Threads<'a> {
    source: Box<dyn AudioSource>,
    listener: Listener,
    inbox: Receiver<Spoken>,
    decider: Decider<'a>,
    buttons: Presses<'a>,
    actuator: Actuator<'a>,
    housekeeper: Housekeeper<'a>,
    to_keep: Receiver<ToKeep>,
    reporter: Reporter,
}

impl Threads<'_> {
    /// Runs them all, the decider on this one, until `stop` is raised or the source is over.
    fn run(self, settings: &Settings, stop: &Stop) -> Result<(), Error> {
        let Threads { mut source, listener, inbox, decider, buttons, actuator, housekeeper, to_keep, reporter } = self;
        let (orders, to_do) = mpsc::sync_channel(WAITING_ORDERS);
        thread::scope(|scope| {
            // If this thread panics the scope waits for the others, and they must know.
            let _stop_on_drop = stop.raise_on_drop();
            let mut threads = vec![
                start(scope, stop, "actuator", move || actuator.work(&to_do, &reporter, stop))?,
                start(scope, stop, "housekeeper", move || housekeeper.work(&to_keep, stop))?,
            ];
            if !settings.buttons.is_empty() {
                let orders = orders.clone();
                threads.push(start(scope, stop, "buttons", move || buttons.watch(settings, &orders, stop))?);
            }
            let listen = || listener::listen(source.as_mut(), listener, stop);
            let listening = named("listener").spawn_scoped(scope, listen)?;
            let (commands, outputs) = (settings.commands.len(), settings.outputs.len());
            tracing::info!(commands, outputs, "waiting for sound");
            decider::decide(decider, &inbox, |decided| orders.send(Order::Decided(Box::new(decided))).is_ok(), stop);
            stop.raise();
            drop(inbox);
            let heard = listening.join().map_err(died("listener"))?;
            for (name, thread) in threads {
                thread.join().map_err(died(name))?;
            }
            if stop.asked() {
                tracing::info!("stopping, as asked");
            }
            if stop.asked() || stop.next().is_some() { Ok(()) } else { heard.map_err(Error::from) }
        })
    }
}

/// The buttons and their pins.
struct Presses<'a> {
    buttons: &'a [Button],
    inputs: Box<dyn InputPins>,
    contacts: Contacts,
    states: States,
}

impl Presses<'_> {
    fn watch(self, settings: &Settings, orders: &SyncSender<Order>, stop: &Stop) {
        let Presses { buttons, inputs, contacts, states } = self;
        let press = |button: usize| orders.send(pressed(settings, &buttons[button], &states)).is_ok();
        buttons::watch(buttons, inputs, &contacts, press, stop);
    }
}

/// What a press orders: as for a sentence, its command may be refused. A command that a button carries out has no slots.
fn pressed(settings: &Settings, button: &Button, states: &States) -> Order {
    let command = &settings.commands[button.command];
    let check = requires::check(command, &settings.outputs, |output| states.both(output));
    let refusal = check.and_then(|check| check.refusal);
    let actions = if refusal.is_none() { command.actions(&Slots::new()) } else { Vec::new() };
    Order::Pressed { button: button.name.clone(), command: command.name.clone(), actions, refusal }
}

/// A thread that raises `stop` when it ends, however it ends.
fn start<'s>(
    scope: &'s Scope<'s, '_>,
    stop: &Stop,
    name: &'static str,
    work: impl FnOnce() + Send + 's,
) -> io::Result<(&'static str, ScopedJoinHandle<'s, ()>)> {
    let stop_on_drop = stop.raise_on_drop();
    let thread = named(name).spawn_scoped(scope, move || {
        let _stop_on_drop = stop_on_drop;
        work();
    })?;
    Ok((name, thread))
}

fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.into())
}

fn died<E>(name: &'static str) -> impl Fn(E) -> Error {
    move |_| Error::Panicked(name)
}

/// Puts all outputs at rest and lets go of them: for after a daemon that could not do it.
///
/// # Errors
/// No pins, or pins that another process holds.
pub fn rest(settings: &Settings) -> Result<(), Error> {
    gpio::open(&settings.gpio, &actuator::claims(&settings.outputs))?;
    Ok(())
}
