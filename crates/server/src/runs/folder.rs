//! Folders of runs on disk. A name is compared with those that are there and never made into a path, so no name leads
//! anywhere else; links are not followed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use segment::evaluate::METRICS as EVALUATION;
use segment::recipe::Recipe;
use serde_json::Value;

use super::curves;

/// What a training writes at each step.
const CURVES: &str = "metrics.jsonl";
/// What it was asked for.
const RECIPE: &str = "recipe.toml";
/// What it leaves at its end.
const MODEL: &str = "model.safetensors";
/// An evaluation for people.
const REPORT: &str = "report.html";

/// The most bytes of evaluations that are read for one list; what is beyond is left out.
const EVALUATIONS_BYTES: u64 = 32 << 20;

/// A training run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunFacts {
    pub(super) name: String,
    pub(super) step: Option<u64>,
    pub(super) steps: Option<u64>,
    pub(super) is_done: bool,
    pub(super) updated_at: Option<Timestamp>,
}

/// An evaluation.
#[derive(Clone, Debug)]
pub(super) struct EvaluationFacts {
    pub(super) name: String,
    pub(super) created_at: Option<Timestamp>,
    pub(super) metrics: Value,
    pub(super) report: Option<PathBuf>,
}

/// The folders inside of a folder that hold a plain file of a name, by name. A folder that is not there holds none.
fn holding(root: &Path, file: &str) -> io::Result<Vec<(String, PathBuf)>> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let is_plain = fs::symlink_metadata(path.join(file)).is_ok_and(|about| about.is_file());
        if entry.file_type()?.is_dir()
            && is_plain
            && let Ok(name) = entry.file_name().into_string()
        {
            found.push((name, path));
        }
    }
    found.sort();
    Ok(found)
}

/// The folder of a name, if there is one that holds a file.
fn named(root: &Path, name: &str, file: &str) -> io::Result<Option<PathBuf>> {
    Ok(holding(root, file)?.into_iter().find(|(known, _)| known == name).map(|(_, path)| path))
}

/// All training runs.
pub(super) fn runs(root: &Path) -> io::Result<Vec<RunFacts>> {
    let facts = |(name, path): (String, PathBuf)| {
        let steps = fs::read_to_string(path.join(RECIPE)).ok();
        let steps =
            steps.and_then(|text| Recipe::parse(&text, Path::new(RECIPE)).ok()).map(|recipe| recipe.training.steps());
        RunFacts {
            step: last_step(&path.join(CURVES)),
            steps,
            is_done: path.join(MODEL).is_file(),
            updated_at: changed_at(&path.join(CURVES)),
            name,
        }
    };
    Ok(holding(root, CURVES)?.into_iter().map(facts).collect())
}

/// A run's curves, at the place where lines after a step may begin; nothing if there is no such run.
pub(super) fn curves_of(root: &Path, name: &str, after: Option<u64>) -> io::Result<Option<fs::File>> {
    let Some(path) = named(root, name, CURVES)? else { return Ok(None) };
    let mut file = fs::File::open(path.join(CURVES))?;
    curves::seek(&mut file, after)?;
    Ok(Some(file))
}

/// All evaluations.
pub(super) fn evaluations(root: &Path) -> io::Result<Vec<EvaluationFacts>> {
    let (mut found, mut left) = (Vec::new(), EVALUATIONS_BYTES);
    for (name, path) in holding(root, EVALUATION)? {
        let file = path.join(EVALUATION);
        let Some(rest) = left.checked_sub(fs::metadata(&file)?.len()) else { continue };
        left = rest;
        let Ok(metrics) = serde_json::from_slice(&fs::read(&file)?) else { continue };
        let report =
            Some(path.join(REPORT)).filter(|path| fs::symlink_metadata(path).is_ok_and(|about| about.is_file()));
        found.push(EvaluationFacts { name, created_at: changed_at(&file), metrics, report });
    }
    Ok(found)
}

/// The page of an evaluation, if there is one.
pub(super) fn report(root: &Path, name: &str) -> io::Result<Option<fs::File>> {
    named(root, name, REPORT)?.map(|path| fs::File::open(path.join(REPORT))).transpose()
}

/// The step of the last whole line.
fn last_step(path: &Path) -> Option<u64> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = fs::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(1 << 16))).ok()?;
    let mut tail = String::new();
    file.take(1 << 16).read_to_string(&mut tail).ok()?;
    tail.lines().rev().find_map(curves::step)
}

fn changed_at(path: &Path) -> Option<Timestamp> {
    Timestamp::try_from(fs::metadata(path).ok()?.modified().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_read_and_names_lead_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let (root, secret) = (folder.path().join("runs"), folder.path().join("secret"));
        for path in [&root.join("one"), &root.join("eval"), &secret] {
            fs::create_dir_all(path).unwrap();
        }
        let lines = "{\"step\":0,\"train/loss\":1.5}\n{\"step\":1,\"train/loss\":1.25}\n{\"step\":2,\"trai";
        fs::write(root.join("one").join(CURVES), lines).unwrap();
        fs::write(secret.join(CURVES), lines).unwrap();
        fs::write(root.join("eval").join(EVALUATION), "{\"version\":1}").unwrap();
        std::os::unix::fs::symlink(&secret, root.join("link")).unwrap();
        let found = runs(&root).unwrap();
        assert_eq!(found.len(), 1, "links are not followed: {found:?}");
        assert_eq!((found[0].name.as_str(), found[0].step, found[0].is_done), ("one", Some(1), false));
        assert!(curves_of(&root, "one", None).unwrap().is_some());
        for name in ["../secret", "link", "", ".", "..", "one/../one", "/etc", "one\0"] {
            assert!(curves_of(&root, name, None).unwrap().is_none(), "{name:?}");
            assert!(report(&root, name).unwrap().is_none(), "{name:?}");
        }
        assert_eq!(evaluations(&root).unwrap()[0].metrics["version"], 1);
        assert!(runs(&folder.path().join("nowhere")).unwrap().is_empty());
    }
}
