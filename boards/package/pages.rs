//! Writes the manual pages and the shells' completions into a directory: pages DIR.

use std::error::Error;
use std::fs;
use std::path::Path;

use clap_complete::Shell;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).ok_or("pages DIR")?;
    let dir = Path::new(&dir);
    let command = hearken::cli::command;
    for (shell, place) in [
        (Shell::Bash, "bash-completion/completions"),
        (Shell::Zsh, "zsh/vendor-completions"),
        (Shell::Fish, "fish/vendor_completions.d"),
    ] {
        let place = dir.join(place);
        fs::create_dir_all(&place)?;
        let made = clap_complete::generate_to(shell, &mut command(), "hearken", &place)?;
        // bash looks for a file that is called like the command.
        if shell == Shell::Bash {
            fs::rename(made, place.join("hearken"))?;
        }
    }
    let man = dir.join("man/man1");
    fs::create_dir_all(&man)?;
    Ok(clap_mangen::generate_to(command(), &man)?)
}
