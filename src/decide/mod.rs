//! The decision whether an utterance is a command: the features of the utterance, their weights for each model, and a
//! few rules that weights cannot express. No input or output.

pub mod features;
pub mod requires;
pub mod rules;
pub mod weights;
