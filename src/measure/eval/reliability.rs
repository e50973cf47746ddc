//! The reliability of probabilities: how often the events with a given probability happen. No input or output.

use serde_json::{Value, json};

/// How many bins there are, each as wide as the others.
pub const BINS: usize = 10;

/// The probabilities in one bin.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bin {
    /// How many there are.
    pub count: usize,
    /// Their mean, 0 to 1.
    pub given: f64,
    /// The share of them whose sentence was said, 0 to 1.
    pub said: f64,
}

/// Measures of the quality of probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability {
    /// Brier score: the mean square error of the probabilities. 0 is best; always giving one half has 0.25 (G. W.
    /// Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78, 1950).
    pub brier: f64,
    /// By the probability that was given: from 0 to 1 / [`BINS`], and so on.
    pub bins: [Bin; BINS],
}

impl Reliability {
    /// Of probabilities, each with whether it came true and how much it counts; none if there are none.
    pub fn of(probabilities: impl Iterator<Item = (f64, bool, f64)>) -> Option<Reliability> {
        let (mut weights, mut bins, mut squares) = ([0.0; BINS], [Bin::default(); BINS], 0.0);
        for (p, said, weight) in probabilities {
            let said = f64::from(u8::from(said));
            let at = ((p * BINS as f64) as usize).min(BINS - 1);
            let bin = &mut bins[at];
            *bin = Bin { count: bin.count + 1, given: bin.given + weight * p, said: bin.said + weight * said };
            weights[at] += weight;
            squares += weight * (p - said).powi(2);
        }
        for (bin, weight) in bins.iter_mut().zip(weights).filter(|(_, weight)| *weight > 0.0) {
            (bin.given, bin.said) = (bin.given / weight, bin.said / weight);
        }
        let total: f64 = weights.iter().sum();
        (total > 0.0).then(|| Reliability { brier: squares / total, bins })
    }

    /// The bins that hold any, each with the bounds of its probabilities in percent.
    pub fn filled(&self) -> impl Iterator<Item = ([usize; 2], &Bin)> {
        let percent = |number: usize| number * 100 / BINS;
        let bounded = self.bins.iter().enumerate().map(move |(n, bin)| ([percent(n), percent(n + 1)], bin));
        bounded.filter(|(_, bin)| bin.count > 0)
    }

    /// The bins as JSON.
    pub fn json(&self) -> Value {
        let rounded = |share: f64| (share * 1000.0).round() / 1000.0;
        let bin =
            |(_, bin): (_, &Bin)| json!({"count": bin.count, "given": rounded(bin.given), "said": rounded(bin.said)});
        self.filled().map(bin).collect()
    }
}
