//! Rust text taken apart far enough for the rules: what is code, what is comment, what is test.

use std::ops::Range;

/// A text split in two of the same lines: in each, what belongs to the other is spaces.
/// Strings and characters are spaces in both.
pub(crate) struct Split {
    pub(crate) code: String,
    pub(crate) comments: String,
}

/// What the scanner stands in.
#[derive(Clone, Copy)]
enum Within {
    Code,
    LineComment,
    BlockComment {
        depth: usize,
    },
    /// A string; a raw one ends at a quote and this many hashes.
    Text {
        hashes: Option<usize>,
    },
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Splits Rust source into code and comments.
pub(crate) fn split(text: &str) -> Split {
    let chars: Vec<char> = text.chars().collect();
    let mut split = Split { code: String::with_capacity(text.len()), comments: String::with_capacity(text.len()) };
    let mut within = Within::Code;
    let mut at = 0;
    while at < chars.len() {
        let (kind, next, length) = token(&chars, at, within);
        let end = (at + length).min(chars.len());
        for &c in &chars[at..end] {
            let blank = if c == '\n' { '\n' } else { ' ' };
            split.code.push(if kind == Kind::Code { c } else { blank });
            split.comments.push(if kind == Kind::Comment { c } else { blank });
        }
        at = end;
        within = next;
    }
    split
}

/// What the characters at `at` are, what follows them, and how many they are (at least one).
fn token(chars: &[char], at: usize, within: Within) -> (Kind, Within, usize) {
    let c = chars[at];
    let next = chars.get(at + 1).copied();
    match within {
        Within::Code => token_in_code(chars, at),
        Within::LineComment if c == '\n' => (Kind::Comment, Within::Code, 1),
        Within::LineComment => (Kind::Comment, within, 1),
        Within::BlockComment { depth } => match (c, next) {
            ('/', Some('*')) => (Kind::Comment, Within::BlockComment { depth: depth + 1 }, 2),
            ('*', Some('/')) if depth == 1 => (Kind::Comment, Within::Code, 2),
            ('*', Some('/')) => (Kind::Comment, Within::BlockComment { depth: depth - 1 }, 2),
            _ => (Kind::Comment, within, 1),
        },
        Within::Text { hashes: None } => match c {
            '\\' => (Kind::Literal, within, 2),
            '"' => (Kind::Literal, Within::Code, 1),
            _ => (Kind::Literal, within, 1),
        },
        Within::Text { hashes: Some(n) } => {
            let closes = c == '"' && run_of(chars, at + 1, '#') >= n;
            if closes { (Kind::Literal, Within::Code, 1 + n) } else { (Kind::Literal, within, 1) }
        }
    }
}

fn token_in_code(chars: &[char], at: usize) -> (Kind, Within, usize) {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => (Kind::Comment, Within::LineComment, 2),
        '/' if next == Some('*') => (Kind::Comment, Within::BlockComment { depth: 1 }, 2),
        '"' => (Kind::Literal, Within::Text { hashes: None }, 1),
        'r' | 'b' | 'c' if at == 0 || !is_word(chars[at - 1]) => {
            let prefix = chars[at..].iter().take(2).take_while(|c| matches!(c, 'r' | 'b' | 'c')).count();
            let raw = chars[at..at + prefix].contains(&'r');
            let hashes = run_of(chars, at + prefix, '#');
            let is_text = chars.get(at + prefix + hashes) == Some(&'"') && (raw || hashes == 0);
            if is_text {
                (Kind::Literal, Within::Text { hashes: raw.then_some(hashes) }, prefix + hashes + 1)
            } else {
                (Kind::Code, Within::Code, 1)
            }
        }
        // A character, escaped or plain; a quote that closes nothing is a lifetime.
        '\'' if next == Some('\\') => {
            let rest = chars.iter().skip(at + 3).take_while(|&&c| c != '\'').count();
            (Kind::Literal, Within::Code, 4 + rest)
        }
        '\'' if chars.get(at + 2) == Some(&'\'') => (Kind::Literal, Within::Code, 3),
        _ => (Kind::Code, Within::Code, 1),
    }
}

fn run_of(chars: &[char], from: usize, wanted: char) -> usize {
    chars.iter().skip(from).take_while(|&&c| c == wanted).count()
}

/// Whether `c` may stand inside an identifier.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The identifiers and keywords of a piece of code, with the byte at which each starts.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + code[rest..].find(is_word)?;
        let end = code[start..].find(|c| !is_word(c)).map_or(code.len(), |length| start + length);
        rest = end;
        Some((start, &code[start..end]))
    })
}

/// The line (from 1) that the byte `at` stands on.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].bytes().filter(|&b| b == b'\n').count() + 1
}

/// The byte ranges of `#[cfg(test)]` items, braces included. `code` has neither comments nor strings.
pub(crate) fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut from = 0;
    while let Some(start) = code[from..].find("#[cfg(test)]").map(|at| from + at) {
        let end = item_end(code, start);
        ranges.push(start..end);
        from = end;
    }
    ranges
}

/// The byte behind the item that starts at `start`: behind its `;` or its matching `}`.
fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, b) in code.bytes().enumerate().skip(start) {
        match b {
            b';' if depth == 0 => return at + 1,
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// How many lines of `code` lie outside `#[cfg(test)]` items.
pub(crate) fn lines_without_tests(code: &str) -> usize {
    let in_tests: usize = test_ranges(code).into_iter().map(|range| code[range].lines().count()).sum();
    code.lines().count() - in_tests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_comments_are_told_apart() {
        let source =
            "let a = \"// no \\\" comment\"; // a comment\nlet b = '\"'; /* two /* deep */ */ fn<'a>() r#\"x\"y\"#;";
        let split = split(source);
        assert_eq!(split.code.lines().count(), 2, "lines are kept");
        assert!(!split.code.contains("comment") && split.code.contains("let b = "), "{}", split.code);
        assert!(split.code.contains("fn<'a>() "), "{}", split.code);
        assert!(split.comments.contains("a comment") && split.comments.contains("deep"), "{}", split.comments);
        assert!(!split.comments.contains("no"), "strings are no comments: {}", split.comments);
        assert!(!split.code.contains('y'), "a raw string ends at its hashes: {}", split.code);
    }

    #[test]
    fn lines_of_tests_are_not_counted() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { }\n}\nfn c() {}\n";
        assert_eq!(lines_without_tests(code), 2, "a and c");
        assert_eq!(lines_without_tests("#[cfg(test)]\nmod tests;\nfn a() {}\n"), 1, "a module elsewhere");
    }

    #[test]
    fn words_are_found_with_their_places() {
        let found: Vec<_> = words("fn do_it(x: u8)").collect();
        assert_eq!(found, [(0, "fn"), (3, "do_it"), (9, "x"), (12, "u8")], "each word once");
        assert_eq!(line_of("a\nb\nc", 4), 3, "lines count from 1");
    }
}
