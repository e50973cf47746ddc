//! The recordings: short utterances with the place of their speech, noises, and impulse responses of rooms.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::ops::{Range, RangeInclusive};
use std::path::Path;

use hearken::audio::{SAMPLE_RATE, level_dbfs};

use crate::recordings::{Named, hash, name, sorted, sounds};
use crate::words::{Levels, STEP};

/// Samples of speech in a word or a short phrase: 0.15 to 1.5 s. What is found to be shorter or longer is a click, a cut word,
/// or words with other sounds around them.
const WORD: RangeInclusive<usize> = SAMPLE_RATE as usize * 15 / 100..=SAMPLE_RATE as usize * 3 / 2;
/// Level below which a noise counts as a quiet room: speech has no ratio against it.
const QUIET_DBFS: f32 = -50.0;

/// How far below the clip's loudest step a step still counts as speech, in dB.
const BELOW_PEAK_DB: f32 = 30.0;
/// A clip whose loudest step is not so far above its own noise has no clear speech, in dB.
const CLEAR_DB: f32 = 15.0;
/// Longest pause inside a word, in steps: the closure before a "p" or a "t".
const LONGEST_PAUSE: usize = 20;

/// Which half of the speakers a clip belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Settings are chosen on it.
    Choosing,
    /// Figures are reported on it.
    HeldOut,
}

/// A short utterance.
pub struct Clip {
    /// Its set and file name.
    pub name: String,
    pub half: Half,
    pub samples: Vec<f32>,
    /// The samples that are speech, as far as the energy of the clip tells.
    pub speech: Range<usize>,
}

/// All recordings of a folder.
pub struct Material {
    pub clips: Vec<Clip>,
    /// Files that were left out: no speech of a word's length stands out of their own noise.
    pub left_out: usize,
    /// Noises that speech is mixed with.
    pub noises: Vec<Named>,
    /// Quiet rooms.
    pub quiet: Vec<Named>,
    pub rooms: Vec<Named>,
}

impl Material {
    /// Reads every folder of `dir`; `noise` and `rooms` are no sets of utterances.
    ///
    /// # Errors
    /// A folder or a WAV file that cannot be read.
    pub fn read(dir: &Path) -> io::Result<Material> {
        let noises = sounds(&dir.join("noise"))?;
        let (quiet, noises) = noises.into_iter().partition(|n| level_dbfs(&n.samples) < QUIET_DBFS);
        let rooms = sounds(&dir.join("rooms"))?;
        let mut material = Material { clips: Vec::new(), left_out: 0, noises, quiet, rooms };
        for set in sorted(dir)?.iter().filter(|path| path.is_dir() && !["noise", "rooms"].contains(&&*name(path))) {
            material.read_set(set)?;
        }
        Ok(material)
    }

    fn read_set(&mut self, set: &Path) -> io::Result<()> {
        let speakers = speakers(set)?;
        for sound in sounds(set)? {
            let Some(speech) = speech(&sound.samples).filter(|speech| WORD.contains(&speech.len())) else {
                self.left_out += 1;
                continue;
            };
            let speaker = speakers.get(&sound.name).unwrap_or(&sound.name);
            let half = if hash(speaker) & 1 == 0 { Half::Choosing } else { Half::HeldOut };
            let name = format!("{}/{}", name(set), sound.name);
            self.clips.push(Clip { name, half, samples: sound.samples, speech });
        }
        Ok(())
    }
}

/// Where the speech of a clip lies: the steps within [`BELOW_PEAK_DB`] of the loudest that lie above the clip's own noise,
/// from the loudest on to both sides, over pauses of [`LONGEST_PAUSE`] at most. None where nothing stands out.
fn speech(samples: &[f32]) -> Option<Range<usize>> {
    let levels = Levels::of(samples, CLEAR_DB)?;
    let (loudest, is_speech) = (levels.loudest, levels.speech(BELOW_PEAK_DB));
    let begin = loudest - reach(is_speech[..loudest].iter().rev());
    let end = loudest + 1 + reach(is_speech[loudest + 1..].iter());
    Some(begin * STEP..end * STEP)
}

/// How many steps from here on belong to the speech.
fn reach<'a>(steps: impl Iterator<Item = &'a bool>) -> usize {
    let mut reached = 0;
    for (step, _) in steps.enumerate().filter(|(_, speech)| **speech) {
        if step - reached > LONGEST_PAUSE {
            break;
        }
        reached = step + 1;
    }
    reached
}

/// Who speaks in which file, by the `transcripts.jsonl` of a folder.
fn speakers(set: &Path) -> io::Result<HashMap<String, String>> {
    let path = set.join("transcripts.jsonl");
    let text = if path.is_file() { fs::read_to_string(path)? } else { String::new() };
    let rows = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    Ok(rows.filter_map(|row| Some((row["file"].as_str()?.into(), row["speaker"].as_str()?.into()))).collect())
}
