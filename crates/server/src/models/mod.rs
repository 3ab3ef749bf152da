//! Models that may be used: the one inside the program, and those that an administrator adds.

pub mod routes;
pub(crate) mod rows;

pub use routes::routes;
pub use rows::register_embedded;
