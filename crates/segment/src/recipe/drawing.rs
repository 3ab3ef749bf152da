//! The sections `[sampling]` and `[augmentation]`: which patches are cut, and how they are changed.

use serde::{Deserialize, Serialize};

/// Which patches training sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Probability that a patch is centred near a voxel of a tissue; else its centre lies anywhere in the brain.
    pub foreground: f64,
    /// Largest distance between that voxel and the centre, as a share of the patch along each axis (0 to 0.5).
    pub jitter: f64,
    /// Share of the patches that come from phantoms.
    pub phantom_share: f64,
    /// Number of phantoms made for training.
    pub phantoms: usize,
}

/// How patches are changed. Spatial changes are drawn per patch, intensity changes per channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmenting {
    /// Probability of a flip along D, H, W (head to foot, front to back, left to right).
    pub flip: [f64; 3],
    /// Rotation.
    pub rotation: Rotation,
    /// Zoom.
    pub zoom: Zoom,
    /// A tumour of another case pasted into the patch.
    pub paste: Pasting,
    /// Smooth multiplicative field: `range` is the largest logarithm of the field.
    pub bias: Chance,
    /// Gaussian blur: `range` is sigma in voxels.
    pub blur: Chance,
    /// Coarser acquisition: `range` is the share of the resolution that is kept (along one axis or all).
    pub low_resolution: Chance,
    /// Gaussian noise: `range` is its standard deviation (the brain has 1).
    pub noise: Chance,
    /// Contrast about the mean, within the range of the channel: `range` is the factor.
    pub contrast: Chance,
    /// Multiplication about 0: `range` is the factor.
    pub brightness: Chance,
    /// Addition: `range` is what is added.
    pub shift: Chance,
    /// Gamma with mean and deviation kept: `range` is the exponent.
    pub gamma: Chance,
    /// The same on the negative.
    pub inverted_gamma: Chance,
    /// Probability that T1n stands for T1c too and enhancing tumour counts as core that does not enhance.
    pub without_contrast: f64,
    /// A fainter or stronger tumour: `range` is the factor on its distance from the healthy brain, in all sequences alike.
    pub tumour_contrast: Chance,
    /// Probability that one sequence of the patch is left out (all 0).
    pub drop_sequence: f64,
}

/// A change that happens with a probability, and the range that its strength is drawn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chance {
    /// Probability, 0 to 1.
    pub probability: f64,
    /// Lowest and highest strength.
    pub range: [f64; 2],
}

/// Rotation in degrees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Probability, 0 to 1.
    pub probability: f64,
    /// Lowest and highest angle about the axis from foot to head.
    pub in_plane: [f64; 2],
    /// Lowest and highest angle about the two other axes, each drawn for itself.
    pub tilt: [f64; 2],
}

/// Zoom; above 1 the head grows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zoom {
    /// Probability, 0 to 1.
    pub probability: f64,
    /// Lowest and highest factor of all three axes; its logarithm is uniform.
    pub range: [f64; 2],
    /// Each axis is further scaled by a factor within 1 plus or minus this.
    pub anisotropy: f64,
}

/// Lesion copy-paste after `CarveMix` (2021) and `TumorCP` (2021).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pasting {
    /// Probability, 0 to 1.
    pub probability: f64,
    /// Voxels around the tumour that are carved with it and fade out.
    pub margin: usize,
    /// Largest rotation of the pasted tumour about the head's centre, degrees, about each axis.
    pub rotation: f64,
    /// Largest displacement of the pasted tumour along each axis, voxels.
    pub displacement: f64,
}
