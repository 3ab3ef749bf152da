//! A 3x3x3 convolution in tiles by its definition in f64.

use kernels::{Bf16, Shape, voxels};

/// What a convolution reads, planar, and its weights `[O][I][27]`.
pub(crate) struct Definition<'a> {
    pub(crate) shape: Shape,
    pub(crate) stride: usize,
    pub(crate) channels: (usize, usize),
    pub(crate) seen: &'a [f32],
    pub(crate) weights: &'a [f32],
}

/// An output by definition.
#[derive(Clone, Copy, Default)]
pub(crate) struct Exact {
    pub(crate) sum: f64,
    /// Of values and weights that were rounded to bf16: as they are, or what filtering makes of them.
    pub(crate) of_rounded: f64,
    /// Of magnitudes.
    pub(crate) size: f64,
}

impl Exact {
    /// Adds the product of a value and a weight that are multiplied as they are.
    fn add(&mut self, value: f32, weight: f32) {
        self.sum += wide(value) * wide(weight);
        self.meet(value, weight, 1.0, wide(weight).abs());
    }

    /// Adds a product that is made, `sign` times; `size` is that of what the weight was made of.
    fn meet(&mut self, value: f32, weight: f32, sign: f64, size: f64) {
        self.of_rounded += sign * wide(Bf16::of(value).wide()) * wide(Bf16::of(weight).wide());
        self.size += wide(value).abs() * size;
    }
}

fn wide(x: f32) -> f64 {
    f64::from(x)
}

impl Definition<'_> {
    /// Whether two planes are made at a time, by F(2, 3).
    pub(crate) fn is_filtered(&self) -> bool {
        self.stride == 1 && self.shape[0] > 1 && self.channels.0 > 4
    }

    /// Planar.
    pub(crate) fn outputs(&self) -> Vec<Exact> {
        let (i, o) = self.channels;
        let out = self.shape.map(|n| (n - 1) / self.stride + 1);
        let mut outputs = Vec::new();
        for weights in self.weights.chunks_exact(i * 27).take(o) {
            let start = outputs.len();
            outputs.resize(start + voxels(out), Exact::default());
            for (c, weights) in weights.chunks_exact(27).enumerate() {
                for (at, output) in outputs[start..].iter_mut().enumerate() {
                    let at = [at / (out[1] * out[2]), at / out[2] % out[1], at % out[2]];
                    for tap in 0..9 {
                        let by = [0, 1, 2].map(|z| weights[z * 9 + tap]);
                        self.column((c, at, [tap / 3, tap % 3]), by, output);
                    }
                }
            }
        }
        outputs
    }

    /// Adds what the three taps along z give.
    fn column(&self, (c, [z, y, x], tap): (usize, [usize; 3], [usize; 2]), by: [f32; 3], output: &mut Exact) {
        let s = self.stride;
        let value = |z: usize| self.value(c, [z, s * y + tap[0], s * x + tap[1]]);
        if !self.is_filtered() {
            (0..3).for_each(|k| output.add(value(s * z + k), by[k]));
            return;
        }
        let [d0, d1, d2, d3] = [0, 1, 2, 3].map(|k| value(z / 2 * 2 + k));
        let ends = by[0] + by[2];
        let of_ends = (wide(by[0]).abs() + wide(by[1]).abs() + wide(by[2]).abs()) / 2.0;
        let sign = if z % 2 == 0 { 1.0 } else { -1.0 };
        output.meet(d1 + d2, (ends + by[1]) * 0.5, 1.0, of_ends);
        output.meet(d2 - d1, (ends - by[1]) * 0.5, sign, of_ends);
        if z % 2 == 0 {
            output.meet(d0 - d2, by[0], 1.0, wide(by[0]).abs());
        } else {
            output.meet(d3 - d1, by[2], 1.0, wide(by[2]).abs());
        }
        let three = if z % 2 == 0 { [d0, d1, d2] } else { [d1, d2, d3] };
        three.into_iter().zip(by).for_each(|(d, w)| output.sum += wide(d) * wide(w));
    }

    /// The value at a place of the input within its border.
    fn value(&self, c: usize, at: [usize; 3]) -> f32 {
        let [depth, height, width] = self.shape;
        let is_inside = (0..3).all(|axis| (1..=self.shape[axis]).contains(&at[axis]));
        if is_inside { self.seen[((c * depth + at[0] - 1) * height + at[1] - 1) * width + at[2] - 1] } else { 0.0 }
    }
}
