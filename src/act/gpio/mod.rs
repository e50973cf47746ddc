//! Pins behind three drivers. A driver more is a file here, a variant of [`Backend`], and a line in each `open`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub mod chardev;
mod pwm;
pub mod rpi;
pub mod simulated;

pub use pwm::FASTEST_HERTZ;

use chardev::{ChardevInputs, ChardevPins};
use rpi::{RpiInputs, RpiPins};
use simulated::{SimulatedInputs, SimulatedPins};

/// Which driver switches the pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The Raspberry Pi's registers.
    Rppal,
    /// The kernel's GPIO character device, any chip.
    Gpiocdev,
    /// No pins: the state is written to a file or to standard output.
    Simulated,
}

impl Backend {
    /// Names as a configuration writes them.
    pub const NAMES: [(&'static str, Backend); 3] =
        [("rppal", Backend::Rppal), ("gpiocdev", Backend::Gpiocdev), ("simulated", Backend::Simulated)];

    /// The backend called `name`.
    pub fn named(name: &str) -> Option<Backend> {
        Self::NAMES.iter().find(|(n, _)| *n == name).map(|(_, backend)| *backend)
    }
}

/// How pins are driven.
#[derive(Debug, Clone, PartialEq)]
pub struct GpioSettings {
    /// The driver.
    pub backend: Backend,
    /// For gpiocdev: the chip's label, name or path; may be empty.
    pub chip: String,
    /// For simulated pins: the file to write their levels to; `-` is standard output.
    pub state: Option<PathBuf>,
    /// For simulated pins: the file to read the buttons' levels from.
    pub inputs: Option<PathBuf>,
}

/// Claims the pins of outputs, each with its level from the first moment. Without a claim no driver is opened.
///
/// # Errors
/// [`GpioError`]: no such chip or pin, no permission, held by another.
pub fn open(settings: &GpioSettings, claims: &[Claim]) -> Result<Box<dyn OutputPins>, GpioError> {
    Ok(match settings.backend {
        _ if claims.is_empty() => Box::new(SimulatedPins::claim(None, claims)?),
        Backend::Rppal => Box::new(RpiPins::claim(claims)?),
        Backend::Gpiocdev => Box::new(ChardevPins::claim(&settings.chip, claims)?),
        Backend::Simulated => Box::new(SimulatedPins::claim(settings.state.as_deref(), claims)?),
    })
}

/// Claims the pins of buttons. Without one no driver is opened.
///
/// # Errors
/// As [`open`].
pub fn open_inputs(settings: &GpioSettings, senses: &[Sense]) -> Result<Box<dyn InputPins>, GpioError> {
    Ok(match settings.backend {
        _ if senses.is_empty() => Box::new(SimulatedInputs::claim(None, senses)),
        Backend::Rppal => Box::new(RpiInputs::claim(senses)?),
        Backend::Gpiocdev => Box::new(ChardevInputs::claim(&settings.chip, senses)?),
        Backend::Simulated => Box::new(SimulatedInputs::claim(settings.inputs.as_deref(), senses)),
    })
}

/// A share of the time, in thousandths: 0 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duty(u16);

impl Duty {
    /// Never.
    pub const NONE: Duty = Duty(0);
    /// Always.
    pub const FULL: Duty = Duty(1000);

    /// So many thousandths; more than 1000 are 1000.
    pub fn thousandths(thousandths: u16) -> Duty {
        Duty(thousandths.min(1000))
    }

    /// In thousandths.
    pub fn get(self) -> u16 {
        self.0
    }

    /// The rest of the time.
    pub fn complement(self) -> Duty {
        Duty(1000 - self.0)
    }

    /// Nearer to `goal` by `step` thousandths at most.
    pub fn towards(self, goal: Duty, step: u16) -> Duty {
        Duty(goal.0.clamp(self.0.saturating_sub(step), self.0.saturating_add(step)))
    }
}

impl From<bool> for Duty {
    fn from(on: bool) -> Duty {
        if on { Duty::FULL } else { Duty::NONE }
    }
}

/// An electrical level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// 0 V.
    Low,
    /// The supply: 3.3 V on a Pi.
    High,
    /// High for this share of the time, by turns with low: pulse-width modulation. Only for a pin that was claimed for it.
    Pwm(Duty),
}

impl Level {
    /// The share of the time that it is high.
    pub fn duty(self) -> Duty {
        match self {
            Level::Low => Duty::NONE,
            Level::High => Duty::FULL,
            Level::Pwm(duty) => duty,
        }
    }
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
    /// How it can be dimmed, if at all.
    pub pwm: Option<Pwm>,
}

/// How a pin is dimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pwm {
    /// Turns of high and low in a second.
    pub hertz: u32,
    /// Where the board has a generator for this pin.
    pub hardware: Option<PwmChannel>,
}

impl Pwm {
    /// The length of a turn.
    pub fn period(&self) -> Duration {
        Duration::from_secs(1) / self.hertz
    }

    /// How long a turn is high.
    pub fn high(&self, duty: Duty) -> Duration {
        self.period() * u32::from(duty.get()) / 1000
    }
}

/// A pin's way to a PWM generator of the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PwmChannel {
    /// The generator's channel.
    pub channel: u8,
    /// The alternate function that joins the pin to it.
    pub function: u8,
}

/// What pulls a pin that nothing drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// To the supply.
    Up,
    /// To ground.
    Down,
    /// Nothing.
    None,
}

/// A pin to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sense {
    /// Its line.
    pub line: Line,
    /// What pulls it.
    pub pull: Pull,
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

/// The pins that are read, by their index.
pub trait InputPins: Send {
    /// Whether pin number `index` is high now. Returns at once.
    ///
    /// # Errors
    /// [`GpioError`].
    fn is_high(&mut self, index: usize) -> Result<bool, GpioError>;
}
