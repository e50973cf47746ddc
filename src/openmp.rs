//! How the threads of an inference wait for each other.
//!
//! ggml divides every step of an inference among threads with OpenMP, and after every step they wait for the slowest.
//! libgomp lets a thread that waits spin before it sleeps. Beside other programs the slowest thread often has no
//! processor, and the threads that spin keep it from getting one.
//!
//! | how they wait | idle, p50 ms | processor time idle | beside one | beside two |
//! |---|---|---|---|---|
//! | libgomp's own choice: 300,000 turns | 125 | 0.24 s | not measured | not measured |
//! | `GOMP_SPINCOUNT=100000` | 120 | 0.24 s | 3.1 s | 1.5 s |
//! | `GOMP_SPINCOUNT=10000` | 121 | 0.24 s | 0.69 s | 0.77 s |
//! | `GOMP_SPINCOUNT=1000` | 129 | 0.23 s | 0.33 s | 0.31 s |
//! | `GOMP_SPINCOUNT=100` | 134 | 0.24 s | 0.28 s | 0.26 s |
//! | `OMP_WAIT_POLICY=passive`: none | 152 | 0.27 s | 0.25 s | 0.28 s |
//!
//! Processor time is of a decision, on two x86-64 cores, beside none, one or two programs that use a processor each: 96
//! decisions of clips of `tests/data/home` in the columns of idle, 36 in the others, during which other work ran too, so
//! that only their processor time tells. A thousand turns cost nothing when idle, and little beside others.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::stop;

/// The variables by which libgomp decides how long a thread spins.
const SPINNING: [&str; 2] = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"];
/// Turns that a thread spins before it sleeps: the table above.
const CHOSEN: (&str, &str) = ("GOMP_SPINCOUNT", "1000");

/// Replaces this process by the same program with the same arguments and the variable that makes its threads spin less,
/// unless the user has set how they wait. libgomp reads the variables before `main`, so that setting them here is too late.
/// To be called before there are threads or files. The process number, signals that are ignored and what a service
/// manager gave stay as they are.
///
/// # Errors
/// When the program cannot be executed. This process goes on as it is.
pub fn spin_less() -> io::Result<()> {
    if SPINNING.iter().any(|name| env::var_os(name).is_some()) {
        return Ok(());
    }
    // The path, because by way of /proc/self/exe the process would be named "exe".
    let mut program = Command::new(env::current_exe()?);
    let mut arguments = env::args_os();
    if let Some(name) = arguments.next() {
        program.arg0(name);
    }
    let (name, value) = CHOSEN;
    let error = program.args(arguments).env(name, value).exec();
    stop::survive_broken_pipes()?;
    Err(error)
}
