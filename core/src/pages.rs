//! Large pages for large blocks.
//!
//! ```text
//!     a fresh allocation of 100 MB     25,000 pages of 4 kB, each mapped when it is first written: as long as writing it takes
//!     advised                              50 pages of 2 MB
//! ```
//! Linux gives large pages to those who ask for them. NumPy asks for its arrays; [`huge`] does for one vector, [`HugePages`] for all that a program allocates.

use std::alloc::{GlobalAlloc, Layout, System};

/// What is smaller is not worth asking for: NumPy's limit.
const LARGE: usize = 4 << 20;

/// A vector that nobody has written to yet, or little, in large pages where the system has them. Costs a system call for each vector of 4 MiB or more.
///
/// ```
/// let mut block: Vec<f64> = arras_core::pages::huge(Vec::with_capacity(1_000_000));
/// block.resize(1_000_000, 0.5);
/// ```
pub fn huge<T>(fresh: Vec<T>) -> Vec<T> {
    advise(fresh.as_ptr().cast_mut().cast(), fresh.capacity() * size_of::<T>());
    fresh
}

/// The system's allocator, asking for large pages for whatever is 4 MiB or more: for programs whose functions make large blocks, as one line beside `main`. Blocks that arras
/// makes itself have them without.
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: arras_core::pages::HugePages = arras_core::pages::HugePages;
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct HugePages;

// SAFETY: every call is handed on to the system's allocator unchanged, and advice changes nothing about memory but the pages that it is in.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        let start = unsafe { System.alloc(layout) };
        advise(start, layout.size());
        start
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        let start = unsafe { System.alloc_zeroed(layout) };
        advise(start, layout.size());
        start
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        let start = unsafe { System.realloc(pointer, layout, new_size) };
        advise(start, new_size);
        start
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[cfg(target_os = "linux")]
fn advise(start: *mut u8, nbytes: usize) {
    const PAGE: usize = 4096;
    if nbytes < LARGE || start.is_null() {
        return;
    }
    let skipped = start.align_offset(PAGE);
    // SAFETY: the pages lie within one allocation of `nbytes`, and how large they are changes nothing about what they hold. If the system has no large pages it says so, and
    // nothing is lost.
    let _ = unsafe { rustix::mm::madvise(start.wrapping_add(skipped).cast(), nbytes - skipped, rustix::mm::Advice::LinuxHugepage) };
}

#[cfg(not(target_os = "linux"))]
fn advise(_: *mut u8, _: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_advised_holds_what_is_written() {
        for n in [0, 1, LARGE - 1, LARGE, 3 * LARGE + 5] {
            let mut bytes = huge(Vec::with_capacity(n));
            bytes.resize(n, 7u8);
            assert_eq!(bytes.iter().map(|&x| usize::from(x)).sum::<usize>(), 7 * n);
            let zeros = huge(vec![0u8; n]);
            assert!(zeros.iter().all(|&x| x == 0));
        }
    }

    #[test]
    fn the_allocator_allocates_grows_and_zeroes() {
        for size in [16, LARGE, 2 * LARGE] {
            let layout = Layout::from_size_align(size, 16).unwrap();
            // SAFETY: the size is not zero; what is allocated is written and read within it, grown with its own layout, and freed once with the layout that it has then.
            unsafe {
                let start = HugePages.alloc_zeroed(layout);
                assert_eq!(*start.add(size - 1), 0);
                start.add(size - 1).write(9);
                let grown = HugePages.realloc(start, layout, 2 * size);
                assert_eq!(*grown.add(size - 1), 9);
                HugePages.dealloc(grown, Layout::from_size_align(2 * size, 16).unwrap());
            }
        }
    }
}
