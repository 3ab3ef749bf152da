//! Input tiles to integers: points along y and x in f32, rounded, and points along z from those integers.
//!
//! Each plane is transformed and rounded once, though two layers of tiles see it. Along z, F(2, 3) only adds or subtracts two
//! planes, which integers do exactly and thirty-two at a time; what it costs is that a point carries two roundings. A plane's
//! numbers are half the sum or difference of two points along z, so they are nowhere wider than the widest point.
//! F(4, 3) combines six planes with coefficients of at most one, eight products rounded to integers for six points; none of
//! its points is more than [`REACH`] times as wide as the widest plane.

use super::input::{Channels, Input, six_points};
use super::repeats::Batch;
use super::tiles::{Lanes, Patch};
use super::transforms::{HALF_INVERSE, HALF_P, HALF_P2, REACH, input6};
use crate::half::Cell;
use crate::isa::{Dots, Isa};
use crate::layout::LANES;
use crate::pairs::{Pairs, cut};
use std::ops::Range;

/// Planes at the points along y and x, as integers: `[pair of blocks][tile row][plane][6 along y][6 along x][tile][16]`; of a
/// block that has no neighbour `[3 along x]`, two points in the place of two blocks.
///
/// Planes lie in a ring, as those of [`Planes`](super::input::Planes).
#[derive(Clone, Copy, Debug)]
pub(super) struct RoundedPlanes {
    blocks: usize,
    depth: usize,
    height: usize,
    /// Tiles along x.
    width: usize,
    /// Outputs of a tile along z.
    thickness: usize,
}

/// What planes are cut at where points along z may be beyond the limit: no sum of two leaves 16 bits.
const WIDEST: i16 = i16::MAX / 2;

/// How wide planes may be so that no point along z is beyond `limit`, of `thickness` outputs.
pub(super) fn within(limit: i16, thickness: usize) -> i16 {
    // Three are more than what roundings add.
    if thickness == 2 { limit / 2 } else { (f32::from(limit) / REACH) as i16 - 3 }
}

impl RoundedPlanes {
    /// Of so many blocks, for the tiles of `patch`, which have `thickness` outputs along z.
    pub(super) fn new(blocks: usize, patch: &Patch, thickness: usize) -> Self {
        let [depth, height, width] = patch.size;
        Self { blocks, depth: thickness * depth + 2, height, width, thickness }
    }

    /// The planes that the tiles of `work` read, but for the first `held`.
    #[inline(always)]
    fn planes(&self, (work, held): (&Patch, usize)) -> Range<usize> {
        self.thickness * work.start[0] + held..self.thickness * (work.start[0] + work.size[0]) + 2
    }

    /// Values for all planes, and for two blocks of one of them on the way.
    pub(super) fn len(&self) -> usize {
        let per_plane = (self.blocks / 2 * 36 + self.blocks % 2 * 18) * self.width;
        (self.height * self.depth * per_plane + 2 * 6 * self.columns()) * LANES
    }

    /// What tiles side by side see of a row.
    fn columns(&self) -> usize {
        4 * self.width + 2
    }

    /// Pairs of blocks, the last perhaps of one alone.
    fn groups(&self) -> usize {
        self.blocks.div_ceil(2)
    }

    /// Vectors of a tile at one point along y.
    #[inline(always)]
    fn along_x(&self, group: usize) -> usize {
        if 2 * group + 1 < self.blocks { 6 } else { 3 }
    }

    /// Where row `i` along y of `plane` of tile row `y` begins.
    #[inline(always)]
    fn at(&self, (group, y, plane): (usize, usize, usize), i: usize) -> usize {
        let whole = group * self.height * self.depth * 36;
        (whole + ((y * self.depth + plane % self.depth) * 6 + i) * self.along_x(group)) * self.width
    }

    /// Transforms and rounds the planes that the tiles of `work` read, but for the first `held`.
    #[inline(always)]
    pub(super) fn read<I: Isa, D: Dots<I>, T: Cell>(
        &self,
        (isa, dots): (I, D),
        input: &Input<'_, T>,
        (work, held): (&Patch, usize),
        planes: &mut [f32],
        widest: &mut D::W,
    ) {
        let columns = self.columns();
        let (on_the_way, planes) = planes.split_at_mut(2 * 6 * columns * LANES);
        let (a, b) = on_the_way.as_chunks_mut().0.split_at_mut(6 * columns);
        let planes: &mut [Pairs] = bytemuck::cast_slice_mut::<f32, i32>(planes).as_chunks_mut().0;
        let depth = input.tiling.shape[0];
        for group in 0..self.groups() {
            let paired = self.along_x(group) == 6;
            let first = Channels::new(isa, input, 2 * group);
            let second = Channels::new(isa, input, if paired { 2 * group + 1 } else { 2 * group });
            for y in 0..work.size[1] {
                for plane in self.planes((work, held)) {
                    let step = self.along_x(group) * self.width;
                    let to = &mut planes[self.at((group, y, plane), 0)..][..6 * step];
                    if plane == 0 || plane > depth {
                        to.fill([0; LANES]);
                        continue;
                    }
                    let at = (plane, work.start[1] + y);
                    first.plane(isa, at, work.start[2], (&mut *a, columns));
                    if paired {
                        second.plane(isa, at, work.start[2], (&mut *b, columns));
                    }
                    for i in 0..6 {
                        let row = i * columns..(i + 1) * columns;
                        let to = &mut to[i * step..(i + 1) * step];
                        if paired {
                            let to = &mut six_points(to, self.width, 0, self.width);
                            pair_row((isa, dots), [&a[row.clone()], &b[row]], to, widest);
                        } else {
                            lone_row((isa, dots), &a[row], self.width, to, widest);
                        }
                    }
                }
            }
        }
    }

    /// Cuts what [`RoundedPlanes::read`] read, where it is wider than sums along z allow, and says how many are there then.
    pub(super) fn cut<I: Isa, D: Dots<I>>(&self, dots: D, work: (&Patch, usize), planes: &mut [f32]) -> u64 {
        let planes = &mut planes[2 * 6 * self.columns() * LANES..];
        let planes: &mut [Pairs] = bytemuck::cast_slice_mut::<f32, i32>(planes).as_chunks_mut().0;
        let mut lost = 0;
        for group in 0..self.groups() {
            for y in 0..work.0.size[1] {
                for plane in self.planes(work) {
                    let n = 6 * self.along_x(group) * self.width;
                    lost += cut(dots, &mut planes[self.at((group, y, plane), 0)..][..n], WIDEST);
                }
            }
        }
        lost
    }

    /// Combines planes along z, to the points `i` along y and `j` along x of what is computed of a batch. Those of a block
    /// without a neighbour are left as they are for an odd `j`, since they were made with the one before.
    #[inline(always)]
    pub(super) fn along_z<I: Isa, D: Dots<I>, const Z: usize>(
        &self,
        dots: D,
        (batch, i, j): (&Batch, usize, usize),
        planes: &[f32],
        (layout, v): (PairsLayout, &mut [Pairs]),
    ) {
        let planes = &planes[2 * 6 * self.columns() * LANES..];
        let planes: &[Pairs] = bytemuck::cast_slice::<f32, i32>(planes).as_chunks().0;
        for group in 0..self.groups() {
            let whole = self.along_x(group) == 6;
            if !whole && j % 2 == 1 {
                continue;
            }
            let first = if whole { j } else { j / 2 } * self.width;
            let (at, stride) = layout.of_group(group);
            for run in batch.runs() {
                let mut d = [&planes[..0]; 6];
                for p in 0..Z + 2 {
                    d[p] = &planes[self.at((group, run.y, Z * run.z + p), i) + first + run.x..][..run.n];
                }
                let to = points_along_z::<Pairs, Z>(&mut v[at + run.row..], stride, run.n);
                if Z == 2 {
                    combine4(dots, d, to);
                } else {
                    combine6(dots, d, to);
                }
            }
        }
    }
}

/// `B^T d` of F(2, 3), as `INPUT4` of the transforms in f32 says.
#[inline(always)]
fn combine4<I: Isa, D: Dots<I>>(dots: D, d: [&[Pairs]; 6], to: [&mut [Pairs]; 6]) {
    let [t0, t1, t2, t3, ..] = to;
    let n = t0.len();
    let (t1, t2, t3) = (&mut t1[..n], &mut t2[..n], &mut t3[..n]);
    let (d0, d1, d2, d3) = (&d[0][..n], &d[1][..n], &d[2][..n], &d[3][..n]);
    for x in 0..n {
        let (a, b, c, d) = (dots.load(&d0[x]), dots.load(&d1[x]), dots.load(&d2[x]), dots.load(&d3[x]));
        dots.store(dots.sub_halves(a, c), &mut t0[x]);
        dots.store(dots.add_halves(b, c), &mut t1[x]);
        dots.store(dots.sub_halves(c, b), &mut t2[x]);
        dots.store(dots.sub_halves(d, b), &mut t3[x]);
    }
}

/// `B^T d` of F(4, 3), each row divided by its scale. No sum but the last of a point leaves 16 bits where no plane is wider
/// than [`WIDEST`].
#[inline(always)]
fn combine6<I: Isa, D: Dots<I>>(dots: D, d: [&[Pairs]; 6], to: [&mut [Pairs]; 6]) {
    let [t0, t1, t2, t3, t4, t5] = to;
    let n = t0.len();
    let (t1, t2, t3, t4, t5) = (&mut t1[..n], &mut t2[..n], &mut t3[..n], &mut t4[..n], &mut t5[..n]);
    let (d0, d1, d2) = (&d[0][..n], &d[1][..n], &d[2][..n]);
    let (d3, d4, d5) = (&d[3][..n], &d[4][..n], &d[5][..n]);
    for x in 0..n {
        let (a, b, c) = (dots.load(&d0[x]), dots.load(&d1[x]), dots.load(&d2[x]));
        let (d, e, f) = (dots.load(&d3[x]), dots.load(&d4[x]), dots.load(&d5[x]));
        dots.store(dots.sub_halves(dots.scale_halves(dots.add_halves(a, e), HALF_INVERSE), c), &mut t0[x]);
        let even = dots.sub_halves(dots.scale_halves(e, HALF_P2), c);
        let odd = dots.scale_halves(dots.sub_halves(dots.scale_halves(d, HALF_P2), b), HALF_P);
        dots.store(dots.add_halves(even, odd), &mut t1[x]);
        dots.store(dots.sub_halves(even, odd), &mut t2[x]);
        let even = dots.scale_halves(dots.sub_halves(e, dots.scale_halves(c, HALF_P2)), HALF_P);
        let odd = dots.sub_halves(d, dots.scale_halves(b, HALF_P2));
        dots.store(dots.add_halves(even, odd), &mut t3[x]);
        dots.store(dots.sub_halves(even, odd), &mut t4[x]);
        dots.store(dots.sub_halves(dots.scale_halves(dots.add_halves(b, f), HALF_INVERSE), d), &mut t5[x]);
    }
}

/// The first `n` at each point along z of `Z` outputs, `stride` apart; those that there are not are empty.
#[inline(always)]
fn points_along_z<V, const Z: usize>(points: &mut [V], stride: usize, n: usize) -> [&mut [V]; 6] {
    let (a, rest) = points.split_at_mut(stride);
    let (b, rest) = rest.split_at_mut(stride);
    let (c, rest) = rest.split_at_mut(stride);
    if Z == 2 {
        return [&mut a[..n], &mut b[..n], &mut c[..n], &mut rest[..n], &mut [], &mut []];
    }
    let (d, rest) = rest.split_at_mut(stride);
    let (e, f) = rest.split_at_mut(stride);
    [&mut a[..n], &mut b[..n], &mut c[..n], &mut d[..n], &mut e[..n], &mut f[..n]]
}

/// Where integers at the points along z of one along y and x lie: `[point along z][pair of blocks][row][16]`, and after
/// them those of a block without a neighbour, two points along x in each; a line after each point.
#[derive(Clone, Copy, Debug)]
pub(super) struct PairsLayout {
    pub(super) blocks: usize,
    pub(super) rows: usize,
    /// Along z.
    pub(super) points: usize,
}

impl PairsLayout {
    /// Pairs of two blocks.
    pub(super) fn whole(&self) -> usize {
        self.blocks / 2
    }

    /// Lines from one point to the next.
    pub(super) fn stride(&self) -> usize {
        self.whole() * self.rows + 1
    }

    /// Lines from one point of a lone block to the next.
    pub(super) fn lone_stride(&self) -> usize {
        self.blocks % 2 * self.rows + 1
    }

    /// Where a lone block's begin.
    pub(super) fn lone(&self) -> usize {
        self.points * self.stride()
    }

    /// Lines.
    pub(super) fn len(&self) -> usize {
        self.lone() + self.points * self.lone_stride()
    }

    /// Where a group begins at the first point along z, and how far it is to the next.
    #[inline(always)]
    fn of_group(&self, group: usize) -> (usize, usize) {
        if group < self.whole() { (group * self.rows, self.stride()) } else { (self.lone(), self.lone_stride()) }
    }
}

/// A row that is transformed along x: six inputs of a tile move on by four.
struct Window<'a, I: Isa> {
    row: &'a [[Lanes; 4]],
    d: [I::V; 6],
}

impl<'a, I: Isa> Window<'a, I> {
    #[inline(always)]
    fn new(isa: I, row: &'a [Lanes], n: usize) -> Self {
        let mut d = [isa.splat(0.0); 6];
        d[4] = isa.load(&row[0]);
        d[5] = isa.load(&row[1]);
        Self { row: &row[2..].as_chunks().0[..n], d }
    }

    /// The points of tile `r`.
    #[inline(always)]
    fn points(&mut self, isa: I, r: usize) -> [I::V; 6] {
        self.d[0] = self.d[4];
        self.d[1] = self.d[5];
        for c in 0..4 {
            self.d[c + 2] = isa.load(&self.row[r][c]);
        }
        input6(isa, self.d)
    }
}

/// One row of tiles of two blocks.
#[inline(always)]
fn pair_row<I: Isa, D: Dots<I>>(
    (isa, dots): (I, D),
    [a, b]: [&[Lanes]; 2],
    to: &mut [&mut [Pairs]; 6],
    widest: &mut D::W,
) {
    let n = to[0].len();
    let mut most = *widest;
    let (mut a, mut b) = (Window::new(isa, a, n), Window::new(isa, b, n));
    for r in 0..n {
        let (va, vb) = (a.points(isa, r), b.points(isa, r));
        for j in 0..6 {
            dots.store(dots.pack(va[j], vb[j], &mut most), &mut to[j][r]);
        }
    }
    *widest = most;
}

/// One row of tiles of a block that has no neighbour.
#[inline(always)]
fn lone_row<I: Isa, D: Dots<I>>((isa, dots): (I, D), a: &[Lanes], n: usize, to: &mut [Pairs], widest: &mut D::W) {
    let (t0, rest) = to.split_at_mut(n);
    let (t1, t2) = rest.split_at_mut(n);
    let t2 = &mut t2[..n];
    let mut most = *widest;
    let mut a = Window::new(isa, a, n);
    for r in 0..n {
        let v = a.points(isa, r);
        dots.store(dots.pack(v[0], v[1], &mut most), &mut t0[r]);
        dots.store(dots.pack(v[2], v[3], &mut most), &mut t1[r]);
        dots.store(dots.pack(v[4], v[5], &mut most), &mut t2[r]);
    }
    *widest = most;
}
