//! AVX-512 VNNI and BW: pairs of 16-bit integers, or fours of bytes, multiplied and summed in one instruction.

use super::avx512::Avx512;
use super::{DotKernel, Dots};
use std::arch::x86_64::{
    __m512, __m512i, _mm_sfence, _mm512_abs_epi16, _mm512_add_epi32, _mm512_adds_epi16, _mm512_cvtepi32_ps,
    _mm512_cvtps_epi32, _mm512_dpbusd_epi32, _mm512_dpwssd_epi32, _mm512_loadu_si512, _mm512_max_epi16,
    _mm512_max_epu16, _mm512_min_epi16, _mm512_mulhrs_epi16, _mm512_packs_epi32, _mm512_packus_epi16,
    _mm512_set1_epi16, _mm512_set1_epi32, _mm512_set4_epi32, _mm512_setzero_si512, _mm512_shuffle_epi8,
    _mm512_storeu_si512, _mm512_sub_epi16, _mm512_sub_epi32, _mm512_subs_epi16,
};

/// Proof of AVX-512 VNNI and BW beside that of AVX-512F; only [`Vnni::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vnni(());

impl Vnni {
    /// Asks the CPU.
    pub(crate) fn detect(_: Avx512) -> Option<Self> {
        (is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512bw")).then_some(Self(()))
    }

    /// Runs `kernel` compiled for both.
    #[inline(always)]
    pub(crate) fn run<K: DotKernel>(self, isa: Avx512, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma,f16c")]
        fn inner<K: DotKernel>(isa: Avx512, dots: Vnni, kernel: K) -> K::Output {
            kernel.run(isa, dots)
        }
        // SAFETY: `isa` and `self` prove the features. The fence is that of `Avx512::run`.
        unsafe {
            let output = inner(isa, self, kernel);
            _mm_sfence();
            output
        }
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
    fn add(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: AVX-512F is proven.
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: AVX-512F is proven.
        unsafe { _mm512_sub_epi32(a, b) }
    }
    #[inline(always)]
    fn float(self, w: __m512i) -> __m512 {
        // SAFETY: AVX-512F is proven.
        unsafe { _mm512_cvtepi32_ps(w) }
    }
    #[inline(always)]
    fn store(self, w: __m512i, to: &mut [i32; 16]) {
        // SAFETY: AVX-512F is proven; `to` is 64 writable bytes.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), w) }
    }
    #[inline(always)]
    fn splat_half(self, half: i16) -> __m512i {
        // SAFETY: AVX-512F is proven.
        unsafe { _mm512_set1_epi16(half) }
    }
    #[inline(always)]
    fn pack(self, a: __m512, b: __m512, widest: &mut __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512BW beside AVX-512F.
        unsafe {
            let halves = _mm512_packs_epi32(_mm512_cvtps_epi32(a), _mm512_cvtps_epi32(b));
            *widest = _mm512_max_epu16(*widest, _mm512_abs_epi16(halves));
            halves
        }
    }
    #[inline(always)]
    fn pair(self, a: __m512, b: __m512, widest: &mut __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512BW beside AVX-512F.
        unsafe {
            // Of sixteen bytes the first eight are four halves of `a`, the others of `b`.
            let order = _mm512_set4_epi32(0x0F0E_0706, 0x0D0C_0504, 0x0B0A_0302, 0x0908_0100);
            let halves = _mm512_packs_epi32(_mm512_cvtps_epi32(a), _mm512_cvtps_epi32(b));
            let pairs = _mm512_shuffle_epi8(halves, order);
            *widest = _mm512_max_epu16(*widest, _mm512_abs_epi16(pairs));
            pairs
        }
    }
    #[inline(always)]
    fn add_halves(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512BW.
        unsafe { _mm512_adds_epi16(a, b) }
    }
    #[inline(always)]
    fn sub_halves(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512BW.
        unsafe { _mm512_subs_epi16(a, b) }
    }
    #[inline(always)]
    fn scale_halves(self, w: __m512i, by: i16) -> __m512i {
        // SAFETY: `self` proves AVX-512BW.
        unsafe { _mm512_mulhrs_epi16(w, _mm512_set1_epi16(by)) }
    }
    #[inline(always)]
    fn cut(self, w: __m512i, limit: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512BW.
        unsafe {
            let low = _mm512_sub_epi16(_mm512_setzero_si512(), limit);
            _mm512_max_epi16(_mm512_min_epi16(w, limit), low)
        }
    }
    #[inline(always)]
    fn dot_bytes(self, sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512 VNNI.
        unsafe { _mm512_dpbusd_epi32(sum, a, b) }
    }
    #[inline(always)]
    fn pack_bytes(self, [a, b, c, d]: [__m512; 4]) -> __m512i {
        // SAFETY: `self` proves AVX-512BW beside AVX-512F.
        unsafe {
            let first = _mm512_packs_epi32(_mm512_cvtps_epi32(a), _mm512_cvtps_epi32(b));
            let second = _mm512_packs_epi32(_mm512_cvtps_epi32(c), _mm512_cvtps_epi32(d));
            _mm512_packus_epi16(first, second)
        }
    }
}
