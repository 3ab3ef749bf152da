//! A score is a number, or the side that was empty; a named convention turns it into a number.

use serde::Serialize;

/// Which mask had no voxel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The expert's mask alone was empty: whatever was predicted is a false alarm.
    Reference,
    /// The predicted mask alone was empty: the region was missed.
    Predicted,
    /// Neither mask had a voxel: they agree that there is nothing.
    Both,
}

impl Side {
    /// The empty side of a pair with so many voxels; `None` if both have some.
    pub fn empty(reference: u64, predicted: u64) -> Option<Side> {
        match (reference, predicted) {
            (0, 0) => Some(Side::Both),
            (0, _) => Some(Side::Reference),
            (_, 0) => Some(Side::Predicted),
            _ => None,
        }
    }
}

/// A measure of one case: a number, or why there is none.
///
/// Serialised as `{"value": 0.83}` or `{"empty": "predicted"}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// The formula gave this finite number.
    Value(f64),
    /// A mask without voxels left the formula without meaning.
    Empty(Side),
}

/// What a score measures; its serialised name is the one that tables and files use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Dice, 0..1.
    Dice,
    /// Intersection over union, 0..1.
    Iou,
    /// 95th percentile of the surface distance in mm, by the surface-distance definition ([`crate::surface`]).
    #[serde(rename = "hd95_surface_distance_mm")]
    Hd95SurfaceDistance,
    /// Sensitivity, 0..1.
    Sensitivity,
    /// Specificity over all voxels of the grid, 0..1.
    Specificity,
}

/// The challenge whose numbers stand in for empty masks; always named beside a mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Convention {
    /// `BraTS` up to 2022.
    ///
    /// | measure | both empty | one side empty |
    /// |---|---|---|
    /// | Dice, `IoU` | 1 | 0 |
    /// | HD95 | 0 | [`Convention::hd95_penalty`], 373.1287 mm |
    /// | sensitivity | 1 | 0 (the reference: every predicted voxel is false) |
    /// | specificity, whose set is the background | 1 | 0 (the reference fills the grid, the prediction does not) |
    ///
    /// `BraTS` names Dice and HD95. Sensitivity follows the limit TP / (TP + FN + tiny) that its scoring
    /// programs compute, with 1 for agreement on nothing; specificity is the same rule applied to the background.
    #[serde(rename = "brats-2020")]
    Brats2020,
}

impl Convention {
    /// HD95 in mm where one side alone is empty: the diagonal of the `BraTS` grid, 240 x 240 x 155 voxels of 1 mm.
    pub fn hd95_penalty(self) -> f64 {
        match self {
            Convention::Brats2020 => (240.0_f64 * 240.0 + 240.0 * 240.0 + 155.0 * 155.0).sqrt(),
        }
    }

    /// The number that this convention gives a score of this measure.
    pub fn number(self, measure: Measure, score: Score) -> f64 {
        match (score, measure) {
            (Score::Value(value), _) => value,
            (Score::Empty(Side::Both), Measure::Hd95SurfaceDistance) => 0.0,
            (Score::Empty(_), Measure::Hd95SurfaceDistance) => self.hd95_penalty(),
            (Score::Empty(Side::Both), _) => 1.0,
            (Score::Empty(_), _) => 0.0,
        }
    }
}

/// The mean of one measure over cases, told with and without the cases that had an empty mask.
///
/// The two means answer different questions: leaving a missed tumour out flatters, and a convention's penalty
/// can outweigh every measured distance. So both stand here, with how many cases each holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// What was averaged.
    pub measure: Measure,
    /// What stood in for empty masks in `all`.
    pub convention: Convention,
    /// Mean over all cases, empty ones by the convention; `None` without cases.
    pub all: Option<f64>,
    /// Cases in `all`.
    pub n_all: usize,
    /// Mean over the cases whose score is a measured value; `None` if there is none.
    pub without_empty: Option<f64>,
    /// Cases in `without_empty`.
    pub n_without_empty: usize,
    /// Cases left out because the reference alone was empty.
    pub n_reference_empty: usize,
    /// Cases left out because the prediction alone was empty.
    pub n_predicted_empty: usize,
    /// Cases left out because both sides were empty.
    pub n_both_empty: usize,
}

impl Mean {
    /// Averages scores of one measure, in the order given.
    pub fn of(measure: Measure, convention: Convention, scores: &[Score]) -> Mean {
        let count = |side| scores.iter().filter(|&&score| score == Score::Empty(side)).count();
        let numbers: Vec<f64> = scores.iter().map(|&score| convention.number(measure, score)).collect();
        let values: Vec<f64> = scores.iter().filter_map(|score| score.value()).collect();
        Mean {
            measure,
            convention,
            all: average(&numbers),
            n_all: numbers.len(),
            without_empty: average(&values),
            n_without_empty: values.len(),
            n_reference_empty: count(Side::Reference),
            n_predicted_empty: count(Side::Predicted),
            n_both_empty: count(Side::Both),
        }
    }
}

impl Score {
    /// The measured value, if no mask was empty.
    pub fn value(self) -> Option<f64> {
        match self {
            Score::Value(value) => Some(value),
            Score::Empty(_) => None,
        }
    }
}

fn average(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    const ALL_SIDES: [Side; 3] = [Side::Both, Side::Reference, Side::Predicted];

    #[test]
    fn brats_2020_numbers_for_empty_masks() {
        let check = |measure, expected: [f64; 3]| {
            let number = |score| Convention::Brats2020.number(measure, score).to_bits();
            let found = ALL_SIDES.map(|side| number(Score::Empty(side)));
            assert_eq!(found, expected.map(f64::to_bits), "{measure:?}: both, reference, predicted empty");
            assert_eq!(number(Score::Value(0.25)), 0.25_f64.to_bits(), "a value stays");
        };
        let penalty = Convention::Brats2020.hd95_penalty();
        assert!((penalty - 373.1287).abs() < 5e-5, "the published number has four decimals, found {penalty}");
        check(Measure::Hd95SurfaceDistance, [0.0, penalty, penalty]);
        for measure in [Measure::Dice, Measure::Iou, Measure::Sensitivity, Measure::Specificity] {
            check(measure, [1.0, 0.0, 0.0]);
        }
    }

    #[test]
    fn means_with_and_without_empty_cases() {
        let scores = [
            Score::Value(0.5),
            Score::Value(1.0),
            Score::Empty(Side::Both),
            Score::Empty(Side::Predicted),
            Score::Empty(Side::Reference),
        ];
        let expected = Mean {
            measure: Measure::Dice,
            convention: Convention::Brats2020,
            all: Some(0.5), // (0.5 + 1 + 1 + 0 + 0) / 5
            n_all: 5,
            without_empty: Some(0.75),
            n_without_empty: 2,
            n_reference_empty: 1,
            n_predicted_empty: 1,
            n_both_empty: 1,
        };
        assert_eq!(Mean::of(Measure::Dice, Convention::Brats2020, &scores), expected, "averaged by hand");
        let none = Mean::of(Measure::Dice, Convention::Brats2020, &[]);
        assert_eq!((none.all, none.n_all, none.without_empty), (None, 0, None), "no case, no mean");
        let missed = Mean::of(Measure::Dice, Convention::Brats2020, &[Score::Empty(Side::Predicted)]);
        assert_eq!((missed.all, missed.without_empty), (Some(0.0), None), "a missed tumour counts 0 and is no value");
    }

    /// Shows a unit variant under its serialised name: `fmt::Formatter` is a serializer of plain names.
    struct Name<T>(T);

    impl<T: Serialize> fmt::Display for Name<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.serialize(f)
        }
    }

    #[test]
    fn the_output_names_the_convention_and_the_definition() {
        assert_eq!(Name(Convention::Brats2020).to_string(), "brats-2020", "in every Mean and ReportTable");
        assert_eq!(Name(Measure::Hd95SurfaceDistance).to_string(), "hd95_surface_distance_mm", "not just HD95");
        assert_eq!(Name(Measure::Dice).to_string(), "dice", "plain names elsewhere");
        assert_eq!(Name(Side::Predicted).to_string(), "predicted", "the side of an empty score");
    }
}
