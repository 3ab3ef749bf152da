//! The meaning of every kernel: plain Rust, no instruction set.

use super::{Dots, Isa, Kernel, byte_place, place};
use crate::bf16::Bf16;
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
    fn load_bf16(self, from: &[Bf16; 16]) -> [f32; 16] {
        std::array::from_fn(|i| from[i].wide())
    }
    #[inline(always)]
    fn store_bf16(self, v: [f32; 16], to: &mut [Bf16; 16]) {
        *to = std::array::from_fn(|i| Bf16::of(v[i]));
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
    fn add(self, a: [i32; 16], b: [i32; 16]) -> [i32; 16] {
        std::array::from_fn(|l| a[l].wrapping_add(b[l]))
    }
    #[inline(always)]
    fn sub(self, a: [i32; 16], b: [i32; 16]) -> [i32; 16] {
        std::array::from_fn(|l| a[l].wrapping_sub(b[l]))
    }
    #[inline(always)]
    fn float(self, w: [i32; 16]) -> [f32; 16] {
        w.map(|w| w as f32)
    }
    #[inline(always)]
    fn store(self, w: [i32; 16], to: &mut [i32; 16]) {
        *to = w;
    }
    #[inline(always)]
    fn splat_half(self, half: i16) -> [i32; 16] {
        [pair(half, half); 16]
    }
    #[inline(always)]
    fn pack(self, a: [f32; 16], b: [f32; 16], widest: &mut [i32; 16]) -> [i32; 16] {
        std::array::from_fn(|word| {
            let (second, lane) = place(word);
            let v = if second { &b } else { &a };
            let halves = [rounded(v[lane]), rounded(v[lane + 1])];
            widest[word] = widest_pair(widest[word], halves);
            pair(halves[0], halves[1])
        })
    }
    #[inline(always)]
    fn pair(self, a: [f32; 16], b: [f32; 16], widest: &mut [i32; 16]) -> [i32; 16] {
        std::array::from_fn(|lane| {
            let halves = [rounded(a[lane]), rounded(b[lane])];
            widest[lane] = widest_pair(widest[lane], halves);
            pair(halves[0], halves[1])
        })
    }
    #[inline(always)]
    fn add_halves(self, a: [i32; 16], b: [i32; 16]) -> [i32; 16] {
        std::array::from_fn(|i| of_halves(a[i], b[i], i16::saturating_add))
    }
    #[inline(always)]
    fn sub_halves(self, a: [i32; 16], b: [i32; 16]) -> [i32; 16] {
        std::array::from_fn(|i| of_halves(a[i], b[i], i16::saturating_sub))
    }
    #[inline(always)]
    fn scale_halves(self, w: [i32; 16], by: i16) -> [i32; 16] {
        let scaled = |half: i16, by: i16| ((i32::from(half) * i32::from(by) + (1 << 14)) >> 15) as i16;
        w.map(|w| of_halves(w, pair(by, by), scaled))
    }
    #[inline(always)]
    fn cut(self, w: [i32; 16], limit: [i32; 16]) -> [i32; 16] {
        std::array::from_fn(|i| of_halves(w[i], limit[i], |half, limit| half.clamp(-limit, limit)))
    }
    #[inline(always)]
    fn dot_bytes(self, sum: [i32; 16], a: [i32; 16], b: [i32; 16]) -> [i32; 16] {
        std::array::from_fn(|i| {
            let (a, b) = (a[i].to_le_bytes(), b[i].to_le_bytes().map(u8::cast_signed));
            (0..4).fold(sum[i], |sum, k| sum.wrapping_add(i32::from(a[k]) * i32::from(b[k])))
        })
    }
    #[inline(always)]
    fn pack_bytes(self, lanes: [[f32; 16]; 4]) -> [i32; 16] {
        std::array::from_fn(|word| {
            let (vector, first) = byte_place(word);
            let byte = |k: usize| rounded(lanes[vector][first + k]).clamp(0, 255) as u8;
            i32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)])
        })
    }
}

/// The larger magnitudes of what was widest and of two halves.
fn widest_pair(was: i32, halves: [i16; 2]) -> i32 {
    let was = [was as u16, (was >> 16) as u16];
    let now = [0, 1].map(|i| was[i].max(halves[i].unsigned_abs()).cast_signed());
    pair(now[0], now[1])
}

/// To nearest, ties to even; beyond 16 bits the outermost, and the lowest where 32 bits do not hold it or it is none.
fn rounded(x: f32) -> i16 {
    let whole = f64::from(x.round_ties_even());
    let held = f64::from(i32::MIN)..=f64::from(i32::MAX);
    if held.contains(&whole) { (whole as i32).clamp(i16::MIN.into(), i16::MAX.into()) as i16 } else { i16::MIN }
}

/// `of` the lower halves, and of the higher ones.
fn of_halves(a: i32, b: i32, of: impl Fn(i16, i16) -> i16) -> i32 {
    pair(of(a as i16, b as i16), of((a >> 16) as i16, (b >> 16) as i16))
}

fn pair(low: i16, high: i16) -> i32 {
    i32::from(low.cast_unsigned()) | i32::from(high) << 16
}
