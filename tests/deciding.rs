//! The real model on the clips: what is decided, never how fast.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use hearken::config::{self, Settings};
use hearken::decide::rules::{Verdict, judge};
use hearken::decide::thresholds::Thresholds;
use hearken::recognize::whisper::{Whisper, WhisperRecognizer};
use hearken::recognize::{Heard, Limit, Recognizer};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::listening::{heard, scratch};
use crate::program::hearken;
use crate::support::{Running, busy, clips, data, in_a_row, processor_ticks, quiet, samples, spoken};

/// Two inferences at once slow each other twentyfold: every test that infers, here or in a child, holds this.
pub fn alone() -> MutexGuard<'static, ()> {
    static INFERENCE: Mutex<()> = Mutex::new(());
    INFERENCE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn home() -> Settings {
    config::load(&data("home.toml")).unwrap_or_else(|e| panic!("{e}"))
}

/// Processor time in ticks of `hearken decide` on some clips, when `variable` is set for it.
fn ticks(variable: Option<(&str, &str)>) -> u64 {
    let mut command = hearken();
    command.args(["decide", "--config"]).arg(data("home.toml")).args(&clips("home")[..6]);
    command.env_remove("OMP_WAIT_POLICY").env_remove("GOMP_SPINCOUNT").envs(variable).stdout(Stdio::null());
    let mut program = Running::watched(command.spawn().unwrap());
    let pid = Pid::from_child(&program.0);
    // Its time can be read until its end is taken note of.
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    let ticks = processor_ticks(program.0.id());
    assert!(program.0.wait().unwrap().success());
    ticks
}

/// The accepted sentence, or why there is none.
fn decided(heard: &Heard) -> Result<String, String> {
    match judge(heard, &Thresholds::default()).1 {
        Verdict::Accepted => Ok(heard.best.as_ref().unwrap().sentence.words.clone()),
        Verdict::Rejected(reason) => Err(format!("{reason} (heard {:?})", heard.text)),
    }
}

fn is_right(clip: &Path, decided: &Result<String, String>) -> bool {
    decided.as_ref().is_ok_and(|sentence| sentence.to_lowercase() == spoken(clip).to_lowercase())
}

#[test]
fn of_73_home_clips_at_least_71_are_right_and_of_52_others_at_most_2_are_accepted() {
    let _alone = alone();
    let settings = home();
    let mut recognizer = WhisperRecognizer::load(&settings.recognizer, settings.grammar).unwrap();
    let mut decide = |clip: &Path| decided(&recognizer.hear(&samples(clip)).unwrap());
    let homes = clips("home");
    assert_eq!(homes.len(), 73);
    let wrong: Vec<_> = homes.iter().map(|c| (c, decide(c))).filter(|(c, d)| !is_right(c, d)).collect();
    assert!(wrong.len() <= 2, "{wrong:#?}");
    let others = clips("other");
    assert_eq!(others.len(), 52);
    let accepted: Vec<_> = others.iter().map(|c| (c, decide(c))).filter(|(_, d)| d.is_ok()).collect();
    assert!(accepted.len() <= 2, "{accepted:#?}");
}

/// A single thread waits for no other, so that its processor time is the same beside other programs.
#[test]
fn beside_busy_programs_a_decision_takes_at_most_three_times_the_processor_time_of_a_single_thread() {
    let _alone = alone();
    let single = ticks(Some(("OMP_THREAD_LIMIT", "1")));
    let _busy = busy(available_parallelism().unwrap().get());
    let shared = ticks(None);
    assert!(shared <= 3 * single, "{shared} ticks, and {single} of a single thread");
}

#[test]
fn what_the_ear_cuts_out_is_decided_as_well_as_the_whole_clip() {
    let _alone = alone();
    let settings = home();
    let mut recognizer = WhisperRecognizer::load(&settings.recognizer, settings.grammar).unwrap();
    let clips = clips("home");
    let (spoken, _) = heard(in_a_row(&clips), &scratch(64 << 20), 200);
    let mut wrong = Vec::new();
    for (clip, mut spoken) in clips.iter().zip(spoken) {
        let decided = decided(&recognizer.hear(&spoken.recording.samples().unwrap()).unwrap());
        if !is_right(clip, &decided) {
            wrong.push((clip, decided));
        }
    }
    assert!(wrong.len() <= 2, "{wrong:#?}");
}

#[test]
fn silence_and_noise_are_refused_as_no_speech() {
    let _alone = alone();
    let settings = home();
    let mut recognizer = WhisperRecognizer::load(&settings.recognizer, settings.grammar).unwrap();
    let mut loud = quiet(3000);
    loud.iter_mut().for_each(|s| *s *= 300.0);
    for sound in [vec![], vec![0.5], vec![0.0; 16_000], vec![1.0; 48_000], vec![f32::MIN_POSITIVE / 2.0; 16_000], loud]
    {
        let length = sound.len();
        let refused = decided(&recognizer.hear(&sound).unwrap()).unwrap_err();
        assert!(refused.starts_with("nobody spoke: "), "{length} samples: {refused}");
    }
}

#[test]
fn sound_that_would_harm_the_library_is_refused_in_words() {
    let _alone = alone();
    let settings = home();
    let mut recognizer = WhisperRecognizer::load(&settings.recognizer, settings.grammar).unwrap();
    let mut not_a_number = vec![0.1; 16_000];
    not_a_number[7] = f32::NAN;
    let refused = |r: Result<Heard, _>| r.map(|_| ()).map_err(|e| format!("{e}")).unwrap_err();
    assert_eq!(refused(recognizer.hear(&not_a_number)), "sample 7 is not a finite number");
    assert_eq!(refused(recognizer.hear(&vec![0.0; 31 * 16_000])), "31 s of sound; at most 30 s can be taken at once");
    assert!(recognizer.hear(&samples(&clips("home")[0])).is_ok(), "and the next utterance is heard");
}

#[test]
fn the_same_clip_gives_the_same_scores_whatever_came_before() {
    let _alone = alone();
    let settings = home();
    let mut recognizer = WhisperRecognizer::load(&settings.recognizer, settings.grammar).unwrap();
    let clips = clips("home");
    let mut scores = |clip: &Path| {
        let heard = recognizer.hear(&samples(clip)).unwrap();
        (heard.best.map(|b| (b.sentence.words, b.rank, b.joint)), heard.free)
    };
    let first = scores(&clips[0]);
    for clip in &clips[1..6] {
        scores(clip);
    }
    assert_eq!(scores(&clips[0]), first);
}

#[test]
fn our_tokens_are_the_models_own() {
    let _alone = alone();
    let whisper = Whisper::load(&home().recognizer).unwrap();
    // Ids from OpenAI's tokenizer for GPT-2's vocabulary.
    let cases: [(&str, &[i32]); 5] = [
        (" turn on the light", &[1210, 319, 262, 1657]),
        (" 50%", &[2026, 4]),
        (" What's", &[1867, 338]),
        (" TV", &[3195]),
        ("Hello world", &[15496, 995]),
    ];
    for (text, tokens) in cases {
        assert_eq!(whisper.tokenizer().encode(text).as_deref(), Some(tokens), "{text}");
        assert_eq!(whisper.tokenizer().decode(tokens), text);
    }
}

#[test]
fn sounds_that_no_microphone_should_give_are_refused_or_decided_within_the_limits_of_calls_and_time() {
    let _alone = alone();
    let mut settings = home();
    settings.recognizer.deadline = Duration::from_secs(120);
    let mut recognizer = WhisperRecognizer::load(&settings.recognizer, settings.grammar).unwrap();
    let second = 16_000;
    let tone = |amplitude: f32| move |i: usize| amplitude * (i as f32 * 0.3).sin();
    let speech = samples(&clips("home")[0]);
    let cases: [(&str, Vec<f32>, Option<&str>); 12] = [
        ("nothing", vec![], None),
        ("one sample", vec![0.5], None),
        ("a tenth of a second", vec![0.1; second / 10], None),
        ("31 s", vec![0.1; 31 * second], Some("31 s of sound; at most 30 s can be taken at once")),
        ("NaN", vec![f32::NAN; second], Some("sample 0 is not a finite number")),
        ("one NaN", [&vec![0.0; second][..], &[f32::NAN]].concat(), Some("sample 16000 is not a finite number")),
        ("infinity", vec![f32::NEG_INFINITY; second], Some("sample 0 is not a finite number")),
        ("a constant", vec![1.0; 2 * second], None),
        ("far beyond full scale", (0..2 * second).map(tone(1e30)).collect(), None),
        ("denormals", vec![f32::MIN_POSITIVE / 4.0; 2 * second], None),
        ("speech clipped to a square", speech.iter().map(|s| s.signum()).collect(), None),
        ("30 s of noise", quiet(30_000).iter().map(|s| s * 500.0).collect(), None),
    ];
    for (what, sound, refusal) in cases {
        match (recognizer.hear(&sound), refusal) {
            (Err(error), Some(words)) => assert_eq!(error.to_string(), words, "{what}"),
            (Ok(heard), None) => {
                let numbers = [heard.free, heard.no_speech, heard.voiced, heard.dbfs];
                assert!(numbers.iter().all(|n| n.is_finite()), "{what}: {numbers:?}");
                assert_ne!(heard.gave_up, Some(Limit::Deadline), "{what}");
                assert!(heard.calls <= settings.recognizer.search.max_calls + 1, "{what}: {} calls", heard.calls);
                if what != "speech clipped to a square" {
                    assert!(decided(&heard).is_err(), "{what} is no command: {heard:?}");
                }
            }
            (outcome, _) => panic!("{what}: {outcome:?}"),
        }
    }
    assert_eq!(decided(&recognizer.hear(&speech).unwrap()).unwrap(), "close the kitchen windows", "and it still works");
}

#[test]
fn a_decision_past_its_deadline_is_refused_as_too_late_and_the_next_one_is_not_harmed() {
    let _alone = alone();
    let mut settings = home();
    settings.recognizer.deadline = Duration::ZERO;
    let mut late = WhisperRecognizer::load(&settings.recognizer, settings.grammar).unwrap();
    let heard = late.hear(&samples(&clips("home")[0])).unwrap();
    assert_eq!((heard.calls, heard.gave_up), (1, Some(Limit::Deadline)), "no call but the one for silence");
    let refusal = decided(&heard).unwrap_err();
    assert!(refusal.starts_with("not decided in time: "), "{refusal}");
    let (text, _) = late.transcribe(&samples(&clips("home")[0])).unwrap();
    assert!(text.contains("kitchen window"), "{text}");
}
