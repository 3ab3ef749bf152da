//! Products of integers of one point along y and x, and their way back along z, while the sums are in registers.

use super::tiles::{Lanes, THICK};
use super::transforms::output6;
use crate::isa::{Dots, Isa};
use crate::layout::LANES;
use crate::pairs::{LONE, Pairs, Tail, Words};

/// Of one output block the rows of its outputs along z, from those of the first and of the second plane of each slab.
#[inline(always)]
pub(super) fn planes_of([first, second]: [&mut [Lanes]; 2], rows: usize) -> [&mut [Lanes]; 4] {
    let ((a, c), (b, d)) = (first.split_at_mut(rows), second.split_at_mut(rows));
    [a, b, c, d]
}

/// Of each output block, the rows of the outputs along z.
pub(super) type Outputs<'a, const OB: usize> = [[&'a mut [Lanes]; 4]; OB];

/// The input at the `P` points along z of one point along y and x.
pub(super) struct PointsOf<'a, const P: usize> {
    pub(super) rows: usize,
    /// `[pair of blocks][row]`.
    pub(super) whole: [&'a [Pairs]; P],
    /// Of a block without a neighbour, two points along x in each line; a line more than rows.
    pub(super) lone: [&'a [Pairs]; P],
    /// Words of those lines before the point's own.
    pub(super) skip: usize,
    pub(super) tail: Tail,
}

/// The weights of one output block, pair by pair.
type WeightsOf<'a, const P: usize> = &'a [[Words; P]];

/// What sums of each output block are multiplied by, and where its outputs go.
type To<'a, 'm, const P: usize, const OB: usize> = ([&'a [Lanes; P]; OB], &'a mut Outputs<'m, OB>);

/// The first `n` rows of `OB` output blocks.
#[inline(always)]
pub(super) fn panel<I: Isa, D: Dots<I>, const P: usize, const XT: usize, const OB: usize>(
    isa: (I, D),
    n: usize,
    v: &PointsOf<'_, P>,
    u: [WeightsOf<'_, P>; OB],
    to: To<'_, '_, P, OB>,
) {
    // Apart, so that the usual loops have constant ends.
    match u[0].len() % LANES {
        0 => panel_of::<I, D, P, XT, OB, 0>(isa, n, v, u, to),
        2 => panel_of::<I, D, P, XT, OB, 2>(isa, n, v, u, to),
        8 => panel_of::<I, D, P, XT, OB, 8>(isa, n, v, u, to),
        _ => panel_of::<I, D, P, XT, OB, 1>(isa, n, v, u, to),
    }
}

/// [`panel`] with `REST` pairs of channels beyond whole pairs of blocks; 1 stands for any number. `XT` rows at a time, the last
/// of which may be some of those before once more.
#[inline(always)]
fn panel_of<I: Isa, D: Dots<I>, const P: usize, const XT: usize, const OB: usize, const REST: usize>(
    isa: (I, D),
    n: usize,
    v: &PointsOf<'_, P>,
    u: [WeightsOf<'_, P>; OB],
    (back, m): To<'_, '_, P, OB>,
) {
    let mut r = 0;
    while r + XT <= n {
        tile::<I, D, P, XT, OB, REST>(isa, r, v, u, (back, m));
        r += XT;
    }
    if r < n && n >= XT {
        tile::<I, D, P, XT, OB, REST>(isa, n - XT, v, u, (back, m));
        return;
    }
    while r < n {
        tile::<I, D, P, 1, OB, REST>(isa, r, v, u, (back, m));
        r += 1;
    }
}

/// The outputs along z of `XT` rows from `r` on.
#[inline(always)]
fn tile<I: Isa, D: Dots<I>, const P: usize, const XT: usize, const OB: usize, const REST: usize>(
    isa: (I, D),
    r: usize,
    v: &PointsOf<'_, P>,
    u: [WeightsOf<'_, P>; OB],
    to: To<'_, '_, P, OB>,
) {
    if P == 4 {
        let (back, m) = to;
        let mut scale = [&back[0][0]; OB];
        for o in 0..OB {
            scale[o] = &back[o][0];
        }
        thin_tile::<I, D, _, XT, OB>(isa, r, &InnerOf::<'_, P, OB, REST> { v, u }, (scale, m));
    } else {
        thick_tile::<I, D, P, XT, OB, REST>(isa, r, v, u, to);
    }
}

/// Sums of products of rows of the input with the weights of `OB` output blocks, at points along z.
pub(super) trait Addends<I: Isa, D: Dots<I>, const OB: usize> {
    /// `sum[n][x][o] +=` the products of row `r + x` at `points[n]`, exact; by value, so that the sums stay in registers.
    fn add<const XT: usize>(
        &self,
        dots: D,
        r: usize,
        points: [usize; 2],
        sum: [[[D::W; OB]; XT]; 2],
    ) -> [[[D::W; OB]; XT]; 2];
}

/// Rows of pairs of blocks, and weights.
struct InnerOf<'a, const P: usize, const OB: usize, const REST: usize> {
    v: &'a PointsOf<'a, P>,
    u: [WeightsOf<'a, P>; OB],
}

impl<I: Isa, D: Dots<I>, const P: usize, const OB: usize, const REST: usize> Addends<I, D, OB>
    for InnerOf<'_, P, OB, REST>
{
    #[inline(always)]
    fn add<const XT: usize>(
        &self,
        dots: D,
        r: usize,
        points: [usize; 2],
        sum: [[[D::W; OB]; XT]; 2],
    ) -> [[[D::W; OB]; XT]; 2] {
        sums::<I, D, P, 2, XT, OB, REST>(dots, r, points, (self.v, self.u), sum)
    }
}

/// Two outputs along z: `m0 + (m1 + m2)` and `(m1 - m2) + m3`, exact, since the points along z have their scale in common. What
/// the two share is made first, and goes on as their sums.
#[inline(always)]
pub(super) fn thin_tile<I: Isa, D: Dots<I>, A: Addends<I, D, OB>, const XT: usize, const OB: usize>(
    (isa, dots): (I, D),
    r: usize,
    addends: &A,
    (back, m): ([&Lanes; OB], &mut Outputs<'_, OB>),
) {
    let none = [[[dots.zero(); OB]; XT]; 2];
    let shared = addends.add(dots, r, [1, 2], none);
    let mut outputs = none;
    for x in 0..XT {
        for o in 0..OB {
            outputs[0][x][o] = dots.add(shared[0][x][o], shared[1][x][o]);
            outputs[1][x][o] = dots.sub(shared[0][x][o], shared[1][x][o]);
        }
    }
    let outputs = addends.add(dots, r, [0, 3], outputs);
    for o in 0..OB {
        let back = isa.load(back[o]);
        for z in 0..2 {
            let Some(to) = m[o][z][r..].first_chunk_mut::<XT>() else { unreachable!("a tile lies within the rows") };
            for x in 0..XT {
                isa.store(isa.mul(dots.float(outputs[z][x][o]), back), &mut to[x]);
            }
        }
    }
}

/// Four outputs along z.
#[inline(always)]
fn thick_tile<I: Isa, D: Dots<I>, const P: usize, const XT: usize, const OB: usize, const REST: usize>(
    (isa, dots): (I, D),
    r: usize,
    v: &PointsOf<'_, P>,
    u: [WeightsOf<'_, P>; OB],
    (back, m): To<'_, '_, P, OB>,
) {
    let sum = sums::<I, D, P, 6, XT, OB, REST>(dots, r, [0, 1, 2, 3, 4, 5], (v, u), [[[dots.zero(); OB]; XT]; 6]);
    // In two steps, and each loop small: one that LLVM does not unroll at once keeps all sums in memory.
    let mut points = [[[isa.splat(0.0); 6]; XT]; OB];
    for o in 0..OB {
        for z in 0..6 {
            let back = isa.load(&back[o][z]);
            for x in 0..XT {
                points[o][x][z] = isa.mul(dots.float(sum[z][x][o]), back);
            }
        }
    }
    for o in 0..OB {
        let mut outputs = [[isa.splat(0.0); 4]; XT];
        for x in 0..XT {
            outputs[x] = output6(isa, points[o][x]);
        }
        for z in 0..THICK {
            let Some(to) = m[o][z][r..].first_chunk_mut::<XT>() else { unreachable!("a tile lies within the rows") };
            for x in 0..XT {
                isa.store(outputs[x][z], &mut to[x]);
            }
        }
    }
}

/// `sum[n][x][o] +=` at each of the `points` along z the products `v[r + x] . u[o]` of all pairs of channels, exact; by value, so
/// that the sums stay in registers.
#[inline(always)]
fn sums<I: Isa, D: Dots<I>, const P: usize, const N: usize, const XT: usize, const OB: usize, const REST: usize>(
    dots: D,
    r: usize,
    points: [usize; N],
    (v, u): (&PointsOf<'_, P>, [WeightsOf<'_, P>; OB]),
    mut sum: [[[D::W; OB]; XT]; N],
) -> [[[D::W; OB]; XT]; N] {
    let full = u[0].len() / LANES;
    for g in 0..full {
        let rows = rows_of::<P, N, XT>(v.whole, points, g * v.rows + r);
        let w = weights_of::<P, LANES, OB>(u, g * LANES);
        // Not `ranks`: through a loop around it the sums go to memory and back.
        for k in 0..LANES {
            for n in 0..N {
                let mut wk = [dots.zero(); OB];
                for o in 0..OB {
                    wk[o] = dots.load(&w[o][k][points[n]].0);
                }
                for x in 0..XT {
                    let s = dots.splat(rows[n][x][k]);
                    for o in 0..OB {
                        sum[n][x][o] = dots.dot(sum[n][x][o], s, wk[o]);
                    }
                }
            }
        }
    }
    if REST == 0 {
        return sum;
    }
    let (first, rest) = (full * LANES, u[0].len() - full * LANES);
    // More than eight are those of two blocks.
    let (from, at, skip) = if REST == 1 && rest > 8 { (v.whole, full * v.rows + r, 0) } else { (v.lone, r, v.skip) };
    let rows = rows_of::<P, N, XT>(from, points, at);
    if REST == 2 {
        let w = weights_of::<P, 2, OB>(u, first);
        sum = ranks::<I, D, P, N, XT, OB, 2>(dots, (rows, points, skip), w, &[0, 1], sum);
    } else if REST == 8 {
        let w = weights_of::<P, 8, OB>(u, first);
        sum = ranks::<I, D, P, N, XT, OB, 8>(dots, (rows, points, skip), w, &LONE, sum);
    } else {
        for k in 0..rest {
            let w = weights_of::<P, 1, OB>(u, first + k);
            let word = [v.tail.words[k] % LANES];
            sum = ranks::<I, D, P, N, XT, OB, 1>(dots, (rows, points, skip), w, &word, sum);
        }
    }
    sum
}

/// `XT` rows of the input from `at` on, at each of the `points` along z.
#[inline(always)]
fn rows_of<const P: usize, const N: usize, const XT: usize>(
    v: [&[Pairs]; P],
    points: [usize; N],
    at: usize,
) -> [&[Pairs; XT]; N] {
    let mut rows = [const { &[[0; LANES]; XT] }; N];
    for n in 0..N {
        let Some(of) = v[points[n]][at..].first_chunk() else { unreachable!("a tile lies within the rows") };
        rows[n] = of;
    }
    rows
}

/// `K` pairs of weights of each output block from `first` on.
#[inline(always)]
fn weights_of<const P: usize, const K: usize, const OB: usize>(
    u: [WeightsOf<'_, P>; OB],
    first: usize,
) -> [&[[Words; P]; K]; OB] {
    let mut w = [const { &[[Words([0; LANES]); P]; K] }; OB];
    for o in 0..OB {
        let Some(of) = u[o][first..].first_chunk() else { unreachable!("weights of each pair of channels") };
        w[o] = of;
    }
    w
}

/// `sum[n][x][o] += rows[n][x][words[k] + skip] . w[o][k][points[n]]`; by value, so that the sums stay in registers.
#[inline(always)]
fn ranks<I: Isa, D: Dots<I>, const P: usize, const N: usize, const XT: usize, const OB: usize, const K: usize>(
    dots: D,
    (rows, points, skip): ([&[Pairs; XT]; N], [usize; N], usize),
    w: [&[[Words; P]; K]; OB],
    words: &[usize; K],
    mut sum: [[[D::W; OB]; XT]; N],
) -> [[[D::W; OB]; XT]; N] {
    for k in 0..K {
        for n in 0..N {
            let mut wk = [dots.zero(); OB];
            for o in 0..OB {
                wk[o] = dots.load(&w[o][k][points[n]].0);
            }
            for x in 0..XT {
                let s = dots.splat(rows[n][x][(words[k] + skip) % LANES]);
                for o in 0..OB {
                    sum[n][x][o] = dots.dot(sum[n][x][o], s, wk[o]);
                }
            }
        }
    }
    sum
}
