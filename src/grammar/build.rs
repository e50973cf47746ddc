//! Compiles templates into a word graph.
//!
//! Templates are compiled from their end to their start, and two nodes from which the same can follow become one node.
//! So a list or a rule exists once for each continuation, and the graph is small.

use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use super::graph::{Arc, END, Grammar, Label, NodeId, WordId};
use super::template::Node;
use super::{List, SlotValue, TemplateError};

/// Most arcs in a grammar; they take 24 MB.
pub const MAX_ARCS: usize = 2_000_000;
/// Deepest nesting of rules.
const MAX_DEPTH: usize = 32;

/// A fault found while building, and the template that has it.
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
    bindings: HashMap<(String, SlotValue), u32>,
    first: Vec<u32>,
    arcs: Vec<Arc>,
    /// The nodes so far, by the hash of their arcs.
    nodes: HashMap<u64, NodeId>,
    /// The first arcs of each command.
    commands: BTreeMap<u32, Vec<Arc>>,
    /// The number of arcs in `commands`.
    beginnings: usize,
    /// The nodes of lists and rules that were built already, by their text and the node that follows.
    built: HashMap<(String, NodeId), NodeId>,
    /// The rules being built, outermost first.
    inside: Vec<String>,
    /// The slots of the rules seen so far, so that each rule is examined only once.
    filled: HashMap<String, Filled>,
}

impl<'a> Builder<'a> {
    /// Makes a builder of an empty grammar with these lists and rules.
    pub fn new(lists: &'a BTreeMap<String, List>, rules: &'a BTreeMap<String, Node>) -> Builder<'a> {
        Builder {
            lists,
            rules,
            words: HashMap::new(),
            bindings: HashMap::new(),
            first: vec![0, 0],
            arcs: Vec::new(),
            nodes: HashMap::new(),
            commands: BTreeMap::new(),
            beginnings: 0,
            built: HashMap::new(),
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
        let arcs = self.emit(template, END)?;
        self.beginnings += arcs.len();
        self.within_limit(self.beginnings)?;
        self.commands.entry(command).or_default().extend(arcs);
        Ok(filled)
    }

    /// Returns the finished grammar.
    pub fn finish(mut self) -> Grammar {
        let commands = std::mem::take(&mut self.commands);
        let begin = |(command, arcs): (u32, Vec<Arc>)| {
            let to = self.place(distinct(arcs));
            Arc { label: Label::Command(command), to }
        };
        let start: Vec<Arc> = commands.into_iter().map(begin).collect();
        self.append(start);
        let mut words = vec![String::new(); self.words.len()];
        self.words.into_iter().for_each(|(word, id)| words[id as usize] = word);
        let mut bindings = vec![(String::new(), SlotValue::Integer(0)); self.bindings.len()];
        self.bindings.into_iter().for_each(|(binding, id)| bindings[id as usize] = binding);
        Grammar { words, bindings, first: self.first, arcs: self.arcs, spoken: OnceLock::new() }
    }

    fn append(&mut self, arcs: Vec<Arc>) -> NodeId {
        self.arcs.extend(arcs);
        self.first.push(self.arcs.len() as u32);
        self.first.len() as NodeId - 2
    }

    /// The node with these arcs: an existing one if there is one, else a new one.
    fn place(&mut self, arcs: Vec<Arc>) -> NodeId {
        let mut hasher = DefaultHasher::new();
        arcs.hash(&mut hasher);
        let next = self.first.len() as NodeId - 1;
        match self.nodes.entry(hasher.finish()) {
            Entry::Occupied(entry) => {
                let node = *entry.get() as usize;
                let known = &self.arcs[self.first[node] as usize..self.first[node + 1] as usize];
                if known == arcs.as_slice() { node as NodeId } else { self.append(arcs) }
            }
            Entry::Vacant(entry) => {
                entry.insert(next);
                self.append(arcs)
            }
        }
    }

    /// As [`Self::place`], but fails above the limit.
    fn node(&mut self, arcs: Vec<Arc>) -> Result<NodeId, BuildError> {
        self.within_limit(self.arcs.len() + arcs.len())?;
        Ok(self.place(arcs))
    }

    fn within_limit(&self, arcs: usize) -> Result<(), BuildError> {
        if arcs <= MAX_ARCS {
            return Ok(());
        }
        let what = format!("the grammar is too large: over {MAX_ARCS} steps; use shorter lists or fewer templates");
        Err(self.fault(0..0, what))
    }

    fn fault(&self, at: std::ops::Range<usize>, what: String) -> BuildError {
        BuildError { rule: self.inside.last().cloned(), error: TemplateError::new(at, what) }
    }

    fn word(&mut self, word: &str) -> Label {
        let next = self.words.len() as WordId;
        Label::Word(*self.words.entry(word.to_string()).or_insert(next))
    }

    /// The arcs that begin the part `node` when the node `to` follows it, in the order of the template.
    fn emit(&mut self, node: &Node, to: NodeId) -> Result<Vec<Arc>, BuildError> {
        match node {
            Node::Word(word) => Ok(vec![Arc { label: self.word(word), to }]),
            Node::Sequence(nodes) => {
                let (first, rest) = nodes.split_first().expect("a sequence should have parts");
                let mut to = to;
                for node in rest.iter().rev() {
                    let arcs = self.emit(node, to)?;
                    to = self.node(arcs)?;
                }
                self.emit(first, to)
            }
            Node::Choice(nodes) => {
                let mut arcs = Vec::new();
                for node in nodes {
                    arcs.extend(self.emit(node, to)?);
                    self.within_limit(arcs.len())?;
                }
                Ok(distinct(arcs))
            }
            Node::Permutation(nodes) => self.emit_permutation(nodes, to),
            Node::Optional(node) => {
                let mut arcs = self.emit(node, to)?;
                arcs.push(Arc { label: Label::Free, to });
                Ok(distinct(arcs))
            }
            Node::List { name, slot, at } => {
                let list = self.list(name, at)?;
                self.once(format!("{{{name}:{slot}}}"), to, |builder| builder.emit_list(list, slot, to))
            }
            Node::Rule { name, at } => {
                let rule = self.enter(name, at)?;
                let arcs = self.once(format!("<{name}>"), to, |builder| builder.emit(rule, to))?;
                self.inside.pop();
                Ok(arcs)
            }
        }
    }

    fn list(&self, name: &str, at: &std::ops::Range<usize>) -> Result<&'a List, BuildError> {
        let list = self.lists.get(name).ok_or_else(|| self.missing("list", name, at))?;
        if list.is_empty() { Err(self.fault(at.clone(), format!("the list {name:?} has no values"))) } else { Ok(list) }
    }

    fn missing(&self, kind: &str, name: &str, at: &std::ops::Range<usize>) -> BuildError {
        let what = match (kind, self.lists.contains_key(name), self.rules.contains_key(name)) {
            ("rule", true, _) => format!("{name:?} is a list: write {{{name}}}"),
            ("list", _, true) => format!("{name:?} is a rule: write <{name}>"),
            ("list", ..) => unknown(kind, name, self.lists.keys()),
            _ => unknown(kind, name, self.rules.keys()),
        };
        self.fault(at.clone(), what)
    }

    /// The arcs of a list or rule when the node `to` follows it. They are built with `emit` the first time and reused
    /// later.
    fn once(
        &mut self,
        what: String,
        to: NodeId,
        emit: impl FnOnce(&mut Self) -> Result<Vec<Arc>, BuildError>,
    ) -> Result<Vec<Arc>, BuildError> {
        let key = (what, to);
        if let Some(node) = self.built.get(&key) {
            let range = self.first[*node as usize] as usize..self.first[*node as usize + 1] as usize;
            return Ok(self.arcs[range].to_vec());
        }
        let arcs = emit(self)?;
        let node = self.node(arcs.clone())?;
        self.built.insert(key, node);
        Ok(arcs)
    }

    fn emit_list(&mut self, list: &List, slot: &str, to: NodeId) -> Result<Vec<Arc>, BuildError> {
        let mut arcs = Vec::new();
        let ways: Vec<(Vec<Arc>, SlotValue)> = match list {
            List::Values(values) => {
                let say = |(say, value): &(Node, SlotValue)| Ok((self.emit(say, to)?, value.clone()));
                values.iter().map(say).collect::<Result<_, BuildError>>()?
            }
            List::Range { .. } => {
                let say = |value: SlotValue| (vec![Arc { label: self.word(&value.to_string()), to }], value);
                list.values().into_iter().map(say).collect()
            }
        };
        for (say, value) in ways {
            let next = self.bindings.len() as u32;
            let binding = *self.bindings.entry((slot.to_string(), value)).or_insert(next);
            arcs.push(Arc { label: Label::Bind(binding), to: self.node(say)? });
        }
        Ok(distinct(arcs))
    }

    /// Builds all orders of the parts, with one node for each set of parts that are still to come.
    fn emit_permutation(&mut self, parts: &[Node], to: NodeId) -> Result<Vec<Arc>, BuildError> {
        let needed = parts.iter().enumerate().filter(|(_, part)| !matches!(part, Node::Optional(_)));
        let needed: usize = needed.map(|(i, _)| 1 << i).sum();
        let mut places = vec![to];
        let mut arcs = Vec::new();
        // A set has a higher number than its subsets, so those are built before it.
        for left in 1..1_usize << parts.len() {
            arcs = Vec::new();
            for (i, part) in parts.iter().enumerate().filter(|(i, _)| left & (1 << i) != 0) {
                let part = if let Node::Optional(spoken) = part { spoken } else { part };
                arcs.extend(self.emit(part, places[left & !(1 << i)])?);
            }
            if left & needed == 0 {
                arcs.push(Arc { label: Label::Free, to });
            }
            arcs = distinct(arcs);
            places.push(self.node(arcs.clone())?);
        }
        Ok(arcs)
    }

    fn enter(&mut self, name: &str, at: &std::ops::Range<usize>) -> Result<&'a Node, BuildError> {
        let rule = self.rules.get(name).ok_or_else(|| self.missing("rule", name, at))?;
        if self.inside.iter().any(|open| open == name) {
            return Err(self.fault(at.clone(), format!("rule <{name}> contains itself")));
        }
        if self.inside.len() == MAX_DEPTH {
            return Err(self.fault(at.clone(), format!("more than {MAX_DEPTH} rules inside each other")));
        }
        self.inside.push(name.to_string());
        Ok(rule)
    }

    /// The slots that a template fills. Refuses a template with a sentence that fills a slot twice.
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
            Node::Sequence(nodes) | Node::Permutation(nodes) => {
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
    /// Slots that at least one sentence fills, and the lists that they are filled from.
    pub ever: BTreeMap<String, BTreeSet<String>>,
}

impl Filled {
    /// The slots of two sets of sentences together.
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
        Node::Choice(nodes) | Node::Sequence(nodes) | Node::Permutation(nodes) => {
            nodes.iter().map(place).find(|at| !at.is_empty()).unwrap_or_default()
        }
        Node::Word(_) => 0..0,
    }
}

/// `arcs` without repetition, in their order.
fn distinct(mut arcs: Vec<Arc>) -> Vec<Arc> {
    if arcs.len() > 1 {
        let mut seen = HashSet::with_capacity(arcs.len());
        arcs.retain(|arc| seen.insert(*arc));
    }
    arcs
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
    use crate::grammar::template::parse;

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
    fn a_place_is_reached_only_from_above_and_each_command_is_counted() {
        let (lists, rules) = (lists(), rules());
        let mut builder = Builder::new(&lists, &rules);
        for (command, template) in [(0, "[the] {room}"), (7, "dim {percent}"), (7, "(<light>;please)")] {
            builder.add(command, &parse(template).unwrap()).unwrap();
        }
        let grammar = builder.finish();
        assert!(grammar.nodes().all(|node| grammar.arcs(node).all(|(_, arc)| arc.to < node)));
        assert_eq!(grammar.counts(), BTreeMap::from([(0, 6), (7, 5 + 4)]));
        assert_eq!(grammar.count(), 15);
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
            ("dim {light}", None, 4..11, "\"light\" is a rule: write <light>"),
            ("dim <room>", None, 4..10, "\"room\" is a list: write {room}"),
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
    fn rules_that_double_at_each_step_are_built_once_or_refused_at_once() {
        let lists = BTreeMap::new();
        let built_of = |count: u32, template: &str| {
            let rule = |n: u32| parse(&template.replace('#', &format!("<r{}>", n + 1))).unwrap();
            let mut rules: BTreeMap<String, Node> = (0..count).map(|n| (format!("r{n}"), rule(n))).collect();
            rules.insert(format!("r{count}"), parse("a").unwrap());
            let mut builder = Builder::new(&lists, &rules);
            builder.add(0, &parse("<r0>").unwrap()).map(|_| builder.finish().count()).map_err(|e| e.error.what)
        };
        let built = |template: &str| built_of(30, template);
        assert_eq!(built("(#|#)"), Ok(1));
        assert_eq!(built_of(32, "(#|#)").unwrap_err(), "more than 32 rules inside each other");
        assert!(built("(# b|# c)").unwrap_err().contains("too large"));
        assert!(built("# #").unwrap_err().contains("too large"));
    }

    #[test]
    fn a_permutation_says_its_parts_in_all_orders_once_each() {
        let said = |template: &str| {
            let sentences = all_sentences(&built(&[template])).into_iter().map(|(words, _)| words);
            sentences.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(said("(a;b)"), "a b, b a");
        assert_eq!(said("(a b;[c])"), "a b, a b c, c a b");
        assert_eq!(said("go [(a;b)|c]"), "go, go a b, go b a, go c");
        assert_eq!(said("go ([a];[b];[c])").split(", ").count(), 1 + 3 + 6 + 6);
        assert_eq!(said("((a;b);c)"), "a b c, b a c, c a b, c b a");
    }

    #[test]
    fn eight_parts_in_any_order_are_256_places_and_not_40320_sentences() {
        let grammar = built(&["((a|aa);(b|bb);c;d;e;f;g;h)"]);
        assert_eq!(grammar.count(), 40_320 * 4);
        assert!(grammar.first.len() < 270 && grammar.arcs.len() < 1300, "{}", grammar.arcs.len());
        assert_eq!(built(&["([a];[b];[c];[d];[e];[f];[g];[h]) z"]).count(), 109_601);
    }

    #[test]
    fn what_follows_is_built_once() {
        let one = built(&["turn {percent} [the] lamp"]);
        let both = built(&["turn {percent} [the] lamp", "switch {percent} [the] lamp"]);
        assert_eq!(both.count(), 2 * one.count());
        assert_eq!(both.arcs.len(), one.arcs.len() + 1);
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
