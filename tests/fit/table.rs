//! The table of features: a row for each utterance that was decided. Numbers and names of sets only, no sound and no words.

use std::collections::BTreeMap;

use hearken::decide::features::{COUNT, FEATURES, Features};

/// What was said in an utterance, as far as the grammar goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    /// A sentence of it.
    Sentence,
    /// Something else.
    Other,
}

/// One utterance.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The grammar that it was decided by.
    pub grammar: String,
    /// The set of recordings.
    pub set: String,
    /// The speaker, as a number; the recording where the speaker is not known.
    pub speaker: u64,
    /// As it is, or with what.
    pub condition: String,
    pub said: Said,
    /// Whether the best sentence was the one that was said.
    pub found: bool,
    /// Whether a rule refuses it, whatever its log-odds.
    pub refused: bool,
    /// None where there was no best sentence.
    pub features: Option<Features>,
}

impl Row {
    /// Whether it should be obeyed: the best sentence was said.
    pub fn right(&self) -> bool {
        self.said == Said::Sentence && self.found
    }
}

const COLUMNS: &str = "grammar,set,speaker,condition,said,found,refused";

/// The table as CSV.
pub fn write(rows: &[Row]) -> String {
    let names = FEATURES.map(|feature| feature.name).join(",");
    rows.iter().fold(format!("{COLUMNS},{names}\n"), |text, row| text + &line(row) + "\n")
}

/// A row as a line of the table.
pub fn line(row: &Row) -> String {
    let Row { grammar, set, speaker, condition, said, found, refused, features } = row;
    let said = if *said == Said::Sentence { "sentence" } else { "other" };
    let (found, refused) = (u8::from(*found), u8::from(*refused));
    let values = match features {
        Some(features) => features.values().map(|value| format!("{value:.4}")).join(","),
        None => ",".repeat(COUNT - 1),
    };
    format!("{grammar},{set},{speaker:08x},{condition},{said},{found},{refused},{values}")
}

/// Reads a table.
///
/// # Errors
/// The line that is no row, and why.
pub fn read(text: &str) -> Result<Vec<Row>, String> {
    let names = FEATURES.map(|feature| feature.name).join(",");
    let mut lines = text.lines().enumerate();
    let header = lines.next().map(|(_, line)| line).unwrap_or_default();
    if header != format!("{COLUMNS},{names}") {
        return Err(format!(
            "line 1: the columns are {header}; {COLUMNS},{names} are needed: decide the recordings again"
        ));
    }
    lines.map(|(number, line)| row(line).ok_or_else(|| format!("line {}: no row: {line}", number + 1))).collect()
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.split(',').collect();
    let [grammar, set, speaker, condition, said, found, refused, values @ ..] = &cells[..] else { return None };
    let numbers: Option<Vec<f32>> = values.iter().map(|value| value.parse().ok()).collect();
    let features = match numbers {
        Some(numbers) => Some(Features::from_values(numbers.try_into().ok()?)),
        None if values.len() == COUNT && values.iter().all(|value| value.is_empty()) => None,
        None => return None,
    };
    let said = match *said {
        "sentence" => Said::Sentence,
        "other" => Said::Other,
        _ => return None,
    };
    let flag = |cell: &str| match cell {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    };
    let [grammar, set, condition] = [grammar, set, condition].map(|cell| cell.to_string());
    let speaker = u64::from_str_radix(speaker, 16).ok()?;
    Some(Row { grammar, set, speaker, condition, said, found: flag(found)?, refused: flag(refused)?, features })
}

/// How much a recording counts that was decided before without noise or room: it is no other person.
const COPY: f64 = 0.3;

/// How much each row counts. The sentences of a grammar count as the root of their number, and so does its other speech: a set of a
/// thousand recordings tells more than one of forty, but not 25 times as much. The mean is 1.
pub fn row_weights(rows: &[Row]) -> Vec<f64> {
    let mut counts: BTreeMap<(&str, Said), f64> = BTreeMap::new();
    rows.iter().for_each(|row| *counts.entry((&row.grammar, row.said)).or_default() += 1.0);
    let weight = |row: &Row| {
        let copy = if row.said == Said::Sentence && row.condition != "clean" { COPY } else { 1.0 };
        copy / counts[&(row.grammar.as_str(), row.said)].sqrt()
    };
    let weights: Vec<f64> = rows.iter().map(weight).collect();
    let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
    weights.into_iter().map(|weight| weight / mean).collect()
}
