//! Whether an utterance is obeyed: named features of what was heard, their weights by the model, and the few rules that no
//! weight can express. Pure.

pub mod features;
pub mod requires;
pub mod rules;
pub mod weights;
