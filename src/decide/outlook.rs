//! What a decision on the words so far says about the rest of the utterance. No input or output.

use crate::decide::rules::Verdict;
use crate::grammar::Grammar;
use crate::grammar::follow::Following;
use crate::recognize::Heard;
use crate::utterance::draft::Outlook;

/// The outlook by `heard` with its `verdict`: whether the utterance is over, unfinished, or neither can be said.
pub fn outlook(heard: &Heard, verdict: &Verdict, grammar: &Grammar) -> Outlook {
    if !heard.text.is_empty() && grammar.following(&heard.text) == Following::Needed {
        return Outlook::Unfinished;
    }
    let best = heard.best.as_ref().filter(|_| *verdict == Verdict::Accepted);
    match best {
        Some(best) if !grammar.may_change(&best.sentence) => Outlook::Over,
        _ => Outlook::Open,
    }
}
