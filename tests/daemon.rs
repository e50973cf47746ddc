//! The built daemon: a virtual microphone in, simulated pins out, signals from outside.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::time::Duration;

use hearken::runtime::status::Question;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::deciding::alone;
use crate::program::hearken;
use crate::support::{Fault, Running, VirtualMicrophone, data, in_a_row, quiet, until};

pub const CONFIG: &str = r#"
board = "host"
[microphone]
device = "alsa:mic0"
[recognizer]
deadline = "60 s"
[gpio]
backend = "simulated"
state = "PINS"
inputs = "BUTTONS"
[outputs.lights]
pin = 17
[outputs.tv]
pin = 22
active_low = true
[outputs.bell]
pin = 27
rest = "on"
[lists]
state = ["on", "off"]
[[commands]]
name = "lights"
say = ["turn {state} [the] lights", "turn [the] lights {state}"]
set = { lights = "{state}" }
[[commands]]
name = "tv"
say = ["turn {state} [the] TV"]
set = { tv = "{state}" }
[[commands]]
name = "time"
say = ["(what's|what is) the time"]
"#;

/// A running daemon with a virtual microphone and simulated pins.
pub struct Daemon {
    pub running: Running,
    events: Lines<BufReader<ChildStdout>>,
    log: BufReader<ChildStderr>,
    dir: TempDir,
    pub scratch: TempDir,
    pub microphone: VirtualMicrophone,
}

impl Daemon {
    fn hearing(clips: &[&str], arguments: &[&str]) -> Daemon {
        let scratch = tempfile::tempdir_in("/dev/shm").unwrap();
        Daemon::with_scratch(scratch.path().to_path_buf(), scratch, clips, arguments)
    }

    /// As [`Daemon::hearing`], but recording into `place`.
    fn with_scratch(place: PathBuf, scratch: TempDir, clips: &[&str], arguments: &[&str]) -> Daemon {
        let clips: Vec<PathBuf> = clips.iter().map(|c| data(c)).collect();
        Daemon::start(&[], VirtualMicrophone::playing(&in_a_row(&clips)), CONFIG, place, scratch, arguments)
    }

    /// A daemon on `microphone` with the configuration and `more`, which tells what happens.
    pub fn on(microphone: VirtualMicrophone, more: &str) -> Daemon {
        Daemon::configured(microphone, &format!("{CONFIG}{more}"))
    }

    /// A daemon on `microphone` with this configuration, which tells what happens.
    pub fn configured(microphone: VirtualMicrophone, config: &str) -> Daemon {
        let scratch = tempfile::tempdir_in("/dev/shm").unwrap();
        let place = scratch.path().to_path_buf();
        Daemon::start(&[], microphone, config, place, scratch, &["--events", "-"])
    }

    /// A daemon that `wrapper` starts, with the scratch directory in `$SCRATCH`.
    pub fn wrapped(wrapper: &[&str], microphone: VirtualMicrophone) -> Daemon {
        let scratch = tempfile::tempdir_in("/dev/shm").unwrap();
        let place = scratch.path().to_path_buf();
        Daemon::start(wrapper, microphone, CONFIG, place, scratch, &["--events", "-"])
    }

    fn start(
        wrapper: &[&str],
        microphone: VirtualMicrophone,
        config: &str,
        place: PathBuf,
        scratch: TempDir,
        arguments: &[&str],
    ) -> Daemon {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let config = config.replace("PINS", &at("pins")).replace("BUTTONS", &at("buttons"));
        fs::write(dir.path().join("hearken.toml"), config).unwrap();
        Daemon::start_in(dir, wrapper, microphone, place, scratch, arguments)
    }

    fn start_in(
        dir: TempDir,
        wrapper: &[&str],
        microphone: VirtualMicrophone,
        place: PathBuf,
        scratch: TempDir,
        arguments: &[&str],
    ) -> Daemon {
        let file = dir.path().join("hearken.toml");
        let mut command = match wrapper {
            [] => hearken(),
            [program, rest @ ..] => {
                let mut command = Command::new(program);
                command.args(rest).arg(hearken().get_program()).env("SCRATCH", &place);
                command
            }
        };
        command.arg("run").arg("--config").arg(&file).arg("--scratch").arg(place).args(arguments);
        command.arg("--state").arg(dir.path().join("state"));
        let mut child =
            microphone.plug_into(&mut command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let events = BufReader::new(child.stdout.take().unwrap()).lines();
        let log = BufReader::new(child.stderr.take().unwrap());
        Daemon { running: Running::watched(child), events, log, dir, scratch, microphone }
    }

    /// Starts it once more, with all that it left behind.
    fn again(self) -> Daemon {
        let Daemon { dir, scratch, microphone, .. } = self;
        let place = scratch.path().to_path_buf();
        Daemon::start_in(dir, &[], microphone, place, scratch, &["--events", "-"])
    }

    /// The next event, whatever it is about.
    pub fn news(&mut self) -> Value {
        let line = self.events.next().expect("an event should come").unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
    }

    /// The next event about an utterance.
    pub fn event(&mut self) -> Value {
        loop {
            let event = self.news();
            if event.get("utterance").is_some() {
                return event;
            }
        }
    }

    /// Waits until the microphone is in `state`.
    pub fn until_microphone_is(&mut self, state: &str) -> Value {
        loop {
            let event = self.news();
            if event["microphone"] == state {
                return event;
            }
        }
    }

    /// Presses the first button, whose contact joins this line to ground.
    pub fn press(&self, line: &str) {
        let ask = || hearken::runtime::status::ask(self.scratch.path(), Question::Status);
        until("the buttons are looked at", || ask().is_ok_and(|status| status["buttons"][0]["pressed"] == false));
        fs::write(self.dir.path().join("buttons"), format!("{line} 0\n")).unwrap();
    }

    pub fn pins(&self) -> String {
        fs::read_to_string(self.dir.path().join("pins")).unwrap()
    }

    /// Waits for its end; its exit code and its log.
    pub fn ended(&mut self) -> (Option<i32>, String) {
        let log = std::io::read_to_string(&mut self.log).unwrap();
        (self.running.0.wait().unwrap().code(), log)
    }

    /// What it tells about itself.
    pub fn status(&self) -> Value {
        hearken::runtime::status::ask(self.scratch.path(), Question::Status).unwrap()
    }

    /// Waits for a line of the log that contains `words`; the log up to there.
    pub fn log_until(&mut self, words: &str) -> String {
        let (mut log, mut begun) = (String::new(), 0);
        while self.log.read_line(&mut log).unwrap() > 0 {
            if log[begun..].contains(words) {
                return log;
            }
            begun = log.len();
        }
        panic!("{words:?} should be in the log: {log}");
    }

    /// Files in scratch, the socket of the status not counted.
    pub fn files_in_scratch(&self) -> usize {
        fs::read_dir(self.scratch.path())
            .unwrap()
            .filter(|f| f.as_ref().unwrap().file_type().unwrap().is_file())
            .count()
    }

    /// Descriptors of the running daemon that lead into scratch.
    fn recordings_open(&self) -> usize {
        let fds = format!("/proc/{}/fd", self.running.0.id());
        let into = |fd: PathBuf| fs::read_link(fd).is_ok_and(|to| Path::new(&to).starts_with(self.scratch.path()));
        fs::read_dir(fds).unwrap().filter(|fd| into(fd.as_ref().unwrap().path())).count()
    }
}

/// A desk lamp that is dimmed and remembered, and buttons for it.
const DESK: &str = r#"
[outputs.desk]
pin = 18
pwm = "200 Hz"
fade = "100 ms"
remember = true
[buttons.half]
pin = 5
command = "half"
[buttons.tv]
pin = 6
active_low = false
command = "tv-over"
[[commands]]
name = "half"
say = "make it cosy in here"
set = { desk = 50 }
[[commands]]
name = "tv-over"
say = "switch the TV over"
toggle = "tv"
"#;

const RESTING: &str = "GPIO17 0\nGPIO22 1\nGPIO27 1\n";

#[test]
fn spoken_sentences_switch_pins_others_do_not_and_sigterm_leaves_all_at_rest() {
    let _alone = alone();
    let clips = [
        "home/turn on the lights.wav",
        "other/tell me a joke.wav",
        "home/turn on the TV.wav",
        "home/turn the lights off in here.wav",
        "home/turn the lights on.wav",
        "home/what's the time.wav",
    ];
    let mut daemon = Daemon::hearing(&clips[..1], &["--events", "-"]);
    // The fourth is none of this configuration's sentences: "in here" is not in it.
    let expected = [
        (Some("turn on the lights"), "GPIO17 1\nGPIO22 1\nGPIO27 1\n"),
        (None, "GPIO17 1\nGPIO22 1\nGPIO27 1\n"),
        (Some("turn on the TV"), "GPIO17 1\nGPIO22 0\nGPIO27 1\n"),
        (None, "GPIO17 1\nGPIO22 0\nGPIO27 1\n"),
        (Some("turn the lights on"), "GPIO17 1\nGPIO22 0\nGPIO27 1\n"),
        (Some("what's the time"), "GPIO17 1\nGPIO22 0\nGPIO27 1\n"),
    ];
    for (i, (sentence, pins)) in expected.into_iter().enumerate() {
        let event = daemon.event();
        assert_eq!(event["utterance"], i + 1, "{event}");
        assert_eq!(event["sentence"].as_str(), sentence, "{event}");
        assert_eq!(event["verdict"], if sentence.is_some() { "accepted" } else { "rejected" }, "{event}");
        assert_eq!(daemon.pins(), pins, "{event}");
        assert!(event["latency_ms"].is_number() && event["scratch"]["used"].as_u64() > Some(0), "{event}");
        assert_eq!(daemon.files_in_scratch(), 0);
        if let Some(next) = clips.get(i + 1) {
            // However slow the machine is, no utterance comes before the last one was decided.
            daemon.microphone.goes_on_with(&in_a_row(&[data(next)]));
        }
    }
    daemon.running.signal(Signal::TERM);
    let (code, log) = daemon.ended();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(daemon.pins(), RESTING);
    assert_eq!(daemon.files_in_scratch(), 0);
    assert!(log.contains("waiting for sound") && log.contains("stopping, as asked"), "{log}");
    assert!(!log.contains("joke") && !log.contains("turn on"), "no words in the log: {log}");
}

#[test]
fn pins_are_at_rest_before_it_listens_and_sigint_ends_it_with_0() {
    let _alone = alone();
    let mut daemon = Daemon::hearing(&["home/turn on the lights.wav"], &["--events", "-"]);
    let event = daemon.event();
    assert_eq!(event["outputs"], serde_json::json!([{"output": "lights", "pin": "GPIO17", "state": "on"}]));
    assert_eq!(daemon.recordings_open(), 0, "the recording is gone once it is decided");
    daemon.running.signal(Signal::INT);
    assert_eq!(daemon.ended().0, Some(0));
    assert_eq!(daemon.pins(), RESTING);
}

#[test]
fn sigkill_sigterm_and_an_abort_in_the_middle_of_a_recording_leave_nothing_of_it() {
    let _alone = alone();
    for (signal, code) in [(Signal::KILL, None), (Signal::ABORT, None), (Signal::TERM, Some(0))] {
        let mut daemon = Daemon::hearing(&["home/create a timer for 4 and a half hours.wav"; 3], &["--watch"]);
        // While it records, as the display says.
        let speaking = daemon.events.find(|line| line.as_ref().is_ok_and(|l| l.contains("speech,")));
        assert!(speaking.is_some(), "{}", daemon.ended().1);
        assert_eq!(daemon.recordings_open(), 1);
        assert_eq!(daemon.files_in_scratch(), 0);
        daemon.running.signal(signal);
        assert_eq!(daemon.ended().0, code);
        assert_eq!(daemon.files_in_scratch(), 0);
    }
}

#[test]
fn the_debug_log_tells_of_each_recording_from_its_creation_to_its_deletion() {
    let _alone = alone();
    let sound = in_a_row(&[data("home/turn on the lights.wav")]);
    let wrapper = ["env", "RUST_LOG=hearken=debug"];
    let mut daemon = Daemon::wrapped(&wrapper, VirtualMicrophone::playing(&sound));
    let bytes = daemon.event()["duration_ms"].as_u64().unwrap() * 32;
    daemon.running.signal(Signal::TERM);
    let (_, log) = daemon.ended();
    let lines = ["recording utterance=1", "sealed utterance=1 bytes=", "deleted utterance=1 bytes="];
    for line in lines.map(|line| if line.ends_with('=') { format!("{line}{bytes}") } else { line.into() }) {
        assert_eq!(log.matches(&line).count(), 1, "{line}: {log}");
    }
}

#[test]
fn a_pipe_that_nobody_reads_does_not_keep_it_from_ending() {
    let _alone = alone();
    let (_unread, full) = rustix::pipe::pipe().unwrap();
    rustix::fs::fcntl_setfl(&full, rustix::fs::OFlags::NONBLOCK).unwrap();
    while rustix::io::write(&full, &[b'x'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&full, rustix::fs::OFlags::empty()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("hearken.toml");
    fs::write(&config, CONFIG.replace("PINS", &dir.path().join("pins").display().to_string())).unwrap();
    let microphone = VirtualMicrophone::playing(&in_a_row(&[data("home/turn on the lights.wav")]));
    let mut command = hearken();
    command.args(["run", "--watch", "--config"]).arg(&config).stdout(full).stderr(Stdio::piped());
    let mut running = Running::watched(microphone.plug_into(&mut command).spawn().unwrap());
    let mut log = BufReader::new(running.0.stderr.take().unwrap()).lines();
    assert!(log.any(|line| line.is_ok_and(|l| l.contains("accepted"))));
    running.signal(Signal::TERM);
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
    assert_eq!(fs::read_to_string(dir.path().join("pins")).unwrap(), RESTING);
}

#[test]
fn without_tmpfs_it_warns_and_without_a_directory_it_loses_utterances_but_goes_on() {
    let _alone = alone();
    let unused = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::with_scratch("/proc".into(), unused, &["home/turn on the lights.wav"], &["--events", "-"]);
    let event = daemon.event();
    assert_eq!(event["rule"], "lost", "{event}");
    assert!(event["reason"].as_str().is_some_and(|r| r.starts_with("scratch in /proc: ")), "{event}");
    daemon.running.signal(Signal::TERM);
    let (code, log) = daemon.ended();
    assert_eq!(code, Some(0));
    assert!(log.contains("scratch directory /proc is not on tmpfs"), "{log}");
    assert_eq!(log.matches("utterance cut or lost").count(), 1, "{log}");
}

#[test]
fn recordings_that_are_to_be_kept_are_kept_with_their_decisions_and_the_status_tells_of_them() {
    let _alone = alone();
    let clips = ["home/turn on the lights.wav", "other/tell me a joke.wav"].map(data);
    let microphone = VirtualMicrophone::playing(&in_a_row(&clips));
    let mut daemon = Daemon::on(microphone, "[scratch]\nkeep = { last = 20, capacity = \"4 MiB\" }\n");
    let events = [daemon.event(), daemon.event()];
    until("four files", || daemon.files_in_scratch() == 4);
    let files = |ending: &str| {
        let all = fs::read_dir(daemon.scratch.path()).unwrap().map(|f| f.unwrap().path());
        let mut found: Vec<PathBuf> = all.filter(|f| f.extension().is_some_and(|e| e == ending)).collect();
        found.sort();
        found
    };
    for ((sound, decision), event) in files("wav").iter().zip(files("json")).zip(&events) {
        let ms = hearken::audio::file::read(sound).unwrap().len() as u64 / 16;
        assert_eq!(event["duration_ms"], ms);
        until("a decision", || fs::metadata(&decision).unwrap().len() > 0);
        let kept: Value = serde_json::from_str(&fs::read_to_string(decision).unwrap()).unwrap();
        assert_eq!((&kept["utterance"], &kept["text"]), (&event["utterance"], &event["text"]));
    }
    let gauges = daemon.status()["scratch"].clone();
    assert_eq!((&gauges["recordings"], &gauges["deletions_failed"]), (&2.into(), &0.into()));
    let place = daemon.scratch.path().display().to_string();
    let output = hearken().args(["scratch", "status", "--scratch", &place]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("recordings made            2") && said.contains("microphone open          yes"), "{said}");
    daemon.running.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Some(0));
    assert_eq!(daemon.files_in_scratch(), 4, "they are there for whoever asked for them");
    assert!(!daemon.scratch.path().join("hearken.sock").exists());
}

#[test]
fn with_require_tmpfs_a_disk_is_refused_before_a_pin_is_touched() {
    let disk = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let config = disk.path().join("hearken.toml");
    let pins = disk.path().join("pins");
    fs::write(
        &config,
        format!("{CONFIG}[scratch]\nrequire_tmpfs = true\n").replace("PINS", &pins.display().to_string()),
    )
    .unwrap();
    let run =
        |place: &Path| hearken().args(["run", "--config"]).arg(&config).arg("--scratch").arg(place).output().unwrap();
    let output = run(disk.path());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("is not on tmpfs, and scratch.require_tmpfs is set"), "{said}");
    assert!(!pins.exists());
    let output = run(Path::new("/nowhere"));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("scratch in /nowhere: No such file"));
}

/// A service manager, as far as a service can tell.
pub struct Manager {
    dir: TempDir,
    socket: UnixDatagram,
}

impl Manager {
    pub fn new() -> Manager {
        let dir = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Manager { dir, socket }
    }

    pub fn address(&self) -> String {
        format!("NOTIFY_SOCKET={}", self.dir.path().join("notify").display())
    }

    /// The next word.
    fn told(&self) -> String {
        let mut word = [0; 64];
        let length = self.socket.recv(&mut word).unwrap();
        String::from_utf8_lossy(&word[..length]).trim().to_string()
    }

    /// The words up to `last`.
    pub fn told_before(&self, last: &str) -> Vec<String> {
        std::iter::repeat_with(|| self.told()).take_while(|word| word != last).collect()
    }
}

#[test]
fn the_service_manager_is_told_that_it_is_ready_alive_and_stopping() {
    let _alone = alone();
    let manager = Manager::new();
    let microphone = VirtualMicrophone::playing(&quiet(100));
    microphone.fault(Fault::Unplugged);
    // The watchdog is to be fed every half second; one that is not this process's is not.
    let mut daemon = Daemon::wrapped(&["env", &manager.address(), "WATCHDOG_USEC=1000000"], microphone);
    daemon.log_until("waiting for it");
    let status = daemon.status();
    assert_eq!((&status["ready"], &status["microphone"]["open"]), (&false.into(), &false.into()));
    daemon.microphone.fault(Fault::None);
    let first = manager.told_before("READY=1");
    assert!(first.iter().all(|word| word == "WATCHDOG=1"), "alive, though not ready: {first:?}");
    assert_eq!([manager.told(), manager.told()], ["WATCHDOG=1", "WATCHDOG=1"]);
    assert_eq!(daemon.status()["ready"], true);
    let place = daemon.scratch.path().display().to_string();
    let output = hearken().args(["status", "--json", "--scratch", &place]).output().unwrap();
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    daemon.running.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Some(0));
    let last = manager.told_before("STOPPING=1");
    assert!(last.iter().all(|word| word == "WATCHDOG=1"), "{last:?}");
}

#[test]
fn after_sigkill_the_pins_stay_as_they_were_until_they_are_put_at_rest() {
    let _alone = alone();
    let mut daemon = Daemon::hearing(&["home/turn on the lights.wav"], &["--events", "-"]);
    daemon.event();
    daemon.running.signal(Signal::KILL);
    daemon.ended();
    assert_eq!(daemon.pins(), "GPIO17 1\nGPIO22 1\nGPIO27 1\n");
    let config = daemon.dir.path().join("hearken.toml");
    let pins = |arguments: &[&str]| {
        let output = hearken().arg("pins").arg("--config").arg(&config).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(pins(&[]).contains("tv GPIO22 rests off, High\n"));
    assert_eq!(daemon.pins(), "GPIO17 1\nGPIO22 1\nGPIO27 1\n", "looking changes nothing");
    assert!(pins(&["--rest"]).contains("lights GPIO17 rests off, Low: at rest\n"));
    assert_eq!(daemon.pins(), RESTING);
}

#[test]
fn a_button_does_what_its_command_does_and_a_lamp_that_fades_is_remembered_through_sigkill() {
    let _alone = alone();
    let mut daemon = Daemon::on(VirtualMicrophone::playing(&quiet(100)), DESK);
    let buttons = daemon.dir.path().join("buttons");
    let is_open = |daemon: &Daemon| daemon.status()["buttons"][0]["pressed"] == false;
    daemon.until_microphone_is("open");
    until("the buttons are looked at", || is_open(&daemon));
    fs::write(&buttons, "GPIO5 0\nGPIO6 0\n").unwrap();
    let press = daemon.news();
    let told = (&press["button"], &press["command"], &press["outputs"][0]["level"]);
    assert_eq!(told, (&"half".into(), &"half".into(), &50.0.into()), "{press}");
    fs::write(&buttons, "GPIO5 1\nGPIO6 1\n").unwrap();
    let press = daemon.news();
    assert_eq!((&press["button"], &press["outputs"][0]["state"]), (&"tv".into(), &"on".into()), "{press}");
    until("the fade is over", || daemon.pins() == "GPIO17 0\nGPIO22 0\nGPIO27 1\nGPIO18 0.500\n");
    let status = daemon.status();
    let desk = &status["outputs"][3];
    assert_eq!((&desk["output"], &desk["state"], &desk["level"]), (&"desk".into(), &"on".into(), &50.0.into()));
    assert_eq!((&status["decisions"]["pressed"], &status["model"]), (&2.into(), &"ggml-tiny.en-q8_0.bin".into()));
    let remembered = daemon.dir.path().join("state/outputs.json");
    until("it is written down", || fs::read_to_string(&remembered).is_ok_and(|text| text == "{\"desk\":500}"));
    daemon.running.signal(Signal::KILL);
    daemon.ended();
    let config = daemon.dir.path().join("hearken.toml");
    assert!(hearken().args(["pins", "--rest", "--config"]).arg(&config).status().unwrap().success());
    assert_eq!(daemon.pins(), format!("{RESTING}GPIO18 0.000\n"), "what is remembered rests too while nothing runs");
    let mut daemon = daemon.again();
    daemon.until_microphone_is("open");
    until("it is as it was", || daemon.pins() == format!("{RESTING}GPIO18 0.500\n"));
    daemon.running.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Some(0));
    assert_eq!(daemon.pins(), format!("{RESTING}GPIO18 0.000\n"));
}

#[test]
fn under_a_service_manager_sighup_reads_the_configuration_again_and_refuses_a_bad_one() {
    let _alone = alone();
    let manager = Manager::new();
    // The watchdog's half is longer than this test: it is fed by the reload alone.
    let microphone = VirtualMicrophone::playing(&quiet(100));
    let mut daemon = Daemon::wrapped(&["env", &manager.address(), "WATCHDOG_USEC=3600000000"], microphone);
    let reloaded = || {
        let words = manager.told_before("READY=1");
        assert!(words[0].starts_with("RELOADING=1\nMONOTONIC_USEC="), "{words:?}");
        assert!(words.len() > 2 && words[1..].iter().all(|word| word == "WATCHDOG=1"), "fed on the way: {words:?}");
    };
    manager.told_before("READY=1");
    let file = daemon.dir.path().join("hearken.toml");
    let good = fs::read_to_string(&file).unwrap();
    let reload = |daemon: &Daemon, text: &str| {
        fs::write(&file, text).unwrap();
        daemon.running.signal(Signal::HUP);
    };
    reload(&daemon, &good.replace("pin = 17", "pin = \"seventeen\""));
    let log = daemon.log_until("outputs.lights.pin");
    assert!(log.contains("the new configuration is refused, the old one stays"), "{log}");
    assert_eq!(daemon.status()["ready"], true);
    reload(&daemon, &good.replace("pin = 17", "pin = 18"));
    reloaded();
    assert_eq!(daemon.status()["outputs"][0]["pin"], "GPIO18");
    assert_eq!(daemon.pins(), RESTING.replace("17", "18"));
    // Good as far as anybody can tell without trying it.
    let elsewhere = format!("state = \"{}/nowhere/pins\"", manager.dir.path().display());
    let line = good.lines().find(|line| line.starts_with("state")).unwrap();
    reload(&daemon, &good.replace(line, &elsewhere));
    daemon.log_until("the new configuration does not work, the old one stays: simulated pins in");
    reloaded();
    assert_eq!(daemon.status()["outputs"][0]["pin"], "GPIO18");
    daemon.running.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Some(0));
    assert_eq!(manager.told_before("STOPPING=1"), [""; 0]);
}
