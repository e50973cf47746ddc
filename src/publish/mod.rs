//! Publishing to an MQTT broker, in the form that Home Assistant reads.
//!
//! What is published and what a message means is decided in [`discovery`] and [`message`], without input or output.
//! [`client`] has the connection. Nothing here is waited for by another thread.

use std::path::PathBuf;

pub mod client;
pub mod discovery;
pub mod message;
pub mod news;
pub mod outbox;

/// The settings of the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttSettings {
    /// The broker's name or address, and its port.
    pub broker: (String, u16),
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The certificates of the authorities that the broker's may come from; without, those that this machine trusts.
    pub ca_file: Option<PathBuf>,
    /// The user's name, and the file with the password.
    pub login: Option<(String, PathBuf)>,
    /// Whether words that were said are published.
    pub words: bool,
    /// The first part of the topics of discovery.
    pub prefix: String,
    /// The name of this device at the broker.
    pub id: String,
}

impl Default for MqttSettings {
    fn default() -> Self {
        MqttSettings::of_broker(Default::default())
    }
}

impl MqttSettings {
    /// The defaults for this broker.
    pub fn of_broker(broker: (String, u16)) -> MqttSettings {
        let (prefix, id) = ("homeassistant".into(), "hearken".into());
        MqttSettings { broker, tls: false, ca_file: None, login: None, words: false, prefix, id }
    }

    /// The topic of what this device publishes or takes under the name `what`.
    pub fn topic(&self, what: &str) -> String {
        format!("hearken/{}/{what}", self.id)
    }

    /// The topic of the discovery of this device.
    pub fn config_topic(&self) -> String {
        format!("{}/device/{}/config", self.prefix, self.id)
    }

    /// The topic where Home Assistant says that it has started.
    pub fn status_topic(&self) -> String {
        format!("{}/status", self.prefix)
    }
}
