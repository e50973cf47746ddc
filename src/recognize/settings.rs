//! The settings of the recognizer, and those of the search, which are read from the table of the model. No input or
//! output.

use std::time::Duration;

use crate::document::{Document, Problems, Section};
use crate::language::Language;
use crate::recognize::models::{self, Table};

/// The settings of the recognizer.
#[derive(Debug, Clone, PartialEq)]
pub struct RecognizerSettings {
    /// File name of the Whisper model, as the manifest lists it.
    pub model: String,
    /// SHA-256 of a model that the manifest does not list; `model` may be a path then.
    pub sha256: Option<String>,
    /// The language that is spoken, for a multilingual model.
    pub language: Language,
    /// Threads for inference, 1 to 16.
    pub threads: usize,
    /// How to search the grammar.
    pub search: SearchSettings,
    /// Longest time for a decision. Calls of the library are not interrupted, so a decision may take longer by the time
    /// of one call, at most that of the encoder.
    pub deadline: Duration,
}

impl Default for RecognizerSettings {
    fn default() -> Self {
        RecognizerSettings {
            model: "ggml-tiny.en-q8_0.bin".into(),
            sha256: None,
            language: Language::default(),
            threads: 2,
            search: SearchSettings::default(),
            deadline: Duration::from_secs(5),
        }
    }
}

/// How to search. All but `max_calls` stands in the model's table, in `[search]`: docs/reports/deciding.md says how the
/// values were chosen, and `make fit-search` tries others on recordings of people.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchSettings {
    /// How much of the probability mass outside the grammar is ignored at each step, 0 to 1: 0 is the joint
    /// probability, 1 a masked softmax.
    pub lambda: f32,
    /// Nats that each token adds to the rank, to make up for the lower probabilities of long sentences. With a bonus
    /// above 0 the search no longer always finds the best sentence.
    pub bonus: f32,
    /// Nats that each token adds to the order in which paths are extended, but not to the rank. It favours longer
    /// paths, so that complete sentences are found in fewer calls in noise, and a few more of them are correct.
    pub haste: f32,
    /// A path is given up when its log-probability is below that of the free text by this many nats for each token of
    /// the free text plus three.
    pub reach: f32,
    /// The search goes on for paths that are at most this many nats behind the first sentence that was found.
    pub curiosity: f32,
    /// Most calls of the model after the first sentence was found: as many as a clear command takes in all.
    pub patience: usize,
    /// The second sentence by rank becomes the best one if its joint log-probability is higher by this many nats.
    pub joint_lead: f32,
    /// Most calls of the decoder, including those for the free text: so many, and so many more for each token of it,
    /// but not more than `max_calls`. A command takes 10 to 40; what is no command would take up to 200.
    pub calls: usize,
    /// Calls for each token of the free text.
    pub calls_a_token: usize,
    /// Most calls of the decoder, whatever the free text is.
    pub max_calls: usize,
}

/// Default for the most calls of the decoder: speech in noise takes up to 200.
const MAX_CALLS: usize = 200;

impl SearchSettings {
    /// Most calls of the decoder for a free text of so many tokens.
    pub fn most_calls(&self, tokens: usize) -> usize {
        self.calls.saturating_add(self.calls_a_token.saturating_mul(tokens)).min(self.max_calls)
    }

    /// The settings for the model `name`, or for the user's own model with the hash `sha256`. A model without a table
    /// gets those of the default model.
    pub fn of_model(name: &str, sha256: Option<&str>) -> SearchSettings {
        models::table(name, sha256).map_or_else(SearchSettings::default, of_table)
    }
}

impl Default for SearchSettings {
    /// The settings for the default model.
    fn default() -> Self {
        of_table(models::TABLES[0])
    }
}

fn of_table(table: Table) -> SearchSettings {
    parse(table.name, table.text).expect("the tables should be good: a test reads them")
}

/// Reads the part `[search]` of a model's table.
///
/// # Errors
/// The faults of the table, with their places.
pub fn parse(name: &str, text: &str) -> Result<SearchSettings, Problems> {
    let settings = Document::new(name, text).read(|root| {
        root.entries();
        let settings = root.need("search", "[search]").and_then(|v| v.section()).and_then(settings);
        root.end();
        settings
    })?;
    Ok(settings.expect("a table without problems should give settings"))
}

fn settings(section: Section<'_>) -> Option<SearchSettings> {
    let need = |name: &str, range| {
        let number = section.need(name, &format!("{name} = 1.0")).and_then(|v| v.number(range));
        number.map(|number| number as f32)
    };
    let [bonus, haste, reach] = ["bonus", "haste", "reach"].map(|name| need(name, 0.0..=100.0));
    let [curiosity, joint_lead] = ["curiosity", "joint_lead"].map(|name| need(name, 0.0..=100.0));
    let lambda = need("lambda", 0.0..=1.0);
    let whole = |name: &str| section.need(name, &format!("{name} = 16")).and_then(|v| v.integer(0..=1000));
    let [patience, calls, calls_a_token] = ["patience", "calls", "calls_a_token"].map(whole);
    section.end();
    Some(SearchSettings {
        lambda: lambda?,
        bonus: bonus?,
        haste: haste?,
        reach: reach?,
        curiosity: curiosity?,
        patience: patience? as usize,
        joint_lead: joint_lead?,
        calls: calls? as usize,
        calls_a_token: calls_a_token? as usize,
        max_calls: MAX_CALLS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_tables_say_how_to_search_and_a_fault_is_named_with_its_place() {
        for Table { name, text, .. } in models::TABLES {
            let settings = parse(name, text).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(settings.max_calls, MAX_CALLS);
            let cases = [("lambda = ", "lambda = 7", "search.lambda"), ("bonus", "bonsu", "did you mean \"bonus\"")];
            for (from, to, words) in cases {
                let fault = parse(name, &text.replacen(from, to, 1)).unwrap_err().to_string();
                assert!(fault.contains(words) && fault.contains(name), "{fault}");
            }
        }
    }
}
