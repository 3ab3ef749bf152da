//! One arithmetic, several instruction sets: sixteen f32 lanes behind proof tokens.

use crate::bf16::Bf16;
use crate::half::Half;

pub(crate) mod scalar;

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
    /// Lanes from half precision, exactly.
    fn load_half(self, from: &[Half; 16]) -> Self::V;
    /// Lanes to half precision, as [`Half::of`].
    fn store_half(self, v: Self::V, to: &mut [Half; 16]);
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
    /// Asks for a cache line that will be read soon; `from` need not be the line's start.
    #[inline(always)]
    fn prefetch<T>(self, from: &T) {
        let _ = from;
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
    /// As f32, rounded to nearest.
    fn float(self, w: Self::W) -> I::V;
    /// Lanes to memory.
    fn store(self, w: Self::W, to: &mut [i32; 16]);
    /// All halves the same.
    fn splat_half(self, half: i16) -> Self::W;
    /// Rounds `a` and `b` to nearest, ties to even, to signed halves: four of `a`, four of `b`, the next four of `a` and so
    /// on, as [`place`] says, cut at `-limit` and `limit`. Each half of `widest` becomes the larger of what it was and the
    /// magnitude before the cut, unsigned, at most 2^15. What is not a number becomes `-limit` and is as wide as can be.
    fn pack(self, a: I::V, b: I::V, limit: Self::W, widest: &mut Self::W) -> Self::W;
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
