//! The table of the original report: ten numbers over all voxels and the four classes of a segmentation.
//!
//! Classes are codes: 0 background, 1 necrotic core, 2 oedema, 3 enhancing tumour. With `N` voxels:
//!
//! - *accuracy*: voxels whose class is right / `N`.
//! - *precision, sensitivity, specificity*: micro-averaged. Each map is written as four one-hot masks, the `4 N`
//!   yes/no answers are pooled into one TP, FP, FN, TN, and the usual ratios are taken of those.
//!   A map has exactly one class per voxel, so TP + FP = TP + FN = `N`: precision, sensitivity and accuracy are then
//!   the same number, and specificity is 1 - (1 - accuracy) / 3. The report's three differ in the third decimal because
//!   its software thresholds each softmax output at one half, and a voxel where no class reaches that is a miss
//!   without a false alarm. All four are ruled by background.
//! - *mean `IoU`* and *Dice coefficient*: unweighted means of the four per-class values, background included, without
//!   smoothing. The mean is always over four: a class absent from both maps counts 1 (they agree, and it is the
//!   limit of the smoothed formula), a class absent from one counts 0. Software that leaves absent
//!   classes out of the mean gives other numbers for such maps, and the same for all others.
//! - *Dice of necrotic core, oedema, enhancing tumour*: per class, [`Score::Empty`] where a map lacks the class.
//!
//! The report's own Dice coefficient is taken of probabilities with smoothing, batch by batch, so it may
//! lie below the mean of its parts; ours cannot.

use serde::Serialize;

use crate::overlap::Counts;
use crate::score::{Convention, Measure, Score};

const N_CLASSES: usize = 4;

/// How often each class was predicted where each class was right: integer counts that add up over cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// `cells[reference][predicted]`; at least one voxel in all.
    cells: [[u64; N_CLASSES]; N_CLASSES],
}

/// The report's table; definitions at the head of this module. Every number lies in 0..1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReportTable {
    /// What stands in for absent classes in the two means over classes.
    pub convention: Convention,
    /// Voxels that the table is made of.
    pub n_voxels: u64,
    /// Share of voxels with the right class.
    pub accuracy: f64,
    /// Mean intersection over union of the four classes.
    pub mean_iou: f64,
    /// Mean unsmoothed Dice of the four classes.
    pub dice_coefficient: f64,
    /// Micro-averaged over voxels and one-hot classes.
    pub precision: f64,
    /// Micro-averaged over voxels and one-hot classes.
    pub sensitivity: f64,
    /// Micro-averaged over voxels and one-hot classes.
    pub specificity: f64,
    /// Dice of class 1.
    pub dice_necrotic: Score,
    /// Dice of class 2.
    pub dice_oedema: Score,
    /// Dice of class 3.
    pub dice_enhancing: Score,
}

/// The report's table of one case. `reference`, `predicted`: class codes 0..=3 on one grid.
///
/// # Panics
/// As [`Confusion::of`].
pub fn report_table(reference: &[u8], predicted: &[u8]) -> ReportTable {
    Confusion::of(reference, predicted).table()
}

impl Confusion {
    /// Counts two class maps of the same grid.
    ///
    /// # Panics
    /// If the maps differ in length, have no voxel, or hold a code above 3.
    pub fn of(reference: &[u8], predicted: &[u8]) -> Confusion {
        assert_eq!(reference.len(), predicted.len(), "report table: the maps differ in length");
        assert!(!reference.is_empty(), "report table: the maps have no voxel");
        let mut cells = [[0; N_CLASSES]; N_CLASSES];
        let mut seen = 0;
        for (&r, &p) in reference.iter().zip(predicted) {
            seen |= r | p; // checked once below; the masks keep the index inside meanwhile
            cells[usize::from(r & 3)][usize::from(p & 3)] += 1;
        }
        assert!(seen <= 3, "report table: a class code is above 3");
        Confusion { cells }
    }

    /// The counts of both: pooling cases, as the report's software does over a data set.
    #[must_use]
    pub fn plus(mut self, other: Confusion) -> Confusion {
        for (cell, more) in self.cells.as_flattened_mut().iter_mut().zip(other.cells.as_flattened()) {
            *cell += more;
        }
        self
    }

    /// Voxels counted.
    pub fn n_voxels(&self) -> u64 {
        self.cells.as_flattened().iter().sum()
    }

    /// One class against the other three.
    ///
    /// # Panics
    /// If `class` is above 3.
    pub fn class(&self, class: usize) -> Counts {
        let tp = self.cells[class][class];
        let fn_ = self.cells[class].iter().sum::<u64>() - tp;
        let fp = self.cells.iter().map(|row| row[class]).sum::<u64>() - tp;
        Counts { tp, fp, fn_, tn: self.n_voxels() - tp - fp - fn_ }
    }

    /// The four one-hot masks counted together: `4 N` answers.
    pub fn pooled(&self) -> Counts {
        let classes: [Counts; N_CLASSES] = std::array::from_fn(|class| self.class(class));
        Counts {
            tp: classes.iter().map(|counts| counts.tp).sum(),
            fp: classes.iter().map(|counts| counts.fp).sum(),
            fn_: classes.iter().map(|counts| counts.fn_).sum(),
            tn: classes.iter().map(|counts| counts.tn).sum(),
        }
    }

    /// The ten numbers of the report.
    pub fn table(&self) -> ReportTable {
        let convention = Convention::Brats2020;
        let classes: [Counts; N_CLASSES] = std::array::from_fn(|class| self.class(class));
        let mean = |measure, score: fn(Counts) -> Score| {
            classes.iter().map(|&counts| convention.number(measure, score(counts))).sum::<f64>() / N_CLASSES as f64
        };
        let pooled = self.pooled();
        let (n_voxels, right) = (self.n_voxels(), pooled.tp);
        let share = |part: u64, whole: u64| part as f64 / whole as f64; // no whole is 0: there is at least one voxel
        ReportTable {
            convention,
            n_voxels,
            accuracy: share(right, n_voxels),
            mean_iou: mean(Measure::Iou, Counts::iou),
            dice_coefficient: mean(Measure::Dice, Counts::dice),
            precision: share(pooled.tp, pooled.predicted()),
            sensitivity: share(pooled.tp, pooled.reference()),
            specificity: share(pooled.tn, pooled.tn + pooled.fp),
            dice_necrotic: classes[1].dice(),
            dice_oedema: classes[2].dice(),
            dice_enhancing: classes[3].dice(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Side;

    fn close(found: f64, expected: f64) {
        // A handful of roundings of numbers up to 1: 1e-15 is four of them.
        assert!((found - expected).abs() < 1e-15, "found {found}, expected {expected}");
    }

    #[test]
    fn a_table_counted_by_hand() {
        let table = report_table(&[0, 0, 0, 0, 1, 1, 2, 2, 2, 3], &[0, 0, 0, 2, 1, 2, 2, 2, 0, 3]);
        // background 3 of 4 and 4, necrotic 1 of 2 and 1, oedema 2 of 3 and 4, enhancing 1 of 1 and 1
        assert_eq!((table.n_voxels, table.convention), (10, Convention::Brats2020), "what it is made of");
        close(table.accuracy, 0.7);
        close(table.mean_iou, (3.0 / 5.0 + 1.0 / 2.0 + 2.0 / 5.0 + 1.0) / 4.0);
        close(table.dice_coefficient, (6.0 / 8.0 + 2.0 / 3.0 + 4.0 / 7.0 + 1.0) / 4.0);
        close(table.precision, 0.7);
        close(table.sensitivity, 0.7);
        close(table.specificity, 27.0 / 30.0);
        assert_eq!(table.dice_necrotic, Score::Value(2.0 / 3.0), "1 shared of 2 and 1");
        assert_eq!(table.dice_oedema, Score::Value(4.0 / 7.0), "2 shared of 3 and 4");
        assert_eq!(table.dice_enhancing, Score::Value(1.0), "1 shared of 1 and 1");
    }

    #[test]
    fn absent_classes_count_as_the_head_of_the_module_says() {
        let healthy = report_table(&[0, 0], &[0, 0]);
        assert_eq!((healthy.mean_iou, healthy.dice_coefficient), (1.0, 1.0), "three classes absent from both: 1 each");
        assert_eq!(healthy.dice_enhancing, Score::Empty(Side::Both), "the row itself stays empty");
        let missed = report_table(&[0, 3], &[0, 0]);
        close(missed.dice_coefficient, (2.0 / 3.0 + 1.0 + 1.0 + 0.0) / 4.0);
        close(missed.mean_iou, (0.5 + 1.0 + 1.0 + 0.0) / 4.0);
        assert_eq!(missed.dice_enhancing, Score::Empty(Side::Predicted), "a miss is told apart from agreement");
    }

    #[test]
    fn micro_averages_of_hard_labels_follow_accuracy() {
        let reference: Vec<u8> = (0..=255).map(|i: u8| i / 3 % 4).collect();
        let predicted: Vec<u8> = (0..=255).map(|i: u8| (i / 3 + u8::from(i.is_multiple_of(9))) % 4).collect();
        let table = report_table(&reference, &predicted);
        assert_eq!((table.precision, table.sensitivity), (table.accuracy, table.accuracy), "TP + FP = TP + FN = N");
        close(table.specificity, 1.0 - (1.0 - table.accuracy) / 3.0);
    }

    #[test]
    fn pooling_cases_is_counting_them_as_one() {
        let (a, b) = (Confusion::of(&[0, 1, 2], &[0, 1, 3]), Confusion::of(&[3, 3], &[3, 0]));
        assert_eq!(a.plus(b), Confusion::of(&[0, 1, 2, 3, 3], &[0, 1, 3, 3, 0]), "order of cases does not matter");
    }

    #[test]
    #[should_panic(expected = "above 3")]
    fn a_stored_label_4_is_not_a_class_code() {
        report_table(&[0, 4], &[0, 3]);
    }

    #[test]
    #[should_panic(expected = "no voxel")]
    fn a_table_of_nothing_is_refused() {
        report_table(&[], &[]);
    }
}
