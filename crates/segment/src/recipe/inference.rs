//! The section `[inference]`: how the net is used.

use serde::{Deserialize, Serialize};

use crate::decode::Thresholds;

/// How the net sees a case, and from where on a voxel belongs to a region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inference {
    /// In one pass or in tiles.
    pub mode: Mode,
    /// `[D, H, W]` of a tile; also used in mode `whole` where memory does not allow one pass.
    pub tile: [usize; 3],
    /// Share of a tile that the next one covers again, 0 to below 1.
    pub overlap: f64,
    /// Axes along which mirrored passes are averaged: all their combinations.
    pub mirror: Vec<TensorAxis>,
    /// Probabilities from which on a voxel belongs to a region; classes do not use them.
    pub thresholds: Thresholds,
}

/// How much of a case the net sees at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All of it.
    Whole,
    /// Tiles with Gaussian weights.
    Tiles,
}

/// An axis of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TensorAxis {
    /// From foot to head.
    D,
    /// From back to front.
    H,
    /// From left to right.
    W,
}

impl TensorAxis {
    /// Place in `[D, H, W]`.
    pub fn index(self) -> usize {
        self as usize
    }
}
