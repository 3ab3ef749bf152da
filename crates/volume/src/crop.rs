//! Cut a box out of a volume, and put it back.

use crate::{Grid, Volume};

/// A box of voxels: from `start` up to, but not including, `end`, along x, y, z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// First index along each axis.
    pub start: [usize; 3],
    /// One past the last index along each axis.
    pub end: [usize; 3],
}

impl Bounds {
    /// The smallest box that holds every voxel that `wanted` accepts; nothing if it accepts none.
    pub fn of<T: Copy>(volume: &Volume<T>, wanted: impl Fn(T) -> bool) -> Option<Bounds> {
        let [nx, ny, nz] = volume.grid().shape();
        let mut bounds = Bounds { start: [nx, ny, nz], end: [0; 3] };
        for (row, voxels) in volume.voxels().chunks_exact(nx).enumerate() {
            // No way out of this loop, so that it runs in lanes: most rows of a scan are air.
            if !voxels.iter().fold(false, |any, &voxel| any | wanted(voxel)) {
                continue;
            }
            let first = voxels.iter().position(|&voxel| wanted(voxel)).unwrap_or(0);
            let last = voxels.iter().rposition(|&voxel| wanted(voxel)).unwrap_or(first);
            for (axis, (low, high)) in
                [(first, last), (row % ny, row % ny), (row / ny, row / ny)].into_iter().enumerate()
            {
                bounds.start[axis] = bounds.start[axis].min(low);
                bounds.end[axis] = bounds.end[axis].max(high + 1);
            }
        }
        (bounds.end[0] > 0).then_some(bounds)
    }

    /// The whole of a grid.
    pub fn whole(shape: [usize; 3]) -> Bounds {
        Bounds { start: [0; 3], end: shape }
    }

    /// `by` voxels more on each side, as far as a grid of this shape goes.
    #[must_use]
    pub fn grown(self, by: usize, shape: [usize; 3]) -> Bounds {
        Bounds {
            start: self.start.map(|start| start.saturating_sub(by)),
            end: std::array::from_fn(|axis| self.end[axis].saturating_add(by).min(shape[axis])),
        }
    }

    /// Voxels along x, y, z.
    pub fn shape(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.end[axis].saturating_sub(self.start[axis]))
    }

    /// Whether the box has voxels and lies inside a grid of this shape.
    pub fn fits(&self, shape: [usize; 3]) -> bool {
        (0..3).all(|axis| self.start[axis] < self.end[axis] && self.end[axis] <= shape[axis])
    }
}

/// The voxels inside the bounds, on a grid whose affine keeps them where they are in the world.
///
/// # Panics
/// If the bounds are empty or reach out of the volume.
pub fn crop<T: Copy>(volume: &Volume<T>, bounds: Bounds) -> Volume<T> {
    let shape = volume.grid().shape();
    assert!(bounds.fits(shape), "crop: {bounds:?} in a volume of {shape:?}");
    let affine = volume.grid().affine().shifted(bounds.start.map(|start| start as f64));
    let grid = Grid::from_smaller(bounds.shape(), affine);
    let mut voxels = Vec::with_capacity(grid.len());
    for row in rows(bounds, shape) {
        voxels.extend_from_slice(&volume.voxels()[row]);
    }
    Volume::from_counted(grid, voxels)
}

/// The inverse of [`crop`]: the voxels at their place in a volume on `grid`, `fill` everywhere else.
///
/// # Panics
/// If the volume's shape is not that of the bounds, or the bounds reach out of the grid.
pub fn restore<T: Copy>(volume: &Volume<T>, bounds: Bounds, grid: &Grid, fill: T) -> Volume<T> {
    let shape = grid.shape();
    assert!(bounds.fits(shape), "restore: {bounds:?} in a grid of {shape:?}");
    assert_eq!(volume.grid().shape(), bounds.shape(), "restore: the volume fills {bounds:?}");
    let mut whole = Volume::filled(*grid, fill);
    for (row, voxels) in rows(bounds, shape).zip(volume.voxels().chunks_exact(bounds.shape()[0])) {
        whole.voxels_mut()[row].copy_from_slice(voxels);
    }
    whole
}

/// The index ranges of the rows along x, y faster than z.
fn rows(bounds: Bounds, [nx, ny, _]: [usize; 3]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let Bounds { start, end } = bounds;
    (start[2]..end[2]).flat_map(move |z| {
        (start[1]..end[1]).map(move |y| {
            let row = nx * (y + ny * z);
            row + start[0]..row + end[0]
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Affine, Limits, VoxelIndex};

    #[test]
    fn crop_keeps_the_world_and_restore_undoes_it() {
        let affine = Affine::new([[-1.0, 0.0, 0.0, 5.0], [0.0, -2.0, 0.0, 7.0], [0.0, 0.0, 3.0, 1.0]]).expect("fine");
        let grid = Grid::new([4, 5, 6], affine, &Limits::default()).expect("small");
        let mut volume = Volume::filled(grid, 0_u8);
        volume.voxels_mut()[1 + 4 * (2 + 5 * 3)] = 7;
        volume.voxels_mut()[2 + 4 * (3 + 5 * 3)] = 8;
        let bounds = Bounds::of(&volume, |voxel| voxel > 0).expect("two voxels");
        assert_eq!(bounds, Bounds { start: [1, 2, 3], end: [3, 4, 4] }, "tight");
        let cut = crop(&volume, bounds);
        assert_eq!(cut.get(VoxelIndex([0, 0, 0])), Some(7), "the first voxel");
        let (inside, outside) = (cut.grid().affine().world([0.0; 3]), affine.world([1.0, 2.0, 3.0]));
        assert_eq!(inside, outside, "the same point of the world");
        assert_eq!(restore(&cut, bounds, &grid, 0), volume, "round trip");
        assert_eq!(bounds.grown(2, [4, 5, 6]), Bounds { start: [0, 0, 1], end: [4, 5, 6] }, "grown");
        assert_eq!(Bounds::of(&volume, |voxel| voxel > 9), None, "nothing wanted");
    }
}
