//! When and where: schedulers that drive plans, and how collections are computed.
//!
//! ```text
//!     collection.compute_with(&scheduler)
//!          │ graph(), cull, freeze
//!          ▼
//!        Plan ──► Scheduler::run ──► Values ──► finish()
//!                   ├ Synchronous     one thread, in rank order
//!                   ├ Threads         threads of our own, work stealing, nested runs
//!                   │    └ Bookkeeping: what is ready, held, releasable; reads no clock, does no I/O
//!                   └ Processes       this program started again, a bundle of tasks at a time
//!                        └ Coordinator: what runs where, is fetched, let go, done again; reads no clock, does no I/O
//! ```
//! [`Compute`] is what users call; [`Scheduler`] is what a new way of running things implements; [`Observer`]s watch.
// Where `init()` stands in `main` is what those examples are about.
#![allow(clippy::needless_doctest_main)]

mod bookkeeping;
mod cancel;
mod compute;
mod cpu;
mod current;
#[cfg(feature = "dask")]
pub mod dask;
mod guard;
mod observer;
mod passes;
mod processes;
mod report;
mod scheduler;
mod slots;
mod spill;
mod synchronous;
mod threads;
#[doc(hidden)]
pub mod worker;

pub use cancel::CancelToken;
pub use compute::{Compute, prepare};
pub use current::{current_scheduler, enclosing_scheduler, with_scheduler};
pub use observer::{Event, Observer};
pub use processes::{Processes, ProcessesBuilder};
pub use report::{Recorder, RunReport};
pub use scheduler::{Configured, RunOptions, Scheduler};
pub use synchronous::Synchronous;
pub use threads::{Threads, cpu_count};
pub use worker::{WorkerError, init};
