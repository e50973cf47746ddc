//! What the microphone hears of a clip: its level, the room, noise, and silence before and after.

use std::ops::Range;

use hearken::audio::{FRAME_LEN, Frame, SAMPLE_RATE, level_dbfs};
use hearken::measure::eval::mix::Noise;
use hearken::utterance::vad::Vad;

use crate::material::{Clip, Material};
use crate::recordings::{Named, hash, in_room};

/// Level of speech that is near the microphone, in dBFS: what the input gain is aimed at.
pub const NEAR_DBFS: f32 = -26.0;
/// Level of speech from across the room, or with 10 dB too little gain.
const MIDDLE_DBFS: f32 = -36.0;
/// Level of speech that is far from it.
const FAR_DBFS: f32 = -46.0;
/// Level of the white noise in every scene: a quiet room and the microphone's own noise.
const FLOOR_DBFS: f32 = -65.0;
/// Samples before and after the clip.
const BEFORE: usize = SAMPLE_RATE as usize;
const AFTER: usize = 2 * SAMPLE_RATE as usize;
/// Samples over which a clip fades in and out: its own noise begins and ends with it.
const FADE: usize = 160;

/// How a clip reaches the microphone.
#[derive(Clone, Copy)]
pub struct Condition<'a> {
    pub dbfs: f32,
    pub snr_db: Option<f32>,
    pub room: Option<&'a Named>,
}

impl Condition<'_> {
    /// What it is called in the tables. Rooms are counted together.
    pub fn label(&self) -> String {
        let noise = self.snr_db.map_or("clear".into(), |db| format!("noise at {db:.0} dB"));
        format!("{} dBFS, {noise}{}", self.dbfs, if self.room.is_some() { ", in rooms" } else { "" })
    }
}

/// Each level, clear and in noise; near and far also through each room, clear and in noise.
pub fn conditions(material: &Material) -> Vec<Condition<'_>> {
    let mut conditions = Vec::new();
    for dbfs in [NEAR_DBFS, MIDDLE_DBFS, FAR_DBFS] {
        conditions.extend([None, Some(12.0), Some(6.0)].map(|snr_db| Condition { dbfs, snr_db, room: None }));
        for room in material.rooms.iter().filter(|_| dbfs != MIDDLE_DBFS) {
            conditions.extend([None, Some(12.0)].map(|snr_db| Condition { dbfs, snr_db, room: Some(room) }));
        }
    }
    conditions.sort_by_key(|condition| condition.room.is_some());
    conditions
}

/// A clip as the microphone hears it in `condition`, and where its speech then lies.
pub fn scene(clip: &Clip, condition: &Condition<'_>, noises: &[(String, Noise)]) -> (Vec<f32>, Range<usize>) {
    let mut samples = faded(&clip.samples);
    if let Some(room) = condition.room {
        samples = in_room(&samples, &room.samples);
    }
    let gain = 10f32.powf((condition.dbfs - level_dbfs(&samples[clip.speech.clone()])) / 20.0);
    let speech = samples.iter().map(|s| s * gain);
    let mut sound = vec![0.0; BEFORE];
    sound.extend(speech);
    sound.resize(BEFORE + clip.samples.len() + AFTER, 0.0);
    if let Some(snr_db) = condition.snr_db.filter(|_| !noises.is_empty()) {
        let (name, noise) = &noises[(hash(&clip.name) >> 8) as usize % noises.len()];
        sound = noise.mixed(&sound, &format!("{name} {}", clip.name), snr_db);
    }
    for (sample, noise) in sound.iter_mut().zip(white(FLOOR_DBFS, hash(&clip.name))) {
        *sample = (*sample + noise).clamp(-1.0, 1.0);
    }
    (sound, BEFORE + clip.speech.start..BEFORE + clip.speech.end)
}

/// How likely each frame of `sound` is speech, by the daemon's detector.
pub fn probabilities(sound: &[f32]) -> Vec<f32> {
    let mut vad = Vad::new();
    let frame = |samples: &[f32]| -> Frame { std::array::from_fn(|i| samples[i]) };
    sound.chunks_exact(FRAME_LEN).map(|samples| vad.judge(&frame(samples)).probability).collect()
}

/// `samples` at a level.
pub fn at_level(samples: &[f32], dbfs: f32) -> Vec<f32> {
    let gain = 10f32.powf((dbfs - level_dbfs(samples)) / 20.0);
    samples.iter().map(|s| (s * gain).clamp(-1.0, 1.0)).collect()
}

/// White noise of a level, always the same for a seed. Evenly distributed: the level is that of the amplitude over the root
/// of 3.
pub fn white(dbfs: f32, seed: u64) -> impl Iterator<Item = f32> {
    let amplitude = 10f32.powf(dbfs / 20.0) * 3f32.sqrt();
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 / (1u32 << 23) as f32 - 1.0) * amplitude
    })
}

fn faded(samples: &[f32]) -> Vec<f32> {
    let last = samples.len();
    let gain = |i: usize| (i.min(last - 1 - i) as f32 / FADE as f32).min(1.0);
    samples.iter().enumerate().map(|(i, s)| s * gain(i)).collect()
}
