//! The thread that publishes to an MQTT broker. What is asked for there goes to the actuator like a press of a button.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use super::actuator::Order;
use super::error::Error;
use super::threads::pressed;
use crate::act::buttons::Muted;
use crate::act::command::{Action, Origin};
use crate::act::states::States;
use crate::audio::supervisor::Counters;
use crate::config::Settings;
use crate::grammar::Slots;
use crate::publish::client::{self, Publisher};
use crate::publish::message::Wish;
use crate::publish::news::{self, ToBroker};
use crate::publish::outbox::{self, Outbox};
use crate::runtime::stop::Stop;
use crate::runtime::{secret, tls};

/// What serves the broker: the sink of reports, the client, and the queue of messages to it.
type Publishing = (ToBroker, (Publisher, Outbox));

/// Makes what publishes, the queue of messages to it, and the sink of reports for it, if the configuration has a broker.
/// `muted` is set as it is asked for there.
///
/// # Errors
/// A password or certificates that cannot be read.
pub fn prepared(
    settings: &Settings,
    states: &States,
    microphone: Option<Arc<Counters>>,
    muted: &Muted,
) -> Result<Option<Publishing>, Error> {
    let Some(mqtt) = &settings.mqtt else { return Ok(None) };
    let password = mqtt.login.as_ref().map(|(_, file)| {
        let text = secret::read(file).map_err(|cause| Error::Mqtt { what: file.display().to_string(), cause })?;
        Ok::<_, Error>(text.trim_end_matches(['\r', '\n']).to_string())
    });
    let trusted = || tls::client(mqtt.ca_file.as_deref()).map_err(|cause| Error::Mqtt { what: "tls".into(), cause });
    let trusted = mqtt.tls.then(trusted).transpose()?;
    let (sink, news) = news::queue(mqtt.words);
    let offered = (settings.outputs.as_slice(), settings.configured());
    let (outbox, outgoing) = outbox::outbox();
    let publisher =
        Publisher::new((mqtt, password.transpose()?, trusted), offered, states, microphone, (news, outgoing));
    Ok(Some((sink, (publisher.muting(muted.clone()), outbox))))
}

/// Publishes until `stop` is raised. An order that finds no room in the queue of the actuator is dropped: this thread
/// must never make a sentence wait.
pub fn publish(publisher: Publisher, settings: &Settings, states: &States, orders: &SyncSender<Order>, stop: &Stop) {
    let ask = |wish| {
        let order = match wish {
            Wish::Command(command) => pressed(settings, Origin::Mqtt, (command, Slots::new()), states),
            Wish::Output(output, duty) => {
                let actions = vec![Action::Set(output, duty)];
                Order::Pressed { origin: Origin::Mqtt, command: None, actions, asked: None, refusal: None }
            }
            Wish::Mute(_) | Wish::Announce => return,
        };
        if orders.try_send(order).is_err() {
            tracing::warn!("too much is asked for over MQTT; this was dropped");
        }
    };
    client::run(publisher, ask, stop).unwrap_or_else(|error| tracing::error!("mqtt: {error}"));
}
