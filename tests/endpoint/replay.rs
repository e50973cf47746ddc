//! What the endpoint makes of a run of probabilities, and what came of the speech in it.

use std::ops::{AddAssign, Range};
use std::time::Duration;

use hearken::audio::{FRAME, FRAME_LEN, SAMPLE_RATE};
use hearken::utterance::draft::Outlook;
use hearken::utterance::endpoint::{Cue, Endpoint, EndpointSettings, Input};
use hearken::utterance::vad::Voice;

/// How much of the speech, at either end, may lie outside a recording that is whole: 20 ms.
const TOLERANCE: usize = SAMPLE_RATE as usize / 50;
/// A recording that ends so much after its speech is late: 0.9 s more than the hangover.
const LATE: usize = SAMPLE_RATE as usize * 3 / 2;

/// An utterance that opened.
struct Utterance {
    /// The frames that were recorded.
    frames: Range<usize>,
    /// The frame at which it was over.
    sealed: usize,
    /// Whether `min_speech` dropped it.
    dropped: bool,
}

/// Runs `probabilities` through an endpoint, and silence after them until nothing is open.
fn replay(probabilities: &[f32], settings: &EndpointSettings) -> Vec<Utterance> {
    let mut endpoint = Endpoint::new(settings.clone());
    let silence = settings.hangover.as_micros().div_ceil(FRAME.as_micros()) as usize;
    let (mut utterances, mut begin, mut free) = (Vec::new(), 0, 0);
    for (at, probability) in probabilities.iter().copied().chain(std::iter::repeat_n(0.0, silence)).enumerate() {
        let mut over = |end, dropped| {
            utterances.push(Utterance { frames: begin..end, sealed: at, dropped });
            free = at + 1;
        };
        let voice = Voice { probability, dbfs: 0.0 };
        match endpoint.push(Input { voice, outlook: Outlook::Open, held: false }) {
            Cue::Open => begin = at.saturating_sub(endpoint.pre_roll_frames()).max(free),
            Cue::Seal { drop } => over(at + 1 - drop, false),
            Cue::Discard => over(at + 1, true),
            Cue::Wait | Cue::Write | Cue::Pause | Cue::Draft => {}
        }
    }
    utterances
}

/// What came of clips, counted.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Clips in all.
    pub clips: usize,
    /// An utterance opened at the speech.
    pub opened: usize,
    /// One recording holds all of the speech.
    pub whole: usize,
    /// Utterances opened, and `min_speech` dropped all of them.
    pub dropped: usize,
    /// Several recordings hold parts of it.
    pub split: usize,
    /// The last of them is over late.
    pub late: usize,
}

impl AddAssign<&Tally> for Tally {
    fn add_assign(&mut self, other: &Tally) {
        self.clips += other.clips;
        self.opened += other.opened;
        self.whole += other.whole;
        self.dropped += other.dropped;
        self.split += other.split;
        self.late += other.late;
    }
}

impl Tally {
    /// Counts one clip whose speech lies at `speech`.
    pub fn count(&mut self, probabilities: &[f32], speech: &Range<usize>, settings: &EndpointSettings) {
        let at = |u: &Utterance| u.frames.start * FRAME_LEN..u.frames.end * FRAME_LEN;
        let touches = |u: &&Utterance| at(u).start < speech.end && at(u).end > speech.start;
        let holds = |u: &Utterance| {
            at(u).start <= speech.start + TOLERANCE && at(u).end + TOLERANCE >= speech.end && !u.dropped
        };
        let utterances = replay(probabilities, settings);
        let opened: Vec<&Utterance> = utterances.iter().filter(touches).collect();
        let recorded: Vec<&Utterance> = opened.iter().copied().filter(|u| !u.dropped).collect();
        self.clips += 1;
        self.opened += usize::from(!opened.is_empty());
        self.dropped += usize::from(!opened.is_empty() && recorded.is_empty());
        self.split += usize::from(recorded.len() > 1);
        self.whole += usize::from(recorded.len() == 1 && holds(recorded[0]));
        self.late += usize::from(recorded.last().is_some_and(|u| u.sealed * FRAME_LEN > speech.end + LATE));
    }
}

/// What opened where nobody spoke.
#[derive(Debug, Clone, Copy, Default)]
pub struct False {
    /// What would be given to the recognizer.
    pub recordings: usize,
    /// Time in which an utterance was open.
    pub open: Duration,
    /// Time in all.
    pub heard: Duration,
}

impl False {
    /// Counts what was recorded of one sound.
    pub fn count(&mut self, probabilities: &[f32], settings: &EndpointSettings) {
        let utterances = replay(probabilities, settings);
        let recorded = utterances.iter().filter(|u| !u.dropped);
        self.recordings += recorded.clone().count();
        self.open += recorded.map(|u| FRAME * u.frames.len() as u32).sum::<Duration>();
        self.heard += FRAME * probabilities.len() as u32;
    }

    /// Recordings an hour.
    pub fn an_hour(&self) -> f64 {
        self.recordings as f64 * 3600.0 / self.heard.as_secs_f64()
    }

    /// The share of the time in which an utterance was open.
    pub fn share_open(&self) -> f64 {
        self.open.as_secs_f64() / self.heard.as_secs_f64()
    }
}
