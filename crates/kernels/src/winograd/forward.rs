//! The convolution itself.

use super::Winograd;
use super::input::{Input, Planes};
use super::output::{Output, TILE_LINES, Tiles, TilesMut};
use super::product::multiply;
use super::tiles::{Cut, Lanes, POINTS, Patch, Points, PointsMut, STEPS, Tiling, aligned};
use super::weights::weight_stride;
use crate::cpu::Cpu;
use crate::gather::Write;
use crate::isa::{Isa, Kernel};
use crate::layout::{LANES, Source};
use crate::team::{Shared, run_tasks};

/// Output blocks whose products are made before they are transformed back.
const GROUP: usize = 2;

/// How the layer is cut, or `None` if it is worked through in phases.
pub(super) fn cut(tiling: &Tiling, _in_blocks: usize, _out_blocks: usize) -> Option<Cut> {
    (tiling.whole().len() > 64).then(|| Cut::new(tiling.tiles, 12, 12, 24))
}

/// Scratch of one thread that works through a unit.
#[derive(Clone, Copy)]
struct Piece {
    planes: usize,
    v: usize,
    m: usize,
    tiles: usize,
}

impl Piece {
    fn len(&self) -> usize {
        self.planes + self.v + self.m + self.tiles
    }
}

impl Winograd {
    fn group(&self) -> usize {
        GROUP.min(self.out_blocks)
    }

    fn piece(&self, cut: &Cut) -> Piece {
        let patch = cut.largest();
        let rows = patch.rows();
        Piece {
            planes: Planes::of_input(&patch).len(self.in_blocks),
            v: Points { blocks: self.in_blocks, rows }.len(6),
            m: Points { blocks: self.group(), rows }.len(6),
            tiles: self.out_blocks * rows * TILE_LINES * LANES,
        }
    }

    /// Points of all tiles, of so many blocks.
    pub(super) fn all_points(&self, blocks: usize) -> Points {
        Points { blocks, rows: self.tiling.whole().rows() }
    }

    /// One row of tiles through all layers and along x: a task of a phase.
    pub(super) fn slice(&self, y: usize) -> Patch {
        let [z, _, x] = self.tiling.tiles;
        Patch { start: [0, y, 0], size: [z, 1, x] }
    }

    /// Scratch of one thread in the phases: planes of one layer, or six points of products.
    fn phase_piece(&self) -> usize {
        let planes = Planes::of_input(&self.slice(0).layers(0, 1)).len(1);
        planes.max(self.all_points(self.group()).len(6))
    }

    /// Values of the products of all tiles.
    fn all_tiles(&self) -> usize {
        self.out_blocks * self.tiling.whole().rows() * TILE_LINES * LANES
    }

    /// Scratch that [`Winograd::convolve`] needs on `threads` threads.
    pub fn scratch_len(&self, threads: usize) -> usize {
        let of_all = self.all_points(self.in_blocks).len(POINTS) + self.all_tiles();
        let phases = || of_all + threads * self.phase_piece();
        LANES + self.forward.map_or_else(phases, |cut| threads * self.piece(&cut).len())
    }

    /// `dst (+)= convolution of sources`.
    ///
    /// `sources`: blocked, their blocks one after another; `u`: [`Winograd::transform_weights`]; `dst`:
    /// `[out_blocks][D][H][W][16]`; `scratch`: [`Winograd::scratch_len`], with whatever in it.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn convolve(
        &self,
        cpu: Cpu,
        sources: &[Source<'_>],
        u: &[f32],
        (dst, write): (&mut [f32], Write),
        scratch: &mut [f32],
    ) {
        self.check_sources(sources);
        assert_eq!(u.len(), self.weights_len(), "winograd: weights");
        assert_eq!(dst.len(), self.out_blocks * self.tiling.voxels() * LANES, "winograd: dst");
        assert!(scratch.len() >= self.scratch_len(rayon::current_num_threads()), "winograd: scratch");
        let input = Input { tiling: self.tiling, sources };
        let output = Output { tiling: self.tiling, dst: Shared::new(dst), write };
        let scratch = aligned(scratch);
        let u = u.as_chunks().0;
        if let Some(cut) = self.forward {
            let piece = self.piece(&cut);
            run_tasks(cut.units(self.tiling.tiles), scratch, piece.len(), |task, scratch| {
                let unit = cut.unit(self.tiling.tiles, task);
                cpu.run(March { plan: self, cut, unit, input, output, u, piece, scratch });
            });
        } else {
            self.phases(cpu, input, output, u, scratch);
        }
    }

    pub(super) fn check_sources(&self, sources: &[Source<'_>]) {
        let voxels = self.tiling.voxels();
        let mut blocks = 0;
        for source in sources {
            let n = source.blocks(voxels);
            assert_eq!(source.values.len(), n * voxels * LANES, "winograd: length of a source");
            blocks += n;
        }
        assert_eq!(blocks, self.in_blocks, "winograd: blocks of the sources");
    }

    fn phases(&self, cpu: Cpu, input: Input<'_>, output: Output<'_>, u: &[Lanes], scratch: &mut [f32]) {
        let patch = self.tiling.whole();
        let v_layout = self.all_points(self.in_blocks);
        let (v, rest) = scratch.split_at_mut(v_layout.len(POINTS));
        let (tiles, pieces) = rest.split_at_mut(self.all_tiles());
        self.input_points(cpu, input, v, (pieces, self.phase_piece()));
        let v = v.as_chunks().0;
        let to = TilesMut { values: Shared::new(tiles), rows: patch.rows() };
        let groups = self.out_blocks.div_ceil(GROUP);
        run_tasks(STEPS * groups, pieces, self.phase_piece(), |task, m| {
            let (step, first) = (task / groups, task % groups * GROUP);
            let n = GROUP.min(self.out_blocks - first);
            let v = &v[v_layout.at(6 * step, 0, 0)..][..6 * v_layout.stride()];
            cpu.run(Multiply { plan: self, step, first, n, v: (v_layout, v), u, m, to });
        });
        let from = Tiles { values: tiles.as_chunks().0.as_chunks().0, rows: patch.rows(), patch };
        let rows = self.tiling.tiles[1];
        run_tasks(self.out_blocks * rows, pieces, LANES, |task, _| {
            cpu.run(Put { output, work: self.slice(task % rows), block: task / rows, from });
        });
    }

    /// Points of all tiles of all input blocks.
    pub(super) fn input_points(&self, cpu: Cpu, input: Input<'_>, v: &mut [f32], (pieces, piece): (&mut [f32], usize)) {
        let layout = self.all_points(self.in_blocks);
        let to = PointsMut { values: Shared::new(v), layout, patch: self.tiling.whole(), first: 0 };
        let rows = self.tiling.tiles[1];
        run_tasks(self.in_blocks * rows, pieces, piece, |task, planes| {
            cpu.run(Transform { input, work: self.slice(task % rows), block: task / rows, planes, to });
        });
    }

    /// `n` output blocks from `first`: products of the six points of `step`, transformed back along x.
    ///
    /// # Safety
    /// No other task touches this step of these blocks in `to`.
    #[inline(always)]
    unsafe fn products<I: Isa>(
        &self,
        isa: I,
        (step, first, n): (usize, usize, usize),
        (v_layout, v): (Points, &[Lanes]),
        u: &[Lanes],
        (m, to): (&mut [Lanes], TilesMut<'_>),
    ) {
        let stride = weight_stride(self.in_blocks, self.out_blocks);
        let k = self.in_blocks * LANES;
        let rows = v_layout.rows;
        let layout = Points { blocks: n, rows };
        for j in 0..6 {
            let v = &v[v_layout.at(j, 0, 0)..][..v_layout.point()];
            let u = &u[(6 * step + j) * stride + first * k..][..n * k];
            multiply(isa, rows, v, u, &mut m[layout.at(j, 0, 0)..][..layout.point()]);
        }
        // SAFETY: the caller's promise.
        unsafe { to.along_x(isa, (step, first), layout, m) };
    }
}

/// A unit, batch after batch: all steps while the batch is in the cache.
struct March<'a> {
    plan: &'a Winograd,
    cut: Cut,
    unit: Patch,
    input: Input<'a>,
    output: Output<'a>,
    u: &'a [Lanes],
    piece: Piece,
    scratch: &'a mut [f32],
}

impl Kernel for March<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Winograd { in_blocks, out_blocks, .. } = *self.plan;
        let (planes, rest) = self.scratch.split_at_mut(self.piece.planes);
        let (v, rest) = rest.split_at_mut(self.piece.v);
        let (m, tiles) = rest.split_at_mut(self.piece.m);
        let (planes, m) = (planes.as_chunks_mut().0, m.as_chunks_mut().0);
        let (begin, end) = (self.unit.start[0], self.unit.start[0] + self.unit.size[0]);
        let planes_layout = Planes::of_input(&self.unit.layers(begin, self.cut.batch[0]));
        for z in (begin..end).step_by(self.cut.batch[0]) {
            let patch = self.unit.layers(z, self.cut.batch[0]);
            let rows = patch.rows();
            let held = if z == begin { 0 } else { 2 };
            self.input.along_y(isa, (&patch, held), 0..in_blocks, (planes_layout, planes));
            let layout = Points { blocks: in_blocks, rows };
            for step in 0..STEPS {
                if z + patch.size[0] < end {
                    let next = self.unit.layers(z + patch.size[0], self.cut.batch[0]);
                    self.input.prefetch(isa, (&next, 2), in_blocks, step);
                }
                let to = PointsMut { values: Shared::new(v), layout, patch, first: 0 };
                // SAFETY: the scratch is this task's alone.
                unsafe { Input::along_x(isa, (&patch, step), 0..in_blocks, (planes_layout, planes), to) };
                let v = v.as_chunks().0;
                for first in (0..out_blocks).step_by(GROUP) {
                    let n = GROUP.min(out_blocks - first);
                    let to = TilesMut { values: Shared::new(tiles), rows };
                    // SAFETY: the scratch is this task's alone.
                    unsafe { self.plan.products(isa, (step, first, n), (layout, v), self.u, (m, to)) };
                }
            }
            let from = Tiles { values: tiles.as_chunks().0.as_chunks().0, rows, patch };
            // SAFETY: the outputs of a unit's tiles belong to its task.
            unsafe { self.output.put(isa, &patch, 0..out_blocks, from) };
        }
    }
}

/// First phase: the points of a row of tiles of one block.
struct Transform<'a> {
    input: Input<'a>,
    work: Patch,
    block: usize,
    planes: &'a mut [f32],
    to: PointsMut<'a>,
}

impl Kernel for Transform<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let planes = self.planes.as_chunks_mut().0;
        let layout = Planes::of_input(&self.work.layers(0, 1));
        let blocks = self.block..self.block + 1;
        for z in 0..self.work.size[0] {
            let work = self.work.layers(z, 1);
            let held = if z == 0 { 0 } else { 2 };
            self.input.along_y(isa, (&work, held), blocks.clone(), (layout, planes));
            for step in 0..STEPS {
                // SAFETY: a task of this phase has a block and a row of tiles of its own.
                unsafe { Input::along_x(isa, (&work, step), blocks.clone(), (layout, planes), self.to.step(step)) };
            }
        }
    }
}

/// Second phase: products of a step and a group of output blocks.
struct Multiply<'a> {
    plan: &'a Winograd,
    step: usize,
    first: usize,
    n: usize,
    v: (Points, &'a [Lanes]),
    u: &'a [Lanes],
    m: &'a mut [f32],
    to: TilesMut<'a>,
}

impl Kernel for Multiply<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let m = self.m.as_chunks_mut().0;
        // SAFETY: these blocks of this step belong to this task alone.
        unsafe { self.plan.products(isa, (self.step, self.first, self.n), self.v, self.u, (m, self.to)) };
    }
}

/// Third phase: the outputs of a row of tiles of one block.
struct Put<'a> {
    output: Output<'a>,
    work: Patch,
    block: usize,
    from: Tiles<'a>,
}

impl Kernel for Put<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        // SAFETY: a task of this phase has a block and a row of tiles of its own.
        unsafe { self.output.put(isa, &self.work, self.block..self.block + 1, self.from) };
    }
}
