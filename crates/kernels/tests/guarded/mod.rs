//! Memory whose neighbours may not be touched: the pages before and after each block are closed, and a block ends where the
//! closed page begins, or begins where it ends. One read or write outside of a block is the end of the process.

use std::alloc::{GlobalAlloc, Layout};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};

/// At which end of a block there is nothing between it and a closed page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Behind,
    Before,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Behind, Self::Before];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::Before => "before",
        }
    }
}

/// Blocks that are asked for from now on lie so.
pub(crate) fn close(side: Side) {
    IS_BEHIND.store(side == Side::Behind, Ordering::SeqCst);
}

static IS_BEHIND: AtomicBool = AtomicBool::new(true);

/// The bytes just outside of `block`, read.
pub(crate) fn read_outside(block: &[u8], side: Side) -> u8 {
    let place = match side {
        Side::Behind => block.as_ptr().wrapping_add(block.len()),
        Side::Before => block.as_ptr().wrapping_sub(1),
    };
    // SAFETY: none, which is the point: the page is closed, so the process ends here.
    unsafe { place.read_volatile() }
}

/// An allocator that gives each block pages of its own, between two closed ones.
pub(crate) struct Guarded;

/// Bytes of a page.
fn page() -> usize {
    // SAFETY: asks the system for a constant.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

// SAFETY: each block is a mapping of its own from `alloc` to `dealloc`. Its open pages hold at least the layout's bytes; it
// begins where they begin, or so many bytes before their end, rounded down to the alignment, which divides a page.
unsafe impl GlobalAlloc for Guarded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let page = page();
        let open = layout.size().next_multiple_of(page);
        if layout.align() > page {
            return null_mut();
        }
        let (closed, private) = (libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, where the system has room, touches no other.
        let mapping = unsafe { libc::mmap(null_mut(), open + 2 * page, closed, private, -1, 0) };
        if mapping == libc::MAP_FAILED {
            return null_mut();
        }
        let first = mapping.wrapping_byte_add(page);
        // SAFETY: pages of that mapping, which nobody knows yet.
        if unsafe { libc::mprotect(first, open, libc::PROT_READ | libc::PROT_WRITE) } != 0 {
            return null_mut();
        }
        let is_behind = IS_BEHIND.load(Ordering::SeqCst);
        let skip = if is_behind { (open - layout.size()) & !(layout.align() - 1) } else { 0 };
        first.wrapping_byte_add(skip).cast()
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`, which is the same; new pages are zeros.
        unsafe { self.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let page = page();
        let open = layout.size().next_multiple_of(page);
        // SAFETY: a block begins in the first of its open pages, whichever side it lies at, and there is one closed page before
        // them and one after. By the caller's promise nothing in them is used any more.
        unsafe { libc::munmap(block.wrapping_sub(block.addr() % page + page).cast(), open + 2 * page) };
    }
}
