//! The weights of the features for each model, from a table that `make fit` writes. No input or output.
//!
//! The log-odds that a person said the best sentence are a sum: an intercept, and for each feature its weight times its
//! distance from the mean in standard deviations (logistic regression: D. R. Cox, "The regression analysis of binary
//! sequences", J. R. Stat. Soc. B 20, 1958).

use super::features::{COUNT, FEATURES, Features};
use crate::document::{Document, Problems, Section, Value};
use crate::recognize::models;

/// The weight of a feature and its scale.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Part {
    /// Log-odds, in nats, for each standard deviation above the mean.
    pub weight: f32,
    /// Mean of the feature in the data of the fit.
    pub mean: f32,
    /// Standard deviation of the feature in the data of the fit.
    pub spread: f32,
}

/// The weights for one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// The model's file name.
    pub model: String,
    /// SHA-256 of the model's file.
    pub sha256: String,
    /// Log-odds, in nats, if every feature has its mean.
    pub intercept: f32,
    /// The parts of the features, in the order of [`FEATURES`].
    pub parts: [Part; COUNT],
}

impl Weights {
    /// The weights for the model `name`, or for the user's own model with the hash `sha256`. A model without a table
    /// gets those of the default model, which may fit it badly.
    pub fn of_model(name: &str, sha256: Option<&str>) -> Weights {
        models::table(name, sha256).map_or_else(Weights::default, of_table)
    }

    /// What each feature adds to the log-odds, in the order of [`FEATURES`].
    pub fn products(&self, features: &Features) -> [f32; COUNT] {
        let mut products = *features.values();
        for (value, part) in products.iter_mut().zip(&self.parts) {
            *value = part.weight * (*value - part.mean) / part.spread;
        }
        products
    }

    /// Log-odds that a person said the sentence, in nats: 0 is even odds.
    pub fn log_odds(&self, features: &Features) -> f32 {
        self.intercept + self.products(features).iter().sum::<f32>()
    }
}

impl Default for Weights {
    /// The weights for the default model.
    fn default() -> Self {
        of_table(models::TABLES[0])
    }
}

fn of_table(table: models::Table) -> Weights {
    parse(table.name, table.text).expect("the tables of weights should be good: a test reads them")
}

/// The probability that log-odds stand for, 0 to 1.
pub fn probability(log_odds: f32) -> f32 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// Reads a table.
///
/// # Errors
/// The faults of the table, with their places.
pub fn parse(name: &str, text: &str) -> Result<Weights, Problems> {
    let weights = Document::new(name, text).read(|root| {
        let weights = table(&root);
        root.end();
        weights
    })?;
    Ok(weights.expect("a table without problems should give weights"))
}

fn table(root: &Section<'_>) -> Option<Weights> {
    let model = root.need("model", "model = \"…\"").and_then(|v| v.string());
    let sha256 = root.need("sha256", "sha256 = \"…\"").and_then(|v| v.string());
    if let Some(sha256) = sha256.as_ref().filter(|sha256| !models::is_sha256(&sha256.value)) {
        root.problem_at(sha256, "64 lower-case hexadecimal digits are needed");
    }
    let fitted = root.need("fitted", "[fitted]").and_then(|v| v.section());
    fitted.into_iter().for_each(|fitted| drop(fitted.entries()));
    let intercept = root.need("intercept", "intercept = 0.0").and_then(number);
    let features = root.need("features", "[features]").and_then(|v| v.section())?;
    let mut parts = [Part::default(); COUNT];
    for (part, feature) in parts.iter_mut().zip(FEATURES) {
        let read = features.need(feature.name, "{ weight = 1.0, mean = 0.0, spread = 1.0 }").and_then(|v| v.section());
        *part = read.and_then(one).unwrap_or_default();
    }
    features.end();
    // The search reads this section, so its keys count as known here.
    root.need("search", "[search]").and_then(|v| v.section()).map(|search| search.entries());
    Some(Weights { model: model?.value, sha256: sha256?.value, intercept: intercept?, parts })
}

fn number(value: Value<'_>) -> Option<f32> {
    value.number(-1e4..=1e4).map(|number| number as f32)
}

fn one(section: Section<'_>) -> Option<Part> {
    let need = |name: &str| section.need(name, &format!("{name} = 1.0"));
    let [weight, mean] = ["weight", "mean"].map(|name| need(name).and_then(number));
    let spread = need("spread").and_then(|v| v.number(1e-6..=1e4));
    section.get("error").and_then(number);
    section.end();
    Some(Part { weight: weight?, mean: mean?, spread: spread? as f32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_tables_are_good_and_name_their_model_by_the_manifest_s_hash() {
        for models::Table { model, name, text } in models::TABLES {
            let weights = parse(name, text).unwrap_or_else(|e| panic!("{e}"));
            let listed = models::known(model).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!((weights.model.as_str(), &weights.sha256), (model, &listed.sha256), "{name}");
            assert_eq!(Weights::of_model(model, None), weights);
        }
        assert_eq!(Weights::of_model("/tmp/mine.bin", Some("0")), Weights::default());
    }

    #[test]
    fn the_products_and_the_intercept_add_up_to_the_log_odds() {
        let weights = Weights::default();
        let mean = Features::from_values(weights.parts.map(|part| part.mean));
        assert!((weights.log_odds(&mean) - weights.intercept).abs() < 1e-4);
        let mut above = *mean.values();
        above[0] += weights.parts[0].spread;
        let added = weights.log_odds(&Features::from_values(above)) - weights.intercept;
        assert!((added - weights.parts[0].weight).abs() < 1e-3);
        for (log_odds, expected) in [(0.0, 0.5), (100.0, 1.0), (-200.0, 0.0), (3f32.ln(), 0.75)] {
            assert!((probability(log_odds) - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn a_fault_in_a_table_is_named_with_its_place() {
        let models::Table { name, text, .. } = models::TABLES[0];
        let cases = [
            ("intercept = ", "intercpt = ", "intercept"),
            ("[features]", "[features]\nnonsense = 1", "nonsense"),
            ("sha256 = \"", "sha256 = \"X", "64 lower-case hexadecimal digits"),
        ];
        for (from, to, words) in cases {
            let fault = parse(name, &text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(fault.contains(words) && fault.contains(name), "{fault}");
        }
    }
}
