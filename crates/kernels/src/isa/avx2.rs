//! AVX2, FMA and F16C: sixteen lanes are two registers.

use super::{Isa, Kernel};
use crate::bf16::{Bf16, QUIET};
use crate::half::{Half, LARGEST};
use std::arch::x86_64::{
    __m256, _CMP_GT_OQ, _CMP_UNORD_Q, _MM_FROUND_TO_NEAREST_INT, _mm_loadu_si128, _mm_storeu_si128, _mm256_add_epi32,
    _mm256_add_ps, _mm256_and_si256, _mm256_blendv_epi8, _mm256_blendv_ps, _mm256_castps_si256, _mm256_castsi256_ps,
    _mm256_cmp_ps, _mm256_cvtepu16_epi32, _mm256_cvtph_ps, _mm256_cvtps_ph, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps, _mm256_or_si256, _mm256_packus_epi32, _mm256_permute4x64_epi64,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_slli_epi32, _mm256_srli_epi32,
    _mm256_storeu_ps, _mm256_storeu_si256, _mm256_sub_ps,
};

/// Proof of AVX2, FMA and F16C; only [`Avx2::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Asks the CPU.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c"))
            .then_some(Self(()))
    }
}

/// Applies a two-argument intrinsic to both halves.
macro_rules! both {
    ($op:ident, $a:ident, $b:ident) => {
        // SAFETY: `self` proves AVX2.
        unsafe { [$op($a[0], $b[0]), $op($a[1], $b[1])] }
    };
}

impl Isa for Avx2 {
    type V = [__m256; 2];
    const REGISTERS: usize = 8;
    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        // SAFETY: `self` proves AVX2.
        [unsafe { _mm256_set1_ps(x) }; 2]
    }
    #[inline(always)]
    fn load(self, from: &[f32; 16]) -> Self::V {
        let (lo, hi) = from.split_at(8);
        // SAFETY: `self` proves AVX2; each half is eight readable f32.
        unsafe { [_mm256_loadu_ps(lo.as_ptr()), _mm256_loadu_ps(hi.as_ptr())] }
    }
    #[inline(always)]
    fn store(self, v: Self::V, to: &mut [f32; 16]) {
        let (lo, hi) = to.split_at_mut(8);
        // SAFETY: `self` proves AVX2; each half is eight writable f32.
        unsafe {
            _mm256_storeu_ps(lo.as_mut_ptr(), v[0]);
            _mm256_storeu_ps(hi.as_mut_ptr(), v[1]);
        }
    }
    #[inline(always)]
    fn load_half(self, from: &[Half; 16]) -> Self::V {
        let (lo, hi) = from.split_at(8);
        // SAFETY: `self` proves AVX2 and F16C; each half is eight readable 16-bit numbers.
        unsafe {
            [_mm256_cvtph_ps(_mm_loadu_si128(lo.as_ptr().cast())), _mm256_cvtph_ps(_mm_loadu_si128(hi.as_ptr().cast()))]
        }
    }
    #[inline(always)]
    fn store_half(self, v: Self::V, to: &mut [Half; 16]) {
        let (lo, hi) = to.split_at_mut(8);
        // SAFETY: `self` proves AVX2 and F16C; each half is eight writable 16-bit numbers. The second operand of a minimum or
        // maximum is the result where one is not a number, so such lanes stay what they are.
        unsafe {
            let (low, high) = (_mm256_set1_ps(-LARGEST), _mm256_set1_ps(LARGEST));
            for (v, to) in v.into_iter().zip([lo, hi]) {
                let within = _mm256_min_ps(high, _mm256_max_ps(low, v));
                _mm_storeu_si128(to.as_mut_ptr().cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(within));
            }
        }
    }
    #[inline(always)]
    fn load_bf16(self, from: &[Bf16; 16]) -> Self::V {
        let (lo, hi) = from.split_at(8);
        // SAFETY: `self` proves AVX2; each half is eight readable 16-bit numbers.
        unsafe {
            let upper = [_mm_loadu_si128(lo.as_ptr().cast()), _mm_loadu_si128(hi.as_ptr().cast())];
            let wide = [_mm256_cvtepu16_epi32(upper[0]), _mm256_cvtepu16_epi32(upper[1])];
            [
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide[0])),
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide[1])),
            ]
        }
    }
    #[inline(always)]
    fn store_bf16(self, v: Self::V, to: &mut [Bf16; 16]) {
        // SAFETY: `self` proves AVX2; `to` is sixteen writable 16-bit numbers.
        unsafe {
            let mut all = [_mm256_setzero_si256(); 2];
            for (v, all) in v.into_iter().zip(&mut all) {
                let bits = _mm256_castps_si256(v);
                let upper = _mm256_srli_epi32::<16>(bits);
                let even = _mm256_add_epi32(_mm256_and_si256(upper, _mm256_set1_epi32(1)), _mm256_set1_epi32(0x7FFF));
                let rounded = _mm256_srli_epi32::<16>(_mm256_add_epi32(bits, even));
                let none = _mm256_or_si256(upper, _mm256_set1_epi32(QUIET.into()));
                let is_none = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(v, v));
                *all = _mm256_blendv_epi8(rounded, none, is_none);
            }
            // Four of each in turn: packing does not cross the middle of a register.
            let packed = _mm256_packus_epi32(all[0], all[1]);
            _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm256_permute4x64_epi64::<0b11_01_10_00>(packed));
        }
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: `self` proves FMA.
        unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        both!(_mm256_add_ps, a, b)
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        both!(_mm256_sub_ps, a, b)
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        both!(_mm256_mul_ps, a, b)
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        both!(_mm256_max_ps, a, b)
    }
    #[inline(always)]
    fn select_positive(self, x: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let zero = _mm256_setzero_ps();
            [
                _mm256_blendv_ps(no[0], yes[0], _mm256_cmp_ps::<_CMP_GT_OQ>(x[0], zero)),
                _mm256_blendv_ps(no[1], yes[1], _mm256_cmp_ps::<_CMP_GT_OQ>(x[1], zero)),
            ]
        }
    }
    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma,f16c")]
        fn inner<K: Kernel>(isa: Avx2, kernel: K) -> K::Output {
            kernel.run(isa)
        }
        // SAFETY: `self` proves the features.
        unsafe { inner(self, kernel) }
    }
}
