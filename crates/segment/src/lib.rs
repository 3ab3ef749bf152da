//! From study to labels, from data set to model.

pub mod phantom;
pub mod augment;
pub mod prefetch;
pub mod random;
pub mod recipe;
pub mod sample;
