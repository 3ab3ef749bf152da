//! The log on stderr: text for people, JSON for machines. It names no patients.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{Log, LogForm};

/// Begins to log; a second call changes nothing.
///
/// # Errors
/// For a filter that is none.
pub fn start(log: &Log) -> Result<(), ParseError> {
    // Requests are counted by /metrics; as lines they are for those who ask, or for machines that keep them.
    let filter = match log.form {
        LogForm::Text if log.filter == "info" => {
            EnvFilter::try_new("info,server::request=warn,sea_orm_migration=warn")?
        }
        LogForm::Text | LogForm::Json => EnvFilter::try_new(&log.filter)?,
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let begun = match log.form {
        LogForm::Text => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
        LogForm::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
    };
    begun.ok(); // a test began already
    Ok(())
}
