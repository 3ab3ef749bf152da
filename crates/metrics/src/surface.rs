//! Distances between the surfaces of two masks, by the surface-distance definition.
//!
//! Several programs compute something that they call HD95, and their results differ by a voxel as a rule and by
//! everything where a small far part is near the 5 % limit. This is the definition of `DeepMind`'s surface-distance
//! package, which the `BraTS` 2023 and 2024 scoring programs use:
//!
//! - surface elements sit on voxel *corners*: a corner belongs to the surface if some but not all of the 2 x 2 x 2
//!   voxels around it are in the mask; outside of the grid counts as not in the mask;
//! - each element weighs as much as the marching-cubes surface inside its neighbourhood, in mm²;
//! - a directed percentile is the smallest distance such that elements at most so far from the other surface hold that
//!   share of the area (no interpolation);
//! - HD95 is the larger of the two directed 95th percentiles.

use rayon::prelude::*;
use volume::{Mm, distance_to};

use crate::score::{Score, Side};
use crate::surfel_area::{N_CODES, surfel_areas};

/// How far the surface elements of each mask are from the other mask's surface (surface-distance definition).
#[derive(Clone, Debug)]
pub struct SurfaceDistances {
    reference_to_predicted: Vec<Element>,
    predicted_to_reference: Vec<Element>,
}

/// One surface element, as seen from the other surface.
#[derive(Clone, Copy, Debug)]
struct Element {
    distance: f64,
    area: f64,
}

/// 95th percentile surface distance in mm, by the surface-distance definition (see the head of this module).
///
/// Masks: `shape` = `[nx, ny, nz]`, x fastest; `spacing` in mm along the same axes.
///
/// # Panics
/// If a mask's length is not the product of `shape`, or a spacing is not a positive finite number.
pub fn hd95(reference: &[bool], predicted: &[bool], shape: [usize; 3], spacing: [f64; 3]) -> Score {
    match SurfaceDistances::between(reference, predicted, shape, spacing) {
        Ok(distances) => Score::Value(distances.hd95().0),
        Err(side) => Score::Empty(side),
    }
}

impl SurfaceDistances {
    /// Measures two masks: `shape` = `[nx, ny, nz]`, x fastest; `spacing` in mm along the same axes.
    ///
    /// Takes time and memory (about 20 bytes a voxel) in the bounding box of the union only.
    ///
    /// # Errors
    /// The side that has no voxel and so no surface.
    ///
    /// # Panics
    /// If a mask's length is not the product of `shape`, or a spacing is not a positive finite number.
    pub fn between(
        reference: &[bool],
        predicted: &[bool],
        shape: [usize; 3],
        spacing: [f64; 3],
    ) -> Result<SurfaceDistances, Side> {
        let n_voxels: usize = shape.iter().product();
        assert_eq!(reference.len(), n_voxels, "surface distance: the reference does not fit the shape {shape:?}");
        assert_eq!(predicted.len(), n_voxels, "surface distance: the prediction does not fit the shape {shape:?}");
        assert!(spacing.iter().all(|s| s.is_finite() && *s > 0.0), "surface distance: spacing {spacing:?}");

        let any = |mask: &[bool]| u64::from(mask.contains(&true));
        if let Some(side) = Side::empty(any(reference), any(predicted)) {
            return Err(side);
        }
        let window = Window::around(reference, predicted, shape);
        let (of_reference, of_predicted) =
            rayon::join(|| window.corner_codes(reference), || window.corner_codes(predicted));
        let areas = surfel_areas(spacing);
        let measure = |from: &[u8], to: &[u8]| {
            let surface: Vec<bool> = to.iter().map(|&code| is_surface(code)).collect();
            let distances = distance_to(&surface, window.corners(), spacing);
            elements(from, &distances, &areas)
        };
        let (reference_to_predicted, predicted_to_reference) =
            rayon::join(|| measure(&of_reference, &of_predicted), || measure(&of_predicted, &of_reference));
        Ok(SurfaceDistances { reference_to_predicted, predicted_to_reference })
    }

    /// The 95th percentile: the larger of the two directed ones.
    pub fn hd95(&self) -> Mm {
        self.robust_hausdorff(0.95)
    }

    /// The larger of the two directed percentiles at a share of the area in 0..=1; 1 is the Hausdorff distance.
    ///
    /// # Panics
    /// If `share` is outside of 0..=1.
    pub fn robust_hausdorff(&self, share: f64) -> Mm {
        assert!((0.0..=1.0).contains(&share), "surface distance: a share of the area is in 0..=1, not {share}");
        Mm(percentile(&self.reference_to_predicted, share).max(percentile(&self.predicted_to_reference, share)))
    }

    /// Area of the reference's surface in mm², its side on the edge of the grid included.
    pub fn reference_mm2(&self) -> f64 {
        area(&self.reference_to_predicted)
    }

    /// Area of the prediction's surface in mm², its side on the edge of the grid included.
    pub fn predicted_mm2(&self) -> f64 {
        area(&self.predicted_to_reference)
    }
}

/// The smallest distance within which the elements, sorted by distance, hold `share` of the area.
fn percentile(elements: &[Element], share: f64) -> f64 {
    // The definition compares with >=, and shares of exactly 95 % occur (19 of 20 equal elements): the sum's last bits
    // must not decide them. 1e-10 is beyond the rounding of a million terms and below the weight of one element.
    let enough = share * area(elements) * (1.0 - 1e-10);
    let mut held = 0.0;
    let reached = elements.iter().find(|element| {
        held += element.area;
        held >= enough
    });
    reached.or(elements.last()).map_or(0.0, |element| element.distance)
}

fn area(elements: &[Element]) -> f64 {
    elements.iter().map(|element| element.area).sum()
}

/// Mixed neighbourhoods hold surface; all-out (0) and all-in (255) do not.
fn is_surface(code: u8) -> bool {
    code != 0 && code != u8::MAX
}

/// The surface elements of the mask with these corner codes, by distance and then area: one order, one sum.
fn elements(codes: &[u8], distances: &[f64], areas: &[f64; N_CODES]) -> Vec<Element> {
    let mut elements: Vec<Element> = codes
        .iter()
        .zip(distances)
        .filter(|&(&code, _)| is_surface(code))
        .map(|(&code, &distance)| Element { distance, area: areas[usize::from(code)] })
        .collect();
    elements.par_sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.area.total_cmp(&b.area)));
    elements
}

/// The bounding box of the union of two masks, in voxels; the corners of its voxels are one more along each axis.
struct Window {
    shape: [usize; 3],
    start: [usize; 3],
    size: [usize; 3],
}

impl Window {
    /// At least one mask must have a voxel.
    fn around(reference: &[bool], predicted: &[bool], shape: [usize; 3]) -> Window {
        let [nx, ny, _] = shape;
        let (mut start, mut end) = (shape, [0; 3]);
        for (row, (r, p)) in reference.chunks_exact(nx).zip(predicted.chunks_exact(nx)).enumerate() {
            for mask in [r, p] {
                let Some(first) = mask.iter().position(|&voxel| voxel) else { continue };
                let last = mask.iter().rposition(|&voxel| voxel).unwrap_or(first);
                let (y, z) = (row % ny, row / ny);
                start = [start[0].min(first), start[1].min(y), start[2].min(z)];
                end = [end[0].max(last + 1), end[1].max(y + 1), end[2].max(z + 1)];
            }
        }
        Window { shape, start, size: std::array::from_fn(|axis| end[axis] - start[axis]) }
    }

    /// Shape of the lattice of voxel corners.
    fn corners(&self) -> [usize; 3] {
        self.size.map(|n| n + 1)
    }

    /// The neighbourhood code of every corner, x fastest; weights as in [`surfel_areas`].
    fn corner_codes(&self, mask: &[bool]) -> Vec<u8> {
        let [cx, cy, cz] = self.corners();
        let mut codes = vec![0; cx * cy * cz];
        codes.par_chunks_exact_mut(cx * cy).enumerate().for_each(|(z, plane)| {
            for (y, row) in plane.chunks_exact_mut(cx).enumerate() {
                // Corner (y, z) has voxel rows y - 1 and y of the planes z - 1 and z around it.
                for (dy, dz, weight) in [(0, 0, 8), (0, 1, 4), (1, 0, 2), (1, 1, 1)] {
                    let Some(voxels) = self.row(mask, (y + dy).checked_sub(1), (z + dz).checked_sub(1)) else {
                        continue;
                    };
                    for (x, &voxel) in voxels.iter().enumerate() {
                        let bit = u8::from(voxel) * weight;
                        row[x] |= bit; // the voxel above the corner on axis 0
                        row[x + 1] |= bit << 4; // and below the next corner
                    }
                }
            }
        });
        codes
    }

    /// One row of the mask inside the window; `None` outside.
    fn row<'a>(&self, mask: &'a [bool], y: Option<usize>, z: Option<usize>) -> Option<&'a [bool]> {
        let (y, z) = (y.filter(|&y| y < self.size[1])?, z.filter(|&z| z < self.size[2])?);
        let [nx, ny, _] = self.shape;
        let start = self.start[0] + nx * (self.start[1] + y + ny * (self.start[2] + z));
        mask.get(start..start + self.size[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_exactly_95_percent_is_reached() {
        for area in [1.0, 0.1, 1.0 / 3.0, 3.0_f64.sqrt() / 8.0] {
            for n in [20, 100, 1000] {
                let far = n / 20;
                let at = |i| Element { distance: if i < n - far { 1.0 } else { 7.0 }, area };
                let mut elements: Vec<Element> = (0..n).map(at).collect();
                assert_eq!(Mm(percentile(&elements, 0.95)), Mm(1.0), "{far} of {n} elements of {area} are far");
                elements[n - far - 1].distance = 7.0;
                assert_eq!(Mm(percentile(&elements, 0.95)), Mm(7.0), "one more of {n} is far");
            }
        }
    }

    #[test]
    fn empty_sides_have_no_surface() {
        let check = |reference: bool, predicted: bool, expected| {
            let found = SurfaceDistances::between(&[reference], &[predicted], [1; 3], [1.0; 3]);
            assert_eq!(found.err(), expected, "{reference} against {predicted}");
        };
        check(false, false, Some(Side::Both));
        check(false, true, Some(Side::Reference));
        check(true, false, Some(Side::Predicted));
        check(true, true, None);
        assert_eq!(hd95(&[], &[], [0, 3, 0], [1.0; 3]), Score::Empty(Side::Both), "a grid without voxels");
    }

    #[test]
    fn the_edge_of_the_grid_is_surface() {
        let distances = SurfaceDistances::between(&[true; 8], &[true; 8], [2; 3], [1.0; 3]);
        let area = distances.map(|distances| distances.reference_mm2());
        // A cube of side 2 with its edges and corners cut: 6 face middles of 1, 12 edges of 1/sqrt 2, 8 corners.
        let expected = 6.0 + 12.0 * 0.5_f64.sqrt() + 8.0 * 3.0_f64.sqrt() / 8.0;
        assert!(area.is_ok_and(|area| (area - expected).abs() < 1e-12), "found {area:?}, expected {expected}");
    }

    #[test]
    #[should_panic(expected = "does not fit the shape")]
    fn a_mask_of_another_grid_is_refused() {
        hd95(&[true; 8], &[true; 4], [2; 3], [1.0; 3]);
    }

    #[test]
    #[should_panic(expected = "spacing")]
    fn a_spacing_of_nothing_is_refused() {
        hd95(&[true], &[true], [1; 3], [1.0, 0.0, 1.0]);
    }
}
