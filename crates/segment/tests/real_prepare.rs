//! Real cases: one tensor for every storage order, exact labels, and packed intensities that prepare nearly alike.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test's material fails, and is missed, loudly")]

mod patients;

use patients::{case, folder, packed};
use segment::dataset::find;
use segment::inspect::inspect;
use segment::labels::{LabelMap, LabelScheme, Region};
use segment::prepare::{Preparing, prepare};
use segment::report::{of_study, region_amounts};
use segment::split::Split;
use segment::study::{Sequence, Study};
use volume::{Bounds, Limits, Orientation, Volume, crop};

fn stored(scans: &[Volume<f32>; 4], labels: &LabelMap, order: Orientation) -> (Study, LabelMap) {
    let study = Study::in_memory("real".to_owned(), scans.each_ref().map(|scan| order.from_ras(scan))).unwrap();
    (study, order.from_ras(labels))
}

fn bits_differ(a: &[f32], b: &[f32]) -> Option<usize> {
    assert_eq!(a.len(), b.len(), "as many values");
    a.iter().zip(b).position(|(a, b)| a.to_bits() != b.to_bits())
}

#[test]
fn all_48_orders_of_a_real_piece_give_one_tensor_and_exact_labels() {
    let Some(case) = case("BraTS2021_00002") else { return };
    let study = Study::read(&case, &Limits::default()).unwrap();
    let labels = case.read_labels(None, &Limits::default()).unwrap();
    let lps = study_orientation(&study);
    assert_eq!(lps.code(), "LPS");
    let piece = Bounds { start: [60, 70, 40], end: [156, 150, 104] };
    let scans = study.scans().each_ref().map(|scan| crop(&lps.to_ras(scan), piece));
    let labels = crop(&lps.to_ras(&labels), piece);
    let (first, _) = stored(&scans, &labels, Orientation::ras());
    let (expected, preparation) = prepare(&first, Preparing::Brain).unwrap();
    let codes = preparation.prepare_labels(&labels).unwrap();
    assert!(Region::Wt.mask(&codes).iter().any(|&inside| inside), "the piece holds tumour");
    for order in Orientation::all() {
        let (study, labels) = stored(&scans, &labels, order);
        let (tensor, preparation) = prepare(&study, Preparing::Brain).unwrap();
        assert_eq!(bits_differ(&tensor.values, &expected.values), None, "{order}");
        assert!(preparation.prepare_labels(&labels).unwrap() == codes, "{order}");
        assert!(preparation.restore(&codes).unwrap() == labels, "{order}");
    }
}

#[test]
fn three_orders_of_a_whole_real_case() {
    let Some(case) = case("BraTS-SSA-00047-000") else { return };
    let study = Study::read(&case, &Limits::default()).unwrap();
    let labels = case.read_labels(None, &Limits::default()).unwrap();
    assert_eq!(study_orientation(&study).code(), "RAS");
    let (expected, preparation) = prepare(&study, Preparing::Brain).unwrap();
    let codes = preparation.prepare_labels(&labels).unwrap();
    assert!(preparation.restore(&codes).unwrap() == labels, "the reference comes back on the file's own grid");
    for order in Orientation::all().into_iter().filter(|order| ["LPS", "SAR", "PIL"].contains(&order.code().as_str())) {
        let (study, labels) = stored(study.scans(), &labels, order);
        let (tensor, preparation) = prepare(&study, Preparing::Brain).unwrap();
        assert_eq!(bits_differ(&tensor.values, &expected.values), None, "{order}");
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
