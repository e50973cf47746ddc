//! The built `hearken record` on a virtual microphone.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hearken::config;
use hearken::measure::eval::expected::{Expected, cases};
use hearken::runtime::status::StatusSocket;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::deciding::alone;
use crate::program::hearken;
use crate::support::{Fault, Running, VirtualMicrophone, data, in_a_row, quiet, samples, until};

const CONFIG: &str = r#"
board = "host"
[microphone]
device = "alsa:mic0"
[recognizer]
threads = 1
deadline = "60 s"
[[commands]]
name = "lights"
say = ["turn on the lights", "turn the lights on"]
[[commands]]
name = "tv"
say = ["turn on the TV", "turn off TV"]
[[commands]]
name = "time"
say = "what's the time"
"#;

/// A folder with a configuration, a microphone, and a place for recordings.
struct Room {
    dir: TempDir,
    microphone: VirtualMicrophone,
}

impl Room {
    fn new(more: &str) -> Room {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        fs::create_dir(dir.path().join("scratch")).unwrap();
        fs::write(dir.path().join("hearken.toml"), CONFIG.replace("\"alsa:mic0\"", &format!("\"alsa:mic0\"\n{more}")))
            .unwrap();
        Room { dir, microphone: VirtualMicrophone::playing(&quiet(100)) }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn session(&self, arguments: &[&str]) -> Session {
        let mut command = hearken();
        command.arg("record").arg("--config").arg(self.at("hearken.toml")).arg("--scratch").arg(self.at("scratch"));
        command.args(arguments).arg(self.at("clips")).env("XDG_RUNTIME_DIR", self.at("scratch"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(fs::File::create(self.at("log")).unwrap());
        let mut child = self.microphone.plug_into(&mut command).spawn().unwrap();
        let told = BufReader::new(child.stdout.take().unwrap()).lines();
        Session { running: Running::watched(child), told }
    }

    /// What the list holds, in the order in which it was written.
    fn list(&self) -> Vec<Value> {
        let list = fs::read_to_string(self.at("clips/expected.jsonl")).unwrap();
        list.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn sentences(&self) -> Vec<String> {
        self.list().iter().map(|line| line["sentence"].as_str().unwrap().to_string()).collect()
    }

    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.at("clips")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// Somebody says what is asked for.
    fn says(&self, sentence: &str) {
        self.microphone.goes_on_with(&in_a_row(&[data(&format!("home/{sentence}.wav"))]));
    }
}

struct Session {
    running: Running,
    told: Lines<BufReader<ChildStdout>>,
}

impl Session {
    /// The next line that contains `words`.
    fn until(&mut self, words: &str) -> String {
        let mut told = Vec::new();
        loop {
            let line = self.told.next().unwrap_or_else(|| panic!("{words:?} should be told: {told:#?}")).unwrap();
            if line.contains(words) {
                return line;
            }
            told.push(line);
        }
    }

    /// The sentence that is asked for next.
    fn asked(&mut self) -> String {
        let line = self.until(": say ");
        line.split('"').nth(1).unwrap_or_else(|| panic!("{line}")).to_string()
    }

    fn types(&mut self, line: &str) {
        writeln!(self.running.0.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn ended(mut self) -> (Option<i32>, String) {
        let rest: Vec<String> = self.told.map(Result::unwrap).collect();
        (self.running.0.wait().unwrap().code(), rest.join("\n"))
    }
}

#[test]
fn what_is_asked_for_and_said_becomes_wav_files_that_eval_decides_right() {
    let room = Room::new("");
    let mut session = room.session(&["--count", "5", "--speaker", "ann"]);
    // The end of standard input is the end of nothing else.
    drop(session.running.0.stdin.take());
    let mut asked = Vec::new();
    for _ in 0..5 {
        asked.push(session.asked());
        room.says(asked.last().unwrap());
    }
    let (code, rest) = session.ended();
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.contains("5 of 5 recorded; --count asks for more"), "{rest}");
    let expected = ["turn on the lights", "turn on the TV", "what's the time", "turn the lights on", "turn off TV"];
    assert_eq!(asked, expected);
    assert_eq!(room.sentences(), expected);
    let names = room.files();
    assert_eq!(names[..2], ["ann-0001-turn-on-the-lights.wav", "ann-0002-turn-on-the-tv.wav"]);
    assert_eq!(names[5..], ["expected.jsonl"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&room.at("clips")), 0o700);
    for name in &names {
        assert_eq!(mode(&room.at("clips").join(name)), 0o600, "{name}");
    }
    let commands = config::load(&room.at("hearken.toml")).unwrap().commands;
    for (case, sentence) in cases(&room.at("clips"), &commands).unwrap().iter().zip(expected) {
        assert_eq!((&case.expected, case.speaker.as_deref()), (&Expected::Sentence(sentence.into()), Some("ann")));
        let bytes = fs::read(&case.path).unwrap();
        assert_eq!(bytes[..44], hearken::audio::wav::header(bytes.len() as u32 - 44));
        assert!(samples(&case.path).len() > 16_000, "{}", case.name);
    }
    assert_eq!(fs::read_dir(room.at("scratch")).unwrap().count(), 0);
    let again = room.session(&["--count", "5", "--speaker", "ann"]);
    assert!(again.ended().1.contains("5 of 5 recorded"), "nothing is left to do");

    let _alone = alone();
    let mut eval = hearken();
    let output =
        eval.arg("eval").arg("--config").arg(room.at("hearken.toml")).arg(room.at("clips")).arg("--json").output();
    let all: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    assert_eq!((&all["clips"], &all["right"]), (&5.into(), &5.into()), "{all}");
}

#[test]
fn killed_in_the_middle_of_an_utterance_it_goes_on_with_that_sentence() {
    let room = Room::new("");
    let mut session = room.session(&["--count", "4"]);
    for _ in 0..2 {
        let sentence = session.asked();
        room.says(&sentence);
    }
    let third = session.asked();
    // Sound that goes on: it is in the middle of the recording for as long as we want.
    let long = samples(&data("home/create a timer for 4 and a half hours.wav"));
    room.microphone.goes_on_with(&[quiet(1000), long.repeat(4)].concat());
    let fds = format!("/proc/{}/fd", session.running.0.id());
    let into = |fd: PathBuf| fs::read_link(fd).is_ok_and(|to| to.starts_with(room.at("scratch")));
    until("a recording", || fs::read_dir(&fds).unwrap().any(|fd| into(fd.unwrap().path())));
    session.running.signal(Signal::KILL);
    assert_eq!(session.ended().0, None);
    let before = room.list();
    assert_eq!((before.len(), room.files().len()), (2, 3));

    // As if it had been killed later: the file is there and its line is not.
    let file = room.at("clips").join("0003-what-s-the-time.wav");
    fs::copy(room.at("clips").join(before[0]["file"].as_str().unwrap()), &file).unwrap();
    room.microphone.becomes(48_000, &quiet(100));
    let mut session = room.session(&["--count", "4"]);
    session.until("0003-what-s-the-time.wav.unlisted: set aside");
    session.until("2 of 4 are recorded");
    assert_eq!(session.asked(), third);
    room.says(&third);
    assert!(session.until("0003-what-s-the-time.wav: ").contains("s, speech -2"));
    session.running.signal(Signal::TERM);
    let (code, rest) = session.ended();
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.contains("3 of 4 recorded; the same command goes on"), "{rest}");
    let list = room.list();
    assert_eq!((&list[..2], &list[2]["sentence"]), (&before[..], &"what's the time".into()));
}

#[test]
fn what_is_typed_takes_back_skips_and_quits() {
    let room = Room::new("");
    let mut session = room.session(&["--count", "3"]);
    let first = session.asked();
    session.types("");
    session.until("nothing was recorded yet");
    assert_eq!(session.asked(), first);
    room.says(&first);
    let second = session.asked();
    assert_eq!(room.sentences(), std::slice::from_ref(&first));
    session.types("again");
    session.until("0001-turn-on-the-lights.wav: taken back");
    assert_eq!(session.asked(), first);
    assert_eq!(room.files(), ["expected.jsonl"]);
    assert_eq!(room.list().len(), 0);
    session.types("please");
    session.until("\"please\" is none of: nothing, again, skip, quit");
    room.says(&first);
    assert_eq!(session.asked(), second);
    session.types("skip");
    let third = session.asked();
    assert_ne!(third, second);
    room.says(&third);
    session.until("0002-what-s-the-time.wav: ");
    session.asked();
    session.types("quit");
    let (code, rest) = session.ended();
    assert_eq!(code, Some(0), "{rest}");
    assert_eq!(room.sentences(), [first, third]);
}

#[test]
fn what_is_clipped_is_asked_for_again_and_what_is_quiet_or_noisy_is_kept_with_a_warning() {
    let loud = Room::new("gain_db = 40");
    let mut session = loud.session(&[]);
    let first = session.asked();
    loud.says(&first);
    session.until("not kept: ");
    let clipped = session.until("clipped: ");
    assert!(clipped.contains("samples at full scale; lower microphone.gain_db by 2"), "{clipped}");
    assert_eq!(session.asked(), first);
    assert_eq!(loud.files().len(), 0);
    session.types("q");
    assert_eq!(session.ended().0, Some(0));

    let cut = Room::new("[endpoint]\nmax_length = \"1200 ms\"");
    let mut session = cut.session(&[]);
    let first = session.asked();
    cut.says(&first);
    session.until("too long: cut after 1.2 s");
    assert_eq!(session.asked(), first);

    let soft = Room::new("");
    let mut session = soft.session(&[]);
    for (speech, noise, words) in [(0.05, 1.0, "quiet: speech at -4"), (1.0, 150.0, "noisy: speech at -2")] {
        let said = in_a_row(&[data(&format!("home/{}.wav", session.asked()))]);
        let mixed: Vec<f32> = said.iter().zip(quiet(8000)).map(|(s, n)| s * speech + n * noise).collect();
        soft.microphone.goes_on_with(&mixed);
        session.until(".wav: ");
        session.until(words);
    }
    assert_eq!(soft.list().len(), 2);
}

#[test]
fn the_rest_of_a_sentence_with_a_pause_in_it_is_not_taken_for_the_next_one() {
    let room = Room::new("");
    let mut session = room.session(&[]);
    session.asked();
    let spoken = samples(&data("home/turn on the lights.wav"));
    // Without the click and the quiet that the clip begins and ends with.
    let end = spoken.iter().rposition(|s| s.abs() > 0.05).unwrap();
    let words = &spoken[16 * 400..end];
    room.microphone.goes_on_with(&[&quiet(1000), words, &quiet(800), words, &quiet(1000)].concat());
    session.until("0001-turn-on-the-lights.wav: ");
    let second = session.asked();
    session.until("not kept: ");
    session.until("it began before anybody can have read this");
    assert_eq!(session.asked(), second);
    session.types("");
    assert_eq!(session.asked(), "turn on the lights");
    room.says("turn on the lights");
    session.until("0001-turn-on-the-lights.wav: ");
}

#[test]
fn other_speech_becomes_what_is_to_be_refused() {
    let room = Room::new("");
    let mut session = room.session(&["--other", "--count", "2"]);
    for (number, name) in ["tell me a joke", "call my mother"].iter().enumerate() {
        session.until(&format!("{} of 2: say anything that is no command", number + 1));
        room.microphone.goes_on_with(&in_a_row(&[data(&format!("other/{name}.wav"))]));
    }
    assert_eq!(session.ended().0, Some(0));
    assert_eq!(room.files(), ["0001-other.wav", "0002-other.wav", "expected.jsonl"]);
    assert!(room.list().iter().all(|line| line["rejected"] == true && line["speaker"].is_null()));
    // Sentences are counted by themselves, in the same folder.
    let mut session = room.session(&["--count", "1"]);
    let sentence = session.asked();
    room.says(&sentence);
    session.until("0003-turn-on-the-lights.wav: ");
    assert_eq!(session.ended().0, Some(0));
}

#[test]
fn a_microphone_that_is_busy_or_missing_is_waited_for_with_words_that_help() {
    for fault in [Fault::Busy, Fault::Unplugged] {
        let room = Room::new("");
        room.microphone.fault(fault);
        let mut session = room.session(&[]);
        session.until("The microphone cannot be opened. Recording begins by itself");
        session.until("Does another program hold it, as a running daemon does (sudo systemctl stop hearken)?");
        let log = fs::read_to_string(room.at("log")).unwrap();
        assert!(log.contains("microphone \"alsa:mic0\" cannot be opened: ") && log.contains("waiting for it"), "{log}");
        room.microphone.fault(Fault::None);
        session.until("microphone open, 48000 Hz");
        let first = session.asked();
        // And one that is lost in between.
        room.microphone.fault(Fault::Unplugged);
        until("the loss", || fs::read_to_string(room.at("log")).unwrap().contains("failed: "));
        room.microphone.fault(Fault::None);
        assert_eq!(session.asked(), first, "asked for again when it is back");
        session.running.signal(Signal::INT);
        assert_eq!(session.ended().0, Some(0), "{fault:?}");
    }
}

#[test]
fn a_daemon_that_holds_the_microphone_is_named() {
    let room = Room::new("");
    room.microphone.fault(Fault::Busy);
    // What a daemon answers with: loading its model is not what is tested.
    let socket = StatusSocket::open(&room.at("scratch"), hearken::runtime::status::Question::Status).unwrap();
    let mut session = room.session(&[]);
    let told = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            until("the end", || {
                socket.answer(|| "ready".into());
                told.load(Ordering::SeqCst)
            })
        });
        session.until("The daemon that runs here holds it, it seems: sudo systemctl stop hearken");
        told.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_folder_that_is_not_as_it_should_be_is_refused_in_words_and_left_as_it_is() {
    let good = "{\"file\":\"0001-a.wav\",\"sentence\":\"a\"}\n";
    let cases: [(&[&str], &str, &str); 7] = [
        (&["a.wav"], "", "has WAV files and no expected.jsonl"),
        (&["0001-foo.wav"], "", "has WAV files and no expected.jsonl"),
        (&["0001-foo.wav", "b.wav"], "", "has WAV files and no expected.jsonl"),
        (&["0001-a.wav"], &format!("{good}{{\"file\":\"0002"), "expected.jsonl:2: not a JSON object"),
        (&["0001-a.wav"], &good.repeat(2), "expected.jsonl:2: file: \"0001-a.wav\" is in the list twice"),
        (&[], good, "no WAV file in it or below"),
        (&["0001-a.wav", "0007-b.wav"], good, "\"0007-b.wav\" is not in the list"),
    ];
    for (files, list, words) in cases {
        let room = Room::new("");
        fs::create_dir(room.at("clips")).unwrap();
        for file in files {
            fs::write(room.at("clips").join(file), "sound").unwrap();
        }
        if !list.is_empty() {
            fs::write(room.at("clips/expected.jsonl"), list).unwrap();
        }
        let before = room.files();
        let (code, told) = room.session(&[]).ended();
        let log = fs::read_to_string(room.at("log")).unwrap();
        assert_eq!((code, told.as_str()), (Some(1), ""), "{log}");
        assert!(log.contains(words), "{words}: {log}");
        assert_eq!(room.files(), before);
    }
    let room = Room::new("");
    let mut first = room.session(&[]);
    first.until("0 of 50 are recorded");
    assert_eq!(room.session(&[]).ended().0, Some(1));
    assert!(fs::read_to_string(room.at("log")).unwrap().contains("another `hearken record` writes into it"));
    for wrong in [["--count", "0"], ["--speaker", "a-b"], ["--speaker", "2nd"]] {
        assert_eq!(room.session(&wrong).ended().0, Some(2), "{wrong:?}");
    }
}
