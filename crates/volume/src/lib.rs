//! A scan in space: grids, `NIfTI` files, orientation, resampling, components, distances.
//!
//! World coordinates are millimetres, RAS+. Voxels are stored x fastest. Only [`orient`] permutes axes.
//! Deliberately absent: tumours, sequences and tensors; the crate knows nothing of them.

mod affine;
mod atomic;
mod components;
mod crop;
mod distance;
mod error;
mod grid;
pub mod nifti;
pub mod orient;
mod rank;
mod resample;
mod units;
mod upright;
mod volume;

pub use affine::Affine;
pub use atomic::write_atomically;
pub use components::{Components, Connectivity, components};
pub use crop::{Bounds, crop, restore};
pub use distance::distance_to;
pub use error::VolumeError;
pub use grid::{Grid, Limits};
pub use orient::Orientation;
pub use rank::ranked;
pub use resample::{resample_linear, resample_nearest};
pub use units::{Ml, Mm, Mm3, VoxelIndex, WorldPoint};
pub use upright::Upright;
pub use volume::{Mask, Volume};
