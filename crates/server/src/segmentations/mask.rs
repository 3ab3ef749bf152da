//! Masks that people send: read, compared with the study's grid, written anew on it, measured.

use segment::labels::{LabelMap, LabelScheme, Tissue, encode_labels};
use segment::report::{Input, ModelUsed, NOTICE, Report, Said, VERSION, of_labels, region_amounts, tissue_amounts};
use segment::source::Digest;
use segment::study::{GridDifference, grid_difference};
use volume::nifti::{self, Geometry};
use volume::{Grid, Limits, Volume};

use crate::entity::{Json, measurement, series};
use crate::error::{Code, Problem};
use crate::ids::SegmentationId;

/// The scheme of all masks that are kept: tissue codes as they are.
pub(crate) const SCHEME: LabelScheme = LabelScheme::Brats2023;

/// Reads a mask that must lie on a study's grid.
///
/// # Errors
/// [`Code::MaskUnusable`] with a sentence.
pub(crate) fn read(
    bytes: &[u8],
    scheme: LabelScheme,
    geometry: &Geometry,
    limits: &Limits,
) -> Result<LabelMap, Problem> {
    let unusable = |detail: String| Problem::new(Code::MaskUnusable, detail);
    let stored = nifti::parse(bytes, limits)
        .and_then(nifti::Image::into_single)
        .map_err(|error| unusable(format!("The mask cannot be read: {}.", error.fault())))?;
    let grid = Grid::new(geometry.shape(), *geometry.affine(), limits).map_err(Problem::internal)?;
    if let Some(difference) = grid_difference(&grid, stored.grid()) {
        return Err(unusable(match difference {
            GridDifference::Shape { axis, first, second } => {
                format!(
                    "The mask has {second} voxels along {axis} where the study has {first}; draw it on the study's scans."
                )
            }
            GridDifference::Place { axis, difference } => format!(
                "The mask lies {:.1} mm away from the study along {axis}; draw it on the study's scans.",
                difference.0
            ),
        }));
    }
    let mut tissues = Vec::with_capacity(grid.len());
    for &value in stored.voxels() {
        let tissue =
            (0..=4_u8).find(|&code| f32::from(code).to_bits() == value.to_bits()).and_then(|code| scheme.decode(code));
        let tissue = tissue.ok_or_else(|| {
            unusable(format!("The mask holds the number {value}, which the label scheme {scheme} does not know."))
        })?;
        tissues.push(tissue);
    }
    // On the study's own grid, to the last digit.
    Volume::new(grid, tissues).map_err(Problem::internal)
}

/// The file of a mask that is kept.
///
/// # Errors
/// If an invariant is broken.
pub(crate) fn file(labels: &LabelMap, geometry: &Geometry, scheme: LabelScheme) -> Result<Vec<u8>, Problem> {
    nifti::mask_bytes(&encode_labels(labels, scheme), geometry).map_err(Problem::internal)
}

/// What a mask that no model made amounts to; `maker` says who made it.
pub(crate) fn measured(
    id: SegmentationId,
    labels: &LabelMap,
    maker: &str,
    scans: &[series::Model],
) -> measurement::Model {
    let regions = region_amounts(labels);
    let warnings = of_labels(labels, &regions).into_iter().map(Said::from).collect();
    let input = |scan: &series::Model| Input { sequence: scan.sequence.into(), sha256: Digest(scan.volume_sha.0) };
    let report = Report {
        version: VERSION,
        notice: NOTICE.to_owned(),
        case: String::new(),
        label_scheme: SCHEME,
        tissues: tissue_amounts(labels),
        regions,
        inputs: scans.iter().map(input).collect(),
        // No network: the report says so in the place where its name would stand.
        model: ModelUsed { name: maker.to_owned(), sha256: Digest([0; 32]) },
        seconds: vec![],
        warnings,
    };
    let whole = Json::of(&report);
    measurement::Model::of(id, &report, whole)
}

/// A kept mask's codes as tissues.
pub(crate) fn tissues(codes: &Volume<u8>) -> LabelMap {
    codes.map(|code| Tissue::from_code(code).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use segment::phantom::phantom;

    #[test]
    fn a_mask_goes_in_and_comes_out_in_every_scheme() {
        let head = phantom(2, [32, 32, 24]);
        let labels = head.label_map().unwrap();
        let geometry = Geometry::from_grid(labels.grid());
        let limits = Limits::default();
        for scheme in LabelScheme::ALL {
            let bytes = file(&labels, &geometry, scheme).unwrap();
            assert_eq!(read(&bytes, scheme, &geometry, &limits).unwrap(), labels, "{scheme}");
        }
        let bytes = file(&labels, &geometry, LabelScheme::Brats2020).unwrap();
        let wrong = read(&bytes, LabelScheme::Brats2023, &geometry, &limits).unwrap_err();
        assert!(wrong.code() == Code::MaskUnusable && wrong.detail().contains('4'), "{}", wrong.detail());
        let other = phantom(2, [32, 32, 25]).label_map().unwrap();
        let wrong = read(&bytes, LabelScheme::Brats2020, &Geometry::from_grid(other.grid()), &limits).unwrap_err();
        assert!(wrong.detail().contains("24 voxels along z"), "{}", wrong.detail());
    }

    #[test]
    fn a_measurement_counts_and_measures() {
        let labels = phantom(2, [48, 48, 36]).label_map().unwrap();
        let measured = measured(SegmentationId::fresh(), &labels, "edited by hand", &[]);
        assert!(measured.ml_wt > 0.0 && measured.n_wt > 0 && measured.diameter_wt_mm.unwrap() > 1.0, "{measured:?}");
        assert!((measured.ml_wt - measured.ml_ncr - measured.ml_ed - measured.ml_et).abs() < 1e-9);
    }
}
