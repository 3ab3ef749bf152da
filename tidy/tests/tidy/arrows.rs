//! Who may know whom: the picture in ARCHITECTURE.md, as a table.

use crate::tree::{File, Finding, Tree};

/// Each crate, and the crates of ours that it may use.
const ARROWS: [(&str, &[&str]); 8] = [
    ("volume", &[]),
    ("metrics", &["volume"]),
    ("kernels", &[]),
    ("unet", &["kernels"]),
    ("segment", &["volume", "metrics", "kernels", "unet"]),
    ("server", &["volume", "metrics", "kernels", "unet", "segment"]),
    ("cli", &["volume", "metrics", "kernels", "unet", "segment", "server"]),
    ("tidy", &[]),
];

/// Fails for an arrow that the table lacks, and for a crate that table or ARCHITECTURE.md lacks.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (member, manifest) in tree.manifests() {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == member) else {
            let what = format!("crate `{member}` has no place in the arrows");
            let remedy = "Add it to tidy/tests/tidy/arrows.rs and to ARCHITECTURE.md, and say why in docs/decisions";
            findings.push(manifest.finding(1, what, remedy));
            continue;
        };
        for used in ours_used_by(manifest).iter().filter(|used| !allowed.contains(&used.as_str())) {
            let line = manifest.line_where(|line| line.split(['.', '=', ' ']).next() == Some(used));
            let what = format!("`{member}` may not use `{used}`");
            let remedy = "Move the code to where the arrow already points, or draw the arrow in a decision first";
            findings.push(manifest.finding(line, what, remedy));
        }
    }
    findings.extend(undrawn(tree));
    findings
}

/// The crates of ours among the dependencies of a manifest, of every kind and target.
fn ours_used_by(manifest: &File) -> Vec<String> {
    let Ok(table) = manifest.text.parse::<toml::Table>() else {
        return Vec::new(); // cargo itself refuses it with a better message
    };
    let sections = |table: &toml::Table| -> Vec<toml::Table> {
        let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
        kinds.iter().filter_map(|kind| table.get(*kind)?.as_table().cloned()).collect()
    };
    let mut all = sections(&table);
    let targets = table.get("target").and_then(toml::Value::as_table);
    all.extend(
        targets.into_iter().flat_map(|targets| targets.values()).filter_map(toml::Value::as_table).flat_map(sections),
    );
    let is_ours = |name: &&String| ARROWS.iter().any(|(ours, _)| ours == name);
    all.iter().flat_map(|section| section.keys().filter(is_ours)).cloned().collect()
}

fn undrawn(tree: &Tree) -> Vec<Finding> {
    let Some(page) = tree.file("ARCHITECTURE.md") else {
        return Vec::new(); // the rule of the front pages asks for it
    };
    let named = |name: &str| page.text.contains(&format!("`{name}`"));
    let missing = ARROWS.iter().filter(|(name, _)| !named(name));
    missing
        .map(|(name, _)| page.finding(1, format!("crate `{name}` is not named"), "Say what it is and what it may use"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(manifest: &str) -> Vec<Finding> {
        check(&Tree::of(&[("crates/unet/Cargo.toml", manifest)]))
    }

    #[test]
    fn an_arrow_to_the_left_passes() {
        assert!(
            findings("[dependencies]\nkernels.workspace = true\nserde = \"1\"\n").is_empty(),
            "unet may use kernels"
        );
    }

    #[test]
    fn every_kind_of_forbidden_arrow_is_found() {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"] {
            let found = findings(&format!("[{kind}]\nvolume.workspace = true\n"));
            assert_eq!(found.len(), 1, "{kind}");
            assert_eq!(found[0].line, 2, "{kind}: {}", found[0]);
        }
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        assert_eq!(check(&Tree::of(&[("crates/gpu/Cargo.toml", "[package]\n")])).len(), 1, "gpu is not in the table");
    }
}
