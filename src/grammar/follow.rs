//! What may follow the words that were said so far: whether they are only the beginning of a sentence, and whether more
//! words could give a sentence another meaning. No input or output.
//!
//! Words are compared as they are spoken (`spelling::canonical`), letter by letter without spaces, so "bed room" is
//! "bedroom", and "fifty" is the beginning of "55".

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::Slots;
use super::graph::{Arc, Grammar, Label, NodeId, Sentence};
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
#[derive(Debug, Clone, Hash)]
struct Beginning {
    node: NodeId,
    command: Option<u32>,
    slots: Vec<u32>,
}

impl Place {
    /// A number that two places share only if they are equal, or by a chance of one in 10^19.
    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

impl Beginning {
    /// The beginning after this one and `arc`.
    fn after(&self, arc: Arc) -> Beginning {
        let mut next = Beginning { node: arc.to, ..self.clone() };
        match arc.label {
            Label::Command(command) => next.command = Some(command),
            Label::Bind(binding) => next.slots.push(binding),
            Label::Word(_) | Label::Free => {}
        }
        next
    }
}

/// What is left of the said letters, and where a sentence with them may be.
#[derive(Debug, Hash)]
struct Place {
    /// The number of letters that are matched.
    read: usize,
    beginning: Beginning,
}

/// The beginnings of sentences that some words lead to.
pub struct Reached<'g> {
    grammar: &'g Grammar,
    /// Those between two words of the templates.
    between: Vec<Beginning>,
    /// Whether some are inside a number, as "fifty" is inside "55".
    inside: bool,
    /// Whether the limit was reached.
    gave_up: bool,
}

impl Reached<'_> {
    /// The sentence that the words are, if they are one, whatever follows it: its command and its slots. `None` if they
    /// are none, or have two meanings.
    pub fn sentence(&self) -> Option<(usize, Slots)> {
        if self.gave_up {
            return None;
        }
        let slots =
            |indices: &[u32]| indices.iter().map(|index| self.grammar.binding(*index).clone()).collect::<Slots>();
        let whole = self.between.iter().filter(|beginning| self.grammar.is_end(beginning.node));
        let mut meanings = whole.filter_map(|beginning| Some((beginning.command? as usize, slots(&beginning.slots))));
        let first = meanings.next()?;
        meanings.all(|other| other == first).then_some(first)
    }

    /// What may follow the words, whatever they mean.
    pub fn following(&self) -> Following {
        let ends = self.between.iter().any(|b| self.grammar.is_end(b.node));
        let goes_on = self.inside || self.between.iter().any(|b| self.has_words(b.node));
        match (ends, goes_on) {
            _ if self.gave_up => Following::Possible,
            (false, false) => Following::Unknown,
            (false, true) => Following::Needed,
            (true, true) => Following::Possible,
            (true, false) => Following::Nothing,
        }
    }

    /// Whether more words could give `sentence`, which has these words, another meaning: another command, or another
    /// slot. "please" after a whole sentence gives it none.
    pub fn may_change(&self, sentence: &Sentence) -> bool {
        self.inside || self.gave_up || self.between.iter().any(|beginning| self.changes(beginning, sentence))
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
        let slots = beginning.slots.iter().map(|index| self.grammar.binding(*index));
        let same = beginning.command.is_some_and(|command| command as usize == sentence.command)
            && slots.clone().count() == sentence.slots.len()
            && slots.clone().all(|(slot, value)| sentence.slots.get(slot) == Some(value));
        !same || self.any_after(beginning.node, |label| matches!(label, Label::Bind(_)))
    }

    /// Whether an arc whose label is `wanted` can be reached from `node`.
    fn any_after(&self, node: NodeId, wanted: impl Fn(Label) -> bool) -> bool {
        let (mut seen, mut stack) = (HashSet::from([node]), vec![node]);
        while let Some(node) = stack.pop() {
            for (_, arc) in self.grammar.arcs(node) {
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

impl Grammar {
    /// The beginnings of sentences that the words of `text` lead to.
    pub fn reach(&self, text: &str) -> Reached<'_> {
        let letters = canonical(text).concat();
        let beginning = Beginning { node: self.start(), command: None, slots: Vec::new() };
        let mut stack = vec![Place { read: 0, beginning }];
        let mut seen = HashSet::new();
        let mut reached = Reached { grammar: self, between: Vec::new(), inside: false, gave_up: false };
        if self.nodes().is_empty() {
            return reached;
        }
        let spoken = self.spoken.get_or_init(|| self.words().iter().map(|word| Spoken::of(word)).collect());
        while let Some(place) = stack.pop() {
            if !seen.insert(place.key()) {
                continue;
            }
            if seen.len() > MOST {
                reached.gave_up = true;
                break;
            }
            let Place { read, beginning } = place;
            for (_, arc) in self.arcs(beginning.node) {
                let said = match arc.label {
                    Label::Word(word) => spoken[word as usize].compare(&letters[read..]),
                    _ => Said::Whole(0),
                };
                match said {
                    Said::Whole(length) => {
                        stack.push(Place { read: read + length, beginning: beginning.after(arc) });
                    }
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

/// How a word of a template is spoken.
#[derive(Debug, Clone)]
pub(super) struct Spoken {
    /// The letters of all its spoken words.
    letters: String,
    /// Where its spoken words end within them, but for the last: "55" is spoken in two words.
    ends: Vec<usize>,
}

impl Spoken {
    fn of(word: &str) -> Spoken {
        let words = canonical(word);
        let lengths = words.iter().scan(0, |end, word| {
            *end += word.len();
            Some(*end)
        });
        Spoken { letters: words.concat(), ends: lengths.take(words.len().saturating_sub(1)).collect() }
    }

    /// Compares it with the `letters` that are left.
    fn compare(&self, letters: &str) -> Said {
        if letters.starts_with(&self.letters) {
            return Said::Whole(self.letters.len());
        }
        let part = self.ends.contains(&letters.len()) && self.letters.starts_with(letters);
        if part { Said::Part } else { Said::Other }
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
            assert_eq!(grammar.reach(text).following(), following, "{text:?}");
        }
    }

    #[test]
    fn words_are_a_sentence_only_if_they_are_a_whole_one() {
        let grammar = grammar();
        let cases = [
            ("Turn on the light.", true),
            ("turn on the lights in the bedroom", true),
            ("Stop, please.", true),
            ("set brightness to 55%", true),
            ("turn on", false),
            ("turn on the lamp", false),
            ("", false),
        ];
        for (text, is_one) in cases {
            assert_eq!(grammar.reach(text).sentence().is_some(), is_one, "{text:?}");
        }
    }

    #[test]
    fn a_grammar_without_sentences_has_nothing_that_follows() {
        assert_eq!(Grammar::default().reach("stop").following(), Following::Unknown);
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
            assert_eq!(grammar.reach(words).may_change(&sentence), changes, "{words:?}");
        }
    }
}
