//! 16-bit integers in pairs: how values and weights lie, and scales under which no sum of products leaves 32 bits.

use crate::isa::{Dots, Isa, place};
use crate::layout::{LANES, blocks};

/// How far inputs may exceed the widest that was seen in calibration before they are cut.
pub(crate) const HEADROOM: f32 = 2.0;
/// The largest integer of an input: below what 16 bits hold, so that more is seen to be more.
pub(crate) const LARGEST: f32 = 32766.0;

/// Two blocks of channels of one place in pairs, in the order of [`place`].
pub(crate) type Pairs = [i32; LANES];

/// Sixteen lanes of pairs of weights; they begin on a line of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Words(pub(crate) [i32; LANES]);

/// All words in order.
pub(crate) const WHOLE: [usize; LANES] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// The words of a whole block that has no neighbour.
pub(crate) const LONE: [usize; LANES / 2] = [0, 1, 4, 5, 8, 9, 12, 13];

/// The words of the last pair of blocks that hold channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    pub(crate) words: [usize; LANES],
    pub(crate) n: usize,
}

impl Tail {
    /// Of an input of `channels`.
    pub(crate) fn new(channels: usize) -> Self {
        let mut tail = Self { words: [0; LANES], n: 0 };
        for word in words(channels, blocks(channels).div_ceil(2) - 1) {
            tail.words[tail.n] = word;
            tail.n += 1;
        }
        tail
    }
}

/// The first channel of a word of a pair of blocks.
fn channel(group: usize, word: usize) -> usize {
    let (second, lane) = place(word);
    (2 * group + usize::from(second)) * LANES + lane
}

/// Which of the sixteen words of a pair of blocks hold some of so many channels.
fn words(channels: usize, group: usize) -> impl Iterator<Item = usize> {
    (0..LANES).filter(move |&word| channel(group, word) < channels)
}

/// Pairs of so many channels.
pub(crate) fn n_pairs(channels: usize) -> usize {
    (channels / LANES) * LANES / 2 + (channels % LANES).div_ceil(2)
}

/// The first channel of each pair of an input, in the order in which `Dots::pack` leaves them; pairs of channels that there
/// are not are left out.
pub(crate) fn order(channels: usize) -> Vec<usize> {
    let groups = blocks(channels).div_ceil(2);
    (0..groups).flat_map(|group| words(channels, group).map(move |word| channel(group, word))).collect()
}

/// The largest integer of an input of which so many numbers make one sum. More levels of the input leave fewer to the
/// weights, since their products must not leave i32; noise of both is about equal so.
pub(crate) fn limit(terms: usize) -> f32 {
    (LARGEST * (64.0 / terms as f32).sqrt()).min(LARGEST).floor()
}

/// What numbers of magnitudes up to `largest` are multiplied by: that one becomes as large as may be. A power of two, so that it
/// may be brought into scale and shift without another rounding; far from what f32 holds even where all is 0.
pub(crate) fn gain(limit: i16, largest: f32) -> f32 {
    let most = (f32::from(limit) / largest).clamp(1e-30, 1e30);
    f32::from_bits(most.to_bits() & f32::INFINITY.to_bits())
}

/// Of each lane the smallest step of the weights `u` for which `sum of |round(u / step)| * limit` stays below 2^31: rounding
/// adds at most a half to each, and a little for the arithmetic in f32.
#[inline(always)]
pub(crate) fn steps(u: &[[f32; LANES]], limit: f32, most: f32) -> [f32; LANES] {
    let (mut largest, mut sums) = ([0.0_f32; LANES], [0.0_f64; LANES]);
    for u in u {
        for lane in 0..LANES {
            // What is none counts as infinite: all weights of the lane become 0, and the step says that they were not.
            let magnitude = if u[lane].abs() <= f32::MAX { u[lane].abs() } else { f32::INFINITY };
            largest[lane] = if magnitude > largest[lane] { magnitude } else { largest[lane] };
            sums[lane] += f64::from(magnitude);
        }
    }
    let limit = f64::from(limit);
    let room = (f64::from(i32::MAX) - (0.5 * u.len() as f64 + 1.0) * limit) * (1.0 - 1e-6);
    let mut steps = [1.0; LANES];
    for lane in 0..LANES {
        let step = (f64::from(largest[lane]) / f64::from(most)).max(sums[lane] * limit / room) as f32;
        // All weights 0, or too small to matter: any step will do.
        steps[lane] = if step > f32::MIN_POSITIVE { step } else { 1.0 };
    }
    steps
}

/// Two weights, in steps, as one word.
#[inline(always)]
pub(crate) fn word(first: f32, second: f32) -> i32 {
    (rounded(first) & 0xFFFF) | rounded(second) << 16
}

/// To nearest, ties to even, below 2^22: a call where code is compiled for a machine that lacks the instruction, and this is
/// how the sum rounds. What is not a number has lower bits of 0.
#[inline(always)]
pub(crate) fn rounded(x: f32) -> i32 {
    /// Its last bit is a one's.
    const ONES: f32 = 12_582_912.0;
    (x + ONES).to_bits().wrapping_sub(ONES.to_bits()).cast_signed()
}

/// Whether any half of `widest` is beyond `limit`.
pub(crate) fn exceeds(widest: &Pairs, limit: i16) -> bool {
    let limit = limit.unsigned_abs();
    widest.iter().any(|&w| w as u16 > limit || (w >> 16) as u16 > limit)
}

/// Cuts all halves at the limit, and says how many are there then.
#[inline(always)]
pub(crate) fn cut<I: Isa, D: Dots<I>>(dots: D, pairs: &mut [Pairs], limit: i16) -> u64 {
    let mut at_limit = 0;
    for x in 0..pairs.len() {
        let own = dots.load(&pairs[x]);
        let mut below = [0; LANES];
        dots.store(dots.cut(own, dots.splat_half(limit - 1)), &mut below);
        // Nearly always none is there, whatever a bound says.
        if below != pairs[x] {
            dots.store(dots.cut(own, dots.splat_half(limit)), &mut pairs[x]);
            at_limit += count(&pairs[x], limit);
        }
    }
    at_limit
}

/// How many halves are at the limit.
fn count(pairs: &Pairs, limit: i16) -> u64 {
    let halves = pairs.iter().flat_map(|w| [*w as i16, (w >> 16) as i16]);
    halves.filter(|half| half.unsigned_abs() >= limit.unsigned_abs()).count() as u64
}

/// `sum[x][o] +=` the products of all channels that are staged at `at + x`, a group of them every `stride`, with the weights
/// `w[o]`. By value, so that the sums stay in registers.
#[inline(always)]
pub(crate) fn dot_channels<I: Isa, D: Dots<I>, const XT: usize, const OB: usize>(
    dots: D,
    (staged, stride, at): (&[Pairs], usize, usize),
    (w, tail): ([&[Words]; OB], &Tail),
    mut sum: [[D::W; OB]; XT],
) -> [[D::W; OB]; XT] {
    let full = w[0].len() / LANES;
    for g in 0..full {
        sum = ranks::<I, D, XT, OB, LANES>(dots, some(staged, g * stride + at), (w, g * LANES), &WHOLE, sum);
    }
    if w[0].len() > full * LANES {
        let src = some(staged, full * stride + at);
        // Apart, so that the usual loops have constant ends.
        match w[0].len() - full * LANES {
            8 => sum = ranks::<I, D, XT, OB, 8>(dots, src, (w, full * LANES), &LONE, sum),
            2 => sum = ranks::<I, D, XT, OB, 2>(dots, src, (w, full * LANES), &[0, 1], sum),
            _ => {
                for k in 0..tail.n {
                    let word = [tail.words[k] % LANES];
                    sum = ranks::<I, D, XT, OB, 1>(dots, src, (w, full * LANES + k), &word, sum);
                }
            }
        }
    }
    sum
}

#[inline(always)]
fn some<const XT: usize>(staged: &[Pairs], at: usize) -> &[Pairs; XT] {
    let Some(some) = staged[at..].first_chunk() else {
        unreachable!("the staged row is as long as its outputs and taps")
    };
    some
}

/// `sum[x][o] += src[x][words[k]] . w[o][first + k]`.
#[inline(always)]
fn ranks<I: Isa, D: Dots<I>, const XT: usize, const OB: usize, const N: usize>(
    dots: D,
    src: &[Pairs; XT],
    (w, first): ([&[Words]; OB], usize),
    words: &[usize; N],
    mut sum: [[D::W; OB]; XT],
) -> [[D::W; OB]; XT] {
    for k in 0..N {
        let mut wk = [dots.zero(); OB];
        for o in 0..OB {
            wk[o] = dots.load(&w[o][first + k].0);
        }
        for x in 0..XT {
            let s = dots.splat(src[x][words[k]]);
            for o in 0..OB {
                sum[x][o] = dots.dot(sum[x][o], s, wk[o]);
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_rounded_to_nearest_ties_to_even() {
        for n in -32767 * 8..=32767 * 8 {
            let x = n as f32 / 8.0;
            assert_eq!(rounded(x), x.round_ties_even() as i32, "{x}");
        }
        assert_eq!(word(f32::NAN, f32::INFINITY), 0, "what is no number is no weight");
    }

    #[test]
    fn no_sum_leaves_i32_whatever_the_weights() {
        let sizes = [0.0, 1e-45, 1e-38, 1e-3, 0.7, 3e38, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
        for (n, usual) in [1, 2, 3, 64, 128, 1000].into_iter().flat_map(|n| sizes.map(|usual| (n, usual))) {
            for other in sizes {
                let mut u = vec![[usual; LANES]; n];
                u[n / 2] = [other; LANES];
                let (limit, steps) = (limit(n), steps(&u, limit(n), LARGEST));
                // As both callers divide.
                for in_steps in [
                    u.iter().map(|u| u[3] * (1.0 / steps[3])).collect::<Vec<_>>(),
                    u.iter().map(|u| u[3] / steps[3]).collect(),
                ] {
                    let halves = in_steps.iter().map(|&x| i64::from(word(x, 0.0) as i16).abs());
                    let most = halves.sum::<i64>() * limit as i64;
                    assert!(most <= i64::from(i32::MAX), "{n} of {usual:e}, one of {other:e}: {most}");
                }
            }
        }
    }

    #[test]
    fn each_channel_has_one_place() {
        for channels in 1..70 {
            let order = order(channels);
            assert_eq!(order.len(), n_pairs(channels), "{channels}");
            let mut seen: Vec<usize> = order.iter().flat_map(|&c| [c, c + 1]).filter(|&c| c < channels).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..channels).collect::<Vec<_>>(), "{channels}");
            let tail = Tail::new(channels);
            assert_eq!(
                (order.len() - 1) / LANES * LANES + tail.n,
                order.len(),
                "{channels}: whole groups, and the last"
            );
        }
        assert_eq!(Tail::new(16).words[..8], LONE);
    }
}
