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
pub struct SoundStats {
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

impl SoundStats {
    /// Measures `samples` at 16 kHz. `probabilities` has for each `window` of samples the probability, 0 to 1, that it
    /// is speech. The last window may reach beyond the end.
    pub fn of(samples: &[f32], probabilities: &[f32], window: usize) -> SoundStats {
        let is_speech = |probability: &f32| *probability > SPEECH;
        let (mut speech, mut quiet) = (Vec::new(), Vec::new());
        for (sound, probability) in samples.chunks(window).zip(probabilities) {
            if is_speech(probability) { &mut speech } else { &mut quiet }.extend_from_slice(sound);
        }
        let level = |sound: &[f32]| (!sound.is_empty()).then(|| level_dbfs(sound));
        let first = probabilities.iter().position(is_speech);
        let last = probabilities.iter().rposition(is_speech);
        let bound = |windows: usize| duration_ms((windows * window).min(samples.len()));
        SoundStats {
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

/// One token of a sentence: its number in the model, or its text with the space before it, which is empty for the end
/// of the sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenScore<T = String> {
    /// The token.
    pub token: T,
    /// Its log-probability after the tokens before it.
    pub log_probability: f32,
    /// The token that the model finds most likely here, if it is another one, and its log-probability.
    pub likeliest: Option<(T, f32)>,
}

/// A sentence, token by token.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis<T = String> {
    /// The sentence and its scores.
    pub candidate: Candidate,
    /// Its tokens and its end; empty if time ran out. Their log-probabilities add up to that of the candidate.
    pub tokens: Vec<TokenScore<T>>,
}

/// The nearest sentences of a sound.
#[derive(Debug, Clone, PartialEq)]
pub struct NBest<T = String> {
    /// The best sentence of the decision, then others by their rank. Each has another meaning.
    pub hypotheses: Vec<Hypothesis<T>>,
    /// The limit that ended the search for other sentences before there were enough, if one did, and the calls of the
    /// decoder until then.
    pub gave_up: Option<(Limit, usize)>,
    /// Calls of the decoder for all this.
    pub calls: usize,
}

/// The details of the last sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Its length and levels.
    pub sound: SoundStats,
    /// Its nearest sentences.
    pub n_best: NBest,
    /// How long it took to find them.
    pub took: Duration,
}

/// Returns the sentences that were `found` and others near them, at most `most` in all. The tokens of those found are
/// scored first, because the search for others may take all the time that is left.
///
/// # Errors
/// The model's.
pub fn n_best<M: LanguageModel>(
    model: &mut M,
    graph: &TokenGraph,
    ends: &Ends,
    settings: &SearchSettings,
    found: &Found,
    most: usize,
) -> Result<NBest<Token>, M::Error> {
    let known: Vec<Path> = found.paths.iter().take(most).cloned().collect();
    let (mut scores, asked) = score(model, ends, &tokens(&known))?;
    let Nearest { paths, gave_up, calls } = nearest(model, graph, ends, settings, known, most)?;
    let (others, asked_more) = score(model, ends, &tokens(&paths[scores.len()..]))?;
    scores.extend(others);
    let hypothesis = |((candidate, _), tokens): (Path, _)| Hypothesis { candidate, tokens };
    let mut hypotheses: Vec<_> = paths.into_iter().zip(scores).map(hypothesis).collect();
    let own = usize::from(found.best().is_some()).min(hypotheses.len());
    hypotheses[own..].sort_by(|a, b| b.candidate.rank.total_cmp(&a.candidate.rank));
    Ok(NBest { hypotheses, gave_up: gave_up.map(|limit| (limit, calls)), calls: asked + calls + asked_more })
}

fn tokens(paths: &[Path]) -> Vec<&[Token]> {
    paths.iter().map(|(_, tokens)| &tokens[..]).collect()
}

/// The scores of the tokens of one path and its end.
type Scores = Vec<TokenScore<Token>>;

/// Scores each token of `paths` and their ends with `model`, in the order of the paths, until time runs out. Returns
/// the scores of each path, none for a path that was not finished, and the number of calls.
fn score<M: LanguageModel>(model: &mut M, ends: &Ends, paths: &[&[Token]]) -> Result<(Vec<Scores>, usize), M::Error> {
    let mut known = HashSet::new();
    let prefixes = paths.iter().flat_map(|path| (0..=path.len()).map(|n| &path[..n]));
    let mut scores: Vec<Scores> = vec![Vec::new(); paths.len()];
    let mut calls = 0;
    for prefix in prefixes.filter(|prefix| known.insert(*prefix)) {
        if !model.in_time() {
            break;
        }
        calls += 1;
        let (logits, normalizer) = model.next(prefix)?;
        let (first, best) = argmax(&logits[..=ends.text as usize]);
        for (path, scores) in paths.iter().zip(&mut scores).filter(|(path, _)| path.starts_with(prefix)) {
            let (token, log_probability, is_first) = match path.get(prefix.len()) {
                Some(&token) => (token, or_impossible(logits[token as usize] - normalizer), token == first),
                None => (ends.text, ends.log_probability(logits, normalizer), ends.contains(first)),
            };
            let likeliest = (!is_first).then_some((first, best - normalizer));
            scores.push(TokenScore { token, log_probability: log_probability.min(0.0), likeliest });
        }
    }
    for (path, scores) in paths.iter().zip(&mut scores) {
        if scores.len() <= path.len() {
            scores.clear();
        }
    }
    Ok((scores, calls))
}

impl TokenScore<Token> {
    fn spelled(self, tokenizer: &Tokenizer) -> TokenScore {
        let text = |token| tokenizer.decode(&[token]);
        TokenScore {
            token: text(self.token),
            log_probability: self.log_probability,
            likeliest: self.likeliest.map(|(token, log_probability)| (text(token), log_probability)),
        }
    }
}

impl NBest<Token> {
    /// The same with the tokens as text.
    pub fn spelled(self, tokenizer: &Tokenizer) -> NBest {
        let spelled = |Hypothesis { candidate, tokens }: Hypothesis<Token>| Hypothesis {
            candidate,
            tokens: tokens.into_iter().map(|score| score.spelled(tokenizer)).collect(),
        };
        let hypotheses = self.hypotheses.into_iter().map(spelled).collect();
        NBest { hypotheses, gave_up: self.gave_up, calls: self.calls }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_has_bounds_levels_and_clipped_samples() {
        // Windows of 16 samples, 1 ms: quiet, speech, quiet, speech, and a cut one of quiet.
        let sound: Vec<f32> = [0.01, 0.1, 0.01, 0.1].iter().flat_map(|x| [*x; 16]).chain([0.01; 8]).collect();
        let (yes, no) = (1.0, 0.0);
        let stats = SoundStats::of(&sound, &[no, yes, no, yes, no], 16);
        assert_eq!((stats.duration_ms, stats.bounds_ms, stats.speech_ms), (4, Some((1, 4)), 2));
        let levels = [stats.speech_dbfs, stats.quiet_dbfs, stats.ratio_db()].map(|l| l.unwrap().round());
        assert_eq!((levels, stats.clipped), ([-20.0, -40.0, 20.0], 0));
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
            let stats = SoundStats::of(&sound, windows, 16);
            assert_eq!(stats.bounds_ms, bounds, "{what}");
            assert_eq!([stats.speech_dbfs.is_some(), stats.quiet_dbfs.is_some()], levels, "{what}");
            assert_eq!((stats.ratio_db(), stats.clipped), (None, clipped), "{what}");
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
    fn each_token_has_its_log_probability_and_the_likeliest_one_as_long_as_there_is_time() {
        let logits = [0.5f32, 0.25, 0.125, 0.125].map(f32::ln);
        let ends = Ends { text: 3, punctuation: vec![] };
        let [half, quarter, eighth, end] = logits;
        let rather = Some((0, half));
        let score = |(token, log_probability, likeliest)| TokenScore { token, log_probability, likeliest };
        let first = [(0, half, None), (1, quarter, rather), (3, end, rather)].map(score).to_vec();
        let second = [(0, half, None), (2, eighth, rather), (3, end, rather)].map(score).to_vec();
        // Four prefixes, two of them of both; the longer ones of the second come last.
        for (calls, expected) in [(9, [first.clone(), second.clone()]), (3, [first, vec![]]), (0, [vec![], vec![]])] {
            let (scores, used) = super::score(&mut Halves(calls, logits), &ends, &[&[0, 1], &[0, 2]]).unwrap();
            assert_eq!((&scores[..], used), (&expected[..], calls.min(4)), "{calls} calls");
        }
        for logit in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let logits = [half, logit, eighth, logit];
            let (scores, _) = super::score(&mut Halves(9, logits), &ends, &[&[1]]).unwrap();
            let nats: Vec<_> = scores[0].iter().map(|score| score.log_probability).collect();
            assert!(nats[0] == f32::NEG_INFINITY && nats[1] < -87.0, "{logit}: {nats:?}");
        }
        let tokenizer = Tokenizer::new([" on", " of", "f"].map(|t| t.as_bytes().to_vec()).to_vec());
        let spelled = [(1, -1.0, Some((0, -0.5))), (3, -2.0, None)].map(|s| score(s).spelled(&tokenizer));
        let texts = spelled.each_ref().map(|s| (&s.token[..], s.likeliest.as_ref().map(|l| &l.0[..])));
        assert_eq!(texts, [(" of", Some(" on")), ("", None)]);
    }
}
