//! Uploads: the door for them in the daemon, and a daemon that has nothing else.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::error::Error;
use super::{Options, Parts, permit};
use crate::act::gpio::{GpioError, InputPins, Level, OutputPins};
use crate::audio::{AudioError, AudioSource, SourceEvent};
use crate::config::{self, Settings};
use crate::recognize;
use crate::report::metrics::Metrics;
use crate::runtime::mailbox::Receiver;
use crate::runtime::process;
use crate::runtime::stop::Stop;
use crate::serve::ServeSettings;
use crate::serve::access::Token;
use crate::serve::http::{Door, Socket};
use crate::serve::queue::{self, Request};
use crate::utterance::scratch::Scratch;

/// Serves uploads with the configuration `path`, without a microphone and without pins, until SIGTERM, SIGINT or SIGQUIT.
/// Without a section `[serve]` its defaults hold. Uploads switch nothing, whatever the configuration says, and nothing is
/// saved or published.
///
/// # Errors
/// What ends the daemon: an address or a token that cannot be used, a model that cannot be loaded.
pub fn serve(path: &Path, options: Options) -> Result<(), Error> {
    process::no_core_file()?;
    let stop = Stop::on_signals(false)?;
    let mut settings = config::load(path)?;
    let served = settings.serve.take().unwrap_or_default();
    settings.serve = Some(ServeSettings { act: false, ..served });
    settings.outputs.iter_mut().for_each(|output| output.remember = false);
    settings.buttons.clear();
    settings.mqtt = None;
    settings.scratch.keep = None;
    permit(options.scratch_dir(), &settings.scratch)?;
    let recognizer = recognize::load(&settings.recognizer, settings.grammar.clone(), &stop)?;
    let parts = Parts {
        source: Box::new(Nothing),
        microphone: None,
        recognizer,
        pins: Box::new(Nothing),
        inputs: Box::new(Nothing),
    };
    super::serve(parts, &settings, &options, &stop)
}

/// No microphone and no pins.
struct Nothing;

impl AudioSource for Nothing {
    fn read(&mut self, _: &mut [f32], timeout: Duration) -> Result<SourceEvent, AudioError> {
        thread::sleep(timeout);
        Ok(SourceEvent::Samples(0))
    }
}

impl OutputPins for Nothing {
    fn set(&mut self, _: usize, _: Level) -> Result<(), GpioError> {
        Ok(())
    }
}

impl InputPins for Nothing {
    fn is_high(&mut self, _: usize) -> Result<bool, GpioError> {
        Ok(false)
    }
}

/// Opens the door for uploads, if the configuration wants one, and makes the queue from it to the decider. `wake` tells
/// the decider to look into that queue.
pub fn door(
    settings: &Settings,
    scratch: &Scratch,
    metrics: Option<&Metrics>,
    wake: impl Fn() + Send + Sync + 'static,
) -> Result<Option<((Socket, Door), Receiver<Request>)>, Error> {
    let Some(serve) = &settings.serve else { return Ok(None) };
    let failed = |what: String| move |cause: io::Error| Error::Serve { what, cause };
    let token = serve.token_file.as_ref().map(|file| Token::read(file).map_err(failed(file.display().to_string())));
    let token = token.transpose()?;
    let socket = Socket::open(&serve.listen).map_err(failed(format!("cannot listen on {}", serve.listen)))?;
    if serve.listen.is_local() {
        tracing::info!(address = %serve.listen, act = serve.act, "serving uploads");
    } else {
        tracing::warn!(address = %serve.listen, act = serve.act, "serving uploads to other machines, with a token");
    }
    let (requests, uploads) = queue::requests(serve.uploads, wake);
    let door = Door {
        settings: serve.clone(),
        token,
        scratch: scratch.clone(),
        requests,
        commands: settings.commands.clone().into(),
        metrics: metrics.cloned(),
    };
    Ok(Some(((socket, door), uploads)))
}
