//! Any chip of the kernel's GPIO character device, by line name or offset.
//!
//! The kernel knows who holds a line: a second program is refused, `gpioinfo` shows "hearken".

use std::path::PathBuf;

use gpiocdev::line::{Offset, Value};
use gpiocdev::request::Request;

use super::{Claim, GpioError, Level, Line, OutputPins};

/// The claimed lines, one request each.
pub struct ChardevPins(Vec<(Line, Offset, Request)>);

impl ChardevPins {
    /// Makes outputs of the claimed lines. `chip` is a chip's label, its name or its path; empty: the only chip, or for a line
    /// name whichever chip has it.
    ///
    /// # Errors
    /// [`GpioError::NoChip`] with the chips there are; [`GpioError::Pin`]: no such line, no permission, held by another.
    pub fn claim(chip: &str, claims: &[Claim]) -> Result<ChardevPins, GpioError> {
        claims.iter().map(|claim| request(chip, claim)).collect::<Result<_, _>>().map(ChardevPins)
    }
}

fn value(level: Level) -> Value {
    match level {
        Level::Low => Value::Inactive,
        Level::High => Value::Active,
    }
}

fn request(chip: &str, claim: &Claim) -> Result<(Line, Offset, Request), GpioError> {
    let refused = |cause: String| GpioError::Pin { line: claim.line.clone(), cause };
    let (path, offset) = match &claim.line {
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
    let request = Request::builder()
        .with_consumer("hearken")
        .on_chip(path)
        .with_line(offset)
        .as_output(value(claim.level))
        .request()
        .map_err(|e| refused(e.to_string()))?;
    Ok((claim.line.clone(), offset, request))
}

fn no_line() -> String {
    "no gpiochip has a line of this name".into()
}

impl OutputPins for ChardevPins {
    fn set(&mut self, index: usize, level: Level) -> Result<(), GpioError> {
        let (line, offset, request) = &self.0[index];
        request
            .set_value(*offset, value(level))
            .map_err(|e| GpioError::Pin { line: line.clone(), cause: e.to_string() })
    }
}

/// A chip that the kernel offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChipInfo {
    /// Its device file.
    pub path: PathBuf,
    /// Its name: `gpiochip0`.
    pub name: String,
    /// What its driver calls it: `pinctrl-rp1`.
    pub label: String,
    /// How many lines it has.
    pub lines: u32,
}

struct Chip {
    info: ChipInfo,
    chip: gpiocdev::chip::Chip,
}

/// The chips of this machine that can be asked.
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
