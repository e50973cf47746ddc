//! The committed weights are those that the committed table of features gives, and the table holds numbers only.

use std::fs;
use std::path::Path;

use hearken::decide::features::{FEATURES, Features};
use hearken::decide::weights::{self, Weights};
use hearken::recognize::models::TABLES;

use crate::regression::{cross_validated, fit};
use crate::table::{Row, Said, read, write};

/// What a number may be off by that is written with four decimals.
const ROUNDING: f64 = 1e-4;

fn root(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The value of `key` in the section `[fitted]` of a table of weights.
fn fitted(text: &str, key: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")));
    line.unwrap_or_else(|| panic!("{key}")).split(" #").next().unwrap().trim_matches('"').to_string()
}

#[test]
fn the_weights_of_each_model_are_those_that_its_table_of_features_gives() {
    for table in TABLES {
        let rows = read(&root(&fitted(table.text, "table"))).unwrap_or_else(|e| panic!("{e}"));
        assert!(rows.len() > 400, "{}: {} rows", table.name, rows.len());
        let fit = fit(&rows, fitted(table.text, "penalty").parse().unwrap());
        let Weights { intercept, parts, .. } = weights::parse(table.name, table.text).unwrap_or_else(|e| panic!("{e}"));
        let near = |one: f64, other: f32| (one - f64::from(other)).abs() <= ROUNDING;
        assert!(near(fit.coefficients[0], intercept), "{}: {fit:?}", table.name);
        for (at, (feature, part)) in FEATURES.iter().zip(parts).enumerate() {
            let fits = near(fit.coefficients[at + 1], part.weight)
                && near(fit.means[at], part.mean)
                && near(fit.spreads[at], part.spread);
            assert!(fits, "{}, {}: {part:?}, not {fit:?}", table.name, feature.name);
        }
    }
}

fn row(speaker: u64, right: bool, value: f32) -> Row {
    Row {
        grammar: "one".into(),
        set: "a".into(),
        speaker,
        condition: "clean".into(),
        said: if right { Said::Sentence } else { Said::Other },
        found: right,
        refused: false,
        features: Some(Features::from_values([value, 0.0, 0.5, 0.0, 0.0, 1.0, 3.0, 0.0, -1.0])),
    }
}

#[test]
fn a_feature_that_tells_is_found_and_one_that_does_not_has_no_weight() {
    // Right from 0 on, but for every tenth.
    let rows: Vec<Row> = (-200..200).map(|n| row(n as u64 % 50, (n >= 0) != (n % 10 == 0), n as f32 / 100.0)).collect();
    let fitted = fit(&rows, 1.0);
    assert!(fitted.coefficients[1] > 1.0, "{fitted:?}");
    assert!(fitted.coefficients[2..].iter().all(|weight| weight.abs() < 1e-6), "{fitted:?}");
    let stiff = fit(&rows, 1000.0);
    assert!((0.0..fitted.coefficients[1]).contains(&stiff.coefficients[1]), "a penalty makes weights smaller");
    let held_out = cross_validated(&rows, 1.0);
    let agree = rows.iter().zip(held_out).filter(|(row, log_odds)| (log_odds.unwrap() > 0.0) == row.right()).count();
    assert!(agree > 340, "{agree} of 400");
}

#[test]
fn no_speaker_is_on_both_sides() {
    // Every speaker has a value of his own, always right or always wrong: who knows the speaker knows it all.
    let rows: Vec<Row> = (0..400).map(|n| row(n % 5, n % 5 == 0, if n % 5 == 0 { 1.0 } else { 0.0 })).collect();
    let part: Vec<Option<f64>> = cross_validated(&rows, 1.0);
    let right = rows.iter().zip(&part).filter(|(row, _)| row.right());
    assert!(right.map(|(_, log_odds)| log_odds.unwrap()).all(|log_odds| log_odds < 0.0), "nobody else was ever right");
}

#[test]
fn a_table_is_read_as_it_was_written_and_a_line_that_is_no_row_is_named() {
    let missed = Row { features: None, found: false, ..row(7, true, 0.0) };
    let rows = vec![row(0xffff_ffff, true, -1.25), row(3, false, 2.5), missed];
    let text = write(&rows);
    assert_eq!(read(&text), Ok(rows));
    let faults = [
        (text.replace("ratio,", "rate,"), "line 1: the columns are"),
        (text.replace("sentence,1", "sentense,1"), "line 2: no row"),
        (text.replace("2.5000", "two"), "line 3: no row"),
    ];
    for (text, words) in faults {
        let said = read(&text).unwrap_err();
        assert!(said.starts_with(words), "{said}");
    }
}
