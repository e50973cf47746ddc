//! The rules of outputs, by a clock that does not run.

use std::time::Duration;

use hearken::act::command::{Action, Blink, Dimmer, Interlock, Limits, Output};
use hearken::act::gpio::{Duty, Line, Pwm};
use hearken::act::outputs::{Change, Outputs};

use Action::{Pulse, Toggle};

/// Outputs whose changes are carried out on time, and written down.
pub struct Simulated<'a> {
    outputs: &'a [Output],
    rules: Outputs<'a>,
    now: Duration,
    /// Time until which every pin fails.
    pub broken_until: Duration,
    /// What was switched, and when.
    pub trace: Vec<(Duration, Change)>,
}

impl<'a> Simulated<'a> {
    pub fn new(outputs: &'a [Output]) -> Simulated<'a> {
        let (now, rules) = (Duration::ZERO, Outputs::at_rest(outputs));
        Simulated { outputs, rules, now, broken_until: now, trace: Vec::new() }
    }

    /// Lets the time pass up to `end`.
    pub fn pass(&mut self, end: Duration) {
        while let Some(due) = self.rules.next_due().filter(|due| *due <= end) {
            assert!(due > self.now, "{due:?} is over, and nothing was due: {:?}", self.rules);
            self.now = due;
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    pub fn ask(&mut self, action: Action) {
        self.rules.apply(action, self.now);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(change) = self.rules.due(self.now) {
            if self.now < self.broken_until {
                self.rules.not_switched(change, self.now + ms(100));
            } else {
                self.rules.switched(change, self.now);
                self.trace.push((self.now, change));
            }
        }
    }

    /// Whether all are at rest and will stay so.
    pub fn rests(&self) -> bool {
        self.rules.next_due().is_none()
            && (0..self.outputs.len()).all(|i| self.rules.duty(i) == self.outputs[i].rest.into())
    }

    fn lasting(&self, output: usize) -> Duty {
        self.rules.lasting(output)
    }

    /// As in "200 lamp on, 500 lamp off", in ms.
    fn told(&self) -> String {
        let told = |(at, change): &(Duration, Change)| {
            let name = &self.outputs[change.output].name;
            let state = match change.duty {
                Duty::NONE => "off".to_string(),
                Duty::FULL => "on".to_string(),
                share => share.get().to_string(),
            };
            format!("{} {name} {state}", at.as_millis())
        };
        self.trace.iter().map(told).collect::<Vec<_>>().join(", ")
    }
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn output(name: &str, rest: bool, limits: Limits) -> Output {
    Output { name: name.into(), line: Line::Number(17), active_low: false, rest, dimmer: None, remember: false, limits }
}

/// `max_on`, `min_on` and `min_off` in ms; 0: none.
pub fn limits([max_on, min_on, min_off]: [u64; 3]) -> Limits {
    let max_on = Some(ms(max_on)).filter(|max| !max.is_zero());
    Limits { max_on, min_on: ms(min_on), min_off: ms(min_off), interlock: None }
}

/// What becomes of requests at their times in ms.
fn told(outputs: &[Output], requests: &[(u64, Action)]) -> String {
    let mut simulated = Simulated::new(outputs);
    for (at, action) in requests {
        simulated.pass(ms(*at));
        simulated.ask(*action);
    }
    simulated.pass(ms(60_000));
    simulated.told()
}

#[allow(non_snake_case, reason = "it stands for the action that it makes")]
fn Set(output: usize, on: bool) -> Action {
    Action::Set(output, on.into())
}

fn blink(on: u64, off: u64, times: u32) -> Action {
    Action::Blink(0, Blink { on: ms(on), off: ms(off), times })
}

#[test]
fn requests_move_outputs_by_the_clock() {
    let outputs = [output("lamp", false, Limits::default()), output("valve", true, Limits::default())];
    let table: [(&[(u64, Action)], &str); 11] = [
        (&[(5, Set(0, true)), (9, Set(0, true)), (12, Set(1, true))], "5 lamp on"),
        (&[(5, Toggle(0)), (6, Toggle(0)), (7, Toggle(1))], "5 lamp on, 6 lamp off, 7 valve off"),
        (&[(5, Pulse(0, ms(200)))], "5 lamp on, 205 lamp off"),
        (&[(5, Pulse(1, ms(200)))], "5 valve off, 205 valve on"),
        (&[(5, Pulse(0, ms(200))), (100, Pulse(0, ms(200)))], "5 lamp on, 300 lamp off"),
        (&[(5, Pulse(0, ms(200))), (100, Set(0, true))], "5 lamp on"),
        (&[(5, Set(0, true)), (9, Pulse(0, ms(200)))], "5 lamp on, 209 lamp off"),
        (&[(5, blink(10, 20, 3))], "5 lamp on, 15 lamp off, 35 lamp on, 45 lamp off, 65 lamp on, 75 lamp off"),
        (&[(5, blink(10, 20, 3)), (20, Set(0, false))], "5 lamp on, 15 lamp off"),
        (&[(5, blink(10, 20, 3)), (20, Toggle(0))], "5 lamp on, 15 lamp off, 20 lamp on"),
        (&[(5, Pulse(0, ms(50))), (9, Pulse(1, ms(10)))], "5 lamp on, 9 valve off, 19 valve on, 55 lamp off"),
    ];
    for (requests, expected) in table {
        assert_eq!(told(&outputs, requests), expected, "{requests:?}");
    }
}

#[test]
fn an_output_that_rests_on_blinks_and_ends_on() {
    let sign = [output("sign", true, Limits::default())];
    assert_eq!(told(&sign, &[(5, blink(10, 20, 2))]), "15 sign off, 35 sign on, 45 sign off, 65 sign on");
}

#[test]
fn an_output_is_never_on_longer_than_max_on() {
    let heater = [output("heater", false, limits([100, 0, 0]))];
    let table: [(&[(u64, Action)], &str); 6] = [
        (&[(5, Set(0, true))], "5 heater on, 105 heater off"),
        (&[(5, Set(0, true)), (50, Set(0, true)), (90, Set(0, true))], "5 heater on, 105 heater off"),
        (&[(5, Set(0, true)), (50, Pulse(0, ms(90)))], "5 heater on, 105 heater off"),
        (&[(5, Set(0, true)), (105, Set(0, true))], "5 heater on, 105 heater off, 105 heater on, 205 heater off"),
        (&[(5, Pulse(0, ms(20)))], "5 heater on, 25 heater off"),
        (&[(5, blink(100, 10, 2))], "5 heater on, 105 heater off, 115 heater on, 215 heater off"),
    ];
    for (requests, expected) in table {
        assert_eq!(told(&heater, requests), expected, "{requests:?}");
    }
}

#[test]
fn a_request_that_comes_too_early_waits_and_the_last_one_wins() {
    let fridge = [output("fridge", false, limits([0, 100, 300]))];
    let table: [(&[(u64, Action)], &str); 8] = [
        (&[(5, Set(0, true))], "300 fridge on"),
        (&[(5, Set(0, true)), (200, Set(0, false))], ""),
        (&[(5, Toggle(0)), (200, Toggle(0))], ""),
        (&[(400, Set(0, true)), (410, Set(0, false))], "400 fridge on, 500 fridge off"),
        (&[(400, Set(0, true)), (410, Set(0, false)), (420, Set(0, true))], "400 fridge on"),
        (
            &[(400, Set(0, true)), (600, Set(0, false)), (610, Toggle(0))],
            "400 fridge on, 600 fridge off, 900 fridge on",
        ),
        (&[(5, Pulse(0, ms(150)))], "300 fridge on, 450 fridge off"),
        (
            &[(400, Set(0, true)), (600, Toggle(0)), (700, Pulse(0, ms(100)))],
            "400 fridge on, 600 fridge off, 900 fridge on, 1000 fridge off",
        ),
    ];
    for (requests, expected) in table {
        assert_eq!(told(&fridge, requests), expected, "{requests:?}");
    }
}

/// Up and down, 50 ms apart; down stays on for 200 ms at least. The bell has nothing to do with them.
fn blinds() -> [Output; 3] {
    let interlock = Some(Interlock { group: 0, dead_time: ms(50) });
    [
        output("up", false, Limits { interlock, ..Limits::default() }),
        output("down", false, Limits { interlock, ..limits([0, 200, 0]) }),
        output("bell", false, Limits::default()),
    ]
}

#[test]
fn of_interlocked_outputs_one_goes_on_when_the_others_have_been_off_for_the_dead_time() {
    let table: [(&[(u64, Action)], &str); 9] = [
        (&[(5, Set(0, true))], "50 up on"),
        (&[(100, Set(0, true)), (200, Set(1, true))], "100 up on, 200 up off, 250 down on"),
        (&[(100, Set(1, true)), (150, Set(0, true))], "100 down on, 300 down off, 350 up on"),
        (&[(100, Set(0, true)), (200, Set(1, true)), (220, Set(0, true))], "100 up on, 200 up off, 220 up on"),
        (&[(100, Set(0, true)), (200, Set(1, true)), (220, Set(1, false))], "100 up on, 200 up off"),
        (&[(100, Set(0, true)), (200, Set(1, false))], "100 up on"),
        (&[(100, Set(0, true)), (200, Pulse(1, ms(300)))], "100 up on, 200 up off, 250 down on, 550 down off"),
        (&[(100, blink(10, 10, 9)), (115, Set(1, true))], "100 up on, 110 up off, 160 down on"),
        (
            &[(100, Set(0, true)), (150, Set(2, true)), (200, Toggle(1))],
            "100 up on, 150 bell on, 200 up off, 250 down on",
        ),
    ];
    for (requests, expected) in table {
        assert_eq!(told(&blinds(), requests), expected, "{requests:?}");
    }
}

#[test]
fn a_way_to_rest_that_fails_is_tried_again_and_a_way_out_of_rest_is_given_up() {
    let outputs = blinds();
    let mut simulated = Simulated::new(&outputs);
    simulated.broken_until = ms(90);
    simulated.pass(ms(60));
    simulated.ask(Set(0, true));
    simulated.pass(ms(100));
    assert!(simulated.rests(), "given up");
    simulated.ask(Set(0, true));
    simulated.broken_until = ms(450);
    simulated.pass(ms(200));
    simulated.ask(Set(1, true));
    simulated.pass(ms(1000));
    assert_eq!(simulated.told(), "100 up on, 500 up off, 550 down on");
}

/// A lamp that takes 100 ms from dark to full.
fn dimmed(limits: Limits) -> [Output; 1] {
    let dimmer = Some(Dimmer { pwm: Pwm { hertz: 200, hardware: None }, fade: ms(100) });
    [Output { dimmer, ..output("lamp", false, limits) }]
}

#[test]
fn a_lamp_that_is_set_fades_in_steps_of_20_ms_and_all_else_is_at_once() {
    let dim = |percent: u16| Action::Set(0, Duty::thousandths(percent * 10));
    let table: [(&[(u64, Action)], &str); 8] = [
        (&[(5, dim(50))], "5 lamp 200, 25 lamp 400, 45 lamp 500"),
        (&[(5, Set(0, true))], "5 lamp 200, 25 lamp 400, 45 lamp 600, 65 lamp 800, 85 lamp on"),
        (&[(5, dim(40)), (100, dim(10))], "5 lamp 200, 25 lamp 400, 100 lamp 200, 120 lamp 100"),
        (&[(5, dim(40)), (30, dim(0))], "5 lamp 200, 25 lamp 400, 30 lamp 200, 50 lamp off"),
        (
            &[(5, dim(20)), (30, Toggle(0)), (60, Toggle(0))],
            "5 lamp 200, 30 lamp off, 60 lamp 200, 80 lamp 400, 100 lamp 600, 120 lamp 800, 140 lamp on",
        ),
        (&[(5, Pulse(0, ms(50)))], "5 lamp on, 55 lamp off"),
        (&[(5, dim(20)), (50, blink(10, 10, 2))], "5 lamp 200, 50 lamp on, 60 lamp off, 70 lamp on, 80 lamp off"),
        (&[(5, dim(20)), (50, dim(20))], "5 lamp 200"),
    ];
    for (requests, expected) in table {
        assert_eq!(told(&dimmed(Limits::default()), requests), expected, "{requests:?}");
    }
}

#[test]
fn a_fade_takes_its_time_whatever_its_steps() {
    for fade in [100, 3_000, 7_000, 11_000, 19_000, 30_000, 60_000] {
        let mut lamp = dimmed(Limits::default());
        lamp[0].dimmer = lamp[0].dimmer.map(|dimmer| Dimmer { fade: ms(fade), ..dimmer });
        let mut simulated = Simulated::new(&lamp);
        simulated.ask(Set(0, true));
        simulated.pass(ms(100_000));
        let took = simulated.trace.last().unwrap().0;
        assert!(took <= ms(fade) && took >= ms(fade * 97 / 100) - ms(20), "{took:?} for {fade} ms");
    }
}

#[test]
fn what_an_output_was_asked_to_stay_outlives_failures_and_ends_with_a_pulse_or_a_rival() {
    let outputs = blinds();
    let mut simulated = Simulated::new(&outputs);
    simulated.broken_until = ms(100);
    simulated.pass(ms(60));
    simulated.ask(Set(0, true));
    simulated.ask(Set(2, true));
    let lasting = |simulated: &Simulated<'_>| [0, 1, 2].map(|output| simulated.lasting(output));
    assert_eq!(lasting(&simulated), [Duty::FULL, Duty::NONE, Duty::FULL]);
    simulated.ask(Set(1, true));
    simulated.ask(Pulse(2, ms(10)));
    assert_eq!(lasting(&simulated), [Duty::NONE, Duty::FULL, Duty::NONE]);
}

#[test]
fn the_limits_of_a_dimmed_lamp_count_from_dark_to_light_and_back() {
    let dim = |percent: u16| Action::Set(0, Duty::thousandths(percent * 10));
    let max_on: (&[(u64, Action)], &str) =
        (&[(5, dim(40)), (60, dim(60))], "5 lamp 200, 25 lamp 400, 60 lamp 600, 85 lamp off");
    assert_eq!(told(&dimmed(limits([80, 0, 0])), max_on.0), max_on.1);
    let fading_out: (&[(u64, Action)], &str) =
        (&[(5, dim(40)), (70, dim(0))], "5 lamp 200, 25 lamp 400, 70 lamp 200, 85 lamp off");
    assert_eq!(told(&dimmed(limits([80, 0, 0])), fading_out.0), fading_out.1, "a fade does not prolong it");
    let early: (&[(u64, Action)], &str) =
        (&[(5, dim(20)), (60, dim(0)), (210, dim(20))], "50 lamp 200, 150 lamp off, 210 lamp 200");
    assert_eq!(told(&dimmed(limits([0, 100, 50])), early.0), early.1);
}
