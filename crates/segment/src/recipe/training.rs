//! The sections `[split]`, `[network]` and `[training]`.

use kernels::{Cpu, IsaName};
use serde::{Deserialize, Serialize};
use unet::optim::OptimSpec;
use unet::schedule::Decline;
use unet::{Down, Norm, Purpose, Up};

/// How cases are divided where no split file is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
pub enum SplitRule {
    /// The report's: 80 % for training and 20 % for validation, then 15 % of the training part set aside for tests.
    Report,
    /// One of several equal parts is for validation, the others for training.
    Folds {
        /// Number of parts.
        count: usize,
        /// Which part is for validation, from 0.
        fold: usize,
    },
}

/// The net.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Input channels.
    pub inputs: usize,
    /// What comes out.
    pub outputs: Outputs,
    /// Channels of each level, from full resolution down.
    pub widths: Vec<usize>,
    /// What follows each convolution.
    pub norm: Norm,
    /// Slope of the activation below 0: 0 is `ReLU`, 0.01 the usual `LeakyReLU`.
    pub negative_slope: f64,
    /// How the contracting path halves the resolution.
    pub down: Down,
    /// How the expanding path doubles it.
    pub up: Up,
    /// Probability that a channel value is left out at the lowest level while training.
    pub dropout: f64,
    /// Weight of the loss of each head, from full resolution down, later divided by their sum; `[1.0]` is no deep supervision.
    pub deep_supervision: Vec<f64>,
}

/// What the outputs of the net are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outputs {
    /// WT, TC, ET, each with a sigmoid.
    Regions,
    /// Background and the three tissues, one softmax.
    Classes,
}

/// In which numbers the products of a training are made. Sums, norms, losses and weights are f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Products {
    /// f32.
    #[default]
    F32,
    /// bf16 in transposed convolutions and 3x3x3 ones of stride 1, forward and back, in tiles (AMX).
    Bf16,
}

impl Products {
    /// What a network is laid out for.
    ///
    /// # Errors
    /// If this machine has no such products.
    pub fn purpose(self, cpu: Cpu) -> Result<Purpose, NoTiles> {
        match self {
            Self::F32 => Ok(Purpose::Train),
            Self::Bf16 if cpu.has_tiles() => Ok(Purpose::TrainInTiles),
            Self::Bf16 => Err(NoTiles(cpu.name())),
        }
    }
}

/// Why a training cannot multiply in bf16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "training in bf16 needs tiles of AMX; this machine, its system, or the instruction set {} that was asked for has none: use f32",
    .0.as_str()
)]
pub struct NoTiles(IsaName);

/// How long and in which way a net is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Seed of the weights, the patches and their augmentation.
    pub seed: u64,
    /// Largest L2 norm of the whole gradient; 0 is no clipping.
    pub gradient_clip: f64,
    /// Decay of the exponential moving average of the weights, lower at first (see [`unet::ema`]); 0 is none.
    pub ema_decay: f64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between validations.
    pub validate_every: u64,
    /// First steps over which the learning rate rises linearly.
    pub warm_up: u64,
    /// How the learning rate falls from there.
    pub decline: Decline,
    /// In which numbers products are made.
    #[serde(default)]
    pub precision: Products,
    /// What turns gradients into new weights.
    pub optimiser: OptimSpec,
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
        let mut end = 0;
        self.stage.iter().find(|stage| {
            end += stage.steps;
            step < end
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
