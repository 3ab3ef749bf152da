//! How a network computes: in which numbers it multiplies and stores, and what it must know of its inputs for that.

use std::collections::BTreeMap;
use std::fmt;

use kernels::{Cpu, IsaName};
use serde::{Deserialize, Serialize};
use unet::{Net, ParamSpec, Products, Purpose, UnetError};

use crate::infer::{Model, whole_image};
use crate::recipe::training::Network;

/// Cases that a calibration looks at: the range is twice the widest of them, so more change little.
pub const CALIBRATION_CASES: usize = 4;

/// In which numbers a network multiplies and stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// All in f32: what the network was trained in.
    F32,
    /// Products in f32, activations stored in half precision: half the memory.
    F16,
    /// Where the machine multiplies tiles of bfloat16 (AMX), the products of convolutions in it, activations stored in half
    /// precision: several times the speed. Elsewhere products in f32, activations stored in bfloat16: the range of f32, and three
    /// bits of fraction less than [`Precision::F16`].
    Bf16,
    /// As [`Precision::F16`], but the products of wide layers on large maps in 16-bit integers: about twice the speed.
    Int16,
    /// As [`Precision::Int16`], but the 3x3x3 convolutions of the two lowest levels in 8-bit integers: a quarter of the bytes of
    /// their weights.
    Int8,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::F32, Self::F16, Self::Bf16, Self::Int16, Self::Int8];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Int16 => "int16",
            Self::Int8 => "int8",
        }
    }

    /// Whether this machine and model allow it.
    ///
    /// # Errors
    /// What is missing.
    pub fn check(self, cpu: Cpu, model: &Model) -> Result<(), Unable> {
        self.check_machine(cpu)?;
        match self {
            Self::Int16 | Self::Int8 if model.calibration.is_none() => Err(Unable::Model { precision: self.as_str() }),
            Self::F32 | Self::F16 | Self::Bf16 | Self::Int16 | Self::Int8 => Ok(()),
        }
    }

    /// Whether this machine allows it, with a model that does.
    ///
    /// # Errors
    /// [`Unable::Machine`].
    pub fn check_machine(self, cpu: Cpu) -> Result<(), Unable> {
        let (precision, isa) = (self.as_str(), cpu.name().as_str());
        match self {
            Self::Int16 | Self::Int8 if !cpu.has_int16() => Err(Unable::Machine { precision, isa }),
            Self::F32 | Self::F16 | Self::Bf16 | Self::Int16 | Self::Int8 => Ok(()),
        }
    }

    /// How activations are stored on this machine.
    pub fn storage(self, cpu: Cpu) -> Storage {
        match self {
            Self::F32 => Storage::Floats,
            // Not in bfloat16: its products round anyway, and another rounding before them would cost as much again.
            Self::Bf16 if cpu.has_tiles() => Storage::Halves,
            Self::Bf16 => Storage::Bfloats,
            Self::F16 | Self::Int16 | Self::Int8 => Storage::Halves,
        }
    }

    /// The instruction sets that compute: `amx` too, where tiles are multiplied.
    pub fn computed_by(self, cpu: Cpu) -> String {
        let isa = cpu.name();
        match self {
            Self::Bf16 if cpu.has_tiles() && isa != IsaName::Scalar => format!("{}+amx", isa.as_str()),
            Self::F32 | Self::F16 | Self::Bf16 | Self::Int16 | Self::Int8 => isa.as_str().to_owned(),
        }
    }

    /// How the network multiplies, whose calibration found inputs so wide, if there was one.
    pub fn products(self, widest: Option<&[f32]>) -> Products<'_> {
        match (self, widest) {
            (Self::Int16, Some(widest)) => Products::Integers(widest),
            (Self::Int8, Some(widest)) => Products::Bytes(widest),
            (Self::Bf16, _) => Products::Tiles,
            (Self::F32 | Self::F16, _) | (Self::Int16 | Self::Int8, None) => Products::Floats,
        }
    }
}

/// How activations are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// f32.
    Floats,
    /// [`kernels::Half`].
    Halves,
    /// [`kernels::Bf16`].
    Bfloats,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a precision cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unable {
    /// The machine lacks the instructions.
    #[error(
        "{precision} needs products of integers, which are AVX-512 VNNI; this machine, or the instruction set {isa} that was \
         asked for, lacks them"
    )]
    Machine {
        /// What was asked for.
        precision: &'static str,
        /// The instruction set.
        isa: &'static str,
    },
    /// The model was never calibrated.
    #[error("{precision} needs a calibrated model, and this one is not: see `glioscope model calibrate`")]
    Model {
        /// What was asked for.
        precision: &'static str,
    },
}

/// How wide the inputs of a model's convolutions are, found on some of the cases that it was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The cases.
    pub cases: Vec<String>,
    /// Of each 3x3x3 convolution by name, the widest point of its input under Winograd's transform, or the largest number of
    /// its input if it has a stride.
    pub widest: BTreeMap<String, f32>,
}

impl Calibration {
    /// Looks at `cases`: names, shapes `[D, H, W]` and prepared images `[4][D][H][W]`. Runs on the current rayon pool.
    ///
    /// # Errors
    /// If the network cannot be laid out for a case.
    pub fn of<'a>(
        cpu: Cpu,
        network: &Network,
        weights: &[f32],
        cases: impl IntoIterator<Item = (&'a str, [usize; 3], &'a [f32])>,
    ) -> Result<Self, UnetError> {
        let spec = network.spec();
        let (mut widest, mut names) = (Vec::new(), Vec::new());
        for (name, shape, image) in cases {
            let (shape, image) = whole_image(shape, image, spec.multiple());
            let mut net = Net::new(&spec, shape, Purpose::Infer, cpu)?;
            net.load(weights);
            net.calibrate(&image, &mut widest);
            names.push(name.to_owned());
        }
        Ok(Self { cases: names, widest: convolutions(network)?.into_iter().zip(widest).collect() })
    }

    /// The widest points in the order of the network's convolutions.
    ///
    /// # Errors
    /// If the calibration is not one of this network.
    pub fn in_order(&self, network: &Network) -> Result<Vec<f32>, UnetError> {
        let names = convolutions(network)?;
        let widest: Vec<f32> = names.iter().filter_map(|name| self.widest.get(name).copied()).collect();
        if widest.len() != names.len() || self.widest.len() != names.len() || widest.iter().any(|w| !w.is_finite()) {
            return Err(UnetError::Widest { found: self.widest.len(), expected: names.len() });
        }
        Ok(widest)
    }
}

/// Names of the 3x3x3 convolutions, in order.
fn convolutions(network: &Network) -> Result<Vec<String>, UnetError> {
    let is = |param: &ParamSpec| param.shape.len() == 5 && param.shape[2..] == [3, 3, 3];
    let name = |param: ParamSpec| param.name.trim_end_matches(".weight").to_owned();
    Ok(Net::params(&network.spec())?.into_iter().filter(is).map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{self, Recipe};
    use std::path::Path;

    fn network() -> Network {
        let mut network = Recipe::parse(recipe::DEFAULT, Path::new("default")).unwrap().network;
        network.widths = vec![8, 16];
        network.deep_supervision = vec![1.0];
        network
    }

    #[test]
    fn a_calibration_names_each_convolution_once() {
        let network = network();
        let weights = unet::weights::initial(&network.spec(), 1).unwrap();
        let shape = [13, 20, 17];
        let quiet: Vec<f32> = (0..4 * 13 * 20 * 17).map(|i| (i as f32 * 0.37).sin()).collect();
        let loud: Vec<f32> = quiet.iter().map(|x| 3.0 * x).collect();
        let of = |cases: &[(&'static str, &[f32])]| {
            let cases = cases.iter().map(|(name, image)| (*name, shape, *image));
            Calibration::of(Cpu::detect(), &network, &weights, cases).unwrap()
        };
        let both = of(&[("quiet", &quiet), ("loud", &loud)]);
        assert_eq!(both.cases, ["quiet", "loud"]);
        let names: Vec<&str> = both.widest.keys().map(String::as_str).collect();
        assert_eq!(names, ["decoder.0.0", "decoder.0.1", "encoder.0.0", "encoder.0.1", "encoder.1.0", "encoder.1.1"]);
        let (widest, of_loud) = (both.in_order(&network).unwrap(), of(&[("loud", &loud)]).in_order(&network).unwrap());
        assert!(widest.iter().zip(&of_loud).all(|(both, loud)| both >= loud), "the widest of all cases");
        assert!((widest[0] - of_loud[0]).abs() < 1e-6, "the first layer sees the image, and the loud one is wider");
    }

    #[test]
    fn a_calibration_of_another_network_is_refused() {
        let mut calibration = Calibration { cases: vec![], widest: BTreeMap::new() };
        assert!(calibration.in_order(&network()).is_err(), "empty");
        for name in convolutions(&network()).unwrap() {
            calibration.widest.insert(name, 1.0);
        }
        assert!(calibration.in_order(&network()).is_ok());
        calibration.widest.insert("encoder.7.0".to_owned(), 1.0);
        assert!(calibration.in_order(&network()).is_err(), "one too many");
    }
}
