//! Compressed sound: each format as its encoder writes it, and damaged.

use std::fs;

use hearken::audio::file;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::for_any;
use crate::laws;
use crate::support::{data, samples};

const FILES: [&str; 5] = ["flac.flac", "mp3.mp3", "aac.m4a", "opus.ogg", "opus.webm"];

fn read(name: &str) -> Vec<u8> {
    fs::read(data("compressed").join(name)).unwrap()
}

/// How alike two sounds are where they fit best, within 80 ms: 1 for the same, whatever their levels.
fn likeness(a: &[f32], b: &[f32]) -> f32 {
    let power = |x: &[f32]| x.iter().map(|s| s * s).sum::<f32>().sqrt();
    let at = |shift: usize, a: &[f32], b: &[f32]| {
        let product: f32 = a[shift..].iter().zip(b).map(|(a, b)| a * b).sum();
        product / (power(a) * power(b))
    };
    (0..1280).map(|shift| at(shift, a, b).max(at(shift, b, a))).fold(0.0, f32::max)
}

#[test]
fn every_format_gives_the_sound_that_was_encoded() {
    let clip = samples(&data("home/turn on the lights.wav"));
    for name in FILES {
        let decoded = file::decode(read(name), 30).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(decoded.len().abs_diff(clip.len()) < 1600, "{name}: {} of {} samples", decoded.len(), clip.len());
        let likeness = likeness(&decoded, &clip);
        assert!(likeness > 0.97, "{name}: {likeness}");
    }
}

#[test]
fn sound_that_is_too_long_is_refused() {
    for name in FILES {
        assert_eq!(file::decode(read(name), 1).unwrap_err().to_string(), "longer than 1 s", "{name}");
    }
}

#[test]
fn damage_that_the_format_can_tell_is_refused() {
    for (name, what) in [("flac.flac", "checksum"), ("aac.m4a", "decoded"), ("opus.webm", "")] {
        let mut file = read(name);
        let middle = file.len() / 2;
        file[middle..middle + 200].fill(0x55);
        if let Err(error) = file::decode(file, 30) {
            assert!(error.to_string().contains(what), "{name}: {error}");
        } else {
            assert_eq!(what, "", "{name} should be refused");
        }
    }
    for name in ["flac.flac", "aac.m4a", "opus.webm"] {
        let file = read(name);
        assert!(file::decode(file[..file.len() / 2].to_vec(), 30).is_err(), "{name}, cut in half");
    }
}

#[test]
fn a_damaged_file_is_refused_in_words_or_gives_sound_within_its_limits() {
    let change = (any::<Index>(), any::<u8>());
    let damage = (select(FILES.to_vec()), vec(change, 0..9), any::<bool>(), any::<Index>());
    for_any(damage, |(name, changes, cut, end)| {
        let mut file = read(name);
        for (at, byte) in changes {
            // The header is short, and damage there reaches most of the reader.
            let from = if byte % 2 == 0 { file.len() } else { 400 };
            file[at.index(from)] = byte;
        }
        if cut {
            file.truncate(end.index(file.len()));
        }
        laws::compressed(file).is_some()
    });
}
