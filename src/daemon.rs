//! The daemon: the one file that knows every concrete part. Builds them, starts the threads, takes them down.
//!
//! | thread | does | ends when |
//! |---|---|---|
//! | cpal's | samples into the queue | the microphone is dropped |
//! | `hearken-ear` | sound to recordings | stop, or the microphone is lost |
//! | main | recordings to decisions | stop, or the ear is gone |
//! | `hearken-hands` | decisions to pins | stop, or main is gone |
//! | `hearken-report` | what happened, to whoever asked | all of them are gone |

use std::io;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::audio::AudioSource;
use crate::audio::microphone::Microphone;
use crate::audio::resample::Framer;
use crate::board::Backend;
use crate::command::Command;
use crate::config::Settings;
use crate::ear::{self, Ear};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::gpio::chardev::ChardevPins;
use crate::gpio::rpi::RpiPins;
use crate::gpio::simulated::SimulatedPins;
use crate::gpio::{Claim, GpioError, OutputPins};
use crate::hands::{self, Hands};
use crate::mailbox::mailbox;
use crate::mind::{self, Mind};
use crate::recognize::whisper::WhisperRecognizer;
use crate::report::events::{Destination, Events};
use crate::report::watch::Watch;
use crate::report::{self, Report};
use crate::scratch::{self, Scratch};
use crate::stop::Stop;
use crate::vad::Vad;

/// Recordings that may wait for the mind. More would be answered long after anybody waits for it.
const WAITING_RECORDINGS: usize = 2;
/// Decisions that may wait for the hands, which take microseconds each.
const WAITING_DECISIONS: usize = 8;

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

/// Listens and obeys until SIGTERM, SIGINT, SIGHUP or SIGQUIT.
///
/// # Errors
/// What ends the daemon: no pins, no model, no microphone, no event file.
pub fn run(settings: Settings, options: Options) -> Result<(), Error> {
    let stop = Stop::on_signals()?;
    let (outputs, commands, gpio) = (&settings.outputs, &settings.commands, &settings.gpio);
    // Pins first, so that they are at rest while the model loads; the microphone last, when all can answer.
    let pins = claim(gpio.backend, &gpio.chip, gpio.state.as_deref(), &hands::claims(outputs))?;
    let hands = Hands::new(outputs, pins);
    let events = options.events.as_ref().map(Events::open).transpose()?;
    let scratch = Scratch::new(options.scratch.unwrap_or_else(scratch::default_dir), &settings.scratch);
    if let Some(complaint) = scratch.complaint() {
        tracing::warn!("{complaint}");
    }
    let mut recognizer = WhisperRecognizer::load(&settings.recognizer, settings.grammar)?;
    let mut microphone = Microphone::open(&settings.microphone)?;
    let watch = options.watch.then(Watch::on_stdout);
    let (reporter, reports) = report::reporter(watch.is_some());
    let (outbox, inbox) = mailbox(WAITING_RECORDINGS);
    let (to_hands, from_mind) = mpsc::sync_channel(WAITING_DECISIONS);
    let ear = Ear {
        framer: Framer::new(microphone.rate(), settings.microphone.gain_db)?,
        vad: Vad::new(),
        endpoint: Endpoint::new(settings.endpoint.clone()),
        scratch: scratch.clone(),
        outbox,
        reporter: reporter.clone(),
    };
    let (told, all_told) = mpsc::channel::<()>();
    let theirs: Vec<Command> = commands.clone();
    named("hearken-report").spawn(move || {
        tell(reports, events, watch, &theirs);
        drop(told);
    })?;
    let ended = thread::scope(|scope| {
        // If this thread panics the scope waits for the others, and they must know.
        let _hang_up = stop.raise_on_drop();
        let flag = stop.clone();
        named("hearken-hands").spawn_scoped(scope, move || {
            let _hang_up = flag.raise_on_drop();
            hands.work(&from_mind, &reporter, &flag);
        })?;
        let ear = named("hearken-ear").spawn_scoped(scope, || ear::listen(&mut microphone, ear, &stop))?;
        tracing::info!(commands = commands.len(), outputs = outputs.len(), "ready");
        let thresholds = &settings.thresholds;
        let mind = Mind { recognizer: &mut recognizer, thresholds, commands, scratch: &scratch };
        mind::decide(mind, &inbox, |decided| to_hands.send(decided).is_ok(), &stop);
        let asked = stop.raised();
        stop.raise();
        drop((inbox, to_hands));
        match ear.join() {
            Err(_) => Err(Error::Panicked("hearken-ear")),
            Ok(_) if asked => {
                tracing::info!("stopping, as asked");
                Ok(())
            }
            Ok(ended) => ended.map_err(Error::from),
        }
    });
    // Nobody waits for the one thread that others can hold up: a full pipe that nobody reads must not keep us from ending.
    let _ = all_told.recv_timeout(LAST_WORDS);
    ended
}

fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.into())
}

fn claim(
    backend: Backend,
    chip: &str,
    state: Option<&std::path::Path>,
    claims: &[Claim],
) -> Result<Box<dyn OutputPins>, GpioError> {
    Ok(match backend {
        _ if claims.is_empty() => Box::new(SimulatedPins::claim(None, claims)?),
        Backend::Rppal => Box::new(RpiPins::claim(claims)?),
        Backend::Gpiocdev => Box::new(ChardevPins::claim(chip, claims)?),
        Backend::Simulated => Box::new(SimulatedPins::claim(state, claims)?),
    })
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
        if let (Some(events), Report::Outcome(outcome)) = (&mut events, &report) {
            events.write(report::event(outcome, commands)).unwrap_or_else(&mut complain);
        }
    }
}
