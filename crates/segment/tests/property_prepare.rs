//! Preparing does not depend on the storage order, and labels find their way back.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

mod material;

use material::{Head, head};
use proptest::prelude::*;
use segment::labels::{LabelMap, Tissue};
use segment::prepare::{Preparing, prepare};
use segment::study::{Sequence, Study};
use volume::{Orientation, Volume};

/// The study of four scans.
fn study(scans: [Volume<f32>; 4]) -> Study {
    Study::in_memory("head".to_owned(), scans).unwrap()
}

/// The head stored in another order, every voxel at its place in the world.
fn stored(head: &Head, order: Orientation) -> Head {
    Head { scans: head.scans.each_ref().map(|scan| order.from_ras(scan)), labels: order.from_ras(&head.labels) }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Labels with what lies outside the prepared box taken away: what can come back.
fn dice(a: &LabelMap, b: &LabelMap) -> f64 {
    let tumour = |t: &Tissue| *t != Tissue::Background;
    let both = a.voxels().iter().zip(b.voxels()).filter(|(a, b)| tumour(a) && tumour(b)).count();
    let each = a.voxels().iter().filter(|t| tumour(t)).count() + b.voxels().iter().filter(|t| tumour(t)).count();
    2.0 * both as f64 / each as f64
}

#[test]
fn all_48_orders_give_one_tensor_and_exact_labels() {
    let head = head(3, [40, 48, 36], [1.0; 3]);
    for preparing in [Preparing::Brain, Preparing::Report] {
        let (expected, first) = prepare(&study(head.scans.clone()), preparing).unwrap();
        let codes = first.prepare_labels(&head.labels).unwrap();
        for order in Orientation::all() {
            let stored = stored(&head, order);
            let (tensor, preparation) = prepare(&study(stored.scans), preparing).unwrap();
            assert_eq!(tensor.shape, expected.shape, "{order} {preparing:?}");
            assert_eq!(bits(&tensor.values), bits(&expected.values), "{order} {preparing:?}");
            assert_eq!(preparation.prepare_labels(&stored.labels).unwrap(), codes, "{order} {preparing:?}");
            if preparing == Preparing::Brain {
                assert_eq!(preparation.restore(&codes).unwrap(), stored.labels, "{order}");
            }
        }
    }
}

#[test]
fn other_spacings_are_as_independent_of_the_order() {
    let head = head(4, [34, 42, 15], [1.1, 0.9, 2.6]);
    let (expected, first) = prepare(&study(head.scans.clone()), Preparing::Brain).unwrap();
    assert!(first.is_resampled());
    let codes = first.prepare_labels(&head.labels).unwrap();
    let restored = first.restore(&codes).unwrap();
    assert_eq!(restored.grid(), head.labels.grid(), "the source grid, to the bit");
    assert!(dice(&restored, &head.labels) > 0.85, "{}", dice(&restored, &head.labels));
    for order in Orientation::all() {
        let stored = stored(&head, order);
        let (tensor, preparation) = prepare(&study(stored.scans), Preparing::Brain).unwrap();
        assert_eq!(bits(&tensor.values), bits(&expected.values), "{order}");
        assert_eq!(preparation.prepare_labels(&stored.labels).unwrap(), codes, "{order}");
        let back = preparation.restore(&codes).unwrap();
        assert_eq!(back.grid(), stored.labels.grid(), "{order}");
        assert_eq!(Orientation::of(back.grid().affine()).to_ras(&back).voxels(), restored.voxels(), "{order}");
    }
}

#[test]
fn a_prepared_brain_has_mean_zero_and_air_that_is_exactly_zero() {
    let head = head(5, [40, 48, 36], [1.0; 3]);
    let (tensor, preparation) = prepare(&study(head.scans), Preparing::Brain).unwrap();
    let n_voxels: usize = tensor.shape.iter().product();
    assert_eq!(tensor.values.len(), 4 * n_voxels);
    let inside: Vec<bool> = (0..n_voxels).map(|i| (0..4).any(|c| tensor.values[c * n_voxels + i] != 0.0)).collect();
    let air = inside.iter().filter(|&&inside| !inside).count();
    assert!(air > n_voxels / 10, "the box has corners without brain: {air} of {n_voxels}");
    for sequence in Sequence::ALL {
        let channel = &tensor.values[sequence.index() * n_voxels..][..n_voxels];
        let brain: Vec<f64> =
            channel.iter().zip(&inside).filter(|&(_, &inside)| inside).map(|(&v, _)| f64::from(v)).collect();
        let mean = brain.iter().sum::<f64>() / brain.len() as f64;
        let variance = brain.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / brain.len() as f64;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-6, "{sequence}: {mean} {variance}");
        let normalisation = preparation.normalisation().unwrap()[sequence.index()];
        let top = (f64::from(normalisation.clipped_at) - normalisation.mean) / normalisation.deviation;
        let largest = brain.iter().copied().fold(f64::MIN, f64::max);
        assert!((largest - top).abs() < 1e-5, "{sequence}: {largest} for {top}");
    }
}

#[test]
fn the_report_s_way_has_its_sizes_and_its_range() {
    let head = head(6, [40, 48, 36], [1.0; 3]);
    let (tensor, preparation) = prepare(&study(head.scans.clone()), Preparing::Report).unwrap();
    assert_eq!(tensor.shape, [64, 128, 128]);
    assert!(tensor.values.iter().all(|v| (0.0..=1.0).contains(v)));
    let slice = |z: usize| &tensor.values[z * 128 * 128..][..128 * 128];
    assert!(slice(18).iter().copied().fold(0.0, f32::max) > 0.9, "each slice has its own scale");
    assert!(slice(36).iter().all(|&v| v == 0.0), "added on top");
    let codes = preparation.prepare_labels(&head.labels).unwrap();
    let restored = preparation.restore(&codes).unwrap();
    assert_eq!(restored, head.labels, "enlarging loses no voxel");
}

#[test]
fn codes_that_do_not_fit_are_refused() {
    let head = head(6, [40, 48, 36], [1.0; 3]);
    let (_, preparation) = prepare(&study(head.scans), Preparing::Brain).unwrap();
    let n_voxels = preparation.grid().len();
    assert!(preparation.restore(&vec![0; n_voxels - 1]).is_err());
    assert!(preparation.restore(&vec![4; n_voxels]).is_err());
    let elsewhere = material::head(6, [40, 48, 36], [1.0, 1.0, 1.1]).labels;
    assert!(preparation.prepare_labels(&elsewhere).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_labels_inside_the_brain_return_exactly(
        shape in [4_usize..9, 4_usize..9, 4_usize..9],
        order in 0_usize..48,
        seed in any::<u64>(),
    ) {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u16::try_from(state >> 48).unwrap()
        };
        let grid = *material::head(1, shape, [1.0; 3]).scans[0].grid();
        let order = Orientation::all()[order];
        // Only some voxels are brain; the last is, so that the box is never empty.
        let brain: Vec<bool> = (0..grid.len()).map(|i| next() % 3 == 0 || i + 1 == grid.len()).collect();
        let mut scan = || {
            let values = brain.iter().map(|&inside| if inside { f32::from(next() % 900 + 1) } else { 0.0 }).collect();
            order.from_ras(&Volume::new(grid, values).unwrap())
        };
        let scans = [scan(), scan(), scan(), scan()];
        let tissues = brain.iter().map(|&inside| {
            if inside { Tissue::from_code(u8::try_from(next() % 4).unwrap()).unwrap() } else { Tissue::Background }
        }).collect();
        let labels = order.from_ras(&Volume::new(grid, tissues).unwrap());
        let (tensor, preparation) = prepare(&study(scans), Preparing::Brain).unwrap();
        prop_assert!(tensor.values.iter().all(|v| v.is_finite()));
        let codes = preparation.prepare_labels(&labels).unwrap();
        prop_assert_eq!(preparation.restore(&codes).unwrap(), labels);
    }
}
