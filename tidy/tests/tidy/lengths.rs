//! How long a file may be: one idea each.

use crate::rust::{lines_without_tests, split};
use crate::tree::{Finding, Tree};

const WARN_ABOVE: usize = 400;
const FAIL_ABOVE: usize = 600;

const REMEDY: &str = "Find the second idea in it and give it a file";

/// Code files that fail, and those that only deserve a look. Test modules at the foot do not count.
pub(crate) struct Lengths {
    pub(crate) failures: Vec<Finding>,
    pub(crate) warnings: Vec<Finding>,
}

/// Measures every Rust and Python file. A file of tests only ever warns.
pub(crate) fn check(tree: &Tree) -> Lengths {
    let mut lengths = Lengths { failures: Vec::new(), warnings: Vec::new() };
    for file in tree.with_extension("rs").chain(tree.with_extension("py")) {
        let lines = if file.extension() == "rs" && !file.is_test() {
            lines_without_tests(&split(&file.text).code)
        } else {
            file.text.lines().count()
        };
        if lines > FAIL_ABOVE && !file.is_test() {
            lengths.failures.push(file.finding(
                1,
                format!("{lines} lines without tests, {FAIL_ABOVE} are allowed"),
                REMEDY,
            ));
        } else if lines > WARN_ABOVE {
            lengths.warnings.push(file.finding(1, format!("{lines} lines, more than {WARN_ABOVE}"), REMEDY));
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_at_the_foot_do_not_count() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn a() {}\n".repeat(700));
        let check_text =
            |code: usize| check(&Tree::of(&[("crates/a/src/a.rs", &("fn a() {}\n".repeat(code) + &tests))]));
        assert!(check_text(400).warnings.is_empty() && check_text(400).failures.is_empty(), "400 lines pass");
        assert_eq!(check_text(401).warnings.len(), 1, "401 lines warn");
        assert_eq!(check_text(601).failures.len(), 1, "601 lines fail");
    }

    #[test]
    fn test_files_only_warn() {
        let lengths = check(&Tree::of(&[("crates/a/tests/a.rs", &"fn a() {}\n".repeat(900))]));
        assert!(lengths.failures.is_empty() && lengths.warnings.len() == 1, "one warning");
    }
}
