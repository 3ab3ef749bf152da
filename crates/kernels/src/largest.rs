//! How wide inputs are.

use crate::cpu::Cpu;
use crate::half::Cell;
use crate::isa::{Isa, Kernel};
use crate::layout::{LANES, Source};
use rayon::prelude::*;

/// The largest magnitude that `sources` show: what [`StridedIntegers::new`] wants to know, found on examples.
pub fn largest<T: Cell>(cpu: Cpu, sources: &[Source<'_, T>], voxels: usize) -> f32 {
    let of_block = |(source, b): (&Source<'_, T>, usize)| {
        let x = source.values[b * voxels * LANES..][..voxels * LANES].as_chunks::<LANES>().0;
        let of_part = |x: &[[T; LANES]]| T::largest(cpu, Largest { x, affine: source.affine(b), slope: source.slope });
        x.par_chunks(4096).map(of_part).reduce(|| 0.0, f32::max)
    };
    let all = sources.iter().flat_map(|source| (0..source.blocks(voxels)).map(move |b| (source, b)));
    all.map(of_block).fold(0.0, f32::max)
}

/// The largest magnitude of some voxels of a block.
pub(crate) struct Largest<'a, T> {
    pub(crate) x: &'a [[T; LANES]],
    pub(crate) affine: ([f32; LANES], [f32; LANES]),
    pub(crate) slope: f32,
}

impl<T: Cell> Kernel for Largest<'_, T> {
    type Output = f32;
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> f32 {
        let (scale, shift, slope) = (isa.load(&self.affine.0), isa.load(&self.affine.1), isa.splat(self.slope));
        let mut largest = isa.splat(0.0);
        for x in self.x {
            let t = isa.fma(T::load(isa, x), scale, shift);
            let seen = isa.max(t, isa.mul(t, slope));
            largest = isa.max(isa.max(seen, isa.sub(isa.splat(0.0), seen)), largest);
        }
        let mut lanes = [0.0; LANES];
        isa.store(largest, &mut lanes);
        lanes.into_iter().fold(0.0, f32::max)
    }
}
