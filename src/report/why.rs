//! The whole story of one decision, in words and as JSON.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{decision, round, slots};
use crate::command::Command;
use crate::evidence::Evidence;
use crate::grammar::Sentence;
use crate::recognize::story::{Step, Story, Traits};
use crate::recognize::{Candidate, Heard, Limit};
use crate::verdict::{Check, Reason, Verdict};

/// Key of the story in words.
pub const WORDS: &str = "words";
/// Key of the story as an object.
pub const STORY: &str = "story";

/// Characters in a line of tokens.
const WIDTH: usize = 88;

/// What each rule of the verdict says, in their order.
pub type Rules = Vec<(&'static str, Option<Check>)>;

/// One decision, and all that is known about it.
pub struct Why<'a> {
    /// What was heard; nothing if the utterance was lost.
    pub heard: Option<&'a Heard>,
    /// The decision.
    pub verdict: &'a Verdict,
    /// What each rule says.
    pub rules: &'a Rules,
    /// The sound, and the nearest sentences.
    pub story: Option<&'a Story>,
    /// The commands of the configuration.
    pub commands: &'a [Command],
}

/// What is told before anything was decided.
pub fn nothing_yet() -> Value {
    json!({WORDS: "no utterance yet: say something, then ask again\n", STORY: {"utterance": null}})
}

impl Why<'_> {
    /// The story of the daemon's utterance of this number, decided so long ago.
    pub fn of_utterance(&self, utterance: u64, ago: Duration) -> Value {
        let seconds = ago.as_secs();
        let ago = match seconds {
            0..120 => format!("{seconds} s"),
            120..7200 => format!("{} min", seconds / 60),
            _ => format!("{} h", seconds / 3600),
        };
        let place = [("utterance", json!(utterance)), ("ago_s", json!(seconds))];
        json!({WORDS: self.words(&format!("#{utterance}, {ago} ago")), STORY: self.json(place)})
    }

    /// The story of a file.
    pub fn of_file(&self, file: &Path) -> Value {
        let name = file.to_string_lossy();
        json!({WORDS: self.words(&name), STORY: self.json([("file", json!(name))])})
    }

    /// The decision's own sentence.
    fn best(&self) -> Option<&Sentence> {
        self.heard.and_then(|heard| heard.best.as_ref()).map(|best| &best.sentence)
    }

    /// The nearest sentences with their tokens, the decision's own first; without a story, only those of the decision.
    fn sentences(&self) -> Vec<(&Candidate, &[Step])> {
        let decided = || self.heard.into_iter().flat_map(|heard| [&heard.best, &heard.runner_up]).flatten();
        match self.story {
            Some(story) => story.sentences.iter().map(|told| (&told.candidate, &told.steps[..])).collect(),
            None => decided().map(|candidate| (candidate, &[][..])).collect(),
        }
    }

    fn evidence(&self, candidate: &Candidate) -> Option<Evidence> {
        self.heard.map(|heard| Evidence::for_candidate(heard, candidate))
    }

    fn json<const N: usize>(&self, place: [(&str, Value); N]) -> Value {
        let mut map = Map::from_iter(place.map(|(key, value)| (key.into(), value)));
        map.append(&mut decision(self.heard, self.verdict, self.commands));
        map.insert("free".into(), json!(self.heard.map(|heard| round(heard.free))));
        map.insert("sound".into(), self.story.map_or(Value::Null, |story| sound(&story.sound)));
        let sentence = |(candidate, steps): (&Candidate, &[Step])| {
            let Sentence { command, words, slots: values } = &candidate.sentence;
            let evidence = self.evidence(candidate);
            json!({
                "sentence": words, "command": self.commands[*command].name, "slots": slots(values),
                "rank": round(candidate.rank), "joint": round(candidate.joint),
                "evidence": evidence.map(|e| round(e.total())), "llr": evidence.map(|e| round(e.llr)),
                "tokens": steps.iter().map(token).collect::<Value>(),
            })
        };
        map.insert("sentences".into(), self.sentences().into_iter().map(sentence).collect());
        map.insert("rules".into(), self.rules.iter().map(rule).collect());
        let looked = |story: &Story| {
            let gave_up = story.gave_up.map(|(limit, _)| in_words(limit));
            json!({"calls": story.calls, "ms": story.took.as_millis() as u64, "gave_up": gave_up})
        };
        map.insert("looked".into(), json!(self.story.map(looked)));
        map.into()
    }

    fn words(&self, title: &str) -> String {
        let mut lines = self.headline(title);
        if let Some(story) = self.story {
            lines.push(String::new());
            lines.extend(labelled("sound", sound_lines(&story.sound)));
        }
        if let Some(heard) = self.heard {
            lines.extend(labelled("free text", heard_lines(heard)));
            lines.push(String::new());
            lines.extend(self.sentence_lines());
            lines.push(String::new());
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
        let mut lines = vec!["sentences     rank    joint evidence   (nats: 2.3 less is a tenth as likely)".into()];
        for (i, (candidate, steps)) in sentences.into_iter().enumerate() {
            let Candidate { sentence, rank, joint, .. } = candidate;
            let (evidence, meaning) = (self.evidence(candidate).map_or(0.0, |e| e.total()), self.meaning(sentence));
            lines.push(format!("{:>8}  {rank:>8.2} {joint:>8.2} {evidence:>8.2}   {meaning}", i + 1));
            if i == 0 {
                lines.extend(steps.iter().map(full));
            } else {
                lines.extend(wrapped(steps.iter().map(short)).map(|line| format!("{:10}  {line}", "")));
            }
            if steps.is_empty() && self.story.is_some() {
                lines.push(format!("{:10}  no time was left for its tokens", ""));
            }
        }
        match self.story.map(|story| story.gave_up) {
            None => lines.push("          no more can be looked for now".into()),
            Some(Some((limit, calls))) => {
                lines.push(format!("          {found} found: {} after {calls} calls of the decoder", in_words(limit)));
            }
            Some(None) => {}
        }
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

fn in_words(limit: Limit) -> &'static str {
    match limit {
        Limit::Calls => "as many calls as may be",
        Limit::Deadline => "out of time",
    }
}

/// Lines with a label before the first, all aligned.
fn labelled(label: &str, lines: Vec<String>) -> impl Iterator<Item = String> {
    let labels = std::iter::once(label.to_string()).chain(std::iter::repeat(String::new()));
    labels.zip(lines).map(|(label, line)| format!("{label:<10}{line}"))
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn sound_lines(sound: &Traits) -> Vec<String> {
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
    let clipped = (sound.clipped > 0).then(|| format!("{} samples clipped: less gain would be right", sound.clipped));
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

/// A token on a line of its own, its log-probability where the joint one stands, so that the eye can add it up.
fn full(step: &Step) -> String {
    let rather = |(text, nats): &(String, f32)| format!("rather {} {nats:.2}", quoted(text));
    let rather = step.rather.as_ref().map(rather).unwrap_or_default();
    format!("{:>27.2}            {:<14} {rather}", step.log_probability, quoted(&step.text))
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "(end)".into() } else { format!("{text:?}") }
}

/// `unlock -8.2 (Then -0.2)`
fn short(step: &Step) -> String {
    let bare = |text: &str| match text.trim() {
        word if word.chars().any(char::is_alphanumeric) => word.to_string(),
        _ => quoted(text),
    };
    let rather = |(text, nats): &(String, f32)| format!(" ({} {nats:.1})", bare(text));
    let rather = step.rather.as_ref().map(rather).unwrap_or_default();
    format!("{} {:.1}{rather}", bare(&step.text), step.log_probability)
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

fn sound(sound: &Traits) -> Value {
    let bounds = sound.bounds_ms;
    json!({
        "duration_ms": sound.duration_ms,
        "speech_begins_ms": bounds.map(|(begin, _)| begin), "speech_ends_ms": bounds.map(|(_, end)| end),
        "speech_ms": sound.speech_ms,
        "speech_dbfs": sound.speech_dbfs.map(round), "quiet_dbfs": sound.quiet_dbfs.map(round),
        "ratio_db": sound.ratio_db().map(round), "clipped": sound.clipped,
    })
}

fn token(step: &Step) -> Value {
    let rather = step.rather.as_ref().map(|(text, nats)| json!({"text": text, "nats": round(*nats)}));
    json!({"text": step.text, "nats": round(step.log_probability), "rather": rather})
}

fn rule((code, check): &(&str, Option<Check>)) -> Value {
    let result = match check {
        None => "not asked",
        Some(Check { refusal: None, .. }) => "ok",
        Some(_) => "refused",
    };
    let measured = check.as_ref().map(|check| &check.measured);
    json!({"rule": code, "result": result, "measured": measured, "needed": check.as_ref().map(|check| &check.needed)})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::{SlotValue, Slots};
    use crate::recognize::Timings;
    use crate::recognize::story::Weighed;
    use crate::verdict::{Thresholds, checks, judge};

    fn command(name: &str) -> Command {
        Command { name: name.into(), requires: Vec::new(), deeds: Vec::new() }
    }

    fn candidate(command: usize, words: &str, rank: f32, joint: f32) -> Candidate {
        let slots = Slots::from([("lock".to_string(), SlotValue::Text("front door".into()))]);
        Candidate { sentence: Sentence { command, words: words.into(), slots }, rank, joint, tokens: 2 }
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
            dbfs: -26.0,
            took: Timings { total: Duration::from_millis(155), ..Timings::default() },
        }
    }

    fn story() -> Story {
        let step = |text: &str, log_probability, rather: Option<(&str, f32)>| Step {
            text: text.into(),
            log_probability,
            rather: rather.map(|(text, nats)| (text.into(), nats)),
        };
        let weighed = |candidate, steps| Weighed { candidate, steps };
        let sound = Traits {
            duration_ms: 1980,
            bounds_ms: Some((256, 1760)),
            speech_ms: 1312,
            speech_dbfs: Some(-21.3),
            quiet_dbfs: Some(-58.2),
            clipped: 3,
        };
        let unlock = vec![step(" unlock", -19.0, Some((" Then", -0.25))), step("", -0.5, None)];
        let lock = vec![step(" lock", -19.75, None), step(",", -0.25, Some(("", -0.5)))];
        let sentences = vec![
            weighed(candidate(1, "unlock the front door", -9.0, -19.5), unlock),
            weighed(candidate(2, "resume", -7.0, -30.0), vec![]),
            weighed(candidate(0, "lock the front door", -8.0, -20.0), lock),
        ];
        Story { sound, sentences, gave_up: Some((Limit::Calls, 300)), calls: 312, took: Duration::from_secs(1) }
    }

    fn told(heard: Option<&Heard>, story: Option<&Story>, lost: Option<&str>) -> Value {
        let thresholds = Thresholds::default();
        let rules = heard.map(|heard| checks(heard, &thresholds)).unwrap_or_default();
        let verdict = lost.map(|why| Verdict::Rejected(Reason::Lost(why.into())));
        let verdict = verdict.unwrap_or_else(|| judge(heard.unwrap(), &thresholds));
        let commands = ["lock", "unlock", "resume"].map(command);
        let why = Why { heard, verdict: &verdict, rules: &rules, story, commands: &commands };
        why.of_utterance(6, Duration::from_secs(4))
    }

    const REFUSED: &str = r#"#6, 4 s ago: refused by the rule unlike
  not a command: nearest is "unlock the front door", with evidence -22.8 where 0.0 is needed

sound     1.98 s, speech from 0.26 to 1.76 s, 1.31 s of it
          speech -21.3 dBFS, the rest -58.2 dBFS, 36.9 dB between them
          3 samples clipped: less gain would be right
free text "Then lock the frozen dollar."
          -6.50 nats, 1 % that nobody spoke
          155 ms: spectrogram 0, encoder 0, text and search 0 (71 calls)

sentences     rank    joint evidence   (nats: 2.3 less is a tenth as likely)
       1     -9.00   -19.50   -22.76   "unlock the front door" = unlock, lock front door
                     -19.00            " unlock"      rather " Then" -0.25
                      -0.50            (end)
       2     -7.00   -30.00   -65.95   "resume" = resume, lock front door
            no time was left for its tokens
       3     -8.00   -20.00   -25.56   "lock the front door" = lock, lock front door
            lock -19.8  "," -0.2 ((end) -0.5)
          3 found: as many calls as may be after 300 calls of the decoder

rules     no-speech    ok         1312 ms of speech                                                                      at least 192 ms
          silence      ok         1 % that nobody spoke                                                                  at most 80 %
          too-late     ok         155 ms                                                                                 within the deadline
          no-sentence  ok         one found                                                                              one within reach of the free text
          unlike       REFUSED    evidence -22.8: ratio -17.5, 2 tokens, 61 % alike, 1.3 x its letters, 0.8 x its time   at least 0.0
          pace         ok         1312 ms of speech                                                                      360 to 4500 ms for its 18 letters
          goes-on      ok         0 more words, 0 new after its end                                                      fewer than 2, fewer than 3
          gave-up      ok         71 calls                                                                               a sentence found
          ambiguous    ok         no rival near                                                                          at least 0.20
"#;

    #[test]
    fn a_refusal_is_told_from_the_sound_to_the_rule() {
        let told = told(Some(&heard()), Some(&story()), None);
        assert_eq!(told[WORDS].as_str().unwrap(), REFUSED);
        let object = &told[STORY];
        let place = (&object["utterance"], &object["rule"], &object["nearest"]);
        assert_eq!(place, (&6.into(), &"unlike".into(), &"unlock the front door".into()));
        assert_eq!(
            object["sentences"][0]["tokens"],
            json!([{"text": " unlock", "nats": -19.0, "rather": {"text": " Then", "nats": -0.25}},
                   {"text": "", "nats": -0.5, "rather": null}])
        );
        assert_eq!(object["rules"][4]["result"], "refused");
        assert_eq!((&object["sound"]["ratio_db"], &object["looked"]["calls"]), (&36.9.into(), &312.into()));
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        let lost = told(None, None, Some("scratch is full"));
        assert_eq!(lost[WORDS], "#6, 4 s ago: lost\n  scratch is full\n");
        assert_eq!((&lost[STORY]["sentences"], &lost[STORY]["sound"]), (&json!([]), &Value::Null));
        let text = "Unlock the front door.".into();
        let good = Heard { text, best: Some(candidate(1, "unlock the front door", -1.0, -1.6)), ..heard() };
        let words = told(Some(&good), None, None)[WORDS].as_str().unwrap().to_string();
        assert!(
            words.starts_with("#6, 4 s ago: accepted\n  \"unlock the front door\" = unlock, lock front door\n"),
            "{words}"
        );
        assert!(!words.contains("sound  "), "{words}");
        let own = "\n       1     -1.00    -1.60     3.00   \"unlock the front door\" = unlock, lock front door\n";
        assert!(words.contains(&format!("{own}          no more can be looked for now\n")), "{words}");
        let mut late = story();
        late.sentences.truncate(1);
        late.sentences[0].steps.clear();
        late.gave_up = Some((Limit::Deadline, 0));
        let words = told(Some(&heard()), Some(&late), None)[WORDS].as_str().unwrap().to_string();
        let end = "no time was left for its tokens\n          1 found: out of time after 0 calls of the decoder\n";
        assert!(words.contains(end), "{words}");
        let nothing = Traits::of(&[], &[], 512);
        assert_eq!(sound_lines(&nothing), ["0.00 s, no speech in it"]);
        let two_rules = told(Some(&Heard { speech_ms: 0, ..heard() }), None, None)[WORDS].as_str().unwrap().to_string();
        let results: Vec<_> = ["REFUSED", "fails too"].map(|result| words_of(&two_rules, result)).concat();
        assert_eq!(results, ["no-speech", "unlike", "pace"]);
        assert_eq!(nothing_yet()[STORY]["utterance"], Value::Null);
    }

    fn words_of(text: &str, result: &str) -> Vec<String> {
        let rule = |line: &str| line.split_once(result)?.0.split_whitespace().last().map(String::from);
        text.lines().filter_map(rule).collect()
    }
}
