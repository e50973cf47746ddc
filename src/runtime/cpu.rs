//! Checks that this processor has the instructions that the program was built for.
//!
//! ggml chooses its instructions when it is compiled. On a processor that lacks them the program would be killed by
//! SIGILL without any message.

use std::env::consts::{ARCH, OS};
use std::sync::LazyLock;

/// The architecture that ggml was compiled for, from the variable that its build reads (`cpu` in
/// `boards/*/board.toml`). `None` means the machine that built it.
const BUILT_FOR: Option<&str> = option_env!("GGML_CPU_ARM_ARCH");

/// Version, machine and processor, as `--version` prints them.
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> =
        LazyLock::new(|| format!("{} ({ARCH}-{OS}, {})", env!("CARGO_PKG_VERSION"), BUILT_FOR.unwrap_or("native")));
    &VERSION
}

/// Whether this machine's processor can run the program.
///
/// # Errors
/// A message that names the instructions it lacks.
pub fn suffices() -> Result<(), String> {
    match BUILT_FOR.map(lacking) {
        Some(lacking) if !lacking.is_empty() => Err(format!(
            "this program is built for {}; this processor lacks {}: build it for this board, as in make build BOARD=pi-4",
            BUILT_FOR.unwrap_or_default(),
            lacking.join(", ")
        )),
        _ => Ok(()),
    }
}

/// The parts of `architecture`, such as "armv8.2-a+dotprod+fp16", that this processor lacks.
fn lacking(architecture: &str) -> Vec<&str> {
    architecture.split('+').filter(|part| has(part) != Some(true)).collect()
}

/// Whether this processor has `part` of an architecture. `None` means unknown, which counts as lacking.
fn has(part: &str) -> Option<bool> {
    let features: &[&str] = match part {
        "armv8-a" => &[],
        // ARMv8.2-A includes these, so the compiler may use them without being asked.
        "armv8.2-a" => &["lse", "crc", "rdm"],
        "dotprod" => &["dotprod"],
        "fp16" => &["fp16"],
        _ => return None,
    };
    Some(cfg!(target_arch = "aarch64") && features.iter().all(|feature| detected(feature)))
}

#[cfg(target_arch = "aarch64")]
fn detected(feature: &str) -> bool {
    use std::arch::is_aarch64_feature_detected as detected;
    match feature {
        "lse" => detected!("lse"),
        "crc" => detected!("crc"),
        "rdm" => detected!("rdm"),
        "dotprod" => detected!("dotprod"),
        "fp16" => detected!("fp16"),
        _ => false,
    }
}

#[cfg(not(target_arch = "aarch64"))]
fn detected(_: &str) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_boards_architecture_is_one_that_can_be_looked_for() {
        for id in ["pi-zero-2w", "pi-3", "pi-4", "pi-5"] {
            let cpu = crate::config::board::named(id).unwrap().cpu;
            assert!(cpu.split('+').all(|part| has(part).is_some()), "{id}: {cpu}");
        }
    }

    #[test]
    fn what_is_lacking_is_named() {
        assert_eq!(lacking("armv9-a+warp"), ["armv9-a", "warp"]);
        #[cfg(not(target_arch = "aarch64"))]
        assert_eq!(lacking("armv8.2-a+dotprod"), ["armv8.2-a", "dotprod"]);
        assert_eq!(suffices(), Ok(()));
    }
}
