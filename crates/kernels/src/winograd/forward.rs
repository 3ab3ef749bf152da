//! The convolution itself.

use super::Winograd;
use super::input::{Input, ring_len};
use super::output::{Output, Products};
use super::product::multiply;
use super::tiles::{Cut, Lanes, POINTS, Patch, Points, PointsMut, Tiling, aligned};
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
    (tiling.whole().len() > 64).then(|| Cut::new(tiling.tiles, 24, 12, 16))
}

/// Scratch of one thread that works through a unit.
#[derive(Clone, Copy)]
struct Piece {
    v: usize,
    m: usize,
    ring: usize,
}

impl Winograd {
    fn piece(&self, cut: &Cut) -> Piece {
        let patch = cut.largest();
        Piece {
            v: Points { blocks: self.in_blocks, rows: patch.rows() }.len(),
            m: Points { blocks: GROUP.min(self.out_blocks), rows: patch.rows() }.len(),
            ring: ring_len(&patch, self.in_blocks),
        }
    }

    /// Points of all input blocks, points of all output blocks.
    pub(super) fn all_points(&self) -> [Points; 2] {
        let rows = self.tiling.whole().rows();
        [self.in_blocks, self.out_blocks].map(|blocks| Points { blocks, rows })
    }

    /// One row of tiles through all layers and along x: a task of a phase.
    pub(super) fn slice(&self, y: usize) -> Patch {
        let [z, _, x] = self.tiling.tiles;
        Patch { start: [0, y, 0], size: [z, 1, x] }
    }

    /// Scratch that [`Winograd::convolve`] needs on `threads` threads.
    pub fn scratch_len(&self, threads: usize) -> usize {
        LANES
            + match &self.forward {
                Some(cut) => {
                    let Piece { v, m, ring } = self.piece(cut);
                    threads * (v + m + ring)
                }
                None => {
                    let [v, m] = self.all_points();
                    v.len() + m.len() + threads * ring_len(&self.slice(0), 1)
                }
            }
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
        let voxels = self.tiling.voxels();
        self.check_sources(sources);
        assert_eq!(u.len(), self.weights_len(), "winograd: weights");
        assert_eq!(dst.len(), self.out_blocks * voxels * LANES, "winograd: dst");
        assert!(scratch.len() >= self.scratch_len(rayon::current_num_threads()), "winograd: scratch");
        let input = Input { tiling: self.tiling, sources };
        let output = Output { tiling: self.tiling, dst: Shared::new(dst), write };
        let scratch = aligned(scratch);
        let u = u.as_chunks().0;
        match self.forward {
            Some(cut) => {
                let piece = self.piece(&cut);
                let len = piece.v + piece.m + piece.ring;
                run_tasks(cut.units(self.tiling.tiles), scratch, len, |task, scratch| {
                    let unit = cut.unit(self.tiling.tiles, task);
                    cpu.run(March { plan: self, cut, unit, input, output, u, piece, scratch });
                });
            }
            None => self.phases(cpu, input, output, u, scratch),
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
        let [v_layout, m_layout] = self.all_points();
        let (v, rest) = scratch.split_at_mut(v_layout.len());
        let (m, rings) = rest.split_at_mut(m_layout.len());
        self.input_points(cpu, input, v, rings);
        let v = v.as_chunks().0;
        let shared = Shared::new(m);
        run_tasks(POINTS, rings, LANES, |t, _| {
            // SAFETY: point `t` of the products belongs to this task alone.
            let m = unsafe { shared.slice(t * m_layout.stride() * LANES, m_layout.stride() * LANES) }.as_chunks_mut().0;
            let v = &v[v_layout.at(t, 0, 0)..][..v_layout.stride() - 1];
            let n = weight_stride(self.in_blocks, self.out_blocks);
            let u = &u[t * n..][..n - 1];
            let n = m_layout.stride() - 1;
            cpu.run(Multiply { rows: patch.rows(), v, u, m: &mut m[..n] });
        });
        let from = Products { values: m.as_chunks().0, layout: m_layout, patch, first_block: 0 };
        run_tasks(self.out_blocks * self.tiling.tiles[1], rings, LANES, |task, _| {
            let (block, y) = (task / self.tiling.tiles[1], task % self.tiling.tiles[1]);
            cpu.run(Put { output, work: self.slice(y), block, from });
        });
    }

    /// Points of all tiles of all input blocks.
    pub(super) fn input_points(&self, cpu: Cpu, input: Input<'_>, v: &mut [f32], rings: &mut [f32]) {
        let [layout, _] = self.all_points();
        let to = PointsMut { values: Shared::new(v), layout, patch: self.tiling.whole() };
        let rows = self.tiling.tiles[1];
        run_tasks(self.in_blocks * rows, rings, ring_len(&self.slice(0), 1), |task, ring| {
            cpu.run(Transform { input, work: self.slice(task % rows), block: task / rows, ring, to });
        });
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
        let stride = weight_stride(in_blocks, out_blocks);
        let per_block = in_blocks * LANES;
        let (v, rest) = self.scratch.split_at_mut(self.piece.v);
        let (m, ring) = rest.split_at_mut(self.piece.m);
        let (m, ring) = (m.as_chunks_mut().0, ring.as_chunks_mut().0);
        let (begin, end) = (self.unit.start[0], self.unit.start[0] + self.unit.size[0]);
        for z in (begin..end).step_by(self.cut.batch[0]) {
            let patch = self.unit.layers(z, self.cut.batch[0]);
            let layout = Points { blocks: in_blocks, rows: patch.rows() };
            let to = PointsMut { values: Shared::new(v), layout, patch };
            // SAFETY: the scratch is this task's alone.
            unsafe { self.input.transform(isa, (patch, z == begin), 0..in_blocks, ring, to) };
            let v: &[Lanes] = v.as_chunks().0;
            for first_block in (0..out_blocks).step_by(GROUP) {
                let n = GROUP.min(out_blocks - first_block);
                let products = Points { blocks: n, rows: patch.rows() };
                for t in 0..POINTS {
                    multiply(
                        isa,
                        patch.rows(),
                        &v[layout.at(t, 0, 0)..][..layout.stride() - 1],
                        &self.u[t * stride + first_block * per_block..][..n * per_block],
                        &mut m[products.at(t, 0, 0)..][..products.stride() - 1],
                    );
                }
                let from = Products { values: m, layout: products, patch, first_block };
                // SAFETY: the outputs of a unit's tiles belong to its task.
                unsafe { self.output.put(isa, &patch, first_block..first_block + n, from) };
            }
        }
    }
}

/// First phase.
struct Transform<'a> {
    input: Input<'a>,
    work: Patch,
    block: usize,
    ring: &'a mut [f32],
    to: PointsMut<'a>,
}

impl Kernel for Transform<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let ring = self.ring.as_chunks_mut().0;
        // SAFETY: a task of this phase has a block and a row of tiles of its own.
        unsafe { self.input.transform(isa, (self.work, true), self.block..self.block + 1, ring, self.to) };
    }
}

/// Second phase.
struct Multiply<'a> {
    rows: usize,
    v: &'a [Lanes],
    u: &'a [Lanes],
    m: &'a mut [Lanes],
}

impl Kernel for Multiply<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        multiply(isa, self.rows, self.v, self.u, self.m);
    }
}

/// Third phase.
struct Put<'a> {
    output: Output<'a>,
    work: Patch,
    block: usize,
    from: Products<'a>,
}

impl Kernel for Put<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        // SAFETY: a task of this phase has a block and a row of tiles of its own.
        unsafe { self.output.put(isa, &self.work, self.block..self.block + 1, self.from) };
    }
}
