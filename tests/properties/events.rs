//! Outcomes of any kind, with any text and any number, as events.

use std::time::Duration;

use hearken::act::command::Command;
use hearken::act::gpio::Duty;
use hearken::decide::features::FEATURES;
use hearken::decide::rules::{Reason, Verdict};
use hearken::decide::thresholds::Thresholds;
use hearken::grammar::{Sentence, SlotValue, Slots};
use hearken::recognize::{Candidate, Heard, Limit, Timings};
use hearken::report::destination::{Destination, Events};
use hearken::report::fields::outcome_event;
use hearken::report::{Outcome, Switched};
use hearken::utterance::scratch::Usage;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

use super::{for_any, text};

fn candidate() -> impl Strategy<Value = Candidate> {
    let value = prop_oneof![text().prop_map(SlotValue::Text), any::<i64>().prop_map(SlotValue::Integer)];
    let slots = vec((text(), value), 0..3).prop_map(Slots::from_iter);
    (0..2usize, text(), slots, [prop::num::f32::ANY; 3]).prop_map(|(command, words, slots, [rank, joint, lead])| {
        Candidate { sentence: Sentence { command, words, slots }, rank, joint, tokens: 4, lead }
    })
}

fn heard() -> impl Strategy<Value = Heard> {
    let time = || any::<u64>().prop_map(Duration::from_nanos);
    let scores = [prop::num::f32::ANY; 4];
    let candidates = [option::of(candidate()), option::of(candidate())];
    let limit = prop_oneof![Just(Limit::Calls), Just(Limit::Deadline)];
    let numbers = (option::of(limit), any::<usize>(), any::<u64>(), any::<u64>());
    (text(), scores, candidates, numbers, [time(), time(), time(), time()]).prop_map(
        |(text, [free, no_speech, voiced, dbfs], [best, runner_up], (gave_up, calls, duration_ms, speech_ms), took)| {
            let [mel, encode, search, total] = took;
            let took = Timings { mel, encode, search, total };
            Heard { text, free, no_speech, best, runner_up, gave_up, calls, duration_ms, speech_ms, voiced, dbfs, took }
        },
    )
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let number = || prop::num::f32::ANY;
    let reason = prop_oneof![
        number().prop_map(|voiced| Reason::NoSpeech { voiced }),
        any::<usize>().prop_map(|calls| Reason::GaveUp { calls }),
        any::<u64>().prop_map(|ms| Reason::TooLate { ms }),
        Just(Reason::NoSentence),
        (text(), number(), number()).prop_map(|(sentence, log_odds, needed)| Reason::Unlike {
            sentence,
            log_odds,
            needed
        }),
        text().prop_map(|sentence| Reason::GoesOn { sentence }),
        ([text(), text()], number(), number()).prop_map(|(sentences, log_odds, needed)| Reason::Ambiguous {
            sentences,
            log_odds,
            needed
        }),
        (text(), any::<bool>()).prop_map(|(output, on)| Reason::State { output, on }),
        text().prop_map(Reason::Lost),
    ];
    prop_oneof![1 => Just(Verdict::Accepted), 2 => reason.prop_map(Verdict::Rejected)]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let duty = prop_oneof![any::<u16>().prop_map(|n| Ok(Duty::thousandths(n))), text().prop_map(Err)];
    let switched = (text(), text(), duty, any::<[bool; 2]>())
        .prop_map(|(output, line, duty, [dims, later])| Switched { output, line, duty, dims, later });
    let usage = any::<[u64; 6]>().prop_map(|[used, high_water, capacity, made, written, deletions_failed]| Usage {
        used,
        high_water,
        capacity,
        made,
        written,
        deletions_failed,
    });
    let latency = option::of(prop::num::f64::ANY);
    (any::<u64>(), option::of(heard()), verdict(), vec(switched, 0..3), latency, usage).prop_map(
        |(utterance, heard, verdict, switched, latency_ms, scratch)| Outcome {
            utterance,
            assessment: heard.as_ref().and_then(|heard| Thresholds::default().assess(heard)),
            heard,
            verdict,
            confirmed: None,
            switched,
            latency_ms,
            scratch,
        },
    )
}

#[test]
fn every_outcome_is_one_line_of_json_with_all_its_keys_and_its_texts_unchanged() {
    const ALWAYS: &str = "utterance time verdict reason rule command sentence slots log_odds confidence needed features \
        nearest runner_up outputs latency_ms scratch";
    const HEARD: &str = "text no_speech duration_ms speech_ms dbfs calls ms";
    let names = [text(), text()];
    for_any((vec(outcome(), 1..3), names), |(outcomes, names)| {
        let commands = names.map(|name| Command { name, ..Command::default() });
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut events = Events::open(&Destination::File(file.path().into())).unwrap();
        outcomes.iter().for_each(|outcome| events.write(outcome_event(outcome, &commands)).unwrap());
        let written = std::fs::read_to_string(file.path()).unwrap();
        assert!(written.ends_with('\n') && written.matches('\n').count() == outcomes.len(), "{written:?}");
        for (line, outcome) in written.lines().zip(&outcomes) {
            let said: Value = serde_json::from_str(line).unwrap();
            let has = |keys: &str| keys.split(' ').all(|key| said.get(key).is_some());
            assert!(has(ALWAYS) && (outcome.heard.is_none() || has(HEARD)), "{line}");
            let accepted = outcome.verdict == Verdict::Accepted;
            assert_eq!(said["verdict"], if accepted { "accepted" } else { "rejected" });
            assert_eq!((said["reason"].is_null(), said["rule"].is_null()), (accepted, accepted));
            assert_eq!(said["text"].as_str(), outcome.heard.as_ref().map(|heard| heard.text.as_str()));
            assert_eq!(said["outputs"].as_array().map(Vec::len), Some(outcome.switched.len()));
            if let Some(best) = outcome.heard.as_ref().and_then(|heard| heard.best.as_ref()) {
                assert_eq!(said["nearest"], best.sentence.words.as_str());
                let features = said["features"].as_object().unwrap();
                assert!(FEATURES.iter().all(|feature| features[feature.name].is_number()), "{line}");
                let confidence = said["confidence"].as_f64();
                assert!(confidence.is_none_or(|confidence| (0.0..=1.0).contains(&confidence)), "{line}");
                let slots = if accepted { best.sentence.slots.len() } else { 0 };
                assert_eq!(said["slots"].as_object().map(|slots| slots.len()), Some(slots));
            }
        }
        outcomes.iter().any(|outcome| outcome.verdict == Verdict::Accepted)
    });
}
