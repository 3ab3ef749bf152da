//! What a stranger looks for first: the two commands, the licences, the pages.

use crate::tree::{Finding, Tree};

/// Pages and licences that must be there, each with words that prove what it is.
const PAGES: [(&str, &str); 10] = [
    ("README.md", "not a medical device"),
    ("ARCHITECTURE.md", "Deliberately absent"),
    ("CONTRIBUTING.md", "make check"),
    ("LICENSE-MIT", "Permission is hereby granted, free of charge"),
    ("LICENSE-APACHE", "END OF TERMS AND CONDITIONS"),
    ("models/LICENSE.md", "10.7937/jc8x-9874"),
    ("docs/conventions.md", "RAS"),
    ("docs/GLOSSARY.md", "label map"),
    ("deny.toml", "unknown-registry = \"deny\""),
    (".ci/run", "make test"),
];

/// The README's first code block, line by line: run it, test it.
const COMMANDS: [&str; 2] = ["make run", "make test"];
/// How far down the README the first command may stand.
const FIRST_LINES: usize = 12;

const LICENCE: &str = "license.workspace = true";

/// Fails for a missing page, a README that opens otherwise, and a crate without the shared licence.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, proof) in PAGES {
        if !tree.file(path).is_some_and(|file| file.text.contains(proof)) {
            let (path, what) = (path.to_owned(), format!("missing, or without \"{proof}\""));
            findings.push(Finding { path, line: 1, what, remedy: "Write it; a stranger looks for it" });
        }
    }
    findings.extend(opening(tree));
    for (_, manifest) in tree.manifests().filter(|(_, manifest)| !manifest.text.contains(LICENCE)) {
        findings.push(manifest.finding(1, "no licence".to_owned(), "Add `license.workspace = true`"));
    }
    findings
}

fn opening(tree: &Tree) -> Option<Finding> {
    let readme = tree.file("README.md")?;
    let mut lines = readme.text.lines().enumerate().skip_while(|(_, line)| !line.starts_with("```"));
    let (opens, _) = lines.next().unwrap_or((usize::MAX, ""));
    let block = lines.take_while(|(_, line)| !line.starts_with("```"));
    let commands: Vec<&str> = block.map(|(_, line)| line.split('#').next().unwrap_or("").trim()).collect();
    let fits = commands.starts_with(&COMMANDS) && opens < FIRST_LINES;
    let what = || "the first code block is not `make run`, then `make test`, within the first lines".to_owned();
    (!fits).then(|| readme.finding(1, what(), "Put the two commands first; all else can wait"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens(readme: &str) -> bool {
        opening(&Tree::of(&[("README.md", readme)])).is_none()
    }

    #[test]
    fn the_two_commands_come_first() {
        assert!(opens("# G\n\n```sh\nmake run    # a demo\nmake test   # everything\n```\n"), "as it should be");
        assert!(!opens("# G\n\n```sh\ncargo build\n```\n```\nmake run\nmake test\n```\n"), "another block before");
        assert!(!opens(&("\n".repeat(20) + "```\nmake run\nmake test\n```\n")), "too far down");
        assert!(!opens("# G\n"), "none");
    }

    #[test]
    fn missing_pages_and_licences_are_found() {
        let found = check(&Tree::of(&[("LICENSE-MIT", "all rights reserved"), ("crates/a/Cargo.toml", "[package]\n")]));
        assert_eq!(found.len(), PAGES.len() + 1, "every page, and the crate");
    }
}
