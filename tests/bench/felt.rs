//! `cargo bench --bench felt`: the time from the end of the last word to the pin, and what it is made of.
//!
//! The real detector, endpoint and recognizer, frame by frame, with the default settings; the wait is counted in samples,
//! so the machine has no part in it. Whisper as most people use it decides the same recordings in turns with Hearken: (a)
//! stock, with a beam of 5 and the encoder's whole context of 30 s, and (b) as a skilled user sets it, greedy and with a
//! context as long as the sound. Each ratio is of two neighbours. All three keep their model in memory.
//!
//! With `--check FILE` the ratios are compared with those in FILE, and nothing fails.

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/words.rs"]
mod words;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hearken::audio::{FRAME, FRAME_LEN, SAMPLE_RATE};
use hearken::config::{self, Settings};
use hearken::decide::outlook::outlook;
use hearken::decide::rules::{Verdict, judge};
use hearken::recognize::models;
use hearken::recognize::whisper::WhisperRecognizer;
use hearken::recognize::{Recognizer, Timings};
use hearken::runtime::openmp;
use hearken::utterance::draft::Outlook;
use hearken::utterance::endpoint::{Cue, Endpoint, Input};
use hearken::utterance::vad::Vad;
use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperState};

/// Most clips of a group.
const CLIPS: usize = 7;
/// Each group's name, the grammar and folder of its clips, and the seconds until their last word ends.
const GROUPS: [(&str, &str, f64, f64); 4] = [
    ("short", "home", 0.0, 1.2),
    ("usual", "home", 1.2, 2.2),
    ("long", "home", 2.2, 10.0),
    ("orders", "coffee", 0.0, 10.0),
];

/// What became of an utterance.
struct Felt {
    /// From the end of the last word until the draft was made, and until the utterance could end, in milliseconds.
    draft_ms: f64,
    end_ms: f64,
    /// Whether the command ended the utterance.
    early: bool,
    took: Timings,
    /// What was recorded.
    recording: Vec<f32>,
}

impl Felt {
    /// What was left to do when the utterance could end. The outlook is seen with the next frame, 16 ms later at most.
    fn left_ms(&self) -> f64 {
        let seen = if self.early { ms(FRAME) } else { 0.0 };
        (self.draft_ms + ms(self.took.total) + seen - self.end_ms).max(0.0)
    }

    fn felt_ms(&self) -> f64 {
        self.end_ms + self.left_ms()
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Listens to `clip` in a quiet room, and decides it.
fn listen(recognizer: &mut WhisperRecognizer, settings: &Settings, clip: &[f32]) -> Felt {
    let before = support::quiet(1000);
    let word_end = before.len() + words::word_end(clip);
    let sound = [&before, clip, &support::quiet(2000)].concat();
    let (mut vad, mut endpoint) = (Vad::new(), Endpoint::new(settings.endpoint.clone()));
    let since_word = |frame: usize| ((frame + 1) * FRAME_LEN) as f64 / 16.0 - word_end as f64 / 16.0;
    let (mut begin, mut last, mut said) = (0, None, Outlook::Open);
    for (at, frame) in sound.chunks_exact(FRAME_LEN).enumerate() {
        let frame = frame.try_into().expect("a chunk should be a frame");
        match endpoint.push(Input { voice: vad.judge(frame), outlook: said, held: false }) {
            Cue::Open => begin = (at + 1).saturating_sub(endpoint.pre_roll_frames() + 1),
            Cue::Write => said = Outlook::Open,
            Cue::Draft => {
                let recording = sound[begin * FRAME_LEN..(at + 1) * FRAME_LEN].to_vec();
                let heard = recognizer.hear(&recording).unwrap_or_else(|e| panic!("{e}"));
                let verdict = judge(&heard, &settings.thresholds).1;
                said = outlook(&heard, &verdict, &settings.grammar);
                last = Some((since_word(at), heard, verdict, recording));
            }
            Cue::Seal { .. } => {
                let (draft_ms, heard, verdict, recording) = last.expect("a draft should come before the end");
                assert_eq!(verdict, Verdict::Accepted, "{:?}", heard.text);
                let (early, end_ms) = (said == Outlook::Over, since_word(at));
                return Felt { draft_ms, end_ms, early, took: heard.took, recording };
            }
            Cue::Wait | Cue::Pause => {}
            Cue::Discard => panic!("a command should not be dropped"),
        }
    }
    panic!("the utterance should end");
}

/// Hearken with a grammar.
struct Hearken {
    settings: Settings,
    recognizer: WhisperRecognizer,
}

impl Hearken {
    fn load(grammar: &str) -> Hearken {
        let settings = config::load(&support::data(&format!("{grammar}.toml"))).unwrap_or_else(|e| panic!("{e}"));
        let recognizer =
            WhisperRecognizer::load(&settings.recognizer, settings.grammar.clone()).unwrap_or_else(|e| panic!("{e}"));
        Hearken { settings, recognizer }
    }
}

/// What a skilled user runs.
struct Skilled(WhisperState);

impl Skilled {
    fn load(model: &str) -> Skilled {
        let bytes = models::verified(model, None).unwrap_or_else(|e| panic!("{e}")).bytes;
        let mut parameters = WhisperContextParameters::default();
        parameters.use_gpu(false).flash_attn(false);
        let context = WhisperContext::new_from_buffer_with_params(&bytes, parameters).expect("the model should load");
        Skilled(context.create_state().expect("there should be room for the model"))
    }

    fn transcribe(&mut self, sound: &[f32], threads: usize) -> Duration {
        let positions = (50 * sound.len() / SAMPLE_RATE as usize + 1 + 64).next_multiple_of(64).min(1500);
        let begun = Instant::now();
        let mut parameters = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        parameters.set_n_threads(threads as i32);
        parameters.set_audio_ctx(positions as i32);
        parameters.set_single_segment(true);
        parameters.set_no_timestamps(true);
        parameters.set_temperature_inc(0.0);
        parameters.set_print_progress(false);
        parameters.set_language(Some("en"));
        self.0.full(parameters, sound).expect("it should transcribe");
        begun.elapsed()
    }
}

fn stock(recognizer: &mut WhisperRecognizer, sound: &[f32]) -> Duration {
    let begun = Instant::now();
    recognizer.transcribe(sound).unwrap_or_else(|e| panic!("{e}"));
    begun.elapsed()
}

fn quantile(values: impl Iterator<Item = f64>, percent: usize) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) * percent / 100]
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    quantile(values, 50)
}

/// The clips of a group, evenly chosen.
fn group(folder: &str, least: f64, most: f64) -> Vec<PathBuf> {
    let seconds = |clip: &PathBuf| words::word_end(&support::samples(clip)) as f64 / f64::from(SAMPLE_RATE);
    let all: Vec<PathBuf> =
        support::clips(folder).into_iter().filter(|c| (least..most).contains(&seconds(c))).collect();
    let every = all.len().div_ceil(CLIPS).max(1);
    all.into_iter().step_by(every).collect()
}

/// The ratios of a group: of stock and of the skilled user to what is left after the wait, and of stock to a whole file.
struct Ratios {
    stock: f64,
    skilled: f64,
    file: f64,
}

fn measure(name: &str, clips: &[PathBuf], hearken: &mut Hearken, skilled: &mut Skilled) -> (Vec<Felt>, Ratios) {
    let Hearken { settings, recognizer: ours } = hearken;
    let (mut felt, mut ratios): (Vec<Felt>, Vec<[f64; 3]>) = (Vec::new(), Vec::new());
    for clip in clips {
        let sound = support::samples(clip);
        let ours_felt = listen(ours, settings, &sound);
        let a = ms(stock(ours, &ours_felt.recording));
        let b = ms(skilled.transcribe(&ours_felt.recording, settings.recognizer.threads));
        let file = ms(ours.hear(&sound).unwrap_or_else(|e| panic!("{e}")).took.total);
        // Less than a frame cannot be told from nothing.
        let left = ours_felt.left_ms().max(ms(FRAME));
        ratios.push([a / left, b / left, a / file]);
        felt.push(ours_felt);
    }
    let of = |part: fn(&Timings) -> Duration, percent| quantile(felt.iter().map(|f| ms(part(&f.took))), percent);
    let rest = |t: &Timings| t.total - t.mel - t.encode - t.search;
    for percent in [50, 95] {
        println!(
            "| {name} p{percent} | {} | {} | {:.0} | {:.1} | {:.0} | {:.0} | {:.1} | {:.0} | {:.0} |",
            clips.len(),
            felt.iter().filter(|f| f.early).count(),
            quantile(felt.iter().map(|f| f.draft_ms), percent),
            of(|t| t.mel, percent),
            of(|t| t.encode, percent),
            of(|t| t.search, percent),
            of(rest, percent),
            quantile(felt.iter().map(Felt::left_ms), percent),
            quantile(felt.iter().map(Felt::felt_ms), percent),
        );
    }
    let [stock, skilled, file] = [0, 1, 2].map(|i| median(ratios.iter().map(|r| r[i])));
    (felt, Ratios { stock, skilled, file })
}

/// Compares the ratios with those in `file`.
fn check(file: &Path, found: &[(String, f64)]) {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    println!("\n| ratio | here | expected | |\n|---|---|---|---|");
    for line in text.lines().filter(|line| !line.starts_with('#') && line.contains('=')) {
        let (name, value) = line.split_once('=').expect("a line should have a name and a ratio");
        let expected: f64 = value.trim().parse().unwrap_or_else(|e| panic!("{line}: {e}"));
        let here = found.iter().find(|(known, _)| known == name.trim().trim_matches('"')).map(|(_, ratio)| *ratio);
        let Some(here) = here else { continue };
        // On a noisy machine a ratio of two neighbours still varies by a third.
        let says = if here < expected / 1.5 { "slower than it was" } else { "as it was" };
        println!("| {} | {here:.1} | {expected:.1} | {says} |", name.trim());
    }
}

fn main() {
    openmp::spin_less().unwrap_or_else(|e| panic!("{e}"));
    let mut hearken = ["home", "coffee"].map(|grammar| (grammar, Hearken::load(grammar)));
    let mut skilled = Skilled::load(&hearken[0].1.settings.recognizer.model);
    println!(
        "From the end of the last word, ms. wait: until the draft; left: what is left to do when the utterance may end.\n"
    );
    println!("| commands | clips | early | wait | mel | encode | search | speech check | left | felt |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let (mut all, mut found) = (Vec::new(), Vec::new());
    for (name, grammar, least, most) in GROUPS {
        let hearken = hearken.iter_mut().find(|(known, _)| *known == grammar).map(|(_, hearken)| hearken);
        let hearken = hearken.expect("each grammar should be loaded");
        let (felt, ratios) = measure(name, &group(grammar, least, most), hearken, &mut skilled);
        all.extend(felt);
        found.push((format!("{name}, stock / left"), ratios.stock));
        found.push((format!("{name}, skilled / left"), ratios.skilled));
        found.push((format!("{name}, stock / file"), ratios.file));
    }
    for (what, early_only) in [("that nothing can follow", true), ("all", false)] {
        let felt: Vec<f64> = all.iter().filter(|f| f.early || !early_only).map(Felt::felt_ms).collect();
        let [p50, p95] = [50, 95].map(|percent| quantile(felt.iter().copied(), percent));
        println!("\nfelt, commands {what}: p50 {p50:.0}, p95 {p95:.0} ms, {} clips", felt.len());
    }
    println!();
    found.iter().for_each(|(name, ratio)| println!("{name}: {ratio:.1}"));
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--check") {
        check(Path::new(&arguments[at + 1]), &found);
    }
}
