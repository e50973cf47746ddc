//! The configuration: reads one TOML file and returns checked [`Settings`], or all faults of the file.
//!
//! Reading opens only the file. It opens no device, no model and no pin.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::board::Board;
use crate::act::buttons::Button;
use crate::act::command::{Command, Output};
use crate::act::gpio::{Backend, GpioSettings};
use crate::audio::FRAME;
use crate::audio::microphone::MicrophoneSettings;
use crate::decide::confirm::Answers;
use crate::decide::thresholds::Thresholds;
use crate::decide::weights::Weights;
use crate::document::{Document, Placed, Problems, Section, Value, nearest};
use crate::grammar::{Grammar, template};
use crate::language::Language;
use crate::publish::MqttSettings;
use crate::recognize::models;
use crate::recognize::settings::RecognizerSettings;
use crate::recognize::settings::SearchSettings;
use crate::report::metrics::MetricsSettings;
use crate::serve::ServeSettings;
use crate::serve::wyoming::WyomingSettings;
use crate::utterance::endpoint::EndpointSettings;
use crate::utterance::scratch::{KeepSettings, ScratchSettings};

mod actions;
pub mod board;
mod buttons;
mod confirm;
pub mod edit;
mod integrations;
pub mod key;
pub mod keys;
pub mod lint;
mod mqtt;
mod outputs;
pub mod reference;
pub mod sections;
mod sentences;
mod sounds_alike;
mod tasks;
mod units;

pub use confirm::AnswerWords;
use sentences::Said;
pub use sentences::Templates;
pub use tasks::PostSettings;

/// Former keys of `[thresholds]`, and what replaces each of them.
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

/// A checked configuration.
#[derive(Debug)]
pub struct Settings {
    /// The board.
    pub board: Board,
    /// The microphone and its gain.
    pub microphone: MicrophoneSettings,
    /// When an utterance begins and ends.
    pub endpoint: EndpointSettings,
    /// The limits for recordings.
    pub scratch: ScratchSettings,
    /// The settings of the recognizer.
    pub recognizer: RecognizerSettings,
    /// The thresholds of the decision.
    pub thresholds: Thresholds,
    /// Where metrics are written to, if they are counted.
    pub metrics: Option<MetricsSettings>,
    /// The server for recordings, if there is one.
    pub serve: Option<ServeSettings>,
    /// The server for Home Assistant's voice assistant, if there is one.
    pub wyoming: Option<WyomingSettings>,
    /// The broker to publish to, if there is one.
    pub mqtt: Option<MqttSettings>,
    /// The driver of the pins.
    pub gpio: GpioSettings,
    /// How the requests of commands are sent.
    pub posting: PostSettings,
    /// The outputs.
    pub outputs: Vec<Output>,
    /// The commands. A sentence of the grammar has the index of its command. If one must be confirmed, the last two
    /// stand for yes and no.
    pub commands: Vec<Command>,
    /// What is said to a command that waits to be confirmed.
    pub answer_words: AnswerWords,
    /// The commands that stand for yes and no, if one must be confirmed.
    pub answers: Option<Answers>,
    /// The buttons.
    pub buttons: Vec<Button>,
    /// The sentences of all commands.
    pub grammar: Arc<Grammar>,
}

impl Settings {
    /// The commands that the user has written.
    pub fn configured(&self) -> &[Command] {
        &self.commands[..self.answers.map_or(self.commands.len(), |answers| answers.yes)]
    }

    /// A warning if there are no fitted weights for the model.
    pub fn unfitted(&self) -> Option<String> {
        let RecognizerSettings { model, sha256, .. } = &self.recognizer;
        models::table(model, sha256.as_deref()).is_none().then(|| {
            let of = &self.thresholds.weights.model;
            format!("{model}: no weights are fitted for this model, so those of {of} decide; `make fit` or `hearken calibrate` helps")
        })
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error message of the kernel.
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

/// Reads the text of the configuration `path` without checking it.
///
/// # Errors
/// [`ConfigError::Io`].
pub fn read_text(path: &Path) -> Result<String, ConfigError> {
    let io = |cause| ConfigError::Io { path: path.into(), cause };
    let length = std::fs::metadata(path).map_err(missing).map_err(io)?;
    if !length.is_file() || length.len() > MAX_BYTES {
        let what = format!("not a regular file of at most {} MiB", MAX_BYTES >> 20);
        return Err(io(std::io::Error::other(what)));
    }
    std::fs::read_to_string(path).map_err(io)
}

/// Adds to the error of a missing file what the user can do.
fn missing(error: std::io::Error) -> std::io::Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            std::io::Error::new(error.kind(), format!("{error}; --config FILE names another"))
        }
        _ => error,
    }
}

/// Reads the configuration `text`, called `name` in messages.
///
/// # Errors
/// All faults.
pub fn parse(name: &str, text: &str) -> Result<Settings, Problems> {
    let settings = Document::new(name, text).read(read)?;
    Ok(settings.expect("a configuration without problems should give settings"))
}

/// The templates of the configuration `text`, which must be valid.
///
/// # Errors
/// The faults that are found in the file.
pub fn templates(name: &str, text: &str) -> Result<Templates, Problems> {
    Document::new(name, text).read(|root| sentences::templates(&root))
}

fn read(root: Section<'_>) -> Option<Settings> {
    let board = keys::BOARD.get(&root).and_then(|v| {
        let name = v.string()?;
        board::named(&name.value).map_err(|what| v.problem(what)).ok()
    });
    let microphone = section(&root, "microphone", microphone);
    let endpoint = section(&root, "endpoint", endpoint);
    let scratch = section(&root, "scratch", scratch);
    let recognizer = section(&root, "recognizer", |s| recognizer(s, board.as_ref()));
    let metrics = section(&root, "metrics", |s| s.map(integrations::metrics));
    let serve = section(&root, "serve", |s| s.map(|s| integrations::serve(s, &scratch, &endpoint)));
    let wyoming = section(&root, "wyoming", |s| s.map(integrations::wyoming));
    let mqtt = section(&root, "mqtt", |s| s.and_then(mqtt::read));
    let gpio = section(&root, "gpio", |s| gpio(s, board.as_ref()));
    let posting = section(&root, "post", tasks::posting);
    let outputs = outputs::read(&root, board.as_ref(), &gpio);
    let Said { commands, grammar, costs: command_costs, answer_words, answers } =
        sentences::read(&root, &outputs, &posting)?;
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
        metrics,
        serve,
        wyoming,
        mqtt,
        gpio,
        posting,
        outputs,
        commands,
        answer_words,
        answers,
        buttons,
        grammar: Arc::new(grammar),
    })
}

/// Reads a section that may be missing. A missing section is the same as an empty one.
fn section<T>(root: &Section<'_>, name: &str, read: impl FnOnce(Option<&Section<'_>>) -> T) -> T {
    let section = root.get(name).and_then(|v| v.section());
    let settings = read(section.as_ref());
    if let Some(section) = section {
        section.end();
    }
    settings
}

/// The entries of a section whose keys are names chosen by the user.
fn named_entries(section: Section<'_>) -> Vec<(Placed<String>, Value<'_>)> {
    let entries = section.entries();
    for (name, _) in entries.iter().filter(|(name, _)| !template::is_name(&name.value)) {
        section.problem_at(name, "a name of letters, digits, _ and - is needed");
    }
    entries
}

/// A message that there is no `kind` called `name`, with the name that was probably meant, or with an `example`.
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
    if let Some(device) = keys::DEVICE.text(section) {
        if device.value.is_empty() {
            section.problem_at(&device, "an id that `hearken devices` prints is needed, or \"default\"");
        }
        settings.device = device.value;
    }
    assign(&mut settings.gain_db, keys::GAIN_DB.number(section).map(|db| db as f32));
    settings
}

/// Sets `to` to the value that was read. Without one the default stays.
fn assign<T>(to: &mut T, read: Option<T>) {
    if let Some(value) = read {
        *to = value;
    }
}

fn endpoint(section: Option<&Section<'_>>) -> EndpointSettings {
    let mut settings = EndpointSettings::default();
    let Some(section) = section else { return settings };
    assign(&mut settings.on, keys::ON.number(section).map(|p| p as f32));
    assign(&mut settings.off, keys::OFF.number(section).map(|p| p as f32));
    assign(&mut settings.pre_roll, keys::PRE_ROLL.time(section));
    assign(&mut settings.post_roll, keys::POST_ROLL.time(section));
    assign(&mut settings.hangover, keys::HANGOVER.time(section));
    assign(&mut settings.early, keys::EARLY.boolean(section));
    assign(&mut settings.settle, keys::SETTLE.time(section));
    assign(&mut settings.unfinished, keys::UNFINISHED.time(section));
    assign(&mut settings.min_speech, min_speech(section, FRAME * settings.onset.speech as u32));
    assign(&mut settings.max_length, keys::MAX_LENGTH.time(section));
    if settings.max_length <= settings.pre_roll + settings.hangover + settings.min_speech {
        section.problem("max_length is not above pre_roll, hangover and min_speech together; no sentence would fit");
    }
    if settings.off > settings.on {
        section.problem("off is above on; speech could never go on");
    }
    settings
}

/// `min_speech`: an utterance opens after `opening` of speech, so less would drop none.
fn min_speech(section: &Section<'_>, opening: Duration) -> Option<Duration> {
    let value = keys::MIN_SPEECH.get(section)?;
    let time = keys::MIN_SPEECH.time_from(&value, Duration::ZERO)?;
    if time < opening {
        let opening = opening.as_millis();
        value.problem(format!(
            "below {opening} ms nothing is dropped, because an utterance opens after {opening} ms of speech"
        ));
    }
    Some(time)
}

fn scratch(section: Option<&Section<'_>>) -> ScratchSettings {
    let mut settings = ScratchSettings::default();
    let Some(section) = section else { return settings };
    assign(&mut settings.capacity, keys::CAPACITY_OF_SCRATCH.bytes(section));
    assign(&mut settings.require_tmpfs, keys::REQUIRE_TMPFS.boolean(section));
    settings.keep = keys::KEEP.get(section).and_then(|v| v.section()).and_then(keep);
    assign(&mut settings.sweep_after, keys::SWEEP_AFTER.time(section));
    settings
}

fn keep(section: Section<'_>) -> Option<KeepSettings> {
    let (last, capacity) = (keys::LAST.whole(&section), keys::CAPACITY_OF_KEEP.bytes(&section));
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
    settings.search = SearchSettings::of_model(&settings.model, None);
    let Some(section) = section else { return settings };
    if let Some(sha256) = keys::SHA256.text(section) {
        if !models::is_sha256(&sha256.value) {
            section.problem_at(&sha256, "64 lower-case hexadecimal digits are needed, as sha256sum prints them");
        }
        settings.sha256 = Some(sha256.value);
    }
    if let Some(model) = keys::MODEL.text(section) {
        if let (Err(error), None) = (models::known(&model.value), &settings.sha256) {
            section.problem_at(&model, error.to_string());
        }
        settings.model = model.value;
    }
    settings.search = SearchSettings::of_model(&settings.model, settings.sha256.as_deref());
    assign(&mut settings.language, keys::LANGUAGE.one_of(section, &Language::NAMES));
    assign(&mut settings.threads, keys::THREADS.whole(section).map(|n| n as usize));
    assign(&mut settings.deadline, keys::DEADLINE.time(section));
    assign(&mut settings.search.max_calls, keys::MAX_CALLS.whole(section).map(|n| n as usize));
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
    assign(&mut settings.wrong_costs, keys::WRONG_COSTS.number(section).map(|n| n as f32));
    assign(&mut settings.offset, keys::OFFSET.number(section).map(|nats| nats as f32));
    let own = keys::OFFSETS.get(section).and_then(|v| v.section()).map(|s| s.entries()).unwrap_or_default();
    for (name, value) in own {
        let offset = keys::OFFSET.number_of(&value);
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
    assign(&mut settings.backend, keys::BACKEND.one_of(section, &Backend::NAMES));
    if let Some(chip) = keys::CHIP.text(section) {
        if settings.backend != Backend::Gpiocdev {
            section.problem_at(&chip, "only backend = \"gpiocdev\" takes a chip");
        }
        settings.chip = chip.value;
    }
    if let Some(state) = keys::STATE.text(section) {
        if settings.backend != Backend::Simulated {
            section.problem_at(&state, "only backend = \"simulated\" takes a state file");
        }
        settings.state = Some(state.value.into());
    }
    if let Some(inputs) = keys::INPUTS.text(section) {
        if settings.backend != Backend::Simulated {
            section.problem_at(&inputs, "only backend = \"simulated\" takes a file of inputs");
        }
        settings.inputs = Some(inputs.value.into());
    }
    settings
}
