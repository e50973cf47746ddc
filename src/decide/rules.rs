//! The rules that accept or reject an utterance: a pure function of the recognition result, the weights and the
//! thresholds.
//!
//! The rules are checked in a fixed order, and the first that refuses gives the reason. The most important one compares
//! the log-odds that a person said the sentence with what is needed; the others are for cases that no weight can
//! express.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use super::features::likeness;
use super::thresholds::{Assessment, Thresholds};
use super::weights::probability;
use crate::language::spelling::canonical;
use crate::recognize::{Heard, Limit};

/// Least speech probability that Silero must find in some window. Below it the rule says that nobody spoke. It refuses
/// two of 1,312 commands by people.
const LEAST_VOICED: f32 = 0.1;

/// Number of additional words in the free text at which the sentence is refused. Within the first sentence of the text
/// one word is allowed, such as "please"; after a full stop two, because Whisper often adds "Thank you.".
const WORDS_MORE: usize = 2;
const WORDS_AFTER_STOP: usize = 3;

/// Why an utterance is not a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// Nobody spoke.
    NoSpeech {
        /// The highest probability of speech in it, 0 to 1.
        voiced: f32,
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
    /// No sentence is near the free text.
    NoSentence,
    /// It sounds more like something that is not a command.
    Unlike {
        /// The nearest sentence.
        sentence: String,
        /// Log-odds that it was said, in nats.
        log_odds: f32,
        /// Log-odds that are needed, in nats.
        needed: f32,
    },
    /// The speech goes on after the sentence.
    GoesOn {
        /// The nearest sentence.
        sentence: String,
    },
    /// Two sentences with different meanings fit about equally well. Without the second, the first would be accepted.
    Ambiguous {
        /// The two sentences, the better one first.
        sentences: [String; 2],
        /// Log-odds of the first, in nats.
        log_odds: f32,
        /// Log-odds that are needed, in nats.
        needed: f32,
    },
    /// An output does not have the state that the command requires.
    State {
        /// The output's name.
        output: String,
        /// Whether it is on. The command requires the opposite.
        on: bool,
    },
    /// The command is carried out only if it is confirmed.
    Unconfirmed {
        /// The time for that.
        within: Duration,
    },
    /// It is a yes or a no, and no command waits to be confirmed.
    Unasked,
    /// The utterance was lost before it was decided. The text says why.
    Lost(String),
}

impl Reason {
    /// All codes.
    pub const CODES: [&'static str; 11] = [
        "no-speech",
        "gave-up",
        "too-late",
        "no-sentence",
        "unlike",
        "goes-on",
        "ambiguous",
        "state",
        "unconfirmed",
        "unasked",
        "lost",
    ];

    /// The code of the reason, for programs: one of [`Reason::CODES`].
    pub fn code(&self) -> &'static str {
        match self {
            Reason::NoSpeech { .. } => "no-speech",
            Reason::GaveUp { .. } => "gave-up",
            Reason::TooLate { .. } => "too-late",
            Reason::NoSentence => "no-sentence",
            Reason::Unlike { .. } => "unlike",
            Reason::GoesOn { .. } => "goes-on",
            Reason::Ambiguous { .. } => "ambiguous",
            Reason::State { .. } => "state",
            Reason::Unconfirmed { .. } => "unconfirmed",
            Reason::Unasked => "unasked",
            Reason::Lost(_) => "lost",
        }
    }
}

/// Log-odds in words, together with the probability: "-1.2 (23 %)".
pub fn with_probability(log_odds: f32) -> String {
    format!("{log_odds:.1} ({:.0} %)", probability(log_odds) * 100.0)
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NoSpeech { voiced } => {
                write!(f, "nobody spoke: nowhere is speech more likely than {:.0} %", voiced * 100.0)
            }
            Reason::GaveUp { calls } => write!(f, "no sentence was found in {calls} steps"),
            Reason::TooLate { ms } => write!(f, "not decided in time: {ms} ms"),
            Reason::NoSentence => f.write_str("no sentence of the configuration is near"),
            Reason::Unlike { sentence, log_odds, needed } => {
                let [log_odds, needed] = [log_odds, needed].map(|l| with_probability(*l));
                write!(f, "not a command: nearest is {sentence:?}, with log-odds {log_odds} where {needed} is needed")
            }
            Reason::GoesOn { sentence } => write!(f, "the speech goes on after {sentence:?}"),
            Reason::Ambiguous { sentences: [a, b], log_odds, needed } => {
                let [log_odds, needed] = [log_odds, needed].map(|l| with_probability(*l));
                write!(f, "cannot tell {a:?} from {b:?}: log-odds {log_odds} where {needed} is needed")
            }
            Reason::State { output, on } => {
                let [is, needed] = if *on { ["on", "off"] } else { ["off", "on"] };
                write!(f, "the {output} is {is}, and this command needs it {needed}")
            }
            Reason::Unconfirmed { within } => write!(f, "it waits to be confirmed, for {} s", within.as_secs_f32()),
            Reason::Unasked => f.write_str("no command waits to be confirmed"),
            Reason::Lost(how) => f.write_str(how),
        }
    }
}

/// The decision.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The best sentence is carried out.
    Accepted,
    /// Nothing is done, for this reason.
    Rejected(Reason),
}

/// The result of a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The measured value, in words.
    pub measured: String,
    /// The needed value, in words.
    pub needed: String,
    /// The reason why it refuses; `None` if it does not.
    pub refusal: Option<Reason>,
}

/// A rule. It returns `None` if it has nothing to measure, for example without a sentence or its assessment.
type Rule = fn(&Heard, Option<&Assessment>) -> Option<Check>;

/// The rules in their order, each with the [`Reason::code`] with which it refuses.
const RULES: [(&str, Rule); 7] = [
    ("no-speech", no_speech),
    ("too-late", too_late),
    ("no-sentence", no_sentence),
    ("ambiguous", ambiguous),
    ("unlike", unlike),
    ("goes-on", goes_on),
    ("gave-up", gave_up),
];

/// Decides on `heard`. Returns the assessment of its best sentence, if there is one, and the decision.
pub fn judge(heard: &Heard, thresholds: &Thresholds) -> (Option<Assessment>, Verdict) {
    let assessment = thresholds.assess(heard);
    let verdict = refusal(heard, assessment.as_ref()).map_or(Verdict::Accepted, Verdict::Rejected);
    (assessment, verdict)
}

/// The results of all rules, in their order, including those after the first that refuses.
pub fn checks(heard: &Heard, thresholds: &Thresholds) -> Vec<(&'static str, Option<Check>)> {
    let assessment = thresholds.assess(heard);
    RULES.iter().map(|(code, rule)| (*code, rule(heard, assessment.as_ref()))).collect()
}

/// Whether no rule refuses, apart from those that compare log-odds.
pub fn passes_otherwise(heard: &Heard) -> bool {
    refusal(heard, None).is_none()
}

/// The reason of the first rule that refuses. Without an assessment the rules that compare log-odds have nothing to
/// measure.
fn refusal(heard: &Heard, assessment: Option<&Assessment>) -> Option<Reason> {
    RULES.iter().find_map(|(_, rule)| rule(heard, assessment)?.refusal)
}

fn check(measured: String, needed: String, refusal: Option<Reason>) -> Option<Check> {
    Some(Check { measured, needed, refusal })
}

fn no_speech(heard: &Heard, _: Option<&Assessment>) -> Option<Check> {
    let voiced = heard.voiced;
    let heard_somebody = voiced >= LEAST_VOICED;
    let refusal = (!heard_somebody).then_some(Reason::NoSpeech { voiced });
    check(
        format!("speech is {:.0} % likely", voiced * 100.0),
        format!("at least {:.0} %", LEAST_VOICED * 100.0),
        refusal,
    )
}

/// Refuses a command that was decided after the deadline: an action so late would surprise the user.
fn too_late(heard: &Heard, _: Option<&Assessment>) -> Option<Check> {
    let ms = heard.took.total.as_millis() as u64;
    let refusal = (heard.gave_up == Some(Limit::Deadline)).then_some(Reason::TooLate { ms });
    check(format!("{ms} ms"), "within the deadline".into(), refusal)
}

fn no_sentence(heard: &Heard, _: Option<&Assessment>) -> Option<Check> {
    let measured = match (&heard.best, heard.gave_up) {
        (Some(_), _) => "one found",
        (None, None) => "none found",
        // The search was cut off, so it is not known whether there is a sentence.
        (None, Some(_)) => return None,
    };
    let refusal = heard.best.is_none().then_some(Reason::NoSentence);
    check(measured.into(), "one within reach of the free text".into(), refusal)
}

fn ambiguous(heard: &Heard, assessment: Option<&Assessment>) -> Option<Check> {
    let best = heard.best.as_ref()?;
    let Assessment { log_odds, alone, needed, .. } = *assessment?;
    let words = format!("at least {} where it would reach that alone", with_probability(needed));
    let Some(runner_up) = &heard.runner_up else { return check("no rival near".into(), words, None) };
    let sentences = [&best.sentence, &runner_up.sentence].map(|s| s.words.clone());
    let measured =
        format!("log-odds {}, {} without {:?}", with_probability(log_odds), with_probability(alone), sentences[1]);
    let undecided = alone >= needed && log_odds < needed;
    check(measured, words, undecided.then_some(Reason::Ambiguous { sentences, log_odds, needed }))
}

fn unlike(heard: &Heard, assessment: Option<&Assessment>) -> Option<Check> {
    let sentence = heard.best.as_ref()?.sentence.words.clone();
    let Assessment { log_odds, needed, .. } = *assessment?;
    let enough = log_odds >= needed;
    let refusal = (!enough).then_some(Reason::Unlike { sentence, log_odds, needed });
    check(format!("log-odds {}", with_probability(log_odds)), format!("at least {}", with_probability(needed)), refusal)
}

fn goes_on(heard: &Heard, _: Option<&Assessment>) -> Option<Check> {
    let sentence = heard.best.as_ref()?.sentence.words.clone();
    let (more, after) = words_beyond(&heard.text, &sentence);
    let measured = format!("{more} more words, {after} new after its end");
    let needed = format!("fewer than {WORDS_MORE}, fewer than {WORDS_AFTER_STOP}");
    check(measured, needed, (more >= WORDS_MORE || after >= WORDS_AFTER_STOP).then_some(Reason::GoesOn { sentence }))
}

fn gave_up(heard: &Heard, _: Option<&Assessment>) -> Option<Check> {
    let calls = heard.calls;
    let none = heard.best.is_none() && heard.gave_up == Some(Limit::Calls);
    let refusal = none.then_some(Reason::GaveUp { calls });
    check(format!("{calls} calls"), "a sentence found".into(), refusal)
}

/// Counts additional words of the free text: those that follow `sentence` up to the first full stop, and those after
/// it. Words that were there before do not count.
fn words_beyond(text: &str, sentence: &str) -> (usize, usize) {
    let written: Vec<&str> = text.split_whitespace().collect();
    let stop = written.iter().position(|word| word.ends_with(['.', '?', '!'])).map_or(written.len(), |last| last + 1);
    let first = canonical(&written[..stop].join(" "));
    let after = canonical(&written[stop..].join(" "));
    let said = canonical(sentence);
    let (letters, mut end) = (said.concat(), first.len());
    for words in 0..=first.len() {
        if first[..words].concat() == letters {
            end = words;
            break;
        }
    }
    let more = first[end..].iter().filter(|word| !said.contains(word)).count();
    // If the whole text is more like the sentence than its first part, the full stop is in the middle of the sentence.
    let over = likeness(&first, &said) > likeness(&canonical(text), &said);
    let mut known: HashSet<&String> = first.iter().collect();
    (more, after.iter().filter(|word| over && known.insert(word)).count())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::decide::features::Features;
    use crate::recognize::{Candidate, example};

    fn saying(sentence: &str, text: &str) -> Heard {
        example::heard(text, sentence)
    }

    /// A clear command, and a rival that is far behind.
    fn heard() -> Heard {
        let clear = saying("turn on the lamp", "Turn on the lamp.");
        let rival = saying("turn off the lamp", "").best;
        Heard { runner_up: rival, ..clear }
    }

    /// The best candidate of `heard` with other scores.
    fn with_best(heard: Heard, change: impl FnOnce(&mut Candidate)) -> Heard {
        let mut heard = heard;
        change(heard.best.as_mut().unwrap());
        heard
    }

    fn judged(heard: &Heard, thresholds: &Thresholds) -> Verdict {
        judge(heard, thresholds).1
    }

    /// Thresholds with which any log-odds are enough, or none are, whatever the weights.
    fn shifted(offset: f32) -> Thresholds {
        Thresholds { offset, ..Thresholds::default() }
    }

    const ANY: f32 = 100.0;
    const NONE: f32 = -100.0;

    #[test]
    fn a_clear_command_is_accepted_and_other_words_are_less_likely() {
        let other = Heard { text: "Then he went to bed.".into(), free: 14.0, ..heard() };
        let log_odds = |heard: &Heard| Thresholds::default().assess(heard).unwrap().log_odds;
        assert_eq!(judged(&heard(), &Thresholds::default()), Verdict::Accepted);
        assert!(log_odds(&other) < log_odds(&heard()), "{:?}", Features::of(&other));
    }

    #[test]
    fn every_code_is_in_the_list_once() {
        let (sentence, sentences) = (String::new(), [(); 2].map(|()| String::new()));
        let all = [
            Reason::NoSpeech { voiced: 0.0 },
            Reason::GaveUp { calls: 0 },
            Reason::TooLate { ms: 0 },
            Reason::NoSentence,
            Reason::Unlike { sentence: sentence.clone(), log_odds: 0.0, needed: 0.0 },
            Reason::GoesOn { sentence },
            Reason::Ambiguous { sentences, log_odds: 0.0, needed: 0.0 },
            Reason::State { output: String::new(), on: true },
            Reason::Unconfirmed { within: Duration::ZERO },
            Reason::Unasked,
            Reason::Lost(String::new()),
        ];
        assert_eq!(all.map(|reason| reason.code()), Reason::CODES);
        assert!(RULES.iter().all(|(code, _)| Reason::CODES.contains(code)));
    }

    #[test]
    fn each_rule_refuses_under_its_code() {
        let cases = [
            ("clear", heard(), ""),
            ("no runner-up at all", Heard { runner_up: None, ..heard() }, ""),
            ("silence", Heard { voiced: 0.05, ..heard() }, "no-speech"),
            ("no number", Heard { voiced: f32::NAN, ..heard() }, "no-speech"),
            ("nothing near", Heard { best: None, ..heard() }, "no-sentence"),
            ("too late", Heard { gave_up: Some(Limit::Deadline), ..heard() }, "too-late"),
            ("nothing in so many calls", Heard { best: None, gave_up: Some(Limit::Calls), ..heard() }, "gave-up"),
            ("no log-odds", with_best(heard(), |best| best.joint = f32::NAN), "unlike"),
            ("a stop in mid-sentence", saying("turn on the lamp", "Turn on. The lamb. Oh, no."), ""),
            ("more follows", saying("turn on the lamp", "Turn on the lamp. Oh no, I do."), "goes-on"),
            ("more before the stop", saying("turn on the lamp", "Turn on the lamp in here."), "goes-on"),
            ("more after a number", saying("set it to 40 percent", "Set it to 40% for me now."), "goes-on"),
            ("a please is welcome", saying("turn on the lamp", "Turn on the lamp, please."), ""),
            ("it repeats itself", saying("turn on the lamp", "Turn on the lamp. Turn on on the lamp."), ""),
            ("another word", saying("turn on the office light", "Turn on the office light off, no."), "goes-on"),
        ];
        let cases = cases.map(|(what, heard, code)| (what, heard, ANY, code));
        let unlikely =
            [("none are enough", heard(), NONE, "unlike"), ("nor is it said", saying("go", "Oh."), NONE, "unlike")];
        for (what, heard, offset, code) in cases.into_iter().chain(unlikely) {
            let thresholds = shifted(offset);
            let refused_by = match judged(&heard, &thresholds) {
                Verdict::Accepted => "",
                Verdict::Rejected(reason) => reason.code(),
            };
            assert_eq!(refused_by, code, "{what}: {:?}", Features::of(&heard));
            let refusals = checks(&heard, &thresholds).into_iter();
            let first = refusals.filter_map(|(code, check)| Some((code, check?.refusal?))).next();
            assert_eq!(first.as_ref().map_or("", |(code, _)| code), code, "{what}");
            assert!(first.is_none_or(|(code, reason)| code == reason.code()), "{what}");
        }
    }

    #[test]
    fn two_that_fit_equally_well_are_told_apart_from_what_is_no_command() {
        let thresholds = Thresholds { wrong_costs: 50.0, ..Thresholds::default() };
        let rivalled = with_best(heard(), |best| best.lead = -3.0);
        let alone = Features::of(&rivalled).unwrap().unrivalled();
        let enough = Thresholds { offset: 50f32.ln() + 0.1 - thresholds.weights.log_odds(&alone), ..thresholds };
        match judged(&rivalled, &enough) {
            Verdict::Rejected(Reason::Ambiguous { sentences, log_odds, needed }) => {
                assert_eq!(sentences, ["turn on the lamp", "turn off the lamp"]);
                assert!(log_odds < needed, "{log_odds} {needed}");
            }
            other => panic!("{other:?}"),
        }
        let less = Thresholds { offset: enough.offset - 0.2, ..enough };
        assert!(matches!(judged(&rivalled, &less), Verdict::Rejected(Reason::Unlike { .. })));
    }

    #[test]
    fn what_a_wrong_action_costs_is_what_is_needed() {
        let cases = [(1.0, 0.0), (5.0, 5f32.ln()), (100.0, 100f32.ln()), (0.5, -(2f32.ln()))];
        for (wrong_costs, needed) in cases {
            let thresholds =
                Thresholds { wrong_costs, command_costs: BTreeMap::from([(1, 20.0)]), ..Thresholds::default() };
            assert!((thresholds.needed(0) - needed).abs() < 1e-6, "{wrong_costs}");
            assert!((thresholds.needed(1) - 20f32.ln()).abs() < 1e-6);
        }
    }

    #[test]
    fn a_command_with_an_offset_of_its_own_is_held_to_that_one() {
        // A sentence of command 0.
        let heard = heard();
        let usual = Thresholds::default();
        let spare = usual.assess(&heard).unwrap().log_odds - usual.needed(0);
        let with = |offset, offsets: &[(usize, f32)]| Thresholds {
            offset,
            offsets: offsets.iter().copied().collect(),
            ..Thresholds::default()
        };
        let (enough, less) = (0.1 - spare, -0.1 - spare);
        let cases = [
            (with(enough, &[]), true),
            (with(less, &[]), false),
            (with(enough, &[(0, less)]), false),
            (with(less, &[(0, enough)]), true),
            (with(enough, &[(1, less)]), true),
        ];
        for (thresholds, accepted) in cases {
            let verdict = judged(&heard, &thresholds);
            assert_eq!(verdict == Verdict::Accepted, accepted, "{:?}: {verdict:?}", thresholds.offsets);
            assert!(passes_otherwise(&heard));
        }
    }

    #[test]
    fn every_rule_is_told_also_after_the_one_that_refuses() {
        let told = |heard: &Heard| -> Vec<(&str, Option<bool>)> {
            let told = checks(heard, &shifted(NONE)).into_iter();
            told.map(|(code, check)| (code, check.map(|check| check.refusal.is_some()))).collect()
        };
        let unlike_and_silent = told(&Heard { voiced: 0.0, ..heard() });
        let (yes, no) = (Some(true), Some(false));
        let expected = [
            ("no-speech", yes),
            ("too-late", no),
            ("no-sentence", no),
            ("ambiguous", no),
            ("unlike", yes),
            ("goes-on", no),
            ("gave-up", no),
        ];
        assert_eq!(unlike_and_silent, expected);
        let nothing = told(&Heard { best: None, runner_up: None, gave_up: Some(Limit::Calls), ..heard() });
        assert_eq!(nothing[2..6].iter().map(|(_, refuses)| *refuses).collect::<Vec<_>>(), [None; 4]);
        assert_eq!(nothing[6], ("gave-up", yes));
    }
}
