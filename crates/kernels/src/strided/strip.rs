//! The outputs of a strip: its input laid and filtered, products, and the way into the volume.

use super::StridedIntegers;
use super::places::{ALONG_X, KEPT, PAIR, PARTS, PLACES, Part, Strips, TAPS, TILE, To, ZERO};
use crate::gather::{Seen, find_block, voxels};
use crate::half::Cell;
use crate::isa::{DotKernel, Dots, Isa};
use crate::layout::{LANES, Source};
use crate::moments::{Running, Sums};
use crate::pairs::{LONE, Pairs, Tail, WHOLE, Words, cut, exceeds, n_pairs};
use crate::team::Shared;
use std::ops::Range;

/// Sums of a tile.
pub(super) type Kept = [[Pairs; PAIR]; TILE];

/// Some pairs of rows of outputs, in two planes.
pub(crate) struct Strip<'a, T> {
    pub(super) layer: &'a StridedIntegers,
    /// What inputs are multiplied by, and, `[out block][16]`, sums of products.
    pub(super) gain: f32,
    pub(super) back: &'a [[f32; LANES]],
    pub(super) strips: Strips,
    /// [`Strips::taps`].
    pub(super) paired: &'a [usize; TAPS],
    pub(super) lone: &'a [usize; TAPS],
    pub(super) sources: &'a [Source<'a, T>],
    pub(super) tail: Tail,
    /// The first plane and row of outputs.
    pub(super) at: (usize, usize),
    pub(super) dst: Shared<'a, T>,
    pub(super) staged: &'a mut [Pairs],
    pub(super) kept: &'a mut [Kept; KEPT],
    /// Of each block of outputs, if they are measured.
    pub(super) sums: Option<&'a mut [Sums]>,
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
