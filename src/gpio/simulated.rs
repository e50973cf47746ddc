//! Pins that are not there: their levels are written to a file, or to standard output.
//!
//! The file holds one line a pin, "GPIO17 0", in the order of the configuration, and never grows. On standard output each
//! change is a line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{Claim, GpioError, Level, Line, OutputPins};

enum Shown {
    File(File),
    Stdout,
    Nowhere,
}

/// The claimed pins.
pub struct SimulatedPins {
    pins: Vec<(Line, Level)>,
    shown: Shown,
    path: String,
}

impl SimulatedPins {
    /// Simulates the claimed pins; shows them in the file `state`, on standard output for `-`, or nowhere.
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
        let pins = claims.iter().map(|c| (c.line.clone(), c.level)).collect();
        let mut simulated = SimulatedPins { pins, shown, path };
        (0..claims.len()).try_for_each(|i| simulated.show(i))?;
        Ok(simulated)
    }

    fn show(&mut self, changed: usize) -> Result<(), GpioError> {
        let line = |(line, level): &(Line, Level)| format!("{line} {}\n", u8::from(*level == Level::High));
        let written: io::Result<()> = match &self.shown {
            Shown::Nowhere => Ok(()),
            Shown::Stdout => io::stdout().write_all(line(&self.pins[changed]).as_bytes()),
            // Always the same length: one write replaces the whole state.
            Shown::File(file) => file.write_all_at(self.pins.iter().map(line).collect::<String>().as_bytes(), 0),
        };
        written.map_err(|cause| GpioError::State { path: self.path.clone(), cause })
    }
}

impl OutputPins for SimulatedPins {
    fn set(&mut self, index: usize, level: Level) -> Result<(), GpioError> {
        self.pins[index].1 = level;
        self.show(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_file_shows_every_pin_from_the_first_moment_and_never_grows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pins");
        let claims = [
            Claim { line: Line::Number(17), level: Level::Low },
            Claim { line: Line::Name("RELAY".into()), level: Level::High },
        ];
        let mut pins = SimulatedPins::claim(Some(&path), &claims).unwrap();
        let shown = || std::fs::read_to_string(&path).unwrap();
        assert_eq!(shown(), "GPIO17 0\nRELAY 1\n");
        pins.set(0, Level::High).unwrap();
        pins.set(1, Level::Low).unwrap();
        assert_eq!(shown(), "GPIO17 1\nRELAY 0\n");
    }

    #[test]
    fn a_state_file_that_cannot_be_written_is_named() {
        let error = SimulatedPins::claim(Some(Path::new("/nowhere/pins")), &[]).err().unwrap().to_string();
        assert!(error.contains("simulated pins in /nowhere/pins: No such file"), "{error}");
    }
}
