//! Points to outputs: `y = A^T m A`.

use super::tiles::{Lanes, Patch, Points, STEPS, Tiling};
use super::transforms::{output4, output6};
use crate::gather::Write;
use crate::isa::Isa;
use crate::layout::LANES;
use crate::team::Shared;
use std::ops::Range;

/// Lanes of a tile whose products are transformed back along x: `[step][4][16]`, and a line of padding.
pub(super) const TILE_LINES: usize = STEPS * 4 + 1;

/// The products of some tiles, transformed back along x, `[block][row]`, being written step by step.
#[derive(Clone, Copy)]
pub(super) struct TilesMut<'a> {
    pub(super) values: Shared<'a>,
    pub(super) rows: usize,
}

impl TilesMut<'_> {
    /// Transforms the six points of `step` back along x, for the blocks from `first` that `layout` has.
    ///
    /// # Safety
    /// No other task touches this step of these blocks.
    #[inline(always)]
    pub(super) unsafe fn along_x<I: Isa>(
        self,
        isa: I,
        (step, first): (usize, usize),
        layout: Points,
        points: &[Lanes],
    ) {
        let n = layout.point();
        let m = [
            &points[layout.at(0, 0, 0)..][..n],
            &points[layout.at(1, 0, 0)..][..n],
            &points[layout.at(2, 0, 0)..][..n],
            &points[layout.at(3, 0, 0)..][..n],
            &points[layout.at(4, 0, 0)..][..n],
            &points[layout.at(5, 0, 0)..][..n],
        ];
        for r in 0..n {
            let mut row = [isa.splat(0.0); 6];
            for j in 0..6 {
                row[j] = isa.load(&m[j][r]);
            }
            let row = output6(isa, row);
            let at = (first * self.rows + r) * TILE_LINES + 4 * step;
            // SAFETY: the caller's promise.
            let to = unsafe { self.values.slice(at * LANES, 4 * LANES) }.as_chunks_mut().0;
            let Some(to) = to.first_chunk_mut::<4>() else { unreachable!("four lines") };
            for c in 0..4 {
                isa.store(row[c], &mut to[c]);
            }
        }
    }
}

/// The output of a convolution, being written by tasks that each have tiles of their own.
#[derive(Clone, Copy)]
pub(super) struct Output<'a> {
    pub(super) tiling: Tiling,
    /// `[out_blocks][D][H][W][16]`.
    pub(super) dst: Shared<'a>,
    pub(super) write: Write,
}

/// What [`TilesMut::along_x`] made.
#[derive(Clone, Copy)]
pub(super) struct Tiles<'a> {
    pub(super) values: &'a [[Lanes; TILE_LINES]],
    pub(super) rows: usize,
    /// The tiles that the rows stand for.
    pub(super) patch: Patch,
}

/// Where the eight rows of a tile's outputs go: plane by plane.
type TileRows<'a> = [&'a mut [Lanes; 4]; 8];

impl Output<'_> {
    /// Transforms `blocks` of the tiles of `work` back along z and y, and writes them.
    ///
    /// # Safety
    /// No other task touches these tiles of these blocks.
    #[inline(always)]
    pub(super) unsafe fn put<I: Isa>(&self, isa: I, work: &Patch, blocks: Range<usize>, from: Tiles<'_>) {
        let [depth, height, width] = self.tiling.shape;
        for b in blocks {
            for z in work.start[0]..work.start[0] + work.size[0] {
                for y in work.start[1]..work.start[1] + work.size[1] {
                    for x in work.start[2]..work.start[2] + work.size[2] {
                        let tile = &from.values[b * from.rows + from.patch.row([z, y, x])];
                        let whole = 2 * z + 2 <= depth && 4 * y + 4 <= height && 4 * x + 4 <= width;
                        // SAFETY: the caller's promise; all rows of a whole tile are in the volume.
                        unsafe {
                            if whole {
                                back(isa, tile, self.write, &mut self.rows(b, [z, y, x]));
                            } else {
                                self.edge(isa, b, [z, y, x], tile);
                            }
                        }
                    }
                }
            }
        }
    }

    /// The outputs of a whole tile.
    ///
    /// # Safety
    /// As [`Output::put`].
    #[inline(always)]
    unsafe fn rows(&self, b: usize, at: [usize; 3]) -> TileRows<'_> {
        // SAFETY: the caller's promise.
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
    unsafe fn line(&self, b: usize, at: [usize; 3], (k, i): (usize, usize)) -> &mut [Lanes; 4] {
        let [depth, height, width] = self.tiling.shape;
        let start = ((b * depth + 2 * at[0] + k) * height + 4 * at[1] + i) * width + 4 * at[2];
        // SAFETY: outputs of this tile, the caller's alone.
        let line = unsafe { self.dst.slice(start * LANES, 4 * LANES) }.as_chunks_mut().0;
        let Some(line) = line.first_chunk_mut() else { unreachable!("four lines") };
        line
    }

    /// A tile that reaches out of the volume.
    ///
    /// # Safety
    /// As [`Output::put`].
    #[inline(always)]
    unsafe fn edge<I: Isa>(&self, isa: I, b: usize, at: [usize; 3], tile: &[Lanes; TILE_LINES]) {
        let [depth, height, width] = self.tiling.shape;
        let mut outputs = [[[0.0; LANES]; 4]; 8];
        let [r0, r1, r2, r3, r4, r5, r6, r7] = &mut outputs;
        back(isa, tile, Write::Overwrite, &mut [r0, r1, r2, r3, r4, r5, r6, r7]);
        for (row, outputs) in outputs.iter().enumerate() {
            let (z, y) = (2 * at[0] + row / 4, 4 * at[1] + row % 4);
            if z >= depth || y >= height {
                continue;
            }
            let n = (width - 4 * at[2]).min(4);
            let start = ((b * depth + z) * height + y) * width + 4 * at[2];
            // SAFETY: outputs of this tile, the caller's alone.
            let to: &mut [Lanes] = unsafe { self.dst.slice(start * LANES, n * LANES) }.as_chunks_mut().0;
            for x in 0..n {
                let v = isa.load(&outputs[x]);
                let v = match self.write {
                    Write::Overwrite => v,
                    Write::Add => isa.add(isa.load(&to[x]), v),
                };
                isa.store(v, &mut to[x]);
            }
        }
    }
}

/// Transforms a tile back along z and y.
#[inline(always)]
fn back<I: Isa>(isa: I, tile: &[Lanes; TILE_LINES], write: Write, to: &mut TileRows<'_>) {
    let zero = isa.splat(0.0);
    for c in 0..4 {
        let mut planes = [[zero; 6]; 2];
        for i in 0..6 {
            let mut m = [zero; 4];
            for k in 0..4 {
                m[k] = isa.load(&tile[(i * 4 + k) * 4 + c]);
            }
            let m = output4(isa, m);
            planes[0][i] = m[0];
            planes[1][i] = m[1];
        }
        for k in 0..2 {
            let column = output6(isa, planes[k]);
            for i in 0..4 {
                let to = &mut to[k * 4 + i][c];
                let v = match write {
                    Write::Overwrite => column[i],
                    Write::Add => isa.add(isa.load(to), column[i]),
                };
                isa.store(v, to);
            }
        }
    }
}
