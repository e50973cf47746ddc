//! Reads a TOML file and reports every fault with its line, its column, its key, and what would be correct.
//!
//! It walks the tree of values instead of deserializing it, so that one run finds all faults, not only the first. A
//! [`Section`] records which keys were read; the keys that were not read are unknown ones.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A range of bytes in the file.
pub type Place = Range<usize>;

/// A value and its place in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub at: Place,
    /// Its key, from the root, as in `outputs.lamp.pin`.
    pub key: String,
}

/// One fault of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key, from the root; empty where there is none.
    pub key: String,
    /// What is wrong, and what would be correct.
    pub what: String,
    /// The line, or the part of it around the fault, and a second line with carets under the fault. `None` if the line
    /// is blank.
    pub quote: Option<[String; 2]>,
}

/// The faults of a file, in the order of their lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file's name.
    pub file: String,
    /// The faults; never empty.
    pub list: Vec<Problem>,
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Problem { line, column, key, what, quote }) in self.list.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            let colon = if key.is_empty() { "" } else { ": " };
            let said = format!("{}:{line}:{column}: {key}{colon}{what}", self.file);
            write!(f, "{newline}{}", on_one_line(&said))?;
            if let Some([line, carets]) = quote {
                write!(f, "\n  {line}\n  {carets}")?;
            }
        }
        Ok(())
    }
}

/// Escapes control characters: a quoted name may contain line breaks and codes that move the cursor of a terminal.
fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.into() }).collect()
}

/// Most characters of a line that are shown, and most of them that are shown before the fault.
const SHOWN: usize = 110;
const SHOWN_BEFORE: usize = 60;

/// The part of `line` that is shown for a fault that begins after `before` characters and is `width` characters long.
fn quote(line: &str, before: usize, width: usize) -> Option<[String; 2]> {
    // A tab or another control character would shift the carets.
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let indent = line.chars().take_while(|c| c.is_whitespace()).count();
    let from = before.saturating_sub(SHOWN_BEFORE).max(indent.min(before));
    let shown: String = line.chars().map(plain).skip(from).take(SHOWN).collect();
    let (shown, before) = (shown.trim_end(), before - from);
    let width = width.min(shown.chars().count().saturating_sub(before)).max(1);
    (!shown.is_empty()).then(|| [shown.into(), format!("{}{}", " ".repeat(before), "^".repeat(width))])
}

/// A file's text and the faults found in it so far.
pub struct Document<'t> {
    name: String,
    text: &'t str,
    starts: Vec<usize>,
    problems: RefCell<Vec<(usize, Problem)>>,
}

impl<'t> Document<'t> {
    /// Makes a document of `text`. Messages call it `name`.
    pub fn new(name: impl Into<String>, text: &'t str) -> Document<'t> {
        Document { name: name.into(), text, starts: starts(text), problems: RefCell::default() }
    }

    /// Reads the document with `read`.
    ///
    /// # Errors
    /// All faults: a syntax error, or whatever `read` noted.
    pub fn read<T>(self, read: impl FnOnce(Section<'_>) -> T) -> Result<T, Problems> {
        let value = match DeTable::parse(self.text) {
            Ok(root) => {
                let at = root.span();
                let root = root.into_inner();
                Some(read(Section { document: &self, key: String::new(), at, table: &root, asked: RefCell::default() }))
            }
            Err(error) => {
                let what = error.message().trim().replace('\n', "; ");
                self.problem(error.span().unwrap_or_default(), "", what);
                None
            }
        };
        let mut list = self.problems.into_inner();
        list.sort_by_key(|(at, _)| *at);
        match value {
            Some(value) if list.is_empty() => Ok(value),
            _ => Err(Problems { file: self.name, list: list.into_iter().map(|(_, problem)| problem).collect() }),
        }
    }

    fn problem(&self, at: Place, key: &str, what: impl Into<String>) {
        let line = line_of(&self.starts, at.start);
        let start = self.starts[line - 1];
        let column = self.text.get(start..at.start).unwrap_or_default().chars().count();
        let whole = self.text[start..].lines().next().unwrap_or_default();
        let width = self.text.get(at.clone()).map_or(1, |part| part.lines().next().unwrap_or_default().chars().count());
        let quote = quote(whole, column, width);
        let problem = Problem { line, column: column + 1, key: key.into(), what: what.into(), quote };
        self.problems.borrow_mut().push((at.start, problem));
    }
}

/// The offset in bytes at which each line of `text` begins.
fn starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

/// The number, from 1, of the line that contains the byte `at`.
fn line_of(starts: &[usize], at: usize) -> usize {
    starts.partition_point(|start| *start <= at).max(1)
}

/// The number, from 1, of the line on which each value of the TOML `text` begins, by the path of the value, such as
/// `endpoint.hangover` or `commands[0].say`. Empty if `text` is not valid TOML.
pub fn lines(text: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    if let Ok(root) = DeTable::parse(text) {
        note_lines(&starts(text), root.get_ref(), "", &mut lines);
    }
    lines
}

fn note_lines(starts: &[usize], table: &DeTable<'_>, path: &str, lines: &mut BTreeMap<String, usize>) {
    for (name, value) in table {
        let path = if path.is_empty() { name.get_ref().to_string() } else { format!("{path}.{}", name.get_ref()) };
        lines.insert(path.clone(), line_of(starts, name.span().start));
        match value.get_ref() {
            DeValue::Table(table) => note_lines(starts, table, &path, lines),
            DeValue::Array(values) => {
                let tables = values.iter().enumerate().filter_map(|(n, v)| Some((n, v.get_ref().as_table()?)));
                tables.for_each(|(n, table)| note_lines(starts, table, &format!("{path}[{n}]"), lines));
            }
            _ => {}
        }
    }
}

/// A table of the document.
pub struct Section<'d> {
    document: &'d Document<'d>,
    key: String,
    at: Place,
    table: &'d DeTable<'d>,
    asked: RefCell<Vec<String>>,
}

/// A value of the document, of any type.
#[derive(Clone)]
pub struct Value<'d> {
    document: &'d Document<'d>,
    key: String,
    value: &'d Spanned<DeValue<'d>>,
}

impl<'d> Section<'d> {
    /// The value under `name`, if there is one.
    pub fn get(&self, name: &str) -> Option<Value<'d>> {
        self.asked.borrow_mut().push(name.into());
        let (_, value) = self.table.iter().find(|(key, _)| key.get_ref() == name)?;
        Some(Value { document: self.document, key: self.path(name), value })
    }

    /// The value under `name`; notes a problem if there is none.
    pub fn need(&self, name: &str, example: &str) -> Option<Value<'d>> {
        let value = self.get(name);
        if value.is_none() {
            self.document.problem(self.at.clone(), &self.path(name), format!("missing; as in: {example}"));
        }
        value
    }

    /// All entries, in the order of the file.
    pub fn entries(&self) -> Vec<(Placed<String>, Value<'d>)> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(name, value)| {
                let key = self.path(name.get_ref());
                self.asked.borrow_mut().push(name.get_ref().to_string());
                let placed = Placed { value: name.get_ref().to_string(), at: name.span(), key: key.clone() };
                (placed, Value { document: self.document, key, value })
            })
            .collect();
        entries.sort_by_key(|(name, _)| name.at.start);
        entries
    }

    /// Notes a problem for each key that was not read. Call it after the last key was read.
    pub fn end(self) {
        let known = self.asked.borrow();
        for (name, _) in self.table.iter().filter(|(name, _)| !known.iter().any(|k| k == name.get_ref())) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let hint = match nearest(name.get_ref(), &known) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known here: {}", known.join(", ")),
            };
            self.document.problem(name.span(), &self.path(name.get_ref()), format!("unknown key; {hint}"));
        }
    }

    /// Notes a problem with the section as a whole.
    pub fn problem(&self, what: impl Into<String>) {
        self.document.problem(self.at.clone(), &self.key, what);
    }

    /// Notes a problem at a place that a value of this document had.
    pub fn problem_at<T>(&self, placed: &Placed<T>, what: impl Into<String>) {
        self.document.problem(placed.at.clone(), &placed.key, what);
    }

    fn path(&self, name: &str) -> String {
        if self.key.is_empty() { name.into() } else { format!("{}.{name}", self.key) }
    }
}

impl<'d> Value<'d> {
    /// Joins `value` with the place and the key of this value.
    pub fn placed<T>(&self, value: T) -> Placed<T> {
        Placed { value, at: self.value.span(), key: self.key.clone() }
    }

    /// Notes a problem with this value.
    pub fn problem(&self, what: impl Into<String>) {
        self.document.problem(self.value.span(), &self.key, what);
    }

    /// Notes a problem at a place that belongs to this value, such as its name.
    pub fn problem_at<T>(&self, placed: &Placed<T>, what: impl Into<String>) {
        self.document.problem(placed.at.clone(), &placed.key, what);
    }

    /// Notes a problem with the bytes `part` of this string. If the string has escapes, the problem is noted at its
    /// start.
    pub fn problem_in(&self, part: Range<usize>, what: impl Into<String>) {
        let span = self.value.span();
        let raw = &self.document.text[span.clone()];
        let plain = self.value.get_ref().as_str().and_then(|s| raw.find(s).filter(|_| raw.len() <= s.len() + 6));
        let place = plain.map_or(span.clone(), |quote| span.start + quote + part.start..span.start + quote + part.end);
        self.document.problem(place, &self.key, what);
    }

    /// Notes that this value has another type than `wanted`.
    fn mismatch<T>(&self, wanted: &str) -> Option<T> {
        self.problem(format!("this is {}; {wanted} is needed", self.kind()));
        None
    }

    fn kind(&self) -> &'static str {
        match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        }
    }

    /// Whether it is a string.
    pub fn is_string(&self) -> bool {
        self.value.get_ref().is_str()
    }

    /// Whether it is an array.
    pub fn is_array(&self) -> bool {
        self.value.get_ref().is_array()
    }

    /// Whether it is an integer.
    pub fn is_integer(&self) -> bool {
        self.value.get_ref().is_integer()
    }

    /// This value as a string.
    pub fn string(&self) -> Option<Placed<String>> {
        match self.value.get_ref().as_str() {
            Some(text) => Some(self.placed(text.to_string())),
            None => self.mismatch("a string in quotes"),
        }
    }

    /// This value as a boolean.
    pub fn boolean(&self) -> Option<bool> {
        self.value.get_ref().as_bool().or_else(|| self.mismatch("true or false"))
    }

    /// This value as a whole number within `range`.
    pub fn integer(&self, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let (low, high) = (range.start(), range.end());
        let wanted = format!("a whole number from {low} to {high}");
        let DeValue::Integer(written) = self.value.get_ref() else { return self.mismatch(&wanted) };
        match i64::from_str_radix(written.as_str(), written.radix()) {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                self.problem(format!("{} is out of range; {wanted} is needed", written.as_str()));
                None
            }
        }
    }

    /// This value as a number within `range`.
    pub fn number(&self, range: std::ops::RangeInclusive<f64>) -> Option<f64> {
        let wanted = format!("a number from {} to {}", range.start(), range.end());
        let written = match self.value.get_ref() {
            DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix()).map(|n| n as f64).ok(),
            DeValue::Float(f) => f.as_str().parse().ok(),
            _ => return self.mismatch(&wanted),
        };
        match written {
            Some(number) if range.contains(&number) => Some(number),
            _ => {
                self.problem(format!("out of range; {wanted} is needed"));
                None
            }
        }
    }

    /// This value as a table.
    pub fn section(&self) -> Option<Section<'d>> {
        let Some(table) = self.value.get_ref().as_table() else { return self.mismatch("a table") };
        let (document, key, at) = (self.document, self.key.clone(), self.value.span());
        Some(Section { document, key, at, table, asked: RefCell::default() })
    }

    /// Its elements, if it is an array.
    pub fn array(&self) -> Option<Vec<Value<'d>>> {
        let Some(array) = self.value.get_ref().as_array() else { return self.mismatch("an array") };
        Some(
            array
                .iter()
                .enumerate()
                .map(|(i, value)| Value { document: self.document, key: format!("{}[{i}]", self.key), value })
                .collect(),
        )
    }

    /// The elements if this is an array, else this value alone.
    pub fn one_or_many(&self) -> Vec<Value<'d>> {
        if self.is_array() { self.array().unwrap_or_default() } else { vec![self.clone()] }
    }
}

/// Longest name that is compared with others, in bytes. The comparison needs memory for each pair of letters.
const LONGEST_NAME: usize = 64;

/// The name in `known` that `name` was probably meant to be.
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let known = known.iter().filter(|k| k.len().max(name.len()) <= LONGEST_NAME);
    let distance = |k: &str| strsim::damerau_levenshtein(&k.to_lowercase(), &name.to_lowercase());
    known.map(|k| (distance(k), *k)).filter(|(d, k)| *d <= 2 && *d < k.len()).min().map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str, read: impl FnOnce(&Section<'_>)) -> String {
        let result = Document::new("f.toml", text).read(|root| {
            read(&root);
            root.end();
        });
        result.map_or_else(|p| p.to_string(), |()| "good".into())
    }

    /// The first line of what is said.
    fn headline(text: &str, read: impl FnOnce(&Section<'_>)) -> String {
        problems(text, read).lines().next().unwrap_or_default().into()
    }

    #[test]
    fn the_place_is_shown_with_carets_under_it() {
        let long = format!("a = \"{} here {}\"", "x".repeat(200), "y".repeat(200));
        let cases = [
            ("say = [\"turn {stat} on\"]", 13..19, "say = [\"turn {stat} on\"]\n               ^^^^^^"),
            ("\t say = \"größer )\"", 18..19, "say = \"größer )\"\n                ^"),
            ("a = 1\n\u{1b}b = 2\nc = 3", 7..12, " b = 2\n   ^^^^^"),
            (&long, 206..210, &format!("{}here {}\n  {}^^^^", "x".repeat(59) + " ", "y".repeat(45), " ".repeat(60))),
            ("a = [\n1,\n2]", 4..12, "a = [\n      ^"),
            ("a", 1..1, "a\n   ^"),
        ];
        for (text, at, shown) in cases {
            let document = Document::new("f.toml", text);
            document.problem(at, "", "no");
            let list = document.problems.into_inner().into_iter().map(|(_, problem)| problem).collect();
            let said = Problems { file: "f.toml".into(), list }.to_string();
            let (_, quoted) = said.split_once("\n  ").unwrap();
            assert_eq!(quoted, shown, "{text:?}");
        }
    }

    #[test]
    fn a_fault_is_named_with_line_column_key_and_what_would_be_right() {
        let read = |root: &Section<'_>| {
            root.need("board", "board = \"pi-5\"").and_then(|v| v.string());
            if let Some(section) = root.get("microphone").and_then(|v| v.section()) {
                section.get("gain_db").and_then(|v| v.number(-40.0..=40.0));
                section.end();
            }
        };
        let cases = [
            ("board = \"pi-5\"", "good"),
            ("board = 5", "f.toml:1:9: board: this is an integer; a string in quotes is needed"),
            ("", "f.toml:1:1: board: missing; as in: board = \"pi-5\""),
            (
                "board = \"b\"\n[microphone]\ngain_db = 99",
                "f.toml:3:11: microphone.gain_db: out of range; a number from -40 to 40 is needed",
            ),
            ("board = \"b\"\n[micropone]\n", "f.toml:2:2: micropone: unknown key; did you mean \"microphone\"?"),
            ("board = \"b\"\nzzz = 1", "f.toml:2:1: zzz: unknown key; known here: board, microphone"),
            (
                "board = \"b\"\n\"z\\n\\u001b\" = 1",
                "f.toml:2:1: z\\n\\u{1b}: unknown key; known here: board, microphone",
            ),
            ("board = \"b\"\n[microphone]\ngain = 0", "f.toml:3:1: microphone.gain: unknown key; known here: gain_db"),
        ];
        for (text, expected) in cases {
            assert_eq!(headline(text, read), expected, "{text}");
        }
    }

    #[test]
    fn names_of_a_megabyte_are_not_compared() {
        let [name, other] = ["a", "b"].map(|letter| letter.repeat(1 << 20));
        assert_eq!(nearest(&name, &[&other, "a"]), None);
        assert_eq!(nearest("gian", &["chip", "gain"]), Some("gain"));
    }

    #[test]
    fn all_faults_are_reported_in_the_order_of_the_file() {
        let said = problems("a = 1\nb = 2\n", |_| ());
        assert_eq!(said.lines().count(), 6);
        assert!(said.starts_with("f.toml:1:1: a: unknown key"), "{said}");
    }

    #[test]
    fn broken_toml_is_named_with_its_place() {
        let said = problems("board = \"pi-5\"\npin = = 3\n", |_| ());
        assert!(said.starts_with("f.toml:2:7: "), "{said}");
    }

    #[test]
    fn a_place_inside_a_string_is_a_column_of_the_file() {
        let said = headline("say = \"turn on)\"", |root| {
            root.get("say").into_iter().for_each(|v| v.problem_in(7..8, "no"));
        });
        assert_eq!(said, "f.toml:1:15: say: no");
        let said = headline("say = \"\\u0074urn on)\"", |root| {
            root.get("say").into_iter().for_each(|v| v.problem_in(7..8, "no"));
        });
        assert_eq!(said, "f.toml:1:7: say: no");
    }
}
