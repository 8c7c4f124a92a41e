//! What is known here of a future on the cluster.
//!
//! ```text
//!     Future<T>, Value::remote ──► Held ── the last one dropped releases the future: the cluster may forget the value
//!                                   │
//!                                   ▼
//!                                  Cell   pending → finished │ failed │ cancelled;  hooks run once it has ended
//! ```

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arras_core::{Error, Token, Tokenizer};

use super::connection::Connection;
use super::submitted::Submitted;

/// Where a future stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Not run yet, or running.
    Pending,
    /// The value is on the cluster. If the worker that holds it is lost the cluster computes it again, which does not show here.
    Finished,
    /// The task failed, or one that it stands on.
    Failed,
    /// Cancelled, by hand or because what it needs is gone for good.
    Cancelled,
}

type Hook = Box<dyn FnOnce() + Send>;

struct State {
    status: Status,
    error: Option<Error>,
    traceback: String,
    hooks: Vec<Hook>,
}

/// The state of one future. The reader of the bridge sets it.
pub(crate) struct Cell {
    state: Mutex<State>,
    ended: Condvar,
}

impl Cell {
    pub(crate) fn new() -> Arc<Cell> {
        let state = State { status: Status::Pending, error: None, traceback: String::new(), hooks: Vec::new() };
        Arc::new(Cell { state: Mutex::new(state), ended: Condvar::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn status(&self) -> Status {
        self.state().status
    }

    pub(crate) fn error(&self) -> Option<Error> {
        self.state().error.clone()
    }

    pub(crate) fn traceback(&self) -> String {
        self.state().traceback.clone()
    }

    /// The future has ended.
    pub(crate) fn end(&self, status: Status, error: Option<Error>, traceback: String) {
        let mut state = self.state();
        if state.status != Status::Pending {
            return;
        }
        (state.status, state.error, state.traceback) = (status, error, traceback);
        let hooks = std::mem::take(&mut state.hooks);
        drop(state);
        self.ended.notify_all();
        for hook in hooks {
            hook();
        }
    }

    /// The future is to run again, if it has failed.
    pub(crate) fn restart(&self) -> bool {
        let mut state = self.state();
        let failed = state.status == Status::Failed;
        if failed {
            (state.status, state.error, state.traceback) = (Status::Pending, None, String::new());
        }
        failed
    }

    /// Calls `hook` once the future has ended: now, or on the reader's thread, which it must not hold up.
    pub(crate) fn when_ended(&self, hook: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        if state.status == Status::Pending {
            state.hooks.push(Box::new(hook));
        } else {
            drop(state);
            hook();
        }
    }

    /// Waits for the end, until a deadline if there is one. Whether it has come.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.state();
        while state.status == Status::Pending {
            state = match deadline {
                None => self.ended.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }
}

/// A key of a Dask task.
pub(crate) type DaskKey = (String, u64);

/// The token of what a Dask key stands for: keys are made from tokens.
pub(crate) fn token_of(key: &DaskKey) -> Token {
    Tokenizer::new().text("dask").text(&key.0).number(key.1).finish()
}

/// A hold on a future. The last one to be dropped releases it.
pub(crate) struct Held {
    pub(crate) number: u64,
    pub(crate) key: DaskKey,
    pub(crate) cell: Arc<Cell>,
    pub(crate) connection: Arc<Connection>,
    /// What it came from: as long as somebody holds it, somebody may want to know which task failed.
    _submitted: Option<Arc<Submitted>>,
}

impl Held {
    /// A hold on a future that is about to be asked for under this number.
    pub(crate) fn new(connection: &Arc<Connection>, number: u64, key: DaskKey, submitted: Option<Arc<Submitted>>) -> Arc<Held> {
        let cell = Cell::new();
        connection.events.expect_future(number, &cell);
        Arc::new(Held { number, key, cell, connection: Arc::clone(connection), _submitted: submitted })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.connection.events.forget_future(self.number);
        self.connection.bridge.release(self.number);
    }
}
