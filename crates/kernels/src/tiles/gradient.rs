//! The gradient of the weights of a 3x3x3 convolution with products of bf16, where a processor multiplies whole tiles (AMX).
//!
//! `d_weights[o][i][tap]` sums `d_dst[o][place] * source[i][place + tap]` over all places. The places of a strip of rows are one
//! line, with zeros between two rows. A row of a tile of the one operand is an output channel with 32 places one after another;
//! of the other, two places of sixteen input channels, laid twice, since a tap may begin at an odd place.

#![expect(clippy::needless_range_loop, reason = "iterators in the innermost loops are left as calls: half the speed")]

use super::plan::{AHEAD, SUMS};
use crate::bf16::Bf16;
use crate::cpu::Cpu;
use crate::gather::{Seen, Shape, Write, find_block, voxels};
use crate::isa::Isa;
use crate::isa::tiles::{LaidRows, PAIR, Step, TileKernel, Tiles, WeightRow};
use crate::layout::{LANES, Source, blocks};
use crate::team::{Shared, run_tasks};
use rayon::prelude::*;
use std::ops::Range;

/// Blocks of inputs, and of outputs, that a task multiplies each with each: so often is used what it lays.
const GROUP: usize = 4;
/// Bytes of laid inputs: they stay in the second-level cache beside the sums.
const CACHE: usize = 1 << 20;
/// Rows of a strip, at most.
const ROWS: usize = 16;
/// Planes of a task, at least: each lays two planes of its neighbours too.
const LEAST: usize = 8;
/// Tasks, at least, if there is enough to do.
const TASKS: usize = 16;
/// Tiles of places that are multiplied one after another, at most: those of two blocks of outputs stay in the first-level cache
/// for all taps. Planes of fewer are multiplied together, since the sums come and go with each run.
const RUN: usize = 16;
const TAPS: usize = 27;

/// The gradient of the weights of a 3x3x3 convolution of stride 1: how its work is cut, by shape alone.
#[derive(Clone, Debug)]
pub struct GradientTiles {
    shape: Shape,
    inputs: usize,
    outputs: usize,
    /// Of a strip.
    rows: usize,
    /// Planes that are multiplied together.
    planes: usize,
    /// Planes of a task.
    depth: usize,
}

/// What a task computes.
struct Work {
    z: Range<usize>,
    rows: Range<usize>,
    in_blocks: Range<usize>,
    out_blocks: Range<usize>,
}

impl GradientTiles {
    /// Of a convolution of an input of `shape` with so many input and output channels.
    ///
    /// # Panics
    /// If an axis is empty.
    pub fn new(shape: Shape, (inputs, outputs): (usize, usize)) -> Self {
        assert!(shape.iter().all(|&n| n > 0), "gradient in tiles: {shape:?}");
        let [depth, height, _] = shape;
        let mut plan = Self { shape, inputs, outputs, rows: 1, planes: 1, depth };
        let fits = |rows: &usize| 2 * Self { rows: *rows, ..plan.clone() }.inputs_len() <= CACHE;
        let rows = (1..=height.min(ROWS)).rev().find(fits).unwrap_or(1);
        // Strips about equal.
        plan.rows = height.div_ceil(height.div_ceil(rows));
        let chunks = TASKS.div_ceil(plan.parts() * plan.strips()).min(depth.div_ceil(LEAST)).max(1);
        plan.depth = depth.div_ceil(chunks);
        plan.planes = RUN.div_ceil(plan.tiles()).min(plan.depth);
        plan
    }

    /// Places from a row to the next: a tap that begins at an even place does so in every row.
    fn pitch(&self) -> usize {
        (self.shape[2] + 2).next_multiple_of(2)
    }

    /// Tiles of places of a strip.
    fn tiles(&self) -> usize {
        (self.rows * self.pitch()).div_ceil(PAIR)
    }

    /// Places of a laid output channel: an odd number of lines of the cache, so that sixteen channels fall into different sets.
    fn line(&self) -> usize {
        (self.tiles() | 1) * PAIR
    }

    /// Pairs of places of a laid plane of a block of inputs, from one kind of place on: what the last tile reads for the last tap
    /// too.
    fn pairs(&self) -> usize {
        self.tiles() * LANES + self.pitch() + 1
    }

    fn in_pairs(&self) -> usize {
        blocks(self.inputs).min(GROUP).div_ceil(2)
    }

    fn out_pairs(&self) -> usize {
        blocks(self.outputs).min(GROUP).div_ceil(2)
    }

    /// Planes of inputs that are laid at a time.
    fn slots(&self) -> usize {
        self.planes + 2
    }

    /// Values of laid inputs: `[slot][block][even or odd][pair of places][channel][2]`.
    fn inputs_len(&self) -> usize {
        self.slots() * 2 * self.in_pairs() * 2 * self.pairs() * PAIR
    }

    /// Values of a laid plane of outputs: `[block][channel][place]`.
    fn plane_len(&self) -> usize {
        2 * self.out_pairs() * LANES * self.line()
    }

    /// Of all that are laid at a time, pairs of values.
    fn outputs_len(&self) -> usize {
        self.planes * self.plane_len() / 2
    }

    /// Scratch of one thread: inputs, outputs, one block of outputs before it is transposed, and room to begin on a line.
    pub fn scratch_len(&self) -> usize {
        self.inputs_len() / 2 + self.outputs_len() + LANES * self.line() / 2 + LANES
    }

    fn strips(&self) -> usize {
        self.shape[1].div_ceil(self.rows)
    }

    fn chunks(&self) -> usize {
        self.shape[0].div_ceil(self.depth)
    }

    fn in_parts(&self) -> usize {
        blocks(self.inputs).div_ceil(GROUP)
    }

    fn parts(&self) -> usize {
        self.in_parts() * blocks(self.outputs).div_ceil(GROUP)
    }

    fn tasks(&self) -> usize {
        self.parts() * self.strips() * self.chunks()
    }

    /// Sums of a task: `[pair of blocks of outputs][of inputs][tap]`, each of four tiles at most.
    fn task_len(&self) -> usize {
        self.out_pairs() * self.in_pairs() * TAPS * SUMS
    }

    /// Partial sums, whatever the number of threads.
    pub fn partial_len(&self) -> usize {
        self.tasks() * self.task_len()
    }

    fn work(&self, task: usize) -> Work {
        let [depth, height, _] = self.shape;
        let (part, at) = (task % self.parts(), task / self.parts());
        let of = |n: usize, size: usize, all: usize| n * size..((n + 1) * size).min(all);
        Work {
            z: of(at / self.strips(), self.depth, depth),
            rows: of(at % self.strips(), self.rows, height),
            in_blocks: of(part % self.in_parts(), GROUP, blocks(self.inputs)),
            out_blocks: of(part / self.in_parts(), GROUP, blocks(self.outputs)),
        }
    }

    /// `d_weights += ` the gradient of the weights, canonical `[O][I][27]`.
    ///
    /// `sources`: as in the forward pass; `d_dst`: `[O/16][D][H][W][16]`; `partial`: [`GradientTiles::partial_len`]; `scratch`:
    /// [`GradientTiles::scratch_len`] for each thread. The same bits on every machine that can.
    ///
    /// # Panics
    /// If a length does not fit, or not [`Cpu::has_tiles`].
    pub fn add(
        &self,
        cpu: Cpu,
        (sources, d_dst): (&[Source<'_>], &[f32]),
        d_weights: &mut [f32],
        (partial, scratch): (&mut [f32], &mut [f32]),
    ) {
        let n = voxels(self.shape);
        let in_blocks: usize = sources.iter().map(|s| s.blocks(n)).sum();
        assert_eq!(in_blocks, blocks(self.inputs), "gradient in tiles: blocks of the sources");
        assert_eq!(d_dst.len(), blocks(self.outputs) * n * LANES, "gradient in tiles: d_dst");
        assert_eq!(d_weights.len(), self.inputs * self.outputs * TAPS, "gradient in tiles: d_weights");
        let partial = &mut partial[..self.partial_len()];
        let shared = Shared::new(partial);
        run_tasks(self.tasks(), scratch, self.scratch_len(), |task, own| {
            let skip = own.as_ptr().align_offset(64).min(LANES - 1);
            let (inputs, rest) = own[skip..].split_at_mut(self.inputs_len() / 2);
            let (outputs, rest) = rest.split_at_mut(self.outputs_len());
            let pairs = &mut rest[..LANES * self.line() / 2];
            // SAFETY: the sums of a task belong to it alone.
            let sums = unsafe { shared.slice(task * self.task_len(), self.task_len()) };
            let inputs = bytemuck::cast_slice_mut(inputs);
            cpu.run_tiles(Share { plan: self, work: self.work(task), sources, d_dst, inputs, outputs, pairs, sums });
        });
        self.reduce(partial, d_weights);
    }

    /// Adds the sums of the tasks, in their order.
    fn reduce(&self, partial: &[f32], d_weights: &mut [f32]) {
        let all = self.parts() * self.task_len();
        // A block of outputs at a time: a tile of its sums lies in one piece.
        d_weights.par_chunks_mut(LANES * self.inputs * TAPS).enumerate().for_each(|(out_block, rows)| {
            let (out_part, out_block) = (out_block / GROUP, out_block % GROUP);
            for in_block in 0..blocks(self.inputs) {
                let part = out_part * self.in_parts() + in_block / GROUP;
                let pair = out_block / 2 * self.in_pairs() + in_block % GROUP / 2;
                // A lone block of inputs has tiles of its own.
                let is_lone = in_block % 2 == 0 && in_block + 1 == blocks(self.inputs);
                let tile = if is_lone { out_block % 2 } else { out_block % 2 * 2 + in_block % 2 };
                let from = part * self.task_len() + pair * TAPS * SUMS + tile * LANES * LANES;
                for tap in 0..TAPS {
                    let mut sums = [0.0; LANES * LANES];
                    for of_task in partial.chunks_exact(all) {
                        let own = &of_task[from + tap * SUMS..][..LANES * LANES];
                        sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
                    }
                    for (row, sums) in rows.chunks_exact_mut(self.inputs * TAPS).zip(sums.as_chunks::<LANES>().0) {
                        let own = row[in_block * LANES * TAPS + tap..].iter_mut().step_by(TAPS);
                        own.zip(sums).for_each(|(d, sum)| *d += sum);
                    }
                }
            }
        });
    }
}

/// The share of a task.
struct Share<'a> {
    plan: &'a GradientTiles,
    work: Work,
    sources: &'a [Source<'a>],
    d_dst: &'a [f32],
    inputs: &'a mut [Bf16],
    outputs: &'a mut [f32],
    pairs: &'a mut [f32],
    sums: &'a mut [f32],
}

impl TileKernel for Share<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa, M: Tiles<I>>(mut self, isa: I, tiles: M) {
        // What lies between rows, before, behind and beyond them.
        self.inputs.fill(Bf16::default());
        self.pairs.fill(0.0);
        let Range { start, end } = self.work.z;
        let mut next = start;
        for z in (start..end).step_by(self.plan.planes) {
            let planes = self.plan.planes.min(end - z);
            while next < z + planes + 2 {
                self.lay_inputs((isa, tiles), next);
                next += 1;
            }
            for plane in 0..planes {
                for b in 0..self.work.out_blocks.len() {
                    self.lay_outputs((isa, tiles), b, (z, plane));
                }
            }
            for out in (0..self.work.out_blocks.len()).step_by(2) {
                for input in (0..self.work.in_blocks.len()).step_by(2) {
                    let at = (out, input, z..z + planes);
                    match (out + 1 < self.work.out_blocks.len(), input + 1 < self.work.in_blocks.len()) {
                        (true, true) => self.multiply::<I, M, 2, 2>(tiles, at),
                        (true, false) => self.multiply::<I, M, 2, 1>(tiles, at),
                        (false, true) => self.multiply::<I, M, 1, 2>(tiles, at),
                        (false, false) => self.multiply::<I, M, 1, 1>(tiles, at),
                    }
                }
            }
        }
    }
}

impl Share<'_> {
    /// Lays plane `padded - 1` of the inputs.
    #[inline(always)]
    fn lay_inputs<I: Isa, M: Tiles<I>>(&mut self, (isa, tiles): (I, M), padded: usize) {
        let plan = self.plan;
        let [depth, height, width] = plan.shape;
        let (n, row_pairs, pairs) = (voxels(plan.shape), plan.pitch() / 2, plan.pairs());
        let blocks = self.work.in_blocks.clone();
        let slot = padded % plan.slots() * 2 * plan.in_pairs();
        let rows = self.inputs.as_chunks_mut::<PAIR>().0[slot * 2 * pairs..].chunks_exact_mut(2 * pairs);
        for (b, laid) in blocks.zip(rows) {
            let seen = Seen::new(isa, find_block(self.sources, n, b), n, 1.0);
            let (even, odd) = laid.split_at_mut(pairs);
            for r in 0..self.work.rows.len() + 2 {
                let y = self.work.rows.start + r;
                let (even, odd) = (&mut even[r * row_pairs..][..row_pairs], &mut odd[r * row_pairs..][..row_pairs]);
                if padded == 0 || padded > depth || y == 0 || y > height {
                    even.fill([Bf16::default(); PAIR]);
                    odd.fill([Bf16::default(); PAIR]);
                    continue;
                }
                let from = ((padded - 1) * height + y - 1) * width;
                // Place `x` of a laid row is voxel `x - 1`.
                let mut before = isa.splat(0.0);
                for pair in 0..width / 2 {
                    seen.prefetch(isa, from + 2 * pair + AHEAD);
                    seen.prefetch(isa, from + 2 * pair + 1 + AHEAD);
                    let (first, second) = (seen.at(isa, from + 2 * pair), seen.at(isa, from + 2 * pair + 1));
                    tiles.lay_turns(before, first, &mut even[pair]);
                    tiles.lay_turns(first, second, &mut odd[pair]);
                    before = second;
                }
                let last = if width % 2 == 1 { seen.at(isa, from + width - 1) } else { isa.splat(0.0) };
                tiles.lay_turns(before, last, &mut even[width / 2]);
                tiles.lay_turns(last, isa.splat(0.0), &mut odd[width / 2]);
            }
        }
    }

    /// Lays plane `z + plane` of block `b` of this task's outputs.
    #[inline(always)]
    fn lay_outputs<I: Isa, M: Tiles<I>>(&mut self, (isa, tiles): (I, M), b: usize, (z, plane): (usize, usize)) {
        let plan = self.plan;
        let [depth, height, width] = plan.shape;
        let block = self.work.out_blocks.start + b;
        let values = self.d_dst.as_chunks::<LANES>().0;
        let pairs: &mut [[Bf16; PAIR]] = bytemuck::cast_slice_mut::<f32, Bf16>(self.pairs).as_chunks_mut().0;
        for (y, pairs) in self.work.rows.clone().zip(pairs.chunks_exact_mut(plan.pitch() / 2)) {
            let rest = &values[((block * depth + z + plane) * height + y) * width..];
            let row = &rest[..width];
            for x in (0..width).step_by(2) {
                for ahead in [x + AHEAD, x + 1 + AHEAD] {
                    if let Some(there) = rest.get(ahead) {
                        isa.prefetch(there, 0);
                    }
                }
                let second = if x + 1 < width { isa.load(&row[x + 1]) } else { isa.splat(0.0) };
                tiles.lay_turns(isa.load(&row[x]), second, &mut pairs[x / 2]);
            }
        }
        let line = plan.line() / 2;
        let to = &mut self.outputs[plane * plan.plane_len() / 2 + b * LANES * line..][..LANES * line];
        turn_channels(isa, self.pairs, plan.tiles(), to);
    }

    /// The products of `P` blocks of outputs with `O` of inputs in the planes `z`.
    #[inline(always)]
    fn multiply<I: Isa, M: Tiles<I>, const P: usize, const O: usize>(
        &mut self,
        tiles: M,
        (out, input, z): (usize, usize, Range<usize>),
    ) {
        let plan = self.plan;
        let (per_plane, pairs, blocks) = (plan.tiles(), plan.pairs(), 2 * plan.in_pairs());
        let (slots, plane_len, pitch) = (plan.slots(), plan.plane_len(), plan.pitch());
        let laid: &[Bf16] = bytemuck::cast_slice(self.outputs);
        let inputs: &[WeightRow] = bytemuck::cast_slice(self.inputs);
        let rows = LaidRows { laid, start: out * LANES * plan.line(), pitch: plan.line() };
        let sums = &mut self.sums[(out / 2 * plan.in_pairs() + input / 2) * TAPS * SUMS..][..TAPS * SUMS];
        let n_tiles = z.len() * per_plane;
        let run = n_tiles.div_ceil(n_tiles.div_ceil(RUN));
        for first in (0..n_tiles).step_by(run) {
            let n = run.min(n_tiles - first);
            let is_first = z.start == self.work.z.start && first == 0;
            let write = if is_first { Write::Overwrite } else { Write::Add };
            // Of each plane of taps.
            let mut steps = [[Step::default(); RUN]; 3];
            for k in 0..n {
                let (plane, tile) = ((first + k) / per_plane, (first + k) % per_plane);
                for dz in 0..3 {
                    let slot = (z.start + plane + dz) % slots;
                    let weights = slot * blocks * 2 * pairs + tile * LANES;
                    steps[dz][k] = Step { values: plane * plane_len + tile * PAIR, weights };
                }
            }
            for (tap, sums) in sums.chunks_exact_mut(SUMS).enumerate() {
                let [dz, y, x] = [tap / 9, tap / 3 % 3, tap % 3];
                let mut weights = [inputs; O];
                for o in 0..O {
                    weights[o] = &inputs[((input + o) * 2 + x % 2) * pairs + y * pitch / 2 + x / 2..];
                }
                let Some(sums) = sums.as_chunks_mut().0.as_chunks_mut().0.as_chunks_mut().0.first_chunk_mut() else {
                    unreachable!("sums of four tiles")
                };
                tiles.multiply::<P, O>(rows, &steps[dz][..n], weights, (sums, write));
            }
        }
    }
}

/// Lays sixteen channels `[channel][place]`, a row of `to` each, that lie `[pair of places][channel][2]`: so many tiles of 32
/// places.
#[inline(always)]
pub(super) fn turn_channels<I: Isa>(isa: I, pairs: &[f32], tiles: usize, to: &mut [f32]) {
    let (line, pairs) = (to.len() / LANES, pairs.as_chunks::<LANES>().0.as_chunks::<LANES>().0);
    for tile in 0..tiles {
        let mut rows = [isa.splat(0.0); LANES];
        for pair in 0..LANES {
            rows[pair] = isa.load(&pairs[tile][pair]);
        }
        let channels = isa.transpose(rows);
        for lane in 0..LANES {
            let Some(to) = to[lane * line + tile * LANES..].first_chunk_mut() else { unreachable!("within a line") };
            isa.store(channels[lane], to);
        }
    }
}
