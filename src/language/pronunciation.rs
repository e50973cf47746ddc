//! Estimates the sound of a word from its letters. No input or output.
//!
//! The sound of a word is its consonants and its vowels. Consonants that differ only by voice, such as b and p or d and
//! t, count as the same. This is far from a real pronunciation, but it finds words that are easily confused: kitchen
//! and chicken, light and night.

/// Words with an irregular spelling, and a spelling that shows how they sound.
const IRREGULAR: [(&str, &str); 3] = [("one", "won"), ("once", "wonce"), ("two", "too")];

/// Groups of letters and the sounds they stand for, the longer groups first. Vowel sounds are small letters, consonant
/// sounds capital letters.
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
pub struct Pronunciation {
    /// Its consonants. A word that begins with a vowel has an apostrophe first, because such a start sounds like a
    /// consonant.
    pub consonants: String,
    /// Its vowels.
    pub vowels: String,
    /// Its consonants and vowels in their order.
    pub whole: String,
}

impl Pronunciation {
    /// The sound of `word`.
    pub fn of(word: &str) -> Pronunciation {
        let lower = word.to_lowercase();
        let lower =
            IRREGULAR.iter().find(|(written, _)| *written == lower).map_or(lower, |(_, spoken)| spoken.to_string());
        let lower = without_silent_e(&lower);
        let mut rest = lower.as_str();
        let mut sound = Pronunciation { consonants: String::new(), vowels: String::new(), whole: String::new() };
        while let Some(letter) = rest.chars().next() {
            let soft = letter == 'c' && rest[1..].starts_with(['e', 'i', 'y']);
            let (length, sounds) = match SOUNDS.iter().find(|(letters, _)| rest.starts_with(letters)) {
                _ if soft => (1, "S".into()),
                Some((letters, sounds)) => (letters.len(), sounds.to_string()),
                None if "aeiou".contains(letter) => (1, letter.to_string()),
                None => (letter.len_utf8(), letter.to_uppercase().to_string()),
            };
            for one in sounds.chars() {
                if !sound.whole.ends_with(one) {
                    sound.whole.push(one);
                }
                let vowel = one.is_lowercase() || (length == 2 && "AEOU".contains(one));
                if vowel && sound.consonants.is_empty() {
                    // A start with a vowel sounds like a consonant.
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
}

/// Removes a silent "e" at the end, as in "close" and "bites", and replaces a "g" or "c" before it by its sound.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sounds_the_same_is_the_same() {
        let same =
            [("two", "too"), ("one", "won"), ("off", "of"), ("right", "rite"), ("night", "knight"), ("sea", "see")];
        for (one, other) in same {
            assert_eq!(Pronunciation::of(one).whole, Pronunciation::of(other).whole, "{one} {other}");
        }
        for (one, other) in [("one", "on"), ("eight", "right"), ("left", "let"), ("go", "no"), ("stop", "start")] {
            assert_ne!(Pronunciation::of(one).whole, Pronunciation::of(other).whole, "{one} {other}");
        }
        assert_eq!(
            Pronunciation::of(""),
            Pronunciation { consonants: String::new(), vowels: String::new(), whole: String::new() }
        );
    }
}
