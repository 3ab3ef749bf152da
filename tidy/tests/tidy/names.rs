//! Words that say nothing, in the names that we give: files, modules, types, functions, constants.

use crate::rust::{line_of, split, words};
use crate::tree::{File, Finding, Tree};

/// Whole parts of a name (`snake_case` and `CamelCase` taken apart) that say nothing.
const SAY_NOTHING: [&str; 15] = [
    "util",
    "utils",
    "helper",
    "helpers",
    "common",
    "misc",
    "manager",
    "handler",
    "processor",
    "service",
    "base",
    "core",
    "info",
    "data",
    "temp",
];
/// First parts of a longer name that say nothing.
const SAY_NOTHING_IN_FRONT: [&str; 2] = ["do", "my"];
/// Words of others for things that have a name here (docs/GLOSSARY.md), and that name.
const OTHERS_WORDS: [(&str, &str); 10] = [
    ("modality", "sequence"),
    ("modalities", "sequences"),
    ("gt", "reference"),
    ("preprocess", "prepare"),
    ("postprocess", "decode"),
    ("zooms", "spacing"),
    ("tumor", "tumour"),
    ("edema", "oedema"),
    ("color", "colour"),
    ("normalize", "normalise"),
];

/// Words of the command line, free in the crate that has them: `model info`, `--data`.
const FREE: [(&str, &str); 2] = [("crates/cli/", "info"), ("crates/cli/", "data")];

/// Folders whose file names are ours to choose.
const NAMED_BY_US: [&str; 5] = ["crates/", "tidy/", "golden/", "recipes/", "docs/"];

const KEYWORDS: [&str; 9] = ["fn", "struct", "enum", "union", "trait", "type", "mod", "const", "static"];

const REMEDY: &str = "Name what it is or what it gives; if that is hard, the cut is wrong (CONTRIBUTING.md, names)";

/// Fails for a banned word in a path or in a definition of Rust or Python code.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| NAMED_BY_US.iter().any(|folder| file.path.starts_with(folder))) {
        let inner = file.path.split_once('/').map_or("", |(_, inner)| inner);
        let mut parts = inner.split(['/', '.']);
        if let Some(word) = parts.find_map(nothing_said_by) {
            findings.push(file.finding(1, format!("path part `{word}`"), REMEDY));
        }
        let is_free = |word: &String| FREE.iter().any(|(folder, free)| file.path.starts_with(folder) && word == free);
        for (line, name) in definitions(file) {
            if let Some(word) = nothing_said_by(&name).filter(|word| !is_free(word)) {
                findings.push(file.finding(line, format!("`{word}` in the name `{name}`"), REMEDY));
            }
        }
    }
    findings
}

/// The names that a file defines, with their lines.
fn definitions(file: &File) -> Vec<(usize, String)> {
    match file.extension() {
        "rs" => definitions_in_rust(&split(&file.text).code),
        "py" => definitions_in_python(&file.text),
        _ => Vec::new(),
    }
}

fn definitions_in_rust(code: &str) -> Vec<(usize, String)> {
    let all: Vec<(usize, &str)> = words(code).collect();
    let mut found = Vec::new();
    for pair in all.windows(2) {
        let [(keyword_at, keyword), (name_at, name)] = [pair[0], pair[1]];
        let between = &code[keyword_at + keyword.len()..name_at];
        let is_pointer = code[..keyword_at].ends_with('*');
        if KEYWORDS.contains(&keyword) && between.trim().is_empty() && !is_pointer && !KEYWORDS.contains(&name) {
            found.push((line_of(code, name_at), name.to_owned()));
        }
    }
    found
}

fn definitions_in_python(text: &str) -> Vec<(usize, String)> {
    let name_in = |line: &str| {
        let rest = line.trim_start();
        let rest = rest.strip_prefix("def ").or_else(|| rest.strip_prefix("class "))?;
        rest.split(['(', ':', ' ']).next().map(str::to_owned)
    };
    text.lines().enumerate().filter_map(|(at, line)| Some((at + 1, name_in(line)?))).collect()
}

/// The first part of `name` that says nothing, if any.
fn nothing_said_by(name: &str) -> Option<String> {
    // A data set is a word of the field, in whatever case it is written.
    let parts = parts_of(&name.replace("data_set", "dataset").replace("DataSet", "Dataset"));
    let in_front = parts.first().filter(|first| parts.len() > 1 && SAY_NOTHING_IN_FRONT.contains(&first.as_str()));
    let banned =
        |part: &&String| SAY_NOTHING.contains(&part.as_str()) || OTHERS_WORDS.iter().any(|(word, _)| word == part);
    in_front.or_else(|| parts.iter().find(banned)).cloned()
}

/// `read_HeaderOf4` becomes `read`, `header`, `of4`.
fn parts_of(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut after_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && after_lower) {
            parts.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(part) = parts.last_mut()
        {
            part.extend(c.to_lowercase());
        }
        after_lower = c.is_lowercase() || c.is_numeric();
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn names_come_apart_at_cases_and_underscores() {
        assert_eq!(parts_of("read_HeaderOf4"), ["read", "header", "of4"], "mixed");
        assert_eq!(parts_of("SCAN_DATA"), ["scan", "data"], "constants");
    }

    #[test]
    fn whole_parts_are_banned_and_longer_words_are_not() {
        assert_eq!(
            check_one("crates/a/src/dataset.rs", "struct Database; fn template() {} fn find_data_sets() {}"),
            0,
            "free"
        );
        assert_eq!(check_one("crates/a/src/a.rs", "struct JobManager;"), 1, "camel case");
        assert_eq!(check_one("crates/a/src/a.rs", "fn do_it() {}\nfn my_scan() {}\nfn do_() {}"), 2, "in front");
        assert_eq!(check_one("crates/a/src/a.rs", "const SCAN_INFO: u8 = 0;\nconst fn data() {}"), 2, "constants");
        assert_eq!(check_one("crates/a/src/volume_utils.rs", ""), 1, "a path");
        assert_eq!(check_one("golden/a.py", "def helper():\n    pass\nclass Grid:\n"), 1, "python");
    }

    #[test]
    fn words_of_others_are_banned() {
        assert_eq!(check_one("crates/a/src/a.rs", "enum Modality {}\nfn read_gt() {}"), 2, "glossary");
    }

    #[test]
    fn words_of_the_command_line_are_free_there() {
        assert_eq!(check_one("crates/cli/src/args.rs", "struct ModelInfo;"), 0, "`model info`");
        assert_eq!(check_one("crates/unet/src/a.rs", "struct ModelInfo;"), 1, "elsewhere");
    }

    #[test]
    fn uses_are_free_and_only_definitions_count() {
        assert_eq!(check_one("crates/a/src/a.rs", "// struct Data\nlet x: *const Data = header.data();"), 0, "uses");
    }
}
