//! Converts text to Whisper's tokens by byte-pair encoding with the vocabulary of the model. No input or output.
//!
//! Whisper uses GPT-2's vocabulary, in which the id of a token is its merge rank, so no other data are needed.
//! whisper.cpp's own tokenizer is not used: it is greedy, drops non-ASCII letters and can overrun its buffer.

use std::collections::HashMap;

/// A token's id.
pub type Token = i32;

/// GPT-2's contractions, which are separated from a word before it is encoded.
const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

/// The text tokens of a model.
pub struct Tokenizer {
    bytes: Vec<Vec<u8>>,
    rank: HashMap<Vec<u8>, Token>,
}

impl Tokenizer {
    /// Makes a tokenizer from the bytes of the text tokens, in the order of their ids.
    pub fn new(bytes: Vec<Vec<u8>>) -> Tokenizer {
        let mut rank = HashMap::with_capacity(bytes.len());
        for (id, token) in bytes.iter().enumerate().filter(|(_, b)| !b.is_empty()) {
            rank.entry(token.clone()).or_insert(id as Token);
        }
        Tokenizer { bytes, rank }
    }

    /// The tokens of `text`; `None` if a byte of it is not in the vocabulary.
    pub fn encode(&self, text: &str) -> Option<Vec<Token>> {
        let mut tokens = Vec::new();
        for word in words(text) {
            self.encode_word(word.as_bytes(), &mut tokens)?;
        }
        Some(tokens)
    }

    /// The text of `tokens`. Bytes that are not UTF-8 are replaced; tokens that are not text are left out.
    pub fn decode(&self, tokens: &[Token]) -> String {
        let bytes: Vec<u8> = tokens.iter().filter_map(|t| self.bytes.get(*t as usize)).flatten().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Merges the neighbours with the lowest rank until none can be merged.
    fn encode_word(&self, word: &[u8], tokens: &mut Vec<Token>) -> Option<()> {
        let mut parts: Vec<Vec<u8>> = word.iter().map(|b| vec![*b]).collect();
        loop {
            let merged = |i: usize| self.rank.get(&[&parts[i][..], &parts[i + 1]].concat()).map(|rank| (*rank, i));
            let Some((_, i)) = (0..parts.len().saturating_sub(1)).filter_map(merged).min() else { break };
            let right = parts.remove(i + 1);
            parts[i].extend(right);
        }
        for part in parts {
            tokens.push(*self.rank.get(&part)?);
        }
        Some(())
    }
}

/// GPT-2's split before encoding: contractions, then runs of letters, digits or other signs, each with a space before
/// it.
fn words(text: &str) -> Vec<&str> {
    let class = |c: char| match c {
        c if c.is_alphabetic() => 0,
        c if c.is_numeric() => 1,
        c if c.is_whitespace() => 2,
        _ => 3,
    };
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match CONTRACTIONS.iter().find(|c| rest.starts_with(**c)) {
            Some(contraction) => contraction.len(),
            None => {
                let space = if first == ' ' { 1 } else { 0 };
                let run = &rest[space..];
                let kind = run.chars().next().map(class);
                let end = run.char_indices().find(|(_, c)| Some(class(*c)) != kind).map_or(run.len(), |(i, _)| i);
                space + end
            }
        };
        let (word, after) = rest.split_at(length.max(1));
        words.push(word);
        rest = after;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_split_as_gpt2_does() {
        let cases = [
            (" turn on", vec![" turn", " on"]),
            (" What's 50% now", vec![" What", "'s", " 50", "%", " now"]),
            (" T.V.", vec![" T", ".", "V", "."]),
            (" twenty-five", vec![" twenty", "-", "five"]),
            ("-ounce", vec!["-", "ounce"]),
            (" größer", vec![" größer"]),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn the_lowest_rank_merges_first() {
        let vocabulary = ["a", "b", "c", " ", "bc", "ab", " a"];
        let tokenizer = Tokenizer::new(vocabulary.iter().map(|t| t.as_bytes().to_vec()).collect());
        assert_eq!(tokenizer.encode("abc"), Some(vec![0, 4]));
        assert_eq!(tokenizer.encode(" ab"), Some(vec![3, 5]));
        assert_eq!(tokenizer.encode("abz"), None);
        assert_eq!(tokenizer.decode(&[3, 5, 99]), " ab");
    }
}
