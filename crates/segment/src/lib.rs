//! From study to labels, from data set to model.

pub mod artefact;
pub mod augment;
pub mod dataset;
pub mod decode;
pub mod deliver;
pub mod error;
pub mod evaluate;
pub mod infer;
pub mod inspect;
pub mod labels;
mod memory;
pub mod phantom;
pub mod picture;
mod plan;
pub mod precision;
pub mod prefetch;
pub mod prepare;
pub mod random;
pub mod recipe;
pub mod report;
pub mod sample;
pub mod source;
pub mod split;
pub mod staging;
pub mod study;
pub mod tensorboard;
pub mod train;
