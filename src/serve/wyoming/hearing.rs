//! The sound of one request: its endpoint, and the recording that becomes of it.

use super::event::Event;
use crate::audio::AudioError;
use crate::audio::resample::Framer;
use crate::utterance::draft::Outlook;
use crate::utterance::endpoint::{Endpoint, EndpointSettings, Input};
use crate::utterance::recorder::Recorder;
use crate::utterance::scratch::{Recording, Scratch, ScratchError};
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
    vad: Vad,
    endpoint: Endpoint,
    recorder: Recorder,
}

impl Hearing {
    /// Begins with the sound that `start`, an event `audio-start`, describes.
    ///
    /// # Errors
    /// That it has another form than 16-bit samples at 8 to 192 kHz in 1 to 8 channels.
    pub fn begin(start: &Event, endpoint: EndpointSettings, scratch: &Scratch) -> Result<Hearing, HearingError> {
        let [rate, width, channels] = ["rate", "width", "channels"].map(|key| start.number(key).unwrap_or_default());
        let rate = u32::try_from(rate).ok().filter(|rate| crate::audio::file::RATES.contains(rate));
        let (Some(rate), 2, 1..=8) = (rate, width, channels) else {
            return Err(HearingError::Form("16-bit samples at 8 to 192 kHz in 1 to 8 channels are needed".into()));
        };
        let endpoint = Endpoint::new(EndpointSettings { early: false, ..endpoint });
        let recorder = Recorder::new(scratch.clone(), endpoint.pre_roll_frames());
        Ok(Hearing {
            framer: Framer::new(rate, 0.0)?,
            channels: channels as usize,
            vad: Vad::new(),
            endpoint,
            recorder,
        })
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
        let mono: Vec<f32> = mono.collect();
        let Hearing { framer, vad, endpoint, recorder, .. } = self;
        let mut sealed = None;
        framer.push(&mono, |frame| -> Result<(), HearingError> {
            if sealed.is_none() {
                let input = Input { voice: vad.judge(frame), outlook: Outlook::Open, held: false };
                sealed = recorder.take(frame, endpoint.push(input))?;
            }
            Ok(())
        })?;
        Ok(sealed)
    }

    /// Ends the sound. Returns the recording of an utterance that was open.
    ///
    /// # Errors
    /// As [`Hearing::take`].
    pub fn end(mut self) -> Result<Option<Recording>, HearingError> {
        Ok(self.recorder.stop().map(|utterance| utterance.seal(0)).transpose()?)
    }
}
