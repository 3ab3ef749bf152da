//! What a person chose: one complete TOML file, every field present, nothing inherited.

pub mod drawing;
pub mod training;

use serde::{Deserialize, Serialize};

use drawing::{Augmenting, Sampling};
use training::{Loss, Training};

/// A recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// How long and in which way the net is trained.
    pub training: Training,
    /// What training minimises.
    pub loss: Loss,
    /// Which patches training sees.
    pub sampling: Sampling,
    /// How they are changed.
    pub augmentation: Augmenting,
}
