//! The blocked layout `[C/16][D][H][W][16]`, and how a kernel reads it.

use crate::cpu::Cpu;
use crate::half::Cell;
use crate::isa::{Isa, Kernel};
use rayon::prelude::*;

/// Voxels that a thread packs at a time.
const CHUNK: usize = 16384;

/// Lanes of a channel block.
pub const LANES: usize = 16;

/// Blocks that hold `channels`.
pub fn blocks(channels: usize) -> usize {
    channels.div_ceil(LANES)
}

/// One input tensor of a kernel: blocked values, and what the layer before still owes them.
///
/// The value that a kernel sees is `a(scale[c] * x + shift[c])` with `a(t) = max(t, slope * t)`: a norm and a (leaky)
/// ReLU applied on loading, so that they cost no trip to memory. Slope 1 is no activation, 0 a ReLU. Outside the
/// volume every kernel sees 0, whatever the shift.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a, T = f32> {
    /// `[blocks][D][H][W][16]`.
    pub values: &'a [T],
    /// Per channel `[blocks * 16]`; empty means 1.
    pub scale: &'a [f32],
    /// Per channel `[blocks * 16]`; empty means 0.
    pub shift: &'a [f32],
    /// Of the activation below zero, in 0..=1.
    pub slope: f32,
}

impl<'a, T> Source<'a, T> {
    /// Values as they are.
    pub fn plain(values: &'a [T]) -> Self {
        Self { values, scale: &[], shift: &[], slope: 1.0 }
    }

    /// Whether the values are seen as they are stored.
    pub fn is_plain(&self) -> bool {
        self.scale.is_empty() && self.shift.is_empty() && self.slope >= 1.0
    }

    /// Blocks of 16 channels, for `voxels` voxels.
    pub fn blocks(&self, voxels: usize) -> usize {
        self.values.len() / (voxels * LANES)
    }

    /// Scale and shift of block `b`.
    ///
    /// # Panics
    /// If there are some, but not for this block.
    pub fn affine(&self, b: usize) -> ([f32; 16], [f32; 16]) {
        let of = |from: &[f32], missing: f32| {
            if from.is_empty() { [missing; LANES] } else { from.as_chunks().0[b] }
        };
        (of(self.scale, 1.0), of(self.shift, 0.0))
    }
}

/// `[C][V]` to `[C/16][V][16]`; the lanes past the last channel become 0.
///
/// # Panics
/// If the lengths do not fit `channels` and `voxels`.
pub fn pack_channels<T: Cell>(cpu: Cpu, planar: &[f32], channels: usize, voxels: usize, blocked: &mut [T]) {
    assert_eq!(planar.len(), channels * voxels, "pack: planar length");
    assert_eq!(blocked.len(), blocks(channels) * voxels * LANES, "pack: blocked length");
    let planes_of = planar.chunks(LANES * voxels);
    for (block, planes) in blocked.chunks_exact_mut(voxels * LANES).zip(planes_of) {
        block.as_chunks_mut::<LANES>().0.par_chunks_mut(CHUNK).enumerate().for_each(|(n, to)| {
            T::interleave(cpu, Interleave { planes, voxels, from: n * CHUNK, to });
        });
    }
}

/// Some voxels of one block, from `from` on.
pub(crate) struct Interleave<'a, T> {
    /// Of the block's channels, one after another.
    planes: &'a [f32],
    voxels: usize,
    from: usize,
    to: &'a mut [[T; LANES]],
}

impl<T: Cell> Kernel for Interleave<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        // Sixteen voxels at a time: lanes that were written singly just now are slow to read as one.
        let mut few = [[0.0; LANES]; LANES];
        let n_planes = self.planes.len() / self.voxels;
        for (n, to) in self.to.chunks_mut(LANES).enumerate() {
            for lane in 0..n_planes {
                let from = &self.planes[lane * self.voxels + self.from + n * LANES..][..to.len()];
                for (few, from) in few.iter_mut().zip(from) {
                    few[lane] = *from;
                }
            }
            let (pairs, last) = to.as_chunks_mut::<2>();
            for (to, few) in pairs.iter_mut().zip(few.as_chunks::<2>().0) {
                T::store_two(isa, isa.load(&few[0]), isa.load(&few[1]), to);
            }
            if let [to] = last {
                T::store(isa, isa.load(&few[2 * pairs.len()]), to);
            }
        }
    }
}

/// `[C/16][V][16]` to `[C][V]`: the inverse of [`pack_channels`].
///
/// # Panics
/// If the lengths do not fit `channels` and `voxels`.
pub fn unpack_channels(blocked: &[f32], channels: usize, voxels: usize, planar: &mut [f32]) {
    assert_eq!(planar.len(), channels * voxels, "unpack: planar length");
    assert_eq!(blocked.len(), blocks(channels) * voxels * LANES, "unpack: blocked length");
    for (c, plane) in planar.chunks_exact_mut(voxels).enumerate() {
        let block = &blocked[c / LANES * voxels * LANES..][..voxels * LANES];
        for (out, lanes) in plane.iter_mut().zip(block.as_chunks::<LANES>().0) {
            *out = lanes[c % LANES];
        }
    }
}
