//! The types for sound: mono samples, frames of samples, and the sources they come from.
//!
//! A sample is an `f32` in [-1, 1]. Everything after the resampler runs at [`SAMPLE_RATE`].

use std::time::Duration;

mod compressed;
pub mod file;
pub mod level;
pub mod microphone;
pub mod resample;
pub mod ring;
pub mod spectrum;
pub mod supervisor;
pub mod wav;

pub use level::{FLOOR_DBFS, level_dbfs};

/// Samples per second that Whisper, earshot and Silero were trained on.
pub const SAMPLE_RATE: u32 = 16_000;

/// Samples in a [`Frame`]: what earshot takes at a time (256, 16 ms).
pub const FRAME_LEN: usize = 256;

/// How long a [`Frame`] lasts.
pub const FRAME: Duration = Duration::from_micros(FRAME_LEN as u64 * 1_000_000 / SAMPLE_RATE as u64);

/// 16 ms of mono sound at 16 kHz, each sample in [-1, 1].
pub type Frame = [f32; FRAME_LEN];

/// Most sound that a live source collects while no utterance is recorded. An utterance then opens so much later; what
/// was said before is in its pre-roll.
pub const BATCH: Duration = Duration::from_millis(80);

/// How long `samples` at 16 kHz last, in milliseconds.
pub fn duration_ms(samples: usize) -> u64 {
    samples as u64 * 1000 / SAMPLE_RATE as u64
}

/// The result of one read from an [`AudioSource`].
#[derive(Debug)]
pub enum SourceEvent {
    /// A stream begins, at `rate` samples a second. It does not continue an earlier stream.
    Opened {
        /// Samples per second.
        rate: u32,
    },
    /// The number of samples at the front of the block; 0 if none came in time.
    Samples(usize),
    /// The stream ended, for this reason. No samples come until the next [`SourceEvent::Opened`].
    Lost(AudioError),
    /// All samples of the last `seconds` were 0. No room is that quiet, so the input is muted or the wrong one.
    Zeros {
        /// Length of the zeros in seconds.
        seconds: u64,
    },
}

/// A source of mono samples, live or recorded. Its first result is [`SourceEvent::Opened`].
pub trait AudioSource: Send {
    /// Fills the front of `block`. Waits at most `timeout` for samples.
    ///
    /// # Errors
    /// When the source has ended for good.
    fn read(&mut self, block: &mut [f32], timeout: Duration) -> Result<SourceEvent, AudioError>;

    /// Says whether samples are wanted as soon as they come. Otherwise, as at the beginning, a live source may collect
    /// [`BATCH`] of them first, so that a machine in a quiet room sleeps longer.
    fn hurry(&mut self, _hurry: bool) {}
}

/// A fault of a sound source.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The recorded source is at its end.
    #[error("the recording is over")]
    Ended,
    /// No microphone has the configured id.
    #[error("microphone {wanted:?} does not exist; {}", there_are(found))]
    NoSuchMicrophone {
        /// The configured id.
        wanted: String,
        /// The ids that exist.
        found: Vec<String>,
    },
    /// The microphone exists but offers no format that can be used.
    #[error("microphone {0:?} offers no 16-bit, 32-bit or float format at 8 to 192 kHz")]
    NoUsableFormat(String),
    /// The microphone cannot be opened, or failed while it was open.
    #[error("microphone {id:?} {doing}: {cause}")]
    Device {
        /// The microphone's id.
        id: String,
        /// What failed, as the middle of a sentence: "cannot be opened".
        doing: &'static str,
        /// The error message of the audio library.
        cause: String,
    },
    /// The stream is open, but no sample came for too long.
    #[error("microphone {id:?} has delivered nothing for {silent_ms} ms")]
    Stalled {
        /// The microphone's id.
        id: String,
        /// Time without a sample, in milliseconds.
        silent_ms: u64,
    },
    /// The resampler cannot convert this rate.
    #[error("cannot convert {0} Hz to 16000 Hz: {1}")]
    Resample(u32, String),
}

fn there_are(found: &[String]) -> String {
    match found {
        [] => "this machine has none".into(),
        ids => format!("there are: {}", ids.join(", ")),
    }
}
