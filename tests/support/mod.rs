//! What the tests, the demonstration and the benchmarks share: a virtual ALSA microphone, and the clips.
//!
//! The microphone is the real path cpal -> libasound; a plug-in, `fakemic.c`, stands in for the kernel's driver.

#![allow(dead_code, reason = "each of them uses a part of it")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
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
    hearken::audio::file::read(clip).unwrap_or_else(|e| panic!("{}: {e}", clip.display()))
}

/// The program that was built with this one.
pub fn program() -> PathBuf {
    let here = std::env::current_exe().expect("a program should know its own path");
    here.ancestors().map(|dir| dir.join("hearken")).find(|p| p.is_file()).unwrap_or_else(|| "hearken".into())
}

/// Processor time that a process has used, in the kernel's ticks of 10 ms: proc_pid_stat(5).
pub fn processor_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process should be there");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// Waits until `done`, for a minute at most.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} should have come about");
        std::thread::sleep(Duration::from_millis(2));
    }
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

/// What can be wrong with a [`VirtualMicrophone`], in the order of `fakemic.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    None,
    /// One overrun.
    Overrun,
    /// Gone, and cannot be opened.
    Unplugged,
    Suspended,
    /// Delivers nothing and says nothing.
    Stalled,
    /// Fails at every call, half a million times a second.
    Broken,
    SuspendedForGood,
    /// Cannot be opened; an open stream goes on.
    Busy,
}

/// A virtual ALSA microphone that plays a sound into whoever opens `alsa:mic0`, then silence. Each opening plays it anew.
pub struct VirtualMicrophone {
    dir: TempDir,
}

impl VirtualMicrophone {
    /// A microphone that hears `sound`, mono at 16 kHz.
    pub fn playing(sound: &[f32]) -> VirtualMicrophone {
        VirtualMicrophone::with(sound, "speed 1")
    }

    /// As [`VirtualMicrophone::playing`], with more of `fakemic.c`'s settings: `speed 24 loop 1`.
    pub fn with(sound: &[f32], settings: &str) -> VirtualMicrophone {
        let microphone = VirtualMicrophone { dir: tempfile::tempdir().expect("a temporary directory") };
        fs::write(microphone.file("mic0.raw"), at_48_khz(sound)).expect("the sound should be written");
        fs::write(microphone.file("mic0.ctl"), [0; 4096]).expect("the controls should be written");
        microphone.configure("mic0", settings);
        microphone
    }

    /// Plays `sound` too, after what it has played, and silence.
    pub fn goes_on_with(&self, sound: &[f32]) {
        let raw = fs::File::options().append(true).open(self.file("mic0.raw"));
        raw.and_then(|mut raw| raw.write_all(&at_48_khz(sound))).expect("the sound should be written");
    }

    fn configure(&self, id: &str, settings: &str) {
        let conf = format!(
            "</usr/share/alsa/alsa.conf>\n\
             pcm_type.fakemic {{ lib \"{plugin}\" }}\n\
             pcm.{id} {{ type fakemic infile \"{raw}\" ctl \"{ctl}\" rate {MICROPHONE_RATE} \
             channels 1 format S16_LE {settings} hint {{ show on description \"Virtual microphone\" }} }}\n",
            plugin = plugin().display(),
            raw = self.file("mic0.raw").display(),
            ctl = self.file("mic0.ctl").display(),
        );
        fs::write(self.file("asound.conf"), conf).expect("asound.conf should be written");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn control(&self, at: u64, value: u32) {
        let controls = fs::File::options().write(true).open(self.file("mic0.ctl")).expect("the controls");
        controls.write_all_at(&value.to_le_bytes(), at).expect("the controls should be written");
    }

    /// Makes `fault` happen; [`Fault::None`] ends it.
    pub fn fault(&self, fault: Fault) {
        self.control(0, fault as u32);
    }

    /// Makes a `fault` happen that passes by itself, and waits until it has.
    pub fn passing(&self, fault: Fault) {
        self.fault(fault);
        let controls = fs::File::open(self.file("mic0.ctl")).expect("the controls");
        until("the end of the fault", || {
            let mut now = [1; 4];
            controls.read_exact_at(&mut now, 0).expect("the controls should be read");
            now == [0; 4]
        });
    }

    /// Frames that it has delivered so far, over all openings.
    pub fn frames_delivered(&self) -> u64 {
        let controls = fs::File::open(self.file("mic0.ctl")).expect("the controls");
        let mut frames = [0; 8];
        controls.read_exact_at(&mut frames, 8).expect("the controls should be read");
        u64::from_le_bytes(frames)
    }

    /// From the next opening on it hears `sound`, as another device with `rate` 16000 or 48000.
    pub fn becomes(&self, rate: u32, sound: &[f32]) {
        let bytes: Vec<u8> = match rate {
            16_000 => sound.iter().flat_map(|s| ((s * 32_767.0) as i16).to_le_bytes()).collect(),
            _ => at_48_khz(sound),
        };
        fs::write(self.file("mic0.raw"), bytes).expect("the sound should be written");
        self.control(28, rate);
    }

    /// Calls it `id` from now on: any other id than `mic0` makes `mic0` unknown.
    pub fn is_called(&self, id: &str) {
        self.configure(id, "speed 1");
    }

    /// Makes `program` see this microphone and no other.
    pub fn plug_into<'c>(&self, program: &'c mut Command) -> &'c mut Command {
        program.env("ALSA_CONFIG_PATH", self.file("asound.conf"))
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

/// So many programs that do nothing but use a processor each. They look for this process, and end when it is gone:
/// they do so however it ends.
pub fn busy(programs: usize) -> Vec<Running> {
    let start = || Command::new("sh").args(["-c", "while kill -0 $PPID; do :; done"]).stderr(Stdio::null()).spawn();
    (0..programs).map(|_| Running(start().expect("sh should be there"))).collect()
}

/// Longest that a test waits for a program.
const TIMEOUT: Timespec = Timespec { tv_sec: 180, tv_nsec: 0 };

impl Running {
    /// A program that is killed if it runs for three minutes: what waits for it then fails instead of waiting for ever.
    pub fn watched(child: Child) -> Running {
        let pid = rustix::process::Pid::from_child(&child);
        let program = pidfd_open(pid, PidfdFlags::empty()).expect("the program should be there");
        std::thread::spawn(move || {
            let ended = poll(&mut [PollFd::new(&program, PollFlags::IN)], Some(&TIMEOUT));
            if ended == Ok(0) {
                let _ = pidfd_send_signal(&program, rustix::process::Signal::KILL);
            }
        });
        Running(child)
    }

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
