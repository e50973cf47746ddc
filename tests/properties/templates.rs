//! Templates: heaps of parts, and trees with a second reading of what they accept.

use std::collections::BTreeSet;

use hearken::grammar::graph::{Label, NodeId};
use hearken::grammar::{Grammar, SlotValue, Slots, template};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{for_any, text};
use crate::laws;

#[test]
fn a_heap_of_template_parts_is_a_grammar_or_refused_with_its_place() {
    let signs =
        "a light on-air ( ) [ ] | {n} {room:x} {zzz} { } : <light> <zzz> < > ; , ' é \u{1f600} \n \0 %".split(' ');
    let parts = prop_oneof![4 => select(signs.collect::<Vec<_>>()), 1 => Just(" ")];
    let heap = prop_oneof![4 => vec(parts, 0..14).prop_map(|parts| parts.concat()), 1 => text()];
    for_any(heap, |text| laws::template(&text).is_some());
}

/// A template, as this module understands it.
#[derive(Debug, Clone)]
enum Tree {
    Word(&'static str),
    Glued(&'static str, &'static str),
    Light,
    List(&'static str, usize),
    Sequence(Vec<Tree>),
    Choice(Vec<Tree>),
    Permutation(Vec<Tree>),
    Optional(Box<Tree>),
}

/// What `<light>` says, and what the lists of `laws::lists_and_rules` say and mean.
const LIGHT: [&str; 4] = ["light", "lamp", "light there", "lamp there"];
const ROOM: [(&str, &str); 3] = [("kitchen", "kitchen"), ("lounge", "living_room"), ("living room", "living_room")];
const N: [(&str, i64); 3] = [("0", 0), ("5", 5), ("10", 10)];

/// How far a sentence has been read, and the slots filled on the way.
type Reading = (usize, Slots);

impl Tree {
    fn any() -> impl Strategy<Value = Tree> {
        let words = ["light", "lamp", "there", "living", "room", "kitchen", "5", "on"];
        let leaf = prop_oneof![
            4 => select(words.to_vec()).prop_map(Tree::Word),
            1 => Just(Tree::Glued("light", "s")),
            1 => Just(Tree::Light),
            1 => select(vec!["room", "n"]).prop_map(|name| Tree::List(name, 0)),
        ];
        let tree = leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                2 => vec(inner.clone(), 2..5).prop_map(Tree::Sequence),
                1 => vec(inner.clone(), 1..4).prop_map(Tree::Choice),
                1 => vec(inner.clone(), 2..4).prop_map(Tree::Permutation),
                1 => inner.prop_map(|tree| Tree::Optional(Box::new(tree))),
            ]
        });
        tree.prop_map(|mut tree| {
            tree.number(&mut 0);
            tree
        })
    }

    /// Gives each list a slot of its own.
    fn number(&mut self, next: &mut usize) {
        match self {
            Tree::List(_, slot) => (*slot, *next) = (*next, *next + 1),
            Tree::Sequence(trees) | Tree::Choice(trees) | Tree::Permutation(trees) => {
                trees.iter_mut().for_each(|tree| tree.number(next))
            }
            Tree::Optional(tree) => tree.number(next),
            Tree::Word(_) | Tree::Glued(..) | Tree::Light => {}
        }
    }

    fn written(&self) -> String {
        let all = |trees: &[Tree], with: &str| trees.iter().map(Tree::written).collect::<Vec<_>>().join(with);
        match self {
            Tree::Word(word) => word.to_string(),
            Tree::Glued(stem, ending) => format!("{stem}[{ending}]"),
            Tree::Light => "<light>".into(),
            Tree::List(name, slot) => format!("{{{name}:s{slot}}}"),
            Tree::Sequence(trees) => all(trees, " "),
            Tree::Choice(trees) => format!("({})", all(trees, "|")),
            Tree::Permutation(trees) => format!("({})", all(trees, ";")),
            Tree::Optional(tree) => format!("[{}]", tree.written()),
        }
    }

    fn can_be_silent(&self) -> bool {
        match self {
            Tree::Optional(_) => true,
            Tree::Sequence(trees) | Tree::Permutation(trees) => trees.iter().all(Tree::can_be_silent),
            Tree::Choice(trees) => trees.iter().any(Tree::can_be_silent),
            _ => false,
        }
    }

    /// Says a sentence, whichever way the dice fall.
    fn say(&self, dice: &mut impl FnMut(usize) -> usize) -> String {
        match self {
            Tree::Word(word) => word.to_string(),
            Tree::Glued(stem, ending) => format!("{stem}{}", ["", ending][dice(2)]),
            Tree::Light => LIGHT[dice(LIGHT.len())].into(),
            Tree::List("room", _) => ROOM[dice(ROOM.len())].0.into(),
            Tree::List(..) => N[dice(N.len())].0.into(),
            Tree::Sequence(trees) => trees.iter().map(|tree| tree.say(dice)).collect::<Vec<_>>().join(" "),
            Tree::Choice(trees) => trees[dice(trees.len())].say(dice),
            Tree::Permutation(trees) => {
                let mut orders = orders(trees);
                let order = orders.swap_remove(dice(orders.len()));
                order.into_iter().map(|tree| tree.say(dice)).collect::<Vec<_>>().join(" ")
            }
            Tree::Optional(tree) => {
                if dice(2) == 0 {
                    String::new()
                } else {
                    tree.say(dice)
                }
            }
        }
    }

    /// Every way to read on through this.
    fn read(&self, words: &[&str], (from, slots): Reading) -> BTreeSet<Reading> {
        let over = |said: &str| {
            let said: Vec<&str> = said.split(' ').collect();
            words[from..].starts_with(&said).then(|| from + said.len())
        };
        let filled = |slot: usize, value: SlotValue| {
            let mut slots = slots.clone();
            slots.insert(format!("s{slot}"), value);
            slots
        };
        let plain = |said: &[&str]| said.iter().filter_map(|said| Some((over(said)?, slots.clone()))).collect();
        match self {
            Tree::Word(word) => plain(&[word]),
            Tree::Glued(stem, ending) => plain(&[stem, &format!("{stem}{ending}")]),
            Tree::Light => plain(&LIGHT),
            Tree::List("room", slot) => ROOM
                .iter()
                .filter_map(|(say, v)| Some((over(say)?, filled(*slot, SlotValue::Text((*v).into())))))
                .collect(),
            Tree::List(_, slot) => {
                N.iter().filter_map(|(say, n)| Some((over(say)?, filled(*slot, SlotValue::Integer(*n))))).collect()
            }
            Tree::Sequence(trees) => in_a_row(&trees.iter().collect::<Vec<_>>(), words, (from, slots)),
            Tree::Permutation(trees) => {
                let one = |order: Vec<&Tree>| in_a_row(&order, words, (from, slots.clone()));
                orders(trees).into_iter().flat_map(one).collect()
            }
            Tree::Choice(trees) => trees.iter().flat_map(|tree| tree.read(words, (from, slots.clone()))).collect(),
            Tree::Optional(tree) => {
                let mut readings = tree.read(words, (from, slots.clone()));
                readings.insert((from, slots));
                readings
            }
        }
    }
}

/// Every way to read on through one after the other.
fn in_a_row(trees: &[&Tree], words: &[&str], start: Reading) -> BTreeSet<Reading> {
    let on = |all: BTreeSet<Reading>, tree: &&Tree| all.into_iter().flat_map(|r| tree.read(words, r)).collect();
    trees.iter().fold([start].into(), on)
}

/// The orders in which trees can stand.
fn orders(trees: &[Tree]) -> Vec<Vec<&Tree>> {
    trees.iter().fold(vec![Vec::new()], |orders, tree| {
        let with = |order: Vec<_>| (0..=order.len()).map(move |at| [&order[..at], &[tree], &order[at..]].concat());
        orders.into_iter().flat_map(with).collect()
    })
}

/// Every way to read a whole sentence in a grammar.
fn readings(grammar: &Grammar, words: &[&str]) -> BTreeSet<Slots> {
    let mut here = free(grammar, vec![(grammar.start(), Slots::new())]);
    for said in words {
        let is_said = |label| matches!(label, Label::Word(word) if grammar.words()[word as usize] == *said);
        let steps = here.iter().flat_map(|(node, slots)| {
            grammar.arcs(*node).filter(|(_, arc)| is_said(arc.label)).map(|(_, arc)| (arc.to, slots.clone()))
        });
        here = free(grammar, steps.collect());
    }
    here.into_iter().filter(|(node, _)| grammar.is_end(*node)).map(|(_, slots)| slots).collect()
}

/// All that is reached without a word.
fn free(grammar: &Grammar, mut open: Vec<(NodeId, Slots)>) -> BTreeSet<(NodeId, Slots)> {
    let mut reached = BTreeSet::new();
    while let Some((node, slots)) = open.pop() {
        for (_, arc) in grammar.arcs(node).filter(|(_, arc)| !matches!(arc.label, Label::Word(_))) {
            let mut slots = slots.clone();
            if let Label::Bind(binding) = arc.label {
                slots.extend([grammar.binding(binding).clone()]);
            }
            open.push((arc.to, slots));
        }
        reached.insert((node, slots));
    }
    reached
}

/// One word out, in, or in the place of another; or none.
fn misspoken<'a>(mut words: Vec<&'a str>, (at, what, kind): (Index, &'a str, u8)) -> Vec<&'a str> {
    let at = at.index(words.len().max(1));
    match kind {
        1 => words.insert(at, what),
        2 => words[at] = what,
        3 => drop(words.remove(at)),
        _ => {}
    }
    words
}

#[test]
fn a_grammar_reads_a_sentence_in_all_the_ways_that_its_template_says_it_and_no_other() {
    let slip = (any::<Index>(), select(vec!["light", "lights", "there", "living", "room", "0", "mars"]), 0..4u8);
    let (lists, rules) = laws::lists_and_rules();
    for_any((Tree::any(), any::<u64>(), slip), |(tree, mut dice, slip)| {
        let text = tree.written();
        if tree.can_be_silent() {
            let error = template::parse(&text).unwrap_err();
            assert!(error.at == (0..text.len()) && error.what.contains("without a word"), "{text:?}: {error:?}");
            return false;
        }
        let grammar = Grammar::of_commands(&[&text], &lists, &rules).unwrap();
        let said = tree.say(&mut |ways| laws::roll(&mut dice, ways));
        let words: Vec<&str> = said.split_whitespace().collect();
        let slipped = misspoken(words.clone(), slip);
        assert!(!readings(&grammar, &words).is_empty(), "{text:?} should accept {said:?}");
        let wanted = tree.read(&slipped, (0, Slots::new()));
        let wanted = wanted.into_iter().filter(|(read, _)| *read == slipped.len()).map(|(_, slots)| slots).collect();
        assert_eq!(readings(&grammar, &slipped), wanted, "{text:?} reads {slipped:?}");
        !wanted.is_empty()
    });
}
