//! What must hold for any pair of masks, and the surface distance against a twin that searches every pair of corners.

use metrics::{Counts, Score, Side, SurfaceDistances, hd95, region_scores};
use proptest::prelude::*;
use volume::Ml;

#[derive(Clone, Debug)]
struct Pair {
    shape: [usize; 3],
    spacing: [f64; 3],
    reference: Vec<bool>,
    predicted: Vec<bool>,
}

/// Masks of up to 6 x 6 x 6 voxels, from empty to full.
fn pairs() -> impl Strategy<Value = Pair> {
    let mask = |n| (0.0..=1.0_f64).prop_flat_map(move |share| prop::collection::vec(prop::bool::weighted(share), n));
    (prop::array::uniform3(1..7_usize), prop::array::uniform3(0.3..4.0_f64)).prop_flat_map(move |(shape, spacing)| {
        let n = shape.iter().product::<usize>();
        (mask(n), mask(n)).prop_map(move |(reference, predicted)| Pair { shape, spacing, reference, predicted })
    })
}

/// The same voxels, with axis `axis` of the result taken from axis `order[axis]`.
fn permuted(mask: &[bool], shape: [usize; 3], order: [usize; 3]) -> Vec<bool> {
    let to = order.map(|axis| shape[axis]);
    (0..mask.len())
        .map(|at| {
            let index = [at % to[0], at / to[0] % to[1], at / (to[0] * to[1])];
            let mut from = [0; 3];
            for axis in 0..3 {
                from[order[axis]] = index[axis];
            }
            mask[from[0] + shape[0] * (from[1] + shape[1] * from[2])]
        })
        .collect()
}

/// Corners with some but not all of their eight voxels in the mask, in mm; no crop, no transform.
fn surface_points(mask: &[bool], shape: [usize; 3], spacing: [f64; 3]) -> Vec<[f64; 3]> {
    let voxel = |at: [usize; 3]| {
        (0..3).all(|a| (1..=shape[a]).contains(&at[a])) && {
            mask[at[0] - 1 + shape[0] * (at[1] - 1 + shape[1] * (at[2] - 1))]
        }
    };
    let mut points = Vec::new();
    let [nx, ny, nz] = shape;
    for (x, y, z) in (0..=nx).flat_map(|x| (0..=ny).flat_map(move |y| (0..=nz).map(move |z| (x, y, z)))) {
        let n_inside = (0..8).filter(|w| voxel([x + w / 4, y + w / 2 % 2, z + w % 2])).count();
        if n_inside != 0 && n_inside != 8 {
            points.push([x as f64 * spacing[0], y as f64 * spacing[1], z as f64 * spacing[2]]);
        }
    }
    points
}

/// The Hausdorff distance by search.
fn naive_hausdorff(from: &[[f64; 3]], to: &[[f64; 3]]) -> f64 {
    let nearest = |p: &[f64; 3]| {
        let to_p = |q: &[f64; 3]| (0..3).map(|a| (p[a] - q[a]).powi(2)).sum::<f64>().sqrt();
        to.iter().map(to_p).fold(f64::INFINITY, f64::min)
    };
    from.iter().map(nearest).fold(0.0, f64::max)
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-12 * expected.max(1.0)
}

/// The other side's name.
fn turned(score: Score) -> Score {
    match score {
        Score::Empty(Side::Reference) => Score::Empty(Side::Predicted),
        Score::Empty(Side::Predicted) => Score::Empty(Side::Reference),
        Score::Value(_) | Score::Empty(Side::Both) => score,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exchanging_the_sides_changes_nothing_symmetric(pair in pairs()) {
        let Pair { shape, spacing, reference, predicted } = pair;
        let (there, back) = (Counts::of(&reference, &predicted), Counts::of(&predicted, &reference));
        prop_assert_eq!(there.dice(), turned(back.dice()));
        prop_assert_eq!(there.iou(), turned(back.iou()));
        prop_assert_eq!(there.sensitivity(), turned(back.precision()));
        let (forth, home) = (hd95(&reference, &predicted, shape, spacing), hd95(&predicted, &reference, shape, spacing));
        prop_assert_eq!(forth, turned(home));
    }

    #[test]
    fn ratios_lie_between_0_and_1_and_dice_above_iou(pair in pairs()) {
        let counts = Counts::of(&pair.reference, &pair.predicted);
        prop_assert_eq!(counts.tp + counts.fp + counts.fn_ + counts.tn, pair.reference.len() as u64);
        let scores = [counts.dice(), counts.iou(), counts.sensitivity(), counts.specificity(), counts.precision()];
        for value in scores.iter().filter_map(|score| score.value()) {
            prop_assert!((0.0..=1.0).contains(&value), "{}", value);
        }
        if let (Score::Value(dice), Score::Value(iou)) = (counts.dice(), counts.iou()) {
            prop_assert!(close(dice, 2.0 * iou / (1.0 + iou)), "{} {}", dice, iou);
        }
    }

    #[test]
    fn a_mask_is_no_distance_from_itself(pair in pairs()) {
        let scores = region_scores(&pair.reference, &pair.reference, pair.shape, pair.spacing);
        if pair.reference.contains(&true) {
            prop_assert_eq!(scores.dice, Score::Value(1.0));
            prop_assert_eq!(scores.hd95, Score::Value(0.0));
        } else {
            prop_assert_eq!((scores.dice, scores.hd95), (Score::Empty(Side::Both), Score::Empty(Side::Both)));
        }
        prop_assert_eq!(scores.absolute_volume_error, Ml(0.0));
    }

    #[test]
    fn the_order_of_axes_does_not_matter(pair in pairs(), order in Just([0, 1, 2]).prop_shuffle()) {
        let Pair { shape, spacing, reference, predicted } = pair;
        let turn = |mask: &[bool]| permuted(mask, shape, order);
        let (to, apart) = (order.map(|axis| shape[axis]), order.map(|axis| spacing[axis]));
        let before = SurfaceDistances::between(&reference, &predicted, shape, spacing);
        let after = SurfaceDistances::between(&turn(&reference), &turn(&predicted), to, apart);
        match (before, after) {
            (Ok(before), Ok(after)) => for share in [0.5, 0.95, 1.0] {
                let (before, after) = (before.robust_hausdorff(share).0, after.robust_hausdorff(share).0);
                prop_assert!(close(after, before), "{} {}", before, after);
            },
            (before, after) => prop_assert_eq!(before.err(), after.err()),
        }
    }

    #[test]
    fn the_largest_distance_is_the_one_found_by_search(pair in pairs()) {
        let Pair { shape, spacing, reference, predicted } = pair;
        if let Ok(distances) = SurfaceDistances::between(&reference, &predicted, shape, spacing) {
            let [a, b] = [&reference, &predicted].map(|mask| surface_points(mask, shape, spacing));
            let expected = naive_hausdorff(&a, &b).max(naive_hausdorff(&b, &a));
            prop_assert!(close(distances.robust_hausdorff(1.0).0, expected), "{}", expected);
            prop_assert!(distances.hd95() <= distances.robust_hausdorff(1.0), "a percentile is no more than the whole");
        }
    }

    #[test]
    fn air_around_the_masks_moves_nothing_but_specificity(pair in pairs(), before in 0..3_usize, after in 0..3_usize) {
        let Pair { shape, spacing, reference, predicted } = pair;
        let wide = shape.map(|n| n + before + after);
        let pad = |mask: &[bool]| {
            let mut padded = vec![false; wide.iter().product()];
            for (at, &voxel) in mask.iter().enumerate() {
                let [x, y, z] = [at % shape[0], at / shape[0] % shape[1], at / (shape[0] * shape[1])];
                padded[x + before + wide[0] * (y + before + wide[1] * (z + before))] = voxel;
            }
            padded
        };
        let tight = region_scores(&reference, &predicted, shape, spacing);
        let loose = region_scores(&pad(&reference), &pad(&predicted), wide, spacing);
        prop_assert_eq!((loose.dice, loose.hd95, loose.sensitivity), (tight.dice, tight.hd95, tight.sensitivity));
        prop_assert_eq!(loose.volume_error, tight.volume_error);
    }
}
