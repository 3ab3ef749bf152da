//! The weight gradient.

use super::Winograd;
use super::input::{Input, OutputGradient, Planes, along_x};
use super::product::correlate;
use super::tiles::{Cut, Lanes, POINTS, Patch, Points, PointsMut, STEPS, Tiling, aligned, part};
use super::weights::{Canonical, FoldWeights, TAPS, WeightGradient, weight_stride};
use crate::cpu::Cpu;
use crate::gather::Write;
use crate::isa::{Isa, Kernel};
use crate::layout::{LANES, Source, blocks};
use crate::team::{Shared, run_tasks};
use std::ops::Range;

/// Values of partial sums that are worth adding up: 10 MiB.
const PARTIALS: usize = 10 << 18;
/// Most slabs, each with partial sums of its own.
const SLABS: usize = 16;
/// Tasks that there should be, if the layer can be cut so far: wide layers have few slabs, cut by output blocks.
const TASKS: usize = 4;
/// Output blocks that a task of the second phase sums.
const PAIR: usize = 2;

/// How the layer is cut, or `None` if it is worked through in phases.
pub(super) fn cut(tiling: &Tiling, _in_blocks: usize, _out_blocks: usize) -> Option<Cut> {
    (tiling.whole().len() > 128).then(|| Cut::new(tiling.tiles, 36, 12, 32))
}

/// Scratch of one thread that sums a slab.
#[derive(Clone, Copy)]
struct Piece {
    in_planes: usize,
    out_planes: usize,
    v: usize,
    m: usize,
}

impl Piece {
    fn len(&self) -> usize {
        self.in_planes + self.out_planes + self.v + self.m
    }
}

/// The tasks of a large map: slabs, each with groups of output blocks.
#[derive(Clone, Copy)]
struct Slabs {
    cut: Cut,
    /// How many slabs.
    n: usize,
    /// Output blocks of a group.
    group: usize,
    /// Values of the partial sums of a slab and group.
    partial: usize,
}

impl Winograd {
    fn slabs(&self, cut: Cut) -> Slabs {
        let all = POINTS * weight_stride(self.in_blocks, self.out_blocks) * LANES;
        let n = (PARTIALS / all).clamp(1, SLABS).min(cut.units(self.tiling.tiles));
        let group = self.out_blocks.div_ceil(TASKS.div_ceil(n)).next_multiple_of(2).min(self.out_blocks);
        Slabs { cut, n, group, partial: POINTS * weight_stride(self.in_blocks, group) * LANES }
    }

    fn groups(&self, slabs: &Slabs) -> usize {
        self.out_blocks.div_ceil(slabs.group)
    }

    fn gradient_piece(&self, slabs: &Slabs) -> Piece {
        let patch = slabs.cut.largest();
        Piece {
            in_planes: Planes::of_input(&patch, 2).len(self.in_blocks),
            out_planes: Planes::of_output(&patch).len(slabs.group),
            v: Points { blocks: self.in_blocks, rows: patch.rows() }.len(6),
            m: Points { blocks: slabs.group, rows: patch.rows() }.len(6),
        }
    }

    /// Scratch of one thread in the phases: planes of one layer, or the sums of some blocks.
    fn gradient_phase_piece(&self) -> usize {
        self.points_piece(2).max(POINTS * weight_stride(1, PAIR.min(self.out_blocks)) * LANES)
    }

    /// Points of all tiles, of so many blocks.
    fn all_points(&self, blocks: usize) -> Points {
        Points { blocks, rows: self.tiling.whole().rows() }
    }

    /// Scratch that [`Winograd::weight_gradient`] needs on `threads` threads.
    pub fn gradient_scratch_len(&self, threads: usize) -> usize {
        let of_all = self.all_points(self.in_blocks).len(POINTS) + self.all_points(self.out_blocks).len(POINTS);
        let phases = || of_all + threads * self.gradient_phase_piece();
        let slabs = |cut: Cut| {
            let slabs = self.slabs(cut);
            slabs.n * self.groups(&slabs) * slabs.partial + threads * self.gradient_piece(&slabs).len()
        };
        LANES + self.gradient.map_or_else(phases, slabs)
    }

    /// `d_weights (+)=` the gradient of a layer from `i` to `o` channels, canonical, `[O][I][3][3][3]`.
    ///
    /// `sources`: the layer's, as in [`Winograd::convolve`]; `d_dst`: the gradient of its output, blocked,
    /// `[out_blocks][D][H][W][16]`; `scratch`: [`Winograd::gradient_scratch_len`], with whatever in it.
    ///
    /// # Panics
    /// If a length or number of channels does not fit.
    pub fn weight_gradient(
        &self,
        cpu: Cpu,
        (sources, d_dst): (&[Source<'_>], &[f32]),
        (o, i): (usize, usize),
        (d_weights, write): (&mut [f32], Write),
        scratch: &mut [f32],
    ) {
        self.check_sources(sources);
        assert_eq!((blocks(i), blocks(o)), (self.in_blocks, self.out_blocks), "winograd: channels");
        assert_eq!(d_dst.len(), self.out_blocks * self.tiling.voxels() * LANES, "winograd: d_dst");
        assert_eq!(d_weights.len(), o * i * TAPS, "winograd: d_weights");
        assert!(scratch.len() >= self.gradient_scratch_len(rayon::current_num_threads()), "winograd: scratch");
        let input = Input { tiling: self.tiling, sources, gain: 1.0 };
        let gradient = OutputGradient { tiling: self.tiling, values: d_dst.as_chunks().0 };
        let to = WeightGradient { canonical: Canonical { o, i }, values: Shared::new(d_weights), write };
        let scratch = aligned(scratch);
        if let Some(cut) = self.gradient {
            self.gradient_slabs(cpu, cut, (input, gradient), to, scratch);
        } else {
            self.gradient_phases(cpu, (input, gradient), to, scratch);
        }
    }

    fn gradient_slabs(
        &self,
        cpu: Cpu,
        cut: Cut,
        (input, gradient): (Input<'_, f32>, OutputGradient<'_>),
        to: WeightGradient<'_>,
        scratch: &mut [f32],
    ) {
        let slabs = self.slabs(cut);
        let (groups, Slabs { n, group, partial, .. }) = (self.groups(&slabs), slabs);
        let (parts, pieces) = scratch.split_at_mut(n * groups * partial);
        let piece = self.gradient_piece(&slabs);
        let shared = Shared::new(parts);
        run_tasks(n * groups, pieces, piece.len(), |task, scratch| {
            let blocks = task / n * group..self.out_blocks.min((task / n + 1) * group);
            // SAFETY: the partial sums of a group and slab belong to its task.
            let sums = unsafe { shared.slice(task * partial, partial) }.as_chunks_mut().0;
            cpu.run(Slab { plan: self, slabs, nth: task % n, blocks, input, gradient, piece, scratch, sums });
        });
        let parts = parts.as_chunks().0;
        run_tasks(self.in_blocks * self.out_blocks, pieces, LANES, |task, _| {
            let (ib, ob) = (task / self.out_blocks, task % self.out_blocks);
            let (g, blocks) = (ob / group, group.min(self.out_blocks - ob / group * group));
            cpu.run(FoldWeights {
                parts: &parts[g * n * partial / LANES..],
                n_parts: n,
                part_len: partial / LANES,
                stride: weight_stride(self.in_blocks, blocks),
                at: (ib * blocks + ob % group) * LANES,
                block: (ib, ob),
                to,
            });
        });
    }

    fn gradient_phases(
        &self,
        cpu: Cpu,
        (input, gradient): (Input<'_, f32>, OutputGradient<'_>),
        to: WeightGradient<'_>,
        scratch: &mut [f32],
    ) {
        let (v_layout, m_layout) = (self.all_points(self.in_blocks), self.all_points(self.out_blocks));
        let (v, rest) = scratch.split_at_mut(v_layout.len(POINTS));
        let (m, pieces) = rest.split_at_mut(m_layout.len(POINTS));
        let piece = self.gradient_phase_piece();
        let patch = self.tiling.whole();
        self.input_points::<f32>(cpu, (input, patch), v, (pieces, piece));
        let points = PointsMut { values: Shared::new(m), layout: m_layout, patch, first: 0 };
        let rows = self.tiling.tiles[1];
        run_tasks(self.out_blocks * rows, pieces, piece, |task, planes| {
            cpu.run(Spread { gradient, work: patch.tile_row(task % rows), block: task / rows, planes, to: points });
        });
        let (v, m) = (v.as_chunks().0, m.as_chunks().0);
        let pairs = self.out_blocks.div_ceil(PAIR);
        run_tasks(self.in_blocks * pairs, pieces, piece, |task, sums| {
            let (ib, first) = (task / pairs, task % pairs * PAIR);
            let obs = first..self.out_blocks.min(first + PAIR);
            let stride = weight_stride(1, obs.len());
            let last = if ib + 1 == self.in_blocks { self.last } else { LANES };
            let sums = sums.as_chunks_mut().0;
            for t in 0..POINTS {
                let v = &v[v_layout.at(t, ib, 0)..][..v_layout.rows];
                let m = &m[m_layout.at(t, obs.start, 0)..][..obs.len() * m_layout.rows];
                let du = &mut sums[t * stride..][..stride - 1];
                cpu.run(Correlate { rows: (patch.rows(), last, patch.len()), v, m, du });
            }
            for ob in obs {
                let at = (ob - first) * LANES;
                let parts: &[Lanes] = sums;
                cpu.run(FoldWeights { parts, n_parts: 1, part_len: 0, stride, at, block: (ib, ob), to });
            }
        });
    }
}

/// The partial sums of one slab.
struct Slab<'a> {
    plan: &'a Winograd,
    slabs: Slabs,
    /// Which of them.
    nth: usize,
    /// Output blocks.
    blocks: Range<usize>,
    input: Input<'a, f32>,
    gradient: OutputGradient<'a>,
    piece: Piece,
    scratch: &'a mut [f32],
    sums: &'a mut [Lanes],
}

impl Kernel for Slab<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Winograd { in_blocks, tiling, last, .. } = *self.plan;
        let (cut, out_blocks) = (self.slabs.cut, self.blocks.len());
        let stride = weight_stride(in_blocks, out_blocks);
        let (in_planes, rest) = self.scratch.split_at_mut(self.piece.in_planes);
        let (out_planes, rest) = rest.split_at_mut(self.piece.out_planes);
        let (v, m) = rest.split_at_mut(self.piece.v);
        let (in_planes, out_planes) = (in_planes.as_chunks_mut().0, out_planes.as_chunks_mut().0);
        let mut write = Write::Overwrite;
        for unit in part(cut.units(tiling.tiles), self.slabs.n, self.nth) {
            let unit = cut.unit(tiling.tiles, unit);
            let (begin, end) = (unit.start[0], unit.start[0] + unit.size[0]);
            let first = unit.layers(begin, cut.batch[0]);
            let (il, ol) = (Planes::of_input(&first, 2), Planes::of_output(&first));
            for z in (begin..end).step_by(cut.batch[0]) {
                let patch = unit.layers(z, cut.batch[0]);
                let held = if z == begin { 0 } else { 2 };
                self.input.along_y(isa, (&patch, held), 0..in_blocks, (il, in_planes));
                self.gradient.along_y(isa, &patch, self.blocks.clone(), (ol, out_planes));
                let rows = patch.rows();
                let (vl, ml) = (Points { blocks: in_blocks, rows }, Points { blocks: out_blocks, rows });
                for step in 0..STEPS {
                    let to_v = PointsMut { values: Shared::new(v), layout: vl, patch, first: 0 };
                    let to_m = PointsMut { values: Shared::new(m), layout: ml, patch, first: 0 };
                    // SAFETY: the scratch is this task's alone.
                    unsafe {
                        along_x::<I, 2>(isa, (&patch, step), 0..in_blocks, (il, in_planes), to_v);
                        OutputGradient::along_x(isa, (&patch, step), 0..out_blocks, (ol, out_planes), to_m);
                    }
                    let (v, m): (&[Lanes], &[Lanes]) = (v.as_chunks().0, m.as_chunks().0);
                    for j in 0..6 {
                        let v = &v[vl.at(j, 0, 0)..][..vl.point()];
                        let m = &m[ml.at(j, 0, 0)..][..ml.point()];
                        let du = &mut self.sums[(6 * step + j) * stride..][..stride - 1];
                        correlate(isa, (rows, last, patch.len()), v, m, (du, write));
                    }
                }
                write = Write::Add;
            }
        }
    }
}

/// One point of all tiles.
struct Correlate<'a> {
    /// Rows, lanes of the last block, rows that count.
    rows: (usize, usize, usize),
    v: &'a [Lanes],
    m: &'a [Lanes],
    du: &'a mut [Lanes],
}

impl Kernel for Correlate<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        correlate(isa, self.rows, self.v, self.m, (self.du, Write::Overwrite));
    }
}

/// Points of one row of tiles of the output's gradient.
struct Spread<'a> {
    gradient: OutputGradient<'a>,
    work: Patch,
    block: usize,
    planes: &'a mut [f32],
    to: PointsMut<'a>,
}

impl Kernel for Spread<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let planes = self.planes.as_chunks_mut().0;
        let layout = Planes::of_output(&self.work.layers(0, 1));
        let blocks = self.block..self.block + 1;
        for z in 0..self.work.size[0] {
            let work = self.work.layers(z, 1);
            self.gradient.along_y(isa, &work, blocks.clone(), (layout, planes));
            for step in 0..STEPS {
                let to = self.to.step(step);
                // SAFETY: a task of this phase has a block and a row of tiles of its own.
                unsafe { OutputGradient::along_x(isa, (&work, step), blocks.clone(), (layout, planes), to) };
            }
        }
    }
}
