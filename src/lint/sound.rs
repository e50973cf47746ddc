//! Which words of a grammar are close to each other, in sound or in the model's tokens. Pure.
//!
//! A word's sound is its consonants, those that differ by voice alone taken as one (b and p, d and t), and its vowels. That
//! is far from a pronunciation, but finds what rhymes and what is slurred: kitchen and chicken, light and night.

use std::collections::{BTreeMap, BTreeSet};

use crate::grammar::walk::Class;
use crate::grammar::{number, spelling};
use crate::recognize::tokenizer::{Token, Tokenizer};

/// Letters of the shortest word that is compared: "on" and "off" are told apart by their sentences.
const LEAST_LETTERS: usize = 3;
/// Bytes of a token that is easily taken for another one.
const SHORT_TOKEN: usize = 2;
/// Words of equal vowels, say, that are compared with each other; a vocabulary that people wrote has a few dozen.
const MOST_COMPARED: usize = 500;

/// Letters that are one sound, the longer first. Vowels are small, consonants capital.
const SOUNDS: [(&str, &str); 49] = [
    ("tion", "Xo"),
    ("sion", "Xo"),
    ("igh", "i"),
    ("tch", "X"),
    ("dge", "X"),
    ("sch", "SK"),
    ("ch", "X"),
    ("sh", "X"),
    ("ph", "F"),
    ("th", "H"),
    ("wh", "W"),
    ("wr", "R"),
    ("kn", "N"),
    ("ck", "K"),
    ("gh", ""),
    ("qu", "KW"),
    ("au", "o"),
    ("ei", "E"),
    ("ey", "E"),
    ("ew", "U"),
    ("oi", "o"),
    ("oy", "o"),
    ("ui", "U"),
    ("ai", "A"),
    ("ay", "A"),
    ("ee", "E"),
    ("ea", "E"),
    ("ie", "E"),
    ("ye", "i"),
    ("oa", "O"),
    ("ow", "O"),
    ("oo", "U"),
    ("ou", "U"),
    ("ue", "U"),
    ("b", "P"),
    ("p", "P"),
    ("d", "T"),
    ("t", "T"),
    ("g", "K"),
    ("k", "K"),
    ("c", "K"),
    ("q", "K"),
    ("v", "F"),
    ("f", "F"),
    ("z", "S"),
    ("s", "S"),
    ("x", "KS"),
    ("j", "X"),
    ("y", "i"),
];

/// The sound of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sound {
    consonants: String,
    vowels: String,
}

impl Sound {
    fn of(word: &str) -> Sound {
        let lower = word.to_lowercase();
        let lower = without_silent_e(&lower);
        let mut rest = lower.as_str();
        let mut sound = Sound { consonants: String::new(), vowels: String::new() };
        while let Some(letter) = rest.chars().next() {
            let soft = letter == 'c' && rest[1..].starts_with(['e', 'i', 'y']);
            let (length, sounds) = match SOUNDS.iter().find(|(letters, _)| rest.starts_with(letters)) {
                _ if soft => (1, "S".into()),
                Some((letters, sounds)) => (letters.len(), sounds.to_string()),
                None if "aeiou".contains(letter) => (1, letter.to_string()),
                None => (letter.len_utf8(), letter.to_uppercase().to_string()),
            };
            for one in sounds.chars() {
                let vowel = one.is_lowercase() || (length == 2 && "AEOU".contains(one));
                if vowel && sound.consonants.is_empty() {
                    // That it begins with a vowel is heard like a consonant.
                    sound.consonants.push('\'');
                }
                let part = if vowel { &mut sound.vowels } else { &mut sound.consonants };
                if !part.ends_with(one) || vowel {
                    part.push(one);
                }
            }
            rest = &rest[length..];
        }
        sound
    }

    fn is_near(&self, other: &Sound, words: [&str; 2]) -> bool {
        let apart = strsim::damerau_levenshtein(&self.consonants, &other.consonants);
        let rhymes = self.vowels == other.vowels && apart <= 1 && self.consonants.len().min(other.consonants.len()) > 1;
        rhymes || (apart == 0 && strsim::damerau_levenshtein(words[0], words[1]) <= 1)
    }
}

/// Without the "e" that is not heard at the end of "close", "bites"; the "g" and "c" before it as they are heard.
fn without_silent_e(word: &str) -> String {
    let whole = word.strip_suffix('s').unwrap_or(word);
    let Some(stem) = whole.strip_suffix('e') else { return word.into() };
    let vowels = ['a', 'e', 'i', 'o', 'u', 'y'];
    let hisses = whole != word && stem.ends_with(['s', 'x', 'z', 'h', 'c', 'g']);
    if hisses || !stem.contains(vowels) || stem.ends_with(vowels) || stem.ends_with("tt") {
        return word.into();
    }
    let stem = match stem.as_bytes().last() {
        Some(b'g') => format!("{}j", &stem[..stem.len() - 1]),
        Some(b'c') => format!("{}s", &stem[..stem.len() - 1]),
        _ => stem.into(),
    };
    format!("{stem}{}", &word[whole.len()..])
}

/// How many syllables a word has, about: its vowels.
pub fn syllables(word: &str) -> usize {
    Sound::of(word).vowels.chars().count().max(1)
}

/// Why two words are close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// They sound alike.
    Sound,
    /// Of the tokens that the model writes for them, one short one differs.
    Tokens,
}

/// The words of `vocabulary`, each with those that are close to it and have a higher number.
pub fn near(
    vocabulary: &BTreeMap<Class, &str>,
    tokenizer: Option<&Tokenizer>,
) -> BTreeMap<Class, Vec<(Class, Likeness)>> {
    let spoken = |word: &str| word.chars().count() >= LEAST_LETTERS && number::of(word).is_none();
    let words: Vec<(Class, String, Sound)> = vocabulary
        .iter()
        .filter(|(_, word)| spoken(word))
        .map(|(class, word)| (*class, word.to_lowercase(), Sound::of(word)))
        .collect();
    let mut near = BTreeSet::new();
    for group in groups(&words, |(_, _, sound)| sound.vowels.clone())
        .chain(groups(&words, |(_, _, sound)| sound.consonants.clone()))
    {
        for (i, (one, word, sound)) in group.iter().enumerate() {
            let close = group[..i].iter().filter(|(_, other, its)| sound.is_near(its, [word, other]));
            near.extend(close.map(|(other, ..)| ((*one).min(*other), (*one).max(*other), Likeness::Sound)));
        }
    }
    near.extend(tokenizer.into_iter().flat_map(|tokenizer| near_in_tokens(&words, tokenizer)));
    let mut of: BTreeMap<Class, Vec<(Class, Likeness)>> = BTreeMap::new();
    for (one, other, likeness) in near {
        of.entry(one).or_default().push((other, likeness));
    }
    of
}

type Word = (Class, String, Sound);

/// The words of equal `key`, at most [`MOST_COMPARED`] of each.
fn groups(words: &[Word], key: impl Fn(&Word) -> String) -> impl Iterator<Item = Vec<&Word>> {
    let mut groups: BTreeMap<String, Vec<&Word>> = BTreeMap::new();
    words.iter().for_each(|word| groups.entry(key(word)).or_default().push(word));
    groups.into_values().map(|mut group| {
        group.truncate(MOST_COMPARED);
        group
    })
}

/// Words of several tokens of which a short one differs.
fn near_in_tokens(words: &[Word], tokenizer: &Tokenizer) -> BTreeSet<(Class, Class, Likeness)> {
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
            near.extend(group[..i].iter().map(|other| ((*one).min(*other), (*one).max(*other), Likeness::Tokens)));
        }
    }
    near
}

/// The fewest tokens that the model writes for a word alone.
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
            ("bedroom", "bathroom", false),
            ("green", "brown", false),
            ("open", "close", false),
            ("lock", "unlock", false),
            ("kitchen", "office", false),
            ("start", "stop", false),
            ("living", "dining", false),
            ("large", "dark", false),
            ("on", "off", false),
            ("fifteen", "fifty", false),
            ("red", "green", false),
            ("up", "down", false),
        ];
        for (one, other, expected) in cases {
            let vocabulary = BTreeMap::from([(0, one), (1, other)]);
            assert_eq!(
                !near(&vocabulary, None).is_empty(),
                expected,
                "{one} {other}: {:?}",
                [one, other].map(Sound::of)
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
            assert_eq!(syllables(word), expected, "{word}: {:?}", Sound::of(word));
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
