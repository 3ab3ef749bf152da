//! The convolution itself; large maps march along z, batch by batch.

use super::Winograd;
use super::input::{Input, Planes};
use super::output::{Half, Output, TILE_LINES, along_zx};
use super::product::multiply;
use super::tiles::{Cut, Lanes, Patch, Points, PointsMut, STEPS, Tiling, aligned};
use super::weights::weight_stride;
use crate::cpu::Cpu;
use crate::gather::Write;
use crate::isa::{Isa, Kernel};
use crate::layout::{LANES, Source};
use crate::team::{Shared, run_tasks};

/// Tiles of a map that is small: its weights are more than its values.
const SMALL: usize = 128;

/// How the layer is cut, or `None` if its map is small.
pub(super) fn cut(tiling: &Tiling, in_blocks: usize, out_blocks: usize) -> Option<Cut> {
    // Few rows keep the points in the first-level cache; where the weights come from further away, more rows share them.
    let rows = if in_blocks * out_blocks <= 4 { 12 } else { 36 };
    (tiling.whole().len() > SMALL).then(|| Cut::new(tiling.tiles, rows, 12, 32))
}

/// Scratch of one thread that works through a unit.
#[derive(Clone, Copy)]
struct Piece {
    planes: usize,
    v: usize,
    m: usize,
    halves: usize,
}

impl Piece {
    fn len(&self) -> usize {
        self.planes + self.v + self.m + self.halves
    }
}

impl Winograd {
    fn piece(&self, cut: &Cut) -> Piece {
        let patch = cut.largest();
        let rows = patch.rows();
        Piece {
            planes: Planes::of_input(&patch).len(self.in_blocks),
            v: Points { blocks: self.in_blocks, rows }.len(6),
            m: Points { blocks: self.out_blocks, rows }.len(24),
            halves: self.out_blocks * rows * TILE_LINES * LANES,
        }
    }

    /// Scratch that [`Winograd::convolve`] needs on `threads` threads.
    pub fn scratch_len(&self, threads: usize) -> usize {
        let march = |cut| threads * self.piece(&cut).len();
        LANES + self.forward.map_or_else(|| self.small_scratch_len(threads), march)
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
            self.convolve_small(cpu, input, output, u, scratch);
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
        let Winograd { in_blocks, out_blocks, last, .. } = *self.plan;
        let stride = weight_stride(in_blocks, out_blocks);
        let (planes, rest) = self.scratch.split_at_mut(self.piece.planes);
        let (v, rest) = rest.split_at_mut(self.piece.v);
        let (m, halves) = rest.split_at_mut(self.piece.m);
        let (planes, m) = (planes.as_chunks_mut().0, m.as_chunks_mut().0);
        let halves: &mut [Half] = halves.as_chunks_mut().0.as_chunks_mut().0;
        let (begin, end) = (self.unit.start[0], self.unit.start[0] + self.unit.size[0]);
        let planes_layout = Planes::of_input(&self.unit.layers(begin, self.cut.batch[0]));
        for z in (begin..end).step_by(self.cut.batch[0]) {
            let patch = self.unit.layers(z, self.cut.batch[0]);
            let rows = patch.rows();
            let held = if z == begin { 0 } else { 2 };
            self.input.along_y(isa, (&patch, held), 0..in_blocks, (planes_layout, planes));
            let v_layout = Points { blocks: in_blocks, rows };
            let m_layout = Points { blocks: out_blocks, rows };
            for step in 0..STEPS {
                if z + patch.size[0] < end {
                    let next = self.unit.layers(z + patch.size[0], self.cut.batch[0]);
                    self.input.prefetch(isa, (&next, 2), in_blocks, step);
                }
                let to = PointsMut { values: Shared::new(v), layout: v_layout, patch, first: 0 };
                // SAFETY: the scratch is this task's alone.
                unsafe { Input::along_x(isa, (&patch, step), 0..in_blocks, (planes_layout, planes), to) };
                let v: &[Lanes] = v.as_chunks().0;
                for j in 0..6 {
                    let v = &v[v_layout.at(j, 0, 0)..][..v_layout.point()];
                    let u = &self.u[(6 * step + j) * stride..][..stride - 1];
                    let m = &mut m[m_layout.at(step % 4 * 6 + j, 0, 0)..][..m_layout.point()];
                    multiply(isa, (rows, last), v, u, (m, Write::Overwrite));
                }
                if step % 4 == 3 {
                    along_zx(isa, step / 4, (m_layout, m), halves);
                }
            }
            for b in 0..out_blocks {
                // SAFETY: the outputs of a unit's tiles belong to its task.
                unsafe { self.output.put(isa, &patch, b, &halves[b * rows..]) };
            }
        }
    }
}
