//! Overlapping regions: a sigmoid each, binary cross-entropy.
//!
//! Everything goes by the *wrong* probability w, the one that the net gives to the false answer: with y = x outside
//! and −x inside the target, w = σ(y), cross-entropy = softplus(y), p = w outside and 1 − w inside, p (1 − p) =
//! w (1 − w). Between the two passes a voxel is kept as m = min(w, 1 − w) with the sign of y, so that neither w nor
//! 1 − w is ever the rounded rest of the other: nothing cancels where the net is sure, be it right or wrong.

use super::CHUNK;
use super::exponential::{exp, ln_1p};
use super::sums::{Partial, Slope, TILE, sum, sum_split};
use rayon::prelude::*;

/// Signed lesser probabilities `[N R][V]` into `lesser`, sums `[N R][chunk]` into `partials`.
pub(super) fn activate(logits: &[f32], targets: &[u8], v: usize, partials: &mut [Partial], lesser: &mut [f32]) {
    let planes = logits.par_chunks_exact(v).zip(targets.par_chunks_exact(v));
    let outputs = lesser.par_chunks_exact_mut(v).zip(partials.par_chunks_exact_mut(v.div_ceil(CHUNK)));
    planes.zip(outputs).for_each(|((logits, targets), (lesser, partials))| {
        let inputs = logits.par_chunks(CHUNK).zip(targets.par_chunks(CHUNK));
        inputs
            .zip(lesser.par_chunks_mut(CHUNK).zip(partials))
            .for_each(|((logits, targets), (lesser, partial))| *partial = activate_chunk(logits, targets, lesser));
    });
}

fn activate_chunk(logits: &[f32], targets: &[u8], lesser: &mut [f32]) -> Partial {
    assert!(targets.iter().fold(0, |a, t| a | t) <= 1, "loss: a region's target is neither 0 nor 1");
    let (mut inside, mut entropy, mut wrong) = ([0.0f32; TILE], [0.0f32; TILE], [0.0f32; TILE]);
    let mut partial = Partial::default();
    for ((x, t), m) in logits.chunks(TILE).zip(targets.chunks(TILE)).zip(lesser.chunks_mut(TILE)) {
        let (inside, entropy, wrong) = (&mut inside[..x.len()], &mut entropy[..x.len()], &mut wrong[..x.len()]);
        for ((t, inside), (x, y)) in t.iter().zip(inside.iter_mut()).zip(x.iter().zip(m.iter_mut())) {
            *inside = f32::from(*t);
            *y = x * (1.0 - 2.0 * *inside);
        }
        for (m, (entropy, wrong)) in m.iter_mut().zip(entropy.iter_mut().zip(wrong.iter_mut())) {
            let y = *m;
            let u = exp(-y.abs());
            let q = 1.0 / (1.0 + u);
            *entropy = (if y > 0.0 { y } else { 0.0 }) + ln_1p(u);
            *wrong = if y > 0.0 { q } else { u * q };
            *m = (u * q).copysign(y);
        }
        let (wrong_inside, wrong_outside) = sum_split(wrong, inside);
        let target = sum(inside);
        partial.inside += target - wrong_inside;
        partial.outside += wrong_outside;
        partial.target += target;
        partial.entropy += sum(entropy);
    }
    partial
}

/// Signed lesser probabilities into gradients, in place; `slopes`: `[N R]`.
///
/// ∂/∂x = ±c w + (outside + t step) m (1 − m), the sign − inside the target.
pub(super) fn differentiate(targets: &[u8], v: usize, slopes: &[Slope], c: f32, d_logits: &mut [f32]) {
    d_logits.par_chunks_exact_mut(v).zip(targets.par_chunks_exact(v)).zip(slopes).for_each(|((d, t), slope)| {
        d.par_chunks_mut(CHUNK).zip(t.par_chunks(CHUNK)).for_each(|(d, t)| {
            for (d, t) in d.iter_mut().zip(t) {
                let m = d.abs();
                let wrong = if *d > 0.0 { 1.0 - m } else { m };
                let t = f32::from(*t);
                *d = c * (1.0 - 2.0 * t) * wrong + (slope.outside + t * slope.step) * (m * (1.0 - m));
            }
        });
    });
}
