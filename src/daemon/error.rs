//! The errors that end the program, and their exit codes.

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

/// An error that ends the program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration has faults or cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The microphone cannot be opened, or sound input failed for good.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// The recognizer cannot be loaded.
    #[error(transparent)]
    Recognize(#[from] RecognizeError),
    /// The pins cannot be claimed.
    #[error(transparent)]
    Gpio(#[from] GpioError),
    /// The kernel refused something.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// `require_tmpfs` is set and the scratch directory is on a disk.
    #[error("scratch directory {} is not on tmpfs, and scratch.require_tmpfs is set", .0.display())]
    NotInMemory(PathBuf),
    /// The scratch directory cannot be used.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// The processor lacks instructions that the program was built with.
    #[error("{0}")]
    Processor(String),
    /// The server for uploads cannot be started.
    #[error("serve: {what}: {cause}")]
    Serve {
        /// What failed.
        what: String,
        /// The message of the kernel.
        #[source]
        cause: io::Error,
    },
    /// The password for the broker or the certificates cannot be read.
    #[error("mqtt: {what}: {cause}")]
    Mqtt {
        /// What cannot be read.
        what: String,
        /// The message of the kernel.
        #[source]
        cause: io::Error,
    },
    /// A thread panicked.
    #[error("the thread {0} panicked")]
    Panicked(&'static str),
    /// The data of an evaluation have faults, or its result is below what was required.
    #[error("{0}")]
    Evaluation(String),
    /// Some of the given files could not be processed. Each of them was reported.
    #[error("{0} of {1} files failed")]
    Files(usize, usize),
}

impl Error {
    /// The exit code: 78 if starting again cannot help, as with a bad configuration; otherwise 1.
    pub fn exit_code(&self) -> ExitCode {
        let lasting = matches!(self, Error::Config(_) | Error::NotInMemory(_) | Error::Processor(_));
        ExitCode::from(if lasting { EX_CONFIG } else { 1 })
    }
}
