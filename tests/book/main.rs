//! `make pages`: writes the pages of the reference that are made from the program.

use std::fs;
use std::io;
use std::path::Path;

#[path = "../support/reference.rs"]
mod reference;

fn main() -> io::Result<()> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    reference::pages().into_iter().try_for_each(|(path, text)| fs::write(dir.join(path), text))
}
