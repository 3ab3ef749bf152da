//! Tiles whose input was there before: their outputs are taken from the earlier tile.
//!
//! More than half of the box around a head is air, one vector at every voxel of the network's input. A convolution makes of
//! it no single vector again, for outputs differ in their last bits by their place in the tile. But they repeat themselves
//! from tile to tile, and a norm and an activation, which see one voxel, keep that: the tiles of the next layer see the
//! same bits again, as far from the head as its kernels do not reach. So nothing is asked of the image, and nothing
//! is handed on from layer to layer; only where the planar image is read is air the vector in its corner. A tile whose
//! window holds the bits of an earlier tile's has that tile's outputs.
//!
//! What is remembered ends with the unit, so which tiles are computed depends on the input alone, not on threads.

use super::input::Seen;
use super::output::Halfway;
use super::tiles::{KINDS, Patch, padded};
use crate::gather::Shape;

/// Most tiles of a batch.
pub(super) const BATCH: usize = 48;

/// Where a tile is between the two halves of its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In this row of its batch.
    Row(usize),
    /// With what is kept of earlier batches: the one of this kind.
    Kept(usize),
}

/// Tiles side by side along x that are computed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Layer of the volume.
    pub(super) z: usize,
    /// Row of the batch's tiles.
    pub(super) y: usize,
    /// The first tile, from the batch's first on.
    pub(super) x: usize,
    /// How many.
    pub(super) n: usize,
    /// Row of the first in the matrices.
    pub(super) row: usize,
}

/// Which tiles of a batch are computed, and where all of them are to be found.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    runs: [Run; BATCH],
    n_runs: usize,
    computed: usize,
    places: [Place; BATCH],
    tiles: usize,
}

impl Batch {
    fn new(tiles: usize) -> Self {
        let run = Run { z: 0, y: 0, x: 0, n: 0, row: 0 };
        Self { runs: [run; BATCH], n_runs: 0, computed: 0, places: [Place::Row(0); BATCH], tiles }
    }

    /// All that is computed.
    #[inline(always)]
    pub(super) fn runs(&self) -> &[Run] {
        &self.runs[..self.n_runs]
    }

    /// How many tiles are computed: rows of the matrices.
    #[inline(always)]
    pub(super) fn computed(&self) -> usize {
        self.computed
    }

    /// [`Batch::computed`], and the unused rows after them that the kernels may compute.
    #[inline(always)]
    pub(super) fn rows(&self) -> usize {
        padded(self.computed)
    }

    /// Of each tile in turn.
    #[inline(always)]
    pub(super) fn places(&self) -> &[Place] {
        &self.places[..self.tiles]
    }

    /// Gives the tile at `z`, `y`, `x` of the next row, which it returns.
    #[inline(always)]
    fn compute(&mut self, [z, y, x]: Shape) -> usize {
        let row = self.computed;
        self.computed += 1;
        if let Some(run) = self.runs[..self.n_runs].last_mut()
            && (run.z, run.y, run.x + run.n) == (z, y, x)
        {
            run.n += 1;
        } else {
            self.runs[self.n_runs] = Run { z, y, x, n: 1, row };
            self.n_runs += 1;
        }
        row
    }
}

/// The last tile of each kind that may have been one of many: where in the volume, and where it is kept.
#[derive(Debug, Default)]
pub(super) struct Known([Option<(Shape, Place)>; KINDS]);

impl Known {
    /// Decides what is computed of `patch`, the batch that follows on those that were decided on before.
    #[inline(always)]
    pub(super) fn choose(&mut self, input: &impl Seen, patch: &Patch) -> Batch {
        let mut batch = Batch::new(patch.len());
        let mut tile = 0;
        // Not one loop: a place from the number of a tile takes four divisions.
        for z in patch.start[0]..patch.start[0] + patch.size[0] {
            for y in 0..patch.size[1] {
                for x in 0..patch.size[2] {
                    let at = [z, patch.start[1] + y, patch.start[2] + x];
                    batch.places[tile] = if may_repeat(input, at) {
                        let known = &mut self.0[input.tiling().kind(at)];
                        match *known {
                            Some((earlier, place)) if see_the_same(input, earlier, at) => place,
                            _ => {
                                let place = Place::Row(batch.compute([z, y, x]));
                                if repeats(input, at) {
                                    *known = Some((at, place));
                                }
                                place
                            }
                        }
                    } else {
                        Place::Row(batch.compute([z, y, x]))
                    };
                    tile += 1;
                }
            }
        }
        batch
    }

    /// Keeps what later batches may want of this one, which is written already: from `[block][row]` to `[block][kind]`.
    #[inline(always)]
    pub(super) fn keep(&mut self, rows: usize, computed: &[Halfway], kept: &mut [Halfway]) {
        for kind in 0..KINDS {
            if let Some((_, place)) = &mut self.0[kind]
                && let Place::Row(row) = *place
            {
                for b in 0..computed.len() / rows {
                    kept[b * KINDS + kind] = computed[b * rows + row];
                }
                *place = Place::Kept(kind);
            }
        }
    }
}

/// Whether two tiles of one kind see the same bits.
#[inline(always)]
fn see_the_same(input: &impl Seen, a: Shape, b: Shape) -> bool {
    let ([a, size], [b, _]) = (input.tiling().window(a), input.tiling().window(b));
    input.same(a, b, size)
}

/// Whether what a tile sees repeats itself along x from tile to tile, as air does, or is too narrow to tell. Where no tile does,
/// none is compared with another.
#[inline(always)]
fn repeats(input: &impl Seen, at: Shape) -> bool {
    let [start, [depth, height, width]] = input.tiling().window(at);
    width <= 4 || input.same(start, [start[0], start[1], start[2] + 4], [depth, height, width - 4])
}

/// Whether [`repeats`] is still open after a look at one voxel and the one a tile on. Where it is not, no known tile is the same
/// either, since all of those repeat themselves.
#[inline(always)]
fn may_repeat(input: &impl Seen, [z, y, x]: Shape) -> bool {
    let tiling = input.tiling();
    let at = [tiling.thickness * z, 4 * y, 4 * x];
    at[2] + 4 >= tiling.shape[2] || input.same(at, [at[0], at[1], at[2] + 4], [1; 3])
}

#[cfg(test)]
mod tests {
    use super::super::input::Input;
    use super::super::output::TILE_LINES;
    use super::super::tiles::{Cut, Tiling};
    use super::*;
    use crate::gather::voxels;
    use crate::layout::{LANES, Source};

    /// A volume of one block of channels, `value(z, y, x)` in all of them.
    fn volume(shape: Shape, value: impl Fn(Shape) -> f32) -> Vec<f32> {
        let at = |v: usize| [v / (shape[1] * shape[2]), v / shape[2] % shape[1], v % shape[2]];
        (0..voxels(shape) * LANES).map(|n| value(at(n / LANES))).collect()
    }

    /// The bits that the tile `at` sees, and none where it looks out of the volume.
    fn seen(input: &Input<'_, f32>, at: Shape) -> Vec<Option<u32>> {
        let [depth, height, width] = input.tiling.shape;
        let mut seen = Vec::new();
        let thickness = input.tiling.thickness;
        for n in 0..(thickness + 2) * 36 {
            // Voxel 0 is place 1 here.
            let [z, y, x] = [thickness * at[0] + n / 36, 4 * at[1] + n / 6 % 6, 4 * at[2] + n % 6];
            let inside = (1..=depth).contains(&z) && (1..=height).contains(&y) && (1..=width).contains(&x);
            let place = |n: usize| n.saturating_sub(1);
            let voxel = (place(z) * height + place(y)) * width + place(x);
            seen.push(inside.then(|| input.sources[0].values[voxel * LANES].to_bits()));
        }
        seen
    }

    /// How many tiles are computed, after seeing to it that each tile, thick ones too, has the outputs of one that sees what it
    /// sees.
    fn computed(shape: Shape, value: impl Fn(Shape) -> f32) -> usize {
        let values = volume(shape, value);
        of_tiling(Tiling::thick(shape), &values);
        of_tiling(Tiling::new(shape), &values)
    }

    fn of_tiling(tiling: Tiling, values: &[f32]) -> usize {
        let (shape, sources) = (tiling.shape, [Source::plain(values)]);
        let input = Input { tiling, sources: &sources, gain: 1.0 };
        let cut = Cut::new(tiling.tiles, BATCH, 12, 32);
        let whole = tiling.whole();
        let mut n = 0;
        for unit in (0..cut.units(tiling.tiles)).map(|n| cut.unit(tiling.tiles, n)) {
            let mut known = Known::default();
            // Instead of outputs, the number of the tile.
            let mut kept = vec![[[f32::NAN; LANES]; TILE_LINES]; KINDS];
            for z in (unit.start[0]..unit.start[0] + unit.size[0]).step_by(cut.batch[0]) {
                let patch = unit.layers(z, cut.batch[0]);
                let batch = known.choose(&input, &patch);
                let mut rows = vec![[[f32::NAN; LANES]; TILE_LINES]; batch.rows()];
                for run in batch.runs() {
                    for k in 0..run.n {
                        let at = [run.z, patch.start[1] + run.y, patch.start[2] + run.x + k];
                        rows[run.row + k][0][0] = whole.row(at) as f32;
                    }
                }
                assert!(rows[..batch.computed()].iter().all(|row| row[0][0] >= 0.0), "{shape:?}: a row without a tile");
                for (tile, place) in batch.places().iter().enumerate() {
                    let [_, height, width] = patch.size;
                    let at = [tile / (height * width), tile / width % height, tile % width];
                    let at = [0, 1, 2].map(|a| patch.start[a] + at[a]);
                    let from = match *place {
                        Place::Row(row) => rows[row][0][0],
                        Place::Kept(kind) => kept[kind][0][0],
                    } as usize;
                    let [_, height, width] = tiling.tiles;
                    let from = [from / (height * width), from / width % height, from % width];
                    assert!(seen(&input, from) == seen(&input, at), "{shape:?}: {at:?} is not {from:?}");
                }
                n += batch.computed();
                known.keep(batch.rows(), &rows, &mut kept);
            }
        }
        n
    }

    const SHAPES: [Shape; 6] = [[9, 14, 61], [24, 13, 26], [1, 1, 513], [4, 40, 41], [48, 5, 4], [31, 33, 32]];

    fn noise([z, y, x]: Shape) -> f32 {
        ((z * 7919 + y * 104_729 + x * 1_299_709) as u32).wrapping_mul(2_654_435_761) as f32
    }

    #[test]
    fn what_never_repeats_is_all_computed() {
        for shape in SHAPES {
            assert_eq!(computed(shape, noise), Tiling::new(shape).whole().len(), "{shape:?}");
        }
    }

    #[test]
    fn a_constant_or_repeating_volume_is_computed_once_of_each_kind() {
        for shape in SHAPES {
            let tiling = Tiling::new(shape);
            let units = Cut::new(tiling.tiles, BATCH, 12, 32).units(tiling.tiles);
            let most = tiling.whole().len().min(units * KINDS);
            assert!(computed(shape, |_| f32::NAN) <= most, "{shape:?}: constant");
            assert!(computed(shape, |[z, y, x]| noise([z % 2, y % 4, x % 4])) <= most, "{shape:?}: repeating");
        }
        assert!(computed([40, 40, 40], |_| 1.0) < 300, "of 2,000 tiles");
    }

    #[test]
    fn only_the_same_bits_are_the_same() {
        // Zeros of both signs are equal numbers.
        let zeros = |at: Shape| if noise(at) as u64 % 64 < 32 { 0.0 } else { -0.0 };
        let tiles = Tiling::new([24, 40, 41]).whole().len();
        assert!(computed([24, 40, 41], zeros) > tiles * 9 / 10, "zeros of both signs");
    }

    #[test]
    fn air_around_a_head_is_computed_once() {
        let shape = [40, 48, 44];
        let head = |at: Shape| if (0..3).all(|a| (12..28).contains(&at[a])) { noise(at) } else { -1.5 };
        let tiles = Tiling::new(shape).whole().len();
        let n = computed(shape, head);
        assert!((150..tiles / 3).contains(&n), "{n} of {tiles} tiles");
    }
}
