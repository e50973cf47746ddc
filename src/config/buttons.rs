//! Reads the section `[buttons]` of the configuration.

use super::{keys, named_entries, outputs, unknown};
use crate::act::buttons::{Button, Purpose};
use crate::act::command::{Action, Command, Output, Setting};
use crate::act::gpio::GpioSettings;
use crate::act::gpio::{Line, Pull};
use crate::act::task::{Argument, Task};
use crate::config::board::Board;
use crate::document::{Section, Value};

/// Reads `[buttons]`.
pub fn read(
    root: &Section<'_>,
    board: Option<&Board>,
    gpio: &GpioSettings,
    driven: &[Output],
    commands: &[Command],
) -> Vec<Button> {
    let mut buttons: Vec<Button> = Vec::new();
    for (name, value) in root.get("buttons").and_then(|v| v.section()).map(named_entries).unwrap_or_default() {
        let Some(table) = value.section() else { continue };
        let line = keys::BUTTON_PIN.get(&table).and_then(|pin| {
            let (line, place) = outputs::line(&pin, gpio)?;
            let outputs = driven.iter().map(|o| (o.name.as_str(), &o.line));
            let taken: Vec<(&str, &Line)> = outputs.chain(buttons.iter().map(|b| (b.name.as_str(), &b.line))).collect();
            if let Some(objection) = outputs::objection(&line, board, gpio, &taken) {
                table.problem_at(&place, objection);
            }
            Some(line)
        });
        let purpose = purpose(&table, commands);
        let active_low = keys::PRESSED_LOW.boolean(&table).unwrap_or(true);
        let open = if active_low { Pull::Up } else { Pull::Down };
        let pull = keys::PULL.get(&table).and_then(|v| pull(&v, open)).unwrap_or(open);
        let debounce = keys::DEBOUNCE.time_or_usual(&table);
        table.end();
        if let (Some(line), Some(purpose)) = (line, purpose) {
            buttons.push(Button { name: name.value, line, pull, active_low, debounce, purpose });
        }
    }
    buttons
}

/// Reads `command` or `talk`.
fn purpose(table: &Section<'_>, commands: &[Command]) -> Option<Purpose> {
    let talk = keys::TALK.get(table).filter(|talk| talk.boolean() != Some(false));
    match (keys::COMMAND.get(table), talk) {
        (Some(value), None) => command(&value, commands).map(Purpose::Command),
        (None, Some(_)) => Some(Purpose::Talk),
        (Some(_), Some(talk)) => {
            talk.problem("this button has a command too; leave out command or talk");
            None
        }
        (None, None) => {
            table.problem("this button does nothing; command = \"lamp\" or talk = true is needed");
            None
        }
    }
}

fn command(value: &Value<'_>, commands: &[Command]) -> Option<usize> {
    let name = value.string()?.value;
    let found = commands.iter().position(|c| c.name == name);
    let Some(index) = found else {
        value.problem(unknown("command", &name, commands.iter().map(|c| c.name.as_str()).collect(), "say = \"…\""));
        return None;
    };
    let Command { actions, tasks, .. } = &commands[index];
    let set = actions.iter().filter_map(|action| match action {
        Action::Set(_, Setting::Slot(slot)) => Some(slot.as_str()),
        _ => None,
    });
    let told = tasks.iter().flat_map(Task::arguments).flat_map(Argument::slots);
    if let Some(slot) = set.chain(told).next() {
        value.problem(format!("the command {name:?} needs the slot {slot:?}, which a button cannot say"));
    }
    found
}

/// Reads "up", "down" or "none". `open` is the pull that gives an open contact the level of a button that is not
/// pressed.
fn pull(value: &Value<'_>, open: Pull) -> Option<Pull> {
    let text = value.string()?.value;
    let pull = match text.as_str() {
        "up" => Some(Pull::Up),
        "down" => Some(Pull::Down),
        "none" => Some(Pull::None),
        _ => None,
    };
    if pull.is_none() {
        value.problem(format!("{text:?} is not a pull; \"up\", \"down\" or \"none\" is needed"));
    } else if pull != Some(Pull::None) && pull != Some(open) {
        let level = if open == Pull::Up { "low" } else { "high" };
        value.problem(format!(
            "pulled {text} an open contact is {level}, which is pressed; active_low says which level is"
        ));
    }
    pull
}
