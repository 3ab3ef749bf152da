//! Masks in a folder, by the case that they are of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use walkdir::{DirEntry, WalkDir};

use crate::dataset::{FoundCase, Problem, Role, find};
use crate::deliver::{LABELS, REPORT};
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

/// The masks of experts: of a data set, else any masks; and what cannot be read, which may hide cases.
///
/// # Errors
/// Those of [`find`].
pub(super) fn references(folder: &Path) -> Result<(Masks, Vec<(String, Problem)>), SegmentError> {
    let mut masks = Masks::new();
    let mut hidden = Vec::new();
    for case in find(&[folder.to_owned()])? {
        let is_hidden = |problem: &&Problem| matches!(problem, Problem::Unreadable { .. } | Problem::NotUnicode { .. });
        hidden.extend(case.problems.iter().find(is_hidden).map(|problem| (case.name.clone(), problem.clone())));
        let own = of_case(&case);
        if !own.is_empty() {
            masks.entry(case.name).or_default().extend(own);
        }
    }
    Ok((if masks.is_empty() { predictions(folder) } else { masks }, hidden))
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
/// `CASE-seg.nii.gz`, at any depth. What cannot be opened is not there.
pub(super) fn predictions(folder: &Path) -> Masks {
    let mut masks = Masks::new();
    let is_seen = |entry: &DirEntry| entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.');
    let entries = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter().filter_entry(is_seen);
    for entry in entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_file()) {
        if let Some((case, mask)) = prediction(entry.path()) {
            masks.entry(case).or_default().push(mask);
        }
    }
    masks
}

/// What a report beside a mask says of it.
#[derive(Deserialize)]
struct Beside {
    case: String,
    label_scheme: LabelScheme,
}

fn prediction(path: &Path) -> Option<(String, Mask)> {
    let name = path.file_name()?.to_str()?;
    let stem = [".nii.gz", ".nii"].into_iter().find_map(|ending| name.strip_suffix(ending))?;
    let folder = path.parent()?;
    if name == LABELS || stem == "labels" {
        let report = Some(folder.join(REPORT)).filter(|report| report.is_file());
        let beside = report.and_then(|report| serde_json::from_slice::<Beside>(&read_text(&report).ok()?).ok());
        let scheme = beside.as_ref().map(|report| report.label_scheme);
        let case = beside.map(|report| report.case).or_else(|| folder_name(folder))?;
        let scheme = scheme.or_else(|| LabelScheme::of_case_name(&case));
        return Some((case, Mask { path: path.to_owned(), scheme }));
    }
    let (before, ending) = stem.rsplit_once(['-', '_', '.']).unwrap_or(("", stem));
    let ending = ending.to_ascii_lowercase();
    let case = match (ENDINGS.contains(&ending.as_str()), SCANS.contains(&ending.as_str())) {
        (true, _) if before.is_empty() => folder_name(folder)?,
        (true, _) => before.to_owned(),
        (false, true) => return None,
        (false, false) => stem.to_owned(),
    };
    let scheme = LabelScheme::of_case_name(&case);
    Some((case, Mask { path: path.to_owned(), scheme }))
}

fn folder_name(folder: &Path) -> Option<String> {
    let whole = folder.canonicalize().ok()?;
    Some(whole.file_name()?.to_string_lossy().into_owned())
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
        let found = predictions(root.path());
        let schemes: Vec<_> = found.iter().map(|(case, masks)| (case.as_str(), masks.len(), masks[0].scheme)).collect();
        let expected = [
            ("BraTS-SSA-00001-000", 1, Some(LabelScheme::Brats2023)),
            ("BraTS2021_00002", 1, Some(LabelScheme::Brats2020)),
            ("case10", 1, None),
            ("case9", 1, None),
            ("patient7", 1, Some(LabelScheme::Msd)),
        ];
        assert_eq!(schemes, expected);
    }
}
