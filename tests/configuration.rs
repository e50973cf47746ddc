//! Configuration files, by their words.

use std::fs;
use std::path::Path;
use std::time::Duration;

use hearken::act::buttons::{Button, Purpose};
use hearken::act::command::{Action, Blink, Dimmer, Interlock, Limits, Setting};
use hearken::act::gpio::Backend;
use hearken::act::gpio::{Duty, Line, Pull, Pwm, PwmChannel};
use hearken::act::task::Task;
use hearken::config::{self, Settings, lint, parse};
use hearken::decide::confirm::Answers;
use hearken::decide::thresholds::Thresholds;

use crate::support::data;

/// The configuration of the issue and the README, with `change` made to it.
fn changed(from: &str, to: &str) -> String {
    let whole = r#"board = "pi-5"
[microphone]
device = "default"
gain_db = 0.0
[scratch]
capacity = "8 MiB"
[recognizer]
model = "ggml-tiny.en-q8_0.bin"
[outputs.lamp]
pin = 17
active_low = false
rest = "off"
[outputs.bell]
pin = 27
[lists]
state = ["on", "off"]
room = ["kitchen", { say = "(lounge|living room)", value = "living_room" }]
percent = { from = 0, to = 100 }
[rules]
light = "(light|lights|lamp)"
[[commands]]
name = "lamp"
say = ["turn {state} [the] <light>", "<light> {state}"]
set = { lamp = "{state}" }
[[commands]]
name = "bell"
say = "ring the bell"
pulse = { bell = "200 ms" }
"#;
    assert!(whole.contains(from), "{from:?} should stand in the example");
    whole.replacen(from, to, 1)
}

fn good(text: &str) -> Settings {
    parse("hearken.toml", text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What is said of the example with a change that makes it bad.
fn refused(from: &str, to: &str) -> String {
    parse("hearken.toml", &changed(from, to)).err().map(|problems| problems.to_string()).expect("it should be refused")
}

#[test]
fn the_example_reads_as_it_is_written() {
    let settings = good(&changed("", ""));
    assert_eq!((settings.board.id.as_str(), settings.gpio.backend), ("pi-5", Backend::Rppal));
    assert_eq!(settings.scratch.capacity, 8 << 20);
    let lamp = settings.outputs.iter().position(|o| o.name == "lamp").unwrap();
    assert_eq!(settings.outputs[lamp].line, Line::Number(17));
    assert_eq!(settings.commands[0].actions, [Action::Set(lamp, Setting::Slot("state".into()))]);
    assert_eq!(settings.grammar.count(), 2 * 2 * 3 + 3 * 2 + 1);
}

#[test]
fn a_command_may_require_states() {
    let text =
        changed("say = \"ring the bell\"", "say = \"ring the bell\"\nrequires = { lamp = \"on\", bell = \"off\" }");
    let settings = good(&text);
    let required: Vec<(&str, bool)> =
        settings.commands[1].requires.iter().map(|r| (settings.outputs[r.output].name.as_str(), r.on)).collect();
    assert_eq!(required, [("lamp", true), ("bell", false)]);
    assert_eq!(settings.commands[0].requires, []);
}

#[test]
fn limits_interlocks_blinking_and_scenes_read_as_they_are_written() {
    let settings = config::load(&data("house.toml")).unwrap_or_else(|e| panic!("{e}"));
    let (secs, index) =
        (Duration::from_secs, |name: &str| settings.outputs.iter().position(|o| o.name == name).unwrap());
    let limits = |name| settings.outputs[index(name)].limits;
    let blinds = Some(Interlock { group: 0, dead_time: secs(1) });
    let table = [
        ("up", Limits { max_on: Some(secs(60)), interlock: blinds, ..Limits::default() }),
        ("down", Limits { max_on: Some(secs(60)), interlock: blinds, ..Limits::default() }),
        ("fridge", Limits { min_on: secs(60), min_off: secs(300), ..Limits::default() }),
        ("lamp", Limits::default()),
    ];
    for (name, expected) in table {
        assert_eq!(limits(name), expected, "{name}");
    }
    let set = |name, on| Action::Set(index(name), Setting::Fixed(Duty::from(on)));
    let actions: Vec<&[Action<Setting>]> = settings.commands.iter().map(|c| c.actions.as_slice()).collect();
    let blink = Blink { on: Duration::from_millis(200), off: Duration::from_millis(300), times: 5 };
    assert_eq!(actions[0], [Action::Blink(index("lamp"), blink)]);
    assert_eq!(actions[1], [set("lamp", true), set("fridge", true), set("up", false), set("down", true)]);
}

#[test]
fn dimmers_memories_and_buttons_read_as_they_are_written() {
    let settings = config::load(&data("house.toml")).unwrap_or_else(|e| panic!("{e}"));
    let desk = settings.outputs.iter().position(|o| o.name == "desk").unwrap();
    let hardware = Some(PwmChannel { channel: 0, function: 5 });
    let dimmer = Dimmer { pwm: Pwm { hertz: 1000, hardware }, fade: Duration::from_millis(800) };
    assert_eq!((settings.outputs[desk].dimmer, settings.outputs[desk].remember), (Some(dimmer), true));
    let actions = |name: &str| &settings.commands.iter().find(|c| c.name == name).unwrap().actions;
    assert_eq!(*actions("dim"), [Action::Set(desk, Setting::Slot("percent".into()))]);
    assert_eq!(*actions("cosy"), [Action::Set(desk, Setting::Fixed(Duty::thousandths(150)))]);
    let evening = settings.commands.iter().position(|c| c.name == "evening").unwrap();
    let find = settings.commands.iter().position(|c| c.name == "find").unwrap();
    let ms = Duration::from_millis;
    let button = |name: &str, pin, pull, active_low, debounce, purpose| Button {
        name: name.into(),
        line: Line::Number(pin),
        pull,
        active_low,
        debounce: ms(debounce),
        purpose,
    };
    assert_eq!(
        settings.buttons,
        [
            button("door", 22, Pull::Up, true, 30, Purpose::Command(evening)),
            button("talk", 24, Pull::Up, true, 30, Purpose::Talk),
            button("wall", 23, Pull::None, false, 50, Purpose::Command(find)),
        ]
    );
}

#[test]
fn only_one_output_has_a_generator_of_the_board_the_next_is_dimmed_by_a_thread() {
    let text = changed("active_low = false", "pwm = \"500 Hz\"").replace("pin = 17", "pin = 12");
    let text = text.replace("pin = 27", "pin = 13\npwm = \"200 Hz\"").replace("pi-5", "pi-4");
    let hardware = |text: &str| {
        let outputs = good(text).outputs;
        outputs.iter().map(|o| o.dimmer.unwrap().pwm.hardware.map(|h| h.channel)).collect::<Vec<_>>()
    };
    assert_eq!(hardware(&text), [Some(0), Some(1)]);
    assert_eq!(hardware(&text.replace("pin = 13", "pin = 18")), [Some(0), None]);
    assert_eq!(hardware(&text.replace("pin = 13", "pin = 25")), [Some(0), None]);
}

#[test]
fn every_configuration_shipped_with_a_board_is_good() {
    let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("boards");
    let mut checked = 0;
    for board in fs::read_dir(boards).unwrap() {
        let folder = board.unwrap().path();
        if !folder.join("board.toml").exists() {
            continue;
        }
        let settings = config::load(&folder.join("hearken.toml")).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(Some(settings.board.id.as_str()), folder.file_name().unwrap().to_str());
        checked += 1;
    }
    assert_eq!(checked, 5);
    config::load(&data("home.toml")).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn a_command_may_have_an_offset_and_costs_of_its_own() {
    // Lines of [thresholds] and of the command "bell"; what "lamp" and "bell" have.
    type Case<'a> = (&'a str, &'a str, [f32; 2], [Option<f32>; 2]);
    let cases: [Case<'_>; 6] = [
        ("", "", [0.0, 0.0], [None, None]),
        ("offset = 0.5", "", [0.5, 0.5], [None, None]),
        ("offsets = { bell = -5.5 }", "", [0.0, -5.5], [None, None]),
        ("offset = -8\noffsets.bell = 1", "", [-8.0, 1.0], [None, None]),
        ("wrong_costs = 5", "", [0.0, 0.0], [Some(5.0), Some(5.0)]),
        ("wrong_costs = 5", "wrong_costs = 20", [0.0, 0.0], [Some(5.0), Some(20.0)]),
    ];
    let usual = Thresholds::default();
    for (lines, own, offsets, costs) in cases {
        let text = changed("[recognizer]", &format!("[thresholds]\n{lines}\n[recognizer]"));
        let settings = good(&text.replace("name = \"bell\"\n", &format!("name = \"bell\"\n{own}\n")));
        let index = |name| settings.commands.iter().position(|c| c.name == name).unwrap();
        for ((command, offset), costs) in ["lamp", "bell"].into_iter().zip(offsets).zip(costs) {
            let (command, thresholds) = (index(command), &settings.thresholds);
            assert_eq!(thresholds.offset_of(command), offset, "{lines}, {own}");
            assert_eq!(thresholds.needed(command), costs.unwrap_or(usual.wrong_costs).ln(), "{lines}, {own}");
        }
    }
}

#[test]
fn a_threshold_of_the_old_decision_is_refused_with_what_took_its_place() {
    let cases = [
        ("evidence = 3.0", "evidence", "wrong_costs"),
        ("margin = 0.2", "margin", "wrong_costs"),
        ("speech = \"192 ms\"", "speech", "wrong_costs"),
        ("no_speech = 0.8", "no_speech", "wrong_costs"),
        ("commands = { lamp = 3.0 }", "commands", "offsets"),
    ];
    for (line, key, instead) in cases {
        let said = refused("[recognizer]", &format!("[thresholds]\n{line}\n[recognizer]"));
        let place = format!("hearken.toml:8:{}: thresholds.{key}: ", line.find("= ").unwrap() + 3);
        assert!(said.starts_with(&place), "{line}: {said}");
        assert!(said.contains(&format!("there is no {key} any more")) && said.contains(instead), "{line}: {said}");
        assert_eq!(said.lines().filter(|l| l.starts_with("hearken.toml:")).count(), 1, "one problem: {said}");
    }
}

#[test]
fn a_bad_configuration_says_where_what_and_what_would_be_right() {
    let cases = [
        (
            "board = \"pi-5\"",
            "board = \"pi5\"",
            "hearken.toml:1:9: board: there is no board \"pi5\"; did you mean \"pi-5\"?",
        ),
        ("board = \"pi-5\"", "", "hearken.toml:1:1: board: missing; as in: board = \"pi-5\""),
        ("gain_db = 0.0", "gain = 0.0", "4:1: microphone.gain: unknown key; known here: device, gain_db"),
        (
            "gain_db = 0.0",
            "gain_db = \"loud\"",
            "4:11: microphone.gain_db: this is a string; a number from -40 to 60 is needed",
        ),
        (
            "\"8 MiB\"",
            "\"8 MB of RAM\"",
            "6:12: scratch.capacity: \"8 MB of RAM\" is not a number and a unit; as in \"8 MiB\"",
        ),
        ("\"8 MiB\"", "\"8 kB\"", "6:12: scratch.capacity: \"8 kB\" is out of range; 1 MiB to 4096 MiB is needed"),
        (
            "ggml-tiny.en-q8_0.bin",
            "ggml-tiny.bin",
            "8:9: recognizer.model: model \"ggml-tiny.bin\" is not in the manifest and has no sha256; there are: ggml-tiny.en",
        ),
        (
            "capacity = \"8 MiB\"",
            "keep = { last = 0, capacity = \"4 MiB\" }",
            "6:17: scratch.keep.last: 0 is out of range; a whole number from 1 to 200 is needed",
        ),
        ("capacity = \"8 MiB\"", "keep = { last = 20 }", "scratch.keep.capacity: missing; as in: capacity = \"4 MiB\""),
        ("capacity = \"8 MiB\"", "require_tmpfs = 1", "6:17: scratch.require_tmpfs: this is an integer; true or false"),
        (
            "capacity = \"8 MiB\"",
            "sweep_after = \"1 s\"",
            "6:15: scratch.sweep_after: \"1 s\" is out of range; 1 min to ",
        ),
        (
            "[recognizer]",
            "[metrics]\nfile = \"/run/hearken.txt\"\n[recognizer]",
            "8:8: metrics.file: a path from / on that ends in .prom is needed; node_exporter reads no other file",
        ),
        (
            "[recognizer]",
            "[post]\nretries = 6\n[recognizer]",
            "8:11: post.retries: 6 is out of range; a whole number from 0 to 5 is needed",
        ),
        (
            "[recognizer]",
            "[metrics]\nevery = \"1 ms\"\n[recognizer]",
            "8:9: metrics.every: \"1 ms\" is out of range; 1 s to 1 h is needed",
        ),
        (
            "[recognizer]",
            "[thresholds.offsets]\nlmap = -5.0\n[recognizer]",
            "8:1: thresholds.offsets.lmap: there is no command \"lmap\"; did you mean \"lamp\"?",
        ),
        (
            "[recognizer]",
            "[thresholds.offsets]\nlamp = -500\n[recognizer]",
            "8:8: thresholds.offsets.lamp: out of range; a number from -100 to 100 is needed",
        ),
        (
            "[recognizer]",
            "[thresholds]\noffset = 100.5\n[recognizer]",
            "8:10: thresholds.offset: out of range; a number from -100 to 100 is needed",
        ),
        (
            "[recognizer]",
            "[endpoint]\nmin_speech = \"48 ms\"\n[recognizer]",
            "8:14: endpoint.min_speech: below 64 ms nothing is dropped, because an utterance opens after 64 ms of speech",
        ),
        (
            "[recognizer]",
            "[thresholds]\nwrong_costs = 0\n[recognizer]",
            "8:15: thresholds.wrong_costs: out of range; a number from 0.01 to 10000 is needed",
        ),
        (
            "say = \"ring the bell\"",
            "say = \"ring the bell\"\nwrong_costs = 10001",
            "28:15: commands[1].wrong_costs: out of range; a number from 0.01 to 10000 is needed",
        ),
        (
            "say = \"ring the bell\"",
            "say = \"ring the bell\"\nwrong_costs = \"5\"",
            "28:15: commands[1].wrong_costs: this is a string; a number from 0.01 to 10000 is needed",
        ),
        (
            "say = \"ring the bell\"",
            "say = \"ring the bell\"\nwrong_cost = 5",
            "28:1: commands[1].wrong_cost: unknown key",
        ),
        (
            "[recognizer]",
            "[recognizer]\nsha256 = \"B5DA\"",
            "8:10: recognizer.sha256: 64 lower-case hexadecimal digits are needed",
        ),
        (
            "[recognizer]",
            "[recognizer]\ndeadline = \"0 s\"",
            "8:12: recognizer.deadline: \"0 s\" is out of range; 100 ms to",
        ),
        (
            "pin = 17",
            "pin = 99",
            "10:7: outputs.lamp.pin: Raspberry Pi 5 has no GPIO99; its header has GPIO0 to GPIO27",
        ),
        ("pin = 17", "pin = 0", "10:7: outputs.lamp.pin: GPIO0 is reserved on Raspberry Pi 5: "),
        ("pin = 17", "pin = 27", "14:7: outputs.bell.pin: GPIO27 is already the pin of \"lamp\"; each needs its own"),
        ("pin = 17", "", "outputs.lamp.pin: missing; as in: pin = 17"),
        (
            "pin = 17",
            "pin = 17\npwm = \"5 Hz\"",
            "11:7: outputs.lamp.pwm: \"5 Hz\" is out of range; 10 Hz to 25000 Hz is needed",
        ),
        ("pin = 17", "pin = 17\npwm = 200", "11:7: outputs.lamp.pwm: this is an integer; a string in quotes is needed"),
        (
            "pin = 17",
            "pin = 17\nfade = \"1 s\"",
            "11:8: outputs.lamp.fade: only an output with pwm can fade; as in: pwm = \"200 Hz\"",
        ),
        (
            "pin = 17",
            "pin = 17\nremember = true\nmax_on = \"1 min\"",
            "11:12: outputs.lamp.remember: an output with max_on is not remembered",
        ),
        (
            "set = { lamp = \"{state}\" }",
            "set = { lamp = 40 }",
            "24:16: commands[0].set.lamp: output \"lamp\" is on or off; percent need pwm = \"200 Hz\" there",
        ),
        (
            "set = { lamp = \"{state}\" }",
            "set = { lamp = 101 }",
            "24:16: commands[0].set.lamp: 101 is out of range; a whole number from 0 to 100 is needed",
        ),
        (
            "<light> {state}\"",
            "<light> {percent:state}\"",
            "the slot \"state\" can also be \"0\"; an output without pwm is on or off",
        ),
        (
            "[lists]",
            "[buttons.wall]\npin = 17\ncommand = \"bell\"\n[lists]",
            "buttons.wall.pin: GPIO17 is already the pin of \"lamp\"; each needs its own",
        ),
        (
            "[lists]",
            "[buttons.wall]\npin = 22\ncommand = \"lamp\"\n[lists]",
            "buttons.wall.command: the command \"lamp\" needs the slot \"state\", which a button cannot say",
        ),
        (
            "[lists]",
            "[buttons.wall]\npin = 22\ncommand = \"bel\"\n[lists]",
            "buttons.wall.command: there is no command \"bel\"; did you mean \"bell\"?",
        ),
        (
            "[lists]",
            "[buttons.wall]\npin = 22\n[lists]",
            "15:1: buttons.wall: this button does nothing; command = \"lamp\" or talk = true is needed",
        ),
        (
            "[lists]",
            "[buttons]\nwall = { pin = 22, talk = false }\n[lists]",
            "16:8: buttons.wall: this button does nothing; command = \"lamp\" or talk = true is needed",
        ),
        (
            "[lists]",
            "[buttons.wall]\npin = 22\ntalk = true\ncommand = \"bell\"\n[lists]",
            "17:8: buttons.wall.talk: this button has a command too; leave out command or talk",
        ),
        (
            "[lists]",
            "[buttons.wall]\npin = 22\ntalk = \"yes\"\n[lists]",
            "17:8: buttons.wall.talk: this is a string; true or false is needed",
        ),
        (
            "[lists]",
            "[buttons.wall]\npin = 22\ncommand = \"bell\"\npull = \"top\"\n[lists]",
            "buttons.wall.pull: \"top\" is not a pull; \"up\", \"down\" or \"none\" is needed",
        ),
        (
            "[lists]",
            "[buttons.wall]\npin = 22\ncommand = \"bell\"\npull = \"down\"\n[lists]",
            "buttons.wall.pull: pulled down an open contact is low, which is pressed; active_low says which level is",
        ),
        (
            "pin = 17",
            "pin = 17\npwm = \"2 kHz\"",
            "11:7: outputs.lamp.pwm: 2000 Hz is too fast for a thread, which does 1000 Hz at most; the board has no generator for GPIO17",
        ),
        (
            "pin = 17\nactive_low = false",
            "pin = 18\npwm = \"2 kHz\"\nactive_low = true",
            "too fast for a thread, which does 1000 Hz at most; the board's generator begins with a low level, which is on here",
        ),
        (
            "[lists]",
            "[gpio]\ninputs = \"x\"\n[lists]",
            "gpio.inputs: only backend = \"simulated\" takes a file of inputs",
        ),
        ("rest = \"off\"", "rest = false", "12:8: outputs.lamp.rest: this is a boolean; a string in quotes is needed"),
        (
            "rest = \"off\"",
            "rest = \"of\"",
            "12:8: outputs.lamp.rest: \"of\" is not a state; \"on\" or \"off\" is needed",
        ),
        (
            "rest = \"off\"",
            "max_on = \"2 days\"",
            "12:10: outputs.lamp.max_on: \"2 days\" is not a number and a unit; as in",
        ),
        (
            "rest = \"off\"",
            "min_on = \"5 min\"\nmax_on = \"1 min\"",
            "13:10: outputs.lamp.max_on: \"1 min\" is out of range; 5 min to 24 h is needed",
        ),
        (
            "rest = \"off\"",
            "rest = \"on\"\nmax_on = \"1 min\"",
            "13:10: outputs.lamp.max_on: this output rests on, so it stays on; max_on needs rest = \"off\"",
        ),
        ("rest = \"off\"", "min_of = \"5 s\"", "12:1: outputs.lamp.min_of: unknown key; did you mean \"min_off\"?"),
        (
            "pin = 27",
            "pin = 27\nmin_on = \"1 s\"",
            "29:18: commands[1].pulse.bell: \"200 ms\" is out of range; 1 s to 1 h is needed",
        ),
        (
            "pin = 27",
            "pin = 27\nmax_on = \"100 ms\"",
            "29:18: commands[1].pulse.bell: \"200 ms\" is out of range; 1 ms to 100 ms is needed",
        ),
        (
            "[lists]",
            "[interlocks]\nx = { outputs = [\"lamp\", \"bel\"] }\n[lists]",
            "16:26: interlocks.x.outputs[1]: there is no output \"bel\"; did you mean \"bell\"?",
        ),
        (
            "[lists]",
            "[interlocks]\nx = { outputs = [\"lamp\", \"lamp\"] }\n[lists]",
            "16:26: interlocks.x.outputs[1]: output \"lamp\" is already in an interlock; it can be in one only",
        ),
        (
            "[lists]",
            "[interlocks]\nx = { outputs = [\"lamp\"] }\n[lists]",
            "16:5: interlocks.x: an interlock needs two outputs or more; as in: outputs = [\"up\", \"down\"]",
        ),
        ("[lists]", "[interlocks]\nx = {}\n[lists]", "16:5: interlocks.x.outputs: missing; as in: outputs = [\"up\","),
        (
            "[lists]",
            "[interlocks]\nx = { outputs = [\"lamp\", \"bell\"], dead_time = \"2 min\" }\n[lists]",
            "16:47: interlocks.x.dead_time: \"2 min\" is out of range; 1 ms to 1 min is needed",
        ),
        (
            "pin = 27",
            "pin = 27\nrest = \"on\"\n[interlocks]\nx = { outputs = [\"lamp\", \"bell\"] }",
            "17:26: interlocks.x.outputs[1]: output \"bell\" rests on; interlocked ones rest off",
        ),
        (
            "pulse = { bell = \"200 ms\" }",
            "pulse = { bell = \"200 ms\" }\nset = { lamp = \"on\" }\n[interlocks]\nx = { outputs = [\"lamp\", \"bell\"] }",
            "28:18: commands[1].pulse.bell: \"bell\" and \"lamp\" are interlocked; one command cannot switch both on",
        ),
        (
            "pulse = { bell = \"200 ms\" }",
            "blink = { bell = { on = \"1 s\", off = \"1 s\" } }",
            "28:18: commands[1].blink.bell.times: missing; as in: times = 5",
        ),
        (
            "pulse = { bell = \"200 ms\" }",
            "blink = { bell = { on = \"1 s\", off = \"0 s\", times = 0 } }",
            "commands[1].blink.bell.times: 0 is out of range; a whole number from 1 to 1000 is needed",
        ),
        (
            "pulse = { bell = \"200 ms\" }",
            "blink = { bell = { on = \"1 s\", off = \"0 s\", times = 1 } }",
            "28:38: commands[1].blink.bell.off: \"0 s\" is out of range; 1 ms to 1 h is needed",
        ),
        (
            "pulse = { bell = \"200 ms\" }",
            "scene = \"evening\"",
            "28:9: commands[1].scene: there is no scene \"evening\"; make one: [scenes.evening] with lamp = \"on\"",
        ),
        (
            "pulse = { bell = \"200 ms\" }",
            "scene = \"evning\"\n[scenes.evening]\nbell = \"on\"",
            "28:9: commands[1].scene: there is no scene \"evning\"; did you mean \"evening\"?",
        ),
        (
            "pulse = { bell = \"200 ms\" }",
            "[scenes.evening]\nbel = \"on\"",
            "29:1: scenes.evening.bel: there is no output \"bel\"; did you mean \"bell\"?",
        ),
        (
            "pulse = { bell = \"200 ms\" }",
            "[scenes.evening]\nbell = \"{state}\"",
            "29:8: scenes.evening.bell: \"{state}\" is not a state; \"on\" or \"off\" is needed",
        ),
        (
            "pulse = { bell = \"200 ms\" }",
            "scene = \"evening\"\ntoggle = \"bell\"\n[scenes.evening]\nbell = \"on\"",
            "28:9: commands[1].scene: this command already acts on output \"bell\"; once is enough",
        ),
        (
            "\"kitchen\", {",
            "\"kitchen\", { say = \"attic\", value = 5 }, {",
            "17:20: lists.room[1]: 5 is one of the whole numbers, but the list's first value gives text; all values of a list",
        ),
        (
            "say = \"ring the bell\"",
            "say = [\"ring {room:x}\", \"ring {percent:x}\"]",
            "27:7: commands[1].say: the slot \"x\" is of two kinds: {room:x} gives text and {percent:x} whole numbers; give",
        ),
        (
            "say = \"ring the bell\"",
            "say = \"ring the bell\"\nrequires = { lamb = \"on\" }",
            "28:14: commands[1].requires.lamb: there is no output \"lamb\"; did you mean \"lamp\"?",
        ),
        (
            "say = \"ring the bell\"",
            "say = \"ring the bell\"\nrequires = { lamp = 40 }",
            "28:21: commands[1].requires.lamp: this is an integer; a string in quotes is needed",
        ),
        (
            "say = \"ring the bell\"",
            "say = \"ring the bell\"\nrequires = { lamp = \"dim\" }",
            "28:21: commands[1].requires.lamp: \"dim\" is not a state; \"on\" or \"off\" is needed",
        ),
        (
            "say = \"ring the bell\"",
            "say = \"[ring the] lamp on\"",
            "26:8: commands[1].name: \"bell\" can be said by \"lamp on\", and so can \"lamp\"; leave it out of one of them",
        ),
        (
            "turn {state} [the]",
            "turn {stat} [the]",
            "\n  say = [\"turn {stat} [the] <light>\", \"<light> {state}\"]\n               ^^^^^^",
        ),
        ("state = [\"on\", \"off\"]", "state = []", "16:9: lists.state: an empty list"),
        ("{ from = 0, to = 100 }", "{ from = 9, to = 1 }", "18:11: lists.percent: from 9 is above to 1"),
        (
            "{ from = 0, to = 100 }",
            "{ from = 0, upto = 100 }",
            "lists.percent.to: missing; as in: { from = 0, to = 100 }",
        ),
        (
            "(lounge|living room)",
            "(lounge|living room",
            "17:29: lists.room[1].say: in \"(lounge|living room\": this bracket is never closed",
        ),
        ("(lounge|living room)", "(lounge|{state})", "lists.room[1].say: plain words are needed here"),
        (
            "(light|lights|lamp)",
            "(light|<light>)",
            "20:17: rules.light: in \"(light|<light>)\": rule <light> contains itself",
        ),
        (
            "turn {state} [the]",
            "turn {stat} [the]",
            "23:14: commands[0].say[0]: in \"turn {stat} [the] <light>\": there is no list \"stat\"; did you mean \"state\"?",
        ),
        (
            "turn {state} [the]",
            "turn (on;off|up)",
            "23:21: commands[0].say[0]: in \"turn (on;off|up) <light>\": '|' and ';' in one bracket",
        ),
        (
            "set = { lamp = \"{state}\" }",
            "set = { lamb = \"{state}\" }",
            "24:9: commands[0].set.lamb: there is no output \"lamb\"; did you mean \"lamp\"?",
        ),
        (
            "set = { lamp = \"{state}\" }",
            "set = { lamp = \"{stat}\" }",
            "24:16: commands[0].set.lamp: no slot \"stat\" in these sentences; did you mean {state}?",
        ),
        (
            "set = { lamp = \"{state}\" }",
            "set = { lamp = \"{level}\" }",
            "24:16: commands[0].set.lamp: no slot \"level\" in these sentences; there are: state",
        ),
        (
            "set = { lamp = \"{state}\" }",
            "set = { lamp = \"bright\" }",
            "24:16: commands[0].set.lamp: \"bright\" is not a state",
        ),
        (
            "<light> {state}\"",
            "<light> now\"",
            "commands[0].set.lamp: not every sentence of this command fills the slot \"state\"",
        ),
        (
            "<light> {state}\"",
            "<light> {room:state}\"",
            "the slot \"state\" can also be \"kitchen\"; only on and off can be set",
        ),
        (
            "set = { lamp = \"{state}\" }",
            "set = { lamp = \"on\" }\ntoggle = \"lamp\"",
            "25:10: commands[0].toggle: this command already acts on output \"lamp\"",
        ),
        ("name = \"bell\"", "name = \"lamp\"", "26:8: commands[1].name: there is already a command \"lamp\""),
        (
            "\"200 ms\"",
            "\"2 days\"",
            "28:18: commands[1].pulse.bell: \"2 days\" is not a number and a unit; as in \"200 ms\" or \"2 s\"; units are ms, s, min, h",
        ),
        ("say = \"ring the bell\"\n", "", "commands[1].say: missing; as in: say = \"turn on the lamp\""),
        (
            "say = \"ring the bell\"",
            "say = \"ring the bell!\"",
            "27:21: commands[1].say: in \"ring the bell!\": punctuation is not spoken; leave it out",
        ),
    ];
    for (from, to, words) in cases {
        let text = changed(from, to);
        let said = parse("hearken.toml", &text).map(|_| "good".to_string()).unwrap_or_else(|p| p.to_string());
        assert!(said.contains(words), "{to:?} says\n{said}\nbut should say\n{words}");
    }
}

#[test]
fn all_faults_of_a_file_are_said_at_once_in_its_order() {
    let text = changed("gain_db", "gain").replace("pin = 17", "pin = 99").replace("\"200 ms\"", "200");
    let said = parse("hearken.toml", &text).unwrap_err().to_string();
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("hearken.toml:")).collect();
    assert_eq!((lines.len(), said.lines().count()), (3, 9), "{said}");
    assert!(lines[0].contains(":4:1:") && lines[1].contains(":10:7:") && lines[2].contains(":28:18:"), "{said}");
}

#[test]
fn on_a_chip_of_its_own_gpiocdev_takes_names_and_offsets_that_no_header_has() {
    let text = changed("board = \"pi-5\"", "board = \"host\"\n[gpio]\nbackend = \"gpiocdev\"\nchip = \"gpio-sim.0\"");
    let settings = good(&text.replace("pin = 17", "pin = \"RELAY1\"").replace("pin = 27", "pin = 53"));
    let lines: Vec<Line> = settings.outputs.iter().map(|o| o.line.clone()).collect();
    assert_eq!(lines, [Line::Name("RELAY1".into()), Line::Number(53)]);
    let said = parse("hearken.toml", &changed("pin = 17", "pin = \"RELAY1\"")).unwrap_err().to_string();
    assert!(said.contains("outputs.lamp.pin: this is a string; a whole number from 0 to 1023 is needed"), "{said}");
}

#[test]
fn keys_of_integrations_that_do_not_go_together_are_told() {
    let table = [
        ("[wyoming]\nact = true\nhandle = true\n", "wyoming: act and handle together would carry out a sentence twice"),
        ("[wyoming]\nannounce = true\n", "wyoming: announce is of no use while only this machine can connect"),
        (
            "[mqtt]\naddress = \"box\"\nca_file = \"/ca.pem\"\n",
            "mqtt.ca_file: it is used for encrypted connections only",
        ),
        ("[mqtt]\naddress = \"[::1]\"\ntls = true\n", "mqtt.address: an encrypted connection needs the broker's name"),
    ];
    for (section, words) in table {
        let said = parse("hearken.toml", &format!("{}\n{section}", changed("", ""))).unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
    let broker = |section: &str| good(&format!("{}\n{section}", changed("", ""))).mqtt.unwrap().broker;
    assert_eq!(broker("[mqtt]\naddress = \"box\"\n"), ("box".into(), 1883));
    assert_eq!(broker("[mqtt]\naddress = \"box\"\ntls = true\n"), ("box".into(), 8883));
}

#[test]
fn a_file_that_is_not_there_or_no_file_is_named() {
    for (path, words) in
        [("/nowhere.toml", "/nowhere.toml: No such file or directory"), ("/dev", "/dev: not a regular file")]
    {
        let said = config::load(Path::new(path)).unwrap_err().to_string();
        assert!(said.starts_with(words), "{said}");
    }
}

#[test]
fn what_a_command_runs_and_sends_is_checked() {
    const SET: &str = "set = { lamp = \"{state}\" }";
    let cases = [
        ("run = [\"x\"]", "25:8: commands[0].run[0]: \"x\" is not the path of a program from / on"),
        ("run = \"/bin/{state}\"", "25:7: commands[0].run: \"/bin/{state}\" is not the path"),
        ("run = []", "25:7: commands[0].run: the path of a program is needed; as in: run = [\"/usr/local/bin/x\""),
        ("run = [\"/bin/x\", 5]", "this is an integer; a string"),
        (
            "run = [\"/bin/x\", \"{stat}\"]",
            "25:18: commands[0].run[1]: no slot \"stat\" in these sentences; did you mean {state}?",
        ),
        ("run = [\"/bin/x\", \"\\u0000\"]", "25:18: commands[0].run[1]: a program cannot be given the character 0"),
        ("run_limit = \"5 s\"", "25:13: commands[0].run_limit: this command runs no program"),
        (
            "run = \"/bin/x\"\nrun_limit = \"2 h\"",
            "26:13: commands[0].run_limit: \"2 h\" is out of range; 100 ms to 1 h",
        ),
        (
            "post = \"box:1880\"",
            "25:8: commands[0].post: an address is needed; as in \"http://localhost:1880/hearken\"",
        ),
        (
            "publish = { topic = \"a\" }",
            "25:11: commands[0].publish: there is no broker to publish to; make one: [mqtt]",
        ),
        (
            "publish = { topic = \"a/#\" }\n[mqtt]\naddress = \"box\"",
            "commands[0].publish.topic: nothing can be published to this topic",
        ),
        ("publish = { payload = \"a\" }\n[mqtt]\naddress = \"box\"", "commands[0].publish.topic: missing; as in"),
        (
            "publish = { topic = \"a/{stat}\" }\n[mqtt]\naddress = \"box\"",
            "commands[0].publish: no slot \"stat\" in these sentences; did you mean {state}?",
        ),
        ("post = \"http://box/{state}\"", "25:8: commands[0].post: slots are sent in the body; an address has none"),
    ];
    for (lines, expected) in cases {
        let said = refused(SET, &format!("{SET}\n{lines}"));
        assert!(said.contains(expected), "{lines}: {said}");
    }
    let pressed = refused("[lists]", "[buttons.wall]\npin = 5\ncommand = \"lamp\"\n[lists]");
    assert!(pressed.contains("needs the slot \"state\", which a button cannot say"), "{pressed}");
    let text = changed(SET, "run = [\"/bin/x\", \"--to={state}\"]\nrun_limit = \"1 min\"\npost = \"http://box/\"");
    let pressed = text.replace("[lists]", "[buttons.wall]\npin = 5\ncommand = \"lamp\"\n[lists]");
    let said = parse("hearken.toml", &pressed).unwrap_err().to_string();
    assert!(said.contains("needs the slot \"state\", which a button cannot say"), "{said}");
    let tasks = good(&format!("{text}[post]\nretries = 0\nlimit = \"1 s\"\n")).commands[0].tasks.clone();
    let [Task::Run(run), Task::Post(post)] = tasks.as_slice() else { panic!("{tasks:?}") };
    assert_eq!((run.limit, run.arguments.len()), (Duration::from_secs(60), 2));
    assert_eq!(
        (post.url.as_str(), post.retries, post.limit, post.words),
        ("http://box/", 0, Duration::from_secs(1), false)
    );
}

#[test]
fn two_slots_with_one_variable_are_refused() {
    let text = changed("say = \"ring the bell\"", "say = \"{state:a-b} the bell {state:A_b}\"\nrun = \"/bin/x\"");
    let said = parse("hearken.toml", &text).unwrap_err().to_string();
    assert!(said.contains("the slots \"A_b\" and \"a-b\" are both HEARKEN_SLOT_A_B; rename one"), "{said}");
}

#[test]
fn what_confirms_is_said_by_no_other_command_and_two_commands_stand_for_it() {
    const BELL: &str = "say = \"ring the bell\"";
    let cases = [
        ("confirm = \"500 ms\"", "28:11: commands[1].confirm: \"500 ms\" is out of range; 1 s to 1 min is needed"),
        ("confirm = \"5 s\"\n[confirm]\nyes = []", "confirm.yes: nothing can be said; give it at least one sentence"),
        ("confirm = \"5 s\"\n[confirm]\nyes = \"{state}\"", "confirm.yes: plain words are needed here"),
        ("confirm = \"5 s\"\n[confirm]\nyeah = \"yes\"", "confirm.yeah: unknown key"),
        (
            "confirm = \"5 s\"\n[confirm]\nno = \"(yes|no)\"",
            "\"confirm.no\" can be said by \"yes\", and so can \"confirm.yes\"",
        ),
    ];
    for (lines, expected) in cases {
        let said = parse("hearken.toml", &changed("pulse = { bell = \"200 ms\" }", lines)).unwrap_err().to_string();
        assert!(said.contains(expected), "{lines}: {said}");
    }
    let text = changed(BELL, "say = \"yes\"\nconfirm = \"5 s\"");
    let said = parse("hearken.toml", &text).unwrap_err().to_string();
    assert!(said.contains("\"confirm.yes\" can be said by \"yes\", and so can \"bell\""), "{said}");
    let without = good(&changed(BELL, "say = \"yes\""));
    assert_eq!((without.answers, without.commands.len()), (None, 2));
    let with = good(&changed(BELL, &format!("{BELL}\nconfirm = \"5 s\"")));
    assert_eq!((with.answers, with.configured().len()), (Some(Answers { yes: 2, no: 3 }), 2));
    assert_eq!(with.commands[1].confirm, Some(Duration::from_secs(5)));
    assert_eq!(with.grammar.count(), without.grammar.count() + 6);
    let warnings = lint::warnings(&with.grammar, &with.commands, None).join("\n");
    assert!(!warnings.contains("confirm."), "{warnings}");
}
