//! The application as clients meet it: requests in, answers out, no socket.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

mod accounts;
mod audit;
mod bad_files;
mod document;
mod exports;
mod frame;
mod hostile;
mod jobs;
mod masks;
pub(crate) mod material;
mod tokens;
mod uploads;
pub(crate) mod visitor;
mod worklist;
