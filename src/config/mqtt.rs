//! The section `[mqtt]`.

use super::{assign, keys};
use crate::document::Section;
use crate::grammar::template;
use crate::publish::MqttSettings;

/// The port of a broker where none is given, and that of encrypted connections (IANA's list of services).
const PORTS: (u16, u16) = (1883, 8883);

/// Reads the section. `None` if its address is missing or has a fault.
pub fn read(section: &Section<'_>) -> Option<MqttSettings> {
    let tls = keys::TLS.boolean(section).unwrap_or_default();
    let ca_file = keys::CA_FILE.text(section);
    if let Some(file) = ca_file.as_ref().filter(|_| !tls) {
        section.problem_at(file, "it is used for encrypted connections only, which tls = true asks for");
    }
    let address = keys::BROKER.text(section);
    let broker = address.as_ref().and_then(|address| {
        let found = broker(&address.value, if tls { PORTS.1 } else { PORTS.0 });
        if tls && address.value.starts_with('[') {
            section
                .problem_at(address, "an encrypted connection needs the broker's name, or an address of four numbers");
        } else if found.is_none() {
            section
                .problem_at(address, "the name or address of a broker is needed, as in \"homeassistant.local:1883\"");
        }
        found
    });
    let user = keys::MQTT_USER.text(section);
    let password_file = keys::PASSWORD_FILE.text(section);
    match (&user, &password_file) {
        (Some(user), None) => section.problem_at(user, "a user needs password_file: a file with the password"),
        (None, Some(file)) => section.problem_at(file, "a password needs user: whose it is"),
        _ => {}
    }
    let mut settings = MqttSettings::of_broker(broker.unwrap_or_default());
    (settings.tls, settings.ca_file) = (tls, ca_file.map(|file| file.value.into()));
    settings.login = user.zip(password_file).map(|(user, file)| (user.value, file.value.into()));
    assign(&mut settings.words, keys::MQTT_WORDS.boolean(section));
    if let Some(prefix) = keys::PREFIX.text(section) {
        if !prefix.value.split('/').all(template::is_name) {
            section.problem_at(&prefix, "names of letters, digits, _ and - are needed, with / between them");
        }
        settings.prefix = prefix.value;
    }
    if let Some(id) = keys::MQTT_ID.text(section) {
        if !template::is_name(&id.value) {
            section.problem_at(&id, "a name of letters, digits, _ and - is needed");
        }
        settings.id = id.value;
    }
    Some(settings)
}

/// Reads `name`, `name:1883`, `192.168.1.7:1883` or `[::1]:1883`.
fn broker(text: &str, usual_port: u16) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()?),
        _ => (text, usual_port),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let good = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c) || (bracketed && "[]:%".contains(c));
    (!host.is_empty() && port > 0 && host.chars().all(good)).then(|| (host.into(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        let table = [
            ("homeassistant.local", Some(("homeassistant.local", 1883))),
            ("192.168.1.7:8883", Some(("192.168.1.7", 8883))),
            ("[::1]:1883", Some(("[::1]", 1883))),
            ("[fe80::1]", Some(("[fe80::1]", 1883))),
            ("::1", None),
            ("mqtt://box:1883", None),
            ("box:", None),
            ("box:0", None),
            (":1883", None),
            ("", None),
        ];
        for (text, expected) in table {
            let expected = expected.map(|(host, port): (&str, u16)| (host.to_string(), port));
            assert_eq!(broker(text, 1883), expected, "{text}");
        }
    }
}
