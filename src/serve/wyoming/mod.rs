//! The Wyoming door: Hearken as the speech-to-text and the intent recognizer of Home Assistant's Assist.
//!
//! A connection has a thread. It carries one request after the other: sound becomes a transcript, which is the user's own
//! sentence if the decision accepts one, else what Whisper wrote; text becomes an intent. Hearken ends an utterance
//! itself, as it does for its own microphone. The protocol has no token, so only addresses of this machine, or those in
//! `from`, may connect.

use std::io::{self, BufReader};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};

use self::event::Event;
use self::hearing::{Hearing, HearingError};
use super::queue::{Answer, Decision, Request, Requests, Waiting};
use crate::act::command::Command;
use crate::decide::rules::Verdict;
use crate::grammar::{Grammar, SlotValue};
use crate::runtime::stop::{POLL_INTERVAL, Stop};
use crate::utterance::endpoint::EndpointSettings;
use crate::utterance::scratch::{Recording, Scratch};

pub mod event;
mod hearing;

/// Most connections at once. Home Assistant opens one for each request.
pub const CONNECTIONS: usize = 16;
/// Time without an event after which a connection is closed. A satellite sends sound every tenth of a second.
const IDLE: Duration = Duration::from_secs(60);
/// The silences that end an utterance if a request wants another than the configuration's: those of Home Assistant,
/// `assist_pipeline/vad.py`.
const SENSITIVITIES: [(&str, Duration); 2] =
    [("relaxed", Duration::from_millis(1250)), ("aggressive", Duration::from_millis(250))];

/// The settings of the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WyomingSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The addresses of other machines that may connect.
    pub from: Vec<IpAddr>,
    /// Whether what is said is carried out, too.
    pub act: bool,
}

impl Default for WyomingSettings {
    fn default() -> Self {
        WyomingSettings { listen: SocketAddr::from(([127, 0, 0, 1], 10300)), from: Vec::new(), act: false }
    }
}

/// What the door needs.
#[derive(Clone)]
pub struct Door {
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
    /// The commands, in their order.
    pub commands: Arc<[Command]>,
}

/// Serves `socket`, which must not block, until `stop` is raised.
pub fn serve(socket: &TcpListener, door: &Door, stop: &Stop) {
    let connections = AtomicUsize::new(0);
    thread::scope(|scope| {
        while !stop.raised() {
            let Some((stream, peer)) = accepted(socket) else { continue };
            let address = peer.ip().to_canonical();
            let may = address.is_loopback() || door.settings.from.contains(&address);
            if !may || connections.load(Ordering::Relaxed) == CONNECTIONS {
                tracing::debug!(%peer, may, "no connection");
                continue;
            }
            connections.fetch_add(1, Ordering::Relaxed);
            let connections = &connections;
            let started = thread::Builder::new().name("wyoming".into()).spawn_scoped(scope, move || {
                if let Err(error) = (Connection { door, stop, stream: &stream }).carry() {
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

struct Connection<'a> {
    door: &'a Door,
    stop: &'a Stop,
    stream: &'a TcpStream,
}

impl Connection<'_> {
    /// Answers events until the other side closes the connection.
    fn carry(&self) -> io::Result<()> {
        // With a timeout a read looks at the flag that stops all threads.
        self.stream.set_nonblocking(false)?;
        self.stream.set_read_timeout(Some(POLL_INTERVAL))?;
        self.stream.set_write_timeout(Some(IDLE))?;
        let mut reader = BufReader::new(Patient { stream: self.stream, stop: self.stop });
        let mut endpoint = self.door.endpoint.clone();
        let mut hearing: Option<Hearing> = None;
        while let Some(event) = Event::read(&mut reader)? {
            let heard = match event.kind.as_str() {
                "describe" => {
                    self.say("info", info(&self.door.model))?;
                    continue;
                }
                "ping" => {
                    self.say("pong", json!({"text": event.text("text")}))?;
                    continue;
                }
                "recognize" => {
                    let (kind, data) =
                        intent(&self.door.grammar, &self.door.commands, event.text("text").unwrap_or_default());
                    self.say(kind, data)?;
                    continue;
                }
                "transcribe" => {
                    endpoint = self.door.endpoint.clone();
                    let wanted = event.text("vad_sensitivity");
                    let other = SENSITIVITIES.iter().find(|(name, _)| wanted == Some(name));
                    other.iter().for_each(|(_, hangover)| endpoint.hangover = *hangover);
                    hearing = None;
                    continue;
                }
                "audio-start" => Hearing::begin(&event, endpoint.clone(), &self.door.scratch).map(|new| {
                    hearing = Some(new);
                    None
                }),
                "audio-chunk" => hearing.as_mut().map_or(Ok(None), |hearing| hearing.take(&event.payload)),
                // After the end of an utterance the rest of its sound is for nobody.
                "audio-stop" => match hearing.take() {
                    None => continue,
                    Some(hearing) => match hearing.end() {
                        Ok(None) => {
                            self.say("transcript", json!({"text": "", "language": "en"}))?;
                            continue;
                        }
                        ended => ended,
                    },
                },
                _ => continue,
            };
            match heard {
                Ok(None) => {}
                Ok(Some(recording)) => {
                    hearing = None;
                    self.transcript(recording)?;
                }
                Err(error) => {
                    hearing = None;
                    self.say("error", json!({"text": error.to_string(), "code": code(&error)}))?;
                }
            }
        }
        Ok(())
    }

    fn say(&self, kind: &str, data: Value) -> io::Result<()> {
        Event::new(kind, data).write(&mut &*self.stream)
    }

    /// Has the recording decided and sends its transcript.
    fn transcript(&self, recording: Recording) -> io::Result<()> {
        let (say, said) = sync_channel(1);
        let answer: Answer = Box::new(move |decision| drop(say.send(decision)));
        let waiting = Waiting::default();
        let request = Request::new(recording, self.door.settings.act, answer, &waiting);
        if !self.door.requests.offer(request) {
            return self.say("error", json!({"text": "too many recordings wait; try again", "code": "busy"}));
        }
        loop {
            match said.recv_timeout(POLL_INTERVAL) {
                Ok(decision) => return self.say("transcript", json!({"text": words(&decision), "language": "en"})),
                Err(RecvTimeoutError::Timeout) if !self.stop.raised() => self.still_there()?,
                Err(_) => return self.say("error", json!({"text": "Hearken is stopping", "code": "stopping"})),
            }
        }
    }
}

impl Connection<'_> {
    /// Whether the other side has not closed the connection.
    fn still_there(&self) -> io::Result<()> {
        self.stream.set_nonblocking(true)?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false)?;
        if matches!(peeked, Ok(0)) { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

/// A stream whose reads end when the daemon stops, or when nothing came for [`IDLE`].
struct Patient<'a> {
    stream: &'a TcpStream,
    stop: &'a Stop,
}

impl io::Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rounds = IDLE.as_millis() / POLL_INTERVAL.as_millis();
        for _ in 0..rounds {
            match (&*self.stream).read(buffer) {
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                read => return read,
            }
            if self.stop.raised() {
                return Ok(0);
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

/// The text of a transcript: the user's own sentence, or what Whisper wrote if no sentence is accepted.
fn words(decision: &Decision) -> String {
    let Some(heard) = &decision.heard else { return String::new() };
    let accepted = heard.best.as_ref().filter(|_| decision.verdict == Verdict::Accepted);
    accepted.map_or_else(|| heard.text.clone(), |best| best.sentence.words.clone())
}

fn code(error: &HearingError) -> &'static str {
    match error {
        HearingError::Form(_) => "audio-format",
        HearingError::Audio(_) => "audio",
        HearingError::Scratch(_) => "scratch",
    }
}

/// The intent in `text`: a command and its slots.
fn intent(grammar: &Grammar, commands: &[Command], text: &str) -> (&'static str, Value) {
    let Some((command, slots)) = grammar.reach(text).sentence() else {
        return ("not-recognized", json!({"text": "no sentence of the configuration"}));
    };
    let value = |value: &SlotValue| match value {
        SlotValue::Integer(number) => json!(number),
        SlotValue::Text(text) => json!(text),
    };
    let entities: Vec<Value> = slots.iter().map(|(name, v)| json!({"name": name, "value": value(v)})).collect();
    ("intent", json!({"name": commands[command].name, "entities": entities}))
}

/// What Hearken is, as `describe` asks.
fn info(model: &str) -> Value {
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
    json!({
        "asr": [with(artifact("hearken", "Commands of your own grammar, decided offline"), asr)],
        "intent": [with(artifact("hearken", "The sentences of the configuration as intents"), json!({"models": [commands]}))],
        "tts": [], "handle": [], "wake": [], "mic": [], "snd": [],
    })
}
