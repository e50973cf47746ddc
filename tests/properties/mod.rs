//! The laws on inputs that nobody wrote: shipped files with faults put in, sentences and sounds made up with their answers.
//!
//! `make test` tries 256 for each law, `make fuzz` a million in all. What fails is printed at its smallest and kept nowhere:
//! it becomes a row of a table in the module at fault. `PROPTEST_RNG_SEED` repeats a run.

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

/// Configurations, boards, manifests.
mod files;

/// Templates and the sentences they accept.
mod templates;

/// WAV files.
mod sounds;

/// Compressed sound.
mod compressed;

/// Requests to outputs, in any order and at any time.
mod outputs;

/// What is reported.
mod events;

/// Thresholds from recordings.
mod thresholds;

/// Cases of all properties so far.
static CASES: AtomicU64 = AtomicU64::new(0);

/// Tries `law` on inputs of a kind, as many as `PROPTEST_CASES` says. The law panics where it is broken, and tells whether
/// the input was a good one.
fn for_any<S: Strategy>(input: S, law: impl Fn(S::Value) -> bool) {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let (cases, good) = (AtomicU64::new(0), AtomicU64::new(0));
    let result = TestRunner::new(config).run(&input, |value| {
        cases.fetch_add(1, Ordering::Relaxed);
        good.fetch_add(law(value).into(), Ordering::Relaxed);
        Ok(())
    });
    let (cases, good) = (cases.into_inner(), good.into_inner());
    let all = CASES.fetch_add(cases, Ordering::Relaxed) + cases;
    let thread = std::thread::current();
    println!("{}: {cases} cases, {good} of them good; {all} cases in all", thread.name().unwrap_or_default());
    result.unwrap_or_else(|broken| panic!("{broken}"));
}

/// Text with whatever a text may hold.
fn text() -> impl Strategy<Value = String> {
    let odd = select(vec!['\n', '\r', '\t', '\0', '\u{1b}', '\u{7f}', '\u{2028}', '"', '\\', 'é', '\u{10ffff}']);
    vec(prop_oneof![any::<char>(), odd], 0..12).prop_map(String::from_iter)
}
