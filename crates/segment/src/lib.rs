//! From study to labels, from data set to model.

pub mod phantom;
pub mod picture;
pub mod augment;
pub mod prefetch;
pub mod random;
pub mod recipe;
pub mod sample;
pub mod tensorboard;
pub mod dataset;
pub mod decode;
pub mod error;
pub mod labels;
pub mod prepare;
pub mod split;
pub mod study;
pub mod inspect;
pub mod report;
pub mod source;
pub mod artefact;
pub mod infer;
mod plan;
pub mod train;
pub mod staging;
mod memory;
pub mod deliver;
pub mod evaluate;
