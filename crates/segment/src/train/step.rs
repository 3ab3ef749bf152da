//! One step: forward, losses of every head, backward, clip, update.

use kernels::Cpu;
use unet::loss::{DiceOver, LossSpec, LossValue, LossWorkspace, Targets, downsample_targets, loss};
use unet::{Net, Purpose, UnetError};

use super::{State, TrainError};
use crate::prefetch::Sample;
use crate::recipe::Recipe;
use crate::recipe::training::{Outputs, Stage};

/// Losses of the step before that a failing one is reported with.
const REMEMBERED: usize = 8;

/// What a step says of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct StepLoss {
    pub(super) total: f64,
    pub(super) dice_loss: f64,
    pub(super) cross_entropy: f64,
    /// Soft Dice of each output of the finest head.
    pub(super) dice: Vec<f64>,
    pub(super) gradient: f64,
}

/// The network of a stage and the buffers of its step.
pub(super) struct Step {
    net: Net,
    grads: Vec<f32>,
    outputs: Outputs,
    spec: LossSpec,
    head_weights: Vec<f64>,
    clip: f64,
    dropout: bool,
    seed: u64,
    batch: usize,
    workspace: LossWorkspace,
    /// Targets of each head, `[N][R or 1][V]`.
    targets: Vec<Vec<u8>>,
    /// Logits and their gradient of each head over the whole batch, where the Dice is taken over it.
    together: Vec<(Vec<f32>, Vec<f32>)>,
}

impl Step {
    /// Lays the network of a stage out.
    pub(super) fn new(cpu: Cpu, recipe: &Recipe, stage: &Stage, purpose: Purpose) -> Result<Self, UnetError> {
        let (net, batch) = (Net::new(&recipe.network.spec(), stage.patch, purpose, cpu)?, stage.batch);
        let outputs = recipe.network.outputs;
        let r = outputs.count();
        let head_weights = recipe.network.head_weights();
        let v = |level: usize| kernels::voxels(net.level_shape(level));
        let planes = if outputs == Outputs::Regions { r } else { 1 };
        let levels = 0..head_weights.len();
        let over_batch = batch > 1 && recipe.loss.dice_over == DiceOver::Batch;
        let together = |level: usize| (vec![0.0; batch * r * v(level)], vec![0.0; batch * r * v(level)]);
        let n_params = Net::params(&recipe.network.spec())?.last().map_or(0, |p| p.range.end);
        Ok(Self {
            grads: vec![0.0; n_params],
            outputs,
            spec: recipe.loss,
            clip: if recipe.training.gradient_clip > 0.0 { recipe.training.gradient_clip } else { f64::INFINITY },
            dropout: recipe.network.dropout > 0.0,
            seed: recipe.training.seed,
            batch,
            workspace: LossWorkspace::new((batch, r, v(0))),
            targets: levels.clone().map(|level| vec![0; batch * planes * v(level)]).collect(),
            together: if over_batch { levels.map(together).collect() } else { Vec::new() },
            head_weights,
            net,
        })
    }

    /// Whether this is the network of `stage`.
    pub(super) fn fits(&self, stage: &Stage) -> bool {
        self.net.shape() == stage.patch && self.batch == stage.batch
    }

    /// Samples a step takes.
    pub(super) fn batch(&self) -> usize {
        self.batch
    }

    /// Takes one step with the samples of a batch.
    pub(super) fn take(&mut self, state: &mut State, samples: &[Sample], lr: f64) -> Result<StepLoss, TrainError> {
        self.net.load(&state.weights);
        self.grads.fill(0.0);
        for (n, sample) in samples.iter().enumerate() {
            self.aim(n, &sample.patch.labels);
        }
        let mut total =
            if self.together.is_empty() { self.one_by_one(state, samples) } else { self.all_together(state, samples) };
        let not_finite = |what: &'static str, loss: f64| TrainError::NotFinite {
            step: state.done,
            what,
            loss,
            lr,
            last: state.last.clone(),
            patches: samples.iter().map(|s| format!("{} at {:?}", s.case, s.plan.start)).collect::<Vec<_>>().join(", "),
        };
        if !total.total.is_finite() {
            return Err(not_finite("loss", total.total));
        }
        match state.optimiser.clip(&mut self.grads, self.clip) {
            Ok(norm) => total.gradient = norm,
            Err(_) => return Err(not_finite("gradient", total.total)),
        }
        state.optimiser.step(&mut state.weights, &self.grads, lr);
        state.ema.update(&state.weights);
        if state.last.len() == REMEMBERED {
            state.last.remove(0);
        }
        state.last.push(total.total);
        Ok(total)
    }

    /// Sets the targets of sample `n` for every head.
    fn aim(&mut self, n: usize, labels: &[u8]) {
        let shape = self.net.shape();
        let planes = if self.outputs == Outputs::Regions { self.outputs.count() } else { 1 };
        for level in 0..self.targets.len() {
            let v = kernels::voxels(self.net.level_shape(level));
            let (finest, coarser) = self.targets.split_at_mut(level.max(1));
            if level == 0 {
                let own = &mut finest[0][n * planes * v..][..planes * v];
                match self.outputs {
                    Outputs::Classes => own.copy_from_slice(labels),
                    Outputs::Regions => {
                        for (region, plane) in crate::labels::Region::ALL.into_iter().zip(own.chunks_exact_mut(v)) {
                            plane
                                .iter_mut()
                                .zip(labels)
                                .for_each(|(t, &code)| *t = u8::from(region.contains_code(code)));
                        }
                    }
                }
            } else {
                let full = kernels::voxels(shape);
                let from = &finest[0][n * planes * full..][..planes * full];
                let own = &mut coarser[0][n * planes * v..][..planes * v];
                downsample_targets(from, shape, [1 << level; 3], own);
            }
        }
    }

    fn seed_of(&self, state: &State, n: usize) -> Option<u64> {
        let place = state.done * self.batch as u64 + n as u64;
        self.dropout.then(|| self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ place.wrapping_mul(0xD1B5_4A32_D192_ED03))
    }

    #[expect(clippy::cast_possible_truncation, reason = "the weight of a loss")]
    fn one_by_one(&mut self, state: &State, samples: &[Sample]) -> StepLoss {
        let r = self.outputs.count();
        let mut sum = StepLoss { dice: vec![0.0; r], ..StepLoss::default() };
        let share = 1.0 / samples.len() as f64;
        for (n, sample) in samples.iter().enumerate() {
            let seed = self.seed_of(state, n);
            self.net.forward(&sample.patch.image, seed);
            let shapes: Vec<usize> =
                (0..self.targets.len()).map(|l| kernels::voxels(self.net.level_shape(l))).collect();
            for (level, logits, d_logits) in self.net.heads_mut() {
                let v = shapes[level];
                let each = self.targets[level].len() / self.batch;
                let own = &self.targets[level][n * each..][..each];
                let targets = targets(self.outputs, own);
                let weight = self.head_weights[level] * share;
                let value = loss(&self.spec, logits, targets, (1, r, v), &mut self.workspace, weight as f32, d_logits);
                sum.add(level, &value, weight, share);
            }
            self.net.backward(&mut self.grads);
        }
        sum
    }

    /// The Dice over the whole batch needs all logits first, so each sample goes forward twice.
    #[expect(clippy::cast_possible_truncation, reason = "the weight of a loss")]
    fn all_together(&mut self, state: &State, samples: &[Sample]) -> StepLoss {
        let r = self.outputs.count();
        for (n, sample) in samples.iter().enumerate() {
            let seed = self.seed_of(state, n);
            self.net.forward(&sample.patch.image, seed);
            for (level, logits, _) in self.net.heads_mut() {
                self.together[level].0[n * logits.len()..][..logits.len()].copy_from_slice(logits);
            }
        }
        let mut sum = StepLoss { dice: vec![0.0; r], ..StepLoss::default() };
        for (level, (logits, d_logits)) in self.together.iter_mut().enumerate() {
            let shape = (samples.len(), r, kernels::voxels(self.net.level_shape(level)));
            let targets = targets(self.outputs, &self.targets[level]);
            let weight = self.head_weights[level];
            let value = loss(&self.spec, logits, targets, shape, &mut self.workspace, weight as f32, d_logits);
            sum.add(level, &value, weight, 1.0);
        }
        for (n, sample) in samples.iter().enumerate() {
            let seed = self.seed_of(state, n);
            self.net.forward(&sample.patch.image, seed);
            for (level, _, d_logits) in self.net.heads_mut() {
                d_logits.copy_from_slice(&self.together[level].1[n * d_logits.len()..][..d_logits.len()]);
            }
            self.net.backward(&mut self.grads);
        }
        sum
    }
}

fn targets(outputs: Outputs, own: &[u8]) -> Targets<'_> {
    match outputs {
        Outputs::Regions => Targets::Regions(own),
        Outputs::Classes => Targets::Classes(own),
    }
}

impl StepLoss {
    fn add(&mut self, level: usize, value: &LossValue, weight: f64, share: f64) {
        self.total += weight * value.total;
        self.dice_loss += weight * value.dice;
        self.cross_entropy += weight * value.cross_entropy;
        if level == 0 {
            self.dice.iter_mut().zip(value.soft_dice()).for_each(|(sum, d)| *sum += share * d);
        }
    }
}
