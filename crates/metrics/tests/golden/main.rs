//! Against values that `golden/metrics.py` computed with public packages; versions stand in its head.
//!
//! Tolerance, relative: 1e-12. Counts are exact and ratios are one division. A distance is a square root of three
//! products, and an area or a sum of some thousands of areas is correct to about 1e-13 in either program.
//! No percentile in the file hangs on the last bits of a sum: the next distance would differ by far more.

mod json;

use json::Json;
use metrics::surfel_area::surfel_areas;
use metrics::{Convention, Counts, Measure, Score, SurfaceDistances, region_scores, report_table};

const TOLERANCE: f64 = 1e-12;

fn golden() -> Json {
    Json::parse(include_str!("metrics.json"))
}

fn close(what: &str, found: f64, expected: f64) {
    let bound = TOLERANCE * expected.abs();
    assert!((found - expected).abs() <= bound, "{what}: found {found:.17}, expected {expected:.17}");
}

/// A mask from run lengths that begin with false.
fn mask(runs: &Json) -> Vec<bool> {
    let runs = runs.counts();
    runs.iter().enumerate().flat_map(|(i, &length)| std::iter::repeat_n(i % 2 == 1, length)).collect()
}

/// A class map from pairs of code and length.
fn classes(pairs: &Json) -> Vec<u8> {
    let pairs = pairs.counts();
    let code = |code: usize| u8::try_from(code).unwrap_or_else(|_| panic!("not a class code: {code}"));
    pairs.chunks_exact(2).flat_map(|pair| std::iter::repeat_n(code(pair[0]), pair[1])).collect()
}

fn three<T: Copy>(values: &[T]) -> [T; 3] {
    [values[0], values[1], values[2]]
}

fn score(what: &str, found: Score, expected: Option<f64>) {
    match (found, expected) {
        (Score::Value(found), Some(expected)) => close(what, found, expected),
        (Score::Empty(_), None) => {}
        _ => panic!("{what}: found {found:?}, expected {expected:?}"),
    }
}

#[test]
fn pairs_of_random_blobs() {
    for pair in golden().get("pairs").list() {
        let what = |measure: &str| format!("{}: {measure}", pair.get("name").text());
        let (shape, spacing) = (three(&pair.get("shape").counts()), three(&pair.get("spacing").numbers()));
        let (reference, predicted) = (mask(pair.get("reference")), mask(pair.get("predicted")));

        let counts = Counts::of(&reference, &predicted);
        let expected = pair.get("counts").counts();
        let found = [counts.tp, counts.fp, counts.fn_, counts.tn];
        assert!(found.iter().zip(&expected).all(|(&f, &e)| f == e as u64), "{}", what("counts"));

        let scores = region_scores(&reference, &predicted, shape, spacing);
        score(&what("dice"), scores.dice, pair.get("dice").optional());
        score(&what("iou"), counts.iou(), pair.get("iou").optional());
        score(&what("sensitivity"), scores.sensitivity, pair.get("sensitivity").optional());
        score(&what("specificity"), scores.specificity, pair.get("specificity").optional());
        score(&what("hd95"), scores.hd95, pair.get("hausdorff").get("95").optional());
        close(&what("volume error"), scores.volume_error.0, pair.get("volume_error_ml").number());
    }
}

#[test]
fn percentiles_and_areas_of_surfaces() {
    for pair in golden().get("pairs").list() {
        let what = |measure: &str| format!("{}: {measure}", pair.get("name").text());
        let (shape, spacing) = (three(&pair.get("shape").counts()), three(&pair.get("spacing").numbers()));
        let (reference, predicted) = (mask(pair.get("reference")), mask(pair.get("predicted")));
        match SurfaceDistances::between(&reference, &predicted, shape, spacing) {
            Ok(distances) => {
                for (percent, share) in [("50", 0.5), ("95", 0.95), ("100", 1.0)] {
                    let expected = pair.get("hausdorff").get(percent).number();
                    close(&what(percent), distances.robust_hausdorff(share).0, expected);
                }
                let expected = pair.get("surface_mm2").numbers();
                close(&what("reference surface"), distances.reference_mm2(), expected[0]);
                close(&what("predicted surface"), distances.predicted_mm2(), expected[1]);
            }
            Err(side) => panic!("{}: {side:?} is empty", what("surfaces")),
        }
    }
}

#[test]
fn area_of_every_neighbourhood() {
    for table in golden().get("areas").list() {
        let spacing = three(&table.get("spacing").numbers());
        let (found, expected) = (surfel_areas(spacing), table.get("mm2").numbers());
        assert_eq!(found.len(), expected.len(), "one area a code");
        for (code, (&found, &expected)) in found.iter().zip(&expected).enumerate() {
            close(&format!("spacing {spacing:?}, code {code}"), found, expected);
        }
    }
}

#[test]
fn the_report_table() {
    for table in golden().get("tables").list() {
        let found = report_table(&classes(table.get("reference")), &classes(table.get("predicted")));
        for (name, value) in [
            ("accuracy", found.accuracy),
            ("mean_iou", found.mean_iou),
            ("dice_coefficient", found.dice_coefficient),
            ("precision", found.precision),
            ("sensitivity", found.sensitivity),
            ("specificity", found.specificity),
        ] {
            close(name, value, table.get(name).number());
        }
        let tissues = [found.dice_necrotic, found.dice_oedema, found.dice_enhancing];
        for (dice, expected) in tissues.into_iter().zip(table.get("dice_tissues").numbers()) {
            close("dice of a tissue", Convention::Brats2020.number(Measure::Dice, dice), expected);
        }
    }
}
