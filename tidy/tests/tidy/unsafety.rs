//! Where `unsafe` may stand: in `kernels`, in the files of this list, and nowhere else.

use crate::rust::{line_of, split, words};
use crate::tree::{Finding, Tree};

/// What may be unsafe, and why: files, or folders that end with `/`.
const MAY_BE_UNSAFE: [&str; 15] = [
    // Intrinsics behind a proof that the processor has them.
    "crates/kernels/src/isa/",
    "crates/kernels/src/peak.rs",
    // That zeroed memory is zeros.
    "crates/kernels/src/half.rs",
    "crates/kernels/src/bf16.rs",
    // The system's allocator with advice on large pages.
    "crates/kernels/src/pages.rs",
    // A slice that tasks share, and the kernels whose tasks each write places of their own.
    "crates/kernels/src/team.rs",
    "crates/kernels/src/conv.rs",
    "crates/kernels/src/strided/",
    "crates/kernels/src/up.rs",
    "crates/kernels/src/wgrad.rs",
    "crates/kernels/src/head.rs",
    "crates/kernels/src/norm.rs",
    "crates/kernels/src/tiles/",
    "crates/kernels/src/winograd/",
    // Memory whose neighbours are closed, for a test: an allocator, and the read that dies.
    "crates/kernels/tests/guarded/",
];

const REMEDY: &str = "Write it safely, or move it into crates/kernels and its file into tidy/tests/tidy/unsafety.rs";

/// Fails for the keyword anywhere else, tests included.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.with_extension("rs").filter(|file| !MAY_BE_UNSAFE.iter().any(|place| is_in(&file.path, place))) {
        let code = split(&file.text).code;
        for at in unsafe_words(&code) {
            findings.push(file.finding(line_of(&code, at), "`unsafe` outside its files".to_owned(), REMEDY));
        }
    }
    findings
}

/// Places of the list that need no leave any more.
pub(crate) fn unused(tree: &Tree) -> Vec<&'static str> {
    let is_used = |place: &str| {
        let mut files = tree.files.iter().filter(|file| is_in(&file.path, place));
        files.any(|file| unsafe_words(&split(&file.text).code).next().is_some())
    };
    MAY_BE_UNSAFE.into_iter().filter(|place| !is_used(place)).collect()
}

fn unsafe_words(code: &str) -> impl Iterator<Item = usize> {
    words(code).filter(|(_, word)| *word == "unsafe").map(|(at, _)| at)
}

fn is_in(path: &str, place: &str) -> bool {
    if place.ends_with('/') { path.starts_with(place) } else { path == place }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_keyword_counts() {
        let text = "#![forbid(unsafe_code)]\n// unsafe\nconst A: &str = \"unsafe\";\n";
        assert!(
            check(&Tree::of(&[("crates/unet/src/lib.rs", text)])).is_empty(),
            "words, comments and strings are free"
        );
    }

    #[test]
    fn leave_that_nobody_needs_is_found() {
        let tree =
            Tree::of(&[("crates/kernels/src/conv.rs", "unsafe {}"), ("crates/kernels/src/team.rs", "// unsafe")]);
        let unused = unused(&tree);
        assert_eq!(unused.len(), MAY_BE_UNSAFE.len() - 1, "all but conv.rs: {unused:?}");
    }

    #[test]
    fn the_keyword_is_found_outside_kernels() {
        let found = check(&Tree::of(&[("crates/unet/src/lib.rs", "fn a() {\n    unsafe { b() }\n}\n")]));
        assert_eq!(found.len(), 1, "one block");
        assert_eq!(found[0].line, 2, "{}", found[0]);
    }
}
