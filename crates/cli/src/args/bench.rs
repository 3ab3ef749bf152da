//! What `bench` may be told.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::PrecisionName;

/// What to time.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// A network on a patch of noise, or on the brain of a case
    Net(BenchNet),
    /// Each distinct convolution of a network, forward and backward, beside the peak
    Layers(BenchLayers),
    /// A whole case, from its files to labels, report and picture, with the seconds of each stage
    Case(BenchCase),
    /// The direct convolution of 32 to 32 channels at 128 x 128 x 128, beside the peak
    Conv(BenchConv),
    /// Trainings from the same seed, with minimal filtering, with direct convolutions, and in bf16 where AMX is there: do they
    /// learn the same?
    Convergence(BenchConvergence),
    /// The machine's peaks: multiply-adds of each kind that it has, and memory read, written and copied
    Peak(BenchPeak),
}

/// Arguments of `bench net`.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchNet {
    /// Which network
    #[arg(long)]
    pub(crate) name: NetName,
    /// Side of the patch in voxels, or D,H,W
    #[arg(long, value_name = "N", default_value = "128", value_delimiter = ',', num_args = 1..=3)]
    pub(crate) patch: Vec<usize>,
    /// The brain of this case instead of noise, with the weights of the model inside: air, which noise has not, is computed once.
    /// Only a forward pass of the default network
    #[arg(long, value_name = "CASE", conflicts_with = "patch")]
    pub(crate) case: Option<PathBuf>,
    /// Forward alone, or a whole training step (forward, loss, backward, Adam)
    #[arg(long, default_value = "forward")]
    pub(crate) pass: PassName,
    /// In which numbers to compute; a training step is f32, or bf16 where asked for and AMX is there
    #[arg(long, value_name = "PRECISION", default_value = "auto")]
    pub(crate) precision: PrecisionName,
    /// How often, after one run that does not count
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) runs: u16,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `bench layers`.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchLayers {
    /// Which network
    #[arg(long, default_value = "n32")]
    pub(crate) name: NetName,
    /// Side of the patch in voxels, or D,H,W
    #[arg(long, value_name = "N", default_value = "128", value_delimiter = ',', num_args = 1..=3)]
    pub(crate) patch: Vec<usize>,
    /// How often, after one run that does not count
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) runs: u16,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `bench case`.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchCase {
    /// Folder of one case: four NIfTI files whose names carry the sequence
    pub(crate) case: PathBuf,
    /// A model file, or `default`
    #[arg(long, value_name = "MODEL", default_value = "default")]
    pub(crate) model: PathBuf,
    /// In which numbers to compute
    #[arg(long, value_name = "PRECISION", default_value = "auto")]
    pub(crate) precision: PrecisionName,
    /// How often, after one run that does not count
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) runs: u16,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `bench conv`.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchConv {
    /// How often, after one run that does not count
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) runs: u16,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `bench convergence`.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchConvergence {
    /// Folders of cases, searched through
    #[arg(long, value_name = "DIR", required = true, num_args = 1..)]
    pub(crate) data: Vec<PathBuf>,
    /// Which cases are trained and judged on
    #[arg(long, value_name = "FILE")]
    pub(crate) split: PathBuf,
    /// A recipe file, or `default`; steps and patch are those given here
    #[arg(long, value_name = "RECIPE", default_value = "default")]
    pub(crate) recipe: PathBuf,
    /// Steps of each training
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) steps: u64,
    /// Side of the patch in voxels, or D,H,W
    #[arg(long, value_name = "N", default_value = "96", value_delimiter = ',', num_args = 1..=3)]
    pub(crate) patch: Vec<usize>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `bench peak`.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchPeak {
    /// How often, after one run that does not count
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) runs: u16,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// A network that can be timed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum NetName {
    /// Base 32 doubling, five levels, pooling, instance norm: the net that engines are compared by
    N32,
    /// That of the default recipe
    Default,
    /// That of the report
    Original,
    /// nnU-Net's plan for such scans: six stages, base 32, at most 320, strided
    Nnunet,
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PassName {
    /// Forward
    Forward,
    /// A training step
    Train,
}
