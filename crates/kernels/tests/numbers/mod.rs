//! Numbers from seeds, and one answer from every instruction set and number of threads.

use kernels::{Cpu, LANES, Source, blocks, pack_channels, unpack_channels};

/// Numbers in -1..1 from a seed.
pub(crate) fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut s = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        (s >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    next();
    (0..n).map(|_| next()).collect()
}

/// Planar `[C][V]` to blocks.
pub(crate) fn pack(planar: &[f32], channels: usize, voxels: usize) -> Vec<f32> {
    let mut blocked = vec![f32::NAN; blocks(channels) * voxels * LANES];
    pack_channels(Cpu::detect(), planar, channels, voxels, &mut blocked);
    blocked
}

/// Blocks to planar `[C][V]`.
pub(crate) fn unpack(blocked: &[f32], channels: usize, voxels: usize) -> Vec<f32> {
    let mut planar = vec![f32::NAN; channels * voxels];
    unpack_channels(blocked, channels, voxels, &mut planar);
    planar
}

/// Raw planar values and what they owe: scale and shift for whole blocks, zero past the last channel as a net has them.
pub(crate) struct Raw {
    pub(crate) planar: Vec<f32>,
    pub(crate) blocked: Vec<f32>,
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
    pub(crate) slope: f32,
}

impl Raw {
    pub(crate) fn new(planar: Vec<f32>, channels: usize, voxels: usize, seed: u64, slope: f32) -> Self {
        let owed = |seed| {
            let mut of = noise(channels, seed);
            of.resize(blocks(channels) * LANES, 0.0);
            of
        };
        let blocked = pack(&planar, channels, voxels);
        Self { planar, blocked, scale: owed(seed + 1), shift: owed(seed + 2), slope }
    }

    pub(crate) fn source(&self) -> Source<'_> {
        Source { values: &self.blocked, scale: &self.scale, shift: &self.shift, slope: self.slope }
    }

    /// `scale * x + shift` of planar place `at`, rounded once as the kernels do.
    pub(crate) fn u(&self, at: usize, voxels: usize) -> f32 {
        self.planar[at].mul_add(self.scale[at / voxels], self.shift[at / voxels])
    }

    /// What a reader sees at planar place `at`.
    pub(crate) fn seen(&self, at: usize, voxels: usize) -> f32 {
        let u = self.u(at, voxels);
        if u > 0.0 { u } else { u * self.slope }
    }
}

/// What `run` gives on every instruction set with 1, 2 and 3 threads, which must be the same bits.
pub(crate) fn every_way(run: impl Fn(Cpu) -> Vec<Vec<f32>> + Sync) -> Vec<Vec<f32>> {
    let mut first: Option<Vec<Vec<f32>>> = None;
    for cpu in Cpu::all() {
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let got = pool.install(|| run(cpu));
            let bits = |of: &[Vec<f32>]| of.iter().flatten().map(|x| x.to_bits()).collect::<Vec<_>>();
            match &first {
                Some(first) => {
                    assert!(bits(first) == bits(&got), "{:?} with {threads} threads: other bits", cpu.name());
                }
                None => first = Some(got),
            }
        }
    }
    first.unwrap()
}
