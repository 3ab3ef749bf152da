//! Task 1 of the Medical Segmentation Decathlon: 4-D scans listed in `dataset.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{FoundCase, Problem, Role, ScanFile, naming};
use crate::labels::LabelScheme;
use crate::source::read_text;

/// The list's name.
pub(super) const FILE: &str = "dataset.json";

/// The part of `dataset.json` that matters here.
#[derive(Deserialize)]
struct List {
    /// Channel number to sequence, `{"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}`.
    #[serde(default)]
    modality: BTreeMap<usize, String>,
    /// Stored number to tissue.
    #[serde(default)]
    labels: BTreeMap<usize, String>,
    #[serde(default)]
    training: Vec<Pair>,
    #[serde(default)]
    test: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Pair {
    image: PathBuf,
    label: PathBuf,
}

/// The cases of a Decathlon list; none if it lists no brain tumours.
pub(super) fn read(path: &Path) -> Result<Vec<FoundCase>, serde_json::Error> {
    let text = read_text(path).map_err(serde_json::Error::io)?;
    let list: List = serde_json::from_slice(&text)?;
    let sequences: Vec<_> =
        list.modality.iter().filter_map(|(&channel, name)| Some((naming::sequence(name)?, channel))).collect();
    if sequences.is_empty() {
        return Ok(vec![]);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let scheme = scheme(&list.labels);
    let pairs = list.training.into_iter().map(|pair| (pair.image, Some(pair.label)));
    let all = pairs.chain(list.test.into_iter().map(|image| (image, None)));
    Ok(all
        .map(|(image, label)| {
            let image = folder.join(image);
            let name = image.file_name().and_then(|name| name.to_str()).and_then(naming::nifti_stem);
            let mut case = FoundCase::empty(name.unwrap_or_default().to_owned(), path);
            case.scheme = scheme;
            if let Some(label) = label.map(|label| folder.join(label)) {
                note_absent(&mut case, Role::Seg, &label);
                case.seg = Some(ScanFile::whole(label));
            }
            for &(sequence, channel) in &sequences {
                case.scans[sequence.index()] = Some(ScanFile { path: image.clone(), volume: Some(channel) });
                note_absent(&mut case, Role::Scan(sequence), &image);
            }
            case.note_missing();
            case
        })
        .collect())
}

pub(super) fn note_absent(case: &mut FoundCase, role: Role, path: &Path) {
    if !path.is_file() {
        case.problems.push(Problem::NoSuchFile { role, path: path.into() });
    }
}

/// The Decathlon's scheme, if the list's names of the labels do not contradict it.
fn scheme(labels: &BTreeMap<usize, String>) -> Option<LabelScheme> {
    let says = |code, word: &str| labels.get(&code).is_none_or(|name| name.to_ascii_lowercase().contains(word));
    (says(1, "edema") && says(2, "non-enhancing") && says(3, "enhancing")).then_some(LabelScheme::Msd)
}
