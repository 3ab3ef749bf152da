//! The map from voxel indices to millimetres in the world, invertible by construction.

use crate::{VolumeError, WorldPoint};

/// A column set counts as flat when its determinant is below this share of the product of the columns' lengths.
/// Real obliques and shears are far above; sforms that were left at zero or have a repeated row are far below.
const FLAT: f64 = 1e-9;

/// Voxel index (x, y, z) to world millimetres (RAS+): the first three rows of a 4 x 4 matrix.
///
/// Always finite and invertible. Voxel centres lie at whole indices.
#[derive(Clone, Copy, Debug)]
pub struct Affine {
    rows: [[f64; 4]; 3],
    inverse: [[f64; 4]; 3],
}

impl PartialEq for Affine {
    fn eq(&self, other: &Affine) -> bool {
        self.rows == other.rows
    }
}

impl Affine {
    /// An affine from its three rows.
    ///
    /// # Errors
    /// [`VolumeError::AffineNotFinite`], or [`VolumeError::AffineSingular`] if voxels would have no volume.
    pub fn new(rows: [[f64; 4]; 3]) -> Result<Affine, VolumeError> {
        for (row, numbers) in rows.iter().enumerate() {
            if let Some(column) = numbers.iter().position(|number| !number.is_finite()) {
                return Err(VolumeError::AffineNotFinite { row, column });
            }
        }
        let affine = Affine::from_invertible(rows);
        let determinant = affine.determinant();
        let [a, b, c] = affine.spacing();
        let is_flat = determinant.abs() <= FLAT * a * b * c || determinant == 0.0;
        if is_flat || !determinant.is_finite() || affine.inverse.as_flattened().iter().any(|x| !x.is_finite()) {
            return Err(VolumeError::AffineSingular { determinant });
        }
        Ok(affine)
    }

    /// Axis-aligned RAS+ with this spacing in mm and the centre of voxel (0, 0, 0) at `origin`.
    ///
    /// # Errors
    /// As [`Affine::new`].
    pub fn axis_aligned(spacing: [f64; 3], origin: [f64; 3]) -> Result<Affine, VolumeError> {
        Affine::new(std::array::from_fn(|row| {
            let mut numbers = [0.0, 0.0, 0.0, origin[row]];
            numbers[row] = spacing[row];
            numbers
        }))
    }

    /// For rows that are known to be invertible: permuted, mirrored or shifted copies of another affine's.
    pub(crate) fn from_invertible(rows: [[f64; 4]; 3]) -> Affine {
        Affine { rows, inverse: inverted(&rows) }
    }

    /// The three rows.
    pub fn rows(&self) -> &[[f64; 4]; 3] {
        &self.rows
    }

    /// Where a voxel index, whole or not, lies in the world.
    pub fn world(&self, voxel: [f64; 3]) -> WorldPoint {
        WorldPoint(apply(&self.rows, voxel))
    }

    /// The voxel index, not whole in general, of a point of the world.
    pub fn voxel(&self, point: WorldPoint) -> [f64; 3] {
        apply(&self.inverse, point.0)
    }

    /// Millimetres between voxel centres along x, y, z: the lengths of the columns.
    pub fn spacing(&self) -> [f64; 3] {
        std::array::from_fn(|axis| {
            let [a, b, c] = self.column(axis);
            (a * a + b * b + c * c).sqrt()
        })
    }

    /// The determinant of the 3 x 3 part: mm³ per voxel, negative if the axes are left-handed.
    pub fn determinant(&self) -> f64 {
        let [a, b, c] = &self.rows;
        a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0])
    }

    /// The step in mm that one voxel along `axis` makes; axis 3 is the position of voxel (0, 0, 0).
    pub fn column(&self, axis: usize) -> [f64; 3] {
        std::array::from_fn(|row| self.rows[row][axis])
    }

    /// This affine after another: the voxel index in `self` that holds the same point as a voxel index of `other`.
    pub(crate) fn voxels_of(&self, other: &Affine) -> [[f64; 4]; 3] {
        std::array::from_fn(|row| {
            let inverse = self.inverse[row];
            std::array::from_fn(|column| {
                let sum: f64 = (0..3).map(|k| inverse[k] * other.rows[k][column]).sum();
                if column == 3 { sum + inverse[3] } else { sum }
            })
        })
    }

    /// The same affine with the origin moved to voxel index `start`.
    pub(crate) fn shifted(&self, start: [f64; 3]) -> Affine {
        let WorldPoint(origin) = self.world(start);
        let mut rows = self.rows;
        for (row, position) in rows.iter_mut().zip(origin) {
            row[3] = position;
        }
        Affine::from_invertible(rows)
    }
}

/// A 3 x 4 matrix times (x, y, z, 1).
pub(crate) fn apply(rows: &[[f64; 4]; 3], [x, y, z]: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|row| {
        let [a, b, c, d] = rows[row];
        a * x + b * y + c * z + d
    })
}

/// The inverse by cofactors; not finite if there is none.
fn inverted(rows: &[[f64; 4]; 3]) -> [[f64; 4]; 3] {
    let cofactor = |row: usize, column: usize| {
        let (r, s) = ((row + 1) % 3, (row + 2) % 3);
        let (c, d) = ((column + 1) % 3, (column + 2) % 3);
        rows[r][c] * rows[s][d] - rows[r][d] * rows[s][c]
    };
    let determinant: f64 = (0..3).map(|column| rows[0][column] * cofactor(0, column)).sum();
    let mut inverse: [[f64; 4]; 3] = std::array::from_fn(|row| {
        std::array::from_fn(|column| if column < 3 { cofactor(column, row) / determinant } else { 0.0 })
    });
    for row in &mut inverse {
        row[3] = -(row[0] * rows[0][3] + row[1] * rows[1][3] + row[2] * rows[2][3]);
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let affine =
            Affine::new([[0.9, 0.1, 0.0, -90.0], [-0.1, 0.95, 0.2, 126.5], [0.0, -0.2, 2.5, -72.0]]).expect("fine");
        let voxel = affine.voxel(affine.world([10.0, 20.0, 30.0]));
        for (found, expected) in voxel.into_iter().zip([10.0, 20.0, 30.0]) {
            assert!((found - expected).abs() < 1e-10, "{found} for {expected}");
        }
    }

    #[test]
    fn flat_and_non_finite_are_refused() {
        let flat = Affine::new([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]]);
        assert!(matches!(flat, Err(VolumeError::AffineSingular { .. })), "{flat:?}");
        let zero = Affine::new([[0.0; 4]; 3]);
        assert!(matches!(zero, Err(VolumeError::AffineSingular { .. })), "{zero:?}");
        let nan = Affine::axis_aligned([1.0, 1.0, 1.0], [0.0, f64::NAN, 0.0]);
        assert_eq!(nan, Err(VolumeError::AffineNotFinite { row: 1, column: 3 }), "NaN in the origin");
        let huge = Affine::axis_aligned([1e200; 3], [0.0; 3]);
        assert!(huge.is_err(), "a determinant that overflows: {huge:?}");
    }

    #[test]
    fn tiny_but_square_voxels_are_fine() {
        let affine = Affine::axis_aligned([1e-4, 2e-4, 1e-4], [0.0; 3]).expect("tiny");
        assert!((affine.determinant() - 2e-12).abs() < 1e-24, "{}", affine.determinant());
    }
}
