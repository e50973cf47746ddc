//! `hearken status`: shows the state of the running daemon.

use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::Value;

use crate::daemon::error::Error;
use crate::runtime::status;
use crate::runtime::status::Question;
use crate::utterance::scratch;

/// The directory in which the service records.
const SERVICE: &str = "/run/hearken";

/// The default directories in which a daemon may record: that of this user, then that of the service.
pub fn places() -> [PathBuf; 2] {
    [scratch::default_dir(), SERVICE.into()]
}

/// Asks the daemon that records into `dir`. Without `dir`, asks the daemon of this user, or else the service.
///
/// # Errors
/// When no daemon answers.
pub fn ask(dir: Option<PathBuf>, question: Question) -> Result<(PathBuf, Value), Error> {
    let dir = dir.unwrap_or_else(|| {
        let places = places();
        places.iter().find(|dir| status::is_there(dir)).unwrap_or(&places[0]).clone()
    });
    let nobody = |e: io::Error| {
        let place = dir.display();
        let hint = match e.kind() {
            io::ErrorKind::PermissionDenied => "the service answers root: sudo",
            io::ErrorKind::WouldBlock => "it is busy; ask again",
            _ => "is it running? --scratch names the directory it was given",
        };
        io::Error::new(e.kind(), format!("no daemon answers in {place}: {e}; {hint}"))
    };
    let status = status::ask(&dir, question).map_err(nobody)?;
    Ok((dir, status))
}

/// Prints the answer of the daemon as one JSON object, or as a line for each value.
pub fn status(dir: Option<PathBuf>, as_json: bool) -> Result<(), Error> {
    let (_, status) = ask(dir, Question::Status)?;
    let mut out = io::stdout().lock();
    if as_json {
        return Ok(writeln!(out, "{status}")?);
    }
    for (name, value) in status.as_object().into_iter().flatten() {
        match value {
            Value::Object(parts) => {
                parts.iter().try_for_each(|(part, value)| writeln!(out, "{name}.{part} = {value}"))?
            }
            Value::Array(items) => items.iter().try_for_each(|item| writeln!(out, "{name}: {}", in_a_row(item)))?,
            value => writeln!(out, "{name} = {value}")?,
        }
    }
    Ok(())
}

/// The values of an object on one line: `output=lamp pin=GPIO17 state=on`.
fn in_a_row(item: &Value) -> String {
    let values = item.as_object().into_iter().flatten();
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), String::from);
    values.map(|(name, value)| format!("{name}={}", plain(value))).collect::<Vec<_>>().join(" ")
}
