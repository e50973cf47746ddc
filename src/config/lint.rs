//! Warnings about a valid configuration that works badly, for example sentences that sound alike. No input or output.

use std::collections::{BTreeMap, HashSet, VecDeque};

use crate::act::command::Command;
use crate::grammar::Grammar;
use crate::grammar::walk::{Class, Item, Place, Walk};
use crate::recognize::tokenizer::Tokenizer;

use super::sounds_alike::{self, Likeness};
use crate::language::names;

/// Most warnings of one kind that are written out. Of further ones only the number is given.
const WRITTEN_OUT: usize = 4;
/// Most places that are searched for two sentences that continue in the same way.
const FAR_ENOUGH: usize = 32;
/// Most pairs of similar words that are examined. A grammar that a person wrote has a few dozen.
const MOST_PAIRS: usize = 2000;
/// The model hardly knows a word that has at most `FEW_LETTERS` letters and at least `MANY_TOKENS` tokens.
const FEW_LETTERS: usize = 6;
const MANY_TOKENS: usize = 3;

/// The kinds of warnings, in the order in which they are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Ambiguous,
    Alike,
    Short,
    Split,
    Prefix,
    TooLarge,
}

/// Warnings about the sentences of `commands`. Without a `tokenizer` there are no warnings about tokens.
pub fn warnings(grammar: &Grammar, commands: &[Command], tokenizer: Option<&Tokenizer>) -> Vec<String> {
    let mut walk = Walk::everywhere(grammar);
    let mut words = BTreeMap::new();
    for (word, class) in grammar.words().iter().zip(walk.classes()) {
        words.entry(*class).or_insert(word.as_str());
    }
    let near = sounds_alike::near(&words, tokenizer);
    let mut lint = Lint { commands, words, near, pairs: 0, told: HashSet::new(), warnings: BTreeMap::new() };
    let mut start = true;
    while let Some(place) = walk.step() {
        if std::mem::take(&mut start) {
            lint.short(&mut walk, &place);
        }
        lint.ambiguous(&walk, &place);
        lint.prefixes(&walk, &place);
        lint.alike(&mut walk, &place);
    }
    if walk.gave_up() || lint.pairs > MOST_PAIRS {
        let what = "the grammar has more branches than are looked at; what else is wrong with it is not known";
        lint.warn(Kind::TooLarge, 0, 0, what.into());
    }
    tokenizer.into_iter().for_each(|tokenizer| lint.split(tokenizer));
    lint.written()
}

struct Lint<'a> {
    commands: &'a [Command],
    words: BTreeMap<Class, &'a str>,
    near: BTreeMap<Class, Vec<(Class, Likeness)>>,
    /// Number of pairs of similar words that were examined.
    pairs: usize,
    /// The warnings that exist already, by kind and subject.
    told: HashSet<(Kind, u32, u32)>,
    warnings: BTreeMap<Kind, Vec<String>>,
}

impl Lint<'_> {
    fn warn(&mut self, kind: Kind, one: u32, other: u32, what: String) {
        if self.told.insert((kind, one, other)) {
            self.warnings.entry(kind).or_default().push(what);
        }
    }

    fn name(&self, item: Item) -> &str {
        &self.commands[item.command as usize].name
    }

    fn written(self) -> Vec<String> {
        let mut all = Vec::new();
        for mut warnings in self.warnings.into_values() {
            let more = warnings.len().saturating_sub(WRITTEN_OUT);
            warnings.truncate(WRITTEN_OUT);
            if let Some(last) = warnings.last_mut().filter(|_| more > 0) {
                *last += &format!(" ({more} more of this kind)");
            }
            all.extend(warnings);
        }
        all
    }

    /// Warns of a sentence of a command that fills its slots in two ways.
    fn ambiguous(&mut self, walk: &Walk<'_>, place: &Place) {
        for [one, other] in &place.twins {
            if self.told.contains(&(Kind::Ambiguous, one.command, 0)) {
                continue;
            }
            let (sentence, same) = (walk.whole(*one), walk.whole(*other));
            let slots = |slots: &crate::grammar::Slots| {
                slots.iter().map(|(slot, value)| format!("{slot} = {value}")).collect::<Vec<_>>().join(", ")
            };
            let (name, words) = (self.name(*one), sentence.words);
            let what = format!(
                "{name}: ambiguous: {words:?} can mean {} or {}; the one that stands first in the file is taken",
                slots(&sentence.slots),
                slots(&same.slots)
            );
            self.warn(Kind::Ambiguous, one.command, 0, what);
        }
    }

    /// Warns of a sentence that is the beginning of a sentence of another command.
    fn prefixes(&mut self, walk: &Walk<'_>, place: &Place) {
        let ends: Vec<Item> = place.items.iter().filter(|item| walk.is_over(**item)).copied().collect();
        for end in ends {
            let longer = |item: &&Item| item.command != end.command && !walk.is_over(**item);
            for longer in place.items.iter().filter(longer) {
                if self.told.contains(&(Kind::Prefix, end.command, longer.command)) {
                    continue;
                }
                let (short, long) = (walk.whole(end).words, walk.whole(*longer).words);
                let what = format!(
                    "{}: after {short:?} one must wait whether {long:?} ({}) is meant; other first words would spare that",
                    self.name(end),
                    self.name(*longer)
                );
                self.warn(Kind::Prefix, end.command, longer.command, what);
            }
        }
    }

    /// Warns of two sentences that differ only in one word, and only a little.
    fn alike(&mut self, walk: &mut Walk<'_>, place: &Place) {
        for (one, items) in &place.words {
            let near = self.near.get(one).cloned().unwrap_or_default();
            for (other, likeness) in near {
                let Some(others) = place.words.get(&other) else { continue };
                self.pairs += 1;
                if self.pairs > MOST_PAIRS || self.told.contains(&(Kind::Alike, *one, other)) {
                    continue;
                }
                let Some([a, b]) = go_on_alike(walk, items.clone(), others.clone()) else { continue };
                let words = [self.words[one], self.words[&other]];
                let what = alike(&[walk.whole(a).words, walk.whole(b).words], words, likeness);
                self.warn(Kind::Alike, *one, other, what);
            }
        }
    }

    /// Warns of commands of one short syllable.
    fn short(&mut self, walk: &mut Walk<'_>, start: &Place) {
        for (class, items) in &start.words {
            let word = self.words[class];
            if sounds_alike::syllables(word) > 1 {
                continue;
            }
            let place = walk.open(items.clone());
            // A yes that nobody waits for is refused.
            let answer = |item: &Item| self.commands[item.command as usize].is_answer();
            let Some(item) = place.items.iter().find(|item| walk.is_over(**item) && !answer(item)) else { continue };
            let name = self.name(*item);
            let what = format!("{name}: {word:?} alone is what other speech triggers; two words or more are safer");
            self.warn(Kind::Short, *class, 0, what);
        }
    }

    /// Warns of words that the model knows only in pieces.
    fn split(&mut self, tokenizer: &Tokenizer) {
        for (class, word) in self.words.clone() {
            let letters = word.chars().count();
            if !word.chars().all(char::is_alphabetic) || letters < 3 {
                continue;
            }
            let tokens = sounds_alike::tokens(word, tokenizer);
            if (letters <= FEW_LETTERS && tokens.len() >= MANY_TOKENS) || tokens.len() >= letters {
                let pieces: Vec<String> =
                    tokens.iter().map(|token| tokenizer.decode(&[*token]).trim().into()).collect();
                let what = format!(
                    "the model hardly knows the word {word:?}, it writes {}; words that it knows are heard better",
                    pieces.join("·")
                );
                self.warn(Kind::Split, class, 0, what);
            }
        }
    }
}

/// Two sentences, one from each set of beginnings, that continue in the same words but have different meanings.
fn go_on_alike(walk: &mut Walk<'_>, one: Vec<Item>, other: Vec<Item>) -> Option<[Item; 2]> {
    let mut open = VecDeque::from([(one, other)]);
    for _ in 0..FAR_ENOUGH {
        let (one, other) = open.pop_front()?;
        let (one, mut other) = (walk.open(one), walk.open(other));
        let different = |pair: &[Item; 2]| pair[0].node == pair[1].node && walk.mean_differently(pair[0], pair[1]);
        let pairs = one.items.iter().flat_map(|a| other.items.iter().map(|b| [*a, *b]));
        if let Some(pair) = pairs.take(FAR_ENOUGH * FAR_ENOUGH).find(different) {
            return Some(pair);
        }
        let shared = one.words.into_iter().filter_map(|(word, items)| Some((items, other.words.remove(&word)?)));
        open.extend(shared.take(FAR_ENOUGH));
    }
    None
}

fn alike([one, other]: &[String; 2], words: [&str; 2], likeness: Likeness) -> String {
    let why = match likeness {
        Likeness::Sound => "which sound alike",
        Likeness::Tokens => "which the model tells apart by one short token",
    };
    let known = names::OTHER.iter().find(|(word, _)| words.iter().any(|w| w.eq_ignore_ascii_case(word)));
    let better = match known {
        Some((word, better)) => format!("say {better:?} instead of {word:?}, for one"),
        None => format!("say {:?} in other, longer words", words[0]),
    };
    format!("{one:?} and {other:?} differ by {:?} and {:?} only, {why}; {better}", words[0], words[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn warned(text: &str) -> Vec<String> {
        let settings = config::parse("x.toml", &format!("board = \"host\"\n{text}")).unwrap_or_else(|p| panic!("{p}"));
        warnings(&settings.grammar, &settings.commands, None)
    }

    fn commands(says: &[&str]) -> String {
        let command = |(i, say): (usize, &&str)| format!("[[commands]]\nname = \"c{i}\"\nsay = \"{say}\"\n");
        says.iter().enumerate().map(command).collect()
    }

    #[test]
    fn what_works_badly_is_told_with_what_would_be_better() {
        let cases: [(&[&str], &str); 11] = [
            (
                &["turn on the kitchen lights", "turn on the chicken lights [now]"],
                "\"turn on the kitchen lights\" and \"turn on the chicken lights\" differ by \"kitchen\" and \"chicken\" \
                 only, which sound alike; say \"cooking area\" instead of \"kitchen\", for one",
            ),
            (&["turn on the kitchen lights", "turn on the chicken lamp"], ""),
            (&["open the (door|floor|doors)"], ""),
            (
                &["stop", "never mind", "lights on"],
                "c0: \"stop\" alone is what other speech triggers; two words or more are safer",
            ),
            (
                &["pause it", "pause it [for] now then"],
                "c0: after \"pause it\" one must wait whether \"pause it now then\" (c1) is meant; other first words would \
                 spare that",
            ),
            (&["pause it [now]", "resume it"], ""),
            (&["(turn|switch) it on", "(turn|switch) it off"], ""),
            (
                &["the night", "the light", "the right"],
                "\"the night\" and \"the light\" differ by \"night\" and \"light\"",
            ),
            (
                &["dim to fifteen", "dim to (fifty|sixteen|sixty)"],
                "\"dim to fifteen\" and \"dim to fifty\" differ by \"fifteen\" and \"fifty\" only, which sound alike; say \
                 \"fifteen\" in other, longer words",
            ),
            (&["dim to (ten|twenty|thirty)"], ""),
            (
                &["lock the door", "unlock the door"],
                "\"lock the door\" and \"unlock the door\" differ by \"lock\" and \"unlock\" only, which sound alike; say \
                 \"open\" instead of \"unlock\", for one",
            ),
        ];
        for (says, expected) in cases {
            let said = warned(&commands(says)).join("\n");
            assert!(said.starts_with(expected) && said.is_empty() == expected.is_empty(), "{says:?}: {said}");
        }
    }

    #[test]
    fn slots_tell_sentences_apart_too() {
        let list = "[lists]\nroom = [\"kitchen\", \"chicken\", { say = \"hall\", value = \"kitchen\" }]\n";
        let said = warned(&format!("{list}{}", commands(&["light the {room} up"])));
        assert!(said.len() == 1 && said[0].contains("\"light the chicken up\""), "{said:?}");
        let said = warned(&format!("{list}{}", commands(&["move [{room:from}] [{room:to}]"])));
        let ambiguous =
            "c0: ambiguous: \"move kitchen\" can mean from = kitchen or to = kitchen; the one that stands first";
        assert!(said[0].starts_with(ambiguous), "{said:?}");
    }

    #[test]
    fn words_that_the_model_knows_in_pieces_are_told() {
        let settings = config::parse("x.toml", &format!("board = \"host\"\n{}", commands(&["wake xylu up"]))).unwrap();
        let vocabulary = [" ", " wake", " up", " x", "y", "l", "u", "X", "w"];
        let tokenizer = Tokenizer::new(vocabulary.iter().map(|t| t.as_bytes().to_vec()).collect());
        let said = warnings(&settings.grammar, &settings.commands, Some(&tokenizer));
        assert_eq!(
            said,
            ["the model hardly knows the word \"xylu\", it writes x·y·l·u; words that it knows are heard better"]
        );
    }

    #[test]
    fn of_many_warnings_of_one_kind_a_few_are_written_out() {
        let said = warned(&commands(&["on", "off", "stop", "go", "up", "down"]));
        assert_eq!(said.len(), WRITTEN_OUT, "{said:?}");
        assert!(said[3].ends_with("(2 more of this kind)"), "{said:?}");
    }
}
