//! What each command does.

pub(crate) mod bench;
pub(crate) mod evaluate;
pub(crate) mod inspect;
pub(crate) mod model;
pub(crate) mod phantom;
pub(crate) mod recipe;
pub(crate) mod segment;
pub(crate) mod train;
