//! Half precision, IEEE 754 binary16: how activations may be stored, never how they are computed with.

use crate::isa::Isa;
use crate::layout::LANES;
use crate::once::Once;
use bytemuck::Zeroable;
use std::fmt::Debug;

/// The largest finite number.
pub(crate) const LARGEST: f32 = 65504.0;

/// A binary16 number: 11 significant bits, up to 65504.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Half(u16);

// SAFETY: sixteen bits that are all zero are the number 0.
unsafe impl Zeroable for Half {}

impl Half {
    /// The nearest one, ties to even; what is larger than the largest becomes the largest, of either sign.
    pub fn of(x: f32) -> Self {
        let sign = (x.to_bits() >> 16) as u16 & 0x8000;
        let magnitude = x.abs();
        if magnitude.is_nan() {
            return Self(sign | 0x7E00 | (x.to_bits() >> 13) as u16 & 0x3FF);
        }
        let bits = magnitude.min(LARGEST).to_bits();
        // 2^-14 is the smallest normal number.
        let rounded = if magnitude >= 1.0 / 16384.0 {
            (bits - (112 << 23) + 0xFFF + (bits >> 13 & 1)) >> 13
        } else {
            // One half has steps of 2^-24, as the subnormal numbers do: the sum rounds as they do.
            (magnitude + 0.5).to_bits() - 0.5_f32.to_bits()
        };
        Self(sign | rounded as u16)
    }

    /// The same number in f32.
    pub fn wide(self) -> f32 {
        let (exponent, fraction) = (u32::from(self.0 >> 10 & 31), u32::from(self.0 & 0x3FF));
        let magnitude = match exponent {
            0 => fraction as f32 / 16_777_216.0,
            31 if fraction == 0 => f32::INFINITY,
            31 => f32::from_bits(0x7FC0_0000 | fraction << 13),
            _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
        };
        f32::from_bits(magnitude.to_bits() | u32::from(self.0 & 0x8000) << 16)
    }
}

/// How one value of an activation is stored: [`f32`], [`Half`] or [`Bf16`](crate::Bf16).
pub trait Cell: Copy + Zeroable + Debug + Default + PartialEq + Send + Sync + 'static + Once {
    /// Sixteen of them, as f32.
    fn load<I: Isa>(isa: I, from: &[Self; LANES]) -> I::V;
    /// Sixteen of them, from f32.
    fn store<I: Isa>(isa: I, v: I::V, to: &mut [Self; LANES]);
    /// Two neighbours of sixteen, from f32.
    #[inline(always)]
    fn store_two<I: Isa>(isa: I, first: I::V, second: I::V, to: &mut [[Self; LANES]; 2]) {
        Self::store(isa, first, &mut to[0]);
        Self::store(isa, second, &mut to[1]);
    }
    /// One of them, from f32.
    fn of(x: f32) -> Self;
    /// As f32.
    fn wide(self) -> f32;
    /// As it is stored: equal for the same bits only, as numbers need not be.
    fn bits(self) -> u32;
    /// Whether two rows of as many sixteens hold different bits.
    #[inline(always)]
    fn differ(a: &[[Self; LANES]], b: &[[Self; LANES]]) -> bool {
        let b = &b[..a.len()];
        let mut different = [0; LANES];
        for x in 0..a.len() {
            for lane in 0..LANES {
                different[lane] |= a[x][lane].bits() ^ b[x][lane].bits();
            }
        }
        let mut any = 0;
        for lane in 0..LANES {
            any |= different[lane];
        }
        any != 0
    }
    /// So many zeros, whose memory the system gives when it is first touched.
    fn zeros(n: usize) -> Vec<Self> {
        bytemuck::zeroed_vec(n)
    }
}

impl Cell for f32 {
    #[inline(always)]
    fn load<I: Isa>(isa: I, from: &[Self; LANES]) -> I::V {
        isa.load(from)
    }
    #[inline(always)]
    fn store<I: Isa>(isa: I, v: I::V, to: &mut [Self; LANES]) {
        isa.store(v, to);
    }
    #[inline(always)]
    fn store_two<I: Isa>(isa: I, first: I::V, second: I::V, to: &mut [[Self; LANES]; 2]) {
        isa.store_lines(first, second, to);
    }
    fn of(x: f32) -> Self {
        x
    }
    fn wide(self) -> f32 {
        self
    }
    #[inline(always)]
    fn bits(self) -> u32 {
        self.to_bits()
    }
}

impl Cell for Half {
    #[inline(always)]
    fn load<I: Isa>(isa: I, from: &[Self; LANES]) -> I::V {
        isa.load_half(from)
    }
    #[inline(always)]
    fn store<I: Isa>(isa: I, v: I::V, to: &mut [Self; LANES]) {
        isa.store_half(v, to);
    }
    #[inline(always)]
    fn store_two<I: Isa>(isa: I, first: I::V, second: I::V, to: &mut [[Self; LANES]; 2]) {
        isa.store_halves(first, second, to);
    }
    fn of(x: f32) -> Self {
        Self::of(x)
    }
    fn wide(self) -> f32 {
        self.wide()
    }
    #[inline(always)]
    fn bits(self) -> u32 {
        u32::from(self.0)
    }
    /// Thirty-two at a time, not widened.
    #[inline(always)]
    fn differ(a: &[[Self; LANES]], b: &[[Self; LANES]]) -> bool {
        let (a, last_a) = a.as_chunks::<2>();
        let (b, last_b) = b.as_chunks::<2>();
        let b = &b[..a.len()];
        let mut different = [[0; LANES]; 2];
        for x in 0..a.len() {
            for k in 0..2 {
                for lane in 0..LANES {
                    different[k][lane] |= a[x][k][lane].0 ^ b[x][k][lane].0;
                }
            }
        }
        let last_b = &last_b[..last_a.len()];
        for x in 0..last_a.len() {
            for lane in 0..LANES {
                different[0][lane] |= last_a[x][lane].0 ^ last_b[x][lane].0;
            }
        }
        let mut any = 0;
        for k in 0..2 {
            for lane in 0..LANES {
                any |= different[k][lane];
            }
        }
        any != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Cpu;
    use crate::isa::Kernel;

    struct Both([f32; 16], [Half; 16]);

    impl Kernel for Both {
        type Output = ([Half; 16], [f32; 16]);
        #[inline(always)]
        fn run<I: Isa>(self, isa: I) -> Self::Output {
            let (mut halves, mut wide) = ([Half::default(); 16], [0.0; 16]);
            isa.store_half(isa.load(&self.0), &mut halves);
            isa.store(isa.load_half(&self.1), &mut wide);
            (halves, wide)
        }
    }

    #[test]
    fn every_half_is_itself_again_on_every_instruction_set() {
        for first in (0..=u16::MAX).step_by(16) {
            let halves: [Half; 16] = std::array::from_fn(|i| Half(first + i as u16));
            let wide = halves.map(Half::wide);
            for cpu in Cpu::all() {
                let (stored, loaded) = cpu.run(Both(wide, halves));
                for i in 0..16 {
                    if wide[i].is_nan() {
                        assert!(loaded[i].is_nan() && stored[i].wide().is_nan(), "{:?}: {:?}", cpu.name(), halves[i]);
                        continue;
                    }
                    assert_eq!(loaded[i].to_bits(), wide[i].to_bits(), "{:?}: {:?}", cpu.name(), halves[i]);
                    let expected = if wide[i].is_infinite() { Half::of(LARGEST.copysign(wide[i])) } else { halves[i] };
                    assert_eq!(stored[i], expected, "{:?}: {}", cpu.name(), wide[i]);
                }
            }
        }
    }

    #[test]
    fn rounding_is_the_same_on_every_instruction_set() {
        let mut bits = 1_u32;
        for _ in 0..20_000 {
            let x = std::array::from_fn(|_| {
                bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Exponents about those of half precision, and halfway cases often.
                let exponent = 90 + (bits >> 9) % 60;
                let kept = if bits & 1 == 0 { 0x1000 } else { bits & 0x1FFF };
                f32::from_bits(bits & 0x8000_0000 | exponent << 23 | (bits >> 3 & 0x3FF) << 13 | kept)
            });
            let expected = x.map(Half::of);
            for cpu in Cpu::all() {
                assert_eq!(cpu.run(Both(x, expected)).0, expected, "{:?}: {x:?}", cpu.name());
            }
        }
    }

    fn check_differ<T: Cell>(one: T, other: T) {
        for n in 0..8 {
            let a = vec![[one; LANES]; n];
            assert!(!T::differ(&a, &a), "{n} of the same");
            for at in 0..n * LANES {
                let mut b = a.clone();
                b[at / LANES][at % LANES] = other;
                assert!(T::differ(&a, &b) && T::differ(&b, &a), "place {at} of {n}");
            }
        }
    }

    #[test]
    fn rows_differ_where_any_bit_does() {
        check_differ(0.0_f32, -0.0);
        check_differ(f32::NAN, f32::from_bits(f32::NAN.to_bits() ^ 1));
        check_differ(Half(0), Half(0x8000));
        check_differ(Half(0x7E00), Half(0x7E01));
    }

    #[test]
    fn known_numbers() {
        for (x, bits) in [
            (0.0, 0),
            (-0.0, 0x8000),
            (1.0, 0x3C00),
            (-2.0, 0xC000),
            (65504.0, 0x7BFF),
            (65519.0, 0x7BFF),
            (1e9, 0x7BFF),
            (f32::INFINITY, 0x7BFF),
            (6.103_515_6e-5, 0x0400),
            (5.960_464_5e-8, 0x0001),
            (2.980_232_2e-8, 0x0000),
            (1.0 + 1.0 / 2048.0, 0x3C00),
            (1.0 + 3.0 / 2048.0, 0x3C02),
        ] {
            assert_eq!(Half::of(x).0, bits, "{x}");
        }
    }
}
