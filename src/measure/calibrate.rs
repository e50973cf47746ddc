//! Chooses offsets by recordings: the numbers that are added to the log-odds of all sentences, or of the sentences of
//! single commands. No input or output.
//!
//! The weights of the features do not change, because they were fitted on many people. The user's voice, room,
//! microphone and sentences are assumed to shift the log-odds of every utterance by the same amount, so only the
//! intercept is adjusted. In this module an offset is given by its negative, the *excess* from which a sentence is
//! accepted. The excess of a sentence is its log-odds without an offset, less the log-odds that are needed.
//!
//! The aim is a number of false accepts an hour that is not exceeded, with as few errors on sentences as possible. An
//! error is a sentence that is refused or taken for another. The method:
//!
//! - False accepts are rare events in time: a Poisson count. A threshold keeps the target if the upper 95 % limit of
//!   their rate, one-sided, is not above it (F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28,
//!   1936). With none in n hours that limit is 3.0 / n (the rule of three: Hanley, Lippman-Hand, "If nothing goes
//!   wrong, is everything all right?", JAMA 249, 1983), so 0.1 an hour takes 30 hours. The limit is that of one
//!   threshold; that it was chosen among several makes it a little hopeful, which is what [`cross_validated`] is for.
//! - Between two neighbouring scores every threshold decides the same. Of these gaps the one with the fewest errors is
//!   taken, among equals the one with fewer false accepts, then the widest. The threshold is the middle of the gap.
//! - The threshold is never lower than [`LEAST`] nor higher than [`MOST`]. It is lower than the default only down to
//!   [`SLACK`] below the lowest score of a correctly recognized sentence, because there are no data below that.
//! - A command gets a threshold of its own if at least [`LEAST_OF_COMMAND`] recordings of it were recognized correctly
//!   and its threshold gives fewer errors without more false accepts. The commands are tried one after the other, with
//!   the thresholds of those before in place. A command with fewer recordings keeps its value in the configuration.

use std::collections::BTreeMap;

use crate::decide::thresholds::Thresholds;
use crate::measure::eval::Clip;
use crate::measure::eval::expected::Expected;
use crate::measure::eval::statistics::{Estimate, rate, rate_bound, share};
use crate::measure::eval::summary::three_digits;

/// Lowest threshold that is set, in nats. Below it any sound would be accepted as its nearest sentence.
pub const LEAST: f32 = -12.0;
/// Highest threshold that is set, in nats. Above it clear speech is refused.
pub const MOST: f32 = 12.0;
/// How far, in nats, a threshold below the default may be below the lowest score of a correctly recognized sentence.
pub const SLACK: f32 = 2.0;
/// Least number of recordings of sentences. If none of 50 is refused, the share of refusals is at most 7 % (Wilson's
/// interval). A person speaks 50 sentences in five minutes.
pub const LEAST_POSITIVES: usize = 50;
/// Least number of correctly recognized recordings of a command for a threshold of its own. If none of 20 is refused,
/// the share of refusals is at most 16 %.
pub const LEAST_OF_COMMAND: usize = 20;
/// Parts of the cross-validation. With the least number of recordings each part has ten.
const PARTS: usize = 5;

/// An utterance that only the rule of the log-odds may refuse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// Its log-odds without any offset, less what its command needs, in nats. It is accepted with an offset of at least
    /// the negative of this.
    pub excess: f32,
    /// The command of the nearest sentence.
    pub command: usize,
    /// Whether that sentence was said.
    pub right: bool,
}

/// A recording of a sentence, or of other sound, and what was heard in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Whether it is a recording of a sentence.
    pub positive: bool,
    /// How long it is, in hours.
    pub hours: f64,
    /// The utterances in it that may be accepted.
    pub scored: Vec<Scored>,
}

/// The data by which thresholds are chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// The recordings.
    pub recordings: Vec<Example>,
}

/// The errors on the recordings with some thresholds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ErrorCounts {
    /// Recordings of sentences.
    pub positives: usize,
    /// How many of them were refused.
    pub refused: usize,
    /// How many of them were taken for something else.
    pub wrong: usize,
    /// Utterances accepted in other sound.
    pub false_accepts: usize,
    /// Hours of other sound.
    pub hours: f64,
}

impl ErrorCounts {
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

    /// Upper limit of the false accepts an hour, with 95 % confidence.
    pub fn bound(&self) -> f64 {
        rate_bound(self.false_accepts, self.hours)
    }
}

impl Data {
    /// The data from `clips`, which may have been decided with any thresholds.
    pub fn of(clips: &[Clip]) -> Data {
        let recording = |clip: &Clip| {
            let passing = clip.utterances.iter().filter(|u| u.passes_otherwise);
            let scored = passing.filter_map(|u| {
                let command = u.heard.best.as_ref()?.sentence.command;
                Some(Scored { excess: u.excess()? - u.offset, command, right: u.is_expected })
            });
            let positive = clip.expected != Expected::Rejected;
            Example { positive, hours: clip.seconds / 3600.0, scored: scored.collect() }
        };
        Data { recordings: clips.iter().map(recording).collect() }
    }

    /// Hours of other sound.
    pub fn hours(&self) -> f64 {
        self.recordings.iter().filter(|r| !r.positive).fold(0.0, |sum, r| sum + r.hours)
    }

    /// The results with `thresholds`. A recording of a sentence is correct only if that sentence is accepted and no
    /// other utterance in the recording is.
    pub fn tally(&self, thresholds: &Thresholds) -> ErrorCounts {
        let mut tally = ErrorCounts { hours: self.hours(), ..ErrorCounts::default() };
        for Example { positive, scored, .. } in &self.recordings {
            let mut accepted = scored.iter().filter(|s| s.excess + thresholds.offset_of(s.command) >= 0.0);
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

    /// The thresholds to start from: `others` without the offsets of the commands that have enough recordings.
    pub fn base(&self, others: &Thresholds) -> Thresholds {
        let mut base = others.clone();
        for command in self.commands() {
            base.offsets.remove(&command);
        }
        base
    }

    /// Every utterance that may be accepted.
    fn scored(&self) -> impl Iterator<Item = &Scored> {
        self.recordings.iter().flat_map(|r| &r.scored)
    }

    /// The commands with enough correctly recognized recordings.
    fn commands(&self) -> impl Iterator<Item = usize> {
        let mut right: BTreeMap<usize, usize> = BTreeMap::new();
        self.scored().filter(|s| s.right).for_each(|s| *right.entry(s.command).or_default() += 1);
        right.into_iter().filter(|(_, count)| *count >= LEAST_OF_COMMAND).map(|(command, _)| command)
    }

    /// Splits the data: the first part lacks every [`PARTS`]th recording of either kind, the second consists of those.
    fn without(&self, part: usize) -> (Data, Data) {
        let mut seen = [0; 2];
        let (out, left): (Vec<Example>, Vec<Example>) = self.recordings.iter().cloned().partition(|recording| {
            let seen = &mut seen[usize::from(recording.positive)];
            *seen += 1;
            *seen % PARTS == part
        });
        (Data { recordings: left }, Data { recordings: out })
    }
}

/// A message about the data that are missing to choose thresholds for `target` false accepts an hour; `None` if there
/// are enough.
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

/// A rate, rounded up to two digits.
pub fn rounded_up(rate: f64) -> f64 {
    let unit = 10f64.powi(rate.log10().floor() as i32 - 1);
    let digits = (rate / unit).ceil();
    if unit < 1.0 { digits / (1.0 / unit).round() } else { digits * unit }
}

/// The thresholds with the fewest errors on these data that keep `target` false accepts an hour; `None` if no
/// thresholds do. Only `offset`, and `offsets` of commands with enough data, are chosen; the rest is taken from
/// `others`.
pub fn fit(data: &Data, target: f64, others: &Thresholds) -> Option<Thresholds> {
    let base = data.base(others);
    let common = |command| !base.offsets.contains_key(&command);
    let mut chosen = at(best(data, common, |level| at(level, &base), |tally| tally.bound() <= target)?, &base);
    for command in data.commands() {
        let now = data.tally(&chosen);
        let own = |level: f32| {
            let mut thresholds = chosen.clone();
            thresholds.offsets.insert(command, 0.0 - level);
            thresholds
        };
        let better = |tally: &ErrorCounts| tally.errors() < now.errors() && tally.false_accepts <= now.false_accepts;
        if let Some(level) = best(data, |one| one == command, own, better) {
            chosen.offsets.insert(command, 0.0 - level);
        }
    }
    Some(chosen)
}

/// The thresholds `base`, with the offset that accepts sentences from this excess on. It applies to commands without an
/// offset of their own.
pub fn at(excess: f32, base: &Thresholds) -> Thresholds {
    // Avoids -0.0, which would be written to the file as "-0.0".
    Thresholds { offset: 0.0 - excess, ..base.clone() }
}

/// A range of thresholds that decide the same: above `low`, up to `high`.
struct Gap {
    low: f32,
    high: f32,
    tally: ErrorCounts,
}

impl Gap {
    fn worth(&self) -> (usize, usize) {
        (self.tally.errors(), self.tally.false_accepts)
    }
}

/// The best threshold for the commands that `of` selects, among those with a `good` result. `with` makes the full
/// thresholds for a value.
fn best(
    data: &Data,
    of: impl Fn(usize) -> bool,
    with: impl Fn(f32) -> Thresholds,
    good: impl Fn(&ErrorCounts) -> bool,
) -> Option<f32> {
    let scored: Vec<&Scored> = data.scored().filter(|s| of(s.command)).collect();
    let right = scored.iter().filter(|s| s.right).map(|s| s.excess);
    let floor = (right.fold(f32::INFINITY, f32::min) - SLACK).clamp(LEAST, 0.0);
    let mut edges: Vec<f32> = scored.iter().map(|s| s.excess).filter(|edge| *edge > LEAST).collect();
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
    candidates.min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))).map(|(_, _, level)| level)
}

/// Rounds `level` to as few decimals as keep it well within the gap; `None` if three are not enough.
fn in_few_digits(level: f32, low: f32, high: f32) -> Option<f32> {
    let rounded = [10.0, 100.0, 1000.0].map(|scale| ((f64::from(level) * scale).round() / scale) as f32);
    // Adding 0.0 turns -0.0 into 0.0, which would be written to the file as "-0.0" otherwise.
    let well_within = |rounded: &f32| (rounded - level).abs() <= (high - low) / 4.0 && (low..=high).contains(rounded);
    rounded.into_iter().map(|level| level + 0.0).find(well_within)
}

/// Cross-validation: each part of the data is decided with the thresholds that the other parts choose (M. Stone,
/// "Cross-validatory choice and assessment of statistical predictions", J. R. Stat. Soc. B 36, 1974). Recordings of one
/// person on one day are similar, so results on another day may be worse.
pub fn cross_validated(data: &Data, target: f64, others: &Thresholds) -> ErrorCounts {
    // The offsets in the configuration may come from the same data, so no part starts from them.
    let base = data.base(others);
    let mut sum = ErrorCounts { hours: data.hours(), ..ErrorCounts::default() };
    for part in 0..PARTS {
        let (kept, left_out) = data.without(part);
        // Allows as many false accepts as in all data, so the rate is higher for the fewer hours.
        let allowed = target * data.hours() / kept.hours();
        let chosen = fit(&kept, allowed, &base).unwrap_or_else(|| at(MOST, &base));
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

    fn scored(excess: f32, command: usize, right: bool) -> Scored {
        Scored { excess, command, right }
    }

    /// Recordings of sentences of command 0 heard right at these scores, and other sound whose nearest sentence is one
    /// of it.
    fn data(right: &[f32], other: &[f32], hours: f64) -> Data {
        let of = |positive| move |excess: &f32| recording(positive, Some((0, *excess)));
        let mut data = Data { recordings: right.iter().map(of(true)).chain(other.iter().map(of(false))).collect() };
        // In silence, a share for every part.
        let share = Example { hours: hours / PARTS as f64, ..recording(false, None) };
        data.recordings.extend(std::iter::repeat_n(share, PARTS));
        data
    }

    /// A recording in which this command is heard with this excess: right, if it is of a sentence.
    fn recording(positive: bool, heard: Option<(usize, f32)>) -> Example {
        let scored = heard.into_iter().map(|(command, excess)| scored(excess, command, positive)).collect();
        Example { positive, hours: 0.0, scored }
    }

    fn chosen(data: &Data, target: f64) -> Option<(f32, Vec<(usize, f32)>)> {
        let fitted = fit(data, target, &Thresholds::default())?;
        Some((
            0.0 - fitted.offset,
            fitted.offsets.into_iter().map(|(command, offset)| (command, 0.0 - offset)).collect(),
        ))
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
            assert_eq!(found, expected.map(|excess| (excess, Vec::new())), "{what}");
        }
    }

    #[test]
    fn taken_for_something_else_is_an_error_and_so_are_two_at_once() {
        let twice = Example { scored: vec![scored(5.0, 0, true), scored(-2.0, 1, false)], ..recording(true, None) };
        let mut data = data(&[-1.0, 3.0], &[], 1.0);
        data.recordings.push(twice);
        let tally = |data: &Data, excess| {
            let ErrorCounts { refused, wrong, .. } = data.tally(&at(excess, &Thresholds::default()));
            (refused, wrong)
        };
        assert_eq!([-3.0, -1.5, 0.0, 6.0].map(|excess| tally(&data, excess)), [(0, 1), (0, 0), (1, 0), (3, 0)]);
        assert_eq!(chosen(&data, 3.0), Some((-1.5, Vec::new())));
    }

    /// Other sound is taken for command 0 at -1, twice, and for command 1 at -8; command 0 is spoken at 2, command 1 as
    /// said.
    fn two_commands(count: usize, excess: f32) -> Data {
        let mut data = data(&[2.0; 40], &[-1.0; 2], 1.0);
        data.recordings.extend(std::iter::repeat_n(recording(true, Some((1, excess))), count));
        data.recordings.push(recording(false, Some((1, -8.0))));
        data
    }

    #[test]
    fn a_command_that_bears_it_has_a_threshold_of_its_own() {
        let with = |count, excess| chosen(&two_commands(count, excess), 3.0);
        assert_eq!(with(20, -4.0), Some((0.5, vec![(1, -6.0)])), "fewer are refused");
        assert_eq!(with(19, -4.0), Some((0.5, Vec::new())), "too few recordings of it");
        assert_eq!(with(20, 3.0), Some((0.5, Vec::new())), "none of it is refused anyway");
        assert_eq!(with(20, -9.0), Some((0.5, Vec::new())), "it would be one more false accept");
    }

    fn by_hand(command: usize, excess: f32) -> Thresholds {
        Thresholds { offsets: BTreeMap::from([(command, 0.0 - excess)]), ..Thresholds::default() }
    }

    #[test]
    fn what_was_set_by_hand_stays_where_the_recordings_are_too_few_to_choose_it() {
        type Case<'a> = (&'a str, usize, f32, f32, Option<(f32, &'a [(usize, f32)])>);
        let cases: [Case<'_>; 8] = [
            ("none of it", 0, 0.0, 8.0, Some((0.5, &[(1, 8.0)]))),
            ("too few of it", 19, 5.0, 8.0, Some((0.5, &[(1, 8.0)]))),
            ("too few of it, all refused", 19, -4.0, 8.0, Some((0.5, &[(1, 8.0)]))),
            ("enough, and it needs none", 20, 5.0, 8.0, Some((0.5, &[]))),
            ("enough, for another", 20, -4.0, 8.0, Some((0.5, &[(1, -6.0)]))),
            ("enough, for the same", 20, -4.0, -6.0, Some((0.5, &[(1, -6.0)]))),
            ("what it accepts counts, and is too much", 19, 5.0, -9.0, None),
            ("what it accepts counts, and is none", 19, 5.0, -7.5, Some((0.5, &[(1, -7.5)]))),
        ];
        for (what, count, spoken, set, expected) in cases {
            let data = two_commands(count, spoken);
            let fitted = fit(&data, 3.0, &by_hand(1, set));
            let own = |own: &[(usize, f32)]| own.iter().map(|(command, excess)| (*command, 0.0 - excess)).collect();
            let expected = expected.map(|(excess, commands)| (0.0 - excess, own(commands)));
            assert_eq!(fitted.as_ref().map(|f| (f.offset, f.offsets.clone())), expected, "{what}");
            if let Some(fitted) = fitted {
                assert_eq!(fit(&data, 3.0, &fitted), Some(fitted), "{what}: a second time changes nothing");
            }
        }
        // What is heard of it says nothing of the others: with -7 among their scores theirs would be set to -4.5.
        let mut data = data(&[2.0; 40], &[-11.0], 1.0);
        data.recordings.push(recording(true, Some((1, -7.0))));
        assert_eq!(fit(&data, 3.0, &by_hand(1, -9.0)), Some(Thresholds { offset: 0.0, ..by_hand(1, -9.0) }));
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

    #[test]
    fn a_part_has_the_hours_of_its_own_recordings() {
        let other = [1.0, 0.5, 0.25].map(|hours| Example { hours, ..recording(false, None) });
        let spoken = Example { hours: 9.0, ..recording(true, None) };
        let data = Data { recordings: [&other[..], &[spoken]].concat() };
        let hours: Vec<(f64, f64)> = (0..PARTS)
            .map(|part| {
                let (kept, left_out) = data.without(part);
                (kept.hours(), left_out.hours())
            })
            .collect();
        assert_eq!(hours, [(1.75, 0.0), (0.75, 1.0), (1.25, 0.5), (1.5, 0.25), (1.75, 0.0)]);
    }

    #[test]
    fn other_sound_in_a_single_recording_is_decided_by_thresholds_that_know_of_none() {
        let mut data = data(&[2.0; 50], &[], 0.0);
        data.recordings.push(Example { hours: 1.0, ..recording(false, Some((0, 1.0))) });
        assert_eq!(chosen(&data, 3.0), Some((1.5, Vec::new())));
        let left_out = cross_validated(&data, 3.0, &Thresholds::default());
        assert_eq!((left_out.refused, left_out.false_accepts, left_out.hours), (0, 1, 1.0));
    }

    #[test]
    fn what_was_chosen_by_the_same_recordings_is_not_taken_for_set_by_hand() {
        // A fifth less than the 20 recordings of command 1 are too few for a threshold of its own.
        let data = two_commands(20, -4.0);
        let once = fit(&data, 3.0, &Thresholds::default()).unwrap();
        assert_eq!(once.offsets, BTreeMap::from([(1, 6.0)]));
        let [first, second] = [&Thresholds::default(), &once].map(|others| cross_validated(&data, 3.0, others));
        assert_eq!((first.refused, first), (20, second));
    }
}
