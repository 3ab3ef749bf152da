//! What may not enter the repository: scans of patients, files heavier than they are worth, code from odd places.

use crate::tree::{File, Finding, Tree};

/// A golden file holds a small case; what needs more is a property test.
const GOLDEN_BYTES: u64 = 200_000;
const MODEL_BYTES: u64 = 40_000_000;
const OTHER_BYTES: u64 = 2_000_000;

const SCANS: [&str; 6] = [".nii", ".nii.gz", ".dcm", ".mha", ".nrrd", ".npz"];

/// The one place that dependencies come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Fails for a scan anywhere, for a dependency from elsewhere than crates.io, and for a file above the limit of its kind.
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
    findings.extend(odd_sources(tree));
    findings
}

/// Locked dependencies that come from a git repository or another registry. (cargo-deny says more, where it runs.)
fn odd_sources(tree: &Tree) -> Vec<Finding> {
    let Some(lock) = tree.file("Cargo.lock") else { return Vec::new() };
    let sources =
        lock.text.lines().enumerate().filter_map(|(at, line)| Some((at + 1, line.strip_prefix("source = ")?)));
    let odd = sources.filter(|(_, source)| source.trim_matches('"') != REGISTRY);
    odd.map(|(line, source)| lock.finding(line, format!("a dependency from {source}"), "Take a release from crates.io"))
        .collect()
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

    #[test]
    fn dependencies_from_elsewhere_are_found() {
        let lock = format!("source = \"{REGISTRY}\"\nsource = \"git+https://example.org/a#1\"\n");
        let found = check(&Tree::of(&[("Cargo.lock", &lock)]));
        assert_eq!(found.len(), 1, "the git one: {found:?}");
        assert_eq!(found[0].line, 2, "{}", found[0]);
    }
}
