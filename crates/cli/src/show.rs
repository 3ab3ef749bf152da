//! The only printing: results to stdout, all else to stderr.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use segment::report::NOTICE;
use serde::Serialize;

use crate::args::Args;

/// Wrong usage that only the machine or the files show: exit code 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Who reads along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// A person at a terminal: progress moves.
    Live,
    /// A person who reads later: lines, no progress bars.
    Lines,
    /// Nobody reads stderr but for errors, because of --quiet.
    Quiet,
    /// A machine reads stdout; a person may read warnings on stderr.
    Machine,
    /// Both of the last two.
    QuietMachine,
}

impl Show {
    /// What the flags and the terminal say.
    pub(crate) fn of(args: &Args) -> Self {
        match (args.command.is_for_machines(), args.everywhere.quiet) {
            (true, true) => Self::QuietMachine,
            (true, false) => Self::Machine,
            (false, true) => Self::Quiet,
            (false, false) if io::stderr().is_terminal() => Self::Live,
            (false, false) => Self::Lines,
        }
    }

    /// Whether results are to be JSON.
    pub(crate) fn is_json(self) -> bool {
        matches!(self, Self::Machine | Self::QuietMachine)
    }

    /// Says what is going on, to people.
    pub(crate) fn note(self, text: impl fmt::Display) {
        if matches!(self, Self::Live | Self::Lines) {
            line(text);
        }
    }

    /// Says what a person should know even when a machine reads the result.
    pub(crate) fn warn(self, text: impl fmt::Display) {
        if matches!(self, Self::Live | Self::Lines | Self::Machine) {
            line(format_args!("glioscope: warning: {text}"));
        }
    }

    /// A bar of `length` steps; hidden where nobody watches.
    pub(crate) fn bar(self, length: u64, template: &str) -> anyhow::Result<ProgressBar> {
        let target = if self == Self::Live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template(template)?.progress_chars("=> ");
        Ok(ProgressBar::with_draw_target(Some(length), target).with_style(style))
    }
}

/// Prints lines of a result.
pub(crate) fn result(text: &str) -> anyhow::Result<()> {
    print(&harmless(text))
}

/// Names of files and cases come from others, and a terminal obeys some characters: they are shown, not sent.
fn harmless(text: &str) -> String {
    let is_obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
    text.chars().map(|c| if is_obeyed(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()), // such as `| head`
        written => written.context("the result cannot be printed"),
    }
}

/// Prints a result as JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

/// Stands under every result for people.
pub(crate) fn notice() -> anyhow::Result<()> {
    result(NOTICE)
}

/// Says what of the work could not be done; it makes the exit code 1.
pub(crate) fn fault(text: impl fmt::Display) {
    line(format_args!("glioscope: {text}"));
}

/// Says once what went wrong, where, and what to do; gives the exit code.
pub(crate) fn error(error: &anyhow::Error) -> ExitCode {
    line(format_args!("glioscope: {}", sentence(error)));
    if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

fn line(text: impl fmt::Display) {
    writeln!(io::stderr(), "{}", harmless(&text.to_string())).ok(); // there is nobody left to tell
}

/// An error with those of its causes that it does not name itself.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if sentence.is_empty() {
            sentence = cause;
        } else if !sentence.contains(&cause) {
            sentence = format!("{sentence}: {cause}");
        }
    }
    sentence
}

/// A table without lines: a head, and columns of which all but the first `left` stand to the right.
pub(crate) fn table(head: &[&str], left: usize, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(head.to_vec()).add_rows(rows);
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if at >= left {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// Millilitres as everywhere: one decimal, two below 1 ml.
pub(crate) fn ml(volume: f64) -> String {
    let decimals = if volume.abs() < 1.0 { 2 } else { 1 };
    format!("{volume:.decimals$}")
}

/// A number with some decimals, or a dash.
pub(crate) fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let io = || io::Error::other("disk on fire");
        let twice = anyhow::Error::new(io()).context("a.nii: disk on fire");
        assert_eq!(sentence(&twice), "a.nii: disk on fire");
        let once = anyhow::Error::new(io()).context("a.nii cannot be read");
        assert_eq!(sentence(&once), "a.nii cannot be read: disk on fire");
    }

    #[test]
    fn what_a_terminal_obeys_is_shown() {
        assert_eq!(harmless("a\u{1b}[31m\tb\n한글\u{9b}"), "a\\u{1b}[31m\tb\n한글\\u{9b}");
    }

    #[test]
    fn millilitres_have_a_decimal_more_where_they_are_few() {
        assert_eq!([ml(12.34), ml(0.256), ml(-0.5), ml(0.0)], ["12.3", "0.26", "-0.50", "0.00"]);
    }
}
