//! 3x3x3 convolutions of stride 2 with products of 16-bit integers, forward, by minimal filtering along z and y.
//!
//! Along an axis an output sees two odd places and an even one, `y0 = w0 d0 + w1 e0 + w2 d1` and the next `y1 = w0 d1 + w1 e1 +
//! w2 d2`. Of the odd ones F(2, 2) makes both with three products instead of four (Winograd 1980): `m0 = w0 (d0 - d1)`,
//! `m1 = (w0 + w2) d1`, `m2 = w2 (d2 - d1)`, `y0 = m0 + m1 + w1 e0`, `y1 = m1 + m2 + w1 e1`. So two axes take 25 products of
//! rows instead of 36. All of it is sums of integers, so the outputs are to the bit those of the 27 taps: what leaves 32 bits
//! on the way turns over, and back.

use crate::cpu::Cpu;
use crate::gather::{Seen, Shape, find_block, voxels};
use crate::half::Cell;
use crate::isa::{DotKernel, Dots, Isa, Kernel};
use crate::layout::{LANES, Source, blocks};
use crate::moments::{Moments, Running, Sums};
use crate::pairs::{
    HEADROOM, LONE, Pairs, Tail, WHOLE, Words, cut, exceeds, gain, limit, n_pairs, order, rounded, steps, word,
};
use crate::team::{Shared, run_tasks};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// The largest integer of an input and of a weight: a number that is multiplied is a sum of up to four.
const LARGEST: f32 = 8191.0;
/// Places of an axis that two outputs see: `d0`, `e0`, `d1`, `e1`, `d2`. In the stead of `d0` and `d2` lie their differences.
const PLACES: usize = 5;
/// The weights of a place, of the three.
const WEIGHTS: [[f32; 3]; PLACES] =
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
/// Places whose products are of the first output, of both, of the second.
const FIRST: &[usize] = &[0, 1];
const BOTH: &[usize] = &[2];
const SECOND: &[usize] = &[3, 4];
/// The sums in their order.
const PARTS: [Part; 9] = [
    Part { z: BOTH, y: BOTH, begin: [ZERO, ZERO], to: To::Kept(0) },
    Part { z: BOTH, y: FIRST, begin: [0, ZERO], to: To::Kept(1) },
    Part { z: BOTH, y: SECOND, begin: [0, ZERO], to: To::Kept(2) },
    Part { z: FIRST, y: BOTH, begin: [ZERO, ZERO], to: To::Kept(0) },
    Part { z: FIRST, y: FIRST, begin: [0, 1], to: To::Output(0, 0) },
    Part { z: FIRST, y: SECOND, begin: [0, 2], to: To::Output(0, 1) },
    Part { z: SECOND, y: BOTH, begin: [ZERO, ZERO], to: To::Kept(0) },
    Part { z: SECOND, y: FIRST, begin: [0, 1], to: To::Output(1, 0) },
    Part { z: SECOND, y: SECOND, begin: [0, 2], to: To::Output(1, 1) },
];
/// The sum that is kept at 0, after those that change.
const ZERO: usize = 3;
/// Sums that are kept.
const KEPT: usize = ZERO + 1;
/// What an output sees along x: at an odd place or an even one, and how far on.
const ALONG_X: [(usize, usize); 3] = [(0, 0), (1, 0), (0, 1)];
/// Products of an output and its three neighbours.
const TAPS: usize = PLACES * PLACES * ALONG_X.len();
/// Outputs side by side of a tile, and blocks of them.
const TILE: usize = 12;
const PAIR: usize = 2;

/// Sums of a tile.
type Kept = [[Pairs; PAIR]; TILE];

/// Products that make one sum.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// Places along z and y.
    z: &'static [usize],
    y: &'static [usize],
    /// The two kept sums that it begins with.
    begin: [usize; 2],
    to: To,
}

/// What becomes of a sum.
#[derive(Clone, Copy, Debug)]
enum To {
    /// Kept for those that follow.
    Kept(usize),
    /// The output so far along z and y.
    Output(usize, usize),
}

/// The products in their order: places along z and y, and which of [`ALONG_X`].
fn taps() -> impl Iterator<Item = [usize; 3]> {
    let rows = PARTS.iter().flat_map(|part| part.z.iter().flat_map(move |z| part.y.iter().map(move |y| (*z, *y))));
    rows.flat_map(|(z, y)| (0..ALONG_X.len()).map(move |x| [z, y, x]))
}

/// A convolution with its weights as integers, and the scales that go with them.
#[derive(Clone, Debug)]
pub struct StridedIntegers {
    inputs: usize,
    out_blocks: usize,
    /// `[out block][tap][pair][16]`, two neighbouring input channels a word.
    pairs: Vec<Words>,
    /// `[out block][16]`: of the weights.
    steps: Vec<[f32; LANES]>,
    /// What inputs are multiplied by, if it does not follow from each.
    gain: Option<f32>,
    limit: i16,
}

impl StridedIntegers {
    /// Prepares canonical weights `[O][I][27]` for inputs that were at most `widest` in calibration ([`largest`]); if that is 0, as
    /// wide as each input is found to be.
    ///
    /// # Panics
    /// If a length does not fit or `widest` is negative or not a number.
    pub fn new((i, o): (usize, usize), weights: &[f32], widest: f32) -> Self {
        assert_eq!(weights.len(), i * o * 27, "integers: weights");
        assert!(widest >= 0.0 && widest.is_finite(), "integers: a widest input of {widest}");
        let limit = limit(27 * i).min(LARGEST);
        let (order, out_blocks) = (order(i), blocks(o));
        let per_block = TAPS * order.len();
        let mut pairs = vec![Words([0; LANES]); out_blocks * per_block];
        let mut all_steps = vec![[0.0; LANES]; out_blocks];
        pairs.par_chunks_exact_mut(per_block).zip(&mut all_steps).enumerate().for_each(|(block, (pairs, own))| {
            // One more, so that the last channel of an odd number has a neighbour.
            let mut u = vec![[0.0; LANES]; (i + 1) * 27];
            for lane in 0..LANES.min(o - block * LANES) {
                let of_lane = &weights[(block * LANES + lane) * i * 27..][..i * 27];
                u.iter_mut().zip(of_lane).for_each(|(u, w)| u[lane] = *w);
            }
            let steps = steps(&u[..i * 27], limit, LARGEST);
            *own = steps;
            for lane in 0..LANES {
                for u in &mut u {
                    u[lane] = rounded(u[lane] / steps[lane]) as f32;
                }
            }
            for ([z, y, x], pairs) in taps().zip(pairs.chunks_exact_mut(order.len())) {
                let of_tap = |channel: usize, lane: usize| {
                    let at = |z: usize, y: usize| u[channel * 27 + z * 9 + y * 3 + x][lane];
                    let along_y = |z| (0..3).map(|k| WEIGHTS[y][k] * at(z, k)).sum::<f32>();
                    (0..3).map(|k| WEIGHTS[z][k] * along_y(k)).sum::<f32>()
                };
                for (&channel, pair) in order.iter().zip(pairs) {
                    pair.0 = std::array::from_fn(|lane| word(of_tap(channel, lane), of_tap(channel + 1, lane)));
                }
            }
        });
        let gain = (widest > 0.0).then(|| limit / (HEADROOM * widest));
        Self { inputs: i, out_blocks, pairs, steps: all_steps, gain, limit: limit as i16 }
    }

    /// Scratch of one thread for an input of shape `src` and so many channels.
    pub fn scratch_len(src: Shape, inputs: usize) -> usize {
        (Strips::new(src, inputs).len() + KEPT * TILE * PAIR) * LANES
    }

    /// Partial sums of [`Moments`] for an input of shape `src` and channels from `i` to `o`, whatever the number of threads.
    pub fn sums_len(src: Shape, (i, o): (usize, usize)) -> usize {
        Strips::new(src, i).tasks() * blocks(o) * size_of::<Sums>() / size_of::<f64>()
    }

    /// `dst = convolution of sources`, zero padding 1, `[O/16][D][H][W][16]` with half the voxels of `src` an axis, rounded up,
    /// and of that the `moments`, if they are asked for. Returns how many numbers were cut off because they lay outside of what
    /// the scales allow.
    ///
    /// `sources`: blocked, their channels one after another; `scratch`: [`StridedIntegers::scratch_len`] for each thread. The
    /// same bits on every machine that can.
    ///
    /// # Panics
    /// If a length does not fit, or not [`Cpu::has_int16`].
    pub fn convolve<T: Cell>(
        &self,
        cpu: Cpu,
        (sources, src): (&[Source<'_, T>], Shape),
        (dst, mut moments): (&mut [T], Option<&mut Moments<'_>>),
        scratch: &mut [f32],
    ) -> u64 {
        let strips = Strips::new(src, self.inputs);
        let in_blocks: usize = sources.iter().map(|s| s.blocks(voxels(src))).sum();
        assert_eq!(in_blocks, strips.blocks, "integers: blocks of the sources");
        assert_eq!(dst.len(), self.out_blocks * voxels(strips.dst) * LANES, "integers: dst");
        let sums = moments.as_deref_mut().map(|moments| {
            let channels = self.out_blocks * LANES;
            assert_eq!((moments.mean.len(), moments.variance.len()), (channels, channels), "integers: moments");
            let len = Self::sums_len(src, (self.inputs, channels));
            Shared::new(moments.sums[..len].as_chunks_mut().0.as_chunks_mut().0)
        });
        let (tail, dst, lost) = (Tail::new(self.inputs), Shared::new(dst), AtomicU64::new(0));
        let gain = self.gain.unwrap_or_else(|| gain(self.limit, largest(cpu, sources, voxels(src))));
        let back: Vec<_> = self.steps.iter().map(|steps| steps.map(|step| step / gain)).collect();
        let (paired, lone) = (strips.taps(2), strips.taps(1));
        let piece = Self::scratch_len(src, self.inputs);
        run_tasks(strips.tasks(), scratch, piece, |task, staged| {
            // SAFETY: the sums of a task are its own.
            let sums: Option<&mut [Sums]> =
                sums.as_ref().map(|sums| unsafe { sums.slice(task * self.out_blocks, self.out_blocks) });
            let staged: &mut [Pairs] = bytemuck::cast_slice_mut::<f32, i32>(staged).as_chunks_mut().0;
            let (staged, kept) = staged.split_at_mut(strips.len());
            let kept: &mut [Kept] = kept.as_chunks_mut().0.as_chunks_mut().0;
            let Some(kept) = kept.first_chunk_mut() else { unreachable!("room for sums") };
            let at = strips.at(task);
            let strip = Strip {
                layer: self,
                gain,
                back: &back,
                strips,
                paired: &paired,
                lone: &lone,
                sources,
                tail,
                at,
                dst,
                staged,
                kept,
                sums,
            };
            lost.fetch_add(T::strip_in_integers(cpu, strip), Ordering::Relaxed);
        });
        if let Some(moments) = moments {
            let values = (0..strips.tasks()).map(|task| strips.outputs(task) as f64);
            moments.join(&values.collect::<Vec<_>>());
        }
        lost.into_inner()
    }
}

/// How the input rows of some pairs of rows of outputs, in two planes, are laid in scratch:
/// `[pair of blocks][place along z][pair of rows][place along y]` and in a row `[odd, even][place along x][16]`, or, of a block
/// that has no neighbour, `[place along x][16]`, its odd places and its even ones in the place of two blocks.
#[derive(Clone, Copy, Debug)]
struct Strips {
    src: Shape,
    dst: Shape,
    blocks: usize,
    /// Pairs of rows of outputs of a strip.
    pairs: usize,
}

impl Strips {
    fn new(src: Shape, inputs: usize) -> Self {
        /// Few enough that what is staged stays in the second-level cache.
        const LINES: usize = (384 << 10) / 64;
        let dst = src.map(|n| n.div_ceil(2));
        let one = Self { src, dst, blocks: blocks(inputs), pairs: 1 };
        Self { pairs: (LINES / one.len()).clamp(1, dst[1].div_ceil(2).min(4)), ..one }
    }

    /// Strips of a pair of planes.
    fn per_planes(&self) -> usize {
        self.dst[1].div_ceil(2 * self.pairs)
    }

    fn tasks(&self) -> usize {
        self.dst[0].div_ceil(2) * self.per_planes()
    }

    /// The first plane and row of outputs of a task.
    fn at(&self, task: usize) -> (usize, usize) {
        (task / self.per_planes() * 2, task % self.per_planes() * 2 * self.pairs)
    }

    /// How many outputs a task has.
    fn outputs(&self, task: usize) -> usize {
        let ([depth, height, width], (z, y)) = (self.dst, self.at(task));
        (depth - z).min(2) * (height - y).min(2 * self.pairs) * width
    }

    /// Places along x, one more than outputs.
    fn length(&self) -> usize {
        self.dst[2] + 1
    }

    /// Lines of a row of a pair of blocks, or of a block alone.
    fn row(&self, group: usize) -> usize {
        if 2 * group + 1 < self.blocks { 2 * self.length() } else { self.length() }
    }

    /// Lines of all places.
    fn len(&self) -> usize {
        self.blocks * self.length() * self.rows()
    }

    /// Rows of a pair of blocks.
    fn rows(&self) -> usize {
        PLACES * self.pairs * PLACES
    }

    /// Where a pair of blocks begins.
    fn group(&self, group: usize) -> usize {
        group * 2 * self.length() * self.rows()
    }

    /// Where each tap of the first outputs lies in a pair of blocks, or in a block alone, in words.
    fn taps(&self, blocks: usize) -> [usize; TAPS] {
        let mut words = [0; TAPS];
        for (word, [z, y, x]) in words.iter_mut().zip(taps()) {
            let (row, (even, on)) = (z * self.pairs * PLACES + y, ALONG_X[x]);
            // The even places of a block alone lie where another block's would, two words on.
            let (line, shift) = if blocks == 1 { (row, 2 * even) } else { (2 * row + even, 0) };
            *word = (line * self.length() + on) * LANES + shift;
        }
        words
    }

    /// Where the voxel row `k` of the places from the output at `z`, `y` begins, if it is in the volume.
    #[inline(always)]
    fn voxel_row(&self, (z, y): (usize, usize), (place_z, place_y): (usize, usize)) -> Option<usize> {
        let [depth, height, width] = self.src;
        let (z, y) = ((2 * z + place_z).checked_sub(1)?, (2 * y + place_y).checked_sub(1)?);
        if z < depth && y < height { Some((z * height + y) * width) } else { None }
    }
}

/// Some pairs of rows of outputs, in two planes.
pub(crate) struct Strip<'a, T> {
    layer: &'a StridedIntegers,
    /// What inputs are multiplied by, and, `[out block][16]`, sums of products.
    gain: f32,
    back: &'a [[f32; LANES]],
    strips: Strips,
    /// [`Strips::taps`].
    paired: &'a [usize; TAPS],
    lone: &'a [usize; TAPS],
    sources: &'a [Source<'a, T>],
    tail: Tail,
    /// The first plane and row of outputs.
    at: (usize, usize),
    dst: Shared<'a, T>,
    staged: &'a mut [Pairs],
    kept: &'a mut [Kept; KEPT],
    /// Of each block of outputs, if they are measured.
    sums: Option<&'a mut [Sums]>,
}

impl<T: Cell> DotKernel for Strip<'_, T> {
    type Output = u64;
    #[inline(always)]
    fn run<I: Isa, D: Dots<I>>(mut self, isa: I, dots: D) -> u64 {
        let mut widest = dots.zero();
        for group in 0..self.strips.blocks.div_ceil(2) {
            self.lay((isa, dots), group, &mut widest);
        }
        let mut found = [0; LANES];
        dots.store(widest, &mut found);
        let limit = self.layer.limit;
        let lost = if exceeds(&found, limit) { cut(dots, self.staged, limit) } else { 0 };
        for group in 0..self.strips.blocks.div_ceil(2) {
            self.filter::<I, D>(dots, group);
        }
        self.kept[ZERO] = [[[0; LANES]; PAIR]; TILE];
        // Apart, so that the usual loops have constant ends.
        match (n_pairs(self.layer.inputs) % LANES, self.strips.blocks % 2) {
            (0, _) => self.blocks::<I, D, 0>((isa, dots)),
            (8, 1) => self.blocks::<I, D, 8>((isa, dots)),
            _ => self.blocks::<I, D, 1>((isa, dots)),
        }
        lost
    }
}

impl<T: Cell> Strip<'_, T> {
    /// The rows of a pair of blocks.
    fn group(&mut self, group: usize) -> &mut [Pairs] {
        let n = self.strips.rows() * self.strips.row(group);
        &mut self.staged[self.strips.group(group)..][..n]
    }

    /// Lays a pair of blocks, or one alone, as integers; each row but those that two pairs see is read once.
    #[inline(always)]
    fn lay<I: Isa, D: Dots<I>>(&mut self, (isa, dots): (I, D), group: usize, widest: &mut D::W) {
        let (strips, (z, y)) = (self.strips, self.at);
        let (n, [_, _, width]) = (voxels(strips.src), strips.src);
        let (sources, gain) = (self.sources, self.gain);
        let seen = |b| Seen::new(isa, find_block(sources, n, b), n, gain);
        let (a, b) = (seen(2 * group), (2 * group + 1 < strips.blocks).then(|| seen(2 * group + 1)));
        let row = strips.row(group);
        let (length, columns) = (strips.length(), strips.dst[2]);
        let rows = self.group(group);
        for i in 0..strips.rows() {
            let (place_z, pair, place_y) = (i / (strips.pairs * PLACES), i / PLACES % strips.pairs, i % PLACES);
            if pair > 0 && place_y == 0 {
                rows.copy_within((i - 1) * row..i * row, i * row);
                continue;
            }
            let to = &mut rows[i * row..][..row];
            let Some(from) = strips.voxel_row((z, y + 2 * pair), (place_z, place_y)) else {
                to.fill([0; LANES]);
                continue;
            };
            let none = isa.splat(0.0);
            if let Some(b) = &b {
                let (odd, even) = to.split_at_mut(length);
                odd[0] = [0; LANES];
                dots.store(dots.pack(a.at(isa, from), b.at(isa, from), widest), &mut even[0]);
                for x in 1..columns {
                    let at = from + 2 * x - 1;
                    dots.store(dots.pack(a.at(isa, at), b.at(isa, at), widest), &mut odd[x]);
                    dots.store(dots.pack(a.at(isa, at + 1), b.at(isa, at + 1), widest), &mut even[x]);
                }
                odd[columns] = [0; LANES];
                even[columns] = [0; LANES];
                if width.is_multiple_of(2) {
                    let at = from + width - 1;
                    dots.store(dots.pack(a.at(isa, at), b.at(isa, at), widest), &mut odd[columns]);
                }
            } else {
                dots.store(dots.pack(none, a.at(isa, from), widest), &mut to[0]);
                for x in 1..columns {
                    let at = from + 2 * x - 1;
                    dots.store(dots.pack(a.at(isa, at), a.at(isa, at + 1), widest), &mut to[x]);
                }
                to[columns] = [0; LANES];
                if width.is_multiple_of(2) {
                    dots.store(dots.pack(a.at(isa, from + width - 1), none, widest), &mut to[columns]);
                }
            }
        }
    }

    /// Puts differences in the stead of the first and last of each five rows and planes.
    #[inline(always)]
    fn filter<I: Isa, D: Dots<I>>(&mut self, dots: D, group: usize) {
        let (row, plane) = (self.strips.row(group), self.strips.pairs * PLACES * self.strips.row(group));
        let rows = self.group(group);
        for places in rows.chunks_exact_mut(PLACES * row) {
            differences(dots, places, row);
        }
        differences(dots, rows, plane);
    }

    /// All output blocks, from pairs of channels of which `REST` are no whole sixteen: none, eight, or one at a time.
    #[inline(always)]
    fn blocks<I: Isa, D: Dots<I>, const REST: usize>(&mut self, isa: (I, D)) {
        let mut ob = 0;
        while ob + PAIR <= self.layer.out_blocks {
            self.rows::<I, D, PAIR, REST>(isa, ob);
            ob += PAIR;
        }
        if ob < self.layer.out_blocks {
            self.rows::<I, D, 1, REST>(isa, ob);
        }
    }

    /// All rows of the strip for `OB` output blocks from `ob`.
    #[inline(always)]
    fn rows<I: Isa, D: Dots<I>, const OB: usize, const REST: usize>(&mut self, isa: (I, D), ob: usize) {
        let [_, height, width] = self.strips.dst;
        let mut running = [Running::new(isa.0, &Sums::default()); OB];
        for pair in 0..self.strips.pairs.min((height - self.at.1).div_ceil(2)) {
            let mut x = 0;
            while x + TILE <= width {
                self.tile::<I, D, TILE, OB, REST>(isa, (ob, pair, x), &mut running);
                x += TILE;
            }
            while x + 4 <= width {
                self.tile::<I, D, 4, OB, REST>(isa, (ob, pair, x), &mut running);
                x += 4;
            }
            while x < width {
                self.tile::<I, D, 1, OB, REST>(isa, (ob, pair, x), &mut running);
                x += 1;
            }
        }
        if let Some(sums) = &mut self.sums {
            for o in 0..OB {
                sums[ob + o] = running[o].begun(isa.0);
                running[o].add_to(isa.0, &mut sums[ob + o]);
            }
        }
    }

    /// Two rows of outputs in two planes.
    #[inline(always)]
    fn tile<I: Isa, D: Dots<I>, const XT: usize, const OB: usize, const REST: usize>(
        &mut self,
        (isa, dots): (I, D),
        (ob, pair, x): (usize, usize, usize),
        running: &mut [Running<I>; OB],
    ) {
        let mut first = 0;
        for Part { z, y, begin, to } in PARTS {
            let mut sum = [[dots.zero(); OB]; XT];
            // Two, be they 0: with a loop over fewer the sums live in memory.
            let [a, b] = [&self.kept[begin[0]], &self.kept[begin[1]]];
            for i in 0..XT {
                for o in 0..OB {
                    sum[i][o] = dots.add(dots.load(&a[i][o]), dots.load(&b[i][o]));
                }
            }
            let end = first + z.len() * y.len() * ALONG_X.len();
            sum = self.dot::<I, D, XT, OB, REST>(dots, first..end, (ob, pair, x), sum);
            first = end;
            match to {
                To::Kept(kept) => {
                    for i in 0..XT {
                        for o in 0..OB {
                            dots.store(sum[i][o], &mut self.kept[kept][i][o]);
                        }
                    }
                }
                To::Output(z, y) => {
                    let at = (self.at.0 + z, self.at.1 + 2 * pair + y);
                    self.put::<I, D, XT, OB>((isa, dots), (ob, at, x), &sum, running);
                }
            }
        }
    }

    /// `sum +=` the products of some taps, of all channels; by value, so that the sums stay in registers.
    #[inline(always)]
    fn dot<I: Isa, D: Dots<I>, const XT: usize, const OB: usize, const REST: usize>(
        &self,
        dots: D,
        taps: Range<usize>,
        (ob, pair, x): (usize, usize, usize),
        mut sum: [[D::W; OB]; XT],
    ) -> [[D::W; OB]; XT] {
        let (n, length) = (n_pairs(self.layer.inputs), self.strips.length());
        let (full, lone) = (n / LANES, self.strips.blocks % 2 == 1);
        let words = self.staged.as_flattened();
        // The same pair of rows and place along x of a pair of blocks, and of what is left.
        let paired = (pair * PLACES * 2 * length + x) * LANES;
        let (of_rest, per_row) = if lone { (self.lone, length) } else { (self.paired, 2 * length) };
        let rest = (self.strips.group(full) + pair * PLACES * per_row + x) * LANES;
        for tap in taps {
            let mut w = [&self.layer.pairs[..0]; OB];
            for o in 0..OB {
                w[o] = &self.layer.pairs[((ob + o) * TAPS + tap) * n..][..n];
            }
            for group in 0..full {
                let src = &words[self.strips.group(group) * LANES + self.paired[tap] + paired..];
                sum = products::<I, D, XT, OB, LANES>(dots, src, (w, group * LANES), &WHOLE, sum);
            }
            if REST == 8 {
                let src = &words[of_rest[tap] + rest..];
                sum = products::<I, D, XT, OB, 8>(dots, src, (w, full * LANES), &LONE, sum);
            } else if REST == 1 {
                let src = &words[of_rest[tap] + rest..];
                for k in full * LANES..n {
                    let word = self.tail.words[k - full * LANES];
                    sum = products::<I, D, XT, OB, 1>(dots, &src[word..], (w, k), &[0], sum);
                }
            }
        }
        sum
    }

    #[inline(always)]
    fn put<I: Isa, D: Dots<I>, const XT: usize, const OB: usize>(
        &self,
        (isa, dots): (I, D),
        (ob, (z, y), x): (usize, (usize, usize), usize),
        sum: &[[D::W; OB]; XT],
        running: &mut [Running<I>; OB],
    ) {
        let [depth, height, width] = self.strips.dst;
        if z >= depth || y >= height {
            return;
        }
        for o in 0..OB {
            let start = ((((ob + o) * depth + z) * height + y) * width + x) * LANES;
            // SAFETY: the row (ob + o, z, y) belongs to the one task that has this pair of planes and of rows.
            let cells = unsafe { self.dst.slice(start, XT * LANES) }.as_chunks_mut::<LANES>().0;
            let back = isa.load(&self.back[ob + o]);
            let running = &mut running[o];
            if ((z, y), x) == (self.at, 0) {
                running.shift = isa.mul(dots.float(sum[0][o]), back);
            }
            for i in 0..XT {
                let output = isa.mul(dots.float(sum[i][o]), back);
                if self.sums.is_some() {
                    running.add(isa, i % 4, output);
                }
                T::store(isa, output, &mut cells[i]);
            }
        }
    }
}

/// `sum[x][o] += src[16 x + at[k]] . w[o][first + k]`.
#[inline(always)]
fn products<I: Isa, D: Dots<I>, const XT: usize, const OB: usize, const N: usize>(
    dots: D,
    src: &[i32],
    (w, first): ([&[Words]; OB], usize),
    at: &[usize; N],
    mut sum: [[D::W; OB]; XT],
) -> [[D::W; OB]; XT] {
    let src = &src[..=(XT - 1) * LANES + at[N - 1]];
    let mut weights = [const { &[Words([0; LANES]); N] }; OB];
    for o in 0..OB {
        let Some(of) = w[o][first..].first_chunk() else { unreachable!("weights of each pair of channels") };
        weights[o] = of;
    }
    for k in 0..N {
        let mut wk = [dots.zero(); OB];
        for o in 0..OB {
            wk[o] = dots.load(&weights[o][k].0);
        }
        for x in 0..XT {
            let s = dots.splat(src[x * LANES + at[k]]);
            for o in 0..OB {
                sum[x][o] = dots.dot(sum[x][o], s, wk[o]);
            }
        }
    }
    sum
}

/// Of five places of `n` lines each, `d0 - d1` and `d2 - d1` in the stead of `d0` and `d2`.
#[inline(always)]
fn differences<I: Isa, D: Dots<I>>(dots: D, places: &mut [Pairs], n: usize) {
    let (d0, rest) = places.split_at_mut(n);
    let (d1, d2) = rest[n..].split_at_mut(2 * n);
    let (d0, d1, d2) = (&mut d0[..n], &d1[..n], &mut d2[..n]);
    for x in 0..n {
        let middle = dots.load(&d1[x]);
        let (before, after) = (dots.load(&d0[x]), dots.load(&d2[x]));
        dots.store(dots.sub_halves(before, middle), &mut d0[x]);
        dots.store(dots.sub_halves(after, middle), &mut d2[x]);
    }
}

/// The largest magnitude that `sources` show: what [`StridedIntegers::new`] wants to know, found on examples.
pub fn largest<T: Cell>(cpu: Cpu, sources: &[Source<'_, T>], voxels: usize) -> f32 {
    let of_block = |(source, b): (&Source<'_, T>, usize)| {
        let x = source.values[b * voxels * LANES..][..voxels * LANES].as_chunks::<LANES>().0;
        let of_part = |x: &[[T; LANES]]| T::largest(cpu, Largest { x, affine: source.affine(b), slope: source.slope });
        x.par_chunks(4096).map(of_part).reduce(|| 0.0, f32::max)
    };
    let all = sources.iter().flat_map(|source| (0..source.blocks(voxels)).map(move |b| (source, b)));
    all.map(of_block).fold(0.0, f32::max)
}

/// The largest magnitude of some voxels of a block.
pub(crate) struct Largest<'a, T> {
    pub(crate) x: &'a [[T; LANES]],
    pub(crate) affine: ([f32; LANES], [f32; LANES]),
    pub(crate) slope: f32,
}

impl<T: Cell> Kernel for Largest<'_, T> {
    type Output = f32;
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> f32 {
        let (scale, shift, slope) = (isa.load(&self.affine.0), isa.load(&self.affine.1), isa.splat(self.slope));
        let mut largest = isa.splat(0.0);
        for x in self.x {
            let t = isa.fma(T::load(isa, x), scale, shift);
            let seen = isa.max(t, isa.mul(t, slope));
            largest = isa.max(isa.max(seen, isa.sub(isa.splat(0.0), seen)), largest);
        }
        let mut lanes = [0.0; LANES];
        isa.store(largest, &mut lanes);
        lanes.into_iter().fold(0.0, f32::max)
    }
}
