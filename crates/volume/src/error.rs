//! What can be wrong with a grid or its voxels.

/// Why a grid, an affine or a volume cannot exist. Each sentence is complete: no cause is chained behind it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum VolumeError {
    /// An entry of the affine is NaN or infinite.
    #[error("the affine has a number that is not finite in row {row}, column {column}")]
    AffineNotFinite {
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
    },
    /// The affine maps space onto a plane, a line or a point, so that voxels have no volume.
    #[error("the affine cannot be inverted (determinant {determinant:e}): its voxels have no volume")]
    AffineSingular {
        /// The determinant of the 3 x 3 part, mm³ per voxel.
        determinant: f64,
    },
    /// An axis without voxels.
    #[error("a grid of {} x {} x {} voxels is empty", shape[0], shape[1], shape[2])]
    EmptyShape {
        /// Voxels along x, y, z.
        shape: [usize; 3],
    },
    /// More voxels than the limits allow.
    #[error("a grid of {} x {} x {} voxels is larger than the limit of {limit} voxels", shape[0], shape[1], shape[2])]
    TooManyVoxels {
        /// Voxels along x, y, z.
        shape: [usize; 3],
        /// The most voxels that are allowed.
        limit: u64,
    },
    /// The voxels do not fill the grid.
    #[error("{found} voxels were given for a grid of {} x {} x {}", shape[0], shape[1], shape[2])]
    WrongLength {
        /// Voxels given.
        found: usize,
        /// Voxels along x, y, z of the grid.
        shape: [usize; 3],
    },
    /// Two grids that must have the same shape do not.
    #[error("the grids differ: {} x {} x {} voxels here, {} x {} x {} there",
        first[0], first[1], first[2], second[0], second[1], second[2])]
    ShapesDiffer {
        /// Shape of the first grid.
        first: [usize; 3],
        /// Shape of the second grid.
        second: [usize; 3],
    },
}
