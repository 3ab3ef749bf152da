//! Winograd convolutions 3x3x3, stride 1, zero padding 1: F(4, 3) along y and x, and along z F(4, 3) in thick tiles or F(2, 3).
//!
//! A tile of 2 x 4 x 4 outputs costs 144 products a pair of channels instead of 864, a thick one of 4 x 4 x 4 costs 216 instead
//! of 1,728. Tiles of the input become points, a matrix product over the channels joins them with the transformed weights at
//! each of the points, and the result is transformed back. Large maps are worked through in batches that stay in the
//! second-level cache; small maps, whose weights are the larger part, in three phases over all tiles. The weight gradient, in
//! thin tiles always, takes the points of the input, spreads the output's gradient to points, and sums their outer products.
//!
//! Every sum has one order, set by the shape alone.

#![expect(clippy::needless_range_loop, reason = "iterators in the innermost loops are left as calls: half the speed")]

mod forward;
mod gradient;
mod image;
mod input;
mod integers;
mod output;
mod panels;
mod product;
mod repeats;
mod rounded;
mod small;
mod tiles;
mod transforms;
mod weights;
mod words;

pub(crate) use forward::InFloats;
pub(crate) use image::OfImage;
pub use integers::Integers;
pub(crate) use integers::{InIntegers, Widest};
pub(crate) use small::{InputPoints, Small};
pub(crate) use tiles::THICK;
pub use weights::Direction;

use crate::cpu::Cpu;
use crate::gather::Shape;
use crate::layout::{LANES, blocks};
use crate::team::Shared;
use rayon::prelude::*;
use tiles::{Cut, Tiling};
use weights::{Canonical, TransformWeights, Weights, weight_stride};

/// How one layer's convolution is worked through: sizes of its buffers, and the cut into tasks, by shape alone.
#[derive(Clone, Debug)]
pub struct Winograd {
    tiling: Tiling,
    /// The tiles of a small map: its products are f32, whatever the others are.
    small: Tiling,
    in_blocks: usize,
    out_blocks: usize,
    /// Lanes of the last input block that are channels.
    last: usize,
    /// How products of f32 are made, `None` on a small map: tiles may be thick.
    forward: Option<(Tiling, Cut)>,
    /// The same with products of integers, whose weights take half the room, and whose tiles may be thick.
    integers: Option<(Tiling, Cut)>,
    gradient: Option<Cut>,
}

impl Winograd {
    /// A convolution over `shape` = `[D, H, W]` between blocks of 16 channels.
    ///
    /// The data gradient of a layer is a convolution of its own, from the blocks of the output to those of the input.
    ///
    /// # Panics
    /// If an axis or a number of blocks is zero.
    pub fn new(shape: Shape, in_blocks: usize, out_blocks: usize) -> Self {
        assert!(shape.iter().all(|&n| n > 0) && in_blocks > 0 && out_blocks > 0, "winograd: an empty shape");
        let tiling = Tiling::new(shape);
        let forward = forward::cut_for_floats(&tiling);
        let integers = integers::cut_for_integers(&tiling, in_blocks, out_blocks);
        let gradient = gradient::cut(&tiling, in_blocks, out_blocks);
        Self { tiling, small: small::tiling(&tiling), in_blocks, out_blocks, last: LANES, forward, integers, gradient }
    }

    /// Whether [`Winograd::convolve`] from `inputs` channels is faster than a direct convolution on maps of this shape, by
    /// measurement on Zen 4 (`examples/winograd.rs`): from 4 input channels up, if three tenths of the rows of its
    /// matrices are outputs. The weight gradient pays on every shape.
    pub fn pays(shape: Shape, inputs: usize) -> bool {
        let rows = Tiling::new(shape).whole().rows();
        inputs >= 4 && shape.iter().product::<usize>() * 10 >= rows * 32 * 3
    }

    /// Outputs of a tile of [`Winograd::convolve`], `[z, y, x]`.
    pub fn tile(&self) -> Shape {
        [self.forward.map_or(self.small, |(tiling, _)| tiling).thickness, 4, 4]
    }

    /// The same of [`Winograd::convolve_integers`]; `None` where the map is too small for it.
    pub fn integer_tile(&self) -> Option<Shape> {
        self.integers.map(|(tiling, _)| [tiling.thickness, 4, 4])
    }

    /// The same plan for `i` input channels: lanes past them, which are zero, cost no products.
    ///
    /// # Panics
    /// If the plan has not the blocks of so many channels.
    #[must_use]
    pub fn with_inputs(self, i: usize) -> Self {
        assert_eq!(blocks(i), self.in_blocks, "winograd: input channels");
        Self { last: i - (self.in_blocks - 1) * LANES, ..self }
    }

    /// Values of the prepared weights.
    pub fn weights_len(&self) -> usize {
        match self.forward {
            Some((tiling, _)) => tiling.points() * weight_stride(self.in_blocks, self.out_blocks) * LANES,
            None => self.small_weights_len(),
        }
    }

    /// Prepares the weights of a layer from `i` to `o` channels in `u` ([`Winograd::weights_len`]).
    ///
    /// `weights`: canonical, `[O][I][3][3][3]`. With [`Direction::Backward`] this is the plan of the data gradient: its
    /// input has the layer's `o` channels. Lanes past the last channel become zero.
    ///
    /// # Panics
    /// If a length or number of channels does not fit.
    pub fn transform_weights(
        &self,
        cpu: Cpu,
        direction: Direction,
        (o, i): (usize, usize),
        weights: &[f32],
        u: &mut [f32],
    ) {
        let (to, from) = match direction {
            Direction::Forward => (o, i),
            Direction::Backward => (i, o),
        };
        let (in_blocks, out_blocks) = (self.in_blocks, self.out_blocks);
        assert_eq!((blocks(from), blocks(to)), (in_blocks, out_blocks), "transform_weights: channels");
        assert_eq!(weights.len(), o * i * weights::TAPS, "transform_weights: weights");
        assert_eq!(u.len(), self.weights_len(), "transform_weights: u");
        let weights = Weights { canonical: Canonical { o, i }, direction, values: weights };
        let Some((tiling, _)) = self.forward else { return self.pack_small(cpu, weights, u) };
        let u = Shared::new(u);
        (0..in_blocks * out_blocks).into_par_iter().with_max_len(1).for_each(|task| {
            let block = (task % in_blocks, task / in_blocks);
            if tiling.thickness == THICK {
                cpu.run(TransformWeights::<THICK> { weights, block, in_blocks, out_blocks, u });
            } else {
                cpu.run(TransformWeights::<2> { weights, block, in_blocks, out_blocks, u });
            }
        });
    }
}
