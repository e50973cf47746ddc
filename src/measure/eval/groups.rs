//! The results of each set and of each speaker. No input or output.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::expected::Expected;
use super::statistics::{Estimate, share};
use super::summary::three_digits;
use super::{Clip, Grade};

/// Most speakers in a table, so that it fits on a screen. The JSON has all of them.
pub const WORST_SPEAKERS: usize = 5;

/// The headings of a table of groups, after the name.
pub const COLUMNS: [&str; 8] =
    ["clips", "found", "right", "right, %", "wrong", "refused", "false accepts", "hours of other sound"];

/// The results of the clips of one group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Clips decided.
    pub clips: usize,
    /// Clips that should be refused.
    pub negatives: usize,
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
    /// Hours of the clips that should be refused.
    pub hours: f64,
}

impl Counts {
    fn add(&mut self, clip: &Clip) {
        self.clips += 1;
        self.found += usize::from(clip.found() == Some(true));
        self.right += usize::from(clip.grade == Grade::Right);
        self.wrong += usize::from(clip.grade == Grade::Wrong);
        self.refused += usize::from(clip.grade == Grade::Refused);
        if clip.expected == Expected::Rejected {
            self.negatives += 1;
            self.false_accepts += clip.utterances.iter().filter(|u| u.accepted()).count();
            self.hours += clip.seconds / 3600.0;
        }
    }

    /// The share of all clips that is right.
    pub fn right_share(&self) -> Option<Estimate> {
        share(self.right, self.clips)
    }

    /// The counts in words, a cell for each of [`COLUMNS`].
    pub fn cells(&self) -> [String; 8] {
        let Counts { clips, found, right, wrong, refused, false_accepts, hours, .. } = self;
        let percent = self.right_share().map_or("-".into(), |right| format!("{:.1}", right.is * 100.0));
        let [clips, found, right, wrong, refused, false_accepts] =
            [clips, found, right, wrong, refused, false_accepts].map(usize::to_string);
        let hours = if self.negatives > 0 { three_digits(*hours) } else { "-".into() };
        [clips, found, right, percent, wrong, refused, false_accepts, hours]
    }

    fn json(&self) -> Value {
        let Counts { clips, negatives, found, right, wrong, refused, false_accepts, hours } = self;
        json!({
            "clips": clips, "negatives": negatives, "found": found, "right": right, "wrong": wrong, "refused": refused,
            "false_accepts": false_accepts, "hours": hours,
        })
    }
}

/// Groups by their names.
pub type Groups = BTreeMap<String, Counts>;

/// Counts the `clips` by the name that `group` returns. Clips without a name are not counted.
pub fn counted(clips: &[Clip], group: impl Fn(&Clip) -> Option<&String>) -> Groups {
    let mut groups = Groups::new();
    for clip in clips {
        if let Some(name) = group(clip) {
            groups.entry(name.clone()).or_default().add(clip);
        }
    }
    groups
}

/// The [`WORST_SPEAKERS`] with the lowest share right, the lowest first; of two with the same share the one with more
/// clips.
pub fn worst(speakers: &Groups) -> Vec<(&String, &Counts)> {
    let mut worst: Vec<_> = speakers.iter().collect();
    worst.sort_by(|(_, one), (_, other)| {
        let shares = (one.right * other.clips).cmp(&(other.right * one.clips));
        shares.then(other.clips.cmp(&one.clips))
    });
    worst.truncate(WORST_SPEAKERS);
    worst
}

/// The heading of a table that shows `shown` of the `speakers`.
pub fn speakers_heading(speakers: usize, shown: usize) -> String {
    match (speakers, shown) {
        (1, _) => "1 speaker".into(),
        (all, shown) if shown < all => format!("{all} speakers, the {shown} with the lowest share right"),
        (all, _) => format!("{all} speakers, the lowest share right first"),
    }
}

/// [`Groups`] as one JSON object.
pub fn json(groups: &Groups) -> Value {
    groups.iter().map(|(name, counts)| (name.clone(), counts.json())).collect::<serde_json::Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(expected: Expected, grade: Grade, set: &str, speaker: Option<&str>) -> Clip {
        Clip {
            name: String::new(),
            set: Some(set.into()),
            speaker: speaker.map(String::from),
            expected,
            seconds: 1800.0,
            cut: false,
            utterances: Vec::new(),
            sound: None,
            grade,
        }
    }

    #[test]
    fn clips_are_counted_by_their_sets_and_those_without_a_name_are_not() {
        let sentence = || Expected::Sentence("on".into());
        let clips = [
            clip(sentence(), Grade::Right, "near", Some("ann")),
            clip(sentence(), Grade::Wrong, "far", Some("ann")),
            clip(sentence(), Grade::Refused, "far", None),
            clip(Expected::Rejected, Grade::Right, "far", None),
            clip(Expected::Rejected, Grade::FalseAccept, "far", Some("bob")),
        ];
        let sets = counted(&clips, |clip| clip.set.as_ref());
        let far = Counts { clips: 4, negatives: 2, right: 1, wrong: 1, refused: 1, hours: 1.0, ..Counts::default() };
        let near = Counts { clips: 1, right: 1, ..Counts::default() };
        assert_eq!(sets, Groups::from([("far".into(), far.clone()), ("near".into(), near.clone())]));
        let speakers = counted(&clips, |clip| clip.speaker.as_ref());
        let clips_of: Vec<(&str, usize)> =
            speakers.iter().map(|(name, counts)| (name.as_str(), counts.clips)).collect();
        assert_eq!(clips_of, [("ann", 2), ("bob", 1)]);
        assert_eq!(far.cells(), ["4", "0", "1", "25.0", "1", "1", "0", "1.00"]);
        assert_eq!(near.cells(), ["1", "0", "1", "100.0", "0", "0", "0", "-"], "no other sound");
        assert_eq!(json(&sets)["far"]["hours"], 1.0);
    }

    #[test]
    fn the_worst_speakers_have_the_lowest_share_right_and_then_more_clips() {
        type Speaker = (&'static str, usize, usize);
        let speaker = |(name, right, clips): &Speaker| {
            (name.to_string(), Counts { clips: *clips, right: *right, ..Counts::default() })
        };
        let cases: [(&[Speaker], &[&str], &str); 4] = [
            (&[], &[], "0 speakers, the lowest share right first"),
            (&[("ann", 0, 1)], &["ann"], "1 speaker"),
            (
                &[("ann", 1, 2), ("bob", 9, 20), ("cid", 3, 6)],
                &["bob", "cid", "ann"],
                "3 speakers, the lowest share right first",
            ),
            (
                &[("a", 6, 9), ("b", 5, 9), ("c", 4, 9), ("d", 3, 9), ("e", 2, 9), ("f", 1, 9)],
                &["f", "e", "d", "c", "b"],
                "6 speakers, the 5 with the lowest share right",
            ),
        ];
        for (speakers, names, heading) in cases {
            let speakers: Groups = speakers.iter().map(speaker).collect();
            let worst: Vec<&str> = worst(&speakers).into_iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!((worst.as_slice(), speakers_heading(speakers.len(), worst.len()).as_str()), (names, heading));
        }
    }
}
