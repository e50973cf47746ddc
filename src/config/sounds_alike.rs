//! Finds words of a grammar that are similar in sound or in the tokens of the model. No input or output.

use std::collections::{BTreeMap, BTreeSet};

use crate::grammar::walk::Class;
use crate::language::pronunciation::Pronunciation;
use crate::language::{number, spelling};
use crate::recognize::tokenizer::{Token, Tokenizer};

/// Letters of the shortest word that is compared. Shorter words such as "on" are recognized by the sentences around
/// them.
const LEAST_LETTERS: usize = 3;
/// Letters of a first syllable that is easily missed, such as the "un" of "unlock".
const WEAK_SYLLABLE: usize = 2;
/// Bytes of a token that is easily confused with another one.
const SHORT_TOKEN: usize = 2;
/// Most words of one group, for example with equal vowels, that are compared with each other. A vocabulary that people
/// wrote has a few dozen in a group.
const MOST_COMPARED: usize = 500;

fn is_near(one: &Pronunciation, other: &Pronunciation, words: [&str; 2]) -> bool {
    let apart = strsim::damerau_levenshtein(&one.consonants, &other.consonants);
    let shorter = one.consonants.len().min(other.consonants.len());
    let vowels_apart = strsim::damerau_levenshtein(&one.vowels, &other.vowels);
    let rhymes = vowels_apart == 0 && apart <= 1 && shorter > 1;
    let framed = frame(one).is_some_and(|framed| frame(other) == Some(framed)) && apart <= 1 && vowels_apart <= 1;
    rhymes || framed || (apart == 0 && strsim::damerau_levenshtein(words[0], words[1]) <= 1)
}

/// The first consonant and the last two of a long word. In a test with 16 sentences by the voices named below, at 10
/// dB, "bedroom" was taken for "bathroom" in two.
fn frame(sound: &Pronunciation) -> Option<String> {
    let consonants: Vec<char> = sound.consonants.chars().collect();
    let [first, _, .., last_but_one, last] = consonants[..] else { return None };
    Some([first, last_but_one, last].iter().collect())
}

/// The approximate number of syllables of a word: the number of its vowels.
pub fn syllables(word: &str) -> usize {
    Pronunciation::of(word).vowels.chars().count().max(1)
}

/// Why two words are similar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// They sound alike.
    Sound,
    /// Of the tokens that the model writes for them, one short one differs.
    Tokens,
}

/// The words of `vocabulary`, each with the similar words that have a higher number.
pub fn near(
    vocabulary: &BTreeMap<Class, &str>,
    tokenizer: Option<&Tokenizer>,
) -> BTreeMap<Class, Vec<(Class, Likeness)>> {
    let spoken = |word: &str| word.chars().count() >= LEAST_LETTERS && number::of(word).is_none();
    let words: Vec<(Class, String, Pronunciation)> = vocabulary
        .iter()
        .filter(|(_, word)| spoken(word))
        .map(|(class, word)| (*class, word.to_lowercase(), Pronunciation::of(word)))
        .collect();
    let mut near = BTreeSet::new();
    for group in groups(&words, |(_, _, sound)| Some(sound.vowels.clone()))
        .chain(groups(&words, |(_, _, sound)| Some(sound.consonants.clone())))
        .chain(groups(&words, |(_, _, sound)| frame(sound)))
    {
        for (i, (one, word, sound)) in group.iter().enumerate() {
            let close = group[..i].iter().filter(|(_, other, its)| is_near(sound, its, [word, other]));
            near.extend(close.map(|(other, ..)| pair(*one, *other, Likeness::Sound)));
        }
    }
    near.extend(near_in_a_syllable(&words));
    near.extend(near_in_number(vocabulary));
    near.extend(tokenizer.into_iter().flat_map(|tokenizer| near_in_tokens(&words, tokenizer)));
    let mut of: BTreeMap<Class, Vec<(Class, Likeness)>> = BTreeMap::new();
    for (one, other, likeness) in near {
        of.entry(one).or_default().push((other, likeness));
    }
    of
}

type Word = (Class, String, Pronunciation);

/// The words of equal `key`, at most [`MOST_COMPARED`] of each, and none of those without one.
fn groups(words: &[Word], key: impl Fn(&Word) -> Option<String>) -> impl Iterator<Item = Vec<&Word>> {
    let mut groups: BTreeMap<String, Vec<&Word>> = BTreeMap::new();
    for word in words {
        key(word).into_iter().for_each(|key| groups.entry(key).or_default().push(word));
    }
    groups.into_values().map(|mut group| {
        group.truncate(MOST_COMPARED);
        group
    })
}

type Pair = (Class, Class, Likeness);

fn pair(one: Class, other: Class, likeness: Likeness) -> Pair {
    (one.min(other), one.max(other), likeness)
}

/// Words that are another one of the list after a first syllable. Of 16 sentences by eight voices of flite and
/// espeak-ng "unlock" was taken for "lock" in one, and in kitchen noise at 10 dB in another.
fn near_in_a_syllable(words: &[Word]) -> Vec<Pair> {
    let classes: BTreeMap<&str, Class> = words.iter().map(|(class, word, _)| (word.as_str(), *class)).collect();
    let rest =
        |word: &'_ str| word.char_indices().nth(WEAK_SYLLABLE).and_then(|(at, _)| classes.get(&word[at..]).copied());
    words.iter().filter_map(|(class, word, _)| Some(pair(*class, rest(word)?, Likeness::Sound))).collect()
}

/// Thirteen and thirty, to nineteen and ninety, where a template has the words; a range of numbers is what it is. Of
/// 112 such percentages by eight voices of flite and espeak-ng none was taken for the other one of its pair, in kitchen
/// noise at 10 dB five.
fn near_in_number(vocabulary: &BTreeMap<Class, &str>) -> Vec<Pair> {
    let written = vocabulary.iter().filter(|(_, word)| word.chars().all(char::is_alphabetic));
    let classes: BTreeMap<u32, Class> = written.filter_map(|(class, word)| Some((number::of(word)?, *class))).collect();
    let tens = |teen: u32| Some(pair(*classes.get(&teen)?, *classes.get(&((teen - 10) * 10))?, Likeness::Sound));
    (13..20).filter_map(tens).collect()
}

/// Pairs of words of several tokens that differ only in one short token.
fn near_in_tokens(words: &[Word], tokenizer: &Tokenizer) -> BTreeSet<Pair> {
    let mut groups: BTreeMap<(usize, Vec<Token>), Vec<Class>> = BTreeMap::new();
    for (class, word, _) in words {
        let tokens = tokens(word, tokenizer);
        for (i, token) in tokens.iter().enumerate().filter(|_| tokens.len() > 1) {
            if tokenizer.decode(&[*token]).trim().len() <= SHORT_TOKEN {
                let mut others = tokens.clone();
                others.remove(i);
                groups.entry((i, others)).or_default().push(*class);
            }
        }
    }
    let mut near = BTreeSet::new();
    for group in groups.into_values() {
        for (i, one) in group.iter().take(MOST_COMPARED).enumerate() {
            near.extend(group[..i].iter().map(|other| pair(*one, *other, Likeness::Tokens)));
        }
    }
    near
}

/// The shortest sequence of tokens for a single word.
pub fn tokens(word: &str, tokenizer: &Tokenizer) -> Vec<Token> {
    let forms = spelling::spellings(word).into_iter().filter(|form| form.rfind(' ') == Some(0));
    forms.filter_map(|form| tokenizer.encode(&form)).min_by_key(Vec::len).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_rhyme_or_are_slurred_are_near_and_others_are_not() {
        let cases = [
            ("kitchen", "chicken", true),
            ("kitchen", "kitten", true),
            ("lights", "bites", true),
            ("light", "night", true),
            ("lamp", "lamps", true),
            ("bed", "red", true),
            ("white", "wide", true),
            ("black", "block", true),
            ("open", "oven", true),
            ("fan", "van", true),
            ("ceiling", "sealing", true),
            ("bedroom", "bathroom", true),
            ("green", "brown", false),
            ("open", "close", false),
            ("lock", "unlock", true),
            ("start", "restart", true),
            ("15", "50", false),
            ("thirteen", "fifteen", false),
            ("13", "40", false),
            ("curtain", "kitchen", false),
            ("morning", "evening", false),
            ("kitchen", "office", false),
            ("start", "stop", false),
            ("living", "dining", false),
            ("large", "dark", false),
            ("on", "off", false),
            ("fifteen", "fifty", true),
            ("red", "green", false),
            ("up", "down", false),
        ];
        for (one, other, expected) in cases {
            let vocabulary = BTreeMap::from([(0, one), (1, other)]);
            assert_eq!(
                !near(&vocabulary, None).is_empty(),
                expected,
                "{one} {other}: {:?}",
                [one, other].map(Pronunciation::of)
            );
        }
    }

    #[test]
    fn syllables_are_counted_by_vowels() {
        let cases = [
            ("stop", 1),
            ("skip", 1),
            ("pause", 1),
            ("lights", 1),
            ("resume", 2),
            ("kitchen", 2),
            ("never", 2),
            ("television", 4),
            ("bye", 1),
            ("close", 1),
            ("latte", 2),
            ("boxes", 2),
            ("bites", 1),
            ("the", 1),
            ("hmm", 1),
        ];
        for (word, expected) in cases {
            assert_eq!(syllables(word), expected, "{word}: {:?}", Pronunciation::of(word));
        }
    }

    #[test]
    fn words_of_which_one_short_token_differs_are_near() {
        let vocabulary: Vec<&str> = [" xy", " Xy", "lu", "la", "long", " lamp", " x", "y", "l", "u", "a", " "].into();
        let tokenizer = Tokenizer::new(vocabulary.iter().map(|t| t.as_bytes().to_vec()).collect());
        let near = |one, other| near(&BTreeMap::from([(0, one), (1, other)]), Some(&tokenizer));
        assert_eq!(near("xylu", "xyla")[&0], [(1, Likeness::Sound), (1, Likeness::Tokens)]);
        assert!(near("xylu", "lamp").is_empty());
        assert!(near("xylu", "xylong").is_empty());
    }
}
