//! Regularized logistic regression, by Newton's method (iteratively reweighted least squares: P. McCullagh, J. A. Nelder,
//! "Generalized Linear Models", 1989, section 4.4). Pure.

use hearken::decide::features::COUNT;

use crate::table::{Row, row_weights};

/// The intercept comes first.
const N: usize = COUNT + 1;
/// Newton's steps at most; a dozen suffice.
const STEPS: usize = 100;
/// A step that moves nothing by more than this is the last.
const STILL: f64 = 1e-9;
/// Parts of the cross-validation. All utterances of a speaker are in one.
pub const PARTS: u64 = 5;

/// What was fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// Of each feature, where it was fitted.
    pub means: [f64; COUNT],
    /// Their standard deviations.
    pub spreads: [f64; COUNT],
    /// The intercept and the weights of the standardized features.
    pub coefficients: [f64; N],
    /// Their standard errors, by the inverse of the penalized Hessian.
    pub errors: [f64; N],
}

impl Fit {
    /// Log-odds that a row should be obeyed.
    pub fn log_odds(&self, values: &[f32; COUNT]) -> f64 {
        self.design(values).iter().zip(&self.coefficients).map(|(x, c)| x * c).sum()
    }

    fn design(&self, values: &[f32; COUNT]) -> [f64; N] {
        let mut design = [1.0; N];
        for (at, value) in values.iter().enumerate() {
            design[at + 1] = (f64::from(*value) - self.means[at]) / self.spreads[at];
        }
        design
    }
}

/// Fits the rows that have features, with `penalty` times half the squares of the weights, the intercept free.
pub fn fit(rows: &[Row], penalty: f64) -> Fit {
    let weights = row_weights(rows);
    let known =
        rows.iter().zip(weights).filter_map(|(row, weight)| Some((*row.features?.values(), row.right(), weight)));
    let known: Vec<([f32; COUNT], bool, f64)> = known.collect();
    let (means, spreads) = scaling(&known);
    let mut fit = Fit { means, spreads, coefficients: [0.0; N], errors: [0.0; N] };
    for _ in 0..STEPS {
        let (gradient, hessian) = slope(&fit, &known, penalty);
        let inverse = inverse(hessian);
        let step: [f64; N] = std::array::from_fn(|i| (0..N).map(|j| inverse[i][j] * gradient[j]).sum());
        fit.coefficients.iter_mut().zip(step).for_each(|(c, s)| *c += s);
        fit.errors = std::array::from_fn(|i| inverse[i][i].sqrt());
        if step.iter().all(|s| s.abs() < STILL) {
            break;
        }
    }
    fit
}

fn scaling(known: &[([f32; COUNT], bool, f64)]) -> ([f64; COUNT], [f64; COUNT]) {
    let n = known.len().max(1) as f64;
    let mean = |at: usize| known.iter().map(|(values, ..)| f64::from(values[at])).sum::<f64>() / n;
    let means: [f64; COUNT] = std::array::from_fn(mean);
    let variance = |at: usize| known.iter().map(|(v, ..)| (f64::from(v[at]) - means[at]).powi(2)).sum::<f64>() / n;
    (means, std::array::from_fn(|at| variance(at).sqrt().max(1e-6)))
}

/// Gradient of the penalized log-likelihood, and the negative of its Hessian.
fn slope(fit: &Fit, known: &[([f32; COUNT], bool, f64)], penalty: f64) -> ([f64; N], [[f64; N]; N]) {
    let (mut gradient, mut hessian) = ([0.0; N], [[0.0; N]; N]);
    for (values, right, weight) in known {
        let x = fit.design(values);
        let log_odds: f64 = x.iter().zip(&fit.coefficients).map(|(x, c)| x * c).sum();
        let p = 1.0 / (1.0 + (-log_odds).exp());
        for i in 0..N {
            gradient[i] += weight * x[i] * (f64::from(u8::from(*right)) - p);
            for j in 0..N {
                hessian[i][j] += weight * p * (1.0 - p) * x[i] * x[j];
            }
        }
    }
    for i in 1..N {
        gradient[i] -= penalty * fit.coefficients[i];
        hessian[i][i] += penalty;
    }
    (gradient, hessian)
}

/// The inverse of a positive definite matrix, by Gauss and Jordan with pivots.
fn inverse(mut matrix: [[f64; N]; N]) -> [[f64; N]; N] {
    let mut out: [[f64; N]; N] = std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j))));
    for column in 0..N {
        let pivot = (column..N).max_by(|a, b| matrix[*a][column].abs().total_cmp(&matrix[*b][column].abs()));
        let pivot = pivot.unwrap_or(column);
        matrix.swap(column, pivot);
        out.swap(column, pivot);
        let scale = matrix[column][column];
        matrix[column].iter_mut().chain(&mut out[column]).for_each(|x| *x /= scale);
        for row in (0..N).filter(|row| *row != column) {
            let factor = matrix[row][column];
            for j in 0..N {
                matrix[row][j] -= factor * matrix[column][j];
                out[row][j] -= factor * out[column][j];
            }
        }
    }
    out
}

/// Log-odds of each row by what the rows of other speakers fit; none for a row without features. No speaker is on both sides.
pub fn cross_validated(rows: &[Row], penalty: f64) -> Vec<Option<f64>> {
    held_out(rows, penalty, PARTS, |row| row.speaker % PARTS)
}

/// The same with one set after the other left out.
pub fn without_set(rows: &[Row], penalty: f64) -> Vec<Option<f64>> {
    let mut sets: Vec<&str> = rows.iter().map(|row| row.set.as_str()).collect();
    sets.sort_unstable();
    sets.dedup();
    let number = |row: &Row| sets.iter().position(|set| *set == row.set).unwrap_or(0) as u64;
    held_out(rows, penalty, sets.len() as u64, number)
}

fn held_out(rows: &[Row], penalty: f64, parts: u64, part_of: impl Fn(&Row) -> u64) -> Vec<Option<f64>> {
    let mut out = vec![None; rows.len()];
    for part in 0..parts {
        let kept: Vec<Row> = rows.iter().filter(|row| part_of(row) != part).cloned().collect();
        let fit = fit(&kept, penalty);
        for (row, log_odds) in rows.iter().zip(&mut out).filter(|(row, _)| part_of(row) == part) {
            *log_odds = row.features.map(|features| fit.log_odds(features.values()));
        }
    }
    out
}

/// The mean negative log-likelihood of the rows by their log-odds, each row by its weight; in nats.
pub fn log_loss(rows: &[Row], log_odds: &[Option<f64>]) -> f64 {
    let (mut sum, mut total) = (0.0, 0.0);
    for ((row, log_odds), weight) in rows.iter().zip(log_odds).zip(row_weights(rows)) {
        let Some(log_odds) = log_odds else { continue };
        let signed = if row.right() { -log_odds } else { *log_odds };
        sum += weight * if signed > 30.0 { signed } else { signed.exp().ln_1p() };
        total += weight;
    }
    sum / total
}
