//! The reference pages are those that the program makes; every configuration and command that a page marks is tried.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hearken::config;

#[path = "support/reference.rs"]
mod reference;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_reference_is_what_the_program_makes() {
    for (path, text) in reference::pages() {
        let committed = fs::read_to_string(repository().join(path)).unwrap_or_default();
        assert!(committed == text, "{path} is not what the program makes: `make pages` writes it anew");
    }
}

/// All pages in Markdown.
fn pages() -> Vec<PathBuf> {
    let mut found = vec![repository().join("README.md"), repository().join("CONTRIBUTING.md")];
    let mut dirs = vec![repository().join("docs")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// The blocks of a page that begin with this fence, each with its first line's number.
fn blocks(text: &str, fence: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        // In a list the whole block is indented.
        let line = line.strip_prefix("   ").unwrap_or(line);
        match &mut open {
            None if line == fence => open = Some((number + 2, String::new())),
            None => {}
            Some(_) if line == "```" => blocks.extend(open.take()),
            Some((_, block)) => *block += &format!("{line}\n"),
        }
    }
    blocks
}

#[test]
fn every_marked_configuration_is_good() {
    let mut tried = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for (line, block) in blocks(&text, "```toml check") {
            let name = format!("{}:{line}", page.display());
            config::parse(&name, &block).unwrap_or_else(|faults| panic!("{name}\n{faults}"));
            tried += 1;
        }
    }
    assert!(tried >= 7, "{tried} blocks");
}

/// Each marked block is run by a shell, in a directory with the configuration that the page shows first.
#[test]
fn every_marked_command_works() {
    let program = Path::new(env!("CARGO_BIN_EXE_hearken"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut tried = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let dir = tempfile::tempdir().unwrap();
        if let Some((_, configuration)) = blocks(&text, "```toml check").first() {
            fs::write(dir.path().join("hearken.toml"), configuration).unwrap();
        }
        for (line, block) in blocks(&text, "```sh run") {
            let output = Command::new("sh").args(["-euc", &block]).current_dir(dir.path()).env("PATH", &path).output();
            let output = output.unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{}:{line}: {}\n{said}", page.display(), output.status);
            tried += 1;
        }
    }
    assert!(tried >= 5, "{tried} blocks");
}

#[test]
fn every_page_is_in_the_summary_and_every_link_leads_somewhere() {
    let summary = fs::read_to_string(repository().join("docs/SUMMARY.md")).unwrap();
    for page in pages() {
        let dir = page.parent().unwrap();
        if let Ok(name) = page.strip_prefix(repository().join("docs")) {
            let name = name.display().to_string();
            assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "SUMMARY.md lacks {name}");
        }
        let text = fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            let outside = target.contains("://") || file.is_empty() || target.starts_with("mailto:");
            assert!(outside || dir.join(file).exists(), "{}: {target}", page.display());
        }
    }
}
