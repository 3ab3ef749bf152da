//! Files of a study: their hashes, and their volumes on the way into it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use volume::nifti::{self, NiftiError};
use volume::{Limits, Volume};

use crate::dataset::ScanFile;
use crate::error::{SegmentError, sentence};

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
    #[serde(serialize_with = "path_as_text")]
    pub path: PathBuf,
    /// The hash of its bytes as they lay there (compressed, if they were).
    pub sha256: Digest,
}

/// A path in a report: the letters of one that is not UTF-8 as far as they can be read, since JSON holds no others.
pub(crate) fn path_as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// As [`path_as_text`].
pub(crate) fn paths_as_text<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}

impl SourceFile {
    /// The file at `path` whose content is `bytes`.
    pub fn of(path: &Path, bytes: &[u8]) -> Self {
        Self { path: path.into(), sha256: Digest::of(bytes) }
    }
}

/// The files of a case in memory, each read once, their volumes waiting to be taken.
pub(crate) struct ReadFiles {
    files: BTreeMap<PathBuf, Result<ReadFile, SegmentError>>,
}

/// One file in memory.
pub(crate) struct ReadFile {
    pub(crate) source: SourceFile,
    pub(crate) geometry: nifti::Geometry,
    pub(crate) datatype: nifti::Datatype,
    pub(crate) oddities: Vec<nifti::Warning>,
    volumes: Vec<Option<Volume<f32>>>,
}

impl ReadFiles {
    /// Reads the files, several at a time.
    pub(crate) fn of<'a>(files: impl Iterator<Item = &'a ScanFile>, limits: &Limits) -> Self {
        let mut paths: Vec<&PathBuf> = files.map(|file| &file.path).collect();
        paths.sort_unstable();
        paths.dedup();
        let read: Vec<_> = paths.par_iter().map(|path| ReadFile::read(path, limits)).collect();
        Self { files: paths.into_iter().cloned().zip(read).collect() }
    }

    /// The file and the volume, or a sentence about what is wrong with them.
    pub(crate) fn look(&self, file: &ScanFile) -> Result<(&ReadFile, &Volume<f32>), String> {
        match self.files.get(&file.path) {
            Some(Ok(read)) => {
                let index = read.index(file).map_err(|error| sentence(&error))?;
                let volume = read.volumes.get(index).and_then(Option::as_ref);
                volume.map(|volume| (read, volume)).ok_or_else(|| sentence(&read.missing(file, index)))
            }
            Some(Err(error)) => Err(sentence(error)),
            None => Err(sentence(&SegmentError::NoCase { path: file.path.clone() })),
        }
    }

    /// The volume, which is then no longer here, and its file.
    pub(crate) fn take(&mut self, file: &ScanFile) -> Result<(Volume<f32>, &ReadFile), SegmentError> {
        if let Some(Err(_)) = self.files.get(&file.path)
            && let Some(Err(error)) = self.files.remove(&file.path)
        {
            return Err(error);
        }
        match self.files.get_mut(&file.path) {
            Some(Ok(read)) => {
                let index = read.index(file)?;
                match read.volumes.get_mut(index).and_then(Option::take) {
                    Some(volume) => Ok((volume, read)),
                    None => Err(read.missing(file, index)),
                }
            }
            Some(Err(_)) | None => Err(SegmentError::NoCase { path: file.path.clone() }),
        }
    }
}

impl ReadFile {
    fn read(path: &Path, limits: &Limits) -> Result<Self, SegmentError> {
        let bytes = read_bytes(path, limits)?;
        let image = parse(path, &bytes, limits)?;
        Ok(Self {
            source: SourceFile::of(path, &bytes),
            geometry: image.geometry,
            datatype: image.datatype,
            oddities: image.warnings,
            volumes: image.volumes.into_iter().map(Some).collect(),
        })
    }

    fn index(&self, file: &ScanFile) -> Result<usize, SegmentError> {
        match (file.volume, self.volumes.len()) {
            (Some(index), _) => Ok(index),
            (None, 1) => Ok(0),
            (None, n_volumes) => Err(SegmentError::SeveralVolumes { path: file.path.clone(), n_volumes }),
        }
    }

    fn missing(&self, file: &ScanFile, index: usize) -> SegmentError {
        SegmentError::VolumeMissing { path: file.path.clone(), index, n_volumes: self.volumes.len() }
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

/// The most that a list, a split, a recipe or a report may hold: far beyond any, and an end to a device that has none.
const MOST_TEXT: u64 = 64 << 20;

/// The bytes of a text file.
///
/// # Errors
/// It cannot be read, or is too long to be meant.
pub(crate) fn read_text(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_TEXT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_TEXT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {} MiB", MOST_TEXT >> 20)));
    }
    Ok(bytes)
}

/// Parses a `NIfTI` file's bytes, naming the file in the error.
pub(crate) fn parse(path: &Path, bytes: &[u8], limits: &Limits) -> Result<nifti::Image, SegmentError> {
    nifti::parse(bytes, limits).map_err(|fault| unreadable(path, fault))
}

fn unreadable(path: &Path, fault: NiftiError) -> SegmentError {
    SegmentError::Unreadable { path: path.into(), fault: Box::new(fault) }
}
