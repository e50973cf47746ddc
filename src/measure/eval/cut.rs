//! Cuts long sound into utterances with the daemon's own listener.

use std::time::Duration;

use crate::audio::{AudioError, AudioSource, SAMPLE_RATE, Sound};
use crate::daemon::listener::{Listener, Spoken, listen};
use crate::decide::rules::Verdict;
use crate::report::{Report, reporter};
use crate::runtime::mailbox::{Received, Receiver, mailbox};
use crate::runtime::service::Rounds;
use crate::runtime::stop::Stop;
use crate::utterance::endpoint::EndpointSettings;
use crate::utterance::scratch::Scratch;

/// Most recordings that may wait for the tape. A block of sound ends at most one.
const ROOM: usize = 4;

/// Additional silence after the hangover, because the speech detector is late and the last frame may not be full.
const SPARE: Duration = Duration::from_millis(500);

/// The sound that the listener gets, and the recordings that it makes of it.
struct Tape {
    sound: Vec<f32>,
    at: Option<usize>,
    inbox: Receiver<Spoken>,
    utterances: Vec<Vec<f32>>,
    failed: Option<String>,
}

impl Tape {
    fn collect(&mut self) {
        while let Received::Item(mut spoken) = self.inbox.take(Duration::ZERO) {
            match spoken.recording.samples() {
                Ok(samples) => self.utterances.push(samples),
                Err(error) => self.failed = Some(error.to_string()),
            }
        }
    }
}

impl AudioSource for Tape {
    fn read(&mut self, block: &mut [f32], _: Duration) -> Result<Sound, AudioError> {
        self.collect();
        let Some(at) = self.at.as_mut() else {
            self.at = Some(0);
            return Ok(Sound::Opened { rate: SAMPLE_RATE });
        };
        let left = &self.sound[*at..];
        if left.is_empty() {
            return Err(AudioError::Ended);
        }
        let filled = left.len().min(block.len());
        block[..filled].copy_from_slice(&left[..filled]);
        *at += filled;
        Ok(Sound::Samples(filled))
    }
}

/// The utterances in `sound`. Silence is added after its end until the last utterance is over. The gain of the
/// configuration is not applied, because it belongs to the microphone.
///
/// # Errors
/// A message why an utterance could not be recorded.
pub fn utterances(sound: &[f32], endpoint: &EndpointSettings, scratch: &Scratch) -> Result<Vec<Vec<f32>>, String> {
    let quiet = (endpoint.hangover + SPARE).as_secs_f64() * f64::from(SAMPLE_RATE);
    let sound = [sound, &vec![0.0; quiet as usize]].concat();
    let (outbox, inbox) = mailbox(ROOM);
    let (reporter, reports) = reporter(false);
    let listener = Listener {
        gain_db: 0.0,
        endpoint: endpoint.clone(),
        scratch: scratch.clone(),
        outbox,
        reporter,
        rounds: Rounds::default(),
    };
    let mut tape = Tape { sound, at: None, inbox, utterances: Vec::new(), failed: None };
    match listen(&mut tape, listener, &Stop::default()) {
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
    tape.failed.or(lost).map_or(Ok(tape.utterances), Err)
}
