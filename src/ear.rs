//! The ear: a thread that turns sound into recordings of utterances.
//!
//! Source to frames, frames to voice, voice to cues, cues to scratch. It never waits for anything but sound.

use std::collections::VecDeque;
use std::time::Instant;

use crate::audio::resample::Framer;
use crate::audio::{AudioError, AudioSource, Frame};
use crate::endpoint::{Cue, Endpoint};
use crate::mailbox::Sender;
use crate::report::{Outcome, Reporter};
use crate::scratch::{Recording, Scratch, ScratchError, Utterance};
use crate::stop::{GLANCE, Stop};
use crate::vad::Vad;
use crate::verdict::{Reason, Verdict};

/// Samples read from the source at a time: 20 ms at 48 kHz.
const BLOCK: usize = 960;

/// A finished recording, and when its speaker fell silent.
#[derive(Debug)]
pub struct Spoken {
    /// The recording.
    pub recording: Recording,
    /// When the last frame of speech came in.
    pub fell_silent: Instant,
}

/// What the ear works with.
pub struct Ear {
    /// To 16 kHz frames.
    pub framer: Framer,
    /// To voice.
    pub vad: Vad,
    /// To cues.
    pub endpoint: Endpoint,
    /// Where recordings go.
    pub scratch: Scratch,
    /// Where finished ones go.
    pub outbox: Sender<Spoken>,
    /// Who is told.
    pub reporter: Reporter,
}

/// Listens to `source` until `stop` is raised or the mind is gone.
///
/// # Errors
/// When the source ends: [`AudioError`].
pub fn listen(source: &mut dyn AudioSource, ear: Ear, stop: &Stop) -> Result<(), AudioError> {
    let Ear { mut framer, vad, endpoint, scratch, outbox, reporter } = ear;
    let mut pre_roll = VecDeque::new();
    pre_roll.reserve(endpoint.pre_roll_frames());
    let mut hearing = Hearing {
        vad,
        endpoint,
        scratch,
        outbox,
        reporter,
        pre_roll,
        open: None,
        fell_silent: Instant::now(),
        alone: false,
    };
    let mut block = [0.0; BLOCK];
    let mut lost = 0;
    while !stop.raised() && !hearing.alone {
        let filled = source.read(&mut block, GLANCE)?;
        framer.push(&block[..filled], |frame| {
            hearing.hear(frame);
            Ok::<_, AudioError>(())
        })?;
        // Each time they have doubled: a machine that is too slow for good would fill the log.
        if source.lost() > 2 * lost {
            lost = source.lost();
            tracing::warn!(lost, "samples lost or overruns: the machine was too slow");
        }
    }
    Ok(())
}

struct Hearing {
    vad: Vad,
    endpoint: Endpoint,
    scratch: Scratch,
    outbox: Sender<Spoken>,
    reporter: Reporter,
    pre_roll: VecDeque<Frame>,
    open: Option<Utterance>,
    fell_silent: Instant,
    /// Whether nobody takes recordings any more.
    alone: bool,
}

impl Hearing {
    fn hear(&mut self, frame: &Frame) {
        let voice = self.vad.judge(frame);
        let cue = self.endpoint.push(voice);
        if matches!(cue, Cue::Open | Cue::Write) {
            self.fell_silent = Instant::now();
        }
        let done = match cue {
            Cue::Wait => {
                if self.pre_roll.len() == self.endpoint.pre_roll_frames() {
                    self.pre_roll.pop_front();
                }
                self.pre_roll.push_back(*frame);
                Ok(())
            }
            Cue::Open => self.begin(frame),
            Cue::Write | Cue::Pause => self.record(frame),
            Cue::Seal { drop } => self.record(frame).and_then(|()| self.seal(drop)),
            Cue::Discard => {
                self.open = None;
                Ok(())
            }
        };
        if let Err(error) = done {
            self.lose(&error);
        }
        self.reporter.level(voice.dbfs, self.open.is_some(), self.scratch.usage().used);
    }

    fn begin(&mut self, frame: &Frame) -> Result<(), ScratchError> {
        let pre_roll = std::mem::take(&mut self.pre_roll);
        let mut utterance = self.scratch.open()?;
        for earlier in &pre_roll {
            utterance.write(earlier)?;
        }
        utterance.write(frame)?;
        self.open = Some(utterance);
        Ok(())
    }

    fn record(&mut self, frame: &Frame) -> Result<(), ScratchError> {
        self.open.as_mut().map_or(Ok(()), |utterance| utterance.write(frame))
    }

    fn seal(&mut self, drop: usize) -> Result<(), ScratchError> {
        let Some(utterance) = self.open.take() else { return Ok(()) };
        let recording = utterance.seal(drop)?;
        self.hand_over(recording);
        Ok(())
    }

    fn hand_over(&mut self, recording: Recording) {
        match self.outbox.put(Spoken { recording, fell_silent: self.fell_silent }) {
            Ok(None) => {}
            Ok(Some(displaced)) => {
                let reason = Reason::Lost("a later utterance came before this one was decided".into());
                tracing::warn!(utterance = displaced.recording.number(), "{reason}");
                self.report(displaced.recording.number(), reason);
            }
            Err(_) => self.alone = true,
        }
    }

    /// Scratch refused. At the cap, what was recorded so far is decided; else the utterance is lost.
    fn lose(&mut self, error: &ScratchError) {
        let number = self.open.as_ref().map_or(0, Utterance::number);
        tracing::warn!(utterance = number, "utterance cut or lost: {error}");
        let full = matches!(error, ScratchError::Full { .. });
        match self.open.take().filter(|_| full).map(|utterance| utterance.seal(0)) {
            Some(Ok(recording)) => self.hand_over(recording),
            _ => self.report(number, Reason::Lost(error.to_string())),
        }
    }

    fn report(&self, utterance: u64, reason: Reason) {
        let verdict = Verdict::Rejected(reason);
        let scratch = self.scratch.usage();
        self.reporter.outcome(Outcome {
            utterance,
            heard: None,
            verdict,
            switched: Vec::new(),
            latency_ms: None,
            scratch,
        });
    }
}
