//! `hearken status`: how the running daemon is.

use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::Value;

use crate::error::Error;
use crate::{scratch, status};

/// Asks the daemon that records into `dir`.
///
/// # Errors
/// When none answers.
pub fn ask(dir: Option<PathBuf>) -> Result<(PathBuf, Value), Error> {
    let dir = dir.unwrap_or_else(scratch::default_dir);
    let nobody = |e: io::Error| {
        let place = dir.display();
        io::Error::new(
            e.kind(),
            format!("no daemon answers in {place}: {e}; --scratch names the directory it was given"),
        )
    };
    let status = status::ask(&dir).map_err(nobody)?;
    Ok((dir, status))
}

/// Prints what the daemon says, as one JSON object or a line for each number.
pub fn status(dir: Option<PathBuf>, as_json: bool) -> Result<(), Error> {
    let (_, status) = ask(dir)?;
    let mut out = io::stdout().lock();
    if as_json {
        return Ok(writeln!(out, "{status}")?);
    }
    for (name, value) in status.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(parts) => parts.iter().try_for_each(|(part, value)| writeln!(out, "{name}.{part} = {value}"))?,
            None => writeln!(out, "{name} = {value}")?,
        }
    }
    Ok(())
}
