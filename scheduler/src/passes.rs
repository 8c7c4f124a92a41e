//! Data-parallel passes over large plans.
//!
//! They run on a rayon pool of their own, which never sees user code: a pass that waited for the global pool could wait for a job that waits for a lock that the caller
//! holds. The pool is started by the first plan that is large enough.

use std::sync::OnceLock;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::threads::cpu_count;

/// Elements from which a pass is worth waking threads for, some 100 µs of work.
const LARGE: usize = 1 << 16;

/// A slice of `make(i)` for each `i` below `n`.
pub(crate) fn fill<T: Send>(n: usize, make: impl Fn(u32) -> T + Send + Sync) -> Box<[T]> {
    match (n >= LARGE).then(pool).flatten() {
        Some(pool) => pool.install(|| (0..n as u32).into_par_iter().with_min_len(LARGE / 4).map(make).collect()),
        None => (0..n as u32).map(make).collect(),
    }
}

/// The pool, unless there is one CPU only or threads cannot be had.
fn pool() -> Option<&'static ThreadPool> {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let start = || {
        let n = cpu_count();
        let builder = ThreadPoolBuilder::new().num_threads(n).thread_name(|i| format!("arras-pass-{i}"));
        (n > 1).then(|| builder.build().ok()).flatten()
    };
    POOL.get_or_init(start).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_and_small_slices_are_filled_alike() {
        for n in [0, 1, LARGE - 1, LARGE, 3 * LARGE + 7] {
            let filled = fill(n, |i| u64::from(i) * 3);
            assert!(filled.len() == n && filled.iter().enumerate().all(|(i, &x)| x == i as u64 * 3));
        }
    }
}
