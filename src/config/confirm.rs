//! Reads the section `[confirm]`, and makes two commands of it: one that stands for yes, and one for no.

use super::key::Key;
use super::{keys, sentences};
use crate::act::command::Command;
use crate::decide::confirm::Answers;
use crate::document::{Placed, Section, Value};
use crate::grammar::build::{BuildError, Builder};
use crate::grammar::template::{self, Node};
use crate::language::answers::{NO, YES};

/// The names of the two commands. A command of the user cannot have one, because a name has no full stop.
const NAMES: [&str; 2] = ["confirm.yes", "confirm.no"];

/// What is said to a command that waits to be confirmed, as templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerWords {
    /// What confirms.
    pub yes: Vec<String>,
    /// What cancels.
    pub no: Vec<String>,
}

/// A template, with its place if it stands in the file.
type Template<'d> = (Option<Value<'d>>, String, Node);

/// Reads `[confirm]`. If a command must be confirmed, as the key `asks` says, adds the two commands.
pub fn answers<'d>(
    root: &Section<'d>,
    asks: Option<&Value<'d>>,
    commands: &mut Vec<Command>,
    names: &mut Vec<Placed<String>>,
    builder: &mut Builder<'_>,
) -> (AnswerWords, Option<Answers>) {
    let table = root.get("confirm").and_then(|v| v.section());
    let value = |key: Key| table.as_ref().and_then(|table| key.get(table));
    let [yes, no] = [(value(keys::YES), YES), (value(keys::NO), NO)].map(|(v, usual)| templates(v.as_ref(), &usual));
    if let Some(table) = table {
        table.end();
    }
    let first = commands.len();
    for (templates, name) in [&yes, &no].into_iter().zip(NAMES).filter(|_| asks.is_some()) {
        let place = templates.iter().find_map(|(value, ..)| value.as_ref()).or(asks);
        names.extend(place.map(|place| place.placed(name.to_string())));
        add(templates, commands.len() as u32, builder);
        commands.push(Command { name: name.into(), ..Command::default() });
    }
    let texts = |templates: Vec<Template<'_>>| templates.into_iter().map(|(_, text, _)| text).collect();
    let words = AnswerWords { yes: texts(yes), no: texts(no) };
    (words, asks.map(|_| Answers { yes: first, no: first + 1 }))
}

/// The templates in `value`, or the usual ones.
fn templates<'d>(value: Option<&Value<'d>>, usual: &[&str]) -> Vec<Template<'d>> {
    let Some(value) = value else {
        let usual = usual.iter().filter_map(|text| Some((None, (*text).to_string(), template::parse(text).ok()?)));
        return usual.collect();
    };
    let values = value.one_or_many();
    if values.is_empty() {
        value.problem("nothing can be said; give it at least one sentence");
    }
    let read = |value: &Value<'d>| {
        let text = value.string()?.value;
        let node = sentences::words_only(value, &text)?;
        Some((Some(value.clone()), text, node))
    };
    values.iter().filter_map(read).collect()
}

fn add(templates: &[Template<'_>], command: u32, builder: &mut Builder<'_>) {
    for (value, text, node) in templates {
        if let (Err(BuildError { error, .. }), Some(value)) = (builder.add(command, node), value) {
            sentences::fault(value, text, &error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_words_are_templates() {
        for usual in [YES, NO] {
            assert_eq!(templates(None, &usual).len(), usual.len());
        }
    }
}
