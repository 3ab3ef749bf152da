//! The four scans of one visit, read from disk and checked.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use volume::{Grid, Limits, Mm, Orientation, Volume, nifti};

use crate::dataset::FoundCase;
use crate::error::{Axis, ScanName, SegmentError};
use crate::labels::voxel_at;
use crate::source::{ReadFiles, SourceFile};

/// A kind of MR contrast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sequence {
    /// T1-weighted, native (before contrast medium).
    T1n,
    /// T1-weighted after contrast medium.
    T1c,
    /// T2-weighted.
    T2w,
    /// T2-weighted FLAIR.
    T2f,
}

impl Sequence {
    /// Every sequence, in the order of the network's input channels.
    pub const ALL: [Self; 4] = [Self::T1n, Self::T1c, Self::T2w, Self::T2f];

    /// The channel of this sequence.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The name in manifests and file names (BraTS 2023).
    pub fn name(self) -> &'static str {
        match self {
            Self::T1n => "t1n",
            Self::T1c => "t1c",
            Self::T2w => "t2w",
            Self::T2f => "t2f",
        }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::T1n => "T1n",
            Self::T1c => "T1c",
            Self::T2w => "T2w",
            Self::T2f => "T2f",
        })
    }
}

/// The four scans of one visit: on one grid, every voxel finite.
#[derive(Clone, Debug)]
pub struct Study {
    name: String,
    scans: [Volume<f32>; 4],
    geometry: nifti::Geometry,
    sources: [SourceFile; 4],
    oddities: Vec<(Sequence, nifti::Warning)>,
}

/// Two scans are on one grid when no corner of their boxes lies further apart than this along any axis.
///
/// A tenth of the finest usual voxel: the rounding of a quaternion in a header stays far below it.
pub const GRID_TOLERANCE: Mm = Mm(0.1);

impl Study {
    /// A study of four scans in the order of [`Sequence::ALL`].
    ///
    /// `geometry` is the spatial header of the first scan's file, for masks that are written back on it.
    ///
    /// # Errors
    /// [`SegmentError::ShapeMismatch`] or [`SegmentError::GridMismatch`] if the scans are not on one grid,
    /// [`SegmentError::NotFinite`] if one holds NaN or infinity.
    pub fn new(
        name: String,
        scans: [Volume<f32>; 4],
        geometry: nifti::Geometry,
        sources: [SourceFile; 4],
    ) -> Result<Self, SegmentError> {
        let study = Self { name, scans, geometry, sources, oddities: vec![] };
        let [first, others @ ..] = Sequence::ALL;
        for other in others {
            study.check_same_grid(first, other)?;
        }
        for sequence in Sequence::ALL {
            study.check_finite(sequence)?;
        }
        Ok(study)
    }

    /// A study of scans that lie in no file, such as a phantom's; the hashes are those of their voxels.
    ///
    /// # Errors
    /// As [`Study::new`].
    pub fn in_memory(name: String, scans: [Volume<f32>; 4]) -> Result<Self, SegmentError> {
        let geometry = nifti::Geometry::from_grid(scans[0].grid());
        let sources = std::array::from_fn(|i| {
            let bytes: Vec<u8> = scans[i].voxels().iter().flat_map(|v| v.to_le_bytes()).collect();
            SourceFile::of(Path::new(Sequence::ALL[i].name()), &bytes)
        });
        Self::new(name, scans, geometry, sources)
    }

    /// Reads the four scans of a case and refuses what cannot be a study.
    ///
    /// # Errors
    /// Each names the file and what to do: the case lacks a sequence or has another problem
    /// ([`SegmentError::Unusable`]), a file cannot be read, the scans are not on one grid, one is not finite, has no
    /// positive voxel, is a mask, or is given for two sequences.
    pub fn read(found: &FoundCase, limits: &Limits) -> Result<Self, SegmentError> {
        let scans = found.complete_scans()?;
        Self::from_files(found, &mut ReadFiles::of(scans.into_iter(), limits))
    }

    /// The study of files that are in memory.
    pub(crate) fn from_files(found: &FoundCase, files: &mut ReadFiles) -> Result<Self, SegmentError> {
        let places = found.complete_scans()?;
        for (first, second) in pairs() {
            if places[first.index()] == places[second.index()] {
                let scans = [first, second].map(|s| ScanName::new(s, &places[s.index()].path));
                return Err(SegmentError::SameScanTwice { scans: Box::new(scans) });
            }
        }
        let mut oddities = Vec::new();
        let mut take = |sequence: Sequence| {
            let (scan, file) = files.take(places[sequence.index()])?;
            oddities.extend(file.oddities.iter().map(|&oddity| (sequence, oddity)));
            Ok::<_, SegmentError>((scan, file.source.clone(), file.geometry.clone()))
        };
        let (t1n, t1n_file, geometry) = take(Sequence::T1n)?;
        let (t1c, t1c_file, _) = take(Sequence::T1c)?;
        let (t2w, t2w_file, _) = take(Sequence::T2w)?;
        let (t2f, t2f_file, _) = take(Sequence::T2f)?;
        let sources = [t1n_file, t1c_file, t2w_file, t2f_file];
        let [t1c, t2w, t2f] = [t1c, t2w, t2f].map(|scan| in_order_of(scan, t1n.grid()));
        let mut study = Self::new(found.name.clone(), [t1n, t1c, t2w, t2f], geometry, sources)?;
        study.oddities = oddities;
        study.check_content()?;
        Ok(study)
    }

    /// The case's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The grid of all four scans.
    pub fn grid(&self) -> &Grid {
        self.scans[0].grid()
    }

    /// The scan of a sequence.
    pub fn scan(&self, sequence: Sequence) -> &Volume<f32> {
        &self.scans[sequence.index()]
    }

    /// The scans in the order of [`Sequence::ALL`].
    pub fn scans(&self) -> &[Volume<f32>; 4] {
        &self.scans
    }

    /// The source's spatial header fields, to be written back with a mask.
    pub fn geometry(&self) -> &nifti::Geometry {
        &self.geometry
    }

    /// The files, in the order of [`Sequence::ALL`].
    pub fn sources(&self) -> &[SourceFile; 4] {
        &self.sources
    }

    /// The file of a sequence.
    pub fn source(&self, sequence: Sequence) -> &SourceFile {
        &self.sources[sequence.index()]
    }

    /// What is odd, but readable, in the files' headers.
    pub fn oddities(&self) -> &[(Sequence, nifti::Warning)] {
        &self.oddities
    }

    fn scan_name(&self, sequence: Sequence) -> ScanName {
        ScanName::new(sequence, &self.sources[sequence.index()].path)
    }

    fn check_same_grid(&self, first: Sequence, second: Sequence) -> Result<(), SegmentError> {
        let difference = grid_difference(self.scan(first).grid(), self.scan(second).grid());
        let [first_name, second_name] = [self.scan_name(first), self.scan_name(second)];
        match difference {
            None => Ok(()),
            Some(GridDifference::Shape { axis, first, second }) => Err(SegmentError::ShapeMismatch {
                scans: Box::new([first_name, second_name]),
                axis,
                lengths: [first, second],
            }),
            Some(GridDifference::Place { axis, difference }) => {
                Err(SegmentError::GridMismatch { scans: Box::new([first_name, second_name]), axis, difference })
            }
        }
    }

    fn check_finite(&self, sequence: Sequence) -> Result<(), SegmentError> {
        let scan = self.scan(sequence);
        // First without a way out of the loop, so that it runs in lanes.
        if scan.voxels().iter().fold(true, |all, v| all & v.is_finite()) {
            return Ok(());
        }
        let Some(at) = scan.voxels().iter().position(|v| !v.is_finite()) else { return Ok(()) };
        Err(SegmentError::NotFinite {
            scan: self.scan_name(sequence),
            n_voxels: scan.voxels().iter().filter(|v| !v.is_finite()).count(),
            at: voxel_at(at, scan.grid().shape()),
        })
    }

    /// Refuses scans whose values cannot be an MR sequence, and one scan given for two sequences.
    fn check_content(&self) -> Result<(), SegmentError> {
        for sequence in Sequence::ALL {
            let voxels = self.scan(sequence).voxels();
            if !voxels.iter().any(|&v| v > 0.0) {
                return Err(SegmentError::NoSignal { scan: self.scan_name(sequence) });
            }
            if looks_like_mask(voxels) {
                return Err(SegmentError::MaskGivenAsScan { scan: self.scan_name(sequence) });
            }
            let mut positive = voxels.iter().filter(|&&v| v > 0.0);
            if positive.next().is_some_and(|&first| positive.all(|v| v.to_bits() == first.to_bits())) {
                return Err(SegmentError::NoContrast { scan: self.scan_name(sequence) });
            }
        }
        for (first, second) in pairs() {
            if self.scan(first).voxels() == self.scan(second).voxels() {
                let scans = [self.scan_name(first), self.scan_name(second)];
                return Err(SegmentError::SameScanTwice { scans: Box::new(scans) });
            }
        }
        Ok(())
    }
}

/// Whether voxels are labels and not intensities: only the whole numbers 0 to 4.
pub fn looks_like_mask(voxels: &[f32]) -> bool {
    voxels.iter().all(|&v| (0.0..=4.0).contains(&v) && v.fract() == 0.0)
}

/// How two grids differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GridDifference {
    /// Another number of voxels along a voxel axis.
    Shape {
        /// The voxel axis.
        axis: Axis,
        /// The first grid's length.
        first: usize,
        /// The second grid's length.
        second: usize,
    },
    /// Another place in the world: the largest distance between corners along one world axis.
    Place {
        /// The world axis.
        axis: Axis,
        /// How far.
        difference: Mm,
    },
}

/// How `second` differs from `first` beyond [`GRID_TOLERANCE`]; `None` if they are one grid.
pub fn grid_difference(first: &Grid, second: &Grid) -> Option<GridDifference> {
    let (a, b) = (first.shape(), second.shape());
    if let Some(axis) = Axis::ALL.into_iter().find(|axis| a[axis.index()] != b[axis.index()]) {
        return Some(GridDifference::Shape { axis, first: a[axis.index()], second: b[axis.index()] });
    }
    let mut largest = (Axis::X, 0.0_f64);
    for corner in 0..8_usize {
        let at: [f64; 3] = std::array::from_fn(|i| if corner >> i & 1 == 1 { (a[i] - 1) as f64 } else { 0.0 });
        let (p, q) = (first.affine().world(at).0, second.affine().world(at).0);
        for axis in Axis::ALL {
            let distance = (p[axis.index()] - q[axis.index()]).abs();
            if distance > largest.1 {
                largest = (axis, distance);
            }
        }
    }
    (largest.1 > GRID_TOLERANCE.0).then_some(GridDifference::Place { axis: largest.0, difference: Mm(largest.1) })
}

/// The same voxels in the storage order of another grid, if that makes them lie as it does.
///
/// Files of one case may come from several programs; a scan that is stored in another order is not elsewhere.
pub fn in_order_of<T: Copy + Send + Sync>(volume: Volume<T>, grid: &Grid) -> Volume<T> {
    let [own, wanted] = [volume.grid(), grid].map(|grid| Orientation::of(grid.affine()));
    if own == wanted || grid_difference(grid, volume.grid()).is_none() {
        return volume;
    }
    wanted.from_ras(&own.to_ras(&volume))
}

fn pairs() -> impl Iterator<Item = (Sequence, Sequence)> {
    Sequence::ALL
        .into_iter()
        .flat_map(|first| Sequence::ALL.into_iter().filter(move |&second| first < second).map(move |s| (first, s)))
}
