//! The sections `[training]` and `[loss]`.

use serde::{Deserialize, Serialize};

/// How long and in which way a net is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Seed of weights, patches and augmentation.
    pub seed: u64,
    /// Largest L2 norm of the whole gradient; 0 = no clipping.
    pub gradient_clip: f64,
    /// Decay of the exponential moving average of the weights; 0 = none.
    ///
    /// At update t (from 0) the decay is the smaller of this and `(1 + t) / (10 + t)`, so that the first weights are soon forgotten.
    pub ema_decay: f64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between validations.
    pub validate_every: u64,
    /// What turns gradients into new weights.
    pub optimiser: Optimiser,
    /// How the learning rate moves.
    pub schedule: Schedule,
    /// Sizes of patches and batches; stages follow one another.
    pub stage: Vec<Stage>,
}

impl Training {
    /// Number of steps of all stages.
    pub fn steps(&self) -> u64 {
        self.stage.iter().map(|stage| stage.steps).sum()
    }

    /// The stage that a step falls into; `None` past the end.
    pub fn stage_at(&self, step: u64) -> Option<&Stage> {
        let mut first = 0;
        self.stage.iter().find(|stage| {
            first += stage.steps;
            step < first
        })
    }
}

/// A run of steps with patches of one size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Number of steps.
    pub steps: u64,
    /// `[D, H, W]` in voxels.
    pub patch: [usize; 3],
    /// Patches per step.
    pub batch: usize,
}

/// An optimiser and its coefficients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Optimiser {
    /// Adam (2015); weight decay, if any, is part of the gradient.
    Adam {
        /// Learning rate before the schedule.
        learning_rate: f64,
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
        /// Weight decay.
        weight_decay: f64,
    },
    /// `AdamW` (2019): weight decay apart from the gradient.
    AdamW {
        /// Learning rate before the schedule.
        learning_rate: f64,
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
        /// Weight decay.
        weight_decay: f64,
    },
    /// Gradient descent with Nesterov's momentum.
    Sgd {
        /// Learning rate before the schedule.
        learning_rate: f64,
        /// Momentum.
        momentum: f64,
        /// Weight decay.
        weight_decay: f64,
    },
}

/// The factor of the learning rate from step to step. Every kind first rises linearly over the `warm_up` steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Schedule {
    /// Stays at 1.
    Constant {
        /// Steps.
        warm_up: u64,
    },
    /// `(1 - progress)^exponent`.
    Polynomial {
        /// Steps.
        warm_up: u64,
        /// Exponent.
        exponent: f64,
    },
    /// Half a cosine from 1 to 0.
    Cosine {
        /// Steps.
        warm_up: u64,
    },
}

/// Weights of the parts of the loss; those of weight 0 are not computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// Soft Dice of each sample.
    pub dice: f64,
    /// Soft Dice over the whole batch.
    pub batch_dice: f64,
    /// Cross-entropy: categorical for classes, binary for regions.
    pub cross_entropy: f64,
    /// Added to numerator and denominator of Dice.
    pub smooth: f64,
    /// Weight of each head from full resolution down, divided by their sum; `[1.0]` = no deep supervision.
    pub heads: Vec<f64>,
}
