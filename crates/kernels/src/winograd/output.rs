//! Points to outputs: `y = A^T m A`.

use super::tiles::{Lanes, Patch, Points, Tiling};
use super::transforms::{output4, output6};
use crate::gather::Write;
use crate::isa::Isa;
use crate::layout::LANES;
use crate::team::Shared;
use std::ops::Range;

/// The output of a convolution, being written by tasks that each have tiles of their own.
#[derive(Clone, Copy)]
pub(super) struct Output<'a> {
    pub(super) tiling: Tiling,
    /// `[out_blocks][D][H][W][16]`.
    pub(super) dst: Shared<'a>,
    pub(super) write: Write,
}

/// The points of the products of some tiles.
#[derive(Clone, Copy)]
pub(super) struct Products<'a> {
    pub(super) values: &'a [Lanes],
    pub(super) layout: Points,
    /// The tiles that the rows stand for.
    pub(super) patch: Patch,
    /// The output block that is first in `values`.
    pub(super) first_block: usize,
}

impl Output<'_> {
    /// Writes `blocks` of the tiles of `work`.
    ///
    /// # Safety
    /// No other task touches these tiles of these blocks.
    #[inline(always)]
    pub(super) unsafe fn put<I: Isa>(&self, isa: I, work: &Patch, blocks: Range<usize>, from: Products<'_>) {
        for b in blocks {
            for z in work.start[0]..work.start[0] + work.size[0] {
                for y in work.start[1]..work.start[1] + work.size[1] {
                    for x in work.start[2]..work.start[2] + work.size[2] {
                        let row = from.patch.row([z, y, x]);
                        let points = &from.values[from.layout.at(0, b - from.first_block, row)..];
                        // SAFETY: the caller's promise.
                        unsafe { self.tile(isa, b, [z, y, x], points, from.layout.stride()) };
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<I: Isa>(&self, isa: I, b: usize, at: [usize; 3], points: &[Lanes], stride: usize) {
        let zero = isa.splat(0.0);
        let points = &points[..143 * stride + 1];
        let mut rows = [[[zero; 6]; 4]; 2];
        for j in 0..6 {
            let mut planes = [[zero; 6]; 2];
            for i in 0..6 {
                let mut m = [zero; 4];
                for k in 0..4 {
                    m[k] = isa.load(&points[((k * 6 + i) * 6 + j) * stride]);
                }
                let m = output4(isa, m);
                planes[0][i] = m[0];
                planes[1][i] = m[1];
            }
            for k in 0..2 {
                let column = output6(isa, planes[k]);
                for i in 0..4 {
                    rows[k][i][j] = column[i];
                }
            }
        }
        let [depth, height, width] = self.tiling.shape;
        let n = (width - 4 * at[2]).min(4);
        for k in 0..2 {
            for i in 0..4 {
                let (z, y) = (2 * at[0] + k, 4 * at[1] + i);
                if z < depth && y < height {
                    let start = ((b * depth + z) * height + y) * width + 4 * at[2];
                    // SAFETY: outputs of this tile, the caller's alone.
                    let to = unsafe { self.dst.slice(start * LANES, n * LANES) }.as_chunks_mut().0;
                    self.row(isa, output6(isa, rows[k][i]), to);
                }
            }
        }
    }

    #[inline(always)]
    fn row<I: Isa>(&self, isa: I, y: [I::V; 4], to: &mut [Lanes]) {
        for x in 0..4 {
            if x < to.len() {
                let y = match self.write {
                    Write::Overwrite => y[x],
                    Write::Add => isa.add(isa.load(&to[x]), y[x]),
                };
                isa.store(y, &mut to[x]);
            }
        }
    }
}
