//! A Raspberry Pi's header through its registers. rppal is retired upstream (2025-07): this is the one file that names it.

use rppal::gpio::{Gpio, OutputPin};

use super::{Claim, GpioError, Level, Line, OutputPins};

/// The claimed pins.
pub struct RpiPins(Vec<OutputPin>);

impl RpiPins {
    /// Makes outputs of the claimed pins, each at its level from the first moment.
    ///
    /// # Errors
    /// [`GpioError::NoChip`] where this is no Pi or the group `gpio` is missing; [`GpioError::Pin`].
    pub fn claim(claims: &[Claim]) -> Result<RpiPins, GpioError> {
        let gpio = Gpio::new().map_err(|e| GpioError::NoChip(explain(&e)))?;
        claims.iter().map(|claim| make(&gpio, claim)).collect::<Result<_, _>>().map(RpiPins)
    }
}

fn make(gpio: &Gpio, claim: &Claim) -> Result<OutputPin, GpioError> {
    let refused = |cause: String| GpioError::Pin { line: claim.line.clone(), cause };
    let Line::Number(bcm) = claim.line else {
        return Err(refused("a BCM number is needed here, not a name".into()));
    };
    let number = u8::try_from(bcm).map_err(|_| refused("there is no such pin".into()))?;
    let pin = gpio.get(number).map_err(|e| refused(e.to_string()))?;
    let mut output = match claim.level {
        Level::Low => pin.into_output_low(),
        Level::High => pin.into_output_high(),
    };
    // Back to input would let a relay's input float; the pin stays where the daemon left it: at rest.
    output.set_reset_on_drop(false);
    Ok(output)
}

fn explain(error: &rppal::gpio::Error) -> String {
    use rppal::gpio::Error;
    match error {
        Error::UnknownModel => {
            "this is not a Raspberry Pi that rppal knows; board = \"host\", or [gpio] backend = \"gpiocdev\"".into()
        }
        Error::PermissionDenied(path) => format!("no permission for {path}; the user needs the group gpio"),
        other => other.to_string(),
    }
}

impl OutputPins for RpiPins {
    fn set(&mut self, index: usize, level: Level) -> Result<(), GpioError> {
        match level {
            Level::Low => self.0[index].set_low(),
            Level::High => self.0[index].set_high(),
        }
        Ok(())
    }
}
