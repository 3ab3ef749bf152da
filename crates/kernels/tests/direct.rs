//! Direct convolutions against their definitions in f64, on every instruction set, for awkward shapes.

use kernels::{
    Canonical, Cpu, Gather, LANES, Shape, Source, Write, blocks, convolve, convolve_scratch, convolve_up,
    convolve_up_scratch, pack_channels, pack_weights, packed_len, partial_len, unpack_channels, voxels,
    weight_gradient, weight_gradient_scratch,
};
use proptest::prelude::*;

/// Numbers in -1..1 from a seed.
fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut s = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..n)
        .map(|_| {
            s ^= s << 13;
            s ^= s >> 7;
            s ^= s << 17;
            (s >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// A layer as its definition has it: `dst[o][p * place...] += w * src`, planar, in f64.
#[derive(Clone, Copy, Debug)]
enum Layer {
    Conv3 { stride: usize },
    Up2,
    Conv1,
}

impl Layer {
    fn taps(self) -> usize {
        match self {
            Self::Conv3 { .. } => 27,
            Self::Up2 => 8,
            Self::Conv1 => 1,
        }
    }

    fn out(self, src: Shape) -> Shape {
        match self {
            Self::Conv3 { stride } => src.map(|n| n.div_ceil(stride)),
            Self::Up2 => src.map(|n| 2 * n),
            Self::Conv1 => src,
        }
    }

    /// Calls `f(src voxel, dst voxel, tap)` for every product of the definition.
    fn products(self, src: Shape, mut f: impl FnMut(usize, usize, usize)) {
        let out = self.out(src);
        let flat = |s: Shape, p: [usize; 3]| (p[0] * s[1] + p[1]) * s[2] + p[2];
        for z in 0..out[0] {
            for y in 0..out[1] {
                for x in 0..out[2] {
                    let at = [z, y, x];
                    match self {
                        Self::Conv1 => f(flat(src, at), flat(out, at), 0),
                        Self::Up2 => {
                            let tap = z % 2 * 4 + y % 2 * 2 + x % 2;
                            f(flat(src, at.map(|n| n / 2)), flat(out, at), tap);
                        }
                        Self::Conv3 { stride } => {
                            for k in 0..27 {
                                let k3 = [k / 9, k / 3 % 3, k % 3];
                                let from = [0, 1, 2].map(|a| (at[a] * stride + k3[a]) as isize - 1);
                                if (0..3).all(|a| from[a] >= 0 && from[a] < src[a] as isize) {
                                    f(flat(src, from.map(|n| n as usize)), flat(out, at), k);
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Index of a weight in canonical order.
    fn weight(self, (i, o): (usize, usize), (ii, oi): (usize, usize), tap: usize) -> usize {
        match self {
            Self::Up2 => (ii * o + oi) * 8 + tap,
            Self::Conv3 { .. } | Self::Conv1 => (oi * i + ii) * self.taps() + tap,
        }
    }

    fn forward(self, src: Shape) -> (Vec<Gather>, Canonical) {
        match self {
            Self::Conv3 { stride } => (vec![Gather::conv3(src, stride)], Canonical::OutIn),
            Self::Up2 => (Gather::up2(src), Canonical::InOut),
            Self::Conv1 => (vec![Gather::conv1(src)], Canonical::OutIn),
        }
    }

    fn backward(self, src: Shape) -> (Vec<Gather>, Canonical) {
        match self {
            Self::Conv3 { stride } => (Gather::conv3_back(src, stride), Canonical::InOut),
            Self::Up2 => (vec![Gather::up2_back(src)], Canonical::OutIn),
            Self::Conv1 => (vec![Gather::conv1(src)], Canonical::InOut),
        }
    }
}

fn pack(planar: &[f32], channels: usize, v: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; blocks(channels) * v * LANES];
    pack_channels(Cpu::detect(), planar, channels, v, &mut out);
    out
}

fn unpack(blocked: &[f32], channels: usize, v: usize) -> Vec<f32> {
    let mut out = vec![0.0; channels * v];
    unpack_channels(blocked, channels, v, &mut out);
    out
}

fn gathered(
    cpu: Cpu,
    (gathers, order): &(Vec<Gather>, Canonical),
    taps: usize,
    (src, i): (&[Source<'_>], usize),
    (w, o): (&[f32], usize),
    bias: &[f32],
) -> Vec<f32> {
    let mut packed = vec![f32::NAN; packed_len(taps, i, o)];
    pack_weights(*order, taps, (i, o), w, &mut packed);
    let v = voxels(gathers[0].dst_shape());
    let mut dst = vec![f32::NAN; blocks(o) * v * LANES];
    for g in gathers {
        let mut scratch = vec![f32::NAN; convolve_scratch(g, blocks(i)) * rayon::current_num_threads()];
        convolve(cpu, g, (src, i), (&packed, bias), (&mut dst, Write::Overwrite), &mut scratch);
    }
    unpack(&dst, o, v)
}

/// All corners of a transposed convolution at once.
fn up(cpu: Cpu, shape: Shape, (src, i): (&Source<'_>, usize), (w, o): (&[f32], usize), bias: &[f32]) -> Vec<f32> {
    let mut packed = vec![f32::NAN; packed_len(8, i, o)];
    pack_weights(Canonical::InOut, 8, (i, o), w, &mut packed);
    let mut dst = vec![f32::NAN; blocks(o) * 8 * voxels(shape) * LANES];
    let mut scratch = vec![f32::NAN; convolve_up_scratch(shape, blocks(i)) * rayon::current_num_threads()];
    convolve_up(cpu, shape, (src, i), (&packed, bias), &mut dst, &mut scratch);
    unpack(&dst, o, 8 * voxels(shape))
}

fn check(layer: Layer, src: Shape, (i, o): (usize, usize), seed: u64) -> Result<(), TestCaseError> {
    let out = layer.out(src);
    let (v, vo) = (voxels(src), voxels(out));
    let x = noise(i * v, seed);
    let (scale, shift) = (noise(blocks(i) * LANES, seed + 1), noise(blocks(i) * LANES, seed + 2));
    let w = noise(i * o * layer.taps(), seed + 3);
    let d = noise(o * vo, seed + 4);
    let bias = noise(blocks(o) * LANES, seed + 5);
    let seen: Vec<f32> = (0..i * v)
        .map(|at| {
            let t = x[at].mul_add(scale[at / v], shift[at / v]);
            t.max(t * 0.1)
        })
        .collect();
    // The definition, in f64.
    let mut y: Vec<f64> = (0..o * vo).map(|at| f64::from(bias[at / vo])).collect();
    let mut dx = vec![0.0f64; i * v];
    let mut dw = vec![0.0f64; w.len()];
    layer.products(src, |from, to, tap| {
        for oi in 0..o {
            for ii in 0..i {
                let at = layer.weight((i, o), (ii, oi), tap);
                y[oi * vo + to] += f64::from(w[at]) * f64::from(seen[ii * v + from]);
                dx[ii * v + from] += f64::from(w[at]) * f64::from(d[oi * vo + to]);
                dw[at] += f64::from(seen[ii * v + from]) * f64::from(d[oi * vo + to]);
            }
        }
    });
    let close = |name: &str, got: &[f32], want: &[f64], terms: usize| -> Result<(), TestCaseError> {
        // Sums of n terms of size <= 2 in f32: an error of a few ulp times sqrt(n), with room.
        let bound = 4e-7 * (terms as f64).sqrt().max(4.0) * 4.0;
        for (at, (g, w)) in got.iter().zip(want).enumerate() {
            prop_assert!((f64::from(*g) - w).abs() <= bound, "{name}[{at}]: {g} for {w}, bound {bound}");
        }
        Ok(())
    };
    // Two sources where there are two blocks or more.
    let packed = pack(&x, i, v);
    let cut = blocks(i) / 2;
    let part = |from: usize, to: usize| Source {
        values: &packed[from * v * LANES..to * v * LANES],
        scale: &scale[from * LANES..to * LANES],
        shift: &shift[from * LANES..to * LANES],
        slope: 0.1,
    };
    let sources: Vec<Source<'_>> =
        if cut > 0 { vec![part(0, cut), part(cut, blocks(i))] } else { vec![part(0, blocks(i))] };
    let d_packed = pack(&d, o, vo);
    let mut first: Option<(Vec<f32>, Vec<f32>, Vec<f32>)> = None;
    for cpu in Cpu::all() {
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .map_err(|e| TestCaseError::fail(e.to_string()))?;
            let (gy, gx, gw) = pool.install(|| {
                let forward = layer.forward(src);
                let gy = gathered(cpu, &forward, layer.taps(), (&sources, i), (&w, o), &bias);
                if matches!(layer, Layer::Up2) {
                    let whole = part(0, blocks(i));
                    let at_once = up(cpu, src, (&whole, i), (&w, o), &bias);
                    assert!(at_once == gy, "{cpu:?}: all corners at once give other bits");
                }
                let plain = [Source::plain(&d_packed)];
                let gx = gathered(cpu, &layer.backward(src), layer.taps(), (&plain, o), (&w, i), &[]);
                let mut gw = vec![f32::NAN; w.len()];
                let mut partial = vec![f32::NAN; partial_len(&forward.0, (i, o))];
                let mut scratch = vec![f32::NAN; weight_gradient_scratch(&forward.0, (i, o)) * threads];
                weight_gradient(
                    cpu,
                    &forward.0,
                    (&sources, &d_packed),
                    (forward.1, i, o),
                    (&mut gw, Write::Overwrite),
                    (&mut partial, &mut scratch),
                );
                (gy, gx, gw)
            });
            close("y", &gy, &y, 27 * i)?;
            close("dx", &gx, &dx, 27 * o)?;
            close("dw", &gw, &dw, vo)?;
            match &first {
                None => first = Some((gy, gx, gw)),
                Some((y0, x0, w0)) => {
                    prop_assert!(y0 == &gy && x0 == &gx && w0 == &gw, "{cpu:?} with {threads} threads: other bits");
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_layer_is_its_definition(
        d in 1usize..6, h in 1usize..10, w in 1usize..19, i in 1usize..36, o in 1usize..36, seed in 0u64..1000,
    ) {
        for layer in [Layer::Conv3 { stride: 1 }, Layer::Conv3 { stride: 2 }, Layer::Up2, Layer::Conv1] {
            check(layer, [d, h, w], (i, o), seed)?;
        }
    }
}

#[test]
fn borders_and_channel_tails() {
    for layer in [Layer::Conv3 { stride: 1 }, Layer::Conv3 { stride: 2 }, Layer::Up2, Layer::Conv1] {
        for (shape, channels) in
            [([1, 1, 1], (1, 1)), ([2, 9, 27], (4, 16)), ([3, 2, 13], (17, 33)), ([5, 4, 12], (32, 32))]
        {
            if let Err(e) = check(layer, shape, channels, 7) {
                panic!("{layer:?} {shape:?} {channels:?}: {e}");
            }
        }
    }
}
