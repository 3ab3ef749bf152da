//! What holds for any grid, affine, order, mask and voxel values.

#![expect(clippy::expect_used, clippy::float_cmp, reason = "a test; bits are compared")]
#![expect(clippy::cast_possible_truncation, reason = "f32 is what is stored")]

use proptest::prelude::*;
use volume::nifti::{self, Geometry};
use volume::{
    Affine, Bounds, Connectivity, Grid, Limits, Orientation, Upright, Volume, VoxelIndex, components, crop,
    distance_to, ranked, resample_linear, resample_nearest, restore,
};

/// Shapes whose axes are rarely equal, across the edge of the blocks in which voxels are moved.
fn shapes(most: usize) -> impl Strategy<Value = [usize; 3]> {
    [1..=most, 1..=most, 1..=most]
}

/// Any rotation by a quaternion, spacing, mirror and origin.
fn affines() -> impl Strategy<Value = Affine> {
    let quaternion = [-1.0..1.0_f64, -1.0..1.0, -1.0..1.0, -1.0..1.0];
    (quaternion, [0.3..4.0_f64, 0.3..4.0, 0.3..4.0], [-200.0..200.0_f64, -200.0..200.0, -200.0..200.0], any::<bool>())
        .prop_filter_map("a quaternion near zero", |(quaternion, spacing, origin, is_mirrored)| {
            let norm = quaternion.iter().map(|part| part * part).sum::<f64>().sqrt();
            if norm < 0.1 {
                return None;
            }
            let [a, b, c, d] = quaternion.map(|part| part / norm);
            let rotation = [
                [1.0 - 2.0 * (c * c + d * d), 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
                [2.0 * (b * c + a * d), 1.0 - 2.0 * (b * b + d * d), 2.0 * (c * d - a * b)],
                [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), 1.0 - 2.0 * (b * b + c * c)],
            ];
            let sign = if is_mirrored { -1.0 } else { 1.0 };
            let steps = [sign * spacing[0], spacing[1], spacing[2]];
            Affine::new(std::array::from_fn(|row| {
                std::array::from_fn(
                    |column| if column == 3 { origin[row] } else { rotation[row][column] * steps[column] },
                )
            }))
            .ok()
        })
}

fn grid(shape: [usize; 3], affine: Affine) -> Grid {
    Grid::new(shape, affine, &Limits::default()).expect("small")
}

/// Each voxel holds its own index.
fn numbered(grid: Grid) -> Volume<u32> {
    let count = u32::try_from(grid.len()).expect("small");
    Volume::new(grid, (0..count).collect()).expect("as many")
}

/// A mask from the bits of a seed, one voxel in `one_in` inside.
fn mask(len: usize, seed: u64, one_in: u64) -> Vec<bool> {
    let mut state = seed | 1;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33).is_multiple_of(one_in)
        })
        .collect()
}

fn index_of(at: usize, [nx, ny, _]: [usize; 3]) -> [usize; 3] {
    [at % nx, at / nx % ny, at / nx / ny]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn affine_and_its_inverse(affine in affines(), voxel in [0.0..300.0_f64, 0.0..300.0, 0.0..300.0]) {
        let again = affine.voxel(affine.world(voxel));
        for axis in 0..3 {
            prop_assert!((again[axis] - voxel[axis]).abs() < 1e-9, "{again:?} {voxel:?}");
        }
    }

    #[test]
    fn orders_come_back_and_voxels_stay_in_the_world(shape in shapes(37), affine in affines(), which in 0_usize..48) {
        let stored = numbered(grid(shape, affine));
        // The nearest order of this affine.
        let own = Orientation::of(&affine);
        let ras = own.to_ras(&stored);
        prop_assert_eq!(Orientation::of(ras.grid().affine()).code(), "RAS");
        prop_assert_eq!(&own.from_ras_onto(&ras, stored.grid()).expect("one shape"), &stored);
        for (at, &voxel) in ras.voxels().iter().enumerate().step_by(7) {
            let here = ras.grid().affine().world(index_of(at, ras.grid().shape()).map(|i| i as f64));
            let there = affine.world(index_of(voxel as usize, shape).map(|i| i as f64));
            prop_assert!(here.distance(there).0 < 1e-9, "voxel {}", voxel);
        }
        // Any of the 48, whether it fits the affine or not.
        let any = Orientation::all()[which];
        let turned = any.from_ras(&stored);
        let again = any.to_ras(&turned);
        prop_assert_eq!(again.voxels(), stored.voxels());
        prop_assert!(stored.grid().largest_shift(again.grid().affine()) < 1e-9, "the affine comes back");
        for (at, &voxel) in turned.voxels().iter().enumerate().step_by(11) {
            let here = turned.grid().affine().world(index_of(at, turned.grid().shape()).map(|i| i as f64));
            let there = affine.world(index_of(voxel as usize, shape).map(|i| i as f64));
            prop_assert!(here.distance(there).0 < 1e-9, "voxel {}", voxel);
        }
    }

    #[test]
    fn a_part_seen_upright_is_cut_from_the_whole(
        shape in shapes(37), affine in affines(), seed in any::<u64>(), which in 0_usize..48, by in 0_usize..3,
    ) {
        let order = Orientation::all()[which];
        let stored = numbered(grid(shape, affine));
        let (whole, seen) = (order.to_ras(&stored), Upright::new(&stored, order));
        prop_assert_eq!(&seen.whole(), &whole);
        let chosen = mask(stored.grid().len(), seed, 60);
        let wanted = |voxel: u32| chosen[voxel as usize];
        let bounds = seen.bounds(wanted);
        prop_assert_eq!(bounds, Bounds::of(&whole, wanted));
        let Some(bounds) = bounds else { return Ok(()) };
        let bounds = bounds.grown(by, whole.grid().shape());
        prop_assert_eq!(seen.part(bounds), crop(&whole, bounds), "to the bit, with the grid");
        for (at, &voxel) in whole.voxels().iter().enumerate().step_by(13) {
            prop_assert_eq!(seen.at(index_of(at, whole.grid().shape())), voxel);
        }
    }

    #[test]
    fn ranks_are_those_of_sorting(
        seed in any::<u64>(), n in 1_usize..400, distinct in 1_u32..5000, a in 0_usize..400, b in 0_usize..400,
    ) {
        let mut state = seed;
        let values: Vec<f32> = (0..n)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let whole = (state >> 33) as u32;
                if whole & 1 == 0 { (whole % distinct) as f32 - distinct as f32 / 2.0 } else { f32::from_bits(whole << 1) }
            })
            .collect();
        let wanted = |v: f32| v != 0.0 && v.is_finite();
        let mut sorted: Vec<f32> = values.iter().copied().filter(|&v| wanted(v)).collect();
        sorted.sort_by(f32::total_cmp);
        let found = ranked(&values, wanted, |count| { assert_eq!(count, sorted.len(), "counted"); [a, b] });
        let expected = sorted.len().checked_sub(1).map(|last| [sorted[a.min(last)], sorted[b.min(last)]]);
        prop_assert_eq!(found.map(|f| f.map(f32::to_bits)), expected.map(|e| e.map(f32::to_bits)));
    }

    #[test]
    fn crop_and_restore(shape in shapes(12), affine in affines(), seed in any::<u64>(), by in 0_usize..4) {
        let grid = grid(shape, affine);
        let volume = Volume::new(grid, mask(grid.len(), seed, 9)).expect("as many");
        let Some(bounds) = Bounds::of(&volume, |inside| inside) else {
            prop_assert!(!volume.voxels().contains(&true), "bounds of an empty mask");
            return Ok(());
        };
        let grown = bounds.grown(by, shape);
        let cut = crop(&volume, grown);
        prop_assert_eq!(restore(&cut, grown, &grid, false), volume);
        prop_assert_eq!(Bounds::of(&cut, |inside| inside).expect("not empty").shape(), bounds.shape());
        let (here, there) = (cut.grid().affine().world([0.0; 3]), affine.world(grown.start.map(|i| i as f64)));
        prop_assert!(here.distance(there).0 < 1e-9, "the corner stays");
    }

    #[test]
    fn resampling_onto_the_own_grid_changes_no_bit(shape in shapes(14), affine in affines()) {
        let volume = numbered(grid(shape, affine)).map(|voxel| voxel as f32 * 0.37 - 5.0);
        prop_assert_eq!(&resample_linear(&volume, volume.grid()), &volume);
        prop_assert_eq!(&resample_nearest(&volume, volume.grid(), f32::NAN), &volume);
    }

    #[test]
    fn linear_functions_are_resampled_exactly(affine in affines(), target in affines(), slope in [-2.0..2.0_f64, -2.0..2.0, -2.0..2.0]) {
        let src_grid = grid([9, 8, 7], affine);
        let height = |[x, y, z]: [f64; 3]| 3.0 + slope[0] * x + slope[1] * y + slope[2] * z;
        let values = (0..src_grid.len()).map(|at| height(index_of(at, [9, 8, 7]).map(|i| i as f64)) as f32).collect();
        let src = Volume::new(src_grid, values).expect("as many");
        // The target's origin is moved to the middle of the source, so that most of it lies inside.
        let mut rows = *target.rows();
        for (row, middle) in rows.iter_mut().zip(affine.world([4.0, 3.5, 3.0]).0) {
            row[3] = middle;
        }
        let target = grid([5, 5, 5], Affine::new(rows).expect("as before"));
        let found = resample_linear(&src, &target);
        for (at, &value) in found.voxels().iter().enumerate() {
            let position = affine.voxel(target.affine().world(index_of(at, [5, 5, 5]).map(|i| i as f64)));
            if position.iter().zip([8.0, 7.0, 6.0]).all(|(&p, most)| p >= 0.0 && p <= most) {
                prop_assert!((f64::from(value) - height(position)).abs() < 2e-5, "{} {}", value, height(position));
            } else if position.iter().zip([8.0, 7.0, 6.0]).any(|(&p, most)| p < -0.501 || p > most + 0.501) {
                prop_assert_eq!(value, 0.0);
            }
        }
    }

    #[test]
    fn distances_are_those_of_the_definition(
        shape in shapes(9), seed in any::<u64>(), one_in in 2_u64..60, spacing in [0.2..5.0_f64, 0.2..5.0, 0.2..5.0],
    ) {
        let mask = mask(shape.iter().product(), seed, one_in);
        let found = distance_to(&mask, shape, spacing);
        for (at, &distance) in found.iter().enumerate() {
            let here = index_of(at, shape);
            let nearest = (0..mask.len())
                .filter(|&other| mask[other])
                .map(|other| {
                    let there = index_of(other, shape);
                    (0..3).map(|axis| ((here[axis] as f64 - there[axis] as f64) * spacing[axis]).powi(2)).sum::<f64>()
                })
                .fold(f64::INFINITY, f64::min)
                .sqrt();
            // A sum of three squares in another order: a few units in the last place.
            let same = distance == nearest || (distance - nearest).abs() <= 1e-14 * nearest.max(1.0) * 10.0;
            prop_assert!(same, "{} for {} at {:?}", distance, nearest, here);
        }
    }

    #[test]
    fn pieces_are_those_of_a_flood_fill(shape in shapes(9), seed in any::<u64>(), one_in in 2_u64..5, which in 0_usize..3) {
        let connectivity = [Connectivity::Faces6, Connectivity::Edges18, Connectivity::Corners26][which];
        let mask = mask(shape.iter().product(), seed, one_in);
        let found = components(&mask, shape, connectivity);
        prop_assert_eq!(found.labels, flooded(&mask, shape, which + 1));
        prop_assert_eq!(found.sizes.iter().sum::<usize>(), mask.iter().filter(|inside| **inside).count());
    }

    #[test]
    fn written_and_read(shape in shapes(9), affine in affines(), seed in any::<u64>(), name in 0_usize..3) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(["a.nii", "a.nii.gz", "a.NII.GZ"][name]);
        let grid = grid(shape, affine);
        let geometry = Geometry::from_grid(&grid);
        let labels = numbered(grid).map(|voxel| ((u64::from(voxel) ^ seed) % 5) as u8);
        nifti::write_mask(&path, &labels, &geometry).expect("written");
        let image = nifti::read(&path, &Limits::default()).expect("read");
        // NIfTI-1 stores the affine in single precision.
        let stored = affine.rows().map(|row| row.map(|number| f64::from(number as f32)));
        prop_assert_eq!(image.geometry.affine().rows(), &stored);
        prop_assert!(image.warnings.is_empty(), "{:?}", image.warnings);
        prop_assert_eq!(image.volumes[0].voxels(), &labels.map(f32::from).into_parts().1);
        // What was read is written again to the same bytes.
        let first = std::fs::read(&path).expect("bytes");
        nifti::write_mask(&path, &labels, &image.geometry).expect("written again");
        prop_assert_eq!(first, std::fs::read(&path).expect("bytes"));
        // Scans: int16 rounds, float32 keeps every bit.
        let scan = labels.map(|voxel| f32::from(voxel) * 1000.3 - 900.0);
        nifti::write_scan(&path, &scan, &geometry).expect("written");
        let whole = nifti::read(&path, &Limits::default()).expect("read").into_single().expect("one");
        prop_assert_eq!(whole.voxels(), &scan.map(f32::round).into_parts().1);
        nifti::write_floats(&path, &scan, &geometry).expect("written");
        let floats = nifti::read(&path, &Limits::default()).expect("read").into_single().expect("one");
        prop_assert_eq!(floats.voxels(), scan.voxels());
    }

    #[test]
    fn qform_says_the_same_as_sform(affine in affines(), shape in shapes(300)) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.nii");
        let tiny = grid([2, 1, 1], affine);
        nifti::write_mask(&path, &Volume::filled(tiny, 1), &Geometry::from_grid(&tiny)).expect("written");
        let mut bytes = std::fs::read(&path).expect("bytes");
        prop_assert_eq!(&bytes[252..256], &[1, 0, 1, 0][..]); // both codes
        bytes[254] = 0; // no sform any more
        let image = nifti::parse(&bytes, &Limits::default()).expect("read");
        // NIfTI-1 stores b, c, d to 6e-8 and leaves a to sqrt(1 - b² - c² - d²): near a half turn the angle is known to
        // 2 sqrt(2.4e-7), a thousandth of a radian. That is why the sform comes first.
        let grid = grid(shape, affine);
        let extent = affine.world([0.0; 3]).distance(affine.world(shape.map(|n| n as f64))).0;
        let shift = grid.largest_shift(image.geometry.affine());
        prop_assert!(shift < 1e-3 * extent + 1e-4, "{} mm of {}", shift, extent);
    }
}

/// Pieces by flood fill, numbered in the order of first voxels; neighbours differ along at most `most` axes.
fn flooded(mask: &[bool], shape: [usize; 3], most: usize) -> Vec<u32> {
    let mut labels = vec![0; mask.len()];
    let mut next = 0;
    for start in 0..mask.len() {
        if !mask[start] || labels[start] != 0 {
            continue;
        }
        next += 1;
        labels[start] = next;
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            let here = index_of(at, shape);
            for other in 0..mask.len() {
                let there = index_of(other, shape);
                let apart: [usize; 3] = std::array::from_fn(|axis| here[axis].abs_diff(there[axis]));
                let is_near = apart.iter().all(|&d| d <= 1) && apart.iter().filter(|&&d| d == 1).count() <= most;
                if mask[other] && labels[other] == 0 && is_near {
                    labels[other] = next;
                    open.push(other);
                }
            }
        }
    }
    labels
}

#[test]
fn a_shear_is_written_with_its_sform_alone() {
    let sheared = Affine::new([[1.0, 0.3, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]).expect("invertible");
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.nii");
    let grid = grid([2, 2, 2], sheared);
    nifti::write_mask(&path, &Volume::filled(grid, 1), &Geometry::from_grid(&grid)).expect("written");
    let bytes = std::fs::read(&path).expect("bytes");
    assert_eq!(&bytes[252..256], &[0, 0, 1, 0], "qform code 0, sform code 1");
    let image = nifti::read(&path, &Limits::default()).expect("read");
    assert!(grid.largest_shift(image.geometry.affine()) < 1e-6, "the shear is kept");
}

#[test]
fn a_long_axis_needs_the_second_version() {
    let grid = grid([40_000, 1, 1], Affine::axis_aligned([0.1, 1.0, 1.0], [1.0, 2.0, 3.0]).expect("fine"));
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.nii.gz");
    let geometry = Geometry::from_grid(&grid);
    assert_eq!(geometry.version(), nifti::Version::Two, "40000 > 32767");
    nifti::write_mask(&path, &Volume::filled(grid, 3), &geometry).expect("written");
    let image = nifti::read(&path, &Limits::default()).expect("read");
    assert_eq!(image.geometry, geometry, "NIfTI-2 keeps f64");
    assert_eq!(image.volumes[0].get(VoxelIndex([39_999, 0, 0])), Some(3.0), "the last voxel");
}

#[test]
fn a_volume_on_another_grid_is_not_written() {
    let unit = grid([3, 3, 3], Affine::axis_aligned([1.0; 3], [0.0; 3]).expect("fine"));
    let moved = grid([3, 3, 3], Affine::axis_aligned([1.0; 3], [0.5, 0.0, 0.0]).expect("fine"));
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.nii.gz");
    let error = nifti::write_mask(&path, &Volume::filled(moved, 1), &Geometry::from_grid(&unit)).expect_err("moved");
    assert!(matches!(error.fault(), nifti::NiftiError::GridsDiffer { .. }), "{error}");
    let scan = Volume::filled(unit, f32::NAN);
    let error = nifti::write_scan(&path, &scan, &Geometry::from_grid(&unit)).expect_err("NaN");
    assert!(matches!(error.fault(), nifti::NiftiError::OutOfRange { .. }), "{error}");
    assert!(!path.exists(), "nothing was written");
}
