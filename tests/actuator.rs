//! Pins rest at the start, at a stop, when the decider is gone and after a panic.

use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use hearken::act::command::{Action, Interlock, Limits, Output};
use hearken::act::gpio::{Duty, GpioError, Level, Line, OutputPins};
use hearken::daemon::actuator::{Actuator, Order, claims};
use hearken::daemon::decider::Decided;
use hearken::decide::rules::Verdict;
use hearken::report::{Report, reporter};
use hearken::runtime::stop::Stop;
use hearken::utterance::scratch::{Scratch, ScratchSettings};

use crate::parts::PinLog;

/// A pin that always fails.
struct Broken;

impl OutputPins for Broken {
    fn set(&mut self, _: usize, _: Level) -> Result<(), GpioError> {
        Err(GpioError::Pin { line: Line::Number(17), cause: "the wire is off".into() })
    }
}

/// A lamp that rests off, and an active-low valve that rests on.
fn outputs() -> [Output; 2] {
    let output = |name: &str, pin, active_low, rest| Output {
        name: name.into(),
        line: Line::Number(pin),
        active_low,
        rest,
        dimmer: None,
        remember: false,
        limits: Limits::default(),
    };
    [output("lamp", 17, false, false), output("valve", 27, true, true)]
}

const RESTING: [Option<Level>; 2] = [Some(Level::Low), Some(Level::Low)];

fn decided(actions: Vec<Action>) -> Order {
    let scratch = Scratch::new("/dev/shm".into(), &ScratchSettings::default()).usage();
    let (verdict, fell_silent) = (Verdict::Accepted, Instant::now());
    Order::Decided(Box::new(Decided {
        utterance: 1,
        heard: None,
        assessment: None,
        verdict,
        confirmed: None,
        actions,
        asked: None,
        fell_silent,
        scratch,
        recording: None,
    }))
}

#[test]
fn pins_are_claimed_at_rest_from_the_first_moment() {
    let levels: Vec<Level> = claims(&outputs()).into_iter().map(|c| c.level).collect();
    assert_eq!(levels, [Level::Low, Level::Low]);
}

#[test]
fn an_action_moves_its_pin_and_the_report_says_so() {
    let (outputs, log, stop) = (outputs(), PinLog::default(), Stop::default());
    let (reporter, reports) = reporter(false);
    let (decisions, inbox) = sync_channel(8);
    thread::scope(|scope| {
        let actuator = Actuator::new(&outputs, Box::new(log.clone()));
        scope.spawn(|| actuator.work(&{ inbox }, &reporter, &stop));
        decisions.send(decided(vec![Action::Toggle(0), Action::Set(1, false.into())])).unwrap();
        let Report::Outcome(outcome) = reports.recv().unwrap() else { panic!("an outcome should come") };
        assert_eq!(
            outcome.switched.iter().map(|s| (s.output.as_str(), s.duty.clone())).collect::<Vec<_>>(),
            [("lamp", Ok(Duty::FULL)), ("valve", Ok(Duty::NONE))]
        );
        assert_eq!(log.last(), [Some(Level::High), Some(Level::High)]);
        drop(decisions);
    });
    assert_eq!(log.last(), RESTING, "the decider is gone");
}

#[test]
fn a_pulse_ends_by_itself_while_nothing_else_is_decided() {
    let (outputs, log, stop) = (outputs(), PinLog::default(), Stop::default());
    let (reporter, _reports) = reporter(false);
    let (decisions, inbox) = sync_channel(8);
    thread::scope(|scope| {
        let actuator = Actuator::new(&outputs, Box::new(log.clone()));
        scope.spawn(|| actuator.work(&{ inbox }, &reporter, &stop));
        decisions.send(decided(vec![Action::Pulse(0, Duration::from_millis(50))])).unwrap();
        let ended = || *log.0.lock().unwrap() == [(0, Level::High), (0, Level::Low)];
        while !ended() {
            thread::yield_now();
        }
        drop(decisions);
    });
}

#[test]
fn a_stop_rests_the_pins_though_the_mind_goes_on() {
    let (outputs, log, stop) = (outputs(), PinLog::default(), Stop::default());
    let (reporter, reports) = reporter(false);
    let (decisions, inbox) = sync_channel(8);
    thread::scope(|scope| {
        let actuator = Actuator::new(&outputs, Box::new(log.clone()));
        let working = scope.spawn(|| actuator.work(&{ inbox }, &reporter, &stop));
        decisions.send(decided(vec![Action::Set(0, true.into())])).unwrap();
        reports.recv().unwrap();
        stop.raise();
        working.join().unwrap();
        assert_eq!(log.last(), RESTING);
        assert!(decisions.send(decided(vec![])).is_err(), "and nothing is obeyed any more");
    });
}

#[test]
fn a_panic_rests_the_pins() {
    let (outputs, log) = (outputs(), PinLog::default());
    let theirs = log.clone();
    let panicked = thread::spawn(move || {
        let mut pins: Box<dyn OutputPins> = Box::new(theirs);
        pins.set(0, Level::High).unwrap();
        let _actuator = Actuator::new(&outputs, pins);
        panic!("as if something went wrong");
    })
    .join();
    assert!(panicked.is_err());
    assert_eq!(log.last(), RESTING);
}

/// A pin that fails every other time, beginning with the second.
struct Loose(PinLog, usize);

impl OutputPins for Loose {
    fn set(&mut self, index: usize, level: Level) -> Result<(), GpioError> {
        self.1 += 1;
        if self.1.is_multiple_of(2) { Broken.set(index, level) } else { self.0.set(index, level) }
    }
}

#[test]
fn a_pulse_whose_end_fails_is_ended_all_the_same_and_a_toggle_that_fails_is_not_counted() {
    let (outputs, log, stop) = (outputs(), PinLog::default(), Stop::default());
    let (reporter, reports) = reporter(false);
    let (decisions, inbox) = sync_channel(8);
    thread::scope(|scope| {
        let actuator = Actuator::new(&outputs, Box::new(Loose(log.clone(), 0)));
        scope.spawn(|| actuator.work(&{ inbox }, &reporter, &stop));
        decisions.send(decided(vec![Action::Pulse(0, Duration::from_millis(10))])).unwrap();
        reports.recv().unwrap();
        while *log.0.lock().unwrap() != [(0, Level::High), (0, Level::Low)] {
            thread::yield_now();
        }
        decisions.send(decided(vec![Action::Toggle(0), Action::Toggle(0)])).unwrap();
        let Report::Outcome(outcome) = reports.recv().unwrap() else { panic!("an outcome should come") };
        let on: Vec<_> = outcome.switched.iter().map(|s| s.duty.clone().ok()).collect();
        assert_eq!(on, [None, Some(Duty::FULL)]);
        drop(decisions);
    });
}

#[test]
fn a_pin_that_fails_is_reported_and_the_hands_go_on() {
    let (outputs, stop) = (outputs(), Stop::default());
    let (reporter, reports) = reporter(false);
    let (decisions, inbox) = sync_channel(8);
    thread::scope(|scope| {
        let actuator = Actuator::new(&outputs, Box::new(Broken));
        scope.spawn(|| actuator.work(&{ inbox }, &reporter, &stop));
        for _ in 0..2 {
            decisions.send(decided(vec![Action::Set(0, true.into())])).unwrap();
            let Report::Outcome(outcome) = reports.recv().unwrap() else { panic!("an outcome should come") };
            assert_eq!(outcome.switched[0].duty, Err("pin GPIO17: the wire is off".into()));
        }
        drop(decisions);
    });
}

#[test]
fn a_request_that_must_wait_is_reported_as_later_and_a_stop_does_not_wait() {
    let (mut outputs, log, stop) = (outputs(), PinLog::default(), Stop::default());
    outputs[0].limits.min_on = Duration::from_secs(3600);
    let (reporter, reports) = reporter(false);
    let (decisions, inbox) = sync_channel(8);
    thread::scope(|scope| {
        let actuator = Actuator::new(&outputs, Box::new(log.clone()));
        let working = scope.spawn(|| actuator.work(&{ inbox }, &reporter, &stop));
        decisions.send(decided(vec![Action::Set(0, true.into()), Action::Set(0, false.into())])).unwrap();
        let Report::Outcome(outcome) = reports.recv().unwrap() else { panic!("an outcome should come") };
        let told: Vec<_> = outcome.switched.iter().map(|s| (s.duty.clone(), s.later)).collect();
        assert_eq!(told, [(Ok(Duty::FULL), false), (Ok(Duty::NONE), true)]);
        assert_eq!(log.last(), [Some(Level::High), None]);
        stop.raise();
        working.join().unwrap();
        assert_eq!(log.last(), RESTING);
    });
}

#[test]
fn an_interlocked_output_goes_off_before_the_other_goes_on() {
    let (mut outputs, log, stop) = (outputs(), PinLog::default(), Stop::default());
    (outputs[1].active_low, outputs[1].rest) = (false, false);
    for output in &mut outputs {
        output.limits.interlock = Some(Interlock { group: 0, dead_time: Duration::from_millis(50) });
    }
    let (reporter, reports) = reporter(false);
    let (decisions, inbox) = sync_channel(8);
    thread::scope(|scope| {
        let actuator = Actuator::new(&outputs, Box::new(log.clone()));
        scope.spawn(|| actuator.work(&{ inbox }, &reporter, &stop));
        decisions.send(decided(vec![Action::Set(0, true.into())])).unwrap();
        reports.recv().unwrap();
        while log.last() != [Some(Level::High), None] {
            thread::yield_now();
        }
        let asked = Instant::now();
        decisions.send(decided(vec![Action::Set(1, true.into())])).unwrap();
        let Report::Outcome(outcome) = reports.recv().unwrap() else { panic!("an outcome should come") };
        let told: Vec<_> = outcome.switched.iter().map(|s| (s.output.as_str(), s.duty.clone(), s.later)).collect();
        assert_eq!(told, [("lamp", Ok(Duty::NONE), false), ("valve", Ok(Duty::FULL), true)]);
        while log.last() != [Some(Level::Low), Some(Level::High)] {
            thread::yield_now();
        }
        assert!(asked.elapsed() >= Duration::from_millis(50));
        drop(decisions);
    });
    assert_eq!(
        *log.0.lock().unwrap(),
        [(0, Level::High), (0, Level::Low), (1, Level::High), (0, Level::Low), (1, Level::Low)]
    );
}
