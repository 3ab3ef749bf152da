//! The meaning of every kernel: plain Rust, no instruction set.

use super::{Dots, Isa, Kernel};
use crate::half::Half;

/// No instruction set at all. Slow where the target lacks a fused multiply-add: it calls `fmaf` for each lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar;

impl Isa for Scalar {
    type V = [f32; 16];
    const REGISTERS: usize = 16;
    #[inline(always)]
    fn splat(self, x: f32) -> [f32; 16] {
        [x; 16]
    }
    #[inline(always)]
    fn load(self, from: &[f32; 16]) -> [f32; 16] {
        *from
    }
    #[inline(always)]
    fn store(self, v: [f32; 16], to: &mut [f32; 16]) {
        *to = v;
    }
    #[inline(always)]
    fn load_half(self, from: &[Half; 16]) -> [f32; 16] {
        std::array::from_fn(|i| from[i].wide())
    }
    #[inline(always)]
    fn store_half(self, v: [f32; 16], to: &mut [Half; 16]) {
        *to = std::array::from_fn(|i| Half::of(v[i]));
    }
    #[inline(always)]
    fn fma(self, a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    fn add(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn max(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn select_positive(self, x: [f32; 16], yes: [f32; 16], no: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|i| if x[i] > 0.0 { yes[i] } else { no[i] })
    }
    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }
}

impl Dots<Self> for Scalar {
    type W = [i32; 16];
    #[inline(always)]
    fn zero(self) -> [i32; 16] {
        [0; 16]
    }
    #[inline(always)]
    fn splat(self, pair: i32) -> [i32; 16] {
        [pair; 16]
    }
    #[inline(always)]
    fn load(self, from: &[i32; 16]) -> [i32; 16] {
        *from
    }
    #[inline(always)]
    fn dot(self, sum: [i32; 16], a: [i32; 16], b: [i32; 16]) -> [i32; 16] {
        let (low, high) = (|x: i32| i32::from(x as i16), |x: i32| x >> 16);
        std::array::from_fn(|i| {
            let pair = (low(a[i]) * low(b[i])).wrapping_add(high(a[i]) * high(b[i]));
            sum[i].wrapping_add(pair)
        })
    }
    #[inline(always)]
    fn float(self, w: [i32; 16]) -> [f32; 16] {
        w.map(|w| w as f32)
    }
    #[inline(always)]
    fn quantise(self, v: [f32; 16], limit: [f32; 16], to: &mut [i32; 8], widest: &mut [f32; 16]) {
        let mut cut = [0; 16];
        for i in 0..16 {
            // Written so that what is not a number fails the first comparison and the last.
            let below = if v[i] < limit[i] { v[i] } else { limit[i] };
            let within = if below > -limit[i] { below } else { -limit[i] };
            cut[i] = within.round_ties_even() as i32;
            widest[i] = if v[i].abs() > widest[i] { v[i].abs() } else { widest[i] };
        }
        *to = std::array::from_fn(|i| (cut[2 * i] & 0xFFFF) | (cut[2 * i + 1] << 16));
    }
}
