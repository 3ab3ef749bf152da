//! The grid that scans are prepared on, and the way to it and back.

use volume::{Affine, Grid, Limits, Volume, resample_nearest};

use super::Preparing;
use crate::error::SegmentError;
use crate::labels::{LabelMap, Tissue};

/// Spacings closer to 1 mm than this are not resampled; below it lies the rounding of headers.
pub(crate) const SPACING_TOLERANCE: f64 = 1e-3;

/// The report's in-plane size.
const REPORT_SIDE: usize = 128;

/// The study's scans in RAS order, resampled where the recipe wants it.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// In the study's world.
    pub(super) grid: Grid,
    pub(super) sampling: Option<Sampling>,
}

/// Interpolation along the array's own axes.
///
/// Both grids are in a private world whose axes are the array's, so that the weights depend on shape and spacing
/// alone: an origin that was rounded in another storage order changes no bit.
#[derive(Clone, Debug)]
pub(super) struct Sampling {
    /// The oriented study's grid, in its own world.
    oriented: Grid,
    from: Grid,
    onto: Grid,
}

impl Frame {
    pub(super) fn of(oriented: &Grid, preparing: Preparing) -> Result<Self, SegmentError> {
        let (shape, spacing) = (oriented.shape(), oriented.spacing());
        let (target_shape, target_spacing) = match preparing {
            Preparing::Brain => at_one_millimetre(shape, spacing),
            Preparing::Report => {
                let side = [REPORT_SIDE, REPORT_SIDE, shape[2]];
                (side, std::array::from_fn(|i| spacing[i] * shape[i] as f64 / side[i] as f64))
            }
        };
        let keeps = |i: usize| target_shape[i] == shape[i] && (target_spacing[i] - spacing[i]).abs() < 1e-9;
        if (0..3).all(keeps) {
            return Ok(Self { grid: *oriented, sampling: None });
        }
        // Both boxes have one centre, so that mirroring the array mirrors the samples.
        let offset: [f64; 3] = std::array::from_fn(|i| {
            ((shape[i] - 1) as f64 * spacing[i] - (target_shape[i] - 1) as f64 * target_spacing[i]) / 2.0
        });
        let limits = Limits::default();
        let from = Grid::new(shape, Affine::axis_aligned(spacing, [0.0; 3])?, &limits)?;
        let onto = Grid::new(target_shape, Affine::axis_aligned(target_spacing, offset)?, &limits)?;
        let first = oriented.affine().world(std::array::from_fn(|i| offset[i] / spacing[i])).0;
        let rows = oriented.affine().rows();
        let affine = Affine::new(std::array::from_fn(|row| {
            std::array::from_fn(|column| {
                if column == 3 { first[row] } else { rows[row][column] * (target_spacing[column] / spacing[column]) }
            })
        }))?;
        let grid = Grid::new(target_shape, affine, &limits)?;
        Ok(Self { grid, sampling: Some(Sampling { oriented: *oriented, from, onto }) })
    }

    /// An oriented volume in the frame, resampled by `resample` if the frame is.
    pub(super) fn take<T>(
        &self,
        oriented: Volume<T>,
        resample: impl Fn(&Volume<T>, &Grid) -> Volume<T>,
    ) -> Result<Volume<T>, SegmentError> {
        let Some(sampling) = &self.sampling else { return Ok(oriented) };
        let resampled = resample(&Volume::new(sampling.from, oriented.into_parts().1)?, &sampling.onto);
        Ok(Volume::new(self.grid, resampled.into_parts().1)?)
    }

    /// The inverse of [`Frame::take`] for labels.
    pub(super) fn give_back(&self, framed: LabelMap) -> Result<LabelMap, SegmentError> {
        let Some(sampling) = &self.sampling else { return Ok(framed) };
        let framed = Volume::new(sampling.onto, framed.into_parts().1)?;
        let oriented = resample_nearest(&framed, &sampling.from, Tissue::Background);
        Ok(Volume::new(sampling.oriented, oriented.into_parts().1)?)
    }
}

/// Shape and spacing at 1 mm; axes that are at it already stay as they are.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length in mm, checked by Grid::new")]
fn at_one_millimetre(shape: [usize; 3], spacing: [f64; 3]) -> ([usize; 3], [f64; 3]) {
    let stays = |i: usize| (spacing[i] - 1.0).abs() <= SPACING_TOLERANCE;
    let length = |i: usize| if stays(i) { shape[i] } else { (shape[i] as f64 * spacing[i]).round().max(1.0) as usize };
    (std::array::from_fn(length), std::array::from_fn(|i| if stays(i) { spacing[i] } else { 1.0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_axes_off_one_millimetre_change() {
        let (shape, spacing) = at_one_millimetre([256, 256, 106], [0.859, 1.0005, 1.5]);
        assert_eq!(shape, [220, 256, 159]);
        assert!((spacing[1] - 1.0005).abs() < 1e-12 && (spacing[0] - 1.0).abs() < 1e-12);
    }
}
