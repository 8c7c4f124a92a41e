//! Permits: how many sub-plans run at once, whoever asks.
//!
//! Each connection has a thread of its own, and a run of [`Threads`](crate::Threads) always works on the thread that calls it. So two runs of
//! a parent would run two tasks at once in a worker of one thread, which its owner was promised is never the case.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::CancelToken;

/// A number of permits, handed out and given back.
#[derive(Debug)]
pub(crate) struct Permits {
    free: Mutex<usize>,
    changed: Condvar,
}

/// Gives its permit back when dropped.
#[derive(Debug)]
pub(crate) struct Permit<'p>(&'p Permits);

impl Permits {
    pub(crate) fn new(n: usize) -> Permits {
        Permits { free: Mutex::new(n), changed: Condvar::new() }
    }

    /// Waits for a permit; none if the run is cancelled before it has one.
    pub(crate) fn wait(&self, token: &CancelToken) -> Option<Permit<'_>> {
        let mut free = self.free();
        loop {
            if token.is_cancelled() {
                return None;
            }
            if *free > 0 {
                *free -= 1;
                return Some(Permit(self));
            }
            free = self.changed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Has those who wait look whether they are cancelled.
    pub(crate) fn look(&self) {
        // Who is about to wait has looked under this lock.
        drop(self.free());
        self.changed.notify_all();
    }

    fn free(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.free() += 1;
        // One would do, if it were not cancelled just now.
        self.0.changed.notify_all();
    }
}
