//! Augmentation: dice first ([`draw`]), then a change that can be replayed ([`apply`]).

pub mod apply;
pub mod carve;
pub mod draw;
pub mod faint;
pub mod filter;
pub mod gather;
pub mod intensity;
