//! `hearken sentences FILE`: the sentences that a configuration accepts.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::{counted, number};
use crate::act::command::Command;
use crate::config::{self, ConfigError, Settings, Templates};
use crate::daemon::error::Error;
use crate::grammar::template::Node;
use crate::grammar::{Grammar, List, Sentence, SlotValue};

/// Sentences that are shown of each command by default, and the number of draws for them, because some come twice.
const A_FEW: usize = 3;
const DRAWS: usize = 10;
/// Most values of a list that a tree shows.
const VALUES: usize = 12;

/// The choice of what is shown.
#[derive(clap::Args)]
pub struct What {
    /// Print only the number of sentences
    #[arg(long, conflicts_with_all = ["sample", "tree"])]
    count: bool,
    /// Print N random sentences, each with the same probability
    #[arg(long, value_name = "N", conflicts_with = "tree")]
    sample: Option<usize>,
    /// Seed of the random choice: another seed gives other sentences
    #[arg(long, value_name = "NUMBER", default_value_t = 1, conflicts_with_all = ["count", "tree"])]
    seed: u64,
    /// With --sample: print one line of JSON for each sentence
    #[arg(long, requires = "sample")]
    json: bool,
    /// Print the templates, with each list and rule explained once
    #[arg(long)]
    tree: bool,
}

/// Prints the number of sentences of the configuration and some of them, or what the arguments ask for.
pub fn sentences(file: &Path, what: &What) -> Result<(), Error> {
    let text = config::read_text(file)?;
    let name = file.display().to_string();
    let Settings { grammar, commands, .. } = config::parse(&name, &text).map_err(ConfigError::from)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    if what.count {
        writeln!(out, "{}", number(grammar.count()))?;
    } else if what.tree {
        Tree { templates: &config::templates(&name, &text).map_err(ConfigError::from)?, told: BTreeSet::new() }
            .write(&grammar, &mut out)?;
    } else if let Some(wanted) = what.sample {
        for sentence in grammar.sample(what.seed).take(wanted) {
            let name = &commands[sentence.command].name;
            writeln!(out, "{}", if what.json { object(&sentence, name).to_string() } else { line(&sentence, name) })?;
        }
    } else {
        overview(&grammar, &commands, what.seed, &mut out)?;
    }
    Ok(out.flush()?)
}

fn object(sentence: &Sentence, command: &str) -> Value {
    let value = |value: &SlotValue| match value {
        SlotValue::Text(text) => json!(text),
        SlotValue::Integer(number) => json!(number),
    };
    let slots: serde_json::Map<String, Value> =
        sentence.slots.iter().map(|(name, v)| (name.clone(), value(v))).collect();
    json!({ "sentence": sentence.words, "command": command, "slots": slots })
}

fn line(sentence: &Sentence, command: &str) -> String {
    let slots: Vec<String> = sentence.slots.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    format!("{} -> {command}{}", sentence.words, slots.concat())
}

/// Prints the number of sentences of each command, and a few of them.
fn overview(grammar: &Grammar, commands: &[Command], seed: u64, out: &mut impl Write) -> io::Result<()> {
    let all = counted(commands.len() as u64, "command");
    writeln!(out, "{} of {all}", counted(grammar.count(), "sentence"))?;
    let mut sample = grammar.sample(seed);
    for (command, count) in grammar.counts() {
        writeln!(out, "{}: {}", commands[command as usize].name, counted(count, "sentence"))?;
        let drawn: BTreeSet<String> =
            (0..DRAWS).filter_map(|_| sample.next_of(command)).map(|sentence| sentence.words).collect();
        for words in drawn.iter().take(A_FEW) {
            writeln!(out, "  {words}")?;
        }
    }
    Ok(())
}

/// The templates as a tree.
struct Tree<'t> {
    templates: &'t Templates,
    /// The lists and rules that were explained already.
    told: BTreeSet<String>,
}

impl Tree<'_> {
    fn write(mut self, grammar: &Grammar, out: &mut impl Write) -> io::Result<()> {
        let counts = grammar.counts();
        for (index, (name, templates)) in self.templates.commands.iter().enumerate() {
            let count = counts.get(&(index as u32)).copied().unwrap_or(0);
            writeln!(out, "{name} ({})", counted(count, "sentence"))?;
            for (written, node) in templates {
                writeln!(out, "  {written}")?;
                self.explain(node, 2, out)?;
            }
        }
        Ok(())
    }

    /// Writes the meaning of the lists and rules in `node` that were not explained before.
    fn explain(&mut self, node: &Node, depth: usize, out: &mut impl Write) -> io::Result<()> {
        let indent = "  ".repeat(depth);
        match node {
            Node::Word(_) => Ok(()),
            Node::Optional(node) => self.explain(node, depth, out),
            Node::Sequence(nodes) | Node::Choice(nodes) | Node::Permutation(nodes) => {
                nodes.iter().try_for_each(|node| self.explain(node, depth, out))
            }
            Node::List { name, .. } => match self.templates.lists.get(name) {
                Some(list) if self.told.insert(format!("{{{name}}}")) => {
                    writeln!(out, "{indent}{{{name}}} = {}", values(list))
                }
                _ => Ok(()),
            },
            Node::Rule { name, .. } => match self.templates.rules.get(name) {
                Some((written, rule)) if self.told.insert(format!("<{name}>")) => {
                    writeln!(out, "{indent}<{name}> = {written}")?;
                    self.explain(rule, depth + 1, out)
                }
                _ => Ok(()),
            },
        }
    }
}

fn values(list: &List) -> String {
    let values = match list {
        List::Range { from, to, step: 1 } => return format!("{from} to {to}"),
        List::Range { from, to, step } => return format!("{from} to {to} in steps of {step}"),
        List::Values(values) => values,
    };
    let value = |(say, value): &(Node, SlotValue)| {
        let (said, value) = (say.to_string(), value.to_string());
        if said == value { said } else { format!("{said} = {value}") }
    };
    let mut shown: Vec<String> = values.iter().take(VALUES).map(value).collect();
    if values.len() > VALUES {
        shown.push(format!("and {} more", values.len() - VALUES));
    }
    shown.join(", ")
}
