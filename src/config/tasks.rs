//! Reads what commands do besides switching outputs: the section `[post]`, and the keys `run`, `post` and `publish` of a
//! command.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::actions::Says;
use super::{assign, keys};
use crate::act::task::{Argument, Post, Publish, Run, Task, variable};
use crate::document::{Placed, Section, Value};
use crate::publish::outbox::is_topic;

/// How requests are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostSettings {
    /// Longest time of an attempt.
    pub limit: Duration,
    /// How often a request that failed is sent again.
    pub retries: u32,
    /// Whether the words of the sentence are sent too.
    pub words: bool,
    /// The certificates of the authorities that servers' may come from; without, those that this machine trusts.
    pub ca_file: Option<PathBuf>,
}

impl Default for PostSettings {
    fn default() -> Self {
        PostSettings { limit: Duration::from_secs(5), retries: 2, words: false, ca_file: None }
    }
}

/// Reads `[post]`.
pub fn posting(section: Option<&Section<'_>>) -> PostSettings {
    let mut settings = PostSettings::default();
    let Some(section) = section else { return settings };
    assign(&mut settings.limit, keys::POST_LIMIT.time(section));
    assign(&mut settings.retries, keys::RETRIES.whole(section).map(|n| n as u32));
    assign(&mut settings.words, keys::POSTED_WORDS.boolean(section));
    settings.ca_file = keys::CA_FILE.text(section).map(|file| file.value.into());
    settings
}

/// Reads the tasks of a command.
pub fn tasks(section: &Section<'_>, posting: &PostSettings, has_broker: bool, says: &Says<'_>) -> Vec<Task> {
    let limit = keys::RUN_LIMIT.get(section);
    let run = keys::RUN.get(section);
    if let (Some(limit), None) = (&limit, &run) {
        limit.problem("this command runs no program; run = [\"/usr/local/bin/x\"] does");
    }
    let limit = limit.map_or(Some(keys::RUN_LIMIT.usual_time()), |limit| keys::RUN_LIMIT.time_of(&limit));
    let run = run.and_then(|run| Some(Task::Run(Run { arguments: arguments(&run, says)?, limit: limit? })));
    let post = keys::POST.text(section).and_then(|to| {
        if let Some(problem) = objection(&to.value) {
            section.problem_at(&to, problem);
            return None;
        }
        let PostSettings { limit, retries, words, ca_file } = posting.clone();
        Some(Task::Post(Post { url: to.value, limit, retries, words, ca_file }))
    });
    let publish = keys::PUBLISH.get(section).and_then(|value| publish(&value, has_broker, says));
    run.into_iter().chain(post).chain(publish).collect()
}

/// The message of `publish = { topic, payload, retain }`; `None` if it has faults.
fn publish(value: &Value<'_>, has_broker: bool, says: &Says<'_>) -> Option<Task> {
    if !has_broker {
        value.problem("there is no broker to publish to; make one: [mqtt] with address = \"homeassistant.local\"");
    }
    let section = value.section()?;
    let topic = keys::TOPIC.text(&section);
    let payload = keys::PAYLOAD.text(&section);
    let retain = keys::RETAIN.boolean(&section).unwrap_or_default();
    // The values of slots are looked at when they are there.
    let topic = topic.filter(|topic| {
        let good = is_topic(&topic.value);
        if !good {
            section
                .problem_at(topic, "nothing can be published to this topic: it is empty, begins with $, or has + or #");
        }
        good
    });
    section.end();
    let topic = topic?;
    let [topic, payload] = [topic.value, payload.map(|payload| payload.value).unwrap_or_default()];
    let message = Publish { topic: Argument::read(&topic), payload: Argument::read(&payload), retain };
    let slots = [&message.topic, &message.payload].into_iter().flat_map(Argument::slots);
    let unknown = slots.filter(|slot| !says.is_always_filled(value, slot)).count();
    (unknown == 0).then_some(Task::Publish(message))
}

/// The path of a program and its arguments; `None` if they have faults.
fn arguments(run: &Value<'_>, says: &Says<'_>) -> Option<Vec<Argument>> {
    let values = run.one_or_many();
    let texts: Vec<(&Value<'_>, Placed<String>)> = values.iter().filter_map(|v| Some((v, v.string()?))).collect();
    let Some((first, program)) = texts.first() else {
        run.problem("the path of a program is needed; as in: run = [\"/usr/local/bin/x\", \"{room}\"]");
        return None;
    };
    let arguments: Vec<Argument> = texts.iter().map(|(_, text)| Argument::read(&text.value)).collect();
    if !program.value.starts_with('/') || arguments[0].slots().next().is_some() {
        first.problem(format!(
            "{:?} is not the path of a program from / on; there is no shell that would look for it",
            program.value
        ));
        return None;
    }
    if let Some((value, _)) = texts.iter().find(|(_, text)| text.value.contains('\0')) {
        value.problem("a program cannot be given the character 0");
        return None;
    }
    let mut good = texts.len() == values.len() && told_apart(run, says);
    for ((value, _), argument) in texts.iter().zip(&arguments) {
        good &= argument.slots().all(|slot| says.is_always_filled(value, slot));
    }
    good.then_some(arguments)
}

/// Whether no two slots of the command have the same variable in the environment.
fn told_apart(run: &Value<'_>, says: &Says<'_>) -> bool {
    let mut variables = BTreeMap::new();
    for slot in says.filled.iter().flat_map(|filled| filled.ever.keys()) {
        if let Some(other) = variables.insert(variable(slot), slot) {
            run.problem(format!("the slots {other:?} and {slot:?} are both {}; rename one", variable(slot)));
            return false;
        }
    }
    true
}

/// Why requests cannot be sent to this address.
fn objection(url: &str) -> Option<&'static str> {
    let Some(rest) = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) else {
        return Some("an address is needed; as in \"http://localhost:1880/hearken\"");
    };
    if url.contains(['{', '}']) {
        return Some("slots are sent in the body; an address has none");
    }
    let plain = |c: char| c.is_ascii_graphic() && !"\"<>\\^`|".contains(c);
    let (host, port) = rest.split(['/', '?', '#']).next().map_or(("", None), host_and_port);
    let good = !host.is_empty() && port.is_none_or(|port| port.parse::<u16>().is_ok()) && rest.chars().all(plain);
    (!good).then_some("this is no address; as in \"http://localhost:1880/hearken\"")
}

fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    let place = authority.rsplit('@').next().unwrap_or_default();
    match place.rsplit_once(':') {
        // The colons of an IPv6 address are in brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (place, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_or_https_with_a_host() {
        let good = [
            "http://localhost",
            "http://box.local:1880/hearken?x=1",
            "http://[::1]:80/",
            "http://u:p@[::1]/a%20b",
            "https://box/x",
        ];
        let bad = [
            "https://",
            "box:1880",
            "http://",
            "http:///x",
            "http://box:port/",
            "http://box/{room}",
            "http://a b/",
            "http://:80",
            "http://bö/",
            "ftp://box",
        ];
        good.iter().for_each(|url| assert_eq!(objection(url), None, "{url}"));
        bad.iter().for_each(|url| assert!(objection(url).is_some(), "{url}"));
    }
}
