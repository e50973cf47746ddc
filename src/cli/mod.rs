//! The command line, with one file for each subcommand.

use std::io::{self, IsTerminal, Write};
use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::daemon::error::Error;
use crate::daemon::{self, Options};
use crate::recognize::trial;
use crate::report::destination::Destination;
use crate::runtime::openmp;
use crate::runtime::{cpu, process};

mod calibrate;
mod check;
mod config;
mod decide;
mod devices;
mod eval;
mod log;
mod pins;
mod record;
pub mod reference;
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
    /// Run the daemon: listen and carry out commands until SIGTERM or Ctrl-C
    Run {
        #[command(flatten)]
        config: ConfigOption,
        /// Write one line of JSON for each utterance to FILE, to standard output (-) or to readers of unix:PATH
        #[arg(long, value_name = "FILE|-|unix:PATH")]
        events: Option<Destination>,
        /// Show the level and each decision on standard output
        #[arg(long)]
        watch: bool,
        /// Keep recordings in DIR [default: $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR, else /dev/shm]
        #[arg(long, value_name = "DIR")]
        scratch: Option<PathBuf>,
        /// Save the states of outputs in DIR [default: $STATE_DIRECTORY, else $XDG_STATE_HOME/hearken, else
        /// ~/.local/state/hearken]
        #[arg(long, value_name = "DIR")]
        state: Option<PathBuf>,
    },
    /// Serve uploads over HTTP, without a microphone and without pins, until SIGTERM or Ctrl-C
    Serve {
        #[command(flatten)]
        config: ConfigOption,
        /// Keep uploads in DIR [default: $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR, else /dev/shm]
        #[arg(long, value_name = "DIR")]
        scratch: Option<PathBuf>,
    },
    /// Check a configuration: print every fault and exit with code 78, or 0 if there is none
    Check {
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Show the sentences of a configuration: their number, and some of them
    Sentences {
        #[command(flatten)]
        config: ConfigArgument,
        #[command(flatten)]
        what: sentences::What,
    },
    /// Show what a configuration means, key by key
    Config {
        #[command(subcommand)]
        command: config::Subcommands,
    },
    /// List microphones, with the ids for the configuration, and gpiochips
    Devices,
    /// Transcribe sound files as free text
    Transcribe {
        /// Sound files; - is standard input
        #[arg(required = true, value_name = "AUDIO")]
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
    /// Decide sound files as the daemon would, without switching anything
    Decide {
        #[command(flatten)]
        config: ConfigOption,
        /// Sound files; - is standard input
        #[arg(required = true, value_name = "AUDIO")]
        files: Vec<PathBuf>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Decide every WAV file under folders and count what is right
    Eval(eval::Arguments),
    /// Prompt sentences of a configuration and record them, for `hearken eval`
    Record(record::Arguments),
    /// Choose the thresholds by recordings of sentences and of other sound, and write them into the configuration
    Calibrate(calibrate::Arguments),
    /// The process that `trial` starts
    #[command(hide = true, name = trial::SUBCOMMAND)]
    TryModel { path: String, sha256: String },
    /// List the outputs; with --rest, put them at rest after a daemon that was killed
    Pins {
        #[command(flatten)]
        config: ConfigOption,
        /// Put every output at rest. No daemon may be running
        #[arg(long)]
        rest: bool,
    },
    /// Show the state of the running daemon: ready, microphone, outputs, scratch
    Status {
        /// Where the daemon records [default: $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR, else /dev/shm]
        #[arg(long, value_name = "DIR")]
        scratch: Option<PathBuf>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Explain the decision on the last utterance or on a sound file
    Why {
        /// Where the daemon records [default: $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR, else /dev/shm]
        #[arg(long, value_name = "DIR", conflicts_with = "file")]
        scratch: Option<PathBuf>,
        /// The configuration by which AUDIO is decided [default: ./hearken.toml, else /etc/hearken/hearken.toml]
        #[arg(long, value_name = "FILE", requires = "file")]
        config: Option<PathBuf>,
        /// A sound file instead of the daemon's last utterance; - is standard input
        #[arg(value_name = "AUDIO")]
        file: Option<PathBuf>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show how full scratch is, or test that recordings leave nothing behind
    Scratch {
        #[command(subcommand)]
        command: scratch::Subcommands,
    },
}

/// A configuration that `--config` names.
#[derive(clap::Args)]
struct ConfigOption {
    /// The configuration [default: ./hearken.toml, else /etc/hearken/hearken.toml]
    #[arg(id = "config", long, value_name = "FILE", default_value_os_t = usual_config(), hide_default_value = true)]
    file: PathBuf,
}

/// A configuration file, given with or without `--config`.
#[derive(clap::Args)]
struct ConfigArgument {
    /// The configuration [default: ./hearken.toml, else /etc/hearken/hearken.toml]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The configuration, as an option
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
}

impl ConfigArgument {
    fn path(self) -> PathBuf {
        self.file.or(self.config).unwrap_or_else(usual_config)
    }
}

/// The default configuration: `hearken.toml` in the current directory, else that of the package.
fn usual_config() -> PathBuf {
    let here = PathBuf::from("hearken.toml");
    if here.exists() { here } else { "/etc/hearken/hearken.toml".into() }
}

impl Subcommands {
    /// Whether several threads share an inference in this process. `TryModel` uses one thread.
    fn infers(&self) -> bool {
        use Subcommands::{Calibrate, Decide, Eval, Run, Serve, Transcribe, Why};
        matches!(
            self,
            Run { .. }
                | Serve { .. }
                | Transcribe { .. }
                | Decide { .. }
                | Eval(_)
                | Calibrate(_)
                | Why { file: Some(_), .. }
        )
    }
}

/// The definition of all arguments, for manual pages and completions.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_daemon = matches!(arguments.command, Subcommands::Run { .. } | Subcommands::Serve { .. });
    let usual = if is_daemon { "info,whisper_rs=warn" } else { "warn" };
    log::start(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual)));
    // A panic has printed its message, and the pins were put at rest while it unwound.
    let Ok(ended) = panic::catch_unwind(|| run(arguments.command)) else { return ExitCode::FAILURE };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output has closed it, as in `hearken decide … | head`.
        Err(Error::Io(e)) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{}{error}", if io::stderr().is_terminal() { "hearken: " } else { "" });
            error.exit_code()
        }
    }
}

fn run(command: Subcommands) -> Result<(), Error> {
    cpu::suffices().map_err(Error::Processor)?;
    process::no_core_file()?;
    if command.infers()
        && let Err(error) = openmp::spin_less()
    {
        tracing::warn!(%error, "cannot start the program again so that its threads spin less: decisions are slow while other programs are busy");
    }
    match command {
        Subcommands::Run { config, events, watch, scratch, state } => {
            daemon::run(&config.file, Options { events, watch, scratch, state, ..Options::default() })
        }
        Subcommands::Serve { config, scratch } => {
            daemon::servers::serve(&config.file, Options { scratch, ..Options::default() })
        }
        Subcommands::Check { config } => check::check(&config.path()),
        Subcommands::Sentences { config, what } => sentences::sentences(&config.path(), &what),
        Subcommands::Config { command } => config::config(command),
        Subcommands::Devices => devices::devices(),
        Subcommands::Transcribe { files, model, sha256, json } => transcribe::transcribe(&files, model, sha256, json),
        Subcommands::TryModel { path, sha256 } => Ok(trial::child(&path, &sha256)?),
        Subcommands::Decide { config, files, json } => decide::decide(&config.file, &files, json),
        Subcommands::Eval(arguments) => eval::eval(&arguments),
        Subcommands::Calibrate(arguments) => calibrate::calibrate(&arguments),
        Subcommands::Record(arguments) => record::record(&arguments),
        Subcommands::Pins { config, rest } => pins::pins(&config.file, rest),
        Subcommands::Status { scratch, json } => status::status(scratch, json),
        Subcommands::Why { config, file: Some(file), json, .. } => {
            why::file(&config.unwrap_or_else(usual_config), &file, json)
        }
        Subcommands::Why { scratch, json, .. } => why::daemon(scratch, json),
        Subcommands::Scratch { command } => scratch::scratch(command),
    }
}

/// A count with its noun, which forms the plural with an s: "1 file", "2 files".
fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", number(count), if count == 1 { "" } else { "s" })
}

/// A count of sentences. `u64::MAX` means that there are more than can be counted.
fn number(count: u64) -> String {
    if count == u64::MAX { "more than 10^19".into() } else { count.to_string() }
}
