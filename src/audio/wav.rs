//! Reads WAV files: of any rate from 8 to 192 kHz, with 16, 24 or 32 bit or float samples, and any number of channels.

use std::io::Cursor;

use hound::{SampleFormat, WavReader};

use super::file::{FileError, RATES};
use super::resample;

/// Decodes a WAV file's bytes to mono samples at 16 kHz in [-1, 1], if it lasts no more than `longest` seconds.
///
/// # Errors
/// [`FileError`].
pub fn decode(mut bytes: Vec<u8>, longest: u32) -> Result<Vec<f32>, FileError> {
    settle(&mut bytes);
    let mut reader = WavReader::new(Cursor::new(bytes)).map_err(malformed)?;
    let spec = reader.spec();
    if !RATES.contains(&spec.sample_rate) {
        return Err(FileError::Rate(spec.sample_rate));
    }
    if spec.channels == 0 {
        return Err(FileError::NoChannels);
    }
    let promised = reader.len() as u64;
    if u64::from(reader.duration()) > u64::from(longest) * u64::from(spec.sample_rate) {
        return Err(FileError::TooLong(longest));
    }
    let samples = match (spec.sample_format, spec.bits_per_sample) {
        (SampleFormat::Float, 32) => collect(reader.samples::<f32>(), promised, |s| s)?,
        (SampleFormat::Int, bits @ (16 | 24 | 32)) => {
            let full_scale = (1u64 << (bits - 1)) as f32;
            collect(reader.samples::<i32>(), promised, |s| s as f32 / full_scale)?
        }
        (SampleFormat::Float, bits) => return Err(FileError::Format(bits, "float")),
        (SampleFormat::Int, bits) => return Err(FileError::Format(bits, "integer")),
    };
    let channels = spec.channels as usize;
    let mean = |frame: &[f32]| frame.iter().map(|s| s.clamp(-1.0, 1.0)).sum::<f32>() / channels as f32;
    let mono = samples.chunks_exact(channels).map(mean);
    let mut clip = resample::clip(mono.collect(), spec.sample_rate)?;
    clip.iter_mut().for_each(|s| *s = s.clamp(-1.0, 1.0));
    Ok(clip)
}

/// The header of a WAV file with `bytes` bytes of 16-bit mono samples at 16 kHz after it.
pub fn header(bytes: u32) -> [u8; 44] {
    let rate = super::SAMPLE_RATE;
    let mut header = *b"RIFF____WAVEfmt \x10\0\0\0\x01\0\x01\0____----\x02\0\x10\0data____";
    let mut put = |at: usize, value: u32| header[at..at + 4].copy_from_slice(&value.to_le_bytes());
    put(4, bytes + 36);
    put(24, rate);
    put(28, rate * 2);
    put(40, bytes);
    header
}

fn collect<S>(
    samples: impl Iterator<Item = Result<S, hound::Error>>,
    promised: u64,
    to_f32: impl Fn(S) -> f32,
) -> Result<Vec<f32>, FileError> {
    let mut out = Vec::new();
    for sample in samples {
        let found = out.len() as u64;
        let value = to_f32(sample.map_err(|e| match e {
            hound::Error::IoError(_) => FileError::CutShort { promised, found },
            other => malformed(other),
        })?);
        if !value.is_finite() {
            return Err(FileError::NotFinite(found));
        }
        out.push(value);
    }
    Ok(out)
}

fn malformed(error: hound::Error) -> FileError {
    FileError::Malformed(match error {
        hound::Error::IoError(_) => "the file ends inside its header".into(),
        hound::Error::FormatError(what) => what.into(),
        hound::Error::Unsupported => "a compression or layout that is not plain PCM or float".into(),
        other => other.to_string(),
    })
}

/// Repairs the header for hound. It removes all chunks before the sound except the format, because hound takes the
/// padding of a chunk with an odd length for the name of the next one. It also corrects a placeholder for the length of
/// the sound: a program that writes WAV to a pipe does not know the length. ffmpeg writes 0xFFFFFFFF, sox and arecord a
/// number near 2^31.
fn settle(bytes: &mut Vec<u8>) {
    const STREAMED: u32 = 0x7FFF_0000;
    let (mut at, mut format) = (12, Vec::new());
    while let Some(header) = bytes.get(at..at + 8) {
        let written = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        let next = (at + 8).saturating_add(written as usize).saturating_add((written & 1) as usize);
        match &header[..4] {
            b"fmt " => format = bytes.get(at..next).unwrap_or_default().to_vec(),
            b"data" => {
                if written >= STREAMED {
                    let block = format.get(20..22).map_or(1, |b| u16::from_le_bytes([b[0], b[1]])).max(1) as usize;
                    let present = (bytes.len() - at - 8) / block * block;
                    bytes[at + 4..at + 8].copy_from_slice(&(present as u32).to_le_bytes());
                }
                bytes.splice(12..at, format);
                return;
            }
            _ => {}
        }
        at = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::file::MAX_SECONDS;
    use hound::{WavSpec, WavWriter};

    fn spec(channels: u16, sample_rate: u32, bits_per_sample: u16, sample_format: SampleFormat) -> WavSpec {
        WavSpec { channels, sample_rate, bits_per_sample, sample_format }
    }

    fn wav(spec: WavSpec, frames: usize) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut out, spec).unwrap();
        for _ in 0..frames * spec.channels as usize {
            match spec.sample_format {
                SampleFormat::Float => writer.write_sample(0.25f32).unwrap(),
                SampleFormat::Int => writer.write_sample(1i32 << (spec.bits_per_sample - 3)).unwrap(),
            }
        }
        writer.finalize().unwrap();
        out.into_inner()
    }

    fn whole(bytes: Vec<u8>) -> Result<Vec<f32>, FileError> {
        decode(bytes, MAX_SECONDS)
    }

    #[test]
    fn every_width_and_channel_count_gives_the_same_mono_level() {
        for (bits, format) in
            [(16, SampleFormat::Int), (24, SampleFormat::Int), (32, SampleFormat::Int), (32, SampleFormat::Float)]
        {
            for channels in [1, 2, 6] {
                let clip = whole(wav(spec(channels, 16_000, bits, format), 100)).unwrap();
                assert_eq!(clip.len(), 100, "{bits} bit, {channels} channels");
                assert!(clip.iter().all(|s| (s - 0.25).abs() < 1e-3), "{bits} bit, {channels} channels: {}", clip[0]);
            }
        }
    }

    #[test]
    fn what_cannot_be_read_says_what_would_do() {
        let int = SampleFormat::Int;
        let cases = [
            (b"".to_vec(), "ends inside its header"),
            (b"not a wav at all, but long enough to look".to_vec(), "not a WAV file"),
            (wav(spec(1, 16_000, 8, int), 10), "8-bit integer samples; use 16, 24 or 32 bit"),
            (wav(spec(1, 4_000, 16, int), 10), "4000 Hz; use 8000 to 192000 Hz"),
            (wav(spec(1, 400_000, 16, int), 10), "400000 Hz"),
            (
                wav(spec(1, 16_000, 16, int), 100)[..100].to_vec(),
                "cut short: the header promises 100 samples, the file has 28",
            ),
        ];
        for (bytes, words) in cases {
            let error = whole(bytes).unwrap_err().to_string();
            assert!(error.contains(words), "{error:?} should say {words:?}");
        }
    }

    #[test]
    fn a_sample_that_is_not_a_number_is_named() {
        let mut bytes = wav(spec(1, 16_000, 32, SampleFormat::Float), 10);
        let at = bytes.len() - 8;
        bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        assert_eq!(whole(bytes).unwrap_err().to_string(), "sample 8 is not a finite number");
    }

    #[test]
    fn a_streamed_header_without_a_length_is_read_to_its_end() {
        for streamed in [0xFFFF_FFFFu32, 0x7FFF_FFFF, 0x7FFF_F000] {
            let mut bytes = wav(spec(1, 16_000, 16, SampleFormat::Int), 100);
            let data = bytes.len() - 200 - 4;
            bytes[data..data + 4].copy_from_slice(&streamed.to_le_bytes());
            assert_eq!(whole(bytes).unwrap().len(), 100);
        }
    }

    /// A file with a chunk before the format, of an odd length and with its padding.
    fn with_an_odd_chunk(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.splice(12..12, *b"LIST\x03\0\0\0abc\0");
        bytes
    }

    #[test]
    fn a_chunk_of_odd_length_is_skipped_with_its_padding() {
        let bytes = with_an_odd_chunk(wav(spec(2, 16_000, 16, SampleFormat::Int), 100));
        assert_eq!(whole(bytes).unwrap().len(), 100);
    }

    #[test]
    fn a_streamed_header_after_another_chunk_is_read_to_its_end() {
        let mut bytes = with_an_odd_chunk(wav(spec(2, 16_000, 16, SampleFormat::Int), 100));
        let data = bytes.len() - 400 - 4;
        bytes[data..data + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(whole(bytes).unwrap().len(), 100);
    }

    #[test]
    fn floats_beyond_full_scale_are_clipped_before_they_are_mixed_and_resampled() {
        for (rate, channels) in [(16_000, 2), (48_000, 1), (44_100, 2)] {
            let mut bytes = wav(spec(channels, rate, 32, SampleFormat::Float), 4_800);
            let samples = 4_800 * channels as usize;
            bytes.truncate(bytes.len() - 4 * samples);
            bytes.extend(f32::MAX.to_le_bytes().repeat(samples));
            let clip = whole(bytes).unwrap();
            assert!((clip[clip.len() / 2] - 1.0).abs() < 0.01, "{rate} Hz: {}", clip[clip.len() / 2]);
        }
    }

    #[test]
    fn a_header_makes_a_wav_of_bare_samples() {
        let samples: Vec<u8> = [0i16, 8_192, -16_384].iter().flat_map(|s| s.to_le_bytes()).collect();
        let file = [&header(samples.len() as u32)[..], &samples].concat();
        assert_eq!(file[..44], wav(spec(1, 16_000, 16, SampleFormat::Int), 3)[..44]);
        assert_eq!(whole(file).unwrap(), [0.0, 0.25, -0.5]);
    }

    #[test]
    fn an_empty_recording_is_read_as_no_samples() {
        assert!(whole(wav(spec(2, 48_000, 16, SampleFormat::Int), 0)).unwrap().is_empty());
    }
}
