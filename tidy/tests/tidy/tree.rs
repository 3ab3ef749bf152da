//! The files of the repository as the rules see them, and what a rule says when it finds something.

use std::fmt;
use std::path::Path;

use walkdir::{DirEntry, WalkDir};

/// Folders that hold nothing of ours: build output, training runs, data, caches.
const NOT_OURS: [&str; 7] = [".git", "target", "runs", "shared", "node_modules", "dist", "__pycache__"];

/// One file: its path from the root with `/`, its size in bytes, and its text (empty if it is not UTF-8).
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) text: String,
}

/// All files of the repository, in the order of their paths.
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

/// One breach of one rule. Its text says where, what, and what to do.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) what: String,
    pub(crate) remedy: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}. {}.", self.path, self.line, self.what, self.remedy)
    }
}

impl Tree {
    /// Reads the repository that this crate stands in.
    pub(crate) fn read() -> Tree {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let walk = WalkDir::new(&root).sort_by_file_name().into_iter();
        let files = walk
            .filter_entry(is_ours)
            // A file that another process removes while we walk is no finding.
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_file())
            .filter_map(|entry| {
                let path = entry.path().strip_prefix(&root).ok()?.to_str()?.replace('\\', "/");
                let bytes = std::fs::read(entry.path()).ok()?;
                Some(File { path, size: bytes.len() as u64, text: String::from_utf8(bytes).unwrap_or_default() })
            })
            .collect();
        Tree { files }
    }

    /// A tree in memory, for the tests of the rules.
    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        let file = |&(path, text): &(&str, &str)| File {
            path: path.to_owned(),
            size: text.len() as u64,
            text: text.to_owned(),
        };
        Tree { files: files.iter().map(file).collect() }
    }

    /// The file at `path`, if the tree holds it.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Files whose name ends with `.extension`.
    pub(crate) fn with_extension<'a>(&'a self, extension: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| file.extension() == extension)
    }

    /// Manifests of the workspace's members, with the member's folder name (`volume`, `tidy`).
    pub(crate) fn manifests(&self) -> impl Iterator<Item = (&str, &File)> {
        self.files.iter().filter_map(|file| {
            let folder = file.path.strip_suffix("/Cargo.toml")?;
            Some((folder.rsplit('/').next().unwrap_or(folder), file))
        })
    }
}

impl File {
    /// A finding in this file.
    pub(crate) fn finding(&self, line: usize, what: String, remedy: &'static str) -> Finding {
        Finding { path: self.path.clone(), line, what, remedy }
    }

    /// The number (from 1) of the first line that satisfies `wanted`, else 1.
    pub(crate) fn line_where(&self, wanted: impl Fn(&str) -> bool) -> usize {
        self.text.lines().position(wanted).map_or(1, |at| at + 1)
    }

    /// What follows the last dot of the path: `rs`; empty without a dot.
    pub(crate) fn extension(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, end)| end)
    }

    /// Whether the whole file is test or benchmark code.
    pub(crate) fn is_test(&self) -> bool {
        self.path.split('/').any(|folder| folder == "tests" || folder == "benches")
    }
}

fn is_ours(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_str().unwrap_or_default();
    if entry.file_type().is_dir() {
        !NOT_OURS.contains(&name)
    } else {
        entry.path().extension() != Some("part".as_ref())
    }
}
