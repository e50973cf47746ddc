//! `hearken decide --config FILE AUDIO...`

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::audio::file;
use crate::config::{self, Settings};
use crate::daemon::error::Error;
use crate::decide::rules::{Verdict, judge};
use crate::recognize::{self, Heard, Recognizer};
use crate::report;
use crate::runtime::stop::Stop;

/// Prints the decision on each file, which is taken as one utterance. A file that cannot be read is reported, and the
/// next one follows.
pub fn decide(config: &Path, files: &[PathBuf], as_json: bool) -> Result<(), Error> {
    let Settings { recognizer, grammar, thresholds, commands, .. } = config::load(config)?;
    let mut recognizer = recognize::load(&recognizer, grammar, &Stop::default())?;
    let mut failed = 0;
    for file in files {
        let heard = match hear(recognizer.as_mut(), file) {
            Ok(heard) => heard,
            Err(error) => {
                failed += 1;
                writeln!(io::stderr(), "{}: {error}", file.display())?;
                continue;
            }
        };
        let (assessment, verdict) = judge(&heard, &thresholds);
        let mut decision = report::fields::decision(Some(&heard), assessment.as_ref(), &verdict, &commands);
        if as_json {
            decision.insert("file".into(), json!(file.to_string_lossy()));
            writeln!(io::stdout(), "{}", Value::Object(decision))?;
        } else {
            writeln!(io::stdout(), "{}: {}", file.display(), words(&heard, &verdict, &decision))?;
        }
    }
    if failed == 0 { Ok(()) } else { Err(Error::Files(failed, files.len())) }
}

fn hear(recognizer: &mut dyn Recognizer, file: &Path) -> Result<Heard, String> {
    let samples = file::read(file).map_err(|e| e.to_string())?;
    recognizer.hear(&samples).map_err(|e| e.to_string())
}

fn words(heard: &Heard, verdict: &Verdict, decision: &serde_json::Map<String, Value>) -> String {
    let shown = |key: &str| decision.get(key).filter(|v| !v.is_null()).map_or("-".into(), Value::to_string);
    let scores = format!(
        "log-odds {}, runner-up {}, {} ms",
        shown("log_odds"),
        shown("runner_up"),
        heard.took.total.as_millis()
    );
    let command = decision.get("command").and_then(Value::as_str).unwrap_or_default();
    match verdict {
        Verdict::Accepted => format!("{} = {command} {} ({scores})", shown("sentence"), shown("slots")),
        Verdict::Rejected(reason) => format!("refused: {reason}; heard {:?} ({scores})", heard.text),
    }
}
