//! Direct 3x3x3 convolutions with products of bf16, forward: where a processor multiplies whole tiles (AMX).
//!
//! A strip of rows is laid out in bf16 with a halo of zeros, two blocks of channels a place: 64 bytes, a row of a tile. The
//! rows of a tile are then sixteen places one after another, wherever a tap begins, and nothing is copied for a tap. Where
//! there are fewer channels a row holds several places, and so several taps along x. With stride 1 the places of all rows are
//! one line, those between two rows computed too and left out, so that small maps fill their tiles.
//!
//! The air around a head is the same vector in every place, and so is what it becomes: it is multiplied once a batch.

mod plan;
mod strip;

use crate::bf16::Bf16;
use crate::cpu::Cpu;
use crate::gather::{Gather, voxels};
use crate::half::Cell;
use crate::isa::tiles::WeightTile;
use crate::layout::{LANES, Source, blocks};
use crate::moments::Moments;
use crate::team::{Shared, run_tasks};
use plan::{Plan, SPOTS, SUMS};
use rayon::prelude::*;
pub(crate) use strip::Strip;

/// A 3x3x3 convolution with its weights in tiles of bf16.
#[derive(Clone, Debug)]
pub struct DirectTiles {
    plan: Plan,
    /// `[out block][step]`.
    weights: Vec<WeightTile>,
}

impl DirectTiles {
    /// Prepares canonical weights `[O][I][27]` of a [`Gather::conv3`].
    ///
    /// # Panics
    /// If a length does not fit, or the gather is another.
    pub fn new(gather: &Gather, (i, o): (usize, usize), weights: &[f32]) -> Self {
        assert_eq!(weights.len(), i * o * 27, "tiles: weights");
        let plan = Plan::new(gather, (i, o));
        let steps = plan.steps();
        let mut tiles: Vec<WeightTile> = bytemuck::zeroed_vec(plan.out_blocks * steps);
        tiles.par_chunks_exact_mut(steps).zip(weights.par_chunks(LANES * i * 27)).for_each(|(tiles, weights)| {
            for (step, tile) in tiles.iter_mut().enumerate() {
                for value in 0..2 * LANES {
                    let Some((channel, tap)) = plan.meets(step, value) else { continue };
                    for (lane, own) in weights.chunks_exact(i * 27).enumerate() {
                        tile.0[value / 2][lane][value % 2] = Bf16::of(own[channel * 27 + tap]);
                    }
                }
            }
        });
        Self { plan, weights: tiles }
    }

    /// Scratch of one thread for a `gather` of so many inputs and outputs.
    pub fn scratch_len(gather: &Gather, channels: (usize, usize)) -> usize {
        Plan::new(gather, channels).scratch_len()
    }

    /// Partial sums of [`Moments`], whatever the number of threads.
    pub fn sums_len(gather: &Gather, channels: (usize, usize)) -> usize {
        Plan::new(gather, channels).sums_len()
    }

    /// `dst = convolution of sources`, `[O/16][D][H][W][16]`, measured into `moments` if there are some.
    ///
    /// `sources`: blocked, their channels one after another; `scratch`: [`DirectTiles::scratch_len`] for each thread. The
    /// same bits on every machine that can.
    ///
    /// # Panics
    /// If a length does not fit, or not [`Cpu::has_tiles`].
    pub fn convolve<T: Cell>(
        &self,
        cpu: Cpu,
        sources: &[Source<'_, T>],
        (dst, mut moments): (&mut [T], Option<&mut Moments<'_>>),
        scratch: &mut [f32],
    ) {
        let plan = &self.plan;
        let n = voxels(plan.src);
        let in_blocks: usize = sources.iter().map(|s| s.blocks(n)).sum();
        assert_eq!(in_blocks, blocks(plan.inputs), "tiles: blocks of the sources");
        assert_eq!(dst.len(), plan.out_blocks * voxels(plan.out) * LANES, "tiles: dst");
        let dst = Shared::new(dst);
        let sums = moments.as_mut().map(|moments| {
            Shared::new(moments.sums[..plan.sums_len()].as_chunks_mut::<LANES>().0.as_chunks_mut::<3>().0)
        });
        run_tasks(plan.tasks(), scratch, plan.scratch_len(), |task, own| {
            // A row of a tile is a line of the cache.
            let skip = own.as_ptr().align_offset(64).min(LANES - 1);
            let (laid, rest) = own[skip..].split_at_mut(plan.laid_floats());
            let (spots, runs) = rest.split_at_mut(SPOTS * SUMS);
            let strip = Strip {
                plan,
                weights: &self.weights,
                sources,
                in_blocks,
                work: plan.work(task),
                dst,
                sums,
                laid: bytemuck::cast_slice_mut(laid),
                spots,
                runs: &mut bytemuck::cast_slice_mut(runs)[..plan.runs_len()],
            };
            T::strip_in_tiles(cpu, strip);
        });
        if let Some(moments) = moments {
            plan.finish(moments);
        }
    }
}
