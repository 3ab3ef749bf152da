//! From what a person chose to what the engine builds.

use unet::{Activation, Down, NetSpec, Norm, Up};

use crate::recipe::training::{self, Network, Outputs};
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
            norm: match self.norm {
                training::Norm::None => Norm::None,
                training::Norm::Instance => Norm::Instance,
            },
            activation: if self.negative_slope > 0.0 { Activation::LeakyRelu } else { Activation::Relu },
            down: match self.down {
                training::Down::MaxPool => Down::MaxPool,
                training::Down::Strided => Down::Strided,
            },
            up: match self.up {
                training::Up::Nearest => Up::Nearest,
                training::Up::Transposed => Up::Transposed,
            },
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
