//! What each command does.

pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod evaluate;
pub(crate) mod inspect;
pub(crate) mod migrate;
pub(crate) mod model;
pub(crate) mod phantom;
pub(crate) mod place;
pub(crate) mod recipe;
pub(crate) mod restore;
pub(crate) mod segment;
pub(crate) mod serve;
pub(crate) mod store;
pub(crate) mod train;
pub(crate) mod user;
pub(crate) mod worker;
