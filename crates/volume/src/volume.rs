//! Voxels on a grid.

use crate::{Grid, VolumeError, VoxelIndex};

/// Voxels on a grid, x fastest: voxel (x, y, z) is at `x + nx * (y + ny * z)`. Always exactly as many as the grid has.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume<T> {
    grid: Grid,
    voxels: Vec<T>,
}

/// Yes or no for each voxel of a grid.
pub type Mask = Volume<bool>;

impl<T> Volume<T> {
    /// Voxels, x fastest, on a grid.
    ///
    /// # Errors
    /// [`VolumeError::WrongLength`] if there are not as many as the grid has.
    pub fn new(grid: Grid, voxels: Vec<T>) -> Result<Volume<T>, VolumeError> {
        if voxels.len() == grid.len() {
            Ok(Volume { grid, voxels })
        } else {
            Err(VolumeError::WrongLength { found: voxels.len(), shape: grid.shape() })
        }
    }

    /// Where the voxels are.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// All voxels, x fastest.
    #[inline]
    pub fn voxels(&self) -> &[T] {
        &self.voxels
    }

    /// All voxels, x fastest, to be changed in place.
    pub fn voxels_mut(&mut self) -> &mut [T] {
        &mut self.voxels
    }

    /// The grid and the voxels.
    pub fn into_parts(self) -> (Grid, Vec<T>) {
        (self.grid, self.voxels)
    }

    /// For voxels that were counted by the caller.
    pub(crate) fn from_counted(grid: Grid, voxels: Vec<T>) -> Volume<T> {
        debug_assert_eq!(voxels.len(), grid.len(), "voxels fill the grid");
        Volume { grid, voxels }
    }
}

impl<T: Copy> Volume<T> {
    /// The same value in each voxel.
    pub fn filled(grid: Grid, value: T) -> Volume<T> {
        Volume { grid, voxels: vec![value; grid.len()] }
    }

    /// Another volume on the same grid, made voxel by voxel.
    pub fn map<U>(&self, change: impl FnMut(T) -> U) -> Volume<U> {
        Volume { grid: self.grid, voxels: self.voxels.iter().copied().map(change).collect() }
    }

    /// One voxel; nothing outside the grid.
    pub fn get(&self, VoxelIndex([x, y, z]): VoxelIndex) -> Option<T> {
        let [nx, ny, nz] = self.grid.shape();
        (x < nx && y < ny && z < nz).then(|| self.voxels[x + nx * (y + ny * z)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Affine, Limits};

    #[test]
    fn x_is_fastest() {
        let affine = Affine::axis_aligned([1.0; 3], [0.0; 3]).expect("unit");
        let grid = Grid::new([2, 3, 4], affine, &Limits::default()).expect("small");
        let volume = Volume::new(grid, (0..24).collect()).expect("24 voxels");
        assert_eq!(volume.get(VoxelIndex([1, 2, 3])), Some(23), "the last voxel");
        assert_eq!(volume.get(VoxelIndex([1, 0, 0])), Some(1), "x");
        assert_eq!(volume.get(VoxelIndex([0, 1, 0])), Some(2), "y");
        assert_eq!(volume.get(VoxelIndex([0, 0, 4])), None, "outside");
        assert!(Volume::new(grid, vec![0; 23]).is_err(), "one voxel short");
    }
}
