//! The JSON of decisions, events, the status and why: their keys stand here and nowhere else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::explanation::{Sum, Why, in_words};
use super::{MicrophoneNews, Outcome, Press, Report, Switched, Tally, TaskEnd};
use crate::act::buttons::{Button, Contacts, Purpose};
use crate::act::command::{Command, Origin, Output};
use crate::act::gpio::Duty;
use crate::act::states::States;
use crate::act::task::Asked;
use crate::audio::supervisor::Counters;
use crate::decide::confirm::Step;
use crate::decide::features::{FEATURES, Feature, Features};
use crate::decide::rules::{Check, Reason, Verdict};
use crate::decide::thresholds::Assessment;
use crate::decide::weights::{Part, probability};
use crate::grammar::{Sentence, SlotValue, Slots};
use crate::recognize::trace::{SoundStats, TokenScore, Trace};
use crate::recognize::{Candidate, Heard};
use crate::utterance::scratch::Usage;

/// A report as the event that programs read; none for a level, which is for people.
pub fn event(report: &Report, commands: &[Command]) -> Option<Map<String, Value>> {
    match report {
        Report::Press(press) => Some(press_event(press)),
        Report::Outcome(outcome) => Some(outcome_event(outcome, commands)),
        Report::Microphone(news) => Some(microphone_event(news)),
        Report::Task(end) => Some(task_event(end)),
        Report::Confirmation { command, step, utterance } => Some(confirm_event(command, *step, *utterance)),
        Report::Level { .. } => None,
    }
}

/// So many events could not be written before.
pub fn dropped_event(events: u64) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("events_dropped".into(), json!(events));
    map.insert("time".into(), json!(now()));
    map
}

/// What the running daemon tells of itself.
pub struct Status<'a> {
    /// Whether a command would be decided.
    pub ready: bool,
    /// Since its start.
    pub up: Duration,
    /// The board's name in a configuration.
    pub board: &'a str,
    /// The model's file.
    pub model: &'a str,
    /// What is done.
    pub commands: &'a [Command],
    /// What is switched, and what it is.
    pub outputs: (&'a [Output], &'a States),
    /// What is pressed, and whether it is.
    pub buttons: (&'a [Button], &'a Contacts),
    /// How often what happened.
    pub tally: &'a Tally,
    /// How full scratch is.
    pub scratch: Usage,
    /// The microphone's counters; none for another source.
    pub microphone: Option<&'a Counters>,
}

impl Status<'_> {
    /// As one JSON object: what `hearken status --json` prints.
    pub fn json(&self) -> Value {
        let microphone = self.microphone.map(|microphone| {
            let m = microphone.read();
            json!({
                "open": m.open, "opened": m.opened, "faults": m.faults, "attempts": m.attempts, "lost": m.lost,
                "overruns": m.overruns, "abandoned": m.abandoned, "mute": m.mute,
            })
        });
        let (outputs, states) = self.outputs;
        let output = |(i, o): (usize, &Output)| {
            Value::from(state(&o.name, &o.line.to_string(), states.duty(i), o.dimmer.is_some()))
        };
        let (buttons, contacts) = self.buttons;
        let button = |(i, b): (usize, &Button)| {
            let (pressed, talk) = (contacts.pressed(i), b.purpose == Purpose::Talk);
            json!({"button": b.name, "pin": b.line.to_string(), "pressed": pressed, "talk": talk})
        };
        let decisions: Map<_, _> = self.tally.counts().into_iter().map(|(name, n)| (name.into(), json!(n))).collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "ready": self.ready,
            "up_s": self.up.as_secs(),
            "board": self.board,
            "model": self.model,
            "commands": self.commands.len(),
            "decisions": decisions,
            "outputs": outputs.iter().enumerate().map(output).collect::<Value>(),
            "buttons": buttons.iter().enumerate().map(button).collect::<Value>(),
            "scratch": gauges(self.scratch),
            "microphone": microphone,
        })
    }
}

impl Why<'_> {
    /// As one JSON object, which begins with `place`: what `hearken why --json` prints.
    pub(super) fn json<const N: usize>(&self, place: [(&str, Value); N]) -> Value {
        let mut map = Map::from_iter(place.map(|(key, value)| (key.into(), value)));
        map.append(&mut decision(self.heard, self.assessment().as_ref(), self.verdict, self.commands));
        map.insert("sum".into(), self.sum().map_or(Value::Null, |sum| sum.json()));
        map.insert("free".into(), json!(self.heard.map(|heard| round(heard.free))));
        map.insert("sound".into(), self.trace.map_or(Value::Null, |trace| sound(&trace.sound)));
        let sentence = |(candidate, tokens): (&Candidate, &[TokenScore])| {
            let Sentence { command, words, slots: values } = &candidate.sentence;
            json!({
                "sentence": words, "command": self.commands[*command].name, "slots": slots(values),
                "rank": round(candidate.rank), "joint": round(candidate.joint),
                "log_odds": self.log_odds(candidate).map(round),
                "tokens": tokens.iter().map(token).collect::<Value>(),
            })
        };
        map.insert("sentences".into(), self.sentences().into_iter().map(sentence).collect());
        map.insert("rules".into(), self.rules.iter().map(rule).collect());
        let looked = |Trace { n_best, took, .. }: &Trace| {
            let gave_up = n_best.gave_up.map(|(limit, _)| in_words(limit));
            json!({"calls": n_best.calls, "ms": took.as_millis() as u64, "gave_up": gave_up})
        };
        map.insert("looked".into(), json!(self.trace.map(looked)));
        map.into()
    }
}

impl Sum {
    fn json(&self) -> Value {
        let part = |(feature, (part, value, product)): (&Feature, &(Part, f32, f32))| {
            let numbers = json!({
                "value": three_decimals(*value), "mean": three_decimals(part.mean),
                "weight": three_decimals(part.weight / part.spread), "adds": three_decimals(*product),
            });
            (feature.name.to_string(), numbers)
        };
        let parts: Map<String, Value> = FEATURES.iter().zip(&self.parts).map(part).collect();
        json!({
            "features": parts, "intercept": three_decimals(self.intercept), "offset": three_decimals(self.offset),
            "log_odds": three_decimals(self.log_odds), "needed": three_decimals(self.needed),
        })
    }
}

fn sound(sound: &SoundStats) -> Value {
    let bounds = sound.bounds_ms;
    json!({
        "duration_ms": sound.duration_ms,
        "speech_begins_ms": bounds.map(|(begin, _)| begin), "speech_ends_ms": bounds.map(|(_, end)| end),
        "speech_ms": sound.speech_ms,
        "speech_dbfs": sound.speech_dbfs.map(round), "quiet_dbfs": sound.quiet_dbfs.map(round),
        "ratio_db": sound.ratio_db().map(round), "clipped": sound.clipped,
    })
}

fn token(score: &TokenScore) -> Value {
    let rather = score.likeliest.as_ref().map(|(text, nats)| json!({"text": text, "nats": round(*nats)}));
    json!({"text": score.token, "nats": round(score.log_probability), "rather": rather})
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

/// A decision as one JSON object: what `hearken decide --json` prints and an event holds.
pub fn decision(
    heard: Option<&Heard>,
    assessment: Option<&Assessment>,
    verdict: &Verdict,
    commands: &[Command],
) -> Map<String, Value> {
    let best = heard.and_then(|h| h.best.as_ref());
    let accepted = *verdict == Verdict::Accepted;
    let reason = match verdict {
        Verdict::Accepted => None,
        Verdict::Rejected(reason) => Some(reason),
    };
    let sentence = best.filter(|_| accepted).map(|b| &b.sentence);
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| map.insert(key.into(), value);
    put("verdict", json!(if accepted { "accepted" } else { "rejected" }));
    put("reason", json!(reason.map(Reason::to_string)));
    put("rule", json!(reason.map(Reason::code)));
    map.append(&mut carried_out(sentence, commands));
    let mut put = |key: &str, value: Value| map.insert(key.into(), value);
    put("log_odds", json!(assessment.map(|a| round(a.log_odds))));
    put("confidence", json!(assessment.map(|a| three_decimals(probability(a.log_odds)))));
    put("needed", json!(assessment.map(|a| round(a.needed))));
    put("features", json!(assessment.map(|a| features(&a.features))));
    put("nearest", json!(best.map(|b| &b.sentence.words)));
    put("runner_up", json!(heard.and_then(|h| h.runner_up.as_ref()).map(|r| &r.sentence.words)));
    if let Some(heard) = heard {
        let ms = |d: std::time::Duration| round(d.as_secs_f32() * 1000.0);
        let took = &heard.took;
        put("text", json!(heard.text));
        put("no_speech", json!(round(heard.no_speech)));
        put("duration_ms", json!(heard.duration_ms));
        put("speech_ms", json!(heard.speech_ms));
        put("dbfs", json!(round(heard.dbfs)));
        put("calls", json!(heard.calls));
        put(
            "ms",
            json!({"mel": ms(took.mel), "encode": ms(took.encode), "search": ms(took.search), "total": ms(took.total)}),
        );
    }
    map
}

/// The sentence that is carried out.
fn carried_out(sentence: Option<&Sentence>, commands: &[Command]) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("command".into(), json!(sentence.map(|s| &commands[s.command].name)));
    map.insert("sentence".into(), json!(sentence.map(|s| &s.words)));
    map.insert("slots".into(), sentence.map_or(json!({}), |s| slots(&s.slots)));
    map
}

/// Each feature by its name.
fn features(features: &Features) -> Value {
    let named = FEATURES.iter().zip(features.values());
    named.map(|(feature, value)| (feature.name.into(), json!(three_decimals(*value)))).collect::<Map<_, _>>().into()
}

fn slots(slots: &Slots) -> Value {
    let value = |value: &SlotValue| match value {
        SlotValue::Text(text) => json!(text),
        SlotValue::Integer(number) => json!(number),
    };
    slots.iter().map(|(name, v)| (name.clone(), value(v))).collect::<Map<_, _>>().into()
}

/// Two decimals are what a score is worth.
fn round(number: f32) -> f64 {
    (number as f64 * 100.0).round() / 100.0
}

fn three_decimals(number: f32) -> f64 {
    (f64::from(number) * 1000.0).round() / 1000.0
}

/// Seconds since 1970, to the millisecond.
fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_secs_f64() * 1000.0).round() / 1000.0
}

fn microphone_event(news: &MicrophoneNews) -> Map<String, Value> {
    let (state, rate) = match news {
        MicrophoneNews::Open { rate } => ("open", Some(rate)),
        MicrophoneNews::Lost { .. } => ("lost", None),
        MicrophoneNews::Zeros { .. } => ("zeros", None),
    };
    let mut map = Map::new();
    map.insert("microphone".into(), json!(state));
    map.insert("time".into(), json!(now()));
    map.insert("rate".into(), json!(rate));
    map.insert("reason".into(), json!(news.to_string()));
    map
}

/// An outcome as one JSON object.
pub fn outcome_event(outcome: &Outcome, commands: &[Command]) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("utterance".into(), json!(outcome.utterance));
    map.insert("time".into(), json!(now()));
    map.append(&mut decision(outcome.heard.as_ref(), outcome.assessment.as_ref(), &outcome.verdict, commands));
    if let Some(sentence) = outcome.carried_out() {
        map.append(&mut carried_out(Some(sentence), commands));
    }
    map.insert("outputs".into(), outcome.switched.iter().map(switched).collect());
    map.insert("latency_ms".into(), json!(outcome.latency_ms.map(|ms| ms.round())));
    map.insert("scratch".into(), gauges(outcome.scratch));
    map
}

fn switched(switched: &Switched) -> Value {
    let Switched { output, line, duty, dims, later } = switched;
    match duty {
        Ok(duty) => {
            let mut object = state(output, line, *duty, *dims);
            if *later {
                object.insert("later".into(), json!(true));
            }
            object.into()
        }
        Err(error) => json!({"output": output, "pin": line, "error": error}),
    }
}

/// What an output is; `level`, in percent, for one that `dims`.
fn state(output: &str, line: &str, duty: Duty, dims: bool) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("output".into(), json!(output));
    map.insert("pin".into(), json!(line));
    map.insert("state".into(), json!(if duty == Duty::NONE { "off" } else { "on" }));
    if dims {
        map.insert("level".into(), json!(f64::from(duty.get()) / 10.0));
    }
    map
}

fn press_event(press: &Press) -> Map<String, Value> {
    let mut map = Map::new();
    match &press.origin {
        Origin::Button(name) => map.insert("button".into(), json!(name)),
        Origin::Mqtt => map.insert("origin".into(), json!("mqtt")),
        Origin::Wyoming => map.insert("origin".into(), json!("wyoming")),
    };
    map.insert("time".into(), json!(now()));
    map.insert("command".into(), json!(press.command));
    if let Some(reason) = &press.refusal {
        map.insert("rule".into(), json!(reason.code()));
        map.insert("reason".into(), json!(reason.to_string()));
    }
    map.insert("outputs".into(), press.switched.iter().map(switched).collect());
    map
}

fn task_event(TaskEnd { task, command, utterance, fate, took, attempts }: &TaskEnd) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("task".into(), json!(task));
    map.insert("time".into(), json!(now()));
    map.insert("command".into(), json!(command));
    map.insert("of_utterance".into(), json!(utterance));
    map.insert("outcome".into(), json!(fate.code()));
    map.insert("reason".into(), json!(fate.reason()));
    map.insert("attempts".into(), json!(attempts));
    map.insert("took_ms".into(), json!(took.as_millis() as u64));
    map
}

fn confirm_event(command: &str, step: Step, utterance: Option<u64>) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("confirm".into(), json!(step.code()));
    map.insert("time".into(), json!(now()));
    map.insert("command".into(), json!(command));
    map.insert("of_utterance".into(), json!(utterance));
    map
}

/// The body of a request that tells another program of the command `name`: with the words of the sentence only if
/// `words`.
pub fn posted(name: &str, asked: &Asked, words: bool) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("command".into(), json!(name));
    map.insert("time".into(), json!(now()));
    map.insert("slots".into(), slots(&asked.slots));
    map.insert("utterance".into(), json!(asked.utterance));
    map.insert("button".into(), json!(asked.button));
    map.insert("log_odds".into(), json!(asked.log_odds.map(round)));
    if words {
        map.insert("sentence".into(), json!(asked.sentence));
    }
    map
}

/// How full scratch is.
fn gauges(usage: Usage) -> Value {
    let Usage { used, high_water, capacity, made, written, deletions_failed } = usage;
    json!({
        "used": used, "high_water": high_water, "capacity": capacity, "recordings": made, "written": written,
        "deletions_failed": deletions_failed,
    })
}

#[cfg(test)]
mod tests {
    use crate::report::reference::{OTHERS, UTTERANCE};
    use std::collections::BTreeSet;

    use super::*;
    use crate::recognize::example::heard;

    #[test]
    fn an_event_has_the_keys_of_the_reference_page() {
        let scratch = Usage { used: 0, high_water: 0, capacity: 0, made: 0, written: 0, deletions_failed: 0 };
        let mut outcome = Outcome::undecided(1, Reason::Lost("gone".into()), scratch);
        outcome.heard = Some(heard("Stop.", "stop"));
        let event = outcome_event(&outcome, &[]);
        let keys: BTreeSet<&str> = event.keys().map(String::as_str).collect();
        assert_eq!(keys, UTTERANCE.iter().map(|(key, _)| *key).collect());
    }

    #[test]
    fn the_other_events_have_the_keys_of_the_reference_page() {
        let by = |origin| Press { origin, command: Some("lamp".into()), refusal: None, switched: Vec::new() };
        let presses = [Origin::Button("wall".into()), Origin::Wyoming].map(|origin| press_event(&by(origin)));
        let [press, asked] = presses;
        let end = TaskEnd {
            task: "run",
            command: "lamp".into(),
            utterance: None,
            fate: super::super::Fate::Busy,
            took: Duration::ZERO,
            attempts: 0,
        };
        let microphone = microphone_event(&MicrophoneNews::Open { rate: 48_000 });
        let events =
            [microphone, press, asked, task_event(&end), confirm_event("lamp", Step::Expired, None), dropped_event(1)];
        for (event, (told, _)) in events.iter().zip(OTHERS) {
            let keys: BTreeSet<&str> = event.keys().map(String::as_str).collect();
            assert_eq!(keys, told.split(", ").collect());
        }
    }
}
