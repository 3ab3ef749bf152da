//! One arithmetic, several instruction sets: sixteen f32 lanes behind proof tokens.

use crate::bf16::Bf16;
use crate::half::Half;

pub(crate) mod scalar;
pub(crate) mod tiles;

#[cfg(target_arch = "x86_64")]
pub(crate) mod amx;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "x86_64")]
pub(crate) mod vnni;

/// A proof that the running CPU has an instruction set, and the 16-lane f32 arithmetic it gives.
///
/// Every operation rounds as IEEE 754 does and [`Isa::fma`] rounds once, so a body written over this trait gives the same
/// bits on every implementation as long as it sums in the same order.
pub trait Isa: Copy + Send + Sync {
    /// Sixteen f32 lanes.
    type V: Copy;
    /// How many 16-lane values the registers hold: what a kernel's tile is chosen by.
    const REGISTERS: usize;
    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::V;
    /// Lanes from memory.
    fn load(self, from: &[f32; 16]) -> Self::V;
    /// Lanes to memory.
    fn store(self, v: Self::V, to: &mut [f32; 16]);
    /// Two neighbours to memory: two lines of the cache, where lines are that long.
    #[inline(always)]
    fn store_lines(self, first: Self::V, second: Self::V, to: &mut [[f32; 16]; 2]) {
        self.store(first, &mut to[0]);
        self.store(second, &mut to[1]);
    }
    /// Lanes from half precision, exactly.
    fn load_half(self, from: &[Half; 16]) -> Self::V;
    /// Lanes to half precision, as [`Half::of`].
    fn store_half(self, v: Self::V, to: &mut [Half; 16]);
    /// Two neighbours to half precision: a line of the cache at once, where lines are that long.
    #[inline(always)]
    fn store_halves(self, first: Self::V, second: Self::V, to: &mut [[Half; 16]; 2]) {
        self.store_half(first, &mut to[0]);
        self.store_half(second, &mut to[1]);
    }
    /// Lanes from bfloat16, exactly.
    fn load_bf16(self, from: &[Bf16; 16]) -> Self::V;
    /// Lanes to bfloat16, as [`Bf16::of`].
    fn store_bf16(self, v: Self::V, to: &mut [Bf16; 16]);
    /// `a * b + c`, rounded once.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger of each lane; `b` where they are equal or one is not a number.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `yes` where `x > 0`, else `no`.
    fn select_positive(self, x: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// Sixteen lanes of sixteen values as sixteen values of sixteen lanes.
    #[inline(always)]
    fn transpose(self, rows: [Self::V; 16]) -> [Self::V; 16] {
        let (mut from, mut to) = ([[0.0; 16]; 16], [[0.0; 16]; 16]);
        for r in 0..16 {
            self.store(rows[r], &mut from[r]);
        }
        for r in 0..16 {
            for c in 0..16 {
                to[c][r] = from[r][c];
            }
        }
        let mut columns = rows;
        for c in 0..16 {
            columns[c] = self.load(&to[c]);
        }
        columns
    }
    /// Of sixty-four values each fourth, from the first, second, third and fourth on.
    #[inline(always)]
    fn every_fourth(self, from: &[f32; 64]) -> [Self::V; 4] {
        let mut of = [self.splat(0.0); 4];
        for k in 0..4 {
            let mut lanes = [0.0; 16];
            for n in 0..16 {
                lanes[n] = from[4 * n + k];
            }
            of[k] = self.load(&lanes);
        }
        of
    }
    /// Asks for the line of the cache that holds the value `ahead` values after `from`, which will be read within a few hundred
    /// instructions.
    #[inline(always)]
    fn prefetch<T>(self, from: &T, ahead: usize) {
        let _ = (from, ahead);
    }
    /// Runs `kernel` compiled for this instruction set.
    fn run<K: Kernel>(self, kernel: K) -> K::Output;
}

/// A body of arithmetic, written once over [`Isa`]; its fields are its arguments.
///
/// Implementations mark `run`, and all that it calls, `#[inline(always)]`: only code that is inlined into
/// [`Isa::run`] is compiled with the instruction set.
pub trait Kernel {
    /// What it returns.
    type Output;
    /// The body.
    fn run<I: Isa>(self, isa: I) -> Self::Output;
}

/// Products of pairs of 16-bit integers beside an [`Isa`]: another proof, since few machines with its lanes have them.
pub(crate) trait Dots<I: Isa>: Copy + Send + Sync {
    /// Sixteen i32 lanes.
    type W: Copy;
    /// All lanes 0.
    fn zero(self) -> Self::W;
    /// All lanes the same pair.
    fn splat(self, pair: i32) -> Self::W;
    /// Lanes from memory.
    fn load(self, from: &[i32; 16]) -> Self::W;
    /// `sum + low(a) * low(b) + high(a) * high(b)` of each lane's two signed halves. Callers see to it that no sum leaves i32.
    fn dot(self, sum: Self::W, a: Self::W, b: Self::W) -> Self::W;
    /// `a + b`. Callers see to it that no sum leaves i32.
    fn add(self, a: Self::W, b: Self::W) -> Self::W;
    /// `a - b`. Callers see to it that no difference leaves i32.
    fn sub(self, a: Self::W, b: Self::W) -> Self::W;
    /// As f32, rounded to nearest.
    fn float(self, w: Self::W) -> I::V;
    /// Lanes to memory.
    fn store(self, w: Self::W, to: &mut [i32; 16]);
    /// All halves the same.
    fn splat_half(self, half: i16) -> Self::W;
    /// Rounds `a` and `b` to nearest, ties to even, to signed halves: four of `a`, four of `b`, the next four of `a` and so
    /// on, as [`place`] says; beyond 16 bits to the outermost. Each half of `widest` becomes the larger of what it was and the
    /// magnitude, unsigned, at most 2^15. What is not a number becomes the lowest, and is as wide as can be.
    fn pack(self, a: I::V, b: I::V, widest: &mut Self::W) -> Self::W;
    /// As [`Dots::pack`], but each pair is of one lane of `a` and the same of `b`.
    fn pair(self, a: I::V, b: I::V, widest: &mut Self::W) -> Self::W;
    /// The sums of signed halves, cut where 16 bits do not hold them.
    fn add_halves(self, a: Self::W, b: Self::W) -> Self::W;
    /// The differences of signed halves, cut where 16 bits do not hold them.
    fn sub_halves(self, a: Self::W, b: Self::W) -> Self::W;
    /// Signed halves, multiplied by `by` steps of 2^-15, to nearest, ties up.
    fn scale_halves(self, w: Self::W, by: i16) -> Self::W;
    /// Signed halves, cut at those of `limit`, which are positive, and at the same below zero.
    fn cut(self, w: Self::W, limit: Self::W) -> Self::W;
    /// `sum +` the four products of each lane's bytes: those of `a` are unsigned, those of `b` signed. Exact; callers see to it
    /// that no sum leaves i32.
    fn dot_bytes(self, sum: Self::W, a: Self::W, b: Self::W) -> Self::W;
    /// Rounds four vectors to nearest, ties to even, to unsigned bytes, four neighbours a word, as [`byte_place`] says. Cut at 0
    /// and 255; what is not a number, or beyond i32, becomes 0.
    fn pack_bytes(self, lanes: [I::V; 4]) -> Self::W;
}

/// Where [`Dots::pack`] puts things: of each of the sixteen pairs, whether it is of the second vector, and its first lane.
pub(crate) fn place(word: usize) -> (bool, usize) {
    (word % 4 >= 2, 4 * (word / 4) + 2 * (word % 2))
}

/// Where [`Dots::pack_bytes`] puts things: of each of the sixteen words, the vector and its first lane.
pub(crate) fn byte_place(word: usize) -> (usize, usize) {
    (word % 4, word / 4 * 4)
}

/// A body of arithmetic with products of integers: [`Kernel`] for two proofs.
pub(crate) trait DotKernel {
    /// What it returns.
    type Output;
    /// The body.
    fn run<I: Isa, D: Dots<I>>(self, isa: I, dots: D) -> Self::Output;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::{Cpu, IsaName};

    struct Transpose([[f32; 16]; 16]);

    impl Kernel for Transpose {
        type Output = [[f32; 16]; 16];
        #[inline(always)]
        fn run<I: Isa>(self, isa: I) -> Self::Output {
            let mut rows = [isa.splat(0.0); 16];
            for r in 0..16 {
                rows[r] = isa.load(&self.0[r]);
            }
            let columns = isa.transpose(rows);
            let mut out = [[0.0; 16]; 16];
            for c in 0..16 {
                isa.store(columns[c], &mut out[c]);
            }
            out
        }
    }

    #[test]
    fn rows_become_columns() {
        let rows = std::array::from_fn(|r| std::array::from_fn(|c| (100 * r + c) as f32));
        for cpu in Cpu::all() {
            let columns = cpu.run(Transpose(rows));
            for r in 0..16 {
                for c in 0..16 {
                    assert_eq!(columns[c][r], rows[r][c], "{:?}: row {r}, column {c}", cpu.name());
                }
            }
        }
    }

    struct EveryFourth([f32; 64]);

    impl Kernel for EveryFourth {
        type Output = [[f32; 16]; 4];
        #[inline(always)]
        fn run<I: Isa>(self, isa: I) -> Self::Output {
            let vectors = isa.every_fourth(&self.0);
            let mut out = [[0.0; 16]; 4];
            for k in 0..4 {
                isa.store(vectors[k], &mut out[k]);
            }
            out
        }
    }

    #[test]
    fn every_fourth_value_is_taken() {
        let values = std::array::from_fn(|n| n as f32);
        let expected = std::array::from_fn(|k| std::array::from_fn(|n| (4 * n + k) as f32));
        for cpu in Cpu::all() {
            assert_eq!(cpu.run(EveryFourth(values)), expected, "{:?}", cpu.name());
        }
    }

    /// Two vectors packed, and that and another added, subtracted and cut; how wide the packed ones were; the two in pairs, and how
    /// wide those were; and the sums and differences of words.
    struct Halves([f32; 16], [f32; 16], [i32; 16], i16);

    impl DotKernel for Halves {
        type Output = [[i32; 16]; 10];
        #[inline(always)]
        fn run<I: Isa, D: Dots<I>>(self, isa: I, dots: D) -> Self::Output {
            let (mut widest, mut widest_pair) = (dots.splat_half(7), dots.splat_half(7));
            let packed = dots.pack(isa.load(&self.0), isa.load(&self.1), &mut widest);
            let paired = dots.pair(isa.load(&self.0), isa.load(&self.1), &mut widest_pair);
            let other = dots.load(&self.2);
            let limit = dots.splat_half(self.3);
            let results = [
                packed,
                dots.add_halves(packed, other),
                dots.sub_halves(packed, other),
                dots.cut(dots.add_halves(packed, other), limit),
                widest,
                dots.scale_halves(packed, self.3),
                paired,
                widest_pair,
                dots.add(packed, other),
                dots.sub(packed, other),
            ];
            let mut out = [[0; 16]; 10];
            for n in 0..10 {
                dots.store(results[n], &mut out[n]);
            }
            out
        }
    }

    #[test]
    fn halves_are_the_same_everywhere_at_the_edges_of_their_range_too() {
        let Some(scalar) = Cpu::lowered_to(IsaName::Scalar) else { unreachable!("plain Rust is everywhere") };
        let edges =
            [0.0, 0.5, 1.5, -0.5, -2.5, 32766.5, 32767.4, 32768.0, -32768.4, 1e6, -1e6, 3e9, -3e9, f32::INFINITY];
        let mut bits = 1_u32;
        let mut next = || {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bits >> 8
        };
        for round in 0..2000 {
            let mut number = |_| match next() % 20 {
                edge @ 0..14 => edges[edge as usize],
                14 => f32::NAN,
                _ => next() as f32 / 128.0 - 65536.0,
            };
            let (a, b): ([f32; 16], [f32; 16]) = (std::array::from_fn(&mut number), std::array::from_fn(&mut number));
            let other = std::array::from_fn(|_| (next() << 16 | next() & 0xFFFF).cast_signed());
            let limit = 1 + (next() % 32767) as i16;
            let expected = scalar.run_dots(Halves(a, b, other, limit));
            let within = expected[3].iter().flat_map(|w| [*w as i16, (w >> 16) as i16]);
            assert!(within.into_iter().all(|half| half.unsigned_abs() <= limit.unsigned_abs()), "round {round}: cut");
            for cpu in Cpu::all().into_iter().filter(|cpu| cpu.has_int16()) {
                let got = cpu.run_dots(Halves(a, b, other, limit));
                assert_eq!(got, expected, "{:?}, round {round}: {a:?}, {b:?}, {other:?}", cpu.name());
            }
        }
    }
}
