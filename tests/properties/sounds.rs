//! WAV files: of every make, damaged, and with floats of any size.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::for_any;
use crate::laws;

/// A WAV file of one level a channel.
#[derive(Debug, Clone)]
struct Wave {
    rate: u32,
    bits: u16,
    is_float: bool,
    extensible: bool,
    /// One for each channel.
    levels: Vec<f32>,
    frames: usize,
    /// Other chunks before the format, before the data and after it.
    others: [Vec<(&'static str, Vec<u8>)>; 3],
    /// The length that a pipe's writer leaves in the header.
    streamed: Option<u32>,
}

impl Wave {
    fn any() -> impl Strategy<Value = Wave> {
        let rate = prop_oneof![
            800 => Just(16_000u32),
            600 => select(vec![8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000]),
            // Few: a rate that shares no factor with 16,000 takes a transform of many thousand points.
            10 => 8_000..=192_000u32,
        ];
        let format = select(vec![(16, false), (24, false), (32, false), (32, true)]);
        let chunk = (select(vec!["LIST", "JUNK", "bext", "fact", "id3 "]), vec(any::<u8>(), 0..30));
        let others = [vec(chunk.clone(), 0..3), vec(chunk.clone(), 0..3), vec(chunk, 0..3)];
        let streamed = option::weighted(0.2, select(vec![0xFFFF_FFFF, 0x7FFF_FFFF, 0x7FFF_F000]));
        let levels = vec(-1.0..=1.0f32, 1..7);
        (rate, format, any::<bool>(), levels, 0..60usize, 0..3usize, others, streamed).prop_map(
            |(rate, (bits, is_float), extensible, levels, ms, more, others, streamed)| {
                let frames = rate as usize * ms / 1000 + more;
                Wave { rate, bits, is_float, extensible, levels, frames, others, streamed }
            },
        )
    }

    fn bytes(&self) -> Vec<u8> {
        let [before_format, before_data, after] = &self.others;
        let mut file = b"RIFF\0\0\0\0WAVE".to_vec();
        let mut chunk = |name: &str, length: u32, content: &[u8]| {
            file.extend_from_slice(name.as_bytes());
            file.extend_from_slice(&length.to_le_bytes());
            file.extend_from_slice(content);
            file.resize(file.len() + content.len() % 2, 0);
        };
        before_format.iter().for_each(|(name, content)| chunk(name, content.len() as u32, content));
        let format = self.format();
        chunk("fmt ", format.len() as u32, &format);
        before_data.iter().for_each(|(name, content)| chunk(name, content.len() as u32, content));
        let data = self.data();
        match self.streamed {
            Some(length) => chunk("data", length, &data),
            None => {
                chunk("data", data.len() as u32, &data);
                after.iter().for_each(|(name, content)| chunk(name, content.len() as u32, content));
            }
        }
        file
    }

    fn format(&self) -> Vec<u8> {
        let (channels, code) = (self.levels.len() as u16, if self.is_float { 3u16 } else { 1 });
        let block = channels * self.bits / 8;
        let mut format = if self.extensible { 0xFFFEu16 } else { code }.to_le_bytes().to_vec();
        format.extend(channels.to_le_bytes());
        format.extend(self.rate.to_le_bytes());
        format.extend((self.rate * block as u32).to_le_bytes());
        format.extend(block.to_le_bytes());
        format.extend(self.bits.to_le_bytes());
        if self.extensible {
            format.extend(22u16.to_le_bytes());
            format.extend(self.bits.to_le_bytes());
            format.extend(0u32.to_le_bytes());
            format.extend(code.to_le_bytes());
            format.extend([0, 0, 0, 0, 16, 0, 128, 0, 0, 170, 0, 56, 155, 113]);
        }
        format
    }

    fn data(&self) -> Vec<u8> {
        let full_scale = (1i64 << (self.bits - 1)) as f64;
        let sample = |level: &f32| match self.is_float {
            true => level.to_le_bytes().to_vec(),
            false => {
                let number = (*level as f64 * full_scale).min(full_scale - 1.0) as i32;
                number.to_le_bytes()[..self.bits as usize / 8].to_vec()
            }
        };
        self.levels.iter().flat_map(sample).collect::<Vec<u8>>().repeat(self.frames)
    }
}

#[test]
fn a_wav_file_of_any_make_is_read_at_its_length_and_level() {
    for_any(Wave::any(), |wave| {
        let samples = laws::wav(wave.bytes()).expect("a good file is read");
        let length = wave.frames as f64 * 16_000.0 / wave.rate as f64;
        assert!((samples.len() as f64 - length).abs() <= 1.0, "{} samples instead of {length}", samples.len());
        let level = wave.levels.iter().sum::<f32>() / wave.levels.len() as f32;
        // A resampler rings where a level begins and ends.
        let steady =
            if wave.rate == 16_000 { 0..samples.len() } else { 320..samples.len().saturating_sub(320).max(320) };
        let off = samples.get(steady).into_iter().flatten().find(|s| (**s - level).abs() > 0.01);
        assert_eq!(off, None, "all should be at {level}");
        true
    });
}

/// What a disk or an enemy does to a file.
#[derive(Debug, Clone)]
enum Damage {
    Cut(usize),
    Byte(usize, u8),
    Number(usize, u32),
    Insert(usize, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let at = || prop_oneof![4 => 0..80usize, 1 => 0..4000usize];
    let number = prop_oneof![select(vec![0, 1, 7, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x7F7F_FFFF]), any::<u32>()];
    let one = prop_oneof![
        at().prop_map(Damage::Cut),
        (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        (at(), number).prop_map(|(at, number)| Damage::Number(at, number)),
        (at(), vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ];
    vec(one, 1..4)
}

#[test]
fn a_damaged_wav_file_is_read_within_range_or_refused() {
    for_any((Wave::any(), damage()), |(wave, damage)| {
        let mut file = wave.bytes();
        for one in damage {
            match one {
                Damage::Cut(at) => file.truncate(at.max(20)),
                Damage::Byte(at, byte) => file.iter_mut().skip(at).take(1).for_each(|b| *b = byte),
                Damage::Number(at, number) => {
                    file.iter_mut().skip(at).zip(number.to_le_bytes()).for_each(|(b, byte)| *b = byte);
                }
                Damage::Insert(at, bytes) => drop(file.splice(at.min(file.len())..at.min(file.len()), bytes)),
            }
        }
        laws::wav(file).is_some()
    });
}

#[test]
fn float_samples_of_any_size_are_read_within_range_or_refused() {
    let level = prop_oneof![prop::num::f32::ANY, select(vec![f32::MAX, f32::MIN, f32::INFINITY, f32::NAN])];
    let wave =
        (Wave::any(), vec(level, 1..7)).prop_map(|(wave, levels)| Wave { bits: 32, is_float: true, levels, ..wave });
    for_any(wave, |wave| {
        let finite = wave.frames == 0 || wave.levels.iter().all(|level| level.is_finite());
        assert_eq!(laws::wav(wave.bytes()).is_some(), finite);
        finite
    });
}
