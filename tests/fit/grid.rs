//! Settings of the search tried on sentences that people said: one setting at a time, the others as they are.

use hearken::config::Settings;
use hearken::decide::rules::{Verdict, judge};
use hearken::measure::eval::expected::{Case, Expected};
use hearken::recognize::Heard;
use hearken::recognize::settings::SearchSettings;

use crate::decided::{Folder, Surroundings};

/// What became of recordings with one group of settings.
#[derive(Clone, Default)]
struct Score {
    /// Of the sentences: those that are the best one, those that are obeyed, and those obeyed as another one.
    found: usize,
    right: usize,
    wrong: usize,
    /// Of what is no sentence: those that are obeyed.
    false_accepts: usize,
    calls: Calls,
    /// The calls for what is no sentence.
    calls_for_others: Calls,
    seconds: f64,
}

/// Calls of the decoder, one number for each recording.
#[derive(Clone, Default)]
struct Calls(Vec<usize>);

impl Calls {
    fn quantile(&self, share: f64) -> usize {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get((share * (sorted.len().max(1) - 1) as f64) as usize).copied().unwrap_or(0)
    }
}

impl std::fmt::Display for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p50 {:3} p95 {:3}", self.quantile(0.5), self.quantile(0.95))
    }
}

/// A name for settings, and what they are.
type Variant = (String, SearchSettings);

/// Every setting at some values to both sides of where it is; only those that `wanted` names, unless it is empty.
fn variants(now: &SearchSettings, wanted: &[String]) -> Vec<Variant> {
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
    for reach in [0.7, 1.0, 1.5, 2.0, 3.5] {
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
    for (calls, calls_a_token) in [(16, 2), (24, 2), (32, 1), (32, 3), (48, 2), (200, 0)] {
        add(format!("calls {calls} + {calls_a_token} a token"), &|s| {
            (s.calls, s.calls_a_token) = (calls, calls_a_token)
        });
    }
    for max_calls in [30, 40, 60, 100] {
        add(format!("max_calls {max_calls}"), &|s| s.max_calls = max_calls);
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|w| name.split(' ').next() == Some(w));
    let first = variants.remove(0);
    variants.retain(|(name, _)| is_wanted(name));
    variants.insert(0, first);
    variants
}

/// Prints for each variant how many sentences of each grammar it finds and obeys, what it obeys besides, and the calls of
/// the decoder that it takes.
///
/// # Errors
/// A recording that cannot be read or decided.
pub fn search(folder: &Folder, surroundings: &Surroundings, wanted: &[String]) -> Result<(), String> {
    let variants = variants(&folder.settings.recognizer.search, wanted);
    let ways: Vec<SearchSettings> = variants.iter().map(|(_, settings)| settings.clone()).collect();
    let sounds = folder.sounds(surroundings)?;
    let mut recognizer = folder.recognizer()?;
    let mut scores = vec![Score::default(); variants.len()];
    for (case, sound) in &sounds {
        let heard = recognizer.hear_by(sound, &ways).map_err(|e| format!("{}: {e}", case.name))?;
        scores.iter_mut().zip(heard).for_each(|(score, heard)| score.add(folder, case, &heard));
    }
    let sentences = sounds.iter().filter(|(case, _)| case.expected != Expected::Rejected).count();
    println!("{}: {sentences} utterances of sentences, {} of other speech", folder.name, sounds.len() - sentences);
    for ((name, _), score) in variants.iter().zip(&scores) {
        let Score { found, right, wrong, false_accepts, calls, calls_for_others, seconds } = score;
        let ms = seconds * 1000.0 / sounds.len().max(1) as f64;
        println!(
            "  {name:<24} {found:5} found, {right:5} right, {wrong:3} wrong, calls {calls}; other speech: {false_accepts:3} \
             obeyed, calls {calls_for_others}; search {ms:.0} ms"
        );
    }
    Ok(())
}

impl Score {
    fn add(&mut self, folder: &Folder, case: &Case, heard: &Heard) {
        let Settings { commands, grammar, thresholds, .. } = &folder.settings;
        let obeyed = judge(heard, thresholds).1 == Verdict::Accepted;
        let is_it = heard.best.as_ref().is_some_and(|best| case.expected.is(&best.sentence, commands, grammar));
        self.seconds += heard.took.search.as_secs_f64();
        if case.expected == Expected::Rejected {
            self.false_accepts += usize::from(obeyed);
            self.calls_for_others.0.push(heard.calls);
        } else {
            self.found += usize::from(is_it);
            self.right += usize::from(obeyed && is_it);
            self.wrong += usize::from(obeyed && !is_it);
            self.calls.0.push(heard.calls);
        }
    }
}
