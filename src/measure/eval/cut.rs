//! Cuts sound into utterances with the daemon's own listener. Drafts are decided at once, as by an infinitely fast
//! machine, so that a command ends an utterance as early as it ever could.

use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use crate::act::buttons::{Muted, Talk};
use crate::audio::{AudioError, AudioSource, FRAME_LEN, SAMPLE_RATE, SourceEvent};
use crate::daemon::listener::{Listener, Spoken, listen};
use crate::decide::rules::Verdict;
use crate::recognize::Heard;
use crate::report::{Report, reporter};
use crate::runtime::mailbox::{Received, Receiver, mailbox};
use crate::runtime::service::Rounds;
use crate::runtime::stop::Stop;
use crate::utterance::draft::{Drafts, Outlook};
use crate::utterance::endpoint::EndpointSettings;
use crate::utterance::scratch::Scratch;

/// Most recordings that may wait for the tape. A block of sound ends at most one.
const ROOM: usize = 4;

/// Additional silence after the hangover, because the speech detector is late and the last frame may not be full.
const SPARE: Duration = Duration::from_millis(500);

/// What was recognized in a sound, and what may follow it; or why it could not be recognized.
pub type Recognized = Result<(Heard, Outlook), String>;

/// The sound that the listener gets, and the recordings that it makes of it.
struct Tape {
    sound: Vec<f32>,
    at: Option<usize>,
    inbox: Receiver<Spoken>,
    drafts: Drafts,
    /// Sounds to recognize go to the thread that has the recognizer, and come back recognized.
    sounds: Sender<Vec<f32>>,
    recognized: mpsc::Receiver<Recognized>,
    /// The last draft: its number, and what was recognized.
    drafted: Option<(u64, Heard)>,
    utterances: Vec<(Vec<f32>, Heard)>,
    failed: Option<String>,
}

impl Tape {
    fn recognize(&self, samples: Vec<f32>) -> Recognized {
        let asked = self.sounds.send(samples).ok().and_then(|()| self.recognized.recv().ok());
        asked.unwrap_or_else(|| Err("the recognizer has ended".into()))
    }

    fn collect(&mut self) -> Result<(), String> {
        while let Received::Item(mut spoken) = self.inbox.take(Duration::ZERO) {
            let samples = spoken.recording.samples().map_err(|e| e.to_string())?;
            if spoken.finished {
                let known = self.drafted.take().filter(|(number, _)| *number == spoken.draft);
                let heard = match known {
                    Some((_, heard)) => heard,
                    None => self.recognize(samples.clone())?.0,
                };
                self.utterances.push((samples, heard));
            } else {
                let (heard, outlook) = self.recognize(samples)?;
                self.drafts.say(spoken.draft, outlook);
                self.drafted = Some((spoken.draft, heard));
            }
        }
        Ok(())
    }
}

impl AudioSource for Tape {
    fn read(&mut self, block: &mut [f32], _: Duration) -> Result<SourceEvent, AudioError> {
        if let Err(why) = self.collect() {
            self.failed = Some(why);
            return Err(AudioError::Ended);
        }
        let Some(at) = self.at.as_mut() else {
            self.at = Some(0);
            return Ok(SourceEvent::Opened { rate: SAMPLE_RATE });
        };
        let left = &self.sound[*at..];
        if left.is_empty() {
            return Err(AudioError::Ended);
        }
        // A frame at a time, so that the outlook is known at the next one.
        let filled = left.len().min(FRAME_LEN);
        block[..filled].copy_from_slice(&left[..filled]);
        *at += filled;
        Ok(SourceEvent::Samples(filled))
    }
}

/// The utterances in `sound`, and what `recognize` makes of them. Silence is added after its end until the last
/// utterance is over. The gain of the configuration is not applied, because it belongs to the microphone.
///
/// # Errors
/// A message why an utterance could not be recorded or recognized.
pub fn utterances(
    sound: &[f32],
    endpoint: &EndpointSettings,
    scratch: &Scratch,
    mut recognize: impl FnMut(&[f32]) -> Recognized,
) -> Result<Vec<(Vec<f32>, Heard)>, String> {
    let quiet = (endpoint.hangover.max(endpoint.unfinished) + SPARE).as_secs_f64() * f64::from(SAMPLE_RATE);
    let sound = [sound, &vec![0.0; quiet as usize]].concat();
    let (outbox, inbox) = mailbox(ROOM);
    let (reporter, reports) = reporter(false);
    let drafts = Drafts::default();
    let listener = Listener {
        gain_db: 0.0,
        endpoint: endpoint.clone(),
        scratch: scratch.clone(),
        outbox,
        drafts: drafts.clone(),
        talk: Talk::default(),
        muted: Muted::default(),
        reporter,
        rounds: Rounds::default(),
    };
    let ((sounds, to_recognize), (answers, recognized)) = (mpsc::channel(), mpsc::channel());
    let (drafted, utterances) = (None, Vec::new());
    let mut tape = Tape { sound, at: None, inbox, drafts, sounds, recognized, drafted, utterances, failed: None };
    let (heard, utterances, failed) = thread::scope(|scope| {
        let listening = scope.spawn(move || {
            let heard = listen(&mut tape, listener, &Stop::default());
            drop(tape.sounds);
            (heard, tape.utterances, tape.failed)
        });
        // They are dropped if the recognizer panics, so that the listener does not wait for an answer for ever.
        let (to_recognize, answers) = (to_recognize, answers);
        for sound in to_recognize {
            let _gone = answers.send(recognize(&sound));
        }
        listening.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    match heard {
        Ok(()) | Err(AudioError::Ended) => {}
        Err(error) => return Err(error.to_string()),
    }
    let lost = reports.iter().find_map(|report| match report {
        Report::Outcome(outcome) => match outcome.verdict {
            Verdict::Rejected(reason) => Some(reason.to_string()),
            Verdict::Accepted => None,
        },
        _ => None,
    });
    failed.or(lost).map_or(Ok(utterances), Err)
}
