//! From a study to the tensor that the network sees, and from its labels back to the source grid.
//!
//! The same function serves training and use. Everything after the first step, reorienting to RAS, works on voxels
//! in one order, so the tensor is the same, bit for bit, however the files were stored.

mod frame;

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use volume::{
    Bounds, Grid, Limits, Orientation, Upright, Volume, crop, ranked, resample_linear, resample_nearest, restore,
};

use self::frame::Frame;
pub(crate) use self::frame::SPACING_TOLERANCE;
use crate::error::{ScanName, SegmentError};
use crate::labels::{LabelMap, Tissue};
use crate::study::{GridDifference, Sequence, Study, grid_difference, in_order_of};

/// The report's depth is padded to a multiple of this: five levels halve four times (16), six levels five times.
const REPORT_DEPTH_STEP: usize = 32;

/// The least standard deviation to divide by, for a sequence that is flat inside the brain (nnU-Net's floor).
const LEAST_DEVIATION: f64 = 1e-8;

/// How a study becomes a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preparing {
    /// The field's way. RAS; resampled to 1 mm (linear) where the spacing differs by more than 0.001 mm; cropped to
    /// the box of voxels that are not zero in some sequence; each sequence clipped to 0 ..= its 99.5th percentile
    /// over its positive voxels, then to mean 0 and deviation 1 over the brain. The brain is every voxel that is
    /// positive in some sequence; outside it all channels are exactly 0.
    Brain,
    /// The report's way. RAS; each axial slice divided by its maximum (values 0..=1, negative ones 0); in-plane
    /// 128 x 128 (linear); slices of zeros added on top until the depth is a multiple of 32.
    Report,
}

/// Four channels in the order of [`Sequence::ALL`].
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor4 {
    /// Four.
    pub channels: usize,
    /// D, H, W: voxels along z (to superior), y (to anterior), x (to the right).
    pub shape: [usize; 3],
    /// `[channels][D][H][W]`, W fastest.
    pub values: Vec<f32>,
}

/// What normalising a sequence used, in the scan's own units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalisation {
    /// The 99.5th percentile of the positive voxels, where values were cut off.
    pub clipped_at: f32,
    /// Mean over the brain after clipping.
    pub mean: f64,
    /// Population standard deviation over the brain after clipping.
    pub deviation: f64,
}

/// How a study was prepared, and the way back.
#[derive(Clone, Debug)]
pub struct Preparation {
    case: String,
    source: Grid,
    orientation: Orientation,
    frame: Frame,
    placement: Placement,
    grid: Grid,
    normalisation: Option<[Normalisation; 4]>,
}

/// Prepares a study for the network.
///
/// Sums run in f64 over voxels in RAS order, x fastest, on one thread a sequence: the same bits for any number of
/// threads. The percentile is the nearest-rank one: the smallest positive value with at least 99.5 % of the positive
/// values at or below it.
///
/// # Errors
/// [`SegmentError::NoSignal`] if every voxel of every scan is zero; [`SegmentError::Grid`] if the grid at 1 mm would
/// be beyond the default limits.
pub fn prepare(study: &Study, preparing: Preparing) -> Result<(Tensor4, Preparation), SegmentError> {
    let orientation = Orientation::of(study.grid().affine());
    let scans = study.scans().each_ref().map(|scan| Upright::new(scan, orientation));
    let frame = Frame::of(scans[0].grid(), preparing)?;
    let (tensor, placement, grid, normalisation) = match preparing {
        Preparing::Brain => brain(study, &scans, &frame)?,
        Preparing::Report => report(&scans, &frame)?,
    };
    let (case, source) = (study.name().to_owned(), *study.grid());
    Ok((tensor, Preparation { case, source, orientation, frame, placement, grid, normalisation }))
}

impl Preparation {
    /// The grid of the study, on which labels are restored.
    pub fn source(&self) -> &Grid {
        &self.source
    }

    /// The grid of the tensor: RAS order, in the study's world.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The tensor's shape, D, H, W.
    pub fn shape(&self) -> [usize; 3] {
        let [nx, ny, nz] = self.grid.shape();
        [nz, ny, nx]
    }

    /// The storage order of the study.
    pub fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// What normalising used, by sequence; none where each slice has its own scale.
    pub fn normalisation(&self) -> Option<&[Normalisation; 4]> {
        self.normalisation.as_ref()
    }

    /// Whether voxels were interpolated, so that labels return by nearest neighbour.
    pub fn is_resampled(&self) -> bool {
        self.frame.sampling.is_some()
    }

    /// Takes labels from the study's grid to the tensor's: tissue codes `[D][H][W]`.
    ///
    /// # Errors
    /// [`SegmentError::LabelsElsewhere`] if the labels are not on the study's grid.
    pub fn prepare_labels(&self, labels: &LabelMap) -> Result<Vec<u8>, SegmentError> {
        let labels = in_order_of(labels.map(Tissue::code), &self.source);
        if let Some(GridDifference::Shape { axis, .. } | GridDifference::Place { axis, .. }) =
            grid_difference(&self.source, labels.grid())
        {
            return Err(SegmentError::LabelsElsewhere { case: self.case.clone(), axis });
        }
        let oriented = self.orientation.to_ras(&labels);
        let framed = self.frame.take(oriented, |labels, onto| resample_nearest(labels, onto, 0))?;
        Ok(match self.placement {
            Placement::Cropped(bounds) => crop(&framed, bounds).into_parts().1,
            Placement::PaddedOnTop => padded(framed.into_parts().1, self.grid.len()),
        })
    }

    /// Takes tissue codes `[D][H][W]` of the tensor back to the study's grid, voxel for voxel; by nearest neighbour
    /// where the tensor was resampled, background where it was cropped.
    ///
    /// # Errors
    /// [`SegmentError::WrongCodes`] if there are not as many as the tensor has voxels, or one is above 3.
    pub fn restore(&self, codes: &[u8]) -> Result<LabelMap, SegmentError> {
        let highest = codes.iter().fold(0, |highest: u8, &code| highest.max(code));
        if codes.len() != self.grid.len() || Tissue::from_code(highest).is_none() {
            return Err(SegmentError::WrongCodes { expected: self.grid.len(), found: codes.len() });
        }
        let tissues: Vec<Tissue> = codes.iter().map(|&code| Tissue::from_code(code).unwrap_or_default()).collect();
        let framed = match self.placement {
            Placement::Cropped(bounds) => {
                restore(&Volume::new(self.grid, tissues)?, bounds, &self.frame.grid, Tissue::Background)
            }
            Placement::PaddedOnTop => Volume::new(self.frame.grid, tissues[..self.frame.grid.len()].to_vec())?,
        };
        let oriented = self.frame.give_back(framed)?;
        Ok(self.orientation.from_ras_onto(&oriented, &self.source)?)
    }
}

/// Where the tensor lies in the frame.
#[derive(Clone, Copy, Debug)]
enum Placement {
    /// The tensor is this box of the frame.
    Cropped(Bounds),
    /// The tensor is the frame with slices added on top.
    PaddedOnTop,
}

type Prepared = (Tensor4, Placement, Grid, Option<[Normalisation; 4]>);

/// The field's way.
fn brain(study: &Study, scans: &[Upright<'_, f32>; 4], frame: &Frame) -> Result<Prepared, SegmentError> {
    let (mut scans, bounds) = boxed(scans, frame)?.ok_or_else(|| SegmentError::NoSignal {
        scan: ScanName::new(Sequence::T1n, &study.sources()[Sequence::T1n.index()].path),
    })?;
    let cuts: Vec<f32> = scans
        .par_iter_mut()
        .map(|scan| {
            let cut = percentile_995(scan.voxels());
            scan.voxels_mut().iter_mut().for_each(|v| *v = v.clamp(0.0, cut));
            cut
        })
        .collect();
    let grid = *scans[0].grid();
    let inside = positive(&scans);
    let mut values = vec![0.0; 4 * grid.len()];
    let normalisations: Vec<Normalisation> = (&scans, cuts, values.par_chunks_exact_mut(grid.len()))
        .into_par_iter()
        .map(|(scan, cut, channel)| {
            let normalisation = measured(scan.voxels(), &inside, cut);
            normalise(scan.voxels(), &inside, normalisation, channel);
            normalisation
        })
        .collect();
    let normalisation = std::array::from_fn(|channel| normalisations[channel]);
    Ok((tensor(&grid, values), Placement::Cropped(bounds), grid, Some(normalisation)))
}

/// Scans of one box, and the box.
type Boxed = (Vec<Volume<f32>>, Bounds);

/// The scans in the frame, cut to the box of the voxels that are not zero in some of them; nothing if all are zero.
fn boxed(scans: &[Upright<'_, f32>; 4], frame: &Frame) -> Result<Option<Boxed>, SegmentError> {
    if frame.sampling.is_none() {
        // Only the box is moved into RAS order.
        let boxes: Vec<Option<Bounds>> = scans.par_iter().map(|scan| scan.bounds(|v| v != 0.0)).collect();
        let bounds = boxes.into_iter().flatten().reduce(union);
        return Ok(bounds.map(|bounds| (scans.par_iter().map(|scan| scan.part(bounds)).collect(), bounds)));
    }
    let mut framed = Vec::with_capacity(4);
    for scan in scans {
        framed.push(frame.take(scan.whole(), resample_linear)?);
    }
    let boxes: Vec<Option<Bounds>> = framed.par_iter().map(|scan| Bounds::of(scan, |v| v != 0.0)).collect();
    let bounds = boxes.into_iter().flatten().reduce(union);
    Ok(bounds.map(|bounds| (framed.par_iter().map(|scan| crop(scan, bounds)).collect(), bounds)))
}

/// The voxels that are positive in some scan, as runs in raster order.
fn positive(scans: &[Volume<f32>]) -> Vec<Range<usize>> {
    let [nx, ny, nz] = scans[0].grid().shape();
    let of_slab = |z: usize| {
        let slab = z * nx * ny..(z + 1) * nx * ny;
        let mut inside = vec![false; slab.len()];
        for scan in scans {
            for (inside, &value) in inside.iter_mut().zip(&scan.voxels()[slab.clone()]) {
                *inside |= value > 0.0;
            }
        }
        let mut runs = Vec::new();
        let mut at = 0;
        for run in inside.chunk_by(|a, b| a == b) {
            if run[0] {
                runs.push(slab.start + at..slab.start + at + run.len());
            }
            at += run.len();
        }
        runs
    };
    let slabs: Vec<Vec<Range<usize>>> = (0..nz).into_par_iter().map(of_slab).collect();
    slabs.concat()
}

/// The report's way.
fn report(scans: &[Upright<'_, f32>; 4], frame: &Frame) -> Result<Prepared, SegmentError> {
    let [nx, ny, nz] = frame.grid.shape();
    let shape = [nx, ny, nz.next_multiple_of(REPORT_DEPTH_STEP)];
    let grid = Grid::new(shape, *frame.grid.affine(), &Limits::default())?;
    let mut values = Vec::with_capacity(4 * grid.len());
    for scan in scans {
        let mut scan = scan.whole();
        let [nx, ny, _] = scan.grid().shape();
        for slice in scan.voxels_mut().chunks_exact_mut(nx * ny) {
            let largest = slice.iter().copied().fold(0.0_f32, f32::max);
            let scale = |v: f32| if largest > 0.0 { v.max(0.0) / largest } else { 0.0 };
            for value in slice {
                *value = scale(*value);
            }
        }
        let framed = frame.take(scan, resample_linear)?;
        values.extend_from_slice(framed.voxels());
        values.resize(values.len() + grid.len() - framed.grid().len(), 0.0);
    }
    Ok((tensor(&grid, values), Placement::PaddedOnTop, grid, None))
}

fn tensor(grid: &Grid, values: Vec<f32>) -> Tensor4 {
    let [nx, ny, nz] = grid.shape();
    Tensor4 { channels: 4, shape: [nz, ny, nx], values }
}

fn padded(mut codes: Vec<u8>, length: usize) -> Vec<u8> {
    codes.resize(length, 0);
    codes
}

/// The smallest box that holds both.
fn union(a: Bounds, b: Bounds) -> Bounds {
    Bounds {
        start: std::array::from_fn(|i| a.start[i].min(b.start[i])),
        end: std::array::from_fn(|i| a.end[i].max(b.end[i])),
    }
}

/// The nearest-rank 99.5th percentile of the positive values; 0 if there are none.
fn percentile_995(values: &[f32]) -> f32 {
    ranked(values, |v| v > 0.0, |n| [(n * 995).div_ceil(1000) - 1]).map_or(0.0, |[cut]| cut)
}

/// Mean and deviation inside the brain, in two passes, each one sum in raster order.
fn measured(values: &[f32], inside: &[Range<usize>], clipped_at: f32) -> Normalisation {
    let n = inside.iter().map(Range::len).sum::<usize>().max(1) as f64;
    let mut sum = 0.0;
    for run in inside {
        for &v in &values[run.clone()] {
            sum += f64::from(v);
        }
    }
    let mean = sum / n;
    let mut squares = 0.0;
    for run in inside {
        for &v in &values[run.clone()] {
            squares += (f64::from(v) - mean) * (f64::from(v) - mean);
        }
    }
    Normalisation { clipped_at, mean, deviation: (squares / n).sqrt() }
}

/// Writes the normalised values inside the brain; `normalised` keeps what it holds outside.
#[expect(clippy::cast_possible_truncation, reason = "the network reads f32")]
fn normalise(values: &[f32], inside: &[Range<usize>], by: Normalisation, normalised: &mut [f32]) {
    let deviation = by.deviation.max(LEAST_DEVIATION);
    for run in inside {
        for (to, &value) in normalised[run.clone()].iter_mut().zip(&values[run.clone()]) {
            *to = ((f64::from(value) - by.mean) / deviation) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_is_the_nearest_rank() {
        let check = |values: Vec<f32>, expected: f32| {
            assert!((percentile_995(&values) - expected).abs() < f32::EPSILON, "{expected}");
        };
        check((1..=1000_u16).rev().map(f32::from).collect(), 995.0);
        check((1..=200_u8).map(f32::from).collect(), 199.0);
        check(vec![7.0], 7.0);
        check(vec![-1.0, 0.0, 3.0, 2.0], 3.0);
        check(vec![0.0, -5.0], 0.0);
    }

    #[test]
    fn a_flat_sequence_becomes_zeros() {
        let (values, mut normalised) = (vec![5.0_f32; 100], vec![1.0; 100]);
        let inside = [0..40, 41..100];
        normalise(&values, &inside, measured(&values, &inside, 5.0), &mut normalised);
        assert!(normalised[40] > 0.0, "outside stays");
        assert_eq!(normalised.iter().filter(|&&v| v == 0.0).count(), 99);
    }

    #[test]
    fn runs_hold_what_is_positive_in_some_scan() {
        let grid = Grid::new([3, 2, 2], volume::Affine::axis_aligned([1.0; 3], [0.0; 3]).unwrap(), &Limits::default());
        let scan = |values: [f32; 12]| Volume::new(grid.clone().unwrap(), values.to_vec()).unwrap();
        let first = scan([0.0, 1.0, 2.0, 0.0, -1.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let second = scan([0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 9.0]);
        assert_eq!(positive(&[first, second]), [1..4, 6..7, 11..12]);
    }
}
