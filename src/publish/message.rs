//! What a message from the broker asks for. No input or output.

use super::MqttSettings;
use super::discovery::is_offered;
use crate::act::command::{Command, Output};
use crate::act::gpio::Duty;

/// What somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// An output, by its index, is to have this state.
    Output(usize, Duty),
    /// A command, by its index, is to be carried out.
    Command(usize),
    /// Voice is to be ignored, or no more.
    Mute(bool),
    /// Home Assistant has started, and wants to be told everything.
    Announce,
}

/// What a message with this `topic` and `payload` asks for. `None` for anything else: it is ignored.
pub fn wish(
    settings: &MqttSettings,
    (outputs, commands): (&[Output], &[Command]),
    topic: &str,
    payload: &[u8],
) -> Option<Wish> {
    let payload = std::str::from_utf8(payload).ok()?;
    if topic == settings.status_topic() {
        return (payload == "online").then_some(Wish::Announce);
    }
    let own = topic.strip_prefix("hearken/")?.strip_prefix(&settings.id)?.strip_prefix('/')?;
    match own {
        "mute/set" => on_or_off(payload).map(Wish::Mute),
        "command" => {
            let offered = |command: &Command| command.name == payload && is_offered(command);
            commands.iter().position(offered).map(Wish::Command)
        }
        own => output(outputs, own.strip_prefix("output/")?.strip_suffix("/set")?, payload),
    }
}

/// The wish for `NAME`, or for `NAME/brightness`.
fn output(outputs: &[Output], what: &str, payload: &str) -> Option<Wish> {
    let (name, brightness) = what.strip_suffix("/brightness").map_or((what, false), |name| (name, true));
    let output = outputs.iter().position(|output| output.name == name)?;
    let duty = match brightness {
        false => Duty::from(on_or_off(payload)?),
        true if outputs[output].dimmer.is_none() => return None,
        true => Duty::thousandths(payload.parse::<u16>().ok().filter(|percent| *percent <= 100)? * 10),
    };
    Some(Wish::Output(output, duty))
}

fn on_or_off(payload: &str) -> Option<bool> {
    match payload {
        "ON" => Some(true),
        "OFF" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn a_message_is_a_wish_for_something_that_there_is_or_nothing() {
        let text = "board = \"host\"\n[mqtt]\naddress = \"box\"\nid = \"hall\"\n[outputs.lamp]\npin = 5\n\
                    [outputs.strip]\npin = 12\npwm = \"200 Hz\"\n[lists]\nstate = [\"on\", \"off\"]\n\
                    [[commands]]\nname = \"time\"\nsay = \"what time is it\"\n\
                    [[commands]]\nname = \"all\"\nsay = \"all {state}\"\nset = { lamp = \"{state}\" }\n\
                    [[commands]]\nname = \"stop\"\nsay = \"stop\"\nset = { lamp = \"off\" }\n";
        let settings = config::parse("x.toml", text).unwrap_or_else(|faults| panic!("{faults}"));
        let (outputs, commands) = (&settings.outputs[..], &settings.commands[..]);
        let at = |name| outputs.iter().position(|o| o.name == name).unwrap();
        let table: [(&str, &[u8], Option<Wish>); 17] = [
            ("hearken/hall/output/lamp/set", b"ON", Some(Wish::Output(at("lamp"), Duty::FULL))),
            ("hearken/hall/output/lamp/set", b"OFF", Some(Wish::Output(at("lamp"), Duty::NONE))),
            ("hearken/hall/output/lamp/set", b"on", None),
            ("hearken/hall/output/lamp/set", b"", None),
            ("hearken/hall/output/lamp/set", &[0xff, 0xfe], None),
            ("hearken/hall/output/lamp", b"ON", None),
            ("hearken/hall/output/gone/set", b"ON", None),
            ("hearken/other/output/lamp/set", b"ON", None),
            (
                "hearken/hall/output/strip/brightness/set",
                b"40",
                Some(Wish::Output(at("strip"), Duty::thousandths(400))),
            ),
            ("hearken/hall/output/strip/brightness/set", b"101", None),
            ("hearken/hall/output/lamp/brightness/set", b"40", None),
            ("hearken/hall/command", b"stop", Some(Wish::Command(2))),
            ("hearken/hall/command", b"all", None),
            ("hearken/hall/command", b"nothing", None),
            ("hearken/hall/mute/set", b"ON", Some(Wish::Mute(true))),
            ("homeassistant/status", b"online", Some(Wish::Announce)),
            ("homeassistant/status", b"offline", None),
        ];
        for (topic, payload, expected) in table {
            let asked = wish(settings.mqtt.as_ref().unwrap(), (outputs, commands), topic, payload);
            assert_eq!(asked, expected, "{topic} {payload:?}");
        }
    }
}
