//! The `hearken` program. All of it is in the library; see `hearken::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    hearken::cli::main()
}
