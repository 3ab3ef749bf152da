//! Times the Winograd convolutions of the nets' layers beside the machine's FMA peak, in turns, least of n.
//!
//! `winograd [threads=2] [avx512|avx2] [rounds] [I-O-D[xHxW] ...]`: direct-equivalent GFLOP/s (27 taps, 2 a product) and its ratio to
//! the peak, for the forward pass, the data gradient, the weight gradient; milliseconds of a weight transform; and the
//! same ratios of the direct kernels, forward and weight gradient.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a benchmark prints, and stops where it cannot run")]

use kernels::{Canonical, Cpu, Direction, Gather, Isa, IsaName, Kernel, LANES, Source, Winograd, Write, blocks};
use std::hint::black_box;
use std::time::Instant;

struct Fma(u64);

impl Kernel for Fma {
    type Output = f32;
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> f32 {
        let mut sums = [isa.splat(0.0); 6];
        let (b, c) = (isa.splat(black_box(0.5)), isa.splat(black_box(0.1)));
        for _ in 0..self.0 {
            for sum in &mut sums {
                *sum = isa.fma(b, *sum, c);
            }
        }
        let mut lanes = [0.0; LANES];
        sums.into_iter().map(|v| (isa.store(v, &mut lanes), lanes.iter().sum::<f32>()).1).sum()
    }
}

/// GFLOP/s of fused multiply-adds on all threads.
fn peak(cpu: Cpu) -> f64 {
    let n = 2_000_000;
    let start = Instant::now();
    rayon::broadcast(|_| black_box(cpu.run(Fma(n))));
    let flops = n as f64 * 6.0 * 2.0 * LANES as f64 * rayon::current_num_threads() as f64;
    flops / start.elapsed().as_secs_f64() / 1e9
}

/// Numbers in a cache-line-aligned place.
struct Buffer(Vec<f32>, usize, usize);

impl Buffer {
    fn new(n: usize, of: impl FnMut(usize) -> f32) -> Self {
        let mut values = vec![0.0; n + LANES];
        let skip = values.as_ptr().align_offset(64);
        for (value, x) in values[skip..].iter_mut().zip((0..n).map(of)) {
            *value = x;
        }
        Self(values, skip, n)
    }

    fn get(&self) -> &[f32] {
        &self.0[self.1..][..self.2]
    }

    fn get_mut(&mut self) -> &mut [f32] {
        &mut self.0[self.1..][..self.2]
    }
}

fn noise(i: usize) -> f32 {
    (i.wrapping_mul(2_654_435_761) % 1_000_003) as f32 / 500_000.0 - 1.0
}

fn layer(cpu: Cpu, rounds: usize, i: usize, o: usize, shape: [usize; 3]) {
    let voxels: usize = shape.iter().product();
    let (ib, ob) = (blocks(i), blocks(o));
    let forward = Winograd::new(shape, ib, ob).with_inputs(i);
    let backward = Winograd::new(shape, ob, ib).with_inputs(o);
    let src = Buffer::new(ib * voxels * LANES, noise);
    let mut dst = Buffer::new(ob * voxels * LANES, noise);
    let mut d_src = Buffer::new(ib * voxels * LANES, noise);
    let mut weights = Buffer::new(o * i * 27, noise);
    let mut u = Buffer::new(forward.weights_len(), |_| 0.0);
    let mut ub = Buffer::new(backward.weights_len(), |_| 0.0);
    let threads = rayon::current_num_threads();
    let scratch = forward.scratch_len(threads).max(backward.scratch_len(threads));
    let mut scratch = Buffer::new(scratch.max(forward.gradient_scratch_len(threads)), |_| 0.0);
    let (scale, shift) = (vec![1.1; ib * LANES], vec![0.1; ib * LANES]);
    let half = ib.div_ceil(2) * voxels * LANES;
    let affine = ib.div_ceil(2) * LANES;
    let source = |values, from: usize, to: usize| Source {
        values,
        scale: &scale[from..to],
        shift: &shift[from..to],
        slope: 0.01,
    };
    let first = source(&src.get()[..half], 0, affine);
    let second = source(&src.get()[half..], affine, ib * LANES);
    let sources = if ib > 1 { vec![first, second] } else { vec![first] };
    let gathers = [Gather::conv3(shape, 1)];
    let mut packed = Buffer::new(kernels::packed_len(27, i, o), |_| 0.0);
    kernels::pack_weights(Canonical::OutIn, 27, (i, o), weights.get(), packed.get_mut());
    let direct_scratch =
        kernels::convolve_scratch(&gathers[0], ib).max(kernels::weight_gradient_scratch(&gathers, (i, o)));
    let mut direct_scratch = Buffer::new(threads * direct_scratch, |_| 0.0);
    let mut partial = Buffer::new(kernels::partial_len(&gathers, (i, o)), |_| 0.0);
    let mut best = [f64::INFINITY; 6];
    let mut fma = 0.0_f64;
    for _ in 0..rounds {
        fma = fma.max(peak(cpu));
        let mut time = |k: usize, start: Instant| best[k] = best[k].min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        forward.transform_weights(cpu, Direction::Forward, (o, i), weights.get(), u.get_mut());
        time(3, start);
        backward.transform_weights(cpu, Direction::Backward, (o, i), weights.get(), ub.get_mut());
        let start = Instant::now();
        forward.convolve(cpu, &sources, u.get(), (dst.get_mut(), Write::Overwrite), scratch.get_mut());
        time(0, start);
        let start = Instant::now();
        let d_dst = [Source::plain(dst.get())];
        backward.convolve(cpu, &d_dst, ub.get(), (d_src.get_mut(), Write::Overwrite), scratch.get_mut());
        time(1, start);
        let start = Instant::now();
        let to = (weights.get_mut(), Write::Overwrite);
        forward.weight_gradient(cpu, (&sources, dst.get()), (o, i), to, scratch.get_mut());
        time(2, start);
        let start = Instant::now();
        let to = (dst.get_mut(), Write::Overwrite);
        kernels::convolve(cpu, &gathers[0], (&sources, i), (packed.get(), &[]), to, direct_scratch.get_mut());
        time(4, start);
        let start = Instant::now();
        let to = (weights.get_mut(), Write::Overwrite);
        let scratch = (partial.get_mut(), direct_scratch.get_mut());
        kernels::weight_gradient(cpu, &gathers, (&sources, dst.get()), (Canonical::OutIn, i, o), to, scratch);
        time(5, start);
    }
    let flops = 54.0 * (i * o * voxels) as f64 / 1e9;
    print!("{i:3}->{o:3}@{shape:?}");
    for (name, seconds) in ["forward", "backward", "weights"].iter().zip(best) {
        let speed = flops / seconds;
        print!("  {name} {:7.2} ms {speed:5.0} GF/s {:4.2}", seconds * 1e3, speed / fma);
    }
    let direct = [4, 5].map(|k| flops / best[k] / fma);
    println!("  transform {:5.2} ms  direct {:4.2} {:4.2}  peak {fma:.0}", best[3] * 1e3, direct[0], direct[1]);
}

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let threads = words.first().and_then(|w| w.strip_prefix("threads=")).and_then(|n| n.parse().ok());
    if threads.is_some() {
        words.remove(0);
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(2));
    pool.build_global().expect("the first pool of the process");
    let cpu = match IsaName::ALL.into_iter().find(|name| words.first().is_some_and(|w| w == name.as_str())) {
        Some(name) => {
            words.remove(0);
            Cpu::lowered_to(name).expect("an instruction set of this machine")
        }
        None => Cpu::detect(),
    };
    let rounds = words.first().and_then(|w| w.parse().ok()).unwrap_or(5);
    let asked: Vec<Vec<usize>> = words
        .iter()
        .filter(|w| w.contains('-'))
        .map(|w| w.split(['-', 'x']).filter_map(|n| n.parse().ok()).collect())
        .collect();
    for shape in asked {
        match shape[..] {
            [i, o, n] => layer(cpu, rounds, i, o, [n; 3]),
            [i, o, d, h, w] => layer(cpu, rounds, i, o, [d, h, w]),
            _ => println!("not a layer: {shape:?}"),
        }
    }
    if words.iter().all(|w| !w.contains('-')) {
        for (i, o, n) in [
            (16, 16, 96),
            (32, 16, 96),
            (32, 32, 48),
            (64, 32, 48),
            (64, 64, 24),
            (128, 64, 24),
            (128, 128, 12),
            (256, 128, 12),
            (256, 256, 6),
        ] {
            layer(cpu, rounds, i, o, [n; 3]);
        }
        layer(cpu, rounds, 16, 16, [140, 180, 150]);
        layer(cpu, rounds, 32, 16, [140, 180, 150]);
    }
}
