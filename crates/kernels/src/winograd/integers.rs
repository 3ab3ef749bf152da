//! Products of 16-bit integers at Winograd's points, for inference: twice the rate of f32 where the machine has them.
//!
//! The input is scaled so that its points, which are otherwise made as in f32, become integers with one scale a layer; the
//! weights have one a point and output channel. Sums of products are exact in i32, and are scaled back as they leave the
//! registers, so the way back from points is that of f32. Li et al. (2021) publish the idea for 8 bits, whose rounding
//! F(4, 3) makes too large; with 16 bits there are levels to spare.

use super::Winograd;
use super::forward::{self, March, Piece, Products, SMALL, finish};
use super::input::{Input, Planes, along_x};
use super::output::{Halfway, Output, TILE_LINES, back_along_x};
use super::panels::{PointsOf, panel, planes_of};
use super::repeats::Batch;
use super::rounded::{PairsLayout, RoundedPlanes, within};
use super::tiles::{Cut, KINDS, Lanes, Patch, Points, PointsMut, STEPS, THICK, Tiling, aligned};
use super::transforms::{ONES, SCALES};
use super::weights::{Canonical, Direction, TAPS, Taps, Weights, transform_block};
use crate::cpu::Cpu;
use crate::gather::Write;
use crate::half::Cell;
use crate::isa::{DotKernel, Dots, Isa, Kernel};
use crate::layout::{LANES, Source, blocks};
use crate::moments::{Moments, Sums};
use crate::pairs::{HEADROOM, LARGEST, Pairs, Tail, Words, cut, exceeds, limit, n_pairs, order, steps, word};
use crate::team::{Shared, run_tasks};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// A layer's weights as integers, and the scales that go with them.
#[derive(Clone, Debug)]
pub struct Integers {
    /// `[6 along y][6 along x][out block][pair][point along z][16]`, two neighbouring input channels a word.
    pub(super) pairs: Vec<Words>,
    /// `[6 along y][6 along x][out block][point along z][16]`: what a sum of products is multiplied by.
    pub(super) back: Vec<Lanes>,
    /// What the input is multiplied by.
    pub(super) gain: f32,
    /// What points are cut at.
    pub(super) limit: i16,
}

/// The tiles of a layer whose products are integers, and how it is cut, or `None` if its map is small. Thick ones where it was
/// measured that these pay (Zen 4): they save a quarter of the products, but the points along z take longer, which one block of
/// channels does not outweigh, and half as many tiles share half as many weights again.
pub(super) fn cut_for_integers(tiling: &Tiling, in_blocks: usize, out_blocks: usize) -> Option<(Tiling, Cut)> {
    let pays = in_blocks > 1 && in_blocks * out_blocks <= 64;
    let tiles = if pays { tiling.thickened() } else { *tiling };
    (tiling.whole().len() >= SMALL).then(|| (tiles, forward::cut(&tiles)))
}

impl Winograd {
    /// Tiles of products in integers.
    fn integer_tiling(&self) -> Tiling {
        self.integers.map_or(self.tiling, |(tiling, _)| tiling)
    }

    pub(super) fn integer_piece(&self, (tiling, cut): &(Tiling, Cut)) -> Piece {
        let patch = cut.largest();
        let rows = patch.rows();
        let slabs = self.out_blocks * tiling.slabs();
        Piece {
            planes: RoundedPlanes::new(self.in_blocks, &patch, tiling.thickness).len(),
            v: PairsLayout { blocks: self.in_blocks, rows, points: tiling.thickness + 2 }.len() * LANES,
            m: Points { blocks: slabs, rows }.len(12),
            halves: slabs * rows * TILE_LINES * LANES,
            kept: slabs * KINDS * TILE_LINES * LANES,
        }
    }

    /// Whether [`Winograd::convolve_integers`] can work through this layer: its map is large, and `cpu` has the products.
    pub fn has_integers(&self, cpu: Cpu) -> bool {
        self.integers.is_some() && cpu.has_int16()
    }

    /// Prepares the weights of a layer from `i` to `o` channels, canonical, `[O][I][3][3][3]`, for inputs whose points were
    /// at most `widest` in calibration ([`Winograd::widest`]).
    ///
    /// # Panics
    /// If a length or number of channels does not fit, or `widest` is not a positive number.
    pub fn integers(&self, cpu: Cpu, (o, i): (usize, usize), weights: &[f32], widest: f32) -> Integers {
        assert_eq!((blocks(i), blocks(o)), (self.in_blocks, self.out_blocks), "integers: channels");
        assert_eq!(weights.len(), o * i * TAPS, "integers: weights");
        assert!(widest > 0.0 && widest.is_finite(), "integers: a widest point of {widest}");
        let weights = Weights { canonical: Canonical { o, i }, direction: Direction::Forward, values: weights };
        let tiling = self.integer_tiling();
        // Sums of a thin tile are of three points along z.
        let limit = limit(if tiling.thickness == THICK { i } else { 3 * i });
        let gain = limit / (HEADROOM * widest);
        let (channels, order, along_z) = (self.in_blocks * LANES, order(i), tiling.thickness + 2);
        let mut integers = Integers {
            pairs: vec![Words([0; LANES]); self.n_words(&tiling)],
            back: vec![[0.0; LANES]; tiling.points() * self.out_blocks],
            gain,
            limit: limit as i16,
        };
        let (pairs, back) = (Shared::new(&mut integers.pairs), Shared::new(&mut integers.back));
        (0..self.out_blocks).into_par_iter().with_max_len(1).for_each(|block| {
            let mut u = vec![[0.0; LANES]; tiling.points() * (channels + 1)];
            if tiling.thickness == THICK {
                cpu.run(Transform::<THICK> { weights, block, channels, u: &mut u });
            } else {
                cpu.run(Transform::<2> { weights, block, channels, u: &mut u });
            }
            for yx in 0..36 {
                let (n, at) = (order.len() * along_z, yx * self.out_blocks + block);
                // SAFETY: this block at every point belongs to this task alone.
                let (pairs, back) = unsafe { (pairs.slice(at * n, n), back.slice(at * along_z, along_z)) };
                let first = 6 * along_z * (yx / 6) + yx % 6;
                let of_point = |z: usize| &u[(first + 6 * z) * (channels + 1)..][..channels];
                let together =
                    (tiling.thickness != THICK).then(|| (0..along_z).flat_map(of_point).copied().collect::<Vec<_>>());
                for z in 0..along_z {
                    let (u, together) = (of_point(z), together.as_deref().unwrap_or(of_point(z)));
                    cpu.run(Quantise { u, together, order: &order, limit, gain, pairs, back, z });
                }
            }
        });
        integers
    }

    pub(super) fn check_integers(&self, tiling: &Tiling, integers: &Integers) {
        assert_eq!(integers.pairs.len(), self.n_words(tiling), "winograd: integers");
    }

    /// Words of the weights.
    fn n_words(&self, tiling: &Tiling) -> usize {
        tiling.points() * self.out_blocks * n_pairs(self.inputs())
    }

    /// Channels of the input.
    pub(super) fn inputs(&self) -> usize {
        (self.in_blocks - 1) * LANES + self.last
    }

    /// `dst = convolution of sources`, its products in integers. Measures the output into `moments` if there are some. Returns
    /// how many numbers were cut off because they lay outside of what the scales allow; what tiles have in common, and what
    /// therefore is computed once, counts once.
    ///
    /// As [`Winograd::convolve`]; the same bits on every machine that can.
    ///
    /// # Panics
    /// If a length does not fit, or not [`Winograd::has_integers`].
    pub fn convolve_integers<T: Cell>(
        &self,
        cpu: Cpu,
        sources: &[Source<'_, T>],
        integers: &Integers,
        (dst, mut moments): (&mut [T], Option<&mut Moments<'_>>),
        scratch: &mut [f32],
    ) -> u64 {
        self.check_sources(sources);
        self.check_output(dst, scratch);
        let Some((tiling, cut)) = self.integers else { panic!("winograd: no integers for a small map") };
        self.check_integers(&tiling, integers);
        let input = Input { tiling, sources, gain: integers.gain };
        let output = Output { tiling, dst: Shared::new(dst), write: Write::Overwrite };
        let sums = moments.as_deref_mut().map(|moments| Shared::new(self.sums(moments)));
        let piece = self.integer_piece(&(tiling, cut));
        let lost = AtomicU64::new(0);
        run_tasks(cut.units(tiling.tiles), aligned(scratch), piece.len(), |task, scratch| {
            let unit = cut.unit(tiling.tiles, task);
            // SAFETY: the sums of a unit belong to its task.
            let sums: Option<&mut [Sums]> =
                sums.as_ref().map(|sums| unsafe { sums.slice(task * self.out_blocks, self.out_blocks) });
            let march = March { plan: self, cut, unit, input, output, piece, sums, scratch };
            let of_unit = if tiling.thickness == THICK {
                T::thick_march_in_integers(cpu, InIntegers { march, integers })
            } else {
                T::march_in_integers(cpu, InIntegers { march, integers })
            };
            lost.fetch_add(of_unit, Ordering::Relaxed);
        });
        if let Some(moments) = moments {
            finish((&tiling, &cut), moments);
        }
        lost.into_inner()
    }

    /// The widest point of the input: what [`Winograd::integers`] wants to know, found on examples.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn widest<T: Cell>(&self, cpu: Cpu, sources: &[Source<'_, T>]) -> f32 {
        self.check_sources(sources);
        let input = Input { tiling: self.tiling, sources, gain: 1.0 };
        let cut = Cut::new(self.tiling.tiles, 36, 12, 32);
        let of_unit = |task| T::widest(cpu, Widest { plan: self, cut, unit: cut.unit(self.tiling.tiles, task), input });
        (0..cut.units(self.tiling.tiles)).into_par_iter().map(of_unit).reduce(|| 0.0, f32::max)
    }
}

/// Transforms the weights from all channels to one block, for `Z` outputs along z.
struct Transform<'a, const Z: usize> {
    weights: Weights<'a>,
    block: usize,
    channels: usize,
    /// `[point][channel][16]`, a line of padding after each point.
    u: &'a mut [Lanes],
}

impl<const Z: usize> Kernel for Transform<'_, Z> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut taps: Vec<Taps> = vec![[[0.0; LANES]; TAPS]; self.channels];
        for (k, taps) in taps.iter_mut().enumerate() {
            self.weights.taps(k, self.block * LANES, taps);
        }
        transform_block::<I, Z>(isa, &taps, if Z == THICK { &SCALES } else { &ONES }, self.u);
    }
}

/// Rounds the weights of one point to integers.
struct Quantise<'a> {
    /// Of each input channel.
    u: &'a [Lanes],
    /// All whose products meet in one sum.
    together: &'a [Lanes],
    order: &'a [usize],
    limit: f32,
    gain: f32,
    pairs: &'a mut [Words],
    back: &'a mut [Lanes],
    /// Which point along z it is.
    z: usize,
}

impl Kernel for Quantise<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, _: I) {
        let steps = steps(self.together, self.limit, LARGEST);
        let inverse = steps.map(|step| 1.0 / step);
        for lane in 0..LANES {
            self.back[self.z][lane] = steps[lane] / self.gain;
        }
        for (&k, pair) in self.order.iter().zip(self.pairs.iter_mut().skip(self.z).step_by(self.back.len())) {
            for lane in 0..LANES {
                pair.0[lane] = word(self.u[k][lane] * inverse[lane], self.u[k + 1][lane] * inverse[lane]);
            }
        }
    }
}

/// A unit whose tiles have `Z` outputs along z.
pub(crate) struct InIntegers<'a, T, const Z: usize> {
    march: March<'a, Input<'a, T>, T>,
    integers: &'a Integers,
}

impl<T: Cell, const Z: usize> DotKernel for InIntegers<'_, T, Z> {
    type Output = u64;
    #[inline(always)]
    fn run<I: Isa, D: Dots<I>>(mut self, isa: I, dots: D) -> u64 {
        let Self { integers, .. } = self;
        let March { plan, cut, unit, .. } = self.march;
        let layout = RoundedPlanes::new(plan.in_blocks, &unit.layers(unit.start[0], cut.batch[0]), Z);
        let tail = Tail::new(plan.inputs());
        let mut products =
            InPairs::<I, D, Z> { plan, dots, integers, layout, tail, widest: dots.zero(), wide: false, lost: 0 };
        self.march.run(isa, &mut products);
        products.lost
    }
}

/// Products of integers, for `Z` outputs along z.
struct InPairs<'a, I: Isa, D: Dots<I>, const Z: usize> {
    plan: &'a Winograd,
    dots: D,
    integers: &'a Integers,
    layout: RoundedPlanes,
    tail: Tail,
    /// Of all planes that were read.
    widest: D::W,
    /// Whether that is so much that points along z may be beyond the limit.
    wide: bool,
    lost: u64,
}

impl<I: Isa, D: Dots<I>, const Z: usize> InPairs<'_, I, D, Z> {
    /// Combines planes along z, to the points `i` along y and `j` along x.
    #[inline(always)]
    fn points(&mut self, at: (&Batch, usize, usize), planes: &[f32], (layout, v): (PairsLayout, &mut [Pairs])) {
        self.layout.along_z::<I, D, Z>(self.dots, at, planes, (layout, v));
        if self.wide {
            let computed = at.0.computed();
            let (whole, lone) = v.split_at_mut(layout.lone());
            // Those of a lone block were counted with the point before.
            let lone = if at.2.is_multiple_of(2) { lone } else { &mut [] };
            let of_points = whole.chunks_exact_mut(layout.stride()).chain(lone.chunks_exact_mut(layout.lone_stride()));
            for point in of_points {
                for group in point.chunks_exact_mut(layout.rows) {
                    self.lost += cut(self.dots, &mut group[..computed], self.integers.limit);
                }
            }
        }
    }
}

impl<I: Isa, D: Dots<I>, T: Cell, const Z: usize> Products<I, Input<'_, T>> for InPairs<'_, I, D, Z> {
    #[inline(always)]
    fn read(&mut self, isa: I, input: &Input<'_, T>, batch: (&Patch, usize), planes: &mut [f32]) {
        self.layout.read((isa, self.dots), input, batch, planes, &mut self.widest);
        let mut widest = [0; LANES];
        self.dots.store(self.widest, &mut widest);
        self.wide = exceeds(&widest, within(self.integers.limit, Z));
        if Z == THICK && self.wide {
            self.lost += self.layout.cut(self.dots, batch, planes);
        }
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
        if Z == 2 {
            self.row_of::<4>(isa, (batch, i), planes, (v, m), halves);
        } else {
            self.row_of::<6>(isa, (batch, i), planes, (v, m), halves);
        }
    }
}

impl<I: Isa, D: Dots<I>, const Z: usize> InPairs<'_, I, D, Z> {
    /// [`Products::row`] of `P` points along z.
    #[inline(always)]
    fn row_of<const P: usize>(
        &mut self,
        isa: I,
        (batch, i): (&Batch, usize),
        planes: &[f32],
        (v, m): (&mut [f32], &mut [Lanes]),
        halves: &mut [Halfway],
    ) {
        let Winograd { in_blocks, out_blocks, .. } = *self.plan;
        let (rows, computed) = (batch.rows(), batch.computed());
        let layout = PairsLayout { blocks: in_blocks, rows, points: P };
        let v: &mut [Pairs] = bytemuck::cast_slice_mut::<f32, i32>(v).as_chunks_mut().0;
        let v = &mut v[..layout.len()];
        // Of each block of outputs the slabs one after another.
        let m_layout = Points { blocks: out_blocks * (Z / 2), rows };
        let slabs = Z / 2 * rows;
        let k = n_pairs(self.plan.inputs());
        let (pairs, back) = (self.integers.pairs.as_chunks::<P>().0, self.integers.back.as_chunks::<P>().0);
        for j in 0..6 {
            self.points((batch, i, j), planes, (layout, v));
            let v = PointsOf {
                rows,
                whole: along_z(v, (0, layout.stride()), layout.whole() * rows),
                lone: along_z(v, (layout.lone(), layout.lone_stride()), layout.lone_stride()),
                skip: 2 * (j % 2),
                tail: self.tail,
            };
            let (m0, m1) = m[m_layout.at(2 * j, 0, 0)..][..2 * m_layout.stride()].split_at_mut(m_layout.stride());
            let first = (6 * i + j) * out_blocks;
            let (pairs, back) = (&pairs[first * k..][..out_blocks * k], &back[first..][..out_blocks]);
            let isa = (isa, self.dots);
            let mut ob = 0;
            // Of six points it is no faster.
            while P == 4 && ob + 2 <= out_blocks {
                let (a0, b0) = m0[ob * slabs..][..2 * slabs].split_at_mut(slabs);
                let (a1, b1) = m1[ob * slabs..][..2 * slabs].split_at_mut(slabs);
                let m = &mut [planes_of([a0, a1], rows), planes_of([b0, b1], rows)];
                let u = [&pairs[ob * k..][..k], &pairs[(ob + 1) * k..][..k]];
                panel::<I, D, P, 6, 2>(isa, computed, &v, u, ([&back[ob], &back[ob + 1]], m));
                ob += 2;
            }
            while ob < out_blocks {
                let m = [&mut m0[ob * slabs..][..slabs], &mut m1[ob * slabs..][..slabs]];
                let m = &mut [planes_of(m, rows)];
                let u = [&pairs[ob * k..][..k]];
                if P == 4 {
                    panel::<I, D, P, 12, 1>(isa, computed, &v, u, ([&back[ob]], m));
                } else {
                    panel::<I, D, P, 4, 1>(isa, computed, &v, u, ([&back[ob]], m));
                }
                ob += 1;
            }
        }
        back_along_x(isa, i, (m_layout, m), halves);
    }
}

/// The `n` values at each point along z, the first of them at `first` and the others `stride` apart.
#[inline(always)]
fn along_z<V, const P: usize>(values: &[V], (first, stride): (usize, usize), n: usize) -> [&[V]; P] {
    let mut points = [&values[..0]; P];
    for z in 0..P {
        points[z] = &values[first + z * stride..][..n];
    }
    points
}

/// The widest point of a unit's input.
pub(crate) struct Widest<'a, T> {
    plan: &'a Winograd,
    cut: Cut,
    unit: Patch,
    input: Input<'a, T>,
}

impl<T: Cell> Kernel for Widest<'_, T> {
    type Output = f32;
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> f32 {
        let Self { plan, cut, unit, input } = self;
        let mut widest = [0.0; LANES];
        let layout = Planes::of_input(&unit.layers(unit.start[0], cut.batch[0]), 2);
        let points = Points { blocks: 1, rows: cut.largest().rows() };
        let (mut planes, mut v) = (vec![[0.0; LANES]; layout.len(1) / LANES], vec![0.0; points.len(6)]);
        for b in 0..plan.in_blocks {
            for z in (unit.start[0]..unit.start[0] + unit.size[0]).step_by(cut.batch[0]) {
                let patch = unit.layers(z, cut.batch[0]);
                input.along_y(isa, (&patch, 0), b..b + 1, (layout, &mut planes));
                for step in 0..STEPS {
                    let layout_v = Points { blocks: 1, rows: patch.rows() };
                    let to = PointsMut { values: Shared::new(&mut v), layout: layout_v, patch, first: 0 };
                    // SAFETY: the buffer is this function's alone.
                    unsafe { along_x::<I, 2>(isa, (&patch, step), 0..1, (layout, &planes), to) };
                    for j in 0..6 {
                        for lanes in &v.as_chunks::<LANES>().0[layout_v.at(j, 0, 0)..][..patch.len()] {
                            let v = isa.load(lanes);
                            let magnitude = isa.max(v, isa.sub(isa.splat(0.0), v));
                            isa.store(isa.max(magnitude, isa.load(&widest)), &mut widest);
                        }
                    }
                }
            }
        }
        widest.into_iter().fold(0.0, f32::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_thick_where_that_pays() {
        let thickness = |shape, in_blocks, out_blocks| {
            cut_for_integers(&Tiling::new(shape), in_blocks, out_blocks).map(|(tiling, _)| tiling.thickness)
        };
        assert_eq!(thickness([144, 176, 144], 2, 1), Some(THICK), "the default network's last level");
        assert_eq!(thickness([144, 176, 144], 1, 1), Some(2), "one block of channels");
        assert_eq!(thickness([18, 22, 18], 8, 8), Some(2), "a tail of two planes");
        assert_eq!(thickness([32, 32, 32], 16, 8), Some(2), "many weights");
        assert_eq!(thickness([12, 12, 12], 2, 2), None, "a small map");
    }
}
