//! Weight gradients of every [`Gather`].

use crate::conv::Canonical;
use crate::cpu::Cpu;
use crate::gather::{Gather, Staging, Write, find_block, voxels};
use crate::isa::{Isa, Kernel};
use crate::layout::{LANES, Source, blocks};
use crate::team::{Shared, run_tasks};
use rayon::prelude::*;

/// Values of one 16 x 16 block of weights.
const BLOCK: usize = LANES * LANES;

/// Parts that the planes are cut into, summed apart and then together: by shape alone, so that the sum's order does not
/// depend on the number of threads.
fn slabs(gather: &Gather, pairs: usize) -> usize {
    (64 / pairs).clamp(1, gather.count[0])
}

fn strip_rows(gather: &Gather) -> usize {
    gather.count[1].clamp(1, 4)
}

/// Values of partial sums that [`weight_gradient`] needs, whatever the number of threads.
pub fn partial_len(gather: &Gather, (i, o): (usize, usize)) -> usize {
    let pairs = blocks(i) * blocks(o);
    slabs(gather, pairs) * pairs * gather.taps.len() * BLOCK
}

/// Scratch that [`weight_gradient`] needs for one thread.
pub fn weight_gradient_scratch(gather: &Gather) -> usize {
    Staging::new(gather, strip_rows(gather)).block_len() * LANES
}

/// `d_weights (+)= ` the gradient of one [`Gather`] of a layer, at the taps that it has; canonical order.
///
/// `sources`: as in the forward pass, `i` channels; `d_dst`: `[O/16][D][H][W][16]` on [`Gather::dst_shape`], `o` channels;
/// `partial`: [`partial_len`]; `scratch`: [`weight_gradient_scratch`] for each thread.
///
/// # Panics
/// If a length does not fit.
pub fn weight_gradient(
    cpu: Cpu,
    gather: &Gather,
    (sources, d_dst): (&[Source<'_>], &[f32]),
    (order, i, o): (Canonical, usize, usize),
    (d_weights, write): (&mut [f32], Write),
    (partial, scratch): (&mut [f32], &mut [f32]),
) {
    let in_blocks: usize = sources.iter().map(|s| s.blocks(voxels(gather.src))).sum();
    let (ib, ob) = (blocks(i), blocks(o));
    assert_eq!(in_blocks, ib, "weight_gradient: blocks of the sources");
    assert_eq!(d_dst.len(), ob * voxels(gather.dst) * LANES, "weight_gradient: d_dst");
    assert_eq!(d_weights.len(), i * o * gather.n_weights, "weight_gradient: d_weights");
    let n_slabs = slabs(gather, ib * ob);
    let n_taps = gather.taps.len();
    let partial = &mut partial[..n_slabs * ib * ob * n_taps * BLOCK];
    let rows = strip_rows(gather);
    let staging = Staging::new(gather, rows);
    let depth = gather.count[0];
    {
        let shared = Shared::new(partial);
        run_tasks(n_slabs * ib * ob, scratch, staging.block_len() * LANES, |task, staged| {
            let (slab, pair) = (task / (ib * ob), task % (ib * ob));
            // SAFETY: piece `task` of the partial sums belongs to this task alone.
            let sums = unsafe { shared.slice(task * n_taps * BLOCK, n_taps * BLOCK) };
            sums.fill(0.0);
            let planes = (slab * depth / n_slabs, (slab + 1) * depth / n_slabs);
            cpu.run(Slab {
                gather,
                staging,
                rows,
                source: find_block(sources, voxels(gather.src), pair % ib),
                d_dst: &d_dst[pair / ib * voxels(gather.dst) * LANES..][..voxels(gather.dst) * LANES],
                planes,
                sums,
                staged,
            });
        });
    }
    reduce(gather, partial, (order, i, o), (d_weights, write));
}

/// Sums the slabs in their order and puts the result into canonical order.
fn reduce(
    gather: &Gather,
    partial: &[f32],
    (order, i, o): (Canonical, usize, usize),
    (d_weights, write): (&mut [f32], Write),
) {
    let (ib, ob) = (blocks(i), blocks(o));
    let (n_taps, n_weights) = (gather.taps.len(), gather.n_weights);
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
            let pair = oi / LANES * ib + ii / LANES;
            for (t, tap) in gather.taps.iter().enumerate() {
                let at = (pair * n_taps + t) * BLOCK + ii % LANES * LANES + oi % LANES;
                let sum: f32 = partial.chunks_exact(ib * ob * n_taps * BLOCK).map(|slab| slab[at]).sum();
                match write {
                    Write::Overwrite => cell[tap.weight] = sum,
                    Write::Add => cell[tap.weight] += sum,
                }
            }
        }
    });
}

struct Slab<'a> {
    gather: &'a Gather,
    staging: Staging,
    rows: usize,
    source: (&'a Source<'a>, usize),
    d_dst: &'a [f32],
    planes: (usize, usize),
    sums: &'a mut [f32],
    staged: &'a mut [f32],
}

impl Kernel for Slab<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        for z in self.planes.0..self.planes.1 {
            let mut y = 0;
            while y < self.gather.count[1] {
                let rows = self.rows.min(self.gather.count[1] - y);
                let staged = self.staged.as_chunks_mut::<LANES>().0;
                self.staging.lay(isa, self.source, self.gather.src, (z, y), staged);
                if I::REGISTERS >= 32 {
                    self.strip::<I, 16>(isa, (z, y, rows));
                } else {
                    self.strip::<I, 4>(isa, (z, y, rows));
                }
                y += rows;
            }
        }
    }
}

impl Slab<'_> {
    /// Adds the products of one strip, `IT` input lanes at a time.
    #[inline(always)]
    fn strip<I: Isa, const IT: usize>(&mut self, isa: I, (z, y, rows): (usize, usize, usize)) {
        let g = self.gather;
        let staged = self.staged.as_chunks::<LANES>().0;
        let d_dst = self.d_dst.as_chunks::<LANES>().0;
        let sums = self.sums.as_chunks_mut::<LANES>().0;
        let (height, width) = (g.dst[1], g.dst[2]);
        for (tap, sums) in g.taps.iter().zip(sums.chunks_exact_mut(LANES)) {
            let at = self.staging.tap(*tap);
            for first in (0..LANES).step_by(IT) {
                let mut acc = [isa.splat(0.0); IT];
                for k in 0..IT {
                    acc[k] = isa.load(&sums[first + k]);
                }
                for row in 0..rows {
                    let (zd, yd) = (g.place * z + g.offset[0], g.place * (y + row) + g.offset[1]);
                    let line = &d_dst[(zd * height + yd) * width..][..width];
                    let src = &staged[row * self.staging.row() + at..][..g.count[2]];
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
