//! What the machine could do at most: multiply-adds on registers alone, and streams of memory.
//!
//! A feature bit says that an instruction is there, not that it is fast: bf16 dots run at twice the rate of f32 on one
//! processor and at half of it on another. So the roof under which a kernel works is measured by these loops.
//! Left out: the 256-bit dots of AVX-VNNI, because every machine at hand that has them has those of AVX-512 too.

use crate::cpu::Cpu;
#[cfg(target_arch = "x86_64")]
use crate::cpu::IsaName;
use crate::isa::{Isa, Kernel};
#[cfg(target_arch = "x86_64")]
use crate::isa::{amx::Amx, avx512::Avx512};
use crate::layout::LANES;
use std::hint::black_box;

/// Independent sums that a core works on at a time: more than two ports times the six cycles that the slowest dot takes.
const MANY: usize = 16;
/// The same where sixteen lanes are two of sixteen registers: six sums, the factor and the summand fill them, and twelve
/// chains hide the four cycles of an FMA on two ports.
const FEW: usize = 6;

/// A kind of multiply-add, by the numbers that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// f32 times f32, added to f32.
    F32,
    /// Pairs of bf16, added to f32.
    Bf16,
    /// Pairs of int16, added to int32.
    Int16,
    /// Fours of unsigned by signed int8, added to int32.
    Int8,
    /// Pairs of bf16, added to f32, sixteen rows by sixteen columns at a time.
    Bf16Tiles,
    /// Fours of unsigned by signed int8, added to int32, sixteen rows by sixteen columns at a time.
    Int8Tiles,
}

impl Arithmetic {
    /// All of them: those of lanes, then those of tiles, the widest numbers first.
    pub const ALL: [Self; 6] = [Self::F32, Self::Bf16, Self::Int16, Self::Int8, Self::Bf16Tiles, Self::Int8Tiles];

    /// Its name in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int16 => "int16",
            Self::Int8 => "int8",
            Self::Bf16Tiles => "bf16 tiles",
            Self::Int8Tiles => "int8 tiles",
        }
    }

    /// The instruction that does it, with AVX-512, or AMX for tiles.
    pub fn instruction(self) -> &'static str {
        match self {
            Self::F32 => "vfmadd231ps",
            Self::Bf16 => "vdpbf16ps",
            Self::Int16 => "vpdpwssd",
            Self::Int8 => "vpdpbusd",
            Self::Bf16Tiles => "tdpbf16ps",
            Self::Int8Tiles => "tdpbusd",
        }
    }

    /// Whether it works on tiles: those of AMX, which the system must allow too.
    pub fn is_of_tiles(self) -> bool {
        matches!(self, Self::Bf16Tiles | Self::Int8Tiles)
    }
}

/// Proof that the running CPU has an arithmetic; it can run a loop of nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Peak(Proof);

#[derive(Clone, Copy, Debug)]
enum Proof {
    F32(Cpu),
    #[cfg(target_arch = "x86_64")]
    Bf16(dots::Bf16),
    #[cfg(target_arch = "x86_64")]
    Int16(dots::Vnni),
    #[cfg(target_arch = "x86_64")]
    Int8(dots::Vnni),
    #[cfg(target_arch = "x86_64")]
    Bf16Tiles(Amx),
    #[cfg(target_arch = "x86_64")]
    Int8Tiles(tiles::Bytes),
}

impl Peak {
    /// The loop of fused multiply-adds in f32, which every machine has.
    pub fn f32(cpu: Cpu) -> Self {
        Self(Proof::F32(cpu))
    }

    /// The loop of an arithmetic; `None` where the machine or its system lacks it, or `cpu` was lowered below it.
    pub fn of(cpu: Cpu, arithmetic: Arithmetic) -> Option<Self> {
        if arithmetic == Arithmetic::F32 {
            return Some(Self::f32(cpu));
        }
        #[cfg(target_arch = "x86_64")]
        if cpu.name() == IsaName::Avx512 {
            return Some(Self(match arithmetic {
                Arithmetic::F32 => Proof::F32(cpu),
                Arithmetic::Bf16 => Proof::Bf16(dots::Bf16::detect()?),
                Arithmetic::Int16 => Proof::Int16(dots::Vnni::detect()?),
                Arithmetic::Int8 => Proof::Int8(dots::Vnni::detect()?),
                Arithmetic::Bf16Tiles => Proof::Bf16Tiles(Amx::detect(Avx512::detect()?)?),
                Arithmetic::Int8Tiles => Proof::Int8Tiles(tiles::Bytes::of(Amx::detect(Avx512::detect()?)?)?),
            }));
        }
        None
    }

    /// Operations of one round, 2 a product.
    pub fn operations(self) -> u64 {
        let lanes = |in_lane: usize, chains: usize| (2 * LANES * in_lane * chains) as u64;
        match self.0 {
            Proof::F32(cpu) => lanes(1, cpu.run(Chains)),
            #[cfg(target_arch = "x86_64")]
            Proof::Bf16(_) | Proof::Int16(_) => lanes(2, MANY),
            #[cfg(target_arch = "x86_64")]
            Proof::Int8(_) => lanes(4, MANY),
            // A tile is as many rows as a row has lanes.
            #[cfg(target_arch = "x86_64")]
            Proof::Bf16Tiles(_) => lanes(2, LANES * LANES * tiles::SUMS),
            #[cfg(target_arch = "x86_64")]
            Proof::Int8Tiles(_) => lanes(4, LANES * LANES * tiles::SUMS),
        }
    }

    /// Runs so many rounds on the calling thread. The number means nothing; it keeps the work from being left out.
    pub fn run(self, rounds: u64) -> f32 {
        match self.0 {
            Proof::F32(cpu) => cpu.run(Rounds(rounds)),
            #[cfg(target_arch = "x86_64")]
            Proof::Bf16(proof) => proof.run(rounds),
            #[cfg(target_arch = "x86_64")]
            Proof::Int16(proof) => proof.pairs(rounds) as f32,
            #[cfg(target_arch = "x86_64")]
            Proof::Int8(proof) => proof.fours(rounds) as f32,
            #[cfg(target_arch = "x86_64")]
            Proof::Bf16Tiles(proof) => tiles::pairs(proof, rounds),
            #[cfg(target_arch = "x86_64")]
            Proof::Int8Tiles(proof) => proof.fours(rounds) as f32,
        }
    }
}

struct Chains;

impl Kernel for Chains {
    type Output = usize;
    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) -> usize {
        if I::REGISTERS >= 32 { MANY } else { FEW }
    }
}

struct Rounds(u64);

impl Kernel for Rounds {
    type Output = f32;
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> f32 {
        if I::REGISTERS >= 32 { rounds::<I, MANY>(isa, self.0) } else { rounds::<I, FEW>(isa, self.0) }
    }
}

#[inline(always)]
fn rounds<I: Isa, const N: usize>(isa: I, rounds: u64) -> f32 {
    let mut sums = [isa.splat(0.0); N];
    for i in 0..N {
        sums[i] = isa.splat(i as f32); // different, or they could be computed once
    }
    let (factor, summand) = (isa.splat(black_box(0.5)), isa.splat(black_box(0.1)));
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = isa.fma(factor, *sum, summand);
        }
    }
    total(isa, sums)
}

#[inline(always)]
fn total<I: Isa, const N: usize>(isa: I, sums: [I::V; N]) -> f32 {
    let (mut lanes, mut all) = ([0.0; LANES], isa.splat(0.0));
    for sum in sums {
        all = isa.add(all, sum);
    }
    isa.store(all, &mut lanes);
    lanes.iter().sum()
}

/// Dots of AVX-512, behind proofs that the CPU has them.
#[cfg(target_arch = "x86_64")]
mod dots {
    use super::{MANY, black_box};
    use std::arch::x86_64::{
        _mm512_add_epi32, _mm512_add_ps, _mm512_cvtne2ps_pbh, _mm512_cvtsi512_si32, _mm512_cvtss_f32, _mm512_dpbf16_ps,
        _mm512_dpbusd_epi32, _mm512_dpwssd_epi32, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
        _mm512_setzero_si512,
    };

    /// Proof of AVX-512F and AVX512-BF16; only [`Bf16::detect`] makes one.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Bf16(());

    impl Bf16 {
        pub(super) fn detect() -> Option<Self> {
            (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16")).then_some(Self(()))
        }

        pub(super) fn run(self, rounds: u64) -> f32 {
            #[target_feature(enable = "avx512f,avx512bf16")]
            fn inner(_: Bf16, rounds: u64) -> f32 {
                let mut sums = [_mm512_setzero_ps(); MANY];
                for i in 0..MANY {
                    sums[i] = _mm512_set1_ps(i as f32);
                }
                let (a, b) = (_mm512_set1_ps(black_box(0.5)), _mm512_set1_ps(black_box(0.1)));
                let (a, b) = (_mm512_cvtne2ps_pbh(a, a), _mm512_cvtne2ps_pbh(b, b));
                for _ in 0..rounds {
                    for sum in &mut sums {
                        *sum = _mm512_dpbf16_ps(*sum, a, b);
                    }
                }
                let mut all = _mm512_setzero_ps();
                for sum in sums {
                    all = _mm512_add_ps(all, sum);
                }
                _mm512_cvtss_f32(all)
            }
            // SAFETY: `inner` asks for AVX-512F and AVX512-BF16, and `self`, which only `detect` makes, proves both. It
            // takes a number, works on registers and touches no memory.
            unsafe { inner(self, rounds) }
        }
    }

    /// Proof of AVX-512F and AVX512-VNNI; only [`Vnni::detect`] makes one.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Vnni(());

    impl Vnni {
        pub(super) fn detect() -> Option<Self> {
            (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")).then_some(Self(()))
        }

        pub(super) fn pairs(self, rounds: u64) -> i32 {
            #[target_feature(enable = "avx512f,avx512vnni")]
            fn inner(_: Vnni, rounds: u64) -> i32 {
                let mut sums = [_mm512_setzero_si512(); MANY];
                for i in 0..MANY {
                    sums[i] = _mm512_set1_epi32(i as i32);
                }
                let (a, b) = (_mm512_set1_epi32(black_box(0x0003_0005)), _mm512_set1_epi32(black_box(0x0002_0001)));
                for _ in 0..rounds {
                    for sum in &mut sums {
                        *sum = _mm512_dpwssd_epi32(*sum, a, b);
                    }
                }
                let mut all = _mm512_setzero_si512();
                for sum in sums {
                    all = _mm512_add_epi32(all, sum);
                }
                _mm512_cvtsi512_si32(all)
            }
            // SAFETY: `inner` asks for AVX-512F and AVX512-VNNI, and `self`, which only `detect` makes, proves both. It
            // takes a number, works on registers and touches no memory; its sums wrap as the instruction's do.
            unsafe { inner(self, rounds) }
        }

        pub(super) fn fours(self, rounds: u64) -> i32 {
            #[target_feature(enable = "avx512f,avx512vnni")]
            fn inner(_: Vnni, rounds: u64) -> i32 {
                let mut sums = [_mm512_setzero_si512(); MANY];
                for i in 0..MANY {
                    sums[i] = _mm512_set1_epi32(i as i32);
                }
                let (a, b) = (_mm512_set1_epi32(black_box(0x0305_0201)), _mm512_set1_epi32(black_box(0x0102_0103)));
                for _ in 0..rounds {
                    for sum in &mut sums {
                        *sum = _mm512_dpbusd_epi32(*sum, a, b);
                    }
                }
                let mut all = _mm512_setzero_si512();
                for sum in sums {
                    all = _mm512_add_epi32(all, sum);
                }
                _mm512_cvtsi512_si32(all)
            }
            // SAFETY: as in `pairs`.
            unsafe { inner(self, rounds) }
        }
    }
}

/// Products of tiles, behind proofs that the CPU has them and that the system allows them. Stable Rust has no intrinsics for
/// them, so they are written as instructions.
#[cfg(target_arch = "x86_64")]
mod tiles {
    use super::{Amx, LANES};
    use std::arch::asm;

    /// Independent sums, of two tiles by two: four times the sixteen cycles that a product takes hide its latency of
    /// 52, and eight tiles are all there are.
    pub(super) const SUMS: usize = 4;

    /// Proof of AMX with products of bytes; only [`Bytes::of`] makes one.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Bytes(Amx);

    impl Bytes {
        pub(super) fn of(tiles: Amx) -> Option<Self> {
            Amx::has_bytes(tiles).then_some(Self(tiles))
        }

        pub(super) fn fours(self, rounds: u64) -> i32 {
            let rows = [[200, 1, 0, 0], [1, 2, 3, 4]].map(u32::from_le_bytes);
            let columns = [[0xFD, 1, 1, 1], [1, 0, 2, 1]].map(u32::from_le_bytes); // the first is -3
            let products = || {
                // SAFETY: `self` proves the instruction, and `sums` calls this with tiles laid out. They are registers.
                unsafe {
                    asm!(
                        "tdpbusd tmm0, tmm4, tmm6",
                        "tdpbusd tmm1, tmm4, tmm7",
                        "tdpbusd tmm2, tmm5, tmm6",
                        "tdpbusd tmm3, tmm5, tmm7",
                        options(nostack, nomem),
                    );
                }
            };
            let sums = sums(self.0, (rows, columns), rounds, products);
            sums.as_flattened().as_flattened().iter().fold(0, |all: i32, sum| all.wrapping_add(sum.cast_signed()))
        }
    }

    pub(super) fn pairs(tiles: Amx, rounds: u64) -> f32 {
        let rows = [0x3F80_4000, 0x3F80_3F80]; // 2 and 1, 1 and 1
        let columns = [0x3F00_4040, 0x4000_3F80]; // 3 and 1/2, 1 and 2
        let products = || {
            // SAFETY: as in `fours`; `tiles` proves the instruction.
            unsafe {
                asm!(
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "tdpbf16ps tmm1, tmm4, tmm7",
                    "tdpbf16ps tmm2, tmm5, tmm6",
                    "tdpbf16ps tmm3, tmm5, tmm7",
                    options(nostack, nomem),
                );
            }
        };
        let sums = sums(tiles, (rows, columns), rounds, products);
        sums.as_flattened().as_flattened().iter().map(|&sum| f32::from_bits(sum)).sum()
    }

    /// The bits of tiles 0 to 3 after so many rounds of `products`. They begin as zeros; tiles 4 and 5 hold one of the first
    /// words everywhere, tiles 6 and 7 one of the second.
    #[inline(always)]
    fn sums(
        tiles: Amx,
        (rows, columns): ([u32; 2], [u32; 2]),
        rounds: u64,
        products: impl Fn(),
    ) -> [[[u32; LANES]; LANES]; SUMS] {
        let (rows, columns) = (rows.map(|word| [word; LANES]), columns.map(|word| [word; LANES]));
        let mut sums = [[[0; LANES]; LANES]; SUMS];
        Amx::with_tiles(tiles, || {
            // SAFETY: tiles are laid out, sixteen rows of 64 bytes. Those of a factor are read from one and the same row, 0 bytes
            // after the one before.
            unsafe {
                asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nostack, nomem));
                asm!(
                    "tileloadd tmm4, [{rows} + {none}*1]",
                    "tileloadd tmm5, [{rows} + {none}*1 + 64]",
                    "tileloadd tmm6, [{columns} + {none}*1]",
                    "tileloadd tmm7, [{columns} + {none}*1 + 64]",
                    rows = in(reg) rows.as_ptr(),
                    columns = in(reg) columns.as_ptr(),
                    none = in(reg) 0_usize,
                    options(nostack, readonly),
                );
            }
            for _ in 0..rounds {
                products();
            }
            // SAFETY: as above; a sum is a tile, 1024 writable bytes.
            unsafe {
                asm!(
                    "tilestored [{sums} + {row}*1], tmm0",
                    "tilestored [{sums} + {row}*1 + 1024], tmm1",
                    "tilestored [{sums} + {row}*1 + 2048], tmm2",
                    "tilestored [{sums} + {row}*1 + 3072], tmm3",
                    sums = in(reg) sums.as_mut_ptr(),
                    row = in(reg) 64_usize,
                    options(nostack),
                );
            }
        });
        sums
    }
}

/// A way to go through memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Sum what is there.
    Read,
    /// Fill.
    Write,
    /// Read one place, write another, each number times 1: a plain copy would become the system's, which may write past
    /// the caches.
    Copy,
}

impl Traffic {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Copy];

    /// Its name in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Copy => "copy",
        }
    }

    /// Bytes that `len` numbers cost; what a cache reads before it is written is not counted.
    pub fn bytes(self, len: usize) -> usize {
        let trips = if self == Self::Copy { 2 } else { 1 };
        trips * len * size_of::<f32>()
    }
}

/// Goes once through memory on the calling thread. The number means nothing; it keeps the work from being left out.
///
/// # Panics
/// If the two have different lengths, or no multiple of 128.
pub fn stream(cpu: Cpu, traffic: Traffic, from: &[f32], to: &mut [f32]) -> f32 {
    assert_eq!(from.len(), to.len(), "stream: lengths differ");
    assert_eq!(from.len() % (GROUP * LANES), 0, "stream: not whole groups");
    let (from, to) = (from.as_chunks::<LANES>().0, to.as_chunks_mut::<LANES>().0);
    match traffic {
        Traffic::Read => cpu.run(Read(from)),
        Traffic::Write => cpu.run(Fill(to)),
        Traffic::Copy => cpu.run(Scale(from, to)),
    }
}

/// Sixteen-lane values that are read at a time, each into a sum of its own.
const GROUP: usize = 8;

struct Read<'a>(&'a [[f32; LANES]]);

impl Kernel for Read<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> f32 {
        let mut sums = [isa.splat(0.0); GROUP];
        for group in self.0.as_chunks::<GROUP>().0 {
            for i in 0..GROUP {
                sums[i] = isa.add(sums[i], isa.load(&group[i]));
            }
        }
        total(isa, sums)
    }
}

struct Fill<'a>(&'a mut [[f32; LANES]]);

impl Kernel for Fill<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> f32 {
        let value = isa.splat(black_box(0.1));
        for line in self.0.iter_mut() {
            isa.store(value, line);
        }
        self.0.last().map_or(0.0, |line| line[0])
    }
}

struct Scale<'a>(&'a [[f32; LANES]], &'a mut [[f32; LANES]]);

impl Kernel for Scale<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> f32 {
        let one = isa.splat(black_box(1.0));
        for i in 0..self.0.len().min(self.1.len()) {
            isa.store(isa.mul(one, isa.load(&self.0[i])), &mut self.1[i]);
        }
        self.1.last().map_or(0.0, |line| line[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loop_of_this_machine_runs() {
        for cpu in Cpu::all() {
            for arithmetic in Arithmetic::ALL {
                let Some(peak) = Peak::of(cpu, arithmetic) else {
                    assert_ne!(arithmetic, Arithmetic::F32, "every machine has it");
                    continue;
                };
                assert!(peak.run(3).is_finite(), "{}", arithmetic.as_str());
                assert!(peak.operations() >= 2 * (LANES * FEW) as u64, "{}", arithmetic.as_str());
            }
        }
    }

    /// After n rounds the chains that began at 0 to 15 hold i + n d, and the sum of one lane is 120 + 16 n d.
    #[test]
    fn dots_do_what_their_names_say() {
        let check = |arithmetic, dot: f32| {
            if let Some(peak) = Peak::of(Cpu::detect(), arithmetic) {
                assert_eq!(peak.run(5), 120.0 + 16.0 * 5.0 * dot, "{}", arithmetic.as_str());
            }
        };
        check(Arithmetic::Int16, 3.0 * 2.0 + 5.0);
        check(Arithmetic::Int8, 3.0 + 2.0 * 5.0 + 2.0 + 3.0);
    }

    /// After n rounds each of 256 sums of a tile holds n times sixteen dots, and the tiles' factors are all pairs of two and
    /// two.
    #[test]
    fn tiles_do_what_their_names_say() {
        let check = |arithmetic, dots: f32| {
            if let Some(peak) = Peak::of(Cpu::detect(), arithmetic) {
                assert_eq!(peak.run(5), 256.0 * 16.0 * 5.0 * dots, "{}", arithmetic.as_str());
                assert_eq!(peak.run(0), 0.0, "nothing is left of a run before");
            }
        };
        check(Arithmetic::Bf16Tiles, (2.0 + 1.0) * (3.0 + 1.0) + (1.0 + 1.0) * (0.5 + 2.0));
        check(Arithmetic::Int8Tiles, 201.0 * (1.0 - 3.0) + (1.0 + 2.0) + 3.0 * (1.0 + 2.0) + 4.0 * (1.0 + 1.0));
    }

    #[test]
    fn tiles_count_all_products_of_a_round() {
        for (arithmetic, row) in [(Arithmetic::Bf16Tiles, 32), (Arithmetic::Int8Tiles, 64)] {
            if let Some(peak) = Peak::of(Cpu::detect(), arithmetic) {
                assert_eq!(peak.operations(), 4 * 16 * 16 * row * 2, "{}", arithmetic.as_str());
            }
        }
    }

    #[test]
    fn tiles_are_for_the_machines_that_kernels_use_them_on() {
        for cpu in Cpu::all() {
            let is_theirs = cpu.name() == crate::cpu::IsaName::Avx512 && cpu.has_tiles();
            assert_eq!(Peak::of(cpu, Arithmetic::Bf16Tiles).is_some(), is_theirs, "{}", cpu.name().as_str());
        }
    }

    #[test]
    fn streams_go_through_all_of_it() {
        let from: Vec<f32> = (0..256_u16).map(f32::from).collect();
        for cpu in Cpu::all() {
            let mut to = vec![0.0; from.len()];
            assert_eq!(stream(cpu, Traffic::Read, &from, &mut to), 255.0 * 128.0);
            stream(cpu, Traffic::Copy, &from, &mut to);
            assert_eq!(to, from);
            stream(cpu, Traffic::Write, &from, &mut to);
            assert!(to.iter().all(|&value| value == 0.1), "{to:?}");
        }
    }
}
