//! Settings of the search tried on sentences that people said: one setting at a time, the others as they are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hearken::recognize::settings::SearchSettings;

use crate::decided::{self, Plan, Surroundings};

/// What became of the sentences with one group of settings.
#[derive(Clone, Default)]
struct Score {
    found: usize,
    calls: Vec<usize>,
    took: Duration,
}

/// A name for settings, and what they change.
type Variant = (String, SearchSettings);

/// Every setting at some values to both sides of where it is.
fn variants(now: &SearchSettings) -> Vec<Variant> {
    let mut variants = vec![("as it is".to_string(), now.clone())];
    let mut add = |name: String, change: &dyn Fn(&mut SearchSettings)| {
        let mut settings = now.clone();
        change(&mut settings);
        variants.push((name, settings));
    };
    for lambda in [0.0, 0.5, 0.6, 0.8, 0.9, 1.0] {
        add(format!("lambda {lambda}"), &|s| s.lambda = lambda);
    }
    for bonus in [0.0, 0.3, 0.4, 0.6, 0.7, 0.9] {
        add(format!("bonus {bonus}"), &|s| s.bonus = bonus);
    }
    for haste in [0.0, 0.15, 0.35, 0.5] {
        add(format!("haste {haste}"), &|s| s.haste = haste);
    }
    for reach in [1.5, 2.0, 3.5] {
        add(format!("reach {reach}"), &|s| s.reach = reach);
    }
    for curiosity in [0.0, 0.5, 2.0] {
        add(format!("curiosity {curiosity}"), &|s| s.curiosity = curiosity);
    }
    for patience in [0, 8, 32] {
        add(format!("patience {patience}"), &|s| s.patience = patience);
    }
    for joint_lead in [4.0, 6.0, 12.0, 100.0] {
        add(format!("joint_lead {joint_lead}"), &|s| s.joint_lead = joint_lead);
    }
    for max_calls in [60, 100, 400] {
        add(format!("max_calls {max_calls}"), &|s| s.max_calls = max_calls);
    }
    variants
}

/// Prints for each variant how many sentences of each grammar it finds, and the calls of the decoder that it takes.
pub fn search(folders: &Result<Vec<(String, PathBuf)>, String>, dir: &Path, plan: &Plan) -> Result<(), String> {
    let surroundings = Surroundings::read(dir)?;
    let variants = variants(&SearchSettings::of_model(&plan.model, None));
    let plan = Plan { one_in: usize::MAX, model: plan.model.clone(), ..*plan };
    for (grammar, dir) in folders.as_ref().map_err(String::clone)? {
        let (evaluator, cases, mut recognizer) = decided::open_alone(dir, &plan)?;
        let mut scores = vec![Score::default(); variants.len()];
        let mut all = 0;
        for recording in decided::recordings(&cases, &surroundings, &plan) {
            let (case, _, sound) = recording?;
            if case.expected == hearken::eval::expected::Expected::Rejected {
                continue;
            }
            all += 1;
            let settings: Vec<SearchSettings> = variants.iter().map(|(_, settings)| settings.clone()).collect();
            let heard = recognizer.hear_by(&sound, &settings).map_err(|e| e.to_string())?;
            for (score, heard) in scores.iter_mut().zip(heard) {
                let best = heard.best.as_ref().map(|best| &best.sentence);
                let found = best.is_some_and(|s| case.expected.is(s, &evaluator.commands, &evaluator.grammar));
                score.found += usize::from(found);
                score.calls.push(heard.calls);
                score.took += heard.took.search;
            }
        }
        print(grammar, all, &variants, scores);
    }
    Ok(())
}

fn print(grammar: &str, all: usize, variants: &[Variant], scores: Vec<Score>) {
    println!("{grammar}: {all} utterances of sentences");
    for ((name, _), mut score) in variants.iter().zip(scores) {
        score.calls.sort_unstable();
        let at = |share: f64| score.calls.get((share * (score.calls.len().max(1) - 1) as f64) as usize).unwrap_or(&0);
        let ms = score.took.as_secs_f64() * 1000.0 / all.max(1) as f64;
        println!("  {name:<16} {:5} found, calls p50 {:3} p95 {:3}, search {ms:.0} ms", score.found, at(0.5), at(0.95));
    }
}
