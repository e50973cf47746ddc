//! What happens, for the broker: made of reports, and handed over without waiting.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde_json::{Map, Value, json};

use crate::act::command::Command;
use crate::report::{Report, Sink, fields};

/// The types of events: a command was carried out, or what was said or asked for was refused.
pub const TYPES: [&str; 2] = ["accepted", "refused"];
/// Most news that may wait for the client, which takes them ten times a second. More are dropped.
const WAITING: usize = 32;
/// The keys of an event that are published, and those with words that were said.
const KEYS: [&str; 7] = ["utterance", "button", "origin", "command", "rule", "log_odds", "outputs"];
const WORDS: [&str; 2] = ["sentence", "slots"];

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// The event.
    pub event: Value,
    /// Log-odds that a person said the nearest sentence, if one was looked for.
    pub log_odds: Option<f64>,
    /// The sentence of the command, if words may be published.
    pub sentence: Option<String>,
}

/// The sending end: a sink that never blocks.
pub struct ToBroker {
    queue: SyncSender<News>,
    words: bool,
}

/// Makes the queue from reports to the client. `words` says whether words that were said are published.
pub fn queue(words: bool) -> (ToBroker, Receiver<News>) {
    let (queue, news) = sync_channel(WAITING);
    (ToBroker { queue, words }, news)
}

impl Sink for ToBroker {
    fn take(&mut self, report: &Report, commands: &[Command]) -> io::Result<()> {
        if let Report::Outcome(_) | Report::Press(_) = report
            && let Some(event) = fields::event(report, commands)
        {
            let _full_or_gone = self.queue.try_send(news(&event, self.words));
        }
        Ok(())
    }
}

/// What is published of an event of an utterance, of a button, or of a program that asked.
fn news(event: &Map<String, Value>, words: bool) -> News {
    let refused = event.get("rule").is_some_and(|rule| !rule.is_null());
    let mut told = Map::from_iter([("event_type".to_string(), json!(TYPES[usize::from(refused)]))]);
    let keys = KEYS.iter().chain(WORDS.iter().filter(|_| words));
    told.extend(keys.filter_map(|key| event.get(*key).map(|value| (key.to_string(), value.clone()))));
    if event.contains_key("utterance") {
        told.insert("origin".into(), json!("voice"));
    } else if event.contains_key("button") {
        told.insert("origin".into(), json!("button"));
    }
    let sentence = event.get("sentence").and_then(Value::as_str).filter(|_| words).map(String::from);
    News { event: told.into(), log_odds: event.get("log_odds").and_then(Value::as_f64), sentence }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_the_news_only_if_they_may_be() {
        let event = json!({
            "utterance": 3, "verdict": "accepted", "rule": null, "command": "lamp", "sentence": "lamp on",
            "slots": {"state": "on"}, "log_odds": 4.5, "nearest": "lamp on", "text": "Lamp on.", "outputs": [],
        });
        let event = event.as_object().unwrap();
        let without = json!({
            "event_type": "accepted", "origin": "voice", "utterance": 3, "command": "lamp", "rule": null,
            "log_odds": 4.5, "outputs": [],
        });
        assert_eq!(news(event, false), News { event: without.clone(), log_odds: Some(4.5), sentence: None });
        let mut with = without;
        with["sentence"] = json!("lamp on");
        with["slots"] = json!({"state": "on"});
        assert_eq!(news(event, true), News { event: with, log_odds: Some(4.5), sentence: Some("lamp on".into()) });
    }

    #[test]
    fn every_origin_has_a_name() {
        let table = [
            (json!({"button": "wall", "command": "lamp"}), "accepted", "button"),
            (json!({"button": "wall", "command": "lamp", "rule": "state"}), "refused", "button"),
            (json!({"origin": "mqtt", "command": null}), "accepted", "mqtt"),
            (json!({"utterance": 1, "command": null, "rule": "unlike"}), "refused", "voice"),
        ];
        for (event, kind, origin) in table {
            let News { event, .. } = news(event.as_object().unwrap(), false);
            assert_eq!((&event["event_type"], &event["origin"]), (&json!(kind), &json!(origin)));
        }
    }
}
