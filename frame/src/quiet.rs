//! Quiet: polars' own thread pool, turned off for one thread.
//!
//! ```text
//!     worker thread ── quiet_polars() ── query ── query ── drop        polars runs on this thread alone;
//!                                                                      the other workers run other partitions
//! ```
//! A scheduler already keeps every core busy with a partition each. polars would cut each of them up once more and hand the pieces to a pool of its own,
//! which costs more than small queries themselves, and a thread that waits for a pool can be made to run strangers' work.

use std::marker::PhantomData;

use polars_async::executor::ALLOW_RAYON_THREADS;

/// Until this is dropped, polars computes on this thread alone.
#[must_use = "polars uses its pool again as soon as this is dropped"]
#[derive(Debug)]
pub(crate) struct Quiet {
    before: bool,
    /// What is restored is this thread's setting, so the guard stays on it.
    stays_here: PhantomData<*const ()>,
}

/// Keeps polars off its thread pool on this thread, for as long as the guard lives. Guards may be nested.
pub(crate) fn quiet_polars() -> Quiet {
    Quiet { before: ALLOW_RAYON_THREADS.replace(false), stays_here: PhantomData }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        ALLOW_RAYON_THREADS.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_comes_back_in_turn_and_after_a_panic() {
        assert!(ALLOW_RAYON_THREADS.get());
        let outer = quiet_polars();
        drop(quiet_polars());
        assert!(!ALLOW_RAYON_THREADS.get());
        drop(outer);
        assert!(ALLOW_RAYON_THREADS.get());
        let caught = std::panic::catch_unwind(|| {
            let _quiet = quiet_polars();
            panic!("inside");
        });
        assert!(caught.is_err());
        assert!(ALLOW_RAYON_THREADS.get());
    }
}
