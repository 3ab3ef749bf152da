//! The 1x1x1 head against its definition in f64, forward and back, about its chunk of 4096 voxels.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

mod numbers;

use kernels::{Cpu, Decision, LANES, Write, blocks, head, head_back, head_back_scratch, head_decided};
use numbers::{Raw, every_way, noise, pack, unpack};
use proptest::prelude::*;

/// Rounding of f32.
const ULP: f64 = 1.0 / 16_777_216.0;

struct Layer {
    channels: usize,
    outs: usize,
    voxels: usize,
    raw: Raw,
    weights: Vec<f32>,
    bias: Vec<f32>,
    d: Vec<f32>,
}

impl Layer {
    fn new((channels, outs, voxels): (usize, usize, usize), seed: u64, slope: f32) -> Self {
        let raw = Raw::new(noise(channels * voxels, seed), channels, voxels, seed, slope);
        let (weights, bias) = (noise(outs * channels, seed + 5), noise(outs, seed + 6));
        Self { channels, outs, voxels, raw, weights, bias, d: noise(outs * voxels, seed + 7) }
    }

    fn width(&self) -> usize {
        blocks(self.channels) * LANES
    }

    /// `[R][C/16 * 16]`.
    fn padded(&self, rows: &[f32]) -> Vec<f32> {
        let mut padded = vec![0.0; self.outs * self.width()];
        for (to, from) in padded.chunks_exact_mut(self.width()).zip(rows.chunks_exact(self.channels)) {
            to[..self.channels].copy_from_slice(from);
        }
        padded
    }

    fn forward(&self, cpu: Cpu) -> Vec<f32> {
        let mut logits = vec![f32::NAN; self.outs * self.voxels];
        head(cpu, &self.raw.source(), self.voxels, (&self.padded(&self.weights), &self.bias), &mut logits);
        logits
    }

    fn decided(&self, cpu: Cpu, decision: &Decision) -> Vec<u8> {
        let mut decided = vec![255; self.voxels];
        let w = self.padded(&self.weights);
        head_decided(cpu, &self.raw.source(), self.voxels, (&w, &self.bias), (decision, &mut decided));
        decided
    }

    /// Gradients of source, weights and bias, the last two added to `old`.
    fn back(&self, cpu: Cpu, write: Write, old: &[f32]) -> [Vec<f32>; 3] {
        let mut d_src = match write {
            Write::Overwrite => vec![f32::NAN; self.raw.blocked.len()],
            Write::Add => pack(&self.raw.planar, self.channels, self.voxels),
        };
        let (mut d_w, mut d_bias) = (self.padded(old), old[..self.outs].to_vec());
        let n = head_back_scratch(blocks(self.channels), self.voxels, self.outs);
        let mut scratch = vec![f32::NAN; n];
        head_back(
            cpu,
            (&self.raw.source(), self.voxels),
            (&self.padded(&self.weights), &self.d),
            (&mut d_src, write),
            (&mut d_w, &mut d_bias),
            &mut scratch,
        );
        let rows = d_w.chunks_exact(self.width());
        let d_w = rows.flat_map(|row| row[..self.channels].to_vec()).collect();
        [unpack(&d_src, self.channels, self.voxels), d_w, d_bias]
    }
}

/// A sum with its bound: `roundings` of the sum of the sizes of its terms.
fn close(name: &str, got: f32, terms: impl Iterator<Item = f64>, roundings: f64) {
    let (mut want, mut sizes) = (0.0, 0.0);
    for term in terms {
        want += term;
        sizes += term.abs();
    }
    let off = (f64::from(got) - want).abs();
    assert!(off <= roundings * ULP * sizes, "{name}: {got} for {want}, {off:e} off");
}

fn check(sizes: (usize, usize, usize), seed: u64, slope: f32) {
    let layer = Layer::new(sizes, seed, slope);
    let (channels, outs, v) = sizes;
    let old = noise(outs * channels.max(outs), seed + 9);
    let got = every_way(|cpu| {
        let mut results = vec![layer.forward(cpu)];
        results.extend(layer.back(cpu, Write::Overwrite, &old));
        results.extend(layer.back(cpu, Write::Add, &old));
        results
    });
    let w = |r: usize, c: usize| f64::from(layer.weights[r * channels + c]);
    let seen = |c: usize, at: usize| f64::from(layer.raw.seen(c * v + at, v));
    let d = |r: usize, at: usize| f64::from(layer.d[r * v + at]);
    for r in 0..outs {
        for at in 0..v {
            let terms = (0..channels).map(|c| w(r, c) * seen(c, at)).chain([f64::from(layer.bias[r])]);
            // Products, a tree of 16 and the sum of blocks.
            close("logit", got[0][r * v + at], terms, 6.0 + blocks(channels) as f64);
        }
        // 4096 additions in f32, whose errors walk at random; chunks are added in f64.
        close("d_bias", got[3][r], (0..v).map(|at| d(r, at)).chain([f64::from(old[r])]), 64.0);
        for c in 0..channels {
            let was = f64::from(old[r * channels + c]);
            let terms = (0..v).map(|at| d(r, at) * seen(c, at)).chain([was]);
            close("d_w", got[2][r * channels + c], terms, 64.0);
        }
    }
    for c in 0..channels {
        for at in 0..v {
            let terms = || (0..outs).map(|r| d(r, at) * w(r, c));
            close("d_src", got[1][c * v + at], terms(), 1.0 + outs as f64);
            let old = f64::from(layer.raw.planar[c * v + at]);
            close("d_src added", got[4][c * v + at], terms().chain([old]), 2.0 + outs as f64);
        }
    }
    assert_eq!((&got[2], &got[3]), (&got[5], &got[6]), "weights do not care how the source is written");
}

#[test]
fn chunks_and_their_ends() {
    for voxels in [1, 2, 15, 4095, 4096, 4097, 8200] {
        check((17, 3, voxels), 1, 0.01);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_size_is_its_definition(
        channels in 1usize..40, outs in 1usize..9, voxels in 1usize..300, seed in 0u64..1000,
        slope in prop::sample::select(vec![0.0f32, 0.01, 1.0]),
    ) {
        check((channels, outs, voxels), seed, slope);
    }

    #[test]
    fn every_size_decides_as_its_logits_do(
        channels in 1usize..40, outs in 1usize..9, voxels in 1usize..300, seed in 0u64..1000, least in -1.0f32..1.0,
    ) {
        check_decided(&Layer::new((channels, outs, voxels), seed, 0.01), std::array::from_fn(|r| least * r as f32));
    }
}

/// Decisions are those of the stored logits, to the bit, on every instruction set.
fn check_decided(layer: &Layer, least: [f32; 8]) {
    for cpu in Cpu::all() {
        let logits = layer.forward(cpu);
        let of = |r: usize, v: usize| logits[r * layer.voxels + v];
        let bits = layer.decided(cpu, &Decision::AtLeast(least));
        let best = layer.decided(cpu, &Decision::Largest);
        for v in 0..layer.voxels {
            let expected = (0..layer.outs).fold(0, |bits, r| bits | u8::from(of(r, v) >= least[r]) << r);
            assert_eq!(bits[v], expected, "{:?}, voxel {v}", cpu.name());
            let first = (1..layer.outs).fold(0, |best, r| if of(r, v) > of(best, v) { r } else { best });
            assert_eq!(usize::from(best[v]), first, "{:?}, voxel {v}", cpu.name());
        }
    }
}

#[test]
fn decisions_at_the_edges() {
    let mut layer = Layer::new((5, 3, 300), 3, 0.01);
    let at = layer.forward(Cpu::detect())[7];
    let nan = f32::NAN;
    check_decided(&layer, [at, f32::NEG_INFINITY, f32::INFINITY, nan, nan, nan, nan, nan]);
    layer.raw.blocked[3 * LANES] = f32::NAN;
    layer.raw.blocked[4 * LANES] = f32::INFINITY;
    check_decided(&layer, [f32::NEG_INFINITY, 0.0, f32::INFINITY, nan, nan, nan, nan, nan]);
    layer.weights.fill(0.0);
    layer.bias.fill(0.25);
    check_decided(&layer, [0.25; 8]);
    assert!(
        layer.decided(Cpu::detect(), &Decision::Largest)[..3].iter().all(|&best| best == 0),
        "of equal ones the first"
    );
}

#[test]
#[should_panic(expected = "8 at most")]
fn nine_outputs_are_refused() {
    let layer = Layer::new((4, 9, 3), 1, 1.0);
    layer.forward(Cpu::detect());
}
