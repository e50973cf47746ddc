//! The built daemon and a command that waits to be confirmed.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::daemon::{CONFIG, Daemon};
use crate::deciding::alone;
use crate::support::{VirtualMicrophone, data, in_a_row};

/// Words for which there are clips.
const GATE: &str = r#"
[confirm]
yes = "next track"
no = "skip this song"
[[commands]]
name = "gate"
say = "open the {door}"
confirm = "60 s"
set = { lights = "on" }
"#;

fn hearing(clip: &str, more: &str) -> Daemon {
    let doors = "[lists]\ndoor = [{ say = \"sliding door\", value = \"gate\" }]\n";
    let config = CONFIG.replace("[lists]\n", doors) + more;
    Daemon::configured(VirtualMicrophone::playing(&in_a_row(&[data(clip)])), &config)
}

/// The next event of a confirmation, if it comes before that of the utterance, and the event of the utterance.
fn heard(daemon: &mut Daemon) -> (Option<Value>, Value) {
    let mut step = None;
    loop {
        let event = daemon.news();
        if event.get("confirm").is_some() {
            step = Some(event);
        } else if event.get("utterance").is_some() {
            return (step, event);
        }
    }
}

const RESTING: &str = "GPIO17 0\nGPIO22 1\nGPIO27 1\n";
const OPEN: &str = "GPIO17 1\nGPIO22 1\nGPIO27 1\n";

#[test]
fn a_command_waits_for_the_yes_and_a_no_cancels_it() {
    let _alone = alone();
    const DOOR: &str = "home/open the Sliding Door.wav";
    const YES: &str = "home/next track.wav";
    const NO: &str = "home/skip this song.wav";
    // What is said, which rule refuses it, what then happens to the gate, which command is carried out, and the pins.
    let said = [
        (YES, "unasked", "", "", RESTING),
        (DOOR, "unconfirmed", "waiting", "", RESTING),
        (NO, "", "cancelled", "confirm.no", RESTING),
        (YES, "unasked", "", "", RESTING),
        (DOOR, "unconfirmed", "waiting", "", RESTING),
        (YES, "", "confirmed", "gate", OPEN),
        (DOOR, "unconfirmed", "waiting", "", OPEN),
        ("home/what's the time.wav", "", "cancelled", "time", OPEN),
    ];
    let mut daemon = hearing(said[0].0, GATE);
    for (i, (_, rule, step, command, pins)) in said.into_iter().enumerate() {
        let (confirm, event) = heard(&mut daemon);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        assert_eq!((text(&event["rule"]), text(&event["command"])), (rule.into(), command.into()), "{i}: {event}");
        let told = confirm.map(|c| (text(&c["confirm"]), text(&c["command"]), c["of_utterance"].clone()));
        let expected = (!step.is_empty()).then(|| (step.to_string(), "gate".to_string(), json!(i + 1)));
        assert_eq!(told, expected, "{i}");
        assert_eq!(daemon.pins(), pins, "{i}");
        if command == "gate" {
            assert_eq!(
                (&event["sentence"], &event["slots"]["door"]),
                (&json!("open the sliding door"), &json!("gate"))
            );
            assert_eq!((&event["nearest"], &event["verdict"]), (&json!("next track"), &json!("accepted")));
        }
        if let Some((next, ..)) = said.get(i + 1) {
            daemon.microphone.goes_on_with(&in_a_row(&[data(next)]));
        }
    }
    assert_eq!(daemon.status()["commands"], 4, "yes and no are not counted");
    daemon.running.signal(Signal::TERM);
    let (code, log) = daemon.ended();
    assert_eq!(code, Some(0));
    assert!(log.contains("confirmation") && !log.contains("sliding door"), "no words in the log: {log}");
}

#[test]
fn what_it_requires_must_still_be_so_when_it_is_confirmed() {
    let _alone = alone();
    let more = "[buttons.wall]\npin = 5\ncommand = \"tv-on\"\n[[commands]]\nname = \"tv-on\"\nsay = \"TV please\"\n\
                set = { tv = \"on\" }\n";
    let gate = GATE.replace("set =", "requires = { tv = \"off\" }\nset =");
    let mut daemon = hearing("home/open the Sliding Door.wav", &format!("{gate}{more}"));
    assert_eq!(heard(&mut daemon).1["rule"], "unconfirmed");
    daemon.press("GPIO5");
    assert_eq!(daemon.news()["button"], "wall");
    daemon.microphone.goes_on_with(&in_a_row(&[data("home/next track.wav")]));
    let (step, event) = heard(&mut daemon);
    assert_eq!((&step.unwrap()["confirm"], &event["rule"]), (&json!("confirmed"), &json!("state")), "{event}");
    assert_eq!((daemon.pins().lines().next(), &event["command"]), (Some("GPIO17 0"), &Value::Null));
    daemon.running.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Some(0));
}

#[test]
fn without_a_yes_its_time_is_over() {
    let _alone = alone();
    let mut daemon = hearing("home/open the Sliding Door.wav", &GATE.replace("60 s", "1 s"));
    let (step, event) = heard(&mut daemon);
    assert_eq!((&step.unwrap()["confirm"], &event["verdict"]), (&json!("waiting"), &json!("rejected")));
    let reason = event["reason"].as_str().unwrap_or_default().to_string();
    assert_eq!(reason, "it waits to be confirmed, for 1 s");
    let expired = daemon.news();
    assert_eq!((&expired["confirm"], &expired["of_utterance"]), (&json!("expired"), &Value::Null), "{expired}");
    assert_eq!(daemon.pins(), RESTING);
    daemon.running.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Some(0));
}
