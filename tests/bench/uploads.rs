//! `cargo bench --bench uploads -- [UPLOADS]`: what the HTTP server bears. Three figures, on the built program with the home
//! grammar:
//!
//! 1. Uploads a second and the time of an answer, with one, four and eight clients that send clips of `tests/data/home`.
//! 2. The memory of the server after a tenth, half and all of so many uploads (10,000 unless the command line says
//!    otherwise), of which every twentieth is a recording; the others are damaged, empty, cut short or too large.
//! 3. How late commands at the microphone are decided while two clients send recordings without a pause, beside how late
//!    they are without clients.
//!
//! Run nothing else meanwhile.

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use support::{Running, VirtualMicrophone};
use tempfile::TempDir;

/// Clients at once, for the first figure, and the uploads of each.
const CLIENTS: [usize; 3] = [1, 4, 8];
const OF_A_CLIENT: usize = 24;
/// Uploads for the second figure.
const UPLOADS: usize = 10_000;
/// Commands at the microphone for the third figure.
const COMMANDS: usize = 20;

/// A running program with a server on a Unix socket, and what it writes as events.
struct Served {
    running: Running,
    dir: TempDir,
    events: Receiver<String>,
}

impl Served {
    fn start(command: &str, microphone: Option<&VirtualMicrophone>) -> Served {
        let dir = tempfile::tempdir_in("/dev/shm").expect("a temporary directory");
        let home = fs::read_to_string(support::data("home.toml")).expect("the grammar should be read");
        let mic = if microphone.is_some() { "[microphone]\ndevice = \"mic0\"\n" } else { "" };
        let config = dir.path().join("hearken.toml");
        let text = format!("{home}\n{mic}[serve]\nlisten = \"unix:{}/http\"\nuploads = 32\n", dir.path().display());
        fs::write(&config, text).expect("the configuration should be written");
        let mut program = Command::new(support::program());
        program.arg(command).arg("--config").arg(&config).arg("--scratch").arg(dir.path());
        if let Some(microphone) = microphone {
            microphone.plug_into(&mut program).args(["--events", "-"]);
        }
        let mut child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
        let log = BufReader::new(child.stderr.take().expect("its log should be piped"));
        let mut log = log.lines().map_while(Result::ok);
        assert!(log.any(|line| line.contains("waiting for")), "it should be ready");
        thread::spawn(move || log.for_each(drop));
        let (say, events) = channel();
        let lines = BufReader::new(child.stdout.take().expect("its events should be piped")).lines();
        thread::spawn(move || lines.map_while(Result::ok).take_while(|line| say.send(line.clone()).is_ok()).count());
        Served { running: Running(child), dir, events }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("http")
    }

    fn resident_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.running.0.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0.0) / 1024.0
    }
}

/// Sends `body` and returns the status, or 0 if there is none. A `length` other than the body's breaks the upload off.
fn send(socket: &Path, body: &[u8], length: usize) -> u16 {
    let answered = || {
        let mut stream = UnixStream::connect(socket)?;
        write!(stream, "POST /v1/decide HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")?;
        stream.write_all(body)?;
        if length != body.len() {
            return Ok(0);
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<u16, std::io::Error>(answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0))
    };
    answered().unwrap_or(0)
}

fn clips() -> Vec<Vec<u8>> {
    support::clips("home").iter().take(OF_A_CLIENT).map(|clip| fs::read(clip).expect("a clip")).collect()
}

fn at(share: f64, times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

fn throughput() {
    let served = Served::start("serve", None);
    let (socket, clips) = (served.socket(), clips());
    assert!(clips.iter().take(3).all(|clip| send(&socket, clip, clip.len()) == 200), "it should warm up");
    println!("| clients | uploads a second | answer p50, ms | p95, ms |\n|---|---|---|---|");
    for clients in CLIENTS {
        let begun = Instant::now();
        let client = || {
            let timed = |clip: &Vec<u8>| {
                let begun = Instant::now();
                assert_eq!(send(&socket, clip, clip.len()), 200);
                begun.elapsed().as_secs_f64() * 1000.0
            };
            clips.iter().map(timed).collect::<Vec<f64>>()
        };
        let mut times: Vec<f64> = thread::scope(|scope| {
            let all: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
            all.into_iter().flat_map(|thread| thread.join().expect("a client")).collect()
        });
        let a_second = times.len() as f64 / begun.elapsed().as_secs_f64();
        println!("| {clients} | {a_second:.1} | {:.0} | {:.0} |", at(0.5, &mut times), at(0.95, &mut times));
    }
}

fn memory(uploads: usize) {
    let served = Served::start("serve", None);
    let (socket, clips) = (served.socket(), clips());
    let too_large = vec![0; 5 << 20];
    let (next, statuses) = (AtomicUsize::new(0), [const { AtomicUsize::new(0) }; 6]);
    let client = |until: usize| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= until {
                next.fetch_sub(1, Ordering::Relaxed);
                return;
            }
            let clip = &clips[number / 20 % clips.len()];
            let status = match number % 20 {
                0 => send(&socket, clip, clip.len()),
                1 => send(&socket, &too_large, too_large.len()),
                2..7 => send(&socket, &clip[..clip.len() / 2], clip.len()),
                7..12 => send(&socket, &clip[..clip.len() / 2], clip.len() / 2),
                12..16 => send(&socket, b"", 0),
                _ => send(&socket, &clip[1000..3000], 2000),
            };
            statuses[usize::from(status / 100)].fetch_add(1, Ordering::Relaxed);
        }
    };
    println!("\n| uploads | memory, MiB |\n|---|---|\n| 0 | {:.1} |", served.resident_mib());
    for until in [uploads / 10, uploads / 2, uploads] {
        thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| client(until)))));
        println!("| {until} | {:.1} |", served.resident_mib());
    }
    let counted = |kind: usize| statuses[kind].load(Ordering::Relaxed);
    println!("\n{} answers 2xx, {} 4xx, {} 5xx, {} broken off", counted(2), counted(4), counted(5), counted(0));
}

/// How late the next commands at the microphone were carried out, in milliseconds after their end.
fn latencies(events: &Receiver<String>) -> Vec<f64> {
    let mut found = Vec::new();
    while found.len() < COMMANDS {
        let line = events.recv_timeout(Duration::from_secs(60)).expect("an event within a minute");
        let event: serde_json::Value = serde_json::from_str(&line).expect("an event is JSON");
        found.extend(event["latency_ms"].as_f64().filter(|_| event["command"].is_string()));
    }
    found
}

fn delay() {
    let clip = support::samples(&support::data("home/turn on the lights.wav"));
    let sound = [&clip[..], &support::quiet(1500)].concat();
    let microphone = VirtualMicrophone::with(&sound, "speed 1 loop 1");
    let served = Served::start("run", Some(&microphone));
    let (socket, clips, over) = (served.socket(), clips(), AtomicBool::new(false));
    let mut alone = latencies(&served.events);
    let mut beside = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut clips = clips.iter().cycle();
                while let (Some(clip), false) = (clips.next(), over.load(Ordering::Relaxed)) {
                    send(&socket, clip, clip.len());
                }
            });
        }
        let beside = latencies(&served.events);
        over.store(true, Ordering::Relaxed);
        beside
    });
    println!("\n| commands at the microphone | p50, ms | p95, ms |\n|---|---|---|");
    println!("| alone | {:.0} | {:.0} |", at(0.5, &mut alone), at(0.95, &mut alone));
    println!("| beside two clients | {:.0} | {:.0} |", at(0.5, &mut beside), at(0.95, &mut beside));
}

fn main() {
    let arguments = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    throughput();
    memory(arguments.unwrap_or(UPLOADS));
    delay();
}
