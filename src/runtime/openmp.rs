//! Sets how the threads of one inference wait for each other.
//!
//! ggml divides every step of an inference among threads with OpenMP, and after every step they wait for the slowest.
//! libgomp lets a waiting thread spin before it sleeps. While other programs run, the slowest thread often has no
//! processor, and the spinning threads keep it from getting one.
//!
//! | how they wait | idle, p50 | beside one program | beside two |
//! |---|---|---|---|
//! | libgomp's own choice: 300,000 turns | 117 and 126 ms | seconds | seconds |
//! | `GOMP_SPINCOUNT=10000` | 125 and 140 ms | 389 and 530 ms | 319 and 557 ms |
//! | `GOMP_SPINCOUNT=1000` | 129 and 135 ms | 218 and 261 ms | 252 and 283 ms |
//! | `GOMP_SPINCOUNT=100` | 134 and 157 ms | 195 and 242 ms | 221 and 224 ms |
//! | `OMP_WAIT_POLICY=passive`: none | 133 and 140 ms | 224 and 233 ms | 203 and 207 ms |
//!
//! The table shows the median time of a decision on two x86-64 cores, in two runs over the 73 clips of
//! `tests/data/home`, beside no other program, and beside one and two programs that each use a whole processor. The
//! choice is 1,000 turns: the most that are still fast beside other programs. It is nearly as fast as the default on an
//! idle machine, which is the usual case.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::runtime::stop;

/// The environment variables that tell libgomp how long a thread spins.
const SPINNING: [&str; 2] = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"];
/// The variable that this program sets, and its value: turns that a thread spins before it sleeps. See the table above.
const CHOSEN: (&str, &str) = ("GOMP_SPINCOUNT", "1000");

/// Starts this program again in the same process (`exec`), with the same arguments and the variable that makes its
/// threads spin less. Does nothing if the user has set such a variable. Setting it inside a running process is too
/// late, because libgomp reads it before `main`. Call this before there are threads or open files. The process number,
/// ignored signals and the sockets of a service manager are kept.
///
/// # Errors
/// When the program cannot be executed; this process then goes on unchanged.
pub fn spin_less() -> io::Result<()> {
    if SPINNING.iter().any(|name| env::var_os(name).is_some()) {
        return Ok(());
    }
    // Uses the path: a program started as /proc/self/exe would be named "exe".
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
