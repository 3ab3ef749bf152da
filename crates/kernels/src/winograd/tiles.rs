//! How a volume is cut into tiles, and tiles into batches and tasks: by shape alone.

use crate::gather::{Shape, voxels};
use crate::layout::LANES;
use crate::team::Shared;
use std::ops::Range;

/// Outputs of a thick tile along z.
pub(crate) const THICK: usize = 4;
/// Interpolation points of a tile along y and z, that along z fastest.
pub(super) const STEPS: usize = 24;
/// Interpolation points of a tile: at each step six along x.
pub(super) const POINTS: usize = 6 * STEPS;
/// Kinds of tiles: [`Tiling::kind`].
pub(super) const KINDS: usize = 27;
/// Rows of a batch are padded to a multiple of this: the height of the smallest kernel tile.
const ROW_STEP: usize = 4;
/// Sixteen lanes.
pub(super) type Lanes = [f32; LANES];

/// The output volume and its tiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiling {
    pub(super) shape: Shape,
    pub(super) tiles: Shape,
    /// Outputs of a tile along z, 2 or [`THICK`]; along y and x there are four.
    pub(super) thickness: usize,
}

impl Tiling {
    /// Tiles of F(2) along z.
    pub(super) fn new(shape: Shape) -> Self {
        Self::of_thickness(shape, 2)
    }

    /// Tiles of F(4) along z.
    pub(super) fn thick(shape: Shape) -> Self {
        Self::of_thickness(shape, THICK)
    }

    /// Thick tiles of the same volume if they save a fifth of the products, as they do unless few planes fill the last of them.
    pub(super) fn thickened(&self) -> Self {
        let (thick, products) = (Self::thick(self.shape), |tiling: &Self| tiling.points() * tiling.whole().len());
        if products(&thick) * 5 < products(self) * 4 { thick } else { *self }
    }

    fn of_thickness(shape: Shape, thickness: usize) -> Self {
        let [depth, height, width] = shape;
        Self { shape, tiles: [depth.div_ceil(thickness), height.div_ceil(4), width.div_ceil(4)], thickness }
    }

    /// Outputs of a tile.
    fn tile(&self) -> Shape {
        [self.thickness, 4, 4]
    }

    /// Points of a tile.
    pub(super) fn points(&self) -> usize {
        36 * (self.thickness + 2)
    }

    /// Two planes of outputs each that a tile has.
    pub(super) fn slabs(&self) -> usize {
        self.thickness / 2
    }

    pub(super) fn voxels(&self) -> usize {
        voxels(self.shape)
    }

    /// Outputs of the tiles of `patch` that are in the volume.
    pub(super) fn outputs(&self, patch: &Patch) -> usize {
        let tile = self.tile();
        let along = |a: usize| {
            let end = tile[a] * (patch.start[a] + patch.size[a]);
            end.min(self.shape[a]) - tile[a] * patch.start[a]
        };
        along(0) * along(1) * along(2)
    }

    /// How the tile at `at` lies along each axis: at the volume's begin, in its inside, or at its end. The windows of two
    /// tiles of one kind, [`Tiling::window`], have one size, and stick out of the volume alike.
    #[inline(always)]
    pub(super) fn kind(&self, at: Shape) -> usize {
        let mut kind = 0;
        for a in 0..3 {
            kind = 3 * kind + usize::from(at[a] > 0) + usize::from(at[a] > 0 && at[a] + 1 == self.tiles[a]);
        }
        kind
    }

    /// First voxel and size of what the tile at `at` sees of the input.
    #[inline(always)]
    pub(super) fn window(&self, at: Shape) -> [Shape; 2] {
        let tile = self.tile();
        let (mut start, mut size) = ([0; 3], [0; 3]);
        for a in 0..3 {
            start[a] = (tile[a] * at[a]).saturating_sub(1);
            size[a] = (tile[a] * (at[a] + 1) + 1).min(self.shape[a]) - start[a];
        }
        [start, size]
    }

    /// All tiles.
    pub(super) fn whole(&self) -> Patch {
        Patch { start: [0; 3], size: self.tiles }
    }
}

/// Rows for `tiles` tiles, and the unused ones after them that the kernels may compute.
#[inline(always)]
pub(super) fn padded(tiles: usize) -> usize {
    tiles.next_multiple_of(ROW_STEP)
}

/// A box of tiles. Its tiles, x fastest, are the rows of the matrix products.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patch {
    pub(super) start: Shape,
    pub(super) size: Shape,
}

impl Patch {
    pub(super) fn len(&self) -> usize {
        voxels(self.size)
    }

    /// Tiles, and the unused rows after them that the kernels may compute.
    pub(super) fn rows(&self) -> usize {
        padded(self.len())
    }

    /// Row of the tile at absolute `z`, `y`, `x`.
    #[inline(always)]
    pub(super) fn row(&self, [z, y, x]: Shape) -> usize {
        ((z - self.start[0]) * self.size[1] + y - self.start[1]) * self.size[2] + x - self.start[2]
    }

    /// Row `y` of its tiles, through all its layers and along x.
    pub(super) fn tile_row(&self, y: usize) -> Self {
        let [start, size] = [self.start, self.size];
        Self { start: [start[0], start[1] + y, start[2]], size: [size[0], 1, size[2]] }
    }

    /// At most `n` layers of it, from `z` on.
    pub(super) fn layers(&self, z: usize, n: usize) -> Self {
        let [start, size] = [self.start, self.size];
        let n = n.min(start[0] + size[0] - z);
        Self { start: [z, start[1], start[2]], size: [n, size[1], size[2]] }
    }
}

/// How tiles are cut into units, each worked through along z in batches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// Most tiles of a batch, per axis.
    pub(super) batch: Shape,
    /// Most layers of a unit.
    pub(super) march: usize,
}

impl Cut {
    /// Batches of about `rows` tiles, at most `widest` along x, in `units` units or more if the layers allow it: enough to
    /// share evenly, and else long, since a unit begins with two planes that the one below it has too.
    pub(super) fn new(tiles: Shape, rows: usize, widest: usize, units: usize) -> Self {
        let even = |n: usize, most: usize| n.div_ceil(n.div_ceil(most.clamp(1, n)));
        let x = even(tiles[2], widest);
        let z = even(tiles[0], (rows / x).max(1));
        let y = even(tiles[1], (rows / (x * z)).max(1));
        let columns = tiles[1].div_ceil(y) * tiles[2].div_ceil(x);
        let batches = tiles[0].div_ceil(z);
        Self { batch: [z, y, x], march: even(batches, batches / units.div_ceil(columns)) * z }
    }

    fn counts(&self, tiles: Shape) -> Shape {
        [tiles[0].div_ceil(self.march), tiles[1].div_ceil(self.batch[1]), tiles[2].div_ceil(self.batch[2])]
    }

    pub(super) fn units(&self, tiles: Shape) -> usize {
        voxels(self.counts(tiles))
    }

    /// Unit `n`.
    pub(super) fn unit(&self, tiles: Shape, n: usize) -> Patch {
        let [_, ny, nx] = self.counts(tiles);
        let start = [n / (ny * nx) * self.march, n / nx % ny * self.batch[1], n % nx * self.batch[2]];
        let most = [self.march, self.batch[1], self.batch[2]];
        Patch { start, size: [0, 1, 2].map(|a| most[a].min(tiles[a] - start[a])) }
    }

    /// The largest batch.
    pub(super) fn largest(&self) -> Patch {
        Patch { start: [0; 3], size: self.batch }
    }
}

/// Where the points of a patch's tiles lie: `[point][block][row][16]`, a line of padding after each point so that the
/// points do not fall on the same sets of the cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct Points {
    pub(super) blocks: usize,
    pub(super) rows: usize,
}

impl Points {
    /// Lanes of a point.
    pub(super) fn point(&self) -> usize {
        self.blocks * self.rows
    }

    /// Lanes from one point to the next.
    pub(super) fn stride(&self) -> usize {
        self.point() + 1
    }

    /// Values of `n` points.
    pub(super) fn len(&self, n: usize) -> usize {
        n * self.stride() * LANES
    }

    /// Point `t` of block `b` from row `r` on, in lanes.
    #[inline(always)]
    pub(super) fn at(&self, t: usize, b: usize, r: usize) -> usize {
        t * self.stride() + b * self.rows + r
    }
}

/// The points of some tiles, being written by tasks that each have rows of their own.
#[derive(Clone, Copy)]
pub(super) struct PointsMut<'a> {
    pub(super) values: Shared<'a>,
    pub(super) layout: Points,
    /// The tiles that the rows stand for.
    pub(super) patch: Patch,
    /// The point that lies first, of the six that a step makes.
    pub(super) first: usize,
}

impl PointsMut<'_> {
    /// `n` rows of block `b`, from that of the tile `at`, of the six points.
    ///
    /// # Safety
    /// No other task touches these tiles in this block.
    #[expect(clippy::mut_from_ref, reason = "disjointness is the caller's promise")]
    #[inline(always)]
    pub(super) unsafe fn six(&self, b: usize, at: Shape, n: usize) -> [&mut [Lanes]; 6] {
        let row = self.patch.row(at);
        // SAFETY: the caller's promise for all six; rows of a block are fewer than lie between two points, so none overlaps
        // another.
        unsafe {
            [
                self.point(0, b, row, n),
                self.point(1, b, row, n),
                self.point(2, b, row, n),
                self.point(3, b, row, n),
                self.point(4, b, row, n),
                self.point(5, b, row, n),
            ]
        }
    }

    /// # Safety
    /// As [`PointsMut::six`].
    #[expect(clippy::mut_from_ref, reason = "disjointness is the caller's promise")]
    #[inline(always)]
    unsafe fn point(&self, j: usize, b: usize, row: usize, n: usize) -> &mut [Lanes] {
        let start = self.layout.at(self.first + j, b, row);
        // SAFETY: the caller's promise.
        unsafe { self.values.slice(start * LANES, n * LANES) }.as_chunks_mut().0
    }

    /// The same tiles, at the points of `step`.
    pub(super) fn step(self, step: usize) -> Self {
        Self { first: 6 * step, ..self }
    }
}

/// The part of `scratch` that begins on a cache line, as lanes need.
pub(super) fn aligned(scratch: &mut [f32]) -> &mut [f32] {
    let skip = scratch.as_ptr().align_offset(64).min(LANES - 1);
    &mut scratch[skip..]
}

/// Part `n` of `parts` nearly equal ones of `0..len`.
pub(super) fn part(len: usize, parts: usize, n: usize) -> Range<usize> {
    n * len / parts..(n + 1) * len / parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_batches_cover_each_tile_once() {
        for tiles in [[1, 1, 1], [3, 2, 12], [7, 5, 13], [12, 6, 6], [75, 45, 35], [1, 50, 45]] {
            for (rows, widest, units) in [(12, 12, 1), (36, 12, 32), (48, 8, 500)] {
                let cut = Cut::new(tiles, rows, widest, units);
                let whole = Patch { start: [0; 3], size: tiles };
                let mut seen = vec![0; whole.len()];
                for unit in (0..cut.units(tiles)).map(|n| cut.unit(tiles, n)) {
                    for z in (unit.start[0]..unit.start[0] + unit.size[0]).step_by(cut.batch[0]) {
                        let batch = unit.layers(z, cut.batch[0]);
                        assert!(batch.rows() <= cut.largest().rows(), "{tiles:?}: a batch larger than the scratch");
                        let mut rows = vec![false; batch.len()];
                        for t in 0..batch.len() {
                            let [_, ny, nx] = batch.size;
                            let [z, y, x] = batch.start;
                            let at = [z + t / (ny * nx), y + t / nx % ny, x + t % nx];
                            seen[whole.row(at)] += 1;
                            rows[batch.row(at)] = true;
                        }
                        assert!(rows.iter().all(|&row| row), "{tiles:?}: rows of a batch");
                    }
                }
                assert!(seen.iter().all(|&n| n == 1), "{tiles:?}: tiles");
            }
        }
    }

    #[test]
    fn parts_cover_a_length_in_order() {
        for (len, parts) in [(0, 3), (5, 16), (48, 16), (49, 16)] {
            let joined: Vec<usize> = (0..parts).flat_map(|n| part(len, parts, n)).collect();
            assert_eq!(joined, (0..len).collect::<Vec<_>>(), "{len} in {parts}");
        }
    }
}
