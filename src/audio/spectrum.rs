//! Power spectra of short pieces of sound. No input or output.

use std::f64::consts::TAU;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Computes power spectra of frames of one length, under a Hann window.
pub struct Spectrum {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    windowed: Vec<f32>,
    bins: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    power: Vec<f32>,
}

impl Spectrum {
    /// For frames of so many samples.
    pub fn of_frames(samples: usize) -> Spectrum {
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(samples);
        let hann = |i: usize| (0.5 * (1.0 - (TAU * i as f64 / samples as f64).cos())) as f32;
        Spectrum {
            window: (0..samples).map(hann).collect(),
            windowed: fft.make_input_vec(),
            bins: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            power: vec![0.0; samples / 2 + 1],
            fft,
        }
    }

    /// The power in each bin, from 0 Hz to half the sampling rate. A shorter `frame` is filled with silence.
    pub fn power(&mut self, frame: &[f32]) -> &[f32] {
        let samples = frame.iter().copied().chain(std::iter::repeat(0.0));
        for ((to, sample), weight) in self.windowed.iter_mut().zip(samples).zip(&self.window) {
            *to = sample * weight;
        }
        // Cannot fail: the plan made the buffers, so their lengths are right.
        let _ = self.fft.process_with_scratch(&mut self.windowed, &mut self.bins, &mut self.scratch);
        self.power.iter_mut().zip(&self.bins).for_each(|(power, bin)| *power = bin.norm_sqr());
        &self.power
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_in_its_bin_and_a_shorter_frame_is_filled_with_silence() {
        let tone: Vec<f32> = (0..400).map(|i| (TAU * 25.0 * i as f64 / 400.0).cos() as f32).collect();
        let mut spectrum = Spectrum::of_frames(400);
        let power = spectrum.power(&tone);
        // A Hann window halves the amplitude: 400 / 2 / 2.
        assert!((power[25].sqrt() - 100.0).abs() < 0.01, "{}", power[25]);
        assert!(power[30] < 1e-3 && power.len() == 201);
        assert!(spectrum.power(&[]).iter().all(|p| *p == 0.0));
    }
}
