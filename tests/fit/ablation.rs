//! What each choice is worth: the loss on speakers that were left out, without a feature and with another doubt; and what a
//! threshold costs, by grammar.

use std::collections::BTreeMap;
use std::fmt::Write;

use hearken::decide::features::{COUNT, FEATURES, Features, LEAST_DOUBT};

use crate::regression;
use crate::report::{Count, Group, count};
use crate::table::{Row, Said};

/// Other values of [`LEAST_DOUBT`] that are tried, in nats a word.
const DOUBTS: [f32; 4] = [0.1, 0.3, 0.5, 1.0];
/// Costs of a wrong action, in refusals, that are told.
const COSTS: [f64; 6] = [0.5, 1.0, 1.5, 2.0, 3.0, 5.0];

/// The loss if each utterance had other features.
fn loss(rows: &[Row], penalty: f64, change: impl Fn(&mut [f32; COUNT])) -> f64 {
    let other = |features: Features| {
        let mut values = *features.values();
        change(&mut values);
        Features::from_values(values)
    };
    let changed = rows.iter().map(|row| Row { features: row.features.map(other), ..row.clone() });
    let changed: Vec<Row> = changed.collect();
    regression::log_loss(&changed, &regression::cross_validated(&changed, penalty))
}

/// The section of the report about features.
pub fn features(rows: &[Row], penalty: f64) -> String {
    let mut out = format!(
        "\n## What each feature is worth\n\nThe loss is {:.4} nats an utterance with all of them. Without one it is:\n\n\
         | without | loss |\n|---|---|\n",
        loss(rows, penalty, |_| ())
    );
    for (at, feature) in FEATURES.iter().enumerate() {
        let _ = writeln!(out, "| `{}` | {:.4} |", feature.name, loss(rows, penalty, |values| values[at] = 0.0));
    }
    let at = |name: &str| FEATURES.iter().position(|feature| feature.name == name).unwrap_or_default();
    let (ratio, belief) = (at("ratio"), at("belief"));
    // The table has the ratio divided by the doubt as it is.
    let plain = |values: &mut [f32; COUNT]| values[ratio] *= LEAST_DOUBT - values[belief].min(0.0);
    let _ = write!(
        out,
        "\n`ratio` is divided by Whisper's doubt, of which {LEAST_DOUBT} nats a word are always there. With another least doubt, and \
         without the\ndivision:\n\n| least doubt | loss |\n|---|---|\n"
    );
    for doubt in DOUBTS {
        let other = |values: &mut [f32; COUNT]| {
            plain(values);
            values[ratio] /= doubt - values[belief].min(0.0);
        };
        let _ = writeln!(out, "| {doubt} | {:.4} |", loss(rows, penalty, other));
    }
    out + &format!("| no division | {:.4} |\n", loss(rows, penalty, plain))
}

/// The section of the report about the cost of a wrong action.
pub fn costs(rows: &[Row], log_odds: &[Option<f64>]) -> String {
    let costs: Vec<String> = COSTS.iter().map(f64::to_string).collect();
    let mut out = format!(
        "\n## What a wrong action may cost\n\nRight and wrong, in percent of the sentences, by `wrong_costs`:\n\n| | {} |\n|---|{}\n",
        costs.join(" | "),
        "---|".repeat(COSTS.len())
    );
    let mut groups: BTreeMap<(&str, &str), Group<'_>> = BTreeMap::new();
    let sentences = rows.iter().zip(log_odds).filter(|(row, _)| row.said == Said::Sentence);
    sentences
        .for_each(|(row, log_odds)| groups.entry((&row.grammar, &row.condition)).or_default().push((row, log_odds)));
    for ((grammar, condition), group) in groups.iter().filter(|(_, group)| group.len() >= 40) {
        let share = |count: &Count, hits: usize| 100.0 * hits as f64 / count.sentences as f64;
        let cell = |count: Count| format!("{:.1} / {:.1}", share(&count, count.right), share(&count, count.wrong));
        out += &line(&format!("{grammar}, {condition}"), group, cell);
    }
    let _ = write!(
        out,
        "\nOther speech that is obeyed:\n\n| | {} |\n|---|{}\n",
        costs.join(" | "),
        "---|".repeat(COSTS.len())
    );
    let others = |wanted: &dyn Fn(&Row) -> bool| -> Group<'_> {
        let others = rows.iter().zip(log_odds).filter(|(row, _)| row.said == Said::Other);
        others.filter(|(row, _)| wanted(row)).collect()
    };
    let digits = |row: &Row| row.grammar == "digits";
    let made = |row: &Row| row.set == "synthetic_talk" || row.set == "noise";
    for (name, group) in [
        ("people, grammar of bare digits", others(&|row| digits(row) && !made(row))),
        ("people, all other grammars", others(&|row| !digits(row) && !made(row))),
        ("synthetic talk", others(&|row| row.set == "synthetic_talk")),
        ("noise", others(&|row| row.set == "noise")),
    ] {
        out += &line(&format!("{name}: {} utterances", group.len()), &group, |count| count.obeyed.to_string());
    }
    out
}

fn line(name: &str, group: &Group<'_>, cell: impl Fn(Count) -> String) -> String {
    let cells: Vec<String> = COSTS.iter().map(|costs| cell(count(group.iter().copied(), costs.ln()))).collect();
    format!("| {name} | {} |\n", cells.join(" | "))
}
