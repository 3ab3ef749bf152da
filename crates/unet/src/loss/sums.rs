//! The sums a loss is made of, their fixed order, and the value and slopes that follow from them.

use super::{DiceOver, LossSpec, LossValue, MAX_OUTPUTS};

/// Voxels that are activated together: three such rows of f32 fit the first-level cache.
pub(super) const TILE: usize = 1024;

/// Lanes of a sum: enough independent chains to hide an addition's latency, few enough for the registers.
const LANES: usize = 8;

/// Sums over some voxels of one output.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Partial {
    /// Σ p over voxels of the target: I.
    pub(super) inside: f64,
    /// Σ p over the other voxels; P = inside + outside.
    pub(super) outside: f64,
    /// Voxels of the target: T.
    pub(super) target: f64,
    /// Σ cross-entropy; a softmax has one for all classes and keeps it with class 0.
    pub(super) entropy: f64,
}

impl Partial {
    fn add(&mut self, other: &Partial) {
        self.inside += other.inside;
        self.outside += other.outside;
        self.target += other.target;
        self.entropy += other.entropy;
    }
}

/// Derivative of the weighted Dice loss by one voxel's probability.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slope {
    /// Outside the target.
    pub(super) outside: f32,
    /// Inside the target less outside.
    pub(super) step: f32,
}

/// Σ x in f64, over eight lanes and a fixed tree.
pub(super) fn sum(x: &[f32]) -> f64 {
    let (blocks, tail) = x.as_chunks::<LANES>();
    let mut lanes = [0.0f64; LANES];
    for block in blocks {
        for (lane, x) in lanes.iter_mut().zip(block) {
            *lane += f64::from(*x);
        }
    }
    for (lane, x) in lanes.iter_mut().zip(tail) {
        *lane += f64::from(*x);
    }
    tree(&lanes)
}

/// (Σ x t, Σ x (1 − t)) in f64 for `t` of 0 or 1, over eight lanes and a fixed tree.
pub(super) fn sum_split(x: &[f32], t: &[f32]) -> (f64, f64) {
    let (x_blocks, x_tail) = x.as_chunks::<LANES>();
    let (t_blocks, t_tail) = t.as_chunks::<LANES>();
    let mut inside = [0.0f64; LANES];
    let mut outside = [0.0f64; LANES];
    for (x, t) in x_blocks.iter().zip(t_blocks) {
        for l in 0..LANES {
            inside[l] += f64::from(x[l] * t[l]);
            outside[l] += f64::from(x[l] * (1.0 - t[l]));
        }
    }
    for (l, (x, t)) in x_tail.iter().zip(t_tail).enumerate() {
        inside[l] += f64::from(x * t);
        outside[l] += f64::from(x * (1.0 - t));
    }
    (tree(&inside), tree(&outside))
}

fn tree(l: &[f64; LANES]) -> f64 {
    ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
}

/// Partials `[N R][chunk]` to sums `[N R]`, chunks in order.
pub(super) fn fold_planes(partials: &[Partial], n_chunks: usize, sums: &mut [Partial]) {
    for (sum, plane) in sums.iter_mut().zip(partials.chunks_exact(n_chunks)) {
        *sum = Partial::default();
        for partial in plane {
            sum.add(partial);
        }
    }
}

/// Partials `[N][chunk][R]` to sums `[N][R]`, chunks in order.
pub(super) fn fold_stripes(partials: &[Partial], (n_chunks, r): (usize, usize), sums: &mut [Partial]) {
    for (sums, sample) in sums.chunks_exact_mut(r).zip(partials.chunks_exact(n_chunks * r)) {
        sums.fill(Partial::default());
        for stripe in sample.chunks_exact(r) {
            for (sum, partial) in sums.iter_mut().zip(stripe) {
                sum.add(partial);
            }
        }
    }
}

/// The value of a loss from its sums `[N][R]`, and the slope of its Dice part per sample and output, scaled.
///
/// Outputs before `first` are reported but not part of the loss. The cross-entropy is a mean over `n_entropies`.
pub(super) fn evaluate(
    spec: &LossSpec,
    sums: &[Partial],
    (n, r): (usize, usize),
    first: usize,
    n_entropies: usize,
    scale: f32,
    slopes: &mut [Slope],
) -> LossValue {
    let n_counted = r - first;
    let mut soft_dice = [0.0; MAX_OUTPUTS];
    for (output, soft_dice) in soft_dice.iter_mut().enumerate().take(r) {
        let weight = if output < first { 0.0 } else { f64::from(scale) * f64::from(spec.dice) / n_counted as f64 };
        match spec.dice_over {
            DiceOver::Sample => {
                for sample in 0..n {
                    let at = sample * r + output;
                    let (dice, slope) = soft_dice_of(&sums[at], f64::from(spec.smooth), weight / n as f64);
                    *soft_dice += dice / n as f64;
                    slopes[at] = slope;
                }
            }
            DiceOver::Batch => {
                let mut whole = Partial::default();
                for sample in 0..n {
                    whole.add(&sums[sample * r + output]);
                }
                let (dice, slope) = soft_dice_of(&whole, f64::from(spec.smooth), weight);
                *soft_dice = dice;
                for sample in 0..n {
                    slopes[sample * r + output] = slope;
                }
            }
        }
    }
    // A softmax of one class has no foreground: its Dice loss is then 0, not 0/0.
    let dice = if n_counted == 0 { 0.0 } else { 1.0 - soft_dice[first..r].iter().sum::<f64>() / n_counted as f64 };
    let cross_entropy = sums.iter().map(|sum| sum.entropy).sum::<f64>() / n_entropies as f64;
    let total = f64::from(spec.dice) * dice + f64::from(spec.cross_entropy) * cross_entropy;
    LossValue { total, dice, cross_entropy, soft_dice, n_outputs: r }
}

/// (2 I + s) / (P + T + s), and the slope of −`weight` times it.
fn soft_dice_of(sum: &Partial, smooth: f64, weight: f64) -> (f64, Slope) {
    let numerator = 2.0 * sum.inside + smooth;
    let denominator = sum.inside + sum.outside + sum.target + smooth;
    if denominator == 0.0 {
        return (1.0, Slope::default());
    }
    let dice = numerator / denominator;
    // ∂/∂p of the quotient: (2 t − Dice) / denominator.
    let outside = weight * dice / denominator;
    (dice, Slope { outside: outside as f32, step: (-2.0 * weight / denominator) as f32 })
}
