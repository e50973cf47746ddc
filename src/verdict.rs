//! Accept or reject: a pure function of what was heard and the thresholds.
//!
//! The rules run in a fixed order and the first that fails names the reason. Scores are natural logarithms ("nats").

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use crate::evidence::{Evidence, letters, resemblance, spelled};
use crate::recognize::{Heard, Limit};

/// What an utterance must reach to be a command. The defaults are measured: docs/deciding.md.
#[derive(Debug, Clone, PartialEq)]
pub struct Thresholds {
    /// Least speech, in milliseconds, by Silero: 6 windows of 32 ms (research/audio.md, section 5).
    pub speech_ms: u64,
    /// Most that Whisper may believe that nobody spoke, 0 to 1.
    pub no_speech: f32,
    /// Least evidence for the sentence, in nats: [`Evidence::total`].
    pub evidence: f32,
    /// The same for single commands, by the index that their sentences carry.
    pub commands: BTreeMap<usize, f32>,
    /// Least lead in rank over the best sentence that would do something else.
    pub margin: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds { speech_ms: 192, no_speech: 0.8, evidence: 0.0, commands: BTreeMap::new(), margin: 0.2 }
    }
}

impl Thresholds {
    /// The evidence that a sentence of the command with this index needs: its own threshold, else the one of all.
    pub fn evidence_for(&self, command: usize) -> f32 {
        self.commands.get(&command).copied().unwrap_or(self.evidence)
    }
}

/// Slowest and fastest speech that a sentence may have, in milliseconds: a pause to think, and a time for each letter.
/// English is spoken at 10 to 20 letters a second; one word cannot explain eight seconds of talk.
const PAUSES_MS: u64 = 900;
const SLOWEST_MS_A_LETTER: u64 = 200;
const FASTEST_MS_A_LETTER: u64 = 20;

/// Words of the free text beyond the sentence that refuse it: inside its first sentence one may be a "please"; after a full
/// stop two may be Whisper's habit ("Thank you.").
const WORDS_MORE: usize = 2;
const WORDS_AFTER_STOP: usize = 3;

/// Why an utterance is not a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// Hardly any of it is speech.
    NoSpeech {
        /// Speech found, in milliseconds.
        speech_ms: u64,
    },
    /// Whisper says that nobody spoke.
    Silence {
        /// With this probability.
        probability: f32,
    },
    /// The search took too many steps.
    GaveUp {
        /// Decoder calls made.
        calls: usize,
    },
    /// The decision took too long.
    TooLate {
        /// Time taken, in milliseconds.
        ms: u64,
    },
    /// No sentence is anywhere near.
    NoSentence,
    /// It sounds more like something that is not a command.
    Unlike {
        /// The nearest sentence.
        sentence: String,
        /// The evidence for it, in nats.
        evidence: f32,
        /// The least that would do.
        needed: f32,
    },
    /// The sentence is too short or too long for the sound.
    Pace {
        /// The nearest sentence.
        sentence: String,
        /// Speech found, in milliseconds.
        speech_ms: u64,
    },
    /// The speech goes on after the sentence.
    GoesOn {
        /// The nearest sentence.
        sentence: String,
    },
    /// Two sentences that do different things fit equally well.
    Ambiguous {
        /// The two.
        sentences: [String; 2],
        /// The lead of the first in rank.
        margin: f32,
    },
    /// The command is refused while an output is in this state.
    State {
        /// The output's name.
        output: String,
        /// Whether it is on; the command needs the other.
        on: bool,
    },
    /// The utterance was lost on its way; the words say how.
    Lost(String),
}

impl Reason {
    /// The reason in one word, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::NoSpeech { .. } => "no-speech",
            Reason::Silence { .. } => "silence",
            Reason::GaveUp { .. } => "gave-up",
            Reason::TooLate { .. } => "too-late",
            Reason::NoSentence => "no-sentence",
            Reason::Unlike { .. } => "unlike",
            Reason::Pace { .. } => "pace",
            Reason::GoesOn { .. } => "goes-on",
            Reason::Ambiguous { .. } => "ambiguous",
            Reason::State { .. } => "state",
            Reason::Lost(_) => "lost",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NoSpeech { speech_ms } => write!(f, "no speech in it: {speech_ms} ms"),
            Reason::Silence { probability } => write!(f, "nobody spoke: {:.0} %", probability * 100.0),
            Reason::GaveUp { calls } => write!(f, "no sentence stood out in {calls} steps"),
            Reason::TooLate { ms } => write!(f, "not decided in time: {ms} ms"),
            Reason::NoSentence => f.write_str("no sentence of the configuration is near"),
            Reason::Unlike { sentence, evidence, needed } => {
                write!(
                    f,
                    "not a command: nearest is {sentence:?}, with evidence {evidence:.1} where {needed:.1} is needed"
                )
            }
            Reason::Pace { sentence, speech_ms } => {
                write!(f, "{sentence:?} does not take {:.1} s to say", *speech_ms as f32 / 1000.0)
            }
            Reason::GoesOn { sentence } => write!(f, "the speech goes on after {sentence:?}"),
            Reason::Ambiguous { sentences: [a, b], margin } => {
                write!(f, "cannot tell {a:?} from {b:?}: {margin:.2} apart")
            }
            Reason::State { output, on } => {
                let [is, needed] = if *on { ["on", "off"] } else { ["off", "on"] };
                write!(f, "the {output} is {is}, and this command needs it {needed}")
            }
            Reason::Lost(how) => f.write_str(how),
        }
    }
}

/// The decision on an utterance.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// `Heard::best` is a command.
    Accepted,
    /// It is none.
    Rejected(Reason),
}

/// How far the best sentence and the runner-up are apart in rank, in nats. Which is first the search has settled, for once
/// against the rank ([`SearchSettings::joint_lead`](crate::recognize::search::SearchSettings::joint_lead)).
pub fn margin(heard: &Heard) -> Option<f32> {
    Some((heard.best.as_ref()?.rank - heard.runner_up.as_ref()?.rank).abs())
}

/// What a rule says of an utterance.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What was measured, in words.
    pub measured: String,
    /// What is needed, in words.
    pub needed: String,
    /// Why it refuses, if it does.
    pub refusal: Option<Reason>,
}

/// A rule: nothing where it has nothing to measure, as without a sentence.
type Rule = fn(&Heard, &Thresholds) -> Option<Check>;

/// The rules in their order, each under the [`Reason::code`] that it refuses with. The first that refuses is the reason.
const RULES: [(&str, Rule); 9] = [
    ("no-speech", no_speech),
    ("silence", silence),
    ("too-late", too_late),
    ("no-sentence", no_sentence),
    ("unlike", unlike),
    ("pace", pace),
    ("goes-on", goes_on),
    ("gave-up", gave_up),
    ("ambiguous", ambiguous),
];

/// Judges what was heard.
pub fn judge(heard: &Heard, thresholds: &Thresholds) -> Verdict {
    match RULES.iter().find_map(|(_, rule)| rule(heard, thresholds)?.refusal) {
        Some(reason) => Verdict::Rejected(reason),
        None => Verdict::Accepted,
    }
}

/// What every rule says, in their order, those behind the first that refuses too.
pub fn checks(heard: &Heard, thresholds: &Thresholds) -> Vec<(&'static str, Option<Check>)> {
    RULES.iter().map(|(code, rule)| (*code, rule(heard, thresholds))).collect()
}

fn check(measured: String, needed: String, refusal: Option<Reason>) -> Option<Check> {
    Some(Check { measured, needed, refusal })
}

fn no_speech(heard: &Heard, thresholds: &Thresholds) -> Option<Check> {
    let (speech_ms, needed) = (heard.speech_ms, thresholds.speech_ms);
    let refusal = (speech_ms < needed).then_some(Reason::NoSpeech { speech_ms });
    check(format!("{speech_ms} ms of speech"), format!("at least {needed} ms"), refusal)
}

fn silence(heard: &Heard, thresholds: &Thresholds) -> Option<Check> {
    let (probability, most) = (heard.no_speech, thresholds.no_speech);
    let heard_somebody = probability <= most;
    let refusal = (!heard_somebody).then_some(Reason::Silence { probability });
    check(format!("{:.0} % that nobody spoke", probability * 100.0), format!("at most {:.0} %", most * 100.0), refusal)
}

/// A command that comes so late surprises more than it serves.
fn too_late(heard: &Heard, _: &Thresholds) -> Option<Check> {
    let ms = heard.took.total.as_millis() as u64;
    let refusal = (heard.gave_up == Some(Limit::Deadline)).then_some(Reason::TooLate { ms });
    check(format!("{ms} ms"), "within the deadline".into(), refusal)
}

fn no_sentence(heard: &Heard, _: &Thresholds) -> Option<Check> {
    let measured = match (&heard.best, heard.gave_up) {
        (Some(_), _) => "one found",
        (None, None) => "none found",
        // Whether there is one is not known.
        (None, Some(_)) => return None,
    };
    let refusal = heard.best.is_none().then_some(Reason::NoSentence);
    check(measured.into(), "one within reach of the free text".into(), refusal)
}

fn unlike(heard: &Heard, thresholds: &Thresholds) -> Option<Check> {
    let best = heard.best.as_ref()?;
    let sentence = best.sentence.words.clone();
    let evidence = Evidence::for_candidate(heard, best);
    let (total, needed) = (evidence.total(), thresholds.evidence_for(best.sentence.command));
    let enough = total >= needed;
    let refusal = (!enough).then_some(Reason::Unlike { sentence, evidence: total, needed });
    check(format!("evidence {total:.1}: {evidence}"), format!("at least {needed:.1}"), refusal)
}

fn pace(heard: &Heard, _: &Thresholds) -> Option<Check> {
    let sentence = heard.best.as_ref()?.sentence.words.clone();
    let (letters, speech_ms) = (letters(&sentence), heard.speech_ms);
    let possible = FASTEST_MS_A_LETTER * letters..=PAUSES_MS + SLOWEST_MS_A_LETTER * letters;
    let needed = format!("{} to {} ms for its {letters} letters", possible.start(), possible.end());
    let refusal = (!possible.contains(&speech_ms)).then_some(Reason::Pace { sentence, speech_ms });
    check(format!("{speech_ms} ms of speech"), needed, refusal)
}

fn goes_on(heard: &Heard, _: &Thresholds) -> Option<Check> {
    let sentence = heard.best.as_ref()?.sentence.words.clone();
    let (more, after) = words_beyond(&heard.text, &sentence);
    let measured = format!("{more} more words, {after} new after its end");
    let needed = format!("fewer than {WORDS_MORE}, fewer than {WORDS_AFTER_STOP}");
    check(measured, needed, (more >= WORDS_MORE || after >= WORDS_AFTER_STOP).then_some(Reason::GoesOn { sentence }))
}

fn gave_up(heard: &Heard, _: &Thresholds) -> Option<Check> {
    let calls = heard.calls;
    let none = heard.best.is_none() && heard.gave_up == Some(Limit::Calls);
    let refusal = none.then_some(Reason::GaveUp { calls });
    check(format!("{calls} calls"), "a sentence found".into(), refusal)
}

fn ambiguous(heard: &Heard, thresholds: &Thresholds) -> Option<Check> {
    let best = heard.best.as_ref()?;
    let needed = format!("at least {:.2}", thresholds.margin);
    let Some(runner_up) = &heard.runner_up else { return check("no rival near".into(), needed, None) };
    let margin = margin(heard)?;
    let sentences = [&best.sentence, &runner_up.sentence].map(|s| s.words.clone());
    let measured = format!("{margin:.2} from {:?}", sentences[1]);
    check(measured, needed, (margin < thresholds.margin).then_some(Reason::Ambiguous { sentences, margin }))
}

/// Words of the free text that follow the sentence, and new ones after its first full stop. What it repeats is not new.
fn words_beyond(text: &str, sentence: &str) -> (usize, usize) {
    let said: Vec<&str> = text.split_whitespace().collect();
    let stop = said.iter().position(|word| word.ends_with(['.', '?', '!'])).map_or(said.len(), |last| last + 1);
    let (first, after) = said.split_at(stop);
    let whole = spelled(sentence);
    let end = (0..=stop).find(|end| spelled(&first[..*end].join(" ")) == whole).unwrap_or(stop);
    let sentence_words: Vec<String> = sentence.split_whitespace().map(bare).collect();
    let repeated = |word: &String| sentence_words.iter().any(|said| said.starts_with(word.as_str()));
    let more = first[end..].iter().map(|word| bare(word)).filter(|word| !repeated(word)).count();
    let mut known: HashSet<String> = first.iter().map(|word| bare(word)).collect();
    // Where the text with the rest reads more like the sentence, the stop stands in the middle of it.
    let over = resemblance(&first.join(" "), sentence) > resemblance(text, sentence);
    (more, after.iter().filter(|word| over && known.insert(bare(word))).count())
}

fn bare(word: &str) -> String {
    word.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::{Sentence, Slots};
    use crate::recognize::{Candidate, Timings};

    fn candidate(words: &str, rank: f32, joint: f32) -> Candidate {
        Candidate {
            sentence: Sentence { command: 0, words: words.into(), slots: Slots::new() },
            rank,
            joint,
            tokens: 6,
        }
    }

    fn heard() -> Heard {
        Heard {
            text: "Turn on the lamp.".into(),
            free: -1.0,
            no_speech: 0.01,
            best: Some(candidate("turn on the lamp", -0.5, -1.2)),
            runner_up: Some(candidate("turn off the lamp", -3.0, -6.0)),
            gave_up: None,
            calls: 9,
            duration_ms: 1800,
            speech_ms: 1300,
            dbfs: -26.0,
            took: Timings::default(),
        }
    }

    #[test]
    fn a_clear_command_is_accepted_and_each_rule_refuses_in_its_words() {
        type Case<'a> = (&'a str, &'a dyn Fn(&mut Heard), &'a str);
        let cases: [Case<'_>; 19] = [
            ("clear", &|_| (), ""),
            ("no runner-up at all", &|h| h.runner_up = None, ""),
            ("a click", &|h| h.speech_ms = 64, "no speech in it: 64 ms"),
            ("Whisper hears nobody", &|h| h.no_speech = 0.9, "nobody spoke: 90 %"),
            ("nothing near", &|h| h.best = None, "no sentence of the configuration is near"),
            ("too late", &|h| h.gave_up = Some(Limit::Deadline), "not decided in time: 0 ms"),
            (
                "nothing in so many calls",
                &|h| (h.best, h.gave_up) = (None, Some(Limit::Calls)),
                "no sentence stood out in 9 steps",
            ),
            (
                "other words",
                &|h| (h.text, h.free) = ("Then he went to bed.".into(), 10.0),
                "not a command: nearest is \"turn on the lamp\", with evidence -12.0 where 0.0 is needed",
            ),
            ("a long talk", &|h| h.speech_ms = 4000, "\"turn on the lamp\" does not take 4.0 s to say"),
            (
                "too fast",
                &|h| h.speech_ms = 200,
                "not a command: nearest is \"turn on the lamp\", with evidence -6.7 where 0.0 is needed",
            ),
            (
                "more follows",
                &|h| h.text = "Turn on the lamp. Oh no, I do.".into(),
                "the speech goes on after \"turn on the lamp\"",
            ),
            (
                "two fit",
                &|h| h.runner_up = Some(candidate("turn off the lamp", -0.6, -1.3)),
                "cannot tell \"turn on the lamp\" from \"turn off the lamp\": 0.10 apart",
            ),
            (
                "more before the stop",
                &|h| h.text = "Turn on the lamp in here.".into(),
                "the speech goes on after \"turn on the lamp\"",
            ),
            (
                "more after a number",
                &|h| {
                    h.best = Some(candidate("set it to 40 percent", -0.5, -1.2));
                    h.text = "Set it to 40% for me now.".into();
                },
                "the speech goes on after \"set it to 40 percent\"",
            ),
            (
                "what is no number",
                &|h| h.best = Some(candidate("turn on the lamp", -0.5, f32::NAN)),
                "not a command: nearest is \"turn on the lamp\", with evidence NaN where 0.0 is needed",
            ),
            ("a please is welcome", &|h| h.text = "Turn on the lamp, please.".into(), ""),
            ("it repeats itself at once", &|h| h.text = "Turn on the lamp turn on the la".into(), ""),
            ("Whisper repeats itself", &|h| h.text = "Turn on the lamp. Turn on on the lamp.".into(), ""),
            ("a stop in mid-sentence", &|h| h.text = "Turn on. The lamb. Oh, no.".into(), ""),
        ];
        for (what, change, words) in cases {
            let mut heard = heard();
            change(&mut heard);
            let said = match judge(&heard, &Thresholds::default()) {
                Verdict::Accepted => String::new(),
                Verdict::Rejected(reason) => reason.to_string(),
            };
            assert_eq!(said, words, "{what}");
            let refusals = checks(&heard, &Thresholds::default()).into_iter();
            let first = refusals.filter_map(|(code, check)| Some((code, check?.refusal?))).next();
            assert_eq!(
                first.as_ref().map_or("", |(code, _)| code),
                first.as_ref().map_or("", |(_, r)| r.code()),
                "{what}"
            );
            assert_eq!(first.map(|(_, reason)| reason.to_string()).unwrap_or_default(), words, "{what}");
        }
    }

    #[test]
    fn every_rule_says_what_it_measured_and_what_it_needs_also_after_the_one_that_refuses() {
        let told = |heard: &Heard| -> Vec<String> {
            let line = |(code, check): (&str, Option<Check>)| match check {
                None => format!("{code} -"),
                Some(Check { measured, needed, refusal }) => {
                    format!("{code} {} {measured} | {needed}", if refusal.is_some() { "refuses" } else { "ok" })
                }
            };
            checks(heard, &Thresholds::default()).into_iter().map(line).collect()
        };
        let unlike_and_fast = told(&Heard { free: 10.0, speech_ms: 200, ..heard() });
        assert_eq!(
            unlike_and_fast,
            [
                "no-speech ok 200 ms of speech | at least 192 ms",
                "silence ok 1 % that nobody spoke | at most 80 %",
                "too-late ok 0 ms | within the deadline",
                "no-sentence ok one found | one within reach of the free text",
                "unlike refuses evidence -17.7: ratio -11.2, 6 tokens, 100 % alike, 1.0 x its letters, 0.2 x its time | at least 0.0",
                "pace refuses 200 ms of speech | 260 to 3500 ms for its 13 letters",
                "goes-on ok 0 more words, 0 new after its end | fewer than 2, fewer than 3",
                "gave-up ok 9 calls | a sentence found",
                "ambiguous ok 2.50 from \"turn off the lamp\" | at least 0.20",
            ]
        );
        let nothing = told(&Heard { best: None, runner_up: None, gave_up: Some(Limit::Calls), ..heard() });
        assert_eq!(nothing[3..7], ["no-sentence -", "unlike -", "pace -", "goes-on -"]);
        assert_eq!(nothing[7..], ["gave-up refuses 9 calls | a sentence found", "ambiguous -"]);
    }

    #[test]
    fn a_command_with_a_threshold_of_its_own_is_held_to_that_one() {
        let with = |evidence, commands: &[(usize, f32)]| Thresholds {
            evidence,
            commands: commands.iter().copied().collect(),
            ..Thresholds::default()
        };
        // A sentence of command 0.
        let heard = heard();
        let evidence = Evidence::of(&heard).unwrap().total();
        let (below, above) = (evidence - 1.0, evidence + 1.0);
        let cases = [
            (with(below, &[]), true),
            (with(below, &[(0, above)]), false),
            (with(below, &[(1, above)]), true),
            (with(above, &[]), false),
            (with(above, &[(0, below), (1, above)]), true),
        ];
        for (thresholds, accepted) in cases {
            let verdict = judge(&heard, &thresholds);
            assert_eq!(verdict == Verdict::Accepted, accepted, "{thresholds:?}: {verdict:?}");
            if let Verdict::Rejected(reason) = verdict {
                assert!(reason.to_string().ends_with(&format!("where {above:.1} is needed")), "{reason}");
            }
        }
    }

    #[test]
    fn one_word_cannot_explain_a_long_talk_and_digits_count_as_words() {
        let cases = [("next", 1600, true), ("next", 5000, false), ("set it to 100", 3500, true), ("no", 8000, false)];
        for (words, speech_ms, accepted) in cases {
            let best = Some(candidate(words, -0.5, -1.0));
            let heard = Heard { text: words.into(), best, runner_up: None, speech_ms, ..heard() };
            let verdict = judge(&heard, &Thresholds::default());
            assert_eq!(verdict == Verdict::Accepted, accepted, "{words} in {speech_ms} ms: {verdict:?}");
        }
    }
}
