//! The network: shapes, parameters, forward and backward, losses, optimisers.
//!
//! It knows nothing of medicine. A [`NetSpec`] describes a U-Net, a [`Net`] is one laid out for a shape, weights are one
//! flat arena with names ([`ParamSpec`]), and everything runs on the current rayon pool.

mod backward;
mod forward;
mod memory;
mod net;
mod ops;
mod packed;
mod passes;
mod products;
mod program;
mod spec;

pub mod ema;
pub mod loss;
pub mod optim;
pub mod schedule;
pub mod weights;

pub use memory::Purpose;
pub use net::Net;
pub use products::Products;
pub use program::ParamSpec;
pub use spec::{Down, NetSpec, Norm, UnetError, Up};
