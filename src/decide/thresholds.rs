//! What a command must reach to be accepted: the log-odds that are needed, by the cost of a wrong action. No input or
//! output.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::features::Features;
use super::weights::Weights;
use crate::recognize::Heard;

/// The thresholds that an utterance must reach to be a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Thresholds {
    /// The weights of the features for the model.
    pub weights: Arc<Weights>,
    /// The number of refused commands that are as bad as one wrong action.
    pub wrong_costs: f32,
    /// The same for single commands, by their index.
    pub command_costs: BTreeMap<usize, f32>,
    /// Added to the log-odds of every sentence, in nats. It corrects for the difference of this user, room and
    /// microphone from the recordings of the table.
    pub offset: f32,
    /// Offsets for single commands, used instead of `offset`, by the index of the command.
    pub offsets: BTreeMap<usize, f32>,
}

/// Default for the number of refusals that are as bad as one wrong action. It was measured: see
/// docs/reports/deciding.md, "What a wrong action costs".
const WRONG_COSTS: f32 = 2.0;

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds {
            weights: Arc::default(),
            wrong_costs: WRONG_COSTS,
            command_costs: BTreeMap::new(),
            offset: 0.0,
            offsets: BTreeMap::new(),
        }
    }
}

impl Thresholds {
    /// The log-odds that a sentence of the command with this index needs, in nats. At this value a refusal and an
    /// action have the same expected cost: p * 1 = (1 - p) * (cost of a wrong action).
    pub fn needed(&self, command: usize) -> f32 {
        self.command_costs.get(&command).copied().unwrap_or(self.wrong_costs).ln()
    }

    /// What is added to the log-odds of a sentence of the command with this index.
    pub fn offset_of(&self, command: usize) -> f32 {
        self.offsets.get(&command).copied().unwrap_or(self.offset)
    }

    /// Log-odds that a person said a sentence of the command with this index, in nats.
    pub fn log_odds(&self, features: &Features, command: usize) -> f32 {
        self.weights.log_odds(features) + self.offset_of(command)
    }

    /// The assessment of the best sentence of `heard`; `None` without a sentence.
    pub fn assess(&self, heard: &Heard) -> Option<Assessment> {
        let best = heard.best.as_ref()?;
        let (features, command) = (Features::for_candidate(heard, best), best.sentence.command);
        let [log_odds, alone] = [features, features.unrivalled()].map(|features| self.log_odds(&features, command));
        Some(Assessment { features, log_odds, alone, needed: self.needed(command) })
    }
}

/// The evidence for the best sentence of an utterance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assessment {
    /// The features of the utterance.
    pub features: Features,
    /// Log-odds that a person said it, in nats.
    pub log_odds: f32,
    /// Log-odds if there were no rival sentence, in nats.
    pub alone: f32,
    /// Log-odds that are needed, in nats.
    pub needed: f32,
}
