//! The connection to the broker, on one thread.
//!
//! It speaks MQTT 5, because there a client can say how large a message it takes: the broker keeps larger ones. Ten
//! times a second the present states are compared with those that were published last, and what differs is published. A
//! broker that is slow or gone therefore costs no memory, and gets the present states when it is back.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{LastWill, Packet, RetainForwardRule, SubscribeFilter};
use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, Outgoing, PublishOptions, SessionMode, TlsConfiguration, Transport,
};
use rustls::ClientConfig;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::message::{Wish, wish};
use super::news::News;
use super::outbox::{Message, Outbound};
use super::{MqttSettings, discovery};
use crate::act::buttons::Muted;
use crate::act::command::{Command, Output};
use crate::act::gpio::Duty;
use crate::act::states::States;
use crate::audio::supervisor::Counters;
use crate::report::Loudness;
use crate::runtime::stop::Stop;

/// Time between two comparisons of the states. A person sees no delay.
const TICK: Duration = Duration::from_millis(100);
/// Time between two levels: Home Assistant stores each.
const LEVELS: Duration = Duration::from_secs(10);
/// Wait for the discovery that the broker has from an earlier start, before a new one replaces it.
const EARLIER: Duration = Duration::from_secs(1);
/// Shortest and longest pause before the next attempt to connect; each is twice the one before.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Longest wait for the last messages at a stop.
const LAST: Duration = Duration::from_millis(500);
/// Time after which the broker is asked whether it is still there. It tells others that this device is gone after one
/// and a half times as long.
const KEEP_ALIVE_S: u16 = 30;
/// Messages that may wait to be sent: a discovery, and the states of the outputs of a whole header. What finds no room
/// is tried again with the next tick.
const OUTGOING: usize = 128;
/// Messages that may wait to be handled. With more, the broker waits.
const INCOMING: usize = 16;
/// Messages that the broker may be sent before it has confirmed the first.
const UNCONFIRMED: u16 = 32;
/// Largest message that is taken, in bytes: a discovery of several hundred components.
const LARGEST: u32 = 256 << 10;

/// How states are published: the broker keeps them.
const KEPT: PublishOptions = PublishOptions::at_least_once().retained();
/// How news are published: who is not there misses them.
const NEWS: PublishOptions = PublishOptions::at_most_once();

/// What is published, and where to.
pub struct Publisher {
    settings: MqttSettings,
    password: Option<String>,
    /// The servers that are trusted, if the connection is encrypted.
    trusted: Option<Arc<ClientConfig>>,
    outputs: Vec<Output>,
    commands: Vec<Command>,
    states: States,
    microphone: Option<Arc<Counters>>,
    loudness: Loudness,
    muted: Muted,
    news: Receiver<News>,
    outgoing: Outbound,
}

impl Publisher {
    /// Publishes the `states` of these `outputs`, and offers these `commands`.
    pub fn new(
        (settings, password, trusted): (&MqttSettings, Option<String>, Option<Arc<ClientConfig>>),
        (outputs, commands): (&[Output], &[Command]),
        states: &States,
        microphone: Option<Arc<Counters>>,
        (news, outgoing): (Receiver<News>, Outbound),
    ) -> Publisher {
        Publisher {
            settings: settings.clone(),
            password,
            trusted,
            outputs: outputs.to_vec(),
            commands: commands.to_vec(),
            states: states.clone(),
            microphone,
            loudness: Loudness::default(),
            muted: Muted::default(),
            news,
            outgoing,
        }
    }

    /// Publishes this level of the sound.
    pub fn hearing(self, loudness: Loudness) -> Publisher {
        Publisher { loudness, ..self }
    }

    /// Sets `muted` when that is asked for, and publishes it.
    pub fn muting(self, muted: Muted) -> Publisher {
        Publisher { muted, ..self }
    }

    fn options(&self) -> MqttOptions {
        let id = format!("hearken_{}", self.settings.id);
        let mut options = MqttOptions::new(id, self.settings.broker.clone());
        if let Some(trusted) = &self.trusted {
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(trusted.clone())));
        }
        options.set_keep_alive(KEEP_ALIVE_S).set_session_mode(SessionMode::Clean).set_max_packet_size(Some(LARGEST));
        options.set_outgoing_inflight_upper_limit(UNCONFIRMED);
        let available = self.settings.topic("available");
        options.set_last_will(LastWill::new(available, "offline", QoS::AtLeastOnce, true, None));
        if let (Some((user, _)), Some(password)) = (&self.settings.login, &self.password) {
            options.set_credentials(user, password.clone());
        }
        options
    }

    /// The topics that are subscribed to. What was retained there is old, and is not taken; only of the discovery that
    /// is what is wanted.
    fn subscriptions(&self) -> Vec<SubscribeFilter> {
        let new = |topic| SubscribeFilter {
            retain_forward_rule: RetainForwardRule::Never,
            nolocal: true,
            ..SubscribeFilter::new(topic, QoS::AtLeastOnce)
        };
        let own = ["output/+/set", "output/+/brightness/set", "command", "mute/set"];
        let mut filters: Vec<SubscribeFilter> = own.iter().map(|what| new(self.settings.topic(what))).collect();
        filters.push(new(self.settings.status_topic()));
        filters.push(SubscribeFilter {
            retain_forward_rule: RetainForwardRule::OnEverySubscribe,
            ..new(self.settings.config_topic())
        });
        filters
    }

    /// The states that can be seen at any time, by their topics.
    fn states(&self) -> Vec<(String, String)> {
        let settings = &self.settings;
        let on = |on: bool| String::from(if on { "ON" } else { "OFF" });
        let mut states = vec![(settings.topic("mute"), on(self.muted.is_muted()))];
        if let Some(microphone) = &self.microphone {
            states.push((settings.topic("microphone"), on(microphone.read().open)));
        }
        for (index, output) in self.outputs.iter().enumerate() {
            let (duty, topic) = (self.states.duty(index), settings.topic(&format!("output/{}", output.name)));
            if output.dimmer.is_some() {
                states.push((format!("{topic}/brightness"), (duty.get() / 10).to_string()));
            }
            states.push((topic, on(duty != Duty::NONE)));
        }
        states
    }
}

/// What comes from the connection.
enum Arrival {
    Connected,
    Lost,
    Message { topic: String, payload: Vec<u8> },
}

/// Publishes until `stop` is raised, and passes what messages ask for to `ask`, which must not wait. Blocks. A broker
/// that is not there is tried again and again.
///
/// # Errors
/// When the kernel refuses what a thread needs to wait for a connection.
pub fn run(publisher: Publisher, ask: impl FnMut(Wish), stop: &Stop) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        let (client, connection) = AsyncClient::builder(publisher.options()).capacity(OUTGOING).build();
        let (arrivals, arrived) = mpsc::channel(INCOMING);
        let broker = format!("{}:{}", publisher.settings.broker.0, publisher.settings.broker.1);
        let mut connected = std::pin::pin!(keep_connected(connection, arrivals, &broker));
        let teller =
            Teller { publisher, client, ask, online: false, told: BTreeMap::new(), announce: None, levels: None };
        tokio::select! {
            () = &mut connected => {}
            () = teller.work(arrived, stop) => { let _last = timeout(LAST, connected).await; }
        }
    });
    // A question to a name server may still be under way, and nobody waits for its answer.
    runtime.shutdown_background();
    Ok(())
}

/// Connects, and connects again after each loss. Returns after this side has said goodbye.
async fn keep_connected(mut connection: EventLoop, arrivals: mpsc::Sender<Arrival>, broker: &str) {
    let (mut pause, mut since, mut why) = (PAUSES.0, None, String::new());
    loop {
        let arrival = match connection.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                tracing::info!(broker, "connected");
                (since, why) = (Some(Instant::now()), String::new());
                Arrival::Connected
            }
            Ok(Event::Incoming(Packet::Publish(message))) => match String::from_utf8(message.topic.to_vec()) {
                Ok(topic) => Arrival::Message { topic, payload: message.payload.to_vec() },
                Err(_) => continue,
            },
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return,
            Ok(_) => continue,
            Err(error) => {
                let error = error.to_string();
                if error != why {
                    tracing::warn!(broker, "not connected, and tried again: {error}");
                }
                // A broker that ends each connection at once is not tried every second.
                if since.take().is_some_and(|since| since.elapsed() > PAUSES.1) {
                    pause = PAUSES.0;
                }
                why = error;
                if arrivals.send(Arrival::Lost).await.is_err() {
                    return;
                }
                sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
                continue;
            }
        };
        if arrivals.send(arrival).await.is_err() {
            return;
        }
    }
}

/// Tells the broker what is new.
struct Teller<A> {
    publisher: Publisher,
    client: AsyncClient,
    ask: A,
    online: bool,
    /// What was published last, by topic: the topics of the configuration, and no others.
    told: BTreeMap<String, String>,
    /// When the discovery is to be published; it is then `None` again.
    announce: Option<(Instant, Option<Value>)>,
    /// When the last level was published.
    levels: Option<Instant>,
}

impl<A: FnMut(Wish)> Teller<A> {
    async fn work(mut self, mut arrived: mpsc::Receiver<Arrival>, stop: &Stop) {
        while !stop.raised() {
            match timeout(TICK, arrived.recv()).await {
                Ok(Some(arrival)) => self.take(arrival),
                Ok(None) => return,
                Err(_) => {}
            }
            self.tell();
        }
        // A message that comes later is told that it is not sent; those before are sent.
        self.publisher.outgoing.connected(false);
        self.tell();
        let available = self.publisher.settings.topic("available");
        let _gone_already = self.client.try_publish(available, "offline", KEPT);
        let _gone_already = self.client.try_disconnect();
    }

    fn take(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Connected => {
                let subscribed = self.client.try_subscribe_many(self.publisher.subscriptions());
                subscribed.unwrap_or_else(|error| tracing::warn!("nothing can be asked for over MQTT: {error}"));
                self.online(true);
                self.announce = Some((Instant::now() + EARLIER, None));
                self.told.clear();
            }
            Arrival::Lost => self.online(false),
            Arrival::Message { topic, payload } if topic == self.publisher.settings.config_topic() => {
                self.announce = Some((Instant::now(), serde_json::from_slice(&payload).ok()));
            }
            Arrival::Message { topic, payload } => {
                let Publisher { settings, outputs, commands, .. } = &self.publisher;
                match wish(settings, (outputs, commands), &topic, &payload) {
                    Some(Wish::Announce) => {
                        self.announce = Some((Instant::now(), None));
                        self.told.clear();
                    }
                    Some(Wish::Mute(muted)) => {
                        tracing::info!(muted, "asked over MQTT");
                        self.publisher.muted.show(muted);
                    }
                    Some(wish) => (self.ask)(wish),
                    None => tracing::debug!(topic, bytes = payload.len(), "a message that asks for nothing"),
                }
            }
        }
    }

    fn online(&mut self, online: bool) {
        self.online = online;
        self.publisher.outgoing.connected(online);
    }

    /// Publishes what is new. News from a time without a broker are dropped: an automation would act on them too late.
    fn tell(&mut self) {
        while let Ok(News { event, log_odds, sentence }) = self.publisher.news.try_recv() {
            if !self.online {
                continue;
            }
            let topic = |what| self.publisher.settings.topic(what);
            let _no_room = self.client.try_publish(topic("event"), event.to_string(), NEWS);
            let last = [("log_odds", log_odds.map(|nats| nats.to_string())), ("sentence", sentence)];
            for (what, value) in last {
                let Some(value) = value else { continue };
                let _no_room = self.client.try_publish(topic(what), value, NEWS);
            }
        }
        while let Some(Message { topic, payload, retain }) = self.publisher.outgoing.next() {
            let how = PublishOptions::at_least_once().retain(retain);
            if self.online && self.client.try_publish(topic, payload, how).is_err() {
                tracing::warn!("a message of a command finds no room on its way to the broker");
            }
        }
        if !self.online {
            return;
        }
        self.announce();
        let available = (self.publisher.settings.topic("available"), "online".to_string());
        for (topic, state) in self.publisher.states().into_iter().chain([available]) {
            if self.told.get(&topic) != Some(&state) && self.publish(&topic, &state) {
                self.told.insert(topic, state);
            }
        }
        if self.levels.is_none_or(|last| last.elapsed() >= LEVELS)
            && let Some(dbfs) = self.publisher.loudness.loudest()
        {
            let _no_room = self.publish(&self.publisher.settings.topic("level"), &dbfs.to_string());
            self.levels = Some(Instant::now());
        }
    }

    fn announce(&mut self) {
        let Some((_, before)) = self.announce.take_if(|(when, _)| *when <= Instant::now()) else { return };
        let Publisher { settings, outputs, commands, .. } = &self.publisher;
        let config = discovery::config(settings, outputs, commands, before.as_ref());
        if !self.publish(&settings.config_topic(), &config.to_string()) {
            self.announce = Some((Instant::now(), before));
        }
    }

    fn publish(&self, topic: &str, payload: &str) -> bool {
        self.client.try_publish(topic, payload.to_string(), KEPT).is_ok()
    }
}
