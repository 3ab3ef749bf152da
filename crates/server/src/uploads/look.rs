//! A file that came is read once; what matters of its content is kept: grid, kind, and a sketch to recognise it by.

use std::ops::RangeInclusive;

use segment::labels::LabelScheme;
use segment::study::looks_like_mask;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use volume::{Bounds, Limits, Orientation, Volume, nifti};

use super::fault::{Fault, Flaw, of_label, of_nifti, of_scheme};
use crate::ids::Sha;
use crate::studies::facts::Facts;

/// Blocks of a sketch along each axis.
const BLOCKS: usize = 12;

/// More different numbers than any label scheme has: such a file is a scan.
const MOST_CODES: usize = 16;

/// Edges that a voxel of a scan may have, in mm. Others are of a file in metres or micrometres, or numbers that the
/// single precision of other files does not hold.
const EDGES: RangeInclusive<f64> = 0.01..=100.0;

/// No scan lies so many mm from the middle of its world.
const FARTHEST: f64 = 1e5;

/// What matters of a readable volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Look {
    /// Where it is and how to show it.
    #[serde(flatten)]
    pub(crate) facts: Facts,
    /// What the values are.
    pub(crate) values: Values,
    /// The different numbers, 0 excluded, if it can be a mask at all.
    pub(crate) codes: Option<Vec<u8>>,
    /// The hash of the voxels: two scans with the same voxels are one.
    pub(crate) voxels: Sha,
    /// Median, 95th percentile, 99.9th percentile of the positive values.
    pub(crate) levels: [f32; 3],
    /// Block means inside the brain's box, in RAS order, 0 to 255, as hexadecimal digits.
    pub(crate) sketch: String,
}

/// What the values of a volume are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Values {
    /// Intensities.
    Scan,
    /// Small whole numbers only, some above zero: labels, not intensities.
    Labels,
    /// Nothing above zero: an empty mask, or a scan without signal.
    Blank,
}

/// Looks at a file in memory. Blocks, and takes memory for all voxels twice.
///
/// # Errors
/// The fault of a file that no study can hold, whatever it is meant to be.
pub(crate) fn look(name: &str, bytes: &[u8], limits: &Limits) -> Result<Look, Fault> {
    let image = nifti::parse(bytes, limits).map_err(|error| of_nifti(name, &error))?;
    let (non_finite, n_volumes) = (image.non_finite, image.volumes.len());
    let Ok([volume]) = <[Volume<f32>; 1]>::try_from(image.volumes) else {
        return Err(Flaw::SeveralVolumes.says(format!(
            "{name}: it holds {n_volumes} volumes, where one is needed. Take it apart (for instance with fslsplit) and \
             send the four sequences as four files."
        )));
    };
    if non_finite > 0 {
        return Err(Flaw::NotFinite.says(format!(
            "{name}: {non_finite} voxels are not a number (NaN or infinite). Write the file again with 0 in their place."
        )));
    }
    let upright = Orientation::of(volume.grid().affine()).to_ras(&volume);
    let facts = Facts::of(&volume, &upright);
    if let Some(fault) = implausible(name, &facts) {
        return Err(fault);
    }
    let voxels = hash(&volume);
    drop(volume);
    let values = match upright.voxels() {
        voxels if !voxels.iter().any(|&value| value > 0.0) => Values::Blank,
        voxels if looks_like_mask(voxels) => Values::Labels,
        _ => Values::Scan,
    };
    let levels = levels(&upright);
    Ok(Look { facts, values, codes: codes(&upright), voxels, levels, sketch: sketch(&upright, levels[2]) })
}

/// The fault of a place that no scan has.
fn implausible(name: &str, facts: &Facts) -> Option<Fault> {
    let is_near = facts.rows.iter().all(|row| row[3].abs() <= FARTHEST);
    if is_near && facts.spacing.iter().all(|mm| EDGES.contains(mm)) {
        return None;
    }
    let [x, y, z] = facts.spacing;
    Some(Flaw::BadOrientation.says(format!(
        "{name}: its voxels would be {x:.3e} x {y:.3e} x {z:.3e} mm or lie far from everything, as in no scan. \
         Perhaps it is in metres or micrometres: convert it again, in millimetres."
    )))
}

impl Look {
    /// What is wrong with it as a scan, if anything.
    pub(crate) fn as_scan(&self, name: &str) -> Option<Fault> {
        match self.values {
            Values::Scan => None,
            Values::Labels => Some(Flaw::MaskGivenAsScan.says(format!(
                "{name}: it holds only the whole numbers 0 to 4, so it is a mask and not a scan. Say that it is the mask, \
                 or replace it by the scan."
            ))),
            Values::Blank => Some(Flaw::NoSignal.says(format!(
                "{name}: no voxel is above zero, so there is nothing to see. Send the file again from its source."
            ))),
        }
    }

    /// What is wrong with it as a mask whose numbers mean what `scheme` says, if anything.
    pub(crate) fn as_mask(&self, name: &str, scheme: Option<LabelScheme>) -> Option<Fault> {
        let Some(codes) = &self.codes else {
            return Some(Flaw::ScanGivenAsMask.says(format!(
                "{name}: it holds intensities and not labels. Say which sequence it is, or replace it by the mask."
            )));
        };
        if codes.is_empty() {
            return None; // no tumour, in every scheme
        }
        let Some(scheme) = scheme else { return Some(of_scheme(name, codes)) };
        codes.iter().find(|&&code| scheme.decode(code).is_none()).map(|&code| of_label(name, code, scheme))
    }

    /// The scheme that the numbers of a mask imply: only BraTS up to 2022 has a 4 and no 3.
    pub(crate) fn implied_scheme(&self) -> Option<LabelScheme> {
        let codes = self.codes.as_ref()?;
        (codes.contains(&4) && !codes.contains(&3)).then_some(LabelScheme::Brats2020)
    }

    /// The block means of the sketch.
    pub(crate) fn blocks(&self) -> Vec<f64> {
        let digits = self.sketch.as_bytes().as_chunks::<2>().0;
        digits
            .iter()
            .filter_map(|pair| std::str::from_utf8(pair).ok())
            .map(|pair| f64::from(u8::from_str_radix(pair, 16).unwrap_or(0)))
            .collect()
    }
}

/// The numbers above 0 of a volume that may be a mask.
fn codes(volume: &Volume<f32>) -> Option<Vec<u8>> {
    let mut seen = [false; 256];
    for &value in volume.voxels() {
        if !(0.0..=255.0).contains(&value) || value.fract() != 0.0 {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, 0 to 255")]
        let code = value as u8;
        seen[usize::from(code)] = true;
    }
    let codes: Vec<u8> = (1..=255).filter(|&code| seen[usize::from(code)]).collect();
    (codes.len() < MOST_CODES).then_some(codes)
}

fn hash(volume: &Volume<f32>) -> Sha {
    let mut hash = Sha256::new();
    let mut bytes = Vec::with_capacity(1 << 16);
    for chunk in volume.voxels().chunks(1 << 14) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
        hash.update(&bytes);
    }
    Sha(hash.finalize().into())
}

fn levels(volume: &Volume<f32>) -> [f32; 3] {
    let mut positive: Vec<f32> = volume.voxels().iter().copied().filter(|&value| value > 0.0).collect();
    let Some(last) = positive.len().checked_sub(1) else { return [0.0; 3] };
    [500, 950, 999].map(|per_mille| *positive.select_nth_unstable_by(last * per_mille / 1000, f32::total_cmp).1)
}

fn sketch(volume: &Volume<f32>, white: f32) -> String {
    use std::fmt::Write as _;
    let shape = volume.grid().shape();
    let bounds = Bounds::of(volume, |value| value > 0.0).unwrap_or(Bounds::whole(shape));
    let extent = bounds.shape();
    let mut sums = vec![(0.0_f64, 0_u32); BLOCKS * BLOCKS * BLOCKS];
    let block = |at: usize, axis: usize| (at - bounds.start[axis]) * BLOCKS / extent[axis];
    for z in bounds.start[2]..bounds.end[2] {
        for y in bounds.start[1]..bounds.end[1] {
            let row = shape[0] * (y + shape[1] * z);
            let base = BLOCKS * (block(y, 1) + BLOCKS * block(z, 2));
            for x in bounds.start[0]..bounds.end[0] {
                let (sum, count) = &mut sums[base + block(x, 0)];
                *sum += f64::from(volume.voxels()[row + x]);
                *count += 1;
            }
        }
    }
    let white = f64::from(white).max(f64::MIN_POSITIVE);
    let mut digits = String::with_capacity(2 * sums.len());
    for (sum, count) in sums {
        let mean = if count > 0 { sum / f64::from(count) / white } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
        let byte = (255.0 * mean).round().clamp(0.0, 255.0) as u8;
        write!(digits, "{byte:02x}").ok(); // a string takes everything
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use segment::phantom::phantom;
    use segment::study::Sequence;
    use volume::nifti::{Geometry, write_scan};

    fn file_of(volume: &Volume<f32>) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scan.nii.gz");
        write_scan(&path, volume, &Geometry::from_grid(volume.grid())).unwrap();
        std::fs::read(path).unwrap()
    }

    #[test]
    fn voxels_of_another_unit_are_refused() {
        use volume::{Affine, Grid};
        let check = |edge: f64, origin: f64, flaw: Option<Flaw>| {
            let affine = Affine::axis_aligned([edge, 1.0, 1.0], [origin, 0.0, 0.0]).unwrap();
            let grid = Grid::new([4, 4, 4], affine, &Limits::default()).unwrap();
            let found = look("a.nii", &file_of(&Volume::filled(grid, 9.0)), &Limits::default());
            assert_eq!(found.err().map(|fault| fault.code), flaw, "{edge} {origin}");
        };
        check(0.4, 120.0, None);
        check(1000.0, 0.0, Some(Flaw::BadOrientation));
        check(0.001, 0.0, Some(Flaw::BadOrientation));
        check(1.0, 1e9, Some(Flaw::BadOrientation));
    }

    #[test]
    fn a_scan_a_mask_and_nothing() {
        let head = phantom(1, [40, 48, 32]); // some of its tumour enhances
        let limits = Limits::default();
        let scan = look("a.nii", &file_of(&head.scan(Sequence::T2f).unwrap()), &limits).unwrap();
        assert_eq!((scan.values, scan.codes.is_none()), (Values::Scan, true));
        assert_eq!(scan.blocks().len(), BLOCKS * BLOCKS * BLOCKS);
        assert!(scan.as_scan("a").is_none() && scan.as_mask("a", None).unwrap().code == Flaw::ScanGivenAsMask);
        let mask = head.label_map().unwrap().map(|tissue| f32::from(LabelScheme::Brats2020.encode(tissue)));
        let mask = look("m.nii", &file_of(&mask), &limits).unwrap();
        assert_eq!((mask.values, mask.implied_scheme()), (Values::Labels, Some(LabelScheme::Brats2020)));
        assert_eq!(mask.as_scan("m").unwrap().code, Flaw::MaskGivenAsScan);
        assert_eq!(mask.as_mask("m", None).unwrap().code, Flaw::SchemeUnknown);
        assert_eq!(mask.as_mask("m", Some(LabelScheme::Msd)).unwrap().code, Flaw::UnknownLabel);
        assert!(mask.as_mask("m", Some(LabelScheme::Brats2020)).is_none());
        let blank = look("b.nii", &file_of(&head.scan(Sequence::T1n).unwrap().map(|_| 0.0)), &limits).unwrap();
        assert_eq!(blank.as_scan("b").unwrap().code, Flaw::NoSignal);
        assert!(blank.as_mask("b", None).is_none(), "an empty mask says that there is no tumour");
        assert_eq!(look("c.nii", b"hello", &limits).unwrap_err().code, Flaw::NotNifti);
    }
}
