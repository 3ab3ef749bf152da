//! Small maps, whose weights are more than their values: points of all tiles first, then a task for each block of results
//! that transforms the weights it needs as it goes, so that transformed weights never leave the cache.

use super::Winograd;
use super::input::{Input, Planes, along_x};
use super::output::{Halfway, Halves, Output, TILE_LINES, along_zx};
use super::product::multiply;
use super::tiles::{Lanes, Patch, Points, PointsMut, THICK, Tiling};
use super::transforms::ONES;
use super::weights::{TAPS, Taps, Weights, transform_block};
use crate::cpu::Cpu;
use crate::gather::Write;
use crate::half::Cell;
use crate::isa::{Isa, Kernel};
use crate::layout::LANES;
use crate::team::{Shared, run_tasks};
use rayon::prelude::*;

/// Most tiles whose products a thread keeps.
const ROWS: usize = 64;
/// Thick tiles that are worth the transform of their weights, which has half as many points again.
const LEAST: usize = 32;

/// The tiles of a small map.
pub(super) fn tiling(tiling: &Tiling) -> Tiling {
    let thickened = tiling.thickened();
    if thickened.whole().len() >= LEAST { thickened } else { *tiling }
}

impl Winograd {
    /// Values of the weights, packed `[out_blocks][in_blocks * 16][27][16]`.
    pub(super) fn small_weights_len(&self) -> usize {
        self.out_blocks * self.in_blocks * LANES * TAPS * LANES
    }

    /// Packs the weights.
    pub(super) fn pack_small(&self, cpu: Cpu, weights: Weights<'_>, packed: &mut [f32]) {
        packed.par_chunks_exact_mut(LANES * TAPS * LANES).enumerate().for_each(|(block, to)| {
            let (ob, ib) = (block / self.in_blocks, block % self.in_blocks);
            cpu.run(Pack { weights, block: (ib, ob), to: to.as_chunks_mut().0.as_chunks_mut().0 });
        });
    }

    /// Layers of tiles that are worked through at once.
    fn small_layers(&self) -> usize {
        let [z, y, x] = self.small.tiles;
        let parts = self.small.whole().len().div_ceil(ROWS).min(z);
        z.div_ceil(parts).min((ROWS / (y * x)).max(1))
    }

    fn small_patch(&self, n: usize) -> Patch {
        let layers = self.small_layers();
        self.small.whole().layers(n * layers, layers)
    }

    fn small_patches(&self) -> usize {
        self.small.tiles[0].div_ceil(self.small_layers())
    }

    /// Points of a patch, of so many blocks.
    fn small_points(&self, blocks: usize) -> Points {
        Points { blocks, rows: self.small_patch(0).rows() }
    }

    /// Input blocks whose weights are transformed at once.
    fn small_chunk(&self) -> usize {
        (self.small_patch(0).rows() / 6).clamp(1, self.in_blocks)
    }

    fn small_piece(&self) -> SmallPiece {
        let rows = self.small_patch(0).rows();
        SmallPiece {
            u: self.small.points() * (self.small_chunk() * LANES + 1) * LANES,
            m: self.small_points(1).len(self.small.points()),
            halves: self.small.slabs() * rows * TILE_LINES * LANES,
        }
    }

    /// Scratch of one thread: for the products, or for the planes of a row of tiles.
    fn small_piece_len(&self) -> usize {
        let SmallPiece { u, m, halves } = self.small_piece();
        (u + m + halves).max(self.points_piece(self.small.thickness))
    }

    pub(super) fn small_scratch_len(&self, threads: usize) -> usize {
        self.small_patches() * self.small_points(self.in_blocks).len(self.small.points())
            + threads * self.small_piece_len()
    }

    pub(super) fn convolve_small<T: Cell>(
        &self,
        cpu: Cpu,
        input: Input<'_, T>,
        output: Output<'_, T>,
        packed: &[Lanes],
        scratch: &mut [f32],
    ) {
        let patches = self.small_patches();
        let len = self.small_points(self.in_blocks).len(self.small.points());
        let (v, pieces) = scratch.split_at_mut(patches * len);
        let piece = self.small_piece_len();
        for (n, v) in v.chunks_exact_mut(len).enumerate() {
            self.input_points(cpu, (input, self.small_patch(n)), v, (pieces, piece));
        }
        let packed: &[Taps] = packed.as_chunks().0;
        let v: &[f32] = v;
        run_tasks(patches * self.out_blocks, pieces, piece, |task, scratch| {
            let (n, block) = (task / self.out_blocks, task % self.out_blocks);
            let per_block = self.in_blocks * LANES;
            let taps = &packed[block * per_block..][..per_block];
            let v = v[n * len..][..len].as_chunks().0;
            let patch = self.small_patch(n);
            if self.small.thickness == THICK {
                T::thick_small(cpu, Small { plan: self, patch, block, v, taps, output, scratch });
            } else {
                T::small(cpu, Small { plan: self, patch, block, v, taps, output, scratch });
            }
        });
    }

    /// Scratch of one thread for [`Winograd::input_points`] of tiles so thick.
    pub(super) fn points_piece(&self, thickness: usize) -> usize {
        let [_, _, x] = self.tiling.tiles;
        Planes::of_input(&Patch { start: [0; 3], size: [1, 1, x] }, thickness).len(1)
    }

    /// Points of all tiles of `patch`, of all input blocks.
    pub(super) fn input_points<T: Cell>(
        &self,
        cpu: Cpu,
        (input, patch): (Input<'_, T>, Patch),
        v: &mut [f32],
        (pieces, piece): (&mut [f32], usize),
    ) {
        let layout = Points { blocks: self.in_blocks, rows: patch.rows() };
        let to = PointsMut { values: Shared::new(v), layout, patch, first: 0 };
        run_tasks(self.in_blocks * patch.size[1], pieces, piece, |task, planes| {
            let (block, y) = (task / patch.size[1], task % patch.size[1]);
            let work = patch.tile_row(y);
            if input.tiling.thickness == THICK {
                T::thick_input_points(cpu, InputPoints { input, work, block, planes, to });
            } else {
                T::input_points(cpu, InputPoints { input, work, block, planes, to });
            }
        });
    }
}

/// Packs the taps of one block of 16 x 16 channels.
struct Pack<'a> {
    weights: Weights<'a>,
    block: (usize, usize),
    to: &'a mut [Taps],
}

impl Kernel for Pack<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, _: I) {
        for (k, to) in self.to.iter_mut().enumerate() {
            self.weights.taps(self.block.0 * LANES + k, self.block.1 * LANES, to);
        }
    }
}

/// The points of a row of tiles of one block, which have `Z` outputs along z.
pub(crate) struct InputPoints<'a, T, const Z: usize> {
    input: Input<'a, T>,
    work: Patch,
    block: usize,
    planes: &'a mut [f32],
    to: PointsMut<'a>,
}

impl<T: Cell, const Z: usize> Kernel for InputPoints<'_, T, Z> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let planes = self.planes.as_chunks_mut().0;
        let first = self.work.start[0];
        let layout = Planes::of_input(&self.work.layers(first, 1), Z);
        let blocks = self.block..self.block + 1;
        for z in first..first + self.work.size[0] {
            let work = self.work.layers(z, 1);
            let held = if z == first { 0 } else { 2 };
            self.input.along_y(isa, (&work, held), blocks.clone(), (layout, planes));
            for step in 0..6 * (Z + 2) {
                // SAFETY: a task of this phase has a block and a row of tiles of its own.
                unsafe { along_x::<I, Z>(isa, (&work, step), blocks.clone(), (layout, planes), self.to.step(step)) };
            }
        }
    }
}

/// Scratch of [`Small`].
struct SmallPiece {
    u: usize,
    m: usize,
    halves: usize,
}

/// One block of results of all tiles of a patch, which have `Z` outputs along z.
pub(crate) struct Small<'a, T, const Z: usize> {
    plan: &'a Winograd,
    patch: Patch,
    block: usize,
    v: &'a [Lanes],
    taps: &'a [Taps],
    output: Output<'a, T>,
    scratch: &'a mut [f32],
}

impl<T: Cell, const Z: usize> Kernel for Small<'_, T, Z> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let SmallPiece { u, m, halves } = self.plan.small_piece();
        let (u, rest) = self.scratch[..u + m + halves].split_at_mut(u);
        let (m, halves) = rest.split_at_mut(m);
        let (u, m) = (u.as_chunks_mut().0, m.as_chunks_mut().0);
        let halves: &mut [Halfway] = halves.as_chunks_mut().0.as_chunks_mut().0;
        let rows = self.patch.rows();
        let v_layout = Points { blocks: self.plan.in_blocks, rows };
        let m_layout = Points { blocks: 1, rows };
        let chunk = self.plan.small_chunk();
        for first in (0..self.plan.in_blocks).step_by(chunk) {
            let n = chunk.min(self.plan.in_blocks - first);
            transform_block::<I, Z>(isa, &self.taps[first * LANES..][..n * LANES], &ONES, u);
            let last = if first + n == self.plan.in_blocks { self.plan.last } else { LANES };
            let write = if first == 0 { Write::Overwrite } else { Write::Add };
            for t in 0..6 * 6 * (Z + 2) {
                let v = &self.v[v_layout.at(t, first, 0)..][..n * rows];
                let u = &u[t * (n * LANES + 1)..][..n * LANES];
                multiply(isa, (rows, last), v, u, (&mut m[m_layout.at(t, 0, 0)..][..rows], write));
            }
        }
        for i in 0..6 {
            along_zx::<I, Z>(isa, i, (m_layout, &m[m_layout.at(6 * (Z + 2) * i, 0, 0)..]), halves);
        }
        for slab in 0..Z / 2 {
            let computed = &halves[slab * rows..][..rows];
            // SAFETY: this block of these tiles belongs to this task alone.
            unsafe { self.output.put(isa, &self.patch, self.block, Halves::in_turn(computed, slab)) };
        }
    }
}
