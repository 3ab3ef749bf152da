//! Text that people type, and times as the API writes them.

use unicode_normalization::UnicodeNormalization;

use crate::error::Problem;

/// A name in one line: composed (NFC), without surrounding space, without control characters or marks that
/// change the direction of what follows.
///
/// # Errors
/// [`Problem`] that names the field, for a text that is empty, longer than `most` characters, or holds such marks.
pub fn line(field: &str, typed: &str, most: usize) -> Result<String, Problem> {
    let text: String = typed.nfc().collect::<String>().trim().to_owned();
    if text.is_empty() {
        return Err(Problem::field(field, "Please give one."));
    }
    if text.chars().count() > most {
        return Err(Problem::field(field, format!("At most {most} characters.")));
    }
    if text.chars().any(is_hidden) {
        return Err(Problem::field(field, "Control characters are not allowed."));
    }
    Ok(text)
}

/// Unicode's controls, and the marks behind names that read differently than they are (CVE-2021-42574).
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// Milliseconds since 1970 as RFC 3339 in UTC.
pub fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_composed_and_trimmed() {
        assert_eq!(line("name", "  \u{1100}\u{1161}\u{1102}\u{1161} ", 8).unwrap(), "가나");
        for bad in ["", "  ", "a\nb", "a\u{202E}b", "123456789", "a\0"] {
            assert!(line("name", bad, 8).is_err(), "{bad:?}");
        }
        assert_eq!(line("name", "<script>'; --", 20).unwrap(), "<script>'; --", "the page escapes, not the door");
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(rfc3339(1_764_072_000_123), "2025-11-25T12:00:00.123Z");
    }
}
