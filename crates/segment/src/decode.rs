//! From the network's output to tissue codes, slice by slice: nothing of the output is copied.

use kernels::Decision;
use serde::{Deserialize, Serialize};

use crate::labels::{Region, Tissue};
use crate::recipe::training::Outputs;

/// The probabilities from which on a voxel belongs to a region.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Whole tumour.
    pub wt: f32,
    /// Tumour core.
    pub tc: f32,
    /// Enhancing tumour.
    pub et: f32,
}

impl Thresholds {
    /// One half each.
    pub const HALF: Self = Self { wt: 0.5, tc: 0.5, et: 0.5 };

    /// The threshold of a region.
    pub fn of(self, region: Region) -> f32 {
        match region {
            Region::Wt => self.wt,
            Region::Tc => self.tc,
            Region::Et => self.et,
        }
    }

    /// Whether each lies strictly between 0 and 1.
    pub fn are_valid(self) -> bool {
        Region::ALL.iter().all(|&region| self.of(region) > 0.0 && self.of(region) < 1.0)
    }
}

/// What the numbers of a network's output are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Before the sigmoid.
    Logit,
    /// After it.
    Probability,
}

/// Paints regions into tissue codes: WT as oedema, TC over it as necrotic core, ET over that.
///
/// `regions`: planar `[3][V]` in the order of [`Region::ALL`]; `codes`: `[V]`. A voxel belongs to a region from its
/// threshold on (p ≥ t); logits are compared with the threshold's logit, so no exponential is taken. A voxel that
/// is ET but not WT is painted all the same. NaN belongs to no region.
///
/// # Panics
/// If `regions` is not three times as long as `codes`.
pub fn decode_regions(regions: &[f32], scale: Scale, thresholds: Thresholds, codes: &mut [u8]) {
    assert_eq!(regions.len(), 3 * codes.len(), "decode_regions: three planes for the codes");
    let from = Region::ALL.map(|region| match scale {
        Scale::Logit => logit(thresholds.of(region)),
        Scale::Probability => thresholds.of(region),
    });
    let (wt, cores) = regions.split_at(codes.len());
    let (tc, et) = cores.split_at(codes.len());
    for (((code, &wt), &tc), &et) in codes.iter_mut().zip(wt).zip(tc).zip(et) {
        *code = painted([wt >= from[0], tc >= from[1], et >= from[2]]).code();
    }
}

/// WT as oedema, TC over it as necrotic core, ET over that.
fn painted([wt, tc, et]: [bool; 3]) -> Tissue {
    if et {
        Tissue::Enhancing
    } else if tc {
        Tissue::Necrotic
    } else if wt {
        Tissue::Oedema
    } else {
        Tissue::Background
    }
}

/// How a network decides itself what [`decode_regions`] or [`decode_classes`] would make of its logits, and the tissue code
/// that each byte of the decision means.
pub(crate) fn decision(outputs: Outputs, thresholds: Thresholds) -> (Decision, [u8; 8]) {
    match outputs {
        Outputs::Regions => {
            let mut least = [f32::INFINITY; 8];
            for (least, region) in least.iter_mut().zip(Region::ALL) {
                *least = logit(thresholds.of(region));
            }
            let code = |bits: usize| painted([0, 1, 2].map(|r| bits >> r & 1 == 1)).code();
            (Decision::AtLeast(least), std::array::from_fn(code))
        }
        Outputs::Classes => (Decision::Largest, [0, 1, 2, 3, 0, 0, 0, 0]),
    }
}

/// Takes the most probable of four classes; of equal ones the lowest code.
///
/// `classes`: planar `[4][V]`, logits or probabilities in the order of the tissue codes; `codes`: `[V]`.
///
/// # Panics
/// If `classes` is not four times as long as `codes`.
pub fn decode_classes(classes: &[f32], codes: &mut [u8]) {
    let n_voxels = codes.len();
    assert_eq!(classes.len(), 4 * n_voxels, "decode_classes: four planes for the codes");
    for (voxel, code) in codes.iter_mut().enumerate() {
        let mut best = 0;
        for class in 1..4_u8 {
            if classes[usize::from(class) * n_voxels + voxel] > classes[usize::from(best) * n_voxels + voxel] {
                best = class;
            }
        }
        *code = best;
    }
}

/// The inverse of the sigmoid; minus infinity at 0, infinity at 1. The division in f64 keeps one half at exactly 0.
#[expect(clippy::cast_possible_truncation, reason = "a threshold for f32 logits")]
fn logit(p: f32) -> f32 {
    let p = f64::from(p);
    (p / (1.0 - p)).ln() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_regions_paint_over_earlier_ones() {
        let check = |[wt, tc, et]: [f32; 3], expected: Tissue| {
            let mut code = [9];
            decode_regions(&[wt, tc, et], Scale::Probability, Thresholds::HALF, &mut code);
            assert_eq!(code[0], expected.code(), "{wt} {tc} {et}");
            decode_regions(&[wt, tc, et].map(logit), Scale::Logit, Thresholds::HALF, &mut code);
            assert_eq!(code[0], expected.code(), "logits of {wt} {tc} {et}");
        };
        check([0.4, 0.4, 0.4], Tissue::Background);
        check([0.5, 0.4, 0.4], Tissue::Oedema);
        check([0.9, 0.6, 0.4], Tissue::Necrotic);
        check([0.9, 0.9, 0.9], Tissue::Enhancing);
        check([0.1, 0.1, 0.9], Tissue::Enhancing);
        check([0.1, 0.9, 0.1], Tissue::Necrotic);
    }

    #[test]
    fn planes_are_read_in_order() {
        let mut codes = [9; 2];
        decode_regions(&[0.9, 0.9, 0.0, 0.9, 0.0, 0.0], Scale::Probability, Thresholds::HALF, &mut codes);
        assert_eq!(codes, [2, 1]);
        decode_regions(&[f32::NAN; 6], Scale::Logit, Thresholds::HALF, &mut codes);
        assert_eq!(codes, [0, 0]);
        decode_classes(&[0.0, 1.0, 3.0, 1.0, -1.0, 0.0, 2.0, 0.0], &mut codes);
        assert_eq!(codes, [1, 0]);
    }

    #[test]
    fn thresholds_move_the_border() {
        let low = Thresholds { wt: 0.3, tc: 0.5, et: 0.5 };
        assert!(low.are_valid() && !Thresholds { wt: 1.0, ..low }.are_valid());
        let mut code = [0];
        decode_regions(&[logit(0.31), -9.0, -9.0], Scale::Logit, low, &mut code);
        assert_eq!(code, [2]);
        decode_regions(&[logit(0.29), -9.0, -9.0], Scale::Logit, low, &mut code);
        assert_eq!(code, [0]);
    }
}
