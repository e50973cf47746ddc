//! `hearken pins --config FILE [--rest]`

use std::io::{self, Write};
use std::path::Path;

use crate::daemon::error::Error;
use crate::{config, daemon};

/// Prints the outputs with their pins and resting levels; puts them at rest if asked to.
pub fn pins(config: &Path, rest: bool) -> Result<(), Error> {
    let settings = config::load(config)?;
    if rest {
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
