//! The program as a person meets it: commands, results, sentences, exit codes, and what stays on disk.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test's material fails, and is missed, loudly")]

mod bad_input;
mod disk;
mod material;
mod precision;
mod results;
mod serving;
mod stopped;
mod training;
