//! Overlapping regions: a sigmoid each, binary cross-entropy.
//!
//! Everything goes by the *wrong* probability w, the one that the net gives to the false answer: with y = x outside
//! and −x inside the target, w = σ(y), cross-entropy = softplus(y), p = w outside and 1 − w inside, p (1 − p) =
//! w (1 − w). So nothing cancels where the net is sure and right, which is nearly everywhere.

use super::CHUNK;
use super::exponential::{exp, ln_1p};
use super::sums::{Partial, Slope, TILE, sum, sum_split};
use rayon::prelude::*;

/// Wrong probabilities `[N R][V]` into `wrong`, sums `[N R][chunk]` into `partials`.
pub(super) fn activate(logits: &[f32], targets: &[u8], v: usize, partials: &mut [Partial], wrong: &mut [f32]) {
    let planes = logits.par_chunks_exact(v).zip(targets.par_chunks_exact(v));
    let outputs = wrong.par_chunks_exact_mut(v).zip(partials.par_chunks_exact_mut(v.div_ceil(CHUNK)));
    planes.zip(outputs).for_each(|((logits, targets), (wrong, partials))| {
        let inputs = logits.par_chunks(CHUNK).zip(targets.par_chunks(CHUNK));
        inputs
            .zip(wrong.par_chunks_mut(CHUNK).zip(partials))
            .for_each(|((logits, targets), (wrong, partial))| *partial = activate_chunk(logits, targets, wrong));
    });
}

fn activate_chunk(logits: &[f32], targets: &[u8], wrong: &mut [f32]) -> Partial {
    assert!(targets.iter().fold(0, |a, t| a | t) <= 1, "loss: a region's target is neither 0 nor 1");
    let mut inside = [0.0f32; TILE];
    let mut entropy = [0.0f32; TILE];
    let mut partial = Partial::default();
    for ((x, t), w) in logits.chunks(TILE).zip(targets.chunks(TILE)).zip(wrong.chunks_mut(TILE)) {
        let (inside, entropy) = (&mut inside[..x.len()], &mut entropy[..x.len()]);
        for ((t, inside), (x, w)) in t.iter().zip(inside.iter_mut()).zip(x.iter().zip(w.iter_mut())) {
            *inside = f32::from(*t);
            *w = x * (1.0 - 2.0 * *inside); // y
        }
        for (w, entropy) in w.iter_mut().zip(entropy.iter_mut()) {
            let y = *w;
            let u = exp(-y.abs());
            let q = 1.0 / (1.0 + u);
            *w = if y > 0.0 { q } else { u * q };
            *entropy = (if y > 0.0 { y } else { 0.0 }) + ln_1p(u);
        }
        let (wrong_inside, wrong_outside) = sum_split(w, inside);
        let target = sum(inside);
        partial.inside += target - wrong_inside;
        partial.outside += wrong_outside;
        partial.target += target;
        partial.entropy += sum(entropy);
    }
    partial
}

/// Wrong probabilities into gradients, in place; `slopes`: `[N R]`.
///
/// ∂/∂x = ±c w + (outside + t step) w (1 − w), the sign − inside the target.
pub(super) fn differentiate(targets: &[u8], v: usize, slopes: &[Slope], c: f32, d_logits: &mut [f32]) {
    d_logits.par_chunks_exact_mut(v).zip(targets.par_chunks_exact(v)).zip(slopes).for_each(|((d, t), slope)| {
        d.par_chunks_mut(CHUNK).zip(t.par_chunks(CHUNK)).for_each(|(d, t)| {
            for (d, t) in d.iter_mut().zip(t) {
                let w = *d;
                let t = f32::from(*t);
                *d = w * (c * (1.0 - 2.0 * t) + (slope.outside + t * slope.step) * (1.0 - w));
            }
        });
    });
}
