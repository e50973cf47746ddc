//! What was fitted, as the table of weights and as a report.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use hearken::decide::features::FEATURES;
use hearken::measure::eval::reliability::{Bin, Reliability};
use hearken::measure::eval::statistics::share;

use crate::ablation;
use crate::regression::{self, Fit};
use crate::table::{Row, Said, row_weights};

/// Penalties that are tried; the one with the least loss on speakers that were left out is taken.
const PENALTIES: [f64; 5] = [0.3, 1.0, 3.0, 10.0, 30.0];
/// Log-odds at which the trade-off is told.
const LEVELS: [f64; 11] = [-2.0, -1.0, -0.5, 0.0, 0.5, 0.7, 1.0, 1.6, 2.0, 3.0, 4.0];

/// The weights, and what they are worth on speakers and sets that they have not seen.
pub struct Fitted {
    pub penalty: f64,
    /// Nats an utterance, by the rows of other speakers.
    pub loss: f64,
    pub fit: Fit,
    /// Log-odds of each row by the rows of other speakers.
    pub by_speaker: Vec<Option<f64>>,
    /// The same by the rows of other sets.
    pub by_set: Vec<Option<f64>>,
}

impl Fitted {
    pub fn of(rows: &[Row]) -> Fitted {
        let loss = |penalty: f64| regression::log_loss(rows, &regression::cross_validated(rows, penalty));
        let penalty = PENALTIES.into_iter().min_by(|a, b| loss(*a).total_cmp(&loss(*b))).unwrap_or(1.0);
        let by_speaker = regression::cross_validated(rows, penalty);
        let loss = regression::log_loss(rows, &by_speaker);
        let (fit, by_set) = (regression::fit(rows, penalty), regression::without_set(rows, penalty));
        Fitted { penalty, loss, fit, by_speaker, by_set }
    }
}

/// The table of weights for `model`. How to search stands in the table that was there `before`, and stays.
pub fn weights(model: &str, sha256: &str, table: &Path, fitted: &Fitted, before: &str) -> Result<String, String> {
    let search = before.find("[search]").map(|at| &before[at..]).ok_or("the old table of weights has no [search]")?;
    let Fit { means, spreads, coefficients, errors } = &fitted.fit;
    let mut out = format!(
        "# How much each feature of a decision counts with this model, and how to search with it. Made by `make fit`: docs/reports/deciding.md.\n\
         model = \"{model}\"\nsha256 = \"{sha256}\"\nintercept = {:.4}\n\n\
         [fitted]\ntable = \"{}\"\npenalty = {}\nloss = {:.4} # nats an utterance, by speakers that were left out\n\n\
         # The weight is what one spread above the mean adds to the log-odds; error is its standard error.\n[features]\n",
        coefficients[0],
        table.display(),
        fitted.penalty,
        fitted.loss
    );
    for (at, feature) in FEATURES.iter().enumerate() {
        let _ = writeln!(
            out,
            "{} = {{ weight = {:.4}, error = {:.4}, mean = {:.4}, spread = {:.4} }}",
            feature.name,
            coefficients[at + 1],
            errors[at + 1],
            means[at],
            spreads[at]
        );
    }
    Ok(format!("{out}\n{search}"))
}

/// Rows, each with its log-odds.
pub type Group<'a> = Vec<(&'a Row, &'a Option<f64>)>;

/// A group of rows at one level of the log-odds.
#[derive(Default)]
pub struct Count {
    pub sentences: usize,
    found: usize,
    pub right: usize,
    pub wrong: usize,
    others: usize,
    pub obeyed: usize,
}

pub fn count<'a>(rows: impl Iterator<Item = (&'a Row, &'a Option<f64>)>, level: f64) -> Count {
    let mut count = Count::default();
    for (row, log_odds) in rows {
        let obeyed = !row.refused && log_odds.is_some_and(|log_odds| log_odds >= level);
        match row.said {
            Said::Sentence => {
                count.sentences += 1;
                count.found += usize::from(row.found);
                count.right += usize::from(obeyed && row.found);
                count.wrong += usize::from(obeyed && !row.found);
            }
            Said::Other => {
                count.others += 1;
                count.obeyed += usize::from(obeyed);
            }
        }
    }
    count
}

/// "93.0 % (90.2 to 95.1)"
fn percent(hits: usize, all: usize) -> String {
    share(hits, all).map_or("-".into(), |e| {
        let [is, low, high] = [e.is, e.low, e.high].map(|share| share * 100.0);
        format!("{is:.1} % ({low:.1} to {high:.1})")
    })
}

const HEADER: &str = "| | sentences | found | right | wrong | other speech | obeyed |\n|---|---|---|---|---|---|---|\n";

fn line(name: &str, count: &Count) -> String {
    let Count { sentences, found, right, wrong, others, obeyed } = count;
    let [found, right, wrong] = [found, right, wrong].map(|hits| percent(*hits, *sentences));
    format!("| {name} | {sentences} | {found} | {right} | {wrong} | {others} | {} |\n", percent(*obeyed, *others))
}

/// The report, in Markdown.
pub fn report(model: &str, table: &Path, rows: &[Row], fitted: &Fitted) -> String {
    let needed = f64::from(hearken::decide::thresholds::Thresholds::default().needed(0));
    let mut out = format!(
        "# How the weights of {model} were fitted\n\n\
         This page is written by `make fit`. The features of {} utterances are in `{}`: what they are is told in\n\
         `src/decide/features.rs`, and where the recordings come from in [deciding.md](deciding.md). A logistic regression with a penalty \
         of {} was fitted to them.\nIn every table below each utterance is decided by weights that were fitted without its speaker (where \
         speakers are not named, without\nthe recording), unless another thing is said. In parentheses stands the 95 % interval.\n\n",
        rows.len(),
        table.display(),
        fitted.penalty
    );
    let all = || rows.iter().zip(&fitted.by_speaker);
    out += &format!("## By grammar and condition, at log-odds of {needed:.2}\n\n{HEADER}");
    let mut groups: BTreeMap<(&str, &str), Group<'_>> = BTreeMap::new();
    all().for_each(|(row, log_odds)| groups.entry((&row.grammar, &row.condition)).or_default().push((row, log_odds)));
    for ((grammar, condition), group) in &groups {
        out += &line(&format!("{grammar}, {condition}"), &count(group.iter().copied(), needed));
    }
    out += &format!("\n## By set\n\nBy weights that were fitted without the set's speakers.\n\n{HEADER}");
    out += &by_set(rows, &fitted.by_speaker, needed);
    out += &format!(
        "\nBy weights that were fitted without the whole set: how a set that is quite new would fare.\n\n{HEADER}"
    );
    out += &by_set(rows, &fitted.by_set, needed);
    out += &format!(
        "\n## What a threshold trades\n\nThe points of the detection error trade-off, all grammars and conditions.\n\n{HEADER}"
    );
    LEVELS.iter().for_each(|level| out += &line(&format!("log-odds {level}"), &count(all(), *level)));
    out += &ablation::costs(rows, &fitted.by_speaker);
    out += &ablation::features(rows, fitted.penalty);
    out += &speakers(rows, &fitted.by_speaker, needed);
    out + &reliability(rows, &fitted.by_speaker)
}

fn by_set(rows: &[Row], log_odds: &[Option<f64>], level: f64) -> String {
    let mut sets: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    rows.iter().zip(log_odds).for_each(|(row, log_odds)| sets.entry(&row.set).or_default().push((row, log_odds)));
    sets.iter().map(|(set, group)| line(set, &count(group.iter().copied(), level))).collect()
}

/// How unlike people are: the share right by speaker, of those with at least four sentences.
fn speakers(rows: &[Row], log_odds: &[Option<f64>], level: f64) -> String {
    let mut speakers: BTreeMap<u64, Group<'_>> = BTreeMap::new();
    let sentences = rows.iter().zip(log_odds).filter(|(row, _)| row.said == Said::Sentence);
    sentences.for_each(|(row, log_odds)| speakers.entry(row.speaker).or_default().push((row, log_odds)));
    let enough = speakers.values().filter(|group| group.len() >= 4).map(|group| count(group.iter().copied(), level));
    let mut shares: Vec<f64> = enough.map(|count| count.right as f64 / count.sentences as f64).collect();
    shares.sort_by(f64::total_cmp);
    let at = |share: f64| shares.get((share * (shares.len().max(1) - 1) as f64) as usize).map_or(0.0, |s| s * 100.0);
    format!(
        "\n## By speaker\n\nOf the {} speakers with at least four utterances of sentences, in all conditions, half are obeyed in at least \
         {:.0} % of them,\nnine tenths in at least {:.0} %, and the worst one in {:.0} %.\n",
        shares.len(),
        at(0.5),
        at(0.1),
        at(0.0)
    )
}

/// Whether the probabilities are true: how often the sentence was said, by the probability that was given.
fn reliability(rows: &[Row], log_odds: &[Option<f64>]) -> String {
    let weighed = rows.iter().zip(log_odds).zip(row_weights(rows));
    let probability = |log_odds: f64| 1.0 / (1.0 + (-log_odds).exp());
    let all = weighed.filter_map(|((row, log_odds), weight)| Some((probability((*log_odds)?), row.right(), weight)));
    let Some(reliability) = Reliability::of(all) else { return String::new() };
    let mut out = format!(
        "\n## Whether the probabilities are true\n\nThe Brier score is {:.4}. Utterances are weighed as in the fit: by the root of the number \
         of their grammar's.\n\n| probability given | utterances | mean | share that was said |\n|---|---|---|---|\n",
        reliability.brier
    );
    for ([from, to], Bin { count, given, said }) in reliability.filled() {
        let _ = writeln!(out, "| {from} to {to} % | {count} | {:.1} % | {:.1} % |", 100.0 * given, 100.0 * said);
    }
    out
}
