//! Reads the sections `[lists]`, `[rules]` and `[[commands]]` of the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::actions::{self, Says};
use super::confirm::{self, AnswerWords};
use super::tasks::{self, PostSettings};
use super::{keys, named_entries};
use crate::act::command::{Command, Output};
use crate::decide::confirm::Answers;
use crate::document::{Placed, Section, Value};
use crate::grammar::build::{BuildError, Builder, Filled};
use crate::grammar::template::{self, Node};
use crate::grammar::{Grammar, List, SlotValue, TemplateError, walk};

/// Largest number of a range. Larger ones have no spelling in words.
const MAX_NUMBER: i64 = 999_999;
/// Most commands of a configuration.
const MAX_COMMANDS: usize = 100_000;

/// The cost of a wrong action, in refusals, by the index of the command.
pub type Costs = BTreeMap<usize, f32>;

/// What can be said.
pub struct Said {
    /// The commands.
    pub commands: Vec<Command>,
    /// Their sentences.
    pub grammar: Grammar,
    /// The costs of single commands.
    pub costs: Costs,
    /// What confirms and cancels.
    pub answer_words: AnswerWords,
    /// The commands that stand for yes and no, if one must be confirmed.
    pub answers: Option<Answers>,
}

/// Reads `[lists]`, `[rules]`, `[scenes]`, `[[commands]]` and `[confirm]`.
pub fn read(root: &Section<'_>, outputs: &[Output], posting: &PostSettings) -> Option<Said> {
    let lists = root.get("lists").and_then(|v| v.section()).map(lists).unwrap_or_default();
    let written = root.get("rules").and_then(|v| v.section());
    let rules: Vec<(String, Value<'_>, Node)> = written.map(rules).unwrap_or_default();
    let trees: BTreeMap<String, Node> = rules.iter().map(|(name, _, node)| (name.clone(), node.clone())).collect();
    let scenes = root.get("scenes").and_then(|v| v.section()).map(|s| actions::scenes(s, outputs)).unwrap_or_default();
    let listed = root.need("commands", "[[commands]]").and_then(at_least_one).unwrap_or_default();
    if listed.len() > MAX_COMMANDS {
        root.problem(format!("{} commands; at most {MAX_COMMANDS} are possible", listed.len()));
        return None;
    }
    let has_broker = root.get("mqtt").is_some();
    let mut builder = Builder::new(&lists, &trees);
    let mut commands: Vec<Command> = Vec::new();
    let mut names: Vec<Placed<String>> = Vec::new();
    let (mut taken, mut costs) = (BTreeSet::new(), Costs::new());
    let mut asks: Option<Value<'_>> = None;
    for value in &listed {
        let Some(section) = value.section() else { continue };
        let filled = say(&section, commands.len() as u32, &mut builder, &rules);
        let name = name(&section, &mut taken).unwrap_or_else(|| value.placed(String::new()));
        let says = Says { filled, lists: &lists };
        says.one_kind_a_slot(&section);
        let actions = actions::actions(&section, outputs, &scenes, &says);
        let requires = actions::requires(&section, outputs);
        let tasks = tasks::tasks(&section, posting, has_broker, &says);
        let confirm = keys::CONFIRM.get(&section);
        asks = asks.or(confirm.clone());
        let confirm = confirm.and_then(|confirm| keys::CONFIRM.time_of(&confirm));
        let wrong_costs = keys::COMMAND_COSTS.number(&section);
        costs.extend(wrong_costs.map(|refusals| (commands.len(), refusals as f32)));
        section.end();
        commands.push(Command { name: name.value.clone(), requires, actions, tasks, confirm });
        names.push(name);
    }
    let (answer_words, answers) = confirm::answers(root, asks.as_ref(), &mut commands, &mut names, &mut builder);
    let grammar = builder.finish();
    tell_apart(root, &grammar, &names);
    Some(Said { commands, grammar, costs, answer_words, answers })
}

fn name(section: &Section<'_>, taken: &mut BTreeSet<String>) -> Option<Placed<String>> {
    let name = keys::NAME.text(section)?;
    if !template::is_name(&name.value) {
        section.problem_at(&name, "a name of letters, digits, _ and - is needed");
    }
    if !taken.insert(name.value.clone()) {
        section.problem_at(&name, format!("there is already a command {:?}; each needs its own name", name.value));
    }
    Some(name)
}

/// Checks that no sentence belongs to two commands.
fn tell_apart(root: &Section<'_>, grammar: &Grammar, names: &[Placed<String>]) {
    for [one, other] in walk::shared(grammar) {
        let (first, second) = (&names[one.command], &names[other.command]);
        let words = one.words;
        let what = format!("{:?} can be said by {words:?}, and so can {:?}", second.value, first.value);
        root.problem_at(second, format!("{what}; leave it out of one of them"));
    }
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
    let read: Vec<(&Value<'_>, (Node, SlotValue))> =
        elements.iter().filter_map(|element| Some((element, one_value(element)?))).collect();
    for (element, (_, meant)) in &read {
        let first = read[0].1.1.kind();
        if meant.kind() != first {
            let what = format!("{meant} is one of the {}, but the list's first value gives {first}", meant.kind());
            element.problem(format!("{what}; all values of a list are of one kind"));
        }
    }
    List::Values(read.into_iter().map(|(_, value)| value).collect())
}

/// Reads "kitchen", or `{ say = "(lounge|living room)", value = "living_room" }`.
fn one_value(value: &Value<'_>) -> Option<(Node, SlotValue)> {
    if value.is_string() {
        let text = value.string()?.value;
        return Some((words_only(value, &text)?, SlotValue::Text(text.trim().into())));
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

/// Reads a template without lists and rules.
pub fn words_only(value: &Value<'_>, text: &str) -> Option<Node> {
    let node = parsed(value, text)?;
    if let Some(at) = reference(&node) {
        value.problem_in(at, "plain words are needed here; {…} and <…> belong into commands");
        return None;
    }
    Some(node)
}

fn reference(node: &Node) -> Option<Range<usize>> {
    match node {
        Node::Word(_) => None,
        Node::List { at, .. } | Node::Rule { at, .. } => Some(at.clone()),
        Node::Optional(node) => reference(node),
        Node::Sequence(nodes) | Node::Choice(nodes) | Node::Permutation(nodes) => nodes.iter().find_map(reference),
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

pub fn fault(value: &Value<'_>, text: &str, error: &TemplateError) {
    value.problem_in(error.at.clone(), format!("in {text:?}: {}", error.what));
}

/// Adds the templates of a command to the grammar. Returns the slots that its sentences fill.
fn say(
    section: &Section<'_>,
    number: u32,
    builder: &mut Builder<'_>,
    rules: &[(String, Value<'_>, Node)],
) -> Option<Filled> {
    let templates = keys::SAY.get(section)?.one_or_many();
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

/// The templates of a valid configuration, for display.
#[derive(Debug)]
pub struct Templates {
    /// Lists by name.
    pub lists: BTreeMap<String, List>,
    /// Rules by name: the text and the parsed template.
    pub rules: BTreeMap<String, (String, Node)>,
    /// For each command its name and its templates: the text and the parsed template.
    pub commands: Vec<(String, Vec<(String, Node)>)>,
}

/// Reads only the templates, without building a grammar.
pub fn templates(root: &Section<'_>) -> Templates {
    let section = |key| root.get(key).and_then(|v| v.section());
    let both = |value: &Value<'_>| {
        let text = value.string()?.value;
        parsed(value, &text).map(|node| (text, node))
    };
    let rules = section("rules").map(named_entries).unwrap_or_default();
    let commands = root.get("commands").and_then(|v| v.array()).unwrap_or_default();
    let command = |value: &Value<'_>| {
        let section = value.section()?;
        let say = section.get("say")?.one_or_many();
        Some((section.get("name")?.string()?.value, say.iter().filter_map(both).collect()))
    };
    Templates {
        lists: section("lists").map(lists).unwrap_or_default(),
        rules: rules.into_iter().filter_map(|(name, value)| Some((name.value, both(&value)?))).collect(),
        commands: commands.iter().filter_map(command).collect(),
    }
}
