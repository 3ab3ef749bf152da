//! Real files, read from `../shared/data` beside the repository or the folder that `GLIOSCOPE_REAL` names.

#![expect(clippy::expect_used, clippy::print_stderr, clippy::float_cmp, reason = "a test, and skips are loud")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use volume::nifti::{self, Datatype, Image};
use volume::{Limits, Orientation};

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
