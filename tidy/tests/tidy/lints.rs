//! One table of lints: every member takes the workspace's, or repeats it with differences that stand here.

use toml::{Table, Value};

use crate::tree::{Finding, Tree};

/// A lint on which a member's own table differs from the workspace's.
struct Difference {
    member: &'static str,
    lint: &'static str,
    /// The member's level; none if the member leaves the lint out.
    level: Option<&'static str>,
}

const fn relaxed(member: &'static str, lint: &'static str) -> Difference {
    Difference { member, lint, level: Some("allow") }
}

/// In both crates the code follows the formula: indices and sizes are cast where they are multiplied, a kernel has the
/// arguments of its formula, and comparing floats for equality is the point of a twin.
const DIFFERENCES: [Difference; 16] = [
    // The only crate that may be unsafe; rule `unsafe` says in which files.
    Difference { member: "kernels", lint: "unsafe_code", level: None },
    // Lanes that are called instead of inlined lose the caller's instruction set.
    relaxed("kernels", "inline_always"),
    relaxed("kernels", "cast_possible_truncation"),
    relaxed("kernels", "cast_possible_wrap"),
    relaxed("kernels", "cast_sign_loss"),
    relaxed("kernels", "float_cmp"),
    relaxed("kernels", "too_many_arguments"),
    relaxed("kernels", "too_many_lines"),
    // Index loops are unrolled into registers; zipped iterators are not inlined across instruction sets.
    relaxed("kernels", "needless_range_loop"),
    // A body that is inlined into its caller takes its arguments apart.
    relaxed("kernels", "needless_pass_by_value"),
    relaxed("unet", "cast_possible_truncation"),
    relaxed("unet", "cast_possible_wrap"),
    relaxed("unet", "cast_sign_loss"),
    relaxed("unet", "float_cmp"),
    relaxed("unet", "too_many_arguments"),
    relaxed("unet", "too_many_lines"),
];

const REMEDY: &str = "Make the tables equal, or add the difference to tidy/tests/tidy/lints.rs with its reason";

/// Fails for a member without lints, and for a difference from the workspace's table that is not listed.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(root) = tree.file("Cargo.toml").and_then(|file| file.text.parse::<Table>().ok()) else {
        return Vec::new();
    };
    let Some(shared) = root.get("workspace").and_then(|workspace| workspace.get("lints")) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (member, manifest) in tree.manifests() {
        let own = manifest.text.parse::<Table>().ok().and_then(|table| table.get("lints").cloned());
        let Some(own) = own else {
            findings.push(manifest.finding(1, "no lints".to_owned(), "Add `[lints]` with `workspace = true`"));
            continue;
        };
        if own.get("workspace") == Some(&Value::Boolean(true)) {
            continue;
        }
        for (lint, what) in differences(member, shared, &own) {
            let line = manifest.line_where(|line| line.split(['=', ' ']).next() == Some(&lint));
            findings.push(manifest.finding(line, what, REMEDY));
        }
    }
    findings
}

/// The lints on which two tables differ without leave, each with a sentence.
fn differences(member: &str, shared: &Value, own: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for tool in ["rust", "clippy"] {
        let empty = Table::new();
        let levels =
            |lints: &Value| lints.get(tool).and_then(Value::as_table).cloned().unwrap_or_else(|| empty.clone());
        let (shared, own) = (levels(shared), levels(own));
        let mut lints: Vec<&String> = shared.keys().chain(own.keys()).collect();
        lints.sort();
        lints.dedup();
        for lint in lints {
            let (theirs, ours) = (shared.get(lint), own.get(lint));
            let listed = DIFFERENCES.iter().any(|difference| {
                difference.member == member
                    && difference.lint == lint
                    && difference.level == ours.and_then(Value::as_str)
            });
            if theirs != ours && !listed {
                let what = format!("lint `{lint}` is {} here and {} in the workspace", shown(ours), shown(theirs));
                found.push((lint.clone(), what));
            }
        }
    }
    found
}

fn shown(level: Option<&Value>) -> String {
    level.map_or_else(|| "absent".to_owned(), Value::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n[workspace.lints.clippy]\ntodo = \"warn\"\n";

    fn findings(member: &str, manifest: &str) -> Vec<Finding> {
        check(&Tree::of(&[("Cargo.toml", ROOT), (&format!("crates/{member}/Cargo.toml"), manifest)]))
    }

    #[test]
    fn the_shared_table_and_listed_differences_pass() {
        assert!(findings("volume", "[lints]\nworkspace = true\n").is_empty(), "shared");
        assert!(findings("kernels", "[lints.clippy]\ntodo = \"warn\"\nfloat_cmp = \"allow\"\n").is_empty(), "listed");
    }

    #[test]
    fn silent_differences_are_found() {
        assert_eq!(findings("volume", "[package]\n").len(), 1, "no lints at all");
        assert_eq!(findings("volume", "[lints.clippy]\ntodo = \"warn\"\n").len(), 1, "unsafe_code left out by volume");
        assert_eq!(findings("kernels", "[lints.clippy]\ntodo = \"allow\"\n").len(), 1, "todo relaxed");
        let found = findings("kernels", "[lints.clippy]\ntodo = \"warn\"\nfloat_cmp = \"warn\"\n");
        assert_eq!(found.len(), 1, "a level that is not the listed one");
        assert_eq!(found[0].line, 3, "{}", found[0]);
    }
}
