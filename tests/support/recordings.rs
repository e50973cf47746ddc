//! Recordings in folders, for the programs that measure on them: WAV files, impulse responses of rooms, draws by name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hearken::audio::file;
use hearken::measure::eval::mix;
use realfft::RealFftPlanner;

/// Sound with a name.
pub struct Named {
    pub name: String,
    pub samples: Vec<f32>,
}

/// The WAV files of a folder; none where there is no such folder.
pub fn sounds(dir: &Path) -> io::Result<Vec<Named>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let is_wav = |path: &&PathBuf| path.extension().is_some_and(|e| e == "wav");
    let read = |path: &PathBuf| match file::read(path) {
        Ok(samples) => Ok(Named { name: name(path), samples }),
        Err(error) => Err(io::Error::other(format!("{}: {error}", path.display()))),
    };
    sorted(dir)?.iter().filter(is_wav).map(read).collect()
}

pub fn sorted(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A number for `text`, the same on every machine.
pub fn hash(text: &str) -> u64 {
    mix::hash(text, 0)
}

/// `samples` in the room with this impulse response, with the reverberation after their end. Speech stays where it is.
pub fn in_room(samples: &[f32], response: &[f32]) -> Vec<f32> {
    convolved(samples, direct_on(response))
}

/// An impulse response from its direct sound on, so that speech stays where it is.
fn direct_on(response: &[f32]) -> &[f32] {
    let peak = (0..response.len()).max_by(|a, b| response[*a].abs().total_cmp(&response[*b].abs())).unwrap_or(0);
    &response[peak..]
}

/// `samples` in a room, with the reverberation after their end.
fn convolved(samples: &[f32], response: &[f32]) -> Vec<f32> {
    let length = samples.len() + response.len();
    let size = length.next_power_of_two();
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, inverse) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
    let spectrum = |of: &[f32]| {
        let mut padded = of.to_vec();
        padded.resize(size, 0.0);
        let mut out = forward.make_output_vec();
        forward.process(&mut padded, &mut out).map(|()| out)
    };
    let (Ok(mut product), Ok(other)) = (spectrum(samples), spectrum(response)) else { return samples.to_vec() };
    product.iter_mut().zip(&other).for_each(|(a, b)| *a *= b / size as f32);
    let mut sound = inverse.make_output_vec();
    if inverse.process(&mut product, &mut sound).is_err() {
        return samples.to_vec();
    }
    sound.truncate(length);
    sound
}
