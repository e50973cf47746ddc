//! Where an utterance begins and ends: a run of [`Voice`]s in, a [`Cue`] for each frame out. Pure.
//!
//! Opens when enough of the last frames are speech, seals after a pause of the length `hangover`. The cut is generous at
//! both ends: the detector notices speech late, and Whisper wants some silence around the words.

use std::collections::VecDeque;
use std::time::Duration;

use crate::audio::FRAME;
use crate::utterance::vad::Voice;

/// What opens an utterance: `speech` of the last `window` frames.
///
/// No key of the configuration: what matters is `speech` together with `on`, and one of the two is enough to turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Onset {
    /// Frames of speech that it takes.
    pub speech: usize,
    /// Frames among which they are counted.
    pub window: usize,
}

/// When an utterance begins and ends. The defaults are measured on single words by people: docs/endpoint.md says on which, and
/// `make endpoint` measures again.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointSettings {
    /// What opens an utterance.
    pub onset: Onset,
    /// Probability from which a frame counts as speech while nobody speaks, 0 to 1.
    pub on: f32,
    /// Probability below which a frame counts as silence while somebody speaks, 0 to 1.
    pub off: f32,
    /// Sound kept from before the speech was noticed.
    pub pre_roll: Duration,
    /// Sound kept from after the last speech.
    pub post_roll: Duration,
    /// Silence that ends an utterance. Shorter answers sooner; longer lets people hesitate.
    pub hangover: Duration,
    /// An utterance with less speech than this is dropped: a click, a cough.
    pub min_speech: Duration,
    /// An utterance is cut here; what follows is ignored up to the next pause.
    pub max_length: Duration,
}

impl Default for EndpointSettings {
    fn default() -> Self {
        EndpointSettings {
            // 64 ms of the last 144. 6 frames, as before, open for 0.7 % fewer words, and record noise 6 % less often.
            onset: Onset { speech: 4, window: 9 },
            // At 0.7, 0.6 with 6 frames 6.5 % of the words never open, here 4.4 %. A microphone that is opened in steady
            // noise begins with frames of 0.6 to 0.69: at 0.6 most of them would record it once, here one in four.
            on: 0.65,
            off: 0.55,
            // The detector notices a word up to half a second after it began: 300 ms cut the beginning of 4 % of the words.
            pre_roll: Duration::from_millis(500),
            // A last "s" or "t" is no speech to the detector. 500 ms would keep 0.7 % more words whole.
            post_roll: Duration::from_millis(300),
            hangover: Duration::from_millis(600),
            // What opening takes. 160 ms drop real words, and hardly a noise.
            min_speech: Duration::from_millis(64),
            max_length: Duration::from_millis(10_000),
        }
    }
}

/// What to do with the frame just judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cue {
    /// Nobody speaks: keep it for the pre-roll.
    Wait,
    /// An utterance begins: record the pre-roll, then this frame.
    Open,
    /// Speech: record it.
    Write,
    /// A pause inside the utterance, or its end: record it.
    Pause,
    /// The utterance is over: record this frame, then take `drop` frames of silence off the end.
    Seal {
        /// Frames to take off the end.
        drop: usize,
    },
    /// It was too short to be speech: forget it.
    Discard,
}

#[derive(Debug)]
enum State {
    /// Nobody speaks; which of the last frames were speech.
    Idle(VecDeque<bool>),
    /// Frames recorded, frames of speech, frames since the last speech.
    Open { frames: usize, speech: usize, silence: usize },
    /// The longest utterance is over and the speech goes on; frames since the last speech.
    Overlong { silence: usize },
}

/// Follows one stream of frames.
#[derive(Debug)]
pub struct Endpoint {
    settings: EndpointSettings,
    state: State,
}

fn frames(time: Duration) -> usize {
    time.as_micros().div_ceil(FRAME.as_micros()) as usize
}

impl Endpoint {
    /// An endpoint detector that has heard nothing yet.
    pub fn new(settings: EndpointSettings) -> Endpoint {
        Endpoint { settings, state: idle() }
    }

    /// Frames to keep while nobody speaks: the pre-roll, counted from before the onset window.
    pub fn pre_roll_frames(&self) -> usize {
        frames(self.settings.pre_roll) + self.settings.onset.window - 1
    }

    /// What to do with the next frame, of which the detector says `voice`.
    pub fn push(&mut self, voice: Voice) -> Cue {
        let hangover = frames(self.settings.hangover);
        match &mut self.state {
            State::Idle(recent) => {
                if recent.len() == self.settings.onset.window {
                    recent.pop_front();
                }
                recent.push_back(voice.probability >= self.settings.on);
                let speech = recent.iter().filter(|s| **s).count();
                if speech < self.settings.onset.speech {
                    return Cue::Wait;
                }
                let frames = self.pre_roll_frames() + 1;
                self.state = State::Open { frames, speech, silence: 0 };
                Cue::Open
            }
            State::Open { frames: length, speech, silence } => {
                *length += 1;
                if voice.probability >= self.settings.off {
                    (*speech, *silence) = (*speech + 1, 0);
                } else {
                    *silence += 1;
                }
                let (speech, silence) = (*speech, *silence);
                let full = *length >= frames(self.settings.max_length);
                if !full && silence < hangover {
                    return if silence == 0 { Cue::Write } else { Cue::Pause };
                }
                self.state = if silence < hangover { State::Overlong { silence } } else { idle() };
                if speech < frames(self.settings.min_speech) {
                    return Cue::Discard;
                }
                Cue::Seal { drop: silence.saturating_sub(frames(self.settings.post_roll)) }
            }
            State::Overlong { silence } => {
                *silence = if voice.probability >= self.settings.off { 0 } else { *silence + 1 };
                if *silence >= hangover {
                    self.state = idle();
                }
                Cue::Wait
            }
        }
    }
}

fn idle() -> State {
    State::Idle(VecDeque::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short() -> EndpointSettings {
        EndpointSettings {
            onset: Onset { speech: 6, window: 9 },
            pre_roll: FRAME * 2,
            post_roll: FRAME * 2,
            hangover: FRAME * 5,
            min_speech: FRAME * 8,
            max_length: FRAME * 40,
            ..EndpointSettings::default()
        }
    }

    /// `.` is silence, `#` speech, `-` in between (neither on nor off). Out: `_` wait, O open, W write, P pause, S seal,
    /// X discard.
    fn cues(settings: EndpointSettings, heard: &str) -> String {
        let mut endpoint = Endpoint::new(settings);
        let (on, off) = (endpoint.settings.on, endpoint.settings.off);
        let probability = |c| match c {
            '#' => 1.0,
            '-' => (on + off) / 2.0,
            _ => 0.0,
        };
        heard
            .chars()
            .map(|c| match endpoint.push(Voice { probability: probability(c), dbfs: -30.0 }) {
                Cue::Wait => '_',
                Cue::Open => 'O',
                Cue::Write => 'W',
                Cue::Pause => 'P',
                Cue::Seal { .. } => 'S',
                Cue::Discard => 'X',
            })
            .collect()
    }

    #[test]
    fn speech_opens_and_a_pause_of_the_hangover_seals() {
        let cases = [
            ("silence stays silent", "............", "____________"),
            ("a click opens nothing", "..###.......", "____________"),
            ("six of nine frames open", "..######", "_______O"),
            ("six of nine with holes open", "..##.##.##", "_________O"),
            ("six of ten do not", "..##.##...##", "____________"),
            ("a pause as long as the hangover seals", "########.....", "_____OWWPPPPS"),
            ("a shorter pause goes on", "########....##.....", "_____OWWPPPPWWPPPPS"),
            ("in between keeps an open utterance", "########---.....", "_____OWWWWWPPPPS"),
            ("in between opens nothing", "------------", "____________"),
            ("too little speech is forgotten", "######......", "_____OPPPPX_"),
            ("after a seal the next one opens", "########.....########", "_____OWWPPPPS_____OWW"),
        ];
        for (what, heard, expected) in cases {
            assert_eq!(cues(short(), heard), expected, "{what}: {heard}");
        }
    }

    #[test]
    fn nothing_that_opens_is_dropped_by_default() {
        let settings = EndpointSettings::default();
        let speech = "#".repeat(settings.onset.speech);
        let pause = ".".repeat(frames(settings.hangover));
        assert!(cues(settings, &format!("..{speech}{pause}")).ends_with("PS"));
    }

    #[test]
    fn the_longest_utterance_is_cut_and_the_rest_ignored_until_a_pause() {
        // Ten frames of pre-roll and onset window, one that opens, then 29 up to 40.
        let heard = "#".repeat(60) + "....." + &"#".repeat(8);
        let expected = "_".repeat(5) + "O" + &"W".repeat(28) + "S" + &"_".repeat(25) + "_____" + "_____OWW";
        assert_eq!(cues(short(), &heard), expected);
    }

    #[test]
    fn the_silence_after_the_post_roll_is_dropped() {
        let mut endpoint = Endpoint::new(short());
        let cues: Vec<Cue> = "########....."
            .chars()
            .map(|c| endpoint.push(Voice { probability: if c == '#' { 1.0 } else { 0.0 }, dbfs: -30.0 }))
            .collect();
        assert_eq!(cues.last(), Some(&Cue::Seal { drop: 3 }));
    }

    #[test]
    fn a_speaker_cut_at_the_longest_loses_no_speech_to_the_post_roll() {
        let mut endpoint = Endpoint::new(short());
        let sealed = (0..60)
            .map(|_| endpoint.push(Voice { probability: 1.0, dbfs: -30.0 }))
            .find(|c| matches!(c, Cue::Seal { .. }));
        assert_eq!(sealed, Some(Cue::Seal { drop: 0 }));
    }
}
