//! `hearken pins --config FILE [--rest]`

use std::io::{self, Write};
use std::path::Path;

use super::status::places;
use crate::daemon::error::Error;
use crate::runtime::status;
use crate::{config, daemon};

/// Prints the outputs with their pins and levels of rest. With `rest`, puts them at rest.
pub fn pins(config: &Path, rest: bool) -> Result<(), Error> {
    let settings = config::load(config)?;
    if rest {
        if let Some(place) = places().into_iter().find(|place| status::is_served(place)) {
            let what = format!("a daemon runs and records into {}; stop it first: it holds the pins", place.display());
            return Err(io::Error::other(what).into());
        }
        daemon::rest(&settings)?;
    }
    let mut out = io::stdout().lock();
    for output in &settings.outputs {
        let state = if output.rest { "on" } else { "off" };
        let level = output.level(output.rest);
        writeln!(
            out,
            "{} {} rests {state}, {level:?}{}",
            output.name,
            output.line,
            if rest { ": at rest" } else { "" }
        )?;
    }
    Ok(())
}
