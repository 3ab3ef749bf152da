//! Masks in a folder, by the case that they are of.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use walkdir::{DirEntry, WalkDir};

use crate::dataset::{FoundCase, Problem, Role, find, nifti_stem};
use crate::deliver::REPORT;
use crate::error::SegmentError;
use crate::labels::LabelScheme;
use crate::source::read_text;

/// A mask on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mask {
    pub(super) path: PathBuf,
    /// What its numbers mean, if its report or the naming says it.
    pub(super) scheme: Option<LabelScheme>,
}

/// The masks of each case; more than one is an ambiguity.
pub(super) type Masks = BTreeMap<String, Vec<Mask>>;

/// Endings of a mask's name that are not part of the case's.
const ENDINGS: [&str; 5] = ["seg", "segm", "segmentation", "mask", "pred"];

/// Endings of scans, which may lie beside masks.
const SCANS: [&str; 9] = ["t1", "t1n", "t1c", "t1ce", "t1gd", "t2", "t2w", "t2f", "flair"];

/// What cannot be read and may be or hide a mask, by the name of the case that it may be of.
pub(super) type Hidden = Vec<(String, Problem)>;

/// The masks of experts: of a data set, else any masks; and what cannot be read, which may hide cases.
///
/// # Errors
/// Those of [`find`].
pub(super) fn references(folder: &Path) -> Result<(Masks, Hidden), SegmentError> {
    let mut masks = Masks::new();
    let mut hidden = Hidden::new();
    for case in find(&[folder.to_owned()])? {
        let is_hidden = |problem: &&Problem| matches!(problem, Problem::Unreadable { .. } | Problem::NotUnicode { .. });
        hidden.extend(case.problems.iter().find(is_hidden).map(|problem| (case.name.clone(), problem.clone())));
        let own = of_case(&case);
        if !own.is_empty() {
            masks.entry(case.name).or_default().extend(own);
        }
    }
    if masks.is_empty() {
        let (any, more) = predictions(folder);
        let more: Hidden = more.into_iter().filter(|of| !hidden.contains(of)).collect();
        hidden.extend(more);
        return Ok((any, hidden));
    }
    Ok((masks, hidden))
}

fn of_case(case: &FoundCase) -> Vec<Mask> {
    let doubled = case.problems.iter().find_map(|problem| {
        if let Problem::Doubled { role: Role::Seg, files } = problem { Some(files.clone()) } else { None }
    });
    let one = case.seg.iter().map(|file| file.path.clone()).collect();
    let mask = |path| Mask { path, scheme: case.scheme };
    doubled.unwrap_or(one).into_iter().map(mask).collect()
}

/// Predicted masks: `labels.nii.gz` in a folder named after the case (or beside a report that names it), `CASE.nii.gz`,
/// `CASE-seg.nii.gz`, at any depth; and what cannot be read, which may hide some.
pub(super) fn predictions(folder: &Path) -> (Masks, Hidden) {
    let (mut masks, mut hidden) = (Masks::new(), Hidden::new());
    let is_seen = |entry: &DirEntry| entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.');
    for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter().filter_entry(is_seen) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => match prediction(entry.path()) {
                Some((case, Ok(mask))) => masks.entry(case).or_default().push(mask),
                Some((case, Err(problem))) => hidden.push((case, problem)),
                None => {}
            },
            Ok(_) => {}
            Err(error) => {
                let (path, problem) = Problem::unlisted(&error, folder);
                hidden.extend(case_behind(&path).map(|case| (case, problem)));
            }
        }
    }
    (masks, hidden)
}

/// What a report beside a mask says of it.
#[derive(Deserialize)]
struct Beside {
    case: String,
    label_scheme: LabelScheme,
}

/// The case that a file is a mask of, and the mask, or why it cannot be told.
fn prediction(path: &Path) -> Option<(String, Result<Mask, Problem>)> {
    let name = path.file_name()?.to_string_lossy();
    let folder = path.parent()?;
    let (case, scheme) = match case_in(&name)? {
        "labels" => match report_beside(folder) {
            Ok(Some(report)) => (report.case, Some(report.label_scheme)),
            Ok(None) => (folder_name(folder)?, None),
            Err(problem) => return Some((folder_name(folder)?, Err(problem))),
        },
        "" => (folder_name(folder)?, None),
        case => (case.to_owned(), None),
    };
    if path.file_name()?.to_str().is_none() {
        return Some((case, Err(Problem::NotUnicode { name: path.to_string_lossy().into_owned() })));
    }
    let scheme = scheme.or_else(|| LabelScheme::of_case_name(&case));
    Some((case, Ok(Mask { path: path.to_owned(), scheme })))
}

/// The case in the name of a mask's file, empty if it names none; nothing for other files.
fn case_in(name: &str) -> Option<&str> {
    let stem = nifti_stem(name)?;
    let (before, ending) = stem.rsplit_once(['-', '_', '.']).unwrap_or(("", stem));
    let ending = ending.to_ascii_lowercase();
    match (ENDINGS.contains(&ending.as_str()), SCANS.contains(&ending.as_str())) {
        (true, _) => Some(before),
        (false, true) => None,
        (false, false) => Some(stem),
    }
}

/// The case of which what cannot be looked into may be or hold the mask; nothing for a scan.
fn case_behind(path: &Path) -> Option<String> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let case = if nifti_stem(&name).is_some() { case_in(&name)? } else { name.as_ref() };
    if matches!(case, "labels" | "") { folder_name(path.parent()?) } else { Some(case.to_owned()) }
}

fn folder_name(folder: &Path) -> Option<String> {
    let whole = folder.canonicalize().ok()?;
    Some(whole.file_name()?.to_string_lossy().into_owned())
}

/// Glioscope's report in a folder, if it is there; another program's file of that name says nothing.
fn report_beside(folder: &Path) -> Result<Option<Beside>, Problem> {
    let path = folder.join(REPORT);
    let fault = |why: String| Problem::Unreadable { path: path.clone(), why };
    let text = match read_text(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| fault(error.to_string()))?,
    };
    match serde_json::from_slice(&text) {
        Ok(report) => Ok(Some(report)),
        Err(error) if error.is_data() => Ok(None),
        Err(error) => Err(fault(format!("it is damaged: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_mask_is_of_the_case_that_its_name_or_folder_or_report_says() {
        let root = tempfile::tempdir().unwrap();
        let make = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        make("BraTS2021_00002/labels.nii.gz", "");
        make("out7/labels.nii.gz", "");
        make("out7/report.json", r#"{"case": "patient7", "label_scheme": "msd", "more": 1}"#);
        make("BraTS-SSA-00001-000.nii.gz", "");
        make("deep/er/case9-seg.nii.gz", "");
        make("case10/mask.nii", "");
        make(".out.dead.partial/labels.nii.gz", "");
        make("deep/er/case9-t1n.nii.gz", "");
        make("note.txt", "");
        make("out8/labels.nii.gz", "");
        make("out8/report.json", r#"{"case": "patient8", "label_sch"#);
        make("case11/labels.nii.gz", "");
        make("case11/report.json", r#"{"of": "another program"}"#);
        let (found, hidden) = predictions(root.path());
        let schemes: Vec<_> = found.iter().map(|(case, masks)| (case.as_str(), masks.len(), masks[0].scheme)).collect();
        let expected = [
            ("BraTS-SSA-00001-000", 1, Some(LabelScheme::Brats2023)),
            ("BraTS2021_00002", 1, Some(LabelScheme::Brats2020)),
            ("case10", 1, None),
            ("case11", 1, None),
            ("case9", 1, None),
            ("patient7", 1, Some(LabelScheme::Msd)),
        ];
        assert_eq!(schemes, expected);
        let [(case, problem)] = hidden.as_slice() else { panic!("a damaged report: {hidden:?}") };
        let said = problem.to_string();
        assert!(case == "out8" && said.contains("out8/report.json") && said.contains("damaged"), "{said}");
    }
}
