//! Eleven pairs of masks whose numbers were worked out with the public packages.
//!
//! Grid 24^3; the expected values have six decimals, so the tolerance is half of the last one.
//! HD95 and HD100 are those of the surface-distance definition.

use std::f64::consts::SQRT_2;

use metrics::{Counts, Score, SurfaceDistances, hd95};

const N: usize = 24;

/// A mask from a condition on the voxel index along axes 0, 1, 2.
fn mask(inside: impl Fn([usize; 3]) -> bool) -> Vec<bool> {
    (0..N * N * N).map(|at| inside([at % N, at / N % N, at / (N * N)])).collect()
}

/// Half-open box.
fn cuboid(start: [usize; 3], end: [usize; 3]) -> Vec<bool> {
    mask(|p| (0..3).all(|axis| (start[axis]..end[axis]).contains(&p[axis])))
}

fn cube() -> Vec<bool> {
    cuboid([5; 3], [15; 3])
}

fn ellipsoid(centre: [f64; 3], radii: [f64; 3]) -> Vec<bool> {
    mask(|p| (0..3).map(|axis| ((p[axis] as f64 - centre[axis]) / radii[axis]).powi(2)).sum::<f64>() <= 1.0)
}

fn with(mut mask: Vec<bool>, more: &[bool]) -> Vec<bool> {
    for (voxel, &more) in mask.iter_mut().zip(more) {
        *voxel |= more;
    }
    mask
}

fn line(end: usize) -> Vec<bool> {
    cuboid([2, 12, 12], [end, 13, 13])
}

/// `expected`: Dice, `IoU`, HD100, HD95.
fn check(name: &str, reference: &[bool], predicted: &[bool], spacing: [f64; 3], expected: [f64; 4]) {
    let counts = Counts::of(reference, predicted);
    let distances = match SurfaceDistances::between(reference, predicted, [N; 3], spacing) {
        Ok(distances) => distances,
        Err(side) => panic!("{name}: {side:?} is empty"),
    };
    // The table gives an overlap of nothing as 0, which needs no convention: both masks have voxels.
    let number = |score: Score| score.value().unwrap_or(f64::NAN);
    let found = [
        number(counts.dice()),
        number(counts.iou()),
        distances.robust_hausdorff(1.0).0,
        number(hd95(reference, predicted, [N; 3], spacing)),
    ];
    for (measure, (found, expected)) in ["Dice", "IoU", "HD100", "HD95"].iter().zip(found.iter().zip(expected)) {
        assert!((found - expected).abs() <= 5e-7, "case {name}, {measure}: found {found}, expected {expected}");
    }
}

const UNIT: [f64; 3] = [1.0; 3];

#[test]
fn cubes() {
    let shifted = cuboid([7, 5, 5], [17, 15, 15]);
    check("A", &cube(), &shifted, UNIT, [0.8, 0.666_667, 2.0, 2.0]);
    check("D", &cube(), &shifted, [2.0, 1.0, 1.0], [0.8, 0.666_667, 4.0, 4.0]);
    check("C", &cube(), &cuboid([6; 3], [14; 3]), UNIT, [0.677_249, 0.512, 3_f64.sqrt(), SQRT_2]);
    let (at_corner, larger) = (cuboid([0; 3], [6; 3]), cuboid([0; 3], [8; 3]));
    check("K", &at_corner, &larger, UNIT, [0.593_407, 0.421_875, 3.464_102, 2.449_49]);
}

#[test]
fn far_parts_near_the_five_percent_limit() {
    let voxel = with(cube(), &cuboid([20; 3], [21; 3]));
    check("B", &cube(), &voxel, UNIT, [0.9995, 0.999_001, 10.392_305, 0.0]);
    let plate = with(cube(), &cuboid([5, 5, 20], [15, 15, 21]));
    check("F", &cube(), &plate, UNIT, [0.952_381, 0.909_091, 6.0, 6.0]);
    let small_plate = with(cube(), &cuboid([5, 5, 20], [11, 11, 21]));
    check("G", &cube(), &small_plate, UNIT, [0.982_318, 0.965_251, 6.0, 6.0]);
}

#[test]
fn single_voxels_and_lines() {
    let voxel = |at: [usize; 3]| cuboid(at, at.map(|i| i + 1));
    check("E", &voxel([5, 5, 5]), &voxel([8, 9, 5]), UNIT, [0.0, 0.0, 5.0, 5.0]);
    check("J", &line(22), &line(12), UNIT, [0.666_667, 0.5, 10.0, 9.0]);
}

#[test]
fn balls() {
    let ball = |centre: [f64; 3], radius: f64| ellipsoid(centre, [radius; 3]);
    let (small, large) = (ball([8.0; 3], 5.0), ball([12.0, 11.0, 10.0], 7.0));
    check("I", &small, &large, UNIT, [0.315_408, 0.187_231, 7.549_834, 6.480_741]);
    let egg = ellipsoid([13.0, 12.0, 12.0], [8.0, 6.0, 9.0]);
    check("H", &ball([12.0; 3], 8.0), &egg, UNIT, [0.819_959, 0.694_856, 2.236_068, 2.0]);
}
