//! Exclusive classes: a softmax over the outputs, categorical cross-entropy.

use super::exponential::{exp, ln_1p};
use super::sums::{Partial, Slope, TILE, sum, sum_split};
use super::{CHUNK, MAX_OUTPUTS};

/// The same voxels of every class of one sample, and the place of their sums `[chunk][R]`.
struct Stripe<'a> {
    r: usize,
    logits: [&'a [f32]; MAX_OUTPUTS],
    targets: &'a [u8],
    outputs: [&'a mut [f32]; MAX_OUTPUTS],
    partials: &'a mut [Partial],
}

impl<'a> Stripe<'a> {
    /// Planes `[R][V]` of one sample. No logits and no partials if they are empty.
    fn of(logits: &'a [f32], targets: &'a [u8], outputs: &'a mut [f32], r: usize, partials: &'a mut [Partial]) -> Self {
        let v = targets.len();
        let mut logits = logits.chunks_exact(v);
        let mut outputs = outputs.chunks_exact_mut(v);
        Stripe {
            r,
            logits: std::array::from_fn(|_| logits.next().unwrap_or_default()),
            targets,
            outputs: std::array::from_fn(|_| outputs.next().unwrap_or_default()),
            partials,
        }
    }

    fn split(self, voxels: usize) -> (Self, Self) {
        let (near, far) = self.targets.split_at(voxels);
        let n_partials = self.partials.len().min(voxels / CHUNK * self.r);
        let (near_partials, far_partials) = self.partials.split_at_mut(n_partials);
        let cut = |plane: &'a [f32]| plane.split_at(voxels.min(plane.len()));
        let mut far_outputs: [&'a mut [f32]; MAX_OUTPUTS] = Default::default();
        let mut far_planes = far_outputs.iter_mut();
        let near_outputs = self.outputs.map(|plane| {
            let voxels = voxels.min(plane.len());
            let (near, far) = plane.split_at_mut(voxels);
            if let Some(place) = far_planes.next() {
                *place = far;
            }
            near
        });
        let near_logits = self.logits.map(|plane| cut(plane).0);
        let far_logits = self.logits.map(|plane| cut(plane).1);
        let r = self.r;
        (
            Stripe { r, logits: near_logits, targets: near, outputs: near_outputs, partials: near_partials },
            Stripe { r, logits: far_logits, targets: far, outputs: far_outputs, partials: far_partials },
        )
    }

    /// Halves at chunk borders until one chunk is left, on the current pool: no list of tasks, so no allocation.
    fn for_each_chunk<F: Fn(Stripe<'_>) + Sync>(self, work: &F) {
        let n_chunks = self.targets.len().div_ceil(CHUNK);
        if n_chunks <= 1 {
            return work(self);
        }
        let (near, far) = self.split(n_chunks / 2 * CHUNK);
        rayon::join(|| near.for_each_chunk(work), || far.for_each_chunk(work));
    }
}

/// Probabilities `[N][R][V]` into `outputs`, sums `[N][chunk][R]` into `partials`.
pub(super) fn activate(
    logits: &[f32],
    targets: &[u8],
    (r, v): (usize, usize),
    partials: &mut [Partial],
    outputs: &mut [f32],
) {
    let samples = logits.chunks_exact(r * v).zip(targets.chunks_exact(v)).zip(outputs.chunks_exact_mut(r * v));
    for (((logits, targets), outputs), partials) in samples.zip(partials.chunks_exact_mut(r * v.div_ceil(CHUNK))) {
        Stripe::of(logits, targets, outputs, r, partials).for_each_chunk(&activate_chunk);
    }
}

fn activate_chunk(stripe: Stripe<'_>) {
    let Stripe { r, logits, targets, mut outputs, partials } = stripe;
    let highest = targets.iter().fold(0, |a, t| (*t).max(a));
    assert!(usize::from(highest) < r, "loss: class {highest} of {r} classes");
    partials.fill(Partial::default());
    for (tile, targets) in targets.chunks(TILE).enumerate() {
        let at = tile * TILE..tile * TILE + targets.len();
        let logits = logits.map(|plane| plane.get(at.clone()).unwrap_or_default());
        let mut outputs = outputs.each_mut().map(|plane| plane.get_mut(at.clone()).unwrap_or_default());
        activate_tile(&logits[..r], targets, &mut outputs[..r], partials);
    }
}

/// One tile, at most `TILE` voxels: `logits` and `outputs` `[R][voxels]`.
fn activate_tile(logits: &[&[f32]], targets: &[u8], outputs: &mut [&mut [f32]], partials: &mut [Partial]) {
    let (mut highest, mut total, mut row) = ([f32::NEG_INFINITY; TILE], [0.0f32; TILE], [0.0f32; TILE]);
    let n = targets.len();
    let (highest, total, row) = (&mut highest[..n], &mut total[..n], &mut row[..n]);
    for plane in logits {
        for (h, x) in highest.iter_mut().zip(*plane) {
            *h = if *x > *h { *x } else { *h };
        }
    }
    // `row` = how far the true class lies below the highest.
    for (class, (plane, p)) in logits.iter().zip(outputs.iter_mut()).enumerate() {
        let here =
            (p.iter_mut().zip(*plane)).zip(highest.iter().zip(targets)).zip(total.iter_mut().zip(row.iter_mut()));
        for (((p, x), (h, t)), (total, row)) in here {
            let below = *h - *x;
            *p = exp(-below);
            *total += *p;
            *row = if usize::from(*t) == class { below } else { *row };
        }
    }
    for (row, total) in row.iter_mut().zip(total.iter_mut()) {
        *row += ln_1p(*total - 1.0);
        *total = 1.0 / *total;
    }
    partials[0].entropy += sum(row);
    for (class, (p, partial)) in outputs.iter_mut().zip(partials).enumerate() {
        for ((p, inverse), (row, t)) in p.iter_mut().zip(total.iter()).zip(row.iter_mut().zip(targets)) {
            *p *= *inverse;
            *row = if usize::from(*t) == class { 1.0 } else { 0.0 };
        }
        let (inside, outside) = sum_split(p, row);
        partial.inside += inside;
        partial.outside += outside;
        partial.target += sum(row);
    }
}

/// Probabilities into gradients, in place; `slopes`: `[N][R]`.
///
/// With g the slope of Dice by p: `∂/∂x_k = p_k (g_k − Σ_j p_j g_j) + c (p_k − [t = k])`.
pub(super) fn differentiate(targets: &[u8], (r, v): (usize, usize), slopes: &[Slope], c: f32, d_logits: &mut [f32]) {
    let samples = targets.chunks_exact(v).zip(d_logits.chunks_exact_mut(r * v)).zip(slopes.chunks_exact(r));
    for ((targets, d_logits), slopes) in samples {
        Stripe::of(&[], targets, d_logits, r, &mut []).for_each_chunk(&|stripe| {
            let Stripe { targets, mut outputs, .. } = stripe;
            for (tile, targets) in targets.chunks(TILE).enumerate() {
                let at = tile * TILE..tile * TILE + targets.len();
                let mut outputs = outputs.each_mut().map(|plane| plane.get_mut(at.clone()).unwrap_or_default());
                differentiate_tile(targets, slopes, c, &mut outputs[..r]);
            }
        });
    }
}

fn differentiate_tile(targets: &[u8], slopes: &[Slope], c: f32, outputs: &mut [&mut [f32]]) {
    let mut mean = [0.0f32; TILE];
    let mean = &mut mean[..targets.len()];
    for (class, (p, slope)) in outputs.iter().zip(slopes).enumerate() {
        for ((mean, p), t) in mean.iter_mut().zip(p.iter()).zip(targets) {
            let inside = if usize::from(*t) == class { 1.0 } else { 0.0 };
            *mean += p * (slope.outside + inside * slope.step);
        }
    }
    for (class, (p, slope)) in outputs.iter_mut().zip(slopes).enumerate() {
        for ((d, mean), t) in p.iter_mut().zip(mean.iter()).zip(targets) {
            let p = *d;
            let inside = if usize::from(*t) == class { 1.0 } else { 0.0 };
            *d = p * ((slope.outside + inside * slope.step) - mean) + c * (p - inside);
        }
    }
}
