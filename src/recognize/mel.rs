//! Whisper's log-mel spectrogram, as whisper.cpp 1.8.3 computes it (`log_mel_spectrogram`), in a tenth of its time:
//! with a real FFT, and only where a filter is not zero. No input or output.
//!
//! A frame is 400 samples (25 ms) under a Hann window, a new one every 160 samples (10 ms). Its power spectrum goes
//! through 80 mel filters, which stand in the model file. The logarithms are cut at 8 below the greatest of them, and
//! scaled. After the sound the spectrogram goes on with silence.

use crate::audio::spectrum::Spectrum;

/// Samples of a frame, and from one frame to the next.
const FRAME: usize = 400;
const HOP: usize = 160;
/// Values of a frame's spectrum, and mel filters.
const BINS: usize = FRAME / 2 + 1;
/// Mel filters, and so values for each frame.
pub const BANDS: usize = 80;

/// Where the filters stand in a model file: after the magic number and eleven numbers of 4 bytes come the number of
/// filters and of bins, then the filters as f32, little-endian (whisper.cpp, `whisper_model_load`).
const FILTERS_AT: usize = 4 * (1 + 11);

/// The least power that has a logarithm, and what is cut below the greatest logarithm.
const LEAST_POWER: f32 = 1e-10;
const RANGE: f32 = 8.0;

/// A mel filter: the first bin that it takes, and the weights of this one and those that follow.
struct Filter {
    first: usize,
    weights: Vec<f32>,
}

/// Computes spectrograms.
pub struct Mel {
    spectrum: Spectrum,
    filters: Vec<Filter>,
}

impl Mel {
    /// Reads the filters from the bytes of a model file. `None` if it has others than Whisper's tiny to medium models,
    /// 80 filters of 201 bins.
    pub fn of_model(bytes: &[u8]) -> Option<Mel> {
        let number = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        if (number(FILTERS_AT)?, number(FILTERS_AT + 4)?) != (BANDS as u32, BINS as u32) {
            return None;
        }
        let begin = FILTERS_AT + 8;
        let rows = bytes.get(begin..begin + BANDS * BINS * 4)?.chunks_exact(BINS * 4);
        let filters = rows.map(|row| {
            let weights: Vec<f32> = row.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            let first = weights.iter().position(|w| *w != 0.0).unwrap_or(0);
            let end = weights.iter().rposition(|w| *w != 0.0).map_or(first, |last| last + 1);
            Filter { first, weights: weights[first..end].to_vec() }
        });
        Some(Mel { spectrum: Spectrum::of_frames(FRAME), filters: filters.collect() })
    }

    /// The spectrogram of `samples`, at least 201 at 16 kHz, over `frames` frames: 80 rows of so many values. What is
    /// longer is cut.
    pub fn of(&mut self, samples: &[f32], frames: usize) -> Vec<f32> {
        let reflected = samples[1..=FRAME / 2].iter().rev();
        let sound: Vec<f32> = reflected.chain(samples).copied().chain(std::iter::repeat_n(0.0, 2 * FRAME)).collect();
        let mut logarithms = vec![LEAST_POWER.log10(); BANDS * frames];
        let heard = (samples.len() + FRAME / 2) / HOP + 1;
        for frame in 0..heard.min(frames) {
            let power = self.spectrum.power(&sound[frame * HOP..frame * HOP + FRAME]);
            for (band, filter) in self.filters.iter().enumerate() {
                let sum: f32 = filter.weights.iter().zip(&power[filter.first..]).map(|(w, p)| w * p).sum();
                logarithms[band * frames + frame] = sum.max(LEAST_POWER).log10();
            }
        }
        let least = logarithms.iter().copied().fold(f32::NEG_INFINITY, f32::max) - RANGE;
        logarithms.iter_mut().for_each(|value| *value = (value.max(least) + 4.0) / 4.0);
        logarithms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_model_has_no_filters() {
        let mut file = vec![0; FILTERS_AT + 8 + BANDS * BINS * 4];
        assert!(Mel::of_model(&[]).is_none() && Mel::of_model(&file).is_none());
        file[FILTERS_AT] = BANDS as u8;
        file[FILTERS_AT + 4] = BINS as u8;
        assert!(Mel::of_model(&file[..file.len() - 1]).is_none());
        assert!(Mel::of_model(&file).is_some());
    }

    #[test]
    fn silence_follows_the_sound_and_is_eight_below_the_loudest_at_most() {
        // One filter takes one bin whole: 5 kHz is bin 125.
        let mut file = vec![0; FILTERS_AT + 8 + BANDS * BINS * 4];
        (file[FILTERS_AT], file[FILTERS_AT + 4]) = (BANDS as u8, BINS as u8);
        file[FILTERS_AT + 8 + 125 * 4..][..4].copy_from_slice(&1f32.to_le_bytes());
        let mut mel = Mel::of_model(&file).unwrap();
        let tone: Vec<f32> =
            (0..1600).map(|i| (2.0 * std::f64::consts::PI * 125.0 * i as f64 / 400.0).cos() as f32).collect();
        let spectrogram = mel.of(&tone, 20);
        // The amplitude 100 of a bin is the power 10,000, of which the logarithm is 4.
        assert_eq!(spectrogram.len(), BANDS * 20);
        assert!((spectrogram[5] - 2.0).abs() < 1e-3, "{}", spectrogram[5]);
        assert!((spectrogram[19] - 0.0).abs() < 1e-3 && (spectrogram[20] - 0.0).abs() < 1e-3, "{spectrogram:?}");
    }
}
