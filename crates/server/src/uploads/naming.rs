//! What senders call their files: cleaned, and sorted into the cases that the names imply.
//!
//! Names may be a person's. They are shown to their sender only, and forgotten when the upload becomes studies.

use std::collections::BTreeMap;

use segment::dataset::{Role, named};
use unicode_normalization::UnicodeNormalization;

use super::fault::{Fault, Flaw};

/// The most characters of a name, folders included.
const LONGEST: usize = 400;

/// The most characters of a group's key (the column's width).
pub(crate) const LONGEST_KEY: usize = 191;

/// A name with its folders: composed Hangul, `/` between folders, no empty or `.` parts.
///
/// # Errors
/// [`Flaw::BadName`] for `..`, control characters, no name at all and one that is too long.
pub(crate) fn cleaned(name: &str) -> Result<String, Fault> {
    let composed: String = name.nfc().collect::<String>().replace('\\', "/");
    let parts: Vec<&str> = composed.split('/').map(str::trim).filter(|part| !part.is_empty() && *part != ".").collect();
    let shown: String = composed.chars().filter(|c| !c.is_control()).take(80).collect();
    if parts.contains(&"..") {
        return Err(
            Flaw::BadName.says(format!("{shown}: a name must not lead out of its folder (..). Rename the file."))
        );
    }
    if parts.is_empty() || composed.chars().any(char::is_control) {
        return Err(Flaw::BadName.says(format!("{shown:?} is no file name. Rename the file.")));
    }
    if composed.chars().count() > LONGEST {
        return Err(
            Flaw::BadName.says(format!("{shown}...: the name has more than {LONGEST} characters. Rename the file."))
        );
    }
    Ok(parts.join("/"))
}

/// Whether a cleaned name is one of those that operating systems add by themselves.
pub(crate) fn is_noise(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX")
        || matches!(last(name).to_ascii_lowercase().as_str(), "thumbs.db" | "desktop.ini")
}

/// The name without its folders.
pub(crate) fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The folders of a name.
fn folder(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// What the names of several files imply: the group of each, and each group's title.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grouping {
    /// In the order of the names.
    pub(crate) keys: Vec<String>,
    /// By key: what a person would call the case.
    pub(crate) titles: BTreeMap<String, String>,
}

/// One name, taken apart.
struct Part<'a> {
    name: &'a str,
    folder: &'a str,
    named: Option<segment::dataset::Named>,
}

/// Sorts files into cases: first by what is common in their names, else by their folder. A file whose name says nothing
/// goes with the only case of its folder.
pub(crate) fn grouping(names: &[&str]) -> Grouping {
    let parts: Vec<Part<'_>> =
        names.iter().map(|name| Part { name, folder: folder(name), named: named(last(name)) }).collect();
    let mut keys: Vec<Option<String>> = parts.iter().map(|part| own_key(part, &parts)).collect();
    for n in 0..parts.len() {
        if keys[n].is_none() {
            keys[n] = Some(neighbour_key(&parts[n], &parts, &keys));
        }
    }
    let keys: Vec<String> =
        keys.into_iter().map(|key| key.unwrap_or_default().chars().take(LONGEST_KEY).collect()).collect();
    let mut titles = BTreeMap::new();
    for key in &keys {
        let members: Vec<&Part<'_>> =
            parts.iter().zip(&keys).filter(|(_, other)| *other == key).map(|(part, _)| part).collect();
        titles.entry(key.clone()).or_insert_with(|| title(&members));
    }
    Grouping { keys, titles }
}

/// What a person would call the case of these files: what all names say, else their folder.
fn title(members: &[&Part<'_>]) -> String {
    let mut cases: Vec<&str> = members
        .iter()
        .filter_map(|part| part.named.as_ref())
        .map(|named| named.case.as_str())
        .filter(|case| !case.is_empty())
        .collect();
    let first = cases.first().copied().unwrap_or_default();
    cases.dedup_by_key(|case| case.to_lowercase());
    let folder = members.first().map_or("", |part| last(part.folder));
    if cases.len() == 1 || folder.is_empty() { first.to_owned() } else { folder.to_owned() }
}

/// The key that a name itself implies; nothing if it says nothing.
fn own_key(part: &Part<'_>, all: &[Part<'_>]) -> Option<String> {
    let named = part.named.as_ref()?;
    if named.key.is_empty() || is_one_case(part.folder, all) {
        return Some(format!("{}/", part.folder));
    }
    // The same case in several folders: one visit whose sequences lie apart, unless a sequence comes twice.
    let mut firsts: Vec<(&str, Role)> = Vec::new(); // one a role, so that many files of one name take no longer
    let comes_twice = all
        .iter()
        .filter_map(|other| Some((other.folder, other.named.as_ref()?)))
        .filter(|(_, other)| other.key == named.key)
        .any(|(folder, other)| {
            let first = firsts.iter().find(|first| first.1 == other.role).map(|first| first.0);
            if first.is_none() {
                firsts.push((folder, other.role));
            }
            first.is_some_and(|first| first != folder)
        });
    Some(if comes_twice { format!("{}/{}", part.folder, named.key) } else { format!("/{}", named.key) })
}

/// Whether a folder holds three sequences or more, each once, and no two names agree on the case: `3_t1`, `5_t1_gd`, `7_flair`.
fn is_one_case(folder: &str, all: &[Part<'_>]) -> bool {
    let inside: Vec<&segment::dataset::Named> =
        all.iter().filter(|part| part.folder == folder).filter_map(|part| part.named.as_ref()).collect();
    let scans = inside.iter().filter(|named| matches!(named.role, Role::Scan(_))).count();
    let is_new = |n: usize| inside[..n].iter().all(|other| other.role != inside[n].role && other.key != inside[n].key);
    scans >= 3 && (0..inside.len()).all(is_new)
}

/// The key for a file whose name says nothing: the case of its folder that its name begins with, the only case of its
/// folder, else the folder itself.
fn neighbour_key(part: &Part<'_>, all: &[Part<'_>], keys: &[Option<String>]) -> String {
    let lower = last(part.name).to_lowercase();
    let mut near: Vec<(&String, &str)> = all
        .iter()
        .zip(keys)
        .filter(|(other, _)| other.folder == part.folder)
        .filter_map(|(other, key)| Some((key.as_ref()?, other.named.as_ref().map_or("", |named| named.key.as_str()))))
        .collect();
    near.sort_unstable();
    near.dedup_by(|a, b| a.0 == b.0);
    let begins =
        near.iter().filter(|(_, case)| !case.is_empty() && lower.starts_with(case)).max_by_key(|(_, case)| case.len());
    match (begins, &near[..]) {
        (Some((key, _)), _) | (None, [(key, _)]) => (*key).clone(),
        (None, _) => format!("{}/", part.folder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], expected: &[usize], titles: &[&str]) {
        let found = grouping(names);
        let mut order: Vec<&String> = Vec::new();
        let numbers: Vec<usize> = found
            .keys
            .iter()
            .map(|key| {
                order.iter().position(|known| *known == key).unwrap_or_else(|| {
                    order.push(key);
                    order.len() - 1
                })
            })
            .collect();
        assert_eq!(numbers, expected, "{names:?}: {:?}", found.keys);
        let found: Vec<&str> = order.iter().map(|key| found.titles[*key].as_str()).collect();
        assert_eq!(found, titles, "{names:?}");
    }

    #[test]
    fn names_are_cleaned() {
        assert_eq!(cleaned("a\\b//./c.nii").unwrap(), "a/b/c.nii");
        assert_eq!(cleaned("\u{1112}\u{1161}\u{11ab}.nii").unwrap(), "\u{d55c}.nii", "decomposed Hangul");
        for bad in ["../a.nii", "a/../../b.nii", "", "/", "a\u{0}.nii", "a\nb.nii", &"x".repeat(401)] {
            assert_eq!(cleaned(bad).unwrap_err().code, Flaw::BadName, "{bad:?}");
        }
        assert!(is_noise("__MACOSX/a/._b.nii") && is_noise("a/.DS_Store") && is_noise("x/Thumbs.db"));
        assert!(!is_noise("a.b/c.nii.gz"));
    }

    #[test]
    fn shared_stems_make_cases() {
        check(
            &["P1_t1.nii.gz", "P2_t1.nii.gz", "P1_flair.nii.gz", "P2_T2.nii.gz", "P1_seg.nii.gz"],
            &[0, 1, 0, 1, 0],
            &["P1", "P2"],
        );
        check(
            &["BraTS-GLI-1-000-t1n.nii.gz", "BraTS-GLI-1-001-t1n.nii.gz"],
            &[0, 1],
            &["BraTS-GLI-1-000", "BraTS-GLI-1-001"],
        );
        check(&["T1/P1_t1.nii", "T2/P1_t2.nii"], &[0, 0], &["P1"]);
        check(&["2020/P1_t1.nii", "2021/P1_t1.nii", "2021/P1_t2.nii"], &[0, 1, 1], &["P1", "P1"]);
    }

    #[test]
    fn folders_make_cases() {
        check(&["Kim/t1.nii", "Kim/t2.nii", "Lee/t1.nii"], &[0, 0, 1], &["Kim", "Lee"]);
        check(&["x/3_t1.nii", "x/5_t1_gd.nii", "x/7_flair.nii", "x/9_t2.nii"], &[0, 0, 0, 0], &["x"]);
        check(&["a/scan1.nii", "a/scan2.nii", "b/scan1.nii"], &[0, 0, 1], &["a", "b"]);
        check(&["t1.nii", "image.nii"], &[0, 0], &[""]);
        check(&["P1_t1.nii", "P2_t1.nii", "p2_extra.nii"], &[0, 1, 1], &["P1", "P2"]);
    }
}
