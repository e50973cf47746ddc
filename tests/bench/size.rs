//! `cargo bench --bench size`: what the size of a grammar costs: calls of the decoder and the time of the search, for the same
//! ten clips among ten to a hundred million sentences, clear and in noise.
//!
//! The grammars take turns clip by clip, so that a slow spell of the machine hits all of them; a ratio is of two neighbours.
//! Run nothing else meanwhile.

#[path = "../support/mod.rs"]
mod support;

use std::num::NonZero;
use std::thread::available_parallelism;

use hearken::audio::SAMPLE_RATE;
use hearken::config;
use hearken::measure::eval::mix::Noise;
use hearken::recognize::Recognizer;
use hearken::recognize::whisper::WhisperRecognizer;

/// What the clips say: the smallest grammar.
const SAID: [&str; 10] = [
    "create a timer for 5 minutes",
    "next track",
    "pause the TV",
    "resume TV",
    "set a timer for 1 hour",
    "start a timer for 1 minute",
    "status of the timers",
    "stop my timer",
    "what is the temperature",
    "what's the time",
];

const THINGS: &str = "lights lamp heater fan radio blinds curtains oven kettle dishwasher boiler pump sprinkler printer \
    projector speaker toaster freezer fridge computer monitor screen shower bath fountain fireplace chandelier spotlight \
    humidifier ventilator charger doorbell camera alarm vacuum mower grill gate shutter awning";
const ROOMS: &str = "kitchen office bedroom bathroom hall cellar attic garage garden balcony terrace nursery library studio \
    workshop pantry laundry corridor lobby dining-room living-room guest-room playroom porch shed stable greenhouse \
    conservatory sauna gym cinema lounge study den loft basement driveway courtyard stairwell utility-room";

/// The grammars: so many things and rooms, and which templates.
const SIZES: [(usize, usize); 6] = [(0, 0), (4, 1), (12, 1), (20, 2), (30, 3), (40, 4)];
const TEMPLATES: [&str; 4] = [
    "(turn|switch) {state} [all of] [the] {thing} [in [the] {room}]",
    "(what is|what's) the {thing} [in [the] {room}] doing",
    "set [the] {thing} [in [the] {room}] to {percent} percent",
    "(start|set|create) [the] {thing} [in [the] {room}] for {minutes} minutes [at {percent} percent]",
];

fn configuration((words, templates): (usize, usize)) -> String {
    let listed = |all: &str, count: usize| {
        let words: Vec<String> = all.split_whitespace().take(count.max(1)).map(|w| format!("{w:?}")).collect();
        words.join(", ").replace('-', " ")
    };
    let say: Vec<String> = SAID.iter().chain(&TEMPLATES[..templates]).map(|say| format!("{say:?}")).collect();
    let threads = available_parallelism().map_or(1, NonZero::get).min(2);
    format!(
        "board = \"host\"\n[recognizer]\nthreads = {threads}\ndeadline = \"60 s\"\n[lists]\nstate = [\"on\", \"off\"]\n\
         thing = [{}]\nroom = [{}]\npercent = {{ from = 0, to = 100 }}\nminutes = {{ from = 1, to = 90 }}\n\
         [[commands]]\nname = \"all\"\nsay = [{}]\n",
        listed(THINGS, words),
        listed(ROOMS, words),
        say.join(", ")
    )
}

/// Two seconds of white noise, in which little of speech is left.
fn noise() -> Noise {
    let mut state = 1u64;
    let samples = (0..2 * SAMPLE_RATE).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    });
    Noise::new(samples.collect()).unwrap_or_else(|| panic!("it should not be silent"))
}

/// One grammar's figures for all clips of a condition.
#[derive(Default)]
struct Row {
    calls: Vec<f64>,
    ms: Vec<f64>,
    right: usize,
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn main() {
    let mut grammars: Vec<(u64, WhisperRecognizer)> = Vec::new();
    for size in SIZES {
        let settings = config::parse("size.toml", &configuration(size)).unwrap_or_else(|e| panic!("{e}"));
        let count = settings.grammar.count();
        let recognizer = WhisperRecognizer::load(&settings.recognizer, settings.grammar);
        grammars.push((count, recognizer.unwrap_or_else(|e| panic!("{e}"))));
    }
    let noise = noise();
    for snr_db in [None, Some(3.0)] {
        let mut rows: Vec<Row> = grammars.iter().map(|_| Row::default()).collect();
        for said in SAID {
            let clear = support::samples(&support::data("home").join(format!("{said}.wav")));
            let sound = snr_db.map_or(clear.clone(), |db| noise.mixed(&clear, said, db));
            for ((_, recognizer), row) in grammars.iter_mut().zip(&mut rows) {
                let heard = recognizer.hear(&sound).unwrap_or_else(|e| panic!("{e}"));
                row.calls.push(heard.calls as f64);
                row.ms.push(heard.took.search.as_secs_f64() * 1000.0);
                row.right += usize::from(heard.best.is_some_and(|b| b.sentence.words.eq_ignore_ascii_case(said)));
            }
        }
        println!("{}:", snr_db.map_or("clear".into(), |db: f32| format!("noise at {db} dB")));
        let ratio = |of: &[f64], to: &[f64]| {
            let ratios: Vec<f64> = of.iter().zip(to).map(|(of, to)| of / to).collect();
            median(&ratios)
        };
        for ((count, _), row) in grammars.iter().zip(&rows) {
            println!(
                "  {count:>11} sentences: {:4.0} calls, {:6.1} ms (medians of {}); to the smallest grammar: calls {:.2}, ms {:.2}; {} right",
                median(&row.calls),
                median(&row.ms),
                SAID.len(),
                ratio(&row.calls, &rows[0].calls),
                ratio(&row.ms, &rows[0].ms),
                row.right
            );
        }
    }
}
