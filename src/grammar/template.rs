//! Parses a sentence template into a tree, with the place of each list and rule.

use std::ops::Range;

use super::TemplateError;
use crate::language::number;

/// Most spellings of a word with glued parts, such as `light[s]`.
const MAX_GLUED: usize = 64;
/// Deepest nesting of groups. A template that a person wrote has three or four.
const MAX_DEPTH: usize = 32;
/// Most parts of a permutation. Each subset of them becomes a node of the graph, so eight parts make 256 nodes.
const MAX_PERMUTED: usize = 8;

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A word, as written.
    Word(String),
    /// Parts one after the other.
    Sequence(Vec<Node>),
    /// One of several parts: `(a|b)`.
    Choice(Vec<Node>),
    /// All parts, in any order: `(a;b)`.
    Permutation(Vec<Node>),
    /// A part that may be left out: `[a]`.
    Optional(Box<Node>),
    /// A value of a list: `{list}` or `{list:slot}`.
    List {
        /// The list's name.
        name: String,
        /// The slot that takes the value; the list's name if the template gives none.
        slot: String,
        /// Its place in the template, in bytes.
        at: Range<usize>,
    },
    /// A named part: `<rule>`.
    Rule {
        /// The rule's name.
        name: String,
        /// Its place in the template, in bytes.
        at: Range<usize>,
    },
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut all = |nodes: &[Node], [open, between, close]: [&str; 3]| {
            f.write_str(open)?;
            for (i, node) in nodes.iter().enumerate() {
                write!(f, "{}{node}", if i == 0 { "" } else { between })?;
            }
            f.write_str(close)
        };
        match self {
            Node::Word(word) => f.write_str(word),
            Node::Sequence(nodes) => all(nodes, ["", " ", ""]),
            Node::Choice(nodes) => all(nodes, ["(", "|", ")"]),
            Node::Permutation(nodes) => all(nodes, ["(", ";", ")"]),
            Node::Optional(node) => match &**node {
                Node::Choice(nodes) => all(nodes, ["[", "|", "]"]),
                Node::Permutation(nodes) => all(nodes, ["[", ";", "]"]),
                node => write!(f, "[{node}]"),
            },
            Node::List { name, slot, .. } if name == slot => write!(f, "{{{name}}}"),
            Node::List { name, slot, .. } => write!(f, "{{{name}:{slot}}}"),
            Node::Rule { name, .. } => write!(f, "<{name}>"),
        }
    }
}

/// Parses a template.
///
/// # Errors
/// The first fault, with its place.
pub fn parse(text: &str) -> Result<Node, TemplateError> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let node = parser.choice()?;
    match parser.peek() {
        None if can_be_silent(&node) => {
            Err(TemplateError::new(0..text.len(), "this can be said without a word; give it at least one"))
        }
        None => Ok(node),
        Some(c) => Err(TemplateError::new(parser.here(), format!("{c:?} without its opening bracket"))),
    }
}

fn can_be_silent(node: &Node) -> bool {
    match node {
        Node::Word(_) | Node::List { .. } | Node::Rule { .. } => false,
        Node::Optional(_) => true,
        Node::Sequence(nodes) | Node::Permutation(nodes) => nodes.iter().all(can_be_silent),
        Node::Choice(nodes) => nodes.iter().any(can_be_silent),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn here(&self) -> Range<usize> {
        self.at..self.at + self.peek().map_or(0, char::len_utf8)
    }

    /// Parses the inside of a bracket: one sequence, or several, separated either all by '|' or all by ';'.
    fn choice(&mut self) -> Result<Node, TemplateError> {
        let start = self.at;
        let mut parts = vec![self.sequence()?];
        let sign = self.peek();
        while let Some(next @ ('|' | ';')) = self.peek() {
            if Some(next) != sign {
                let what = "'|' and ';' in one bracket; give one of them its own, as in ((a|b);c)";
                return Err(TemplateError::new(self.here(), what));
            }
            self.at += 1;
            parts.push(self.sequence()?);
        }
        if sign != Some(';') {
            return Ok(one_or(parts, Node::Choice));
        }
        if parts.len() > MAX_PERMUTED {
            let what = format!(
                "{} parts in any order; at most {MAX_PERMUTED} are possible: put some into a fixed order",
                parts.len()
            );
            return Err(TemplateError::new(start..self.at, what));
        }
        Ok(Node::Permutation(parts))
    }

    fn sequence(&mut self) -> Result<Node, TemplateError> {
        let mut nodes = Vec::new();
        loop {
            match self.peek() {
                Some(c) if c.is_whitespace() => self.at += c.len_utf8(),
                None | Some(')' | ']' | '|' | ';') => break,
                Some(_) => nodes.push(self.item()?),
            }
        }
        if nodes.is_empty() {
            return Err(TemplateError::new(self.at..self.at, "a word is missing here"));
        }
        Ok(one_or(with_numbers(nodes), Node::Sequence))
    }

    /// Parses one part together with the parts that are glued to it: `light[s]` is a word with two spellings.
    fn item(&mut self) -> Result<Node, TemplateError> {
        let start = self.at;
        let mut parts = vec![self.part()?];
        while self.peek().is_some_and(|c| !c.is_whitespace() && !matches!(c, ')' | ']' | '|' | ';')) {
            parts.push(self.part()?);
        }
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        let glued = |what: &str| TemplateError::new(start..self.at, what);
        let mut words = vec![String::new()];
        for part in &parts {
            let endings = spellings(part)
                .ok_or_else(|| glued("put a space here: only single words can be glued, as in light[s]"))?;
            if words.len() * endings.len() > MAX_GLUED {
                return Err(glued("too many spellings for one word"));
            }
            words = words.iter().flat_map(|w| endings.iter().map(move |e| format!("{w}{e}"))).collect();
        }
        if words.iter().any(String::is_empty) {
            return Err(glued("this word can be empty; put a space between its parts"));
        }
        Ok(one_or(words.into_iter().map(Node::Word).collect(), Node::Choice))
    }

    fn part(&mut self) -> Result<Node, TemplateError> {
        match self.peek() {
            Some('(') => self.group(')'),
            Some('[') => Ok(Node::Optional(Box::new(self.group(']')?))),
            Some('{') => self.list(),
            Some('<') => {
                let (name, at) = self.name('>', "rule")?;
                Ok(Node::Rule { name, at })
            }
            _ => self.word(),
        }
    }

    fn group(&mut self, close: char) -> Result<Node, TemplateError> {
        let open = self.here();
        if self.depth == MAX_DEPTH {
            return Err(TemplateError::new(open, format!("more than {MAX_DEPTH} brackets inside each other")));
        }
        (self.at, self.depth) = (self.at + 1, self.depth + 1);
        let node = self.choice()?;
        match self.peek() {
            Some(c) if c == close => (self.at, self.depth) = (self.at + 1, self.depth - 1),
            Some(c) => {
                return Err(TemplateError::new(self.here(), format!("{c:?} here, but {close:?} is still to come")));
            }
            None => {
                return Err(TemplateError::new(open, format!("this bracket is never closed; {close:?} is missing")));
            }
        }
        Ok(node)
    }

    fn list(&mut self) -> Result<Node, TemplateError> {
        let (inside, at) = self.name('}', "list")?;
        let (name, slot) = inside.split_once(':').unwrap_or((&inside, &inside));
        for part in [name, slot] {
            if !is_name(part) {
                let what =
                    format!("{part:?} is not a name; letters, digits and _ make one, as in {{room}} or {{room:from}}");
                return Err(TemplateError::new(at, what));
            }
        }
        Ok(Node::List { name: name.into(), slot: slot.into(), at })
    }

    /// The name between the bracket at the current place and its `close`.
    fn name(&mut self, close: char, what: &str) -> Result<(String, Range<usize>), TemplateError> {
        let open = self.here();
        let Some(length) = self.text[self.at..].find(close) else {
            return Err(TemplateError::new(open, format!("this bracket is never closed; {close:?} is missing")));
        };
        let name = self.text[self.at + 1..self.at + length].trim().to_string();
        let at = self.at..self.at + length + 1;
        self.at = at.end;
        if close == '>' && !is_name(&name) {
            return Err(TemplateError::new(at, format!("{name:?} is not the name of a {what}")));
        }
        Ok((name, at))
    }

    fn word(&mut self) -> Result<Node, TemplateError> {
        let start = self.at;
        while let Some(c) = self.peek().filter(|c| is_in_word(*c)) {
            self.at += c.len_utf8();
        }
        if self.at > start {
            return Ok(Node::Word(self.text[start..self.at].replace('’', "'")));
        }
        let what = match self.peek() {
            Some('.' | ',' | '!' | '?' | ':') => "punctuation is not spoken; leave it out".into(),
            Some('}' | '>') => format!("{:?} without its opening bracket", self.peek().unwrap_or_default()),
            Some(c) => format!("{c:?} cannot be said; write it as a word"),
            None => "a word is missing here".into(),
        };
        Err(TemplateError::new(self.here(), what))
    }
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '\'' | '’' | '-')
}

/// Whether `text` can name a list, a slot, a rule, a command or an output.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}

fn one_or(mut nodes: Vec<Node>, many: impl FnOnce(Vec<Node>) -> Node) -> Node {
    if nodes.len() == 1 { nodes.remove(0) } else { many(nodes) }
}

/// Joins words that are one number: "one hundred" becomes 100, which the model may write in digits.
fn with_numbers(nodes: Vec<Node>) -> Vec<Node> {
    let mut out = Vec::with_capacity(nodes.len());
    let mut at = 0;
    while at < nodes.len() {
        let words: Vec<&str> = nodes[at..].iter().map_while(word).take(number::LONGEST).collect();
        let (node, taken) = match number::together(&words) {
            Some((number, taken)) => (Node::Word(number.to_string()), taken),
            None => (nodes[at].clone(), 1),
        };
        out.push(node);
        at += taken;
    }
    out
}

fn word(node: &Node) -> Option<&str> {
    if let Node::Word(word) = node { Some(word) } else { None }
}

/// The spellings of a part that is at most one word; `None` for a longer part.
fn spellings(node: &Node) -> Option<Vec<String>> {
    match node {
        Node::Word(word) => Some(vec![word.clone()]),
        Node::Choice(nodes) => Some(nodes.iter().map(spellings).collect::<Option<Vec<_>>>()?.concat()),
        Node::Optional(node) => Some([spellings(node)?, vec![String::new()]].concat()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_parse_to_their_trees() {
        let cases = [
            ("on", "on"),
            ("  turn   on ", "turn on"),
            ("turn (on|off)", "turn (on|off)"),
            ("turn on [the] light", "turn on [the] light"),
            ("[all|the|all of the] lights", "[all|the|all of the] lights"),
            ("{room}", "{room}"),
            ("{room:from} to {room:to}", "{room:from} to {room:to}"),
            ("<light> {state}", "<light> {state}"),
            ("what's on-air at 5", "what's on-air at 5"),
            ("light[s] on", "(lights|light) on"),
            ("(bed|living)room", "(bedroom|livingroom)"),
            ("a|b c", "(a|b c)"),
            ("größer", "größer"),
            ("(a b;[c];(d|e)) f", "(a b;[c];(d|e)) f"),
            ("a;b", "(a;b)"),
            ("[a;b] ((c))", "[a;b] c"),
            ("what’s on", "what's on"),
            ("twenty five of one hundred and six", "25 of 106"),
        ];
        for (text, expected) in cases {
            let node = parse(text).unwrap();
            assert_eq!(node.to_string(), expected, "{text}");
            if !text.contains(['’', '|']) {
                assert_eq!(parse(&node.to_string()).unwrap().to_string(), expected, "{text}: written and read again");
            }
        }
    }

    #[test]
    fn a_bad_template_says_where_and_what_would_be_right() {
        let cases = [
            ("", 0..0, "a word is missing here"),
            ("turn (on|off", 5..6, "never closed; ')' is missing"),
            ("turn on)", 7..8, "')' without its opening bracket"),
            ("turn (on|off]", 12..13, "']' here, but ')' is still to come"),
            ("turn () on", 6..6, "a word is missing here"),
            ("turn (on|) it", 9..9, "a word is missing here"),
            ("turn {state", 5..6, "never closed; '}' is missing"),
            ("turn {st ate}", 5..13, "\"st ate\" is not a name"),
            ("turn {a:b:c}", 5..12, "\"b:c\" is not a name"),
            ("turn {}", 5..7, "\"\" is not a name"),
            ("turn <>", 5..7, "\"\" is not the name of a rule"),
            ("(a;b|c)", 4..5, "'|' and ';' in one bracket"),
            ("(a;)", 3..3, "a word is missing here"),
            ("([a];[b])", 0..9, "this can be said without a word"),
            ("go (a;b;c;d;e;f;g;h;i)", 4..21, "9 parts in any order; at most 8 are possible"),
            ("turn on, please", 7..8, "punctuation is not spoken"),
            ("50%", 2..3, "'%' cannot be said; write it as a word"),
            ("turn >", 5..6, "'>' without its opening bracket"),
            ("[the]", 0..5, "this can be said without a word"),
            ("(on|[off])", 0..10, "this can be said without a word"),
            ("dim{room}", 0..9, "put a space here"),
            ("[a][b]", 0..6, "this word can be empty"),
            ("(a|b|c|d|e|f|g|h|i)(a|b|c|d|e|f|g|h)", 0..36, "too many spellings for one word"),
        ];
        for (text, at, words) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.what.contains(words), "{text:?}: {:?} should say {words:?}", error.what);
            assert_eq!(error.at, at, "{text:?}: {}", error.what);
        }
    }

    #[test]
    fn brackets_without_end_are_refused_before_the_stack_is_full() {
        let error = parse(&"(".repeat(100_000)).unwrap_err();
        assert!(error.what.contains("more than 32 brackets"), "{}", error.what);
    }
}
