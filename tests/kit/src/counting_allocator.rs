//! The system allocator with a counter per thread, for tests that count allocations.
//!
//! A test binary declares it: `#[global_allocator] static ALLOCATOR: Counting = Counting;`. Each
//! thread has its own count, so tests that run concurrently do not affect each other.
#![expect(unsafe_code, reason = "an allocator cannot be written without unsafe code")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// Passes everything on to the system allocator, and counts.
#[derive(Debug)]
pub struct Counting;

// SAFETY: every call is passed on to `System` unchanged, which upholds the contract. Counting
// accesses a thread-local cell that needs no memory and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises about the layout are those that `System` requires.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from `System` with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the block came from `System` with this layout; the size is the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }
}

fn count() {
    // A thread that is ending has no cell any more.
    COUNT.try_with(|count| count.set(count.get() + 1)).unwrap_or_default();
}

/// Returns the result of `work`, and the number of allocations and reallocations of this thread in
/// it.
pub fn counted<R>(work: impl FnOnce() -> R) -> (R, u64) {
    let before = COUNT.get();
    let result = work();
    (result, COUNT.get() - before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    #[test]
    fn an_allocation_counts() {
        let (bytes, count) = counted(|| std::hint::black_box(Vec::<u8>::with_capacity(16)));
        assert_eq!(count, 1);
        assert_eq!(counted(|| drop(bytes)).1, 0, "giving back is free");
    }
}
