//! A connection of the Wyoming server: events come in, and are answered one after the other.

use std::io::{self, BufReader};
use std::net::TcpStream;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::event::Event;
use super::hearing::{Hearing, HearingError};
use super::{Handle, Server, info};
use crate::decide::rules::Verdict;
use crate::grammar::SlotValue;
use crate::runtime::stop::{POLL_INTERVAL, Stop};
use crate::serve::queue::{Answer, Decision, Request, Waiting};
use crate::utterance::endpoint::EndpointSettings;
use crate::utterance::scratch::Recording;

/// Time without an event after which a connection is closed. A satellite sends sound every tenth of a second.
const IDLE: Duration = Duration::from_secs(60);
/// The silences that end an utterance if a request wants another than the configuration's: those of Home Assistant,
/// `assist_pipeline/vad.py`.
const SENSITIVITIES: [(&str, Duration); 2] =
    [("relaxed", Duration::from_millis(1250)), ("aggressive", Duration::from_millis(250))];

/// A connection, and the request that it is about.
pub struct Connection<'a> {
    server: &'a Server,
    stream: &'a TcpStream,
    handle: &'a Handle<'a>,
    stop: &'a Stop,
    /// When the utterance of this request begins and ends.
    endpoint: EndpointSettings,
    /// The sound of this request, until its utterance is over.
    hearing: Option<Hearing>,
}

impl<'a> Connection<'a> {
    /// A connection on `stream`.
    pub fn new(server: &'a Server, stream: &'a TcpStream, handle: &'a Handle<'a>, stop: &'a Stop) -> Connection<'a> {
        Connection { server, stream, handle, stop, endpoint: server.endpoint.clone(), hearing: None }
    }

    /// Answers events until the other side closes the connection, or the daemon stops.
    ///
    /// # Errors
    /// Those of the connection, and what is no event.
    pub fn serve(mut self) -> io::Result<()> {
        // With a timeout a read looks at the flag that stops all threads.
        self.stream.set_nonblocking(false)?;
        self.stream.set_read_timeout(Some(POLL_INTERVAL))?;
        self.stream.set_write_timeout(Some(IDLE))?;
        let mut reader = BufReader::new(UntilStopped { stream: self.stream, stop: self.stop });
        while let Some(event) = Event::read(&mut reader)? {
            self.take(&event)?;
        }
        Ok(())
    }

    /// Answers an event. One that Hearken does not know is ignored, as the protocol wants.
    fn take(&mut self, event: &Event) -> io::Result<()> {
        match event.kind.as_str() {
            "describe" => self.say("info", info(&self.server.model, self.server.settings.handle)),
            "ping" => self.say("pong", json!({"text": event.text("text")})),
            // Home Assistant sends the text for its conversation agent as a transcript.
            "recognize" | "transcript" => {
                let handles = self.server.settings.handle && event.kind == "transcript";
                let (kind, data) = self.meaning(event.text("text").unwrap_or_default(), handles);
                self.say(kind, data)
            }
            "transcribe" => {
                let wanted = event.text("vad_sensitivity");
                let other = SENSITIVITIES.iter().find(|(name, _)| wanted == Some(name));
                let hangover = other.map_or(self.server.endpoint.hangover, |(_, hangover)| *hangover);
                (self.endpoint.hangover, self.hearing) = (hangover, None);
                Ok(())
            }
            "audio-start" => match Hearing::begin(event, self.endpoint.clone(), &self.server.scratch) {
                Ok(hearing) => {
                    self.hearing = Some(hearing);
                    Ok(())
                }
                Err(error) => self.refuse(&error),
            },
            // After the end of its utterance the rest of the sound is for nobody.
            "audio-chunk" => match self.hearing.as_mut().map(|hearing| hearing.take(&event.payload)) {
                Some(Ok(Some(recording))) => self.transcript(recording),
                Some(Err(error)) => self.refuse(&error),
                Some(Ok(None)) | None => Ok(()),
            },
            "audio-stop" => match self.hearing.take().map(Hearing::end) {
                Some(Ok(Some(recording))) => self.transcript(recording),
                Some(Ok(None)) => self.say("transcript", json!({"text": "", "language": "en"})),
                Some(Err(error)) => self.refuse(&error),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// The answer to `text`: what became of it, if this `handles` it; else its command as an intent.
    fn meaning(&self, text: &str, handles: bool) -> (&'static str, Value) {
        let Server { grammar, commands, .. } = self.server;
        let found = grammar.reach(text).sentence();
        let Some((index, command, slots)) = found.and_then(|(index, slots)| Some((index, commands.get(index)?, slots)))
        else {
            return ("not-recognized", json!({"text": "no sentence of the configuration"}));
        };
        if handles {
            return match (self.handle)(index, slots) {
                Ok(()) => ("handled", json!({"text": text})),
                Err(reason) => ("not-handled", json!({"text": reason})),
            };
        }
        let value = |value: &SlotValue| match value {
            SlotValue::Integer(number) => json!(number),
            SlotValue::Text(text) => json!(text),
        };
        let entities: Vec<Value> = slots.iter().map(|(name, v)| json!({"name": name, "value": value(v)})).collect();
        ("intent", json!({"name": command.name, "entities": entities}))
    }

    /// Says that the sound of this request is not taken.
    fn refuse(&mut self, error: &HearingError) -> io::Result<()> {
        self.hearing = None;
        self.say("error", json!({"text": error.to_string(), "code": code(error)}))
    }

    fn say(&self, kind: &str, data: Value) -> io::Result<()> {
        Event::new(kind, data).write(&mut &*self.stream)
    }

    /// Has the recording decided and sends its transcript.
    fn transcript(&mut self, recording: Recording) -> io::Result<()> {
        self.hearing = None;
        let (say, said) = sync_channel(1);
        let answer: Answer = Box::new(move |decision| drop(say.send(decision)));
        let waiting = Waiting::default();
        let request = Request::new(recording, self.server.settings.act, answer, &waiting);
        if !self.server.requests.offer(request) {
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

    /// Whether the other side has not closed the connection.
    fn still_there(&self) -> io::Result<()> {
        self.stream.set_nonblocking(true)?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false)?;
        if matches!(peeked, Ok(0)) { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

/// A stream whose reads end when the daemon stops, or when nothing came for [`IDLE`].
struct UntilStopped<'a> {
    stream: &'a TcpStream,
    stop: &'a Stop,
}

impl io::Read for UntilStopped<'_> {
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
