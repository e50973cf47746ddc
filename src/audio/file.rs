//! Reads sound files as mono samples at 16 kHz: WAV, and compressed files as browsers and phones write them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::{AudioError, compressed, wav};

/// Longest file that is read, in bytes: 512 MiB, which is 4.6 hours of 16-bit mono at 16 kHz.
pub const MAX_BYTES: u64 = 512 << 20;

/// Longest sound that is read, in seconds: the longest that can be transcribed.
pub const MAX_SECONDS: u32 = 3600;

/// Sample rates that are accepted, in Hz.
pub const RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// A fault of a sound file. The message does not name the file; the caller does.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file is not a regular file.
    #[error("not a regular file; give a sound file, or - for standard input")]
    NotAFile,
    /// The file has more than [`MAX_BYTES`].
    #[error("more than {} MiB", MAX_BYTES >> 20)]
    TooLarge,
    /// The sound lasts longer than this many seconds.
    #[error("longer than {0} s")]
    TooLong(u32),
    /// The header or the data is not WAV.
    #[error("not a WAV file that can be read: {0}")]
    Malformed(String),
    /// The file has less sound than its header says.
    #[error("cut short: the header promises {promised} samples, the file has {found}")]
    CutShort {
        /// Samples that the header promises, all channels counted.
        promised: u64,
        /// Samples found.
        found: u64,
    },
    /// Compressed sound that cannot be decoded: the reason.
    #[error("compressed sound that cannot be decoded: {0}")]
    Compressed(String),
    /// A sample format that is not supported.
    #[error("{0}-bit {1} samples; use 16, 24 or 32 bit, or 32-bit float")]
    Format(u16, &'static str),
    /// A sample rate out of range.
    #[error("{0} Hz; use 8000 to 192000 Hz")]
    Rate(u32),
    /// The file has no channels.
    #[error("no channels")]
    NoChannels,
    /// A float sample that is not a number.
    #[error("sample {0} is not a finite number")]
    NotFinite(u64),
    /// The sound cannot be converted to 16 kHz.
    #[error(transparent)]
    Convert(#[from] AudioError),
}

/// Reads the sound file `path` (`-` is standard input) as mono samples at 16 kHz in [-1, 1]. Blocks until it is read.
///
/// # Errors
/// [`FileError`]; nothing is kept of a file that cannot be read.
pub fn read(path: &Path) -> Result<Vec<f32>, FileError> {
    if path == Path::new("-") {
        return decode(slurp(io::stdin().lock())?, MAX_SECONDS);
    }
    // Checks the metadata first, because opening a FIFO would wait for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(FileError::NotAFile);
    }
    decode(slurp(File::open(path)?)?, MAX_SECONDS)
}

fn slurp(from: impl Read) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    from.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES { Err(FileError::TooLarge) } else { Ok(bytes) }
}

/// Decodes the bytes of a sound file to mono samples at 16 kHz in [-1, 1], if it lasts no more than `longest` seconds.
///
/// # Errors
/// [`FileError`], as for [`read`].
pub fn decode(bytes: Vec<u8>, longest: u32) -> Result<Vec<f32>, FileError> {
    if compressed::is_known(&bytes) { compressed::decode(bytes, longest) } else { wav::decode(bytes, longest) }
}
