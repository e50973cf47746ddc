//! Which sentence of the grammar the sound supports best: a best-first search over the token graph. Pure.
//!
//! First the model writes freely (greedy): its text is the yardstick for rejecting. Then paths of the grammar are opened
//! in the order of their promise: their rank, and a little haste for each token. A step's rank is its log-probability less
//! `lambda` times the log of the mass that the grammar allows there, and a bonus: with a `lambda` of 0 the rank is the joint
//! probability, which favours short sentences; with 1 a masked softmax, by which a path that the sound does not support can
//! win. Without bonus and haste every step is at most 0, a prefix's rank bounds all that follows it, and the first whole
//! sentence that comes up is the best: exact, in some ten calls of the decoder for a clear sentence, whatever the size of the
//! grammar. What each token adds gives that up for fewer truncated sentences and fewer calls in noise: so the search looks a
//! little further, and the best of what comes up is taken.
//! (research: best-first over a prefix trie; measured in docs/deciding.md.)

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::rc::Rc;

use super::settings::SearchSettings;
use super::token_graph::{State, TokenGraph};
use super::tokenizer::Token;
use super::{Candidate, Limit};
use crate::grammar::Sentence;

/// What a model says about the next token after a prefix.
pub trait LanguageModel {
    /// Why it cannot say.
    type Error;

    /// Logits of the next token after the prompt and `prefix`, one a token, and the log of the sum of their exponentials.
    ///
    /// # Errors
    /// When the model fails.
    fn next(&mut self, prefix: &[Token]) -> Result<(&[f32], f32), Self::Error>;

    /// Whether there is time for another call.
    fn in_time(&self) -> bool {
        true
    }
}

/// Nats that are added to the haste when half of the calls are spent and no sentence has come up: better a good one than none.
const HURRY: f32 = 1.0;

/// Tokens that a sentence may have more than the free text.
const MORE_TOKENS: usize = 3;

/// As many tokens in a row as no sentence has twice.
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

    /// Log of the probability that the sentence ends here.
    pub(super) fn log_probability(&self, logits: &[f32], normalizer: f32) -> f32 {
        let p = |t: &Token| (logits[*t as usize] - normalizer).exp();
        or_impossible((p(&self.text) + self.punctuation.iter().map(p).sum::<f32>()).max(f32::MIN_POSITIVE).ln())
    }
}

/// A log-probability; of the impossible, where the model gave no number. `f32::min` would make it certain.
pub(super) fn or_impossible(log_probability: f32) -> f32 {
    if log_probability.is_finite() { log_probability } else { f32::NEG_INFINITY }
}

/// A sentence with its scores, and its tokens without the end.
pub type Path = (Candidate, Vec<Token>);

/// What the search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The free text, up to the end of text or to where it begins to repeat itself.
    pub text: Vec<Token>,
    /// Log-probability of the free text up to its first end of a sentence.
    pub free: f32,
    /// The best sentence and the runner-up, as far as they came up.
    pub(super) paths: Vec<Path>,
    /// What ended the search before a sentence came up, or the deadline, if that passed at all.
    pub gave_up: Option<Limit>,
    /// Calls of the model.
    pub calls: usize,
}

impl Found {
    /// The best sentence within reach.
    pub fn best(&self) -> Option<&Candidate> {
        self.paths.first().map(|(candidate, _)| candidate)
    }

    /// The best one of another command or with other slots.
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
        // Nothing may be judged by half a yardstick.
        return Ok(found);
    }
    let floor = free - settings.reach * (found.text.len() + MORE_TOKENS) as f32;
    let mut settings = settings.clone();
    let mut open = BinaryHeap::from([Open::root(graph)]);
    let (mut whole, mut hurried) = (Whole::default(), false);
    while let Some(next) = open.pop() {
        if !hurried && whole.first.is_none() && search.calls >= settings.max_calls / 2 {
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

/// The whole sentences that came up, the best path of each deed.
#[derive(Default)]
struct Whole {
    paths: Vec<Path>,
    /// Log of the sum of the exponentials of the ranks of all paths of the deed that `paths` has at the same place.
    sums: Vec<f32>,
    /// Where the first stood in the heap, and the calls until then.
    first: Option<(f32, usize)>,
}

impl Whole {
    /// Whether nothing is worth a call that comes after `next`.
    fn suffices(&self, next: &Open, calls: usize, settings: &SearchSettings) -> bool {
        let Some((first, calls_then)) = self.first else { return false };
        first - next.promise > settings.curiosity || calls >= calls_then.saturating_add(settings.patience)
    }

    fn add(&mut self, path: Open, sentence: Sentence, calls: usize) {
        self.first.get_or_insert((path.promise, calls));
        match self.paths.iter().position(|(known, _)| same_deed(&known.sentence, &sentence)) {
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

    /// Gives each deed its lead over all others: a posterior log-odds among what came up.
    fn compare(&mut self) {
        for at in 0..self.paths.len() {
            let others = self.sums.iter().enumerate().filter(|(other, _)| *other != at);
            let others = others.fold(f32::NEG_INFINITY, |sum, (_, rank)| log_add(sum, *rank));
            self.paths[at].0.lead = self.sums[at] - others;
        }
    }

    /// The best and the second, by rank but where the sound itself says clearly otherwise.
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

/// Log of the sum of the exponentials of two.
fn log_add(a: f32, b: f32) -> f32 {
    let (least, most) = if a < b { (a, b) } else { (b, a) };
    if least == f32::NEG_INFINITY { most } else { most + (least - most).exp().ln_1p() }
}

/// The nearest sentences, whatever they are worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// Those that were known, then others in the order in which they came up. No two would do the same.
    pub paths: Vec<Path>,
    /// What ended the search before there were enough, if anything did.
    pub gave_up: Option<Limit>,
    /// Calls of the model.
    pub calls: usize,
}

/// Adds to `paths`, which are known already, the first that come up of other deeds until there are `most`, however far they
/// lie.
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
            if paths.iter().all(|(known, _)| !same_deed(&known.sentence, &sentence)) {
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

/// Whether two sentences would do the same.
fn same_deed(a: &Sentence, b: &Sentence) -> bool {
    a.command == b.command && a.slots == b.slots
}

/// A path that waits in the heap: the most promising comes first.
struct Open {
    /// What the heap is ordered by: the rank, and `haste` for each token.
    promise: f32,
    rank: f32,
    joint: f32,
    tokens: Vec<Token>,
    /// Whether it is a whole sentence, its end included.
    whole: bool,
    /// The steps from its parent; its own state is under its last token.
    siblings: Rc<BTreeMap<Token, State>>,
}

impl Open {
    fn root(graph: &TokenGraph) -> Open {
        // The root has no token before it; it goes under a number that no token has.
        let siblings = Rc::new(BTreeMap::from([(ROOT, graph.start())]));
        Open { promise: 0.0, rank: 0.0, joint: 0.0, tokens: Vec::new(), whole: false, siblings }
    }

    /// The same, with its place in the heap.
    fn placed(self, settings: &SearchSettings) -> Open {
        Open { promise: self.rank + settings.haste * self.tokens.len() as f32, ..self }
    }

    /// As the sentence that it says.
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
        // Of two with one promise the whole one first, then the shorter, so that the order is total.
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

/// What the model says after a prefix of the grammar.
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
    /// Prefixes of the grammar that the free text went through: the search need not ask for them again.
    opened: HashMap<Vec<Token>, Expansion>,
}

impl<M: LanguageModel> Search<'_, M> {
    /// What forbids another call.
    fn limit(&self) -> Option<Limit> {
        if !self.model.in_time() {
            return Some(Limit::Deadline);
        }
        (self.calls >= self.max_calls).then_some(Limit::Calls)
    }

    /// The greedy text, its log-probability up to the first end of a sentence, and what cut it short.
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

/// Whether the last tokens of `text` stand in it already: at a short context Whisper may repeat itself to the limit. Takes the
/// repetition off, and the sentence that it began in.
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
