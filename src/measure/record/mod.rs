//! Recordings of the user's own sentences, for `hearken eval`: the choice of the next prompt, the check of a take, and
//! the folder of the recordings.

use std::collections::BTreeMap;

use crate::grammar::{Grammar, Sentence};

pub mod folder;
pub mod take;

/// Sentences of a command that are examined to find one that was not said yet. [`Grammar::spread`] guarantees that
/// every sentence with a probability of at least 1 in 1500 is among them.
const LOOKED_AT: u64 = 3000;

/// The prompts: sentences that are to be said. The same grammar and recordings give the same prompts.
pub struct Prompts<'g> {
    grammar: &'g Grammar,
    commands: Vec<u32>,
    said: BTreeMap<String, usize>,
}

impl<'g> Prompts<'g> {
    /// Makes prompts for the sentences of `grammar`. Those in `said` were said already.
    pub fn new<'s>(grammar: &'g Grammar, said: impl IntoIterator<Item = &'s str>) -> Prompts<'g> {
        let commands = grammar.counts().into_keys().collect();
        let mut prompts = Prompts { grammar, commands, said: BTreeMap::new() };
        said.into_iter().for_each(|words| prompts.note(words));
        prompts
    }

    /// Records that a sentence was said or skipped.
    pub fn note(&mut self, words: &str) {
        *self.said.entry(words.to_lowercase()).or_default() += 1;
    }

    /// Undoes [`note`](Prompts::note).
    pub fn forget(&mut self, words: &str) {
        let times = self.said.entry(words.to_lowercase()).or_default();
        *times = times.saturating_sub(1);
    }

    /// The prompt of a turn, counted from 0. The commands take turns, and every sentence of a command comes before any
    /// of them comes again. `None` if the grammar has no sentences.
    pub fn at(&self, turn: usize) -> Option<Sentence> {
        let command = *self.commands.get(turn % self.commands.len().max(1))?;
        let times = |sentence: &Sentence| self.said.get(&sentence.words.to_lowercase()).copied().unwrap_or(0);
        let mut rarest: Option<(usize, Sentence)> = None;
        for sentence in (0..LOOKED_AT).map_while(|number| self.grammar.spread(command, number)) {
            let times = times(&sentence);
            if rarest.as_ref().is_none_or(|(fewest, _)| times < *fewest) {
                rarest = Some((times, sentence));
            }
            if times == 0 {
                break;
            }
        }
        rarest.map(|(_, sentence)| sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const CONFIG: &str = r#"
        board = "host"
        [lists]
        state = ["on", "off"]
        percent = { from = 0, to = 100 }
        [[commands]]
        name = "lamp"
        say = ["turn {state} [the] lamp", "set the lamp to {percent} percent"]
        [[commands]]
        name = "time"
        say = "what's the time"
        [[commands]]
        name = "door"
        say = ["open the door", "CLOSE the door"]
    "#;

    /// What is asked for in so many turns, if all of it is said.
    fn asked(prompts: &mut Prompts<'_>, turns: std::ops::Range<usize>) -> Vec<Sentence> {
        turns
            .map(|turn| {
                let sentence = prompts.at(turn).unwrap();
                prompts.note(&sentence.words);
                sentence
            })
            .collect()
    }

    #[test]
    fn commands_take_turns_values_vary_and_no_sentence_comes_again_before_all_have_come() {
        let grammar = config::parse("a", CONFIG).unwrap().grammar;
        let all = asked(&mut Prompts::new(&grammar, []), 0..60);
        assert!(all.iter().enumerate().all(|(turn, sentence)| sentence.command == turn % 3));
        let of = |command| all.iter().filter(move |s| s.command == command).map(|s| s.words.as_str());
        let lamp: std::collections::BTreeSet<_> = of(0).collect();
        assert_eq!(lamp.len(), 20, "no sentence twice: {lamp:?}");
        let dimmed: Vec<&str> = of(0).filter(|words| words.starts_with("set")).collect();
        assert!((14..=17).contains(&dimmed.len()), "both templates, the small one until it is through: {dimmed:?}");
        let tens = dimmed.iter().map(|words| words.split(' ').nth(4).unwrap().parse::<u32>().unwrap() / 10);
        assert!(tens.collect::<std::collections::BTreeSet<_>>().len() >= 8, "the values vary: {dimmed:?}");
        let doors: Vec<&str> = of(2).collect();
        assert!(doors.chunks(2).all(|pair| pair[0] != pair[1]), "{doors:?}");
        assert_eq!(of(1).filter(|words| *words == "what's the time").count(), 20);
    }

    #[test]
    fn what_was_said_is_enough_to_go_on_from_and_what_is_taken_back_comes_again() {
        let grammar = config::parse("a", CONFIG).unwrap().grammar;
        let whole = asked(&mut Prompts::new(&grammar, []), 0..30);
        for done in [1, 7, 29] {
            let said = whole[..done].iter().map(|s| s.words.as_str());
            assert_eq!(asked(&mut Prompts::new(&grammar, said), done..30), whole[done..], "after {done}");
        }
        let mut prompts = Prompts::new(&grammar, whole.iter().map(|s| s.words.as_str()));
        prompts.forget(&whole[27].words);
        assert_eq!(prompts.at(0).unwrap(), whole[27]);
    }
}
