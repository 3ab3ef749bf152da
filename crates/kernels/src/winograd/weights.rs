//! Weights to points, `U = G g G^T`, and the gradient of points back to weights.

use super::tiles::Lanes;
use super::transforms::{ONES, WEIGHT6, fold4, fold6, weight_along_z, weight6};
use crate::gather::Write;
use crate::isa::{Isa, Kernel};
use crate::layout::LANES;
use crate::team::Shared;

/// Taps of a kernel.
pub(super) const TAPS: usize = 27;

/// Which way a layer's weights are to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the layer's input to its output.
    Forward,
    /// From the gradient of its output to that of its input: flipped and transposed.
    Backward,
}

/// Canonical weights `[O][I][3][3][3]`.
#[derive(Clone, Copy)]
pub(super) struct Canonical {
    pub(super) o: usize,
    pub(super) i: usize,
}

/// Lanes from one point to the next in transformed weights `[point][out block][in block * 16][16]`, or, for gradients,
/// `[point][in block][out block][16][16]`: a line of padding keeps the points on different sets of the cache.
pub(super) fn weight_stride(in_blocks: usize, out_blocks: usize) -> usize {
    in_blocks * out_blocks * LANES + 1
}

/// The taps from one channel to sixteen.
pub(super) type Taps = [Lanes; TAPS];

/// A layer's weights in canonical order, and which way they are to work.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a> {
    pub(super) canonical: Canonical,
    pub(super) direction: Direction,
    pub(super) values: &'a [f32],
}

impl Weights<'_> {
    /// The taps from channel `from` to the sixteen from `to` on; those of channels that the layer lacks are zero.
    #[inline(always)]
    pub(super) fn taps(&self, from: usize, to: usize, taps: &mut Taps) {
        let Canonical { o, i } = self.canonical;
        let (n_from, n_to) = match self.direction {
            Direction::Forward => (i, o),
            Direction::Backward => (o, i),
        };
        let lanes = if from < n_from { LANES.min(n_to.saturating_sub(to)) } else { 0 };
        if lanes < LANES {
            *taps = [[0.0; LANES]; TAPS];
        }
        for lane in 0..lanes {
            let kernel = match self.direction {
                Direction::Forward => (to + lane) * i + from,
                Direction::Backward => from * i + to + lane,
            };
            let Some(kernel) = self.values[kernel * TAPS..].first_chunk::<TAPS>() else {
                unreachable!("{TAPS} weights for each pair of channels")
            };
            match self.direction {
                Direction::Forward => {
                    for tap in 0..TAPS {
                        taps[tap][lane] = kernel[tap];
                    }
                }
                Direction::Backward => {
                    for tap in 0..TAPS {
                        taps[tap][lane] = kernel[TAPS - 1 - tap];
                    }
                }
            }
        }
    }
}

/// Transforms one block of 16 x 16 channels into its place among all, for `Z` outputs along z.
pub(super) struct TransformWeights<'a, const Z: usize> {
    pub(super) weights: Weights<'a>,
    /// Block that the sums run over, and block of results.
    pub(super) block: (usize, usize),
    pub(super) in_blocks: usize,
    pub(super) out_blocks: usize,
    pub(super) u: Shared<'a>,
}

impl<const Z: usize> Kernel for TransformWeights<'_, Z> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let stride = weight_stride(self.in_blocks, self.out_blocks);
        let (ib, ob) = self.block;
        let mut taps = [[0.0; LANES]; TAPS];
        for k in 0..LANES {
            self.weights.taps(ib * LANES + k, ob * LANES, &mut taps);
            let at = (ob * self.in_blocks + ib) * LANES + k;
            transform::<I, Z>(isa, &taps, &ONES, |t, v| {
                // SAFETY: block (ib, ob) of every point belongs to this task alone.
                let to = unsafe { self.u.slice((t * stride + at) * LANES, LANES) };
                if let Some(to) = to.first_chunk_mut() {
                    isa.store(v, to);
                }
            });
        }
    }
}

/// `put(t, v)` for each point `t` of the taps, transformed for `Z` outputs along z, and those along z multiplied by `scales`.
#[inline(always)]
fn transform<I: Isa, const Z: usize>(isa: I, taps: &Taps, scales: &[f32; 6], mut put: impl FnMut(usize, I::V)) {
    let zero = isa.splat(0.0);
    let mut planes = [[zero; 9]; 6];
    for tap in 0..9 {
        let mut column = [zero; 3];
        for z in 0..3 {
            column[z] = isa.load(&taps[z * 9 + tap]);
        }
        let column = weight_along_z::<I, Z>(isa, column);
        for z in 0..Z + 2 {
            planes[z][tap] = isa.mul(column[z], isa.splat(scales[z]));
        }
    }
    for z in 0..Z + 2 {
        let mut rows = [[zero; 3]; 6];
        for x in 0..3 {
            let column = weight6(isa, [planes[z][x], planes[z][3 + x], planes[z][6 + x]]);
            for y in 0..6 {
                rows[y][x] = column[y];
            }
        }
        for y in 0..6 {
            let row = weight6(isa, rows[y]);
            for x in 0..6 {
                put((y * (Z + 2) + z) * 6 + x, row[x]);
            }
        }
    }
}

/// Transforms `taps`, one for each channel of some input blocks, to one block of results for `Z` outputs along z, whose points
/// are multiplied by `scales`: `[point][channel][16]`, a line of padding after each point.
#[inline(always)]
pub(super) fn transform_block<I: Isa, const Z: usize>(isa: I, taps: &[Taps], scales: &[f32; 6], u: &mut [Lanes]) {
    let stride = taps.len() + 1;
    let u = &mut u[..36 * (Z + 2) * stride];
    for (k, taps) in taps.iter().enumerate() {
        transform::<I, Z>(isa, taps, scales, |t, v| isa.store(v, &mut u[t * stride + k]));
    }
}

/// Transforms `taps`, one for each channel of some input blocks, to the points of row `i` along y of one block of results, for
/// `Z` outputs along z: `[point along z][point along x][channel][16]`, `stride` lanes from a point to the next.
#[inline(always)]
pub(super) fn transform_row<I: Isa, const Z: usize>(
    isa: I,
    (i, taps): (usize, &[Taps]),
    (u, stride): (&mut [Lanes], usize),
) {
    let zero = isa.splat(0.0);
    for (k, taps) in taps.iter().enumerate() {
        let mut columns = [[zero; 3]; 3];
        for z in 0..3 {
            for x in 0..3 {
                let mut sum = zero;
                for y in 0..3 {
                    sum = isa.fma(isa.load(&taps[9 * z + 3 * y + x]), isa.splat(WEIGHT6[i][y]), sum);
                }
                columns[x][z] = sum;
            }
        }
        let mut rows = [[zero; 3]; 6];
        for x in 0..3 {
            let column = weight_along_z::<I, Z>(isa, columns[x]);
            for z in 0..Z + 2 {
                rows[z][x] = column[z];
            }
        }
        for z in 0..Z + 2 {
            let row = weight6(isa, rows[z]);
            for x in 0..6 {
                isa.store(row[x], &mut u[(6 * z + x) * stride + k]);
            }
        }
    }
}

/// Canonical weights' gradient, being written by tasks that each have a block of their own.
#[derive(Clone, Copy)]
pub(super) struct WeightGradient<'a> {
    pub(super) canonical: Canonical,
    pub(super) values: Shared<'a>,
    pub(super) write: Write,
}

/// Sums the parts of one block of 16 x 16 channels, folds them to taps and writes them in canonical order.
pub(super) struct FoldWeights<'a> {
    /// Parts `[part][point][...]`, each [`weight_stride`] (for the blocks that they hold) a point.
    pub(super) parts: &'a [Lanes],
    pub(super) n_parts: usize,
    /// Lanes from one part to the next.
    pub(super) part_len: usize,
    pub(super) stride: usize,
    /// Where the block begins in a point.
    pub(super) at: usize,
    /// Input block and output block.
    pub(super) block: (usize, usize),
    pub(super) to: WeightGradient<'a>,
}

impl Kernel for FoldWeights<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Canonical { o, i } = self.to.canonical;
        let (ib, ob) = self.block;
        let mut taps = [[0.0; LANES]; TAPS];
        let mut kernels = [[0.0; TAPS]; LANES];
        for k in 0..LANES.min(i.saturating_sub(ib * LANES)) {
            self.fold(isa, k, &mut taps);
            // Reads in a row and scattered writes: the other way round becomes a slow gather.
            for tap in 0..TAPS {
                for lane in 0..LANES {
                    kernels[lane][tap] = taps[tap][lane];
                }
            }
            for lane in 0..LANES.min(o.saturating_sub(ob * LANES)) {
                let kernel = (ob * LANES + lane) * i + ib * LANES + k;
                // SAFETY: the kernels of block (ib, ob) belong to this task alone.
                let to = unsafe { self.to.values.slice(kernel * TAPS, TAPS) };
                match self.to.write {
                    Write::Overwrite => to.copy_from_slice(&kernels[lane]),
                    Write::Add => to.iter_mut().zip(&kernels[lane]).for_each(|(sum, d)| *sum += d),
                }
            }
        }
    }
}

impl FoldWeights<'_> {
    #[inline(always)]
    fn fold<I: Isa>(&self, isa: I, k: usize, taps: &mut [Lanes; TAPS]) {
        let zero = isa.splat(0.0);
        let mut planes = [[zero; 4]; 9];
        for z in 0..4 {
            let mut rows = [[zero; 6]; 3];
            for y in 0..6 {
                let mut points = [zero; 6];
                for x in 0..6 {
                    points[x] = self.sum(isa, (y * 4 + z) * 6 + x, k);
                }
                let row = fold6(isa, points);
                for x in 0..3 {
                    rows[x][y] = row[x];
                }
            }
            for x in 0..3 {
                let column = fold6(isa, rows[x]);
                for y in 0..3 {
                    planes[y * 3 + x][z] = column[y];
                }
            }
        }
        for tap in 0..9 {
            let column = fold4(isa, planes[tap]);
            for z in 0..3 {
                isa.store(column[z], &mut taps[z * 9 + tap]);
            }
        }
    }

    /// Row `k` of point `t`, all parts in order.
    #[inline(always)]
    fn sum<I: Isa>(&self, isa: I, t: usize, k: usize) -> I::V {
        let at = |part: usize| &self.parts[part * self.part_len + t * self.stride + self.at + k];
        let mut sum = isa.load(at(0));
        for part in 1..self.n_parts {
            sum = isa.add(sum, isa.load(at(part)));
        }
        sum
    }
}
