//! Means over cases, and the files of an evaluation.

use std::io;

use metrics::{Confusion, Convention, Mean, Measure, RegionScores, ReportTable, Score, Side};
use serde::Serialize;
use volume::write_atomically;

use super::{CASES, CaseScores, Evaluation, METRICS, OfRegion, PAGE, TABLE};
use crate::labels::Region;
use crate::staging::{OutputError, Staging};

/// The name of [`Convention::Brats2020`] in tables.
const CONVENTION: &str = "brats-2020";

/// Means of a region over the scored cases.
#[derive(Clone, Debug, Serialize)]
pub struct RegionMeans {
    /// The region.
    pub region: Region,
    /// Dice, HD95, sensitivity, specificity.
    pub measures: Vec<Mean>,
    /// Mean of predicted minus reference volume, ml; none without cases.
    pub volume_error_ml: Option<f64>,
    /// The same without signs.
    pub absolute_volume_error_ml: Option<f64>,
}

impl RegionMeans {
    /// The mean of a measure.
    pub fn of(&self, measure: Measure) -> Option<&Mean> {
        self.measures.iter().find(|mean| mean.measure == measure)
    }
}

/// A row of the report's table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableRow {
    /// The report's name of it.
    pub measure: &'static str,
    /// Mean over the cases, classes that are absent by the convention; none without cases.
    pub mean: Option<f64>,
    /// Mean over the cases where both masks have the class; of a mean over classes, where both have all four.
    pub without_empty: Option<f64>,
    /// Cases in `without_empty`.
    pub n_without_empty: usize,
    /// All voxels of all cases counted as one case, as the report's software does.
    pub pooled: Option<f64>,
}

/// How a region's scores are taken out of all.
type Pick = fn(&RegionScores) -> Score;

/// The measures of a region that are averaged.
const MEASURES: [(Measure, Pick); 4] = [
    (Measure::Dice, |s| s.dice),
    (Measure::Hd95SurfaceDistance, |s| s.hd95),
    (Measure::Sensitivity, |s| s.sensitivity),
    (Measure::Specificity, |s| s.specificity),
];

/// How a row is taken out of the report's table, by what absent classes do to it.
#[derive(Clone, Copy)]
enum PickRow {
    /// Of all voxels: nothing.
    Voxels(fn(&ReportTable) -> f64),
    /// A mean over the four classes: the convention's 1 or 0 is in it.
    Classes(fn(&ReportTable) -> f64),
    /// Of one class: there is no score.
    Class(fn(&ReportTable) -> Score),
}

impl PickRow {
    /// By the convention.
    fn number(self, table: &ReportTable) -> f64 {
        match self {
            Self::Voxels(pick) | Self::Classes(pick) => pick(table),
            Self::Class(pick) => Convention::Brats2020.number(Measure::Dice, pick(table)),
        }
    }

    /// Without the convention; none where it would stand in for an absent class.
    fn measured(self, case: &CaseScores) -> Option<f64> {
        let table = &case.report_table;
        match self {
            Self::Voxels(pick) => Some(pick(table)),
            Self::Classes(pick) => has_all_classes(&case.confusion).then(|| pick(table)),
            Self::Class(pick) => pick(table).value(),
        }
    }
}

/// Whether no class is absent from either map.
fn has_all_classes(confusion: &Confusion) -> bool {
    (0..4).map(|class| confusion.class(class)).all(|counts| counts.reference() > 0 && counts.predicted() > 0)
}

/// The report's rows, in its order.
const ROWS: [(&str, PickRow); 9] = [
    ("accuracy", PickRow::Voxels(|t| t.accuracy)),
    ("mean IoU", PickRow::Classes(|t| t.mean_iou)),
    ("Dice coefficient", PickRow::Classes(|t| t.dice_coefficient)),
    ("precision", PickRow::Voxels(|t| t.precision)),
    ("sensitivity", PickRow::Voxels(|t| t.sensitivity)),
    ("specificity", PickRow::Voxels(|t| t.specificity)),
    ("Dice, necrotic", PickRow::Class(|t| t.dice_necrotic)),
    ("Dice, oedema", PickRow::Class(|t| t.dice_oedema)),
    ("Dice, enhancing", PickRow::Class(|t| t.dice_enhancing)),
];

/// Means of each region.
pub(super) fn means(cases: &[CaseScores]) -> Vec<RegionMeans> {
    let means = |region: Region| {
        let scores: Vec<RegionScores> =
            cases.iter().flat_map(|case| &case.regions).filter(|of| of.region == region).map(|of| of.scores).collect();
        let mean = |(measure, pick): (Measure, Pick)| {
            Mean::of(measure, Convention::Brats2020, &scores.iter().map(pick).collect::<Vec<_>>())
        };
        RegionMeans {
            region,
            measures: MEASURES.map(mean).to_vec(),
            volume_error_ml: average(scores.iter().map(|s| s.volume_error.0)),
            absolute_volume_error_ml: average(scores.iter().map(|s| s.absolute_volume_error.0)),
        }
    };
    Region::ALL.map(means).to_vec()
}

/// None without numbers.
fn average(numbers: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let n = numbers.len();
    (n > 0).then(|| numbers.sum::<f64>() / n as f64)
}

/// The report's table: each row over the cases, and over all voxels.
pub(super) fn report_table(cases: &[CaseScores]) -> Vec<TableRow> {
    let pooled = cases.iter().map(|case| case.confusion).reduce(Confusion::plus).map(|all| all.table());
    let row = |(name, pick): (&'static str, PickRow)| {
        let measured: Vec<f64> = cases.iter().filter_map(|case| pick.measured(case)).collect();
        TableRow {
            measure: name,
            mean: average(cases.iter().map(|case| pick.number(&case.report_table))),
            without_empty: average(measured.iter().copied()),
            n_without_empty: measured.len(),
            pooled: pooled.map(|table| pick.number(&table)),
        }
    };
    ROWS.map(row).to_vec()
}

impl Evaluation {
    /// Writes `metrics.json`, `cases.csv`, `report_table.csv` and `report.html`, all of them or none.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn write(&self, staging: Staging) -> Result<(), OutputError> {
        let files = [
            (METRICS, self.json()),
            (CASES, self.cases_csv()),
            (TABLE, self.table_csv()),
            (PAGE, Ok(self.page().into_bytes())),
        ];
        for (name, bytes) in files {
            let written =
                bytes.and_then(|bytes| write_atomically(&staging.folder().join(name), |out| out.write_all(&bytes)));
            written.map_err(|error| staging.refused(error))?;
        }
        staging.commit()
    }

    fn json(&self) -> io::Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Empty masks count by the convention, and the column `empty` says whose was.
    fn cases_csv(&self) -> io::Result<Vec<u8>> {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record([
            "case",
            "region",
            "dice",
            "hd95_surface_distance_mm",
            "sensitivity",
            "specificity",
            "reference_ml",
            "predicted_ml",
            "volume_error_ml",
            "empty",
            "convention",
            "fault",
        ])?;
        for case in &self.cases {
            for of in &case.regions {
                table.write_record(csv_row(&case.case, of))?;
            }
        }
        for fault in &self.faults {
            let mut row = vec![String::new(); 12];
            row[0].clone_from(&fault.case);
            row[11].clone_from(&fault.sentence);
            table.write_record(row)?;
        }
        table.into_inner().map_err(|error| io::Error::other(error.to_string()))
    }

    fn table_csv(&self) -> io::Result<Vec<u8>> {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record([
            "measure",
            "mean",
            "n",
            "mean_without_empty",
            "n_without_empty",
            "pooled",
            "convention",
        ])?;
        let cell = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        for row in &self.report_table {
            table.write_record([
                row.measure.to_owned(),
                cell(row.mean),
                self.cases.len().to_string(),
                cell(row.without_empty),
                row.n_without_empty.to_string(),
                cell(row.pooled),
                CONVENTION.to_owned(),
            ])?;
        }
        table.into_inner().map_err(|error| io::Error::other(error.to_string()))
    }
}

fn csv_row(case: &str, of: &OfRegion) -> Vec<String> {
    let scores = &of.scores;
    let numbers = MEASURES.map(|(measure, pick)| Convention::Brats2020.number(measure, pick(scores)));
    let volumes = [scores.reference_ml.0, scores.predicted_ml.0, scores.volume_error.0];
    let empty = match scores.dice {
        Score::Value(_) => "",
        Score::Empty(Side::Reference) => "reference",
        Score::Empty(Side::Predicted) => "predicted",
        Score::Empty(Side::Both) => "both",
    };
    let mut row = vec![case.to_owned(), of.region.to_string()];
    row.extend(numbers.into_iter().chain(volumes).map(|number| number.to_string()));
    row.extend([empty, CONVENTION, ""].map(str::to_owned));
    row
}
