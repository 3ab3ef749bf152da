//! Direct convolutions with products of bf16 in tiles against their definition in f64, with bounds that follow from the steps.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]
#![expect(clippy::print_stderr, reason = "a test that cannot run says so")]

mod definition;
mod lines;
#[expect(dead_code, reason = "few machines have tiles, so not every way is gone")]
mod numbers;

use definition::{Definition, Exact};
use kernels::{
    Bf16, Cell, ConvTiles, Cpu, Direction, Gather, Half, LANES, Moments, Shape, Source, Write, blocks, pack_channels,
    unpack_channels, voxels,
};
use lines::Lines;
use numbers::noise;
use proptest::prelude::*;
use std::ops::Range;

/// Of each source: a leaky ReLU, a ReLU of what owes nothing else, and no activation.
const SLOPES: [f32; 3] = [0.1, 0.0, 1.0];
/// Half a step of bf16 beside 1, and of f32.
const BF16: f64 = 1.0 / 256.0;
const F32: f64 = 1.0 / 16_777_216.0;

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

/// What a layer gives: outputs, blocked; means and variances.
#[derive(Clone)]
struct Given {
    outputs: Vec<f32>,
    mean: Vec<f32>,
    variance: Vec<f32>,
}

impl Given {
    fn numbers(&self) -> impl Iterator<Item = f32> {
        self.outputs.iter().chain(&self.mean).chain(&self.variance).copied()
    }

    /// Whether all bits are the same; what is not a number is like what is none.
    fn is(&self, other: &Self) -> bool {
        self.numbers().zip(other.numbers()).all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan())
    }
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

    /// Its input as it is: nothing owed but the slopes.
    fn plain(self) -> Self {
        Self { scale: vec![1.0; self.scale.len()], shift: vec![0.0; self.shift.len()], ..self }
    }

    fn gather(&self) -> Gather {
        Gather::conv3(self.shape, self.stride)
    }

    fn out(&self) -> Shape {
        self.gather().dst_shape()
    }

    /// Blocks of the three sources; some may be none.
    fn parts(&self) -> [Range<usize>; 3] {
        let n = blocks(self.i);
        [0..n.div_ceil(3), n.div_ceil(3)..n.div_ceil(2), n.div_ceil(2)..n]
    }

    /// Everything is prefilled with what is not a number.
    fn run<T: Cell>(&self, cpu: Cpu) -> Given {
        let n = voxels(self.shape);
        let mut values = vec![T::of(f32::NAN); blocks(self.i) * n * LANES];
        pack_channels(cpu, &self.x, self.i, n, &mut values);
        let parts = self.parts().into_iter().zip(SLOPES).filter(|(part, _)| !part.is_empty());
        let sources = parts.map(|(part, slope)| {
            let owed = if slope > 0.0 { part.start * LANES..part.end * LANES } else { 0..0 };
            let values = &values[part.start * n * LANES..part.end * n * LANES];
            Source { values, scale: &self.scale[owed.clone()], shift: &self.shift[owed], slope }
        });
        let sources: Vec<Source<'_, T>> = sources.collect();
        let (gather, channels) = (self.gather(), (self.i, self.o));
        let layer = ConvTiles::new(&gather, channels);
        let mut packed = Lines::new(layer.weights_len());
        layer.pack(cpu, Direction::Forward, &self.weights, packed.get());
        let threads = rayon::current_num_threads();
        let mut scratch = vec![f32::NAN; layer.scratch_len() * threads];
        let mut sums = vec![f64::NAN; layer.sums_len()];
        let [mut mean, mut variance] = [(); 2].map(|()| vec![f32::NAN; blocks(self.o) * LANES]);
        let mut dst = vec![T::of(f32::NAN); blocks(self.o) * voxels(self.out()) * LANES];
        let mut moments = Moments { sums: &mut sums, mean: &mut mean, variance: &mut variance };
        layer.convolve(cpu, (&sources, packed.get()), (&mut dst, Write::Overwrite), Some(&mut moments), &mut scratch);
        // Once of all the ways: plain Rust is slow.
        if threads == 3 {
            let mut unmeasured = vec![T::of(f32::NAN); dst.len()];
            layer.convolve(cpu, (&sources, packed.get()), (&mut unmeasured, Write::Overwrite), None, &mut scratch);
            let same = |(a, b): (&T, &T)| a.bits() == b.bits() || a.wide().is_nan() && b.wide().is_nan();
            assert!(dst.iter().zip(&unmeasured).all(same), "measured or not");
        }
        Given { outputs: dst.into_iter().map(Cell::wide).collect(), mean, variance }
    }

    fn planar(&self, blocked: &[f32]) -> Vec<f32> {
        let mut planar = vec![f32::NAN; self.o * voxels(self.out())];
        unpack_channels(blocked, self.o, voxels(self.out()), &mut planar);
        planar
    }

    /// What the convolution sees at planar place `at` of an input that is stored as `T`.
    fn seen<T: Cell>(&self, at: usize) -> f32 {
        let c = at / voxels(self.shape);
        let source = self.parts().iter().position(|part| part.contains(&(c / LANES))).unwrap();
        let slope = SLOPES[source];
        let (scale, shift) = if slope > 0.0 { (self.scale[c], self.shift[c]) } else { (1.0, 0.0) };
        let t = T::of(self.x[at]).wide().mul_add(scale, shift);
        t.max(t * slope)
    }

    fn definition<T: Cell>(&self) -> Vec<Exact> {
        let seen: Vec<_> = (0..self.x.len()).map(|at| self.seen::<T>(at)).collect();
        let (shape, stride, channels) = (self.shape, self.stride, (self.i, self.o));
        Definition { shape, stride, channels, seen: &seen, weights: &self.weights }.outputs()
    }

    /// Within what rounding allows of the definition: `step` is half a step of what outputs are stored in, beside 1, and `least` what
    /// numbers too small to be normal come to.
    fn is_near<T: Cell>(&self, given: &Given, (step, least): (f64, f64)) {
        let outputs = self.planar(&given.outputs);
        // Products of a sum, and sums of sums.
        let of_sums = (27 * self.i + 100) as f64 * F32;
        for (at, (&got, exact)) in outputs.iter().zip(self.definition::<T>()).enumerate() {
            let stored = step * f64::from(got).abs() + least;
            let near = |expected: f64, most: f64| {
                let off = (f64::from(got) - expected).abs();
                let what = format!("{:?}, stride {}, {} to {}", self.shape, self.stride, self.i, self.o);
                assert!(off <= most, "{what}, output {at}: {got} for {expected}, {off:e} off, {most:e} allowed");
            };
            near(exact.of_rounded, 1.02 * of_sums * exact.size + stored);
            let of_both = (1.0 + BF16).powi(2) * (1.0 + F32).powi(4) - 1.0;
            near(exact.sum, (of_both + 1.02 * of_sums) * exact.size + stored);
        }
        let missing = self.o % LANES..LANES;
        let last = given.outputs.chunks_exact(voxels(self.out()) * LANES).last().unwrap();
        if missing.start > 0 {
            let mut beyond = last.as_chunks::<LANES>().0.iter().flat_map(|lanes| &lanes[missing.clone()]);
            assert!(beyond.all(|&x| x == 0.0), "lanes past the last channel");
        }
    }

    /// Means and variances are those of the outputs.
    fn is_measured(&self, given: &Given) {
        let n = voxels(self.out());
        for (c, outputs) in self.planar(&given.outputs).chunks_exact(n).enumerate() {
            let outputs = || outputs.iter().map(|&x| f64::from(x));
            let mean = outputs().sum::<f64>() / n as f64;
            let variance = outputs().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
            let off = [f64::from(given.mean[c]) - mean, f64::from(given.variance[c]) - variance];
            let most = [1e-5 * variance.sqrt() + 2.0 * F32 * mean.abs(), 1e-4 * variance + 1e-12 * mean * mean];
            let what = format!("{:?}, stride {}, {} to {}", self.shape, self.stride, self.i, self.o);
            assert!((0..2).all(|k| off[k].abs() <= most[k]), "{what}, channel {c}: {off:?} off, {most:?} allowed");
        }
        let missing = self.o..blocks(self.o) * LANES;
        let all_zero = |of: &[f32]| of[missing.clone()].iter().all(|&x| x == 0.0);
        assert!(all_zero(&given.mean) && all_zero(&given.variance), "lanes past the last channel");
    }
}

/// All that have tiles.
fn all() -> Vec<Cpu> {
    let all: Vec<_> = Cpu::all().into_iter().filter(|cpu| cpu.has_tiles()).collect();
    if all.len() == 1 {
        eprintln!("SKIPPED: no AMX here, so tiles are tested in plain Rust only");
    }
    all
}

/// On all that have the products, with 1 to 3 threads: the same bits.
fn one_answer<T: Cell>(layer: &Layer) -> Given {
    let mut first: Option<Given> = None;
    for cpu in all() {
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let got = pool.install(|| layer.run::<T>(cpu));
            let first = first.get_or_insert_with(|| got.clone());
            let what = format!("{:?}, stride {}, {} to {}", layer.shape, layer.stride, layer.i, layer.o);
            assert!(first.is(&got), "{what}: {:?} with {threads} threads has other bits", cpu.name());
        }
    }
    first.unwrap()
}

/// The same bits, near the definition, and measured as they are.
fn check(layer: &Layer) {
    let given = one_answer::<f32>(layer);
    layer.is_near::<f32>(&given, (0.0, 1e-30));
    layer.is_measured(&given);
}

#[test]
fn awkward_shapes_borders_and_tails() {
    for (shape, channels) in [
        ([1, 1, 1], (1, 1)),
        ([2, 3, 33], (3, 17)),
        ([3, 2, 31], (4, 16)),
        ([1, 5, 16], (5, 33)),
        ([2, 1, 17], (16, 48)),
        ([5, 4, 2], (17, 1)),
        ([2, 2, 32], (32, 16)),
        ([1, 3, 15], (33, 17)),
        ([3, 1, 5], (52, 33)),
        ([4, 3, 1], (70, 16)),
        ([1, 2, 7], (130, 48)),
    ] {
        for stride in [1, 2] {
            check(&Layer::new(shape, stride, channels, 5));
        }
    }
}

/// Several strips, several runs of planes, planes in several steps, and blocks of outputs in several tasks; the plan's own test
/// says that they are.
#[test]
fn maps_of_many_tasks() {
    for (shape, channels) in [
        ([3, 35, 6], (17, 1)),
        ([17, 20, 3], (4, 2)),
        ([40, 3, 3], (3, 3)),
        ([7, 1, 200], (70, 1)),
        ([2, 3, 4], (16, 130)),
    ] {
        for stride in [1, 2] {
            check(&Layer::new(shape, stride, channels, 7));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_layer_is_its_definition(
        d in 1usize..5, h in 1usize..5, w in 1usize..36, i in 1usize..70, o in 1usize..36, stride in 1usize..3, seed in 0u64..1000,
    ) {
        check(&Layer::new([d, h, w], stride, (i, o), seed));
    }
}

#[test]
fn stored_in_sixteen_bits_it_is_the_same_but_rounded() {
    for (channels, stride) in [((4, 17), 1), ((20, 16), 2), ((40, 24), 1)] {
        let layer = Layer::new([3, 5, 19], stride, channels, 2);
        // The smallest halves are not normal.
        layer.is_near::<Half>(&one_answer::<Half>(&layer), (1.001 / 2048.0, 1e-7));
        layer.is_near::<Bf16>(&one_answer::<Bf16>(&layer), (1.01 * BF16, 1e-30));
    }
}

/// Means far from 0 beside small variances: sums of squares alone would lose them.
#[test]
fn a_large_mean_leaves_the_variance_alone() {
    for stride in [1, 2] {
        let mut layer = Layer::new([4, 18, 9], stride, (3, 2), 4);
        // Only the middle tap, so that borders are like the rest.
        layer.weights.iter_mut().enumerate().for_each(|(k, w)| *w = if k % 27 == 13 { 1.0 } else { 0.0 });
        layer.scale.fill(1.0);
        layer.shift[..3].fill(100.0);
        check(&layer);
    }
}

#[test]
fn numbers_too_small_to_be_normal_count_as_nothing() {
    for (channels, stride) in [((3, 2), 1), ((17, 16), 1), ((5, 17), 1), ((5, 3), 2)] {
        let layer = Layer::new([2, 4, 18], stride, channels, 6).plain();
        // Values that are too small themselves, such weights, and such products alone: each may lose less than the smallest.
        for (of_x, of_weights) in [(2e-38, 1.0), (1.0, 2e-38), (1e-19, 1e-19), (3e-20, 1e-18), (1e-30, 1e-30)] {
            let mut layer = layer.clone();
            layer.x.iter_mut().for_each(|x| *x *= of_x);
            layer.weights.iter_mut().for_each(|w| *w *= of_weights);
            let least = 3.0 * f64::from(f32::MIN_POSITIVE) * (27 * layer.i + 100) as f64;
            layer.is_near::<f32>(&one_answer::<f32>(&layer), (0.0, least));
        }
    }
}

#[test]
fn the_largest_numbers_are_held() {
    // Filtering adds two of them.
    for (depth, largest) in [(1, 3e38), (2, 1.5e38)] {
        let mut layer = Layer::new([depth, 3, 4], 1, (16, 16), 3).plain();
        layer.x.iter_mut().for_each(|x| *x *= largest);
        layer.weights.iter_mut().for_each(|w| *w *= 1e-6);
        let given = one_answer::<f32>(&layer);
        layer.is_near::<f32>(&given, (0.0, 0.0));
    }
}

/// Where one voxel is not finite, only those outputs are other than before that read it: by a tap, or beside one in the same
/// row of 32 values, which a weight of 0 does not undo.
fn stays_near(layer: &Layer, clean: &[f32], at: [usize; 3], none: f32) {
    let [_, height, width] = layer.shape;
    let mut layer = layer.clone();
    layer.x[(layer.i - 1) * voxels(layer.shape) + (at[0] * height + at[1]) * width + at[2]] = none;
    let dirty = layer.planar(&one_answer::<f32>(&layer).outputs);
    let out = layer.out();
    for (n, (clean, dirty)) in clean.iter().zip(&dirty).enumerate() {
        let v = n % voxels(out);
        let o = [v / (out[1] * out[2]), v / out[2] % out[1], v % out[2]].map(|p| p * layer.stride);
        let is_near = |axis: usize| (o[axis]..o[axis] + 3).contains(&(at[axis] + 1));
        // Of few channels, neighbours are made of the same four places.
        let first = o[2] / 2 * 2;
        let in_line = if layer.i <= LANES { (first..first + 4).contains(&(at[2] + 1)) } else { is_near(2) };
        let (by_tap, by_row) = ((0..3).all(is_near), is_near(0) && is_near(1) && in_line);
        let what = || format!("{none} at {at:?} of {:?}, stride {}, {} in: {o:?}", layer.shape, layer.stride, layer.i);
        assert!(!by_tap || by_row && !dirty.is_finite(), "{}: {dirty} was not touched", what());
        assert!(by_row || clean.to_bits() == dirty.to_bits(), "{}: {dirty} for {clean}", what());
    }
}

#[test]
fn what_is_no_number_stays_near_its_voxel() {
    for i in [1, 4, 5, 17] {
        for stride in [1, 2] {
            let layer = Layer::new([3, 4, 9], stride, (i, 2), 8).plain();
            let clean = layer.planar(&one_answer::<f32>(&layer).outputs);
            for (at, none) in [
                ([1, 1, 4], f32::NAN),
                ([1, 2, 3], f32::NAN),
                ([0, 0, 0], f32::INFINITY),
                ([2, 3, 8], f32::INFINITY),
                ([2, 2, 0], f32::NAN),
            ] {
                stays_near(&layer, &clean, at, none);
            }
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
    for layer in [&layer, &dark] {
        assert!(one_answer::<Half>(layer).numbers().all(|x| x == 0.0), "{layer:?}");
    }
}

/// Most of it is one vector, what is shown of it too: multiplied once.
#[test]
fn air_around_a_head_is_near_the_definition() {
    for (channels, stride) in [((3, 17), 1), ((5, 2), 1), ((17, 17), 1), ((17, 2), 2)] {
        let mut layer = Layer::new([4, 18, 75], stride, channels, 4);
        let (n, [_, height, width]) = (voxels(layer.shape), layer.shape);
        for (c, x) in layer.x.chunks_exact_mut(n).enumerate() {
            let is_head =
                |at: usize| at / (height * width) == 2 && (7..9).contains(&(at / width % height)) && at % width < 9;
            x.iter_mut().enumerate().filter(|(at, _)| !is_head(*at)).for_each(|(_, x)| *x = c as f32 / 8.0 - 0.3);
        }
        // Not measured: outputs that are nearly all one have hardly a variance to be near.
        layer.is_near::<f32>(&one_answer::<f32>(&layer), (0.0, 1e-30));
    }
}

/// Fewer pieces of scratch than threads, and a piece that begins anywhere in a line of the cache.
#[test]
fn scratch_for_one_thread_is_enough() {
    let layer = Layer::new([3, 35, 6], 1, (3, 1), 7);
    let channels = (layer.i, layer.o);
    let mut values = vec![f32::NAN; voxels(layer.shape) * LANES];
    let tiles = ConvTiles::new(&layer.gather(), channels);
    let (n, mut packed) = (tiles.scratch_len(), Lines::new(tiles.weights_len()));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let mut first: Option<Vec<f32>> = None;
    for cpu in all() {
        tiles.pack(cpu, Direction::Forward, &layer.weights, packed.get());
        pack_channels(cpu, &layer.x, layer.i, voxels(layer.shape), &mut values);
        for from in [0, 1, 15] {
            let mut scratch = vec![f32::NAN; from + n];
            let mut dst = vec![f32::NAN; values.len()];
            let to = (&mut *dst, Write::Overwrite);
            let from_and_by = (&[Source::plain(&values)][..], &*packed.get());
            pool.install(|| tiles.convolve(cpu, from_and_by, to, None, &mut scratch[from..]));
            let first = first.get_or_insert_with(|| dst.clone());
            assert!(first.iter().zip(&dst).all(|(a, b)| a.to_bits() == b.to_bits()), "{:?}, from {from}", cpu.name());
        }
    }
}

#[test]
#[should_panic(expected = "tiles: not a 3x3x3 convolution")]
fn other_gathers_are_refused() {
    ConvTiles::new(&Gather::conv3_back([2, 3, 4], 1)[0], (1, 1));
}

#[test]
#[should_panic(expected = "tiles: blocks of the sources")]
fn sources_of_other_channels_are_refused() {
    let gather = Gather::conv3([1, 1, 2], 1);
    let layer = ConvTiles::new(&gather, (17, 1));
    let mut packed = Lines::new(layer.weights_len());
    let mut scratch = vec![0.0; layer.scratch_len()];
    let (values, mut dst) = ([0.0; 2 * LANES], [0.0; 2 * LANES]);
    let from_and_by = (&[Source::plain(&values[..])][..], &*packed.get());
    layer.convolve(Cpu::all()[0], from_and_by, (&mut dst, Write::Overwrite), None, &mut scratch);
}
