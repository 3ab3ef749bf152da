//! Patients: a made name; who they are is kept apart and shown beside it.

pub mod query;
pub mod routes;
pub(crate) mod rows;

pub use routes::routes;
