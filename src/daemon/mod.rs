//! The daemon: builds the parts that a configuration names, and starts and stops the threads.
//!
//! | thread | does | ends when |
//! |---|---|---|
//! | cpal's | puts samples into the queue | its stream is dropped |
//! | `hearken-open`, `-close` | open a microphone, close a failed one | they are done; nothing waits for them |
//! | `listener` | turns sound into recordings | stop, or the source fails for good |
//! | main | decides recordings, and explains the last decision | stop, or the listener has ended |
//! | `buttons` | turns presses into commands, and shows whether a talk button is held | stop |
//! | `actuator` | switches pins by decisions and presses | stop, or main has ended |
//! | `hearken-pwm` | dims a pin without a hardware generator | its pin is released |
//! | `task` | runs programs and sends requests, four of them, if a command has such tasks | the actuator has ended |
//! | `housekeeper` | kept files, the sweep, the status, saved output states, the file of metrics, the reload | stop |
//! | `serve` | takes uploads over HTTP and answers them, if there is a server | stop |
//! | `wyoming` | the same for Home Assistant's voice assistant, with a thread for each connection | stop |
//! | `mqtt` | publishes states to a broker and takes requests from it, if there is one | stop |
//! | `report` | writes reports to every sink | all senders of reports were dropped |

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use self::actuator::Actuator;
use self::decider::Decider;
use self::error::Error;
use self::housekeeper::Housekeeper;
use self::listener::{Listener, Spoken};
use self::reporter::ReportThread;
use self::tasks::{TaskThreads, Tasks};
use self::threads::{Others, Threads};
use crate::act::buttons::{Contacts, Muted, Talk, input_claims};
use crate::act::command::Output;
use crate::act::gpio::{self, InputPins, OutputPins};
use crate::act::remembered::{self, Remembered};
use crate::act::states::States;
use crate::audio::AudioSource;
use crate::audio::supervisor::{Counters, Supervisor};
use crate::config::{self, ConfigError, Settings};
use crate::decide::confirm::Confirmation;
use crate::grammar::Grammar;
use crate::publish::news::ToBroker;
use crate::recognize::settings::RecognizerSettings;
use crate::recognize::{self, RecognizeError, Recognizer};
use crate::report::destination::{Destination, Events};
use crate::report::metrics::{self, Metrics};
use crate::report::textfile::TextFile;
use crate::report::watch::Watch;
use crate::report::{self, Reporter, Sink, ToKeep};
use crate::runtime::mailbox::{Receiver, Sender, mailbox};
use crate::runtime::process;
use crate::runtime::service::{self, Rounds, Service};
use crate::runtime::status::{Question, StatusSocket};
use crate::runtime::stop::{POLL_INTERVAL, Stop};
use crate::serve::queue::Request;
use crate::utterance::draft::Drafts;
use crate::utterance::scratch::{self, Scratch, ScratchSettings};

pub mod actuator;
pub mod buttons;
pub mod decider;
pub mod error;
pub mod housekeeper;
pub mod listener;
pub mod publishing;
pub mod reporter;
pub mod servers;
pub mod tasks;
mod threads;

/// Most recordings that may wait for the decider. With more, a command would be carried out long after it was said.
const WAITING_RECORDINGS: usize = 2;
/// Most recordings that may wait for the housekeeper.
const WAITING_KEPT: usize = 4;

/// The options of the command line.
#[derive(Debug, Default)]
pub struct Options {
    /// The destination of events.
    pub events: Option<Destination>,
    /// Whether to show the level and each decision on standard output.
    pub watch: bool,
    /// The directory for recordings, instead of [`scratch::default_dir`].
    pub scratch: Option<PathBuf>,
    /// The directory for the saved states of outputs, instead of [`remembered::default_dir`].
    pub state: Option<PathBuf>,
    /// The path of the configuration, if it can be read again.
    pub config: Option<PathBuf>,
    /// The number of the last utterance: after a reload the numbers go on.
    pub numbers: Arc<AtomicU64>,
    /// Whether voice is ignored: a reload changes nothing of that.
    pub muted: Muted,
}

impl Options {
    fn scratch_dir(&self) -> PathBuf {
        self.scratch.clone().unwrap_or_else(scratch::default_dir)
    }
}

/// The parts that use devices and models. A test can replace them.
pub struct Parts {
    /// The source of sound.
    pub source: Box<dyn AudioSource>,
    /// The counters of the microphone, for the status.
    pub microphone: Option<Arc<Counters>>,
    /// The recognizer.
    pub recognizer: Box<dyn Recognizer>,
    /// The pins of the outputs, in their order.
    pub pins: Box<dyn OutputPins>,
    /// The pins of the buttons, in their order.
    pub inputs: Box<dyn InputPins>,
}

/// A function that makes a recognizer: [`recognize::load`], or that of a test.
type Load<'a> = &'a dyn Fn(&RecognizerSettings, Arc<Grammar>, &Stop) -> Result<Box<dyn Recognizer>, RecognizeError>;

/// Listens and carries out commands with the configuration `path` until SIGTERM, SIGINT or SIGQUIT, or a SIGHUP without
/// a service manager.
///
/// Under a service manager SIGHUP reads the configuration again. A configuration with faults is refused. If a valid one
/// does not work on this machine, for example because its model is missing, the one before is used again.
/// `runtime/stop.rs` catches the signal, and the housekeeper starts the reload.
///
/// # Errors
/// What ends the daemon: pins, a model or an event file that cannot be opened, or a scratch directory that must not be
/// used.
pub fn run(path: &Path, options: Options) -> Result<(), Error> {
    run_with(path, options, &recognize::load)
}

/// As [`run`], with the recognizer that `load` makes, for machines on which Whisper cannot run, such as an emulator.
///
/// # Errors
/// As [`run`].
pub fn run_with(path: &Path, options: Options, load: Load<'_>) -> Result<(), Error> {
    process::no_core_file()?;
    match process::keep_in_memory() {
        Ok(kept) => tracing::debug!(kept, "memory"),
        Err(error) => tracing::debug!(%error, "the memory is not kept"),
    }
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

/// Reads the settings in `text`, which is the content of `path`, and opens the parts that they name.
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
    // The pins come first, so that they are at rest while the model loads; the microphone comes last.
    let pins = gpio::open(&settings.gpio, &actuator::claims(&settings.outputs))?;
    let inputs = gpio::open_inputs(&settings.gpio, &input_claims(&settings.buttons))?;
    let recognizer = load(&settings.recognizer, settings.grammar.clone(), stop)?;
    let source = Supervisor::new(settings.microphone.clone());
    let microphone = Some(source.counters());
    Ok((Parts { source: Box::new(source), microphone, recognizer, pins, inputs }, settings))
}

/// Warns of an unsuitable scratch directory, or refuses it.
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

/// Listens and carries out commands with these `parts`, until `stop` is raised or the source ends. Blocks until all
/// threads have ended and the pins are at rest.
///
/// # Errors
/// An event file that cannot be opened, the end of the source, or a thread that panicked.
///
/// # Panics
/// When the recognizer panics; the pins are put at rest before.
pub fn serve(parts: Parts, settings: &Settings, options: &Options, stop: &Stop) -> Result<(), Error> {
    let Parts { source, microphone, mut recognizer, pins, inputs } = parts;
    let scratch = Scratch::new(options.scratch_dir(), &settings.scratch).numbered_after(&options.numbers);
    let remembered = remembered(options, &settings.outputs);
    let before = remembered.as_ref().map(Remembered::recall).unwrap_or_default();
    let remembered = Mutex::new(remembered);
    let actuator = Actuator::new(&settings.outputs, pins).beginning_with(before);
    let (states, contacts, rounds) = (actuator.states(), Contacts::unknown(&settings.buttons), Rounds::default());
    let metrics = counted(settings, &states, &scratch, microphone.clone());
    if settings.mqtt.is_none() {
        // Nobody could end it.
        options.muted.show(false);
    }
    let (to_broker, publisher) = publishing::prepared(settings, &states, microphone.clone(), &options.muted)?.unzip();
    let (reporter, telling, to_keep) = reporting(settings, options, to_broker, stop)?;
    let reporter = reporter.counting(metrics.clone());
    let (publisher, outbox) = publisher.unzip();
    let publisher = publisher.map(|publisher| publisher.hearing(reporter.loudness()));
    let (tasks, task_threads) = Tasks::start(&settings.commands, &reporter, outbox, stop)?.unzip();
    let actuator = actuator.handing_over(tasks);
    let (outbox, inbox) = mailbox(WAITING_RECORDINGS);
    let (drafts, talk) = (Drafts::default(), Talk::default());
    let (servers, uploads) = servers::servers(settings, &scratch, metrics.as_ref(), inbox.waker())?;
    let shared = Shared { states, contacts, rounds, drafts, talk, muted: &options.muted, scratch: &scratch, reporter };
    let decider = shared.decider(settings, recognizer.as_mut(), uploads);
    let textfile = settings.metrics.as_ref().zip(metrics).and_then(|(to, metrics)| TextFile::new(to, metrics));
    let reread = || reread(options.config.as_deref());
    let others = Others {
        inputs,
        contacts: shared.contacts.clone(),
        talk: shared.talk.clone(),
        states: shared.states.clone(),
        actuator,
        housekeeper: shared.housekeeper(settings, &reread, &remembered, (textfile, microphone)),
        servers,
        publisher,
        to_keep,
        reporter: shared.reporter.clone(),
    };
    let threads = Threads { listener: shared.listener(settings, outbox), source, inbox, decider, others };
    let ended = threads.run(settings, stop);
    // The reporter thread ends when nobody can report any more.
    drop(shared.reporter);
    if let Some(remembered) = remembered.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        remembered.note_at_last(&shared.states);
    }
    task_threads.into_iter().for_each(TaskThreads::end);
    let told = telling.end();
    ended.and(told)
}

/// What several threads use.
struct Shared<'a> {
    states: States,
    contacts: Contacts,
    rounds: Rounds,
    drafts: Drafts,
    talk: Talk,
    muted: &'a Muted,
    scratch: &'a Scratch,
    reporter: Reporter,
}

impl<'a> Shared<'a> {
    fn listener(&self, settings: &Settings, outbox: Sender<Spoken>) -> Listener {
        Listener {
            gain_db: settings.microphone.gain_db,
            endpoint: settings.endpoint.clone(),
            scratch: self.scratch.clone(),
            outbox,
            drafts: self.drafts.clone(),
            talk: self.talk.clone(),
            muted: self.muted.clone(),
            reporter: self.reporter.clone(),
            rounds: self.rounds.clone(),
        }
    }

    fn decider(
        &self,
        settings: &'a Settings,
        recognizer: &'a mut dyn Recognizer,
        uploads: Receiver<Request>,
    ) -> Decider<'a> {
        Decider {
            recognizer,
            settings,
            states: self.states.clone(),
            scratch: self.scratch,
            drafts: self.drafts.clone(),
            confirmation: Confirmation::new(settings.answers, settings.endpoint.longest_silence() + POLL_INTERVAL),
            begun: Instant::now(),
            reporter: self.reporter.clone(),
            rounds: self.rounds.clone(),
            socket: socket(self.scratch, Question::Why),
            muted: self.muted.clone(),
            uploads,
        }
    }

    fn housekeeper(
        &self,
        settings: &'a Settings,
        reread: &'a (dyn Fn() -> Result<(), String> + Sync),
        remembered: &'a Mutex<Option<Remembered>>,
        (textfile, microphone): (Option<TextFile>, Option<Arc<Counters>>),
    ) -> Housekeeper<'a> {
        Housekeeper {
            settings,
            contacts: self.contacts.clone(),
            socket: socket(self.scratch, Question::Status),
            service: Service::new(self.rounds.clone()),
            states: self.states.clone(),
            tally: self.reporter.tally(),
            textfile,
            scratch: self.scratch.clone(),
            reread,
            remembered,
            microphone,
        }
    }
}

/// Makes the reporter with its thread and sinks, and the queue of recordings to keep.
fn reporting(
    settings: &Settings,
    options: &Options,
    to_broker: Option<ToBroker>,
    stop: &Stop,
) -> Result<(Reporter, ReportThread, Receiver<ToKeep>), Error> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    // It comes first, because it never blocks.
    sinks.extend(to_broker.map(|sink| Box::new(sink) as Box<dyn Sink>));
    if options.watch {
        sinks.push(Box::new(Watch::on_stdout()));
    }
    if let Some(destination) = &options.events {
        sinks.push(Box::new(Events::open(destination)?));
    }
    let (reporter, reports) = report::reporter(options.watch);
    let (to_housekeeper, to_keep) = mailbox(WAITING_KEPT);
    let reporter = reporter.keeping(to_housekeeper);
    Ok((reporter, ReportThread::start(reports, sinks, &settings.commands, stop)?, to_keep))
}

/// The metrics, if anybody wants them.
fn counted(
    settings: &Settings,
    states: &States,
    scratch: &Scratch,
    microphone: Option<Arc<Counters>>,
) -> Option<Metrics> {
    let parts = || metrics::Parts::new(&settings.commands, (&settings.outputs, states), scratch, microphone);
    (settings.metrics.is_some() || settings.serve.is_some()).then(|| Metrics::new(parts()))
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

/// Checks the configuration again. The error says why it cannot be used.
fn reread(path: Option<&Path>) -> Result<(), String> {
    let path = path.ok_or("there is no file to read")?;
    config::load(path).map(drop).map_err(|e| e.to_string())
}

/// Puts all outputs at rest and releases them. For use after a daemon that was killed.
///
/// # Errors
/// Pins that do not exist or that another process holds.
pub fn rest(settings: &Settings) -> Result<(), Error> {
    gpio::open(&settings.gpio, &actuator::claims(&settings.outputs))?;
    Ok(())
}
