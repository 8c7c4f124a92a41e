//! Workers: the user's own executable, started again to run parts of plans.
//!
//! ```text
//!     parent                                             worker: main() ── arras::init() ── serves, never returns
//!       │  lifeline = the worker's standard input          │
//!       ├──────────── Setup, Connect, Connect … ──────────►│   its end ends the worker: no orphans
//!       │                                                  │
//!       └─ connection ── Execute, Put, Get, Drop … ───────►│   a thread each; one request, one reply
//!                                                          ├── Store: values by number, a budget, spilled beyond it
//!                                                          └── Threads: sub-plans run on the worker's own threads
//! ```
//! All of them are pairs of Unix sockets, made by the parent and handed down: they have no name, so nobody else can open one, and nothing is left behind. Every
//! connection must show the session's secret all the same, and the worker checks that it runs the executable that its parent expects, before anything is
//! decoded.

pub(crate) mod connection;
mod error;
#[doc(hidden)]
pub mod frame;
#[doc(hidden)]
pub mod message;
pub(crate) mod payload;
mod permits;
pub(crate) mod process;
mod serve;
mod shared_memory;
mod store;

use std::sync::atomic::{AtomicBool, Ordering};

use arras_core::{Error, Result};

pub use error::WorkerError;

/// Set in the environment of processes that are to be workers.
pub(crate) const WORKER_VARIABLE: &str = "ARRAS_WORKER";

static INITIALISED: AtomicBool = AtomicBool::new(false);

/// Makes this executable able to start worker processes: call it first thing in `main`. In a worker process it serves and does not return; in every other it returns at
/// once.
///
/// What stands before it in `main` runs in every worker too.
///
/// ```no_run
/// fn main() {
///     arras_scheduler::init();
///     // The program.
/// }
/// ```
pub fn init() {
    INITIALISED.store(true, Ordering::Relaxed);
    if std::env::var_os(WORKER_VARIABLE).is_some() {
        serve::serve_if_worker();
    }
}

/// Refuses to start workers for a program that would not serve in them.
///
/// # Errors
/// [`Error::Collection`] of [`WorkerError::NotInitialised`], which names the line to add.
pub(crate) fn require_init() -> Result<()> {
    if INITIALISED.load(Ordering::Relaxed) { Ok(()) } else { Err(Error::collection(WorkerError::NotInitialised)) }
}
