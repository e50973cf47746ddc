//! Checks a take: measures its levels and finds its faults. No input or output.

use std::fmt;
use std::time::Duration;

use crate::audio::level::FULL_SCALE_RESAMPLED;
use crate::audio::{FRAME, FRAME_LEN, SAMPLE_RATE, level_dbfs};

/// The best level of speech for the speech detector, in dBFS.
const RIGHT_DBFS: f32 = -26.0;
/// Level in dBFS below which speech counts as quiet. In a test the 73 clips of tests/data/home were made quieter: the
/// listener found all of them at a median of -49 dBFS and missed the first one at -52 dBFS.
const QUIET_DBFS: f32 = -45.0;
/// Least distance from the noise to the speech, in dB.
const LEAST_SNR_DB: f32 = 10.0;
/// If more than one sample in this many is at full scale, a take is useless.
const CLIPPED_MUCH: usize = 200;
/// Frames of the loudest stretch, 128 ms: as `hearken eval --snr` measures speech.
const LOUDEST: usize = 8;
/// The noise level is that which one frame in this many does not exceed. In an utterance of up to 5 s the sound that is
/// kept before and after the speech has more frames than that; in longer ones there are pauses.
const QUIETEST: usize = 10;

/// The measurements of a recorded utterance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Take {
    /// Its length in samples at 16 kHz.
    pub samples: usize,
    /// Level of its loudest 128 ms, in dBFS.
    pub speech_dbfs: f32,
    /// Level that a tenth of its 16 ms frames do not exceed, in dBFS.
    pub noise_dbfs: f32,
    /// Samples at the microphone's full scale, or at that of 16 bits.
    pub clipped: usize,
}

/// A fault of a take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// Samples at full scale.
    Clipped {
        /// Number of samples at full scale.
        clipped: usize,
        /// Number of all samples.
        samples: usize,
        /// By how much it is too loud, in dB.
        lower_db: f32,
        /// Whether the microphone itself clips. Otherwise the gain does.
        itself: bool,
    },
    /// It was cut at the longest duration of an utterance.
    Overlong(Duration),
    /// The speech is far below what is right, in dBFS.
    Quiet(f32),
    /// The noise is close to the speech.
    Noisy {
        /// Level of the speech, in dBFS.
        speech_dbfs: f32,
        /// Level of the noise, in dBFS.
        noise_dbfs: f32,
    },
}

impl Take {
    /// Measures `samples`, which were recorded with a gain of `gain_db`.
    pub fn of(samples: &[f32], gain_db: f32) -> Take {
        let full_scale = FULL_SCALE_RESAMPLED * 10f32.powf(gain_db.min(0.0) / 20.0);
        let stretches = samples.chunks(FRAME_LEN * LOUDEST).map(level_dbfs);
        let mut frames: Vec<f32> = samples.chunks(FRAME_LEN).map(level_dbfs).collect();
        frames.sort_by(f32::total_cmp);
        Take {
            samples: samples.len(),
            speech_dbfs: stretches.fold(level_dbfs(&[]), f32::max),
            noise_dbfs: frames.get(frames.len() / QUIETEST).copied().unwrap_or(level_dbfs(&[])),
            clipped: samples.iter().filter(|s| s.abs() >= full_scale).count(),
        }
    }

    /// Its faults, with a gain of `gain_db`. `max_length` is the length at which it would have been cut; `None` if a
    /// cut is no fault.
    pub fn faults(&self, gain_db: f32, max_length: Option<Duration>) -> Vec<Fault> {
        let Take { samples, speech_dbfs, noise_dbfs, clipped } = *self;
        let lower_db = (speech_dbfs - RIGHT_DBFS).ceil().max(3.0);
        let whole = |max: &Duration| samples < max.as_micros().div_ceil(FRAME.as_micros()) as usize * FRAME_LEN;
        let found = [
            (clipped > 0).then_some(Fault::Clipped { clipped, samples, lower_db, itself: gain_db <= 0.0 }),
            max_length.filter(|max| !whole(max)).map(Fault::Overlong),
            (speech_dbfs < QUIET_DBFS).then_some(Fault::Quiet(speech_dbfs)),
            (speech_dbfs - noise_dbfs < LEAST_SNR_DB).then_some(Fault::Noisy { speech_dbfs, noise_dbfs }),
        ];
        found.into_iter().flatten().collect()
    }
}

impl fmt::Display for Take {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.samples as f32 / SAMPLE_RATE as f32;
        write!(f, "{seconds:.1} s, speech {:.1} dBFS, noise {:.1} dBFS", self.speech_dbfs, self.noise_dbfs)
    }
}

impl Fault {
    /// Whether the fault makes a take useless.
    pub fn is_hard(&self) -> bool {
        match self {
            Fault::Clipped { clipped, samples, .. } => clipped * CLIPPED_MUCH > *samples,
            Fault::Overlong(_) => true,
            Fault::Quiet(_) | Fault::Noisy { .. } => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Clipped { clipped, samples, lower_db, itself } => {
                write!(f, "clipped: {clipped} of {samples} samples at full scale; ")?;
                match itself {
                    true => write!(f, "lower the microphone's own level by {lower_db} dB, as with alsamixer"),
                    false => write!(f, "lower microphone.gain_db by {lower_db}"),
                }
            }
            Fault::Overlong(max) => {
                write!(f, "too long: cut after {} s (endpoint.max_length); a pause must end it", max.as_secs_f32())
            }
            Fault::Quiet(dbfs) => {
                let raise_db = (RIGHT_DBFS - dbfs).floor();
                write!(
                    f,
                    "quiet: speech at {dbfs:.1} dBFS, {RIGHT_DBFS} is right; raise microphone.gain_db by {raise_db}"
                )
            }
            Fault::Noisy { speech_dbfs, noise_dbfs } => write!(
                f,
                "noisy: speech at {speech_dbfs:.1} dBFS, noise at {noise_dbfs:.1}; {LEAST_SNR_DB} dB between them are needed: \
                 come nearer to the microphone, or quieten the room"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ms` milliseconds of a tone with this amplitude, after as much of one at -70 dBFS.
    fn tone(ms: usize, amplitude: f32) -> Vec<f32> {
        let tone = |amplitude: f32| (0..ms * 16).map(move |i| (amplitude * (i as f32 * 0.2).sin()).clamp(-1.0, 1.0));
        tone(4.5e-4).chain(tone(amplitude)).collect()
    }

    /// What is said of `sound`, and whether it is kept.
    fn said(sound: &[f32], gain_db: f32) -> (Vec<String>, bool) {
        let faults = Take::of(sound, gain_db).faults(gain_db, Some(Duration::from_secs(4)));
        (faults.iter().map(Fault::to_string).collect(), !faults.iter().any(Fault::is_hard))
    }

    #[test]
    fn levels_are_those_of_the_tone_and_of_the_quiet_before_it() {
        let take = Take::of(&tone(1000, 0.0708), 0.0);
        assert_eq!(take.to_string(), "2.0 s, speech -26.0 dBFS, noise -70.0 dBFS");
        assert_eq!(Take::of(&[], 0.0).to_string(), "0.0 s, speech -120.0 dBFS, noise -120.0 dBFS");
    }

    #[test]
    fn each_fault_is_said_with_its_figures_and_only_what_is_of_no_use_is_not_kept() {
        let mut peaks = tone(1000, 0.5);
        peaks[20_000..20_003].fill(1.0);
        let cases: [(Vec<f32>, f32, bool, &[&str]); 9] = [
            (tone(1000, 0.0708), 0.0, true, &[]),
            (tone(1000, 0.98), 0.0, true, &[]),
            (
                peaks,
                0.0,
                true,
                &["clipped: 3 of 32000 samples at full scale; lower the microphone's own level by 18 dB"],
            ),
            (
                tone(1000, 1.2),
                6.0,
                false,
                &["clipped: ", " of 32000 samples at full scale; lower microphone.gain_db by 24"],
            ),
            (tone(1000, 0.5), -6.03, false, &["clipped: ", "the microphone's own level by 17 dB"]),
            (tone(2100, 0.0708), 0.0, false, &["too long: cut after 4 s (endpoint.max_length)"]),
            (
                tone(1000, 0.007),
                0.0,
                true,
                &["quiet: speech at -46.1 dBFS, -26 is right; raise microphone.gain_db by 20"],
            ),
            (tone(1000, 4.5e-4), 40.0, true, &["quiet: ", "noisy: speech at -69.9 dBFS, noise at -70.0; 10 dB"]),
            (vec![0.0; 4 * 16_000 - 1], 0.0, true, &["quiet: speech at -120.0", "noisy: "]),
        ];
        for (number, (sound, gain_db, kept, words)) in cases.iter().enumerate() {
            let (faults, is_kept) = said(sound, *gain_db);
            assert_eq!(is_kept, *kept, "{number}: {faults:?}");
            assert_eq!(faults.is_empty(), words.is_empty(), "{number}: {faults:?}");
            assert!(words.iter().all(|w| faults.iter().any(|f| f.contains(w))), "{number}: {faults:?}");
        }
        let cut = Take::of(&[0.1; 160_000], 0.0);
        assert_eq!(cut.faults(0.0, None).len(), 1, "what may be cut is only noisy");
    }
}
