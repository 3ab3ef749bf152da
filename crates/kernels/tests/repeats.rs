//! Tiles that see what another tile saw are not computed again: the same bits as if they were.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

#[expect(dead_code, reason = "only the noise is needed")]
mod numbers;

use kernels::{Cell, Cpu, Direction, Half, LANES, Moments, Shape, Source, Winograd, blocks, voxels};
use numbers::noise;

/// A layer whose last input channel has no weight: what that channel holds changes no output, only whether tiles repeat.
struct Layer {
    shape: Shape,
    i: usize,
    o: usize,
    weights: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

/// What the channel without a weight holds.
#[derive(Clone, Copy)]
enum Beside {
    /// The same everywhere.
    Constant,
    /// Something else at each voxel, so that no tile repeats another.
    Noise,
}

/// Bits of the output, its means and variances, and how many numbers were lost. One number stands for all that are none.
type Outcome = (Vec<u32>, u64);

impl Layer {
    fn new(shape: Shape, i: usize, o: usize) -> Self {
        let mut weights = noise(o * i * 27, 9);
        for (n, kernel) in weights.chunks_exact_mut(27).enumerate() {
            if n % i == i - 1 {
                kernel.fill(0.0);
            }
        }
        let owed = |seed| noise(blocks(i) * LANES, seed);
        Self { shape, i, o, weights, scale: owed(6), shift: owed(7) }
    }

    /// `value(channel, voxel)` in blocks, and beside it what has no weight.
    fn stored<T: Cell>(&self, value: impl Fn(usize, usize) -> f32, beside: Beside) -> Vec<T> {
        let n = voxels(self.shape);
        let extra = noise(n, 11);
        let at = |at: usize| (at / (n * LANES) * LANES + at % LANES, at / LANES % n);
        let of = |(c, v): (usize, usize)| match beside {
            _ if c >= self.i => 0.0,
            _ if c + 1 < self.i => value(c, v),
            Beside::Constant => 0.25,
            Beside::Noise => extra[v],
        };
        (0..blocks(self.i) * n * LANES).map(|n| T::of(of(at(n)))).collect()
    }

    /// The output too.
    fn run<T: Cell>(&self, cpu: Cpu, values: &[T], widest: Option<f32>) -> (Vec<T>, Outcome) {
        let plan = Winograd::new(self.shape, blocks(self.i), blocks(self.o)).with_inputs(self.i);
        let source = [Source { values, scale: &self.scale, shift: &self.shift, slope: 0.1 }];
        let mut scratch = vec![f32::NAN; plan.scratch_len(rayon::current_num_threads())];
        let mut dst = vec![T::of(f32::NAN); blocks(self.o) * voxels(self.shape) * LANES];
        let channels = blocks(self.o) * LANES;
        let mut sums = vec![f64::NAN; plan.sums_len()];
        let (mut mean, mut variance) = (vec![f32::NAN; channels], vec![f32::NAN; channels]);
        let mut moments = Moments { sums: &mut sums, mean: &mut mean, variance: &mut variance };
        let lost = if let Some(widest) = widest {
            let integers = plan.integers(cpu, (self.o, self.i), &self.weights, widest);
            plan.convolve_integers(cpu, &source, &integers, (&mut dst, Some(&mut moments)), &mut scratch)
        } else {
            let mut u = vec![f32::NAN; plan.weights_len()];
            plan.transform_weights(cpu, Direction::Forward, (self.o, self.i), &self.weights, &mut u);
            plan.convolve_and_measure(cpu, &source, &u, (&mut dst, &mut moments), &mut scratch);
            0
        };
        let all = [bits(&dst), bits(&mean), bits(&variance)].concat();
        (dst, (all, lost))
    }

    /// [`Layer::run`] with and without repeats, on every instruction set and with 1 to 3 threads of the best one: the same
    /// bits. Returns the output.
    fn check<T: Cell>(&self, value: impl Fn(usize, usize) -> f32, widest: Option<f32>) -> Vec<T> {
        let mut first: Option<(Vec<T>, Outcome)> = None;
        let stored = [Beside::Noise, Beside::Constant].map(|beside| self.stored::<T>(&value, beside));
        for cpu in Cpu::all().into_iter().filter(|cpu| widest.is_none() || cpu.has_int16()) {
            let best = cpu.name() == Cpu::detect().name();
            for threads in if best { 1..=3 } else { 2..=2 } {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                for values in &stored {
                    let got = pool.install(|| self.run(cpu, values, widest));
                    let first = first.get_or_insert_with(|| got.clone());
                    let name = cpu.name();
                    assert!(first.1.0 == got.1.0, "{:?}, {threads} threads, {name:?}: other bits", self.shape);
                    assert_eq!(first.1.1 > 0, got.1.1 > 0, "{:?}, {name:?}: lost", self.shape);
                }
            }
        }
        first.unwrap().0
    }
}

fn bits<T: Cell>(values: &[T]) -> Vec<u32> {
    let one = |x: &T| if x.wide().is_nan() { f32::NAN.to_bits() } else { x.bits() };
    values.iter().map(one).collect()
}

/// Air, in it a head and, as repetitive as air, a lake, in boxes of 10 x 14 x 14 voxels.
fn head(shape: Shape, air: f32) -> impl Fn(usize, usize) -> f32 {
    let inside = noise(17 * voxels(shape), 3);
    let what = noise(voxels(shape), 4);
    move |c, v| {
        let [z, y, x] = [v / (shape[1] * shape[2]) / 10, v / shape[2] % shape[1] / 14, v % shape[2] / 14];
        match what[(z * 31 + y) * 31 + x] {
            what if what > 0.4 => inside[c * voxels(shape) + v],
            what if what > 0.0 => 0.5 - c as f32 / 32.0,
            _ => air + c as f32 / 16.0,
        }
    }
}

/// The last has units of more than one batch.
const SHAPES: [Shape; 5] = [[9, 14, 61], [24, 13, 26], [1, 1, 513], [12, 21, 40], [40, 125, 11]];

/// Two layers, since the air of the second one's input only repeats itself.
fn check_two<T: Cell>(shape: Shape, air: f32, widest: Option<f32>) {
    let (one, two) = (Layer::new(shape, 5, 16), Layer::new(shape, 17, 33));
    let out = one.check::<T>(head(shape, air), widest);
    two.check::<T>(|c, v| out[v * LANES + c].wide(), widest);
}

#[test]
fn repeated_tiles_have_the_bits_of_computed_ones() {
    for shape in SHAPES {
        check_two::<f32>(shape, -0.5, None);
        check_two::<Half>(shape, -0.5, None);
        check_two::<Half>(shape, -0.5, Some(400.0));
    }
}

#[test]
fn air_of_zeros_is_also_what_lies_outside() {
    check_two::<f32>([12, 21, 40], 0.0, None);
    check_two::<Half>([12, 21, 40], 0.0, Some(400.0));
}

#[test]
fn air_that_is_no_number_spoils_what_it_would_spoil() {
    check_two::<f32>([24, 13, 26], f32::NAN, None);
    check_two::<Half>([24, 13, 26], f32::NAN, Some(400.0));
}

#[test]
fn what_is_cut_repeats_as_well() {
    check_two::<Half>([24, 13, 26], 3.0, Some(2.0));
}

#[test]
fn a_constant_volume_is_the_same_with_less_work() {
    for shape in SHAPES {
        let layer = Layer::new(shape, 5, 16);
        layer.check::<f32>(|c, _| c as f32, None);
        layer.check::<Half>(|c, _| c as f32, Some(40.0));
    }
}
