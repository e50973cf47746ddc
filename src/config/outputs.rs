//! The part of the configuration that says what is switched: outputs, their limits, interlocks.

use std::time::Duration;

use super::{named_entries, units, unknown};
use crate::act::command::{Dimmer, Interlock, Limits, Output, PULSES};
use crate::act::gpio::Backend;
use crate::act::gpio::GpioSettings;
use crate::act::gpio::{Duty, FASTEST_HERTZ, Line, Pwm, PwmChannel};
use crate::config::board::Board;
use crate::document::{Placed, Section, Value};

/// Longest `max_on`: what may stay on for a day may stay on.
const LONGEST_ON: Duration = Duration::from_secs(24 * 3600);
/// Longest pause between two interlocked outputs. A motor that runs out takes seconds.
const LONGEST_DEAD_TIME: Duration = Duration::from_secs(60);
/// The pause if none is given: a relay lets go within 20 ms, a small motor stops within half a second.
const DEAD_TIME: Duration = Duration::from_millis(500);

/// Slowest and fastest turns of a dimmed output: below, a lamp flickers; above, no generator of a board has a thousand steps.
const FREQUENCIES: std::ops::RangeInclusive<u32> = 10..=25_000;
/// Longest fade: a sunrise takes another kind of timer.
const LONGEST_FADE: Duration = Duration::from_secs(60);

/// Reads `[outputs]` and `[interlocks]`.
pub fn read(root: &Section<'_>, board: Option<&Board>, gpio: &GpioSettings) -> Vec<Output> {
    let named = root.get("outputs").and_then(|v| v.section());
    let mut outputs = named.map(|section| outputs(section, board, gpio)).unwrap_or_default();
    let groups = root.get("interlocks").and_then(|v| v.section()).map(named_entries).unwrap_or_default();
    for (group, (_, value)) in groups.iter().enumerate() {
        if let Some(table) = value.section() {
            interlock(table, group, &mut outputs);
        }
    }
    outputs
}

fn outputs(section: Section<'_>, board: Option<&Board>, gpio: &GpioSettings) -> Vec<Output> {
    let mut outputs: Vec<Output> = Vec::new();
    for (name, value) in named_entries(section) {
        let Some(table) = value.section() else { continue };
        let line = table.need("pin", "pin = 17").and_then(|pin| {
            let (line, place) = line(&pin, gpio)?;
            let taken: Vec<(&str, &Line)> = outputs.iter().map(|o| (o.name.as_str(), &o.line)).collect();
            if let Some(objection) = objection(&line, board, gpio, &taken) {
                table.problem_at(&place, objection);
            }
            Some(line)
        });
        let active_low = table.get("active_low").and_then(|v| v.boolean()).unwrap_or(false);
        let rest = table.get("rest").and_then(|v| on_or_off(&v)).unwrap_or(false);
        let limits = limits(&table, rest);
        let line = line.unwrap_or(Line::Name(String::new()));
        let dimmer = dimmer(&table, Generator::of(&line, active_low, board, gpio, &outputs));
        let remember = remember(&table, &limits);
        table.end();
        outputs.push(Output { name: name.value, line, active_low, rest, dimmer, remember, limits });
    }
    outputs
}

/// What dims a pin.
enum Generator {
    /// The board's, if the pin is joined to it.
    Board(PwmChannel),
    /// Nothing real.
    Simulated,
    /// A thread, and why.
    Thread(String),
}

impl Generator {
    fn of(line: &Line, active_low: bool, board: Option<&Board>, gpio: &GpioSettings, others: &[Output]) -> Generator {
        let channel = match (line, board) {
            (Line::Number(bcm), Some(board)) => board.pin(*bcm).and_then(|pin| pin.pwm),
            _ => None,
        };
        let uses = |output: &&Output| output.dimmer.and_then(|d| d.pwm.hardware).map(|h| h.channel);
        match (gpio.backend, channel) {
            (Backend::Simulated, None) => Generator::Simulated,
            (Backend::Gpiocdev, _) => Generator::Thread("gpiocdev cannot use the board's generator".into()),
            (_, None) => Generator::Thread(format!("the board has no generator for {line}")),
            (_, Some(_)) if active_low => {
                Generator::Thread("the board's generator begins with a low level, which is on here".into())
            }
            (_, Some(channel)) => match others.iter().find(|o| uses(o) == Some(channel.channel)) {
                Some(other) => Generator::Thread(format!("output {:?} has the board's generator", other.name)),
                None => Generator::Board(channel),
            },
        }
    }
}

/// `pwm` and `fade`.
fn dimmer(table: &Section<'_>, generator: Generator) -> Option<Dimmer> {
    let pwm = table.get("pwm");
    let fade = table.get("fade").and_then(|v| {
        if pwm.is_none() {
            v.problem("only an output with pwm can fade; as in: pwm = \"200 Hz\"");
        }
        units::duration(&v, Duration::ZERO..=LONGEST_FADE)
    });
    let value = pwm?;
    let hertz = units::hertz(&value, FREQUENCIES)?;
    let hardware = match generator {
        Generator::Board(channel) => Some(channel),
        Generator::Thread(why) if hertz > FASTEST_HERTZ => {
            value.problem(format!("{hertz} Hz is too fast for a thread, which does {FASTEST_HERTZ} Hz at most; {why}"));
            None
        }
        Generator::Simulated | Generator::Thread(_) => None,
    };
    Some(Dimmer { pwm: Pwm { hertz, hardware }, fade: fade.unwrap_or_default() })
}

fn remember(table: &Section<'_>, limits: &Limits) -> bool {
    table.get("remember").is_some_and(|value| {
        let remember = value.boolean().unwrap_or(false);
        if remember && limits.max_on.is_some() {
            value.problem("an output with max_on is not remembered: with every restart its time would begin anew");
        }
        remember
    })
}

fn limits(table: &Section<'_>, rest: bool) -> Limits {
    let least = |name: &str| table.get(name).and_then(|v| units::duration(&v, PULSES)).unwrap_or_default();
    let (min_on, min_off) = (least("min_on"), least("min_off"));
    let max_on = table.get("max_on").and_then(|v| {
        if rest {
            v.problem("this output rests on, so it stays on; max_on needs rest = \"off\"");
        }
        units::duration(&v, min_on.max(*PULSES.start())..=LONGEST_ON)
    });
    Limits { max_on, min_on, min_off, interlock: None }
}

/// { outputs = ["up", "down"], dead_time = "500 ms" }
fn interlock(table: Section<'_>, group: usize, outputs: &mut [Output]) {
    let listed = table.need("outputs", "outputs = [\"up\", \"down\"]").and_then(|v| v.array());
    let dead_times = *PULSES.start()..=LONGEST_DEAD_TIME;
    let dead_time = table.get("dead_time").map_or(Some(DEAD_TIME), |v| units::duration(&v, dead_times));
    let interlock = Interlock { group, dead_time: dead_time.unwrap_or_default() };
    for value in listed.iter().flatten() {
        let Some(member) = value.string().and_then(|name| find(value, &name, outputs)) else { continue };
        let Output { name, rest, dimmer, limits, .. } = &mut outputs[member];
        if dimmer.is_some() {
            value.problem(format!("output {name:?} has pwm; interlocked ones are on or off"));
        }
        if *rest {
            value.problem(format!("output {name:?} rests on; interlocked ones rest off, so that all can rest at once"));
        }
        if limits.interlock.replace(interlock).is_some() {
            value.problem(format!("output {name:?} is already in an interlock; it can be in one only"));
        }
    }
    if listed.is_some_and(|listed| listed.len() < 2) {
        table.problem("an interlock needs two outputs or more; as in: outputs = [\"up\", \"down\"]");
    }
    table.end();
}

/// The index of the output `name`, which stands in `value` or before it.
pub fn find(value: &Value<'_>, name: &Placed<String>, outputs: &[Output]) -> Option<usize> {
    let found = outputs.iter().position(|o| o.name == name.value);
    if found.is_none() {
        let known = outputs.iter().map(|o| o.name.as_str()).collect();
        value.problem_at(name, unknown("output", &name.value, known, "pin = 17"));
    }
    found
}

/// "on" or "off".
pub fn on_or_off(value: &Value<'_>) -> Option<bool> {
    let text = value.string()?.value;
    let on = state(&text);
    if on.is_none() {
        value.problem(format!("{text:?} is not a state; \"on\" or \"off\" is needed"));
    }
    on
}

/// "on", "off", or for an output with `pwm` so many percent.
pub fn fixed(value: &Value<'_>, output: &Output) -> Option<Duty> {
    if !value.is_integer() {
        return on_or_off(value).map(Duty::from);
    }
    let percent = value.integer(0..=100)?;
    if output.dimmer.is_none() {
        value.problem(format!("output {:?} is on or off; percent need pwm = \"200 Hz\" there", output.name));
    }
    Some(Duty::thousandths(percent as u16 * 10))
}

/// What "on" and "off" mean.
pub fn state(text: &str) -> Option<bool> {
    match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// A pin: a number, or with gpiocdev a line's name; and its place in the file.
pub fn line(pin: &Value<'_>, gpio: &GpioSettings) -> Option<(Line, Placed<()>)> {
    if gpio.backend == Backend::Gpiocdev && pin.is_string() {
        return pin.string().map(|name| (Line::Name(name.value), pin.placed(())));
    }
    let number = pin.integer(0..=1023)?;
    Some((Line::Number(number as u32), pin.placed(())))
}

/// Why nothing must be joined to `line`; `taken`: what is, by name.
pub fn objection(line: &Line, board: Option<&Board>, gpio: &GpioSettings, taken: &[(&str, &Line)]) -> Option<String> {
    if let Some((name, _)) = taken.iter().find(|(_, other)| *other == line) {
        return Some(format!("{line} is already the pin of {name:?}; each needs its own"));
    }
    let (Line::Number(number), Some(board)) = (line, board) else { return None };
    // On a chip that is not the board's own, numbers are that chip's offsets.
    if gpio.backend == Backend::Gpiocdev && (gpio.chip != board.gpiochip || board.gpiochip.is_empty()) {
        return None;
    }
    match board.pin(*number) {
        None => Some(format!("{} has no {line}; its header has GPIO0 to GPIO27", board.name)),
        Some(pin) => pin.reserved.as_ref().map(|why| format!("{line} is reserved on {}: {why}", board.name)),
    }
}
