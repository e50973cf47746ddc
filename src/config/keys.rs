//! Every key of a configuration: its name, its type and bounds, its default, and what it is for. The configuration is read by
//! these entries; the reference page, the schema for editors and `hearken config show` are made from them. No input or output.

use super::key::{Key, Kind, Usual, key};
use Kind::{Boolean, Bytes, Hertz, Named, Number, OneOf, Pin, Table, Text, Texts, Time, Whole};
use Usual::{Needed, Told, Value as Is};

const HOUR: u64 = 3_600_000;
/// The longest `max_on`, in milliseconds: what may stay on for a day may stay on.
const DAY: u64 = 24 * HOUR;
/// Least and most capacity of scratch, in bytes: the longest utterance at the longest setting is 0.9 MB.
const CAPACITY: Kind = Bytes(1 << 20, 1 << 32);
/// How many refusals a wrong action may cost.
const COSTS: Kind = Number(0.01, 10_000.0);

pub(super) const BOARD: Key = key(
    "board",
    OneOf(&["pi-5", "pi-4", "pi-3", "pi-zero-2w", "host"]),
    Needed("board = \"pi-5\""),
    "The board: which pins there are, and which must not be outputs. \"host\" is any Linux machine, with simulated pins.",
);

pub(super) const DEVICE: Key =
    key("device", Text, Is("\"default\""), "The microphone: an id that `hearken devices` prints.");
pub(super) const GAIN_DB: Key = key(
    "gain_db",
    Number(-40.0, 60.0),
    Is("0.0"),
    "Fixed input gain in dB. Speech should come in at about -26 dBFS; `hearken run --watch` shows it.",
);

pub(super) const ON: Key =
    key("on", Number(0.05, 0.99), Is("0.65"), "Probability from which a frame of 16 ms counts as speech.");
pub(super) const OFF: Key =
    key("off", Number(0.05, 0.99), Is("0.55"), "Probability below which a frame counts as silence.");
pub(super) const PRE_ROLL: Key =
    key("pre_roll", Time(0, 2_000), Is("\"500 ms\""), "Sound that is kept before the speech, so that no onset is cut.");
pub(super) const POST_ROLL: Key = key(
    "post_roll",
    Time(0, 2_000),
    Is("\"64 ms\""),
    "Sound that is kept after the speech. After so much silence what was recorded is decided, as a draft.",
);
pub(super) const HANGOVER: Key = key("hangover", Time(100, 3_000), Is("\"600 ms\""), "Silence that ends an utterance.");
pub(super) const EARLY: Key = key(
    "early",
    Boolean,
    Is("true"),
    "Whether a command is carried out before hangover is over when no more words could change it. What was recorded is decided after post_roll.",
);
pub(super) const SETTLE: Key =
    key("settle", Time(0, 3_000), Is("\"160 ms\""), "Least silence after which such a command ends the utterance.");
pub(super) const UNFINISHED: Key = key(
    "unfinished",
    Time(100, 5_000),
    Is("\"1 s\""),
    "Silence that ends an utterance whose words so far are only the beginning of a sentence. At least hangover; without early it has no effect.",
);
pub(super) const MIN_SPEECH: Key =
    key("min_speech", Time(64, 2_000), Is("\"64 ms\""), "An utterance with less speech is dropped.");
pub(super) const MAX_LENGTH: Key = key(
    "max_length",
    Time(1_000, 28_000),
    Is("\"10 s\""),
    "A longer utterance is cut, and the rest of it ignored up to the next pause.",
);

pub(super) const WRONG_COSTS: Key = key(
    "wrong_costs",
    COSTS,
    Is("2"),
    "A wrong action is as bad as so many refusals of a command. More makes the decision stricter.",
);
pub(super) const OFFSET: Key = key(
    "offset",
    Number(-100.0, 100.0),
    Is("0.0"),
    "Added to the log-odds of every sentence, in nats. `hearken calibrate` sets it.",
);
pub(super) const OFFSETS: Key = key(
    "offsets",
    Named("the name of a command = what is added for it instead of offset"),
    Usual::None,
    "The same for single commands. `hearken calibrate` sets it.",
);

pub(super) const MODEL: Key =
    key("model", Text, Told("the board's"), "The Whisper model: a file that models/manifest.toml lists.");
pub(super) const SHA256: Key = key(
    "sha256",
    Text,
    Usual::None,
    "The hash of a model that the manifest does not list. Then model may be a path; the file is first loaded in a process of its own.",
);
pub(super) const LANGUAGE: Key =
    key("language", OneOf(&["en"]), Is("\"en\""), "The language that is spoken. English is the only one yet.");
pub(super) const THREADS: Key = key(
    "threads",
    Whole(1, 16),
    Told("the board's, at most one for each processor"),
    "Threads that share an inference.",
);
pub(super) const DEADLINE: Key =
    key("deadline", Time(100, 60_000), Is("\"5 s\""), "A decision that takes longer is a refusal.");
pub(super) const MAX_CALLS: Key =
    key("max_calls", Whole(20, 2_000), Is("200"), "Calls of the decoder after which the search gives up.");

pub(super) const CAPACITY_OF_SCRATCH: Key =
    key("capacity", CAPACITY, Is("\"8 MiB\""), "All recordings together take no more. A second of sound takes 32 kB.");
pub(super) const REQUIRE_TMPFS: Key = key(
    "require_tmpfs",
    Boolean,
    Is("false"),
    "Whether the daemon refuses to start where the scratch directory is not in memory. Otherwise it warns.",
);
pub(super) const KEEP: Key =
    key("keep", Table, Usual::None, "Keeps the last recordings as WAV files, each with its decision beside it.");
pub(super) const SWEEP_AFTER: Key = key(
    "sweep_after",
    Time(60_000, 365 * DAY),
    Is("\"1 h\""),
    "Age from which a kept file that no daemon uses is deleted.",
);
pub(super) const LAST: Key = key("last", Whole(1, 200), Needed("last = 20"), "How many recordings are kept.");
pub(super) const CAPACITY_OF_KEEP: Key = key(
    "capacity",
    CAPACITY,
    Needed("capacity = \"4 MiB\""),
    "What they take together, on top of the capacity of scratch.",
);

pub(super) const BACKEND: Key =
    key("backend", OneOf(&["rppal", "gpiocdev", "simulated"]), Told("the board's"), "What drives the pins.");
pub(super) const CHIP: Key = key("chip", Text, Told("the board's"), "For gpiocdev: a chip's label, name or path.");
pub(super) const STATE: Key = key(
    "state",
    Text,
    Usual::None,
    "For simulated pins: a file that shows their levels, or \"-\" for standard output.",
);
pub(super) const INPUTS: Key = key(
    "inputs",
    Text,
    Usual::None,
    "For simulated pins: a file of lines such as `GPIO27 0`, from which the buttons are read.",
);

pub(super) const METRICS_FILE: Key = key(
    "file",
    Text,
    Usual::None,
    "A file for node_exporter's textfile collector, as in \"/var/lib/prometheus/node-exporter/hearken.prom\". It is removed at the end.",
);
/// Prometheus asks every 15 s where nothing else is set, and a second is enough for a person who watches.
pub(super) const METRICS_EVERY: Key =
    key("every", Time(1_000, HOUR), Is("\"15 s\""), "Time between two writes of the file.");

pub(super) const LISTEN: Key = key(
    "listen",
    Text,
    Is("\"127.0.0.1:8765\""),
    "An address of this machine and a port, or a Unix socket as in \"unix:/run/hearken/http.sock\". Other machines can connect only to another address than 127.0.0.1, which needs token_file.",
);
pub(super) const TOKEN_FILE: Key = key(
    "token_file",
    Text,
    Usual::None,
    "A file with the token that every request must have, at least 16 characters, or the name of a systemd credential.",
);
pub(super) const ACT: Key = key(
    "act",
    Boolean,
    Is("false"),
    "Whether an upload is carried out like a spoken command if it asks for that with `?act=true`.",
);
pub(super) const MAX_BYTES: Key =
    key("max_bytes", Bytes(1 << 16, 1 << 28), Is("\"4 MiB\""), "The largest upload. It must have room in scratch.");
pub(super) const UPLOADS: Key = key(
    "uploads",
    Whole(1, 64),
    Is("8"),
    "How many uploads are taken or wait at the same time. One more is told to try again later.",
);
pub(super) const UPLOAD_TIMEOUT: Key =
    key("timeout", Time(1_000, 300_000), Is("\"30 s\""), "Longest time in which an upload must have come in.");

pub(super) const WYOMING_LISTEN: Key = key(
    "listen",
    Text,
    Is("\"127.0.0.1:10300\""),
    "An address of this machine and a port. The protocol has no token, so for another address than 127.0.0.1 from must say who may connect.",
);
pub(super) const WYOMING_FROM: Key =
    key("from", Texts, Usual::None, "The addresses of other machines that may connect, as in [\"192.168.1.20\"].");
pub(super) const WYOMING_ACT: Key = key(
    "act",
    Boolean,
    Is("false"),
    "Whether what is said there is carried out here like a spoken command, besides being answered.",
);
pub(super) const HANDLE: Key = key(
    "handle",
    Boolean,
    Is("false"),
    "Whether a text that is a sentence, which Home Assistant sends to its conversation agent, is carried out here.",
);
pub(super) const ANNOUNCE: Key = key(
    "announce",
    Boolean,
    Is("false"),
    "Whether the server is announced in the local network by multicast DNS, so that Home Assistant finds it.",
);

pub(super) const BROKER: Key = key(
    "address",
    Text,
    Needed("address = \"homeassistant.local:1883\""),
    "The broker: its name or address, and its port, which is 1883 where it is missing, or 8883 with tls. It must speak MQTT 5, as mosquitto does from version 1.6 on.",
);
pub(super) const TLS: Key =
    key("tls", Boolean, Is("false"), "Whether the connection to the broker is encrypted. Its usual port is 8883 then.");
pub(super) const CA_FILE: Key = key(
    "ca_file",
    Text,
    Usual::None,
    "A file with the certificates (PEM) of the authorities that the server's may come from, instead of those that this machine trusts.",
);
pub(super) const MQTT_USER: Key =
    key("user", Text, Usual::None, "The user's name at the broker. It needs password_file.");
pub(super) const PASSWORD_FILE: Key =
    key("password_file", Text, Usual::None, "A file with the password, or the name of a systemd credential.");
pub(super) const MQTT_WORDS: Key = key(
    "words",
    Boolean,
    Is("false"),
    "Whether the sentence of a command and the values of its slots are published too.",
);
pub(super) const PREFIX: Key = key(
    "prefix",
    Text,
    Is("\"homeassistant\""),
    "The first part of the topics of discovery, as it is set in Home Assistant.",
);
pub(super) const MQTT_ID: Key = key(
    "id",
    Text,
    Is("\"hearken\""),
    "The name of this device at the broker. With two devices, each needs its own. A device with another id is another one for Home Assistant.",
);

pub(super) const PIN: Key =
    key("pin", Pin, Needed("pin = 17"), "The pin: its BCM number, or its offset on another chip.");
pub(super) const ACTIVE_LOW: Key =
    key("active_low", Boolean, Is("false"), "Whether on is a low level, as most relay modules want it.");
pub(super) const REST: Key =
    key("rest", OneOf(&["off", "on"]), Is("\"off\""), "What it is at the start, at a stop and after a panic.");
pub(super) const PWM: Key = key(
    "pwm",
    Hertz(10, 25_000),
    Usual::None,
    "Turns of high and low a second, for an output that can be dimmed. Above 1 kHz only where the board has a generator for the pin.",
);
pub(super) const FADE: Key = key(
    "fade",
    Time(0, 60_000),
    Is("\"0 ms\""),
    "Time from dark to full when a dimmed output is set; less for a part of it.",
);
pub(super) const REMEMBER: Key = key(
    "remember",
    Boolean,
    Is("false"),
    "Whether it is set again after a restart as it was asked to be. Not for an output with max_on.",
);
pub(super) const MAX_ON: Key = key("max_on", Time(1, DAY), Usual::None, "It is never on for longer, whatever is said.");
pub(super) const MIN_ON: Key = key(
    "min_on",
    Time(1, HOUR),
    Is("\"0 ms\""),
    "Once on, it stays on for this long. A request that comes too early waits, and the last one wins.",
);
pub(super) const MIN_OFF: Key =
    key("min_off", Time(1, HOUR), Is("\"0 ms\""), "The same for off, from the start of the daemon on.");

pub(super) const INTERLOCKED: Key =
    key("outputs", Texts, Needed("outputs = [\"up\", \"down\"]"), "Two outputs or more.");
/// A relay lets go within 20 ms, and a small motor stops within half a second.
pub(super) const DEAD_TIME: Key =
    key("dead_time", Time(1, 60_000), Is("\"500 ms\""), "Pause between one that goes off and one that goes on.");

pub(super) const BUTTON_PIN: Key = key("pin", Pin, Needed("pin = 22"), "The pin: its BCM number.");
pub(super) const COMMAND: Key = key(
    "command",
    Text,
    Usual::None,
    "What a press does: a command without slots. A button has either command or talk = true.",
);
pub(super) const TALK: Key = key(
    "talk",
    Boolean,
    Is("false"),
    "Whether it is held to talk: an utterance is open while it is held, whatever the speech detector says, and ends when it is released.",
);
pub(super) const PRESSED_LOW: Key =
    key("active_low", Boolean, Is("true"), "Whether pressed is a low level: the button joins the pin to ground.");
pub(super) const PULL: Key = key(
    "pull",
    OneOf(&["up", "down", "none"]),
    Told("\"up\", or \"down\" with active_low = false"),
    "What pulls the pin while the button is open.",
);
/// Most small switches bounce for at most 6 ms (Ganssle, "A Guide to Debouncing"), and a delay of 30 ms is not noticed.
pub(super) const DEBOUNCE: Key =
    key("debounce", Time(5, 1_000), Is("\"30 ms\""), "How long a contact must be still to count.");

pub(super) const NAME: Key =
    key("name", Text, Needed("name = \"lamp\""), "The command's name, in events and for buttons.");
pub(super) const SAY: Key = key("say", Texts, Needed("say = \"turn on the lamp\""), "The sentences, as templates.");
pub(super) const SET: Key = key(
    "set",
    Named("an output = \"on\", \"off\", percent such as 40, or a slot such as \"{state}\""),
    Usual::None,
    "Sets outputs.",
);
pub(super) const TOGGLE: Key = key("toggle", Texts, Usual::None, "Switches outputs over.");
pub(super) const PULSE: Key =
    key("pulse", Named("an output = a time such as \"200 ms\""), Usual::None, "Outputs leave rest for a while.");
pub(super) const BLINK: Key = key(
    "blink",
    Named("an output = { on = \"200 ms\", off = \"300 ms\", times = 5 }"),
    Usual::None,
    "Outputs blink, and are then at rest.",
);
pub(super) const SCENE: Key = key("scene", Text, Usual::None, "Sets what the scene of this name says.");
pub(super) const REQUIRES: Key = key(
    "requires",
    Named("an output = \"on\" or \"off\""),
    Usual::None,
    "The command is refused while one of these outputs is in another state.",
);
pub(super) const RUN: Key = key(
    "run",
    Texts,
    Usual::None,
    "Runs a program, without a shell: its path and its arguments, in which {slot} is the value of a slot. HEARKEN_SLOT_NAME has the value too.",
);
pub(super) const PUBLISH: Key = key(
    "publish",
    Table,
    Usual::None,
    "Publishes a message over MQTT, at the broker of [mqtt], as in { topic = \"house/{room}/radio\", payload = \"{state}\" }.",
);
pub(super) const TOPIC: Key =
    key("topic", Text, Needed("topic = \"house/radio\""), "The topic, in which {slot} is the value of a slot.");
pub(super) const PAYLOAD: Key =
    key("payload", Text, Is("\"\""), "The payload, in which {slot} is the value of a slot.");
pub(super) const RETAIN: Key =
    key("retain", Boolean, Is("false"), "Whether the broker keeps the message for those who subscribe later.");
pub(super) const RUN_LIMIT: Key = key(
    "run_limit",
    Time(100, HOUR),
    Is("\"10 s\""),
    "Time after which the program is ended, with all that it has started.",
);
pub(super) const POST: Key = key(
    "post",
    Text,
    Usual::None,
    "Sends command, slots and log-odds as JSON to this address, as in \"http://localhost:1880/hearken\".",
);
pub(super) const POST_LIMIT: Key = key("limit", Time(100, 60_000), Is("\"5 s\""), "Longest time of an attempt.");
pub(super) const RETRIES: Key = key(
    "retries",
    Whole(0, 5),
    Is("2"),
    "How often a request that failed is sent again: after 1 s, 2 s, 4 s and so on.",
);
pub(super) const POSTED_WORDS: Key =
    key("words", Boolean, Is("false"), "Whether the words of the sentence are sent too.");
pub(super) const CONFIRM: Key = key(
    "confirm",
    Time(1_000, 60_000),
    Usual::None,
    "The command is carried out only if somebody says yes within this time.",
);
pub(super) const YES: Key = key(
    "yes",
    Texts,
    Is("[\"yes\", \"yes please\", \"confirm\"]"),
    "What confirms, as templates without lists and rules.",
);
pub(super) const NO: Key = key(
    "no",
    Texts,
    Is("[\"no\", \"no thanks\", \"cancel\"]"),
    "What cancels. So does any other command that is accepted.",
);
pub(super) const COMMAND_COSTS: Key =
    key("wrong_costs", COSTS, Told("that of [thresholds]"), "The same as in [thresholds], for this command alone.");

pub(super) const BLINK_ON: Key = key("on", Time(1, HOUR), Needed("on = \"300 ms\""), "How long it is on each time.");
pub(super) const BLINK_OFF: Key = key("off", Time(1, HOUR), Needed("off = \"300 ms\""), "How long it is off between.");
pub(super) const BLINK_TIMES: Key = key("times", Whole(1, 1_000), Needed("times = 5"), "How often.");
