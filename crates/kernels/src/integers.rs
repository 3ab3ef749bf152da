//! Direct convolutions with products of 16-bit integers, forward: where Winograd's filtering has nothing to save, with few
//! input channels or a stride.

use crate::conv::strip_rows;
use crate::cpu::Cpu;
use crate::gather::{Gather, Staging, voxels};
use crate::half::Cell;
use crate::isa::{DotKernel, Dots, Isa, Kernel};
use crate::layout::{LANES, Source, blocks};
use crate::pairs::{HEADROOM, Pairs, Tail, Words, dot_channels, limit, n_pairs, order, steps, word};
use crate::team::{Shared, run_tasks};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// A 3x3x3 convolution with its weights as integers, and the scales that go with them.
#[derive(Clone, Debug)]
pub struct DirectIntegers {
    gather: Gather,
    inputs: usize,
    out_blocks: usize,
    /// `[out block][tap][pair][16]`, two neighbouring input channels a word.
    pairs: Vec<Words>,
    /// `[out block][16]`: what a sum of products is multiplied by.
    back: Vec<[f32; LANES]>,
    gain: f32,
    limit: i16,
}

impl DirectIntegers {
    /// Prepares canonical weights `[O][I][27]` of `gather`, for inputs that were at most `widest` in calibration ([`largest`]).
    ///
    /// # Panics
    /// If a length does not fit, `widest` is not a positive number, or the gather is not one of 27 taps that meets each
    /// output once.
    pub fn new(gather: Gather, (i, o): (usize, usize), weights: &[f32], widest: f32) -> Self {
        assert!(gather.taps.len() == 27 && gather.place == 1, "integers: not a 3x3x3 convolution");
        assert_eq!(weights.len(), i * o * 27, "integers: weights");
        assert!(widest > 0.0 && widest.is_finite(), "integers: a widest input of {widest}");
        let limit = limit(27 * i);
        let gain = limit / (HEADROOM * widest);
        let (order, out_blocks) = (order(i), blocks(o));
        let mut pairs = vec![Words([0; LANES]); out_blocks * 27 * order.len()];
        let mut back = vec![[0.0; LANES]; out_blocks];
        let each = pairs.par_chunks_exact_mut(27 * order.len()).zip(&mut back).enumerate();
        each.for_each(|(block, (pairs, back))| {
            let mut u = vec![[0.0; LANES]; (i + 1) * 27];
            for lane in 0..LANES.min(o - block * LANES) {
                let of_lane = &weights[(block * LANES + lane) * i * 27..][..i * 27];
                u.iter_mut().zip(of_lane).for_each(|(u, w)| u[lane] = *w);
            }
            let steps = steps(&u[..i * 27], limit);
            *back = steps.map(|step| step / gain);
            for tap in 0..27 {
                for (&channel, pair) in order.iter().zip(&mut pairs[tap * order.len()..]) {
                    let (first, second) = (u[channel * 27 + tap], u[(channel + 1) * 27 + tap]);
                    for lane in 0..LANES {
                        pair.0[lane] = word(first[lane] / steps[lane], second[lane] / steps[lane]);
                    }
                }
            }
        });
        Self { gather, inputs: i, out_blocks, pairs, back, gain, limit: limit as i16 }
    }

    /// Scratch of one thread for a `gather` from so many input blocks.
    pub fn scratch_len(gather: &Gather, in_blocks: usize) -> usize {
        Staging::new(gather, strip_rows(gather, in_blocks)).block_len() * in_blocks.div_ceil(2) * LANES
    }

    /// `dst = convolution of sources`, `[O/16][D][H][W][16]`. Returns how many numbers were cut off because they lay outside of
    /// what the scales allow.
    ///
    /// `sources`: blocked, their channels one after another; `scratch`: [`DirectIntegers::scratch_len`] for each thread. The
    /// same bits on every machine that can.
    ///
    /// # Panics
    /// If a length does not fit, or not [`Cpu::has_int16`].
    pub fn convolve<T: Cell>(&self, cpu: Cpu, sources: &[Source<'_, T>], dst: &mut [T], scratch: &mut [f32]) -> u64 {
        let (src_voxels, dst_voxels) = (voxels(self.gather.src), voxels(self.gather.dst));
        let in_blocks: usize = sources.iter().map(|s| s.blocks(src_voxels)).sum();
        assert_eq!(in_blocks, blocks(self.inputs), "integers: blocks of the sources");
        assert_eq!(dst.len(), self.out_blocks * dst_voxels * LANES, "integers: dst");
        let rows = strip_rows(&self.gather, in_blocks);
        let staging = Staging::new(&self.gather, rows);
        let strips = self.gather.count[1].div_ceil(rows);
        let piece = Self::scratch_len(&self.gather, in_blocks);
        let mut taps = [0; 27];
        for tap in &self.gather.taps {
            taps[tap.weight] = staging.tap(*tap);
        }
        let (tail, dst, lost) = (Tail::new(self.inputs), Shared::new(dst), AtomicU64::new(0));
        run_tasks(self.gather.count[0] * strips, scratch, piece, |task, staged| {
            let (z, y) = (task / strips, task % strips * rows);
            let at = (z, y, rows.min(self.gather.count[1] - y));
            let staged: &mut [Pairs] = bytemuck::cast_slice_mut::<f32, i32>(staged).as_chunks_mut().0;
            let strip = Strip { layer: self, taps, staging, sources, tail, at, dst, staged };
            lost.fetch_add(T::strip_in_integers(cpu, strip), Ordering::Relaxed);
        });
        lost.into_inner()
    }
}

/// Some rows of a plane of outputs.
pub(crate) struct Strip<'a, T> {
    layer: &'a DirectIntegers,
    /// Where each tap lies in a staged pair of blocks.
    taps: [usize; 27],
    staging: Staging,
    sources: &'a [Source<'a, T>],
    tail: Tail,
    /// Plane, first row, rows.
    at: (usize, usize, usize),
    dst: Shared<'a, T>,
    staged: &'a mut [Pairs],
}

impl<T: Cell> DotKernel for Strip<'_, T> {
    type Output = u64;
    #[inline(always)]
    fn run<I: Isa, D: Dots<I>>(self, isa: I, dots: D) -> u64 {
        let Self { layer, sources, at: (z, y, _), .. } = self;
        let scales = (layer.gain, layer.limit);
        let lost = self.staging.lay_integers((isa, dots), (sources, layer.gather.src), (z, y), scales, self.staged);
        let mut ob = 0;
        while ob + 2 <= self.layer.out_blocks {
            self.rows::<I, D, 12, 2>((isa, dots), ob);
            ob += 2;
        }
        if ob < self.layer.out_blocks {
            self.rows::<I, D, 12, 1>((isa, dots), ob);
        }
        lost
    }
}

impl<T: Cell> Strip<'_, T> {
    /// All rows of the strip for `OB` output blocks from `ob`, `XT` outputs at a time and the rest in smaller tiles.
    #[inline(always)]
    fn rows<I: Isa, D: Dots<I>, const XT: usize, const OB: usize>(&self, isa: (I, D), ob: usize) {
        let width = self.layer.gather.count[2];
        for row in 0..self.at.2 {
            let mut x = 0;
            while x + XT <= width {
                self.tile::<I, D, XT, OB>(isa, ob, row, x);
                x += XT;
            }
            if x + 8 <= width {
                self.tile::<I, D, 8, OB>(isa, ob, row, x);
                x += 8;
            }
            if x + 4 <= width {
                self.tile::<I, D, 4, OB>(isa, ob, row, x);
                x += 4;
            }
            while x < width {
                self.tile::<I, D, 1, OB>(isa, ob, row, x);
                x += 1;
            }
        }
    }

    #[inline(always)]
    fn tile<I: Isa, D: Dots<I>, const XT: usize, const OB: usize>(
        &self,
        (isa, dots): (I, D),
        ob: usize,
        row: usize,
        x: usize,
    ) {
        let mut sum = [[dots.zero(); OB]; XT];
        let per_tap = n_pairs(self.layer.inputs);
        let start = row * self.staging.row() + x;
        for (tap, place) in self.taps.iter().enumerate() {
            let mut w = [&self.layer.pairs[..0]; OB];
            for o in 0..OB {
                w[o] = &self.layer.pairs[((ob + o) * 27 + tap) * per_tap..][..per_tap];
            }
            let src = (&*self.staged, self.staging.block_len(), start + place);
            sum = dot_channels::<I, D, XT, OB>(dots, src, (w, &self.tail), sum);
        }
        self.put::<I, D, XT, OB>((isa, dots), (ob, row, x), &sum);
    }

    #[inline(always)]
    fn put<I: Isa, D: Dots<I>, const XT: usize, const OB: usize>(
        &self,
        (isa, dots): (I, D),
        (ob, row, x): (usize, usize, usize),
        sum: &[[D::W; OB]; XT],
    ) {
        let [depth, height, width] = self.layer.gather.dst;
        let (z, y) = (self.at.0, self.at.1 + row);
        for o in 0..OB {
            let start = ((((ob + o) * depth + z) * height + y) * width + x) * LANES;
            // SAFETY: the row (ob + o, z, y) belongs to the one task that has this (z, y).
            let cells = unsafe { self.dst.slice(start, XT * LANES) }.as_chunks_mut::<LANES>().0;
            let back = isa.load(&self.layer.back[ob + o]);
            for i in 0..XT {
                T::store(isa, isa.mul(dots.float(sum[i][o]), back), &mut cells[i]);
            }
        }
    }
}

/// The largest magnitude that `sources` show: what [`DirectIntegers::new`] wants to know, found on examples.
pub fn largest<T: Cell>(cpu: Cpu, sources: &[Source<'_, T>], voxels: usize) -> f32 {
    let of_block = |(source, b): (&Source<'_, T>, usize)| {
        let x = source.values[b * voxels * LANES..][..voxels * LANES].as_chunks::<LANES>().0;
        let of_part = |x: &[[T; LANES]]| T::largest(cpu, Largest { x, affine: source.affine(b), slope: source.slope });
        x.par_chunks(4096).map(of_part).reduce(|| 0.0, f32::max)
    };
    let all = sources.iter().flat_map(|source| (0..source.blocks(voxels)).map(move |b| (source, b)));
    all.map(of_block).fold(0.0, f32::max)
}

/// The largest magnitude of some voxels of a block.
pub(crate) struct Largest<'a, T> {
    pub(crate) x: &'a [[T; LANES]],
    pub(crate) affine: ([f32; LANES], [f32; LANES]),
    pub(crate) slope: f32,
}

impl<T: Cell> Kernel for Largest<'_, T> {
    type Output = f32;
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> f32 {
        let (scale, shift, slope) = (isa.load(&self.affine.0), isa.load(&self.affine.1), isa.splat(self.slope));
        let mut largest = isa.splat(0.0);
        for x in self.x {
            let t = isa.fma(T::load(isa, x), scale, shift);
            let seen = isa.max(t, isa.mul(t, slope));
            largest = isa.max(isa.max(seen, isa.sub(isa.splat(0.0), seen)), largest);
        }
        let mut lanes = [0.0; LANES];
        isa.store(largest, &mut lanes);
        lanes.into_iter().fold(0.0, f32::max)
    }
}
