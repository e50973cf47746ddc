//! What holds for any input. `properties` and the targets in `tests/fuzz` make up the inputs.

#![allow(dead_code, reason = "a fuzz target takes one of them")]

use std::collections::BTreeMap;

use hearken::act::gpio::Backend;
use hearken::audio::file::{self, MAX_SECONDS};
use hearken::audio::wav;
use hearken::config::board;
use hearken::config::{self, Settings};
use hearken::document::Problems;
use hearken::grammar::build::Builder;
use hearken::grammar::graph::Label;
use hearken::grammar::template::{self, Node};
use hearken::grammar::{Grammar, List, Sentence, SlotValue, Slots};
use hearken::recognize::models;

/// Sentences that are drawn from each grammar.
const DRAWN: u64 = 8;

/// A configuration is good in all its parts, or each of its faults has a place and words.
pub fn configuration(text: &str) -> Option<Settings> {
    let settings = config::parse("any.toml", text).map_err(|problems| faults(&problems, text)).ok()?;
    for (i, output) in settings.outputs.iter().enumerate() {
        assert!(template::is_name(&output.name), "{output:?}");
        assert!(settings.outputs[..i].iter().all(|o| o.line != output.line && o.name != output.name), "{output:?}");
    }
    for output in &settings.outputs {
        let limits = &output.limits;
        assert!(limits.max_on.is_none_or(|max| max >= limits.min_on && !output.rest), "{output:?}");
        if limits.interlock.is_some() {
            assert!(!output.rest && settings.outputs.iter().any(|other| output.excludes(other)), "{output:?}");
        }
    }
    assert!((-40.0..=60.0).contains(&settings.microphone.gain_db));
    assert!((1..=16).contains(&settings.recognizer.threads));
    assert!(models::known(&settings.recognizer.model).is_ok());
    assert!(settings.endpoint.off <= settings.endpoint.on);
    for sentence in drawn(&settings.grammar) {
        let command = &settings.commands[sentence.command];
        let actions = command.actions_with(&sentence.slots);
        assert_eq!(actions.len(), command.actions.len(), "{sentence:?} does all of {command:?}");
        assert!(actions.iter().all(|action| action.output() < settings.outputs.len()), "{command:?}");
    }
    Some(settings)
}

/// A template makes a grammar, or its fault has a place in it and words.
pub fn template(text: &str) -> Option<Node> {
    let within = |error: &hearken::grammar::TemplateError| {
        assert!(text.get(error.at.clone()).is_some(), "{error:?} is not in {text:?}");
        assert!(!error.what.is_empty());
    };
    let node = template::parse(text).map_err(|error| within(&error)).ok()?;
    let (lists, rules) = lists_and_rules();
    let mut builder = Builder::new(&lists, &rules);
    match builder.add(0, &node) {
        Ok(_) => assert!(drawn(&builder.finish()).iter().all(|s| !s.words.is_empty()), "{text:?}"),
        Err(error) => {
            assert_eq!(error.rule, None, "the rules are good");
            within(&error.error);
        }
    }
    Some(node)
}

/// The lists and the rules that templates are tried with.
pub fn lists_and_rules() -> (BTreeMap<String, List>, BTreeMap<String, Node>) {
    let node = |text: &str| template::parse(text).unwrap();
    let value = |say: &str, value: &str| (node(say), SlotValue::Text(value.into()));
    let rooms = vec![value("kitchen", "kitchen"), value("(lounge|living room)", "living_room")];
    let lists =
        [("room".to_string(), List::Values(rooms)), ("n".to_string(), List::Range { from: 0, to: 10, step: 5 })];
    (lists.into(), [("light".to_string(), node("(light|lamp) [there]"))].into())
}

/// A WAV file is samples within range and no more than its bytes can hold at the lowest rate, or it is refused in words.
pub fn wav(bytes: Vec<u8>) -> Option<Vec<f32>> {
    let length = bytes.len();
    let samples = wav::decode(bytes, MAX_SECONDS).map_err(|error| assert!(!error.to_string().is_empty())).ok()?;
    assert!(samples.len() <= length, "{} samples out of {length} bytes", samples.len());
    let wild = samples.iter().find(|s| !(-1.0..=1.0).contains(*s));
    assert_eq!(wild, None);
    Some(samples)
}

/// A file of any kind is at most 30 s of samples within range, or it is refused in words.
pub fn compressed(bytes: Vec<u8>) -> Option<Vec<f32>> {
    let samples = file::decode(bytes, 30).map_err(|error| assert!(!error.to_string().is_empty())).ok()?;
    assert!(samples.len() <= 30 * 16_000 + 16, "{} samples", samples.len());
    assert_eq!(samples.iter().find(|s| !(-1.0..=1.0).contains(*s)), None);
    Some(samples)
}

/// A board's file is a board whose pins all differ, or each of its faults has a place and words.
pub fn board(text: &str) -> Option<board::Board> {
    let board = board::parse("any", text).map_err(|problems| faults(&problems, text)).ok()?;
    assert!(Backend::NAMES.iter().any(|(_, backend)| *backend == board.backend));
    assert!((1..=16).contains(&board.threads));
    for pin in &board.pins {
        assert_eq!(board.pin(pin.bcm), Some(pin));
        assert!(pin.bcm <= 27 && pin.header.is_none_or(|place| (1..=40).contains(&place)), "{pin:?}");
    }
    Some(board)
}

/// A manifest lists models that a file can be compared with, or each of its faults has a place and words.
pub fn manifest(text: &str) -> Option<Vec<models::Model>> {
    let models = models::parse(text).map_err(|problems| faults(&problems, text)).ok()?;
    for model in &models {
        assert!(model.size > 0, "{model:?}");
        assert!(model.sha256.len() == 64 && u128::from_str_radix(&model.sha256[..32], 16).is_ok(), "{model:?}");
    }
    Some(models)
}

/// There is a fault at least; each has a place in `text`, one line of words, and two that show the place; they stand in the order of the text.
fn faults(problems: &Problems, text: &str) {
    let lines: Vec<&str> = text.split('\n').collect();
    assert!(!problems.list.is_empty(), "refused without a word");
    for problem in &problems.list {
        let line = lines.get(problem.line.wrapping_sub(1)).unwrap_or_else(|| panic!("{problem:?} has no line"));
        assert!((1..=line.chars().count() + 1).contains(&problem.column), "{problem:?} is not in {line:?}");
        assert!(!problem.what.is_empty(), "{problem:?}");
    }
    let places: Vec<(usize, usize)> = problems.list.iter().map(|p| (p.line, p.column)).collect();
    assert!(places.is_sorted(), "{problems:?}");
    let said = problems.to_string();
    let quoted = problems.list.iter().filter(|problem| problem.quote.is_some()).count();
    assert_eq!(said.split('\n').count(), problems.list.len() + 2 * quoted, "a line each, and its quote: {said:?}");
    assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "nothing that moves the cursor: {said:?}");
}

/// Some sentences of a grammar: whichever way is taken through it, it ends.
fn drawn(grammar: &Grammar) -> Vec<Sentence> {
    if grammar.count() == 0 { Vec::new() } else { (0..DRAWN).map(|seed| draw(grammar, seed)).collect() }
}

fn draw(grammar: &Grammar, mut dice: u64) -> Sentence {
    let mut sentence = Sentence { command: 0, words: String::new(), slots: Slots::new() };
    let mut at = grammar.start();
    while !grammar.is_end(at) {
        let ways = grammar.arcs(at).count();
        assert!(ways > 0, "a dead end after {sentence:?}");
        let (_, arc) = grammar.arcs(at).nth(roll(&mut dice, ways)).unwrap();
        match arc.label {
            Label::Word(word) => sentence.words += &format!(" {}", grammar.words()[word as usize]),
            Label::Bind(binding) => {
                let (slot, value) = grammar.binding(binding).clone();
                assert_eq!(sentence.slots.insert(slot, value), None, "a slot is filled once: {sentence:?}");
            }
            Label::Command(command) => sentence.command = command as usize,
            Label::Free => {}
        }
        at = arc.to;
    }
    sentence
}

/// One of so many `ways`, and the dice for the next roll.
pub fn roll(dice: &mut u64, ways: usize) -> usize {
    *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*dice >> 33) as usize % ways
}
