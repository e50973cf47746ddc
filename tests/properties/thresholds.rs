//! Recordings with any scores: the offsets that are chosen for them keep their word.

use hearken::decide::thresholds::Thresholds;
use hearken::measure::calibrate::{Data, Example, LEAST, LEAST_OF_COMMAND, MOST, Scored, at, fit};
use proptest::collection::vec;
use proptest::prelude::*;

use super::for_any;

/// Scores by the tenth of a nat, so that some are the same.
fn recordings(positive: bool, most: usize, hours: f64) -> impl Strategy<Value = Vec<Example>> {
    let scored = (-200..100i32, 0..3usize, any::<bool>()).prop_map(move |(tenths, command, right)| Scored {
        excess: tenths as f32 / 10.0,
        command,
        right: positive && right,
    });
    vec(vec(scored, 0..3).prop_map(move |scored| Example { positive, hours, scored }), 0..most)
}

#[test]
fn what_is_chosen_keeps_the_target_and_no_whole_nat_is_better() {
    let silent = (0.1..40.0f64).prop_map(|hours| Example { positive: false, hours, scored: Vec::new() });
    let data = (recordings(true, 120, 1.0), recordings(false, 30, 0.0), silent);
    for_any((data, 0.1..40.0f64), |((sentences, other, silent), target)| {
        let data = Data { recordings: [sentences, other, vec![silent]].concat() };
        let usual = Thresholds::default();
        let nats = (LEAST as i32..=MOST as i32).map(|nat| data.tally(&at(nat as f32, &usual)));
        let Some(chosen) = fit(&data, target, &usual) else {
            // Scores a tenth apart leave room for a level between any two.
            assert!(data.tally(&at(MOST - 0.05, &usual)).bound() > target, "0 would do");
            return false;
        };
        let tally = data.tally(&chosen);
        assert!(tally.bound() <= target, "{tally:?}");
        let mut offsets = chosen.offsets.values().chain([&chosen.offset]);
        assert!(offsets.all(|offset| (LEAST..=MOST).contains(&-offset)), "{chosen:?}");
        let floor = -chosen.offset;
        let alone = data.tally(&at(floor, &usual));
        assert!(tally.errors() + chosen.offsets.len() <= alone.errors(), "each offset of a command saves one at least");
        assert!(tally.false_accepts <= alone.false_accepts, "{tally:?}, {alone:?}");
        for command in chosen.offsets.keys() {
            let right = data.recordings.iter().flat_map(|r| &r.scored).filter(|s| s.right && s.command == *command);
            assert!(right.count() >= LEAST_OF_COMMAND);
        }
        let better = nats.enumerate().find(|(nat, other)| {
            *nat as f32 + LEAST > floor && other.bound() <= target && other.errors() < alone.errors()
        });
        assert!(better.is_none(), "{better:?} is better than {alone:?} at {floor}");
        true
    });
}
