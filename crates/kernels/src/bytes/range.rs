//! How far the numbers of an input reach, and the scale that makes them bytes by it.

use crate::cpu::Cpu;
use crate::half::Cell;
use crate::isa::{Isa, Kernel};
use crate::layout::{LANES, Source};
use rayon::prelude::*;

/// Voxels whose range a thread finds at a time.
const CHUNK: usize = 4096;

/// How numbers become bytes: `round(gain * x + zero)`, which lies in `0..=255`.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    pub(super) gain: f32,
    /// A whole number.
    pub(super) zero: f32,
}

impl Scale {
    /// 254 steps, so that a zero that is rounded to one of them pushes nothing over the edge. Where all is 0, or something
    /// infinite, the gain is a number still.
    pub(super) fn of(range: &Range) -> Self {
        let gain = (127.0 / (0.5 * range.below + 0.5 * range.above)).clamp(1e-37, 1e37);
        Self { gain, zero: (range.below * gain).round_ties_even().clamp(0.0, 254.0) }
    }
}

/// How far numbers reach from 0, and how many of them are not finite.
#[derive(Clone, Copy, Default)]
pub(crate) struct Range {
    below: f32,
    above: f32,
    pub(super) lost: u64,
}

impl Range {
    fn with(self, other: Self) -> Self {
        Self { below: self.below.max(other.below), above: self.above.max(other.above), lost: self.lost + other.lost }
    }
}

/// Of all that `sources` show.
pub(super) fn range<T: Cell>(cpu: Cpu, sources: &[Source<'_, T>], voxels: usize) -> Range {
    let all = sources.iter().flat_map(|source| (0..source.blocks(voxels)).map(move |b| (source, b)));
    let of_block = |(source, b): (&Source<'_, T>, usize)| {
        let x = &source.values.as_chunks::<LANES>().0[b * voxels..][..voxels];
        let of_part = |x: &[[T; LANES]]| T::reach(cpu, Reach { x, affine: source.affine(b), slope: source.slope });
        x.par_chunks(CHUNK).map(of_part).reduce(Range::default, Range::with)
    };
    all.map(of_block).fold(Range::default(), Range::with)
}

/// [`Range`] of some voxels of a block.
pub(crate) struct Reach<'a, T> {
    x: &'a [[T; LANES]],
    affine: ([f32; LANES], [f32; LANES]),
    slope: f32,
}

impl<T: Cell> Kernel for Reach<'_, T> {
    type Output = Range;
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Range {
        let block = Block::<I, T>::new(isa, self.x, self.affine, self.slope);
        let zero = isa.splat(0.0);
        let (mut below, mut above, mut flaw) = (zero, zero, zero);
        for voxel in 0..self.x.len() {
            let seen = block.at(isa, voxel);
            above = isa.max(seen, above);
            below = isa.max(isa.sub(zero, seen), below);
            // 0 for all that is finite, else not a number.
            flaw = isa.add(flaw, isa.sub(seen, seen));
        }
        let mut lanes = [[0.0; LANES]; 3];
        isa.store(below, &mut lanes[0]);
        isa.store(above, &mut lanes[1]);
        isa.store(flaw, &mut lanes[2]);
        let mut lost = 0;
        if lanes[2].iter().any(|flaw| flaw.is_nan()) {
            for voxel in 0..self.x.len() {
                isa.store(block.at(isa, voxel), &mut lanes[2]);
                lost += lanes[2].iter().filter(|seen| !seen.is_finite()).count() as u64;
            }
        }
        let most = |lanes: [f32; LANES]| lanes.into_iter().fold(0.0, f32::max);
        Range { below: most(lanes[0]), above: most(lanes[1]), lost }
    }
}

/// A block of channels, and what it owes.
pub(super) struct Block<'a, I: Isa, T> {
    values: &'a [[T; LANES]],
    scale: I::V,
    shift: I::V,
    slope: I::V,
}

impl<'a, I: Isa, T: Cell> Block<'a, I, T> {
    #[inline(always)]
    pub(super) fn new(
        isa: I,
        values: &'a [[T; LANES]],
        (scale, shift): ([f32; LANES], [f32; LANES]),
        slope: f32,
    ) -> Self {
        Self { values, scale: isa.load(&scale), shift: isa.load(&shift), slope: isa.splat(slope) }
    }

    #[inline(always)]
    pub(super) fn at(&self, isa: I, voxel: usize) -> I::V {
        let t = isa.fma(T::load(isa, &self.values[voxel]), self.scale, self.shift);
        isa.max(t, isa.mul(t, self.slope))
    }
}
