//! The command line: one file a subcommand.

use std::io::{self, IsTerminal, Write};
use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::daemon::error::Error;
use crate::daemon::{self, Options};
use crate::recognize::trial;
use crate::report::events::Destination;
use crate::runtime::cpu;
use crate::runtime::openmp;

mod calibrate;
mod check;
mod decide;
mod devices;
mod eval;
mod log;
mod pins;
mod record;
mod scratch;
mod sentences;
mod status;
mod transcribe;
mod why;

/// Hears spoken commands, offline, and switches GPIO pins.
#[derive(Parser)]
#[command(
    version = cpu::version(),
    after_help = "Exit codes: 0 done or asked to stop, 2 usage, 78 bad configuration or wrong processor, 1 all else."
)]
struct Arguments {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Listen and obey until SIGTERM or Ctrl-C
    Run {
        /// The configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Write one JSON object a line per utterance to FILE, to standard output (-) or to readers of unix:PATH
        #[arg(long, value_name = "FILE|-|unix:PATH")]
        events: Option<Destination>,
        /// Show the level and each decision on standard output
        #[arg(long)]
        watch: bool,
        /// Keep recordings in DIR [default: $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR, else /dev/shm]
        #[arg(long, value_name = "DIR")]
        scratch: Option<PathBuf>,
        /// Remember outputs in DIR [default: $STATE_DIRECTORY, else $XDG_STATE_HOME/hearken, else ~/.local/state/hearken]
        #[arg(long, value_name = "DIR")]
        state: Option<PathBuf>,
    },
    /// Check a configuration: exit code 0 if it is good, 78 with every fault if not
    Check {
        /// The configuration
        file: PathBuf,
    },
    /// Show what a configuration accepts: how many sentences, and some of them
    Sentences {
        /// The configuration
        file: PathBuf,
        #[command(flatten)]
        what: sentences::What,
    },
    /// List microphones, with the ids for the configuration, and gpiochips
    Devices,
    /// Write down what WAV files say, as free text
    Transcribe {
        /// WAV files; - is standard input
        #[arg(required = true, value_name = "WAV")]
        files: Vec<PathBuf>,
        /// The Whisper model, as the manifest lists it
        #[arg(long, value_name = "NAME", default_value = "ggml-tiny.en-q8_0.bin")]
        model: String,
        /// SHA-256 of a model that the manifest does not list; NAME may be a path then
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Decide WAV files as the daemon would, without switching anything
    Decide {
        /// The configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// WAV files; - is standard input
        #[arg(required = true, value_name = "WAV")]
        files: Vec<PathBuf>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Decide every WAV file under folders and count what is right
    Eval(eval::Arguments),
    /// Prompt sentences of a configuration and record them, for `hearken eval`
    Record(record::Arguments),
    /// Set the thresholds by recordings of sentences and of other sound
    Calibrate(calibrate::Arguments),
    /// What `trial` starts
    #[command(hide = true, name = trial::SUBCOMMAND)]
    TryModel { path: String, sha256: String },
    /// List the outputs; with --rest, put them at rest after a daemon that was killed
    Pins {
        /// The configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Put every output at rest. No daemon may be running
        #[arg(long)]
        rest: bool,
    },
    /// How the running daemon is: ready, microphone, scratch
    Status {
        /// Where the daemon records [default: $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR, else /dev/shm]
        #[arg(long, value_name = "DIR")]
        scratch: Option<PathBuf>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Why the last utterance, or a WAV file, was decided as it was
    Why {
        /// Where the daemon records [default: $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR, else /dev/shm]
        #[arg(long, value_name = "DIR", conflicts_with = "file")]
        scratch: Option<PathBuf>,
        /// The configuration by which WAV is decided
        #[arg(long, value_name = "FILE", requires = "file")]
        config: Option<PathBuf>,
        /// A WAV file instead of the daemon's last utterance; - is standard input
        #[arg(value_name = "WAV", requires = "config")]
        file: Option<PathBuf>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// How full scratch is, and whether anything stays behind there
    Scratch {
        #[command(subcommand)]
        command: scratch::Subcommands,
    },
}

impl Subcommands {
    /// Whether threads share an inference in this process. The process of `TryModel` has one thread.
    fn infers(&self) -> bool {
        use Subcommands::{Calibrate, Decide, Eval, Run, Transcribe, Why};
        matches!(
            self,
            Run { .. } | Transcribe { .. } | Decide { .. } | Eval(_) | Calibrate(_) | Why { file: Some(_), .. }
        )
    }
}

/// All that can be typed, for manual pages and completions.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let usual = if matches!(arguments.command, Subcommands::Run { .. }) { "info,whisper_rs=warn" } else { "warn" };
    log::start(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual)));
    // A panic said what it had to say by now; the pins came to rest while it unwound.
    let Ok(ended) = panic::catch_unwind(|| run(arguments.command)) else { return ExitCode::FAILURE };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has had enough: `hearken decide … | head`.
        Err(Error::Io(e)) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{}{error}", if io::stderr().is_terminal() { "hearken: " } else { "" });
            error.exit_code()
        }
    }
}

fn run(command: Subcommands) -> Result<(), Error> {
    cpu::suffices().map_err(Error::Processor)?;
    if command.infers()
        && let Err(error) = openmp::spin_less()
    {
        tracing::warn!(%error, "cannot start the program again so that its threads spin less: decisions are slow while other programs are busy");
    }
    match command {
        Subcommands::Run { config, events, watch, scratch, state } => {
            daemon::run(&config, Options { events, watch, scratch, state, config: None })
        }
        Subcommands::Check { file } => check::check(&file),
        Subcommands::Sentences { file, what } => sentences::sentences(&file, &what),
        Subcommands::Devices => devices::devices(),
        Subcommands::Transcribe { files, model, sha256, json } => transcribe::transcribe(&files, model, sha256, json),
        Subcommands::TryModel { path, sha256 } => Ok(trial::second(&path, &sha256)?),
        Subcommands::Decide { config, files, json } => decide::decide(&config, &files, json),
        Subcommands::Eval(arguments) => eval::eval(&arguments),
        Subcommands::Calibrate(arguments) => calibrate::calibrate(&arguments),
        Subcommands::Record(arguments) => record::record(&arguments),
        Subcommands::Pins { config, rest } => pins::pins(&config, rest),
        Subcommands::Status { scratch, json } => status::status(scratch, json),
        Subcommands::Why { config: Some(config), file: Some(file), json, .. } => why::file(&config, &file, json),
        Subcommands::Why { scratch, json, .. } => why::daemon(scratch, json),
        Subcommands::Scratch { command } => scratch::scratch(command),
    }
}

/// So many of `what`, which takes an s: "1 file", "2 files".
fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", number(count), if count == 1 { "" } else { "s" })
}

/// The sentences of a grammar may be more than can be counted.
fn number(count: u64) -> String {
    if count == u64::MAX { "more than 10^19".into() } else { count.to_string() }
}
