//! What commands do besides switching outputs: the built daemon runs real programs, and sends requests to a real server.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use hearken::act::task::Post;
use hearken::report::Fate;
use hearken::runtime::stop::Stop;
use hearken::runtime::tls;
use hearken::tasks::webhook;
use rustix::process::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::certificates::Certificates;
use crate::daemon::{CONFIG, Daemon};
use crate::deciding::alone;
use crate::support::{VirtualMicrophone, data, in_a_row, until};

/// A request that a server got: its head, and its body.
type Request = (String, Value);

/// A server that answers with these statuses, one after the other, and then closes its port; 0 is no answer at all.
fn server(answers: &'static [u16]) -> (String, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hook", listener.local_addr().unwrap());
    let (got, requests) = channel();
    thread::spawn(move || {
        let mut unanswered = Vec::new();
        for status in answers {
            let mut stream = listener.accept().unwrap().0;
            let _ = got.send(request(&stream));
            match status {
                0 => unanswered.push(stream),
                status => {
                    let answer = format!("HTTP/1.1 {status} x\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n");
                    let _ = stream.write_all(answer.as_bytes());
                }
            }
        }
        drop(listener);
        // Until the test is over.
        unanswered.iter_mut().for_each(|stream| drop(stream.read(&mut [0])));
    });
    (address, requests)
}

fn request(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}

fn post(url: String, retries: u32) -> Post {
    Post { url, limit: Duration::from_secs(5), retries, words: false, ca_file: None }
}

#[test]
fn an_encrypted_request_is_sent_only_to_a_server_that_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let of_server = Certificates::new_in(dir.path(), "ours");
    let of_others = Certificates::new_in(dir.path(), "theirs");
    let chain = CertificateDer::pem_file_iter(&of_server.certificate).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&of_server.key).unwrap();
    let versions = ServerConfig::builder_with_provider(tls::provider()).with_safe_default_protocol_versions();
    let config = Arc::new(versions.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/hook", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        for stream in listener.incoming().take(3) {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            let mut first = [0; 4];
            if stream.read_exact(&mut first).is_ok() {
                assert_eq!(&first, b"POST");
                stream.write_all(b"HTTP/1.1 204 x\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
        }
    });
    let send = |ca_file: Option<&PathBuf>| {
        let post = Post { ca_file: ca_file.cloned(), ..post(url.clone(), 0) };
        webhook::send(&post, &Map::new(), &Stop::default()).0
    };
    assert_eq!(send(Some(&of_server.authority)), Fate::Done);
    for not_trusting in [Some(&of_others.authority), None] {
        let fate = send(not_trusting);
        assert!(matches!(&fate, Fate::Failed(why) if why.contains("certificate")), "{fate:?}");
    }
    server.join().unwrap();
    for (file, why) in [(&of_server.key, "no certificate in it"), (&dir.path().join("none.pem"), "No such file")] {
        let fate = send(Some(file));
        assert!(matches!(&fate, Fate::Failed(found) if found.contains(why)), "{fate:?}");
    }
}

#[test]
fn a_request_is_sent_again_only_after_a_fault_that_may_pass() {
    let failed = |why: &str| Fate::Failed(why.into());
    let table: [(&'static [u16], u32, Fate, u32); 7] = [
        (&[200], 2, Fate::Done, 1),
        (&[204], 2, Fate::Done, 1),
        (&[503, 200], 2, Fate::Done, 2),
        (&[0, 200], 1, Fate::Done, 2),
        (&[404], 2, failed("the answer was 404"), 1),
        (&[302], 2, failed("the answer was 302"), 1),
        (&[500, 429], 1, failed("the answer was 429"), 2),
    ];
    let body = Map::from_iter([("command".to_string(), json!("lamp"))]);
    for (answers, retries, fate, attempts) in table {
        let (url, requests) = server(answers);
        assert_eq!(webhook::send(&post(url, retries), &body, &Stop::default()), (fate, attempts), "{answers:?}");
        for (head, sent) in requests.iter().take(attempts as usize) {
            assert!(head.starts_with("post /hook http/1.1\r\n"), "{head}");
            assert!(head.contains("content-type: application/json") && head.contains("user-agent: hearken/"), "{head}");
            assert_eq!(sent, json!({"command": "lamp"}));
        }
    }
}

#[test]
fn a_request_without_a_server_fails_and_a_stop_ends_the_pauses() {
    let body = Map::new();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let to = |retries| post(format!("http://{closed}/"), retries);
    let (fate, attempts) = webhook::send(&to(0), &body, &Stop::default());
    assert!(matches!(&fate, Fate::Failed(why) if why.to_lowercase().contains("refused")), "{fate:?}");
    assert_eq!(attempts, 1);
    let stop = Stop::default();
    stop.raise();
    assert_eq!(webhook::send(&to(5), &body, &stop), (Fate::Stopped, 1));
}

/// A daemon with more in its configuration, in which DIR is a directory for programs and URL is an address.
fn hearing(clips: &[&str], dir: &TempDir, more: &str, url: &str) -> Daemon {
    let clips: Vec<_> = clips.iter().map(|clip| data(clip)).collect();
    let more = more.replace("DIR", &dir.path().display().to_string()).replace("URL", url);
    let config = CONFIG.replace("[lists]\n", DOORS) + &more;
    Daemon::configured(VirtualMicrophone::playing(&in_a_row(&clips)), &config)
}

fn script(dir: &TempDir, name: &str, text: &str) {
    let path = dir.path().join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The next event about a task.
fn ended(daemon: &mut Daemon) -> Value {
    loop {
        let event = daemon.news();
        if event.get("task").is_some() {
            return event;
        }
    }
}

const DOOR: &str = r#"
[post]
limit = "60 s"
words = true
[[commands]]
name = "door"
say = "open the {door}"
set = { lights = "on" }
run = ["DIR/x", "to {door}", "$(touch pwned)"]
post = "URL"
"#;
const DOORS: &str = "[lists]\ndoor = [{ say = \"sliding door\", value = \"the sliding door\" }]\n";

#[test]
fn a_spoken_command_switches_its_pin_runs_its_program_and_sends_its_request() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    script(
        &dir,
        "x",
        "cd \"${0%/*}\"; echo \"$HEARKEN_SLOT_DOOR|$1|$2\" >said; ls /proc/self/fd >fds; ls -l /proc/self/fd >links; echo hello; exit 3",
    );
    let (url, requests) = server(&[200]);
    let mut daemon = hearing(&["home/open the Sliding Door.wav"], &dir, DOOR, &url);
    let event = daemon.event();
    assert_eq!((&event["command"], &event["outputs"][0]["state"]), (&json!("door"), &json!("on")), "{event}");
    let mut ends = [ended(&mut daemon), ended(&mut daemon)];
    ends.sort_by_key(|end| end["task"].to_string());
    let [post, run] = ends;
    assert_eq!((&run["task"], &run["command"], &run["of_utterance"]), (&json!("run"), &json!("door"), &json!(1)));
    assert_eq!((&run["outcome"], &run["reason"]), (&json!("failed"), &json!("it ended with 3")));
    assert_eq!((&post["outcome"], &post["reason"], &post["attempts"]), (&json!("done"), &Value::Null, &json!(1)));
    let said = fs::read_to_string(dir.path().join("said")).unwrap();
    assert_eq!(said, "the sliding door|to the sliding door|$(touch pwned)\n");
    let fds = fs::read_to_string(dir.path().join("fds")).unwrap();
    let links = fs::read_to_string(dir.path().join("links")).unwrap();
    assert_eq!(fds, "0\n1\n2\n3\n", "ls has opened the fourth itself: {links}");
    let (_, body) = requests.recv().unwrap();
    assert_eq!(body["slots"], json!({"door": "the sliding door"}));
    assert_eq!((&body["command"], &body["utterance"], &body["button"]), (&json!("door"), &json!(1), &Value::Null));
    assert_eq!((&body["sentence"], &body["log_odds"]), (&json!("open the sliding door"), &event["log_odds"]));
    daemon.running.signal(Signal::TERM);
    let (code, log) = daemon.ended();
    assert_eq!(code, Some(0));
    assert!(log.contains("its program says: hello"), "{log}");
    assert!(!log.contains("open the"), "no words in the log: {log}");
}

/// Whether the process whose number is in the file runs.
fn runs(file: &Path) -> bool {
    let pid = fs::read_to_string(file).unwrap_or_default();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

#[test]
fn while_a_program_runs_pins_go_on_a_second_one_is_refused_and_a_stop_ends_it() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    script(&dir, "x", "sleep 1000 & echo $! >\"${0%/*}/child\"; wait");
    let (url, requests) = server(&[0]);
    let clips = ["home/open the Sliding Door.wav"; 2];
    let slow = DOOR.replace("post =", "run_limit = \"1 h\"\npost =");
    let mut daemon = hearing(&clips, &dir, &slow, &url);
    let child = dir.path().join("child");
    for utterance in 1..=2 {
        let event = daemon.event();
        assert_eq!((&event["verdict"], &event["utterance"]), (&json!("accepted"), &json!(utterance)), "{event}");
        assert_eq!(event["outputs"][0]["state"], "on");
        until("the program", || runs(&child));
    }
    let busy = ended(&mut daemon);
    assert_eq!((&busy["outcome"], &busy["of_utterance"], &busy["attempts"]), (&json!("busy"), &json!(2), &json!(0)));
    requests.recv().unwrap();
    let begun = Instant::now();
    daemon.running.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(50), "neither the program nor the server is waited for");
    until("the end of the program", || !runs(&child));
}

#[test]
fn certificates_that_cannot_be_read_are_told_at_the_start_and_end_nothing() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let more =
        "[post]\nca_file = \"DIR/none.pem\"\n[[commands]]\nname = \"note\"\nsay = \"take a note\"\npost = \"URL\"\n";
    let mut daemon = hearing(&[], &dir, more, "https://127.0.0.1:1/");
    let log = daemon.log_until("post cannot be done");
    assert!(log.contains(&format!("{}: No such file", dir.path().join("none.pem").display())), "{log}");
    daemon.running.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Some(0));
}

#[test]
fn a_button_begins_the_tasks_of_its_command_too() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    script(&dir, "x", "env >\"${0%/*}/environment\"");
    let (url, requests) = server(&[200]);
    let more = "[buttons.wall]\npin = 5\ncommand = \"note\"\n[[commands]]\nname = \"note\"\nsay = \"take a note\"\n\
                run = \"DIR/x\"\npost = \"URL\"\n";
    let mut daemon = hearing(&[], &dir, more, &url);
    daemon.press("GPIO5");
    let mut ends = [ended(&mut daemon), ended(&mut daemon)];
    ends.sort_by_key(|end| end["task"].to_string());
    assert!(ends.iter().all(|end| end["outcome"] == "done" && end["of_utterance"].is_null()), "{ends:?}");
    let (_, body) = requests.recv().unwrap();
    assert_eq!((&body["command"], &body["button"], &body["log_odds"]), (&json!("note"), &json!("wall"), &Value::Null));
    assert_eq!(body.get("sentence"), None, "words only if they are asked for");
    let environment = fs::read_to_string(dir.path().join("environment")).unwrap();
    assert!(environment.contains("HEARKEN_COMMAND=note") && !environment.contains("ALSA_CONFIG_PATH"), "{environment}");
    daemon.running.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Some(0));
}
