//! Large memory in large pages.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's memory, with the kernel asked to give what is large in large pages (2 MiB each on x86-64).
///
/// A case touches hundreds of megabytes for the first time, and each page of 4 KiB among them is a fault. Kernels that give
/// large pages only where they are asked to are the usual ones. A program that wants it names it as its global allocator.
#[derive(Clone, Copy, Debug)]
pub struct LargePages;

/// Bytes from which on it is worth asking: two large pages, so that there is a whole one wherever the memory begins.
const LARGE: usize = 4 << 20;

// SAFETY: every block is `System`'s, asked for with the caller's own layout; the advice changes no byte and no address.
unsafe impl GlobalAlloc for LargePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`, which is `System`'s too.
        advised(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above. What the system has zeroed it has not touched, so the advice comes before the first fault.
        advised(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above; `start` is a block of `System`'s.
        advised(unsafe { System.realloc(start, layout, size) }, size)
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: as above; `start` is a block of `System`'s.
        unsafe { System.dealloc(start, layout) }
    }
}

/// The same block; its pages advised to be large if it is.
fn advised(start: *mut u8, size: usize) -> *mut u8 {
    #[cfg(target_os = "linux")]
    if size >= LARGE && !start.is_null() {
        // From the page in which the block begins, so that a mapping of its own stays one: split, it could not grow in place.
        const PAGE: usize = 4096;
        let skip = start.addr() % PAGE;
        // SAFETY: pages of the block; advice on huge pages leaves their content and place alone. Where the kernel refuses,
        // as where its pages are larger than `PAGE`, nothing is lost.
        unsafe { libc::madvise(start.wrapping_sub(skip).cast(), size + skip, libc::MADV_HUGEPAGE) };
    }
    start
}
