//! Input as a new user gives it by mistake: each is refused with the file, the fault and what to do.

#![expect(clippy::unwrap_used, reason = "a test's material fails loudly")]

mod material;

use std::fs;
use std::path::{Path, PathBuf};

use material::{Head, head};
use segment::dataset::{Problem, find, find_one};
use segment::error::SegmentError;
use segment::inspect::inspect;
use segment::labels::{LabelScheme, encode_labels};
use segment::study::{Sequence, Study};
use tempfile::{TempDir, tempdir};
use volume::{Affine, Grid, Limits, Volume, nifti};

fn small(seed: u64) -> Head {
    head(seed, [24, 24, 16], [1.0; 3])
}

/// Writes the four scans of a head as `NAME_SUFFIX.nii.gz`; returns the files by sequence.
fn write_scans(folder: &Path, head: &Head, name: &str, suffixes: [&str; 4]) -> [PathBuf; 4] {
    fs::create_dir_all(folder).unwrap();
    Sequence::ALL.map(|sequence| {
        let file = folder.join(format!("{name}{}.nii.gz", suffixes[sequence.index()]));
        write_scan(&file, &head.scans[sequence.index()]);
        file
    })
}

/// Writes one scan as int16.
fn write_scan(file: &Path, scan: &Volume<f32>) {
    nifti::write_scan(file, scan, &nifti::Geometry::from_grid(scan.grid())).unwrap();
}

/// Writes stored numbers as a mask.
fn write_mask(file: &Path, mask: &Volume<u8>) {
    nifti::write_mask(file, mask, &nifti::Geometry::from_grid(mask.grid())).unwrap();
}

/// Suffixes of BraTS up to 2021.
const CLASSIC: [&str; 4] = ["_t1", "_t1ce", "_t2", "_flair"];

/// Suffixes of BraTS from 2023 on.
const LATER: [&str; 4] = ["-t1n", "-t1c", "-t2w", "-t2f"];

/// A folder with a whole case.
fn whole() -> (TempDir, Head, [PathBuf; 4]) {
    let folder = tempdir().unwrap();
    let head = small(1);
    let files = write_scans(folder.path(), &head, "BraTS2021_00042", CLASSIC);
    (folder, head, files)
}

/// Why the case in a folder cannot be read.
fn fault(folder: &Path) -> SegmentError {
    find_one(folder).and_then(|case| Study::read(&case, &Limits::default())).unwrap_err()
}

fn says(error: &SegmentError, words: &[&str]) {
    let sentence = segment::error::sentence(error);
    for word in words {
        assert!(sentence.contains(word), "'{word}' is not in: {sentence}");
    }
}

#[test]
fn a_whole_case_is_read_with_its_hashes_and_labels() {
    let (folder, head, files) = whole();
    write_mask(&folder.path().join("BraTS2021_00042_seg.nii.gz"), &encode_labels(&head.labels, LabelScheme::Brats2020));
    let case = find_one(folder.path()).unwrap();
    assert_eq!((case.name.as_str(), case.scheme), ("BraTS2021_00042", Some(LabelScheme::Brats2020)));
    let study = Study::read(&case, &Limits::default()).unwrap();
    for sequence in Sequence::ALL {
        assert_eq!(study.scan(sequence).voxels(), head.scans[sequence.index()].voxels(), "{sequence}");
        let bytes = fs::read(&files[sequence.index()]).unwrap();
        assert_eq!(study.source(sequence).sha256, segment::source::Digest::of(&bytes));
    }
    let labels = case.read_labels(None, &Limits::default()).unwrap();
    assert_eq!(labels.voxels(), head.labels.voxels());
    let wrong = case.read_labels(Some(LabelScheme::Brats2023), &Limits::default()).unwrap_err();
    says(&wrong, &["BraTS2021_00042_seg.nii.gz", "4 at", "brats2023", "--scheme"]);
}

#[test]
fn three_sequences() {
    let (folder, _, files) = whole();
    fs::remove_file(&files[Sequence::T1c.index()]).unwrap();
    says(&fault(folder.path()), &["BraTS2021_00042", "T1c is missing", "t1ce"]);
}

#[test]
fn two_cases_in_one_folder() {
    let (folder, _, _) = whole();
    write_scans(folder.path(), &small(2), "BraTS2021_00043", CLASSIC);
    let error = find_one(folder.path()).unwrap_err();
    assert!(matches!(error, SegmentError::SeveralCases { .. }));
    says(&error, &["2 cases", "BraTS2021_00042", "BraTS2021_00043", "own folder"]);
    assert_eq!(find(&[folder.path().into()]).unwrap().iter().map(|case| case.problems.len()).sum::<usize>(), 0);
}

#[test]
fn halves_of_two_cases_are_never_joined() {
    let folder = tempdir().unwrap();
    let head = small(1);
    for (name, suffix, sequence) in
        [("smith", "t1", 0), ("smith", "t1ce", 1), ("jones", "t2", 2), ("jones", "flair", 3)]
    {
        write_scan(&folder.path().join(format!("{name}_{suffix}.nii.gz")), &head.scans[sequence]);
    }
    let cases = find(&[folder.path().into()]).unwrap();
    assert_eq!(cases.iter().map(|case| case.name.as_str()).collect::<Vec<_>>(), ["jones", "smith"]);
    for case in &cases {
        assert!(case.problems.iter().any(|p| matches!(p, Problem::SharesFolder { .. })), "{:?}", case.problems);
        says(&Study::read(case, &Limits::default()).unwrap_err(), &["is missing", "the folder also holds"]);
    }
}

#[test]
fn a_sequence_twice() {
    let (folder, head, _) = whole();
    write_scan(&folder.path().join("BraTS2021_00042_flair.nii"), &head.scans[3]);
    says(&fault(folder.path()), &["T2f is there more than once", "_flair.nii,", "_flair.nii.gz", "keep one"]);
}

#[test]
fn one_file_for_two_sequences() {
    let (folder, _, files) = whole();
    fs::copy(&files[2], &files[3]).unwrap();
    says(&fault(folder.path()), &["T2w (", "T2f (", "the same picture"]);
}

#[test]
fn other_shapes_and_other_places() {
    let (folder, head, files) = whole();
    write_scan(&files[1], &material::head(1, [24, 25, 16], [1.0; 3]).scans[1]);
    says(&fault(folder.path()), &["T1n (", "T1c (", "different grids", "24 and 25 voxels along y", "register"]);
    let affine = Affine::axis_aligned([1.0; 3], [-91.3, 17.25, 6.5]).unwrap();
    let grid = Grid::new([24, 24, 16], affine, &Limits::default()).unwrap();
    write_scan(&files[1], &Volume::new(grid, head.scans[1].voxels().to_vec()).unwrap());
    says(&fault(folder.path()), &["T1n (", "T1c (", "2.50 mm", "world's z axis"]);
}

#[test]
fn a_shift_of_rounding_is_no_other_place() {
    let (folder, head, files) = whole();
    let affine = Affine::axis_aligned([1.0; 3], [-91.3 + 1e-4, 17.25, 4.0]).unwrap();
    let grid = Grid::new([24, 24, 16], affine, &Limits::default()).unwrap();
    write_scan(&files[1], &Volume::new(grid, head.scans[1].voxels().to_vec()).unwrap());
    assert!(Study::read(&find_one(folder.path()).unwrap(), &Limits::default()).is_ok());
}

#[test]
fn a_mask_as_a_scan_and_a_scan_as_a_mask() {
    let (folder, head, files) = whole();
    write_mask(&folder.path().join("BraTS2021_00042_seg.nii.gz"), &encode_labels(&head.labels, LabelScheme::Brats2020));
    fs::copy(&files[0], folder.path().join("scan.bytes")).unwrap();
    write_mask(&files[0], &encode_labels(&head.labels, LabelScheme::Brats2020));
    let error = fault(folder.path());
    assert!(matches!(error, SegmentError::MaskGivenAsScan { .. }));
    says(&error, &["_t1.nii.gz", "mask, not a scan"]);
    fs::copy(folder.path().join("scan.bytes"), folder.path().join("BraTS2021_00042_seg.nii.gz")).unwrap();
    let case = find_one(folder.path()).unwrap();
    says(&case.read_labels(None, &Limits::default()).unwrap_err(), &["_seg.nii.gz", "this is a scan, not a mask"]);
}

#[test]
fn a_mask_without_a_known_scheme() {
    let folder = tempdir().unwrap();
    let head = small(1);
    write_scans(folder.path(), &head, "", ["t1", "t1ce", "t2", "flair"]);
    write_mask(&folder.path().join("seg.nii.gz"), &encode_labels(&head.labels, LabelScheme::Brats2023));
    let case = find_one(folder.path()).unwrap();
    assert_eq!(case.name, folder.path().file_name().unwrap().to_str().unwrap());
    says(&case.read_labels(None, &Limits::default()).unwrap_err(), &["seg.nii.gz", "--scheme brats2020"]);
    assert!(case.read_labels(Some(LabelScheme::Brats2023), &Limits::default()).is_ok());
}

#[test]
fn a_dicom_folder() {
    let folder = tempdir().unwrap();
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    fs::write(folder.path().join("IM0001"), &bytes).unwrap();
    says(&fault(folder.path()), &["holds DICOM files", "dcm2niix"]);
    let by_name = tempdir().unwrap();
    fs::write(by_name.path().join("a.dcm"), b"").unwrap();
    says(&fault(by_name.path()), &["holds DICOM files", "dcm2niix"]);
}

#[test]
fn a_truncated_file() {
    let (folder, _, files) = whole();
    let bytes = fs::read(&files[2]).unwrap();
    for keep in [0, 5, 300, bytes.len() / 2, bytes.len() - 4] {
        fs::write(&files[2], &bytes[..keep]).unwrap();
        says(&fault(folder.path()), &["BraTS2021_00042_t2.nii.gz"]);
    }
    fs::write(&files[2], b"<html>not found</html>").unwrap();
    says(&fault(folder.path()), &["BraTS2021_00042_t2.nii.gz"]);
}

#[test]
fn zeros_and_nans() {
    let (folder, head, files) = whole();
    write_scan(&files[0], &head.scans[0].map(|_| 0.0));
    let error = fault(folder.path());
    assert!(matches!(error, SegmentError::NoSignal { .. }));
    says(&error, &["T1n (", "_t1.nii.gz", "no voxel is above zero", "export"]);
    let mut scan = head.scans[0].clone();
    scan.voxels_mut()[24 * 24 + 2 * 24 + 7] = f32::NAN;
    nifti::write_floats(&files[0], &scan, &nifti::Geometry::from_grid(scan.grid())).unwrap();
    says(&fault(folder.path()), &["T1n (", "1 voxels are not finite", "(7, 2, 1)"]);
}

#[test]
fn a_scan_of_one_value() {
    let (folder, head, files) = whole();
    write_scan(&files[2], &head.scans[2].map(|v| if v > 0.0 { 100.0 } else { 0.0 }));
    says(&fault(folder.path()), &["T2w", "_t2.nii.gz", "the same value", "export"]);
    write_scan(&files[2], &head.scans[2].map(|_| 100.0));
    assert!(matches!(fault(folder.path()), SegmentError::NoContrast { .. }));
}

#[test]
fn a_stack_as_a_scan() {
    let (folder, head, files) = whole();
    write_stack(&files[0], &head.scans[..2]);
    says(&fault(folder.path()), &["_t1.nii.gz", "holds 2 volumes where one is expected", "3-D"]);
}

#[test]
fn nothing_at_all() {
    let folder = tempdir().unwrap();
    says(&find_one(folder.path()).unwrap_err(), &["no case found", "four NIfTI files"]);
    says(&find_one(&folder.path().join("nowhere")).unwrap_err(), &["nowhere"]);
    let file = folder.path().join("image.nii.gz");
    write_scan(&file, &small(1).scans[0]);
    says(&find_one(&file).unwrap_err(), &["no case found"]);
    says(&fault(folder.path()), &["no file name says its sequence", "image.nii.gz", "rename"]);
}

#[test]
fn own_output_and_hidden_folders_are_neither_cases_nor_references() {
    let (folder, head, _) = whole();
    fs::create_dir(folder.path().join("out")).unwrap();
    write_mask(&folder.path().join("out/labels.nii.gz"), &encode_labels(&head.labels, LabelScheme::Brats2020));
    write_mask(&folder.path().join("labels.nii.gz"), &encode_labels(&head.labels, LabelScheme::Brats2020));
    fs::create_dir(folder.path().join(".phantom_0001.unfinished")).unwrap();
    write_scan(&folder.path().join(".phantom_0001.unfinished/phantom_0001_t1.nii.gz"), &head.scans[0]);
    let cases = find(&[folder.path().into()]).unwrap();
    assert_eq!((cases.len(), cases[0].seg.as_ref()), (1, None));
}

#[test]
fn a_mask_of_another_name_belongs_to_the_only_case() {
    let (folder, head, _) = whole();
    write_mask(&folder.path().join("W39_1998.09.19_Segm.nii"), &encode_labels(&head.labels, LabelScheme::Brats2020));
    let case = find_one(folder.path()).unwrap();
    assert!(case.read_labels(None, &Limits::default()).is_ok());
}

#[test]
fn a_data_set_twice_and_two_cases_of_one_name() {
    let (folder, _, _) = whole();
    let again = [folder.path().to_path_buf(), folder.path().to_path_buf()];
    assert_eq!(find(&again).unwrap().len(), 1);
    let (other, _, _) = whole();
    let cases = find(&[folder.path().into(), other.path().into()]).unwrap();
    assert_eq!((cases[0].problems.len(), cases[1].problems.len()), (0, 1));
    assert!(matches!(cases[1].problems[0], Problem::SameName { .. }));
    assert!(Study::read(&cases[0], &Limits::default()).is_ok());
    says(
        &Study::read(&cases[1], &Limits::default()).unwrap_err(),
        &["BraTS2021_00042", "was found before", "keep one"],
    );
}

#[test]
fn a_manifest() {
    let folder = tempdir().unwrap();
    let head = small(1);
    write_scans(&folder.path().join("scans"), &head, "x", LATER);
    let manifest = folder.path().join("list.csv");
    let row = "a,scans/x-t1n.nii.gz,scans/x-t1c.nii.gz,scans/x-t2w.nii.gz,scans/x-t2f.nii.gz";
    fs::write(&manifest, format!("case,t1n,t1c,t2w,t2f\n{row}\n")).unwrap();
    let case = find_one(&manifest).unwrap();
    assert!(Study::read(&case, &Limits::default()).is_ok());
    let check = |text: &str, words: &[&str]| {
        fs::write(&manifest, text).unwrap();
        let error = find_one(&manifest).and_then(|case| Study::read(&case, &Limits::default())).unwrap_err();
        says(&error, words);
    };
    check("case,t1n,t1c,t2w\na,b,c,d\n", &["list.csv, line 1", "column t2f is missing"]);
    check("case,t1n,t1c,t2w,t2f,age\n", &["line 1", "column age is unknown"]);
    check(&format!("case,t1n,t1c,t2w,t2f\n{row}\nb,1\n"), &["line 3", "not CSV"]);
    check(&format!("case,t1n,t1c,t2w,t2f,scheme\n{row},brats1999\n"), &["line 2", "brats1999", "msd"]);
    check("case,t1n,t1c,t2w,t2f\n,a,b,c,d\n", &["line 2", "no case name"]);
    check("case,t1n,t1c,t2w,t2f\na,no.nii,,c,d\n", &["T1n should be", "no.nii", "does not exist", "T1c is missing"]);
    check("case,t1n,t1c,t2w,t2f\n", &["no case found"]);
}

#[expect(clippy::cast_possible_truncation, reason = "scans of phantoms are int16")]
fn stored(value: f32) -> i16 {
    value as i16
}

/// Rows of a 4-D file: the header of a 3-D one with `dim` changed, and the voxels one after the other.
fn write_stack(file: &Path, scans: &[Volume<f32>]) {
    let plain = file.with_extension("one");
    write_scan(&plain, &scans[0]);
    let mut bytes = fs::read(&plain).unwrap();
    fs::remove_file(&plain).unwrap();
    bytes[40..42].copy_from_slice(&4_i16.to_le_bytes());
    bytes[48..50].copy_from_slice(&i16::try_from(scans.len()).unwrap().to_le_bytes());
    for scan in &scans[1..] {
        bytes.extend(scan.voxels().iter().flat_map(|&v| stored(v).to_le_bytes()));
    }
    fs::write(file, bytes).unwrap();
}

#[test]
fn the_decathlon_s_brain_tumours() {
    let folder = tempdir().unwrap();
    let head = small(1);
    for part in ["imagesTr", "labelsTr", "imagesTs"] {
        fs::create_dir(folder.path().join(part)).unwrap();
    }
    let [t1n, t1c, t2w, t2f] = head.scans.clone();
    write_stack(&folder.path().join("imagesTr/BRATS_001.nii"), &[t2f.clone(), t1n.clone(), t1c, t2w]);
    write_stack(&folder.path().join("imagesTs/BRATS_485.nii"), &[t2f, t1n]);
    write_mask(&folder.path().join("labelsTr/BRATS_001.nii"), &encode_labels(&head.labels, LabelScheme::Msd));
    let list = r#"{"name": "BRATS", "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
        "labels": {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
        "training": [{"image": "./imagesTr/BRATS_001.nii", "label": "./labelsTr/BRATS_001.nii"}],
        "test": ["./imagesTs/BRATS_485.nii"]}"#;
    fs::write(folder.path().join("dataset.json"), list).unwrap();
    let cases = find(&[folder.path().into()]).unwrap();
    assert_eq!(cases.iter().map(|case| case.name.as_str()).collect::<Vec<_>>(), ["BRATS_001", "BRATS_485"]);
    let study = Study::read(&cases[0], &Limits::default()).unwrap();
    for sequence in Sequence::ALL {
        assert_eq!(study.scan(sequence).voxels(), head.scans[sequence.index()].voxels(), "{sequence}");
    }
    assert_eq!(cases[0].scheme, Some(LabelScheme::Msd));
    assert_eq!(cases[0].read_labels(None, &Limits::default()).unwrap().voxels(), head.labels.voxels());
    says(&Study::read(&cases[1], &Limits::default()).unwrap_err(), &["BRATS_485.nii", "volume 2", "holds 2"]);
}

#[test]
fn inspect_shows_every_case_and_what_is_wrong_with_each() {
    let folder = tempdir().unwrap();
    let head = small(1);
    for (name, broken) in [("BraTS2021_00001", None), ("BraTS2021_00002", Some(2)), ("BraTS2021_00003", None)] {
        let place = folder.path().join(name);
        let files = write_scans(&place, &head, name, CLASSIC);
        write_mask(&place.join(format!("{name}_seg.nii.gz")), &encode_labels(&head.labels, LabelScheme::Brats2020));
        if let Some(broken) = broken {
            fs::write(&files[broken], b"nothing").unwrap();
            fs::remove_file(&files[3]).unwrap();
        }
    }
    fs::create_dir(folder.path().join("dicom")).unwrap();
    fs::write(folder.path().join("dicom/1.dcm"), b"").unwrap();
    let summaries = inspect(&[folder.path().into()], None, &Limits::default()).unwrap();
    let usable: Vec<bool> = summaries.iter().map(|summary| summary.is_usable).collect();
    assert_eq!(usable, [true, false, true, false], "{summaries:?}");
    let content = summaries[0].scans[0].content.as_ref().unwrap();
    assert_eq!(
        (content.shape, content.orientation.as_str(), content.datatype.as_str()),
        ([24, 24, 16], "RAS", "int16")
    );
    let mask = summaries[0].mask.as_ref().unwrap();
    let voxels = head.labels.voxels().iter().filter(|tissue| tissue.code() > 0).count();
    assert_eq!(mask.regions[0].voxels, voxels);
    assert_eq!(summaries[1].missing, [Sequence::T2f]);
    assert_eq!(summaries[1].problems.len(), 2, "{:?}", summaries[1].problems);
    assert!(summaries[3].problems[0].contains("dcm2niix"));
    let json = serde_json::to_string(&summaries).unwrap();
    assert!(json.contains(r#""missing":["t2f"]"#), "{json}");
}
