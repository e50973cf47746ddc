//! `cargo bench --bench grammar`: what large grammars cost: time to read and build them, and the most memory that takes.
//!
//! Each round is a process of its own, so that `VmHWM` is that round's. What the program takes before it begins is
//! subtracted. No model is loaded. A round also measures what it costs to ask what may follow a sentence, which a person
//! waits for. Last comes what ten times as many faults cost to find and print: ten times as much if that is linear.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use hearken::config;
use hearken::config::lint;
use hearken::grammar::Grammar;

/// Rounds of each grammar: odd, so that a median is a measurement.
const ROUNDS: usize = 5;
/// In a round's environment: the grammar's name.
const ROUND: &str = "HEARKEN_BENCH_GRAMMAR";

/// Writes a configuration.
type Writer = fn() -> String;

/// The grammars: name, and how to write its configuration.
const GRAMMARS: [(&str, Writer); 4] =
    [("10,000 commands", commands), ("10,000 templates", templates), ("coffee in any order", coffee), ("home", home)];

/// The numbers of faults that are compared.
const FAULTS: [usize; 2] = [10_000, 100_000];

/// A word for each number, from syllables: "bafo", "kisubi".
fn word(number: usize) -> String {
    let (consonants, vowels) = (b"bdfgklmnprst", b"aeiou");
    let mut rest = number + 60;
    let mut word = String::new();
    while rest > 0 {
        word.push(consonants[rest % 12] as char);
        word.push(vowels[rest / 12 % 5] as char);
        rest /= 60;
    }
    word
}

fn lists() -> String {
    let list = |name: &str, offset: usize| {
        let values: Vec<String> = (0..50).map(|n| format!("\"{}\"", word(200_000 + offset + n))).collect();
        format!("{name} = [{}]\n", values.join(", "))
    };
    let (rooms, things, people) = (list("room", 0), list("thing", 100), list("person", 200));
    format!("board = \"host\"\n[lists]\nstate = [\"on\", \"off\"]\n{rooms}{things}{people}")
}

/// Ten thousand commands, each with a list before and one after its own word.
fn commands() -> String {
    let mut text = lists();
    for n in 0..10_000 {
        let say = format!("[please] (turn|switch) {{state}} [the] {} {{thing}} in [the] {{room}}", word(n));
        let _ = writeln!(text, "[[commands]]\nname = \"c{n}\"\nsay = \"{say}\"");
    }
    text
}

/// Ten thousand templates of a hundred commands, some with three lists.
fn templates() -> String {
    let mut text = lists();
    for command in 0..100 {
        let template = |n: usize| match n % 4 {
            0 => format!("\"give {{person}} {} {} {{thing}} from [the] {{room}}\"", word(command), word(n)),
            1 => format!("\"(bring|carry) {} {} to [the] {{room}} [please]\"", word(command), word(n)),
            2 => format!("\"[please] turn {} {} {{state}}\"", word(command), word(n)),
            _ => format!("\"{} (is|was) {} [now|today]\"", word(command), word(n)),
        };
        let say: Vec<String> = (0..100).map(template).collect();
        let _ = writeln!(text, "[[commands]]\nname = \"c{command}\"\nsay = [{}]", say.join(", "));
    }
    text
}

/// A configuration with so many faults: commands that name a list, and have a key, that do not exist.
fn faulty(faults: usize) -> String {
    let mut text = lists();
    for n in 0..faults / 2 {
        let _ = writeln!(text, "[[commands]]\nname = \"c{n}\"\nsay = \"{} {{romm}}\"\nsya = {n}", word(n));
    }
    text
}

fn coffee() -> String {
    file("coffee.toml")
}

fn home() -> String {
    file("home.toml")
}

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{e}"))
}

/// The most memory that this process has had, in MiB: proc_pid_status(5).
fn most_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(f64::NAN) / 1024.0
}

/// The most milliseconds that it takes to ask what may follow a sentence, after the first time.
fn asked(grammar: &Grammar, commands: usize) -> f64 {
    grammar.reach("");
    let most = |most: f64, command: usize| {
        let sentence = grammar.spread(command as u32, 1).unwrap_or_else(|| panic!("a command should have a sentence"));
        let begun = Instant::now();
        let reached = grammar.reach(&sentence.words);
        std::hint::black_box((reached.following(), reached.may_change(&sentence)));
        most.max(begun.elapsed().as_secs_f64() * 1e3)
    };
    (0..commands).step_by(commands.div_ceil(20)).fold(0.0, most)
}

/// One round: milliseconds to read and build, MiB for it, milliseconds to look for what to warn of, and to ask what may
/// follow, arcs, sentences.
fn round(text: &str) -> String {
    let before = most_memory();
    let begun = Instant::now();
    let settings = config::parse("bench.toml", text).unwrap_or_else(|problems| panic!("{problems}"));
    let (built, memory) = (begun.elapsed().as_secs_f64() * 1e3, most_memory() - before);
    let begun = Instant::now();
    let warnings = lint::warnings(&settings.grammar, &settings.commands, None).len();
    let (linted, grammar) = (begun.elapsed().as_secs_f64() * 1e3, &settings.grammar);
    let asked = asked(grammar, settings.commands.len());
    let arcs: usize = grammar.nodes().map(|node| grammar.arcs(node).count()).sum();
    let last = format!("{arcs} steps, {} sentences; {warnings} warnings", grammar.count());
    format!("{built} {memory} {linted} {asked} {last}")
}

/// Milliseconds to find and print the faults of `text`, of which there are so many.
fn refused(text: &str, faults: usize) -> f64 {
    let begun = Instant::now();
    let found = config::parse("bench.toml", text).map(drop);
    let Err(problems) = found else { panic!("this configuration should be refused") };
    let printed = problems.to_string().len();
    let ms = begun.elapsed().as_secs_f64() * 1e3;
    assert!(problems.list.len() == faults && printed > faults, "{} of {faults} faults", problems.list.len());
    ms
}

fn main() {
    if let Some((_, write)) = std::env::var(ROUND).ok().and_then(|name| GRAMMARS.into_iter().find(|(n, _)| *n == name))
    {
        return println!("{}", round(&write()));
    }
    let this = std::env::current_exe().unwrap_or_else(|e| panic!("{e}"));
    for (name, _) in GRAMMARS {
        let rounds: Vec<String> = (0..ROUNDS)
            .map(|_| {
                let output = Command::new(&this).env(ROUND, name).output().unwrap_or_else(|e| panic!("{e}"));
                assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
                String::from_utf8_lossy(&output.stdout).trim().to_string()
            })
            .collect();
        let median = |field: usize| {
            let number = |round: &String| round.split(' ').nth(field).and_then(|n| n.parse::<f64>().ok());
            let mut all: Vec<f64> = rounds.iter().filter_map(number).collect();
            all.sort_by(f64::total_cmp);
            format!("{:.1} ({:.1}-{:.1})", all[all.len() / 2], all[0], all[all.len() - 1])
        };
        let rest = rounds[0].splitn(5, ' ').nth(4).unwrap_or_default();
        println!(
            "{name}: built in {} ms, {} MiB; warnings in {} ms; what may follow in {} ms; {rest}",
            median(0),
            median(1),
            median(2),
            median(3)
        );
    }
    let texts = FAULTS.map(faulty);
    let mut times: Vec<[f64; 2]> =
        (0..ROUNDS).map(|_| [0, 1].map(|which| refused(&texts[which], FAULTS[which]))).collect();
    times.sort_by(|[a, more], [b, more_of_b]| (more / a).total_cmp(&(more_of_b / b)));
    let [few, many] = times[ROUNDS / 2];
    println!("{} faults in {few:.1} ms, {} in {many:.1} ms: {:.1} times", FAULTS[0], FAULTS[1], many / few);
}
