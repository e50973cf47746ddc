//! What the tests, the demonstration and the benchmarks share: a virtual ALSA microphone, and the clips.
//!
//! The microphone is the real path cpal -> libasound; a plug-in, `fakemic.c`, stands in for the kernel's driver.

#![allow(dead_code, reason = "each of the three uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;

use tempfile::TempDir;

/// Samples per second of the virtual microphone: a USB microphone's usual rate, so that the resampler works.
pub const MICROPHONE_RATE: u32 = 48_000;

/// A file under `tests/data`.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The clips under `tests/data/<folder>`, in the order of their names.
pub fn clips(folder: &str) -> Vec<PathBuf> {
    let mut clips: Vec<PathBuf> =
        fs::read_dir(data(folder)).expect("the clips should be there").map(|f| f.expect("a clip").path()).collect();
    clips.sort();
    clips
}

/// What a clip says: its name.
pub fn spoken(clip: &Path) -> String {
    clip.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The samples of a clip: mono, 16 kHz.
pub fn samples(clip: &Path) -> Vec<f32> {
    hearken::audio::wav::read(clip).unwrap_or_else(|e| panic!("{}: {e}", clip.display()))
}

/// `milliseconds` of quiet noise at about -70 dBFS, 16 kHz: a room, not digital silence.
pub fn quiet(milliseconds: usize) -> Vec<f32> {
    let mut state = 0x2545_F491u32;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state as f32 / u32::MAX as f32 - 0.5) * 0.001
    };
    (0..milliseconds * 16).map(|_| noise()).collect()
}

/// Clips one after the other with a second of quiet before, between and after them.
pub fn in_a_row(clips: &[PathBuf]) -> Vec<f32> {
    let mut sound = quiet(1000);
    for clip in clips {
        sound.extend(samples(clip));
        sound.extend(quiet(1000));
    }
    sound
}

/// A virtual ALSA microphone that plays a sound into whoever opens `alsa:mic0`, then silence.
pub struct VirtualMicrophone {
    dir: TempDir,
}

impl VirtualMicrophone {
    /// A microphone that hears `sound`, mono at 16 kHz.
    pub fn playing(sound: &[f32]) -> VirtualMicrophone {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join("mic0.raw"), at_48_khz(sound)).expect("the sound should be written");
        let path = dir.path().display();
        let conf = format!(
            "</usr/share/alsa/alsa.conf>\n\
             pcm_type.fakemic {{ lib \"{plugin}\" }}\n\
             pcm.mic0 {{ type fakemic infile \"{path}/mic0.raw\" ctl \"{path}/mic0.ctl\" rate {MICROPHONE_RATE} \
             channels 1 format S16_LE speed 1 strict 0 hint {{ show on description \"Virtual microphone\" }} }}\n",
            plugin = plugin().display(),
        );
        fs::write(dir.path().join("asound.conf"), conf).expect("asound.conf should be written");
        VirtualMicrophone { dir }
    }

    /// Makes `program` see this microphone and no other.
    pub fn plug_into<'c>(&self, program: &'c mut Command) -> &'c mut Command {
        program.env("ALSA_CONFIG_PATH", self.dir.path().join("asound.conf"))
    }
}

/// 16-bit samples at three times the rate, in between by straight lines: what that adds above 8 kHz, the resampler removes.
fn at_48_khz(sound: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(sound.len() * 6);
    for (i, sample) in sound.iter().enumerate() {
        let next = sound.get(i + 1).unwrap_or(sample);
        for third in 0..3 {
            let value = sample + (next - sample) * third as f32 / 3.0;
            bytes.extend(((value * 32_767.0) as i16).to_le_bytes());
        }
    }
    bytes
}

/// The compiled plug-in; compiled once a process.
fn plugin() -> &'static Path {
    static PLUGIN: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = PLUGIN.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("libasound_module_pcm_fakemic.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/fakemic.c");
        let compiled = Command::new("cc")
            .args(["-O2", "-Wall", "-shared", "-fPIC", "-DPIC", "-o"])
            .args([&path, &source])
            .arg("-lasound")
            .status()
            .expect("cc should be there: make setup installs it");
        assert!(compiled.success(), "fakemic.c should compile: make setup installs libasound2-dev");
        (dir, path)
    });
    path
}

/// A running program that is killed when the test is over, whatever its end.
pub struct Running(pub Child);

impl Running {
    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).expect("the program should be there");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
