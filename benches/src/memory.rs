//! Counts the bytes that are allocated, to state the memory of a task.
//!
//! A program that asks for [`peak_nbytes`] sets [`Counting`] as its global allocator; without it the answer is 0. While nobody asks, an allocation costs one load
//! more than the system's own, so timed passes run with the counting off.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arras_core::pages::HugePages;

/// The allocator that arras advises, counting while it is told to.
pub struct Counting;

static COUNT: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the allocator below unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { HugePages.alloc(layout) }
    }
    // The default would write the zeros that the system's pages hold already.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { HugePages.alloc_zeroed(layout) }
    }
    // The default would copy where the system can grow in place or move pages.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Both are counted for a moment, as if every growth copied.
        add(new_size);
        subtract(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { HugePages.realloc(pointer, layout, new_size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        subtract(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { HugePages.dealloc(pointer, layout) }
    }
}

fn add(nbytes: usize) {
    if COUNT.load(Ordering::Relaxed) {
        let live = LIVE.fetch_add(nbytes, Ordering::Relaxed) + nbytes;
        PEAK.fetch_max(live, Ordering::Relaxed);
    }
}

fn subtract(nbytes: usize) {
    if COUNT.load(Ordering::Relaxed) {
        LIVE.fetch_sub(nbytes, Ordering::Relaxed);
    }
}

/// The most bytes that were allocated at once while `body` ran, beyond those allocated before.
pub fn peak_nbytes<R>(body: impl FnOnce() -> R) -> (R, usize) {
    // Far from zero, so that freeing what was allocated before does not wrap.
    LIVE.store(1 << 60, Ordering::Relaxed);
    PEAK.store(1 << 60, Ordering::Relaxed);
    COUNT.store(true, Ordering::SeqCst);
    let result = body();
    COUNT.store(false, Ordering::SeqCst);
    (result, PEAK.load(Ordering::Relaxed) - (1 << 60))
}

/// Lets the operating system's note of the most memory that this process had begin anew, where it can.
pub fn forget_peak_resident() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory that this process had resident, if the operating system says so.
pub fn peak_resident_nbytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}
