//! What may follow the words that were said so far: whether they are only the beginning of a sentence, and whether more
//! words could give a sentence another meaning. No input or output.
//!
//! Words are compared as they are spoken (`spelling::canonical`), letter by letter without spaces, so "bed room" is
//! "bedroom", and "fifty" is the beginning of "55".

use std::collections::HashSet;

use super::graph::{Grammar, Label, NodeId, Sentence};
use crate::language::spelling::canonical;

/// Most places that are examined for one question; with more, the answer is that anything may follow.
const MOST: usize = 200_000;

/// What may follow some words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Following {
    /// No sentence begins with these words.
    Unknown,
    /// Sentences begin with these words, but none ends here.
    Needed,
    /// A sentence ends here, and others go on.
    Possible,
    /// A sentence ends here, and none goes on.
    Nothing,
}

/// A beginning of a sentence: the node that it has reached, the command, and the slots so far as indices of bindings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Beginning {
    node: NodeId,
    command: Option<u32>,
    slots: Vec<u32>,
}

/// What is left of the said letters, and where a sentence with them may be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    /// The number of letters that are matched.
    read: usize,
    beginning: Beginning,
}

/// The beginnings that all letters lead to.
#[derive(Default)]
struct Reached {
    /// Those between two words of the templates.
    between: Vec<Beginning>,
    /// Whether some are inside a number, as "fifty" is inside "55".
    inside: bool,
    /// Whether the limit was reached.
    gave_up: bool,
}

impl Grammar {
    /// What may follow the words of `text`, whatever they mean.
    pub fn following(&self, text: &str) -> Following {
        let reached = self.reach(&canonical(text).concat());
        let ends = reached.between.iter().any(|b| self.is_end(b.node));
        let goes_on = reached.inside || reached.gave_up || reached.between.iter().any(|b| self.has_words(b.node));
        match (ends, goes_on) {
            (false, false) => Following::Unknown,
            (false, true) => Following::Needed,
            (true, true) => Following::Possible,
            (true, false) => Following::Nothing,
        }
    }

    /// Whether words that follow those of `sentence` could give it another meaning: another command, or another slot.
    /// "please" after a whole sentence gives it none.
    pub fn may_change(&self, sentence: &Sentence) -> bool {
        let reached = self.reach(&canonical(&sentence.words).concat());
        reached.inside || reached.gave_up || reached.between.iter().any(|beginning| self.changes(beginning, sentence))
    }

    /// All beginnings of sentences with these letters.
    fn reach(&self, letters: &str) -> Reached {
        let beginning = Beginning { node: self.start(), command: None, slots: Vec::new() };
        let mut stack = vec![Place { read: 0, beginning }];
        let (mut seen, mut reached) = (HashSet::new(), Reached::default());
        if self.nodes().is_empty() {
            return reached;
        }
        while let Some(place) = stack.pop() {
            if !seen.insert(place.clone()) {
                continue;
            }
            if seen.len() > MOST {
                reached.gave_up = true;
                break;
            }
            let Place { read, beginning } = place;
            for (_, arc) in self.arcs(beginning.node) {
                let mut next = Beginning { node: arc.to, ..beginning.clone() };
                let said = match arc.label {
                    Label::Word(word) => Said::of(&self.words()[word as usize], &letters[read..]),
                    Label::Command(command) => {
                        next.command = Some(command);
                        Said::Whole(0)
                    }
                    Label::Bind(binding) => {
                        next.slots.push(binding);
                        Said::Whole(0)
                    }
                    Label::Free => Said::Whole(0),
                };
                match said {
                    Said::Whole(length) => stack.push(Place { read: read + length, beginning: next }),
                    Said::Part => reached.inside = true,
                    Said::Other => {}
                }
            }
            if read == letters.len() {
                reached.between.push(beginning);
            }
        }
        reached
    }

    /// Whether a word may follow `node`.
    fn has_words(&self, node: NodeId) -> bool {
        self.any_after(node, |label| matches!(label, Label::Word(_)))
    }

    /// Whether a sentence that goes on after `beginning` has another meaning than `sentence`.
    fn changes(&self, beginning: &Beginning, sentence: &Sentence) -> bool {
        if !self.has_words(beginning.node) {
            return false;
        }
        let slots = beginning.slots.iter().map(|index| self.binding(*index));
        let same = beginning.command.is_some_and(|command| command as usize == sentence.command)
            && slots.clone().count() == sentence.slots.len()
            && slots.clone().all(|(slot, value)| sentence.slots.get(slot) == Some(value));
        !same || self.any_after(beginning.node, |label| matches!(label, Label::Bind(_)))
    }

    /// Whether an arc whose label is `wanted` can be reached from `node`.
    fn any_after(&self, node: NodeId, wanted: impl Fn(Label) -> bool) -> bool {
        let (mut seen, mut stack) = (HashSet::from([node]), vec![node]);
        while let Some(node) = stack.pop() {
            for (_, arc) in self.arcs(node) {
                if wanted(arc.label) {
                    return true;
                }
                if seen.insert(arc.to) {
                    stack.push(arc.to);
                }
            }
        }
        false
    }
}

/// How a word of a template compares with the letters that are left.
enum Said {
    /// It is said whole, in so many letters.
    Whole(usize),
    /// The letters end between two of its spoken words.
    Part,
    /// It is another word.
    Other,
}

impl Said {
    fn of(word: &str, letters: &str) -> Said {
        let spoken = canonical(word);
        let whole = spoken.concat();
        if letters.starts_with(&whole) {
            return Said::Whole(whole.len());
        }
        let boundaries = (1..spoken.len()).map(|words| spoken[..words].concat());
        if boundaries.into_iter().any(|part| part == letters) { Said::Part } else { Said::Other }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::grammar::{List, SlotValue, template};

    fn grammar() -> Grammar {
        let say = |text: &str| template::parse(text).unwrap();
        let rooms = ["kitchen", "bed room"].map(|room| (say(room), SlotValue::Text(room.into())));
        let lists = BTreeMap::from([
            ("room".to_string(), List::Values(rooms.to_vec())),
            ("level".to_string(), List::Range { from: 0, to: 100, step: 1 }),
        ]);
        let templates = [
            "turn on the (light|lights) [in the {room}]",
            "stop [please]",
            "set [the] brightness to {level} [percent]",
            "stop the timer now",
            "good night",
        ];
        Grammar::of_commands(&templates, &lists, &BTreeMap::new()).unwrap()
    }

    #[test]
    fn words_are_a_whole_sentence_or_the_beginning_of_one() {
        use Following::{Needed, Nothing, Possible, Unknown};
        let cases = [
            ("Turn on", Needed),
            ("Turn on the...", Needed),
            ("Turn on the light.", Possible),
            ("Turn on the lights", Possible),
            ("Turn on the lights in the", Needed),
            ("Turn on the lights in the kitchen.", Nothing),
            ("Turn on the lights in the bedroom.", Nothing),
            ("Turn on the lights in the bed", Needed),
            ("Turn on the lights in the be", Unknown),
            ("Turn on the lamp", Unknown),
            ("Set the brightness to", Needed),
            ("Set brightness to 50", Possible),
            ("Set brightness to 55%", Nothing),
            ("Set brightness to one", Possible),
            ("Set brightness to a hundred percent", Nothing),
            ("Good", Needed),
            ("Goodnight.", Nothing),
            ("Stop", Possible),
            ("Stop, please.", Nothing),
            ("", Needed),
        ];
        let grammar = grammar();
        for (text, following) in cases {
            assert_eq!(grammar.following(text), following, "{text:?}");
        }
    }

    #[test]
    fn a_grammar_without_sentences_has_nothing_that_follows() {
        assert_eq!(Grammar::default().following("stop"), Following::Unknown);
    }

    #[test]
    fn more_words_change_a_sentence_only_if_they_give_it_another_meaning() {
        let grammar = grammar();
        let level = |n| ("level", SlotValue::Integer(n));
        let room = |name: &str| ("room", SlotValue::Text(name.into()));
        let cases = [
            (0, "turn on the light", vec![], true),
            (0, "turn on the lights in the kitchen", vec![room("kitchen")], false),
            (0, "turn on the lights in the bed room", vec![room("bed room")], false),
            (1, "stop", vec![], true),
            (1, "stop please", vec![], false),
            (2, "set brightness to 50", vec![level(50)], true),
            (2, "set brightness to 55", vec![level(55)], false),
            (2, "set brightness to 50 percent", vec![level(50)], false),
            (2, "set brightness to 100", vec![level(100)], false),
            (4, "good night", vec![], false),
        ];
        for (command, words, slots, changes) in cases {
            let slots = slots.into_iter().map(|(slot, value)| (slot.to_string(), value)).collect();
            let sentence = Sentence { command, words: words.into(), slots };
            assert_eq!(grammar.may_change(&sentence), changes, "{words:?}");
        }
    }
}
