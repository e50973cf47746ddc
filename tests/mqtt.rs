//! The built daemon at a real broker, mosquitto of Debian, with a user and a password.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::certificates::Certificates;
use crate::daemon::{CONFIG, Daemon};
use crate::deciding::alone;
use crate::metrics::tool;
use crate::support::{Running, VirtualMicrophone, data, in_a_row, quiet, samples, until};

const PASSWORD: &str = "a password; with $igns";
/// Of the tests; the daemon is another user.
const OTHER: [&str; 4] = ["-u", "tester", "-P", "testing"];

/// A broker that can be stopped and started again at the same port.
struct Broker {
    dir: TempDir,
    port: u16,
    running: Option<Running>,
    /// The authority of its certificate, if connections are encrypted.
    authority: Option<PathBuf>,
}

/// A program that needs the libraries that were unpacked with it.
fn unpacked(program: &str) -> Option<Command> {
    let libraries = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools/debian/usr/lib");
    let mut command = Command::new(tool(program)?);
    command.env("LD_LIBRARY_PATH", libraries.join(format!("{}-linux-gnu", std::env::consts::ARCH)));
    Some(command)
}

impl Broker {
    /// A broker on this machine; `None` without mosquitto.
    fn new() -> Option<Broker> {
        tool("mosquitto_pub")?;
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let users = dir.path().join("users");
        fs::write(&users, format!("hearken:{PASSWORD}\ntester:testing\n")).unwrap();
        assert!(unpacked("mosquitto_passwd")?.arg("-U").arg(&users).status().unwrap().success());
        let user = if rustix::process::geteuid().is_root() { "user root\n" } else { "" };
        let config =
            format!("listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {}\n{user}", users.display());
        fs::write(dir.path().join("conf"), config).unwrap();
        fs::write(dir.path().join("password"), format!("{PASSWORD}\n")).unwrap();
        let mut broker = Broker { dir, port, running: None, authority: None };
        broker.start();
        Some(broker)
    }

    /// A broker whose connections are encrypted.
    fn encrypted() -> Option<Broker> {
        let mut broker = Broker::new()?;
        broker.stop();
        let of_server = Certificates::new_in(broker.dir.path(), "ours");
        let file = broker.dir.path().join("conf");
        let (certificate, key) = (of_server.certificate.display(), of_server.key.display());
        let config = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{config}certfile {certificate}\nkeyfile {key}\n")).unwrap();
        broker.authority = Some(of_server.authority);
        broker.start();
        Some(broker)
    }

    fn start(&mut self) {
        let mut command = unpacked("mosquitto").unwrap();
        command.arg("-c").arg(self.dir.path().join("conf")).stdout(Stdio::null()).stderr(Stdio::null());
        self.running = Some(Running::watched(command.spawn().unwrap()));
        until("the broker", || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    fn stop(&mut self) {
        self.running = None;
    }

    fn client(&self, program: &str) -> Command {
        let mut command = unpacked(program).unwrap();
        command.args(["-V", "5", "-h", "127.0.0.1", "-p", &self.port.to_string()]).args(OTHER);
        if let Some(file) = &self.authority {
            command.arg("--cafile").arg(file);
        }
        command
    }

    fn publish(&self, topic: &str, payload: &str) {
        assert!(self.client("mosquitto_pub").args(["-t", topic, "-m", payload]).status().unwrap().success());
    }

    fn publish_bytes(&self, topic: &str, payload: &[u8], more: &[&str]) {
        let mut child =
            self.client("mosquitto_pub").args(["-s", "-t", topic]).args(more).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(payload).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// Everything that is published from now on, and what was retained.
    fn heard(&self) -> Heard {
        let mut child =
            self.client("mosquitto_sub").args(["-t", "#", "-F", "%t %p"]).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
        let messages = Arc::<Mutex<Vec<(String, String)>>>::default();
        let heard = messages.clone();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((topic, payload)) = String::from_utf8_lossy(&line).split_once(' ') {
                    heard.lock().unwrap().push((topic.into(), payload.into()));
                }
            }
        });
        Heard { messages, _running: Running::watched(child) }
    }

    /// A daemon that publishes to this broker, with `more` in its section and its configuration.
    fn daemon(&self, microphone: VirtualMicrophone, more: &str) -> Daemon {
        self.daemon_with(CONFIG, microphone, more)
    }

    /// The same with another configuration.
    fn daemon_with(&self, config: &str, microphone: VirtualMicrophone, more: &str) -> Daemon {
        let (port, password) = (self.port, self.dir.path().join("password"));
        let mqtt = format!(
            "[mqtt]\naddress = \"127.0.0.1:{port}\"\nid = \"hall\"\nuser = \"hearken\"\npassword_file = \"{}\"\n{more}",
            password.display()
        );
        Daemon::configured(microphone, &format!("{config}{mqtt}"))
    }
}

/// The messages that a client of the broker has got.
struct Heard {
    messages: Arc<Mutex<Vec<(String, String)>>>,
    _running: Running,
}

impl Heard {
    fn last(&self, topic: &str) -> Option<String> {
        let messages = self.messages.lock().unwrap();
        messages.iter().rev().find(|(t, _)| t == topic).map(|(_, payload)| payload.clone())
    }

    fn until(&self, topic: &str, payload: &str) {
        until(&format!("{topic} {payload}"), || self.last(topic).as_deref() == Some(payload));
    }

    fn json(&self, topic: &str) -> Value {
        until(topic, || self.last(topic).is_some());
        serde_json::from_str(&self.last(topic).unwrap()).unwrap()
    }

    fn count(&self, topic: &str) -> usize {
        self.messages.lock().unwrap().iter().filter(|(t, _)| t == topic).count()
    }
}

/// The next event about what a program asked for.
fn asked(daemon: &mut Daemon) -> Value {
    loop {
        let event = daemon.news();
        if event.get("origin").is_some() {
            return event;
        }
    }
}

/// Two outputs of which one is on, and a command that is refused while the TV is off.
const HOUSE: &str = r#"
[outputs.up]
pin = 5
[outputs.down]
pin = 6
[interlocks.blind]
outputs = ["up", "down"]
dead_time = "100 ms"
[[commands]]
name = "film"
say = "film night"
set = { lights = "off" }
requires = { tv = "on" }
"#;
const CONFIG_TOPIC: &str = "homeassistant/device/hall/config";

fn spoken(clips: &[&str]) -> VirtualMicrophone {
    VirtualMicrophone::playing(&in_a_row(&clips.iter().map(|clip| data(clip)).collect::<Vec<_>>()))
}

#[test]
fn home_assistant_finds_the_device_sees_what_voice_does_and_asks_for_more() {
    let _alone = alone();
    let Some(broker) = Broker::new() else { return };
    broker.publish_bytes(
        CONFIG_TOPIC,
        br#"{"components": {"output_gone": {"platform": "switch", "unique_id": "x"}}}"#,
        &["-r"],
    );
    let heard = broker.heard();
    let mut daemon = broker.daemon(spoken(&["home/turn on the lights.wav"]), HOUSE);
    heard.until("hearken/hall/available", "online");
    heard.until("hearken/hall/output/lights", "ON");
    let voice = heard.json("hearken/hall/event");
    assert_eq!((&voice["event_type"], &voice["origin"]), (&json!("accepted"), &json!("voice")));
    assert_eq!((&voice["command"], voice.get("sentence"), voice.get("slots")), (&json!("lights"), None, None));
    assert!(heard.last("hearken/hall/log_odds").is_some() && heard.last("hearken/hall/sentence").is_none());

    until("the discovery", || heard.json(CONFIG_TOPIC)["components"].get("mute").is_some());
    let config = heard.json(CONFIG_TOPIC);
    assert_eq!(config["components"]["output_gone"], json!({"platform": "switch"}));
    let switch = &config["components"]["output_lights"];
    assert_eq!(switch["unique_id"], "hearken_hall_output_lights");
    assert_eq!(switch["state_topic"], "hearken/hall/output/lights");
    assert_eq!(config["availability_topic"], "hearken/hall/available");

    broker.publish(switch["command_topic"].as_str().unwrap(), "OFF");
    let event = asked(&mut daemon);
    assert_eq!((&event["origin"], &event["command"]), (&json!("mqtt"), &Value::Null));
    assert_eq!((&event["outputs"][0]["output"], &event["outputs"][0]["state"]), (&json!("lights"), &json!("off")));
    heard.until("hearken/hall/output/lights", "OFF");
    assert!(daemon.pins().contains("GPIO17 0"), "{}", daemon.pins());

    broker.publish("hearken/hall/command", "film");
    assert_eq!(asked(&mut daemon)["rule"], "state", "requires holds");
    until("the refusal", || heard.json("hearken/hall/event")["event_type"] == "refused");

    broker.publish("hearken/hall/output/up/set", "ON");
    heard.until("hearken/hall/output/up", "ON");
    broker.publish("hearken/hall/output/down/set", "ON");
    heard.until("hearken/hall/output/down", "ON");
    assert_eq!(heard.last("hearken/hall/output/up").as_deref(), Some("OFF"), "the interlock holds");

    let before = heard.count(CONFIG_TOPIC);
    broker.publish("homeassistant/status", "online");
    until("the discovery, again", || heard.count(CONFIG_TOPIC) > before);

    daemon.running.signal(Signal::KILL);
    heard.until("hearken/hall/available", "offline");
}

#[test]
fn large_garbage_and_a_broker_that_begins_again_are_survived_and_a_stop_says_goodbye() {
    let _alone = alone();
    let Some(mut broker) = Broker::new() else { return };
    broker.publish_bytes(CONFIG_TOPIC, &vec![b'['; 10 << 20], &["-r"]);
    let heard = broker.heard();
    let mut daemon = broker.daemon(VirtualMicrophone::playing(&quiet(100)), HOUSE);
    heard.until("hearken/hall/available", "online");
    for topic in ["hearken/hall/command", "hearken/hall/output/lights/set", "homeassistant/status"] {
        broker.publish_bytes(topic, &vec![0xfe; 10 << 20], &["-r"]);
    }
    broker.publish("hearken/hall/output/lights/set", "ON");
    heard.until("hearken/hall/output/lights", "ON");
    assert!(heard.messages.lock().unwrap().iter().all(|(_, payload)| payload != "offline"), "it stays connected");

    broker.stop();
    daemon.log_until("not connected, and tried again");
    daemon.microphone.goes_on_with(&[quiet(500), samples(&data("home/turn on the TV.wav")), quiet(1000)].concat());
    assert_eq!(daemon.event()["command"], "tv", "a command needs no broker");
    broker.start();
    let heard = broker.heard();
    heard.until("hearken/hall/available", "online");
    heard.until("hearken/hall/output/tv", "ON");
    heard.until("hearken/hall/output/lights", "ON");
    assert!(heard.json(CONFIG_TOPIC)["components"].is_object());
    assert_eq!(heard.count("hearken/hall/event"), 0, "what is old is not told");

    daemon.running.signal(Signal::TERM);
    heard.until("hearken/hall/available", "offline");
    assert_eq!(daemon.ended().0, Some(0));
}

#[test]
fn an_encrypted_connection_is_made_only_to_a_broker_that_is_trusted() {
    let _alone = alone();
    let Some(broker) = Broker::encrypted() else { return };
    let trusting = |file: &Path| format!("tls = true\nca_file = \"{}\"\n", file.display());
    let silence = || VirtualMicrophone::playing(&quiet(100));
    let heard = broker.heard();
    let mut daemon = broker.daemon(silence(), &trusting(broker.authority.as_ref().unwrap()));
    heard.until("hearken/hall/available", "online");
    broker.publish("hearken/hall/output/lights/set", "ON");
    heard.until("hearken/hall/output/lights", "ON");
    daemon.running.signal(Signal::TERM);
    heard.until("hearken/hall/available", "offline");
    assert_eq!(daemon.ended().0, Some(0));
    let others = Certificates::new_in(broker.dir.path(), "theirs").authority;
    let mut mistrusting = broker.daemon(silence(), &trusting(&others));
    let log = mistrusting.log_until("not connected, and tried again");
    assert!(log.contains("invalid peer certificate"), "{log}");
    mistrusting.running.signal(Signal::TERM);
    assert_eq!(mistrusting.ended().0, Some(0));
    assert_eq!(heard.last("hearken/hall/available").as_deref(), Some("offline"));
    let nothing = broker.dir.path().join("none.pem");
    let (code, log) = broker.daemon(silence(), &trusting(&nothing)).ended();
    assert_eq!(code, Some(1));
    assert!(log.contains(&format!("mqtt: tls: {}: No such file", nothing.display())), "{log}");
}

#[test]
fn a_wrong_password_is_told_once_and_commands_go_on() {
    let _alone = alone();
    let Some(broker) = Broker::new() else { return };
    fs::write(broker.dir.path().join("password"), "wrong").unwrap();
    let mut daemon = broker.daemon(spoken(&["home/turn on the lights.wav"]), "");
    assert_eq!(daemon.event()["command"], "lights");
    assert!(daemon.pins().contains("GPIO17 1"), "{}", daemon.pins());
    let log = daemon.log_until("not connected, and tried again");
    daemon.running.signal(Signal::TERM);
    let (code, rest) = daemon.ended();
    let log = log + &rest;
    assert_eq!((code, log.matches("not connected").count()), (Some(0), 1), "{log}");
    assert!(!log.contains("wrong"), "{log}");
}

#[test]
fn while_muted_nothing_that_is_said_is_decided() {
    let _alone = alone();
    let Some(broker) = Broker::new() else { return };
    let heard = broker.heard();
    let mut daemon = broker.daemon(VirtualMicrophone::playing(&quiet(100)), "words = true\n");
    heard.until("hearken/hall/available", "online");
    heard.until("hearken/hall/microphone", "ON");
    broker.publish("hearken/hall/mute/set", "ON");
    heard.until("hearken/hall/mute", "ON");
    let played = daemon.microphone.frames_delivered();
    let sound = [quiet(500), samples(&data("home/turn on the TV.wav")), quiet(1000)].concat();
    daemon.microphone.goes_on_with(&sound);
    // Three frames of the device are one sample of the sound.
    until("the sentence is over", || daemon.microphone.frames_delivered() > played + 3 * sound.len() as u64);
    broker.publish("hearken/hall/mute/set", "OFF");
    heard.until("hearken/hall/mute", "OFF");
    daemon.microphone.goes_on_with(&[quiet(500), samples(&data("home/turn on the lights.wav")), quiet(1000)].concat());
    let event = daemon.event();
    assert_eq!((&event["utterance"], &event["command"]), (&json!(1), &json!("lights")), "the first that was heard");
    heard.until("hearken/hall/sentence", "turn on the lights");
}

#[test]
fn a_command_publishes_a_message_and_says_so_when_it_cannot() {
    let _alone = alone();
    let Some(mut broker) = Broker::new() else { return };
    let heard = broker.heard();
    let set = "set = { lights = \"{state}\" }";
    let publishes = format!("{set}\npublish = {{ topic = \"house/{{state}}/lights\", payload = \"it is {{state}}\" }}");
    let mut daemon = broker.daemon_with(&CONFIG.replace(set, &publishes), VirtualMicrophone::playing(&quiet(100)), "");
    heard.until("hearken/hall/available", "online");
    let command = [quiet(500), samples(&data("home/turn on the lights.wav")), quiet(1000)].concat();
    let end = |daemon: &mut Daemon| {
        daemon.microphone.goes_on_with(&command);
        std::iter::repeat_with(|| daemon.news()).find(|event| event["task"] == "publish").unwrap()
    };
    assert_eq!(end(&mut daemon)["outcome"], "done");
    heard.until("house/on/lights", "it is on");
    broker.stop();
    daemon.log_until("not connected, and tried again");
    let failed = end(&mut daemon);
    assert_eq!((&failed["outcome"], &failed["reason"]), (&json!("failed"), &json!("the broker is not connected")));
}
