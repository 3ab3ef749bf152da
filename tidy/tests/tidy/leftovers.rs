//! What is left lying about: tests that nothing runs, holes in code, notes without an issue, paths of somebody's machine.

use crate::rust::{line_of, split, words};
use crate::tree::{File, Finding, Tree};

const HOLES: [&str; 2] = ["todo", "unimplemented"];
const NOTES: [&str; 3] = ["TODO", "FIXME", "XXX"];

/// Fails for each leftover in any text file but the lock file.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.path != "Cargo.lock") {
        findings.extend(machine_paths(file));
        if file.extension() == "rs" {
            let split = split(&file.text);
            findings.extend(holes(file, &split.code));
            findings.extend(notes(file, &split.comments));
            findings.extend(examples(file, &split.comments));
        } else {
            findings.extend(notes(file, &file.text));
        }
    }
    findings
}

/// Folders of one person's machine. Written in pieces, so that this file does not find itself.
fn machine_paths(file: &File) -> Vec<Finding> {
    let folders = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];
    let mut findings = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        // A folder of that name inside a longer path, `docs/work/`, is not at the root.
        let starts_path =
            |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
        let found = folders.iter().find(|folder| line.match_indices(*folder).any(|(at, _)| starts_path(at)));
        if let Some(folder) = found {
            let remedy = "Use a path relative to the repository, or take it as an argument";
            findings.push(file.finding(at + 1, format!("a path under `{folder}`"), remedy));
        }
    }
    findings
}

/// Skipped tests and code that is not there yet.
fn holes(file: &File, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, word) in words(code) {
        let after = &code[at + word.len()..];
        if HOLES.contains(&word) && after.starts_with('!') {
            let remedy = "Write it, or return an error that says what is missing";
            findings.push(file.finding(line_of(code, at), format!("`{word}!`"), remedy));
        }
        if word == "ignore" && code[..at].ends_with("#[") {
            let remedy = "Make the test fast enough to run, or delete it; a test that needs real scans says SKIPPED";
            findings.push(file.finding(line_of(code, at), "a test that never runs".to_owned(), remedy));
        }
    }
    findings
}

/// Code in documentation: `doctest = false` in every crate, since to look for examples costs minutes where there are none.
fn examples(file: &File, comments: &str) -> Vec<Finding> {
    let remedy = "Write a test that shows it; documentation is prose";
    let fences = comments.match_indices("```").step_by(2); // begin, not end
    fences.map(|(at, _)| file.finding(line_of(comments, at), "an example that never runs".to_owned(), remedy)).collect()
}

/// Notes to oneself that name no issue as `(#12)`.
fn notes(file: &File, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, word) in words(text).filter(|(_, word)| NOTES.contains(word)) {
        let issue = text[at + word.len()..].strip_prefix("(#").and_then(|rest| rest.chars().next());
        if !issue.is_some_and(|c| c.is_ascii_digit()) {
            let remedy = "Name the issue behind it in brackets with a #, or do it now";
            findings.push(file.finding(line_of(text, at), format!("`{word}` without an issue"), remedy));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn holes_are_found_in_code_only() {
        assert_eq!(check_one("a.rs", "fn a() { todo!() }\n"), 1, "a hole");
        assert_eq!(check_one("a.rs", "#[test]\n#[ignore]\nfn a() {}\n"), 1, "a skipped test");
        assert_eq!(
            check_one("a.rs", "// we never write todo!() or #[ignore]\nlet ignore = \"#[ignore]\";\n"),
            0,
            "words"
        );
    }

    #[test]
    fn examples_are_found() {
        assert_eq!(check_one("a.rs", "/// ```\n/// a();\n/// ```\nfn a() {}\n"), 1, "an example");
        assert_eq!(check_one("a.rs", "/// `a` is a word.\nfn a() {}\n"), 0, "prose");
    }

    #[test]
    fn notes_need_an_issue() {
        assert_eq!(check_one("a.rs", concat!("// TO", "DO: later\n")), 1, "no issue");
        assert_eq!(check_one("a.rs", concat!("// TO", "DO(#12): later\n")), 0, "an issue");
        assert_eq!(check_one("a.md", concat!("FIX", "ME\n")), 1, "prose");
    }

    #[test]
    fn machine_paths_are_found_at_the_root_only() {
        assert_eq!(check_one("a.md", concat!("see /wo", "rk/x\n")), 1, "prose");
        assert_eq!(check_one("a.toml", concat!("path = \"/ho", "me/x\"\n")), 1, "settings");
        assert_eq!(check_one("a.md", concat!("see docs/wo", "rk/x\n")), 0, "inside a longer path");
    }
}
