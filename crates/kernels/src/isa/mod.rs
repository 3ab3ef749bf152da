//! One arithmetic, several instruction sets: sixteen f32 lanes behind proof tokens.

pub(crate) mod scalar;

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;

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
    fn prefetch(self, from: &[f32; 16]) {
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
