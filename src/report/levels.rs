//! The noise floor and the peak of the last minute, from the levels of frames. No clock: frames are time.

/// Frames of a window: 30 s of 16 ms each. Shorter than that, one long sentence would be the floor.
const WINDOW: u64 = 1875;
/// The lowest level that is told apart, in dBFS: 16-bit samples end at -96.
const LOWEST: f32 = -100.0;
/// One bin for each dB from [`LOWEST`] to 0.
const BINS: usize = 101;
/// The noise floor is the level below which this share of the frames is: people pause for longer, even when they talk.
const FLOOR: f64 = 0.1;

/// The levels of the present window and of the one before.
#[derive(Debug, Clone)]
pub struct Levels {
    windows: [[u32; BINS]; 2],
    frames: u64,
}

impl Default for Levels {
    fn default() -> Self {
        Levels { windows: [[0; BINS]; 2], frames: 0 }
    }
}

impl Levels {
    /// Adds a frame of this level in dBFS.
    pub fn push(&mut self, dbfs: f32) {
        if self.frames > 0 && self.frames.is_multiple_of(WINDOW) {
            self.windows.swap(0, 1);
            self.windows[0] = [0; BINS];
        }
        self.frames += 1;
        // A level that is no number counts as the lowest.
        let bin = (dbfs.max(LOWEST) - LOWEST).round() as usize;
        self.windows[0][bin.min(BINS - 1)] += 1;
    }

    /// Frames that were ever added.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// The noise floor and the loudest frame of the last 30 to 60 seconds in dBFS, to 1 dB; `None` before any frame.
    pub fn floor_and_loudest(&self) -> Option<[f32; 2]> {
        let bins: Vec<u64> = (0..BINS).map(|bin| self.windows.iter().map(|w| u64::from(w[bin])).sum()).collect();
        let level = |bin: usize| LOWEST + bin as f32;
        let tenth = (bins.iter().sum::<u64>() as f64 * FLOOR).ceil() as u64;
        let floor = bins.iter().scan(0, |below, count| {
            *below += count;
            Some(*below)
        });
        let floor = floor.into_iter().position(|below| below > 0 && below >= tenth)?;
        Some([level(floor), level(bins.iter().rposition(|count| *count > 0)?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many frames of a level, one after the other.
    type Told = &'static [(u64, f32)];

    /// The floor and the peak after so many frames of each level.
    fn after(told: Told) -> Option<[f32; 2]> {
        let mut levels = Levels::default();
        for (frames, dbfs) in told {
            (0..*frames).for_each(|_| levels.push(*dbfs));
        }
        levels.floor_and_loudest()
    }

    #[test]
    fn the_floor_is_what_a_tenth_is_below_and_an_old_minute_is_forgotten() {
        let table: [(Told, Option<[f32; 2]>); 8] = [
            (&[], None),
            (&[(1, -60.0)], Some([-60.0, -60.0])),
            (&[(100, -60.4), (800, -20.0)], Some([-60.0, -20.0])),
            (&[(80, -60.0), (920, -20.0)], Some([-20.0, -20.0])),
            (&[(3, f32::NAN), (3, f32::NEG_INFINITY)], Some([-100.0, -100.0])),
            (&[(5, 7.0)], Some([0.0, 0.0])),
            (&[(1, -10.0), (2 * WINDOW - 1, -50.0)], Some([-50.0, -10.0])),
            (&[(1, -10.0), (2 * WINDOW, -50.0)], Some([-50.0, -50.0])),
        ];
        for (told, expected) in table {
            assert_eq!(after(told), expected, "{told:?}");
        }
    }
}
