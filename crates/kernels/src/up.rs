//! Transposed convolutions 2x2x2, stride 2, forward: each voxel spreads to the eight of its cell.
//!
//! [`Gather::up2`](crate::Gather::up2) says the same as eight gathers, one for each corner of a cell. Here both voxels along
//! x are made together, so the input is read once and the output written in whole lines.

use crate::conv::{Block, products};
use crate::cpu::Cpu;
use crate::gather::{Shape, Staging, voxels};
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

/// Scratch that [`convolve_up`] and [`UpIntegers::convolve`](crate::UpIntegers::convolve) need for one thread.
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
    let weights = packed.as_chunks::<LANES>().0.as_chunks::<LANES>().0;
    let layer = Layer { source, in_blocks, lanes_in_last: i - (in_blocks - 1) * LANES, weights, bias };
    each_strip(shape, dst, (scratch, convolve_up_scratch(shape, in_blocks)), |strip, staged| {
        T::up(cpu, InFloats { layer, strip, staged: staged.as_chunks_mut().0 });
    });
}

/// Runs `body` for each strip, with `piece` values of scratch.
pub(crate) fn each_strip<T: Cell>(
    shape: Shape,
    dst: &mut [T],
    (scratch, piece): (&mut [f32], usize),
    body: impl Fn(Strip<'_, T>, &mut [f32]) + Sync,
) {
    let (rows, out_blocks) = (strip(shape), dst.len() / (8 * voxels(shape) * LANES));
    let staging = Staging::of_rows(shape, rows);
    let strips = shape[1].div_ceil(rows);
    let dst = Shared::new(dst);
    run_tasks(shape[0] * strips, scratch, piece, |task, staged| {
        let (z, y) = (task / strips, task % strips * rows);
        body(Strip { shape, out_blocks, staging, at: (z, y), rows: rows.min(shape[1] - y), dst }, staged);
    });
}

/// Some rows of the input, and where their outputs go.
#[derive(Clone, Copy)]
pub(crate) struct Strip<'a, T> {
    pub(crate) shape: Shape,
    out_blocks: usize,
    pub(crate) staging: Staging,
    /// Plane and first row.
    pub(crate) at: (usize, usize),
    pub(crate) rows: usize,
    dst: Shared<'a, T>,
}

/// How the voxels of a strip become outputs: the arithmetic of their products.
pub(crate) trait Spread<I: Isa> {
    /// Of output block `ob` and the corner along z and y, both outputs along x of each of `XT` voxels that are staged from
    /// `at` on.
    fn cells<const XT: usize>(&self, isa: I, place: (usize, usize), at: usize) -> [[I::V; 2]; XT];
}

impl<T: Cell> Strip<'_, T> {
    /// Writes all outputs.
    #[inline(always)]
    pub(crate) fn write<I: Isa>(&self, isa: I, voxels: &impl Spread<I>) {
        for ob in 0..self.out_blocks {
            for corner in 0..4 {
                for row in 0..self.rows {
                    if I::REGISTERS >= 32 {
                        self.row::<I, _, 12>(isa, voxels, (ob, corner, row));
                    } else {
                        self.row::<I, _, 2>(isa, voxels, (ob, corner, row));
                    }
                }
            }
        }
    }

    /// The row of outputs of one corner along z and y, `XT` cells at a time and the rest in smaller tiles.
    #[inline(always)]
    fn row<I: Isa, S: Spread<I>, const XT: usize>(&self, isa: I, voxels: &S, at: (usize, usize, usize)) {
        let width = self.shape[2];
        let mut x = 0;
        while x + XT <= width {
            self.tile::<I, S, XT>(isa, voxels, at, x);
            x += XT;
        }
        if XT > 8 && x + 8 <= width {
            self.tile::<I, S, 8>(isa, voxels, at, x);
            x += 8;
        }
        if XT > 4 && x + 4 <= width {
            self.tile::<I, S, 4>(isa, voxels, at, x);
            x += 4;
        }
        while XT > 2 && x + 2 <= width {
            self.tile::<I, S, 2>(isa, voxels, at, x);
            x += 2;
        }
        if x < width {
            self.tile::<I, S, 1>(isa, voxels, at, x);
        }
    }

    #[inline(always)]
    fn tile<I: Isa, S: Spread<I>, const XT: usize>(
        &self,
        isa: I,
        voxels: &S,
        (ob, corner, row): (usize, usize, usize),
        x: usize,
    ) {
        let [depth, height, width] = self.shape;
        let (z, y) = self.at;
        let outputs = voxels.cells::<XT>(isa, (ob, corner), row * self.staging.row() + x);
        let (zo, yo) = (2 * z + corner / 2, 2 * (y + row) + corner % 2);
        let line = (((ob * 2 * depth + zo) * 2 * height + yo) * 2 * width + 2 * x) * LANES;
        // SAFETY: the row (zo, yo) of each block belongs to the one task that has this (z, y).
        let cells = unsafe { self.dst.slice(line, 2 * XT * LANES) }.as_chunks_mut::<LANES>().0;
        for i in 0..XT {
            let Some(cell) = cells[2 * i..].first_chunk_mut() else { unreachable!("two cells a voxel") };
            T::store_two(isa, outputs[i][0], outputs[i][1], cell);
        }
    }
}

/// What [`convolve_up`] reads.
#[derive(Clone, Copy)]
struct Layer<'a, T> {
    source: &'a Source<'a, T>,
    in_blocks: usize,
    lanes_in_last: usize,
    weights: &'a [Block],
    bias: &'a [f32],
}

pub(crate) struct InFloats<'a, T> {
    layer: Layer<'a, T>,
    strip: Strip<'a, T>,
    /// `[block][row][x][16]`.
    staged: &'a mut [[f32; LANES]],
}

impl<T: Cell> Kernel for InFloats<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Self { layer, strip, .. } = self;
        let to = self.staged.chunks_exact_mut(strip.staging.block_len()).take(layer.in_blocks);
        for (b, to) in to.enumerate() {
            strip.staging.lay(isa, (layer.source, b), strip.shape, strip.at, to);
        }
        strip.write(isa, &self);
    }
}

impl<I: Isa, T: Cell> Spread<I> for InFloats<'_, T> {
    #[inline(always)]
    fn cells<const XT: usize>(&self, isa: I, (ob, corner): (usize, usize), at: usize) -> [[I::V; 2]; XT] {
        let Layer { in_blocks, lanes_in_last, weights, bias, .. } = self.layer;
        let mut start = isa.splat(0.0);
        if let Some(bias) = bias.as_chunks::<LANES>().0.get(ob) {
            start = isa.load(bias);
        }
        let mut acc = [[start; 2]; XT];
        for b in 0..in_blocks {
            let Some(src) = self.staged[b * self.strip.staging.block_len() + at..].first_chunk::<XT>() else {
                unreachable!("a tile lies within its row")
            };
            let at = (ob * 8 + 2 * corner) * in_blocks + b;
            let w = [&weights[at], &weights[at + in_blocks]];
            // Apart, so that the usual loop has a constant end.
            acc = if b + 1 == in_blocks && lanes_in_last < LANES {
                products::<I, XT, 2>(isa, lanes_in_last, src, w, acc)
            } else {
                products::<I, XT, 2>(isa, LANES, src, w, acc)
            };
        }
        acc
    }
}
