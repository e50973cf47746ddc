//! Pins, with three drivers. A new driver needs a file here, a variant of [`Backend`], and a line in [`open`] and
//! [`open_inputs`].

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
    /// The names in a configuration.
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
    /// For gpiocdev: the label, name or path of the chip; may be empty.
    pub chip: String,
    /// For simulated pins: the file to write their levels to; `-` is standard output.
    pub state: Option<PathBuf>,
    /// For simulated pins: the file to read the buttons' levels from.
    pub inputs: Option<PathBuf>,
}

/// Claims the pins of outputs. Each has its level from the first moment. If there are no claims, no driver is opened.
///
/// # Errors
/// [`GpioError`]: there is no such chip or pin, no permission, or another program holds it.
pub fn open(settings: &GpioSettings, claims: &[Claim]) -> Result<Box<dyn OutputPins>, GpioError> {
    Ok(match settings.backend {
        _ if claims.is_empty() => Box::new(SimulatedPins::claim(None, claims)?),
        Backend::Rppal => Box::new(RpiPins::claim(claims)?),
        Backend::Gpiocdev => Box::new(ChardevPins::claim(&settings.chip, claims)?),
        Backend::Simulated => Box::new(SimulatedPins::claim(settings.state.as_deref(), claims)?),
    })
}

/// Claims the pins of buttons. If there are none, no driver is opened.
///
/// # Errors
/// As [`open`].
pub fn open_inputs(settings: &GpioSettings, input_claims: &[InputClaim]) -> Result<Box<dyn InputPins>, GpioError> {
    Ok(match settings.backend {
        _ if input_claims.is_empty() => Box::new(SimulatedInputs::claim(None, input_claims)),
        Backend::Rppal => Box::new(RpiInputs::claim(input_claims)?),
        Backend::Gpiocdev => Box::new(ChardevInputs::claim(&settings.chip, input_claims)?),
        Backend::Simulated => Box::new(SimulatedInputs::claim(settings.inputs.as_deref(), input_claims)),
    })
}

/// The duty cycle: the share of the time that an output is on or a pin is high, in thousandths from 0 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duty(u16);

impl Duty {
    /// Never.
    pub const NONE: Duty = Duty(0);
    /// Always.
    pub const FULL: Duty = Duty(1000);

    /// A duty of `thousandths`, at most 1000.
    pub fn thousandths(thousandths: u16) -> Duty {
        Duty(thousandths.min(1000))
    }

    /// In thousandths.
    pub fn get(self) -> u16 {
        self.0
    }

    /// The rest of the time: 1000 less this duty.
    pub fn complement(self) -> Duty {
        Duty(1000 - self.0)
    }

    /// The duty that is nearer to `goal` by at most `step` thousandths.
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
    /// The supply voltage: 3.3 V on a Pi.
    High,
    /// Pulse-width modulation: high for this share of the time, else low. Only for a pin that was claimed with `pwm`.
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

/// A request for a pin to drive.
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
    /// The frequency in Hz.
    pub hertz: u32,
    /// The generator of the board for this pin, if there is one.
    pub hardware: Option<PwmChannel>,
}

impl Pwm {
    /// The length of one period.
    pub fn period(&self) -> Duration {
        Duration::from_secs(1) / self.hertz
    }

    /// How long the pin is high in each period.
    pub fn high(&self, duty: Duty) -> Duration {
        self.period() * u32::from(duty.get()) / 1000
    }
}

/// The connection of a pin to a PWM generator of the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PwmChannel {
    /// The generator's channel.
    pub channel: u8,
    /// The alternate function of the pin that connects it.
    pub function: u8,
}

/// The resistor that gives an input its level while nothing drives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// A pull-up, to the supply voltage.
    Up,
    /// A pull-down, to ground.
    Down,
    /// No resistor.
    None,
}

/// A pin to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputClaim {
    /// Its line.
    pub line: Line,
    /// Its resistor.
    pub pull: Pull,
}

/// Why a pin cannot be driven.
#[derive(Debug, thiserror::Error)]
pub enum GpioError {
    /// This machine has no such pins.
    #[error("no pins: {0}")]
    NoChip(String),
    /// A pin cannot be claimed or set.
    #[error("pin {line}: {cause}")]
    Pin {
        /// Its line.
        line: Line,
        /// The error message of the driver.
        cause: String,
    },
    /// The file of the simulated pins cannot be written.
    #[error("simulated pins in {path}: {cause}")]
    State {
        /// The file.
        path: String,
        /// The error message of the kernel.
        #[source]
        cause: std::io::Error,
    },
}

/// The pins that were claimed, by their index in the claims. When this is dropped they keep their last level, if the
/// driver can do that. So put them at rest before you drop it.
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
