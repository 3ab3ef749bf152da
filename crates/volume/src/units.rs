//! Numbers that carry their unit, so that a length is never added to a volume.

use std::ops::Add;

/// A length in millimetres.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Mm(pub f64);

/// A volume in cubic millimetres.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Mm3(pub f64);

/// A volume in millilitres; what reports show.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Ml(pub f64);

/// The index of a voxel along the x, y and z axis of its grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VoxelIndex(pub [usize; 3]);

/// A point of the world in millimetres: x to the patient's right, y to anterior, z to superior (RAS+).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WorldPoint(pub [f64; 3]);

impl Mm3 {
    /// The same volume in millilitres (1 ml = 1000 mm³).
    pub fn to_ml(self) -> Ml {
        Ml(self.0 / 1000.0)
    }

    /// The volume of `count` pieces of this size, for instance of voxels.
    #[must_use]
    pub fn times(self, count: usize) -> Mm3 {
        Mm3(self.0 * count as f64)
    }
}

impl Add for Ml {
    type Output = Ml;

    fn add(self, other: Ml) -> Ml {
        Ml(self.0 + other.0)
    }
}

impl WorldPoint {
    /// The straight distance to another point.
    pub fn distance(self, other: WorldPoint) -> Mm {
        let [a, b, c] = std::array::from_fn(|axis| self.0[axis] - other.0[axis]);
        Mm((a * a + b * b + c * c).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_cubic_millimetres_are_one_millilitre() {
        assert_eq!(Mm3(0.5).times(3000).to_ml(), Ml(1.5), "0.5 mm³ x 3000");
        assert_eq!(WorldPoint([0.0, 3.0, 0.0]).distance(WorldPoint([4.0, 0.0, 0.0])), Mm(5.0), "3-4-5");
    }
}
