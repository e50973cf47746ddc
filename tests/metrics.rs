//! Metrics, and what is made of them: promtool and node_exporter of Debian read them.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hearken::act::states::States;
use hearken::config;
use hearken::report::metrics::{Metrics, Parts};
use hearken::utterance::scratch::{Scratch, ScratchSettings};
use rustix::process::Signal;

use crate::daemon::Daemon;
use crate::deciding::alone;
use crate::support::{Running, VirtualMicrophone, data, in_a_row, until};

/// A program that is installed, or that `make tools` has unpacked.
pub fn tool(name: &str) -> Option<PathBuf> {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/debian/usr/bin");
    let installed = std::env::var_os("PATH").unwrap_or_default();
    let servers = [unpacked.with_file_name("sbin"), "/usr/sbin".into(), unpacked];
    let found = std::env::split_paths(&installed).chain(servers).map(|dir| dir.join(name)).find(|p| p.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "`make tools` should be run before");
        eprintln!("not tried: there is no program {name}; `make tools` gets it");
    }
    found
}

/// Runs a tool with `input`. `None` without the tool.
fn run(name: &str, arguments: &[&str], input: &str) -> Option<Output> {
    let mut command = Command::new(tool(name)?);
    command.args(arguments).current_dir(pages()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

/// Runs promtool, which must find nothing wrong.
fn promtool(arguments: &[&str], input: &str) {
    let Some(Output { status, stdout, stderr }) = run("promtool", arguments, input) else { return };
    let said = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(status.success() && !said.contains("FAILED"), "{arguments:?}: {said}");
}

fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics")
}

/// The metrics of a house before anything has happened.
fn begun() -> String {
    let settings = config::load(&data("house.toml")).unwrap();
    let scratch = Scratch::new("/dev/shm".into(), &ScratchSettings::default());
    let states = States::at_rest(&settings.outputs);
    let outputs = (settings.outputs.as_slice(), &states);
    let metrics = Metrics::new(Parts::new(&settings.commands, outputs, &scratch, Some(Default::default())));
    metrics.level(-60.0);
    metrics.render()
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics() {
    promtool(&["check", "metrics"], &begun());
}

#[test]
fn the_alert_rules_are_good_and_come_when_they_should() {
    promtool(&["check", "rules", "alerts.yml"], "");
    promtool(&["test", "rules", "alerts.test.yml", "alerts-week.test.yml"], "");
}

/// The names of metrics in an expression.
fn named(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words.filter(|word| word.starts_with("hearken_")).collect()
}

#[test]
fn rules_and_dashboard_name_only_metrics_that_there_are() {
    let metrics = begun();
    for file in ["alerts.yml", "grafana.json"] {
        let text = fs::read_to_string(pages().join(file)).unwrap();
        let unknown = |name: &&&str| !metrics.lines().any(|l| l.split(['{', ' ']).next() == Some(name));
        let names = named(&text);
        assert!(names.len() > 10, "{file}: {names:?}");
        assert_eq!(names.iter().find(unknown), None, "{file}");
    }
}

#[test]
fn every_panel_of_the_dashboard_has_an_expression_that_prometheus_reads() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(pages().join("grafana.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let expressions = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut rules = String::from("groups:\n- name: dashboard\n  rules:\n");
    for (i, target) in expressions.enumerate() {
        rules += &format!("  - record: panel:{i}\n    expr: {}\n", target["expr"]);
    }
    let file = tempfile::Builder::new().suffix(".yml").tempfile().unwrap();
    fs::write(file.path(), rules).unwrap();
    promtool(&["check", "rules", &file.path().display().to_string()], "");
}

/// The value of a sample, which is named with its labels.
fn sample(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} should be there: {text}")).parse().unwrap()
}

#[test]
fn the_daemon_writes_its_file_node_exporter_reads_it_and_it_is_gone_at_the_end() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hearken.prom");
    let clips = ["home/turn on the lights.wav", "other/tell me a joke.wav"].map(data);
    let section = format!("[metrics]\nfile = {:?}\nevery = \"1 s\"\n", file.display().to_string());
    let mut daemon = Daemon::on(VirtualMicrophone::playing(&in_a_row(&clips)), &section);
    let events = [daemon.event(), daemon.event()];
    let read = || fs::read_to_string(&file).unwrap_or_default();
    let rejected = format!("hearken_utterances_total{{verdict=\"rejected\",rule={}}} 1", events[1]["rule"]);
    until("the second utterance in the file", || read().contains(&rejected));
    let text = read();
    let expected = [
        ("hearken_utterances_total{verdict=\"accepted\",rule=\"none\"}", 1.0),
        ("hearken_commands_total{command=\"lights\",source=\"voice\"}", 1.0),
        ("hearken_output_changes_total{output=\"lights\"}", 1.0),
        ("hearken_output_ratio{output=\"lights\"}", 1.0),
        ("hearken_output_changes_total{output=\"tv\"}", 0.0),
        ("hearken_decision_duration_seconds_count", 2.0),
        ("hearken_response_duration_seconds_count", 1.0),
        ("hearken_stage_duration_seconds_count{stage=\"encode\"}", 2.0),
        ("hearken_microphone_open", 1.0),
        ("hearken_microphone_opened_total", 1.0),
        ("hearken_recordings_total", events.len() as f64),
    ];
    for (name, value) in expected {
        assert!(sample(&text, name) >= value, "{name}: {text}");
    }
    assert!(sample(&text, "hearken_noise_floor_dbfs") < sample(&text, "hearken_input_peak_dbfs"), "{text}");
    assert!(sample(&text, "hearken_sound_seconds_total") > 3.0, "{text}");
    assert!(!text.contains("joke") && !text.contains("turn on"), "no words: {text}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644, "another user reads it");
    promtool(&["check", "metrics"], &text);
    collected(dir.path());
    daemon.running.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Some(0));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "neither the file nor a new one beside it");
}

/// Lets node_exporter read the folder.
fn collected(dir: &Path) {
    let Some(program) = tool("prometheus-node-exporter") else { return };
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new(program);
    command.args(["--collector.disable-defaults", "--collector.textfile", "--collector.textfile.directory"]);
    command.arg(dir).arg(format!("--web.listen-address={free}")).stderr(Stdio::null());
    let _exporter = Running::watched(command.spawn().unwrap());
    let mut said = String::new();
    until("an answer of node_exporter", || {
        said = asked(&free.to_string(), "GET /metrics HTTP/1.0\r\n\r\n").unwrap_or_default();
        said.contains("node_textfile_scrape_error")
    });
    assert_eq!(sample(&said, "node_textfile_scrape_error"), 0.0, "{said}");
    assert!(sample(&said, "hearken_utterances_total{rule=\"none\",verdict=\"accepted\"}") >= 1.0);
}

fn asked(address: &str, request: &str) -> std::io::Result<String> {
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.write_all(request.as_bytes())?;
    std::io::read_to_string(stream)
}

#[test]
fn the_http_door_gives_the_same_metrics() {
    let _alone = alone();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let clips = ["home/turn on the lights.wav"].map(data);
    let section = format!("[serve]\nlisten = \"{free}\"\n");
    let mut daemon = Daemon::on(VirtualMicrophone::playing(&in_a_row(&clips)), &section);
    assert_eq!(daemon.event()["verdict"], "accepted");
    let ask =
        |line: &str, more: &str| asked(&free, &format!("{line} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n")).unwrap();
    let refused = ask("POST /v1/decide", "Content-Length: 0\r\n");
    assert!(refused.starts_with("HTTP/1.1 4"), "{refused}");
    let answer = ask("GET /metrics", "");
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.to_lowercase().contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert_eq!(sample(text, "hearken_utterances_total{verdict=\"accepted\",rule=\"none\"}"), 1.0);
    assert_eq!(sample(text, "hearken_uploads_total{outcome=\"refused\"}"), 1.0);
    promtool(&["check", "metrics"], text);
    daemon.running.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Some(0));
}

#[test]
fn the_configuration_for_prometheus_in_the_guide_is_one() {
    let guide = fs::read_to_string(pages().join("../guide/metrics.md")).unwrap();
    let blocks: Vec<&str> = guide.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 2);
    let file = tempfile::Builder::new().suffix(".yml").tempfile().unwrap();
    fs::write(file.path(), blocks.concat()).unwrap();
    promtool(&["check", "config", "--syntax-only", &file.path().display().to_string()], "");
}

#[test]
fn a_folder_that_is_not_there_is_told_once_and_costs_nothing_else() {
    let _alone = alone();
    let section = "[metrics]\nfile = \"/nowhere/hearken.prom\"\nevery = \"1 s\"\n";
    let clips = ["home/turn on the lights.wav"].map(data);
    let mut daemon = Daemon::on(VirtualMicrophone::playing(&in_a_row(&clips)), section);
    assert_eq!(daemon.event()["verdict"], "accepted");
    daemon.running.signal(Signal::TERM);
    let (code, log) = daemon.ended();
    assert_eq!(code, Some(0));
    assert_eq!(log.matches("metrics are not written to /nowhere/hearken.prom: No such file").count(), 1, "{log}");
}
