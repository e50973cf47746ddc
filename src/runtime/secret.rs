//! Secrets from files.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Longest secret, in bytes: the longest password that MQTT can carry.
const LONGEST: u64 = 65_535;

/// Reads the text of `file`. A name without a slash is that of a systemd credential.
///
/// # Errors
/// The kernel's; `InvalidData` for what is no text.
pub fn read(file: &Path) -> io::Result<String> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let path = credentials.filter(|_| file.components().count() == 1).map_or_else(|| file.into(), |c| c.join(file));
    let mut text = String::new();
    File::open(path)?.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}
