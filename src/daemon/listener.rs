//! The listener: a thread that turns sound into recordings of utterances.
//!
//! It cuts samples into frames, judges each frame with the speech detector, passes the results to the endpoint
//! detector, and records as the cues say. It never waits for anything except sound.

use std::time::Instant;

use crate::act::buttons::{Muted, Talk};
use crate::audio::resample::Framer;
use crate::audio::{AudioError, AudioSource, Frame, SourceEvent};
use crate::decide::rules::Reason;
use crate::report::{MicrophoneNews, Opened, Outcome, Reporter};
use crate::runtime::mailbox::Sender;
use crate::runtime::service::{Loop, Rounds};
use crate::runtime::stop::{POLL_INTERVAL, Stop};
use crate::utterance::draft::{Drafts, Outlook};
use crate::utterance::endpoint::{Cue, Endpoint, EndpointSettings, Input};
use crate::utterance::recorder::Recorder;
use crate::utterance::scratch::{Recording, Scratch, ScratchError, Utterance};
use crate::utterance::vad::Vad;

/// Samples read from the source at a time: 20 ms at 48 kHz.
const BLOCK: usize = 960;
/// Why an utterance ends where the stream does.
const LOST: &str = "the microphone was lost while it was recorded";

/// A recording, finished or as a draft, and when its speech ended.
#[derive(Debug)]
pub struct Spoken {
    /// The recording.
    pub recording: Recording,
    /// The number of the draft with the same samples; 0 if there is none.
    pub draft: u64,
    /// Whether the utterance is over. Otherwise this is the draft itself.
    pub finished: bool,
    /// When the last frame of speech came in.
    pub fell_silent: Instant,
}

/// The parts that the listener uses.
pub struct Listener {
    /// Fixed input gain in dB.
    pub gain_db: f32,
    /// When an utterance begins and ends.
    pub endpoint: EndpointSettings,
    /// The scratch, where recordings are made.
    pub scratch: Scratch,
    /// The queue for recordings and drafts.
    pub outbox: Sender<Spoken>,
    /// The draft that is being decided.
    pub drafts: Drafts,
    /// Whether a talk button is held.
    pub talk: Talk,
    /// Whether voice is ignored.
    pub muted: Muted,
    /// The queue for reports.
    pub reporter: Reporter,
    /// The counter of its rounds.
    pub rounds: Rounds,
}

/// Listens to `source` until `stop` is raised or the decider has ended.
///
/// # Errors
/// When the source ends for good: [`AudioError`].
pub fn listen(source: &mut dyn AudioSource, listener: Listener, stop: &Stop) -> Result<(), AudioError> {
    let mut hearing = Hearing::new(listener);
    let mut stream = None;
    let mut block = [0.0; BLOCK];
    while !stop.raised() && !hearing.alone {
        hearing.listener.rounds.count(Loop::Listener);
        source.hurry(hearing.recorder.open().is_some());
        match source.read(&mut block, POLL_INTERVAL)? {
            SourceEvent::Samples(filled) => {
                let Some(stream) = &mut stream else { continue };
                hearing.follow(stream, &block[..filled])?;
            }
            SourceEvent::Opened { rate } => {
                hearing.interrupt(LOST);
                stream = Some(Stream::new(rate, &hearing.listener)?);
                hearing.listener.reporter.microphone(MicrophoneNews::Open { rate });
            }
            SourceEvent::Lost(error) => {
                hearing.interrupt(LOST);
                stream = None;
                hearing.listener.reporter.microphone(MicrophoneNews::Lost { reason: error.to_string() });
            }
            SourceEvent::Zeros { seconds } => hearing.listener.reporter.microphone(MicrophoneNews::Zeros { seconds }),
        }
    }
    if stop.next().is_some() {
        hearing.interrupt("the configuration was read again while it was recorded");
    }
    Ok(())
}

/// The state of one unbroken stream of samples.
struct Stream {
    framer: Framer,
    vad: Vad,
    endpoint: Endpoint,
    /// Whether its frames are ignored.
    muted: bool,
}

impl Stream {
    fn new(rate: u32, listener: &Listener) -> Result<Stream, AudioError> {
        let framer = Framer::new(rate, listener.gain_db)?;
        Ok(Stream { framer, vad: Vad::new(), endpoint: Endpoint::new(listener.endpoint.clone()), muted: false })
    }
}

struct Hearing {
    listener: Listener,
    recorder: Recorder,
    /// The draft that was made since the last speech: its number, and its length in milliseconds.
    draft: Option<(u64, u64)>,
    /// The number of drafts so far.
    drafts: u64,
    fell_silent: Instant,
    /// Whether the receiver of recordings was dropped.
    alone: bool,
}

impl Hearing {
    fn new(listener: Listener) -> Hearing {
        let keep = Endpoint::new(listener.endpoint.clone()).pre_roll_frames();
        let recorder = Recorder::new(listener.scratch.clone(), keep);
        Hearing { listener, recorder, draft: None, drafts: 0, fell_silent: Instant::now(), alone: false }
    }

    fn follow(&mut self, stream: &mut Stream, samples: &[f32]) -> Result<(), AudioError> {
        let Stream { framer, vad, endpoint, muted } = stream;
        framer.push(samples, |frame| {
            let voice = vad.judge(frame);
            let held = self.listener.talk.held();
            let was_muted = std::mem::replace(muted, self.listener.muted.is_muted());
            if *muted && !was_muted {
                self.interrupt("the microphone was muted while it was recorded");
                *endpoint = Endpoint::new(self.listener.endpoint.clone());
            }
            if !*muted {
                let cue = endpoint.push(Input { voice, outlook: self.outlook(), held });
                self.hear(frame, cue);
            }
            let recording = self.recorder.open().map(|_| if held { Opened::Button } else { Opened::Voice });
            self.listener.reporter.level(voice.dbfs, recording, self.listener.scratch.usage().used);
            Ok(())
        })
    }

    fn hear(&mut self, frame: &Frame, cue: Cue) {
        match cue {
            Cue::Open | Cue::Write => {
                self.fell_silent = Instant::now();
                self.forget_draft();
            }
            Cue::Discard => self.forget_draft(),
            Cue::Wait | Cue::Pause | Cue::Draft | Cue::Seal { .. } => {}
        }
        let done = self.recorder.take(frame, cue).and_then(|recording| {
            recording.into_iter().for_each(|recording| self.hand_over(recording));
            if cue == Cue::Draft { self.hand_over_draft() } else { Ok(()) }
        });
        done.unwrap_or_else(|error| self.lose(&error));
    }

    /// Handles the end of the stream. A recording in progress is dropped, because half a sentence is no command.
    fn interrupt(&mut self, why: &str) {
        self.forget_draft();
        if let Some(utterance) = self.recorder.stop() {
            let number = utterance.number();
            drop(utterance);
            self.report(number, Reason::Lost(why.into()));
        }
    }

    fn outlook(&self) -> Outlook {
        self.draft.map_or(Outlook::Open, |(number, _)| self.listener.drafts.outlook(number))
    }

    /// Forgets the draft, because the speaker goes on or the utterance is lost.
    fn forget_draft(&mut self) {
        self.draft = None;
        self.listener.drafts.forget();
    }

    fn hand_over_draft(&mut self) -> Result<(), ScratchError> {
        let Some(utterance) = self.recorder.open() else { return Ok(()) };
        let recording = utterance.draft()?;
        self.drafts += 1;
        self.draft = Some((self.drafts, recording.duration_ms()));
        self.listener.drafts.want(self.drafts);
        self.listener.outbox.retain(|waiting| waiting.finished);
        let draft = Spoken { recording, draft: self.drafts, finished: false, fell_silent: self.fell_silent };
        // Where recordings wait already, the decider has no time for drafts.
        let _no_room = self.listener.outbox.offer(draft);
        Ok(())
    }

    fn hand_over(&mut self, recording: Recording) {
        // The last frame may be speech, if the button was released or the longest length was reached with it. Then the
        // draft lacks it.
        if self.draft.is_some_and(|(_, length)| length != recording.duration_ms()) {
            self.forget_draft();
        }
        // A draft that the decider has begun with stays wanted, because it is this recording; one that waits does not.
        self.listener.outbox.retain(|waiting| waiting.finished);
        let draft = self.draft.take().map_or(0, |(number, _)| number);
        match self.listener.outbox.put(Spoken { recording, draft, finished: true, fell_silent: self.fell_silent }) {
            Ok(None) => {}
            Ok(Some(displaced)) => {
                let reason = Reason::Lost("a later utterance came before this one was decided".into());
                tracing::warn!(utterance = displaced.recording.number(), "{reason}");
                self.report(displaced.recording.number(), reason);
            }
            Err(_) => self.alone = true,
        }
    }

    /// Handles an error of scratch. If it is full, the recording up to here is decided; otherwise the utterance is
    /// lost.
    fn lose(&mut self, error: &ScratchError) {
        self.forget_draft();
        let number = self.recorder.open().map_or(0, Utterance::number);
        tracing::warn!(utterance = number, "utterance cut or lost: {error}");
        let full = matches!(error, ScratchError::Full { .. });
        match self.recorder.stop().filter(|_| full).map(|utterance| utterance.seal(0)) {
            Some(Ok(recording)) => self.hand_over(recording),
            _ => self.report(number, Reason::Lost(error.to_string())),
        }
    }

    fn report(&self, utterance: u64, reason: Reason) {
        let outcome = Outcome::undecided(utterance, reason, self.listener.scratch.usage());
        self.listener.reporter.outcome(outcome, None);
    }
}
