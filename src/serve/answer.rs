//! The answers of the HTTP server: decisions, transcripts and refusals. No input or output.
//!
//! Transcripts and errors have the form of OpenAI's API, so that its clients understand them:
//! <https://platform.openai.com/docs/api-reference/audio/createTranscription>.

use serde_json::{Value, json};

use super::queue::Decision;
use crate::act::command::Command;
use crate::recognize::Heard;
use crate::report::fields;

/// A request that is not answered as it was wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status of HTTP.
    pub status: u16,
    /// A code for programs.
    pub code: &'static str,
    /// What was wrong and what would be right.
    pub message: String,
    /// The field that was wrong.
    pub param: Option<&'static str>,
    /// The method that is right, if the method was wrong.
    pub allow: Option<&'static str>,
}

impl Refusal {
    /// A refusal with this status, code and message.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status, code, message: message.into(), param: None, allow: None }
    }

    /// The same for a field of the form.
    pub fn of(self, param: &'static str) -> Refusal {
        Refusal { param: Some(param), ..self }
    }

    /// Whether the same request may succeed a second later.
    pub fn passes(&self) -> bool {
        matches!(self.status, 429 | 503)
    }

    /// Its body.
    pub fn body(&self) -> Value {
        let kind = match self.status {
            401 | 403 => "authentication_error",
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        json!({"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}})
    }
}

/// The form of a transcript.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// An object with the text.
    #[default]
    Json,
    /// The text alone.
    Text,
    /// An object with the text, its language, length and scores.
    Verbose,
}

impl Format {
    /// The names of the forms.
    pub const NAMES: [(&'static str, Format); 3] =
        [("json", Format::Json), ("text", Format::Text), ("verbose_json", Format::Verbose)];

    /// The form of this name.
    ///
    /// # Errors
    /// That there is no such form here.
    pub fn named(name: &str) -> Result<Format, Refusal> {
        let found = Format::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format);
        found.ok_or_else(|| {
            let needed = format!("response_format {name:?} is not known; use json, text or verbose_json");
            Refusal::new(400, "invalid_value", needed).of("response_format")
        })
    }
}

/// The decision as `hearken decide --json` prints it.
///
/// # Errors
/// That recognition failed.
pub fn decision(decision: &Decision, commands: &[Command]) -> Result<Value, Refusal> {
    heard(decision)?;
    let Decision { heard, assessment, verdict } = decision;
    Ok(Value::Object(fields::decision(heard.as_ref(), assessment.as_ref(), verdict, commands)))
}

/// The transcript: what Whisper wrote, whatever the grammar is. It is one segment; OpenAI's `tokens`, `avg_logprob` and
/// `compression_ratio` are left out.
///
/// # Errors
/// That recognition failed.
pub fn transcript(decision: &Decision, format: Format) -> Result<Value, Refusal> {
    let heard = heard(decision)?;
    let seconds = heard.duration_ms as f64 / 1000.0;
    Ok(match format {
        Format::Text => json!(heard.text),
        Format::Json => json!({"text": heard.text}),
        Format::Verbose => json!({
            "task": "transcribe", "language": "english", "duration": seconds, "text": heard.text,
            "segments": [{
                "id": 0, "seek": 0, "start": 0.0, "end": seconds, "text": heard.text, "temperature": 0.0,
                "no_speech_prob": heard.no_speech,
            }],
        }),
    })
}

fn heard(decision: &Decision) -> Result<&Heard, Refusal> {
    let lost = || Refusal::new(500, "not_recognized", "the recording could not be recognized; the log says why");
    decision.heard.as_ref().ok_or_else(lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::rules::{Reason, Verdict};
    use crate::recognize::example;

    #[test]
    fn a_transcript_has_the_form_that_was_asked_for() {
        let heard = Some(example::heard("Turn on the lamp.", "turn on the lamp"));
        let decided = Decision { heard, assessment: None, verdict: Verdict::Accepted };
        assert_eq!(transcript(&decided, Format::Json).unwrap(), json!({"text": "Turn on the lamp."}));
        assert_eq!(transcript(&decided, Format::Text).unwrap(), json!("Turn on the lamp."));
        let verbose = transcript(&decided, Format::named("verbose_json").unwrap()).unwrap();
        assert_eq!((&verbose["language"], &verbose["segments"][0]["text"]), (&json!("english"), &verbose["text"]));
        let refusal = Format::named("srt").unwrap_err();
        assert_eq!((refusal.status, refusal.param), (400, Some("response_format")));
    }

    #[test]
    fn a_failure_of_recognition_is_the_servers() {
        let verdict = Verdict::Rejected(Reason::Lost("no memory".into()));
        let lost = Decision { heard: None, assessment: None, verdict };
        let refusal = decision(&lost, &[]).unwrap_err();
        assert_eq!(refusal.status, 500);
        assert_eq!(refusal.body()["error"]["type"], "server_error");
    }
}
