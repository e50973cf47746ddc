//! Reads the sections `[outputs]` and `[interlocks]` of the configuration.

use super::{keys, named_entries, unknown};
use crate::act::command::{Dimmer, Interlock, Limits, Output, PULSES};
use crate::act::gpio::Backend;
use crate::act::gpio::GpioSettings;
use crate::act::gpio::{Duty, FASTEST_HERTZ, Line, Pwm, PwmChannel};
use crate::config::board::Board;
use crate::document::{Placed, Section, Value};

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
        let line = keys::PIN.get(&table).and_then(|pin| {
            let (line, place) = line(&pin, gpio)?;
            let taken: Vec<(&str, &Line)> = outputs.iter().map(|o| (o.name.as_str(), &o.line)).collect();
            if let Some(objection) = objection(&line, board, gpio, &taken) {
                table.problem_at(&place, objection);
            }
            Some(line)
        });
        let active_low = keys::ACTIVE_LOW.boolean(&table).unwrap_or(false);
        let rest = keys::REST.get(&table).and_then(|v| on_or_off(&v)).unwrap_or(false);
        let limits = limits(&table, rest);
        let line = line.unwrap_or(Line::Name(String::new()));
        let dimmer = dimmer(&table, Generator::of(&line, active_low, board, gpio, &outputs));
        let remember = remember(&table, &limits);
        table.end();
        outputs.push(Output { name: name.value, line, active_low, rest, dimmer, remember, limits });
    }
    outputs
}

/// The PWM generator of a pin.
enum Generator {
    /// A generator of the board.
    Board(PwmChannel),
    /// No generator: the pin is simulated.
    Simulated,
    /// A thread, and the reason why it is not a generator of the board.
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

/// Reads `pwm` and `fade`.
fn dimmer(table: &Section<'_>, generator: Generator) -> Option<Dimmer> {
    let pwm = keys::PWM.get(table);
    let fade = keys::FADE.get(table).and_then(|v| {
        if pwm.is_none() {
            v.problem("only an output with pwm can fade; as in: pwm = \"200 Hz\"");
        }
        keys::FADE.time_of(&v)
    });
    let value = pwm?;
    let hertz = keys::PWM.hertz_of(&value)?;
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
    keys::REMEMBER.get(table).is_some_and(|value| {
        let remember = value.boolean().unwrap_or(false);
        if remember && limits.max_on.is_some() {
            value.problem("an output with max_on is not remembered: with every restart its time would begin anew");
        }
        remember
    })
}

fn limits(table: &Section<'_>, rest: bool) -> Limits {
    let [min_on, min_off] = [keys::MIN_ON, keys::MIN_OFF].map(|key| key.time(table).unwrap_or_default());
    let max_on = keys::MAX_ON.get(table).and_then(|v| {
        if rest {
            v.problem("this output rests on, so it stays on; max_on needs rest = \"off\"");
        }
        keys::MAX_ON.time_from(&v, min_on.max(*PULSES.start()))
    });
    Limits { max_on, min_on, min_off, interlock: None }
}

/// Reads `{ outputs = ["up", "down"], dead_time = "500 ms" }`.
fn interlock(table: Section<'_>, group: usize, outputs: &mut [Output]) {
    let listed = keys::INTERLOCKED.get(&table).and_then(|v| v.array());
    let dead_time = keys::DEAD_TIME.time_or_usual(&table);
    let interlock = Interlock { group, dead_time };
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

/// The index of the output `name`, which is the text of `value` or its key.
pub fn find(value: &Value<'_>, name: &Placed<String>, outputs: &[Output]) -> Option<usize> {
    let found = outputs.iter().position(|o| o.name == name.value);
    if found.is_none() {
        let known = outputs.iter().map(|o| o.name.as_str()).collect();
        value.problem_at(name, unknown("output", &name.value, known, "pin = 17"));
    }
    found
}

/// Reads "on" or "off".
pub fn on_or_off(value: &Value<'_>) -> Option<bool> {
    let text = value.string()?.value;
    let on = state(&text);
    if on.is_none() {
        value.problem(format!("{text:?} is not a state; \"on\" or \"off\" is needed"));
    }
    on
}

/// Reads "on", "off", or for an output with `pwm` a percentage.
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

/// Whether `text` is "on" or "off"; `None` for any other text.
pub fn state(text: &str) -> Option<bool> {
    match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// Reads a pin: a number, or with gpiocdev the name of a line. Also returns its place in the file.
pub fn line(pin: &Value<'_>, gpio: &GpioSettings) -> Option<(Line, Placed<()>)> {
    if gpio.backend == Backend::Gpiocdev && pin.is_string() {
        return pin.string().map(|name| (Line::Name(name.value), pin.placed(())));
    }
    let number = pin.integer(0..=1023)?;
    Some((Line::Number(number as u32), pin.placed(())))
}

/// The reason why `line` cannot be used; `None` if it can. `taken` has the lines that are in use, with their names.
pub fn objection(line: &Line, board: Option<&Board>, gpio: &GpioSettings, taken: &[(&str, &Line)]) -> Option<String> {
    if let Some((name, _)) = taken.iter().find(|(_, other)| *other == line) {
        return Some(format!("{line} is already the pin of {name:?}; each needs its own"));
    }
    let (Line::Number(number), Some(board)) = (line, board) else { return None };
    // On a chip other than that of the header, numbers are offsets on that chip.
    if gpio.backend == Backend::Gpiocdev && (gpio.chip != board.gpiochip || board.gpiochip.is_empty()) {
        return None;
    }
    match board.pin(*number) {
        None => Some(format!("{} has no {line}; its header has GPIO0 to GPIO27", board.name)),
        Some(pin) => pin.reserved.as_ref().map(|why| format!("{line} is reserved on {}: {why}", board.name)),
    }
}
