//! `hearken transcribe AUDIO...`

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::audio::file;
use crate::daemon::error::Error;
use crate::recognize;
use crate::recognize::settings::RecognizerSettings;
use crate::recognize::whisper::Whisper;
use crate::runtime::stop::Stop;

/// Prints the text and the language of each file. A file that cannot be read is reported, and the next one follows.
pub fn transcribe(files: &[PathBuf], model: String, sha256: Option<String>, as_json: bool) -> Result<(), Error> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let settings = RecognizerSettings { model, sha256, threads, ..RecognizerSettings::default() };
    let mut whisper = recognize::load_transcriber(&settings, &Stop::default())?;
    let mut failed = 0;
    for file in files {
        match read(&mut whisper, file) {
            Ok((text, language)) if as_json => {
                writeln!(
                    io::stdout(),
                    "{}",
                    json!({"file": file.to_string_lossy(), "text": text, "language": language})
                )?;
            }
            Ok((text, language)) => writeln!(io::stdout(), "{}: [{language}] {text}", file.display())?,
            Err(error) => {
                failed += 1;
                writeln!(io::stderr(), "{}: {error}", file.display())?;
            }
        }
    }
    if failed == 0 { Ok(()) } else { Err(Error::Files(failed, files.len())) }
}

fn read(whisper: &mut Whisper, file: &Path) -> Result<(String, &'static str), String> {
    let samples = file::read(file).map_err(|e| e.to_string())?;
    whisper.transcribe(&samples).map_err(|e| e.to_string())
}
