//! What a scanner adds: slices of some thickness, uneven coils, noise, and whole numbers.

use super::noise::{Dice, Field, P3, lerp, normal, scramble};
use rayon::prelude::*;

/// How one sequence was acquired.
#[derive(Clone, Debug)]
pub(super) struct Protocol {
    /// Slice thickness in voxels along z: 1 for a 3-D acquisition.
    thickness: usize,
    /// Position of the first slice.
    offset: usize,
    /// Standard deviation of each channel of the noise, as a share of white matter.
    noise: f32,
    /// In-plane weight of each neighbour: 0 is sharp.
    blur: f32,
    bias: [Field; 2],
    bias_depth: f32,
    /// How much brighter the rim is than the middle, by the coil's nearness.
    coil: f32,
    seed: u64,
}

/// Size and place of the voxels: mm of head per voxel, and the head's point at voxel (0, 0, 0).
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Voxels along x, y, z of the stored array.
    pub shape: [usize; 3],
    /// Head mm per voxel.
    pub voxel: f32,
}

impl Frame {
    /// The head's point (mm, RAS) under a stored voxel: the array is LPS, as the challenges store it.
    #[inline]
    pub(super) fn point(&self, at: [usize; 3]) -> P3 {
        let from_middle = |axis: usize| at[axis] as f32 - 0.5 * (self.shape[axis] as f32 - 1.0);
        [-from_middle(0) * self.voxel, -from_middle(1) * self.voxel - 14.0, from_middle(2) * self.voxel + 7.0]
    }

    fn plane(&self) -> usize {
        self.shape[0] * self.shape[1]
    }
}

impl Protocol {
    /// Draws the protocol of one sequence. Coarse grids are always scanned slice by slice, as they have no slices to lose.
    pub(super) fn draw(dice: &mut Dice, voxel: f32) -> Self {
        let thick = dice.chance(0.4) && voxel < 1.5;
        let thickness = if thick { 2 + usize::from(dice.chance(0.6)) + usize::from(dice.chance(0.4)) } else { 1 };
        let low = dice.chance(0.65);
        Self {
            thickness,
            offset: if dice.chance(0.5) { 0 } else { thickness / 2 },
            noise: if low { dice.between(0.008, 0.02) } else { dice.between(0.02, 0.042) },
            blur: dice.between(0.02, 0.15),
            bias: [dice.field(), dice.field()],
            bias_depth: dice.between(0.1, 0.5),
            coil: dice.between(-0.04, 0.1),
            seed: dice.word(),
        }
    }

    /// Scans `truth` (signal, 1 = white matter) inside `mask`; outside the result is 0, inside at least 1.
    pub(super) fn scan(&self, frame: Frame, truth: &[f32], mask: &[u8], scale: f32) -> Vec<i16> {
        let (depth, plane) = (frame.shape[2], frame.plane());
        let slices = depth.saturating_sub(self.offset).div_ceil(self.thickness).max(1);
        let mut acquired = vec![0.0_f32; slices * plane];
        acquired.par_chunks_mut(plane).enumerate().for_each(|(slice, to)| self.acquire(frame, truth, slice, to));
        let mut stored = vec![0_i16; depth * plane];
        stored.par_chunks_mut(plane).enumerate().for_each(|(z, to)| {
            // The middle of slice s lies at offset + (s + 1/2) thickness - 1/2.
            let at = (z as f32 + 0.5 - self.offset as f32) / self.thickness as f32 - 0.5;
            let at = at.clamp(0.0, (slices - 1) as f32);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the slices")]
            let low = (at.floor() as usize).min(slices - 1);
            let high = (low + 1).min(slices - 1);
            let share = at - low as f32;
            let (below, above) = (&acquired[low * plane..][..plane], &acquired[high * plane..][..plane]);
            for (n, to) in to.iter_mut().enumerate() {
                if mask[z * plane + n] != 0 {
                    let value = lerp(below[n], above[n], share) * scale;
                    #[expect(clippy::cast_possible_truncation, reason = "clamped to int16")]
                    let whole = (value + 0.5).floor().clamp(1.0, 32_000.0) as i16;
                    *to = whole;
                }
            }
        });
        stored
    }

    /// One slice: the mean over its thickness, times the coil's field, plus noise, in-plane blurred.
    fn acquire(&self, frame: Frame, truth: &[f32], slice: usize, to: &mut [f32]) {
        let plane = frame.plane();
        let first = (self.offset + slice * self.thickness).min(frame.shape[2] - 1);
        let last = (first + self.thickness).min(frame.shape[2]);
        for z in first..last {
            for (to, from) in to.iter_mut().zip(&truth[z * plane..][..plane]) {
                *to += from;
            }
        }
        let share = 1.0 / (last - first) as f32;
        let width = frame.shape[0];
        for y in 0..frame.shape[1] {
            let row = &mut to[y * width..][..width];
            let Some(start) = row.iter().position(|v| *v > 0.0) else { continue };
            let end = row.iter().rposition(|v| *v > 0.0).map_or(start, |last| last + 1);
            for (x, value) in row.iter_mut().enumerate().take(end).skip(start) {
                let bias = self.bias_at(frame.point([x, y, first]));
                let word =
                    scramble(self.seed ^ ((slice * plane + y * width + x) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
                let real = *value * share * bias + self.noise * normal(word);
                let imaginary = self.noise * normal(scramble(word ^ self.seed));
                *value = (real * real + imaginary * imaginary).sqrt();
            }
        }
        self.soften(frame, to);
    }

    fn bias_at(&self, p: P3) -> f32 {
        let far = (p[0] * p[0] + (p[1] + 18.0) * (p[1] + 18.0) + p[2] * p[2]) * (1.0 / 6400.0);
        (1.0 + self.bias_depth * self.bias[0].at(p, 110.0) + self.coil * (far - 0.5)).max(0.3)
    }

    fn soften(&self, frame: Frame, plane: &mut [f32]) {
        let [width, height, _] = frame.shape;
        let sharp = 1.0 - 2.0 * self.blur;
        for row in plane.chunks_exact_mut(width) {
            let mut before = row[0];
            for x in 1..width - 1 {
                let here = row[x];
                row[x] = sharp * here + self.blur * (before + row[x + 1]);
                before = here;
            }
        }
        let mut before = plane[..width].to_vec();
        for y in 1..height - 1 {
            let (upper, lower) = plane.split_at_mut((y + 1) * width);
            let row = &mut upper[y * width..];
            for x in 0..width {
                let here = row[x];
                row[x] = sharp * here + self.blur * (before[x] + lower[x]);
                before[x] = here;
            }
        }
    }
}
