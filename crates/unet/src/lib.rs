//! The network: shapes, parameters, forward and backward, losses, optimisers.

pub mod ema;
pub mod loss;
pub mod optim;
pub mod schedule;
