//! Boards: their pins, which of them are reserved, and their defaults. The files under `boards/` are built in.

use crate::act::gpio::{Backend, PwmChannel};
use crate::document::{Document, Problems, Section, nearest};

/// The name of each board in a configuration, and the text of its file.
const BOARDS: [(&str, &str); 5] = [
    ("host", include_str!("../../boards/host/board.toml")),
    ("pi-3", include_str!("../../boards/pi-3/board.toml")),
    ("pi-4", include_str!("../../boards/pi-4/board.toml")),
    ("pi-5", include_str!("../../boards/pi-5/board.toml")),
    ("pi-zero-2w", include_str!("../../boards/pi-zero-2w/board.toml")),
];

/// A pin of the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderPin {
    /// BCM number.
    pub bcm: u32,
    /// Position on the 40-pin header, if the board has one.
    pub header: Option<u32>,
    /// Why it must not be an output.
    pub reserved: Option<String>,
    /// What a user should know before using it.
    pub note: Option<String>,
    /// The PWM generator that can dim it.
    pub pwm: Option<PwmChannel>,
}

/// A board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// Name in a configuration.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Rust target; empty means that of the machine itself.
    pub target: String,
    /// CPU features that the recognizer is built for.
    pub cpu: String,
    /// Recommended number of inference threads.
    pub threads: usize,
    /// Driver used unless the configuration names another.
    pub backend: Backend,
    /// The kernel's label of the gpiochip of the header; empty if there is none.
    pub gpiochip: String,
    /// Recommended Whisper model.
    pub model: String,
    /// The pins of the header.
    pub pins: Vec<HeaderPin>,
}

impl Board {
    /// The pin with BCM number `bcm`.
    pub fn pin(&self, bcm: u32) -> Option<&HeaderPin> {
        self.pins.iter().find(|p| p.bcm == bcm)
    }
}

/// The names of all boards in a configuration.
pub fn names() -> impl Iterator<Item = &'static str> {
    BOARDS.iter().map(|(name, _)| *name)
}

/// The board called `name` in a configuration.
///
/// # Errors
/// A message that there is no such board, with the names of all boards.
pub fn named(name: &str) -> Result<Board, String> {
    let names: Vec<&str> = names().collect();
    match BOARDS.iter().find(|(n, _)| *n == name) {
        Some((id, text)) => parse(id, text).map_err(|problems| problems.to_string()),
        None => Err(match nearest(name, &names) {
            Some(near) => format!("there is no board {name:?}; did you mean {near:?}?"),
            None => format!("there is no board {name:?}; there are: {}", names.join(", ")),
        }),
    }
}

/// Reads a board's file.
///
/// # Errors
/// The faults of the file.
pub fn parse(id: &str, text: &str) -> Result<Board, Problems> {
    let board = Document::new(format!("boards/{id}/board.toml"), text).read(|root| read(id, root))?;
    Ok(board.expect("a document without problems should give a board"))
}

fn read(id: &str, root: Section<'_>) -> Option<Board> {
    let text = |name: &str| root.need(name, &format!("{name} = \"…\"")).and_then(|v| v.string());
    let (name, target, cpu) = (text("name"), text("target"), text("cpu"));
    let (gpio, gpiochip, model) = (text("gpio"), text("gpiochip"), text("model"));
    let threads = root.need("threads", "threads = 3").and_then(|v| v.integer(1..=16));
    let backend = gpio.and_then(|gpio| {
        let backend = Backend::named(&gpio.value);
        if backend.is_none() {
            root.problem_at(&gpio, "\"rppal\", \"gpiocdev\" or \"simulated\" is needed");
        }
        backend
    });
    let listed = root.need("pin", "[[pin]]").and_then(|v| v.array()).unwrap_or_default();
    let pins: Vec<HeaderPin> = listed.iter().filter_map(|v| v.section()).filter_map(read_pin).collect();
    for (i, pin) in pins.iter().enumerate() {
        if pins[..i].iter().any(|p| p.bcm == pin.bcm || (p.header.is_some() && p.header == pin.header)) {
            root.problem(format!("BCM {} or its place on the header is listed twice", pin.bcm));
        }
    }
    root.end();
    Some(Board {
        id: id.into(),
        name: name?.value,
        target: target?.value,
        cpu: cpu?.value,
        threads: threads? as usize,
        backend: backend?,
        gpiochip: gpiochip?.value,
        model: model?.value,
        pins,
    })
}

fn read_pin(section: Section<'_>) -> Option<HeaderPin> {
    let text = |name: &str| section.get(name).and_then(|v| v.string()).map(|t| t.value);
    let bcm = section.need("bcm", "bcm = 17").and_then(|v| v.integer(0..=27));
    let header = section.get("header").and_then(|v| v.integer(1..=40));
    let pin = HeaderPin {
        bcm: bcm? as u32,
        header: header.map(|h| h as u32),
        reserved: text("reserved"),
        note: text("note"),
        pwm: section.get("pwm").and_then(|v| v.section()).and_then(read_pwm),
    };
    section.end();
    Some(pin)
}

/// { channel = 0, function = 5 }
fn read_pwm(section: Section<'_>) -> Option<PwmChannel> {
    let number = |name: &str| section.need(name, "channel = 0, function = 5").and_then(|v| v.integer(0..=8));
    let (channel, function) = (number("channel"), number("function"));
    section.end();
    Some(PwmChannel { channel: channel? as u8, function: function? as u8 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_reads_with_all_28_pins_of_the_header() {
        for (id, text) in BOARDS {
            let board = parse(id, text).unwrap_or_else(|p| panic!("{p}"));
            assert_eq!((0..28).filter(|bcm| board.pin(*bcm).is_some()).count(), 28, "{id}");
            assert!(crate::recognize::models::known(&board.model).is_ok(), "{id}");
        }
    }

    #[test]
    fn the_pins_of_the_hat_eeprom_are_reserved_on_every_pi() {
        for id in ["pi-zero-2w", "pi-3", "pi-4", "pi-5"] {
            let board = named(id).unwrap();
            let reserved: Vec<u32> = board.pins.iter().filter(|p| p.reserved.is_some()).map(|p| p.bcm).collect();
            assert_eq!(reserved, [0, 1], "{id}");
            assert_eq!(board.pin(17).unwrap().header, Some(11), "{id}");
        }
    }

    #[test]
    fn an_unknown_board_is_refused_with_the_one_that_was_meant() {
        assert_eq!(named("pi5").unwrap_err(), "there is no board \"pi5\"; did you mean \"pi-5\"?");
        assert!(named("arduino").unwrap_err().contains("there are: host, pi-3, pi-4, pi-5, pi-zero-2w"));
    }

    #[test]
    fn a_faulty_board_file_is_refused_with_its_place() {
        let text = "name = \"x\"\ntarget = \"\"\ncpu = \"\"\nthreads = 0\ngpio = \"rpal\"\ngpiochip = \"\"\nmodel = \"m\"\n[[pin]]\nbcm = 28\n";
        let said = parse("x", text).unwrap_err().to_string();
        for words in [
            "boards/x/board.toml:4:11: threads: 0 is out of range",
            ":5:8: gpio: \"rppal\"",
            ":9:7: pin[0].bcm: 28 is out of range",
        ] {
            assert!(said.contains(words), "{said}");
        }
    }
}
