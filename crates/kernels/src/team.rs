//! Tasks for the threads of the current rayon pool, each with its own scratch, writing disjoint parts of one buffer.

use rayon::prelude::*;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `body(task, scratch)` once for each task below `n_tasks`, on all threads of the current pool.
///
/// `scratch` is cut into pieces of `piece` values, one a thread; as many threads work as there are pieces. Which thread
/// takes which task is left to chance, so a task must not depend on what an earlier one left in the scratch.
pub(crate) fn run_tasks(n_tasks: usize, scratch: &mut [f32], piece: usize, body: impl Fn(usize, &mut [f32]) + Sync) {
    let next = AtomicUsize::new(0);
    let pieces = scratch.len() / piece.max(1);
    assert!(pieces > 0, "scratch: {} values, {piece} for one thread", scratch.len());
    let threads = rayon::current_num_threads().min(n_tasks.max(1)).min(pieces);
    scratch[..piece.max(1) * threads].par_chunks_mut(piece.max(1)).with_max_len(1).for_each(|own| {
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= n_tasks {
                break;
            }
            body(task, own);
        }
    });
}

/// A mutable slice that tasks share, each writing places of its own.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a, T = f32> {
    start: *mut T,
    len: usize,
    owner: PhantomData<&'a mut [T]>,
}

// SAFETY: a `Shared` is a `&mut [T]` whose users promise, at each `slice`, that no two tasks touch one place.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(values: &'a mut [T]) -> Self {
        Self { start: values.as_mut_ptr(), len: values.len(), owner: PhantomData }
    }

    /// The `len` values from `start`, for this task alone.
    ///
    /// # Safety
    /// While the returned slice lives, no other task reads or writes any of these places.
    #[expect(clippy::mut_from_ref, reason = "disjointness is the caller's promise")]
    #[inline(always)]
    pub(crate) unsafe fn slice(&self, start: usize, len: usize) -> &mut [T] {
        assert!(start <= self.len && len <= self.len - start, "shared slice out of range");
        // SAFETY: in range by the assertion, alive for 'a, and exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
}
