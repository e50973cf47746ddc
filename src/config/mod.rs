//! The configuration: one TOML file in, checked [`Settings`] out, or every fault in it.
//!
//! Reading opens nothing but the file: no device, no model, no pin.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::board::Board;
use crate::act::buttons::Button;
use crate::act::command::{Command, Output};
use crate::act::gpio::{Backend, GpioSettings};
use crate::audio::microphone::MicrophoneSettings;
use crate::decide::rules::Thresholds;
use crate::decide::weights::Weights;
use crate::document::{Document, Placed, Problems, Section, Value, nearest};
use crate::grammar::{Grammar, template};
use crate::recognize::models;
use crate::recognize::settings::RecognizerSettings;
use crate::recognize::settings::SearchSettings;
use crate::utterance::endpoint::EndpointSettings;
use crate::utterance::scratch::{KeepSettings, ScratchSettings};

pub mod board;
mod buttons;
mod deeds;
pub mod edit;
pub mod lint;
mod outputs;
mod sentences;
mod sounds_alike;
mod units;

pub use sentences::Templates;

/// How many refusals a wrong action may cost.
pub(crate) const WRONG_COSTS: std::ops::RangeInclusive<f64> = 0.01..=10_000.0;
/// What may be added to the log-odds, in nats.
const OFFSETS: std::ops::RangeInclusive<f64> = -100.0..=100.0;
/// Keys of `[thresholds]` that there were before the decision had weights, and what has taken their place.
const OLD_THRESHOLDS: [(&str, &str); 5] = [
    ("evidence", "wrong_costs = 5 says how many refusals a wrong action costs; `hearken calibrate` sets offset"),
    ("margin", "the lead over the runner-up is a feature; wrong_costs = 5 decides how much of it is needed"),
    ("speech", "how much of the sound is speech is a feature; wrong_costs = 5 decides what is enough"),
    (
        "no_speech",
        "whether anybody spoke is not asked of Whisper any more; wrong_costs = 5 decides how sure it must be",
    ),
    ("commands", "wrong_costs = 20 in a command's own section, or offsets, which `hearken calibrate` sets"),
];

/// Least capacity of scratch, in bytes: the longest utterance at the longest setting is 0.9 MB.
const LEAST_CAPACITY: u64 = 1 << 20;

/// Most recordings kept: each holds two descriptors of the 1024 that a process usually has.
const MOST_KEPT: i64 = 200;

/// A checked configuration.
#[derive(Debug)]
pub struct Settings {
    /// The board.
    pub board: Board,
    /// Which microphone.
    pub microphone: MicrophoneSettings,
    /// When an utterance begins and ends.
    pub endpoint: EndpointSettings,
    /// How much recordings may take.
    pub scratch: ScratchSettings,
    /// How to recognize.
    pub recognizer: RecognizerSettings,
    /// What a command must reach.
    pub thresholds: Thresholds,
    /// How pins are driven.
    pub gpio: GpioSettings,
    /// What is switched.
    pub outputs: Vec<Output>,
    /// What is done, by the index that the grammar's sentences carry.
    pub commands: Vec<Command>,
    /// What is pressed.
    pub buttons: Vec<Button>,
    /// What may be said.
    pub grammar: Arc<Grammar>,
}

impl Settings {
    /// A warning in words, if nobody has fitted the weights of the decision for the model.
    pub fn unfitted(&self) -> Option<String> {
        let RecognizerSettings { model, sha256, .. } = &self.recognizer;
        models::table(model, sha256.as_deref()).is_none().then(|| {
            let of = &self.thresholds.weights.model;
            format!("{model}: no weights are fitted for this model, so those of {of} decide; `make fit` or `hearken calibrate` helps")
        })
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        cause: std::io::Error,
    },
    /// The file has faults.
    #[error(transparent)]
    Faulty(#[from] Problems),
}

/// Longest configuration that is read, in bytes. Ten thousand templates take half of it.
const MAX_BYTES: u64 = 4 << 20;

/// Reads and checks the configuration `path`.
///
/// # Errors
/// [`ConfigError`] with all faults of the file.
pub fn load(path: &Path) -> Result<Settings, ConfigError> {
    Ok(parse(&path.display().to_string(), &read_text(path)?)?)
}

/// Reads the configuration `path`, unchecked.
///
/// # Errors
/// [`ConfigError::Io`].
pub fn read_text(path: &Path) -> Result<String, ConfigError> {
    let io = |cause| ConfigError::Io { path: path.into(), cause };
    let length = std::fs::metadata(path).map_err(io)?;
    if !length.is_file() || length.len() > MAX_BYTES {
        let what = format!("not a regular file of at most {} MiB", MAX_BYTES >> 20);
        return Err(io(std::io::Error::other(what)));
    }
    std::fs::read_to_string(path).map_err(io)
}

/// Reads the configuration `text`, called `name` in messages.
///
/// # Errors
/// All faults.
pub fn parse(name: &str, text: &str) -> Result<Settings, Problems> {
    let settings = Document::new(name, text).read(read)?;
    Ok(settings.expect("a configuration without problems should give settings"))
}

/// The templates of the configuration `text`, which must be good.
///
/// # Errors
/// Its faults, as far as they are found.
pub fn templates(name: &str, text: &str) -> Result<Templates, Problems> {
    Document::new(name, text).read(|root| sentences::templates(&root))
}

fn read(root: Section<'_>) -> Option<Settings> {
    let board = root.need("board", "board = \"pi-5\"").and_then(|v| {
        let name = v.string()?;
        board::named(&name.value).map_err(|what| v.problem(what)).ok()
    });
    let microphone = section(&root, "microphone", microphone);
    let endpoint = section(&root, "endpoint", endpoint);
    let scratch = section(&root, "scratch", scratch);
    let recognizer = section(&root, "recognizer", |s| recognizer(s, board.as_ref()));
    let gpio = section(&root, "gpio", |s| gpio(s, board.as_ref()));
    let outputs = outputs::read(&root, board.as_ref(), &gpio);
    let (commands, grammar, command_costs) = sentences::read(&root, &outputs)?;
    let buttons = buttons::read(&root, board.as_ref(), &gpio, &outputs, &commands);
    let weights = Weights::of_model(&recognizer.model, recognizer.sha256.as_deref()).into();
    let usual = Thresholds { weights, command_costs, ..Thresholds::default() };
    let thresholds = section(&root, "thresholds", |s| thresholds(s, &commands, usual));
    root.end();
    Some(Settings {
        board: board?,
        microphone,
        endpoint,
        scratch,
        recognizer,
        thresholds,
        gpio,
        outputs,
        commands,
        buttons,
        grammar: Arc::new(grammar),
    })
}

/// Reads a section that may be missing: then it is as if it were there and empty.
fn section<T>(root: &Section<'_>, name: &str, read: impl FnOnce(Option<&Section<'_>>) -> T) -> T {
    let section = root.get(name).and_then(|v| v.section());
    let settings = read(section.as_ref());
    if let Some(section) = section {
        section.end();
    }
    settings
}

/// The entries of a section whose keys are names that the user gives.
fn named_entries(section: Section<'_>) -> Vec<(Placed<String>, Value<'_>)> {
    let entries = section.entries();
    for (name, _) in entries.iter().filter(|(name, _)| !template::is_name(&name.value)) {
        section.problem_at(name, "a name of letters, digits, _ and - is needed");
    }
    entries
}

/// Says that there is no `kind` called `name`, and what was probably meant, or an `example` of one.
fn unknown(kind: &str, name: &str, mut known: Vec<&str>, example: &str) -> String {
    known.sort_unstable();
    match (nearest(name, &known), known.as_slice()) {
        (Some(near), _) => format!("there is no {kind} {name:?}; did you mean {near:?}?"),
        (None, []) => format!("there is no {kind} {name:?}; make one: [{kind}s.{name}] with {example}"),
        (None, known) => format!("there is no {kind} {name:?}; there are: {}", known.join(", ")),
    }
}

fn microphone(section: Option<&Section<'_>>) -> MicrophoneSettings {
    let mut settings = MicrophoneSettings::default();
    let Some(section) = section else { return settings };
    if let Some(device) = section.get("device").and_then(|v| v.string()) {
        if device.value.is_empty() {
            section.problem_at(&device, "an id that `hearken devices` prints is needed, or \"default\"");
        }
        settings.device = device.value;
    }
    if let Some(gain) = section.get("gain_db").and_then(|v| v.number(-40.0..=60.0)) {
        settings.gain_db = gain as f32;
    }
    settings
}

fn endpoint(section: Option<&Section<'_>>) -> EndpointSettings {
    let mut settings = EndpointSettings::default();
    let Some(section) = section else { return settings };
    let time = |name: &str, range: std::ops::RangeInclusive<u64>, into: &mut Duration| {
        let range = Duration::from_millis(*range.start())..=Duration::from_millis(*range.end());
        if let Some(time) = section.get(name).and_then(|v| units::duration(&v, range)) {
            *into = time;
        }
    };
    time("pre_roll", 0..=2_000, &mut settings.pre_roll);
    time("post_roll", 0..=2_000, &mut settings.post_roll);
    time("hangover", 100..=3_000, &mut settings.hangover);
    time("min_speech", 50..=2_000, &mut settings.min_speech);
    time("max_length", 1_000..=28_000, &mut settings.max_length);
    let probability = |name: &str, into: &mut f32| {
        if let Some(p) = section.get(name).and_then(|v| v.number(0.05..=0.99)) {
            *into = p as f32;
        }
    };
    probability("on", &mut settings.on);
    probability("off", &mut settings.off);
    if settings.max_length <= settings.pre_roll + settings.hangover + settings.min_speech {
        section.problem("max_length is not above pre_roll, hangover and min_speech together; no sentence would fit");
    }
    if settings.off > settings.on {
        section.problem("off is above on; speech could never go on");
    }
    settings
}

fn scratch(section: Option<&Section<'_>>) -> ScratchSettings {
    let mut settings = ScratchSettings::default();
    let Some(section) = section else { return settings };
    if let Some(capacity) = section.get("capacity").and_then(|v| units::bytes(&v, LEAST_CAPACITY..=1 << 32)) {
        settings.capacity = capacity;
    }
    if let Some(require) = section.get("require_tmpfs").and_then(|v| v.boolean()) {
        settings.require_tmpfs = require;
    }
    settings.keep = section.get("keep").and_then(|v| v.section()).and_then(keep);
    let ages = Duration::from_secs(60)..=Duration::from_secs(365 * 24 * 3600);
    if let Some(age) = section.get("sweep_after").and_then(|v| units::duration(&v, ages)) {
        settings.sweep_after = age;
    }
    settings
}

fn keep(section: Section<'_>) -> Option<KeepSettings> {
    let last = section.need("last", "last = 20").and_then(|v| v.integer(1..=MOST_KEPT));
    let capacity = section.need("capacity", "capacity = \"4 MiB\"");
    let capacity = capacity.and_then(|v| units::bytes(&v, LEAST_CAPACITY..=1 << 32));
    section.end();
    Some(KeepSettings { last: last? as usize, capacity: capacity? })
}

fn recognizer(section: Option<&Section<'_>>, board: Option<&Board>) -> RecognizerSettings {
    let mut settings = RecognizerSettings::default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if let Some(board) = board {
        settings.model = board.model.clone();
        settings.threads = board.threads.min(cores);
    }
    let Some(section) = section else { return settings };
    if let Some(sha256) = section.get("sha256").and_then(|v| v.string()) {
        if !models::is_sha256(&sha256.value) {
            section.problem_at(&sha256, "64 lower-case hexadecimal digits are needed, as sha256sum prints them");
        }
        settings.sha256 = Some(sha256.value);
    }
    if let Some(model) = section.get("model").and_then(|v| v.string()) {
        if let (Err(error), None) = (models::known(&model.value), &settings.sha256) {
            section.problem_at(&model, error.to_string());
        }
        settings.model = model.value;
    }
    settings.search = SearchSettings::of_model(&settings.model, settings.sha256.as_deref());
    if let Some(threads) = section.get("threads").and_then(|v| v.integer(1..=16)) {
        settings.threads = threads as usize;
    }
    let deadlines = Duration::from_millis(100)..=Duration::from_secs(60);
    if let Some(deadline) = section.get("deadline").and_then(|v| units::duration(&v, deadlines)) {
        settings.deadline = deadline;
    }
    if let Some(calls) = section.get("max_calls").and_then(|v| v.integer(20..=2000)) {
        settings.search.max_calls = calls as usize;
    }
    settings
}

fn thresholds(section: Option<&Section<'_>>, commands: &[Command], usual: Thresholds) -> Thresholds {
    let mut settings = usual;
    let Some(section) = section else { return settings };
    for (key, instead) in OLD_THRESHOLDS {
        if let Some(value) = section.get(key) {
            value.problem(format!("there is no {key} any more: {instead}"));
        }
    }
    if let Some(costs) = section.get("wrong_costs").and_then(|v| v.number(WRONG_COSTS)) {
        settings.wrong_costs = costs as f32;
    }
    if let Some(offset) = section.get("offset").and_then(|v| v.number(OFFSETS)) {
        settings.offset = offset as f32;
    }
    let own = section.get("offsets").and_then(|v| v.section()).map(|s| s.entries()).unwrap_or_default();
    for (name, value) in own {
        let offset = value.number(OFFSETS);
        match commands.iter().position(|c| c.name == name.value) {
            Some(command) => settings.offsets.extend(offset.map(|nats| (command, nats as f32))),
            None => {
                let known = commands.iter().map(|c| c.name.as_str()).collect();
                section.problem_at(&name, unknown("command", &name.value, known, "say = \"…\""));
            }
        }
    }
    settings
}

fn gpio(section: Option<&Section<'_>>, board: Option<&Board>) -> GpioSettings {
    let mut settings = GpioSettings { backend: Backend::Simulated, chip: String::new(), state: None, inputs: None };
    if let Some(board) = board {
        (settings.backend, settings.chip) = (board.backend, board.gpiochip.clone());
    }
    let Some(section) = section else { return settings };
    if let Some(name) = section.get("backend").and_then(|v| v.string()) {
        match Backend::named(&name.value) {
            Some(backend) => settings.backend = backend,
            None => section.problem_at(&name, "\"rppal\", \"gpiocdev\" or \"simulated\" is needed"),
        }
    }
    if let Some(chip) = section.get("chip").and_then(|v| v.string()) {
        if settings.backend != Backend::Gpiocdev {
            section.problem_at(&chip, "only backend = \"gpiocdev\" takes a chip");
        }
        settings.chip = chip.value;
    }
    if let Some(state) = section.get("state").and_then(|v| v.string()) {
        if settings.backend != Backend::Simulated {
            section.problem_at(&state, "only backend = \"simulated\" takes a state file");
        }
        settings.state = Some(state.value.into());
    }
    if let Some(inputs) = section.get("inputs").and_then(|v| v.string()) {
        if settings.backend != Backend::Simulated {
            section.problem_at(&inputs, "only backend = \"simulated\" takes a file of inputs");
        }
        settings.inputs = Some(inputs.value.into());
    }
    settings
}
