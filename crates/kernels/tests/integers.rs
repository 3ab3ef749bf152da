//! Products in 16-bit integers and storage in half precision, against the f32 they stand for.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

use kernels::{
    Canonical, Cell, Cpu, Gather, Half, LANES, Moments, Shape, Source, StridedIntegers, Winograd, Write, blocks,
    convolve, convolve_scratch, largest, moments, pack_channels, pack_weights, packed_len, voxels,
};

/// Numbers in -1..1 from a seed.
fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut s = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        (s >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    next();
    (0..n).map(|_| next()).collect()
}

/// A planar input and what it owes.
struct Raw {
    planar: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    slope: f32,
}

/// A layer whose map is large enough for integers.
struct Layer {
    shape: Shape,
    i: usize,
    o: usize,
    raw: Raw,
    weights: Vec<f32>,
}

impl Layer {
    fn new(shape: Shape, i: usize, o: usize) -> Self {
        let n = voxels(shape);
        let owed = |seed| {
            let mut of = noise(i, seed);
            of.resize(blocks(i) * LANES, 0.0);
            of
        };
        let raw = Raw { planar: noise(i * n, 3), scale: owed(6), shift: owed(7), slope: 0.1 };
        Self { shape, i, o, raw, weights: noise(o * i * 27, 9) }
    }

    fn plan(&self) -> Winograd {
        Winograd::new(self.shape, blocks(self.i), blocks(self.o)).with_inputs(self.i)
    }

    fn stored<T: Cell>(&self) -> Vec<T> {
        let n = voxels(self.shape);
        let mut values = vec![T::of(f32::NAN); blocks(self.i) * n * LANES];
        pack_channels(Cpu::detect(), &self.raw.planar, self.i, n, &mut values);
        values
    }

    fn source<'a, T>(&'a self, values: &'a [T]) -> Source<'a, T> {
        Source { values, scale: &self.raw.scale, shift: &self.raw.shift, slope: self.raw.slope }
    }

    /// Output, its means and its variances, and how much was lost; in f32 if there is no `widest`.
    fn run<T: Cell>(&self, cpu: Cpu, widest: Option<f32>) -> ([Vec<f32>; 3], u64) {
        let (plan, values) = (self.plan(), self.stored::<T>());
        let source = [self.source(&values)];
        let mut scratch = vec![f32::NAN; plan.scratch_len(rayon::current_num_threads())];
        let mut dst = vec![T::of(f32::NAN); blocks(self.o) * voxels(self.shape) * LANES];
        let channels = blocks(self.o) * LANES;
        let (mut sums, mut mean, mut variance) =
            (vec![f64::NAN; plan.sums_len()], vec![f32::NAN; channels], vec![f32::NAN; channels]);
        let mut moments = Moments { sums: &mut sums, mean: &mut mean, variance: &mut variance };
        let lost = if let Some(widest) = widest {
            let integers = plan.integers(cpu, (self.o, self.i), &self.weights, widest);
            plan.convolve_integers(cpu, &source, &integers, (&mut dst, Some(&mut moments)), &mut scratch)
        } else {
            let mut u = vec![f32::NAN; plan.weights_len()];
            let forward = kernels::Direction::Forward;
            plan.transform_weights(cpu, forward, (self.o, self.i), &self.weights, &mut u);
            if plan.measures() {
                plan.convolve_and_measure(cpu, &source, &u, (&mut dst, &mut moments), &mut scratch);
            } else {
                plan.convolve(cpu, &source, &u, (&mut dst, Write::Overwrite), &mut scratch);
            }
            0
        };
        ([dst.into_iter().map(Cell::wide).collect(), mean, variance], lost)
    }

    fn widest(&self, cpu: Cpu) -> f32 {
        self.plan().widest(cpu, &[self.source(&self.stored::<f32>())])
    }
}

fn relative(got: &[f32], expected: &[f32]) -> f64 {
    let difference: f64 = got.iter().zip(expected).map(|(&g, &e)| f64::from(g - e).powi(2)).sum();
    (difference / expected.iter().map(|&e| f64::from(e).powi(2)).sum::<f64>()).sqrt()
}

fn dots() -> impl Iterator<Item = Cpu> {
    Cpu::all().into_iter().filter(|cpu| cpu.has_int16())
}

/// What `run` gives on all that have the products, with 1 to 3 threads: the same bits.
fn same_bits(run: impl Fn(Cpu) -> [Vec<f32>; 3] + Sync) -> [Vec<f32>; 3] {
    let mut first: Option<[Vec<f32>; 3]> = None;
    for cpu in dots() {
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let got = pool.install(|| run(cpu));
            let bits = |of: &[Vec<f32>; 3]| of.iter().flatten().map(|x| x.to_bits()).collect::<Vec<_>>();
            if let Some(first) = &first {
                assert!(bits(first) == bits(&got), "{:?} with {threads} threads has other bits", cpu.name());
            } else {
                first = Some(got);
            }
        }
    }
    first.unwrap()
}

#[test]
fn integers_are_near_f32_and_the_same_bits_everywhere() {
    if dots().count() == 1 {
        eprintln!("SKIPPED: no VNNI here, so integers are tested in plain Rust only");
    }
    for (shape, i, o) in [
        ([9, 14, 61], 3, 2),
        ([10, 18, 27], 12, 16),
        ([12, 16, 40], 16, 16),
        ([24, 13, 26], 17, 40),
        ([9, 14, 61], 40, 20),
        ([20, 18, 35], 48, 33),
        ([14, 22, 30], 96, 16),
        // Thick tiles, of which the last have one plane, two or three.
        ([13, 18, 33], 20, 33),
        ([14, 19, 38], 32, 16),
        ([27, 13, 18], 40, 20),
        ([16, 16, 16], 32, 48),
        // Axes of one voxel, in thin tiles and in thick ones.
        ([1, 1, 520], 17, 20),
        ([1, 45, 46], 32, 33),
        ([300, 1, 1], 3, 2),
        ([259, 1, 1], 40, 20),
        ([37, 1, 29], 20, 16),
    ] {
        let layer = Layer::new(shape, i, o);
        let cpu = Cpu::detect();
        let (plain, _) = layer.run::<f32>(cpu, None);
        let widest = layer.widest(cpu);
        let [got, ..] = same_bits(|cpu| {
            let (got, lost) = layer.run::<f32>(cpu, Some(widest));
            assert_eq!(lost, 0, "{shape:?} {i} -> {o}");
            got
        });
        let error = relative(&got, &plain[0]);
        eprintln!("{shape:?} {i} -> {o}: {error:.1e}");
        // Thick tiles, whose points along z are rounded too and have less room, lose twice what others lose.
        assert!(error < 4e-3, "{shape:?} {i} -> {o}: {error:e}");
        let [stored, ..] = same_bits(|cpu| layer.run::<Half>(cpu, Some(widest)).0);
        let error = relative(&stored, &plain[0]);
        assert!(error < 4e-3, "stored in halves, {shape:?} {i} -> {o}: {error:e}");
    }
}

#[test]
fn halves_are_near_f32() {
    let layer = Layer::new([11, 18, 33], 20, 24);
    for cpu in Cpu::all() {
        let (plain, stored) = (layer.run::<f32>(cpu, None).0, layer.run::<Half>(cpu, None).0);
        let error = relative(&stored[0], &plain[0]);
        assert!(error < 1e-3, "{:?}: {error:e}", cpu.name());
    }
}

#[test]
fn the_output_is_measured_as_moments_measures_it() {
    for (shape, o) in [([9, 14, 61], 2), ([24, 13, 26], 40)] {
        let layer = Layer::new(shape, 5, o);
        for cpu in Cpu::all() {
            let ([dst, mean, variance], _) = layer.run::<f32>(cpu, None);
            assert_measures(cpu, &dst, [&mean, &variance]);
        }
    }
}

/// That these are the means and variances of `dst`, as `moments` finds them.
fn assert_measures(cpu: Cpu, dst: &[f32], [mean, variance]: [&[f32]; 2]) {
    let n = dst.len() / mean.len();
    let mut scratch = vec![0.0; kernels::sums_scratch(blocks(mean.len()), n)];
    let (mut m, mut v) = (vec![0.0; mean.len()], vec![0.0; mean.len()]);
    moments(cpu, dst, n, &mut scratch, &mut m, &mut v);
    for c in 0..mean.len() {
        // Where an input is infinite a variance is, too.
        let near = |got: f32, of: f32, most: f32| got.to_bits() == of.to_bits() || (got - of).abs() <= most;
        assert!(near(mean[c], m[c], 1e-5 * v[c].sqrt()), "{n} voxels: mean {} and {}", mean[c], m[c]);
        assert!(near(variance[c], v[c], 1e-5 * v[c]), "{n} voxels: variance {} and {}", variance[c], v[c]);
    }
}

/// All weights and inputs of one sign, at the edge of what the scales allow: the sums come as near to 2^31 as they can.
#[test]
fn sums_stay_in_range_at_the_edge() {
    let mut layer = Layer::new([12, 16, 40], 128, 16);
    layer.weights.fill(0.7);
    layer.raw.planar.fill(1.0);
    (layer.raw.scale, layer.raw.shift, layer.raw.slope) = (Vec::new(), Vec::new(), 1.0);
    for cpu in dots() {
        let plain = layer.run::<f32>(cpu, None).0;
        // Twice the widest is allowed.
        let half = layer.widest(cpu) / 2.0;
        let (edge, lost) = layer.run::<f32>(cpu, Some(half * 1.0001));
        assert_eq!(lost, 0, "nothing lies outside");
        let error = relative(&edge[0], &plain[0]);
        assert!(error < 1e-3, "{:?}: {error:e}", cpu.name());
        // And eight times as much is cut, counted, and still no sum turns over: nothing becomes negative inside.
        let (cut, lost) = layer.run::<f32>(cpu, Some(half / 8.0));
        assert!(lost > 0, "{:?}: cut, not counted", cpu.name());
        let middle = ((6 * 16 + 8) * 40 + 20) * LANES;
        assert!(cut[0].iter().all(|x| x.is_finite()) && cut[0][middle] > 0.0, "{:?}: {}", cpu.name(), cut[0][middle]);
    }
}

/// Channels that differ in sign and size alone, the sign in the input too: at every point of a tile all products have one sign, so
/// a sum is as large as its weights allow where the input is as wide as it may be.
#[test]
fn sums_of_one_sign_stay_in_range() {
    for (shape, i) in
        [([12, 16, 40], 1), ([12, 16, 40], 16), ([12, 16, 40], 33), ([16, 16, 16], 96), ([8, 20, 28], 512)]
    {
        let sizes: [fn(usize) -> f32; 3] = [|_| 1.0, |c| if c == 0 { 1.0 } else { 1e-3 }, |c| 0.5 + (c % 7) as f32];
        for size in sizes {
            let mut layer = Layer::new(shape, i, 3);
            let (signs, kernels, pattern) = (noise(i, 5), noise(3 * 27, 8), noise(voxels(shape), 4));
            for (at, w) in layer.weights.iter_mut().enumerate() {
                let (o, c, tap) = (at / 27 / i, at / 27 % i, at % 27);
                *w = signs[c].signum() * size(c) * kernels[o * 27 + tap];
            }
            for (at, x) in layer.raw.planar.iter_mut().enumerate() {
                *x = signs[at / voxels(shape)].signum() * pattern[at % voxels(shape)];
            }
            (layer.raw.scale, layer.raw.shift, layer.raw.slope) = (Vec::new(), Vec::new(), 1.0);
            let plain = layer.run::<f32>(Cpu::detect(), None).0;
            let widest = layer.widest(Cpu::detect());
            for cpu in dots() {
                // Twice as wide is allowed, but points of thick tiles are up to 1.75 times as wide as those of the calibration.
                let shares = [0.5001, 0.6, 0.7, 0.8, 0.88];
                let fits = shares.into_iter().map(|share| layer.run::<f32>(cpu, Some(share * widest)));
                let (edge, _) = fits.into_iter().find(|(_, lost)| *lost == 0).unwrap();
                let error = relative(&edge[0], &plain[0]);
                assert!(error < 4e-3, "{:?}: {shape:?}, {i} channels: {error:e}", cpu.name());
            }
        }
    }
}

/// Whole lines that begin on a line of the cache are stored past it.
#[test]
fn it_does_not_matter_where_an_output_begins() {
    let layer = Layer::new([12, 18, 41], 17, 20);
    let (plan, values) = (layer.plan(), layer.stored::<Half>());
    for cpu in dots() {
        let integers = plan.integers(cpu, (20, 17), &layer.weights, 10.0);
        let n = blocks(20) * voxels(layer.shape) * LANES;
        let mut scratch = vec![0.0; plan.scratch_len(rayon::current_num_threads())];
        let mut buffer = vec![Half::default(); n + 64];
        let line = buffer.as_ptr().align_offset(64);
        let mut outputs = [0, 1, 16].map(|after| {
            buffer.fill(Half::of(f32::NAN));
            let dst = &mut buffer[line + after..][..n];
            plan.convolve_integers(cpu, &[layer.source(&values)], &integers, (dst, None), &mut scratch);
            dst.to_vec()
        });
        assert!(outputs[0].iter().all(|x| x.wide().is_finite()), "{:?}: all is written", cpu.name());
        outputs.rotate_left(1);
        assert!(outputs[0] == outputs[2] && outputs[1] == outputs[2], "{:?}: other bits", cpu.name());
    }
}

#[test]
fn zero_weights_give_zero() {
    let mut layer = Layer::new([12, 16, 40], 20, 20);
    layer.weights.fill(0.0);
    for cpu in dots() {
        let ([dst, _, variance], _) = layer.run::<Half>(cpu, Some(3.0));
        assert!(dst.iter().all(|&x| x == 0.0) && variance.iter().all(|&x| x == 0.0), "{:?}", cpu.name());
    }
}

#[test]
fn numbers_that_are_none_do_not_pass_unnoticed() {
    for i in [16, 20] {
        let mut layer = Layer::new([12, 16, 40], i, 16);
        layer.raw.planar[5000] = f32::INFINITY;
        for cpu in dots() {
            let (_, lost) = layer.run::<f32>(cpu, Some(10.0));
            assert!(lost > 0, "{:?}: an infinite input is counted", cpu.name());
        }
    }
}

/// Calibration looks at points along z of two outputs, thick tiles have points of four: planes of these signs make them widest.
#[test]
fn what_calibration_saw_is_not_cut_in_thick_tiles() {
    for signs in [[-1.0, -1.0, 1.0, 1.0], [1.0, -1.0, 1.0, -1.0], [1.0, 1.0, 1.0, -1.0], [0.0, 1.0, 0.0, -1.0]] {
        let mut layer = Layer::new([12, 16, 40], 32, 16);
        (layer.raw.scale, layer.raw.shift, layer.raw.slope) = (Vec::new(), Vec::new(), 1.0);
        let plane = 16 * 40;
        for (v, x) in layer.raw.planar.iter_mut().enumerate() {
            *x = signs[v / plane % 4];
        }
        let (plain, _) = layer.run::<f32>(Cpu::detect(), None);
        for cpu in dots() {
            let (got, lost) = layer.run::<f32>(cpu, Some(layer.widest(cpu)));
            assert_eq!(lost, 0, "{:?}: {signs:?}", cpu.name());
            let error = relative(&got[0], &plain[0]);
            assert!(error < 2e-3, "{:?}: {signs:?}: {error:e}", cpu.name());
        }
    }
}

#[test]
#[should_panic(expected = "no integers for a small map")]
fn a_small_map_is_refused() {
    let layer = Layer::new([4, 4, 4], 16, 16);
    let plan = layer.plan();
    assert!(!plan.has_integers(Cpu::detect()), "a small map");
    let values = layer.stored::<f32>();
    let cpu = Cpu::lowered_to(kernels::IsaName::Scalar).unwrap();
    let integers = plan.integers(cpu, (16, 16), &layer.weights, 1.0);
    let mut scratch = vec![0.0; plan.scratch_len(rayon::current_num_threads())];
    plan.convolve_integers(cpu, &[layer.source(&values)], &integers, (&mut vec![0.0; 1024], None), &mut scratch);
}

#[test]
fn writing_over_and_measuring_is_writing_over() {
    let layer = Layer::new([12, 16, 40], 20, 20);
    let cpu = Cpu::detect();
    let (plan, values) = (layer.plan(), layer.stored::<f32>());
    let mut u = vec![0.0; plan.weights_len()];
    plan.transform_weights(cpu, kernels::Direction::Forward, (20, 20), &layer.weights, &mut u);
    let mut scratch = vec![0.0; plan.scratch_len(rayon::current_num_threads())];
    let mut dst = vec![f32::NAN; blocks(20) * voxels(layer.shape) * LANES];
    plan.convolve(cpu, &[layer.source(&values)], &u, (&mut dst, Write::Overwrite), &mut scratch);
    assert!(dst == layer.run::<f32>(cpu, None).0[0], "the same values");
}

/// A convolution of stride 2 in f32, or in integers and how many were lost.
fn strided(cpu: Cpu, layer: &Layer, widest: Option<f32>) -> (Vec<f32>, u64) {
    let gather = Gather::conv3(layer.shape, 2);
    let values = layer.stored::<f32>();
    let source = [layer.source(&values)];
    let mut dst = vec![f32::NAN; blocks(layer.o) * voxels(gather.dst_shape()) * LANES];
    let threads = rayon::current_num_threads();
    if let Some(widest) = widest {
        let mut scratch = vec![f32::NAN; threads * StridedIntegers::scratch_len(layer.shape, layer.i)];
        let integers = StridedIntegers::new((layer.i, layer.o), &layer.weights, widest);
        let channels = blocks(layer.o) * LANES;
        let mut sums = vec![f64::NAN; StridedIntegers::sums_len(layer.shape, (layer.i, layer.o))];
        let (mut mean, mut variance) = (vec![f32::NAN; channels], vec![f32::NAN; channels]);
        let mut measured = Moments { sums: &mut sums, mean: &mut mean, variance: &mut variance };
        let lost = integers.convolve(cpu, (&source, layer.shape), (&mut dst, Some(&mut measured)), &mut scratch);
        assert_measures(cpu, &dst, [&mean, &variance]);
        return (dst, lost);
    }
    let mut packed = vec![f32::NAN; packed_len(27, layer.i, layer.o)];
    pack_weights(Canonical::OutIn, 27, (layer.i, layer.o), &layer.weights, &mut packed);
    let mut scratch = vec![f32::NAN; threads * convolve_scratch(&gather, blocks(layer.i))];
    convolve(cpu, &gather, (&source, layer.i), (&packed, &[]), (&mut dst, Write::Overwrite), &mut scratch);
    (dst, 0)
}

#[test]
fn strided_integers_are_near_f32_and_the_same_bits_everywhere() {
    for (shape, i, o) in [
        ([1, 1, 1], 1, 1),
        ([2, 9, 27], 4, 16),
        ([3, 4, 13], 17, 33),
        ([5, 6, 25], 16, 32),
        ([6, 4, 12], 48, 20),
        // Strips of several pairs of rows, the last of one row or of one pair.
        ([4, 38, 34], 16, 32),
        ([7, 37, 33], 32, 16),
        ([3, 25, 16], 41, 17),
        ([5, 41, 11], 64, 48),
    ] {
        let layer = Layer::new(shape, i, o);
        let values = layer.stored::<f32>();
        let widest = largest(Cpu::detect(), &[layer.source(&values)], voxels(shape));
        let (plain, _) = strided(Cpu::detect(), &layer, None);
        let [got, ..] = same_bits(|cpu| {
            let (got, lost) = strided(cpu, &layer, Some(widest));
            assert_eq!(lost, 0, "{shape:?} {i} -> {o}");
            [got, Vec::new(), Vec::new()]
        });
        let error = relative(&got, &plain);
        eprintln!("{shape:?} {i} -> {o}: {error:.1e}");
        assert!(error < 2e-3, "{shape:?} {i} -> {o}: {error:e}");
        for cpu in dots() {
            let (cut, lost) = strided(cpu, &layer, Some(widest / 16.0));
            assert!(lost > 0 && cut.iter().all(|x| x.is_finite()), "{:?}: cut, counted", cpu.name());
        }
    }
}

/// Nothing is cut, however wide the input is, and how wide it is changes nothing but powers of two.
#[test]
fn strided_integers_find_out_how_wide_an_input_is() {
    for i in [16, 96, 130] {
        let mut layer = Layer::new([5, 7, 28], i, 20);
        let mut first: Option<Vec<f32>> = None;
        for scale in [1.0, 2.0_f32.powi(-20), 2.0_f32.powi(30), 0.0] {
            let (planar, shift) = (layer.raw.planar.clone(), layer.raw.shift.clone());
            layer.raw.planar.iter_mut().chain(&mut layer.raw.shift).for_each(|x| *x *= scale);
            let (plain, _) = strided(Cpu::detect(), &layer, None);
            let [got, ..] = same_bits(|cpu| {
                let (got, lost) = strided(cpu, &layer, Some(0.0));
                assert_eq!(lost, 0, "{i} channels times {scale}");
                [got, Vec::new(), Vec::new()]
            });
            (layer.raw.planar, layer.raw.shift) = (planar, shift);
            if scale == 0.0 {
                assert!(got.iter().all(|&x| x == 0.0), "nothing but 0 comes of 0");
                continue;
            }
            let error = relative(&got, &plain);
            assert!(error < 2e-3, "{i} channels times {scale}: {error:e}");
            let first = first.get_or_insert_with(|| got.clone());
            assert!(first.iter().zip(&got).all(|(x, y)| x * scale == *y), "{i} channels times {scale}: other bits");
        }
    }
    // What is no number is counted, and not taken for one.
    let mut layer = Layer::new([3, 5, 14], 96, 16);
    layer.raw.planar[7] = f32::NAN;
    layer.raw.planar[9] = f32::INFINITY;
    for cpu in dots() {
        let (got, lost) = strided(cpu, &layer, Some(0.0));
        assert!(lost > 0 && got.iter().all(|x| x.is_finite()), "{:?}: {lost} lost", cpu.name());
    }
}

/// Minimal filtering of integers rounds nothing: where steps are ones, the sums are those of the definition.
#[test]
fn strided_sums_are_those_of_the_definition() {
    for shape in [[1, 1, 1], [5, 11, 9], [6, 34, 30]] {
        let mut layer = Layer::new(shape, 1, 2);
        let whole = |x: &mut f32| *x = (*x * 8191.0).round();
        layer.weights.iter_mut().for_each(whole);
        layer.raw.planar.iter_mut().for_each(whole);
        (layer.weights[3], layer.weights[27], layer.raw.planar[0]) = (8191.0, -8191.0, -8191.0);
        (layer.raw.scale, layer.raw.shift, layer.raw.slope) = (Vec::new(), Vec::new(), 1.0);
        let [got, ..] = same_bits(|cpu| {
            let (got, lost) = strided(cpu, &layer, Some(8191.0 / 2.0));
            assert_eq!(lost, 0, "{shape:?}");
            [got, Vec::new(), Vec::new()]
        });
        let half = shape.map(|n| n.div_ceil(2));
        for n in 0..2 * voxels(half) {
            let (channel, at) = (n / voxels(half), n % voxels(half));
            let at = [at / (half[1] * half[2]), at / half[2] % half[1], at % half[2]];
            let taps = (0..27).filter_map(|tap| {
                let [z, y, x] = [0, 1, 2].map(|a| (2 * at[a] + tap / 3_usize.pow(2 - a as u32) % 3).wrapping_sub(1));
                let inside = z < shape[0] && y < shape[1] && x < shape[2];
                let value = || layer.raw.planar[(z * shape[1] + y) * shape[2] + x] as i64;
                inside.then(|| value() * layer.weights[27 * channel + tap] as i64)
            });
            let expected = taps.sum::<i64>() as f32;
            let got = got[(n % voxels(half)) * LANES + channel];
            assert!(got.to_bits() == expected.to_bits(), "{shape:?}, {at:?}: {got} for {expected}");
        }
    }
}

/// As many channels as a network multiplies so, all products of one sign, the input at the limit.
#[test]
fn strided_sums_of_one_sign_stay_in_range() {
    for i in [1, 17, 64] {
        let mut layer = Layer::new([3, 5, 14], i, 16);
        let signs = noise(i, 5);
        for (at, w) in layer.weights.iter_mut().enumerate() {
            *w = signs[at / 27 % i].signum() * (0.1 + w.abs());
        }
        layer.raw.planar.iter_mut().enumerate().for_each(|(at, x)| *x = signs[at / (3 * 5 * 14)].signum());
        (layer.raw.scale, layer.raw.shift, layer.raw.slope) = (Vec::new(), Vec::new(), 1.0);
        let (plain, _) = strided(Cpu::detect(), &layer, None);
        for cpu in dots() {
            let (edge, lost) = strided(cpu, &layer, Some(0.5001));
            let error = relative(&edge, &plain);
            assert!(lost == 0 && error < 2e-3, "{:?}: {i} channels, {lost} lost, {error:e}", cpu.name());
            // Cut at the same limit: the largest sums that these weights can have, none of which turns over.
            let (cut, lost) = strided(cpu, &layer, Some(0.05));
            assert!(lost > 0 && cut.iter().all(|&x| x > 0.0), "{:?}: {i} channels, {lost} lost", cpu.name());
        }
    }
}

#[test]
fn the_largest_number_is_found() {
    let layer = Layer::new([3, 5, 7], 20, 16);
    let n = voxels(layer.shape);
    let seen = |at: usize| {
        let t = layer.raw.planar[at].mul_add(layer.raw.scale[at / n], layer.raw.shift[at / n]);
        t.max(t * layer.raw.slope).abs()
    };
    let expected = (0..20 * n).map(seen).fold(0.0, f32::max);
    let values = layer.stored::<f32>();
    for cpu in Cpu::all() {
        assert!((largest(cpu, &[layer.source(&values)], n) - expected).abs() < 1e-6, "{:?}", cpu.name());
    }
}
