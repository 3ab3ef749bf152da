//! Comma-separated tables (RFC 4180) that no spreadsheet takes for formulas.

/// Quotes a cell, and makes one that a spreadsheet would run plain text: those that begin with `=`, `+`, `-`, `@`, a tab
/// or a line break get an apostrophe before (OWASP, "CSV Injection"). Numbers are written by [`number`] and not escaped.
pub(crate) fn text(cell: &str) -> String {
    let is_formula =
        cell.trim_start_matches([' ', '\u{a0}', '\u{feff}']).starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])
            || cell.starts_with(['\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let cell = if is_formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r', ';', '\t']) || is_formula {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

/// A number, to the microlitre or micrometre; nothing if there is none.
pub(crate) fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:.3}"))
}

/// One line.
pub(crate) fn line(cells: &[String]) -> String {
    let mut line = cells.join(",");
    line.push_str("\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_runs_in_a_spreadsheet() {
        let check = |cell: &str, expected: &str| assert_eq!(text(cell), expected, "{cell:?}");
        check("P-0001", "P-0001");
        check("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\"");
        check("+1", "\"'+1\"");
        check("-2+3+cmd|' /C calc'!A0", "\"'-2+3+cmd|' /C calc'!A0\"");
        check("@SUM(1)", "\"'@SUM(1)\"");
        check("\t=1", "\"'\t=1\"");
        check(" =1", "\"' =1\"");
        check("\u{ff1d}1", "\"'\u{ff1d}1\"");
        check("a,b", "\"a,b\"");
        check("a\"b", "\"a\"\"b\"");
        check("김 환자", "김 환자");
        assert_eq!((number(Some(-0.5)), number(None)), ("-0.500".to_owned(), String::new()));
    }
}
