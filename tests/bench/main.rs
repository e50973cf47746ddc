//! `cargo bench`: what a decision costs, next to stock Whisper on the same clip.
//!
//! One process and one resident model: (A) decides a 2 s command among the sentences of `home.toml`; (B) transcribes it
//! as whisper.cpp does by default, with a beam of 5 and the encoder's whole context of 30 s. A and B take turns, so
//! that a slow spell of the machine hits both, and each ratio is of two neighbours. A's total holds the check for
//! speech, which B does without; B's parts are not known apart. Then, with a second model, what the size of the grammar
//! costs. Before that, what recording and waiting for a microphone cost. Last, what a decision costs beside other
//! programs. The threads of all of them wait as those of `hearken` do.
//!
//! Run nothing else meanwhile: two inferences at once slow each other twentyfold.

#[path = "../support/mod.rs"]
mod support;

use std::fmt;
use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use hearken::audio::microphone::MicrophoneSettings;
use hearken::audio::supervisor::Supervisor;
use hearken::audio::{AudioSource, FRAME, FRAME_LEN, SAMPLE_RATE, SourceEvent};
use hearken::config::{self, Settings};
use hearken::decide::rules::{Verdict, judge};
use hearken::decide::thresholds::Thresholds;
use hearken::recognize::whisper::WhisperRecognizer;
use hearken::recognize::{Heard, Recognizer};
use hearken::runtime::openmp;
use hearken::runtime::stop::POLL_INTERVAL;
use hearken::utterance::scratch::{Scratch, ScratchSettings};
use hearken::utterance::vad::Vad;

/// Rounds measured, after one that is not: odd, so that a median is a measurement.
const ROUNDS: usize = 7;
/// What the clip says.
const COMMAND: &str = "turn on the lights";
/// The smallest grammar that has it.
const ONE_COMMAND: &str = "board = \"host\"\n[[commands]]\nname = \"lights\"\nsay = \"turn on the lights\"\n";

/// Median, least and most of some measurements.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Spread {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        Spread { median: sorted[sorted.len() / 2], least: sorted[0], most: sorted[sorted.len() - 1] }
    }

    /// In milliseconds.
    fn of_times(times: impl Iterator<Item = Duration>) -> Spread {
        Spread::of(times.map(|t| t.as_secs_f64() * 1000.0))
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ({:.1}-{:.1})", self.median, self.least, self.most)
    }
}

fn load(settings: Settings) -> WhisperRecognizer {
    WhisperRecognizer::load(&settings.recognizer, settings.grammar).unwrap_or_else(|e| panic!("{e}"))
}

/// Decides, and sees to it that the decision is the right one: a wrong one costs something else.
fn decide(recognizer: &mut WhisperRecognizer, sound: &[f32]) -> Heard {
    let heard = recognizer.hear(sound).unwrap_or_else(|e| panic!("{e}"));
    let best = heard.best.as_ref().map(|b| b.sentence.words.as_str());
    assert_eq!(best, Some(COMMAND), "the decision should be right");
    heard
}

/// Transcribes, and says how long it took.
fn transcribe(recognizer: &mut WhisperRecognizer, sound: &[f32]) -> Duration {
    let begun = Instant::now();
    let (text, _) = recognizer.transcribe(sound).unwrap_or_else(|e| panic!("{e}"));
    let took = begun.elapsed();
    assert!(text.to_lowercase().contains(COMMAND), "the transcript should be right: {text:?}");
    took
}

/// The two in turns, [`ROUNDS`] times after a warm-up.
fn in_turns<A, B>(mut round: impl FnMut() -> (A, B)) -> Vec<(A, B)> {
    round();
    (0..ROUNDS).map(|_| round()).collect()
}

/// Utterances of two seconds a round, and their frames.
const UTTERANCES: usize = 500;
const FRAMES: usize = 125;

/// Microseconds for each second of sound that `record` takes for one utterance.
fn microseconds_a_second(mut record: impl FnMut()) -> f64 {
    let begun = Instant::now();
    (0..UTTERANCES).for_each(|_| record());
    begun.elapsed().as_secs_f64() * 1e6 / (UTTERANCES * FRAMES) as f64 / FRAME.as_secs_f64()
}

/// Calls of read and write that this process has made: proc_pid_io(5).
fn reads_and_writes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let calls = io.lines().filter_map(|l| l.strip_prefix("syscr: ").or(l.strip_prefix("syscw: ")));
    calls.filter_map(|n| n.parse::<u64>().ok()).sum()
}

/// What recording costs: unnamed and capped, next to a named file that is deleted, next to hearing (the voice detector).
fn scratch_costs() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|e| panic!("{e}"));
    let scratch = Scratch::new(dir.path().into(), &ScratchSettings::default());
    let frame = [0.25; FRAME_LEN];
    let ours = || {
        let mut utterance = scratch.open().unwrap_or_else(|e| panic!("{e}"));
        (0..FRAMES).for_each(|_| utterance.write(&frame).unwrap_or_else(|e| panic!("{e}")));
        let mut recording = utterance.seal(0).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(recording.samples().map_or(0, |s| s.len()), FRAMES * FRAME_LEN);
    };
    let path = dir.path().join("named");
    let named = || {
        let mut file = std::fs::File::create(&path).unwrap_or_else(|e| panic!("{e}"));
        for _ in 0..FRAMES {
            let bytes: Vec<u8> = frame.iter().flat_map(|s| ((s * 32_767.0) as i16).to_le_bytes()).collect();
            std::io::Write::write_all(&mut file, &bytes).unwrap_or_else(|e| panic!("{e}"));
        }
        assert_eq!(std::fs::read(&path).map_or(0, |b| b.len()), FRAMES * FRAME_LEN * 2);
        std::fs::remove_file(&path).unwrap_or_else(|e| panic!("{e}"));
    };
    let mut vad = Vad::new();
    let mut judge = || (0..FRAMES).for_each(|_| assert!(vad.judge(&frame).probability <= 1.0));
    let rounds =
        in_turns(|| ((microseconds_a_second(ours), microseconds_a_second(named)), microseconds_a_second(&mut judge)));
    let before = reads_and_writes();
    ours();
    let calls = (reads_and_writes() - before) as f64 / (FRAMES as f64 * FRAME.as_secs_f64());
    println!(
        "scratch:  {} us for a second of sound, {calls:.0} reads and writes; named file {} us; ours / named {}; voice detector {} us",
        Spread::of(rounds.iter().map(|((ours, _), _)| *ours)),
        Spread::of(rounds.iter().map(|((_, named), _)| *named)),
        Spread::of(rounds.iter().map(|((ours, named), _)| ours / named)),
        Spread::of(rounds.iter().map(|(_, vad)| *vad)),
    );
}

/// What waiting for a microphone costs that does not exist.
fn waiting_costs() {
    let device = "alsa:no-such-microphone".into();
    let mut supervisor = Supervisor::new(MicrophoneSettings { device, gain_db: 0.0 });
    let (begun, before, mut block) = (Instant::now(), support::processor_ticks(std::process::id()) as f64, [0.0; 960]);
    while begun.elapsed() < Duration::from_secs(20) {
        let sound = supervisor.read(&mut block, POLL_INTERVAL);
        assert!(matches!(sound, Ok(SourceEvent::Samples(0))), "there should be no such microphone: {sound:?}");
    }
    let (share, attempts) = (
        (support::processor_ticks(std::process::id()) as f64 - before) / begun.elapsed().as_secs_f64(),
        supervisor.counters().read().attempts,
    );
    println!("waiting:  {share:.2} % of a core in 20 s without a microphone, {attempts} attempts to open it");
}

/// How long a decision takes on every third clip, while none, one and two other programs use a processor each.
fn beside_other_programs(home: &mut WhisperRecognizer) {
    let clips: Vec<Vec<f32>> = support::clips("home").iter().step_by(3).map(|clip| support::samples(clip)).collect();
    for programs in 0..=2 {
        let _busy = support::busy(programs);
        let decided = |clip: &Vec<f32>| home.hear(clip).unwrap_or_else(|e| panic!("{e}")).took.total.as_secs_f64();
        let mut times: Vec<f64> = clips.iter().map(decided).collect();
        times.sort_by(f64::total_cmp);
        let [p50, p95] = [50, 95].map(|percent| times[times.len() * percent / 100] * 1000.0);
        println!("beside {programs} busy programs: p50 {p50:.1}, p95 {p95:.1} ms in {} decisions", times.len());
    }
}

/// Times that one decision is weighed, to have a time that can be measured.
const WEIGHED: u32 = 1000;

/// What features, weights and rules cost, once the search is over.
fn weighing_costs(heard: &Heard, thresholds: &Thresholds) {
    let begun = Instant::now();
    let accepted = (0..WEIGHED).filter(|_| judge(heard, thresholds).1 == Verdict::Accepted).count();
    let each = begun.elapsed().as_secs_f64() * 1e6 / f64::from(WEIGHED);
    let share = each / heard.took.total.as_secs_f64() / 1e4;
    println!("weighing: {each:.0} us a decision, {share:.2} % of its time (accepted {accepted} of {WEIGHED} times)");
}

fn main() {
    openmp::spin_less().unwrap_or_else(|e| panic!("{e}"));
    scratch_costs();
    waiting_costs();
    let settings = config::load(&support::data("home.toml")).unwrap_or_else(|e| panic!("{e}"));
    let mut sound = support::samples(&support::data("home").join(format!("{COMMAND}.wav")));
    sound.resize(2 * SAMPLE_RATE as usize, 0.0);
    let cores = available_parallelism().map_or(0, NonZero::get);
    let thresholds = settings.thresholds.clone();
    let (model, threads) = (&settings.recognizer.model, settings.recognizer.threads);
    println!("machine: {cores} cores, {threads} threads, {model}; \"{COMMAND}\", 2.0 s");
    println!("{ROUNDS} rounds A B A B after a warm-up; ms, median (least-most)");

    let mut home = load(settings);
    let rounds = in_turns(|| (decide(&mut home, &sound), transcribe(&mut home, &sound)));
    let decided = |part: fn(&Heard) -> Duration| Spread::of_times(rounds.iter().map(|(a, _)| part(a)));
    println!(
        "A decide: encode {}, search {} in {} decoder calls, encode + search {}, total {}",
        decided(|a| a.took.encode),
        decided(|a| a.took.search),
        rounds[0].0.calls,
        decided(|a| a.took.encode + a.took.search),
        decided(|a| a.took.total),
    );
    println!("B stock:  total {}", Spread::of_times(rounds.iter().map(|(_, b)| *b)));
    let ratio = rounds.iter().map(|(a, b)| b.as_secs_f64() / a.took.total.as_secs_f64());
    println!("B / A:    {}, totals of neighbours", Spread::of(ratio));

    let mut one = load(config::parse("one.toml", ONE_COMMAND).unwrap_or_else(|e| panic!("{e}")));
    let rounds = in_turns(|| (decide(&mut one, &sound), decide(&mut home, &sound)));
    println!(
        "grammar:  search {} in {} calls with one sentence, {} in {} calls with home.toml; home / one {}",
        Spread::of_times(rounds.iter().map(|(one, _)| one.took.search)),
        rounds[0].0.calls,
        Spread::of_times(rounds.iter().map(|(_, home)| home.took.search)),
        rounds[0].1.calls,
        Spread::of(rounds.iter().map(|(one, home)| home.took.search.as_secs_f64() / one.took.search.as_secs_f64())),
    );
    weighing_costs(&rounds[0].1, &thresholds);
    beside_other_programs(&mut home);
}
