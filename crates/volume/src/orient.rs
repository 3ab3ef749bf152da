//! Which way the stored axes point, and the same voxels in RAS order: the only place that permutes axes.

use std::fmt;

use rayon::prelude::*;

use crate::{Affine, Bounds, Grid, Volume, VolumeError};

/// Letters of the positive and negative end of the world's axes.
const LETTERS: [[char; 2]; 3] = [['R', 'L'], ['A', 'P'], ['S', 'I']];

/// Voxels are moved in cubes of this edge, so that a cache line is used whole whichever axis it lies along:
/// 16 f32 are one line, and 16 x 16 lines of both sides fit the first-level cache.
const EDGE: usize = 16;

/// Along a world axis, or against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sense {
    Along,
    Against,
}

/// For each stored axis x, y, z: the world axis that it follows most closely, and its sense.
///
/// There are 48. The letters of [`Orientation::code`] name the ends that the stored axes point to: `LPS` is stored
/// from right to left, anterior to posterior, inferior to superior.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Orientation {
    axes: [(usize, Sense); 3],
}

impl Orientation {
    /// The nearest orientation of any affine, oblique and sheared ones too.
    ///
    /// Of all pairs of a stored and a world axis the one with the largest absolute direction cosine is taken, then
    /// the largest of the remaining ones, as nibabel's `io_orientation` does; equal ones in the order x, y, z.
    pub fn of(affine: &Affine) -> Orientation {
        let spacing = affine.spacing();
        let cosine = |stored: usize, world: usize| affine.column(stored)[world] / spacing[stored];
        let mut axes = [(0, Sense::Along); 3];
        let (mut open_stored, mut open_world) = (vec![0, 1, 2], vec![0, 1, 2]);
        while !open_stored.is_empty() {
            let mut best = (open_stored[0], open_world[0]);
            for &stored in &open_stored {
                for &world in &open_world {
                    if cosine(stored, world).abs() > cosine(best.0, best.1).abs() {
                        best = (stored, world);
                    }
                }
            }
            let sense = if cosine(best.0, best.1) < 0.0 { Sense::Against } else { Sense::Along };
            axes[best.0] = (best.1, sense);
            open_stored.retain(|&stored| stored != best.0);
            open_world.retain(|&world| world != best.1);
        }
        Orientation { axes }
    }

    /// The frame that all work is done in.
    pub fn ras() -> Orientation {
        Orientation { axes: [(0, Sense::Along), (1, Sense::Along), (2, Sense::Along)] }
    }

    /// All 48 orientations, RAS first.
    pub fn all() -> Vec<Orientation> {
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let sense = |bits: usize, axis: usize| if bits >> axis & 1 == 1 { Sense::Against } else { Sense::Along };
        orders
            .iter()
            .flat_map(|order| {
                (0..8)
                    .map(move |bits| Orientation { axes: std::array::from_fn(|axis| (order[axis], sense(bits, axis))) })
            })
            .collect()
    }

    /// Three letters, such as `RAS` or `LPS`.
    pub fn code(&self) -> String {
        self.axes.iter().map(|&(world, sense)| LETTERS[world][usize::from(sense == Sense::Against)]).collect()
    }

    /// The same voxels in RAS order. No value changes and every voxel keeps its place in the world.
    pub fn to_ras<T: Copy + Send + Sync>(&self, volume: &Volume<T>) -> Volume<T> {
        let (grid, walk) = self.upright(volume.grid());
        permuted(volume, grid, walk)
    }

    /// The grid of the voxels of `stored` in RAS order, and where each of them is.
    pub(crate) fn upright(&self, stored: &Grid) -> (Grid, Walk) {
        permutation(stored, self.followers())
    }

    /// For each world axis the stored axis that follows it.
    fn followers(&self) -> [(usize, Sense); 3] {
        let mut from = [(0, Sense::Along); 3];
        for (stored, &(world, sense)) in self.axes.iter().enumerate() {
            from[world] = (stored, sense);
        }
        from
    }

    /// Bounds in a grid of `shape` in this order, as they are in RAS order.
    pub(crate) fn bounds_in_ras(&self, bounds: Bounds, shape: [usize; 3]) -> Bounds {
        let from = self.followers();
        let ends = from.map(|(axis, sense)| match sense {
            Sense::Along => [bounds.start[axis], bounds.end[axis]],
            Sense::Against => [shape[axis] - bounds.end[axis], shape[axis] - bounds.start[axis]],
        });
        Bounds { start: ends.map(|[start, _]| start), end: ends.map(|[_, end]| end) }
    }

    /// The exact inverse of [`Orientation::to_ras`]: RAS voxels in the order of this orientation.
    ///
    /// The affine comes back by the same arithmetic, exact for whole numbers and to the last digits otherwise;
    /// [`Orientation::from_ras_onto`] takes the grid that is already known.
    pub fn from_ras<T: Copy + Send + Sync>(&self, volume: &Volume<T>) -> Volume<T> {
        let (grid, walk) = permutation(volume.grid(), self.axes);
        permuted(volume, grid, walk)
    }

    /// As [`Orientation::from_ras`], onto a grid that is known: the source's, bit for bit.
    ///
    /// # Errors
    /// [`VolumeError::ShapesDiffer`] if the grid has another shape than the voxels.
    pub fn from_ras_onto<T>(&self, volume: &Volume<T>, grid: &Grid) -> Result<Volume<T>, VolumeError>
    where
        T: Copy + Send + Sync,
    {
        let (own, voxels) = self.from_ras(volume).into_parts();
        if own.shape() != grid.shape() {
            return Err(VolumeError::ShapesDiffer { first: own.shape(), second: grid.shape() });
        }
        Volume::new(*grid, voxels)
    }
}

impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code())
    }
}

/// Grid and way of a result whose axis `a` is axis `from[a].0` of the source, mirrored if `Against`.
fn permutation(src: &Grid, from: [(usize, Sense); 3]) -> (Grid, Walk) {
    let src_shape = src.shape();
    let src_strides = [1, src_shape[0], src_shape[0] * src_shape[1]];
    let grid = Grid::from_smaller(from.map(|(axis, _)| src_shape[axis]), permuted_affine(src, from));
    let (mut first, mut strides) = (0, [0_isize; 3]);
    for (axis, &(src_axis, sense)) in from.iter().enumerate() {
        let stride = src_strides[src_axis];
        match sense {
            Sense::Along => strides[axis] = stride.cast_signed(),
            Sense::Against => {
                strides[axis] = -stride.cast_signed();
                first += stride * (src_shape[src_axis] - 1);
            }
        }
    }
    (grid, Walk { first, strides })
}

/// The voxels that a walk meets on the way through a grid.
pub(crate) fn permuted<T: Copy + Send + Sync>(volume: &Volume<T>, grid: Grid, walk: Walk) -> Volume<T> {
    let src = volume.voxels();
    let [nx, ny, _] = grid.shape();
    let mut voxels = vec![src[0]; grid.len()];
    voxels.par_chunks_mut(EDGE * nx * ny).enumerate().for_each(|(index, dst)| {
        copy_slabs(src, walk.moved([0, 0, index * EDGE]), dst, [nx, ny]);
    });
    Volume::from_counted(grid, voxels)
}

/// Where in the source a voxel of the result is: at `first` plus the strides times its index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    first: usize,
    strides: [isize; 3],
}

impl Walk {
    /// Begins at another voxel of the result.
    pub(crate) fn moved(self, by: [usize; 3]) -> Walk {
        Walk { first: self.at(by), ..self }
    }

    /// Where this voxel of the result is.
    #[inline]
    pub(crate) fn at(self, index: [usize; 3]) -> usize {
        let steps: isize = (0..3).map(|axis| self.strides[axis] * index[axis].cast_signed()).sum();
        self.first.wrapping_add_signed(steps)
    }
}

/// Fill some whole slabs along z of the result.
fn copy_slabs<T: Copy>(src: &[T], walk: Walk, dst: &mut [T], [nx, ny]: [usize; 2]) {
    let slab = nx * ny;
    if walk.strides[0].abs() == 1 {
        for (row, dst_row) in dst.chunks_exact_mut(nx).enumerate() {
            let Walk { first, strides } = walk.moved([0, row % ny, row / ny]);
            if strides[0] == 1 {
                dst_row.copy_from_slice(&src[first..first + nx]);
            } else {
                let src_row = &src[first + 1 - nx..=first];
                dst_row.iter_mut().zip(src_row.iter().rev()).for_each(|(to, &voxel)| *to = voxel);
            }
        }
        return;
    }
    for y0 in (0..ny).step_by(EDGE) {
        for x0 in (0..nx).step_by(EDGE) {
            for (z, dst_slab) in dst.chunks_exact_mut(slab).enumerate() {
                for y in y0..(y0 + EDGE).min(ny) {
                    let Walk { mut first, strides } = walk.moved([x0, y, z]);
                    for to in &mut dst_slab[nx * y + x0..nx * y + (x0 + EDGE).min(nx)] {
                        *to = src[first];
                        first = first.wrapping_add_signed(strides[0]);
                    }
                }
            }
        }
    }
}

/// The affine that keeps every voxel where it is.
fn permuted_affine(grid: &Grid, from: [(usize, Sense); 3]) -> Affine {
    let src = grid.affine();
    let mut rows = [[0.0; 4]; 3];
    for (row, numbers) in rows.iter_mut().enumerate() {
        let src_row = src.rows()[row];
        numbers[3] = src_row[3];
        for (axis, &(src_axis, sense)) in from.iter().enumerate() {
            match sense {
                Sense::Along => numbers[axis] = src_row[src_axis],
                Sense::Against => {
                    numbers[axis] = 0.0 - src_row[src_axis]; // not `-x`, which would turn 0 into -0
                    numbers[3] += src_row[src_axis] * (grid.shape()[src_axis] - 1) as f64;
                }
            }
        }
    }
    Affine::from_invertible(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(rows: [[f64; 4]; 3]) -> String {
        Orientation::of(&Affine::new(rows).expect("invertible")).code()
    }

    #[test]
    fn codes_of_straight_and_oblique_affines() {
        let lps = [[-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 239.0], [0.0, 0.0, 1.0, 0.0]];
        assert_eq!(code(lps), "LPS", "BraTS 2021");
        let sagittal = [[0.0, 0.0, 1.2, 0.0], [-0.9, 0.0, 0.0, 0.0], [0.0, -0.9, 0.0, 0.0]];
        assert_eq!(code(sagittal), "PIR", "a sagittal scan");
        let oblique = [[0.0, 0.3, 2.0, 0.0], [0.9, 0.1, 0.1, 0.0], [0.2, -0.9, 0.4, 0.0]];
        assert_eq!(code(oblique), "AIR", "an oblique one");
    }

    #[test]
    fn each_world_axis_is_used_once() {
        // Both x and y lean most towards world x; x more so.
        let contested = [[0.9, 0.8, 0.0, 0.0], [0.2, 0.6, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
        assert_eq!(code(contested), "RAS", "y takes what is left");
    }

    #[test]
    fn there_are_48_and_ras_is_first() {
        let mut codes: Vec<String> = Orientation::all().iter().map(Orientation::code).collect();
        assert_eq!(codes[0], "RAS", "first");
        codes.sort();
        codes.dedup();
        assert_eq!(codes.len(), 48, "all different");
    }
}
