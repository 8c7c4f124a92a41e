//! Stopping a run from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stops the runs it was given to: tasks that run finish, nothing else starts, and the caller gets
/// [`Error::Cancelled`](arras_core::Error::Cancelled). Clones stop the same runs.
///
/// [`cancel`](CancelToken::cancel) only stores a flag, so it may be called from a signal handler: hand a clone to the handler of your choice and Ctrl-C ends
/// the run in order instead of ending the process.
///
/// ```
/// use arras_core::{Error, delayed};
/// use arras_scheduler::{CancelToken, Compute, Scheduler, Threads};
/// let token = CancelToken::new();
/// token.cancel();
/// let result = delayed(|| 1, ()).compute_with(&Threads::new(2).cancelled_by(&token));
/// assert!(matches!(result, Err(Error::Cancelled { finished: 0, total: 1 })));
/// ```
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that stops nothing yet.
    pub fn new() -> CancelToken {
        CancelToken::default()
    }

    /// Stops the runs that have the token, and those that will be started with it.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`cancel`](CancelToken::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
