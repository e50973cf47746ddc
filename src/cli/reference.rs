//! The reference page of the command line, in Markdown, made from what is parsed.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use super::Arguments;
use crate::config::sections::cell;

/// The page.
pub fn page() -> String {
    let mut root = Arguments::command();
    root.build();
    let mut page = String::from(
        "# Commands\n\nThis page is made from the program (`make pages`); `hearken help COMMAND` prints the same. Where a command takes a\n\
         configuration and none is named, it is `./hearken.toml`, and without that `/etc/hearken/hearken.toml`. \n\n\
         AUDIO is a WAV file of 8 to 192 kHz with 16, 24 or 32 bit or 32-bit float, or FLAC, MP3, Ogg or WebM (Opus)\n\
         or MP4 (AAC); all with any number of channels, but two at most for Opus. `-` is standard input.\n\n\
         Exit codes: 0 done or asked to stop, 2 usage, 78 bad configuration or wrong processor, 1 all else.\n\n\
         `RUST_LOG=debug` logs more, the words that were heard included. At the usual level there are names of commands and\n\
         reasons only.\n",
    );
    for command in root.get_subcommands() {
        section(&mut page, command, "hearken");
    }
    page
}

fn section(page: &mut String, command: &Command, before: &str) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = format!("{before} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = write!(page, "\n## `{name}`\n\n{}.\n", cell(&about));
    let arguments: Vec<&Arg> = command
        .get_arguments()
        .filter(|a| !a.is_hide_set() && a.get_id() != "help" && a.get_id() != "version")
        .collect();
    if !arguments.is_empty() && !command.has_subcommands() {
        page.push_str("\n| argument | meaning |\n|---|---|\n");
        for argument in arguments {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(page, "| `{}` | {}{} |", written(argument), cell(&help), default(argument));
        }
    }
    if let Some(after) = command.get_after_help() {
        let _ = write!(page, "\n{}\n", cell(&after.to_string()));
    }
    command.get_subcommands().for_each(|sub| section(page, sub, &name));
}

/// As it is typed: `--config FILE`, `AUDIO...`.
fn written(argument: &Arg) -> String {
    let takes = argument.get_action().takes_values();
    let names: Vec<String> = argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
    let more = if argument.get_num_args().is_some_and(|n| n.max_values() > 1) { "..." } else { "" };
    let value = format!("{}{more}", names.join(" "));
    match argument.get_long() {
        Some(long) if takes => format!("--{long} {value}"),
        Some(long) => format!("--{long}"),
        None => value,
    }
}

fn default(argument: &Arg) -> String {
    let values = argument.get_default_values();
    if values.is_empty() || argument.is_hide_default_value_set() || !argument.get_action().takes_values() {
        return String::new();
    }
    let values: Vec<String> = values.iter().map(|v| v.to_string_lossy().into_owned()).collect();
    format!(" [default: {}]", values.join(" "))
}
