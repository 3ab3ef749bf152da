//! What can go wrong between files and labels; each sentence says where, what, and what to do next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use volume::nifti::NiftiError;
use volume::{Mm, VoxelIndex};

use crate::dataset::Problem;
use crate::labels::LabelScheme;
use crate::study::Sequence;

/// An axis of a grid (x, y, z as stored) or of the world (to the right, to the front, upwards).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// First voxel axis; the world's left to right.
    X,
    /// Second voxel axis; the world's back to front.
    Y,
    /// Third voxel axis; the world's bottom to top.
    Z,
}

impl Axis {
    /// All three, in order.
    pub const ALL: [Self; 3] = [Self::X, Self::Y, Self::Z];

    /// 0, 1 or 2.
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(["x", "y", "z"][self.index()])
    }
}

/// A scan as a sentence names it: its sequence and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanName {
    /// The sequence that it is given for.
    pub sequence: Sequence,
    /// Its file.
    pub path: PathBuf,
}

impl ScanName {
    /// The scan of `sequence` in the file at `path`.
    pub fn new(sequence: Sequence, path: &Path) -> Self {
        Self { sequence, path: path.into() }
    }
}

impl fmt::Display for ScanName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.sequence, self.path.display())
    }
}

/// Why a study, a data set, a mask or a split cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// A file or folder cannot be opened, read or written.
    #[error("{}: cannot be read or written; check its name, and that you may", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is larger than the limits.
    #[error("{}: {bytes} bytes are more than the limit of {limit}; is it an MR scan at all?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// A file is not a whole, readable `NIfTI` file.
    #[error("{}: {fault}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: Box<NiftiError>,
    },
    /// A 4-D file where one volume is expected.
    #[error("{}: holds {n_volumes} volumes where one is expected; give each sequence as its own 3-D file", path.display())]
    SeveralVolumes {
        /// The file.
        path: PathBuf,
        /// How many it holds.
        n_volumes: usize,
    },
    /// A 4-D file without the volume that its data set promises.
    #[error("{}: volume {index} is promised, the file holds {n_volumes}; download the data set again", path.display())]
    VolumeMissing {
        /// The file.
        path: PathBuf,
        /// The volume, counted from 0.
        index: usize,
        /// How many it holds.
        n_volumes: usize,
    },
    /// Nothing that could be a case.
    #[error(
        "{}: no case found; a case is a folder of four NIfTI files whose names carry the sequence \
         (t1n or t1, t1c or t1ce, t2w or t2, t2f or flair), or a row of a CSV manifest",
        path.display()
    )]
    NoCase {
        /// The file or folder that was searched.
        path: PathBuf,
    },
    /// More than one case where one is asked for.
    #[error("{}: holds {} cases ({}); name one of them or give its own folder", path.display(), names.len(), list(names))]
    SeveralCases {
        /// The folder.
        path: PathBuf,
        /// The cases in it.
        names: Vec<String>,
    },
    /// A case with problems that keep it from being read.
    #[error("case {case} cannot be used: {}", list(problems))]
    Unusable {
        /// The case.
        case: String,
        /// What is wrong with it, each with what to do.
        problems: Vec<Problem>,
    },
    /// Two scans of a study with different numbers of voxels.
    #[error(
        "{} and {} are on different grids: {} and {} voxels along {axis}; register them and resample both onto one grid",
        scans[0], scans[1], lengths[0], lengths[1]
    )]
    ShapeMismatch {
        /// The two scans.
        scans: Box<[ScanName; 2]>,
        /// The first voxel axis on which they differ.
        axis: Axis,
        /// Voxels along it.
        lengths: [usize; 2],
    },
    /// Two scans of a study that lie at different places.
    #[error(
        "{} and {} are on different grids: they lie {:.2} mm apart along the world's {axis} axis; \
         register them and resample both onto one grid",
        scans[0], scans[1], difference.0
    )]
    GridMismatch {
        /// The two scans.
        scans: Box<[ScanName; 2]>,
        /// The world axis of the largest difference.
        axis: Axis,
        /// The largest difference between corners along it.
        difference: Mm,
    },
    /// NaN or infinity in a scan.
    #[error(
        "{scan}: {n_voxels} voxels are not finite numbers, the first at ({}, {}, {}); export the scan again",
        at.0[0], at.0[1], at.0[2]
    )]
    NotFinite {
        /// The scan.
        scan: ScanName,
        /// How many.
        n_voxels: usize,
        /// The first of them, in stored order.
        at: VoxelIndex,
    },
    /// A scan without a positive voxel.
    #[error("{scan}: no voxel is above zero, so the file holds no picture; export the scan again")]
    NoSignal {
        /// The scan.
        scan: ScanName,
    },
    /// Labels where intensities are expected.
    #[error("{scan}: this is a mask, not a scan (only the whole numbers 0 to 4); give the scan of this sequence")]
    MaskGivenAsScan {
        /// The scan.
        scan: ScanName,
    },
    /// One picture for two sequences.
    #[error("{} and {} are the same picture; give the right file for each sequence", scans[0], scans[1])]
    SameScanTwice {
        /// The two scans.
        scans: Box<[ScanName; 2]>,
    },
    /// Intensities where labels are expected.
    #[error(
        "{}: this is a scan, not a mask (value {value} at ({}, {}, {})); give the file with the labels",
        path.display(), at.0[0], at.0[1], at.0[2]
    )]
    ScanGivenAsMask {
        /// The file.
        path: PathBuf,
        /// The voxel.
        at: VoxelIndex,
        /// What it holds.
        value: f32,
    },
    /// A number that the label scheme does not have.
    #[error(
        "{}: {code} at ({}, {}, {}) is no label of the scheme {scheme}; choose another with --scheme \
         (for predictions --pred-scheme), or correct the mask",
        path.display(), at.0[0], at.0[1], at.0[2]
    )]
    UnknownLabel {
        /// The mask.
        path: PathBuf,
        /// The voxel.
        at: VoxelIndex,
        /// What it holds.
        code: f32,
        /// The scheme that was expected.
        scheme: LabelScheme,
    },
    /// A scan without a difference between its voxels.
    #[error("{scan}: every voxel above zero has the same value, so the file holds no picture; export the scan again")]
    NoContrast {
        /// The scan.
        scan: ScanName,
    },
    /// A mask whose scheme neither its name nor the user says.
    #[error(
        "{}: the name does not say what its numbers mean; say it with --scheme brats2020 (4 is enhancing tumour), \
         brats2023 (3 is enhancing, 1 necrotic) or msd (3 is enhancing, 1 oedema)",
        path.display()
    )]
    SchemeUnknown {
        /// The mask.
        path: PathBuf,
    },
    /// A case without a mask where one is needed.
    #[error("case {case} has no mask; training and evaluation need one (name it like the scans, with seg)")]
    NoMask {
        /// The case.
        case: String,
    },
    /// Labels on another grid than the study.
    #[error(
        "the labels of case {case} are not on the grid of its scans (they differ along {axis}); \
         resample them with nearest neighbours, or find the mask that belongs to these scans"
    )]
    LabelsElsewhere {
        /// The case.
        case: String,
        /// The axis on which they differ.
        axis: Axis,
    },
    /// Codes that do not fill the prepared grid, or are no tissue codes.
    #[error("{found} label codes were given for a prepared case of {expected} voxels, or one is above 3")]
    WrongCodes {
        /// Voxels of the prepared case.
        expected: usize,
        /// Codes given.
        found: usize,
    },
    /// A grid that cannot be made.
    #[error("the scans' grid cannot be worked on; crop them to the head, or check the voxel size in their headers")]
    Grid(#[from] volume::VolumeError),
    /// A manifest that cannot be understood.
    #[error("{}, line {line}: {fault}", path.display())]
    Manifest {
        /// The CSV file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong there.
        fault: ManifestFault,
    },
    /// A `dataset.json` or split file that is not the JSON it should be.
    #[error("{}: this is not {wanted}; correct it, or leave it out", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// A split that would let a patient be trained on and judged on, or cannot be made.
    #[error("the split cannot be used: {0}")]
    Split(#[from] crate::split::SplitFault),
}

/// What is wrong in a line of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestFault {
    /// A column is missing.
    #[error("the column {0} is missing; the columns are case,t1n,t1c,t2w,t2f and, if there are masks, seg and scheme")]
    ColumnMissing(&'static str),
    /// A column nobody knows.
    #[error("the column {0} is unknown; the columns are case,t1n,t1c,t2w,t2f and, if there are masks, seg and scheme")]
    ColumnUnknown(String),
    /// A column that is there twice.
    #[error("the column {0} is there twice; keep one of them")]
    ColumnTwice(String),
    /// A row without a case name.
    #[error("the row has no case name; fill the column case")]
    NoName,
    /// A case name that cannot be the name of a file, such as `../case`.
    #[error(
        "{0:?} cannot be a case's name, since files are named after it; leave out slashes, dots at the start and line breaks"
    )]
    NameOfNoFile(String),
    /// A scheme nobody knows.
    #[error("the scheme {0} is unknown; write brats2020, brats2023 or msd")]
    SchemeUnknown(String),
    /// A row that is not CSV, or has another number of fields than the first.
    #[error("the row is not CSV with as many fields as the first row has; save the list as CSV with commas, in UTF-8")]
    NotCsv,
}

fn list(items: &[impl fmt::Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// An error and all its causes as one sentence, for tables that show many cases at once.
pub fn sentence(error: &(dyn std::error::Error + 'static)) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        sentence.push_str(": ");
        sentence.push_str(&source.to_string());
        cause = source.source();
    }
    sentence
}
