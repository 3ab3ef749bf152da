//! What a reader gets beside the labels: millilitres, parts, hashes, times, warnings.

mod diameter;
mod warning;

use std::cmp::Reverse;
use std::path::Path;

use serde::{Deserialize, Serialize};
use volume::{Bounds, Connectivity, Grid, Orientation, components, crop, write_atomically};

use self::diameter::{Run, axial_diameters};
pub use self::warning::{Said, Warning, of_labels, of_study};
use crate::error::SegmentError;
use crate::labels::{LabelMap, LabelScheme, Region, Tissue};
use crate::source::Digest;
use crate::study::{Sequence, Study};

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
    /// Its longest axial diameter and the width across it in the same slice, mm, outer edge to outer edge.
    #[serde(default)]
    pub axial_mm: [f64; 2],
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

impl Report {
    /// The report on the labels of a study, both on the source grid.
    ///
    /// Cost: some passes over the scans and the labels, and components inside the tumour's box.
    pub fn new(
        study: &Study,
        labels: &LabelMap,
        label_scheme: LabelScheme,
        model: ModelUsed,
        seconds: Vec<StageTime>,
    ) -> Self {
        let (mut warnings, regions) = rayon::join(|| of_study(study), || region_amounts(labels));
        let tissues = tissue_amounts(labels);
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
        let mut text = serde_json::to_vec_pretty(self).map_err(|source| SegmentError::Json {
            path: path.into(),
            wanted: "a report",
            source,
        })?;
        text.push(b'\n');
        write_atomically(path, |out| out.write_all(&text))
            .map_err(|source| SegmentError::Io { path: path.into(), source })
    }
}

/// Millilitres of each tumour tissue.
pub fn tissue_amounts(labels: &LabelMap) -> Vec<TissueAmount> {
    let mut counts = [0_usize; 4];
    if let Some(bounds) = Bounds::of(labels, |tissue| tissue != Tissue::Background) {
        for tissue in crop(labels, bounds).voxels() {
            counts[usize::from(tissue.code())] += 1;
        }
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
    let mut runs: Vec<Vec<Run>> = vec![vec![]; found.sizes.len()];
    for (index, &label) in found.labels.iter().enumerate().filter(|&(_, &label)| label > 0) {
        let part = label as usize - 1;
        let at = [index % shape[0], index / shape[0] % shape[1], index / (shape[0] * shape[1])];
        for axis in 0..3 {
            sums[part][axis] += at[axis];
            boxes[part].0[axis] = boxes[part].0[axis].min(at[axis]);
            boxes[part].1[axis] = boxes[part].1[axis].max(at[axis] + 1);
        }
        let [x, y, z] = at;
        match runs[part].last_mut() {
            Some(run) if (run.y, run.z) == (y, z) => run.last = x,
            Some(_) | None => runs[part].push(Run { z, y, first: x, last: x }),
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
                axial_mm: axial_diameters(&runs[part], [spacing[0], spacing[1]]),
            }
        })
        .collect();
    parts.sort_by_key(|part| Reverse(part.voxels));
    parts
}

fn millilitres(grid: &Grid, voxels: usize) -> f64 {
    grid.voxel_volume().times(voxels).to_ml().0
}

#[cfg(test)]
mod tests {
    use super::*;
    use volume::{Affine, Limits, Volume};

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
        assert!((wt.components[0].axial_mm[0] - 17_f64.sqrt()).abs() < 1e-9, "{:?}", wt.components[0].axial_mm);
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

    #[test]
    fn a_report_says_what_it_is_and_names_no_file() {
        let labels = labels();
        let scan = |shift: f32| labels.map(move |tissue| shift + 10.0 * f32::from(tissue.code()));
        let study = Study::in_memory("case".to_owned(), [scan(-1.0), scan(1.0), scan(2.0), scan(3.0)]).unwrap();
        let model = ModelUsed { name: "net".to_owned(), sha256: Digest::of(b"weights") };
        let seconds = vec![StageTime { stage: Stage::Read, seconds: 0.5 }];
        let report = Report::new(&study, &labels, LabelScheme::Brats2023, model, seconds);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.json");
        report.write(&file).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        assert!(text.contains(NOTICE) && text.contains("\"label_scheme\": \"brats2023\"") && !text.contains("path"));
        let kinds: Vec<&Warning> = report.warnings.iter().map(|said| &said.warning).collect();
        assert!(kinds.contains(&&Warning::Resampled { spacing_mm: [1.0, 1.0, 2.0] }), "{kinds:?}");
        assert!(
            kinds.iter().any(|w| matches!(w, Warning::NegativeValues { sequence: Sequence::T1n, .. })),
            "{kinds:?}"
        );
    }
}
