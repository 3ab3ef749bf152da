//! What is kept of a scan beside its voxels: where they are, how they are windowed, where to begin to look.

use segment::picture::Window;
use serde::{Deserialize, Serialize};
use volume::{Affine, Bounds, Grid, Limits, Orientation, Volume};

use crate::entity::Json;

/// Where a scan's voxels are, and how to show them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Voxels along x, y, z as stored.
    pub shape: [usize; 3],
    /// Millimetres between voxel centres along x, y, z as stored.
    pub spacing: [f64; 3],
    /// Where the stored axes point, such as `LPS`.
    pub orientation: String,
    /// Voxel index to world mm, RAS+.
    pub rows: [[f64; 4]; 3],
    /// What is drawn black and white: the 0.5th and 99.5th percentile inside the brain.
    pub window: [f32; 2],
    /// First and last voxel of the brain, as indices in RAS order.
    pub brain: [[usize; 3]; 2],
}

impl Facts {
    /// The facts of a scan; `upright` is the same in RAS order.
    pub fn of(stored: &Volume<f32>, upright: &Volume<f32>) -> Self {
        let grid = stored.grid();
        let window = Window::of(upright);
        let brain = Bounds::of(upright, |value| value != 0.0).unwrap_or(Bounds::whole(upright.grid().shape()));
        Self {
            shape: grid.shape(),
            spacing: grid.spacing(),
            orientation: Orientation::of(grid.affine()).code(),
            rows: *grid.affine().rows(),
            window: [window.low, window.high],
            brain: [brain.start, brain.end.map(|end| end - 1)],
        }
    }

    /// The middle of the brain, as an index in RAS order.
    pub fn middle(&self) -> [usize; 3] {
        let [first, last] = self.brain;
        std::array::from_fn(|axis| usize::midpoint(first[axis], last[axis]))
    }

    /// The grid; nothing if the numbers do not make one, which means that the row is damaged.
    pub fn grid(&self) -> Option<Grid> {
        let affine = Affine::new(self.rows).ok()?;
        Grid::new(self.shape, affine, &Limits::default()).ok()
    }

    /// Voxels along Right, Anterior, Superior.
    pub fn upright_shape(&self) -> [usize; 3] {
        self.upright(self.shape)
    }

    /// Millimetres along Right, Anterior, Superior.
    pub fn upright_spacing(&self) -> [f64; 3] {
        self.upright(self.spacing)
    }

    /// The window as pictures take it.
    pub fn shown(&self) -> Window {
        Window { low: self.window[0], high: self.window[1] }
    }

    /// As a column.
    pub fn to_json(&self) -> Json {
        Json::of(self)
    }

    /// Numbers by stored axis, by world axis.
    fn upright<T: Copy>(&self, stored: [T; 3]) -> [T; 3] {
        let mut upright = stored;
        for (axis, letter) in self.orientation.chars().take(3).enumerate() {
            let world = match letter {
                'R' | 'L' => 0,
                'A' | 'P' => 1,
                _ => 2,
            };
            upright[world] = stored[axis];
        }
        upright
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_survive_json_and_know_which_axis_is_which() {
        let affine = Affine::new([[0.0, 0.0, 3.0, -3.0], [-1.0, 0.0, 0.0, 9.0], [0.0, 2.0, 0.0, 0.5]]).unwrap();
        let grid = Grid::new([5, 6, 7], affine, &Limits::default()).unwrap();
        let mut scan = Volume::filled(grid, 0.0_f32);
        scan.voxels_mut()[2 + 5 * (3 + 6 * 4)] = 8.0;
        let upright = Orientation::of(&affine).to_ras(&scan);
        let facts = Facts::of(&scan, &upright);
        assert_eq!((facts.orientation.as_str(), facts.shape), ("PSR", [5, 6, 7]));
        assert_eq!((facts.upright_shape(), facts.upright_spacing()), ([7, 5, 6], [3.0, 1.0, 2.0]));
        assert_eq!(facts.upright_shape(), upright.grid().shape());
        assert_eq!(facts.middle(), [4, 2, 3], "x as stored, y mirrored, z as stored");
        let back: Facts = facts.to_json().to_string().parse::<Json>().unwrap().read().unwrap();
        assert_eq!(back, facts);
        assert_eq!(back.grid(), Some(grid));
    }
}
