//! Small maps, whose weights are more than their values: points of all tiles first, then a task for each pair of blocks of
//! results that transforms the weights it needs as it goes, a row of points at a time, so that neither they nor sums of products
//! leave the second-level cache.

use super::Winograd;
use super::input::{Input, Planes, along_x};
use super::output::{Halfway, Halves, Output, TILE_LINES, along_zx};
use super::product::multiply;
use super::tiles::{Lanes, Patch, Points, PointsMut, THICK, Tiling};
use super::weights::{TAPS, Taps, Weights, transform_row};
use crate::cpu::Cpu;
use crate::gather::Write;
use crate::half::Cell;
use crate::isa::{Isa, Kernel};
use crate::layout::LANES;
use crate::team::{Shared, run_tasks};
use rayon::prelude::*;

/// Most tiles whose products a thread keeps.
const ROWS: usize = 64;
/// Blocks of results of a task: each value is read once for both, and from beyond the second-level cache.
const PAIR: usize = 2;
/// Input blocks whose weights are transformed at once: for two blocks of results 297 kB, a row of points of thick tiles.
const CHUNK: usize = 4;
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

    fn small_piece(&self) -> SmallPiece {
        let (rows, points) = (self.small_patch(0).rows(), self.small.points() / 6);
        SmallPiece {
            u: points * (PAIR * CHUNK * LANES + 1) * LANES,
            m: self.small_points(PAIR).len(points),
            halves: PAIR * self.small.slabs() * rows * TILE_LINES * LANES,
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
        let pairs = self.out_blocks.div_ceil(PAIR);
        run_tasks(patches * pairs, pieces, piece, |task, scratch| {
            let (n, block) = (task / pairs, task % pairs * PAIR);
            let n_blocks = PAIR.min(self.out_blocks - block);
            let per_block = self.in_blocks * LANES;
            let taps = &packed[block * per_block..][..n_blocks * per_block];
            let v = v[n * len..][..len].as_chunks().0;
            let patch = self.small_patch(n);
            if self.small.thickness == THICK {
                T::thick_small(cpu, Small { plan: self, patch, block, n_blocks, v, taps, output, scratch });
            } else {
                T::small(cpu, Small { plan: self, patch, block, n_blocks, v, taps, output, scratch });
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

/// Blocks of results of all tiles of a patch, which have `Z` outputs along z.
pub(crate) struct Small<'a, T, const Z: usize> {
    plan: &'a Winograd,
    patch: Patch,
    /// The first block of results, and how many there are.
    block: usize,
    n_blocks: usize,
    v: &'a [Lanes],
    taps: &'a [Taps],
    output: Output<'a, T>,
    scratch: &'a mut [f32],
}

impl<T: Cell, const Z: usize> Kernel for Small<'_, T, Z> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Self { plan, patch, block, n_blocks, .. } = self;
        let SmallPiece { u, m, halves } = plan.small_piece();
        let (u, rest) = self.scratch[..u + m + halves].split_at_mut(u);
        let (m, halves) = rest.split_at_mut(m);
        let (u, m) = (u.as_chunks_mut().0, m.as_chunks_mut().0);
        let halves: &mut [Halfway] = halves.as_chunks_mut().0.as_chunks_mut().0;
        let (rows, points) = (patch.rows(), 6 * (Z + 2));
        let v_layout = Points { blocks: plan.in_blocks, rows };
        let m_layout = Points { blocks: n_blocks, rows };
        for i in 0..6 {
            for first in (0..plan.in_blocks).step_by(CHUNK) {
                let n = CHUNK.min(plan.in_blocks - first);
                let stride = n_blocks * n * LANES + 1;
                for b in 0..n_blocks {
                    let taps = &self.taps[(b * plan.in_blocks + first) * LANES..][..n * LANES];
                    transform_row::<I, Z>(isa, (i, taps), (&mut u[b * n * LANES..], stride));
                }
                let last = if first + n == plan.in_blocks { plan.last } else { LANES };
                let write = if first == 0 { Write::Overwrite } else { Write::Add };
                for t in 0..points {
                    let v = &self.v[v_layout.at(points * i + t, first, 0)..][..n * rows];
                    let m = &mut m[m_layout.at(t, 0, 0)..][..m_layout.point()];
                    multiply(isa, (rows, last), v, &u[t * stride..][..stride - 1], (m, write));
                }
            }
            along_zx::<I, Z>(isa, i, (m_layout, m), halves);
        }
        for n in 0..n_blocks * (Z / 2) {
            let (b, slab) = (n / (Z / 2), n % (Z / 2));
            let computed = &halves[n * rows..][..rows];
            // SAFETY: these blocks of these tiles belong to this task alone.
            unsafe { self.output.put(isa, &patch, block + b, Halves::in_turn(computed, slab)) };
        }
    }
}
