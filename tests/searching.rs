//! The search against brute force: every path of a small grammar, scored, under a model made of dice.

use std::collections::BTreeMap;
use std::convert::Infallible;

use hearken::grammar::graph::Builder;
use hearken::grammar::template::parse;
use hearken::grammar::{Grammar, List, Sentence, SlotValue};
use hearken::recognize::Limit;
use hearken::recognize::search::{Ends, LanguageModel, SearchSettings, nearest, search};
use hearken::recognize::token_graph::{State, TokenGraph};
use hearken::recognize::tokenizer::{Token, Tokenizer};

/// A model whose word on a prefix depends on nothing but the prefix and a seed: a few tokens likely, the rest not.
struct Dice {
    seed: u64,
    tokens: usize,
    logits: Vec<f32>,
    calls: usize,
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

fn grammar(commands: &[&str]) -> Grammar {
    let text = |s: &str| (parse(s).unwrap(), SlotValue::Text(s.into()));
    let lists = BTreeMap::from([
        ("state".to_string(), List::Values(vec![text("on"), text("of")])),
        ("n".to_string(), List::Range { from: 1, to: 3, step: 1 }),
    ]);
    let rules = BTreeMap::from([("a".to_string(), parse("(a|ab)").unwrap())]);
    let mut builder = Builder::new(&lists, &rules);
    for (i, template) in commands.iter().enumerate() {
        builder.add(i as u32, &parse(template).unwrap()).unwrap();
    }
    builder.finish()
}

const GRAMMARS: [&[&str]; 5] = [
    &["a", "b"],
    &["a b", "a", "b a"],
    &["<a> {state}", "{state} <a>"],
    &["[a] {n}", "b [b]"],
    &["a", "a {state}", "(b|ab) {state}"],
];

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
    let (tokenizer, ends) = tokenizer();
    let mut rejected = 0;
    for templates in GRAMMARS {
        let graph = TokenGraph::new(grammar(templates), &tokenizer);
        for seed in 0..40 {
            for lambda in [0.0, 0.5, 0.8, 1.0] {
                let tokens = ends.text as usize + 1;
                let mut dice = Dice { seed: seed * 7919 + 1, tokens, logits: vec![], calls: 0 };
                let all = everything(&mut dice, &graph, &ends, lambda);
                let listed = dice.calls;
                dice.calls = 0;
                let settings = SearchSettings {
                    lambda,
                    reach: 1e9,
                    bonus: 0.0,
                    haste: 0.0,
                    curiosity: 1e9,
                    patience: usize::MAX,
                    joint_lead: f32::INFINITY,
                    max_calls: usize::MAX,
                };
                let found = search(&mut dice, &graph, &ends, &settings, 12).unwrap();
                assert!(dice.calls <= listed + 12, "{templates:?}: {} calls for {listed} prefixes", dice.calls);
                let best = found.best.unwrap();
                assert!((best.rank - all[0].rank).abs() < 1e-3, "{templates:?} {seed} {lambda}: {best:?}");
                assert_eq!(best.sentence, all[0].sentence, "{templates:?} {seed} {lambda}");
                assert!((best.joint - all[0].joint).abs() < 1e-3, "{templates:?} {seed} {lambda}");
                let other = all
                    .iter()
                    .find(|w| w.sentence.command != best.sentence.command || w.sentence.slots != best.sentence.slots);
                let runner_up = found.runner_up.unwrap();
                assert!(
                    (runner_up.rank - other.unwrap().rank).abs() < 1e-3,
                    "{templates:?} {seed} {lambda}: {runner_up:?}"
                );

                let near = SearchSettings { reach: 0.5, ..settings };
                let within = search(&mut dice, &graph, &ends, &near, 12).unwrap();
                let expected = all.iter().find(|w| w.joint >= within.free - 0.5 * (within.text.len() + 3) as f32);
                assert_eq!(
                    within.best.map(|b| b.sentence),
                    expected.map(|w| w.sentence.clone()),
                    "{templates:?} {seed} {lambda}"
                );
                rejected += usize::from(expected.is_none());
            }
        }
    }
    assert!(rejected > 0, "some seeds should leave nothing within reach");
}

#[test]
fn the_limit_of_calls_is_kept_and_said() {
    let (tokenizer, ends) = tokenizer();
    let graph = TokenGraph::new(grammar(&["(a|b) (a|b) (a|b) (a|b) {n} {state}"]), &tokenizer);
    let mut dice = Dice { seed: 5, tokens: ends.text as usize + 1, logits: vec![], calls: 0 };
    let settings = SearchSettings {
        max_calls: 20,
        reach: 1e9,
        bonus: 0.0,
        haste: 0.0,
        curiosity: 1e9,
        patience: usize::MAX,
        joint_lead: f32::INFINITY,
        lambda: 0.0,
    };
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
        assert_eq!(found.best.unwrap().sentence.words, "ab ab on 2 b");
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
    assert_eq!(found.best.unwrap().sentence.words, "ab on b");
}

/// A parrot that runs out of time after so many calls.
struct Hurried {
    parrot: Parrot,
    calls_left: usize,
}

impl LanguageModel for Hurried {
    type Error = Infallible;

    fn next(&mut self, prefix: &[Token]) -> Result<(&[f32], f32), Infallible> {
        assert!(self.calls_left > 0, "a call past the deadline");
        self.calls_left -= 1;
        self.parrot.next(prefix)
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
    let settings = SearchSettings { curiosity: 1e9, patience: usize::MAX, ..SearchSettings::default() };
    let needed = search(&mut parrot(), &graph, &ends, &settings, 30).unwrap().calls;
    assert!(needed > text.len());
    for calls_left in 0..needed + 3 {
        let mut hurried = Hurried { parrot: parrot(), calls_left };
        let found = search(&mut hurried, &graph, &ends, &settings, 30).unwrap();
        let expected = (calls_left <= needed).then_some(Limit::Deadline);
        assert_eq!((found.gave_up, found.calls), (expected, needed.min(calls_left)), "{calls_left} of {needed}");
    }
}

#[test]
fn what_is_not_looked_for_any_more_is_further_behind_than_it_must_be() {
    let (tokenizer, ends) = tokenizer();
    let mut without = 0;
    for templates in GRAMMARS {
        let graph = TokenGraph::new(grammar(templates), &tokenizer);
        for seed in 0..60 {
            let mut dice = Dice { seed: seed * 104_729 + 1, tokens: ends.text as usize + 1, logits: vec![], calls: 0 };
            let all = everything(&mut dice, &graph, &ends, 0.8);
            let settings = SearchSettings {
                bonus: 0.0,
                haste: 0.0,
                lambda: 0.8,
                reach: 1e9,
                patience: usize::MAX,
                joint_lead: f32::INFINITY,
                max_calls: usize::MAX,
                ..SearchSettings::default()
            };
            let found = search(&mut dice, &graph, &ends, &settings, 12).unwrap();
            let best = found.best.unwrap();
            assert_eq!((best.sentence.clone(), found.gave_up), (all[0].sentence.clone(), None));
            if found.runner_up.is_none() {
                without += 1;
                let near = all.iter().find(|w| {
                    (w.sentence.command, &w.sentence.slots) != (best.sentence.command, &best.sentence.slots)
                        && w.rank >= best.rank - settings.curiosity
                });
                assert!(near.is_none(), "{templates:?} {seed}: {:?}", near.map(|w| (&w.sentence, w.rank)));
            }
        }
    }
    assert!(without > 10, "{without} searches ended without a runner-up");
}

#[test]
fn with_a_bonus_the_best_of_the_two_that_come_up_has_the_better_rank_or_clearly_the_better_sound() {
    let (tokenizer, ends) = tokenizer();
    let mut both = 0;
    for templates in GRAMMARS {
        let graph = TokenGraph::new(grammar(templates), &tokenizer);
        for seed in 0..200 {
            let mut dice =
                Dice { seed: seed * 15_485_863 + 1, tokens: ends.text as usize + 1, logits: vec![], calls: 0 };
            let settings =
                SearchSettings { bonus: 1.0, reach: 1e9, curiosity: 1e9, joint_lead: 2.0, ..SearchSettings::default() };
            let found = search(&mut dice, &graph, &ends, &settings, 12).unwrap();
            let (Some(best), Some(other)) = (found.best, found.runner_up) else { continue };
            both += 1;
            let lead = best.joint - other.joint;
            assert!(
                lead > 2.0 || (lead >= -2.0 && best.rank >= other.rank),
                "{templates:?} {seed}: {best:?}, {other:?}"
            );
        }
    }
    assert!(both > 100, "{both} searches found two");
}

#[test]
fn the_nearest_sentences_are_the_best_of_each_deed_in_the_order_of_their_ranks() {
    let (tokenizer, ends) = tokenizer();
    let mut overtaken = 0;
    for templates in GRAMMARS {
        let graph = TokenGraph::new(grammar(templates), &tokenizer);
        for seed in 0..40 {
            let mut dice = Dice { seed: seed * 7919 + 1, tokens: ends.text as usize + 1, logits: vec![], calls: 0 };
            let mut deeds: Vec<Whole> = Vec::new();
            for whole in everything(&mut dice, &graph, &ends, 0.8) {
                let same = |w: &Whole| {
                    (w.sentence.command, &w.sentence.slots) == (whole.sentence.command, &whole.sentence.slots)
                };
                if !deeds.iter().any(same) {
                    deeds.push(whole);
                }
            }
            let settings = SearchSettings {
                lambda: 0.8,
                bonus: 0.0,
                haste: 0.0,
                max_calls: usize::MAX,
                ..SearchSettings::default()
            };
            for most in [1, 3, usize::MAX] {
                let found = nearest(&mut dice, &graph, &ends, &settings, (0.0, 0), most).unwrap();
                let ranks: Vec<_> = found.sentences.iter().map(|(c, _)| c.rank).collect();
                let expected: Vec<_> = deeds.iter().take(most).map(|w| w.rank).collect();
                assert_eq!(ranks.len(), expected.len(), "{templates:?} {seed}");
                let alike = ranks.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-3);
                assert!(alike, "{templates:?} {seed}: {ranks:?}, not {expected:?}");
                for (candidate, tokens) in &found.sentences {
                    assert_eq!(graph.sentence(tokens).as_ref(), Some(&candidate.sentence), "{templates:?} {seed}");
                }
                assert_eq!(found.gave_up, None);
            }
            // The deed of the best path within reach comes before those of better ranks beyond it.
            let all = everything(&mut dice, &graph, &ends, 0.8);
            let floor = all.iter().map(|w| w.joint).fold(f32::MIN, f32::max) - 0.5;
            let within = all.iter().find(|w| w.joint >= floor).unwrap();
            let found = nearest(&mut dice, &graph, &ends, &settings, (floor, 1), usize::MAX).unwrap();
            assert_eq!(found.sentences[0].0.sentence, within.sentence, "{templates:?} {seed}");
            assert_eq!(found.sentences.len(), deeds.len(), "and nothing is lost");
            let too_many = nearest(&mut dice, &graph, &ends, &settings, (floor, 99), usize::MAX).unwrap();
            assert_eq!(too_many.sentences.len(), deeds.len(), "though fewer are within reach than were asked for");
            overtaken += usize::from(within.sentence != all[0].sentence);
            dice.calls = 0;
            let settings = SearchSettings { max_calls: 1, ..settings };
            let few = nearest(&mut dice, &graph, &ends, &settings, (0.0, 0), 99).unwrap();
            assert_eq!((few.gave_up, few.calls, dice.calls), (Some(Limit::Calls), 1, 1), "{templates:?} {seed}");
        }
    }
    assert!(overtaken > 10, "{overtaken} times a better rank lay beyond the reach");
}

#[test]
fn when_half_of_the_calls_are_spent_a_good_sentence_is_better_than_none() {
    let (tokenizer, ends) = tokenizer();
    let graph = TokenGraph::new(grammar(&["(a|b|ab) (a|b|ab) (a|b|ab) (a|b|ab) (a|b|ab) {n} {state}"]), &tokenizer);
    let (mut found, mut hurried) = (0, 0);
    for seed in 0..40 {
        let mut dice = Dice { seed: seed * 7919 + 3, tokens: ends.text as usize + 1, logits: vec![], calls: 0 };
        let slow = SearchSettings { lambda: 1.0, bonus: 0.0, haste: 0.0, ..SearchSettings::default() };
        let settings = SearchSettings { reach: 1e9, max_calls: 80, ..slow };
        let late = search(&mut dice, &graph, &ends, &settings, 1).unwrap();
        found += usize::from(late.best.is_some());
        hurried += usize::from(late.calls > 40);
    }
    assert!(found >= 30 && hurried >= 4, "{found} of 40 found, {hurried} after half of the calls");
}
