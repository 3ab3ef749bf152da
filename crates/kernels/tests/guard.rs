//! Every kernel in memory whose neighbours may not be touched: one read or write outside of a slice, and this process dies;
//! `--nocapture` then says where.
//!
//! What kernels compute is tested elsewhere; here it must only be there.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]
#![expect(clippy::print_stderr, reason = "a process that dies says no more than what it said before")]

#[cfg(target_os = "linux")]
mod guarded;
#[expect(dead_code, reason = "only the noise is needed")]
mod numbers;

use kernels::{
    Back, Bf16, Canonical, Cell, ConvTiles, Cpu, Decision, DirectBytes, Direction, Gather, GradientTiles, Half,
    IsaName, LANES, Moments, Shape, Source, StridedIntegers, UpIntegers, UpTiles, Winograd, Write, activation_back,
    activation_sums, add_bias, apply, blocks, convolve, convolve_scratch, convolve_up, convolve_up_scratch, head,
    head_back, head_back_scratch, head_decided, largest, max_pool, max_pool_back, moments, pack_channels, pack_weights,
    packed_len, partial_len, sums_scratch, unpack_channels, up_nearest, up_nearest_back, voxels, weight_gradient,
    weight_gradient_scratch,
};
use numbers::noise;
use rayon::current_num_threads;

#[cfg(target_os = "linux")]
#[global_allocator]
static MEMORY: guarded::Guarded = guarded::Guarded;

/// A layer from `i` to `o` channels.
#[derive(Clone, Copy, Debug)]
struct Layer {
    shape: Shape,
    i: usize,
    o: usize,
}

/// Axes of one voxel, tails of tiles along each axis, tails of channels, one block and several. The maps of the last two are
/// large to Winograd's filtering.
const LAYERS: [Layer; 9] = [
    Layer { shape: [1, 1, 1], i: 1, o: 1 },
    Layer { shape: [1, 1, 30], i: 3, o: 17 },
    Layer { shape: [7, 1, 2], i: 16, o: 5 },
    Layer { shape: [1, 19, 3], i: 18, o: 16 },
    Layer { shape: [2, 9, 27], i: 4, o: 16 },
    Layer { shape: [3, 2, 13], i: 17, o: 33 },
    Layer { shape: [5, 6, 7], i: 52, o: 64 },
    Layer { shape: [7, 13, 38], i: 3, o: 2 },
    Layer { shape: [7, 13, 38], i: 20, o: 7 },
];

/// So large that Winograd's filtering goes through them in units of several batches, in integers of thin tiles and of thick ones.
/// Not for plain Rust, which is slow and cannot leave its slices.
const LONG: [Layer; 2] = [Layer { shape: [34, 125, 9], i: 3, o: 2 }, Layer { shape: [67, 127, 10], i: 20, o: 2 }];

/// A block of its own that is not a value longer.
fn filled<T: Copy>(value: T, n: usize) -> Box<[T]> {
    vec![value; n].into_boxed_slice()
}

/// So many values that are not there yet.
fn unwritten<T: Cell>(n: usize) -> Box<[T]> {
    filled(T::of(f32::NAN), n)
}

fn there<T: Cell>(name: &str, values: &[T]) {
    assert!(values.iter().all(|x| x.wide().is_finite()), "{name}: not written, or from what was not");
}

/// Blocked values stored as `T`, and what they owe.
struct Stored<T> {
    values: Box<[T]>,
    scale: Box<[f32]>,
    shift: Box<[f32]>,
}

impl<T: Cell> Stored<T> {
    fn new(cpu: Cpu, channels: usize, voxels: usize) -> Self {
        let width = blocks(channels) * LANES;
        let mut values = unwritten(width * voxels);
        let mut planar = noise(channels * voxels, 1);
        // Half of it is air, so that tiles repeat themselves.
        planar.chunks_exact_mut(voxels).for_each(|channel| channel[..voxels / 2].fill(0.25));
        pack_channels(cpu, &planar, channels, voxels, &mut values);
        Self { values, scale: noise(width, 2).into(), shift: noise(width, 3).into() }
    }

    /// Two tensors, if there are two blocks of channels.
    fn parts(cpu: Cpu, channels: usize, voxels: usize) -> Vec<Self> {
        let first = blocks(channels) / 2 * LANES;
        let parts = [first, channels - first].into_iter().filter(|part| *part > 0);
        parts.map(|channels| Self::new(cpu, channels, voxels)).collect()
    }

    fn source(&self) -> Source<'_, T> {
        Source { values: &self.values, scale: &self.scale, shift: &self.shift, slope: 0.1 }
    }
}

/// Gathers that make up one layer: the order of its weights, their number, and the channels from which and to which.
struct Direct {
    gathers: Vec<Gather>,
    order: Canonical,
    taps: usize,
    i: usize,
    o: usize,
}

impl Direct {
    fn run<T: Cell>(&self, cpu: Cpu) {
        let Self { taps, i, o, .. } = *self;
        let parts = Stored::<T>::parts(cpu, i, voxels(self.gathers[0].src_shape()));
        let sources: Box<[_]> = parts.iter().map(Stored::source).collect();
        let mut packed = unwritten(packed_len(taps, i, o));
        pack_weights(self.order, taps, (i, o), &noise(i * o * taps, 4), &mut packed);
        let bias = noise(blocks(o) * LANES, 5);
        let mut dst = unwritten::<T>(blocks(o) * voxels(self.gathers[0].dst_shape()) * LANES);
        for (write, bias) in [(Write::Overwrite, &*bias), (Write::Add, &[])] {
            for gather in &self.gathers {
                let mut scratch = unwritten(convolve_scratch(gather, blocks(i)) * current_num_threads());
                convolve(cpu, gather, (&sources, i), (&packed, bias), (&mut dst, write), &mut scratch);
            }
        }
        there("convolve", &dst);
    }

    fn weight_gradient(&self, cpu: Cpu) {
        let Self { order, taps, i, o, .. } = *self;
        let parts = Stored::parts(cpu, i, voxels(self.gathers[0].src_shape()));
        let sources: Box<[_]> = parts.iter().map(Stored::source).collect();
        let d_dst = Stored::new(cpu, o, voxels(self.gathers[0].dst_shape())).values;
        let mut d_weights = unwritten(i * o * taps);
        for write in [Write::Overwrite, Write::Add] {
            let gathers = &self.gathers;
            let mut partial = unwritten(partial_len(gathers, (i, o)));
            let mut scratch = unwritten(weight_gradient_scratch(gathers, (i, o)) * current_num_threads());
            let to = (&mut *d_weights, write);
            weight_gradient(cpu, gathers, (&sources, &d_dst), (order, i, o), to, (&mut partial, &mut scratch));
        }
        there("weight_gradient", &d_weights);
    }
}

impl Layer {
    fn run(self, cpu: Cpu) {
        self.forward::<f32>(cpu);
        self.forward::<Half>(cpu);
        if cpu.name() != IsaName::Scalar {
            self.forward::<Bf16>(cpu);
        }
        self.backward(cpu);
    }

    fn conv3(self, stride: usize) -> Direct {
        let Self { shape, i, o } = self;
        Direct { gathers: vec![Gather::conv3(shape, stride)], order: Canonical::OutIn, taps: 27, i, o }
    }

    fn conv1(self) -> Direct {
        let Self { shape, i, o } = self;
        Direct { gathers: vec![Gather::conv1(shape)], order: Canonical::OutIn, taps: 1, i, o }
    }

    fn up2(self) -> Direct {
        let Self { shape, i, o } = self;
        Direct { gathers: Gather::up2(shape), order: Canonical::InOut, taps: 8, i, o }
    }

    /// The kernels of a forward pass.
    fn forward<T: Cell>(self, cpu: Cpu) {
        for direct in [self.conv3(1), self.conv3(2), self.conv1(), self.up2()] {
            direct.run::<T>(cpu);
        }
        self.up_at_once::<T>(cpu);
        self.winograd::<T>(cpu);
        self.around::<T>(cpu);
        if cpu.has_int16() {
            self.integers::<T>(cpu);
        }
        // Plain Rust cannot leave its slices, and is slow here.
        if cpu.has_tiles() && cpu.name() != IsaName::Scalar {
            self.tiles::<T>(cpu);
            self.up_in_tiles::<T>(cpu);
        }
    }

    fn up_at_once<T: Cell>(self, cpu: Cpu) {
        let Self { shape, i, o } = self;
        let stored = Stored::<T>::new(cpu, i, voxels(shape));
        let mut packed = unwritten(packed_len(8, i, o));
        pack_weights(Canonical::InOut, 8, (i, o), &noise(i * o * 8, 4), &mut packed);
        let mut dst = unwritten::<T>(blocks(o) * 8 * voxels(shape) * LANES);
        let mut scratch = unwritten(convolve_up_scratch(shape, blocks(i)) * current_num_threads());
        let bias = noise(blocks(o) * LANES, 5);
        convolve_up(cpu, shape, (&stored.source(), i), (&packed, &bias), &mut dst, &mut scratch);
        there("convolve_up", &dst);
    }

    fn winograd<T: Cell>(self, cpu: Cpu) {
        let Self { shape, i, o } = self;
        let parts = Stored::<T>::parts(cpu, i, voxels(shape));
        let sources: Box<[_]> = parts.iter().map(Stored::source).collect();
        let plan = Winograd::new(shape, blocks(i), blocks(o)).with_inputs(i);
        let weights = noise(o * i * 27, 4);
        let mut u = unwritten(plan.weights_len());
        plan.transform_weights(cpu, Direction::Forward, (o, i), &weights, &mut u);
        let mut scratch = unwritten(plan.scratch_len(current_num_threads()));
        let mut dst = unwritten::<T>(blocks(o) * voxels(shape) * LANES);
        for write in [Write::Overwrite, Write::Add] {
            plan.convolve(cpu, &sources, &u, (&mut dst, write), &mut scratch);
        }
        there("winograd", &dst);
        let (mut sums, [mut mean, mut variance]) =
            (filled(f64::NAN, plan.sums_len()), [(); 2].map(|()| unwritten(blocks(o) * LANES)));
        let mut measured = Moments { sums: &mut sums, mean: &mut mean, variance: &mut variance };
        if plan.measures() {
            plan.convolve_and_measure(cpu, &sources, &u, (&mut dst, &mut measured), &mut scratch);
            there("winograd, measured", &dst);
        }
        let widest = plan.widest(cpu, &sources);
        if plan.has_integers(cpu) {
            // Some are cut, which counts them too.
            for widest in [widest, widest / 9.0] {
                let integers = plan.integers(cpu, (o, i), &weights, widest);
                plan.convolve_integers(cpu, &sources, &integers, (&mut dst, Some(&mut measured)), &mut scratch);
                plan.convolve_integers(cpu, &sources, &integers, (&mut dst, None), &mut scratch);
                there("winograd in integers", &dst);
                if plan.reads_images(cpu) {
                    let image = noise(i * voxels(shape), 1).into_boxed_slice();
                    plan.convolve_image(cpu, &image, &integers, (&mut dst, Some(&mut measured)), &mut scratch);
                    plan.convolve_image(cpu, &image, &integers, (&mut dst, None), &mut scratch);
                    there("winograd of an image", &dst);
                }
            }
        }
    }

    /// What lies between convolutions.
    fn around<T: Cell>(self, cpu: Cpu) {
        let (n, width) = (voxels(self.shape), blocks(self.i) * LANES);
        let stored = Stored::<T>::new(cpu, self.i, n);
        let source = stored.source();
        let mut scratch = unwritten(sums_scratch(blocks(self.i), n));
        let [mut mean, mut variance] = [(); 2].map(|()| unwritten(width));
        moments(cpu, &stored.values, n, &mut scratch, &mut mean, &mut variance);
        there("moments", &variance);
        let mut dst = unwritten::<T>(width * n);
        apply(cpu, &source, n, &mut dst);
        add_bias(cpu, &noise(width, 5), &mut dst);
        there("apply and bias", &dst);
        let mut dst = unwritten::<T>(width * 8 * n);
        up_nearest(cpu, &source, self.shape, &mut dst);
        let mut small = unwritten::<T>(width * n);
        let big = Source { values: &dst, ..source };
        max_pool(cpu, &big, self.shape.map(|n| 2 * n), &mut small);
        there("nearest and pool", &small);
        for outs in [1, 3, 8] {
            let (w, bias) = (noise(outs * width, 6), noise(outs, 7));
            let mut logits = unwritten(outs * n);
            head(cpu, &source, n, (&w, &bias), &mut logits);
            there("head", &logits);
            for decision in [Decision::Largest, Decision::AtLeast([0.1; 8])] {
                head_decided(cpu, &source, n, (&w, &bias), (&decision, &mut filled(0, n)));
            }
        }
        assert!(largest(cpu, &[source], n).is_finite(), "largest");
    }

    /// Products of integers that are direct.
    fn integers<T: Cell>(self, cpu: Cpu) {
        let Self { shape, i, o } = self;
        let parts = Stored::<T>::parts(cpu, i, voxels(shape));
        let sources: Box<[_]> = parts.iter().map(Stored::source).collect();
        let weights = noise(o * i * 27, 4);
        let mut dst = unwritten::<T>(blocks(o) * voxels(shape.map(|n| n.div_ceil(2))) * LANES);
        let mut scratch = unwritten(StridedIntegers::scratch_len(shape, i) * current_num_threads());
        let widest = if i > 16 { 0.0 } else { 0.5 };
        let layer = StridedIntegers::new((i, o), &weights, widest);
        let channels = blocks(o) * LANES;
        let mut sums = vec![f64::NAN; StridedIntegers::sums_len(shape, (i, o))];
        let (mut mean, mut variance) = (unwritten(channels), unwritten(channels));
        let mut moments = Moments { sums: &mut sums, mean: &mut mean, variance: &mut variance };
        layer.convolve(cpu, (&sources, shape), (&mut dst, Some(&mut moments)), &mut scratch);
        there("strided integers", &dst);
        there("their variances", &variance);
        for gather in [Gather::conv3(shape, 1), Gather::conv3(shape, 2)] {
            let mut dst = unwritten::<T>(blocks(o) * voxels(gather.dst_shape()) * LANES);
            let mut scratch = unwritten(DirectBytes::scratch_len(&gather, blocks(i)));
            DirectBytes::new(gather, (i, o), &weights).convolve(cpu, &sources, &mut dst, &mut scratch);
            there("bytes", &dst);
        }
        let stored = Stored::<T>::new(cpu, i, voxels(shape));
        let layer = UpIntegers::new((i, o), &noise(i * o * 8, 4));
        let mut dst = unwritten::<T>(blocks(o) * 8 * voxels(shape) * LANES);
        let mut scratch = unwritten(convolve_up_scratch(shape, blocks(i).div_ceil(2)) * current_num_threads());
        let bias = noise(blocks(o) * LANES, 5);
        layer.convolve(cpu, shape, (&stored.source(), &bias), &mut dst, &mut scratch);
        there("up in integers", &dst);
    }

    /// Products of bf16 in tiles.
    fn tiles<T: Cell>(self, cpu: Cpu) {
        let Self { shape, i, o } = self;
        let parts = Stored::<T>::parts(cpu, i, voxels(shape));
        let sources: Box<[_]> = parts.iter().map(Stored::source).collect();
        let weights = noise(o * i * 27, 4);
        for gather in [Gather::conv3(shape, 1), Gather::conv3(shape, 2)] {
            let layer = ConvTiles::new(&gather, (i, o));
            let mut packed = unwritten(layer.weights_len());
            layer.pack(cpu, Direction::Forward, &weights, &mut packed);
            let mut dst = unwritten::<T>(blocks(o) * voxels(gather.dst_shape()) * LANES);
            let mut scratch = unwritten(layer.scratch_len() * current_num_threads());
            let (mut sums, [mut mean, mut variance]) =
                (filled(f64::NAN, layer.sums_len()), [(); 2].map(|()| unwritten(blocks(o) * LANES)));
            let mut measured = Moments { sums: &mut sums, mean: &mut mean, variance: &mut variance };
            layer.convolve(cpu, (&sources, &packed), (&mut dst, Write::Overwrite), Some(&mut measured), &mut scratch);
            there("tiles, measured", &dst);
            there("moments of tiles", &variance);
            let mut dst = unwritten::<T>(dst.len());
            layer.convolve(cpu, (&sources, &packed), (&mut dst, Write::Overwrite), None, &mut scratch);
            there("tiles", &dst);
        }
    }

    fn up_in_tiles<T: Cell>(self, cpu: Cpu) {
        let Self { shape, i, o } = self;
        let stored = Stored::<T>::new(cpu, i, voxels(shape));
        let layer = UpTiles::new(shape, (i, o));
        let mut packed = unwritten(layer.weights_len());
        layer.pack(cpu, Direction::Forward, &noise(i * o * 8, 4), &mut packed);
        let mut dst = unwritten::<T>(blocks(o) * 8 * voxels(shape) * LANES);
        let mut scratch = unwritten(layer.scratch_len() * current_num_threads());
        let bias = noise(blocks(o) * LANES, 5);
        layer.convolve(cpu, &stored.source(), (&packed, &bias), &mut dst, &mut scratch);
        there("up in tiles", &dst);
    }

    /// The kernels of a backward pass.
    fn backward(self, cpu: Cpu) {
        let Self { shape, i, o } = self;
        for direct in [self.conv3(1), self.conv3(2), self.conv1(), self.up2()] {
            direct.weight_gradient(cpu);
        }
        for (gathers, order, taps) in [
            (Gather::conv3_back(shape, 1), Canonical::InOut, 27),
            (Gather::conv3_back(shape, 2), Canonical::InOut, 27),
            (vec![Gather::up2_back(shape)], Canonical::OutIn, 8),
        ] {
            Direct { gathers, order, taps, i: o, o: i }.run::<f32>(cpu);
        }
        self.winograd_back(cpu);
        self.around_back(cpu);
    }

    fn winograd_back(self, cpu: Cpu) {
        let Self { shape, i, o } = self;
        let n = voxels(shape);
        let (d_dst, weights) = (Stored::new(cpu, o, n).values, noise(o * i * 27, 4));
        let plan = Winograd::new(shape, blocks(o), blocks(i)).with_inputs(o);
        let mut u = unwritten(plan.weights_len());
        plan.transform_weights(cpu, Direction::Backward, (o, i), &weights, &mut u);
        let mut d_src = unwritten(blocks(i) * n * LANES);
        let mut scratch = unwritten(plan.scratch_len(current_num_threads()));
        plan.convolve(cpu, &[Source::plain(&d_dst)], &u, (&mut d_src, Write::Overwrite), &mut scratch);
        there("winograd, backward", &d_src);
        let parts = Stored::parts(cpu, i, n);
        let sources: Box<[_]> = parts.iter().map(Stored::source).collect();
        let plan = Winograd::new(shape, blocks(i), blocks(o)).with_inputs(i);
        let mut scratch = unwritten(plan.gradient_scratch_len(current_num_threads()));
        let mut d_weights = unwritten(weights.len());
        for write in [Write::Overwrite, Write::Add] {
            plan.weight_gradient(cpu, (&sources, &d_dst), (o, i), (&mut d_weights, write), &mut scratch);
        }
        there("winograd, weights", &d_weights);
        if cpu.has_tiles() {
            self.tiles_back(cpu, (&sources, &d_dst), &weights);
            self.up_in_tiles_back(cpu);
        }
    }

    fn tiles_back(self, cpu: Cpu, (sources, d_dst): (&[Source<'_>], &[f32]), weights: &[f32]) {
        let Self { shape, i, o } = self;
        let layer = ConvTiles::new(&Gather::conv3(shape, 1), (o, i));
        let mut packed = unwritten(layer.weights_len());
        layer.pack(cpu, Direction::Backward, weights, &mut packed);
        let mut d_src = unwritten(blocks(i) * voxels(shape) * LANES);
        let mut scratch = unwritten(layer.scratch_len() * current_num_threads());
        for write in [Write::Overwrite, Write::Add] {
            layer.convolve(cpu, (&[Source::plain(d_dst)], &packed), (&mut d_src, write), None, &mut scratch);
        }
        there("tiles, backward", &d_src);
        let gradient = GradientTiles::new(shape, (i, o));
        let mut scratch = unwritten(gradient.scratch_len() * current_num_threads());
        let (mut partial, mut d_weights) = (unwritten(gradient.partial_len()), filled(0.0, weights.len()));
        gradient.add(cpu, (sources, d_dst), &mut d_weights, (&mut partial, &mut scratch));
        there("tiles, weights", &d_weights);
    }

    fn up_in_tiles_back(self, cpu: Cpu) {
        let Self { shape, i, o } = self;
        let (stored, d_dst) =
            (Stored::<f32>::new(cpu, i, voxels(shape)), Stored::<f32>::new(cpu, o, 8 * voxels(shape)).values);
        let layer = UpTiles::new(shape, (i, o));
        let mut packed = unwritten(layer.weights_len());
        layer.pack(cpu, Direction::Backward, &noise(i * o * 8, 4), &mut packed);
        let mut d_src = unwritten(blocks(i) * voxels(shape) * LANES);
        let mut scratch = unwritten(layer.scratch_len() * current_num_threads());
        for write in [Write::Overwrite, Write::Add] {
            layer.convolve_back(cpu, (&d_dst, &packed), (&mut d_src, write), &mut scratch);
        }
        there("up in tiles, backward", &d_src);
        let (mut partial, mut d_weights) = (unwritten(layer.partial_len()), filled(0.0, i * o * 8));
        layer.add_gradient(cpu, (&stored.source(), &d_dst), &mut d_weights, (&mut partial, &mut scratch));
        there("up in tiles, weights", &d_weights);
    }

    fn around_back(self, cpu: Cpu) {
        let (n, width) = (voxels(self.shape), blocks(self.i) * LANES);
        let (stored, mut d) = (Stored::<f32>::new(cpu, self.i, n), Stored::<f32>::new(cpu, self.i, n).values);
        let source = stored.source();
        let (mean, [mut first, mut second]) = (noise(width, 8), [(); 2].map(|()| unwritten(width)));
        let mut scratch = unwritten(sums_scratch(blocks(self.i), n));
        activation_sums(cpu, (&source, &d, n), &mean, &mut scratch, (&mut first, &mut second));
        there("activation_sums", &first);
        let back = Back { gain: &stored.scale, offset: &stored.shift, tilt: &second, mean: &mean };
        activation_back(cpu, &source, n, back, &mut d);
        there("activation_back", &d);
        let big = Stored::<f32>::new(cpu, self.i, 8 * n);
        let doubled = self.shape.map(|n| 2 * n);
        let [mut d_big, mut d_small] = [8 * n, n].map(|n| unwritten(width * n));
        for write in [Write::Overwrite, Write::Add] {
            max_pool_back(cpu, &big.source(), doubled, &mut d, (&mut d_big, write));
            up_nearest_back(cpu, &d_big, self.shape, (&mut d_small, write));
        }
        there("nearest and pool, backward", &d_small);
        for outs in [1, 8] {
            let (w, d_logits, mut d_w, mut d_bias) =
                (noise(outs * width, 6), noise(outs * n, 9), filled(0.0, outs * width), filled(0.0, outs));
            let mut scratch = unwritten(head_back_scratch(blocks(self.i), n, outs));
            let sums = (&mut *d_w, &mut *d_bias);
            head_back(cpu, (&source, n), (&w, &d_logits), (&mut d_small, Write::Overwrite), sums, &mut scratch);
            there("head_back", &d_w);
        }
        let mut planar = unwritten(self.i * n);
        unpack_channels(&d_small, self.i, n, &mut planar);
        there("unpack_channels", &planar);
    }
}

/// Every kernel on every instruction set.
fn run_everything(side: &str, threads: usize) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    for cpu in Cpu::all() {
        for layer in LAYERS {
            eprintln!("closed {side}, {threads} threads, {}, {layer:?}", cpu.name().as_str());
            pool.install(|| layer.run(cpu));
        }
        if cpu.name() != IsaName::Scalar {
            for layer in LONG {
                eprintln!("closed {side}, {threads} threads, {}, {layer:?}", cpu.name().as_str());
                pool.install(|| (layer.winograd::<f32>(cpu), layer.winograd::<Half>(cpu)));
                if cpu.has_tiles() {
                    pool.install(|| (layer.tiles::<f32>(cpu), layer.tiles::<Half>(cpu)));
                }
            }
        }
    }
}

#[cfg(target_os = "linux")]
mod closed {
    use super::{filled, run_everything};
    use crate::guarded::{Side, close, read_outside};
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn no_kernel_leaves_its_slices() {
        // One thread, and more than there are processors.
        for (side, threads) in Side::BOTH.into_iter().zip([1, 3]) {
            close(side);
            run_everything(side.as_str(), threads);
        }
    }

    /// Names the side of a block to the process that is to die there.
    const CHILD: &str = "GLIOSCOPE_CLOSED";

    #[test]
    fn a_byte_outside_of_a_block_ends_the_process() {
        if let Some(named) = std::env::var_os(CHILD) {
            let side = Side::BOTH.into_iter().find(|side| named == side.as_str()).unwrap();
            close(side);
            let read = read_outside(&filled(7, 100), side);
            panic!("{side:?}: {read} was read there");
        }
        for side in Side::BOTH {
            let own = ["--exact", "closed::a_byte_outside_of_a_block_ends_the_process"];
            let mut child = Command::new(std::env::current_exe().unwrap());
            let child = child.args(own).env(CHILD, side.as_str()).output().unwrap();
            assert_eq!(child.status.signal(), Some(libc::SIGSEGV), "{side:?}: {child:?}");
        }
    }
}

#[cfg(not(target_os = "linux"))]
#[test]
fn no_kernel_leaves_its_slices() {
    eprintln!("SKIPPED: memory is closed around slices on Linux only; kernels run as everywhere");
    run_everything("nowhere", 3);
}
