//! Memory from large pages is memory as any other.

use kernels::LargePages;

#[global_allocator]
static MEMORY: LargePages = LargePages;

const MIB: usize = 1 << 20;

#[test]
fn blocks_are_zeroed_grown_and_shrunk() {
    for size in [1, 4095, 4 * MIB - 1, 4 * MIB, 9 * MIB + 5] {
        let mut block = vec![0_u8; size];
        assert!(block.iter().all(|&byte| byte == 0), "{size} zeroed bytes");
        block.iter_mut().enumerate().for_each(|(at, byte)| *byte = at as u8);
        block.reserve_exact(8 * MIB);
        assert!(block.iter().enumerate().all(|(at, &byte)| byte == at as u8), "{size} bytes grown");
        block.truncate(size / 2 + 1);
        block.shrink_to_fit();
        assert!(block.iter().enumerate().all(|(at, &byte)| byte == at as u8), "{size} bytes shrunk");
    }
}

/// Whether the kernel knows that the mapping around `place` wants large pages.
#[cfg(target_os = "linux")]
fn is_advised(place: usize) -> Option<bool> {
    let maps = std::fs::read_to_string("/proc/self/smaps").ok()?;
    let mut here = false;
    for line in maps.lines() {
        let (first, rest) = line.split_once(' ')?;
        if let Some((from, to)) = first.split_once('-') {
            let bound = |text| usize::from_str_radix(text, 16).ok();
            here = (bound(from)?..bound(to)?).contains(&place);
        } else if here && first == "VmFlags:" {
            return Some(rest.split_whitespace().any(|flag| flag == "hg"));
        }
    }
    None
}

#[cfg(target_os = "linux")]
#[test]
fn large_blocks_are_advised() {
    if !std::fs::exists("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or(false) {
        eprintln!("SKIPPED: this kernel has no large pages to give");
        return;
    }
    let large = vec![1_u8; 64 * MIB];
    assert_eq!(is_advised(large.as_ptr().addr() + 32 * MIB), Some(true), "64 MiB");
}
