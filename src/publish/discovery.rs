//! What Home Assistant is told of this device: its outputs, its commands, and its sensors. No input or output.

use serde_json::{Map, Value, json};

use super::MqttSettings;
use crate::act::command::{Command, Output};

/// Most components that are remembered as gone. Home Assistant needs to be told of each until it has removed it.
const MOST_GONE: usize = 100;

/// The payload of the discovery of this device. `before` is the payload that the broker had, if any: what it has and
/// the configuration has no more is removed.
pub fn config(settings: &MqttSettings, outputs: &[Output], commands: &[Command], before: Option<&Value>) -> Value {
    let mut components = components(settings, outputs, commands);
    for (name, component) in gone(&components, before) {
        components.insert(name, component);
    }
    json!({
        "device": {
            "identifiers": [format!("hearken_{}", settings.id)],
            "name": settings.id,
            "manufacturer": "Hearken",
            "model": "Voice commands",
            "sw_version": env!("CARGO_PKG_VERSION"),
        },
        "origin": {"name": "Hearken", "sw_version": env!("CARGO_PKG_VERSION")},
        "availability_topic": settings.topic("available"),
        "components": components,
    })
}

/// The components of `before` that are not among `now`, each with its platform only: so Home Assistant removes them.
fn gone(now: &Map<String, Value>, before: Option<&Value>) -> Vec<(String, Value)> {
    let components = before.and_then(|before| before["components"].as_object());
    let old = components.into_iter().flatten().filter(|(name, _)| !now.contains_key(*name));
    let removed = |(name, component): (&String, &Value)| {
        let platform = component["platform"].as_str()?;
        Some((name.clone(), json!({"platform": platform})))
    };
    old.filter_map(removed).take(MOST_GONE).collect()
}

fn components(settings: &MqttSettings, outputs: &[Output], commands: &[Command]) -> Map<String, Value> {
    let mut components = Map::new();
    let mut add = |name: String, platform: &str, mut component: Value| {
        component["platform"] = json!(platform);
        component["unique_id"] = json!(format!("hearken_{}_{name}", settings.id));
        components.insert(name, component);
    };
    for output in outputs {
        let name = &output.name;
        let (platform, component) = switched(settings, output);
        add(format!("output_{name}"), platform, component);
    }
    for Command { name, .. } in commands.iter().filter(|command| is_offered(command)) {
        let topic = settings.topic("command");
        add(format!("command_{name}"), "button", json!({"name": name, "command_topic": topic, "payload_press": name}));
    }
    let event = json!({"name": "Command", "state_topic": settings.topic("event"), "event_types": super::news::TYPES});
    add("event".into(), "event", event);
    let mute = json!({
        "name": "Mute", "icon": "mdi:microphone-off", "entity_category": "config",
        "state_topic": settings.topic("mute"), "command_topic": settings.topic("mute/set"),
    });
    add("mute".into(), "switch", mute);
    for (name, platform, sensor) in sensors(settings) {
        add(name.into(), platform, sensor);
    }
    components
}

/// Whether a command is offered as a button: it does something, and needs no words for that.
pub fn is_offered(command: &Command) -> bool {
    !(command.actions.is_empty() && command.tasks.is_empty()) && command.is_without_slots()
}

/// An output, as a light if it can be dimmed.
fn switched(settings: &MqttSettings, output: &Output) -> (&'static str, Value) {
    let name = &output.name;
    let at = |what: &str| settings.topic(&format!("output/{name}{what}"));
    let mut component = json!({"name": name, "state_topic": at(""), "command_topic": at("/set")});
    if output.dimmer.is_none() {
        return ("switch", component);
    }
    component["brightness_state_topic"] = json!(at("/brightness"));
    component["brightness_command_topic"] = json!(at("/brightness/set"));
    component["brightness_scale"] = json!(100);
    // One message says all: without it a click on the bulb would be "full".
    component["on_command_type"] = json!("brightness");
    ("light", component)
}

fn sensors(settings: &MqttSettings) -> Vec<(&'static str, &'static str, Value)> {
    let sensor = |name: &str, what: &str| json!({"name": name, "state_topic": settings.topic(what), "entity_category": "diagnostic"});
    let mut microphone = sensor("Microphone", "microphone");
    microphone["device_class"] = json!("connectivity");
    let mut level = sensor("Level", "level");
    level["unit_of_measurement"] = json!("dB");
    level["device_class"] = json!("sound_pressure");
    level["state_class"] = json!("measurement");
    let mut log_odds = sensor("Last log-odds", "log_odds");
    log_odds["state_class"] = json!("measurement");
    let mut sensors =
        vec![("microphone", "binary_sensor", microphone), ("level", "sensor", level), ("log_odds", "sensor", log_odds)];
    if settings.words {
        sensors.push(("sentence", "sensor", sensor("Last sentence", "sentence")));
    }
    sensors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn of(text: &str, before: Option<&Value>) -> Value {
        let head = "board = \"host\"\n[mqtt]\naddress = \"box\"\nid = \"hall\"\n";
        let tail = "[[commands]]\nname = \"stop\"\nsay = \"stop\"\nset = { lamp = \"off\" }\n\
                    [[commands]]\nname = \"lamp\"\nsay = \"lamp (on|off){state}\"\n";
        let settings = config::parse("x.toml", &format!("{head}{text}{}", tail.replace("(on|off){state}", "on")));
        let settings = settings.unwrap_or_else(|faults| panic!("{faults}"));
        config(settings.mqtt.as_ref().unwrap(), &settings.outputs, &settings.commands, before)
    }

    const TWO: &str = "[outputs.lamp]\npin = 5\n[outputs.strip]\npin = 12\npwm = \"200 Hz\"\n";

    #[test]
    fn every_output_and_every_command_without_slots_is_a_component_with_a_stable_id() {
        let config = of(TWO, None);
        let table = [
            ("output_lamp", "switch"),
            ("output_strip", "light"),
            ("command_stop", "button"),
            ("event", "event"),
            ("mute", "switch"),
            ("microphone", "binary_sensor"),
            ("level", "sensor"),
            ("log_odds", "sensor"),
        ];
        let components = config["components"].as_object().unwrap();
        assert_eq!(components.len(), table.len(), "{components:?}");
        for (name, platform) in table {
            assert_eq!(components[name]["platform"], platform, "{name}");
            assert_eq!(components[name]["unique_id"], format!("hearken_hall_{name}"));
        }
    }

    #[test]
    fn the_last_sentence_is_published_only_if_the_user_says_so() {
        assert_eq!(of(TWO, None)["components"]["sentence"], Value::Null);
        let said = of(&format!("words = true\n{TWO}"), None);
        assert_eq!(said["components"]["sentence"]["platform"], "sensor");
    }

    #[test]
    fn what_is_gone_keeps_its_platform_only_and_garbage_is_ignored() {
        let before = of(TWO, None);
        let one = "[outputs.lamp]\npin = 5\n";
        let after = of(one, Some(&before));
        assert_eq!(after["components"]["output_strip"], json!({"platform": "light"}));
        assert_eq!(of(one, Some(&after)), after, "until the broker forgets it");
        assert_eq!(of(TWO, Some(&after)), before, "and it may come again");
        for garbage in [json!(7), json!({"components": [1]}), json!({"components": {"x": 1, "y": {"platform": 2}}})] {
            assert_eq!(of(one, Some(&garbage)), of(one, None), "{garbage}");
        }
    }
}
