//! Weight gradients of every layer of [`Gather`]s.

use crate::conv::Canonical;
use crate::cpu::Cpu;
use crate::gather::{Gather, Staging, Write, find_block, voxels};
use crate::isa::{Isa, Kernel};
use crate::layout::{LANES, Source, blocks};
use crate::team::{Shared, run_tasks};
use rayon::prelude::*;
use std::ops::Range;

/// Values of one 16 x 16 block of weights.
const BLOCK: usize = LANES * LANES;

/// Blocks of products that a task makes of each voxel of the output's gradient, at least: fewer, and the time goes into reading it.
const USES: usize = 8;

/// How the sums of a layer are cut into tasks: by shape alone, so that their order does not depend on the number of threads.
#[derive(Clone, Copy)]
struct Cut {
    in_blocks: usize,
    out_blocks: usize,
    /// Parts that the planes are cut into, summed apart and then together.
    slabs: usize,
    /// Input blocks of a task, but for the last.
    group: usize,
    /// Input rows that are staged at once.
    rows: usize,
    staging: Staging,
    /// Of all gathers.
    taps: usize,
}

impl Cut {
    fn new(gathers: &[Gather], (i, o): (usize, usize)) -> Self {
        let (first, in_blocks, out_blocks) = (&gathers[0], blocks(i), blocks(o));
        let rows = first.count[1].clamp(1, 4);
        Self {
            in_blocks,
            out_blocks,
            slabs: (64 / (in_blocks * out_blocks)).clamp(1, first.count[0]),
            group: USES.div_ceil(first.taps.len()).min(in_blocks),
            rows,
            staging: Staging::new(first, rows),
            taps: gathers.iter().map(|gather| gather.taps.len()).sum(),
        }
    }

    /// Values of one slab's sums.
    fn slab(&self) -> usize {
        self.in_blocks * self.out_blocks * self.taps * BLOCK
    }
}

/// Values of partial sums that [`weight_gradient`] needs, whatever the number of threads.
pub fn partial_len(gathers: &[Gather], channels: (usize, usize)) -> usize {
    let cut = Cut::new(gathers, channels);
    cut.slabs * cut.slab()
}

/// Scratch that [`weight_gradient`] needs for one thread.
pub fn weight_gradient_scratch(gathers: &[Gather], channels: (usize, usize)) -> usize {
    let cut = Cut::new(gathers, channels);
    cut.group * cut.staging.block_len() * LANES
}

/// `d_weights (+)= ` the gradient of a layer's weights; canonical order.
///
/// `gathers`: all of the layer, which read the same input; `sources`: as in the forward pass, `i` channels; `d_dst`:
/// `[O/16][D][H][W][16]` on [`Gather::dst_shape`], `o` channels; `partial`: [`partial_len`]; `scratch`:
/// [`weight_gradient_scratch`] for each thread.
///
/// # Panics
/// If a length does not fit.
pub fn weight_gradient(
    cpu: Cpu,
    gathers: &[Gather],
    (sources, d_dst): (&[Source<'_>], &[f32]),
    (order, i, o): (Canonical, usize, usize),
    (d_weights, write): (&mut [f32], Write),
    (partial, scratch): (&mut [f32], &mut [f32]),
) {
    let (src, dst, n_weights) = (gathers[0].src, voxels(gathers[0].dst), gathers[0].n_weights);
    let cut = Cut::new(gathers, (i, o));
    let in_blocks: usize = sources.iter().map(|s| s.blocks(voxels(src))).sum();
    assert_eq!(in_blocks, cut.in_blocks, "weight_gradient: blocks of the sources");
    assert_eq!(d_dst.len(), cut.out_blocks * dst * LANES, "weight_gradient: d_dst");
    assert_eq!(d_weights.len(), i * o * n_weights, "weight_gradient: d_weights");
    let partial = &mut partial[..cut.slabs * cut.slab()];
    let groups = in_blocks.div_ceil(cut.group);
    let (shared, piece) = (Shared::new(partial), cut.group * cut.staging.block_len() * LANES);
    run_tasks(cut.slabs * cut.out_blocks * groups, scratch, piece, |task, staged| {
        let (slab, ob, first) =
            (task / groups / cut.out_blocks, task / groups % cut.out_blocks, task % groups * cut.group);
        let of = first..(first + cut.group).min(in_blocks);
        let pair = (slab * cut.out_blocks + ob) * in_blocks + first;
        // SAFETY: the pairs of its blocks in its slab belong to this task alone.
        let sums = unsafe { shared.slice(pair * cut.taps * BLOCK, of.len() * cut.taps * BLOCK) };
        sums.fill(0.0);
        let planes = slab * gathers[0].count[0] / cut.slabs..(slab + 1) * gathers[0].count[0] / cut.slabs;
        let d_dst = &d_dst[ob * dst * LANES..][..dst * LANES];
        cpu.run(Share { gathers, cut, sources, of, planes, d_dst, sums, staged });
    });
    reduce(gathers, cut, partial, (order, i, o), (d_weights, write));
}

/// Sums the slabs in their order and puts the result into canonical order.
fn reduce(
    gathers: &[Gather],
    cut: Cut,
    partial: &[f32],
    (order, i, o): (Canonical, usize, usize),
    (d_weights, write): (&mut [f32], Write),
) {
    let n_weights = gathers[0].n_weights;
    let outer = match order {
        Canonical::OutIn => i,
        Canonical::InOut => o,
    };
    d_weights.par_chunks_mut(outer * n_weights).enumerate().for_each(|(a, row)| {
        for (b, cell) in row.chunks_exact_mut(n_weights).enumerate() {
            let (oi, ii) = match order {
                Canonical::OutIn => (a, b),
                Canonical::InOut => (b, a),
            };
            let pair = oi / LANES * cut.in_blocks + ii / LANES;
            for (t, tap) in gathers.iter().flat_map(|gather| &gather.taps).enumerate() {
                let at = (pair * cut.taps + t) * BLOCK + ii % LANES * LANES + oi % LANES;
                let sum: f32 = partial.chunks_exact(cut.slab()).map(|slab| slab[at]).sum();
                match write {
                    Write::Overwrite => cell[tap.weight] = sum,
                    Write::Add => cell[tap.weight] += sum,
                }
            }
        }
    });
}

/// The share of a task: a group of input blocks with one output block, over some planes.
struct Share<'a> {
    gathers: &'a [Gather],
    cut: Cut,
    sources: &'a [Source<'a>],
    /// Input blocks.
    of: Range<usize>,
    planes: Range<usize>,
    d_dst: &'a [f32],
    /// `[input block][tap of all gathers][16][16]`.
    sums: &'a mut [f32],
    staged: &'a mut [f32],
}

impl Kernel for Share<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        let Self { cut, gathers, .. } = self;
        let (src, [_, height, _]) = (gathers[0].src, gathers[0].count);
        for z in self.planes.clone() {
            for y in (0..height).step_by(cut.rows) {
                let staged = self.staged.as_chunks_mut::<LANES>().0.chunks_exact_mut(cut.staging.block_len());
                for (b, staged) in self.of.clone().zip(staged) {
                    cut.staging.lay(isa, find_block(self.sources, voxels(src), b), src, (z, y), staged);
                }
                let rows = cut.rows.min(height - y);
                let mut first_tap = 0;
                for gather in gathers {
                    for b in 0..self.of.len() {
                        if I::REGISTERS >= 32 {
                            self.strip::<I, 16>(isa, (gather, first_tap), b, (z, y, rows));
                        } else {
                            self.strip::<I, 4>(isa, (gather, first_tap), b, (z, y, rows));
                        }
                    }
                    first_tap += gather.taps.len();
                }
            }
        }
    }
}

impl Share<'_> {
    /// Adds the products of one strip of a gather with input block `b` of the task, `IT` input lanes at a time.
    #[inline(always)]
    fn strip<I: Isa, const IT: usize>(
        &mut self,
        isa: I,
        (g, first_tap): (&Gather, usize),
        b: usize,
        (z, y, rows): (usize, usize, usize),
    ) {
        let Self { cut: Cut { staging, taps, .. }, .. } = *self;
        let staged = &self.staged.as_chunks::<LANES>().0[b * staging.block_len()..][..staging.block_len()];
        let d_dst = self.d_dst.as_chunks::<LANES>().0;
        let sums = &mut self.sums.as_chunks_mut::<LANES>().0[(b * taps + first_tap) * LANES..];
        let (height, width) = (g.dst[1], g.dst[2]);
        for (tap, sums) in g.taps.iter().zip(sums.chunks_exact_mut(LANES)) {
            let at = staging.tap(*tap);
            for first in (0..LANES).step_by(IT) {
                let mut acc = [isa.splat(0.0); IT];
                for k in 0..IT {
                    acc[k] = isa.load(&sums[first + k]);
                }
                for row in 0..rows {
                    let (zd, yd) = (g.place * z + g.offset[0], g.place * (y + row) + g.offset[1]);
                    let line = &d_dst[(zd * height + yd) * width..][..width];
                    let src = &staged[row * staging.row() + at..][..g.count[2]];
                    for (src, d) in src.iter().zip(line[g.offset[2]..].iter().step_by(g.place)) {
                        let d = isa.load(d);
                        for (k, acc) in acc.iter_mut().enumerate() {
                            *acc = isa.fma(isa.splat(src[(first + k) & 15]), d, *acc);
                        }
                    }
                }
                for (k, acc) in acc.into_iter().enumerate() {
                    isa.store(acc, &mut sums[first + k]);
                }
            }
        }
    }
}
