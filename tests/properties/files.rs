//! Files of TOML, each with some edits.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{for_any, text};
use crate::laws;

/// One change to a text: of characters, of a value, of whole lines.
#[derive(Debug, Clone)]
enum Edit {
    Remove(Index, usize),
    Insert(Index, String),
    Value(Index, String),
    Repeat(Index),
    Swap(Index, Index),
}

/// What stands in configurations, whole and in part, and what should not.
const SNIPPETS: &str = "= \" ''' [ ] [[ ]] { } ( | < > # , \n \\u001b \u{1b} é -1 0 9 99999 9223372036854775808 0x1F nan \
    1e999 true [] {} \"on\" \"{state}\" \"200ms\" 1979-05-27 \n\"a\\nb\"=1\n \n[outputs.\"\\n\"]\npin=4\n";

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let place = any::<Index>;
    let snippet =
        || prop_oneof![4 => select(SNIPPETS.split(' ').collect::<Vec<_>>()).prop_map(String::from), 1 => text()];
    let edit = prop_oneof![
        (place(), 1..20usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        (place(), snippet()).prop_map(|(at, what)| Edit::Insert(at, what)),
        (place(), snippet()).prop_map(|(line, what)| Edit::Value(line, what)),
        place().prop_map(Edit::Repeat),
        (place(), place()).prop_map(|(one, other)| Edit::Swap(one, other)),
    ];
    vec(edit, 1..4)
}

fn edited(text: &str, edits: &[Edit]) -> String {
    edits.iter().fold(text.to_string(), |text, edit| {
        let mut letters: Vec<char> = text.chars().collect();
        let mut lines: Vec<&str> = text.split('\n').collect();
        match edit {
            Edit::Remove(at, length) => {
                let at = at.index(letters.len() + 1);
                letters.drain(at..(at + length).min(letters.len()));
                String::from_iter(letters)
            }
            Edit::Insert(at, what) => {
                let at = at.index(letters.len() + 1);
                letters.splice(at..at, what.chars());
                String::from_iter(letters)
            }
            Edit::Value(line, what) => {
                let line = line.get_mut(&mut lines);
                let changed = format!("{} = {what}", line.split('=').next().unwrap_or_default());
                *line = &changed;
                lines.join("\n")
            }
            Edit::Repeat(line) => {
                let line = line.index(lines.len());
                lines.insert(line, lines[line]);
                lines.join("\n")
            }
            Edit::Swap(one, other) => {
                let (one, other) = (one.index(lines.len()), other.index(lines.len()));
                lines.swap(one, other);
                lines.join("\n")
            }
        }
    })
}

/// One of `files` with some edits, in a row.
fn tampered(files: &'static [&'static str]) -> impl Strategy<Value = String> {
    (select(files), edits()).prop_map(|(file, edits)| edited(file, &edits))
}

#[test]
fn a_configuration_with_edits_is_good_in_all_parts_or_refused_with_places_and_words() {
    const SMALL: [&str; 7] = [
        include_str!("../data/house.toml"),
        include_str!("../demo/hearken.toml"),
        include_str!("../../boards/host/hearken.toml"),
        include_str!("../../boards/pi-3/hearken.toml"),
        include_str!("../../boards/pi-4/hearken.toml"),
        include_str!("../../boards/pi-5/hearken.toml"),
        include_str!("../../boards/pi-zero-2w/hearken.toml"),
    ];
    for_any(tampered(&SMALL), |text| laws::configuration(&text).is_some());
}

#[test]
fn a_large_configuration_with_edits_is_good_in_all_parts_or_refused_with_places_and_words() {
    for_any(tampered(&[include_str!("../data/home.toml")]), |text| laws::configuration(&text).is_some());
}

#[test]
fn a_board_file_with_edits_is_a_board_or_refused_with_places_and_words() {
    const BOARDS: [&str; 5] = [
        include_str!("../../boards/host/board.toml"),
        include_str!("../../boards/pi-3/board.toml"),
        include_str!("../../boards/pi-4/board.toml"),
        include_str!("../../boards/pi-5/board.toml"),
        include_str!("../../boards/pi-zero-2w/board.toml"),
    ];
    for_any(tampered(&BOARDS), |text| laws::board(&text).is_some());
}

#[test]
fn a_manifest_with_edits_is_a_manifest_or_refused_with_places_and_words() {
    for_any(tampered(&[include_str!("../../models/manifest.toml")]), |text| laws::manifest(&text).is_some());
}
