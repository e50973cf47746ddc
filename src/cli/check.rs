//! `hearken check FILE`

use std::io::{self, Write};
use std::path::Path;

use super::counted;
use crate::config::{self, lint};
use crate::daemon::error::Error;
use crate::recognize::models::vocabulary::vocabulary;
use crate::recognize::tokenizer::Tokenizer;

/// Checks the configuration, and prints a summary and warnings.
pub fn check(file: &Path) -> Result<(), Error> {
    let settings = config::load(file)?;
    let sentences = counted(settings.grammar.count(), "sentence");
    let commands = counted(settings.configured().len() as u64, "command");
    let outputs = counted(settings.outputs.len() as u64, "output");
    writeln!(io::stdout(), "{}: good: {commands}, {sentences}, {outputs} on {}", file.display(), settings.board.name)?;
    let note = |what: String| writeln!(io::stdout(), "  {what}");
    for output in &settings.outputs {
        let crate::act::gpio::Line::Number(number) = output.line else { continue };
        let Some(pin) = settings.board.pin(number) else { continue };
        let header = pin.header.map(|h| format!(" (header {h})")).unwrap_or_default();
        let hint = pin.note.as_ref().map(|n| format!("; {n}")).unwrap_or_default();
        note(format!("{}: {}{header}{hint}", output.name, output.line))?;
    }
    let tokenizer = vocabulary(&settings.recognizer.model).map(Tokenizer::new);
    if tokenizer.is_none() {
        note(format!("the model {} is not on this machine; the daemon will need it", settings.recognizer.model))?;
    }
    if let Some(warning) = settings.unfitted() {
        note(format!("warning: {warning}"))?;
    }
    for warning in lint::warnings(&settings.grammar, &settings.commands, tokenizer.as_ref()) {
        note(format!("warning: {warning}"))?;
    }
    Ok(())
}
