//! `make endpoint FIT=DIR`: which share of people's short utterances the detector and the endpoint record whole, and what
//! they record where nobody speaks, for some settings of `[endpoint]`.
//!
//! Each folder of DIR is a set of WAV files, each with one word or a short phrase. Its `transcripts.jsonl`, where there is one,
//! has a row a file with `file` and `speaker`. Two folders are no sets: `noise` has noises, `rooms` impulse responses of rooms.
//!
//! The speakers fall into two halves by a hash of their names (of the file's where nobody knows the speaker): settings are
//! chosen on one half and reported on the other. Each clip is heard at three levels, clear and in noise, and through rooms.
//! The detector judges each of these once; the endpoint, which is pure, then takes the probabilities once for every setting.

mod material;
#[path = "../support/recordings.rs"]
mod recordings;
mod replay;
mod scene;
#[path = "../support/words.rs"]
#[expect(dead_code, reason = "the benchmarks use more of it")]
mod words;

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use hearken::audio::SAMPLE_RATE;
use hearken::measure::eval::mix::Noise;
use hearken::utterance::endpoint::{EndpointSettings, Onset};

use material::{Half, Material};
use replay::{False, Tally};
use scene::{NEAR_DBFS, at_level, conditions, probabilities, scene, white};

/// Levels at which noises are heard alone, in dBFS: 6 and 12 dB below near speech.
const NOISE_DBFS: [f32; 2] = [NEAR_DBFS - 6.0, NEAR_DBFS - 12.0];
/// Levels of white noise that count as quiet, in dBFS, and how many seconds of it are heard.
const WHITE_DBFS: [f32; 2] = [-65.0, -40.0];
const WHITE_S: usize = 600;

/// Measures the endpoint on short utterances.
#[derive(Parser)]
struct Arguments {
    /// Folders of WAV files with one short utterance each, of noise, and of rooms
    dir: PathBuf,
}

/// A clip in a condition, as the detector judged it.
struct Scene {
    half: Half,
    condition: String,
    probabilities: Vec<f32>,
    speech: Range<usize>,
}

/// Everything, as the detector judged it.
struct Judged {
    scenes: Vec<Scene>,
    noise: Vec<Vec<f32>>,
    quiet: Vec<Vec<f32>>,
}

fn main() -> ExitCode {
    let material = match Material::read(&Arguments::parse().dir) {
        Ok(material) if !material.clips.is_empty() => material,
        Ok(_) => return failed("no short utterances found"),
        Err(error) => return failed(&error.to_string()),
    };
    introduce(&material);
    let judged = judge(&material);
    println!("\nThe choosing half, near ({NEAR_DBFS} dBFS): the defaults, and one setting changed at a time\n");
    choose(&judged);
    println!("\nThe held-out half, before (0.7, 0.6, 300 ms, 200 ms, 160 ms) -> with the defaults\n");
    report(&judged);
    ExitCode::SUCCESS
}

fn failed(why: &str) -> ExitCode {
    eprintln!("endpoint: {why}");
    ExitCode::FAILURE
}

fn introduce(material: &Material) {
    let choosing = material.clips.iter().filter(|clip| clip.half == Half::Choosing).count();
    println!(
        "{} short utterances, {choosing} of them for choosing; {} files left out. {} noises, {} quiet rooms, {} rooms.",
        material.clips.len(),
        material.left_out,
        material.noises.len(),
        material.quiet.len(),
        material.rooms.len(),
    );
}

fn judge(material: &Material) -> Judged {
    let usable = |named: &recordings::Named| Some((named.name.clone(), Noise::new(named.samples.clone())?));
    let noises: Vec<(String, Noise)> = material.noises.iter().filter_map(usable).collect();
    let mut scenes = Vec::new();
    for condition in conditions(material) {
        for clip in &material.clips {
            let (sound, speech) = scene(clip, &condition, &noises);
            let probabilities = probabilities(&sound);
            scenes.push(Scene { half: clip.half, condition: condition.label(), probabilities, speech });
        }
    }
    let at = |dbfs: f32| material.noises.iter().map(move |n| probabilities(&at_level(&n.samples, dbfs)));
    let whites = WHITE_DBFS.map(|dbfs| white(dbfs, 1).take(WHITE_S * SAMPLE_RATE as usize).collect::<Vec<f32>>());
    let quiet = material.quiet.iter().map(|n| &n.samples).chain(&whites);
    Judged {
        scenes,
        noise: NOISE_DBFS.into_iter().flat_map(at).collect(),
        quiet: quiet.map(|samples| probabilities(samples)).collect(),
    }
}

impl Judged {
    /// What `settings` make of the scenes of `half`, by condition.
    fn tallies(&self, half: Half, settings: &EndpointSettings) -> Vec<(String, Tally)> {
        let mut tallies: Vec<(String, Tally)> = Vec::new();
        for scene in self.scenes.iter().filter(|scene| scene.half == half) {
            let known = tallies.iter().position(|(condition, _)| *condition == scene.condition);
            let place = known.unwrap_or_else(|| {
                tallies.push((scene.condition.clone(), Tally::default()));
                tallies.len() - 1
            });
            tallies[place].1.count(&scene.probabilities, &scene.speech, settings);
        }
        tallies
    }

    /// What they make of noise, and of quiet.
    fn false_ones(&self, settings: &EndpointSettings) -> [False; 2] {
        [&self.noise, &self.quiet].map(|sounds| {
            let mut found = False::default();
            sounds.iter().for_each(|probabilities| found.count(probabilities, settings));
            found
        })
    }
}

fn choose(judged: &Judged) {
    println!(
        "| setting | opens | whole | dropped | split | late | of noise an hour | open in noise | of quiet an hour |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (what, settings) in candidates() {
        let mut near = Tally::default();
        let tallies = judged.tallies(Half::Choosing, &settings);
        tallies.iter().filter(|(c, _)| c.starts_with(&NEAR_DBFS.to_string())).for_each(|(_, tally)| near += tally);
        let [noise, quiet] = judged.false_ones(&settings);
        println!(
            "| {what} | {} | {:.0} | {:.0} % | {:.0} |",
            shares(&near).join(" | "),
            noise.an_hour(),
            100.0 * noise.share_open(),
            quiet.an_hour()
        );
    }
}

fn report(judged: &Judged) {
    let [before, after] = [former(), EndpointSettings::default()].map(|s| judged.tallies(Half::HeldOut, &s));
    println!("| condition | clips | opens | whole | dropped | split | late |");
    println!("|---|---|---|---|---|---|---|");
    for ((condition, before), (_, after)) in before.iter().zip(&after) {
        let pairs: Vec<String> =
            shares(before).iter().zip(shares(after)).map(|(before, after)| format!("{before} -> {after}")).collect();
        println!("| {condition} | {} | {} |", after.clips, pairs.join(" | "));
    }
    println!();
    for (what, settings) in [("before", former()), ("with the defaults", EndpointSettings::default())] {
        let [noise, quiet] = judged.false_ones(&settings);
        println!(
            "{what}: {} recordings of {:.0} min of noise alone, which are open for {:.0} % of the time; {} of {:.0} min of quiet",
            noise.recordings,
            noise.heard.as_secs_f64() / 60.0,
            100.0 * noise.share_open(),
            quiet.recordings,
            quiet.heard.as_secs_f64() / 60.0,
        );
    }
}

fn shares(tally: &Tally) -> [String; 5] {
    [tally.opened, tally.whole, tally.dropped, tally.split, tally.late]
        .map(|count| format!("{:.1} %", 100.0 * count as f64 / tally.clips.max(1) as f64))
}

/// The defaults before people's recordings were measured.
fn former() -> EndpointSettings {
    EndpointSettings {
        onset: Onset { speech: 6, window: 9 },
        on: 0.7,
        off: 0.6,
        pre_roll: Duration::from_millis(300),
        post_roll: Duration::from_millis(200),
        min_speech: Duration::from_millis(160),
        ..EndpointSettings::default()
    }
}

/// The former defaults, today's, and today's with one thing changed.
fn candidates() -> Vec<(String, EndpointSettings)> {
    let default = EndpointSettings::default;
    let ms = Duration::from_millis;
    let mut all = vec![("before".into(), former()), ("**the defaults**".into(), default())];
    for (on, off) in
        [(0.7, 0.6), (0.65, 0.6), (0.65, 0.5), (0.6, 0.55), (0.55, 0.5), (0.5, 0.5), (0.5, 0.4), (0.4, 0.3)]
    {
        all.push((format!("on {on}, off {off}"), EndpointSettings { on, off, ..default() }));
    }
    for (speech, window) in [(3, 9), (5, 9), (6, 9), (4, 6), (4, 12), (6, 15), (8, 20)] {
        let onset = Onset { speech, window };
        all.push((format!("onset {speech} of {window}"), EndpointSettings { onset, ..default() }));
    }
    for pre_roll in [200, 300, 400, 600, 700] {
        all.push((format!("pre_roll {pre_roll} ms"), EndpointSettings { pre_roll: ms(pre_roll), ..default() }));
    }
    for post_roll in [100, 200, 400, 500] {
        all.push((format!("post_roll {post_roll} ms"), EndpointSettings { post_roll: ms(post_roll), ..default() }));
    }
    for min_speech in [96, 128, 160, 200] {
        all.push((format!("min_speech {min_speech} ms"), EndpointSettings { min_speech: ms(min_speech), ..default() }));
    }
    all
}
