//! Runs a program: without a shell, in a process group of its own, with an environment that holds only what is named
//! here, without descriptors of this process, and for a limited time.

use std::collections::BTreeMap;
use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::act::task::{Run, variable};
use crate::grammar::Slots;
use crate::report::Fate;
use crate::runtime::stop::{POLL_INTERVAL, Stop};

/// Where programs that are named without a path are found, by a script for example.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Time between SIGTERM and SIGKILL, for a program that wants to tidy up. A stop of the daemon waits for it.
const GRACE: Duration = Duration::from_millis(500);
/// Longest wait for a program after SIGKILL. Only one that waits for a broken device needs more.
const DEATH: Duration = Duration::from_secs(1);
/// Most lines of a program that go to the log, and most bytes of each: more would hide the lines of the daemon.
const LINES: usize = 20;
const LINE: usize = 200;

/// What is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The command's name.
    name: String,
    /// The path of the program, and its arguments.
    arguments: Vec<String>,
    /// The environment.
    environment: BTreeMap<String, String>,
}

impl Start {
    /// The program of `run` for the command `name`, with the values of `slots`.
    pub fn of(run: &Run, name: &str, slots: &Slots) -> Start {
        let fixed = [("PATH", PATH), ("LANG", "C.UTF-8"), ("HEARKEN_COMMAND", name)];
        let fixed = fixed.map(|(name, value)| (name.to_string(), value.to_string()));
        let slot = slots.iter().map(|(name, value)| (variable(name), value.to_string()));
        let arguments = run.arguments.iter().map(|argument| argument.with(slots)).collect();
        Start { name: name.into(), arguments, environment: fixed.into_iter().chain(slot).collect() }
    }

    /// Starts it; its output comes out of the pipe.
    fn spawn(&self) -> io::Result<(Child, PipeReader)> {
        let (program, arguments) = self.arguments.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let (output, writer) = io::pipe()?;
        // Rust closes what it has opened itself. The sound library has a pipe that it does not close.
        close_fds::set_fds_cloexec(3, &[]);
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0)
            .spawn()?;
        Ok((child, output))
    }
}

/// Runs a program until it ends, its `limit` is over, or `stop` is raised. In the last two cases its process group gets
/// SIGTERM, and SIGKILL after half a second. What it has started in its group and left behind gets SIGKILL.
pub fn run(start: &Start, limit: Duration, stop: &Stop) -> Fate {
    match start.spawn().and_then(|(child, output)| Running::new(child, output, &start.name)) {
        Ok(running) => running.until_it_ends(limit, stop),
        Err(error) => Fate::Failed(format!("not started: {error}")),
    }
}

/// A running program.
struct Running<'n> {
    child: Child,
    group: Pid,
    /// Readable when the program has ended. Until `child` is waited for, its number belongs to no other process.
    ended: OwnedFd,
    output: Option<PipeReader>,
    lines: Lines<'n>,
}

impl<'n> Running<'n> {
    fn new(mut child: Child, output: PipeReader, name: &'n str) -> io::Result<Running<'n>> {
        let group = Pid::from_child(&child);
        match pidfd_open(group, PidfdFlags::empty()) {
            Ok(ended) => Ok(Running { child, group, ended, output: Some(output), lines: Lines::new(name) }),
            Err(error) => {
                let _ = kill_process_group(group, Signal::KILL);
                let _ = child.wait();
                Err(error.into())
            }
        }
    }

    fn until_it_ends(mut self, limit: Duration, stop: &Stop) -> Fate {
        let begun = Instant::now();
        let cut = loop {
            let left = limit.saturating_sub(begun.elapsed());
            if self.look(left.min(POLL_INTERVAL)) {
                break None;
            }
            if stop.raised() {
                break Some(Fate::Stopped);
            }
            if left.is_zero() {
                break Some(Fate::TimedOut);
            }
        };
        if cut.is_some() {
            let _ = kill_process_group(self.group, Signal::TERM);
            self.look_for(GRACE);
        }
        let _ = kill_process_group(self.group, Signal::KILL);
        if !self.look_for(DEATH) {
            return Fate::Failed("it does not end, not even by SIGKILL".into());
        }
        self.read_the_rest();
        let status = self.child.wait();
        cut.unwrap_or_else(|| fate(status))
    }

    /// Reads what it has written. Returns whether it has ended; waits for that, or for more output, for `wait` at most.
    fn look(&mut self, wait: Duration) -> bool {
        let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
        let mut fds = vec![PollFd::new(&self.ended, PollFlags::IN)];
        fds.extend(self.output.iter().map(|output| PollFd::new(output, PollFlags::IN)));
        let polled = poll(&mut fds, Some(&wait));
        let readable: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if polled.is_err() {
            return false;
        }
        if readable.get(1) == Some(&true) {
            self.read();
        }
        readable[0]
    }

    fn look_for(&mut self, time: Duration) -> bool {
        let begun = Instant::now();
        loop {
            let left = time.saturating_sub(begun.elapsed());
            if self.look(left) {
                return true;
            }
            if left.is_zero() {
                return false;
            }
        }
    }

    fn read(&mut self) {
        let mut bytes = [0; 4096];
        match self.output.as_mut().map(|output| output.read(&mut bytes)) {
            Some(Ok(count)) if count > 0 => self.lines.push(&bytes[..count]),
            _ => self.output = None,
        }
    }

    /// Reads what is in the pipe when the program has ended. It holds at most 64 KiB, and who still holds its other end
    /// has left the group and may write for ever.
    fn read_the_rest(&mut self) {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        for _ in 0..16 {
            let Some(output) = &self.output else { break };
            if poll(&mut [PollFd::new(output, PollFlags::IN)], Some(&now)) != Ok(1) {
                break;
            }
            self.read();
        }
        self.lines.end();
    }
}

fn fate(status: io::Result<ExitStatus>) -> Fate {
    match status {
        Ok(status) if status.success() => Fate::Done,
        Ok(status) => Fate::Failed(match (status.code(), status.signal()) {
            (Some(code), _) => format!("it ended with {code}"),
            (None, signal) => format!("it was ended by signal {}", signal.unwrap_or_default()),
        }),
        Err(error) => Fate::Failed(error.to_string()),
    }
}

/// The lines of a program, which go to the log.
struct Lines<'n> {
    name: &'n str,
    line: Vec<u8>,
    told: usize,
}

impl<'n> Lines<'n> {
    fn new(name: &'n str) -> Lines<'n> {
        Lines { name, line: Vec::new(), told: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => self.tell(),
                byte if self.line.len() < LINE => self.line.push(*byte),
                _ => {}
            }
        }
    }

    fn end(&mut self) {
        if !self.line.is_empty() {
            self.tell();
        }
    }

    fn tell(&mut self) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).replace(char::is_control, " ");
        let name = self.name;
        match self.told {
            0..LINES => tracing::info!(command = name, "its program says: {line}"),
            LINES => tracing::info!(command = name, "its program says more, which is left out"),
            _ => {}
        }
        self.told += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::act::task::Argument;
    use crate::grammar::SlotValue;

    fn shell(script: &str, dir: &Path) -> Start {
        let room = SlotValue::Text("living room; touch pwned".into());
        let slots = Slots::from([("room".to_string(), room), ("bed-side".to_string(), SlotValue::Integer(4))]);
        let dir = dir.display().to_string();
        let arguments = ["/bin/sh", "-c", script, &dir, "{room}", "--{bed-side}"].map(Argument::read);
        Start::of(&Run { arguments: arguments.into(), limit: Duration::ZERO }, "radio", &slots)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_program_gets_its_arguments_an_environment_of_its_own_and_no_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let _open = fs::File::create(dir.path().join("open")).unwrap();
        let script = "cd \"$0\"; printf '%s|' \"$@\" >arguments; env | sort >environment; readlink /proc/self/fd/* >fds; \
                      pwd -P >where; cat /proc/self/stat | cut -d ' ' -f 1,5 >group; ls /proc/self/fd >numbers";
        assert_eq!(run(&shell(script, dir.path()), LONG, &Stop::default()), Fate::Done);
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("arguments"), "living room; touch pwned|--4|");
        let environment = read("environment");
        let mut names: Vec<&str> = environment.lines().filter_map(|line| line.split('=').next()).collect();
        // The shell adds these.
        names.retain(|name| !["_", "PWD", "OLDPWD", "SHLVL"].contains(name));
        assert_eq!(names, ["HEARKEN_COMMAND", "HEARKEN_SLOT_BED_SIDE", "HEARKEN_SLOT_ROOM", "LANG", "PATH"]);
        assert!(environment.contains("HEARKEN_SLOT_ROOM=living room; touch pwned\n"), "{environment}");
        assert!(environment.contains("HEARKEN_COMMAND=radio\n"), "{environment}");
        // ls has opened the fourth itself.
        assert_eq!(read("numbers"), "0\n1\n2\n3\n", "{}", read("fds"));
        assert!(!dir.path().join("pwned").exists());
    }

    #[test]
    fn how_a_program_ends_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let table = [
            ("exit 0", Fate::Done),
            ("exit 3", Fate::Failed("it ended with 3".into())),
            ("kill -9 $$", Fate::Failed("it was ended by signal 9".into())),
            // Whoever closes its output is still waited for.
            ("exec >&- 2>&-; sleep 0.2; exit 4", Fate::Failed("it ended with 4".into())),
            ("head -c 300000 /dev/zero; exit 5", Fate::Failed("it ended with 5".into())),
        ];
        for (script, expected) in table {
            assert_eq!(run(&shell(script, dir.path()), LONG, &Stop::default()), expected, "{script}");
        }
        let nobody = Run { arguments: vec![Argument::read("/nowhere/x")], limit: LONG };
        let Fate::Failed(why) = run(&Start::of(&nobody, "x", &Slots::new()), LONG, &Stop::default()) else { panic!() };
        assert!(why.starts_with("not started: No such file"), "{why}");
    }

    /// Whether the process whose number is in the file runs.
    fn runs(file: &Path) -> bool {
        let pid = fs::read_to_string(file).unwrap();
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
    }

    #[test]
    fn what_takes_too_long_is_ended_with_all_that_it_has_started() {
        let dir = tempfile::tempdir().unwrap();
        let table = [
            ("sleep 1000 & echo $! >\"$0/child\"; wait", Duration::from_secs(3), Fate::TimedOut),
            (
                "trap '' TERM; sleep 1000 & echo $! >\"$0/child\"; while :; do sleep 1; done",
                Duration::from_secs(3),
                Fate::TimedOut,
            ),
            // What a program leaves behind ends with it.
            ("sleep 1000 & echo $! >\"$0/child\"", LONG, Fate::Done),
        ];
        for (script, limit, expected) in table {
            let begun = Instant::now();
            assert_eq!(run(&shell(script, dir.path()), limit, &Stop::default()), expected, "{script}");
            assert!(begun.elapsed() < Duration::from_secs(30), "{script}");
            let child = dir.path().join("child");
            let begun = Instant::now();
            while runs(&child) {
                assert!(begun.elapsed() < LONG, "{script}");
            }
        }
    }

    #[test]
    fn a_stop_ends_it_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let stop = Stop::default();
        stop.raise();
        assert_eq!(run(&shell("sleep 1000", dir.path()), LONG, &stop), Fate::Stopped);
    }

    #[test]
    fn long_lines_and_many_lines_are_cut() {
        let mut lines = Lines::new("x");
        lines.push(&[b'a'; 1000]);
        assert_eq!(lines.line.len(), LINE);
        lines.push(&b"\n".repeat(1000));
        lines.end();
        assert_eq!((lines.told, lines.line.len()), (1000, 0));
    }
}
