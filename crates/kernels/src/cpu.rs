//! The best proof this machine has, lowered on request, never raised.

use crate::isa::{DotKernel, Isa, Kernel, scalar::Scalar, tiles::TileKernel};
#[cfg(target_arch = "x86_64")]
use crate::isa::{amx::Amx, avx2::Avx2, avx512::Avx512, vnni::Vnni};

/// The instruction sets by name, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IsaName {
    /// Plain Rust.
    Scalar,
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX-512F.
    Avx512,
}

impl IsaName {
    /// All of them, lowest first.
    pub const ALL: [Self; 3] = [Self::Scalar, Self::Avx2, Self::Avx512];

    /// The word that the command line uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

/// Proof of an instruction set of the running CPU. Only [`Cpu::detect`] and [`Cpu::lowered_to`] make one.
#[derive(Clone, Copy, Debug)]
pub struct Cpu(Proof);

#[derive(Clone, Copy, Debug)]
enum Proof {
    Scalar(Scalar),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Cpu {
    /// The best that this machine has.
    pub fn detect() -> Self {
        IsaName::ALL.iter().rev().find_map(|&name| Self::with(name)).unwrap_or(Self(Proof::Scalar(Scalar)))
    }

    /// This instruction set, or `None` where the machine lacks it.
    pub fn lowered_to(name: IsaName) -> Option<Self> {
        Self::with(name)
    }

    /// Every instruction set of this machine, lowest first: what tests run through.
    pub fn all() -> Vec<Self> {
        IsaName::ALL.iter().filter_map(|&name| Self::with(name)).collect()
    }

    /// Which one this is.
    pub fn name(self) -> IsaName {
        match self.0 {
            Proof::Scalar(_) => IsaName::Scalar,
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2(_) => IsaName::Avx2,
            #[cfg(target_arch = "x86_64")]
            Proof::Avx512(_) => IsaName::Avx512,
        }
    }

    /// Runs `kernel` compiled for this instruction set. Called inside each task: a closure that is handed to a thread
    /// pool loses the instruction set of its caller.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Proof::Scalar(isa) => isa.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2(isa) => isa.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Proof::Avx512(isa) => isa.run(kernel),
        }
    }

    /// Whether this machine has products of 16-bit integers, and of bytes, for this instruction set: VNNI beside AVX-512. The
    /// scalar ones are always there, and are what the others are compared with.
    pub fn has_int16(self) -> bool {
        match self.0 {
            Proof::Scalar(_) => true,
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2(_) => false,
            #[cfg(target_arch = "x86_64")]
            Proof::Avx512(isa) => Vnni::detect(isa).is_some(),
        }
    }

    /// Runs `kernel` compiled for this instruction set and its products of integers.
    ///
    /// # Panics
    /// If it has none: callers ask [`Cpu::has_int16`] first.
    pub(crate) fn run_dots<K: DotKernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Proof::Scalar(isa) => kernel.run(isa, isa),
            #[cfg(target_arch = "x86_64")]
            Proof::Avx512(isa) if let Some(dots) = Vnni::detect(isa) => dots.run(isa, kernel),
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2(_) | Proof::Avx512(_) => panic!("{}: no products of 16-bit integers", self.name().as_str()),
        }
    }

    /// Whether this machine multiplies tiles of bf16 beside this instruction set: AMX beside AVX-512, where the system allows it. The
    /// scalar ones are always there, and are what the others are compared with.
    pub fn has_tiles(self) -> bool {
        match self.0 {
            Proof::Scalar(_) => true,
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2(_) => false,
            #[cfg(target_arch = "x86_64")]
            Proof::Avx512(isa) => Amx::detect(isa).is_some(),
        }
    }

    /// Runs `kernel` compiled for this instruction set and its products of tiles.
    ///
    /// # Panics
    /// If it has none: callers ask [`Cpu::has_tiles`] first.
    pub(crate) fn run_tiles<K: TileKernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Proof::Scalar(isa) => kernel.run(isa, isa),
            #[cfg(target_arch = "x86_64")]
            Proof::Avx512(isa) if let Some(tiles) = Amx::detect(isa) => tiles.run(isa, kernel),
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2(_) | Proof::Avx512(_) => panic!("{}: no products of tiles", self.name().as_str()),
        }
    }

    fn with(name: IsaName) -> Option<Self> {
        match name {
            IsaName::Scalar => Some(Self(Proof::Scalar(Scalar))),
            #[cfg(target_arch = "x86_64")]
            IsaName::Avx2 => Avx2::detect().map(|isa| Self(Proof::Avx2(isa))),
            #[cfg(target_arch = "x86_64")]
            IsaName::Avx512 => Avx512::detect().map(|isa| Self(Proof::Avx512(isa))),
            #[cfg(not(target_arch = "x86_64"))]
            _ => None,
        }
    }
}
