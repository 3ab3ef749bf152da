//! Small heads, for tests that need something to prepare or to read.

use segment::labels::{LabelMap, Tissue};
use segment::phantom::phantom;
use volume::{Affine, Grid, Limits, Volume};

/// A small head: its four scans and its labels, RAS.
pub(crate) struct Head {
    /// T1n, T1c, T2w, T2f.
    pub(crate) scans: [Volume<f32>; 4],
    /// The exact labels.
    pub(crate) labels: LabelMap,
}

/// The head of a seed on a grid of this shape and spacing, stored RAS with an odd origin.
pub(crate) fn head(seed: u64, shape: [usize; 3], spacing: [f64; 3]) -> Head {
    let drawn = phantom(seed, shape);
    let affine = Affine::axis_aligned(spacing, [-91.3, 17.25, 4.0]).unwrap();
    let grid = Grid::new(shape, affine, &Limits::default()).unwrap();
    let scans = drawn.scans.map(|scan| Volume::new(grid, scan.into_iter().map(f32::from).collect()).unwrap());
    let tissues = drawn.labels.into_iter().map(|code| Tissue::from_code(code).unwrap()).collect();
    Head { scans, labels: Volume::new(grid, tissues).unwrap() }
}
