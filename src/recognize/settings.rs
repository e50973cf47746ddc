//! How to recognize, and how to search, which is read from the table beside the model file. Pure.

use std::time::Duration;

use crate::document::{Document, Problems, Section};
use crate::recognize::models::{self, Table};

/// How to recognize.
#[derive(Debug, Clone, PartialEq)]
pub struct RecognizerSettings {
    /// File name of the Whisper model, as the manifest lists it.
    pub model: String,
    /// SHA-256 of a model that the manifest does not list; `model` may be a path then.
    pub sha256: Option<String>,
    /// Threads for inference, 1 to 16.
    pub threads: usize,
    /// How to search the grammar.
    pub search: SearchSettings,
    /// Longest time for a decision. One call of the library is not interrupted: it may take as much longer as the
    /// encoder takes.
    pub deadline: Duration,
}

impl Default for RecognizerSettings {
    fn default() -> Self {
        RecognizerSettings {
            model: "ggml-tiny.en-q8_0.bin".into(),
            sha256: None,
            threads: 2,
            search: SearchSettings::default(),
            deadline: Duration::from_secs(5),
        }
    }
}

/// How to search. All but `max_calls` stands in the model's table, in `[search]`: docs/deciding.md says how the values were
/// chosen, and `make fit-search` tries others on recordings of people.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchSettings {
    /// Share of the mass outside the grammar that a step does not pay for, 0 to 1.
    pub lambda: f32,
    /// Nats that each token adds to the rank, for what a step of a long sentence costs more than that of a short one. With any
    /// the search is no longer exact, only good: a prefix's rank bounds what follows but for what this adds.
    pub bonus: f32,
    /// Nats that each token adds on top to the place in the heap, not to the rank: what a longer path has come through already
    /// counts for it. Finds whole sentences in fewer calls in noise, and a few more of the right ones.
    pub haste: f32,
    /// Nats below the free text, for each token of it and three more, at which a path is given up.
    pub reach: f32,
    /// Nats behind the first sentence that comes up, down to which others are looked for.
    pub curiosity: f32,
    /// Calls of the model that may cost: as many as a clear command takes.
    pub patience: usize,
    /// Nats of joint log-probability by which the runner-up in rank must lead to be the best.
    pub joint_lead: f32,
    /// Most calls of the decoder, those for the free text included. Clear speech takes 10 to 20, noise up to 200.
    pub max_calls: usize,
}

/// Calls at most, unless the configuration says otherwise: speech in noise takes up to 200.
const MAX_CALLS: usize = 200;

impl SearchSettings {
    /// Those of the model `name`, or of the user's own with the hash `sha256`; the default model's where there is no table.
    pub fn of_model(name: &str, sha256: Option<&str>) -> SearchSettings {
        models::table(name, sha256).map_or_else(SearchSettings::default, of_table)
    }
}

impl Default for SearchSettings {
    /// Those of the default model.
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
/// Its faults, with their places.
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
    let patience = section.need("patience", "patience = 16").and_then(|v| v.integer(0..=1000));
    section.end();
    Some(SearchSettings {
        lambda: lambda?,
        bonus: bonus?,
        haste: haste?,
        reach: reach?,
        curiosity: curiosity?,
        patience: patience? as usize,
        joint_lead: joint_lead?,
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
