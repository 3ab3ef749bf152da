//! What may not enter the repository: scans of patients, and files that are heavier than they are worth.

use crate::tree::{File, Finding, Tree};

/// A golden file holds a small case; what needs more is a property test.
const GOLDEN_BYTES: u64 = 200_000;
const MODEL_BYTES: u64 = 40_000_000;
const OTHER_BYTES: u64 = 2_000_000;

const SCANS: [&str; 6] = [".nii", ".nii.gz", ".dcm", ".mha", ".nrrd", ".npz"];

/// Fails for a scan anywhere, and for a file above the limit of its kind.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        if SCANS.iter().any(|end| file.path.ends_with(end)) {
            let remedy = "Tests make phantoms; real scans stay outside the repository";
            findings.push(file.finding(1, "a scan in the repository".to_owned(), remedy));
        }
        let limit = limit_of(file);
        if file.size > limit {
            let what = format!("{} bytes, more than {limit}", file.size);
            findings.push(file.finding(1, what, "Make it smaller, or generate it where it is needed"));
        }
    }
    findings
}

fn limit_of(file: &File) -> u64 {
    match file.extension() {
        _ if file.path.starts_with("models/") => MODEL_BYTES,
        "bin" => GOLDEN_BYTES,
        _ => OTHER_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_and_heavy_files_are_found() {
        let heavy = "x".repeat(200_001);
        let tree = Tree::of(&[("golden/a.bin", &heavy), ("docs/a.md", &heavy), ("crates/a/tests/t1.nii.gz", "")]);
        let found = check(&tree);
        assert_eq!(found.len(), 2, "the golden file and the scan: {found:?}");
    }
}
