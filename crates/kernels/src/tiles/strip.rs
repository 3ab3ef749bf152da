//! A strip of rows, plane after plane: laid out in bf16, multiplied, and written.

#![expect(clippy::needless_range_loop, reason = "iterators in the innermost loops are left as calls: half the speed")]

use super::plan::{NEAR, Plan, SPOTS, SUMS, Work};
use super::put::Places;
use crate::bf16::Bf16;
use crate::gather::Write;
use crate::half::Cell;
use crate::isa::Isa;
use crate::isa::tiles::{LaidRows, PAIR, Step, Tile, TileKernel, Tiles, WeightRow};
use crate::layout::{LANES, Source};
use crate::moments::{Running, Sums};
use crate::team::Shared;

/// See the module.
pub(crate) struct Strip<'a, T> {
    pub(super) plan: &'a Plan,
    pub(super) weights: &'a [WeightRow],
    pub(super) sources: &'a [Source<'a, T>],
    pub(super) in_blocks: usize,
    pub(super) work: Work,
    pub(super) dst: Shared<'a, T>,
    pub(super) write: Write,
    pub(super) sums: Option<Shared<'a, Sums>>,
    pub(super) laid: &'a mut [Bf16],
    /// Room for the sums of [`SPOTS`].
    pub(super) spots: &'a mut [f32],
    /// Room for a row of few channels.
    pub(super) row: &'a mut [Bf16],
    /// Of each place, `[slot][row][x]`, of four laid planes together where they are filtered: how many from it on, in its row, hold
    /// what the volume's first voxel holds.
    pub(super) runs: &'a mut [u8],
}

/// Up to four tiles of places.
#[derive(Clone, Copy, Default)]
struct Spot {
    /// The plane, or the first of two.
    z: usize,
    row: usize,
    x: usize,
    /// Places from a row to the next, those between two rows included; [`FAR`] where each row has tiles of its own.
    per_row: usize,
    tiles: usize,
    /// Whether all that it sees is the vector of the volume's first voxel.
    is_air: bool,
}

/// A row that does not end.
const FAR: usize = usize::MAX / 4;

/// What a block of outputs is where all is air, once one such place was computed.
type Air = Option<[f32; LANES]>;

impl<T: Cell> TileKernel for Strip<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa, M: Tiles<I>>(mut self, isa: I, tiles: M) {
        let plan = self.plan;
        self.clear();
        let (begin, end) = self.work.z;
        // The first plane, from that before the volume on, that is not laid yet.
        let mut next = 0;
        for z in (begin..end).step_by(plan.planes) {
            let to = end.min(z + plan.planes);
            if plan.is_filtered {
                for z in (z..to).step_by(2) {
                    self.lay_filtered(isa, tiles, z);
                }
            } else {
                next = next.max(plan.stride * z);
                while next < plan.stride * (to - 1) + 3 {
                    self.lay_plane(isa, tiles, next);
                    next += 1;
                }
            }
            let (first, last) = self.work.blocks;
            if plan.twins() > 1 {
                for block in first..last {
                    self.blocks::<I, M, 2>((isa, tiles), block, (z, to));
                }
                continue;
            }
            for block in (first..last).step_by(2) {
                if block + 1 < last {
                    self.blocks::<I, M, 2>((isa, tiles), block, (z, to));
                } else {
                    self.blocks::<I, M, 1>((isa, tiles), block, (z, to));
                }
            }
        }
    }
}

impl<T: Cell> Strip<'_, T> {
    /// The planes `z` of `O` blocks of outputs from `block` on, or of the twins of one.
    #[inline(always)]
    fn blocks<I: Isa, M: Tiles<I>, const O: usize>(&mut self, isa: (I, M), block: usize, (z, to): (usize, usize)) {
        let (plan, work) = (self.plan, self.work);
        let rows = plan.steps() * LANES;
        let n_blocks = O / plan.twins();
        let mut weights = [self.weights; O];
        for o in 0..O {
            weights[o] = &self.weights[(block * plan.twins() + o) * rows..][..rows];
        }
        let (is_first, all_sums) = (z == work.z.0, self.sums);
        // SAFETY: the sums of these blocks belong to this task alone.
        let own = all_sums
            .as_ref()
            .map(|all| unsafe { all.slice(work.task * plan.blocks_of_task() + block - work.blocks.0, n_blocks) });
        let mut running = [Running::new(isa.0, &Sums::default()); O];
        if let Some(own) = own.as_deref().filter(|_| !is_first) {
            for o in 0..n_blocks {
                running[o] = Running::new(isa.0, &own[o]);
            }
        }
        let most = if plan.is_near(O) { SUMS / (LANES * LANES * O) } else { 2 };
        let (mut spots, mut n, mut air) = ([Spot::default(); SPOTS], 0, [Air::None; O]);
        for z in (z..to).step_by(plan.at_once()) {
            let (lines, per_row, places) = if plan.is_line() {
                (1, plan.width(), (work.n_rows - 1) * plan.width() + plan.places())
            } else {
                (work.n_rows, FAR, plan.places())
            };
            for line in 0..lines {
                let mut first = 0;
                while first < places {
                    let tiles = (places - first).div_ceil(LANES).min(most);
                    let (row, x) = (line + first / per_row, first % per_row);
                    spots[n] = Spot { z, row, x, per_row, tiles, is_air: self.is_air(z, (row, x), tiles) };
                    first += tiles * LANES;
                    n += 1;
                    if n == SPOTS {
                        multiply(isa.1, (plan, self.laid), weights, (&spots, self.spots), &air);
                        self.put_all(isa.0, block, &spots, (&mut running, &mut air));
                        n = 0;
                    }
                }
            }
        }
        multiply(isa.1, (plan, self.laid), weights, (&spots[..n], self.spots), &air);
        self.put_all(isa.0, block, &spots[..n], (&mut running, &mut air));
        if let Some(own) = own {
            for o in 0..n_blocks {
                if is_first {
                    own[o] = running[o].begun(isa.0);
                }
                running[o].add_to(isa.0, &mut own[o]);
            }
        }
    }

    /// Whether so many tiles of places from `(row, x)` on, in plane `z`, see nothing but air.
    #[inline(always)]
    fn is_air(&self, z: usize, (row, x): (usize, usize), tiles: usize) -> bool {
        let (plan, seen) = (self.plan, self.plan.seen_by(tiles));
        for plane in 0..if plan.is_filtered { 1 } else { 3 } {
            let slot = plan.slot(z, plane) / plan.parts();
            for y in 0..3 {
                let laid_row = slot * plan.laid_rows() + plan.stride * row + y;
                // Those of the last rows may see what is behind them, and are left out.
                let run = self.runs.get(laid_row * plan.width() + plan.pitch() * x);
                if run.is_none_or(|run| *run < seen) {
                    return false;
                }
            }
        }
        true
    }

    /// Writes the outputs of all spots, and adds them to the sums.
    #[inline(always)]
    fn put_all<I: Isa, const O: usize>(
        &mut self,
        isa: I,
        block: usize,
        spots: &[Spot],
        (running, air): (&mut [Running<I>; O], &mut [Air; O]),
    ) {
        let (plan, work) = (self.plan, self.work);
        let [depth, height, width] = plan.out;
        for (spot, sums) in spots.iter().zip(self.spots.chunks_exact_mut(plan.parts() * SUMS)) {
            let n_tiles = spot.tiles * O;
            let is_known = spot.is_air && air[0].is_some();
            if plan.is_filtered && !is_known {
                join(isa, sums, n_tiles);
            }
            for plane in 0..plan.at_once().min(work.z.1 - spot.z) {
                // Those of the second plane are joined in the last part.
                let sums = tiles_of::<O>(&mut sums[plane * 3 * SUMS..][..SUMS]);
                if spot.is_air {
                    for o in 0..O {
                        let place = *air[o].get_or_insert(sums[0][o][0]);
                        for p in 0..spot.tiles {
                            sums[p][o] = [place; LANES];
                        }
                    }
                }
                for o in 0..O / plan.twins() {
                    if (spot.z + plane, spot.row, spot.x) == (work.z.0, 0, 0) {
                        running[o].shift = isa.load(&sums[0][o][0]);
                    }
                    let start = (((block + o) * depth + spot.z + plane) * height + work.row) * width * LANES;
                    // SAFETY: these rows of this block belong to this task alone.
                    let rows = unsafe { self.dst.slice(start, work.n_rows * width * LANES) }.as_chunks_mut::<LANES>().0;
                    for p in 0..spot.tiles {
                        let (x, n) = (spot.x + p * LANES, work.n_rows);
                        let (row, x) = (spot.row + x / spot.per_row, x % spot.per_row);
                        let places = Places { row, x, per_row: spot.per_row, of: (n, width), write: self.write };
                        if plan.twins() > 1 {
                            places.put(isa, [&sums[p][0], &sums[p][O - 1]], rows, &mut running[o]);
                        } else {
                            places.put(isa, [&sums[p][o]], rows, &mut running[o]);
                        }
                    }
                }
            }
        }
    }
}

/// Of the four parts of the first `n` sums, outputs of two planes: those of the first in the first part, of the second in the last.
#[inline(always)]
fn join<I: Isa>(isa: I, parts: &mut [f32], n: usize) {
    let (first, rest) = parts.split_at_mut(SUMS);
    let (one, rest) = rest.split_at_mut(SUMS);
    let (minus_one, last) = rest.split_at_mut(SUMS);
    let (first, last) = (first.as_chunks_mut::<LANES>().0, last.as_chunks_mut::<LANES>().0);
    let (one, minus_one) = (one.as_chunks::<LANES>().0, minus_one.as_chunks::<LANES>().0);
    for k in 0..n * LANES {
        let (a, b) = (isa.load(&one[k]), isa.load(&minus_one[k]));
        isa.store(isa.add(isa.load(&first[k]), isa.add(a, b)), &mut first[k]);
        isa.store(isa.add(isa.load(&last[k]), isa.sub(a, b)), &mut last[k]);
    }
}

/// Sums of all spots, one plane of weights of a pair of blocks after another; those of air only until they are known. Compiled
/// once for all kinds of storage: it knows none, and what multiplies tiles needs no other instruction set.
fn multiply<I: Isa, M: Tiles<I>, const O: usize>(
    tiles: M,
    (plan, laid): (&Plan, &[Bf16]),
    weights: [&[WeightRow]; O],
    (spots, all_sums): (&[Spot], &mut [f32]),
    air: &[Air; O],
) {
    let planes = plan.weight_planes() * plan.groups;
    // All planes of a sum at a time where their weights stay near.
    let at_a_time = if plan.is_near(O) { plan.run() } else { 1 };
    for first in (0..planes).step_by(at_a_time) {
        let write = if first % plan.run() == 0 { Write::Overwrite } else { Write::Add };
        let part = first / plan.run();
        let mut steps = [Step::default(); NEAR];
        let n_steps = at_a_time * plan.plane.len();
        let mut of_z = None;
        for (spot, sums) in spots.iter().zip(all_sums.chunks_exact_mut(plan.parts() * SUMS)) {
            if spot.is_air && air[0].is_some() {
                continue;
            }
            if of_z != Some(spot.z) {
                of_z = Some(spot.z);
                for n in 0..at_a_time {
                    let (plane, group) = ((first + n) / plan.groups, (first + n) % plan.groups);
                    let slot = plan.slot(spot.z, plane);
                    for (k, step) in plan.plane.iter().enumerate() {
                        let values = slot * plan.plane_len() + group * plan.group_len() + step.values;
                        let weights = (first + n) * plan.plane.len() * LANES + step.weights;
                        steps[n * plan.plane.len() + k] = Step { values, weights };
                    }
                }
            }
            let start = (plan.stride * spot.row * plan.width() + plan.pitch() * spot.x) * PAIR;
            let rows = LaidRows { laid, start, pitch: plan.pitch() * PAIR };
            let (steps, sums) = (&steps[..n_steps], &mut sums[part * SUMS..][..SUMS]);
            match spot.tiles {
                1 => multiply_spot::<I, M, 1, O>(tiles, rows, steps, weights, (sums, write)),
                2 => multiply_spot::<I, M, 2, O>(tiles, rows, steps, weights, (sums, write)),
                3 => multiply_spot::<I, M, 3, O>(tiles, rows, steps, weights, (sums, write)),
                _ => multiply_spot::<I, M, 4, O>(tiles, rows, steps, weights, (sums, write)),
            }
        }
    }
}

fn multiply_spot<I: Isa, M: Tiles<I>, const P: usize, const O: usize>(
    tiles: M,
    rows: LaidRows<'_>,
    steps: &[Step],
    weights: [&[WeightRow]; O],
    (sums, write): (&mut [f32], Write),
) {
    let Some(sums) = tiles_of::<O>(sums).first_chunk_mut() else { unreachable!("sums of four tiles") };
    tiles.multiply::<P, O>(rows, steps, weights, (sums, write));
}

/// The sums of a spot, `[tile of places][block of outputs]`.
fn tiles_of<const O: usize>(sums: &mut [f32]) -> &mut [[Tile; O]] {
    sums.as_chunks_mut().0.as_chunks_mut().0.as_chunks_mut().0
}
