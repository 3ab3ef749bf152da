//! Cases in folders: files told apart by their names.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::{FoundCase, Problem, Role, ScanFile, msd, naming};
use crate::labels::LabelScheme;
use crate::study::Sequence;

/// Adds the cases below a folder.
pub(super) fn find_in_folder(root: &Path, cases: &mut Vec<FoundCase>) {
    let mut folders: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    // Hidden folders are unfinished or belong to other programs.
    let is_open = |entry: &DirEntry| entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".");
    for entry in WalkDir::new(root).follow_links(true).sort_by_file_name().into_iter().filter_entry(is_open) {
        match entry {
            Ok(entry) if entry.path().to_str().is_none() => {
                let case = not_unicode(&entry);
                cases.extend(case.filter(|case| cases.last().is_none_or(|last| last.place != case.place)));
            }
            Ok(entry) if entry.file_type().is_file() => {
                let folder = entry.path().parent().unwrap_or(root).to_path_buf();
                folders.entry(folder).or_default().push(entry.into_path());
            }
            Ok(_) => {}
            Err(error) => {
                let (path, problem) = Problem::unlisted(&error, root);
                cases.push(FoundCase::with_problem(&path, problem));
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

/// A file for a case whose name no report could carry. It is said, not left out: it may be a whole patient.
fn not_unicode(entry: &DirEntry) -> Option<FoundCase> {
    let is_scan = entry.file_type().is_file() && naming::nifti_stem(&entry.file_name().to_string_lossy()).is_some();
    let place = PathBuf::from(entry.path().parent()?.to_string_lossy().into_owned());
    let name = entry.path().to_string_lossy().into_owned();
    is_scan.then(|| FoundCase::with_problem(&place, Problem::NotUnicode { name }))
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
pub(super) fn folder_name(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.into());
    whole.file_name().map_or_else(|| whole.display().to_string(), |name| name.to_string_lossy().into_owned())
}
