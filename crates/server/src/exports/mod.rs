//! What leaves the system: a study as files in BIDS names, a cohort as a table. Recorded before its first byte.

pub(crate) mod archive;
pub(crate) mod names;
pub mod routes;
pub(crate) mod table;

pub use routes::routes;
