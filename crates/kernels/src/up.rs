//! Transposed convolutions 2x2x2, stride 2, forward: each voxel spreads to the eight of its cell.
//!
//! [`Gather::up2`](crate::Gather::up2) says the same as eight gathers, one for each corner of a cell. Here both voxels along
//! x are made together, so the input is read once and the output written in whole lines.

use crate::conv::{Block, products};
use crate::cpu::Cpu;
use crate::gather::{Shape, voxels};
use crate::half::Cell;
use crate::isa::{Isa, Kernel};
use crate::layout::{LANES, Source, blocks};
use crate::team::{Shared, run_tasks};

/// Voxels of a task, about: enough that they share the weights of a corner, few enough to stay in the cache.
const FEW: usize = 96;

/// Rows of a task.
fn strip([_, height, width]: Shape) -> usize {
    (FEW / width).clamp(1, height)
}

/// Scratch that [`convolve_up`] needs for one thread.
pub fn convolve_up_scratch(shape: Shape, in_blocks: usize) -> usize {
    strip(shape) * shape[2] * in_blocks * LANES
}

/// `dst = up(source) + bias`, from a volume of `shape` to one of twice that.
///
/// `source`: blocked, `i` channels; `packed`: [`pack_weights`](crate::pack_weights) of eight taps, canonical
/// `[I][O][2][2][2]`; `bias`: `[O/16 * 16]` or empty; `dst`: `[O/16][2 D][2 H][2 W][16]`; `scratch`:
/// [`convolve_up_scratch`] for each thread. Sum of one output: blocks, then lanes.
///
/// # Panics
/// If a length does not fit.
pub fn convolve_up<T: Cell>(
    cpu: Cpu,
    shape: Shape,
    (source, i): (&Source<'_, T>, usize),
    (packed, bias): (&[f32], &[f32]),
    dst: &mut [T],
    scratch: &mut [f32],
) {
    let n = voxels(shape);
    let (in_blocks, out_blocks) = (source.blocks(n), dst.len() / (8 * n * LANES));
    assert_eq!(in_blocks, blocks(i), "convolve_up: blocks of the source");
    assert_eq!(dst.len(), out_blocks * 8 * n * LANES, "convolve_up: dst");
    assert_eq!(packed.len(), out_blocks * 8 * in_blocks * LANES * LANES, "convolve_up: weights");
    assert!(bias.is_empty() || bias.len() == out_blocks * LANES, "convolve_up: bias");
    let (rows, piece) = (strip(shape), convolve_up_scratch(shape, in_blocks));
    let strips = shape[1].div_ceil(rows);
    let weights = packed.as_chunks::<LANES>().0.as_chunks::<LANES>().0;
    let lanes_in_last = i - (in_blocks - 1) * LANES;
    let dst = Shared::new(dst);
    run_tasks(shape[0] * strips, scratch, piece, |task, staged| {
        let (z, y) = (task / strips, task % strips * rows);
        let at = (z, y, rows.min(shape[1] - y));
        cpu.run(Strip { shape, source, in_blocks, lanes_in_last, weights, bias, out_blocks, at, dst, staged });
    });
}

struct Strip<'a, T> {
    shape: Shape,
    source: &'a Source<'a, T>,
    in_blocks: usize,
    lanes_in_last: usize,
    weights: &'a [Block],
    bias: &'a [f32],
    out_blocks: usize,
    /// Plane, first row, rows.
    at: (usize, usize, usize),
    dst: Shared<'a, T>,
    staged: &'a mut [f32],
}

impl<T: Cell> Kernel for Strip<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        self.stage(isa);
        for ob in 0..self.out_blocks {
            for corner in 0..4 {
                for row in 0..self.at.2 {
                    if I::REGISTERS >= 32 {
                        self.row::<I, 12>(isa, (ob, corner, row));
                    } else {
                        self.row::<I, 2>(isa, (ob, corner, row));
                    }
                }
            }
        }
    }
}

impl<T: Cell> Strip<'_, T> {
    /// What the strip's voxels show: `[block][row][x][16]`.
    #[inline(always)]
    fn stage<I: Isa>(&mut self, isa: I) {
        let [_, height, width] = self.shape;
        let (z, y, rows) = self.at;
        let n = voxels(self.shape);
        let staged = self.staged.as_chunks_mut::<LANES>().0;
        for b in 0..self.in_blocks {
            let (scale, shift) = self.source.affine(b);
            let (scale, shift, slope) = (isa.load(&scale), isa.load(&shift), isa.splat(self.source.slope));
            let from = (b * n + (z * height + y) * width) * LANES;
            let from = self.source.values[from..][..rows * width * LANES].as_chunks::<LANES>().0;
            let to = &mut staged[b * rows * width..][..rows * width];
            for x in 0..rows * width {
                let t = isa.fma(T::load(isa, &from[x]), scale, shift);
                isa.store(isa.max(t, isa.mul(t, slope)), &mut to[x]);
            }
        }
    }

    /// The row of outputs of one corner along z and y, `XT` cells at a time and the rest in smaller tiles.
    #[inline(always)]
    fn row<I: Isa, const XT: usize>(&self, isa: I, at: (usize, usize, usize)) {
        let width = self.shape[2];
        let mut x = 0;
        while x + XT <= width {
            self.tile::<I, XT>(isa, at, x);
            x += XT;
        }
        if XT > 8 && x + 8 <= width {
            self.tile::<I, 8>(isa, at, x);
            x += 8;
        }
        if XT > 4 && x + 4 <= width {
            self.tile::<I, 4>(isa, at, x);
            x += 4;
        }
        while XT > 2 && x + 2 <= width {
            self.tile::<I, 2>(isa, at, x);
            x += 2;
        }
        if x < width {
            self.tile::<I, 1>(isa, at, x);
        }
    }

    #[inline(always)]
    fn tile<I: Isa, const XT: usize>(&self, isa: I, (ob, corner, row): (usize, usize, usize), x: usize) {
        let [depth, height, width] = self.shape;
        let (z, y, rows) = self.at;
        let mut start = isa.splat(0.0);
        if let Some(bias) = self.bias.as_chunks::<LANES>().0.get(ob) {
            start = isa.load(bias);
        }
        let mut acc = [[start; 2]; XT];
        let staged = self.staged.as_chunks::<LANES>().0;
        for b in 0..self.in_blocks {
            let Some(src) = staged[(b * rows + row) * width + x..].first_chunk::<XT>() else {
                unreachable!("a tile lies within its row")
            };
            let at = (ob * 8 + 2 * corner) * self.in_blocks + b;
            let w = [&self.weights[at], &self.weights[at + self.in_blocks]];
            // Apart, so that the usual loop has a constant end.
            acc = if b + 1 == self.in_blocks && self.lanes_in_last < LANES {
                products::<I, XT, 2>(isa, self.lanes_in_last, src, w, acc)
            } else {
                products::<I, XT, 2>(isa, LANES, src, w, acc)
            };
        }
        let (zo, yo) = (2 * z + corner / 2, 2 * (y + row) + corner % 2);
        let line = (((ob * 2 * depth + zo) * 2 * height + yo) * 2 * width + 2 * x) * LANES;
        // SAFETY: the row (zo, yo) of each block belongs to the one task that has this (z, y).
        let cells = unsafe { self.dst.slice(line, 2 * XT * LANES) }.as_chunks_mut::<LANES>().0;
        for i in 0..XT {
            T::store(isa, acc[i][0], &mut cells[2 * i]);
            T::store(isa, acc[i][1], &mut cells[2 * i + 1]);
        }
    }
}
