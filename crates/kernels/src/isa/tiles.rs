//! Products of bf16, sixteen places by sixteen outputs at a time: AMX, and the same bits in plain Rust.

use super::Isa;
use super::scalar::Scalar;
use crate::bf16::Bf16;
use crate::gather::Write;
use crate::layout::LANES;
use bytemuck::{Pod, Zeroable};

/// Values of a row of a tile: what two blocks of channels hold.
pub(crate) const PAIR: usize = 2 * LANES;

/// Sums: `[place][output]`.
pub(crate) type Tile = [[f32; LANES]; LANES];

/// Weights of two values of a row and 16 outputs: `[output][2]`. Sixteen rows are a tile: the weights of 32 values.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct WeightRow(pub(crate) [[Bf16; 2]; LANES]);

// SAFETY: numbers that are all zero bits are 0.
unsafe impl Zeroable for WeightRow {}
// SAFETY: any bits are numbers of bf16, and there is no room between them.
unsafe impl Pod for WeightRow {}

/// What is multiplied at once with each place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Step {
    /// Where its 32 values begin: from a place's own begin on.
    pub(crate) values: usize,
    /// Its first row of weights.
    pub(crate) weights: usize,
}

/// Places one after another, whose rows overlap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaidRows<'a> {
    pub(crate) laid: &'a [Bf16],
    /// Of the first place.
    pub(crate) start: usize,
    /// From a place to the next.
    pub(crate) pitch: usize,
}

impl LaidRows<'_> {
    /// # Panics
    /// If a row of so many tiles of places does not lie in what was laid, or a tile of weights not in these.
    #[inline(always)]
    pub(crate) fn check<const O: usize>(&self, steps: &[Step], weights: [&[WeightRow]; O], tiles: usize) {
        let (mut last, mut last_tile) = (0, 0);
        for step in steps {
            last = last.max(step.values);
            last_tile = last_tile.max(step.weights);
        }
        let last = (LANES * tiles - 1) * self.pitch + last + PAIR;
        assert!(self.start + last <= self.laid.len(), "tiles: a row out of what was laid");
        for o in 0..O {
            assert!(last_tile + LANES <= weights[o].len(), "tiles: a tile out of the weights");
        }
    }
}

/// Products of bf16 beside an [`Isa`]: another proof.
pub(crate) trait Tiles<I: Isa>: Copy + Send + Sync {
    /// Rounds two blocks of channels to bf16, to nearest, ties to even; what is smaller than the smallest normal number
    /// becomes 0.
    fn lay_pair(self, first: I::V, second: I::V, to: &mut [Bf16; PAIR]);
    /// The same of one.
    fn lay(self, v: I::V, to: &mut [Bf16; LANES]);
    /// The same of two, taking turns: the first of each, the second of each, and so on.
    fn lay_turns(self, first: I::V, second: I::V, to: &mut [Bf16; PAIR]);
    /// `sums[p][o] (+)=`, for sixteen places from `16 p` on, the products of a place's 32 values with the weights of block `o`, for
    /// each step in turn. In the order of AMX: of a step the even values one after another and the odd
    /// ones, each product rounded once into its sum; both sums together; and that into the whole. Numbers too small to be
    /// normal count as 0.
    fn multiply<const P: usize, const O: usize>(
        self,
        rows: LaidRows<'_>,
        steps: &[Step],
        weights: [&[WeightRow]; O],
        sums: (&mut [[Tile; O]; P], Write),
    );
}

/// A body of arithmetic with tiles: [`Kernel`](super::Kernel) for two proofs.
pub(crate) trait TileKernel {
    /// What it returns.
    type Output;
    /// The body.
    fn run<I: Isa, T: Tiles<I>>(self, isa: I, tiles: T) -> Self::Output;
}

/// 0 for what is too small to be normal, as AMX takes and gives it.
fn flushed(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { 0.0_f32.copysign(x) } else { x }
}

impl Tiles<Self> for Scalar {
    fn lay_pair(self, first: [f32; LANES], second: [f32; LANES], to: &mut [Bf16; PAIR]) {
        for (to, x) in to.iter_mut().zip(first.into_iter().chain(second)) {
            *to = Bf16::of(flushed(x));
        }
    }

    fn lay(self, v: [f32; LANES], to: &mut [Bf16; LANES]) {
        for (to, x) in to.iter_mut().zip(v) {
            *to = Bf16::of(flushed(x));
        }
    }

    fn lay_turns(self, first: [f32; LANES], second: [f32; LANES], to: &mut [Bf16; PAIR]) {
        for (to, pair) in to.as_chunks_mut().0.iter_mut().zip(first.into_iter().zip(second)) {
            *to = [pair.0, pair.1].map(|x| Bf16::of(flushed(x)));
        }
    }

    fn multiply<const P: usize, const O: usize>(
        self,
        rows: LaidRows<'_>,
        steps: &[Step],
        weights: [&[WeightRow]; O],
        (sums, write): (&mut [[Tile; O]; P], Write),
    ) {
        rows.check(steps, weights, P);
        for n in 0..P * LANES {
            for o in 0..O {
                let sums = &mut sums[n / LANES][o][n % LANES];
                if write == Write::Overwrite {
                    *sums = [0.0; LANES];
                }
                for step in steps {
                    let values = &rows.laid[rows.start + n * rows.pitch + step.values..][..PAIR];
                    add(values.as_chunks().0, &weights[o][step.weights..][..LANES], sums);
                }
            }
        }
    }
}

/// One step of one place.
fn add(values: &[[Bf16; 2]], weights: &[WeightRow], sums: &mut [f32; LANES]) {
    for (lane, sum) in sums.iter_mut().enumerate() {
        let mut halves = [0.0_f32; 2];
        for (pair, WeightRow(of_pair)) in values.iter().zip(weights) {
            for (half, sum) in halves.iter_mut().enumerate() {
                let (value, weight) = (flushed(pair[half].wide()), flushed(of_pair[lane][half].wide()));
                *sum = product(value, weight, *sum);
            }
        }
        *sum = flushed(flushed(*sum) + flushed(halves[0] + halves[1]));
    }
}

/// `value * weight + sum`, 0 where it is too small to be normal if it were rounded without a smallest exponent: what rounding
/// with one would just lead to the smallest normal number too.
fn product(value: f32, weight: f32, sum: f32) -> f32 {
    let rounded = value.mul_add(weight, sum);
    if rounded.abs() == f32::MIN_POSITIVE {
        let exact = f64::from(value) * f64::from(weight) + f64::from(sum);
        // Less by a quarter of a step.
        if exact.abs() < f64::from(f32::MIN_POSITIVE) * (1.0 - 1.0 / 33_554_432.0) {
            return 0.0_f32.copysign(rounded);
        }
    }
    flushed(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::{Cpu, IsaName};

    struct Products<'a, const P: usize, const O: usize> {
        rows: LaidRows<'a>,
        steps: &'a [Step],
        weights: [&'a [WeightRow]; O],
        sums: [[Tile; O]; P],
        write: Write,
    }

    impl<const P: usize, const O: usize> TileKernel for Products<'_, P, O> {
        type Output = [[Tile; O]; P];
        #[inline(always)]
        fn run<I: Isa, T: Tiles<I>>(mut self, _: I, tiles: T) -> Self::Output {
            tiles.multiply(self.rows, self.steps, self.weights, (&mut self.sums, self.write));
            self.sums
        }
    }

    /// Two vectors laid as a pair, the second alone, and both taking turns.
    struct Lay([f32; LANES], [f32; LANES]);

    impl TileKernel for Lay {
        type Output = ([Bf16; PAIR], [Bf16; LANES], [Bf16; PAIR]);
        #[inline(always)]
        fn run<I: Isa, T: Tiles<I>>(self, isa: I, tiles: T) -> Self::Output {
            let mut laid = ([Bf16::default(); PAIR], [Bf16::default(); LANES], [Bf16::default(); PAIR]);
            let (first, second) = (isa.load(&self.0), isa.load(&self.1));
            tiles.lay_pair(first, second, &mut laid.0);
            tiles.lay(second, &mut laid.1);
            tiles.lay_turns(first, second, &mut laid.2);
            laid
        }
    }

    fn scalar() -> Cpu {
        let Some(scalar) = Cpu::lowered_to(IsaName::Scalar) else { unreachable!("plain Rust is everywhere") };
        scalar
    }

    fn all() -> impl Iterator<Item = Cpu> {
        Cpu::all().into_iter().filter(|cpu| cpu.has_tiles())
    }

    /// Which numbers are drawn: of exponents from the one up to the other, and perhaps infinite ones and none.
    #[derive(Clone, Copy)]
    struct Kind {
        exponents: (u32, u32),
        others: bool,
    }

    struct Draw(u32);

    impl Draw {
        fn below(&mut self, n: u32) -> u32 {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.0 >> 8) % n
        }

        /// A number of the kind, and now and then another: 0, one that is not normal, or the largest.
        fn number(&mut self, Kind { exponents: (from, to), others }: Kind) -> f32 {
            let (sign, fraction) = (self.below(2) << 31, self.below(1 << 24) >> 1);
            let bits = match self.below(400) {
                0..20 => 0,
                20..40 => fraction,
                40 => 0x7F7F_FFFF,
                41 if others => 0x7F80_0000,
                42 if others => 0x7F80_0000 | fraction | 1,
                _ => (from + self.below(to - from)) << 23 | fraction,
            };
            f32::from_bits(sign | bits)
        }

        fn numbers<const N: usize>(&mut self, kind: Kind) -> [f32; N] {
            std::array::from_fn(|_| self.number(kind))
        }

        fn weights(&mut self, tiles: usize, kind: Kind) -> Vec<WeightRow> {
            let mut pair = || self.numbers::<2>(kind).map(Bf16::of);
            (0..tiles * LANES).map(|_| WeightRow(std::array::from_fn(|_| pair()))).collect()
        }
    }

    fn same(a: f32, b: f32) -> bool {
        a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
    }

    /// Random values and weights, the former about 2^-63 so often that products and their differences lie about the smallest
    /// normal number.
    fn compare<const P: usize, const O: usize>(draw: &mut Draw, round: usize) {
        let others = round % 2 == 1;
        let kind = Kind { exponents: [(60, 68), (120, 134), (1, 255), (63, 65)][round / 2 % 4], others };
        let pitch = 4 + draw.below(61) as usize;
        let steps = [(3, 0), (40, 2 * LANES), (0, LANES + 5)].map(|(values, weights)| Step { values, weights });
        // No value more than is read.
        let laid: Vec<_> = (0..5 + (LANES * P - 1) * pitch + 40 + PAIR)
            .map(|_| {
                let x = draw.number(kind);
                Bf16::of(x)
            })
            .collect();
        let weights: [_; O] = std::array::from_fn(|_| draw.weights(steps.len(), kind));
        let of_sums = Kind { exponents: [(1, 4), (120, 134), (1, 255), (1, 2)][round / 2 % 4], others };
        let sums: [[Tile; O]; P] =
            std::array::from_fn(|_| std::array::from_fn(|_| std::array::from_fn(|_| draw.numbers(of_sums))));
        for write in [Write::Overwrite, Write::Add] {
            let run = |cpu: Cpu| {
                let rows = LaidRows { laid: &laid, start: 5, pitch };
                let weights = std::array::from_fn(|o| &*weights[o]);
                cpu.run_tiles(Products { rows, steps: &steps, weights, sums, write })
            };
            let expected = run(scalar());
            for cpu in all() {
                let got = run(cpu);
                let pairs = got.as_flattened().iter().zip(expected.as_flattened());
                for (n, (got, expected)) in
                    pairs.flat_map(|(a, b)| a.iter().flatten().zip(b.as_flattened())).enumerate()
                {
                    let name = cpu.name();
                    assert!(same(*got, *expected), "{name:?}, round {round}, {write:?}, {n}: {got:e}, {expected:e}");
                }
            }
        }
    }

    #[test]
    fn products_are_the_same_everywhere_at_the_edges_of_their_range_too() {
        if all().count() == 1 {
            eprintln!("SKIPPED: no AMX here, so nothing is compared with plain Rust");
        }
        let mut draw = Draw(1);
        for round in 0..64 {
            compare::<1, 1>(&mut draw, round);
            compare::<1, 2>(&mut draw, round);
            compare::<2, 1>(&mut draw, round);
            compare::<2, 2>(&mut draw, round);
            compare::<3, 1>(&mut draw, round);
            compare::<4, 1>(&mut draw, round);
        }
    }

    /// One sum of a few products.
    fn sum(cpu: Cpu, products: &[(f32, f32)], before: f32) -> f32 {
        let (mut laid, mut tile) = ([Bf16::default(); LANES * PAIR], [WeightRow::zeroed(); LANES]);
        for (k, (value, weight)) in products.iter().enumerate() {
            laid[k] = Bf16::of(*value);
            tile[k / 2].0[0][k % 2] = Bf16::of(*weight);
        }
        let rows = LaidRows { laid: &laid, start: 0, pitch: PAIR };
        let sums = [[[[before; LANES]; LANES]]];
        let (steps, write) = (&[Step::default()], Write::Add);
        let sums = cpu.run_tiles(Products { rows, steps, weights: [&tile], sums, write });
        sums[0][0][0][0]
    }

    #[test]
    fn known_sums() {
        let (p, none) = (|n: i32| 2.0_f32.powi(n), (0.0, 0.0));
        let least = (p(-63), p(-63));
        for cpu in all() {
            let sum = |products: &[(f32, f32)], before| sum(cpu, products, before);
            let name = cpu.name();
            // What rounding would lead to the smallest normal number is too small if it is so with one more bit, and only then.
            for (less, expected) in [(1.0, 0.0), (0.75, 0.0), (0.5, f32::MIN_POSITIVE), (2.0, 0.0)] {
                for sign in [1.0, -1.0] {
                    let products = [(sign * least.0, least.1), none, (-sign * less * p(-75), p(-75))];
                    assert_eq!(sum(&products, 0.0), sign * expected, "{name:?}: less {less} of 2^-150");
                }
            }
            assert_eq!(sum(&[(-p(-63), p(-63)), (0.75 * p(-63), p(-63))], 0.0), -p(-126), "{name:?}: each half alone");
            assert_eq!(sum(&[least], p(-130)), p(-126), "{name:?}: a sum that is too small counts as 0");
            assert_eq!(sum(&[(1.0, 1.0); 32], 5.0), 37.0, "{name:?}");
            // An even value after another, so that the small one is lost; and in the other half, where it is not.
            assert_eq!(sum(&[(p(24), 1.0), none, (1.0, 1.0), none, (-p(24), 1.0)], 0.0), 0.0, "{name:?}: one half");
            assert_eq!(sum(&[(p(24), 1.0), (1.0, 1.0), (-p(24), 1.0)], 0.0), 1.0, "{name:?}: two halves");
            assert!(sum(&[(f32::INFINITY, 0.0)], 0.0).is_nan(), "{name:?}: a weight of 0");
            assert!(sum(&[(f32::INFINITY, 1.0), (f32::NEG_INFINITY, 1.0)], 0.0).is_nan(), "{name:?}: two of them");
            assert_eq!(sum(&[(f32::INFINITY, 1.0)], 7.0), f32::INFINITY, "{name:?}");
        }
    }

    #[test]
    fn what_is_laid_is_the_same_everywhere() {
        let mut draw = Draw(2);
        for round in 0..5000 {
            let exponents = [(1, 4), (120, 134), (1, 255), (253, 255)][round % 4];
            let mut lanes = draw.numbers::<PAIR>(Kind { exponents, others: true });
            // Halfway cases, and those beside them.
            for x in lanes.iter_mut().filter(|x| x.is_finite()) {
                let lower = [0x8000, 0x7FFF, 0x8001, x.to_bits() & 0xFFFF][draw.below(4) as usize];
                *x = f32::from_bits(x.to_bits() & 0xFFFF_0000 | lower);
            }
            let [first, second] = [0, 1].map(|half| std::array::from_fn(|lane| lanes[half * LANES + lane]));
            let expected = lanes.map(|x| Bf16::of(flushed(x)));
            for cpu in all() {
                let (pair, lone, turns) = cpu.run_tiles(Lay(first, second));
                assert_eq!(pair, expected, "{:?}, round {round}: {lanes:?}", cpu.name());
                assert_eq!(lone, expected[LANES..], "{:?}, round {round}: {second:?}", cpu.name());
                for (lane, turn) in turns.as_chunks::<2>().0.iter().enumerate() {
                    assert_eq!(*turn, [expected[lane], expected[LANES + lane]], "{:?}, {round}, {lane}", cpu.name());
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "tiles: a row out of what was laid")]
    fn a_row_that_ends_one_value_late_is_refused() {
        let (laid, weights) = ([Bf16::default(); 15 * 4 + 7 + PAIR], [WeightRow::zeroed(); LANES]);
        let steps = [7, 0].map(|values| Step { values, weights: 0 });
        LaidRows { laid: &laid, start: 0, pitch: 4 }.check(&steps, [&weights], 1);
        LaidRows { laid: &laid, start: 1, pitch: 4 }.check(&steps, [&weights], 1);
    }

    #[test]
    #[should_panic(expected = "tiles: a tile out of the weights")]
    fn a_tile_that_ends_one_row_late_is_refused() {
        let (laid, weights) = ([Bf16::default(); 15 * PAIR + PAIR], [WeightRow::zeroed(); LANES + 1]);
        let rows = LaidRows { laid: &laid, start: 0, pitch: PAIR };
        for last in [1, 2] {
            rows.check(&[0, last].map(|weights| Step { values: 0, weights }), [&weights], 1);
        }
    }
}
