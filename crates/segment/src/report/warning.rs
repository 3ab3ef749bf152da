//! What a reader should know before trusting the numbers.

use std::fmt;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use volume::{Bounds, Volume};

use super::RegionAmount;
use crate::labels::{LabelMap, Tissue};
use crate::prepare::SPACING_TOLERANCE;
use crate::study::{Sequence, Study};

/// What a reader should know before trusting the numbers; displayed as a sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Warning {
    /// A file's header is odd but readable.
    Header {
        /// The sequence of the file.
        sequence: Sequence,
        /// What is odd.
        oddity: String,
    },
    /// The voxels are not of 1 mm, so that they were interpolated for the network.
    Resampled {
        /// Their spacing in mm, as stored.
        spacing_mm: [f64; 3],
    },
    /// A sequence has negative values.
    NegativeValues {
        /// The sequence.
        sequence: Sequence,
        /// How many voxels.
        voxels: usize,
    },
    /// The scan seems to show more than the brain.
    NotSkullStripped {
        /// The share of the box around everything that is not zero.
        filled: f64,
    },
    /// Nothing was found.
    NoTumour,
    /// Tumour without an enhancing part.
    NoEnhancing,
    /// So little enhancing tumour that it may be noise.
    LittleEnhancing {
        /// How much.
        ml: f64,
    },
    /// The tumour reaches the edge of the scan.
    CutOff,
    /// The whole tumour falls into many parts.
    ManyParts {
        /// How many.
        n_components: usize,
    },
    /// The network met numbers that its integers cannot hold.
    OutOfRange {
        /// How many.
        numbers: u64,
    },
}

/// Below this enhancing tumour may be noise: ten voxels of 1 mm³, the least that BraTS 2024 scores as a lesion.
const LITTLE_ENHANCING_ML: f64 = 0.01;

/// More parts of the whole tumour than this are unusual in the reference masks of one glioma (judgement).
const MANY_PARTS: usize = 20;

/// A stripped brain fills half of its box (an ellipsoid 52 %, four real cases 42 to 48 %); a whole head with air
/// that is not zero fills all of it.
const FULL_BOX: f64 = 0.85;

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { sequence, oddity } => write!(f, "{sequence}: {oddity}"),
            Self::Resampled { spacing_mm: [x, y, z] } => write!(
                f,
                "the voxels are {x:.2} x {y:.2} x {z:.2} mm; they were interpolated to 1 mm for the network, \
                 and the labels came back by nearest neighbour"
            ),
            Self::NegativeValues { sequence, voxels } => {
                write!(f, "{sequence} has {voxels} voxels below zero; they were taken as zero")
            }
            Self::NotSkullStripped { filled } => write!(
                f,
                "{:.0} % of the scan's box is not zero, so it seems not to be skull-stripped; \
                 the network has only seen brains without skull",
                filled * 100.0
            ),
            Self::NoTumour => f.write_str("no tumour was found"),
            Self::NoEnhancing => f.write_str("no enhancing tumour was found"),
            Self::LittleEnhancing { ml } => {
                write!(f, "only {ml:.3} ml of enhancing tumour were found; so little may be noise")
            }
            Self::CutOff => f.write_str("the tumour reaches the edge of the scan and may go on beyond it"),
            Self::ManyParts { n_components } => {
                write!(f, "the tumour falls into {n_components} parts, which is unusual; look at the overview")
            }
            Self::OutOfRange { numbers } => write!(
                f,
                "{numbers} numbers in the network were larger than its 16-bit integers hold, so this case is unlike those \
                 that they were calibrated on; compare with --precision f32"
            ),
        }
    }
}

/// A warning with its sentence, as it stands in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The warning.
    #[serde(flatten)]
    pub warning: Warning,
    /// Its sentence.
    pub sentence: String,
}

impl From<Warning> for Said {
    fn from(warning: Warning) -> Self {
        Self { sentence: warning.to_string(), warning }
    }
}

/// What is odd about the scans.
pub fn of_study(study: &Study) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (sequence, oddity) in study.oddities() {
        warnings.push(Warning::Header { sequence: *sequence, oddity: oddity.to_string() });
    }
    let spacing_mm = study.grid().spacing();
    if spacing_mm.iter().any(|spacing| (spacing - 1.0).abs() > SPACING_TOLERANCE) {
        warnings.push(Warning::Resampled { spacing_mm });
    }
    let negative = |sequence: Sequence| study.scan(sequence).voxels().iter().filter(|&&v| v < 0.0).count();
    let counts: Vec<usize> = Sequence::ALL.into_par_iter().map(negative).collect();
    for (sequence, voxels) in Sequence::ALL.into_iter().zip(counts) {
        if voxels > 0 {
            warnings.push(Warning::NegativeValues { sequence, voxels });
        }
    }
    let filled = filled(study.scan(Sequence::T1n));
    if filled > FULL_BOX {
        warnings.push(Warning::NotSkullStripped { filled });
    }
    warnings
}

/// What is odd about the labels.
pub fn of_labels(labels: &LabelMap, regions: &[RegionAmount]) -> Vec<Warning> {
    let [wt, _, et] = regions else { return vec![] };
    if wt.voxels == 0 {
        return vec![Warning::NoTumour];
    }
    let mut warnings = Vec::new();
    if et.voxels == 0 {
        warnings.push(Warning::NoEnhancing);
    } else if et.ml < LITTLE_ENHANCING_ML {
        warnings.push(Warning::LittleEnhancing { ml: et.ml });
    }
    let shape = labels.grid().shape();
    let touches = |bounds: Bounds| (0..3).any(|axis| bounds.start[axis] == 0 || bounds.end[axis] == shape[axis]);
    if Bounds::of(labels, |tissue| tissue != Tissue::Background).is_some_and(touches) {
        warnings.push(Warning::CutOff);
    }
    if wt.n_components > MANY_PARTS {
        warnings.push(Warning::ManyParts { n_components: wt.n_components });
    }
    warnings
}

/// The share of the box around all positive voxels that is positive.
fn filled(scan: &Volume<f32>) -> f64 {
    let Some(bounds) = Bounds::of(scan, |v| v > 0.0) else { return 0.0 };
    let positive = scan.voxels().iter().filter(|&&v| v > 0.0).count();
    positive as f64 / bounds.shape().iter().product::<usize>() as f64
}
