//! Tumours that stand out less, or more, than those of the training cases: faint oedema is what networks miss most.

use super::filter::{Scratch, blur};
use crate::sample::{AIR, Patch, is_tumour};

/// Sigma of the blur that makes the tumour's border soft, voxels.
const SOFTNESS: f64 = 1.5;

/// Scales the tumour's distance from the mean of the healthy brain by `factor`, in every channel.
///
/// The change fades out over the voxels around the tumour, which hold some of it too; what is inside keeps its order, so the tissues can still
/// be told apart. Nothing happens where the patch holds no tumour, or nothing else.
#[expect(clippy::cast_possible_truncation, reason = "a factor near 1")]
pub fn scale_tumour(patch: &mut Patch, factor: f64, scratch: &mut Scratch) {
    let mut share: Vec<f32> = patch.labels.iter().map(|&code| f32::from(u8::from(is_tumour(code)))).collect();
    if share.iter().all(|&s| s == 0.0) {
        return;
    }
    blur(&mut share, patch.shape, SOFTNESS, scratch);
    let change = (factor - 1.0) as f32;
    for values in patch.image.chunks_exact_mut(patch.labels.len()) {
        let Some(mean) = healthy_mean(values, &patch.labels) else { return };
        for ((v, s), &code) in values.iter_mut().zip(&share).zip(&patch.labels) {
            // The blur is half at the border: from there inwards the whole change, outwards ever less of it.
            *v += if code == AIR { 0.0 } else { (2.0 * s).min(1.0) * change * (*v - mean) };
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a mean of f32 values")]
fn healthy_mean(values: &[f32], codes: &[u8]) -> Option<f32> {
    let healthy = values.iter().zip(codes).filter(|(_, code)| **code == 0);
    let (sum, count) = healthy.fold((0.0, 0_u32), |(sum, count), (v, _)| (sum + f64::from(*v), count + 1));
    (count > 0).then(|| (sum / f64::from(count)) as f32)
}

#[cfg(test)]
mod tests {
    use super::scale_tumour;
    use crate::augment::filter::Scratch;
    use crate::sample::{AIR, CHANNELS, Patch};

    /// A line of 40 voxels: air, brain at 1, a tumour at 5 with a core at 3, brain at 1.
    fn line() -> Patch {
        let labels: Vec<u8> = (0..40).map(|x| [AIR, 0, 2, 1, 2, 0, 0, 0][x / 5]).collect();
        let values = labels.iter().map(|code| [1.0, 3.0, 5.0].get(usize::from(*code)).copied().unwrap_or(0.0));
        let image = values.collect::<Vec<f32>>().repeat(CHANNELS);
        Patch { shape: [1, 1, 40], image, labels }
    }

    #[test]
    fn a_faint_tumour_keeps_its_tissues_apart_and_leaves_the_rest() {
        let (before, mut patch) = (line(), line());
        scale_tumour(&mut patch, 0.5, &mut Scratch::default());
        assert_eq!(patch.labels, before.labels);
        for values in patch.image.chunks_exact(40) {
            assert_eq!((values[2], values[12], values[17], values[37]), (0.0, 3.0, 2.0, 1.0));
            assert_eq!(values[..5], [0.0; 5], "air changed");
        }
    }

    #[test]
    fn a_factor_of_one_and_a_patch_of_one_kind_stay() {
        let (before, mut patch) = (line(), line());
        scale_tumour(&mut patch, 1.0, &mut Scratch::default());
        assert_eq!(patch, before);
        for code in [0, 2, AIR] {
            let mut patch = Patch { labels: vec![code; 40], ..line() };
            scale_tumour(&mut patch, 0.5, &mut Scratch::default());
            assert_eq!(patch.image, before.image);
        }
    }
}
