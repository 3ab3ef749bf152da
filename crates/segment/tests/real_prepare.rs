//! Real cases: one tensor for every storage order, exact labels, and packed intensities that prepare nearly alike.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test's material fails, and is missed, loudly")]

mod patients;

use patients::{case, folder, packed};
use segment::dataset::{find, find_one};
use segment::inspect::inspect;
use segment::labels::{LabelScheme, Region, encode_labels};
use segment::prepare::{Preparing, prepare};
use segment::report::{of_study, region_amounts};
use segment::split::Split;
use segment::study::{Sequence, Study};
use volume::nifti::{self, Geometry};
use volume::{Limits, Orientation, Volume};

fn turned(volumes: &[Volume<f32>; 4], order: Orientation) -> [Volume<f32>; 4] {
    volumes.each_ref().map(|volume| order.from_ras(volume))
}

fn bits_differ(a: &[f32], b: &[f32]) -> Option<usize> {
    assert_eq!(a.len(), b.len(), "as many values");
    a.iter().zip(b).position(|(a, b)| a.to_bits() != b.to_bits())
}

#[test]
fn all_48_orders_of_a_whole_real_case_give_one_tensor_and_exact_labels() {
    let Some(case) = case("BraTS2021_00002") else { return };
    let study = Study::read(&case, &Limits::default()).unwrap();
    let labels = case.read_labels(None, &Limits::default()).unwrap();
    let own = study_orientation(&study);
    assert_eq!((own.code().as_str(), study.grid().shape()), ("LPS", [240, 240, 155]));
    let (expected, preparation) = prepare(&study, Preparing::Brain).unwrap();
    let codes = preparation.prepare_labels(&labels).unwrap();
    assert!(Region::Wt.mask(&codes).iter().any(|&inside| inside), "the case has a tumour");
    assert!(preparation.restore(&codes).unwrap() == labels, "the reference comes back on the file's own grid");
    let (scans, labels) = (study.scans().each_ref().map(|scan| own.to_ras(scan)), own.to_ras(&labels));
    let orders = Orientation::all();
    assert_eq!(orders.len(), 48);
    for order in orders {
        let (scans, labels) = (turned(&scans, order), order.from_ras(&labels));
        let geometry = Geometry::from_grid(scans[0].grid());
        let study = Study::new("real".to_owned(), scans, geometry, study.sources().clone()).unwrap();
        let (tensor, preparation) = prepare(&study, Preparing::Brain).unwrap();
        assert_eq!(tensor.shape, expected.shape, "{order}");
        assert_eq!(bits_differ(&tensor.values, &expected.values), None, "{order}");
        assert!(preparation.prepare_labels(&labels).unwrap() == codes, "{order}");
        assert!(preparation.restore(&codes).unwrap() == labels, "{order}");
    }
}

#[test]
fn three_orders_of_a_whole_real_case_from_files() {
    let Some(case) = case("BraTS-SSA-00047-000") else { return };
    let study = Study::read(&case, &Limits::default()).unwrap();
    let labels = case.read_labels(None, &Limits::default()).unwrap();
    assert_eq!(study_orientation(&study).code(), "RAS");
    let (expected, preparation) = prepare(&study, Preparing::Brain).unwrap();
    let codes = preparation.prepare_labels(&labels).unwrap();
    assert!(preparation.restore(&codes).unwrap() == labels, "the reference comes back on the file's own grid");
    for order in Orientation::all().into_iter().filter(|order| ["LPS", "SAR", "PIL"].contains(&order.code().as_str())) {
        let folder = tempfile::tempdir().unwrap();
        let path = |ending: &str| folder.path().join(format!("{}-{ending}.nii", case.name));
        let geometry = Geometry::from_grid(order.from_ras(&labels).grid());
        for (sequence, scan) in Sequence::ALL.into_iter().zip(turned(study.scans(), order)) {
            nifti::write_floats(&path(sequence.name()), &scan, &geometry).unwrap();
        }
        let stored = encode_labels(&order.from_ras(&labels), LabelScheme::Brats2023);
        nifti::write_mask(&path("seg"), &stored, &geometry).unwrap();
        let found = find_one(folder.path()).unwrap();
        let study = Study::read(&found, &Limits::default()).unwrap();
        assert_eq!(study_orientation(&study), order);
        let (tensor, preparation) = prepare(&study, Preparing::Brain).unwrap();
        assert_eq!(bits_differ(&tensor.values, &expected.values), None, "{order}");
        let labels = found.read_labels(None, &Limits::default()).unwrap();
        assert!(preparation.prepare_labels(&labels).unwrap() == codes, "{order}");
        assert!(preparation.restore(&codes).unwrap() == labels, "{order}");
    }
}

fn study_orientation(study: &Study) -> Orientation {
    Orientation::of(study.grid().affine())
}

#[test]
fn a_packed_case_prepares_nearly_as_its_original() {
    for name in ["BraTS2021_00002", "BraTS-SSA-00047-000"] {
        let Some(case) = case(name) else { return };
        let study = Study::read(&case, &Limits::default()).unwrap();
        let (original, _) = prepare(&study, Preparing::Brain).unwrap();
        let quantised = Study::in_memory(name.to_owned(), study.scans().each_ref().map(packed)).unwrap();
        let (packed, _) = prepare(&quantised, Preparing::Brain).unwrap();
        assert_eq!(packed.shape, original.shape, "{name}: one box");
        let n_voxels: usize = packed.shape.iter().product();
        for sequence in Sequence::ALL {
            let channel = sequence.index() * n_voxels..(sequence.index() + 1) * n_voxels;
            let pairs = || original.values[channel.clone()].iter().zip(&packed.values[channel.clone()]);
            let mean = pairs().map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / n_voxels as f64;
            let most = pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            eprintln!("{name} {sequence}: differs by {mean:.4} on average, {most:.4} at most");
            assert!(mean < 0.02 && most < 0.12, "{name} {sequence}: {mean} {most}");
        }
    }
}

#[test]
fn the_real_cases_are_found_and_read_for_what_they_are() {
    let Some(folder) = folder() else { return };
    let cases = find(&[folder.join("brats")]).unwrap();
    assert_eq!(cases.len(), 4);
    for case in &cases {
        assert!(case.problems.is_empty(), "{:?}", case.problems);
        let scheme = if case.name.contains("SSA") { LabelScheme::Brats2023 } else { LabelScheme::Brats2020 };
        assert_eq!(case.scheme, Some(scheme), "{}", case.name);
        let regions = region_amounts(&case.read_labels(None, &Limits::default()).unwrap());
        let [wt, tc, et] = regions.as_slice() else { panic!("three regions") };
        eprintln!("{}: WT {:.1} ml, TC {:.1} ml, ET {:.1} ml", case.name, wt.ml, tc.ml, et.ml);
        assert!(wt.ml >= tc.ml && tc.ml >= et.ml && (1.0..400.0).contains(&wt.ml), "{}", case.name);
    }
}

#[test]
fn a_real_case_raises_no_warning_of_its_scans() {
    let Some(folder) = folder() else { return };
    for case in find(&[folder.join("brats")]).unwrap() {
        let warnings = of_study(&Study::read(&case, &Limits::default()).unwrap());
        assert!(warnings.is_empty(), "{}: {warnings:?}", case.name);
    }
}

#[test]
fn inspect_shows_the_real_cases_whole() {
    let Some(folder) = folder() else { return };
    let summaries = inspect(&[folder.join("brats")], None, &Limits::default()).unwrap();
    let orders: Vec<&str> =
        summaries.iter().map(|case| case.scans[0].content.as_ref().unwrap().orientation.as_str()).collect();
    assert_eq!(orders, ["RAS", "LPS", "LPS", "LPS"]);
    assert!(summaries.iter().all(|case| case.is_usable && case.problems.is_empty() && case.mask.is_some()));
}

#[test]
fn the_split_of_the_real_cases_is_accepted() {
    let Some(folder) = folder() else { return };
    let split = Split::read(&folder.join("split.json")).unwrap();
    assert_eq!((split.train.len(), split.validation.len(), split.same_patient.len()), (28, 8, 1));
}
