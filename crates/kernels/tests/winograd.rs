//! Winograd convolutions against their definition in f64, over awkward shapes, instruction sets and thread counts.

use kernels::{Cpu, Direction, LANES, Source, Winograd, Write, blocks, pack_channels, unpack_channels};

/// Numbers that look normal (sums of four uniform ones, variance one), the same for the same seed.
fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    };
    (0..n).map(|_| (uniform() + uniform() + uniform() + uniform()) * 3_f32.sqrt()).collect()
}

fn relative(got: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len(), "lengths");
    let difference: f64 = got.iter().zip(expected).map(|(&g, &e)| (f64::from(g) - e).powi(2)).sum();
    let size: f64 = expected.iter().map(|e| e * e).sum();
    assert!(difference.is_finite(), "not finite");
    if size == 0.0 { difference.sqrt() } else { (difference / size).sqrt() }
}

/// A layer: planar input as the convolution sees it, and how it is handed over.
struct Layer {
    shape: [usize; 3],
    o: usize,
    i: usize,
    /// Channels of each source.
    split: Vec<usize>,
    /// Blocked values, scale, shift, slope of each source.
    stored: Vec<(Vec<f32>, Vec<f32>, Vec<f32>, f32)>,
    /// `[I][D][H][W]`, in f64: affine and activation applied.
    seen: Vec<f64>,
    weights: Vec<f32>,
    d_dst: Vec<f32>,
}

impl Layer {
    fn new(shape: [usize; 3], split: &[usize], o: usize, owed: bool) -> Self {
        let (i, n): (usize, usize) = (split.iter().sum(), shape.iter().product());
        let mut seen = Vec::new();
        let mut stored = Vec::new();
        for (k, &channels) in split.iter().enumerate() {
            let planar = noise(channels * n, 7 + k as u64);
            let mut values = vec![f32::NAN; blocks(channels) * n * LANES];
            pack_channels(&planar, channels, n, &mut values);
            let mut owing = |seed| {
                let mut of = noise(channels, seed);
                of.resize(if owed { blocks(channels) * LANES } else { 0 }, 0.0);
                of
            };
            let (scale, shift) = (owing(20 + k as u64), owing(30 + k as u64));
            let slope = if owed { 0.01 + 0.2 * k as f32 } else { 1.0 };
            for c in 0..channels {
                let (a, b) = if owed { (f64::from(scale[c]), f64::from(shift[c])) } else { (1.0, 0.0) };
                let t = planar[c * n..][..n].iter().map(|&x| f64::from(x) * a + b);
                seen.extend(t.map(|t| if t > 0.0 { t } else { t * f64::from(slope) }));
            }
            stored.push((values, scale, shift, slope));
        }
        let weights = noise(o * i * 27, 1);
        let d_dst = noise(o * n, 2);
        Self { shape, o, i, split: split.to_vec(), stored, seen, weights, d_dst }
    }

    fn sources(&self) -> Vec<Source<'_>> {
        let source = |(values, scale, shift, slope): &'_ (Vec<f32>, Vec<f32>, Vec<f32>, f32)| -> Source<'_> {
            // SAFETY of lifetimes: all borrow from `self`.
            Source { values: leak(values), scale: leak(scale), shift: leak(shift), slope: *slope }
        };
        self.stored.iter().map(source).collect()
    }
}
