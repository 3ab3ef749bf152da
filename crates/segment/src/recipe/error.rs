//! What can be wrong with a recipe, said with the file, the line and the key.

use std::path::{Path, PathBuf};

/// Why a recipe is refused. Lines are counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file could not be read.
    #[error("cannot read the recipe {} ({source}); name a TOML file, or `default` or `original`", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key that no recipe has.
    #[error("{}, line {line}: `{key}` is no key of a recipe{}", file.display(), instead(known))]
    UnknownKey {
        /// The file.
        file: PathBuf,
        /// Where the key stands.
        line: usize,
        /// The key.
        key: String,
        /// The keys that may stand there.
        known: Vec<String>,
    },
    /// A key that every recipe has.
    #[error("{}, line {line}: the key `{key}` is missing in this section; a recipe is complete, so write it", file.display())]
    MissingKey {
        /// The file.
        file: PathBuf,
        /// Where its section begins.
        line: usize,
        /// The key.
        key: String,
    },
    /// Not TOML, or a value of the wrong kind.
    #[error("{}, line {line}: {}", file.display(), source.message())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Where.
        line: usize,
        /// What the TOML reader says.
        source: Box<toml::de::Error>,
    },
    /// A value that cannot work.
    #[error("{}, line {line}: `{}` {}", file.display(), fault.key, fault.rule)]
    Invalid {
        /// The file.
        file: PathBuf,
        /// Where the key stands.
        line: usize,
        /// The key and its rule.
        fault: Fault,
    },
}

/// A key whose value breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Full name of the key, with dots.
    pub key: &'static str,
    /// What must hold, as the end of a sentence: "must ...".
    pub rule: &'static str,
}

fn instead(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!("; here may stand {}", known.join(", ")) }
}

impl RecipeError {
    /// Sorts a refusal of the TOML reader.
    pub(super) fn of(source: toml::de::Error, text: &str, file: &Path) -> Self {
        let start = source.span().map_or(0, |span| span.start.min(text.len()));
        let file = file.to_owned();
        let mut quoted = source.message().split('`').skip(1).step_by(2).map(str::to_owned);
        if source.message().starts_with("unknown field") {
            let key = quoted.next().unwrap_or_default();
            let line = line_of_key(text, start, &key);
            return Self::UnknownKey { file, line, key, known: quoted.collect() };
        }
        let line = line_at(text, start);
        if source.message().starts_with("missing field") {
            return Self::MissingKey { file, line, key: quoted.next().unwrap_or_default() };
        }
        Self::Unreadable { file, line, source: Box::new(source) }
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&b| b == b'\n').count()
}

/// The line of a key at or after an offset: the reader points at the section where a choice has fields of its own.
pub(super) fn line_of_key(text: &str, offset: usize, key: &str) -> usize {
    let first = line_at(text, offset);
    let is_key = |line: &str| {
        line.split(['{', ',']).any(|part| part.split('=').next().is_some_and(|name| name.trim() == key))
            || line.trim().trim_matches(['[', ']']).rsplit('.').next() == Some(key)
    };
    text.lines().skip(first - 1).position(is_key).map_or(first, |after| first + after)
}
