//! The results of all clips in one condition.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::expected::Expected;
use super::groups::{self, Groups};
use super::reliability::Reliability;
use super::statistics::{Bins, Estimate, quantile, rate, share};
use super::{Clip, Grade, Segment};
use crate::decide::weights::probability;

/// Bins of the log-odds less what is needed. Other speech is far below 0, most sentences between 1 and 5.
const EXCESS: Bins = Bins { from: -10.0, width: 0.5, count: 32 };
/// Bins of the lead. A rival that is more than 3 nats behind does not count.
const LEAD: Bins = Bins { from: -3.0, width: 0.25, count: 24 };

/// How far above the highest score, in nats, the curve ends. Nothing is accepted there.
const ABOVE: f32 = 0.001;

/// A wrong decision and how often it was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Confusion {
    /// The expected decision.
    pub expected: String,
    /// The decision that was made.
    pub decided: String,
    /// How often it was made.
    pub count: usize,
    /// The first file.
    pub file: String,
}

/// The distributions of a score in four groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// The bins.
    pub bins: Bins,
    /// Sentences that were decided right.
    pub right: Vec<usize>,
    /// Sentences that were found, and refused.
    pub found_refused: Vec<usize>,
    /// Sentences that were accepted as something else.
    pub wrong: Vec<usize>,
    /// Clips to be refused, regardless of the decision.
    pub negatives: Vec<usize>,
}

/// A point of the DET curve: the errors if the needed log-odds of all commands were changed by the same amount.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The change in nats.
    pub more: f32,
    /// Of the clips to be refused, the share accepted.
    pub false_accepts: f64,
    /// Of the clips to be accepted, the share refused or taken for something else.
    pub false_rejects: f64,
}

/// The results of all clips in one condition.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The signal-to-noise ratio; none where no noise was added.
    pub snr_db: Option<f32>,
    /// Clips decided.
    pub clips: usize,
    /// Clips that should be accepted whose best sentence was the expected one, whatever was decided.
    pub found: usize,
    /// As expected.
    pub right: usize,
    /// As another sentence than was said.
    pub wrong: usize,
    /// Refused, and should have been accepted.
    pub refused: usize,
    /// Utterances accepted that should have been refused.
    pub false_accepts: usize,
    /// Clips that should be refused.
    pub negatives: usize,
    /// How many of those had something accepted in them.
    pub negatives_accepted: usize,
    /// Hours of those.
    pub hours: f64,
    /// Hours of all.
    pub audio_hours: f64,
    /// Utterances decided: more or less than clips where these were cut.
    pub utterances: usize,
    /// Accepted as expected, with a slot that was not.
    pub extra: usize,
    /// The time of a decision: the median, and what 95 % do not exceed.
    pub ms: Option<[f64; 2]>,
    /// The same clips by their sets.
    pub sets: Groups,
    /// Those whose speaker is named, by speaker.
    pub speakers: Groups,
    /// The wrong decisions, the most frequent first.
    pub confusions: Vec<Confusion>,
    /// The log-odds less what is needed.
    pub excess: Distribution,
    /// The lead over all that would do something else.
    pub lead: Distribution,
    /// Whether the probabilities that the decisions gave to their nearest sentence are true; none without a sentence.
    pub reliability: Option<Reliability>,
    /// False accepts against false rejects, the loosest threshold first.
    pub det: Vec<Point>,
}

/// The hours of `clips`; of none 0, where the sum of no floats is -0.
fn hours<'a>(clips: impl Iterator<Item = &'a Clip>) -> f64 {
    clips.fold(0.0, |seconds, clip| seconds + clip.seconds) / 3600.0
}

impl Summary {
    /// Counts `clips`.
    pub fn of(clips: &[Clip], snr_db: Option<f32>) -> Summary {
        let all = || clips.iter();
        let are = |grade| all().filter(|c| c.grade == grade).count();
        let negatives = || all().filter(|c| c.expected == Expected::Rejected);
        let utterances: Vec<&Segment> = all().flat_map(|c| &c.utterances).collect();
        let ms: Vec<f64> = utterances.iter().map(|u| u.heard.took.total.as_secs_f64() * 1000.0).collect();
        Summary {
            snr_db,
            clips: clips.len(),
            found: all().filter(|c| c.found() == Some(true)).count(),
            right: are(Grade::Right),
            wrong: are(Grade::Wrong),
            refused: are(Grade::Refused),
            false_accepts: negatives().flat_map(|c| &c.utterances).filter(|u| u.accepted()).count(),
            negatives: negatives().count(),
            negatives_accepted: are(Grade::FalseAccept),
            hours: hours(negatives()),
            audio_hours: hours(all()),
            utterances: utterances.len(),
            extra: utterances.iter().filter(|u| u.is_expected && !u.extra.is_empty()).count(),
            ms: quantile(&ms, 0.5).zip(quantile(&ms, 0.95)).map(|(p50, p95)| [p50, p95]),
            sets: groups::counted(clips, |clip| clip.set.as_ref()),
            speakers: groups::counted(clips, |clip| clip.speaker.as_ref()),
            confusions: confusions(clips),
            excess: distribution(EXCESS, clips, Segment::excess),
            lead: distribution(LEAD, clips, |u| u.assessment?.features.get("lead")),
            reliability: Reliability::of(probabilities(clips)),
            det: det(clips),
        }
    }

    /// Clips that should be accepted.
    pub fn positives(&self) -> usize {
        self.clips - self.negatives
    }

    /// The share of what should be accepted whose best sentence was the expected one.
    pub fn found_share(&self) -> Option<Estimate> {
        share(self.found, self.positives())
    }

    /// The share of all clips that is right.
    pub fn right_share(&self) -> Option<Estimate> {
        share(self.right, self.clips)
    }

    /// The share of what should be accepted that was taken for something else.
    pub fn wrong_share(&self) -> Option<Estimate> {
        share(self.wrong, self.positives())
    }

    /// The share of what should be accepted that was refused.
    pub fn refused_share(&self) -> Option<Estimate> {
        share(self.refused, self.positives())
    }

    /// The share of the clips that should be refused in which something was accepted.
    pub fn false_accept_share(&self) -> Option<Estimate> {
        share(self.negatives_accepted, self.negatives)
    }

    /// False accepts an hour.
    pub fn false_accept_rate(&self) -> Option<Estimate> {
        rate(self.false_accepts, self.hours)
    }

    /// The condition in words.
    pub fn condition(&self) -> String {
        self.snr_db.map_or("clean".into(), |snr_db| format!("SNR {snr_db} dB"))
    }

    /// The figures in words: what, and how much.
    pub fn rows(&self) -> [(&'static str, String); 9] {
        let positives = self.positives();
        let hourly = self.false_accept_rate().map_or("-".into(), |Estimate { is, low, high }| {
            let [is, low, high] = [is, low, high].map(three_digits);
            format!("{is} ({low} to {high}), {} in {} h", self.false_accepts, three_digits(self.hours))
        });
        [
            ("found", percent(self.found_share(), self.found, positives)),
            ("right", percent(self.right_share(), self.right, self.clips)),
            ("wrong", percent(self.wrong_share(), self.wrong, positives)),
            ("refused", percent(self.refused_share(), self.refused, positives)),
            ("false accepts", percent(self.false_accept_share(), self.negatives_accepted, self.negatives)),
            ("false accepts/h", hourly),
            ("ms p50, p95", self.ms.map_or("-".into(), |[p50, p95]| format!("{p50:.0}, {p95:.0}"))),
            ("Brier score", self.reliability.as_ref().map_or("-".into(), |r| format!("{:.3}", r.brier))),
            ("slots too many", format!("in {} of what is right", self.extra)),
        ]
    }

    /// As one JSON object.
    pub fn json(&self) -> Value {
        let Summary { clips, found, right, wrong, refused, false_accepts, negatives, hours, .. } = self;
        let confusion = |Confusion { expected, decided, count, file }: &Confusion| json!({"expected": expected, "decided": decided, "count": count, "file": file});
        let point = |Point { more, false_accepts, false_rejects }: &Point| json!({"more": thousandths(*more), "false_accepts": false_accepts, "false_rejects": false_rejects});
        json!({
            "snr_db": self.snr_db, "clips": clips, "found": found, "right": right, "wrong": wrong,
            "refused": refused, "false_accepts": false_accepts, "negatives": negatives, "negatives_accepted": self.negatives_accepted,
            "hours": hours, "audio_hours": self.audio_hours, "utterances": self.utterances, "extra": self.extra,
            "share": {
                "found": estimate(self.found_share()), "right": estimate(self.right_share()),
                "wrong": estimate(self.wrong_share()), "refused": estimate(self.refused_share()),
                "negatives_accepted": estimate(self.false_accept_share()),
            },
            "false_accepts_per_hour": estimate(self.false_accept_rate()),
            "ms": {"p50": self.ms.map(|ms| ms[0]), "p95": self.ms.map(|ms| ms[1])},
            "sets": groups::json(&self.sets), "speakers": groups::json(&self.speakers),
            "confusions": self.confusions.iter().map(confusion).collect::<Value>(),
            "scores": {"excess": self.excess.json(), "lead": self.lead.json()},
            "brier": self.reliability.as_ref().map(|r| r.brier),
            "reliability": self.reliability.as_ref().map_or_else(|| json!([]), Reliability::json),
            "det": self.det.iter().map(point).collect::<Value>(),
        })
    }
}

/// Rounds to three decimals.
fn thousandths(number: f32) -> f64 {
    (f64::from(number) * 1000.0).round() / 1000.0
}

/// Formats a number with three significant digits.
pub fn three_digits(number: f64) -> String {
    let before_point = if number > 0.0 { number.log10().floor() as i32 + 1 } else { 0 };
    format!("{number:.*}", (3 - before_point).clamp(0, 6) as usize)
}

/// A share in words, with its interval: `hits` of `all`.
pub fn percent(estimate: Option<Estimate>, hits: usize, all: usize) -> String {
    let percent = |Estimate { is, low, high }: Estimate| {
        let [is, low, high] = [is, low, high].map(|share| share * 100.0);
        format!("{is:.1} % ({low:.1} to {high:.1}), {hits} of {all}")
    };
    estimate.map_or("-".into(), percent)
}

/// A share or a rate as JSON: what it is, and its interval.
pub fn estimate(estimate: Option<Estimate>) -> Value {
    estimate.map_or(Value::Null, |Estimate { is, low, high }| json!({"is": is, "low": low, "high": high}))
}

impl Distribution {
    fn json(&self) -> Value {
        let Distribution { bins, right, found_refused, wrong, negatives } = self;
        json!({
            "from": bins.from, "width": thousandths(bins.width), "right": right, "found_refused": found_refused,
            "wrong": wrong, "negatives": negatives,
        })
    }
}

fn distribution(bins: Bins, clips: &[Clip], score: impl Fn(&Segment) -> Option<f32>) -> Distribution {
    let of = |group: &dyn Fn(&Clip, &Segment) -> bool| {
        let members = clips.iter().flat_map(|c| c.utterances.iter().filter(move |u| group(c, u)));
        bins.count(members.filter_map(&score))
    };
    Distribution {
        bins,
        right: of(&|_, u| u.is_expected && u.accepted()),
        found_refused: of(&|_, u| u.is_expected && !u.accepted()),
        wrong: of(&|c, u| c.expected != Expected::Rejected && !u.is_expected && u.accepted()),
        negatives: of(&|c, _| c.expected == Expected::Rejected),
    }
}

/// The probability that each decision gives its nearest sentence, and whether that was said.
fn probabilities(clips: &[Clip]) -> impl Iterator<Item = (f64, bool, f64)> {
    let utterances = clips.iter().flat_map(|clip| &clip.utterances);
    utterances.filter_map(|u| Some((f64::from(probability(u.assessment?.log_odds)), u.is_expected, 1.0)))
}

/// The decisions of a clip with a wrong result: one entry for each false accept, one for any other clip.
fn decided(clip: &Clip) -> Vec<String> {
    let of = |key: &str, wanted: bool| -> Vec<String> {
        let utterances = clip.utterances.iter().filter(|u| u.accepted() == wanted);
        utterances.filter_map(|u| u.decision.get(key)?.as_str().map(String::from)).collect()
    };
    match clip.grade {
        Grade::Right => Vec::new(),
        Grade::FalseAccept => of("sentence", true),
        Grade::Wrong => vec![of("sentence", true).join(" + ")],
        Grade::Refused if clip.utterances.is_empty() => vec!["not heard".into()],
        Grade::Refused => vec![format!("refused: {}", of("rule", false).join(" + "))],
    }
}

fn confusions(clips: &[Clip]) -> Vec<Confusion> {
    let mut counts: BTreeMap<(String, String), (usize, &str)> = BTreeMap::new();
    for clip in clips {
        for decided in decided(clip) {
            counts.entry((clip.expected.to_string(), decided)).or_insert((0, &clip.name)).0 += 1;
        }
    }
    let confusion = |((expected, decided), (count, file)): (_, (_, &str))| Confusion {
        expected,
        decided,
        count,
        file: file.into(),
    };
    let mut confusions: Vec<Confusion> = counts.into_iter().map(confusion).collect();
    confusions.sort_by_key(|c| std::cmp::Reverse(c.count));
    confusions
}

/// The DET curve for a change of the needed log-odds, with all other rules unchanged. It ends just above the highest
/// score.
fn det(clips: &[Clip]) -> Vec<Point> {
    let utterances = clips.iter().flat_map(|c| &c.utterances).filter(|u| u.passes_otherwise);
    let mut thresholds = sorted(utterances.filter_map(|u| u.excess()));
    thresholds.dedup();
    thresholds.extend(thresholds.last().map(|highest| highest + ABOVE));
    let (negatives, positives): (Vec<&Clip>, Vec<&Clip>) = clips.iter().partition(|c| c.expected == Expected::Rejected);
    if negatives.is_empty() || positives.is_empty() {
        return Vec::new();
    }
    let accepted = sorted(negatives.iter().filter_map(|c| best_two(c)[0]).map(|(up_to, _)| up_to));
    // A clip is right from the threshold that refuses the second utterance up to the one that refuses the best.
    let expected = || positives.iter().map(|c| best_two(c)).filter(|two| two[0].is_some_and(|(_, right)| right));
    let best = sorted(expected().filter_map(|two| two[0]).map(|(up_to, _)| up_to));
    let runner_up = sorted(expected().filter_map(|two| two[1]).map(|(up_to, _)| up_to));
    let point = |more: f32| {
        let right = reaching(&best, more) - reaching(&runner_up, more);
        Point {
            more,
            false_accepts: reaching(&accepted, more) as f64 / negatives.len() as f64,
            false_rejects: (positives.len() - right) as f64 / positives.len() as f64,
        }
    };
    let mut points: Vec<Point> = thresholds.into_iter().map(point).collect();
    points.dedup_by_key(|p| (p.false_accepts, p.false_rejects));
    points
}

/// The two utterances of a clip with the highest scores: each score, and whether it is the expected sentence.
fn best_two(clip: &Clip) -> [Option<(f32, bool)>; 2] {
    let mut reach: Vec<(f32, bool)> =
        clip.utterances.iter().filter_map(|u| Some((u.spare()?, u.is_expected))).collect();
    reach.sort_by(|one, other| other.0.total_cmp(&one.0));
    [reach.first().copied(), reach.get(1).copied()]
}

fn sorted(numbers: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut numbers: Vec<f32> = numbers.collect();
    numbers.sort_by(f32::total_cmp);
    numbers
}

/// How many of the `sorted` scores reach `threshold`.
fn reaching(sorted: &[f32], threshold: f32) -> usize {
    sorted.len() - sorted.partition_point(|number| *number < threshold)
}
