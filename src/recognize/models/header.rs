//! Checks the first 48 bytes of a Whisper model, which whisper.cpp does not check.
//!
//! The layout is that of `whisper_model_load` in whisper.cpp: a magic number, then eleven 32-bit integers. In a test
//! with 98 damaged files, wrong integers killed the process by an assertion, a division by zero or the allocation of
//! all memory.

/// "ggml", little-endian.
const MAGIC: u32 = 0x6767_6d6c;

/// Width, heads and encoder layers of tiny, base, small, medium and large.
const SIZES: [[i32; 3]; 5] = [[384, 6, 4], [512, 8, 6], [768, 12, 12], [1024, 16, 24], [1280, 20, 32]];

/// Weight formats: f32, f16, q4_0, q4_1, q8_0, q5_0, q5_1, q2_K to q6_K. (ggml.h, `enum ggml_ftype`)
const FORMATS: [i32; 12] = [0, 1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 14];

/// Added to the format once for each version of the quantization. (ggml.h, `GGML_QNT_VERSION_FACTOR`)
const VERSION: i32 = 1000;

/// The reason why `bytes` cannot be a Whisper model; `None` if they can.
pub fn objection(bytes: &[u8]) -> Option<String> {
    let Some(header) = bytes.first_chunk::<48>() else {
        return Some(format!("{} bytes are no Whisper model", bytes.len()));
    };
    let number =
        |i: usize| i32::from_le_bytes([header[4 * i], header[4 * i + 1], header[4 * i + 2], header[4 * i + 3]]);
    if number(0) as u32 != MAGIC {
        return Some("it does not begin as a Whisper model in ggml format does".into());
    }
    let [vocabulary, positions, width, heads, layers] = [1, 2, 3, 4, 5].map(number);
    let [context, text_width, text_heads, text_layers, mels, format] = [6, 7, 8, 9, 10, 11].map(number);
    let fits = |what: &str, found: i32, allowed: bool| (!allowed).then(|| format!("its header says {what} {found}"));
    let size = SIZES.iter().find(|size| size[0] == width);
    fits("vocabulary", vocabulary, (51_864..=51_866).contains(&vocabulary))
        .or_else(|| fits("audio context", positions, positions == 1500))
        .or_else(|| fits("width", width, size.is_some()))
        .or_else(|| fits("heads", heads, size.is_some_and(|size| size[1] == heads)))
        .or_else(|| fits("layers", layers, size.is_some_and(|size| size[2] == layers)))
        .or_else(|| fits("text context", context, context == 448))
        .or_else(|| fits("text width", text_width, text_width == width))
        .or_else(|| fits("text heads", text_heads, text_heads == heads))
        .or_else(|| fits("text layers", text_layers, (1..=layers).contains(&text_layers)))
        .or_else(|| fits("mel bands", mels, mels == 80 || mels == 128))
        .or_else(|| fits("weight format", format, format >= 0 && FORMATS.contains(&(format % VERSION))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> Vec<u8> {
        let numbers = [MAGIC as i32, 51_864, 1500, 384, 6, 4, 448, 384, 6, 4, 80, 2007];
        numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
    }

    #[test]
    fn a_header_that_would_crash_the_loader_is_objected_to() {
        assert_eq!(objection(&tiny()), None);
        let cases: [(usize, i32, &str); 13] = [
            (0, 0x4654_5747, "it does not begin as a Whisper model"),
            (1, -1, "its header says vocabulary -1"),
            (1, i32::MAX, "vocabulary 2147483647"),
            (2, 1501, "audio context 1501"),
            (3, 385, "width 385"),
            (4, 0, "heads 0"),
            (5, 5, "layers 5"),
            (6, 0, "text context 0"),
            (7, 512, "text width 512"),
            (8, 8, "text heads 8"),
            (9, 400, "text layers 400"),
            (10, 8, "mel bands 8"),
            (11, 5, "weight format 5"),
        ];
        for (index, value, words) in cases {
            let mut header = tiny();
            header[4 * index..4 * index + 4].copy_from_slice(&value.to_le_bytes());
            let objection = objection(&header).unwrap_or_default();
            assert!(objection.contains(words), "{objection:?} should say {words:?}");
        }
        assert!(objection(b"lmgg").unwrap().contains("4 bytes are no Whisper model"));
    }
}
