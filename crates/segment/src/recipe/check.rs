//! The rules of a recipe: which values can work.

use unet::loss::LossSpec;
use unet::optim::OptimSpec;
use unet::schedule::Decline;

use super::Recipe;
use super::drawing::{Augmenting, Chance, Sampling};
use super::error::Fault;
use super::inference::Inference;
use super::training::{Network, SplitRule, Stage, Training};

/// Longest side of a patch or tile.
const LONGEST: usize = 1024;

type Checked = Result<(), Fault>;

impl Recipe {
    /// Finds the first value that cannot work.
    pub(super) fn check(&self) -> Checked {
        check_split(self.split)?;
        check_network(&self.network)?;
        // The size rule of a U-Net: each level but the first halves every axis.
        let divisor = 1_usize << (self.network.widths.len() - 1);
        check_training(&self.training, divisor)?;
        check_loss(&self.loss)?;
        check_sampling(&self.sampling)?;
        check_augmentation(&self.augmentation)?;
        check_inference(&self.inference, divisor)
    }
}

fn require(holds: impl FnOnce() -> bool, key: &'static str, rule: &'static str) -> Checked {
    if holds() { Ok(()) } else { Err(Fault { key, rule }) }
}

fn share(v: f64) -> bool {
    (0.0..=1.0).contains(&v)
}

fn not_negative(v: f64) -> bool {
    v >= 0.0 && v.is_finite()
}

fn ordered(range: [f64; 2], least: f64, most: f64) -> bool {
    least <= range[0] && range[0] <= range[1] && range[1] <= most
}

fn fits(size: [usize; 3], divisor: usize) -> bool {
    size.iter().all(|&n| n > 0 && n <= LONGEST && n.is_multiple_of(divisor))
}

fn check_split(split: SplitRule) -> Checked {
    match split {
        SplitRule::Report => Ok(()),
        SplitRule::Folds { count, fold } => {
            require(|| count >= 2, "split.count", "must be 2 or more")?;
            require(|| fold < count, "split.fold", "must be below `count`; folds are counted from 0")
        }
    }
}

fn check_network(network: &Network) -> Checked {
    let Network { inputs, widths, negative_slope, dropout, deep_supervision, .. } = network;
    require(|| *inputs == 4, "network.inputs", "must be 4: T1n, T1c, T2w, T2f")?;
    require(|| (1..=8).contains(&widths.len()), "network.widths", "must name 1 to 8 levels")?;
    require(|| widths.iter().all(|w| (1..=1024).contains(w)), "network.widths", "must lie in 1 to 1024")?;
    require(|| share(*negative_slope), "network.negative_slope", "must lie in 0 to 1")?;
    require(|| share(*dropout) && *dropout < 1.0, "network.dropout", "must lie in 0 to below 1")?;
    let heads = deep_supervision.len();
    let most = widths.len().saturating_sub(1).max(1);
    require(
        || heads <= most,
        "network.deep_supervision",
        "must not name more heads than the expanding path has levels",
    )?;
    require(
        || deep_supervision.first().is_some_and(|w| *w > 0.0) && deep_supervision.iter().all(|w| not_negative(*w)),
        "network.deep_supervision",
        "must begin with a positive weight, none negative",
    )
}

fn check_training(training: &Training, divisor: usize) -> Checked {
    require(|| not_negative(training.gradient_clip), "training.gradient_clip", "must be 0 (none) or positive")?;
    require(
        || share(training.ema_decay) && training.ema_decay < 1.0,
        "training.ema_decay",
        "must lie in 0 to below 1",
    )?;
    require(|| training.checkpoint_every > 0, "training.checkpoint_every", "must be 1 or more")?;
    require(|| training.validate_every > 0, "training.validate_every", "must be 1 or more")?;
    require(|| !training.stage.is_empty(), "training.stage", "must name one stage or more")?;
    training.stage.iter().try_for_each(|stage| check_stage(stage, divisor))?;
    require(|| training.warm_up < training.steps(), "training.warm_up", "must be shorter than the training")?;
    match training.decline {
        Decline::Constant | Decline::Cosine => Ok(()),
        Decline::Polynomial { exponent } => {
            require(|| not_negative(exponent), "training.decline.exponent", "must be 0 or positive")
        }
    }?;
    check_optimiser(training.optimiser)
}

fn check_stage(stage: &Stage, divisor: usize) -> Checked {
    // So many steps of so large batches could not be counted in 64 bits, nor made in a lifetime.
    require(|| (1..=1 << 32).contains(&stage.steps), "training.stage.steps", "must lie in 1 to 4294967296")?;
    require(|| (1..=64).contains(&stage.batch), "training.stage.batch", "must lie in 1 to 64")?;
    let rule = "must lie in 1 to 1024 and divide by 2 for each level but the first";
    require(|| fits(stage.patch, divisor), "training.stage.patch", rule)
}

fn check_optimiser(optimiser: OptimSpec) -> Checked {
    let lr = optimiser.lr();
    require(|| lr > 0.0 && lr.is_finite(), "training.optimiser.lr", "must be positive")?;
    let (momenta, decay) = match optimiser {
        OptimSpec::Adam { beta1, beta2, eps, .. } => ([beta1, beta2, eps], 0.0),
        OptimSpec::AdamW { beta1, beta2, eps, weight_decay, .. } => ([beta1, beta2, eps], weight_decay),
        OptimSpec::Sgd { momentum, weight_decay, .. } => ([momentum, 0.0, 1.0], weight_decay),
    };
    let below_one = |v: f64| share(v) && v < 1.0;
    require(
        || below_one(momenta[0]) && below_one(momenta[1]) && momenta[2] > 0.0 && momenta[2].is_finite(),
        "training.optimiser",
        "must have beta1, beta2 or momentum in 0 to below 1, and a positive eps",
    )?;
    require(|| not_negative(decay), "training.optimiser.weight_decay", "must be 0 or positive")
}

fn check_loss(loss: &LossSpec) -> Checked {
    let weights = [loss.dice, loss.cross_entropy].map(f64::from);
    require(
        || weights.iter().all(|w| not_negative(*w)) && weights.iter().sum::<f64>() > 0.0,
        "loss",
        "must have weights `dice` and `cross_entropy` that are not negative and not both 0",
    )?;
    require(|| not_negative(f64::from(loss.smooth)), "loss.smooth", "must be 0 or positive")
}

fn check_sampling(sampling: &Sampling) -> Checked {
    require(|| share(sampling.foreground), "sampling.foreground", "must lie in 0 to 1")?;
    require(|| (0.0..=0.5).contains(&sampling.jitter), "sampling.jitter", "must lie in 0 to 0.5")?;
    require(|| share(sampling.phantom_share), "sampling.phantom_share", "must lie in 0 to 1")?;
    require(
        || sampling.phantoms <= 1000 && (sampling.phantoms > 0 || sampling.phantom_share == 0.0),
        "sampling.phantoms",
        "must lie in 0 to 1000, and be positive where phantoms have a share",
    )
}

fn check_augmentation(augmenting: &Augmenting) -> Checked {
    require(|| augmenting.flip.iter().all(|p| share(*p)), "augmentation.flip", "must be probabilities, 0 to 1")?;
    require(|| share(augmenting.without_contrast), "augmentation.without_contrast", "must lie in 0 to 1")?;
    require(|| share(augmenting.drop_sequence), "augmentation.drop_sequence", "must lie in 0 to 1")?;
    let (turn, zoom, paste) = (&augmenting.rotation, &augmenting.zoom, &augmenting.paste);
    let turned = ordered(turn.in_plane, -180.0, 180.0) && ordered(turn.tilt, -180.0, 180.0);
    require(
        || share(turn.probability) && turned,
        "augmentation.rotation",
        "must have a probability in 0 to 1 and rising angles in -180 to 180",
    )?;
    require(
        || share(zoom.probability) && ordered(zoom.range, 0.25, 4.0) && (0.0..=0.5).contains(&zoom.anisotropy),
        "augmentation.zoom",
        "must have a probability in 0 to 1, a rising range in 0.25 to 4 and an anisotropy in 0 to 0.5",
    )?;
    let placed = (0.0..=180.0).contains(&paste.rotation) && (0.0..=100.0).contains(&paste.displacement);
    require(
        || share(paste.probability) && paste.margin <= 16 && placed,
        "augmentation.paste",
        "must have a probability in 0 to 1, a margin of up to 16, a rotation of up to 180 and a displacement of up to 100",
    )?;
    chances(augmenting).iter().try_for_each(|(key, chance, bounds)| {
        let holds = || share(chance.probability) && ordered(chance.range, bounds[0], bounds[1]);
        require(holds, key, "must have a probability in 0 to 1 and a rising range that makes sense for it")
    })
}

/// The changes of intensity, and between which bounds their strength makes sense.
fn chances(a: &Augmenting) -> [(&'static str, &Chance, [f64; 2]); 10] {
    [
        ("augmentation.bias", &a.bias, [0.0, 1.0]),
        ("augmentation.blur", &a.blur, [0.0, 5.0]),
        ("augmentation.low_resolution", &a.low_resolution, [0.1, 1.0]),
        ("augmentation.noise", &a.noise, [0.0, 5.0]),
        ("augmentation.contrast", &a.contrast, [0.1, 10.0]),
        ("augmentation.brightness", &a.brightness, [0.1, 10.0]),
        ("augmentation.shift", &a.shift, [-5.0, 5.0]),
        ("augmentation.gamma", &a.gamma, [0.1, 10.0]),
        ("augmentation.inverted_gamma", &a.inverted_gamma, [0.1, 10.0]),
        ("augmentation.tumour_contrast", &a.tumour_contrast, [0.1, 10.0]),
    ]
}

fn check_inference(inference: &Inference, divisor: usize) -> Checked {
    let rule = "must lie in 1 to 1024 and divide by 2 for each level but the first";
    require(|| fits(inference.tile, divisor), "inference.tile", rule)?;
    require(|| (0.0..=0.9).contains(&inference.overlap), "inference.overlap", "must lie in 0 to 0.9")?;
    let twice = |axis| inference.mirror.iter().filter(|a| **a == axis).count() > 1;
    require(|| !inference.mirror.iter().any(|a| twice(*a)), "inference.mirror", "must name an axis once")?;
    require(|| inference.thresholds.are_valid(), "inference.thresholds", "must lie between 0 and 1")
}
