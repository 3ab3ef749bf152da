//! Back: a voxel collects the gradients of the eight of its cell.

#![expect(clippy::needless_range_loop, reason = "iterators in the innermost loops are left as calls: half the speed")]

use super::{CORNERS, EDGES, UpTiles, sum};
use crate::bf16::Bf16;
use crate::gather::{Write, voxels};
use crate::isa::Isa;
use crate::isa::tiles::{PAIR, Tile, TileKernel, Tiles, WeightRow};
use crate::layout::{LANES, blocks};
use crate::team::Shared;
use crate::tiles::plan::AHEAD;
use std::ops::Range;

/// The share of a task.
pub(super) struct Collect<'a> {
    pub(super) plan: UpTiles,
    pub(super) rows: Range<usize>,
    pub(super) d_dst: &'a [f32],
    pub(super) weights: &'a [WeightRow],
    pub(super) d_src: Shared<'a>,
    pub(super) write: Write,
    /// `[block of outputs][edge][place][32]`.
    pub(super) laid: &'a mut [Bf16],
}

impl TileKernel for Collect<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa, M: Tiles<I>>(mut self, isa: I, tiles: M) {
        self.lay(isa, tiles);
        let n_tiles = (self.rows.len() * self.plan.shape[2]).div_ceil(LANES);
        let in_blocks = blocks(self.plan.inputs);
        for block in (0..in_blocks).step_by(2) {
            for tile in (0..n_tiles).step_by(2) {
                match (tile + 1 < n_tiles, block + 1 < in_blocks) {
                    (true, true) => self.tiles::<I, M, 2, 2>((isa, tiles), block, tile),
                    (true, false) => self.tiles::<I, M, 2, 1>((isa, tiles), block, tile),
                    (false, true) => self.tiles::<I, M, 1, 2>((isa, tiles), block, tile),
                    (false, false) => self.tiles::<I, M, 1, 1>((isa, tiles), block, tile),
                }
            }
        }
    }
}

impl Collect<'_> {
    #[inline(always)]
    fn lay<I: Isa, M: Tiles<I>>(&mut self, isa: I, tiles: M) {
        let (plan, width) = (self.plan, self.plan.shape[2]);
        let cells = self.d_dst.as_chunks::<LANES>().0;
        for block in 0..blocks(plan.outputs) {
            for edge in 0..EDGES {
                let places = (block * EDGES + edge) * plan.places();
                for (r, row) in self.rows.clone().enumerate() {
                    let from = block * CORNERS * voxels(plan.shape) + plan.row_of_outputs(row, edge);
                    let (row, ahead) = (&cells[from..][..2 * width], &cells[from..]);
                    let places = &mut self.laid.as_chunks_mut::<PAIR>().0[places + r * width..][..width];
                    for x in 0..width {
                        for there in [2 * x + AHEAD, 2 * x + 1 + AHEAD] {
                            if let Some(there) = ahead.get(there) {
                                isa.prefetch(there, 0);
                            }
                        }
                        tiles.lay_pair(isa.load(&row[2 * x]), isa.load(&row[2 * x + 1]), &mut places[x]);
                    }
                }
            }
        }
    }

    /// `P` tiles of places, `O` blocks of inputs.
    #[inline(always)]
    fn tiles<I: Isa, M: Tiles<I>, const P: usize, const O: usize>(
        &self,
        (isa, tiles): (I, M),
        block: usize,
        tile: usize,
    ) {
        let (plan, n_steps) = (self.plan, EDGES * blocks(self.plan.outputs));
        let mut weights = [self.weights; O];
        for o in 0..O {
            weights[o] = &self.weights[(block + o) * n_steps * LANES..][..n_steps * LANES];
        }
        let sums = sum::<I, M, P, O>(tiles, (self.laid, plan.places()), tile, (weights, n_steps));
        let (first, len) = (self.rows.start * plan.shape[2], self.rows.len() * plan.shape[2]);
        for o in 0..O {
            for p in 0..P {
                let place = (tile + p) * LANES;
                let (n, voxel) = (LANES.min(len - place), (block + o) * voxels(plan.shape) + first + place);
                // SAFETY: the voxels of these rows belong to this task alone.
                let to = unsafe { self.d_src.slice(voxel * LANES, n * LANES) }.as_chunks_mut::<LANES>().0;
                self.put(isa, &sums[p][o], to);
            }
        }
    }

    #[inline(always)]
    fn put<I: Isa>(&self, isa: I, sums: &Tile, to: &mut [[f32; LANES]]) {
        for k in 0..to.len() {
            let v = isa.load(&sums[k]);
            let v = if self.write == Write::Add { isa.add(v, isa.load(&to[k])) } else { v };
            isa.store(v, &mut to[k]);
        }
    }
}
