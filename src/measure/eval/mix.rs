//! Mixes noise into clips at a given signal-to-noise ratio. No input or output.
//!
//! The ratio is that of the loudest frames of speech and noise, as in Picovoice's benchmarks
//! (speech-to-intent-benchmark, benchmark/mixer.py). So pauses around the words have no influence, and the results can
//! be compared with those benchmarks.

/// Samples in a frame for measuring loudness: 128 ms.
const FRAME: usize = 2048;

/// The seed. It is fixed, so that a clip always gets the same noise, no matter which other clips there are.
pub const SEED: u64 = 1;

/// Noise to mix into clips, repeated as often as a clip needs.
#[derive(Debug)]
pub struct Noise(Vec<f32>);

impl Noise {
    /// Noise of these samples; none where all of them are 0.
    pub fn new(samples: Vec<f32>) -> Option<Noise> {
        samples.iter().any(|s| *s != 0.0).then_some(Noise(samples))
    }

    /// Adds noise to `clip` at `snr_db`, from a place in the noise that depends on `name`. If the sum would exceed full
    /// scale, both are made quieter.
    pub fn mixed(&self, clip: &[f32], name: &str, snr_db: f32) -> Vec<f32> {
        if clip.is_empty() {
            return Vec::new();
        }
        let noise = self.stretch(draw(name), clip.len());
        let scale = (loudest(clip) / loudest(&noise) / 10f64.powf(f64::from(snr_db) / 10.0)).sqrt() as f32;
        let mut sum: Vec<f32> = clip.iter().zip(&noise).map(|(s, n)| s + n * scale).collect();
        let peak = sum.iter().fold(1.0f32, |peak, s| peak.max(s.abs()));
        sum.iter_mut().for_each(|s| *s /= peak);
        sum
    }

    /// `length` samples of noise from `start`, or from the first stretch after it that is not silent.
    fn stretch(&self, start: u64, length: usize) -> Vec<f32> {
        let begin = (start % self.0.len() as u64) as usize;
        let mut noise = self.0.iter().cycle().skip(begin).copied();
        loop {
            let stretch: Vec<f32> = noise.by_ref().take(length).collect();
            if loudest(&stretch) > 0.0 {
                return stretch;
            }
        }
    }
}

/// The energy of the loudest frame.
fn loudest(samples: &[f32]) -> f64 {
    let energy = |frame: &[f32]| frame.iter().map(|s| f64::from(*s) * f64::from(*s)).sum::<f64>();
    samples.chunks(FRAME).map(energy).fold(0.0, f64::max)
}

/// A number for the recording `name`: the last step of splitmix64 after [`hash`].
fn draw(name: &str) -> u64 {
    let mixed = hash(name, SEED).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number for `text` and `seed`, the same on every machine: FNV-1a, then a step of splitmix64, so that each bit of it
/// depends on all of the text.
pub fn hash(text: &str, seed: u64) -> u64 {
    let fnv = text.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(samples: usize, amplitude: f32) -> Vec<f32> {
        (0..samples).map(|i| amplitude * (i as f32 * 0.2).sin()).collect()
    }

    fn hiss(samples: usize) -> Vec<f32> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..samples).map(|_| 0.1 * next()).collect()
    }

    #[test]
    fn the_ratio_is_the_one_asked_for() {
        let noise = Noise::new(hiss(30_000)).unwrap();
        // Two seconds of speech between two of silence: the mean power would be a third.
        let clip = [vec![0.0; 32_000], tone(32_000, 0.2), vec![0.0; 32_000]].concat();
        for snr_db in [24.0, 12.0, 6.0, 0.0] {
            let mixed = noise.mixed(&clip, "a.wav", snr_db);
            let added: Vec<f32> = mixed.iter().zip(&clip).map(|(m, c)| m - c).collect();
            let found = 10.0 * (loudest(&clip) / loudest(&added)).log10();
            assert!((found - f64::from(snr_db)).abs() < 0.01, "{found} dB for {snr_db}");
        }
    }

    #[test]
    fn a_sum_beyond_full_scale_is_scaled_and_not_clipped() {
        let noise = Noise::new(hiss(16_000)).unwrap();
        let [loud, quiet] = [0.9, 0.09].map(|amplitude| noise.mixed(&tone(16_000, amplitude), "a.wav", 0.0));
        let peak = |samples: &[f32]| samples.iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
        assert!(peak(&quiet) < 0.2 && (peak(&loud) - 1.0).abs() < 1e-6, "{} and {}", peak(&quiet), peak(&loud));
        let louder = 1.0 / peak(&quiet);
        assert!(
            loud.iter().zip(&quiet).all(|(l, q)| (l - q * louder).abs() < 1e-5),
            "the same sound, at another level"
        );
    }

    #[test]
    fn the_place_in_the_noise_follows_from_the_name_alone() {
        let (noise, clip) = (Noise::new(hiss(16_000)).unwrap(), tone(1_000, 0.1));
        let of = |name| noise.mixed(&clip, name, 6.0);
        assert_eq!(of("a.wav"), of("a.wav"));
        assert_ne!(of("a.wav"), of("b.wav"));
    }

    #[test]
    fn silence_is_no_noise_and_silent_stretches_of_noise_are_passed_over() {
        assert!(Noise::new(vec![0.0; 100]).is_none());
        assert!(Noise::new(vec![]).is_none());
        let noise = Noise::new([vec![0.0; 90_000], tone(1_000, 0.1)].concat()).unwrap();
        let mixed = noise.mixed(&tone(500, 0.1), "a.wav", 6.0);
        assert!(mixed.iter().all(|s| s.is_finite()));
        assert_ne!(mixed, tone(500, 0.1));
        assert_eq!(noise.mixed(&[0.0; 500], "a.wav", 6.0), [0.0; 500], "no signal, no ratio");
        assert!(noise.mixed(&[], "a.wav", 6.0).is_empty());
    }
}
