//! `cargo bench --bench scaling`: what grows with the length of an utterance, and with the number of outputs that a command
//! switches. `size` says what grows with the grammar.
//!
//! The utterances are one command with more and more of a quiet room behind it, so that the words stay the same. The
//! outputs are switched by the real actuator on its thread, on pins that do nothing. Ratios are to the first line; the
//! lines take turns. Run nothing else meanwhile.

#[path = "../support/mod.rs"]
mod support;

use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use hearken::act::command::{Action, Limits, Output};
use hearken::act::gpio::{GpioError, Level, Line, OutputPins};
use hearken::config;
use hearken::daemon::actuator::{Actuator, Order};
use hearken::daemon::decider::Decided;
use hearken::decide::rules::Verdict;
use hearken::recognize::whisper::WhisperRecognizer;
use hearken::recognize::{Recognizer, Timings};
use hearken::report::reporter;
use hearken::runtime::openmp;
use hearken::runtime::stop::Stop;
use hearken::utterance::scratch::{Scratch, ScratchSettings};

/// Rounds: odd, so that a median is a measurement.
const ROUNDS: usize = 7;
/// The command that is said, and how long the utterances last in all, in milliseconds.
const COMMAND: &str = "home/turn on the lights.wav";
const LENGTHS: [usize; 4] = [3000, 6000, 12_000, 24_000];
/// How many outputs a command switches, and how often it does so.
const OUTPUTS: [usize; 3] = [1, 10, 40];
const SWITCHES: usize = 201;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn lengths() {
    let settings = config::load(&support::data("home.toml")).unwrap_or_else(|e| panic!("{e}"));
    let mut recognizer =
        WhisperRecognizer::load(&settings.recognizer, settings.grammar).unwrap_or_else(|e| panic!("{e}"));
    let clip = support::samples(&support::data(COMMAND));
    let sounds = LENGTHS.map(|length| {
        let quiet = support::quiet(length - clip.len() / 16);
        [&clip[..], &quiet].concat()
    });
    let mut rounds: [Vec<Timings>; LENGTHS.len()] = Default::default();
    for round in 0..=ROUNDS {
        for (sound, rounds) in sounds.iter().zip(&mut rounds) {
            let took = recognizer.hear(sound).unwrap_or_else(|e| panic!("{e}")).took;
            if round > 0 {
                rounds.push(took);
            }
        }
    }
    println!(
        "| utterance, ms | mel | encode | search | speech check | all | to the shortest |\n|---|---|---|---|---|---|---|"
    );
    let of = |rounds: &[Timings], part: fn(&Timings) -> Duration| median(rounds.iter().map(|t| ms(part(t))).collect());
    let shortest = of(&rounds[0], |t| t.total);
    for (length, rounds) in LENGTHS.iter().zip(&rounds) {
        let total = of(rounds, |t| t.total);
        println!(
            "| {length} | {:.1} | {:.0} | {:.0} | {:.0} | {total:.0} | {:.1} |",
            of(rounds, |t| t.mel),
            of(rounds, |t| t.encode),
            of(rounds, |t| t.search),
            of(rounds, |t| t.total - t.mel - t.encode - t.search),
            total / shortest
        );
    }
}

/// Pins that do nothing.
struct NoPins;

impl OutputPins for NoPins {
    fn set(&mut self, _: usize, _: Level) -> Result<(), GpioError> {
        Ok(())
    }
}

fn decided(actions: Vec<Action>) -> Order {
    let scratch = Scratch::new("/dev/shm".into(), &ScratchSettings::default()).usage();
    Order::Decided(Box::new(Decided {
        utterance: 1,
        heard: None,
        assessment: None,
        verdict: Verdict::Accepted,
        confirmed: None,
        actions,
        fell_silent: Instant::now(),
        scratch,
        recording: None,
        asked: None,
    }))
}

/// Microseconds from the decision to the report of all pins, if a command toggles `count` outputs.
fn switched(count: usize) -> f64 {
    let output = |number: usize| Output {
        name: format!("output{number}"),
        line: Line::Number(number as u32),
        active_low: false,
        rest: false,
        dimmer: None,
        remember: false,
        limits: Limits::default(),
    };
    let outputs: Vec<Output> = (0..count).map(output).collect();
    let ((decisions, inbox), (reporter, reports), stop) = (sync_channel(1), reporter(false), Stop::default());
    let mut times = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| Actuator::new(&outputs, Box::new(NoPins)).work(&{ inbox }, &reporter, &stop));
        for _ in 0..SWITCHES {
            let order = decided((0..count).map(Action::Toggle).collect());
            let begun = Instant::now();
            decisions.send(order).expect("the actuator should work");
            reports.recv().expect("the actuator should report");
            times.push(ms(begun.elapsed()) * 1000.0);
        }
        drop(decisions);
    });
    median(times)
}

fn main() {
    openmp::spin_less().unwrap_or_else(|e| panic!("{e}"));
    println!("| outputs of a command | decision to the last pin, us |\n|---|---|");
    OUTPUTS.into_iter().for_each(|count| println!("| {count} | {:.0} |", switched(count)));
    println!();
    lengths();
}
