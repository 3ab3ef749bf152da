//! Numbers that are the same on every machine: a small generator, hashed lattice noise and smooth blends.
//!
//! Only `+ - * /`, `sqrt` and `floor` are used, which IEEE 754 defines to the last bit: no function of a mathematics
//! library can make two machines draw two different heads.

/// A point or a vector in mm: x to Right, y to Anterior, z to Superior.
pub(super) type P3 = [f32; 3];

/// `SplitMix64` (Steele, Lea, Flood 2014): one 64-bit state, one good word a call.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// A generator for one purpose of one seed: two purposes never share their numbers.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        Self(scramble(seed ^ scramble(purpose.wrapping_add(0x5851_F42D_4C95_7F2D))))
    }

    pub(super) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        scramble(self.0)
    }

    /// Uniform in `[0, 1)`, on 24 bits.
    pub(super) fn unit(&mut self) -> f32 {
        to_unit(self.word())
    }

    /// Uniform in `[low, high)`.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// True with the given probability.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// A seed for a field of lattice noise.
    pub(super) fn field(&mut self) -> Field {
        #[expect(clippy::cast_possible_truncation, reason = "the upper half of the word is the seed")]
        Field((self.word() >> 32) as u32)
    }
}

/// The finaliser of `SplitMix64`: a bijection in which every input bit reaches every output bit.
pub(super) fn scramble(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn to_unit(word: u64) -> f32 {
    let bits = (word >> 40) as f32;
    bits * (1.0 / 16_777_216.0)
}

/// An approximately normal deviate (mean 0, variance 1) from one word: the sum of four 16-bit uniforms.
///
/// Its tails end at 3.46 standard deviations, which no one sees in a picture.
pub(super) fn normal(word: u64) -> f32 {
    let sum = (word & 0xFFFF) + ((word >> 16) & 0xFFFF) + ((word >> 32) & 0xFFFF) + (word >> 48);
    let sum = sum as f32;
    // Four uniforms on 0..=65535: mean 131070, variance 4 (65536^2 - 1) / 12.
    (sum - 131_070.0) * (1.0 / 37_837.23)
}

/// A field of gradient noise (Perlin 2002, hashed lattice): smooth, mean 0, about two thirds within +-0.33.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field(u32);

impl Field {
    /// The value at `p`, whose lattice has the given wavelength in mm.
    pub(super) fn at(self, p: P3, wavelength: f32) -> f32 {
        let (corner, [x, y, z]) = cell(p, wavelength);
        let [u, v, w] = [fade(x), fade(y), fade(z)];
        let dot = |i: i32, j: i32, k: i32, p: P3| self.corner(corner, [i, j, k], p).0;
        let row = |j: i32, k: i32, y: f32, z: f32| lerp(dot(0, j, k, [x, y, z]), dot(1, j, k, [x - 1.0, y, z]), u);
        let plane = |k: i32, z: f32| lerp(row(0, k, y, z), row(1, k, y - 1.0, z), v);
        lerp(plane(0, z), plane(1, z - 1.0), w)
    }

    /// Value and gradient (per wavelength) at `p`.
    pub(super) fn with_gradient(self, p: P3, wavelength: f32) -> (f32, P3) {
        let (corner, at) = cell(p, wavelength);
        let [x, y, z] = at;
        let (blend, slope) = ([fade(x), fade(y), fade(z)], [fade_slope(x), fade_slope(y), fade_slope(z)]);
        let mut value = 0.0;
        let mut gradient = [0.0; 3];
        for n in 0..8 {
            let step = [n & 1, (n >> 1) & 1, n >> 2];
            let from = [x - step[0] as f32, y - step[1] as f32, z - step[2] as f32];
            let (dot, direction) = self.corner(corner, step, from);
            let weight: [f32; 3] = std::array::from_fn(|a| if step[a] == 1 { blend[a] } else { 1.0 - blend[a] });
            let change: [f32; 3] = std::array::from_fn(|a| if step[a] == 1 { slope[a] } else { -slope[a] });
            let all = weight[0] * weight[1] * weight[2];
            value += all * dot;
            gradient[0] += all * direction[0] + change[0] * weight[1] * weight[2] * dot;
            gradient[1] += all * direction[1] + weight[0] * change[1] * weight[2] * dot;
            gradient[2] += all * direction[2] + weight[0] * weight[1] * change[2] * dot;
        }
        (value, gradient)
    }

    /// The lattice corner's gradient, and its product with the way from there.
    #[inline]
    fn corner(self, cell: [i32; 3], step: [i32; 3], from: P3) -> (f32, P3) {
        #[expect(clippy::cast_sign_loss, reason = "a hash takes the bits of a signed index")]
        let part = |axis: usize, prime: u32| (cell[axis].wrapping_add(step[axis]) as u32).wrapping_mul(prime);
        let mut h = self.0 ^ part(0, 0x8DA6_B343) ^ part(1, 0xD816_3841) ^ part(2, 0xCB1A_B31F);
        h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
        h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
        h ^= h >> 15;
        let component = |shift: u32| ((h >> shift) & 0x3FF) as f32 * (2.0 / 1023.0) - 1.0;
        let g = [component(0), component(10), component(20)];
        (g[0] * from[0] + g[1] * from[1] + g[2] * from[2], g)
    }
}

#[inline]
fn cell(p: P3, wavelength: f32) -> ([i32; 3], P3) {
    let q = p.map(|v| v / wavelength);
    let floor = q.map(f32::floor);
    #[expect(clippy::cast_possible_truncation, reason = "a head is some hundred mm wide")]
    let corner = floor.map(|v| v as i32);
    (corner, [q[0] - floor[0], q[1] - floor[1], q[2] - floor[2]])
}

#[inline]
fn fade(t: f32) -> f32 {
    t * t * t * (t * (t * 6.0 - 15.0) + 10.0)
}

#[inline]
fn fade_slope(t: f32) -> f32 {
    30.0 * t * t * (t * (t - 2.0) + 1.0)
}

#[inline]
pub(super) fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// 0 below `low`, 1 above `high`, smooth between.
#[inline]
pub(super) fn ramp(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The share of a voxel that lies inside a surface `depth` mm away, where an edge is `width` mm wide.
#[inline]
pub(super) fn covered(depth: f32, width: f32) -> f32 {
    ramp(-0.5 * width, 0.5 * width, depth)
}

/// The smaller of two distances, rounded over `radius` mm where they meet (polynomial, Quilez).
#[inline]
pub(super) fn smooth_min(a: f32, b: f32, radius: f32) -> f32 {
    let h = (radius - (a - b).abs()).max(0.0) / radius;
    a.min(b) - h * h * radius * 0.25
}

/// The larger of two distances, rounded over `radius` mm where they meet.
#[inline]
pub(super) fn smooth_max(a: f32, b: f32, radius: f32) -> f32 {
    -smooth_min(-a, -b, radius)
}

#[inline]
pub(super) fn minus(a: P3, b: P3) -> P3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

#[inline]
pub(super) fn dot(a: P3, b: P3) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[inline]
pub(super) fn length(a: P3) -> f32 {
    dot(a, a).sqrt()
}

/// Approximate signed distance to an ellipsoid, positive inside (first order: exact on the surface).
#[inline]
pub(super) fn ellipsoid(p: P3, centre: P3, radii: P3) -> f32 {
    let v = minus(p, centre);
    let near = [v[0] / radii[0], v[1] / radii[1], v[2] / radii[2]];
    let k0 = length(near);
    let k1 = length([near[0] / radii[0], near[1] / radii[1], near[2] / radii[2]]);
    if k1 < 1e-6 { radii[0].min(radii[1]).min(radii[2]) } else { k0 * (1.0 - k0) / k1 }
}

/// Signed distance to a rounded cone between two balls, positive inside (radii blended along the way).
#[inline]
pub(super) fn tube(p: P3, from: (P3, f32), to: (P3, f32)) -> f32 {
    let (along, v) = (minus(to.0, from.0), minus(p, from.0));
    let t = (dot(v, along) / dot(along, along)).clamp(0.0, 1.0);
    lerp(from.1, to.1, t) - length([v[0] - along[0] * t, v[1] - along[1] * t, v[2] - along[2] * t])
}
