//! Values on another grid.

use rayon::prelude::*;

use crate::affine::apply;
use crate::{Grid, Volume};

/// Adding and subtracting this rounds a position to 2^-20 of a voxel (1.5 * 2^32 has its last bit there; `f64::round`
/// is a slow library call on plain x86-64). So grids that agree but for the last digits of their affines give the
/// voxels themselves, bit for bit, and ties do not depend on rounding. Positions beyond 2^31 lie outside in any case.
const ROUNDING: f64 = 6_442_450_944.0;

/// Values between voxel centres by trilinear interpolation, in f64, rounded to f32 once.
///
/// Edge: up to half a voxel outside the outermost centres (the voxels' own extent) the outermost values go on;
/// beyond that the result is 0. On the volume's own grid the result is the volume itself.
pub fn resample_linear(volume: &Volume<f32>, grid: &Grid) -> Volume<f32> {
    let shape = volume.grid().shape();
    let src = volume.voxels();
    let strides = [1, shape[0], shape[0] * shape[1]];
    sampled(volume, grid, 0.0, |position| {
        let mut near = 0;
        let mut far = [0; 3];
        let mut weight = [0.0; 3];
        for axis in 0..3 {
            let clamped = position[axis].clamp(0.0, (shape[axis] - 1) as f64);
            let first = floor(clamped);
            near += first * strides[axis];
            // At a centre the next voxel, if there is one, has weight 0: do not touch it, it may be NaN.
            weight[axis] = clamped - first as f64;
            far[axis] = if weight[axis] > 0.0 { strides[axis] } else { 0 };
        }
        let along_x = |at: usize| {
            let (a, b) = (f64::from(src[at]), f64::from(src[at + far[0]]));
            if far[0] == 0 { a } else { a + (b - a) * weight[0] }
        };
        let along_y = |at: usize| {
            let a = along_x(at);
            if far[1] == 0 { a } else { a + (along_x(at + far[1]) - a) * weight[1] }
        };
        let a = along_y(near);
        let value = if far[2] == 0 { a } else { a + (along_y(near + far[2]) - a) * weight[2] };
        #[expect(clippy::cast_possible_truncation, reason = "between values that are f32")]
        let value = value as f32;
        value
    })
}

/// The value of the nearest voxel centre (of two equally near ones the one of higher index), or `fill` more than half
/// a voxel outside the outermost centres.
pub fn resample_nearest<T: Copy + Send + Sync>(volume: &Volume<T>, grid: &Grid, fill: T) -> Volume<T> {
    let [nx, ny, nz] = volume.grid().shape();
    let src = volume.voxels();
    sampled(volume, grid, fill, |position| {
        let [x, y, z] = position.map(|along| floor((along + 0.5).max(0.0)));
        src[x.min(nx - 1) + nx * (y.min(ny - 1) + ny * z.min(nz - 1))]
    })
}

/// A volume on `grid` whose voxels are made of their position in the source, in voxels; `fill` outside its extent.
fn sampled<T: Copy + Send + Sync>(
    volume: &Volume<T>,
    grid: &Grid,
    fill: T,
    value: impl Fn([f64; 3]) -> T + Sync,
) -> Volume<T> {
    let src_shape = volume.grid().shape();
    let [nx, ny, _] = grid.shape();
    let to_src = volume.grid().affine().voxels_of(grid.affine());
    let is_inside = |position: &[f64; 3]| {
        (0..3).all(|axis| position[axis] >= -0.5 && position[axis] <= src_shape[axis] as f64 - 0.5)
    };
    let step = to_src.map(|row| row[0]);
    let mut result = Volume::filled(*grid, fill);
    result.voxels_mut().par_chunks_mut(nx).enumerate().for_each(|(row, voxels)| {
        let first = apply(&to_src, [0.0, (row % ny) as f64, (row / ny) as f64]);
        for (x, voxel) in voxels.iter_mut().enumerate() {
            let position = std::array::from_fn(|axis| first[axis] + step[axis] * x as f64 + ROUNDING - ROUNDING);
            if is_inside(&position) {
                *voxel = value(position);
            }
        }
    });
    result
}

/// The whole part of a position that is known not to be negative.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 .. an axis' length")]
fn floor(position: f64) -> usize {
    position as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Affine, Limits};

    fn grid(shape: [usize; 3], spacing: [f64; 3], origin: [f64; 3]) -> Grid {
        Grid::new(shape, Affine::axis_aligned(spacing, origin).expect("fine"), &Limits::default()).expect("small")
    }

    #[test]
    fn a_ramp_stays_a_ramp_and_the_edge_goes_on_for_half_a_voxel() {
        let src = Volume::new(grid([4, 1, 1], [2.0, 1.0, 1.0], [10.0, 0.0, 0.0]), vec![0.0, 2.0, 4.0, 6.0]);
        let src = src.expect("4 voxels");
        let half = resample_linear(&src, &grid([11, 1, 1], [1.0, 1.0, 1.0], [8.0, 0.0, 0.0]));
        assert_eq!(half.voxels(), [0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 6.0, 0.0], "linear");
        let nearest = resample_nearest(&src, &grid([11, 1, 1], [1.0, 1.0, 1.0], [8.0, 0.0, 0.0]), -1.0);
        assert_eq!(nearest.voxels(), [-1.0, 0.0, 0.0, 2.0, 2.0, 4.0, 4.0, 6.0, 6.0, 6.0, -1.0], "nearest");
    }

    #[test]
    fn the_middle_of_eight_is_their_mean() {
        let src = Volume::new(grid([2, 2, 2], [1.0; 3], [0.0; 3]), (0_u8..8).map(f32::from).collect()).expect("8");
        let middle = resample_linear(&src, &grid([1, 1, 1], [1.0; 3], [0.5; 3]));
        assert_eq!(middle.voxels(), [3.5], "mean of 0 to 7");
    }
}
