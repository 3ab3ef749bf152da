//! What lies in a data set, case by case; a case that cannot be read never hides the others.

use std::path::{Path, PathBuf};

use serde::Serialize;
use volume::{Limits, Orientation, Volume};

use crate::dataset::{FoundCase, Role, find};
use crate::error::{SegmentError, sentence};
use crate::labels::LabelScheme;
use crate::report::{RegionAmount, TissueAmount, region_amounts, tissue_amounts};
use crate::source::{Digest, ReadFile, ReadFiles, path_as_text};
use crate::study::{GridDifference, Sequence, Study, grid_difference, in_order_of};

/// What was found of a case, and what its files hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseSummary {
    /// The case's name.
    pub name: String,
    /// The folder, or the file that lists the case.
    #[serde(serialize_with = "path_as_text")]
    pub place: PathBuf,
    /// The scans that are there, in the order of [`Sequence::ALL`].
    pub scans: Vec<ScanSummary>,
    /// The sequences that are not.
    pub missing: Vec<Sequence>,
    /// The expert's mask.
    pub mask: Option<MaskSummary>,
    /// Everything that is wrong, one sentence each, with what to do.
    pub problems: Vec<String>,
    /// Whether the case can be segmented.
    pub is_usable: bool,
}

/// What a scan's file holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScanSummary {
    /// Its sequence.
    pub sequence: Sequence,
    /// The file.
    #[serde(serialize_with = "path_as_text")]
    pub path: PathBuf,
    /// The hash of the file, and what is in it; nothing if it cannot be read.
    pub content: Option<ScanContent>,
}

/// The content of a readable scan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScanContent {
    /// The hash of the file.
    pub sha256: Digest,
    /// Voxels along x, y, z as stored.
    pub shape: [usize; 3],
    /// Millimetres between voxel centres along x, y, z.
    pub spacing_mm: [f64; 3],
    /// Where the stored axes point, such as LPS.
    pub orientation: String,
    /// How voxels are stored, such as int16.
    pub datatype: String,
    /// The smallest value, scaled; not a number if none is finite.
    pub min: f32,
    /// The largest value, scaled.
    pub max: f32,
    /// Oddities of the header.
    pub oddities: Vec<String>,
}

/// What a mask holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MaskSummary {
    /// The file.
    #[serde(serialize_with = "path_as_text")]
    pub path: PathBuf,
    /// What its numbers mean.
    pub scheme: Option<LabelScheme>,
    /// Millilitres of each tissue; empty if it cannot be read.
    pub tissues: Vec<TissueAmount>,
    /// Millilitres and parts of each region; empty if it cannot be read.
    pub regions: Vec<RegionAmount>,
}

/// Looks at every case under the paths, in the order of their names.
///
/// `scheme` says what masks mean whose names do not say it, and overrules those that do.
///
/// # Errors
/// Those of [`find`]: a path that does not exist, or a list that cannot be understood. What is wrong with a case
/// stands in its summary.
pub fn inspect(
    paths: &[PathBuf],
    scheme: Option<LabelScheme>,
    limits: &Limits,
) -> Result<Vec<CaseSummary>, SegmentError> {
    Ok(find(paths)?.iter().map(|found| inspect_case(found, scheme, limits)).collect())
}

/// Looks at one case.
pub fn inspect_case(found: &FoundCase, scheme: Option<LabelScheme>, limits: &Limits) -> CaseSummary {
    let mut problems: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
    let mut files = ReadFiles::of(found.scans.iter().flatten(), limits);
    let mut scans = Vec::new();
    for sequence in Sequence::ALL {
        let Some(file) = found.scan(sequence) else { continue };
        let is_gone = found.problems.iter().any(|problem| problem.explains(Role::Scan(sequence)));
        let content = match files.look(file) {
            Err(_) if is_gone => None, // said already
            Ok((read, scan)) => Some(ScanContent::of(read, scan)),
            Err(fault) => {
                problems.push(fault);
                None
            }
        };
        scans.push(ScanSummary { sequence, path: file.path.clone(), content });
    }
    problems.dedup(); // one file may hold all four
    let is_readable = scans.len() == 4 && scans.iter().all(|scan| scan.content.is_some());
    let study = match is_readable.then(|| Study::from_files(found, &mut files)).transpose() {
        Ok(study) => study,
        Err(SegmentError::Unusable { .. }) => None, // for the problems that are listed already
        Err(error) => {
            problems.push(sentence(&error));
            None
        }
    };
    let mask =
        found.seg.as_ref().map(|file| inspect_mask(&file.path, found, (scheme, limits), &mut problems, study.as_ref()));
    CaseSummary {
        name: found.name.clone(),
        place: found.place.clone(),
        missing: Sequence::ALL.into_iter().filter(|&sequence| found.scan(sequence).is_none()).collect(),
        scans,
        mask,
        problems,
        is_usable: study.is_some(),
    }
}

impl ScanContent {
    fn of(file: &ReadFile, scan: &Volume<f32>) -> Self {
        let finite = || scan.voxels().iter().copied().filter(|v| v.is_finite());
        Self {
            sha256: file.source.sha256,
            shape: scan.grid().shape(),
            spacing_mm: scan.grid().spacing(),
            orientation: Orientation::of(scan.grid().affine()).code(),
            datatype: file.datatype.to_string(),
            min: finite().reduce(f32::min).unwrap_or(f32::NAN),
            max: finite().reduce(f32::max).unwrap_or(f32::NAN),
            oddities: file.oddities.iter().map(ToString::to_string).collect(),
        }
    }
}

fn inspect_mask(
    path: &Path,
    found: &FoundCase,
    (scheme, limits): (Option<LabelScheme>, &Limits),
    problems: &mut Vec<String>,
    study: Option<&Study>,
) -> MaskSummary {
    let mut summary =
        MaskSummary { path: path.into(), scheme: scheme.or(found.scheme), tissues: vec![], regions: vec![] };
    match found.read_labels(scheme, limits) {
        Ok(labels) => {
            let labels = match study {
                Some(study) => in_order_of(labels, study.grid()),
                None => labels,
            };
            let difference = study.and_then(|study| grid_difference(study.grid(), labels.grid()));
            if let Some(GridDifference::Shape { axis, .. } | GridDifference::Place { axis, .. }) = difference {
                problems.push(SegmentError::LabelsElsewhere { case: found.name.clone(), axis }.to_string());
            }
            summary.tissues = tissue_amounts(&labels);
            summary.regions = region_amounts(&labels);
        }
        Err(SegmentError::Unusable { .. }) => {} // for the problems that are listed already
        Err(error) => problems.push(sentence(&error)),
    }
    summary
}
