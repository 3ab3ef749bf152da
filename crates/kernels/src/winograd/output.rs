//! Points to outputs: `y = A^T m A`.

use super::repeats::Place;
use super::tiles::{Lanes, Patch, Points, Tiling};
use super::transforms::{output_along_z, output6};
use crate::gather::Write;
use crate::half::Cell;
use crate::isa::Isa;
use crate::layout::LANES;
use crate::moments::{Running, Sums};
use crate::team::Shared;

/// Lanes of two planes of a tile whose products are transformed back along z and x: `[6 along y][2][4][16]`, and a line of
/// padding.
pub(super) const TILE_LINES: usize = 6 * 2 * 4 + 1;

/// A tile, or one of the slabs of a thick one, between the two halves of its way back.
pub(super) type Halfway = [Lanes; TILE_LINES];

/// Tiles of one block between the two halves of their way back.
#[derive(Clone, Copy)]
pub(super) struct Halves<'a> {
    /// Row by row.
    pub(super) computed: &'a [Halfway],
    /// One of each kind.
    pub(super) kept: &'a [Halfway],
    /// Of each tile in turn; empty if the rows are the tiles.
    pub(super) places: &'a [Place],
    /// Which two planes of each tile these are.
    pub(super) slab: usize,
}

impl<'a> Halves<'a> {
    /// That slab, tile after tile.
    pub(super) fn in_turn(computed: &'a [Halfway], slab: usize) -> Self {
        Self { computed, kept: &[], places: &[], slab }
    }

    #[inline(always)]
    fn of(&self, tile: usize) -> &'a Halfway {
        match self.places.get(tile) {
            None => &self.computed[tile],
            Some(Place::Row(row)) => &self.computed[*row],
            Some(Place::Kept(kind)) => &self.kept[*kind],
        }
    }
}

/// Transforms the points of row `i` along y back along z, to `Z` outputs, and x: from `[point][block][row]` to
/// `[block][slab][row]`.
#[inline(always)]
pub(super) fn along_zx<I: Isa, const Z: usize>(
    isa: I,
    i: usize,
    (layout, points): (Points, &[Lanes]),
    to: &mut [Halfway],
) {
    let (rows, stride) = (layout.rows, layout.stride());
    let points = &points[..6 * (Z + 2) * stride];
    for b in 0..layout.blocks {
        for r in 0..rows {
            let mut planes = [[isa.splat(0.0); 6]; 4];
            for j in 0..6 {
                let mut m = [isa.splat(0.0); 6];
                for k in 0..Z + 2 {
                    m[k] = isa.load(&points[(6 * k + j) * stride + b * rows + r]);
                }
                let m = output_along_z::<I, Z>(isa, m);
                for k in 0..Z {
                    planes[k][j] = m[k];
                }
            }
            for slab in 0..Z / 2 {
                let to = &mut to[(b * (Z / 2) + slab) * rows + r];
                let Some(to) = to[8 * i..].first_chunk_mut::<8>() else { unreachable!("eight lines a row") };
                for k in 0..2 {
                    let row = output6(isa, planes[2 * slab + k]);
                    for x in 0..4 {
                        isa.store(row[x], &mut to[4 * k + x]);
                    }
                }
            }
        }
    }
}

/// Transforms the points of row `i` along y back along x, which were back along z already: from `[point along x][2][block]
/// [row]` to `[block][row]`.
#[inline(always)]
pub(super) fn back_along_x<I: Isa>(isa: I, i: usize, (layout, points): (Points, &[Lanes]), to: &mut [Halfway]) {
    let (n, stride) = (layout.point(), layout.stride());
    let points = &points[..12 * stride];
    for r in 0..n {
        let Some(to) = to[r][8 * i..].first_chunk_mut::<8>() else { unreachable!("eight lines a row") };
        for k in 0..2 {
            let mut row = [isa.splat(0.0); 6];
            for j in 0..6 {
                row[j] = isa.load(&points[(2 * j + k) * stride + r]);
            }
            let row = output6(isa, row);
            for x in 0..4 {
                isa.store(row[x], &mut to[4 * k + x]);
            }
        }
    }
}

/// The output of a convolution, being written by tasks that each have tiles of their own.
#[derive(Clone, Copy)]
pub(super) struct Output<'a, T> {
    pub(super) tiling: Tiling,
    /// `[out_blocks][D][H][W][16]`.
    pub(super) dst: Shared<'a, T>,
    pub(super) write: Write,
}

/// Where the eight rows of a tile's outputs go: plane by plane.
type TileRows<'a, T> = [&'a mut [[T; LANES]; 4]; 8];

impl<T: Cell> Output<'_, T> {
    /// Transforms the tiles of `work` in block `b` back along y, and writes them.
    ///
    /// # Safety
    /// No other task touches these tiles of this block.
    #[inline(always)]
    pub(super) unsafe fn put<I: Isa>(&self, isa: I, work: &Patch, b: usize, halves: Halves<'_>) {
        let mut none = Running::new(isa, &Sums::default());
        // SAFETY: the caller's promise.
        unsafe { self.put_tiles::<I, false>(isa, work, (b, halves), &mut none) };
    }

    /// [`Output::put`], which also adds the outputs to `sums`; the first ones of a unit are their shift.
    ///
    /// # Safety
    /// As [`Output::put`].
    #[inline(always)]
    pub(super) unsafe fn put_and_measure<I: Isa>(
        &self,
        isa: I,
        (work, unit): (&Patch, &Patch),
        (b, halves): (usize, Halves<'_>),
        sums: &mut Sums,
    ) {
        if work.start == unit.start && halves.slab == 0 {
            let mut first = [0.0; LANES];
            isa.store(column(isa, halves.of(0), 0, 0)[0], &mut first);
            *sums = [first.map(f64::from), [0.0; LANES], [0.0; LANES]];
        }
        let mut running = Running::new(isa, sums);
        // SAFETY: the caller's promise.
        unsafe { self.put_tiles::<I, true>(isa, work, (b, halves), &mut running) };
        running.add_to(isa, sums);
    }

    /// # Safety
    /// As [`Output::put`].
    #[inline(always)]
    unsafe fn put_tiles<I: Isa, const MEASURE: bool>(
        &self,
        isa: I,
        work: &Patch,
        (b, halves): (usize, Halves<'_>),
        running: &mut Running<I>,
    ) {
        let [depth, height, width] = self.tiling.shape;
        for z in work.start[0]..work.start[0] + work.size[0] {
            let slab = self.tiling.slabs() * z + halves.slab;
            for y in work.start[1]..work.start[1] + work.size[1] {
                for x in work.start[2]..work.start[2] + work.size[2] {
                    let half = halves.of(work.row([z, y, x]));
                    let whole = 2 * slab + 2 <= depth && 4 * y + 4 <= height && 4 * x + 4 <= width;
                    // SAFETY: the caller's promise; all rows of a whole tile are in the volume.
                    unsafe {
                        if whole {
                            along_y::<I, T, MEASURE>(isa, half, self.write, &mut self.rows(b, [slab, y, x]), running);
                        } else {
                            self.edge::<I, MEASURE>(isa, b, [slab, y, x], half, running);
                        }
                    }
                }
            }
        }
    }

    /// The outputs of a whole tile, or slab of one.
    ///
    /// # Safety
    /// As [`Output::put`].
    #[inline(always)]
    unsafe fn rows(&self, b: usize, at: [usize; 3]) -> TileRows<'_, T> {
        // SAFETY: the caller's promise for all eight; they are of two planes and four rows each, so none overlaps another.
        unsafe {
            [
                self.line(b, at, (0, 0)),
                self.line(b, at, (0, 1)),
                self.line(b, at, (0, 2)),
                self.line(b, at, (0, 3)),
                self.line(b, at, (1, 0)),
                self.line(b, at, (1, 1)),
                self.line(b, at, (1, 2)),
                self.line(b, at, (1, 3)),
            ]
        }
    }

    /// # Safety
    /// As [`Output::put`].
    #[expect(clippy::mut_from_ref, reason = "disjointness is the caller's promise")]
    #[inline(always)]
    unsafe fn line(&self, b: usize, at: [usize; 3], (k, i): (usize, usize)) -> &mut [[T; LANES]; 4] {
        let [depth, height, width] = self.tiling.shape;
        let start = ((b * depth + 2 * at[0] + k) * height + 4 * at[1] + i) * width + 4 * at[2];
        // SAFETY: four outputs of this tile, the caller's alone: callers ask for rows of whole tiles only, so none of them is of
        // the next row.
        let line = unsafe { self.dst.slice(start * LANES, 4 * LANES) }.as_chunks_mut().0;
        let Some(line) = line.first_chunk_mut() else { unreachable!("four lines") };
        line
    }

    /// A tile that reaches out of the volume.
    ///
    /// # Safety
    /// As [`Output::put`].
    #[inline(always)]
    unsafe fn edge<I: Isa, const MEASURE: bool>(
        &self,
        isa: I,
        b: usize,
        at: [usize; 3],
        half: &Halfway,
        running: &mut Running<I>,
    ) {
        let [depth, height, width] = self.tiling.shape;
        let mut outputs = [[[0.0; LANES]; 4]; 8];
        let [r0, r1, r2, r3, r4, r5, r6, r7] = &mut outputs;
        along_y::<I, f32, false>(isa, half, Write::Overwrite, &mut [r0, r1, r2, r3, r4, r5, r6, r7], running);
        for (row, outputs) in outputs.iter().enumerate() {
            let (z, y) = (2 * at[0] + row / 4, 4 * at[1] + row % 4);
            if z >= depth || y >= height {
                continue;
            }
            let n = (width - 4 * at[2]).min(4);
            let start = ((b * depth + z) * height + y) * width + 4 * at[2];
            // SAFETY: outputs of this tile, the caller's alone; those past the volume's end are left out.
            let to: &mut [[T; LANES]] = unsafe { self.dst.slice(start * LANES, n * LANES) }.as_chunks_mut().0;
            for x in 0..n {
                let v = isa.load(&outputs[x]);
                if MEASURE {
                    running.add(isa, x, v);
                }
                let v = match self.write {
                    Write::Overwrite => v,
                    Write::Add => isa.add(T::load(isa, &to[x]), v),
                };
                T::store(isa, v, &mut to[x]);
            }
        }
    }
}

/// Plane `k` and column `x` of a tile, transformed back along y.
#[inline(always)]
fn column<I: Isa>(isa: I, half: &Halfway, k: usize, x: usize) -> [I::V; 4] {
    let mut column = [isa.splat(0.0); 6];
    for i in 0..6 {
        column[i] = isa.load(&half[8 * i + 4 * k + x]);
    }
    output6(isa, column)
}

/// Transforms a tile back along y.
#[inline(always)]
fn along_y<I: Isa, T: Cell, const MEASURE: bool>(
    isa: I,
    half: &Halfway,
    write: Write,
    to: &mut TileRows<'_, T>,
    running: &mut Running<I>,
) {
    for k in 0..2 {
        for pair in 0..2 {
            let (first, second) = (column(isa, half, k, 2 * pair), column(isa, half, k, 2 * pair + 1));
            for i in 0..4 {
                if MEASURE {
                    running.add(isa, i, first[i]);
                    running.add(isa, i, second[i]);
                }
                let to = &mut to[k * 4 + i].as_chunks_mut().0[pair];
                match write {
                    Write::Overwrite => T::store_two(isa, first[i], second[i], to),
                    Write::Add => {
                        let (a, b) = (T::load(isa, &to[0]), T::load(isa, &to[1]));
                        T::store_two(isa, isa.add(a, first[i]), isa.add(b, second[i]), to);
                    }
                }
            }
        }
    }
}
