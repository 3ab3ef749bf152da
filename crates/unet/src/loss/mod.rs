//! Losses over logits and their gradients: soft Dice, cross-entropy, and weighted sums of the two.
//!
//! Derivations: docs/losses.md. The order of every sum is fixed by [`CHUNK`], not by the threads that work on it, so
//! values and gradients have the same bits for any number of threads.

mod classes;
mod downsample;
mod exponential;
mod regions;
mod sums;

pub use downsample::{downsample_targets, downsampled_shape};

use serde::{Deserialize, Serialize};
use sums::{Partial, Slope};

/// Voxels per task and per partial sum: 64 KiB of logits, small beside a second-level cache.
pub const CHUNK: usize = 16_384;

/// Most outputs (regions or classes) that a loss takes.
pub const MAX_OUTPUTS: usize = 16;

/// What the logits should have said.
#[derive(Debug, Clone, Copy)]
pub enum Targets<'a> {
    /// `[N][R][V]` of 0 or 1: overlapping regions, each with its own sigmoid.
    Regions(&'a [u8]),
    /// `[N][V]` class indices below R: softmax over the R outputs.
    Classes(&'a [u8]),
}

/// Over what one Dice coefficient is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiceOver {
    /// Each sample of the batch on its own; the loss is the mean over samples and outputs.
    Sample,
    /// All voxels of the batch together; the loss is the mean over outputs.
    Batch,
}

/// Which classes of a softmax the Dice loss averages over. Regions are all counted always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiceClasses {
    /// Every class, class 0 (background) included: the report's loss.
    All,
    /// Class 0 left out: the field's custom.
    Foreground,
}

/// A weighted sum of soft Dice loss and cross-entropy.
///
/// The report's loss is weights 1 and 1 over all classes; nnU-Net's region loss is weights 1 and 1, smooth 1e-5.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossSpec {
    /// Weight of 1 − mean soft Dice.
    pub dice: f32,
    /// Weight of the mean cross-entropy: binary, over all N R V, for regions; categorical, over N V, for classes.
    pub cross_entropy: f32,
    /// Over what one Dice coefficient is taken.
    pub dice_over: DiceOver,
    /// Which classes of a softmax the Dice loss averages over.
    pub dice_classes: DiceClasses,
    /// s of (2 I + s) / (P + T + s), at least 0: what an output that is empty in the target leans on.
    pub smooth: f32,
}

/// What a loss came to. Not multiplied by the `scale` of its gradient. NaN if a logit was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossValue {
    /// The weighted sum.
    pub total: f64,
    /// 1 − mean soft Dice, unweighted.
    pub dice: f64,
    /// Mean cross-entropy in nats, unweighted.
    pub cross_entropy: f64,
    soft_dice: [f64; MAX_OUTPUTS],
    n_outputs: usize,
}

impl LossValue {
    /// Soft Dice `[R]`, class 0 too; over samples the mean if [`DiceOver::Sample`].
    pub fn soft_dice(&self) -> &[f64] {
        &self.soft_dice[..self.n_outputs]
    }
}

/// Partial sums of a loss, sized once: [`loss`] takes no memory of its own.
#[derive(Debug)]
pub struct LossWorkspace {
    partials: Vec<Partial>,
    sums: Vec<Partial>,
    slopes: Vec<Slope>,
}

impl LossWorkspace {
    /// For logits of up to N samples, R outputs and V voxels.
    pub fn new((n, r, v): (usize, usize, usize)) -> LossWorkspace {
        LossWorkspace {
            partials: vec![Partial::default(); n * r * v.div_ceil(CHUNK)],
            sums: vec![Partial::default(); n * r],
            slopes: vec![Slope::default(); n * r],
        }
    }
}

/// The loss of `logits`, and `scale` times its gradient.
///
/// `logits`, `d_logits`: `[N][R][V]`, `shape` is (N, R, V), V = D·H·W. `d_logits` is overwritten; `scale` is the
/// weight of this output under deep supervision. Sums run in f64 over fixed chunks: the same bits for any number of
/// threads of the current rayon pool. No logit overflows: exponentials are only taken of negative numbers. An output that is empty in the target has Dice s / (P + s), so its gradient pushes P down; one
/// empty in both with s = 0 counts as 1 with no gradient. Derivation: docs/losses.md.
///
/// # Panics
/// If a length disagrees with `shape`, R is 0 or above [`MAX_OUTPUTS`], N or V is 0, `workspace` is too small, a
/// class index is not below R or a region's target is above 1.
pub fn loss(
    spec: &LossSpec,
    logits: &[f32],
    targets: Targets<'_>,
    shape: (usize, usize, usize),
    workspace: &mut LossWorkspace,
    scale: f32,
    d_logits: &mut [f32],
) -> LossValue {
    let (n, r, v) = shape;
    assert!(n > 0 && v > 0 && (1..=MAX_OUTPUTS).contains(&r), "loss: shape {shape:?}");
    assert_eq!(logits.len(), n * r * v, "loss: logits against shape");
    assert_eq!(d_logits.len(), n * r * v, "loss: gradient against shape");
    let n_chunks = v.div_ceil(CHUNK);
    assert!(workspace.partials.len() >= n * r * n_chunks && workspace.sums.len() >= n * r, "loss: workspace too small");
    let partials = &mut workspace.partials[..n * r * n_chunks];
    let sums = &mut workspace.sums[..n * r];
    let slopes = &mut workspace.slopes[..n * r];

    // 1. Probabilities into `d_logits`, sums into `partials`.
    let (first, n_entropies) = match targets {
        Targets::Regions(targets) => {
            assert_eq!(targets.len(), n * r * v, "loss: targets against shape");
            regions::activate(logits, targets, v, partials, d_logits);
            sums::fold_planes(partials, n_chunks, sums);
            (0, n * r * v)
        }
        Targets::Classes(targets) => {
            assert_eq!(targets.len(), n * v, "loss: targets against shape");
            classes::activate(logits, targets, (r, v), partials, d_logits);
            sums::fold_stripes(partials, (n_chunks, r), sums);
            let first = usize::from(spec.dice_classes == DiceClasses::Foreground);
            (first, n * v)
        }
    };

    // 2. The value, and how it leans on each output's probabilities.
    let value = sums::evaluate(spec, sums, (n, r), first, n_entropies, scale, slopes);

    // 3. Probabilities into gradients, in place.
    let entropy_slope = (f64::from(scale) * f64::from(spec.cross_entropy) / n_entropies as f64) as f32;
    match targets {
        Targets::Regions(targets) => regions::differentiate(targets, v, slopes, entropy_slope, d_logits),
        Targets::Classes(targets) => classes::differentiate(targets, (r, v), slopes, entropy_slope, d_logits),
    }
    value
}
