//! A strip of rows, plane after plane: laid out in bf16, multiplied, and written.

#![expect(clippy::needless_range_loop, reason = "iterators in the innermost loops are left as calls: half the speed")]

use super::plan::{AHEAD, FEW, NEAR, Plan, Row, SPOTS, SUMS, Work};
use crate::bf16::Bf16;
use crate::gather::{Seen, Write, find_block, voxels};
use crate::half::Cell;
use crate::isa::Isa;
use crate::isa::tiles::{LaidRows, PAIR, Step, Tile, TileKernel, Tiles, WeightRow};
use crate::layout::{LANES, Source};
use crate::moments::{Running, Sums};
use crate::team::Shared;
use std::ops::Range;

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
    /// What lies behind the rows of a block is read and not asked for, but must be a number.
    #[inline(always)]
    fn clear(&mut self) {
        let used = self.plan.laid_rows() * self.plan.width() * PAIR;
        for group in self.laid.chunks_exact_mut(self.plan.group_len()) {
            group[used..].fill(Bf16::default());
        }
    }

    /// Lays plane `padded - 1` of the input.
    #[inline(always)]
    fn lay_plane<I: Isa, M: Tiles<I>>(&mut self, isa: I, tiles: M, padded: usize) {
        let plan = self.plan;
        let [depth, height, width] = plan.src;
        let n = voxels(plan.src);
        let slot = padded % plan.slots();
        let plane = &mut self.laid[slot * plan.plane_len()..][..plan.plane_len()];
        let per_slot = plan.laid_rows() * plan.width();
        let runs = &mut self.runs[slot * per_slot..][..per_slot];
        runs.fill(u8::MAX);
        let y_of = |r: usize| {
            let y = plan.stride * self.work.row + r;
            (padded > 0 && padded <= depth && y > 0 && y <= height).then(|| ((padded - 1) * height + y - 1) * width)
        };
        for (group, to) in plane.chunks_exact_mut(plan.group_len()).enumerate() {
            let seen = |b| Seen::new(isa, find_block(self.sources, n, b), n, 1.0);
            let a = seen(2 * group);
            let b = (2 * group + 1 < self.in_blocks).then(|| seen(2 * group + 1));
            // The first voxel as this plane's are laid.
            let mut air = [[Bf16::default(); PAIR]];
            lay_pairs((isa, tiles), (&a, b.as_ref()), 0, &mut air);
            let [air] = &mut air;
            let places = &mut to.as_chunks_mut::<PAIR>().0[..per_slot];
            if plan.row == Row::Few {
                let row: &mut [[Bf16; FEW]] = &mut self.row.as_chunks_mut().0[..plan.row_len() / FEW];
                for r in 0..=plan.laid_rows() {
                    lay_few((isa, tiles), &a, y_of(r).map(|from| from..from + width), row);
                    for (half, r) in [(0, Some(r)), (1, r.checked_sub(1))] {
                        let places = r.and_then(|r| places.chunks_exact_mut(plan.width()).nth(r));
                        if let Some(places) = places {
                            lay_neighbours(row, half, places);
                        }
                    }
                }
                let (fours, _) = air.as_chunks_mut::<FEW>();
                fours.fill(fours[0]);
            } else {
                for (r, places) in places.chunks_exact_mut(plan.width()).enumerate() {
                    let row = places.as_flattened_mut();
                    let Some(from) = y_of(r) else {
                        row.fill(Bf16::default());
                        continue;
                    };
                    let row = between(row, plan.row, width);
                    if plan.row == Row::Pair {
                        lay_pairs((isa, tiles), (&a, b.as_ref()), from, row.as_chunks_mut().0);
                    } else {
                        lay_blocks((isa, tiles), &a, from, row.as_chunks_mut().0);
                    }
                }
                if plan.row == Row::Block {
                    air.copy_within(..LANES, LANES);
                }
            }
            count_runs(to, air, (plan.width(), runs));
        }
    }

    /// Lays what filtering makes of the four planes of the input that outputs of the planes `z` and `z + 1` see.
    #[inline(always)]
    fn lay_filtered<I: Isa, M: Tiles<I>>(&mut self, isa: I, tiles: M, z: usize) {
        let plan = self.plan;
        let [depth, height, width] = plan.src;
        let (n, slot) = (voxels(plan.src), plan.slot(z, 0));
        let per_slot = plan.laid_rows() * plan.width();
        let runs = &mut self.runs[slot / 4 * per_slot..][..per_slot];
        runs.fill(u8::MAX);
        for group in 0..plan.groups {
            let seen = |b| Seen::new(isa, find_block(self.sources, n, b), n, 1.0);
            let a = seen(2 * group);
            let b = (2 * group + 1 < self.in_blocks).then(|| seen(2 * group + 1));
            let seen = [Some(&a), b.as_ref()];
            // The first voxel as these planes' are laid.
            let mut air = [[Bf16::default(); PAIR]; 4];
            let rows = air.each_mut().map(|air| &mut air[..]);
            if plan.row == Row::Pair {
                lay_four::<_, _, _, PAIR>((isa, tiles), seen, [Some(0); 4], rows);
            } else {
                lay_four::<_, _, _, LANES>((isa, tiles), seen, [Some(0); 4], rows);
            }
            let mut planes = self.laid[slot * plan.plane_len()..].chunks_exact_mut(plan.plane_len());
            let mut planes: [_; 4] = std::array::from_fn(|_| match planes.next() {
                Some(plane) => &mut plane[group * plan.group_len()..][..plan.group_len()],
                None => unreachable!("four slots"),
            });
            for r in 0..plan.laid_rows() {
                let len = plan.width() * PAIR;
                let rows = planes.each_mut().map(|plane| &mut plane[r * len..][..len]);
                let y = self.work.row + r;
                if y == 0 || y > height {
                    for row in rows {
                        row.fill(Bf16::default());
                    }
                    continue;
                }
                let rows = rows.map(|row| between(row, plan.row, width));
                // Of the planes before these two, of both, and behind.
                let from = [0, 1, 2, 3].map(|plane| {
                    let z = (z + plane).checked_sub(1).filter(|&z| z < depth)?;
                    Some((z * height + y - 1) * width)
                });
                if plan.row == Row::Pair {
                    lay_four::<_, _, _, PAIR>((isa, tiles), seen, from, rows);
                } else {
                    lay_four::<_, _, _, LANES>((isa, tiles), seen, from, rows);
                }
            }
            for t in [1, 0, 2, 3] {
                count_runs(planes[t], &air[t], (plan.width(), runs));
            }
        }
    }

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

/// Where sixteen places lie in `of`, rows and their width.
struct Places {
    row: usize,
    x: usize,
    per_row: usize,
    of: (usize, usize),
    write: Write,
}

impl Places {
    /// What is to be written, of sums and what is there.
    #[inline(always)]
    fn value<I: Isa, T: Cell>(&self, isa: I, sums: &[f32; LANES], there: &[T; LANES]) -> I::V {
        let sums = isa.load(sums);
        if self.write == Write::Add { isa.add(sums, T::load(isa, there)) } else { sums }
    }

    /// Writes sums of places of `TWINS` voxels each, a tile for each of them.
    #[inline(always)]
    fn put<I: Isa, T: Cell, const TWINS: usize>(
        &self,
        isa: I,
        tiles: [&Tile; TWINS],
        rows: &mut [[T; LANES]],
        running: &mut Running<I>,
    ) {
        let (n_rows, width) = self.of;
        let (mut row, mut x, mut voxel) = (self.row, TWINS * self.x, 0);
        let of = |voxel: usize| &tiles[voxel % TWINS][voxel / TWINS];
        let mut own = *running;
        while voxel < TWINS * LANES && row < n_rows {
            let n = (TWINS * LANES - voxel).min(width - x.min(width));
            let cells = &mut rows[row * width + x.min(width)..][..n];
            let mut k = 0;
            while k + 4 <= n {
                let Some(four) = cells[k..].first_chunk_mut::<4>() else { unreachable!("within a row") };
                let (first, second) = four.split_at_mut(2);
                let at = voxel + k;
                self.put_four(isa, [of(at), of(at + 1), of(at + 2), of(at + 3)], [first, second], &mut own);
                k += 4;
            }
            while k < n {
                let v = self.value(isa, of(voxel + k), &cells[k]);
                own.add(isa, 0, v);
                T::store(isa, v, &mut cells[k]);
                k += 1;
            }
            voxel += TWINS * self.per_row - x;
            (row, x) = (row + 1, 0);
        }
        *running = own;
    }

    /// Four neighbours.
    #[inline(always)]
    fn put_four<I: Isa, T: Cell>(
        &self,
        isa: I,
        sums: [&[f32; LANES]; 4],
        [first, second]: [&mut [[T; LANES]]; 2],
        running: &mut Running<I>,
    ) {
        let (Some(first), Some(second)) = (first.first_chunk_mut::<2>(), second.first_chunk_mut::<2>()) else {
            unreachable!("two and two")
        };
        let v = [
            self.value(isa, sums[0], &first[0]),
            self.value(isa, sums[1], &first[1]),
            self.value(isa, sums[2], &second[0]),
            self.value(isa, sums[3], &second[1]),
        ];
        for k in 0..4 {
            running.add(isa, k, v[k]);
        }
        T::store_two(isa, v[0], v[1], first);
        T::store_two(isa, v[2], v[3], second);
    }
}

/// The voxels of a laid row; what is before and behind becomes zeros.
#[inline(always)]
fn between(row: &mut [Bf16], of: Row, width: usize) -> &mut [Bf16] {
    let voxel = if of == Row::Pair { PAIR } else { LANES };
    row[..voxel].fill(Bf16::default());
    row[(width + 1) * voxel..].fill(Bf16::default());
    &mut row[voxel..(width + 1) * voxel]
}

/// Shortens the runs of rows `[row][width]` to the places in which a laid pair of blocks holds `air`.
#[inline(always)]
fn count_runs(laid: &[Bf16], air: &[Bf16; PAIR], (width, runs): (usize, &mut [u8])) {
    let laid = laid.as_chunks::<PAIR>().0;
    for (y, runs) in runs.chunks_exact_mut(width).enumerate() {
        let mut n: u8 = 0;
        for x in (0..width).rev() {
            let own = &laid[y * width + x];
            // Two values first: in a head they nearly always say it all.
            let is_air = runs[x] > 0 && own[0] == air[0] && own[1] == air[1] && own[2..] == air[2..];
            n = if is_air { n.saturating_add(1) } else { 0 };
            runs[x] = n.min(runs[x]);
        }
    }
}

#[inline(always)]
fn lay_pairs<I: Isa, M: Tiles<I>, T: Cell>(
    (isa, tiles): (I, M),
    (a, b): (&Seen<'_, I, T>, Option<&Seen<'_, I, T>>),
    from: usize,
    row: &mut [[Bf16; PAIR]],
) {
    match b {
        Some(b) => {
            for x in 0..row.len() {
                a.prefetch(isa, from + x + AHEAD);
                b.prefetch(isa, from + x + AHEAD);
                tiles.lay_pair(a.at(isa, from + x), b.at(isa, from + x), &mut row[x]);
            }
        }
        None => {
            for x in 0..row.len() {
                tiles.lay_pair(a.at(isa, from + x), isa.splat(0.0), &mut row[x]);
            }
        }
    }
}

/// Lays what F(2, 3) makes of rows of four planes, which begin there or hold zeros; a place holds two blocks of channels or one.
#[inline(always)]
fn lay_four<I: Isa, M: Tiles<I>, T: Cell, const PLACE: usize>(
    isa: (I, M),
    seen: [Option<&Seen<'_, I, T>>; 2],
    from: [Option<usize>; 4],
    rows: [&mut [Bf16]; 4],
) {
    let rows = rows.map(|row| row.as_chunks_mut::<PLACE>().0);
    // Nearly always. Apart, so that the loop asks nothing.
    if let ([Some(a), b], [Some(z0), Some(z1), Some(z2), Some(z3)]) = (seen, from)
        && (PLACE == LANES || b.is_some())
    {
        lay_whole(isa, (a, b.unwrap_or(a)), [z0, z1, z2, z3], rows);
        return;
    }
    for x in 0..rows[0].len() {
        let mut planes = [[isa.0.splat(0.0); 4]; 2];
        for k in 0..2 {
            for z in 0..4 {
                if let (Some(seen), Some(from)) = (seen[k], from[z]) {
                    planes[k][z] = seen.at(isa.0, from + x);
                }
            }
        }
        for t in 0..4 {
            lay_filtered(isa, planes, t, &mut rows[t][x]);
        }
    }
}

/// The same where nothing is missing.
#[inline(always)]
fn lay_whole<I: Isa, M: Tiles<I>, T: Cell, const PLACE: usize>(
    isa: (I, M),
    (a, b): (&Seen<'_, I, T>, &Seen<'_, I, T>),
    from: [usize; 4],
    rows: [&mut [[Bf16; PLACE]]; 4],
) {
    let n = rows[0].len();
    let [first, second, third, fourth] = rows;
    let (first, second, third, fourth) = (&mut first[..n], &mut second[..n], &mut third[..n], &mut fourth[..n]);
    for x in 0..n {
        let mut planes = [[isa.0.splat(0.0); 4]; 2];
        for z in 0..4 {
            a.prefetch(isa.0, from[z] + x + AHEAD);
            planes[0][z] = a.at(isa.0, from[z] + x);
            if PLACE == PAIR {
                b.prefetch(isa.0, from[z] + x + AHEAD);
                planes[1][z] = b.at(isa.0, from[z] + x);
            }
        }
        lay_filtered(isa, planes, 0, &mut first[x]);
        lay_filtered(isa, planes, 1, &mut second[x]);
        lay_filtered(isa, planes, 2, &mut third[x]);
        lay_filtered(isa, planes, 3, &mut fourth[x]);
    }
}

/// A place of what part `t` of F(2, 3) takes of four values along z, of two blocks of channels or one.
#[inline(always)]
fn lay_filtered<I: Isa, M: Tiles<I>, const PLACE: usize>(
    (isa, tiles): (I, M),
    planes: [[I::V; 4]; 2],
    t: usize,
    place: &mut [Bf16; PLACE],
) {
    let [first, second] = [filtered(isa, planes[0], t), filtered(isa, planes[1], t)];
    if let Some(pair) = place.first_chunk_mut::<PAIR>() {
        tiles.lay_pair(first, second, pair);
    } else if let Some(block) = place.first_chunk_mut::<LANES>() {
        tiles.lay(first, block);
    }
}

/// What part `t` of F(2, 3) takes of four values along z.
#[inline(always)]
fn filtered<I: Isa>(isa: I, values: [I::V; 4], t: usize) -> I::V {
    match t {
        0 => isa.sub(values[0], values[2]),
        1 => isa.add(values[1], values[2]),
        2 => isa.sub(values[2], values[1]),
        _ => isa.sub(values[3], values[1]),
    }
}

#[inline(always)]
fn lay_blocks<I: Isa, M: Tiles<I>, T: Cell>(
    (isa, tiles): (I, M),
    a: &Seen<'_, I, T>,
    from: usize,
    row: &mut [[Bf16; LANES]],
) {
    for x in 0..row.len() {
        a.prefetch(isa, from + x + AHEAD);
        tiles.lay(a.at(isa, from + x), &mut row[x]);
    }
}

/// Lays a row of few channels with a voxel of zeros before it and some behind.
#[inline(always)]
fn lay_few<I: Isa, M: Tiles<I>, T: Cell>(
    (isa, tiles): (I, M),
    a: &Seen<'_, I, T>,
    from: Option<Range<usize>>,
    row: &mut [[Bf16; FEW]],
) {
    row.fill([Bf16::default(); FEW]);
    let Range { start, end } = from.unwrap_or(0..0);
    for x in 0..end - start {
        a.prefetch(isa, start + x + AHEAD);
        let mut lanes = [Bf16::default(); LANES];
        tiles.lay(a.at(isa, start + x), &mut lanes);
        let Some(few) = lanes.first_chunk() else { unreachable!("sixteen lanes hold four") };
        row[x + 1] = *few;
    }
}

/// Each place holds two neighbours along x and the next two: in this half.
#[inline(always)]
fn lay_neighbours(row: &[[Bf16; FEW]], half: usize, places: &mut [[Bf16; PAIR]]) {
    for (n, place) in places.iter_mut().enumerate() {
        place[half * LANES..][..LANES].copy_from_slice(row[2 * n..][..4].as_flattened());
    }
}
