//! The display for a person: the current level, then each decision and the outputs that it switched.

use std::io::{self, IsTerminal, Write};

use super::{Opened, Outcome, Press, Report, Sink, Switched, TaskEnd, in_words};
use crate::act::command::{Command, Origin};
use crate::decide::rules::{Verdict, with_probability};

/// Frames between two updates of the level: ten updates a second on a terminal, one a second elsewhere.
const LIVE: u32 = 6;
const LOGGED: u32 = 62;
/// Characters of the level bar. Each stands for 2 dB, from -80 dBFS on.
const BAR: usize = 40;

/// Shows the level: on a terminal as one moving bar, elsewhere as a line each second.
pub struct Meter {
    live: bool,
    frames: u32,
    loudest: f32,
    recording: Option<Opened>,
}

impl Meter {
    /// Makes a meter for standard output.
    pub fn on_stdout() -> Meter {
        Meter { live: io::stdout().is_terminal(), frames: 0, loudest: f32::MIN, recording: None }
    }

    /// Whether it is one moving bar.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// The characters that clear the bar before another line is written.
    pub fn clear(&self) -> &'static str {
        if self.live { "\r\x1b[K" } else { "" }
    }

    /// The text to write after a frame with the level `dbfs`, if an update is due. It shows the loudest frame since the
    /// last update. `recording` and `scratch` are as in [`Report::Level`].
    pub fn after(&mut self, dbfs: f32, recording: Option<Opened>, scratch: u64) -> Option<String> {
        self.frames += 1;
        self.loudest = self.loudest.max(dbfs);
        let changed = self.recording != recording;
        self.recording = recording;
        if !changed && self.frames < if self.live { LIVE } else { LOGGED } {
            return None;
        }
        let line = level(self.loudest, recording, scratch);
        (self.frames, self.loudest) = (0, f32::MIN);
        Some(if self.live { format!("{}{line}", self.clear()) } else { line + "\n" })
    }
}

/// The display.
pub struct Watch(Meter);

impl Watch {
    /// Makes a display on standard output. A terminal gets a moving bar.
    pub fn on_stdout() -> Watch {
        Watch(Meter::on_stdout())
    }
}

impl Sink for Watch {
    fn take(&mut self, report: &Report, commands: &[Command]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match report {
            Report::Level { dbfs, recording, scratch } => {
                if let Some(line) = self.0.after(*dbfs, *recording, *scratch) {
                    write!(out, "{line}")?;
                }
            }
            Report::Outcome(outcome) => writeln!(out, "{}{}", self.0.clear(), summary(outcome, commands))?,
            Report::Press(press) => writeln!(out, "{}{}", self.0.clear(), pressed(press))?,
            Report::Microphone(news) => writeln!(out, "{}{news}", self.0.clear())?,
            Report::Confirmation { command, step, .. } => {
                writeln!(out, "{}confirmation of {command}: {}", self.0.clear(), step.code())?
            }
            Report::Task(end) => writeln!(out, "{}{}", self.0.clear(), ended(end))?,
        }
        out.flush()
    }
}

fn level(dbfs: f32, recording: Option<Opened>, scratch: u64) -> String {
    let filled = ((dbfs + 80.0) / 2.0).clamp(0.0, BAR as f32) as usize;
    let (bar, rest) = ("#".repeat(filled), ".".repeat(BAR - filled));
    let opened = recording.map(|opened| match opened {
        Opened::Voice => "speech",
        Opened::Button => "button held",
    });
    let state = opened.map(|what| format!("{what}, {:.0} kB in scratch", scratch as f32 / 1000.0)).unwrap_or_default();
    format!("  {dbfs:6.1} dBFS |{bar}{rest}| {state}").trim_end().to_string()
}

fn summary(outcome: &Outcome, commands: &[Command]) -> String {
    let number = outcome.utterance;
    let scores = outcome.heard.as_ref().map(|heard| {
        let runner_up =
            heard.runner_up.as_ref().map(|r| format!(", runner-up {:?}", r.sentence.words)).unwrap_or_default();
        let took = heard.took.total.as_millis();
        let log_odds = outcome.assessment.map(|a| format!(", log-odds {}", with_probability(a.log_odds)));
        format!("heard {:?}{}{runner_up}, {took} ms", heard.text, log_odds.unwrap_or_default())
    });
    let decided = match (&outcome.verdict, outcome.carried_out()) {
        (Verdict::Accepted, Some(sentence)) => format!("{:?} -> {}", sentence.words, commands[sentence.command].name),
        (Verdict::Accepted, None) => "accepted".into(),
        (Verdict::Rejected(reason), _) => format!("refused: {reason}"),
    };
    let mut lines = vec![format!("#{number} {decided}")];
    lines.extend(scores.map(|scores| format!("   {scores}")));
    for switched in &outcome.switched {
        let ms = outcome.latency_ms.map(|ms| format!(", {ms:.0} ms after the end of speech")).unwrap_or_default();
        lines.push(format!("   {}{ms}", what(switched)));
    }
    let scratch = outcome.scratch;
    lines.push(format!("   scratch {} of {} bytes", scratch.used, scratch.capacity));
    lines.join("\n")
}

fn what(switched: &Switched) -> String {
    let state = match &switched.duty {
        Ok(duty) if switched.later => format!("{} later, when its limits allow", in_words(*duty)),
        Ok(duty) => in_words(*duty),
        Err(error) => error.clone(),
    };
    format!("{} ({}) {state}", switched.output, switched.line)
}

fn ended(TaskEnd { task, command, fate, took, .. }: &TaskEnd) -> String {
    let reason = fate.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{task} of {command} {}{reason}, {} ms", fate.code(), took.as_millis())
}

fn pressed(press: &Press) -> String {
    let refused = press.refusal.as_ref().map(|reason| format!(" refused: {reason}")).unwrap_or_default();
    let origin = match &press.origin {
        Origin::Button(name) => format!("button {name}"),
        Origin::Mqtt => "mqtt".into(),
        Origin::Wyoming => "wyoming".into(),
    };
    let mut lines = vec![format!("{origin} -> {}{refused}", press.command.as_deref().unwrap_or("outputs"))];
    lines.extend(press.switched.iter().map(|switched| format!("   {}", what(switched))));
    lines.join("\n")
}
