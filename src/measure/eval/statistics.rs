//! Shares and rates with confidence intervals, quantiles and histograms. No input or output.

/// The standard normal's quantile for 95 %, both sides.
const Z95: f64 = 1.959_963_984_540_054;
/// The share that a 95 % interval leaves out on each side.
const TAIL: f64 = 0.025;

/// A measured share or rate, and the 95 % interval around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// As measured.
    pub is: f64,
    /// At least this.
    pub low: f64,
    /// At most this.
    pub high: f64,
}

/// The share `hits` of `all`; `None` if `all` is 0. The interval is Wilson's score interval (E. B. Wilson, "Probable
/// inference", J. Am. Stat. Assoc. 22, 1927), which is also good for few cases and for shares near 0 and 1 (Brown, Cai,
/// DasGupta, 2001).
pub fn share(hits: usize, all: usize) -> Option<Estimate> {
    let n = all as f64;
    let is = hits as f64 / n;
    let centre = is + Z95 * Z95 / (2.0 * n);
    let reach = Z95 * (is * (1.0 - is) / n + Z95 * Z95 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z95 * Z95 / n;
    let (low, high) = (((centre - reach) / scale).max(0.0), ((centre + reach) / scale).min(1.0));
    let (low, high) = (if hits == 0 { 0.0 } else { low }, if hits == all { 1.0 } else { high });
    (all > 0).then_some(Estimate { is, low, high })
}

/// The rate of `events` an hour in `hours`; `None` for 0 hours. The interval is the exact one of a Poisson count (F.
/// Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28, 1936).
pub fn rate(events: usize, hours: f64) -> Option<Estimate> {
    let low = if events == 0 { 0.0 } else { poisson_mean(events - 1, 1.0 - TAIL) };
    let high = poisson_mean(events, TAIL);
    (hours > 0.0).then(|| Estimate { is: events as f64 / hours, low: low / hours, high: high / hours })
}

/// The rate an hour that `events` in `hours` are not above with 95 % confidence: Garwood's upper limit, one-sided.
/// Without an event it is 3.0 over the hours.
pub fn rate_bound(events: usize, hours: f64) -> f64 {
    poisson_mean(events, 2.0 * TAIL) / hours
}

/// The mean at which a Poisson count is at most `count` with `probability`, by bisection.
fn poisson_mean(count: usize, probability: f64) -> f64 {
    let (mut low, mut high) = (0.0, 2.0 * count as f64 + 20.0);
    for _ in 0..100 {
        let mean = (low + high) / 2.0;
        if at_most(count, mean) > probability { low = mean } else { high = mean }
    }
    (low + high) / 2.0
}

/// The probability that a Poisson count with this `mean` is at most `count`. In logarithms: e^-mean may be too small.
fn at_most(count: usize, mean: f64) -> f64 {
    let mut log = -mean;
    let mut sum = log.exp();
    for i in 1..=count {
        log += (mean / i as f64).ln();
        sum += log.exp();
    }
    sum
}

/// The value that a `share` of `values` do not exceed: the nearest rank.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

/// The standard normal's quantile of `p`, within 1.2e-9 of it: P. J. Acklam's rational approximation (2003).
pub fn probit(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e+01,
        2.209460984245205e+02,
        -2.759285104469687e+02,
        1.38357751867269e+02,
        -3.066479806614716e+01,
        2.506628277459239,
    ];
    const B: [f64; 6] = [
        -5.447609879822406e+01,
        1.615858368580409e+02,
        -1.556989798598866e+02,
        6.680131188771972e+01,
        -1.328068155288572e+01,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784894002430293e-03,
        -3.223964580411365e-01,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const D: [f64; 5] = [7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996, 3.754408661907416, 1.0];
    const TAILS: f64 = 0.02425;
    let polynomial = |factors: &[f64], x: f64| factors.iter().fold(0.0, |sum, factor| sum * x + factor);
    if p > 0.5 {
        return -probit(1.0 - p);
    }
    if p < TAILS {
        let q = (-2.0 * p.ln()).sqrt();
        return polynomial(&C, q) / polynomial(&D, q);
    }
    let q = p - 0.5;
    polynomial(&A, q * q) * q / polynomial(&B, q * q)
}

/// How many values lie in each bin. What lies beyond the ends is counted in the last bin of that end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bins {
    /// Where the first bin begins.
    pub from: f32,
    /// How wide each is.
    pub width: f32,
    /// How many there are.
    pub count: usize,
}

impl Bins {
    /// Counts `values`.
    pub fn count(&self, values: impl IntoIterator<Item = f32>) -> Vec<usize> {
        let mut counts = vec![0; self.count];
        for value in values {
            let bin = ((value - self.from) / self.width).floor().max(0.0) as usize;
            counts[bin.min(self.count - 1)] += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: Option<Estimate>, expected: (f64, f64, f64), what: &str) {
        let Estimate { is, low, high } = found.unwrap();
        for (found, expected) in [(is, expected.0), (low, expected.1), (high, expected.2)] {
            assert!((found - expected).abs() < 5e-5 * expected.abs().max(1.0), "{what}: {found} should be {expected}");
        }
    }

    #[test]
    fn wilsons_interval_is_as_published() {
        // Newcombe, "Two-sided confidence intervals for the single proportion", Stat. Med. 17, 1998, table I, method 3.
        let cases = [
            (81, 263, (0.30798, 0.2553, 0.3662)),
            (15, 148, (0.10135, 0.0624, 0.1605)),
            (0, 20, (0.0, 0.0, 0.1611)),
            (1, 29, (0.03448, 0.0061, 0.1718)),
            (29, 29, (1.0, 0.8830, 1.0)),
        ];
        for (hits, all, expected) in cases {
            near(share(hits, all), expected, &format!("{hits} of {all}"));
        }
        assert_eq!(share(0, 0), None);
    }

    #[test]
    fn garwoods_interval_is_as_published() {
        let cases = [
            (0, 1.0, (0.0, 0.0, 3.68888)),
            (1, 1.0, (1.0, 0.025318, 5.57164)),
            (2, 0.5, (4.0, 2.0 * 0.242209, 2.0 * 7.22469)),
            (10, 1.0, (10.0, 4.79539, 18.39036)),
            (100, 10.0, (10.0, 8.13640, 12.16277)),
            (2000, 1.0, (2000.0, 1913.3, 2089.6)),
        ];
        for (events, hours, expected) in cases {
            near(rate(events, hours), expected, &format!("{events} in {hours} h"));
        }
        assert_eq!(rate(0, 0.0), None);
    }

    #[test]
    fn the_one_sided_limit_is_half_the_chi_squared_tables() {
        let cases = [(0, 1.0, 2.99573), (1, 1.0, 4.74386), (2, 0.5, 2.0 * 6.29579), (10, 1.0, 16.96222)];
        for (events, hours, expected) in cases {
            let found = rate_bound(events, hours);
            assert!((found - expected).abs() < 5e-5, "{events} in {hours} h: {found} should be {expected}");
        }
    }

    #[test]
    fn quantiles_are_the_nearest_rank() {
        let values: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        let cases = [(0.0, 1.0), (0.5, 10.0), (0.95, 19.0), (1.0, 20.0)];
        assert!(cases.iter().all(|(share, value)| quantile(&values, *share) == Some(*value)));
        assert_eq!(quantile(&[7.0], 0.95), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn the_probit_is_the_normal_tables() {
        let cases = [(0.5, 0.0), (0.975, Z95), (0.025, -Z95), (0.01, -2.326_347_874), (0.2, -0.841_621_234)];
        for (p, expected) in cases {
            assert!((probit(p) - expected).abs() < 1e-8, "probit({p}) = {}", probit(p));
        }
    }

    #[test]
    fn bins_hold_all_values() {
        let bins = Bins { from: -2.0, width: 0.5, count: 4 };
        assert_eq!(bins.count([-9.0, -2.0, -1.5, -0.6, 0.0, 7.0]), [2, 1, 1, 2]);
    }
}
