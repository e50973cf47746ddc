//! Where the words of a clip end, by their energy.

use hearken::audio::level_dbfs;

/// Samples in a step of the energy measure: 10 ms.
const STEP: usize = 160;
/// How far below the loudest step a step still counts as speech, and how far above the clip's own noise it must lie, in
/// dB. The noise is the level that a tenth of the steps stay below. With 30 dB the echo of a room would count as speech,
/// and the felt time would look shorter than it is.
const BELOW_PEAK_DB: f32 = 20.0;
const ABOVE_NOISE_DB: f32 = 9.0;

/// The sample at which the last word of a clip ends.
pub fn word_end(samples: &[f32]) -> usize {
    let levels: Vec<f32> = samples.chunks_exact(STEP).map(level_dbfs).collect();
    let mut ordered = levels.clone();
    ordered.sort_by(f32::total_cmp);
    let (Some(loudest), Some(noise)) = (ordered.last(), ordered.get(ordered.len() / 10)) else { return samples.len() };
    let least = (loudest - BELOW_PEAK_DB).max(noise + ABOVE_NOISE_DB);
    levels.iter().rposition(|level| *level >= least).map_or(samples.len(), |step| (step + 1) * STEP)
}
