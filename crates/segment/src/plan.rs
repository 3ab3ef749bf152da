//! From what a person chose to what the engine builds.

use unet::NetSpec;

use crate::recipe::training::{Network, Outputs};
use crate::sample::CHANNELS;

impl Outputs {
    /// Channels of the network's output.
    pub fn count(self) -> usize {
        match self {
            Self::Regions => 3,
            Self::Classes => 4,
        }
    }

    /// Their names, in order.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Regions => &["WT", "TC", "ET"],
            Self::Classes => &["background", "NCR", "ED", "ET"],
        }
    }
}

impl Network {
    /// The engine's description of this network.
    pub fn spec(&self) -> NetSpec {
        NetSpec {
            inputs: CHANNELS,
            outputs: self.outputs.count(),
            widths: self.widths.clone(),
            norm: self.norm,
            #[expect(clippy::cast_possible_truncation, reason = "a slope")]
            negative_slope: self.negative_slope as f32,
            down: self.down,
            up: self.up,
            #[expect(clippy::cast_possible_truncation, reason = "a probability")]
            dropout: self.dropout as f32,
            deep_supervision: self.deep_supervision.len() - 1,
        }
    }

    /// Weight of each head's loss; they sum to 1.
    pub fn head_weights(&self) -> Vec<f64> {
        let sum: f64 = self.deep_supervision.iter().sum();
        self.deep_supervision.iter().map(|w| w / sum).collect()
    }
}
