//! `make fit FIT=DIR`: what tells whether a person said a sentence, fitted on recordings.
//!
//! DIR has a folder for each grammar, as `hearken eval` reads them: WAV files, expected.jsonl (with `speaker` and `set` where they
//! are known), and the grammar as config.toml; and the folders `noise` and `rooms` (impulse responses), which may be missing.
//! `tests/fit/layout.py` makes such a folder of sets that have transcripts.
//!
//! - `decide` decides all recordings, clean and with their surroundings, and writes the table of features.
//! - `weights` fits the weights to a table, cross-validated by speaker and by set, and writes them beside the model file with a
//!   report. A test fits the committed table again.
//! - `search` tries other settings of the search on the sentences, one at a time.

mod decided;
mod grid;
mod regression;
mod report;
#[path = "../endpoint/room.rs"]
mod room;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hearken::audio::SAMPLE_RATE;
use hearken::recognize::MAX_SAMPLES;

use decided::{Plan, Surroundings};
use table::Row;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Decide recordings and write the table of their features
    Decide {
        #[command(flatten)]
        what: What,
        /// The table
        #[arg(long, value_name = "CSV")]
        out: PathBuf,
    },
    /// Fit the weights to tables and write them, and a report
    Weights {
        /// The model's file name
        #[arg(long, default_value = "ggml-tiny.en-q8_0.bin")]
        model: String,
        /// The report
        #[arg(long, value_name = "MD")]
        report: PathBuf,
        /// The table
        table: PathBuf,
    },
    /// Try settings of the search
    Search {
        #[command(flatten)]
        what: What,
    },
}

#[derive(clap::Args)]
struct What {
    /// The model's file name
    #[arg(long, default_value = "ggml-tiny.en-q8_0.bin")]
    model: String,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Take only every OF-th recording, from number N on: N/OF
    #[arg(long, value_parser = shard, default_value = "0/1")]
    shard: (usize, usize),
    /// Take one in so many of the other speech
    #[arg(long, default_value_t = 1)]
    one_in: usize,
    /// Take only this grammar; may be repeated
    #[arg(long)]
    only: Vec<String>,
    /// Where the recordings are
    dir: PathBuf,
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(n, of)| Some((n.parse().ok()?, of.parse().ok()?)));
    parts.filter(|(n, of)| n < of).ok_or("as in 0/2".into())
}

impl What {
    fn plan(&self) -> Plan {
        Plan { model: self.model.clone(), threads: self.threads, shard: self.shard, one_in: self.one_in.max(1) }
    }

    /// The folders of grammars, by name.
    fn folders(&self) -> Result<Vec<(String, PathBuf)>, String> {
        let entries = fs::read_dir(&self.dir).map_err(|e| format!("{}: {e}", self.dir.display()))?;
        let mut folders: Vec<(String, PathBuf)> = entries
            .filter_map(|entry| entry.ok())
            .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
            .filter(|(name, path)| {
                path.join("config.toml").is_file() && (self.only.is_empty() || self.only.contains(name))
            })
            .collect();
        folders.sort();
        if folders.is_empty() {
            Err(format!("{}: no folder has a config.toml", self.dir.display()))
        } else {
            Ok(folders)
        }
    }
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Decide { what, out } => decide(&what).and_then(|rows| put(&out, &table::write(&rows))),
        Command::Weights { model, report, table } => weights(&model, &table, &report),
        Command::Search { what } => grid::search(&what.folders(), &what.dir, &what.plan()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("fit: {what}");
            ExitCode::FAILURE
        }
    }
}

fn put(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

fn decide(what: &What) -> Result<Vec<Row>, String> {
    let (plan, surroundings) = (what.plan(), Surroundings::read(&what.dir)?);
    let mut rows = Vec::new();
    for (grammar, dir) in what.folders()? {
        let (mut evaluator, cases) = decided::open(&dir, &plan)?;
        let before = rows.len();
        for recording in decided::recordings(&cases, &surroundings, &plan) {
            let (case, condition, sound) = recording?;
            let clip = evaluator.decide(case, sound)?;
            if clip.utterances.is_empty() && case.expected != hearken::eval::expected::Expected::Rejected {
                rows.push(decided::row(&grammar, case, &condition, None));
            }
            rows.extend(clip.utterances.iter().map(|u| decided::row(&grammar, case, &condition, Some(u))));
        }
        eprintln!("{grammar}: {}", decided::counts(&rows[before..]));
    }
    rows.extend(noise_alone(what, &plan, &surroundings)?);
    Ok(rows)
}

/// Noise that nobody speaks in, by every grammar: it must not be obeyed either.
fn noise_alone(what: &What, plan: &Plan, surroundings: &Surroundings) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for (grammar, dir) in what.folders()? {
        let (mut evaluator, _) = decided::open(&dir, plan)?;
        for (number, (case, sound)) in surroundings.cases(3 * SAMPLE_RATE as usize, MAX_SAMPLES).enumerate() {
            if number % plan.shard.1 == plan.shard.0 && number % plan.one_in == 0 {
                let clip = evaluator.decide(&case, sound)?;
                rows.extend(clip.utterances.iter().map(|u| decided::row(&grammar, &case, "noise alone", Some(u))));
            }
        }
    }
    Ok(rows)
}

fn weights(model: &str, table: &Path, report: &Path) -> Result<(), String> {
    let text = fs::read_to_string(table).map_err(|e| format!("{}: {e}", table.display()))?;
    let rows = table::read(&text).map_err(|what| format!("{}: {what}", table.display()))?;
    let fitted = report::Fitted::of(&rows);
    let stem = model.strip_suffix(".bin").unwrap_or(model);
    let path = PathBuf::from(format!("models/{stem}.weights.toml"));
    let before = fs::read_to_string(&path).unwrap_or_default();
    put(&path, &report::weights(model, &decided::sha256(model)?, table, &fitted, &before)?)?;
    put(report, &report::report(model, table, &rows, &fitted))?;
    eprintln!("{} and {}", path.display(), report.display());
    Ok(())
}
