//! Settings of the search tried on sentences that people said: one setting at a time, the others as they are.

use hearken::recognize::settings::SearchSettings;

use crate::decided::{Folder, Surroundings};

/// What became of the sentences with one group of settings.
#[derive(Clone, Default)]
struct Score {
    found: usize,
    calls: Vec<usize>,
    seconds: f64,
}

/// A name for settings, and what they are.
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
    for bonus in [0.0, 0.3, 0.7, 0.9] {
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
    for joint_lead in [4.0, 12.0, 100.0] {
        add(format!("joint_lead {joint_lead}"), &|s| s.joint_lead = joint_lead);
    }
    for max_calls in [60, 100] {
        add(format!("max_calls {max_calls}"), &|s| s.max_calls = max_calls);
    }
    variants
}

/// Prints for each variant how many sentences of each grammar it finds, and the calls of the decoder that it takes.
///
/// # Errors
/// A recording that cannot be read or decided.
pub fn search(folder: &Folder, surroundings: &Surroundings) -> Result<(), String> {
    let variants = variants(&folder.settings.recognizer.search);
    let ways: Vec<SearchSettings> = variants.iter().map(|(_, settings)| settings.clone()).collect();
    let sentences = folder.sentences(surroundings)?;
    let mut recognizer = folder.recognizer()?;
    let mut scores = vec![Score::default(); variants.len()];
    for (case, sound) in &sentences {
        let heard = recognizer.hear_by(sound, &ways).map_err(|e| format!("{}: {e}", case.name))?;
        for (score, heard) in scores.iter_mut().zip(heard) {
            let best = heard.best.as_ref().map(|best| &best.sentence);
            let is = |sentence| case.expected.is(sentence, &folder.settings.commands, &folder.settings.grammar);
            score.found += usize::from(best.is_some_and(is));
            score.calls.push(heard.calls);
            score.seconds += heard.took.search.as_secs_f64();
        }
    }
    println!("{}: {} utterances of sentences", folder.name, sentences.len());
    for ((name, _), mut score) in variants.iter().zip(scores) {
        score.calls.sort_unstable();
        let last = score.calls.len().max(1) - 1;
        let [p50, p95] = [0.5, 0.95].map(|share| score.calls.get((share * last as f64) as usize).unwrap_or(&0));
        let ms = score.seconds * 1000.0 / sentences.len().max(1) as f64;
        println!("  {name:<16} {:5} found, calls p50 {p50:3} p95 {p95:3}, search {ms:.0} ms", score.found);
    }
    Ok(())
}
