//! Real files, read from `../shared/data` beside the repository or the folder that `GLIOSCOPE_REAL` names.

#![expect(clippy::expect_used, clippy::print_stderr, clippy::float_cmp, reason = "a test, and skips are loud")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use volume::nifti::{self, Datatype, Image, NiftiError};
use volume::{Limits, Orientation, Volume};

/// The folder of real files, or a loud skip.
fn real(folder: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "the one setting of the tests of real files")]
    let root = std::env::var("GLIOSCOPE_REAL")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let path = root.join(folder);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("SKIPPED: no real files in {}", path.display());
    None
}

/// All files below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("readable folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Image {
    nifti::read(path, &Limits::default()).expect("a real scan")
}

#[test]
fn real_brats_cases_are_lps_or_ras() {
    let Some(folder) = real("brats") else { return };
    let scans = files(&folder);
    assert_eq!(scans.len(), 20, "four cases of five files");
    for path in scans {
        let image = read(&path);
        let name = path.file_name().expect("name").to_string_lossy().into_owned();
        let code = Orientation::of(image.geometry.affine()).code();
        assert_eq!(code, if name.contains("SSA") { "RAS" } else { "LPS" }, "{name}");
        assert_eq!(image.geometry.shape(), [240, 240, 155], "{name}");
        assert_eq!(image.geometry.affine().spacing(), [1.0; 3], "{name}");
        assert_eq!((image.volumes.len(), image.non_finite), (1, 0), "{name}");
        assert!(image.warnings.is_empty(), "{name}: {:?}", image.warnings);
        let volume = &image.volumes[0];
        if name.contains("seg") {
            let allowed: &[f32] = if name.contains("SSA") { &[0.0, 1.0, 2.0, 3.0] } else { &[0.0, 1.0, 2.0, 4.0] };
            assert!(volume.voxels().iter().all(|voxel| allowed.contains(voxel)), "{name}: labels");
        } else if name.contains("SSA") {
            assert_eq!(image.datatype, Datatype::F32, "{name}");
        } else {
            assert_eq!(image.datatype, Datatype::I16, "{name}");
        }
    }
}

/// Bytes of the inflated header, up to the voxels.
fn header_bytes(path: &Path) -> Vec<u8> {
    use std::io::Read;
    let bytes = std::fs::read(path).expect("readable");
    let mut header = vec![0; 352];
    flate2::read::MultiGzDecoder::new(&bytes[..]).read_exact(&mut header).expect("a header");
    header
}

#[test]
fn real_masks_keep_the_geometry_of_their_source_byte_for_byte() {
    let Some(folder) = real("brats") else { return };
    let out = tempfile::tempdir().expect("folder");
    for path in files(&folder) {
        let name = path.file_name().expect("name").to_string_lossy().into_owned();
        let image = read(&path);
        let labels = image.volumes[0].map(|voxel| u8::from(voxel > 600.0));
        let written = out.path().join("labels.nii.gz");
        nifti::write_mask(&written, &labels, &image.geometry).expect("written");
        let (source, mask) = (header_bytes(&path), header_bytes(&written));
        // pixdim; units; qform, sform codes, quaternion, offsets, rows.
        for field in [76..108, 123..124, 252..328] {
            assert_eq!(source[field.clone()], mask[field.clone()], "{name}: bytes {field:?}");
        }
        // db_name and all else before dim; descrip and aux_file; intent_name.
        for text in [4..39, 148..252, 328..344] {
            assert!(mask[text.clone()].iter().all(|&byte| byte == 0), "{name}: free text in {text:?}");
        }
        let again = read(&written);
        assert_eq!(again.geometry, image.geometry, "{name}: geometry");
        assert_eq!(again.datatype, Datatype::U8, "{name}: type");
        assert_eq!(again.volumes[0], labels.map(f32::from), "{name}: labels");
        assert!(again.warnings.is_empty(), "{name}: {:?}", again.warnings);
    }
}

#[test]
fn real_scan_survives_all_48_orders() {
    let Some(folder) = real("brats") else { return };
    let scan = read(&folder.join("BraTS2021_00002/BraTS2021_00002_t1.nii.gz")).into_single().expect("one volume");
    let ras = Orientation::of(scan.grid().affine()).to_ras(&scan);
    for orientation in Orientation::all() {
        let stored = orientation.from_ras(&ras);
        let found = Orientation::of(stored.grid().affine());
        assert_eq!(found, orientation, "the affine tells the order");
        assert!(found.to_ras(&stored) == ras, "{orientation} comes back bit for bit");
    }
}

/// A golden number; JSON has no others.
fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// Smallest, largest and mean finite value, and the mean of each times its place, in f64.
fn summary(volumes: &[Volume<f32>]) -> [f64; 4] {
    let (mut least, mut most, mut sum, mut ramp, mut count) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0.0, 0.0);
    for voxel in volumes.iter().flat_map(Volume::voxels).map(|&voxel| f64::from(voxel)).filter(|v| v.is_finite()) {
        least = least.min(voxel);
        most = most.max(voxel);
        sum += voxel;
        count += 1.0;
        ramp += voxel * count;
    }
    [least, most, sum / count, ramp / count / count]
}

fn compare(name: &str, golden: &Value, image: &Image) {
    let shape: Vec<f64> = golden["shape"].as_array().expect("shape").iter().map(number).collect();
    let along = |axis: usize| shape.get(axis).copied().unwrap_or(1.0);
    assert_eq!(image.geometry.shape().map(|n| n as f64), [along(0), along(1), along(2)], "{name}: shape");
    assert_eq!(image.volumes.len() as f64, shape.iter().skip(3).product::<f64>(), "{name}: volumes");
    assert_eq!(image.datatype.to_string(), golden["datatype"].as_str().expect("datatype"), "{name}: type");
    assert_eq!(Some(image.non_finite as u64), golden["non_finite"].as_u64(), "{name}: non-finite");
    for (row, numbers) in image.geometry.affine().rows().iter().enumerate() {
        for (column, &found) in numbers.iter().enumerate() {
            // Rows are the same numbers; a quaternion is multiplied out in another order.
            let expected = number(&golden["affine"][row][column]);
            assert!((found - expected).abs() <= 1e-12 * expected.abs().max(10.0), "{name}: affine {row} {column}");
        }
    }
    // Voxels are rounded to f32, nibabel's are f64: half a unit in the last place of each, the mean no worse.
    let found = summary(&image.volumes);
    for (found, key) in found.into_iter().zip(["min", "max", "mean", "ramp"]) {
        let expected = number(&golden[key]);
        assert!((found - expected).abs() <= 6e-8 * expected.abs().max(1e-3), "{name}: {key} {found} {expected}");
    }
}

#[test]
fn real_odd_files_read_as_nibabel_reads_them_or_are_refused_with_a_sentence() {
    let Some(folder) = real("nifti_odd") else { return };
    let golden: Value = serde_json::from_str(include_str!("golden/nifti_odd.json")).expect("golden file");
    let golden = golden.as_array().expect("a list");
    assert_eq!(golden.len(), 56, "all files of the suites");
    let mut read_well = 0;
    for row in golden {
        let name = row["file"].as_str().expect("file");
        let result = nifti::read(&folder.join(name), &Limits::default());
        match (row.get("refused"), result) {
            (None, Ok(image)) => {
                compare(name, row, &image);
                read_well += 1;
            }
            (Some(_), Err(error)) => {
                eprintln!("{error}");
                assert!(matches!(error, NiftiError::InFile { .. }), "{name}: the path is named");
                assert!(!matches!(error.fault(), NiftiError::Unreadable { .. }), "{name}: {error}");
            }
            (None, Err(error)) => panic!("{name}: nibabel reads it, here: {error}"),
            (Some(why), Ok(_)) => panic!("{name}: read, though nibabel refuses it: {why}"),
        }
    }
    assert_eq!(read_well, 35, "as many as nibabel reads");
}
