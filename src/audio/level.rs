//! How loud sound is, and from where on it counts as clipped.

/// Level below which a signal counts as digital silence, in dBFS.
pub const FLOOR_DBFS: f32 = -120.0;

/// Root-mean-square level of `samples` in dBFS (0 dBFS is a full-scale square wave), at least [`FLOOR_DBFS`].
pub fn level_dbfs(samples: &[f32]) -> f32 {
    let power = samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32;
    (10.0 * power.log10()).max(FLOOR_DBFS)
}

/// Magnitude from which a sample counts as clipped: within three steps of the full scale of 16 bits.
pub const FULL_SCALE: f32 = 0.9999;

/// The same for sound that was resampled after it was clipped, 0.1 dB lower: a resampler rounds off clipped peaks.
pub const FULL_SCALE_RESAMPLED: f32 = 0.989;
