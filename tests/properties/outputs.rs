//! Any requests at any times, to outputs with any limits: the rules hold, told from the trace alone.

use std::time::Duration;

use hearken::act::command::{Action, Blink, Dimmer, Interlock, Limits, Output};
use hearken::act::gpio::{Duty, Pwm};
use proptest::collection::vec;
use proptest::prelude::*;

use super::for_any;
use crate::outputs::{Simulated, limits, ms, output};

/// Three outputs that are interlocked, one that is alone and one that rests on.
fn outputs() -> impl Strategy<Value = Vec<Output>> {
    let some = || (0..40u64, 0..40u64, 0..60u64).prop_map(|(min_on, min_off, more)| [min_on + more, min_on, min_off]);
    (vec(some(), 5), 1..40u64).prop_map(|(drawn, dead_time)| {
        let build = |(i, drawn): (usize, &[u64; 3])| {
            let [max_on, min_on, min_off] = *drawn;
            let interlock = Some(Interlock { group: 0, dead_time: ms(dead_time) }).filter(|_| i < 3);
            let max_on = if i == 4 { 0 } else { max_on };
            // The one that is alone is dimmed.
            let pwm = Pwm { hertz: 200, hardware: None };
            let dimmer = Some(Dimmer { pwm, fade: ms(60) }).filter(|_| i == 3);
            Output {
                dimmer,
                ..output(&i.to_string(), i == 4, Limits { interlock, ..limits([max_on, min_on, min_off]) })
            }
        };
        drawn.iter().enumerate().map(build).collect()
    })
}

/// Pauses, each followed by a request; some requests meet pins that fail for a while.
fn requests() -> impl Strategy<Value = Vec<(u64, Action, Option<u64>)>> {
    let time = || (1..50u64).prop_map(ms);
    let action =
        (0..5usize, any::<bool>(), time(), time(), 1..4u32).prop_flat_map(|(output, on, long, short, times)| {
            prop_oneof![
                3 => Just(Action::Set(output, on.into())),
                1 => Just(Action::Set(output, if output == 3 { Duty::thousandths(300) } else { on.into() })),
                1 => Just(Action::Toggle(output)),
                1 => Just(Action::Pulse(output, long)),
                1 => Just(Action::Blink(output, Blink { on: long, off: short, times })),
            ]
        });
    vec((0..60u64, action, prop::option::weighted(0.1, 1..200u64)), 0..40)
}

/// When an output was on: from when to when.
fn on_times(simulated: &Simulated<'_>, index: usize, rest: bool) -> Vec<(Duration, Duration)> {
    let mine = simulated.trace.iter().filter(|(_, change)| change.output == index);
    let mut times = if rest { vec![(Duration::ZERO, Duration::MAX)] } else { Vec::new() };
    for (at, change) in mine {
        match times.last_mut() {
            Some((_, end)) if change.duty == Duty::NONE => *end = *at,
            // A step of a fade.
            Some((_, end)) if *end == Duration::MAX => {}
            _ => times.push((*at, Duration::MAX)),
        }
    }
    times
}

fn holds(output: &Output, on: &[(Duration, Duration)], failed: bool) {
    let Limits { max_on, min_on, min_off, .. } = output.limits;
    for (from, to) in on.iter().filter(|(_, to)| *to != Duration::MAX) {
        assert!(*to - *from >= min_on, "{on:?} of {output:?}");
        assert!(failed || max_on.is_none_or(|max| *to - *from <= max), "{on:?} of {output:?}");
    }
    let first = (Duration::ZERO, Duration::ZERO);
    let before = if output.rest { None } else { Some(&first) };
    for ((_, off), (on_again, _)) in before.into_iter().chain(on).zip(on.iter().skip(usize::from(output.rest))) {
        assert!(*on_again - *off >= min_off, "{on:?} of {output:?}");
    }
}

fn apart(ours: &[(Duration, Duration)], theirs: &[(Duration, Duration)], dead_time: Duration) {
    for ((from, to), (their_from, their_to)) in ours.iter().flat_map(|a| theirs.iter().map(move |b| (a, b))) {
        assert!(*from >= *their_to + dead_time || *their_from >= *to + dead_time, "{ours:?}, {theirs:?}");
    }
}

#[test]
fn whatever_is_asked_limits_and_interlocks_hold_and_all_comes_to_rest() {
    for_any((outputs(), requests()), |(outputs, requests)| {
        let mut simulated = Simulated::new(&outputs);
        let mut now = Duration::ZERO;
        for (pause, action, broken) in &requests {
            now += ms(*pause);
            simulated.pass(now);
            simulated.broken_until = broken.map_or(simulated.broken_until, |time| now + ms(time));
            simulated.ask(*action);
        }
        // What rests on, or has no longest time on, was perhaps asked to stay out of rest.
        for (index, output) in outputs.iter().enumerate() {
            if output.limits.max_on.is_none() {
                simulated.ask(Action::Set(index, output.rest.into()));
            }
        }
        simulated.pass(now + ms(10_000));
        assert!(simulated.rests());
        let failed = requests.iter().any(|(.., broken)| broken.is_some());
        let on: Vec<_> = (0..outputs.len()).map(|i| on_times(&simulated, i, outputs[i].rest)).collect();
        for (output, on) in outputs.iter().zip(&on) {
            holds(output, on, failed);
        }
        for (index, other) in [(0, 1), (0, 2), (1, 2)] {
            apart(&on[index], &on[other], outputs[0].limits.interlock.unwrap().dead_time);
        }
        !simulated.trace.is_empty()
    });
}
