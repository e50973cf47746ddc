//! What can end the program, and the exit code for it.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::act::gpio::GpioError;
use crate::audio::AudioError;
use crate::config::ConfigError;
use crate::recognize::RecognizeError;
use crate::utterance::scratch::ScratchError;

/// Exit code for a bad configuration: EX_CONFIG of sysexits.h. systemd does not restart on it.
pub const EX_CONFIG: u8 = 78;

/// What can end the program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration has faults or cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No microphone, or it was lost.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// No model.
    #[error(transparent)]
    Recognize(#[from] RecognizeError),
    /// No pins.
    #[error(transparent)]
    Gpio(#[from] GpioError),
    /// The kernel refused something.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// `require_tmpfs` is set and the scratch directory is on a disk.
    #[error("scratch directory {} is not on tmpfs, and scratch.require_tmpfs is set", .0.display())]
    NotInMemory(PathBuf),
    /// No scratch directory.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// The processor lacks instructions that the program has.
    #[error("{0}")]
    Processor(String),
    /// A thread died.
    #[error("the thread {0} panicked")]
    Panicked(&'static str),
    /// What is to be evaluated is not as it should be, or the result is not what was asked for.
    #[error("{0}")]
    Evaluation(String),
    /// Some of the files given could not be handled; each was reported.
    #[error("{0} of {1} files failed")]
    Files(usize, usize),
}

impl Error {
    /// The exit code: 78 where starting again cannot help, as with a bad configuration; 1 for all else.
    pub fn exit_code(&self) -> ExitCode {
        let lasting = matches!(self, Error::Config(_) | Error::NotInMemory(_) | Error::Processor(_));
        ExitCode::from(if lasting { EX_CONFIG } else { 1 })
    }
}
