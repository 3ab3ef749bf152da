//! AVX-512 VNNI: pairs of 16-bit integers multiplied and summed in one instruction.

use super::avx512::Avx512;
use super::{DotKernel, Dots};
use std::arch::x86_64::{
    __m512, __m512i, _mm256_storeu_si256, _mm512_abs_ps, _mm512_cvtepi32_ps, _mm512_cvtps_epi32,
    _mm512_cvtsepi32_epi16, _mm512_dpwssd_epi32, _mm512_loadu_si512, _mm512_max_ps, _mm512_min_ps, _mm512_set1_epi32,
    _mm512_setzero_ps, _mm512_setzero_si512, _mm512_sub_ps,
};

/// Proof of AVX-512 VNNI beside that of AVX-512F; only [`Vnni::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vnni(());

impl Vnni {
    /// Asks the CPU.
    pub(crate) fn detect(_: Avx512) -> Option<Self> {
        is_x86_feature_detected!("avx512vnni").then_some(Self(()))
    }

    /// Runs `kernel` compiled for both.
    #[inline(always)]
    pub(crate) fn run<K: DotKernel>(self, isa: Avx512, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512vnni,avx2,fma,f16c")]
        fn inner<K: DotKernel>(isa: Avx512, dots: Vnni, kernel: K) -> K::Output {
            kernel.run(isa, dots)
        }
        // SAFETY: `isa` and `self` prove the features.
        unsafe { inner(isa, self, kernel) }
    }
}

impl Dots<Avx512> for Vnni {
    type W = __m512i;
    #[inline(always)]
    fn zero(self) -> __m512i {
        // SAFETY: a proof of VNNI is made beside one of AVX-512F only, here and below.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    fn splat(self, pair: i32) -> __m512i {
        // SAFETY: AVX-512F is proven.
        unsafe { _mm512_set1_epi32(pair) }
    }
    #[inline(always)]
    fn load(self, from: &[i32; 16]) -> __m512i {
        // SAFETY: AVX-512F is proven; `from` is 64 readable bytes.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn dot(self, sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512 VNNI.
        unsafe { _mm512_dpwssd_epi32(sum, a, b) }
    }
    #[inline(always)]
    fn float(self, w: __m512i) -> __m512 {
        // SAFETY: AVX-512F is proven.
        unsafe { _mm512_cvtepi32_ps(w) }
    }
    #[inline(always)]
    fn quantise(self, v: __m512, limit: __m512, to: &mut [i32; 8], widest: &mut __m512) {
        // SAFETY: AVX-512F is proven; `to` is 32 writable bytes. The second operand of a minimum or maximum is the result
        // where one is not a number: `limit`, then what `widest` was.
        unsafe {
            let low = _mm512_sub_ps(_mm512_setzero_ps(), limit);
            let within = _mm512_max_ps(_mm512_min_ps(v, limit), low);
            *widest = _mm512_max_ps(_mm512_abs_ps(v), *widest);
            let halves = _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(within));
            _mm256_storeu_si256(to.as_mut_ptr().cast(), halves);
        }
    }
}
