//! AVX-512F: sixteen lanes are one register.

use super::{Isa, Kernel};
use crate::bf16::{Bf16, QUIET};
use crate::half::{Half, LARGEST};
use std::arch::x86_64::{
    __m256i, __m512, _CMP_GT_OQ, _CMP_UNORD_Q, _MM_FROUND_TO_NEAREST_INT, _MM_HINT_T0, _mm_prefetch, _mm_sfence,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512, _mm512_castpd_ps,
    _mm512_castps_pd, _mm512_castps_si512, _mm512_castsi256_si512, _mm512_castsi512_ps, _mm512_cmp_ps_mask,
    _mm512_cvtepi32_epi16, _mm512_cvtepu16_epi32, _mm512_cvtph_ps, _mm512_cvtps_ph, _mm512_fmadd_ps,
    _mm512_inserti64x4, _mm512_loadu_ps, _mm512_mask_blend_epi32, _mm512_mask_blend_ps, _mm512_max_ps, _mm512_min_ps,
    _mm512_mul_ps, _mm512_or_si512, _mm512_permutex2var_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setr_epi32,
    _mm512_setzero_ps, _mm512_shuffle_f32x4, _mm512_slli_epi32, _mm512_srli_epi32, _mm512_storeu_ps,
    _mm512_storeu_si512, _mm512_stream_ps, _mm512_stream_si512, _mm512_sub_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps,
    _mm512_unpacklo_pd, _mm512_unpacklo_ps,
};

/// Proof of AVX-512F (and of the AVX2, FMA and F16C below it); only [`Avx512::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// Asks the CPU.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && super::avx2::Avx2::detect().is_some()).then_some(Self(()))
    }
}

impl Avx512 {
    /// To half precision, as [`Half::of`].
    #[inline(always)]
    fn halves(_: Self, v: __m512) -> __m256i {
        // SAFETY: the first argument proves AVX-512F. The second operand of a minimum or maximum is the result where one is not a number,
        // so such lanes stay what they are.
        unsafe {
            let within = _mm512_min_ps(_mm512_set1_ps(LARGEST), _mm512_max_ps(_mm512_set1_ps(-LARGEST), v));
            _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(within)
        }
    }
}

impl Isa for Avx512 {
    type V = __m512;
    const REGISTERS: usize = 32;
    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn load(self, from: &[f32; 16]) -> __m512 {
        // SAFETY: `self` proves AVX-512F; `from` is sixteen readable f32.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, v: __m512, to: &mut [f32; 16]) {
        // SAFETY: `self` proves AVX-512F; `to` is sixteen writable f32.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn store_lines(self, first: __m512, second: __m512, to: &mut [[f32; 16]; 2]) {
        if to.as_ptr().addr().is_multiple_of(64) {
            // SAFETY: `self` proves AVX-512F; `to` is two aligned lines. A store past the caches asks for a fence before another thread may
            // look: `run` has one at its end.
            unsafe {
                _mm512_stream_ps(to[0].as_mut_ptr(), first);
                _mm512_stream_ps(to[1].as_mut_ptr(), second);
            }
        } else {
            self.store(first, &mut to[0]);
            self.store(second, &mut to[1]);
        }
    }
    #[inline(always)]
    fn load_half(self, from: &[Half; 16]) -> __m512 {
        // SAFETY: `self` proves AVX-512F; `from` is sixteen readable 16-bit numbers.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())) }
    }
    #[inline(always)]
    fn store_half(self, v: __m512, to: &mut [Half; 16]) {
        // SAFETY: `self` proves AVX-512F; `to` is sixteen writable 16-bit numbers.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), Self::halves(self, v)) }
    }
    #[inline(always)]
    fn store_halves(self, first: __m512, second: __m512, to: &mut [[Half; 16]; 2]) {
        // SAFETY: `self` proves AVX-512F; `to` is 64 writable bytes. A store past the caches asks for an aligned line, and for
        // a fence before another thread may look: `run` has one at its end.
        unsafe {
            let both =
                _mm512_inserti64x4::<1>(_mm512_castsi256_si512(Self::halves(self, first)), Self::halves(self, second));
            if to.as_ptr().addr().is_multiple_of(64) {
                _mm512_stream_si512(to.as_mut_ptr().cast(), both);
            } else {
                _mm512_storeu_si512(to.as_mut_ptr().cast(), both);
            }
        }
    }
    #[inline(always)]
    fn load_bf16(self, from: &[Bf16; 16]) -> __m512 {
        // SAFETY: `self` proves AVX-512F; `from` is sixteen readable 16-bit numbers.
        unsafe {
            let upper = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.as_ptr().cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(upper))
        }
    }
    #[inline(always)]
    fn store_bf16(self, v: __m512, to: &mut [Bf16; 16]) {
        // Not `vcvtneps2bf16`, which few machines have and which makes the smallest numbers 0.
        // SAFETY: `self` proves AVX-512F; `to` is sixteen writable 16-bit numbers.
        unsafe {
            let bits = _mm512_castps_si512(v);
            let upper = _mm512_srli_epi32::<16>(bits);
            let even = _mm512_add_epi32(_mm512_and_si512(upper, _mm512_set1_epi32(1)), _mm512_set1_epi32(0x7FFF));
            let rounded = _mm512_srli_epi32::<16>(_mm512_add_epi32(bits, even));
            let none = _mm512_or_si512(upper, _mm512_set1_epi32(QUIET.into()));
            let all = _mm512_mask_blend_epi32(_mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v), rounded, none);
            _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(all));
        }
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn select_positive(self, x: __m512, yes: __m512, no: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, _mm512_setzero_ps()), no, yes) }
    }
    #[inline(always)]
    fn transpose(self, rows: [__m512; 16]) -> [__m512; 16] {
        // SAFETY: `self` proves AVX-512F.
        unsafe {
            let zero = _mm512_setzero_ps();
            let (mut pairs, mut fours, mut columns) = ([zero; 16], [zero; 16], [zero; 16]);
            for r in 0..8 {
                pairs[2 * r] = _mm512_unpacklo_ps(rows[2 * r], rows[2 * r + 1]);
                pairs[2 * r + 1] = _mm512_unpackhi_ps(rows[2 * r], rows[2 * r + 1]);
            }
            // Lane `l` (of four) of `fours[4 * r + c]` is column `4 * l + c` of the rows from `4 * r` on.
            for r in 0..4 {
                for c in 0..2 {
                    let (a, b) = (_mm512_castps_pd(pairs[4 * r + c]), _mm512_castps_pd(pairs[4 * r + c + 2]));
                    fours[4 * r + 2 * c] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
                    fours[4 * r + 2 * c + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
                }
            }
            for c in 0..4 {
                let even = _mm512_shuffle_f32x4::<0x88>(fours[c], fours[4 + c]);
                let odd = _mm512_shuffle_f32x4::<0xDD>(fours[c], fours[4 + c]);
                let more_even = _mm512_shuffle_f32x4::<0x88>(fours[8 + c], fours[12 + c]);
                let more_odd = _mm512_shuffle_f32x4::<0xDD>(fours[8 + c], fours[12 + c]);
                columns[c] = _mm512_shuffle_f32x4::<0x88>(even, more_even);
                columns[4 + c] = _mm512_shuffle_f32x4::<0x88>(odd, more_odd);
                columns[8 + c] = _mm512_shuffle_f32x4::<0xDD>(even, more_even);
                columns[12 + c] = _mm512_shuffle_f32x4::<0xDD>(odd, more_odd);
            }
            columns
        }
    }
    #[inline(always)]
    fn every_fourth(self, from: &[f32; 64]) -> [__m512; 4] {
        // SAFETY: `self` proves AVX-512F; `from` is four times sixteen readable f32.
        unsafe {
            let (a, b) = (_mm512_loadu_ps(from.as_ptr()), _mm512_loadu_ps(from.as_ptr().add(16)));
            let (c, d) = (_mm512_loadu_ps(from.as_ptr().add(32)), _mm512_loadu_ps(from.as_ptr().add(48)));
            let mut of = [a; 4];
            for k in 0..4 {
                // Lane n of eight is the fourth from 4 n + k on of two vectors; the eight are there twice.
                let eight = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
                let order = _mm512_add_epi32(eight, _mm512_set1_epi32(k));
                let (low, high) = (_mm512_permutex2var_ps(a, order, b), _mm512_permutex2var_ps(c, order, d));
                of[k as usize] = _mm512_mask_blend_ps(0xFF00, low, high);
            }
            of
        }
    }
    #[inline(always)]
    fn prefetch<T>(self, from: &T, ahead: usize) {
        // SAFETY: a hint; it reads nothing that the program sees, and every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(from).wrapping_add(ahead).cast()) }
    }
    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx2,fma,f16c")]
        fn inner<K: Kernel>(isa: Avx512, kernel: K) -> K::Output {
            kernel.run(isa)
        }
        // SAFETY: `self` proves the features. The fence orders what `store_halves` wrote before what tells of it.
        unsafe {
            let output = inner(self, kernel);
            _mm_sfence();
            output
        }
    }
}
