//! Decodes compressed sound: FLAC, MP3, Ogg with Opus or Vorbis, WebM with Opus or Vorbis, and MP4 with AAC.
//!
//! Whatever is damaged is refused: a decision on half of what somebody said could be a wrong one.

use std::io::Cursor;

use ropus::DecodeMode;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::packet::Packet;

use super::file::{FileError, RATES};
use super::{SAMPLE_RATE, resample};

/// How the files begin: where, and with which bytes. For FLAC, Ogg, WebM (EBML), MP3 with tags (ID3v2) and MP4
/// (ISO 14496-12).
const BEGINNINGS: [(usize, &[u8]); 5] =
    [(0, b"fLaC"), (0, b"OggS"), (0, b"\x1A\x45\xDF\xA3"), (0, b"ID3"), (4, b"ftyp")];
/// Longest packet of Opus in samples at 16 kHz: 120 ms (RFC 6716, section 2.1.4).
const OPUS_PACKET: usize = SAMPLE_RATE as usize * 120 / 1000;

/// Whether `file` begins like one of the formats that are decoded here.
pub fn is_known(file: &[u8]) -> bool {
    // MP3 without tags begins with a frame: eleven set bits, a version, and layer III (ISO 11172-3, 2.4.2.3).
    let is_mp3 = matches!(file, [0xFF, second, ..] if second & 0b1110_0110 == 0b1110_0010);
    let begins = |(at, with): &(usize, &[u8])| file.get(*at..).is_some_and(|rest| rest.starts_with(with));
    is_mp3 || BEGINNINGS.iter().any(begins)
}

/// Decodes a file to mono samples at 16 kHz in [-1, 1], if it lasts no more than `longest` seconds.
///
/// # Errors
/// [`FileError`].
pub fn decode(file: Vec<u8>, longest: u32) -> Result<Vec<f32>, FileError> {
    let source = MediaSourceStream::new(Box::new(Cursor::new(file)), Default::default());
    let mut file = symphonia::default::get_probe()
        .probe(&Default::default(), source, Default::default(), Default::default())
        .map_err(damaged)?;
    let Some((track, mut decoder)) = sound_of(file.as_ref())? else {
        return Err(FileError::Compressed("there is no sound in it".into()));
    };
    let (mut mono, mut rate) = (Vec::new(), None);
    while let Some(packet) = file.next_packet().map_err(damaged)? {
        if packet.track_id != track {
            continue;
        }
        let its_rate = match decoder.decode(&packet, &mut mono) {
            // The first frames of an MP3 may need sound that stood before the cut.
            Err(Error::DecodeError(_)) if mono.is_empty() => continue,
            its_rate => its_rate.map_err(damaged)?,
        };
        if *rate.get_or_insert(its_rate) != its_rate {
            return Err(FileError::Compressed("its sample rate changes".into()));
        }
        if mono.len() as u64 > u64::from(longest) * u64::from(its_rate) {
            return Err(FileError::TooLong(longest));
        }
    }
    let rate = rate.unwrap_or(SAMPLE_RATE);
    if !RATES.contains(&rate) {
        return Err(FileError::Rate(rate));
    }
    if let Some(place) = mono.iter().position(|sample: &f32| !sample.is_finite()) {
        return Err(FileError::NotFinite(place as u64));
    }
    let mut clip = resample::clip(mono, rate)?;
    clip.iter_mut().for_each(|sample| *sample = sample.clamp(-1.0, 1.0));
    Ok(clip)
}

/// The number of the track with sound, and what decodes it.
fn sound_of(file: &dyn FormatReader) -> Result<Option<(u32, Decoder)>, FileError> {
    let Some(track) = file.default_track(TrackType::Audio) else { return Ok(None) };
    let Some(parameters) = track.codec_params.as_ref().and_then(|parameters| parameters.audio()) else {
        return Ok(None);
    };
    Ok(Some((track.id, Decoder::new(parameters)?)))
}

/// What decodes the packets of a track.
enum Decoder {
    /// Opus, which gives mono at 16 kHz from any file.
    Opus(Box<ropus::Decoder>),
    /// Any other codec, and the samples of the last packet, all channels in turn.
    Other(Box<dyn AudioDecoder>, Vec<f32>),
}

impl Decoder {
    fn new(parameters: &AudioCodecParameters) -> Result<Decoder, FileError> {
        if parameters.codec != CODEC_ID_OPUS {
            let decoder = symphonia::default::get_codecs().make_audio_decoder(parameters, &Default::default());
            return Ok(Decoder::Other(decoder.map_err(damaged)?, Vec::new()));
        }
        if parameters.channels.as_ref().is_some_and(|channels| channels.count() > 2) {
            return Err(FileError::Compressed("Opus with more than two channels".into()));
        }
        let decoder = ropus::Decoder::new(SAMPLE_RATE, ropus::Channels::Mono);
        Ok(Decoder::Opus(Box::new(decoder.map_err(|error| FileError::Compressed(error.to_string()))?)))
    }

    /// Adds the mono samples of `packet` to `mono`. Returns their rate in Hz.
    fn decode(&mut self, packet: &Packet, mono: &mut Vec<f32>) -> Result<u32, Error> {
        match self {
            Decoder::Opus(decoder) => {
                let mut sound = [0.0; OPUS_PACKET];
                let decoded = decoder.decode_float(&packet.data, &mut sound, DecodeMode::Normal);
                let length = decoded.map_err(|_| Error::DecodeError("a damaged packet of Opus"))?;
                mono.extend_from_slice(&sound[..length]);
                Ok(SAMPLE_RATE)
            }
            Decoder::Other(decoder, samples) => {
                let sound = decoder.decode(packet)?;
                let (rate, channels) = (sound.spec().rate(), sound.spec().channels().count().max(1));
                samples.resize(sound.samples_interleaved(), 0.0);
                sound.copy_to_slice_interleaved(&mut samples[..]);
                let mean = |frame: &[f32]| frame.iter().map(|s| s.clamp(-1.0, 1.0)).sum::<f32>() / channels as f32;
                mono.extend(samples.chunks_exact(channels).map(mean));
                Ok(rate)
            }
        }
    }
}

fn damaged(error: Error) -> FileError {
    FileError::Compressed(match error {
        Error::IoError(_) => "the file is cut short".into(),
        Error::ResetRequired => "there are several recordings in it".into(),
        other => other.to_string(),
    })
}
