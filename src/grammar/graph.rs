//! Templates to a word graph: which words may follow which, and what a path through them means.
//!
//! A node is a place between two words. An arc leads over one word, or over none and then may bind a slot or choose the
//! command. Lists and rules are copied in where they are used, so the graph has no cycles and no stack.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::template::{Node, parse};
use super::{List, SlotValue, Slots, TemplateError};

/// Most arcs in a grammar: 24 MB. Ten thousand templates with three lists of fifty take 1.5 million.
pub const MAX_ARCS: usize = 2_000_000;
/// Rules inside rules.
const MAX_DEPTH: usize = 32;

/// A place between two words.
pub type NodeId = u32;
/// A word of the grammar's vocabulary.
pub type WordId = u32;

/// What an arc leads over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// A word to be said.
    Word(WordId),
    /// Nothing.
    Free,
    /// Nothing; a slot takes a value: an index into the bindings.
    Bind(u32),
    /// Nothing; the sentence belongs to this command.
    Command(u32),
}

/// A step from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arc {
    /// What the step leads over.
    pub label: Label,
    /// Where it leads.
    pub to: NodeId,
}

/// One way through the grammar: what was said and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// Index of the command.
    pub command: usize,
    /// The words as the templates write them, numbers in digits, one space between.
    pub words: String,
    /// The values of its slots.
    pub slots: Slots,
}

/// All sentences of all commands.
#[derive(Debug, Default)]
pub struct Grammar {
    words: Vec<String>,
    bindings: Vec<(String, SlotValue)>,
    /// The arcs of node `n` are `arcs[first[n]..first[n + 1]]`.
    first: Vec<u32>,
    arcs: Vec<Arc>,
    start: NodeId,
    end: NodeId,
}

impl Grammar {
    /// The grammar of one command with one template, without lists and rules.
    ///
    /// # Errors
    /// The template's fault.
    pub fn of(template: &str) -> Result<Grammar, TemplateError> {
        let (lists, rules) = (BTreeMap::new(), BTreeMap::new());
        let mut builder = Builder::new(&lists, &rules);
        builder.add(0, &parse(template)?).map_err(|e| e.error)?;
        Ok(builder.finish())
    }

    /// The node before the first word.
    pub fn start(&self) -> NodeId {
        self.start
    }

    /// Whether a sentence may end at `node`.
    pub fn is_end(&self, node: NodeId) -> bool {
        node == self.end
    }

    /// The arcs that leave `node`, with their indices.
    pub fn arcs(&self, node: NodeId) -> impl Iterator<Item = (usize, Arc)> + '_ {
        let range = self.first[node as usize] as usize..self.first[node as usize + 1] as usize;
        range.map(|i| (i, self.arcs[i]))
    }

    /// The arc with index `arc`.
    pub fn arc(&self, arc: usize) -> Arc {
        self.arcs[arc]
    }

    /// The vocabulary, by [`WordId`].
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The slot and value behind [`Label::Bind`].
    pub fn binding(&self, index: u32) -> &(String, SlotValue) {
        &self.bindings[index as usize]
    }

    /// How many sentences the grammar accepts, counting each way to say one; at most `u64::MAX`.
    pub fn count(&self) -> u64 {
        let mut counts: Vec<Option<u64>> = vec![None; self.first.len() - 1];
        counts[self.end as usize] = Some(1);
        let mut stack = vec![self.start];
        while let Some(&node) = stack.last() {
            let open = stack.len();
            let mut total = 0u64;
            for (_, arc) in self.arcs(node) {
                match counts[arc.to as usize] {
                    Some(n) => total = total.saturating_add(n),
                    None => stack.push(arc.to),
                }
            }
            if stack.len() == open {
                counts[node as usize].get_or_insert(total);
                stack.pop();
            }
        }
        counts[self.start as usize].unwrap_or(0)
    }
}

/// A fault found while building, and in which template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildError {
    /// The rule whose template is at fault, or `None` for the one being added.
    pub rule: Option<String>,
    /// The fault.
    pub error: TemplateError,
}

/// Builds a [`Grammar`] template by template.
pub struct Builder<'a> {
    lists: &'a BTreeMap<String, List>,
    rules: &'a BTreeMap<String, Node>,
    words: HashMap<String, WordId>,
    bindings: Vec<(String, SlotValue)>,
    arcs: Vec<(NodeId, Arc)>,
    nodes: NodeId,
    commands: HashMap<u32, NodeId>,
    /// The rules being copied in, outermost first.
    inside: Vec<String>,
    /// The slots of the rules seen so far: a rule is looked through once, however often it is used.
    filled: HashMap<String, Filled>,
}

const START: NodeId = 0;
const END: NodeId = 1;

impl<'a> Builder<'a> {
    /// An empty grammar over these lists and rules.
    pub fn new(lists: &'a BTreeMap<String, List>, rules: &'a BTreeMap<String, Node>) -> Builder<'a> {
        Builder {
            lists,
            rules,
            words: HashMap::new(),
            bindings: Vec::new(),
            arcs: Vec::new(),
            nodes: 2,
            commands: HashMap::new(),
            inside: Vec::new(),
            filled: HashMap::new(),
        }
    }

    /// Adds a template as a way to say command number `command`, and returns the slots that its sentences fill.
    ///
    /// # Errors
    /// A list or rule that does not exist, a rule inside itself, a slot filled twice, a grammar over [`MAX_ARCS`].
    pub fn add(&mut self, command: u32, template: &Node) -> Result<Filled, BuildError> {
        self.inside.clear();
        let filled = self.slots(template)?;
        let from = match self.commands.get(&command) {
            Some(node) => *node,
            None => {
                let node = self.node();
                self.arc(START, Label::Command(command), node)?;
                self.commands.insert(command, node);
                node
            }
        };
        self.emit(template, from, END)?;
        Ok(filled)
    }

    /// The grammar, done.
    pub fn finish(self) -> Grammar {
        let mut words = vec![String::new(); self.words.len()];
        for (word, id) in self.words {
            words[id as usize] = word;
        }
        let mut arcs = self.arcs;
        arcs.sort_by_key(|(from, _)| *from);
        let mut first = vec![0u32; self.nodes as usize + 1];
        for (from, _) in &arcs {
            first[*from as usize + 1] += 1;
        }
        for n in 1..first.len() {
            first[n] += first[n - 1];
        }
        let arcs = arcs.into_iter().map(|(_, arc)| arc).collect();
        Grammar { words, bindings: self.bindings, first, arcs, start: START, end: END }
    }

    fn node(&mut self) -> NodeId {
        self.nodes += 1;
        self.nodes - 1
    }

    fn arc(&mut self, from: NodeId, label: Label, to: NodeId) -> Result<(), BuildError> {
        if self.arcs.len() == MAX_ARCS {
            let what = format!("the grammar is too large: over {MAX_ARCS} steps; use shorter lists or fewer templates");
            return Err(self.fault(0..0, what));
        }
        self.arcs.push((from, Arc { label, to }));
        Ok(())
    }

    fn fault(&self, at: std::ops::Range<usize>, what: String) -> BuildError {
        BuildError { rule: self.inside.last().cloned(), error: TemplateError::new(at, what) }
    }

    fn word(&mut self, word: &str) -> WordId {
        let next = self.words.len() as WordId;
        *self.words.entry(word.to_string()).or_insert(next)
    }

    fn emit(&mut self, node: &Node, from: NodeId, to: NodeId) -> Result<(), BuildError> {
        match node {
            Node::Word(word) => {
                let word = self.word(word);
                self.arc(from, Label::Word(word), to)
            }
            Node::Sequence(nodes) => {
                let mut at = from;
                for (i, node) in nodes.iter().enumerate() {
                    let next = if i + 1 == nodes.len() { to } else { self.node() };
                    self.emit(node, at, next)?;
                    at = next;
                }
                Ok(())
            }
            Node::Choice(nodes) => nodes.iter().try_for_each(|node| self.emit(node, from, to)),
            Node::Optional(node) => {
                self.emit(node, from, to)?;
                self.arc(from, Label::Free, to)
            }
            Node::List { name, slot, at } => {
                let lists = self.lists;
                let list =
                    lists.get(name).ok_or_else(|| self.fault(at.clone(), unknown("list", name, lists.keys())))?;
                if list.is_empty() {
                    return Err(self.fault(at.clone(), format!("the list {name:?} has no values")));
                }
                self.emit_list(list, slot, from, to)
            }
            Node::Rule { name, at } => {
                let rule = self.enter(name, at)?;
                self.emit(rule, from, to)?;
                self.inside.pop();
                Ok(())
            }
        }
    }

    fn emit_list(&mut self, list: &List, slot: &str, from: NodeId, to: NodeId) -> Result<(), BuildError> {
        match list {
            List::Values(values) => {
                for (say, value) in values {
                    let bound = self.bind(slot, value.clone(), from)?;
                    self.emit(say, bound, to)?;
                }
            }
            List::Range { .. } => {
                for value in list.values() {
                    let word = self.word(&value.to_string());
                    let bound = self.bind(slot, value, from)?;
                    self.arc(bound, Label::Word(word), to)?;
                }
            }
        }
        Ok(())
    }

    fn bind(&mut self, slot: &str, value: SlotValue, from: NodeId) -> Result<NodeId, BuildError> {
        let node = self.node();
        let binding = self.bindings.len() as u32;
        self.bindings.push((slot.to_string(), value));
        self.arc(from, Label::Bind(binding), node)?;
        Ok(node)
    }

    fn enter(&mut self, name: &str, at: &std::ops::Range<usize>) -> Result<&'a Node, BuildError> {
        let rules = self.rules;
        let rule = rules.get(name).ok_or_else(|| self.fault(at.clone(), unknown("rule", name, rules.keys())))?;
        if self.inside.iter().any(|open| open == name) || self.inside.len() == MAX_DEPTH {
            return Err(self.fault(at.clone(), format!("rule <{name}> contains itself")));
        }
        self.inside.push(name.to_string());
        Ok(rule)
    }

    /// Which slots a template fills, so that no sentence fills one twice.
    fn slots(&mut self, node: &Node) -> Result<Filled, BuildError> {
        Ok(match node {
            Node::Word(_) => Filled::default(),
            Node::List { name, slot, .. } => {
                Filled { always: [slot.clone()].into(), ever: [(slot.clone(), [name.clone()].into())].into() }
            }
            Node::Optional(node) => Filled { always: BTreeSet::new(), ever: self.slots(node)?.ever },
            Node::Rule { name, at } => {
                if let Some(known) = self.filled.get(name) {
                    return Ok(known.clone());
                }
                let rule = self.enter(name, at)?;
                let filled = self.slots(rule)?;
                self.inside.pop();
                self.filled.insert(name.clone(), filled.clone());
                filled
            }
            Node::Choice(nodes) => {
                let branches = nodes.iter().map(|n| self.slots(n)).collect::<Result<Vec<_>, _>>()?;
                branches.into_iter().reduce(Filled::either).unwrap_or_default()
            }
            Node::Sequence(nodes) => {
                let mut all = Filled::default();
                for node in nodes {
                    let filled = self.slots(node)?;
                    if let Some(twice) = all.ever.keys().find(|slot| filled.ever.contains_key(*slot)) {
                        let what =
                            format!("a sentence would fill the slot {twice:?} twice; name one: {{{twice}:other}}");
                        return Err(self.fault(place(node), what));
                    }
                    all.ever.extend(filled.ever);
                    all.always.extend(filled.always);
                }
                all
            }
        })
    }
}

/// The slots that the sentences of a template fill.
#[derive(Debug, Clone, Default)]
pub struct Filled {
    /// Slots that every sentence fills.
    pub always: BTreeSet<String>,
    /// Slots that some sentence fills, and the lists that they are filled from.
    pub ever: BTreeMap<String, BTreeSet<String>>,
}

impl Filled {
    /// The slots of sentences that are one of the two kinds.
    pub fn either(mut self, other: Filled) -> Filled {
        self.always = &self.always & &other.always;
        for (slot, lists) in other.ever {
            self.ever.entry(slot).or_default().extend(lists);
        }
        self
    }
}

fn place(node: &Node) -> std::ops::Range<usize> {
    match node {
        Node::List { at, .. } | Node::Rule { at, .. } => at.clone(),
        Node::Optional(node) => place(node),
        Node::Choice(nodes) | Node::Sequence(nodes) => {
            nodes.iter().map(place).find(|at| !at.is_empty()).unwrap_or_default()
        }
        Node::Word(_) => 0..0,
    }
}

fn unknown<'n>(kind: &str, name: &str, known: impl Iterator<Item = &'n String>) -> String {
    let known: Vec<&str> = known.map(String::as_str).collect();
    match (crate::document::nearest(name, &known), known.as_slice()) {
        (_, []) => format!("there is no {kind} {name:?}; the configuration has no {kind}s"),
        (Some(near), _) => format!("there is no {kind} {name:?}; did you mean {near:?}?"),
        (None, known) => format!("there is no {kind} {name:?}; there are: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists() -> BTreeMap<String, List> {
        let text = |s: &str| SlotValue::Text(s.into());
        let room = vec![
            (parse("kitchen").unwrap(), text("kitchen")),
            (parse("(lounge|living room)").unwrap(), text("living_room")),
        ];
        BTreeMap::from([
            ("room".into(), List::Values(room)),
            ("percent".into(), List::Range { from: 0, to: 100, step: 25 }),
        ])
    }

    fn rules() -> BTreeMap<String, Node> {
        BTreeMap::from([
            ("light".into(), parse("(light|lamp)").unwrap()),
            ("loop".into(), parse("a <loop>").unwrap()),
            ("broken".into(), parse("a {rom}").unwrap()),
        ])
    }

    fn all_sentences(grammar: &Grammar) -> Vec<(String, String)> {
        let mut out = Vec::new();
        walk(grammar, grammar.start(), Vec::new(), Vec::new(), &mut out);
        out.sort();
        out
    }

    fn walk(grammar: &Grammar, node: NodeId, words: Vec<String>, slots: Vec<String>, out: &mut Vec<(String, String)>) {
        if grammar.is_end(node) {
            out.push((words.join(" "), slots.join(",")));
        }
        for (_, arc) in grammar.arcs(node) {
            let (mut words, mut slots) = (words.clone(), slots.clone());
            match arc.label {
                Label::Word(w) => words.push(grammar.words()[w as usize].clone()),
                Label::Bind(b) => slots.push(format!("{}={}", grammar.binding(b).0, grammar.binding(b).1)),
                _ => {}
            }
            walk(grammar, arc.to, words, slots, out);
        }
    }

    fn built(templates: &[&str]) -> Grammar {
        let (lists, rules) = (lists(), rules());
        let mut builder = Builder::new(&lists, &rules);
        for template in templates {
            builder.add(0, &parse(template).unwrap()).unwrap();
        }
        builder.finish()
    }

    #[test]
    fn a_template_accepts_exactly_its_sentences() {
        let grammar = built(&["[the] {room} <light>", "dim {percent}"]);
        let sentences = all_sentences(&grammar);
        assert_eq!(sentences.len(), 3 * 2 * 2 + 5);
        assert_eq!(grammar.count(), 17);
        assert!(sentences.contains(&("the living room lamp".into(), "room=living_room".into())));
        assert!(sentences.contains(&("kitchen light".into(), "room=kitchen".into())));
        assert!(sentences.contains(&("dim 75".into(), "percent=75".into())));
    }

    #[test]
    fn sentences_are_counted_without_being_listed() {
        assert_eq!(built(&[&"(a|b|c|d|e|f|g|h|i|j) ".repeat(18)]).count(), 1_000_000_000_000_000_000);
        assert_eq!(built(&[&"(a|b|c|d|e|f|g|h|i|j) ".repeat(30)]).count(), u64::MAX);
    }

    #[test]
    fn the_slots_that_every_sentence_fills_are_known() {
        let (lists, rules) = (lists(), rules());
        let mut builder = Builder::new(&lists, &rules);
        let mut always =
            |t: &str| builder.add(0, &parse(t).unwrap()).unwrap().always.into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(always("dim {room} to {percent}"), "percent room");
        assert_eq!(always("dim [{room}] to {percent}"), "percent");
        assert_eq!(always("({room:a} {percent}|{room:a})"), "a");
    }

    #[test]
    fn what_cannot_be_built_says_why_and_where() {
        let cases = [
            ("dim {rom}", None, 4..9, "there is no list \"rom\"; did you mean \"room\"?"),
            ("dim <zzz>", None, 4..9, "there is no rule \"zzz\"; there are: broken, light, loop"),
            ("<loop>", Some("loop"), 2..8, "rule <loop> contains itself"),
            ("dim <broken>", Some("broken"), 2..7, "there is no list \"rom\""),
            ("{room} or {room}", None, 10..16, "fill the slot \"room\" twice; name one: {room:other}"),
        ];
        let (lists, rules) = (lists(), rules());
        for (template, rule, at, words) in cases {
            let error = Builder::new(&lists, &rules).add(0, &parse(template).unwrap()).unwrap_err();
            assert!(error.error.what.contains(words), "{template}: {}", error.error.what);
            assert_eq!((error.rule.as_deref(), error.error.at), (rule, at), "{template}");
        }
    }

    #[test]
    fn one_broken_rule_is_blamed_in_each_template_that_uses_it_and_in_no_other() {
        let (lists, rules) = (lists(), rules());
        let mut builder = Builder::new(&lists, &rules);
        let mut said = |t: &str| builder.add(0, &parse(t).unwrap()).map(|_| ()).map_err(|e| (e.rule, e.error.what));
        for _ in 0..2 {
            let (rule, what) = said("dim <broken>").unwrap_err();
            assert_eq!(rule.as_deref(), Some("broken"));
            assert!(what.contains("there is no list \"rom\""), "{what}");
        }
        assert_eq!(said("dim {rom}").unwrap_err().0, None);
        assert_eq!(said("dim {room}"), Ok(()));
    }

    #[test]
    fn rules_that_double_at_each_step_are_refused_at_once() {
        let lists = BTreeMap::new();
        let rule = |n: u32| parse(&format!("(<r{}>|<r{}>)", n + 1, n + 1)).unwrap();
        let mut rules: BTreeMap<String, Node> = (0..30).map(|n| (format!("r{n}"), rule(n))).collect();
        rules.insert("r30".into(), parse("a").unwrap());
        let error = Builder::new(&lists, &rules).add(0, &parse("<r0>").unwrap()).unwrap_err();
        assert!(error.error.what.contains("too large"), "{}", error.error.what);
    }

    #[test]
    fn rules_that_double_around_an_empty_list_are_refused_at_once() {
        let lists = BTreeMap::from([("none".into(), List::Values(Vec::new()))]);
        let rule = |n: u32| parse(&format!("(<r{}>|<r{}>)", n + 1, n + 1)).unwrap();
        let mut rules: BTreeMap<String, Node> = (0..30).map(|n| (format!("r{n}"), rule(n))).collect();
        rules.insert("r30".into(), parse("{none}").unwrap());
        let error = Builder::new(&lists, &rules).add(0, &parse("<r0>").unwrap()).unwrap_err();
        assert!(error.error.what.contains("list \"none\" has no values"), "{}", error.error.what);
    }

    #[test]
    fn a_grammar_that_explodes_is_refused() {
        let lists = BTreeMap::from([("n".into(), List::Range { from: 0, to: 999_999, step: 1 })]);
        let rules = BTreeMap::new();
        let error = Builder::new(&lists, &rules).add(0, &parse("({n:a}|{n:b}) {n:c}").unwrap()).unwrap_err();
        assert!(error.error.what.contains("too large"), "{}", error.error.what);
    }
}
