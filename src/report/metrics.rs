//! Metrics in the text format of Prometheus. They are counted where a report is made, so that a destination that hangs
//! does not stop them, and rendered when somebody asks.
//!
//! The names follow the conventions of Prometheus: the prefix `hearken_`, base units, `_total` for what only grows. A
//! label never holds words that were heard, and has a limited number of values.

use std::fmt::{Display, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::levels::Levels;
use super::{Fate, Outcome, Press, Report, TaskEnd};
use crate::act::command::{Command, Origin, Output};
use crate::act::states::States;
use crate::act::task::Task;
use crate::audio::FRAME;
use crate::audio::supervisor::Counters;
use crate::decide::confirm::Step;
use crate::decide::rules::{Reason, Verdict};
use crate::utterance::scratch::Scratch;

/// Most commands that are counted by name. Prometheus keeps a series for each, and a page with more is not read by a
/// person. The commands after them are counted together, as `other`.
const MOST_COMMANDS: usize = 200;
/// The upper ends of the buckets of a time, in seconds: from a stage on a desktop to the deadline of a decision.
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];

/// What becomes of an upload: it was decided, there were too many, it was refused for another reason, or it failed
/// here.
const UPLOADS: [&str; 4] = ["decided", "too-many", "refused", "failed"];

/// Where metrics are written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsSettings {
    /// A file for node_exporter's textfile collector.
    pub file: Option<PathBuf>,
    /// Time between two writes of the file.
    pub every: Duration,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        MetricsSettings { file: None, every: Duration::from_secs(15) }
    }
}

/// All metrics of the program. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    counts: Mutex<Counts>,
    parts: Parts,
    /// Seconds since 1970 at which counting began.
    begun: f64,
}

/// The parts of the daemon whose own counters are shown too.
#[derive(Debug)]
pub struct Parts {
    /// The names of the commands, in their order.
    pub commands: Vec<String>,
    /// The names of the outputs, in their order.
    pub outputs: Vec<String>,
    /// The states of the outputs.
    pub states: States,
    /// The scratch.
    pub scratch: Scratch,
    /// The counters of the microphone; `None` for another source of sound, or none.
    pub microphone: Option<Arc<Counters>>,
}

impl Parts {
    /// The parts for these `commands` and `outputs`.
    pub fn new(
        commands: &[Command],
        (outputs, states): (&[Output], &States),
        scratch: &Scratch,
        microphone: Option<Arc<Counters>>,
    ) -> Parts {
        Parts {
            commands: commands.iter().map(|command| command.name.clone()).collect(),
            outputs: outputs.iter().map(|output| output.name.clone()).collect(),
            states: states.clone(),
            scratch: scratch.clone(),
            microphone,
        }
    }
}

impl Metrics {
    /// Metrics that begin at zero.
    pub fn new(parts: Parts) -> Metrics {
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let counts = Mutex::new(Counts::new(parts.commands.len(), parts.outputs.len()));
        Metrics(Arc::new(Shared { counts, parts, begun }))
    }

    /// Counts a report. Takes microseconds.
    pub fn count(&self, report: &Report) {
        self.counts().count(report, &self.0.parts);
    }

    /// Counts a frame of this level in dBFS. Takes less than a microsecond.
    pub fn level(&self, dbfs: f32) {
        self.counts().levels.push(dbfs);
    }

    /// Counts a report that was dropped, because whoever reads reports is too slow.
    pub fn dropped(&self) {
        self.counts().dropped += 1;
    }

    /// Counts a request for a decision that was answered with this status of HTTP.
    pub fn upload(&self, status: u16) {
        let outcome = match status {
            200..300 => 0,
            429 => 1,
            400..500 => 2,
            _ => 3,
        };
        self.counts().uploads[outcome] += 1;
    }

    /// All metrics in the text format, version 0.0.4: for the content type `text/plain; version=0.0.4`.
    pub fn render(&self) -> String {
        // The listener counts levels, so formatting does not hold the lock.
        let counts = self.counts().clone();
        let mut text = Text::default();
        text.of_program(self.0.begun, counts.dropped);
        text.of_decisions(&counts, &self.0.parts);
        text.of_sound(&counts, self.0.parts.microphone.as_deref());
        text.of_scratch(&self.0.parts.scratch);
        text.of_outputs(&counts, &self.0.parts);
        text.0
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Counts are numbers, each of which is right even if a thread panicked between two of them.
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many times fell into each bucket, and their sum.
#[derive(Debug, Clone, Default)]
struct Histogram {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    fn push(&mut self, seconds: f64) {
        self.count += 1;
        self.sum += seconds;
        if let Some(bucket) = BUCKETS.iter().position(|end| seconds <= *end) {
            self.buckets[bucket] += 1;
        }
    }
}

/// What was counted from reports.
#[derive(Debug, Clone, Default)]
struct Counts {
    accepted: u64,
    /// By the place of the rule in [`Reason::CODES`].
    rejected: [u64; Reason::CODES.len()],
    /// By command: said, and pressed. The last one is for all commands after [`MOST_COMMANDS`].
    commands: Vec<[u64; 2]>,
    presses_refused: u64,
    /// Of mel, encode and search.
    stages: [Histogram; 3],
    decision: Histogram,
    response: Histogram,
    levels: Levels,
    /// By the place of the kind in [`Task::KINDS`], and that of the fate in [`Fate::CODES`].
    tasks: [[u64; Fate::CODES.len()]; Task::KINDS.len()],
    /// By the place of the step in [`Step::CODES`].
    steps: [u64; Step::CODES.len()],
    /// By the place of the outcome in [`UPLOADS`].
    uploads: [u64; UPLOADS.len()],
    /// By output: requests that its pin did not follow.
    faults: Vec<u64>,
    dropped: u64,
}

impl Counts {
    fn new(commands: usize, outputs: usize) -> Counts {
        let commands = vec![[0; 2]; commands.min(MOST_COMMANDS + 1)];
        Counts { commands, faults: vec![0; outputs], ..Counts::default() }
    }

    fn count(&mut self, report: &Report, parts: &Parts) {
        let switched = match report {
            Report::Outcome(outcome) => {
                self.outcome(outcome);
                &outcome.switched
            }
            Report::Press(press) => {
                self.press(press, parts);
                &press.switched
            }
            Report::Task(end) => return self.task(end),
            Report::Confirmation { step, .. } => return self.steps[*step as usize] += 1,
            Report::Level { .. } | Report::Microphone(_) => return,
        };
        for failed in switched.iter().filter(|switched| switched.duty.is_err()) {
            let output = parts.outputs.iter().position(|name| *name == failed.output);
            output.into_iter().for_each(|output| self.faults[output] += 1);
        }
    }

    fn outcome(&mut self, outcome: &Outcome) {
        match &outcome.verdict {
            Verdict::Accepted => {
                self.accepted += 1;
                outcome.carried_out().into_iter().for_each(|sentence| self.command(sentence.command, 0));
                outcome.latency_ms.into_iter().for_each(|ms| self.response.push(ms / 1000.0));
            }
            Verdict::Rejected(reason) => {
                let rule = Reason::CODES.iter().position(|code| *code == reason.code());
                rule.into_iter().for_each(|rule| self.rejected[rule] += 1);
            }
        }
        if let Some(heard) = &outcome.heard {
            let took = &heard.took;
            for (stage, took) in self.stages.iter_mut().zip([took.mel, took.encode, took.search]) {
                stage.push(took.as_secs_f64());
            }
            self.decision.push(took.total.as_secs_f64());
        }
    }

    fn press(&mut self, press: &Press, parts: &Parts) {
        match (&press.refusal, &press.origin) {
            // The metric counts buttons. What programs ask for is seen in the pins.
            (_, Origin::Mqtt | Origin::Wyoming) => {}
            (Some(_), _) => self.presses_refused += 1,
            (None, _) => {
                let command = parts.commands.iter().position(|name| Some(name) == press.command.as_ref());
                command.into_iter().for_each(|command| self.command(command, 1));
            }
        }
    }

    fn task(&mut self, end: &TaskEnd) {
        let kind = Task::KINDS.iter().position(|kind| *kind == end.task);
        let fate = Fate::CODES.iter().position(|code| *code == end.fate.code());
        kind.zip(fate).into_iter().for_each(|(kind, fate)| self.tasks[kind][fate] += 1);
    }

    fn command(&mut self, command: usize, source: usize) {
        if let Some(counted) = self.commands.get_mut(command.min(MOST_COMMANDS)) {
            counted[source] += 1;
        }
    }
}

/// Lines in the text format.
#[derive(Debug, Default)]
struct Text(String);

impl Text {
    fn family(&mut self, kind: &str, name: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    /// A family with one sample.
    fn single(&mut self, kind: &str, name: &str, help: &str, value: impl Display) {
        self.family(kind, name, help);
        self.sample(name, &[], value);
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram) {
        let mut below = 0;
        let ends = BUCKETS.iter().map(f64::to_string).zip(histogram.buckets);
        for (end, count) in ends {
            below += count;
            self.sample(&format!("{name}_bucket"), &[labels, &[("le", &end)]].concat(), below);
        }
        self.sample(&format!("{name}_bucket"), &[labels, &[("le", "+Inf")]].concat(), histogram.count);
        self.sample(&format!("{name}_sum"), labels, histogram.sum);
        self.sample(&format!("{name}_count"), labels, histogram.count);
    }

    fn of_program(&mut self, begun: f64, dropped: u64) {
        self.family("gauge", "hearken_build_info", "The version of the program; always 1.");
        self.sample("hearken_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        let help =
            "When counting began, in seconds since 1970: at the start, and when the configuration was read again.";
        self.single("gauge", "hearken_start_time_seconds", help, begun);
        let help = "Reports that were dropped because whoever reads events is too slow.";
        self.single("counter", "hearken_reports_dropped_total", help, dropped);
    }

    fn of_decisions(&mut self, counts: &Counts, parts: &Parts) {
        let name = "hearken_utterances_total";
        self.family("counter", name, "Utterances that were decided or lost, by verdict and by the rule that refused.");
        self.sample(name, &[("verdict", "accepted"), ("rule", "none")], counts.accepted);
        for (code, count) in Reason::CODES.iter().zip(counts.rejected) {
            self.sample(name, &[("verdict", "rejected"), ("rule", code)], count);
        }
        let name = "hearken_commands_total";
        self.family("counter", name, "Commands that were carried out, by name and by who asked.");
        for (command, sources) in counts.commands.iter().enumerate() {
            let command = if command == MOST_COMMANDS { "other" } else { &parts.commands[command] };
            for (source, count) in ["voice", "button"].iter().zip(sources) {
                self.sample(name, &[("command", command), ("source", source)], count);
            }
        }
        let help = "Presses of buttons whose command was refused.";
        self.single("counter", "hearken_presses_refused_total", help, counts.presses_refused);
        let name = "hearken_tasks_total";
        self.family("counter", name, "Tasks of commands, by kind and by what became of them.");
        for (kind, fates) in Task::KINDS.iter().zip(counts.tasks) {
            for (code, count) in Fate::CODES.iter().zip(fates) {
                self.sample(name, &[("task", kind), ("outcome", code)], count);
            }
        }
        let name = "hearken_confirmations_total";
        self.family("counter", name, "Commands that waited to be confirmed, and what became of them.");
        for (code, count) in Step::CODES.iter().zip(counts.steps) {
            self.sample(name, &[("step", code)], count);
        }
        let name = "hearken_uploads_total";
        self.family("counter", name, "Requests with a recording that came by HTTP, and what became of them.");
        for (outcome, count) in UPLOADS.iter().zip(counts.uploads) {
            self.sample(name, &[("outcome", outcome)], count);
        }
        let name = "hearken_stage_duration_seconds";
        self.family("histogram", name, "Time that the stages of a decision took.");
        for (stage, histogram) in ["mel", "encode", "search"].iter().zip(&counts.stages) {
            self.histogram(name, &[("stage", stage)], histogram);
        }
        let name = "hearken_decision_duration_seconds";
        self.family("histogram", name, "Time that a decision took as a whole.");
        self.histogram(name, &[], &counts.decision);
        let name = "hearken_response_duration_seconds";
        self.family("histogram", name, "Time from the end of an accepted sentence until all outputs were switched.");
        self.histogram(name, &[], &counts.response);
    }

    fn of_sound(&mut self, counts: &Counts, microphone: Option<&Counters>) {
        if microphone.is_none() && counts.levels.frames() == 0 {
            // It only serves uploads, and is not deaf.
            return;
        }
        let seconds = counts.levels.frames() as f64 * FRAME.as_secs_f64();
        self.single("counter", "hearken_sound_seconds_total", "Length of the sound that was listened to.", seconds);
        if let Some([floor, loudest]) = counts.levels.floor_and_loudest() {
            let help = "Level in dBFS below which a tenth of the frames of the last 30 to 60 seconds are.";
            self.single("gauge", "hearken_noise_floor_dbfs", help, floor);
            let help = "Level in dBFS of the loudest frame of the last 30 to 60 seconds.";
            self.single("gauge", "hearken_input_peak_dbfs", help, loudest);
        }
        let Some(m) = microphone.map(Counters::read) else { return };
        self.single("gauge", "hearken_microphone_open", "Whether samples flow: 1 or 0.", u8::from(m.open));
        let help = "Whether all samples of the last minute were zero: 1 or 0.";
        self.single("gauge", "hearken_microphone_mute", help, u8::from(m.mute));
        let counters = [
            ("hearken_microphone_opened_total", "Streams of the microphone that began.", m.opened),
            ("hearken_microphone_attempts_total", "Attempts to open the microphone.", m.attempts),
            ("hearken_microphone_faults_total", "Streams of the microphone that were lost.", m.faults),
            ("hearken_microphone_overruns_total", "Overruns that the driver reported.", m.overruns),
            ("hearken_samples_lost_total", "Samples that were dropped because the queue was full.", m.lost),
        ];
        counters.into_iter().for_each(|(name, help, value)| self.single("counter", name, help, value));
    }

    fn of_scratch(&mut self, scratch: &Scratch) {
        let u = scratch.usage();
        let gauges = [
            ("hearken_scratch_bytes", "Bytes that recordings take now.", u.used),
            ("hearken_scratch_high_water_bytes", "Most bytes that recordings ever took at once.", u.high_water),
            ("hearken_scratch_capacity_bytes", "Bytes that recordings may take.", u.capacity),
        ];
        gauges.into_iter().for_each(|(name, help, value)| self.single("gauge", name, help, value));
        let counters = [
            ("hearken_recordings_total", "Recordings that were begun.", u.made),
            ("hearken_scratch_written_bytes_total", "Bytes that were written into recordings.", u.written),
            ("hearken_deletions_failed_total", "Kept recordings that could not be deleted.", u.deletions_failed),
        ];
        counters.into_iter().for_each(|(name, help, value)| self.single("counter", name, help, value));
    }

    fn of_outputs(&mut self, counts: &Counts, Parts { outputs, states, .. }: &Parts) {
        let named = || outputs.iter().enumerate();
        let name = "hearken_output_ratio";
        self.family("gauge", name, "State of an output: 0 is off, 1 is on, and between them it is dimmed.");
        for (i, output) in named() {
            self.sample(name, &[("output", output)], f64::from(states.duty(i).get()) / 1000.0);
        }
        let name = "hearken_output_changes_total";
        self.family("counter", name, "How often an output went on or off, for whatever reason.");
        for (i, output) in named() {
            self.sample(name, &[("output", output)], states.changes(i));
        }
        let name = "hearken_output_faults_total";
        self.family("counter", name, "Requests that the pin of an output did not follow.");
        for (i, output) in named() {
            self.sample(name, &[("output", output)], counts.faults[i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Switched;
    use crate::utterance::scratch::ScratchSettings;

    fn metrics(commands: usize) -> Metrics {
        let scratch = Scratch::new("/dev/shm".into(), &ScratchSettings::default());
        let commands = (0..commands).map(|i| format!("c{i}")).collect();
        let states = States::at_rest(&[]);
        Metrics::new(Parts { commands, outputs: vec!["lamp".into()], states, scratch, microphone: None })
    }

    fn press(command: &str, refusal: Option<Reason>, duty: Result<crate::act::gpio::Duty, String>) -> Report {
        let lamp = Switched { output: "lamp".into(), line: "GPIO5".into(), duty, dims: false, later: false };
        let (origin, command) = (Origin::Button("wall".into()), Some(command.into()));
        Report::Press(Press { origin, command, refusal, switched: vec![lamp] })
    }

    #[test]
    fn reports_are_counted_and_a_name_that_is_not_configured_makes_no_series() {
        let metrics = metrics(MOST_COMMANDS + 5);
        let lost = Outcome::undecided(1, Reason::Lost("gone".into()), metrics.0.parts.scratch.usage());
        let on = Ok(crate::act::gpio::Duty::FULL);
        let reports = [
            Report::Outcome(Box::new(lost)),
            press("c1", None, on.clone()),
            press("c1", Some(Reason::NoSentence), on.clone()),
            press("c199", None, on.clone()),
            press("c200", None, on.clone()),
            press("c204", None, Err("the wire is off".into())),
            press("nobody", None, on),
        ];
        reports.iter().for_each(|report| metrics.count(report));
        metrics.dropped();
        [200, 204, 400, 404, 429, 500, 503].into_iter().for_each(|status| metrics.upload(status));
        let counts = metrics.counts().clone();
        assert_eq!(counts.rejected.iter().sum::<u64>(), 1);
        assert_eq!(counts.uploads, [2, 1, 2, 2]);
        assert_eq!((counts.presses_refused, counts.dropped, &counts.faults), (1, 1, &vec![1]));
        let pressed: Vec<(usize, u64)> = counts.commands.iter().map(|c| c[1]).enumerate().filter(|c| c.1 > 0).collect();
        assert_eq!(pressed, [(1, 1), (199, 1), (MOST_COMMANDS, 2)]);
    }

    #[test]
    fn a_histogram_counts_a_time_in_each_bucket_that_it_is_below() {
        let mut histogram = Histogram::default();
        [0.001, 0.005, 0.15, 60.0].into_iter().for_each(|seconds| histogram.push(seconds));
        let mut text = Text::default();
        text.histogram("t", &[("stage", "a\"b")], &histogram);
        for line in ["le=\"0.005\"} 2", "le=\"0.1\"} 2", "le=\"0.2\"} 3", "le=\"5\"} 3", "le=\"+Inf\"} 4"] {
            assert!(text.0.contains(&format!("t_bucket{{stage=\"a\\\"b\",{line}\n")), "{line}: {}", text.0);
        }
        assert!(text.0.ends_with("t_sum{stage=\"a\\\"b\"} 60.156\nt_count{stage=\"a\\\"b\"} 4\n"), "{}", text.0);
    }
}
