//! Transposed convolutions 2x2x2, stride 2, with products of bf16, forward and back: where a processor multiplies whole tiles
//! (AMX).
//!
//! Each voxel of the input owns a cell of eight outputs and no other reads it, so the voxels of some rows, one after another, are
//! the places of tiles, without a halo. Forward a row of a tile is two blocks of channels of one voxel; on the way back to the
//! input it is a block of both outputs of its cell along x. There are few products for what is read and written: the time goes into
//! memory.

#![expect(clippy::needless_range_loop, reason = "iterators in the innermost loops are left as calls: half the speed")]

mod collect;
mod gradient;
mod spread;

use crate::bf16::Bf16;
use crate::cpu::Cpu;
use crate::gather::{Shape, Write, voxels};
use crate::half::Cell;
use crate::isa::Isa;
use crate::isa::tiles::{LaidRows, PAIR, Step, Tile, TileKernel, Tiles, WeightRow};
use crate::layout::{LANES, Source, blocks};
use crate::team::{Shared, run_tasks};
use crate::winograd::Direction;
use collect::Collect;
use gradient::Share;
use rayon::prelude::*;
pub(crate) use spread::Spread;
use std::ops::Range;

/// Voxels of a task times their channels, about: what is laid of them stays in the second-level cache.
const WORK: usize = 1 << 15;
/// Steps that are multiplied one after another, at most.
const RUN: usize = 16;
/// Outputs of a cell.
const CORNERS: usize = 8;
/// Of a cell along z and y: both along x are made together.
const EDGES: usize = 4;

/// A transposed convolution 2x2x2, stride 2: how its work is cut, by shape alone.
#[derive(Clone, Copy, Debug)]
pub struct UpTiles {
    /// Of the input.
    shape: Shape,
    inputs: usize,
    outputs: usize,
    /// Rows of a task, of all planes one after another.
    rows: usize,
}

impl UpTiles {
    /// Of an input of `shape`, with so many input and output channels.
    ///
    /// # Panics
    /// If an axis is empty.
    pub fn new(shape: Shape, (inputs, outputs): (usize, usize)) -> Self {
        assert!(shape.iter().all(|&n| n > 0), "up in tiles: {shape:?}");
        let [depth, height, width] = shape;
        let rows = (WORK / (blocks(inputs) * LANES * width)).clamp(1, depth * height);
        Self { shape, inputs, outputs, rows }
    }

    fn in_pairs(self) -> usize {
        blocks(self.inputs).div_ceil(2)
    }

    /// Places of a task, whole tiles of them.
    fn places(self) -> usize {
        (self.rows * self.shape[2]).next_multiple_of(LANES)
    }

    fn all_rows(self) -> usize {
        self.shape[0] * self.shape[1]
    }

    /// The rows of a task.
    fn rows_of(self, task: usize) -> Range<usize> {
        task * self.rows..((task + 1) * self.rows).min(self.all_rows())
    }

    fn tasks(self) -> usize {
        self.all_rows().div_ceil(self.rows)
    }

    /// Where the row of outputs begins, in voxels of a block, that an edge of the cells of a row of inputs is.
    fn row_of_outputs(self, row: usize, edge: usize) -> usize {
        let [_, height, width] = self.shape;
        let (z, y) = (row / height, row % height);
        ((2 * z + edge / 2) * 2 * height + 2 * y + edge % 2) * 2 * width
    }

    /// Tiles of weights of a way: the larger number of the two, in f32.
    pub fn weights_len(self) -> usize {
        let forward = blocks(self.outputs) * CORNERS * self.in_pairs();
        let back = blocks(self.inputs) * EDGES * blocks(self.outputs);
        forward.max(back) * LANES * LANES
    }

    /// Scratch of one thread, whatever the way.
    pub fn scratch_len(self) -> usize {
        let steps = self.in_pairs().max(EDGES * blocks(self.outputs));
        let own = steps * self.places() * PAIR / 2;
        LANES + own.max(gradient::scratch_len(self))
    }

    /// Partial sums of the gradient of the weights, whatever the number of threads.
    pub fn partial_len(self) -> usize {
        gradient::partial_len(self)
    }

    /// Packs canonical weights, `[I][O][8]`, for [`UpTiles::convolve`] or [`UpTiles::convolve_back`], into as many f32 as
    /// [`UpTiles::weights_len`], which begin on a line of the cache.
    ///
    /// # Panics
    /// If a length does not fit, or not [`Cpu::has_tiles`].
    pub fn pack(self, cpu: Cpu, direction: Direction, weights: &[f32], packed: &mut [f32]) {
        assert_eq!(weights.len(), self.inputs * self.outputs * CORNERS, "up in tiles: weights");
        let rows: &mut [WeightRow] = bytemuck::cast_slice_mut(&mut packed[..self.weights_len()]);
        let of_block = match direction {
            Direction::Forward => CORNERS * self.in_pairs() * LANES,
            Direction::Backward => EDGES * blocks(self.outputs) * LANES,
        };
        let n_blocks = blocks(if direction == Direction::Forward { self.outputs } else { self.inputs });
        rows.par_chunks_exact_mut(of_block).take(n_blocks).enumerate().for_each(|(block, rows)| {
            cpu.run_tiles(Pack { plan: self, direction, weights, block, rows });
        });
    }

    /// `dst = up(source) + bias`, `[O/16][2 D][2 H][2 W][16]`.
    ///
    /// `source`: blocked; `packed`: of [`UpTiles::pack`], forward; `bias`: `[O/16 * 16]` or empty; `scratch`:
    /// [`UpTiles::scratch_len`] for each thread. The same bits on every machine that can.
    ///
    /// # Panics
    /// If a length does not fit, or not [`Cpu::has_tiles`].
    pub fn convolve<T: Cell>(
        self,
        cpu: Cpu,
        source: &Source<'_, T>,
        (packed, bias): (&[f32], &[f32]),
        dst: &mut [T],
        scratch: &mut [f32],
    ) {
        let n = voxels(self.shape);
        assert_eq!(source.blocks(n), blocks(self.inputs), "up in tiles: blocks of the source");
        assert_eq!(dst.len(), blocks(self.outputs) * CORNERS * n * LANES, "up in tiles: dst");
        assert!(bias.is_empty() || bias.len() == blocks(self.outputs) * LANES, "up in tiles: bias");
        let dst = Shared::new(dst);
        run_tasks(self.tasks(), scratch, self.scratch_len(), |task, own| {
            let (rows, laid) = (self.rows_of(task), bytemuck::cast_slice_mut(lines(own)));
            let weights = bytemuck::cast_slice(&packed[..self.weights_len()]);
            T::spread_in_tiles(cpu, Spread { plan: self, rows, source, weights, bias, dst, laid });
        });
    }

    /// `d_src (+)=` the gradient of what the source showed, `[I/16][D][H][W][16]`.
    ///
    /// `d_dst`: `[O/16][2 D][2 H][2 W][16]`; `packed`: of [`UpTiles::pack`], backward; `scratch`: [`UpTiles::scratch_len`] for
    /// each thread. The same bits on every machine that can.
    ///
    /// # Panics
    /// If a length does not fit, or not [`Cpu::has_tiles`].
    pub fn convolve_back(
        self,
        cpu: Cpu,
        (d_dst, packed): (&[f32], &[f32]),
        (d_src, write): (&mut [f32], Write),
        scratch: &mut [f32],
    ) {
        let n = voxels(self.shape);
        assert_eq!(d_dst.len(), blocks(self.outputs) * CORNERS * n * LANES, "up in tiles: d_dst");
        assert_eq!(d_src.len(), blocks(self.inputs) * n * LANES, "up in tiles: d_src");
        let d_src = Shared::new(d_src);
        run_tasks(self.tasks(), scratch, self.scratch_len(), |task, own| {
            let (rows, laid) = (self.rows_of(task), bytemuck::cast_slice_mut(lines(own)));
            let weights = bytemuck::cast_slice(&packed[..self.weights_len()]);
            cpu.run_tiles(Collect { plan: self, rows, d_dst, weights, d_src, write, laid });
        });
    }

    /// `d_weights += ` the gradient of the weights, canonical `[I][O][8]`.
    ///
    /// `source`: as in the forward pass; `d_dst`: `[O/16][2 D][2 H][2 W][16]`; `partial`: [`UpTiles::partial_len`]; `scratch`:
    /// [`UpTiles::scratch_len`] for each thread. The same bits on every machine that can.
    ///
    /// # Panics
    /// If a length does not fit, or not [`Cpu::has_tiles`].
    pub fn add_gradient(
        self,
        cpu: Cpu,
        (source, d_dst): (&Source<'_>, &[f32]),
        d_weights: &mut [f32],
        (partial, scratch): (&mut [f32], &mut [f32]),
    ) {
        let n = voxels(self.shape);
        assert_eq!(source.blocks(n), blocks(self.inputs), "up in tiles: blocks of the source");
        assert_eq!(d_dst.len(), blocks(self.outputs) * CORNERS * n * LANES, "up in tiles: d_dst");
        assert_eq!(d_weights.len(), self.inputs * self.outputs * CORNERS, "up in tiles: d_weights");
        let partial = &mut partial[..self.partial_len()];
        let shared = Shared::new(partial);
        run_tasks(gradient::tasks(self), scratch, self.scratch_len(), |task, own| {
            // SAFETY: the sums of a task belong to it alone.
            let sums = unsafe { shared.slice(task * gradient::task_len(self), gradient::task_len(self)) };
            cpu.run_tiles(Share::new(self, task, (source, d_dst), lines(own), sums));
        });
        gradient::reduce(self, partial, d_weights);
    }
}

/// What is left of scratch from its first line of the cache on: a row of a tile is one.
fn lines(scratch: &mut [f32]) -> &mut [f32] {
    let skip = scratch.as_ptr().align_offset(64).min(LANES - 1);
    &mut scratch[skip..]
}

/// The sums of `P` tiles of places, from `tile` on, by `O` blocks of weights, over all steps: `[step][place][32]` as laid.
#[inline(always)]
fn sum<I: Isa, M: Tiles<I>, const P: usize, const O: usize>(
    tiles: M,
    (laid, places): (&[Bf16], usize),
    tile: usize,
    (weights, n_steps): ([&[WeightRow]; O], usize),
) -> [[Tile; O]; P] {
    let mut sums = [[[[0.0; LANES]; LANES]; O]; P];
    let rows = LaidRows { laid, start: tile * LANES * PAIR, pitch: PAIR };
    for first in (0..n_steps).step_by(RUN) {
        let n = RUN.min(n_steps - first);
        let mut steps = [Step::default(); RUN];
        for k in 0..n {
            steps[k] = Step { values: (first + k) * places * PAIR, weights: (first + k) * LANES };
        }
        let write = if first == 0 { Write::Overwrite } else { Write::Add };
        tiles.multiply::<P, O>(rows, &steps[..n], weights, (&mut sums, write));
    }
    sums
}

/// Packs the weights of a block of what is made.
struct Pack<'a> {
    plan: UpTiles,
    direction: Direction,
    weights: &'a [f32],
    block: usize,
    rows: &'a mut [WeightRow],
}

impl TileKernel for Pack<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa, M: Tiles<I>>(self, isa: I, tiles: M) {
        match self.direction {
            Direction::Forward => self.forward(isa, tiles),
            Direction::Backward => self.back(isa, tiles),
        }
    }
}

impl Pack<'_> {
    /// The weights of an input channel with the eight corners of two outputs from `output` on; zeros where there are none.
    #[inline(always)]
    fn two_outputs(&self, input: usize, output: usize) -> [f32; LANES] {
        let (plan, mut row) = (self.plan, [0.0; LANES]);
        if input < plan.inputs && output < plan.outputs {
            let n = CORNERS * (plan.outputs - output).min(2);
            let from = (input * plan.outputs + output) * CORNERS;
            row[..n].copy_from_slice(&self.weights[from..from + n]);
        }
        row
    }

    /// `[edge][along x][pair of blocks][pair of values][output][2]`.
    #[inline(always)]
    fn forward<I: Isa, M: Tiles<I>>(self, isa: I, tiles: M) {
        let pairs = self.plan.in_pairs();
        for k in 0..pairs * LANES {
            // Of the outputs of the block, the corners for an input channel and the next.
            let mut of_outputs = [isa.splat(0.0); LANES];
            for lane in 0..LANES {
                let (mut row, output) = ([0.0; LANES], self.block * LANES + lane);
                for half in 0..2 {
                    row[half * CORNERS..][..CORNERS]
                        .copy_from_slice(&self.two_outputs(2 * k + half, output)[..CORNERS]);
                }
                of_outputs[lane] = isa.load(&row);
            }
            let of_corners = isa.transpose(of_outputs);
            for corner in 0..CORNERS {
                let row = &mut self.rows[corner * pairs * LANES + k];
                lay_row::<I, M>(tiles, (of_corners[corner], of_corners[CORNERS + corner]), row);
            }
        }
    }

    /// `[block of outputs][edge][pair of values][input][2]`.
    #[inline(always)]
    fn back<I: Isa, M: Tiles<I>>(self, isa: I, tiles: M) {
        for pair in 0..blocks(self.plan.outputs) * CORNERS {
            let mut of_inputs = [isa.splat(0.0); LANES];
            for lane in 0..LANES {
                of_inputs[lane] = isa.load(&self.two_outputs(self.block * LANES + lane, 2 * pair));
            }
            let of_corners = isa.transpose(of_inputs);
            let (block, k) = (pair / CORNERS, pair % CORNERS);
            for corner in 0..CORNERS {
                // A place holds the outputs of the one end along x, then those of the other.
                let row = (block * EDGES + corner / 2) * LANES + corner % 2 * CORNERS + k;
                lay_row::<I, M>(tiles, (of_corners[corner], of_corners[CORNERS + corner]), &mut self.rows[row]);
            }
        }
    }
}

/// Two values of a row of a tile for each of sixteen outputs.
#[inline(always)]
fn lay_row<I: Isa, M: Tiles<I>>(tiles: M, (first, second): (I::V, I::V), row: &mut WeightRow) {
    let Some(row) = row.0.as_flattened_mut().first_chunk_mut() else { unreachable!("32 values") };
    tiles.lay_turns(first, second, row);
}
