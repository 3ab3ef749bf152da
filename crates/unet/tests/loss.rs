//! Losses against a plain f64 definition, its central differences, and `PyTorch`.

use serde::Deserialize;
use unet::loss::{
    CHUNK, DiceClasses, DiceOver, LossSpec, LossValue, LossWorkspace, Targets, downsample_targets, downsampled_shape,
    loss,
};

type Shape = (usize, usize, usize);

const REPORT: LossSpec = LossSpec {
    dice: 1.0,
    cross_entropy: 1.0,
    dice_over: DiceOver::Sample,
    dice_classes: DiceClasses::All,
    smooth: 1.0,
};

/// A small linear congruential generator: uniform in [0, 1).
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1u64 << 24) as f64
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Regions,
    Classes,
}

fn question(kind: Kind, (n, r, v): Shape, seed: u64) -> (Vec<f32>, Vec<u8>) {
    let mut draws = Draws(seed);
    let logits = (0..n * r * v).map(|_| (draws.next() * 12.0 - 6.0) as f32).collect();
    let targets = match kind {
        Kind::Regions => (0..n * r * v).map(|_| u8::from(draws.next() < 0.3)).collect(),
        Kind::Classes => (0..n * v).map(|_| (draws.next() * r as f64) as u8).collect(),
    };
    (logits, targets)
}

fn run(spec: &LossSpec, kind: Kind, logits: &[f32], targets: &[u8], shape: Shape, scale: f32) -> (LossValue, Vec<f32>) {
    let mut workspace = LossWorkspace::new(shape);
    let mut d_logits = vec![f32::NAN; logits.len()];
    let targets = match kind {
        Kind::Regions => Targets::Regions(targets),
        Kind::Classes => Targets::Classes(targets),
    };
    let value = loss(spec, logits, targets, shape, &mut workspace, scale, &mut d_logits);
    (value, d_logits)
}

/// (Dice loss, cross-entropy) straight from their definitions, nothing shared with the crate.
fn definition(spec: &LossSpec, kind: Kind, x: &[f64], targets: &[u8], (n, r, v): Shape) -> (f64, f64) {
    let at = |sample: usize, output: usize, voxel: usize| (sample * r + output) * v + voxel;
    let truth = |sample, output, voxel| match kind {
        Kind::Regions => f64::from(targets[at(sample, output, voxel)]),
        Kind::Classes => f64::from(u8::from(usize::from(targets[sample * v + voxel]) == output)),
    };
    // log p and log (1 − p) of a sigmoid, log p of a softmax, by the textbook.
    let log_p = |sample, output, voxel| match kind {
        Kind::Regions => -(-x[at(sample, output, voxel)]).exp().ln_1p(),
        Kind::Classes => {
            let total: f64 = (0..r).map(|o| (x[at(sample, o, voxel)] - x[at(sample, output, voxel)]).exp()).sum();
            -total.ln()
        }
    };
    let (mut entropy, mut sums) = (0.0, vec![[0.0; 3]; n * r]);
    for sample in 0..n {
        for output in 0..r {
            for voxel in 0..v {
                let (t, log_p) = (truth(sample, output, voxel), log_p(sample, output, voxel));
                entropy -= t * log_p;
                if kind == Kind::Regions {
                    entropy += (1.0 - t) * x[at(sample, output, voxel)].exp().ln_1p();
                }
                let sum = &mut sums[sample * r + output];
                *sum = [sum[0] + log_p.exp() * t, sum[1] + log_p.exp(), sum[2] + t];
            }
        }
    }
    entropy /= if kind == Kind::Regions { (n * r * v) as f64 } else { (n * v) as f64 };
    let s = f64::from(spec.smooth);
    let dice_of = |sums: [f64; 3]| (2.0 * sums[0] + s) / (sums[1] + sums[2] + s);
    let first = usize::from(kind == Kind::Classes && spec.dice_classes == DiceClasses::Foreground);
    let mut dices = vec![];
    for output in first..r {
        match spec.dice_over {
            DiceOver::Sample => dices.extend((0..n).map(|sample| dice_of(sums[sample * r + output]))),
            DiceOver::Batch => dices.push(dice_of((0..n).fold([0.0; 3], |a, sample| {
                let b = sums[sample * r + output];
                [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
            }))),
        }
    }
    (1.0 - dices.iter().sum::<f64>() / dices.len() as f64, entropy)
}

fn total(spec: &LossSpec, kind: Kind, x: &[f64], targets: &[u8], shape: Shape) -> f64 {
    let (dice, entropy) = definition(spec, kind, x, targets, shape);
    f64::from(spec.dice) * dice + f64::from(spec.cross_entropy) * entropy
}

/// Central differences of the definition at `places`.
fn differences(
    spec: &LossSpec,
    kind: Kind,
    logits: &[f32],
    targets: &[u8],
    shape: Shape,
    places: &[usize],
) -> Vec<f64> {
    const H: f64 = 1e-4; // truncation h²/6 = 2e-9 of the third derivative, rounding 1e-16 / h = 1e-12
    let mut x: Vec<f64> = logits.iter().map(|x| f64::from(*x)).collect();
    places
        .iter()
        .map(|&i| {
            let here = x[i];
            x[i] = here + H;
            let above = total(spec, kind, &x, targets, shape);
            x[i] = here - H;
            let below = total(spec, kind, &x, targets, shape);
            x[i] = here;
            (above - below) / (2.0 * H)
        })
        .collect()
}

/// A gradient entry is a few f32 products and one sum of terms near the largest entry: 1e-6 of it is 16 roundings.
const GRADIENT: f64 = 1e-6;
/// A value is a mean in f64 of terms that each have two or three f32 roundings.
const VALUE: f64 = 3e-7;

fn compare(what: &str, got: &[f32], expected: &[f64], slack: f64) {
    let largest = expected.iter().fold(0.0f64, |a, x| a.max(x.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let off = (f64::from(*got) - expected).abs();
        assert!(off <= GRADIENT * largest + slack, "{what}: d[{i}] = {got}, expected {expected}, largest {largest}");
    }
}

fn specs() -> Vec<LossSpec> {
    let mut specs = vec![];
    for dice_over in [DiceOver::Sample, DiceOver::Batch] {
        for dice_classes in [DiceClasses::All, DiceClasses::Foreground] {
            for (smooth, dice, cross_entropy) in [(0.0, 1.0, 0.0), (1.0, 0.0, 1.0), (1e-5, 1.0, 1.0), (1.0, 0.7, 0.2)] {
                specs.push(LossSpec { dice, cross_entropy, dice_over, dice_classes, smooth });
            }
        }
    }
    specs
}

#[test]
fn values_and_gradients_follow_the_definition() {
    for (seed, spec) in specs().iter().enumerate() {
        for kind in [Kind::Regions, Kind::Classes] {
            for shape in [(1, 3, 37), (2, 2, 24), (2, 5, 8), (3, 4, 1), (1, 16, 9)] {
                let (logits, targets) = question(kind, shape, seed as u64);
                let (value, d_logits) = run(spec, kind, &logits, &targets, shape, 0.25);
                let what = format!("{kind:?} {shape:?} {spec:?}");
                let x: Vec<f64> = logits.iter().map(|x| f64::from(*x)).collect();
                let (dice, entropy) = definition(spec, kind, &x, &targets, shape);
                assert!((value.dice - dice).abs() < VALUE, "{what}: Dice {} for {dice}", value.dice);
                assert!((value.cross_entropy - entropy).abs() < VALUE * entropy.max(1.0), "{what}: entropy");
                let sum = f64::from(spec.dice) * value.dice + f64::from(spec.cross_entropy) * value.cross_entropy;
                assert_eq!(value.total, sum, "{what}: total");
                assert_eq!(value.soft_dice().len(), shape.1, "{what}: outputs");
                let places: Vec<usize> = (0..logits.len()).collect();
                let mut expected = differences(spec, kind, &logits, &targets, shape, &places);
                for d in &mut expected {
                    *d *= 0.25;
                }
                compare(&what, &d_logits, &expected, 1e-9);
            }
        }
    }
}

#[test]
fn chunks_meet_where_voxels_are_no_multiple() {
    for kind in [Kind::Regions, Kind::Classes] {
        for shape in [(2, 3, CHUNK + 77), (1, 2, 3 * CHUNK), (1, 1, CHUNK - 1)] {
            let (logits, targets) = question(kind, shape, 5);
            let (value, d_logits) = run(&REPORT, kind, &logits, &targets, shape, 1.0);
            let x: Vec<f64> = logits.iter().map(|x| f64::from(*x)).collect();
            let expected = total(&REPORT, kind, &x, &targets, shape);
            assert!((value.total - expected).abs() <= VALUE * expected, "{kind:?} {shape:?}: {}", value.total);
            let n = logits.len();
            let places: Vec<usize> = [0, 1, CHUNK - 2, CHUNK - 1, CHUNK, CHUNK + 1, n / 2, n - 2, n - 1]
                .into_iter()
                .filter(|&i| i < n)
                .collect();
            let got: Vec<f32> = places.iter().map(|&i| d_logits[i]).collect();
            // Entries are near 1e-5 here; a difference of two totals of order 1 carries 1e-16 / h = 1e-12.
            let expected = differences(&REPORT, kind, &logits, &targets, shape, &places);
            compare(&format!("{kind:?} {shape:?}"), &got, &expected, 1e-11);
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    for kind in [Kind::Regions, Kind::Classes] {
        let shape = (2, 3, 5 * CHUNK + 1001);
        let (logits, targets) = question(kind, shape, 11);
        let on = |n_threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            let (value, d_logits) = pool.install(|| run(&REPORT, kind, &logits, &targets, shape, 1.0));
            (value.total.to_bits(), d_logits.iter().map(|d| d.to_bits()).collect::<Vec<_>>())
        };
        let one = on(1);
        for n_threads in [2, 3] {
            assert!(one == on(n_threads), "{kind:?}: {n_threads} threads differ from one");
        }
    }
}

#[test]
fn an_output_that_is_empty_in_the_target() {
    let shape = (1, 2, 50);
    let (logits, mut targets) = question(Kind::Regions, shape, 3);
    targets[..50].fill(0);
    for smooth in [0.0, 1e-5, 1.0] {
        let spec = LossSpec { cross_entropy: 0.0, smooth, ..REPORT };
        let (value, d_logits) = run(&spec, Kind::Regions, &logits, &targets, shape, 1.0);
        let p: f64 = logits[..50].iter().map(|x| 1.0 / (1.0 + (-f64::from(*x)).exp())).sum();
        let expected = f64::from(smooth) / (p + f64::from(smooth));
        assert!((value.soft_dice()[0] - expected).abs() < 1e-7, "s / (P + s) at {smooth}");
        let pushed_down = d_logits[..50].iter().all(|d| if smooth > 0.0 { *d > 0.0 } else { *d == 0.0 });
        assert!(pushed_down, "smooth {smooth}: only s > 0 has a gradient, and it pushes P down");
    }
    // A net that is right and sure of it pays nothing.
    let spec = LossSpec { smooth: 1e-5, ..REPORT };
    let (value, _) = run(&spec, Kind::Regions, &[-60.0; 100], &[0; 100], shape, 1.0);
    assert!(value.total < 1e-12, "empty and known to be: {value:?}");
}

#[test]
fn an_output_that_fills_the_target() {
    let shape = (1, 1, 50);
    let (value, d_logits) = run(&REPORT, Kind::Regions, &[60.0; 50], &[1; 50], shape, 1.0);
    assert!(value.total < 1e-12 && value.soft_dice() == [1.0], "{value:?}");
    assert!(d_logits.iter().all(|d| d.abs() < 1e-25), "nothing to learn");
    // All voxels of one class: the other classes are empty.
    let shape = (1, 3, 20);
    let (logits, _) = question(Kind::Classes, shape, 9);
    let targets = [1; 20];
    let (value, d_logits) = run(&REPORT, Kind::Classes, &logits, &targets, shape, 1.0);
    let x: Vec<f64> = logits.iter().map(|x| f64::from(*x)).collect();
    assert!((value.total - total(&REPORT, Kind::Classes, &x, &targets, shape)).abs() < 1e-6, "value");
    let places: Vec<usize> = (0..60).collect();
    compare("one class", &d_logits, &differences(&REPORT, Kind::Classes, &logits, &targets, shape, &places), 1e-9);
}

#[test]
fn saturated_logits_neither_overflow_nor_lose_their_gradient() {
    let spec = LossSpec { dice: 0.0, ..REPORT };
    // Sigmoid: right by 50, wrong by 50, each way.
    let shape = (1, 1, 4);
    let (value, d) = run(&spec, Kind::Regions, &[50.0, -50.0, 50.0, -50.0], &[1, 0, 0, 1], shape, 1.0);
    assert!((value.cross_entropy - 25.0).abs() < 1e-6, "two of four cost 50: {value:?}");
    let right = 0.25 * (-50.0f64).exp();
    compare("sigmoid", &d[..2], &[-right, right], 0.0);
    assert_eq!(d[2..], [0.25, -0.25], "wrong and sure");
    // Softmax over three, spread by 100.
    let shape = (1, 3, 2);
    let (value, d) = run(&spec, Kind::Classes, &[50.0, 50.0, -50.0, -50.0, 0.0, 0.0], &[0, 1], shape, 1.0);
    assert!((value.cross_entropy - 50.0).abs() < 1e-6, "0 and 100: {value:?}");
    compare("softmax", &d, &[0.0, 0.5, 0.0, -0.5, 0.0, 0.0], 1e-20);
    // The ends of f32.
    for kind in [Kind::Regions, Kind::Classes] {
        let (value, d) = run(
            &REPORT,
            kind,
            &[1e30, -1e30, -1e30, 1e30],
            &[1, 1, 0, 0][..if kind == Kind::Regions { 4 } else { 2 }],
            (1, 2, 2),
            1.0,
        );
        assert!(value.total.is_finite() && d.iter().all(|d| d.is_finite()), "{kind:?}: {value:?} {d:?}");
    }
}

#[test]
fn dice_alone_pulls_back_a_net_that_is_sure_and_wrong() {
    let spec = LossSpec { cross_entropy: 0.0, smooth: 0.0, ..REPORT };
    let (value, d) = run(&spec, Kind::Regions, &[-20.0, 20.0, -20.0, 20.0], &[1, 1, 0, 0], (1, 1, 4), 1.0);
    assert!((value.dice - 0.5).abs() < 1e-7, "one of two found, one of two wrong: {value:?}");
    // ∂Dice/∂p = (2 t − Dice) / (P + T), Dice 1/2, P + T = 4; p (1 − p) = e^-20 within 1e-8 of it at each voxel.
    let slope = (-20.0f64).exp() / 4.0;
    compare("sure", &d, &[-1.5 * slope, -1.5 * slope, 0.5 * slope, 0.5 * slope], 0.0);
}

#[test]
fn batch_dice_pools_what_sample_dice_averages() {
    // Sample 0 holds the region and is found, sample 1 is empty and four voxels are wrongly found there.
    let (sure, not) = (40.0, -40.0);
    let logits = [[sure; 8], [not, not, not, not, sure, sure, sure, sure]].concat();
    let targets = [[1; 8], [0; 8]].concat();
    let dice = |dice_over, smooth| {
        let spec = LossSpec { dice_over, smooth, ..REPORT };
        run(&spec, Kind::Regions, &logits, &targets, (2, 1, 8), 1.0).0.soft_dice()[0]
    };
    assert!((dice(DiceOver::Sample, 0.0) - 0.5).abs() < 1e-12, "(1 + 0) / 2");
    assert!((dice(DiceOver::Batch, 0.0) - 16.0 / 20.0).abs() < 1e-12, "2 * 8 / (12 + 8)");
    assert!((dice(DiceOver::Sample, 1.0) - 0.6).abs() < 1e-12, "(17/17 + 1/5) / 2");
    assert!((dice(DiceOver::Batch, 1.0) - 17.0 / 21.0).abs() < 1e-12, "smooth once");
}

#[test]
fn a_logit_that_is_no_number_is_not_hidden() {
    for kind in [Kind::Regions, Kind::Classes] {
        for place in [0, 3, 7] {
            let (mut logits, targets) = question(kind, (1, 2, 4), 1);
            logits[place] = f32::NAN;
            let (value, _) = run(&REPORT, kind, &logits, &targets, (1, 2, 4), 1.0);
            assert!(value.total.is_nan(), "{kind:?}: {value:?}");
        }
    }
}

#[test]
#[should_panic(expected = "class 3 of 3 classes")]
fn a_class_that_does_not_exist() {
    run(&REPORT, Kind::Classes, &[0.0; 6], &[0, 3], (1, 3, 2), 1.0);
}

#[test]
#[should_panic(expected = "neither 0 nor 1")]
fn a_region_target_that_is_no_region() {
    run(&REPORT, Kind::Regions, &[0.0; 2], &[0, 2], (1, 1, 2), 1.0);
}

#[test]
fn a_workspace_serves_smaller_shapes() {
    let (logits, targets) = question(Kind::Classes, (2, 3, 40), 8);
    let (expected, d_expected) = run(&REPORT, Kind::Classes, &logits, &targets, (2, 3, 40), 1.0);
    let mut workspace = LossWorkspace::new((2, 4, 2 * CHUNK));
    let mut d_logits = vec![0.0; logits.len()];
    for _ in 0..2 {
        let targets = Targets::Classes(&targets);
        let value = loss(&REPORT, &logits, targets, (2, 3, 40), &mut workspace, 1.0, &mut d_logits);
        assert_eq!((value, &d_logits), (expected, &d_expected), "nothing left over from an earlier call");
    }
}

#[test]
fn a_recipe_with_a_misspelt_key_is_refused() {
    let text = r#"{"dice":1.0,"cross_entropy":1.0,"dice_over":"sample","dice_classes":"all","smooth":1.0}"#;
    assert_eq!(serde_json::from_str::<LossSpec>(text).unwrap(), REPORT, "as written");
    assert!(serde_json::from_str::<LossSpec>(&text.replace("smooth", "smoth")).is_err(), "misspelt");
}

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    coarse: Vec<Downsampling>,
}

#[derive(Deserialize)]
struct Case {
    spec: LossSpec,
    kind: String,
    shape: Shape,
    logits: Vec<f32>,
    targets: Vec<u8>,
    total: f64,
    dice: f64,
    cross_entropy: f64,
    d_logits: Vec<f64>,
}

#[derive(Deserialize)]
struct Downsampling {
    shape: [usize; 3],
    strides: [usize; 3],
    fine: Vec<u8>,
    coarse: Vec<u8>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/losses.json")).unwrap_or_else(|fault| panic!("losses.json: {fault}"))
}

#[test]
fn golden_losses() {
    for case in golden().cases {
        let kind = if case.kind == "regions" { Kind::Regions } else { Kind::Classes };
        let (value, d_logits) = run(&case.spec, kind, &case.logits, &case.targets, case.shape, 1.0);
        let what = format!("{kind:?} {:?}", case.spec);
        for (got, expected) in
            [(value.total, case.total), (value.dice, case.dice), (value.cross_entropy, case.cross_entropy)]
        {
            assert!((got - expected).abs() <= VALUE * expected.max(1.0), "{what}: {got} for {expected}");
        }
        compare(&what, &d_logits, &case.d_logits, 1e-12);
    }
}

#[test]
fn golden_coarse_targets() {
    for Downsampling { shape, strides, fine, coarse } in golden().coarse {
        let mut got = vec![9; downsampled_shape(shape, strides).iter().product()];
        downsample_targets(&fine, shape, strides, &mut got);
        assert_eq!(got, coarse, "{shape:?} by {strides:?}: nearest-exact");
    }
}
