//! Optimisers over one flat list of parameters, as `PyTorch` defines them.
//!
//! Each parameter is stepped on its own with plain multiplications and additions in f32; factors that are the same
//! for all (bias corrections, step sizes) are taken in f64 and rounded once, as `PyTorch` does. So steps have the same
//! bits for any number of threads and on every instruction set.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Parameters per task, and gradients per partial sum of the norm.
pub const STEP_CHUNK: usize = 16_384;

/// Which optimiser, with its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum OptimSpec {
    /// Kingma and Ba 2015; the report trains with lr 1e-3 and Keras' eps of 1e-7.
    Adam {
        /// Peak learning rate.
        lr: f64,
        /// Decay of the mean gradient.
        beta1: f64,
        /// Decay of the mean squared gradient.
        beta2: f64,
        /// Added to the root, not under it.
        eps: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019): w ← w (1 − lr · decay) before each step.
    AdamW {
        /// Peak learning rate.
        lr: f64,
        /// Decay of the mean gradient.
        beta1: f64,
        /// Decay of the mean squared gradient.
        beta2: f64,
        /// Added to the root, not under it.
        eps: f64,
        /// Share of the weight, per unit of learning rate, that each step takes away.
        weight_decay: f64,
    },
    /// Momentum with dampening 0: m ← μ m + g, starting from 0.
    Sgd {
        /// Peak learning rate.
        lr: f64,
        /// μ.
        momentum: f64,
        /// Step along g + μ m instead of m.
        nesterov: bool,
        /// Times the weight, added to the gradient (coupled).
        weight_decay: f64,
    },
}

impl OptimSpec {
    /// Peak learning rate, for the schedule.
    pub fn lr(&self) -> f64 {
        match *self {
            OptimSpec::Adam { lr, .. } | OptimSpec::AdamW { lr, .. } | OptimSpec::Sgd { lr, .. } => lr,
        }
    }

    fn has_second_moment(&self) -> bool {
        match self {
            OptimSpec::Adam { .. } | OptimSpec::AdamW { .. } => true,
            OptimSpec::Sgd { .. } => false,
        }
    }
}

/// A gradient held NaN or infinity; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gradient is not finite")]
pub struct NonFiniteGradient;

/// A checkpoint's state does not belong to this optimiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the optimiser keeps moments of {expected:?} parameters, the checkpoint has {found:?}")]
pub struct StateMismatch {
    /// Lengths of the first and second moment here.
    pub expected: [usize; 2],
    /// Lengths found.
    pub found: [usize; 2],
}

/// What a checkpoint must hold beside the parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimState<'a> {
    /// Steps taken.
    pub n_steps: u64,
    /// Adam: mean gradient; SGD: momentum. One per parameter.
    pub first: &'a [f32],
    /// Adam: mean squared gradient, one per parameter; SGD: empty.
    pub second: &'a [f32],
}

/// An optimiser and its memory.
#[derive(Debug, Clone)]
pub struct Optimiser {
    spec: OptimSpec,
    decays: Vec<Range<usize>>,
    n_steps: u64,
    first: Vec<f32>,
    second: Vec<f32>,
    squares: Vec<f64>,
}

impl Optimiser {
    /// For `n_params` parameters, of which those in `decay` (ascending, disjoint) are subject to weight decay.
    ///
    /// # Panics
    /// If `decay` is not ascending and disjoint within the parameters.
    pub fn new(spec: OptimSpec, n_params: usize, decay: &[Range<usize>]) -> Optimiser {
        let mut end = 0;
        for range in decay {
            assert!(end <= range.start && range.start <= range.end && range.end <= n_params, "Optimiser: {range:?}");
            end = range.end;
        }
        let decays = decay.iter().filter(|range| !range.is_empty()).cloned().collect();
        let n_second = if spec.has_second_moment() { n_params } else { 0 };
        let (first, second) = (vec![0.0; n_params], vec![0.0; n_second]);
        Optimiser { spec, decays, n_steps: 0, first, second, squares: vec![0.0; n_params.div_ceil(STEP_CHUNK)] }
    }

    /// One step with learning rate `lr`. No allocation.
    ///
    /// # Panics
    /// If `params` or `grads` have another length than at the start.
    pub fn step(&mut self, params: &mut [f32], grads: &[f32], lr: f64) {
        assert_eq!(params.len(), self.first.len(), "Optimiser: number of parameters");
        assert_eq!(grads.len(), self.first.len(), "Optimiser: number of gradients");
        self.n_steps += 1;
        match self.spec {
            OptimSpec::Adam { beta1, beta2, eps, .. } => {
                self.step_adam(params, grads, AdamStep::new((beta1, beta2, eps), lr, 0.0, self.n_steps));
            }
            OptimSpec::AdamW { beta1, beta2, eps, weight_decay, .. } => {
                self.step_adam(params, grads, AdamStep::new((beta1, beta2, eps), lr, weight_decay, self.n_steps));
            }
            OptimSpec::Sgd { momentum, nesterov, weight_decay, .. } => {
                // w ← w − lr (here · g + along · m): g + μ m with Nesterov, m without.
                let (here, along) = if nesterov { (1.0, momentum as f32) } else { (0.0, 1.0) };
                let step = SgdStep { momentum: momentum as f32, here, along, lr: lr as f32 };
                self.step_sgd(params, grads, step, weight_decay as f32);
            }
        }
    }

    fn step_adam(&mut self, params: &mut [f32], grads: &[f32], step: AdamStep) {
        let decays = &self.decays;
        let moments = self.first.par_chunks_mut(STEP_CHUNK).zip(self.second.par_chunks_mut(STEP_CHUNK));
        let weights = params.par_chunks_mut(STEP_CHUNK).zip(grads.par_chunks(STEP_CHUNK));
        weights.zip(moments).enumerate().for_each(|(chunk, ((w, g), (m, v)))| {
            if step.keep < 1.0 {
                for_each_decaying(decays, chunk, w.len(), |range| w[range].iter_mut().for_each(|w| *w *= step.keep));
            }
            for ((w, g), (m, v)) in w.iter_mut().zip(g).zip(m.iter_mut().zip(v.iter_mut())) {
                *m += (g - *m) * step.rest1;
                *v = *v * step.beta2 + step.rest2 * g * g;
                let root = v.sqrt() / step.root_correction + step.eps;
                *w -= step.size * (*m / root);
            }
        });
    }

    fn step_sgd(&mut self, params: &mut [f32], grads: &[f32], step: SgdStep, weight_decay: f32) {
        let decays = &self.decays;
        let weights = params.par_chunks_mut(STEP_CHUNK).zip(grads.par_chunks(STEP_CHUNK));
        weights.zip(self.first.par_chunks_mut(STEP_CHUNK)).enumerate().for_each(|(chunk, ((w, g), m))| {
            let mut done = 0;
            for_each_decaying(decays, chunk, w.len(), |range| {
                let before = done..range.start;
                done = range.end;
                step.run(&mut w[before.clone()], &g[before.clone()], &mut m[before], 0.0);
                step.run(&mut w[range.clone()], &g[range.clone()], &mut m[range], weight_decay);
            });
            step.run(&mut w[done..], &g[done..], &mut m[done..], 0.0);
        });
    }

    /// Scales `grads` down to a global norm of at most `max_norm`, as `torch.nn.utils.clip_grad_norm_` does.
    ///
    /// Returns the norm before. Squares are summed in f64 over fixed chunks, so no finite gradient overflows and the
    /// bits do not depend on threads. The factor is `max_norm` / (norm + 1e-6), if below 1. `f64::INFINITY` only
    /// measures.
    ///
    /// # Errors
    /// [`NonFiniteGradient`] if one is NaN or infinite; `grads` are then untouched.
    ///
    /// # Panics
    /// If `grads` have another length than the parameters.
    pub fn clip(&mut self, grads: &mut [f32], max_norm: f64) -> Result<f64, NonFiniteGradient> {
        assert_eq!(grads.len(), self.first.len(), "Optimiser: number of gradients");
        grads.par_chunks(STEP_CHUNK).zip(&mut self.squares).for_each(|(g, square)| *square = sum_of_squares(g));
        let norm = self.squares.iter().sum::<f64>().sqrt();
        if !norm.is_finite() {
            return Err(NonFiniteGradient);
        }
        let factor = max_norm / (norm + 1e-6);
        if factor < 1.0 {
            let factor = factor as f32;
            grads.par_chunks_mut(STEP_CHUNK).for_each(|g| g.iter_mut().for_each(|g| *g *= factor));
        }
        Ok(norm)
    }

    /// What to write into a checkpoint.
    pub fn state(&self) -> OptimState<'_> {
        OptimState { n_steps: self.n_steps, first: &self.first, second: &self.second }
    }

    /// Takes a checkpoint's state; the steps that follow have the bits of a run that was never stopped.
    ///
    /// # Errors
    /// [`StateMismatch`] if it is of another kind of optimiser or another number of parameters.
    pub fn restore(&mut self, state: OptimState<'_>) -> Result<(), StateMismatch> {
        let expected = [self.first.len(), self.second.len()];
        let found = [state.first.len(), state.second.len()];
        if expected != found {
            return Err(StateMismatch { expected, found });
        }
        self.n_steps = state.n_steps;
        self.first.copy_from_slice(state.first);
        self.second.copy_from_slice(state.second);
        Ok(())
    }
}

/// Factors of one Adam step that all parameters share.
#[derive(Clone, Copy)]
struct AdamStep {
    rest1: f32,
    beta2: f32,
    rest2: f32,
    root_correction: f32,
    eps: f32,
    size: f32,
    keep: f32,
}

impl AdamStep {
    fn new((beta1, beta2, eps): (f64, f64, f64), lr: f64, weight_decay: f64, step: u64) -> AdamStep {
        let t = step as f64;
        AdamStep {
            rest1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            rest2: (1.0 - beta2) as f32,
            root_correction: (1.0 - beta2.powf(t)).sqrt() as f32,
            eps: eps as f32,
            size: (lr / (1.0 - beta1.powf(t))) as f32,
            keep: (1.0 - lr * weight_decay) as f32,
        }
    }
}

/// Factors of one SGD step.
#[derive(Clone, Copy)]
struct SgdStep {
    momentum: f32,
    here: f32,
    along: f32,
    lr: f32,
}

impl SgdStep {
    fn run(self, w: &mut [f32], g: &[f32], m: &mut [f32], weight_decay: f32) {
        for ((w, g), m) in w.iter_mut().zip(g).zip(m) {
            let g = g + weight_decay * *w;
            *m = self.momentum * *m + g;
            *w -= self.lr * (self.here * g + self.along * *m);
        }
    }
}

/// The parts of `decays` that lie in this chunk, counted from its start, in order.
fn for_each_decaying(decays: &[Range<usize>], chunk: usize, len: usize, mut work: impl FnMut(Range<usize>)) {
    let start = chunk * STEP_CHUNK;
    let first = decays.partition_point(|range| range.end <= start);
    for range in decays[first..].iter().take_while(|range| range.start < start + len) {
        work(range.start.max(start) - start..range.end.min(start + len) - start);
    }
}

/// Σ g² in f64, over eight lanes and a fixed tree.
fn sum_of_squares(g: &[f32]) -> f64 {
    let (blocks, tail) = g.as_chunks::<8>();
    let mut l = [0.0f64; 8];
    for block in blocks {
        for (lane, g) in l.iter_mut().zip(block) {
            *lane += f64::from(*g) * f64::from(*g);
        }
    }
    for (lane, g) in l.iter_mut().zip(tail) {
        *lane += f64::from(*g) * f64::from(*g);
    }
    ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
}
