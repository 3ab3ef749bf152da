//! Transposed convolutions 2x2x2, stride 2, with products of 16-bit integers, forward.

use crate::cpu::Cpu;
use crate::gather::{Shape, voxels};
use crate::half::Cell;
use crate::isa::{DotKernel, Dots, Isa, Kernel};
use crate::largest::Largest;
use crate::layout::{LANES, Source, blocks};
use crate::pairs::{LARGEST, Pairs, Tail, Words, dot_channels, gain, limit, n_pairs, order, steps, word};
use crate::up::{Spread, Strip, convolve_up_scratch, each_strip};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// A transposed convolution with its weights as integers, and the scales that go with them.
///
/// It asks for no calibration. No voxel is read by two strips, so a strip's largest number is found when it is at hand, and
/// sets the scale of that strip.
#[derive(Clone, Debug)]
pub struct UpIntegers {
    inputs: usize,
    out_blocks: usize,
    /// `[out block][corner][pair][16]`, two neighbouring input channels a word.
    pairs: Vec<Words>,
    /// `[out block][corner][16]`.
    steps: Vec<[f32; LANES]>,
    limit: i16,
}

impl UpIntegers {
    /// Prepares canonical weights `[I][O][2][2][2]`.
    ///
    /// # Panics
    /// If the length does not fit.
    pub fn new((i, o): (usize, usize), weights: &[f32]) -> Self {
        assert_eq!(weights.len(), i * o * 8, "up: weights");
        let limit = limit(i);
        let (order, out_blocks) = (order(i), blocks(o));
        let mut pairs = vec![Words([0; LANES]); out_blocks * 8 * order.len()];
        let mut all_steps = vec![[0.0; LANES]; out_blocks * 8];
        let of_blocks = pairs.par_chunks_exact_mut(8 * order.len()).zip(all_steps.par_chunks_exact_mut(8));
        of_blocks.enumerate().for_each(|(block, (pairs, all_steps))| {
            let lanes = LANES.min(o - block * LANES);
            let mut u = vec![[0.0; LANES]; i + 1];
            for (corner, (pairs, own)) in pairs.chunks_exact_mut(order.len()).zip(all_steps).enumerate() {
                for (u, of_channel) in u.iter_mut().zip(weights.chunks_exact(o * 8)) {
                    for lane in 0..lanes {
                        u[lane] = of_channel[(block * LANES + lane) * 8 + corner];
                    }
                }
                *own = steps(&u[..i], limit, LARGEST);
                for (&channel, pair) in order.iter().zip(pairs) {
                    for lane in 0..LANES {
                        pair.0[lane] = word(u[channel][lane] / own[lane], u[channel + 1][lane] / own[lane]);
                    }
                }
            }
        });
        Self { inputs: i, out_blocks, pairs, steps: all_steps, limit: limit as i16 }
    }

    /// `dst = up(source) + bias`, as [`convolve_up`](crate::convolve_up). Returns how many numbers could not be held, which
    /// only those that are not finite cannot. The same bits on every machine that can.
    ///
    /// # Panics
    /// If a length does not fit, or not [`Cpu::has_int16`].
    pub fn convolve<T: Cell>(
        &self,
        cpu: Cpu,
        shape: Shape,
        (source, bias): (&Source<'_, T>, &[f32]),
        dst: &mut [T],
        scratch: &mut [f32],
    ) -> u64 {
        let n = voxels(shape);
        let in_blocks = source.blocks(n);
        assert_eq!(in_blocks, blocks(self.inputs), "up: blocks of the source");
        assert_eq!(dst.len(), self.out_blocks * 8 * n * LANES, "up: dst");
        assert!(bias.is_empty() || bias.len() == self.out_blocks * LANES, "up: bias");
        let (tail, lost) = (Tail::new(self.inputs), AtomicU64::new(0));
        let (layer, bias) = (self, bias.as_chunks().0);
        each_strip(shape, dst, (scratch, convolve_up_scratch(shape, in_blocks.div_ceil(2))), |strip, staged| {
            let staged: &mut [Pairs] = bytemuck::cast_slice_mut::<f32, i32>(staged).as_chunks_mut().0;
            let lost_here = T::up_in_integers(cpu, InIntegers { layer, source, bias, tail, strip, staged });
            lost.fetch_add(lost_here, Ordering::Relaxed);
        });
        lost.into_inner()
    }
}

pub(crate) struct InIntegers<'a, T> {
    layer: &'a UpIntegers,
    source: &'a Source<'a, T>,
    bias: &'a [[f32; LANES]],
    tail: Tail,
    strip: Strip<'a, T>,
    /// `[pair of blocks][row][x]`.
    staged: &'a mut [Pairs],
}

impl<T: Cell> DotKernel for InIntegers<'_, T> {
    type Output = u64;
    #[inline(always)]
    fn run<I: Isa, D: Dots<I>>(self, isa: I, dots: D) -> u64 {
        let Self { layer, source, bias, tail, strip, staged } = self;
        let gain = gain(layer.limit, widest(isa, source, &strip));
        let scales = (gain, layer.limit);
        let source = std::slice::from_ref(source);
        let lost = strip.staging.lay_integers((isa, dots), (source, strip.shape), strip.at, scales, staged);
        let stride = strip.staging.block_len();
        strip.write(isa, &InPairs { dots, layer, bias, tail, staged, stride, inverse: 1.0 / gain });
        lost
    }
}

/// The largest number of a strip.
#[inline(always)]
fn widest<I: Isa, T: Cell>(isa: I, source: &Source<'_, T>, strip: &Strip<'_, T>) -> f32 {
    let [_, height, width] = strip.shape;
    let (n, (z, y)) = (voxels(strip.shape), strip.at);
    let mut largest: f32 = 0.0;
    for b in 0..source.blocks(n) {
        let x = &source.values.as_chunks().0[b * n + (z * height + y) * width..][..strip.rows * width];
        let of_block = Largest { x, affine: source.affine(b), slope: source.slope }.run(isa);
        largest = largest.max(of_block);
    }
    largest
}

/// Products of integers.
struct InPairs<'a, D> {
    dots: D,
    layer: &'a UpIntegers,
    bias: &'a [[f32; LANES]],
    tail: Tail,
    staged: &'a [Pairs],
    /// From a pair of blocks to the next.
    stride: usize,
    /// Of the gain.
    inverse: f32,
}

impl<I: Isa, D: Dots<I>> Spread<I> for InPairs<'_, D> {
    #[inline(always)]
    fn cells<const XT: usize>(&self, isa: I, (ob, corner): (usize, usize), at: usize) -> [[I::V; 2]; XT] {
        let (dots, per_corner) = (self.dots, n_pairs(self.layer.inputs));
        let first = ob * 8 + 2 * corner;
        let (w, rest) = self.layer.pairs[first * per_corner..].split_at(per_corner);
        let w = [w, &rest[..per_corner]];
        let src = (self.staged, self.stride, at);
        let sum = dot_channels::<I, D, XT, 2>(dots, src, (w, &self.tail), [[dots.zero(); 2]; XT]);
        let mut bias = isa.splat(0.0);
        if let Some(of_block) = self.bias.get(ob) {
            bias = isa.load(of_block);
        }
        let mut cells = [[bias; 2]; XT];
        for o in 0..2 {
            let back = isa.mul(isa.load(&self.layer.steps[first + o]), isa.splat(self.inverse));
            for x in 0..XT {
                cells[x][o] = isa.fma(dots.float(sum[x][o]), back, bias);
            }
        }
        cells
    }
}
