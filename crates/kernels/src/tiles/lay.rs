//! The input as tiles read it: planes of a strip in bf16, with a halo of zeros.

#![expect(clippy::needless_range_loop, reason = "iterators in the innermost loops are left as calls: half the speed")]

use super::Strip;
use super::plan::{AHEAD, FEW, Row};
use crate::bf16::Bf16;
use crate::gather::{Seen, find_block, voxels};
use crate::half::Cell;
use crate::isa::Isa;
use crate::isa::tiles::{PAIR, Tiles};
use crate::layout::LANES;
use std::ops::Range;

impl<T: Cell> Strip<'_, T> {
    /// What lies behind the rows of a block is read and not asked for, but must be a number.
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        let used = self.plan.laid_rows() * self.plan.width() * PAIR;
        for group in self.laid.chunks_exact_mut(self.plan.group_len()) {
            group[used..].fill(Bf16::default());
        }
    }

    /// Lays plane `padded - 1` of the input.
    #[inline(always)]
    pub(super) fn lay_plane<I: Isa, M: Tiles<I>>(&mut self, isa: I, tiles: M, padded: usize) {
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
    pub(super) fn lay_filtered<I: Isa, M: Tiles<I>>(&mut self, isa: I, tiles: M, z: usize) {
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
            // The first place as these planes' are laid: of one block of channels the first two voxels, whose outputs are kept apart.
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
            lay_part(isa, planes, t, &mut rows[t][x]);
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
        lay_part(isa, planes, 0, &mut first[x]);
        lay_part(isa, planes, 1, &mut second[x]);
        lay_part(isa, planes, 2, &mut third[x]);
        lay_part(isa, planes, 3, &mut fourth[x]);
    }
}

/// A place of what part `t` of F(2, 3) takes of four values along z, of two blocks of channels or one.
#[inline(always)]
fn lay_part<I: Isa, M: Tiles<I>, const PLACE: usize>(
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
    let row = row.as_flattened();
    for n in 0..places.len() {
        let (from, to) = (row[2 * FEW * n..].first_chunk(), places[n][half * LANES..].first_chunk_mut::<LANES>());
        let (Some(from), Some(to)) = (from, to) else { unreachable!("four voxels of four channels") };
        *to = *from;
    }
}
