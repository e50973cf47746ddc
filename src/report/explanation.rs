//! The full explanation of one decision, in words and as JSON.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::act::command::Command;
use crate::decide::features::{FEATURES, Features};
use crate::decide::rules::{Check, Reason, Verdict, with_probability};
use crate::decide::thresholds::{Assessment, Thresholds};
use crate::decide::weights::Part;
use crate::grammar::Sentence;
use crate::recognize::trace::{SoundStats, TokenScore, Trace};
use crate::recognize::{Candidate, Heard, Limit};

/// Key of the explanation in words.
pub const WORDS: &str = "words";
/// Key of the explanation as an object.
pub const OBJECT: &str = "story";

/// Most characters in a line of tokens.
const WIDTH: usize = 88;

/// The result of each rule, in their order.
pub type Rules = Vec<(&'static str, Option<Check>)>;

/// One decision with all its details.
pub struct Why<'a> {
    /// The result of recognition; `None` if the utterance was lost.
    pub heard: Option<&'a Heard>,
    /// The decision.
    pub verdict: &'a Verdict,
    /// The result of each rule.
    pub rules: &'a Rules,
    /// The levels of the sound, and the nearest sentences.
    pub trace: Option<&'a Trace>,
    /// The commands of the configuration.
    pub commands: &'a [Command],
    /// The thresholds of the decision.
    pub thresholds: &'a Thresholds,
}

/// The answer before anything was decided.
pub fn nothing_yet() -> Value {
    json!({WORDS: "no utterance yet: say something, then ask again\n", OBJECT: {"utterance": null}})
}

impl Why<'_> {
    /// The explanation of the daemon's utterance with this number, which was decided `ago`.
    pub fn of_utterance(&self, utterance: u64, ago: Duration) -> Value {
        let seconds = ago.as_secs();
        let ago = match seconds {
            0..120 => format!("{seconds} s"),
            120..7200 => format!("{} min", seconds / 60),
            _ => format!("{} h", seconds / 3600),
        };
        let place = [("utterance", json!(utterance)), ("ago_s", json!(seconds))];
        json!({WORDS: self.words(&format!("#{utterance}, {ago} ago")), OBJECT: self.json(place)})
    }

    /// The explanation of the decision on a file.
    pub fn of_file(&self, file: &Path) -> Value {
        let name = file.to_string_lossy();
        json!({WORDS: self.words(&name), OBJECT: self.json([("file", json!(name))])})
    }

    /// The best sentence of the decision.
    fn best(&self) -> Option<&Sentence> {
        self.heard.and_then(|heard| heard.best.as_ref()).map(|best| &best.sentence)
    }

    /// The nearest sentences with their tokens, the best one of the decision first. Without a trace these are only the
    /// best sentence and the runner-up.
    pub(super) fn sentences(&self) -> Vec<(&Candidate, &[TokenScore])> {
        let decided = || self.heard.into_iter().flat_map(|heard| [&heard.best, &heard.runner_up]).flatten();
        match self.trace {
            Some(trace) => trace.n_best.hypotheses.iter().map(|h| (&h.candidate, &h.tokens[..])).collect(),
            None => decided().map(|candidate| (candidate, &[][..])).collect(),
        }
    }

    pub(super) fn assessment(&self) -> Option<Assessment> {
        self.heard.and_then(|heard| self.thresholds.assess(heard))
    }

    /// Log-odds that one of the nearest sentences was said.
    pub(super) fn log_odds(&self, candidate: &Candidate) -> Option<f32> {
        let features = Features::for_candidate(self.heard?, candidate);
        Some(self.thresholds.log_odds(&features, candidate.sentence.command))
    }

    /// The features of the best sentence, with their weights and what each adds to the log-odds.
    pub(super) fn sum(&self) -> Option<Sum> {
        let Assessment { features, log_odds, needed, .. } = self.assessment()?;
        let weights = &self.thresholds.weights;
        let parts = weights.parts.iter().zip(weights.products(&features)).zip(features.values());
        let parts = parts.map(|((part, product), value)| (*part, *value, product)).collect();
        let offset = self.thresholds.offset_of(self.best()?.command);
        Some(Sum { parts, intercept: weights.intercept, offset, log_odds, needed })
    }

    fn words(&self, title: &str) -> String {
        let mut lines = self.headline(title);
        if let Some(trace) = self.trace {
            lines.push(String::new());
            lines.extend(labelled("sound", sound_lines(&trace.sound)));
        }
        if let Some(heard) = self.heard {
            lines.extend(labelled("free text", heard_lines(heard)));
            lines.push(String::new());
            lines.extend(self.sentence_lines());
            lines.push(String::new());
            if let Some(sum) = self.sum() {
                lines.extend(labelled("log-odds", sum.lines()));
                lines.push(String::new());
            }
            lines.extend(labelled("rules", rule_lines(self.rules)));
        }
        lines.iter().map(|line| line.trim_end().to_string() + "\n").collect()
    }

    fn headline(&self, title: &str) -> Vec<String> {
        match self.verdict {
            Verdict::Accepted => {
                let meaning = self.best().map(|best| self.meaning(best)).unwrap_or_default();
                vec![format!("{title}: accepted"), format!("  {meaning}")]
            }
            Verdict::Rejected(reason @ Reason::Lost(_)) => vec![format!("{title}: lost"), format!("  {reason}")],
            Verdict::Rejected(reason) => {
                vec![format!("{title}: refused by the rule {}", reason.code()), format!("  {reason}")]
            }
        }
    }

    /// `"turn on the TV" = tv, state on`
    fn meaning(&self, sentence: &Sentence) -> String {
        let slots: String = sentence.slots.iter().map(|(name, value)| format!(", {name} {value}")).collect();
        format!("{:?} = {}{slots}", sentence.words, self.commands[sentence.command].name)
    }

    fn sentence_lines(&self) -> Vec<String> {
        let sentences = self.sentences();
        let found = sentences.len();
        let mut lines = vec!["sentences     rank    joint log-odds   (nats: 2.3 less is a tenth as likely)".into()];
        for (i, (candidate, tokens)) in sentences.into_iter().enumerate() {
            let Candidate { sentence, rank, joint, .. } = candidate;
            let (log_odds, meaning) = (self.log_odds(candidate).unwrap_or(0.0), self.meaning(sentence));
            lines.push(format!("{:>8}  {rank:>8.2} {joint:>8.2} {log_odds:>8.2}   {meaning}", i + 1));
            if i == 0 {
                lines.extend(tokens.iter().map(full));
            } else {
                lines.extend(wrapped(tokens.iter().map(short)).map(|line| format!("{:10}  {line}", "")));
            }
            if tokens.is_empty() && self.trace.is_some() {
                lines.push(format!("{:10}  no time was left for its tokens", ""));
            }
        }
        match self.trace.map(|trace| trace.n_best.gave_up) {
            None => lines.push("          no more can be looked for now".into()),
            Some(Some((limit, calls))) => {
                lines.push(format!("          {found} found: {} after {calls} calls of the decoder", in_words(limit)));
            }
            Some(None) => {}
        }
        lines
    }
}

/// The sum that gives the log-odds of the best sentence.
pub(super) struct Sum {
    /// For each feature: its weight, its value, and what it adds, in the order of [`FEATURES`].
    pub(super) parts: Vec<(Part, f32, f32)>,
    pub(super) intercept: f32,
    pub(super) offset: f32,
    pub(super) log_odds: f32,
    pub(super) needed: f32,
}

impl Sum {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{:<15} {:>8} {:>8} {:>8} {:>8}", "", "value", "usual", "weight", "adds")];
        for (feature, (part, value, product)) in FEATURES.iter().zip(&self.parts) {
            let weight = part.weight / part.spread;
            let Part { mean, .. } = part;
            let (name, why) = (feature.name, feature.why);
            lines.push(format!("{name:<15} {value:>8.2} {mean:>8.2} {weight:>8.2} {product:>+8.2}   {why}"));
        }
        let mut line = |name: &str, number: f32| lines.push(format!("{name:<15} {:>26} {number:>+8.2}", ""));
        line("intercept", self.intercept);
        if self.offset != 0.0 {
            line("offset", self.offset);
        }
        let [log_odds, needed] = [self.log_odds, self.needed].map(with_probability);
        lines.push(format!("{:<15} {:>26} {:>+8.2}   {log_odds} where {needed} is needed", "sum", "", self.log_odds));
        lines
    }
}

/// Items in lines of at most [`WIDTH`] characters.
fn wrapped(items: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line) if line.chars().count() + item.chars().count() + 2 <= WIDTH => *line += &format!("  {item}"),
            _ => lines.push(item),
        }
    }
    lines.into_iter()
}

pub(super) fn in_words(limit: Limit) -> &'static str {
    match limit {
        Limit::Calls => "as many calls as may be",
        Limit::Deadline => "out of time",
    }
}

/// Aligned lines with a label before the first one.
fn labelled(label: &str, lines: Vec<String>) -> impl Iterator<Item = String> {
    let labels = std::iter::once(label.to_string()).chain(std::iter::repeat(String::new()));
    labels.zip(lines).map(|(label, line)| format!("{label:<10}{line}"))
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn sound_lines(sound: &SoundStats) -> Vec<String> {
    let long = format!("{:.2} s", seconds(sound.duration_ms));
    let first = match sound.bounds_ms {
        None => format!("{long}, no speech in it"),
        Some((begin, end)) => {
            let speech = seconds(sound.speech_ms);
            format!("{long}, speech from {:.2} to {:.2} s, {speech:.2} s of it", seconds(begin), seconds(end))
        }
    };
    let level = |name: &str, dbfs: Option<f32>| dbfs.map(|dbfs| format!("{name} {dbfs:.1} dBFS"));
    let apart = sound.ratio_db().map(|db| format!("{db:.1} dB between them"));
    let levels = [level("speech", sound.speech_dbfs), level("the rest", sound.quiet_dbfs), apart];
    let clipped = (sound.clipped > 0).then(|| format!("{} samples clipped: lower the gain", sound.clipped));
    let levels = levels.into_iter().flatten().collect::<Vec<_>>().join(", ");
    [Some(first), Some(levels).filter(|levels| !levels.is_empty()), clipped].into_iter().flatten().collect()
}

fn heard_lines(heard: &Heard) -> Vec<String> {
    let took = &heard.took;
    let [mel, encode, search, total] = [took.mel, took.encode, took.search, took.total].map(|d| d.as_millis());
    vec![
        format!("{:?}", heard.text),
        format!("{:.2} nats, {:.0} % that nobody spoke", heard.free, heard.no_speech * 100.0),
        format!("{total} ms: spectrogram {mel}, encoder {encode}, text and search {search} ({} calls)", heard.calls),
    ]
}

/// A token on a line of its own, with its log-probability in the column of the joint one, so that they can be added up.
fn full(score: &TokenScore) -> String {
    let rather = |(text, nats): &(String, f32)| format!("rather {} {nats:.2}", quoted(text));
    let rather = score.likeliest.as_ref().map(rather).unwrap_or_default();
    format!("{:>27.2}            {:<14} {rather}", score.log_probability, quoted(&score.token))
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "(end)".into() } else { format!("{text:?}") }
}

/// `unlock -8.2 (Then -0.2)`
fn short(score: &TokenScore) -> String {
    let bare = |text: &str| match text.trim() {
        word if word.chars().any(char::is_alphanumeric) => word.to_string(),
        _ => quoted(text),
    };
    let rather = |(text, nats): &(String, f32)| format!(" ({} {nats:.1})", bare(text));
    let rather = score.likeliest.as_ref().map(rather).unwrap_or_default();
    format!("{} {:.1}{rather}", bare(&score.token), score.log_probability)
}

fn rule_lines(rules: &Rules) -> Vec<String> {
    let mut refused = "REFUSED";
    let mut rows = Vec::new();
    for (code, check) in rules {
        let [result, measured, needed] = match check {
            None => ["-", "-", ""],
            Some(Check { measured, needed, refusal: None }) => ["ok", measured, needed],
            Some(Check { measured, needed, .. }) => [std::mem::replace(&mut refused, "fails too"), measured, needed],
        };
        rows.push((code, result, measured, needed));
    }
    let width = rows.iter().map(|(_, _, measured, _)| measured.chars().count()).max().unwrap_or_default();
    rows.iter()
        .map(|(code, result, measured, needed)| format!("{code:<12} {result:<10} {measured:<width$}   {needed}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::rules::{checks, judge};
    use crate::grammar::{SlotValue, Slots};
    use crate::recognize::Timings;
    use crate::recognize::trace::{Hypothesis, NBest};

    fn command(name: &str) -> Command {
        Command { name: name.into(), ..Command::default() }
    }

    fn candidate(command: usize, words: &str, rank: f32, joint: f32) -> Candidate {
        let slots = Slots::from([("lock".to_string(), SlotValue::Text("front door".into()))]);
        Candidate { sentence: Sentence { command, words: words.into(), slots }, rank, joint, tokens: 2, lead: 9.0 }
    }

    fn heard() -> Heard {
        Heard {
            text: "Then lock the frozen dollar.".into(),
            free: -6.5,
            no_speech: 0.01,
            best: Some(candidate(1, "unlock the front door", -9.0, -19.5)),
            runner_up: None,
            gave_up: None,
            calls: 71,
            duration_ms: 1980,
            speech_ms: 1312,
            voiced: 1.0,
            dbfs: -26.0,
            took: Timings { total: Duration::from_millis(155), ..Timings::default() },
        }
    }

    fn trace() -> Trace {
        let score = |text: &str, log_probability, likeliest: Option<(&str, f32)>| TokenScore {
            token: text.into(),
            log_probability,
            likeliest: likeliest.map(|(text, nats)| (text.into(), nats)),
        };
        let hypothesis = |candidate, tokens| Hypothesis { candidate, tokens };
        let sound = SoundStats {
            duration_ms: 1980,
            bounds_ms: Some((256, 1760)),
            speech_ms: 1312,
            speech_dbfs: Some(-21.3),
            quiet_dbfs: Some(-58.2),
            clipped: 3,
        };
        let unlock = vec![score(" unlock", -19.0, Some((" Then", -0.25))), score("", -0.5, None)];
        let lock = vec![score(" lock", -19.75, None), score(",", -0.25, Some(("", -0.5)))];
        let hypotheses = vec![
            hypothesis(candidate(1, "unlock the front door", -9.0, -19.5), unlock),
            hypothesis(candidate(2, "resume", -7.0, -30.0), vec![]),
            hypothesis(candidate(0, "lock the front door", -8.0, -20.0), lock),
        ];
        let n_best = NBest { hypotheses, gave_up: Some((Limit::Calls, 300)), calls: 312 };
        Trace { sound, n_best, took: Duration::from_secs(1) }
    }

    fn told(heard: Option<&Heard>, trace: Option<&Trace>, lost: Option<&str>) -> Value {
        told_by(&Thresholds::default(), heard, trace, lost)
    }

    fn told_by(thresholds: &Thresholds, heard: Option<&Heard>, trace: Option<&Trace>, lost: Option<&str>) -> Value {
        let rules = heard.map(|heard| checks(heard, thresholds)).unwrap_or_default();
        let verdict = lost.map(|why| Verdict::Rejected(Reason::Lost(why.into())));
        let verdict = verdict.unwrap_or_else(|| judge(heard.unwrap(), thresholds).1);
        let commands = ["lock", "unlock", "resume"].map(command);
        let why = Why { heard, verdict: &verdict, rules: &rules, trace, commands: &commands, thresholds };
        why.of_utterance(6, Duration::from_secs(4))
    }

    /// Thresholds that the decision's own sentence misses by a nat: offset as it must be for that.
    fn just_missed(heard: &Heard) -> Thresholds {
        let Assessment { log_odds, needed, .. } = Thresholds::default().assess(heard).unwrap();
        Thresholds { offset: needed - log_odds - 1.0, ..Thresholds::default() }
    }

    /// Where each of `parts` stands in `text`, each after the one before.
    fn in_order(text: &str, parts: &[&str]) {
        let mut from = 0;
        for part in parts {
            let Some(at) = text[from..].find(part) else { panic!("{part:?} should follow here:\n{}", &text[from..]) };
            from += at + part.len();
        }
    }

    /// The lines of the section with this label, without the label.
    fn section<'a>(text: &'a str, label: &str) -> Vec<&'a str> {
        let lines = text.lines().skip_while(|line| !line.starts_with(label));
        lines.take_while(|line| !line.is_empty()).map(|line| &line[10..]).collect()
    }

    #[test]
    fn a_refusal_is_told_from_the_sound_to_the_rule() {
        let thresholds = just_missed(&heard());
        let told = told_by(&thresholds, Some(&heard()), Some(&trace()), None);
        let words = told[WORDS].as_str().unwrap();
        let sections = ["\nsound ", "\nfree text ", "\n\nsentences ", "\n\nlog-odds ", "\n\nrules "];
        in_order(words, &[&["#6, 4 s ago: refused by the rule unlike\n"], &sections[..]].concat());
        in_order(
            words,
            &["1.98 s", "from 0.26 to 1.76 s", "36.9 dB", "3 samples clipped", "Then lock the", "71 calls"],
        );
        let sentences =
            ["unlock the front door", " unlock\"", "\" Then\" -0.25", "(end)", "resume", "no time was left"];
        in_order(words, &sentences);
        in_order(
            words,
            &["no time was left", "lock the front door", "3 found: as many calls as may be after 300 calls"],
        );
        assert_eq!(words_of(words, "REFUSED"), ["unlike"], "{words}");
        assert!(words.lines().all(|line| line.trim_end() == line), "{words}");
        let object = &told[OBJECT];
        let place = (&object["utterance"], &object["rule"], &object["nearest"]);
        assert_eq!(place, (&6.into(), &"unlike".into(), &"unlock the front door".into()));
        assert_eq!(
            object["sentences"][0]["tokens"],
            json!([{"text": " unlock", "nats": -19.0, "rather": {"text": " Then", "nats": -0.25}},
                   {"text": "", "nats": -0.5, "rather": null}])
        );
        let results = object["rules"].as_array().unwrap().iter();
        let refused: Vec<&Value> =
            results.filter(|rule| rule["result"] == "refused").map(|rule| &rule["rule"]).collect();
        assert_eq!(refused, ["unlike"]);
        assert_eq!((&object["sound"]["ratio_db"], &object["looked"]["calls"]), (&36.9.into(), &312.into()));
    }

    #[test]
    fn the_sum_adds_up_to_the_log_odds_that_decide() {
        let close = |heard: Heard| Heard { text: "Unlock the front door.".into(), ..heard };
        for (heard, offset) in [(heard(), 0.0), (heard(), -2.25), (close(heard()), 1.5)] {
            let thresholds = Thresholds { offset, wrong_costs: 20.0, ..Thresholds::default() };
            let told = told_by(&thresholds, Some(&heard), Some(&trace()), None);
            let (object, words) = (&told[OBJECT], told[WORDS].as_str().unwrap());
            let number = |value: &Value| value.as_f64().unwrap();
            let (sum, features) = (&object["sum"], object["sum"]["features"].as_object().unwrap());
            // Each is rounded to three decimals.
            let rounding = 0.0005 * (features.len() + 3) as f64;
            let adds: f64 = features.values().map(|part| number(&part["adds"])).sum();
            let all = number(&sum["intercept"]) + number(&sum["offset"]) + adds;
            assert!((all - number(&sum["log_odds"])).abs() <= rounding, "{all}: {sum}");
            assert!((number(&sum["log_odds"]) - number(&object["log_odds"])).abs() < 0.006, "{object}");
            assert!((number(&sum["needed"]) - 20f64.ln()).abs() < 0.001 && number(&sum["offset"]) == f64::from(offset));
            assert_eq!(object["sentences"][0]["log_odds"], object["log_odds"]);
            for (name, part) in features {
                assert_eq!(part["value"], object["features"][name], "{name}");
                let adds = number(&part["weight"]) * (number(&part["value"]) - number(&part["mean"]));
                let apart = 0.001
                    * (1.0
                        + number(&part["weight"]).abs()
                        + number(&part["value"]).abs()
                        + number(&part["mean"]).abs());
                assert!((adds - number(&part["adds"])).abs() <= apart, "{name}: {part}");
            }
            // In words: a header, a line for each feature, the intercept, the offset unless it is 0, and the sum.
            let lines = section(words, "log-odds");
            let last = |line: &str, at: usize| line.split_whitespace().nth(at).unwrap().parse::<f64>().unwrap();
            let named = |line: &&&str, name: &str| line.split_whitespace().next() == Some(name);
            let of = |name: &str| lines.iter().find(|line| named(line, name));
            let adds: f64 = FEATURES.iter().map(|feature| last(of(feature.name).unwrap(), 4)).sum();
            let all = adds + last(of("intercept").unwrap(), 1) + of("offset").map_or(0.0, |line| last(line, 1));
            assert!((all - last(of("sum").unwrap(), 1)).abs() <= 0.005 * lines.len() as f64, "{words}");
            assert_eq!(
                (of("offset").is_some(), lines.len()),
                (offset != 0.0, FEATURES.len() + 3 + usize::from(offset != 0.0))
            );
        }
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        let lost = told(None, None, Some("scratch is full"));
        assert_eq!(lost[WORDS], "#6, 4 s ago: lost\n  scratch is full\n");
        assert_eq!((&lost[OBJECT]["sentences"], &lost[OBJECT]["sound"]), (&json!([]), &Value::Null));
        let text = "Unlock the front door.".into();
        let good = Heard { text, best: Some(candidate(1, "unlock the front door", -1.0, -1.6)), ..heard() };
        let lenient = Thresholds { offset: 100.0, ..Thresholds::default() };
        let words = told_by(&lenient, Some(&good), None, None)[WORDS].as_str().unwrap().to_string();
        assert!(
            words.starts_with("#6, 4 s ago: accepted\n  \"unlock the front door\" = unlock, lock front door\n"),
            "{words}"
        );
        assert!(!words.contains("sound  "), "{words}");
        let own = "   \"unlock the front door\" = unlock, lock front door\n          no more can be looked for now\n";
        assert!(words.contains(own), "{words}");
        let mut late = trace();
        late.n_best.hypotheses.truncate(1);
        late.n_best.hypotheses[0].tokens.clear();
        late.n_best.gave_up = Some((Limit::Deadline, 0));
        let words = told(Some(&heard()), Some(&late), None)[WORDS].as_str().unwrap().to_string();
        let end = "no time was left for its tokens\n          1 found: out of time after 0 calls of the decoder\n";
        assert!(words.contains(end), "{words}");
        let nothing = SoundStats::of(&[], &[], 512);
        assert_eq!(sound_lines(&nothing), ["0.00 s, no speech in it"]);
        let without = told(Some(&Heard { best: None, ..heard() }), None, None);
        assert_eq!((&without[OBJECT]["sum"], &without[OBJECT]["log_odds"]), (&Value::Null, &Value::Null));
        assert_eq!(section(without[WORDS].as_str().unwrap(), "log-odds"), [""; 0], "no sum without a sentence");
        assert_eq!(nothing_yet()[OBJECT]["utterance"], Value::Null);
    }

    #[test]
    fn the_first_rule_that_fails_refuses_and_the_later_ones_fail_too() {
        let both = Heard { voiced: 0.02, ..heard() };
        let three = Heard { text: "Unlock the front door. Then lock the frozen dollar.".into(), ..both.clone() };
        let cases: [(&str, Heard, &str, &[&str]); 3] = [
            ("one rule", heard(), "unlike", &[]),
            ("two rules", both, "no-speech", &["unlike"]),
            ("three rules", three, "no-speech", &["unlike", "goes-on"]),
        ];
        for (what, heard, refuses, fail_too) in cases {
            let told = told_by(&just_missed(&heard), Some(&heard), None, None);
            let words = told[WORDS].as_str().unwrap();
            assert!(words.starts_with(&format!("#6, 4 s ago: refused by the rule {refuses}\n")), "{what}: {words}");
            assert_eq!(words_of(words, "REFUSED"), [refuses], "{what}: {words}");
            assert_eq!(words_of(words, "fails too"), fail_too, "{what}: {words}");
            assert_eq!(told[OBJECT]["rule"], refuses, "{what}");
        }
    }

    /// The rules whose lines say this.
    fn words_of(text: &str, result: &str) -> Vec<String> {
        let rule = |line: &str| line.split_once(result)?.0.split_whitespace().last().map(String::from);
        text.lines().filter_map(rule).collect()
    }
}
