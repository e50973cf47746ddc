//! Counts the sentences of a grammar and chooses some of them: at random, with the same probability for each sentence;
//! or evenly spread over the choices in the templates, so that a few sentences show much of the grammar.

use std::collections::BTreeMap;

use super::graph::{Arc, Grammar, Label, Sentence};

/// The golden ratio, 0.618, as a fraction of 2^64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// An iterator over random sentences. It never ends, unless the grammar has no sentence.
pub struct Sample<'g> {
    grammar: &'g Grammar,
    /// The number of paths from each node to the end.
    ways: Vec<u128>,
    dice: Dice,
}

impl Grammar {
    /// The number of sentences of the grammar, at most `u64::MAX`. A sentence counts once for each path.
    pub fn count(&self) -> u64 {
        self.ways().last().map_or(0, |n| u64::try_from(*n).unwrap_or(u64::MAX))
    }

    /// The number of sentences of each command, by the index of the command.
    pub fn counts(&self) -> BTreeMap<u32, u64> {
        let ways = self.ways();
        let command = |(_, arc): (usize, Arc)| match arc.label {
            Label::Command(command) => Some((command, u64::try_from(ways[arc.to as usize]).unwrap_or(u64::MAX))),
            _ => None,
        };
        self.arcs(self.start()).filter_map(command).collect()
    }

    /// The number of paths from each node to the end.
    fn ways(&self) -> Vec<u128> {
        let mut ways: Vec<u128> = Vec::with_capacity(self.nodes().len());
        for node in self.nodes() {
            let sum = |sum: u128, (_, arc): (usize, Arc)| sum.saturating_add(ways[arc.to as usize]);
            ways.push(self.arcs(node).fold(u128::from(self.is_end(node)), sum));
        }
        ways
    }

    /// Draws sentences at random. The same `seed` gives the same sentences.
    pub fn sample(&self, seed: u64) -> Sample<'_> {
        Sample { grammar: self, ways: self.ways(), dice: Dice(seed) }
    }

    /// A sentence of a command, for each `number`. At a choice, as between templates or the values of a list, every
    /// alternative has the same probability, no matter how many sentences it leads to.
    ///
    /// The numbers from 0 on choose by multiples of the golden ratio. N such multiples leave no gap wider than 1.9/N
    /// (Swierczkowski, "On successive settings of an arc on the circumference of a circle", 1958), so a sentence with
    /// the probability p comes among the first 1.9/p. Where a choice is finer than 2^-64, the first alternative is
    /// always taken.
    pub fn spread(&self, command: u32, number: u64) -> Option<Sentence> {
        let start = self.nodes().next_back()?;
        let (first, begin) = self.arcs(start).find(|(_, arc)| arc.label == Label::Command(command))?;
        let (mut arcs, mut at) = (vec![first], begin.to);
        let mut point = number.wrapping_mul(GOLDEN);
        while !self.is_end(at) {
            let scaled = u128::from(point) * self.arcs(at).count() as u128;
            let (index, arc) = self.arcs(at).nth((scaled >> 64) as usize)?;
            point = scaled as u64;
            arcs.push(index);
            at = arc.to;
        }
        Some(self.sentence(arcs))
    }
}

impl Iterator for Sample<'_> {
    type Item = Sentence;

    fn next(&mut self) -> Option<Sentence> {
        self.draw(Vec::new())
    }
}

impl Sample<'_> {
    /// Draws a sentence of one command.
    pub fn next_of(&mut self, command: u32) -> Option<Sentence> {
        let mut begin = self.grammar.arcs(self.grammar.start());
        let (index, _) = begin.find(|(_, arc)| arc.label == Label::Command(command))?;
        self.draw(vec![index])
    }

    /// Draws a sentence whose path begins with `arcs`.
    fn draw(&mut self, mut arcs: Vec<usize>) -> Option<Sentence> {
        let grammar = self.grammar;
        let mut at = arcs.last().map_or(grammar.start(), |arc| grammar.arc(*arc).to);
        let total = self.ways.get(at as usize).copied().filter(|ways| *ways > 0)?;
        let mut number = self.dice.below(total);
        // The sentences from a node are numbered in the order of its arcs.
        while !grammar.is_end(at) {
            let (index, arc) = grammar.arcs(at).find(|(_, arc)| {
                let behind = self.ways[arc.to as usize];
                let found = number < behind;
                number -= if found { 0 } else { behind };
                found
            })?;
            arcs.push(index);
            at = arc.to;
        }
        Some(grammar.sentence(arcs))
    }
}

/// SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A random number below `limit`. For limits far below 2^128 the numbers are practically equally likely.
    fn below(&mut self, limit: u128) -> u128 {
        (u128::from(self.roll()) << 64 | u128::from(self.roll())) % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_is_drawn_and_none_much_more_often_than_another() {
        let grammar = Grammar::of("(a|b c|([d];e))").unwrap();
        assert_eq!(grammar.count(), 5);
        let mut drawn: BTreeMap<String, usize> = BTreeMap::new();
        grammar.sample(1).take(5000).for_each(|s| *drawn.entry(s.words).or_default() += 1);
        assert_eq!(drawn.keys().map(String::as_str).collect::<Vec<_>>(), ["a", "b c", "d e", "e", "e d"]);
        // 1000 each, with a standard deviation of 28.
        assert!(drawn.values().all(|n| (860..1140).contains(n)), "{drawn:?}");
    }

    #[test]
    fn one_command_can_be_drawn_from_and_an_empty_grammar_gives_nothing() {
        let grammar = Grammar::of("(a|b)").unwrap();
        let mut sample = grammar.sample(3);
        assert!((0..9).all(|_| sample.next_of(0).is_some()));
        assert_eq!(sample.next_of(1), None);
        assert_eq!(Grammar::default().sample(1).next(), None);
    }

    #[test]
    fn spread_sentences_choose_evenly_and_each_comes_soon() {
        let grammar = Grammar::of("(a|b (c|d|e|f|g|h|i|j))").unwrap();
        let spread = |numbers: u64| (0..numbers).map(|n| grammar.spread(0, n).unwrap().words);
        assert!((7..=9).contains(&spread(16).filter(|words| words == "a").count()));
        assert_eq!(spread(31).collect::<std::collections::BTreeSet<_>>().len(), 9);
        assert_eq!(grammar.spread(1, 0), None);
        assert_eq!(Grammar::default().spread(0, 0), None);
    }

    #[test]
    fn the_same_seed_draws_the_same_sentences_and_another_one_others() {
        let grammar = Grammar::of(&"(a|b|c|d|e|f|g|h|i|j) ".repeat(30)).unwrap();
        let drawn = |seed| grammar.sample(seed).take(3).map(|s| s.words).collect::<Vec<_>>();
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn the_generator_is_the_one_of_the_paper() {
        // The first numbers that the reference implementation gives for the seed 1234567.
        let mut dice = Dice(1_234_567);
        assert_eq!([dice.roll(), dice.roll()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }
}
