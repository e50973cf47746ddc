//! The driver for the header of a Raspberry Pi, through its registers. It uses rppal, which its author has retired
//! (2025-07); only this file uses that crate.

use rppal::gpio::{Gpio, InputPin, Mode, OutputPin, Pin};
use rppal::pwm::{Channel, Polarity, Pwm as HardPwm};

use super::pwm::{FASTEST_HERTZ, SoftPwm};
use super::{Claim, GpioError, InputClaim, InputPins, Level, Line, OutputPins, Pull, Pwm, PwmChannel};

/// The claimed pins.
pub struct RpiPins(Vec<(Line, Driven)>);

/// How a pin is driven.
enum Driven {
    /// High or low.
    Plain(OutputPin),
    /// High and low in turn, switched by a thread.
    Soft(SoftPwm),
    /// High and low in turn, switched by a generator of the board.
    Hard(HardPwm, Pwm),
}

impl RpiPins {
    /// Makes outputs of the claimed pins, each at its level from the first moment.
    ///
    /// # Errors
    /// [`GpioError::NoChip`] if this is no Pi or the user is not in the group `gpio`; [`GpioError::Pin`].
    pub fn claim(claims: &[Claim]) -> Result<RpiPins, GpioError> {
        let gpio = header()?;
        let make = |claim: &Claim| Ok((claim.line.clone(), make(&gpio, claim)?));
        claims.iter().map(make).collect::<Result<_, _>>().map(RpiPins)
    }
}

fn header() -> Result<Gpio, GpioError> {
    Gpio::new().map_err(|e| GpioError::NoChip(explain(&e)))
}

fn pin(gpio: &Gpio, line: &Line) -> Result<Pin, GpioError> {
    let refused = |cause: String| GpioError::Pin { line: line.clone(), cause };
    let Line::Number(bcm) = line else {
        return Err(refused("a BCM number is needed here, not a name".into()));
    };
    let number = u8::try_from(*bcm).map_err(|_| refused("there is no such pin".into()))?;
    gpio.get(number).map_err(|e| refused(e.to_string()))
}

fn make(gpio: &Gpio, claim: &Claim) -> Result<Driven, GpioError> {
    let refused = |cause: String| GpioError::Pin { line: claim.line.clone(), cause };
    let pin = pin(gpio, &claim.line)?;
    let mut why = "no dtoverlay=pwm in config.txt joins it to the board's generator".to_string();
    if let Some((pwm, channel)) = claim.pwm.and_then(|pwm| Some((pwm, pwm.hardware?))) {
        // Only the overlay connects the pin to the generator; without it the pin may be used for something else.
        if pin.mode() == function(channel) {
            match hard(channel, pwm, claim.level) {
                Ok(driven) => return Ok(driven),
                Err(error) => {
                    why = format!("the board's generator: {error}");
                    tracing::warn!("{}: {why}; a thread dims it", claim.line);
                }
            }
        }
    }
    let mut output = match claim.level {
        Level::High => pin.into_output_high(),
        _ => pin.into_output_low(),
    };
    // rppal would make the pin an input, and the input of a relay would float. Instead the pin keeps its level of rest.
    output.set_reset_on_drop(false);
    let Some(pwm) = claim.pwm else { return Ok(Driven::Plain(output)) };
    if pwm.hertz > FASTEST_HERTZ {
        return Err(refused(format!("{} Hz; a thread does {FASTEST_HERTZ} Hz at most, and {why}", pwm.hertz)));
    }
    let soft = SoftPwm::start(pwm, claim.level, move |level| {
        write(&mut output, level);
        Ok(())
    });
    soft.map(Driven::Soft).map_err(|e| refused(e.to_string()))
}

fn hard(channel: PwmChannel, pwm: Pwm, level: Level) -> Result<Driven, rppal::pwm::Error> {
    let number = Channel::try_from(channel.channel)?;
    let high = pwm.high(level.duty());
    let mut hard = HardPwm::with_period(number, pwm.period(), high, Polarity::Normal, true)?;
    hard.set_reset_on_drop(false);
    Ok(Driven::Hard(hard, pwm))
}

fn function(channel: PwmChannel) -> Mode {
    let alternates = [Mode::Alt0, Mode::Alt1, Mode::Alt2, Mode::Alt3, Mode::Alt4, Mode::Alt5];
    alternates.get(usize::from(channel.function)).copied().unwrap_or(Mode::Null)
}

fn write(output: &mut OutputPin, level: Level) {
    match level {
        Level::High => output.set_high(),
        _ => output.set_low(),
    }
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
        let (line, driven) = &mut self.0[index];
        let set = match driven {
            Driven::Plain(output) => {
                write(output, level);
                Ok(())
            }
            Driven::Soft(soft) => soft.set(level),
            Driven::Hard(hard, pwm) => hard.set_pulse_width(pwm.high(level.duty())).map_err(|e| e.to_string()),
        };
        set.map_err(|cause| GpioError::Pin { line: line.clone(), cause })
    }
}

/// The pins that are read.
pub struct RpiInputs(Vec<InputPin>);

impl RpiInputs {
    /// Makes inputs of these pins.
    ///
    /// # Errors
    /// As [`RpiPins::claim`].
    pub fn claim(input_claims: &[InputClaim]) -> Result<RpiInputs, GpioError> {
        let gpio = header()?;
        let make = |claim: &InputClaim| {
            let pin = pin(&gpio, &claim.line)?;
            Ok(match claim.pull {
                Pull::Up => pin.into_input_pullup(),
                Pull::Down => pin.into_input_pulldown(),
                Pull::None => pin.into_input(),
            })
        };
        input_claims.iter().map(make).collect::<Result<_, _>>().map(RpiInputs)
    }
}

impl InputPins for RpiInputs {
    fn is_high(&mut self, index: usize) -> Result<bool, GpioError> {
        Ok(self.0[index].is_high())
    }
}
