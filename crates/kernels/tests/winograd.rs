//! Winograd convolutions against their definition in f64, over awkward shapes, instruction sets and thread counts.

use kernels::{Cpu, Direction, LANES, Source, Winograd, Write, blocks, pack_channels, unpack_channels};

/// Numbers that look normal (sums of four uniform ones, variance one), the same for the same seed.
fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    };
    (0..n).map(|_| (uniform() + uniform() + uniform() + uniform()) * 3_f32.sqrt()).collect()
}

fn relative(got: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len(), "lengths");
    let difference: f64 = got.iter().zip(expected).map(|(&g, &e)| (f64::from(g) - e).powi(2)).sum();
    let size: f64 = expected.iter().map(|e| e * e).sum();
    assert!(difference.is_finite(), "not finite");
    if size == 0.0 { difference.sqrt() } else { (difference / size).sqrt() }
}

/// What the sources owe to the layer before.
#[derive(Clone, Copy, PartialEq)]
enum Owed {
    Nothing,
    AffineAndSlope,
}

/// Blocked values, scale, shift, slope.
struct Stored(Vec<f32>, Vec<f32>, Vec<f32>, f32);

/// A layer: planar input as the convolution sees it, and how it is handed over.
struct Layer {
    shape: [usize; 3],
    o: usize,
    i: usize,
    /// Of each source.
    stored: Vec<Stored>,
    /// `[I][D][H][W]`, in f64: affine and activation applied.
    seen: Vec<f64>,
    weights: Vec<f32>,
    d_dst: Vec<f32>,
}

impl Layer {
    fn new(shape: [usize; 3], split: &[usize], o: usize, owed: Owed) -> Self {
        let (i, n): (usize, usize) = (split.iter().sum(), shape.iter().product());
        let mut seen = Vec::new();
        let mut stored = Vec::new();
        for (k, &channels) in split.iter().enumerate() {
            let planar = noise(channels * n, 7 + k as u64);
            let owed = owed == Owed::AffineAndSlope;
            let mut values = vec![f32::NAN; blocks(channels) * n * LANES];
            pack_channels(Cpu::detect(), &planar, channels, n, &mut values);
            let owing = |seed| {
                let mut of = noise(channels, seed);
                of.resize(if owed { blocks(channels) * LANES } else { 0 }, 0.0);
                of
            };
            let (scale, shift) = (owing(20 + k as u64), owing(30 + k as u64));
            let slope = if owed { 0.01 + 0.2 * k as f32 } else { 1.0 };
            for c in 0..channels {
                let (a, b) = if owed { (f64::from(scale[c]), f64::from(shift[c])) } else { (1.0, 0.0) };
                let t = planar[c * n..][..n].iter().map(|&x| f64::from(x) * a + b);
                seen.extend(t.map(|t| if t > 0.0 { t } else { t * f64::from(slope) }));
            }
            stored.push(Stored(values, scale, shift, slope));
        }
        let weights = noise(o * i * 27, 1);
        let d_dst = noise(o * n, 2);
        Self { shape, o, i, stored, seen, weights, d_dst }
    }

    fn sources(&self) -> Vec<Source<'_>> {
        let mut sources = Vec::new();
        for Stored(values, scale, shift, slope) in &self.stored {
            sources.push(Source { values, scale, shift, slope: *slope });
        }
        sources
    }

    fn voxels(&self) -> usize {
        self.shape.iter().product()
    }

    fn blocked(&self, planar: &[f32], channels: usize) -> Vec<f32> {
        let mut values = vec![f32::NAN; blocks(channels) * self.voxels() * LANES];
        pack_channels(Cpu::detect(), planar, channels, self.voxels(), &mut values);
        values
    }

    fn planar(&self, blocked: &[f32], channels: usize) -> Vec<f32> {
        let mut values = vec![f32::NAN; channels * self.voxels()];
        unpack_channels(blocked, channels, self.voxels(), &mut values);
        values
    }

    /// The convolution, on what was there if `write` says so.
    fn forward(&self, cpu: Cpu, write: Write) -> Vec<f32> {
        let plan = Winograd::new(self.shape, blocks(self.i), blocks(self.o)).with_inputs(self.i);
        let mut u = vec![f32::NAN; plan.weights_len()];
        plan.transform_weights(cpu, Direction::Forward, (self.o, self.i), &self.weights, &mut u);
        let mut scratch = vec![f32::NAN; plan.scratch_len(rayon::current_num_threads())];
        let mut dst = match write {
            Write::Overwrite => vec![f32::NAN; blocks(self.o) * self.voxels() * LANES],
            Write::Add => self.blocked(&self.d_dst, self.o),
        };
        plan.convolve(cpu, &self.sources(), &u, (&mut dst, write), &mut scratch);
        self.planar(&dst, self.o)
    }

    /// The data gradient.
    fn backward(&self, cpu: Cpu) -> Vec<f32> {
        let plan = Winograd::new(self.shape, blocks(self.o), blocks(self.i)).with_inputs(self.o);
        let mut u = vec![f32::NAN; plan.weights_len()];
        plan.transform_weights(cpu, Direction::Backward, (self.o, self.i), &self.weights, &mut u);
        let mut scratch = vec![f32::NAN; plan.scratch_len(rayon::current_num_threads())];
        let mut d_src = vec![f32::NAN; blocks(self.i) * self.voxels() * LANES];
        let d_dst = self.blocked(&self.d_dst, self.o);
        plan.convolve(cpu, &[Source::plain(&d_dst)], &u, (&mut d_src, Write::Overwrite), &mut scratch);
        self.planar(&d_src, self.i)
    }

    fn weight_gradient(&self, cpu: Cpu) -> Vec<f32> {
        let plan = Winograd::new(self.shape, blocks(self.i), blocks(self.o)).with_inputs(self.i);
        let mut scratch = vec![f32::NAN; plan.gradient_scratch_len(rayon::current_num_threads())];
        let mut d_weights = vec![f32::NAN; self.weights.len()];
        let d_dst = self.blocked(&self.d_dst, self.o);
        plan.weight_gradient(
            cpu,
            (&self.sources(), &d_dst),
            (self.o, self.i),
            (&mut d_weights, Write::Overwrite),
            &mut scratch,
        );
        let mut doubled = d_weights.clone();
        plan.weight_gradient(
            cpu,
            (&self.sources(), &d_dst),
            (self.o, self.i),
            (&mut doubled, Write::Add),
            &mut scratch,
        );
        assert!(doubled.iter().zip(&d_weights).all(|(&two, &one)| two == 2.0 * one), "added to itself");
        d_weights
    }

    /// Calls `meet(output voxel, input voxel, tap)` for each pair that the definition joins.
    fn pairs(&self, mut meet: impl FnMut(usize, usize, usize)) {
        let [depth, height, width] = self.shape.map(|n| n as isize);
        for at in 0..self.voxels() as isize {
            let (z, y, x) = (at / (height * width), at / width % height, at % width);
            for tap in 0..27 {
                let (zi, yi, xi) = (z + tap / 9 - 1, y + tap / 3 % 3 - 1, x + tap % 3 - 1);
                if (0..depth).contains(&zi) && (0..height).contains(&yi) && (0..width).contains(&xi) {
                    meet(at as usize, ((zi * height + yi) * width + xi) as usize, tap as usize);
                }
            }
        }
    }

    /// The three results by definition: output, data gradient, weight gradient.
    fn definition(&self) -> [Vec<f64>; 3] {
        let n = self.voxels();
        let (mut out, mut d_src) = (vec![0.0; self.o * n], vec![0.0; self.i * n]);
        let mut d_weights = vec![0.0; self.weights.len()];
        for o in 0..self.o {
            for i in 0..self.i {
                let kernel = (o * self.i + i) * 27;
                self.pairs(|at, from, tap| {
                    let w = f64::from(self.weights[kernel + tap]);
                    let d = f64::from(self.d_dst[o * n + at]);
                    out[o * n + at] += w * self.seen[i * n + from];
                    d_src[i * n + from] += w * d;
                    d_weights[kernel + tap] += d * self.seen[i * n + from];
                });
            }
        }
        [out, d_src, d_weights]
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// Every result of the layer, on every instruction set: close to its definition (1e-5 is promised, the worst measured here
/// is 2e-6), and the same bits.
fn check(shape: [usize; 3], split: &[usize], o: usize, owed: Owed) {
    let layer = Layer::new(shape, split, o, owed);
    let [out, d_src, d_weights] = layer.definition();
    let added: Vec<f64> = out.iter().zip(&layer.d_dst).map(|(a, &b)| a + f64::from(b)).collect();
    let mut first: Option<Vec<Vec<u32>>> = None;
    for cpu in Cpu::all() {
        let got = [
            layer.forward(cpu, Write::Overwrite),
            layer.forward(cpu, Write::Add),
            layer.backward(cpu),
            layer.weight_gradient(cpu),
        ];
        for ((got, expected), name) in
            got.iter().zip([&out, &added, &d_src, &d_weights]).zip(["forward", "added", "backward", "weights"])
        {
            let error = relative(got, expected);
            assert!(error < 1e-5, "{name} {shape:?} {split:?} -> {o} on {:?}: {error:e}", cpu.name());
        }
        let got: Vec<Vec<u32>> = got.iter().map(|g| bits(g)).collect();
        if let Some(first) = &first {
            assert!(*first == got, "{shape:?} {split:?} -> {o}: {:?} has other bits", cpu.name());
        } else {
            first = Some(got);
        }
    }
}

#[test]
fn axes_of_any_length() {
    for shape in [[1, 1, 1], [1, 2, 3], [2, 1, 5], [3, 5, 2], [5, 3, 1], [7, 4, 4], [2, 8, 13], [1, 1, 30], [24, 1, 2]]
    {
        check(shape, &[16], 16, Owed::Nothing);
    }
}

#[test]
fn channels_of_any_number() {
    for (i, o) in [(1, 1), (3, 17), (16, 33), (15, 40), (40, 16), (33, 5)] {
        check([3, 6, 5], &[i], o, Owed::AffineAndSlope);
    }
}

#[test]
fn two_sources_with_their_own_affine_and_slope() {
    check([4, 7, 9], &[16, 16], 16, Owed::AffineAndSlope);
    check([3, 5, 6], &[32, 7], 20, Owed::AffineAndSlope);
}

#[test]
fn maps_of_many_batches() {
    check([13, 7, 30], &[16], 16, Owed::AffineAndSlope);
    check([24, 13, 7], &[16, 5], 16, Owed::AffineAndSlope);
    check([9, 14, 61], &[3], 2, Owed::AffineAndSlope);
    // Thick tiles, the last of them not full along any axis.
    check([15, 10, 45], &[16, 5], 48, Owed::AffineAndSlope);
    check([11, 13, 30], &[48], 16, Owed::Nothing);
    // So many pairs of blocks that the weight gradient is cut by output blocks too.
    check([1, 1, 513], &[48, 32], 64, Owed::AffineAndSlope);
}

/// Sums as long as those of the lowest levels, and of a level whose map is large.
#[test]
fn layers_as_wide_as_those_of_networks() {
    check([4, 4, 4], &[512], 17, Owed::AffineAndSlope);
    check([5, 6, 3], &[320, 320], 5, Owed::AffineAndSlope);
    check([8, 20, 28], &[64, 64], 20, Owed::AffineAndSlope);
}

#[test]
fn backward_is_the_adjoint_of_forward() {
    let layer = Layer::new([7, 10, 13], &[20], 37, Owed::Nothing);
    let cpu = Cpu::detect();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let seen: Vec<f32> = layer.seen.iter().map(|&x| x as f32).collect();
    let out = layer.forward(cpu, Write::Overwrite);
    let forward = dot(&out, &layer.d_dst);
    let backward = dot(&seen, &layer.backward(cpu));
    let weights = dot(&layer.weights, &layer.weight_gradient(cpu));
    let scale = (dot(&out, &out) * dot(&layer.d_dst, &layer.d_dst)).sqrt();
    assert!((forward - backward).abs() < 1e-6 * scale, "{forward} and {backward} of {scale}");
    assert!((forward - weights).abs() < 1e-6 * scale, "{forward} and {weights} of {scale}");
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let cpu = Cpu::detect();
    for (shape, split, o) in [([24, 24, 30], vec![16, 16], 48), ([12, 12, 11], vec![64], 33), ([6, 6, 6], vec![40], 40)]
    {
        let layer = Layer::new(shape, &split, o, Owed::AffineAndSlope);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                [layer.forward(cpu, Write::Add), layer.backward(cpu), layer.weight_gradient(cpu)].map(|r| bits(&r))
            })
        };
        let one = run(1);
        for threads in [2, 3] {
            assert!(one == run(threads), "{shape:?} on {threads} threads");
        }
    }
}
