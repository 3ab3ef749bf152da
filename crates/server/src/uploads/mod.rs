//! Uploads: files arrive one by one, are looked at, sorted into cases, confirmed by a person, and become studies.

pub(crate) mod archive;
pub mod commit;
pub mod fault;
pub(crate) mod group;
pub(crate) mod look;
pub(crate) mod naming;
pub(crate) mod receive;
pub(crate) mod recognise;
pub(crate) mod room;
pub mod routes;
pub(crate) mod rows;
pub mod wire;

pub(crate) use receive::limits;
pub use room::Rooms;
pub use routes::routes;
pub(crate) use rows::cut_off;
