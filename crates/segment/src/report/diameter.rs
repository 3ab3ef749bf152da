//! The two diameters that a reader measures on an axial slice.

/// A run of voxels of one part along x, in a volume in RAS order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The slice.
    pub(super) z: usize,
    /// The row.
    pub(super) y: usize,
    /// The first voxel.
    pub(super) first: usize,
    /// The last voxel.
    pub(super) last: usize,
}

/// The longest axial diameter of a part and the width across it in the same slice, mm, from outer edge to outer edge.
///
/// `runs` in raster order; `spacing` in mm along x and y. A gap inside a run does not matter. The width is that of the
/// convex hull (a caliper's), as RANO's bidirectional measure takes it for round lesions.
pub(super) fn axial_diameters(runs: &[Run], spacing: [f64; 2]) -> [f64; 2] {
    let mut best = [0.0; 2];
    for slice in runs.chunk_by(|a, b| a.z == b.z) {
        let corners = slice.iter().flat_map(|run| {
            let (left, right) = (run.first as f64 * spacing[0], (run.last + 1) as f64 * spacing[0]);
            let (low, high) = (run.y as f64 * spacing[1], (run.y + 1) as f64 * spacing[1]);
            [[left, low], [right, low], [left, high], [right, high]]
        });
        let found = of_hull(&hull(corners.collect()));
        if found[0] > best[0] {
            best = found;
        }
    }
    best
}

/// The largest distance between two points, and the extent across it.
fn of_hull(points: &[[f64; 2]]) -> [f64; 2] {
    let mut longest = (0.0, [0.0; 2]);
    for (n, a) in points.iter().enumerate() {
        for b in &points[n + 1..] {
            let way = [b[0] - a[0], b[1] - a[1]];
            let length = way[0].hypot(way[1]);
            if length > longest.0 {
                longest = (length, way);
            }
        }
    }
    let (length, way) = longest;
    if length <= 0.0 {
        return [0.0; 2];
    }
    let across = |point: &[f64; 2]| (point[1] * way[0] - point[0] * way[1]) / length;
    let (low, high) = points
        .iter()
        .map(across)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| (low.min(at), high.max(at)));
    [length, high - low]
}

/// The convex hull by Andrew's monotone chain (1979).
fn hull(mut points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    points.sort_unstable_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    points.dedup();
    let turns_left =
        |a: [f64; 2], b: [f64; 2], c: [f64; 2]| (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0.0;
    let chain = |points: &mut dyn Iterator<Item = [f64; 2]>| {
        let mut kept: Vec<[f64; 2]> = Vec::new();
        for point in points {
            while let [.., a, b] = kept[..]
                && !turns_left(a, b, point)
            {
                kept.pop();
            }
            kept.push(point);
        }
        kept.pop();
        kept
    };
    let mut lower = chain(&mut points.iter().copied());
    lower.extend(chain(&mut points.iter().rev().copied()));
    if lower.is_empty() { points } else { lower }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_a_square_and_a_disc() {
        let check = |runs: &[Run], expected: [f64; 2]| {
            let found = axial_diameters(runs, [1.0, 1.0]);
            assert!((0..2).all(|n| (found[n] - expected[n]).abs() < 1e-9), "{found:?} for {expected:?}");
        };
        check(&[], [0.0, 0.0]);
        let voxel = Run { z: 0, y: 3, first: 5, last: 5 };
        check(&[voxel], [2_f64.sqrt(), 2_f64.sqrt()]);
        check(&[Run { last: 8, ..voxel }], [17_f64.sqrt(), 8.0 / 17_f64.sqrt()]);
        let small = Run { z: 1, y: 3, first: 0, last: 2 };
        check(&[Run { last: 8, ..voxel }, small], [17_f64.sqrt(), 8.0 / 17_f64.sqrt()]);
    }

    #[test]
    fn a_disc_is_as_wide_as_long_and_spacing_counts() {
        let disc: Vec<Run> = (0..41_usize)
            .map(|y| {
                let half = (400.0 - (y as f64 - 20.0).powi(2)).sqrt();
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 20")]
                let half = half as usize;
                Run { z: 0, y, first: 20 - half, last: 20 + half }
            })
            .collect();
        let [long, wide] = axial_diameters(&disc, [1.0, 1.0]);
        assert!((long - 41.0).abs() < 1.0 && (wide - 41.0).abs() < 1.0, "{long} x {wide}");
        let [long, wide] = axial_diameters(&disc, [0.5, 1.0]);
        assert!((long - 41.0).abs() < 1.0 && (wide - 20.5).abs() < 1.0, "{long} x {wide}");
    }
}
