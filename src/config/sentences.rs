//! The part of the configuration that says what may be said and what it does: lists, rules, commands.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{named_entries, outputs, units, unknown};
use crate::command::{Blink, Command, Deed, Output, Setting, setting as meaning};
use crate::document::{Placed, Section, Value, nearest};
use crate::gpio::Duty;
use crate::grammar::graph::{BuildError, Builder, Filled};
use crate::grammar::template::{self, Node};
use crate::grammar::{Grammar, List, SlotValue, TemplateError};

/// Largest number of a range: what has a spelling in words.
const MAX_NUMBER: i64 = 999_999;
/// Most commands of a configuration.
const MAX_COMMANDS: usize = 100_000;
/// Most times that an output blinks: at the fastest that anybody sees, two minutes.
const MAX_BLINKS: i64 = 1000;

/// Reads `[lists]`, `[rules]`, `[scenes]` and `[[commands]]`.
pub fn read(root: &Section<'_>, outputs: &[Output]) -> Option<(Vec<Command>, Grammar)> {
    let lists = root.get("lists").and_then(|v| v.section()).map(lists).unwrap_or_default();
    let written = root.get("rules").and_then(|v| v.section());
    let rules: Vec<(String, Value<'_>, Node)> = written.map(rules).unwrap_or_default();
    let trees: BTreeMap<String, Node> = rules.iter().map(|(name, _, node)| (name.clone(), node.clone())).collect();
    let scenes = root.get("scenes").and_then(|v| v.section()).map(|s| scenes(s, outputs)).unwrap_or_default();
    let listed = root.need("commands", "[[commands]]").and_then(at_least_one).unwrap_or_default();
    if listed.len() > MAX_COMMANDS {
        root.problem(format!("{} commands; at most {MAX_COMMANDS} are possible", listed.len()));
        return None;
    }
    let mut builder = Builder::new(&lists, &trees);
    let mut commands: Vec<Command> = Vec::new();
    let mut names = BTreeSet::new();
    for value in &listed {
        let Some(section) = value.section() else { continue };
        let number = commands.len() as u32;
        let filled = say(&section, number, &mut builder, &rules);
        let name = section.need("name", "name = \"lamp\"").and_then(|v| v.string());
        if let Some(name) = &name {
            if !template::is_name(&name.value) {
                section.problem_at(name, "a name of letters, digits, _ and - is needed");
            }
            if !names.insert(name.value.clone()) {
                section
                    .problem_at(name, format!("there is already a command {:?}; each needs its own name", name.value));
            }
        }
        let says = Says { filled, lists: &lists };
        let deeds = deeds(&section, outputs, &scenes, &says);
        section.end();
        commands.push(Command { name: name.map(|n| n.value).unwrap_or_default(), deeds });
    }
    Some((commands, builder.finish()))
}

fn at_least_one<'d>(commands: Value<'d>) -> Option<Vec<Value<'d>>> {
    let listed = commands.array()?;
    if listed.is_empty() {
        commands.problem("at least one command is needed; as in: [[commands]]");
    }
    Some(listed)
}

fn lists(section: Section<'_>) -> BTreeMap<String, List> {
    let mut lists = BTreeMap::new();
    for (name, value) in named_entries(section) {
        let list = if value.is_array() { values(&value) } else { range(&value) };
        lists.insert(name.value, list);
    }
    lists
}

fn values(value: &Value<'_>) -> List {
    let elements = value.array().unwrap_or_default();
    if elements.is_empty() {
        value.problem("an empty list; give it at least one value");
    }
    List::Values(elements.iter().filter_map(one_value).collect())
}

/// "kitchen", or { say = "(lounge|living room)", value = "living_room" }.
fn one_value(value: &Value<'_>) -> Option<(Node, SlotValue)> {
    if value.is_string() {
        let text = value.string()?.value;
        return Some((words_only(value, &text)?, SlotValue::Text(text)));
    }
    let section = value.section()?;
    let say = section.need("say", "say = \"(lounge|living room)\"");
    let node = say.and_then(|say| {
        let text = say.string()?.value;
        words_only(&say, &text)
    });
    let meant = section.need("value", "value = \"living_room\"").and_then(|v| {
        if v.is_integer() {
            v.integer(i64::MIN..=i64::MAX).map(SlotValue::Integer)
        } else {
            v.string().map(|t| SlotValue::Text(t.value))
        }
    });
    section.end();
    Some((node?, meant?))
}

/// A template without lists and rules.
fn words_only(value: &Value<'_>, text: &str) -> Option<Node> {
    let node = parsed(value, text)?;
    if let Some(at) = reference(&node) {
        value.problem_in(at, "a list's values are plain words; {…} and <…> belong into commands");
        return None;
    }
    Some(node)
}

fn reference(node: &Node) -> Option<Range<usize>> {
    match node {
        Node::Word(_) => None,
        Node::List { at, .. } | Node::Rule { at, .. } => Some(at.clone()),
        Node::Optional(node) => reference(node),
        Node::Sequence(nodes) | Node::Choice(nodes) => nodes.iter().find_map(reference),
    }
}

fn range(value: &Value<'_>) -> List {
    let empty = List::Range { from: 0, to: 0, step: 1 };
    let Some(section) = value.section() else { return empty };
    let number = |name: &str| section.need(name, "{ from = 0, to = 100 }").and_then(|v| v.integer(0..=MAX_NUMBER));
    let (from, to) = (number("from"), number("to"));
    let step = section.get("step").map_or(Some(1), |v| v.integer(1..=MAX_NUMBER));
    let (Some(from), Some(to), Some(step)) = (from, to, step) else {
        section.end();
        return empty;
    };
    if from > to {
        section.problem(format!("from {from} is above to {to}"));
    }
    section.end();
    List::Range { from: from as u32, to: to as u32, step: step as u32 }
}

fn rules<'d>(section: Section<'d>) -> Vec<(String, Value<'d>, Node)> {
    let mut rules = Vec::new();
    for (name, value) in named_entries(section) {
        let node = value.string().and_then(|text| parsed(&value, &text.value));
        rules.extend(node.map(|node| (name.value, value, node)));
    }
    rules
}

fn parsed(value: &Value<'_>, text: &str) -> Option<Node> {
    template::parse(text).map_err(|error| fault(value, text, &error)).ok()
}

fn fault(value: &Value<'_>, text: &str, error: &TemplateError) {
    value.problem_in(error.at.clone(), format!("in {text:?}: {}", error.what));
}

/// Adds a command's templates to the grammar; which slots its sentences fill.
fn say(
    section: &Section<'_>,
    number: u32,
    builder: &mut Builder<'_>,
    rules: &[(String, Value<'_>, Node)],
) -> Option<Filled> {
    let templates = section.need("say", "say = \"turn on the lamp\"")?.one_or_many();
    if templates.is_empty() {
        section.problem("nothing can be said; give say at least one sentence");
    }
    let mut filled: Option<Filled> = None;
    for value in &templates {
        let Some(text) = value.string() else { continue };
        let Some(node) = parsed(value, &text.value) else { continue };
        match builder.add(number, &node) {
            Ok(more) => filled = Some(filled.map_or(more.clone(), |f| f.either(more))),
            Err(BuildError { rule: None, error }) => fault(value, &text.value, &error),
            Err(BuildError { rule: Some(name), error }) => {
                let rule = rules.iter().find(|(n, ..)| *n == name);
                if let Some((_, value, _)) = rule {
                    let text = value.string().map(|t| t.value).unwrap_or_default();
                    fault(value, &text, &error);
                }
                return None;
            }
        }
    }
    filled
}

/// `[scenes]`: by name, what is set, in the file's order.
fn scenes(section: Section<'_>, outputs: &[Output]) -> BTreeMap<String, Vec<(usize, Duty)>> {
    let mut scenes = BTreeMap::new();
    for (name, value) in named_entries(section) {
        let sets = value.section().map(|s| s.entries()).unwrap_or_default();
        let set = |(name, value): &(Placed<String>, Value<'_>)| {
            let output = outputs::find(value, &name.value, outputs)?;
            Some((output, outputs::fixed(value, &outputs[output])?))
        };
        scenes.insert(name.value, sets.iter().filter_map(set).collect());
    }
    scenes
}

/// The slots that a command's sentences fill, if they are good, and the lists that they come from.
struct Says<'a> {
    filled: Option<Filled>,
    lists: &'a BTreeMap<String, List>,
}

fn deeds(
    section: &Section<'_>,
    outputs: &[Output],
    scenes: &BTreeMap<String, Vec<(usize, Duty)>>,
    says: &Says<'_>,
) -> Vec<Deed> {
    let mut deeds: Vec<(usize, Deed)> = Vec::new();
    let mut add = |value: &Value<'_>, name: &str, deed: &dyn Fn(usize) -> Option<Deed>| {
        let Some(index) = outputs::find(value, name, outputs) else { return };
        let deed = deed(index);
        if deeds.iter().any(|(i, _)| *i == index) {
            value.problem(format!("this command already acts on output {name:?}; once is enough"));
        } else if let Some(other) = deed.as_ref().and_then(|deed| clash(deed, index, &deeds, outputs)) {
            value.problem(format!("{name:?} and {other:?} are interlocked; one command cannot switch both on"));
        }
        deeds.extend(deed.map(|deed| (index, deed)));
    };
    let entries = |key: &str| section.get(key).and_then(|v| v.section()).map(|s| s.entries()).unwrap_or_default();
    for (name, value) in entries("set") {
        add(&value, &name.value, &|i| setting(&value, &outputs[i], says).map(|setting| Deed::Set(i, setting)));
    }
    for value in section.get("toggle").iter().flat_map(Value::one_or_many) {
        if let Some(name) = value.string() {
            add(&value, &name.value, &|i| Some(Deed::Toggle(i)));
        }
    }
    for (name, value) in entries("pulse") {
        let times = |i: usize| outputs[i].times(!outputs[i].rest);
        add(&value, &name.value, &|i| units::duration(&value, times(i)).map(|time| Deed::Pulse(i, time)));
    }
    for (name, value) in entries("blink") {
        add(&value, &name.value, &|i| blink(&value, &outputs[i]).map(|blink| Deed::Blink(i, blink)));
    }
    if let Some(scene) = section.get("scene") {
        for (index, duty) in sets(&scene, scenes) {
            add(&scene, &outputs[*index].name, &|i| Some(Deed::Set(i, Setting::Fixed(*duty))));
        }
    }
    deeds.into_iter().map(|(_, deed)| deed).collect()
}

/// The output of another deed that is interlocked with this one's, if both may go on.
fn clash<'o>(deed: &Deed, index: usize, deeds: &[(usize, Deed)], outputs: &'o [Output]) -> Option<&'o str> {
    let may_go_on = |deed: &Deed| !matches!(deed, Deed::Set(_, Setting::Fixed(Duty::NONE)));
    let excludes = |other: usize| outputs[index].excludes(&outputs[other]);
    let (other, _) = deeds.iter().find(|(i, other)| excludes(*i) && may_go_on(deed) && may_go_on(other))?;
    Some(&outputs[*other].name)
}

/// What the scene that `value` names sets.
fn sets<'s>(value: &Value<'_>, scenes: &'s BTreeMap<String, Vec<(usize, Duty)>>) -> &'s [(usize, Duty)] {
    let Some(Placed { value: name, .. }) = value.string() else { return &[] };
    let scene = scenes.get(&name);
    if scene.is_none() {
        value.problem(unknown("scene", &name, scenes.keys().map(String::as_str).collect(), "lamp = \"on\""));
    }
    scene.map_or(&[], Vec::as_slice)
}

/// { on = "200 ms", off = "300 ms", times = 5 }
fn blink(value: &Value<'_>, output: &Output) -> Option<Blink> {
    let section = value.section()?;
    let time = |name: &str, on| {
        let value = section.need(name, &format!("{name} = \"300 ms\""));
        value.and_then(|v| units::duration(&v, output.times(on)))
    };
    let (on, off) = (time("on", true), time("off", false));
    let times = section.need("times", "times = 5").and_then(|v| v.integer(1..=MAX_BLINKS));
    section.end();
    Some(Blink { on: on?, off: off?, times: times? as u32 })
}

/// "on", "off", percent, or "{slot}" for a slot that every sentence fills with what the output can be.
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
    // Without the slots the command's own templates are at fault, and that was said.
    let filled = says.filled.as_ref()?;
    if !filled.always.contains(slot) {
        let known: Vec<&str> = filled.always.iter().map(String::as_str).collect();
        value.problem(match nearest(slot, &known) {
            Some(near) => format!("no slot {slot:?} in these sentences; did you mean {{{near}}}?"),
            None => format!("not every sentence of this command fills the slot {slot:?}"),
        });
        return None;
    }
    let from = filled.ever.get(slot).into_iter().flatten().filter_map(|list| says.lists.get(list));
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
