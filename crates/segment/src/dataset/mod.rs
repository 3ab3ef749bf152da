//! Cases on disk: found by name, in folders of any depth, with everything that is wrong about them.

mod folder;
mod manifest;
mod msd;
mod naming;
mod problem;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use volume::Limits;

use self::folder::{find_in_folder, folder_name};
pub use self::naming::{Named, named, nifti_stem};
pub use self::problem::{Problem, Role};
use crate::error::SegmentError;
use crate::labels::{LabelMap, LabelScheme, read_labels};
use crate::source::SourceFile;
use crate::study::Sequence;

/// Where a volume lies on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScanFile {
    /// The NIfTI file.
    pub path: PathBuf,
    /// Which volume of a 4-D file; none for a file of one volume.
    pub volume: Option<usize>,
}

impl ScanFile {
    /// A file of one volume.
    pub fn whole(path: PathBuf) -> Self {
        Self { path, volume: None }
    }
}

/// A case as it was found: what is there, and what is wrong. Nothing of it has been opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoundCase {
    /// From the files' names, else from the folder's.
    pub name: String,
    /// The folder, or the file that lists the case.
    pub place: PathBuf,
    /// The scans in the order of [`Sequence::ALL`].
    pub scans: [Option<ScanFile>; 4],
    /// The expert's mask.
    pub seg: Option<ScanFile>,
    /// What the mask's numbers mean, if the naming says it.
    pub scheme: Option<LabelScheme>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl FoundCase {
    /// The scan of a sequence, if there is one.
    pub fn scan(&self, sequence: Sequence) -> Option<&ScanFile> {
        self.scans[sequence.index()].as_ref()
    }

    /// The four scans in the order of [`Sequence::ALL`].
    ///
    /// # Errors
    /// [`SegmentError::Unusable`] with the problems that keep the scans from being read.
    pub fn complete_scans(&self) -> Result<[&ScanFile; 4], SegmentError> {
        let mut problems: Vec<Problem> = self.problems.iter().filter(|p| p.concerns_scans()).cloned().collect();
        if let ([Some(a), Some(b), Some(c), Some(d)], true) = (&self.scans, problems.is_empty()) {
            return Ok([a, b, c, d]);
        }
        if problems.is_empty() {
            let missing = Sequence::ALL.into_iter().filter(|&sequence| self.scan(sequence).is_none());
            problems.extend(missing.map(|sequence| Problem::Missing { sequence }));
        }
        Err(SegmentError::Unusable { case: self.name.clone(), problems })
    }

    /// Reads the expert's mask, in `scheme` or else in the one that the naming implies.
    ///
    /// # Errors
    /// [`SegmentError::NoMask`], [`SegmentError::Unusable`] if there is more than one,
    /// [`SegmentError::SchemeUnknown`], and those of [`read_labels`].
    pub fn read_labels(&self, scheme: Option<LabelScheme>, limits: &Limits) -> Result<LabelMap, SegmentError> {
        self.read_labels_with_source(scheme, limits).map(|(labels, _)| labels)
    }

    /// As [`FoundCase::read_labels`], with the file and its hash.
    ///
    /// # Errors
    /// As [`FoundCase::read_labels`].
    pub fn read_labels_with_source(
        &self,
        scheme: Option<LabelScheme>,
        limits: &Limits,
    ) -> Result<(LabelMap, SourceFile), SegmentError> {
        let problems: Vec<Problem> = self.problems.iter().filter(|p| !p.concerns_scans()).cloned().collect();
        let is_doubled = problems.iter().any(|p| matches!(p, Problem::Doubled { .. } | Problem::NoSuchFile { .. }));
        if is_doubled {
            return Err(SegmentError::Unusable { case: self.name.clone(), problems });
        }
        let file = self.seg.as_ref().ok_or_else(|| SegmentError::NoMask { case: self.name.clone() })?;
        let scheme = scheme.or(self.scheme).ok_or_else(|| SegmentError::SchemeUnknown { path: file.path.clone() })?;
        let (labels, _, source) = read_labels(&file.path, scheme, limits)?;
        Ok((labels, source))
    }

    fn empty(name: String, place: &Path) -> Self {
        Self { name, place: place.into(), scans: [const { None }; 4], seg: None, scheme: None, problems: vec![] }
    }

    fn with_problem(place: &Path, problem: Problem) -> Self {
        Self { problems: vec![problem], ..Self::empty(folder_name(place), place) }
    }

    /// Notes which sequences are missing.
    fn note_missing(&mut self) {
        for sequence in Sequence::ALL {
            let is_explained = self.problems.iter().any(|problem| problem.explains(Role::Scan(sequence)));
            if self.scan(sequence).is_none() && !is_explained {
                self.problems.push(Problem::Missing { sequence });
            }
        }
    }

    fn has_scans(&self) -> bool {
        self.scans.iter().any(Option::is_some)
    }
}

/// Finds every case under the given folders, in CSV manifests and in Decathlon `dataset.json` files; sorted by name.
///
/// Understood are the names of BraTS 2018 to 2021 (`CASE_flair`, `_t1`, `_t1ce`, `_t2`, `_seg`), of 2023 and later
/// (`CASE-t1n`, `-t1c`, `-t2w`, `-t2f`, `-seg`), a folder of four files whose names carry the sequence, Decathlon
/// task 1, and manifests with the columns case,t1n,t1c,t2w,t2f and optionally seg and scheme (paths relative to the
/// manifest). A folder that cannot be read becomes a case with that problem; it does not hide the others.
///
/// # Errors
/// A path that does not exist, or a manifest that cannot be understood.
pub fn find(paths: &[PathBuf]) -> Result<Vec<FoundCase>, SegmentError> {
    let mut cases = Vec::new();
    for path in paths {
        let about = fs::metadata(path).map_err(|source| SegmentError::Io { path: path.clone(), source })?;
        let is_csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
        if about.is_dir() {
            find_in_folder(path, &mut cases);
        } else if is_csv {
            cases.extend(manifest::read(path)?);
        } else if path.file_name().is_some_and(|name| name == msd::FILE) {
            let wanted = "a Decathlon list of cases";
            cases.extend(msd::read(path).map_err(|source| SegmentError::Json {
                path: path.clone(),
                wanted,
                source,
            })?);
        } else {
            return Err(SegmentError::NoCase { path: path.clone() });
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases.dedup_by(|later, earlier| later.has_scans() && later.name == earlier.name && later.scans == earlier.scans);
    for at in 1..cases.len() {
        if cases[at].name == cases[at - 1].name {
            let other = cases[at - 1].place.clone();
            cases[at].problems.push(Problem::SameName { other });
        }
    }
    Ok(cases)
}

/// The one case at a path.
///
/// # Errors
/// [`SegmentError::NoCase`], [`SegmentError::SeveralCases`], and those of [`find`]. Problems of the case itself
/// come when it is read.
pub fn find_one(path: &Path) -> Result<FoundCase, SegmentError> {
    let mut cases = find(&[path.into()])?;
    if cases.iter().any(FoundCase::has_scans) {
        cases.retain(FoundCase::has_scans);
    }
    if cases.len() > 1 {
        let names = cases.into_iter().map(|case| case.name).collect();
        return Err(SegmentError::SeveralCases { path: path.into(), names });
    }
    cases.pop().ok_or_else(|| SegmentError::NoCase { path: path.into() })
}
