//! Drafts: what is recorded up to a pause is decided while the pause lasts, and the decision ends the utterance earlier
//! or later. It changes when a command is carried out, never which.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearken::act::buttons::{Muted, Talk};
use hearken::audio::{AudioError, AudioSource, FRAME, FRAME_LEN, SourceEvent};
use hearken::config;
use hearken::daemon::listener::{Listener, Spoken, listen};
use hearken::measure::eval::Evaluator;
use hearken::measure::eval::expected::{Case, Expected};
use hearken::recognize::whisper::WhisperRecognizer;
use hearken::report::reporter;
use hearken::runtime::mailbox::{Received, Receiver, mailbox};
use hearken::runtime::service::Rounds;
use hearken::runtime::stop::Stop;
use hearken::utterance::draft::{Drafts, Outlook};
use hearken::utterance::endpoint::EndpointSettings;

use crate::deciding::alone;
use crate::listening::{Tape, scratch};
use crate::support::{clips, data, in_a_row, quiet, samples};
use crate::words::word_end;

/// A source that gives a frame at a time. Before each it collects what the listener has handed over, with the number of
/// the frame, and says of every draft what the decider would.
struct Collecting {
    tape: Tape,
    frames: usize,
    inbox: Receiver<Spoken>,
    drafts: Drafts,
    outlook: Outlook,
    collected: Arc<Mutex<Vec<(usize, Spoken)>>>,
}

impl AudioSource for Collecting {
    fn read(&mut self, block: &mut [f32], timeout: Duration) -> Result<SourceEvent, AudioError> {
        while let Received::Item(spoken) = self.inbox.take(Duration::ZERO) {
            if !spoken.finished {
                self.drafts.say(spoken.draft, self.outlook);
            }
            self.collected.lock().unwrap().push((self.frames, spoken));
        }
        self.frames += 1;
        self.tape.read(&mut block[..FRAME_LEN], timeout)
    }
}

/// The drafts and recordings that the listener makes of `parts`, between which the microphone is lost. Of every draft
/// the decider says `outlook`.
fn handed_over(parts: &[Vec<f32>], drafts: &Drafts, outlook: Outlook) -> Vec<(usize, Spoken)> {
    let (outbox, inbox) = mailbox(4);
    let (reporter, _reports) = reporter(false);
    let collected = Arc::new(Mutex::new(Vec::new()));
    let listener = Listener {
        gain_db: 0.0,
        endpoint: EndpointSettings::default(),
        scratch: scratch(8 << 20),
        outbox,
        drafts: drafts.clone(),
        talk: Talk::default(),
        muted: Muted::default(),
        reporter,
        rounds: Rounds::default(),
    };
    let mut source = Collecting {
        tape: Tape::of(parts),
        frames: 0,
        inbox,
        drafts: drafts.clone(),
        outlook,
        collected: collected.clone(),
    };
    assert!(matches!(listen(&mut source, listener, &Stop::default()), Err(AudioError::Ended)));
    drop(source);
    Arc::into_inner(collected).unwrap().into_inner().unwrap()
}

#[test]
fn a_draft_has_the_samples_of_the_recording_that_it_becomes() {
    let spoken = handed_over(&[in_a_row(&clips("home")[..6])], &Drafts::default(), Outlook::Open);
    let mut last_draft: Option<Spoken> = None;
    let mut finished = 0;
    for (_, mut spoken) in spoken {
        if spoken.finished {
            let mut draft = last_draft.take().expect("a pause should come before the end");
            assert_eq!(spoken.draft, draft.draft);
            assert_eq!(spoken.recording.number(), draft.recording.number());
            assert!(spoken.recording.samples().unwrap() == draft.recording.samples().unwrap());
            finished += 1;
        } else {
            assert!(last_draft.as_ref().is_none_or(|last| last.draft < spoken.draft));
            last_draft = Some(spoken);
        }
    }
    assert_eq!(finished, 6);
}

#[test]
fn a_draft_is_not_wanted_after_the_microphone_was_lost_and_its_utterance_is_no_command() {
    let clip = samples(&data("home/open the Sliding Door.wav"));
    let drafts = Drafts::default();
    // A third of a second of silence: a draft is made, and the utterance is not over.
    let broken = [&quiet(1000), &clip[..word_end(&clip)], &quiet(300)].concat();
    let mut spoken = handed_over(&[broken, quiet(500)], &drafts, Outlook::Open);
    let (_, last) = spoken.pop().expect("there should be a draft");
    assert!(!last.finished && !drafts.wanted(last.draft));
    assert!(spoken.iter().all(|(_, spoken)| !spoken.finished));
}

/// The sentences that are obeyed in `sound`.
fn obeyed(evaluator: &mut Evaluator, early: bool, sound: &[f32]) -> Vec<String> {
    evaluator.endpoint.early = early;
    let case = Case {
        name: String::new(),
        path_in_folder: String::new(),
        path: Default::default(),
        place: String::new(),
        set: None,
        speaker: None,
        expected: Expected::Rejected,
    };
    let clip = evaluator.decide(&case, sound.to_vec()).unwrap();
    let accepted = clip.utterances.iter().filter(|utterance| utterance.accepted());
    accepted.map(|utterance| utterance.heard.best.as_ref().unwrap().sentence.words.clone()).collect()
}

fn evaluator() -> Evaluator {
    let mut settings = config::load(&data("home.toml")).unwrap_or_else(|e| panic!("{e}"));
    // A test must not depend on the speed of the machine.
    settings.recognizer.deadline = Duration::from_secs(60);
    let recognizer = WhisperRecognizer::load(&settings.recognizer, settings.grammar.clone()).unwrap();
    Evaluator {
        recognizer: Box::new(recognizer),
        thresholds: settings.thresholds,
        commands: settings.commands,
        grammar: settings.grammar,
        endpoint: settings.endpoint,
        scratch: scratch(8 << 20),
        cut: true,
        keep: 0,
    }
}

/// The sound with a pause at its quietest 20 ms, but not near its ends.
fn with_pause(sound: &[f32], milliseconds: usize) -> Vec<f32> {
    let power = |at: usize| sound[at..at + 320].iter().map(|s| s * s).sum::<f32>();
    let inside = (sound.len() / 4..sound.len() * 3 / 4).step_by(160);
    let at = 160 + inside.min_by(|a, b| power(*a).total_cmp(&power(*b))).unwrap();
    [&sound[..at], &quiet(milliseconds), &sound[at..]].concat()
}

#[test]
fn what_is_obeyed_is_the_same_with_drafts_and_without() {
    let _alone = alone();
    let mut evaluator = evaluator();
    for clip in [clips("home"), clips("other")].concat() {
        let sound = samples(&clip);
        let [with, without] = [true, false].map(|early| obeyed(&mut evaluator, early, &sound));
        assert_eq!(with, without, "{}", clip.display());
    }
}

#[test]
fn a_pause_between_words_costs_no_command() {
    let _alone = alone();
    let mut evaluator = evaluator();
    for pause in [200, 400, 600] {
        let all: Vec<Vec<f32>> = clips("home").iter().step_by(10).map(|clip| samples(clip)).collect();
        let said: Vec<_> = all.iter().map(|sound| obeyed(&mut evaluator, false, sound)).collect();
        let right = [true, false].map(|early| {
            let paused = all.iter().map(|sound| obeyed(&mut evaluator, early, &with_pause(sound, pause)));
            paused.zip(&said).filter(|(obeyed, said)| obeyed == *said).count()
        });
        assert!(right[0] >= right[1] && right[0] > all.len() / 2, "{pause} ms: {right:?} of {}", all.len());
    }
}

#[test]
fn an_utterance_ends_when_the_outlook_of_its_draft_says() {
    let EndpointSettings { post_roll, settle, hangover, unfinished, .. } = EndpointSettings::default();
    let frames = |time: Duration| time.as_micros().div_ceil(FRAME.as_micros()) as usize;
    let clip = samples(&data("home/open the Sliding Door.wav"));
    let sound = [&quiet(1000), &clip[..word_end(&clip)], &quiet(2000)].concat();
    for (outlook, silence) in [(Outlook::Over, settle), (Outlook::Open, hangover), (Outlook::Unfinished, unfinished)] {
        let spoken = handed_over(std::slice::from_ref(&sound), &Drafts::default(), outlook);
        let [.., (drafted, draft), (ended, end)] = &spoken[..] else { panic!("{spoken:?}") };
        assert_eq!((draft.finished, end.finished, end.draft), (false, true, draft.draft), "{outlook:?}");
        assert_eq!(ended - drafted, frames(silence) - frames(post_roll), "{outlook:?}");
    }
}
