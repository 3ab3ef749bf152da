//! Where `unsafe` may stand: in `kernels`, in the files of this list, and nowhere else.

use crate::rust::{line_of, split, words};
use crate::tree::{Finding, Tree};

/// Files, or folders that end with `/`, whose safety argument opens crates/kernels/src/lib.rs.
const MAY_BE_UNSAFE: [&str; 1] = ["crates/kernels/src/"];

const REMEDY: &str = "Write it safely, or move it into crates/kernels and its file into tidy/tests/tidy/unsafety.rs";

/// Fails for the keyword anywhere else, tests included.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.with_extension("rs").filter(|file| !may_be_unsafe(&file.path)) {
        let code = split(&file.text).code;
        for (at, _) in words(&code).filter(|(_, word)| *word == "unsafe") {
            findings.push(file.finding(line_of(&code, at), "`unsafe` outside its files".to_owned(), REMEDY));
        }
    }
    findings
}

fn may_be_unsafe(path: &str) -> bool {
    MAY_BE_UNSAFE
        .iter()
        .any(|allowed| if allowed.ends_with('/') { path.starts_with(allowed) } else { path == *allowed })
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
    fn the_keyword_is_found_outside_kernels() {
        let found = check(&Tree::of(&[("crates/unet/src/lib.rs", "fn a() {\n    unsafe { b() }\n}\n")]));
        assert_eq!(found.len(), 1, "one block");
        assert_eq!(found[0].line, 2, "{}", found[0]);
    }
}
