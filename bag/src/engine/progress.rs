//! How far a step of a run is: what a panic is told with, and what steps that count go by.
//!
//! ```text
//!     enter ──► watched(n): element, element, … ──► leave
//!                                  └─ a panic here leaves the number of the element behind, on its way out
//! ```
//! Nothing is written while the elements of a batch go by: where the compiler sees that the user's function cannot panic it drops the counting.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use arras_core::BoxError;

/// The number of no element.
const NONE: u64 = u64::MAX;

/// How far a step is, and what it keeps from batch to batch.
pub(crate) struct Progress {
    /// Elements that the step is through with, before the present batch.
    seen: AtomicU64,
    entered: AtomicBool,
    broken_at: AtomicU64,
    state: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Default for Progress {
    fn default() -> Progress {
        Progress { seen: AtomicU64::new(0), entered: AtomicBool::new(false), broken_at: AtomicU64::new(NONE), state: Mutex::new(None) }
    }
}

impl Progress {
    pub(crate) fn enter(&self) {
        self.entered.store(true, Relaxed);
    }

    pub(crate) fn leave(&self) {
        self.entered.store(false, Relaxed);
    }

    /// Whether the step has been entered and not left: so it is if it panicked.
    pub(crate) fn is_entered(&self) -> bool {
        self.entered.load(Relaxed)
    }

    /// The element that a watched function panicked on, counted from 0 in what the step was given.
    pub(crate) fn broken_at(&self) -> Option<u64> {
        Some(self.broken_at.load(Relaxed)).filter(|at| *at != NONE)
    }

    /// Runs `body`, which goes through the `n` elements of a batch and counts those that it is through with.
    #[inline(always)]
    pub(crate) fn watched<R>(&self, n: usize, body: impl FnOnce(&mut usize) -> R) -> R {
        struct Guard<'a> {
            progress: &'a Progress,
            done: usize,
        }
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                self.progress.broken_at.store(self.progress.seen() + self.done as u64, Relaxed);
            }
        }
        let mut guard = Guard { progress: self, done: 0 };
        let result = body(&mut guard.done);
        std::mem::forget(guard);
        self.seen.store(self.seen() + n as u64, Relaxed);
        result
    }

    /// Runs `body`, which makes one item of each of the `n` elements of a batch and puts it at the end of `out`, empty before: so these need not be counted.
    #[inline(always)]
    pub(crate) fn watched_into<R>(&self, n: usize, out: &mut Vec<R>, body: impl FnOnce(&mut Vec<R>)) {
        struct Guard<'a, R> {
            progress: &'a Progress,
            out: &'a mut Vec<R>,
        }
        impl<R> Drop for Guard<'_, R> {
            fn drop(&mut self) {
                self.progress.broken_at.store(self.progress.seen() + self.out.len() as u64, Relaxed);
            }
        }
        let guard = Guard { progress: self, out };
        body(&mut *guard.out);
        std::mem::forget(guard);
        self.seen.store(self.seen() + n as u64, Relaxed);
    }

    /// Elements that the step is through with, before the present batch.
    pub(crate) fn seen(&self) -> u64 {
        self.seen.load(Relaxed)
    }

    /// Changes what the step keeps from batch to batch, which `first` makes.
    pub(crate) fn with_state<S: Send + 'static, R>(
        &self,
        first: impl FnOnce() -> Result<S, BoxError>,
        change: impl FnOnce(&mut S) -> R,
    ) -> Result<R, BoxError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_none() {
            *state = Some(Box::new(first()?));
        }
        let state = state.as_mut().and_then(|state| state.downcast_mut::<S>()).ok_or("a step keeps one state")?;
        Ok(change(state))
    }
}
