//! The server for uploads: the built program, and curl as its client.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use hearken::runtime::status::{self, Question};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::daemon::{CONFIG, Daemon};
use crate::deciding::alone;
use crate::program::hearken;
use crate::support::{Running, VirtualMicrophone, data, quiet, until};

const CLIP: &str = "home/turn on the lights.wav";

/// A running `hearken serve` on a Unix socket.
struct Server {
    running: Running,
    scratch: TempDir,
}

impl Server {
    fn start(serve: &str) -> Server {
        let scratch = tempfile::tempdir_in("/dev/shm").unwrap();
        let config = scratch.path().with_extension("toml");
        let socket = scratch.path().join("http.sock");
        let more = format!("[serve]\nlisten = \"unix:{}\"\n{serve}", socket.display());
        fs::write(&config, format!("{}\n{more}", fs::read_to_string(data("home.toml")).unwrap())).unwrap();
        let mut command = hearken();
        command.arg("serve").arg("--config").arg(&config).arg("--scratch").arg(scratch.path());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        assert!(log.any(|line| line.contains("waiting for uploads")), "it should be ready");
        thread::spawn(move || log.for_each(drop));
        fs::remove_file(config).unwrap();
        Server { running: Running::watched(child), scratch }
    }

    fn socket(&self) -> PathBuf {
        self.scratch.path().join("http.sock")
    }

    /// What curl says of `path`: the status and the body.
    fn curl(&self, path: &str, arguments: &[&str]) -> (u16, String) {
        curl(&self.socket(), path, arguments)
    }

    /// The status with which an upload is answered. While the kernel's queue of connections is full, curl says 0.
    fn until_answered(&self, upload: &str) -> u16 {
        let send = || self.curl("/v1/decide", &["--data-binary", upload]).0;
        std::iter::repeat_with(send).find(|status| *status != 0).unwrap()
    }

    fn usage(&self) -> Value {
        status::ask(self.scratch.path(), Question::Status).unwrap()["scratch"].clone()
    }

    /// A request whose body never ends, of which `sent` bytes are sent, if it is not refused before.
    fn unfinished(&self, sent: usize) -> UnixStream {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.write_all(b"POST /v1/decide HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n").unwrap();
        let _refused = stream.write_all(&vec![0; sent]);
        stream
    }
}

fn curl(socket: &Path, path: &str, arguments: &[&str]) -> (u16, String) {
    let mut command = Command::new("curl");
    command.args(["-s", "-w", "\n%{http_code}", "--unix-socket"]).arg(socket).args(arguments);
    let output =
        command.arg(format!("http://localhost{path}")).output().expect("curl should be there: make test installs it");
    let said = String::from_utf8(output.stdout).unwrap();
    let (body, status) = said.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.into())
}

fn wav() -> String {
    format!("@{}", data(CLIP).display())
}

fn object(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {body}"))
}

#[test]
fn what_browsers_and_phones_record_is_decided_like_a_wav_file() {
    let _alone = alone();
    let server = Server::start("");
    for file in ["flac.flac", "mp3.mp3", "aac.m4a", "opus.ogg", "opus.webm"] {
        let upload = data("compressed").join(file);
        let (status, body) = server.curl("/v1/decide", &["--data-binary", &format!("@{}", upload.display())]);
        assert_eq!((status, &object(&body)["sentence"]), (200, &json!("turn on the lights")), "{file}: {body}");
        let cut = &fs::read(&upload).unwrap()[..2000];
        let cut_file = server.scratch.path().join("cut");
        fs::write(&cut_file, cut).unwrap();
        let (status, body) = server.curl("/v1/decide", &["--data-binary", &format!("@{}", cut_file.display())]);
        let decided = object(&body);
        let refused = status == 400 && decided["error"]["code"] == "invalid_audio";
        assert!(refused || decided["verdict"] == "rejected", "{file}, cut: {status} {body}");
    }
}

#[test]
fn an_upload_is_decided_as_a_file_is_and_transcribed_in_the_form_of_openais_api() {
    let _alone = alone();
    let server = Server::start("");
    let file = format!("file={};filename=a.wav", wav());
    let as_file =
        hearken().args(["decide", "--json", "--config"]).arg(data("home.toml")).arg(data(CLIP)).output().unwrap();
    let as_file = object(&String::from_utf8(as_file.stdout).unwrap());
    for upload in [["--data-binary", &wav()], ["-F", &file]] {
        let (status, body) = server.curl("/v1/decide", &upload);
        let decision = object(&body);
        assert_eq!((status, &decision["verdict"]), (200, &json!("accepted")));
        // Only the length differs, which is that of whole frames, and how long it took.
        for (key, value) in as_file.as_object().unwrap() {
            let varies =
                ["file", "ms", "duration_ms", "features", "log_odds", "confidence", "dbfs", "no_speech", "speech_ms"];
            assert!(varies.contains(&key.as_str()) || decision[key] == *value, "{key}: {}, not {value}", decision[key]);
        }
    }
    let text = |form: &[&str]| {
        server.curl("/v1/audio/transcriptions", &[&["-F", &file, "-F", "model=whisper-1"], form].concat())
    };
    assert_eq!(object(&text(&[]).1), json!({"text": "Turn on the lights."}));
    assert_eq!(text(&["-F", "response_format=text"]).1, "Turn on the lights.\n");
    let verbose = object(&text(&["-F", "response_format=verbose_json", "-F", "language=en"]).1);
    assert_eq!(
        (&verbose["language"], &verbose["segments"][0]["text"]),
        (&json!("english"), &json!("Turn on the lights."))
    );
    assert_eq!(server.usage()["used"], 0);
}

#[test]
fn a_bad_request_is_refused_with_a_reason_and_leaves_nothing() {
    let server = Server::start("max_bytes = \"64 KiB\"\nuploads = 1\ntimeout = \"1 s\"\n");
    let (wav, big) = (wav(), "x".repeat(70_000));
    let file = format!("file={wav}");
    let cases: [(&str, &[&str], u16, &str); 12] = [
        ("/v1/decide", &["--data-binary", "no sound"], 400, "invalid_audio"),
        ("/v1/decide", &["--data-binary", ""], 400, "invalid_audio"),
        ("/v1/decide", &["--data-binary", &wav], 413, "too_large"),
        ("/v1/decide", &["-F", &file], 413, "too_large"),
        ("/v1/decide", &["-H", "Transfer-Encoding: chunked", "--data-binary", &big], 413, "too_large"),
        ("/v1/decide", &["-F", "model=a"], 400, "no_file"),
        (
            "/v1/decide",
            &["-H", "Content-Type: multipart/form-data; boundary=x", "--data-binary", "--x\r\nbad"],
            400,
            "invalid_form",
        ),
        ("/v1/decide?act=true", &["--data-binary", "no sound"], 403, "may_not_act"),
        ("/v1/decide", &[], 405, "method_not_allowed"),
        ("/v1/nothing", &[], 404, "not_found"),
        ("/v1/audio/transcriptions", &["-F", "response_format=srt"], 400, "invalid_value"),
        ("/v1/audio/transcriptions", &["-F", "language=de"], 400, "unsupported_language"),
    ];
    for (path, arguments, status, code) in cases {
        let (found, body) = server.curl(path, arguments);
        let error = &object(&body)["error"];
        assert_eq!((found, &error["code"]), (status, &json!(code)), "{path} {arguments:.60?}: {body}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
    // One upload is taken, so the next one is refused, and the first when its time is over.
    let mut slow = server.unfinished(20_000);
    until("the upload is taken", || object(&server.curl("/healthz", &[]).1)["uploads"] == 1);
    assert_eq!(server.curl("/v1/decide", &["--data-binary", "x"]).0, 429);
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(server.usage()["used"], 0);
    let foreign = ["-H", "Origin: https://evil.example", "--data-binary", "x"];
    assert_eq!(server.curl("/v1/decide", &foreign).0, 403);
}

#[test]
fn whoever_cuts_the_connection_leaves_nothing_and_neither_does_a_kill() {
    let server = Server::start("");
    let cut = server.unfinished(30_000);
    until("it is in scratch", || server.usage()["used"].as_u64() == Some(30_000));
    drop(cut);
    until("it is gone", || server.usage()["used"] == 0);
    let _cut = server.unfinished(30_000);
    until("it is in scratch", || server.usage()["used"].as_u64() == Some(30_000));
    let Server { mut running, scratch } = server;
    running.signal(Signal::KILL);
    running.0.wait().unwrap();
    let mut left: Vec<String> =
        fs::read_dir(scratch.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["hearken-why.sock", "hearken.sock", "http.sock"]);
}

#[test]
fn a_hundred_uploads_at_once_half_of_them_bad_are_all_answered() {
    let _alone = alone();
    let server = Server::start("uploads = 4\n");
    let answers = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for sender in 0..10 {
            let (server, answers) = (&server, &answers);
            scope.spawn(move || {
                for number in 0..10 {
                    let status = match (10 * sender + number) % 4 {
                        0 => server.until_answered("no sound"),
                        1 => {
                            drop(server.unfinished(1000 * number));
                            continue;
                        }
                        _ => loop {
                            match server.until_answered(&wav()) {
                                429 => thread::yield_now(),
                                status => break status,
                            }
                        },
                    };
                    answers.lock().unwrap().push(status);
                }
            });
        }
    });
    let answers = answers.into_inner().unwrap();
    let count = |status: u16| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!(count(200), 50);
    assert_eq!(count(200) + count(400) + count(429), 75, "{answers:?}");
    until("nothing is left", || server.usage()["used"] == 0);
    assert_eq!(server.curl("/healthz", &[]).0, 200);
}

#[test]
fn who_has_no_token_gets_nothing_but_the_health() {
    let token = tempfile::NamedTempFile::new().unwrap();
    fs::write(token.path(), "0123456789abcdef\n").unwrap();
    let server = Server::start(&format!("token_file = \"{}\"\n", token.path().display()));
    let header = |token: &str| format!("Authorization: Bearer {token}");
    assert_eq!(server.curl("/healthz", &[]).0, 200);
    for path in ["/metrics", "/v1/nothing"] {
        assert_eq!(server.curl(path, &[]).0, 401, "{path}");
        assert_eq!(server.curl(path, &["-H", &header("0123456789abcdeg")]).0, 401, "{path}");
    }
    let (status, metrics) = server.curl("/metrics", &["-H", &header("0123456789abcdef")]);
    assert!(status == 200 && metrics.contains("hearken_scratch"), "{status} {metrics}");
}

#[test]
fn an_upload_switches_an_output_only_if_it_asks_and_may() {
    let _alone = alone();
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let socket = dir.path().join("http.sock");
    let serve = format!("[serve]\nlisten = \"unix:{}\"\nact = true\n", socket.display());
    let mut daemon = Daemon::on(VirtualMicrophone::playing(&quiet(1000)), &serve);
    daemon.until_microphone_is("open");
    assert_eq!(curl(&socket, "/v1/decide", &["--data-binary", &wav()]).0, 200);
    let (status, body) = curl(&socket, "/v1/decide?act=true", &["--data-binary", &wav()]);
    assert_eq!((status, &object(&body)["command"]), (200, &json!("lights")));
    // The first upload is not reported: it did not act.
    let event = daemon.event();
    assert_eq!((&event["sentence"], &event["outputs"][0]["output"]), (&json!("turn on the lights"), &json!("lights")));
    assert!(CONFIG.contains("[outputs.lights]") && daemon.status()["scratch"]["used"] == 0);
}

#[test]
fn an_address_for_other_machines_without_a_token_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hearken.toml");
    let config = |serve: &str| {
        fs::write(&file, format!("{}\n[serve]\n{serve}\n", fs::read_to_string(data("home.toml")).unwrap()))
    };
    let check = || hearken().arg("check").arg(&file).output().unwrap();
    for (serve, words) in [
        ("listen = \"0.0.0.0:8765\"", "token_file is needed"),
        ("listen = \"localhost\"", "an address with a port is needed"),
        ("max_bytes = \"16 MiB\"", "the microphone does not need"),
    ] {
        config(serve).unwrap();
        let output = check();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(78) && said.contains(words), "{serve}: {said}");
    }
    config("listen = \"0.0.0.0:8765\"\ntoken_file = \"/nowhere/token\"").unwrap();
    assert_eq!(check().status.code(), Some(0));
    let output = hearken().arg("serve").arg("--config").arg(&file).arg("--scratch").arg(dir.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("/nowhere/token"), "{said}");
}
