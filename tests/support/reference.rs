//! The pages of the reference that are made from the program.

use std::fmt::Write;

use hearken::config::board;

/// Each page's path in the repository, and its text.
pub fn pages() -> [(&'static str, String); 5] {
    [
        ("docs/reference/configuration.md", hearken::config::reference::page()),
        ("docs/reference/schema.json", format!("{:#}\n", hearken::config::reference::schema())),
        ("docs/reference/commands.md", hearken::cli::reference::page()),
        ("docs/reference/events.md", hearken::report::fields::page()),
        ("docs/reference/boards.md", boards()),
    ]
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
