//! `hearken devices`

use std::io::{self, Write};

use crate::act::gpio::chardev;
use crate::audio::microphone;
use crate::daemon::error::Error;

/// Prints microphones and gpiochips.
pub fn devices() -> Result<(), Error> {
    let mut out = io::stdout().lock();
    writeln!(out, "Microphones, for [microphone] device =")?;
    let microphones = microphone::list()?;
    for found in &microphones {
        writeln!(out, "  {:?}  {}", found.id, found.name)?;
        match &found.formats {
            Ok(formats) => formats.iter().try_for_each(|f| writeln!(out, "      {f}"))?,
            Err(why) => writeln!(out, "      cannot be opened: {why}")?,
        }
    }
    if microphones.iter().all(|m| m.formats.is_err()) {
        writeln!(out, "  no microphone answers; is it plugged in, and this user in the group audio?")?;
    }
    writeln!(out, "GPIO chips, for [gpio] chip =")?;
    let chips = chardev::chips();
    for chip in &chips {
        writeln!(out, "  {:?}  {}, {} lines, {}", chip.label, chip.name, chip.lines, chip.path.display())?;
    }
    if chips.is_empty() {
        writeln!(out, "  none that may be opened; is this user in the group gpio?")?;
    }
    Ok(())
}
