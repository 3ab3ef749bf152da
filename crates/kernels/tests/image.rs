//! The first layer in 16-bit integers, from the planar image, against the f32 that it stands for.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

#[expect(dead_code, reason = "only the noise is needed")]
mod numbers;

use kernels::{
    Cell, Cpu, Half, IsaName, LANES, Moments, Shape, Source, Winograd, Write, blocks, pack_channels, voxels,
};
use numbers::noise;

/// A layer that reads images.
struct Layer {
    shape: Shape,
    i: usize,
    o: usize,
    weights: Vec<f32>,
}

/// Output, means and variances, and how many numbers were lost.
type Outcome<T> = (Vec<T>, [Vec<f32>; 2], u64);

impl Layer {
    fn new(shape: Shape, i: usize, o: usize) -> Self {
        Self { shape, i, o, weights: noise(o * i * 27, 9) }
    }

    fn plan(&self) -> Winograd {
        Winograd::new(self.shape, blocks(self.i), blocks(self.o)).with_inputs(self.i)
    }

    fn blocked(&self, image: &[f32]) -> Vec<f32> {
        let mut values = vec![f32::NAN; blocks(self.i) * voxels(self.shape) * LANES];
        pack_channels(Cpu::detect(), image, self.i, voxels(self.shape), &mut values);
        values
    }

    fn widest(&self, image: &[f32]) -> f32 {
        self.plan().widest(Cpu::detect(), &[Source::plain(&self.blocked(image))])
    }

    fn in_floats(&self, image: &[f32]) -> Vec<f32> {
        let (cpu, plan) = (Cpu::detect(), self.plan());
        let mut u = vec![f32::NAN; plan.weights_len()];
        plan.transform_weights(cpu, kernels::Direction::Forward, (self.o, self.i), &self.weights, &mut u);
        let mut scratch = vec![f32::NAN; plan.scratch_len(rayon::current_num_threads())];
        let mut dst = vec![f32::NAN; blocks(self.o) * voxels(self.shape) * LANES];
        plan.convolve(cpu, &[Source::plain(&self.blocked(image))], &u, (&mut dst, Write::Overwrite), &mut scratch);
        dst
    }

    fn run<T: Cell>(&self, cpu: Cpu, image: &[f32], widest: f32) -> Outcome<T> {
        let plan = self.plan();
        let channels = blocks(self.o) * LANES;
        let mut scratch = vec![f32::NAN; plan.scratch_len(rayon::current_num_threads())];
        let mut dst = vec![T::of(f32::NAN); channels * voxels(self.shape)];
        let mut sums = vec![f64::NAN; plan.sums_len()];
        let (mut mean, mut variance) = (vec![f32::NAN; channels], vec![f32::NAN; channels]);
        let mut moments = Moments { sums: &mut sums, mean: &mut mean, variance: &mut variance };
        let integers = plan.integers(cpu, (self.o, self.i), &self.weights, widest);
        let lost = plan.convolve_image(cpu, image, &integers, (&mut dst, Some(&mut moments)), &mut scratch);
        (dst, [mean, variance], lost)
    }

    /// [`Layer::run`] on all that have the products, with 1 to 3 threads: the same bits.
    fn everywhere<T: Cell>(&self, image: &[f32], widest: f32) -> Outcome<T> {
        let mut first: Option<Outcome<T>> = None;
        for cpu in dots() {
            for threads in if cpu.name() == IsaName::Scalar { 2..=2 } else { 1..=3 } {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let got = pool.install(|| self.run::<T>(cpu, image, widest));
                let first = first.get_or_insert_with(|| got.clone());
                assert!(bits(first) == bits(&got), "{:?} with {threads} threads has other bits", cpu.name());
                assert_eq!(first.2, got.2, "{:?}: lost", cpu.name());
            }
        }
        first.unwrap()
    }
}

fn dots() -> impl Iterator<Item = Cpu> {
    Cpu::all().into_iter().filter(|cpu| cpu.has_int16())
}

fn bits<T: Cell>((dst, moments, _): &Outcome<T>) -> Vec<u32> {
    dst.iter().map(|x| x.bits()).chain(moments.iter().flatten().map(|x| x.to_bits())).collect()
}

fn relative<T: Cell>(got: &[T], expected: &[f32]) -> f64 {
    let difference: f64 = got.iter().zip(expected).map(|(g, &e)| f64::from(g.wide() - e).powi(2)).sum();
    (difference / expected.iter().map(|&e| f64::from(e).powi(2)).sum::<f64>()).sqrt()
}

/// Tails of tiles along each axis, axes of one voxel, units of several batches; one channel to four, one block to three.
const LAYERS: [(Shape, usize, usize); 8] = [
    ([9, 14, 61], 4, 16),
    ([10, 18, 27], 3, 2),
    ([24, 13, 26], 4, 40),
    ([11, 16, 49], 2, 32),
    ([12, 21, 40], 1, 16),
    ([1, 45, 97], 4, 16),
    ([300, 1, 1], 3, 2),
    ([40, 125, 11], 4, 20),
];

#[test]
fn integers_are_near_f32_and_the_same_bits_everywhere() {
    for (shape, i, o) in LAYERS {
        let layer = Layer::new(shape, i, o);
        let image = noise(i * voxels(shape), 3);
        let (plain, widest) = (layer.in_floats(&image), layer.widest(&image));
        let (got, _, lost) = layer.everywhere::<f32>(&image, widest);
        assert_eq!(lost, 0, "{shape:?} {i} -> {o}");
        let error = relative(&got, &plain);
        assert!(error < 1e-3, "{shape:?} {i} -> {o}: {error:e}");
        let (stored, ..) = layer.everywhere::<Half>(&image, widest);
        let error = relative(&stored, &plain);
        assert!(error < 1e-3, "stored in halves, {shape:?} {i} -> {o}: {error:e}");
    }
}

/// A channel without weights is air or noise: with noise no tile is like the corner.
#[test]
fn tiles_of_air_have_the_bits_of_computed_ones() {
    for (shape, i, o) in LAYERS.into_iter().filter(|(_, i, _)| *i > 1) {
        let mut layer = Layer::new(shape, i, o);
        for (n, kernel) in layer.weights.chunks_exact_mut(27).enumerate() {
            if n % i == i - 1 {
                kernel.fill(0.0);
            }
        }
        let (n, inside, what) = (voxels(shape), noise(i * voxels(shape), 3), noise(31 * 31 * 31, 4));
        let at = |v: usize| [v / (shape[1] * shape[2]) / 10, v / shape[2] % shape[1] / 14, v % shape[2] / 14];
        let box_of = |v: usize| at(v).into_iter().fold(0, |all, n| all * 31 + n);
        let head = |beside: bool| -> Vec<f32> {
            let value = |c: usize, v: usize| match what[box_of(v)] {
                _ if c == i - 1 => {
                    if beside {
                        inside[c * n + v]
                    } else {
                        0.25
                    }
                }
                inside_of if v > 0 && inside_of > 0.3 => inside[c * n + v],
                _ => -0.5 + c as f32 / 16.0,
            };
            (0..i * n).map(|at| value(at / n, at % n)).collect()
        };
        let (air, noisy) = (head(false), head(true));
        for widest in [400.0, 0.7] {
            let (air, noisy) = (layer.everywhere::<Half>(&air, widest), layer.everywhere::<Half>(&noisy, widest));
            assert!(bits(&air) == bits(&noisy), "{shape:?} {i} -> {o}: other bits");
        }
    }
}

#[test]
fn what_is_too_wide_is_counted() {
    let layer = Layer::new([12, 16, 40], 3, 16);
    let mut image = noise(3 * voxels(layer.shape), 3);
    let widest = layer.widest(&image);
    let (cut, _, lost) = layer.everywhere::<f32>(&image, widest / 8.0);
    assert!(lost > 0 && cut.iter().all(|x| x.is_finite()), "cut and counted");
    for none in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        image[5000] = none;
        let (_, _, lost) = layer.run::<f32>(Cpu::detect(), &image, widest);
        assert!(lost > 0 || !Cpu::detect().has_int16(), "{none} is counted");
    }
}

/// All of one sign and as wide as it may be: no sum turns over.
#[test]
fn sums_stay_in_range_at_the_edge() {
    let mut layer = Layer::new([12, 16, 40], 4, 16);
    layer.weights.fill(0.7);
    let image = vec![1.0; 4 * voxels(layer.shape)];
    let plain = layer.in_floats(&image);
    let (edge, _, lost) = layer.everywhere::<f32>(&image, layer.widest(&image) / 2.0 * 1.0001);
    assert_eq!(lost, 0, "nothing lies outside");
    let error = relative(&edge, &plain);
    assert!(error < 1e-3, "{error:e}");
}

#[test]
fn other_layers_are_refused() {
    for (shape, i) in [([12, 16, 40], 5), ([4, 4, 4], 4)] {
        assert!(!Layer::new(shape, i, 16).plan().reads_images(Cpu::detect()), "{shape:?}, {i} channels");
    }
}

#[test]
#[should_panic(expected = "length of the image")]
fn an_image_of_another_length_is_refused() {
    let layer = Layer::new([12, 16, 40], 3, 16);
    layer.run::<f32>(Cpu::detect(), &vec![0.0; 4 * voxels(layer.shape)], 1.0);
}
