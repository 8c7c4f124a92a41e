//! Heartbeats: a worker that does not answer is as good as dead.
//!
//! ```text
//!     while a run is on:  ping ──► ok ──► wait a quarter of the limit ──► ping …          a thread for each worker, on a connection of its own
//!                              └─► nothing within the limit, or an end: the worker is condemned
//!     else:               asleep
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::fleet::lock;
use crate::worker::WorkerError;
use crate::worker::connection::Connection;

/// At most this long between two pings.
const INTERVAL: Duration = Duration::from_secs(1);

/// When the threads that watch are to watch.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    runs: usize,
    is_closed: bool,
}

impl Pulse {
    /// A run is on until the guard is dropped.
    pub(super) fn run(self: &Arc<Self>) -> Guard {
        lock(&self.state).runs += 1;
        self.changed.notify_all();
        Guard(Arc::clone(self))
    }

    /// Sends all threads that watch away.
    pub(super) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_all();
    }

    /// Has all threads look whether they are still to watch.
    pub(super) fn look(&self) {
        // Who is about to wait has looked under this lock.
        drop(lock(&self.state));
        self.changed.notify_all();
    }

    /// Waits, and then for as long as there is no run. Whether to go on.
    fn wait(&self, interval: Duration, is_over: &AtomicBool) -> bool {
        let deadline = Instant::now() + interval;
        let mut state = lock(&self.state);
        loop {
            if state.is_closed || is_over.load(Ordering::Relaxed) {
                return false;
            }
            let now = Instant::now();
            state = if now < deadline {
                self.changed.wait_timeout(state, deadline - now).unwrap_or_else(PoisonError::into_inner).0
            } else if state.runs == 0 {
                self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                return true;
            };
        }
    }
}

pub(super) struct Guard(Arc<Pulse>);

impl Drop for Guard {
    fn drop(&mut self) {
        lock(&self.0.state).runs -= 1;
    }
}

/// Listens to the heart of a worker until its life is over. Returns what was wrong with it, or nothing once nobody needs to know any more.
pub(super) fn beat(pulse: &Pulse, connection: &Connection, limit: Duration, is_over: &AtomicBool) -> Option<WorkerError> {
    let mut interval = Duration::ZERO;
    while pulse.wait(interval, is_over) {
        if let Err(error) = connection.ping(limit) {
            return Some(error);
        }
        interval = (limit / 4).min(INTERVAL);
    }
    None
}
