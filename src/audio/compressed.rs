//! Decodes compressed sound: FLAC, MP3, Ogg or WebM with Opus, and MP4 with AAC.
//!
//! What cannot be decoded is refused as a whole: a decision on half of what somebody said could be a wrong one. A file may
//! be made to cost time, so the bytes that are read of it and its packets are limited. Vorbis is left out, because its
//! decoder takes gigabytes for a header of some kilobytes.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use ropus::DecodeMode;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_MP3, CODEC_ID_OPUS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::packet::Packet;

use super::file::{FileError, RATES};
use super::{SAMPLE_RATE, resample};

/// How the files begin: where, and with which bytes. For FLAC, Ogg, WebM (EBML), MP3 with tags (ID3v2) and MP4
/// (ISO 14496-12).
const BEGINNINGS: [(usize, &[u8]); 5] =
    [(0, b"fLaC"), (0, b"OggS"), (0, b"\x1A\x45\xDF\xA3"), (0, b"ID3"), (4, b"ftyp")];
/// Longest packet of Opus in samples at 16 kHz: 120 ms (RFC 6716, section 2.1.4).
const OPUS_PACKET: usize = SAMPLE_RATE as usize * 120 / 1000;
/// Most packets for a second of sound, of all tracks. The shortest of Opus has 2.5 ms (RFC 6716, section 2.1.4).
const PACKETS_A_SECOND: u64 = 1000;
/// Most bytes that are read of a file, for each that it has; a demuxer seeks back a few times.
const READS: u64 = 8;
/// Bytes that may be read of any file besides: a demuxer reads blocks of up to 64 KiB.
const FIRST_READS: u64 = 1 << 20;

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
    let source = MediaSourceStream::new(Box::new(Limited::new(file)), Default::default());
    let mut file = symphonia::default::get_probe()
        .probe(&Default::default(), source, Default::default(), Default::default())
        .map_err(damaged)?;
    let Some((track, mut decoder)) = sound_of(file.as_ref())? else {
        return Err(FileError::Compressed("there is no sound in it".into()));
    };
    let (mut mono, mut rate, mut packets) = (Vec::new(), None, 0);
    while let Some(packet) = file.next_packet().map_err(damaged)? {
        packets += 1;
        if packets > u64::from(longest) * PACKETS_A_SECOND {
            return Err(FileError::TooLong(longest));
        }
        if packet.track_id != track {
            continue;
        }
        let its_rate = match decoder.decode(&packet, &mut mono) {
            Err(Error::DecodeError(_)) if mono.is_empty() && decoder.may_begin_late() => continue,
            its_rate => its_rate.map_err(damaged)?,
        };
        if !RATES.contains(&its_rate) {
            return Err(FileError::Rate(its_rate));
        }
        if *rate.get_or_insert(its_rate) != its_rate {
            return Err(FileError::Compressed("its sample rate changes".into()));
        }
        if mono.len() as u64 > u64::from(longest) * u64::from(its_rate) {
            return Err(FileError::TooLong(longest));
        }
    }
    decoder.end()?;
    if let Some(place) = mono.iter().position(|sample: &f32| !sample.is_finite()) {
        return Err(FileError::NotFinite(place as u64));
    }
    let mut clip = resample::clip(mono, rate.unwrap_or(SAMPLE_RATE))?;
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

/// A file of which no more than [`READS`] times its bytes are read.
struct Limited {
    file: Cursor<Vec<u8>>,
    /// Bytes that may still be read.
    left: u64,
}

impl Limited {
    fn new(file: Vec<u8>) -> Limited {
        Limited { left: FIRST_READS + READS * file.len() as u64, file: Cursor::new(file) }
    }
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let left = self.left.checked_sub(read as u64);
        self.left = left.ok_or_else(|| io::Error::other("it is read again and again"))?;
        Ok(read)
    }
}

impl Seek for Limited {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl MediaSource for Limited {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.file.get_ref().len() as u64)
    }
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
            let options = AudioDecoderOptions::default().verify(true);
            let decoder = symphonia::default::get_codecs().make_audio_decoder(parameters, &options);
            return Ok(Decoder::Other(decoder.map_err(damaged)?, Vec::new()));
        }
        if parameters.channels.as_ref().is_some_and(|channels| channels.count() > 2) {
            return Err(FileError::Compressed("Opus with more than two channels".into()));
        }
        let decoder = ropus::Decoder::new(SAMPLE_RATE, ropus::Channels::Mono);
        Ok(Decoder::Opus(Box::new(decoder.map_err(|error| FileError::Compressed(error.to_string()))?)))
    }

    /// Whether the first packets may need sound that stood before the file was cut, as those of MP3 may.
    fn may_begin_late(&self) -> bool {
        matches!(self, Decoder::Other(decoder, _) if decoder.codec_params().codec == CODEC_ID_MP3)
    }

    /// Compares the sound with the checksum of the file, if that has one, as FLAC has.
    fn end(&mut self) -> Result<(), FileError> {
        let Decoder::Other(decoder, _) = self else { return Ok(()) };
        let matches = decoder.finalize().verify_ok.unwrap_or(true);
        let damaged = || FileError::Compressed("the sound does not match its checksum".into());
        if matches { Ok(()) } else { Err(damaged()) }
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
        Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => "the file is cut short".into(),
        Error::ResetRequired => "there are several recordings in it".into(),
        other => other.to_string(),
    })
}
