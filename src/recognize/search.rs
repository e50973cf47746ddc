//! Finds the sentence of the grammar that fits the sound best, by a best-first search over the token graph. No input or
//! output.
//!
//! First the model writes free text, greedily; the decision to reject compares sentences with this text. Then the
//! search extends paths of the grammar, always the most promising one. The promise of a path is its rank plus `haste`
//! for each token. The rank is a sum over the steps: the log-probability of the token, less `lambda` times the log of
//! the probability mass that the grammar allows at that step, plus `bonus`. With `lambda` = 0 the rank is the joint
//! log-probability, which favours short sentences. With `lambda` = 1 it is that of a masked softmax, by which a path
//! that does not fit the sound can win.
//!
//! Without bonus and haste no step adds more than 0, so the rank of a prefix bounds the rank of everything that follows
//! it. The first complete sentence is then the best one, and a clear sentence takes some ten calls of the decoder,
//! whatever the size of the grammar. Bonus and haste give up this guarantee, for fewer truncated sentences and fewer
//! calls in noise. Therefore the search goes on for a while after the first complete sentence and takes the best one
//! that it has found. The measurements are in docs/reports/deciding.md.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::rc::Rc;

use super::settings::SearchSettings;
use super::token_graph::{State, TokenGraph};
use super::tokenizer::Token;
use super::{Candidate, Limit};
use crate::grammar::Sentence;

/// A model that predicts the next token after a prefix.
pub trait LanguageModel {
    /// The error of a failed prediction.
    type Error;

    /// The logits of the next token after the prompt and `prefix`, one for each token of the vocabulary, and the log of
    /// the sum of their exponentials.
    ///
    /// # Errors
    /// When the model fails.
    fn next(&mut self, prefix: &[Token]) -> Result<(&[f32], f32), Self::Error>;

    /// Whether there is time for another call.
    fn in_time(&self) -> bool {
        true
    }
}

/// Nats that are added to the haste when half of the calls are used and no complete sentence was found: a good sentence
/// is better than none.
const HURRY: f32 = 1.0;

/// How many tokens more than the free text a sentence may have, for the limit by [`SearchSettings::reach`].
const MORE_TOKENS: usize = 3;

/// Length of a run of tokens that counts as a repetition when the text has it twice.
const REPETITION: usize = 4;

/// The tokens that end a sentence.
#[derive(Debug, Clone)]
pub struct Ends {
    /// End of text.
    pub text: Token,
    /// Full stop, exclamation mark, question mark.
    pub punctuation: Vec<Token>,
}

impl Ends {
    pub(super) fn contains(&self, token: Token) -> bool {
        token == self.text || self.punctuation.contains(&token)
    }

    /// Log-probability that the sentence ends here.
    pub(super) fn log_probability(&self, logits: &[f32], normalizer: f32) -> f32 {
        let p = |t: &Token| (logits[*t as usize] - normalizer).exp();
        or_impossible((p(&self.text) + self.punctuation.iter().map(p).sum::<f32>()).max(f32::MIN_POSITIVE).ln())
    }
}

/// The log-probability, or that of an impossible event if the model gave no finite number. `f32::min` would turn NaN
/// into 0, a certain event.
pub(super) fn or_impossible(log_probability: f32) -> f32 {
    if log_probability.is_finite() { log_probability } else { f32::NEG_INFINITY }
}

/// A sentence with its scores, and its tokens without the end of text.
pub type Path = (Candidate, Vec<Token>);

/// The result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The free text, up to the end of text or to where it begins to repeat itself.
    pub text: Vec<Token>,
    /// Log-probability of the free text up to its first end of a sentence.
    pub free: f32,
    /// The best sentence and the runner-up, if they were found.
    pub(super) paths: Vec<Path>,
    /// The limit that ended the search before it found a sentence. [`Limit::Deadline`] whenever the deadline passed.
    pub gave_up: Option<Limit>,
    /// Calls of the model.
    pub calls: usize,
}

impl Found {
    /// The best sentence.
    pub fn best(&self) -> Option<&Candidate> {
        self.paths.first().map(|(candidate, _)| candidate)
    }

    /// The best sentence with another command or other slots.
    pub fn runner_up(&self) -> Option<&Candidate> {
        self.paths.get(1).map(|(candidate, _)| candidate)
    }
}

/// Searches `graph` with `model`. The free text is cut after `max_text` tokens.
///
/// # Errors
/// The model's.
pub fn search<M: LanguageModel>(
    model: &mut M,
    graph: &TokenGraph,
    ends: &Ends,
    settings: &SearchSettings,
    max_text: usize,
) -> Result<Found, M::Error> {
    let mut search = Search { model, graph, ends, calls: 0, max_calls: settings.max_calls, opened: HashMap::new() };
    let (text, free, gave_up) = search.write_freely(max_text)?;
    let mut found = Found { text, free, paths: Vec::new(), gave_up, calls: search.calls };
    if gave_up.is_some() {
        // Without the whole free text there is nothing to compare sentences with.
        return Ok(found);
    }
    search.max_calls = settings.most_calls(found.text.len());
    let floor = free - settings.reach * (found.text.len() + MORE_TOKENS) as f32;
    let mut settings = settings.clone();
    let mut open = BinaryHeap::from([Open::root(graph)]);
    let (mut whole, mut hurried) = (Whole::default(), false);
    while let Some(next) = open.pop() {
        if !hurried && whole.first.is_none() && search.calls >= search.max_calls / 2 {
            hurried = true;
            settings.haste += HURRY;
            settings.curiosity = f32::INFINITY;
            open = open.into_iter().chain([next]).map(|path| path.placed(&settings)).collect();
            continue;
        }
        if whole.suffices(&next, search.calls, &settings) {
            break;
        }
        if next.joint < floor {
            continue;
        }
        if next.whole {
            if let Some(sentence) = graph.sentence(&next.tokens) {
                whole.add(next, sentence, search.calls);
            }
            continue;
        }
        if let Some(limit) = search.limit().filter(|_| !search.opened.contains_key(&next.tokens)) {
            found.gave_up = Some(limit).filter(|_| whole.first.is_none());
            break;
        }
        search.open(&next, &settings, floor, &mut open)?;
    }
    found.paths = whole.best_two(settings.joint_lead);
    found.calls = search.calls;
    if !search.model.in_time() {
        found.gave_up = Some(Limit::Deadline);
    }
    Ok(found)
}

/// The complete sentences that were found: the best path for each meaning, which is a command with its slots.
#[derive(Default)]
struct Whole {
    paths: Vec<Path>,
    /// For each meaning in `paths`: the log of the sum of the exponentials of the ranks of all its paths.
    sums: Vec<f32>,
    /// The promise of the first complete sentence, and the calls that were made until then.
    first: Option<(f32, usize)>,
}

impl Whole {
    /// Whether the search can end, because `next` and everything after it is not worth another call.
    fn suffices(&self, next: &Open, calls: usize, settings: &SearchSettings) -> bool {
        let Some((first, calls_then)) = self.first else { return false };
        first - next.promise > settings.curiosity || calls >= calls_then.saturating_add(settings.patience)
    }

    fn add(&mut self, path: Open, sentence: Sentence, calls: usize) {
        self.first.get_or_insert((path.promise, calls));
        match self.paths.iter().position(|(known, _)| same_meaning(&known.sentence, &sentence)) {
            Some(at) => {
                self.sums[at] = log_add(self.sums[at], path.rank);
                if self.paths[at].0.rank < path.rank {
                    self.paths[at] = path.told(sentence);
                }
            }
            None => {
                self.sums.push(path.rank);
                self.paths.push(path.told(sentence));
            }
        }
    }

    /// Computes the lead of each meaning over all others: posterior log-odds among the sentences that were found.
    fn compare(&mut self) {
        for at in 0..self.paths.len() {
            let others = self.sums.iter().enumerate().filter(|(other, _)| *other != at);
            let others = others.fold(f32::NEG_INFINITY, |sum, (_, rank)| log_add(sum, *rank));
            self.paths[at].0.lead = self.sums[at] - others;
        }
    }

    /// The best and the second sentence by rank. They change places if the joint log-probability of the second is
    /// higher by more than `joint_lead`.
    fn best_two(mut self, joint_lead: f32) -> Vec<Path> {
        self.compare();
        self.paths.sort_by(|(a, _), (b, _)| b.rank.total_cmp(&a.rank));
        self.paths.truncate(2);
        if let [(first, _), (second, _)] = &self.paths[..]
            && second.joint - first.joint > joint_lead
        {
            self.paths.swap(0, 1);
        }
        self.paths
    }
}

/// Log of the sum of the exponentials of `a` and `b`.
fn log_add(a: f32, b: f32) -> f32 {
    let (least, most) = if a < b { (a, b) } else { (b, a) };
    if least == f32::NEG_INFINITY { most } else { most + (least - most).exp().ln_1p() }
}

/// The nearest sentences, even if they fit badly.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// The sentences that were known, then others in the order in which they were found. Each has another meaning.
    pub paths: Vec<Path>,
    /// The limit that ended the search before there were enough sentences, if one did.
    pub gave_up: Option<Limit>,
    /// Calls of the model.
    pub calls: usize,
}

/// Adds sentences with other meanings to `paths`, the nearest first, until there are `most`. There is no limit on their
/// distance.
///
/// # Errors
/// The model's.
pub fn nearest<M: LanguageModel>(
    model: &mut M,
    graph: &TokenGraph,
    ends: &Ends,
    settings: &SearchSettings,
    mut paths: Vec<Path>,
    most: usize,
) -> Result<Nearest, M::Error> {
    let mut search = Search { model, graph, ends, calls: 0, max_calls: settings.max_calls, opened: HashMap::new() };
    let mut gave_up = None;
    let mut open = BinaryHeap::from([Open::root(graph)]);
    while paths.len() < most {
        let Some(next) = open.pop() else { break };
        if next.whole {
            let Some(sentence) = graph.sentence(&next.tokens) else { continue };
            if paths.iter().all(|(known, _)| !same_meaning(&known.sentence, &sentence)) {
                let best = paths.first().map_or(f32::NEG_INFINITY, |(best, _)| best.rank);
                let (mut candidate, tokens) = next.told(sentence);
                candidate.lead = candidate.rank - best;
                paths.push((candidate, tokens));
            }
        } else {
            gave_up = search.limit();
            if gave_up.is_some() {
                break;
            }
            search.open(&next, settings, f32::NEG_INFINITY, &mut open)?;
        }
    }
    Ok(Nearest { paths, gave_up, calls: search.calls })
}

/// Whether two sentences have the same meaning: the same command and the same slots.
fn same_meaning(a: &Sentence, b: &Sentence) -> bool {
    a.command == b.command && a.slots == b.slots
}

/// A path that waits in the heap. The most promising one comes first.
struct Open {
    /// The order in the heap: the rank plus `haste` for each token.
    promise: f32,
    rank: f32,
    joint: f32,
    tokens: Vec<Token>,
    /// Whether it is a complete sentence, including its end.
    whole: bool,
    /// The steps from its parent. The state of this path is the one of its last token.
    siblings: Rc<BTreeMap<Token, State>>,
}

impl Open {
    fn root(graph: &TokenGraph) -> Open {
        // The root has no last token, so its state has a number that no token has.
        let siblings = Rc::new(BTreeMap::from([(ROOT, graph.start())]));
        Open { promise: 0.0, rank: 0.0, joint: 0.0, tokens: Vec::new(), whole: false, siblings }
    }

    /// The same path with its promise computed.
    fn placed(self, settings: &SearchSettings) -> Open {
        Open { promise: self.rank + settings.haste * self.tokens.len() as f32, ..self }
    }

    /// The path as a sentence with its scores.
    fn told(self, sentence: Sentence) -> Path {
        let Open { rank, joint, tokens, .. } = self;
        (Candidate { sentence, rank, joint, tokens: tokens.len() + 1, lead: f32::INFINITY }, tokens)
    }

    fn state(&self) -> &State {
        &self.siblings[self.tokens.last().unwrap_or(&ROOT)]
    }
}

const ROOT: Token = Token::MIN;

impl Ord for Open {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Among equal promises a complete path comes first, then the shorter one, so that the order is total.
        (self.promise.total_cmp(&other.promise))
            .then(self.whole.cmp(&other.whole))
            .then_with(|| other.tokens.cmp(&self.tokens))
    }
}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Open {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Open {}

/// The model's prediction after a prefix of the grammar.
struct Expansion {
    steps: Rc<BTreeMap<Token, State>>,
    /// Log-probability of each step, in the order of `steps`.
    log_probabilities: Vec<f32>,
    /// Log-probability of the end.
    end: f32,
}

struct Search<'a, M> {
    model: &'a mut M,
    graph: &'a TokenGraph,
    ends: &'a Ends,
    calls: usize,
    max_calls: usize,
    /// The predictions for the prefixes of the grammar that the free text has. The search uses them without another
    /// call.
    opened: HashMap<Vec<Token>, Expansion>,
}

impl<M: LanguageModel> Search<'_, M> {
    /// The limit that forbids another call, if one does.
    fn limit(&self) -> Option<Limit> {
        if !self.model.in_time() {
            return Some(Limit::Deadline);
        }
        (self.calls >= self.max_calls).then_some(Limit::Calls)
    }

    /// Writes the greedy text. Returns it, its log-probability up to the end of its first sentence, and the limit that
    /// cut it short, if one did.
    fn write_freely(&mut self, max_text: usize) -> Result<(Vec<Token>, f32, Option<Limit>), M::Error> {
        let mut text = Vec::new();
        let (mut free, mut first_sentence) = (0.0, true);
        let mut state = Some(self.graph.start());
        while text.len() < max_text && !repeats(&mut text, self.ends) {
            if let Some(limit) = self.limit() {
                return Ok((text, free, Some(limit)));
            }
            self.calls += 1;
            let (logits, normalizer) = self.model.next(&text)?;
            let writable = &logits[..=self.ends.text as usize];
            let (token, best) = argmax(writable);
            let end = self.ends.log_probability(logits, normalizer);
            let mut next = None;
            if let Some(state) = &state {
                let expansion = expand(self.graph, state, end, logits, normalizer);
                next = expansion.steps.get(&token).cloned();
                self.opened.insert(text.clone(), expansion);
            }
            if first_sentence {
                // A full stop inside a word, as in "T.V.", does not end the sentence.
                first_sentence = !self.ends.contains(token) || next.is_some();
                free += if first_sentence { or_impossible(best - normalizer) } else { end };
            }
            if token == self.ends.text {
                break;
            }
            text.push(token);
            state = next;
        }
        Ok((text, free, None))
    }

    /// Puts all steps from `from` whose joint log-probability is at least `floor` into the heap.
    fn open(
        &mut self,
        from: &Open,
        settings: &SearchSettings,
        floor: f32,
        heap: &mut BinaryHeap<Open>,
    ) -> Result<(), M::Error> {
        let expansion = match self.opened.remove(&from.tokens) {
            Some(expansion) => expansion,
            None => {
                self.calls += 1;
                let (logits, normalizer) = self.model.next(&from.tokens)?;
                let end = self.ends.log_probability(logits, normalizer);
                expand(self.graph, from.state(), end, logits, normalizer)
            }
        };
        let may_end = self.graph.is_end(from.state());
        let steps: f32 = expansion.log_probabilities.iter().map(|p| p.exp()).sum();
        let mass = steps + if may_end { expansion.end.exp() } else { 0.0 };
        let allowance = settings.lambda * mass.clamp(f32::MIN_POSITIVE, 1.0).ln() - settings.bonus;
        for (token, step) in expansion.steps.keys().zip(&expansion.log_probabilities) {
            if from.joint + step < floor {
                continue;
            }
            let mut tokens = Vec::with_capacity(from.tokens.len() + 1);
            tokens.extend_from_slice(&from.tokens);
            tokens.push(*token);
            let (rank, joint) = (from.rank + step - allowance, from.joint + step);
            let path = Open { promise: 0.0, rank, joint, tokens, whole: false, siblings: expansion.steps.clone() };
            heap.push(path.placed(settings));
        }
        if may_end {
            let (rank, joint) = (from.rank + expansion.end - allowance - settings.bonus, from.joint + expansion.end);
            let (tokens, siblings) = (from.tokens.clone(), from.siblings.clone());
            heap.push(Open { promise: 0.0, rank, joint, tokens, whole: true, siblings }.placed(settings));
        }
        Ok(())
    }
}

/// Whether the last tokens of `text` were in it before. With a short context Whisper may repeat itself up to the limit.
/// If so, removes the repetition and the unfinished sentence that it began in.
fn repeats(text: &mut Vec<Token>, ends: &Ends) -> bool {
    let Some(end) = text.len().checked_sub(REPETITION) else { return false };
    let again = text[..text.len() - 1].windows(REPETITION).any(|earlier| *earlier == text[end..]);
    if again {
        text.truncate(end);
        let whole = text.iter().rposition(|t| ends.contains(*t));
        text.truncate(whole.map_or(end, |last| last + 1));
    }
    again
}

fn expand(graph: &TokenGraph, state: &State, end: f32, logits: &[f32], normalizer: f32) -> Expansion {
    let steps = graph.step(state);
    let log_probabilities = steps.keys().map(|t| or_impossible(logits[*t as usize] - normalizer).min(0.0)).collect();
    Expansion { steps: Rc::new(steps), log_probabilities, end: end.min(0.0) }
}

pub(super) fn argmax(logits: &[f32]) -> (Token, f32) {
    let better = |best: (Token, f32), (i, &x): (usize, &f32)| if x > best.1 { (i as Token, x) } else { best };
    logits.iter().enumerate().fold((0, f32::NEG_INFINITY), better)
}
