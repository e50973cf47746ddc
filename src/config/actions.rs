//! Reads what commands do: the section `[scenes]`, and the keys of a command.

use std::collections::BTreeMap;

use super::key::Key;
use super::keys;
use super::{named_entries, outputs, units, unknown};
use crate::act::command::{Action, Blink, Output, Requirement, Setting, setting as meaning};
use crate::act::gpio::Duty;
use crate::document::{Placed, Section, Value, nearest};
use crate::grammar::build::Filled;
use crate::grammar::{List, SlotValue};

/// Reads `[scenes]`: for each name the outputs that it sets and their states, in the order of the file.
pub fn scenes(section: Section<'_>, outputs: &[Output]) -> BTreeMap<String, Vec<(usize, Duty)>> {
    let mut scenes = BTreeMap::new();
    for (name, value) in named_entries(section) {
        let sets = value.section().map(|s| s.entries()).unwrap_or_default();
        let set = |(name, value): &(Placed<String>, Value<'_>)| {
            let output = outputs::find(value, name, outputs)?;
            Some((output, outputs::fixed(value, &outputs[output])?))
        };
        scenes.insert(name.value, sets.iter().filter_map(set).collect());
    }
    scenes
}

/// The slots that the sentences of a command fill, and all lists.
pub struct Says<'a> {
    /// The slots; `None` if the templates have faults.
    pub filled: Option<Filled>,
    /// All lists.
    pub lists: &'a BTreeMap<String, List>,
}

impl Says<'_> {
    /// Whether every sentence of the command fills this slot. If not, notes the problem at `value`.
    pub fn is_always_filled(&self, value: &Value<'_>, slot: &str) -> bool {
        // Without slots the templates of the command have faults, which were reported already.
        let Some(filled) = &self.filled else { return false };
        if filled.always.contains(slot) {
            return true;
        }
        let known: Vec<&str> = filled.always.iter().map(String::as_str).collect();
        value.problem(match (nearest(slot, &known), filled.ever.contains_key(slot), known.as_slice()) {
            (Some(near), ..) => format!("no slot {slot:?} in these sentences; did you mean {{{near}}}?"),
            (None, true, _) => format!("not every sentence of this command fills the slot {slot:?}"),
            (None, false, []) => format!("no slot {slot:?} in these sentences; none is in all of them"),
            (None, false, known) => format!("no slot {slot:?} in these sentences; there are: {}", known.join(", ")),
        });
        false
    }

    /// Checks that every slot has only one kind of values, text or whole numbers, no matter which list fills it.
    pub fn one_kind_a_slot(&self, section: &Section<'_>) {
        for (slot, lists) in self.filled.iter().flat_map(|filled| &filled.ever) {
            let known = lists.iter().filter_map(|name| Some((name, self.lists.get(name)?.kind())));
            let kinds: BTreeMap<&str, &String> = known.map(|(name, kind)| (kind, name)).collect();
            let [(one, first), (other, second), ..] = kinds.into_iter().collect::<Vec<_>>()[..] else { continue };
            let say = section.get("say");
            say.into_iter().for_each(|say| {
                let what = format!("{{{first}:{slot}}} gives {one} and {{{second}:{slot}}} {other}");
                say.problem(format!("the slot {slot:?} is of two kinds: {what}; give one of them another slot"));
            });
        }
    }
}

/// Reads the actions of a command, in their order.
pub fn actions(
    section: &Section<'_>,
    outputs: &[Output],
    scenes: &BTreeMap<String, Vec<(usize, Duty)>>,
    says: &Says<'_>,
) -> Vec<Action<Setting>> {
    let mut actions: Vec<(usize, Action<Setting>)> = Vec::new();
    let mut add = |value: &Value<'_>, name: &Placed<String>, action: &dyn Fn(usize) -> Option<Action<Setting>>| {
        let Some(index) = outputs::find(value, name, outputs) else { return };
        let action = action(index);
        if actions.iter().any(|(i, _)| *i == index) {
            value.problem(format!("this command already acts on output {:?}; once is enough", name.value));
        } else if let Some(other) = action.as_ref().and_then(|action| clash(action, index, &actions, outputs)) {
            let what = format!("{:?} and {other:?} are interlocked; one command cannot switch both on", name.value);
            value.problem(what);
        }
        actions.extend(action.map(|action| (index, action)));
    };
    let entries = |key: Key| key.get(section).and_then(|v| v.section()).map(|s| s.entries()).unwrap_or_default();
    for (name, value) in entries(keys::SET) {
        add(&value, &name, &|i| setting(&value, &outputs[i], says).map(|setting| Action::Set(i, setting)));
    }
    for value in keys::TOGGLE.get(section).iter().flat_map(Value::one_or_many) {
        if let Some(name) = value.string() {
            add(&value, &name, &|i| Some(Action::Toggle(i)));
        }
    }
    for (name, value) in entries(keys::PULSE) {
        let times = |i: usize| outputs[i].times(!outputs[i].rest);
        add(&value, &name, &|i| units::duration(&value, times(i)).map(|time| Action::Pulse(i, time)));
    }
    for (name, value) in entries(keys::BLINK) {
        add(&value, &name, &|i| blink(&value, &outputs[i]).map(|blink| Action::Blink(i, blink)));
    }
    if let Some(scene) = keys::SCENE.get(section) {
        for (index, duty) in sets(&scene, scenes) {
            add(&scene, &scene.placed(outputs[*index].name.clone()), &|i| Some(Action::Set(i, Setting::Fixed(*duty))));
        }
    }
    actions.into_iter().map(|(_, action)| action).collect()
}

/// Reads `requires = { lamp = "on" }`.
pub fn requires(section: &Section<'_>, outputs: &[Output]) -> Vec<Requirement> {
    let entries = keys::REQUIRES.get(section).and_then(|v| v.section()).map(|s| s.entries()).unwrap_or_default();
    let required = |(name, value): &(Placed<String>, Value<'_>)| {
        let output = outputs::find(value, name, outputs)?;
        Some(Requirement { output, on: outputs::on_or_off(value)? })
    };
    entries.iter().filter_map(required).collect()
}

/// The name of an output of another action that is interlocked with the output of this action, if both could go on.
fn clash<'o>(
    action: &Action<Setting>,
    index: usize,
    actions: &[(usize, Action<Setting>)],
    outputs: &'o [Output],
) -> Option<&'o str> {
    let may_go_on = |action: &Action<Setting>| !matches!(action, Action::Set(_, Setting::Fixed(Duty::NONE)));
    let excludes = |other: usize| outputs[index].excludes(&outputs[other]);
    let (other, _) = actions.iter().find(|(i, other)| excludes(*i) && may_go_on(action) && may_go_on(other))?;
    Some(&outputs[*other].name)
}

/// The outputs and states of the scene that `value` names.
fn sets<'s>(value: &Value<'_>, scenes: &'s BTreeMap<String, Vec<(usize, Duty)>>) -> &'s [(usize, Duty)] {
    let Some(Placed { value: name, .. }) = value.string() else { return &[] };
    let scene = scenes.get(&name);
    if scene.is_none() {
        value.problem(unknown("scene", &name, scenes.keys().map(String::as_str).collect(), "lamp = \"on\""));
    }
    scene.map_or(&[], Vec::as_slice)
}

/// Reads `{ on = "200 ms", off = "300 ms", times = 5 }`.
fn blink(value: &Value<'_>, output: &Output) -> Option<Blink> {
    let section = value.section()?;
    let time = |key: Key, on| key.get(&section).and_then(|v| units::duration(&v, output.times(on)));
    let (on, off) = (time(keys::BLINK_ON, true), time(keys::BLINK_OFF, false));
    let times = keys::BLINK_TIMES.whole(&section);
    section.end();
    Some(Blink { on: on?, off: off?, times: times? as u32 })
}

/// Reads "on", "off", a percentage, or "{slot}", a slot that every sentence fills with a state that the output can
/// have.
fn setting(value: &Value<'_>, output: &Output, says: &Says<'_>) -> Option<Setting> {
    if value.is_integer() {
        return outputs::fixed(value, output).map(Setting::Fixed);
    }
    let text = value.string()?.value;
    if let Some(on) = outputs::state(&text) {
        return Some(Setting::Fixed(on.into()));
    }
    let Some(slot) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) else {
        value.problem(format!("{text:?} is not a state; \"on\", \"off\" or \"{{slot}}\" is needed"));
        return None;
    };
    if !says.is_always_filled(value, slot) {
        return None;
    }
    let from = says.filled.as_ref()?.ever.get(slot).into_iter().flatten().filter_map(|list| says.lists.get(list));
    let possible =
        |v: &SlotValue| meaning(v).is_some() && (output.dimmer.is_some() || !matches!(v, SlotValue::Integer(_)));
    if let Some(strange) = from.flat_map(List::values).find(|v| !possible(v)) {
        let needed = match (output.dimmer, &strange) {
            (Some(_), _) => "on, off and 0 to 100 percent can be set",
            (None, SlotValue::Integer(_)) => "an output without pwm is on or off",
            (None, SlotValue::Text(_)) => "only on and off can be set",
        };
        value.problem(format!("the slot {slot:?} can also be {:?}; {needed}", strange.to_string()));
        return None;
    }
    Some(Setting::Slot(slot.into()))
}
