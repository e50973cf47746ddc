//! `cargo bench --bench idle -- [SECONDS] [WAV...]`: what the daemon costs while nobody commands anything: processor time and
//! wake-ups a second of each thread, and memory, in a quiet room; then the same with each server for other programs. With
//! WAV files it also hears each of them, over and over: music, for example.
//!
//! The daemon is the built program with the home grammar and default settings, on the virtual microphone in real time.
//! The thread `cpal_alsa_in` has ALSA with the virtual microphone in it. Run nothing else meanwhile.

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Running, VirtualMicrophone};

/// Seconds that are measured, unless the command line says otherwise.
const SECONDS: u64 = 30;

/// Processor time in ticks of 10 ms, and how often the kernel has taken the processor or given it, of each thread by name.
fn threads(pid: u32) -> BTreeMap<String, (u64, u64)> {
    let mut all = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).expect("the daemon should run").flatten() {
        let read = |file| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let (stat, status) = (read("stat"), read("status"));
        let ticks = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
        let slept = field(&status, "voluntary_ctxt_switches:");
        let of = all.entry(read("comm").trim().to_string()).or_insert((0, 0));
        *of = (of.0 + ticks, of.1 + slept);
    }
    all
}

/// The number after `name` at the beginning of a line.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The servers for other programs, and the broker on this machine.
const SERVERS: [(&str, &str); 5] = [
    ("[serve]", "[serve]\nlisten = \"127.0.0.1:0\"\n"),
    ("[wyoming]", "[wyoming]\nlisten = \"127.0.0.1:0\"\n"),
    ("[wyoming] with announce", "[wyoming]\nlisten = \"0.0.0.0:0\"\nfrom = [\"127.0.0.1\"]\nannounce = true\n"),
    ("[metrics]", "[metrics]\nfile = \"DIR/hearken.prom\"\n"),
    ("[mqtt]", "[mqtt]\naddress = \"127.0.0.1:PORT\"\n"),
];

/// A broker on this machine, and its port; `None` without mosquitto, which `make tools` fetches.
fn broker() -> Option<(Running, u16)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/debian/usr");
    let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
    let mut command = Command::new(root.join("sbin/mosquitto"));
    command.env("LD_LIBRARY_PATH", root.join("lib").join(format!("{}-linux-gnu", std::env::consts::ARCH)));
    let child = command.args(["-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    support::until("the broker", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    Some((Running(child), port))
}

/// Starts the daemon with `more` in its configuration, waits until it hears, and measures it for `seconds`.
fn measure(what: &str, sound: &[f32], more: &str, seconds: u64) {
    let microphone = VirtualMicrophone::with(sound, "speed 1 loop 1");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = dir.path().join("hearken.toml");
    let home = fs::read_to_string(support::data("home.toml")).expect("the grammar should be read");
    let more = more.replace("DIR", &dir.path().display().to_string());
    let text = format!("{home}\n[microphone]\ndevice = \"mic0\"\n{more}");
    fs::write(&config, text).expect("the configuration should be written");
    let mut command = Command::new(support::program());
    command.args(["run", "--config"]).arg(&config).arg("--scratch").arg(dir.path());
    let begun = Instant::now();
    let piped = microphone.plug_into(&mut command).stderr(Stdio::piped()).stdout(Stdio::null());
    let mut daemon = Running(piped.spawn().expect("the program should be built"));
    let said = BufReader::new(daemon.0.stderr.take().expect("its log should be piped"));
    let mut lines = said.lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("microphone open")), "the daemon should hear");
    let ready = begun.elapsed();
    std::thread::spawn(move || lines.for_each(drop));
    let pid = daemon.0.id();
    // The first seconds have pages that are read for the first time.
    std::thread::sleep(Duration::from_secs(3));
    let (before, begun) = (threads(pid), Instant::now());
    std::thread::sleep(Duration::from_secs(seconds));
    let (after, took) = (threads(pid), begun.elapsed().as_secs_f64());
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mib = |name| field(&status, name) / 1024;
    println!("\n{what}: ready after {} ms, {} MiB, at most {} MiB", ready.as_millis(), mib("VmRSS:"), mib("VmHWM:"));
    println!("\n| thread | % of a core | wake-ups a second |\n|---|---|---|");
    let (mut all_ticks, mut all_slept) = (0, 0);
    for (name, (ticks, slept)) in after {
        let (ticks_before, slept_before) = before.get(&name).copied().unwrap_or_default();
        let (ticks, slept) = (ticks.saturating_sub(ticks_before), slept.saturating_sub(slept_before));
        (all_ticks, all_slept) = (all_ticks + ticks, all_slept + slept);
        println!("| {name} | {:.2} | {:.1} |", ticks as f64 / took, slept as f64 / took);
    }
    println!("| all | {:.2} | {:.1} |", all_ticks as f64 / took, all_slept as f64 / took);
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let seconds = arguments.first().and_then(|first| first.parse().ok());
    let files: Vec<PathBuf> = arguments.iter().skip(usize::from(seconds.is_some())).map(PathBuf::from).collect();
    let seconds = seconds.unwrap_or(SECONDS);
    let quiet = support::quiet(10_000);
    measure("a quiet room", &quiet, "", seconds);
    let broker = broker();
    for (name, section) in SERVERS {
        match &broker {
            None if section.contains("PORT") => println!("\n{name}: left out; `make tools` fetches a broker"),
            broker => {
                let port = broker.as_ref().map_or(0, |(_, port)| *port);
                measure(name, &quiet, &section.replace("PORT", &port.to_string()), seconds);
            }
        }
    }
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        measure(&name, &support::samples(Path::new(&file)), "", seconds);
    }
}
