//! A phantom as volumes, and as a case on disk.

use super::{FULL_SHAPE, Phantom, phantom};
use crate::labels::{LabelMap, LabelScheme, Tissue, encode_labels};
use crate::staging::{OutputError, Staging};
use crate::study::Sequence;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use thiserror::Error;
use volume::nifti::{self, Geometry, NiftiError};
use volume::{Affine, Grid, Limits, Volume, VolumeError};

/// Why a phantom could not be written.
#[derive(Debug, Error)]
pub enum PhantomError {
    /// Its folder cannot be filled.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The voxels do not fit the files: an invariant is broken.
    #[error(transparent)]
    File(NiftiError),
    /// The shape is no grid.
    #[error(transparent)]
    Grid(#[from] VolumeError),
}

impl Phantom {
    /// The grid of the challenges: 1 mm, stored LPS, the first voxel at (0, ny - 1, 0) mm RAS.
    ///
    /// # Errors
    /// [`VolumeError`] if the shape has an empty axis or more voxels than the default limits.
    pub fn grid(&self) -> Result<Grid, VolumeError> {
        let back = self.shape[1] as f64 - 1.0;
        let affine = Affine::new([[-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, back], [0.0, 0.0, 1.0, 0.0]])?;
        Grid::new(self.shape, affine, &Limits::default())
    }

    /// The scan of a sequence.
    ///
    /// # Errors
    /// As [`Phantom::grid`].
    pub fn scan(&self, sequence: Sequence) -> Result<Volume<f32>, VolumeError> {
        Volume::new(self.grid()?, self.scans[sequence.index()].iter().map(|value| f32::from(*value)).collect())
    }

    /// The tissues from which the scans were drawn.
    ///
    /// # Errors
    /// As [`Phantom::grid`].
    pub fn label_map(&self) -> Result<LabelMap, VolumeError> {
        let tissues = self.labels.iter().map(|code| Tissue::from_code(*code).unwrap_or_default());
        Volume::new(self.grid()?, tissues.collect())
    }

    /// Writes the phantom as a case in its own folder under `folder`, and returns that folder.
    ///
    /// Files are named as in `BraTS` 2018 to 2021 (`phantom_0001_t1.nii.gz`, `_t1ce`, `_t2`, `_flair`, `_seg`), scans
    /// int16, labels in the scheme [`LabelScheme::Brats2020`]. All five appear together ([`Staging`]).
    ///
    /// # Errors
    /// [`PhantomError::Output`], naming the folder; nothing half-written stays behind.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, PhantomError> {
        let target = folder.join(&self.name);
        let staging = Staging::begin(&target)?;
        self.write_files(&staging.folder()).map_err(|fault| told_of(&staging, fault))?;
        staging.commit()?;
        Ok(target)
    }

    fn write_files(&self, folder: &Path) -> Result<(), PhantomError> {
        let geometry = Geometry::from_grid(&self.grid()?);
        let path = |ending: &str| folder.join(format!("{}_{ending}.nii.gz", self.name));
        let labels = || -> Result<(), PhantomError> {
            let labels = encode_labels(&self.label_map()?, LabelScheme::Brats2020);
            nifti::write_mask(&path("seg"), &labels, &geometry).map_err(PhantomError::File)
        };
        let scan = |sequence: &Sequence| {
            nifti::write_scan(&path(ending(*sequence)), &self.scan(*sequence)?, &geometry).map_err(PhantomError::File)
        };
        let (labels, scans) = rayon::join(labels, || Sequence::ALL.par_iter().try_for_each(scan));
        labels.and(scans)
    }
}

/// Writes the full-size phantom of a seed as [`Phantom::write`] does, and returns the case's folder.
///
/// # Errors
/// As [`Phantom::write`].
pub fn write_phantom(folder: &Path, seed: u64) -> Result<PathBuf, PhantomError> {
    phantom(seed, FULL_SHAPE).write(folder)
}

/// The fault with the folder that was asked for: the hidden one is nobody's business.
fn told_of(staging: &Staging, fault: PhantomError) -> PhantomError {
    if let PhantomError::File(NiftiError::InFile { fault, .. }) = fault {
        let fault = *fault;
        if let NiftiError::Unwritable { cause } = fault {
            staging.refused(cause).into()
        } else {
            PhantomError::File(fault)
        }
    } else {
        fault
    }
}

/// The ending of a file's name by sequence, as the challenges up to 2021 have it.
fn ending(sequence: Sequence) -> &'static str {
    match sequence {
        Sequence::T1n => "t1",
        Sequence::T1c => "t1ce",
        Sequence::T2w => "t2",
        Sequence::T2f => "flair",
    }
}
