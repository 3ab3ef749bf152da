//! How much memory a pass may take on this machine, now.

use std::fs;
use std::path::Path;

use kernels::{Cpu, Half, LANES, blocks, voxels};
use unet::{Net, NetSpec, Products, UnetError};

use crate::precision::Precision;

/// What packed weights and scratch take beside the activations of a network of some million weights (judgement: 5.6 M
/// weights packed for Winograd's filtering are 120 MB).
const BESIDE: u64 = 256 << 20;

/// Bytes that the system could give without swapping; `None` where it does not say (it is not Linux).
pub(crate) fn available() -> Option<u64> {
    let machine = field(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?.saturating_mul(1024);
    let limits = [group_limit(Path::new("/sys/fs/cgroup")), own_limit()];
    Some(limits.into_iter().flatten().fold(machine, u64::min))
}

/// What is left of this process's own limit on its address space (`RLIMIT_AS`).
fn own_limit() -> Option<u64> {
    let read = |name: &str| fs::read_to_string(Path::new("/proc/self").join(name)).ok();
    let limit = field(&read("limits")?, "Max address space")?; // `unlimited` is no number and no limit
    let used = field(&read("status")?, "VmSize:")?.saturating_mul(1024);
    Some(limit.saturating_sub(used))
}

/// What is left of the limit of a container (cgroup v2); pages of files that could be dropped count as left.
fn group_limit(group: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(group.join(name)).ok();
    let limit: u64 = read("memory.max")?.trim().parse().ok()?; // `max` is no number and no limit
    let used: u64 = read("memory.current")?.trim().parse().ok()?;
    let files = read("memory.stat").and_then(|stat| field(&stat, "inactive_file")).unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(files)))
}

/// The number after a word at the start of a line.
fn field(text: &str, word: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(word)?.split_whitespace().next()?.parse().ok())
}

/// Bytes that one pass over a case of `shape` takes, about. The network is laid out to know, which touches no memory;
/// what is beyond `limit` by a rough count is not laid out.
///
/// # Errors
/// If the description makes no network.
pub(crate) fn of_pass(
    spec: &NetSpec,
    shape: [usize; 3],
    (cpu, precision): (Cpu, Precision),
    limit: u64,
) -> Result<u64, UnetError> {
    let shape = shape.map(|n| n.next_multiple_of(spec.multiple()));
    let values = |channels: usize| (channels * voxels(shape) * size_of::<f32>()) as u64;
    // At full resolution a layer reads two tensors, the concatenation, and writes a third.
    let share = if precision == Precision::F32 { 1 } else { 2 };
    let rough = 3 * values(blocks(spec.widths.first().copied().unwrap_or(1)) * LANES) / share;
    if rough > limit {
        return Ok(rough);
    }
    let activations = match precision {
        Precision::F32 => Net::<f32>::inference(spec, shape, cpu, Products::Floats)?.bytes(),
        // All of sixteen bits.
        Precision::F16 | Precision::Bf16 | Precision::Int16 | Precision::Int8 => {
            Net::<Half>::inference(spec, shape, cpu, Products::Floats)?.bytes()
        }
    };
    Ok(activations as u64 + values(spec.inputs + spec.outputs) + BESIDE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_system_are_found() {
        let text = "MemTotal:       24 kB\nMemAvailable:   12345 kB\n";
        assert_eq!(field(text, "MemAvailable:"), Some(12345));
        assert_eq!(field(text, "SwapFree:"), None);
        let limits = "Max file size    unlimited   unlimited   bytes\nMax address space   4096   8192   bytes\n";
        assert_eq!((field(limits, "Max address space"), field(limits, "Max file size")), (Some(4096), None));
    }

    #[test]
    fn a_container_leaves_what_it_has_not_used() {
        let group = tempfile::tempdir().unwrap();
        let write = |name, text| fs::write(group.path().join(name), text).unwrap();
        assert_eq!(group_limit(group.path()), None, "no group");
        write("memory.max", "max\n");
        write("memory.current", "700\n");
        assert_eq!(group_limit(group.path()), None, "no limit");
        write("memory.max", "1000\n");
        assert_eq!(group_limit(group.path()), Some(300));
        write("memory.stat", "anon 500\ninactive_file 200\n");
        assert_eq!(group_limit(group.path()), Some(500));
    }

    #[test]
    fn a_larger_case_takes_more_and_a_huge_one_is_not_laid_out() {
        let spec = NetSpec { widths: vec![4, 8], ..NetSpec::n32() };
        let of = |shape, precision, limit| of_pass(&spec, shape, (Cpu::detect(), precision), limit).unwrap();
        let small = of([16, 16, 15], Precision::F32, u64::MAX);
        let large = of([32, 32, 32], Precision::F32, u64::MAX);
        assert!(BESIDE < small && small < large);
        let halves = of([32, 32, 32], Precision::F16, u64::MAX);
        assert!(small < halves && halves < large, "halves take less");
        assert_eq!(of([1 << 20, 1 << 10, 1 << 10], Precision::F32, 1), (3 * 16 * 4) << 40);
    }
}
