//! Whole networks against `PyTorch` in float64 (golden/unet.py): logits, every gradient, ten steps of training; dropout
//! against its definition.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's material fails loudly; what was measured is said"
)]

mod numbers;

use kernels::{Cpu, Shape, voxels};
use numbers::{image, mix, unit, weights};
use serde::Deserialize;
use std::ops::Range;
use unet::loss::{DiceClasses, DiceOver, LossSpec, LossWorkspace, Targets, downsample_targets, loss};
use unet::optim::{OptimSpec, Optimiser};
use unet::{Down, Net, NetSpec, Norm, Purpose, Up};

/// Tags of the hash, as in golden/unet.py.
const D_LOGITS: u32 = 1000;
const TARGETS: u32 = 2000;
const PICKS: u32 = 3000;
const SIGNS: u32 = 4000;

#[derive(Deserialize)]
struct Golden {
    spec: NetSpec,
    shape: Shape,
    salt: u32,
    heads: Vec<Head>,
    grads: Vec<Tensor>,
}

#[derive(Deserialize)]
struct Head {
    level: usize,
    #[serde(flatten)]
    summary: Summary,
}

#[derive(Deserialize)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    #[serde(flatten)]
    summary: Summary,
}

/// Of a tensor: its norm, its product with hashed numbers, and values at hashed places (all, if there are few).
#[derive(Deserialize)]
struct Summary {
    len: usize,
    norm: f64,
    dot: f64,
    samples: Vec<f64>,
}

impl Summary {
    /// How far `got` is off, as a part of the root mean square of the tensor; the worst of all that is stored.
    fn off(&self, got: &[f32]) -> f64 {
        assert_eq!(got.len(), self.len, "length");
        let norm = got.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        let signs = unit(0, SIGNS, got.len());
        let dot: f64 = got.iter().zip(&signs).map(|(&g, &s)| f64::from(g) * f64::from(s)).sum();
        let all = got.len() == self.samples.len();
        let place = |i: usize| if all { i } else { mix(0, PICKS, i as u32) as usize % got.len() };
        let samples = self.samples.iter().enumerate().map(|(i, want)| (f64::from(got[place(i)]) - want).abs());
        let rms = self.norm / (self.len as f64).sqrt();
        let worst = samples.fold(0.0, f64::max) / rms;
        // The whole differs by its norm at most; a dot product with numbers below 1 too.
        let whole = (norm - self.norm).abs().max((dot - self.dot).abs()) / self.norm;
        assert!(norm.is_finite() && dot.is_finite(), "not finite");
        worst.max(whole)
    }
}

fn parse<T: for<'a> Deserialize<'a>>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|fault| panic!("golden: {fault}"))
}

/// Logits and gradients of every instruction set, with minimal filtering and without, within `bounds` of the root mean square of each tensor.
fn check(name: &str, text: &str, bounds: [f64; 2]) {
    let golden: Golden = parse(text);
    let spec = &golden.spec;
    let params = Net::params(spec).unwrap();
    let named: Vec<_> = params.iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect();
    let expected: Vec<_> = golden.grads.iter().map(|g| (g.name.as_str(), g.shape.as_slice())).collect();
    assert_eq!(named, expected, "{name}: names and shapes");
    let passes = [Purpose::Train, Purpose::TrainDirectly];
    for (cpu, purpose) in Cpu::all().into_iter().flat_map(|cpu| passes.map(|purpose| (cpu, purpose))) {
        let mut net = Net::new(spec, golden.shape, purpose, cpu).unwrap();
        net.load(&weights(spec, golden.salt));
        net.forward(&image(spec, voxels(golden.shape), golden.salt), None);
        let (mut worst, mut n_heads) = ([0.0f64; 2], 0);
        for (level, logits, d_logits) in net.heads_mut() {
            let head = golden.heads.iter().find(|h| h.level == level).unwrap();
            let off = head.summary.off(logits);
            assert!(off <= bounds[0], "{name} on {:?}: logits {level} are {off:e} off", cpu.name());
            worst[0] = worst[0].max(off);
            d_logits.copy_from_slice(&unit(golden.salt, D_LOGITS + level as u32, d_logits.len()));
            n_heads += 1;
        }
        assert_eq!(n_heads, golden.heads.len(), "{name}: heads");
        let mut grads = vec![0.0; params.last().map_or(0, |p| p.range.end)];
        net.backward(&mut grads);
        for (param, tensor) in params.iter().zip(&golden.grads) {
            let off = tensor.summary.off(&grads[param.range.clone()]);
            assert!(off <= bounds[1], "{name} on {:?}: gradient of {} is {off:e} off", cpu.name(), param.name);
            worst[1] = worst[1].max(off);
        }
        eprintln!("{name} on {:?}, {purpose:?}: logits {:.1e}, gradients {:.1e} off", cpu.name(), worst[0], worst[1]);
    }
}

/// Logits of the finest head and gradients of a pass with hashed `d_logits`.
fn pass(golden: &Golden, (purpose, cpu): (Purpose, Cpu)) -> (Vec<f32>, Vec<f32>) {
    let mut net = Net::new(&golden.spec, golden.shape, purpose, cpu).unwrap();
    net.load(&weights(&golden.spec, golden.salt));
    net.forward(&image(&golden.spec, voxels(golden.shape), golden.salt), None);
    let mut grads = vec![0.0; net.weights_mut().len()];
    for (level, _, d_logits) in net.heads_mut() {
        d_logits.copy_from_slice(&unit(golden.salt, D_LOGITS + level as u32, d_logits.len()));
    }
    net.backward(&mut grads);
    (net.logits(0).to_vec(), grads)
}

/// How far `a` is from `b`, beside how long `b` is.
fn apart(a: &[f32], b: &[f32]) -> f64 {
    let sum =
        |of: &dyn Fn(f64, f64) -> f64| -> f64 { a.iter().zip(b).map(|(a, b)| of((*a).into(), (*b).into())).sum() };
    (sum(&|a, b| (a - b).powi(2)) / sum(&|_, b| b * b)).sqrt()
}

/// With products of bf16 a pass is that of f32, but rounded; gradients feel too which activations near 0 fall on the other side, which
/// the slope of 0.9 of `deep` makes cost little. Each bound is up to three times what was measured.
#[test]
fn tiles_of_bf16_round_and_do_no_more() {
    for (name, text, bounds) in [
        ("report", include_str!("golden/net_report.json"), [1.5e-2, 0.4]),
        ("field", include_str!("golden/net_field.json"), [4e-2, 0.9]),
        ("pooled", include_str!("golden/net_pooled.json"), [3e-2, 0.7]),
        ("deep", include_str!("golden/net_deep.json"), [1.5e-2, 0.15]),
        ("flat", include_str!("golden/net_flat.json"), [1e-2, 1.5e-2]),
    ] {
        let golden: Golden = parse(text);
        let exact = pass(&golden, (Purpose::Train, Cpu::detect()));
        // The fastest alone: all have the same bits (tests/determinism.rs).
        if let Some(cpu) = Cpu::all().into_iter().rfind(|cpu| cpu.has_tiles()) {
            let (logits, grads) = pass(&golden, (Purpose::TrainInTiles, cpu));
            let mut worst = [apart(&logits, &exact.0), 0.0];
            for param in Net::params(&golden.spec).unwrap() {
                let off = apart(&grads[param.range.clone()], &exact.1[param.range.clone()]);
                assert!(off <= bounds[1], "{name} on {:?}: gradient of {} is {off:e} off", cpu.name(), param.name);
                worst[1] = worst[1].max(off);
            }
            eprintln!("{name} on {:?}: logits {:.1e}, gradients {:.1e} off", cpu.name(), worst[0], worst[1]);
            assert!(worst[0] > 0.0 && worst[0] <= bounds[0], "{name} on {:?}: logits", cpu.name());
        }
    }
}

// Why these bounds: each of some fifteen layers adds the rounding of its sums, about 1e-7 of what they hold where the
// convolution is direct and up to 1e-5 where it is Winograd's, and the worst of hundreds of samples is four of its
// standard deviations. Norms over few voxels divide by small deviations and enlarge what came before: the lowest level of
// `deep` has twelve voxels. Each bound is about five times what was measured.

#[test]
fn golden_report() {
    check("report", include_str!("golden/net_report.json"), [1.5e-5, 5e-5]);
}

#[test]
fn golden_field() {
    check("field", include_str!("golden/net_field.json"), [5e-5, 1e-4]);
}

#[test]
fn golden_pooled() {
    check("pooled", include_str!("golden/net_pooled.json"), [5e-5, 5e-5]);
}

#[test]
fn golden_wide() {
    check("wide", include_str!("golden/net_wide.json"), [2e-5, 5e-5]);
}

#[test]
fn golden_deep() {
    // So many activations that some lie near their kink whatever the salt; a slope of 0.9 makes the wrong side cost little.
    check("deep", include_str!("golden/net_deep.json"), [3e-5, 8e-5]);
}

#[test]
fn golden_flat() {
    check("flat", include_str!("golden/net_flat.json"), [5e-6, 8e-6]);
}

#[derive(Deserialize)]
struct TenSteps {
    spec: NetSpec,
    shape: Shape,
    salt: u32,
    losses: Vec<f64>,
    params: Vec<Trained>,
}

#[derive(Deserialize)]
struct Trained {
    name: String,
    /// Norm of the change that ten steps made.
    travelled: f64,
    #[serde(flatten)]
    summary: Summary,
}

const LOSS: LossSpec = LossSpec {
    dice: 1.0,
    cross_entropy: 1.0,
    dice_over: DiceOver::Sample,
    dice_classes: DiceClasses::All,
    smooth: 1e-5,
};

const ADAM_W: OptimSpec = OptimSpec::AdamW { lr: 3e-3, beta1: 0.9, beta2: 0.999, eps: 1e-5, weight_decay: 0.05 };

/// Trains on one image: ten steps of Dice and binary cross-entropy, the heads weighing 1, 1/2, ... of their sum.
fn train(golden: &TenSteps, cpu: Cpu) -> (Vec<f64>, Vec<f32>) {
    let (spec, shape, salt) = (&golden.spec, golden.shape, golden.salt);
    let r = spec.outputs;
    let decays: Vec<Range<usize>> =
        Net::params(spec).unwrap().iter().filter(|p| p.decays()).map(|p| p.range.clone()).collect();
    let mut params = weights(spec, salt);
    let mut optimiser = Optimiser::new(ADAM_W, params.len(), &decays);
    let mut net = Net::new(spec, shape, Purpose::Train, cpu).unwrap();
    let full: Vec<u8> = unit(salt, TARGETS, r * voxels(shape)).iter().map(|&u| u8::from(u > 0.5)).collect();
    let shapes: Vec<Shape> = (0..=spec.deep_supervision).map(|level| net.level_shape(level)).collect();
    let total: f64 = (0..=spec.deep_supervision).map(|level| 0.5f64.powi(level as i32)).sum();
    let mut workspace = LossWorkspace::new((1, r, voxels(shape)));
    let image = image(spec, voxels(shape), salt);
    let mut losses = Vec::new();
    for _ in 0..10 {
        net.load(&params);
        net.forward(&image, None);
        let mut sum = 0.0;
        for (level, logits, d_logits) in net.heads_mut() {
            let v = voxels(shapes[level]);
            let mut small = vec![0; r * v];
            downsample_targets(&full, shape, [1 << level; 3], &mut small);
            let weight = 0.5f64.powi(level as i32) / total;
            let targets = Targets::Regions(&small);
            sum += weight * loss(&LOSS, logits, targets, (1, r, v), &mut workspace, weight as f32, d_logits).total;
        }
        losses.push(sum);
        let mut grads = vec![0.0; params.len()];
        net.backward(&mut grads);
        optimiser.step(&mut params, &grads, 3e-3);
    }
    (losses, params)
}

#[test]
fn golden_ten_steps() {
    let golden: TenSteps = parse(include_str!("golden/net_ten_steps.json"));
    for cpu in Cpu::all() {
        let (losses, params) = train(&golden, cpu);
        let mut worst = [0.0f64; 2];
        for (step, (got, want)) in losses.iter().zip(&golden.losses).enumerate() {
            let off = (got - want).abs() / want;
            assert!(off <= 1e-6, "{:?}, step {step}: loss {got} for {want}", cpu.name());
            worst[0] = worst[0].max(off);
        }
        for (spec, trained) in Net::params(&golden.spec).unwrap().iter().zip(&golden.params) {
            assert_eq!(spec.name, trained.name, "order of the arena");
            // As a part of the way that the weights went, not of their size. Adam divides each gradient by its own size,
            // so small ones, which are rounded most, count as much as the others: 4e-5 measured.
            let scale = trained.summary.norm / trained.travelled;
            let off = trained.summary.off(&params[spec.range.clone()]) * scale;
            assert!(off <= 3e-4, "{:?}: {} is {off:e} of its way off", cpu.name(), spec.name);
            worst[1] = worst[1].max(off);
        }
        eprintln!("ten steps on {:?}: losses {:.1e}, weights {:.1e} off", cpu.name(), worst[0], worst[1]);
    }
}

/// One level whose head shows eight of its channels as they are.
fn window(dropout: f32) -> (NetSpec, Vec<f32>) {
    let spec = NetSpec {
        inputs: 2,
        outputs: 8,
        widths: vec![20],
        norm: Norm::None,
        negative_slope: 0.0,
        down: Down::MaxPool,
        up: Up::Nearest,
        dropout,
        deep_supervision: 0,
    };
    let mut weights = weights(&spec, 1);
    let params = Net::params(&spec).unwrap();
    let of = |name: &str| params.iter().find(|p| p.name == name).unwrap().range.clone();
    weights[of("head.0.weight")].fill(0.0);
    weights[of("head.0.bias")].fill(0.0);
    for r in 0..8 {
        // Channels 0, 2, ..., 14: the first block; the second is dropped by the same rule.
        weights[of("head.0.weight")][r * 20 + 2 * r] = 1.0;
    }
    (spec, weights)
}

const CUBE: Shape = [12, 10, 14];

fn net_of(spec: &NetSpec, weights: &[f32]) -> Net {
    let mut net = Net::new(spec, CUBE, Purpose::Train, Cpu::detect()).unwrap();
    net.load(weights);
    net
}

#[test]
fn dropout_zeroes_its_share_and_scales_the_rest() {
    for rate in [0.1f32, 0.5, 0.75] {
        let (spec, weights) = window(rate);
        let image = image(&spec, voxels(CUBE), 1);
        let mut net = net_of(&spec, &weights);
        net.forward(&image, None);
        let plain = net.logits(0).to_vec();
        let (without, _) = window(0.0);
        let mut other = net_of(&without, &weights);
        other.forward(&image, Some(9));
        assert_eq!(other.logits(0), plain, "without a seed, and at rate 0, nothing is dropped");
        net.forward(&image, Some(9));
        let (mut shown, mut dropped) = (0, 0);
        for (&got, &full) in net.logits(0).iter().zip(&plain).filter(|(_, full)| **full > 0.0) {
            shown += 1;
            dropped += i32::from(got == 0.0);
            assert!(got == 0.0 || got == full / (1.0 - rate) || got == full * (1.0 / (1.0 - rate)), "{got} of {full}");
        }
        // Binomial: five standard deviations.
        let (p, n) = (f64::from(rate), f64::from(shown));
        let off = (f64::from(dropped) - n * p).abs();
        assert!(n > 1000.0 && off <= 5.0 * (n * p * (1.0 - p)).sqrt(), "{dropped} of {shown} dropped at {rate}");
    }
}

#[test]
fn dropout_follows_its_seed_and_backward_takes_the_same_values() {
    let (spec, weights) = window(0.5);
    let image = image(&spec, voxels(CUBE), 1);
    let mut net = net_of(&spec, &weights);
    let mut seen = |seed| {
        net.forward(&image, Some(seed));
        net.logits(0).to_vec()
    };
    let (first, second, again) = (seen(3), seen(4), seen(3));
    assert_eq!(first, again, "one seed, one mask");
    assert_ne!(first, second, "another seed, another mask");
    for (_, _, d_logits) in net.heads_mut() {
        d_logits.fill(1.0);
    }
    let params = Net::params(&spec).unwrap();
    let mut grads = vec![0.0; weights.len()];
    net.backward(&mut grads);
    let bias = params.iter().find(|p| p.name == "encoder.0.1.bias").unwrap();
    for (channel, &got) in grads[bias.range.clone()].iter().enumerate() {
        // A value that was kept and is positive passes the gradient 1, times 1 / (1 - 0.5).
        let kept = |r: usize| first[r * voxels(CUBE)..][..voxels(CUBE)].iter().filter(|&&l| l > 0.0).count();
        let want = if channel % 2 == 0 && channel < 16 { 2.0 * kept(channel / 2) as f32 } else { 0.0 };
        assert_eq!(got, want, "channel {channel}: integers, so exact");
    }
}
