//! Transposed convolutions in 16-bit integers against their definition in f64, with bounds that follow from the steps.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

#[expect(dead_code, reason = "few machines have integers, so not every way is gone")]
mod numbers;

use kernels::{Cell, Cpu, Half, LANES, Shape, Source, UpIntegers, blocks, convolve_up_scratch, pack_channels, voxels};
use numbers::{noise, unpack};
use proptest::prelude::*;

/// A layer, planar, and the slope that its input owes.
#[derive(Clone, Debug)]
struct Layer {
    shape: Shape,
    i: usize,
    o: usize,
    x: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

const SLOPE: f32 = 0.1;

impl Layer {
    fn new(shape: Shape, (i, o): (usize, usize), seed: u64) -> Self {
        let padded = |n: usize, seed| {
            let mut of = noise(n, seed);
            of.resize(blocks(n) * LANES, 0.0);
            of
        };
        Self {
            shape,
            i,
            o,
            x: noise(i * voxels(shape), seed),
            scale: padded(i, seed + 1),
            shift: padded(i, seed + 2),
            weights: noise(i * o * 8, seed + 3),
            bias: padded(o, seed + 4),
        }
    }

    /// Owes nothing, all numbers of one sign and size: the sums are as large as they can be.
    fn full(shape: Shape, (i, o): (usize, usize), (x, weight): (f32, f32)) -> Self {
        let mut layer = Self::new(shape, (i, o), 1);
        layer.x.fill(x);
        layer.weights.fill(weight);
        (layer.scale, layer.shift, layer.bias) = (Vec::new(), Vec::new(), Vec::new());
        layer
    }

    /// Planar output, and how many numbers were lost.
    fn run<T: Cell>(&self, cpu: Cpu) -> (Vec<f32>, u64) {
        let n = voxels(self.shape);
        let mut values = vec![T::of(f32::NAN); blocks(self.i) * n * LANES];
        pack_channels(cpu, &self.x, self.i, n, &mut values);
        let slope = if self.scale.is_empty() { 1.0 } else { SLOPE };
        let source = Source { values: &values, scale: &self.scale, shift: &self.shift, slope };
        let mut dst = vec![T::of(f32::NAN); blocks(self.o) * 8 * n * LANES];
        let threads = rayon::current_num_threads();
        let mut scratch = vec![f32::NAN; convolve_up_scratch(self.shape, blocks(self.i)) * threads];
        let integers = UpIntegers::new((self.i, self.o), &self.weights);
        let lost = integers.convolve(cpu, self.shape, (&source, &self.bias), &mut dst, &mut scratch);
        let wide: Vec<f32> = dst.into_iter().map(Cell::wide).collect();
        (unpack(&wide, self.o, 8 * n), lost)
    }

    /// What every machine that has the products gives, with 1 to 3 threads: the same bits.
    fn everywhere<T: Cell>(&self) -> (Vec<f32>, u64) {
        let mut first: Option<(Vec<f32>, u64)> = None;
        for cpu in dots() {
            for threads in [1, 2, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let got = pool.install(|| self.run::<T>(cpu));
                let bits = |of: &[f32]| of.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                if let Some(first) = &first {
                    assert!(bits(&first.0) == bits(&got.0), "{:?}, {threads} threads: other bits", cpu.name());
                    assert_eq!(first.1, got.1, "{:?}, {threads} threads: lost", cpu.name());
                } else {
                    first = Some(got);
                }
            }
        }
        first.unwrap()
    }

    fn seen(&self, channel: usize, voxel: usize) -> f64 {
        let x = self.x[channel * voxels(self.shape) + voxel];
        if self.scale.is_empty() {
            return x.into();
        }
        let t = x.mul_add(self.scale[channel], self.shift[channel]);
        t.max(t * SLOPE).into()
    }

    /// Calls `f` with the place of each output, its definition, and the sizes that bound its error: the sum of the
    /// magnitudes of the weights, and the largest of them.
    fn outputs(&self, mut f: impl FnMut(usize, f64, (f64, f64))) {
        let [depth, height, width] = self.shape;
        for o in 0..self.o {
            for at in 0..8 * voxels(self.shape) {
                let [z, y, x] = [at / (4 * height * width), at / (2 * width) % (2 * height), at % (2 * width)];
                assert!(z < 2 * depth, "within the output");
                let voxel = (z / 2 * height + y / 2) * width + x / 2;
                let corner = z % 2 * 4 + y % 2 * 2 + x % 2;
                let weight = |i: usize| f64::from(self.weights[(i * self.o + o) * 8 + corner]);
                let products: f64 = (0..self.i).map(|i| weight(i) * self.seen(i, voxel)).sum();
                let bias = self.bias.get(o).map_or(0.0, |&b| b.into());
                let sizes = (0..self.i).map(|i| weight(i).abs());
                f(o * 8 * voxels(self.shape) + at, products + bias, (sizes.clone().sum(), sizes.fold(0.0, f64::max)));
            }
        }
    }

    /// Compares with the definition. Half a step of the input is at most `largest / limit`, since the scale is a power of
    /// two; a step of the weights is the largest over 2^15, or what keeps the sum in 31 bits; the rest is rounding of f32.
    fn check(&self) -> Result<(), TestCaseError> {
        let (got, lost) = self.everywhere::<f32>();
        prop_assert_eq!(lost, 0, "no finite number is lost");
        let n = voxels(self.shape);
        let largest = (0..self.i * n).map(|at| self.seen(at / n, at % n).abs()).fold(0.0, f64::max);
        let limit = 32766.0 * (64.0 / self.i as f64).sqrt().min(1.0);
        let mut fault = None;
        self.outputs(|at, want, (sum, most)| {
            let step = (most / 32766.0).max(1.01 * sum * limit / f64::from(i32::MAX));
            let of_input = sum * largest / (limit - 1.0);
            let of_weights = 0.5 * step * self.i as f64 * largest;
            let bound = 1.01 * (of_input + of_weights) + 1e-6 * (sum * largest + want.abs());
            let off = (f64::from(got[at]) - want).abs();
            if fault.is_none() && (off > bound || off.is_nan()) {
                fault = Some(format!("[{at}]: {} for {want}, bound {bound}", got[at]));
            }
        });
        prop_assert!(fault.is_none(), "{:?}", fault);
        Ok(())
    }
}

fn dots() -> impl Iterator<Item = Cpu> {
    Cpu::all().into_iter().filter(|cpu| cpu.has_int16())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_layer_is_its_definition(
        d in 1usize..4, h in 1usize..8, w in 1usize..30, i in 1usize..70, o in 1usize..36, seed in 0u64..1000,
        x in -16i32..16, weight in -16i32..16,
    ) {
        let mut layer = Layer::new([d, h, w], (i, o), seed);
        // Norms bring inputs to about 1, but nothing relies on it.
        layer.scale.iter_mut().chain(&mut layer.shift).for_each(|s| *s *= 2f32.powi(x));
        layer.weights.iter_mut().for_each(|w| *w *= 2f32.powi(weight));
        layer.check()?;
    }

    /// Numbers of one size and any sign, and some that are nothing beside them.
    #[test]
    fn extremes_stay_in_range(w in 1usize..20, i in 1usize..300, o in 1usize..20, seed in 0u64..1000) {
        let mut layer = Layer::full([1, 2, w], (i, o), (1.0, 1.0));
        let pick = |n, seed| noise(n, seed).into_iter().map(|r| if r.abs() < 0.1 { 1e-9 } else { r.signum() });
        layer.x = pick(layer.x.len(), seed).map(|x| 3e4 * x).collect();
        layer.weights = pick(layer.weights.len(), seed + 1).map(|w| 1e-3 * w).collect();
        layer.check()?;
    }
}

#[test]
fn tails_of_tiles_and_channels() {
    if dots().count() == 1 {
        eprintln!("SKIPPED: no VNNI here, so integers are tested in plain Rust only");
    }
    for (shape, channels) in [
        ([1, 1, 1], (1, 1)),
        ([2, 9, 27], (4, 16)),
        ([3, 2, 13], (17, 33)),
        ([2, 5, 12], (32, 32)),
        ([1, 3, 130], (48, 20)),
        ([2, 4, 31], (100, 16)),
    ] {
        if let Err(e) = Layer::new(shape, channels, 7).check() {
            panic!("{shape:?} {channels:?}: {e}");
        }
    }
}

/// All weights and inputs of one sign, so that the sums come as near to 2^31 as they can. Of 512 equal weights each has 362
/// steps, and may be off by half a one.
#[test]
fn sums_stay_in_range_at_the_edge() {
    for i in [1, 2, 16, 64, 65, 512] {
        for (x, weight) in [(1.0, 0.7), (-1.0, 0.7), (1.0, -0.7), (6e4, 1e3), (1e-20, 1e-10)] {
            let layer = Layer::full([1, 2, 13], (i, 17), (x, weight));
            let (got, lost) = layer.everywhere::<f32>();
            let want = i as f32 * x * weight;
            assert_eq!(lost, 0, "{i} channels of {x}");
            assert!(
                got.iter().all(|y| (y / want - 1.0).abs() < 0.5 / 362.0),
                "{i} channels of {x} by {weight}: {}",
                got[0]
            );
        }
    }
}

#[test]
fn halves_are_near_f32() {
    let layer = Layer::new([3, 7, 22], (40, 24), 5);
    let (plain, stored) = (layer.everywhere::<f32>().0, layer.everywhere::<Half>().0);
    let difference: f64 = plain.iter().zip(&stored).map(|(&p, &s)| f64::from(p - s).powi(2)).sum();
    let error = (difference / plain.iter().map(|&p| f64::from(p).powi(2)).sum::<f64>()).sqrt();
    assert!(error < 1e-3, "{error:e}");
}

#[test]
fn nothing_gives_the_bias() {
    let layer = Layer::new([2, 3, 14], (20, 20), 3);
    let mut deaf = layer.clone();
    deaf.weights.fill(0.0);
    let mut silent = layer;
    silent.x.fill(0.0);
    silent.shift.fill(0.0);
    for layer in [deaf, silent] {
        let (got, lost) = layer.everywhere::<f32>();
        let n = 8 * voxels(layer.shape);
        assert!((0..20 * n).all(|at| got[at] == layer.bias[at / n]) && lost == 0);
    }
}

#[test]
fn a_loud_voxel_leaves_other_strips_alone() {
    let quiet = Layer::new([4, 8, 100], (32, 16), 9);
    let mut loud = quiet.clone();
    loud.x[0] = 1e6;
    let (quiet, loud) = (quiet.everywhere::<f32>().0, loud.everywhere::<f32>().0);
    // A strip is one row here: its outputs are two rows of two planes, of 200 voxels each.
    let row = |at: usize| at % (8 * 4 * 8 * 100) / 200;
    let touched = |at: usize| [0, 1, 16, 17].contains(&row(at));
    assert!((0..quiet.len()).all(|at| touched(at) || quiet[at] == loud[at]), "others have their own scale");
    assert!((0..quiet.len()).any(|at| quiet[at] != loud[at]), "and it is heard");
}

#[test]
fn numbers_that_are_none_do_not_pass_unnoticed() {
    for x in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        let mut layer = Layer::new([1, 2, 14], (16, 16), 3);
        layer.x[20] = x;
        for cpu in dots() {
            assert!(layer.run::<f32>(cpu).1 > 0, "{:?}: {x} is counted", cpu.name());
        }
    }
}

#[test]
#[should_panic(expected = "up: weights")]
fn too_few_weights_are_refused() {
    UpIntegers::new((16, 16), &[0.0; 100]);
}
