//! A volume seen in RAS order where it lies.

use crate::orient::{Walk, permuted};
use crate::{Bounds, Grid, Orientation, Volume};

/// A volume seen in RAS order; nothing is moved until a part is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Upright<'a, T> {
    stored: &'a Volume<T>,
    orientation: Orientation,
    grid: Grid,
    walk: Walk,
}

impl<'a, T: Copy + Send + Sync> Upright<'a, T> {
    /// The voxels of `stored`, whose order is `orientation`.
    pub fn new(stored: &'a Volume<T>, orientation: Orientation) -> Self {
        let (grid, walk) = orientation.upright(stored.grid());
        Self { stored, orientation, grid, walk }
    }

    /// The voxels of `stored` in the order that its affine is nearest to.
    pub fn of(stored: &'a Volume<T>) -> Self {
        Self::new(stored, Orientation::of(stored.grid().affine()))
    }

    /// The grid in RAS order: that of [`Orientation::to_ras`].
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// A voxel by its index in RAS order.
    ///
    /// # Panics
    /// If the index lies so far outside of the grid that there is no voxel at all.
    #[inline]
    pub fn at(&self, index: [usize; 3]) -> T {
        self.stored.voxels()[self.walk.at(index)]
    }

    /// The smallest box, in RAS order, that holds every voxel that `wanted` accepts; nothing if it accepts none.
    pub fn bounds(&self, wanted: impl Fn(T) -> bool) -> Option<Bounds> {
        Bounds::of(self.stored, wanted).map(|bounds| self.orientation.bounds_in_ras(bounds, self.stored.grid().shape()))
    }

    /// All voxels: [`Orientation::to_ras`].
    pub fn whole(&self) -> Volume<T> {
        permuted(self.stored, self.grid, self.walk)
    }

    /// The voxels inside the bounds, in RAS order: what [`crate::crop`] would leave of [`Upright::whole`].
    ///
    /// # Panics
    /// If the bounds are empty or reach out of the grid.
    pub fn part(&self, bounds: Bounds) -> Volume<T> {
        let shape = self.grid.shape();
        assert!(bounds.fits(shape), "part: {bounds:?} in a volume of {shape:?}");
        let affine = self.grid.affine().shifted(bounds.start.map(|start| start as f64));
        permuted(self.stored, Grid::from_smaller(bounds.shape(), affine), self.walk.moved(bounds.start))
    }
}
