//! Records utterances as the endpoint detector's cues say, each with the sound from just before it.

use std::collections::VecDeque;

use super::endpoint::Cue;
use super::scratch::{Recording, Scratch, ScratchError, Utterance};
use crate::audio::Frame;

/// The recorder of one stream of frames.
pub struct Recorder {
    scratch: Scratch,
    /// Frames that are kept from before the speech was noticed.
    keep: usize,
    pre_roll: VecDeque<Frame>,
    open: Option<Utterance>,
}

impl Recorder {
    /// Makes a recorder that records into `scratch`, with `keep` frames from before the speech was noticed.
    pub fn new(scratch: Scratch, keep: usize) -> Recorder {
        Recorder { scratch, keep, pre_roll: VecDeque::with_capacity(keep), open: None }
    }

    /// Does with `frame` what `cue` says. Returns the recording of an utterance that is over.
    ///
    /// # Errors
    /// [`ScratchError`]; what was recorded up to here stays open.
    pub fn take(&mut self, frame: &Frame, cue: Cue) -> Result<Option<Recording>, ScratchError> {
        match cue {
            Cue::Wait => {
                if self.pre_roll.len() == self.keep {
                    self.pre_roll.pop_front();
                }
                self.pre_roll.push_back(*frame);
            }
            Cue::Open => {
                let utterance = self.open.insert(self.scratch.open()?);
                self.pre_roll.drain(..).try_for_each(|earlier| utterance.write(&earlier))?;
                utterance.write(frame)?;
            }
            Cue::Write | Cue::Pause | Cue::Draft => self.write(frame)?,
            Cue::Seal { drop } => {
                self.write(frame)?;
                return self.open.take().map(|utterance| utterance.seal(drop)).transpose();
            }
            Cue::Discard => self.open = None,
        }
        Ok(None)
    }

    fn write(&mut self, frame: &Frame) -> Result<(), ScratchError> {
        self.open.as_mut().map_or(Ok(()), |utterance| utterance.write(frame))
    }

    /// The utterance that is recorded.
    pub fn open(&self) -> Option<&Utterance> {
        self.open.as_ref()
    }

    /// Stops recording, and forgets the sound from before. Returns the utterance that was recorded.
    pub fn stop(&mut self) -> Option<Utterance> {
        self.pre_roll.clear();
        self.open.take()
    }
}
