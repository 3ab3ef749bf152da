//! Real cases, which the repository does not hold.

use std::path::PathBuf;

use segment::dataset::{FoundCase, find_one};
use volume::Volume;

/// The folder with real cases; none, said loudly, where it is absent.
pub(crate) fn folder() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("GLIOSCOPE_REAL").map_or_else(beside, PathBuf::from);
    if folder.join("brats").is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no real cases in {}", folder.display());
    None
}

/// One of the cases as the challenges distribute them.
pub(crate) fn case(name: &str) -> Option<FoundCase> {
    Some(find_one(&folder()?.join("brats").join(name)).unwrap())
}

/// Intensities as the packed cases keep them: 127 steps up to the 99.9th percentile, background 0, the rest at least 1.
pub(crate) fn packed(scan: &Volume<f32>) -> Volume<f32> {
    let mut values: Vec<f32> = scan.voxels().iter().copied().filter(|&v| v != 0.0).collect();
    let rank = values.len() * 999 / 1000;
    let step = *values.select_nth_unstable_by(rank, f32::total_cmp).1 / 127.0;
    scan.map(|v| if v == 0.0 { 0.0 } else { (v / step).round().clamp(1.0, 127.0) * step })
}
