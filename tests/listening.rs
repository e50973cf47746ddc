//! The listener on clips in a row: how many recordings, how long, and that the words are whole.

use std::path::PathBuf;
use std::time::Duration;

use hearken::act::buttons::{Muted, Talk};
use hearken::audio::{AudioError, AudioSource, FRAME_LEN, SAMPLE_RATE, SourceEvent};
use hearken::daemon::listener::{Listener, Spoken, listen};
use hearken::decide::rules::{Reason, Verdict};
use hearken::report::{Report, reporter};
use hearken::runtime::mailbox::{Received, Receiver, mailbox};
use hearken::runtime::service::Rounds;
use hearken::runtime::stop::Stop;
use hearken::utterance::draft::Drafts;
use hearken::utterance::endpoint::EndpointSettings;
use hearken::utterance::scratch::{Scratch, ScratchSettings};

use crate::support::{clips, data, in_a_row, quiet, samples};

/// A recorded source: as fast as it is read, then over. Between two of its parts the microphone is lost.
pub struct Tape {
    parts: Vec<Vec<f32>>,
    at: Option<usize>,
    /// Whether samples were wanted as soon as they came: each change of that.
    hurried: Vec<bool>,
}

impl Tape {
    pub fn of(parts: &[Vec<f32>]) -> Tape {
        Tape { parts: parts.iter().rev().cloned().collect(), at: None, hurried: Vec::new() }
    }
}

impl AudioSource for Tape {
    fn read(&mut self, block: &mut [f32], _: Duration) -> Result<SourceEvent, AudioError> {
        let Some(part) = self.parts.last() else { return Err(AudioError::Ended) };
        let Some(at) = self.at.as_mut() else {
            self.at = Some(0);
            return Ok(SourceEvent::Opened { rate: SAMPLE_RATE });
        };
        let left = &part[*at..];
        if left.is_empty() {
            (self.at, _) = (None, self.parts.pop());
            return if self.parts.is_empty() {
                Err(AudioError::Ended)
            } else {
                Ok(SourceEvent::Lost(AudioError::Ended))
            };
        }
        let filled = left.len().min(block.len());
        block[..filled].copy_from_slice(&left[..filled]);
        *at += filled;
        Ok(SourceEvent::Samples(filled))
    }

    fn hurry(&mut self, hurry: bool) {
        if self.hurried.last() != Some(&hurry) {
            self.hurried.push(hurry);
        }
    }
}

/// What the listener makes of `samples`, with room for `room` recordings.
pub fn heard(samples: Vec<f32>, scratch: &Scratch, room: usize) -> (Vec<Spoken>, Vec<Report>) {
    heard_in_parts(&[samples], scratch, room)
}

/// As [`heard`], with the microphone lost between the parts.
fn heard_in_parts(parts: &[Vec<f32>], scratch: &Scratch, room: usize) -> (Vec<Spoken>, Vec<Report>) {
    heard_from(&mut Tape::of(parts), scratch, room)
}

fn heard_from(tape: &mut Tape, scratch: &Scratch, room: usize) -> (Vec<Spoken>, Vec<Report>) {
    let (outbox, inbox) = mailbox(room);
    let (reporter, reports) = reporter(false);
    let endpoint = EndpointSettings { early: false, ..EndpointSettings::default() };
    let rounds = Rounds::default();
    let listener = Listener {
        gain_db: 0.0,
        endpoint,
        scratch: scratch.clone(),
        outbox,
        drafts: Drafts::default(),
        talk: Talk::default(),
        muted: Muted::default(),
        reporter,
        rounds,
    };
    let ended = listen(tape, listener, &Stop::default());
    assert!(matches!(ended, Err(AudioError::Ended)));
    let spoken = std::iter::from_fn(|| match inbox.take(Duration::ZERO) {
        Received::Item(spoken) => Some(spoken),
        _ => None,
    });
    (spoken.collect(), reports.iter().collect())
}

pub fn scratch(capacity: u64) -> Scratch {
    Scratch::new("/dev/shm".into(), &ScratchSettings { capacity, ..ScratchSettings::default() })
}

#[test]
fn every_clip_in_a_row_becomes_one_recording_that_holds_it() {
    for folder in ["home", "other"] {
        let clips: Vec<PathBuf> = clips(folder);
        let (spoken, _) = heard(in_a_row(&clips), &scratch(64 << 20), 200);
        let lengths: Vec<u64> = spoken.iter().map(|s| s.recording.duration_ms()).collect();
        assert_eq!(spoken.len(), clips.len(), "{folder}: {lengths:?}");
    }
}

#[test]
fn silence_and_steady_noise_make_no_recording_but_for_loud_noise_where_it_begins() {
    let mut loud = quiet(60_000);
    loud.iter_mut().for_each(|s| *s *= 100.0);
    for (what, sound, most) in
        [("silence", vec![0.0; 60 * 16_000], 0), ("a room", quiet(60_000), 0), ("loud noise", loud, 1)]
    {
        let lengths: Vec<_> = heard(sound, &scratch(8 << 20), 10).0.iter().map(|s| s.recording.duration_ms()).collect();
        // One from later on has all of the pre-roll, and is longer.
        let pre_roll = EndpointSettings::default().pre_roll.as_millis() as u64;
        assert!(lengths.len() <= most && lengths.iter().all(|ms| *ms < pre_roll), "{what}: {lengths:?}");
    }
}

#[test]
fn at_the_cap_an_utterance_ends_early_and_is_decided_on_what_it_has() {
    let capacity = 32_000;
    let clip = clips("home").remove(3);
    let (spoken, _) = heard([quiet(1000), samples(&clip), quiet(1000)].concat(), &scratch(capacity), 10);
    assert_eq!(spoken.len(), 1);
    let duration = spoken[0].recording.duration_ms();
    assert!((980..=1000).contains(&duration), "{duration} ms in 32,000 bytes");
}

#[test]
fn without_a_scratch_directory_each_utterance_is_lost_with_one_report_and_the_ear_goes_on() {
    let scratch = Scratch::new("/nowhere".into(), &ScratchSettings::default());
    let (spoken, reports) = heard(in_a_row(&clips("home")[..3]), &scratch, 10);
    assert!(spoken.is_empty());
    let said: Vec<String> = reports
        .iter()
        .filter_map(|r| match r {
            Report::Outcome(o) => match &o.verdict {
                Verdict::Rejected(reason @ Reason::Lost(_)) => Some(reason.to_string()),
                other => panic!("{other:?}"),
            },
            _ => None,
        })
        .collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("scratch in /nowhere: No such file or directory"), "{said:?}");
}

#[test]
fn when_nobody_decides_the_oldest_recording_gives_way_with_a_report() {
    let scratch = scratch(8 << 20);
    let (spoken, reports) = heard(in_a_row(&clips("home")[..5]), &scratch, 2);
    assert_eq!(spoken.iter().map(|s| s.recording.number()).collect::<Vec<_>>(), [4, 5]);
    let lost: Vec<u64> = reports
        .iter()
        .filter_map(|r| match r {
            Report::Outcome(o) => Some(o.utterance),
            _ => None,
        })
        .collect();
    assert_eq!(lost, [1, 2, 3]);
    drop(spoken);
    assert_eq!(scratch.usage().used, 0);
}

#[test]
fn half_a_sentence_before_the_microphone_was_lost_is_no_command_and_the_next_one_is_whole() {
    let scratch = scratch(8 << 20);
    let clips = [data("home/turn on the lights.wav"), data("home/what's the time.wav")].map(|clip| in_a_row(&[clip]));
    let broken = clips[0][..clips[0].len() - 16 * 1300].to_vec();
    let (spoken, reports) = heard_in_parts(&[broken, clips[1].clone()], &scratch, 10);
    assert_eq!(spoken.iter().map(|s| s.recording.number()).collect::<Vec<_>>(), [2]);
    let told: Vec<String> = reports
        .iter()
        .map(|report| match report {
            Report::Outcome(o) => format!("{} {:?}", o.utterance, o.verdict),
            other => format!("{other:?}"),
        })
        .collect();
    let expected = [
        "Microphone(Open { rate: 16000 })",
        "1 Rejected(Lost(\"the microphone was lost while it was recorded\"))",
        "Microphone(Lost { reason: \"the recording is over\" })",
        "Microphone(Open { rate: 16000 })",
    ];
    assert_eq!(told, expected);
    drop(spoken);
    assert_eq!(scratch.usage().used, 0);
}

#[test]
fn samples_are_wanted_as_soon_as_they_come_only_while_an_utterance_is_recorded() {
    let mut tape = Tape::of(&[in_a_row(&clips("home")[..2])]);
    let (spoken, _) = heard_from(&mut tape, &scratch(8 << 20), 2);
    assert_eq!(spoken.len(), 2);
    assert_eq!(tape.hurried, [false, true, false, true, false]);
}

/// Plays frame by frame while a talk button is held, up to its release before the frame `release`.
struct Held {
    frames: Vec<Vec<f32>>,
    at: Option<usize>,
    release: usize,
    talk: Talk,
    inbox: Receiver<Spoken>,
    /// The drafts by number, and the finished recording with the number of its draft, each with its length.
    drafts: Vec<(u64, u64)>,
    finished: Vec<(u64, u64)>,
}

impl AudioSource for Held {
    fn read(&mut self, block: &mut [f32], _: Duration) -> Result<SourceEvent, AudioError> {
        while let Received::Item(spoken) = self.inbox.take(Duration::ZERO) {
            let kind = if spoken.finished { &mut self.finished } else { &mut self.drafts };
            kind.push((spoken.draft, spoken.recording.duration_ms()));
        }
        let Some(at) = self.at else {
            self.at = Some(0);
            return Ok(SourceEvent::Opened { rate: SAMPLE_RATE });
        };
        if at > self.release {
            return Err(AudioError::Ended);
        }
        self.talk.show(at < self.release);
        block[..FRAME_LEN].copy_from_slice(&self.frames[at]);
        self.at = Some(at + 1);
        Ok(SourceEvent::Samples(FRAME_LEN))
    }
}

#[test]
fn wherever_a_talk_button_is_released_the_recording_names_a_draft_only_if_it_has_the_same_samples() {
    let clip = samples(&data("home/turn on the lights.wav"));
    let sound = [clip.clone(), quiet(600), clip[..SAMPLE_RATE as usize].to_vec()].concat();
    let frames: Vec<Vec<f32>> = sound.chunks_exact(FRAME_LEN).map(<[f32]>::to_vec).collect();
    let (mut with, mut without) = (0, 0);
    for release in clip.len() / FRAME_LEN..frames.len() {
        let (outbox, inbox) = mailbox(10);
        let (talk, drafts, finished) = (Talk::default(), Vec::new(), Vec::new());
        let mut source =
            Held { frames: frames.clone(), at: None, release, talk: talk.clone(), inbox, drafts, finished };
        let listener = Listener {
            gain_db: 0.0,
            endpoint: EndpointSettings::default(),
            scratch: scratch(8 << 20),
            outbox,
            drafts: Drafts::default(),
            talk,
            muted: Muted::default(),
            reporter: reporter(false).0,
            rounds: Rounds::default(),
        };
        assert!(matches!(listen(&mut source, listener, &Stop::default()), Err(AudioError::Ended)));
        let [(draft, length)] = source.finished[..] else { panic!("{:?}", source.finished) };
        if draft > 0 {
            assert!(source.drafts.contains(&(draft, length)), "{release}: {length} ms, {:?}", source.drafts);
        }
        *(if draft > 0 { &mut with } else { &mut without }) += 1;
    }
    assert!(with > 0 && without > 0, "{with} with a draft, {without} without");
}
