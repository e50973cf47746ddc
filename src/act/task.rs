//! What a command does besides switching outputs: it runs a program, sends a request, or publishes a message. No input or
//! output.

use std::path::PathBuf;
use std::time::Duration;

use crate::act::command::Origin;
use crate::grammar::{Sentence, Slots};

/// A task of a configured command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Run a program.
    Run(Run),
    /// Send a request by HTTP.
    Post(Post),
    /// Publish a message over MQTT.
    Publish(Publish),
}

impl Task {
    /// Its kind in events, metrics and the log: the name of its key.
    pub fn kind(&self) -> &'static str {
        match self {
            Task::Run(_) => Task::KINDS[0],
            Task::Post(_) => Task::KINDS[1],
            Task::Publish(_) => Task::KINDS[2],
        }
    }

    /// What of it may have slots.
    pub fn arguments(&self) -> Vec<&Argument> {
        match self {
            Task::Run(run) => run.arguments.iter().collect(),
            Task::Post(_) => Vec::new(),
            Task::Publish(publish) => vec![&publish.topic, &publish.payload],
        }
    }

    /// All kinds.
    pub const KINDS: [&'static str; 3] = ["run", "post", "publish"];
}

/// A program to run, without a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The path of the program, and its arguments.
    pub arguments: Vec<Argument>,
    /// Longest time that it may take.
    pub limit: Duration,
}

/// A request to send: the event of the command as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Where to, as `http://host:port/path` or `https://host/path`.
    pub url: String,
    /// Longest time that one attempt may take.
    pub limit: Duration,
    /// How often it is tried again.
    pub retries: u32,
    /// Whether the words of the sentence are sent too.
    pub words: bool,
    /// The certificates of the authorities that the server's may come from; without, those that this machine trusts.
    pub ca_file: Option<PathBuf>,
}

/// A message to publish over MQTT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Its topic.
    pub topic: Argument,
    /// Its payload.
    pub payload: Argument,
    /// Whether the broker keeps it for those who subscribe later.
    pub retain: bool,
}

/// An argument of a program, or a part of a message: pieces that are joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument(pub Vec<Piece>);

/// A piece of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The same text each time.
    Text(String),
    /// The value of the slot of this name.
    Slot(String),
}

impl Argument {
    /// Reads `--room={room}`: a name in braces is a slot; other braces are text.
    pub fn read(text: &str) -> Argument {
        let (mut pieces, mut rest) = (Vec::new(), text);
        let mut plain = String::new();
        while let Some((before, after)) = rest.split_once('{') {
            plain += before;
            match after.split_once('}').filter(|(name, _)| crate::grammar::template::is_name(name)) {
                Some((name, after)) => {
                    pieces.extend(text_of(std::mem::take(&mut plain)));
                    pieces.push(Piece::Slot(name.into()));
                    rest = after;
                }
                None => {
                    plain.push('{');
                    rest = after;
                }
            }
        }
        plain += rest;
        pieces.extend(text_of(plain));
        Argument(pieces)
    }

    /// The names of its slots.
    pub fn slots(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Slot(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The argument with the values of `slots`. A slot without a value is empty; a checked configuration has none.
    pub fn with(&self, slots: &Slots) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Slot(name) => slots.get(name).map(ToString::to_string).unwrap_or_default(),
        };
        self.0.iter().map(piece).collect()
    }
}

fn text_of(text: String) -> Option<Piece> {
    (!text.is_empty()).then_some(Piece::Text(text))
}

/// The variable of the environment that has the value of a slot: HEARKEN_SLOT_ and the name in capitals, with `_` for
/// whatever a variable cannot have.
pub fn variable(slot: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("HEARKEN_SLOT_{}", slot.chars().map(letter).collect::<String>())
}

/// A command whose tasks are to be begun, and what they are told.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The index of the command.
    pub command: usize,
    /// The values of its slots.
    pub slots: Slots,
    /// The words of the sentence; `None` for a button.
    pub sentence: Option<String>,
    /// Log-odds that a person said the sentence, in nats; `None` for a button.
    pub log_odds: Option<f32>,
    /// The number of the utterance; `None` for a button.
    pub utterance: Option<u64>,
    /// The name of the button that was pressed.
    pub button: Option<String>,
}

impl Asked {
    /// By the sentence of the utterance with this number.
    pub fn by_voice(sentence: &Sentence, log_odds: Option<f32>, utterance: u64) -> Asked {
        Asked {
            command: sentence.command,
            slots: sentence.slots.clone(),
            sentence: Some(sentence.words.clone()),
            log_odds,
            utterance: Some(utterance),
            button: None,
        }
    }

    /// Without a recording: by a button, or by a program.
    pub fn by(origin: &Origin, command: usize, slots: Slots) -> Asked {
        let button = match origin {
            Origin::Button(name) => Some(name.clone()),
            Origin::Mqtt | Origin::Wyoming => None,
        };
        Asked { command, slots, sentence: None, log_odds: None, utterance: None, button }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::SlotValue;

    #[test]
    fn a_name_in_braces_is_a_slot_and_nothing_else_is() {
        let slots = Slots::from([
            ("room".to_string(), SlotValue::Text("living room; rm -rf $HOME".into())),
            ("percent".to_string(), SlotValue::Integer(40)),
        ]);
        let table = [
            ("plain", "plain", 0),
            ("{room}", "living room; rm -rf $HOME", 1),
            ("--level={percent}%", "--level=40%", 1),
            ("{percent}{room}", "40living room; rm -rf $HOME", 2),
            ("{\"level\": {percent}}", "{\"level\": 40}", 1),
            ("{}", "{}", 0),
            ("{a b}", "{a b}", 0),
            ("{room", "{room", 0),
            ("", "", 0),
            ("{nobody}", "", 1),
        ];
        for (text, expected, named) in table {
            let argument = Argument::read(text);
            assert_eq!((argument.with(&slots).as_str(), argument.slots().count()), (expected, named), "{text}");
        }
    }

    #[test]
    fn a_slot_has_a_variable() {
        let table = [("room", "ROOM"), ("bed-room", "BED_ROOM"), ("größe", "GR__E"), ("n2", "N2")];
        for (slot, name) in table {
            assert_eq!(variable(slot), format!("HEARKEN_SLOT_{name}"));
        }
    }
}
