//! The driver for simulated pins: their levels are written to a file or to standard output.
//!
//! The file has one line for each pin, such as "GPIO17 0", in the order of the configuration, and never grows. A pin
//! that can be dimmed has its duty, as in "GPIO18 0.250". On standard output each change is a line. Inputs are lines of
//! the same form in a file that another program writes.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{Claim, GpioError, InputClaim, InputPins, Level, OutputPins, Pull};

enum Shown {
    File(File),
    Stdout,
    Nowhere,
}

/// The claimed pins.
pub struct SimulatedPins {
    pins: Vec<Claim>,
    shown: Shown,
    path: String,
}

impl SimulatedPins {
    /// Simulates the claimed pins. Writes their levels to the file `state`, to standard output for `-`, or nowhere.
    ///
    /// # Errors
    /// [`GpioError::State`] when the file cannot be written.
    pub fn claim(state: Option<&Path>, claims: &[Claim]) -> Result<SimulatedPins, GpioError> {
        let path = state.map(|p| p.display().to_string()).unwrap_or_default();
        let shown = match state {
            None => Shown::Nowhere,
            Some(path) if path == Path::new("-") => Shown::Stdout,
            Some(file) => {
                let open = OpenOptions::new().create(true).write(true).truncate(true).open(file);
                Shown::File(open.map_err(|cause| GpioError::State { path: path.clone(), cause })?)
            }
        };
        let mut simulated = SimulatedPins { pins: claims.into(), shown, path };
        (0..claims.len()).try_for_each(|i| simulated.show(i))?;
        Ok(simulated)
    }

    fn show(&mut self, changed: usize) -> Result<(), GpioError> {
        let line = |Claim { line, level, pwm }: &Claim| match pwm {
            None => format!("{line} {}\n", u8::from(*level == Level::High)),
            Some(_) => format!("{line} {:.3}\n", f32::from(level.duty().get()) / 1000.0),
        };
        let written: io::Result<()> = match &self.shown {
            Shown::Nowhere => Ok(()),
            Shown::Stdout => io::stdout().write_all(line(&self.pins[changed]).as_bytes()),
            // The text always has the same length, so one write replaces it all.
            Shown::File(file) => file.write_all_at(self.pins.iter().map(line).collect::<String>().as_bytes(), 0),
        };
        written.map_err(|cause| GpioError::State { path: self.path.clone(), cause })
    }
}

impl OutputPins for SimulatedPins {
    fn set(&mut self, index: usize, level: Level) -> Result<(), GpioError> {
        self.pins[index].level = level;
        self.show(index)
    }
}

/// Simulated inputs, which are lines of a file.
pub struct SimulatedInputs {
    input_claims: Vec<InputClaim>,
    path: Option<PathBuf>,
}

impl SimulatedInputs {
    /// Reads these pins from the file `path`. Without a file, or without a line in it, a pin has the level of its pull.
    pub fn claim(path: Option<&Path>, input_claims: &[InputClaim]) -> SimulatedInputs {
        SimulatedInputs { input_claims: input_claims.into(), path: path.map(Path::to_path_buf) }
    }
}

impl InputPins for SimulatedInputs {
    fn is_high(&mut self, index: usize) -> Result<bool, GpioError> {
        let InputClaim { line, pull } = &self.input_claims[index];
        let text = self.path.as_ref().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let written = text.lines().find_map(|l| l.strip_prefix(&line.to_string())?.strip_prefix(' '));
        Ok(written.map_or(*pull == Pull::Up, |level| level.trim() == "1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::gpio::{Duty, Line, Pwm};

    #[test]
    fn the_state_file_shows_every_pin_from_the_first_moment_and_never_grows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pins");
        let claims = [
            Claim { line: Line::Number(17), level: Level::Low, pwm: None },
            Claim { line: Line::Name("RELAY".into()), level: Level::High, pwm: None },
            Claim { line: Line::Number(18), level: Level::Low, pwm: Some(Pwm { hertz: 200, hardware: None }) },
        ];
        let mut pins = SimulatedPins::claim(Some(&path), &claims).unwrap();
        let shown = || std::fs::read_to_string(&path).unwrap();
        assert_eq!(shown(), "GPIO17 0\nRELAY 1\nGPIO18 0.000\n");
        pins.set(0, Level::High).unwrap();
        pins.set(1, Level::Low).unwrap();
        pins.set(2, Level::Pwm(Duty::thousandths(250))).unwrap();
        assert_eq!(shown(), "GPIO17 1\nRELAY 0\nGPIO18 0.250\n");
    }

    #[test]
    fn a_pin_that_is_read_is_what_the_file_says_else_what_its_pull_makes_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("buttons");
        let claim = |number, pull| InputClaim { line: Line::Number(number), pull };
        let mut pins = SimulatedInputs::claim(Some(&path), &[claim(2, Pull::Up), claim(22, Pull::None)]);
        let mut levels = || [0, 1].map(|pin| pins.is_high(pin).unwrap());
        assert_eq!(levels(), [true, false]);
        std::fs::write(&path, "GPIO22 1\nGPIO2 0\n").unwrap();
        assert_eq!(levels(), [false, true]);
    }

    #[test]
    fn a_state_file_that_cannot_be_written_is_named() {
        let error = SimulatedPins::claim(Some(Path::new("/nowhere/pins")), &[]).err().unwrap().to_string();
        assert!(error.contains("simulated pins in /nowhere/pins: No such file"), "{error}");
    }
}
