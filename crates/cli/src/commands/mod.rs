//! What each command does.

pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod evaluate;
pub(crate) mod inspect;
pub(crate) mod model;
pub(crate) mod phantom;
pub(crate) mod place;
pub(crate) mod recipe;
pub(crate) mod segment;
pub(crate) mod serve;
pub(crate) mod train;
pub(crate) mod user;
