//! The Wyoming server: Hearken as the speech-to-text and the intent recognizer of Home Assistant's Assist.
//!
//! A connection has a thread. It carries one request after the other: sound becomes a transcript, which is the user's
//! own sentence if the decision accepts one, else what Whisper wrote; text becomes an intent. Hearken ends an utterance
//! itself, as it does for its own microphone. The protocol has no token, so only addresses of this machine, or those in
//! `from`, may connect.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};

use self::announce::Announced;
use self::connection::Connection;
use super::queue::Requests;
use crate::act::command::Command;
use crate::grammar::{Grammar, Slots};
use crate::runtime::stop::{POLL_INTERVAL, Stop};
use crate::utterance::endpoint::EndpointSettings;
use crate::utterance::scratch::Scratch;

mod announce;
mod connection;
pub mod event;
mod hearing;

/// Most connections at once. Home Assistant opens one for each request.
pub const CONNECTIONS: usize = 16;

/// The settings of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WyomingSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The addresses of other machines that may connect.
    pub from: Vec<IpAddr>,
    /// Whether what is said is carried out, too.
    pub act: bool,
    /// Whether a text that is a sentence is carried out.
    pub handle: bool,
    /// Whether the server is announced in the local network.
    pub announce: bool,
}

impl Default for WyomingSettings {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 10300));
        WyomingSettings { listen, from: Vec::new(), act: false, handle: false, announce: false }
    }
}

/// Carries out the command of this index with these values of its slots. The error says why it is refused.
pub type Handle<'a> = dyn Fn(usize, Slots) -> Result<(), String> + Send + Sync + 'a;

/// What the server needs.
#[derive(Clone)]
pub struct Server {
    /// Its settings.
    pub settings: WyomingSettings,
    /// When an utterance begins and ends.
    pub endpoint: EndpointSettings,
    /// The file name of the Whisper model.
    pub model: String,
    /// Where sound is held.
    pub scratch: Scratch,
    /// The queue to the decider.
    pub requests: Requests,
    /// The sentences.
    pub grammar: Arc<Grammar>,
    /// The commands of the configuration, in their order.
    pub commands: Arc<[Command]>,
}

/// Serves `socket`, which must not block, until `stop` is raised. `handle` carries out a command that a text asks for.
pub fn serve(socket: &TcpListener, server: &Server, handle: &Handle<'_>, stop: &Stop) {
    let mut announced = server.settings.announce.then(|| Announced::new(server.settings.listen)).flatten();
    let connections = AtomicUsize::new(0);
    thread::scope(|scope| {
        while !stop.raised() {
            announced.iter_mut().for_each(Announced::tell);
            let Some((stream, peer)) = accepted(socket) else { continue };
            let address = peer.ip().to_canonical();
            let may = address.is_loopback() || server.settings.from.contains(&address);
            if !may || connections.load(Ordering::Relaxed) == CONNECTIONS {
                tracing::debug!(%peer, may, "no connection");
                continue;
            }
            connections.fetch_add(1, Ordering::Relaxed);
            let connections = &connections;
            let started = thread::Builder::new().name("wyoming".into()).spawn_scoped(scope, move || {
                if let Err(error) = Connection::new(server, &stream, handle, stop).serve() {
                    tracing::debug!("wyoming: {error}");
                }
                connections.fetch_sub(1, Ordering::Relaxed);
            });
            if started.is_err() {
                connections.fetch_sub(1, Ordering::Relaxed);
            }
        }
    });
}

/// The next connection. Waits for one no longer than a loop may.
fn accepted(socket: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    let wait = Timespec { tv_sec: 0, tv_nsec: POLL_INTERVAL.subsec_nanos().into() };
    let mut ready = [PollFd::new(socket, PollFlags::IN)];
    if poll(&mut ready, Some(&wait)).is_err() {
        thread::sleep(POLL_INTERVAL);
    }
    socket.accept().ok()
}

/// What Hearken is, as `describe` asks.
fn info(model: &str, handles: bool) -> Value {
    let artifact = |name: &str, description: &str| {
        json!({
            "name": name, "description": description, "installed": true, "version": env!("CARGO_PKG_VERSION"),
            "attribution": {"name": "Hearken", "url": env!("CARGO_PKG_REPOSITORY")},
        })
    };
    let with = |mut artifact: Value, more: Value| {
        if let (Some(artifact), Value::Object(more)) = (artifact.as_object_mut(), more) {
            artifact.extend(more);
        }
        artifact
    };
    let model =
        with(artifact(model, "Whisper, among the sentences of the configuration"), json!({"languages": ["en"]}));
    let asr = json!({
        "models": [model], "supports_transcript_streaming": false, "requires_external_vad": false,
        "prefers_auto_gain_enabled": false, "prefers_noise_reduction_enabled": false,
    });
    let commands = with(artifact("sentences", "The sentences of the configuration"), json!({"languages": ["en"]}));
    let texts = with(artifact("hearken", "The sentences of the configuration"), json!({"models": [commands]}));
    let (intent, handle) = if handles { (vec![], vec![texts]) } else { (vec![texts], vec![]) };
    json!({
        "asr": [with(artifact("hearken", "Commands of your own grammar, decided offline"), asr)],
        "intent": intent, "handle": handle, "tts": [], "wake": [], "mic": [], "snd": [],
    })
}
