//! `hearken why`: explains one decision.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::audio::file;
use crate::cli::status::ask;
use crate::config::{self, Settings};
use crate::daemon::decider::SENTENCES;
use crate::daemon::error::Error;
use crate::decide::rules::{checks, judge};
use crate::recognize;
use crate::report::explanation::{OBJECT, WORDS, Why};
use crate::runtime::status::Question;
use crate::runtime::stop::Stop;

/// Asks the daemon that records into `dir` about its last utterance. Without `dir`, looks for a daemon.
pub fn daemon(dir: Option<PathBuf>, as_json: bool) -> Result<(), Error> {
    let (_, told) = ask(dir, Question::Why)?;
    print(&told, as_json)
}

/// Decides `file` as one utterance and explains the decision.
pub fn file(config: &Path, file: &Path, as_json: bool) -> Result<(), Error> {
    let Settings { recognizer, grammar, thresholds, commands, .. } = config::load(config)?;
    let mut recognizer = recognize::load(&recognizer, grammar, &Stop::default())?;
    let named = |why: String| io::Error::other(format!("{}: {why}", file.display()));
    let samples = file::read(file).map_err(|e| named(e.to_string()))?;
    let heard = recognizer.hear(&samples).map_err(|e| named(e.to_string()))?;
    let ((_, verdict), rules) = (judge(&heard, &thresholds), checks(&heard, &thresholds));
    let trace = recognizer.explain(SENTENCES)?;
    let why = Why {
        heard: Some(&heard),
        verdict: &verdict,
        rules: &rules,
        trace: trace.as_ref(),
        commands: &commands,
        thresholds: &thresholds,
    };
    print(&why.of_file(file), as_json)
}

fn print(told: &Value, as_json: bool) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match told[WORDS].as_str().filter(|_| !as_json) {
        Some(words) => Ok(write!(out, "{words}")?),
        None => Ok(writeln!(out, "{}", told[OBJECT])?),
    }
}
