//! Input tiles to points: `V = B^T d B`, and output gradients to points: `A y A^T`.
//!
//! Both go through planes whose rows of tiles are transformed along y. At each step, one point along y and z, pairs of
//! planes are combined along z while their rows are transformed along x.

use super::repeats::{Batch, Run};
use super::tiles::{Lanes, Patch, Points, PointsMut, Tiling};
use super::transforms::{INPUT4, P, P2, Q, Q2, SUM2, input6, spread6};
use crate::gather::{Shape, find_block};
use crate::half::Cell;
use crate::isa::Isa;
use crate::layout::{LANES, Source};
use std::ops;

/// Planes of some blocks and rows of tiles, transformed along y: `[block][tile row][plane][6][columns][16]`.
///
/// Planes lie in a ring: the input's last two are also the first two of the layer of tiles above.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planes {
    depth: usize,
    columns: usize,
    height: usize,
    /// Outputs of a tile along z.
    thickness: usize,
}

impl Planes {
    /// For the input of the tiles of `patch`, which have `thickness` outputs along z: their columns and one on each side.
    pub(super) fn of_input(patch: &Patch, thickness: usize) -> Self {
        let [depth, height, width] = patch.size;
        Self { depth: thickness * depth + 2, columns: 4 * width + 2, height, thickness }
    }

    /// For the outputs of the tiles of `patch`.
    pub(super) fn of_output(patch: &Patch) -> Self {
        Self { depth: 2 * patch.size[0], columns: 4 * patch.size[2], height: patch.size[1], thickness: 2 }
    }

    /// Values for so many blocks.
    pub(super) fn len(&self, blocks: usize) -> usize {
        blocks * self.height * self.depth * 6 * self.columns * LANES
    }

    /// Where `plane` of tile row `y` of block `b` begins, in lanes.
    #[inline(always)]
    fn at(&self, b: usize, y: usize, plane: usize) -> usize {
        ((b * self.height + y) * self.depth + plane % self.depth) * 6 * self.columns
    }

    #[inline(always)]
    fn plane<'p>(&self, planes: &'p mut [Lanes], (b, y, plane): (usize, usize, usize)) -> &'p mut [Lanes] {
        &mut planes[self.at(b, y, plane)..][..6 * self.columns]
    }

    /// Row `i` of the planes `which` of a tile, where the tiles of `run` read it.
    #[inline(always)]
    fn rows<'p, const N: usize>(
        &self,
        planes: &'p [Lanes],
        (b, run, i): (usize, &Run, usize),
        which: [usize; N],
    ) -> [&'p [Lanes]; N] {
        let mut rows = [&planes[..0]; N];
        for n in 0..N {
            rows[n] = &self.row(planes, (b, run.y, self.thickness * run.z + which[n]), i)[4 * run.x..];
        }
        rows
    }

    /// Row `i` of the six.
    #[inline(always)]
    fn row<'p>(&self, planes: &'p [Lanes], (b, y, plane): (usize, usize, usize), i: usize) -> &'p [Lanes] {
        &planes[self.at(b, y, plane) + i * self.columns..][..self.columns]
    }
}

/// The places from `begin` to `end` of six rows of `columns`; the others become zero.
#[inline(always)]
fn six_rows(rows: &mut [Lanes], columns: usize, begin: usize, end: usize) -> [&mut [Lanes]; 6] {
    let (a, rest) = open_row(rows, columns, begin, end);
    let (b, rest) = open_row(rest, columns, begin, end);
    let (c, rest) = open_row(rest, columns, begin, end);
    let (d, rest) = open_row(rest, columns, begin, end);
    let (e, rest) = open_row(rest, columns, begin, end);
    let (f, _) = open_row(rest, columns, begin, end);
    [a, b, c, d, e, f]
}

#[inline(always)]
fn open_row(rows: &mut [Lanes], columns: usize, begin: usize, end: usize) -> (&mut [Lanes], &mut [Lanes]) {
    let (row, rest) = rows.split_at_mut(columns);
    row[..begin].fill([0.0; LANES]);
    row[end..].fill([0.0; LANES]);
    (&mut row[begin..end], rest)
}

/// What tiles see.
pub(super) trait Seen: Copy {
    /// How it is cut.
    fn tiling(&self) -> &Tiling;
    /// Whether the boxes of `size` from the voxels `a` and `b` on hold the same bits in all channels, and are known to.
    fn same(&self, a: Shape, b: Shape, size: Shape) -> bool;
}

/// The input of a convolution.
#[derive(Clone, Copy)]
pub(super) struct Input<'a, T> {
    pub(super) tiling: Tiling,
    pub(super) sources: &'a [Source<'a, T>],
    /// What all of it is multiplied by.
    pub(super) gain: f32,
}

impl<T: Cell> Seen for Input<'_, T> {
    #[inline(always)]
    fn tiling(&self) -> &Tiling {
        &self.tiling
    }

    #[inline(always)]
    fn same(&self, a: Shape, b: Shape, size: Shape) -> bool {
        let [depth, height, width] = self.tiling.shape;
        for source in self.sources {
            let planes: &[[T; LANES]] = source.values.as_chunks().0;
            let mut first = 0;
            while first < planes.len() {
                for z in 0..size[0] {
                    for y in 0..size[1] {
                        let a = first + ((a[0] + z) * height + a[1] + y) * width + a[2];
                        let b = first + ((b[0] + z) * height + b[1] + y) * width + b[2];
                        if T::differ(&planes[a..a + size[2]], &planes[b..b + size[2]]) {
                            return false;
                        }
                    }
                }
                first += depth * height * width;
            }
        }
        true
    }
}

impl<T: Cell> Input<'_, T> {
    /// Transforms along y the planes of `blocks` that the tiles of `work` read, but for the first `held`.
    #[inline(always)]
    pub(super) fn along_y<I: Isa>(
        &self,
        isa: I,
        (work, held): (&Patch, usize),
        blocks: ops::Range<usize>,
        (layout, planes): (Planes, &mut [Lanes]),
    ) {
        for b in blocks.clone() {
            let channels = Channels::new(isa, self, b);
            for y in 0..work.size[1] {
                let (begin, end) = (work.start[0], work.start[0] + work.size[0]);
                for plane in layout.thickness * begin + held..layout.thickness * end + 2 {
                    let to = layout.plane(planes, (b - blocks.start, y, plane));
                    channels.plane(isa, (plane, work.start[1] + y), work.start[2], (to, layout.columns));
                }
            }
        }
    }
}

/// Combines planes along z and transforms along x, to the six points of `step` of tiles of `Z` outputs along z.
///
/// # Safety
/// No other task touches these tiles of these blocks in `to`.
#[inline(always)]
pub(super) unsafe fn along_x<I: Isa, const Z: usize>(
    isa: I,
    (work, step): (&Patch, usize),
    blocks: ops::Range<usize>,
    (layout, planes): (Planes, &[Lanes]),
    to: PointsMut<'_>,
) {
    let (i, k) = (step / (Z + 2), step % (Z + 2));
    for b in blocks.clone() {
        for z in work.start[0]..work.start[0] + work.size[0] {
            for y in 0..work.size[1] {
                let run = Run { z, y, x: 0, n: work.size[2], row: 0 };
                // SAFETY: the caller's promise.
                let mut to = unsafe { to.six(b, [z, work.start[1] + y, work.start[2]], work.size[2]) };
                row_of_points::<I, Z>(isa, (layout, planes), (b - blocks.start, &run, i), k, &mut to);
            }
        }
    }
}

/// [`along_x`] for what is computed of a batch, all blocks: point `k` along z of row `i` of the six along y.
#[inline(always)]
pub(super) fn along_x_of<I: Isa, const Z: usize>(
    isa: I,
    (batch, i, k): (&Batch, usize, usize),
    planes: (Planes, &[Lanes]),
    (layout, v): (Points, &mut [Lanes]),
) {
    for b in 0..layout.blocks {
        for run in batch.runs() {
            let mut to = six_points(v, layout.stride(), layout.at(0, b, run.row), run.n);
            row_of_points::<I, Z>(isa, planes, (b, run, i), k, &mut to);
        }
    }
}

/// The tiles of a run: point `k` of `Z + 2` along z, and six along x.
#[inline(always)]
fn row_of_points<I: Isa, const Z: usize>(
    isa: I,
    (layout, planes): (Planes, &[Lanes]),
    of: (usize, &Run, usize),
    k: usize,
    to: &mut [&mut [Lanes]; 6],
) {
    if Z == 2 {
        let (first, second, sum) = INPUT4[k];
        let planes = layout.rows(planes, of, [first, second]);
        if sum {
            row_of(isa, Sum, planes, to);
        } else {
            row_of(isa, Difference, planes, to);
        }
        return;
    }
    match k {
        0 => row_of(isa, Outer, layout.rows(planes, of, [0, 2, 4]), to),
        1 => row_of(isa, Inner(Q2, P), layout.rows(planes, of, [1, 2, 3, 4]), to),
        2 => row_of(isa, Inner(Q2, -P), layout.rows(planes, of, [1, 2, 3, 4]), to),
        3 => row_of(isa, Inner(P2, Q), layout.rows(planes, of, [1, 2, 3, 4]), to),
        4 => row_of(isa, Inner(P2, -Q), layout.rows(planes, of, [1, 2, 3, 4]), to),
        _ => row_of(isa, Outer, layout.rows(planes, of, [1, 3, 5]), to),
    }
}

/// `n` rows from `row` on of each of the first six points.
#[inline(always)]
pub(super) fn six_points<V>(points: &mut [V], stride: usize, row: usize, n: usize) -> [&mut [V]; 6] {
    let (a, rest) = points.split_at_mut(stride);
    let (b, rest) = rest.split_at_mut(stride);
    let (c, rest) = rest.split_at_mut(stride);
    let (d, rest) = rest.split_at_mut(stride);
    let (e, f) = rest.split_at_mut(stride);
    let end = row + n;
    [&mut a[row..end], &mut b[row..end], &mut c[row..end], &mut d[row..end], &mut e[row..end], &mut f[row..end]]
}

/// A point along z from `N` planes.
trait AlongZ<const N: usize>: Copy {
    fn of<I: Isa>(self, isa: I, planes: [&Lanes; N]) -> I::V;
}

#[derive(Clone, Copy)]
struct Sum;

#[derive(Clone, Copy)]
struct Difference;

/// The first or last of F(4, 3).
#[derive(Clone, Copy)]
struct Outer;

/// Another of F(4, 3), by the square of the point that it is not of, and its own.
#[derive(Clone, Copy)]
struct Inner(f32, f32);

impl AlongZ<2> for Sum {
    #[inline(always)]
    fn of<I: Isa>(self, isa: I, [a, b]: [&Lanes; 2]) -> I::V {
        isa.add(isa.load(a), isa.load(b))
    }
}

impl AlongZ<2> for Difference {
    #[inline(always)]
    fn of<I: Isa>(self, isa: I, [a, b]: [&Lanes; 2]) -> I::V {
        isa.sub(isa.load(a), isa.load(b))
    }
}

impl AlongZ<3> for Outer {
    #[inline(always)]
    fn of<I: Isa>(self, isa: I, [a, b, c]: [&Lanes; 3]) -> I::V {
        isa.fma(isa.splat(-SUM2), isa.load(b), isa.add(isa.load(a), isa.load(c)))
    }
}

impl AlongZ<4> for Inner {
    #[inline(always)]
    fn of<I: Isa>(self, isa: I, [a, b, c, d]: [&Lanes; 4]) -> I::V {
        let other = isa.splat(-self.0);
        let (even, odd) = (isa.fma(other, isa.load(b), isa.load(d)), isa.fma(other, isa.load(a), isa.load(c)));
        isa.fma(isa.splat(self.1), odd, even)
    }
}

/// One row of tiles at a point along z, transformed along x: six inputs of a tile move on by four.
#[inline(always)]
fn row_of<I: Isa, Z: AlongZ<N>, const N: usize>(isa: I, z: Z, planes: [&[Lanes]; N], to: &mut [&mut [Lanes]; 6]) {
    let n = to[0].len();
    let mut d = [isa.splat(0.0); 6];
    let mut of = [&planes[0][0]; N];
    for c in 0..2 {
        for p in 0..N {
            of[p] = &planes[p][c];
        }
        d[4 + c] = z.of(isa, of);
    }
    let mut rest = [&[] as &[[Lanes; 4]]; N];
    for p in 0..N {
        rest[p] = &planes[p][2..].as_chunks().0[..n];
    }
    for r in 0..n {
        d[0] = d[4];
        d[1] = d[5];
        for c in 0..4 {
            for p in 0..N {
                of[p] = &rest[p][r][c];
            }
            d[c + 2] = z.of(isa, of);
        }
        let v = input6(isa, d);
        for j in 0..6 {
            isa.store(v[j], &mut to[j][r]);
        }
    }
}

/// One block of channels, and what they owe to the layer before.
pub(super) struct Channels<'a, I: Isa, T> {
    tiling: Tiling,
    values: &'a [[T; LANES]],
    scale: I::V,
    shift: I::V,
    slope: I::V,
    owed: Owed,
}

/// What is left to do to values as they are read.
#[derive(Clone, Copy)]
enum Owed {
    Nothing,
    /// Scale and shift.
    Affine,
    /// An activation after them.
    Activation,
}

/// Parts of six rows.
type Six<'a, T> = [&'a [[T; LANES]]; 6];

impl<'a, I: Isa, T: Cell> Channels<'a, I, T> {
    #[inline(always)]
    pub(super) fn new(isa: I, input: &Input<'a, T>, b: usize) -> Self {
        let n = input.tiling.voxels();
        let (source, b) = find_block(input.sources, n, b);
        let (scale, shift) = source.affine(b);
        Self {
            tiling: input.tiling,
            values: &source.values.as_chunks().0[b * n..][..n],
            scale: isa.mul(isa.load(&scale), isa.splat(input.gain)),
            shift: isa.mul(isa.load(&shift), isa.splat(input.gain)),
            slope: isa.splat(source.slope),
            owed: if source.is_plain() && input.gain == 1.0 {
                Owed::Nothing
            } else if source.slope >= 1.0 {
                Owed::Affine
            } else {
                Owed::Activation
            },
        }
    }

    /// Transforms tile row `y` of `plane` (the volume's plane 0 is plane 1 here) along y, from the tile `x` on.
    #[inline(always)]
    pub(super) fn plane(&self, isa: I, (plane, y): (usize, usize), x: usize, (to, columns): (&mut [Lanes], usize)) {
        let [depth, height, width] = self.tiling.shape;
        if plane == 0 || plane > depth {
            to.fill([0.0; LANES]);
            return;
        }
        // Column c stands for x = 4 * (first tile) + c - 1.
        let first = 4 * x;
        let begin = usize::from(first == 0);
        let end = columns.min(width + 1 - first);
        let n = end - begin;
        let inside = |i: usize| (1..=height).contains(&(4 * y + i));
        let line = |z: usize, i: usize| {
            let row = if inside(i) { 4 * y + i - 1 } else { 0 };
            &self.values[(z * height + row) * width + first + begin - 1..][..n]
        };
        let z = plane - 1;
        let lines = [line(z, 0), line(z, 1), line(z, 2), line(z, 3), line(z, 4), line(z, 5)];
        // The next plane's are read next: six short rows are more than the machine foresees by itself.
        let next = if plane < depth { height * width } else { 0 };
        let mut to = six_rows(to, columns, begin, end);
        let inside = [inside(0), inside(1), inside(2), inside(3), inside(4), inside(5)];
        match (inside == [true; 6], self.owed) {
            (true, Owed::Nothing) => self.lines::<false, false, false>(isa, (lines, next), inside, &mut to, n),
            (true, Owed::Affine) => self.lines::<false, true, false>(isa, (lines, next), inside, &mut to, n),
            (true, Owed::Activation) => self.lines::<false, true, true>(isa, (lines, next), inside, &mut to, n),
            (false, Owed::Nothing) => self.lines::<true, false, false>(isa, (lines, next), inside, &mut to, n),
            (false, Owed::Affine) => self.lines::<true, true, false>(isa, (lines, next), inside, &mut to, n),
            (false, Owed::Activation) => self.lines::<true, true, true>(isa, (lines, next), inside, &mut to, n),
        }
    }

    #[inline(always)]
    fn lines<const EDGE: bool, const SCALED: bool, const BENT: bool>(
        &self,
        isa: I,
        (lines, next): (Six<'_, T>, usize),
        inside: [bool; 6],
        to: &mut [&mut [Lanes]; 6],
        n: usize,
    ) {
        for x in 0..n {
            let mut d = [isa.splat(0.0); 6];
            // Two voxels a line of the cache; in f32 it gains nothing.
            if size_of::<T>() == 2 && x % 2 == 0 {
                for i in 0..6 {
                    isa.prefetch(&lines[i][x], next);
                }
            }
            for i in 0..6 {
                if !EDGE || inside[i] {
                    d[i] = T::load(isa, &lines[i][x]);
                    if SCALED {
                        d[i] = isa.fma(d[i], self.scale, self.shift);
                    }
                    if BENT {
                        d[i] = isa.max(d[i], isa.mul(d[i], self.slope));
                    }
                }
            }
            let d = input6(isa, d);
            for i in 0..6 {
                isa.store(d[i], &mut to[i][x]);
            }
        }
    }
}

/// The gradient of a convolution's output.
#[derive(Clone, Copy)]
pub(super) struct OutputGradient<'a> {
    pub(super) tiling: Tiling,
    pub(super) values: &'a [Lanes],
}

impl OutputGradient<'_> {
    /// Spreads along y the planes of `blocks` that the tiles of `work` have; outside the volume the gradient is zero.
    #[inline(always)]
    pub(super) fn along_y<I: Isa>(
        &self,
        isa: I,
        work: &Patch,
        blocks: ops::Range<usize>,
        (layout, planes): (Planes, &mut [Lanes]),
    ) {
        for b in blocks.clone() {
            for y in 0..work.size[1] {
                for plane in 2 * work.start[0]..2 * (work.start[0] + work.size[0]) {
                    let to = layout.plane(planes, (b - blocks.start, y, plane));
                    self.plane(isa, b, (plane, work.start[1] + y), work.start[2], (to, layout.columns));
                }
            }
        }
    }

    /// Spreads along z and x, to the six points of `step`.
    ///
    /// # Safety
    /// As [`along_x`].
    #[inline(always)]
    pub(super) unsafe fn along_x<I: Isa>(
        isa: I,
        (work, step): (&Patch, usize),
        blocks: ops::Range<usize>,
        (layout, planes): (Planes, &[Lanes]),
        to: PointsMut<'_>,
    ) {
        let i = step / 4;
        for b in blocks.clone() {
            for z in work.start[0]..work.start[0] + work.size[0] {
                for y in 0..work.size[1] {
                    let p = layout.row(planes, (b - blocks.start, y, 2 * z), i);
                    let q = layout.row(planes, (b - blocks.start, y, 2 * z + 1), i);
                    // SAFETY: the caller's promise.
                    let mut to = unsafe { to.six(b, [z, work.start[1] + y, work.start[2]], work.size[2]) };
                    match step % 4 {
                        0 => spread_row::<I, 0>(isa, p, q, &mut to),
                        1 => spread_row::<I, 1>(isa, p, q, &mut to),
                        2 => spread_row::<I, 2>(isa, p, q, &mut to),
                        _ => spread_row::<I, 3>(isa, p, q, &mut to),
                    }
                }
            }
        }
    }

    /// Spreads along y the four rows of tile row `y` of plane `z`, from the tile `x` on.
    #[inline(always)]
    fn plane<I: Isa>(&self, isa: I, b: usize, (z, y): (usize, usize), x: usize, (to, columns): (&mut [Lanes], usize)) {
        let [depth, height, width] = self.tiling.shape;
        if z >= depth {
            to.fill([0.0; LANES]);
            return;
        }
        let first = 4 * x;
        let n = columns.min(width - first);
        let rows = (height - 4 * y).min(4);
        let line = |i: usize| {
            let row = if i < rows { 4 * y + i } else { 0 };
            &self.values[((b * depth + z) * height + row) * width + first..][..n]
        };
        let lines = [line(0), line(1), line(2), line(3)];
        let to = six_rows(to, columns, 0, n);
        for x in 0..n {
            let mut d = [isa.splat(0.0); 4];
            for i in 0..4 {
                if i < rows {
                    d[i] = isa.load(&lines[i][x]);
                }
            }
            let d = spread6(isa, d);
            for i in 0..6 {
                isa.store(d[i], &mut to[i][x]);
            }
        }
    }
}

/// One row of tiles: plane `p`, `p + q`, `p - q` or `q`, spread along x.
#[inline(always)]
fn spread_row<I: Isa, const POINT: usize>(isa: I, p: &[Lanes], q: &[Lanes], to: &mut [&mut [Lanes]; 6]) {
    let n = to[0].len();
    let (p, q) = (&p.as_chunks::<4>().0[..n], &q.as_chunks::<4>().0[..n]);
    for r in 0..n {
        let mut d = [isa.splat(0.0); 4];
        for c in 0..4 {
            d[c] = match POINT {
                0 => isa.load(&p[r][c]),
                1 => isa.add(isa.load(&p[r][c]), isa.load(&q[r][c])),
                2 => isa.sub(isa.load(&p[r][c]), isa.load(&q[r][c])),
                _ => isa.load(&q[r][c]),
            };
        }
        let m = spread6(isa, d);
        for j in 0..6 {
            isa.store(m[j], &mut to[j][r]);
        }
    }
}
