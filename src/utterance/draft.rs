//! Drafts: what was recorded up to a pause, decided while the pause lasts. The listener asks for a decision on a draft;
//! the decider says by it what may follow, and the endpoint then ends the utterance at once, or waits longer.
//!
//! A draft has the same samples as the recording that the utterance becomes if nothing follows, so both are decided
//! alike, and the second time costs nothing. If the speaker goes on, the draft is forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a decision on a draft says about the rest of the utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outlook {
    /// Nothing is known, or more words may follow.
    #[default]
    Open,
    /// The words are a command that no more words could change: the utterance is over.
    Over,
    /// The words are only the beginning of a sentence: more must follow.
    Unfinished,
    /// No sentence begins with the words: it is not worth deciding another draft of this utterance.
    Foreign,
}

/// The draft that is being decided, shared by the listener and the decider. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Drafts(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// The number of the draft that the listener wants decided; 0 for none. Only the listener writes it.
    wanted: AtomicU64,
    /// The number of the draft that was decided last, times four, and the outlook. Only the decider writes it.
    said: AtomicU64,
}

impl Drafts {
    /// For the listener: draft `number`, from 1, is wanted instead of an earlier one.
    pub fn want(&self, number: u64) {
        self.0.wanted.store(number, Ordering::Release);
    }

    /// For the listener: no draft is wanted, since the speaker goes on or the utterance has ended.
    pub fn forget(&self) {
        self.want(0);
    }

    /// For the decider: whether draft `number` is still wanted.
    pub fn wanted(&self, number: u64) -> bool {
        self.0.wanted.load(Ordering::Acquire) == number
    }

    /// For the decider: the outlook by draft `number`.
    pub fn say(&self, number: u64, outlook: Outlook) {
        let code = match outlook {
            Outlook::Open => 0,
            Outlook::Over => 1,
            Outlook::Unfinished => 2,
            Outlook::Foreign => 3,
        };
        self.0.said.store(number * 4 + code, Ordering::Release);
    }

    /// For the listener: the outlook by draft `number`; open until it is decided.
    pub fn outlook(&self, number: u64) -> Outlook {
        let said = self.0.said.load(Ordering::Acquire);
        match said % 4 {
            1 if said / 4 == number => Outlook::Over,
            2 if said / 4 == number => Outlook::Unfinished,
            3 if said / 4 == number => Outlook::Foreign,
            _ => Outlook::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_of_an_earlier_draft_is_not_said_of_this_one() {
        let drafts = Drafts::default();
        drafts.want(1);
        assert_eq!((drafts.wanted(1), drafts.outlook(1)), (true, Outlook::Open));
        for outlook in [Outlook::Over, Outlook::Unfinished, Outlook::Foreign, Outlook::Open] {
            drafts.say(1, outlook);
            assert_eq!(drafts.outlook(1), outlook);
        }
        drafts.say(1, Outlook::Over);
        drafts.want(2);
        assert_eq!((drafts.wanted(1), drafts.wanted(2), drafts.outlook(2)), (false, true, Outlook::Open));
        drafts.forget();
        assert!(!drafts.wanted(2));
    }
}
