//! The word graph: which words may follow which, and what a path through the graph means.
//!
//! A node is a place between two words. An arc from node to node has one word, or no word; an arc without a word may
//! bind a slot or choose the command. The graph has no cycles.

use std::sync::OnceLock;

use super::follow::Spoken;
use super::{SlotValue, Slots};

/// A place between two words.
pub type NodeId = u32;
/// A word of the grammar's vocabulary.
pub type WordId = u32;

/// The node after the last word.
pub(super) const END: NodeId = 0;

/// What an arc stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Label {
    /// A word.
    Word(WordId),
    /// Nothing.
    Free,
    /// No word; a slot takes a value. The number is an index into the bindings.
    Bind(u32),
    /// No word; the sentence belongs to the command with this index.
    Command(u32),
}

/// A step from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Arc {
    /// What the arc stands for.
    pub label: Label,
    /// The node that it leads to.
    pub to: NodeId,
}

/// One sentence of a grammar and its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// Index of the command.
    pub command: usize,
    /// The words as the templates write them, with numbers in digits and single spaces.
    pub words: String,
    /// The values of its slots.
    pub slots: Slots,
}

/// All sentences of all commands.
#[derive(Debug, Clone, Default)]
pub struct Grammar {
    /// The vocabulary, by [`WordId`].
    pub(super) words: Vec<String>,
    /// The slots and values behind [`Label::Bind`].
    pub(super) bindings: Vec<(String, SlotValue)>,
    /// The arcs of node `n` are `arcs[first[n]..first[n + 1]]`. They lead to nodes with lower numbers; the last node is
    /// the start.
    pub(super) first: Vec<u32>,
    /// The arcs of all nodes.
    pub(super) arcs: Vec<Arc>,
    /// How each word is spoken, once somebody asks what may follow.
    pub(super) spoken: OnceLock<Vec<Spoken>>,
}

impl Grammar {
    /// The node before the first word.
    pub fn start(&self) -> NodeId {
        (self.first.len() as NodeId).saturating_sub(2)
    }

    /// Whether a sentence may end at `node`.
    pub fn is_end(&self, node: NodeId) -> bool {
        node == END
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

    /// All nodes. Arcs lead to nodes with lower numbers.
    pub fn nodes(&self) -> std::ops::Range<NodeId> {
        0..self.first.len().saturating_sub(1) as NodeId
    }

    /// The sentence of the path over `arcs`.
    pub fn sentence(&self, arcs: impl IntoIterator<Item = usize>) -> Sentence {
        let mut sentence = Sentence { command: 0, words: String::new(), slots: Slots::new() };
        for arc in arcs {
            match self.arc(arc).label {
                Label::Word(word) => {
                    if !sentence.words.is_empty() {
                        sentence.words.push(' ');
                    }
                    sentence.words.push_str(&self.words[word as usize]);
                }
                Label::Bind(binding) => sentence.slots.extend([self.binding(binding).clone()]),
                Label::Command(command) => sentence.command = command as usize,
                Label::Free => {}
            }
        }
        sentence
    }
}
