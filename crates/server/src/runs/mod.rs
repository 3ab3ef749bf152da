//! Training runs and evaluations, read from a folder of the configuration. Nothing outside of it can be named.

mod curves;
mod folder;
pub mod routes;

pub use routes::routes;
