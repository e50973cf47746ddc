//! `cargo bench`: what a decision costs, next to stock Whisper on the same clip.
//!
//! One process and one resident model: (A) decides a 2 s command among the sentences of `home.toml`; (B) transcribes it
//! as whisper.cpp does by default, with a beam of 5 and the encoder's whole context of 30 s. A and B take turns, so
//! that a slow spell of the machine hits both, and each ratio is of two neighbours. A's total holds the check for
//! speech, which B does without; B's parts are not known apart. Last, with a second model, what the size of the grammar
//! costs.
//!
//! Run nothing else meanwhile: two inferences at once slow each other twentyfold.

#[path = "../support/mod.rs"]
mod support;

use std::fmt;
use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use hearken::audio::SAMPLE_RATE;
use hearken::config::{self, Settings};
use hearken::recognize::whisper::WhisperRecognizer;
use hearken::recognize::{Heard, Recognizer};

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

fn main() {
    let settings = config::load(&support::data("home.toml")).unwrap_or_else(|e| panic!("{e}"));
    let mut sound = support::samples(&support::data("home").join(format!("{COMMAND}.wav")));
    sound.resize(2 * SAMPLE_RATE as usize, 0.0);
    let cores = available_parallelism().map_or(0, NonZero::get);
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
}
