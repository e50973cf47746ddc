//! Details behind a decision, for a person who asks for the reason: the levels of the sound, and the nearest sentences
//! token by token. No input or output.

use std::collections::HashSet;
use std::time::Duration;

use super::search::{Ends, Found, LanguageModel, Nearest, Path, argmax, nearest, or_impossible};
use super::settings::SearchSettings;
use super::token_graph::TokenGraph;
use super::tokenizer::{Token, Tokenizer};
use super::{Candidate, Limit};
use crate::audio::level::FULL_SCALE;
use crate::audio::{duration_ms, level_dbfs};

/// Most calls of the decoder to find the nearest sentences: five take 60 to 300 in a grammar of 80,000 sentences.
pub const SEARCH_CALLS: usize = 300;

/// Probability from which a window counts as speech, for the level and the bounds of the speech. Silero's examples use
/// the same.
const SPEECH: f32 = 0.5;

/// The length and the levels of a sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Traits {
    /// Its length, in milliseconds.
    pub duration_ms: u64,
    /// Where its speech begins and ends, in milliseconds from the start; `None` without speech.
    pub bounds_ms: Option<(u64, u64)>,
    /// Length of speech in it, in milliseconds: the lengths of the windows, weighted by their speech probabilities.
    pub speech_ms: u64,
    /// Level of the speech in dBFS.
    pub speech_dbfs: Option<f32>,
    /// Level of the rest in dBFS.
    pub quiet_dbfs: Option<f32>,
    /// Number of samples at full scale.
    pub clipped: usize,
}

impl Traits {
    /// Measures `samples` at 16 kHz. `probabilities` has for each `window` of samples the probability, 0 to 1, that it
    /// is speech. The last window may reach beyond the end.
    pub fn of(samples: &[f32], probabilities: &[f32], window: usize) -> Traits {
        let is_speech = |probability: &f32| *probability > SPEECH;
        let (mut speech, mut quiet) = (Vec::new(), Vec::new());
        for (sound, probability) in samples.chunks(window).zip(probabilities) {
            if is_speech(probability) { &mut speech } else { &mut quiet }.extend_from_slice(sound);
        }
        let level = |sound: &[f32]| (!sound.is_empty()).then(|| level_dbfs(sound));
        let first = probabilities.iter().position(is_speech);
        let last = probabilities.iter().rposition(is_speech);
        let bound = |windows: usize| duration_ms((windows * window).min(samples.len()));
        Traits {
            duration_ms: duration_ms(samples.len()),
            bounds_ms: first.zip(last).map(|(first, last)| (bound(first), bound(last + 1))),
            speech_ms: duration_ms((probabilities.iter().sum::<f32>() * window as f32) as usize),
            speech_dbfs: level(&speech),
            quiet_dbfs: level(&quiet),
            clipped: samples.iter().filter(|s| s.abs() >= FULL_SCALE).count(),
        }
    }

    /// The level of the speech above the rest, in dB.
    pub fn ratio_db(&self) -> Option<f32> {
        Some(self.speech_dbfs? - self.quiet_dbfs?)
    }
}

/// One token of a sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its text, with the space before it; empty for the end of the sentence.
    pub text: String,
    /// Its log-probability after the tokens before it.
    pub log_probability: f32,
    /// The token that the model finds most likely here, if it is another one, and its log-probability.
    pub rather: Option<(String, f32)>,
}

/// A sentence, token by token.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighed {
    /// The sentence and its scores.
    pub candidate: Candidate,
    /// Its tokens and its end; empty if time ran out. Their log-probabilities add up to that of the candidate.
    pub steps: Vec<Step>,
}

/// The details of the last sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// Its length and levels.
    pub sound: Traits,
    /// The best sentence of the decision, then others by their rank. Each has another meaning.
    pub sentences: Vec<Weighed>,
    /// The limit that ended the search for other sentences before there were enough, if one did, and the calls of the
    /// decoder until then.
    pub gave_up: Option<(Limit, usize)>,
    /// Calls of the decoder for all this.
    pub calls: usize,
    /// How long it took.
    pub took: Duration,
}

/// A token, its log-probability, and the most likely token with its log-probability, if that is another one.
pub type Choice = (Token, f32, Option<(Token, f32)>);

/// The nearest sentences of a sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// As in [`Story::sentences`], with their choices. A sentence for which time ran out has none.
    pub sentences: Vec<(Candidate, Vec<Choice>)>,
    /// As in [`Story::gave_up`].
    pub gave_up: Option<(Limit, usize)>,
    /// Calls of the model.
    pub calls: usize,
}

/// Returns the sentences that were `found` and others near them, at most `most` in all. The tokens of those found are
/// scored first, because the search for others may take all the time that is left.
///
/// # Errors
/// The model's.
pub fn tell<M: LanguageModel>(
    model: &mut M,
    graph: &TokenGraph,
    ends: &Ends,
    settings: &SearchSettings,
    found: &Found,
    most: usize,
) -> Result<Told, M::Error> {
    let known: Vec<Path> = found.paths.iter().take(most).cloned().collect();
    let (mut choices, asked) = weigh(model, ends, &tokens(&known))?;
    let Nearest { paths, gave_up, calls } = nearest(model, graph, ends, settings, known, most)?;
    let (others, asked_more) = weigh(model, ends, &tokens(&paths[choices.len()..]))?;
    choices.extend(others);
    let mut sentences: Vec<_> = paths.into_iter().map(|(candidate, _)| candidate).zip(choices).collect();
    let own = usize::from(found.best().is_some()).min(sentences.len());
    sentences[own..].sort_by(|(a, _), (b, _)| b.rank.total_cmp(&a.rank));
    Ok(Told { sentences, gave_up: gave_up.map(|limit| (limit, calls)), calls: asked + calls + asked_more })
}

fn tokens(paths: &[Path]) -> Vec<&[Token]> {
    paths.iter().map(|(_, tokens)| &tokens[..]).collect()
}

/// Scores each token of `paths` and their ends with `model`, in the order of the paths, until time runs out. Returns
/// the choices of each path, none for a path that was not finished, and the number of calls.
fn weigh<M: LanguageModel>(
    model: &mut M,
    ends: &Ends,
    paths: &[&[Token]],
) -> Result<(Vec<Vec<Choice>>, usize), M::Error> {
    let mut known = HashSet::new();
    let prefixes = paths.iter().flat_map(|path| (0..=path.len()).map(|n| &path[..n]));
    let mut choices: Vec<Vec<Choice>> = vec![Vec::new(); paths.len()];
    let mut calls = 0;
    for prefix in prefixes.filter(|prefix| known.insert(*prefix)) {
        if !model.in_time() {
            break;
        }
        calls += 1;
        let (logits, normalizer) = model.next(prefix)?;
        let (first, best) = argmax(&logits[..=ends.text as usize]);
        for (path, choices) in paths.iter().zip(&mut choices).filter(|(path, _)| path.starts_with(prefix)) {
            choices.push(match path.get(prefix.len()) {
                Some(&token) => {
                    let log_probability = or_impossible(logits[token as usize] - normalizer).min(0.0);
                    (token, log_probability, (token != first).then_some((first, best - normalizer)))
                }
                None => {
                    let end = ends.log_probability(logits, normalizer).min(0.0);
                    (ends.text, end, (!ends.contains(first)).then_some((first, best - normalizer)))
                }
            });
        }
    }
    for (path, choices) in paths.iter().zip(&mut choices) {
        if choices.len() <= path.len() {
            choices.clear();
        }
    }
    Ok((choices, calls))
}

/// The choices, with their tokens as text.
pub fn spelled(choices: &[Choice], tokenizer: &Tokenizer) -> Vec<Step> {
    let step = |(token, log_probability, rather): &Choice| Step {
        text: tokenizer.decode(&[*token]),
        log_probability: *log_probability,
        rather: rather.map(|(token, log_probability)| (tokenizer.decode(&[token]), log_probability)),
    };
    choices.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_has_bounds_levels_and_clipped_samples() {
        // Windows of 16 samples, 1 ms: quiet, speech, quiet, speech, and a cut one of quiet.
        let sound: Vec<f32> = [0.01, 0.1, 0.01, 0.1].iter().flat_map(|x| [*x; 16]).chain([0.01; 8]).collect();
        let (yes, no) = (1.0, 0.0);
        let traits = Traits::of(&sound, &[no, yes, no, yes, no], 16);
        assert_eq!((traits.duration_ms, traits.bounds_ms, traits.speech_ms), (4, Some((1, 4)), 2));
        let levels = [traits.speech_dbfs, traits.quiet_dbfs, traits.ratio_db()].map(|l| l.unwrap().round());
        assert_eq!((levels, traits.clipped), ([-20.0, -40.0, 20.0], 0));
        type Case<'a> = (&'a str, Vec<f32>, &'a [f32], Option<(u64, u64)>, [bool; 2], usize);
        let cases: [Case<'_>; 4] = [
            ("nothing", vec![], &[no], None, [false, false], 0),
            ("no speech", vec![0.5; 32], &[no, no], None, [false, true], 0),
            ("speech alone", vec![0.5; 32], &[yes, yes], Some((0, 2)), [true, false], 0),
            (
                "clipped",
                [vec![1.0; 16], vec![-1.0; 4], vec![0.9; 12]].concat(),
                &[yes, yes],
                Some((0, 2)),
                [true, false],
                20,
            ),
        ];
        for (what, sound, windows, bounds, levels, clipped) in cases {
            let traits = Traits::of(&sound, windows, 16);
            assert_eq!(traits.bounds_ms, bounds, "{what}");
            assert_eq!([traits.speech_dbfs.is_some(), traits.quiet_dbfs.is_some()], levels, "{what}");
            assert_eq!((traits.ratio_db(), traits.clipped), (None, clipped), "{what}");
        }
    }

    /// Says after every prefix that token 0 has half, 1 a quarter, 2 an eighth, and the end (3) an eighth; for so many
    /// calls.
    struct Halves(usize, [f32; 4]);

    impl LanguageModel for Halves {
        type Error = std::convert::Infallible;

        fn next(&mut self, _: &[Token]) -> Result<(&[f32], f32), Self::Error> {
            self.0 -= 1;
            Ok((&self.1, 0.0))
        }

        fn in_time(&self) -> bool {
            self.0 > 0
        }
    }

    #[test]
    fn each_token_has_its_log_probability_and_what_the_model_would_rather_write_as_long_as_there_is_time() {
        let logits = [0.5f32, 0.25, 0.125, 0.125].map(f32::ln);
        let ends = Ends { text: 3, punctuation: vec![] };
        let [half, quarter, eighth, end] = logits;
        let rather = Some((0, half));
        let first = vec![(0, half, None), (1, quarter, rather), (3, end, rather)];
        let second = vec![(0, half, None), (2, eighth, rather), (3, end, rather)];
        // Four prefixes, two of them of both; the longer ones of the second come last.
        for (calls, weighed) in [(9, [first.clone(), second.clone()]), (3, [first, vec![]]), (0, [vec![], vec![]])] {
            let (choices, used) = weigh(&mut Halves(calls, logits), &ends, &[&[0, 1], &[0, 2]]).unwrap();
            assert_eq!((&choices[..], used), (&weighed[..], calls.min(4)), "{calls} calls");
        }
        for logit in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let logits = [half, logit, eighth, logit];
            let (choices, _) = weigh(&mut Halves(9, logits), &ends, &[&[1]]).unwrap();
            let told: Vec<_> = choices[0].iter().map(|choice| choice.1).collect();
            assert!(told[0] == f32::NEG_INFINITY && told[1] < -87.0, "{logit}: {told:?}");
        }
        let tokenizer = Tokenizer::new([" on", " of", "f"].map(|t| t.as_bytes().to_vec()).to_vec());
        let steps = spelled(&[(1, -1.0, Some((0, -0.5))), (3, -2.0, None)], &tokenizer);
        let told: Vec<_> = steps.iter().map(|s| (&s.text[..], s.rather.as_ref().map(|r| &r.0[..]))).collect();
        assert_eq!(told, [(" of", Some(" on")), ("", None)]);
    }
}
