//! A phantom as volumes, and as a case on disk.

use super::{FULL_SHAPE, Phantom, phantom};
use crate::labels::{LabelMap, LabelScheme, Tissue, encode_labels};
use crate::study::Sequence;
use rayon::prelude::*;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;
use volume::nifti::{self, Geometry, NiftiError};
use volume::{Affine, Grid, Limits, Volume, VolumeError};

/// Why a phantom could not be written.
#[derive(Debug, Error)]
pub enum PhantomError {
    /// The folder for the case could not be made or given its name.
    #[error("{}: the folder cannot be made; choose an output folder that you may write to", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] NiftiError),
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
}

/// Writes the full-size phantom of a seed as a case in its own folder under `folder`, and returns that folder.
///
/// Files are named as in `BraTS` 2018 to 2021 (`phantom_0001_t1.nii.gz`, `_t1ce`, `_t2`, `_flair`, `_seg`), scans int16,
/// labels in the scheme [`LabelScheme::Brats2020`]. The folder gets its name when all five files are whole; files of an
/// older run are replaced one by one.
///
/// # Errors
/// [`PhantomError::Folder`] or [`PhantomError::File`], naming the path; nothing half-written stays behind.
pub fn write_phantom(folder: &Path, seed: u64) -> Result<PathBuf, PhantomError> {
    let phantom = phantom(seed, FULL_SHAPE);
    let target = folder.join(&phantom.name);
    if target.is_dir() {
        write_files(&phantom, &target)?;
        return Ok(target);
    }
    let refused = |path: &Path| {
        let path = path.to_path_buf();
        move |source| PhantomError::Folder { path, source }
    };
    std::fs::create_dir_all(folder).map_err(refused(folder))?;
    let unfinished = folder.join(format!(".{}.unfinished", phantom.name));
    std::fs::create_dir_all(&unfinished).map_err(refused(&unfinished))?;
    let written = write_files(&phantom, &unfinished)
        .and_then(|()| std::fs::rename(&unfinished, &target).map_err(refused(&target)));
    if let Err(fault) = written {
        // The first fault is the one to tell; a folder that cannot be removed is hidden and taken up by the next run.
        std::fs::remove_dir_all(&unfinished).ok();
        return Err(fault);
    }
    Ok(target)
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

fn write_files(phantom: &Phantom, folder: &Path) -> Result<(), PhantomError> {
    let geometry = Geometry::from_grid(&phantom.grid()?);
    let path = |ending: &str| folder.join(format!("{}_{ending}.nii.gz", phantom.name));
    let jobs: [Option<Sequence>; 5] =
        [None, Some(Sequence::T1n), Some(Sequence::T1c), Some(Sequence::T2w), Some(Sequence::T2f)];
    jobs.into_par_iter().try_for_each(|job| {
        if let Some(sequence) = job {
            nifti::write_scan(&path(ending(sequence)), &phantom.scan(sequence)?, &geometry)?;
        } else {
            let labels = encode_labels(&phantom.label_map()?, LabelScheme::Brats2020);
            nifti::write_mask(&path("seg"), &labels, &geometry)?;
        }
        Ok(())
    })
}
