//! A bias that is added afterwards, where a convolution has no place for it.

use crate::cpu::Cpu;
use crate::half::Cell;
use crate::isa::{Isa, Kernel};
use crate::layout::LANES;
use rayon::prelude::*;

/// Voxels that a thread takes at a time.
const CHUNK: usize = 4096;

/// `dst[c] += bias[c]`, blocked; `bias`: `[C/16 * 16]`.
///
/// # Panics
/// If the lengths do not fit.
pub fn add_bias<T: Cell>(cpu: Cpu, bias: &[f32], dst: &mut [T]) {
    let bias = bias.as_chunks::<LANES>().0;
    let voxels = dst.len() / (bias.len() * LANES);
    assert_eq!(dst.len(), bias.len() * voxels * LANES, "add_bias: lengths");
    dst.par_chunks_mut(voxels * LANES).zip(bias).for_each(|(block, bias)| {
        block.as_chunks_mut().0.par_chunks_mut(CHUNK).for_each(|values| T::add_bias(cpu, Add { bias, values }));
    });
}

pub(crate) struct Add<'a, T> {
    bias: &'a [f32; LANES],
    values: &'a mut [[T; LANES]],
}

impl<T: Cell> Kernel for Add<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let bias = isa.load(self.bias);
        for value in self.values {
            T::store(isa, isa.add(T::load(isa, value), bias), value);
        }
    }
}
