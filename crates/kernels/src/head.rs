//! The 1x1x1 convolution to a few planar logits, where 16 output lanes would be wasted.

use crate::cpu::Cpu;
use crate::gather::Write;
use crate::half::Cell;
use crate::isa::{Isa, Kernel};
use crate::layout::{LANES, Source};
use crate::team::{Shared, run_tasks};
use rayon::prelude::*;

/// Voxels of one task.
const CHUNK: usize = 4096;
/// Voxels whose sums of all outputs, a lane each, stay in the first-level cache.
const FEW: usize = 128;

/// What a voxel's byte says of its logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// Bit `r` is set where logit `r` is at least the number `r`; never where either is not a number.
    AtLeast([f32; MOST]),
    /// The number of the largest logit; of equal ones the lowest.
    Largest,
}

/// Outputs of a head, at most: a bit of a byte for each.
const MOST: usize = 8;

/// `logits[r][v] = bias[r] + sum over c of w[r][c] * seen[c][v]`, channels in order.
///
/// `w`: `[R][C/16 * 16]`, 0 past the last channel; `logits`: planar `[R][V]`, R at most 8.
///
/// # Panics
/// If a length does not fit.
pub fn head<T: Cell>(cpu: Cpu, source: &Source<'_, T>, voxels: usize, (w, bias): (&[f32], &[f32]), logits: &mut [f32]) {
    assert_eq!(logits.len(), bias.len() * voxels, "head: logits");
    let dst = Shared::new(logits);
    run(cpu, source, voxels, (w, bias), Dst::Logits(dst));
}

/// What [`head`]'s logits decide, a byte a voxel, without their ever being stored.
///
/// # Panics
/// If a length does not fit.
pub fn head_decided<T: Cell>(
    cpu: Cpu,
    source: &Source<'_, T>,
    voxels: usize,
    (w, bias): (&[f32], &[f32]),
    (decision, decided): (&Decision, &mut [u8]),
) {
    assert_eq!(decided.len(), voxels, "head: decided");
    let dst = Shared::new(decided);
    run(cpu, source, voxels, (w, bias), Dst::Decided(decision, dst));
}

fn run<T: Cell>(cpu: Cpu, source: &Source<'_, T>, voxels: usize, (w, bias): (&[f32], &[f32]), dst: Dst<'_>) {
    let outs = bias.len();
    let width = source.blocks(voxels) * LANES;
    assert!(outs <= MOST, "head: {outs} outputs, {MOST} at most");
    assert_eq!(w.len(), outs * width, "head: weights");
    let mut none = [0.0; 256];
    let threads = rayon::current_num_threads().min(none.len());
    run_tasks(voxels.div_ceil(CHUNK), &mut none[..threads], 1, |task, _| {
        let end = voxels.min((task + 1) * CHUNK);
        for from in (task * CHUNK..end).step_by(FEW) {
            let n = FEW.min(end - from);
            T::head(cpu, Few { source, voxels, from, n, w, bias, dst });
        }
    });
}

/// Voxels ahead that are asked for: memory is slower than sixteen of them.
const AHEAD: usize = 64;

/// Where the sums of a voxel go.
#[derive(Clone, Copy)]
enum Dst<'a> {
    /// Planar.
    Logits(Shared<'a>),
    Decided(&'a Decision, Shared<'a, u8>),
}

/// All outputs of `n` voxels from `from`.
pub(crate) struct Few<'a, T> {
    source: &'a Source<'a, T>,
    voxels: usize,
    from: usize,
    n: usize,
    w: &'a [f32],
    bias: &'a [f32],
    dst: Dst<'a>,
}

impl<T: Cell> Kernel for Few<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if I::REGISTERS >= 32 {
            match self.bias.len() {
                1..=3 => self.in_lanes::<I, 3>(isa),
                4 => self.in_lanes::<I, 4>(isa),
                _ => self.in_lanes::<I, MOST>(isa),
            }
            return;
        }
        let Self { source, voxels, from, n, w, bias, dst } = self;
        let outs = bias.len();
        let width = w.len() / outs;
        let mut start = [0.0; LANES];
        start[..outs].copy_from_slice(bias);
        let mut sums = [start; FEW];
        for b in 0..width / LANES {
            let mut weights = [[0.0; LANES]; LANES];
            for r in 0..outs {
                for k in 0..LANES {
                    weights[k][r] = w[r * width + b * LANES + k];
                }
            }
            let x = source.values[(b * voxels + from) * LANES..][..n * LANES].as_chunks::<LANES>().0;
            let seen = (source.affine(b), source.slope);
            add_block::<I, T, 4>(isa, (x, seen), &weights, &mut sums[..n]);
        }
        match dst {
            Dst::Logits(dst) => {
                for r in 0..outs {
                    // SAFETY: these voxels of row `r` belong to this task alone.
                    let out = unsafe { dst.slice(r * voxels + from, n) };
                    for v in 0..n {
                        out[v] = sums[v][r];
                    }
                }
            }
            Dst::Decided(decision, dst) => {
                // SAFETY: these voxels belong to this task alone.
                let out = unsafe { dst.slice(from, n) };
                for v in 0..n {
                    out[v] = decided(decision, &sums[v], outs);
                }
            }
        }
    }
}

impl<T: Cell> Few<'_, T> {
    /// Sixteen voxels at a time, a lane each, and `R` outputs, of which some may not be wanted: the bits of an output a lane.
    #[inline(always)]
    fn in_lanes<I: Isa, const R: usize>(&self, isa: I) {
        let outs = self.bias.len();
        let mut first = 0;
        while first < self.n {
            let n = LANES.min(self.n - first);
            let sums = self.sixteen::<I, R>(isa, self.from + first, n);
            match self.dst {
                Dst::Logits(dst) => {
                    for r in 0..outs {
                        // SAFETY: these voxels of row `r` belong to this task alone.
                        let out = unsafe { dst.slice(r * self.voxels + self.from + first, n) };
                        out.copy_from_slice(&sums[r][..n]);
                    }
                }
                Dst::Decided(decision, dst) => {
                    // SAFETY: these voxels belong to this task alone.
                    let out = unsafe { dst.slice(self.from + first, n) };
                    out.copy_from_slice(&decided_in_lanes(decision, &sums[..outs])[..n]);
                }
            }
            first += n;
        }
    }

    /// The outputs of the `n` voxels from `from` on.
    #[inline(always)]
    fn sixteen<I: Isa, const R: usize>(&self, isa: I, from: usize, n: usize) -> [[f32; LANES]; R] {
        let outs = self.bias.len();
        let width = self.w.len() / outs;
        let mut sum = [isa.splat(0.0); R];
        for r in 0..R.min(outs) {
            sum[r] = isa.splat(self.bias[r]);
        }
        for b in 0..width / LANES {
            let x = self.source.values[(b * self.voxels + from) * LANES..][..n * LANES].as_chunks::<LANES>().0;
            let mut padded = [[T::default(); LANES]; LANES];
            let x = if let Some(x) = x.first_chunk::<LANES>() {
                x
            } else {
                padded[..n].copy_from_slice(x);
                &padded
            };
            let (scale, shift) = self.source.affine(b);
            let (scale, shift, slope) = (isa.load(&scale), isa.load(&shift), isa.splat(self.source.slope));
            let mut seen = [isa.splat(0.0); LANES];
            // Two voxels a line, in half precision.
            for v in 0..LANES / 2 {
                isa.prefetch(&x[2 * v], AHEAD);
            }
            for v in 0..LANES {
                let t = isa.fma(T::load(isa, &x[v]), scale, shift);
                seen[v] = isa.max(t, isa.mul(t, slope));
            }
            let seen = isa.transpose(seen);
            for r in 0..R {
                // Those that are not wanted take the last one's weights.
                let w = &self.w[r.min(outs - 1) * width + b * LANES..][..LANES];
                for k in 0..LANES {
                    sum[r] = isa.fma(seen[k], isa.splat(w[k]), sum[r]);
                }
            }
        }
        let mut sums = [[0.0; LANES]; R];
        for r in 0..R {
            isa.store(sum[r], &mut sums[r]);
        }
        sums
    }
}

/// What the logits of sixteen voxels decide.
#[inline(always)]
fn decided_in_lanes(decision: &Decision, logits: &[[f32; LANES]]) -> [u8; LANES] {
    let mut of = [0; LANES];
    match decision {
        Decision::AtLeast(least) => {
            for r in 0..logits.len() {
                for lane in 0..LANES {
                    of[lane] |= u32::from(logits[r][lane] >= least[r]) << r;
                }
            }
        }
        Decision::Largest => {
            let mut largest = logits[0];
            for r in 1..logits.len() {
                for lane in 0..LANES {
                    let larger = logits[r][lane] > largest[lane];
                    of[lane] = if larger { r as u32 } else { of[lane] };
                    largest[lane] = if larger { logits[r][lane] } else { largest[lane] };
                }
            }
        }
    }
    of.map(|of| of as u8)
}

/// What the first `outs` of sixteen logits decide.
#[inline(always)]
fn decided(decision: &Decision, logits: &[f32; LANES], outs: usize) -> u8 {
    match decision {
        Decision::AtLeast(least) => {
            let mut bits = 0;
            for r in 0..outs {
                bits |= u8::from(logits[r] >= least[r]) << r;
            }
            bits
        }
        Decision::Largest => {
            let mut best = 0;
            for r in 1..outs {
                if logits[r] > logits[best] {
                    best = r;
                }
            }
            best as u8
        }
    }
}

/// Adds one block of channels to the sums, `XT` voxels at a time and the rest singly.
#[inline(always)]
fn add_block<I: Isa, T: Cell, const XT: usize>(
    isa: I,
    (x, seen): (&[[T; LANES]], Seen),
    weights: &[[f32; LANES]; LANES],
    sums: &mut [[f32; LANES]],
) {
    let (x, rest) = x.as_chunks::<XT>();
    let (sums, last) = sums.as_chunks_mut::<XT>();
    for (x, sums) in x.iter().zip(sums) {
        add_few(isa, (x, seen), weights, sums);
    }
    for (x, sum) in rest.iter().zip(last) {
        add_few::<I, T, 1>(isa, (&[*x], seen), weights, std::array::from_mut(sum));
    }
}

/// Scale and shift of a block, and the slope after them.
type Seen = (([f32; LANES], [f32; LANES]), f32);

#[inline(always)]
fn add_few<I: Isa, T: Cell, const XT: usize>(
    isa: I,
    (x, (affine, slope)): (&[[T; LANES]; XT], Seen),
    weights: &[[f32; LANES]; LANES],
    sums: &mut [[f32; LANES]; XT],
) {
    let (scale, shift, slope) = (isa.load(&affine.0), isa.load(&affine.1), isa.splat(slope));
    let mut seen = [[0.0; LANES]; XT];
    let mut sum = [isa.splat(0.0); XT];
    for i in 0..XT {
        let t = isa.fma(T::load(isa, &x[i]), scale, shift);
        isa.store(isa.max(t, isa.mul(t, slope)), &mut seen[i]);
        sum[i] = isa.load(&sums[i]);
    }
    for k in 0..LANES {
        let w = isa.load(&weights[k]);
        for i in 0..XT {
            sum[i] = isa.fma(isa.splat(seen[i][k]), w, sum[i]);
        }
    }
    for i in 0..XT {
        isa.store(sum[i], &mut sums[i]);
    }
}

/// Partial sums that [`head_back`] needs.
pub fn head_back_scratch(channel_blocks: usize, voxels: usize, outs: usize) -> usize {
    voxels.div_ceil(CHUNK) * outs * (channel_blocks + 1) * LANES
}

/// Gradients of [`head`]: `d_src` blocked (of what it saw), `d_w` `[R][C/16 * 16]` and `d_bias` `[R]`, the last two added to.
///
/// # Panics
/// If a length does not fit.
pub fn head_back(
    cpu: Cpu,
    (source, voxels): (&Source<'_>, usize),
    (w, d_logits): (&[f32], &[f32]),
    (d_src, write): (&mut [f32], Write),
    (d_w, d_bias): (&mut [f32], &mut [f32]),
    scratch: &mut [f32],
) {
    let outs = d_bias.len();
    let n_blocks = source.blocks(voxels);
    let width = n_blocks * LANES;
    assert_eq!(w.len(), outs * width, "head_back: weights");
    assert_eq!(d_w.len(), w.len(), "head_back: d_w");
    assert_eq!(d_logits.len(), outs * voxels, "head_back: d_logits");
    assert_eq!(d_src.len(), source.values.len(), "head_back: d_src");
    let piece = outs * (n_blocks + 1) * LANES;
    let partial = &mut scratch[..voxels.div_ceil(CHUNK) * piece];
    partial.fill(0.0);
    let dst = Shared::new(d_src);
    partial.par_chunks_mut(piece).enumerate().for_each(|(task, sums)| {
        let from = task * CHUNK;
        let len = CHUNK.min(voxels - from);
        for b in 0..n_blocks {
            let at = (b * voxels + from) * LANES;
            // SAFETY: these voxels of block `b` belong to this task alone.
            let d_src = unsafe { dst.slice(at, len * LANES) };
            cpu.run(Spread {
                x: source.values[at..at + len * LANES].as_chunks::<LANES>().0,
                affine: source.affine(b),
                slope: source.slope,
                w: (w, b, width),
                d_logits: (d_logits, voxels, from),
                d_src: d_src.as_chunks_mut::<LANES>().0,
                write,
                sums: sums.as_chunks_mut::<LANES>().0,
                n_blocks,
            });
        }
        for (r, sum) in sums[outs * width..].chunks_exact_mut(LANES).enumerate() {
            sum[0] = d_logits[r * voxels + from..][..len].iter().sum();
        }
    });
    for (i, d) in d_w.iter_mut().enumerate() {
        *d += partial.chunks_exact(piece).map(|p| f64::from(p[i])).sum::<f64>() as f32;
    }
    for (r, d) in d_bias.iter_mut().enumerate() {
        *d += partial.chunks_exact(piece).map(|p| f64::from(p[outs * width + r * LANES])).sum::<f64>() as f32;
    }
}

struct Spread<'a> {
    x: &'a [[f32; LANES]],
    affine: ([f32; LANES], [f32; LANES]),
    slope: f32,
    w: (&'a [f32], usize, usize),
    d_logits: (&'a [f32], usize, usize),
    d_src: &'a mut [[f32; LANES]],
    write: Write,
    sums: &'a mut [[f32; LANES]],
    n_blocks: usize,
}

impl Kernel for Spread<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let (scale, shift, slope) = (isa.load(&self.affine.0), isa.load(&self.affine.1), isa.splat(self.slope));
        let (w, b, width) = self.w;
        let (d_logits, voxels, from) = self.d_logits;
        let w = w.as_chunks::<LANES>().0;
        let outs = d_logits.len() / voxels;
        for r in 0..outs {
            let weight = isa.load(&w[r * width / LANES + b]);
            let d = &d_logits[r * voxels + from..][..self.x.len()];
            let mut sum = isa.splat(0.0);
            for ((x, d), to) in self.x.iter().zip(d).zip(&mut *self.d_src) {
                let t = isa.fma(isa.load(x), scale, shift);
                let d = isa.splat(*d);
                sum = isa.fma(d, isa.max(t, isa.mul(t, slope)), sum);
                let old = if r > 0 || self.write == Write::Add { isa.load(to) } else { isa.splat(0.0) };
                isa.store(isa.fma(d, weight, old), to);
            }
            isa.store(sum, &mut self.sums[r * self.n_blocks + b]);
        }
    }
}
