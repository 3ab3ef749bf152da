//! A scan in space: grids, NIfTI files, orientation, resampling, components, distances.
