//! The pages of the reference that are made from the program.

use std::fmt::Write;

use hearken::act::states::States;
use hearken::config::board;
use hearken::report::metrics::{Metrics, Parts};
use hearken::utterance::scratch::{Scratch, ScratchSettings};

/// Each page's path in the repository, and its text.
pub fn pages() -> [(&'static str, String); 6] {
    [
        ("docs/reference/configuration.md", hearken::config::reference::page()),
        ("docs/reference/schema.json", format!("{:#}\n", hearken::config::reference::schema())),
        ("docs/reference/commands.md", hearken::cli::reference::page()),
        ("docs/reference/events.md", hearken::report::reference::page()),
        ("docs/reference/metrics.md", metrics()),
        ("docs/reference/boards.md", boards()),
    ]
}

/// The metrics of a small configuration: families with their labels.
fn metrics() -> String {
    const SMALL: &str = "board = \"host\"\n[outputs.lamp]\npin = 5\n[[commands]]\nname = \"lamp\"\nsay = \"lamp\"\n";
    let settings = hearken::config::parse("small", SMALL).unwrap_or_else(|faults| panic!("{faults}"));
    let (scratch, states) =
        (Scratch::new("/dev/shm".into(), &ScratchSettings::default()), States::at_rest(&settings.outputs));
    let outputs = (settings.outputs.as_slice(), &states);
    let metrics = Metrics::new(Parts::new(&settings.commands, outputs, &scratch, Some(Default::default())));
    metrics.level(-60.0);
    let text = metrics.render();
    let mut page = String::from(
        "# Metrics\n\nThis page is made from the program (`make pages`). A label has only values that the program or the configuration\n\
         names, never words that were heard. Of the commands 200 are counted by name, and the others together as `other`. A\n\
         histogram has `_bucket`, `_sum` and `_count`. All counters begin at zero at a start and when the configuration is read\n\
         again. [Metrics](../guide/metrics.md) says how to get them.\n\n| metric | labels | kind | meaning |\n|---|---|---|---|\n",
    );
    for family in text.split("# HELP ").skip(1) {
        let (help, rest) = family.split_once('\n').unwrap_or_default();
        let (name, meaning) = help.split_once(' ').unwrap_or_default();
        let kind = rest.lines().next().and_then(|line| line.rsplit(' ').next()).unwrap_or_default();
        let sample = rest.lines().nth(1).unwrap_or_default();
        let labels = sample.split(['{', ',']).skip(1).filter_map(|label| label.split('=').next());
        let labels: Vec<String> = labels.filter(|l| *l != "le").map(|label| format!("`{label}`")).collect();
        let _ = writeln!(page, "| `{name}` | {} | {kind} | {meaning} |", labels.join(", "));
    }
    page
}

fn boards() -> String {
    let mut page = String::from(
        "# Boards\n\nThis page is made from `boards/*/board.toml` (`make pages`), which name the source of each fact. `reserved` pins are\n\
         refused as outputs and buttons; `boards/<board>/README.md` says how to wire.\n",
    );
    for board in board::names().filter_map(|name| board::named(name).ok()) {
        let _ = write!(
            page,
            "\n## {}\n\n`board = \"{}\"`. Model: `{}`. Threads: {}.\n",
            board.name, board.id, board.model, board.threads
        );
        if board.pins.is_empty() {
            continue;
        }
        page.push_str("\n| pin | header | dimmed by the board | reserved, or to know |\n|---|---|---|---|\n");
        for pin in &board.pins {
            let header = pin.header.map_or("-".into(), |position| position.to_string());
            let pwm = if pin.pwm.is_some() { "yes" } else { "" };
            let told = match (&pin.reserved, &pin.note) {
                (Some(why), _) => format!("reserved: {why}"),
                (None, note) => note.clone().unwrap_or_default(),
            };
            let _ = writeln!(page, "| GPIO{} | {header} | {pwm} | {told} |", pin.bcm);
        }
    }
    page
}
