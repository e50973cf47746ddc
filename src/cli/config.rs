//! `hearken config`: prints the values of a configuration, its JSON Schema, or the reference of all keys.

use std::io::{self, Write};

use clap::Subcommand;

use super::ConfigArgument;
use crate::config::reference::{self, InForce};
use crate::config::{self, ConfigError};
use crate::daemon::error::Error;

#[derive(Subcommand)]
pub enum Subcommands {
    /// Print every value that is in force, and the line that says so
    Show {
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Print a JSON Schema of configurations, for editors
    Schema,
    /// Print the reference page of all keys, in Markdown
    Reference,
}

pub fn config(command: Subcommands) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match command {
        Subcommands::Schema => writeln!(out, "{:#}", reference::schema())?,
        Subcommands::Reference => write!(out, "{}", reference::page())?,
        Subcommands::Show { config } => {
            let path = config.path();
            let (name, text) = (path.display().to_string(), config::read_text(&path)?);
            let settings = config::parse(&name, &text).map_err(ConfigError::from)?;
            write!(out, "{}", shown(&reference::in_force(&settings, &text), &name))?;
        }
    }
    Ok(())
}

/// The values as TOML. The comment after each value names its line in the file `name`, or says that it is a default.
fn shown(values: &[InForce], name: &str) -> String {
    let mut shown = String::new();
    let mut section = "";
    for InForce { section: of, key, value, line, usual } in values {
        if of != section {
            shown += &format!("\n[{of}]\n");
            section = of;
        }
        let from = line.map_or((*usual).into(), |line| format!("{name}:{line}"));
        shown += &match value {
            Some(value) => format!("{:<32} # {from}\n", format!("{key} = {value}")),
            None => format!("{:<32} # {from}\n", format!("# {key}: nothing")),
        };
    }
    shown
}
