//! Input tiles to points: `V = B^T d B`, and output gradients to points: `A y A^T`.
//!
//! Both go through a buffer of planes that are transformed along y: `[plane][6][columns][16]`. Then pairs of planes are
//! combined along z while the rows are transformed along x.

use super::tiles::{Lanes, Patch, PointsMut, Tiling};
use super::transforms::{INPUT4, input6, spread6};
use crate::gather::find_block;
use crate::isa::Isa;
use crate::layout::{LANES, Source};
use std::ops::Range;

/// Planes of the ring: what a layer of tiles reads.
const RING: usize = 4;

/// Lanes of ring that a patch needs for each block and row of tiles.
fn ring_part(patch: &Patch) -> usize {
    RING * 6 * patch.columns()
}

/// Values of ring that [`Input::transform`] needs for `blocks` blocks of the patch.
pub(super) fn ring_len(patch: &Patch, blocks: usize) -> usize {
    blocks * patch.size[1] * ring_part(patch) * LANES
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
    /// Transforms `blocks` of the tiles of `work` into `to`.
    ///
    /// The ring ([`ring_len`]) holds what the layer of tiles below left there, unless `fresh`.
    ///
    /// # Safety
    /// No other task touches these tiles of these blocks in `to`.
    #[inline(always)]
    pub(super) unsafe fn transform<I: Isa>(
        &self,
        isa: I,
        (work, fresh): (Patch, bool),
        blocks: Range<usize>,
        ring: &mut [Lanes],
        to: PointsMut<'_>,
    ) {
        let mut parts = ring.chunks_exact_mut(ring_part(&work));
        for b in blocks {
            let channels = Channels::new(isa, self, b);
            for y in work.start[1]..work.start[1] + work.size[1] {
                let Some(ring) = parts.next() else { unreachable!("the ring has a part for each block and row") };
                for z in work.start[0]..work.start[0] + work.size[0] {
                    let first = if fresh && z == work.start[0] { 0 } else { 2 };
                    for plane in first..RING {
                        channels.plane(isa, (2 * z + plane, y), &work, ring);
                    }
                    // SAFETY: the caller's promise.
                    unsafe { combine(isa, [z, y, work.start[2]], &work, b, ring, to) };
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

    /// Transforms along y the rows of tile row `y` of `plane` (the volume's plane 0 is plane 1 here) into the ring.
    #[inline(always)]
    fn plane(&self, isa: I, (plane, y): (usize, usize), work: &Patch, ring: &mut [Lanes]) {
        let [depth, height, width] = self.tiling.shape;
        let columns = work.columns();
        let slot = &mut ring[plane % RING * 6 * columns..][..6 * columns];
        if plane == 0 || plane > depth {
            slot.fill([0.0; LANES]);
            return;
        }
        // Column c stands for x = 4 * (first tile) + c - 1.
        let first = 4 * work.start[2];
        let begin = usize::from(first == 0);
        let end = columns.min(width + 1 - first);
        let n = end - begin;
        let inside = |i: usize| (1..=height).contains(&(4 * y + i));
        let line = |i: usize| {
            let row = if inside(i) { 4 * y + i - 1 } else { 0 };
            &self.values[((plane - 1) * height + row) * width + first + begin - 1..][..n]
        };
        let lines = [line(0), line(1), line(2), line(3), line(4), line(5)];
        let to = six_rows(slot, columns, begin, end);
        let inside = [inside(0), inside(1), inside(2), inside(3), inside(4), inside(5)];
        match (inside == [true; 6], self.plain) {
            (true, true) => self.lines::<false, true>(isa, lines, inside, to, n),
            (true, false) => self.lines::<false, false>(isa, lines, inside, to, n),
            (false, true) => self.lines::<true, true>(isa, lines, inside, to, n),
            (false, false) => self.lines::<true, false>(isa, lines, inside, to, n),
        }
    }

    #[inline(always)]
    fn lines<const EDGE: bool, const PLAIN: bool>(
        &self,
        isa: I,
        lines: [&[Lanes]; 6],
        inside: [bool; 6],
        to: [&mut [Lanes]; 6],
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

/// Combines the four planes of the layer of tiles at `at`, transforms along x and stores the 144 points.
///
/// # Safety
/// As [`Input::transform`].
#[inline(always)]
unsafe fn combine<I: Isa>(isa: I, at: [usize; 3], work: &Patch, b: usize, ring: &[Lanes], to: PointsMut<'_>) {
    let (n, columns) = (work.size[2], work.columns());
    let row = |plane: usize, i: usize| &ring[((2 * at[0] + plane) % RING * 6 + i) * columns..][..columns];
    for (point, (first, second, sum)) in INPUT4.into_iter().enumerate() {
        for i in 0..6 {
            // SAFETY: the caller's promise.
            let to = unsafe { to.six((point * 6 + i) * 6, b, at, n) };
            if sum {
                along_x::<I, true>(isa, row(first, i), row(second, i), to, n);
            } else {
                along_x::<I, false>(isa, row(first, i), row(second, i), to, n);
            }
        }
    }
}

#[inline(always)]
fn along_x<I: Isa, const SUM: bool>(isa: I, a: &[Lanes], b: &[Lanes], to: [&mut [Lanes]; 6], n: usize) {
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

/// Values of scratch that [`OutputGradient::spread`] needs.
pub(super) fn spread_len(patch: &Patch) -> usize {
    2 * 6 * 4 * patch.size[2] * LANES
}

impl OutputGradient<'_> {
    /// Spreads `blocks` of the tiles of `work` to points, into `to`; outside the volume the gradient is zero.
    ///
    /// # Safety
    /// No other task touches these tiles of these blocks in `to`.
    #[inline(always)]
    pub(super) unsafe fn spread<I: Isa>(
        &self,
        isa: I,
        work: Patch,
        blocks: Range<usize>,
        planes: &mut [Lanes],
        to: PointsMut<'_>,
    ) {
        let (n, columns) = (work.size[2], 4 * work.size[2]);
        let planes = &mut planes[..2 * 6 * columns];
        for b in blocks {
            for y in work.start[1]..work.start[1] + work.size[1] {
                for z in work.start[0]..work.start[0] + work.size[0] {
                    for plane in 0..2 {
                        self.plane(
                            isa,
                            b,
                            (2 * z + plane, y),
                            &work,
                            &mut planes[plane * 6 * columns..][..6 * columns],
                        );
                    }
                    for point in 0..4 {
                        for i in 0..6 {
                            // SAFETY: the caller's promise.
                            let to = unsafe { to.six((point * 6 + i) * 6, b, [z, y, work.start[2]], n) };
                            let p = planes[i * columns..][..columns].as_chunks().0;
                            let q = planes[(6 + i) * columns..][..columns].as_chunks().0;
                            match point {
                                0 => spread_x::<I, 0>(isa, p, q, to, n),
                                1 => spread_x::<I, 1>(isa, p, q, to, n),
                                2 => spread_x::<I, 2>(isa, p, q, to, n),
                                _ => spread_x::<I, 3>(isa, p, q, to, n),
                            }
                        }
                    }
                }
            }
        }
    }

    /// Spreads along y the four rows of tile row `y` of plane `z`.
    #[inline(always)]
    fn plane<I: Isa>(&self, isa: I, b: usize, (z, y): (usize, usize), work: &Patch, to: &mut [Lanes]) {
        let [depth, height, width] = self.tiling.shape;
        let columns = 4 * work.size[2];
        if z >= depth {
            to.fill([0.0; LANES]);
            return;
        }
        let first = 4 * work.start[2];
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

/// One point along z of one row: plane `p`, `p + q`, `p - q` or `q`, spread along x.
#[inline(always)]
fn spread_x<I: Isa, const POINT: usize>(isa: I, p: &[[Lanes; 4]], q: &[[Lanes; 4]], to: [&mut [Lanes]; 6], n: usize) {
    let (p, q) = (&p[..n], &q[..n]);
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
