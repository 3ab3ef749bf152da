//! Targets at a coarser level, for deep supervision.

/// [D, H, W] at a level whose voxels span `strides` voxels of the full grid: lengths divided, rounded up.
pub fn downsampled_shape(shape: [usize; 3], strides: [usize; 3]) -> [usize; 3] {
    std::array::from_fn(|axis| shape[axis].div_ceil(strides[axis]))
}

/// Targets of a coarser level, by the nearest voxel.
///
/// `src`: `[planes][D][H][W]`, any number of planes (N samples times R regions, or N maps of classes); `dst`:
/// `[planes]` of [`downsampled_shape`]. Voxel i takes voxel `i stride + stride / 2` of each axis, the last one where
/// that is past the end: for an even stride, of the two about the centre, the later one, as `PyTorch`'s
/// `nearest-exact` does. Pass strides against the full grid and the full targets: nearest of nearest would drift.
///
/// # Panics
/// If a stride or an axis is 0 or a length disagrees with the shapes.
pub fn downsample_targets(src: &[u8], shape: [usize; 3], strides: [usize; 3], dst: &mut [u8]) {
    assert!(shape.iter().chain(&strides).all(|&n| n > 0), "downsample_targets: shape {shape:?}, strides {strides:?}");
    let [d, h, w] = shape;
    let small = downsampled_shape(shape, strides);
    let (n_src, n_dst) = (d * h * w, small.iter().product::<usize>());
    assert_eq!(src.len() % n_src, 0, "downsample_targets: source against shape");
    assert_eq!(dst.len(), src.len() / n_src * n_dst, "downsample_targets: destination against shape");
    let nearest = |i: usize, axis: usize| (i * strides[axis] + strides[axis] / 2).min(shape[axis] - 1);
    for (src, dst) in src.chunks_exact(n_src).zip(dst.chunks_exact_mut(n_dst)) {
        for (row, dst) in dst.chunks_exact_mut(small[2]).enumerate() {
            let (z, y) = (nearest(row / small[1], 0), nearest(row % small[1], 1));
            let src = &src[(z * h + y) * w..][..w];
            for (x, dst) in dst.iter_mut().enumerate() {
                *dst = src[nearest(x, 2)];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shape: [usize; 3], strides: [usize; 3], expected: &[u8]) {
        let src: Vec<u8> = (0..shape.iter().product::<usize>()).map(|i| i as u8).collect();
        let mut dst = vec![0; downsampled_shape(shape, strides).iter().product()];
        downsample_targets(&src, shape, strides, &mut dst);
        assert_eq!(dst, expected, "{shape:?} by {strides:?}");
    }

    #[test]
    fn takes_the_voxel_at_the_centre() {
        check([1, 1, 6], [1, 1, 2], &[1, 3, 5]);
        check([1, 1, 6], [1, 1, 3], &[1, 4]);
        check([1, 1, 5], [1, 1, 2], &[1, 3, 4]);
        check([2, 2, 2], [2, 2, 2], &[7]);
        check([2, 3, 1], [1, 2, 4], &[1, 2, 4, 5]);
        check([1, 1, 3], [1, 1, 1], &[0, 1, 2]);
    }

    #[test]
    fn planes_stay_apart() {
        let src = [0, 1, 0, 0, 0, 0, 0, 1];
        let mut dst = [9; 4];
        downsample_targets(&src, [1, 1, 4], [1, 1, 2], &mut dst);
        assert_eq!(dst, [1, 0, 0, 1], "two planes of four voxels");
    }
}
