//! How the threads of an inference wait for each other.
//!
//! ggml divides every step of an inference among threads with OpenMP, and after every step they wait for the slowest.
//! libgomp lets a thread that waits spin before it sleeps. Beside other programs the slowest thread often has no
//! processor, and the threads that spin keep it from getting one.
//!
//! | how they wait | idle, p50 | beside one program | beside two |
//! |---|---|---|---|
//! | libgomp's own choice: 300,000 turns | 117 and 126 ms | seconds | seconds |
//! | `GOMP_SPINCOUNT=10000` | 125 and 140 ms | 389 and 530 ms | 319 and 557 ms |
//! | `GOMP_SPINCOUNT=1000` | 129 and 135 ms | 218 and 261 ms | 252 and 283 ms |
//! | `GOMP_SPINCOUNT=100` | 134 and 157 ms | 195 and 242 ms | 221 and 224 ms |
//! | `OMP_WAIT_POLICY=passive`: none | 133 and 140 ms | 224 and 233 ms | 203 and 207 ms |
//!
//! The median time of a decision on two x86-64 cores with nothing else to do, in two runs over the 73 clips of `tests/data/home`,
//! beside none, one and two programs that use a processor each. A thousand turns are the most that does not hurt beside others:
//! a device is idle most of the time.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::runtime::stop;

/// The variables by which libgomp decides how long a thread spins.
const SPINNING: [&str; 2] = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"];
/// Turns that a thread spins before it sleeps: see the table above.
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
