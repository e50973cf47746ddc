//! `laws.rs` under libFuzzer; `Cargo.toml` says how.

#![no_main]

#[path = "../laws.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|text: &str| {
    laws::board(text);
});
