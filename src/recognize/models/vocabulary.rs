//! Reads the vocabulary of a Whisper model from its file, without loading the model, to see how words are split into
//! tokens.
//!
//! The layout is that of `whisper_model_load` in whisper.cpp: after the header come the two dimensions of the mel
//! filters, the filters, the number of tokens, and each token with its length before it.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use super::{directories, header};

/// Bytes of a file that are read: header, filters and vocabulary take 0.6 MB.
const MOST_BYTES: u64 = 4 << 20;

/// The tokens of the model `name`, by their ids; `None` if the file is missing or is no Whisper model. The file is not
/// compared with the manifest, so the result is not verified.
pub fn vocabulary(name: &str) -> Option<Vec<Vec<u8>>> {
    let path = directories().iter().map(|dir| dir.join(name)).find(|path: &PathBuf| path.is_file())?;
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    read(&bytes)
}

fn read(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    if header::objection(bytes).is_some() {
        return None;
    }
    let mut rest = &bytes[48..];
    let filters = number(&mut rest)?.checked_mul(number(&mut rest)?)?.checked_mul(4)?;
    rest = rest.get(filters..)?;
    let count = number(&mut rest)?;
    let mut token = || {
        let length = number(&mut rest)?;
        let (token, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(token.to_vec())
    };
    // Each token takes at least four bytes, so a wrong count ends when the bytes end.
    (0..count).map(|_| token()).collect()
}

fn number(rest: &mut &[u8]) -> Option<usize> {
    let (first, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    usize::try_from(u32::from_le_bytes(*first)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_models_vocabulary_reads_and_a_cut_one_does_not() {
        let tokens = vocabulary("ggml-tiny.en-q8_0.bin").unwrap();
        assert_eq!((tokens.len(), tokens[0].as_slice()), (50_257, b"!".as_slice()));
        assert!(tokens.iter().any(|token| token == b" kitchen"));
        assert_eq!(vocabulary("ggml-silero-v6.2.0.bin"), None);
        assert_eq!(vocabulary("no-such-model.bin"), None);
        let file = directories().iter().map(|dir| dir.join("ggml-tiny.en-q8_0.bin")).find(|path| path.is_file());
        let bytes = std::fs::read(file.unwrap()).unwrap();
        for length in [0, 47, 48, 52, 60_000, 64_384, 100_000] {
            assert_eq!(read(&bytes[..length]), None, "{length} bytes");
        }
        let mut endless = bytes[..100_000].to_vec();
        endless[48..56].fill(0xff);
        assert_eq!(read(&endless), None);
    }
}
