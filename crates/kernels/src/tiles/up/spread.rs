//! Forward: each voxel spreads to the eight of its cell.

#![expect(clippy::needless_range_loop, reason = "iterators in the innermost loops are left as calls: half the speed")]

use super::{CORNERS, EDGES, UpTiles, sum};
use crate::bf16::Bf16;
use crate::gather::{Seen, voxels};
use crate::half::Cell;
use crate::isa::Isa;
use crate::isa::tiles::{PAIR, Tile, TileKernel, Tiles, WeightRow};
use crate::layout::{LANES, Source, blocks};
use crate::team::Shared;
use crate::tiles::plan::AHEAD;
use std::ops::Range;

/// The share of a task.
pub(crate) struct Spread<'a, T> {
    pub(super) plan: UpTiles,
    pub(super) rows: Range<usize>,
    pub(super) source: &'a Source<'a, T>,
    pub(super) weights: &'a [WeightRow],
    pub(super) bias: &'a [f32],
    pub(super) dst: Shared<'a, T>,
    /// `[pair of blocks][place][32]`.
    pub(super) laid: &'a mut [Bf16],
}

impl<T: Cell> TileKernel for Spread<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa, M: Tiles<I>>(mut self, isa: I, tiles: M) {
        self.lay(isa, tiles);
        let (plan, n_tiles) = (self.plan, (self.rows.len() * self.plan.shape[2]).div_ceil(LANES));
        for block in 0..blocks(plan.outputs) {
            for edge in 0..EDGES {
                for tile in (0..n_tiles).step_by(2) {
                    if tile + 1 < n_tiles {
                        self.tiles::<I, M, 2>((isa, tiles), (block, edge), tile);
                    } else {
                        self.tiles::<I, M, 1>((isa, tiles), (block, edge), tile);
                    }
                }
            }
        }
    }
}

impl<T: Cell> Spread<'_, T> {
    #[inline(always)]
    fn lay<I: Isa, M: Tiles<I>>(&mut self, isa: I, tiles: M) {
        let (plan, n) = (self.plan, voxels(self.plan.shape));
        let (first, len) = (self.rows.start * plan.shape[2], self.rows.len() * plan.shape[2]);
        let in_blocks = blocks(plan.inputs);
        for pair in 0..plan.in_pairs() {
            let places = &mut self.laid.as_chunks_mut::<PAIR>().0[pair * plan.places()..][..len];
            let one = Seen::new(isa, (self.source, 2 * pair), n, 1.0);
            if 2 * pair + 1 == in_blocks {
                for v in 0..len {
                    one.prefetch(isa, first + v + AHEAD);
                    tiles.lay_pair(one.at(isa, first + v), isa.splat(0.0), &mut places[v]);
                }
                continue;
            }
            let other = Seen::new(isa, (self.source, 2 * pair + 1), n, 1.0);
            for v in 0..len {
                one.prefetch(isa, first + v + AHEAD);
                other.prefetch(isa, first + v + AHEAD);
                tiles.lay_pair(one.at(isa, first + v), other.at(isa, first + v), &mut places[v]);
            }
        }
    }

    /// Both outputs along x of `P` tiles of places.
    #[inline(always)]
    fn tiles<I: Isa, M: Tiles<I>, const P: usize>(
        &self,
        (isa, tiles): (I, M),
        (block, edge): (usize, usize),
        tile: usize,
    ) {
        let (plan, pairs) = (self.plan, self.plan.in_pairs());
        let ends = &self.weights[(block * CORNERS + 2 * edge) * pairs * LANES..][..2 * pairs * LANES];
        let (one, other) = ends.split_at(pairs * LANES);
        let sums = sum::<I, M, P, 2>(tiles, (self.laid, plan.places()), tile, ([one, other], pairs));
        self.put(isa, (block, edge), tile * LANES, sums.as_slice());
    }

    /// Writes them.
    #[inline(always)]
    fn put<I: Isa>(&self, isa: I, (block, edge): (usize, usize), first: usize, sums: &[[Tile; 2]]) {
        let (plan, width) = (self.plan, self.plan.shape[2]);
        let mut bias = isa.splat(0.0);
        if let Some(own) = self.bias.as_chunks::<LANES>().0.get(block) {
            bias = isa.load(own);
        }
        let (mut row, mut x) = (self.rows.start + first / width, first % width);
        let mut place = 0;
        while place < sums.len() * LANES && row < self.rows.end {
            let n = (width - x).min(sums.len() * LANES - place);
            let voxel = block * CORNERS * voxels(plan.shape) + plan.row_of_outputs(row, edge) + 2 * x;
            // SAFETY: the cells of a row belong to the one task that has it.
            let cells = unsafe { self.dst.slice(voxel * LANES, 2 * n * LANES) }.as_chunks_mut::<LANES>().0;
            for k in 0..n {
                let Some(cell) = cells[2 * k..].first_chunk_mut() else { unreachable!("two outputs a voxel") };
                let of = &sums[(place + k) / LANES];
                let (one, other) = (&of[0][(place + k) % LANES], &of[1][(place + k) % LANES]);
                T::store_two(isa, isa.add(isa.load(one), bias), isa.add(isa.load(other), bias), cell);
            }
            place += n;
            (row, x) = (row + 1, 0);
        }
    }
}
