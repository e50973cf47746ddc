//! The daemon and a button that is held to talk.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use hearken::act::buttons::input_claims;
use hearken::act::gpio::simulated::SimulatedInputs;
use hearken::audio::{AudioError, AudioSource, FRAME_LEN, SAMPLE_RATE, SourceEvent};
use hearken::config;
use hearken::daemon::{Options, Parts, serve};
use hearken::recognize::{Heard, RecognizeError, Recognizer};
use hearken::report::destination::Destination;
use hearken::runtime::status::{self, Question};
use hearken::runtime::stop::Stop;
use hearken::utterance::draft::Drafts;
use hearken::utterance::endpoint::{Endpoint, EndpointSettings};
use serde_json::Value;

use crate::parts::{PinLog, heard};
use crate::support::{data, quiet, samples, until};

const CONFIG: &str = r#"
board = "host"
[outputs.lamp]
pin = 17
[buttons.desk]
pin = 5
talk = true
[[commands]]
name = "lamp"
say = "lamp"
set = { lamp = "on" }
"#;

/// What happens in the test.
enum Step {
    Play(Vec<f32>),
    /// The button is pressed, and the daemon has seen it.
    Press,
    /// It is released, and the daemon has seen it.
    Release,
    /// So many utterances were decided.
    Decided(usize),
}

/// Plays what the steps say, and then asks the daemon to stop.
struct Script {
    steps: VecDeque<Step>,
    begun: bool,
    dir: PathBuf,
    stop: Stop,
}

impl Script {
    fn until_pressed_is(&self, pressed: bool) {
        let known = || status::ask(&self.dir, Question::Status).is_ok_and(|s| s["buttons"][0]["pressed"] == pressed);
        until("the state of the button", known);
    }

    /// The level of the button's pin, which is low while the button is pressed.
    fn pin_is(&self, level: u8) {
        fs::write(inputs(&self.dir), format!("GPIO5 {level}\n")).unwrap();
    }
}

impl AudioSource for Script {
    fn read(&mut self, block: &mut [f32], _: Duration) -> Result<SourceEvent, AudioError> {
        if !std::mem::replace(&mut self.begun, true) {
            return Ok(SourceEvent::Opened { rate: SAMPLE_RATE });
        }
        match self.steps.pop_front() {
            Some(Step::Play(sound)) => {
                let filled = sound.len().min(block.len());
                block[..filled].copy_from_slice(&sound[..filled]);
                if filled < sound.len() {
                    self.steps.push_front(Step::Play(sound[filled..].to_vec()));
                }
                return Ok(SourceEvent::Samples(filled));
            }
            Some(Step::Press) => {
                self.until_pressed_is(false);
                self.pin_is(0);
                self.until_pressed_is(true);
            }
            Some(Step::Release) => {
                self.pin_is(1);
                self.until_pressed_is(false);
            }
            Some(Step::Decided(utterances)) => {
                until("the decision", || events(&self.dir).len() == utterances);
            }
            None => self.stop.ask(),
        }
        Ok(SourceEvent::Samples(0))
    }
}

/// Notes the samples of the recordings that it gets, and knows no sentence. It decides no drafts.
struct Noted(Sender<Vec<f32>>);

impl Recognizer for Noted {
    fn hear(&mut self, samples: &[f32]) -> Result<Heard, RecognizeError> {
        self.0.send(samples.to_vec()).unwrap();
        Ok(heard("", None))
    }

    fn hear_draft(&mut self, _: &[f32], _: &Drafts, _: u64) -> Result<Option<Heard>, RecognizeError> {
        Ok(None)
    }
}

fn inputs(dir: &Path) -> PathBuf {
    dir.join("inputs")
}

fn events(dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(dir.join("events")).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|e: &Value| e["utterance"].is_u64())
        .collect()
}

/// Runs the daemon while the `steps` happen; the recordings that were decided, and the events about them.
fn told(steps: Vec<Step>) -> (Vec<Vec<f32>>, Vec<Value>) {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let settings = config::parse("talk.toml", CONFIG).unwrap();
    let (noted, recordings) = channel();
    let stop = Stop::default();
    let script = Script { steps: steps.into(), begun: false, dir: dir.path().into(), stop: stop.clone() };
    let parts = Parts {
        source: Box::new(script),
        microphone: None,
        recognizer: Box::new(Noted(noted)),
        pins: Box::new(PinLog::default()),
        inputs: Box::new(SimulatedInputs::claim(Some(&inputs(dir.path())), &input_claims(&settings.buttons))),
    };
    let options = Options {
        events: Some(Destination::File(dir.path().join("events"))),
        scratch: Some(dir.path().into()),
        ..Options::default()
    };
    serve(parts, &settings, &options, &stop).unwrap();
    (recordings.try_iter().collect(), events(dir.path()))
}

#[test]
fn what_is_said_while_a_button_is_held_is_decided_as_soon_as_it_is_released() {
    let clip = samples(&data("home/turn on the lights.wav"));
    // The release comes in the middle of a word, after a pause in which an utterance would end otherwise.
    let half = clip[..clip.len() / 2].to_vec();
    let (before, held, after) = (quiet(2000), [clip, quiet(1500), half].concat(), quiet(2000));
    let frames_before = before.len() / FRAME_LEN;
    let frames_held = (before.len() + held.len()) / FRAME_LEN - frames_before;
    let pressed_in_silence = quiet(1000);
    let (recordings, events) = told(vec![
        Step::Play(before),
        Step::Press,
        Step::Play(held.clone()),
        Step::Release,
        Step::Play(after),
        Step::Decided(1),
        Step::Press,
        Step::Play(pressed_in_silence),
        Step::Release,
        Step::Play(quiet(1000)),
        Step::Decided(2),
    ]);
    assert_eq!((recordings.len(), events.len()), (2, 2), "{events:?}");
    let pre_roll = Endpoint::new(EndpointSettings::default()).pre_roll_frames();
    assert_eq!(recordings[0].len(), (pre_roll + frames_held + 1) * FRAME_LEN, "up to the frame of the release");
    let spoken = recordings[0].iter().map(|s| s.abs()).fold(0.0, f32::max);
    assert!(spoken > 0.1, "the clip is in it: {spoken}");
    let post_roll = EndpointSettings::default().post_roll.as_micros().div_ceil(hearken::audio::FRAME.as_micros());
    assert_eq!(recordings[1].len(), (pre_roll + post_roll as usize) * FRAME_LEN, "nobody spoke, and it is decided");
}
