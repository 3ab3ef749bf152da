//! Products of 16-bit integers at Winograd's points, for inference: twice the rate of f32 where the machine has them.
//!
//! The input is scaled so that its points, which are otherwise made as in f32, become integers with one scale a layer; the
//! weights have one a point and output channel. Sums of products are exact in i32, and are scaled back as they leave the
//! registers, so the way back from points is that of f32. Li et al. (2021) publish the idea for 8 bits, whose rounding
//! F(4, 3) makes too large; with 16 bits there are levels to spare.

use super::forward::{March, Products};
use super::input::{Input, Octet, Octets, Planes, Range, along_x_in_pairs};
use super::output::{Output, Sums};
use super::tiles::{Cut, Lanes, POINTS, Patch, STEPS, aligned};
use super::weights::{Canonical, Direction, TAPS, Taps, Weights, transform_block};
use super::{Moments, Winograd};
use crate::cpu::Cpu;
use crate::gather::Write;
use crate::half::Cell;
use crate::isa::{DotKernel, Dots, Isa, Kernel};
use crate::layout::{LANES, Source, blocks};
use crate::team::{Shared, run_tasks};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far inputs may exceed the widest point that was seen in calibration before they are cut.
const HEADROOM: f32 = 2.0;
/// Pairs of a block of sixteen channels.
const PAIRS: usize = LANES / 2;

/// Sixteen lanes of pairs of weights, or of sums.
type Words = [i32; LANES];

/// A layer's weights as integers, and the scales that go with them.
#[derive(Clone, Debug)]
pub struct Integers {
    /// `[point][out block][in block * 8][16]`, two neighbouring input channels a word, and a line of padding a point.
    pairs: Vec<Words>,
    /// `[point][out block][16]`: what a sum of products is multiplied by.
    back: Vec<Lanes>,
    /// What the input is multiplied by.
    gain: f32,
    /// The largest integer that a point may become.
    limit: f32,
}

impl Integers {
    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.pairs) + size_of_val(&*self.back)
    }
}

/// The largest integer of an input of `channels`. More levels of the input leave fewer to the weights, since their
/// products must not leave i32; noise of both is about equal so.
fn limit(channels: usize) -> f32 {
    (32767.0 * (64.0 / channels as f32).sqrt()).min(32767.0).floor()
}

/// The smallest step of weights `u`, of which `Σ |round(u / step)| * limit` stays below 2^31: rounding adds at most a half
/// to each.
fn step(u: impl Iterator<Item = f32> + Clone, limit: f32) -> f64 {
    let (limit, n) = (f64::from(limit), u.clone().count() as f64);
    let largest = u.clone().fold(0.0, |m, u| f64::from(u.abs()).max(m));
    let sum: f64 = u.map(|u| f64::from(u.abs())).sum();
    let room = f64::from(i32::MAX) - 64.0 - 0.5 * n * limit;
    let step = (largest / 32767.0).max(sum * limit / room);
    if step > 0.0 { step } else { 1.0 }
}

impl Winograd {
    /// Whether [`Winograd::convolve_integers`] can work through this layer: its map is large, and `cpu` has the products.
    pub fn has_integers(&self, cpu: Cpu) -> bool {
        self.forward.is_some() && cpu.has_int16()
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
            pairs: vec![[0; LANES]; POINTS * stride],
            back: vec![[0.0; LANES]; POINTS * self.out_blocks],
            gain,
            limit,
        };
        let (pairs, back) = (Shared::new(&mut integers.pairs), Shared::new(&mut integers.back));
        let channels = self.in_blocks * LANES;
        (0..self.out_blocks).into_par_iter().with_max_len(1).for_each(|block| {
            let mut u = vec![[0.0; LANES]; POINTS * (channels + 1)];
            cpu.run(Transform { weights, block, channels, u: &mut u });
            for (t, u) in u.chunks_exact(channels + 1).enumerate() {
                // SAFETY: this block at every point belongs to this task alone.
                let (pairs, back) = unsafe {
                    let per_block = channels / 2;
                    let at = t * stride + block * per_block;
                    (pairs.slice(at, per_block), back.slice(t * self.out_blocks + block, 1))
                };
                for lane in 0..LANES {
                    let step = step(u[..channels].iter().map(|u| u[lane]), limit);
                    back[0][lane] = (step / f64::from(gain)) as f32;
                    let integer = |k: usize| (f64::from(u[k][lane]) / step).round() as i32;
                    for (k, pair) in pairs.iter_mut().enumerate() {
                        pair[lane] = (integer(2 * k) & 0xFFFF) | (integer(2 * k + 1) << 16);
                    }
                }
            }
        });
        integers
    }

    fn pairs_stride(&self) -> usize {
        self.out_blocks * self.in_blocks * PAIRS + 1
    }

    /// `dst = convolution of sources`, its products in integers. Measures the output into `moments` if there are some. Returns
    /// how many numbers were cut off because they lay outside of what the scales allow.
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
        let Some(cut) = self.forward else { panic!("winograd: no integers for a small map") };
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

struct InIntegers<'a, T> {
    march: March<'a, T>,
    integers: &'a Integers,
}

impl<T: Cell> DotKernel for InIntegers<'_, T> {
    type Output = u64;
    #[inline(always)]
    fn run<I: Isa, D: Dots<I>>(mut self, isa: I, dots: D) -> u64 {
        let Self { integers, .. } = self;
        let limit = isa.splat(integers.limit);
        let mut products =
            Pairs { plan: self.march.plan, dots, integers, range: Range { limit, widest: isa.splat(0.0) }, lost: 0 };
        self.march.run(isa, &mut products);
        products.lost
    }
}

/// Products of integers.
struct Pairs<'a, I: Isa, D> {
    plan: &'a Winograd,
    dots: D,
    integers: &'a Integers,
    range: Range<I::V>,
    lost: u64,
}

impl<I: Isa, D: Dots<I>> Products<I> for Pairs<'_, I, D> {
    #[inline(always)]
    fn points(&mut self, isa: I, (patch, step): (&Patch, usize), planes: (Planes, &[Lanes]), v: &mut [f32]) {
        let layout = Octets { blocks: self.plan.in_blocks, rows: patch.rows() };
        let octets: &mut [Octet] =
            &mut bytemuck::cast_slice_mut::<f32, i32>(v).as_chunks_mut().0[..6 * layout.stride()];
        along_x_in_pairs((isa, self.dots), (patch, step), planes, (layout, octets), &mut self.range);
        let mut widest = [0.0; LANES];
        isa.store(self.range.widest, &mut widest);
        if widest.iter().any(|&w| w > self.integers.limit) {
            self.lost += lost(octets, (patch.len(), layout), self.integers.limit as i32);
            self.range.widest = isa.splat(0.0);
        }
    }

    #[inline(always)]
    fn multiply(&self, isa: I, (rows, step, j): (usize, usize, usize), v: &[f32], m: &mut [Lanes]) {
        let Winograd { in_blocks, out_blocks, last, .. } = *self.plan;
        let layout = Octets { blocks: in_blocks, rows };
        let v: &[Octet] = bytemuck::cast_slice::<f32, i32>(v).as_chunks().0;
        let v = &v[j * layout.stride()..][..in_blocks * rows];
        let (t, stride) = (6 * step + j, self.plan.pairs_stride());
        let u = &self.integers.pairs[t * stride..][..stride - 1];
        let back = &self.integers.back[t * out_blocks..][..out_blocks];
        let mut ob = 0;
        let k = in_blocks * PAIRS;
        let last = last.div_ceil(2);
        while ob + 2 <= out_blocks {
            let (m0, m1) = m[ob * rows..][..2 * rows].split_at_mut(rows);
            let u = [&u[ob * k..][..k], &u[(ob + 1) * k..][..k]];
            panel::<I, D, 12, 2>((isa, self.dots), (rows, last), v, u, (&back[ob..], &mut [m0, m1]));
            ob += 2;
        }
        if ob < out_blocks {
            let u = [&u[ob * k..][..k]];
            panel::<I, D, 24, 1>(
                (isa, self.dots),
                (rows, last),
                v,
                u,
                (&back[ob..], &mut [&mut m[ob * rows..][..rows]]),
            );
        }
    }
}

/// How many halves of the rows in use are at the limit.
fn lost(octets: &[Octet], (rows, layout): (usize, Octets), limit: i32) -> u64 {
    let mut n = 0;
    for point in octets.chunks_exact(layout.stride()) {
        for block in point[..layout.blocks * layout.rows].chunks_exact(layout.rows) {
            let halves = block[..rows].iter().flatten().flat_map(|w| [i32::from(*w as i16), w >> 16]);
            n += halves.filter(|half| half.abs() >= limit).count() as u64;
        }
    }
    n
}

/// All rows of `OB` output blocks, `XT` at a time and the rest in lower tiles.
#[inline(always)]
fn panel<I: Isa, D: Dots<I>, const XT: usize, const OB: usize>(
    isa: (I, D),
    (rows, last): (usize, usize),
    v: &[Octet],
    u: [&[Words]; OB],
    (back, m): (&[Lanes], &mut [&mut [Lanes]; OB]),
) {
    let mut r = 0;
    while r + XT <= rows {
        tile::<I, D, XT, OB>(isa, (rows, last, r), v, u, (back, m));
        r += XT;
    }
    if XT > 12 && r + 12 <= rows {
        tile::<I, D, 12, OB>(isa, (rows, last, r), v, u, (back, m));
        r += 12;
    }
    if r + 8 <= rows {
        tile::<I, D, 8, OB>(isa, (rows, last, r), v, u, (back, m));
        r += 8;
    }
    if r + 4 <= rows {
        tile::<I, D, 4, OB>(isa, (rows, last, r), v, u, (back, m));
    }
}

/// `m[o][r + x] = back[o] * Σ v[b][r + x][k] . u[o][b][k]`, the sum over blocks and pairs exact.
#[inline(always)]
fn tile<I: Isa, D: Dots<I>, const XT: usize, const OB: usize>(
    (isa, dots): (I, D),
    (rows, last, r): (usize, usize, usize),
    v: &[Octet],
    u: [&[Words]; OB],
    (back, m): (&[Lanes], &mut [&mut [Lanes]; OB]),
) {
    let mut sum = [[dots.zero(); OB]; XT];
    let blocks = v.len() / rows;
    for b in 0..blocks {
        let Some(v) = v[b * rows + r..].first_chunk::<XT>() else { unreachable!("a tile lies within the rows") };
        let mut w = [const { &[[0; LANES]; PAIRS] }; OB];
        for o in 0..OB {
            let Some(block) = u[o][b * PAIRS..].first_chunk() else { unreachable!("weights for each input block") };
            w[o] = block;
        }
        let pairs = if b + 1 == blocks { last.min(PAIRS) } else { PAIRS };
        // Apart, so that the usual loop has a constant end: else LLVM keeps the sums in memory.
        if pairs == PAIRS {
            ranks::<I, D, XT, OB>(dots, PAIRS, v, w, &mut sum);
        } else {
            ranks::<I, D, XT, OB>(dots, pairs, v, w, &mut sum);
        }
    }
    for o in 0..OB {
        let back = isa.load(&back[o]);
        let Some(m) = m[o][r..].first_chunk_mut::<XT>() else { unreachable!("a tile lies within the rows") };
        for x in 0..XT {
            isa.store(isa.mul(dots.float(sum[x][o]), back), &mut m[x]);
        }
    }
}

/// `sum[x][o] += v[x][k] . w[o][k]` for the first `pairs` of `k`.
#[inline(always)]
fn ranks<I: Isa, D: Dots<I>, const XT: usize, const OB: usize>(
    dots: D,
    pairs: usize,
    v: &[Octet; XT],
    w: [&[Words; PAIRS]; OB],
    sum: &mut [[D::W; OB]; XT],
) {
    for k in 0..pairs {
        let mut wk = [dots.zero(); OB];
        for o in 0..OB {
            wk[o] = dots.load(&w[o][k]);
        }
        for x in 0..XT {
            let s = dots.splat(v[x][k]);
            for o in 0..OB {
                sum[x][o] = dots.dot(sum[x][o], s, wk[o]);
            }
        }
    }
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
        let points = super::tiles::Points { blocks: 1, rows: cut.largest().rows() };
        let (mut planes, mut v) = (vec![[0.0; LANES]; layout.len(1) / LANES], vec![0.0; points.len(6)]);
        for b in 0..plan.in_blocks {
            for z in (unit.start[0]..unit.start[0] + unit.size[0]).step_by(cut.batch[0]) {
                let patch = unit.layers(z, cut.batch[0]);
                input.along_y(isa, (&patch, 0), b..b + 1, (layout, &mut planes));
                for step in 0..STEPS {
                    let layout_v = super::tiles::Points { blocks: 1, rows: patch.rows() };
                    let to = super::tiles::PointsMut { values: Shared::new(&mut v), layout: layout_v, patch, first: 0 };
                    // SAFETY: the buffer is this function's alone.
                    unsafe { super::input::along_x(isa, (&patch, step), 0..1, (layout, &planes), to) };
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
