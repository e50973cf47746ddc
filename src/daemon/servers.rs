//! The servers for other programs in the daemon, and a daemon that has nothing else.

use std::fmt::Display;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::error::Error;
use super::{Options, Parts, permit};
use crate::act::command::Command;
use crate::act::gpio::{GpioError, InputPins, Level, OutputPins};
use crate::audio::{AudioError, AudioSource, SourceEvent};
use crate::config::{self, Settings};
use crate::recognize;
use crate::report::metrics::Metrics;
use crate::runtime::mailbox::Receiver;
use crate::runtime::process;
use crate::runtime::stop::Stop;
use crate::serve::access::Token;
use crate::serve::http::{self, Server, Socket};
use crate::serve::queue::{self, Request};
use crate::serve::wyoming::{self, Handle};
use crate::serve::{self, ServeSettings};
use crate::utterance::scratch::Scratch;

/// Serves uploads with the configuration `path`, without a microphone and without pins, until SIGTERM, SIGINT or
/// SIGQUIT. Without a section `[serve]` its defaults hold. Uploads switch nothing, whatever the configuration says, and
/// nothing is saved or published.
///
/// # Errors
/// What ends the daemon: an address or a token that cannot be used, a model that cannot be loaded.
pub fn serve(path: &Path, options: Options) -> Result<(), Error> {
    process::no_core_file()?;
    let stop = Stop::on_signals(false)?;
    let mut settings = config::load(path)?;
    let served = settings.serve.take().unwrap_or_default();
    settings.serve = Some(ServeSettings { act: false, ..served });
    settings.wyoming.iter_mut().for_each(|wyoming| (wyoming.act, wyoming.handle) = (false, false));
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

/// The servers that the configuration names, with their sockets.
#[derive(Default)]
pub struct Servers {
    http: Option<(Socket, Server)>,
    wyoming: Option<(TcpListener, wyoming::Server)>,
}

/// Makes the servers that the configuration names, and the queue from them to the decider. `wake` tells the decider
/// to look into that queue.
///
/// # Errors
/// An address or a token that cannot be used.
pub fn servers(
    settings: &Settings,
    scratch: &Scratch,
    metrics: Option<&Metrics>,
    wake: impl Fn() + Send + Sync + 'static,
) -> Result<(Servers, Receiver<Request>), Error> {
    let most = settings.serve.as_ref().map_or(0, |serve| serve.uploads) + wyoming::CONNECTIONS;
    let (requests, uploads) = queue::requests(most, wake);
    let commands: Arc<[Command]> = settings.commands.clone().into();
    let scratch = scratch.sharing(serve::room(&settings.scratch, &settings.endpoint));
    let mut servers = Servers::default();
    if let Some(serve) = &settings.serve {
        let token = serve.token_file.as_ref().map(|file| Token::read(file).map_err(failed(file.display())));
        let (token, socket) = (token.transpose()?, Socket::open(&serve.listen).map_err(failed(&serve.listen))?);
        tell("uploads", &serve.listen, serve.listen.is_local(), serve.act);
        let (settings, scratch) = (serve.clone(), scratch.clone());
        let (requests, commands, metrics) = (requests.clone(), commands.clone(), metrics.cloned());
        servers.http = Some((socket, Server { settings, token, scratch, requests, commands, metrics }));
    }
    if let Some(wyoming) = &settings.wyoming {
        let socket = TcpListener::bind(wyoming.listen).and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        let socket = socket.map_err(failed(wyoming.listen))?;
        tell("Wyoming", wyoming.listen, wyoming.listen.ip().is_loopback(), wyoming.act || wyoming.handle);
        let server = wyoming::Server {
            settings: wyoming.clone(),
            endpoint: settings.endpoint.clone(),
            model: settings.recognizer.model.clone(),
            scratch: scratch.clone(),
            requests,
            grammar: settings.grammar.clone(),
            commands: settings.configured().into(),
        };
        servers.wyoming = Some((socket, server));
    }
    Ok((servers, uploads))
}

fn failed(what: impl Display) -> impl FnOnce(io::Error) -> Error {
    let what = what.to_string();
    move |cause| Error::Serve { what, cause }
}

/// Says what is served where, louder if other machines can connect.
fn tell(what: &str, address: impl Display, local: bool, act: bool) {
    if local {
        tracing::info!(%address, act, "serving {what}");
    } else {
        tracing::warn!(%address, act, "serving {what} to other machines");
    }
}

/// The name of a thread, and its work.
pub type Work<'a> = (&'static str, Box<dyn FnOnce() + Send + 'a>);

impl Servers {
    /// The threads of the servers. `handle` carries out a command that a text asks for.
    pub fn threads<'a>(self, handle: Box<Handle<'a>>, stop: &'a Stop) -> Vec<Work<'a>> {
        let mut threads: Vec<Work<'a>> = Vec::new();
        if let Some((socket, server)) = self.http {
            let serve = move || http::serve(socket, server, stop).unwrap_or_else(|e| tracing::error!("serve: {e}"));
            threads.push(("serve", Box::new(serve)));
        }
        if let Some((socket, server)) = self.wyoming {
            threads.push(("wyoming", Box::new(move || wyoming::serve(&socket, &server, &*handle, stop))));
        }
        threads
    }
}
