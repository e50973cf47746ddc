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

mod ablation;
mod decided;
mod grid;
#[path = "../support/recordings.rs"]
mod recordings;
mod regression;
mod report;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;

use clap::{Parser, Subcommand};

use decided::{Folder, Plan, Surroundings};
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
    /// Fit the weights to a table and write them, and a report
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
        /// Try other values of this setting only; may be repeated
        #[arg(long)]
        setting: Vec<String>,
    },
}

#[derive(clap::Args)]
struct What {
    /// The model's file name
    #[arg(long, default_value = "ggml-tiny.en-q8_0.bin")]
    model: String,
    /// Take one in so many of the recordings: a larger model takes longer
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    every: u16,
    /// Take only this grammar; may be repeated
    #[arg(long)]
    only: Vec<String>,
    /// Where the recordings are
    dir: PathBuf,
}

impl What {
    fn plan(&self) -> Plan {
        let jobs = available_parallelism().map_or(1, usize::from);
        Plan { model: self.model.clone(), jobs, every: self.every.into() }
    }

    /// The folders of grammars, by name.
    fn folders(&self) -> Result<Vec<(String, PathBuf)>, String> {
        let entries = recordings::sorted(&self.dir).map_err(|e| format!("{}: {e}", self.dir.display()))?;
        let named = entries.into_iter().map(|path| (recordings::name(&path), path));
        let wanted = |name: &String| self.only.is_empty() || self.only.contains(name);
        let folders: Vec<_> = named.filter(|(name, path)| path.join("config.toml").is_file() && wanted(name)).collect();
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
        Command::Search { what, setting } => search(&what, &setting),
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
    let mut all = Vec::new();
    for (name, dir) in what.folders()? {
        let rows = Folder::read(name.clone(), &dir, &plan)?.decided(&surroundings, &plan)?;
        let found = rows.iter().filter(|row| row.right()).count();
        eprintln!("{name}: {} utterances, in {found} of them the sentence that was said is found", rows.len());
        all.extend(rows);
    }
    all.sort_by_cached_key(table::line);
    Ok(all)
}

fn search(what: &What, settings: &[String]) -> Result<(), String> {
    let (plan, surroundings) = (what.plan(), Surroundings::read(&what.dir)?);
    what.folders()?
        .into_iter()
        .try_for_each(|(name, dir)| grid::search(&Folder::read(name, &dir, &plan)?, &surroundings, settings))
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
