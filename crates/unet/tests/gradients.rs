//! The gradient of whole networks with their losses, against central differences along directions: no other software asked.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's material fails loudly; what was measured is said"
)]

mod numbers;

use kernels::{Cpu, Shape, voxels};
use numbers::{image, mix, unit, weights};
use unet::loss::{DiceClasses, DiceOver, LossSpec, LossWorkspace, Targets, loss};
use unet::{Down, Net, NetSpec, Norm, Purpose, Up};

struct Problem {
    spec: NetSpec,
    shape: Shape,
    net: Net,
    image: Vec<f32>,
    /// Of each head: regions or classes.
    targets: Vec<Vec<u8>>,
    loss: LossSpec,
    workspace: LossWorkspace,
}

impl Problem {
    fn new(spec: NetSpec, shape: Shape) -> Self {
        let classes = spec.outputs == 4;
        let of_level = |level: u32| {
            let v = voxels(shape.map(|n| n >> level));
            let target = |i: u32| if classes { mix(1, 2000 + level, i) % 4 } else { mix(1, 2000 + level, i) % 3 / 2 };
            (0..if classes { v } else { spec.outputs * v } as u32).map(|i| target(i) as u8).collect()
        };
        Self {
            net: Net::new(&spec, shape, Purpose::Train, Cpu::detect()).unwrap(),
            image: image(&spec, voxels(shape), 1),
            targets: (0..=spec.deep_supervision as u32).map(of_level).collect(),
            loss: LossSpec {
                dice: 1.0,
                cross_entropy: 1.0,
                dice_over: DiceOver::Sample,
                dice_classes: DiceClasses::All,
                smooth: 1.0,
            },
            workspace: LossWorkspace::new((1, spec.outputs, voxels(shape))),
            spec,
            shape,
        }
    }

    /// The loss over all heads; heads weigh 1, 1/2, ...
    fn value(&mut self, weights: &[f32]) -> f64 {
        self.net.load(weights);
        self.net.forward(&self.image, Some(7));
        let mut total = 0.0;
        for (level, logits, d_logits) in self.net.heads_mut() {
            let shape = (1, self.spec.outputs, voxels(self.shape.map(|n| n >> level)));
            let own = self.targets[level].as_slice();
            let targets = if self.spec.outputs == 4 { Targets::Classes(own) } else { Targets::Regions(own) };
            let weight = 0.5f64.powi(level as i32);
            let value = loss(&self.loss, logits, targets, shape, &mut self.workspace, weight as f32, d_logits);
            total += weight * value.total;
        }
        total
    }

    fn gradient(&mut self, weights: &[f32]) -> Vec<f32> {
        self.value(weights);
        let mut grads = vec![0.0; weights.len()];
        self.net.backward(&mut grads);
        grads
    }

    /// Goes from `w - h v` to `w + h v`, about `rise`: how much the loss rises by `grads`, and how much it does.
    fn rise(&mut self, (weights, grads): (&[f32], &[f32]), v: &[f32], rise: f64) -> [f64; 2] {
        let slope: f64 = grads.iter().zip(v).map(|(&g, &v)| f64::from(g) * f64::from(v)).sum();
        let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
        let moved = norm(&mut weights.iter().zip(v).filter(|(_, v)| **v != 0.0).map(|(&w, _)| f64::from(w)));
        let most = LARGEST_STEP * moved / norm(&mut v.iter().map(|&v| f64::from(v)));
        let h = (rise / (2.0 * slope.abs())).min(most);
        let at = |h: f64| -> Vec<f32> {
            weights.iter().zip(v).map(|(&w, &v)| (f64::from(w) + h * f64::from(v)) as f32).collect()
        };
        let (there, back) = (at(h), at(-h));
        // By the way really gone, which f32 rounds.
        let gone = there.iter().zip(&back).map(|(&a, &b)| f64::from(a) - f64::from(b));
        let promised = gone.zip(grads).map(|(way, &g)| way * f64::from(g)).sum();
        [promised, self.value(&there) - self.value(&back)]
    }
}

/// What a step is to change the loss by. Small steps drown in the rounding of the loss, 1e-7 or so; large ones meet kinks
/// and curvature. A right gradient agrees at one of them, a wrong one at none.
const RISES: [f64; 3] = [1e-6, 1e-5, 1e-4];
/// As a part of the weights that are moved.
const LARGEST_STEP: f64 = 1e-2;
/// Loose; the goldens of `PyTorch` are the sharp ones.
const PART: f64 = 0.05;

fn check(name: &str, spec: NetSpec, shape: Shape) {
    let weights = weights(&spec, 1);
    let params = Net::params(&spec).unwrap();
    let mut problem = Problem::new(spec, shape);
    let grads = problem.gradient(&weights);
    let mut worst = 0.0f64;
    let mut compare = |what: &str, v: &[f32]| {
        let rises = RISES.map(|rise| problem.rise((&weights, &grads), v, rise));
        let off = rises.map(|[promised, found]| (promised - found).abs() / promised.abs());
        let best = off.into_iter().fold(f64::INFINITY, f64::min);
        assert!(best <= PART, "{name}, along {what}, promised and found: {rises:?}");
        worst = worst.max(best);
    };
    // Along the gradient of each tensor alone: there the loss changes most.
    for param in &params {
        let mut v = vec![0.0; weights.len()];
        v[param.range.clone()].copy_from_slice(&grads[param.range.clone()]);
        compare(&param.name, &v);
    }
    // Along all weights at once: the gradient, bent at random.
    for tag in 0..4 {
        let bent = unit(3, tag, weights.len());
        let v: Vec<f32> = grads.iter().zip(&bent).map(|(g, u)| g * (1.0 + u)).collect();
        compare("all weights", &v);
    }
    eprintln!("{name}: {worst:.1e} of a rise off at most");
}

fn field() -> NetSpec {
    NetSpec {
        inputs: 2,
        outputs: 3,
        widths: vec![4, 18, 20],
        norm: Norm::Instance,
        negative_slope: 0.01,
        down: Down::Strided,
        up: Up::Transposed,
        dropout: 0.0,
        deep_supervision: 1,
    }
}

#[test]
fn strided_instance_norm_with_regions_at_two_levels() {
    check("field", field(), [8, 12, 16]);
}

#[test]
fn pooled_without_norm_with_classes_and_dropout() {
    let spec = NetSpec {
        outputs: 4,
        widths: vec![6, 16],
        norm: Norm::None,
        negative_slope: 0.0,
        down: Down::MaxPool,
        up: Up::Nearest,
        dropout: 0.5,
        deep_supervision: 0,
        ..field()
    };
    check("report", spec, [8, 12, 10]);
}

#[test]
fn pooled_instance_norm_with_classes() {
    let spec = NetSpec { outputs: 4, widths: vec![16, 17], down: Down::MaxPool, deep_supervision: 0, ..field() };
    check("pooled", spec, [10, 8, 12]);
}
