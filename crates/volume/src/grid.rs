//! Shape and affine: where voxels are, without the voxels.

use crate::{Affine, Mm3, VolumeError};

/// What may be read before memory is taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most voxels of one grid, and of all volumes of one file together.
    pub max_voxels: u64,
    /// The most bytes of one file as it is stored, and the most that its gzip stream may inflate to.
    pub max_file_bytes: u64,
    /// The most volumes of one 4-D file.
    pub max_volumes: u64,
}

impl Default for Limits {
    /// 512 Mi voxels (2 GiB as f32; a `BraTS` scan has 8.9 M), files of 4 GiB, 4096 volumes.
    fn default() -> Limits {
        Limits { max_voxels: 512 << 20, max_file_bytes: 4 << 30, max_volumes: 4096 }
    }
}

/// Where voxels are: how many along x, y, z, and the affine to world mm. No axis is empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    shape: [usize; 3],
    affine: Affine,
}

impl Grid {
    /// A grid of `[nx, ny, nz]` voxels.
    ///
    /// # Errors
    /// [`VolumeError::EmptyShape`] or [`VolumeError::TooManyVoxels`].
    pub fn new(shape: [usize; 3], affine: Affine, limits: &Limits) -> Result<Grid, VolumeError> {
        if shape.contains(&0) {
            return Err(VolumeError::EmptyShape { shape });
        }
        let too_many = VolumeError::TooManyVoxels { shape, limit: limits.max_voxels };
        let count = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
        match count {
            Some(count) if count as u64 <= limits.max_voxels => Ok(Grid { shape, affine }),
            Some(_) | None => Err(too_many),
        }
    }

    /// For a shape that is known to be no larger than another grid's.
    pub(crate) fn from_smaller(shape: [usize; 3], affine: Affine) -> Grid {
        debug_assert!(!shape.contains(&0), "no axis is empty");
        Grid { shape, affine }
    }

    /// Voxels along x, y, z.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Voxel index to world mm.
    pub fn affine(&self) -> &Affine {
        &self.affine
    }

    /// The number of voxels.
    #[expect(clippy::len_without_is_empty, reason = "no grid is empty")]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Millimetres between voxel centres along x, y, z.
    pub fn spacing(&self) -> [f64; 3] {
        self.affine.spacing()
    }

    /// The volume of one voxel.
    pub fn voxel_volume(&self) -> Mm3 {
        Mm3(self.affine.determinant().abs())
    }

    /// The largest distance in mm, over the eight corners, between the same voxel of this grid and of another affine.
    pub fn largest_shift(&self, other: &Affine) -> f64 {
        let far = self.shape.map(|n| (n - 1) as f64);
        let corner = |bits: usize| -> [f64; 3] {
            std::array::from_fn(|axis| if bits >> axis & 1 == 1 { far[axis] } else { 0.0 })
        };
        (0..8).map(|bits| self.affine.world(corner(bits)).distance(other.world(corner(bits))).0).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_before_memory_is_taken() {
        let affine = Affine::axis_aligned([1.0; 3], [0.0; 3]).expect("unit");
        let limits = Limits { max_voxels: 1000, ..Limits::default() };
        assert!(Grid::new([10, 10, 10], affine, &limits).is_ok(), "exactly the limit");
        let over = Grid::new([10, 10, 11], affine, &limits);
        assert_eq!(over, Err(VolumeError::TooManyVoxels { shape: [10, 10, 11], limit: 1000 }), "one slice more");
        assert!(Grid::new([usize::MAX, 2, 2], affine, &limits).is_err(), "the product overflows");
        let empty = Grid::new([0, 2, 2], affine, &limits);
        assert_eq!(empty, Err(VolumeError::EmptyShape { shape: [0, 2, 2] }), "no voxels");
    }
}
