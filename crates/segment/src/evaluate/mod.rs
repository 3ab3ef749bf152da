//! Predicted masks against those of experts: scores of each case and region, means, and the report's table.

mod masks;
mod page;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::{Confusion, Convention, RegionScores, ReportTable, region_scores};
use rayon::prelude::*;
use serde::Serialize;
use volume::Limits;

use crate::error::{Axis, SegmentError, sentence};
use crate::labels::{LabelMap, LabelScheme, Region, Tissue, read_labels};
use crate::report::NOTICE;
use crate::source::{Digest, path_as_text, paths_as_text};
use crate::study::{GridDifference, grid_difference, in_order_of};
use crate::train::Flow;
use masks::{Hidden, Mask, Masks};

pub use tables::{RegionMeans, TableRow};

/// Everything in JSON.
pub const METRICS: &str = "metrics.json";
/// A row for each case and region.
pub const CASES: &str = "cases.csv";
/// The report's table.
pub const TABLE: &str = "report_table.csv";
/// The same for people.
pub const PAGE: &str = "report.html";

/// The version of the JSON's form; raised when a field changes its meaning or goes.
pub const VERSION: u32 = 1;

/// How HD95 is defined here.
const HD95: &str = "surface-distance: the larger of the two directed distances in mm below which 95 % of the \
                    surface's area lies (google-deepmind/surface-distance, compute_robust_hausdorff 95)";

/// What masks mean whose names and reports do not say it, and instead of what they say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schemes {
    /// Of the reference.
    pub reference: Option<LabelScheme>,
    /// Of the predictions.
    pub predicted: Option<LabelScheme>,
}

/// All scores of a set of predictions.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// [`VERSION`].
    pub version: u32,
    /// Not a medical device.
    pub notice: &'static str,
    /// What stands in for the scores of empty masks in means.
    pub convention: Convention,
    /// How HD95 is defined.
    pub hd95: &'static str,
    /// Means over the scored cases, by region.
    pub means: Vec<RegionMeans>,
    /// The report's table over the scored cases.
    pub report_table: Vec<TableRow>,
    /// The scored cases by name.
    pub cases: Vec<CaseScores>,
    /// The cases without scores.
    pub faults: Vec<Fault>,
    /// Masks among the predictions that belong to no reference case.
    #[serde(serialize_with = "paths_as_text")]
    pub unmatched: Vec<PathBuf>,
    /// What of the predictions could not be read and may hide some, a sentence each, beside what the faults say.
    pub unread: Vec<String>,
}

/// The scores of a case.
#[derive(Clone, Debug, Serialize)]
pub struct CaseScores {
    /// Its name.
    pub case: String,
    /// The expert's mask.
    pub reference: Compared,
    /// The predicted mask.
    pub predicted: Compared,
    /// WT, TC, ET.
    pub regions: Vec<OfRegion>,
    /// The report's table of this case.
    pub report_table: ReportTable,
    #[serde(skip)]
    confusion: Confusion,
}

/// A mask that was compared.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// Its file.
    #[serde(serialize_with = "path_as_text")]
    pub path: PathBuf,
    /// The hash of the file.
    pub sha256: Digest,
    /// What its numbers mean.
    pub label_scheme: LabelScheme,
}

/// The scores of a region of a case.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct OfRegion {
    /// The region.
    pub region: Region,
    /// Its scores.
    #[serde(flatten)]
    pub scores: RegionScores,
}

/// A case that has no scores.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    /// Its name.
    pub case: String,
    /// Why.
    #[serde(flatten)]
    pub cause: FaultCause,
    /// The same as a sentence.
    pub sentence: String,
}

/// Why a case has no scores.
#[derive(Clone, Debug, PartialEq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum FaultCause {
    /// No mask of this case among the predictions.
    #[error("no prediction; put it at {case}/labels.nii.gz or {case}.nii.gz in the folder of the predictions")]
    NoPrediction {
        /// The case, as a file is to be named.
        case: String,
    },
    /// Several masks of one case.
    #[error("{} masks are of this case ({}); keep one", files.len(), list(files))]
    Ambiguous {
        /// The masks.
        #[serde(serialize_with = "paths_as_text")]
        files: Vec<PathBuf>,
    },
    /// A mask whose numbers may mean several things.
    #[error("{}: nothing says what its numbers mean; say it with {flag} brats2020, brats2023 or msd", path.display())]
    SchemeUnknown {
        /// The mask.
        #[serde(serialize_with = "path_as_text")]
        path: PathBuf,
        /// The flag that says it.
        flag: &'static str,
    },
    /// Reference and prediction have other numbers of voxels.
    #[error(
        "the grids differ: {reference} voxels along {axis} in the reference, {predicted} in the prediction {}; \
         resample it onto the reference's grid with nearest neighbours, or find the mask that belongs to it",
        file.display()
    )]
    ShapeMismatch {
        /// The first voxel axis on which they differ.
        axis: Axis,
        /// Voxels of the reference.
        reference: usize,
        /// Voxels of the prediction.
        predicted: usize,
        /// The prediction.
        #[serde(serialize_with = "path_as_text")]
        file: PathBuf,
    },
    /// Reference and prediction lie at different places.
    #[error(
        "the grids differ: the prediction {} lies {mm:.2} mm away along the world's {axis} axis; \
         resample it onto the reference's grid with nearest neighbours, or find the mask that belongs to it",
        file.display()
    )]
    GridMismatch {
        /// The world axis of the largest difference.
        axis: Axis,
        /// The largest difference between corners along it.
        mm: f64,
        /// The prediction.
        #[serde(serialize_with = "path_as_text")]
        file: PathBuf,
    },
    /// A mask cannot be read.
    #[error("{reason}")]
    Unreadable {
        /// Where and why.
        reason: String,
    },
}

fn list(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Why nothing can be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The reference cannot be searched.
    #[error(transparent)]
    Reference(#[from] SegmentError),
    /// No mask to compare with.
    #[error("{}: no reference mask found; a reference is named like the scans, with seg", path.display())]
    NoReference {
        /// The folder.
        path: PathBuf,
    },
    /// The predictions are no folder.
    #[error("{}: this is no folder; give the folder of the predicted masks to --pred", path.display())]
    NoFolder {
        /// What was given.
        path: PathBuf,
    },
    /// The caller said stop.
    #[error("stopped on request; nothing was written")]
    Stopped,
}

/// Scores every case of `reference` that has a mask against the mask of that name in `predicted`, several at a time.
///
/// A case that cannot be scored becomes a [`Fault`] and never hides the others. `tell` hears how many cases are done of
/// how many, and may stop the work.
///
/// # Errors
/// As [`EvaluateError`] says.
pub fn evaluate(
    reference: &Path,
    predicted: &Path,
    schemes: Schemes,
    tell: &(dyn Fn(usize, usize) -> Flow + Sync),
) -> Result<Evaluation, EvaluateError> {
    if !predicted.is_dir() {
        return Err(EvaluateError::NoFolder { path: predicted.to_owned() });
    }
    let (references, hidden) = masks::references(reference)?;
    if references.is_empty() && hidden.is_empty() {
        return Err(EvaluateError::NoReference { path: reference.to_owned() });
    }
    let (predictions, lost) = masks::predictions(predicted);
    let done = AtomicUsize::new(0);
    let outcomes: Option<Vec<Result<CaseScores, Fault>>> = references
        .par_iter()
        .map(|(case, own)| {
            if tell(done.load(Ordering::Relaxed), references.len()) == Flow::Stop {
                return None;
            }
            let outcome = score(case, own, (&predictions, &lost), schemes);
            let n = done.fetch_add(1, Ordering::Relaxed) + 1;
            (tell(n, references.len()) == Flow::Continue).then_some(outcome)
        })
        .collect();
    let outcomes = outcomes.ok_or(EvaluateError::Stopped)?;
    let (mut cases, mut faults) = (Vec::new(), Vec::new());
    for (case, problem) in hidden {
        let cause = FaultCause::Unreadable { reason: problem.to_string() };
        faults.push(Fault { case, sentence: cause.to_string(), cause });
    }
    for outcome in outcomes {
        match outcome {
            Ok(scores) => cases.push(scores),
            Err(fault) => faults.push(fault),
        }
    }
    let is_a_fault = |case: &String| references.contains_key(case) && !predictions.contains_key(case);
    let unread = lost.iter().filter(|(case, _)| !is_a_fault(case));
    let strange = predictions.iter().filter(|(case, _)| !references.contains_key(*case));
    Ok(Evaluation {
        version: VERSION,
        notice: NOTICE,
        convention: Convention::Brats2020,
        hd95: HD95,
        means: tables::means(&cases),
        report_table: tables::report_table(&cases),
        unmatched: strange.flat_map(|(_, masks)| masks.iter().map(|mask| mask.path.clone())).collect(),
        unread: unread.map(|(_, problem)| problem.to_string()).collect(),
        cases,
        faults,
    })
}

fn score(
    case: &str,
    own: &[Mask],
    (predictions, lost): (&Masks, &Hidden),
    schemes: Schemes,
) -> Result<CaseScores, Fault> {
    let fault = |cause: FaultCause| Fault { case: case.to_owned(), sentence: cause.to_string(), cause };
    let none = || match lost.iter().find(|(of, _)| of == case) {
        Some((_, problem)) => FaultCause::Unreadable { reason: problem.to_string() },
        None => FaultCause::NoPrediction { case: case.to_owned() },
    };
    let predicted = predictions.get(case).ok_or_else(|| fault(none()))?;
    let open = |masks, scheme, flag| open(masks, scheme, flag).map_err(fault);
    let (expert, reference) = open(own, schemes.reference, "--scheme")?;
    let (found, predicted) = open(predicted, schemes.predicted, "--pred-scheme")?;
    let found = in_order_of(found, expert.grid());
    let file = || predicted.path.clone();
    match grid_difference(expert.grid(), found.grid()) {
        None => {}
        Some(GridDifference::Shape { axis, first, second }) => {
            return Err(fault(FaultCause::ShapeMismatch { axis, reference: first, predicted: second, file: file() }));
        }
        Some(GridDifference::Place { axis, difference }) => {
            return Err(fault(FaultCause::GridMismatch { axis, mm: difference.0, file: file() }));
        }
    }
    let (shape, spacing) = (expert.grid().shape(), expert.grid().spacing());
    let [expert, found] = [expert, found].map(|labels| labels.map(Tissue::code).into_parts().1);
    let of_region = |region: Region| OfRegion {
        region,
        scores: region_scores(&region.mask(&expert), &region.mask(&found), shape, spacing),
    };
    let confusion = Confusion::of(&expert, &found);
    Ok(CaseScores {
        case: case.to_owned(),
        reference,
        predicted,
        regions: Region::ALL.map(of_region).to_vec(),
        report_table: confusion.table(),
        confusion,
    })
}

/// Reads the one mask of a case.
fn open(masks: &[Mask], scheme: Option<LabelScheme>, flag: &'static str) -> Result<(LabelMap, Compared), FaultCause> {
    let [mask] = masks else {
        return Err(FaultCause::Ambiguous { files: masks.iter().map(|mask| mask.path.clone()).collect() });
    };
    let unknown = || FaultCause::SchemeUnknown { path: mask.path.clone(), flag };
    let label_scheme = scheme.or(mask.scheme).ok_or_else(unknown)?;
    let read = read_labels(&mask.path, label_scheme, &Limits::default());
    let (labels, _, source) = read.map_err(|error| FaultCause::Unreadable { reason: sentence(&error) })?;
    Ok((labels, Compared { path: source.path, sha256: source.sha256, label_scheme }))
}
