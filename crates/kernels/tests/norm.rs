//! Instance norm, activation and their gradients against their definitions in f64, over lengths about the chunk of 4096
//! voxels, instruction sets and threads.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

mod numbers;

use kernels::{Back, Cpu, LANES, activation_back, activation_sums, apply, blocks, moments, sums_scratch};
use numbers::{Raw, every_way, noise, pack, unpack};
use proptest::prelude::*;

/// Rounding of f32.
const ULP: f64 = 1.0 / 16_777_216.0;
/// A sum goes through four partial sums of up to 1024 terms in f32, then f64: errors walk at random, about 32 roundings
/// of the sum of sizes at most, and twice that for the products.
const SUM: f64 = 64.0 * ULP;

const LENGTHS: [usize; 9] = [1, 2, 3, 15, 17, 4095, 4096, 4097, 9001];

fn both_moments(x: &[f32], channels: usize, voxels: usize) -> [Vec<f32>; 2] {
    let blocked = pack(x, channels, voxels);
    let mut results = every_way(|cpu| {
        let mut scratch = vec![f32::NAN; sums_scratch(blocks(channels), voxels)];
        let [mut mean, mut variance] = [(); 2].map(|()| vec![f32::NAN; blocks(channels) * LANES]);
        moments(cpu, &blocked, voxels, &mut scratch, &mut mean, &mut variance);
        vec![mean, variance]
    });
    let variance = results.remove(1);
    [results.remove(0), variance]
}

/// Mean and variance by definition: two passes in f64.
fn define_moments(x: &[f32]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    (mean, x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n)
}

fn check_moments(x: &[f32], channels: usize, voxels: usize) {
    let [mean, variance] = both_moments(x, channels, voxels);
    for (c, x) in x.chunks_exact(voxels).enumerate() {
        let (m, v) = define_moments(x);
        // Sums are of distances from the first voxel, so its distance from the mean enlarges their rounding.
        let reach = v + (f64::from(x[0]) - m).powi(2);
        let bound = ULP * m.abs() + SUM * reach.sqrt();
        assert!((f64::from(mean[c]) - m).abs() <= bound, "mean of {voxels}: {} for {m}", mean[c]);
        assert!((f64::from(variance[c]) - v).abs() <= SUM * reach, "variance of {voxels}: {} for {v}", variance[c]);
    }
    for c in channels..mean.len() {
        assert_eq!((mean[c], variance[c]), (0.0, 0.0), "a lane without a channel");
    }
}

#[test]
fn moments_of_any_length_and_mean() {
    for voxels in LENGTHS {
        for (centre, spread) in [(0.0, 1.0), (1000.0, 1.0), (-1e6, 0.5), (3.0, 1e-3), (0.0, 1e-15), (1e15, 1e14)] {
            let x: Vec<f32> = noise(17 * voxels, 5).iter().map(|u| centre + spread * u).collect();
            check_moments(&x, 17, voxels);
        }
    }
}

#[test]
fn moments_where_the_first_voxel_is_far_off() {
    let mut x = noise(5000, 1);
    x[0] = 100.0;
    check_moments(&x, 1, 5000);
}

#[test]
fn a_constant_channel_has_its_mean_and_no_variance() {
    for value in [0.0f32, 1.0, -3.7e8, 1e-30] {
        let [mean, variance] = both_moments(&vec![value; 5000], 1, 5000);
        assert_eq!((mean[0], variance[0]), (value, 0.0), "constant {value}");
    }
}

#[test]
fn a_channel_with_a_nan_says_so() {
    let mut x = noise(2 * 5000, 1);
    x[4500] = f32::NAN;
    let [mean, variance] = both_moments(&x, 2, 5000);
    assert!(mean[0].is_nan(), "mean hides a NaN");
    assert!(mean[1].is_finite() && variance[1].is_finite(), "its neighbour is untouched");
}

/// Everything that the gradient of one layer needs.
struct Layer {
    channels: usize,
    voxels: usize,
    raw: Raw,
    d: Vec<f32>,
    mean: Vec<f32>,
}

impl Layer {
    fn new((channels, voxels): (usize, usize), seed: u64, slope: f32) -> Self {
        let raw = Raw::new(noise(channels * voxels, seed), channels, voxels, seed, slope);
        let d = noise(channels * voxels, seed + 3);
        Self { channels, voxels, raw, d, mean: noise(blocks(channels) * LANES, seed + 4) }
    }

    fn lanes(&self) -> usize {
        blocks(self.channels) * LANES
    }

    fn sums(&self, cpu: Cpu) -> Vec<Vec<f32>> {
        let d = pack(&self.d, self.channels, self.voxels);
        let mut scratch = vec![f32::NAN; sums_scratch(blocks(self.channels), self.voxels)];
        let [mut first, mut second] = [(); 2].map(|()| vec![f32::NAN; self.lanes()]);
        let given = (&self.raw.source(), d.as_slice(), self.voxels);
        activation_sums(cpu, given, &self.mean, &mut scratch, (&mut first, &mut second));
        vec![first, second]
    }

    /// `d * a'(u)`, in f64, at planar place `at`.
    fn d_u(&self, at: usize) -> f64 {
        let slope = if self.raw.u(at, self.voxels) > 0.0 { 1.0 } else { self.raw.slope };
        f64::from(self.d[at]) * f64::from(slope)
    }
}

fn check_layer(channels: usize, voxels: usize, seed: u64, slope: f32) {
    let layer = Layer::new((channels, voxels), seed, slope);
    let sums = every_way(|cpu| layer.sums(cpu));
    for c in 0..channels {
        let places = c * voxels..(c + 1) * voxels;
        let tilted = |at: usize| layer.d_u(at) * (f64::from(layer.raw.planar[at]) - f64::from(layer.mean[c]));
        for (which, term) in [&(|at| layer.d_u(at)) as &dyn Fn(usize) -> f64, &tilted].into_iter().enumerate() {
            let want: f64 = places.clone().map(term).sum();
            let sizes: f64 = places.clone().map(|at| term(at).abs()).sum();
            let got = f64::from(sums[which][c]);
            assert!((got - want).abs() <= SUM * sizes, "sum {which} over {voxels}: {got} for {want}");
        }
    }
    let coefficients: Vec<Vec<f32>> = (0..3).map(|k| noise(layer.lanes(), seed + 10 + k)).collect();
    let [gain, offset, tilt] = [0, 1, 2].map(|k| coefficients[k].as_slice());
    let results = every_way(|cpu| {
        let mut d = pack(&layer.d, channels, voxels);
        let back = Back { gain, offset, tilt, mean: &layer.mean };
        activation_back(cpu, &layer.raw.source(), voxels, back, &mut d);
        let mut dst = vec![f32::NAN; d.len()];
        apply(cpu, &layer.raw.source(), voxels, &mut dst);
        vec![unpack(&d, channels, voxels), unpack(&dst, channels, voxels)]
    });
    for at in 0..channels * voxels {
        let c = at / voxels;
        let centred = f64::from(layer.raw.planar[at]) - f64::from(layer.mean[c]);
        let terms = [f64::from(gain[c]) * layer.d_u(at), -f64::from(tilt[c]) * centred, -f64::from(offset[c])];
        let (want, sizes) = (terms.iter().sum::<f64>(), terms.iter().map(|t| t.abs()).sum::<f64>());
        // At most four roundings of each term.
        let got = f64::from(results[0][at]);
        assert!((got - want).abs() <= 4.0 * ULP * (sizes + f64::from(layer.mean[c].abs())), "back: {got} for {want}");
        let seen = layer.raw.seen(at, voxels);
        assert!(results[1][at] == seen, "apply: {} for {seen}", results[1][at]);
    }
}

#[test]
fn sums_and_back_of_any_length() {
    for voxels in LENGTHS {
        check_layer(17, voxels, 3, 0.01);
    }
}

/// A kernel without scratch of its own runs in a pool of any size.
#[test]
fn more_threads_than_anyone_has() {
    let raw = Raw::new(noise(16 * 300, 1), 16 * 300, 1, 1, 0.5);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(300).build().unwrap();
    let mut dst = vec![f32::NAN; raw.blocked.len()];
    pool.install(|| apply(Cpu::detect(), &raw.source(), 1, &mut dst));
    assert!((0..16 * 300).all(|at| dst[at] == raw.seen(at, 1)), "every task is done");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sums_and_back_are_their_definition(
        channels in 1usize..40, voxels in 1usize..600, seed in 0u64..1000, slope in prop::sample::select(vec![0.0f32, 0.01, 0.3, 1.0]),
    ) {
        check_layer(channels, voxels, seed, slope);
    }
}

/// The gradient put together as the network does it, against central differences of the whole norm and activation in f64.
#[test]
fn the_gradient_of_the_norm_is_that_of_its_definition() {
    const EPS: f64 = 1e-5;
    let voxels = 40;
    for (centre, slope) in [(0.0f32, 0.01f32), (300.0, 0.01), (0.0, 0.0), (-50.0, 1.0)] {
        let x: Vec<f32> = noise(voxels, 2).iter().map(|u| centre + u).collect();
        let (gamma, beta) = (0.7, 0.2);
        let d = noise(voxels, 3);
        let value = |x: &[f64]| {
            let n = x.len() as f64;
            let mean = x.iter().sum::<f64>() / n;
            let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
            let u = x.iter().map(|v| gamma * (v - mean) / (variance + EPS).sqrt() + beta);
            u.zip(&d).map(|(u, &d)| f64::from(d) * u.max(u * f64::from(slope))).sum::<f64>()
        };
        let exact: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
        let [mean, variance] = both_moments(&x, 1, voxels);
        let inverse = 1.0 / (f64::from(variance[0]) + EPS).sqrt();
        let (scale, n) = (gamma * inverse, voxels as f64);
        let lane = |v: f64| {
            let mut of = vec![0.0; LANES];
            of[0] = v as f32;
            of
        };
        let mut raw = Raw::new(x, 1, voxels, 1, slope);
        (raw.scale, raw.shift) = (lane(scale), lane(beta - f64::from(mean[0]) * scale));
        let layer = Layer { channels: 1, voxels, raw, d: d.clone(), mean };
        let got = every_way(|cpu| {
            let sums = layer.sums(cpu);
            let [first, second] = [0, 1].map(|k| f64::from(sums[k][0]));
            let (offset, tilt) = (lane(scale * first / n), lane(scale * inverse * inverse * second / n));
            let back = Back { gain: &lane(scale), offset: &offset, tilt: &tilt, mean: &layer.mean };
            let mut d = pack(&layer.d, 1, voxels);
            activation_back(cpu, &layer.raw.source(), voxels, back, &mut d);
            vec![unpack(&d, 1, voxels)]
        });
        for at in 0..voxels {
            const H: f64 = 1e-6;
            let moved = |by: f64| {
                let mut x = exact.clone();
                x[at] += by;
                value(&x)
            };
            let want = (moved(H) - moved(-H)) / (2.0 * H);
            let got = f64::from(got[0][at]);
            // The difference is good to 1e-8; the mean is rounded to f32, so that 300 costs some 1e-5 of a deviation.
            let bound = 1e-6 + 4.0 * ULP * f64::from(centre.abs());
            assert!((got - want).abs() <= bound, "d x[{at}] about {centre}, slope {slope}: {got} for {want}");
        }
    }
}
