//! Direct convolutions, forward: every [`Gather`] in one kernel.

use crate::cpu::Cpu;
use crate::gather::{Gather, Staging, Write, find_block, voxels};
use crate::half::Cell;
use crate::isa::{Isa, Kernel};
use crate::layout::{LANES, Source, blocks};
use crate::team::{Shared, run_tasks};

/// A 16 x 16 block of weights, `[input lane][output lane]`.
pub(crate) type Block = [[f32; LANES]; LANES];

/// Values in the packed weights of a layer: `[O/16][tap][I/16][16 i][16 o]`.
pub fn packed_len(n_weights: usize, i: usize, o: usize) -> usize {
    blocks(o) * n_weights * blocks(i) * LANES * LANES
}

/// Which of a weight's two channel axes is outermost in the canonical (PyTorch's) order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canonical {
    /// `[O][I][taps]`: convolutions.
    OutIn,
    /// `[I][O][taps]`: transposed convolutions, and data gradients of convolutions.
    InOut,
}

/// Packs canonical weights for [`convolve`]: `i` inputs and `o` outputs of the *gather*, `n_weights` taps.
///
/// # Panics
/// If a length does not fit.
pub fn pack_weights(order: Canonical, n_weights: usize, (i, o): (usize, usize), weights: &[f32], packed: &mut [f32]) {
    use rayon::prelude::*;
    assert_eq!(weights.len(), i * o * n_weights, "pack_weights: weights");
    assert_eq!(packed.len(), packed_len(n_weights, i, o), "pack_weights: packed");
    let in_blocks = blocks(i);
    packed.par_chunks_mut(n_weights * in_blocks * LANES * LANES).enumerate().for_each(|(ob, group)| {
        group.fill(0.0);
        for ol in 0..LANES.min(o - ob * LANES) {
            for ii in 0..i {
                let oi = ob * LANES + ol;
                let row = match order {
                    Canonical::OutIn => oi * i + ii,
                    Canonical::InOut => ii * o + oi,
                };
                for (t, &w) in weights[row * n_weights..][..n_weights].iter().enumerate() {
                    group[((t * in_blocks + ii / LANES) * LANES + ii % LANES) * LANES + ol] = w;
                }
            }
        }
    });
}

/// Rows of outputs a task makes: few enough that the staged input stays in the second-level cache.
pub(crate) fn strip_rows(gather: &Gather, in_blocks: usize) -> usize {
    const CACHE: usize = 384 << 10;
    let fits = |rows: &usize| Staging::new(gather, *rows).block_len() * in_blocks * LANES * 4 <= CACHE;
    (1..=gather.count[1].clamp(1, 8)).rev().find(fits).unwrap_or(1)
}

/// Scratch that [`convolve`] needs for one thread.
pub fn convolve_scratch(gather: &Gather, in_blocks: usize) -> usize {
    Staging::new(gather, strip_rows(gather, in_blocks)).block_len() * in_blocks * LANES
}

/// `dst (+)= gather(sources) + bias`.
///
/// `sources`: blocked, their channels one after another, `i` in all; `packed`: [`pack_weights`]; `bias`: `[O/16 * 16]` or
/// empty; `dst`: `[O/16][D][H][W][16]` of [`Gather::dst_shape`]; `scratch`: [`convolve_scratch`] for each thread.
/// Sum of one output: blocks, then taps, then lanes.
///
/// # Panics
/// If a length does not fit.
pub fn convolve<T: Cell>(
    cpu: Cpu,
    gather: &Gather,
    (sources, i): (&[Source<'_, T>], usize),
    (packed, bias): (&[f32], &[f32]),
    (dst, write): (&mut [T], Write),
    scratch: &mut [f32],
) {
    let (src_voxels, dst_voxels) = (voxels(gather.src), voxels(gather.dst));
    let in_blocks: usize = sources.iter().map(|s| s.blocks(src_voxels)).sum();
    let out_blocks = dst.len() / (dst_voxels * LANES);
    assert_eq!(in_blocks, blocks(i), "convolve: blocks of the sources");
    assert_eq!(dst.len(), out_blocks * dst_voxels * LANES, "convolve: dst");
    assert_eq!(packed.len(), out_blocks * gather.n_weights * in_blocks * LANES * LANES, "convolve: weights");
    assert!(bias.is_empty() || bias.len() == out_blocks * LANES, "convolve: bias");
    let rows = strip_rows(gather, in_blocks);
    let staging = Staging::new(gather, rows);
    let strips = gather.count[1].div_ceil(rows);
    let piece = staging.block_len() * in_blocks * LANES;
    let weights = packed.as_chunks::<LANES>().0.as_chunks::<LANES>().0;
    let dst = Shared::new(dst);
    let mut taps = [(0, 0); 27];
    for (place, tap) in taps.iter_mut().zip(&gather.taps) {
        *place = (staging.tap(*tap), tap.weight);
    }
    run_tasks(gather.count[0] * strips, scratch, piece, |task, staged| {
        let (z, y) = (task / strips, task % strips * rows);
        T::strip(
            cpu,
            Strip {
                gather,
                taps,
                staging,
                sources,
                lanes_in_last: i - (in_blocks - 1) * LANES,
                in_blocks,
                weights,
                bias,
                out_blocks,
                at: (z, y, rows.min(gather.count[1] - y)),
                dst,
                write,
                staged,
            },
        );
    });
}

pub(crate) struct Strip<'a, T> {
    gather: &'a Gather,
    /// Of each tap: its place in a staged block, and its weight.
    taps: [(usize, usize); 27],
    staging: Staging,
    sources: &'a [Source<'a, T>],
    in_blocks: usize,
    lanes_in_last: usize,
    weights: &'a [Block],
    bias: &'a [f32],
    out_blocks: usize,
    at: (usize, usize, usize),
    dst: Shared<'a, T>,
    write: Write,
    staged: &'a mut [f32],
}

impl<T: Cell> Kernel for Strip<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        self.stage(isa);
        let mut ob = 0;
        if I::REGISTERS >= 32 {
            while ob + 2 <= self.out_blocks {
                self.rows::<I, 12, 2>(isa, ob);
                ob += 2;
            }
            if ob < self.out_blocks {
                self.rows::<I, 12, 1>(isa, ob);
            }
        } else {
            while ob < self.out_blocks {
                self.rows::<I, 4, 1>(isa, ob);
                ob += 1;
            }
        }
    }
}

impl<T: Cell> Strip<'_, T> {
    #[inline(always)]
    fn stage<I: Isa>(&mut self, isa: I) {
        let len = self.staging.block_len();
        let (z, y, _) = self.at;
        let staged = self.staged.as_chunks_mut::<LANES>().0;
        for (b, to) in staged.chunks_exact_mut(len).take(self.in_blocks).enumerate() {
            let block = find_block(self.sources, voxels(self.gather.src), b);
            self.staging.lay(isa, block, self.gather.src, (z, y), to);
        }
    }

    /// All rows of the strip for `OB` output blocks from `ob`, `XT` outputs at a time and the rest in smaller tiles.
    #[inline(always)]
    fn rows<I: Isa, const XT: usize, const OB: usize>(&self, isa: I, ob: usize) {
        let width = self.gather.count[2];
        for row in 0..self.at.2 {
            let mut x = 0;
            while x + XT <= width {
                self.tile::<I, XT, OB>(isa, ob, row, x);
                x += XT;
            }
            if XT > 6 && x + 6 <= width {
                self.tile::<I, 6, OB>(isa, ob, row, x);
                x += 6;
            }
            if XT > 4 && x + 4 <= width {
                self.tile::<I, 4, OB>(isa, ob, row, x);
                x += 4;
            }
            while x + 2 <= width {
                self.tile::<I, 2, OB>(isa, ob, row, x);
                x += 2;
            }
            if x < width {
                self.tile::<I, 1, OB>(isa, ob, row, x);
            }
        }
    }

    #[inline(always)]
    fn tile<I: Isa, const XT: usize, const OB: usize>(&self, isa: I, ob: usize, row: usize, x: usize) {
        let mut start = [isa.splat(0.0); OB];
        for o in 0..OB {
            if let Some(bias) = self.bias.as_chunks::<LANES>().0.get(ob + o) {
                start[o] = isa.load(bias);
            }
        }
        let mut acc = [start; XT];
        let full = if self.lanes_in_last < LANES { self.in_blocks - 1 } else { self.in_blocks };
        for b in 0..full {
            acc = self.block::<I, XT, OB>(isa, LANES, (ob, b, row, x), acc);
        }
        if full < self.in_blocks {
            acc = self.block::<I, XT, OB>(isa, self.lanes_in_last, (ob, full, row, x), acc);
        }
        self.put(isa, (ob, row, x), &acc);
    }

    /// Adds what the first `lanes` of input block `b` give.
    #[inline(always)]
    fn block<I: Isa, const XT: usize, const OB: usize>(
        &self,
        isa: I,
        lanes: usize,
        (ob, b, row, x): (usize, usize, usize, usize),
        mut acc: [[I::V; OB]; XT],
    ) -> [[I::V; OB]; XT] {
        let staged = self.staged.as_chunks::<LANES>().0;
        let per_block = self.gather.n_weights * self.in_blocks;
        let start = b * self.staging.block_len() + row * self.staging.row() + x;
        for &(tap, weight) in &self.taps[..self.gather.taps.len()] {
            let Some(src) = staged[start + tap..].first_chunk::<XT>() else {
                unreachable!("the staged row is as long as its outputs and taps")
            };
            let at = ob * per_block + weight * self.in_blocks + b;
            let mut w = [&self.weights[at]; OB];
            for o in 1..OB {
                w[o] = &self.weights[at + o * per_block];
            }
            acc = products::<I, XT, OB>(isa, lanes, src, w, acc);
        }
        acc
    }

    #[inline(always)]
    fn put<I: Isa, const XT: usize, const OB: usize>(
        &self,
        isa: I,
        (ob, row, x): (usize, usize, usize),
        acc: &[[I::V; OB]; XT],
    ) {
        let g = self.gather;
        let [depth, height, width] = g.dst;
        let (z, y) = (g.place * self.at.0 + g.offset[0], g.place * (self.at.1 + row) + g.offset[1]);
        for o in 0..OB {
            let start = (((ob + o) * depth + z) * height + y) * width * LANES;
            // SAFETY: the row (ob + o, z, y) belongs to the one task that has this (z, y) of this gather; gathers run one
            // after another.
            let line = unsafe { self.dst.slice(start, width * LANES) }.as_chunks_mut::<LANES>().0;
            let cells = line[g.place * x + g.offset[2]..].iter_mut().step_by(g.place);
            for (cell, acc) in cells.zip(acc) {
                let v = match self.write {
                    Write::Overwrite => acc[o],
                    Write::Add => isa.add(acc[o], T::load(isa, cell)),
                };
                T::store(isa, v, cell);
            }
        }
    }
}

/// `acc[x][o] += src[x][k] * w[o][k]` for the first `lanes` of `k`. Plain index loops: closures (`array::from_fn`) are
/// not inlined into code of another instruction set, and the sums then live in memory (30 GF/s instead of 190).
#[inline(always)]
pub(crate) fn products<I: Isa, const XT: usize, const OB: usize>(
    isa: I,
    lanes: usize,
    src: &[[f32; LANES]; XT],
    w: [&Block; OB],
    mut acc: [[I::V; OB]; XT],
) -> [[I::V; OB]; XT] {
    for k in 0..lanes {
        let mut wk = [isa.splat(0.0); OB];
        for o in 0..OB {
            wk[o] = isa.load(&w[o][k]);
        }
        for x in 0..XT {
            let s = isa.splat(src[x][k]);
            for o in 0..OB {
                acc[x][o] = isa.fma(s, wk[o], acc[x][o]);
            }
        }
    }
    acc
}
