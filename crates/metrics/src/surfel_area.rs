//! Area of the piece of surface inside one 2 x 2 x 2 neighbourhood of voxels.
//!
//! The surface is the one that marching cubes (Lorensen and Cline, 1987) draws between the eight voxel centres of a
//! neighbourhood: its corners lie in the middle of the cube's edges that join a voxel inside the mask to one outside.
//! Nothing is tabulated here; each of the 256 neighbourhoods is worked out from three rules:
//!
//! 1. on each face of the cube, the middles of crossing edges are joined; where all four edges cross, the two corners
//!    of the rarer kind in the whole cube (the inside ones at four of each) are cut off one by one;
//! 2. the joins close to polygons, of three to six corners;
//! 3. a polygon is cut into the triangles of the largest total area at unit spacing. Where several cuts share that
//!    area they lie in one plane, so the choice cannot matter at any spacing.
//!
//! Found to give, at any spacing and to the last bits of an f64, the areas of the public surface-distance package
//! (the golden tests hold two spacings); its definition of HD95 weighs with them.

use std::sync::LazyLock;

/// Number of neighbourhoods: eight voxels, in or out.
pub const N_CODES: usize = 256;

/// A point of the cube in half voxels: voxel centres at 0 and 2, middles of edges at 1.
type HalfPoint = [i32; 3];

/// Cross product of two triangle edges in half voxels: eight times the area vector in voxels.
type Cross = [i32; 3];

static TRIANGLES: LazyLock<[Vec<Cross>; N_CODES]> = LazyLock::new(|| {
    std::array::from_fn(|code| contours(code).iter().flat_map(|loop_| cut(loop_, 0, loop_.len() - 1).1).collect())
});

/// Surface area in mm² of each neighbourhood code, for a spacing in mm along axes 0, 1, 2.
///
/// The voxel at offset `(i, j, k)` of the neighbourhood, each 0 or 1, weighs `128 >> (4 i + 2 j + k)` in the code.
pub fn surfel_areas(spacing: [f64; 3]) -> [f64; N_CODES] {
    let [s0, s1, s2] = spacing;
    std::array::from_fn(|code| {
        TRIANGLES[code].iter().map(|&triangle| length(triangle, [s1 * s2, s0 * s2, s0 * s1]) / 8.0).sum()
    })
}

/// The closed polygons of a neighbourhood (rules 1 and 2).
fn contours(code: usize) -> Vec<Vec<HalfPoint>> {
    let mut joins: Vec<[HalfPoint; 2]> = faces().iter().flat_map(|face| face_joins(code, face)).collect();
    let mut polygons = Vec::new();
    while let Some([start, mut end]) = joins.pop() {
        let mut polygon = vec![start];
        while end != start {
            polygon.push(end);
            // Every crossing edge lies on two faces, so exactly one join goes on from here.
            let Some(next) = joins.iter().position(|join| join.contains(&end)) else { break };
            let [a, b] = joins.swap_remove(next);
            end = if a == end { b } else { a };
        }
        polygons.push(polygon);
    }
    polygons
}

/// The joins on one face, whose four corners are given in turn.
fn face_joins(code: usize, face: &[HalfPoint; 4]) -> Vec<[HalfPoint; 2]> {
    let inside = face.map(|corner| is_inside(code, corner));
    let middle = |side: usize| -> HalfPoint {
        let (a, b) = (face[side % 4], face[(side + 1) % 4]);
        std::array::from_fn(|axis| i32::midpoint(a[axis], b[axis]))
    };
    let crossing: Vec<usize> = (0..4).filter(|&side| inside[side] != inside[(side + 1) % 4]).collect();
    match crossing[..] {
        [] => Vec::new(),
        [one, other] => vec![[middle(one), middle(other)]],
        _ => {
            let rarer = code.count_ones() <= 4; // is "inside" the rarer kind?
            (0..4).filter(|&at| inside[at] == rarer).map(|at| [middle(at + 3), middle(at)]).collect()
        }
    }
}

fn is_inside(code: usize, corner: HalfPoint) -> bool {
    let [i, j, k] = corner; // 0 or 2 each
    code & (128 >> (2 * i + j + k / 2)) != 0
}

/// The six faces of the cube, the corners of each in turn.
fn faces() -> [[HalfPoint; 4]; 6] {
    std::array::from_fn(|face| {
        let (axis, level) = (face / 2, if face % 2 == 0 { 0 } else { 2 });
        [[0, 0], [0, 2], [2, 2], [2, 0]].map(|[a, b]| {
            let mut corner = [level; 3];
            corner[(axis + 1) % 3] = a;
            corner[(axis + 2) % 3] = b;
            corner
        })
    })
}

/// Cuts the polygon's part `first..=last` into triangles (rule 3): their total area in eighths, and each one.
fn cut(polygon: &[HalfPoint], first: usize, last: usize) -> (f64, Vec<Cross>) {
    let mut best = (0.0, Vec::new());
    for apex in first + 1..last {
        let (left, right) = (cut(polygon, first, apex), cut(polygon, apex, last));
        let own = cross(polygon[first], polygon[apex], polygon[last]);
        let area = left.0 + right.0 + length(own, [1.0; 3]);
        if area > best.0 + 1e-9 {
            best = (area, [left.1, right.1, vec![own]].concat());
        }
    }
    best
}

fn cross(a: HalfPoint, b: HalfPoint, c: HalfPoint) -> Cross {
    let u: HalfPoint = std::array::from_fn(|axis| b[axis] - a[axis]);
    let v: HalfPoint = std::array::from_fn(|axis| c[axis] - a[axis]);
    std::array::from_fn(|axis| {
        let (p, q) = ((axis + 1) % 3, (axis + 2) % 3);
        u[p] * v[q] - u[q] * v[p]
    })
}

fn length(vector: Cross, scale: [f64; 3]) -> f64 {
    let [a, b, c] = std::array::from_fn(|axis| f64::from(vector[axis]) * scale[axis]);
    (a * a + b * b + c * c).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dozen products and sums of positive numbers: 1e-14 relative is generous.
    fn check(spacing: [f64; 3], code: usize, expected: f64) {
        let found = surfel_areas(spacing)[code];
        assert!((found - expected).abs() <= 1e-14 * expected, "code {code}: found {found}, expected {expected}");
    }

    #[test]
    fn areas_known_from_geometry() {
        check([1.0; 3], 0, 0.0);
        check([1.0; 3], 255, 0.0);
        check([1.0; 3], 1, 3.0_f64.sqrt() / 8.0); // one corner: a triangle of side 1/sqrt 2
        check([1.0; 3], 3, 0.5_f64.sqrt()); // an edge along axis 2: a slanted rectangle
        check([1.0; 3], 15, 1.0); // half of the cube along axis 0: a square
        check([2.0, 3.0, 5.0], 15, 15.0); // which is spacing 1 times spacing 2
        check([2.0, 3.0, 5.0], 0b0011_0011, 10.0); // half along axis 1
        check([2.0, 3.0, 5.0], 0b0101_0101, 6.0); // half along axis 2
        check([1.0; 3], 0b0110_1001, 3.0_f64.sqrt() / 2.0); // four corners of a tetrahedron: four triangles
    }

    #[test]
    fn turning_a_mask_inside_out_keeps_its_surface() {
        let areas = surfel_areas([0.7, 1.9, 3.1]);
        for (code, (area, complement)) in areas.iter().zip(areas.iter().rev()).enumerate() {
            let difference = (area - complement).abs();
            assert!(difference <= 1e-14 * area, "code {code} and its complement differ by {difference}");
        }
        assert!(areas[1..255].iter().all(|&area| area > 0.0), "every mixed neighbourhood has a surface");
    }

    #[test]
    fn exchanging_two_axes_exchanges_their_areas() {
        let (areas, turned) = (surfel_areas([0.7, 1.9, 3.1]), surfel_areas([3.1, 1.9, 0.7]));
        for (code, area) in areas.iter().enumerate() {
            let swap = |bit: usize| bit & 2 | bit << 2 & 4 | bit >> 2 & 1; // offset (i, j, k) to (k, j, i)
            let other = (0..8).filter(|&bit| code & 128 >> bit != 0).fold(0, |sum, bit| sum | 128 >> swap(bit));
            let difference = (area - turned[other]).abs();
            assert!(difference <= 1e-14 * area, "code {code} and {other} differ by {difference}");
        }
    }
}
