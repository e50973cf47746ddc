//! The daemon with a script in the place of Whisper, which an emulator cannot run: scripted CONFIG SENTENCE...
//!
//! The first recording is heard as the first sentence, and so on: one that the configuration's grammar has, or what the
//! library may do: "panic". After the last, nothing is heard. All else is the daemon's own: microphone, endpointing, scratch,
//! verdict, actuator, pins. Events go to standard output.

use std::collections::VecDeque;
use std::panic;
use std::path::Path;
use std::process::ExitCode;

use hearken::audio::SAMPLE_RATE;
use hearken::daemon::error::Error;
use hearken::daemon::{self, Options};
use hearken::grammar::graph::Label;
use hearken::grammar::{Grammar, Sentence, Slots};
use hearken::recognize::{Candidate, Heard, RecognizeError, Recognizer};
use hearken::utterance::draft::Drafts;

#[path = "../parts.rs"]
mod parts;

use hearken::report::destination::Destination;
use parts::heard;

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_target(false).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [config, sentences @ ..] = arguments.as_slice() else {
        eprintln!("scripted CONFIG SENTENCE...");
        return ExitCode::from(2);
    };
    // As the program does it: a panic has come to rest by now.
    match panic::catch_unwind(|| run(Path::new(config), sentences)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("{error}");
            error.exit_code()
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(config: &Path, sentences: &[String]) -> Result<(), Error> {
    let options = Options { events: Some(Destination::Stdout), ..Options::default() };
    daemon::run_with(config, options, &|_, grammar, _| {
        Ok(Box::new(Script { sentences: sentences.iter().cloned().collect(), grammar }))
    })
}

struct Script {
    sentences: VecDeque<String>,
    grammar: std::sync::Arc<Grammar>,
}

impl Recognizer for Script {
    fn hear(&mut self, samples: &[f32]) -> Result<Heard, RecognizeError> {
        let text = self.sentences.pop_front().unwrap_or_default();
        assert!(text != "panic", "as if the library had a fault");
        let words: Vec<&str> = text.split(' ').collect();
        let best = read(&self.grammar, self.grammar.start(), &words, None);
        let power = samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32;
        let duration_ms = samples.len() as u64 * 1000 / u64::from(SAMPLE_RATE);
        // As long as people take for it, whatever the recording lasts.
        let speech_ms = 150 + 70 * text.chars().filter(|c| c.is_alphanumeric()).count() as u64;
        let best = best.map(|sentence| Candidate { sentence, rank: 0.0, joint: 0.0, tokens: 8, lead: 9.0 });
        let dbfs = 10.0 * power.log10();
        Ok(Heard { duration_ms, speech_ms, dbfs, ..heard(&text, best) })
    }

    /// The script is for whole utterances.
    fn hear_draft(&mut self, _: &[f32], _: &Drafts, _: u64) -> Result<Option<Heard>, RecognizeError> {
        Ok(None)
    }
}

/// The sentence of these `words`, from `node` on.
fn read(grammar: &Grammar, node: u32, words: &[&str], command: Option<usize>) -> Option<Sentence> {
    if words.is_empty() && grammar.is_end(node) {
        return Some(Sentence { command: command?, words: String::new(), slots: Slots::new() });
    }
    grammar.arcs(node).find_map(|(_, arc)| match arc.label {
        Label::Word(word) => {
            let (first, rest) = words.split_first().filter(|(first, _)| **first == grammar.words()[word as usize])?;
            let mut sentence = read(grammar, arc.to, rest, command)?;
            sentence.words = format!("{first} {}", sentence.words).trim_end().into();
            Some(sentence)
        }
        Label::Bind(binding) => {
            let (slot, value) = grammar.binding(binding).clone();
            let mut sentence = read(grammar, arc.to, words, command)?;
            sentence.slots.insert(slot, value);
            Some(sentence)
        }
        Label::Command(command) => read(grammar, arc.to, words, Some(command as usize)),
        _ => read(grammar, arc.to, words, command),
    })
}
