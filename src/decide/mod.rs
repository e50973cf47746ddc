//! The decision whether an utterance is a command. No input or output.

/// Commands that wait to be confirmed.
pub mod confirm;
/// What is measured of an utterance.
pub mod features;
/// What may follow, by a decision on the words so far.
pub mod outlook;
/// The rule of `requires`: the states of outputs.
pub mod requires;
/// The rules that reject, in their order, and the reasons.
pub mod rules;
/// What a command must reach to be accepted.
pub mod thresholds;
/// How much each feature counts, by the model.
pub mod weights;
