//! The gradient of the weights: `d_weights[i][o][corner]` sums `source[i][voxel] * d_dst[o][2 voxel + corner]`.
//!
//! A row of a tile of the one operand is an input channel with 32 voxels one after another, transposed as they are laid: they are
//! an eighth of the outputs. Of the other it is two voxels of sixteen outputs.

#![expect(clippy::needless_range_loop, reason = "iterators in the innermost loops are left as calls: half the speed")]

use super::{CORNERS, EDGES, RUN, UpTiles, lay_row};
use crate::bf16::Bf16;
use crate::gather::{Seen, Write, voxels};
use crate::isa::Isa;
use crate::isa::tiles::{LaidRows, PAIR, Step, TileKernel, Tiles, WeightRow};
use crate::layout::{LANES, Source, blocks};
use crate::tiles::gradient::turn_channels;
use crate::tiles::plan::{AHEAD, SUMS};
use bytemuck::Zeroable;
use rayon::prelude::*;
use std::ops::Range;

/// Blocks of inputs of a task: the gradient of an output is read once for all of them.
const INPUTS: usize = 8;
/// Blocks of outputs of a task.
const OUTPUTS: usize = 2;
/// Tasks, at least, if there is enough to do.
const TASKS: usize = 16;

/// How the work of a plan is cut for the gradient of its weights.
#[derive(Clone, Copy)]
struct Cut {
    plan: UpTiles,
    /// Rows of a task, and those that are laid together.
    rows: usize,
    strip: usize,
}

impl Cut {
    fn new(plan: UpTiles) -> Self {
        let mut cut = Self { plan, rows: 1, strip: 1 };
        let chunks = TASKS.div_ceil(cut.parts()).min(plan.all_rows());
        cut.rows = plan.all_rows().div_ceil(chunks);
        cut.strip = (RUN * PAIR / cut.pitch()).clamp(1, cut.rows);
        cut
    }

    fn in_parts(self) -> usize {
        blocks(self.plan.inputs).div_ceil(INPUTS)
    }

    fn parts(self) -> usize {
        self.in_parts() * blocks(self.plan.outputs).div_ceil(OUTPUTS)
    }

    fn in_pairs(self) -> usize {
        blocks(self.plan.inputs).min(INPUTS).div_ceil(2)
    }

    fn out_blocks(self) -> usize {
        blocks(self.plan.outputs).min(OUTPUTS)
    }

    /// Voxels from a row to the next: whole pairs.
    fn pitch(self) -> usize {
        self.plan.shape[2].next_multiple_of(2)
    }

    /// Steps of 32 voxels of a strip.
    fn steps(self) -> usize {
        (self.strip * self.pitch()).div_ceil(PAIR)
    }

    /// Voxels of a laid input channel: an odd number of lines of the cache, so that sixteen channels fall into different sets.
    fn line(self) -> usize {
        (self.steps() | 1) * PAIR
    }

    /// Laid inputs, pairs of values: `[block][channel][voxel]`.
    fn inputs_len(self) -> usize {
        2 * self.in_pairs() * LANES * self.line() / 2
    }

    /// Laid outputs, pairs of values: `[block][corner][pair of voxels][channel][2]`.
    fn outputs_len(self) -> usize {
        self.out_blocks() * CORNERS * self.steps() * LANES * LANES
    }

    fn chunks(self) -> usize {
        self.plan.all_rows().div_ceil(self.rows)
    }
}

pub(super) fn scratch_len(plan: UpTiles) -> usize {
    let cut = Cut::new(plan);
    cut.inputs_len() + cut.outputs_len() + LANES * cut.line() / 2
}

pub(super) fn tasks(plan: UpTiles) -> usize {
    let cut = Cut::new(plan);
    cut.parts() * cut.chunks()
}

/// Sums of a task: `[block of outputs][edge][pair of blocks of inputs]`, each of four tiles at most.
pub(super) fn task_len(plan: UpTiles) -> usize {
    let cut = Cut::new(plan);
    cut.out_blocks() * EDGES * cut.in_pairs() * SUMS
}

pub(super) fn partial_len(plan: UpTiles) -> usize {
    tasks(plan) * task_len(plan)
}

/// Adds the sums of the tasks, in their order.
pub(super) fn reduce(plan: UpTiles, partial: &[f32], d_weights: &mut [f32]) {
    let cut = Cut::new(plan);
    let all = cut.parts() * task_len(plan);
    d_weights.par_chunks_mut(LANES * plan.outputs * CORNERS).enumerate().for_each(|(in_block, rows)| {
        for out_block in 0..blocks(plan.outputs) {
            let part = out_block / OUTPUTS * cut.in_parts() + in_block / INPUTS;
            let of_block = part * task_len(plan) + out_block % OUTPUTS * EDGES * cut.in_pairs() * SUMS;
            for corner in 0..CORNERS {
                let pair = corner / 2 * cut.in_pairs() + in_block % INPUTS / 2;
                let tile = in_block % 2 * 2 + corner % 2;
                let from = of_block + pair * SUMS + tile * LANES * LANES;
                let mut sums = [0.0; LANES * LANES];
                for of_task in partial.chunks_exact(all) {
                    let own = &of_task[from..][..LANES * LANES];
                    sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
                }
                for (row, sums) in rows.chunks_exact_mut(plan.outputs * CORNERS).zip(sums.as_chunks::<LANES>().0) {
                    let own = row[out_block * LANES * CORNERS + corner..].iter_mut().step_by(CORNERS);
                    own.zip(sums).for_each(|(d, sum)| *d += sum);
                }
            }
        }
    });
}

/// The share of a task.
pub(super) struct Share<'a> {
    cut: Cut,
    rows: Range<usize>,
    in_blocks: Range<usize>,
    out_blocks: Range<usize>,
    source: &'a Source<'a>,
    d_dst: &'a [f32],
    inputs: &'a mut [f32],
    outputs: &'a mut [WeightRow],
    pairs: &'a mut [f32],
    sums: &'a mut [f32],
}

impl<'a> Share<'a> {
    /// With scratch that begins on a line of the cache.
    pub(super) fn new(
        plan: UpTiles,
        task: usize,
        (source, d_dst): (&'a Source<'a>, &'a [f32]),
        scratch: &'a mut [f32],
        sums: &'a mut [f32],
    ) -> Self {
        let cut = Cut::new(plan);
        let (part, chunk) = (task % cut.parts(), task / cut.parts());
        let of = |n: usize, size: usize, all: usize| n * size..((n + 1) * size).min(all);
        let (inputs, rest) = scratch.split_at_mut(cut.inputs_len());
        let (outputs, rest) = rest.split_at_mut(cut.outputs_len());
        Self {
            cut,
            rows: of(chunk, cut.rows, plan.all_rows()),
            in_blocks: of(part % cut.in_parts(), INPUTS, blocks(plan.inputs)),
            out_blocks: of(part / cut.in_parts(), OUTPUTS, blocks(plan.outputs)),
            source,
            d_dst,
            inputs,
            outputs: bytemuck::cast_slice_mut(outputs),
            pairs: &mut rest[..LANES * cut.line() / 2],
            sums,
        }
    }
}

impl TileKernel for Share<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa, M: Tiles<I>>(mut self, isa: I, tiles: M) {
        // What no row reaches is multiplied by 0.
        self.outputs.fill(WeightRow::zeroed());
        let Range { start, end } = self.rows;
        for row in (start..end).step_by(self.cut.strip) {
            let rows = row..end.min(row + self.cut.strip);
            for b in 0..self.in_blocks.len() {
                self.lay_inputs((isa, tiles), b, rows.clone());
            }
            for b in 0..self.out_blocks.len() {
                self.lay_outputs((isa, tiles), b, rows.clone());
            }
            let write = if row == start { Write::Overwrite } else { Write::Add };
            for out in 0..self.out_blocks.len() {
                for input in (0..self.in_blocks.len()).step_by(2) {
                    for edge in 0..EDGES {
                        if input + 1 < self.in_blocks.len() {
                            self.multiply::<I, M, 2>(tiles, (out, input, edge), write);
                        } else {
                            self.multiply::<I, M, 1>(tiles, (out, input, edge), write);
                        }
                    }
                }
            }
        }
    }
}

impl Share<'_> {
    /// Lays block `b` of this task's inputs.
    #[inline(always)]
    fn lay_inputs<I: Isa, M: Tiles<I>>(&mut self, (isa, tiles): (I, M), b: usize, rows: Range<usize>) {
        let (cut, n) = (self.cut, voxels(self.cut.plan.shape));
        let (width, row_pairs) = (cut.plan.shape[2], cut.pitch() / 2);
        let seen = Seen::new(isa, (self.source, self.in_blocks.start + b), n, 1.0);
        let pairs: &mut [[Bf16; PAIR]] = bytemuck::cast_slice_mut::<f32, Bf16>(self.pairs).as_chunks_mut().0;
        pairs[rows.len() * row_pairs..].fill([Bf16::default(); PAIR]);
        for (r, row) in rows.enumerate() {
            let (from, pairs) = (row * width, &mut pairs[r * row_pairs..][..row_pairs]);
            for pair in 0..row_pairs {
                let x = from + 2 * pair;
                seen.prefetch(isa, x + AHEAD);
                seen.prefetch(isa, x + 1 + AHEAD);
                let second = if 2 * pair + 1 < width { seen.at(isa, x + 1) } else { isa.splat(0.0) };
                tiles.lay_turns(seen.at(isa, x), second, &mut pairs[pair]);
            }
        }
        let line = cut.line() / 2;
        turn_channels(isa, self.pairs, cut.steps(), &mut self.inputs[b * LANES * line..][..LANES * line]);
    }

    /// Lays block `b` of the gradient of this task's outputs.
    #[inline(always)]
    fn lay_outputs<I: Isa, M: Tiles<I>>(&mut self, (isa, tiles): (I, M), b: usize, rows: Range<usize>) {
        let (cut, plan) = (self.cut, self.cut.plan);
        let (width, row_pairs) = (plan.shape[2], cut.pitch() / 2);
        let of_corner = cut.steps() * LANES;
        let cells = self.d_dst.as_chunks::<LANES>().0;
        for (r, row) in rows.enumerate() {
            for edge in 0..EDGES {
                let from = (self.out_blocks.start + b) * CORNERS * voxels(plan.shape) + plan.row_of_outputs(row, edge);
                let (row, ahead) = (&cells[from..][..2 * width], &cells[from..]);
                let corners = &mut self.outputs[(b * CORNERS + 2 * edge) * of_corner..][..2 * of_corner];
                let (one, other) = corners.split_at_mut(of_corner);
                let (one, other) = (&mut one[r * row_pairs..][..row_pairs], &mut other[r * row_pairs..][..row_pairs]);
                for pair in 0..row_pairs {
                    let x = 4 * pair;
                    for there in x + AHEAD..x + AHEAD + 4 {
                        if let Some(there) = ahead.get(there) {
                            isa.prefetch(there, 0);
                        }
                    }
                    let mut next = [isa.splat(0.0); 2];
                    if x + 3 < 2 * width {
                        next = [isa.load(&row[x + 2]), isa.load(&row[x + 3])];
                    }
                    lay_row::<I, M>(tiles, (isa.load(&row[x]), next[0]), &mut one[pair]);
                    lay_row::<I, M>(tiles, (isa.load(&row[x + 1]), next[1]), &mut other[pair]);
                }
            }
        }
    }

    /// The products of `P` blocks of inputs with both ends along x of an edge of a block of outputs.
    #[inline(always)]
    fn multiply<I: Isa, M: Tiles<I>, const P: usize>(
        &mut self,
        tiles: M,
        (out, input, edge): (usize, usize, usize),
        write: Write,
    ) {
        let cut = self.cut;
        let of_corner = cut.steps() * LANES;
        let corners = &self.outputs[(out * CORNERS + 2 * edge) * of_corner..][..2 * of_corner];
        let (one, other) = corners.split_at(of_corner);
        let laid: &[Bf16] = bytemuck::cast_slice(self.inputs);
        let rows = LaidRows { laid, start: input * LANES * cut.line(), pitch: cut.line() };
        let at = (out * EDGES + edge) * cut.in_pairs() + input / 2;
        let Some(sums) =
            self.sums[at * SUMS..][..SUMS].as_chunks_mut().0.as_chunks_mut().0.as_chunks_mut().0.first_chunk_mut()
        else {
            unreachable!("sums of four tiles")
        };
        let mut write = write;
        for first in (0..cut.steps()).step_by(RUN) {
            let n = RUN.min(cut.steps() - first);
            let mut steps = [Step::default(); RUN];
            for k in 0..n {
                steps[k] = Step { values: (first + k) * PAIR, weights: (first + k) * LANES };
            }
            tiles.multiply::<P, 2>(rows, &steps[..n], [one, other], (sums, write));
            write = Write::Add;
        }
    }
}
