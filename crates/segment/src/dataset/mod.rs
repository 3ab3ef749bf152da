//! Cases on disk: found by name, in folders of any depth, with everything that is wrong about them.

mod manifest;
mod msd;
mod naming;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use volume::Limits;
use walkdir::WalkDir;

use crate::error::SegmentError;
use crate::labels::{LabelMap, LabelScheme, read_labels};
use crate::study::{Sequence, SourceFile};

/// What a file of a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The scan of a sequence.
    Scan(Sequence),
    /// The mask of an expert.
    Seg,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scan(sequence) => sequence.fmt(f),
            Self::Seg => f.write_str("the mask"),
        }
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Scan(sequence) => sequence.name(),
            Self::Seg => "seg",
        })
    }
}

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

/// What is wrong with a case on disk; displayed with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Problem {
    /// No file for a sequence.
    Missing {
        /// The sequence.
        sequence: Sequence,
    },
    /// More than one file for a sequence or the mask.
    Doubled {
        /// What they are.
        role: Role,
        /// All of them.
        files: Vec<PathBuf>,
    },
    /// Several cases in one folder, not all of them whole.
    SharesFolder {
        /// The other cases.
        with: Vec<String>,
    },
    /// DICOM files instead of NIfTI.
    Dicom {
        /// Where they lie.
        folder: PathBuf,
    },
    /// A list names a file that is not there.
    NoSuchFile {
        /// What it should be.
        role: Role,
        /// Where it should be.
        path: PathBuf,
    },
    /// A folder or list that cannot be read.
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Another case of the same name, found before.
    SameName {
        /// Where the other one is.
        other: PathBuf,
    },
    /// NIfTI files, but no name says a sequence.
    NotNamed {
        /// The files.
        files: Vec<PathBuf>,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { sequence } => {
                let words = match sequence {
                    Sequence::T1n => "t1n or t1",
                    Sequence::T1c => "t1c, t1ce, t1gd or t1post",
                    Sequence::T2w => "t2w or t2",
                    Sequence::T2f => "t2f or flair",
                };
                write!(f, "{sequence} is missing; add a file whose name carries {words}")
            }
            Self::Doubled { role, files } => write!(f, "{role} is there more than once ({}); keep one", names(files)),
            Self::SharesFolder { with } => {
                write!(f, "the folder also holds {}; give each case its own folder", with.join(", "))
            }
            Self::Dicom { folder } => write!(
                f,
                "{} holds DICOM files; convert them to NIfTI with dcm2niix first and name the results by sequence",
                folder.display()
            ),
            Self::NoSuchFile { role, path } => {
                write!(f, "{role} should be {}, which does not exist; correct the list", path.display())
            }
            Self::Unreadable { path, why } => write!(f, "{} cannot be read ({why})", path.display()),
            Self::SameName { other } => {
                write!(f, "a case of this name was found before in {}; keep one of them", other.display())
            }
            Self::NotNamed { files } => write!(
                f,
                "no file name says its sequence ({}); rename the files so that they carry t1n, t1c, t2w and t2f",
                names(files)
            ),
        }
    }
}

impl Problem {
    /// Whether the scans cannot be read because of it.
    fn concerns_scans(&self) -> bool {
        match self {
            Self::Doubled { role, .. } | Self::NoSuchFile { role, .. } => *role != Role::Seg,
            Self::SameName { .. } => false,
            Self::Missing { .. }
            | Self::SharesFolder { .. }
            | Self::Dicom { .. }
            | Self::Unreadable { .. }
            | Self::NotNamed { .. } => true,
        }
    }
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
        let missing = Sequence::ALL.into_iter().filter(|&sequence| self.scan(sequence).is_none());
        let missing: Vec<Problem> = missing.map(|sequence| Problem::Missing { sequence }).collect();
        let is_doubled = |sequence| {
            self.problems.iter().any(|p| match p {
                Problem::Doubled { role, .. } | Problem::NoSuchFile { role, .. } => *role == Role::Scan(sequence),
                _ => false,
            })
        };
        let missing: Vec<Problem> = missing
            .into_iter()
            .filter(|p| !matches!(p, Problem::Missing { sequence } if is_doubled(*sequence)))
            .collect();
        self.problems.extend(missing);
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
            cases.extend(msd::read(path).map_err(|source| SegmentError::Json { path: path.clone(), source })?);
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

fn find_in_folder(root: &Path, cases: &mut Vec<FoundCase>) {
    let mut folders: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for entry in WalkDir::new(root).follow_links(true).sort_by_file_name() {
        match entry {
            Ok(entry) if entry.file_type().is_file() => {
                let folder = entry.path().parent().unwrap_or(root).to_path_buf();
                folders.entry(folder).or_default().push(entry.into_path());
            }
            Ok(_) => {}
            Err(error) => {
                let path = error.path().unwrap_or(root).to_path_buf();
                let why = error.io_error().map_or_else(|| "a link leads in a circle".to_owned(), ToString::to_string);
                cases.push(FoundCase::with_problem(&path, Problem::Unreadable { path: path.clone(), why }));
            }
        }
    }
    let mut listed: Vec<PathBuf> = Vec::new();
    for (folder, files) in folders {
        if listed.iter().any(|listed| folder.starts_with(listed)) {
            continue;
        }
        match files
            .iter()
            .find(|file| file.file_name().is_some_and(|name| name == msd::FILE))
            .map(|file| msd::read(file))
        {
            Some(Ok(found)) if !found.is_empty() => {
                cases.extend(found);
                listed.push(folder);
            }
            None | Some(Ok(_) | Err(_)) => cases.extend(cases_of_folder(&folder, &files)),
        }
    }
}

/// The files of one case in one folder, by role.
#[derive(Default)]
struct Group {
    names: Vec<String>,
    key: String,
    files: BTreeMap<Role, Vec<PathBuf>>,
}

impl Group {
    fn has_scans(&self) -> bool {
        self.files.keys().any(|role| *role != Role::Seg)
    }

    fn is_whole(&self) -> bool {
        Sequence::ALL.iter().all(|&sequence| self.files.contains_key(&Role::Scan(sequence)))
    }

    /// The files' common name for the case, else its part that all share, else the folder's name.
    fn name(&self, folder: &Path) -> String {
        let name = match self.names.as_slice() {
            [first, rest @ ..] if rest.iter().all(|name| name == first) => first,
            _ => &self.key,
        };
        if name.is_empty() { folder_name(folder) } else { name.clone() }
    }
}

/// The cases whose files lie directly in a folder.
fn cases_of_folder(folder: &Path, files: &[PathBuf]) -> Vec<FoundCase> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut not_named = Vec::new();
    for file in files {
        let Some(stem) = file.file_name().and_then(|name| name.to_str()).and_then(naming::nifti_stem) else { continue };
        match naming::parse(stem) {
            Some(named) => {
                let group = groups.entry(named.key.clone()).or_default();
                group.key = named.key;
                group.names.push(named.case);
                group.files.entry(named.role).or_default().push(file.clone());
            }
            None if stem == "labels" => {} // Glioscope's own output
            None => not_named.push(file.clone()),
        }
    }
    if groups.is_empty() {
        return match (not_named.is_empty(), files.iter().take(DICOM_LOOKS).any(|file| is_dicom(file))) {
            (false, _) => vec![FoundCase::with_problem(folder, Problem::NotNamed { files: not_named })],
            (true, true) => vec![FoundCase::with_problem(folder, Problem::Dicom { folder: folder.into() })],
            (true, false) => vec![],
        };
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    take_in_stray_mask(&mut groups);
    let names: Vec<String> = groups.iter().map(|group| group.name(folder)).collect();
    let all_whole = groups.iter().all(Group::is_whole);
    groups
        .into_iter()
        .enumerate()
        .map(|(at, group)| {
            let is_whole = group.is_whole();
            let mut case = case_of(group, names[at].clone(), folder);
            if names.len() > 1 && !all_whole && !is_whole {
                let with = names.iter().enumerate().filter(|&(other, _)| other != at).map(|(_, name)| name.clone());
                case.problems.push(Problem::SharesFolder { with: with.collect() });
            }
            case
        })
        .collect()
}

/// BraTS 2020 has a mask under another name than its scans: a lone mask belongs to the lone case without one.
fn take_in_stray_mask(groups: &mut Vec<Group>) {
    let (mut with_scans, mut strays): (Vec<Group>, Vec<Group>) = groups.drain(..).partition(Group::has_scans);
    if let ([case], [stray]) = (with_scans.as_mut_slice(), strays.as_mut_slice())
        && !case.files.contains_key(&Role::Seg)
    {
        case.files.append(&mut stray.files);
        strays.clear();
    }
    groups.append(&mut with_scans);
    groups.append(&mut strays);
}

fn case_of(group: Group, name: String, folder: &Path) -> FoundCase {
    let mut case = FoundCase::empty(name, folder);
    case.scheme = LabelScheme::of_case_name(&case.name);
    for (role, mut files) in group.files {
        match (files.len(), role) {
            (2.., _) => case.problems.push(Problem::Doubled { role, files }),
            (_, Role::Scan(sequence)) => case.scans[sequence.index()] = files.pop().map(ScanFile::whole),
            (_, Role::Seg) => case.seg = files.pop().map(ScanFile::whole),
        }
    }
    case.note_missing();
    case
}

/// How many files of a folder without NIfTI are looked at for DICOM.
const DICOM_LOOKS: usize = 8;

/// DICOM by name, or by the letters at byte 128 (PS3.10, section 7.1).
fn is_dicom(file: &Path) -> bool {
    let by_name = file.extension().is_some_and(|e| e.eq_ignore_ascii_case("dcm") || e.eq_ignore_ascii_case("ima"))
        || file.file_name().is_some_and(|name| name == "DICOMDIR");
    let mut start = [0; 132];
    by_name || File::open(file).and_then(|mut f| f.read_exact(&mut start)).is_ok() && &start[128..] == b"DICM"
}

/// The last part of a folder's path, of `.` too.
fn folder_name(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.into());
    whole.file_name().map_or_else(|| whole.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn names(files: &[PathBuf]) -> String {
    let name = |file: &PathBuf| file.file_name().map(|name| name.to_string_lossy().into_owned());
    files.iter().filter_map(name).collect::<Vec<_>>().join(", ")
}
