//! Numbers that are the same on every machine: a small generator, hashed lattice noise and smooth blends.
//!
//! Only `+ - * /`, `sqrt` and `floor` are used, which IEEE 754 defines to the last bit: no function of a mathematics
//! library can make two machines draw two different heads.

/// A point or a vector in mm: x to Right, y to Anterior, z to Superior.
pub(super) type P3 = [f32; 3];

/// `[f(0), f(1), ...]`. The library's `from_fn` and `map` are left as calls here, one an entry: twice the time of a head.
#[inline]
pub(super) fn each<T: Copy + Default, const N: usize>(f: impl Fn(usize) -> T) -> [T; N] {
    let mut all = [T::default(); N];
    for (n, one) in all.iter_mut().enumerate() {
        *one = f(n);
    }
    all
}

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

/// Multipliers that spread the lattice index of each axis over 32 bits.
const PRIMES: [u32; 3] = [0x8DA6_B343, 0xD816_3841, 0xCB1A_B31F];

impl Field {
    /// The value at `p`, whose lattice has the given wavelength in mm.
    pub(super) fn at(self, p: P3, wavelength: f32) -> f32 {
        let cell = Cell::of(p, wavelength);
        let [u, v, w] = each(|axis| fade(cell.at[axis]));
        let hash: [u32; 8] = each(|n| cell.hash(self.0, n));
        let corner: [f32; 8] = each(|n| dot(direction(hash[n]), cell.from(n)));
        let row: [f32; 4] = each(|n| lerp(corner[2 * n], corner[2 * n + 1], u));
        lerp(lerp(row[0], row[1], v), lerp(row[2], row[3], v), w)
    }

    /// Three values at once, which have nothing to do with each other: a vector to shift points by.
    pub(super) fn vector(self, p: P3, wavelength: f32) -> P3 {
        let cell = Cell::of(p, wavelength);
        let blend: P3 = each(|axis| fade(cell.at[axis]));
        let mut sum = [0.0; 3];
        for n in 0..8 {
            let from = cell.from(n);
            let weight: P3 = each(|axis| if n >> axis & 1 == 1 { blend[axis] } else { 1.0 - blend[axis] });
            let weight = weight[0] * weight[1] * weight[2];
            let mut hash = cell.hash(self.0, n);
            for sum in &mut sum {
                *sum += weight * dot(direction(hash), from);
                hash = (hash ^ (hash >> 13)).wrapping_mul(0x9E37_79B1);
            }
        }
        sum
    }

    /// Value and gradient (per wavelength) at `p`.
    pub(super) fn with_gradient(self, p: P3, wavelength: f32) -> (f32, P3) {
        let cell = Cell::of(p, wavelength);
        let blend: P3 = each(|axis| fade(cell.at[axis]));
        let slope: P3 = each(|axis| fade_slope(cell.at[axis]));
        let mut value = 0.0;
        let mut gradient = [0.0; 3];
        for n in 0..8 {
            let upper = |axis: usize| n >> axis & 1 == 1;
            let direction = direction(cell.hash(self.0, n));
            let dot = dot(direction, cell.from(n));
            let weight: P3 = each(|a| if upper(a) { blend[a] } else { 1.0 - blend[a] });
            let change: P3 = each(|a| if upper(a) { slope[a] } else { -slope[a] });
            let all = weight[0] * weight[1] * weight[2];
            value += all * dot;
            gradient[0] += all * direction[0] + change[0] * weight[1] * weight[2] * dot;
            gradient[1] += all * direction[1] + weight[0] * change[1] * weight[2] * dot;
            gradient[2] += all * direction[2] + weight[0] * weight[1] * change[2] * dot;
        }
        (value, gradient)
    }
}

/// The lattice cell around a point. Corner `n` of 8 is the upper one along axis `a` where bit `a` of `n` is set.
struct Cell {
    /// The point inside the cell, 0..1.
    at: P3,
    /// Parts of the hash of the lower and the upper corner along each axis.
    parts: [[u32; 2]; 3],
}

impl Cell {
    #[inline]
    fn of(p: P3, wavelength: f32) -> Self {
        let mut cell = Self { at: [0.0; 3], parts: [[0; 2]; 3] };
        for axis in 0..3 {
            let q = p[axis] / wavelength;
            // Truncation and a step down instead of `floor`, which is a call where SSE 4.1 is not a given.
            #[expect(clippy::cast_possible_truncation, reason = "a head is some hundred mm wide")]
            let whole = q as i32;
            let low = whole - i32::from(q < whole as f32);
            cell.at[axis] = q - low as f32;
            let part = low.cast_unsigned().wrapping_mul(PRIMES[axis]);
            cell.parts[axis] = [part, part.wrapping_add(PRIMES[axis])];
        }
        cell
    }

    /// The way from corner `n` to the point.
    #[inline]
    fn from(&self, n: usize) -> P3 {
        each(|axis| if n >> axis & 1 == 1 { self.at[axis] - 1.0 } else { self.at[axis] })
    }

    #[inline]
    fn hash(&self, seed: u32, n: usize) -> u32 {
        let h = seed ^ self.parts[0][n & 1] ^ self.parts[1][n >> 1 & 1] ^ self.parts[2][n >> 2 & 1];
        let h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
        let h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
        h ^ (h >> 15)
    }
}

/// The gradient that a hash stands for: three components of 10 bits, -1 to 1.
#[inline]
fn direction(hash: u32) -> P3 {
    each(|axis| ((hash >> (10 * axis)) & 0x3FF) as f32 * (2.0 / 1023.0) - 1.0)
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

/// `a + share * b`.
#[inline]
pub(super) fn plus(a: P3, b: P3, share: f32) -> P3 {
    [a[0] + b[0] * share, a[1] + b[1] * share, a[2] + b[2] * share]
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
