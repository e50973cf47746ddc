//! Resource limits of this process.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Turns off core files: one would contain the sound of the last utterance.
///
/// # Errors
/// When the kernel refuses.
pub fn no_core_file() -> io::Result<()> {
    limit(Resource::Core, 0)
}

/// Limits `resource` of this process to `most`. The limit cannot be raised again.
///
/// # Errors
/// When the kernel refuses.
pub fn limit(resource: Resource, most: u64) -> io::Result<()> {
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).map_err(io::Error::from)
}
