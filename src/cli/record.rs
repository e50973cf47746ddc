//! `hearken record --config FILE DIR`: asks for sentences and records them with the daemon's own listener.

use std::io::{self, BufRead, Read, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use super::status;
use crate::act::buttons::{Muted, Talk};
use crate::audio::supervisor::{Counters, Supervisor};
use crate::config::{self, Settings};
use crate::daemon::error::Error;
use crate::daemon::listener::{self, Listener, Spoken};
use crate::decide::rules::Verdict;
use crate::measure::eval::expected::Expected;
use crate::measure::record::Prompts;
use crate::measure::record::folder::{Folder, FolderError};
use crate::measure::record::take::Take;
use crate::report::watch::Meter;
use crate::report::{MicrophoneNews, Opened, Outcome, Report, reporter};
use crate::runtime::mailbox::{self, Received, mailbox};
use crate::runtime::service::Rounds;
use crate::runtime::status::Question;
use crate::runtime::stop::{POLL_INTERVAL, Stop};
use crate::utterance::draft::Drafts;
use crate::utterance::endpoint::EndpointSettings;
use crate::utterance::scratch::{self, Scratch};

/// Most recordings that may wait. One is written while the next is spoken.
const WAITING: usize = 2;
/// Longest line that is read from standard input, in bytes, and lines that may wait.
const LINE: u64 = 64;
const LINES: usize = 8;
/// Least frames, 0.5 s, between a prompt and the start of its utterance, because nobody reads and speaks faster. An
/// utterance that begins sooner belongs to the sentence before, which had a pause in it.
const SOONEST: u64 = 31;

const HELP: &str = "Say the sentence that is shown; the next one comes by itself. You can also type, each with Enter:
  nothing, or a (again): delete the last recording, and ask for it again
  s (skip): ask for another sentence
  q (quit), or Ctrl-C: stop. The recordings stay; the same command continues from there";

/// The arguments of `hearken record`.
#[derive(clap::Args)]
#[command(
    after_help = "Asks for sentences of the configuration, all commands in turn, and records them as the daemon would: as WAV
files and a list DIR/expected.jsonl, which `hearken eval` reads. To continue a session, run the same command again: it skips
what is in the list. No model is needed. The daemon uses the microphone, so stop it first: sudo systemctl stop hearken."
)]
pub struct Arguments {
    #[command(flatten)]
    config: super::ConfigOption,
    /// Number of recordings of this speaker and kind at the end, including those that exist already
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=9999))]
    count: u16,
    /// Name of the speaker, with which the names of the files begin. Recordings are counted for each speaker
    #[arg(long, value_name = "NAME", value_parser = speaker)]
    speaker: Option<String>,
    /// Record speech that is no command and is to be refused: talk, read a newspaper aloud, or play the radio
    #[arg(long)]
    other: bool,
    /// Record into DIR first [default: $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR, else /dev/shm]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// The folder for the recordings, which is made if it is missing
    dir: PathBuf,
}

fn speaker(text: &str) -> Result<String, String> {
    let letters = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let good = letters && plain && text.len() <= 32;
    if good { Ok(text.into()) } else { Err("a name is a letter, then up to 31 letters, digits or _".into()) }
}

impl From<FolderError> for Error {
    fn from(error: FolderError) -> Error {
        Error::Evaluation(error.to_string())
    }
}

/// Records until all sentences were said, or until a stop or `quit`. Blocks until then.
pub fn record(arguments: &Arguments) -> Result<(), Error> {
    // A core file would hold the sound of the last utterance.
    let settings = config::load(&arguments.config.file)?;
    let folder = Folder::open(&arguments.dir, &settings.commands)?;
    let stop = Stop::on_signals(false)?;
    let mut source = Supervisor::new(settings.microphone.clone());
    let scratch = Scratch::new(arguments.scratch.clone().unwrap_or_else(scratch::default_dir), &settings.scratch);
    if let Some(complaint) = scratch.complaint() {
        tracing::warn!("{complaint}");
    }
    let (reporter, reports) = reporter(true);
    let (outbox, inbox) = mailbox(WAITING);
    // Nothing is decided, so the hangover ends every utterance.
    let (gain_db, endpoint) =
        (settings.microphone.gain_db, EndpointSettings { early: false, ..settings.endpoint.clone() });
    let (drafts, talk, muted) = (Drafts::default(), Talk::default(), Muted::default());
    let mut session = Session::new(arguments, &settings, folder, source.counters());
    session.begin()?;
    if session.is_over() {
        return session.end();
    }
    let rounds = Rounds::default();
    let listener = Listener { gain_db, endpoint, scratch, outbox, drafts, talk, muted, reporter, rounds };
    thread::scope(|scope| {
        let _hang_up = stop.raise_on_drop();
        let listen = || listener::listen(&mut source, listener, &stop);
        let listener = thread::Builder::new().name("listener".into()).spawn_scoped(scope, listen)?;
        let worked = session.work(&reports, &inbox, &typed()?, &stop);
        stop.raise();
        let heard = listener.join().map_err(|_| Error::Panicked("listener"))?;
        worked?;
        heard?;
        session.end()
    })
}

/// Reads the lines that are typed, on a thread that ends with the process. The end of the input does not end the
/// recording.
fn typed() -> io::Result<Receiver<String>> {
    let (typed, lines) = sync_channel(LINES);
    let read = move || {
        let mut line = String::new();
        while matches!(io::stdin().lock().take(LINE).read_line(&mut line), Ok(1..)) {
            if typed.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("hearken-typed".into()).spawn(read)?;
    Ok(lines)
}

/// The state of a session: the recordings, the prompt, and the current utterance.
struct Session<'a> {
    arguments: &'a Arguments,
    settings: &'a Settings,
    folder: Folder,
    prompts: Prompts<'a>,
    microphone: Arc<Counters>,
    meter: Meter,
    /// The sentence of the prompt; `None` with `--other`.
    asked: Option<String>,
    /// Frames so far; `since` is their number at the prompt, and `begun` when the listener noticed speech. Frames are
    /// counted instead of time, so that delays of the machine have no effect.
    frames: u64,
    since: u64,
    begun: u64,
    skipped: usize,
    recording: bool,
    /// Whether the listener lost the utterance and logged it.
    lost: bool,
    /// Whether the reason for waiting was printed.
    waiting: bool,
}

impl<'a> Session<'a> {
    fn new(arguments: &'a Arguments, settings: &'a Settings, folder: Folder, microphone: Arc<Counters>) -> Session<'a> {
        let sentence = |expected: &'_ Expected| match expected {
            Expected::Sentence(words) => Some(words.clone()),
            _ => None,
        };
        let said: Vec<String> = folder.entries().iter().filter_map(|entry| sentence(&entry.expected)).collect();
        let mut session = Session {
            arguments,
            settings,
            folder,
            prompts: Prompts::new(&settings.grammar, said.iter().map(String::as_str)),
            microphone,
            meter: Meter::on_stdout(),
            asked: None,
            frames: 0,
            since: 0,
            begun: 0,
            skipped: 0,
            recording: false,
            lost: false,
            waiting: false,
        };
        session.choose();
        session
    }

    fn work(
        &mut self,
        reports: &Receiver<Report>,
        inbox: &mailbox::Receiver<Spoken>,
        lines: &Receiver<String>,
        stop: &Stop,
    ) -> Result<(), Error> {
        while !stop.raised() && !self.is_over() {
            match reports.recv_timeout(POLL_INTERVAL) {
                Ok(Report::Level { dbfs, recording, scratch }) => {
                    self.show(dbfs, recording, scratch)?;
                    if std::mem::replace(&mut self.recording, recording.is_some()) && recording.is_none() {
                        self.after_utterance(inbox)?;
                    }
                }
                Ok(report) => self.hear(&report)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            while let Ok(line) = lines.try_recv() {
                if self.obey(&line)?.is_break() {
                    return Ok(());
                }
            }
            self.explain_wait()?;
        }
        Ok(())
    }

    fn say(&self, words: &str) -> Result<(), Error> {
        Ok(writeln!(io::stdout(), "{}{words}", self.meter.clear())?)
    }

    fn done(&self) -> usize {
        self.folder.count(self.arguments.speaker.as_deref(), self.arguments.other)
    }

    fn is_over(&self) -> bool {
        self.done() >= self.arguments.count.into() || (self.asked.is_none() && !self.arguments.other)
    }

    fn begin(&self) -> Result<(), Error> {
        if let Some(aside) = &self.folder.set_aside {
            let aside = aside.display();
            self.say(&format!(
                "{aside}: set aside, it was not in the list: the last session was killed as it wrote it"
            ))?;
        }
        let (done, count, dir) = (self.done(), self.arguments.count, self.arguments.dir.display());
        self.say(&format!("{dir}: {done} of {count} are recorded."))?;
        if self.is_over() { Ok(()) } else { self.say(HELP) }
    }

    fn end(&self) -> Result<(), Error> {
        let Arguments { config, count, dir, .. } = self.arguments;
        let (done, config, dir) = (self.done(), config.file.display(), dir.display());
        let more = if self.is_over() { "--count asks for more" } else { "the same command goes on" };
        let use_them =
            if done > 0 { format!(" hearken eval --config {config} {dir} decides them.") } else { String::new() };
        self.say(&format!("{done} of {count} recorded; {more}.{use_them}"))
    }

    /// Chooses the next prompt.
    fn choose(&mut self) {
        let sentence = self.prompts.at(self.done() + self.skipped);
        self.asked = sentence.map(|sentence| sentence.words).filter(|_| !self.arguments.other);
    }

    /// Prints the prompt. If the microphone is not open, the prompt is printed when it opens.
    fn ask(&mut self) -> Result<(), Error> {
        if !self.microphone.read().open {
            return Ok(());
        }
        let what = match &self.asked {
            Some(words) => format!("say {words:?}"),
            None => "say anything that is no command".into(),
        };
        self.say(&format!("{} of {}: {what}", self.done() + 1, self.arguments.count))?;
        self.since = self.frames;
        Ok(())
    }

    /// Shows the moving level bar on a terminal.
    fn show(&mut self, dbfs: f32, recording: Option<Opened>, scratch: u64) -> Result<(), Error> {
        self.frames += 1;
        if recording.is_some() && !self.recording {
            self.begun = self.frames;
        }
        match self.meter.after(dbfs, recording, scratch).filter(|_| self.meter.is_live()) {
            Some(line) => Ok(write!(io::stdout(), "{line}").and_then(|()| io::stdout().flush())?),
            None => Ok(()),
        }
    }

    fn hear(&mut self, report: &Report) -> Result<(), Error> {
        match report {
            Report::Microphone(news @ MicrophoneNews::Open { .. }) => {
                self.recording = false;
                self.say(&news.to_string())?;
                self.ask()
            }
            Report::Outcome(outcome) => {
                self.lost = true;
                let Outcome { verdict: Verdict::Rejected(reason), .. } = &**outcome else { return Ok(()) };
                self.say(&format!("  {reason}; once more, please"))
            }
            // The log says so already.
            _ => Ok(()),
        }
    }

    /// Handles the end of an utterance. The listener sends a recording before it reports the end of the speech.
    fn after_utterance(&mut self, inbox: &mailbox::Receiver<Spoken>) -> Result<(), Error> {
        let mut taken = std::mem::take(&mut self.lost);
        while let Received::Item(spoken) = inbox.take(Duration::ZERO) {
            taken = true;
            self.take(spoken)?;
        }
        if taken || self.arguments.other { Ok(()) } else { self.say("  too short to be speech; once more, please") }
    }

    /// Checks a recording and keeps it if it is good enough.
    fn take(&mut self, mut spoken: Spoken) -> Result<(), Error> {
        let (other, speaker) = (self.arguments.other, self.arguments.speaker.as_deref());
        let gain_db = self.settings.microphone.gain_db;
        let take = Take::of(&spoken.recording.samples()?, gain_db);
        // With `--other` a cut is no fault, because a radio makes no pauses.
        let faults = take.faults(gain_db, Some(self.settings.endpoint.max_length).filter(|_| !other));
        let soon = !other && self.begun.saturating_sub(self.since) < SOONEST;
        if soon || faults.iter().any(|fault| fault.is_hard()) {
            self.say(&format!("  not kept: {take}"))?;
        } else {
            let expected = self.asked.clone().map_or(Expected::Rejected, Expected::Sentence);
            let file = self.folder.add(speaker, expected, &spoken.recording.bytes()?)?;
            self.say(&format!("  {file}: {take}"))?;
            self.asked.iter().for_each(|words| self.prompts.note(words));
            self.choose();
        }
        faults.iter().try_for_each(|fault| self.say(&format!("  {fault}")))?;
        if soon {
            self.say(
                "  it began before anybody can have read this; if it belongs to the sentence before, take that back",
            )?;
        }
        if self.is_over() { Ok(()) } else { self.ask() }
    }

    fn obey(&mut self, line: &str) -> Result<ControlFlow<()>, Error> {
        match line.trim() {
            "" | "a" | "again" => self.again()?,
            "s" | "skip" => {
                self.asked.iter().for_each(|words| self.prompts.note(words));
                self.skipped += usize::from(self.asked.is_some());
                self.choose();
                self.ask()?;
            }
            "q" | "quit" => return Ok(ControlFlow::Break(())),
            other => self.say(&format!("{other:?} is none of: nothing, again, skip, quit"))?,
        }
        Ok(ControlFlow::Continue(()))
    }

    fn again(&mut self) -> Result<(), Error> {
        match self.folder.take_back() {
            Ok(Some(entry)) => {
                self.say(&format!("  {}: taken back", entry.file))?;
                if let Expected::Sentence(words) = entry.expected {
                    self.prompts.forget(&words);
                    self.asked = Some(words);
                }
            }
            Ok(None) => self.say("  nothing was recorded yet in this session")?,
            Err(error) => self.say(&format!("  not taken back: {error}"))?,
        }
        self.ask()
    }

    /// Prints once that the microphone could not be opened. The log has the reason.
    fn explain_wait(&mut self) -> Result<(), Error> {
        let microphone = self.microphone.read();
        if self.waiting || microphone.opened > 0 || microphone.attempts < 2 {
            return Ok(());
        }
        self.waiting = true;
        let refused = |e: &Error| matches!(e, Error::Io(e) if e.kind() == io::ErrorKind::PermissionDenied);
        let daemon = status::ask(None, Question::Status).as_ref().map_or_else(refused, |_| true);
        self.say("The microphone cannot be opened. Recording begins by itself as soon as it can.")?;
        self.say(if daemon {
            "The daemon that runs here holds it, it seems: sudo systemctl stop hearken, or end your hearken run."
        } else {
            "Does another program hold it, as a running daemon does (sudo systemctl stop hearken)? Is it plugged in, and this \
             user in the group audio? hearken devices lists what there is."
        })
    }
}
