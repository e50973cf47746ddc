//! Walks through all sentences of a grammar at once, word by word, to find sentences that begin with the same words.
//!
//! Words that can be written the same count as the same word (`spelling::plain`). If two commands, or two ways to fill
//! the slots, reach the same node over the same words, every sentence that follows belongs to both.

use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{Hash, Hasher};

use super::graph::{Grammar, Label, NodeId, Sentence};
use crate::language::spelling;

/// Most beginnings of sentences that are examined, which takes half a second. Ten thousand templates need a tenth of
/// it.
const MOST: usize = 1_000_000;
/// Most pairs of commands with a common sentence that are reported.
const MOST_SHARED: usize = 20;

/// A number for all words that can be written the same.
pub type Class = u32;

/// One beginning of a sentence.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    /// The command that it belongs to.
    pub command: u32,
    /// The node that it has reached.
    pub node: NodeId,
    /// The arcs that led to the node, as an index into the trails of the walk.
    trail: u32,
}

/// Everything that can be reached from the start over the same words.
#[derive(Debug)]
pub struct Place {
    /// The beginnings of sentences with these words, one for each node and command.
    pub items: Vec<Item>,
    /// Pairs of beginnings with these words that are at the same node for the same command, but with different slots.
    pub twins: Vec<[Item; 2]>,
    /// The beginnings after each possible next word.
    pub words: BTreeMap<Class, Vec<Item>>,
}

/// A walk through the places of a grammar. Places of several commands come first, and short ones come before long ones.
pub struct Walk<'g> {
    grammar: &'g Grammar,
    classes: Vec<Class>,
    /// Each trail as the index of a shorter trail and the arc that extends it. The first trail is empty.
    trails: Vec<(u32, u32)>,
    known: HashSet<u64>,
    of_several: VecDeque<Vec<Item>>,
    /// The waiting places with sentences of one command only; `None` if those are not wanted.
    of_one: Option<VecDeque<Vec<Item>>>,
    left: usize,
}

impl<'g> Walk<'g> {
    /// A walk through all places.
    pub fn everywhere(grammar: &'g Grammar) -> Walk<'g> {
        Walk { of_one: Some(VecDeque::new()), ..Walk::between_commands(grammar) }
    }

    /// A walk through the places where sentences of several commands begin with the same words.
    fn between_commands(grammar: &'g Grammar) -> Walk<'g> {
        let mut names = HashMap::new();
        let mut class = |word: &String| {
            let next = names.len() as Class;
            *names.entry(spelling::plain(word)).or_insert(next)
        };
        let start = Item { command: u32::MAX, node: grammar.start(), trail: 0 };
        Walk {
            grammar,
            classes: grammar.words().iter().map(&mut class).collect(),
            trails: vec![(0, 0)],
            known: HashSet::new(),
            of_several: VecDeque::from([vec![start]]),
            of_one: None,
            left: MOST,
        }
    }

    /// The class of each word of the grammar.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// Whether the walk ended at its limit and not all places were examined.
    pub fn gave_up(&self) -> bool {
        self.left == 0
    }

    /// The next place; `None` when all were seen or the limit was reached.
    pub fn step(&mut self) -> Option<Place> {
        let items = self.of_several.pop_front().or_else(|| self.of_one.as_mut()?.pop_front())?;
        let place = self.open(items);
        self.left = self.left.saturating_sub(place.items.len());
        if self.gave_up() {
            return None;
        }
        for items in place.words.values() {
            let of_several = items.iter().any(|item| item.command != items[0].command);
            let queue = if of_several { Some(&mut self.of_several) } else { self.of_one.as_mut() };
            let Some(queue) = queue else { continue };
            if self.known.insert(key(items, of_several)) {
                queue.push_back(items.clone());
            }
        }
        Some(place)
    }

    /// The place that is reached from `items` without a word.
    pub fn open(&mut self, items: Vec<Item>) -> Place {
        let mut seen: HashMap<(NodeId, u32), Item> = HashMap::with_capacity(items.len());
        let mut place = Place { items: Vec::new(), twins: Vec::new(), words: BTreeMap::new() };
        let mut stack = items;
        stack.reverse();
        let grammar = self.grammar;
        while let Some(item) = stack.pop() {
            match seen.entry((item.node, item.command)) {
                Entry::Occupied(other) if self.fill_differently(*other.get(), item) => {
                    place.twins.push([*other.get(), item]);
                    continue;
                }
                Entry::Occupied(_) => continue,
                Entry::Vacant(entry) => entry.insert(item),
            };
            let (mut speaks, open) = (grammar.is_end(item.node), stack.len());
            for (index, arc) in grammar.arcs(item.node) {
                let next = Item { node: arc.to, trail: self.prolonged(item.trail, index), ..item };
                match arc.label {
                    Label::Word(word) => {
                        place.words.entry(self.classes[word as usize]).or_default().push(next);
                        speaks = true;
                    }
                    Label::Command(command) => stack.push(Item { command, ..next }),
                    Label::Free | Label::Bind(_) => stack.push(next),
                }
            }
            stack[open..].reverse();
            if speaks {
                place.items.push(item);
            }
        }
        place.items.sort_unstable_by_key(|item| (item.node, item.command));
        place
    }

    fn prolonged(&mut self, trail: u32, arc: usize) -> u32 {
        self.trails.push((trail, arc as u32));
        self.trails.len() as u32 - 1
    }

    /// Whether two beginnings would mean different things if the same words followed.
    pub fn mean_differently(&self, one: Item, other: Item) -> bool {
        one.command != other.command || self.fill_differently(one, other)
    }

    fn fill_differently(&self, one: Item, other: Item) -> bool {
        one.trail != other.trail && self.beginning(one).slots != self.beginning(other).slots
    }

    /// Whether a sentence ends here.
    pub fn is_over(&self, item: Item) -> bool {
        self.grammar.is_end(item.node)
    }

    /// The words and slots up to this point.
    fn beginning(&self, item: Item) -> Sentence {
        self.grammar.sentence(self.arcs(item))
    }

    /// A complete, short sentence with this beginning.
    pub fn whole(&self, item: Item) -> Sentence {
        let mut arcs = self.arcs(item);
        let mut at = item.node;
        while !self.grammar.is_end(at) {
            let next = self.grammar.arcs(at).find(|(_, arc)| arc.label == Label::Free);
            let Some((index, arc)) = next.or_else(|| self.grammar.arcs(at).next()) else { break };
            arcs.push(index);
            at = arc.to;
        }
        self.grammar.sentence(arcs)
    }

    fn arcs(&self, item: Item) -> Vec<usize> {
        let before = |trail: &u32| Some(self.trails[*trail as usize].0);
        let trail = std::iter::successors(Some(item.trail), before).take_while(|trail| *trail != 0);
        let mut arcs: Vec<usize> = trail.map(|trail| self.trails[trail as usize].1 as usize).collect();
        arcs.reverse();
        arcs
    }
}

/// A key that is equal for places from which the walk would find the same.
fn key(items: &[Item], of_several: bool) -> u64 {
    let mut hasher = DefaultHasher::new();
    items.iter().for_each(|item| (item.node, if of_several { item.command } else { 0 }).hash(&mut hasher));
    hasher.finish()
}

/// Sentences that belong to two commands: one for each pair of commands, at most [`MOST_SHARED`].
pub fn shared(grammar: &Grammar) -> Vec<[Sentence; 2]> {
    let mut walk = Walk::between_commands(grammar);
    let (mut pairs, mut found) = (HashSet::new(), Vec::new());
    while let Some(place) = walk.step() {
        for pair in place.items.windows(2).filter(|pair| pair[0].node == pair[1].node) {
            if found.len() < MOST_SHARED && pairs.insert((pair[0].command, pair[1].command)) {
                found.push([walk.whole(pair[0]), walk.whole(pair[1])]);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::grammar::template::parse;
    use crate::grammar::{List, SlotValue};

    fn grammar(commands: &[&str]) -> Grammar {
        let value = |word: &str| (parse(word).unwrap(), SlotValue::Text(word.into()));
        let lists = BTreeMap::from([
            ("room".into(), List::Values(vec![value("kitchen"), value("office")])),
            ("n".into(), List::Range { from: 0, to: 100, step: 1 }),
        ]);
        Grammar::of_commands(commands, &lists, &BTreeMap::new()).unwrap()
    }

    #[test]
    fn commands_that_share_a_sentence_are_found_with_it_and_no_others() {
        let cases: [(&[&str], &[&str]); 9] = [
            (&["turn on [the] lamp", "turn [on] the lamp"], &["0 1 turn on the lamp"]),
            (&["turn on the lamp", "turn off the lamp"], &[]),
            (&["open the door", "open the door now"], &[]),
            (&["{room} light", "(hall|office) light"], &["0 1 office light"]),
            (&["dim to {n} percent", "dim to twenty five percent"], &["0 1 dim to 25 percent"]),
            (&["the tv", "a lamp", "the TV"], &["0 2 the tv"]),
            (&["(a;b;c)", "c [x] a b"], &["0 1 c a b"]),
            (&["a", "a", "a"], &["0 1 a", "1 2 a"]),
            (&["(a|b|c|d) (a|b|c|d) (a|b|c|d) x", "(a|b|c|d) (a|b|c|d) (a|b|c|d) y"], &[]),
        ];
        for (commands, expected) in cases {
            let found = shared(&grammar(commands)).into_iter();
            let found: Vec<String> =
                found.map(|[one, other]| format!("{} {} {}", one.command, other.command, one.words)).collect();
            assert_eq!(found, expected, "{commands:?}");
        }
    }

    #[test]
    fn one_command_that_means_two_things_by_one_sentence_is_seen() {
        let twins = |template: &str| {
            let grammar = grammar(&[template]);
            let mut walk = Walk::everywhere(&grammar);
            let mut found = Vec::new();
            while let Some(place) = walk.step() {
                found.extend(place.twins.iter().map(|[one, other]| [walk.whole(*one).slots, walk.whole(*other).slots]));
            }
            assert!(!walk.gave_up());
            found
        };
        assert_eq!(twins("({room:a}|{room:b}) light").len(), 2);
        assert_eq!(twins("[{n:a}] [{n:b}] percent").len(), 1);
        assert!(twins("{room:a} {room:b}").is_empty());
        assert!(twins("(the|[the] big) {room}").is_empty());
        assert!(twins("go ([{room:a}];[{n:b}])").is_empty());
    }

    #[test]
    fn a_walk_through_too_many_places_ends_and_says_so() {
        // Which of the last 21 words were an "a" is a place of its own.
        let grammar = grammar(&[&format!("{} a {}", "[a|b] ".repeat(21), "(a|b) ".repeat(20))]);
        let mut walk = Walk::everywhere(&grammar);
        while walk.step().is_some() {}
        assert!(walk.gave_up());
    }
}
