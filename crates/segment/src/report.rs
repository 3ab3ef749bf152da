//! What a reader gets beside the labels: millilitres, parts, hashes, times, warnings.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use volume::{Bounds, Connectivity, Grid, Orientation, Volume, components, crop, write_atomically};

use crate::error::SegmentError;
use crate::labels::{LabelMap, LabelScheme, Region, Tissue};
use crate::study::{Digest, Sequence, Study};

/// The version of the report's form; raised when a field changes its meaning or goes.
pub const VERSION: u32 = 1;

/// What every report says first.
pub const NOTICE: &str = "Research use only, not a medical device.";

/// The most parts of a region that are listed one by one.
const LISTED_PARTS: usize = 50;

/// Everything that is said about one segmentation. Numbers are of the source grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// [`NOTICE`].
    pub notice: String,
    /// The case's name.
    pub case: String,
    /// What the numbers in the mask mean.
    pub label_scheme: LabelScheme,
    /// Necrotic core, oedema, enhancing tumour.
    pub tissues: Vec<TissueAmount>,
    /// WT, TC, ET.
    pub regions: Vec<RegionAmount>,
    /// The files that were read, by sequence; no names, for those may be a person's.
    pub inputs: Vec<Input>,
    /// The network that was used.
    pub model: ModelUsed,
    /// How long each stage took.
    pub seconds: Vec<StageTime>,
    /// What the reader should know before trusting the numbers.
    pub warnings: Vec<Said>,
}

/// How much there is of a tissue.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TissueAmount {
    /// The tissue.
    pub tissue: Tissue,
    /// Its voxels on the source grid.
    pub voxels: usize,
    /// Their volume in millilitres.
    pub ml: f64,
}

/// How much there is of a region, and in which parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegionAmount {
    /// The region.
    pub region: Region,
    /// Its voxels on the source grid.
    pub voxels: usize,
    /// Their volume in millilitres.
    pub ml: f64,
    /// The number of parts that touch at no face, edge or corner.
    pub n_components: usize,
    /// The parts, largest first; the first fifty.
    pub components: Vec<Part>,
}

/// A part of a region: 26-connected voxels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its voxels.
    pub voxels: usize,
    /// Their volume in millilitres.
    pub ml: f64,
    /// The mean of its voxel centres in the world, mm to the right, to the front, upwards.
    pub centroid_mm: [f64; 3],
    /// The size of its box along the grid's axes in RAS order, mm, outer face to outer face.
    pub extent_mm: [f64; 3],
}

/// A scan that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its sequence.
    pub sequence: Sequence,
    /// The hash of the file.
    pub sha256: Digest,
}

/// The network that was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelUsed {
    /// Its name.
    pub name: String,
    /// The hash of its file.
    pub sha256: Digest,
}

/// A stage of the way of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Files to a study.
    Read,
    /// The study to a tensor.
    Prepare,
    /// The tensor through the network.
    Network,
    /// The network's output to labels on the source grid.
    Decode,
    /// Labels and pictures to files.
    Write,
}

/// How long a stage took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    /// The stage.
    pub stage: Stage,
    /// Wall-clock seconds.
    pub seconds: f64,
}

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
}

/// Below this enhancing tumour may be noise: ten voxels of 1 mm³, the least that BraTS 2024 scores as a lesion.
const LITTLE_ENHANCING_ML: f64 = 0.01;

/// More parts of the whole tumour than this are unusual in the reference masks of one glioma (judgement).
const MANY_PARTS: usize = 20;

/// A stripped brain fills half of its box (an ellipsoid 52 %, the cases of BraTS 45 to 60 %); a whole head with air
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

impl Report {
    /// The report on the labels of a study, both on the source grid.
    ///
    /// Cost: one reordering of the labels, and components inside the tumour's box.
    pub fn new(
        study: &Study,
        labels: &LabelMap,
        label_scheme: LabelScheme,
        model: ModelUsed,
        seconds: Vec<StageTime>,
    ) -> Self {
        let tissues = tissue_amounts(labels);
        let regions = region_amounts(labels);
        let mut warnings = of_study(study);
        warnings.extend(of_labels(labels, &regions));
        let inputs = Sequence::ALL.map(|sequence| Input { sequence, sha256: study.source(sequence).sha256 });
        Self {
            version: VERSION,
            notice: NOTICE.to_owned(),
            case: study.name().to_owned(),
            label_scheme,
            tissues,
            regions,
            inputs: inputs.to_vec(),
            model,
            seconds,
            warnings: warnings.into_iter().map(Said::from).collect(),
        }
    }

    /// The amount of a region.
    pub fn region(&self, region: Region) -> Option<&RegionAmount> {
        self.regions.iter().find(|amount| amount.region == region)
    }

    /// Writes the report as JSON, whole or not at all.
    ///
    /// # Errors
    /// [`SegmentError::Json`] or [`SegmentError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), SegmentError> {
        let mut text =
            serde_json::to_vec_pretty(self).map_err(|source| SegmentError::Json { path: path.into(), source })?;
        text.push(b'\n');
        write_atomically(path, |out| out.write_all(&text))
            .map_err(|source| SegmentError::Io { path: path.into(), source })
    }
}

/// Millilitres of each tumour tissue.
pub fn tissue_amounts(labels: &LabelMap) -> Vec<TissueAmount> {
    let mut counts = [0_usize; 4];
    for tissue in labels.voxels() {
        counts[usize::from(tissue.code())] += 1;
    }
    let amount = |tissue: Tissue| {
        let voxels = counts[usize::from(tissue.code())];
        TissueAmount { tissue, voxels, ml: millilitres(labels.grid(), voxels) }
    };
    Tissue::TUMOUR.map(amount).to_vec()
}

/// Millilitres and parts of each region.
pub fn region_amounts(labels: &LabelMap) -> Vec<RegionAmount> {
    let amount = |region, parts: Vec<Part>| {
        let voxels = parts.iter().map(|part| part.voxels).sum();
        let ml = millilitres(labels.grid(), voxels);
        let components = parts.iter().copied().take(LISTED_PARTS).collect();
        RegionAmount { region, voxels, ml, n_components: parts.len(), components }
    };
    let Some(bounds) = Bounds::of(labels, |tissue| tissue != Tissue::Background) else {
        return Region::ALL.map(|region| amount(region, vec![])).to_vec();
    };
    let tumour = crop(labels, bounds);
    let tumour = Orientation::of(tumour.grid().affine()).to_ras(&tumour);
    Region::ALL.map(|region| amount(region, parts_of(&tumour, region))).to_vec()
}

/// The parts of a region, largest first; equal ones in raster order. `tumour` is in RAS order.
fn parts_of(tumour: &LabelMap, region: Region) -> Vec<Part> {
    let shape = tumour.grid().shape();
    let mask: Vec<bool> = tumour.voxels().iter().map(|&tissue| region.contains(tissue)).collect();
    let found = components(&mask, shape, Connectivity::Corners26);
    let mut sums = vec![[0_usize; 3]; found.sizes.len()];
    let mut boxes = vec![(shape, [0_usize; 3]); found.sizes.len()];
    for (index, &label) in found.labels.iter().enumerate().filter(|&(_, &label)| label > 0) {
        let part = label as usize - 1;
        let at = [index % shape[0], index / shape[0] % shape[1], index / (shape[0] * shape[1])];
        for axis in 0..3 {
            sums[part][axis] += at[axis];
            boxes[part].0[axis] = boxes[part].0[axis].min(at[axis]);
            boxes[part].1[axis] = boxes[part].1[axis].max(at[axis] + 1);
        }
    }
    let spacing = tumour.grid().spacing();
    let mut parts: Vec<Part> = (0..found.sizes.len())
        .map(|part| {
            let voxels = found.sizes[part];
            let middle = sums[part].map(|sum| sum as f64 / voxels as f64);
            let (low, high) = boxes[part];
            Part {
                voxels,
                ml: millilitres(tumour.grid(), voxels),
                centroid_mm: tumour.grid().affine().world(middle).0,
                extent_mm: std::array::from_fn(|axis| (high[axis] - low[axis]) as f64 * spacing[axis]),
            }
        })
        .collect();
    parts.sort_by(|a, b| b.voxels.cmp(&a.voxels));
    parts
}

fn millilitres(grid: &Grid, voxels: usize) -> f64 {
    grid.voxel_volume().times(voxels).to_ml().0
}

/// What is odd about the scans.
pub fn of_study(study: &Study) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (sequence, oddity) in study.oddities() {
        warnings.push(Warning::Header { sequence: *sequence, oddity: oddity.to_string() });
    }
    let spacing_mm = study.grid().spacing();
    if spacing_mm.iter().any(|spacing| (spacing - 1.0).abs() > crate::prepare::SPACING_TOLERANCE) {
        warnings.push(Warning::Resampled { spacing_mm });
    }
    for sequence in Sequence::ALL {
        let voxels = study.scan(sequence).voxels().iter().filter(|&&v| v < 0.0).count();
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
fn of_labels(labels: &LabelMap, regions: &[RegionAmount]) -> Vec<Warning> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use volume::{Affine, Limits};

    /// 20 x 20 x 10 voxels of 1 x 1 x 2 mm, stored LPS.
    fn labels() -> LabelMap {
        let affine = Affine::new([[-1.0, 0.0, 0.0, 10.0], [0.0, -1.0, 0.0, 20.0], [0.0, 0.0, 2.0, -5.0]]).unwrap();
        let grid = Grid::new([20, 20, 10], affine, &Limits::default()).unwrap();
        let mut labels = Volume::filled(grid, Tissue::Background);
        let mut paint = |[x, y, z]: [usize; 3], tissue| labels.voxels_mut()[x + 20 * (y + 20 * z)] = tissue;
        for x in 4..8 {
            paint([x, 5, 5], Tissue::Oedema);
        }
        paint([8, 6, 6], Tissue::Enhancing); // touches by a corner
        paint([15, 15, 2], Tissue::Necrotic);
        labels
    }

    fn close(found: [f64; 3], expected: [f64; 3]) {
        for axis in 0..3 {
            assert!((found[axis] - expected[axis]).abs() < 1e-9, "{found:?} for {expected:?}");
        }
    }

    #[test]
    fn amounts_and_parts_are_of_the_source_grid() {
        let labels = labels();
        let tissues = tissue_amounts(&labels);
        assert_eq!(tissues.iter().map(|t| t.voxels).collect::<Vec<_>>(), [1, 4, 1]);
        assert!((tissues[1].ml - 0.008).abs() < 1e-12);
        let regions = region_amounts(&labels);
        let wt = &regions[0];
        assert_eq!((wt.voxels, wt.n_components, wt.components[0].voxels), (6, 2, 5));
        close(wt.components[0].centroid_mm, [10.0 - 6.0, 20.0 - 5.2, -5.0 + 2.0 * 5.2]);
        close(wt.components[0].extent_mm, [5.0, 2.0, 4.0]);
        close(wt.components[1].centroid_mm, [-5.0, 5.0, -1.0]);
        assert_eq!((regions[1].voxels, regions[1].n_components, regions[2].voxels), (2, 2, 1));
        assert!(of_labels(&labels, &regions).contains(&Warning::LittleEnhancing { ml: 0.002 }));
    }

    #[test]
    fn an_empty_mask_is_said_to_be_empty() {
        let empty = labels().map(|_| Tissue::Background);
        let regions = region_amounts(&empty);
        assert!(regions.iter().all(|region| region.voxels == 0 && region.components.is_empty()));
        assert_eq!(of_labels(&empty, &regions), [Warning::NoTumour]);
    }

    #[test]
    fn a_warning_keeps_its_kind_and_its_sentence_in_json() {
        let said = Said::from(Warning::NoEnhancing);
        let json = serde_json::to_string(&said).unwrap();
        assert_eq!(json, r#"{"kind":"no_enhancing","sentence":"no enhancing tumour was found"}"#);
        assert_eq!(serde_json::from_str::<Said>(&json).unwrap(), said);
    }
}
