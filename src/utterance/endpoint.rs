//! Finds where an utterance begins and ends: for the [`Input`] of each frame it returns a [`Cue`]. It does no I/O.
//!
//! An utterance opens when enough of the last frames are speech. It is sealed after a pause of the length `hangover`;
//! earlier or later if the words so far, decided as a draft after `post_roll`, are a whole command or only the
//! beginning of one. Some silence is kept at both ends, because the detector notices speech late and Whisper needs
//! silence around the words.
//!
//! While a talk button is held, an utterance is open whatever the voice is. It is sealed when the button is released.

use std::collections::VecDeque;
use std::time::Duration;

use crate::audio::FRAME;
use crate::utterance::draft::Outlook;
use crate::utterance::vad::Voice;

/// Most drafts of one utterance. A command has two or three pauses; a song has one every half second, and each draft
/// costs a run of the encoder.
const MOST_DRAFTS: usize = 4;

/// The condition that opens an utterance: at least `speech` of the last `window` frames are speech.
///
/// The configuration has no key for it. `speech` and `on` have the same effect, so `on` alone can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Onset {
    /// Frames of speech that are needed.
    pub speech: usize,
    /// Frames among which they are counted.
    pub window: usize,
}

/// When an utterance begins and ends. The defaults were measured on single words by people: see
/// docs/reports/endpoint.md. `make endpoint` measures again. The keys of the configuration are in `config/keys.rs`.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointSettings {
    /// The condition that opens an utterance.
    pub onset: Onset,
    /// Probability from which a frame counts as speech while nobody speaks, 0 to 1.
    pub on: f32,
    /// Probability below which a frame counts as silence while somebody speaks, 0 to 1.
    pub off: f32,
    /// Length of sound that is kept from before the speech was noticed.
    pub pre_roll: Duration,
    /// Length of sound that is kept after the last speech. After so much silence a draft is decided.
    pub post_roll: Duration,
    /// Length of silence that ends an utterance. A shorter one gives faster answers; a longer one allows pauses.
    pub hangover: Duration,
    /// Whether drafts are decided, so that a command which no more words can change need not wait for the hangover.
    pub early: bool,
    /// Least silence after which such a command ends the utterance.
    pub settle: Duration,
    /// Length of silence that ends an utterance whose words so far are only the beginning of a sentence.
    pub unfinished: Duration,
    /// Least speech in an utterance. One with less, such as a click or a cough, is dropped.
    pub min_speech: Duration,
    /// Longest utterance. A longer one is cut here, and what follows is ignored until the next pause.
    pub max_length: Duration,
}

impl Default for EndpointSettings {
    fn default() -> Self {
        EndpointSettings {
            // 64 ms of the last 144. With 6 frames 0.7 % fewer words open an utterance, and noise opens 6 % fewer.
            onset: Onset { speech: 4, window: 9 },
            // With 0.7 and 0.6 and 6 frames, 6.5 % of the words open no utterance; with these values 4.4 %. In steady
            // noise the first frames of a new stream have 0.6 to 0.69: with 0.6 most new streams would record that
            // noise once, with 0.65 one in four does.
            on: 0.65,
            off: 0.55,
            // The detector notices a word up to half a second after its start. 300 ms would cut the start of 4 % of the
            // words.
            pre_roll: Duration::from_millis(500),
            // Of 428 single words 384 are obeyed with it, 385 with 300 ms, and of 200 orders all
            // (docs/reports/endpoint.md). The detector notices the end of a word some 30 ms late, so the word is whole.
            post_roll: Duration::from_millis(64),
            hangover: Duration::from_millis(600),
            early: true,
            // The decision on the draft takes most of this time anyway.
            settle: Duration::from_millis(160),
            unfinished: Duration::from_millis(1000),
            // The least that can open an utterance. 160 ms would drop real words and hardly any noise.
            min_speech: Duration::from_millis(64),
            max_length: Duration::from_millis(10_000),
        }
    }
}

/// What is known when a frame has come in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Input {
    /// What the speech detector says of the frame.
    pub voice: Voice,
    /// The outlook of the last draft, open if there is none since the last speech.
    pub outlook: Outlook,
    /// Whether a talk button is held.
    pub held: bool,
}

/// What the recorder does with the frame that was just judged.
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
    /// The same; what is recorded then is a draft that should be decided.
    Draft,
    /// The utterance is over: record this frame, then take `drop` frames of silence off the end.
    Seal {
        /// Frames to take off the end.
        drop: usize,
    },
    /// The utterance has too little speech and no button was held: delete it.
    Discard,
}

#[derive(Debug)]
enum State {
    /// Nobody speaks. For each of the last frames: whether it was speech.
    Idle(VecDeque<bool>),
    /// An utterance is open.
    Open(Open),
    /// The utterance reached its longest length, and the speech goes on or the button is still held.
    Overlong {
        /// The frames since the last speech and the release of the button.
        silence: usize,
        /// Whether the button is still held.
        held: bool,
    },
}

/// An utterance that is open.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// Its frames.
    frames: usize,
    /// Its frames of speech.
    speech: usize,
    /// The frames since the last speech.
    silence: usize,
    /// Whether a talk button is held; it ends the utterance when it is released.
    held: bool,
    /// How many more drafts of it may be decided.
    drafts: usize,
}

/// The endpoint detector for one stream of frames.
#[derive(Debug)]
pub struct Endpoint {
    settings: EndpointSettings,
    state: State,
}

fn frames(time: Duration) -> usize {
    time.as_micros().div_ceil(FRAME.as_micros()) as usize
}

impl EndpointSettings {
    /// Longest silence after which an utterance ends.
    pub fn longest_silence(&self) -> Duration {
        self.hangover.max(self.unfinished)
    }
}

impl Endpoint {
    /// Makes a detector at the start of a stream.
    pub fn new(settings: EndpointSettings) -> Endpoint {
        Endpoint { settings, state: idle() }
    }

    /// Number of frames to keep while nobody speaks: the pre-roll before the onset window, and that window.
    pub fn pre_roll_frames(&self) -> usize {
        frames(self.settings.pre_roll) + self.settings.onset.window - 1
    }

    /// What to do with the next frame.
    pub fn push(&mut self, input: Input) -> Cue {
        let (state, cue) = match std::mem::replace(&mut self.state, idle()) {
            State::Idle(recent) => self.while_idle(recent, input),
            State::Open(open) => self.while_open(open, input),
            State::Overlong { silence, held } => self.while_overlong(silence, held, input),
        };
        self.state = state;
        cue
    }

    fn while_idle(&self, mut recent: VecDeque<bool>, input: Input) -> (State, Cue) {
        if recent.len() == self.settings.onset.window {
            recent.pop_front();
        }
        recent.push_back(input.voice.probability >= self.settings.on);
        let speech = recent.iter().filter(|s| **s).count();
        if input.held || speech >= self.settings.onset.speech {
            return self.open(speech, input);
        }
        (State::Idle(recent), Cue::Wait)
    }

    fn open(&self, speech: usize, input: Input) -> (State, Cue) {
        let silence = usize::from(!self.is_speech(input.voice));
        (
            State::Open(Open {
                frames: self.pre_roll_frames() + 1,
                speech,
                silence,
                held: input.held,
                drafts: MOST_DRAFTS,
            }),
            Cue::Open,
        )
    }

    fn while_open(&self, mut open: Open, input: Input) -> (State, Cue) {
        open.frames += 1;
        if self.is_speech(input.voice) {
            (open.speech, open.silence) = (open.speech + 1, 0);
        } else {
            open.silence += 1;
        }
        let released = open.held && !input.held;
        open.held |= input.held;
        if input.outlook == Outlook::Foreign {
            open.drafts = 0;
        }
        let over = released || (!open.held && open.silence >= self.enough(input.outlook));
        let full = open.frames >= frames(self.settings.max_length);
        if !over && !full {
            let cue = self.record(open);
            open.drafts -= usize::from(cue == Cue::Draft);
            return (State::Open(open), cue);
        }
        let state = if over { idle() } else { State::Overlong { silence: open.silence, held: open.held } };
        // Whoever held the button waits for an answer.
        if !open.held && open.speech < frames(self.settings.min_speech) {
            return (state, Cue::Discard);
        }
        (state, Cue::Seal { drop: open.silence.saturating_sub(frames(self.settings.post_roll)) })
    }

    /// The silence that ends an utterance, in frames.
    fn enough(&self, outlook: Outlook) -> usize {
        let hangover = frames(self.settings.hangover);
        match outlook {
            Outlook::Open | Outlook::Foreign => hangover,
            Outlook::Over => frames(self.settings.settle.max(self.settings.post_roll)).min(hangover),
            Outlook::Unfinished => frames(self.settings.unfinished).max(hangover),
        }
    }

    /// How to record a frame of an utterance that goes on. While nobody has spoken there is nothing to decide.
    fn record(&self, open: Open) -> Cue {
        let may = self.settings.early && open.speech > 0 && open.drafts > 0;
        let draft = may && open.silence == frames(self.settings.post_roll);
        match open.silence {
            0 => Cue::Write,
            _ if draft => Cue::Draft,
            _ => Cue::Pause,
        }
    }

    /// The pause that ends this state begins when the button is released. A new press opens an utterance at once.
    fn while_overlong(&self, silence: usize, held: bool, input: Input) -> (State, Cue) {
        let speech = self.is_speech(input.voice);
        if input.held && !held {
            return self.open(usize::from(speech), input);
        }
        let silence = if speech || input.held { 0 } else { silence + 1 };
        let over = silence >= frames(self.settings.hangover);
        (if over { idle() } else { State::Overlong { silence, held: input.held } }, Cue::Wait)
    }

    fn is_speech(&self, voice: Voice) -> bool {
        voice.probability >= self.settings.off
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
            early: false,
            settle: FRAME * 3,
            unfinished: FRAME * 8,
            ..EndpointSettings::default()
        }
    }

    /// The input of a frame that is silence for `.`, speech for `#`, and between `off` and `on` for `-`. No button is
    /// held.
    fn input(heard: char) -> Input {
        let EndpointSettings { on, off, .. } = EndpointSettings::default();
        let probability = match heard {
            '#' => 1.0,
            '-' => (on + off) / 2.0,
            _ => 0.0,
        };
        Input { voice: Voice { probability, dbfs: -30.0 }, outlook: Outlook::Open, held: false }
    }

    /// `_` for wait, O open, W write, P pause, D draft, X discard, and for seal the number of dropped frames.
    fn letter(cue: Cue) -> char {
        match cue {
            Cue::Wait => '_',
            Cue::Open => 'O',
            Cue::Write => 'W',
            Cue::Pause => 'P',
            Cue::Draft => 'D',
            Cue::Seal { drop } => char::from_digit(drop as u32, 36).unwrap(),
            Cue::Discard => 'X',
        }
    }

    /// What [`letter`] gives for each frame of `heard`, with S for every seal.
    fn cues(settings: EndpointSettings, heard: &str) -> String {
        let mut endpoint = Endpoint::new(settings);
        let cues = heard.chars().map(|c| endpoint.push(input(c)));
        cues.map(|cue| if matches!(cue, Cue::Seal { .. }) { 'S' } else { letter(cue) }).collect()
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
    fn a_draft_is_decided_after_the_post_roll_and_ends_the_utterance_earlier_or_later() {
        let after_draft = |outlook: Outlook, heard: &str| {
            let mut endpoint = Endpoint::new(EndpointSettings { early: true, ..short() });
            let mut said = Outlook::Open;
            let mut cues = String::new();
            for c in heard.chars() {
                let cue = endpoint.push(Input { outlook: said, ..input(c) });
                said = match cue {
                    Cue::Draft => outlook,
                    Cue::Write => Outlook::Open,
                    _ => said,
                };
                cues.push(letter(cue));
            }
            cues
        };
        let cases = [
            (Outlook::Open, "########.........", "_____OWWPDPP3____"),
            (Outlook::Over, "########.........", "_____OWWPD1______"),
            (Outlook::Unfinished, "########.........", "_____OWWPDPPPPP6_"),
            (Outlook::Over, "########.##......", "_____OWWPWWPD1___"),
            (Outlook::Unfinished, "########....##........", "_____OWWPDPPWWPDPPPPP6"),
            (Outlook::Foreign, "########....##.....", "_____OWWPDPPWWPPPP3"),
            (Outlook::Open, "########..#..#..#..#.....", "_____OWWPDWPDWPDWPDWPPPP3"),
        ];
        for (outlook, heard, expected) in cases {
            assert_eq!(after_draft(outlook, heard), expected, "{outlook:?} {heard}");
        }
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
        let cues: Vec<Cue> = "########.....".chars().map(|c| endpoint.push(input(c))).collect();
        assert_eq!(cues.last(), Some(&Cue::Seal { drop: 3 }));
    }

    #[test]
    fn a_speaker_cut_at_the_longest_loses_no_speech_to_the_post_roll() {
        let mut endpoint = Endpoint::new(short());
        let sealed = (0..60).map(|_| endpoint.push(input('#'))).find(|c| matches!(c, Cue::Seal { .. }));
        assert_eq!(sealed, Some(Cue::Seal { drop: 0 }));
    }

    /// What [`letter`] gives for each frame of `heard`, with a talk button that is held at each `h` of `button`. Every
    /// draft has the outlook `drafted`.
    fn held(settings: EndpointSettings, drafted: Outlook, heard: &str, button: &str) -> String {
        assert_eq!(heard.len(), button.len(), "{heard} {button}");
        let mut endpoint = Endpoint::new(settings);
        let mut outlook = Outlook::Open;
        let cue = |(c, button)| {
            let cue = endpoint.push(Input { outlook, held: button == 'h', ..input(c) });
            match cue {
                Cue::Draft => outlook = drafted,
                Cue::Open | Cue::Write => outlook = Outlook::Open,
                _ => {}
            }
            letter(cue)
        };
        heard.chars().zip(button.chars()).map(cue).collect()
    }

    #[test]
    fn while_a_talk_button_is_held_an_utterance_is_open_and_its_release_seals_it() {
        let settings = || EndpointSettings { early: true, ..short() };
        let cases = [
            ("it opens at once", "......#.", "...hhh..", "___OPP0_"),
            ("a release in speech drops nothing", "..#####.", "..hhh...", "__OWW0__"),
            ("a release soon after speech drops nothing", "..##.....", "..hhh....", "__OWP0___"),
            ("a release later drops what is beyond the post-roll", "..##......", "..hhhhhhh.", "__OWPDPPP4"),
            ("no pause ends it", "..##..............##..", "..hhhhhhhhhhhhhhhhhhh.", "__OWPDPPPPPPPPPPPPWWP0"),
            ("without speech there is no draft but an answer", "........", "..hhhhh.", "__OPPPP4"),
            ("a voice has opened it before", "########..........", "........hhhhhhh...", "_____OWWPDPPPPP6__"),
        ];
        for (what, heard, button, expected) in cases {
            for outlook in [Outlook::Open, Outlook::Over, Outlook::Unfinished] {
                assert_eq!(held(settings(), outlook, heard, button), expected, "{what}, {outlook:?}");
            }
        }
        let (heard, button) = ("########.....##...", "............hhh...");
        let expected = "_____OWWPDPPPWW0__";
        assert_eq!(held(settings(), Outlook::Open, heard, button), expected, "a press in the last frame of a pause");
    }

    #[test]
    fn the_longest_held_utterance_is_cut_and_the_rest_ignored_until_a_release_and_a_pause_or_a_new_press() {
        let runs = |runs: &[(char, usize)]| -> String { runs.iter().flat_map(|(c, n)| vec![*c; *n]).collect() };
        let cut = |before: usize| runs(&[('_', before), ('O', 1), ('W', 28), ('0', 1)]);
        let cases = [
            (
                "held through a pause",
                runs(&[('#', 32), ('.', 13), ('#', 8)]),
                runs(&[('h', 40), ('.', 13)]),
                cut(0) + &runs(&[('_', 20), ('O', 1), ('W', 2)]),
            ),
            (
                "pressed again",
                runs(&[('#', 40)]),
                runs(&[('h', 32), ('.', 2), ('h', 4), ('.', 2)]),
                cut(0) + "____OWWW0_",
            ),
            (
                "pressed after a voice was cut",
                runs(&[('#', 44)]),
                runs(&[('.', 40), ('h', 3), ('.', 1)]),
                cut(5) + "_____OWW0",
            ),
        ];
        for (what, heard, button, expected) in cases {
            assert_eq!(held(short(), Outlook::Open, &heard, &button), expected, "{what}");
        }
    }
}
