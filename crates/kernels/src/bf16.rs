//! bfloat16, the upper half of an f32: how activations may be stored, never how they are computed with.

use crate::half::Cell;
use crate::isa::Isa;
use crate::layout::LANES;
use bytemuck::{Pod, Zeroable};

/// A bfloat16 number: 8 significant bits, the range of f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Bf16(u16);

// SAFETY: sixteen bits that are all zero are the number 0.
unsafe impl Zeroable for Bf16 {}

// SAFETY: sixteen bits, each pattern of which is a number or none.
unsafe impl Pod for Bf16 {}

impl Bf16 {
    /// The nearest one, ties to even, as IEEE 754 rounds: what is larger than the largest becomes infinite. What is not a number
    /// stays none, and is quiet.
    pub fn of(x: f32) -> Self {
        let bits = x.to_bits();
        if x.is_nan() {
            Self((bits >> 16) as u16 | QUIET)
        } else {
            Self(((bits + 0x7FFF + (bits >> 16 & 1)) >> 16) as u16)
        }
    }

    /// The same number in f32.
    pub fn wide(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
}

/// The bit that makes what is not a number quiet.
pub(crate) const QUIET: u16 = 0x40;

impl Cell for Bf16 {
    #[inline(always)]
    fn load<I: Isa>(isa: I, from: &[Self; LANES]) -> I::V {
        isa.load_bf16(from)
    }
    #[inline(always)]
    fn store<I: Isa>(isa: I, v: I::V, to: &mut [Self; LANES]) {
        isa.store_bf16(v, to);
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Cpu;
    use crate::isa::Kernel;

    struct Both([f32; 16], [Bf16; 16]);

    impl Kernel for Both {
        type Output = ([Bf16; 16], [f32; 16]);
        #[inline(always)]
        fn run<I: Isa>(self, isa: I) -> Self::Output {
            let (mut stored, mut loaded) = ([Bf16::default(); 16], [0.0; 16]);
            isa.store_bf16(isa.load(&self.0), &mut stored);
            isa.store(isa.load_bf16(&self.1), &mut loaded);
            (stored, loaded)
        }
    }

    #[test]
    fn every_number_is_itself_again_on_every_instruction_set() {
        for first in (0..=u16::MAX).step_by(16) {
            let numbers: [Bf16; 16] = std::array::from_fn(|i| Bf16(first + i as u16));
            let wide = numbers.map(Bf16::wide);
            for cpu in Cpu::all() {
                let (stored, loaded) = cpu.run(Both(wide, numbers));
                for i in 0..16 {
                    let name = cpu.name();
                    assert_eq!(loaded[i].to_bits(), wide[i].to_bits(), "{name:?}: {:?}", numbers[i]);
                    let quiet = if wide[i].is_nan() { QUIET } else { 0 };
                    assert_eq!(stored[i], Bf16(numbers[i].0 | quiet), "{name:?}: {:?}", numbers[i]);
                }
            }
        }
    }

    #[test]
    fn rounding_is_the_same_on_every_instruction_set() {
        let mut state = 1_u32;
        for _ in 0..20_000 {
            let x = std::array::from_fn(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Halfway cases, and those beside them, often; all exponents, those of no number too.
                let lower = [0x8000, 0x7FFF, 0x8001, state >> 3 & 0xFFFF][state as usize >> 30];
                f32::from_bits(state << 5 & 0xFFFF_0000 | lower)
            });
            let expected = x.map(Bf16::of);
            for cpu in Cpu::all() {
                assert_eq!(cpu.run(Both(x, expected)).0, expected, "{:?}: {x:?}", cpu.name());
            }
        }
    }

    #[test]
    fn known_numbers() {
        for (x, bits) in [
            (0.0, 0),
            (-0.0, 0x8000),
            (1.0, 0x3F80),
            (-2.0, 0xC000),
            (1.0 + 1.0 / 256.0, 0x3F80),
            (1.0 + 3.0 / 256.0, 0x3F82),
            (1.0 + 1.1 / 256.0, 0x3F81),
            (f32::MAX, 0x7F80),
            (f32::NEG_INFINITY, 0xFF80),
            (f32::from_bits(1), 0),
            (f32::from_bits(0x8001), 1),
        ] {
            assert_eq!(Bf16::of(x).0, bits, "{x}");
        }
        // Its fraction lies in the lower half: cut off, it would be infinite.
        let signalling = f32::from_bits(0xFF80_0001);
        assert_eq!(Bf16::of(signalling).0, 0xFFC0, "not a number, and still none");
    }
}
