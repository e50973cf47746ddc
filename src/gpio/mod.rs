//! Output pins behind three drivers.

use std::fmt;

pub mod chardev;
pub mod rpi;
pub mod simulated;

/// An electrical level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// 0 V.
    Low,
    /// The supply: 3.3 V on a Pi.
    High,
}

/// Which line of which chip.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// BCM number on a Pi; elsewhere the line's offset on its chip.
    Number(u32),
    /// The line's name on its chip, as `gpioinfo` prints it.
    Name(String),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Number(number) => write!(f, "GPIO{number}"),
            Line::Name(name) => f.write_str(name),
        }
    }
}

/// A pin to drive, and the level it gets at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its line.
    pub line: Line,
    /// Its level from the first moment.
    pub level: Level,
}

/// Why a pin cannot be driven.
#[derive(Debug, thiserror::Error)]
pub enum GpioError {
    /// This machine has no such pins.
    #[error("no pins: {0}")]
    NoChip(String),
    /// A pin cannot be had or set.
    #[error("pin {line}: {cause}")]
    Pin {
        /// Its line.
        line: Line,
        /// What the driver said.
        cause: String,
    },
    /// The file that the simulated pins are written to.
    #[error("simulated pins in {path}: {cause}")]
    State {
        /// The file.
        path: String,
        /// What the kernel said.
        #[source]
        cause: std::io::Error,
    },
}

/// The pins that were claimed, by their index in the claims. They keep their last level when this is dropped, as far as the
/// driver can: whoever drops it rests them first.
pub trait OutputPins: Send {
    /// Drives pin number `index` to `level`. Returns at once.
    ///
    /// # Errors
    /// [`GpioError`].
    fn set(&mut self, index: usize, level: Level) -> Result<(), GpioError>;
}
