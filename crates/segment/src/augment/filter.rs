//! Separable filters on one channel: Gaussian blur, and the loss of resolution of a coarser scan.

/// Memory that the filters need, kept from patch to patch.
#[derive(Debug, Default)]
pub struct Scratch {
    a: Vec<f32>,
    b: Vec<f32>,
    row: Vec<f32>,
}

/// Half of a Gaussian kernel that sums to 1: `[middle, first neighbour, ..]`, cut at 2.5 sigma.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a radius of a few voxels, weights below 1"
)]
fn half_kernel(sigma: f64) -> Vec<f32> {
    let radius = (2.5 * sigma).ceil().clamp(1.0, 16.0) as usize;
    let weights: Vec<f64> = (0..=radius).map(|t| (-0.5 * (t as f64 / sigma).powi(2)).exp()).collect();
    let total = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    weights.iter().map(|w| (w / total) as f32).collect()
}

/// Blurs a channel `[D][H][W]` in place; beyond the border the last voxel is repeated.
///
/// `sigma`: standard deviation in voxels; nothing happens unless it is positive.
pub fn blur(values: &mut [f32], shape: [usize; 3], sigma: f64, scratch: &mut Scratch) {
    if sigma.is_nan() || sigma <= 0.0 {
        return;
    }
    let kernel = half_kernel(sigma);
    let [_, h, w] = shape;
    for row in values.chunks_exact_mut(w) {
        blur_row(row, &kernel, &mut scratch.row);
    }
    for plane in values.chunks_exact_mut(h * w) {
        blur_blocks(plane, w, &kernel, &mut scratch.a);
    }
    blur_blocks(values, h * w, &kernel, &mut scratch.a);
}

fn blur_row(row: &mut [f32], kernel: &[f32], padded: &mut Vec<f32>) {
    let (n, radius) = (row.len(), kernel.len() - 1);
    padded.clear();
    padded.resize(radius, row[0]);
    padded.extend_from_slice(row);
    padded.resize(n + 2 * radius, row[n - 1]);
    for v in &mut *row {
        *v *= kernel[0];
    }
    for (t, &weight) in kernel.iter().enumerate().skip(1) {
        add_pair(row, weight, &padded[radius - t..][..n], &padded[radius + t..][..n]);
    }
}

/// Blurs along the axis whose neighbours are `inner` apart.
fn blur_blocks(values: &mut [f32], inner: usize, kernel: &[f32], copy: &mut Vec<f32>) {
    let n = values.len() / inner;
    copy.clear();
    copy.extend_from_slice(values);
    for (at, block) in values.chunks_exact_mut(inner).enumerate() {
        for v in &mut *block {
            *v *= kernel[0];
        }
        for (t, &weight) in kernel.iter().enumerate().skip(1) {
            let (before, after) = (at.saturating_sub(t), (at + t).min(n - 1));
            add_pair(block, weight, &copy[before * inner..][..inner], &copy[after * inner..][..inner]);
        }
    }
}

#[inline]
fn add_pair(dst: &mut [f32], weight: f32, before: &[f32], after: &[f32]) {
    dst.iter_mut().zip(before.iter().zip(after)).for_each(|(v, (a, b))| *v += weight * (a + b));
}

/// Takes a channel `[D][H][W]` to a coarser grid and back, both linearly.
///
/// `kept`: share of the voxels that the coarse grid keeps along D, H, W.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length is a length")]
pub fn coarsen(values: &mut [f32], shape: [usize; 3], kept: [f64; 3], scratch: &mut Scratch) {
    let coarse: [usize; 3] = std::array::from_fn(|axis| ((shape[axis] as f64 * kept[axis]).round() as usize).max(1));
    let mut now = shape;
    let Scratch { a, b, .. } = scratch;
    a.clear();
    a.extend_from_slice(values);
    // Down from the slowest axis and up from the fastest: the passes that cannot be vectorised meet the least voxels.
    for (axis, n) in
        [0, 1, 2].map(|axis| (axis, coarse[axis])).into_iter().chain([2, 1, 0].map(|axis| (axis, shape[axis])))
    {
        if now[axis] != n {
            resample(a, now, (axis, n), b);
            now[axis] = n;
            std::mem::swap(a, b);
        }
    }
    values.copy_from_slice(a);
}

/// Linear resampling of one axis to `n` voxels; cell borders coincide, beyond the border the last voxel is repeated.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positions inside the axis")]
fn resample(src: &[f32], shape: [usize; 3], to: (usize, usize), dst: &mut Vec<f32>) {
    let (axis, n) = to;
    let n_src = shape[axis];
    let inner: usize = shape[axis + 1..].iter().product();
    let scale = n_src as f64 / n as f64;
    let taps: Vec<(usize, usize, f32)> = (0..n)
        .map(|at| {
            let position = ((at as f64 + 0.5) * scale - 0.5).clamp(0.0, n_src as f64 - 1.0);
            let lower = position as usize;
            (lower, (lower + 1).min(n_src - 1), (position - lower as f64) as f32)
        })
        .collect();
    dst.clear();
    for block in src.chunks_exact(n_src * inner) {
        if inner == 1 {
            dst.extend(taps.iter().map(|&(lower, upper, t)| block[lower] + t * (block[upper] - block[lower])));
        } else {
            for &(lower, upper, t) in &taps {
                let (low, up) = (&block[lower * inner..][..inner], &block[upper * inner..][..inner]);
                dst.extend(low.iter().zip(up).map(|(a, b)| a + t * (b - a)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Scratch, blur, coarsen, half_kernel};

    #[test]
    fn a_blurred_point_is_the_product_of_kernels() {
        let shape = [9, 10, 11];
        let mut values = vec![0.0; 990];
        values[4 * 110 + 5 * 11 + 5] = 1.0;
        blur(&mut values, shape, 0.8, &mut Scratch::default());
        let kernel = half_kernel(0.8);
        let at = |z: usize, y: usize, x: usize| {
            let weight = |t: usize| kernel.get(t).copied().unwrap_or(0.0);
            weight(z.abs_diff(4)) * weight(y.abs_diff(5)) * weight(x.abs_diff(5))
        };
        for (i, v) in values.iter().enumerate() {
            let expected = at(i / 110, i / 11 % 10, i % 11);
            assert!((v - expected).abs() < 1e-7, "voxel {i}: {v} instead of {expected}");
        }
    }

    #[test]
    fn constants_pass_both_filters() {
        let mut values = vec![1.5_f32; 7 * 8 * 9];
        blur(&mut values, [7, 8, 9], 1.1, &mut Scratch::default());
        coarsen(&mut values, [7, 8, 9], [0.5, 0.7, 0.3], &mut Scratch::default());
        assert!(values.iter().all(|v| (v - 1.5).abs() < 1e-6), "a constant changed");
    }

    #[test]
    fn half_the_resolution_averages_pairs() {
        let mut values = vec![0.0, 2.0, 4.0, 8.0];
        coarsen(&mut values, [1, 1, 4], [1.0, 1.0, 0.5], &mut Scratch::default());
        // Coarse voxels 1 and 6; between their centres a quarter and three quarters.
        assert_eq!(values, [1.0, 2.25, 4.75, 6.0]);
    }
}
