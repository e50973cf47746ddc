//! `make demo`: the real daemon on a virtual microphone that plays recorded sentences. Ends with 1 if a decision is wrong.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/words.rs"]
mod words;

use support::{Running, VirtualMicrophone, data, in_a_row, program, spoken};

/// What is played, and the sentence that must be decided; `None` must be refused.
const PLAYED: [(&str, Option<&str>); 14] = [
    ("home/turn on the Kitchen lights.wav", Some("turn on the kitchen lights")),
    ("home/turn on the TV.wav", Some("turn on the TV")),
    ("other/tell me a joke.wav", None),
    ("home/turn Bed Light on.wav", Some("turn bed light on")),
    ("home/unlock the Front Door.wav", Some("unlock the front door")),
    ("other/unlock the frozen door.wav", None),
    ("home/open the Sliding Door.wav", Some("open the sliding door")),
    ("other/turn of the century lights.wav", None),
    ("home/set brightness to 50 percent.wav", Some("set brightness to 50 percent")),
    ("home/turn off all of the lights in the Kitchen.wav", Some("turn off all of the lights in the kitchen")),
    ("home/turn off all of the Kitchen lights.wav", Some("turn off all of the kitchen lights")),
    ("other/my light jacket is in the bedroom.wav", None),
    ("home/turn off TV.wav", Some("turn off TV")),
    ("home/what's the time.wav", Some("what's the time")),
];

/// Milliseconds that the virtual microphone delivers at a time.
const PERIOD_MS: f64 = 20.0;
/// Milliseconds of quiet before each clip.
const QUIET_MS: f64 = 1000.0;

/// More than the daemon needs to start and to decide its last utterance on the slowest machine.
const TIMEOUT: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    match demonstrate() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demonstrate() -> io::Result<bool> {
    let clips: Vec<PathBuf> = PLAYED.iter().map(|(clip, _)| data(clip)).collect();
    let sound = in_a_row(&clips);
    let length = Duration::from_secs(sound.len() as u64 / 16_000);
    let scratch = tempfile::tempdir_in("/dev/shm")?;
    let microphone = VirtualMicrophone::playing(&sound);
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo/hearken.toml");
    println!("The daemon hears {} sentences in {} s, from a virtual ALSA microphone.\n", clips.len(), length.as_secs());
    let mut command = Command::new(program());
    command.args(["run", "--watch", "--events", "-", "--config"]).arg(config).arg("--scratch").arg(scratch.path());
    let mut daemon = Running(microphone.plug_into(&mut command).stdout(Stdio::piped()).spawn()?);
    give_up_after(&daemon, length + TIMEOUT);
    let stdout = daemon.0.stdout.take().expect("its output should be piped");
    let mut events: Vec<(Value, f64)> = Vec::new();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        match serde_json::from_str(&line) {
            Ok(event) if event.get("utterance").is_some() => events.push((event, heard_until(&microphone))),
            Ok(Value::Object(_)) => {}
            _ => println!("{line}"),
        }
        if events.len() == clips.len() {
            daemon.signal(Signal::TERM);
            break;
        }
    }
    let code = daemon.0.wait()?.code();
    Ok(report(&clips, &events, code, scratch.path()))
}

/// How much of the sound was played, in milliseconds, by the microphone's own clock: what was delivered, and the period
/// that may be under way.
fn heard_until(microphone: &VirtualMicrophone) -> f64 {
    microphone.frames_delivered() as f64 / 48.0 + PERIOD_MS
}

/// When the last word of each clip ends in the row, in milliseconds.
fn word_ends(clips: &[PathBuf]) -> Vec<f64> {
    let mut at = QUIET_MS;
    let ends = clips.iter().map(|clip| {
        let sound = support::samples(clip);
        let end = at + words::word_end(&sound) as f64 / 16.0;
        at += sound.len() as f64 / 16.0 + QUIET_MS;
        end
    });
    ends.collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A daemon that misses a sentence would be waited for without end.
fn give_up_after(daemon: &Running, limit: Duration) {
    let pid = rustix::process::Pid::from_child(&daemon.0);
    thread::spawn(move || {
        thread::sleep(limit);
        eprintln!("demo: no decision on every sentence within {} s", limit.as_secs());
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    });
}

/// Prints the table; whether all is as it must be.
fn report(clips: &[PathBuf], events: &[(Value, f64)], code: Option<i32>, scratch: &Path) -> bool {
    println!("\n{:2} {:<45} {:<42} {:<28} {:>6}", "", "spoken", "decided", "pin", "ms");
    let (mut right, mut felt) = (0, Vec::new());
    for ((i, clip), word_end) in clips.iter().enumerate().zip(word_ends(clips)) {
        let (event, heard_until) = events.get(i).unwrap_or(&(Value::Null, f64::NAN));
        let decided = event["sentence"].as_str();
        let ok = !event.is_null() && decided == PLAYED[i].1;
        right += usize::from(ok);
        let shown =
            decided.map_or_else(|| format!("refused ({})", event["rule"].as_str().unwrap_or("missed")), String::from);
        let pins: Vec<String> = event["outputs"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|o| ["output", "pin", "state"].map(|k| o[k].as_str().unwrap_or("?")).join(" "))
            .collect();
        let ms = heard_until - word_end;
        if decided.is_some() {
            felt.push(ms);
        }
        let mark = if ok { "ok" } else { "NO" };
        println!("{mark} {:<45} {shown:<42} {:<28} {ms:>6.0}", spoken(clip), pins.join(", "));
    }
    let (files, bytes) = left(scratch);
    let used = events.last().map_or(0, |(e, _)| e["scratch"]["high_water"].as_u64().unwrap_or(0));
    println!(
        "\nms: from the end of the last word to the pin, {:.0} for half of the commands. One that more words could change",
        median(felt)
    );
    println!(
        "waits for a silence of 600 ms. A refusal does the same, and what is only the beginning of a sentence waits longer."
    );
    println!("scratch: {files} files, {bytes} bytes (at most {used} while it ran)");
    println!(
        "{right} of {} decisions are right; the daemon ended with {}",
        clips.len(),
        code.map_or("a signal".into(), |c| c.to_string())
    );
    println!("Next: README.md, \"From box to lamp\", for your own sentences, microphone and pins.");
    right == clips.len() && (files, bytes) == (0, 0) && code == Some(0)
}

/// Files and bytes in a directory.
fn left(dir: &Path) -> (usize, u64) {
    let files: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().collect();
    (files.len(), files.iter().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum())
}
