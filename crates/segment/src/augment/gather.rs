//! One gather from a case straight into the output: flip, zoom and rotation without an intermediate volume.
//!
//! Positions are 32.32 fixed-point numbers, so which part of a row lies inside a case is exact integer arithmetic and the
//! inner loop needs no test of bounds of its own.

use super::carve::Carve;
use super::draw::{Geometry, Paste};
use crate::sample::{AIR, CHANNELS, Patch, PatchPlan, Source, is_tumour, signed};

/// One voxel in fixed point.
const ONE: i64 = 1 << 32;

/// Output voxel to source voxel: `source = matrix * output + origin`, axes D, H, W, in voxels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mapping {
    /// `[source axis][output axis]`.
    pub matrix: [[f64; 3]; 3],
    /// Where output voxel 0 comes from.
    pub origin: [f64; 3],
}

impl Mapping {
    /// The mapping of a patch whose first voxel would be `start` if nothing were turned.
    pub fn of(geometry: &Geometry, start: [i64; 3], patch: [usize; 3]) -> Self {
        let turn = rotation(geometry.rotation);
        let scale: [f64; 3] = std::array::from_fn(|axis| {
            let sign = if geometry.flips[axis] { -1.0 } else { 1.0 };
            sign / geometry.zoom[axis]
        });
        let matrix = turn.map(|row| std::array::from_fn(|axis| row[axis] * scale[axis]));
        let middle = patch.map(|n| (n as f64 - 1.0) / 2.0);
        let offset = times(&matrix, middle);
        let origin = std::array::from_fn(|axis| start[axis] as f64 + middle[axis] - offset[axis]);
        Self { matrix, origin }
    }

    /// The mapping into a donor: heads are laid centre on centre, then the paste's own turn is applied.
    fn towards_donor(&self, paste: &Paste, target: [usize; 3], donor: [usize; 3]) -> Self {
        let mut turn = rotation(paste.rotation);
        if paste.mirrored {
            turn[2] = turn[2].map(|v| -v);
        }
        let columns: [[f64; 3]; 3] = std::array::from_fn(|out| times(&turn, self.matrix.map(|row| row[out])));
        let matrix = std::array::from_fn(|row| std::array::from_fn(|out| columns[out][row]));
        let centre = |shape: [usize; 3]| shape.map(|n| (n as f64 - 1.0) / 2.0);
        let (from, to) = (centre(target), centre(donor));
        let from_centre: [f64; 3] =
            std::array::from_fn(|axis| self.origin[axis] - from[axis] - paste.displacement[axis]);
        let turned = times(&turn, from_centre);
        Self { matrix, origin: std::array::from_fn(|axis| to[axis] + turned[axis]) }
    }

    fn step(&self) -> [i64; 3] {
        self.matrix.map(|row| fixed(row[2]))
    }

    /// Where the first voxel of an output row comes from.
    fn row(&self, z: usize, y: usize) -> [i64; 3] {
        std::array::from_fn(|axis| {
            fixed(self.origin[axis] + self.matrix[axis][0] * z as f64 + self.matrix[axis][1] * y as f64)
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "positions stay below 2^31 voxels; beyond that they saturate")]
fn fixed(v: f64) -> i64 {
    (v * ONE as f64).round() as i64
}

fn times(matrix: &[[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
}

/// Rotation by angles in degrees about D, then H, then W.
fn rotation(degrees: [f64; 3]) -> [[f64; 3]; 3] {
    let [d, h, w] = degrees.map(f64::to_radians);
    let about_d = [[1.0, 0.0, 0.0], [0.0, d.cos(), -d.sin()], [0.0, d.sin(), d.cos()]];
    let about_h = [[h.cos(), 0.0, h.sin()], [0.0, 1.0, 0.0], [-h.sin(), 0.0, h.cos()]];
    let about_w = [[w.cos(), -w.sin(), 0.0], [w.sin(), w.cos(), 0.0], [0.0, 0.0, 1.0]];
    let after = |a: [[f64; 3]; 3], b: [[f64; 3]; 3]| -> [[f64; 3]; 3] {
        let columns: [[f64; 3]; 3] = std::array::from_fn(|c| times(&a, b.map(|row| row[c])));
        std::array::from_fn(|r| std::array::from_fn(|c| columns[c][r]))
    };
    after(about_w, after(about_h, about_d))
}

/// The `x` of `0..n` for which `low <= at + x * step <= high`, for all three axes.
fn span(at: [i64; 3], step: [i64; 3], low: [i64; 3], high: [i64; 3], n: usize) -> (usize, usize) {
    let (mut from, mut to) = (0_i64, signed(n));
    for axis in 0..3 {
        let (below, above) = (low[axis] - at[axis], high[axis] - at[axis]);
        let (first, last) = match step[axis] {
            0 if below <= 0 && above >= 0 => continue,
            0 => return (0, 0),
            s if s > 0 => (-(-below).div_euclid(s), above.div_euclid(s)),
            s => (-above.div_euclid(-s), (-below).div_euclid(-s)),
        };
        from = from.max(first);
        to = to.min(last.saturating_add(1));
    }
    if from >= to { (0, 0) } else { (usize::try_from(from).unwrap_or(0), usize::try_from(to).unwrap_or(0)) }
}

/// How a position becomes places in the arrays of a case.
struct Lattice {
    /// Highest place whose upper neighbour exists, per axis.
    last: [i64; 3],
    /// Distance of neighbours in the array; 0 along an axis of one voxel.
    stride: [usize; 3],
}

impl Lattice {
    fn of(shape: [usize; 3]) -> Self {
        let [d, h, w] = shape;
        let stride = [if d > 1 { h * w } else { 0 }, if h > 1 { w } else { 0 }, usize::from(w > 1)];
        Self { last: shape.map(|n| signed(n.saturating_sub(2))), stride }
    }

    /// Place of the lowest of the eight neighbours, and the fractions along D, H, W.
    ///
    /// `q` must lie in the case.
    #[inline]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "q lies in the case")]
    fn cell(&self, q: [i64; 3]) -> (usize, [f32; 3]) {
        let mut lowest = 0;
        let mut fraction = [0.0; 3];
        for axis in 0..3 {
            let lower = (q[axis] >> 32).min(self.last[axis]);
            fraction[axis] = ((q[axis] - (lower << 32)) >> 8) as i32 as f32 * (1.0 / 16_777_216.0);
            lowest += lower as usize * self.stride[axis];
        }
        (lowest, fraction)
    }

    /// Place of the nearest voxel.
    #[inline]
    fn nearest(&self, lowest: usize, fraction: [f32; 3]) -> usize {
        let mut place = lowest;
        for (share, stride) in fraction.into_iter().zip(self.stride) {
            place += if share >= 0.5 { stride } else { 0 };
        }
        place
    }

    /// Trilinear value of the four channels.
    #[inline]
    fn value(&self, voxels: &[[f32; CHANNELS]], lowest: usize, fraction: [f32; 3]) -> [f32; CHANNELS] {
        let [fz, fy, fx] = fraction;
        let [sz, sy, sx] = self.stride;
        let row = |at: usize| mix(voxels[at], voxels[at + sx], fx);
        let front = mix(row(lowest), row(lowest + sy), fy);
        let back = mix(row(lowest + sz), row(lowest + sz + sy), fy);
        mix(front, back, fz)
    }
}

/// Plain loops, here and above: `array::from_fn` was called instead of inlined, at five times the time of the whole gather.
#[inline]
fn mix(mut a: [f32; CHANNELS], b: [f32; CHANNELS], t: f32) -> [f32; CHANNELS] {
    for channel in 0..CHANNELS {
        a[channel] += t * (b[channel] - a[channel]);
    }
    a
}

/// The rows `[z][y]` of the output: its four channels and its codes.
struct Rows<'a> {
    channels: [&'a mut [f32]; CHANNELS],
    codes: &'a mut [u8],
}

/// Visits every row of the patch.
fn for_rows(out: &mut Patch, mut visit: impl FnMut(usize, usize, Rows<'_>)) {
    let [d, h, w] = out.shape;
    let n = d * h * w;
    let (front, back) = out.image.split_at_mut(2 * n);
    let ((a, b), (c, e)) = (front.split_at_mut(n), back.split_at_mut(n));
    for row in 0..d * h {
        let at = row * w..(row + 1) * w;
        let channels = [&mut a[at.clone()], &mut b[at.clone()], &mut c[at.clone()], &mut e[at.clone()]];
        visit(row / h, row % h, Rows { channels, codes: &mut out.labels[at] });
    }
}

/// Fills the patch from its case; outside of the case is air. The labels hold [`AIR`] afterwards.
///
/// Intensities are trilinear; labels, and the border of the brain, are those of the nearest voxel.
/// Interpolating each class and taking the largest would shrink whatever is thin, for it is a vote of eight neighbours: an
/// enhancing rim of one voxel loses it wherever it bends. The nearest voxel keeps every volume in the mean (tested below).
pub fn gather(source: &Source, plan: &PatchPlan, geometry: &Geometry, out: &mut Patch) {
    out.resize(plan.patch);
    if geometry.keeps_grid() {
        copy(source, plan, geometry.flips, out);
    } else {
        interpolate(source, &Mapping::of(geometry, plan.start, plan.patch), out);
    }
}

fn interpolate(source: &Source, mapping: &Mapping, out: &mut Patch) {
    let lattice = Lattice::of(source.shape);
    let high = source.shape.map(|n| (signed(n) - 1) * ONE);
    let step = mapping.step();
    let width = out.shape[2];
    for_rows(out, |z, y, mut rows| {
        let at = mapping.row(z, y);
        let (from, to) = span(at, step, [0; 3], high, width);
        clear(&mut rows, 0, from);
        clear(&mut rows, to, width);
        let [a, b, c, e] = rows.channels.each_mut().map(|row| &mut row[from..to]);
        let pixels = rows.codes[from..to].iter_mut().zip(a).zip(b).zip(c).zip(e);
        let mut q: [i64; 3] = std::array::from_fn(|axis| at[axis] + signed(from) * step[axis]);
        for ((((code, a), b), c), e) in pixels {
            let (lowest, fraction) = lattice.cell(q);
            *code = source.codes[lattice.nearest(lowest, fraction)];
            [*a, *b, *c, *e] =
                if *code == AIR { [0.0; CHANNELS] } else { lattice.value(&source.voxels, lowest, fraction) };
            q = [q[0] + step[0], q[1] + step[1], q[2] + step[2]];
        }
    });
}

fn clear(rows: &mut Rows<'_>, from: usize, to: usize) {
    rows.channels.iter_mut().for_each(|row| row[from..to].fill(0.0));
    rows.codes[from..to].fill(AIR);
}

/// Copies voxel by voxel; `flips` along D, H, W.
fn copy(source: &Source, plan: &PatchPlan, flips: [bool; 3], out: &mut Patch) {
    let [depth, height, width] = source.shape;
    let place = |axis: usize, at: usize, n: usize| -> Option<usize> {
        let offset = if flips[axis] { plan.patch[axis] - 1 - at } else { at };
        usize::try_from(plan.start[axis] + signed(offset)).ok().filter(|&place| place < n)
    };
    let columns: Vec<usize> = (0..plan.patch[2]).filter_map(|x| place(2, x, width)).collect();
    let first = (0..plan.patch[2]).position(|x| place(2, x, width).is_some()).unwrap_or(0);
    let end = first + columns.len();
    for_rows(out, |z, y, mut rows| {
        let (Some(sz), Some(sy)) = (place(0, z, depth), place(1, y, height)) else {
            return clear(&mut rows, 0, plan.patch[2]);
        };
        clear(&mut rows, 0, first);
        clear(&mut rows, end, plan.patch[2]);
        let line = (sz * height + sy) * width;
        let (voxels, codes) = (&source.voxels[line..line + width], &source.codes[line..line + width]);
        let [a, b, c, e] = rows.channels.each_mut().map(|row| &mut row[first..end]);
        let pixels = rows.codes[first..end].iter_mut().zip(a).zip(b).zip(c).zip(e);
        for (((((code, a), b), c), e), &column) in pixels.zip(&columns) {
            *code = codes[column];
            [*a, *b, *c, *e] = voxels[column];
        }
    });
}

/// Pastes the donor's tumour into a gathered patch.
///
/// Only brain takes it, and only the donor's brain is taken. In the margin intensities fade from the donor's to the target's; the
/// label is the donor's tissue in its tumour, background where the donor weighs at least half, else the target's.
pub fn paste(target: &Source, donor: &Source, carve: &Carve, drawn: (&Mapping, &Paste), out: &mut Patch) {
    let (mapping, paste) = drawn;
    let mapping = mapping.towards_donor(paste, target.shape, donor.shape);
    let lattice = Lattice::of(donor.shape);
    let low = carve.start.map(|v| signed(v) * ONE);
    let high: [i64; 3] = std::array::from_fn(|axis| low[axis] + (signed(carve.shape[axis]) - 1) * ONE);
    let step = mapping.step();
    let width = out.shape[2];
    for_rows(out, |z, y, mut rows| {
        let at = mapping.row(z, y);
        let (from, to) = span(at, step, low, high, width);
        for x in from..to {
            let past = signed(x);
            let q = [at[0] + past * step[0], at[1] + past * step[1], at[2] + past * step[2]];
            let (lowest, fraction) = lattice.cell(q);
            let nearest = lattice.nearest(lowest, fraction);
            let code = donor.codes[nearest];
            let weight = weight_at(carve, nearest, donor.shape);
            if weight == 0 || code == AIR || rows.codes[x] == AIR {
                continue;
            }
            let share = f32::from(weight) / 255.0;
            let value = lattice.value(&donor.voxels, lowest, fraction);
            rows.channels.iter_mut().zip(value).for_each(|(row, v)| row[x] += share * (v - row[x]));
            if is_tumour(code) {
                rows.codes[x] = code;
            } else if weight >= 128 {
                rows.codes[x] = 0;
            }
        }
    });
}

/// Weight of a voxel of the donor, which lies in the box of the carve.
fn weight_at(carve: &Carve, voxel: usize, shape: [usize; 3]) -> u8 {
    let [_, h, w] = shape;
    let start = carve.start;
    let (plane, row) = (voxel / (h * w), voxel / w);
    let (z, y) = (plane.wrapping_sub(start[0]), (row - plane * h).wrapping_sub(start[1]));
    let x = (voxel - row * w).wrapping_sub(start[2]);
    let inside = z < carve.shape[0] && y < carve.shape[1] && x < carve.shape[2];
    if inside { carve.weight[(z * carve.shape[1] + y) * carve.shape[2] + x] } else { 0 }
}
