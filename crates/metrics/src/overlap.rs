//! How many voxels two masks share, and the ratios made of those counts.

use serde::Serialize;

use crate::score::{Score, Side};

/// Voxels by membership in the reference and in the predicted mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// In both masks.
    pub tp: u64,
    /// Predicted only.
    pub fp: u64,
    /// In the reference only.
    #[serde(rename = "fn")]
    pub fn_: u64,
    /// In neither.
    pub tn: u64,
}

impl Counts {
    /// Counts two masks of the same grid.
    ///
    /// # Panics
    /// If the masks differ in length.
    pub fn of(reference: &[bool], predicted: &[bool]) -> Counts {
        assert_eq!(reference.len(), predicted.len(), "overlap: the masks differ in length");
        let (mut tp, mut in_reference, mut in_predicted) = (0, 0, 0);
        for (&r, &p) in reference.iter().zip(predicted) {
            tp += u64::from(r & p);
            in_reference += u64::from(r);
            in_predicted += u64::from(p);
        }
        let (fp, fn_) = (in_predicted - tp, in_reference - tp);
        Counts { tp, fp, fn_, tn: reference.len() as u64 - tp - fp - fn_ }
    }

    /// Voxels of the reference mask.
    pub fn reference(self) -> u64 {
        self.tp + self.fn_
    }

    /// Voxels of the predicted mask.
    pub fn predicted(self) -> u64 {
        self.tp + self.fp
    }

    /// Dice: 2 TP / (2 TP + FP + FN). Empty if either mask is.
    pub fn dice(self) -> Score {
        overlap(self, 2 * self.tp, self.reference() + self.predicted())
    }

    /// Intersection over union (Jaccard): TP / (TP + FP + FN). Empty if either mask is.
    pub fn iou(self) -> Score {
        overlap(self, self.tp, self.tp + self.fp + self.fn_)
    }

    /// Sensitivity (recall): TP / (TP + FN). Empty if the reference is; a predicted mask without voxels scores 0.
    pub fn sensitivity(self) -> Score {
        share(self.tp, self.reference(), Side::Reference, self.predicted())
    }

    /// Specificity: TN / (TN + FP), over all voxels handed in, air around the head included.
    ///
    /// The set in question is the background: `Empty(Reference)` says that the reference fills the whole grid.
    pub fn specificity(self) -> Score {
        share(self.tn, self.tn + self.fp, Side::Reference, self.tn + self.fn_)
    }

    /// Precision: TP / (TP + FP). Empty if the predicted mask is; a reference without voxels scores 0.
    pub fn precision(self) -> Score {
        share(self.tp, self.predicted(), Side::Predicted, self.reference())
    }
}

fn overlap(counts: Counts, part: u64, whole: u64) -> Score {
    match Side::empty(counts.reference(), counts.predicted()) {
        Some(side) => Score::Empty(side),
        None => Score::Value(part as f64 / whole as f64),
    }
}

/// `part / whole`, where `whole` are the voxels of `side` and `other` those of the opposite side.
fn share(part: u64, whole: u64, side: Side, other: u64) -> Score {
    match (whole, other) {
        (0, 0) => Score::Empty(Side::Both),
        (0, _) => Score::Empty(side),
        _ => Score::Value(part as f64 / whole as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(reference: &str, predicted: &str) -> Counts {
        let bits = |text: &str| text.bytes().map(|byte| byte == b'1').collect::<Vec<_>>();
        Counts::of(&bits(reference), &bits(predicted))
    }

    #[test]
    fn counts_and_ratios_of_a_small_pair() {
        let counts = masks("1110000000", "0111100000");
        assert_eq!(counts, Counts { tp: 2, fp: 2, fn_: 1, tn: 5 }, "counted by hand");
        assert_eq!(counts.dice(), Score::Value(4.0 / 7.0), "2 TP / (3 + 4)");
        assert_eq!(counts.iou(), Score::Value(2.0 / 5.0), "TP / union");
        assert_eq!(counts.sensitivity(), Score::Value(2.0 / 3.0), "TP / reference");
        assert_eq!(counts.specificity(), Score::Value(5.0 / 7.0), "TN / reference background");
        assert_eq!(counts.precision(), Score::Value(0.5), "TP / predicted");
    }

    #[test]
    fn empty_masks_are_named_not_numbered() {
        // columns: reference, predicted, then dice and iou, sensitivity, specificity, precision
        let check = |reference, predicted, expected: [Score; 4]| {
            let counts = masks(reference, predicted);
            let found = [counts.dice(), counts.sensitivity(), counts.specificity(), counts.precision()];
            assert_eq!(found, expected, "{reference} against {predicted}");
            assert_eq!(matches!(counts.iou(), Score::Empty(_)), matches!(counts.dice(), Score::Empty(_)), "as Dice");
        };
        let (v, e) = (Score::Value, Score::Empty);
        check("000", "000", [e(Side::Both), e(Side::Both), v(1.0), e(Side::Both)]);
        check("000", "100", [e(Side::Reference), e(Side::Reference), v(2.0 / 3.0), v(0.0)]);
        check("100", "000", [e(Side::Predicted), v(0.0), v(1.0), e(Side::Predicted)]);
        check("111", "111", [v(1.0), v(1.0), e(Side::Both), v(1.0)]);
        check("111", "110", [v(0.8), v(2.0 / 3.0), e(Side::Reference), v(1.0)]);
        check("110", "111", [v(0.8), v(1.0), v(0.0), v(2.0 / 3.0)]);
    }

    #[test]
    #[should_panic(expected = "differ in length")]
    fn masks_of_two_grids_are_refused() {
        Counts::of(&[true], &[true, false]);
    }
}
