//! Slices in, slices out: the arithmetic of the network for each instruction set.
//!
//! Activations are blocked: `[C/16][D][H][W][16]`, one sample at a time, unpadded. A kernel reads them through
//! [`Source`], which applies the pending normalisation and activation of the layer before. Work is cut into tasks whose
//! sums have a fixed order, so results are the same bits for any number of threads of the current rayon pool.
//! This is the only crate with `unsafe` code.

mod bf16;
mod bias;
mod bytes;
mod conv;
mod cpu;
mod gather;
mod half;
mod head;
mod isa;
mod largest;
mod layout;
mod moments;
mod norm;
mod once;
mod pages;
mod pairs;
mod peak;
mod resize;
mod strided;
mod team;
mod tiles;
mod up;
mod up_integers;
mod wgrad;
mod winograd;

pub use bf16::Bf16;
pub use bias::add_bias;
pub use bytes::DirectBytes;
pub use conv::{Canonical, convolve, convolve_scratch, pack_weights, packed_len};
pub use cpu::{Cpu, IsaName};
pub use gather::{Gather, Shape, Write, voxels};
pub use half::{Cell, Half};
pub use head::{Decision, head, head_back, head_back_scratch, head_decided};
pub use isa::{Isa, Kernel};
pub use largest::largest;
pub use layout::{LANES, Source, blocks, pack_channels, unpack_channels};
pub use moments::Moments;
pub use norm::{Back, activation_back, activation_sums, apply, moments, sums_scratch};
pub use pages::LargePages;
pub use peak::{Arithmetic, Peak, Traffic, stream};
pub use resize::{max_pool, max_pool_back, up_nearest, up_nearest_back};
pub use strided::StridedIntegers;
pub use tiles::{ConvTiles, GradientTiles, UpTiles};
pub use up::{convolve_up, convolve_up_scratch};
pub use up_integers::UpIntegers;
pub use wgrad::{partial_len, weight_gradient, weight_gradient_scratch};
pub use winograd::{Direction, Integers, Winograd};
