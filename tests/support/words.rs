//! Where the words of a clip are, by their energy.

use hearken::audio::level_dbfs;

/// Samples in a step of the energy measure: 10 ms.
pub const STEP: usize = 160;
/// How far above the clip's own noise a step of speech must lie, in dB.
const ABOVE_NOISE_DB: f32 = 9.0;
/// How far below the loudest step the last word ends, in dB. With 30 dB the echo of a room would count as speech, and the
/// felt time would look shorter than it is.
const BELOW_PEAK_DB: f32 = 20.0;

/// The levels of a clip.
pub struct Levels {
    /// The level of each step in dBFS.
    steps: Vec<f32>,
    /// The number of the loudest step.
    pub loudest: usize,
    /// The level that a tenth of the steps stay below, in dBFS.
    noise: f32,
}

impl Levels {
    /// The levels of `samples`; none of a clip whose loudest step is not at least `clear_db` above its noise.
    pub fn of(samples: &[f32], clear_db: f32) -> Option<Levels> {
        let steps: Vec<f32> = samples.chunks_exact(STEP).map(level_dbfs).collect();
        let loudest = (0..steps.len()).max_by(|a, b| steps[*a].total_cmp(&steps[*b]))?;
        let mut ordered = steps.clone();
        ordered.sort_by(f32::total_cmp);
        let noise = ordered[steps.len() / 10];
        (steps[loudest] - noise >= clear_db).then_some(Levels { steps, loudest, noise })
    }

    /// Whether each step is speech: at most so many dB below the loudest.
    pub fn speech(&self, below_peak_db: f32) -> Vec<bool> {
        let least = (self.steps[self.loudest] - below_peak_db).max(self.noise + ABOVE_NOISE_DB);
        self.steps.iter().map(|level| *level >= least).collect()
    }
}

/// The sample at which the last word of a clip ends.
pub fn word_end(samples: &[f32]) -> usize {
    let last =
        Levels::of(samples, 0.0).and_then(|levels| levels.speech(BELOW_PEAK_DB).iter().rposition(|speech| *speech));
    last.map_or(samples.len(), |step| (step + 1) * STEP)
}
