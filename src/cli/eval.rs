//! `hearken eval --config FILE DIR...`

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::counted;
use crate::audio::file;
use crate::config::{self, Settings};
use crate::daemon::error::Error;
use crate::measure::eval::expected::{Case, Faults, warnings};
use crate::measure::eval::folders;
use crate::measure::eval::groups::{self, COLUMNS, Counts};
use crate::measure::eval::mix::{Noise, SEED};
use crate::measure::eval::page::{self, MOST_SOUNDS};
use crate::measure::eval::summary::Summary;
use crate::measure::eval::{Clip, Condition, Evaluator, Grade};
use crate::recognize;
use crate::recognize::settings::RecognizerSettings;
use crate::runtime::stop::Stop;
use crate::utterance::scratch::{self, Scratch};

/// The arguments of `hearken eval`.
#[derive(clap::Args)]
#[command(
    after_help = "DIR/expected.jsonl says what each WAV file should be decided as, with one JSON object a line for every file.
A sentence, or another one with the same meaning; case, punctuation and the spelling of numbers do not matter:
  {\"file\": \"a.wav\", \"sentence\": \"set the light to 40 percent\"}
A command, with at least these slots:
  {\"file\": \"b.wav\", \"command\": \"lamp\", \"slots\": {\"state\": \"on\"}}
No command, so that it should be refused:
  {\"file\": \"c.wav\", \"rejected\": true}
Without that list the name of each WAV file is its sentence, and files in a folder `other` should be refused.
Each line may also name the speaker, and a set to count the file in; both are shown in tables:
  {\"file\": \"d.wav\", \"sentence\": \"stop\", \"speaker\": \"ann\", \"set\": \"far\"}
Each DIR has its own list, or none. With several DIRs the names of files begin with the DIR as typed, and a file without a set
is in the set with the name of its DIR.
There is a warning for a sentence that no command has. Files and folders whose names begin with a dot are ignored.

Files are used unchanged: microphone.gain_db is not applied, because kept recordings include it already. The limit for a
decision is a minute instead of recognizer.deadline; the report shows how long decisions take.
Exit codes: 0 evaluated, 1 a file could not be read, or the share that is right is below --at-least."
)]
pub struct Arguments {
    #[command(flatten)]
    config: super::ConfigOption,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Print first one line of JSON for each clip. A clip that cannot be read has its file and error
    #[arg(long)]
    each: bool,
    /// Cut every file into utterances as the daemon would; those of more than 30 s, and those to be refused of more
    /// than endpoint.max_length, are cut anyway
    #[arg(long)]
    cut: bool,
    /// Decide again with added noise, at each of these signal-to-noise ratios in dB, measured on the loudest 128 ms of
    /// both
    #[arg(long, value_name = "DB", value_delimiter = ',', allow_negative_numbers = true, value_parser = snr, requires = "noise")]
    snr: Vec<f32>,
    /// The noise to add
    #[arg(long, value_name = "WAV", requires = "snr")]
    noise: Option<PathBuf>,
    /// Write a page with charts, and with the sound and a spectrogram of wrong results. It contains recorded speech
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
    /// Exit with code 1 if less than this share of the clips is right, without added noise
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    at_least: Option<f64>,
    /// Folders with WAV files, or with folders of them
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
}

impl Arguments {
    /// The folders as typed.
    fn folders(&self) -> String {
        let dirs: Vec<String> = self.dirs.iter().map(|dir| dir.display().to_string()).collect();
        dirs.join(", ")
    }
}

fn snr(text: &str) -> Result<f32, String> {
    let within = |db: &f32| (-30.0..=60.0).contains(db);
    text.trim().parse().ok().filter(within).ok_or("a number of dB from -30 to 60 is needed".into())
}

fn percent(text: &str) -> Result<f64, String> {
    let within = |percent: &f64| (0.0..=100.0).contains(percent);
    text.parse().ok().filter(within).ok_or("a number from 0 to 100 is needed".into())
}

/// Longest time for a decision.
const DEADLINE: Duration = Duration::from_secs(60);

/// Decides every WAV file under the folders in every condition and prints the results.
pub fn eval(arguments: &Arguments) -> Result<(), Error> {
    let settings = config::load(&arguments.config.file)?;
    let mut cases = read(arguments, &settings)?;
    let noise = arguments.noise.as_deref().map(noise).transpose()?;
    let page = arguments.html.as_deref().map(create).transpose()?;
    let keep = if page.is_some() { MOST_SOUNDS } else { 0 };
    let mut evaluator = evaluator(settings, arguments.cut, keep)?;
    let files = cases.len();
    let with_noise =
        arguments.snr.iter().filter_map(|snr_db| Some(Condition { noise: Some((noise.as_ref()?, *snr_db)) }));
    let mut conditions = Vec::new();
    for condition in [Condition { noise: None }].into_iter().chain(with_noise) {
        let clips = decide(&mut evaluator, &mut cases, condition, arguments.each)?;
        conditions.push((Summary::of(&clips, condition.snr_db()), clips));
    }
    let unreadable = files - cases.len();
    print(arguments, &conditions, files, unreadable)?;
    if let Some(page) = page {
        let mut page = emptied(page)?;
        page::write(&mut page, &arguments.folders(), &about(arguments, files), &conditions, &evaluator.thresholds)?;
        page.flush()?;
    }
    if unreadable > 0 {
        return Err(Error::Files(unreadable, files));
    }
    sufficient(&conditions[0].0, arguments.at_least)
}

/// Reads the cases, and warns of those that no decision can meet.
fn read(arguments: &Arguments, settings: &Settings) -> Result<Vec<Case>, Error> {
    let fault = |faults: Faults| Error::Evaluation(faults.to_string());
    let (cases, left_out) =
        folders::cases(&arguments.dirs, &settings.commands, arguments.noise.as_deref()).map_err(fault)?;
    for warning in left_out.into_iter().chain(warnings(&cases, &settings.commands, &settings.grammar)) {
        writeln!(io::stderr(), "{warning}")?;
    }
    Ok(cases)
}

/// Makes an evaluator that decides as the daemon would, except for the deadline. The time of decisions depends on the
/// machine and is reported.
pub(super) fn evaluator(settings: Settings, cut: bool, keep: usize) -> Result<Evaluator, Error> {
    let deadline = settings.recognizer.deadline.max(DEADLINE);
    let recognizer = RecognizerSettings { deadline, ..settings.recognizer };
    Ok(Evaluator {
        recognizer: recognize::load(&recognizer, settings.grammar.clone(), &Stop::default())?,
        thresholds: settings.thresholds,
        commands: settings.commands,
        grammar: settings.grammar,
        endpoint: settings.endpoint,
        scratch: Scratch::new(scratch::default_dir(), &settings.scratch),
        cut,
        keep,
    })
}

fn noise(path: &Path) -> Result<Noise, Error> {
    let fault = |what: &dyn std::fmt::Display| Error::Evaluation(format!("{}: {what}", path.display()));
    let samples = file::read(path).map_err(|e| fault(&e))?;
    Noise::new(samples).ok_or_else(|| fault(&"silent from end to end; use a file with noise"))
}

/// Opens the file of the page with mode 0600, because it contains speech. Its old content stays until the page is
/// written.
fn create(path: &Path) -> Result<File, Error> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let closed = file.and_then(|file| {
        let is_file = file.metadata()?.is_file();
        if is_file { file.set_permissions(Permissions::from_mode(0o600)).map(|()| file) } else { Ok(file) }
    });
    closed.map_err(|e| Error::Evaluation(format!("{}: {e}", path.display())))
}

fn emptied(page: File) -> io::Result<BufWriter<File>> {
    if page.metadata()?.is_file() {
        page.set_len(0)?;
    }
    Ok(BufWriter::new(page))
}

/// Decides all clips in one condition. Files that cannot be read are reported and removed from `cases`.
pub(super) fn decide(
    evaluator: &mut Evaluator,
    cases: &mut Vec<Case>,
    condition: Condition<'_>,
    each: bool,
) -> Result<Vec<Clip>, Error> {
    let mut clips: Vec<Clip> = Vec::new();
    let mut right = 0;
    let mut unreadable = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let at = condition.snr_db().map_or(String::new(), |snr_db| format!(" at {snr_db} dB"));
        progress(&format!("{number} of {}{at}, {right} right", cases.len()))?;
        let sound = condition.sound(&case.path, &case.path_in_folder);
        let decided = sound.and_then(|sound| evaluator.decide(case, sound));
        progress("")?;
        match decided {
            Ok(clip) => {
                right += usize::from(clip.grade == Grade::Right);
                if each {
                    writeln!(io::stdout(), "{}", Value::Object(clip.json(condition.snr_db())))?;
                }
                clips.push(clip);
            }
            Err(what) => {
                writeln!(io::stderr(), "{}: {what}", case.path.display())?;
                if each {
                    writeln!(io::stdout(), "{}", json!({"file": case.name, "error": what}))?;
                }
                unreadable.push(case.name.clone());
            }
        }
    }
    cases.retain(|case| !unreadable.contains(&case.name));
    Ok(clips)
}

/// Shows progress on a terminal, as one line that is overwritten. Prints nothing elsewhere.
pub(super) fn progress(line: &str) -> io::Result<()> {
    let mut terminal = io::stderr();
    if terminal.is_terminal() { write!(terminal, "\r\x1b[K{line}").and_then(|()| terminal.flush()) } else { Ok(()) }
}

/// A description of the evaluation: its files, configuration and noise.
fn about(arguments: &Arguments, files: usize) -> String {
    let noise = arguments.noise.as_ref().map(|path| format!("; noise {}, seed {SEED}", path.display()));
    let cut = if arguments.cut { ", all cut as the daemon cuts" } else { "" };
    let files = counted(files as u64, "WAV file");
    format!("{files}{cut}, decided by {}{}", arguments.config.file.display(), noise.unwrap_or_default())
}

fn print(
    arguments: &Arguments,
    conditions: &[(Summary, Vec<Clip>)],
    files: usize,
    unreadable: usize,
) -> Result<(), Error> {
    let summaries: Vec<&Summary> = conditions.iter().map(|(summary, _)| summary).collect();
    if arguments.json || arguments.each {
        let mut all = summaries[0].json();
        all["unreadable"] = json!(unreadable);
        all["noise"] =
            json!(arguments.noise.as_ref().map(|path| json!({"file": path.to_string_lossy(), "seed": SEED})));
        all["snr"] = summaries[1..].iter().map(|s| s.json()).collect();
        return Ok(writeln!(io::stdout(), "{all}")?);
    }
    let mut out = io::stdout().lock();
    let minutes = summaries[0].audio_hours * 60.0;
    writeln!(out, "{}: {}, {minutes:.1} min of sound", arguments.folders(), about(arguments, files))?;
    table(&mut out, &summaries)?;
    for summary in &summaries {
        group_tables(&mut out, summary)?;
    }
    for summary in summaries.iter().filter(|s| !s.confusions.is_empty()) {
        writeln!(out, "\n{}, expected -> decided:", summary.condition())?;
        for c in &summary.confusions {
            writeln!(out, "{:4} x {} -> {} ({})", c.count, c.expected, c.decided, c.file)?;
        }
    }
    if unreadable > 0 {
        writeln!(out, "\n{unreadable} could not be read")?;
    }
    Ok(())
}

/// The figures of all conditions side by side.
fn table(out: &mut dyn Write, summaries: &[&Summary]) -> io::Result<()> {
    let columns: Vec<_> = summaries.iter().map(|s| s.rows()).collect();
    let mut line = |name: &str, figures: Vec<&str>| {
        let figures: Vec<String> = figures.iter().map(|figure| format!("{figure:<36}  ")).collect();
        writeln!(out, "{}", format!("{name:<16}{}", figures.concat()).trim_end())
    };
    let conditions: Vec<String> = summaries.iter().map(|s| s.condition()).collect();
    line("", conditions.iter().map(String::as_str).collect())?;
    (0..columns[0].len())
        .try_for_each(|row| line(columns[0][row].0, columns.iter().map(|c| c[row].1.as_str()).collect()))
}

/// The tables of the sets, if there are several, and of the worst speakers, if any is named.
fn group_tables(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    let condition = summary.condition();
    if summary.sets.len() > 1 {
        writeln!(out, "\n{condition}, by set:")?;
        group_table(out, &summary.sets.iter().collect::<Vec<_>>())?;
    }
    if !summary.speakers.is_empty() {
        let worst = groups::worst(&summary.speakers);
        writeln!(out, "\n{condition}, {}:", groups::speakers_heading(summary.speakers.len(), worst.len()))?;
        group_table(out, &worst)?;
    }
    Ok(())
}

fn group_table(out: &mut dyn Write, groups: &[(&String, &Counts)]) -> io::Result<()> {
    let longest = groups.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut line = |name: &str, cells: [&str; 8]| {
        let cells = cells.iter().zip(COLUMNS).map(|(cell, column)| format!("  {cell:>0$}", column.len()));
        writeln!(out, "{name:<longest$}{}", cells.collect::<String>())
    };
    line("", COLUMNS)?;
    groups.iter().try_for_each(|(name, counts)| line(name, counts.cells().each_ref().map(String::as_str)))
}

fn sufficient(summary: &Summary, at_least: Option<f64>) -> Result<(), Error> {
    let right = summary.right_share().map_or(0.0, |share| share.is * 100.0);
    match at_least {
        Some(needed) if right < needed => {
            let what = format!("{right:.1} % of {} clips are right; {needed} % are needed", summary.clips);
            Err(Error::Evaluation(what))
        }
        _ => Ok(()),
    }
}
