//! `hearken scratch status`: prints the counters of the scratch of the running daemon.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::cli::status::ask;
use crate::daemon::error::Error;
use crate::runtime::status::Question;

/// Asks the daemon that records into `dir`, and prints the counters.
pub fn status(dir: Option<PathBuf>, as_json: bool) -> Result<(), Error> {
    let (dir, status) = ask(dir, Question::Status)?;
    let gauges = &status["scratch"];
    let mut out = io::stdout().lock();
    if as_json {
        return Ok(writeln!(out, "{gauges}")?);
    }
    let number = |key: &str| gauges[key].as_u64().unwrap_or_default();
    let share = |key: &str| 100.0 * number(key) as f64 / number("capacity").max(1) as f64;
    writeln!(out, "{}", dir.display())?;
    writeln!(
        out,
        "  held now          {:>10} bytes, {:.1} % of {}",
        number("used"),
        share("used"),
        number("capacity")
    )?;
    writeln!(out, "  most ever held    {:>10} bytes, {:.1} %", number("high_water"), share("high_water"))?;
    writeln!(out, "  recordings made   {:>10}", number("recordings"))?;
    writeln!(out, "  written           {:>10} bytes", number("written"))?;
    writeln!(out, "  deletions failed  {:>10}", number("deletions_failed"))?;
    let open = status["microphone"]["open"].as_bool().map_or("-", |open| if open { "yes" } else { "no" });
    Ok(writeln!(out, "  microphone open   {open:>10}")?)
}
