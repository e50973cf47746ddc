//! The search against brute force: every path of a small grammar, scored, under a model made of dice.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use hearken::grammar::template::parse;
use hearken::grammar::{Grammar, List, Sentence, SlotValue};
use hearken::recognize::search::{Ends, Found, LanguageModel, nearest, search};
use hearken::recognize::settings::SearchSettings;
use hearken::recognize::token_graph::{State, TokenGraph};
use hearken::recognize::tokenizer::{Token, Tokenizer};
use hearken::recognize::trace::{Hypothesis, NBest, n_best};
use hearken::recognize::{Candidate, Limit};

/// A model whose word on a prefix depends on nothing but the prefix and a seed: a few tokens likely, the rest not.
struct Dice {
    seed: u64,
    tokens: usize,
    logits: Vec<f32>,
    calls: usize,
}

impl Dice {
    fn new(seed: u64, ends: &Ends) -> Dice {
        Dice { seed, tokens: ends.text as usize + 1, logits: Vec::new(), calls: 0 }
    }
}

impl LanguageModel for Dice {
    type Error = Infallible;

    fn next(&mut self, prefix: &[Token]) -> Result<(&[f32], f32), Infallible> {
        self.calls += 1;
        let mut state =
            prefix.iter().fold(self.seed, |s, t| (s ^ *t as u64).wrapping_mul(0x0100_0000_01B3).rotate_left(23));
        let mut roll = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        self.logits = (0..self.tokens).map(|_| 8.0 * roll() * roll()).collect();
        let sum: f32 = self.logits.iter().map(|l| l.exp()).sum();
        Ok((&self.logits, sum.ln()))
    }
}

/// A vocabulary of single letters, a few pairs, and signs; the end of text comes last.
fn tokenizer() -> (Tokenizer, Ends) {
    let mut vocabulary: Vec<Vec<u8>> = (b'a'..=b'z').chain(b'A'..=b'Z').chain(b'0'..=b'9').map(|b| vec![b]).collect();
    vocabulary
        .extend([" ", "-", ",", ".", "?", "!", "%", "'", " a", " b", "on", " on", "ab"].map(|t| t.as_bytes().to_vec()));
    let end = vocabulary.len() as Token;
    let tokenizer = Tokenizer::new(vocabulary);
    let punctuation = [".", "?", "!"].map(|p| tokenizer.encode(p).unwrap()[0]).to_vec();
    (tokenizer, Ends { text: end, punctuation })
}

fn grammar(commands: &[&str]) -> Arc<Grammar> {
    let text = |s: &str| (parse(s).unwrap(), SlotValue::Text(s.into()));
    let lists = BTreeMap::from([
        ("state".to_string(), List::Values(vec![text("on"), text("of")])),
        ("n".to_string(), List::Range { from: 1, to: 3, step: 1 }),
    ]);
    let rules = BTreeMap::from([("a".to_string(), parse("(a|ab)").unwrap())]);
    Arc::new(Grammar::of_commands(commands, &lists, &rules).unwrap())
}

const GRAMMARS: [&[&str]; 5] = [
    &["a", "b"],
    &["a b", "a", "b a"],
    &["<a> {state}", "{state} <a>"],
    &["[a] {n}", "b [b]"],
    &["a", "a {state}", "(b|ab) {state}"],
];

/// Does `test` with each of these grammars and dice of so many seeds, and tells it where it is.
fn each(seeds: u64, factor: u64, mut test: impl FnMut(&TokenGraph, &Ends, &mut Dice, &str)) {
    let (tokenizer, ends) = tokenizer();
    for templates in GRAMMARS {
        let graph = TokenGraph::new(grammar(templates), &tokenizer);
        for seed in 0..seeds {
            test(&graph, &ends, &mut Dice::new(seed * factor + 1, &ends), &format!("{templates:?}, seed {seed}"));
        }
    }
}

/// By these the search is exact, and ends when all is found.
fn exact(lambda: f32) -> SearchSettings {
    SearchSettings {
        lambda,
        reach: 1e9,
        bonus: 0.0,
        haste: 0.0,
        curiosity: 1e9,
        patience: usize::MAX,
        joint_lead: f32::INFINITY,
        calls: usize::MAX,
        calls_a_token: 0,
        max_calls: usize::MAX,
    }
}

/// The same, but the search ends with the first sentence.
fn until_the_first(settings: SearchSettings) -> SearchSettings {
    SearchSettings { patience: 0, ..settings }
}

fn same_meaning(a: &Sentence, b: &Sentence) -> bool {
    (a.command, &a.slots) == (b.command, &b.slots)
}

struct Whole {
    rank: f32,
    joint: f32,
    sentence: Sentence,
}

/// Every path of the grammar with its scores, the best rank first.
fn everything(dice: &mut Dice, graph: &TokenGraph, ends: &Ends, lambda: f32) -> Vec<Whole> {
    let mut out = Vec::new();
    walk(dice, graph, ends, lambda, &graph.start(), &mut Vec::new(), (0.0, 0.0), &mut out);
    out.sort_by(|a, b| b.rank.total_cmp(&a.rank));
    out
}

#[allow(clippy::too_many_arguments)]
fn walk(
    dice: &mut Dice,
    graph: &TokenGraph,
    ends: &Ends,
    lambda: f32,
    state: &State,
    path: &mut Vec<Token>,
    (rank, joint): (f32, f32),
    out: &mut Vec<Whole>,
) {
    let (logits, normalizer) = dice.next(path).unwrap();
    let p: Vec<f32> = logits.iter().map(|l| l - normalizer).collect();
    let end: f32 = ends.punctuation.iter().chain([&ends.text]).map(|t| p[*t as usize].exp()).sum();
    let steps = graph.step(state);
    let last = graph.is_end(state);
    let mass: f32 = steps.keys().map(|t| p[*t as usize].exp()).sum::<f32>() + if last { end } else { 0.0 };
    let allowance = lambda * mass.ln();
    if last {
        let sentence = graph.sentence(path).unwrap();
        out.push(Whole { rank: rank + end.ln() - allowance, joint: joint + end.ln(), sentence });
    }
    for (token, next) in &steps {
        path.push(*token);
        let step = p[*token as usize];
        walk(dice, graph, ends, lambda, next, path, (rank + step - allowance, joint + step), out);
        path.pop();
    }
}

#[test]
fn the_search_finds_what_listing_every_path_finds() {
    let mut rejected = 0;
    each(40, 7919, |graph, ends, dice, place| {
        for lambda in [0.0, 0.5, 0.8, 1.0] {
            dice.calls = 0;
            let all = everything(dice, graph, ends, lambda);
            let listed = dice.calls;
            dice.calls = 0;
            let found = search(dice, graph, ends, &exact(lambda), 12).unwrap();
            assert!(dice.calls <= listed + 12, "{place}: {} calls for {listed} prefixes", dice.calls);
            let best = found.best().unwrap();
            assert!((best.rank - all[0].rank).abs() < 1e-3, "{place} {lambda}: {best:?}");
            assert_eq!(best.sentence, all[0].sentence, "{place} {lambda}");
            assert!((best.joint - all[0].joint).abs() < 1e-3, "{place} {lambda}");
            let other = all.iter().find(|w| !same_meaning(&w.sentence, &best.sentence)).unwrap();
            let runner_up = found.runner_up().unwrap();
            assert!((runner_up.rank - other.rank).abs() < 1e-3, "{place} {lambda}: {runner_up:?}");

            let near = SearchSettings { reach: 0.5, ..exact(lambda) };
            let within = search(dice, graph, ends, &near, 12).unwrap();
            let expected = all.iter().find(|w| w.joint >= within.free - 0.5 * (within.text.len() + 3) as f32);
            let expected = expected.map(|w| w.sentence.clone());
            rejected += usize::from(expected.is_none());
            assert_eq!(within.best().map(|b| b.sentence.clone()), expected, "{place} {lambda}");
        }
    });
    assert!(rejected > 0, "some seeds should leave nothing within reach");
}

#[test]
fn the_limit_of_calls_is_kept_and_said() {
    let (tokenizer, ends) = tokenizer();
    let graph = TokenGraph::new(grammar(&["(a|b) (a|b) (a|b) (a|b) {n} {state}"]), &tokenizer);
    let mut dice = Dice::new(5, &ends);
    let settings = SearchSettings { max_calls: 20, ..exact(0.0) };
    let found = search(&mut dice, &graph, &ends, &settings, 5).unwrap();
    assert_eq!(found.gave_up, Some(Limit::Calls));
    assert_eq!((found.calls, dice.calls), (20, 20));
}

/// A model that spells out `text` with little doubt.
struct Parrot {
    text: Vec<Token>,
    logits: Vec<f32>,
}

impl LanguageModel for Parrot {
    type Error = Infallible;

    fn next(&mut self, prefix: &[Token]) -> Result<(&[f32], f32), Infallible> {
        self.logits.fill(0.0);
        let end = self.logits.len() - 1;
        let next = self.text.get(prefix.len()).map_or(end, |t| *t as usize);
        self.logits[next] = 12.0;
        let sum: f32 = self.logits.iter().map(|l| l.exp()).sum();
        Ok((&self.logits, sum.ln()))
    }
}

#[test]
fn a_clear_sentence_takes_no_call_beyond_the_free_text_whatever_the_grammar() {
    let (tokenizer, ends) = tokenizer();
    let text = tokenizer.encode(" ab ab on 2 b.").unwrap();
    for templates in [&["ab ab {state} {n} b"][..], &["(a|b|ab) (a|b|ab) {state} {n} (a|b|[on] b)", "[a] [b] [ab] {n}"]]
    {
        let graph = TokenGraph::new(grammar(templates), &tokenizer);
        let mut parrot = Parrot { text: text.clone(), logits: vec![0.0; ends.text as usize + 1] };
        let found = search(&mut parrot, &graph, &ends, &SearchSettings::default(), 30).unwrap();
        assert_eq!(found.best().unwrap().sentence.words, "ab ab on 2 b");
        assert_eq!(found.calls, text.len() + 1, "{templates:?}");
    }
}

#[test]
fn a_model_that_repeats_itself_is_cut_short() {
    let (tokenizer, ends) = tokenizer();
    let once = tokenizer.encode(" ab on b.").unwrap();
    let mut parrot = Parrot { text: once.repeat(20), logits: vec![0.0; ends.text as usize + 1] };
    let graph = TokenGraph::new(grammar(&["ab on b"]), &tokenizer);
    let found = search(&mut parrot, &graph, &ends, &SearchSettings::default(), 200).unwrap();
    assert_eq!(tokenizer.decode(&found.text), " ab on b.");
    assert_eq!(found.best().unwrap().sentence.words, "ab on b");
}

/// A model that runs out of time after so many calls.
struct Hurried<M> {
    model: M,
    calls_left: usize,
}

impl<M: LanguageModel> LanguageModel for Hurried<M> {
    type Error = M::Error;

    fn next(&mut self, prefix: &[Token]) -> Result<(&[f32], f32), M::Error> {
        assert!(self.calls_left > 0, "a call past the deadline");
        self.calls_left -= 1;
        self.model.next(prefix)
    }

    fn in_time(&self) -> bool {
        self.calls_left > 0
    }
}

#[test]
fn wherever_the_deadline_falls_it_is_said_and_no_call_is_made_after_it() {
    let (tokenizer, ends) = tokenizer();
    let text = tokenizer.encode(" ab on b. on ab").unwrap();
    let graph = TokenGraph::new(grammar(&["ab on b", "(a|b|ab) {state} [b]"]), &tokenizer);
    let parrot = || Parrot { text: text.clone(), logits: vec![0.0; ends.text as usize + 1] };
    let settings =
        SearchSettings { curiosity: 1e9, patience: usize::MAX, calls: usize::MAX, ..SearchSettings::default() };
    let needed = search(&mut parrot(), &graph, &ends, &settings, 30).unwrap().calls;
    assert!(needed > text.len());
    for calls_left in 0..needed + 3 {
        let mut hurried = Hurried { model: parrot(), calls_left };
        let found = search(&mut hurried, &graph, &ends, &settings, 30).unwrap();
        let expected = (calls_left <= needed).then_some(Limit::Deadline);
        assert_eq!((found.gave_up, found.calls), (expected, needed.min(calls_left)), "{calls_left} of {needed}");
    }
}

#[test]
fn what_is_not_looked_for_any_more_is_further_behind_than_it_must_be() {
    let mut without = 0;
    each(60, 104_729, |graph, ends, dice, place| {
        let all = everything(dice, graph, ends, 0.8);
        let settings = SearchSettings { curiosity: 1.0, ..exact(0.8) };
        let found = search(dice, graph, ends, &settings, 12).unwrap();
        let best = found.best().unwrap();
        assert_eq!((&best.sentence, found.gave_up), (&all[0].sentence, None), "{place}");
        if found.runner_up().is_none() {
            without += 1;
            let rival = |w: &&Whole| !same_meaning(&w.sentence, &best.sentence) && w.rank >= best.rank - 1.0;
            let near = all.iter().find(rival);
            assert!(near.is_none(), "{place}: {:?}", near.map(|w| (&w.sentence, w.rank)));
        }
    });
    assert!(without > 10, "{without} searches ended without a runner-up");
}

#[test]
fn with_a_bonus_the_best_of_the_two_that_come_up_has_the_better_rank_or_clearly_the_better_sound() {
    let mut both = 0;
    let settings = SearchSettings {
        bonus: 1.0,
        reach: 1e9,
        curiosity: 1e9,
        joint_lead: 2.0,
        calls: usize::MAX,
        ..SearchSettings::default()
    };
    each(200, 15_485_863, |graph, ends, dice, place| {
        let found = search(dice, graph, ends, &settings, 12).unwrap();
        let (Some(best), Some(other)) = (found.best(), found.runner_up()) else { return };
        both += 1;
        let lead = best.joint - other.joint;
        assert!(lead > 2.0 || (lead >= -2.0 && best.rank >= other.rank), "{place}: {best:?}, {other:?}");
    });
    assert!(both > 100, "{both} searches found two");
}

#[test]
fn the_nearest_sentences_are_the_best_of_each_deed_in_the_order_of_their_ranks_and_none_of_a_known_deed() {
    each(40, 7919, |graph, ends, dice, place| {
        let mut meanings: Vec<Whole> = Vec::new();
        for whole in everything(dice, graph, ends, 0.8) {
            if !meanings.iter().any(|w| same_meaning(&w.sentence, &whole.sentence)) {
                meanings.push(whole);
            }
        }
        let mut all = Vec::new();
        for most in [1, 3, usize::MAX] {
            let found = nearest(dice, graph, ends, &exact(0.8), vec![], most).unwrap();
            let ranks: Vec<_> = found.paths.iter().map(|(c, _)| c.rank).collect();
            let expected: Vec<_> = meanings.iter().take(most).map(|w| w.rank).collect();
            assert_eq!(ranks.len(), expected.len(), "{place}");
            let alike = ranks.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-3);
            assert!(alike, "{place}: {ranks:?}, not {expected:?}");
            for (candidate, tokens) in &found.paths {
                assert_eq!(graph.sentence(tokens).as_ref(), Some(&candidate.sentence), "{place}");
            }
            assert_eq!(found.gave_up, None);
            all = found.paths;
        }
        let mut last_first = all.clone();
        last_first.rotate_right(1);
        let known = last_first[..1].to_vec();
        let found = nearest(dice, graph, ends, &exact(0.8), known.clone(), usize::MAX).unwrap();
        // What has a rival has another lead: the first of them is another.
        let but_lead = |paths: &[(Candidate, Vec<Token>)]| -> Vec<_> {
            let but = |(candidate, tokens): &(_, Vec<_>)| {
                (Candidate { lead: 0.0, ..Candidate::clone(candidate) }, tokens.clone())
            };
            paths.iter().map(but).collect()
        };
        assert_eq!(but_lead(&found.paths), but_lead(&last_first), "{place}");
        let (first, others) = found.paths.split_first().unwrap();
        assert!(others.iter().all(|(other, _)| other.lead == other.rank - first.0.rank), "{place}: {others:?}");
        dice.calls = 0;
        assert_eq!(nearest(dice, graph, ends, &exact(0.8), known, 1).unwrap().calls, 0, "there are enough");
        let settings = SearchSettings { max_calls: 1, ..exact(0.8) };
        let few = nearest(dice, graph, ends, &settings, vec![], 99).unwrap();
        assert_eq!((few.gave_up, few.calls, dice.calls), (Some(Limit::Calls), 1, 1), "{place}");
    });
}

/// Many paths, most of them with the same meaning.
fn wide(tokenizer: &Tokenizer) -> TokenGraph {
    TokenGraph::new(grammar(&["(a|b|ab) (a|b|ab) (a|b|ab) (a|b|ab) (a|b|ab) {n} {state}"]), tokenizer)
}

/// By these it takes long until a sentence comes up.
fn slow(max_calls: usize) -> SearchSettings {
    SearchSettings { max_calls, ..exact(1.0) }
}

#[test]
fn when_half_of_the_calls_are_spent_sentences_are_found_that_would_take_more_than_all() {
    let (tokenizer, ends) = tokenizer();
    let graph = wide(&tokenizer);
    let (mut late, mut found) = (0, 0);
    for seed in 0..120 {
        let first = |max_calls| {
            let settings = until_the_first(slow(max_calls));
            search(&mut Dice::new(seed * 7919 + 3, &ends), &graph, &ends, &settings, 1).unwrap()
        };
        let at_leisure = first(100_000);
        assert!(at_leisure.best().is_some() && at_leisure.calls < 50_000, "seed {seed}: {} calls", at_leisure.calls);
        if at_leisure.calls > 80 {
            late += 1;
            found += usize::from(first(80).best().is_some());
        }
    }
    assert!(late >= 40, "{late} seeds take more than 80 calls");
    assert_eq!(found, late, "found in 80 calls");
}

#[test]
fn a_longer_text_has_more_calls_but_never_more_than_the_most() {
    let settings = SearchSettings { calls: 30, calls_a_token: 2, max_calls: 50, ..SearchSettings::default() };
    assert_eq!([0, 5, 10, 11, usize::MAX].map(|tokens| settings.most_calls(tokens)), [30, 40, 50, 50, 50]);
    let (tokenizer, ends) = tokenizer();
    let graph = wide(&tokenizer);
    let mut gave_up = 0;
    for seed in 0..120 {
        let few = SearchSettings { calls: 4, calls_a_token: 1, ..slow(1000) };
        let found = search(&mut Dice::new(seed * 7919 + 3, &ends), &graph, &ends, &few, 12).unwrap();
        assert!(found.calls <= few.most_calls(found.text.len()).max(found.text.len() + 1), "seed {seed}: {found:?}");
        gave_up += usize::from(found.gave_up == Some(Limit::Calls));
    }
    assert!(gave_up > 10, "{gave_up} searches gave up");
}

#[test]
fn after_the_first_sentence_the_search_makes_as_many_calls_more_as_its_patience_allows() {
    let (tokenizer, ends) = tokenizer();
    let graph = wide(&tokenizer);
    let mut all = 0;
    for seed in 0..120 {
        let calls = |settings: SearchSettings| {
            let found = search(&mut Dice::new(seed * 7919 + 3, &ends), &graph, &ends, &settings, 12).unwrap();
            found.best().map(|_| found.calls)
        };
        let settings = SearchSettings { calls: usize::MAX, ..SearchSettings::default() };
        let Some(first) = calls(until_the_first(settings.clone())) else { continue };
        let more = calls(settings).unwrap() - first;
        assert!(more <= 16, "seed {seed}: {more} calls more");
        all += usize::from(more == 16);
    }
    assert!(all >= 20, "{all} searches used all their patience");
}

/// Whether the n-best list of `found` is that of the decision: its sentence first with its scores, then others by their rank; each
/// as probable as its tokens together.
fn is_of(list: &NBest<Token>, found: &Found, graph: &TokenGraph) {
    let best = found.best().unwrap();
    assert_eq!(&list.hypotheses[0].candidate, best);
    let ranks: Vec<f32> = list.hypotheses[1..].iter().map(|h| h.candidate.rank).collect();
    assert!(ranks.is_sorted_by(|a, b| a >= b), "{ranks:?}");
    if let Some(second) = found.runner_up() {
        assert!(list.hypotheses.iter().any(|h| &h.candidate == second), "{second:?}");
    }
    for (i, Hypothesis { candidate, tokens: scores }) in list.hypotheses.iter().enumerate() {
        let means_the_same = |h: &Hypothesis<Token>| same_meaning(&h.candidate.sentence, &candidate.sentence);
        assert!(!list.hypotheses[..i].iter().any(means_the_same));
        let Some((_, tokens)) = scores.split_last() else { continue };
        let tokens: Vec<Token> = tokens.iter().map(|score| score.token).collect();
        assert_eq!(graph.sentence(&tokens).as_ref(), Some(&candidate.sentence));
        let sum: f32 = scores.iter().map(|score| score.log_probability).sum();
        assert!((sum - candidate.joint).abs() < 1e-3, "{sum}: {candidate:?}");
    }
}

#[test]
fn an_n_best_list_begins_with_the_decisions_own_sentence_however_it_was_found_and_whenever_time_runs_out() {
    let (tokenizer, ends) = tokenizer();
    let graph = wide(&tokenizer);
    let (mut elsewhere, mut overtaken) = (0, 0);
    for seed in 0..40 {
        // Found with haste, some with hurry, and some against their rank.
        let settings = SearchSettings { haste: 1.0, joint_lead: 1.0, patience: 16, ..slow(60) };
        let model = |calls_left| Hurried { model: Dice::new(seed * 7919 + 3, &ends), calls_left };
        let found = search(&mut model(60), &graph, &ends, &settings, 1).unwrap();
        let Some(best) = found.best() else { continue };
        let settings = SearchSettings { max_calls: 300, ..settings };
        let at_once = |calls_left| n_best(&mut model(calls_left), &graph, &ends, &settings, &found, 5).unwrap();
        let list = at_once(usize::MAX);
        is_of(&list, &found, &graph);
        assert_eq!((list.hypotheses.len(), list.gave_up), (5, None), "seed {seed}");
        assert!(list.hypotheses.iter().all(|h| !h.tokens.is_empty()), "seed {seed}");
        for calls_left in 0..list.calls {
            let cut = at_once(calls_left);
            is_of(&cut, &found, &graph);
            assert_eq!(cut.calls, calls_left, "seed {seed}");
            assert_eq!(
                !cut.hypotheses[0].tokens.is_empty(),
                calls_left >= best.tokens,
                "seed {seed}, {calls_left} calls"
            );
        }
        let without = nearest(&mut model(usize::MAX), &graph, &ends, &settings, vec![], 5).unwrap();
        elsewhere += usize::from(without.paths.iter().all(|(c, _)| c != best));
        overtaken += usize::from(list.hypotheses[1..].iter().any(|h| h.candidate.rank > best.rank));
    }
    assert!(elsewhere >= 5 && overtaken >= 5, "{elsewhere} not come to otherwise, {overtaken} not the best in rank");
}

/// A parrot that says of one token no number.
struct Broken {
    parrot: Parrot,
    token: Token,
    logit: f32,
}

impl LanguageModel for Broken {
    type Error = Infallible;

    fn next(&mut self, prefix: &[Token]) -> Result<(&[f32], f32), Infallible> {
        let (_, normalizer) = self.parrot.next(prefix)?;
        self.parrot.logits[self.token as usize] = self.logit;
        Ok((&self.parrot.logits, normalizer))
    }
}

#[test]
fn a_token_of_which_the_model_gives_no_number_is_impossible_not_certain() {
    let (tokenizer, ends) = tokenizer();
    let graph = TokenGraph::new(grammar(&["on a", "on b"]), &tokenizer);
    let [a, b] = [" a", " b"].map(|t| tokenizer.encode(t).unwrap()[0]);
    let text = tokenizer.encode(" on a").unwrap();
    let settings = SearchSettings { reach: 1e9, calls: usize::MAX, ..SearchSettings::default() };
    for logit in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (token, other) in [(a, "on b"), (b, "on a")] {
            let parrot = Parrot { text: text.clone(), logits: vec![0.0; ends.text as usize + 1] };
            let found = search(&mut Broken { parrot, token, logit }, &graph, &ends, &settings, 12).unwrap();
            assert_eq!(found.best().unwrap().sentence.words, other, "{logit}");
            assert!(!found.free.is_nan(), "{logit}");
        }
    }
}
