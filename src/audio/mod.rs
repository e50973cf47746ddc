//! Sound as Hearken handles it: mono samples, in frames, from a source.
//!
//! A sample is an `f32` in [-1, 1]. Everything after the resampler runs at [`SAMPLE_RATE`].

use std::time::Duration;

pub mod microphone;
pub mod resample;
pub mod ring;
pub mod supervisor;
pub mod wav;

/// Samples per second that Whisper, earshot and Silero were trained on.
pub const SAMPLE_RATE: u32 = 16_000;

/// Samples in a [`Frame`]: what earshot takes at a time (256, 16 ms).
pub const FRAME_LEN: usize = 256;

/// How long a [`Frame`] lasts.
pub const FRAME: Duration = Duration::from_micros(FRAME_LEN as u64 * 1_000_000 / SAMPLE_RATE as u64);

/// 16 ms of mono sound at 16 kHz, each sample in [-1, 1].
pub type Frame = [f32; FRAME_LEN];

/// Level below which a signal counts as digital silence, in dBFS.
pub const FLOOR_DBFS: f32 = -120.0;

/// Root-mean-square level of `samples` in dBFS (0 dBFS is a full-scale square wave), at least [`FLOOR_DBFS`].
pub fn level_dbfs(samples: &[f32]) -> f32 {
    let power = samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32;
    (10.0 * power.log10()).max(FLOOR_DBFS)
}

/// How long `samples` at 16 kHz last, in milliseconds.
pub fn duration_ms(samples: usize) -> u64 {
    samples as u64 * 1000 / SAMPLE_RATE as u64
}

/// What a read gave.
#[derive(Debug)]
pub enum Sound {
    /// Samples begin to come, at `rate` a second. They do not continue what came before.
    Opened {
        /// Samples per second.
        rate: u32,
    },
    /// So many samples are at the front of the block. None: nothing came in time.
    Samples(usize),
    /// Samples cease to come until the next [`Sound::Opened`], for this reason.
    Lost(AudioError),
    /// Samples come, but for so many seconds all of them were 0: no room is that quiet.
    Zeros {
        /// Seconds of sound.
        seconds: u64,
    },
}

/// A stream of mono samples, live or recorded. The first thing to come is [`Sound::Opened`].
pub trait AudioSource: Send {
    /// Fills the front of `block`, waiting at most `patience`.
    ///
    /// # Errors
    /// When the source will never yield again.
    fn read(&mut self, block: &mut [f32], patience: Duration) -> Result<Sound, AudioError>;
}

/// Why there is no sound.
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
        /// What was being done, in words.
        doing: &'static str,
        /// What the audio library said.
        cause: String,
    },
    /// The stream is open, but no sample came for too long.
    #[error("microphone {id:?} has delivered nothing for {silent_ms} ms")]
    Stalled {
        /// The microphone's id.
        id: String,
        /// How long, in milliseconds.
        silent_ms: u64,
    },
    /// A rate that the resampler cannot convert.
    #[error("cannot convert {0} Hz to 16000 Hz: {1}")]
    Resample(u32, String),
}

fn there_are(found: &[String]) -> String {
    match found {
        [] => "this machine has none".into(),
        ids => format!("there are: {}", ids.join(", ")),
    }
}
