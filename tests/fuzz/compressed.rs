//! `laws.rs` under libFuzzer; `Cargo.toml` says how.

#![no_main]

#[path = "../laws.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    laws::compressed(bytes.to_vec());
});
