//! Transposed convolutions with products of bf16 in tiles, forward and back, against their definition in f64.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]
#![expect(clippy::print_stderr, reason = "a test that cannot run says so")]

mod exact;
mod lines;
#[expect(dead_code, reason = "few machines have tiles, so not every way is gone")]
mod numbers;

use exact::{Exact, rounded};
use kernels::{
    Bf16, Cell, Cpu, Direction, Half, LANES, Shape, Source, UpTiles, Write, blocks, pack_channels, unpack_channels,
    voxels,
};
use lines::Lines;
use numbers::noise;
use proptest::prelude::*;

const SLOPE: f32 = 0.1;

/// A layer: its input and what that owes, the gradient of its output, planar, its weights `[I][O][8]` and its bias.
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
    bias: Vec<f32>,
}

/// Outputs and the gradient of the input, planar, and that of the weights.
#[derive(Clone, Debug, PartialEq)]
struct Given {
    outputs: Vec<u32>,
    inputs: Vec<u32>,
    weights: Vec<u32>,
}

fn bits(of: Vec<f32>) -> Vec<u32> {
    of.into_iter().map(f32::to_bits).collect()
}

impl Layer {
    fn new(shape: Shape, (i, o): (usize, usize), seed: u64) -> Self {
        let n = voxels(shape);
        let owed = |seed| {
            let mut of = noise(i, seed);
            of.resize(blocks(i) * LANES, 0.0);
            of
        };
        let mut bias = noise(o, seed + 5);
        bias.resize(blocks(o) * LANES, 0.0);
        let (x, d, weights) = (noise(i * n, seed), noise(o * 8 * n, seed + 1), noise(o * i * 8, seed + 2));
        Self { shape, i, o, x, scale: owed(seed + 3), shift: owed(seed + 4), d, weights, bias }
    }

    /// What was there before the gradient of the weights is added.
    fn before(&self) -> Vec<f32> {
        noise(self.weights.len(), 9)
    }

    /// The input as it is stored.
    fn stored<T: Cell>(&self, cpu: Cpu) -> Vec<T> {
        let n = voxels(self.shape);
        let mut values = vec![f32::NAN; blocks(self.i) * n * LANES];
        pack_channels(cpu, &self.x, self.i, n, &mut values);
        values.into_iter().map(T::of).collect()
    }

    fn source<'a, T>(&'a self, values: &'a [T]) -> Source<'a, T> {
        Source { values, scale: &self.scale, shift: &self.shift, slope: SLOPE }
    }

    /// Outputs, blocked.
    fn forward<T: Cell>(&self, cpu: Cpu, threads: usize) -> Vec<T> {
        let up = UpTiles::new(self.shape, (self.i, self.o));
        let values = self.stored::<T>(cpu);
        let mut packed = Lines::new(up.weights_len());
        up.pack(cpu, Direction::Forward, &self.weights, packed.get());
        let mut scratch = vec![f32::NAN; up.scratch_len() * threads];
        let mut dst = vec![T::of(f32::NAN); blocks(self.o) * 8 * voxels(self.shape) * LANES];
        up.convolve(cpu, &self.source(&values), (packed.get(), &self.bias), &mut dst, &mut scratch);
        dst
    }

    fn run(&self, cpu: Cpu, threads: usize) -> Given {
        let n = voxels(self.shape);
        let up = UpTiles::new(self.shape, (self.i, self.o));
        let values = self.stored::<f32>(cpu);
        let mut d_dst = vec![f32::NAN; blocks(self.o) * 8 * n * LANES];
        pack_channels(cpu, &self.d, self.o, 8 * n, &mut d_dst);
        let mut outputs = vec![f32::NAN; self.d.len()];
        unpack_channels(&self.forward::<f32>(cpu, threads), self.o, 8 * n, &mut outputs);

        let mut packed = Lines::new(up.weights_len());
        up.pack(cpu, Direction::Backward, &self.weights, packed.get());
        let mut scratch = vec![f32::NAN; up.scratch_len() * threads];
        let mut d_src = vec![f32::NAN; values.len()];
        up.convolve_back(cpu, (&d_dst, packed.get()), (&mut d_src, Write::Overwrite), &mut scratch);
        let mut twice = d_src.clone();
        up.convolve_back(cpu, (&d_dst, packed.get()), (&mut twice, Write::Add), &mut scratch);
        assert!(d_src.iter().zip(&twice).all(|(once, twice)| 2.0 * once == *twice), "{:?}: added", self.shape);
        let mut inputs = vec![f32::NAN; self.x.len()];
        unpack_channels(&d_src, self.i, n, &mut inputs);

        let (mut partial, mut weights) = (vec![f32::NAN; up.partial_len()], self.before());
        up.add_gradient(cpu, (&self.source(&values), &d_dst), &mut weights, (&mut partial, &mut scratch));
        Given { outputs: bits(outputs), inputs: bits(inputs), weights: bits(weights) }
    }

    /// What the layer sees of its input, rounded.
    fn seen(&self, channel: usize, voxel: usize) -> f32 {
        let t = self.x[channel * voxels(self.shape) + voxel].mul_add(self.scale[channel], self.shift[channel]);
        rounded(t.max(t * SLOPE))
    }

    /// The output of a corner of a voxel's cell.
    fn output(&self, voxel: usize, corner: usize) -> usize {
        let [_, height, width] = self.shape;
        let (z, y, x) = (voxel / (height * width), voxel / width % height, voxel % width);
        ((2 * z + corner / 4) * 2 * height + 2 * y + corner / 2 % 2) * 2 * width + 2 * x + corner % 2
    }

    fn check(&self) {
        let n = voxels(self.shape);
        let mut outputs = vec![Exact::default(); self.d.len()];
        let mut inputs = vec![Exact::default(); self.x.len()];
        let mut weights = vec![Exact::default(); self.weights.len()];
        for voxel in 0..n {
            for i in 0..self.i {
                let seen = self.seen(i, voxel);
                for (k, weight) in self.weights[i * self.o * 8..][..self.o * 8].iter().enumerate() {
                    let at = k / 8 * 8 * n + self.output(voxel, k % 8);
                    let (weight, d) = (rounded(*weight), rounded(self.d[at]));
                    outputs[at].add(seen, weight);
                    inputs[i * n + voxel].add(d, weight);
                    weights[i * self.o * 8 + k].add(seen, d);
                }
            }
        }
        let cpus: Vec<_> = Cpu::all().into_iter().filter(|cpu| cpu.has_tiles()).collect();
        if cpus.len() == 1 {
            eprintln!("SKIPPED: no AMX here, so tiles are tested in plain Rust only");
        }
        let first = self.run(cpus[0], 1);
        for cpu in cpus {
            for threads in [1, 2, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let same = pool.install(|| self.run(cpu, threads)) == first;
                assert!(same, "{:?} with {threads} threads, {:?}, {} to {}", cpu.name(), self.shape, self.i, self.o);
            }
        }
        let what = |kind, at| format!("{:?}, {} to {}, {kind} {at}", self.shape, self.i, self.o);
        for (at, (exact, got)) in outputs.iter().zip(&first.outputs).enumerate() {
            exact.check(*got, self.bias[at / (8 * n)], || what("output", at));
        }
        for (at, (exact, got)) in inputs.iter().zip(&first.inputs).enumerate() {
            exact.check(*got, 0.0, || what("input", at));
        }
        for (at, ((exact, got), before)) in weights.iter().zip(&first.weights).zip(self.before()).enumerate() {
            exact.check(*got, before, || what("weight", at));
        }
    }
}

#[test]
fn awkward_shapes_and_tails() {
    for (shape, channels) in [
        ([1, 1, 1], (1, 1)),
        ([2, 3, 33], (3, 17)),
        ([1, 5, 16], (33, 5)),
        ([5, 4, 2], (17, 1)),
        ([2, 2, 32], (32, 16)),
        ([3, 1, 5], (52, 33)),
        ([1, 2, 7], (70, 81)),
        ([1, 1, 3], (16, 129)),
        ([2, 1, 3], (300, 16)),
    ] {
        Layer::new(shape, channels, 5).check();
    }
}

/// Several tasks, of the gradient of the weights too, and several strips of one.
#[test]
fn maps_of_many_tasks() {
    for (shape, channels) in
        [([3, 35, 6], (17, 3)), ([20, 3, 3], (4, 2)), ([7, 18, 40], (3, 2)), ([2, 2, 600], (17, 1))]
    {
        Layer::new(shape, channels, 7).check();
    }
}

#[test]
fn stored_in_sixteen_bits_it_is_as_near() {
    let layer = Layer::new([2, 3, 19], (40, 20), 3);
    for cpu in Cpu::all().into_iter().filter(|cpu| cpu.has_tiles()) {
        let floats = layer.forward::<f32>(cpu, rayon::current_num_threads());
        let halves = layer.forward::<Half>(cpu, rayon::current_num_threads());
        let bf16 = layer.forward::<Bf16>(cpu, rayon::current_num_threads());
        for ((float, half), bf16) in floats.iter().zip(halves).zip(bf16) {
            assert!((half.wide() - float).abs() < 0.03 * float.abs().max(1.0), "{half:?} for {float}");
            assert!((bf16.wide() - float).abs() < 0.03 * float.abs().max(1.0), "{bf16:?} for {float}");
        }
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
