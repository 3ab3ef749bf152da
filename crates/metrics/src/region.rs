//! Everything that is said about one region of one case.

use serde::{Serialize, Serializer};
use volume::{Ml, Mm3};

use crate::overlap::Counts;
use crate::score::Score;
use crate::surface;

/// One region of one case: overlap, surface distance and volumes.
///
/// Serialised names carry unit and definition: `hd95_surface_distance_mm`, `volume_error_ml`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RegionScores {
    /// Dice overlap.
    pub dice: Score,
    /// 95th percentile surface distance in mm, by the surface-distance definition ([`crate::surface`]).
    #[serde(rename = "hd95_surface_distance_mm")]
    pub hd95: Score,
    /// Share of the reference that was found.
    pub sensitivity: Score,
    /// Share of the background that was left alone, over all voxels handed in.
    pub specificity: Score,
    /// Predicted minus reference: positive where too much was predicted.
    #[serde(rename = "volume_error_ml", serialize_with = "millilitres")]
    pub volume_error: Ml,
    /// The size of the error without its sign.
    #[serde(rename = "absolute_volume_error_ml", serialize_with = "millilitres")]
    pub absolute_volume_error: Ml,
    /// Volume of the reference mask.
    #[serde(serialize_with = "millilitres")]
    pub reference_ml: Ml,
    /// Volume of the predicted mask.
    #[serde(serialize_with = "millilitres")]
    pub predicted_ml: Ml,
}

/// Scores a predicted mask. Masks: `shape` = `[nx, ny, nz]`, x fastest; `spacing` in mm along the same axes.
///
/// # Panics
/// If a mask's length is not the product of `shape`, or a spacing is not a positive finite number.
pub fn region_scores(reference: &[bool], predicted: &[bool], shape: [usize; 3], spacing: [f64; 3]) -> RegionScores {
    let hd95 = surface::hd95(reference, predicted, shape, spacing);
    let counts = Counts::of(reference, predicted);
    let voxel = spacing.iter().product::<f64>();
    let ml = |n_voxels: f64| Mm3(n_voxels * voxel).to_ml();
    let volume_error = ml(counts.fp as f64 - counts.fn_ as f64); // TP cancels; exact below 2^53 voxels
    RegionScores {
        dice: counts.dice(),
        hd95,
        sensitivity: counts.sensitivity(),
        specificity: counts.specificity(),
        volume_error,
        absolute_volume_error: Ml(volume_error.0.abs()),
        reference_ml: ml(counts.reference() as f64),
        predicted_ml: ml(counts.predicted() as f64),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over the field by reference")]
fn millilitres<S: Serializer>(volume: &Ml, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(volume.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Side;

    #[test]
    fn volumes_and_their_error() {
        let (reference, mut predicted) = (vec![true; 8], vec![false; 8]);
        predicted[0] = true;
        let scores = region_scores(&reference, &predicted, [2, 2, 2], [10.0, 5.0, 2.0]);
        assert_eq!((scores.reference_ml, scores.predicted_ml), (Ml(0.8), Ml(0.1)), "0.1 ml a voxel");
        assert_eq!((scores.volume_error, scores.absolute_volume_error), (Ml(-0.7), Ml(0.7)), "predicted - reference");
        assert_eq!(scores.sensitivity, Score::Value(0.125), "one of eight");
    }

    #[test]
    fn a_missed_region_names_the_empty_side() {
        let scores = region_scores(&[true], &[false], [1, 1, 1], [1.0; 3]);
        assert_eq!(
            (scores.dice, scores.hd95),
            (Score::Empty(Side::Predicted), Score::Empty(Side::Predicted)),
            "missed"
        );
        assert_eq!(scores.volume_error, Ml(-0.001), "a cubic millimetre");
    }
}
