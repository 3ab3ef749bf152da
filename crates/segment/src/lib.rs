//! From study to labels, from data set to model.

pub mod phantom;
