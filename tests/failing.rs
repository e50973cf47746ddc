//! The whole daemon when a part of it dies, when it cannot keep up, and when the kernel refuses.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use hearken::act::gpio::simulated::SimulatedInputs;
use hearken::act::gpio::{GpioError, Level, OutputPins};
use hearken::audio::{AudioError, AudioSource, SAMPLE_RATE, SourceEvent};
use hearken::config;
use hearken::daemon::error::Error;
use hearken::daemon::{Options, Parts, serve};
use hearken::grammar::{Sentence, Slots};
use hearken::recognize::{Candidate, Heard, RecognizeError, Recognizer};
use hearken::report::destination::Destination;
use hearken::runtime::stop::Stop;
use hearken::utterance::draft::Drafts;
use rustix::process::{Resource, Rlimit, Signal, prlimit};
use serde_json::Value;
use tempfile::TempDir;

use crate::daemon::Daemon;
use crate::deciding::alone;
use crate::parts::{PinLog, heard};
use crate::support::{VirtualMicrophone, data, in_a_row, until};

/// One lamp that is remembered, and one command.
const LAMP: &str = r#"
board = "host"
[outputs.lamp]
pin = 17
active_low = true
remember = true
[[commands]]
name = "lamp"
say = "lamp"
set = { lamp = "on" }
"#;

/// Pins whose driver panics when the lamp is switched on, which is a low level.
struct Shaky(PinLog);

impl OutputPins for Shaky {
    fn set(&mut self, index: usize, level: Level) -> Result<(), GpioError> {
        assert!(level == Level::High, "as if the driver had a fault");
        self.0.set(index, level)
    }
}

/// Plays two parts; before the second it waits for the word. Then it is quiet, or panics.
struct Player {
    parts: [Vec<f32>; 2],
    at: Option<usize>,
    go_on: Receiver<()>,
    played: SyncSender<()>,
    panics: bool,
}

impl AudioSource for Player {
    fn read(&mut self, block: &mut [f32], _: Duration) -> Result<SourceEvent, AudioError> {
        let Some(at) = self.at else {
            self.at = Some(0);
            return Ok(SourceEvent::Opened { rate: SAMPLE_RATE });
        };
        let first = self.parts[0].len();
        if at == first {
            self.go_on.recv().expect("the word should come");
        }
        let rest = if at < first { &self.parts[0][at..] } else { &self.parts[1][at - first..] };
        assert!(!(rest.is_empty() && self.panics), "as if the listener had a fault");
        if rest.is_empty() {
            let _ = self.played.try_send(());
            std::thread::yield_now();
        }
        let filled = rest.len().min(block.len());
        block[..filled].copy_from_slice(&rest[..filled]);
        self.at = Some(at + filled);
        Ok(SourceEvent::Samples(filled))
    }
}

/// Hears "lamp on", unless the closure says no.
struct Scripted<F>(F);

impl<F: FnMut() -> Result<(), String>> Recognizer for Scripted<F> {
    fn hear(&mut self, _: &[f32]) -> Result<Heard, RecognizeError> {
        (self.0)().map_err(RecognizeError::Sound)?;
        let sentence = Sentence { command: 0, words: "lamp on".into(), slots: Slots::new() };
        Ok(heard("Lamp on.", Some(Candidate { sentence, rank: -1.0, joint: -1.0, tokens: 3, lead: 9.0 })))
    }

    /// The script is for whole utterances.
    fn hear_draft(&mut self, _: &[f32], _: &Drafts, _: u64) -> Result<Option<Heard>, RecognizeError> {
        Ok(None)
    }
}

struct AskOnDrop(Stop);

impl Drop for AskOnDrop {
    fn drop(&mut self) {
        self.0.ask();
    }
}

/// A daemon without a device: its source and recognizer are the test's.
struct Stage {
    pins: PinLog,
    scratch: TempDir,
    events: TempDir,
    stop: Stop,
    numbers: Arc<AtomicU64>,
}

impl Stage {
    fn new() -> Stage {
        let scratch = tempfile::tempdir_in("/dev/shm").unwrap();
        Stage {
            pins: PinLog::default(),
            scratch,
            events: tempfile::tempdir().unwrap(),
            stop: Stop::default(),
            numbers: Arc::default(),
        }
    }

    fn serve(&self, source: Player, recognizer: impl Recognizer + 'static) -> Result<(), Error> {
        self.serve_with(Box::new(self.pins.clone()), source, recognizer)
    }

    fn serve_with(
        &self,
        pins: Box<dyn OutputPins>,
        source: Player,
        recognizer: impl Recognizer + 'static,
    ) -> Result<(), Error> {
        let (source, recognizer) = (Box::new(source), Box::new(recognizer));
        let parts =
            Parts { source, microphone: None, recognizer, pins, inputs: Box::new(SimulatedInputs::claim(None, &[])) };
        let mut settings = config::parse("failing.toml", LAMP).unwrap();
        // What the script hears is a command, whatever the weights are.
        settings.thresholds.offset = 100.0;
        let options = Options {
            events: Some(Destination::File(self.events.path().join("events"))),
            watch: false,
            scratch: Some(self.scratch.path().into()),
            state: Some(self.events.path().into()),
            numbers: self.numbers.clone(),
            ..Options::default()
        };
        serve(parts, &settings, &options, &self.stop)
    }

    /// Asks the daemon to stop once it has told of so many utterances.
    fn stop_after(&self, utterances: usize) {
        let (stop, events) = (self.stop.clone(), self.events.path().join("events"));
        std::thread::spawn(move || {
            let told = || std::fs::read_to_string(&events).map_or(0, |text| text.matches("\"utterance\"").count());
            // Asked in any case: a test that waits for more must fail, not hang.
            let _ask = AskOnDrop(stop);
            until("so many utterances", || told() == utterances);
        });
    }

    /// Numbers and rules of the utterances that were told of.
    fn told(&self) -> Vec<(u64, String)> {
        let text = std::fs::read_to_string(self.events.path().join("events")).unwrap();
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events
            .filter_map(|e| Some((e["utterance"].as_u64()?, e["rule"].as_str().unwrap_or("accepted").to_string())))
            .collect()
    }

    fn is_at_rest_and_empty(&self) -> bool {
        let rested = self.pins.last()[0] == Some(Level::High);
        rested && files(self.scratch.path()) == 0
    }
}

fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

fn player(sentences: [usize; 2]) -> (Player, Sender<()>, Receiver<()>) {
    let (go_on, word) = channel();
    let (played, done) = sync_channel(1);
    let parts = sentences.map(|n| in_a_row(&vec![data("home/turn on the lights.wav"); n]));
    (Player { parts, at: None, go_on: word, played, panics: false }, go_on, done)
}

#[test]
fn utterances_that_come_faster_than_they_are_decided_displace_the_oldest_and_the_latest_is_decided() {
    let stage = Stage::new();
    let (source, go_on, played) = player([1, 4]);
    let mut calls = 0;
    let recognizer = Scripted(move || {
        calls += 1;
        if calls == 1 {
            go_on.send(()).unwrap();
            played.recv().unwrap();
        }
        Ok(())
    });
    stage.stop_after(5);
    stage.serve(source, recognizer).unwrap();
    let mut told = stage.told();
    told.sort();
    let expected = [(1, "accepted"), (2, "lost"), (3, "lost"), (4, "accepted"), (5, "accepted")];
    assert_eq!(told, expected.map(|(number, rule)| (number, rule.to_string())));
    assert!(stage.is_at_rest_and_empty());
}

#[test]
fn a_reload_reports_what_waits_as_lost_and_the_numbers_go_on() {
    let mut stage = Stage::new();
    let (source, go_on, played) = player([1, 4]);
    let stop = stage.stop.clone();
    let recognizer = Scripted(move || {
        go_on.send(()).unwrap();
        played.recv().unwrap();
        stop.begin_again();
        Ok(())
    });
    stage.serve(source, recognizer).unwrap();
    let mut told = stage.told();
    told.sort();
    let numbers: Vec<u64> = told.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert!(told[1..].iter().all(|(_, rule)| rule == "lost"), "{told:?}");
    stage.stop = stage.stop.next().unwrap();
    let (source, go_on, _played) = player([1, 0]);
    go_on.send(()).unwrap();
    stage.stop_after(6);
    stage.serve(source, Scripted(|| Ok(()))).unwrap();
    assert_eq!(stage.told().last().unwrap(), &(6, "accepted".to_string()));
}

#[test]
fn a_recognizer_that_dies_takes_the_daemon_down_with_pins_at_rest_and_nothing_in_scratch() {
    let stage = Stage::new();
    let (source, go_on, _played) = player([1, 1]);
    go_on.send(()).unwrap();
    let recognizer = Scripted(|| panic!("as if the library had a fault"));
    let died = catch_unwind(AssertUnwindSafe(|| stage.serve(source, recognizer)));
    assert!(died.is_err());
    assert!(stage.is_at_rest_and_empty());
}

#[test]
fn a_listener_that_dies_takes_the_daemon_down_with_pins_at_rest_and_nothing_in_scratch() {
    let stage = Stage::new();
    let (source, go_on, _played) = player([1, 0]);
    go_on.send(()).unwrap();
    let ended = stage.serve(Player { panics: true, ..source }, Scripted(|| Ok(())));
    assert!(matches!(ended, Err(Error::Panicked("listener"))), "{ended:?}");
    assert!(stage.is_at_rest_and_empty());
}

#[test]
fn an_actuator_that_dies_takes_the_daemon_down_with_pins_at_rest_and_nothing_in_scratch() {
    let stage = Stage::new();
    let (source, go_on, _played) = player([1, 1]);
    go_on.send(()).unwrap();
    let ended = stage.serve_with(Box::new(Shaky(stage.pins.clone())), source, Scripted(|| Ok(())));
    assert!(matches!(ended, Err(Error::Panicked("actuator"))), "{ended:?}");
    assert!(stage.is_at_rest_and_empty());
}

#[test]
fn an_error_of_the_recognizer_costs_one_utterance() {
    let stage = Stage::new();
    let (source, go_on, _played) = player([1, 1]);
    go_on.send(()).unwrap();
    let mut calls = 0;
    let recognizer = Scripted(move || {
        calls += 1;
        if calls == 1 { Err("as if the library said no".into()) } else { Ok(()) }
    });
    stage.stop_after(2);
    stage.serve(source, recognizer).unwrap();
    assert_eq!(stage.told(), [(1, "lost".into()), (2, "accepted".into())]);
    assert!(stage.is_at_rest_and_empty());
}

/// Whether this machine lets us make namespaces; a container may not.
fn namespaces() -> bool {
    let allowed = std::process::Command::new("unshare").args(["--user", "--map-root-user", "--mount", "true"]).status();
    let allowed = allowed.is_ok_and(|status| status.success());
    if !allowed {
        println!("no namespaces here: this part is left out");
    }
    allowed
}

#[test]
fn when_the_kernel_refuses_a_recording_the_utterance_is_lost_with_the_reason_and_the_daemon_goes_on() {
    if !namespaces() {
        return;
    }
    let _alone = alone();
    let mount = |options: &str| format!("mount -t tmpfs -o {options} tmpfs \"$SCRATCH\" && exec \"$0\" \"$@\"");
    let (small, read_only) = (mount("size=16k"), mount("ro"));
    let mapped = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"];
    let cases: [(Vec<&str>, &str); 3] = [
        ([&mapped[..], &[&small]].concat(), "No space left on device"),
        ([&mapped[..], &[&read_only]].concat(), "Read-only file system"),
        // Without root's rights, in a directory whose owner may not write.
        (vec!["unshare", "--user", "sh", "-c", "chmod 500 \"$SCRATCH\"; exec \"$0\" \"$@\""], "Permission denied"),
    ];
    for (wrapper, words) in cases {
        let sentence = in_a_row(&[data("home/turn on the lights.wav")]);
        let mut daemon = Daemon::wrapped(&wrapper, VirtualMicrophone::playing(&sentence));
        let event = daemon.event();
        assert_eq!(event["rule"], "lost", "{event}");
        assert!(event["reason"].as_str().is_some_and(|r| r.contains(words)), "{event}");
        daemon.running.signal(Signal::TERM);
        let (code, log) = daemon.ended();
        assert_eq!(code, Some(0), "{log}");
        assert_eq!(daemon.files_in_scratch(), 0);
    }
}

fn lowest_free_descriptor(daemon: &Daemon) -> u64 {
    let open = std::path::PathBuf::from(format!("/proc/{}/fd", daemon.running.0.id()));
    (0..).find(|fd| !open.join(fd.to_string()).is_symlink()).unwrap()
}

#[test]
fn without_a_free_descriptor_an_utterance_is_lost_and_the_next_one_is_decided_when_there_is_one_again() {
    let _alone = alone();
    let sentences = in_a_row(&vec![data("home/turn on the lights.wav"); 2]);
    let mut daemon = Daemon::on(VirtualMicrophone::playing(&sentences), "");
    daemon.until_microphone_is("open");
    let pid = Some(rustix::process::Pid::from_child(&daemon.running.0));
    let limit = |most| prlimit(pid, Resource::Nofile, Rlimit { current: Some(most), maximum: Some(4096) }).unwrap();
    limit(lowest_free_descriptor(&daemon));
    let event = daemon.event();
    assert!(event["reason"].as_str().is_some_and(|r| r.contains("Too many open files")), "{event}");
    limit(1024);
    let event = daemon.event();
    assert_eq!(event["sentence"], "turn on the lights", "{event}");
    daemon.running.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Some(0));
}

#[test]
fn a_stop_before_anything_was_done_forgets_nothing() {
    let stage = Stage::new();
    let memory = stage.events.path().join("outputs.json");
    std::fs::write(&memory, "{\"lamp\":1000}").unwrap();
    stage.stop.ask();
    let (source, go_on, _played) = player([1, 1]);
    drop(go_on);
    stage.serve(source, Scripted(|| Ok(()))).unwrap();
    assert_eq!(std::fs::read_to_string(&memory).unwrap(), "{\"lamp\":1000}");
    assert_eq!(stage.pins.last()[0], Some(Level::High), "at rest");
}
