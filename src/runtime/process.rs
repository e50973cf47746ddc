//! Resource limits and memory of this process.

use std::io;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Turns off core files: one would contain the sound of the last utterance.
///
/// # Errors
/// When the kernel refuses.
pub fn no_core_file() -> io::Result<()> {
    limit(Resource::Core, 0)
}

/// Keeps the memory that this process uses from being swapped out or read again from disk, so that the first command
/// after an idle day is as fast as the second. Only what was used once is kept (mlockall(2), MCL_ONFAULT). Returns
/// whether it is: where the limit RLIMIT_MEMLOCK is not infinite nothing is done, because later allocations could fail
/// by it.
///
/// # Errors
/// When the kernel refuses.
pub fn keep_in_memory() -> io::Result<bool> {
    if getrlimit(Resource::Memlock).current.is_some() {
        return Ok(false);
    }
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)?;
    Ok(true)
}

/// Limits `resource` of this process to `most`. The limit cannot be raised again.
///
/// # Errors
/// When the kernel refuses.
pub fn limit(resource: Resource, most: u64) -> io::Result<()> {
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_kept_only_where_nothing_limits_it() {
        let unlimited = getrlimit(Resource::Memlock).current.is_none();
        assert_eq!(keep_in_memory().unwrap(), unlimited);
    }
}
