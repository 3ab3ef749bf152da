//! Instance norm over one sample's voxels, its pending activation, and the gradients of both.
//!
//! A layer's raw output `x` is seen by the next layer as `a(u)`, `u = gamma * (x - mean) / sd + beta`, `a(u) = max(u, slope * u)`:
//! [`Source`] applies it on loading. Backward, with `d` the gradient of `a(u)`, `d_u = d * a'(u)` and `h = (x - mean) / sd`:
//! `d_beta = sum d_u`, `d_gamma = sum d_u h`, `d_x = gamma / sd * (d_u - d_beta / V - h d_gamma / V)`.

use crate::cpu::Cpu;
use crate::half::Cell;
use crate::isa::{Isa, Kernel};
use crate::layout::{LANES, Source};
use crate::team::{Shared, run_tasks};
use rayon::prelude::*;

/// Voxels whose sums are kept in f32 lanes before they go to f64. Fixed, so that results do not depend on threads.
const CHUNK: usize = 4096;

/// Two sums per channel: `[C/16][chunk][2][16]` partial sums for [`moments`] and [`activation_sums`].
pub fn sums_scratch(channel_blocks: usize, voxels: usize) -> usize {
    channel_blocks * voxels.div_ceil(CHUNK) * 2 * LANES
}

/// Mean and variance (of the population) of each channel of blocked `x`, `[C/16][V][16]`.
///
/// # Panics
/// If a length does not fit.
pub fn moments<T: Cell>(cpu: Cpu, x: &[T], voxels: usize, scratch: &mut [f32], mean: &mut [f32], variance: &mut [f32]) {
    let n = voxels as f64;
    // Shifted by the first voxel, so that a large mean does not eat the variance.
    let sums = |cpu: Cpu, b: usize, range: std::ops::Range<usize>, out: &mut [f32]| {
        let block = &x[b * voxels * LANES..][..voxels * LANES].as_chunks::<LANES>().0;
        T::moments(cpu, Moments { x: &block[range], shift: &block[0], out });
    };
    two_sums(cpu, (x.len(), voxels), scratch, sums, |c, first, second| {
        let shift = f64::from(x[c / LANES * voxels * LANES + c % LANES].wide());
        mean[c] = (shift + first / n) as f32;
        variance[c] = (second / n - (first / n).powi(2)).max(0.0) as f32;
    });
}

/// The two sums of the gradient of norm and activation: `sum d_u` and `sum d_u (x - mean)` of each channel.
/// `source` is the layer's raw output with its pending norm, `d` the gradient of what the next layer sees; both blocked.
/// Without a norm give `mean` zeros: the first sum is then the gradient of the bias.
///
/// # Panics
/// If a length does not fit.
pub fn activation_sums(
    cpu: Cpu,
    (source, d, voxels): (&Source<'_>, &[f32], usize),
    mean: &[f32],
    scratch: &mut [f32],
    (first, second): (&mut [f32], &mut [f32]),
) {
    assert_eq!(source.values.len(), d.len(), "activation_sums: lengths differ");
    let sums = |cpu: Cpu, b: usize, range: std::ops::Range<usize>, out: &mut [f32]| {
        let part = (b * voxels + range.start) * LANES..(b * voxels + range.end) * LANES;
        cpu.run(ActivationSums {
            x: source.values[part.clone()].as_chunks::<LANES>().0,
            d: d[part].as_chunks::<LANES>().0,
            affine: source.affine(b),
            slope: source.slope,
            mean: mean[b * LANES..].as_chunks::<LANES>().0,
            out,
        });
    };
    two_sums(cpu, (d.len(), voxels), scratch, sums, |c, a, b| {
        first[c] = a as f32;
        second[c] = b as f32;
    });
}

/// `d` becomes the gradient of the layer's raw output: `d_x = a * d_u - b - c * (x - mean)` per channel, where `a`, `b`,
/// `c` are [`Back`]'s.
///
/// # Panics
/// If a length does not fit.
pub fn activation_back(cpu: Cpu, source: &Source<'_>, voxels: usize, back: Back<'_>, d: &mut [f32]) {
    assert_eq!(source.values.len(), d.len(), "activation_back: lengths differ");
    d.par_chunks_mut(voxels * LANES).enumerate().for_each(|(b, block)| {
        let x = &source.values[b * voxels * LANES..][..voxels * LANES];
        block.par_chunks_mut(CHUNK * LANES).zip(x.par_chunks(CHUNK * LANES)).for_each(|(d, x)| {
            cpu.run(ActivationBack {
                x: x.as_chunks::<LANES>().0,
                d: d.as_chunks_mut::<LANES>().0,
                affine: source.affine(b),
                slope: source.slope,
                back: back.block(b),
            });
        });
    });
}

/// Coefficients of [`activation_back`], `[C/16 * 16]` each.
#[derive(Clone, Copy, Debug)]
pub struct Back<'a> {
    /// Factor of `d_u`: `gamma / sd`, or 1 without a norm.
    pub gain: &'a [f32],
    /// Constant: `gamma / sd * d_beta / V`.
    pub offset: &'a [f32],
    /// Factor of `x - mean`: `gamma / sd^3 * sum(d_u (x - mean)) / V`.
    pub tilt: &'a [f32],
    /// Mean of the raw output.
    pub mean: &'a [f32],
}

impl<'a> Back<'a> {
    fn block(&self, b: usize) -> [&'a [f32; LANES]; 4] {
        [self.gain, self.offset, self.tilt, self.mean].map(|c| &c.as_chunks::<LANES>().0[b])
    }
}

/// Runs `sums` over chunks and gives `done(channel, first, second)` the totals in f64, in a fixed order.
fn two_sums(
    cpu: Cpu,
    (len, voxels): (usize, usize),
    scratch: &mut [f32],
    sums: impl Fn(Cpu, usize, std::ops::Range<usize>, &mut [f32]) + Sync,
    mut done: impl FnMut(usize, f64, f64),
) {
    let (channel_blocks, chunks) = (len / (voxels * LANES), voxels.div_ceil(CHUNK));
    assert_eq!(len, channel_blocks * voxels * LANES, "sums: length");
    let partial = &mut scratch[..channel_blocks * chunks * 2 * LANES];
    partial.par_chunks_mut(2 * LANES).enumerate().for_each(|(i, out)| {
        let start = i % chunks * CHUNK;
        sums(cpu, i / chunks, start..(start + CHUNK).min(voxels), out);
    });
    for c in 0..channel_blocks * LANES {
        let of_block = &partial[c / LANES * chunks * 2 * LANES..][..chunks * 2 * LANES];
        let total = |which: usize| {
            of_block.chunks_exact(2 * LANES).map(|p| f64::from(p[which * LANES + c % LANES])).sum::<f64>()
        };
        done(c, total(0), total(1));
    }
}

pub(crate) struct Moments<'a, T> {
    x: &'a [[T; LANES]],
    shift: &'a [T; LANES],
    out: &'a mut [f32],
}

impl<T: Cell> Kernel for Moments<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let shift = T::load(isa, self.shift);
        let (mut sum, mut squares) = ([isa.splat(0.0); 4], [isa.splat(0.0); 4]);
        for (i, x) in self.x.iter().enumerate() {
            let t = isa.sub(T::load(isa, x), shift);
            sum[i & 3] = isa.add(sum[i & 3], t);
            squares[i & 3] = isa.fma(t, t, squares[i & 3]);
        }
        write_two(isa, sum, squares, self.out);
    }
}

#[inline(always)]
fn write_two<I: Isa>(isa: I, a: [I::V; 4], b: [I::V; 4], out: &mut [f32]) {
    let out = out.as_chunks_mut::<LANES>().0;
    isa.store(isa.add(isa.add(a[0], a[1]), isa.add(a[2], a[3])), &mut out[0]);
    isa.store(isa.add(isa.add(b[0], b[1]), isa.add(b[2], b[3])), &mut out[1]);
}

struct ActivationSums<'a> {
    x: &'a [[f32; LANES]],
    d: &'a [[f32; LANES]],
    affine: ([f32; LANES], [f32; LANES]),
    slope: f32,
    mean: &'a [[f32; LANES]],
    out: &'a mut [f32],
}

impl Kernel for ActivationSums<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let (scale, shift) = (isa.load(&self.affine.0), isa.load(&self.affine.1));
        let (slope, mean) = (isa.splat(self.slope), isa.load(&self.mean[0]));
        let (mut first, mut second) = ([isa.splat(0.0); 4], [isa.splat(0.0); 4]);
        for (i, (x, d)) in self.x.iter().zip(self.d).enumerate() {
            let (x, d) = (isa.load(x), isa.load(d));
            let d_u = isa.select_positive(isa.fma(x, scale, shift), d, isa.mul(d, slope));
            first[i & 3] = isa.add(first[i & 3], d_u);
            second[i & 3] = isa.fma(d_u, isa.sub(x, mean), second[i & 3]);
        }
        write_two(isa, first, second, self.out);
    }
}

struct ActivationBack<'a> {
    x: &'a [[f32; LANES]],
    d: &'a mut [[f32; LANES]],
    affine: ([f32; LANES], [f32; LANES]),
    slope: f32,
    back: [&'a [f32; LANES]; 4],
}

impl Kernel for ActivationBack<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let (scale, shift) = (isa.load(&self.affine.0), isa.load(&self.affine.1));
        let slope = isa.splat(self.slope);
        let [gain, offset, tilt, mean] = self.back;
        let (gain, offset, tilt, mean) = (isa.load(gain), isa.load(offset), isa.load(tilt), isa.load(mean));
        for (x, cell) in self.x.iter().zip(self.d) {
            let (x, d) = (isa.load(x), isa.load(cell));
            let d_u = isa.select_positive(isa.fma(x, scale, shift), d, isa.mul(d, slope));
            let rest = isa.fma(tilt, isa.sub(x, mean), offset);
            isa.store(isa.sub(isa.mul(gain, d_u), rest), cell);
        }
    }
}

/// `dst = a(scale * x + shift)`: the pending norm and activation made real, where several readers are worth a copy.
///
/// # Panics
/// If lengths differ.
pub fn apply<T: Cell>(cpu: Cpu, source: &Source<'_, T>, voxels: usize, dst: &mut [T]) {
    assert_eq!(source.values.len(), dst.len(), "apply: lengths differ");
    let chunks = voxels.div_ceil(CHUNK);
    let n_tasks = source.blocks(voxels) * chunks;
    let dst = Shared::new(dst);
    let mut none = [0.0; 256];
    let threads = rayon::current_num_threads().min(none.len());
    run_tasks(n_tasks, &mut none[..threads], 1, |task, _| {
        let (b, from) = (task / chunks, task % chunks * CHUNK);
        let (start, len) = ((b * voxels + from) * LANES, CHUNK.min(voxels - from) * LANES);
        // SAFETY: chunk `task` belongs to this task alone.
        let to = unsafe { dst.slice(start, len) };
        let x = source.values[start..start + len].as_chunks::<LANES>().0;
        T::apply(cpu, Apply { x, affine: source.affine(b), slope: source.slope, to: to.as_chunks_mut::<LANES>().0 });
    });
}

pub(crate) struct Apply<'a, T> {
    x: &'a [[T; LANES]],
    affine: ([f32; LANES], [f32; LANES]),
    slope: f32,
    to: &'a mut [[T; LANES]],
}

impl<T: Cell> Kernel for Apply<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let (scale, shift, slope) = (isa.load(&self.affine.0), isa.load(&self.affine.1), isa.splat(self.slope));
        for (x, to) in self.x.iter().zip(self.to) {
            let t = isa.fma(T::load(isa, x), scale, shift);
            T::store(isa, isa.max(t, isa.mul(t, slope)), to);
        }
    }
}
