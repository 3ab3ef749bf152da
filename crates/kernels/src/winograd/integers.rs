//! Products of 16-bit integers at Winograd's points, for inference: twice the rate of f32 where the machine has them.
//!
//! The input is scaled so that its points, which are otherwise made as in f32, become integers with one scale a layer; the
//! weights have one a point and output channel. Sums of products are exact in i32, and are scaled back as they leave the
//! registers, so the way back from points is that of f32. Li et al. (2021) publish the idea for 8 bits, whose rounding
//! F(4, 3) makes too large; with 16 bits there are levels to spare.

use super::forward::{March, Products};
use super::input::{Input, Planes, along_x};
use super::output::{Halfway, Output, Sums, back_along_x};
use super::repeats::Batch;
use super::rounded::{PairsLayout, RoundedPlanes};
use super::tiles::{Cut, Lanes, POINTS, Patch, Points, PointsMut, STEPS, aligned};
use super::transforms::output4;
use super::weights::{Canonical, Direction, TAPS, Taps, Weights, transform_block};
use super::{Moments, Winograd};
use crate::cpu::Cpu;
use crate::gather::Write;
use crate::half::Cell;
use crate::isa::{DotKernel, Dots, Isa, Kernel};
use crate::layout::{LANES, Source, blocks};
use crate::pairs::{HEADROOM, LONE, LONE_SECOND, Pairs, Tail, Words, cut, exceeds, limit, n_pairs, order, steps, word};
use crate::team::{Shared, run_tasks};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// A layer's weights as integers, and the scales that go with them.
#[derive(Clone, Debug)]
pub struct Integers {
    /// `[point][out block][pair][16]`, two neighbouring input channels a word, and a line of padding a point.
    pairs: Vec<Words>,
    /// `[point][out block][16]`: what a sum of products is multiplied by.
    back: Vec<Lanes>,
    /// What the input is multiplied by.
    gain: f32,
    /// What points are cut at.
    limit: i16,
}

impl Winograd {
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
        let limit = limit(i);
        let gain = limit / (HEADROOM * widest);
        let stride = self.pairs_stride();
        let mut integers = Integers {
            pairs: vec![Words([0; LANES]); POINTS * stride],
            back: vec![[0.0; LANES]; POINTS * self.out_blocks],
            gain,
            limit: limit as i16,
        };
        let (pairs, back) = (Shared::new(&mut integers.pairs), Shared::new(&mut integers.back));
        let channels = self.in_blocks * LANES;
        let order = order(i);
        (0..self.out_blocks).into_par_iter().with_max_len(1).for_each(|block| {
            let mut u = vec![[0.0; LANES]; POINTS * (channels + 1)];
            cpu.run(Transform { weights, block, channels, u: &mut u });
            for (t, u) in u.chunks_exact(channels + 1).enumerate() {
                // SAFETY: this block at every point belongs to this task alone.
                let (pairs, back) = unsafe {
                    let at = t * stride + block * order.len();
                    (pairs.slice(at, order.len()), back.slice(t * self.out_blocks + block, 1))
                };
                cpu.run(Quantise { u: &u[..channels], order: &order, limit, gain, pairs, back: &mut back[0] });
            }
        });
        integers
    }

    fn pairs_stride(&self) -> usize {
        self.out_blocks * n_pairs(self.inputs()) + 1
    }

    /// Channels of the input.
    fn inputs(&self) -> usize {
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
        self.check(sources, dst, scratch);
        assert_eq!(integers.pairs.len(), POINTS * self.pairs_stride(), "winograd: integers");
        let Some(cut) = self.integers else { panic!("winograd: no integers for a small map") };
        let input = Input { tiling: self.tiling, sources, gain: integers.gain };
        let output = Output { tiling: self.tiling, dst: Shared::new(dst), write: Write::Overwrite };
        let sums = moments.as_deref_mut().map(|moments| Shared::new(self.sums(moments)));
        let piece = self.piece(&cut);
        let lost = AtomicU64::new(0);
        run_tasks(cut.units(self.tiling.tiles), aligned(scratch), piece.len(), |task, scratch| {
            let unit = cut.unit(self.tiling.tiles, task);
            // SAFETY: the sums of a unit belong to its task.
            let sums: Option<&mut [Sums]> =
                sums.as_ref().map(|sums| unsafe { sums.slice(task * self.out_blocks, self.out_blocks) });
            let march = March { plan: self, cut, unit, input, output, piece, sums, scratch };
            lost.fetch_add(cpu.run_dots(InIntegers { march, integers }), Ordering::Relaxed);
        });
        if let Some(moments) = moments {
            self.finish(&cut, moments);
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
        let of_unit = |task| cpu.run(Widest { plan: self, cut, unit: cut.unit(self.tiling.tiles, task), input });
        (0..cut.units(self.tiling.tiles)).into_par_iter().map(of_unit).reduce(|| 0.0, f32::max)
    }
}

/// Transforms the weights from all channels to one block.
struct Transform<'a> {
    weights: Weights<'a>,
    block: usize,
    channels: usize,
    /// `[point][channel][16]`, a line of padding after each point.
    u: &'a mut [Lanes],
}

impl Kernel for Transform<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut taps: Vec<Taps> = vec![[[0.0; LANES]; TAPS]; self.channels];
        for (k, taps) in taps.iter_mut().enumerate() {
            self.weights.taps(k, self.block * LANES, taps);
        }
        transform_block(isa, &taps, self.u);
    }
}

/// Rounds the weights of one point to integers.
struct Quantise<'a> {
    /// Of each input channel.
    u: &'a [Lanes],
    order: &'a [usize],
    limit: f32,
    gain: f32,
    pairs: &'a mut [Words],
    back: &'a mut Lanes,
}

impl Kernel for Quantise<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, _: I) {
        let steps = steps(self.u, self.limit);
        let inverse = steps.map(|step| 1.0 / step);
        for lane in 0..LANES {
            self.back[lane] = steps[lane] / self.gain;
        }
        for (&k, pair) in self.order.iter().zip(self.pairs) {
            for lane in 0..LANES {
                pair.0[lane] = word(self.u[k][lane] * inverse[lane], self.u[k + 1][lane] * inverse[lane]);
            }
        }
    }
}

struct InIntegers<'a, T> {
    march: March<'a, T>,
    integers: &'a Integers,
}

impl<T: Cell> DotKernel for InIntegers<'_, T> {
    type Output = u64;
    #[inline(always)]
    fn run<I: Isa, D: Dots<I>>(mut self, isa: I, dots: D) -> u64 {
        let Self { integers, .. } = self;
        let March { plan, cut, unit, .. } = self.march;
        let layout = RoundedPlanes::new(plan.in_blocks, &unit.layers(unit.start[0], cut.batch[0]));
        let tail = Tail::new(plan.inputs());
        let mut products = InPairs { plan, dots, integers, layout, tail, widest: dots.zero(), wide: false, lost: 0 };
        self.march.run(isa, &mut products);
        products.lost
    }
}

/// Products of integers.
struct InPairs<'a, I: Isa, D: Dots<I>> {
    plan: &'a Winograd,
    dots: D,
    integers: &'a Integers,
    layout: RoundedPlanes,
    tail: Tail,
    /// Of all planes that were read.
    widest: D::W,
    /// Whether that is beyond half of the limit, so that points along z may be beyond it.
    wide: bool,
    lost: u64,
}

impl<I: Isa, D: Dots<I>> InPairs<'_, I, D> {
    /// Combines planes along z, to the points `i` along y and `j` along x.
    #[inline(always)]
    fn points(&mut self, at: (&Batch, usize, usize), planes: &[f32], (layout, v): (PairsLayout, &mut [Pairs])) {
        self.layout.along_z(self.dots, at, planes, (layout, v));
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

impl<I: Isa, D: Dots<I>, T: Cell> Products<I, T> for InPairs<'_, I, D> {
    #[inline(always)]
    fn read(&mut self, isa: I, input: &Input<'_, T>, batch: (&Patch, usize), planes: &mut [f32]) {
        self.layout.read((isa, self.dots), input, batch, planes, &mut self.widest);
        let mut widest = [0; LANES];
        self.dots.store(self.widest, &mut widest);
        self.wide = exceeds(&widest, self.integers.limit / 2);
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
        let Winograd { in_blocks, out_blocks, .. } = *self.plan;
        let rows = batch.rows();
        let sizes = (rows, batch.computed());
        let layout = PairsLayout { blocks: in_blocks, rows };
        let v: &mut [Pairs] = bytemuck::cast_slice_mut::<f32, i32>(v).as_chunks_mut().0;
        let v = &mut v[..layout.len()];
        let m_layout = Points { blocks: out_blocks, rows };
        let (stride, k) = (self.plan.pairs_stride(), n_pairs(self.plan.inputs()));
        for j in 0..6 {
            self.points((batch, i, j), planes, (layout, v));
            let whole = along_z(v, (0, layout.stride()), layout.whole() * rows);
            let lone = along_z(v, (layout.lone(), layout.lone_stride()), in_blocks % 2 * rows);
            let v = PointsOf { whole, lone, second: j % 2 == 1 };
            let (m0, m1) = m[m_layout.at(2 * j, 0, 0)..][..2 * m_layout.stride()].split_at_mut(m_layout.stride());
            let (pairs, back, t) = (&self.integers.pairs, &self.integers.back, 24 * i + j);
            let isa = (isa, self.dots);
            let mut ob = 0;
            while ob + 2 <= out_blocks {
                let (a, b) = (ob * rows..(ob + 1) * rows, (ob + 1) * rows..(ob + 2) * rows);
                let (first, second) = (t * stride + ob * k, t * stride + (ob + 1) * k);
                let u = [along_z(pairs, (first, 6 * stride), k), along_z(pairs, (second, 6 * stride), k)];
                let first = t * out_blocks + ob;
                let back = [along_z(back, (first, 6 * out_blocks), 1), along_z(back, (first + 1, 6 * out_blocks), 1)];
                let (a0, b0) = m0[a.start..b.end].split_at_mut(rows);
                let (a1, b1) = m1[a.start..b.end].split_at_mut(rows);
                panel::<I, D, 3, 2>(isa, (sizes, self.tail), &v, u, (back, &mut [[a0, a1], [b0, b1]]));
                ob += 2;
            }
            if ob < out_blocks {
                let (begin, end) = (ob * rows, (ob + 1) * rows);
                let to = &mut [[&mut m0[begin..end], &mut m1[begin..end]]];
                let u = along_z(pairs, (t * stride + ob * k, 6 * stride), k);
                let back = along_z(back, (t * out_blocks + ob, 6 * out_blocks), 1);
                panel::<I, D, 6, 1>(isa, (sizes, self.tail), &v, [u], ([back], to));
            }
        }
        back_along_x(isa, i, (m_layout, m), halves);
    }
}

/// The `n` values at each of four points along z, the first of them at `first` and the others `stride` apart. Spelt out: the
/// closure of a `map` would be left as a call.
#[inline(always)]
fn along_z<V>(values: &[V], (first, stride): (usize, usize), n: usize) -> [&[V]; 4] {
    [
        &values[first..][..n],
        &values[first + stride..][..n],
        &values[first + 2 * stride..][..n],
        &values[first + 3 * stride..][..n],
    ]
}

/// Of each output block, the rows of the two outputs along z.
type Outputs<'a, const OB: usize> = [[&'a mut [Lanes]; 2]; OB];

/// The input at the four points along z of one point along y and x.
struct PointsOf<'a> {
    /// `[pair of blocks][row]`.
    whole: [&'a [Pairs]; 4],
    /// Of a block without a neighbour: two points along x in each.
    lone: [&'a [Pairs]; 4],
    /// Whether it is the second of those.
    second: bool,
}

/// The first `n` rows of `OB` output blocks at the four points along z, `XT` at a time and the rest in lower tiles.
#[inline(always)]
fn panel<I: Isa, D: Dots<I>, const XT: usize, const OB: usize>(
    isa: (I, D),
    ((rows, n), tail): ((usize, usize), Tail),
    v: &PointsOf<'_>,
    u: [[&[Words]; 4]; OB],
    (back, m): ([[&[Lanes]; 4]; OB], &mut Outputs<'_, OB>),
) {
    let mut r = 0;
    while r + XT <= n {
        tile::<I, D, XT, OB>(isa, (rows, r, tail), v, u, (back, m));
        r += XT;
    }
    if XT > 4 && r + 4 <= n {
        tile::<I, D, 4, OB>(isa, (rows, r, tail), v, u, (back, m));
        r += 4;
    }
    if r + 2 <= n {
        tile::<I, D, 2, OB>(isa, (rows, r, tail), v, u, (back, m));
        r += 2;
    }
    if r < n {
        tile::<I, D, 1, OB>(isa, (rows, r, tail), v, u, (back, m));
    }
}

/// Of each point along z the sum of `v[z][r + x] . u[o][z]` over all pairs of channels, exact; scaled by `back`, and the
/// four back along z to two outputs.
#[inline(always)]
fn tile<I: Isa, D: Dots<I>, const XT: usize, const OB: usize>(
    (isa, dots): (I, D),
    (rows, r, tail): (usize, usize, Tail),
    v: &PointsOf<'_>,
    u: [[&[Words]; 4]; OB],
    (back, m): ([[&[Lanes]; 4]; OB], &mut Outputs<'_, OB>),
) {
    let mut sum = [[[dots.zero(); OB]; XT]; 4];
    let full = u[0][0].len() / LANES;
    for g in 0..full {
        let mut rows_of = [&[[0; LANES]; XT]; 4];
        for z in 0..4 {
            let Some(of) = v.whole[z][g * rows + r..].first_chunk() else {
                unreachable!("a tile lies within the rows")
            };
            rows_of[z] = of;
        }
        let w = weights_of::<LANES, OB>(u, g * LANES);
        // Not `ranks`: through a loop around it the sums go to memory and back.
        for k in 0..LANES {
            for z in 0..4 {
                let mut wk = [dots.zero(); OB];
                for o in 0..OB {
                    wk[o] = dots.load(&w[o][z][k].0);
                }
                for x in 0..XT {
                    let s = dots.splat(rows_of[z][x][k]);
                    for o in 0..OB {
                        sum[z][x][o] = dots.dot(sum[z][x][o], s, wk[o]);
                    }
                }
            }
        }
    }
    // Apart, so that the usual loops have constant ends.
    let rest = u[0][0].len() - full * LANES;
    let lone = (v.lone, r);
    match (rest, v.second) {
        (0, _) => {}
        (8, false) => sum = ranks::<I, D, XT, OB, 8>(dots, lone, weights_of(u, full * LANES), &LONE, sum),
        (8, true) => sum = ranks::<I, D, XT, OB, 8>(dots, lone, weights_of(u, full * LANES), &LONE_SECOND, sum),
        (2, false) => sum = ranks::<I, D, XT, OB, 2>(dots, lone, weights_of(u, full * LANES), &[0, 1], sum),
        (2, true) => sum = ranks::<I, D, XT, OB, 2>(dots, lone, weights_of(u, full * LANES), &[2, 3], sum),
        _ => {
            // More than eight are those of two blocks.
            let (from, skip) =
                if rest > 8 { ((v.whole, full * rows + r), 0) } else { (lone, 2 * usize::from(v.second)) };
            for k in 0..tail.n {
                let w = weights_of::<1, OB>(u, full * LANES + k);
                sum = ranks::<I, D, XT, OB, 1>(dots, from, w, &[(tail.words[k] + skip) % LANES], sum);
            }
        }
    }
    for o in 0..OB {
        for x in 0..XT {
            let mut points = [isa.splat(0.0); 4];
            for z in 0..4 {
                points[z] = isa.mul(dots.float(sum[z][x][o]), isa.load(&back[o][z][0]));
            }
            let outputs = output4(isa, points);
            isa.store(outputs[0], &mut m[o][0][r + x]);
            isa.store(outputs[1], &mut m[o][1][r + x]);
        }
    }
}

/// `N` pairs of weights from `first` on, of each output block and point along z.
#[inline(always)]
fn weights_of<const N: usize, const OB: usize>(u: [[&[Words]; 4]; OB], first: usize) -> [[&[Words; N]; 4]; OB] {
    let mut w = [[const { &[Words([0; LANES]); N] }; 4]; OB];
    for o in 0..OB {
        for z in 0..4 {
            let Some(of) = u[o][z][first..].first_chunk() else { unreachable!("weights of each pair of channels") };
            w[o][z] = of;
        }
    }
    w
}

/// `sum[z][x][o] += v[z][at + x][words[k]] . w[o][z][k]`; by value, so that the sums stay in registers.
#[inline(always)]
fn ranks<I: Isa, D: Dots<I>, const XT: usize, const OB: usize, const N: usize>(
    dots: D,
    (v, at): ([&[Pairs]; 4], usize),
    w: [[&[Words; N]; 4]; OB],
    words: &[usize; N],
    mut sum: [[[D::W; OB]; XT]; 4],
) -> [[[D::W; OB]; XT]; 4] {
    let mut rows_of = [&[[0; LANES]; XT]; 4];
    for z in 0..4 {
        let Some(of) = v[z][at..].first_chunk() else { unreachable!("a tile lies within the rows") };
        rows_of[z] = of;
    }
    for k in 0..N {
        for z in 0..4 {
            let mut wk = [dots.zero(); OB];
            for o in 0..OB {
                wk[o] = dots.load(&w[o][z][k].0);
            }
            for x in 0..XT {
                let s = dots.splat(rows_of[z][x][words[k]]);
                for o in 0..OB {
                    sum[z][x][o] = dots.dot(sum[z][x][o], s, wk[o]);
                }
            }
        }
    }
    sum
}

/// The widest point of a unit's input.
struct Widest<'a, T> {
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
        let layout = Planes::of_input(&unit.layers(unit.start[0], cut.batch[0]));
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
                    unsafe { along_x(isa, (&patch, step), 0..1, (layout, &planes), to) };
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
