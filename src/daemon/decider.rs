//! The decider: runs on the main thread, turns recordings into decisions, and explains the last decision on request.
//!
//! The explanation uses the same recognizer as the decisions, so it is computed only when no recording waits.
//! Meanwhile, for a second on a desktop and at most for the deadline of a decision, new recordings wait in the mailbox.
//! The scores, the words and the encoded sound of the last utterance stay in memory until the next one; its samples do
//! not.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::act::buttons::Muted;
use crate::act::command::Action;
use crate::act::states::States;
use crate::act::task::Asked;
use crate::config::Settings;
use crate::daemon::listener::Spoken;
use crate::decide::confirm::{Confirmation, Said, Step};
use crate::decide::outlook::outlook;
use crate::decide::requires;
use crate::decide::rules::{Check, Reason, Verdict, checks, judge};
use crate::decide::thresholds::Assessment;
use crate::grammar::Sentence;
use crate::recognize::{Heard, Recognizer};
use crate::report::explanation::{Rules, Why, nothing_yet};
use crate::report::{Report, Reporter};
use crate::runtime::mailbox::{Received, Receiver};
use crate::runtime::service::{Loop, Rounds};
use crate::runtime::status::StatusSocket;
use crate::runtime::stop::{POLL_INTERVAL, Stop};
use crate::serve::queue::{Decision, Request};
use crate::utterance::draft::{Drafts, Outlook};
use crate::utterance::scratch::{Recording, Scratch, Usage};

/// Most sentences in the explanation of a decision.
pub const SENTENCES: usize = 5;

/// A decision that is sent to the actuator.
#[derive(Debug)]
pub struct Decided {
    /// The utterance's number.
    pub utterance: u64,
    /// The result of recognition; `None` if the utterance was lost before it.
    pub heard: Option<Heard>,
    /// The assessment of its best sentence.
    pub assessment: Option<Assessment>,
    /// The decision.
    pub verdict: Verdict,
    /// The sentence that was confirmed, if that is carried out and not the best one.
    pub confirmed: Option<Sentence>,
    /// The actions to carry out.
    pub actions: Vec<Action>,
    /// The command whose tasks are to be begun, if it has any.
    pub asked: Option<Box<Asked>>,
    /// When the speech ended.
    pub fell_silent: Instant,
    /// The counters of scratch while it still held the recording.
    pub scratch: Usage,
    /// The recording, if it is to be kept.
    pub recording: Option<Recording>,
}

/// The parts that the decider uses.
pub struct Decider<'a> {
    /// The recognizer.
    pub recognizer: &'a mut dyn Recognizer,
    /// The configuration.
    pub settings: &'a Settings,
    /// The states of the outputs.
    pub states: States,
    /// The scratch, for its counters.
    pub scratch: &'a Scratch,
    /// The drafts that the listener wants decided.
    pub drafts: Drafts,
    /// The command that waits to be confirmed.
    pub confirmation: Confirmation,
    /// When the times of `confirmation` begin.
    pub begun: Instant,
    /// The queue for reports.
    pub reporter: Reporter,
    /// The counter of its rounds.
    pub rounds: Rounds,
    /// The socket for the question why.
    pub socket: Option<StatusSocket>,
    /// Whether voice is ignored.
    pub muted: Muted,
    /// The queue of uploads.
    pub uploads: Receiver<Request>,
}

/// A draft that was recognized.
struct Drafted {
    number: u64,
    heard: Heard,
}

/// The last decision, which is kept until the next one.
struct Last {
    utterance: u64,
    decided: Instant,
    heard: Option<Heard>,
    verdict: Verdict,
    rules: Rules,
}

/// What was decided on a result of recognition.
struct Ruling {
    assessment: Option<Assessment>,
    verdict: Verdict,
    /// The sentence to carry out.
    carry_out: Option<Sentence>,
    /// The results of the rules that ask for more than what was heard.
    rules: Rules,
}

/// Decides each recording from `inbox` and calls `hand_over` with the decision, until the listener or the actuator has
/// ended or `stop` is raised. Uploads are decided while no recording of the microphone waits.
pub fn decide(
    mut decider: Decider<'_>,
    inbox: &Receiver<Spoken>,
    mut hand_over: impl FnMut(Decided) -> bool,
    stop: &Stop,
) {
    let socket = decider.socket.take();
    let (mut last, mut drafted) = (None, None);
    // The number of the utterance whose sound the recognizer may have.
    let mut sound_of = 0;
    // Whether another upload may wait already.
    let mut more = false;
    while !stop.raised() {
        decider.rounds.count(Loop::Decider);
        match inbox.take(if more { Duration::ZERO } else { POLL_INTERVAL }) {
            Received::Item(spoken) if !spoken.finished => {
                sound_of = spoken.recording.number();
                drafted = decider.draft(spoken);
            }
            Received::Item(spoken) => {
                sound_of = spoken.recording.number();
                let known = drafted.take().filter(|drafted: &Drafted| drafted.number == spoken.draft);
                // What was said before it was muted is not carried out after that.
                let known = if decider.muted.is_muted() {
                    Some(Err("the microphone was muted before it was decided".into()))
                } else {
                    known.map(|drafted| Ok(drafted.heard))
                };
                let (decided, rules) = decider.consider(spoken, known);
                last = Some(Last::of(&decided, rules));
                if !hand_over(decided) {
                    return;
                }
            }
            Received::Nothing => {
                decider.expire();
                let upload = decider.next_upload();
                more = upload.is_some();
                if let Some(request) = upload {
                    sound_of = request.recording.number();
                    if let Some((decided, rules)) = decider.answer(request) {
                        last = Some(Last::of(&decided, rules));
                        if !hand_over(decided) {
                            return;
                        }
                    }
                }
                if let Some(socket) = &socket {
                    socket.answer(|| last.as_ref().map_or_else(nothing_yet, |last| decider.tell(last, sound_of)));
                }
            }
            Received::Closed => return,
        }
    }
}

impl Last {
    fn of(decided: &Decided, rules: Rules) -> Last {
        let Decided { utterance, heard, verdict, .. } = decided;
        let (heard, verdict) = (heard.clone(), verdict.clone());
        Last { utterance: *utterance, decided: Instant::now(), heard, verdict, rules }
    }
}

impl Ruling {
    fn lost(why: &str) -> Ruling {
        let verdict = Verdict::Rejected(Reason::Lost(why.into()));
        Ruling { assessment: None, verdict, carry_out: None, rules: vec![("state", None)] }
    }
}

impl Decider<'_> {
    /// Recognizes a draft, unless the speaker has gone on, and tells the listener what may follow.
    fn draft(&mut self, spoken: Spoken) -> Option<Drafted> {
        let Spoken { mut recording, draft: number, .. } = spoken;
        let samples = recording.samples().map_err(|e| e.to_string());
        drop(recording);
        let heard = samples
            .and_then(|s| self.recognizer.hear_draft(&s, &self.drafts, number).map_err(|e| e.to_string()))
            .inspect_err(|why| tracing::warn!("no draft: {why}"))
            .ok()??;
        let (_, verdict) = judge(&heard, &self.settings.thresholds);
        let outlook = match outlook(&heard, &verdict, &self.settings.grammar) {
            // A command that is forbidden may be the beginning of one that is not.
            Outlook::Over if heard.best.as_ref().is_some_and(|best| self.forbids(&best.sentence)) => Outlook::Open,
            outlook => outlook,
        };
        self.drafts.say(number, outlook);
        Some(Drafted { number, heard })
    }

    fn recognize(&mut self, recording: &mut Recording) -> Result<Heard, String> {
        let samples = recording.samples().map_err(|e| e.to_string())?;
        self.recognizer.hear(&samples).map_err(|e| e.to_string())
    }

    /// The next upload whose sender still waits, if there is one.
    fn next_upload(&self) -> Option<Request> {
        while let Received::Item(request) = self.uploads.take(Duration::ZERO) {
            if request.is_wanted() {
                return Some(request);
            }
        }
        None
    }

    /// Decides a recording; `known` is what was recognized in a draft with the same samples, or why nothing is. Also
    /// returns the results of the rules that ask for more than what was heard.
    fn consider(&mut self, spoken: Spoken, known: Option<Result<Heard, String>>) -> (Decided, Rules) {
        let Spoken { mut recording, fell_silent, .. } = spoken;
        let (utterance, settings) = (recording.number(), self.settings);
        let scratch = self.scratch.usage();
        let heard = known.unwrap_or_else(|| self.recognize(&mut recording));
        let recording = Some(recording).filter(|_| settings.scratch.keep.is_some());
        let ruling = match &heard {
            Ok(heard) => self.rule(heard, utterance, fell_silent),
            Err(why) => {
                tracing::warn!(utterance, "utterance lost: {why}");
                Ruling::lost(why)
            }
        };
        let (heard, Ruling { assessment, verdict, carry_out, rules }) = (heard.ok(), ruling);
        self.log(utterance, heard.as_ref(), &verdict, carry_out.as_ref());
        let command = carry_out.as_ref().map(|sentence| (sentence, &settings.commands[sentence.command]));
        let actions = command.map(|(s, command)| command.actions_with(&s.slots)).unwrap_or_default();
        let log_odds = assessment.map(|assessment| assessment.log_odds);
        let asked = command.filter(|(_, command)| !command.tasks.is_empty());
        let asked = asked.map(|(sentence, _)| Box::new(Asked::by_voice(sentence, log_odds, utterance)));
        let best = heard.as_ref().and_then(|h| h.best.as_ref()).map(|best| best.sentence.command);
        let confirmed = carry_out.filter(|sentence| Some(sentence.command) != best);
        let decided = Decided {
            utterance,
            heard,
            assessment,
            verdict,
            confirmed,
            actions,
            asked,
            fell_silent,
            scratch,
            recording,
        };
        (decided, rules)
    }

    fn log(&self, utterance: u64, heard: Option<&Heard>, verdict: &Verdict, carry_out: Option<&Sentence>) {
        match (verdict, carry_out) {
            (Verdict::Accepted, Some(sentence)) => {
                tracing::info!(utterance, command = self.settings.commands[sentence.command].name, "accepted");
            }
            (Verdict::Rejected(reason), _) => tracing::info!(utterance, rule = reason.code(), "rejected"),
            (Verdict::Accepted, None) => {}
        }
        if let Some(heard) = heard {
            let sentence = heard.best.as_ref().map(|b| b.sentence.words.as_str()).unwrap_or_default();
            tracing::debug!(utterance, text = heard.text, sentence, ?verdict, "heard");
        }
    }

    /// Decides an upload and answers it. Returns the decision if it is to be carried out, with the results of the rules
    /// that ask for more than what was heard.
    fn answer(&mut self, request: Request) -> Option<(Decided, Rules)> {
        let Request { mut recording, act, answer, received, .. } = request;
        if act {
            let spoken = Spoken { recording, draft: 0, finished: true, fell_silent: received };
            let (decided, rules) = self.consider(spoken, None);
            let Decided { heard, assessment, verdict, .. } = &decided;
            answer(Decision { heard: heard.clone(), assessment: *assessment, verdict: verdict.clone() });
            return Some((decided, rules));
        }
        answer(match self.recognize(&mut recording) {
            Ok(heard) => {
                let (assessment, verdict) = judge(&heard, &self.settings.thresholds);
                tracing::debug!(text = heard.text, ?verdict, "heard for another program");
                Decision { heard: Some(heard), assessment, verdict }
            }
            Err(why) => {
                tracing::warn!("upload lost: {why}");
                Decision { heard: None, assessment: None, verdict: Verdict::Rejected(Reason::Lost(why)) }
            }
        });
        None
    }

    /// The explanation of the last decision. The recognizer has the sound of the utterance `sound_of`.
    fn tell(&mut self, last: &Last, sound_of: u64) -> Value {
        let Last { utterance, decided, heard, verdict, rules: others } = last;
        let settings = self.settings;
        // Without a result the recognizer may still have the sound before this one, and would explain that. While a
        // later utterance is spoken it has a draft of that.
        let known = heard.as_ref().filter(|_| sound_of == *utterance);
        let trace = known.map_or(Ok(None), |_| self.recognizer.explain(SENTENCES));
        let trace = trace.inspect_err(|e| tracing::warn!(utterance, "no trace: {e}")).unwrap_or_default();
        let mut rules: Rules = heard.as_ref().map(|heard| checks(heard, &settings.thresholds)).unwrap_or_default();
        rules.extend(others.iter().cloned());
        let (heard, trace, commands) = (heard.as_ref(), trace.as_ref(), &settings.commands);
        let why = Why { heard, verdict, rules: &rules, trace, commands, thresholds: &settings.thresholds };
        why.of_utterance(*utterance, decided.elapsed())
    }

    /// Whether a sentence is refused because of the states of outputs, or because nobody waits for it.
    fn forbids(&self, sentence: &Sentence) -> bool {
        let refuses = |check: Option<Check>| check.is_some_and(|check| check.refusal.is_some());
        refuses(self.permitted(sentence)) || refuses(self.confirmation.unasked(sentence.command))
    }

    /// Checks whether the outputs have the states that the command of the sentence requires.
    fn permitted(&self, sentence: &Sentence) -> Option<Check> {
        let command = &self.settings.commands[sentence.command];
        requires::check(command, &self.settings.outputs, |output| self.states.both(output))
    }

    /// Applies all rules to what was heard in the utterance of this number, whose speech ended at `fell_silent`.
    fn rule(&mut self, heard: &Heard, utterance: u64, fell_silent: Instant) -> Ruling {
        let (assessment, verdict) = judge(heard, &self.settings.thresholds);
        let best = heard.best.as_ref().map(|best| &best.sentence);
        let mut state = best.and_then(|sentence| self.permitted(sentence));
        let refused = |state: &Option<Check>| state.as_ref().is_some_and(|check| check.refusal.is_some());
        let (mut carry_out, mut confirm) = (None, None);
        if let (Verdict::Accepted, Some(sentence), false) = (&verdict, best, refused(&state)) {
            (carry_out, confirm) = self.confirm(sentence, utterance, fell_silent);
            // What an output must be may have changed while the command waited.
            if let Some(confirmed) = carry_out.as_ref().filter(|other| other.command != sentence.command) {
                state = self.permitted(confirmed);
                carry_out = carry_out.filter(|_| !refused(&state));
            }
        }
        let refusal = [&state, &confirm].into_iter().flatten().find_map(|check| check.refusal.clone());
        let verdict = match verdict {
            Verdict::Accepted => refusal.map_or(Verdict::Accepted, Verdict::Rejected),
            rejected => rejected,
        };
        let mut rules = vec![("state", state)];
        rules.extend(confirm.and_then(|check| Some((check.refusal.as_ref()?.code(), Some(check)))));
        Ruling { assessment, verdict, carry_out, rules }
    }

    /// Takes a sentence that no other rule refuses. Returns what is carried out, and the result of the rule.
    fn confirm(
        &mut self,
        sentence: &Sentence,
        utterance: u64,
        fell_silent: Instant,
    ) -> (Option<Sentence>, Option<Check>) {
        let (ended, now) = (fell_silent.saturating_duration_since(self.begun), self.begun.elapsed());
        let Said { carry_out, check, steps } = self.confirmation.take(sentence, &self.settings.commands, ended, now);
        for (command, step) in steps {
            self.step(command, step, Some(utterance).filter(|_| step != Step::Expired));
        }
        (carry_out, check)
    }

    /// Reports a command that waited for too long.
    fn expire(&mut self) {
        if let Some(command) = self.confirmation.expire(self.begun.elapsed()) {
            self.step(command, Step::Expired, None);
        }
    }

    fn step(&self, command: usize, step: Step, utterance: Option<u64>) {
        let command = self.settings.commands[command].name.clone();
        tracing::info!(command, step = step.code(), "confirmation");
        self.reporter.tell(Report::Confirmation { command, step, utterance });
    }
}
