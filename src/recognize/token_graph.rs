//! Reads the word graph token by token: which tokens may follow a prefix, and which sentence a complete path says. No
//! input or output.
//!
//! Each word has several spellings, and each spelling is a run of tokens. A prefix of tokens may be at several places
//! of the grammar at once (`State`). The places are computed when the search needs them, so the memory does not grow
//! with the number of sentences.

use std::sync::Arc;

use std::collections::{BTreeMap, HashMap};

use super::tokenizer::{Token, Tokenizer};
use crate::grammar::graph::{Grammar, Label, NodeId, Sentence};
use crate::language::spelling;

/// One way to write a word, in tokens.
#[derive(Debug)]
struct Spelling {
    tokens: Box<[Token]>,
    /// Whether it is written without a space after the word before, as in "50%".
    glued: bool,
}

/// A place in the grammar, seen by tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Position {
    /// Between words. `joined` means that a word is directly before, so that a comma or a glued word may follow.
    Between { node: NodeId, joined: bool },
    /// Inside a spelling of an arc's word, after its first `done` tokens.
    Inside { arc: u32, spelling: u16, done: u16 },
}

/// All positions that one prefix of tokens can be at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State(Vec<Position>);

/// A grammar over a model's tokens.
pub struct TokenGraph {
    grammar: Arc<Grammar>,
    spellings: Vec<Vec<Spelling>>,
    comma: Option<Token>,
}

impl TokenGraph {
    /// Spells the grammar's words in the tokens of `tokenizer`.
    pub fn new(grammar: Arc<Grammar>, tokenizer: &Tokenizer) -> TokenGraph {
        let spell = |word: &String| {
            let mut all: Vec<Spelling> = Vec::new();
            for form in spelling::spellings(word) {
                let Some(tokens) = tokenizer.encode(&form) else { continue };
                if !tokens.is_empty() && all.iter().all(|s| *s.tokens != *tokens) {
                    all.push(Spelling { tokens: tokens.into(), glued: !form.starts_with(' ') });
                }
            }
            all
        };
        let spellings = grammar.words().iter().map(spell).collect();
        let comma = tokenizer.encode(",").and_then(|t| t.first().copied());
        TokenGraph { grammar, spellings, comma }
    }

    /// The state before the first token.
    pub fn start(&self) -> State {
        self.closed(vec![Position::Between { node: self.grammar.start(), joined: false }])
    }

    /// Whether a sentence may end here.
    pub fn is_end(&self, state: &State) -> bool {
        state.0.iter().any(|p| matches!(p, Position::Between { node, joined: true } if self.grammar.is_end(*node)))
    }

    /// The tokens that may come next, and the state after each.
    pub fn step(&self, state: &State) -> BTreeMap<Token, State> {
        let mut next: BTreeMap<Token, Vec<Position>> = BTreeMap::new();
        for &position in &state.0 {
            self.moves(position, |token, to, _| next.entry(token).or_default().push(to));
        }
        next.into_iter().map(|(token, positions)| (token, self.closed(positions))).collect()
    }

    /// The sentence of a path of tokens from the start. If there are several, the one that comes first in the
    /// configuration.
    pub fn sentence(&self, tokens: &[Token]) -> Option<Sentence> {
        type Key = (usize, Position);
        let start = (0, Position::Between { node: self.grammar.start(), joined: false });
        // For each position: from which position and over which arc it was first reached, depth first.
        let mut came: HashMap<Key, (Key, Option<usize>)> = HashMap::new();
        let mut stack = vec![(start, start, None)];
        let mut end = None;
        while let Some((here @ (read, position), from, arc)) = stack.pop() {
            if came.contains_key(&here) {
                continue;
            }
            came.insert(here, (from, arc));
            if read == tokens.len()
                && matches!(position, Position::Between { node, joined: true } if self.grammar.is_end(node))
            {
                end = Some(here);
                break;
            }
            let mut reach = Vec::new();
            self.frees(position, |to, arc| reach.push(((read, to), here, Some(arc))));
            if let Some(&token) = tokens.get(read) {
                self.moves(position, |t, to, arc| {
                    if t == token {
                        reach.push(((read + 1, to), here, arc))
                    }
                });
            }
            stack.extend(reach.into_iter().rev());
        }
        let mut at = end?;
        let mut arcs = Vec::new();
        while at != start {
            let (from, arc) = came[&at];
            arcs.extend(arc);
            at = from;
        }
        Some(self.grammar.sentence(arcs.into_iter().rev()))
    }

    /// Calls `each` for every step over one token: the token, the position after it, and the arc if a word begins with
    /// it.
    fn moves(&self, from: Position, mut each: impl FnMut(Token, Position, Option<usize>)) {
        let (arc, spelling, done) = match from {
            Position::Between { node, joined } => {
                let mut words_follow = false;
                for (index, arc) in self.grammar.arcs(node) {
                    let Label::Word(word) = arc.label else { continue };
                    words_follow = true;
                    for (i, spelling) in self.spellings[word as usize].iter().enumerate() {
                        if joined || !spelling.glued {
                            each(spelling.tokens[0], self.after(index, i as u16, 0), Some(index));
                        }
                    }
                }
                if let Some(comma) = self.comma.filter(|_| joined && words_follow) {
                    each(comma, Position::Between { node, joined: false }, None);
                }
                return;
            }
            Position::Inside { arc, spelling, done } => (arc as usize, spelling, done),
        };
        let Label::Word(word) = self.grammar.arc(arc).label else { return };
        let token = self.spellings[word as usize][spelling as usize].tokens[done as usize];
        each(token, self.after(arc, spelling, done), None);
    }

    /// The position after token number `done` of a spelling.
    fn after(&self, arc: usize, spelling: u16, done: u16) -> Position {
        let step = self.grammar.arc(arc);
        let length = match step.label {
            Label::Word(word) => self.spellings[word as usize][spelling as usize].tokens.len(),
            _ => 0,
        };
        if done as usize + 1 < length {
            Position::Inside { arc: arc as u32, spelling, done: done + 1 }
        } else {
            Position::Between { node: step.to, joined: true }
        }
    }

    /// Calls `each` for every step without a token.
    fn frees(&self, from: Position, mut each: impl FnMut(Position, usize)) {
        if let Position::Between { node, joined } = from {
            for (index, arc) in self.grammar.arcs(node).filter(|(_, a)| !matches!(a.label, Label::Word(_))) {
                each(Position::Between { node: arc.to, joined }, index);
            }
        }
    }

    /// `positions` and all positions that are reached from them without a token, sorted.
    fn closed(&self, positions: Vec<Position>) -> State {
        let mut seen: std::collections::HashSet<Position> = positions.iter().copied().collect();
        let mut stack: Vec<Position> = seen.iter().copied().collect();
        while let Some(position) = stack.pop() {
            self.frees(position, |to, _| {
                if seen.insert(to) {
                    stack.push(to);
                }
            });
        }
        let mut all: Vec<Position> = seen.into_iter().collect();
        all.sort_unstable();
        State(all)
    }
}
