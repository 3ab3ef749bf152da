//! Input tiles to points: `V = B^T d B`, and output gradients to points: `A y A^T`.
//!
//! Both go through planes whose rows of tiles are transformed along y. At each step, one point along y and z, pairs of
//! planes are combined along z while their rows are transformed along x.

use super::tiles::{Lanes, Patch, PointsMut, STEPS, Tiling, part};
use super::transforms::{INPUT4, input6, spread6};
use crate::gather::find_block;
use crate::isa::Isa;
use crate::layout::{LANES, Source};
use std::ops::Range;

/// Planes of some blocks and rows of tiles, transformed along y: `[block][tile row][plane][6][columns][16]`.
///
/// Planes lie in a ring: the input's last two are also the first two of the layer of tiles above.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planes {
    depth: usize,
    columns: usize,
    height: usize,
}

impl Planes {
    /// For the input of the tiles of `patch`: their columns and one on each side.
    pub(super) fn of_input(patch: &Patch) -> Self {
        Self { depth: 2 * patch.size[0] + 2, columns: 4 * patch.size[2] + 2, height: patch.size[1] }
    }

    /// For the outputs of the tiles of `patch`.
    pub(super) fn of_output(patch: &Patch) -> Self {
        Self { depth: 2 * patch.size[0], columns: 4 * patch.size[2], height: patch.size[1] }
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

/// The input of a convolution.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) tiling: Tiling,
    pub(super) sources: &'a [Source<'a>],
}

impl Input<'_> {
    /// Transforms along y the planes of `blocks` that the tiles of `work` read, but for the first `held`.
    #[inline(always)]
    pub(super) fn along_y<I: Isa>(
        &self,
        isa: I,
        (work, held): (&Patch, usize),
        blocks: Range<usize>,
        (layout, planes): (Planes, &mut [Lanes]),
    ) {
        for b in blocks.clone() {
            let channels = Channels::new(isa, self, b);
            for y in 0..work.size[1] {
                for plane in 2 * work.start[0] + held..2 * (work.start[0] + work.size[0]) + 2 {
                    let to = layout.plane(planes, (b - blocks.start, y, plane));
                    channels.plane(isa, (plane, work.start[1] + y), work.start[2], (to, layout.columns));
                }
            }
        }
    }

    /// Asks for what [`Input::along_y`] will read, a part of it at each step.
    #[inline(always)]
    pub(super) fn prefetch<I: Isa>(&self, isa: I, (work, held): (&Patch, usize), blocks: usize, step: usize) {
        let [depth, height, width] = self.tiling.shape;
        let planes = 2 * work.size[0] + 2 - held;
        let per_block = planes * 6 * work.size[1];
        let begin = (4 * work.start[2]).saturating_sub(1);
        let end = (4 * (work.start[2] + work.size[2]) + 1).min(width);
        for row in part(blocks * per_block, STEPS, step) {
            let (b, row) = (row / per_block, row % per_block);
            let z = 2 * work.start[0] + held + row % planes;
            let y = 4 * work.start[1] + row / planes % 6 + row / planes / 6 * 4;
            // The volume's plane and row 0 are plane and row 1 here.
            if (1..=depth).contains(&z) && (1..=height).contains(&y) {
                let (source, b) = find_block(self.sources, self.tiling.voxels(), b);
                let start = ((b * depth + z - 1) * height + y - 1) * width;
                for line in &source.values.as_chunks().0[start + begin..start + end] {
                    isa.prefetch(line);
                }
            }
        }
    }

    /// Combines planes along z and transforms along x, to the six points of `step`.
    ///
    /// # Safety
    /// No other task touches these tiles of these blocks in `to`.
    #[inline(always)]
    pub(super) unsafe fn along_x<I: Isa>(
        isa: I,
        (work, step): (&Patch, usize),
        blocks: Range<usize>,
        (layout, planes): (Planes, &[Lanes]),
        to: PointsMut<'_>,
    ) {
        let (i, (first, second, sum)) = (step / 4, INPUT4[step % 4]);
        for b in blocks.clone() {
            for z in work.start[0]..work.start[0] + work.size[0] {
                for y in 0..work.size[1] {
                    let first = layout.row(planes, (b - blocks.start, y, 2 * z + first), i);
                    let second = layout.row(planes, (b - blocks.start, y, 2 * z + second), i);
                    // SAFETY: the caller's promise.
                    let mut to = unsafe { to.six(b, [z, work.start[1] + y, work.start[2]], work.size[2]) };
                    if sum {
                        input_row::<I, true>(isa, first, second, &mut to);
                    } else {
                        input_row::<I, false>(isa, first, second, &mut to);
                    }
                }
            }
        }
    }
}

/// One block of channels, and what they owe to the layer before.
struct Channels<'a, I: Isa> {
    tiling: Tiling,
    values: &'a [Lanes],
    scale: I::V,
    shift: I::V,
    slope: I::V,
    plain: bool,
}

impl<'a, I: Isa> Channels<'a, I> {
    #[inline(always)]
    fn new(isa: I, input: &Input<'a>, b: usize) -> Self {
        let n = input.tiling.voxels();
        let (source, b) = find_block(input.sources, n, b);
        let (scale, shift) = source.affine(b);
        Self {
            tiling: input.tiling,
            values: &source.values.as_chunks().0[b * n..][..n],
            scale: isa.load(&scale),
            shift: isa.load(&shift),
            slope: isa.splat(source.slope),
            plain: source.is_plain(),
        }
    }

    /// Transforms tile row `y` of `plane` (the volume's plane 0 is plane 1 here) along y, from the tile `x` on.
    #[inline(always)]
    fn plane(&self, isa: I, (plane, y): (usize, usize), x: usize, (to, columns): (&mut [Lanes], usize)) {
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
        let line = |i: usize| {
            let row = if inside(i) { 4 * y + i - 1 } else { 0 };
            &self.values[((plane - 1) * height + row) * width + first + begin - 1..][..n]
        };
        let lines = [line(0), line(1), line(2), line(3), line(4), line(5)];
        let mut to = six_rows(to, columns, begin, end);
        let inside = [inside(0), inside(1), inside(2), inside(3), inside(4), inside(5)];
        match (inside == [true; 6], self.plain) {
            (true, true) => self.lines::<false, true>(isa, lines, inside, &mut to, n),
            (true, false) => self.lines::<false, false>(isa, lines, inside, &mut to, n),
            (false, true) => self.lines::<true, true>(isa, lines, inside, &mut to, n),
            (false, false) => self.lines::<true, false>(isa, lines, inside, &mut to, n),
        }
    }

    #[inline(always)]
    fn lines<const EDGE: bool, const PLAIN: bool>(
        &self,
        isa: I,
        lines: [&[Lanes]; 6],
        inside: [bool; 6],
        to: &mut [&mut [Lanes]; 6],
        n: usize,
    ) {
        for x in 0..n {
            let mut d = [isa.splat(0.0); 6];
            for i in 0..6 {
                if !EDGE || inside[i] {
                    d[i] = isa.load(&lines[i][x]);
                    if !PLAIN {
                        let t = isa.fma(d[i], self.scale, self.shift);
                        d[i] = isa.max(t, isa.mul(t, self.slope));
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

/// One row of tiles: the sum (or difference) of two planes, along x.
#[inline(always)]
fn input_row<I: Isa, const SUM: bool>(isa: I, a: &[Lanes], b: &[Lanes], to: &mut [&mut [Lanes]; 6]) {
    let n = to[0].len();
    let pair = |a: &Lanes, b: &Lanes| {
        let (a, b) = (isa.load(a), isa.load(b));
        if SUM { isa.add(a, b) } else { isa.sub(a, b) }
    };
    let mut d = [isa.splat(0.0); 6];
    d[4] = pair(&a[0], &b[0]);
    d[5] = pair(&a[1], &b[1]);
    let (a, b) = (&a[2..].as_chunks::<4>().0[..n], &b[2..].as_chunks::<4>().0[..n]);
    for r in 0..n {
        d[0] = d[4];
        d[1] = d[5];
        for c in 0..4 {
            d[c + 2] = pair(&a[r][c], &b[r][c]);
        }
        let v = input6(isa, d);
        for j in 0..6 {
            isa.store(v[j], &mut to[j][r]);
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
        blocks: Range<usize>,
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
    /// As [`Input::along_x`].
    #[inline(always)]
    pub(super) unsafe fn along_x<I: Isa>(
        isa: I,
        (work, step): (&Patch, usize),
        blocks: Range<usize>,
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
