//! The convolution itself; large maps march along z, batch by batch.

use super::Winograd;
use super::input::{Input, Planes, Seen, along_x_of};
use super::output::{Halfway, Halves, Output, TILE_LINES, along_zx};
use super::product::multiply;
use super::repeats::{BATCH, Batch, Known};
use super::tiles::{Cut, KINDS, Lanes, Patch, Points, THICK, Tiling, aligned};
use super::weights::weight_stride;
use crate::cpu::Cpu;
use crate::gather::Write;
use crate::half::Cell;
use crate::isa::{Isa, Kernel};
use crate::layout::{LANES, Source};
use crate::moments::{Moments, Sums};
use crate::team::{Shared, run_tasks};

/// Tiles of a map that is small: its weights are more than its values.
pub(super) const SMALL: usize = 128;

/// How a layer of these tiles is cut: thick ones into fewer at once, side by side, as was measured.
pub(super) fn cut(tiling: &Tiling) -> Cut {
    let (rows, widest) = if tiling.thickness == THICK { (36, 40) } else { (BATCH, 12) };
    Cut::new(tiling.tiles, rows, widest, 32)
}

/// The tiles of a layer whose products are f32, and how it is cut, or `None` if its map is small.
pub(super) fn cut_for_floats(tiling: &Tiling) -> Option<(Tiling, Cut)> {
    let tiles = tiling.thickened();
    (tiling.whole().len() > SMALL).then(|| (tiles, cut(&tiles)))
}

/// Scratch of one thread that works through a unit.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub(super) planes: usize,
    pub(super) v: usize,
    pub(super) m: usize,
    pub(super) halves: usize,
    pub(super) kept: usize,
}

impl Piece {
    pub(super) fn len(&self) -> usize {
        self.planes + self.v + self.m + self.halves + self.kept
    }
}

impl Winograd {
    fn piece(&self, (tiling, cut): &(Tiling, Cut)) -> Piece {
        let patch = cut.largest();
        let rows = patch.rows();
        let slabs = self.out_blocks * tiling.slabs();
        Piece {
            planes: Planes::of_input(&patch, tiling.thickness).len(self.in_blocks),
            v: Points { blocks: self.in_blocks, rows }.len(6),
            m: Points { blocks: self.out_blocks, rows }.len(6 * (tiling.thickness + 2)),
            halves: slabs * rows * TILE_LINES * LANES,
            kept: slabs * KINDS * TILE_LINES * LANES,
        }
    }

    /// Scratch that [`Winograd::convolve`] needs on `threads` threads.
    pub fn scratch_len(&self, threads: usize) -> usize {
        let floats =
            self.forward.map_or_else(|| self.small_scratch_len(threads), |floats| threads * self.piece(&floats).len());
        let integers = self.integers.map_or(0, |in_integers| self.integer_piece(&in_integers).len());
        let image = self.image_piece().map_or(0, |piece| piece.len());
        LANES + floats.max(threads * integers.max(image))
    }

    /// Whether [`Winograd::convolve_and_measure`] can: on a small map [`crate::moments`] costs nothing.
    pub fn measures(&self) -> bool {
        self.forward.is_some()
    }

    /// Partial sums of [`Moments`].
    pub fn sums_len(&self) -> usize {
        let floats = self.forward.map_or(0, |(tiling, cut)| cut.units(tiling.tiles));
        let integers = self.integers.map_or(0, |(tiling, cut)| cut.units(tiling.tiles));
        floats.max(integers) * self.out_blocks * 3 * LANES
    }

    /// `dst (+)= convolution of sources`.
    ///
    /// `sources`: blocked, their blocks one after another; `u`: [`Winograd::transform_weights`]; `dst`:
    /// `[out_blocks][D][H][W][16]`; `scratch`: [`Winograd::scratch_len`], with whatever in it.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn convolve<T: Cell>(
        &self,
        cpu: Cpu,
        sources: &[Source<'_, T>],
        u: &[f32],
        (dst, write): (&mut [T], Write),
        scratch: &mut [f32],
    ) {
        self.check_sources(sources);
        self.check_output(dst, scratch);
        assert_eq!(u.len(), self.weights_len(), "winograd: weights");
        let tiling = self.forward.map_or(self.small, |(tiling, _)| tiling);
        let input = Input { tiling, sources, gain: 1.0 };
        let output = Output { tiling, dst: Shared::new(dst), write };
        let scratch = aligned(scratch);
        let u = u.as_chunks().0;
        match self.forward {
            Some(floats) => self.march(cpu, floats, (input, output), u, None, scratch),
            None => self.convolve_small(cpu, input, output, u, scratch),
        }
    }

    /// [`Winograd::convolve`] over what was there, which also measures its output where [`Winograd::measures`] says so.
    ///
    /// # Panics
    /// If a length does not fit, or not [`Winograd::measures`].
    pub fn convolve_and_measure<T: Cell>(
        &self,
        cpu: Cpu,
        sources: &[Source<'_, T>],
        u: &[f32],
        (dst, moments): (&mut [T], &mut Moments<'_>),
        scratch: &mut [f32],
    ) {
        self.check_sources(sources);
        self.check_output(dst, scratch);
        assert_eq!(u.len(), self.weights_len(), "winograd: weights");
        let Some((tiling, cut)) = self.forward else { panic!("winograd: a small map does not measure its output") };
        let input = Input { tiling, sources, gain: 1.0 };
        let output = Output { tiling, dst: Shared::new(dst), write: Write::Overwrite };
        let sums = self.sums(moments);
        self.march(cpu, (tiling, cut), (input, output), u.as_chunks().0, Some(Shared::new(sums)), aligned(scratch));
        finish((&tiling, &cut), moments);
    }

    fn march<T: Cell>(
        &self,
        cpu: Cpu,
        (tiling, cut): (Tiling, Cut),
        (input, output): (Input<'_, T>, Output<'_, T>),
        u: &[Lanes],
        sums: Option<Shared<'_, Sums>>,
        scratch: &mut [f32],
    ) {
        let piece = self.piece(&(tiling, cut));
        run_tasks(cut.units(tiling.tiles), scratch, piece.len(), |task, scratch| {
            let unit = cut.unit(tiling.tiles, task);
            // SAFETY: the sums of a unit belong to its task.
            let sums = sums.as_ref().map(|sums| unsafe { sums.slice(task * self.out_blocks, self.out_blocks) });
            let mut march = March { plan: self, cut, unit, input, output, piece, sums, scratch };
            if tiling.thickness == THICK {
                T::thick_march(cpu, InFloats { march: &mut march, u });
            } else {
                T::march(cpu, InFloats { march: &mut march, u });
            }
        });
    }

    pub(super) fn check_output<T>(&self, dst: &[T], scratch: &[f32]) {
        assert_eq!(dst.len(), self.out_blocks * self.tiling.voxels() * LANES, "winograd: dst");
        assert!(scratch.len() >= self.scratch_len(rayon::current_num_threads()), "winograd: scratch");
    }

    pub(super) fn check_sources<T: Cell>(&self, sources: &[Source<'_, T>]) {
        let voxels = self.tiling.voxels();
        let mut blocks = 0;
        for source in sources {
            let n = source.blocks(voxels);
            assert_eq!(source.values.len(), n * voxels * LANES, "winograd: length of a source");
            blocks += n;
        }
        assert_eq!(blocks, self.in_blocks, "winograd: blocks of the sources");
    }

    pub(super) fn sums<'m>(&self, moments: &'m mut Moments<'_>) -> &'m mut [Sums] {
        let channels = self.out_blocks * LANES;
        assert_eq!((moments.mean.len(), moments.variance.len()), (channels, channels), "winograd: moments");
        let n = self.sums_len();
        moments.sums[..n].as_chunks_mut::<LANES>().0.as_chunks_mut::<3>().0
    }
}

/// Joins the sums of all units, in order.
pub(super) fn finish((tiling, cut): (&Tiling, &Cut), moments: &mut Moments<'_>) {
    let outputs = |unit| tiling.outputs(&cut.unit(tiling.tiles, unit)) as f64;
    moments.join(&(0..cut.units(tiling.tiles)).map(outputs).collect::<Vec<_>>());
}

/// How the products at the points of a batch are made.
pub(super) trait Products<I: Isa, S> {
    /// Reads into planes what the tiles of a batch see, but for the first planes if so many are `held` there.
    fn read(&mut self, isa: I, input: &S, batch: (&Patch, usize), planes: &mut [f32]);

    /// From the planes all that belongs to point `i` along y of what is computed of a batch: the points that are still to be
    /// made, products, and the way back along z and x into `halves`. `v` and `m` have room for the points of input and output.
    fn row(
        &mut self,
        isa: I,
        at: (&Batch, usize),
        planes: &[f32],
        room: (&mut [f32], &mut [Lanes]),
        halves: &mut [Halfway],
    );
}

/// A unit of tiles of the input `S`, batch after batch: all steps while the batch is in the cache.
pub(super) struct March<'a, S, T> {
    pub(super) plan: &'a Winograd,
    pub(super) cut: Cut,
    pub(super) unit: Patch,
    pub(super) input: S,
    pub(super) output: Output<'a, T>,
    pub(super) piece: Piece,
    /// Of each output block, if they are wanted.
    pub(super) sums: Option<&'a mut [Sums]>,
    pub(super) scratch: &'a mut [f32],
}

impl<S: Seen, T: Cell> March<'_, S, T> {
    #[inline(always)]
    pub(super) fn run<I: Isa>(&mut self, isa: I, products: &mut impl Products<I, S>) {
        let out_blocks = self.plan.out_blocks;
        let (planes, rest) = self.scratch.split_at_mut(self.piece.planes);
        let (v, rest) = rest.split_at_mut(self.piece.v);
        let (m, rest) = rest.split_at_mut(self.piece.m);
        let (halves, kept) = rest.split_at_mut(self.piece.halves);
        let m = m.as_chunks_mut().0;
        let halves: &mut [Halfway] = halves.as_chunks_mut().0.as_chunks_mut().0;
        let kept: &mut [Halfway] = kept[..self.piece.kept].as_chunks_mut().0.as_chunks_mut().0;
        let (begin, end) = (self.unit.start[0], self.unit.start[0] + self.unit.size[0]);
        let slabs = self.output.tiling.slabs();
        let mut known = Known::default();
        // Planes that the batch below left for this one.
        let mut held = 0;
        for z in (begin..end).step_by(self.cut.batch[0]) {
            let patch = self.unit.layers(z, self.cut.batch[0]);
            let batch = known.choose(&self.input, &patch);
            let rows = batch.rows();
            if rows > 0 {
                products.read(isa, &self.input, (&patch, held), planes);
                for i in 0..6 {
                    products.row(isa, (&batch, i), planes, (v, m), halves);
                }
            }
            held = if rows > 0 { 2 } else { 0 };
            for n in 0..out_blocks * slabs {
                let (b, slab) = (n / slabs, n % slabs);
                let (computed, kept) = (&halves[n * rows..], &kept[n * KINDS..]);
                let halves = Halves { computed, kept, places: batch.places(), slab };
                // SAFETY: the outputs of a unit's tiles belong to its task.
                unsafe {
                    match &mut self.sums {
                        Some(sums) => {
                            self.output.put_and_measure(isa, (&patch, &self.unit), (b, halves), &mut sums[b]);
                        }
                        None => self.output.put(isa, &patch, b, halves),
                    }
                }
            }
            known.keep(rows, &halves[..out_blocks * slabs * rows], kept);
        }
    }
}

/// A unit whose tiles have `Z` outputs along z.
pub(crate) struct InFloats<'m, 'a, T, const Z: usize> {
    march: &'m mut March<'a, Input<'a, T>, T>,
    u: &'a [Lanes],
}

impl<T: Cell, const Z: usize> Kernel for InFloats<'_, '_, T, Z> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let March { plan, cut, unit, .. } = *self.march;
        let layout = Planes::of_input(&unit.layers(unit.start[0], cut.batch[0]), Z);
        self.march.run(isa, &mut Floats::<Z> { plan, layout, u: self.u });
    }
}

/// Products of f32, for `Z` outputs along z.
struct Floats<'a, const Z: usize> {
    plan: &'a Winograd,
    layout: Planes,
    u: &'a [Lanes],
}

impl<I: Isa, T: Cell, const Z: usize> Products<I, Input<'_, T>> for Floats<'_, Z> {
    #[inline(always)]
    fn read(&mut self, isa: I, input: &Input<'_, T>, batch: (&Patch, usize), planes: &mut [f32]) {
        input.along_y(isa, batch, 0..self.plan.in_blocks, (self.layout, planes.as_chunks_mut().0));
    }

    #[inline(always)]
    fn row(
        &mut self,
        isa: I,
        (batch, i): (&Batch, usize),
        planes: &[f32],
        (v, m): (&mut [f32], &mut [Lanes]),
        halves: &mut [Halfway],
    ) {
        let Winograd { in_blocks, out_blocks, last, .. } = *self.plan;
        let (rows, stride) = (batch.rows(), weight_stride(in_blocks, out_blocks));
        let v = v.as_chunks_mut().0;
        let (layout, m_layout) = (Points { blocks: in_blocks, rows }, Points { blocks: out_blocks, rows });
        for k in 0..Z + 2 {
            along_x_of::<I, Z>(isa, (batch, i, k), (self.layout, planes.as_chunks().0), (layout, v));
            for j in 0..6 {
                let v = &v[layout.at(j, 0, 0)..][..layout.point()];
                let u = &self.u[(6 * ((Z + 2) * i + k) + j) * stride..][..stride - 1];
                let m = &mut m[m_layout.at(6 * k + j, 0, 0)..][..m_layout.point()];
                multiply(isa, (rows, last), v, u, (m, Write::Overwrite));
            }
        }
        along_zx::<I, Z>(isa, i, (m_layout, m), halves);
    }
}
