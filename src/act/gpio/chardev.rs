//! The driver for any chip of the kernel's GPIO character device. Lines are chosen by name or offset.
//!
//! The kernel records which program holds a line, so a second program is refused, and `gpioinfo` shows "hearken".

use std::path::{Path, PathBuf};

use gpiocdev::line::{Bias, Offset, Value};
use gpiocdev::request::{Builder, Request};

use super::pwm::{FASTEST_HERTZ, SoftPwm};
use super::{Claim, GpioError, InputClaim, InputPins, Level, Line, OutputPins, Pull, Pwm};

/// The claimed lines, one request each.
pub struct ChardevPins(Vec<Driven>);

/// How a line is driven.
enum Driven {
    /// High or low.
    Plain(Held),
    /// High and low in turn, switched by a thread.
    Soft(Line, SoftPwm),
}

/// A line that this program holds.
struct Held {
    line: Line,
    offset: Offset,
    request: Request,
}

impl ChardevPins {
    /// Makes outputs of the claimed lines. `chip` is the label, name or path of a chip. If it is empty, the only chip
    /// is used, or for a line name the chip that has it.
    ///
    /// # Errors
    /// [`GpioError::NoChip`] with the list of chips; [`GpioError::Pin`] if there is no such line, no permission, or
    /// another program holds it.
    pub fn claim(chip: &str, claims: &[Claim]) -> Result<ChardevPins, GpioError> {
        claims.iter().map(|claim| make(chip, claim)).collect::<Result<_, _>>().map(ChardevPins)
    }
}

fn make(chip: &str, claim: &Claim) -> Result<Driven, GpioError> {
    let held = hold(chip, &claim.line, |builder| builder.as_output(value(claim.level)))?;
    let Some(Pwm { hertz, .. }) = claim.pwm else { return Ok(Driven::Plain(held)) };
    let refused = |cause: String| GpioError::Pin { line: claim.line.clone(), cause };
    if hertz > FASTEST_HERTZ {
        return Err(refused(format!("{hertz} Hz is too fast for a thread, which does {FASTEST_HERTZ} Hz at most")));
    }
    let turn = move |level| held.request.set_value(held.offset, value(level)).map(drop).map_err(|e| e.to_string());
    let soft = SoftPwm::start(Pwm { hertz, hardware: None }, claim.level, turn).map_err(|e| refused(e.to_string()))?;
    Ok(Driven::Soft(claim.line.clone(), soft))
}

fn value(level: Level) -> Value {
    match level {
        Level::High => Value::Active,
        _ => Value::Inactive,
    }
}

/// Requests a line from the kernel. `as_what` sets its direction and options.
fn hold(chip: &str, line: &Line, as_what: impl FnOnce(&mut Builder) -> &mut Builder) -> Result<Held, GpioError> {
    let refused = |cause: String| GpioError::Pin { line: line.clone(), cause };
    let (path, offset) = match line {
        Line::Name(name) if chip.is_empty() => {
            let found = gpiocdev::find_named_line(name).ok_or_else(|| refused(no_line()))?;
            (found.chip, found.info.offset)
        }
        Line::Name(name) => {
            let chip = find_chip(chip)?;
            let found = chip.chip.find_line_info(name).ok_or_else(|| refused(no_line()))?;
            (chip.info.path, found.offset)
        }
        Line::Number(number) => (find_chip(chip)?.info.path, *number),
    };
    let mut builder = Request::builder();
    builder.with_consumer("hearken").on_chip(&path).with_line(offset);
    let request =
        as_what(&mut builder).request().map_err(|e| refused(holder(&path, offset).unwrap_or(e.to_string())))?;
    Ok(Held { line: line.clone(), offset, request })
}

impl Held {
    fn error(&self, cause: &gpiocdev::Error) -> GpioError {
        GpioError::Pin { line: self.line.clone(), cause: cause.to_string() }
    }

    fn set(&self, level: Level) -> Result<(), GpioError> {
        self.request.set_value(self.offset, value(level)).map_err(|e| self.error(&e))
    }
}

/// A message that names the program that holds a line, if one does.
fn holder(chip: &Path, offset: Offset) -> Option<String> {
    let line = gpiocdev::chip::Chip::from_path(chip).ok()?.line_info(offset).ok()?;
    line.used.then(|| format!("busy: {:?} holds it; stop that first", line.consumer))
}

fn no_line() -> String {
    "no gpiochip has a line of this name".into()
}

impl OutputPins for ChardevPins {
    fn set(&mut self, index: usize, level: Level) -> Result<(), GpioError> {
        match &self.0[index] {
            Driven::Plain(held) => held.set(level),
            Driven::Soft(line, soft) => soft.set(level).map_err(|cause| GpioError::Pin { line: line.clone(), cause }),
        }
    }
}

/// The lines that are read.
pub struct ChardevInputs(Vec<Held>);

impl ChardevInputs {
    /// Makes inputs of these lines; `chip` as in [`ChardevPins::claim`].
    ///
    /// # Errors
    /// As [`ChardevPins::claim`].
    pub fn claim(chip: &str, input_claims: &[InputClaim]) -> Result<ChardevInputs, GpioError> {
        let make = |claim: &InputClaim| {
            let bias = match claim.pull {
                Pull::Up => Bias::PullUp,
                Pull::Down => Bias::PullDown,
                Pull::None => Bias::Disabled,
            };
            hold(chip, &claim.line, |builder| builder.as_input().with_bias(bias))
        };
        input_claims.iter().map(make).collect::<Result<_, _>>().map(ChardevInputs)
    }
}

impl InputPins for ChardevInputs {
    fn is_high(&mut self, index: usize) -> Result<bool, GpioError> {
        let held = &self.0[index];
        held.request.value(held.offset).map(|value| value == Value::Active).map_err(|e| held.error(&e))
    }
}

/// A chip that the kernel offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChipInfo {
    /// Its device file.
    pub path: PathBuf,
    /// Its name: `gpiochip0`.
    pub name: String,
    /// The label from its driver: `pinctrl-rp1`.
    pub label: String,
    /// How many lines it has.
    pub lines: u32,
}

struct Chip {
    info: ChipInfo,
    chip: gpiocdev::chip::Chip,
}

/// The chips of this machine that can be opened.
pub fn chips() -> Vec<ChipInfo> {
    open_chips().into_iter().map(|c| c.info).collect()
}

fn open_chips() -> Vec<Chip> {
    let open = |path: PathBuf| {
        let chip = gpiocdev::chip::Chip::from_path(&path).ok()?;
        let info = chip.info().ok()?;
        Some(Chip { info: ChipInfo { path, name: info.name, label: info.label, lines: info.num_lines }, chip })
    };
    gpiocdev::chip::chips().unwrap_or_default().into_iter().filter_map(open).collect()
}

fn find_chip(wanted: &str) -> Result<Chip, GpioError> {
    let mut all = open_chips();
    let named = |c: &Chip| c.info.label == wanted || c.info.name == wanted || c.info.path.as_os_str() == wanted;
    let found = match all.iter().position(named) {
        None if wanted.is_empty() && all.len() == 1 => Some(0),
        found => found,
    };
    found.map(|i| all.swap_remove(i)).ok_or_else(|| {
        let known: Vec<String> = all.iter().map(|c| format!("{} ({})", c.info.name, c.info.label)).collect();
        GpioError::NoChip(match (wanted, known.as_slice()) {
            (_, []) => "this machine has no gpiochip that may be opened; the user needs the group gpio".into(),
            ("", _) => format!("which gpiochip? [gpio] chip = one of: {}", known.join(", ")),
            _ => format!("there is no gpiochip {wanted:?}; there are: {}", known.join(", ")),
        })
    })
}
