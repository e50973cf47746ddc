//! The sound of one request: its endpoint, and the recording that becomes of it.

use std::collections::VecDeque;

use super::event::Event;
use crate::audio::resample::Framer;
use crate::audio::{AudioError, Frame};
use crate::utterance::draft::Outlook;
use crate::utterance::endpoint::{Cue, Endpoint, EndpointSettings, Input};
use crate::utterance::scratch::{Recording, Scratch, ScratchError, Utterance};
use crate::utterance::vad::Vad;

/// Why sound is not taken.
#[derive(Debug, thiserror::Error)]
pub enum HearingError {
    /// The sound has another form than Hearken takes.
    #[error("{0}")]
    Form(String),
    /// The sound cannot be converted to 16 kHz.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// There is no room for it.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
}

/// The sound of a request, up to the end of its first utterance.
pub struct Hearing {
    framer: Framer,
    channels: usize,
    recorder: Recorder,
}

struct Recorder {
    vad: Vad,
    endpoint: Endpoint,
    pre_roll: VecDeque<Frame>,
    scratch: Scratch,
    open: Option<Utterance>,
    sealed: Option<Recording>,
}

impl Hearing {
    /// Begins with the sound that `start`, an event `audio-start`, describes.
    ///
    /// # Errors
    /// That it has another form than 16-bit samples at 8 to 192 kHz in 1 to 8 channels.
    pub fn begin(start: &Event, endpoint: EndpointSettings, scratch: &Scratch) -> Result<Hearing, HearingError> {
        let [rate, width, channels] = ["rate", "width", "channels"].map(|key| start.number(key).unwrap_or_default());
        let rate = u32::try_from(rate).ok().filter(|rate| crate::audio::wav::RATES.contains(rate));
        let (Some(rate), 2, 1..=8) = (rate, width, channels) else {
            return Err(HearingError::Form("16-bit samples at 8 to 192 kHz in 1 to 8 channels are needed".into()));
        };
        let endpoint = Endpoint::new(EndpointSettings { early: false, ..endpoint });
        let (pre_roll, scratch) = (VecDeque::with_capacity(endpoint.pre_roll_frames()), scratch.clone());
        let recorder = Recorder { vad: Vad::new(), endpoint, pre_roll, scratch, open: None, sealed: None };
        Ok(Hearing { framer: Framer::new(rate, 0.0)?, channels: channels as usize, recorder })
    }

    /// Takes 16-bit samples, little-endian, interleaved. Returns the recording once an utterance is over; what comes
    /// after it is not taken.
    ///
    /// # Errors
    /// [`HearingError`]; nothing of the utterance is left then.
    pub fn take(&mut self, payload: &[u8]) -> Result<Option<Recording>, HearingError> {
        let sample = |pair: &[u8]| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0;
        let samples: Vec<f32> = payload.chunks_exact(2).map(sample).collect();
        let channels = self.channels;
        let mono = samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32);
        let (mono, recorder): (Vec<f32>, _) = (mono.collect(), &mut self.recorder);
        self.framer.push(&mono, |frame| recorder.take(frame))?;
        Ok(self.recorder.sealed.take())
    }

    /// Ends the sound. Returns the recording of an utterance that was open.
    ///
    /// # Errors
    /// As [`Hearing::take`].
    pub fn end(self) -> Result<Option<Recording>, HearingError> {
        Ok(self.recorder.open.map(|utterance| utterance.seal(0)).transpose()?)
    }
}

impl Recorder {
    fn take(&mut self, frame: &Frame) -> Result<(), HearingError> {
        if self.sealed.is_some() {
            return Ok(());
        }
        let input = Input { voice: self.vad.judge(frame), outlook: Outlook::Open, held: false };
        match self.endpoint.push(input) {
            Cue::Wait => {
                if self.pre_roll.len() == self.endpoint.pre_roll_frames() {
                    self.pre_roll.pop_front();
                }
                self.pre_roll.push_back(*frame);
            }
            Cue::Open => {
                let mut utterance = self.scratch.open()?;
                self.pre_roll.drain(..).try_for_each(|earlier| utterance.write(&earlier))?;
                utterance.write(frame)?;
                self.open = Some(utterance);
            }
            Cue::Write | Cue::Pause | Cue::Draft => self.write(frame)?,
            Cue::Seal { drop } => {
                self.write(frame)?;
                self.sealed = self.open.take().map(|utterance| utterance.seal(drop)).transpose()?;
            }
            Cue::Discard => self.open = None,
        }
        Ok(())
    }

    fn write(&mut self, frame: &Frame) -> Result<(), ScratchError> {
        self.open.as_mut().map_or(Ok(()), |utterance| utterance.write(frame))
    }
}
