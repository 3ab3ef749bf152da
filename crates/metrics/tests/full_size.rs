//! Masks of the size of a real case: 240 x 240 x 155 voxels of 1 mm.

use std::time::Instant;

use metrics::{Score, region_scores, report_table};

const SHAPE: [usize; 3] = [240, 240, 155];

/// A ball of this radius, and some voxels far from it.
fn mask(centre: [i32; 3], radius: i32, far: &[usize]) -> Vec<bool> {
    let mut mask = Vec::with_capacity(SHAPE.iter().product());
    for (z, y) in (0..155).flat_map(|z| (0..240).map(move |y| (z, y))) {
        let from_axis = (y - centre[1]).pow(2) + (z - centre[2]).pow(2);
        mask.extend((0..240).map(|x| from_axis + (x - centre[0]).pow(2) <= radius.pow(2)));
    }
    for &voxel in far {
        mask[voxel] = true;
    }
    mask
}

/// The seconds that it took: told by the tests and not judged, as the machine may be busy.
fn check(name: &str, predicted_far: &[usize]) -> f64 {
    let reference = mask([90, 120, 80], 30, &[]);
    let predicted = mask([93, 120, 80], 30, predicted_far);
    let start = Instant::now();
    let scores = region_scores(&reference, &predicted, SHAPE, [1.0; 3]);
    let seconds = start.elapsed().as_secs_f64();
    match scores.hd95 {
        Score::Value(hd95) => assert!((2.0..=3.0).contains(&hd95), "{name}: balls 3 mm apart, found {hd95}"),
        Score::Empty(side) => panic!("{name}: {side:?} is empty"),
    }
    seconds
}

#[test]
fn balls_alone() {
    eprintln!("region_scores of two balls: {:.3} s", check("two balls", &[]));
}

#[test]
fn the_union_spans_the_whole_grid() {
    let last = SHAPE.iter().product::<usize>() - 1;
    let seconds = check("voxels in opposite corners", &[0, last]);
    eprintln!("region_scores with voxels in opposite corners of the grid: {seconds:.3} s");
}

#[test]
fn the_report_table_of_a_full_case() {
    let codes: Vec<u8> = mask([90, 120, 80], 30, &[]).into_iter().map(|inside| u8::from(inside) * 2).collect();
    let start = Instant::now();
    let table = report_table(&codes, &codes);
    eprintln!("report_table: {:.3} s", start.elapsed().as_secs_f64());
    assert_eq!(table.dice_oedema, Score::Value(1.0), "a map against itself");
}
