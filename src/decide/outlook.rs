//! What a decision on the words so far says about the rest of the utterance. No input or output.

use crate::decide::rules::Verdict;
use crate::grammar::Grammar;
use crate::grammar::follow::Following;
use crate::language::spelling::canonical;
use crate::recognize::{Candidate, Heard};
use crate::utterance::draft::Outlook;

/// The outlook by `heard` with its `verdict`.
///
/// An utterance is over only if Whisper, which may write anything, wrote the very sentence. People who talk make a
/// short pause every second or two. Of 578 recordings of talk four would otherwise be obeyed that are refused after the
/// whole hangover: "right so" as "right", "But" as "right", "I've" and "Yeah" as "yes" (docs/reports/endpoint.md).
pub fn outlook(heard: &Heard, verdict: &Verdict, grammar: &Grammar) -> Outlook {
    let reached = grammar.reach(&heard.text);
    let following = reached.following();
    if following == Following::Needed && !heard.text.is_empty() {
        return Outlook::Unfinished;
    }
    if *verdict != Verdict::Accepted {
        return if following == Following::Unknown { Outlook::Foreign } else { Outlook::Open };
    }
    let over = |best: &Candidate| says(&heard.text, &best.sentence.words) && !reached.may_change(&best.sentence);
    if heard.best.as_ref().is_some_and(over) { Outlook::Over } else { Outlook::Open }
}

/// Whether `text` says the words of `sentence` and no others.
fn says(text: &str, sentence: &str) -> bool {
    canonical(text).concat() == canonical(sentence).concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::rules::Reason;
    use crate::recognize::example;

    #[test]
    fn an_utterance_is_over_when_its_words_are_a_command_that_no_more_words_can_change() {
        let grammar = Grammar::of("turn on the lamp [please]").unwrap();
        let room = Grammar::of_commands(
            &["turn on the lamp", "turn on the lamp over there"],
            &Default::default(),
            &Default::default(),
        );
        let refused = Verdict::Rejected(Reason::NoSentence);
        let cases = [
            ("the very sentence", &grammar, "Turn on the lamp.", Verdict::Accepted, Outlook::Over),
            ("with please", &grammar, "Turn on the lamp, please.", Verdict::Accepted, Outlook::Open),
            ("not the very sentence", &grammar, "Turn on the lamb.", Verdict::Accepted, Outlook::Open),
            ("refused", &grammar, "Turn on the lamp.", refused.clone(), Outlook::Open),
            ("refused, with other words", &grammar, "Turn on the lamp in here", refused.clone(), Outlook::Foreign),
            (
                "another command may follow",
                room.as_ref().unwrap(),
                "Turn on the lamp.",
                Verdict::Accepted,
                Outlook::Open,
            ),
            ("the beginning of a sentence", &grammar, "Turn on the...", Verdict::Accepted, Outlook::Unfinished),
            ("the same, refused", &grammar, "Turn on", refused.clone(), Outlook::Unfinished),
            ("nothing", &grammar, "", refused.clone(), Outlook::Open),
            ("other words", &grammar, "What a day", refused, Outlook::Foreign),
        ];
        for (what, grammar, text, verdict, expected) in cases {
            assert_eq!(outlook(&example::heard(text, "turn on the lamp"), &verdict, grammar), expected, "{what}");
        }
    }
}
