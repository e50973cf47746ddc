//! The user's own sentences: templates compiled to a word graph. No input or output.
//!
//! The template language is a strict subset of Home Assistant's hassil: words, `(a|b)`, `[optional]`, `{list}`,
//! `{list:slot}`, `<rule>`, `(a;b)`. Anything else is refused, with its place. Sentences are never enumerated.

pub mod build;
pub mod follow;
pub mod graph;
pub mod read;
pub mod sample;
pub mod template;
pub mod walk;

use std::collections::BTreeMap;
use std::ops::Range;

pub use graph::{Grammar, Sentence};

/// The value of a slot of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SlotValue {
    /// A text, from a list of values.
    Text(String),
    /// A number, from a range.
    Integer(i64),
}

impl SlotValue {
    /// The kind of the value, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            SlotValue::Text(_) => "text",
            SlotValue::Integer(_) => "whole numbers",
        }
    }
}

impl std::fmt::Display for SlotValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SlotValue::Text(text) => f.write_str(text),
            SlotValue::Integer(number) => write!(f, "{number}"),
        }
    }
}

/// The slots of a sentence, by name.
pub type Slots = BTreeMap<String, SlotValue>;

/// A fault in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// Its place in the template, in bytes.
    pub at: Range<usize>,
    /// What is wrong, and what would be correct.
    pub what: String,
}

impl TemplateError {
    pub(crate) fn new(at: Range<usize>, what: impl Into<String>) -> TemplateError {
        TemplateError { at, what: what.into() }
    }
}

/// A list that templates name with `{…}`.
#[derive(Debug, Clone, PartialEq)]
pub enum List {
    /// Phrases, and the value that each stands for.
    Values(Vec<(template::Node, SlotValue)>),
    /// The numbers from `from` to `to`, every `step`.
    Range {
        /// First number.
        from: u32,
        /// Last number.
        to: u32,
        /// The difference between one number and the next.
        step: u32,
    },
}

impl List {
    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        match self {
            List::Values(values) => values.is_empty(),
            List::Range { from, to, .. } => from > to,
        }
    }

    /// The kind of its values, in words. All values of a list have the same kind.
    pub fn kind(&self) -> &'static str {
        match self {
            List::Values(values) => values.first().map_or("nothing", |(_, value)| value.kind()),
            List::Range { .. } => SlotValue::Integer(0).kind(),
        }
    }

    /// The values that the list can give, without repetition.
    pub fn values(&self) -> Vec<SlotValue> {
        let mut values: Vec<SlotValue> = match self {
            List::Values(values) => values.iter().map(|(_, value)| value.clone()).collect(),
            List::Range { from, to, step } => {
                (*from..=*to).step_by(*step as usize).map(|n| SlotValue::Integer(n.into())).collect()
            }
        };
        values.sort();
        values.dedup();
        values
    }
}

impl Grammar {
    /// The grammar of one command with one template, without lists and rules.
    ///
    /// # Errors
    /// The template's fault.
    pub fn of(template: &str) -> Result<Grammar, TemplateError> {
        Grammar::of_commands(&[template], &BTreeMap::new(), &BTreeMap::new())
    }

    /// The grammar of commands with one template each, in their order.
    ///
    /// # Errors
    /// The first fault of a template or rule.
    pub fn of_commands(
        templates: &[&str],
        lists: &BTreeMap<String, List>,
        rules: &BTreeMap<String, template::Node>,
    ) -> Result<Grammar, TemplateError> {
        let mut builder = build::Builder::new(lists, rules);
        for (command, template) in templates.iter().enumerate() {
            builder.add(command as u32, &template::parse(template)?).map_err(|e| e.error)?;
        }
        Ok(builder.finish())
    }
}
