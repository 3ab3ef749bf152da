//! Direct convolutions with products of bytes against their definition in f64, with bounds that follow from the steps.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

#[expect(dead_code, reason = "few machines have integers, so not every way is gone")]
mod numbers;

use kernels::{Bf16, Cell, Cpu, DirectBytes, Gather, Half, LANES, Shape, Source, blocks, pack_channels, voxels};
use numbers::{noise, unpack};
use proptest::prelude::*;

const SLOPE: f32 = 0.1;

/// A layer, planar, and what its input owes.
#[derive(Clone, Debug)]
struct Layer {
    shape: Shape,
    stride: usize,
    i: usize,
    o: usize,
    x: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    weights: Vec<f32>,
}

impl Layer {
    fn new(shape: Shape, stride: usize, (i, o): (usize, usize), seed: u64) -> Self {
        let owed = |seed| {
            let mut of = noise(i, seed);
            of.resize(blocks(i) * LANES, 0.0);
            of
        };
        let (x, weights) = (noise(i * voxels(shape), seed), noise(o * i * 27, seed + 3));
        Self { shape, stride, i, o, x, scale: owed(seed + 1), shift: owed(seed + 2), weights }
    }

    fn out(&self) -> Shape {
        self.shape.map(|n| n.div_ceil(self.stride))
    }

    /// Two sources, if there are two blocks of channels.
    fn run<T: Cell>(&self, cpu: Cpu) -> (Vec<f32>, u64) {
        let n = voxels(self.shape);
        let mut values = vec![T::of(f32::NAN); blocks(self.i) * n * LANES];
        pack_channels(cpu, &self.x, self.i, n, &mut values);
        let cut = blocks(self.i) / 2;
        let sources = [0..cut, cut..blocks(self.i)].into_iter().filter(|part| !part.is_empty()).map(|part| Source {
            values: &values[part.start * n * LANES..part.end * n * LANES],
            scale: self.scale.get(part.start * LANES..part.end * LANES).unwrap_or(&[]),
            shift: self.shift.get(part.start * LANES..part.end * LANES).unwrap_or(&[]),
            slope: SLOPE,
        });
        let sources: Vec<Source<'_, T>> = sources.collect();
        let gather = Gather::conv3(self.shape, self.stride);
        let mut scratch = vec![f32::NAN; DirectBytes::scratch_len(&gather, blocks(self.i))];
        let layer = DirectBytes::new(gather, (self.i, self.o), &self.weights);
        let mut dst = vec![T::of(f32::NAN); blocks(self.o) * voxels(self.out()) * LANES];
        let lost = layer.convolve(cpu, &sources, &mut dst, &mut scratch);
        let wide: Vec<f32> = dst.into_iter().map(Cell::wide).collect();
        (unpack(&wide, self.o, voxels(self.out())), lost)
    }

    /// What the convolution sees at planar place `at`.
    fn seen(&self, at: usize) -> f64 {
        let c = at / voxels(self.shape);
        let owed = |of: &[f32], missing| of.get(c).copied().unwrap_or(missing);
        let t = self.x[at].mul_add(owed(&self.scale, 1.0), owed(&self.shift, 0.0));
        f64::from(t.max(t * SLOPE))
    }

    /// Of each output: what it is by definition, and how far from it rounding may lead.
    fn definition(&self) -> Vec<(f64, f64)> {
        let (n, [depth, height, width]) = (voxels(self.shape), self.shape.map(|n| n as isize));
        let seen: Vec<f64> = (0..self.i * n).map(|at| self.seen(at)).collect();
        let reach = seen.iter().fold(0.0_f64, |m, x| m.max(*x)) - seen.iter().fold(0.0_f64, |m, x| m.min(*x));
        let half_step = 0.5 * reach / 254.0;
        let out = self.out().map(|n| n as isize);
        let mut outputs = Vec::new();
        for weights in self.weights.chunks_exact(self.i * 27) {
            let half_weight = 0.5 * f64::from(weights.iter().fold(0.0_f32, |m, w| m.max(w.abs()))) / 127.0;
            for at in 0..out.iter().product::<isize>() {
                let at = [at / (out[1] * out[2]), at / out[2] % out[1], at % out[2]].map(|p| p * self.stride as isize);
                let (mut sum, mut bound) = (0.0, 0.0);
                for (k, &w) in weights.iter().enumerate() {
                    let (c, tap) = (k / 27, (k % 27) as isize);
                    let [z, y, x] = [at[0] + tap / 9 - 1, at[1] + tap / 3 % 3 - 1, at[2] + tap % 3 - 1];
                    if (0..depth).contains(&z) && (0..height).contains(&y) && (0..width).contains(&x) {
                        let seen = seen[c * n + ((z * height + y) * width + x) as usize];
                        sum += f64::from(w) * seen;
                        // A little more, for the arithmetic in f32.
                        let step = 1.0001 * half_step;
                        bound += f64::from(w).abs() * step + seen.abs() * half_weight + step * half_weight;
                    }
                }
                outputs.push((sum, bound + 1e-6 * sum.abs()));
            }
        }
        outputs
    }
}

fn dots() -> impl Iterator<Item = Cpu> {
    Cpu::all().into_iter().filter(|cpu| cpu.has_int16())
}

/// On all that have the products, with 1 to 3 threads: the same bits, within the bounds of the definition.
fn check(layer: &Layer) {
    let definition = layer.definition();
    let mut first: Option<Vec<f32>> = None;
    for cpu in dots() {
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (got, lost) = pool.install(|| layer.run::<f32>(cpu));
            assert_eq!(lost, 0, "{:?}: all is finite", cpu.name());
            let first = first.get_or_insert_with(|| got.clone());
            let same = first.iter().zip(&got).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{:?} with {threads} threads has other bits", cpu.name());
        }
    }
    for (at, (got, (expected, bound))) in first.unwrap().iter().zip(definition).enumerate() {
        let off = (f64::from(*got) - expected).abs();
        assert!(off <= bound, "{:?}, output {at}: {got} for {expected}, {off:e} off, {bound:e} allowed", layer.shape);
    }
}

#[test]
fn awkward_shapes_borders_and_tails() {
    if dots().count() == 1 {
        eprintln!("SKIPPED: no VNNI here, so bytes are tested in plain Rust only");
    }
    for (shape, channels) in [
        ([1, 1, 1], (1, 1)),
        ([2, 9, 27], (4, 16)),
        ([3, 4, 13], (17, 33)),
        ([1, 6, 9], (70, 20)),
        ([5, 1, 18], (64, 32)),
        ([9, 3, 2], (130, 48)),
    ] {
        for stride in [1, 2] {
            check(&Layer::new(shape, stride, channels, 5));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_layer_is_its_definition(
        d in 1usize..5, h in 1usize..5, w in 1usize..26, i in 1usize..80, o in 1usize..36, stride in 1usize..3, seed in 0u64..1000,
    ) {
        check(&Layer::new([d, h, w], stride, (i, o), seed));
    }
}

#[test]
fn stored_in_sixteen_bits_it_is_as_near() {
    let layer = Layer::new([4, 5, 11], 1, (40, 24), 2);
    let definition = layer.definition();
    let size: f64 = definition.iter().map(|(x, _)| x * x).sum();
    for cpu in dots() {
        // Rounding of the input and of the output come to that of the bytes.
        for got in [layer.run::<Half>(cpu).0, layer.run::<Bf16>(cpu).0] {
            let off: f64 = got.iter().zip(&definition).map(|(got, (x, _))| (f64::from(*got) - x).powi(2)).sum();
            assert!((off / size).sqrt() < 0.015, "{:?}: {:e}", cpu.name(), (off / size).sqrt());
        }
    }
}

/// As many channels as there may be, and weights and inputs at the ends of their range, where sums are as large as they can be:
/// with the correction for the zero last to be made up for, or at once.
#[test]
fn no_sum_turns_over_at_the_edge() {
    let mut layer = Layer::new([3, 3, 5], 1, (2048, 1), 1);
    (layer.scale, layer.shift) = (Vec::new(), Vec::new());
    let n = voxels(layer.shape);
    // The first channels, and those after them.
    for (first, last) in [(1.0, 1.0), (-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0)] {
        for (weight, other) in [(0.7_f32, 0.7_f32), (-0.7, -0.7), (0.7, -0.7), (-0.7, 0.7)] {
            let half = |at: usize, per_channel: usize| at / per_channel < 1024;
            // A slope: what is negative is seen smaller.
            for (at, x) in layer.x.iter_mut().enumerate() {
                *x = if half(at, n) { first } else { last };
                *x = if *x < 0.0 { *x / SLOPE } else { *x };
            }
            for (at, w) in layer.weights.iter_mut().enumerate() {
                *w = if half(at, 27) { weight } else { other };
            }
            let middle = ((n / 2) / 15 * 3 + 1) * 5 + 2;
            let expected = 27.0 * 1024.0 * (first * weight + last * other);
            for cpu in dots() {
                let (got, lost) = layer.run::<f32>(cpu);
                let off = (got[middle] - expected).abs();
                // Half a step of 254 over a range of 2, and all weights at the end of theirs, which has none.
                let bound = 27.0 * 2048.0 * 0.7 * 0.5 * 2.0 / 254.0 + 1e-4 * expected.abs();
                assert!(lost == 0 && off <= bound, "{:?}: {} for {expected}", cpu.name(), got[middle]);
            }
        }
    }
}

#[test]
fn numbers_that_are_none_do_not_pass_unnoticed() {
    for none in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut layer = Layer::new([4, 5, 6], 1, (18, 16), 3);
        layer.scale.fill(0.5);
        layer.x[250] = none;
        layer.x[17] = none;
        for cpu in dots() {
            assert_eq!(layer.run::<f32>(cpu).1, 2, "{:?}: {none}", cpu.name());
        }
    }
}

#[test]
fn nothing_gives_nothing() {
    let mut layer = Layer::new([4, 5, 6], 2, (18, 16), 3);
    layer.weights.fill(0.0);
    let mut dark = Layer::new([4, 5, 6], 1, (18, 16), 3);
    dark.x.fill(0.0);
    dark.shift.fill(0.0);
    for cpu in dots() {
        for layer in [&layer, &dark] {
            assert!(layer.run::<Half>(cpu).0.iter().all(|&x| x == 0.0), "{:?}", cpu.name());
        }
    }
}

#[test]
fn the_largest_numbers_are_held() {
    let mut layer = Layer::new([2, 3, 4], 1, (16, 16), 3);
    (layer.scale, layer.shift) = (Vec::new(), Vec::new());
    layer.x.iter_mut().for_each(|x| *x *= 3e38);
    layer.weights.iter_mut().for_each(|w| *w *= 1e-6);
    check(&layer);
    layer.x.iter_mut().for_each(|x| *x = *x / 3e38 * 1e-30);
    check(&layer);
}

#[test]
#[should_panic(expected = "2049 input channels, 2048 at most")]
fn more_channels_than_a_sum_holds_are_refused() {
    DirectBytes::new(Gather::conv3([1, 1, 1], 1), (2049, 1), &vec![0.0; 2049 * 27]);
}
