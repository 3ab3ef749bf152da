//! What a network looks like.

use kernels::Shape;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What goes wrong with a network's description, input or weights.
#[derive(Debug, Error, PartialEq)]
pub enum UnetError {
    /// Of [`NetSpec`].
    #[error("the network needs at least one level, and widths of at least 1; it has {0:?}")]
    Widths(Vec<usize>),
    /// Of [`NetSpec`].
    #[error("{0} input channels: 1 to 8 are possible")]
    Inputs(usize),
    /// Of [`NetSpec`].
    #[error("{0} outputs: 1 to 8 are possible")]
    Outputs(usize),
    /// Of [`NetSpec`].
    #[error("deep supervision at {asked} levels below the first, where the decoder has {there}")]
    DeepSupervision {
        /// Asked for.
        asked: usize,
        /// Possible.
        there: usize,
    },
    /// Of [`NetSpec`].
    #[error("the activation's slope below zero must be at least 0 and below 1; it is {0}")]
    Slope(f32),
    /// Of [`NetSpec`].
    #[error("dropout must be at least 0 and below 1; it is {0}")]
    Dropout(f32),
    /// Of the input.
    #[error("a volume of {shape:?} does not fit the network: each size must be a multiple of {multiple}")]
    Shape {
        /// `[D, H, W]`.
        shape: Shape,
        /// The size rule: 2 to the number of levels below the first.
        multiple: usize,
    },
    /// Of the input.
    #[error("a volume of {shape:?} has more than {most} voxels")]
    TooLarge {
        /// `[D, H, W]`.
        shape: Shape,
        /// The limit.
        most: usize,
    },
    /// Of a calibration.
    #[error("a calibration of {found} convolutions for a network of {expected}, or with numbers that are not finite")]
    Widest {
        /// Calibrated.
        found: usize,
        /// In the network.
        expected: usize,
    },
    /// Of a file of weights.
    #[error("the weights lack the tensor `{0}`")]
    Missing(String),
    /// Of a file of weights.
    #[error(
        "the tensor `{0}` holds numbers that are not finite; take a file that was written whole by a sound training"
    )]
    NotFinite(String),
    /// Of a file of weights.
    #[error("the tensor `{name}` has the shape {found:?} in the weights; the network needs {expected:?}")]
    TensorShape {
        /// Of the tensor.
        name: String,
        /// In the file.
        found: Vec<usize>,
        /// By the network.
        expected: Vec<usize>,
    },
    /// Of a file of weights.
    #[error("the tensor `{0}` of the weights is not f32")]
    Datatype(String),
    /// Of a file of weights.
    #[error("the weights hold the tensor `{0}`, which the network does not have")]
    Unknown(String),
    /// Of a file of weights.
    #[error("not a safetensors file: {0}")]
    Container(String),
}

/// Normalisation between convolution and activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// None: convolutions have a bias.
    None,
    /// Instance norm with affine parameters, eps 1e-5. A bias before it would cancel, so there is none.
    Instance,
}

/// How the encoder halves the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Down {
    /// Max pooling 2x2x2.
    MaxPool,
    /// The first convolution of a level has stride 2.
    Strided,
}

/// How the decoder doubles the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Up {
    /// Transposed convolution 2x2x2, stride 2.
    Transposed,
    /// Nearest up-sampling, then a 3x3x3 convolution with activation.
    Nearest,
}

/// A 3D U-Net: two 3x3x3 convolutions a level, skips by concatenation, a 1x1x1 head.
///
/// Size rule: each axis of an input is a multiple of [`NetSpec::multiple`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetSpec {
    /// Input channels, 1 to 8.
    pub inputs: usize,
    /// Outputs of the head, 1 to 8.
    pub outputs: usize,
    /// Channels of each level, the finest first.
    pub widths: Vec<usize>,
    /// Between convolution and activation.
    pub norm: Norm,
    /// Slope below zero of the activation after each convolution, 0 (ReLU) to below 1; 0.01 is the usual LeakyReLU.
    pub negative_slope: f32,
    /// From level to level in the encoder.
    pub down: Down,
    /// From level to level in the decoder.
    pub up: Up,
    /// Probability that a channel value of the deepest level is dropped in training.
    pub dropout: f32,
    /// Levels below the first that have a head of their own in training.
    pub deep_supervision: usize,
}

impl NetSpec {
    /// The reference net of the measurements: base 32 doubling, five levels, pooling, instance norm.
    pub fn n32() -> Self {
        Self {
            inputs: 4,
            outputs: 4,
            widths: vec![32, 64, 128, 256, 512],
            norm: Norm::Instance,
            negative_slope: 0.01,
            down: Down::MaxPool,
            up: Up::Transposed,
            dropout: 0.0,
            deep_supervision: 0,
        }
    }

    /// What each axis must be a multiple of.
    pub fn multiple(&self) -> usize {
        1 << (self.widths.len() - 1)
    }

    /// Checks the description.
    ///
    /// # Errors
    /// Names the field that makes no network.
    pub fn check(&self) -> Result<(), UnetError> {
        if self.widths.is_empty() || self.widths.len() > 12 || self.widths.contains(&0) {
            return Err(UnetError::Widths(self.widths.clone()));
        }
        if !(1..=8).contains(&self.inputs) {
            return Err(UnetError::Inputs(self.inputs));
        }
        if !(1..=8).contains(&self.outputs) {
            return Err(UnetError::Outputs(self.outputs));
        }
        let there = self.widths.len().saturating_sub(2);
        if self.deep_supervision > there {
            return Err(UnetError::DeepSupervision { asked: self.deep_supervision, there });
        }
        if !(0.0..1.0).contains(&self.negative_slope) {
            return Err(UnetError::Slope(self.negative_slope));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(UnetError::Dropout(self.dropout));
        }
        Ok(())
    }
}
