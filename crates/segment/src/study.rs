//! The four scans of one visit, read from disk and checked.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use volume::nifti::{self, NiftiError};
use volume::{Grid, Limits, Mm, Volume};

use crate::dataset::{FoundCase, ScanFile};
use crate::error::{Axis, ScanName, SegmentError};
use crate::labels::voxel_at;

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

/// The SHA-256 of a file's bytes; written as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 is written as 64 hexadecimal digits")]
pub struct NotADigest;

impl TryFrom<String> for Digest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NotADigest);
        }
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| NotADigest)?;
        }
        Ok(Self(bytes))
    }
}

/// A file that a study was read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Where it lay.
    pub path: PathBuf,
    /// The hash of its bytes as they lay there (compressed, if they were).
    pub sha256: Digest,
}

impl SourceFile {
    /// The file at `path` whose content is `bytes`.
    pub fn of(path: &Path, bytes: &[u8]) -> Self {
        Self { path: path.into(), sha256: Digest::of(bytes) }
    }
}

/// The four scans of one visit: on one grid, every voxel finite.
#[derive(Clone, Debug)]
pub struct Study {
    name: String,
    scans: [Volume<f32>; 4],
    geometry: nifti::Geometry,
    sources: [SourceFile; 4],
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
        let study = Self { name, scans, geometry, sources };
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
        let files = found.complete_scans()?;
        let mut paths: Vec<&Path> = files.iter().map(|file| file.path.as_path()).collect();
        paths.sort_unstable();
        paths.dedup();
        let images: Vec<ReadFile> =
            paths.par_iter().map(|path| ReadFile::read(path, limits)).collect::<Result<_, _>>()?;
        let mut images: BTreeMap<&Path, ReadFile> = paths.into_iter().zip(images).collect();
        let geometry = images[files[0].path.as_path()].geometry.clone();
        let sources = files.map(|file| images[file.path.as_path()].source.clone());
        for (first, second) in pairs() {
            if files[first.index()] == files[second.index()] {
                return Err(twice(&sources, first, second));
            }
        }
        let [a, b, c, d] = files.map(|file| match images.get_mut(file.path.as_path()) {
            Some(image) => image.take(file),
            None => Err(SegmentError::NoCase { path: file.path.clone() }),
        });
        let study = Self::new(found.name.clone(), [a?, b?, c?, d?], geometry, sources)?;
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
        }
        for (first, second) in pairs() {
            if self.scan(first).voxels() == self.scan(second).voxels() {
                return Err(twice(&self.sources, first, second));
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

fn pairs() -> impl Iterator<Item = (Sequence, Sequence)> {
    Sequence::ALL
        .into_iter()
        .flat_map(|first| Sequence::ALL.into_iter().filter(move |&second| first < second).map(move |s| (first, s)))
}

fn twice(sources: &[SourceFile; 4], first: Sequence, second: Sequence) -> SegmentError {
    let name = |sequence: Sequence| ScanName::new(sequence, &sources[sequence.index()].path);
    SegmentError::SameScanTwice { scans: Box::new([name(first), name(second)]) }
}

/// One file in memory, its volumes waiting to be taken.
struct ReadFile {
    volumes: Vec<Option<Volume<f32>>>,
    geometry: nifti::Geometry,
    source: SourceFile,
}

impl ReadFile {
    fn read(path: &Path, limits: &Limits) -> Result<Self, SegmentError> {
        let bytes = read_bytes(path, limits)?;
        let image = parse(path, &bytes, limits)?;
        let source = SourceFile::of(path, &bytes);
        Ok(Self { volumes: image.volumes.into_iter().map(Some).collect(), geometry: image.geometry, source })
    }

    fn take(&mut self, file: &ScanFile) -> Result<Volume<f32>, SegmentError> {
        let n_volumes = self.volumes.len();
        let index = match file.volume {
            Some(index) => index,
            None if n_volumes == 1 => 0,
            None => return Err(SegmentError::SeveralVolumes { path: file.path.clone(), n_volumes }),
        };
        let taken = self.volumes.get_mut(index).and_then(Option::take);
        taken.ok_or_else(|| SegmentError::VolumeMissing { path: file.path.clone(), index, n_volumes })
    }
}

/// The bytes of a file, not read if it is larger than the limits allow.
///
/// # Errors
/// [`SegmentError::Io`] or [`SegmentError::TooLarge`].
pub(crate) fn read_bytes(path: &Path, limits: &Limits) -> Result<Vec<u8>, SegmentError> {
    let io = |source| SegmentError::Io { path: path.into(), source };
    let about = fs::metadata(path).map_err(io)?;
    if !about.is_file() {
        return Err(unreadable(path, NiftiError::NotAFile));
    }
    if about.len() > limits.max_file_bytes {
        return Err(SegmentError::TooLarge { path: path.into(), bytes: about.len(), limit: limits.max_file_bytes });
    }
    fs::read(path).map_err(io)
}

/// Parses a `NIfTI` file's bytes, naming the file in the error.
pub(crate) fn parse(path: &Path, bytes: &[u8], limits: &Limits) -> Result<nifti::Image, SegmentError> {
    nifti::parse(bytes, limits).map_err(|fault| unreadable(path, fault))
}

fn unreadable(path: &Path, fault: NiftiError) -> SegmentError {
    SegmentError::Unreadable { path: path.into(), fault: Box::new(fault) }
}
