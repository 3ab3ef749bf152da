//! 3x3x3 convolutions with products of bf16, forward and back: where a processor multiplies whole tiles (AMX).
//!
//! A strip of rows is laid out in bf16 with a halo of zeros, two blocks of channels a place: 64 bytes, a row of a tile. The
//! rows of a tile are then sixteen places one after another, wherever a tap begins, and nothing is copied for a tap. Where
//! there are fewer channels a row holds them of two neighbours along x or more, and two outputs are made of it, each by weights of
//! its own. Where rows are short the places of all of them are one line, those between two rows computed too and left out, so that
//! small maps fill their tiles.
//!
//! Along z products are saved by minimal filtering, F(2, 3), where that pays: two planes of outputs take four products of planes
//! instead of six. Values are filtered in f32 before they are rounded, and sums of f32 are joined after. Along one axis only,
//! since sums of two are rounded where single values were.
//!
//! The air around a head is the same vector in every place, and so is what it becomes: it is multiplied once a batch.

#![expect(clippy::needless_range_loop, reason = "iterators in the innermost loops are left as calls: half the speed")]

mod gradient;
mod lay;
mod plan;
mod put;
mod strip;
mod up;

use crate::cpu::Cpu;
use crate::gather::{Gather, Write, voxels};
use crate::half::Cell;
use crate::isa::Isa;
use crate::isa::tiles::{TileKernel, Tiles, WeightRow};
use crate::layout::{LANES, Source, blocks};
use crate::moments::Moments;
use crate::team::{Shared, run_tasks};
use crate::winograd::Direction;
use bytemuck::Zeroable;
pub use gradient::GradientTiles;
use plan::Plan;
use rayon::prelude::*;
use std::ops::Range;
pub(crate) use strip::Strip;
pub(crate) use up::Spread;
pub use up::UpTiles;

/// A 3x3x3 convolution with products of bf16, one way or the other: how its work is cut, by shape alone.
#[derive(Clone, Debug)]
pub struct ConvTiles {
    plan: Plan,
}

impl ConvTiles {
    /// Of a [`Gather::conv3`] with so many input and output channels; on the way back to the gradient of its input, those of the
    /// output come first.
    ///
    /// # Panics
    /// If the gather is another.
    pub fn new(gather: &Gather, channels: (usize, usize)) -> Self {
        Self { plan: Plan::new(gather, channels) }
    }

    /// Whether planes of outputs are made two at a time, by minimal filtering along z: F(2, 3).
    pub fn is_filtered(&self) -> bool {
        self.plan.is_filtered
    }

    /// Length of packed weights, in f32.
    pub fn weights_len(&self) -> usize {
        self.plan.out_blocks * self.plan.twins() * self.plan.steps() * LANES * LANES
    }

    /// Scratch of one thread.
    pub fn scratch_len(&self) -> usize {
        self.plan.scratch_len()
    }

    /// Partial sums of [`Moments`], whatever the number of threads.
    pub fn sums_len(&self) -> usize {
        self.plan.sums_len()
    }

    /// Packs canonical weights of the layer, `[O][I][27]`, for [`ConvTiles::convolve`], into as many f32 as
    /// [`ConvTiles::weights_len`], which begin on a line of the cache.
    ///
    /// # Panics
    /// If a length does not fit, on the way back with a stride, or if not [`Cpu::has_tiles`].
    pub fn pack(&self, cpu: Cpu, direction: Direction, weights: &[f32], packed: &mut [f32]) {
        let plan = &self.plan;
        let is_back = direction == Direction::Backward;
        assert_eq!(weights.len(), plan.inputs * plan.outputs * 27, "tiles: weights");
        assert!(!is_back || plan.stride == 1, "tiles: stride");
        let canonical = if is_back {
            Canonical { weights, of_output: 27, of_input: plan.outputs * 27, is_flipped: true }
        } else {
            Canonical { weights, of_output: plan.inputs * 27, of_input: 27, is_flipped: false }
        };
        let rows: &mut [WeightRow] = bytemuck::cast_slice_mut(&mut packed[..self.weights_len()]);
        rows.par_chunks_exact_mut(plan.twins() * plan.steps() * LANES).enumerate().for_each(|(block, rows)| {
            let outputs = block * LANES..plan.outputs.min((block + 1) * LANES);
            cpu.run_tiles(Pack { plan, canonical: &canonical, outputs, rows });
        });
    }

    /// `dst (+)= convolution of sources`, `[O/16][D][H][W][16]`, measured into `moments` if there are some.
    ///
    /// `sources`: blocked, their channels one after another; `packed`: of [`ConvTiles::pack`]; `scratch`:
    /// [`ConvTiles::scratch_len`] for each thread. The same bits on every machine that can.
    ///
    /// # Panics
    /// If a length does not fit, what is added to would be measured, or not [`Cpu::has_tiles`].
    pub fn convolve<T: Cell>(
        &self,
        cpu: Cpu,
        (sources, packed): (&[Source<'_, T>], &[f32]),
        (dst, write): (&mut [T], Write),
        mut moments: Option<&mut Moments<'_>>,
        scratch: &mut [f32],
    ) {
        assert!(write == Write::Overwrite || moments.is_none(), "tiles: a sum is measured");
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
            let (spots, rest) = rest.split_at_mut(plan.spots_len());
            let (row, runs) = rest.split_at_mut(plan.row_len() / 2);
            let strip = Strip {
                plan,
                weights: bytemuck::cast_slice(&packed[..self.weights_len()]),
                sources,
                in_blocks,
                work: plan.work(task),
                dst,
                write,
                sums,
                laid: bytemuck::cast_slice_mut(laid),
                spots,
                row: bytemuck::cast_slice_mut(row),
                runs: &mut bytemuck::cast_slice_mut(runs)[..plan.runs_len()],
            };
            T::strip_in_tiles(cpu, strip);
        });
        if let Some(moments) = moments {
            plan.finish(moments);
        }
    }
}

/// The canonical weights of a layer, one way or the other.
struct Canonical<'a> {
    weights: &'a [f32],
    /// From an output channel to the next.
    of_output: usize,
    /// From an input channel to the next.
    of_input: usize,
    /// The last tap comes first.
    is_flipped: bool,
}

impl Canonical<'_> {
    /// The taps of a pair of channels.
    fn taps(&self, input: usize, output: usize) -> &[f32; 27] {
        let taps = self.weights[input * self.of_input + output * self.of_output..].first_chunk();
        let Some(taps) = taps else { unreachable!("the length was asserted") };
        taps
    }

    fn tap(&self, tap: usize) -> usize {
        if self.is_flipped { 26 - tap } else { tap }
    }
}

/// Packs the weights of a block of outputs.
struct Pack<'a> {
    plan: &'a Plan,
    canonical: &'a Canonical<'a>,
    outputs: Range<usize>,
    rows: &'a mut [WeightRow],
}

impl TileKernel for Pack<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa, M: Tiles<I>>(self, isa: I, tiles: M) {
        let Self { plan, canonical, outputs, rows } = self;
        rows.fill(WeightRow::zeroed());
        for pair in 0..plan.inputs.div_ceil(2) {
            let mut of_channels = [[isa.splat(0.0); 27]; 2];
            for c in 0..2.min(plan.inputs - 2 * pair) {
                // Sixteen taps at a time, from these on.
                for first in [0, 27 - LANES] {
                    let mut of_outputs = [isa.splat(0.0); LANES];
                    for (lane, output) in outputs.clone().enumerate() {
                        let taps = canonical.taps(2 * pair + c, output)[first..].first_chunk();
                        let Some(taps) = taps else { unreachable!("sixteen of 27") };
                        of_outputs[lane] = isa.load(taps);
                    }
                    let of_taps = isa.transpose(of_outputs);
                    for n in 0..LANES {
                        of_channels[c][canonical.tap(first + n)] = of_taps[n];
                    }
                }
            }
            for tap in 0..9 {
                let mut planes = [[isa.splat(0.0); 4]; 2];
                for c in 0..2 {
                    let taps = of_channels[c];
                    let of_z = [taps[tap], taps[9 + tap], taps[18 + tap]];
                    planes[c] =
                        if plan.is_filtered { filtered(isa, of_z) } else { [of_z[0], of_z[1], of_z[2], of_z[2]] };
                }
                for (twin, rows) in rows.chunks_exact_mut(plan.steps() * LANES).enumerate() {
                    for plane in 0..plan.weight_planes() {
                        let row = rows[plan.weight_row((plane, tap, twin), pair)].0.as_flattened_mut();
                        let Some(row) = row.first_chunk_mut() else { unreachable!("32 values") };
                        tiles.lay_turns(planes[0][plane], planes[1][plane], row);
                    }
                }
            }
        }
    }
}

/// Three taps along z as F(2, 3) takes them: Winograd (1980), points 0, 1, -1 and infinity.
#[inline(always)]
fn filtered<I: Isa>(isa: I, [before, here, after]: [I::V; 3]) -> [I::V; 4] {
    let (ends, half) = (isa.add(before, after), isa.splat(0.5));
    [before, isa.mul(isa.add(ends, here), half), isa.mul(isa.sub(ends, here), half), after]
}
