//! Compares a typed text with the sentences of a grammar, even if its words are written differently. No input or
//! output.

use std::collections::{BTreeSet, HashSet};

use super::graph::{Grammar, Label, NodeId, Sentence};
use crate::language::{number, spelling};

/// A node, and the number of slots that were filled on the way to it.
type Place = (NodeId, usize);

/// The words of `text`, with the same word for everything that is said the same: "Set it to 40%." and "set it to forty
/// percent" have the same words, and so have "colour" and "color".
pub fn words(text: &str) -> Vec<String> {
    let typed = typed(text);
    let parts: Vec<&str> = typed.iter().flat_map(|word| apart(word)).collect();
    let (mut words, mut rest) = (Vec::new(), &parts[..]);
    while let Some(first) = rest.first() {
        let number = number::together(rest).map(|(number, taken)| (number.to_string(), taken));
        let (word, taken) = number.unwrap_or_else(|| (spelling::plain(first), 1));
        words.push(word);
        rest = &rest[taken..];
    }
    words
}

/// The words as they are typed, without punctuation around them.
fn typed(text: &str) -> Vec<String> {
    let text = text.replace('’', "'").replace('%', " percent");
    let bare = text.split_whitespace().map(|word| word.trim_matches(['.', ',', '?', '!', ';', ':']));
    bare.filter(|word| word.contains(char::is_alphanumeric)).map(String::from).collect()
}

/// Splits a number with a hyphen: "twenty-five" is two words. Any other word stays one.
fn apart(word: &str) -> Vec<&str> {
    if number::of(word).is_some() { word.split('-').collect() } else { vec![word] }
}

impl Grammar {
    /// Whether `text` is one of the sentences, however its words are written.
    pub fn says(&self, text: &str) -> bool {
        self.reads(text, 0, |_| Some(0))
    }

    /// Whether `text` is one of the sentences and means the same as `sentence`: the same command with the same slots.
    pub fn says_as(&self, text: &str, sentence: &Sentence) -> bool {
        // No sentence fills a slot twice, so the same number of equal slots means that all are equal.
        self.reads(text, sentence.slots.len(), |label| match label {
            Label::Command(command) => (command as usize == sentence.command).then_some(0),
            Label::Bind(binding) => {
                let (slot, value) = self.binding(binding);
                (sentence.slots.get(slot) == Some(value)).then_some(1)
            }
            Label::Word(_) | Label::Free => Some(0),
        })
    }

    /// Whether a path over the words of `text` fills `slots` slots. `fills` returns how many slots an arc fills, or
    /// `None` if the path must not use it. The words are also tried as typed, because a template may have the words of
    /// a number one by one.
    fn reads(&self, text: &str, slots: usize, fills: impl Fn(Label) -> Option<usize>) -> bool {
        let one_by_one = typed(text).iter().map(|word| spelling::plain(word)).collect();
        let ends = |words: Vec<String>| {
            let mut places = self.reached(self.nodes().next_back().map(|start| (start, 0)), &fills);
            for word in words {
                places = self.reached(places.iter().flat_map(|place| self.over(*place, &word)), &fills);
            }
            places.iter().any(|(node, filled)| self.is_end(*node) && *filled == slots)
        };
        ends(words(text)) || ends(one_by_one)
    }

    /// The places after `word`.
    fn over<'g>(&'g self, (node, filled): Place, word: &'g str) -> impl Iterator<Item = Place> + 'g {
        let says = move |label| matches!(label, Label::Word(id) if spelling::plain(&self.words()[id as usize]) == word);
        self.arcs(node).filter(move |(_, arc)| says(arc.label)).map(move |(_, arc)| (arc.to, filled))
    }

    /// The places that are reached from `from` without a word, those in `from` included.
    fn reached(&self, from: impl IntoIterator<Item = Place>, fills: impl Fn(Label) -> Option<usize>) -> HashSet<Place> {
        let mut stack: Vec<Place> = from.into_iter().collect();
        let mut reached = HashSet::new();
        while let Some((node, filled)) = stack.pop() {
            if reached.insert((node, filled)) {
                let silent = self.arcs(node).filter(|(_, arc)| !matches!(arc.label, Label::Word(_)));
                stack.extend(silent.filter_map(|(_, arc)| Some((arc.to, filled + fills(arc.label)?))));
            }
        }
        reached
    }

    /// The slots that sentences of a command may fill.
    pub fn slots(&self, command: usize) -> BTreeSet<&str> {
        let begin = self.nodes().next_back().into_iter().flat_map(|start| self.arcs(start));
        let begin = begin.filter(|(_, arc)| arc.label == Label::Command(command as u32));
        let mut stack: Vec<NodeId> = begin.map(|(_, arc)| arc.to).collect();
        let (mut seen, mut slots) = (HashSet::new(), BTreeSet::new());
        while let Some(node) = stack.pop() {
            if seen.insert(node) {
                for (_, arc) in self.arcs(node) {
                    if let Label::Bind(binding) = arc.label {
                        slots.insert(self.binding(binding).0.as_str());
                    }
                    stack.push(arc.to);
                }
            }
        }
        slots
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::grammar::template::parse;
    use crate::grammar::{List, SlotValue, Slots};

    fn grammar(commands: &[&str]) -> Grammar {
        let value = |(say, value): (&str, &str)| (parse(say).unwrap(), SlotValue::Text(value.into()));
        let lists = BTreeMap::from([
            ("room".into(), List::Values([("kitchen", "kitchen"), ("(lounge|den)", "living_room")].map(value).into())),
            ("n".into(), List::Range { from: 0, to: 200, step: 1 }),
        ]);
        Grammar::of_commands(commands, &lists, &BTreeMap::new()).unwrap()
    }

    #[test]
    fn what_is_said_the_same_has_the_same_words() {
        let cases = [
            (" Turn  on the TV! ", "turn on the tv"),
            ("what’s on, today?", "whats on today"),
            ("to forty percent", "to 40 percent"),
            ("to 40%", "to 40 percent"),
            ("to 40 %.", "to 40 percent"),
            ("one hundred and twenty-five", "125"),
            ("twenty-five", "25"),
            ("five", "5"),
            ("my favourite colours", "my favorite colors"),
            ("on - off", "on off"),
            (" ... ", ""),
        ];
        for (text, plain) in cases {
            assert_eq!(words(text).join(" "), plain, "{text}");
        }
    }

    #[test]
    fn a_sentence_is_read_with_what_it_does_and_no_other_is() {
        let grammar = grammar(&["turn on [the] lamp [in [the] {room}]", "dim [to] {n} percent", "(one|two) hundred"]);
        let slots = |slots: &[(&str, SlotValue)]| -> Slots {
            slots.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
        };
        let living_room = slots(&[("room", SlotValue::Text("living_room".into()))]);
        let forty = slots(&[("n", SlotValue::Integer(40))]);
        let cases = [
            ("Turn on lamp.", true, 0, Slots::new(), true),
            ("turn on the lamp in the den", true, 0, living_room.clone(), true),
            ("turn on the lamp in lounge", true, 0, living_room.clone(), true),
            ("turn on the lamp in the kitchen", true, 0, living_room.clone(), false),
            ("turn on the lamp", true, 0, living_room, false),
            ("turn on the lamp in the den", true, 0, Slots::new(), false),
            ("dim forty percent", true, 1, forty.clone(), true),
            ("dim to 40%", true, 1, forty.clone(), true),
            ("dim to 40%", true, 0, forty.clone(), false),
            ("dim to forty-one percent", true, 1, forty.clone(), false),
            ("two hundred", true, 2, Slots::new(), true),
            ("turn on", false, 0, Slots::new(), false),
            ("turn on the lamp now", false, 0, Slots::new(), false),
            ("dim to 201 percent", false, 1, forty, false),
            ("", false, 0, Slots::new(), false),
        ];
        for (text, is_one, command, slots, does) in cases {
            let sentence = Sentence { command, words: "quite another".into(), slots };
            assert_eq!(grammar.says(text), is_one, "{text}");
            assert_eq!(grammar.says_as(text, &sentence), does, "{text} as {sentence:?}");
        }
        assert!(!Grammar::default().says("on"));
    }

    #[test]
    fn every_sentence_that_a_grammar_gives_is_read_as_itself() {
        let grammar =
            grammar(&["({room:a}|{room:b}) lamp [{n}]", "one hundred [{n}] ((five|x);twenty-five)", "on-air"]);
        let read = |sentence: &Sentence| grammar.says_as(&sentence.words, sentence);
        assert_eq!(grammar.sample(7).take(2000).find(|sentence| !read(sentence)), None);
    }

    #[test]
    fn a_sentence_of_ever_so_many_is_read_at_once() {
        let many = grammar(&[&format!("go {}", "([a] [b]|a|b|[c]) ".repeat(40))]);
        assert_eq!(many.count(), u64::MAX);
        assert!(many.says(&format!("go {}", "a b ".repeat(40))));
        assert!(!many.says(&format!("go {}", "a b ".repeat(41))));
    }

    #[test]
    fn the_slots_of_a_command_are_those_of_its_templates() {
        let grammar = grammar(&["lamp [in {room}]", "{n:from} to {n:to} in {room}", "on"]);
        let slots = |command| grammar.slots(command).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!([0, 1, 2, 3].map(slots), ["room", "from room to", "", ""]);
    }
}
