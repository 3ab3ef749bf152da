//! The gradients of a convolution with products of bf16 in tiles against their definition in f64.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]
#![expect(clippy::print_stderr, reason = "a test that cannot run says so")]

mod definition;
mod exact;
mod lines;
#[expect(dead_code, reason = "few machines have tiles, so not every way is gone")]
mod numbers;

use definition::Definition;
use exact::{Exact, F32, rounded};
use kernels::{
    ConvTiles, Cpu, Direction, Gather, GradientTiles, LANES, Shape, Source, Write, blocks, pack_channels,
    unpack_channels, voxels,
};
use lines::Lines;
use numbers::noise;
use proptest::prelude::*;

const SLOPE: f32 = 0.1;

/// A layer: its input and what that owes, the gradient of its output, planar, and its weights.
#[derive(Debug)]
struct Layer {
    shape: Shape,
    i: usize,
    o: usize,
    x: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    d: Vec<f32>,
    weights: Vec<f32>,
}

/// The gradient of the input, planar, and that of the weights.
#[derive(Clone, Debug, PartialEq)]
struct Given {
    inputs: Vec<u32>,
    weights: Vec<u32>,
}

impl Layer {
    fn new(shape: Shape, (i, o): (usize, usize), seed: u64) -> Self {
        let n = voxels(shape);
        let owed = |seed| {
            let mut of = noise(i, seed);
            of.resize(blocks(i) * LANES, 0.0);
            of
        };
        let (x, d, weights) = (noise(i * n, seed), noise(o * n, seed + 1), noise(o * i * 27, seed + 2));
        Self { shape, i, o, x, scale: owed(seed + 3), shift: owed(seed + 4), d, weights }
    }

    /// What was there before the gradient of the weights is added.
    fn before(&self) -> Vec<f32> {
        noise(self.weights.len(), 9)
    }

    fn run(&self, cpu: Cpu, threads: usize) -> Given {
        let (n, channels) = (voxels(self.shape), (self.i, self.o));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut values = vec![f32::NAN; blocks(self.i) * n * LANES];
        pack_channels(cpu, &self.x, self.i, n, &mut values);
        let mut d_dst = vec![f32::NAN; blocks(self.o) * n * LANES];
        pack_channels(cpu, &self.d, self.o, n, &mut d_dst);
        // Two sources, where there are two blocks.
        let half = blocks(self.i) / 2;
        let source = |from: usize, to: usize| {
            let owed = from * LANES..to * LANES;
            let values = &values[from * n * LANES..to * n * LANES];
            Source { values, scale: &self.scale[owed.clone()], shift: &self.shift[owed], slope: SLOPE }
        };
        let sources: Vec<_> = [(0, half), (half, blocks(self.i))].into_iter().filter(|(from, to)| from < to).collect();
        let sources: Vec<_> = sources.into_iter().map(|(from, to)| source(from, to)).collect();
        let gradient = GradientTiles::new(self.shape, channels);
        let (mut partial, mut weights) = (vec![f32::NAN; gradient.partial_len()], self.before());
        let mut scratch = vec![f32::NAN; gradient.scratch_len() * threads];
        pool.install(|| gradient.add(cpu, (&sources, &d_dst), &mut weights, (&mut partial, &mut scratch)));
        let back = ConvTiles::new(&Gather::conv3(self.shape, 1), (self.o, self.i));
        let mut packed = Lines::new(back.weights_len());
        pool.install(|| back.pack(cpu, Direction::Backward, &self.weights, packed.get()));
        let mut scratch = vec![f32::NAN; back.scratch_len() * threads];
        let mut d_src = vec![f32::NAN; values.len()];
        let from_and_by = (&[Source::plain(&d_dst)][..], &*packed.get());
        pool.install(|| back.convolve(cpu, from_and_by, (&mut d_src, Write::Overwrite), None, &mut scratch));
        let mut twice = d_src.clone();
        pool.install(|| back.convolve(cpu, from_and_by, (&mut twice, Write::Add), None, &mut scratch));
        assert!(d_src.iter().zip(&twice).all(|(once, twice)| 2.0 * once == *twice), "{channels:?}: added");
        let mut inputs = vec![f32::NAN; self.x.len()];
        unpack_channels(&d_src, self.i, n, &mut inputs);
        let bits = |of: Vec<f32>| of.into_iter().map(f32::to_bits).collect();
        Given { inputs: bits(inputs), weights: bits(weights) }
    }

    /// What the layer sees of its input, rounded.
    fn seen(&self, channel: usize, voxel: usize) -> f32 {
        let t = self.x[channel * voxels(self.shape) + voxel].mul_add(self.scale[channel], self.shift[channel]);
        rounded(t.max(t * SLOPE))
    }

    /// The weight that a weight of the way back is, `[I][O][27]`.
    fn flipped(&self, at: usize) -> usize {
        let (tap, o, i) = (at % 27, at / 27 % self.o, at / 27 / self.o);
        (o * self.i + i) * 27 + 26 - tap
    }

    fn check(&self) {
        let n = voxels(self.shape);
        let [depth, height, width] = self.shape.map(usize::cast_signed);
        let mut weights = vec![Exact::default(); self.weights.len()];
        for to in 0..n {
            for tap in 0..27 {
                let (at, by) = (to.cast_signed(), [tap / 9 - 1, tap / 3 % 3 - 1, tap % 3 - 1]);
                let [z, y, x] = [at / (height * width) + by[0], at / width % height + by[1], at % width + by[2]];
                if !((0..depth).contains(&z) && (0..height).contains(&y) && (0..width).contains(&x)) {
                    continue;
                }
                let from = ((z * height + y) * width + x).cast_unsigned();
                for o in 0..self.o {
                    let d = rounded(self.d[o * n + to]);
                    for i in 0..self.i {
                        let w = (o * self.i + i) * 27 + tap.cast_unsigned();
                        weights[w].add(d, self.seen(i, from));
                    }
                }
            }
        }
        let cpus: Vec<_> = Cpu::all().into_iter().filter(|cpu| cpu.has_tiles()).collect();
        if cpus.len() == 1 {
            eprintln!("SKIPPED: no AMX here, so gradients in tiles are tested in plain Rust only");
        }
        let first = self.run(cpus[0], 1);
        for cpu in cpus {
            for threads in [1, 2, 3] {
                let same = self.run(cpu, threads) == first;
                assert!(same, "{:?} with {threads} threads, {:?}, {} to {}", cpu.name(), self.shape, self.i, self.o);
            }
        }
        let flipped: Vec<_> = (0..self.weights.len()).map(|at| self.weights[self.flipped(at)]).collect();
        let (shape, channels, seen, by) = (self.shape, (self.o, self.i), &self.d, &flipped);
        let inputs = Definition { shape, stride: 1, channels, seen, weights: by }.outputs();
        for (at, (exact, got)) in inputs.iter().zip(&first.inputs).enumerate() {
            let got = f64::from(f32::from_bits(*got));
            let most = (27 * self.o + 100) as f64 * F32 * exact.size + 1e-30;
            let what = || format!("{:?}, {} to {}, input {at}: {got}", self.shape, self.i, self.o);
            assert!((got - exact.of_rounded).abs() <= most, "{} for {}", what(), exact.of_rounded);
            assert!((got - exact.sum).abs() <= most + 0.008 * exact.size, "{} for {}", what(), exact.sum);
        }
        for (at, ((exact, got), before)) in weights.iter().zip(&first.weights).zip(self.before()).enumerate() {
            exact.check(*got, before, || format!("{:?}, {} to {}, weight {at}", self.shape, self.i, self.o));
        }
    }
}

#[test]
fn awkward_shapes_borders_and_tails() {
    for (shape, channels) in [
        ([1, 1, 1], (1, 1)),
        ([2, 3, 33], (3, 17)),
        ([1, 5, 16], (5, 33)),
        ([5, 4, 2], (17, 1)),
        ([2, 2, 32], (32, 16)),
        ([3, 1, 5], (52, 33)),
        ([1, 2, 7], (70, 81)),
        ([1, 1, 3], (129, 16)),
    ] {
        Layer::new(shape, channels, 5).check();
    }
}

/// Several strips and runs of planes, planes together and apart.
#[test]
fn maps_of_many_tasks() {
    for (shape, channels) in
        [([3, 35, 6], (17, 3)), ([20, 3, 3], (4, 2)), ([4, 18, 40], (3, 2)), ([2, 2, 300], (17, 1))]
    {
        Layer::new(shape, channels, 7).check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_layer_is_its_definition(
        d in 1usize..5, h in 1usize..5, w in 1usize..36, i in 1usize..70, o in 1usize..36, seed in 0u64..1000,
    ) {
        Layer::new([d, h, w], (i, o), seed).check();
    }
}

#[test]
#[should_panic(expected = "tiles: stride")]
fn strides_have_no_way_back() {
    let layer = ConvTiles::new(&Gather::conv3([2; 3], 2), (1, 1));
    layer.pack(Cpu::all()[0], Direction::Backward, &[0.0; 27], &mut []);
}

#[test]
#[should_panic(expected = "tiles: a sum is measured")]
fn what_is_added_to_is_not_measured() {
    let gather = Gather::conv3([1, 1, 2], 1);
    let layer = ConvTiles::new(&gather, (1, 1));
    let (values, mut dst) = ([0.0; 2 * LANES], [0.0; 2 * LANES]);
    let (mut sums, mut of_channels) = ([0.0], [[0.0; LANES]; 2]);
    let [mean, variance] = &mut of_channels;
    let mut moments = kernels::Moments { sums: &mut sums, mean, variance };
    let to = (&mut dst[..], Write::Add);
    let from_and_by = (&[Source::plain(&values[..])][..], &[][..]);
    layer.convolve(Cpu::all()[0], from_and_by, to, Some(&mut moments), &mut [0.0]);
}
