//! Thresholds from recordings: the evidence that sentences need, for all commands and for some by themselves. Pure.
//!
//! What is wanted is a number of false accepts an hour that is not to be exceeded, and under that as few sentences refused or
//! taken for another as can be. How it is done:
//!
//! - False accepts are rare events in time: a Poisson count. A threshold keeps the target if the upper 95 % limit of their
//!   rate, one-sided, is not above it (F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28, 1936). With
//!   none in n hours that limit is 3.0 / n (the rule of three: Hanley, Lippman-Hand, "If nothing goes wrong, is everything
//!   all right?", JAMA 249, 1983), so 0.1 an hour takes 30 hours. The limit is that of one threshold; that it was chosen among
//!   several makes it a little hopeful, which is what [`cross_validated`] is for.
//! - Between two neighbouring scores every threshold decides the same. Of these gaps the one with the fewest errors is taken,
//!   of equals the one with fewer false accepts, then the widest; and in it the middle, as far from what is right as from what
//!   is not.
//! - It is never set lower than [`LEAST`] nor higher than [`MOST`], and lower than usual only as far as [`SLACK`] below the
//!   lowest score of a sentence that was heard right: nobody knows what lies beyond.
//! - A command has a threshold of its own if at least [`LEAST_OF_COMMAND`] recordings of it were heard right and that one
//!   leaves fewer errors at no more false accepts. They are tried one after the other, each with those before in place.

use std::collections::BTreeMap;

use crate::eval::Clip;
use crate::eval::expected::Expected;
use crate::eval::statistics::{Estimate, rate, rate_bound, share};
use crate::eval::summary::three_digits;
use crate::verdict::Thresholds;

/// Lowest threshold that is set, in nats: below it the nearest sentence is any sentence.
pub const LEAST: f32 = -12.0;
/// Highest threshold that is set, in nats: beyond it clear speech is refused.
pub const MOST: f32 = 12.0;
/// Nats below the lowest score of what was heard right that a threshold may lie, where that is lower than the usual one.
pub const SLACK: f32 = 2.0;
/// Least recordings of sentences: if none of 50 is refused, at most 7 % are (Wilson's interval); and a person speaks them in
/// five minutes.
pub const LEAST_POSITIVES: usize = 50;
/// Least recordings of a command, heard right, for a threshold of its own: if none of 20 is refused, at most 16 % are.
pub const LEAST_OF_COMMAND: usize = 20;
/// Parts of the cross-validation: of the least number of recordings ten are left out each time.
const PARTS: usize = 5;

/// An utterance that no rule but that of the evidence refuses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// What is compared with the threshold, in nats.
    pub evidence: f32,
    /// The command of the nearest sentence.
    pub command: usize,
    /// Whether that sentence is what was said.
    pub right: bool,
}

/// A recording: of a sentence, or of other sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Whether it is of a sentence.
    pub positive: bool,
    /// What may be accepted in it.
    pub scored: Vec<Scored>,
}

/// What thresholds are chosen by.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// The recordings.
    pub recordings: Vec<Recording>,
    /// Hours of other sound.
    pub hours: f64,
}

/// What thresholds would make of the recordings.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    /// Recordings of sentences.
    pub positives: usize,
    /// How many of them were refused.
    pub refused: usize,
    /// How many of them were taken for something else.
    pub wrong: usize,
    /// Utterances accepted in other sound.
    pub false_accepts: usize,
    /// Hours of that.
    pub hours: f64,
}

impl Tally {
    /// Sentences that were not decided right.
    pub fn errors(&self) -> usize {
        self.refused + self.wrong
    }

    /// The share of the sentences that was refused.
    pub fn refused_share(&self) -> Option<Estimate> {
        share(self.refused, self.positives)
    }

    /// False accepts an hour.
    pub fn false_accept_rate(&self) -> Option<Estimate> {
        rate(self.false_accepts, self.hours)
    }

    /// False accepts an hour that are not exceeded, with 95 % confidence.
    pub fn bound(&self) -> f64 {
        rate_bound(self.false_accepts, self.hours)
    }
}

impl Data {
    /// What `clips`, decided under any thresholds, have to say.
    pub fn of(clips: &[Clip]) -> Data {
        let recording = |clip: &Clip| {
            let passing = clip.utterances.iter().filter(|u| u.passes_otherwise);
            let scored = passing.filter_map(|u| {
                let command = u.heard.best.as_ref()?.sentence.command;
                Some(Scored { evidence: u.evidence?, command, right: u.is_expected })
            });
            Recording { positive: clip.expected != Expected::Rejected, scored: scored.collect() }
        };
        let other = clips.iter().filter(|clip| clip.expected == Expected::Rejected);
        let hours = other.map(|clip| clip.seconds).sum::<f64>() / 3600.0;
        Data { recordings: clips.iter().map(recording).collect(), hours }
    }

    /// What `thresholds` would make of it. Of several utterances in a recording of a sentence that one only may be accepted.
    pub fn tally(&self, thresholds: &Thresholds) -> Tally {
        let mut tally = Tally { hours: self.hours, ..Tally::default() };
        for Recording { positive, scored } in &self.recordings {
            let mut accepted = scored.iter().filter(|s| s.evidence >= thresholds.evidence_for(s.command));
            if !positive {
                tally.false_accepts += accepted.count();
                continue;
            }
            tally.positives += 1;
            match (accepted.next(), accepted.next()) {
                (None, _) => tally.refused += 1,
                (Some(only), None) if only.right => {}
                _ => tally.wrong += 1,
            }
        }
        tally
    }

    /// Of all commands or one: every utterance that may be accepted.
    fn scored(&self, command: Option<usize>) -> impl Iterator<Item = &Scored> {
        let all = self.recordings.iter().flat_map(|r| &r.scored);
        all.filter(move |s| command.is_none_or(|command| command == s.command))
    }

    /// The commands of which enough was heard right.
    fn commands(&self) -> impl Iterator<Item = usize> {
        let mut right: BTreeMap<usize, usize> = BTreeMap::new();
        self.scored(None).filter(|s| s.right).for_each(|s| *right.entry(s.command).or_default() += 1);
        right.into_iter().filter(|(_, count)| *count >= LEAST_OF_COMMAND).map(|(command, _)| command)
    }

    /// What every [`PARTS`]th recording is left out of, of either kind, and those.
    fn without(&self, part: usize) -> (Data, Data) {
        let mut seen = [0; 2];
        let (out, left): (Vec<Recording>, Vec<Recording>) = self.recordings.iter().cloned().partition(|recording| {
            let seen = &mut seen[usize::from(recording.positive)];
            *seen += 1;
            *seen % PARTS == part
        });
        let hours = self.hours / PARTS as f64;
        (Data { recordings: left, hours: self.hours - hours }, Data { recordings: out, hours })
    }
}

/// What is missing, in words, for thresholds that keep `target` false accepts an hour; none if nothing is.
pub fn missing(positives: usize, hours: f64, target: f64) -> Option<String> {
    let mut missing = Vec::new();
    if positives < LEAST_POSITIVES {
        let more = LEAST_POSITIVES - positives;
        missing.push(format!("{positives} of at least {LEAST_POSITIVES} recordings of sentences ({more} more)"));
    }
    let needed = rate_bound(0, target);
    if hours < needed {
        let borne = if hours > 0.0 {
            format!(
                "; or --false-accepts-per-hour {}, which these bear if none is accepted",
                rounded_up(rate_bound(0, hours))
            )
        } else {
            String::new()
        };
        let [had, needed, more] = [hours, needed, needed - hours].map(three_digits);
        missing.push(format!("{had} of {needed} hours of other sound ({more} more{borne})"));
    }
    (!missing.is_empty()).then(|| format!("too few data: {}", missing.join(", ")))
}

/// Two digits of a rate, and not less than it.
pub fn rounded_up(rate: f64) -> f64 {
    let unit = 10f64.powi(rate.log10().floor() as i32 - 1);
    let digits = (rate / unit).ceil();
    if unit < 1.0 { digits / (1.0 / unit).round() } else { digits * unit }
}

/// The thresholds that keep `target` false accepts an hour on these data with the fewest errors; none if none do. All but
/// `evidence` and `commands` is taken from `others`.
pub fn fit(data: &Data, target: f64, others: &Thresholds) -> Option<Thresholds> {
    let mut chosen = at(best(data, None, |evidence| at(evidence, others), |tally| tally.bound() <= target)?, others);
    for command in data.commands() {
        let now = data.tally(&chosen);
        let own = |evidence| {
            let mut thresholds = chosen.clone();
            thresholds.commands.insert(command, evidence);
            thresholds
        };
        let better = |tally: &Tally| tally.errors() < now.errors() && tally.false_accepts <= now.false_accepts;
        if let Some(evidence) = best(data, Some(command), own, better) {
            chosen.commands.insert(command, evidence);
        }
    }
    Some(chosen)
}

/// `evidence` for all commands, and all else from `others`.
pub fn at(evidence: f32, others: &Thresholds) -> Thresholds {
    Thresholds { evidence, commands: BTreeMap::new(), ..others.clone() }
}

/// Thresholds that decide the same: above the first, up to the last.
struct Gap {
    low: f32,
    high: f32,
    tally: Tally,
}

impl Gap {
    fn worth(&self) -> (usize, usize) {
        (self.tally.errors(), self.tally.false_accepts)
    }
}

/// The best threshold, for one command or all, of those that are `good`; `with` makes all thresholds of it.
fn best(
    data: &Data,
    command: Option<usize>,
    with: impl Fn(f32) -> Thresholds,
    good: impl Fn(&Tally) -> bool,
) -> Option<f32> {
    let right = data.scored(command).filter(|s| s.right).map(|s| s.evidence);
    let floor = (right.fold(f32::INFINITY, f32::min) - SLACK).clamp(LEAST, Thresholds::default().evidence);
    let mut edges: Vec<f32> = data.scored(command).map(|s| s.evidence).filter(|edge| *edge > LEAST).collect();
    edges.push(LEAST);
    edges.sort_by(f32::total_cmp);
    edges.dedup();
    if edges[edges.len() - 1] < MOST {
        edges.push(MOST);
    }
    let gap = |ends: &[f32]| Gap { low: ends[0], high: ends[1], tally: data.tally(&with(ends[1])) };
    let below_most = edges.windows(2).filter(|ends| ends[0] < MOST);
    let gaps: Vec<Gap> = below_most.map(gap).collect();
    let whole = gaps.chunk_by(|a, b| a.worth() == b.worth());
    let whole = whole.map(|same| Gap { low: same[0].low, high: same[same.len() - 1].high, tally: same[0].tally });
    let candidates = whole.filter(|gap| gap.high > floor && good(&gap.tally)).filter_map(|gap| {
        let middle = ((gap.low + gap.high) / 2.0).clamp(floor, MOST);
        Some((gap.worth(), gap.low - gap.high, in_few_digits(middle, gap.low, gap.high)?))
    });
    candidates.min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))).map(|(_, _, evidence)| evidence)
}

/// `level` with as few decimals as leave it well within the gap; none if three are not enough.
fn in_few_digits(level: f32, low: f32, high: f32) -> Option<f32> {
    let rounded = [10.0, 100.0, 1000.0].map(|scale| ((f64::from(level) * scale).round() / scale) as f32);
    // Nothing below 0 is rounded to -0.0, which would be written so.
    let well_within = |rounded: &f32| (rounded - level).abs() <= (high - low) / 4.0 && (low..=high).contains(rounded);
    rounded.into_iter().map(|level| level + 0.0).find(well_within)
}

/// What thresholds make of recordings that they were not chosen by: each part of the data decided by what the others choose
/// (M. Stone, "Cross-validatory choice and assessment of statistical predictions", J. R. Stat. Soc. B 36, 1974). Recordings of
/// one person on one day are alike: another day may be worse than this says.
pub fn cross_validated(data: &Data, target: f64, others: &Thresholds) -> Tally {
    let mut sum = Tally { hours: data.hours, ..Tally::default() };
    for part in 0..PARTS {
        let (kept, left_out) = data.without(part);
        // As many false accepts are allowed as in all of the data, for the hours.
        let allowed = target * data.hours / kept.hours;
        let chosen = fit(&kept, allowed, others).unwrap_or_else(|| at(MOST, others));
        let tally = left_out.tally(&chosen);
        sum.positives += tally.positives;
        sum.refused += tally.refused;
        sum.wrong += tally.wrong;
        sum.false_accepts += tally.false_accepts;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(evidence: f32, command: usize, right: bool) -> Scored {
        Scored { evidence, command, right }
    }

    /// Recordings of sentences of command 0 heard right at these scores, and other sound whose nearest sentence is one of it.
    fn data(right: &[f32], other: &[f32], hours: f64) -> Data {
        let of = |positive| move |evidence: &f32| Recording { positive, scored: vec![scored(*evidence, 0, positive)] };
        Data { recordings: right.iter().map(of(true)).chain(other.iter().map(of(false))).collect(), hours }
    }

    fn chosen(data: &Data, target: f64) -> Option<(f32, Vec<(usize, f32)>)> {
        let fitted = fit(data, target, &Thresholds::default())?;
        Some((fitted.evidence, fitted.commands.into_iter().collect()))
    }

    #[test]
    fn the_threshold_lies_in_the_middle_of_the_gap_and_keeps_the_target() {
        // In an hour 3.0 is the least target that can be kept; 4.8 is kept with one false accept, 6.3 with two.
        type Case<'a> = (&'a str, &'a [f32], &'a [f32], f64, Option<f32>);
        let cases: [Case<'_>; 14] = [
            ("between right and other", &[1.0, 4.0, 7.0], &[-3.0, -6.0], 3.0, Some(-1.0)),
            ("with a right one refused", &[-2.0, 2.0, 7.0], &[-1.0], 3.0, Some(0.5)),
            ("unless one false accept may be", &[-2.0, 2.0, 7.0], &[-1.0], 4.8, Some(-4.0)),
            ("the same, a little below", &[-2.0, 2.0, 7.0], &[-1.0], 4.7, Some(0.5)),
            ("no false accept without need", &[2.0, 7.0], &[-1.0, 0.0], 7.0, Some(1.0)),
            ("the gap goes on above", &[6.0], &[-2.0], 3.0, Some(2.0)),
            ("no higher than 12", &[16.0], &[10.0], 3.0, Some(12.0)),
            ("no lower than usual for what is clear", &[6.0], &[-11.0], 3.0, Some(0.0)),
            ("two below the lowest that was right", &[-1.0, 6.0], &[-11.0], 3.0, Some(-3.0)),
            ("no lower than -12", &[-13.0, -11.0], &[], 3.0, Some(-11.5)),
            ("narrow gaps take more digits", &[-2.0], &[-2.01], 3.0, Some(-2.005)),
            ("too narrow a gap is none", &[1.0, 2.0], &[0.9999], 3.0, Some(1.5)),
            ("nothing will do", &[1.0], &[13.0, 14.0], 6.0, None),
            ("too few hours", &[1.0], &[], 2.9, None),
        ];
        for (what, right, other, target, expected) in cases {
            let found = chosen(&data(right, other, 1.0), target);
            assert_eq!(found, expected.map(|evidence| (evidence, Vec::new())), "{what}");
        }
    }

    #[test]
    fn taken_for_something_else_is_an_error_and_so_are_two_at_once() {
        let twice = Recording { positive: true, scored: vec![scored(5.0, 0, true), scored(-2.0, 1, false)] };
        let mut data = data(&[-1.0, 3.0], &[], 1.0);
        data.recordings.push(twice);
        let tally = |data: &Data, evidence| {
            let Tally { refused, wrong, .. } = data.tally(&at(evidence, &Thresholds::default()));
            (refused, wrong)
        };
        assert_eq!([-3.0, -1.5, 0.0, 6.0].map(|evidence| tally(&data, evidence)), [(0, 1), (0, 0), (1, 0), (3, 0)]);
        assert_eq!(chosen(&data, 3.0), Some((-1.5, Vec::new())));
    }

    #[test]
    fn a_command_that_bears_it_has_a_threshold_of_its_own() {
        // Other sound is taken for command 0 at -1; command 1 is spoken at -4 and only ever mistaken at -8.
        let spoken = |command, count, evidence| {
            std::iter::repeat_n(Recording { positive: true, scored: vec![scored(evidence, command, true)] }, count)
        };
        let other = [(0, -1.0), (1, -8.0)];
        let other = other.map(|(command, at)| Recording { positive: false, scored: vec![scored(at, command, false)] });
        let with = |count, evidence| {
            let recordings = spoken(0, 40, 2.0).chain(spoken(1, count, evidence)).chain(other.clone());
            chosen(&Data { recordings: recordings.collect(), hours: 1.0 }, 3.0)
        };
        assert_eq!(with(20, -4.0), Some((0.5, vec![(1, -6.0)])), "fewer are refused");
        assert_eq!(with(19, -4.0), Some((0.5, Vec::new())), "too few recordings of it");
        assert_eq!(with(20, 3.0), Some((0.5, Vec::new())), "none of it is refused anyway");
        assert_eq!(with(20, -9.0), Some((0.5, Vec::new())), "it would be one more false accept");
    }

    #[test]
    fn what_is_missing_is_said_with_how_many_more() {
        let cases = [
            (50, 30.0, 0.1, None),
            (12, 30.0, 0.1, Some("12 of at least 50 recordings of sentences (38 more)")),
            (
                50,
                0.4,
                0.1,
                Some(
                    "0.400 of 30.0 hours of other sound (29.6 more; or --false-accepts-per-hour 7.5, which these bear \
                     if none is accepted)",
                ),
            ),
            (50, 0.0, 3.0, Some("0.000 of 0.999 hours of other sound (0.999 more)")),
            (
                0,
                0.9,
                3.0,
                Some(
                    "0 of at least 50 recordings of sentences (50 more), 0.900 of 0.999 hours of other sound (0.0986 \
                     more; or --false-accepts-per-hour 3.4, which these bear if none is accepted)",
                ),
            ),
        ];
        for (positives, hours, target, words) in cases {
            let words = words.map(|words| format!("too few data: {words}"));
            assert_eq!(missing(positives, hours, target), words, "{positives}, {hours} h, {target}");
        }
    }

    #[test]
    fn what_these_bear_is_enough_and_hardly_more() {
        for hours in [0.001, 0.0336, 0.4, 1.0, 29.0, 3000.0] {
            let target = rounded_up(rate_bound(0, hours));
            assert_eq!(missing(LEAST_POSITIVES, hours, target), None, "{hours} h: {target}");
            assert!(missing(LEAST_POSITIVES, hours, target * 0.9).is_some(), "{hours} h: {target}");
        }
    }

    #[test]
    fn recordings_that_were_left_out_are_decided_by_what_the_others_choose() {
        // One of the sentences lies far below the others: what is chosen without it refuses it.
        let right: Vec<f32> = (0..50).map(|i| if i == 7 { -9.0 } else { -1.0 }).collect();
        let data = data(&right, &[-12.0; 10], 1.0);
        let all = chosen(&data, 3.0).unwrap().0;
        assert_eq!(data.tally(&at(all, &Thresholds::default())).refused, 0, "{all}");
        let left_out = cross_validated(&data, 3.0, &Thresholds::default());
        assert_eq!((left_out.positives, left_out.refused, left_out.false_accepts), (50, 1, 0));
        assert_eq!(left_out.hours, 1.0);
    }
}
