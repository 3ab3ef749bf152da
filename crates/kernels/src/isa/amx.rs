//! AMX: tiles of sixteen rows of 64 bytes, and products of tiles of bf16. Stable Rust has no intrinsics for them, so they are
//! written as instructions.

use super::avx512::Avx512;
use super::tiles::{LaidRows, PAIR, Step, Tile, TileKernel, Tiles, WeightRow};
use crate::bf16::Bf16;
use crate::gather::Write;
use crate::layout::LANES;
use std::arch::asm;
use std::arch::x86_64::{
    __cpuid_count, __m512, _mm_sfence, _mm256_storeu_si256, _mm512_cvtne2ps_pbh, _mm512_cvtneps_pbh,
    _mm512_loadu_si512, _mm512_permutexvar_epi16, _mm512_storeu_si512,
};
use std::sync::OnceLock;

/// Proof of AMX for bf16 beside AVX-512 with BF16, and of the kernel's permission; only [`Amx::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amx(());

/// All eight tiles are sixteen rows of 64 bytes.
#[repr(C, align(64))]
struct Config {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static WHOLE: Config = Config {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

impl Amx {
    /// Asks the CPU, and the kernel for leave to use tiles, once a process: their state is large, so it gives room for it to those
    /// who ask.
    pub(crate) fn detect(_: Avx512) -> Option<Self> {
        static USABLE: OnceLock<bool> = OnceLock::new();
        USABLE.get_or_init(|| has_tiles() && is_permitted()).then_some(Self(()))
    }

    /// Runs `kernel` compiled for AVX-512 with the tiles laid out.
    #[inline(always)]
    pub(crate) fn run<K: TileKernel>(self, isa: Avx512, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512bf16,avx2,fma,f16c")]
        fn inner<K: TileKernel>(isa: Avx512, tiles: Amx, kernel: K) -> K::Output {
            kernel.run(isa, tiles)
        }
        // SAFETY: `isa` and `self` prove the features, and that the kernel allows tiles. The layout is one that the processor knows. The
        // tiles are released at the end; if `kernel` panics they stay as they are until the next layout, which harms nobody. The fence
        // is that of `Avx512::run`.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const WHOLE, options(nostack, readonly));
            let output = inner(isa, self, kernel);
            asm!("tilerelease", options(nostack, nomem));
            _mm_sfence();
            output
        }
    }

    /// Whether there are products of bytes in tiles too.
    pub(crate) fn has_bytes(_: Self) -> bool {
        // EDX of leaf 7: bit 25 is AMX-INT8.
        __cpuid_count(7, 0).edx & 1 << 25 != 0
    }

    /// Runs `work`, whose instructions on tiles are its own, with the tiles laid out.
    #[inline(always)]
    pub(crate) fn with_tiles<T>(_: Self, work: impl FnOnce() -> T) -> T {
        // SAFETY: as in `run`, by the proof that is not named.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const WHOLE, options(nostack, readonly));
            let output = work();
            asm!("tilerelease", options(nostack, nomem));
            output
        }
    }
}

/// Where the values of two vectors go that take turns.
static TURNS: [u16; PAIR] = turns();

const fn turns() -> [u16; PAIR] {
    let (mut turns, mut n) = ([0; PAIR], 0);
    while n < PAIR {
        turns[n] = (n % 2 * LANES + n / 2) as u16;
        n += 1;
    }
    turns
}

/// Whether the processor has tiles, products of bf16 in them, and AVX-512 to round to bf16.
fn has_tiles() -> bool {
    // EDX of leaf 7: bit 22 is AMX-BF16, bit 24 AMX-TILE.
    let wanted = 1 << 22 | 1 << 24;
    let features = __cpuid_count(7, 0).edx;
    features & wanted == wanted && is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512bw")
}

/// Asks Linux for the state component of tiles.
#[cfg(target_os = "linux")]
fn is_permitted() -> bool {
    const ARCH_PRCTL: u64 = 158;
    const REQUEST_PERMISSION: u64 = 0x1023;
    const TILE_CONTENTS: u64 = 18;
    let result: i64;
    // SAFETY: a system call that changes nothing but what this process may use. An older kernel does not know it, and says so.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") REQUEST_PERMISSION,
            in("rsi") TILE_CONTENTS,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result == 0
}

/// Others are not asked.
#[cfg(not(target_os = "linux"))]
fn is_permitted() -> bool {
    false
}

/// Tile `T` becomes zeros.
///
/// # Safety
/// Tiles are laid out, here and below.
#[inline(always)]
unsafe fn zero<const T: u8>() {
    // SAFETY: the caller's promise.
    unsafe { asm!("tilezero tmm{}", const T, options(nostack, nomem)) }
}

/// Tile `T` becomes sixteen rows of 64 bytes, each `stride` bytes after the one before.
///
/// # Safety
/// They are readable.
#[inline(always)]
unsafe fn load<const T: u8, V>(from: *const V, stride: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("tileloadd tmm{}, [{} + {}*1]", const T, in(reg) from, in(reg) stride, options(nostack, readonly));
    }
}

/// Tile `SUM` grows by the products of `A` and `B`.
///
/// # Safety
/// As [`zero`].
#[inline(always)]
unsafe fn dot<const SUM: u8, const A: u8, const B: u8>() {
    // SAFETY: the caller's promise.
    unsafe { asm!("tdpbf16ps tmm{}, tmm{}, tmm{}", const SUM, const A, const B, options(nostack, nomem)) }
}

/// Tile `T` to memory.
///
/// # Safety
/// As [`zero`].
#[inline(always)]
unsafe fn store<const T: u8>(to: &mut Tile) {
    // SAFETY: a tile is 16 writable rows of 64 bytes; the caller's promise for the rest.
    unsafe {
        asm!("tilestored [{} + {}*1], tmm{}", in(reg) to.as_mut_ptr(), in(reg) 64_usize, const T, options(nostack));
    }
}

impl Tiles<Avx512> for Amx {
    #[inline(always)]
    fn lay_pair(self, first: __m512, second: __m512, to: &mut [Bf16; PAIR]) {
        // SAFETY: `self` proves AVX-512 with BF16; `to` is 64 writable bytes.
        unsafe {
            let both = std::mem::transmute::<std::arch::x86_64::__m512bh, std::arch::x86_64::__m512i>(
                _mm512_cvtne2ps_pbh(second, first),
            );
            _mm512_storeu_si512(to.as_mut_ptr().cast(), both);
        }
    }

    #[inline(always)]
    fn lay(self, v: __m512, to: &mut [Bf16; 16]) {
        // SAFETY: `self` proves AVX-512 with BF16; `to` is 32 writable bytes.
        unsafe {
            let half =
                std::mem::transmute::<std::arch::x86_64::__m256bh, std::arch::x86_64::__m256i>(_mm512_cvtneps_pbh(v));
            _mm256_storeu_si256(to.as_mut_ptr().cast(), half);
        }
    }

    #[inline(always)]
    fn lay_turns(self, first: __m512, second: __m512, to: &mut [Bf16; PAIR]) {
        // SAFETY: `self` proves AVX-512 with BF16 and BW; `to` is 64 writable bytes.
        unsafe {
            let both = std::mem::transmute::<std::arch::x86_64::__m512bh, std::arch::x86_64::__m512i>(
                _mm512_cvtne2ps_pbh(second, first),
            );
            let turns = _mm512_permutexvar_epi16(_mm512_loadu_si512(TURNS.as_ptr().cast()), both);
            _mm512_storeu_si512(to.as_mut_ptr().cast(), turns);
        }
    }

    fn multiply<const P: usize, const O: usize>(
        self,
        rows: LaidRows<'_>,
        steps: &[Step],
        weights: [&[WeightRow]; O],
        (sums, write): (&mut [[Tile; O]; P], Write),
    ) {
        assert!(matches!(O, 1 | 2) && P > 0 && P * O <= 4, "tiles: {P} of places, {O} of outputs");
        rows.check(steps, weights, P);
        // Not `map`, which is left as a call.
        let mut starts = [std::ptr::null::<WeightRow>(); O];
        for o in 0..O {
            starts[o] = weights[o].as_ptr();
        }
        let (stride, next) = (2 * rows.pitch, LANES * rows.pitch);
        let sums = sums.as_flattened_mut();
        // SAFETY: `self` proves AMX, and tiles are laid out, since only `Amx::run` hands out a proof to a kernel. Rows were checked to
        // lie in what was laid, and tiles of weights, 16 rows of 64 bytes, in these.
        unsafe {
            begin(sums, write);
            let start = rows.laid.as_ptr().add(rows.start);
            for step in steps {
                let a = start.add(step.values);
                load::<4, _>(a, stride);
                load::<6, _>(starts[0].add(step.weights), 64);
                dot::<0, 4, 6>();
                if O > 1 {
                    load::<7, _>(starts[1].add(step.weights), 64);
                    dot::<1, 4, 7>();
                    if P > 1 {
                        load::<5, _>(a.add(next), stride);
                        dot::<2, 5, 6>();
                        dot::<3, 5, 7>();
                    }
                    continue;
                }
                if P > 1 {
                    load::<5, _>(a.add(next), stride);
                    dot::<1, 5, 6>();
                }
                if P > 2 {
                    load::<7, _>(a.add(2 * next), stride);
                    dot::<2, 7, 6>();
                }
                if P > 3 {
                    load::<4, _>(a.add(3 * next), stride);
                    dot::<3, 4, 6>();
                }
            }
            store::<0>(&mut sums[0]);
            if P * O > 1 {
                store::<1>(&mut sums[1]);
            }
            if P * O > 2 {
                store::<2>(&mut sums[2]);
            }
            if P * O > 3 {
                store::<3>(&mut sums[3]);
            }
        }
    }
}

/// Tiles 0 to 3 become zeros, or the sums that are to grow.
///
/// # Safety
/// As [`zero`].
#[inline(always)]
unsafe fn begin(sums: &[Tile], write: Write) {
    // SAFETY: the caller's promise; a tile is 16 rows of 64 bytes.
    unsafe {
        if write == Write::Overwrite {
            zero::<0>();
            zero::<1>();
            zero::<2>();
            zero::<3>();
            return;
        }
        load::<0, _>(&raw const sums[0], 64);
        if sums.len() > 1 {
            load::<1, _>(&raw const sums[1], 64);
        }
        if sums.len() > 2 {
            load::<2, _>(&raw const sums[2], 64);
        }
        if sums.len() > 3 {
            load::<3, _>(&raw const sums[3], 64);
        }
    }
}
