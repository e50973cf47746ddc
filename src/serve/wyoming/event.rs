//! The framing of the Wyoming protocol: a line of JSON, then the bytes that it announces. Written after
//! <https://github.com/OHF-Voice/wyoming>, README and `wyoming/event.py`.

use std::io::{self, BufRead, Read, Write};

use serde_json::{Map, Value, json};

/// Most bytes of the line, and of the data after it: the longest that Hearken needs is the beginning of a request.
const MOST_JSON: usize = 64 << 10;
/// Most bytes of a payload: ten seconds of sound at 48 kHz, of which clients send a tenth at a time.
const MOST_PAYLOAD: usize = 1 << 20;

/// An event of the protocol.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Event {
    /// Its type, such as `audio-chunk`.
    pub kind: String,
    /// Its data.
    pub data: Map<String, Value>,
    /// The bytes after it: samples.
    pub payload: Vec<u8>,
}

impl Event {
    /// An event without a payload. `data` is an object.
    pub fn new(kind: &str, data: Value) -> Event {
        let data = data.as_object().cloned().unwrap_or_default();
        Event { kind: kind.into(), data, payload: Vec::new() }
    }

    /// A string of its data.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.data.get(key).and_then(Value::as_str)
    }

    /// A number of its data.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.data.get(key).and_then(Value::as_u64)
    }

    /// Reads the next event; `None` at the end of the stream. Blocks until it is there.
    ///
    /// # Errors
    /// The kernel's; `InvalidData` for what is no event, or too long.
    pub fn read(from: &mut impl BufRead) -> io::Result<Option<Event>> {
        let mut line = Vec::new();
        from.by_ref().take(MOST_JSON as u64).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            return Err(invalid("an event is cut short, or its first line is too long"));
        }
        let head: Value = serde_json::from_slice(&line).map_err(|e| invalid(&format!("an event is no JSON: {e}")))?;
        let kind = head["type"].as_str().ok_or_else(|| invalid("an event has no type"))?.to_string();
        let mut data = head["data"].as_object().cloned().unwrap_or_default();
        let more = announced(from, &head["data_length"], MOST_JSON)?;
        if !more.is_empty() {
            let more: Map<String, Value> =
                serde_json::from_slice(&more).map_err(|e| invalid(&format!("the data of an event: {e}")))?;
            data.extend(more);
        }
        let payload = announced(from, &head["payload_length"], MOST_PAYLOAD)?;
        Ok(Some(Event { kind, data, payload }))
    }

    /// Writes the event. Blocks until it is sent.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let data = Value::Object(self.data.clone()).to_string();
        let head = json!({"type": self.kind, "data_length": data.len(), "payload_length": self.payload.len()});
        to.write_all(format!("{head}\n{data}").as_bytes())?;
        to.write_all(&self.payload)?;
        to.flush()
    }
}

/// Reads the bytes whose number is `announced`.
fn announced(from: &mut impl Read, announced: &Value, most: usize) -> io::Result<Vec<u8>> {
    let length = match announced {
        Value::Null => 0,
        number => number.as_u64().ok_or_else(|| invalid("the length of a part of an event is no number"))?,
    };
    if length > most as u64 {
        return Err(invalid(&format!("a part of an event has {length} bytes; {most} are the most")));
    }
    let mut bytes = vec![0; length as usize];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_as_it_was_written_and_data_may_stand_in_the_line() {
        let sent = Event { payload: vec![1, 2, 3], ..Event::new("audio-chunk", json!({"rate": 16_000})) };
        let mut bytes = Vec::new();
        sent.write(&mut bytes).unwrap();
        bytes.extend(b"{\"type\": \"describe\", \"data\": {\"a\": \"b\"}}\n");
        let mut from = bytes.as_slice();
        assert_eq!(Event::read(&mut from).unwrap(), Some(sent));
        assert_eq!(Event::read(&mut from).unwrap(), Some(Event::new("describe", json!({"a": "b"}))));
        assert_eq!(Event::read(&mut from).unwrap(), None);
    }

    #[test]
    fn what_is_no_event_or_too_long_is_an_error() {
        let long = format!("{{\"type\": \"{}\"}}\n", "x".repeat(MOST_JSON));
        let cases = [
            "no json\n",
            "{}\n",
            "{\"type\": \"a\"",
            "{\"type\": \"a\", \"data_length\": -1}\n",
            "{\"type\": \"a\", \"data_length\": 4}\n[1]",
            "{\"type\": \"a\", \"data_length\": 2}\n[]",
            "{\"type\": \"a\", \"payload_length\": 1048577}\n",
            "{\"type\": \"a\", \"payload_length\": 10}\nabc",
            &long,
        ];
        for text in cases {
            assert!(Event::read(&mut text.as_bytes()).is_err(), "{text:.60}");
        }
    }
}
