//! `hearken scratch ...`: the state of scratch, and the test that recordings leave nothing behind.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Subcommand;

use crate::daemon::error::Error;

mod audit;
mod findings;
mod status;
mod victim;

#[derive(Subcommand)]
pub enum Subcommands {
    /// Show how full the scratch of the running daemon is, and how full it has been
    Status {
        /// Where the daemon records [default: $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR, else /dev/shm]
        #[arg(long, value_name = "DIR")]
        scratch: Option<PathBuf>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// End recording processes in every state and in every way, and count the files that are left. Exit code 1 if
    /// Hearken leaves any
    Audit {
        /// Kill N more processes of each kind at random moments. 1000 take some seconds
        #[arg(long, value_name = "N", default_value_t = 20)]
        rounds: u32,
        /// Record in a new directory in DIR [default: $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR, else /dev/shm]
        #[arg(long, value_name = "DIR")]
        scratch: Option<PathBuf>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print how many bytes a file system for the scratch of a configuration must have
    Room {
        #[command(flatten)]
        config: super::ConfigOption,
    },
    /// The process that the audit starts and ends
    #[command(hide = true)]
    Victim(victim::Orders),
}

pub fn scratch(command: Subcommands) -> Result<(), Error> {
    match command {
        Subcommands::Status { scratch, json } => status::status(scratch, json),
        Subcommands::Audit { rounds, scratch, json } => audit::audit(rounds, scratch, json),
        Subcommands::Room { config } => {
            Ok(writeln!(io::stdout(), "{}", crate::config::load(&config.file)?.scratch.room())?)
        }
        Subcommands::Victim(orders) => victim::victim(&orders),
    }
}
