//! The daemon: the one file that knows every concrete part. Builds them, starts the threads, takes them down.
//!
//! | thread | does | ends when |
//! |---|---|---|
//! | cpal's | samples into the queue | its stream is dropped |
//! | `hearken-open`, `-close` | open a microphone, close a dead one | they are done, or never: nobody waits |
//! | `hearken-ear` | sound to recordings | stop, or the microphone is past help |
//! | main | recordings to decisions, and why | stop, or the ear is gone |
//! | `hearken-buttons` | presses to commands | stop |
//! | `hearken-hands` | decisions and presses to pins | stop, or main is gone |
//! | `hearken-pwm` | dims a pin that no hardware dims | its pin is let go |
//! | `hearken-keeper` | kept files, the sweep, the status, the memory, the reload | stop |
//! | `hearken-report` | what happened, to whoever asked | all of them are gone |

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use rustix::process::Resource;

use crate::audio::AudioSource;
use crate::audio::supervisor::{Counters, Supervisor};
use crate::board::Backend;
use crate::buttons::{self, Button, Contacts};
use crate::command::{Command, Output};
use crate::config::{self, ConfigError, GpioSettings, Settings};
use crate::decide::rules::Thresholds;
use crate::ear::{self, Ear};
use crate::endpoint::EndpointSettings;
use crate::error::Error;
use crate::gpio::chardev::{ChardevInputs, ChardevPins};
use crate::gpio::rpi::{RpiInputs, RpiPins};
use crate::gpio::simulated::{SimulatedInputs, SimulatedPins};
use crate::gpio::{Claim, GpioError, InputPins, OutputPins, Sense};
use crate::grammar::{Grammar, Slots};
use crate::hands::{self, Hands, Order};
use crate::keeper::{About, Keeper};
use crate::mailbox::mailbox;
use crate::memory::{self, Memory};
use crate::mind::{self, Mind};
use crate::panel::Panel;
use crate::recognize::Recognizer;
use crate::recognize::whisper::{RecognizerSettings, WhisperRecognizer};
use crate::report::events::{Destination, Events};
use crate::report::watch::Watch;
use crate::report::{self, Report};
use crate::scratch::{self, Scratch, ScratchSettings};
use crate::service::{self, Beats, Service};
use crate::status::{Desk, Question};
use crate::stop::Stop;
use crate::trial;

/// Recordings that may wait for the mind. More would be answered long after anybody waits for it.
const WAITING_RECORDINGS: usize = 2;
/// Orders that may wait for the hands, which take microseconds each.
const WAITING_ORDERS: usize = 8;
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
    /// Where outputs are remembered, instead of [`memory::default_dir`].
    pub state: Option<PathBuf>,
    /// The configuration, if it can be read again.
    pub config: Option<PathBuf>,
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
    /// What is pressed.
    pub buttons: Vec<Button>,
    /// What else the status says.
    pub about: About,
}

/// Listens and obeys by the configuration `path` until SIGTERM, SIGINT or SIGQUIT, or a SIGHUP that no service manager sent.
///
/// Under a service manager SIGHUP reads the configuration again. One with faults is refused, and one that is good but does
/// not work here, as without its model, is left for the one before.
///
/// # Errors
/// What ends the daemon: no pins, no model, no event file, a scratch directory that must not be used.
pub fn run(path: &Path, options: Options) -> Result<(), Error> {
    run_with(path, options, &whisper)
}

/// What makes a recognizer by its settings for a grammar; nothing if a stop came first.
type Load<'a> = &'a dyn Fn(&RecognizerSettings, Grammar, &Stop) -> Result<Option<Box<dyn Recognizer>>, Error>;

fn whisper(settings: &RecognizerSettings, grammar: Grammar, stop: &Stop) -> Result<Option<Box<dyn Recognizer>>, Error> {
    trial::first(settings, stop)?;
    if stop.raised() {
        return Ok(None);
    }
    service::alive();
    Ok(Some(Box::new(WhisperRecognizer::load(settings, grammar)?)))
}

/// As [`run`], with the recognizer that `load` makes: for where Whisper cannot run, as in an emulator.
///
/// # Errors
/// As [`run`].
pub fn run_with(path: &Path, options: Options, load: Load<'_>) -> Result<(), Error> {
    // A core file would hold the sound of the last utterance.
    trial::limit(Resource::Core, 0)?;
    let options = Options { config: Some(path.into()), ..options };
    let mut stop = Stop::on_signals(service::managed())?;
    let (mut text, mut before) = (config::read_text(path)?, None);
    loop {
        let assembled = config::parse(&path.display().to_string(), &text)
            .map_err(|faults| ConfigError::from(faults).into())
            .and_then(|settings| assemble(settings, &options, &stop, load));
        match (assembled, before.take()) {
            (Ok(Some((parts, rules))), _) => serve(parts, &rules, &options, &stop)?,
            (Ok(None), _) => return Ok(()),
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

/// Whether the configuration could be read again; why not.
fn reread(path: Option<&Path>) -> Result<(), String> {
    let path = path.ok_or("there is no file to read")?;
    config::load(path).map(drop).map_err(|e| e.to_string())
}

/// The parts that a configuration names; none if a stop came first.
fn assemble(
    settings: Settings,
    options: &Options,
    stop: &Stop,
    load: Load<'_>,
) -> Result<Option<(Parts, Rules)>, Error> {
    if let Some(warning) = settings.unfitted() {
        tracing::warn!("{warning}");
    }
    let Settings { board, microphone, endpoint, scratch, recognizer, thresholds, gpio, .. } = settings;
    let (outputs, commands, buttons, grammar) =
        (settings.outputs, settings.commands, settings.buttons, settings.grammar);
    permit(&options.scratch.clone().unwrap_or_else(scratch::default_dir), &scratch)?;
    // Pins first, so that they are at rest while the model loads; the microphone last, when all can answer.
    let pins = claim(&gpio, &hands::claims(&outputs))?;
    let inputs = sense(&gpio, &buttons::senses(&buttons))?;
    let about = About { board: board.id, model: recognizer.model.clone() };
    let Some(recognizer) = load(&recognizer, grammar, stop)? else { return Ok(None) };
    let gain_db = microphone.gain_db;
    let source = Supervisor::new(microphone);
    let parts = Parts { microphone: Some(source.counters()), source: Box::new(source), recognizer, pins, inputs };
    Ok(Some((parts, Rules { gain_db, endpoint, thresholds, scratch, outputs, commands, buttons, about })))
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
    let Parts { mut source, microphone, mut recognizer, pins, inputs } = parts;
    let memory = memory(options, &rules.outputs);
    let remembered = memory.as_ref().map(Memory::recall).unwrap_or_default();
    let memory = Mutex::new(memory);
    let hands = Hands::new(&rules.outputs, pins).beginning_with(remembered);
    let panel = hands.panel();
    let events = options.events.as_ref().map(Events::open).transpose()?;
    let scratch = Scratch::new(options.scratch.clone().unwrap_or_else(scratch::default_dir), &rules.scratch);
    let watch = options.watch.then(Watch::on_stdout);
    let (reporter, reports) = report::reporter(watch.is_some());
    let (to_keeper, kept) = mailbox(WAITING_KEPT);
    let keep = rules.scratch.keep.is_some();
    let reporter = if keep { reporter.keeping(to_keeper) } else { reporter };
    let (outbox, inbox) = mailbox(WAITING_RECORDINGS);
    let (orders, to_do) = mpsc::sync_channel(WAITING_ORDERS);
    let beats = Beats::default();
    let contacts = Contacts::unknown(&rules.buttons);
    let reread = || reread(options.config.as_deref());
    let keeper = Keeper {
        settings: &rules.scratch,
        commands: &rules.commands,
        outputs: &rules.outputs,
        buttons: &rules.buttons,
        contacts: contacts.clone(),
        about: &rules.about,
        desk: desk(&scratch, Question::Status),
        service: Service::new(beats.clone()),
        panel: panel.clone(),
        tally: reporter.tally(),
        scratch: scratch.clone(),
        reread: &reread,
        memory: &memory,
        microphone,
    };
    let ear = Ear {
        gain_db: rules.gain_db,
        endpoint: rules.endpoint.clone(),
        scratch: scratch.clone(),
        outbox,
        reporter: reporter.clone(),
        beats: beats.clone(),
    };
    let teller = tell_all(reports, events, watch, &rules.commands, stop)?;
    let mind = Mind {
        recognizer: recognizer.as_mut(),
        thresholds: &rules.thresholds,
        commands: &rules.commands,
        outputs: &rules.outputs,
        panel: panel.clone(),
        scratch: &scratch,
        keep,
        beats,
        desk: desk(&scratch, Question::Why),
    };
    let ended = thread::scope(|scope| {
        // If this thread panics the scope waits for the others, and they must know.
        let _hang_up = stop.raise_on_drop();
        let mut threads = vec![
            start(scope, stop, "hearken-hands", move || hands.work(&to_do, &reporter, stop))?,
            start(scope, stop, "hearken-keeper", move || keeper.work(&kept, stop))?,
        ];
        if !rules.buttons.is_empty() {
            let (presses, panel) = (orders.clone(), panel.clone());
            let press = move |button| presses.send(pressed(rules, button, &panel)).is_ok();
            let watch = move || buttons::watch(&rules.buttons, inputs, &contacts, press, stop);
            threads.push(start(scope, stop, "hearken-buttons", watch)?);
        }
        let ear = named("hearken-ear").spawn_scoped(scope, || ear::listen(source.as_mut(), ear, stop))?;
        tracing::info!(commands = rules.commands.len(), outputs = rules.outputs.len(), "waiting for sound");
        mind::decide(mind, &inbox, |decided| orders.send(Order::Decided(Box::new(decided))).is_ok(), stop);
        stop.raise();
        drop(inbox);
        let heard = ear.join().map_err(died("hearken-ear"))?;
        for (name, thread) in threads {
            thread.join().map_err(died(name))?;
        }
        if stop.asked() {
            tracing::info!("stopping, as asked");
        }
        if stop.asked() || stop.next().is_some() { Ok(()) } else { heard.map_err(Error::from) }
    });
    if let Some(memory) = memory.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        memory.note_at_last(&panel);
    }
    let told = teller.last_words();
    ended.and(told)
}

/// A thread that raises `stop` when it ends, however it ends.
fn start<'s>(
    scope: &'s Scope<'s, '_>,
    stop: &Stop,
    name: &'static str,
    work: impl FnOnce() + Send + 's,
) -> io::Result<(&'static str, ScopedJoinHandle<'s, ()>)> {
    let hang_up = stop.raise_on_drop();
    let thread = named(name).spawn_scoped(scope, move || {
        let _hang_up = hang_up;
        work();
    })?;
    Ok((name, thread))
}

fn pressed(rules: &Rules, button: usize, panel: &Panel) -> Order {
    let Button { name, command, .. } = &rules.buttons[button];
    let command = &rules.commands[*command];
    // A command that a button carries out has no slots. Where it is not permitted a press does nothing.
    let permitted = command.unmet(|output| panel.both(output)).is_none();
    let actions = if permitted { command.actions(&Slots::new()) } else { Vec::new() };
    Order::Pressed { button: name.clone(), command: command.name.clone(), actions }
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

fn memory(options: &Options, outputs: &[Output]) -> Option<Memory> {
    let dir = options.state.clone().or_else(memory::default_dir);
    if dir.is_none() && outputs.iter().any(|o| o.remember) {
        tracing::warn!("no directory to remember outputs in; --state names one");
    }
    Memory::open(&dir?, outputs)
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

fn desk(scratch: &Scratch, question: Question) -> Option<Desk> {
    let complain =
        |e: &io::Error| tracing::warn!("{} is not answered in {}: {e}", question.socket(), scratch.dir().display());
    Desk::open(scratch.dir(), question).inspect_err(complain).ok()
}

fn sense(gpio: &GpioSettings, senses: &[Sense]) -> Result<Box<dyn InputPins>, GpioError> {
    Ok(match gpio.backend {
        _ if senses.is_empty() => Box::new(SimulatedInputs::claim(None, senses)),
        Backend::Rppal => Box::new(RpiInputs::claim(senses)?),
        Backend::Gpiocdev => Box::new(ChardevInputs::claim(&gpio.chip, senses)?),
        Backend::Simulated => Box::new(SimulatedInputs::claim(gpio.inputs.as_deref(), senses)),
    })
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
            Report::Press(press) => report::press_event(press),
            Report::Outcome(outcome) => report::event(outcome, commands),
            Report::Microphone(news) => report::microphone_event(news),
            Report::Level { .. } => continue,
        };
        if let Some(events) = &mut events {
            events.write(event).unwrap_or_else(&mut complain);
        }
    }
}
