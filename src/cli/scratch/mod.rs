//! `hearken scratch ...`: what the recordings leave behind.

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
    /// Show how full the running daemon's scratch is, and what it has held
    Status {
        /// Where the daemon records [default: $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR, else /dev/shm]
        #[arg(long, value_name = "DIR")]
        scratch: Option<PathBuf>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// End recordings in every state and manner, and count what is left: exit code 1 if Hearken leaves anything
    Audit {
        /// Kill N more of each kind at random moments; 1000 take some seconds
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
        /// The configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// What the audit starts in order to end it
    #[command(hide = true)]
    Victim(victim::Orders),
}

pub fn scratch(command: Subcommands) -> Result<(), Error> {
    match command {
        Subcommands::Status { scratch, json } => status::status(scratch, json),
        Subcommands::Audit { rounds, scratch, json } => audit::audit(rounds, scratch, json),
        Subcommands::Room { config } => Ok(writeln!(io::stdout(), "{}", crate::config::load(&config)?.scratch.room())?),
        Subcommands::Victim(orders) => victim::victim(&orders),
    }
}
